"""Writing and reading this node's log. One verb here is one step inside the caller's transaction.

Rules:

1. Appending takes the head's lock first and holds it to the transaction's end: positions follow commit order.
2. Entries, tiles, head and checkpoint are written in that one transaction: all of it stands, or nothing does.
3. The first entry of every log is its `key` entry, signed with the root key; whoever holds the root's public
   half can verify the whole log from it.
4. Proofs are computed from tiles: a handful of rows however long the log.
5. A checkpoint is signed only over what this transaction appended to the head it locked, so no two
   checkpoints of one log contradict each other.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from secretariat.base.errors import InputError, NotFoundError, ProofError, StateError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import dsse, entries, merkle, revocation, store, tiles
from secretariat.ledger.entries import Draft, Guest, Key, KeyLine, Statement
from secretariat.ledger.keys import Keyring, Signer, key_id
from secretariat.ledger.merkle import Frontier
from secretariat.ledger.model import Entry, EntryLine, Head
from secretariat.ledger.witness import RECOVERY, StoppedError
from secretariat.storage.engine import together
from secretariat.storage.feed import FEED, notify

PAGE = 100


class EntryDetail(msgspec.Struct, frozen=True):
    """An entry with its payload read."""

    entry: Entry
    statement: Statement
    key_ids: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """The result of verifying one entry now, step by step; `holds` is their conjunction."""

    position: int
    size: int
    steps: list[Step]

    @property
    def holds(self) -> bool:
        """Whether every step holds."""
        return all(step.holds for step in self.steps)


class Step(msgspec.Struct, frozen=True):
    """One check and its outcome."""

    name: str
    holds: bool
    detail: str = ""


def lock(tx: Connection) -> Head:
    """Take the append lock until the transaction ends, and give the head. Refuses a stopped log."""
    held = store.lock_head(tx)
    if held.stopped is not None:
        raise StoppedError(held.stopped, advice=RECOVERY)
    return held


def append(
    tx: Connection, keyring: Keyring, drafts: Sequence[Draft], *, now: datetime, head: Head | None = None
) -> list[Entry]:
    """Sign and append entries in the caller's transaction; give them with their positions.

    Writes tiles and a checkpoint over the new size, and wakes the recipients when the transaction commits.
    `head` is what `lock` gave in this same transaction, where the caller took it. Refuses drafts that are not
    of a known kind, a `key` entry without the root key on this machine, and keys that the log does not name.
    """
    return extend(tx, keyring, drafts, now=now, head=head).entries if drafts else []


class Extension(msgspec.Struct, frozen=True):
    """What an append made of the log, as a witness is asked about it."""

    entries: list[Entry]
    before: Head
    size: int
    note: bytes
    """The checkpoint over the new size, as the log alone signed it."""
    leaves: list[bytes]

    def consistency(self) -> list[bytes]:
        """Prove that the log before is a prefix of the log now; nothing is read for it."""
        return merkle.extension_path(Frontier.from_bytes(self.before.size, self.before.frontier), self.leaves)


def extend(
    tx: Connection, keyring: Keyring, drafts: Sequence[Draft], *, now: datetime, head: Head | None = None
) -> Extension:
    """Append one draft or more as `append` does; give the new checkpoint and what proves it, too."""
    held = head or lock(tx)
    opening = [] if held.size or drafts[0].kind == "key" else [_opening(keyring)]
    written, note = _write(tx, keyring, _sealing(keyring, [*opening, *drafts], held, now), held, now)
    leaves = [one.leaf for one in written]
    return Extension(written[len(opening) :], held, held.size + len(leaves), note, leaves)


def seal(keyring: Keyring, drafts: Sequence[Draft], *, now: datetime, head: Head) -> list[Entry]:
    """Sign what `append_sealed` will write, while the database is busy with something else.

    `head` is that of a log which is open, locked in the transaction that appends. Refuses as `append` does.
    """
    return list(_sealing(keyring, drafts, head, now))


def append_sealed(
    tx: Connection, keyring: Keyring, sealed: Sequence[Entry], *, now: datetime, head: Head
) -> None:
    """Append what `seal` signed under the same lock."""
    _write(tx, keyring, sealed, head, now)


def _sealing(keyring: Keyring, drafts: Sequence[Draft], held: Head, now: datetime) -> Iterator[Entry]:
    if held.size and drafts[0].kind != "key" and held.keys != in_force(keyring):
        raise StateError(
            "the log names other keys than those this process signs with",
            where=keyring.origin,
            advice="start the node again; if that does not help, `secretariat keys rotate` was interrupted: "
            "run it again",
        )
    for number, draft in enumerate(drafts):
        signer = keyring.host or keyring if draft.kind == "key" else keyring
        yield _seal(signer, draft, held.size + number, now)


def _write(
    tx: Connection, keyring: Keyring, sealed: Iterable[Entry], held: Head, now: datetime
) -> tuple[list[Entry], bytes]:
    coming = iter(sealed)
    written = list(itertools.islice(coming, 2))
    with together(tx):
        if len(written) > 1:
            coming = itertools.chain(written, coming)
            written = store.insert(tx, coming)
        frontier = Frontier.from_bytes(held.size, held.frontier)
        pieces = tiles.grow(frontier, [item.leaf for item in written])
        root = frontier.root()
        note = notes.sign(keyring.origin, frontier.size, root, keyring.log)
        grown = Head(frontier.size, root, frontier.to_bytes(), in_force(keyring))
        if len(written) == len(pieces) == 1 and pieces[0][2] % tiles.PART:
            store.write_one(tx, written[0], pieces[0], grown, note, now)
        else:
            if len(written) == 1:
                store.insert(tx, written)
            store.write_tree(tx, pieces, grown, note, now)
        for recipient in sorted({item.recipient for item in written if item.recipient is not None}):
            notify(tx, FEED, recipient)
    return written, note


def in_force(keyring: Keyring) -> str:
    """Name the keys that sign entries and checkpoints, as the head keeps them; of a guest, its host's."""
    return f"{(keyring.host or keyring).record.key_id} {keyring.log.key_id}"


def _seal(keyring: Keyring, draft: Draft, position: int, now: datetime) -> Entry:
    payload = entries.payload(draft, realm=keyring.realm, origin=keyring.origin, party=keyring.party, now=now)
    done = entries.seal(payload, draft, _signer(keyring, draft.kind), secrets.token_bytes(entries.SALT_BYTES))
    return Entry(
        position,
        draft.kind,
        keyring.party,
        draft.recipient,
        now,
        done.envelope,
        done.salt,
        done.digest,
        done.leaf,
    )


def _signer(keyring: Keyring, kind: str) -> Signer:
    if kind != "key":
        return keyring.record
    if keyring.root is None:
        raise StateError(
            "a key entry is signed with the root key, which is not on this machine",
            advice="put root.pem into the key folder for this one step",
        )
    return keyring.root


def _opening(keyring: Keyring) -> Draft:
    return key_draft(keyring.host or keyring, reason="the first keys of this log")


def key_draft(keyring: Keyring, *, reason: str) -> Draft:
    """Give the `key` entry that names the keys now in force: after a rotation, append it."""
    lines = [KeyLine(role, key_id(public), public.hex()) for role, public in keyring.by_role.items()]  # type: ignore[arg-type]
    revoked = list(revocation.statements_of(keyring.revoked))
    body = Key(keys=lines, retired=sorted(keyring.retired), revoked=revoked, reason=reason)
    return Draft("key", None, body)


def open_log(tx: Connection, keyring: Keyring, *, now: datetime) -> Head:
    """Write the first entry, the keys, where the log is empty; give the head. `append` does it too."""
    head = lock(tx)
    if head.size == 0:
        append(tx, keyring, [_opening(keyring)], now=now, head=head)
    return store.read_head(tx)


def head(tx: Connection) -> Head:
    """Give size and root of the log as this transaction sees it."""
    return store.read_head(tx)


def checkpoint(tx: Connection, size: int | None = None) -> bytes:
    """Give the signed note of the newest checkpoint (or of `size`), as the log alone signed it.

    `witnessing.checkpoint` adds the cosignatures. Works in a peer's transaction too. Refuses an empty log,
    and a size that never was a checkpoint.
    """
    note = store.read_note(tx, size)
    if note is None:
        if size is None:
            raise NotFoundError("this log is empty", advice="it begins with the first thing recorded")
        raise NotFoundError(f"no checkpoint of size {size}", advice="ask for the newest")
    return note


def inclusion(tx: Connection, position: int, size: int) -> list[bytes]:
    """Prove that the entry at `position` stands in the tree of `size` (RFC 9162 section 2.1.3)."""
    return inclusions(tx, [position], size)[position]


def inclusions(tx: Connection, positions: Sequence[int], size: int) -> dict[int, list[bytes]]:
    """Prove many entries at once: the tiles of a page of entries are read in one query."""
    _within(tx, size)
    ranges = {position: merkle.inclusion_ranges(position, size) for position in positions}
    nodes = [node for spans in ranges.values() for node in merkle.nodes_of(spans)]
    held = store.read_tiles(tx, tiles.tiles_for(nodes))
    known = {node: tiles.node_from(held, node) for node in set(nodes)}
    return {position: merkle.hashes_of(spans, known.__getitem__) for position, spans in ranges.items()}


def consistency(tx: Connection, old: int, new: int) -> list[bytes]:
    """Prove that the log of size `old` is a prefix of that of size `new` (RFC 9162 section 2.1.4)."""
    _within(tx, new)
    ranges = merkle.consistency_ranges(old, new)
    held = store.read_tiles(tx, tiles.tiles_for(merkle.nodes_of(ranges)))
    return merkle.hashes_of(ranges, lambda node: tiles.node_from(held, node))


def root_at(tx: Connection, size: int) -> bytes:
    """Give the root that the log had at `size`, from tiles."""
    _within(tx, size)
    nodes = merkle.subtrees((0, size))
    held = store.read_tiles(tx, tiles.tiles_for(nodes))
    return merkle.hashes_of([(0, size)], lambda node: tiles.node_from(held, node))[0]


def read_tile(tx: Connection, wanted: tiles.Tile) -> bytes:
    """Give the hashes of a tile as its address names it. Refuses one that the log has not reached."""
    at = tiles.TileAt(wanted.level, wanted.number)
    held = store.read_tiles(tx, [at]).get(at, b"")
    length = wanted.width * merkle.HASH_BYTES
    if len(held) < length:
        raise NotFoundError(
            f"tile {wanted.path} does not exist yet",
            advice="fetch a checkpoint; ask only for what its size needs",
        )
    return held[:length]


def _within(tx: Connection, size: int) -> None:
    reached = store.read_size(tx)
    if not 0 <= size <= reached:
        raise InputError(f"this log has {reached} entries, not {size}", where="size")


def list_entries(
    tx: Connection,
    *,
    before: int | None = None,
    after: int | None = None,
    kinds: Sequence[str] = (),
    recipient: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = PAGE,
) -> list[EntryLine]:
    """List entries, newest first; page on with `before` = the last position (or `after`, oldest first)."""
    return store.list_entries(
        tx,
        before=before,
        after=after,
        kinds=kinds,
        recipient=recipient,
        since=since,
        until=until,
        limit=limit,
    )


def read_entries(
    tx: Connection,
    *,
    recipient: str | None = None,
    start: int = 0,
    end: int | None = None,
    kinds: Sequence[str] = (),
    limit: int = 1000,
    max_bytes: int = store.PART_BYTES,
) -> list[Entry]:
    """Give whole entries in order from position `start`: a partner's feed asks with its code as recipient.

    Ends before `max_bytes` of envelopes are passed, but gives at least one; page on from the last
    position + 1.
    """
    return store.read_entries(
        tx, start=start, end=end, kinds=kinds, recipient=recipient, limit=limit, max_bytes=max_bytes
    )


def record_key_since(tx: Connection, number: str) -> Entry | None:
    """Give the `key` entry since which the log names this record key without a break; None without one."""
    since = None
    for one, body in key_entries(tx):
        named = any(line.role == "record" and line.key_id == number for line in body.keys)
        since = (since or one) if named else None
    return since


def key_entries(tx: Connection) -> list[tuple[Entry, Key]]:
    """Give every `key` entry of the log, in order, with what it says."""
    found: list[tuple[Entry, Key]] = []
    while part := read_entries(tx, start=found[-1][0].position + 1 if found else 0, kinds=["key"]):
        found += [(one, entries.body_as(entries.read(dsse.payload_of(one.envelope)), Key)) for one in part]
    return found


def entry(tx: Connection, position: int) -> Entry:
    """Give one entry."""
    return store.read_entry(tx, position)


def recorded_at(tx: Connection, position: int) -> datetime | None:
    """Say when the entry at a position was recorded; None where the log does not reach."""
    return store.recorded_at(tx, position)


def detail(tx: Connection, position: int) -> EntryDetail:
    """Give one entry with its payload read, and the ids of the keys that signed it. Verifies nothing."""
    found = store.read_entry(tx, position)
    envelope = dsse.parse(found.envelope)
    statement = entries.read(dsse.payload_of(found.envelope))
    return EntryDetail(found, statement, tuple(item.keyid for item in envelope.signatures))


def verify_entry(tx: Connection, keyring: Keyring, position: int) -> Verdict:
    """Verify one entry as a stranger would: signature, digest, leaf, inclusion in the newest checkpoint."""
    found = store.read_entry(tx, position)
    note = checkpoint(tx)
    size = notes.parse(note).size
    steps: list[Step] = []

    def step(name: str, check: Any) -> None:
        try:
            steps.append(Step(name, holds=True, detail=str(check() or "")))
        except ProofError as error:
            steps.append(Step(name, holds=False, detail=str(error)))

    own = found.party == (keyring.host or keyring).party
    keys = (keyring.host or keyring).public if own else _guest_keys(tx, found)
    step("signature", lambda: _signed(found, keys))
    step("digest", lambda: _same("digest", entries.digest_of(found.envelope, found.salt), found.digest))
    step("leaf", lambda: _same("leaf", entries.leaf_of(found.digest), found.leaf))
    step("checkpoint", lambda: _checkpoint_line(note, keyring))
    step("inclusion", lambda: _included(tx, found, notes.parse(note)))
    return Verdict(position, size, steps)


def _guest_keys(tx: Connection, found: Entry) -> dict[str, bytes]:
    """Give the key that this log named for a guest before one of its entries; nothing once it had left."""
    keys: dict[str, bytes] = {}
    for one in store.read_entries(tx, kinds=["guest"], end=found.position):
        body = entries.body_as(entries.read(dsse.payload_of(one.envelope)), Guest)
        if body.party == found.party:
            named = body.act in {"add", "rekey"} and body.key is not None
            public = bytes.fromhex(body.key or "") if named else None
            keys = {} if public is None else {key_id(public): public}
    return keys


def _signed(found: Entry, keys: Mapping[str, bytes]) -> str:
    opened = dsse.unseal(found.envelope, keys, entries.PAYLOAD_TYPE)
    statement = entries.read(opened.payload)
    told = (statement.kind, statement.party, statement.recipient, statement.at)
    if told != (found.kind, found.party, found.recipient, found.recorded_at):
        raise ProofError("the row says other things than the signed entry", where=f"entry {found.position}")
    return ", ".join(opened.key_ids)


def _same(what: str, computed: bytes, stored: bytes) -> str:
    if computed != stored:
        raise ProofError(f"the {what} is {computed.hex()} where {stored.hex()} is stored")
    return stored.hex()


def _checkpoint_line(note: bytes, keyring: Keyring) -> str:
    held = notes.verify(note, keyring.origin, keyring.public.values())
    return f"{held.origin} {held.size} {held.root.hex()}"


def _included(tx: Connection, found: Entry, held: notes.Checkpoint) -> str:
    path = inclusion(tx, found.position, held.size)
    if not merkle.verify_inclusion(found.leaf, found.position, held.size, path, held.root):
        raise ProofError(f"entry {found.position} is not in the tree of {held.size}")
    return f"{len(path)} hashes"
