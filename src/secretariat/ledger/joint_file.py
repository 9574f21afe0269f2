"""A joint statement as a file that anybody verifies without a node: signatures, words, and maybe the text.

One JSON object (docs/protocol.md, "Joint statements"): {format: "secretariat-joint", v: 1, envelope: the DSSE
envelope with every signature, keys: {party: record key in hex}, words: [the entries that say them], object
and salt where the text is to go along}. Keys in the file prove only that it agrees with itself; whoever has
a party's key from elsewhere names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import dsse, entries, joint
from secretariat.ledger.keys import key_id
from secretariat.ledger.property_tree import root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.ledger.joint import Outcome, Side

FORMAT: Final = "secretariat-joint"
MAX_BYTES: Final = 16_777_216


class Entry(msgspec.Struct, frozen=True):
    """The entry of a party's word, as it was signed."""

    position: int
    envelope: str


class JointFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file holds."""

    envelope: str
    keys: dict[str, str]
    words: list[Entry]
    object: str = ""
    salt: str = ""
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


def write(
    payload: bytes,
    standing: Sequence[Side],
    words: Sequence[tuple[int, bytes]],
    keys: Mapping[str, bytes],
    *,
    text: tuple[bytes, bytes] | None = None,
) -> bytes:
    """Write the file; `text` is the object's bytes and salt. Refuses a statement that nobody has signed."""
    data, salt = text or (b"", b"")
    held = JointFile(
        envelope=joint.envelope(payload, standing).decode(),
        keys={party: public.hex() for party, public in keys.items()},
        words=[Entry(position, envelope.decode()) for position, envelope in words],
        object=data.decode(),
        salt=salt.hex(),
    )
    # `format` and `v` are what tells the file from another one: they are written though they are defaults
    plain = {"format": FORMAT, "v": 1, **msgspec.to_builtins(held)}
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def verify(data: bytes, named: Mapping[str, bytes]) -> Report:
    """Verify a file. `named` are record keys by party that the reader has from elsewhere.

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
    for number, one in enumerate(held.words):
        words.append(_word(one, number, payload, keys))
    sides = joint.sides(statement.parties, words)
    signed = {key_id(side.word.public) for side in sides if side.word is not None and side.signed}
    by_id = {key_id(each): each for each in keys.values()}
    opened = dsse.unseal(held.envelope.encode(), by_id, joint.PAYLOAD_TYPE)
    if set(opened.key_ids) != signed:
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
    )


def _word(one: Entry, number: int, payload: bytes, keys: Mapping[str, bytes]) -> joint.Word:
    envelope = one.envelope.encode()
    claimed = entries.read(dsse.payload_of(envelope)).party
    if claimed not in keys:
        raise ProofError(f"no key of {claimed}", where=f"words/{number}", advice="name it with --key")
    data, word = joint.word_of(envelope, one.position, {key_id(keys[claimed]): keys[claimed]})
    if data != payload:
        raise ProofError(f"the word of {word.party} is on another statement", where=f"words/{number}")
    return word
