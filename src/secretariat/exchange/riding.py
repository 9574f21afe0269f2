"""What rides along every sync between two nodes: each one's word on the other's log, what it saw of others.

Rules:

1. Whoever keeps a newer checkpoint of a partner's log cosigns it in the same transaction. The word goes back
   with everything that is sent to that partner: the note that is kept, bare, with this node's cosignature.
2. A partner's note of our own log that our log does not contain, signed by our own key, says that this node
   was put back to an older state: nothing is written any more (`BehindError`, ledger/witness.py). So the
   note goes back without a cosignature also where the log was suspended meanwhile.
3. `follows` names logs that the sender keeps, `seen` brings the newest checkpoints of such logs. A log is
   named, and shown, only to who is in a circle with its party (setting `circles`); and it is shown only to
   who named it before. So no node learns of a partnership that it does not know of already.
4. A note in `seen` counts for a log that the receiver keeps itself, and when that log's own key signed it. At
   a size of which the receiver has the checkpoint: the same root agrees; another root is a contradiction,
   which proves the log false to anybody: both notes are kept and the log is suspended. At another size it
   stays open until a consistency proof, or the log's growth, decides. Nothing of it is believed before.
   What only a key signed that was revoked since, and neither we nor a witness saw in time, proves nothing: it
   is not open (`void`), until it comes with such a witness's word. A key that was only replaced still counts.
   Nor does anything prove a log false that differs from a tree which a thief of its key had us keep: it stays
   open until a person goes back (disowning.py, rule 6).
5. A cosignature in a note that agrees is kept: it stands behind the entries below as that witness's word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secretariat.base.errors import ProofError
from secretariat.exchange import disowning
from secretariat.exchange.model import Refusal
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.witnesses import NOTHING, Riding
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import merkle, witness
from secretariat.ledger.entries import Suspect
from secretariat.ledger.keys import SIGNATURE_BYTES
from secretariat.ledger.model import Contradiction, ShownLog

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from secretariat.exchange.model import KeptLog, Peer
    from secretariat.exchange.peers import Store
    from secretariat.ledger.checkpoint import Checkpoint
    from secretariat.ledger.witness import Word

MAX_SEEN = 64
MAX_NOTE_BYTES = 4_096
_NAME = re.compile(r"[!-*,-~]{1,300}")
"""A name of a log as a note may bear it: visible, without a plus; anything else names none."""


def ride(store: Store, to: str) -> Riding:
    """Give what rides along to a partner (rules 1 and 3)."""
    peer = store.peer(to)
    if peer is None or peer.state != "accepted":
        return NOTHING
    mine = _with_word(store, peer) or _kept(store, peer)
    others = [
        one
        for one in (store.peers() if store.circles else ())
        if one.party != to and one.state == "accepted" and witness.acquainted(store.circles, to, one.party)
    ]
    named = set(store.named_logs(to)) if others else set()
    shown = [_with_word(store, one) for one in others if one.origin in named]
    return Riding(mine, tuple(one.origin for one in others), tuple(one for one in shown if one)[:MAX_SEEN])


def _with_word(store: Store, peer: Peer) -> str:
    """Give the note that is kept of a partner's log with this node's word on it, where it gave one."""
    kept = store.kept_log(peer.origin)
    word = None if kept is None or kept.suspended else store.given(kept.origin, kept.size)
    if kept is None or word is None:
        return ""
    return (_bare(kept) + word.line).decode()


def _bare(kept: KeptLog) -> bytes:
    """Give a note with the log's own signature alone, that by which it was verified when it was kept.

    The key may have been replaced since: the log's own party knows its former keys.
    """
    held = notes.parse(kept.note)
    own = [one for one in held.signatures if one.name == held.origin]
    return held.text + b"\n" + b"".join(notes.written(one) for one in own)


def _kept(store: Store, peer: Peer) -> str:
    """Give the note that is kept of a log that is suspended, to its own party, without a word on it.

    A node that was put back is often seen by its partners before it hears of it: it must still find out.
    """
    kept = store.kept_log(peer.origin)
    if kept is None or not kept.suspended:
        return ""
    return _bare(kept).decode()


def take_word(store: Store, peer: Peer, brought: Riding) -> Word | None:
    """Take a partner's word on our log, and which logs it follows (rules 2 and 3)."""
    named = {one for one in brought.follows if _NAME.fullmatch(one)}
    if named != set(store.named_logs(peer.party)):
        store.name_logs(peer.party, sorted(named)[:MAX_SEEN])
    return _hear(store, peer, brought.witnessed)


def _hear(store: Store, peer: Peer, note: str) -> Word | None:
    if not note:
        return None
    try:
        return store.hear(peer, _bytes(note))
    except witness.BehindError:
        raise
    except ProofError as error:
        store.refuse([_refusal(peer, "false-witness", error)])
        return None


def compare(store: Store, peer: Peer, seen: Sequence[str]) -> list[Contradiction]:
    """Hold what a partner shows of others' logs against what is kept (rule 4); give what contradicts."""
    if not seen:
        return []
    known = {one.origin: one for one in store.peers() if one.state in {"accepted", "suspended"}}
    found = []
    for text in seen[:MAX_SEEN]:
        try:
            note = _bytes(text)
            parsed = notes.parse(note)
            origin = parsed.origin
            if origin == store.origin:
                store.hear(peer, note)
            elif origin in known and origin != peer.origin and _knows(known[origin], parsed):
                shown = notes.verify(note, origin, disowning.log_keys(known[origin]).values())
                found += _compare(store, peer, known[origin], shown, note)
        except witness.BehindError:
            raise
        except ProofError as error:
            store.refuse([_refusal(peer, "false-seen", error)])
    return found


def _knows(whose: Peer, shown: Checkpoint) -> bool:
    """Whether a key of the log that we know signed it, one in force or a former one.

    Under one that we do not know yet it says nothing here, and whoever shows it tells no lie.
    """
    ours = {notes.key_hash(whose.origin, public) for public in disowning.log_keys(whose).values()}
    return any(line.name == whose.origin and line.key_hash in ours for line in shown.signatures)


def _bytes(text: str) -> bytes:
    note = text.encode()
    if len(note) > MAX_NOTE_BYTES:
        raise ProofError(f"a note of {len(note)} bytes", advice=f"at most {MAX_NOTE_BYTES}")
    return note


def _refusal(peer: Peer, code: str, error: ProofError) -> Refusal:
    return Refusal(party=peer.party, code=code, what=error.what, where=error.where, advice=error.advice)


def _compare(store: Store, peer: Peer, whose: Peer, shown: Checkpoint, note: bytes) -> list[Contradiction]:
    ours = _verified(store, whose, shown.size)
    if ours is not None and notes.parse(ours).root == shown.root:
        _agree(store, peer, shown, note, store.now)
        return []
    before = next((one for one in store.shown_logs(whose.origin) if one.told_by == peer.party), None)
    if not disowning.note_stands(store, whose, note):
        if before is None or before.state == "agrees":
            store.show_log(_shown(peer, shown, note, "void", store.now, store.now))
        return []
    if ours is None or not disowning.tree_stands(store, whose, shown.size):
        said = before is not None and before.state != "void"
        if before is not None and said and (before.size, before.root) == (shown.size, shown.root):
            return []
        since = before.since if before is not None and before.state == "open" else store.now
        store.show_log(_shown(peer, shown, note, "open", since, store.now))
        return []
    return accuse(store, whose, ours, note, told_by=peer.party)


def _verified(store: Store, whose: Peer, size: int) -> bytes | None:
    kept = store.kept_log(whose.origin)
    if kept is not None and kept.size == size:
        return kept.note
    return store.kept_notes(whose.origin, [size]).get(size)


def _shown(
    peer: Peer, shown: Checkpoint, note: bytes, state: str, since: datetime, now: datetime
) -> ShownLog:
    return ShownLog(shown.origin, peer.party, shown.size, shown.root, note, state, since, now)


def _agree(store: Store, peer: Peer, shown: Checkpoint, note: bytes, since: datetime) -> None:
    """Keep the words on a checkpoint that is a part of what we keep (rule 5)."""
    words = []
    for one in store.peers():
        try:
            word = witness.word_in(note, one.origin, one.witness_keys.values(), latest=store.latest)
        except ProofError as error:
            store.refuse([_refusal(peer, "false-seen", error)])
            continue
        if word is not None and one.origin != shown.origin:
            words.append(word)
    store.keep_words(words)
    store.show_log(_shown(peer, shown, note, "agrees", since, store.now))


def settle(store: Store, origin: str) -> list[Contradiction]:
    """Look again at what was shown of a log at other sizes, after a newer checkpoint of it was kept."""
    found = []
    peers = {one.party: one for one in store.peers()}
    whose = next((one for one in peers.values() if one.origin == origin), None)
    for one in store.shown_logs(origin):
        teller = peers.get(one.told_by)
        ours = None if whose is None else _verified(store, whose, one.size)
        if one.state != "open" or ours is None or teller is None or whose is None:
            continue
        if notes.parse(ours).root == one.root:
            _agree(store, teller, notes.parse(one.note), one.note, one.since)
        else:
            found += accuse(store, whose, ours, one.note, told_by=one.told_by)
    return found


def reconcile(store: Store, shown: ShownLog, proof: Sequence[bytes], size: int) -> bool:
    """Close what was open by a consistency proof between what was shown and the tree of `size` kept then.

    False, and nothing changes, where the proof does not lead from one to the other: whoever gave it is
    perhaps not able to.
    """
    ours = store.kept_notes(shown.origin, [size]).get(size)
    teller = store.peer(shown.told_by)
    if ours is None or teller is None:
        return False
    mine = notes.parse(ours)
    low, high = sorted(((shown.size, shown.root), (mine.size, mine.root)))
    if not merkle.verify_consistency(low[0], high[0], low[1], high[1], proof):
        return False
    _agree(store, teller, notes.parse(shown.note), shown.note, shown.since)
    return True


def accuse(store: Store, whose: Peer, one: bytes, other: bytes, *, told_by: str) -> list[Contradiction]:
    """Keep two notes that prove a log false, suspend it, and say so in our own log.

    Nothing where it is known, in whatever bytes it comes, where what is kept is a thief's tree (disowning.py,
    rule 6), or where the log is suspended and a proof kept already: who forks it again and again has no entry
    of ours for each.
    """
    kept, shown = proof(whose, one), proof(whose, other)
    size, held = notes.parse(kept).size, store.kept_log(whose.origin)
    if not disowning.tree_stands(store, whose, size):
        return []
    said = {notes.parse(kept).text, notes.parse(shown).text}
    for before in store.contradictions():
        same = said == {notes.parse(before.one).text, notes.parse(before.other).text}
        if before.origin == whose.origin and (same or (held is not None and held.suspended)):
            return []
    found = Contradiction(whose.origin, whose.party, size, kept, shown, told_by, store.now)
    if not store.keep_contradiction(found):
        return []
    reason = f"{whose.party} signed two different logs of {size} entries"
    if told_by != whose.party:
        reason += f"; {told_by} was shown the other one"
    if held is not None and held.suspended is None:
        store.suspend_log(whose.origin, reason)
    store.lock()
    body = Suspect(party=whose.party, kept=kept.decode(), shown=shown.decode(), reason=reason)
    store.append([Outgoing("suspect", None, body)])
    return [found]


def proof(whose: Peer, note: bytes) -> bytes:
    """Give a note with the log's own signature alone: under a key known here, else one replaced before."""
    held = notes.parse(note)
    known = {notes.key_hash(held.origin, public) for public in disowning.log_keys(whose).values()}
    own = [
        one for one in held.signatures if one.name == held.origin and len(one.signature) == SIGNATURE_BYTES
    ]
    told = [one for one in own if one.key_hash in known] or own
    return held.text + b"\n" + b"".join(dict.fromkeys(map(notes.written, told)))


def open_shown(store: Store, origins: Collection[str]) -> list[ShownLog]:
    """Give what was shown of these logs and is not yet proven to be one with what is kept."""
    return [one for origin in origins for one in store.shown_logs(origin) if one.state == "open"]
