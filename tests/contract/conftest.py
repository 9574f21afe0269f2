"""Whatever entry a contract test lets a node write keeps entry.json."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import written
from secretariat.ledger import entries


@pytest.fixture(scope="session", autouse=True)
def every_entry_keeps_its_schema() -> Iterator[None]:
    """Hold each payload against the schema as it is written."""
    make = entries.payload

    def payload(*given: object, **named: object) -> bytes:
        made = make(*given, **named)  # type: ignore[arg-type]
        written.check(made)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "payload", payload)
        yield
