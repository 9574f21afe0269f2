"""Tables of instruments, of which of them both sides signed, of consents and of releases."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TSTZMULTIRANGE

from secretariat.agreements.audience import Audience, Place, audience_of
from secretariat.agreements.book import set_hash
from secretariat.agreements.grants import grant_class, party
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata
from secretariat.storage.rls import CUSTODIAN

__all__ = ["consent", "grant_class", "house_rule", "instrument", "instrument_agreed", "party", "release"]

_MOMENT = sa.DateTime(timezone=True)

instrument = sa.Table(
    "instrument",
    metadata,
    sa.Column("hash", BYTEA, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, index=True),
    sa.Column("body", BYTEA, nullable=False),
    sa.Column("synthetic", sa.Boolean, nullable=False),
    sa.Column("audience", JSONB, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("replaced_at", _MOMENT),
    sa.Column("earlier", TSTZMULTIRANGE, nullable=False, server_default="{}"),
)

instrument_agreed = sa.Table(
    "instrument_agreed",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("set_hash", BYTEA, nullable=False),
    sa.Column("hashes", JSONB, nullable=False),
    sa.Column("names", JSONB, nullable=False, server_default="{}"),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    sa.Index(None, "partner", "by", "id"),
)

instrument_offer = sa.Table(
    "instrument_offer",
    metadata,
    sa.Column("hash", BYTEA, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("body", BYTEA, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="offered"),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", _MOMENT),
    sa.CheckConstraint("state IN ('offered', 'agreed', 'refused')", name="state"),
)

consent = sa.Table(
    "consent",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("to", sa.Text, nullable=False),
    sa.Column("roots", JSONB, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("until", _MOMENT),
    sa.Column("purpose", sa.Text),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    sa.UniqueConstraint("origin", "position"),
    sa.Index(None, "by", "to"),
)

release = sa.Table(
    "release",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("objects", JSONB, nullable=False),
    sa.Column("content", BYTEA, nullable=False),
    sa.Column("partners", JSONB),
    sa.Column("purpose", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("needs_two", sa.Boolean, nullable=False),
    sa.Column("offices", JSONB, nullable=False, server_default="[]"),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", _MOMENT, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", _MOMENT),
    sa.Column("reason", sa.Text),
    sa.Column("publication", sa.BigInteger),
    sa.Column("leave_out", JSONB, nullable=False, server_default="[]"),
    sa.CheckConstraint("state IN ('proposed', 'released', 'refused')", name="state"),
    sa.Index("ix_release_proposed", "proposed_at", postgresql_where=sa.text("state = 'proposed'")),
)

standing_release = sa.Table(
    "standing_release",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("terms", JSONB, nullable=False),
    sa.Column("begins", _MOMENT, nullable=False),
    sa.Column("ends", _MOMENT, nullable=False),
    sa.Column("signed_by", JSONB, nullable=False),
    sa.Column("entry", sa.BigInteger),
    sa.Column("revoked_at", _MOMENT),
    sa.Column("revoked_by", sa.Text),
    sa.Column("used", sa.Integer, nullable=False, server_default="0"),
    sa.Column("used_on", sa.Date),
)

house_rule = sa.Table(
    "house_rule",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("rule", JSONB, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("ended_at", _MOMENT),
    sa.Column("ended_by", sa.Text),
)


class Recorded(msgspec.Struct, frozen=True):
    """An instrument as this node recorded it: `body` is its canonical JSON, `hash` the body's SHA-256."""

    hash: bytes
    key: str
    body: bytes
    synthetic: bool
    recorded_at: datetime


def keep_instrument(tx: sa.Connection, key: str, body: bytes, *, synthetic: bool, now: datetime) -> bytes:
    """Record an instrument and give its hash; an older text under the same key is replaced by this one.

    A text that was replaced before and comes back counts from now on again, and at the times it counted then.
    """
    number = hashlib.sha256(body).digest()
    raw(tx).execute(
        "UPDATE instrument SET replaced_at = %s WHERE key = %s AND hash <> %s AND replaced_at IS NULL",
        (now, key, number),
    )
    audience = Jsonb(msgspec.to_builtins(audience_of(body)))
    raw(tx).execute(
        "INSERT INTO instrument (hash, key, body, synthetic, audience, recorded_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (hash) DO UPDATE SET"
        " earlier = instrument.earlier + tstzmultirange(tstzrange(instrument.recorded_at,"
        " greatest(instrument.recorded_at, instrument.replaced_at))),"
        " recorded_at = excluded.recorded_at, replaced_at = NULL WHERE instrument.replaced_at IS NOT NULL",
        (number, key, body, synthetic, audience, now),
    )
    return number


def instruments(tx: sa.Connection, *, recorded_by: datetime | None = None) -> list[Recorded]:
    """Give the instruments in use now, or those recorded by a moment, by key."""
    if recorded_by is None:
        where, bound = "replaced_at IS NULL", list[Any]()
    else:
        where = (
            "(recorded_at <= %s AND (replaced_at IS NULL OR replaced_at > %s) OR earlier @> %s::timestamptz)"
        )
        bound = [recorded_by] * 3
    rows = raw(tx).execute(
        f"SELECT hash, key, body, synthetic, recorded_at FROM instrument WHERE {where} ORDER BY key, hash",
        bound,
    )
    return [Recorded(*row) for row in rows]


class Shown(msgspec.Struct, frozen=True):
    """An instrument in use, without its text: what it is called, and who may be shown it."""

    hash: bytes
    key: str
    audience: Audience


def in_use(tx: sa.Connection) -> list[Shown]:
    """Give the instruments in use now by hash, without their long texts."""
    rows = raw(tx).execute(
        "SELECT hash, key, audience FROM instrument WHERE replaced_at IS NULL ORDER BY hash"
    )
    return [Shown(digest, key, msgspec.convert(said, Audience)) for digest, key, said in rows]


def place_of(tx: sa.Connection, code: str) -> Place:
    """Say where a party stands, as recorded here; of one that is not, only its code."""
    known = {
        row[0]: row[1:]
        for row in raw(tx).execute(
            "WITH RECURSIVE up AS (SELECT code, parent, facts->>'office' AS office FROM party WHERE code = %s"
            " UNION SELECT p.code, p.parent, NULL FROM party p JOIN up ON p.code = up.parent)"
            " SELECT code, parent, office FROM up",
            (code,),
        )
    }
    above: list[str] = []
    parent = known[code][0] if code in known else None
    while parent is not None and parent not in above and parent != code:
        above.append(parent)
        parent = known[parent][0] if parent in known else None
    return Place(code, tuple(above), known[code][1] if code in known else None)


def instruments_by_hash(tx: sa.Connection, hashes: Sequence[bytes]) -> list[Recorded]:
    """Give the instruments with these hashes that are recorded here, also replaced ones."""
    rows = raw(tx).execute(
        "SELECT hash, key, body, synthetic, recorded_at FROM instrument WHERE hash = ANY(%s)"
        " ORDER BY key, hash",
        (list(hashes),),
    )
    return [Recorded(*row) for row in rows]


def keep_agreed(
    tx: sa.Connection,
    *,
    partner: str,
    by: str,
    hashes: Sequence[bytes],
    origin: str,
    position: int,
    names: Mapping[bytes, str] | None = None,
    now: datetime,
) -> None:
    """Record which instruments one side takes as those between this node and `partner`, and their names."""
    raw(tx).execute(
        "INSERT INTO instrument_agreed"
        " (partner, by, set_hash, hashes, names, origin, position, recorded_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            partner,
            by,
            bytes.fromhex(set_hash(one.hex() for one in hashes)),
            Jsonb([one.hex() for one in sorted(hashes)]),
            Jsonb({digest.hex(): name for digest, name in (names or {}).items()}),
            origin,
            position,
            now,
        ),
    )


def agreed_by(tx: sa.Connection, partner: str, by: str) -> list[bytes]:
    """Give the hashes that `by` last signed for what is between this node and `partner`."""
    row = (
        raw(tx)
        .execute(
            "SELECT hashes FROM instrument_agreed WHERE partner = %s AND by = %s ORDER BY id DESC LIMIT 1",
            (partner, by),
        )
        .fetchone()
    )
    return [] if row is None else [bytes.fromhex(one) for one in row[0]]


class Said(msgspec.Struct, frozen=True):
    """One side's signed list of the instruments between this node and a partner, and while it counted."""

    by: str
    hashes: frozenset[str]
    begins: datetime
    ends: datetime | None


def said(tx: sa.Connection, partner: str) -> list[Said]:
    """Give both sides' signed lists, oldest first."""
    rows = raw(tx).execute(
        "SELECT by, hashes, recorded_at, lead(recorded_at) OVER (PARTITION BY by ORDER BY id)"
        " FROM instrument_agreed WHERE partner = %s ORDER BY id",
        (partner,),
    )
    return [Said(by, frozenset(hashes), begins, ends) for by, hashes, begins, ends in rows]


def names_said(tx: sa.Connection, partner: str) -> dict[str, str]:
    """Give how a partner's newest list calls the instruments that it names, by hash."""
    row = (
        raw(tx)
        .execute(
            "SELECT names FROM instrument_agreed WHERE partner = %s AND by = %s ORDER BY id DESC LIMIT 1",
            (partner, partner),
        )
        .fetchone()
    )
    return {} if row is None else dict(row[0])


LATE = timedelta(days=1)
"""How long after one side changed its list the other, not knowing it, may grant under the earlier one."""
_LISTS = 16


def agreed_sets(tx: sa.Connection, partner: str, own: str, *, at: datetime) -> list[tuple[bytes, ...]]:
    """Give what both sides had signed at `at`, or up to a day before, and since; the newest first.

    A grant pins the set that its sender knew as signed by both. It may have been changed since, or the change
    was on its way: then the set is among those of the lists that counted at the time.
    """
    lists = [one for one in said(tx, partner) if one.ends is None or one.ends > at - LATE]
    mine = [one.hashes for one in lists if one.by == own][-_LISTS:]
    theirs = [one.hashes for one in lists if one.by == partner][-_LISTS:]
    sets = [ours & other for ours in reversed(mine) for other in reversed(theirs)]
    return [tuple(sorted(bytes.fromhex(one) for one in both)) for both in dict.fromkeys(sets)]


class Offer(msgspec.Struct, frozen=True):
    """A text that a partner's node gave when asked, and what was decided on it."""

    hash: bytes
    key: str
    body: bytes
    source: str
    state: str
    at: datetime
    decided_by: str | None
    decided_at: datetime | None


def keep_offer(
    tx: sa.Connection, digest: bytes, key: str, body: bytes, *, source: str, now: datetime
) -> None:
    """Keep a text that a partner gave for the operator to decide on; the first one stays."""
    raw(tx).execute(
        "INSERT INTO instrument_offer (hash, key, body, source, at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (hash) DO NOTHING",
        (digest, key, body, source, now),
    )


def offers(tx: sa.Connection, *, state: str | None = None) -> list[Offer]:
    """Give the texts that partners gave, newest first."""
    rows = raw(tx).execute(
        "SELECT hash, key, body, source, state, at, decided_by, decided_at FROM instrument_offer"
        " WHERE %s::text IS NULL OR state = %s ORDER BY at DESC, key, hash",
        (state, state),
    )
    return [Offer(*row) for row in rows]


def decide_offer(tx: sa.Connection, digest: bytes, *, state: str, by: str, now: datetime) -> None:
    """Note what a person decided on a text."""
    raw(tx).execute(
        "UPDATE instrument_offer SET state = %s, decided_by = %s, decided_at = %s WHERE hash = %s",
        (state, by, now, digest),
    )


def agreed(tx: sa.Connection, partner: str, own: str) -> list[bytes]:
    """Give the hashes that both sides signed: only these take part in grants between them."""
    return sorted(set(agreed_by(tx, partner, own)) & set(agreed_by(tx, partner, partner)))


def keep_consent(
    tx: sa.Connection,
    *,
    by: str,
    to: str,
    roots: Sequence[str],
    state: str,
    until: datetime | None,
    purpose: str | None,
    origin: str,
    position: int,
    now: datetime,
) -> None:
    """Record an originator's signed word on passing object versions on to `to`; the entry stands in a log."""
    raw(tx).execute(
        'INSERT INTO consent (by, "to", roots, state, until, purpose, origin, position, recorded_at)'
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (origin, position) DO NOTHING",
        (by, to, Jsonb(list(roots)), state, until, purpose, origin, position, now),
    )


class KeptConsent(msgspec.Struct, frozen=True):
    """A recorded consent, with the place of the entry that says it."""

    by: str
    to: str
    roots: list[str]
    state: str
    until: datetime | None
    purpose: str | None
    origin: str
    position: int
    recorded_at: datetime


def consents(tx: sa.Connection, to: str) -> list[KeptConsent]:
    """Give every consent about passing something on to `to`, oldest first."""
    rows = raw(tx).execute(
        'SELECT by, "to", roots, state, until, purpose, origin, position, recorded_at FROM consent'
        ' WHERE "to" = %s ORDER BY id',
        (to,),
    )
    return [KeptConsent(*row) for row in rows]
