"""One node per database: the lock is taken again after a loss, and yields to who took it meanwhile."""

from __future__ import annotations

import threading

import psycopg
import pytest

from secretariat.base.errors import StateError
from secretariat.storage.engine import Database
from secretariat.storage.exclusive import DatabaseLock

HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
END = "SELECT pg_terminate_backend(%s)"


def test_a_second_node_is_refused(database: Database) -> None:
    with DatabaseLock(database), pytest.raises(StateError, match="one database belongs to one node"):
        DatabaseLock(database).__enter__()
    with DatabaseLock(database):
        pass


def test_taken_again_after_the_connection_was_lost(database: Database, superuser: psycopg.Connection) -> None:
    lost = threading.Event()
    with DatabaseLock(database, lost=lost.set, look=0.02):
        first = superuser.execute(HOLDER).fetchone()
        superuser.execute(END, first)
        for _ in range(500):  # the signal is not waited for: until then the first one still holds it
            if superuser.execute(HOLDER).fetchone() not in {None, first}:
                break
            lost.wait(0.02)
        else:
            pytest.fail("the lock was not taken again within 10 s")
        with pytest.raises(StateError):
            DatabaseLock(database).__enter__()
    assert not lost.is_set()


def test_ends_when_another_took_it(database: Database, superuser: psycopg.Connection) -> None:
    lost = threading.Event()
    with DatabaseLock(database, lost=lost.set, look=2) as held:
        held._connection.close()
        with DatabaseLock(database):
            assert lost.wait(30)
