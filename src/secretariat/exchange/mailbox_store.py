"""Tables of letters and correspondences, and what pages and commands ask of them.

`mail` is the own side of a correspondence, the other three are the mailbox that this node is for others. A
reader sees its letters, and no others, under its own role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from secretariat.base.clock import stamp
from secretariat.exchange import letters
from secretariat.exchange.letters import Held, Sealed
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from datetime import datetime

MOMENT = sa.DateTime(timezone=True)

mail = sa.Table(
    "mail",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("state", JSONB, nullable=False),
    sa.Column("box", BYTEA, nullable=False),
)

mailbox_user = sa.Table(
    "mailbox_user",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("allowed_by", sa.Text, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
)

letter = sa.Table(
    "letter",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("reader", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("box", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Index("ix_letter_waiting", "reader", "id"),
    sa.Index("ix_letter_at", "at"),
)

letter_posted = sa.Table(
    "letter_posted",
    metadata,
    sa.Column("sender", sa.Text, primary_key=True),
    sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("digest", BYTEA, nullable=False),
)


class Share(msgspec.Struct, frozen=True):
    """What one party has in this node's mailbox; `letters` and `bytes` are those it wrote."""

    party: str
    allowed_by: str
    since: datetime
    letters: int
    bytes: int
    oldest: datetime | None
    waiting: int
    """Letters that wait for it."""


def read_letters(tx: sa.Connection, realm: str, reader: str, limit: int) -> list[Held]:
    """Give what waits for `reader`, oldest first; also under the reader's own role."""
    rows = raw(tx).execute(
        "SELECT id, sender, reader, number, key, box, at FROM letter WHERE reader = %s ORDER BY id LIMIT %s",
        (reader, limit),
    )
    return [
        Held(number, stamp(at), Sealed(letters.VERSION, realm, sender, to, count, key, bytes(box)))
        for number, sender, to, count, key, box, at in rows
    ]


def shares(tx: sa.Connection) -> list[Share]:
    """Say who may use this node's mailbox and what waits there."""
    rows: Any = raw(tx).execute(
        "SELECT u.party, u.allowed_by, u.at, count(l.id), coalesce(sum(length(l.box)), 0)::int8, min(l.at),"
        " (SELECT count(*) FROM letter w WHERE w.reader = u.party)"
        " FROM mailbox_user u LEFT JOIN letter l ON l.sender = u.party GROUP BY u.party ORDER BY u.party"
    )
    return [Share(*row) for row in rows]
