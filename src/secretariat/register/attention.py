"""What of the Register needs somebody now: counts, and where to look. For the Desk and the digest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from secretariat.register import boards, store
from secretariat.register.model import Row, View
from secretariat.register.requests import contacts
from secretariat.register.requests import store as requests
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

NEXT = 5
"""Meetings that are shown as the next."""
NEWS = timedelta(days=7)


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """Counts as of a question."""

    overdue: int
    lagging: int
    to_us: int
    """Requests to us that wait for our answer."""
    to_us_overdue: int
    silent: int
    """Requests of ours whose day has passed."""
    stale: int
    """Contacts that nobody tested for too long."""
    arrived: int
    """Statements that partners sent within the last days."""
    meetings: list[Row]

    @property
    def lines(self) -> list[tuple[str, int, str]]:
        """Give (key, count, address) of all counts."""
        return [
            ("overdue", self.overdue, "/register/boards"),
            ("lagging", self.lagging, "/register/boards/lagging"),
            ("to_us", self.to_us, "/requests"),
            ("to_us_overdue", self.to_us_overdue, "/requests?show=overdue"),
            ("silent", self.silent, "/requests?show=overdue"),
            ("stale", self.stale, "/requests/contacts"),
            ("arrived", self.arrived, "/register"),
        ]


def attention(tx: sa.Connection, view: View, own: str, *, now: datetime) -> Attention:
    """Count what needs somebody by the question."""
    threads = requests.threads(tx, view, own)
    found = store.statements(tx, view, kinds=["meeting"], first=view.day, announced=True, limit=100)
    coming = [one for one in found if one.state(view) in {"planned", "announced"}]
    row = (
        raw(tx)
        .execute(
            "SELECT count(*) FROM register_statement WHERE source <> %s AND recorded_at > %s",
            (own, now - NEWS),
        )
        .fetchone()
    )
    return Attention(
        overdue=boards.overdue(tx, view, limit=1).total,
        lagging=boards.lagging(tx, view, limit=1).total,
        to_us=sum(one.is_open and one.asked_of == own for one in threads),
        to_us_overdue=sum(one.asked_of == own and one.state in {"overdue", "silent"} for one in threads),
        silent=sum(one.asked_by == own and one.state in {"overdue", "silent"} for one in threads),
        stale=sum(one.stale for one in contacts.contacts(tx, view, own)),
        arrived=0 if row is None or not view.is_now else int(row[0]),
        meetings=coming[:NEXT],
    )
