"""A node's store in PostgreSQL: one transaction of one realm as the `Store` protocol of peers.py.

What a partner may read is asked of the database under the partner's own role (`reader`), so that row-level
security answers and not only this code. Writing takes the ledger's lock first (`lock`), like publishing does.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from secretariat.base.clock import parse_stamp
from secretariat.exchange import store as tables
from secretariat.exchange.model import (
    SHOWN_STATES,
    Arrival,
    Due,
    Holding,
    KeptLog,
    LogEntry,
    Peer,
    Refusal,
    Version,
)
from secretariat.exchange.peers import Head, Outgoing, Tomb
from secretariat.ledger import checkpoint, partners
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Draft
from secretariat.ledger.model import PeerEntry, PeerLog
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.collections import Placed
from secretariat.records.markings import Label
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.wire import Cursor
    from secretariat.ledger.node import Node

SHOWN = frozenset(SHOWN_STATES.values())
PUBLIC = "*"
_PART = 200
_VERSION = (
    "v.stix_id, coalesce(v.modified, v.created, ''), v.type, v.originator, v.source, v.root, v.salt, v.bytes,"
    " v.envelope, v.state, v.created, v.modified, v.revoked"
)
_RIVAL = (
    "v.stix_id, coalesce(v.modified, v.created, ''), v.type, v.originator, v.source, v.root, v.salt, v.bytes,"
    " v.envelope, 'disputed', v.created, v.modified, v.revoked"
)


def _version(row: Sequence[Any]) -> Version:
    (
        stix_id,
        version,
        kind,
        originator,
        source,
        root,
        salt,
        data,
        signature,
        state,
        created,
        modified,
        revoked,
    ) = row
    return Version(
        stix_id=stix_id,
        version=version,
        type=kind,
        originator=originator,
        source=source,
        root=root or b"",
        salt=salt or b"",
        data=data,
        signature=signature or b"",
        state=state,
        created=created,
        modified=modified,
        revoked=revoked,
    )


@contextlib.contextmanager
def transaction(node: Node, realm: str, now: datetime) -> Iterator[PostgresStore]:
    """Give one transaction of a node's realm as a store."""
    with node.database.app(realm) as tx:
        yield PostgresStore(node, realm, tx, now)


@contextlib.contextmanager
def serving(node: Node, realm: str, reader: str, now: datetime) -> Iterator[PostgresStore]:
    """Give a store that makes pages for `reader`, under that reader's role.

    Log and objects are read as the reader sees them; only why something is gone, and third parties' entries
    that travel with a grant, are looked up as the application, in a transaction that is opened when needed.
    """
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(node.database.peer(realm, reader))
        yield _Serving(node, realm, seen, now, stack)


class PostgresStore:
    """One transaction (see the `Store` protocol for what each method promises)."""

    def __init__(self, node: Node, realm: str, tx: sa.Connection, now: datetime) -> None:
        self.node = node
        self.tx = tx
        self.now = now
        self.keyring = node.keyring(realm)
        self.party = node.party
        self.realm = realm
        self.origin = self.keyring.origin
        self._keys: dict[str, Mapping[str, bytes]] = {}

    # the own log

    def head(self) -> Head:
        if ledger.head(self.tx).size == 0:
            self.lock()  # the first entry of every log names its keys
        note = ledger.checkpoint(self.tx)
        held = checkpoint.parse(note)
        return Head(held.size, held.root, note)

    def inclusions(self, positions: Sequence[int], size: int) -> Mapping[int, Sequence[bytes]]:
        return ledger.inclusions(self.tx, positions, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return ledger.consistency(self.tx, old, new)

    def entry(self, position: int) -> LogEntry | None:
        found = ledger.read_entries(self.tx, start=position, end=position + 1, limit=1)
        return next(
            (
                LogEntry(one.position, one.kind, one.party, one.recipient, one.envelope, one.salt)
                for one in found
            ),
            None,
        )

    def addressed(self, recipient: str, start: int, end: int | None = None) -> Iterator[LogEntry]:
        while True:
            part = ledger.read_entries(self.tx, recipient=recipient, start=start, end=end, limit=_PART)
            for one in part:
                yield LogEntry(one.position, one.kind, one.party, one.recipient, one.envelope, one.salt)
            if not part:
                return
            start = part[-1].position + 1

    def lock(self) -> None:
        ledger.open_log(self.tx, self.keyring, now=self.now)

    def append(self, entries: Sequence[Outgoing]) -> list[int]:
        drafts = [Draft(one.kind, one.recipient, one.body) for one in entries]
        return [one.position for one in ledger.append(self.tx, self.keyring, drafts, now=self.now)]

    # objects

    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        return self._find(
            self.tx,
            "v.root = ANY(%s) AND EXISTS (SELECT 1 FROM item i JOIN collection c ON c.id = i.collection"
            " WHERE i.version = v.id AND c.kind IN ('partner', 'clear') AND c.reader IN (%s, '*'))",
            [list(roots), recipient],
        )

    def versions(self, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_RIVAL} FROM rival v WHERE v.root = ANY(%s)", (list(roots),), binary=True
        )
        rivals = {one.root: one for one in map(_version, rows)}
        return {**rivals, **self._find(self.tx, "v.root = ANY(%s)", [list(roots)])}

    def same(self, stix_ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        found: dict[str, list[Version]] = defaultdict(list)
        for one in self._list("v.stix_id = ANY(%s)", [list(stix_ids)]):
            found[one.stix_id].append(one)
        return found

    def history(self, stix_id: str) -> Sequence[Version]:
        return self._list("v.stix_id = %s ORDER BY v.version DESC, v.id DESC", [stix_id])

    def _find(self, tx: sa.Connection, where: str, bound: Sequence[Any]) -> dict[bytes, Version]:
        rows = raw(tx).execute(
            f"SELECT {_VERSION} FROM object_version v WHERE {where}".encode(), bound, binary=True
        )
        return {one.root: one for one in map(_version, rows)}

    def _list(self, where: str, bound: Sequence[Any]) -> list[Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_VERSION} FROM object_version v WHERE {where}".encode(), bound, binary=True
        )
        return [_version(row) for row in rows]

    def _ids(self, roots: Sequence[bytes]) -> list[int]:
        rows = raw(self.tx).execute("SELECT id FROM object_version WHERE root = ANY(%s)", (list(roots),))
        return [number for (number,) in rows]

    def _row(self, one: Version, label: object) -> records.Version:
        value = msgspec.json.decode(one.data)
        return records.Version(
            stix_id=one.stix_id,
            type=one.type,
            version=parse_stamp(one.version) if one.version else self.now,
            data=one.data,
            originator=one.originator,
            source=one.source,
            label=label if isinstance(label, Label) else Label(one.originator, tlp="RED"),
            state=one.state,
            recorded_at=self.now,
            known_at=self.now,
            created=one.created,
            modified=one.modified,
            created_by=value.get("created_by_ref"),
            revoked=one.revoked,
            root=one.root,
            salt=one.salt,
            envelope=one.signature,
        )

    def keep(self, arrivals: Sequence[Arrival]) -> None:
        ids = records.put(self.tx, [self._row(one.version, one.label) for one in arrivals])
        self.arrive(arrivals)
        self._show([number for number, one in zip(ids, arrivals, strict=True) if one.version.state in SHOWN])

    def arrive(self, arrivals: Sequence[Arrival]) -> None:
        raw(self.tx).execute(
            "INSERT INTO arrival (root, origin, position, state, why, at)"
            " SELECT r, o, p, s, w, %s FROM unnest("
            "%s::bytea[], %s::text[], %s::int8[], %s::text[], %s::text[]) AS n (r, o, p, s, w)"
            " ON CONFLICT (root, origin) DO UPDATE SET position = excluded.position,"
            " state = excluded.state, why = excluded.why",
            (
                self.now,
                [one.version.root for one in arrivals],
                [one.origin for one in arrivals],
                [one.position for one in arrivals],
                [one.version.state for one in arrivals],
                [one.why for one in arrivals],
            ),
        )

    def depart(self, roots: Sequence[bytes], origin: str, *, before: int) -> None:
        raw(self.tx).execute(
            "DELETE FROM arrival WHERE root = ANY(%s) AND origin = %s AND position < %s",
            (list(roots), origin, before),
        )

    def _show(self, ids: Sequence[int]) -> None:
        if ids:
            number = collections.ensure(
                self.tx, "from_partners", self.party, party=self.party, realm=self.realm
            )
            collections.add(self.tx, number, ids, now=self.now)

    def keep_rival(self, arrival: Arrival) -> None:
        one = arrival.version
        raw(self.tx).execute(
            "INSERT INTO rival (root, stix_id, type, created, modified, bytes, salt, envelope, originator,"
            " source, revoked, why, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                one.root,
                one.stix_id,
                one.type,
                one.created,
                one.modified,
                one.data,
                one.salt,
                one.signature,
                one.originator,
                one.source,
                one.revoked,
                arrival.why,
                self.now,
            ),
        )

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        shown: list[int] = []
        for one in arrivals:
            ids = self._ids([one.version.root])
            records.set_state(self.tx, ids, one.version.state)
            if isinstance(one.label, Label):
                records.relabel(self.tx, dict.fromkeys(ids, one.label))
            self.arrive([one])
            if one.version.state in SHOWN:
                shown += ids
        self._show(shown)

    def waiting(self) -> Sequence[Arrival]:
        rows = raw(self.tx).execute(
            f"SELECT {_VERSION}, a.origin, a.position, a.why"
            " FROM object_version v JOIN arrival a ON a.root = v.root"
            " WHERE a.state = 'waiting' ORDER BY v.id, a.origin",
            binary=True,
        )
        return [
            Arrival(version=_version(row[:-3]), label=None, origin=row[-3], position=row[-2], why=row[-1])
            for row in rows
        ]

    def publish(self, versions: Sequence[Version], recipients: Sequence[str]) -> None:
        here = self.versions([one.root for one in versions])
        fresh = [self._row(one, None) for one in versions if one.root not in here]
        records.put(self.tx, fresh)
        ids = self._ids([one.root for one in versions])
        batches = {
            collections.ensure(self.tx, "partner", party, party=self.party, realm=self.realm): [
                Placed(number) for number in ids
            ]
            for party in recipients
        }
        collections.add_many(self.tx, batches, now=self.now)

    def shown(self) -> Sequence[Version]:
        rows = raw(self.tx).execute(f"SELECT {_RIVAL} FROM rival v", binary=True)
        rivals = [_version(row) for row in rows]
        return [
            *self._list(
                "EXISTS (SELECT 1 FROM item i JOIN collection c ON c.id = i.collection"
                " WHERE i.version = v.id AND c.kind = 'from_partners')",
                [],
            ),
            *rivals,
        ]

    def revise(self, version: Version, replaces: Sequence[bytes]) -> None:
        old = records.by_roots(self.tx, replaces)
        label = next((one.label for one in old.values()), None)
        places = (
            raw(self.tx)
            .execute(
                "SELECT DISTINCT ON (i.collection) i.collection, i.grant_class FROM item i"
                " JOIN collection c ON c.id = i.collection"
                " WHERE i.version = ANY(%s) AND c.kind IN ('partner', 'clear')"
                " ORDER BY i.collection, i.seq DESC",
                ([one.id for one in old.values()],),
            )
            .fetchall()
        )
        (number,) = records.put(self.tx, [self._row(version, label)])
        for collection, _ in places:
            collections.remove(self.tx, [one.id for one in old.values()], collection=collection)
        own = collections.ensure(self.tx, "own", self.party, party=self.party, realm=self.realm)
        batches = {collection: [Placed(number, grant)] for collection, grant in places}
        collections.add_many(self.tx, {**batches, own: [Placed(number)]}, now=self.now)
        records.set_state(self.tx, [one.id for one in old.values()], "withdrawn")

    def destroy(self, roots: Sequence[bytes]) -> int:
        ids = self._ids(roots)
        collections.remove(self.tx, ids)
        there = records.destroy(self.tx, ids)
        there += raw(self.tx).execute("DELETE FROM rival WHERE root = ANY(%s)", (list(roots),)).rowcount
        for table in ("arrival", "obligation_timer"):
            raw(self.tx).execute(f"DELETE FROM {table} WHERE root = ANY(%s)", (list(roots),))
        return there

    def retire(self, roots: Sequence[bytes]) -> None:
        ids = self._ids(roots)
        collections.remove(self.tx, ids)
        records.set_state(self.tx, ids, "withdrawn")

    # who was granted what

    def recipients(self, roots: Sequence[bytes]) -> Mapping[str, Sequence[bytes]]:
        rows = raw(self.tx).execute(
            "SELECT DISTINCT c.reader, v.root FROM object_version v JOIN item i ON i.version = v.id"
            " JOIN collection c ON c.id = i.collection"
            " WHERE v.root = ANY(%s) AND c.kind IN ('partner', 'clear') ORDER BY c.reader, v.root",
            (list(roots),),
        )
        found: dict[str, list[bytes]] = defaultdict(list)
        for reader, root in rows:
            found[reader].append(root)
        return found

    def ungrant(self, recipient: str, roots: Sequence[bytes]) -> None:
        kind = "clear" if recipient == PUBLIC else "partner"
        number = collections.ensure(self.tx, kind, recipient, party=self.party, realm=self.realm)
        collections.remove(self.tx, self._ids(roots), collection=number)

    # partners

    def peer(self, party: str) -> Peer | None:
        found = tables.read_peers(self.tx, "WHERE party = %s", [party])
        return found[0] if found else None

    def peers(self) -> Sequence[Peer]:
        return tables.read_peers(self.tx)

    def save_peer(self, peer: Peer) -> None:
        tables.write_peer(self.tx, peer)
        self._keys.clear()

    def advance(self, party: str, cursor: Cursor) -> None:
        raw(self.tx).execute(
            "UPDATE peer SET cursor_position = %s, cursor_offset = %s WHERE party = %s",
            (cursor.position, cursor.offset, party),
        )

    def record_keys(self, party: str) -> Mapping[str, bytes]:
        if party not in self._keys:
            if party == self.party:
                self._keys[party] = self.keyring.public
            else:
                peer = self.peer(party)
                self._keys[party] = peer.record_keys if peer is not None and peer.state != "removed" else {}
        return self._keys[party]

    def kept_log(self, origin: str) -> KeptLog | None:
        kept = partners.kept_log(self.tx, origin)
        if kept is None:
            return None
        why = (kept.reason or "suspended") if kept.state == "suspended" else None
        return KeptLog(kept.origin, kept.party, kept.size, kept.root, kept.note, why)

    def keep_log(self, log: KeptLog) -> None:
        ledger_store.write_peer_log(
            self.tx, PeerLog(log.origin, log.party, log.size, log.root, log.note, "ok", None, self.now)
        )

    def peer_entry(self, origin: str, position: int) -> LogEntry | None:
        row = (
            raw(self.tx)
            .execute(
                "SELECT position, kind, party, recipient, envelope, salt FROM peer_entry"
                " WHERE origin = %s AND position = %s",
                (origin, position),
                binary=True,
            )
            .fetchone()
        )
        return None if row is None else LogEntry(*row)

    def keep_entries(self, origin: str, entries: Sequence[LogEntry], *, size: int) -> None:
        ledger_store.add_peer_entries(
            self.tx,
            [
                PeerEntry(
                    origin,
                    one.position,
                    one.kind,
                    one.party,
                    one.recipient,
                    one.envelope,
                    one.salt,
                    size,
                    b"",
                    self.now,
                )
                for one in entries
            ],
        )

    def attach(self, origin: str, entry: LogEntry) -> None:
        raw(self.tx).execute(
            "INSERT INTO attachment (origin, position, digest, kind, party, recipient, envelope, salt, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                origin,
                entry.position,
                hashlib.sha256(entry.envelope).digest(),
                entry.kind,
                entry.party,
                entry.recipient,
                entry.envelope,
                entry.salt,
                self.now,
            ),
        )

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        proven = self.peer_entry(origin, position)
        rows = raw(self.tx).execute(
            "SELECT position, kind, party, recipient, envelope, salt FROM attachment"
            " WHERE origin = %s AND position = %s ORDER BY at, digest",
            (origin, position),
            binary=True,
        )
        return [*([proven] if proven else []), *(LogEntry(*row) for row in rows)]

    # what became of it

    def hold(self, holdings: Sequence[Holding]) -> None:
        if not holdings:
            return
        newest = {(one.root, one.holder): one for one in holdings}
        columns = zip(
            *(
                (a.root, a.holder, a.state, a.via, a.origin, a.position, a.at, a.note)
                for a in newest.values()
            ),
            strict=True,
        )
        raw(self.tx).execute(
            "INSERT INTO holding (root, holder, state, via, origin, position, at, note) SELECT * FROM unnest("
            "%s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int8[],"
            " %s::timestamptz[], %s::text[])"
            " ON CONFLICT (root, holder) DO UPDATE SET state = excluded.state, via = excluded.via,"
            " origin = excluded.origin, position = excluded.position, at = excluded.at, note = excluded.note",
            [list(column) for column in columns],
        )

    def holdings(self, roots: Sequence[bytes]) -> Sequence[Holding]:
        return tables.read_holdings(self.tx, roots)

    def arrived(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[tuple[str, int]]]:
        rows = raw(self.tx).execute(
            "SELECT root, origin, position FROM arrival WHERE root = ANY(%s) AND state = ANY(%s)"
            " ORDER BY origin",
            (list(roots), list(SHOWN)),
        )
        found: dict[bytes, list[tuple[str, int]]] = defaultdict(list)
        for root, origin, position in rows:
            found[root].append((origin, position))
        return found

    def entomb(self, roots: Sequence[bytes], tomb: Tomb) -> None:
        raw(self.tx).execute(
            "INSERT INTO tomb (root, origin, position, asked_by, kind, done, at)"
            " SELECT r, %s, %s, %s, %s, %s, %s FROM unnest(%s::bytea[]) AS n (r) ON CONFLICT DO NOTHING",
            (tomb.origin, tomb.position, tomb.asked_by, tomb.kind, tomb.done, self.now, list(roots)),
        )

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        rows = raw(self.tx).execute(
            "SELECT root, asked_by, kind, origin, position, done FROM tomb WHERE root = ANY(%s)"
            " ORDER BY at, origin, position",
            (list(roots),),
        )
        found: dict[bytes, list[Tomb]] = defaultdict(list)
        for root, *rest in rows:
            found[root].append(Tomb(*rest))
        return found

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        for one in refusals:
            digest = hashlib.sha256(msgspec.json.encode(one)).digest()
            raw(self.tx).execute(
                'INSERT INTO refusal (digest, party, code, what, "where", advice, position, root, evidence,'
                " first_at, last_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (digest) DO UPDATE SET times = refusal.times + 1, last_at = excluded.last_at",
                (
                    digest,
                    one.party,
                    one.code,
                    one.what,
                    one.where,
                    one.advice,
                    one.position,
                    one.root,
                    one.evidence,
                    self.now,
                    self.now,
                ),
            )

    def refused(self) -> Sequence[Refusal]:
        rows = raw(self.tx).execute(
            'SELECT party, code, what, "where", advice, position, root, evidence FROM refusal ORDER BY id'
        )
        names = ("party", "code", "what", "where", "advice", "position", "root", "evidence")
        return [Refusal(**dict(zip(names, row, strict=True))) for row in rows]

    def owe(self, dues: Sequence[Due]) -> None:
        for one in dues:
            raw(self.tx).execute(
                "INSERT INTO obligation_timer (root, duty, article, owed_to, due_at)"
                " VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (one.root, one.duty, one.article, one.owed_to, one.at),
            )

    def obligations(self, root: bytes) -> Sequence[Due]:
        rows = raw(self.tx).execute(
            "SELECT root, duty, article, owed_to, due_at FROM obligation_timer"
            " WHERE root = %s AND done_at IS NULL ORDER BY due_at",
            (root,),
        )
        return [Due(root=a, duty=b, article=c, owed_to=d, at=e) for a, b, c, d, e in rows]

    def first_use(self, key_id: str, nonce: str, at: datetime) -> bool:
        done = raw(self.tx).execute(
            "INSERT INTO request_nonce (key, nonce, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (key_id, nonce, at),
        )
        return done.rowcount == 1


class _Serving(PostgresStore):
    """The store as one reader may see it."""

    def __init__(
        self, node: Node, realm: str, tx: sa.Connection, now: datetime, stack: contextlib.ExitStack
    ) -> None:
        super().__init__(node, realm, tx, now)
        self._stack = stack
        self._whole: PostgresStore | None = None

    def whole(self) -> PostgresStore:
        """Give the store as the application sees it."""
        if self._whole is None:
            tx = self._stack.enter_context(self.node.database.app(self.realm))
            self._whole = PostgresStore(self.node, self.realm, tx, self.now)
        return self._whole

    def head(self) -> Head:
        note = ledger.checkpoint(self.tx)
        held = checkpoint.parse(note)
        return Head(held.size, held.root, note)

    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        del recipient  # the database knows who reads
        return self._find(self.tx, "v.root = ANY(%s)", [list(roots)])

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        return self.whole().attached(origin, position)

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        return self.whole().tombs(roots)
