"""Nouns of the decision: instruments and their articles, the question, the answer with its trace.

Dates are civil days in the zone of the instrument. Everything is frozen; equal questions have equal answers.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from secretariat.agreements.texts import text_of
from secretariat.records.markings import Label

Moment = date | datetime
"""A whole day, or an instant (an instant without zone is read in the zone of the instrument)."""

MAY = "may"
DENY = "deny"
OWN = "own"

HOLDS, FAILS, CONDITION, DUTY, NOTE = "holds", "fails", "condition", "duty", "note"
"""What came of an article that was tried."""

DEFAULT_DENY = "default-deny"
"""The article of a refusal where no article speaks; `missing` then names the link."""

ENGINE = "secretariat/decisions/1"
"""Version of the rules: a grant pins it, a receiver recomputes with the same."""


class Note(msgspec.Struct, frozen=True):
    """A sentence by code and arguments: nothing is formatted before somebody reads it."""

    code: str
    args: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentence in English; pages translate `code` and fill in `args`."""
        return text_of(self.code, self.args)

    def __str__(self) -> str:
        return self.text


class Article(msgspec.Struct, frozen=True):
    """One numbered rule of an instrument."""

    art: str
    rule: str
    says: str | None = None
    verification: str = "read"
    """read, summary, inferred, unverified. Left out: the file is itself the text."""
    source: str | None = None
    note: str | None = None
    reading: bool = False
    """Whether parameters were added by the package's own reading of this article."""
    params: tuple[tuple[str, Any], ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        """Give a parameter of the rule."""
        for key, value in self.params:
            if key == name:
                return value
        return default


class StatusEvent(msgspec.Struct, frozen=True):
    """One dated thing that happened to an instrument."""

    on: date
    state: str | None = None
    event: str | None = None
    by: str | None = None
    effect_on: date | None = None
    basis: str | None = None
    known: Moment | None = None
    note: str | None = None
    source: str | None = None


class Stage(msgspec.Struct, frozen=True):
    """A stage of admission: what is open to those who reached it."""

    name: str
    max_tlp: str | None = None
    compartments: tuple[str, ...] = ()
    min_days: int | None = None


class Table(msgspec.Struct, frozen=True):
    """Which level of one party stands for which of the other; null = none."""

    instrument: str
    article: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    verification: str = "read"
    note: str | None = None


class Scheme(msgspec.Struct, frozen=True):
    """A table of levels of one party, lowest first."""

    key: str
    order: tuple[str, ...]
    owner: str | None = None
    beside: tuple[tuple[str, str], ...] = ()
    """(level, the level it ranks as)."""
    unclassified: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    """(level, its name in the owner's language)."""

    def find(self, word: str) -> str | None:
        """Give the level that a word or name means, in any case; None if it is none of this table."""
        levels = (*self.order, *(level for level, _ in self.beside))
        if word in levels:
            return word
        folded = word.casefold()
        for level, name in (*((level, level) for level in levels), *self.names):
            if name.casefold() == folded:
                return level
        return None


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who cooperates; an office or firm stands `under` another party."""

    code: str
    name: str | None = None
    kind: str | None = None
    under: str | None = None
    office: str | None = None
    clients_of: tuple[str, ...] = ()


class Membership(msgspec.Struct, frozen=True):
    """A party belongs to a group from a day, until (not including) a day."""

    party: str
    since: date | None = None
    until: date | None = None


class Instrument(msgspec.Struct, frozen=True):
    """Any document that permits or obliges, as dated facts."""

    key: str
    title: str
    kind: str
    binding: bool = False
    synthetic: bool = False
    parties: tuple[str, ...] = ()
    party_offices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    covers_offices: bool = False
    timezone: str = "UTC"
    known: Moment | None = None
    """First day anybody could know the articles: `known`, else the signature, else the publication."""
    effective: date | None = None
    """`in_force`, or for what binds nobody also the signature or publication."""
    in_force_stated: bool = False
    ends: date | None = None
    status: tuple[StatusEvent, ...] = ()
    depends_on: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    articles: tuple[Article, ...] = ()
    tables: tuple[Table, ...] = ()
    source: dict[str, Any] = {}
    """The instrument as written, for pages and for its hash."""

    def article(self, rule: str) -> Article | None:
        """Give the first article with this rule code."""
        for article in self.articles:
            if article.rule == rule:
                return article
        return None

    def ref(self, article: str | None) -> str:
        """Name an article of this instrument, or the instrument itself."""
        return self.key if article is None else f"{self.key}/{article}"


class Consent(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"since": "from"}
):
    """An originator's word on onward release to a named recipient."""

    by: str | None = None
    to: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    """The last day on which it holds."""
    known: Moment | None = None
    state: str = "given"
    """given, refused, withdrawn or asked."""
    form: str = "written"
    through: tuple[str, ...] = ()
    """Relays it is good for; empty = any."""
    purposes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    """Levels it is good for; empty = any."""
    objects: tuple[str, ...] = ()
    """STIX ids it is good for; empty = any."""
    asked: date | None = None
    note: str | None = None


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known about this transfer beside the object; left out = not known."""

    consents: tuple[Consent, ...] = ()
    stage: str | None = None
    stage_since: date | None = None
    holds: tuple[str, ...] | None = None
    """Compartments the recipient holds."""
    purpose: str | None = None
    """The use that the recipient states."""
    from_office: str | None = None
    to_office: str | None = None
    clearance: bool | None = None
    need_to_know: bool | None = None
    contractor: bool | None = None
    """Whether the conditions for contractors are met."""
    personal_data: bool | None = None
    handling: str = "give"
    """give (a copy) or show."""


class Question(msgspec.Struct, frozen=True):
    """Whether this object may go from here to there, on this day, as far as known then."""

    sender: str
    recipient: str
    label: Label
    true: Moment
    known: Moment | None = None
    then: tuple[str, ...] = ()
    direct: bool | None = None
    facts: Facts = Facts()
    object_id: str | None = None


class Tried(msgspec.Struct, frozen=True):
    """One article tried: `holds`, `fails`, `condition`, `duty` or `note`."""

    ref: str
    rule: str
    result: str
    note: Note
    verification: str = "read"

    @property
    def why(self) -> str:
        """The reason in English."""
        return self.note.text


LEAVE_OUT = "leave_out:"
"""Begins the duty of a sender to leave a property out, which is named behind it."""


class Obligation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the recipient (or sender) must then do, by when, by which article."""

    who: str
    do: str
    art: str
    by: date | None = None
    within: str | None = None
    upon: str | None = None
    """What the term runs from, where that is no date of the instrument: `request`, the originator's call."""
    zone: str | None = None
    """The zone in which its days are counted, where the instrument names one that is not UTC."""


class Mark(msgspec.Struct, frozen=True):
    """The recipient writes this level of its own beside the originator's, which governs."""

    party: str
    level: str
    art: str


class Attempt(msgspec.Struct, frozen=True):
    """One instrument tried: what came of it and every article of it."""

    instrument: str
    outcome: str
    """may or deny."""
    rank: int
    """How close it came, see `rules`."""
    pieces: tuple[tuple[Tried, ...], ...] = ()

    @property
    def tried(self) -> tuple[Tried, ...]:
        """Every article of the instrument that was tried."""
        return tuple(row for piece in self.pieces for row in piece)


class Decision(msgspec.Struct, frozen=True):
    """The answer, and why."""

    outcome: str
    article: str
    """The deciding article, or `default-deny`."""
    because: tuple[str, ...] = ()
    """Every article that decided: for a refusal all that fail, the closest first; else all relied upon."""
    missing: Note | None = None
    restrictions: tuple[tuple[Tried, ...], ...] = ()
    attempts: tuple[Attempt, ...] = ()
    marks: tuple[Mark, ...] = ()
    conditions: tuple[Tried, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    warnings: tuple[Note, ...] = ()
    until: date | None = None
    """First day on which it no longer holds."""
    rank: int = 0

    @property
    def trace(self) -> tuple[Tried, ...]:
        """Every article tried: restrictions of the object first, then instrument by instrument."""
        rows = [row for piece in self.restrictions for row in piece]
        rows += [row for attempt in self.attempts for row in attempt.tried]
        return tuple(dict.fromkeys(rows))

    @property
    def text(self) -> str:
        """One line for people."""
        if self.outcome == DENY:
            reason = self.missing.text if self.missing is not None else ""
            return f"NOT: {self.article}" + (f" ({reason})" if reason else "")
        if self.outcome == OWN:
            return "OWN: the recipient's own information returns to it"
        return f"MAY: {self.article}"
