"""Fixtures of the tests of records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from secretariat.storage.engine import Database


@pytest.fixture
def tx(database: Database) -> Iterator[sa.Connection]:
    """Give one transaction of the live realm."""
    with database.app("live") as connection:
        yield connection
