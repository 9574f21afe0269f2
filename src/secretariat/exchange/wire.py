"""What two nodes say to each other: descriptor, feed page, delivery, problem (docs/protocol.md).

Rules that every implementation keeps:
1. Bytes that somebody signed travel as they are: objects, DSSE envelopes and checkpoints are spliced in
   raw and never written again by the carrier.
2. A cursor is a place in the *sender's* log: every entry addressed to the receiver below `position` is
   done, and of the entry at `position` the first `offset` objects are done.
3. A page states where it starts, where it ends, how much it carries and a hash over it; the receiver
   computes all four again. An object that can no longer be delivered is named with the reason.
4. Binary values are base64 (RFC 4648, padded) in JSON; roots and hashes are lower-case hex.
"""

from __future__ import annotations

import hashlib
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from secretariat.base.errors import InputError
from secretariat.exchange.witnesses import Riding
from secretariat.ledger.property_tree import Present
from secretariat.ledger.revocation import Revocation

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = 1
_URL_MAX: Final = 300
DESCRIPTOR_TYPE: Final = "application/vnd.secretariat.descriptor+json"
PROBLEM_TYPE: Final = "application/problem+json"
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_CURSOR = re.compile(r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")


Root = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="root of an object version, hex")]
Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Cursor(msgspec.Struct, frozen=True, order=True):
    """A place in a sender's log: the next entry's position and how many of its objects are done."""

    position: Natural = 0
    offset: Natural = 0

    def __str__(self) -> str:
        return f"{self.position}.{self.offset}"


def read_cursor(text: str) -> Cursor:
    """Read `position.offset`; refuses anything else."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InputError(f"not a cursor: {text[:40]!r}", where="after", advice="write position.offset, 12.0")
    return Cursor(int(match[1]), int(match[2]))


class CarriedObject(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One object version of a grant: its bytes, salt and originator's signature, or why it is gone.

    A partial brings `leaves` in the place of `salt`: [name, salt of the name] or a bare leaf, in hex.
    """

    root: Root
    object: msgspec.Raw | UnsetType = UNSET
    salt: bytes | None = None
    signature: msgspec.Raw | UnsetType = UNSET
    originator: Annotated[str, Meta(pattern="^[!-~]{1,64}$")] | None = None
    gone: Annotated[str, Meta(pattern="^[a-z-]{1,64}$")] | None = None
    leaves: tuple[Present | Root, ...] = ()


class Attached(msgspec.Struct, frozen=True):
    """A third party's signed entry that the carried entry refers to (a consent, a withdrawal)."""

    origin: str
    position: Natural
    envelope: msgspec.Raw
    salt: bytes


class CarriedEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One log entry addressed to the receiver, with a run of the objects it grants.

    A continued entry (`offset` > 0) leaves envelope and attachments out: the receiver kept them with the
    first run.
    """

    position: Natural
    salt: bytes
    proof: tuple[bytes, ...]
    envelope: msgspec.Raw | UnsetType = UNSET
    attached: tuple[Attached, ...] = ()
    offset: Natural = 0
    total: Natural = 0
    objects: tuple[CarriedObject, ...] = ()


class Counts(msgspec.Struct, frozen=True):
    """How much a page carries, as the sender counted it."""

    entries: Natural
    objects: Natural
    gone: Natural


class Page(msgspec.Struct, frozen=True):
    """One answer of the feed or one delivery: entries in log order under one signed checkpoint."""

    v: int
    realm: str
    origin: str
    party: str
    to: str
    after: Cursor
    next: Cursor
    since: Natural
    checkpoint: str
    consistency: tuple[bytes, ...]
    entries: tuple[CarriedEntry, ...]
    count: Counts
    hash: Root
    more: bool = False
    witnessed: str | UnsetType = UNSET
    """The note of the receiver's log that the sender keeps, with the sender's cosignature."""
    follows: tuple[str, ...] | UnsetType = UNSET
    """Logs that the sender keeps and may name to the receiver."""
    seen: tuple[str, ...] | UnsetType = UNSET
    """Notes of other logs that the sender keeps and the receiver named, with the sender's cosignatures."""


class Outline(msgspec.Struct, frozen=True):
    """Where a page ends and whether another follows: read before the page is checked, believed by nobody."""

    next: Cursor
    checkpoint: str
    more: bool = False

    @property
    def size(self) -> int:
        """The size of the log that the page's checkpoint states; 0 where it states none."""
        line = self.checkpoint.split("\n", 2)[1:2]
        return int(line[0]) if line and _SIZE.fullmatch(line[0]) else 0


class Taken(msgspec.Struct, frozen=True):
    """How far a receiver is with the caller's log: its cursor and the log size it last kept."""

    after: Cursor
    size: Natural


class Place(Taken, frozen=True):
    """What a node answers about its place: with its word on the caller's log, and the logs it follows."""

    witnessed: str | UnsetType = UNSET
    follows: tuple[str, ...] | UnsetType = UNSET


class KeptEntry(msgspec.Struct, frozen=True):
    """One entry of the asker's own log as the answering node kept it."""

    position: Natural
    salt: bytes
    envelope: msgspec.Raw


class Kept(msgspec.Struct, frozen=True):
    """What a node kept of the asker's log: the newest checkpoint (empty: none), and entries in order."""

    checkpoint: str
    entries: tuple[KeptEntry, ...]
    more: bool = False


class Key(msgspec.Struct, frozen=True):
    """A public key (Ed25519; for `sealing` X25519) and the name it goes by."""

    id: str
    public: bytes


Pin = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of a SubjectPublicKeyInfo, hex (RFC 7469 2.4)")
]


class Tls(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keys of certificates: those with which the node comes, and those of the server at its address."""

    client: Annotated[tuple[Pin, ...], Meta(max_length=8)] = ()
    server: Annotated[tuple[Pin, ...], Meta(max_length=8)] = ()


class RealmKeys(msgspec.Struct, frozen=True):
    """One realm of a node: log origin, address (empty when nobody can reach it) and the realm's keys."""

    origin: str
    url: str
    record: Key
    log: Key
    transport: Key
    witness: Key | None = None
    root: Key | None = None
    sealing: Key | None = None
    since: str | msgspec.UnsetType = msgspec.UNSET
    """From when on `record` signs alone: no later than the descriptor's own date."""
    since_entry: int | msgspec.UnsetType = msgspec.UNSET
    """The place of the `key` entry that put `record` into force: from it on no former record key signs."""
    revoked: tuple[Revocation, ...] | msgspec.UnsetType = msgspec.UNSET
    """Keys of this realm that count no more (ledger/revocation.py)."""
    tls: Tls | msgspec.UnsetType = msgspec.UNSET
    """Pinned keys of the certificates of connections; absent: none are."""


class Descriptor(msgspec.Struct, frozen=True):
    """Who a party is to other nodes; signed by its root key, checked by the 12-word fingerprint."""

    v: int
    party: str
    name: str
    root: Key
    made_at: str
    realms: dict[str, RealmKeys]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one shape of a refusal between nodes."""

    code: str
    what: str
    where: str | None = None
    advice: str | None = None


_PAGE = msgspec.json.Decoder(Page)
_OUTLINE = msgspec.json.Decoder(Outline)
_TAKEN = msgspec.json.Decoder(Taken)
_PLACE = msgspec.json.Decoder(Place)
_KEPT = msgspec.json.Decoder(Kept)
_DESCRIPTOR = msgspec.json.Decoder(Descriptor)
_PROBLEM = msgspec.json.Decoder(Problem)
_ENCODER = msgspec.json.Encoder()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def members_of(riding: Riding) -> dict[str, Any]:
    """Give what rides along as members of a message; what is empty is left out."""
    found = msgspec.structs.asdict(riding)
    return {name: value for name, value in found.items() if value}


def riding_of(page: Page | Place) -> Riding:
    """Give what rode along with a message."""
    return Riding(
        "" if page.witnessed is UNSET else page.witnessed,
        () if page.follows is UNSET else page.follows,
        () if not isinstance(page, Page) or page.seen is UNSET else page.seen,
    )


def encode(value: Page | Taken | Place | Kept | Descriptor | Problem) -> bytes:
    """Write a message; raw parts are spliced in untouched."""
    return _ENCODER.encode(value)


def read_page(data: bytes) -> Page:
    """Read a page; refuses what is not one, saying where."""
    try:
        page = _PAGE.decode(data)
    except _UNREADABLE as error:
        raise InputError(f"not a page: {error}", advice="compare docs/protocol.md, Page") from error
    if page.v != VERSION:
        raise InputError(f"page of version {page.v}", where="v", advice=f"this node speaks {VERSION}")
    return page


def outline(data: bytes) -> Outline | None:
    """Read where a page ends; None where it is none (`read_page` says why)."""
    try:
        return _OUTLINE.decode(data)
    except _UNREADABLE:
        return None


def outline_of(page: Page) -> Outline:
    """Say where a page ends that was read."""
    return Outline(page.next, page.checkpoint, page.more)


def read_taken(data: bytes) -> Taken:
    """Read a receiver's place; refuses what is not one."""
    try:
        return _TAKEN.decode(data)
    except _UNREADABLE as error:
        raise InputError(
            f"not a place in a log: {error}", advice="compare docs/protocol.md, Taken"
        ) from error


def read_place(data: bytes) -> Place:
    """Read a receiver's place with what rides along; refuses what is not one."""
    try:
        return _PLACE.decode(data)
    except _UNREADABLE as error:
        raise InputError(
            f"not a place in a log: {error}", advice="compare docs/protocol.md, Taken"
        ) from error


def read_kept(data: bytes) -> Kept:
    """Read what a partner kept of our log; refuses what is not that."""
    try:
        return _KEPT.decode(data)
    except _UNREADABLE as error:
        raise InputError(f"not what was kept: {error}", advice="compare docs/protocol.md, Kept") from error


def read_descriptor(data: bytes) -> Descriptor:
    """Read a descriptor's payload; refuses what is not one, and an address where no node can be."""
    if b"\\u0000" in data:
        raise InputError("a descriptor with the character U+0000", advice="no store keeps it")
    try:
        found = _DESCRIPTOR.decode(data)
    except _UNREADABLE as error:
        raise InputError(
            f"not a descriptor: {error}", advice="compare docs/protocol.md, Descriptor"
        ) from error
    for realm, keys in found.realms.items():
        if keys.url and not _is_address(keys.url):
            raise InputError(
                f"no address of a node: {keys.url[:80]!r}",
                where=f"realms/{realm}/url",
                advice="http or https, a host, a port; no path, no user, nothing link-local",
            )
        if keys.tls is not UNSET and keys.tls.server and not keys.url.startswith("https:"):
            raise InputError("keys of a server that has no TLS", where=f"realms/{realm}/tls/server")
    return found


def _is_address(url: str) -> bool:
    """Whether a node asks there: who names the address decides where our requests go."""
    if len(url) > _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        return False
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return False
    try:
        ip = ip_address(host)
    except ValueError:
        return True  # a name
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def read_problem(data: bytes) -> Problem:
    """Read a refusal; a body that is no problem becomes one that says so."""
    try:
        return _PROBLEM.decode(data)
    except _UNREADABLE:
        return Problem(
            "unreadable-answer", f"the partner answered {len(data)} bytes that are no problem report"
        )


def page_hash(entries: Iterable[tuple[int, bytes, int, Iterable[str]]]) -> str:
    """Hash what a page carries: per entry its position, digest, offset and the roots in order.

    SHA-256 over: position (8 bytes, big endian) ‖ entry digest (32) ‖ offset (8) ‖ number of roots (8)
    ‖ roots.
    """
    total = hashlib.sha256()
    for position, digest, offset, roots in entries:
        run = b"".join(bytes.fromhex(root) for root in roots)
        total.update(position.to_bytes(8, "big") + digest + offset.to_bytes(8, "big"))
        total.update((len(run) // 32).to_bytes(8, "big") + run)
    return total.hexdigest()


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of every message; raw parts are JSON of their own format."""
    kinds = (Page, Taken, Place, Kept, Descriptor, Problem)
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages between nodes",
        "anyOf": list(references),
        "$defs": definitions,
    }
