"""Locks on files: one supervisor and one serving process per data folder, said clearly to the second one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.05


class FileLock:
    """An advisory lock on a file; the kernel frees it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self, *, shared: bool = False, wait: float = 0) -> bool:
        """Take the lock, waiting up to `wait` seconds; say whether it was taken. Writes our pid into it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    os.close(fd)
                    return False
                time.sleep(_POLL_S)
            else:
                break
        if not shared:
            line = f"{os.getpid()}\n".encode()
            os.pwrite(fd, line, 0)  # before the cut: whoever reads meanwhile finds a number
            os.ftruncate(fd, len(line))
        self._fd = fd
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def holder(self) -> int | None:
        """Give the pid that the present or last holder wrote."""
        with contextlib.suppress(OSError, ValueError, IndexError):  # new and still empty, or no number
            return int(self.path.read_text().split()[0])
        return None
