"""Requests on pages: asked from a board's row, listed, answered, withdrawn; and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from secretariat.agreements import grants
from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register import service as register
from secretariat.register import store as statements
from secretariat.register.model import Meeting, View
from secretariat.register.sample import sample


@pytest.fixture
def desk(site):
    """A signed-in officer at a node that holds the sample record and has one partner."""

    def make(role="officer"):
        return site(role)

    client = site("officer")
    record_file.import_bytes(client.node, "live", sample(), by="test", now=now())
    with client.node.database.app("live") as tx:
        grants.keep_party(tx, "JP", name="Japan", partner=True, now=now())
    return make


def test_empty_pages_say_what_to_do(site):
    client = site("officer")
    page = client.get("/requests").text
    assert "Nobody has asked us anything" in page
    assert "No partner is enrolled" in client.get("/requests?show=from-us").text
    assert "No request is past its day" in client.get("/requests?show=overdue").text
    assert site("admin").get("/requests").status_code == 403


def test_asked_from_a_row_and_found_again(desk):
    client = desk()
    form = client.get("/requests/new?about=cjk-c-tccs-launch").text
    assert "cjk-c-tccs-launch" in form
    asked = client.post(
        "/requests",
        data={
            "about": "cjk-c-tccs-launch",
            "of": "JP",
            "wants": "answer",
            "asks": "<b>When?</b>",
            "tlp": "CLEAR",
        },
        follow_redirects=False,
    )
    assert asked.status_code == 303, asked.text
    thread = client.get(asked.headers["location"]).text
    assert "&lt;b&gt;When?&lt;/b&gt;" in thread
    assert "The release waits for a decision" in thread
    assert "not released yet" in client.get("/requests?show=from-us").text
    about = client.get("/register/statements/cjk-c-tccs-launch").text
    assert "Requests about it" in about
    assert "/requests/KR-" in about[about.index("Requests about it") :]
    assert "not released yet" in about[about.index("Requests about it") :]
    assert "Requests about it" not in client.get("/register/statements/cjk-c-results-db").text
    past = client.get("/register/statements/cjk-c-tccs-launch?recorded_by=2026-01-01T00:00Z").text
    assert "Requests about it" not in past


def test_a_pair_is_joined_and_what_is_refused_keeps_the_words(desk):
    client = desk("releaser")
    assert client.get("/requests/new?about=x").status_code == 403  # recording is the officer's
    client = desk()
    form = client.get("/requests/new?about=cjk-c-tccs-launch&and=cjk-c-results-db").text
    assert 'value="join" selected' in form
    unknown = client.get("/requests/new?about=nothing-here")
    assert unknown.status_code == 404
    past = client.post(
        "/requests", data={"of": "JP", "asks": "Keep me", "answer_by": "2012-01-01", "tlp": "CLEAR"}
    )
    assert past.status_code == 422
    assert "Keep me" in past.text
    for bad in ({"of": "ZZ"}, {"tlp": "SECRET"}, {"wants": "more"}, {"asks": " "}, {"about": "nothing"}):
        given = {"of": "JP", "asks": "What?", "tlp": "CLEAR", **bad}
        assert client.post("/requests", data=given).status_code in {404, 422}, bad
    assert client.get("/requests/KR-2026-9999").status_code == 404
    assert client.get("/requests/" + "x" * 300).status_code == 404
    assert client.post("/requests/KR-2026-9999/answer", data={"tlp": "CLEAR"}).status_code == 404


def test_a_page_of_the_past_offers_nothing_to_act(desk):
    client = desk()
    client.post("/requests", data={"of": "JP", "asks": "When?", "title": "Of now", "tlp": "CLEAR"})
    assert "Of now" in client.get("/requests?show=from-us").text
    past = client.get("/requests?show=from-us&recorded_by=2012-01-01").text
    assert "Of now" not in past
    assert "Ask a partner" not in past
    refused = client.post(
        "/requests", data={"of": "JP", "asks": "x", "tlp": "CLEAR", "true_on": "2012-01-01"}
    )
    assert refused.status_code == 409


def test_withdrawn_with_a_reason(desk):
    client = desk()
    made = client.post(
        "/requests", data={"of": "JP", "asks": "When?", "tlp": "CLEAR"}, follow_redirects=False
    ).headers["location"]
    assert client.post(f"{made}/withdraw", data={"reason": " "}).status_code == 422
    assert (
        "It was answered by mail"
        in client.post(f"{made}/withdraw", data={"reason": "It was answered by mail"}).text
    )


def test_contacts_are_recorded_tested_and_stale(desk):
    client = desk()
    assert "No contact is recorded" in client.get("/requests/contacts").text
    given = {"party": "JP", "purpose": "incident", "address": "+81 3 0000 0000", "name": ""}
    page = client.post("/requests/contacts", data=given).text
    assert "+81 3 0000 0000" in page
    assert "to test" in page
    assert "contacts to test" in client.get("/").text
    tested = client.post(
        "/requests/contacts/test", data={"key": "contact-jp-incident", "result": "reached"}
    ).text
    assert ">reached<" in tested
    assert "is-loud" not in tested.split("<tbody>")[1].split("</tbody>")[0]
    assert "contacts to test" not in client.get("/").text
    for bad in ({"key": "contact-jp-incident", "result": "perhaps"}, {"key": "nobody", "result": "reached"}):
        assert client.post("/requests/contacts/test", data=bad).status_code in {404, 422}
    assert client.post("/requests/contacts", data={**given, "party": "Q!"}).status_code == 422
    assert client.get("/requests/contacts?download=contacts.csv").status_code == 200


def test_a_digest_is_asked_for_and_ended(desk):
    client = desk()
    page = client.get("/requests/mail").text
    assert "smtp_host" in page
    assert "cjk-c" not in page
    assert (
        'value="o@example.org"'
        in client.post("/requests/mail", data={"address": "o@example.org", "every": "weekly"}).text
    )
    assert client.post("/requests/mail", data={"address": "nobody", "every": "daily"}).status_code == 422
    assert 'value="o@example.org"' not in client.post("/requests/mail", data={"every": ""}).text


def test_an_item_goes_onto_the_agenda_of_a_meeting_of_ours(desk):
    client = desk()
    ahead = (now() + timedelta(days=30)).date().isoformat()
    meeting = Meeting(
        key="next-round",
        kind="meeting",
        title="Next",
        true_from=ahead,
        parties=("JP", "KR"),
        agenda=("Opening",),
    )
    register.record(client.node, "live", [meeting], by="test", now=now())
    form = client.get("/requests/new?about=cjk-c-tccs-launch").text
    assert 'value="next-round"' in form
    given = {"about": "cjk-c-tccs-launch", "meeting": "next-round", "item": "The secretariat"}
    assert client.post("/requests/agenda", data=given).status_code == 200
    with client.node.database.app("live") as tx:
        (row,) = statements.by_key(tx, "next-round", View(day=now().date()))
    assert row.body["agenda"] == ["Opening", "The secretariat"]
    assert client.post("/requests/agenda", data=given).status_code == 409
    assert client.post("/requests/agenda", data={**given, "meeting": "cjk-c-tccs-launch"}).status_code in {
        404,
        409,
    }
