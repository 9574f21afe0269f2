"""Recording by officers: nouns by their forms, faults at their field, corrections side by side."""

from __future__ import annotations

import re

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.forms import NOUNS
from secretariat.register.overlap import service as overlap
from secretariat.register.sample import sample

TCCS = "cjk-c-tccs-launch"


@pytest.fixture
def officer(site):
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    client.site = site
    return client


def send(client, address, follow=True, **fields):
    return client.post(address, data=fields, follow_redirects=follow)


MEETING = {
    "title": "第七回サイバー協議",
    "true_from": "2026-10-05",
    "true_to": "2026-10-06",
    "parties": "JP、KR",
    "agenda": "First\nSecond",
    "agenda_held": "First",
    "level": "directors",
    "series": "jk-consultation",
    "round": "7",
    "status": "confirmed",
    "lang": "ja",
    "key": "m7",
}
SENT = {
    "meeting": MEETING,
    "commitment": {"title": "Meet again", "true_from": "2026-10", "parties": "KR JP".replace(" ", ","),
                   "owed_by": "KR", "due": "2027-06"},
    "project": {"title": "Feed", "true_from": "2026", "lead": "KR", "partners": "JP",
                "milestones": "Draft | 2027-01 |\nEnd | 2027-12"},
    "instrument": {"title": "Arrangement", "true_from": "2026-10-06", "parties": "KR,JP", "binding": "no"},
    "act": {"instrument_ref": "jk-gsomia-2016", "party": "KR", "state": "notice-given",
            "true_from": "2026-10-07"},
    "statement": {"title": "A statement", "kind": "development", "true_from": "2026-10-01"},
    "evidence": {"for_ref": TCCS, "says": "progress", "true_from": "2026-10-06"},
    "account": {"about_ref": TCCS, "said_by": "KR", "position": "denies", "text": "우리는 다르게 본다"},
    "absence": {"title": "No reply", "true_from": "2026-11-01", "looked_by": "KR", "looked_in": "our mail"},
    "body": {"title": "KISA", "aliases": "한국인터넷진흥원\nKorea Internet & Security Agency"},
    "source": {"title": "A page", "source_kind": "press", "url": "https://news.example/1"},
    "relation": {"source_ref": TCCS, "relationship_type": "follows", "target_ref": "cjk-action-plan-2008"},
}  # fmt: skip


def test_every_noun_is_recorded_by_its_form(officer):
    for noun in NOUNS:
        assert officer.get(f"/register/record/{noun}").status_code == 200
        done = send(officer, f"/register/record/{noun}", follow=False, **SENT[noun])
        assert done.status_code == 303, (noun, done.text)
        assert officer.get(done.headers["location"]).status_code == 200, noun


def test_a_meeting_is_shown_as_it_was_recorded(officer):
    page = send(officer, "/register/record/meeting", **MEETING).text
    for words in ("第七回サイバー協議", "jk-consultation", "First", "Second", "2026-10-05", "2026-10-06"):
        assert words in page


BAD = {
    "no title": ("meeting", {"title": ""}, "title"),
    "no such day": ("meeting", {"title": "x", "true_from": "2026-02-30"}, "true_from"),
    "ends before it begins": (
        "meeting",
        {"title": "x", "true_from": "2026-03", "true_to": "2026-01"},
        "true_to",
    ),
    "unknown party": ("meeting", {"title": "x", "parties": "XX"}, "parties"),
    "round is no number": ("meeting", {"title": "x", "round": "seven"}, "round"),
    "due before promised": (
        "commitment",
        {"title": "x", "true_from": "2026-03", "due": "2026-01", "owed_by": "KR"},
        "due",
    ),
    "about nothing": (
        "account",
        {"about_ref": "nothing", "said_by": "KR", "position": "denies", "text": "x"},
        "about_ref",
    ),
    "no such source": ("meeting", {"title": "x", "cite-0": "none"}, "cite-0"),
    "quotation alone": ("meeting", {"title": "x", "quote-0": "words"}, "cite-0"),
    "too long a quotation": ("meeting", {"title": "x", "cite-0": "S003", "quote-0": "word " * 60}, "quote-0"),
    "key taken": ("meeting", {"title": "x", "key": "cjk-summit1-2008"}, "key"),
    "choice of another's making": ("evidence", {"for_ref": TCCS, "says": "perhaps"}, "says"),
}


def test_a_fault_stands_at_its_field_and_nothing_typed_is_lost(officer):
    for name, (noun, fields, field) in BAD.items():
        answer = send(officer, f"/register/record/{noun}", summary="kept <words>", **fields)
        assert answer.status_code == 422, name
        assert f'id="e-{field}"' in answer.text, name
        if noun == "meeting":
            assert "kept &lt;words&gt;" in answer.text


def amending(client, key):
    page = client.get(f"/register/statements/{key}/amend").text
    return page.partition('name="seen" value="')[2].partition('"')[0]


def test_two_officers_correct_the_same_statement(officer):
    send(officer, "/register/record/meeting", **MEETING)
    first, second = amending(officer, "m7"), amending(officer, "m7")
    one = send(officer, "/register/statements/m7/amend", False, seen=first, **{**MEETING, "place": "Seoul"})
    assert one.headers["location"].endswith("/statements/m7")
    two = send(officer, "/register/statements/m7/amend", True, seen=second, **{**MEETING, "place": "Busan"})
    assert "Somebody corrected this" in two.text
    assert "<del>Seoul</del>" in two.text
    assert "<ins>Busan</ins>" in two.text
    page = officer.get("/register/statements/m7").text
    assert "first version" in page
    assert page.count("side by side") == 2


def test_a_correction_keeps_what_the_form_does_not_show(officer):
    seen = amending(officer, TCCS)
    shown = officer.get(f"/register/statements/{TCCS}").text
    assert "in 2009" in shown
    done = send(
        officer,
        f"/register/statements/{TCCS}/amend",
        False,
        seen=seen,
        title="Launch of the Cyber-Secretariat",
        true_from="2008-12-13",
        known_public="2008-12-13",
        parties="CN,JP,KR",
        owed_by="CN,JP,KR",
        due="2009",
        due_text="in 2009",
        aim="shared-register-of-cooperation",
        status="confirmed",
    )
    assert done.status_code == 303, done.text
    assert "Launch of the Cyber-Secretariat" in officer.get(f"/register/statements/{TCCS}").text


def test_taken_back_with_its_reason(officer):
    send(officer, "/register/record/meeting", **MEETING)
    assert send(officer, "/register/statements/m7/retract", reason=" ").status_code == 422
    page = send(officer, "/register/statements/m7/retract", reason="recorded twice")
    assert page.status_code == 200
    assert "recorded twice" in page.text
    assert officer.get("/register/statements/m7").status_code == 404


def test_a_source_is_captured_with_its_document(officer):
    answer = officer.post(
        "/register/record/source",
        data={"title": "Minutes", "source_kind": "primary", "key": "minutes"},
        files={"file": ("minutes.txt", b"They agreed to meet in June.\nAnd that was all.", "text/plain")},
    )
    assert answer.status_code == 200, answer.text
    assert "They agreed to meet in June." in answer.text
    fields = {"title": "June", "key": "june", "cite-0": "minutes", "quote-0": "agreed to meet in June"}
    assert "letters 5 to 27" in send(officer, "/register/record/meeting", **fields).text
    wrong = send(officer, "/register/record/meeting", **{**fields, "key": "july", "quote-0": "meet in July"})
    assert wrong.status_code == 422
    assert 'id="e-quote-0"' in wrong.text
    text = officer.get("/register/sources/minutes").text
    assert '<a class="anchor" id="c5"></a><mark' in text


def test_an_unreadable_document_is_refused_with_the_reason(officer):
    answer = officer.post(
        "/register/record/source",
        data={"title": "Nothing", "source_kind": "primary"},
        files={"file": ("empty.txt", b"   ", "text/plain")},
    )
    assert answer.status_code == 422
    assert 'id="e-file"' in answer.text


def test_never_in_the_past_and_never_by_readers(officer):
    past = officer.get("/register/record/meeting?true_on=2012-01-01")
    assert past.status_code == 409
    assert "/amend" not in officer.get(f"/register/statements/{TCCS}?true_on=2012-01-01").text
    assert send(officer, "/register/record/meeting", title="x", true_on="2012-01-01").status_code == 409
    analyst = officer.site("analyst")
    assert analyst.get("/register/record/meeting").status_code == 403
    assert "/amend" not in analyst.get(f"/register/statements/{TCCS}").text
    assert send(analyst, f"/register/statements/{TCCS}/retract", reason="x").status_code == 403


ROUND = {
    "title": "Third round of the Japan-ROK cyber consultation",
    "true_from": "2026-10-01",
    "parties": "JP,KR",
    "status": "confirmed",
    "lang": "en",
    "key": "near-1",
}


def test_what_stands_there_already_is_offered_before_it_is_recorded(officer):
    with officer.node.database.app("live") as tx:
        overlap.rebuild(tx)
    asked = send(officer, "/register/record/meeting", follow=False, **ROUND)
    assert asked.status_code == 200
    assert "Nothing was recorded yet. Something like it stands" in asked.text
    assert ROUND["title"] in asked.text
    assert "progress of?" in asked.text
    assert officer.get("/register/statements/near-1").status_code == 404
    near = re.search(r'name="near" value="([^"]+)"', asked.text)[1]
    promise = re.search(r'name="tie-(sct-commitment--[0-9a-f-]+)"', asked.text)[1]
    other = next(one for one in near.split() if one != promise)
    wrong = send(officer, "/register/record/meeting", near=near, **{f"tie-{promise}": "x"}, **ROUND)
    assert wrong.status_code == 422
    done = send(
        officer,
        "/register/record/meeting",
        follow=False,
        near=near,
        **{f"tie-{promise}": "progress", f"tie-{other}": "follows"},
        **ROUND,
    )
    assert done.status_code == 303, done.text
    page = officer.get(done.headers["location"]).text
    assert "follows" in page[page.index("<h2>Relations") :]
    assert ROUND["title"] in officer.get(f"/register/statements/{promise}").text
    # who was not shown what stands there now is asked again, and in the page's language
    officer.post("/language", data={"language": "ja", "next": "/"})
    again = send(officer, "/register/record/meeting", near=promise, **{**ROUND, "key": "near-2"}).text
    assert "まだ記録していません。よく似たもの" in again
    assert "定期的な協議" in again
    assert "days apart" not in again


def test_what_is_like_nothing_is_recorded_at_once(officer):
    with officer.node.database.app("live") as tx:
        overlap.rebuild(tx)
    sent = {"title": "Feed of harvests", "true_from": "2026-10", "lead": "KR", "partners": "JP"}
    assert send(officer, "/register/record/project", follow=False, **sent).status_code == 303


def test_a_relation_is_taken_back_from_the_page_of_its_statement(officer):
    said = {"source_ref": TCCS, "relationship_type": "follows", "target_ref": "cjk-action-plan-2008"}
    page = send(officer, "/register/record/relation", **said).text
    link = re.search(r'href="(/register/statements/relationship--[0-9a-f-]+/retract)"', page)[1]
    assert officer.get(link).status_code == 200
    assert send(officer, link, reason="").status_code == 422
    assert send(officer, link, reason="It follows another plan.").status_code == 200
    after = officer.get(f"/register/statements/{TCCS}").text
    assert link not in after
    assert officer.site("analyst").get(link).status_code == 403
