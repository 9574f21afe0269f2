"""Nouns of answers: one page of a board and what its lines say, how a statement stands, what changed.

They carry rows and sums; who asks the database for them is `boards` and `questions`.
"""

from __future__ import annotations

from datetime import date
from typing import Generic, Literal, TypeVar

import msgspec

from secretariat.register.model import Row
from secretariat.register.monitoring import Standing

_Line = TypeVar("_Line")


class Board(msgspec.Struct, Generic[_Line], frozen=True, kw_only=True):
    """One page of a board and how many lines there are in all."""

    lines: list[_Line]
    total: int
    sources: dict[str, Row] = {}
    """The sources that the lines cite, by id."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A series of meetings: when it last met, how long since, and its longest silence."""

    series: str
    parties: list[str]
    held: int
    first: date
    last: date
    last_key: str
    last_title: str
    since: int
    """Days from the last meeting to the day asked about."""
    longest: int | None
    """Days of the longest gap between two meetings that were held."""
    longest_from: str | None
    longest_to: str | None
    highest: int | None
    """The highest number that a round bears; more than `held` means that rounds are not recorded."""

    @property
    def text(self) -> str:
        """The sum as a line of text."""
        return f"last held {self.last} ({self.last_key}), {self.since} days before"


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looked and found nothing: since when, and who looked where."""

    row: Row
    since: date
    as_of: date
    """The last day for which it says so."""
    days: int
    looked_by: list[str]
    looked_in: str | None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """The board of silence."""

    series: Board[Gap]
    absences: Board[Silent]


class Contested(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of which accounts differ."""

    row: Row
    accounts: list[Row]
    conflicts: list[Row]
    """Relations `conflicts-with` in which it stands."""
    otherwise: list[Row] = []
    """What other parties state otherwise under the same key."""


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """Two parties: how often they met, and when first and last."""

    one: str
    other: str
    times: int
    first: date
    last: date
    last_key: str
    levels: list[str]


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A source with the words that are cited from it."""

    source: Row
    quote: str | None
    start: int | None
    end: int | None
    by: str
    """The statement that cites it."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement stands on a day, by what was known then, and what that rests on."""

    key: str
    state: str
    """not-known, announced, planned, possible, true, undated; for a commitment also done, late, overdue, …"""
    words: str
    """The answer as a sentence."""
    checked: bool
    """False where nothing was recorded that would answer: nobody looked."""
    row: Row | None = None
    standing: Standing | None = None
    accounts: list[Row] = []
    absences: list[Silent] = []
    acts: list[Row] = []
    """Acts about an instrument by the day asked about, in order: those that name it, or, where none
    does, those whose key is formed like its own (`jk-gsomia-2016`, `jk-gsomia-suspended-2019`)."""
    relations: list[Row] = []
    superseded_by: list[Row] = []
    others: list[Row] = []
    """Statements of other parties under the same key."""
    sources: list[Cited] = []
    rests_on: list[str] = []
    """Keys of every statement that the answer rests on."""
    near: list[Row] = []
    """Where nothing stands under the key: statements known by then whose key or words are like it."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that is seen otherwise by the later question."""

    what: Literal["learned", "happened", "corrected", "taken-back", "no-longer-seen", "held"]
    """learned: not known before; held: only announced before; happened: known before, not yet true then."""
    row: Row
    before: Row | None = None
    moved: list[tuple[str, str, str]] = []
    """For evidence and commitments: (commitment, state before, state after)."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two questions."""

    changes: list[Change]
    total: int
    states: list[tuple[Row, str, str]]
    """Commitments whose state changed: which, before, after."""
