"""The lock inside the database by which one node keeps others off, wherever their data folder lies.

PostgreSQL frees an advisory lock when its connection ends, so the lock is watched: after the database was
gone it is taken again, and when another node took it meanwhile this one ends, since two would write one log.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psycopg

from secretariat.base.errors import StateError, UnavailableError
from secretariat.storage.engine import Database

log = logging.getLogger("secretariat.storage")
_TAKE = "SELECT pg_try_advisory_lock(hashtextextended('secretariat serve', 0))"
_LOOK_S = 5.0


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class DatabaseLock:
    """Holds the lock for a block. Refuses when another node holds it; calls `lost` when another got it."""

    def __init__(self, database: Database, *, lost: Callable[[], None] = _end, look: float = _LOOK_S) -> None:
        self._database = database
        self._lost = lost
        self._look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="database lock", daemon=True)
        self._connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        if not self._take():
            raise StateError(
                "another process serves this database",
                advice="one database belongs to one node; stop the other, or use another database",
            )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _take(self) -> bool:
        self._connection = self._database.direct(self._database.realms[0])
        row = self._connection.execute(_TAKE).fetchone()
        taken = row is not None and bool(row[0])
        if not taken:
            self._connection.close()
        return taken

    def _watch(self) -> None:
        while not self._stop.wait(self._look):
            try:
                assert self._connection is not None
                if not self._connection.closed:
                    self._connection.execute("SELECT 1")
                    continue
                taken = self._take()
            except (psycopg.Error, UnavailableError):
                if self._connection is not None:
                    self._connection.close()
                continue
            if not taken:
                log.critical("another node serves this database now: this one ends")
                self._lost()
                return
