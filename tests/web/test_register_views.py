"""Instruments by parties, who met whom, dialogues and parties: as of a day, in order."""

from __future__ import annotations

import csv
import io

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.sample import sample
from secretariat.register.view_pages import disputed_of, in_order


@pytest.fixture
def officer(site):
    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    return client


def cells(client, title, **query):
    query = "".join(f"&{name}={value}" for name, value in query.items())
    data = client.get(f"/register/instruments?download=instruments.csv{query}").text
    rows = csv.reader(io.StringIO(data.removeprefix("\ufeff")))
    return {row[2]: (row[3], row[4]) for row in rows if row[0].startswith(title)}


def test_the_node_stands_first_and_names_in_dispute_have_every_form():
    assert in_order(["US", "CN", "KR", "JP"], "KR") == ["KR", "CN", "JP", "US"]
    assert "Takeshima / Dokdo" in disputed_of(["KR"])


def test_instruments_by_parties(officer):
    title = "Japan-ROK Agreement"
    assert cells(officer, title)["JP"][0]
    assert cells(officer, title, true_on="2016-11-01", known_by="2016-11-01") == {}
    act = {
        "instrument_ref": "jk-gsomia-2016",
        "party": "KR",
        "state": "notice-given",
        "true_from": "2026-11-01",
    }
    assert officer.post("/register/record/act", data={**act, "known_public": "2026-11-01"}).status_code == 200
    assert cells(officer, title)["KR"] == ("notice given", "2026-11-01")
    assert cells(officer, title)["JP"][1] < "2026"
    then = cells(officer, title, true_on="2026-10-31", known_by="2026-10-31")["KR"]
    assert then != ("notice given", "2026-11-01")


def test_who_met_whom_and_when(officer):
    page = officer.get("/register/parties").text
    assert "/register/dialogue/JP,KR" in page
    then = officer.get("/register/parties?true_on=2008-12-31&known_by=2008-12-31&download=met.csv").text
    assert "CN,JP" in then
    assert "2008-12-13" in then


def test_a_dialogue_and_a_party(officer):
    page = officer.get("/register/dialogue/CN,JP,KR?true_on=2012-09-03&known_by=2012-09-03").text
    assert "Fifth trilateral summit" in page
    assert "Launch the Cyber-Secretariat" in page
    assert "overdue" in page
    exact = officer.get("/register/dialogue/JP,KR?exact=1").text
    assert "Fifth trilateral summit" not in exact
    party = officer.get("/register/parties/KR").text
    assert "대한민국" in party
    assert "Takeshima / Dokdo" in party
    assert officer.get("/register/parties/XX").status_code == 422
    assert officer.get("/register/dialogue/JP").status_code == 422
    assert officer.get("/register/dialogue/JP,XX").status_code == 422
