"""What revoked keys leave of the words on joint statements, by what this node holds (joint.py, rule 4).

A partner's revocations stand in its own sealed statements, ours in the `key` entries of our log; who saw a
log in time, in the cosignatures. On a page of the past only those revocations count that were known by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.errors import NotFoundError
from secretariat.ledger import (
    dsse,
    entries,
    joint,
    joint_file,
    joint_store,
    revocation,
    statements,
    store,
    witness,
    witness_store,
)
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Guest
from secretariat.ledger.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.base.clock import AsOf
    from secretariat.ledger.joint import Word
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.revocation import Revoked, Seen


def words(tx: sa.Connection, digests: Sequence[bytes], as_of: AsOf | None = None) -> dict[bytes, list[Word]]:
    """Give what parties said on these statements, each word with what revocations leave of it."""
    found = joint_store.words(tx, digests, as_of)
    origins = {word.origin for said in found.values() for word in said}
    revoked = {origin: _revoked(tx, origin, as_of) for origin in origins}
    if not any(revoked.values()):
        return found
    seen = {origin: _seen(tx, origin) for origin in origins}
    return {
        digest: [joint.judged(word, revoked[word.origin], seen[word.origin]) for word in said]
        for digest, said in found.items()
    }


def _revoked(tx: sa.Connection, origin: str, as_of: AsOf | None) -> dict[str, Revoked]:
    """Give the keys that count no more among those that sign in a log, by id."""
    held: dict[str, Revoked] = {}
    sealed = joint_store.statements(tx, origin, as_of)
    if sealed is None:  # no partner's log: our own
        before = None if as_of is None else as_of.earliest
        for entry, body in ledger.key_entries(tx):
            if before is None or entry.recorded_at <= before:
                held = revocation.merged(held, body.revoked, latest=entry.recorded_at)
        for entry in store.read_entries(tx, kinds=["guest"]):
            if before is None or entry.recorded_at <= before:
                named = entries.body_as(entries.read(dsse.payload_of(entry.envelope)), Guest)
                held = revocation.merged(held, named.revoked, latest=entry.recorded_at)
        return held
    for one in sealed:
        said = statements.taken_back(one, _realm(origin))
        held = revocation.merged(held, said.revoked, latest=said.at)
    return held


def _realm(origin: str) -> str:
    return origin.rpartition("/")[2]


def _seen(tx: sa.Connection, origin: str) -> Seen:
    held: dict[datetime, int] = {}

    def size(since: datetime) -> int:
        if since not in held:
            before = witness_store.before(tx, origin, since)
            held[since] = revocation.seen_in_time(before, since, author=origin)
        return held[since]

    return size


def statements_for(tx: sa.Connection, keyring: Keyring, said: Iterable[Word]) -> dict[str, list[bytes]]:
    """Give by party the sealed statements that revoke a key under one of these words.

    Of ours it is the `key` entry.
    """
    found: dict[str, list[bytes]] = {}
    for word in said:
        if word.revoked is None or word.party in found:
            continue
        if word.origin == keyring.origin:
            sealed = [one.envelope for one, body in ledger.key_entries(tx) if body.revoked]
        else:
            every = joint_store.statements(tx, word.origin, None) or []
            sealed = [one for one in every if statements.taken_back(one, keyring.realm).revoked]
        found[word.party] = sealed[-1:]  # revocations only add up: the newest names them all
    return found


def written(tx: sa.Connection, keyring: Keyring, word: Word) -> joint_file.Entry:
    """Give a word as the file holds it; under a revoked key with the proof of who saw it in time."""
    if word.origin == keyring.origin:
        one = ledger.entry(tx, word.position)
        seen = _own_proofs(tx, word) if word.revoked is not None and word.counts else []
        return joint_file.entry(word.position, one.envelope, one.salt, seen)
    kept = store.read_peer_entries(tx, origin=word.origin, after=word.position - 1, limit=1)
    if not kept or kept[0].position != word.position:
        raise NotFoundError(f"entry {word.position} of {word.origin} is not kept here")
    held, seen = kept[0], []
    if word.revoked is not None and word.counts:
        path = [held.proof[at : at + HASH_BYTES] for at in range(0, len(held.proof), HASH_BYTES)]
        note = store.read_peer_notes(tx, word.origin, [held.proof_size])[held.proof_size]
        seen.append((_cosigned(tx, note, word.origin, held.proof_size, word.revoked.since), path))
    return joint_file.entry(word.position, held.envelope, held.salt, seen)


def _own_proofs(tx: sa.Connection, word: Word) -> list[tuple[bytes, list[bytes]]]:
    assert word.revoked is not None
    since = word.revoked.since
    sizes: Collection[int] = {
        one.size
        for one in witness_store.before(tx, word.origin, since)
        if one.witness != word.origin and one.size > word.position
    }
    return [
        (
            _cosigned(tx, ledger.checkpoint(tx, size), word.origin, size, since),
            ledger.inclusion(tx, word.position, size),
        )
        for size in sorted(sizes)
    ]


def _cosigned(tx: sa.Connection, note: bytes, origin: str, size: int, since: datetime) -> bytes:
    """Give a checkpoint with the words of those who saw it in time."""
    second = revocation.second_of(since)
    return witness.with_words(
        note, [one for one in witness_store.read_words(tx, origin, size) if one.seconds < second]
    )
