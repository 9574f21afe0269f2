"""Setting the days of duties that run from the end of an instrument, by what is recorded of it now.

A notice that comes after the grant, an end brought forward, a renewal: each moves what is still open. What is
done stays done, so a clock set back moves nothing that was destroyed. Where no end is known any more (the
notice was withdrawn), the duty has no day again. Days end in the instrument's zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.agreements.ending import due_by, runs_from_end
from secretariat.agreements.facts import whole_book
from secretariat.base.clock import end_of_day
from secretariat.exchange.duties import ENDING
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa


def state_of(tx: sa.Connection, now: datetime) -> tuple[object, ...]:
    """Give what the days rest on: the instruments, our log (it grows with every grant taken), and the hour.

    A cheap question before a dear one: `date_all` reads every open duty of its kinds, and there may be
    millions.
    """
    row = (
        raw(tx)
        .execute(
            "SELECT (SELECT count(*) FROM instrument), (SELECT max(recorded_at) FROM instrument),"
            " (SELECT max(position) FROM entry)"
        )
        .fetchone()
    )
    assert row is not None
    return (*row, now.replace(minute=0, second=0, microsecond=0))


def date_all(tx: sa.Connection, own: str, *, now: datetime) -> int:
    """Set or move the days of open duties; gives how many kinds of duty moved."""
    rows = raw(tx).execute(
        "SELECT DISTINCT duty, article, owed_to, due_at FROM obligation_timer"
        " WHERE done_at IS NULL AND duty = ANY(%s) AND article LIKE '%%/%%'",
        (sorted(ENDING),),
    )
    found = rows.fetchall()
    if not found:
        return 0
    book = whole_book(tx)
    moved = 0
    for duty, article, owed_to, stands in found:
        if not runs_from_end(book, article, duty):
            continue
        day = due_by(book, article, duty, now, (own, owed_to))
        due = None if day is None else end_of_day(day, book.instruments[article.partition("/")[0]].timezone)
        if due == stands:
            continue
        raw(tx).execute(
            "UPDATE obligation_timer SET due_at = %s WHERE done_at IS NULL AND duty = %s AND article = %s"
            " AND owed_to = %s AND due_at IS NOT DISTINCT FROM %s",
            (due, duty, article, owed_to, stands),
        )
        moved += 1
    return moved
