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
