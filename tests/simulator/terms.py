"""What was agreed in a random world, twice: as a real instrument, and as plain terms for the oracle.

The oracle (`permits`) is written from docs/agreements.md, apart from `agreements.rules`: where the two answer
differently one of them is wrong, and the world says so.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import msgspec

from secretariat.agreements.book import Book, book_of_bodies
from secretariat.records.canonical import canonical
from secretariat.records.markings import tlp_marking

COLOURS = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
MARKING = {word: str(tlp_marking(word)["id"]) for word in COLOURS}


class Terms(msgspec.Struct, frozen=True):
    """One agreement of a random world."""

    key: str
    parties: tuple[str, ...]
    begins: date
    ends: date | None
    highest: str
    """The tightest colour that may pass."""
    third: str | None
    """Who is a third party: outside_pair, outside_parties, `orcon` (everybody), or no rule about them."""
    only: tuple[str, ...] | None
    """A standing release list: who else may get nothing under it."""
    days: int | None = None
    """How long it may be kept, in days: a duty that both sides must compute alike."""
    at_least: int | None = None
    """How long it must be kept, in days: a duty that outlives withdrawals."""
    public: bool = False

    def body(self) -> bytes:
        """The instrument, as `agreements.book.instrument_body` would have it."""
        articles: list[dict[str, Any]] = [{"art": "1", "rule": "AUDIENCE", "max_tlp": self.highest}]
        if self.third == "orcon":
            articles.append({"art": "2", "rule": "ORCON", "consent": "written", "silence": "deny"})
        elif self.third is not None:
            articles.append({"art": "2", "rule": "THIRD_PARTY", "silence": "deny", "third": self.third})
        if self.only is not None:
            articles.append({"art": "3", "rule": "REL_TO", "list": list(self.only)})
        if self.days is not None:
            articles.append({"art": "4", "rule": "RETENTION", "days": self.days})
        if self.at_least is not None:
            articles.append({"art": "5", "rule": "RETENTION", "at_least_days": self.at_least})
        if self.shows:
            articles.append({"art": "6", "rule": "REGISTER", "recipients_shown": True})
        value: dict[str, Any] = {
            "id": self.key,
            "synthetic": True,
            "title": f"Invented {self.key}",
            "kind": "mou",
            "binding": True,
            "parties": list(self.parties),
            "timezone": "UTC",
            "in_force": self.begins.isoformat(),
            "public": self.public,
            "articles": [{**one, "verification": "read"} for one in articles],
        }
        if self.ends is not None:
            value["ends"] = self.ends.isoformat()
        return canonical(value)

    @property
    def shows(self) -> bool:
        """Whether recipients are shown to each other; drawn from the rest, so that older seeds stay."""
        return random.Random(f"{self.key} {self.parties} {self.begins}").random() < 0.4

    def known_to(self, party: str) -> bool:
        """Whether a party may be shown it: docs/agreements.md, Who may be shown an instrument."""
        return self.public or party in self.parties

    def __str__(self) -> str:
        parts = [f"{self.key}: {' '.join(self.parties)} up to {self.highest}, from {self.begins}"]
        if self.ends is not None:
            parts.append(f"to {self.ends}")
        parts += [f"third parties: {self.third}"] if self.third else []
        parts += [f"only {' '.join(self.only)}"] if self.only is not None else []
        parts += [f"kept {self.days} days"] if self.days else []
        parts += [f"kept at least {self.at_least} days"] if self.at_least else []
        parts += ["shows recipients"] if self.shows else []
        return ", ".join(parts + (["public"] if self.public else []))


class Consent(msgspec.Struct, frozen=True):
    """An originator's word that an object may go on to a reader."""

    by: str
    reader: str
    roots: frozenset[bytes]
    since: date
    until: date | None


@cache
def book_of(bodies: tuple[bytes, ...]) -> Book:
    """Make a book once; equal texts are one book."""
    return book_of_bodies(bodies)


def draw(dice: random.Random, parties: Sequence[str], today: date) -> list[Terms]:
    """Draw agreements among parties: mostly of two, some of several, some that end or have not begun."""
    found: list[Terms] = []
    for number in range(dice.randint(max(1, len(parties) // 2), 2 * len(parties))):
        width = min(len(parties), dice.choice([2, 2, 2, 2, 3, 3, 4, len(parties)]))
        among = tuple(sorted(dice.sample(list(parties), width)))
        begins = today - timedelta(days=dice.choice([400, 30, 30, 1, 0, -1]))
        ends = None
        if dice.random() < 0.35:
            ends = max(begins, today) + timedelta(days=dice.choice([0, 1, 1, 2, 300])) + timedelta(days=1)
            if dice.random() < 0.2 and begins < today:
                ends = today
        third = dice.choice([None, None, "outside_pair", "outside_pair", "outside_parties", "orcon"])
        only = None
        if dice.random() < 0.12:
            only = tuple(sorted(dice.sample(list(among), dice.randint(1, len(among)))))
        found.append(
            Terms(
                key=f"syn-{number}",
                parties=among,
                begins=begins,
                ends=ends,
                highest=dice.choice(["GREEN", "AMBER", "AMBER", "AMBER+STRICT", "RED"]),
                third=third,
                only=only,
                days=dice.choice([None, None, None, None, 365, 1, 2]),
                at_least=dice.choice([1, 3]) if dice.random() < 0.1 else None,
                public=dice.random() < 0.3,
            )
        )
    return found


def permits(
    common: Collection[Terms],
    *,
    originator: str,
    sender: str,
    recipient: str,
    colour: str,
    day: date,
    root: bytes = b"",
    consents: Collection[Consent] = (),
) -> bool:
    """Say whether an object may go from sender to recipient on a day, by what both of them agreed to."""
    if colour == "CLEAR":
        return True
    consented = any(
        one.by == originator
        and one.reader == recipient
        and root in one.roots
        and one.since <= day
        and (one.until is None or day <= one.until)
        for one in consents
    )
    pairs = [{sender, recipient}]
    if sender != originator:
        if colour != "GREEN" and not consented:
            return False
        for one in common:
            holds_under = one.third is not None and {originator, sender} <= set(one.parties)
            if not holds_under or one.begins > day or consented:
                continue
            inside = one.third == "outside_parties" and recipient in one.parties
            if not inside:
                return False
        if consented:
            pairs.append({originator, recipient})
    return any(
        one.begins <= day
        and (one.ends is None or day < one.ends)
        and any(pair <= set(one.parties) for pair in pairs)
        and COLOURS.index(colour) <= COLOURS.index(one.highest)
        and (one.only is None or recipient in one.only)
        for one in common
    )
