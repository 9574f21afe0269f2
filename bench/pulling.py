"""Fifty partners hold their requests at one node that publishes: from publishing until each has verified it.

The node is a real one, served over HTTP; the partners have keys of their own, are enrolled by descriptor, and
live in one other process. Each holds a signed request, verifies the answer's signature and the page with the
shipped code (`take` over the store in memory), and asks again. Twenty objects are published every three
seconds, each publication to all fifty at once.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import secrets
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2
import msgspec

from bench import world
from bench.ledger import commit
from bench.line import Line
from secretariat.agreements.book import book_of_bodies
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.clock import now, stamp
from secretariat.base.settings import Limits
from secretariat.demo.delivery import percentile
from secretariat.demo.nodes import DemoNode, running
from secretariat.exchange import enrolment, identity, take, wire
from secretariat.exchange.identity import Answer, Request
from secretariat.exchange.memory import Memory
from secretariat.exchange.model import Peer
from secretariat.exchange.recomputing import Known, rule_with
from secretariat.exchange.wire import Cursor, Descriptor, Key, RealmKeys
from secretariat.ledger import dsse
from secretariat.ledger.keys import Keyring, Signer, signature_holds
from secretariat.records.canonical import canonical
from secretariat.records.markings import label_of
from secretariat.records.stix import check, moment
from secretariat.records.store import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTNERS = [f"P{number:02}" for number in range(1, 51)]
EACH = 20
TIMES = 8
EVERY_S = 3
SETTLE_S = 120
SKEW = timedelta(seconds=60)


def run() -> list[Line]:
    """Publish eight times; every partner must have verified every object at the end."""
    with running(("JP",)) as cluster:
        node = cluster["JP"]
        here, there = multiprocessing.get_context("spawn").Pipe()
        partners = multiprocessing.get_context("spawn").Process(target=_pull_all, args=(there, node.url))
        partners.start()
        try:
            waits = _published(node, here)
        finally:
            partners.terminate()
            partners.join()
        bound = _bound(node)
    return [
        Line(
            f"publish to verified by {len(PARTNERS)} partners that pull at once, {name}",
            percentile(waits, share) / 1000,
            "s",
            bound,
            3,
            sense="less",
            bound_is="two commits, and the signatures of fifty requests and answers made and verified",
        )
        for name, share in (("p99", 0.99), ("p50", 0.5))
    ]


def _published(node: DemoNode, partners: Connection) -> list[float]:
    own, _ = enrolment.invite(node.node, PARTNERS[0], now=now())
    for sealed in partners.recv():
        enrolment.accept(node.node, sealed, None, trust_demo=True, now=now())
    partners.send(own)
    assert partners.recv() == "following"
    sent: dict[str, float] = {}
    begun = time.monotonic()
    for number in range(TIMES):
        time.sleep(max(0.0, begun + EVERY_S * number - time.monotonic()))
        versions = _versions(number)
        started = time.monotonic()
        with node.node.database.app(world.LIVE) as tx:
            done = publish_in(
                tx, node.node, world.LIVE, versions, to=PARTNERS, basis=Basis(by="bench"), now=now()
            )
        assert done.granted == dict.fromkeys(PARTNERS, EACH), done.granted
        sent |= {one.stix_id: started for one in versions}
    partners.send(len(sent))
    seen: list[tuple[str, float]] = partners.recv()
    assert len(seen) == len(sent) * len(PARTNERS), f"{len(seen)} of {len(sent) * len(PARTNERS)} arrived"
    return [(at - sent[name]) * 1000 for name, at in seen]


def _versions(seed: int) -> list[Version]:
    made = []
    for one in world.objects(EACH * 3, seed=3_000 + seed):
        if "created" in one and one["type"] != "relationship":
            one["object_marking_refs"] = [world.CLEAR]
            made.append(one)
    at = now()
    return [
        Version(
            stix_id=one["id"],
            type=one["type"],
            version=moment(one["modified"]),
            data=canonical(one),
            originator="JP",
            source="JP",
            label=label_of(one, {}, "JP", "GREEN"),
            state="draft",
            recorded_at=at,
            known_at=at,
            created=one["created"],
            modified=one["modified"],
        )
        for one in made[:EACH]
    ]


def _bound(node: DemoNode) -> float:
    signer, message = Signer.generate(), b"m" * 400
    signature = signer.sign(message)
    started = time.perf_counter()
    commit(node.node)
    commit(node.node)
    for _ in range(2 * len(PARTNERS)):
        signer.sign(message)
        assert signature_holds(signer.public, signature, message)
    return time.perf_counter() - started


def _pull_all(door: Connection, url: str) -> None:
    rings = [Keyring.generate(code, world.LIVE, f"{code.lower()}.example") for code in PARTNERS]
    door.send([_descriptor(ring) for ring in rings])
    asyncio.run(_follow(door, url, rings, _peer(door.recv(), url)))


def _descriptor(ring: Keyring) -> bytes:
    assert ring.root is not None

    def key(signer: Signer) -> Key:
        return Key(signer.key_id, signer.public)

    realm = RealmKeys(
        origin=ring.origin,
        url="",
        record=key(ring.record),
        log=key(ring.log),
        transport=key(ring.transport),
        witness=key(ring.witness),
        root=key(ring.root),
    )
    said = Descriptor(wire.VERSION, ring.party, ring.party, key(ring.root), stamp(now()), {world.LIVE: realm})
    return dsse.seal(canonical(msgspec.to_builtins(said)), wire.DESCRIPTOR_TYPE, ring.root)


def _peer(sealed: bytes, url: str) -> Peer:
    said = enrolment.open_descriptor(sealed)
    realm = said.realms[world.LIVE]
    return Peer(
        party=said.party,
        name=said.name,
        root_key=said.root.public,
        record_keys={realm.record.id: realm.record.public},
        log_keys={realm.log.id: realm.log.public},
        transport_keys={realm.transport.id: realm.transport.public},
        origin=realm.origin,
        url=url,
    )


async def _follow(door: Connection, url: str, rings: Sequence[Keyring], peer: Peer) -> None:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=len(rings))
    seen: list[tuple[str, float]] = []
    async with httpx2.AsyncClient(trust_env=False, limits=limits, timeout=90) as client:
        pullers = [_Puller(ring, peer, client, url, seen) for ring in rings]
        await asyncio.gather(*(one.page(0) for one in pullers))
        following = [asyncio.create_task(one.run()) for one in pullers]
        await asyncio.sleep(1)
        door.send("following")
        expected = len(rings) * await asyncio.to_thread(door.recv)
        for _ in range(10 * SETTLE_S):
            if len(seen) >= expected:
                break
            await asyncio.sleep(0.1)
        door.send(seen)
        for one in following:
            one.cancel()


class _Puller:
    """One partner: its keys, what it keeps, and the request that it holds."""

    def __init__(
        self, ring: Keyring, peer: Peer, client: httpx2.AsyncClient, url: str, seen: list[tuple[str, float]]
    ) -> None:
        self._ring, self._peer, self._client, self._url, self._seen = ring, peer, client, url, seen
        self._memory = Memory(ring)
        self._memory.peers[peer.party] = peer
        self._known = Known(book_of_bodies(()), lambda _: {}, {}, timedelta(days=30))

    async def run(self) -> None:
        """Hold a request, take what comes, ask again."""
        while True:
            await self.page(25)

    async def page(self, wait: int) -> None:
        """Ask for one page as a node does, and keep it."""
        with self._memory.transaction(now()) as store:
            peer, kept = store.peer(self._peer.party), store.kept_log(self._peer.origin)
        at, size = (peer.cursor if peer else Cursor()), (kept.size if kept else 0)
        query = urlencode({"after": str(at), "size": size, "wait": wait})
        request = Request("GET", f"{self._url}/{world.LIVE}/peer/v1/feed?{query}", {}, b"")
        identity.sign_request(
            request,
            to=self._peer.party,
            signer=self._ring.transport,
            now=now(),
            nonce=secrets.token_urlsafe(18),
        )
        got = await self._client.get(request.url, headers=request.headers)
        headers = {name.lower(): value for name, value in got.headers.items()}
        answer = Answer(got.status_code, headers, got.content, request)
        assert answer.status_code == 200, answer.body
        identity.verify_answer(answer, find=self._peer.transport_keys.get, now=now(), skew=SKEW)
        brought = self._take(wire.read_page(answer.body))
        done = time.monotonic()
        self._seen += [(name, done) for name in brought]

    def _take(self, page: wire.Page) -> list[str]:
        moment_ = now()
        before = set(self._memory.held)
        with self._memory.transaction(moment_) as store:
            peer = store.peer(self._peer.party)
            assert peer is not None
            take.take(
                store,
                peer,
                page,
                recompute=functools.partial(_rule, store, self._known, moment_),
                limits=Limits(),
                now=moment_,
                check=check,
            )
        new = self._memory.held.keys() - before
        states = {self._memory.held[root].state for root in new}
        assert states <= {"kept"}, states
        return [self._memory.held[root].stix_id for root in new]


def _rule(store: Any, known: Known, at: Any, *given: Any) -> Any:
    return rule_with(store, known, *given, now=at)
