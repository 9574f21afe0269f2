"""Instruments by parties, who met whom, dialogues and parties: as of a day, in order."""

from __future__ import annotations

import csv
import io

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file, service
from secretariat.register.model import Instrument, Statement, stix_id
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


def test_a_change_that_names_one_instrument_stands_with_it_and_others_are_offered(officer):
    service.record(
        officer.node,
        "live",
        [
            Instrument(
                key="jk-xpact-2026",
                kind="instrument",
                title="Exchange Pact (XPACT)",
                true_from="2026-10-01",
                known_public="2026-10-01",
                parties=("JP", "KR"),
            ),
            Instrument(
                key="ku-xpact-1987",
                kind="instrument",
                title="Older Pact (XPACT)",
                true_from="1987",
                known_public="1987",
                parties=("KR", "US"),
            ),
            Statement(
                key="whose",
                kind="status-change",
                title="Seoul approves XPACT",
                true_from="2012-06-26",
                known_public="2012-06-26",
                parties=("KR",),
            ),
            *(
                Statement(
                    key=key,
                    kind="status-change",
                    title=title,
                    true_from=day,
                    known_public=day,
                    parties=("JP", "KR"),
                )
                for key, title, day in (
                    ("one", "XPACT enters into force", "2026-11-02"),
                    ("jk-xpact-2026-notes", "Notes are exchanged", "2026-11-03"),
                    ("early", "First draft of XPACT put off", "2012-06-29"),
                    ("no-name", "XPACTS is another word", "2026-11-04"),
                )
            ),
        ],
        by="kim",
        now=now(),
    )
    assert cells(officer, "Exchange Pact")["KR"] == ("Notes are exchanged", "2026-11-03")
    assert cells(officer, "Exchange Pact", true_on="2026-11-02")["KR"] == (
        "XPACT enters into force",
        "2026-11-02",
    )
    page = officer.get("/register/instruments").text
    offered = page[page.index("Changes recorded without") :]
    assert "First draft of XPACT put off" in offered
    assert "XPACTS is another word" in offered
    assert "Seoul approves XPACT" in offered  # two bear that name, though one of them is much younger
    assert "XPACT enters into force" not in offered
    assert "Belongs to:" in officer.get("/register/statements/one").text
    assert "XPACT enters into force" in officer.get("/register/statements/jk-xpact-2026").text

    early, pact = (
        stix_id(kind, "KR", key)
        for kind, key in (("sct-statement", "early"), ("sct-instrument", "jk-xpact-2026"))
    )
    refused = officer.post("/register/instruments", data={"change": pact, "instrument": pact})
    assert refused.status_code == 422
    said = {"change": early, "instrument": pact}
    assert officer.post("/register/instruments", data=said, follow_redirects=False).status_code == 303
    page = officer.get("/register/instruments").text
    assert "First draft of XPACT put off" not in page[page.index("Changes recorded without") :]
    assert "First draft of XPACT put off" in officer.get("/register/statements/jk-xpact-2026").text


def test_who_reads_only_may_not_say_what_belongs(site):
    assert (
        site("analyst").post("/register/instruments", data={"change": "x", "instrument": "y"}).status_code
        == 403
    )


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
