"""Instruments of a node in PostgreSQL: the `Shelf` of instruments.py, and the table of what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.agreements import store as agreements
from secretariat.exchange.instruments import Text, Want
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from secretariat.agreements.audience import Place

_MOMENT = sa.DateTime(timezone=True)

instrument_want = sa.Table(
    "instrument_want",
    metadata,
    sa.Column("partner", sa.Text, primary_key=True),
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", _MOMENT, nullable=False),
    sa.Column("since", _MOMENT, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.CheckConstraint("state IN ('open', 'came', 'refused', 'unanswered')", name="state"),
)


class InstrumentRows(Transaction):
    """What one transaction sees of instruments."""

    def text(self, digest: bytes) -> Text | None:
        found = agreements.instruments_by_hash(self.tx, [digest])
        return Text(digest, found[0].key, found[0].body) if found else None

    def stands(self, party: str) -> Place:
        return agreements.place_of(self.tx, party)

    def texts_here(self, digests: Collection[bytes]) -> set[bytes]:
        rows = raw(self.tx).execute(
            "SELECT hash FROM instrument WHERE hash = ANY(%s)"
            " UNION SELECT hash FROM instrument_offer WHERE hash = ANY(%s)",
            (list(digests), list(digests)),
        )
        return {digest for (digest,) in rows}

    def wants(self, partner: str) -> Sequence[Want]:
        return read_wants(self.tx, partner)

    def save_wants(self, wants: Sequence[Want]) -> None:
        for one in wants:
            raw(self.tx).execute(
                "INSERT INTO instrument_want (partner, digest, key, state, tries, next_at, since, why)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (partner, digest) DO UPDATE SET"
                " key = excluded.key, state = excluded.state, tries = excluded.tries,"
                " next_at = excluded.next_at, since = excluded.since, why = excluded.why",
                (one.partner, one.digest, one.key, one.state, one.tries, one.next_at, one.since, one.why),
            )

    def forget_wants(self, partner: str, named: Collection[bytes]) -> None:
        raw(self.tx).execute(
            "DELETE FROM instrument_want WHERE partner = %s AND digest <> ALL(%s)", (partner, list(named))
        )

    def undecided(self, partner: str) -> int:
        row = (
            raw(self.tx)
            .execute(
                "SELECT count(*) FROM instrument_offer WHERE source = %s AND state = 'offered'", (partner,)
            )
            .fetchone()
        )
        return 0 if row is None else int(row[0])

    def offer_text(self, text: Text, partner: str) -> None:
        agreements.keep_offer(self.tx, text.digest, text.key, text.body, source=partner, now=self.now)


def read_wants(tx: sa.Connection, partner: str) -> list[Want]:
    """Give what is or was wanted of a partner, the longest wanted first."""
    rows = raw(tx).execute(
        "SELECT digest, partner, key, state, tries, next_at, since, why FROM instrument_want"
        " WHERE partner = %s ORDER BY since, digest",
        (partner,),
    )
    names = ("digest", "partner", "key", "state", "tries", "next_at", "since", "why")
    return [Want(**dict(zip(names, row, strict=True))) for row in rows]
