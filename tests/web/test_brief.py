"""The brief on its page: for parties, for a meeting, as of the bar, and as files."""

from __future__ import annotations

import json

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.sample import sample

THEN = "true_on=2012-09-03&known_by=2012-09-03"


@pytest.fixture
def officer(site):
    """An officer at a node that holds the sample record."""
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now(), tlp="GREEN")
    client.make = site
    return client


def test_the_page_offers_who_met_and_prepares_as_of_the_bar(officer):
    first = officer.get("/register/brief").text
    assert "of=JP%2CKR" in first
    page = officer.get(f"/register/brief?of=CN,JP,KR&{THEN}").text
    assert "977 days" in page
    assert "/register/statements/cjk-c-tccs-launch?true_on=2012-09-03" in page
    assert 'href="#note-1"' in page
    assert 'id="note-1"' in page
    assert "cjk-cyber1-2014" not in page


def test_what_is_neither_parties_nor_a_meeting_is_told_beside_the_field(officer):
    answer = officer.get("/register/brief?of=%3Cb%3Enothing")
    assert answer.status_code == 404
    assert "&lt;b&gt;nothing" in answer.text
    assert "<b>nothing" not in answer.text
    assert officer.get("/register/brief?of=XX,JP").status_code == 422


def test_files_bear_marking_and_times_in_their_names(officer):
    for form, begins in (("pdf", b"%PDF-"), ("docx", b"PK"), ("json", b"{")):
        answer = officer.get(f"/register/brief/file/{form}?of=CN,JP,KR&{THEN}")
        assert answer.status_code == 200, form
        assert answer.content.startswith(begins)
        named = answer.headers["content-disposition"]
        assert "KR-brief-CN-JP-KR-2012-09-03-TLP-GREEN" in named
    found = json.loads(answer.content)
    assert found["question"]["true_on"] == "2012-09-03"
    assert found["marking"] == "TLP:GREEN"
    assert officer.get("/register/brief/file/exe?of=JP,KR").status_code == 404
    assert officer.get("/register/brief/file/pdf").status_code == 422


def test_other_languages(officer):
    officer.post("/language", data={"language": "ko", "next": "/"})
    page = officer.get(f"/register/brief?of=CN,JP,KR&{THEN}").text
    assert "지난번 약속과 그 이행" in page
    assert "2009년 12월 31일" in page
    assert officer.get(f"/register/brief/file/pdf?of=CN,JP,KR&{THEN}").content.startswith(b"%PDF-")


def test_who_may_not_read_the_register_gets_no_brief(officer):
    assert officer.make("admin").get("/register/brief?of=JP,KR").status_code == 403
    assert officer.make("admin").get("/register/brief/file/pdf?of=JP,KR").status_code == 403
