"""What holders said, told upward to whoever gave us what it is about (no I/O).

Rules:
1. A word is told upward once, when it is news; an answer to a call always. By name, with the signature, where
   the agreements show recipients on every leg; else in our own words, by a pseudonym (further.py).
2. Lines without names are told to one party only: who gave us the object first, or whom we obeyed first.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.exchange import further
from secretariat.exchange.model import ANSWERS, Holding
from secretariat.exchange.offer import references_of
from secretariat.exchange.own_words import KEPT, LOST, RETURNED
from secretariat.exchange.speakers import author
from secretariat.exchange.withdrawal_entries import HOLDING, receipt_of
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import Peer
    from secretariat.exchange.peers import Outgoing, Store
    from secretariat.ledger.entries import Statement

_FINAL = frozenset({*ANSWERS, "gone", "refused", LOST})
_BY_A_PERSON = frozenset({RETURNED, KEPT, LOST})
"""Words about a grant that go up, whatever it rests on: own_words.py."""


class Word(msgspec.Struct, frozen=True):
    """What a receipt says of one holder: its author, one that it names, or one that it does not name."""

    holder: str
    state: str
    said: list[Holding]
    covers: Collection[bytes]
    """The versions that it speaks of, also those that the receipt is not about."""
    item: dict[str, Any] | None
    """How it is passed on by name; None: it has no name."""


class Way(msgspec.Struct, frozen=True):
    """An entry that an answer of ours is about in turn: whose, with which state, what it lets us say."""

    to: str
    about: entries.EntryRef
    state: str
    shown: Collection[bytes]
    """Of which versions that party may read recipients' names."""
    first: bool
    """Whether that party gave us the version first, or was obeyed first."""


def tell(
    store: Store,
    peer: Peer,
    ours: Statement,
    body: entries.Receipt,
    news: Sequence[tuple[Word, Sequence[bytes]]],
    now: datetime,
) -> list[Outgoing]:
    """Tell the parties we have these objects from what is news of the holders below."""
    everything = sorted({root for _, roots in news for root in roots})
    ways = _upward(store, ours, body, everything) if everything else {}
    if not ways:
        return []
    here = _shown_here(store, ours, sorted({root for word, _ in news for root in word.covers}))
    groups: dict[tuple[str, entries.EntryRef, str], _Group] = defaultdict(_Group)
    for word, roots in news:
        for root in roots:
            for way in ways.get(root, ()):
                if way.to in {peer.party, word.holder}:
                    continue
                group = groups[way.to, way.about, way.state]
                if word.item is not None and set(word.covers) <= here & set(way.shown):
                    group.name(word.item, root)
                elif way.first or word.holder == peer.party:
                    group.answer_for(word, root)
    return [
        entry
        for (to, about, state), group in groups.items()
        if group.roots
        for entry in receipt_of(to, about, state, sorted(group.roots), group.written(store, to, now))
    ]


class _Group:
    """What one receipt upward says: words by name, and lines for holders without one."""

    def __init__(self) -> None:
        self.roots: set[bytes] = set()
        self.items: list[dict[str, Any]] = []
        self.lines: dict[tuple[str, str], list[bytes]] = defaultdict(list)

    def name(self, item: dict[str, Any], root: bytes) -> None:
        self.roots.add(root)
        if item not in self.items:
            self.items.append(item)

    def answer_for(self, word: Word, root: bytes) -> None:
        self.roots.add(root)
        self.lines[word.holder, word.state].append(root)

    def written(self, store: Store, to: str, now: datetime) -> list[dict[str, Any]]:
        lines = [
            further.line(store, to, holder, state, now, roots)
            for (holder, state), roots in self.lines.items()
        ]
        return [*self.items, *further.written(lines, self.roots)]


def _shown_here(store: Store, ours: Statement, roots: Sequence[bytes]) -> set[bytes]:
    """Give the versions of which our own grants to the author of a receipt show recipients."""
    if ours.kind == "grant":
        return {root for root, article in further.articles_in(ours, roots).items() if article}
    return set(further.shown_by_call(store, store.origin, ours, roots))


def _upward(
    store: Store, ours: Statement, body: entries.Receipt, roots: Sequence[bytes]
) -> Mapping[bytes, Sequence[Way]]:
    """Give the entries that an answer about `ours` is about in turn, and what each lets us say."""
    if ours.kind in {"withdraw", "narrow"} and body.state in _FINAL:
        return _callers(store, roots)
    rests = body.state in HOLDING and any(references_of(ours))
    if ours.kind == "grant" and (rests or body.state in _BY_A_PERSON):
        return _granters(store, roots)
    return {}


def _callers(store: Store, roots: Sequence[bytes]) -> dict[bytes, list[Way]]:
    found: dict[bytes, list[Way]] = defaultdict(list)
    authors: dict[tuple[str, int], str | None] = {}
    shown: dict[tuple[str, int], Collection[bytes]] = {}
    for root, tombs in store.tombs(roots).items():
        obeyed = next((one for one in tombs if one.done in ANSWERS), tombs[0])
        for one in tombs:
            at = (one.origin, one.position)
            if one.position >= 0 and at not in authors:
                authors[at] = author(store, *at)
                call = store.peer_entry(*at) or (
                    store.entry(one.position) if one.origin == store.origin else None
                )
                said = None if call is None else entries.read(dsse.payload_of(call.envelope))
                shown[at] = () if said is None else set(further.shown_by_call(store, one.origin, said, roots))
            if (to := authors.get(at)) is not None:
                found[root].append(Way(to, entries.EntryRef(*at), one.done, shown[at], one is obeyed))
    return found


def _granters(store: Store, roots: Sequence[bytes]) -> dict[bytes, list[Way]]:
    found: dict[bytes, list[Way]] = defaultdict(list)
    held = store.versions(roots)
    every = store.arrived(roots)
    shown = {
        to: {
            root
            for root, grants in every.items()
            if further.shown_by_arrival(store, root, [one for one in grants if one.sender == to])
        }
        for to in {one.sender for grants in every.values() for one in grants}
    }
    for root, grants in every.items():
        first = held[root].source if root in held else ""
        found[root] = [
            Way(
                one.sender,
                entries.EntryRef(one.origin, one.position),
                "passed-on",
                shown[one.sender],
                one.sender == first,
            )
            for one in grants
        ]
    return found
