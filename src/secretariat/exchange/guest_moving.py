"""A guest moves to a node of its own: one file at the host, one `init` at the new node.

Rules (decisions.md 5):

1. The file (ZIP, mode 0600) holds per realm the guest's key, its objects as they were signed, and the entries
   by and for it in the host's log, each with its proof, as `secretariat log verify --file` reads them.
2. Writing the file ends the guest here: its key is destroyed, people and tokens are let in no more, nothing
   is granted to it. The host keeps its log, with what it granted and what the guest said.
3. The new node verifies every signature and proof before it keeps anything. Its keys are new; the old key
   signs one statement that names the new root; then only its public half is kept, for what it signed.
4. What the host's operator copied before cannot be undone. The statement of the old key says from when on
   nothing under it counts.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import InputError, NotFoundError, ProofError
from secretariat.exchange import guest_store, guests
from secretariat.ledger import entries, export, guest_keys, keys, object_signature
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.checkpoint import parse
from secretariat.ledger.dsse import payload_of
from secretariat.ledger.entries import Draft
from secretariat.ledger.entries import Guest as GuestBody
from secretariat.ledger.keys import Keyring, Signer, key_id
from secretariat.ledger.model import PeerEntry
from secretariat.ledger.property_tree import root_of
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.store import Version

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

FORMAT = "secretariat-guest"
VERSION = 1
_HEAD = "guest.json"
_MAX_HEAD = 1_048_576


class Realm(msgspec.Struct, frozen=True):
    """One realm of the file: the key in PEM, and what the host's log and root key are."""

    key: str
    origin: str
    host_root: str
    former: list[str] = []
    """The keys that it had before, in hex."""


class Head(msgspec.Struct, frozen=True):
    """What the file is."""

    format: str
    v: int
    party: str
    name: str
    host: str
    realms: dict[str, Realm]


class Moved(msgspec.Struct, frozen=True):
    """What was written, or taken in: counts per realm."""

    party: str
    file: str
    objects: dict[str, int]
    entries: dict[str, int]


class Arrived(msgspec.Struct, frozen=True):
    """A file that was read and verified."""

    head: Head
    objects: dict[str, list[Version]]
    logs: dict[str, tuple[export.Head, list[export.Line]]]
    signers: dict[str, Signer]


# at the host


def move(node: Node, party: str, out: Path, *, by: str, now: datetime) -> Moved:
    """Write everything of a guest to `out` and end it here. Refuses an existing file and who is no guest."""
    if out.exists():
        raise InputError("the file exists already", where=str(out), advice="choose another name")
    objects: dict[str, int] = {}
    lines: dict[str, int] = {}
    realms: dict[str, Realm] = {}
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    name = party
    try:
        with (
            os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw_file,
            zipfile.ZipFile(raw_file, "w", zipfile.ZIP_DEFLATED) as packed,
            tempfile.TemporaryDirectory() as folder,
        ):
            for realm in node.settings.realms:
                host = node.keyring(realm)
                ring = guest_keys.load(keys.folder_of(node.settings.data, realm), party, host)
                with node.database.app(realm) as tx:
                    held = guest_store.guest_of(tx, party)
                    if held is None or held.state == "ended":
                        raise NotFoundError(f"{party} is no guest here", where=party)
                    name = held.name
                    log = export.write_guest(tx, host, Path(folder) / f"{realm}.log", guest=party, now=now)
                packed.write(log.file, f"log/{realm}.jsonl")
                found = _objects_of(node, realm, party)
                packed.writestr(f"objects/{realm}.json", msgspec.json.encode(found))
                former = [public.hex() for public in ring.retired.values()]
                pem = ring.record.to_pem().decode()
                realms[realm] = Realm(pem, host.origin, host.root_public.hex(), former)
                objects[realm], lines[realm] = len(found), log.entries
            head = Head(FORMAT, VERSION, party, name, node.party, realms)
            packed.writestr(_HEAD, msgspec.json.encode(head))
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.rename(out)  # before anything ends here: killed now, `move` to another file does the rest
    finally:
        beside.unlink(missing_ok=True)
    _leave(node, party, by, now)
    for realm in node.settings.realms:
        guest_keys.destroy(keys.folder_of(node.settings.data, realm), party)
    return Moved(party, str(out), objects, lines)


def _objects_of(node: Node, realm: str, party: str) -> list[Version]:
    """Give what the guest sees: what was granted to it, and what it wrote."""
    with node.database.peer(realm, party) as tx:
        ids = guest_store.shelved(tx, party)
    found = []
    for database in (node.database, node.database.kept_for(party)):
        with database.app(realm) as tx:
            found += records.by_ids(tx, ids)
    found.sort(key=lambda one: one.id)
    return [Version(**{name: getattr(one, name) for name in Version.__struct_fields__}) for one in found]


def _leave(node: Node, party: str, by: str, now: datetime) -> None:
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            held = guest_store.guest_of(tx, party)
            if held is not None and held.state == "hosted":
                reason = f"moved to an own node (by {by})"
                guests.leave(tx, node, realm, held, act="move", reason=reason, now=now)


# at the new node


def read(path: Path) -> Arrived:
    """Read and verify the file of a guest. Refuses whatever was not signed, proven or complete."""
    try:
        with zipfile.ZipFile(path) as packed:
            if packed.getinfo(_HEAD).file_size > _MAX_HEAD:
                raise InputError("not the file of a guest", where=_HEAD)
            head = msgspec.json.decode(packed.read(_HEAD), type=Head)
            if (head.format, head.v) != (FORMAT, VERSION):
                raise InputError(f"format {head.format!r} version {head.v}", where=_HEAD)
            objects, logs, signers = {}, {}, {}
            for realm, one in head.realms.items():
                signers[realm] = Signer.from_pem(one.key.encode(), where=f"{_HEAD}/{realm}")
                logs[realm] = _log(packed, realm, head)
                objects[realm] = msgspec.json.decode(packed.read(f"objects/{realm}.json"), type=list[Version])
                publics = _publics(signers[realm], one)
                _check_objects(head.party, publics, objects[realm], f"objects/{realm}.json")
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError, OSError) as error:
        raise InputError(
            f"not the file of a guest: {error}", where=str(path), advice="secretariat guests move writes it"
        ) from error
    return Arrived(head, objects, logs, signers)


def _log(packed: zipfile.ZipFile, realm: str, head: Head) -> tuple[export.Head, list[export.Line]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(packed.read(f"log/{realm}.jsonl"))
        report = export.verify_file(path, root_key=bytes.fromhex(head.realms[realm].host_root))
        if not report.holds:
            raise ProofError(
                f"the log of {head.host} does not hold: {report.problems[0].what}",
                where=f"log/{realm}.jsonl, {report.problems[0].where}",
                advice="the file was changed; ask the host for it again",
            )
        found = export.read_file(path)
    if (found[0].origin, found[0].party, found[0].realm) != (head.realms[realm].origin, head.host, realm):
        raise ProofError("the log is another one than the file names", where=f"log/{realm}.jsonl")
    return found


def _publics(signer: Signer, one: Realm) -> dict[str, bytes]:
    former = [bytes.fromhex(public) for public in one.former]
    return {key_id(public): public for public in (*former, signer.public)}


def _check_objects(party: str, publics: dict[str, bytes], found: list[Version], where: str) -> None:
    for place, one in enumerate(found):
        if one.root is None or one.salt is None or one.envelope is None:
            if one.originator == party and one.state == "draft":
                continue
            raise ProofError(f"{one.stix_id} bears no signature", where=f"{where}/{place}")
        if root_of(one.data, one.salt) != one.root:
            raise ProofError(f"{one.stix_id} is not what was signed", where=f"{where}/{place}")
        if one.originator == party:
            object_signature.verify_object(one.envelope, one.data, one.salt, publics)
        elif any(number.encode() in one.envelope for number in publics):
            raise ProofError(
                f"{party} signed {one.stix_id}, here it is {one.originator}'s", where=f"{where}/{place}"
            )


def take_keys(arrived: Arrived, folder: Path, realm: str) -> None:
    """Keep the old key's public half among those retired: what it signed stays this party's."""
    signer = arrived.signers[realm]
    retired = folder / "retired"
    retired.mkdir(exist_ok=True, mode=0o700)
    for number, public in _publics(signer, arrived.head.realms[realm]).items():
        keys.write_public(retired / f"{number}.pub", public)


def take(node: Node, arrived: Arrived, *, now: datetime) -> Moved:
    """Keep the history at the new node and sign the hand-over with the old key; one transaction per realm."""
    head = arrived.head
    if head.party != node.party:
        raise InputError(f"the file is {head.party}'s, this node is {node.party}'s", where="--party")
    objects: dict[str, int] = {}
    lines: dict[str, int] = {}
    for realm in node.settings.realms:
        if realm not in arrived.logs:
            continue
        with node.database.app(realm) as tx:
            objects[realm] = _take_objects(tx, node, realm, arrived, now)
            lines[realm] = _take_log(tx, *arrived.logs[realm], now)
            _hand_over(tx, node, realm, arrived, now)
    return Moved(head.party, "", objects, lines)


def _take_objects(tx: sa.Connection, node: Node, realm: str, arrived: Arrived, now: datetime) -> int:
    own, theirs = list[Version](), list[Version]()
    for one in arrived.objects[realm]:
        if one.originator == node.party:
            own.append(msgspec.structs.replace(one, source=node.party))
        else:
            theirs.append(msgspec.structs.replace(one, source=arrived.head.host, state="kept"))
    for kind, rows in (("own", own), ("from_partners", theirs)):
        place = collections.ensure(tx, kind, node.party, party=node.party, realm=realm)
        if rows:
            collections.add(tx, place, records.put(tx, rows), now=now)
    return len(own) + len(theirs)


def _take_log(tx: sa.Connection, head: export.Head, lines: list[export.Line], now: datetime) -> int:
    note = head.checkpoint.encode()
    size = parse(note).size
    kept = []
    for line in lines:
        envelope = line.envelope.encode()
        said = entries.read(payload_of(envelope))
        kept.append(
            PeerEntry(
                head.origin,
                line.position,
                said.kind,
                said.party,
                said.recipient,
                envelope,
                bytes.fromhex(line.salt),
                size,
                b"".join(bytes.fromhex(step) for step in line.path or ()),
                now,
            )
        )
    ledger_store.add_peer_note(tx, head.origin, size, note, now)
    return ledger_store.add_peer_entries(tx, kept)


def _hand_over(tx: sa.Connection, node: Node, realm: str, arrived: Arrived, now: datetime) -> None:
    """Write the old key's last word into the new log: where it spoke, and which root speaks next."""
    own = node.keyring(realm)
    head = arrived.head
    host = Keyring(
        head.host, realm, head.realms[realm].origin, None, own.record, own.log, own.transport, own.witness,
        bytes.fromhex(head.realms[realm].host_root),
    )  # fmt: skip
    ring = guest_keys.ring_of(arrived.signers[realm], node.party, host)
    word = guests.hosted_statement(ring, "move", now=now, following=own.root_public.hex())
    body = GuestBody(
        act="move",
        party=node.party,
        name=head.name,
        key=ring.record.public.hex(),
        statement=json.loads(word),
        reason=f"was a guest of {head.host}",
    )
    ledger.append(tx, own, [Draft("guest", None, body)], now=now)
