"""The Register's pages: the time line, lists and a statement answer the question of the bar."""

from __future__ import annotations

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.sample import sample

TCCS = "/register/statements/cjk-c-tccs-launch"


@pytest.fixture
def officer(site):
    """An officer at a node that holds the sample record."""
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    return client


def test_the_time_line_leads_to_a_statement(officer):
    page = officer.get("/register").text
    assert "/register/statements/" in page
    assert officer.get("/register?q=cyber&party=JP,KR&kind=meeting").status_code == 200
    for section in ("meetings", "commitments", "projects"):
        assert officer.get(f"/register/{section}").status_code == 200


def test_a_statement_stands_differently_on_other_days(officer):
    assert "overdue" in officer.get(f"{TCCS}?true_on=2010-06-01&known_by=2010-06-01").text
    before = officer.get(f"{TCCS}?true_on=2008-01-01&known_by=2008-01-01")
    assert before.status_code == 404
    assert "known and recorded by the time" in before.text


def test_a_statement_shows_its_sources_and_accounts(officer):
    page = officer.get(TCCS).text
    assert "different-reading" not in page
    assert "reads it differently" in page
    assert "mofa.go.jp" in page or "worldjpn" in page


def test_bad_questions_are_told_so(officer):
    assert officer.get("/register?first=2012-02-30").status_code == 422
    assert officer.get("/register/statements/nothing-here").status_code == 404
    assert officer.get("/register?page=0&party=%00").status_code in {400, 422}
    assert officer.get("/register?q=" + "x" * 500).status_code == 422


def test_who_may_not_read_the_register_sees_nothing_of_it(site, officer):
    assert site("admin").get("/register").status_code == 403
    assert site().get(TCCS, follow_redirects=False).status_code in {303, 401}
