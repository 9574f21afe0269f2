"""Tables of transfers by hand: how they stand with each partner, and what went out and came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from secretariat.exchange.postgres_transaction import Transaction
from secretariat.exchange.transfer import Carried, Handover
from secretariat.exchange.wire import read_cursor
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

handover = sa.Table(
    "handover",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("state", JSONB, nullable=False),
)

carried = sa.Table(
    "carried",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("out", sa.Boolean, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("volume", sa.Integer, nullable=False),
    sa.Column("of", sa.Integer, nullable=False),
    sa.Column("start", sa.Text, nullable=False),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("ix_carried_party", "party", "id"),
)


class TransferRows(Transaction):
    """Transfers in the store: the `TransferStore` of transfer.py."""

    def handover(self, party: str) -> Handover:
        row = raw(self.tx).execute("SELECT state::text FROM handover WHERE party = %s", (party,)).fetchone()
        return Handover(party=party) if row is None else msgspec.json.decode(row[0], type=Handover)

    def lock_handover(self, party: str) -> Handover:
        raw(self.tx).execute(
            "INSERT INTO handover (party, state) VALUES (%s, %s::jsonb) ON CONFLICT DO NOTHING",
            (party, msgspec.json.encode(Handover(party=party)).decode()),
        )
        raw(self.tx).execute("SELECT 1 FROM handover WHERE party = %s FOR UPDATE", (party,))
        return self.handover(party)

    def save_handover(self, state: Handover) -> None:
        raw(self.tx).execute(
            "INSERT INTO handover (party, state) VALUES (%s, %s::jsonb)"
            " ON CONFLICT (party) DO UPDATE SET state = excluded.state",
            (state.party, msgspec.json.encode(state).decode()),
        )

    def note_carried(self, one: Carried) -> None:
        raw(self.tx).execute(
            'INSERT INTO carried (party, "out", number, volume, "of", start, until,'
            " entries, objects, bytes, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                one.party, one.out, one.number, one.volume, one.of, str(one.start), str(one.until),
                one.entries, one.objects, one.bytes, one.at,
            ),
        )  # fmt: skip

    def carried(self, party: str | None = None, limit: int = 200) -> Sequence[Carried]:
        rows = raw(self.tx).execute(
            'SELECT party, "out", number, volume, "of", start, until, entries, objects, bytes, at'
            " FROM carried WHERE %s::text IS NULL OR party = %s ORDER BY id DESC LIMIT %s",
            (party, party, limit),
        )
        return [
            Carried(
                party=code, out=out, number=number, volume=volume, of=of, start=read_cursor(start),
                until=read_cursor(until), entries=count, objects=objects, bytes=size, at=at,
            )
            for code, out, number, volume, of, start, until, count, objects, size, at in rows
        ]  # fmt: skip
