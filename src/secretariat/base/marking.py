"""The marking a page bears at top and bottom: the highest of what it shows, in the originator's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

TLP_ORDER = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")


class Marking(msgspec.Struct, frozen=True):
    """TLP word and, where there is one, the originator's level; `rank` orders levels of unlike schemes."""

    tlp: str | None = None
    level: str | None = None
    rank: int = 0
    originator: str | None = None

    @classmethod
    def of(cls, tlp: str | None, scheme: str | None, level: str | None, originator: str) -> Marking:
        """Give the marking of one object; a level is named together with its table."""
        named = f"{scheme} {level}" if scheme and level else level
        return cls(tlp, named, 1 if named else 0, originator)

    @property
    def tlp_place(self) -> int:
        """Place in TLP 2.0's order; an unknown word counts as RED."""
        if self.tlp is None:
            return -1
        return TLP_ORDER.index(self.tlp) if self.tlp in TLP_ORDER else len(TLP_ORDER) - 1


def highest(markings: Iterable[Marking]) -> Marking | None:
    """Give the most restrictive TLP word and the highest level among `markings`; None when there are none."""
    shown = list(markings)
    if not shown:
        return None
    tlp = max(shown, key=lambda one: one.tlp_place).tlp
    levels = [one for one in shown if one.level]
    top = max(levels, key=lambda one: one.rank) if levels else None
    return Marking(tlp, top.level if top else None, top.rank if top else 0, top.originator if top else None)
