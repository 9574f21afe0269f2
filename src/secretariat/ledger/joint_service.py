"""Putting something to signature, signing it, objecting to it; and where it stands.

Rules:

1. Only the party that states an object puts it to signature, and only to parties to which this very version
   was granted: nobody is asked to sign what it cannot read (no grant, no bytes).
2. A party signs what it holds whole and valid: no partial, nothing withdrawn, nothing under dispute.
3. The word goes into the own log, once for each other party named, and counts where it stands there; the
   person who said it is noted beside it and stays here.
4. Which words a revoked key leaves standing is asked each time they are read (joint_revoked.py): a revocation
   may come years later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError, ProofError, StateError
from secretariat.ledger import joint, joint_file, joint_revoked, joint_store, object_signature
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Countersign, Draft, GivenSignature, Note
from secretariat.ledger.joint import Joint, Outcome, Side, Stance, Word
from secretariat.ledger.joint_store import Kept
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.base.clock import AsOf
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.node import Node
    from secretariat.records.store import Stored

KIND: Final = "countersign"
SIGNABLE: Final = frozenset({"published", "kept"})
EVERYBODY: Final = "*"


class Standing(msgspec.Struct, frozen=True):
    """One joint statement with where every party stands."""

    kept: Kept
    sides: list[Side]
    outcome: Outcome

    @property
    def key(self) -> str:
        """The name of the statement: SHA-256 of its payload in hex."""
        return self.kept.digest.hex()

    @property
    def silent(self) -> list[str]:
        """The parties that have said nothing yet, or nothing that counts still."""
        return [side.party for side in self.sides if side.word is None]


class Said(Protocol):
    """A verified entry of a partner's log."""

    @property
    def position(self) -> int:
        """Where it stands."""
        ...

    @property
    def party(self) -> str:
        """Who signed it."""
        ...

    @property
    def envelope(self) -> bytes:
        """The signed bytes."""
        ...


def propose(node: Node, realm: str, stix_id: str, parties: Sequence[str], *, by: str, now: datetime) -> bytes:
    """Put the newest version of an own object to signature, sign it first; give the statement's digest.

    Refuses what is not stated by this party or not published, a party to which that version was not granted,
    and a version that is put to the same parties already.
    """
    with node.database.app(realm) as tx:
        ledger.lock(tx)
        held = records.latest(tx, [stix_id]).get(stix_id)
        if held is None:
            raise NotFoundError(f"nothing is held under {stix_id}")
        if held.originator != node.party or held.source != node.party:
            raise StateError(
                f"{held.originator} states this",
                advice="ask that party to put it to signature",
                where=stix_id,
            )
        _signable(held)
        named = tuple(sorted({*parties, node.party}))
        _refuse_ungranted(tx, held, [party for party in named if party != node.party])
        statement = object_signature.ObjectStatement(
            held.stix_id, held.type, (held.root or b"").hex(), held.created, held.modified
        )
        data = joint.payload(Joint(statement, named, realm))
        if joint_store.find(tx, joint.digest_of(data)) is not None:
            raise ConflictError("this version is put to these parties already", where=stix_id)
        _say(tx, node, realm, data, "signed", "", by=by, now=now)
        return joint.digest_of(data)


def say(
    node: Node, realm: str, digest: bytes, stance: Stance, text: str = "", *, by: str, now: datetime
) -> None:
    """Sign a joint statement, sign it with reservation, or object to it.

    Refuses where this party is not named, has signed already, or does not hold that version whole.
    """
    text = joint.checked_text(stance, text)
    with node.database.app(realm) as tx:
        ledger.lock(tx)
        kept = joint_store.find(tx, digest)
        if kept is None:
            raise NotFoundError("no such joint statement", where=digest.hex())
        if node.party not in kept.parties:
            raise StateError(f"{node.party} is not asked to sign this", where=digest.hex())
        side = next(
            one
            for one in joint.sides(kept.parties, joint_revoked.words(tx, [digest])[digest])
            if one.party == node.party
        )
        if stance in joint.SIGNS:
            if side.signed:
                raise ConflictError(
                    f"{node.party} has signed this already",
                    where=digest.hex(),
                    advice="a signature is not taken back; an objection can be recorded beside it",
                )
            held = records.by_roots(tx, [kept.root]).get(kept.root)
            if held is None:
                raise StateError(
                    "the version to be signed is not held here",
                    where=kept.stix_id,
                    advice="it was withdrawn or destroyed, or was never granted; read before you sign",
                )
            _signable(held)
        _say(tx, node, realm, kept.payload, stance, text, by=by, now=now)


def _signable(held: Stored) -> None:
    if held.revoked or held.root is None or held.state not in SIGNABLE:
        why = "withdrawn" if held.revoked else held.state
        raise StateError(
            f"this version cannot be signed: it is {why}",
            where=held.stix_id,
            advice="what is signed is a published version, held whole and not disputed",
        )


def _refuse_ungranted(tx: sa.Connection, held: Stored, others: Sequence[str]) -> None:
    unknown = sorted(set(others) - records.enrolled(tx))
    if unknown:
        raise InputError(f"no partner: {', '.join(unknown)}", where="parties", advice="enrol it first")
    readers = collections.readers(tx, [held.root or b""])
    lacking = [party for party in others if party not in readers and EVERYBODY not in readers]
    if lacking:
        raise StateError(
            f"{', '.join(lacking)} was not granted this version",
            where=held.stix_id,
            advice="release it to each party first: nobody signs what it cannot read",
        )


def _say(
    tx: sa.Connection,
    node: Node,
    realm: str,
    data: bytes,
    stance: Stance,
    text: str,
    *,
    by: str,
    now: datetime,
) -> None:
    keyring = node.keyring(realm)
    statement = joint.read(data)
    given = GivenSignature(*joint.sign(data, keyring.record)) if stance in joint.SIGNS else None
    drafts = [
        Draft(
            KIND,
            party,
            Countersign(
                to=party, statement=msgspec.json.decode(data), stance=stance, text=text, signature=given
            ),
        )
        for party in statement.parties
        if party != node.party
    ]
    detail = {"statement": joint.digest_of(data).hex(), "stance": stance}
    note = Draft("note", None, Note(act="countersigned", by=by, detail=detail))
    written = ledger.append(tx, keyring, [*drafts, note], now=now)
    _, word = joint.word_of(written[0].envelope, written[0].position, keyring.public)
    _keep(tx, data, word, now)


def _keep(tx: sa.Connection, data: bytes, word: Word, now: datetime) -> None:
    statement = joint.read(data)
    kept = Kept(
        joint.digest_of(data),
        data,
        statement.object.id,
        bytes.fromhex(statement.object.root),
        list(statement.parties),
        now,
    )
    joint_store.keep(tx, kept, word, at=now)
    notify(tx, LIVE, live(kind="joint", entry=word.position))


def take_in(
    tx: sa.Connection,
    origin: str,
    said: Sequence[Said],
    keys_of: Callable[[str], Mapping[str, bytes]],
    *,
    now: datetime,
) -> None:
    """Keep the words among a partner's verified entries; one that is none is kept with the reason."""
    for one in said:
        try:
            data, word = joint.word_of(one.envelope, one.position, keys_of(one.party))
        except ProofError as error:
            joint_store.refuse(tx, origin, one.position, one.party, at=now, why=str(error))
            continue
        _keep(tx, data, word, now)


def standing(tx: sa.Connection, digest: bytes, as_of: AsOf | None = None) -> Standing:
    """Give one joint statement and where every party stands, as known by the times asked about."""
    kept = joint_store.find(tx, digest)
    if kept is None:
        raise NotFoundError("no such joint statement", where=digest.hex())
    return _standings(tx, [kept], as_of)[0]


def newest(tx: sa.Connection, limit: int, as_of: AsOf | None = None) -> list[Standing]:
    """List joint statements, newest first, as known by the times asked about."""
    before = None if as_of is None else as_of.earliest
    return _standings(tx, joint_store.newest(tx, limit, before), as_of)


def of_object(tx: sa.Connection, stix_id: str, as_of: AsOf | None = None) -> list[Standing]:
    """Give the joint statements about any version of an object, newest first."""
    return _standings(tx, joint_store.of_object(tx, stix_id), as_of)


def waiting(tx: sa.Connection, party: str, limit: int = 500) -> list[Standing]:
    """Give the joint statements on which this party has not said its word."""
    return [one for one in newest(tx, limit) if party in one.silent]


def _standings(tx: sa.Connection, kept: Sequence[Kept], as_of: AsOf | None) -> list[Standing]:
    said = joint_revoked.words(tx, [one.digest for one in kept], as_of)
    found = []
    for one in kept:
        if not said[one.digest]:
            continue  # nobody had said anything by the time asked about
        sides = joint.sides(one.parties, said[one.digest])
        found.append(Standing(one, sides, joint.outcome(sides)))
    return found


def named(tx: sa.Connection, name: str) -> bytes:
    """Give the digest that begins with these letters of hex. Refuses where none does, or more than one."""
    found = joint_store.beginning(tx, name)
    if not found:
        raise NotFoundError("no such joint statement", where=name, advice="`secretariat joint list`")
    if len(found) > 1:
        raise InputError(f"{len(found)} joint statements begin with {name}", advice="write more letters")
    return found[0]


def file_of(tx: sa.Connection, keyring: Keyring, digest: bytes, *, with_text: bool) -> bytes:
    """Write the statement with all words on it as a file (joint_file.py).

    Refuses one that nobody has signed, and the text where that version is not held here.
    """
    one = standing(tx, digest)
    first = {side.party: side.word or side.void for side in one.sides}
    said = [word for side in one.sides for word in (first[side.party], side.later) if word is not None]
    keys = {party: word.public for party, word in first.items() if word is not None}
    words = [
        joint_revoked.written(tx, keyring, word)
        for word in said
        if word.public == keys[word.party]  # an objection under a newer key than the signature's stays out
    ]
    stated = joint_revoked.statements_for(tx, keyring, said)
    text = None
    if with_text:
        held = records.by_roots(tx, [one.kept.root]).get(one.kept.root)
        if held is None or held.salt is None:
            raise StateError("the version that was signed is not held here", where=one.kept.stix_id)
        text = (held.data, held.salt)
    return joint_file.write(one.kept.payload, one.sides, words, keys, text=text, revoked=stated)
