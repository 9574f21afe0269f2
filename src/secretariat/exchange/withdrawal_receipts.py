"""The answers of holders, noted here; what is told upward of them stands in withdrawal_upward.py (no I/O).

Rules:
1. A receipt counts where it is about an entry of ours to its author, and about objects in that entry.
2. What it says of holders further down comes in their own signed words, which are verified here, as names of
   who was asked, or as lines without names, for which its author answers (further.py).
3. Who was asked further down is late when our own call is: by then its author promised us every answer. What
   it agreed on with the holder is not ours to read, and a date that it states proves nothing.
4. A word that it is here (a receipt about a grant) answers no call: it crossed it on its way, and whoever was
   asked goes on owing the answer. Of a version that was withdrawn that holds of anybody's word, since none
   comes back; of one that we narrowed, of the holder's own log, in which the answer stands before a new word.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import CODE
from secretariat.exchange import further
from secretariat.exchange.duties import NOT_SAID_YET
from secretariat.exchange.evidence import spoken
from secretariat.exchange.model import Holding, Refusal
from secretariat.exchange.withdrawal_entries import (
    HOLDING,
    WORDS_MAX,
    roots_in,
    term_in_holding,
    term_of_call,
)
from secretariat.exchange.withdrawal_upward import Word, tell
from secretariat.ledger import dsse, entries
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from secretariat.exchange.duties import Term
    from secretariat.exchange.model import LogEntry, Peer
    from secretariat.exchange.peers import Outgoing, Store
    from secretariat.ledger.entries import Statement

_UNSAID = frozenset({"asked", "cannot-answer"})


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
    called = ours.kind in {"withdraw", "narrow"}
    term = term_of_call(ours.body) if called else None
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
            words.append(word if word.state != "asked" else _due(word, term))
    words = _bounded(store, peer, entry, words, roots, refusals)
    # An answer to a call goes up even when it says nothing new: there is one per call, so this ends.
    news = [
        (word, roots if called and word.holder == peer.party else changed)
        for word in words
        for changed in [_note_news(store, word.said)]
    ]
    return tell(store, peer, ours, body, [(word, changed) for word, changed in news if changed], now)


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
    newer = [
        one
        for one in said
        if _newer(before := known.get((one.root, one.holder)), one) and not _crossed(store, before, one)
    ]
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


def _crossed(store: Store, known: Holding | None, said: Holding) -> bool:
    """Whether a word that it is here crossed a call that is not answered yet (rule 4)."""
    if known is None or known.state != "asked" or said.state not in HOLDING:
        return False
    if known.via == store.party and said.via == said.holder and known.note != NOT_SAID_YET:
        return True
    return any(one.kind == "withdraw" for one in store.tombs([said.root]).get(said.root, ()))


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


def _due(word: Word, term: Term | None) -> Word:
    """Note by when an answer from further down is owed to us (rule 3)."""
    owed = term_in_holding(term)
    return msgspec.structs.replace(word, said=[msgspec.structs.replace(one, **owed) for one in word.said])


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
