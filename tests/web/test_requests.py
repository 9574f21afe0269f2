"""Requests on pages: asked from a board's row, listed, answered, withdrawn; and what is refused."""

from __future__ import annotations

import pytest

from secretariat.agreements import grants
from secretariat.base.clock import now
from secretariat.register import record_file
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
