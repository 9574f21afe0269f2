"""What ought to be, kept apart from the nodes: who published what, granted it to whom, and took it back.

It follows deeds, never messages. `may_hold` is the most that a party may show when all is quiet, `must_hold`
the least. Between the two lies only what was narrowed: there a holder may lose more than it must, never less
(docs/protocol.md, Calling back).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .terms import Consent


@dataclass
class Item:
    """One object version that its originator published."""

    root: bytes
    stix_id: str
    originator: str
    colour: str
    data: bytes
    version: str
    withdrawn: bool = False
    withdrawn_at: int = -1
    """Where in its originator's log it was withdrawn."""


@dataclass
class Given:
    """One grant of one object version."""

    giver: str
    to: str
    root: bytes
    right: bool
    """Whether the agreements permit it, so that the receiver must find the same."""
    sound: bool = True
    """Whether it comes as it was signed: what a cheat bent on its way need not arrive."""
    taken_back: bool = False
    at: int = -1
    """How long the giver's log was before."""
    taken_back_at: int = -1


@dataclass
class Oracle:
    """The truth about a world."""

    items: dict[bytes, Item] = field(default_factory=dict)
    given: dict[bytes, list[Given]] = field(default_factory=lambda: defaultdict(list))
    consents: list[Consent] = field(default_factory=list)
    narrowed: set[bytes] = field(default_factory=set)

    def publish(self, item: Item) -> None:
        self.items[item.root] = item

    def give(
        self, giver: str, to: str, root: bytes, *, right: bool, sound: bool = True, at: int = -1
    ) -> None:
        self.given[root].append(Given(giver, to, root, right, sound, at=at))

    def consent(self, one: Consent) -> None:
        self.consents.append(one)

    def narrow(self, giver: str, to: str, stix_id: str, *, at: int = -1) -> None:
        """What was given until now of every version is taken back."""
        for root, item in self.items.items():
            if item.stix_id == stix_id:
                for one in self.given[root]:
                    if (one.giver, one.to) == (giver, to) and not one.taken_back:
                        one.taken_back, one.taken_back_at = True, at
                        self.narrowed.add(root)

    def withdraw(self, party: str, stix_id: str, *, at: int = -1) -> list[bytes]:
        """Every published version of the originator is withdrawn; gives the roots."""
        roots = [
            root
            for root, item in self.items.items()
            if (item.stix_id, item.originator) == (stix_id, party) and not item.withdrawn
        ]
        for root in roots:
            self.items[root].withdrawn, self.items[root].withdrawn_at = True, at
        return roots

    def forget(self, party: str, size: int) -> None:
        """A node lost what nobody saw: everything that its log held from `size` on was never done."""
        for given in self.given.values():
            given[:] = [one for one in given if one.giver != party or one.at < size]
            for one in given:
                if one.giver == party and one.taken_back_at >= size:
                    one.taken_back = False
        for item in self.items.values():
            if item.originator == party and item.withdrawn_at >= size:
                item.withdrawn = False

    def may_send(self, giver: str, to: str, root: bytes) -> bool:
        """Whether the content of a version may stand on a page of `giver` for `to` now."""
        item = self.items.get(root)
        if item is None or (item.withdrawn and item.originator == giver):
            return False
        return any((one.giver, one.to) == (giver, to) and not one.taken_back for one in self.given[root])

    def may_hold(self, root: bytes, works: Callable[[Given], bool]) -> set[str]:
        """Everybody whom a chain of standing, permitted grants reaches.

        Who cannot hear its giver any more may still hold what that took back: it is named as owing an answer.
        """
        item = self.items[root]
        if item.withdrawn:
            return {item.originator}
        return self._reached(item, lambda one: one.right and not (one.taken_back and works(one)))

    def must_hold(self, root: bytes, works: Callable[[Given], bool]) -> set[str]:
        """Everybody whom such a chain reaches over links that work; what was narrowed, at first hand only."""
        item = self.items[root]
        if item.withdrawn:
            return {item.originator}
        first = root in self.narrowed
        reached = self._reached(
            item,
            lambda one: (
                one.right
                and one.sound
                and not one.taken_back
                and works(one)
                and (not first or one.giver == item.originator)
            ),
        )
        if first:  # who lost it once from the originator, and got it again, may have lost it for good
            reached -= {one.to for one in self.given[root] if one.taken_back}
        return reached

    def doubt(self, party: str, size: int) -> None:
        """A node lost what others may have seen: what it took back from `size` on may have reached nobody."""
        for given in self.given.values():
            for one in given:
                if one.giver == party and one.taken_back_at >= size:
                    one.taken_back = False

    def told(self, root: bytes, works: Callable[[Given], bool]) -> set[str]:
        """Everybody whom a withdrawal must reach: along the grants of those who pass it on."""
        return self._reached(
            self.items[root], lambda one: one.right and one.sound and not one.taken_back and works(one)
        )

    def ever(self, root: bytes) -> list[Given]:
        """Every permitted grant of a version, also those taken back."""
        return [one for one in self.given[root] if one.right]

    def known_as(self, stix_id: str) -> Collection[Item]:
        return [item for item in self.items.values() if item.stix_id == stix_id]

    def _reached(self, item: Item, good: Callable[[Given], bool]) -> set[str]:
        reached = {item.originator}
        edges = [one for one in self.given[item.root] if good(one)]
        while new := {one.to for one in edges if one.giver in reached} - reached:
            reached |= new
        return reached
