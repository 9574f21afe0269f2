"""Keys, times, and one filled log that tests share: each looks at it in a transaction of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo

from secretariat.ledger import entries, service
from secretariat.ledger.entries import Draft, Note, Receipt
from secretariat.ledger.keys import Keyring
from secretariat.storage.embedded import Server
from secretariat.storage.engine import REALMS, Database

NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)
TEMPLATE = "template_sct"  # tests/conftest.py
SIZE = 304


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    """Give the keys of KR in the live realm."""
    return Keyring.generate("KR", "live", "kr.example")


@pytest.fixture(scope="session")
def filled_engine(server: Server, keyring: Keyring) -> Iterator[sa.Engine]:
    """Give superuser's connections to a database with a log of 304 entries past the edge of a tile."""
    name = f"ledger_{secrets.token_hex(4)}"
    with psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), autocommit=True) as admin:
        database = sql.Identifier(name)
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, sql.Identifier(TEMPLATE)))
        conninfo = server.conninfo(superuser=True, dbname=name)
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(conninfo, options="-c search_path=live -c timezone=UTC"),
        )
        with engine.begin() as tx:
            deeds = [Draft("note", None, Note(act=f"deed {number}")) for number in range(300)]
            service.append(tx, keyring, deeds, now=NOW)
        for number in range(3):
            body = Receipt(to="JP", about=entries.EntryRef("jp.example/live", number), state="kept")
            with engine.begin() as tx:
                service.append(tx, keyring, [Draft("receipt", "JP", body)], now=NOW)
        yield engine
        engine.dispose()
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture(scope="session")
def filled_database(server: Server, filled_engine: sa.Engine) -> Iterator[Database]:
    """Give the filled log's database as a node opens it; look at it only."""
    with filled_engine.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
    url = make_conninfo(server.conninfo(), dbname=name)
    database = Database.open(url, REALMS, prefix=TEMPLATE)
    yield database
    database.close()


@pytest.fixture
def filled(filled_engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a transaction on the filled log that is rolled back: whatever the test does to it is gone."""
    with filled_engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()
