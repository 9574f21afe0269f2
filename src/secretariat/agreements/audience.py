"""Who may be shown an instrument: its text, its hash, that it exists (pure).

Rules, which fail closed:
1. A text that is publicly known may be shown to everybody: it is one of the package's, it says
   `public: true`, or it states a day of publication that has come and does not say `public: false`.
2. Any other text may be shown to its parties only: those it names, members of a group it names on the day of
   showing, and an office under a named party where the instrument covers offices or names that office.
3. A text that names nobody is shown to nobody. Whether a party may be shown it is decided by what the text
   itself says, so that two nodes that hold the same text decide alike.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.book import instrument_body, package_book, package_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from secretariat.agreements.book import Book
    from secretariat.base.clock import AsOf

EVER = date.min


class Place(msgspec.Struct, frozen=True):
    """Where a party stands: the parties above it, and which office it is."""

    code: str
    ancestors: tuple[str, ...] = ()
    office: str | None = None


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may be shown one text, as it says itself."""

    public_from: date | None = None
    """The first day on which it is publicly known; None: it is not."""
    parties: tuple[str, ...] = ()
    """Parties and groups that it names."""
    members: tuple[tuple[str, date | None, date | None], ...] = ()
    """(party, first day, first day no longer) of the groups that it names."""
    covers_offices: bool = False
    party_offices: dict[str, tuple[str, ...]] = {}

    def public(self, day: date) -> bool:
        """Whether it is publicly known on a day."""
        return self.public_from is not None and self.public_from <= day

    def named(self, day: date) -> frozenset[str]:
        """Give the parties on a day: those named, and the members of groups named."""
        there = {
            party
            for party, since, until in self.members
            if (since is None or since <= day) and (until is None or day < until)
        }
        return frozenset({*self.parties, *there})

    def admits(self, place: Place, day: date) -> bool:
        """Whether a party may be shown it on a day."""
        if self.public(day):
            return True
        named = self.named(day)
        if place.code in named:
            return True
        return any(
            above in named
            and (
                self.covers_offices
                or (place.office is not None and place.office in self.party_offices.get(above, ()))
            )
            for above in place.ancestors
        )


def audience_of(body: bytes) -> Audience:
    """Read who may be shown an instrument from its recorded text. What cannot be read is shown to nobody."""
    try:
        raw = json.loads(body)
        return _audience(raw, hashlib.sha256(body).hexdigest() in _package_hashes())
    except (ValueError, TypeError, AttributeError, KeyError):
        return Audience()


def publicly(book: Book, day: date) -> Book:
    """Give the book of what everybody knew on a day (rule 1), without what is made up: nobody knows that."""
    known = {
        key
        for key, one in book.instruments.items()
        if not one.synthetic and audience_of(instrument_body(one, book)).public(day)
    }
    return book.only(known)


def read_by(book: Book, as_of: AsOf, *, now: datetime) -> Book:
    """Give the book that a question reads: all of `book`, or what everybody knew by the time asked for."""
    if not as_of.public:
        return book
    return publicly(book, (as_of.known_by or as_of.recorded_by or now).date())


def _audience(raw: Mapping[str, Any], shipped: bool) -> Audience:
    names = tuple(str(one) for one in raw.get("parties") or ())
    groups = {**package_source().value["groups"], **(raw.get("groups") or {})}
    members = [
        (str(one["party"]), _day(one.get("since")), _day(one.get("until")))
        if isinstance(one, dict)
        else (str(one), None, None)
        for name in names
        for one in (groups.get(name) or {}).get("members", ())
    ]
    return Audience(
        public_from=EVER if shipped else _public_from(raw),
        parties=names,
        members=tuple(members),
        covers_offices=raw.get("covers_offices") is True,
        party_offices={
            str(party): (str(offices),) if isinstance(offices, str) else tuple(str(one) for one in offices)
            for party, offices in (raw.get("party_offices") or {}).items()
        },
    )


def _public_from(raw: Mapping[str, Any]) -> date | None:
    said = raw.get("public")
    if said is True:
        return EVER
    if said is False or raw.get("published") is None:
        return None
    return _day(raw["published"])


def _day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(str(value)[:10])


@cache
def _package_hashes() -> frozenset[str]:
    return frozenset(
        hashlib.sha256(instrument_body(one)).hexdigest() for one in package_book().instruments.values()
    )
