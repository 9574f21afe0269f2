"""Nouns of intake: what a capture holds, where something is said, and what is proposed from it.

Offsets count the letters (code points) of the extracted text, `end` excluded, as in a cite of a statement.
"""

from __future__ import annotations

from typing import Literal

import msgspec

How = Literal["written", "inferred", "relative"]
Named = Literal["state", "group", "body", "place", "disputed"]


class When(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A date as the document names it: its span, what it means, how that was found out."""

    start: int
    end: int
    text: str
    state: Literal["resolved", "open", "impossible"]
    first: str | None = None
    """The first day, month or year it may mean, ISO with its own precision."""
    last: str | None = None
    """The last one; equal to `first` unless it is a span of time."""
    precision: str = "day"
    how: How = "written"
    why: str = ""
    warn: str | None = None
    """What does not fit, e.g. the day of the week named beside it."""


class Mention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party, group, body or place as the document names it."""

    start: int
    end: int
    text: str
    kind: Named
    code: str | None = None
    """None when the name fits several and nothing in the text decides."""
    candidates: tuple[str, ...] = ()
    of: str | None = None
    """The state or economy that a body or place belongs to."""
    why: str = ""


class Cited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A source that the document cites in a footnote or a list at its end."""

    start: int
    end: int
    number: str | None = None
    publisher: str | None = None
    title: str | None = None
    date: str | None = None
    url: str | None = None
    same_as: str | None = None
    """The number it repeats (ibid.)."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What might be recorded from one place of a document; `why` gives the reason of each field."""

    start: int
    end: int
    quote: str
    kind: str
    title: str
    true_from: str | None = None
    true_to: str | None = None
    announced: bool = False
    """Told beforehand: nothing here says that it took place."""
    due: str | None = None
    due_text: str | None = None
    cadence: str | None = None
    state: str | None = None
    """Status-change: the status that the words say."""
    parties: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()
    place: str | None = None
    level: str | None = None
    round: int | None = None
    notes: tuple[str, ...] = ()
    """Numbers of the sources cited right there."""
    why: dict[str, str] = {}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found in one text."""

    lang: str
    own_date: str | None
    own_date_why: str
    dates: list[When]
    mentions: list[Mention]
    sources: list[Cited]
    proposals: list[Proposal]
