"""An instrument that one node lacks: fetched by signed requests, agreed by a person; what waits settles."""

from __future__ import annotations

import asyncio
import contextlib
import json
import runpy
import threading
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from psycopg import Cursor

from secretariat.agreements import offered
from secretariat.agreements import store as agreements
from secretariat.agreements.book import build, check, schema
from secretariat.agreements.reading import read
from secretariat.agreements.recording import record_book
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError
from secretariat.exchange import (
    due_service,
    enrolment,
    instrument_pages,
    instrument_service,
    instruments,
    peer_pages,
    service,
    sync,
)
from secretariat.exchange.postgres import transaction
from secretariat.storage.engine import raw

_HERE = Path(__file__).parent
nodes = runpy.run_path(str(_HERE / "test_nodes.py"))
http = runpy.run_path(str(_HERE / "test_http.py"))
Nodes, indicator, AMBER = nodes["Nodes"], nodes["indicator"], nodes["AMBER"]
until, Served = http["until"], http["Served"]

TERMS = """
instruments:
- id: syn-kr-jp-terms
  synthetic: true
  title: Invented terms between KR and JP
  kind: mou
  binding: true
  parties: [JP, KR]
  in_force: 2020-01-01
  articles:
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER}
"""


def book(text: str = TERMS):
    source = read(text.encode(), "terms.yaml")
    check(source, schema("instruments"))
    return build(source, readings=True)


class Fetching(Nodes):
    """Real nodes; texts pass by hand like pages do."""

    def record(self, party: str, text: str = TERMS) -> None:
        record_book(self.nodes[party], "live", book(text), now=self.now)
        self.announce(party)

    def announce(self, party: str) -> None:
        enrolment.announce(self.nodes[party], "live", now=self.now)

    def fetch(self, asker: str, giver: str, *, change=lambda answer: answer) -> int:
        node, came = self.nodes[asker], 0
        for want in instrument_service.wanted(node, "live", giver, now=self.now):
            try:
                answer = instrument_service.give_instrument(
                    self.nodes[giver], "live", asker, want.digest, now=self.now
                )
            except NotFoundError as error:
                instrument_service.unanswered(node, "live", want, str(error), now=self.now)
                continue
            came += instrument_service.take_instrument(
                node, "live", giver, want, change(answer), now=self.now
            )
        return came

    def agree(self, party: str, key: str = "syn-kr-jp-terms") -> None:
        with self.nodes[party].database.app("live") as tx:
            digest = offered.offer_of(tx, key).hash
        offered.agree(self.nodes[party], "live", digest, by="anna", now=self.now)
        self.announce(party)

    def agreed(self, party: str, partner: str) -> set[str]:
        with self.nodes[party].database.app("live") as tx:
            hashes = agreements.agreed(tx, partner, party)
            return {one.key for one in agreements.instruments_by_hash(tx, hashes)}

    def states(self, party: str) -> dict[str, int]:
        with self.nodes[party].database.app("live") as tx:
            rows = raw(tx).execute(
                "SELECT state, count(*) FROM object_version WHERE source <> %s GROUP BY state", (party,)
            )
            return dict(rows.fetchall())


def test_what_one_side_recorded_is_fetched_agreed_by_a_person_and_only_then_carries(node):
    world = Fetching(node, "KR", "JP")
    world.converge()
    world.record("KR")
    world.converge()
    assert world.fetch("JP", "KR") == 1
    assert "syn-kr-jp-terms" not in world.agreed("JP", "KR")  # it came, and takes part in nothing

    world.publish("KR", indicator("a", AMBER), to=["JP"])
    world.converge()
    assert world.sees("JP") == set()

    world.agree("JP")
    world.converge()
    assert "syn-kr-jp-terms" in world.agreed("JP", "KR") & world.agreed("KR", "JP")
    world.publish("KR", indicator("b", AMBER), to=["JP"])
    world.converge()
    assert world.sees("JP") == {indicator("b")["id"]}
    with world.nodes["JP"].database.app("live") as tx:
        (offer,) = agreements.offers(tx)
        assert (offer.state, offer.decided_by, offer.source) == ("agreed", "anna", "KR")
        kinds = raw(tx).execute("SELECT kind FROM entry WHERE kind IN ('instrument', 'note')").fetchall()
    assert {kind for (kind,) in kinds} == {"instrument", "note"}


def test_a_third_party_is_neither_told_of_a_confidential_instrument_nor_given_it(node):
    world = Fetching(node, "KR", "JP", "CN")
    world.converge()
    world.record("KR")
    world.converge()
    with world.nodes["CN"].database.app("live") as tx:
        named = (
            raw(tx)
            .execute("SELECT hashes FROM instrument_agreed WHERE by = 'KR' ORDER BY id DESC LIMIT 1")
            .fetchone()[0]
        )
    digest = next(one for one in book().hashes().values())
    assert digest not in named
    assert world.fetch("CN", "KR") == 0
    with pytest.raises(NotFoundError, match="here for CN"):
        instrument_service.give_instrument(
            world.nodes["KR"], "live", "CN", bytes.fromhex(digest), now=world.now
        )
    assert instrument_service.give_instrument(
        world.nodes["KR"], "live", "JP", bytes.fromhex(digest), now=world.now
    )


def test_objects_whose_grant_pins_an_unknown_set_wait_and_settle_in_bulk_once_it_is_agreed(node):
    world = Fetching(node, "KR", "JP")
    world.record("KR")
    world.converge()
    # KR believes that JP signed it (a node restored from a copy would): its grants pin a set JP cannot make
    with world.nodes["KR"].database.app("live") as tx:
        mine = agreements.agreed_by(tx, "JP", "KR")
        agreements.keep_agreed(
            tx, partner="JP", by="JP", hashes=mine, origin="jp.example/live", position=999, now=world.now
        )
    count = 300
    world.publish("KR", *(indicator(f"i{n}", AMBER) for n in range(count)), to=["JP"])
    world.converge()
    assert world.states("JP") == {"waiting": count}
    assert world.sees("JP") == set()

    assert world.fetch("JP", "KR") == 1
    assert due_service.retry_waiting(world.nodes["JP"], "live", now=world.now) == 0
    world.agree("JP")
    jp = world.nodes["JP"]
    statements = count_statements(lambda: due_service.retry_waiting(jp, "live", now=world.now))
    assert world.states("JP") == {"kept": count}
    assert statements < count / 3
    world.converge()
    assert len(world.sees("JP")) == count


def count_statements(run) -> int:
    """Give how many statements a call sends to the database, by the thread that makes it."""
    seen, here = [], threading.get_ident()
    original = Cursor.execute

    def counted(self, *args, **more):
        if threading.get_ident() == here:
            seen.append(args[0])
        return original(self, *args, **more)

    Cursor.execute = counted
    try:
        run()
    finally:
        Cursor.execute = original
    return len(seen)


def test_a_grant_under_a_set_that_was_just_replaced_is_received(node):
    world = Fetching(node, "KR", "JP")
    for party in ("KR", "JP"):
        world.record(party)
    world.converge()
    world.publish("KR", indicator("a", AMBER), to=["JP"])
    world.record("JP", TERMS.replace("max_tlp: AMBER", "max_tlp: GREEN"))  # before the grant arrives
    world.converge()
    assert world.sees("JP") == {indicator("a")["id"]}


def test_a_set_that_was_replaced_days_before_the_grant_is_not(node):
    world = Fetching(node, "KR", "JP")
    for party in ("KR", "JP"):
        world.record(party)
    world.converge()
    world.record("JP", TERMS.replace("max_tlp: AMBER", "max_tlp: GREEN"))
    world.now += timedelta(days=3)
    world.publish("KR", indicator("a", AMBER), to=["JP"])
    world.pull("JP", "KR")
    assert world.states("JP") == {"waiting": 1}
    world.now += timedelta(days=31)  # nor does it wait for ever
    due_service.retry_waiting(world.nodes["JP"], "live", now=world.now)
    assert world.states("JP") == {"quarantined": 1}


def test_a_text_that_a_person_refused_is_not_asked_for_again_and_may_still_be_agreed(node):
    world = Fetching(node, "KR", "JP")
    world.record("KR")
    world.converge()
    world.fetch("JP", "KR")
    jp = world.nodes["JP"]
    with jp.database.app("live") as tx:
        offer = offered.offer_of(tx, "syn-kr-jp-terms")
        assert offered.changes(tx, offer) is None
    offered.refuse(jp, "live", offer.hash, by="anna", reason="not signed by us", now=world.now)
    world.converge()
    assert instrument_service.wanted(jp, "live", "KR", now=world.now + timedelta(days=9)) == []
    world.agree("JP")
    with pytest.raises(InputError, match="was agreed by anna"):
        offered.refuse(jp, "live", offer.hash, by="bob", reason="late", now=world.now)


def test_another_text_under_a_key_in_use_says_where_it_differs(node):
    world = Fetching(node, "KR", "JP")
    world.record("JP")
    world.record(
        "KR", TERMS.replace("max_tlp: AMBER", "max_tlp: GREEN").replace("Invented terms", "Other terms")
    )
    world.converge()
    world.fetch("JP", "KR")
    with world.nodes["JP"].database.app("live") as tx:
        found = offered.changes(tx, offered.offer_of(tx, "syn-kr-jp-terms"))
    assert {one.where for one in found} == {"article 3 AUDIENCE", "title"}
    assert json.loads(next(one.theirs for one in found if one.where != "title"))["max_tlp"] == "GREEN"
    with world.nodes["JP"].database.app("live") as tx, pytest.raises(NotFoundError):
        offered.offer_of(tx, "")


@pytest.fixture
def pair(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *instrument_pages.routes))
    with contextlib.ExitStack() as stack:
        there = Served(node, stack)
        until(there.agreed, 60)
        yield there


def test_serving_nodes_fetch_by_themselves_and_take_it_into_use_after_a_person_agreed(pair):
    kr, jp = pair.nodes["KR"], pair.nodes["JP"]
    record_book(kr, "live", book(), now=now())

    def came():
        with jp.database.app("live") as tx:
            return agreements.offers(tx, state="offered")

    until(came, 60)
    (offer,) = came()
    offered.agree(jp, "live", offer.hash, by="anna", now=now())

    def both() -> bool:
        for one, other in ((kr, "JP"), (jp, "KR")):
            with one.database.app("live") as tx:
                if offer.hash not in agreements.agreed(tx, other, one.party):
                    return False
        return True

    until(both, 60)
    pair.publish("KR", indicator("amber", AMBER))
    until(lambda: indicator("amber")["id"] in pair.sees("JP"), 60)


def test_an_answer_longer_than_a_text_may_be_is_not_read(pair, monkeypatch):
    jp = pair.nodes["JP"]
    monkeypatch.setattr(instrument_service, "give_instrument", lambda *_args, **_more: b"[" * 3_000_000)
    with transaction(jp, "live", now()) as store:
        instruments.note_wanted(store, "KR", {b"\7" * 32: "syn-long"}, now())

    async def fetch() -> int:
        async with httpx2.AsyncClient(trust_env=False) as client:
            peer = service.known_peer(jp, "live", "KR")
            return await sync.fetch(jp, "live", peer, sync.Remote(jp, "live", peer, client))

    assert asyncio.run(fetch()) == 0
    with transaction(jp, "live", now()) as store:
        assert [one.code for one in store.refused()] == ["bad-instrument"]
        assert [one.state for one in store.wants("KR")] == ["refused"]


def test_a_stranger_is_given_nothing(pair):
    digest = "0" * 64
    answer = pair.send(pair.request(f"instruments/{digest}"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "signature" in answer.headers
    assert pair.send(pair.request("instruments/../feed")).status_code in {401, 404, 422}
    assert pair.send(pair.request("instruments/xyz")).status_code == 422
    bare = http["identity"].Request("GET", pair.request(f"instruments/{digest}").url, {})
    assert pair.send(bare).status_code == 401
