"""What travels on a medium carried by hand: a transfer in volumes, sealed to its reader (docs/protocol.md).

A volume is a file of JSON Lines:

1. head: {"format": "secretariat-transfer", "v": 1, realm, party, to, number, volume, key}. It is all that a
   finder of the medium reads, besides the file's size.
2. a part per line: {"part": k, "box"}: a page of the writer's log (wire.py), or the text of an instrument
   that the reader wanted, signed with the writer's transport key, then sealed to the reader's key
   (ledger/sealing.py) together with the head and the part's number.
3. end: {"end": true, "parts": n, "sha256": hex over every byte before this line, "box"}: the summary, signed
   and sealed likewise: which volume of how many this is, from and up to which place it goes, counts, the same
   hash, and how far the writer is with the reader's log.

Rules that every implementation keeps:
1. A volume is checked as a whole before anything of it is kept: cut off, changed, or put together by somebody
   else, it is refused with the name of what does not hold. Volumes taken before stay.
2. A part and a summary say under the signature whose they are, for whom, and where they stand: they count
   nowhere else. The medium may change between two readings: each part is opened and verified when it is used.
3. Limits come first: size of the file, length of a line, number of volumes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from secretariat.base.clock import stamp
from secretariat.base.errors import LimitError, ProofError, SecretariatError
from secretariat.exchange import wire
from secretariat.exchange.wire import Counts, Cursor, Natural, Root, Taken
from secretariat.ledger import checkpoint, dsse, sealing
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from secretariat.base.settings import Limits
    from secretariat.exchange.wire import Page
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.sealing import SealingKeys

FORMAT: Final = "secretariat-transfer"
VERSION: Final = 1
SUFFIX: Final = ".transfer"
PART_TYPE: Final = "application/vnd.secretariat.transfer-part+json"
END_TYPE: Final = "application/vnd.secretariat.transfer-end+json"
INFO: Final = b"secretariat/transfer/1\n"
MAX_HEAD_BYTES: Final = 1_024
_END_ROOM: Final = 65_536
"""Bytes that are left free in a volume for its end."""
_Party = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9_.-]{0,31}$")]
_Volume = Annotated[int, Meta(ge=1, le=999_999)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a volume: all that its finder can read."""

    format: str
    v: int
    realm: Annotated[str, Meta(max_length=32)]
    party: _Party
    to: _Party
    number: Natural
    volume: _Volume
    key: Annotated[str, Meta(pattern="^x25519-[0-9a-f]{32}$")]


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part in its box: HPKE encapsulated key and ciphertext."""

    part: Natural
    box: bytes


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: without it the file was cut off."""

    end: Literal[True]
    parts: Natural
    sha256: Root
    box: bytes


class Link(msgspec.Struct, frozen=True):
    """The proof that the log at the page's checkpoint continues the log of `size` entries."""

    size: Natural
    proof: tuple[bytes, ...]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of the writer's log, and proofs for a reader that took other volumes before."""

    realm: str
    party: _Party
    to: _Party
    number: Natural
    volume: _Volume
    part: Natural
    page: msgspec.Raw | UnsetType = UNSET
    links: tuple[Link, ...] = ()
    text: msgspec.Raw | UnsetType = UNSET
    """In the place of a page: the text of an instrument that the reader wanted (instruments.py)."""


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a volume is and brings, and how far its writer is with the reader's log."""

    realm: str
    party: _Party
    to: _Party
    number: Natural
    volume: _Volume
    of: _Volume
    previous: Natural
    """Number of the writer's transfer before this one; 0: none."""
    made_at: str
    begin: Cursor
    """Where the first volume starts."""
    start: Cursor
    until: Cursor
    size: Natural
    """Of the log by the last page's checkpoint."""
    count: Counts
    parts: Natural
    sha256: Root
    place: Taken
    wanted: tuple[Root, ...] = ()
    """Hashes of the instruments whose texts the writer lacks and the reader named."""
    statement: msgspec.Raw | UnsetType = UNSET
    """The writer's descriptor under its root key, so that new keys travel too."""


class VolumeError(ProofError):
    """A volume that is not taken; `code` names the broken rule."""

    def __init__(self, code: str, what: str, *, where: str | None = None, advice: str | None = None) -> None:
        super().__init__(what, where=where, advice=advice)
        self.code = code


_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_COPY: Final = "copy the file again from its source, or ask the writer for it: secretariat transfer export"
_L = TypeVar("_L", Head, Sealed, End)


def info_of(head: Head, part: int) -> bytes:
    """Give what a box is bound to: the head and the number of the part (of the end: how many parts)."""
    return INFO + canonical({**msgspec.to_builtins(head), "part": part})


class Bound(msgspec.Struct):
    """A volume that is written but for its end."""

    head: Head
    start: Cursor
    until: Cursor
    size: int
    entries: int = 0
    objects: int = 0
    gone: int = 0
    parts: int = 0
    length: int = 0
    digest: Any = None


class Binder:
    """Cuts the pages of one transfer into volumes; `put` takes the volume's number and the next bytes of it.

    How many volumes there are is known last: `ends` then gives the line that closes each.
    """

    def __init__(
        self,
        ring: Keyring,
        to: str,
        number: int,
        key: tuple[str, bytes],
        put: Callable[[int, bytes], object],
        most: int,
    ) -> None:
        self._ring, self._to, self._number, self._key, self._put = ring, to, number, key, put
        self._most = most
        self.volumes: list[Bound] = []

    def add(self, page: Page, data: bytes, links: tuple[Link, ...]) -> None:
        """Add a page, `data` being its own bytes. Refuses a page that no volume of this size can hold.

        `links` go into the first part of a volume, and again when the log's size changes.
        """
        size = checkpoint.parse(page.checkpoint.encode()).size
        if not self.volumes:
            self._open(page.after, size)
        moved = self.volumes[-1].size != size
        bound = self._append(
            lambda first: {"page": msgspec.Raw(data), "links": links if first or moved else ()},
            page.after,
            size,
            f"the entry at {page.after}",
        )
        bound.until, bound.size = page.next, size
        bound.entries += page.count.entries
        bound.objects += page.count.objects
        bound.gone += page.count.gone

    def add_text(self, data: bytes) -> None:
        """Add the text of an instrument that the reader wants, after the pages."""
        last = self.volumes[-1]
        self._append(lambda _: {"text": msgspec.Raw(data)}, last.until, last.size, "an instrument's text")

    def _append(self, made: Callable[[bool], dict[str, Any]], start: Cursor, size: int, what: str) -> Bound:
        """Write a part into the last volume, or a new one; `made` gives it, told whether it is the first."""
        line = self._line(made(not self.volumes[-1].parts))
        if self.volumes[-1].parts and self._over(line):
            self._open(start, size)
            line = self._line(made(True))
        if self._over(line):
            least = -(-(len(line) + _END_ROOM + MAX_HEAD_BYTES) // 1_000_000)
            raise LimitError(
                f"{what} takes {len(line)} bytes, more than a volume of {self._most}",
                where="--volume-mb",
                advice=f"make it {least} at least",
            )
        bound = self.volumes[-1]
        self._write(bound, line)
        bound.parts += 1
        return bound

    def ends(
        self,
        *,
        place: Taken,
        previous: int,
        statement: bytes | None,
        now: datetime,
        wanted: tuple[str, ...] = (),
    ) -> Iterator[tuple[Summary, bytes]]:
        """Give each volume's summary and the line that closes it."""
        for bound in self.volumes:
            head = bound.head
            summary = Summary(
                realm=head.realm,
                party=head.party,
                to=head.to,
                number=head.number,
                volume=head.volume,
                of=len(self.volumes),
                previous=previous,
                made_at=stamp(now),
                begin=self.volumes[0].start,
                start=bound.start,
                until=bound.until,
                size=bound.size,
                count=Counts(bound.entries, bound.objects, bound.gone),
                parts=bound.parts,
                sha256=bound.digest.hexdigest(),
                place=place,
                wanted=wanted,
                statement=UNSET if statement is None else msgspec.Raw(statement),
            )
            box = self._seal(head, bound.parts, END_TYPE, _encode(summary))
            yield summary, _encode(End(True, bound.parts, summary.sha256, box)) + b"\n"

    def _open(self, start: Cursor, size: int) -> None:
        ring = self._ring
        head = Head(
            FORMAT,
            VERSION,
            ring.realm,
            ring.party,
            self._to,
            self._number,
            len(self.volumes) + 1,
            self._key[0],
        )
        bound = Bound(head, start, start, size, digest=hashlib.sha256())
        self.volumes.append(bound)
        self._write(bound, _encode(head) + b"\n")

    def _over(self, line: bytes) -> bool:
        return self.volumes[-1].length + len(line) + _END_ROOM > self._most

    def _line(self, what: dict[str, Any]) -> bytes:
        bound = self.volumes[-1]
        head = bound.head
        part = Part(
            head.realm,
            head.party,
            head.to,
            head.number,
            head.volume,
            bound.parts,
            **what,
        )
        return _encode(Sealed(bound.parts, self._seal(head, bound.parts, PART_TYPE, _encode(part)))) + b"\n"

    def _seal(self, head: Head, part: int, kind: str, data: bytes) -> bytes:
        envelope = dsse.seal(data, kind, self._ring.transport)
        return sealing.seal(envelope, self._key[1], info_of(head, part))

    def _write(self, bound: Bound, line: bytes) -> None:
        self._put(bound.head.volume, line)
        bound.digest.update(line)
        bound.length += len(line)


class Scanned(msgspec.Struct, frozen=True):
    """A volume that was read through once: its head, its end, and the hash of what stands before that."""

    head: Head
    end: End
    sha256: str
    parts: int


def read_head(file: BinaryIO, where: str) -> Head:
    """Read the first line. Refuses what is no volume, or of another version."""
    line = file.readline(MAX_HEAD_BYTES + 1)
    if len(line) > MAX_HEAD_BYTES or not line.endswith(b"\n"):
        raise VolumeError(
            "transfer-broken", "no volume of a transfer: no head on the first line", where=where, advice=_COPY
        )
    try:
        head = msgspec.json.decode(line, type=Head)
    except _UNREADABLE as error:
        raise VolumeError("transfer-broken", f"the head: {error}", where=where, advice=_COPY) from error
    if head.format != FORMAT:
        raise VolumeError(
            "transfer-broken", f"the head says {head.format[:40]!r}, not {FORMAT!r}", where=where
        )
    if head.v != VERSION:
        raise VolumeError(
            "transfer-version",
            f"a volume of version {head.v}, this node reads {VERSION}",
            where=where,
            advice="update this node, or ask the writer for an export by its older version",
        )
    return head


def scan(
    file: BinaryIO, where: str, limits: Limits, advance: Callable[[int], None] = lambda _: None
) -> Scanned:
    """Read a volume through, in constant memory, and find its end. Refuses one that was cut off or goes on.

    The file is at its beginning. Whether the hash is right is for the caller, who can open the summary.
    """
    head = read_head(file, where)
    running = hashlib.sha256(_encode_head(file))
    length = file.tell()
    advance(length)
    parts = 0
    while True:
        line = file.readline(limits.transfer_part_bytes + 1)
        length += len(line)
        if len(line) > limits.transfer_part_bytes:
            raise LimitError(
                f"line {parts + 2} has more than {limits.transfer_part_bytes} bytes",
                where=where,
                advice="a volume of this software has none such; or raise transfer_part_bytes",
            )
        if length > limits.transfer_bytes:
            raise LimitError(f"more than {limits.transfer_bytes} bytes", where=f"{where}: transfer_bytes")
        if not line.endswith(b"\n"):
            raise VolumeError(
                "transfer-cut",
                f"cut off in line {parts + 2}: the end is missing",
                where=where,
                advice=_COPY,
            )
        advance(len(line))
        if line.startswith(b'{"end"'):
            break
        running.update(line)
        parts += 1
    end = _read_line(line, End, where, "the end")
    if file.read(1):
        raise VolumeError("transfer-broken", "goes on after its end", where=where, advice=_COPY)
    return Scanned(head, end, running.hexdigest(), parts)


def _encode_head(file: BinaryIO) -> bytes:
    """Give the bytes of the head again, as they stand in the file."""
    length = file.tell()
    file.seek(0)
    return file.read(length)


def summary_of(
    scanned: Scanned,
    file: BinaryIO,
    keys: SealingKeys,
    writers: Mapping[str, bytes],
    where: str,
    limits: Limits,
) -> Summary:
    """Open the summary of a volume that was read through, and check that it is whole and the writer's.

    Refuses with the name of the part that does not hold.
    """
    head, end = scanned.head, scanned.end
    try:
        data = _opened(head, scanned.parts, end.box, END_TYPE, keys, writers)
        found = msgspec.json.decode(data, type=Summary)
    except SecretariatError as error:
        _find_fault(scanned, file, keys, writers, where, limits)
        raise VolumeError(
            "transfer-broken", f"the end: {error.what}", where=where, advice=error.advice or _COPY
        ) from error
    except _UNREADABLE as error:
        raise VolumeError("transfer-broken", f"the summary: {error}", where=where, advice=_COPY) from error
    if found.sha256 != scanned.sha256 or found.parts != scanned.parts:
        _find_fault(scanned, file, keys, writers, where, limits)
        raise VolumeError(
            "transfer-broken",
            f"holds {scanned.parts} parts of another hash than its writer signed",
            where=where,
            advice=_COPY,
        )
    if (end.parts, end.sha256) != (found.parts, found.sha256):
        raise VolumeError(
            "transfer-broken", "the end: counts and hash are not those signed", where=where, advice=_COPY
        )
    if _said(found) != _said(head) or found.volume > found.of:
        raise VolumeError(
            "transfer-broken", "the summary is that of another volume", where=where, advice=_COPY
        )
    return found


def statement_of(scanned: Scanned, keys: SealingKeys) -> bytes | None:
    """Give the descriptor in a summary that was not verified yet; its root key's seal is what counts."""
    try:
        data = dsse.payload_of(
            keys.open(scanned.end.box, scanned.head.key, info_of(scanned.head, scanned.parts))
        )
        found = msgspec.json.decode(data, type=Summary)
    except (SecretariatError, *_UNREADABLE):
        return None
    return None if found.statement is UNSET else bytes(found.statement)


def parts_of(
    file: BinaryIO, head: Head, keys: SealingKeys, writers: Mapping[str, bytes], where: str, limits: Limits
) -> Iterator[Part]:
    """Give the parts of a volume in order, each opened and verified; the file is at its beginning."""
    if read_head(file, where) != head:
        raise VolumeError("transfer-broken", "the head: changed while it was read", where=where, advice=_COPY)
    expected = 0
    while True:
        line = file.readline(limits.transfer_part_bytes + 1)
        if line.startswith(b'{"end"') or not line:
            return
        place = f"part {expected}"
        sealed = _read_line(line, Sealed, where, place)
        if sealed.part != expected:
            raise VolumeError(
                "transfer-broken", f"{place}: says it is {sealed.part}", where=where, advice=_COPY
            )
        try:
            data = _opened(head, expected, sealed.box, PART_TYPE, keys, writers)
            part = msgspec.json.decode(data, type=Part)
        except SecretariatError as error:
            raise VolumeError(
                "transfer-broken", f"{place}: {error.what}", where=where, advice=error.advice or _COPY
            ) from error
        except _UNREADABLE as error:
            raise VolumeError("transfer-broken", f"{place}: {error}", where=where, advice=_COPY) from error
        if _said(part) != _said(head) or part.part != expected:
            raise VolumeError(
                "transfer-broken", f"{place}: was signed for another place", where=where, advice=_COPY
            )
        if (part.page is UNSET) == (part.text is UNSET):
            raise VolumeError("transfer-broken", f"{place}: a part brings a page or a text", where=where)
        yield part
        expected += 1


def _find_fault(
    scanned: Scanned,
    file: BinaryIO,
    keys: SealingKeys,
    writers: Mapping[str, bytes],
    where: str,
    limits: Limits,
) -> None:
    """Refuse the first part that does not hold; nothing where all do."""
    file.seek(0)
    for _ in parts_of(file, scanned.head, keys, writers, where, limits):
        pass


def _opened(
    head: Head, part: int, box: bytes, kind: str, keys: SealingKeys, writers: Mapping[str, bytes]
) -> bytes:
    return dsse.open_envelope(keys.open(box, head.key, info_of(head, part)), writers, kind)


def _said(one: Head | Part | Summary) -> tuple[str, str, str, int, int]:
    return one.realm, one.party, one.to, one.number, one.volume


def _read_line(line: bytes, kind: type[_L], where: str, place: str) -> _L:
    try:
        return msgspec.json.decode(line, type=kind)
    except _UNREADABLE as error:
        raise VolumeError("transfer-broken", f"{place}: {error}", where=where, advice=_COPY) from error


def page_of(part: Part) -> Page:
    """Give the page of a part. Refuses one that is none."""
    if part.page is UNSET:
        raise VolumeError("transfer-broken", f"part {part.part}: brings no page")
    return wire.read_page(bytes(part.page))


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of every line and of what is sealed; a page has its own."""
    kinds = (Head, Sealed, End, Part, Summary)
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Volumes of a transfer by hand",
        "anyOf": list(references),
        "$defs": definitions,
    }
