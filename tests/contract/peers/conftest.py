"""Worlds of simulated nodes over each store: whatever passes on one must pass on the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from secretariat.exchange.postgres import transaction
from secretariat.ledger.node import Node
from simulator import SimulatedNode, World, memory_node


@pytest.fixture(params=["memory", "postgres"])
def make(request: pytest.FixtureRequest) -> Callable[[str], SimulatedNode]:
    """Give a maker of nodes over one kind of store."""
    if request.param == "memory":
        return memory_node
    node: Callable[..., Node] = request.getfixturevalue("node")

    def over_postgres(party: str) -> SimulatedNode:
        real = node(party, realms=("live",))
        return SimulatedNode(real.keyring("live"), partial(transaction, real, "live"), real)

    return over_postgres


@pytest.fixture
def world(make: Callable[[str], SimulatedNode]) -> Callable[..., World]:
    """Give a maker of worlds: `world("KR", "JP")`."""
    return partial(World, make=make)
