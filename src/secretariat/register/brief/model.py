"""What a brief says, as data: every line a statement with what it rests on."""

from __future__ import annotations

from datetime import date

import msgspec

from secretariat.register.answers import Answer, Contested, Difference, Silence
from secretariat.register.model import Row, View
from secretariat.register.overlap.model import Method, Pair


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The latest meeting of a series, and how many of it are recorded as held."""

    series: str
    row: Row
    held: int
    days: int
    """Days from it to the day asked about."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment as it stands, and whether it was made at the last meeting."""

    answer: Answer
    row: Row
    at_last: bool
    exact: bool
    """Whether it is of exactly these parties, none beside them."""
    moved: bool
    """Whether something counts as evidence after the last meeting."""

    @property
    def open(self) -> bool:
        """Whether more is to come of it."""
        return self.answer.state not in {"done", "late", "not-known", "not-promised"}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request between the parties that waits for its answer."""

    row: Row
    asked_by: str
    asked_of: str
    answer_by: date | None
    over: int
    """Days past the day by which an answer was asked; negative before it."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument with the latest act of each party about it."""

    row: Row
    acts: tuple[Row, ...]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An item proposed for the agenda, why, and the statements it rests on."""

    why: str
    """announced, overdue, request, unanswered, contested, overlap, lagging, silent or unchecked."""
    rows: tuple[Row, ...]
    days: int = 0
    text: str = ""
    """The words of an agenda that was announced; the series that is silent."""


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """The brief for a meeting of these parties, as of a question."""

    view: View
    parties: tuple[str, ...]
    meeting: Row | None
    """The meeting it prepares, where one was named."""
    last: Row | None
    """The last one that was held before it."""
    planned: tuple[Row, ...]
    """Meetings that are announced or planned."""
    rounds: tuple[Round, ...]
    promises: tuple[Promise, ...]
    silence: Silence
    contested: tuple[Contested, ...]
    overlaps: tuple[Pair, ...]
    judged: tuple[Pair, ...]
    method: Method
    waiting: int
    """Statements in which nobody has looked for overlaps yet."""
    instruments: tuple[Instrument, ...]
    requests: tuple[Ask, ...]
    changes: Difference | None
    since: date | None
    """The day with which `changes` compares: the last day of the last meeting."""
    agenda: tuple[Proposal, ...]
    sources: dict[str, Row]
    resting: dict[str, Row]
    """The statements on which evidence rests, by STIX id."""
    left_out: int = 0
    """Commitments beyond the most that a brief holds."""
