"""Notes on pages: written with footnotes from statements, revised by two, taken along, read by anybody."""

from __future__ import annotations

import json

import pytest

from secretariat.agreements import release
from secretariat.agreements.release import Basis
from secretariat.base.clock import AsOf, now
from secretariat.records.markings import tlp_marking
from secretariat.register import record_file
from secretariat.register import service as register
from secretariat.register.model import Source, View
from secretariat.register.notes import service
from secretariat.register.sample import sample

TYPED = {
    "title": "What became of the <b>Cyber-Secretariat</b>",
    "lang": "en",
    "summary": "Promised in 2008, asked for in 2012.",
    "text": "## Promise\n\nIt was to be launched in 2009.[^1] Nothing was found.[^2]\n\n- one\n- two",
    "source": ["C003-1", "S003", ""],
    "quote": ["", "", ""],
    "statements": "cjk-c-tccs-launch\ncjk-tccs-none-2012",
    "related": "The plan itself https://example.org/plan",
    "written_by": "Desk North-East Asia",
    "true_from": "2026-11-20",
    "disclosed": "",
    "tlp": "GREEN",
    "deed": "save",
}


@pytest.fixture
def officer(site):
    """An officer at a node that holds the sample record, CLEAR."""
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now(), tlp="CLEAR")
    client.make = site
    return client


def written(officer, **changes) -> str:
    answer = officer.post("/register/notes/new", data={**TYPED, **changes}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_note_is_written_and_read(officer):
    address = written(officer)
    page = officer.get(address).text
    assert "What became of the &lt;b&gt;Cyber-Secretariat" in page
    assert 'href="#note-2"' in page
    assert "Action Plan" in page
    assert address in officer.get("/register/notes").text
    assert officer.get(f"{address}?true_on=2026-11-22&recorded_by=2026-11-21").status_code == 404


def test_a_footnote_is_inserted_from_a_statement_and_nothing_typed_is_lost(officer):
    page = officer.get("/register/notes/new?about=cjk-c-tccs-launch").text
    assert "insert:" in page
    deed = page.split('value="insert:')[1].split('"')[0]
    answer = officer.post("/register/notes/new", data={**TYPED, "deed": f"insert:{deed}"})
    assert answer.status_code == 200
    assert "[^3]" in answer.text
    assert "Desk North-East Asia" in answer.text
    dropped = officer.post("/register/notes/new", data={**TYPED, "deed": "drop:1"}).text
    assert "launched in 2009. Nothing was found.[^1]" in dropped


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": ""}, "nothing stands here"),
        ({"text": "see[^9]"}, "has no footnote"),
        ({"source": ["nothing-here", "S003"], "quote": ["", ""]}, "no source"),
        ({"statements": "nothing-here"}, "no statement"),
        ({"source": ["S003", "S003"], "quote": ["word " * 51, ""]}, "quotation of 51 words"),
        ({"true_from": "2012-02-30"}, "no such date"),
        ({"text": "x" * 200_001}, "at most"),
    ],
)
def test_what_is_refused_gives_the_form_back(officer, changes, told):
    answer = officer.post("/register/notes/new", data={**TYPED, **changes})
    assert answer.status_code in {409, 413, 422}
    if "x" * 300 not in changes.get("text", ""):
        assert told in answer.text
        assert "nothing typed is lost" in answer.text
        assert "The plan itself" in answer.text


def test_two_officers_revise_both_stay_and_the_second_is_told(officer):
    address = written(officer)
    seen = officer.get(f"{address}/edit").text.split('name="seen" value="')[1].split('"')[0]
    first = officer.post(f"{address}/edit", data={**TYPED, "title": "First", "seen": seen})
    assert "Another officer" not in first.text
    second = officer.post(f"{address}/edit", data={**TYPED, "title": "Second", "seen": seen})
    assert "Another officer" in second.text
    assert '<h1 lang="en">Second' in second.text
    other = second.text.split("?version=")[1].split('"')[0]
    assert '<h1 lang="en">First' in officer.get(f"{address}?version={other}").text


def test_every_form_carries_the_note(officer):
    address = written(officer, title="Plain title")
    for form, begins in (
        ("pdf", b"%PDF-"),
        ("docx", b"PK"),
        ("html", b"<!doctype"),
        ("md", b"**TLP:GREEN**"),
    ):
        answer = officer.get(f"{address}/file/{form}")
        assert answer.status_code == 200, form
        assert answer.content.startswith(begins)
        assert "TLP-GREEN" in answer.headers["content-disposition"]
    found = json.loads(officer.get(f"{address}/file/stix").content)
    report = next(one for one in found["objects"] if one["type"] == "report")
    assert report["name"] == "Plain title"
    assert len(report["object_refs"]) == 3
    assert report["external_references"][0]["source_name"].startswith("[1] ")
    assert report["object_marking_refs"] == [tlp_marking("GREEN")["id"]]
    assert officer.get(f"{address}/file/exe").status_code == 404


def test_nobody_reads_what_was_not_released(officer):
    address = written(officer, tlp="CLEAR", disclosed="2026-11-20")
    stranger = officer.make()
    assert stranger.get("/public/notes").status_code == 404
    officer.node.settings.public_pages = True
    assert stranger.get("/public/notes").status_code == 200
    assert "Cyber-Secretariat" not in stranger.get("/public/notes").text
    key = address.rpartition("/")[2]
    assert stranger.get(f"/public/notes/{key}").status_code == 404
    assert officer.make("analyst").get("/register/notes/new").status_code == 403


def test_anybody_reads_what_was_released_and_only_what_is_clear_of_it(officer):
    secret = Source(key="secret-1", kind="source", title="Not for anybody", true_from="2020-01-01")
    register.record(officer.node, "live", [secret], by="test", now=now(), tlp="AMBER")
    more = {"source": ["C003-1", "secret-1"], "quote": ["", ""], "text": "One.[^1] Two.[^2]"}
    address = written(officer, tlp="CLEAR", disclosed="2026-11-20", **more)
    told = officer.get(address).text
    assert "marked higher than the note itself" in told
    assert "TLP-AMBER" in officer.get(f"{address}/file/md").headers["content-disposition"]
    stix = told.split('href="/reports/')[1].split("/release")[0] if "/release" in told else ""
    with officer.node.database.app("live") as tx:
        row = service.note_of(tx, View.of(AsOf(), now=now()), address.rpartition("/")[2])
    assert stix in {"", row.stix_id}
    release.publish(officer.node, "live", [row.stix_id], basis=Basis(by="releaser"), now=now())
    officer.node.settings.public_pages = True
    stranger = officer.make()
    assert "What became of" in stranger.get("/public/notes").text
    page = stranger.get(f"/public/notes/{row.key}").text
    assert "Action Plan" in page
    assert "Not for anybody" not in page
    assert "a source that is not here" in page
    assert "/register/" not in page.split('<main id="content"')[1]
    for form in ("pdf", "docx", "html", "md", "stix"):
        answer = stranger.get(f"/public/notes/{row.key}/file/{form}")
        assert answer.status_code == 200
        assert b"Not for anybody" not in answer.content
    assert stranger.get(f"/register/notes/{row.key}", follow_redirects=False).status_code in {303, 401}
