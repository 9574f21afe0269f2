"""Search, saved views, downloads, differences and the public page."""

from __future__ import annotations

import json

import pytest

from secretariat.base.clock import now
from secretariat.records import collections
from secretariat.register import record_file, service
from secretariat.register.model import Cite, Meeting, Source, id_of
from secretariat.register.sample import sample
from secretariat.register.words import quoted_words


@pytest.fixture
def officer(site):
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    client.site = site
    return client


def test_a_search_marks_what_it_found_in_every_language(officer):
    drafts = [
        Meeting(key="ja", kind="meeting", title="日韓サイバー協議", lang="ja", summary="東京で開催"),
        Meeting(key="ko", kind="meeting", title="한일 사이버 협의회", lang="ko"),
    ]
    service.record(officer.node, "live", drafts, by="test", now=now())
    assert "日韓<mark>サイバー</mark>協議" in officer.get("/register?q=サイバー").text
    assert "한일 <mark>사이버</mark> 협의회" in officer.get("/register?q=사이버").text
    assert "<mark>東京</mark>で開催" in officer.get("/register?q=東京").text
    assert "<script>" not in officer.get("/register?q=<script>").text
    assert (
        "Fifth trilateral summit"
        not in officer.get("/register?status=contested&kind=meeting&series=none").text
    )


def test_views_are_saved_per_person(officer):
    query = "q=cyber&party=JP,KR&true_on=2012-09-03&page=3&download=x"
    page = officer.post("/register/views", data={"name": "  Tokyo  and Seoul ", "query": query}).text
    assert "Tokyo and Seoul" in page
    assert "page=3" not in page.partition('class="views"')[2].partition("</div>")[0]
    other = officer.site("analyst")
    assert "Tokyo and Seoul" not in other.get("/register").text
    number = officer.get("/register").text.partition("/register/views/")[2].partition("/")[0]
    other.post(f"/register/views/{number}/forget")
    assert "Tokyo and Seoul" in officer.get("/register").text
    assert "Tokyo and Seoul" not in officer.post(f"/register/views/{number}/forget").text
    assert officer.post("/register/views", data={"name": " ", "query": ""}).status_code == 422
    assert officer.post("/register/views", data={"name": "x" * 99, "query": ""}).status_code == 422


def test_a_list_is_downloaded_whole_and_without_captured_texts(officer):
    source = Source(key="src", kind="source", title="A page", true_from="2026-01-01")
    meeting = Meeting(
        key="m",
        kind="meeting",
        title="Held",
        true_from="2026-02-03",
        known_public="2026-02-04",
        cites=(Cite(source_ref=id_of(source, officer.node.party), quote="they met"),),
    )
    service.record(officer.node, "live", [source, meeting], by="test", now=now(), tlp="GREEN")
    answer = officer.get("/register?download=statements.stix.json")
    assert "TLP-AMBER.stix.json" in answer.headers["content-disposition"]
    objects = {one["id"]: one for one in json.loads(answer.text)["objects"]}
    assert len(objects) > 150
    assert "bytes" not in answer.text.partition('"type"')[0]
    for one in objects.values():
        assert not {"text_body", "captured_text"} & one.keys()
        for cite in one.get("cites", ()):
            assert cite["source_ref"] in objects
            assert quoted_words(cite.get("quote", "")) <= 50
        for ref in one.get("object_marking_refs", ()):
            assert ref in objects
    ics = officer.get("/register?kind=meeting&first=2026-01&download=statements.ics")
    assert ics.headers["content-type"].startswith("text/calendar")
    assert "SUMMARY:[TLP:GREEN] Held" in ics.text
    assert officer.get("/register?download=statements.csv").text.count("\n") > 150
    assert officer.get("/register?download=statements.exe").status_code == 404


def test_what_changed_between_two_days(officer):
    page = officer.get("/register/diff?from=2009-12-01&to=2010-02-01").text
    assert "Launch the Cyber-Secretariat" in page  # its day passed between the two
    assert "overdue" in page
    page = officer.get("/register/diff?from=2012-06-25&to=2012-06-26").text
    assert "learned: not known before" in page
    assert "Nothing differs" in officer.get("/register/diff?from=1990&to=1991").text
    assert officer.get("/register/diff?from=2012-02-30").status_code == 422
    assert "what_word" in officer.get("/register/diff?from=2012-06&to=2012-07&download=changes.json").text


def test_the_public_page_shows_what_was_released_to_the_public_and_nothing_else(officer, monkeypatch):
    stranger, node = officer.site(), officer.node
    assert stranger.get("/public/register").status_code == 404
    monkeypatch.setattr(node.settings, "public_pages", True)
    names = {
        "open": ("CLEAR", "2026-01-02"),
        "draft": ("CLEAR", "2026-01-02"),
        "green": ("GREEN", "2026-01-02"),
        "later": ("CLEAR", "2099-01-02"),
        "quiet": ("CLEAR", None),
    }
    ids = {}
    for key, (tlp, public) in names.items():
        meeting = Meeting(
            key=key, kind="meeting", title=f"Title of {key}", true_from="2026-01-01", known_public=public
        )
        ids[key] = service.record(node, "live", [meeting], by="test", now=now(), tlp=tlp).ids[0]
    with node.database.app("live") as tx:
        clear = collections.ensure(tx, "clear", "clear", party=node.party, realm="live")
        every = [number for key, number in ids.items() if key != "draft"]
        collections.add_fresh(tx, {clear: [(None, every, ())]}, now=now())
    page = stranger.get("/public/register").text
    assert "Title of open" in page
    for key in ("draft", "green", "later", "quiet"):
        assert f"Title of {key}" not in page
        assert stranger.get(f"/public/register/{key}").status_code == 404
    assert "Title of open" in stranger.get("/public/register/open").text
    assert "Title of open" in stranger.get("/public/register?q=title").text
    assert "Title of open" not in stranger.get("/public/register?q=nothing").text
    assert (
        "Title of green" not in stranger.get("/public/register?true_on=2099-12-31&known_by=2099-12-31").text
    )
