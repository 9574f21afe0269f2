"""Between a host and its guests nothing is sent: handing over inside one log, and the receipts of it.

Rules:

1. What is granted to a guest stands in its collection at once; what a guest grants to the host becomes the
   host's own copy, as if a partner had sent it.
2. Entries between local parties are handed over in the order of the log, each once; the recipient's answer is
   signed with the recipient's key. A withdrawal takes the object from the guest's collection, and the receipt
   says destroyed: no other copy was made for it.
3. A relay's rules hold here too: the receipt of a guest goes up to the originator as the guest's signed word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange import guest_store, withdrawal
from secretariat.exchange.guest_view import view
from secretariat.exchange.model import LogEntry, Peer, Refusal
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import PostgresStore
from secretariat.ledger import dsse, entries, guest_keys, keys
from secretariat.ledger.entries import EntryRef, Receipt, Statement
from secretariat.ledger.keys import key_id
from secretariat.records import collections
from secretariat.records import store as records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.guest_store import Guest
    from secretariat.ledger.node import Node


def settle(node: Node, realm: str, *, now: datetime) -> int:
    """Hand every entry between local parties to its recipient, until nobody has anything to answer.

    Gives how many were handed over. One transaction per recipient and round; each round is short.
    """
    handed = 0
    while True:
        round_handed = sum(_settle_one(node, realm, party, now) for party in _local(node, realm))
        if not round_handed:
            return handed
        handed += round_handed


def _local(node: Node, realm: str) -> list[str]:
    with node.database.app(realm) as tx:
        guests = [one.party for one in guest_store.guests(tx, hosted_only=True)]
    return [*guests, node.party] if guests else []


def _settle_one(node: Node, realm: str, party: str, now: datetime) -> int:
    own = party == node.party
    mine = node if own else view(node, realm, party)
    with mine.database.app(realm) as tx:
        held = {one.party: one for one in guest_store.guests(tx)}
        senders = {node.party, *held} - {party}
        if not _waiting(tx, party, senders):
            return 0
        store = PostgresStore(mine, realm, tx, now)
        store.lock()
        waiting = _waiting(tx, party, senders)  # somebody else may have handed it over meanwhile
        if not waiting:
            return 0
        refusals: list[Refusal] = []
        outgoing: list[Outgoing] = []
        for position, kind, sender, envelope, salt in waiting:
            entry = LogEntry(position, kind, sender, party, envelope, salt)
            statement = entries.read(dsse.payload_of(envelope))
            peer = _local_peer(node, realm, sender, held.get(sender))
            outgoing += _take(store, peer, entry, statement, refusals, own=own)
        store.refuse(refusals)
        if outgoing:
            store.append(outgoing)
        guest_store.move_place(tx, party, waiting[-1][0] + 1)
    return len(waiting)


def _waiting(tx: sa.Connection, party: str, senders: set[str]) -> list[tuple[int, str, str, bytes, bytes]]:
    return guest_store.addressed(tx, party, guest_store.place(tx, party), sorted(senders))


def _local_peer(node: Node, realm: str, party: str, held: Guest | None) -> Peer:
    """Give a local party as a partner of another local one: the same log, its own key."""
    ring = node.keyring(realm)
    public = ring.record.public if held is None else held.public
    own = guest_keys.folder_of(keys.folder_of(node.settings.data, realm), party)
    former = {} if held is None else keys.read_retired(own)
    return Peer(
        party=party,
        name=node.settings.name if held is None else held.name,
        root_key=public,
        record_keys={**former, key_id(public): public},
        log_keys={ring.log.key_id: ring.log.public},
        transport_keys={},
        origin=ring.origin,
        url="",
    )


def _take(
    store: PostgresStore,
    peer: Peer,
    entry: LogEntry,
    statement: Statement,
    refusals: list[Refusal],
    *,
    own: bool,
) -> list[Outgoing]:
    if statement.kind == "grant":
        body = entries.body_as(statement, entries.Grant)
        roots = [root for row in body.rows for root in row.objects]
        if own:
            _copy(store, peer.party, [bytes.fromhex(root) for root in roots])
        return [_receipt(peer, entry, "received", roots)]
    if statement.kind in {"withdraw", "narrow"}:
        if own:
            return withdrawal.obey(store, peer, entry, statement, {}, refusals, store.now)
        # nothing of it was kept beside the collection, and it has left that: the guest holds no copy
        return [_receipt(peer, entry, "destroyed", [str(root) for root in statement.body.get("objects", ())])]
    if statement.kind == "receipt":
        return withdrawal.note_receipt(store, peer, entry, statement, refusals, store.now)
    return []


def _receipt(peer: Peer, entry: LogEntry, state: str, roots: Sequence[str]) -> Outgoing:
    about = EntryRef(peer.origin, entry.position)
    body = Receipt(to=peer.party, about=about, state=state, objects=list(roots), count=len(roots))
    return Outgoing("receipt", peer.party, body)


def _copy(store: PostgresStore, guest: str, roots: Sequence[bytes]) -> None:
    """Give the host its own copy of what a guest granted to it, as a partner's would have come."""
    tx = store.tx
    guest_store.in_keeping_of(tx, guest)
    found = records.by_roots(tx, roots)
    guest_store.in_keeping_of(tx, "")
    there = records.by_roots(tx, roots)
    fresh = [
        msgspec.structs.replace(one, source=guest, state="kept", known_at=store.now, recorded_at=store.now)
        for root, one in found.items()
        if root not in there
    ]
    numbers = records.put(tx, fresh)
    place = collections.ensure(tx, "from_partners", store.party, party=store.party, realm=store.realm)
    collections.add(tx, place, [*numbers, *(one.id for one in there.values())], now=store.now)
