"""N nodes in one process, in step by the shipped lines of exchange: `offer`, `take`, `withdraw`, `narrow`.

Each node is a `Memory`, or whatever else gives transactions of a `Store` (the contract tests put nodes on
PostgreSQL). Agreements are a set of permitted ways (originator, sender, recipient), so that a story reads
without instruments; signatures, logs, proofs and pages are real. A test bends a page with `change` on its
way and sees what the receiver makes of it.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import postgres, withdrawal
from secretariat.exchange.memory import Memory
from secretariat.exchange.model import Peer, Refusal, Ruling, Version
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Outgoing, Store
from secretariat.exchange.take import PageRefusedError, Result, retry, take
from secretariat.exchange.wire import Page, encode, read_page
from secretariat.ledger import dsse, entries, object_signature, statements
from secretariat.ledger.keys import Keyring
from secretariat.ledger.property_tree import left_out_of, root_of
from secretariat.records.canonical import canonical

START = datetime(2026, 11, 22, 2, 9, 36, tzinfo=UTC)
REQUIRED = {"indicator": ("name", "pattern", "pattern_type", "valid_from"), "report": ("name", "published")}
COMMON = ("type", "spec_version", "id", "created_by_ref", "created", "modified", "object_marking_refs")


class SimulatedNode:
    """One party's node over any backend that gives transactions of a `Store`."""

    def __init__(self, keyring: Keyring, transaction: Callable[[datetime], Any], backend: Any) -> None:
        self.party = keyring.party
        self.keyring = keyring
        self._transaction = transaction
        self.backend = backend
        self.refusals: list[Refusal] = []

    @contextlib.contextmanager
    def store(self, now: datetime) -> Iterator[Store]:
        with self._transaction(now) as store:
            yield store

    @contextlib.contextmanager
    def serving(self, reader: str, now: datetime) -> Iterator[Store]:
        """Give the store that makes pages for a reader: on PostgreSQL under the reader's role, as shipped."""
        if isinstance(self.backend, Memory):
            with self.store(now) as store:
                yield store
        else:
            with self.store(now) as own:  # a node opens its log when it starts
                own.lock()
            with postgres.serving(self.backend, "live", reader, now) as store:
                yield store


class World:
    """Parties, what may flow between them, and one clock."""

    def __init__(self, *parties: str, make: Callable[[str], SimulatedNode] | None = None) -> None:
        self.now = START
        self.nodes = {party: (make or memory_node)(party) for party in parties}
        self.ways: set[tuple[str, str, str]] = set()
        self.ignorant: set[str] = set()
        self.moved = 0
        for one in parties:
            for other in parties:
                if one != other:
                    self.enrol(one, other)

    def enrol(self, at: str, partner: str) -> None:
        ring = self.nodes[partner].keyring
        with self.nodes[at].store(self.now) as store:
            store.save_peer(peer_of(ring))

    def allow(self, *ways: str) -> None:
        """`allow("US>KR", "US>KR>JP")`: originator > recipient, or originator > relay > recipient."""
        for way in ways:
            parts = way.split(">")
            self.ways.add((parts[0], parts[-2], parts[-1]))

    def tick(self, **delta: float) -> None:
        self.now += timedelta(**(delta or {"seconds": 1}))

    def publish(
        self,
        party: str,
        *objects: dict[str, Any],
        to: Sequence[str],
        obligations: Sequence[dict[str, Any]] = (),
    ) -> list[bytes]:
        """Sign objects as their originator, log them and grant them: what a release does on a real node."""
        node = self.nodes[party]
        versions = [sealed(node.keyring, one) for one in objects]
        with node.store(self.now) as store:
            store.lock()
            store.publish(versions, to)
            self.grants(store, [one.root for one in versions], to, obligations)
        self.tick()
        return [one.root for one in versions]

    def relay(
        self,
        party: str,
        roots: Sequence[bytes],
        *,
        to: str,
        consent: tuple[str, int] | None = None,
        left_out: Sequence[str] = (),
        obligations: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Pass on what somebody else signed, without the properties `left_out` and what is missing here."""
        with self.nodes[party].store(self.now) as store:
            store.lock()
            held = store.versions(roots)
            missing = {
                root: sorted({*left_out, *left_out_of(one.salt)})
                for root, one in held.items()
                if left_out or left_out_of(one.salt)
            }
            for root, one in held.items():
                store.publish([one], [to], missing.get(root, ()))
            self.grants(store, roots, [to], obligations, consent, missing)
        self.tick()

    def consent(self, party: str, roots: Sequence[bytes], *, via: str, to: str) -> tuple[str, int]:
        with self.nodes[party].store(self.now) as store:
            body = entries.Consent(to=via, objects=[root.hex() for root in roots], to_reader=to)
            (position,) = store.append([Outgoing("consent", via, body)])
            return store.origin, position

    def grants(
        self,
        store: Store,
        roots: Sequence[bytes],
        to: Sequence[str],
        obligations: Sequence[dict[str, Any]] = (),
        consent: tuple[str, int] | None = None,
        missing: Mapping[bytes, Sequence[str]] | None = None,
    ) -> None:
        objects = [root.hex() for root in roots]
        (publication,) = store.append([Outgoing("publication", None, entries.Publication(objects=objects))])
        facts = {"consents": [{"origin": consent[0], "position": consent[1]}]} if consent else None
        row = entries.GrantRow(
            articles=["sim/1"],
            objects=objects,
            obligations=list(obligations),
            left_out={root.hex(): list(names) for root, names in (missing or {}).items()},
        )
        store.append(
            [
                Outgoing(
                    "grant",
                    party,
                    entries.Grant(
                        to=party,
                        publication=publication,
                        instruments="00" * 32,
                        engine="sim",
                        rows=[row],
                        facts=facts,
                    ),
                )
                for party in to
            ]
        )

    def withdraw(self, party: str, stix_id: str, reason: str = "wrong") -> withdrawal.Called:
        node = self.nodes[party]
        with node.store(self.now) as store:
            called = withdrawal.withdraw(
                store, stix_id, reason=reason, now=self.now, required=required, seal=sealer(node.keyring)
            )
        self.tick()
        return called

    def narrow(self, party: str, stix_id: str, *, to: str) -> withdrawal.Called:
        with self.nodes[party].store(self.now) as store:
            called = withdrawal.narrow(store, stix_id, to=to, reason="the agreement ended", now=self.now)
        self.tick()
        return called

    def page(self, receiver: str, sender: str, **limits: int) -> Page:
        """What `sender` offers `receiver` now, through its JSON form."""
        with self.nodes[receiver].store(self.now) as store:
            peer = store.peer(sender)
            kept = store.kept_log(peer.origin)
        with self.nodes[sender].serving(receiver, self.now) as store:
            page = offer(store, receiver, peer.cursor, kept.size if kept else 0, **limits)
        return read_page(encode(page))

    def give(self, receiver: str, sender: str, page: Page) -> Result:
        """Let `receiver` take a page; what it refuses is recorded in a transaction of its own, as shipped."""
        node = self.nodes[receiver]
        try:
            with node.store(self.now) as store:
                result = take(
                    store,
                    store.peer(sender),
                    page,
                    recompute=self.recompute(receiver),
                    limits=Limits(),
                    now=self.now,
                )
        except PageRefusedError as error:
            with node.store(self.now) as store:
                store.refuse(
                    [
                        Refusal(
                            party=sender,
                            code=error.code,
                            what=error.what,
                            where=error.where,
                            position=error.position,
                        )
                    ]
                )
            raise
        self.moved += sum(one.gone is None for carried in page.entries for one in carried.objects)
        return result

    def pull(
        self,
        receiver: str,
        sender: str,
        *,
        change: Callable[[dict[str, Any]], Any] | None = None,
        **limits: int,
    ) -> Result:
        """One page on its way; `change` may bend its JSON."""
        page = self.page(receiver, sender, **limits)
        if change is not None:
            bent = json.loads(encode(page))
            given = change(bent)
            bent = given if isinstance(given, dict) and "entries" in given else bent
            page = read_page(json.dumps(bent, separators=(",", ":"), ensure_ascii=False).encode())
        return self.give(receiver, sender, page)

    def converge(self, rounds: int = 40, **limits: int) -> int:
        """Pull in all directions until nobody has anything for anybody; gives the objects that moved."""
        before = self.moved
        for _ in range(rounds):
            busy = 0
            for receiver in self.nodes:
                for sender in self.nodes:
                    if receiver != sender and sender in self.partners(receiver):
                        result = self.pull(receiver, sender, **limits)
                        busy += result.entries
            self.tick()
            if not busy:
                return self.moved - before
        raise AssertionError(f"no convergence in {rounds} rounds")

    def partners(self, party: str) -> set[str]:
        with self.nodes[party].store(self.now) as store:
            return {one.party for one in store.peers() if one.state == "accepted"}

    def recompute(self, receiver: str) -> Callable[..., list[Ruling]]:
        def rule(sender: Peer, grant: Any, evidence: Any, objects: Sequence[Version]) -> list[Ruling]:
            return [self._ruling(receiver, sender.party, evidence, one) for one in objects]

        return rule

    def _ruling(self, receiver: str, sender: str, evidence: Any, one: Version) -> Ruling:
        if one.originator == receiver:
            return Ruling("own")
        if receiver in self.ignorant:
            return Ruling("unknown", "instrument sim is not known here")
        if (one.originator, sender, receiver) not in self.ways:
            return Ruling("unequal", f"no way {one.originator}>{sender}>{receiver}")
        if one.originator != sender and not any(
            word.kind == "consent" and word.party == one.originator and one.root.hex() in word.body["objects"]
            for word in evidence.values()
        ):
            return Ruling("unequal", f"{one.originator} did not consent")
        return Ruling("equal")

    def sees(self, party: str) -> set[str]:
        """Ids of the partners' objects that a viewer at `party` sees."""
        with self.nodes[party].store(self.now) as store:
            return {one.stix_id for one in store.shown()}

    def states(self, party: str, name: str) -> list[str]:
        """States of the copies of an indicator at `party`, disputed rivals among them."""
        stix_id = indicator(name)["id"]
        with self.nodes[party].store(self.now) as store:
            held = {one.root: one.state for one in store.history(stix_id)}
            held |= {one.root: one.state for one in store.shown() if one.stix_id == stix_id}
        return sorted(held.values())

    def retry(self, party: str) -> None:
        with self.nodes[party].store(self.now) as store:
            store.lock()
            store.append(retry(store, self.recompute(party), self.now))
        self.tick()

    def forget(self, at: str, partner: str) -> None:
        with self.nodes[at].store(self.now) as store:
            peer = store.peer(partner)
            store.save_peer(msgspec.structs.replace(peer, state="removed"))

    def publish_rival(
        self,
        party: str,
        value: dict[str, Any],
        *,
        to: Sequence[str],
        obligations: Sequence[dict[str, Any]] = (),
    ) -> list[bytes]:
        """Sign other content under an id and version that was published before, as a cheat would."""
        version = sealed(self.nodes[party].keyring, value)
        with self.nodes[party].store(self.now) as store:
            store.lock()
            store.destroy([one.root for one in store.history(version.stix_id)])
            store.publish([version], to)
            self.grants(store, [version.root], to, obligations)
        self.tick()
        return [version.root]

    def refusals(self, party: str) -> list[str]:
        with self.nodes[party].store(self.now) as store:
            return [one.code for one in store.refused()]

    def holders(self, party: str, roots: Sequence[bytes]) -> dict[str, str]:
        with self.nodes[party].store(self.now) as store:
            return {one.holder: one.state for one in store.holdings(roots)}


def memory_node(party: str, realm: str = "live") -> SimulatedNode:
    memory = Memory(Keyring.generate(party, realm, f"{party.lower()}.example"))
    return SimulatedNode(memory.keyring, memory.transaction, memory)


def peer_of(ring: Keyring, url: str = "") -> Peer:
    return Peer(
        party=ring.party,
        name=ring.party,
        root_key=ring.root_public,
        record_keys={ring.record.key_id: ring.record.public},
        log_keys={ring.log.key_id: ring.log.public},
        transport_keys={ring.transport.key_id: ring.transport.public},
        witness_keys={ring.witness.key_id: ring.witness.public},
        origin=ring.origin,
        url=url,
    )


def introduction_of(ring: Keyring, realm: str = "live") -> bytes:
    """Write how a host introduces a guest, as it is kept once its signatures were verified."""
    assert ring.host is not None
    place = {"origin": ring.origin, "key": ring.record.public.hex()}
    said = {"party": ring.party, "host": ring.host.party, "realms": {realm: place}}
    return dsse.seal(canonical(said), statements.INTRODUCTION_TYPE, ring.record)


def required(kind: str) -> tuple[str, ...]:
    return COMMON + REQUIRED.get(kind, ())


def sealer(ring: Keyring) -> Callable[[dict[str, Any], bytes], tuple[bytes, bytes, bytes]]:
    def seal(value: dict[str, Any], data: bytes) -> tuple[bytes, bytes, bytes]:
        salt = uuid.uuid4().bytes + uuid.uuid4().bytes
        root = root_of(data, salt)
        return root, salt, object_signature.sign_object(value, root, ring.record)

    return seal


def sealed(ring: Keyring, value: dict[str, Any]) -> Version:
    data = canonical(value)
    root, salt, signature = sealer(ring)(value, data)
    return Version(
        stix_id=value["id"],
        version=value.get("modified", ""),
        type=value["type"],
        originator=ring.party,
        source=ring.party,
        root=root,
        salt=salt,
        data=data,
        signature=signature,
        state="published",
        created=value.get("created"),
        modified=value.get("modified"),
    )


def indicator(name: str = "a", *, at: str = "2013-03-20T05:00:00.000Z", **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "created": "2013-03-20T05:00:00.000Z",
        "modified": at,
        "name": name,
        "pattern": "[ipv4-addr:value = '203.0.113.7']",
        "pattern_type": "stix",
        "valid_from": "2013-03-20T05:00:00Z",
        **more,
    }


__all__ = [
    "START",
    "SecretariatError",
    "SimulatedNode",
    "World",
    "indicator",
    "memory_node",
    "peer_of",
    "sealed",
]
