"""Time as values: UTC stamps with microseconds, and the three times of every question."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from secretariat.base.errors import InputError

MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Give the present in UTC; only the edges call this, rules are handed their time."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 with six digits and `Z`. Refuses a moment without zone."""
    if moment.tzinfo is None:
        raise InputError("a moment without time zone cannot be written", advice="give it a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_stamp(text: str) -> datetime:
    """Read an RFC 3339 moment with zone, to the microsecond (finer digits are cut)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"not an RFC 3339 time: {text!r}", advice="write 2026-11-22T02:09:36.123456Z"
        ) from error
    if moment.tzinfo is None:
        raise InputError(f"time without zone: {text!r}", advice="end it with Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first or last day of all, in a zone where UTC has none
        raise InputError(f"a time outside of all dates: {text!r}") from error


def end_of_day(day: date, zone: str = "UTC") -> datetime:
    """Give the last microsecond of `day` in `zone`: a date in a question means the end of that day."""
    try:
        start = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
        return start.astimezone(UTC) - MICROSECOND
    except OverflowError as error:
        raise InputError(f"a day at the end of all dates: {day}") from error


class AsOf(msgspec.Struct, frozen=True):
    """The three times of a question; None means now (true), everything (known), everything (recorded).

    `recorded_by` is always a moment; where the question named a log position, `position` repeats it and
    `recorded_by` is when that entry was written. `public` asks by what was publicly known instead of by what
    this party could know: what has no public time is then not there (decisions.md, 4). `zone` is the zone in
    which the question's dates ended; None is the node's.
    """

    true_on: datetime | None = None
    known_by: datetime | None = None
    recorded_by: datetime | None = None
    position: int | None = None
    public: bool = False
    zone: str | None = None

    @property
    def earliest(self) -> datetime | None:
        """The first of the times asked about: by it must have happened what this node did itself."""
        return min((one for one in (self.true_on, self.known_by, self.recorded_by) if one), default=None)

    @property
    def is_now(self) -> bool:
        """Whether this party asks about the present: only then may anything act."""
        return self.true_on is None and self.known_by is None and self.recorded_by is None and not self.public
