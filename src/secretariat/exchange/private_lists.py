"""Long lists of private questions: put in order, or kept as they came, in files without a name.

A list of a million values takes no more memory here than one of ten thousand. The files are gone with the
process, whatever ends it; what they hold are points, tags, and at their own party values.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

RUN: Final = 16_384
"""Records that are put in order in memory at a time."""
_LENGTH: Final = 4
_AHEAD: Final = 32_768
"""Bytes of one sorted run that are read ahead: each run has its own while all are merged."""


class _File:
    """Records one after the other, each with its length before it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the list that holds it)
        self.end = 0

    def append(self, records: Iterable[bytes]) -> None:
        for one in records:
            self.end += self._file.write(len(one).to_bytes(_LENGTH, "big") + one)
        self._file.flush()

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Give the records between two places; several may read at once."""
        data, at = b"", 0
        while start < end or at < len(data):
            length = int.from_bytes(data[at : at + _LENGTH], "big") if at + _LENGTH <= len(data) else None
            if length is None or at + _LENGTH + length > len(data):
                more = os.pread(self._file.fileno(), min(_AHEAD, end - start), start)
                start += len(more)
                data, at = data[at:] + more, 0
                continue
            yield data[at + _LENGTH : at + _LENGTH + length]
            at += _LENGTH + length

    def close(self) -> None:
        self._file.close()


class Shelf:
    """Records kept in the order in which they came; read as often as is wanted."""

    def __init__(self) -> None:
        self._file = _File()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._file.read(0, self._file.end)

    def add(self, record: bytes) -> None:
        """Keep one more."""
        self._file.append([record])
        self.count += 1


class Sorting:
    """Records put in as they come, given in the order of their bytes as often as is wanted."""

    def __init__(self, records: Iterable[bytes] = ()) -> None:
        self._held: list[bytes] = []
        self._file: _File | None = None
        self._runs: list[tuple[int, int]] = []
        self.extend(records)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.clear()
        if self._file is not None:
            self._file.close()

    def extend(self, records: Iterable[bytes]) -> None:
        """Put records in."""
        for one in records:
            self._held.append(one)
            if len(self._held) >= RUN:
                self._write()

    def _write(self) -> None:
        self._file = self._file or _File()
        start = self._file.end
        self._file.append(sorted(self._held))
        self._runs.append((start, self._file.end))
        self._held.clear()

    def __iter__(self) -> Iterator[bytes]:
        if self._file is None:
            return iter(sorted(self._held))
        if self._held:
            self._write()
        return heapq.merge(*(self._file.read(start, end) for start, end in self._runs))
