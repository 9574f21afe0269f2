"""A town of real nodes for every attack, started once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from contract.second.town import Attacker, Town
from secretariat.exchange import peer_pages
from secretariat.storage.embedded import Server


@pytest.fixture(scope="session")
def whole_town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Start KR and JP, which keep in step with each other by themselves."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("secretariat.app.BACKGROUND", tuple(peer_pages.background))
            there = Town(server, tmp_path_factory.mktemp("town"), stack)
        yield there


@pytest.fixture
def town(whole_town: Town) -> Iterator[Town]:
    """Give the town; when the test is done both nodes still answer and none met a fault of its own."""
    whole_town.faults.found.clear()
    yield whole_town
    assert whole_town.faults.found == []
    whole_town.answers()


@pytest.fixture
def settle(town: Town) -> Callable[..., Attacker]:
    """Give a maker of attackers under new codes that are partners of a node."""
    return lambda at="KR": Attacker(town, town.code(), at).settle()
