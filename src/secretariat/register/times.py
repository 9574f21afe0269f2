"""Dates as precise as they are known: a year, a month, a day, an instant; and how they answer to a question.

Rules (decisions.md 4):

1. A text has its own precision. `first` and `last` are the first and the last day it may mean, in its zone.
2. Something is *true by* a day when its latest possible beginning is not after it: `2012` is true by
   2012-12-31 and only possibly by 2012-06-25.
3. Something *was known by* a day when the last day that its `known` may mean is not after it.
4. A day in a question means its end, in the zone of the question; days are compared as days, so that a
   source dated 25 June is known on 25 June wherever it is asked.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from secretariat.base.errors import InputError

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?)?)?")
_EARLIEST = 1000


class Moment(msgspec.Struct, frozen=True):
    """A date with its precision."""

    text: str
    first: date
    last: date
    precision: str
    """year, month, day or instant."""
    at: datetime | None = None
    """The instant, where it is one."""

    def true_by(self, day: date) -> bool:
        """Whether it surely lies not after `day`."""
        return self.last <= day

    def may_be_by(self, day: date) -> bool:
        """Whether it possibly lies not after `day`."""
        return self.first <= day


def parse(text: str, *, where: str = "date") -> Moment:
    """Read a date. Refuses what is none (2012-02-30) and what has no zone though it has an hour."""
    found = _DATE.fullmatch(text) if isinstance(text, str) else None
    try:
        if found is None or int(found[1]) < _EARLIEST:
            raise ValueError(text)
        year, month, day, hour = int(found[1]), found[2], found[3], found[4]
        if hour is not None:
            at = datetime.fromisoformat(text)
            return Moment(text, at.date(), at.date(), "instant", at)
        if day is not None:
            one = date(year, int(month), int(day))
            return Moment(text, one, one, "day")
        if month is not None:
            first = date(year, int(month), 1)
            return Moment(text, first, _month_end(first), "month")
        return Moment(text, date(year, 1, 1), date(year, 12, 31), "year")
    except (ValueError, OverflowError):
        raise InputError(
            f"no such date: {str(text)[:60]!r}",
            where=where,
            advice="write 2012, 2012-09, 2012-09-03 or 2012-09-03T14:00:00+09:00",
        ) from None


def noon(day: date) -> datetime:
    """Give the instant under which a day stands in tables: 12:00 UTC."""
    return datetime.combine(day, time(12), ZoneInfo("UTC"))


def day_of(moment: datetime, zone: str) -> date:
    """Give the day on which a moment lies in a zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


def _month_end(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
