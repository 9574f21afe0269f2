"""The node's own keys over their life: what is in force, replacing, revoking, taking the root key away.

Rules:

1. Replacing and revoking are written into the log by a `key` entry under the root key, and reach partners by
   the descriptor that the root key seals in the same step. Both need it: on this machine, or brought in a
   file (ledger/root_file.py).
2. A key in force that is revoked is replaced in the same step: nothing is ever signed with a revoked key.
3. No node serves meanwhile: a process that runs holds the keys that it read when it started.
4. Each key is put into its place in one step, so whatever ends a command in the middle leaves the old key
   or the new one in force. Where the log does not say so yet (`unsaid`) the next `rotate` finishes that
   instead of replacing another key, and so does the start of the node where the root key is here.
5. The root key is not revoked: nothing above it could. A party that lost it enrols anew (rebinding.py).
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from secretariat.base.clock import stamp
from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.exchange import enrolment
from secretariat.ledger import keys, root_file, sealing, tls_key, witness_store
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Key
from secretariat.ledger.keys import ROLES, Keyring, Signer, key_id
from secretariat.ledger.node import Node
from secretariat.ledger.revocation import Reason, Revocation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import sqlalchemy as sa

    from secretariat.base.settings import NodeSettings
    from secretariat.ledger.model import Entry
    from secretariat.ledger.revocation import Revoked
    from secretariat.ledger.sealing import SealingKeys
    from secretariat.ledger.tls_key import TlsKey
    from secretariat.storage.engine import Database

    Roots = Mapping[str, Signer]
    """Root keys that were brought for one step, by realm."""


_CUT_SHORT = "a step that was cut short is finished"


class KeyLife(msgspec.Struct, frozen=True):
    """One key of this node: since when it is in force, until when it was, where it is."""

    role: str
    key_id: str
    since: datetime | None
    entry: int | None
    """The `key` entry that put it into force."""
    until: datetime | None = None
    revoked: Revoked | None = None
    file: str = ""
    here: bool = True
    """Whether the private half is on this machine."""
    due: bool = False
    due_on: datetime | None = None
    """When it is to be replaced (`key_age_days`)."""


class Due(msgspec.Struct, frozen=True):
    """Something that is to be done about the keys of a realm: what, about which key, by which command."""

    what: Literal["cut-short", "not-stated", "root-here", "old", "still-opens", "unseen"]
    role: str
    how: str


class Seen(msgspec.Struct, frozen=True):
    """The last word of a witness on this node's log."""

    witness: str
    size: int
    at: int


class Status(msgspec.Struct, frozen=True):
    """The keys of one realm, in force first, and who cosigned the log last."""

    realm: str
    origin: str
    keys: list[KeyLife]
    seen: list[Seen]
    stated: bool
    """Whether there is a descriptor to give that names the keys in force."""
    unsaid: list[str] = []
    """Roles whose keys were replaced or revoked without an entry: a step that was cut short."""


class Done(msgspec.Struct, frozen=True):
    """A key that was replaced: the new one, and the entry that says so."""

    role: str
    key_id: str
    entry: int
    revoked: str | None = None
    finished: bool = False
    """Whether this only finished a step that was cut short."""


def status(node: Node, realm: str, *, now: datetime) -> Status:
    """Give every key of a realm with its times, and what is due."""
    ring = node.keyring(realm)
    with node.database.app(realm) as tx:
        said = ledger.key_entries(tx)
        words = witness_store.newest(tx, ring.origin)
    folder = keys.folder_of(node.settings.data, realm)
    lives = [_life(ring, folder, role, said, now, node.settings.limits.key_age_days) for role in ROLES]
    if ring.tls is not None:
        lives.append(_certificate(ring.tls, now, node.settings.limits.key_age_days))
    if ring.sealing is not None:
        lives += _sealing(ring.sealing, folder, now, node.settings.limits.key_age_days)
    lives += _former(ring, said)
    lives += [
        KeyLife("sealing", number, None, None, until=one.since, revoked=one, here=False)
        for number, one in ring.revoked.items()
        if one.role == "sealing"
    ]
    seen = [Seen(one.witness, one.size, one.seconds) for one in words if one.witness != ring.origin]
    try:
        enrolment.describe(node, now=now)
    except StateError:
        stated = False
    else:
        stated = True
    return Status(realm, ring.origin, lives, seen, stated, unsaid(ring, said))


def due(found: Status) -> list[Due]:
    """Say what is to be done, the most urgent first, each with its command."""
    at = "" if found.realm == "live" else f" --realm {found.realm}"
    root = next(one for one in found.keys if one.role == "root")
    away = "" if root.here else " --root FILE"
    listed = []
    for role in found.unsaid[:1]:
        finishes = "record" if role == "sealing" else role  # whatever is to be replaced: that comes first
        listed.append(Due("cut-short", role, f"secretariat keys rotate {finishes}{at}{away}"))
    if not found.stated:
        listed.append(Due("not-stated", "root", "secretariat keys state --root FILE"))
    listed += [
        Due("old", one.role, f"secretariat keys rotate {one.role}{at}{away}") for one in found.keys if one.due
    ]
    if root.here:
        listed.append(Due("root-here", "root", "secretariat keys offline FILE"))
    if not found.seen:
        listed.append(Due("unseen", "log", "secretariat peers list"))
    return listed + [
        Due(
            "still-opens",
            one.role,
            f"secretariat keys revoke {one.key_id} --since now --reason ended{at}{away}",
        )
        for one in found.keys
        if one.role == "sealing" and one.until is not None and one.here
    ]


def unsaid(ring: Keyring, said: list[tuple[Entry, Key]]) -> list[str]:
    """Name the roles whose present key, or whose revocation, the last `key` entry does not state."""
    if not said:
        return []
    body = said[-1][1]
    named = {(line.role, line.key_id) for line in body.keys}
    stated = {one.key for one in body.revoked}
    found = {role for role, public in ring.by_role.items() if (role, key_id(public)) not in named}
    return sorted(found | {one.role for number, one in ring.revoked.items() if number not in stated})


def finish(node: Node, realm: str, *, now: datetime) -> list[str]:
    """Write the `key` entry that a step which was cut short left out; gives the roles it is about.

    Refuses where the root key is not on this machine.
    """
    ring = node.keyring(realm)
    with node.database.app(realm) as tx:
        lacking = unsaid(ring, ledger.key_entries(tx))
        if not lacking:
            return []
        if ring.root is None:
            raise StateError(
                f"a step was cut short: the log does not name the {' and '.join(lacking)} key of {realm}",
                where=ring.origin,
                advice=f"secretariat keys rotate {lacking[0]} --realm {realm} --root FILE finishes it",
            )
        folder = keys.folder_of(node.settings.data, realm)
        keys.write_publics(folder, ring)
        _write(tx, ring, _CUT_SHORT, now)
    sealing.destroy(folder, ring.revoked)
    return lacking


def _life(
    ring: Keyring, folder: Path, role: str, said: list[tuple[Entry, Key]], now: datetime, days: int
) -> KeyLife:
    number = key_id(ring.by_role[role])
    first = None
    for entry, body in said:
        named = any(line.key_id == number and line.role == role for line in body.keys)
        first = (first or entry) if named else None
    since = None if first is None else first.recorded_at
    here = role != "root" or ring.root is not None
    old = since is not None and now - since > timedelta(days=days)
    return KeyLife(
        role,
        number,
        since,
        None if first is None else first.position,
        file=str(folder / f"{role}.pem") if here else "",
        here=here,
        due=old and role != "root",
        due_on=None if since is None or role == "root" else since + timedelta(days=days),
    )


def _certificate(tls: TlsKey, now: datetime, days: int) -> KeyLife:
    """The key of the own certificate signs nothing and stands in no entry: partners know its pin."""
    old = now - tls.made_at > timedelta(days=days)
    until = tls.made_at + timedelta(days=days)
    return KeyLife(
        tls_key.ROLE, f"sha256-{tls.pin}", tls.made_at, None, file=str(tls.path), due=old, due_on=until
    )


def _sealing(held: SealingKeys, folder: Path, now: datetime, days: int) -> list[KeyLife]:
    """The sealing keys stand in no entry: their files say since when they lie there."""
    path = folder / sealing.FILE
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    until = made + timedelta(days=days)
    lives = [
        KeyLife("sealing", held.key_id, made, None, file=str(path), due=now > until, due_on=until),
    ]
    for number in held.former:
        path = folder / "retired" / f"{number}.pem"
        replaced = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        lives.append(KeyLife("sealing", number, None, None, until=replaced, file=str(path)))
    return lives


def _former(ring: Keyring, said: list[tuple[Entry, Key]]) -> list[KeyLife]:
    lives: dict[str, KeyLife] = {}
    present = {key_id(public) for public in ring.by_role.values()}
    for entry, body in said:
        named = {line.key_id: line.role for line in body.keys}
        for number, one in lives.items():
            if number not in named and one.until is None:
                lives[number] = msgspec.structs.replace(one, until=entry.recorded_at)
        for number, role in named.items():
            if number not in present:
                lives.setdefault(number, KeyLife(role, number, entry.recorded_at, entry.position, here=False))
    return [msgspec.structs.replace(one, revoked=ring.revoked.get(number)) for number, one in lives.items()]


def roots_of(settings: NodeSettings, signers: list[Signer] | None) -> dict[str, Signer]:
    """Give the root key of every realm: those that were brought, else those on this machine.

    Refuses where one is neither here nor among those brought, and one of no realm. Reads nothing else,
    since another key may be what is missing.
    """
    halves = {realm: keys.root_of(keys.folder_of(settings.data, realm)) for realm in settings.realms}
    brought = {one.public: one for one in signers or ()}
    strange = brought.keys() - {public for public, _ in halves.values()}
    if strange:
        raise InputError(f"{brought[min(strange)].key_id} is no root key of this node", where="--root")
    found: dict[str, Signer] = {}
    for realm, (public, held) in halves.items():
        root = brought.get(public) or held
        if root is None:
            raise StateError(
                f"the root key of {realm} is not on this machine", advice="bring it: --root FILE"
            )
        found[realm] = root
    return found


def rotate(
    settings: NodeSettings, realm: str, role: str, *, roots: Roots, reason: str, now: datetime
) -> Done:
    """Replace a key, write the `key` entry and seal the new descriptor. Refuses while a node serves.

    Where a step was cut short this finishes it, whatever its role, and replaces nothing more.
    """
    folder = keys.folder_of(settings.data, realm)
    with _stopped(settings) as database:
        if role == "sealing":  # it signs nothing: partners learn it from the descriptor
            fresh = sealing.rotate(folder)
            enrolment.keep_descriptor(Node.open(settings, database), _first(settings, roots), now=now)
            return Done(role, fresh.key_id, -1)
        if role == tls_key.ROLE:
            made = tls_key.rotate(folder)
            enrolment.keep_descriptor(Node.open(settings, database), _first(settings, roots), now=now)
            return Done(role, f"sha256-{made.pin}", -1)
        filled = keys.replace_missing(folder, role)
        with database.app(realm) as tx:
            ring = keys.with_root(_ring(settings, realm), roots[realm])
            ledger.open_log(tx, ring, now=now)
            lacking = [] if filled else unsaid(ring, ledger.key_entries(tx))
            if lacking:
                role, reason = lacking[0], _CUT_SHORT
            elif not filled:
                ring = _replaced(folder, ring, role)
            keys.write_publics(folder, ring)
            entry = _write(tx, ring, reason or f"{role} key replaced", now)
        sealing.destroy(folder, ring.revoked)
        enrolment.keep_descriptor(Node.open(settings, database), _first(settings, roots), now=now)
    number = key_id(ring.by_role[role]) if role in ring.by_role else ""
    return Done(role, number, entry, finished=bool(lacking))


def revoke(
    settings: NodeSettings,
    realm: str,
    number: str,
    *,
    since: datetime,
    reason: Reason,
    roots: Roots,
    now: datetime,
) -> Done:
    """Say that a key counts no more since a moment; replace it where it is in force. No node may serve.

    Refuses a moment to come, the root key, another party's key, and a revocation that says nothing new.
    """
    if since > now:
        raise InputError("a key is revoked from now on or since earlier", where="--since")
    folder = keys.folder_of(settings.data, realm)
    with _stopped(settings) as database:
        with database.app(realm) as tx:
            ring = keys.with_root(_ring(settings, realm), roots[realm])
            ledger.open_log(tx, ring, now=now)
            said = ledger.key_entries(tx)
            role = _role_of(ring, number, said)
            present = ring.sealing.key_id if role == "sealing" and ring.sealing else ""
            stated = {one.key: one.since for one in said[-1][1].revoked}
            one = Revocation(number, role, stamp(since), reason)
            if number in stated and stated[number] <= one.since:
                raise ConflictError(f"{number} is revoked already, since {stated[number]}")
            if number == present:
                sealing.rotate(folder)
            elif role != "sealing" and key_id(ring.by_role[role]) == number:
                ring = _replaced(folder, ring, role)
            ring = keys.revoke(folder, ring, one, now=now)
            entry = _write(tx, ring, f"{role} key revoked: {reason}", now)
        sealing.destroy(folder, ring.revoked)
        there = Node.open(settings, database)
        enrolment.keep_descriptor(there, _first(settings, roots), now=now)
    held = there.keyring(realm).sealing
    fresh = held.key_id if role == "sealing" and held else key_id(ring.by_role.get(role, ring.root_public))
    return Done(role, fresh, entry, number)


def state(settings: NodeSettings, *, roots: Roots, now: datetime) -> bytes:
    """Seal a descriptor of the present keys and address, for the time when the root key is away."""
    with _stopped(settings) as database:
        return enrolment.keep_descriptor(Node.open(settings, database), _first(settings, roots), now=now)


def take_away(settings: NodeSettings, path: Path, passphrase: str, *, now: datetime) -> list[str]:
    """Write the root keys to a file, check it, and delete them here; gives their ids.

    Everything that needs them is done first: each log is opened, the descriptor is sealed. Refuses where one
    is away already, and as root_file.write says; then nothing is deleted. A file that holds them all was
    written by a run that was cut short: what is left here is deleted.
    """
    if path.exists():
        return _rest_taken_away(settings, path, passphrase)
    roots = roots_of(settings, None)
    with _stopped(settings) as database:
        for realm in settings.realms:
            with database.app(realm) as tx:
                ledger.open_log(tx, _ring(settings, realm), now=now)
        enrolment.keep_descriptor(Node.open(settings, database), _first(settings, roots), now=now)
        root_file.write(path, list(roots.values()), passphrase)
        for realm in settings.realms:
            (keys.folder_of(settings.data, realm) / "root.pem").unlink()
    return [one.key_id for one in roots.values()]


def _rest_taken_away(settings: NodeSettings, path: Path, passphrase: str) -> list[str]:
    """Delete the root keys that are still here and stand in the file. Refuses another node's file."""
    there = {one.public: one for one in root_file.read(path, passphrase)}
    folders = [keys.folder_of(settings.data, realm) for realm in settings.realms]
    wanted = [keys.root_of(folder) for folder in folders]
    if {public for public, _ in wanted} != there.keys() or all(held is None for _, held in wanted):
        raise ConflictError("the file exists already", where=str(path), advice="take a new one")
    with _stopped(settings):
        for folder in folders:
            (folder / "root.pem").unlink(missing_ok=True)
    return [there[public].key_id for public, _ in wanted]


@contextlib.contextmanager
def _stopped(settings: NodeSettings) -> Iterator[Database]:
    from secretariat.storage.opening import opened

    with opened(settings, serving=True) as database:  # refuses beside a node that serves
        yield database


def _ring(settings: NodeSettings, realm: str) -> Keyring:
    folder = keys.folder_of(settings.data, realm)
    return keys.load(folder, party=settings.party, realm=realm, host=settings.host)


def _replaced(folder: Path, ring: Keyring, role: str) -> Keyring:
    host = ring.origin.rpartition("/")[0]
    return keys.rotate(folder, role, party=ring.party, realm=ring.realm, host=host, root=ring.root)


def _first(settings: NodeSettings, roots: Roots) -> Signer:
    return roots[settings.realms[0]]


def _role_of(ring: Keyring, number: str, said: list[tuple[Entry, Key]]) -> Any:
    named: dict[str, str] = {line.key_id: line.role for _, body in said for line in body.keys}
    named |= {key_id(public): role for role, public in ring.by_role.items()}
    if ring.sealing is not None:
        named |= dict.fromkeys([ring.sealing.key_id, *ring.sealing.former], "sealing")
    named |= {revoked: one.role for revoked, one in ring.revoked.items()}
    role = named.get(number)
    if role is None:
        raise NotFoundError(f"{number} is no key of {ring.origin}", advice="secretariat keys status")
    if role == "root":
        raise InputError(
            "nothing stands above the root key that could revoke it",
            where=number,
            advice="make a new node under a new root key and enrol again: docs/keys.md, A lost root key",
        )
    return role


def _write(tx: sa.Connection, ring: Keyring, reason: str, now: datetime) -> int:
    [entry] = ledger.append(tx, ring, [ledger.key_draft(ring, reason=reason)], now=now)
    return entry.position
