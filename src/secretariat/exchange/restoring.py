"""A restored node may hold an older log than its partners kept: it must not write before it knows.

Rules (decisions.md 6):
1. Until it was checked a restored node is not served and its database takes no writes: an entry written
   over a lost one would be a second history, and every partner would rightly suspend this node.
2. It is checked by asking every partner in every realm for the checkpoint of our log that it last kept: our
   own signed word. Of a size that we have, with our root: nothing that partner has seen was lost. Larger, or
   of another root: this backup does not continue the log, and the node stays read-only and says why. A note
   that our log key did not sign proves nothing; only a person may leave its bearer out.
3. What was destroyed stays destroyed. A backup may hold objects that this node destroyed after it was taken:
   its own receipts, which partners kept, say so, and `destroy` entries of its own log do. They are applied in
   every case, also where the node stays read-only, before anything is served.
4. What partners called back since is fetched from them and obeyed before the node serves.
5. A partner that cannot be reached may be left out by name only, by a person who knows why.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.base.clock import now as present
from secretariat.base.errors import SecretariatError, StateError
from secretariat.exchange import connecting, guest_feed, guest_store, service, wire
from secretariat.exchange import store as tables
from secretariat.exchange.guest_view import view
from secretariat.exchange.postgres import PostgresStore, transaction
from secretariat.exchange.sync import Remote
from secretariat.exchange.wire import Kept
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import entries
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Destroy, Receipt, Statement
from secretariat.storage.engine import raw
from secretariat.storage.rls import EVERYBODYS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.node import Node

_PART = 500


class Comparison(msgspec.Struct, frozen=True):
    """What one partner last kept of our log, beside what the restored node has."""

    realm: str
    party: str
    ours: int
    kept: int | None
    state: Literal["whole", "lost", "other", "unproven", "silent", "left out"]
    reason: str = ""


class Found(msgspec.Struct, frozen=True):
    """What all partners said, and by realm our own entries that they kept and this node has lost."""

    partners: list[Comparison]
    newer: dict[str, list[Statement]]


async def compare(node: Node, *, without: Collection[str] = ()) -> Found:
    """Ask every accepted partner what it last kept of our log, and for what it holds beyond ours."""
    found = Found([], {realm: [] for realm in node.settings.realms})
    async with connecting.client(node) as client:
        for realm in node.settings.realms:
            with node.database.app(realm) as tx:
                ours = ledger.head(tx).size
                peers = tables.read_peers(tx, "WHERE state IN ('accepted', 'suspended')")
                for peer in peers:
                    if not peer.url:
                        found.partners.append(_unasked(realm, peer.party, ours, "it has no address", without))
                        continue
                    try:
                        kept = await _ask(Remote(node, realm, peer, client), ours)
                    except SecretariatError as error:
                        found.partners.append(_unasked(realm, peer.party, ours, str(error), without))
                        continue
                    one = judge(tx, node.keyring(realm), peer.party, kept[0].checkpoint)
                    if one.state == "unproven" and peer.party in without:
                        one = msgspec.structs.replace(one, state="left out")
                    found.partners.append(one)
                    rings = [node.keyring(realm), *_rings_of_guests(tx, node, realm)]
                    found.newer[realm] += [one for ring in rings for one in newer(ring, kept)]
    return found


def _rings_of_guests(tx: Connection, node: Node, realm: str) -> list[Keyring]:
    guests = guest_store.guests(tx, hosted_only=True)
    return [view(node, realm, one.party).keyring(realm) for one in guests]


async def _ask(remote: Remote, ours: int) -> list[Kept]:
    answers = [await remote.kept(ours)]
    while answers[-1].entries and answers[-1].more:
        answers.append(await remote.kept(answers[-1].entries[-1].position + 1))
    return answers


def judge(tx: Connection, ring: Keyring, party: str, note: str) -> Comparison:
    """Say whether the checkpoint that a partner kept of our log is one that this node's log continues."""
    return judge_log(ledger.head(tx).size, lambda size: ledger.root_at(tx, size), ring, party, note)


def judge_log(ours: int, root_at: Callable[[int], bytes], ring: Keyring, party: str, note: str) -> Comparison:
    """Say the same of a log of `ours` entries whose root at a size `root_at` gives (no I/O of its own)."""
    if not note:
        return Comparison(ring.realm, party, ours, 0, "whole")
    try:
        shown = notes.verify(note.encode(), ring.origin, [ring.log.public])
    except SecretariatError as error:
        return Comparison(ring.realm, party, ours, None, "unproven", str(error))
    if shown.size > ours:
        state: Literal["whole", "lost", "other"] = "lost"
    else:
        state = "whole" if root_at(shown.size) == shown.root else "other"
    return Comparison(ring.realm, party, ours, shown.size, state)


def newer(ring: Keyring, kept: Iterable[Kept]) -> list[Statement]:
    """Give those of the entries that a partner kept which our own record key signed."""
    found = []
    for one in (one for answer in kept for one in answer.entries):
        try:
            statement = entries.verify(bytes(one.envelope), ring.public)
        except SecretariatError:
            continue  # not our word: whoever kept it may believe it
        if (statement.origin, statement.party) == (ring.origin, ring.party):
            found.append(statement)
    return found


def kept_of(node: Node, realm: str, party: str, after: int) -> Kept:
    """Give what this node kept of a partner's log from a position on: the newest note, and entries."""
    with node.database.kept_for(EVERYBODYS).app(realm) as tx:  # what it said to our guests is its word, too
        found = tables.read_peers(tx, "WHERE party = %s", [party])
        log = ledger_store.read_peer_log(tx, found[0].origin) if found else None
        if log is None:
            return Kept("", ())
        held = ledger_store.read_peer_entries(tx, origin=log.origin, after=after - 1, limit=_PART)
    carried = tuple(wire.KeptEntry(one.position, one.salt, msgspec.Raw(one.envelope)) for one in held)
    return Kept(log.note.decode(), carried, len(held) == _PART)


def destroy_again(node: Node, newer: dict[str, list[Statement]], *, now: datetime) -> int:
    """Destroy what this node had destroyed by its own log, or by receipts that partners kept (rule 3).

    What came again after it was destroyed stays. Writes no entry: the log may not be ours to go on with.
    """
    gone = 0
    for realm in node.settings.realms:
        with transaction(node, realm, now) as store:
            gone += _destroy_own(store, newer.get(realm, []))
            guests = [one.party for one in guest_store.guests(store.tx, hosted_only=True)]
        for guest in guests:
            with transaction(view(node, realm, guest), realm, now) as store:
                gone += _destroy_own(store, newer.get(realm, []))
    return gone


def _destroy_own(store: PostgresStore, newer: Iterable[Statement]) -> int:
    """Destroy what the party of this store, which may be a guest, said that it destroyed."""
    gone = 0
    for statement in _own_destroys(store):
        gone += _destroy(store, entries.body_as(statement, Destroy).objects, statement.at)
    for statement in newer:
        if statement.kind == "receipt" and statement.party == store.party:
            body = entries.body_as(statement, Receipt)
            if body.state == "destroyed":
                gone += _destroy(store, body.objects or [], statement.at)
    return gone


def _own_destroys(store: PostgresStore) -> Iterable[Statement]:
    start = 0
    while part := ledger.read_entries(store.tx, kinds=["destroy"], start=start, limit=_PART):
        own = (one for one in part if one.party == store.party)
        yield from (entries.verify(one.envelope, store.keyring.public) for one in own)
        start = part[-1].position + 1


def _destroy(store: PostgresStore, objects: Iterable[object], at: datetime) -> int:
    roots = [bytes.fromhex(one) for one in objects if isinstance(one, str)]
    rows = raw(store.tx).execute(
        "SELECT root FROM object_version WHERE root = ANY(%s) AND recorded_at <= %s"
        " UNION SELECT root FROM rival WHERE root = ANY(%s) AND at <= %s",
        (roots, at, roots, at),
    )
    there = [root for (root,) in rows]
    return store.destroy(there) if there else 0


async def catch_up(node: Node, *, without: Collection[str] = ()) -> int:
    """Take everything that waits at partners, before anybody sees this node (rule 4); gives how much."""
    came = 0
    async with connecting.client(node) as client:
        for realm in node.settings.realms:
            with node.database.app(realm) as tx:
                peers = tables.read_peers(tx, "WHERE state = 'accepted' AND url <> '' AND via = ''")
            for peer in peers:
                if peer.party in without:
                    continue
                remote, more = Remote(node, realm, peer, client), True
                while more:
                    at = await asyncio.to_thread(service.place, node, realm, peer.party)
                    page = await remote.feed(at.after, at.size, 0)
                    done = await asyncio.to_thread(
                        service.take_page, node, realm, peer.party, page, now=present()
                    )
                    came, more = came + done.entries, done.more
                came += await guest_feed.fetch(
                    node, realm, peer, functools.partial(Remote, node, realm, peer, client)
                )
    return came


def refuse(found: Collection[Comparison]) -> None:
    """Refuse to go on when entries were lost or somebody was not heard."""
    if (why := behind(found)) is not None:
        raise StateError(
            why,
            where=", ".join(sorted({one.realm for one in found if one.state in {"lost", "other"}})),
            advice="the node stays read-only. Restore a newer backup; if there is none, make a new node and "
            "enrol again: this log's origin is spent",
        )
    silent = [
        f"{one.party} ({one.realm}: {one.reason})" for one in found if one.state in {"silent", "unproven"}
    ]
    if silent:
        raise StateError(
            f"not heard: {'; '.join(silent)}",
            advice="try again when they can be reached, or leave one out by name: --without PARTY",
        )


def behind(found: Collection[Comparison]) -> str | None:
    """Say in which way this backup does not continue the log that partners saw; None where it does."""
    for one in found:
        if one.state == "lost":
            return f"{one.party} kept {one.kept} entries of our log, this backup has {one.ours}"
        if one.state == "other":
            return f"{one.party} kept {one.kept} entries of our log that are not those of this backup"
    return None


def _unasked(realm: str, party: str, ours: int, reason: str, without: Collection[str]) -> Comparison:
    return Comparison(realm, party, ours, None, "left out" if party in without else "silent", reason)
