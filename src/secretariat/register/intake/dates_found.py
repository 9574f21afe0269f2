"""What a date rule finds before it is resolved: parts as written, or relative to something else."""

from __future__ import annotations

from typing import NamedTuple


class Slot(NamedTuple):
    """The parts of one date; what is missing is to be found out, never made up."""

    year: int | None = None
    year_rel: int | None = None
    """Years from the document's own year (last year = -1)."""
    year_same: int | None = None
    """Years from the date named before (the same year = 0)."""
    month: int | None = None
    month_rel: int | None = None
    month_same: int | None = None
    day: int | None = None
    day_rel: int | None = None
    day_same: int | None = None
    weekday: int | None = None
    """Monday = 0, where only the day of the week stands (on Tuesday)."""
    part: str = ""
    """early mid late end q1-q4 h1 h2 fy spring summer autumn winter decade within-year year-end about."""


class Found(NamedTuple):
    """One place in the text that names a date."""

    start: int
    end: int
    a: Slot
    b: Slot | None = None
    lang: str = "en"
    direction: int = 0
    """-1 the words say it is past, 1 to come, 0 nothing said."""
    note: str = ""
    order: int = 0
    """Rules that say more come first where two find the same place."""
