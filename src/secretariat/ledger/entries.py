"""Entries: what a party signs into its log, body by body.

Rules (decisions.md 1, docs/protocol.md "Entries"):

1. The payload is the canonical JSON (RFC 8785) object {body, kind, origin, party, realm, recorded_at, v}; `v`
   is 1. It is sealed as `application/vnd.secretariat.entry+json` with the party's record key, a `key` entry
   with its root key.
2. Entries carry digests of content, never content: objects stand as the hex root of their property tree.
3. digest = HMAC-SHA-256(key = 32 random bytes, message = the envelope's bytes); leaf = SHA-256(0x00 ‖
   digest). So a leaf says nothing about its entry to somebody without the salt.
4. An entry for one partner names it in its body as `to`; without `to` it stays with its node.
5. Members that a reader does not know are kept and carry no meaning; a change of meaning raises `v`.
6. Parts above add kinds with `register`; an unregistered kind is refused when written, read as plain JSON.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import InputError, ProofError, SecretariatError
from secretariat.ledger import dsse
from secretariat.ledger.revocation import Revocation
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from secretariat.ledger.dsse import Signing

VERSION = 1
PAYLOAD_TYPE = "application/vnd.secretariat.entry+json"
SALT_BYTES = 32
_LARGE = range(65_536, 4_194_304)
"""Bytes of payloads of which the last few are read once: every page of a large grant reads it again."""
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes in lower-case hex")]
_ROOTS = "property-tree roots of object versions, 64 lower-case hex digits each"
Roots = Annotated[list[str], Meta(description=_ROOTS)]
"""A grant may name 10,000 of them: `check_roots` is ten times faster than a pattern per item."""
Position = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="leaf index in the log that the entry stands in")
]
Grants = Annotated[
    list[Position], Meta(description="the caller's grants under which the recipient has these objects")
]
Downstream = Annotated[
    list[Any],
    Meta(
        description="holders further down: `further` (a pseudonym), `state`, `since`, maybe `objects`; or, "
        "where agreements show recipients, `party` and `state`, or `party` and its own entry"
    ),
]
PartyCode = Annotated[str, Meta(min_length=1, max_length=64, description="party code, e.g. JP")]
Stamp = Annotated[str, Meta(description="RFC 3339 in UTC with six digits and Z")]


class LogPin(msgspec.Struct, frozen=True):
    """A state of a log: everything recorded up to here was known."""

    origin: str
    size: Position
    root: Hex32


class EntryRef(msgspec.Struct, frozen=True):
    """An entry of some log."""

    origin: str
    position: Position


class Body(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of every body: absent members are their defaults."""


class Publication(Body, frozen=True):
    """These object versions are published; no recipient, one root each."""

    objects: Roots
    release: str | None = None
    by: str | None = None


class GrantRow(Body, frozen=True):
    """Object versions that go under the same articles, with the same marks, term and duties."""

    articles: list[Any]
    objects: Roots
    marks: dict[str, Any] = {}
    until: Stamp | None = None
    obligations: list[Any] = []
    conditions: list[Any] = []
    default_tlp: str | None = None
    """How those of them that bear no TLP marking were taken; absent: as RED."""
    left_out: dict[Hex32, list[str]] = {}
    """Of which of them the recipient gets a partial, by root, and the properties that are missing of it."""


class Grant(Body, frozen=True):
    """One recipient may have these object versions, by article; enough pinned to decide it again."""

    to: PartyCode
    publication: Position
    instruments: Hex32
    engine: str
    rows: list[GrantRow]
    basis: dict[str, Any] = {}
    purpose: Any = None
    route: Any = None
    true_on: Any = None
    known_by: Any = None
    facts: Any = None


class DecisionRecord(Body, frozen=True):
    """The result for every partner asked about, kept local; traces are computed again on demand."""

    instruments: Hex32
    engine: str
    results: Any
    publication: Position | None = None
    purpose: Any = None
    route: Any = None
    true_on: Any = None
    known_by: Any = None
    by: Any = None


class Withdraw(Body, frozen=True):
    """The originator takes object versions back; without `to` its word for all, which each call names."""

    objects: list[Any]
    to: PartyCode | None = None
    reason: str = ""
    grants: Grants = []
    passed_on: EntryRef | None = None
    by: Stamp | None = None
    """By when the recipient has to answer, by the article `article`."""
    article: str | None = None
    revoked: Hex32 | None = None
    """Root of the version with `revoked: true` that tells clients of TAXII."""


class Narrow(Body, frozen=True):
    """A grant is restricted or ends: what the recipient may still hold, and what it must do with the rest."""

    to: PartyCode
    objects: list[Any]
    reason: str = ""
    grants: Grants = []
    duty: Any = None
    passed_on: EntryRef | None = None
    by: Stamp | None = None
    article: str | None = None


class Receipt(Body, frozen=True):
    """What a holder did with what one entry brought: kept, quarantined, destroyed, returned, passed on."""

    to: PartyCode
    about: EntryRef
    state: str
    objects: Any = None
    count: Annotated[int, Meta(ge=0)] | None = None
    reason: str | None = None
    downstream: Downstream = []


class Consent(Body, frozen=True):
    """A third party's consent to pass its object on, or to an accession; may end."""

    to: PartyCode
    objects: Roots = []
    to_reader: str | None = None
    purpose: Any = None
    until: Stamp | None = None
    withdrawn: bool = False
    condition: Any = None


class InstrumentAgreed(Body, frozen=True):
    """The signer takes the set of instruments with this hash as the one that grants to `to` rest on."""

    to: PartyCode
    set_hash: Hex32
    instruments: list[Any] = []


class Instrument(Body, frozen=True):
    """An instrument, or a status of it, was recorded here."""

    key: str
    hash: Hex32
    synthetic: bool = False
    status: Any = None


class Standing(Body, frozen=True):
    """A release in advance for a class of objects, or the end of one."""

    id: str
    act: Literal["begin", "end"] = "begin"
    terms: dict[str, Any] = {}
    by: Any = None
    reason: str = ""


class Lapse(Body, frozen=True):
    """Open grants that are no longer permitted and were not fetched."""

    to: PartyCode
    grants: list[Any]
    reason: str = ""


class Enrol(Body, frozen=True):
    """The signer invited, accepted, suspended or resumed a partner."""

    act: Literal["invite", "accept", "suspend", "resume", "end"]
    party: PartyCode
    root_key: str = ""
    origin: str = ""
    to: PartyCode | None = None
    descriptor: str | None = None
    reason: str = ""


class KeyLine(msgspec.Struct, frozen=True):
    """One public key and what it is for."""

    role: Literal["root", "record", "log", "transport", "witness"]
    key_id: str
    public: Hex32
    alg: Literal["ed25519"] = "ed25519"


class Key(Body, frozen=True):
    """The keys in force from this entry on; signed with the root key. The first entry of every log."""

    keys: list[KeyLine]
    retired: list[str] = []
    revoked: list[Revocation] = []
    reason: str = ""


class Destroy(Body, frozen=True):
    """Record, salt and every derived row of these object versions were destroyed here."""

    objects: list[Any]
    reason: str
    duty: Any = None
    about: EntryRef | None = None


class Suspect(Body, frozen=True):
    """A partner's log contradicted what it had shown: what was kept, what was shown, why it is wrong."""

    party: PartyCode
    kept: str
    shown: str
    reason: str


class Guest(Body, frozen=True):
    """The signer hosts a party without a node, whose entries `key` signs from here on, or no longer does."""

    act: Literal["add", "move", "end", "rekey"]
    party: PartyCode
    name: str = ""
    key: Hex32 | None = None
    statement: Any = None
    """The guest's own signed word (exchange/guests.py, `Hosted`); to a partner its introduction."""
    reason: str = ""
    revoked: list[Revocation] = []
    to: PartyCode | None = None


class GivenSignature(msgspec.Struct, frozen=True):
    """One DSSE signature of a payload that stands elsewhere: key id and base64."""

    keyid: Annotated[str, Meta(max_length=128)]
    sig: Annotated[str, Meta(max_length=256)]


class Countersign(Body, frozen=True):
    """The signer's word on a joint statement: it signs, signs with reservation, or objects."""

    to: PartyCode
    statement: Annotated[dict[str, Any], Meta(description="the payload of the joint statement, as JSON")]
    stance: Literal["signed", "reservation", "objects"]
    text: Annotated[str, Meta(max_length=4000)] = ""
    signature: GivenSignature | None = None


class Note(Body, frozen=True):
    """An act of administration that somebody may ask about later (restore, import, a role given)."""

    act: str
    by: Any = None
    detail: Any = None


KINDS: dict[str, type[msgspec.Struct]] = {
    "publication": Publication,
    "grant": Grant,
    "decision": DecisionRecord,
    "withdraw": Withdraw,
    "narrow": Narrow,
    "receipt": Receipt,
    "consent": Consent,
    "instrument-agreed": InstrumentAgreed,
    "instrument": Instrument,
    "standing": Standing,
    "lapse": Lapse,
    "enrol": Enrol,
    "key": Key,
    "destroy": Destroy,
    "suspect": Suspect,
    "guest": Guest,
    "countersign": Countersign,
    "note": Note,
}
"""Every kind of entry that nodes exchange or that the ledger writes, with the struct of its body."""

_OF_PARTS: dict[str, type[msgspec.Struct]] = {}
"""Kinds of the parts above (`register`): they stay in their node's log, and are not part of the protocol."""


class Draft(msgspec.Struct, frozen=True):
    """An entry to be signed. `body` is the kind's struct, or a mapping that converts to it."""

    kind: str
    recipient: str | None
    body: msgspec.Struct | Mapping[str, Any]


class Statement(msgspec.Struct, frozen=True):
    """The payload of an entry as it was signed."""

    v: Annotated[int, Meta(description="version of the payload: 1")]
    realm: str
    origin: str
    kind: str
    party: str
    recorded_at: str
    body: dict[str, Any]

    @property
    def recipient(self) -> str | None:
        """The party that the entry is for, or None."""
        to = self.body.get("to")
        return to if isinstance(to, str) else None

    @property
    def at(self) -> datetime:
        """When its node recorded it, by that node's clock."""
        return parse_stamp(self.recorded_at)


class Sealed(msgspec.Struct, frozen=True):
    """A signed entry before it has a position."""

    kind: str
    recipient: str | None
    envelope: bytes
    salt: bytes
    digest: bytes
    leaf: bytes


_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_decode = msgspec.json.Decoder().decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def register(kind: str, body: type[msgspec.Struct]) -> None:
    """Add a kind of entry of a part above. Refuses a kind that stands for another struct."""
    if not _KIND.fullmatch(kind):
        raise InputError(f"{kind!r} is no kind of entry", advice="small letters, digits, single hyphens")
    if kind in KINDS or _OF_PARTS.setdefault(kind, body) is not body:
        raise InputError(f"the kind {kind!r} is taken")


def kinds() -> tuple[str, ...]:
    """Name every kind that this node may write: those of the protocol, then those of the parts above."""
    return (*KINDS, *_OF_PARTS)


def payload(draft: Draft, *, realm: str, origin: str, party: str, now: datetime) -> bytes:
    """Write what an entry signs (rule 1).

    Refuses unknown kinds, bodies that are not the kind's, and a recipient that differs from the body's `to`.
    """
    body = _checked(draft)
    if body.get("to") != draft.recipient:
        raise InputError(
            f"the entry is for {draft.recipient!r} but its body says {body.get('to')!r}",
            where=f"{draft.kind}/to",
        )
    statement = {
        "v": VERSION,
        "realm": realm,
        "origin": origin,
        "kind": draft.kind,
        "party": party,
        "recorded_at": stamp(now),
        "body": body,
    }
    if draft.kind != "grant":
        written = canonical(statement)
        if _holds_zero(written):
            raise InputError("an entry cannot bear the character U+0000", where=draft.kind)
        return written
    # A grant may be a megabyte of roots, known to be hex. Where the rest of it is written alike by the plain
    # encoder and by RFC 8785, the whole is: no need to walk 10,000 strings.
    bare = {**statement, "body": {**body, "rows": [{**row, "objects": []} for row in body["rows"]]}}
    return _encode_sorted(statement) if canonical(bare) == _encode_sorted(bare) else canonical(statement)


def _holds_zero(body: bytes) -> bool:
    """Whether a string of a canonical payload has U+0000, which is written so and in no other way."""
    return b"\\u0000" in body and _ZERO.search(body) is not None


def _checked(draft: Draft) -> dict[str, Any]:
    wanted = KINDS.get(draft.kind) or _OF_PARTS.get(draft.kind)
    if wanted is None:
        raise InputError(
            f"unknown kind of entry {draft.kind!r}",
            advice="one of " + ", ".join(kinds()) + "; a part adds its own with entries.register",
        )
    try:
        plain: dict[str, Any] = (
            msgspec.to_builtins(draft.body) if isinstance(draft.body, msgspec.Struct) else dict(draft.body)
        )
        msgspec.convert(plain, wanted)
    except (msgspec.ValidationError, TypeError) as error:
        raise InputError(f"not a body of {draft.kind}: {error}", where=draft.kind) from error
    _check_roots(draft.kind, plain)
    return plain


def check_roots(roots: Sequence[str], where: str = "objects") -> None:
    """Refuse a list in which anything but 64 lower-case hex digits stands."""
    joined = "".join(roots)
    try:
        right = len(bytes.fromhex(joined)) == 32 * len(roots) and joined == joined.lower()
    except ValueError:
        right = False
    if not right or set(map(len, roots)) - {64}:
        wrong = next((item for item in roots if not re.fullmatch("[0-9a-f]{64}", item)), "")
        raise InputError(f"not a root: {wrong[:80]!r}", where=where, advice="64 lower-case hex digits")


def _check_roots(kind: str, body: Mapping[str, Any]) -> None:
    if kind in {"publication", "consent"}:
        check_roots(body.get("objects", ()), f"{kind}/objects")
    elif kind == "grant":
        for number, row in enumerate(body["rows"]):
            check_roots(row["objects"], f"grant/rows/{number}/objects")


def seal(body: bytes, draft: Draft, signer: Signing, salt: bytes) -> Sealed:
    """Sign a payload; give envelope, digest and leaf (rule 3). Refuses a salt that is not 32 bytes."""
    envelope = dsse.seal(body, PAYLOAD_TYPE, signer)
    digest = digest_of(envelope, salt)
    return Sealed(draft.kind, draft.recipient, envelope, salt, digest, leaf_of(digest))


def digest_of(envelope: bytes, salt: bytes) -> bytes:
    """Give the digest under which the log commits to an entry (rule 3)."""
    if len(salt) != SALT_BYTES:
        raise ProofError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}", where="salt")
    return hmac.digest(salt, envelope, "sha256")


def leaf_of(digest: bytes) -> bytes:
    """Give the leaf of an entry's digest (RFC 9162 leaf hash)."""
    return sha256(b"\x00" + digest).digest()


def read(body: bytes) -> Statement:
    """Read a verified payload; nobody changes what is given.

    Refuses another version, a kind or time that cannot be, and bytes that are not canonical: with a member
    twice, two readers would read two things under one signature.
    """
    return _read_once(body) if len(body) in _LARGE else _read(body)


def _read(body: bytes) -> Statement:
    try:
        value = _decode(body)
        statement = msgspec.convert(value, Statement)
        parse_stamp(statement.recorded_at)
        written = canonical(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SecretariatError) as error:
        raise ProofError(f"not an entry: {error}", where="payload") from error
    if written != body:
        raise ProofError("the entry is not in canonical form (RFC 8785)", where="payload")
    if _holds_zero(body):
        raise ProofError("an entry with the character U+0000", where="payload", advice="no store keeps it")
    if not _STAMP.fullmatch(statement.recorded_at):
        raise ProofError(f"not a time with six digits and Z: {statement.recorded_at}", where="/recorded_at")
    if statement.v != VERSION:
        raise ProofError(
            f"an entry of version {statement.v}", where="/v", advice=f"this release reads version {VERSION}"
        )
    if not _KIND.fullmatch(statement.kind):
        raise ProofError(f"{statement.kind!r} is no kind of entry", where="/kind")
    return statement


_read_once = lru_cache(maxsize=4)(_read)


def verify(envelope: bytes, keys: Mapping[str, bytes]) -> Statement:
    """Verify an entry's signature with `keys` (public keys by id) and read it. Refuses with ProofError."""
    return read(dsse.open_envelope(envelope, keys, PAYLOAD_TYPE))


def body_as(statement: Statement, kind: type[_Struct]) -> _Struct:
    """Give the body as its struct. Refuses a body that does not fit, saying where."""
    try:
        return msgspec.convert(statement.body, kind)
    except msgspec.ValidationError as error:
        raise ProofError(f"not a body of {statement.kind}: {error}", where="/body") from error


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of an entry's payload, with every kind's body under `$defs`."""
    references, definitions = msgspec.json.schema_components(
        [Statement, *KINDS.values()], ref_template="#/$defs/{name}"
    )
    for definition in definitions.values():
        for member in definition.get("properties", {}).values():
            if member.get("description") == _ROOTS:
                member["items"] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    bodies = dict(zip(KINDS, references[1:], strict=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Payload of a log entry",
        "$ref": "#/$defs/Statement",
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {"properties": {"body": reference}},
            }
            for kind, reference in bodies.items()
        ],
        "$defs": definitions,
    }
