"""What ought to be, kept apart from the nodes: who published what, granted it to whom, and took it back.

It follows deeds, never messages. `may_hold` is the most that a party may show when all is quiet, `must_hold`
the least. Between the two lies only what was narrowed: there a holder may lose more than it must, never less
(docs/protocol.md, Calling back).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

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
    """Where in its originator's log it was withdrawn; -1 where nobody had to be told and no entry says it."""
    forgotten: bool = False
    """Whether its originator was put back to before that and cannot be told: it calls nobody any more."""


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
    left_out: frozenset[str] = frozenset()
    """What the row says is missing."""
    until: datetime | None = None
    """From when on a duty forbids the receiver to keep it."""
    late: bool = False
    """Whether nobody says that its receiver saw it before its giver's key was stolen: it may have lost it."""

    def over(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now


@dataclass
class Said:
    """One word on a joint statement."""

    party: str
    stance: str
    at: int
    """Where in its log."""


@dataclass
class Statement:
    """What is put to signature, as the parties were shown it, and what they really said."""

    root: bytes
    parties: tuple[str, ...]
    words: list[Said] = field(default_factory=list)

    def stance(self, party: str) -> str:
        """A signature is not taken back; else the newest word counts."""
        said = [one.stance for one in self.words if one.party == party]
        signed = [one for one in said if one != "objects"]
        return signed[-1] if signed else said[-1] if said else "silent"


@dataclass
class Oracle:
    """The truth about a world."""

    items: dict[bytes, Item] = field(default_factory=dict)
    given: dict[bytes, list[Given]] = field(default_factory=lambda: defaultdict(list))
    consents: list[Consent] = field(default_factory=list)
    narrowed: set[bytes] = field(default_factory=set)
    joint: dict[bytes, Statement] = field(default_factory=dict)
    """By the very bytes that are signed."""
    robbed: set[str] = field(default_factory=set)
    """Parties whose key was stolen: under it relays prove nothing new."""
    doubtful: set[str] = field(default_factory=set)
    """Nodes that lost what others may have seen."""

    def publish(self, item: Item) -> None:
        self.items[item.root] = item

    def give(self, one: Given) -> None:
        self.given[one.root].append(one)

    def consent(self, one: Consent) -> None:
        self.consents.append(one)

    def narrow(
        self, giver: str, to: str, stix_id: str, *, at: int = -1, only: Collection[bytes] | None = None
    ) -> None:
        """What was given until now of every version, or of some, is taken back."""
        for root, item in self.items.items():
            if item.stix_id == stix_id and (only is None or root in only):
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

    def withdrawn_by(self, party: str) -> frozenset[bytes]:
        """What a party withdrew until now: a backup of this moment holds it, in an entry or not."""
        return frozenset(
            root for root, item in self.items.items() if item.originator == party and item.withdrawn
        )

    def forget(self, party: str, size: int, withdrawn: Collection[bytes]) -> None:
        """A node lost what nobody saw: everything that its log held from `size` on was never done.

        Nor was anything withdrawn but what it came back with.
        """
        for given in self.given.values():
            given[:] = [one for one in given if one.giver != party or one.at < size]
            for one in given:
                if one.giver == party and one.taken_back_at >= size:
                    one.taken_back = False
        for item in self.items.values():
            if item.originator == party and item.root not in withdrawn:
                item.withdrawn = False
        for statement in self.joint.values():
            statement.words[:] = [one for one in statement.words if one.party != party or one.at < size]

    def say(self, payload: bytes, root: bytes, parties: tuple[str, ...], word: Said) -> None:
        self.joint.setdefault(payload, Statement(root, parties)).words.append(word)

    def standing(self, giver: str, to: str, root: bytes) -> list[Given]:
        """What one party gave another and did not take back."""
        return [one for one in self.given[root] if (one.giver, one.to) == (giver, to) and not one.taken_back]

    def may_send(self, giver: str, to: str, root: bytes) -> bool:
        """Whether the content of a version may stand on a page of `giver` for `to` now."""
        item = self.items.get(root)
        if item is None or (item.withdrawn and item.originator == giver):
            return False
        return bool(self.standing(giver, to, root))

    def may_hold(self, root: bytes, works: Callable[[Given], bool]) -> set[str]:
        """Everybody whom a chain of standing, permitted grants reaches.

        Who cannot hear its giver any more may still hold what that took back: it is named as owing an answer.
        """
        item = self.items[root]
        if item.withdrawn:
            return {item.originator}
        return self._reached(item, lambda one: one.right and not (one.taken_back and works(one)))

    def must_hold(self, root: bytes, works: Callable[[Given], bool], now: datetime) -> set[str]:
        """Everybody whom such a chain reaches over links that work; what was narrowed, at first hand only.

        Whom a duty once bade to destroy it may have lost it, whatever else was granted, and those behind.
        """
        item = self.items[root]
        if item.withdrawn:
            return {item.originator}
        first = root in self.narrowed or item.originator in self.robbed
        over = {one.to for one in self.given[root] if one.over(now)}
        reached = self._reached(
            item,
            lambda one: (
                one.right
                and one.sound
                and not one.taken_back
                and not one.late
                and works(one)
                and not {one.to, one.giver} & over
                and (not first or one.giver == item.originator)
            ),
        )
        if root in self.narrowed:  # who lost it once, and got it again, may have lost it for good
            reached -= {one.to for one in self.given[root] if one.taken_back}
        return reached

    def doubt(self, party: str, size: int, withdrawn: Collection[bytes]) -> None:
        """A node lost what others may have seen: what it took back from `size` on may have reached nobody.

        Nor does it know any more that it withdrew something. Where an honest partner can tell it so it stops
        for good (`who_was_put_back_finds_out`); what is left is one whom nobody tells, who names no debtor.
        """
        self.doubtful.add(party)
        for item in self.items.values():
            if item.originator == party and item.withdrawn and item.root not in withdrawn:
                item.forgotten = True
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
