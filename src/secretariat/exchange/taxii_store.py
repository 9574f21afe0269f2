"""What TAXII asks of the database, and the table of posting statuses.

Reading runs in `Database.peer`: row-level security decides what is visible, the conditions here only what was
asked for. Taking every condition away shows a client nothing more of others.

One statement per page, bytes only: the collection is looked up inside it. It walks (collection, seq) in its
index and stops one row past the page, so a page costs the same at the end of a million rows as at the end of
ten. Nothing is prepared: a generic plan does not know how far a page reaches.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.records.leaving_out import without
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from secretariat.exchange.taxii_query import Query

taxii_status = sa.Table(
    "taxii_status",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("token", sa.Uuid, nullable=False),
    sa.Column("reader", sa.Text, nullable=False),
    sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("body", BYTEA, nullable=False),
)

ALIASES: Final = ("own", "from_partners", "clear")
"""Kinds of which a reader sees at most one: their kind is their alias (5.2.1)."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_JOIN = "FROM item i JOIN object_version v ON v.id = i.version WHERE i.collection = {} AND i.seq > %s"
_ORDER = " ORDER BY i.seq LIMIT %s"
_SPOKEN = "2.1"
"""Every object here is of this version: records/stix.py reads no other."""
_PATIENCE = "SET LOCAL statement_timeout = '20s'"
"""For filters that no index serves (a frequent type, a date without id): better refused than endless."""
_STATED = "coalesce(v.modified, v.created)"


class Shelf(msgspec.Struct, frozen=True):
    """A collection as its reader sees it."""

    id: int
    taxii: UUID
    kind: str
    title: str
    description: str


class Filled(Shelf, frozen=True):
    """A collection as the node's operator sees it."""

    reader: str
    items: int


class Reader(msgspec.Struct, frozen=True):
    """A token that was used after an object came into a collection that it reads."""

    label: str
    reader: str
    collection: str
    added: datetime
    last_used: datetime


class Name(msgspec.Struct, frozen=True):
    """How a client names a collection: by its id, or by its alias."""

    column: str
    value: UUID | str

    @property
    def number(self) -> str:
        """Give the SQL that looks the collection's number up; NULL when the reader may not see it."""
        return f"(SELECT id FROM collection WHERE {self.column} = %s)"


class Posted(msgspec.Struct, frozen=True):
    """One object version that a collection holds, with its state."""

    version: int
    stix_id: str
    state: str


def shelves(tx: sa.Connection) -> list[Shelf]:
    """Give the collections that this transaction may see, in an order that never changes (3.3)."""
    rows = raw(tx).execute("SELECT id, taxii, kind, title, description FROM collection ORDER BY id")
    return [Shelf(*row) for row in rows]


def name_of(text: str) -> Name | None:
    """Read a collection's name in an address; None when nothing can be called so."""
    if text in ALIASES:
        return Name("kind", text)
    return Name("taxii", UUID(text)) if _UUID.fullmatch(text) else None


def shelf(tx: sa.Connection, name: Name) -> Shelf | None:
    """Give one visible collection."""
    text = f"SELECT id, taxii, kind, title, description FROM collection WHERE {name.column} = %s"
    row = raw(tx).execute(text.encode(), (name.value,)).fetchone()
    return None if row is None else Shelf(*row)


def page(tx: sa.Connection, name: Name, query: Query) -> list[tuple[int, bytes]]:
    """Give (seq, bytes) of what `query` asks for, one more than its limit when there is more.

    The bytes are those that are stored, without what this reader was not granted.
    """
    found = _rows(tx, "SELECT i.seq, v.bytes, i.left_out ", name, query)
    return [(seq, without(data, left_out) if left_out else data) for seq, data, left_out in found]


def records(tx: sa.Connection, name: Name, query: Query) -> list[tuple[int, str, str | None, datetime, str]]:
    """Give (seq, id, version as stated, version as kept, spec version) likewise."""
    return _rows(tx, f"SELECT i.seq, v.stix_id, {_STATED}, v.version, v.spec_version ", name, query)


def holds(tx: sa.Connection, collection: int, stix_id: str) -> bool:
    """Whether any version of an object is in a collection."""
    row = raw(tx).execute(
        "SELECT 1 FROM object_version v JOIN item i ON i.version = v.id AND i.collection = %s"
        " WHERE v.stix_id = %s LIMIT 1",
        (collection, stix_id),
    )
    return row.fetchone() is not None


def posted(tx: sa.Connection, collection: int, query: Query) -> list[Posted]:
    """Give the versions that `query` names with their states, and keep them from changing until the end."""
    conditions, bound = _conditions(query)
    text = f"SELECT v.id, v.stix_id, v.state {_JOIN.format('%s')}{conditions} ORDER BY v.id FOR UPDATE OF v"
    return [Posted(*row) for row in raw(tx).execute(text.encode(), [collection, query.after, *bound])]


def keep_status(
    tx: sa.Connection, status: UUID, *, token: UUID, reader: str, requested_at: datetime, body: bytes
) -> None:
    """Write a status resource as it was answered."""
    raw(tx).execute(
        "INSERT INTO taxii_status (id, token, reader, requested_at, body) VALUES (%s, %s, %s, %s, %b)",
        (status, token, reader, requested_at, body),
    )


def status_body(tx: sa.Connection, status: UUID, *, token: UUID) -> bytes | None:
    """Give a status resource to the credential that posted; None to every other."""
    row = raw(tx).execute("SELECT body FROM taxii_status WHERE id = %s AND token = %s", (status, token))
    found = row.fetchone()
    return None if found is None else bytes(found[0])


def forget_statuses(tx: sa.Connection, before: datetime) -> None:
    """Delete statuses of long ago."""
    raw(tx).execute("DELETE FROM taxii_status WHERE requested_at < %s", (before,))


def filled(tx: sa.Connection) -> list[Filled]:
    """Give every collection with the number of its items (as the application)."""
    rows = raw(tx).execute(
        "SELECT c.id, c.taxii, c.kind, c.title, c.description, c.reader,"
        " (SELECT count(*) FROM item i WHERE i.collection = c.id) FROM collection c ORDER BY c.id"
    )
    return [Filled(*row) for row in rows]


def recorded(tx: sa.Connection, stix_id: str) -> bool:
    """Whether an object is here at all."""
    row = raw(tx).execute("SELECT 1 FROM object_version WHERE stix_id = %s LIMIT 1", (stix_id,))
    return row.fetchone() is not None


def may_have_read(tx: sa.Connection, stix_id: str) -> list[Reader]:
    """Give the tokens that were used since an object stood in a collection of theirs (as the application).

    More than really read it, never fewer: a use is noted at most once a minute, so a minute is allowed for.
    """
    rows = raw(tx).execute(
        "SELECT t.label, t.reader, c.title, to_timestamp(min(i.seq) / 1e6), t.last_used_at"
        " FROM object_version v JOIN item i ON i.version = v.id JOIN collection c ON c.id = i.collection"
        " JOIN api_token t ON c.reader IN (t.reader, '*')"
        " WHERE v.stix_id = %s AND t.last_used_at IS NOT NULL AND 'read' = ANY(t.scopes)"
        " GROUP BY t.id, t.label, t.reader, t.last_used_at, c.id, c.title"
        " HAVING t.last_used_at + interval '1 minute' >= to_timestamp(min(i.seq) / 1e6)"
        " ORDER BY t.reader, t.label, c.id",
        (stix_id,),
    )
    return [Reader(*row) for row in rows]


def _rows(tx: sa.Connection, head: str, name: Name, query: Query) -> list[Any]:
    conditions, bound = _conditions(query)
    text = (head + _JOIN.format(name.number) + conditions + _ORDER).encode()
    cursor = raw(tx).cursor(binary=True)
    if (query.match.types or query.match.moments) and not query.match.ids:
        cursor.execute(_PATIENCE)
    cursor.execute(text, [name.value, query.after, *bound, query.limit + 1], prepare=False)
    return cursor.fetchall()


def _conditions(query: Query) -> tuple[str, list[Any]]:
    match, text, bound = query.match, "", list[Any]()
    if match.spec_versions and _SPOKEN not in match.spec_versions:
        text = " AND false"
    for column, values in (("v.stix_id", match.ids), ("v.type", match.types)):
        if values:
            text, bound = f"{text} AND {column} = ANY(%s::text[])", [*bound, list(values)]
    if match.every:
        return text, bound
    ends = []
    if match.last:
        ends.append("i.last")
    if match.first:
        ends.append("i.first")
    if match.moments:
        ends.append("v.version = ANY(%s::timestamptz[])")
        bound.append(list(match.moments))
    return f"{text} AND ({' OR '.join(ends)})", bound
