"""The captured text in pieces, so that a page can mark dates, names and proposals without nesting."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from secretariat.register.intake.model import Mention, When

WINDOW = 150_000
"""Letters of a long document that a page shows around the proposal being read."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of text that is marked alike."""

    text: str
    proposals: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    """Proposals that begin here."""
    date: When | None = None
    name: Mention | None = None


def window(length: int, at: int) -> tuple[int, int]:
    """Give the stretch of a long text to show around an offset."""
    if length <= WINDOW:
        return 0, length
    start = max(0, min(at - WINDOW // 3, length - WINDOW))
    return start, start + WINDOW


def pieces(
    text: str,
    stretch: tuple[int, int],
    *,
    proposals: list[tuple[int, int, int]],
    dates: list[When],
    mentions: list[Mention],
) -> list[Piece]:
    """Cut a stretch of text at every mark's edge; `proposals` are (number, start, end)."""
    left, right = stretch
    cuts = {left, right}
    spans = [(one.start, one.end) for one in dates] + [(one.start, one.end) for one in mentions]
    for start, end in (*spans, *((start, end) for _number, start, end in proposals)):
        cuts.update(at for at in (start, end) if left < at < right)
    edges = sorted(cuts)
    date_at = {one.start: one for one in dates}
    found: list[Piece] = []
    date: When | None = None
    name: Mention | None = None
    named = {one.start: one for one in mentions}
    for start, end in pairwise(edges):
        date = date_at.get(start, date if date is not None and date.end > start else None)
        name = named.get(start, name if name is not None and name.end > start else None)
        over = tuple(number for number, s, e in proposals if s <= start < e)
        begun = tuple(number for number, s, _e in proposals if s == start)
        found.append(Piece(text=text[start:end], proposals=over, starts=begun, date=date, name=name))
    return found
