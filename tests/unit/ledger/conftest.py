"""Keys and times of the ledger's tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from secretariat.ledger.keys import Keyring

NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    """Give the keys of KR in the live realm."""
    return Keyring.generate("KR", "live", "kr.example")
