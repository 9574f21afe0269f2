"""Views of the time line that a person saved under a name: filters and times as they were typed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import msgspec
import sqlalchemy as sa

from secretariat.base.errors import InputError, LimitError
from secretariat.register.tables import MOMENT
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST = 50
"""Views of one person."""
NAME_MAX = 80
QUERY_MAX = 1000
KEPT = (
    "q", "party", "org", "kind", "status", "series", "level", "first", "last", "order",
    "true_on", "known_by", "recorded_by", "knowledge", "zone",
)  # fmt: skip
"""Names of an address that belong to a view."""

register_saved_view = sa.Table(
    "register_saved_view",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("saved_at", MOMENT, nullable=False),
    sa.UniqueConstraint("login", "name"),
)


class SavedView(msgspec.Struct, frozen=True):
    """One saved view."""

    id: int
    name: str
    query: str


def of(tx: Connection, login: str) -> list[SavedView]:
    """Give a person's views by name."""
    rows = raw(tx).execute(
        "SELECT id, name, query FROM register_saved_view WHERE login = %s ORDER BY lower(name), id", (login,)
    )
    return [SavedView(*row) for row in rows]


def save(tx: Connection, login: str, name: str, query: str, *, now: datetime) -> str:
    """Save a view, and give its query; the same name again replaces it. Refuses too many."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_MAX:
        raise InputError(f"a view has a name of at most {NAME_MAX} letters", where="name")
    kept = urlencode([(key, value) for key, value in parse_qsl(query.lstrip("?")) if key in KEPT])
    if len(kept) > QUERY_MAX:
        raise LimitError(f"a view has at most {QUERY_MAX} letters", where="query")
    held = of(tx, login)
    if len(held) >= MOST and all(one.name != name for one in held):
        raise LimitError(f"a person has at most {MOST} views", where="name", advice="forget one first")
    raw(tx).execute(
        "INSERT INTO register_saved_view (login, name, query, saved_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (login, name) DO UPDATE SET query = excluded.query, saved_at = excluded.saved_at",
        (login, name, kept, now),
    )
    return kept


def forget(tx: Connection, login: str, number: int) -> None:
    """Forget one of a person's own views; anybody else's is left as it is."""
    raw(tx).execute("DELETE FROM register_saved_view WHERE id = %s AND login = %s", (number, login))
