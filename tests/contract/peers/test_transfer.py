"""Volumes carried by hand between nodes of each store: lost, repeated, cut, bent and mixed."""

from __future__ import annotations

import contextlib
import random
import runpy
from pathlib import Path

import msgspec
import pytest

from secretariat.base.errors import ConflictError, LimitError, SecretariatError, StateError
from secretariat.base.settings import Limits
from secretariat.exchange import volumes
from secretariat.exchange.volumes import VolumeError
from secretariat.exchange.wire import Cursor, Taken
from simulator import World, indicator, memory_node

Courier = runpy.run_path(str(Path(__file__).with_name("carry.py")))["Courier"]


def over(world, **given):
    world.allow("US>JP", "JP>US")
    return Courier(world, **given)


@pytest.fixture
def courier(world):
    return over(world("JP", "US"))


def ids(*names: str) -> set[str]:
    return {str(indicator(name)["id"]) for name in names}


def test_a_report_its_receipt_and_its_withdrawal_are_carried_and_then_nothing_is_left_to_carry(courier):
    there = courier
    roots = there.world.publish("US", indicator("a", description="canary-0815"), to=["JP"])
    (volume,) = there.export("US", "JP")
    assert b"canary" not in volume
    assert there.take("JP", volume) == "new"
    assert there.world.sees("JP") == ids("a")
    (answer,) = there.export("JP", "US")
    there.take("US", answer)
    assert there.world.holders("US", roots) == {"JP": "received"}
    assert there.state("US", "JP").confirmed == there.place("JP", "US")
    there.world.withdraw("US", str(indicator("a")["id"]))
    there.settle()
    assert there.world.sees("JP") == set()
    assert there.world.holders("US", roots) == {"JP": "destroyed"}
    assert there.settle() == 0
