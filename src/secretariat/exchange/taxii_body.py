"""The body of a posting, into a spooled file, under limits that hold while it arrives.

Refuses what is longer than the limit, with or without a length (chunked), packed or not: a gzip bomb is
stopped at the limit of what comes out of it. Refuses codings other than gzip, and a body that ends early.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from secretariat.base.errors import InputError, LimitError, UnavailableError
from secretariat.exchange.taxii_wire import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar.types import Receive

_SPOOL_BYTES: Final = 1_048_576
_STEP: Final = 1_048_576
_GZIP_WINDOW: Final = 31
"""zlib: 15 bits of window, plus 16 for a gzip header and trailer."""


async def receive_body(receive: Receive, *, length: str | None, coding: str | None, limit: int) -> IO[bytes]:
    """Give the body, unpacked, as a file at its beginning. The caller closes it."""
    unpack = _unpacker(coding)
    if length is not None and length.isascii() and length.isdigit() and int(length) > limit:
        raise _too_long(limit)
    spool: Any = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115  the caller closes it
    try:
        total, packed, more = 0, 0, True
        while more:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                raise UnavailableError("the client went away", advice="post again")
            more = message.get("more_body", False)
            data = message.get("body", b"")
            packed += len(data)  # empty members of a gzip file add nothing to `total`
            if packed > limit:
                raise _too_long(limit)
            for part in unpack.feed(data):
                total += len(part)
                if total > limit:
                    raise _too_long(limit)
                spool.write(part)
                if len(part) == _STEP:
                    await asyncio.sleep(0)  # a bomb must not stop the other requests
        unpack.finish()
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    result: IO[bytes] = spool
    return result


class _Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class _Gzip:
    def __init__(self) -> None:
        self._state = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                yield self._state.decompress(data, _STEP)
            except zlib.error as error:
                raise InputError("the packed body is damaged", advice="send it again, or unpacked") from error
            data = self._state.unconsumed_tail
            if self._state.eof:
                data = self._state.unused_data  # members of a gzip file follow one another
                if data:
                    self._state = zlib.decompressobj(_GZIP_WINDOW)

    def finish(self) -> None:
        if not self._state.eof:
            raise InputError("the packed body ends early", advice="send it again; nothing was stored")


def _unpacker(coding: str | None) -> _Plain | _Gzip:
    word = (coding or "identity").strip().lower()
    if word == "identity":
        return _Plain()
    if word in {"gzip", "x-gzip"}:
        return _Gzip()
    raise ProtocolError(415, f"no content coding {word[:40]!r} here", advice="send it plain or as gzip")


def _too_long(limit: int) -> LimitError:
    return LimitError(
        f"the body is longer than {limit} bytes", advice="see max_content_length; post in parts"
    )
