"""Joint statements: one payload that every named party signs, and what each party said about it. No I/O.

A meeting's outcome, an instrument, an exercise plan or an audit report is agreed between parties when each
of them signed that very version of it.

Rules (docs/protocol.md, "Joint statements"):

1. The payload is the canonical JSON object {object: {created, id, modified, root, type}, parties, realm, v}:
   which version of which object, and who has to sign. `created` and `modified` are absent where the object
   has none; `parties` are 2 to 16 codes in ascending order. Another version, or another list of parties,
   is another statement; SHA-256 of the payload names it.
2. A party says its word by a `countersign` entry of its own log: `signed`, `reservation` (signed, with its
   own text) or `objects` (not signed, with its own text). Signed and reserved words carry a DSSE signature
   of the payload by the key that signed the entry, so that all signatures together are one envelope.
3. A party's state is its signature once it gave one: it is not taken back. An objection after it is kept and
   shown beside it. Without a signature the newest word by position in the party's log holds; without any
   word the party is silent.
4. A word under a record key that its party revoked since counts only where somebody else saw its entry before
   (revocation.py); else it is kept and shown as void, and its party may say its word again under its new key.
5. The statement is agreed when every named party has signed; with reservations where one of them reserved.
   Nobody's word counts for another party, and a word on another payload counts for nothing.
"""

from __future__ import annotations

import binascii
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import dsse, entries
from secretariat.ledger.entries import Countersign
from secretariat.ledger.keys import SIGNATURE_BYTES, key_id, signature_holds
from secretariat.ledger.object_signature import ObjectStatement
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from secretariat.ledger.revocation import Revoked, Seen


VERSION: Final = 1
PAYLOAD_TYPE: Final = "application/vnd.secretariat.joint+json"
PARTIES_MIN: Final = 2
PARTIES_MAX: Final = dsse.MAX_SIGNATURES
TEXT_MAX: Final = 4000

Stance = Literal["signed", "reservation", "objects"]
SIGNS: Final = frozenset({"signed", "reservation"})
Outcome = Literal["agreed", "agreed-with-reservations", "objected", "open"]


class Joint(msgspec.Struct, frozen=True):
    """What is signed: one version of one object, and who has to sign it."""

    object: ObjectStatement
    parties: tuple[str, ...]
    realm: str
    v: int = VERSION


class Word(msgspec.Struct, frozen=True):
    """What one party said about one payload, as its verified entry has it."""

    digest: bytes
    party: str
    stance: Stance
    text: str
    public: bytes
    """The record key that signed the entry, and the payload where the word signs."""
    signature: bytes | None
    origin: str
    position: int
    at: datetime
    """When the party recorded it, by its own clock."""
    revoked: Revoked | None = None
    """Set where the key that signed it is revoked now."""
    counts: bool = True
    """Whether it counts all the same (rule 4)."""


class Side(msgspec.Struct, frozen=True):
    """Where one named party stands (rule 3). `word` is None while it has said none that counts."""

    party: str
    word: Word | None = None
    later: Word | None = None
    """An objection after the signature."""
    void: Word | None = None
    """Its newest word that counts no more (rule 4)."""

    @property
    def state(self) -> str:
        """signed, reservation, objects, silent, or void: its word counts no more and no other is said."""
        if self.word is not None:
            return self.word.stance
        return "silent" if self.void is None else "void"

    @property
    def signed(self) -> bool:
        """Whether the party signed the payload."""
        return self.word is not None and self.word.stance in SIGNS


def payload(joint: Joint) -> bytes:
    """Write what every party signs (rule 1). Refuses too few, too many, double, unsorted parties."""
    parties = joint.parties
    if not PARTIES_MIN <= len(parties) <= PARTIES_MAX:
        raise InputError(
            f"a joint statement of {len(parties)} parties",
            where="parties",
            advice=f"name {PARTIES_MIN} to {PARTIES_MAX}",
        )
    if list(parties) != sorted(set(parties)):
        raise InputError("parties stand once each, in ascending order", where="parties")
    return canonical(msgspec.to_builtins(joint))


def digest_of(data: bytes) -> bytes:
    """Give the SHA-256 that names a joint statement."""
    return sha256(data).digest()


def read(data: bytes) -> Joint:
    """Read a payload. Refuses what `payload` would not have written, byte by byte."""
    try:
        joint = msgspec.json.decode(data, type=Joint)
        same = payload(joint) == data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InputError) as error:
        raise ProofError(f"not a joint statement: {error}", where="statement") from error
    if not same or joint.v != VERSION:
        raise ProofError("not the canonical form of a joint statement", where="statement")
    return joint


def sign(data: bytes, signer: dsse.Signing) -> tuple[str, str]:
    """Sign a payload; give key id and base64 of the signature, as the entry carries them."""
    made = signer.sign(dsse.pae(PAYLOAD_TYPE, data))
    return signer.key_id, binascii.b2a_base64(made, newline=False).decode()


def checked_text(stance: str, text: str) -> str:
    """Give a party's own text, trimmed. Refuses a reservation or objection without one, and a long one."""
    text = text.strip()
    if len(text) > TEXT_MAX:
        raise InputError(f"a text of {len(text)} letters", where="text", advice=f"at most {TEXT_MAX}")
    if stance != "signed" and not text:
        raise InputError(
            "a reservation or an objection says why", where="text", advice="write it in your own words"
        )
    return text


def word_of(envelope: bytes, position: int, keys: Mapping[str, bytes]) -> tuple[bytes, Word]:
    """Verify the `countersign` entry at `position` with its party's `keys`; give payload and word (rule 2).

    Refuses with ProofError a party that the payload does not name, a payload of another realm, a signature
    that is missing where the word says signed, is of another key than the entry's, or does not hold.
    """
    opened = dsse.unseal(envelope, keys, entries.PAYLOAD_TYPE)
    statement = entries.read(opened.payload)
    body = entries.body_as(statement, Countersign)
    public = keys[opened.key_ids[0]]
    try:
        data = canonical(body.statement)
    except InputError as error:
        raise ProofError(error.what, where="statement", advice=error.advice) from error
    joint = read(data)
    if joint.realm != statement.realm:
        raise ProofError(f"a joint statement of the realm {joint.realm}", where="statement/realm")
    if statement.party not in joint.parties:
        raise ProofError(f"{statement.party} is not named in the joint statement", where="statement/parties")
    if body.stance != "signed" and not body.text.strip():
        raise ProofError("a reservation or an objection without a text", where="text")
    if len(body.text) > TEXT_MAX:
        raise ProofError(f"a text of {len(body.text)} letters", where="text", advice=f"at most {TEXT_MAX}")
    signature = None
    if body.stance in SIGNS:
        if body.signature is None:
            raise ProofError("a word that signs carries a signature", where="signature")
        if body.signature.keyid != key_id(public):
            raise ProofError(
                "the statement is signed by another key than the entry",
                where="signature/keyid",
                advice=f"{key_id(public)} signed the entry",
            )
        signature = _bytes(body.signature.sig)
        if not signature_holds(public, signature, dsse.pae(PAYLOAD_TYPE, data)):
            raise ProofError(f"the signature of {statement.party} does not hold", where="signature/sig")
    elif body.signature is not None:
        raise ProofError("an objection carries no signature", where="signature")
    return data, Word(
        digest=digest_of(data),
        party=statement.party,
        stance=body.stance,
        text=body.text,
        public=public,
        signature=signature,
        origin=statement.origin,
        position=position,
        at=statement.at,
    )


def sides(parties: Sequence[str], words: Iterable[Word]) -> list[Side]:
    """Say where each named party stands (rules 3 and 4), in the order of `parties`; other words fall out."""
    held: dict[str, list[Word]] = {party: [] for party in parties}
    for word in words:
        if word.party in held:
            held[word.party].append(word)
    found = []
    for party, every in held.items():
        every.sort(key=lambda word: (word.at, word.origin, word.position))
        void = next((word for word in reversed(every) if not word.counts), None)
        said = [word for word in every if word.counts]
        signed = [word for word in said if word.stance in SIGNS]
        if not signed:
            found.append(Side(party, said[-1] if said else None, void=void))
            continue
        after = [word for word in said[said.index(signed[-1]) + 1 :] if word.stance == "objects"]
        found.append(Side(party, signed[-1], after[-1] if after else None, void))
    return found


def judged(word: Word, revoked: Mapping[str, Revoked], seen: Seen) -> Word:
    """Give a word with what its party's revocations leave of it (rule 4), `seen` of the log it stands in."""
    one = revoked.get(key_id(word.public))
    if one is None:
        return word
    return msgspec.structs.replace(word, revoked=one, counts=word.position < seen(one.since))


def outcome(standing: Sequence[Side]) -> Outcome:
    """Say what came of it (rule 5)."""
    if all(side.signed for side in standing):
        reserved = any(side.state == "reservation" for side in standing)
        return "agreed-with-reservations" if reserved else "agreed"
    return "objected" if any(side.state == "objects" for side in standing) else "open"


def envelope(data: bytes, standing: Sequence[Side]) -> bytes:
    """Give the one DSSE envelope with every signature that there is, parties in the payload's order.

    One that counts no more is left out. Refuses a statement that nobody has signed.
    """
    signatures: list[dict[str, Any]] = [
        {
            "keyid": key_id(side.word.public),
            "sig": binascii.b2a_base64(side.word.signature or b"", newline=False).decode(),
        }
        for side in standing
        if side.word is not None and side.signed
    ]
    if not signatures:
        raise ProofError("nobody has signed it yet", where="signatures")
    return canonical(
        {
            "payload": binascii.b2a_base64(data, newline=False).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": signatures,
        }
    )


def _bytes(text: str) -> bytes:
    try:
        made = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ProofError("not base64", where="signature/sig") from error
    if len(made) != SIGNATURE_BYTES:
        raise ProofError(f"a signature of {len(made)} bytes", where="signature/sig")
    return made
