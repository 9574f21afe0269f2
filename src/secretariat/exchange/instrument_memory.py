"""Instruments of a node in memory: the `Shelf` of instruments.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.agreements.audience import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from secretariat.exchange.instruments import Text, Want
    from secretariat.exchange.memory import Memory


class MemoryShelf:
    """What one transaction on a `Memory` sees of instruments."""

    _m: Memory

    def text(self, digest: bytes) -> Text | None:
        return self._m.texts.get(digest)

    def stands(self, party: str) -> Place:
        return Place(party)

    def texts_here(self, digests: Collection[bytes]) -> set[bytes]:
        return {one for one in digests if one in self._m.texts or one in self._m.offers}

    def wants(self, partner: str) -> Sequence[Want]:
        found = [one for one in self._m.wants.values() if one.partner == partner]
        return sorted(found, key=lambda one: (one.since, one.digest))

    def save_wants(self, wants: Sequence[Want]) -> None:
        for one in wants:
            self._m.wants[one.partner, one.digest] = one

    def forget_wants(self, partner: str, named: Collection[bytes]) -> None:
        self._m.wants = {
            key: one for key, one in self._m.wants.items() if one.partner != partner or one.digest in named
        }

    def undecided(self, partner: str) -> int:
        return sum(source == partner for _, source in self._m.offers.values())

    def offer_text(self, text: Text, partner: str) -> None:
        self._m.offers.setdefault(text.digest, (text, partner))
