"""Following partners' logs: what a partner showed once, it can never take back unseen.

Rules:

1. Per log this node keeps the last checkpoint that it verified: size, root, signed note.
2. A newer checkpoint is believed when the log's known key signed it and a consistency proof leads from the
   kept size and root to it. The first one needs no proof.
3. A smaller size, another root at the same size, or a proof that does not lead there is a contradiction:
   ProofError, and the log is suspended with the reason and both notes as evidence. Nothing from a suspended
   log is believed until a person resumes it.
4. An answer to a question that was asked before another answer moved the kept size is merely late, not a
   contradiction (`asked_from`).
5. A partner's entry is kept only with its inclusion in the kept tree proven, its signature verified, and
   payload, log and party agreeing. The same position never holds two entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from secretariat.base.errors import NotFoundError, ProofError, SecretariatError, StateError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import entries, merkle, store
from secretariat.ledger.checkpoint import Checkpoint
from secretariat.ledger.entries import Draft, Statement, Suspect
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import PeerEntry, PeerLog, Proven
from secretariat.storage.engine import Database


class ContradictionError(ProofError):
    """A partner's log took back or changed what it had shown. Carries both notes."""

    code = "log-contradicts"
    status = 409

    def __init__(self, what: str, *, kept: bytes, shown: bytes, where: str, advice: str) -> None:
        super().__init__(what, where=where, advice=advice)
        self.kept = kept
        self.shown = shown


class LateError(StateError):
    """The answer belongs to a question that a newer answer has overtaken: ask again."""

    code = "late"


class Verified(NamedTuple):
    """A partner's entry that was verified: what it says, and how it is kept."""

    statement: Statement
    kept: PeerEntry


def check_next(kept: PeerLog | None, shown: Checkpoint, note: bytes, proof: Sequence[bytes] = ()) -> None:
    """Say nothing when `shown` continues what is kept; else raise ContradictionError (rules 2 and 3)."""
    if kept is None:
        return
    why = _contradiction(kept, shown, proof)
    if why is not None:
        raise ContradictionError(
            why,
            kept=kept.note,
            shown=note,
            where=f"{kept.origin} at size {shown.size}",
            advice="the partner restored an old backup or shows different logs to different partners: "
            "call them, compare checkpoints, then resume or end the partnership",
        )


def _contradiction(kept: PeerLog, shown: Checkpoint, proof: Sequence[bytes]) -> str | None:
    if shown.size < kept.size:
        return f"the log went back from {kept.size} entries to {shown.size}"
    if shown.size == kept.size and shown.root != kept.root:
        return f"two different logs of {kept.size} entries"
    if not merkle.verify_consistency(kept.size, shown.size, kept.root, shown.root, proof):
        return f"the log of {shown.size} entries does not continue the one of {kept.size}"
    return None


def kept_log(tx: Connection, origin: str) -> PeerLog | None:
    """Give what is kept of a log, or None before first contact."""
    return store.read_peer_log(tx, origin)


def kept_logs(tx: Connection) -> list[PeerLog]:
    """Give what is kept of every partner's log."""
    return store.read_peer_logs(tx)


def advance(
    tx: Connection,
    *,
    origin: str,
    party: str,
    note: bytes,
    keys: Iterable[bytes],
    proof: Sequence[bytes] = (),
    asked_from: int | None = None,
    now: datetime,
) -> PeerLog:
    """Verify a partner's newer checkpoint against the kept one and keep it (rules 1 to 4).

    `keys` are the log keys known for `origin`; `asked_from` is the kept size when the question was asked.
    Raises ProofError where the note is not theirs, ContradictionError where it takes something back (then
    call `suspend` in a transaction of its own: this one is lost), LateError where it was overtaken,
    StateError for a suspended log.
    """
    kept = store.lock_peer_log(tx, origin)
    if kept is not None:
        _usable(kept)
    shown = notes.verify(note, origin, keys)
    if kept is not None and asked_from is not None and kept.size > asked_from and shown.size <= kept.size:
        raise LateError(
            f"asked from {asked_from}, but {kept.size} entries are known by now", advice="ask again"
        )
    check_next(kept, shown, note, proof)
    if kept is not None and kept.party != party:
        raise ProofError(f"{origin} is the log of {kept.party}, not of {party}", where=origin)
    moved = PeerLog(origin, party, shown.size, shown.root, note, "ok", None, now)
    store.write_peer_log(tx, moved)
    return moved


def suspend(tx: Connection, origin: str, reason: str) -> None:
    """Believe nothing more from this log until a person resumes it."""
    if not store.set_peer_state(tx, origin, "suspended", reason):
        raise NotFoundError(f"nothing is kept of the log {origin}")


def resume(tx: Connection, origin: str) -> None:
    """Believe the log again from the kept checkpoint on: a person's decision."""
    if not store.set_peer_state(tx, origin, "ok", None):
        raise NotFoundError(f"nothing is kept of the log {origin}")


def cosigned(kept: PeerLog, keyring: Keyring, *, now: datetime) -> bytes:
    """Give a partner's kept checkpoint with this node's word on it: we saw the log only grow up to here.

    The partner takes it with `service.keep_cosignature`. Refuses a suspended log.
    """
    _usable(kept)
    witness = keyring.witness
    return notes.cosign(kept.note, keyring.origin, witness, witness.public, int(now.timestamp()))


def suspect_draft(party: str, error: ContradictionError) -> Draft:
    """Give the entry that keeps the evidence of a contradiction: both signed notes."""
    return Draft(
        "suspect",
        None,
        Suspect(party=party, kept=error.kept.decode(), shown=error.shown.decode(), reason=error.what),
    )


def follow(
    database: Database,
    realm: str,
    *,
    origin: str,
    party: str,
    note: bytes,
    keys: Iterable[bytes],
    proof: Sequence[bytes] = (),
    asked_from: int | None = None,
    now: datetime,
) -> PeerLog:
    """Do `advance` in a transaction of its own; on a contradiction suspend the log in a second, and raise."""
    try:
        with database.app(realm) as tx:
            return advance(
                tx,
                origin=origin,
                party=party,
                note=note,
                keys=keys,
                proof=proof,
                asked_from=asked_from,
                now=now,
            )
    except ContradictionError as error:
        with database.app(realm) as tx:
            suspend(tx, origin, error.what)
        raise


def verify_entries(
    kept: PeerLog, realm: str, items: Sequence[Proven], keys: Mapping[str, bytes], *, now: datetime
) -> list[Verified]:
    """Verify entries of a partner against its kept checkpoint (rule 5). Writes nothing.

    `keys` are the party's public keys by id that may sign entries. Refuses the first that does not hold.
    """
    _usable(kept)
    return [_verify_one(kept, realm, item, keys, now) for item in items]


def _verify_one(
    kept: PeerLog, realm: str, item: Proven, keys: Mapping[str, bytes], now: datetime
) -> Verified:
    where = f"{kept.origin} entry {item.position}"
    leaf = entries.leaf_of(entries.digest_of(item.envelope, item.salt))
    if not merkle.verify_inclusion(leaf, item.position, kept.size, item.path, kept.root):
        raise ProofError(
            f"the entry is not in the partner's log of {kept.size} entries",
            where=where,
            advice="envelope, salt or proof were changed, or the proof is for another checkpoint",
        )
    try:
        statement = entries.verify(item.envelope, keys)
    except SecretariatError as error:
        raise ProofError(error.what, where=f"{where}: {error.where}", advice=error.advice) from error
    told = (statement.realm, statement.origin, statement.party)
    if told != (realm, kept.origin, kept.party):
        raise ProofError(
            f"the entry says realm, log and party {'/'.join(told)}",
            where=where,
            advice="it was signed for another log",
        )
    proof = b"".join(item.path)
    row = PeerEntry(
        kept.origin,
        item.position,
        statement.kind,
        statement.party,
        statement.recipient,
        item.envelope,
        item.salt,
        kept.size,
        proof,
        now,
    )
    return Verified(statement, row)


def keep_entries(
    tx: Connection,
    origin: str,
    realm: str,
    items: Sequence[Proven],
    keys: Mapping[str, bytes],
    *,
    now: datetime,
) -> list[Verified]:
    """Verify entries against the kept checkpoint of `origin` and keep them; those kept before stay.

    Refuses an entry that differs from the one kept at its position.
    """
    kept = store.read_peer_log(tx, origin)
    if kept is None:
        raise StateError(f"no checkpoint of {origin} is kept", advice="verify its checkpoint first")
    verified = verify_entries(kept, realm, items, keys, now=now)
    before = store.read_peer_envelopes(tx, origin, [item.position for item in items])
    for item in items:
        if before.get(item.position, item.envelope) != item.envelope:
            raise ProofError(
                "another entry is kept at this position", where=f"{origin} entry {item.position}"
            )
    store.add_peer_entries(tx, [item.kept for item in verified])
    return verified


def kept_entries(
    tx: Connection,
    *,
    origin: str | None = None,
    kinds: Sequence[str] = (),
    after: int = -1,
    limit: int = 1000,
) -> list[PeerEntry]:
    """List partners' entries that were verified and kept."""
    return store.read_peer_entries(tx, origin=origin, kinds=kinds, after=after, limit=limit)


def _usable(kept: PeerLog) -> None:
    if kept.state == "suspended":
        raise StateError(
            f"the log {kept.origin} of {kept.party} is suspended: {kept.reason}",
            where=kept.origin,
            advice="compare checkpoints with the partner, then `secretariat log resume`",
        )
