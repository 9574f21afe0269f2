"""Nouns of overlap: what of a statement is compared, why two are near, what an officer says of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from secretariat.register.model import Row

Method = Literal["meaning", "words"]
"""How texts were compared: by a model of meaning, or by their words where no model is installed."""

VERDICTS = {
    "same": "same-aim",
    "part-of": "part-of",
    "follows": "follows",
    "different": "different-aim",
}
"""What an officer may say -> the `relationship_type` that records it."""

COMPARED = ("meeting", "instrument", "commitment", "project", "development", "exercise")
"""Kinds that can be done twice. An attack, an absence or a change of status is no work of anybody's."""

INDEXED = (*COMPARED, "statement", "status-change", "attack", "absence")
"""Kinds that are kept for comparing: a document that is read may speak of any of them."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What of a statement is compared."""

    id: int = 0
    stix_id: str = ""
    kind: str | None = None
    circle: frozenset[str] = frozenset()
    """Parties and groups."""
    bodies: frozenset[str] = frozenset()
    """Bodies, and names in capitals such as those of instruments, folded."""
    themes: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    """Words that tell: without parties, ordinals and what every record says."""
    shape: str = ""
    """The title without ordinals and numbers: rounds of one series share it."""
    series: str | None = None
    aim: str | None = None
    level: str | None = None
    day: date | None = None
    exact: bool = False
    """Whether `day` is a day, not the first of a month or a year."""
    lang: str = "en"
    vector: bytes | None = None
    recorded_at: datetime | None = None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of a comparison: how near (0-1), how much it weighs, what it gave, and what was shared."""

    feature: str
    value: float
    weight: float
    gives: float
    because: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How near two statements are, 0-1, and why; the same from both sides."""

    score: float
    method: Method
    reasons: tuple[Reason, ...]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that may pursue the same aim; `rounds` are others of its line that were near, too."""

    row: Row
    comparison: Comparison
    rounds: tuple[Row, ...] = ()
    judged_before: Row | None = None
    """A verdict `different` that no longer holds because a side has changed, or any if all was asked for."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the board: two statements that may be one work done twice, or were judged."""

    one: Row
    other: Row
    comparison: Comparison
    verdict: Row | None = None


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for one statement, and how it was looked for."""

    of: Row
    method: Method
    found: tuple[Suggestion, ...]
    judged: tuple[Pair, ...]
    """What was said of it and others already."""
    looked_at: int
    waiting: int
    """Statements not yet in the index: not checked."""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs to be judged, nearest first, those judged, and how they were found."""

    method: Method
    pairs: tuple[Pair, ...]
    judged: tuple[Pair, ...]
    waiting: int
    indexed: int
    """Statements in the index, where some still wait: how far it has come."""
    more: bool


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """An existing statement offered beside a proposal: the question it raises, and why."""

    row: Row
    question: Literal["same", "progress-of", "contradicts", "near"]
    comparison: Comparison
    why: tuple[str, ...]


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says, before it is a record: as much as is known."""

    title: str
    summary: str = ""
    kind: str | None = None
    parties: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()
    true_from: str | None = None
    series: str | None = None
    lang: str | None = None
    extra: dict[str, Any] = {}
