"""Tables and queries of the ledger. Appending goes through the head's row lock; entries are never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.base.errors import NotFoundError, StateError
from secretariat.ledger import statements
from secretariat.ledger.merkle import HASH_BYTES
from secretariat.ledger.model import Entry, EntryLine, Head, PeerEntry, PeerLog
from secretariat.ledger.tiles import PART, TileAt
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata
from secretariat.storage.rls import CUSTODIAN

MOMENT = sa.DateTime(timezone=True)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text),
    sa.Column("recorded_at", MOMENT, nullable=False),
    sa.Column("envelope", BYTEA, nullable=False),
    sa.Column("salt", BYTEA, nullable=False),
    sa.Column("digest", BYTEA, nullable=False),
    sa.Column("leaf", BYTEA, nullable=False),
    sa.CheckConstraint("position >= 0", name="position"),
    sa.CheckConstraint(
        "octet_length(salt) = 32 AND octet_length(digest) = 32 AND octet_length(leaf) = 32", name="hashes"
    ),
    sa.Index(None, "recipient", "position"),
    sa.Index(None, "kind", "position"),
)

log_head = sa.Table(
    "log_head",
    metadata,
    sa.Column("only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("frontier", BYTEA, nullable=False),
    sa.Column("keys", sa.Text, nullable=False, server_default=""),
    sa.Column("stopped", sa.Text),
    sa.CheckConstraint("only", name="one_row"),
)

tile = sa.Table(
    "tile",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hashes", BYTEA, nullable=False),
    sa.CheckConstraint("part BETWEEN 0 AND 7", name="part"),
    sa.CheckConstraint(
        "octet_length(hashes) BETWEEN 32 AND 1024 AND octet_length(hashes) % 32 = 0", name="hashes"
    ),
)
"""A tile lies in up to eight rows of 32 hashes each. Whole, it would be rewritten beside its table for each
entry: half of what an append wrote, and of the database's work for it (docs/adr/0013)."""

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("note", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
)

peer_log = sa.Table(
    "peer_log",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("note", BYTEA, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="ok"),
    sa.Column("reason", sa.Text),
    sa.Column("checked_at", MOMENT, nullable=False),
    sa.CheckConstraint("state IN ('ok', 'suspended')", name="state"),
)

peer_entry = sa.Table(
    "peer_entry",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text),
    sa.Column("envelope", BYTEA, nullable=False),
    sa.Column("salt", BYTEA, nullable=False),
    sa.Column("proof_size", sa.BigInteger, nullable=False),
    sa.Column("proof", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    sa.Index(None, "kind", "origin", "position"),
)

peer_note = sa.Table(
    "peer_note",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("note", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
)
"""The signed checkpoints that kept entries of partners are proven under."""

peer_statement = sa.Table(
    "peer_statement",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("made_at", MOMENT, primary_key=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("sealed", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
)
"""Partners' own dated statements of their keys, sealed with their root keys."""

PART_BYTES = 8_388_608
"""Envelopes read at a time: a grant of 10,000 objects takes 0.9 MB."""

# Not COPY: PostgreSQL refuses it under row-level security. One row each in a pipeline, so that the server
# writes one entry while the next is being signed.
_INSERT_ENTRY = (
    "INSERT INTO entry (position, kind, party, recipient, recorded_at, envelope, salt, digest, leaf)"
    " VALUES (%b, %s, %s, %s, %b, %b, %b, %b, %b)"
)
_READ_ENTRIES = (
    "SELECT position, kind, party, recipient, recorded_at, envelope, salt, digest, leaf FROM entry"
    " WHERE position = ANY(%s) ORDER BY position"
)
_OR_REFUSE = (
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM done) THEN refuse('tile ' || %(level)s || '/' || %(index)s"
    " || ' does not hold ' || %(held)s || ' hashes, as the head says', %(advice)s) END"
)
_NEW_TILE = (
    "WITH done AS (INSERT INTO tile (hashes, level, index, part) SELECT %(added)s, %(level)s, %(index)s,"
    " %(part)s WHERE %(part)s = 0 OR EXISTS (SELECT 1 FROM tile WHERE level = %(level)s AND index = %(index)s"
    f" AND part = %(part)s - 1 AND octet_length(hashes) = {PART * HASH_BYTES})"
    f" ON CONFLICT DO NOTHING RETURNING 1) {_OR_REFUSE}"
)
_GROWN = (
    "done AS (UPDATE tile SET hashes = hashes || %(added)s WHERE level = %(level)s AND index = %(index)s"
    f" AND part = %(part)s AND octet_length(hashes) = mod(%(held)s, {PART}) * {HASH_BYTES} RETURNING 1)"
)
_GROW_TILE = f"WITH {_GROWN} {_OR_REFUSE}"
_NEW_HEAD = "UPDATE log_head SET size = %(size)s, root = %(root)s, frontier = %(frontier)s, keys = %(keys)s"
_NEW_CHECKPOINT = (
    "INSERT INTO checkpoint (size, root, note, at) VALUES (%(size)s, %(root)s, %(note)s, %(now)s)"
)
_APPEND_ONE = (
    "WITH said AS (INSERT INTO entry"
    " (position, kind, party, recipient, recorded_at, envelope, salt, digest, leaf) VALUES (%(position)s,"
    " %(kind)s, %(party)s, %(recipient)s, %(recorded_at)s, %(envelope)s, %(salt)s, %(digest)s, %(leaf)s)),"
    f" {_GROWN}, head AS ({_NEW_HEAD}), note AS ({_NEW_CHECKPOINT}) {_OR_REFUSE}"
)


_LOCK_PEER_LOG = (
    "SELECT origin, party, size, root, note, state, reason, checked_at FROM peer_log"
    " WHERE origin = %s FOR UPDATE"
)


def lock_head(tx: Connection) -> Head:
    """Take the append lock of this realm's log until the transaction ends; give the head."""
    row = raw(tx).execute("SELECT size, root, frontier, keys, stopped FROM log_head FOR UPDATE").fetchone()
    return _head(row)


def read_head(tx: Connection) -> Head:
    """Give the head without a lock."""
    return _head(raw(tx).execute("SELECT size, root, frontier, keys, stopped FROM log_head").fetchone())


def stop(tx: Connection, reason: str) -> bool:
    """Let nothing more be written into this realm's log; False where it was stopped before."""
    return raw(tx).execute("UPDATE log_head SET stopped = %s WHERE stopped IS NULL", (reason,)).rowcount == 1


def _head(row: Any) -> Head:
    if row is None:
        raise StateError("the log has no head", advice="the schema was not migrated; run `secretariat init`")
    return Head(*row)


def insert(tx: Connection, entries: Iterable[Entry]) -> list[Entry]:
    """Write entries at their positions while `entries` is still making the next ones; give them."""
    written = []
    with raw(tx).cursor() as cursor:
        for item in entries:
            cursor.execute(
                _INSERT_ENTRY,
                (
                    item.position,
                    item.kind,
                    item.party,
                    item.recipient,
                    item.recorded_at,
                    item.envelope,
                    item.salt,
                    item.digest,
                    item.leaf,
                ),
                prepare=True,
            )
            written.append(item)
    return written


def write_tree(
    tx: Connection, pieces: Sequence[tuple[int, int, int, bytes]], head: Head, note: bytes, now: datetime
) -> None:
    """Add hashes to tiles, move the head, write the checkpoint of its size, `together` with others.

    A tile that does not hold what the head says ends the transaction with StateError.
    """
    connection = raw(tx)
    for piece in pieces:
        connection.execute(_GROW_TILE if piece[2] % PART else _NEW_TILE, _tiling(piece), binary=True)
    stand = {**_standing(head, note), "now": now}
    connection.execute(_NEW_HEAD, stand, binary=True)
    connection.execute(_NEW_CHECKPOINT, stand, binary=True)


def write_one(
    tx: Connection, one: Entry, piece: tuple[int, int, int, bytes], head: Head, note: bytes, now: datetime
) -> None:
    """Write what `insert` and `write_tree` write, of one entry that grows one tile, as one statement."""
    values = {**msgspec.structs.asdict(one), **_tiling(piece), **_standing(head, note), "now": now}
    raw(tx).execute(_APPEND_ONE, values, binary=True, prepare=True)


def _tiling(piece: tuple[int, int, int, bytes]) -> dict[str, Any]:
    level, index, held, added = piece
    advice = "run `secretariat log verify`; restore the node from a backup"
    place = {"level": level, "index": index, "part": held // PART}
    return {**place, "held": held, "added": added, "advice": advice}


def _standing(head: Head, note: bytes) -> dict[str, Any]:
    return {"size": head.size, "root": head.root, "frontier": head.frontier, "keys": head.keys, "note": note}


def read_tiles(tx: Connection, wanted: Iterable[TileAt]) -> dict[TileAt, bytes]:
    """Read tiles by place; what does not exist, or lacks a part before its last, is absent."""
    places = list(wanted)
    if not places:
        return {}
    rows = raw(tx).execute(
        "SELECT t.level, t.index, string_agg(t.hashes, '' ORDER BY t.part)"
        " FROM unnest(%s::int[], %s::bigint[]) AS w(level, index)"
        " JOIN tile t ON t.level = w.level AND t.index = w.index"
        " GROUP BY t.level, t.index HAVING count(*) = max(t.part) + 1",
        ([at.level for at in places], [at.number for at in places]),
        binary=True,
    )
    return {TileAt(level, index): hashes for level, index, hashes in rows}


def read_size(tx: Connection) -> int:
    """Give the size of the newest checkpoint, 0 where there is none; a peer may ask it too."""
    row = raw(tx).execute("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    return 0 if row is None else int(row[0])


def read_note(tx: Connection, size: int | None = None) -> bytes | None:
    """Give the checkpoint of `size`, or the newest, as the log signed it."""
    where = "ORDER BY size DESC LIMIT 1" if size is None else "WHERE size = %s"
    row = (
        raw(tx)
        .execute(f"SELECT size, note FROM checkpoint {where}", () if size is None else (size,))
        .fetchone()
    )
    return None if row is None else bytes(row[1])


def read_notes(tx: Connection, limit: int, before: int | None = None) -> list[tuple[int, bytes, datetime]]:
    """List checkpoints, newest first."""
    query = (
        sa.select(checkpoint.c.size, checkpoint.c.root, checkpoint.c.at)
        .order_by(checkpoint.c.size.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(checkpoint.c.size < before)
    return [(row.size, row.root, row.at) for row in tx.execute(query)]


def stream_notes(tx: Connection, size: int, step: int = 1000) -> Iterable[tuple[int, bytes]]:
    """Give every checkpoint up to `size`, oldest first."""
    after = 0
    while True:
        rows = (
            raw(tx)
            .execute(
                "SELECT size, note FROM checkpoint WHERE size > %s AND size <= %s ORDER BY size LIMIT %s",
                (after, size, step),
            )
            .fetchall()
        )
        if not rows:
            return
        yield from rows
        after = rows[-1][0]


def read_entry(tx: Connection, position: int) -> Entry:
    """Give one entry. Refuses a position beyond the end."""
    row = tx.execute(sa.select(entry).where(entry.c.position == position)).one_or_none()
    if row is None:
        raise NotFoundError(f"no entry {position} in this log", advice="`secretariat log list` shows them")
    return Entry(*tuple(row))


def recorded_at(tx: Connection, position: int) -> datetime | None:
    """Say when the entry at a position was recorded; None where the log does not reach."""
    found: datetime | None = tx.execute(
        sa.select(entry.c.recorded_at).where(entry.c.position == position)
    ).scalar_one_or_none()
    return found


def read_entries(
    tx: Connection,
    *,
    start: int = 0,
    end: int | None = None,
    kinds: Sequence[str] = (),
    recipient: str | None = None,
    limit: int = 1000,
    max_bytes: int = PART_BYTES,
) -> list[Entry]:
    """Give whole entries from position `start` up to `end`, oldest first: at least one where there is one."""
    length = sa.func.octet_length(entry.c.envelope)
    query = sa.select(entry.c.position, length).where(entry.c.position >= start)
    if end is not None:
        query = query.where(entry.c.position < end)
    if kinds:
        query = query.where(entry.c.kind.in_(kinds))
    if recipient is not None:
        query = query.where(entry.c.recipient == recipient)
    positions: list[int] = []
    total = 0
    for position, size in tx.execute(query.order_by(entry.c.position).limit(limit)):
        total += size
        if positions and total > max_bytes:
            break
        positions.append(position)
    rows = raw(tx).execute(_READ_ENTRIES, (positions,), binary=True)
    return [Entry(*row) for row in rows]


def positions_of(tx: Connection, party: str, size: int) -> tuple[list[int], set[str]]:
    """Give where the keys and the entries by or for one party stand, and who signed those."""
    rows = raw(tx).execute(
        "SELECT position, kind, party FROM entry WHERE position < %s"
        " AND (kind = 'key' OR recipient = %s OR party = %s) ORDER BY position",
        (size, party, party),
    )
    found = rows.fetchall()
    return [position for position, _, _ in found], {by for _, kind, by in found if kind != "key"}


def stream_entries(tx: Connection, size: int) -> Iterable[Entry]:
    """Give every entry below `size` in order, a few megabytes at a time."""
    start = 0
    while part := read_entries(tx, start=start, end=size):
        yield from part
        start = part[-1].position + 1


def list_entries(
    tx: Connection,
    *,
    before: int | None,
    after: int | None,
    kinds: Sequence[str],
    recipient: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[EntryLine]:
    """List entries without their envelopes, newest first (oldest first with `after`)."""
    length = sa.func.octet_length(entry.c.envelope).label("envelope_bytes")
    columns = (
        entry.c.position,
        entry.c.kind,
        entry.c.party,
        entry.c.recipient,
        entry.c.recorded_at,
        entry.c.leaf,
        length,
    )
    order = entry.c.position.desc() if after is None else entry.c.position
    query = sa.select(*columns).order_by(order).limit(limit)
    if before is not None:
        query = query.where(entry.c.position < before)
    if after is not None:
        query = query.where(entry.c.position > after)
    if kinds:
        query = query.where(entry.c.kind.in_(kinds))
    if recipient is not None:
        query = query.where(entry.c.recipient == recipient)
    if since is not None:
        query = query.where(entry.c.recorded_at >= since)
    if until is not None:
        query = query.where(entry.c.recorded_at <= until)
    return [EntryLine(*row) for row in tx.execute(query)]


def count_kinds(tx: Connection) -> dict[str, int]:
    """Count entries by kind."""
    rows = tx.execute(sa.select(entry.c.kind, sa.func.count()).group_by(entry.c.kind).order_by(entry.c.kind))
    return {kind: count for kind, count in rows}  # noqa: C416  rows are no pairs to mypy


def read_peer_log(tx: Connection, origin: str) -> PeerLog | None:
    """Give what is kept of a partner's log."""
    return _peer_log(tx.execute(sa.select(peer_log).where(peer_log.c.origin == origin)))


def lock_peer_log(tx: Connection, origin: str) -> PeerLog | None:
    """Give what is kept of a log and keep everybody else from moving it until the transaction ends.

    Two that bring the first checkpoint of a log at once wait for each other too.
    """
    connection = raw(tx)
    row = connection.execute(_LOCK_PEER_LOG, (origin,), binary=True).fetchone()
    if row is None:  # what is read next is read under the lock
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", (f"log of {origin}",))
        row = connection.execute(_LOCK_PEER_LOG, (origin,), binary=True).fetchone()
    return None if row is None else PeerLog(*row)


def read_peer_logs(tx: Connection) -> list[PeerLog]:
    """Give what is kept of every partner's log."""
    rows = tx.execute(sa.select(peer_log).order_by(peer_log.c.party, peer_log.c.origin))
    return [PeerLog(*tuple(row)) for row in rows]


def _peer_log(result: sa.CursorResult[Any]) -> PeerLog | None:
    row = result.one_or_none()
    return None if row is None else PeerLog(*tuple(row))


def write_peer_log(tx: Connection, kept: PeerLog) -> None:
    """Keep a partner's log as it was verified now."""
    raw(tx).execute(
        "INSERT INTO peer_log (origin, party, size, root, note, state, reason, checked_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (origin) DO UPDATE SET party = excluded.party,"
        " size = excluded.size, root = excluded.root, note = excluded.note, state = excluded.state,"
        " reason = excluded.reason, checked_at = excluded.checked_at",
        (
            kept.origin,
            kept.party,
            kept.size,
            kept.root,
            kept.note,
            kept.state,
            kept.reason,
            kept.checked_at,
        ),
    )


def set_peer_state(tx: Connection, origin: str, state: str, reason: str | None) -> bool:
    """Set the state of a partner's log; say whether there was one."""
    done = tx.execute(
        sa.update(peer_log).where(peer_log.c.origin == origin).values(state=state, reason=reason)
    )
    return done.rowcount == 1


def add_peer_entries(tx: Connection, items: Sequence[PeerEntry]) -> int:
    """Keep verified entries of a partner; those kept already are passed over. Give how many are new."""
    new = 0
    for item in items:
        done = raw(tx).execute(
            "INSERT INTO peer_entry"
            " (origin, position, kind, party, recipient, envelope, salt, proof_size, proof, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                item.origin,
                item.position,
                item.kind,
                item.party,
                item.recipient,
                item.envelope,
                item.salt,
                item.proof_size,
                item.proof,
                item.at,
            ),
            binary=True,
        )
        new += done.rowcount
    return new


def add_peer_note(tx: Connection, origin: str, size: int, note: bytes, now: datetime) -> None:
    """Keep a partner's signed checkpoint that entries are proven under; the first of a size stays."""
    raw(tx).execute(
        "INSERT INTO peer_note (origin, size, note, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (origin, size, note, now),
    )


def forget_rewound(tx: Connection, said_at: int) -> None:
    """Forget checkpoints, entries and words of a suspended log behind the size it is taken back to.

    Which log and which size stands in the own entry at `said_at`, written in this transaction: the database
    refuses any other, and gives the application no other way (migration 0003).
    """
    raw(tx).execute("SELECT rewind_peer_log(%s)", (said_at,))


def read_peer_notes(tx: Connection, origin: str, sizes: Sequence[int]) -> dict[int, bytes]:
    """Give kept checkpoints of a partner's log, by size."""
    rows = raw(tx).execute(
        "SELECT size, note FROM peer_note WHERE origin = %s AND size = ANY(%s)",
        (origin, list(sizes)),
        binary=True,
    )
    return dict(rows.fetchall())


def add_statement(
    tx: Connection, *, origin: str, party: str, made_at: datetime, sealed: bytes, now: datetime
) -> None:
    """Keep a partner's statement of its keys; the first of a date stays."""
    raw(tx).execute(
        "INSERT INTO peer_statement (origin, made_at, party, sealed, at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (origin, made_at, party, sealed, now),
    )


def read_statements(tx: Connection, origin: str, *, guests: bool = False) -> list[bytes]:
    """Give a partner's statements of its keys, oldest first; or the introductions of guests in its log."""
    rows = raw(tx).execute(
        "SELECT sealed FROM peer_statement WHERE origin = %s ORDER BY made_at", (origin,), binary=True
    )
    return [sealed for (sealed,) in rows if statements.introduces(sealed) == guests]


def read_peer_entries(
    tx: Connection,
    *,
    origin: str | None = None,
    kinds: Sequence[str] = (),
    after: int = -1,
    limit: int = 1000,
) -> list[PeerEntry]:
    """Give verified entries of partners in order."""
    query = (
        sa.select(peer_entry)
        .where(peer_entry.c.position > after)
        .order_by(peer_entry.c.origin, peer_entry.c.position)
        .limit(limit)
    )
    if origin is not None:
        query = query.where(peer_entry.c.origin == origin)
    if kinds:
        query = query.where(peer_entry.c.kind.in_(kinds))
    return [PeerEntry(*row[:10]) for row in tx.execute(query)]
