"""Volumes on a medium: written beside their names and renamed when all of them are whole; found by suffix.

Writing keeps no more than one line in memory. What a killed process left is cleared by the next one.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from secretariat.base.errors import InputError, SecretariatError
from secretariat.exchange.volumes import SUFFIX, Head, read_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secretariat.exchange.volumes import Summary

MAX_FILES = 100_000
_LEFT = re.compile(r"\.secretariat-.*\.(\d+)\.part")


class Medium:
    """Where the volumes of one transfer are written: a folder, or one file."""

    def __init__(self, target: Path, name: str, *, one_file: bool) -> None:
        """Refuses a file that exists, and a folder that cannot be made."""
        self._target, self._name, self._one = target, name, one_file
        self.folder = target.parent if one_file else target
        if one_file and target.exists():
            raise InputError("the file exists already", where=str(target), advice="choose another name")
        with _saying(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._clear()
        self._files: dict[int, Path] = {}
        self._open: tuple[int, BinaryIO] | None = None

    def put(self, volume: int, data: bytes) -> None:
        """Write the next bytes of a volume."""
        with _saying(self.folder):
            if self._open is None or self._open[0] != volume:
                self._turn(volume)
            assert self._open is not None
            self._open[1].write(data)

    def close(self, ends: Iterable[tuple[Summary, bytes]]) -> list[Summary]:
        """Write each volume's end and bring all to the medium; none has its name yet."""
        found = []
        with _saying(self.folder):
            self._turn(None)
            for summary, line in ends:
                with self._files[summary.volume].open("ab") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                found.append(summary)
        return found

    def name(self, summaries: Sequence[Summary]) -> list[Path]:
        """Give the volumes their names. Refuses to put several where one file was named."""
        done = []
        with _saying(self.folder):
            for one in summaries:
                path = self._target if self._one else self.folder / f"{self._name}-{one.volume:04d}{SUFFIX}"
                self._files.pop(one.volume).replace(path)
                done.append(path)
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return done

    def throw(self) -> None:
        """Delete what has no name yet."""
        if self._open is not None:
            with contextlib.suppress(OSError):  # a full medium refuses what is left in memory once more
                self._open[1].close()
            self._open = None
        for path in self._files.values():
            path.unlink(missing_ok=True)

    def _turn(self, volume: int | None) -> None:
        if self._open is not None:
            self._open[1].flush()
            os.fsync(self._open[1].fileno())
            self._open[1].close()
            self._open = None
        if volume is None:
            return
        if self._one and volume > 1:
            raise InputError(
                "the transfer takes more than one volume",
                where=str(self._target),
                advice="name a folder, or make --volume-mb larger",
            )
        path = self.folder / f".{self._name}-{volume:04d}.{os.getpid()}.part"
        self._files[volume] = path
        self._open = (volume, path.open("xb"))

    def _clear(self) -> None:
        """Delete unfinished volumes of processes that are no more."""
        for path in self.folder.glob(".secretariat-*.part"):
            match = _LEFT.fullmatch(path.name)
            if match is not None and not _alive(int(match[1])):
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def _saying(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=str(where), advice="nothing was exported"
        ) from error


class FoundVolume(msgspec.Struct, frozen=True):
    """A file that begins like a volume, or why it does not."""

    path: Path
    head: Head | None
    error: SecretariatError | None = None


def find(paths: Iterable[Path]) -> list[FoundVolume]:
    """Find volumes in files and folders, in the order in which they are taken. Refuses where there are none.

    Files are named, or end in `.transfer` in a folder; links and devices in a folder are passed over.
    """
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob(f"*{SUFFIX}"))
            if len(inside) > MAX_FILES:
                raise InputError(f"more than {MAX_FILES} files", where=str(path))
            files = [one for one in inside if one.is_file() and not one.is_symlink() and one.name[0] != "."]
            if not files:
                raise InputError(f"no file ends in {SUFFIX} here", where=str(path))
        elif path.is_file():
            files = [path]
        else:
            raise InputError("neither a file nor a folder", where=str(path))
        found += [_look(one) for one in files]
    return sorted(found, key=_order)


def _look(path: Path) -> FoundVolume:
    try:
        with reading(path) as file:
            return FoundVolume(path, read_head(file, str(path)))
    except SecretariatError as error:
        return FoundVolume(path, None, error)


def _order(one: FoundVolume) -> tuple[object, ...]:
    if one.head is None:
        return ("", "", 0, 0, str(one.path))
    return (one.head.realm, one.head.party, one.head.number, one.head.volume, str(one.path))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a volume; an error of the medium while it is read is said as such."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(
            f"cannot read: {error.strerror}",
            where=str(path),
            advice="the medium may be damaged: copy it again",
        ) from error
