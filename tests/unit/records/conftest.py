"""Fixtures of the tests of records: one database for all tests that need no commit, undone after each."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.conftest import TEMPLATE

from secretariat.storage.embedded import Server
from secretariat.storage.engine import REALMS, Database


class UndoError(Exception):
    """Ends a test's transaction without keeping anything."""


@pytest.fixture(scope="session")
def shared(server: Server) -> Iterator[Database]:
    """Give one migrated database for the session."""
    name = f"records_{secrets.token_hex(4)}"
    with psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )
    database = Database.open(make_conninfo(server.conninfo(), dbname=name), REALMS, prefix=TEMPLATE)
    yield database
    database.close()


@pytest.fixture
def tx(shared: Database) -> Iterator[sa.Connection]:
    """Give one transaction of the live realm that is rolled back."""
    with contextlib.suppress(UndoError), shared.app("live") as connection:
        yield connection
        raise UndoError
