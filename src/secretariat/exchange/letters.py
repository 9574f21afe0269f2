"""What travels through a mailbox: a letter, signed by its writer and sealed to its reader (docs/protocol.md).

Rules that every implementation keeps:
1. A letter carries how far its writer is with the reader's log, and a page of the writer's own log when there
   is something to bring; page and place are those of the feed and of delivery (wire.py).
2. It is signed with the writer's transport key and then sealed to the reader's key (ledger/sealing.py). The
   mailbox sees realm, writer, reader, number, key id, size and time. All but size and time are bound into the
   seal and stand in the signed letter again: a letter in a false cover does not open.
3. Numbers of one writer for one reader only grow. A letter names the one before it, so that the reader sees
   that one is missing, and refuses one that comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from secretariat.base.errors import InputError, ProofError, SecretariatError
from secretariat.exchange import wire
from secretariat.exchange.wire import Natural, Taken
from secretariat.ledger import dsse, sealing
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.base.settings import Limits
    from secretariat.exchange.wire import Page
    from secretariat.ledger.keys import Signer
    from secretariat.ledger.sealing import SealingKeys

VERSION: Final = 1
LETTER_TYPE: Final = "application/vnd.secretariat.letter+json"
INFO: Final = b"secretariat/letter/1\n"
_Party = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9_.-]{0,31}$")]


def most_bytes(limits: Limits) -> int:
    """Say how long a letter may be as it is posted: its box in base64, and the cover."""
    return limits.mailbox_letter_bytes * 4 // 3 + 4_096


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one node tells another through a mailbox; signed with the writer's transport key."""

    v: int
    realm: str
    party: _Party
    to: _Party
    number: Natural
    previous: Natural
    made_at: str
    place: Taken
    again: bool = False
    page: msgspec.Raw | UnsetType = UNSET
    statement: msgspec.Raw | UnsetType = UNSET
    """The writer's descriptor under its root key, until the reader is known to have it."""


class Sealed(msgspec.Struct, frozen=True):
    """A letter in its cover: all that a mailbox sees. `box` is the HPKE encapsulated key and ciphertext."""

    v: int
    realm: str
    party: _Party
    to: _Party
    number: Natural
    key: Annotated[str, Meta(pattern="^x25519-[0-9a-f]{32}$")]
    box: bytes


class Posted(msgspec.Struct, frozen=True):
    """The mailbox's answer to a letter: it keeps it until then."""

    number: Natural
    until: str


class Held(msgspec.Struct, frozen=True):
    """A letter as the mailbox hands it out: its own number for it, and since when it waits."""

    id: Natural
    at: str
    letter: Sealed


class Have(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a reader has: the highest number of each writer, and what it threw away as no letter (`id`s)."""

    numbers: dict[str, Natural] = {}
    thrown: tuple[Natural, ...] = ()


class Collected(msgspec.Struct, frozen=True):
    """What waits for a reader, in the order in which it was posted; `more` when that is not all."""

    letters: tuple[Held, ...]
    more: bool = False


class LetterError(ProofError):
    """A letter that proves nothing; `code` names the broken rule."""

    def __init__(self, code: str, what: str, *, where: str | None = None, advice: str | None = None) -> None:
        super().__init__(what, where=where, advice=advice)
        self.code = code


_ENCODER = msgspec.json.Encoder()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Message = Sealed | Posted | Have | Collected
_M = TypeVar("_M", Sealed, Posted, Have, Collected)


def encode(value: Message) -> bytes:
    """Write a message."""
    return _ENCODER.encode(value)


def read(data: bytes, kind: type[_M]) -> _M:
    """Read a message; refuses what is not one, saying where."""
    if b"\\u0000" in data:
        raise InputError(f"a {kind.__name__} with the character U+0000", advice="no store keeps it")
    try:
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE as error:
        raise InputError(
            f"not a {kind.__name__}: {error}", advice="compare docs/protocol.md, Mailbox"
        ) from error


def info_of(realm: str, party: str, to: str, number: int, key: str) -> bytes:
    """Give what the seal binds: the cover's members."""
    cover = {"v": VERSION, "realm": realm, "party": party, "to": to, "number": number, "key": key}
    return INFO + canonical(cover)


def close(letter: Letter, signer: Signer, key: str, public: bytes) -> Sealed:
    """Sign a letter and seal it to its reader's key."""
    envelope = dsse.seal(_ENCODER.encode(letter), LETTER_TYPE, signer)
    info = info_of(letter.realm, letter.party, letter.to, letter.number, key)
    box = sealing.seal(envelope, public, info)
    return Sealed(VERSION, letter.realm, letter.party, letter.to, letter.number, key, box)


def open_letter(sealed: Sealed, keys: SealingKeys, writers: Mapping[str, bytes]) -> Letter:
    """Open a letter and verify that its writer signed it, with one of the transport keys `writers`.

    Refuses with LetterError what does not open, is signed by nobody known, or says other than its cover.
    """
    info = info_of(sealed.realm, sealed.party, sealed.to, sealed.number, sealed.key)
    try:
        envelope = keys.open(sealed.box, sealed.key, info)
        body = dsse.open_envelope(envelope, writers, LETTER_TYPE)
        found = msgspec.json.decode(body, type=Letter)
    except SecretariatError as error:
        raise LetterError("letter-broken", error.what, where=error.where, advice=error.advice) from error
    except _UNREADABLE as error:
        raise LetterError("letter-broken", f"not a letter: {error}") from error
    said = (found.v, found.realm, found.party, found.to, found.number)
    if said != (sealed.v, sealed.realm, sealed.party, sealed.to, sealed.number):
        raise LetterError("letter-broken", f"the letter says {said} and its cover another", where="cover")
    return found


def statement_of(sealed: Sealed, keys: SealingKeys) -> bytes | None:
    """Give the descriptor in a letter that was not verified yet; its root key's seal is what counts."""
    info = info_of(sealed.realm, sealed.party, sealed.to, sealed.number, sealed.key)
    try:
        body = dsse.payload_of(keys.open(sealed.box, sealed.key, info))
        found = msgspec.json.decode(body, type=Letter)
    except (SecretariatError, *_UNREADABLE):
        return None
    return None if found.statement is UNSET else bytes(found.statement)


def page_of(letter: Letter) -> Page | None:
    """Give the page that a letter brings. Refuses one that is none."""
    return None if letter.page is UNSET else wire.read_page(bytes(letter.page))


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of every message; a page has its own."""
    kinds = (Letter, Sealed, Posted, Have, Collected)
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages through a mailbox",
        "anyOf": list(references),
        "$defs": definitions,
    }
