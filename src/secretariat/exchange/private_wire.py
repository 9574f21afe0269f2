"""What two nodes say to each other about a private question (docs/protocol.md, "Private questions"; no I/O).

Lists travel in parts of at most `psi.PART` items of 32 bytes, base64 in JSON like every binary value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from secretariat.base.errors import InputError
from secretariat.exchange.private_values import Opening
from secretariat.ledger import entries
from secretariat.ledger.entries import Body, EntryRef, Hex32, PartyCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION: Final = 1
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
MATCHES: Final = 1_000
"""Openings in one message."""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """May I ask? `set` is where the asker's log pins what it will send."""

    v: int
    type: Word
    epoch: Word
    set: Position


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a question stands at the answerer; `set` is where its log pins its own list and key."""

    state: Literal["waiting", "ready", "refused"]
    set: Position | None = None
    why: str = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the asker's list."""

    items: bytes


class Taken(msgspec.Struct, frozen=True):
    """How many parts of the asker's list are there."""

    parts: Count


class Answer(msgspec.Struct, frozen=True):
    """The question was answered: how many parts each list has, the answer's hash, the proof of its sum."""

    parts: Count
    tag_parts: Count
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    proof: bytes


class Items(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of one of the answerer's lists; of an opened answer with its batched proof."""

    items: bytes
    proof: bytes = b""


class Opened:
    """The parts of an opened answer as they came, read one at a time, as often as is wanted."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Items]:
        return (read(one, Items) for one in self._parts)


class Shown(msgspec.Struct, frozen=True):
    """Values that both have, each with what proves that it stood in the sender's pinned set."""

    matches: Annotated[tuple[Opening, ...], Meta(max_length=MATCHES)]


SET: Final = "private-set"
SESSION: Final = "private-question"


class PrivateSet(Body, frozen=True):
    """The signer's set of one type and epoch, and the list made of it for one partner, stated before."""

    to: PartyCode
    side: Literal["asks", "answers"]
    type: str
    epoch: str
    size: Annotated[int, Meta(ge=1)]
    root: Hex32
    """Of the tree over the set's salted leaves: the same for every partner."""
    list: Hex32
    """Hash of the list that will be sent: the asker's points, the answerer's tags."""
    key: Hex32 | None = None
    """The answerer's key for this partner, type and epoch."""


class PrivateQuestion(Body, frozen=True):
    """A private question took place: sizes, hashes and counts, never a value."""

    to: PartyCode
    side: Literal["asks", "answers"]
    stage: Literal["counted", "opened"]
    type: str
    epoch: str
    under: str
    asks: EntryRef
    """Where the asker pinned its set."""
    answers: EntryRef
    asked: int
    offered: int
    answer: Hex32
    """Hash of the answer as it was given, in its own order."""
    result: int | None = None
    shown: int | None = None
    by: Any = None


entries.register(SET, PrivateSet)
entries.register(SESSION, PrivateQuestion)


_Message = TypeVar("_Message", bound=msgspec.Struct)
_KINDS: Final = (Ask, Standing, Part, Taken, Answer, Items, Shown)
_BODIES: Final = (PrivateSet, PrivateQuestion)
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Write a message."""
    return _encoder.encode(message)


def read(data: bytes, kind: type[_Message]) -> _Message:
    """Read a message; refuses what is not one, saying where."""
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"not a message of a private question: {error}",
            advice=f"compare docs/protocol.md, {kind.__name__}",
        ) from error
    if isinstance(found, Ask) and found.v != VERSION:
        raise InputError(f"version {found.v}", where="v", advice=f"this node speaks {VERSION}")
    return found


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of every message, and of the bodies of both kinds of entry."""
    kinds = (*_KINDS, *_BODIES)
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of private questions",
        "anyOf": list(references),
        "$defs": definitions,
    }
