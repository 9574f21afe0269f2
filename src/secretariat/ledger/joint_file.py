"""A joint statement as a file that anybody verifies without a node: signatures, words, and maybe the text.

One JSON object (docs/protocol.md, "Joint statements"): {format: "secretariat-joint", v: 1, envelope: the DSSE
envelope with every signature, keys: {party: record key in hex}, words: [the entries that say them], object
and salt where the text is to go along, revoked: {party: its sealed statements}}. Keys in the file prove only
that it agrees with itself; whoever has a party's key from elsewhere names it.

A word under a revoked key counts only where a witness that the reader names saw its entry in time: the word
then bears checkpoints with cosignatures and its path into them. A statement in the file only takes away, so
it holds under the root key that it names; one that the writer left out the reader brings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import dsse, entries, joint, merkle, revocation, statements
from secretariat.ledger.keys import key_id
from secretariat.ledger.property_tree import root_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from secretariat.ledger.checkpoint import VerifierKey
    from secretariat.ledger.joint import Outcome, Side
    from secretariat.ledger.revocation import Revoked

FORMAT: Final = "secretariat-joint"
MAX_BYTES: Final = 16_777_216


class Seeing(msgspec.Struct, frozen=True):
    """A checkpoint that others cosigned, and the path of the entry into it."""

    note: str
    path: list[str]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The entry of a party's word, as it was signed."""

    position: int
    envelope: str
    salt: str = ""
    seen: list[Seeing] = []


class JointFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file holds."""

    envelope: str
    keys: dict[str, str]
    words: list[Entry]
    object: str = ""
    salt: str = ""
    revoked: dict[str, list[str]] = {}
    format: Literal["secretariat-joint"] = FORMAT
    v: Literal[1] = 1


class Report(msgspec.Struct, frozen=True):
    """What a file proves."""

    statement: str
    object: str
    root: str
    outcome: Outcome
    sides: list[Side]
    with_text: bool
    named_keys: list[str]
    """Parties whose key the reader named; the keys of all others come from the file itself."""
    seen_by: dict[str, list[str]] = {}
    """By party whose key is revoked the witnesses whose words the file bears, named by the reader or not."""


def entry(
    position: int, envelope: bytes, salt: bytes = b"", seen: Iterable[tuple[bytes, Sequence[bytes]]] = ()
) -> Entry:
    """Give a word's entry as the file holds it; `seen` are checkpoints and the entry's paths into them."""
    shown = [Seeing(note.decode(), [one.hex() for one in path]) for note, path in seen]
    return Entry(position, envelope.decode(), salt.hex() if shown else "", shown)


def write(
    payload: bytes,
    standing: Sequence[Side],
    words: Sequence[Entry],
    keys: Mapping[str, bytes],
    *,
    text: tuple[bytes, bytes] | None = None,
    revoked: Mapping[str, Sequence[bytes]] | None = None,
) -> bytes:
    """Write the file; `text` is the object's bytes and salt. Refuses a statement that nobody has signed."""
    data, salt = text or (b"", b"")
    held = JointFile(
        envelope=joint.envelope(payload, standing).decode(),
        keys={party: public.hex() for party, public in keys.items()},
        words=list(words),
        object=data.decode(),
        salt=salt.hex(),
        revoked={party: [one.decode() for one in sealed] for party, sealed in (revoked or {}).items()},
    )
    # `format` and `v` are what tells the file from another one: they are written though they are defaults
    plain = {"format": FORMAT, "v": 1, **msgspec.to_builtins(held)}
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def verify(
    data: bytes,
    named: Mapping[str, bytes],
    *,
    witnesses: Sequence[VerifierKey] = (),
    stated: Sequence[bytes] = (),
) -> Report:
    """Verify a file. `named` are record keys by party that the reader has from elsewhere.

    So are `witnesses`, who are believed, and `stated`, sealed statements of keys that revoke some.

    Refuses with ProofError what does not hold, saying what; an unnamed party's key is taken from the file.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"a file of {len(data)} bytes", advice=f"at most {MAX_BYTES}")
    try:
        held = msgspec.json.decode(data, type=JointFile)
        keys = {party: bytes.fromhex(public) for party, public in held.keys.items()}
        salt = bytes.fromhex(held.salt)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ProofError(
            f"not a joint statement's file: {error}", advice="it may have been cut off"
        ) from error
    for party, public in named.items():
        if keys.get(party, public) != public:
            raise ProofError(
                f"the file names another key of {party} than you did",
                where=f"keys/{party}",
                advice="somebody else may have signed in its name",
            )
        keys[party] = public
    payload = dsse.payload_of(held.envelope.encode())
    statement = joint.read(payload)
    words = []
    revoked = _revoked(held, stated, statement.realm)
    seen_by: dict[str, list[str]] = {}
    for number, one in enumerate(held.words):
        word = _word(one, number, payload, keys)
        seeing = _Witnessed(one, word.origin, witnesses)
        word = joint.judged(word, revoked.get(word.party, {}), seeing.size)
        if word.revoked is not None:
            seen_by.setdefault(word.party, []).extend(seeing.names)
        words.append(word)
    sides = joint.sides(statement.parties, words)
    signed = {key_id(side.word.public) for side in sides if side.word is not None and side.signed}
    by_id = {key_id(each): each for each in keys.values()}
    opened = dsse.unseal(held.envelope.encode(), by_id, joint.PAYLOAD_TYPE)
    said = {key_id(word.public) for word in words if word.stance in joint.SIGNS}
    if not signed <= set(opened.key_ids) <= said:
        raise ProofError("the signatures are not those of the words", where="envelope")
    if held.object and root_of(held.object.encode(), salt).hex() != statement.object.root:
        raise ProofError("the text is not the one that was signed", where="object")
    return Report(
        statement=joint.digest_of(payload).hex(),
        object=statement.object.id,
        root=statement.object.root,
        outcome=joint.outcome(sides),
        sides=sides,
        with_text=bool(held.object),
        named_keys=sorted(named),
        seen_by=seen_by,
    )


def _revoked(held: JointFile, stated: Iterable[bytes], realm: str) -> dict[str, dict[str, Revoked]]:
    """Give by party the keys that the file's statements and the reader's own revoke."""
    found: dict[str, dict[str, Revoked]] = {}
    inside = [(party, one.encode()) for party, sealed in held.revoked.items() for one in sealed]
    for party, sealed in [*inside, *((None, one) for one in stated)]:
        said = statements.taken_back(sealed, realm)
        if party not in {None, said.party}:
            raise ProofError(f"a statement of {said.party} under the name of {party}", where="revoked")
        found[said.party] = revocation.merged(found.get(said.party, {}), said.revoked, latest=said.at)
    return found


class _Witnessed:
    """Who saw one entry, and when: by the checkpoints that the file holds for it."""

    def __init__(self, one: Entry, origin: str, witnesses: Sequence[VerifierKey]) -> None:
        self.names: list[str] = []
        self._words: list[tuple[int, int]] = []
        for shown in one.seen:
            try:
                note, path = shown.note.encode(), [bytes.fromhex(step) for step in shown.path]
                held = notes.parse(note)
                leaf = entries.leaf_of(entries.digest_of(one.envelope.encode(), bytes.fromhex(one.salt)))
            except ValueError as error:
                raise ProofError(f"not a proof: {error}", where="words/seen") from error
            proven = merkle.verify_inclusion(leaf, one.position, held.size, path, held.root)
            if held.origin != origin or not proven:
                raise ProofError("the entry does not stand in the checkpoint shown", where="words/seen")
            self.names += [line.name for line in held.signatures if line.name != origin]
            for witness in witnesses:
                if witness.name != origin:  # the log's own word is nobody else's
                    with contextlib.suppress(ProofError):
                        word = notes.verify_cosignature(note, witness.name, witness.public)
                        self._words.append((held.size, word.seconds))

    def size(self, since: datetime) -> int:
        """Give the size of the largest tree that a witness named by the reader saw before a moment."""
        second = revocation.second_of(since)
        return max((size for size, seconds in self._words if seconds < second), default=0)


def _word(one: Entry, number: int, payload: bytes, keys: Mapping[str, bytes]) -> joint.Word:
    envelope = one.envelope.encode()
    claimed = entries.read(dsse.payload_of(envelope)).party
    if claimed not in keys:
        raise ProofError(f"no key of {claimed}", where=f"words/{number}", advice="name it with --key")
    data, word = joint.word_of(envelope, one.position, {key_id(keys[claimed]): keys[claimed]})
    if data != payload:
        raise ProofError(f"the word of {word.party} is on another statement", where=f"words/{number}")
    return word
