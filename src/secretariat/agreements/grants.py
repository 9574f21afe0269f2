"""Tables of what was granted, and of the partners that may be granted anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

_MOMENT = sa.DateTime(timezone=True)

party = sa.Table(
    "party",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="state"),
    sa.Column("parent", sa.Text),
    sa.Column("facts", JSONB, nullable=False, server_default="{}"),
    sa.Column("partner", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("recorded_at", _MOMENT, nullable=False),
)

grant_class = sa.Table(
    "grant_class",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("articles", JSONB, nullable=False),
    sa.Column("marks", JSONB, nullable=False),
    sa.Column("conditions", JSONB, nullable=False),
    sa.Column("obligations", JSONB, nullable=False),
    sa.Column("until", _MOMENT),
    sa.Column("basis", JSONB, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("lapsed_at", _MOMENT),
    sa.Index(None, "recipient", "entry"),
    sa.Index(None, "entry"),
)


class Party(msgspec.Struct, frozen=True):
    """A party that this node knows; `partner` = it may be granted objects."""

    code: str
    name: str
    kind: str
    parent: str | None
    facts: Mapping[str, Any]
    partner: bool


class GrantClass(msgspec.Struct, frozen=True):
    """Object versions of one grant entry that went under the same articles."""

    id: int
    recipient: str
    entry: int
    articles: Sequence[str]
    marks: Mapping[str, Any]
    conditions: Sequence[Any]
    obligations: Sequence[Any]
    until: datetime | None
    basis: Mapping[str, Any]
    recorded_at: datetime
    lapsed_at: datetime | None


_CLASS = ", ".join(f"g.{name}" for name in GrantClass.__struct_fields__)


def keep_party(
    tx: sa.Connection,
    code: str,
    *,
    name: str,
    kind: str = "state",
    parent: str | None = None,
    facts: Mapping[str, Any] | None = None,
    partner: bool = False,
    now: datetime,
) -> None:
    """Record a party, or what is newly known of it. A partner stays one."""
    raw(tx).execute(
        "INSERT INTO party (code, name, kind, parent, facts, partner, recorded_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (code) DO UPDATE SET name = excluded.name,"
        " kind = excluded.kind, parent = coalesce(excluded.parent, party.parent),"
        " facts = party.facts || excluded.facts, partner = party.partner OR excluded.partner",
        (code, name, kind, parent, Jsonb(dict(facts or {})), partner, now),
    )


def end_partner(tx: sa.Connection, code: str) -> None:
    """Let a party be granted nothing more."""
    raw(tx).execute("UPDATE party SET partner = false WHERE code = %s", (code,))


def parties(tx: sa.Connection, *, partners_only: bool = False) -> list[Party]:
    """Give the parties this node knows, by code."""
    where = " WHERE partner" if partners_only else ""
    rows = raw(tx).execute(f"SELECT code, name, kind, parent, facts, partner FROM party{where} ORDER BY code")
    return [Party(*row) for row in rows]


def hosts(tx: sa.Connection) -> dict[str, str]:
    """Give who hosts whom: by party without a node, the party whose node speaks for it."""
    rows = raw(tx).execute("SELECT code, facts->>'host' FROM party WHERE facts->>'host' <> ''")
    return dict(rows.fetchall())


def put_classes(tx: sa.Connection, classes: Iterable[GrantClass]) -> list[int]:
    """Write classes of grants (their `id` is ignored) and give their ids in order."""
    ids = []
    for one in classes:
        row = (
            raw(tx)
            .execute(
                "INSERT INTO grant_class (recipient, entry, articles, marks, conditions, obligations,"
                " until, basis, recorded_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (
                    one.recipient,
                    one.entry,
                    Jsonb(list(one.articles)),
                    Jsonb(dict(one.marks)),
                    Jsonb(list(one.conditions)),
                    Jsonb(list(one.obligations)),
                    one.until,
                    Jsonb(dict(one.basis)),
                    one.recorded_at,
                ),
            )
            .fetchone()
        )
        assert row is not None
        ids.append(row[0])
    return ids


def classes_of(
    tx: sa.Connection,
    version_ids: Sequence[int],
    *,
    recorded_by: datetime | None = None,
    position: int | None = None,
) -> dict[int, list[GrantClass]]:
    """Give, per object version, the grants under which it stands in partners' collections, or stood by then.

    `recorded_by` is a moment, `position` the last entry of the log that counts.
    """
    places, bound = "item", list[Any]([list(version_ids)])
    if recorded_by is not None:
        places = (
            "(SELECT version, grant_class FROM item UNION ALL"
            " SELECT version, grant_class FROM item_past WHERE until > %s)"
        )
        bound = [recorded_by, list(version_ids), recorded_by, position, position]
    rows = raw(tx).execute(
        f"SELECT i.version, {_CLASS} FROM {places} i JOIN grant_class g ON g.id = i.grant_class"
        " WHERE i.version = ANY(%s)"
        + ("" if recorded_by is None else " AND g.recorded_at <= %s AND (%s::int8 IS NULL OR g.entry <= %s)")
        + " ORDER BY i.version, g.recipient, g.id",
        bound,
    )
    found: dict[int, list[GrantClass]] = {}
    for version, *values in rows:
        found.setdefault(version, []).append(GrantClass(*values))
    return found


def classes_by_id(tx: sa.Connection, ids: Sequence[int]) -> list[GrantClass]:
    """Give classes of grants by their ids."""
    rows = raw(tx).execute(f"SELECT {_CLASS} FROM grant_class g WHERE id = ANY(%s) ORDER BY id", (list(ids),))
    return [GrantClass(*row) for row in rows]


def granted(tx: sa.Connection, recipient: str, version_ids: Sequence[int]) -> dict[int, Sequence[str]]:
    """Give those of these versions that stand granted to `recipient` now, with what is left out of each."""
    rows = raw(tx).execute(
        "SELECT i.version, coalesce(i.left_out, '{}') FROM item i JOIN grant_class g ON g.id = i.grant_class"
        " WHERE i.version = ANY(%s) AND g.recipient = %s",
        (list(version_ids), recipient),
    )
    return dict(rows.fetchall())
