"""Takes members out of a container one by one, in bounded memory, each with its place and its exact bytes.

Containers: a STIX bundle (section 8), a TAXII envelope (TAXII 2.1 section 3.7), a bare list of objects, one
object, or objects one after another (a line each). Plain or gzip. A UTF-8 byte order mark is passed over.

Rules:

1. The container is sound to its last byte, or an `InputError` ends the reading: the caller stores nothing.
   Broken are: truncation, brackets that do not match, a missing comma, something after the end, a name that
   stands twice (`objects` above all).
2. What stands between the brackets of one member is that member's own affair: it is handed out as it stands,
   even when it is no JSON, and whoever reads it refuses that member alone.
3. A member longer than `max_object_bytes` is passed over without being kept, and handed out without bytes.
4. A gzip stream may not unpack to more than `max_unpacked_bytes`, nor to more than `max_gzip_ratio` times its
   size once it has passed 16 MiB.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import msgspec

from secretariat.base.errors import InputError, LimitError
from secretariat.records.canonical import pointer_token

if TYPE_CHECKING:
    from secretariat.base.settings import Limits

CHUNK = 1 << 20
_RATIO_FROM = 16 << 20
_ENOUGH = 3  # bytes that tell gzip and byte order mark
_space = re.compile(rb"[ \t\r\n]*+").match
_to_bracket = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL).match
_to_quote = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL).match
_string = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL).match
_scalar = re.compile(rb"[^\s,\]}{\[\":]++").match
_OPEN = {ord("{"): ord("}"), ord("["): ord("]")}


class Member(msgspec.Struct, frozen=True):
    """One member: its JSON pointer, the line on which it begins (from 1), its bytes as they stood."""

    pointer: str
    line: int
    data: bytes
    oversized: int = 0
    """The member's size when it is too large to be kept; `data` is empty then."""


def members(stream: BinaryIO, limits: Limits) -> Iterator[Member]:
    """Give the members of a container one by one. Refuses a container that breaks the rules above."""
    return iter(Container(stream, limits))


class Container:
    """One container that is being read; `kind`, `head`, `warnings` are complete when the iteration ends."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.kind = ""
        """`bundle`, `envelope`, `list`, `object` or `lines`."""
        self.head: dict[str, Any] = {}
        """The container's own members besides `objects`: id, type, more, next."""
        self.warnings: list[str] = []
        self.consumed = 0
        """Bytes read so far, after unpacking."""
        self._limits = limits
        self._source = _unpacked(stream, limits)
        self._buffer = b""
        self._at = 0
        self._line = 1
        self._ended = False

    def __iter__(self) -> Iterator[Member]:
        self._fill()
        if self._buffer.startswith(b"\xef\xbb\xbf"):
            self._at = 3
            self.warnings.append("a byte order mark before the JSON was passed over (RFC 8259 section 8.1)")
        first = self._peek()
        if first == b"{":
            yield from self._top()
        elif first == b"[":
            self.kind = "list"
            self._step()
            yield from self._list("")
        elif first == b"":
            raise InputError("nothing to read: empty", advice="was the file written to its end?")
        else:
            raise InputError(
                "neither a JSON object nor a list begins here",
                where="line 1",
                advice="send a STIX bundle in UTF-8; other encodings and formats are not guessed",
            )
        if self._peek():
            self._broken("something follows after the end")

    def _top(self) -> Iterator[Member]:
        """Read one object that may be a container, and more objects after it when it was none."""
        count = 0
        while self._peek() == b"{":
            line, kept, found = self._line, [b"{"], False
            self._step()
            self.head = {}
            for name, raw in self._names(kept):
                if raw is not None:
                    self.head[name] = raw
                    continue
                if count or found:
                    self._broken("a container after other objects")
                found = True
                self._step()
                yield from self._list("/objects")
            if found and self.head.get("type", "bundle") != "bundle":
                self._broken(f"a list of objects in something of type {self.head['type']!r}")
            if found or self.head.get("type") == "bundle" or not self._is_object():
                if "objects" in self.head:
                    self._broken("objects is no list")
                self.kind = "bundle" if self.head.get("type") == "bundle" else "envelope"
                if count:
                    self._broken("a container after other objects")
                return
            data = b"".join(kept)
            self.kind = "lines" if count else "object"
            pointer = f"/{count}" if count or self._peek() else ""
            yield self._sized(pointer, line, data)
            count += 1

    def _is_object(self) -> bool:
        return "type" in self.head or "id" in self.head

    def _names(self, kept: list[bytes]) -> Iterator[tuple[str, Any]]:
        """Walk over the members of the object that was opened; a list named `objects` is left to the caller.

        What was read is gathered in `kept`, because the object may turn out to be a single STIX object.
        """
        seen: set[str] = set()
        if self._peek() == b"}":
            kept.append(self._take_byte())
            return
        while True:
            raw = self._take_string()
            name = self._value(raw)
            if name in seen:
                raise InputError(
                    f"the key {name!r} stands twice in the container",
                    where=f"line {self._line}, {pointer_token(name)}",
                    advice="readers would disagree on which one counts: nothing was stored",
                )
            seen.add(name)
            if (after := self._peek()) != b":":
                self._broken("a colon is missing") if after else self._truncated()
            kept += [raw, self._take_byte()]
            if name == "objects" and self._peek() == b"[":
                yield name, None
            else:
                value = self._take_value()
                kept.append(value)
                yield name, self._loosely(value)
            if sum(map(len, kept)) > self._limits.max_object_bytes:
                raise LimitError(
                    f"more than {self._limits.max_object_bytes} bytes outside of `objects`",
                    where=f"line {self._line}",
                    advice="send the objects in a bundle, or raise max_object_bytes",
                )
            after = self._peek()
            if not after:
                self._truncated()
            if after not in {b",", b"}"}:
                self._broken("a comma is missing")
            kept.append(self._take_byte())
            if after == b"}":
                return
            if (after := self._peek()) != b'"':
                self._broken("a name is missing after the comma") if after else self._truncated()

    def _list(self, prefix: str) -> Iterator[Member]:
        """Give the members of the list that was opened."""
        index = 0
        if self._peek() == b"]":
            self._step()
            return
        while True:
            if not self._peek():
                self._truncated()
            pointer, line = f"{prefix}/{index}", self._line
            size, data = self._skip_value()
            yield Member(pointer, line, data) if data or not size else Member(pointer, line, b"", size)
            index += 1
            after = self._peek()
            if not after:
                self._truncated()
            if after == b"]":
                self._step()
                return
            if after != b",":
                self._broken("a comma is missing between two members")
            self._step()
            if self._peek() == b"]":
                self._broken("a member is missing after the comma")

    def _sized(self, pointer: str, line: int, data: bytes) -> Member:
        if len(data) > self._limits.max_object_bytes:
            return Member(pointer, line, b"", len(data))
        return Member(pointer, line, data)

    # Single steps: each leaves `_at` behind what it took and `_line` at the line of `_at`.

    def _fill(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        chunk = next(self._source, b"")
        if not chunk:
            self._ended = True
            return False
        self.consumed += len(chunk)
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return True

    def _forward(self, to: int) -> None:
        self._line += self._buffer.count(b"\n", self._at, to)
        self._at = to

    def _peek(self) -> bytes:
        """Give the next byte that is no white space, or nothing at the end."""
        while True:
            match = _space(self._buffer, self._at)
            assert match is not None
            self._forward(match.end())
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._fill():
                return b""

    def _step(self) -> None:
        self._at += 1

    def _take_byte(self) -> bytes:
        self._at += 1
        return self._buffer[self._at - 1 : self._at]

    def _take_string(self) -> bytes:
        if self._peek() != b'"':
            self._broken("a name in quotation marks is missing")
        return self._take_value()

    def _take_value(self) -> bytes:
        if not self._peek():
            self._truncated()
        size, data = self._skip_value()
        if size > len(data):
            raise LimitError(
                f"{size} bytes in one member of the container",
                where=f"line {self._line}",
                advice=f"at most {self._limits.max_object_bytes} are read (max_object_bytes)",
            )
        return data

    def _skip_value(self) -> tuple[int, bytes]:
        """Pass over the value that begins here; give its size, and its bytes unless it is too large."""
        first = self._buffer[self._at]
        if first in _OPEN:
            return self._skip_brackets()
        pattern = _string if first == ord('"') else _scalar
        while True:
            match = pattern(self._buffer, self._at)
            # A value that reaches the end of what was read may go on.
            if match is not None and (match.end() < len(self._buffer) or first == ord('"') or self._ended):
                data = match[0]
                self._forward(match.end())
                return self._kept(len(data), data)
            if len(self._buffer) - self._at > self._limits.max_object_bytes:
                raise LimitError(
                    "a value without end",
                    where=f"line {self._line}",
                    advice=f"at most {self._limits.max_object_bytes} bytes are read (max_object_bytes)",
                )
            if not self._fill() and match is None:
                self._truncated() if first == ord('"') else self._broken("a value is missing")

    def _skip_brackets(self) -> tuple[int, bytes]:
        limit = self._limits.max_object_bytes
        stack: list[int] = []
        size, at, inside = 0, self._at, False
        while True:
            match = (_to_quote if inside else _to_bracket)(self._buffer, at)
            assert match is not None
            at = match.end()
            if at == len(self._buffer) or self._buffer[at] == ord("\\"):
                # What was read ends here, perhaps within an escape.
                if size or at - self._at > limit:
                    size += at - self._at
                    self._forward(at)
                offset = at - self._at
                if not self._fill():
                    self._truncated()
                at = self._at + offset
                continue
            byte = self._buffer[at]
            at += 1
            if byte == ord('"'):
                inside = not inside
            elif byte in _OPEN:
                stack.append(_OPEN[byte])
                if len(stack) > CHUNK:
                    self._broken(f"nested deeper than {CHUNK}")
            elif not stack or stack.pop() != byte:
                self._line += self._buffer.count(b"\n", self._at, at)
                self._broken("brackets do not match")
            elif not stack:
                data = self._buffer[self._at : at]
                self._forward(at)
                return self._kept(size + len(data), data)

    def _kept(self, size: int, data: bytes) -> tuple[int, bytes]:
        return (size, data) if size <= self._limits.max_object_bytes else (size, b"")

    def _value(self, raw: bytes) -> str:
        try:
            value = json.loads(raw)
        except ValueError:
            self._broken("a name that is no JSON string")
        return str(value)

    def _loosely(self, raw: bytes) -> Any:
        """Read a value of the container's head; what is broken in it is refused where the object is read."""
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            return None

    def _broken(self, what: str) -> NoReturn:
        raise InputError(
            f"the container is broken: {what}",
            where=f"line {self._line}",
            advice="nothing was stored; check the file with `python -m json.tool`",
        )

    def _truncated(self) -> NoReturn:
        line = self._line + self._buffer.count(b"\n", self._at)
        raise InputError(
            "the container is cut off",
            where=f"line {line}",
            advice="nothing was stored; send it again whole",
        )


def _unpacked(stream: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """Give the stream in pieces of at most CHUNK, unpacked when it is gzip (RFC 1952)."""
    piece = stream.read(CHUNK)
    while 0 < len(piece) < _ENOUGH and (more := stream.read(CHUNK)):
        piece += more
    if not piece.startswith(b"\x1f\x8b"):
        while piece:
            yield piece
            piece = stream.read(CHUNK)
        return
    packed, unpacked = len(piece), 0
    engine = zlib.decompressobj(wbits=31)
    while True:
        try:
            out = engine.decompress(piece, CHUNK)
        except zlib.error as error:
            raise InputError(
                f"the gzip stream is broken: {error}", where=f"byte {packed}", advice="send it again whole"
            ) from None
        unpacked += len(out)
        if unpacked > limits.max_unpacked_bytes:
            raise LimitError(
                f"the gzip stream unpacks to more than {limits.max_unpacked_bytes} bytes",
                advice="split it, or raise max_unpacked_bytes",
            )
        if unpacked > _RATIO_FROM and unpacked > packed * limits.max_gzip_ratio:
            raise LimitError(
                f"the gzip stream unpacks to more than {limits.max_gzip_ratio} times its size",
                advice="it looks like a bomb; send it unpacked, or raise max_gzip_ratio",
            )
        if out:
            yield out
        piece = engine.unconsumed_tail
        if engine.eof:
            piece = engine.unused_data or stream.read(CHUNK)
            if not piece:
                return
            engine = zlib.decompressobj(wbits=31)
        elif not piece and len(out) < CHUNK:
            piece = stream.read(CHUNK)
            packed += len(piece)
            if not piece:
                raise InputError(
                    "the gzip stream is cut off", where=f"byte {packed}", advice="send it again whole"
                )
