"""The answers of holders: noted here, and told upward to whoever gave us what they are about (no I/O).

Rules:
1. A receipt counts where it is about an entry of ours to its author, and about objects in that entry.
2. What it says of holders further down comes in their own signed words, which are verified here, as names of
   who was asked, or as lines without names, for which its author answers (further.py).
3. A word is told upward once, when it is news; an answer to a call always. By name, with the signature, where
   the agreements show recipients on every leg; else in our own words, by a pseudonym.
4. Lines without names are told to one party only: who gave us the object first, or whom we obeyed first.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import CODE
from secretariat.exchange import further
from secretariat.exchange.evidence import spoken
from secretariat.exchange.model import ANSWERS, Holding, Refusal
from secretariat.exchange.offer import references_of
from secretariat.exchange.own_words import KEPT, LOST, RETURNED
from secretariat.exchange.speakers import author
from secretariat.exchange.withdrawal_entries import HOLDING, WORDS_MAX, receipt_of, roots_in
from secretariat.ledger import dsse, entries
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import LogEntry, Peer
    from secretariat.exchange.peers import Outgoing, Store
    from secretariat.ledger.entries import Statement

_FINAL = frozenset({*ANSWERS, "gone", "refused", LOST})
_BY_A_PERSON = frozenset({RETURNED, KEPT, LOST})
"""Words about a grant that go up, whatever it rests on: own_words.py."""
_UNSAID = frozenset({"asked", "cannot-answer"})


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


def note_receipt(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: Statement,
    refusals: list[Refusal],
    now: datetime,
) -> list[Outgoing]:
    """Note what a partner says it did; give the entries that tell it upward.

    Refuses (and records) a receipt about an entry that is not ours to it, or about objects not in that entry.
    """
    body = entries.body_as(statement, entries.Receipt)
    roots = roots_in(body.objects)
    ours = _own_entry(store, peer, body.about)
    listed = _listed(ours) if ours is not None else frozenset()
    if ours is None or not set(roots) <= listed:
        what = "a receipt about an entry or about objects that this party was not sent"
        refusals.append(_refusal(peer, entry, "false-receipt", what))
        return []
    if len(body.downstream) > WORDS_MAX:  # each costs a look at the holdings: one entry must not stop a node
        what = f"a receipt that speaks of {len(body.downstream)} next holders, over {WORDS_MAX}"
        refusals.append(_refusal(peer, entry, "bad-entry", what))
        return []
    words: list[Word] = []
    if body.state != "passed-on":  # then only the words it brings are new
        said = [_holding(root, peer.party, body.state, peer, statement.at, body.reason) for root in roots]
        item = {
            "party": peer.party,
            "origin": peer.origin,
            "position": entry.position,
            "envelope": json.loads(entry.envelope),
            "salt": entry.salt.hex(),
        }
        words.append(Word(peer.party, body.state, [one for one in said if one is not None], roots, item))
    for below in body.downstream:
        word = _below(store, peer, entry, below, roots, refusals, now)
        if word is not None:
            words.append(word)
    words = _bounded(store, peer, entry, words, roots, refusals)
    # An answer to a call goes up even when it says nothing new: there is one per call, so this ends.
    called = ours.kind in {"withdraw", "narrow"}
    news = [
        (word, roots if called and word.holder == peer.party else changed)
        for word in words
        for changed in [_note_news(store, word.said)]
    ]
    return _tell(store, peer, ours, body, [(word, changed) for word, changed in news if changed], now)


def _refusal(peer: Peer, entry: LogEntry, code: str, what: str) -> Refusal:
    return Refusal(
        party=peer.party, code=code, position=entry.position, where=f"entry {entry.position}", what=what
    )


def _note_news(store: Store, said: Sequence[Holding]) -> list[bytes]:
    """Note what a holder said where it is newer than what is known; give the roots of which it is news.

    Only news is passed up: so a word runs through relays that hold each other's grants once, not for ever.
    A holder's words are ordered by its own log: by its order where both came from there, else by its times,
    because whoever passes a word on proves no place in it. Nobody else's clock is compared.
    """
    known = {(one.root, one.holder): one for one in store.holdings([one.root for one in said])}
    newer = [one for one in said if _newer(known.get((one.root, one.holder)), one)]
    store.hold(newer)
    changed = []
    for one in newer:
        before = known.get((one.root, one.holder))
        if before is None or before.state != one.state:
            changed.append(one.root)
    return changed


def _newer(known: Holding | None, said: Holding) -> bool:
    if known is None:
        return True
    if said.state in _UNSAID:
        return known.state in HOLDING
    if known.via == said.via == further.debtor(known.holder):  # both by its own log, which is taken in order
        return True
    return known.state in _UNSAID or said.at >= known.at


def _own_entry(store: Store, peer: Peer, about: entries.EntryRef) -> Statement | None:
    if about.origin != store.origin:
        return None
    ours = store.entry(about.position)
    if ours is None or (ours.party, ours.recipient) != (store.party, peer.party):
        return None
    return entries.read(dsse.payload_of(ours.envelope))


def _listed(statement: Statement) -> frozenset[bytes]:
    if statement.kind == "grant":
        return frozenset(bytes.fromhex(root) for row in statement.body["rows"] for root in row["objects"])
    if statement.kind in {"withdraw", "narrow"}:
        return frozenset(roots_in(statement.body.get("objects")))
    return frozenset()


def _holding(
    root: bytes, holder: str, state: str, peer: Peer, at: datetime, note: str | None
) -> Holding | None:
    try:
        return msgspec.convert(
            {
                "root": root,
                "holder": holder,
                "state": state,
                "via": peer.party,
                "origin": peer.origin,
                "position": -1,
                "at": at,
                "note": note,
            },
            Holding,
        )
    except msgspec.ValidationError:
        return None


def _below(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    one: Any,
    roots: Sequence[bytes],
    refusals: list[Refusal],
    now: datetime,
) -> Word | None:
    """Read what a relay says about a holder further down; records what makes no sense."""
    if isinstance(one, dict) and "further" in one:
        try:
            line = further.read(one, roots, now)
        except SecretariatError as error:
            refusals.append(_refusal(peer, entry, "bad-entry", error.what))
            return None
        holder = further.kept_as(peer.party, line.name)
        return _word(holder, line.state, peer, line.since, None, line.roots, line.roots, None)
    if not isinstance(one, dict) or not isinstance(one.get("party"), str) or one["party"] == store.party:
        return None
    return _named(store, peer, one, roots, now)


def _named(
    store: Store, peer: Peer, one: dict[str, Any], roots: Sequence[bytes], now: datetime
) -> Word | None:
    """Read what a relay says of a holder by name: its verified word, or that it was asked.

    Of a party whose key nobody told us the relay answers, as for a holder without a name: its debt is kept
    as the relay's, with the code that the relay calls it by as a note.
    """
    party = one["party"]
    if re.fullmatch(CODE, party) is None:  # what it is then could be the form in which a line is kept
        return None
    line = further.kept_as(peer.party, store.pseudonym("", party))
    if "envelope" not in one:
        state = "cannot-answer" if one.get("state") == "cannot-answer" else "asked"
        about = _some(one.get("objects"), roots)
        known = bool(store.record_keys(party)) or state == "cannot-answer"
        holder, note = (party, "as the relay says") if known else (line, party)
        return _word(holder, state, peer, now, note, about, about, one)
    if not store.record_keys(party):
        body = _claimed(party, one["envelope"])
        if body is None:
            return None
        covered = set(roots_in(body.objects))
        return _word(line, body.state, peer, now, party, [r for r in roots if r in covered], covered, one)
    try:
        word = spoken(store, party, canonical(one["envelope"]))
        body = entries.body_as(word, entries.Receipt)
        covered = set(roots_in(body.objects))
    except SecretariatError:
        return _word(party, "asked", peer, now, "its word cannot be verified here", roots, roots, one)
    if word.party != party or word.kind != "receipt" or body.state == "passed-on":
        return None
    about = [root for root in roots if root in covered]
    found = _word(party, body.state, peer, word.at, body.reason, about, covered, one)
    # what was kept as the relay's debt while this party was unknown here is settled by its own word
    owed = [known.root for known in store.holdings(about) if known.holder == line]
    settled = [_holding(root, line, body.state, peer, now, party) for root in owed]
    return msgspec.structs.replace(found, said=[*found.said, *(held for held in settled if held is not None)])


def _word(
    holder: str,
    state: str,
    peer: Peer,
    at: datetime,
    note: str | None,
    about: Sequence[bytes],
    covers: Collection[bytes],
    item: dict[str, Any] | None,
) -> Word:
    said = [_holding(root, holder, state, peer, at, note) for root in about]
    return Word(holder, state, [one for one in said if one is not None], covers, item)


def _claimed(party: str, envelope: Any) -> entries.Receipt | None:
    """Read what an envelope says in the name of a party whose key is not known here."""
    try:
        said = entries.read(dsse.payload_of(canonical(envelope)))
        body = entries.body_as(said, entries.Receipt)
        entries.check_roots(body.objects if isinstance(body.objects, list) else [])
    except SecretariatError:
        return None
    return body if (said.party, said.kind) == (party, "receipt") and body.state != "passed-on" else None


def _some(listed: Any, roots: Sequence[bytes]) -> list[bytes]:
    if listed is None:
        return list(roots)
    wanted = set(roots_in(listed))
    return [root for root in roots if root in wanted]


def _bounded(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    words: Sequence[Word],
    roots: Sequence[bytes],
    refusals: list[Refusal],
) -> list[Word]:
    """Leave out lines of a relay that speaks of more nameless holders of one version than a node looks at."""
    if all(word.item is not None for word in words):
        return list(words)
    known = [one for one in store.holdings(roots) if one.via == peer.party and further.is_further(one.holder)]
    names, count = {one.holder for one in known}, Counter(one.root for one in known)
    kept = []
    for word in words:
        if word.item is None and word.holder not in names:
            count.update(one.root for one in word.said)
            if any(count[one.root] > WORDS_MAX for one in word.said):
                what = f"{peer.party} speaks of more than {WORDS_MAX} further holders of one version"
                refusals.append(_refusal(peer, entry, "bad-entry", what))
                break
        kept.append(word)
    return kept


def _tell(
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
