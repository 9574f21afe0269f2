"""Which keys a party's root key named, and when: its dated, sealed statements (descriptors). No I/O.

Rules:

1. A statement counts when the root key that the enrolment pinned sealed it; another root proves nothing.
2. The newest by its own date names the keys in force. A record or log key that a newer statement no longer
   names is retired from the rotation that it states, else from its date on: what it signed for an earlier
   time stays good, an entry that says it was recorded later is not believed. Dates can be written by a thief,
   places in a log cannot: where the statement names the `key` entry of the rotation, an entry under the old
   key that stands at that place or after it is not believed, whatever date it bears.
3. What a statement revokes is judged by revocation.py, whatever the other statements say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import ProofError, SecretariatError
from secretariat.ledger import dsse, entries, revocation
from secretariat.ledger.entries import Key
from secretariat.ledger.keys import key_id
from secretariat.ledger.revocation import Revocation, Revoked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from secretariat.ledger.entries import Statement

STATEMENT_TYPE = "application/vnd.secretariat.descriptor+json"
_NEVER = "9999-12-31T23:59:59Z"
INTRODUCTION_TYPE = "application/vnd.secretariat.introduction+json"
"""Of a guest, by itself and its host: it names the key by which the guest speaks in the host's log."""


class _Key(msgspec.Struct, frozen=True):
    id: str
    public: bytes


class _Realm(msgspec.Struct, frozen=True):
    origin: str
    record: _Key
    log: _Key
    since: str | None = None
    since_entry: int | None = None
    revoked: list[Revocation] = []


class _Payload(msgspec.Struct, frozen=True):
    party: str
    root: _Key
    made_at: str
    realms: dict[str, _Realm]


class Stated(msgspec.Struct, frozen=True):
    """What one statement says of one realm: its log, and the record and log keys in force from `at` on."""

    party: str
    origin: str
    at: datetime
    record: bytes
    log: bytes
    since: datetime
    """When the record key came into force; never after `at`."""
    since_entry: int | None = None
    """The place of the `key` entry that put it into force."""
    revoked: tuple[Revocation, ...] = ()


class TakenBack(msgspec.Struct, frozen=True):
    """What a statement of a moment revokes, under the root key that it names."""

    party: str
    root: bytes
    at: datetime
    revoked: tuple[Revocation, ...]


class _Place(msgspec.Struct, frozen=True):
    origin: str
    key: str
    former: list[str] = []
    since_entry: int | None = None
    revoked: list[Revocation] = []


class _Introduction(msgspec.Struct, frozen=True):
    party: str
    host: str
    realms: dict[str, _Place]
    made_at: str = ""


class Introduced(msgspec.Struct, frozen=True):
    """A guest, by whom it is hosted, in which log it speaks and by which key."""

    party: str
    host: str
    origin: str
    public: bytes
    keys: dict[str, bytes] = {}
    """This key and every former one, by id."""
    ended: dict[str, int] = {}
    """From which place of the host's log on a former key signs nothing."""
    revoked: dict[str, Revoked] = {}


class KeyTimes(msgspec.Struct, frozen=True):
    """A party's record and log keys by id, and from when and which place on a record key is retired."""

    record: dict[str, bytes]
    log: dict[str, bytes]
    retired: dict[str, datetime]
    ended: dict[str, int]
    revoked: dict[str, Revoked]


def root_of(sealed: bytes) -> bytes:
    """Give the root key that a statement names as its own; `read` says whether it sealed it."""
    try:
        return msgspec.json.decode(dsse.payload_of(sealed), type=_Payload).root.public
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not a statement of keys: {error}") from error


def read(sealed: bytes, realm: str, root: bytes) -> Stated:
    """Read a statement that `root` sealed. Refuses another root or form, or a realm it lacks."""
    try:
        found = msgspec.json.decode(
            dsse.open_envelope(sealed, {key_id(root): root}, STATEMENT_TYPE), type=_Payload
        )
        at = parse_stamp(found.made_at)
        stated = found.realms[realm].since if realm in found.realms else None
        since = at if stated is None else min(at, parse_stamp(stated))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not a statement of keys: {error}") from error
    except SecretariatError as error:
        raise ProofError(error.what, where=error.where, advice=error.advice) from error
    if realm not in found.realms:
        raise ProofError(f"a statement of {found.party} without the realm {realm}")
    keys = found.realms[realm]
    return Stated(
        found.party,
        keys.origin,
        at,
        keys.record.public,
        keys.log.public,
        since,
        keys.since_entry,
        tuple(keys.revoked),
    )


def introduces(sealed: bytes) -> bool:
    """Whether a statement introduces a guest; else it is one of the party's own keys."""
    return dsse.parse(sealed).payload_type == INTRODUCTION_TYPE


def read_introduction(sealed: bytes, realm: str, root: bytes) -> Introduced:
    """Read the introduction of a guest that its own key and its host's `root` signed. Refuses any other."""
    try:
        said = msgspec.json.decode(dsse.payload_of(sealed), type=_Introduction)
        own = {key_id(public): public for public in (bytes.fromhex(one.key) for one in said.realms.values())}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProofError(f"not an introduction: {error}") from error
    signers = set(dsse.unseal(sealed, {**own, key_id(root): root}, INTRODUCTION_TYPE).key_ids)
    if key_id(root) not in signers or not signers & own.keys():
        raise ProofError(f"not signed by both {said.party} and its host {said.host}", where="signatures")
    return introduced(sealed, realm)


def introduced(sealed: bytes, realm: str) -> Introduced:
    """Read an introduction whose signatures were verified when it was taken."""
    try:
        said = msgspec.json.decode(dsse.payload_of(sealed), type=_Introduction)
        place = said.realms[realm]
        public = bytes.fromhex(place.key)
        former = {key_id(one): one for one in map(bytes.fromhex, place.former)}
        revoked = revocation.merged({}, place.revoked, latest=parse_stamp(said.made_at or _NEVER))
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError, SecretariatError) as error:
        raise ProofError(f"not an introduction: {error}") from error
    return Introduced(
        said.party,
        said.host,
        place.origin,
        public,
        {**former, key_id(public): public},
        {} if place.since_entry is None else dict.fromkeys(former, place.since_entry),
        revoked,
    )


def taken_back(sealed: bytes, realm: str) -> TakenBack:
    """Say what a sealed statement of keys revokes: a descriptor, a `key` entry, an introduction of a guest.

    It holds under the root key that it names itself. Whether that is the party's is for the caller to know; a
    statement that is believed wrongly only takes away. Refuses what is not signed so.
    """
    kind = dsse.parse(sealed).payload_type
    if kind == STATEMENT_TYPE:
        found = read(sealed, realm, root_of(sealed))
        return TakenBack(found.party, root_of(sealed), found.at, found.revoked)
    if kind == INTRODUCTION_TYPE:
        own = introduced(sealed, realm)
        dsse.unseal(sealed, {key_id(own.public): own.public}, INTRODUCTION_TYPE)
        said_at = max((one.since for one in own.revoked.values()), default=parse_stamp(_NEVER))
        return TakenBack(own.party, own.public, said_at, revocation.statements_of(own.revoked))
    claimed = entries.read(dsse.payload_of(sealed))
    roots = [bytes.fromhex(one.public) for one in entries.body_as(claimed, Key).keys if one.role == "root"]
    if len(roots) != 1 or claimed.realm != realm:
        raise ProofError(f"not a statement of {claimed.party}'s keys in {realm}")
    said = entries.verify(sealed, {key_id(roots[0]): roots[0]})
    return TakenBack(said.party, roots[0], said.at, tuple(entries.body_as(said, Key).revoked))


def times(stated: Iterable[Stated]) -> KeyTimes:
    """Give the keys of several statements with their ends (rule 2)."""
    record: dict[str, bytes] = {}
    log: dict[str, bytes] = {}
    retired: dict[str, datetime] = {}
    ended: dict[str, int] = {}
    revoked: dict[str, Revoked] = {}
    for one in sorted(stated, key=lambda each: each.at):
        now = key_id(one.record)
        for before in record.keys() - {now}:
            retired.setdefault(before, one.since)
            if one.since_entry is not None:
                ended.setdefault(before, one.since_entry)
        retired.pop(now, None)
        ended.pop(now, None)
        record[now] = one.record
        log[key_id(one.log)] = one.log
        revoked = revocation.merged(revoked, one.revoked, latest=one.at)
    return KeyTimes(record, log, retired, ended, revoked)


def valid_at(keys: Mapping[str, bytes], retired: Mapping[str, datetime], at: datetime) -> dict[str, bytes]:
    """Give the keys that may have signed something that was recorded at a moment."""
    return {key: public for key, public in keys.items() if key not in retired or at < retired[key]}


def verify_entry(
    envelope: bytes,
    keys: Mapping[str, bytes],
    retired: Mapping[str, datetime],
    ended: Mapping[str, int],
    position: int,
) -> Statement:
    """Verify an entry with the keys that may have signed at its time and place (rule 2), and read it.

    Whether a revoked key's signature counts is another question: revocation.py.
    """
    if retired:
        keys = valid_at(keys, retired, entries.read(dsse.payload_of(envelope)).at)
        keys = {key: public for key, public in keys.items() if key not in ended or position < ended[key]}
    return entries.verify(envelope, keys)


def signers(envelope: bytes, keys: Mapping[str, bytes]) -> set[str]:
    """Name those of `keys` that stand under a verified envelope."""
    return {one.keyid for one in dsse.parse(envelope).signatures} & keys.keys()
