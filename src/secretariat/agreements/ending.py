"""When a duty that runs from the end of an instrument falls due, as far as its end is known by a day.

The end is what the history of the instrument says by then (status.py): a notice with its effect, an end that
was stated, a withdrawal. A suspension ends nothing. Where no end is known, no day follows.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from secretariat.agreements.book import add_years
from secretariat.agreements.status import state_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Article, Instrument


def end_of(instrument: Instrument, now: datetime, pair: Iterable[str]) -> date | None:
    """Give the first day on which it is no longer in force for a pair, past or coming, as known now."""
    parties = tuple(pair)
    state = state_at(instrument, now, now, parties)
    if state.ended_on is not None:
        return state.ended_on
    if state.until is not None and state_at(instrument, state.until, now, parties).word == "ended":
        return state.until
    return None


def due_by(book: Book, reference: str, deed: str, now: datetime, pair: Iterable[str]) -> date | None:
    """Give the day a duty falls due that an article ties to the end of its instrument; None: unknown."""
    instrument = book.instruments.get(reference.partition("/")[0])
    ends = None if instrument is None else end_of(instrument, now, pair)
    if instrument is None or ends is None:
        return None
    return next((day for day in _days(instrument, reference, deed, ends)), None)


def runs_from_end(book: Book, reference: str, deed: str) -> bool:
    """Whether the article ties this deed to the end of its instrument."""
    instrument = book.instruments.get(reference.partition("/")[0])
    return instrument is not None and bool(_days(instrument, reference, deed, date.min))


def _days(instrument: Instrument, reference: str, deed: str, ends: date) -> list[date]:
    found = (_after(one, deed, ends) for one in instrument.articles if instrument.ref(one.art) == reference)
    return [day for day in found if day is not None]


def _after(article: Article, deed: str, ends: date) -> date | None:
    days, years = article.get("within_days"), article.get("survives_years")
    if article.rule == "RETURN_OR_DESTROY" and deed == "destroy_or_return":
        ending = article.get("trigger", "no_longer_needed") == "termination"
        return ends + timedelta(days=days) if ending and days is not None else None
    if article.rule == "TERMINATION_EFFECT" and deed == "destroy":
        return ends + timedelta(days=days) if days is not None else None
    if article.rule == "TERMINATION_EFFECT" and deed == "keep_confidential":
        return add_years(ends, years) if years is not None else None
    return None
