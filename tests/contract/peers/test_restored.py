"""A node comes back from a backup: what partners kept of its log says what it lost, and what it destroyed."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from pathlib import Path

import httpx2
import pytest
from psycopg.types.json import Jsonb

from contract.peers.test_nodes import Nodes, indicator, traces
from secretariat.base.clock import now
from secretariat.exchange import peer_pages, restoring, service
from secretariat.exchange import store as tables
from secretariat.exchange.sync import Remote
from secretariat.ledger import checkpoint
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Signer
from secretariat.storage.engine import raw

served = runpy.run_path(str(Path(__file__).parent / "served.py"))
CANARY = "canary-b81d"


@pytest.fixture
def world(node, monkeypatch):
    """KR publishes to JP; KR serves on loopback, so that JP may ask it."""
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    monkeypatch.setattr("secretariat.app.BACKGROUND", ())
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(served["free_socket"]()))

        def make(party: str):
            port = listening.getsockname()[1] if party == "KR" else 1
            return node(party, url=f"http://127.0.0.1:{port}", realms=("live",))

        there = Nodes(make, "KR", "JP")
        there.now = now()
        there.converge()
        there.publish("KR", indicator("a", description=CANARY))
        there.converge()
        stack.enter_context(served["serving"](there.nodes["KR"], listening))
        yield there


def old_rows(node):
    with node.database.app("live") as tx:
        return [row for (row,) in raw(tx).execute("SELECT to_jsonb(v) FROM object_version v").fetchall()]


def put_back(node, rows) -> None:
    """Let the backup's rows be there again."""
    with node.database.app("live") as tx:
        for row in rows:
            raw(tx).execute(
                "INSERT INTO object_version SELECT (jsonb_populate_record(NULL::object_version, %s)).*"
                " ON CONFLICT DO NOTHING",
                (Jsonb(row),),
            )


def test_a_backup_that_holds_all_is_whole_and_catches_up_before_it_serves(world):
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    service.withdraw(kr, "live", str(indicator("a")["id"]), reason="wrong", by="a", now=world.now)
    found = asyncio.run(restoring.compare(jp))
    assert [(one.party, one.state) for one in found.partners] == [("KR", "whole")]
    restoring.refuse(found.partners)
    assert traces(jp, CANARY) == ["object_version"]
    assert asyncio.run(restoring.catch_up(jp)) > 0
    assert traces(jp, CANARY) == []


def keep_of_jp(world, size: int, root: bytes, signer=None) -> None:
    """Let KR have kept another checkpoint of JP's log."""
    ring = world.nodes["JP"].keyring("live")
    note = checkpoint.sign(ring.origin, size, root, signer or ring.log)
    with world.nodes["KR"].database.app("live") as tx:
        raw(tx).execute("UPDATE peer_log SET size = %s, root = %s, note = %s", (size, root, note))


@pytest.mark.parametrize(
    ("more", "own_key", "state"),
    [(3, True, "lost"), (0, True, "other"), (-1, True, "other"), (3, False, "unproven")],
)
def test_sizes_and_roots_are_compared_by_our_own_signature(world, more, own_key, state):
    jp = world.nodes["JP"]
    with jp.database.app("live") as tx:
        size = ledger.head(tx).size
    keep_of_jp(world, size + more, b"\x01" * 32, None if own_key else Signer.generate())
    found = asyncio.run(restoring.compare(jp))
    assert [one.state for one in found.partners] == [state]
    assert (restoring.behind(found.partners) is not None) == (state in {"lost", "other"})
    left = asyncio.run(restoring.compare(jp, without=["KR"]))
    assert [one.state for one in left.partners] == ["left out" if state == "unproven" else state]


def test_what_was_destroyed_after_the_backup_is_destroyed_again_by_the_receipts_that_partners_kept(world):
    """The old rows of JP come back; KR kept JP's receipt that they were destroyed."""
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    rows = old_rows(jp)
    with jp.database.app("live") as tx:
        size = ledger.head(tx).size
    service.withdraw(kr, "live", str(indicator("a")["id"]), reason="wrong", by="a", now=world.now)
    world.converge()
    assert traces(jp, CANARY) == []
    put_back(jp, rows)
    assert traces(jp, CANARY) == ["object_version"]
    found = asyncio.run(restoring.compare(jp))
    kept = asyncio.run(_kept(jp, size))
    newer = {"live": restoring.newer(jp.keyring("live"), kept)}
    assert [one.kind for one in newer["live"]] == ["receipt"]
    assert restoring.destroy_again(jp, newer, now=world.now) == 1
    assert traces(jp, CANARY) == []
    assert [one.state for one in found.partners] == ["whole"]


async def _kept(node, after: int):
    with node.database.app("live") as tx:
        [peer] = tables.read_peers(tx)
    async with httpx2.AsyncClient(trust_env=False) as client:
        return [await Remote(node, "live", peer, client).kept(after)]


def test_the_own_log_s_destroy_entries_are_applied(world):
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    rows = old_rows(jp)
    service.withdraw(kr, "live", str(indicator("a")["id"]), reason="wrong", by="a", now=world.now)
    world.converge()
    put_back(jp, rows)
    assert restoring.destroy_again(jp, {}, now=world.now) == 1
    assert traces(jp, CANARY) == []
