"""Being a witness, and keeping what witnesses said: one verb is one step inside the caller's transaction.

`add_checkpoint` is the C2SP door, `cosign_kept` gives our word on what a sync verified, `hear` takes a
partner's word on our own log and finds out whether that partner saw more of it than we have. The rules stand
in witness.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from secretariat.base.errors import ProofError
from secretariat.ledger import accusation as accusations
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import partners, service, statements, store, witness, witness_store
from secretariat.ledger.checkpoint import Checkpoint
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import Contradiction, PeerLog
from secretariat.ledger.witness import Standing, Tree, WitnessError, Word


class Known(msgspec.Struct, frozen=True):
    """A log that this node is a witness of: whose it is, and the keys that sign its checkpoints."""

    party: str
    log_keys: tuple[bytes, ...]


def add_checkpoint(
    tx: Connection,
    ring: Keyring,
    body: bytes,
    known: Callable[[str], Known | None],
    *,
    now: datetime,
) -> bytes:
    """Take a checkpoint of a known log that continues what is kept, and give our signature line on it.

    What is kept and what is given are written here; the line may leave once the transaction is committed.
    Refuses with WitnessError as witness.py says.
    """
    asked = witness.read_request(body)
    shown, party = _shown(asked, known)
    kept = store.lock_peer_log(tx, shown.origin)
    if kept is not None and kept.state != "ok":
        raise WitnessError(403, f"the log {shown.origin} is suspended: {kept.reason}")
    try:
        witness.check(asked, shown, Tree() if kept is None else Tree(kept.size, kept.root))
    except WitnessError as error:
        # An older size may be another history as well: its own checkpoint of then stands against it.
        old = store.read_peer_notes(tx, shown.origin, [shown.size]).get(shown.size)
        if error.shown is None and old is not None and notes.parse(old).root != shown.root:
            raise WitnessError(error.status, error.what, size=error.size, shown=shown) from error
        raise
    grown = kept is None or shown.size > kept.size
    given = None if grown else witness_store.read_word(tx, shown.origin, shown.size, ring.origin)
    if given is not None:
        return given.line
    word = witness.give(shown, ring, int(now.timestamp()))
    if grown:
        note = witness.bare(asked.note, party.log_keys)
        log = PeerLog(shown.origin, party.party, shown.size, shown.root, note, "ok", None, now)
        witness_store.put_kept(tx, log, word, now)
    else:
        witness_store.put_words(tx, [word], now)
    return word.line


def _shown(asked: witness.AddCheckpoint, known: Callable[[str], Known | None]) -> tuple[Checkpoint, Known]:
    try:
        origin = notes.parse(asked.note).origin
    except ProofError as error:
        raise WitnessError(400, str(error)) from error
    party = known(origin)
    shown = witness.shown_in(asked, None if party is None else party.log_keys)
    assert party is not None  # an unknown log was refused in the line before
    return shown, party


def keep(tx: Connection, log: PeerLog, *, now: datetime) -> None:
    """Keep a partner's log as it was verified now, and the checkpoint among those that may be compared."""
    store.write_peer_log(tx, log)
    store.add_peer_note(tx, log.origin, log.size, log.note, now)


def rewind(tx: Connection, log: PeerLog, *, said_at: int) -> None:
    """Go back to an earlier tree of a partner's log: forget what was kept of larger ones, words included.

    `said_at` is the own entry of this transaction that says so, with the log and the size. Refuses, by the
    database, a log that is not suspended.
    """
    store.forget_rewound(tx, said_at)
    store.write_peer_log(tx, log)


def cosign_kept(tx: Connection, ring: Keyring, origin: str, *, now: datetime) -> Word | None:
    """Give our word on the tree that is kept of a partner's log, the one given before where there is one.

    None where nothing is kept, or the log is suspended.
    """
    kept = partners.kept_log(tx, origin)
    if kept is None or kept.state != "ok":
        return None
    given = witness_store.read_word(tx, origin, kept.size, ring.origin)
    if given is None:
        given = witness.give(notes.parse(kept.note), ring, int(now.timestamp()))
        witness_store.add_words(tx, [given], now)
    return given


def hear(
    tx: Connection,
    ring: Keyring,
    party: str,
    note: bytes,
    *,
    name: str,
    publics: Collection[bytes],
    now: datetime,
    latest: int | None = None,
) -> Word | None:
    """Take a partner's word on our log: its note of what it keeps, with its cosignature, not after `latest`.

    Refuses as witness.heard says: with BehindError where our log does not contain what our key signed.
    """
    word = witness.heard(
        note,
        party=party,
        ours=(ring.origin, ring.public.values(), store.read_size(tx)),
        root_at=lambda size: service.root_at(tx, size),
        witness=(name, publics),
        known=witness_store.read_word(tx, ring.origin, notes.parse(note).size, name),
        revoked=ring.revoked_publics,
        latest=latest,
    )
    return word if word is not None and witness_store.add_words(tx, [word], now) else None


def may_be_named(tx: Connection, circles: Collection[str], reader: str) -> set[str]:
    """Name the witnesses whose cosignatures `reader` may see: its own, and those of its circles."""
    return {
        one.origin
        for one in partners.kept_logs(tx)
        if one.party == reader or witness.acquainted(list(circles), one.party, reader)
    }


def stop(tx: Connection, reason: str) -> bool:
    """Write nothing more into this realm's log, for good; False where it was stopped before."""
    return store.stop(tx, reason)


def checkpoint(tx: Connection, size: int | None = None, *, of: Collection[str] | None = None) -> bytes:
    """Give the newest checkpoint (or that of `size`) with the cosignatures it has; `of`: of these only."""
    note = service.checkpoint(tx, size)
    held = notes.parse(note)
    words = witness_store.read_words(tx, held.origin, held.size)
    return witness.with_words(note, [one for one in words if of is None or one.witness in of])


def accusation(tx: Connection, ring: Keyring, found: Contradiction) -> bytes:
    """Give a kept proof as a file, with the party's own statements of its keys."""
    stated = store.read_statements(tx, found.origin)
    root = statements.root_of(stated[-1]) if stated else b""
    said = [statements.read(one, ring.realm, root) for one in stated]
    keys = list(dict.fromkeys(one.log for one in said))
    return accusations.write(found, realm=ring.realm, log_keys=keys, stated=stated, by=ring.party)


class Standings:
    """What stands behind entries of our own log and of partners' logs (witness.py rule 6), many at once.

    Others' words on a partner's log reach us only where a circle lets its author and them know of each other.
    """

    def __init__(self, tx: Connection, ring: Keyring, circles: Collection[str]) -> None:
        self._tx, self._ring, self._circles = tx, ring, list(circles)
        self._logs = {one.origin: one for one in partners.kept_logs(tx)}
        self._names = {one.party: one.origin for one in self._logs.values()}
        self._words: dict[str, list[Word]] = {}

    def of(self, origin: str, position: int, recipient: str | None) -> Standing:
        """Say whether an entry is verified, cosigned or final; `recipient` is a party code. See `dated`."""
        if origin not in self._words:
            self._words[origin] = witness_store.newest(self._tx, origin)
        return self._judge(origin, position, recipient, self._words[origin])

    def dated(self, origin: str, position: int, recipient: str | None) -> Standing:
        """Say the same of one entry, and since when."""
        words = witness_store.covering(self._tx, origin, position)
        return self._judge(origin, position, recipient, words)

    def _judge(self, origin: str, position: int, recipient: str | None, words: list[Word]) -> Standing:
        own = origin == self._ring.origin
        reader = self._names.get(recipient, recipient) if recipient not in {None, witness.EVERYBODY} else None
        author = self._logs[origin].party if origin in self._logs else ""
        return witness.standing(
            position,
            words,
            author=origin,
            recipient=self._ring.origin if recipient == self._ring.party else reader,
            others=[
                one.origin
                for one in self._logs.values()
                if one.state == "ok" and (own or witness.acquainted(self._circles, author, one.party))
            ],
        )


def standing_of_own(tx: Connection, ring: Keyring, position: int, recipient: str | None) -> Standing:
    """Say what stands behind an entry of our own log. `recipient` is a party code."""
    return Standings(tx, ring, ()).dated(ring.origin, position, recipient)


def standing_of_kept(
    tx: Connection, ring: Keyring, origin: str, position: int, circles: Collection[str]
) -> Standing:
    """Say what stands behind an entry of a partner's log that is addressed to us."""
    return Standings(tx, ring, circles).dated(origin, position, ring.party)
