"""Locks on files: who holds one is read while others take it."""

from __future__ import annotations

import os
from pathlib import Path

from secretariat.storage.locks import FileLock


def test_a_lock_file_that_says_nothing_yet_names_no_holder(tmp_path: Path) -> None:
    """Four commands at once: one had opened the file and not yet written its number when another read it."""
    lock = FileLock(tmp_path / "lock")
    assert lock.holder() is None
    for text in ("", "\n", "nobody\n"):
        lock.path.write_text(text)
        assert lock.holder() is None


def test_a_shorter_number_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.path.write_text("999999999999\n")
    assert lock.acquire()
    assert lock.path.read_text() == f"{os.getpid()}\n"
    assert lock.holder() == os.getpid()
