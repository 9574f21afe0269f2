"""Volumes as files: what a medium may hold and do, and that memory does not grow with a volume."""

from __future__ import annotations

import os
import resource
import signal
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import InputError, SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import transfer_files, volumes
from secretariat.exchange.transfer_files import Medium
from secretariat.exchange.volumes import Binder, VolumeError
from secretariat.exchange.wire import Counts, Cursor, Page, Taken
from secretariat.ledger import checkpoint, merkle
from secretariat.ledger.keys import Signer
from secretariat.ledger.sealing import SealingKeys

NOW = parse_stamp("2026-11-22T02:09:36Z")
SEALING = SealingKeys.from_seed(b"\x10" * 32)
TRANSPORT = Signer.from_seed(b"\x04" * 32)
LOG = Signer.from_seed(b"\x03" * 32)
WRITERS = {TRANSPORT.key_id: TRANSPORT.public}
NAME = "secretariat-live-US-to-JP-1"


@dataclass
class Ring:
    """What of a keyring signs a volume."""

    realm: str = "live"
    party: str = "US"
    transport: Signer = TRANSPORT


def page(number: int) -> Page:
    note = checkpoint.sign("us.example/live", 1, merkle.root([bytes(32)]), LOG)
    at = Cursor(number)
    return Page(
        1, "live", "us.example/live", "US", "JP", at, Cursor(number + 1), 0, note.decode(), (), (),
        Counts(0, 0, 0), "00" * 32,
    )  # fmt: skip


def write(medium: Medium, *, pages: int = 3, most: int = 1_000_000, data: bytes = b"{}") -> list[Path]:
    ring: Any = Ring()
    binder = Binder(ring, "JP", 1, (SEALING.key_id, SEALING.public), medium.put, most)
    for number in range(pages):
        binder.add(page(number), data, ())
    ends = binder.ends(place=Taken(Cursor(), 0), previous=0, statement=None, now=NOW)
    return medium.name(medium.close(ends))


def read(path: Path) -> list[volumes.Part]:
    with transfer_files.reading(path) as file:
        scanned = volumes.scan(file, str(path), Limits())
        volumes.summary_of(scanned, file, SEALING, WRITERS, str(path), Limits())
        file.seek(0)
        return list(volumes.parts_of(file, scanned.head, SEALING, WRITERS, str(path), Limits()))


def test_volumes_have_their_names_only_when_all_are_whole(tmp_path):
    medium = Medium(tmp_path / "stick", NAME, one_file=False)
    medium.put(1, b"x")
    assert [one.name for one in (tmp_path / "stick").iterdir()] == [f".{NAME}-0001.{os.getpid()}.part"]
    medium.throw()
    assert list((tmp_path / "stick").iterdir()) == []
    made = write(
        Medium(tmp_path / "stick", NAME, one_file=False),
        pages=4,
        most=150_000,
        data=b'"%s"' % (b"x" * 30_000),
    )
    assert [one.name for one in made] == [
        f"{NAME}-{number:04d}.transfer" for number in range(1, len(made) + 1)
    ]
    assert len(made) > 1
    assert [part.part for one in made for part in read(one)][:2] == [0, 0]


def test_what_a_killed_export_left_is_cleared_and_that_of_a_running_one_is_not(tmp_path):
    left = tmp_path / f".{NAME}-0001.999999999.part"
    left.write_bytes(b"half")
    running = tmp_path / f".{NAME}-0001.{os.getppid()}.part"
    running.write_bytes(b"half")
    other = tmp_path / "holiday.part"
    other.write_bytes(b"mine")
    Medium(tmp_path, NAME, one_file=False)
    assert not left.exists()
    assert running.exists()
    assert other.exists()


def test_a_file_that_exists_is_refused_and_so_are_several_volumes_in_one(tmp_path):
    target = tmp_path / "one.transfer"
    (path,) = write(Medium(target, NAME, one_file=True))
    assert path == target
    with pytest.raises(InputError, match="exists already"):
        Medium(target, NAME, one_file=True)
    second = Medium(tmp_path / "two.transfer", NAME, one_file=True)
    with pytest.raises(InputError, match="more than one volume"):
        write(second, pages=4, most=150_000, data=b'"%s"' % (b"x" * 30_000))
    second.throw()
    assert [one.name for one in tmp_path.iterdir()] == ["one.transfer"]


def test_a_medium_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "stick").write_bytes(b"a file where a folder should be")
    with pytest.raises(InputError, match="cannot write"):
        Medium(tmp_path / "stick" / "deep", NAME, one_file=False)


def test_a_full_medium_is_said_and_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    medium = Medium(tmp_path, NAME, one_file=False)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(InputError, match="cannot write"):
            write(medium, pages=4, data=b'"%s"' % (b"x" * 30_000))
        medium.throw()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_sorted_and_links_and_foreign_files_are_passed_over(tmp_path):
    write(Medium(tmp_path, NAME, one_file=False), pages=6, most=150_000, data=b'"%s"' % (b"x" * 30_000))
    first = next(iter(sorted(tmp_path.glob("*.transfer"))))
    first.rename(tmp_path / "zzz.transfer")
    (tmp_path / "link.transfer").symlink_to("/dev/zero")
    (tmp_path / "readme.txt").write_text("for JP")
    (tmp_path / "broken.transfer").write_bytes(b"\x00" * 100)
    (tmp_path / "folder.transfer").mkdir()
    found = transfer_files.find([tmp_path])
    assert found[0].head is None
    assert isinstance(found[0].error, VolumeError)
    numbers = [one.head.volume for one in found if one.head is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert found[1].path.name == "zzz.transfer"


@pytest.mark.parametrize("name", ["nothing", "empty", "pipe"])
def test_what_holds_no_volume_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        transfer_files.find([tmp_path / name])


def test_a_medium_that_changes_between_two_readings_brings_nothing_false(tmp_path):
    (path,) = write(Medium(tmp_path, NAME, one_file=False))
    whole = path.read_bytes()
    with transfer_files.reading(path) as file:
        scanned = volumes.scan(file, "volume", Limits())
        volumes.summary_of(scanned, file, SEALING, WRITERS, "volume", Limits())
    lines = whole.splitlines(keepends=True)
    for bent in (
        [lines[0], lines[2], lines[1], *lines[3:]],
        [lines[0], lines[1].replace(b'"box":"', b'"box":"AAAA'), *lines[2:]],
        [lines[0].replace(b'"number":1', b'"number":2'), *lines[1:]],
    ):
        path.write_bytes(b"".join(bent))
        with transfer_files.reading(path) as file, pytest.raises(SecretariatError):
            list(volumes.parts_of(file, scanned.head, SEALING, WRITERS, "volume", Limits()))


def test_a_part_and_a_summary_count_nowhere_else(tmp_path):
    (path,) = write(Medium(tmp_path, NAME, one_file=False), pages=2)
    head, first, second, end = path.read_bytes().splitlines(keepends=True)
    part = msgspec.json.decode(second)
    part["part"] = 0  # the second page in the place of the first
    path.write_bytes(head + msgspec.json.encode(part) + b"\n" + second + end)
    with pytest.raises(VolumeError, match="part 0: "):
        read(path)
    assert first != second


def test_memory_does_not_grow_with_the_volume(tmp_path):
    peaks = []
    for pages in (8, 64):
        folder = tmp_path / str(pages)
        data = b'"%s"' % (b"x" * 500_000)
        tracemalloc.start()
        (path,) = write(Medium(folder, NAME, one_file=False), pages=pages, most=200_000_000, data=data)
        with transfer_files.reading(path) as file:
            scanned = volumes.scan(file, "volume", Limits())
            volumes.summary_of(scanned, file, SEALING, WRITERS, "volume", Limits())
            file.seek(0)
            count = sum(1 for _ in volumes.parts_of(file, scanned.head, SEALING, WRITERS, "volume", Limits()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == pages
    assert peaks[1] < peaks[0] * 1.2
    assert peaks[1] < 12_000_000
