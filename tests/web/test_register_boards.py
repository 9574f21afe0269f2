"""The boards: rows with their sum as of any day; a verdict is kept with its reason."""

from __future__ import annotations

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.overlap import service as overlap
from secretariat.register.overlap.store import alone
from secretariat.register.sample import sample
from secretariat.storage.engine import raw

BOARDS = "/register/boards"


@pytest.fixture
def officer(site):
    """An officer at a node that holds the sample record."""
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    return client


def test_the_promise_of_2009_is_overdue_in_2010_and_not_before(officer):
    after = officer.get(f"{BOARDS}?true_on=2010-06-01&known_by=2010-06-01&party=JP").text
    before = officer.get(f"{BOARDS}?true_on=2009-06-01&known_by=2009-06-01&party=JP").text
    assert "cjk-c-tccs-launch" in after
    assert "2010-06-01 − 2009-12-31 (due) = 152 days" in after
    assert "cjk-c-tccs-launch" not in before


def test_each_board_answers_now_and_in_the_past(officer):
    for board in ("", "/lagging", "/silent", "/contested", "/overlapping"):
        for times in ("", "?true_on=2012-09-03&known_by=2012-09-03", "?knowledge=public"):
            answer = officer.get(BOARDS + board + times)
            assert answer.status_code == 200, board + times
    assert officer.get(f"{BOARDS}/lagging?days=0").status_code == 422
    assert officer.get(f"{BOARDS}/lagging?days=nine").status_code == 422


def test_boards_download_as_tables(officer):
    file = officer.get(f"{BOARDS}?true_on=2010-06-01&download=overdue.csv")
    assert file.headers["content-type"].startswith("text/csv")
    assert "Launch the Cyber-Secretariat" in file.text


def test_the_board_shows_how_far_the_index_has_come_and_looks_again(officer):
    database = officer.node.database
    with database.app("live") as tx:
        assert overlap.rebuild(tx) > 0
    page = officer.get(f"{BOARDS}/overlapping").text
    assert "<progress" not in page
    with database.app("live") as held:
        assert alone(held)  # so that what follows the record leaves it as it is
        with database.app("live") as tx:
            raw(tx).execute(
                "INSERT INTO register_overlap_waiting (id) SELECT id FROM register_overlap LIMIT 7"
            )
        page = officer.get(f"{BOARDS}/overlapping").text
    assert '<progress max="' in page
    assert 'hx-trigger="every 5s"' in page
    assert "Statements still to be compared: 7" in page


def test_a_verdict_is_kept_with_its_reason(officer):
    with officer.node.database.app("live") as tx:
        overlap.rebuild(tx)
    pair = {"one": "cjk-c-results-db", "other": "cjk-tcs-database-function"}
    empty = officer.post(f"{BOARDS}/overlapping", data={**pair, "verdict": "same", "reason": " "})
    assert empty.status_code == 422
    said = {**pair, "verdict": "turned:part-of", "reason": "The database came to be one of its functions."}
    assert officer.post(f"{BOARDS}/overlapping", data=said, follow_redirects=False).status_code == 303
    page = officer.get(f"{BOARDS}/overlapping").text
    assert "The database came to be one of its functions." in page
    assert officer.get("/register/statements/cjk-c-results-db").status_code == 200


def test_who_only_reads_may_not_judge(site, officer):
    data = {"one": "cjk-c-results-db", "other": "cjk-tcs-database-function", "verdict": "same", "reason": "x"}
    assert site("analyst").post(f"{BOARDS}/overlapping", data=data).status_code == 403
