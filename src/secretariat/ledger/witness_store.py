"""Tables and queries of witnessing: cosignatures, contradictions, and what partners show of other logs.

A cosignature stays for ever: it says when a witness saw a tree, which may count years later. Nothing here is
for a peer's role: whose word stands on a checkpoint tells who is whose partner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from psycopg import Cursor
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from secretariat.ledger import revocation
from secretariat.ledger.model import Contradiction, PeerLog, ShownLog
from secretariat.ledger.witness import Word
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

MOMENT = sa.DateTime(timezone=True)

cosignature = sa.Table(
    "cosignature",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("witness", sa.Text, primary_key=True),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("seconds", sa.BigInteger, nullable=False),
    sa.Column("line", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Index(None, "origin", "witness", "size"),
)

contradiction = sa.Table(
    "contradiction",
    metadata,
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("one", BYTEA, nullable=False),
    sa.Column("other", BYTEA, nullable=False),
    sa.Column("told_by", sa.Text, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
)
"""Two checkpoints of one size with different roots under one log's key: proof for anybody."""

shown_log = sa.Table(
    "shown_log",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("told_by", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("note", BYTEA, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("since", MOMENT, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.CheckConstraint("state IN ('agrees', 'open', 'void')", name="state"),
)
"""The newest checkpoint of a partner's log that another partner showed us, and whether ours contains it."""

named_log = sa.Table(
    "named_log",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("origins", ARRAY(sa.Text), nullable=False),
)
"""Which logs a partner said it follows: no other is shown to it."""


_KEEP = (
    "WITH log AS (INSERT INTO peer_log (origin, party, size, root, note, state, reason, checked_at) VALUES"
    " (%(origin)s, %(party)s, %(size)s, %(root)s, %(note)s, %(state)s, %(reason)s, %(checked_at)s)"
    " ON CONFLICT (origin) DO UPDATE SET party = excluded.party, size = excluded.size, root = excluded.root,"
    " note = excluded.note, state = excluded.state, reason = excluded.reason,"
    " checked_at = excluded.checked_at), note AS (INSERT INTO peer_note (origin, size, note, at)"
    " VALUES (%(origin)s, %(size)s, %(note)s, %(now)s) ON CONFLICT DO NOTHING)"
    " INSERT INTO cosignature (origin, size, witness, root, seconds, line, at) VALUES (%(origin)s, %(size)s,"
    " %(witness)s, %(root)s, %(seconds)s, %(line)s, %(now)s) ON CONFLICT DO NOTHING"
)


def add_words(tx: Connection, words: Iterable[Word], now: datetime) -> int:
    """Keep cosignatures; a second one of a witness on one size is passed over. Gives how many are new."""
    return sum(put_word(tx, one, now).rowcount for one in words)


def put_word(tx: Connection, one: Word, now: datetime) -> Cursor[Any]:
    """Keep one cosignature; in a pipeline too."""
    return raw(tx).execute(
        "INSERT INTO cosignature (origin, size, witness, root, seconds, line, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (one.origin, one.size, one.witness, one.root, one.seconds, one.line, now),
    )


def put_words(tx: Connection, words: Sequence[Word], now: datetime) -> Cursor[Any]:
    """Keep cosignatures as `add_words` does, in one statement and without waiting for it."""
    if len(words) == 1:
        return put_word(tx, words[0], now)
    columns = list(zip(*(msgspec.structs.astuple(one) for one in words), strict=True)) or [()] * 6
    return raw(tx).execute(
        "INSERT INTO cosignature (origin, size, root, witness, seconds, line, at) SELECT w.*, %s FROM"
        " unnest(%s::text[], %s::int8[], %s::bytea[], %s::text[], %s::int8[], %s::bytea[]) AS w"
        " ON CONFLICT DO NOTHING",
        (now, *map(list, columns)),
        binary=True,
    )


def put_kept(tx: Connection, log: PeerLog, word: Word, now: datetime) -> None:
    """Keep a log as it was verified, its checkpoint and our word on it: one statement, not waited for."""
    raw(tx).execute(
        _KEEP, {**msgspec.structs.asdict(log), **msgspec.structs.asdict(word), "now": now}, binary=True
    )


def read_word(tx: Connection, origin: str, size: int, witness: str) -> Word | None:
    """Give a witness's cosignature on the checkpoint of a size."""
    row = (
        raw(tx)
        .execute(
            "SELECT origin, size, root, witness, seconds, line FROM cosignature"
            " WHERE origin = %s AND size = %s AND witness = %s",
            (origin, size, witness),
        )
        .fetchone()
    )
    return None if row is None else Word(*row)


def read_words(tx: Connection, origin: str, size: int) -> list[Word]:
    """Give every cosignature on the checkpoint of a size."""
    rows = raw(tx).execute(
        "SELECT origin, size, root, witness, seconds, line FROM cosignature"
        " WHERE origin = %s AND size = %s ORDER BY seconds, witness",
        (origin, size),
    )
    return [Word(*row) for row in rows]


def covering(tx: Connection, origin: str, position: int) -> list[Word]:
    """Give of each witness its first cosignature on a tree that holds the entry at `position`."""
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (witness) origin, size, root, witness, seconds, line FROM cosignature"
        " WHERE origin = %s AND size > %s ORDER BY witness, size",
        (origin, position),
    )
    return [Word(*row) for row in rows]


def newest(tx: Connection, origin: str) -> list[Word]:
    """Give of each witness its cosignature on the largest tree of a log."""
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (witness) origin, size, root, witness, seconds, line FROM cosignature"
        " WHERE origin = %s ORDER BY witness, size DESC",
        (origin,),
    )
    return [Word(*row) for row in rows]


def before(tx: Connection, origin: str, moment: datetime) -> list[Word]:
    """Give of each witness its cosignature on the largest tree of a log that it saw before a moment.

    Of a word in the second of that moment nobody knows (revocation.py, rule 2): it is passed over.
    """
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (witness) origin, size, root, witness, seconds, line FROM cosignature"
        " WHERE origin = %s AND seconds < %s ORDER BY witness, size DESC",
        (origin, revocation.second_of(moment)),
    )
    return [Word(*row) for row in rows]


def strike(tx: Connection, witness: str, since: datetime, *, unless: Collection[bytes]) -> None:
    """Forget a witness's words that came here from `since` on, but those by the keys of these hashes.

    The database refuses it of a partner that revoked no witness key by then, and gives the application no
    other way (migration 0005).
    """
    raw(tx).execute("SELECT strike_words(%s, %s, %s::bytea[])", (witness, since, list(unless)))


def count_by_size(tx: Connection, origin: str, sizes: Collection[int]) -> dict[int, list[str]]:
    """Give who cosigned each of these checkpoints of a log."""
    rows = raw(tx).execute(
        "SELECT size, array_agg(witness ORDER BY seconds, witness) FROM cosignature"
        " WHERE origin = %s AND size = ANY(%s) GROUP BY size",
        (origin, list(sizes)),
    )
    return dict(rows.fetchall())


def add_contradiction(tx: Connection, found: Contradiction) -> bool:
    """Keep a proof against a log; False where it is kept already."""
    done = raw(tx).execute(
        "INSERT INTO contradiction (digest, origin, party, size, one, other, told_by, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            found.digest,
            found.origin,
            found.party,
            found.size,
            found.one,
            found.other,
            found.told_by,
            found.at,
        ),
    )
    return done.rowcount == 1


def read_contradictions(tx: Connection, origin: str | None = None) -> list[Contradiction]:
    """Give kept proofs, newest first; of one log or all."""
    rows = raw(tx).execute(
        "SELECT origin, party, size, one, other, told_by, at FROM contradiction"
        " WHERE %s::text IS NULL OR origin = %s ORDER BY at DESC, digest",
        (origin, origin),
    )
    return [Contradiction(*row) for row in rows]


def write_shown(tx: Connection, shown: ShownLog) -> None:
    """Keep what a partner shows of a log in the place of what it showed before."""
    raw(tx).execute(
        "INSERT INTO shown_log (origin, told_by, size, root, note, state, since, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (origin, told_by) DO UPDATE SET"
        " size = excluded.size, root = excluded.root, note = excluded.note, state = excluded.state,"
        " since = excluded.since, at = excluded.at",
        (shown.origin, shown.told_by, shown.size, shown.root, shown.note, shown.state, shown.since, shown.at),
    )


def read_shown(tx: Connection, origin: str | None = None) -> list[ShownLog]:
    """Give what partners last showed of a log, or of all."""
    rows: Sequence[tuple[object, ...]] = (
        raw(tx)
        .execute(
            "SELECT origin, told_by, size, root, note, state, since, at FROM shown_log"
            " WHERE %s::text IS NULL OR origin = %s ORDER BY origin, told_by",
            (origin, origin),
        )
        .fetchall()
    )
    return [ShownLog(*row) for row in rows]  # type: ignore[arg-type]


def write_named(tx: Connection, party: str, origins: Sequence[str]) -> None:
    """Remember which logs a partner said it follows."""
    raw(tx).execute(
        "INSERT INTO named_log (party, origins) VALUES (%s, %s)"
        " ON CONFLICT (party) DO UPDATE SET origins = excluded.origins",
        (party, list(origins)),
    )


def read_named(tx: Connection, party: str) -> list[str]:
    """Give the logs that a partner said it follows."""
    row = raw(tx).execute("SELECT origins FROM named_log WHERE party = %s", (party,)).fetchone()
    return [] if row is None else list(row[0])
