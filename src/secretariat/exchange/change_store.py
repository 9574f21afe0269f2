"""The table of changes of published objects that wait for offices or a second person, or were decided."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from secretariat.base.errors import NotFoundError
from secretariat.exchange.changes import Change
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOMENT = sa.DateTime(timezone=True)

change = sa.Table(
    "change",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("stix_id", sa.Text, nullable=False, index=True),
    sa.Column("change", JSONB, nullable=False),
    sa.Column("replaces", BYTEA, nullable=False),
    sa.Column("offices", JSONB, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", _MOMENT, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", _MOMENT),
    sa.Column("why", sa.Text),
    sa.CheckConstraint("state IN ('proposed', 'done', 'refused')", name="state"),
)


class Proposed(msgspec.Struct, frozen=True):
    """A change that one person proposed, and what became of it."""

    id: uuid.UUID
    stix_id: str
    change: Change
    replaces: bytes
    """The root of the version that it was proposed for: of a newer one it is proposed anew."""
    offices: list[dict[str, str]]
    """The offices that were asked to concur, each with `by` once a person of it did."""
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    why: str | None = None

    @property
    def waits_for(self) -> list[str]:
        """The offices that have not concurred."""
        return [one["office"] for one in self.offices if not one.get("by")]


_COLUMNS = ", ".join(Proposed.__struct_fields__)


def put(tx: sa.Connection, one: Proposed) -> None:
    """Write a proposal."""
    raw(tx).execute(
        f"INSERT INTO change ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            one.id,
            one.stix_id,
            Jsonb(msgspec.to_builtins(one.change)),
            one.replaces,
            Jsonb(one.offices),
            one.state,
            one.proposed_by,
            one.proposed_at,
            one.decided_by,
            one.decided_at,
            one.why,
        ),
    )


def get(tx: sa.Connection, number: uuid.UUID, *, lock: bool = False) -> Proposed:
    """Give one proposal. Refuses an id that is none."""
    found = _read(tx, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (number,))
    if not found:
        raise NotFoundError(f"no change {number}", advice="secretariat changes list")
    return found[0]


def waiting(tx: sa.Connection, stix_id: str | None = None) -> list[Proposed]:
    """Give what waits for a decision, of one object or of all, the oldest first."""
    only = "" if stix_id is None else " AND stix_id = %s"
    bound = () if stix_id is None else (stix_id,)
    return _read(tx, f"WHERE state = 'proposed'{only} ORDER BY proposed_at, id", bound)


def concur(tx: sa.Connection, number: uuid.UUID, offices: Sequence[dict[str, str]]) -> None:
    """Note which offices concurred with a proposal."""
    raw(tx).execute("UPDATE change SET offices = %s WHERE id = %s", (Jsonb(list(offices)), number))


def decide(
    tx: sa.Connection, number: uuid.UUID, state: str, *, by: str, why: str | None, now: datetime
) -> None:
    """Note what became of a proposal."""
    raw(tx).execute(
        "UPDATE change SET state = %s, decided_by = %s, decided_at = %s, why = %s WHERE id = %s",
        (state, by, now, why, number),
    )


def _read(tx: sa.Connection, rest: str, bound: Sequence[object]) -> list[Proposed]:
    rows = raw(tx).execute(f"SELECT {_COLUMNS} FROM change {rest}".encode(), bound)
    return [
        Proposed(row[0], row[1], msgspec.convert(row[2], Change), bytes(row[3]), *row[4:]) for row in rows
    ]
