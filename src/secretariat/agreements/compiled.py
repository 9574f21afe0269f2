"""Decisions in bulk: one leg on one day, everything settled but the label.

`compile_pair` answers the same as `rules.decide` (a property test holds them together), without the trace.
Each property of a label becomes a set of bits, one per instrument that names the pair: those that still
permit after looking at this property. What is left after all properties permits. Restrictions of the object
are one truth value per property. Equal labels are answered once; a batch of objects costs one look-up each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.agreements.candidate import Facet
from secretariat.agreements.caveats import CLEAR, colour
from secretariat.agreements.model import DENY, MAY, OWN, Facts
from secretariat.agreements.rules import leg_of, lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from secretariat.agreements.book import Book
    from secretariat.agreements.candidate import Candidate, Piece
    from secretariat.agreements.leg import Leg
    from secretariat.agreements.model import Moment
    from secretariat.records.markings import Label

_PLAIN = Facts()


class _Masks(Facet):
    """Bits of the instruments that permit, by the value of one property."""

    def __init__(
        self, candidates: list[Candidate], ask: Callable[[Candidate], Callable[[Any], Piece]]
    ) -> None:
        asked = [ask(candidate) for candidate in candidates]
        super().__init__(lambda key: sum(1 << n for n, piece in enumerate(asked) if piece(key).ok))


class _Origin:
    """What is settled for objects of one originator."""

    __slots__ = ("caveats", "colours", "compartments", "free", "level", "levels", "own", "scope", "settled",
                 "third", "uses")  # fmt: skip

    def __init__(self, leg: Leg, originator: str) -> None:
        view = leg.view(originator)
        candidates = view.candidates
        self.own = view.own
        self.settled = sum(1 << n for n, c in enumerate(candidates) if c.fixed.ok)
        self.level = Facet(view.level.__getitem__)
        self.free = Facet(lambda key: view.colour[key].ok)
        self.third = Facet(lambda key: view.third[key].ok)
        self.caveats = Facet(lambda key: view.caveats[key].ok)
        self.scope = _Masks(candidates, lambda c: c.scope.__getitem__)
        self.levels = _Masks(candidates, lambda c: c.levels.__getitem__)
        self.uses = _Masks(candidates, lambda c: c.uses.__getitem__)
        self.colours = _Masks(candidates, lambda c: c.colours.__getitem__)
        self.compartments = _Masks(candidates, lambda c: c.compartments.__getitem__)


class CompiledPair:
    """One sender and one recipient on one day."""

    def __init__(self, leg: Leg) -> None:
        self._origins: Facet = Facet(lambda originator: _Origin(leg, originator))
        self._colour: Facet = Facet(lambda word: colour(word)[0])
        self._known: Facet = Facet(self.outcome)

    def outcomes(self, labels: Iterable[Label]) -> list[str]:
        """Answer `may`, `deny` or `own` for each label, in order; equal labels are worked out once."""
        return list(map(self._known.__getitem__, labels))

    def outcome(self, label: Label) -> str:
        """Answer for one label, worked out anew."""
        if not label.derived_from:
            return self._one(label)
        found = {self._one(one) for one in lineage(label)}
        return DENY if DENY in found else MAY if MAY in found else OWN

    def _one(self, label: Label) -> str:
        origin = self._origins[label.orig]
        if origin.own:
            return OWN
        tlp = self._colour[label.tlp]
        level = origin.level[label.level, label.scheme]
        classified = level.classified
        if (
            not level.known.ok
            or not origin.free[tlp, classified]
            or not origin.third[classified, label.kind, level.level, label.purpose, tlp]
            or ((label.controls or label.rel_to) and not origin.caveats[label.controls, label.rel_to])
        ):
            return DENY
        if tlp == CLEAR and not classified and not label.compartments:
            return MAY
        left = (
            origin.settled
            & origin.scope[classified, label.kind, tlp]
            & origin.levels[level.scheme, level.level, tlp]
            & origin.uses[label.purpose]
            & origin.colours[tlp, classified]
            & origin.compartments[label.compartments]
        )
        return MAY if left else DENY


def compile_pair(
    book: Book, sender: str, recipient: str, true: Moment, known: Moment | None = None, facts: Facts = _PLAIN
) -> CompiledPair:
    """Settle everything about a direct transfer that does not depend on the object.

    Consents that name single objects hold for no label at all here: ask `rules.decide` for those objects.
    """
    return CompiledPair(leg_of(book, sender, recipient, true, known, facts))
