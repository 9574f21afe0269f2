"""A witness at its door: add-checkpoint over real HTTP, asked as the specification has it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import runpy
import threading
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from contract.peers.test_nodes import Nodes, indicator
from secretariat.base.clock import now
from secretariat.base.settings import Limits
from secretariat.exchange import connecting, peer_pages, service, sync, witness_pages
from secretariat.exchange.model import KeptLog
from secretariat.exchange.postgres import transaction
from secretariat.exchange.sync import Remote
from secretariat.exchange.witness_pages import Knocks
from secretariat.ledger import checkpoint, merkle, witness_store, witnessing
from secretariat.ledger import pages as ledger_pages
from secretariat.ledger import service as ledger
from secretariat.ledger.commands import commands
from secretariat.ledger.witness import StoppedError

served = runpy.run_path(str(Path(__file__).parent / "served.py"))
FORK = merkle.leaf_hash(b"another history")


@pytest.fixture
def world(node, monkeypatch):
    """JP serves as the witness of KR's log; nothing of it was kept yet."""
    routes = (*peer_pages.routes, *witness_pages.routes, *ledger_pages.routes)
    monkeypatch.setattr("secretariat.app.ROUTES", routes)
    monkeypatch.setattr("secretariat.app.BACKGROUND", ())
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(served["free_socket"]()))
        port = listening.getsockname()[1]

        def make(party: str):
            url = f"http://127.0.0.1:{port if party == 'JP' else 1}"
            return node(party, url=url, realms=("live",))

        there = Nodes(make, "KR", "JP")
        there.now = now()
        there.address = f"http://127.0.0.1:{port}/live/log/add-checkpoint"
        stack.enter_context(served["serving"](there.nodes["JP"], listening))
        yield there


def post(world, body: bytes) -> httpx2.Response:
    return httpx2.post(world.address, content=body, trust_env=False)


def asked(world, old: int, size: int | None = None) -> bytes:
    """A request for KR's log, its newest checkpoint or that of a size."""
    with world.nodes["KR"].database.app("live") as tx:
        note = ledger.checkpoint(tx, size)
        at = checkpoint.parse(note).size
        proof = ledger.consistency(tx, old, at) if 0 < old < at else []
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
    return f"old {old}\n{lines}\n".encode() + note


def sizes(world) -> list[int]:
    with world.nodes["KR"].database.app("live") as tx:
        return sorted(size for size, _root, _at in ledger.store.read_notes(tx, 100))


def forged(world, size: int) -> bytes:
    ring = world.nodes["KR"].keyring("live")
    return checkpoint.sign(ring.origin, size, FORK, ring.log)


def test_a_log_tool_gets_a_cosignature_that_verifies_and_every_refusal_by_its_status(world):
    ring, jp = world.nodes["KR"].keyring("live"), world.nodes["JP"].keyring("live")
    first, *_, last = sizes(world)
    got = post(world, asked(world, 0, first))
    assert (got.status_code, got.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    dash, name, value = got.text.removesuffix("\n").split(" ")
    data = base64.b64decode(value)
    assert (dash, name, len(data)) == ("\u2014", world.nodes["JP"].origin("live"), 76)
    text = asked(world, 0, first).split(b"\n\n")[1] + b"\n"
    seconds = int.from_bytes(data[4:12], "big")
    signed = b"cosignature/v1\ntime %d\n%b" % (seconds, text)
    Ed25519PublicKey.from_public_bytes(jp.witness.public).verify(data[12:], signed)

    asks = post(world, asked(world, 0))
    assert (asks.status_code, asks.headers["content-type"]) == (409, "text/x.tlog.size")
    assert asks.content == b"%d\n" % first
    assert post(world, asked(world, first)).status_code == 200
    assert post(world, asked(world, last)).content == post(world, asked(world, last)).content
    assert post(world, asked(world, first)).content == b"%d\n" % last  # a stale old size
    assert post(world, asked(world, last, first)).status_code == 400  # old above the checkpoint
    unproven = b"old %d\n\n" % last + forged(world, last + 5)
    assert post(world, unproven).status_code == 422
    stranger = checkpoint.sign("us.example/live", 3, FORK, ring.log)
    assert post(world, b"old 0\n\n" + stranger).status_code == 404
    assert post(world, b"old 0\n\n" + checkpoint.sign(ring.origin, 3, FORK, jp.log)).status_code == 403
    assert post(world, b"old x\n\n").status_code == 400
    assert post(world, b"old 0\n\n" + b"x" * 20_000).status_code == 413
    assert httpx2.get(world.address, trust_env=False).status_code == 405
    with world.nodes["JP"].database.app("live") as tx:
        assert ledger.store.read_peer_log(tx, ring.origin).size == last
        assert [one.size for one in witness_store.newest(tx, ring.origin)] == [last]


def test_two_at_once_never_take_the_kept_tree_back(world):
    """The race that the specification names: an older request must not end after a newer one."""
    first, *middle, last = sizes(world)
    post(world, asked(world, 0, first))
    bodies = [asked(world, first, size) for size in [*middle, last]] * 4
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: answers.append(post(world, one).status_code))
        for one in bodies
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(answers) <= {200, 409}
    with world.nodes["JP"].database.app("live") as tx:
        origin = world.nodes["KR"].origin("live")
        given = ledger.store.read_peer_log(tx, origin).size
        assert given == max(one.size for one in witness_store.newest(tx, origin))


def test_two_roots_of_one_size_at_the_door_are_kept_as_a_proof_that_a_stranger_verifies(world, tmp_path):
    last = sizes(world)[-1]
    post(world, asked(world, 0))
    refused = post(world, b"old %d\n\n" % last + forged(world, last))
    assert refused.status_code == 409
    jp, origin = world.nodes["JP"], world.nodes["KR"].origin("live")
    with jp.database.app("live") as tx:
        assert ledger.store.read_peer_log(tx, origin).state == "suspended"
        [found] = witness_store.read_contradictions(tx)
        written = witnessing.accusation(tx, jp.keyring("live"), found)
    assert post(world, asked(world, last)).status_code == 403  # nothing is cosigned any more
    file = tmp_path / "proof.json"
    file.write_bytes(written)
    root = world.nodes["KR"].keyring("live").root_public.hex()
    done = CliRunner().invoke(commands, ["accuse", str(file), "--key", root, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["party"] == "KR"


def test_a_pull_and_the_door_go_together(world):
    """What the door took the sync goes on from; the word that rides back is the same one."""
    post(world, asked(world, 0))
    world.publish("KR", indicator("a"))
    world.converge()
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    with kr.database.app("live") as tx:
        words = witness_store.newest(tx, kr.origin("live"))
        assert [(one.witness, one.size) for one in words] == [(jp.origin("live"), ledger.head(tx).size)]
        note = witnessing.checkpoint(tx)
    checkpoint.verify_cosignature(note, jp.origin("live"), jp.keyring("live").witness.public)
    public = httpx2.get(world.address.replace("add-checkpoint", "checkpoint"), trust_env=False).content
    assert len(checkpoint.parse(public).signatures) == 1  # who cosigned is not everybody's to know


def test_a_node_that_is_behind_gives_no_smaller_page_and_no_word(world):
    """KR asks for the page after more entries than JP has: no smaller checkpoint is signed for it."""
    world.converge()
    jp = world.nodes["JP"]
    at = service.place(world.nodes["KR"], "live", "JP")
    with pytest.raises(Exception, match="you kept 999 entries"):
        service.make_page(jp, "live", "KR", at.after, 999, now=world.now)
    with jp.database.app("live") as tx:
        witnessing.stop(tx, "KR holds more")
    with pytest.raises(Exception, match="KR holds more"):
        service.make_page(jp, "live", "KR", at.after, at.size, now=world.now)
    assert post(world, asked(world, 0)).status_code == 503


def test_a_node_that_was_put_back_hears_of_it_before_it_brings_a_page(world):
    """Before KR brings a page it asks JP where it stands, and JP shows what it kept of KR's log."""
    world.converge()
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    at_jp = service.known_peer(kr, "live", "JP")
    note = forged(world, 999)
    with transaction(jp, "live", world.now) as store:
        store.lock()
        store.keep_log(KeptLog(kr.origin("live"), "KR", 999, FORK, note))
        store.cosign(kr.origin("live"))

    async def bring() -> None:
        async with connecting.client(kr) as client:
            await sync.bring(kr, "live", "JP", Remote(kr, "live", at_jp, client))

    with pytest.raises(StoppedError, match="JP holds 999 entries"):
        asyncio.run(bring())
    assert service.refusals(jp, "live") == []
    with jp.database.app("live") as tx:
        assert ledger.store.read_peer_log(tx, kr.origin("live")).state == "ok"


def test_who_knocks_too_often_waits():
    knocks = Knocks(most=2)
    assert [knocks.allow("a", at) for at in (0.0, 1.0, 2.0, 61.5)] == [True, True, False, True]
    assert knocks.allow("b", 2.0)


def test_three_nodes_that_serve_make_entries_final_by_themselves(node, monkeypatch):
    """Only requests and answers between them: words go back, logs are compared, nobody is asked by hand."""
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *ledger_pages.routes))
    monkeypatch.setattr("secretariat.app.BACKGROUND", tuple(peer_pages.background))
    with contextlib.ExitStack() as stack:
        doors = {
            party: stack.enter_context(contextlib.closing(served["free_socket"]()))
            for party in ("KR", "JP", "US")
        }

        def make(party: str):
            url = f"http://127.0.0.1:{doors[party].getsockname()[1]}"
            limits = Limits(peer_wait_s=2, peer_poll_s=1)
            return node(party, url=url, realms=("live",), circles=("JP,KR,US",), limits=limits)

        there = Nodes(make, "KR", "JP", "US")
        there.now = now()
        kr, jp = there.nodes["KR"], there.nodes["JP"]
        for one in there.nodes:
            stack.enter_context(served["serving"](there.nodes[one], doors[one]))
        there.publish("KR", indicator("a"))

        def states() -> tuple[str, str]:
            with kr.database.app("live") as tx:
                ours = witnessing.Standings(tx, kr.keyring("live"), kr.settings.circles)
                grants = ledger.read_entries(tx, recipient="JP", kinds=["grant"])
                here = [ours.of(kr.origin("live"), one.position, "JP").state for one in grants]
            with jp.database.app("live") as tx:
                theirs = witnessing.Standings(tx, jp.keyring("live"), jp.settings.circles)
                kept = ledger.store.read_peer_entries(tx, origin=kr.origin("live"), kinds=["grant"])
                there = [theirs.of(one.origin, one.position, "JP").state for one in kept]
            return (here or [""])[0], (there or [""])[0]

        served["until"](lambda: states() == ("final", "final"), 90)
        with jp.database.app("live") as tx:
            shown = witness_store.read_shown(tx, kr.origin("live"))
        assert [one.told_by for one in shown] == ["US"]
