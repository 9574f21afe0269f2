"""Joint statements as this node keeps them: a projection of the `countersign` entries of all logs.

Every row follows from one entry that is kept anyway (`entry`, `peer_entry`). An entry that is no word is
kept with the reason, for people to see.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from secretariat.ledger.joint import Stance, Word
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.base.clock import AsOf

MOMENT = sa.DateTime(timezone=True)

joint = sa.Table(
    "joint",
    metadata,
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("payload", BYTEA, nullable=False),
    sa.Column("stix_id", sa.Text, nullable=False, index=True),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("parties", ARRAY(sa.Text), nullable=False),
    sa.Column("first_at", MOMENT, nullable=False, index=True),
)

joint_word = sa.Table(
    "joint_word",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", BYTEA, nullable=False, index=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("stance", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("public", BYTEA, nullable=False),
    sa.Column("signature", BYTEA),
    sa.Column("said_at", MOMENT, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
)
"""`said_at` by the party's clock, `at` when it was here; `why` is set where the entry is no word."""


class Kept(msgspec.Struct, frozen=True):
    """One joint statement as it is kept, without the words on it."""

    digest: bytes
    payload: bytes
    stix_id: str
    root: bytes
    parties: list[str]
    first_at: datetime


class Refused(msgspec.Struct, frozen=True):
    """A `countersign` entry that counts for nothing, and why."""

    party: str
    origin: str
    position: int
    at: datetime
    why: str


_KEPT = "SELECT digest, payload, stix_id, root, parties, first_at FROM joint"


def keep(tx: sa.Connection, one: Kept, word: Word, *, at: datetime) -> None:
    """Keep a word, and its statement where it is the first. One that is kept already is passed over."""
    raw(tx).execute(
        "INSERT INTO joint (digest, payload, stix_id, root, parties, first_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (one.digest, one.payload, one.stix_id, one.root, one.parties, one.first_at),
    )
    _insert(
        tx, word.origin, word.position, word.digest, word.party, word.stance, word.text, word.public,
        word.signature, word.at, at, "",
    )  # fmt: skip


def refuse(tx: sa.Connection, origin: str, position: int, party: str, *, at: datetime, why: str) -> None:
    """Keep that an entry is no word."""
    _insert(tx, origin, position, b"", party, "", "", b"", None, at, at, why)


def _insert(tx: sa.Connection, *values: Any) -> None:
    raw(tx).execute(
        "INSERT INTO joint_word"
        " (origin, position, digest, party, stance, text, public, signature, said_at, at, why)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        values,
    )


def find(tx: sa.Connection, digest: bytes) -> Kept | None:
    """Give one joint statement."""
    row = raw(tx).execute(f"{_KEPT} WHERE digest = %s", (digest,)).fetchone()
    return None if row is None else Kept(*row)


def beginning(tx: sa.Connection, name: str) -> list[bytes]:
    """Name the statements whose digest begins with these letters of hex, three at most."""
    rows = raw(tx).execute(
        "SELECT digest FROM joint WHERE encode(digest, 'hex') LIKE %s ORDER BY digest LIMIT 3", (f"{name}%",)
    )
    return [digest for (digest,) in rows]


def statements(tx: sa.Connection, origin: str, as_of: AsOf | None = None) -> list[bytes] | None:
    """Give the sealed statements of keys in a partner's log, of its guests too, as known by the times asked.

    None where none is kept of that log: it is our own.
    """
    rows = (
        raw(tx)
        .execute(
            "SELECT sealed, made_at, at FROM peer_statement WHERE origin = %s ORDER BY made_at",
            (origin,),
            binary=True,
        )
        .fetchall()
    )
    if not rows:
        return None
    said, known, recorded = (None, None, None) if as_of is None else (
        as_of.true_on, as_of.known_by, as_of.recorded_by
    )  # fmt: skip
    return [
        sealed
        for sealed, made_at, at in rows
        if (said is None or made_at <= said)
        and (known is None or at <= known)
        and (recorded is None or at <= recorded)
    ]


def of_object(tx: sa.Connection, stix_id: str) -> list[Kept]:
    """Give the joint statements about any version of an object, newest first."""
    return [
        Kept(*row)
        for row in raw(tx).execute(f"{_KEPT} WHERE stix_id = %s ORDER BY first_at DESC", (stix_id,))
    ]


def newest(tx: sa.Connection, limit: int, before: datetime | None = None) -> list[Kept]:
    """List joint statements, newest first."""
    where, bound = ("", [limit]) if before is None else ("WHERE first_at <= %s", [before, limit])
    return [
        Kept(*row)
        for row in raw(tx).execute(f"{_KEPT} {where} ORDER BY first_at DESC, digest LIMIT %s", bound)
    ]


def words(tx: sa.Connection, digests: Sequence[bytes], as_of: AsOf | None = None) -> dict[bytes, list[Word]]:
    """Give what parties said on these statements, as known here by the times asked about."""
    where, bound = ["digest = ANY(%s)", "why = ''"], [list(digests)]
    if as_of is not None:
        for column, moment in (
            ("said_at", as_of.true_on),
            ("at", as_of.known_by),
            ("at", as_of.recorded_by),
        ):
            if moment is not None:
                where.append(f"{column} <= %s")
                bound.append(cast("Any", moment))
    rows = raw(tx).execute(
        "SELECT digest, party, stance, text, public, signature, origin, position, said_at FROM joint_word"
        f" WHERE {' AND '.join(where)} ORDER BY said_at, origin, position",
        bound,
    )
    found: dict[bytes, list[Word]] = {digest: [] for digest in digests}
    for digest, party, stance, text, public, signature, origin, position, said_at in rows:
        found[digest].append(
            Word(digest, party, cast("Stance", stance), text, public, signature, origin, position, said_at)
        )
    return found


def refused(tx: sa.Connection, limit: int = 100) -> list[Refused]:
    """List the entries that were no words, newest first."""
    rows = raw(tx).execute(
        "SELECT party, origin, position, at, why FROM joint_word WHERE why <> '' ORDER BY at DESC LIMIT %s",
        (limit,),
    )
    return [Refused(*row) for row in rows]
