"""How an instrument names a party: itself, by a group it belongs to on that day, or as a covered office.

A treaty that names a state covers an office under it only where the instrument says so; where it acts through
one office alone, another office of the same state is not covered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.model import CONDITION, FAILS, HOLDS, Article, Instrument, Note, Tried

if TYPE_CHECKING:
    from datetime import date

    from secretariat.agreements.book import Book


class Side(msgspec.Struct, frozen=True):
    """How an instrument names one party of the pair."""

    named: bool
    as_party: str = ""
    """The party or group of the instrument under which it is covered."""
    rows: tuple[Tried, ...] = ()


def name_side(book: Book, instrument: Instrument, code: str, office: str | None, day: date) -> Side:
    """Tell whether an instrument names a party: itself, by its group on that day, or as a covered office."""
    if code in instrument.parties:
        return _state_side(instrument, code, office)
    for group in instrument.parties:
        if group in book.groups and code in book.members(group, day):
            return Side(named=True, as_party=group)
    for above in book.ancestors(code):
        covered = above in instrument.parties or any(
            g in book.groups and above in book.members(g, day) for g in instrument.parties
        )
        if covered:
            party = book.parties.get(code)
            names = {
                n.casefold()
                for n in (code, party.name if party else None, party.office if party else None)
                if n
            }
            return _office_side(instrument, above, code, names)
    return Side(named=False)


def _offices(instrument: Instrument, code: str) -> tuple[set[str], list[Article]]:
    allowed = {o.casefold() for p, names in instrument.party_offices if p == code for o in names}
    articles = []
    for article in instrument.articles:
        for party, names in article.get("offices", ()):
            if party == code:
                articles.append(article)
                allowed.update(n.casefold() for n in ((names,) if isinstance(names, str) else names))
    return allowed, articles


def _state_side(instrument: Instrument, code: str, office: str | None) -> Side:
    allowed, articles = _offices(instrument, code)
    if not allowed:
        return Side(named=True, as_party=code)
    ref = instrument.ref(articles[0].art if articles else None)
    shown = ", ".join(sorted(_shown_offices(instrument, code)))
    if office is None:
        return Side(True, code, (Tried(ref, "DEFINE", CONDITION, Note("define.office", (shown, code))),))
    if office.casefold() in allowed:
        return Side(True, code, (Tried(ref, "DEFINE", HOLDS, Note("define.office", (shown, code))),))
    return Side(True, code, (Tried(ref, "DEFINE", FAILS, Note("define.office_not", (code, office))),))


def _shown_offices(instrument: Instrument, code: str) -> set[str]:
    shown = {o for p, names in instrument.party_offices if p == code for o in names}
    for article in instrument.articles:
        for party, names in article.get("offices", ()):
            if party == code:
                shown.update((names,) if isinstance(names, str) else names)
    return shown


def _office_side(instrument: Instrument, above: str, code: str, names: set[str]) -> Side:
    allowed, articles = _offices(instrument, above)
    ref = instrument.ref(articles[0].art if articles else None)
    if instrument.covers_offices or names & allowed:
        return Side(True, above, (Tried(ref, "DEFINE", HOLDS, Note("define.office", (code, above))),))
    code_ = "define.office_not" if allowed else "define.no_offices"
    return Side(True, above, (Tried(ref, "DEFINE", FAILS, Note(code_, (above, code))),))
