"""What a party's revocation of a key changes here: what counts no more, and what becomes of it (no I/O).

Rules (those of ledger/revocation.py, applied to what this node takes and holds):

1. An entry of a page under a revoked record key that nobody else saw in time is passed over alone: the
   log goes on, what it grants is refused (`key-revoked`) with a receipt that says so, and does nothing here.
   The party grants anew, under its new key, what it stands by.
2. A third party's entry under a revoked key counts only at a place that is proven here.
3. An object under a revoked key counts where rule 3 of revocation.py says so. A relay's word is not enough.
4. What is held already and does not count goes to quarantine: out of every collection, nobody reads
   it or is given it, with the reason. It returns when it is granted again by an entry that counts.
5. Of a witness's words those are struck out that rule 5 of revocation.py does not let count.
6. A log key that is revoked signs no further checkpoint; the tree that is kept stays. Where the party's log
   does not continue that tree, as a thief showed one of his own, a person goes back to the last tree that
   this node cosigned before `since` (`rewind`), and takes the log from there under the new key. There is one
   memory of logs on a node, so its guests go back as well. A tree under a key in force is no thief's, nor is
   one that a witness saw in time.
   Until then nobody is blamed for what differs from a thief's tree: `tree_stands`. And what partners showed
   of the log under the key, and no witness saw in time, proves nothing against the party: `note_stands`. Each
   of several keys counts, or counts no more, for itself: one that was only replaced goes on to bear what it
   signed. Whether the note or the revocation comes first changes nothing.
7. A transport key that is revoked is gone at once: requests under it are strangers'.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.clock import stamp
from secretariat.base.errors import ConflictError, NotFoundError, ProofError
from secretariat.exchange.model import Arrival, KeptLog, Refusal
from secretariat.exchange.peers import Outgoing
from secretariat.ledger import checkpoint, revocation, statements, witness
from secretariat.ledger.entries import Note
from secretariat.ledger.revocation import CODE, RevokedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from secretariat.exchange.model import Peer, Version
    from secretariat.exchange.peers import Store
    from secretariat.ledger.revocation import Revoked, Seen
    from secretariat.ledger.witness import Word

_PART = 500


def seen(store: Store, origin: str) -> Seen:
    """Give the question of revocation.py for one log: how large was it when somebody else saw it in time."""

    def size(since: datetime) -> int:
        return revocation.seen_in_time(store.words_before(origin, since), since, author=origin)

    return size


def check_entry(store: Store, speaker: Peer, origin: str, position: int, envelope: bytes) -> None:
    """Refuse an entry at a proven place that counts no more (rule 1)."""
    if speaker.revoked:
        signers = statements.signers(envelope, speaker.record_keys)
        revocation.check_entry(speaker.party, signers, speaker.revoked, position, seen(store, origin))


def check_carried(store: Store, party: str, envelope: bytes, origin: str, position: int | None) -> None:
    """Refuse an entry that somebody else carried under a revoked key, unless its place is proven (rule 2)."""
    revoked = store.revoked(party)
    signers = statements.signers(envelope, store.record_keys(party)) if revoked else set()
    if signers - revoked.keys() or not revoked:
        return
    if position is not None:
        kept = store.entry(position) if origin == store.origin else store.peer_entry(origin, position)
        if kept is not None and kept.envelope == envelope:
            if origin != store.origin:
                revocation.check_entry(party, signers, revoked, position, seen(store, origin))
            return
    raise RevokedError(f"an entry of {party} under a revoked key, at a place that is not proven here")


def check_object(store: Store, sender: str, originator: str, root: bytes, signature: bytes) -> None:
    """Refuse an object of a page whose originator revoked the key under it (rule 3)."""
    revoked = store.revoked(originator)
    if not revoked or sender == originator or _good(store, originator, signature, revoked):
        return
    since = min(revoked[key].since for key in _signers(store, originator, signature))
    if not _vouched(store, originator, root, since):
        raise RevokedError(
            f"{originator} revoked the key under this object since {stamp(since)}, nobody saw it before",
            where=root.hex(),
            advice=f"it counts when {originator} grants it under its new key",
        )


def _signers(store: Store, party: str, signature: bytes) -> set[str]:
    return statements.signers(signature, store.record_keys(party))


def _good(store: Store, originator: str, signature: bytes, revoked: Mapping[str, Revoked]) -> bool:
    return bool(_signers(store, originator, signature) - revoked.keys())


def _vouched(store: Store, originator: str, root: bytes, since: datetime) -> bool:
    """Whether an entry that counts names an object: its originator's, or one that was seen in time."""
    return any(
        _counts(store, one.origin, one.position)
        and (one.sender == originator or one.position < seen(store, one.origin)(since))
        for one in store.arrived([root]).get(root, ())
    )


def _counts(store: Store, origin: str, position: int) -> bool:
    """Whether the entry at a place of a partner's log, kept here, counts."""
    kept = store.peer_entry(origin, position)
    if kept is None:
        return False
    revoked = store.revoked(kept.party)
    signers = statements.signers(kept.envelope, store.record_keys(kept.party))
    return revocation.counts(signers, revoked, position, seen(store, origin))


def settle(store: Store, peer: Peer, before: Mapping[str, Revoked]) -> int:
    """Do what a partner's newer statement of revoked keys asks for; gives how many objects count no more.

    `before` is what it had revoked when this was done last.
    """
    news = {key: one for key, one in peer.revoked.items() if before.get(key) != one}
    since = [one.since for one in news.values() if one.role == "witness"]
    if since:  # its present key's words stay; before the entries, for they may rest on these words
        store.strike(peer.origin, min(since), unless=_hashes(peer))
    if any(one.role == "log" for one in news.values()):
        for shown in store.shown_logs(peer.origin):
            if shown.state == "open" and not note_stands(store, peer, shown.note, here=shown.at):
                store.show_log(msgspec.structs.replace(shown, state="void", at=store.now))
    if not any(one.role == "record" for one in news.values()):
        return 0
    told = 0
    for part in store.held_from(peer.party, peer.origin, _PART):
        gone = [one for one in part if not _stands(store, peer, one)]
        if gone:
            told += len(gone)
            _quarantine(store, peer, gone)
    return told


def _hashes(peer: Peer) -> frozenset[bytes]:
    return frozenset(
        checkpoint.key_hash(peer.origin, public, checkpoint.COSIGNATURE_V1)
        for public in peer.witness_keys.values()
    )


def _stands(store: Store, peer: Peer, version: Version) -> bool:
    """Whether a held object still counts: some entry that counts granted it, and rule 3 holds."""
    grants = store.granted_here([version.root]).get(version.root, ())
    if not any(_counts(store, one.origin, one.position) for one in grants):
        return False
    if version.originator != peer.party or _good(store, peer.party, version.signature, peer.revoked):
        return True
    signers = _signers(store, peer.party, version.signature)
    since = min((peer.revoked[key].since for key in signers), default=None)
    return since is not None and _vouched(store, peer.party, version.root, since)


def _quarantine(store: Store, peer: Peer, versions: list[Version]) -> None:
    why = f"{peer.party} revoked the key that signed it, and nobody else saw it before"
    arrivals = [
        Arrival(
            version=msgspec.structs.replace(version, state="quarantined"),
            label=None,
            origin=one.origin,
            position=one.position,
            sender=one.sender,
            why=why,
        )
        for version in versions
        for one in store.granted_here([version.root]).get(version.root, ())
    ]
    store.retire([one.root for one in versions])
    store.settle(arrivals)
    store.refuse([Refusal(party=peer.party, code=CODE, what=why, root=one.root.hex()) for one in versions])


def log_keys(peer: Peer) -> dict[str, bytes]:
    """Give every log key of a partner that is known here, the former ones first."""
    return {**peer.former_log_keys, **peer.log_keys}


def note_stands(store: Store, peer: Peer, note: bytes, *, here: datetime | None = None) -> bool:
    """Whether a checkpoint of a partner's log, verified when it came, is its party's word.

    One that only revoked keys signed is not, where it was not `here` before, and no witness known here, other
    than the log's own, cosigned it before.
    """
    since = _revoked_since(peer, note)
    if since is None or (here is not None and here < since):
        return True
    words = []
    for one in store.peers():
        if one.origin != peer.origin:
            with contextlib.suppress(ProofError):
                words.append(witness.word_in(note, one.origin, one.witness_keys.values()))
    size = revocation.seen_in_time([one for one in words if one is not None], since, author=peer.origin)
    return checkpoint.parse(note).size <= size


def tree_stands(store: Store, peer: Peer, size: int) -> bool:
    """Whether what is kept of a partner's log up to a size is its party's, and no thief's of its log key."""
    kept = store.kept_log(peer.origin)
    since = None if kept is None else _revoked_since(peer, kept.note)
    return since is None or size <= seen(store, peer.origin)(since)


def _revoked_since(peer: Peer, note: bytes) -> datetime | None:
    """Say since when none of the keys counts that signed a checkpoint; None where one of them does.

    Under a key that was replaced before this node knew it, nobody can say which: the earliest is taken.
    """
    signers = [key for key, public in log_keys(peer).items() if _signed(peer, note, public)]
    if any(key not in peer.revoked for key in signers):
        return None
    earliest = min(_log_keys_revoked(peer).values(), default=None)
    return max((peer.revoked[key].since for key in signers), default=earliest)


def _log_keys_revoked(peer: Peer) -> dict[str, datetime]:
    return {key: one.since for key, one in peer.revoked.items() if one.role == "log"}


def _signed(peer: Peer, note: bytes, public: bytes) -> bool:
    try:
        checkpoint.verify(note, peer.origin, [public])
    except ProofError:
        return False
    return True


def rewind(store: Store, peer: Peer, *, by: str) -> KeptLog:
    """Go back to the last tree of a partner's log that this node cosigned before its log key was revoked.

    The own log says so first, with the person and both sizes: nothing is let go without that entry.
    Refuses where no log key of it is revoked, where nothing newer is kept or a key that counts signed what
    is, or a witness saw that in time, or nothing was seen before.
    """
    revoked, kept = _log_keys_revoked(peer), store.kept_log(peer.origin)
    if not revoked or kept is None:
        raise ConflictError(
            f"{peer.party} revoked no log key", advice="secretariat log resume takes a suspended log again"
        )
    since = _revoked_since(peer, kept.note)
    if since is None and kept.suspended is None:
        raise ConflictError(f"{peer.party} signed the tree kept with a log key that counts: nothing to undo")
    since = since or max(revoked.values())  # suspended for what a thief signed with a key of before
    word = _seen_here(store, peer.origin, since)
    note = None if word is None else store.kept_notes(peer.origin, [word.size]).get(word.size)
    if kept.suspended is None and tree_stands(store, peer, kept.size):
        raise ConflictError(f"the tree kept of {peer.origin} was seen before {stamp(since)}: nothing to undo")
    if word is None or note is None:
        raise NotFoundError(f"nothing of {peer.origin} was cosigned here before {stamp(since)}")
    log = KeptLog(peer.origin, peer.party, word.size, word.root, note)
    if kept.suspended is None:
        store.suspend_log(log.origin, f"taken back to {log.size} entries")
    detail = {
        "log": log.origin,
        "from": kept.size,
        "to": log.size,
        "why": "seen before its log key was revoked",
    }
    (said_at,) = store.append([Outgoing("note", None, Note(act="log-rewound", by=by, detail=detail))])
    store.rewind(log, said_at)
    return log


def _seen_here(store: Store, origin: str, since: datetime) -> Word | None:
    """Give our word on the largest tree of a log that we saw before `since`.

    One of that very second counts where another witness saw the same tree before. A later one never does: no
    accomplice of a thief, who writes any second, holds us on what that one had us keep.
    """
    found: list[Word] = []
    for one in store.words_before(origin, since):
        ours = store.given(origin, one.size) if one.witness != origin else None
        if ours is not None and ours.root == one.root and ours.seconds <= revocation.second_of(since):
            found.append(ours)
    return max(found, key=lambda one: one.size, default=None)
