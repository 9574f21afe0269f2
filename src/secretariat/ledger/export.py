"""The exported log: one file that a stranger verifies without a database or a network.

JSON Lines, UTF-8 (docs/protocol.md "Exported log"):

1. head: {"format": "secretariat-log-export", "v": 1, origin, realm, party, root_key, checkpoint, whole,
   made_at, cosigned}
2. an entry per line, by position: {"position", "salt", "envelope"} and in an excerpt {"path"}
   A partner's log as this node kept it (`kept`): the head holds the party's sealed `statements` of its
   keys, and a line adds {"note"} where its path leads into another checkpoint than that of the line before.
3. tail: {"end": true, "entries": N, "sha256": hex over every byte before this line}

A file without its tail was cut off and is refused: partial is never silent. The envelope stands as a JSON
string, byte for byte as it was signed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection

from secretariat.base.clock import stamp
from secretariat.base.errors import InputError, NotFoundError, ProofError
from secretariat.ledger import (
    audit,
    dsse,
    entries,
    service,
    statements,
    store,
    witness,
    witness_store,
    witnessing,
)
from secretariat.ledger import checkpoint as notes
from secretariat.ledger.audit import Advance, Auditor, Report
from secretariat.ledger.checkpoint import VerifierKey
from secretariat.ledger.keys import Keyring, key_id
from secretariat.ledger.merkle import HASH_BYTES
from secretariat.ledger.model import Entry

FORMAT = "secretariat-log-export"
VERSION = 1
BARE_LINES = 4
"""Origin, size, root and the empty line: a note without a signature."""
MAX_LINE_BYTES = 268_435_456
"""A grant of a million objects takes 90 MB."""


class Cosigned(msgspec.Struct, frozen=True):
    """An earlier checkpoint with cosignatures, and the proof that the head's checkpoint continues it."""

    note: str
    path: list[str]


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line."""

    format: str
    v: int
    origin: str
    realm: str
    party: str
    root_key: str
    checkpoint: str
    whole: bool
    made_at: str
    kept: bool = False
    statements: list[str] = []
    cosigned: list[Cosigned] = []


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry."""

    position: int
    salt: str
    envelope: str
    path: list[str] | None = None
    note: str | None = None


class Tail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line."""

    end: bool
    entries: int
    sha256: str


class Exported(msgspec.Struct, frozen=True):
    """What was written."""

    file: str
    origin: str
    size: int
    entries: int
    bytes: int
    sha256: str


_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(Head).decode
_line = msgspec.json.Decoder(Line).decode
_tail = msgspec.json.Decoder(Tail).decode


def write_file(
    tx: Connection,
    keyring: Keyring,
    path: Path,
    *,
    now: datetime,
    recipient: str | None = None,
    named: Collection[str] | None = None,
    advance: Advance = lambda _: None,
) -> Exported:
    """Write the whole log, or the entries for `recipient` with their proofs, to a new file.

    The cosignatures of every witness go with it, or of those `named`: they tell who the party's partners are.

    Writes beside it first and renames at the end, so that a file of this name is always complete. Refuses an
    existing file.
    """
    note = witnessing.checkpoint(tx, of=named)
    size = notes.parse(note).size
    whole = recipient is None
    head = Head(
        FORMAT,
        VERSION,
        keyring.origin,
        keyring.realm,
        keyring.party,
        keyring.root_public.hex(),
        note.decode(),
        whole,
        stamp(now),
        cosigned=_cosigned(tx, keyring, size, named),
    )
    lines = _all_lines(tx, size) if recipient is None else _excerpt_lines(tx, size, recipient)
    return _written(path, head, lines, size, advance)


def _cosigned(tx: Connection, keyring: Keyring, size: int, named: Collection[str] | None) -> list[Cosigned]:
    """Give the largest checkpoint that each witness cosigned before the newest, with its proof.

    Those of a log key that was replaced since are left out: the reader knows the key of the newest.
    """
    sizes = {
        one.size
        for one in witness_store.newest(tx, keyring.origin)
        if one.size < size and (named is None or one.witness in named)
    }
    found = []
    for one in sorted(sizes):
        note = witnessing.checkpoint(tx, one, of=named)
        if witness.bare(note, [keyring.log.public]).count(b"\n") > BARE_LINES:
            path = [step.hex() for step in service.consistency(tx, one, size)]
            found.append(Cosigned(note.decode(), path))
    return found


def write_guest(tx: Connection, keyring: Keyring, path: Path, *, guest: str, now: datetime) -> Exported:
    """Write the entries by and for a guest in its host's log, each with its proof, to a new file.

    With them go the log's own keys and the entries that name the keys of the guests who speak in it.
    """
    note = service.checkpoint(tx)
    size = notes.parse(note).size
    head = Head(
        FORMAT,
        VERSION,
        keyring.origin,
        keyring.realm,
        keyring.party,
        keyring.root_public.hex(),
        note.decode(),
        False,
        stamp(now),
    )
    return _written(path, head, _guest_lines(tx, size, guest), size, lambda _: None)


def _guest_lines(tx: Connection, size: int, guest: str) -> Iterator[Line]:
    positions, speakers = store.positions_of(tx, guest, size)
    named = [
        one.position
        for one in store.read_entries(tx, kinds=["guest"], end=size, max_bytes=MAX_LINE_BYTES)
        if entries.read(dsse.payload_of(one.envelope)).body.get("party") in {guest, *speakers}
    ]
    wanted = sorted({*positions, *named})
    for start in range(0, len(wanted), service.PAGE):
        part = wanted[start : start + service.PAGE]
        found = [item for one in part for item in store.read_entries(tx, start=one, end=one + 1)]
        yield from _proven(tx, size, found)


def write_kept(
    tx: Connection,
    origin: str,
    path: Path,
    *,
    realm: str,
    now: datetime,
    advance: Advance = lambda _: None,
) -> Exported:
    """Write what this node kept of a partner's log: each entry with the proof that the log held it.

    Refuses a log of which nothing is kept, and an existing file.
    """
    log = store.read_peer_log(tx, origin)
    said = store.read_statements(tx, origin)
    if log is None or not said:
        raise NotFoundError(f"nothing is kept of the log {origin}", advice="secretariat log partners")
    head = Head(
        FORMAT,
        VERSION,
        origin,
        realm,
        log.party,
        statements.root_of(said[-1]).hex(),
        witness.with_words(log.note, witness_store.read_words(tx, origin, log.size)).decode(),
        False,
        stamp(now),
        kept=True,
        statements=[one.decode() for one in (*said, *store.read_statements(tx, origin, guests=True))],
    )
    return _written(path, head, _kept_lines(tx, origin), log.size, advance)


def _kept_lines(tx: Connection, origin: str) -> Iterator[Line]:
    after, size = -1, -1
    while part := store.read_peer_entries(tx, origin=origin, after=after):
        notes_of = store.read_peer_notes(tx, origin, sorted({one.proof_size for one in part}))
        for one in part:
            path = [one.proof[at : at + HASH_BYTES].hex() for at in range(0, len(one.proof), HASH_BYTES)]
            note = notes_of[one.proof_size].decode() if one.proof_size != size else None
            size = one.proof_size
            yield Line(one.position, one.salt.hex(), one.envelope.decode(), path, note)
        after = part[-1].position


def _written(path: Path, head: Head, lines: Iterable[Line], size: int, advance: Advance) -> Exported:
    if path.exists():
        raise InputError("the file exists already", where=str(path), advice="choose another name")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            count, length, digest = _write(file, head, lines, advance)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=str(path), advice="nothing was kept"
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return Exported(str(path), head.origin, size, count, length, digest)


def _write(file: BinaryIO, head: Head, lines: Iterable[Line], advance: Advance) -> tuple[int, int, str]:
    running = hashlib.sha256()
    length = count = 0
    for item in _objects(head, lines):
        data = _encode(item) + b"\n"
        running.update(data)
        length += file.write(data)
        if isinstance(item, Line):
            count += 1
            advance(1)
    digest = running.hexdigest()
    length += file.write(_encode(Tail(True, count, digest)) + b"\n")
    return count, length, digest


def _objects(head: Head, lines: Iterable[Line]) -> Iterator[Head | Line]:
    yield head
    yield from lines


def _all_lines(tx: Connection, size: int) -> Iterator[Line]:
    for item in store.stream_entries(tx, size):
        yield _as_line(item)


def _excerpt_lines(tx: Connection, size: int, recipient: str) -> Iterator[Line]:
    keys = store.read_entries(tx, kinds=["key"], end=size, max_bytes=MAX_LINE_BYTES)
    wanted: list[Entry] = []
    start = 0
    while part := store.read_entries(tx, start=start, end=size, recipient=recipient):
        while keys and keys[0].position < part[-1].position:
            wanted.append(keys.pop(0))
        wanted = sorted([*wanted, *part], key=lambda item: item.position)
        yield from _proven(tx, size, wanted)
        wanted, start = [], part[-1].position + 1
    yield from _proven(tx, size, keys)


def _proven(tx: Connection, size: int, items: list[Entry]) -> Iterator[Line]:
    paths = service.inclusions(tx, [item.position for item in items], size)
    for item in items:
        yield _as_line(item, [step.hex() for step in paths[item.position]])


def _as_line(item: Entry, path: list[str] | None = None) -> Line:
    return Line(item.position, item.salt.hex(), item.envelope.decode(), path)


def verify_file(
    path: Path,
    *,
    root_key: bytes | str | None = None,
    witnesses: Sequence[VerifierKey] = (),
    advance: Advance = lambda _: None,
) -> Report:
    """Verify an exported log. `root_key`: the party's root key, or its id, from a source one trusts.

    Without it the key in the file is used, which proves only that the file agrees with itself; the report
    says so. `witnesses` must have cosigned the checkpoint. Refuses a file that is cut off, changed in
    transport, or of another format.
    """
    try:
        with path.open("rb") as file:
            _check_whole(file)
            file.seek(0)
            return _verify(file, root_key, witnesses, advance)
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=str(path)) from error


def _check_whole(file: BinaryIO) -> None:
    """Find the tail and compare count and hash before anything else is looked at."""
    running = hashlib.sha256()
    count = -1
    previous = b""
    for line in _limited(file):
        if previous:
            running.update(previous)
            count += 1
        previous = line
    try:
        tail = _tail(previous)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError("the file was cut off: its last line is missing", advice="fetch it again") from error
    if not tail.end or tail.entries != count:
        raise ProofError(
            f"{count} entries where the file's tail says {tail.entries}", advice="fetch it again"
        )
    if tail.sha256 != running.hexdigest():
        raise ProofError("the file was changed after it was written", where="tail", advice="fetch it again")


def read_file(path: Path) -> tuple[Head, list[Line]]:
    """Give head and entries of an exported log that `verify_file` found to hold."""
    with path.open("rb") as file:
        return _head(file.readline()), list(_lines(file))


def _verify(
    file: BinaryIO, root_key: bytes | str | None, witnesses: Sequence[VerifierKey], advance: Advance
) -> Report:
    try:
        head = _head(file.readline())
        public = bytes.fromhex(head.root_key)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProofError(f"not an exported log: {error}", where="line 1") from error
    if head.format != FORMAT or head.v != VERSION:
        raise ProofError(
            f"format {head.format!r} version {head.v}", where="line 1", advice=f"{FORMAT} {VERSION} is read"
        )
    auditor = Auditor(
        head.origin,
        head.party,
        head.realm,
        public,
        root_key_from="the file itself: compare it with what the party told you"
        if root_key is None
        else "you",
    )
    auditor.witnesses = witnesses
    auditor.cosigned = [(one.note.encode(), [_hex(step) for step in one.path]) for one in head.cosigned]
    if root_key is not None and root_key not in {public, public.hex(), key_id(public)}:
        auditor.problem("root key", f"the file's is {key_id(public)}, not the one you gave")
    note = head.checkpoint.encode()
    lines = _lines(file)
    if head.kept:
        return audit.verify_kept(
            auditor,
            [one.encode() for one in head.statements],
            (
                (item.position, item.envelope.encode(), _hex(item.salt), _path(item), item.note)
                for item in lines
            ),
            note,
            advance,
        )
    if head.whole:
        return audit.verify_whole(
            auditor,
            ((item.position, item.envelope.encode(), _hex(item.salt)) for item in lines),
            note,
            advance,
        )
    return audit.verify_excerpt(
        auditor,
        ((item.position, item.envelope.encode(), _hex(item.salt), _path(item)) for item in lines),
        note,
        advance,
    )


def _path(item: Line) -> list[bytes]:
    return [_hex(step) for step in item.path or []]


def _limited(file: BinaryIO) -> Iterator[bytes]:
    """Give lines, none longer than a grant can be."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ProofError(f"a line longer than {MAX_LINE_BYTES} bytes", where=f"line {number}")
        yield line


def _lines(file: BinaryIO) -> Iterator[Line]:
    for number, data in enumerate(_limited(file), 2):
        if data.startswith(b'{"end":'):
            return
        try:
            yield _line(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProofError(f"not an entry: {error}", where=f"line {number}") from error


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
