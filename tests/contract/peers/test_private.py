"""Private questions between two nodes over HTTP on loopback: the way of a question, and what is refused."""

from __future__ import annotations

import contextlib
import json
import runpy
import time
import uuid
from pathlib import Path

import httpx2
import msgspec
import pytest

from secretariat.base.clock import now
from secretariat.base.errors import ConflictError
from secretariat.exchange import (
    identity,
    peer_pages,
    private_asking,
    private_doors,
    private_service,
)
from secretariat.exchange.private_values import epoch_of
from secretariat.ledger import dsse, entries
from secretariat.storage.engine import raw

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
http = runpy.run_path(str(_HERE / "test_http.py"))
until = served["until"]
UNDER = "jp-rok-gsomia-2016"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def indicator(value: str, marking: str = GREEN) -> dict[str, object]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, value)}",
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "pattern": f"[domain-name:value = '{value}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T00:00:00Z",
        "object_marking_refs": [marking],
    }


class Asking(http["Served"]):
    """JP asks, KR answers. They have 120 and 130 names, 40 of them both."""

    def names(self) -> None:
        self.load("JP", *[indicator(f"{n}.jp.example") for n in range(80)])
        self.load("KR", *[indicator(f"{n}.kr.example") for n in range(90)])
        for party in ("JP", "KR"):
            self.load(party, *[indicator(f"{n}.both.example") for n in range(40)])

    def allow(
        self, *, standing: bool = True, elements: int = 1_000, types=("domain-name",), sides=("JP", "KR")
    ):
        for party in sides:
            other = "KR" if party == "JP" else "JP"
            private_service.allow(
                self.nodes[party],
                "live",
                other,
                under=UNDER,
                types=types,
                elements=elements,
                standing=standing,
                by="root",
                now=now(),
            )

    def ask(self, kind: str = "domain-name") -> int:
        return private_asking.ask(self.nodes["JP"], "live", "KR", kind, by="aiko", now=now())

    def at(self, party: str):
        return private_service.list_questions(self.nodes[party], "live")

    def state(self, number: int) -> str:
        return private_service.one_question(self.nodes["JP"], "live", number).state

    def entries(self, party: str, kind: str) -> list[dict[str, object]]:
        with self.nodes[party].database.app("live") as tx:
            rows = raw(tx).execute("SELECT envelope FROM entry WHERE kind = %s ORDER BY position", (kind,))
            return [entries.read(dsse.payload_of(bytes(one))).body for (one,) in rows]

    def post(self, path: str, message: object, *, party: str = "JP", method: str = "POST") -> httpx2.Response:
        """Send what a partner that keeps no rule might send, signed as it should be."""
        url = f"{self.nodes['KR'].settings.address('live')}/live/peer/v1/questions{path}"
        body = b"" if message is None else msgspec.json.encode(message)
        request = identity.Request(method, url, {"accept": "application/json"}, body)
        signer = self.nodes[party].keyring("live").transport
        identity.sign_request(request, to="KR", signer=signer, now=now(), nonce=f"{time.monotonic_ns():022d}")
        return self.send(request)


@pytest.fixture
def pair(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *private_doors.routes))
    monkeypatch.setattr("secretariat.exchange.private_sync._LOOK_S", 0.2)
    with contextlib.ExitStack() as stack:
        there = Asking(node, stack)
        until(there.agreed, 60)
        there.names()
        yield there


def test_a_question_is_counted_and_stands_in_both_logs(pair):
    pair.allow()
    number = pair.ask()
    until(lambda: pair.state(number) == "counted", 60)
    (mine,) = pair.at("JP")
    assert (mine.result, mine.size, mine.their_size) == (40, 120, 130)
    (theirs,) = pair.at("KR")
    assert (theirs.state, theirs.result, theirs.size) == ("answered", None, 120)
    assert mine.answer == theirs.answer
    until(lambda: len(pair.entries("KR", "private-question")) == 1)
    (asked,), (answered,) = pair.entries("JP", "private-question"), pair.entries("KR", "private-question")
    for name in ("asks", "answers", "asked", "offered", "answer", "epoch", "type", "under"):
        assert asked[name] == answered[name], name
    assert (asked["result"], asked["by"], answered.get("result")) == (40, "aiko", None)
    for party in ("JP", "KR"):
        said = json.dumps([pair.entries(party, kind) for kind in ("private-set", "private-question")])
        assert "example" not in said  # never a value


def test_which_they_are_is_shown_when_both_sides_persons_say_so_and_both_prove_it(pair):
    pair.allow()
    number = pair.ask()
    until(lambda: pair.state(number) == "counted", 60)
    jp, kr = pair.nodes["JP"], pair.nodes["KR"]
    assert private_asking.matches_of(jp, "live", number) == []
    private_asking.want_opened(jp, "live", number, by="aiko", now=now())
    until(lambda: pair.at("KR")[0].stage == "wanted", 30)
    refused = pair.post(f"/{epoch_of(now())}/domain-name/lists/opened?part=0", None, method="GET")
    assert refused.status_code == 403
    private_service.decide(kr, "live", pair.at("KR")[0].id, what="opening", yes=True, by="minjun", now=now())
    until(lambda: pair.at("JP")[0].stage == "opened", 30)
    assert set(private_asking.matches_of(jp, "live", number)) == {f"{n}.both.example" for n in range(40)}
    (mine,), (theirs,) = pair.at("JP"), pair.at("KR")
    assert (mine.shown, theirs.shown, theirs.stage) == (40, 40, "opened")
    for party in ("JP", "KR"):
        stages = [one["stage"] for one in pair.entries(party, "private-question")]
        assert stages == ["counted", "opened"]


def test_a_person_decides_where_no_standing_yes_was_given(pair):
    pair.allow(standing=False)
    number = pair.ask()
    until(lambda: pair.at("KR") != [] and pair.at("KR")[0].state == "waiting", 30)
    time.sleep(0.6)
    assert pair.state(number) == "committed"
    private_service.decide(
        pair.nodes["KR"], "live", pair.at("KR")[0].id, what="answer", yes=True, by="minjun", now=now()
    )
    until(lambda: pair.state(number) == "counted", 30)


def test_a_no_of_a_person_ends_the_question_for_the_week(pair):
    pair.allow(standing=False)
    number = pair.ask()
    until(lambda: pair.at("KR") != [], 30)
    private_service.decide(
        pair.nodes["KR"], "live", pair.at("KR")[0].id, what="answer", yes=False, by="minjun", now=now()
    )
    until(lambda: pair.state(number) == "refused", 30)
    assert pair.entries("KR", "private-set") == []
    with pytest.raises(ConflictError, match="already"):
        pair.ask()
