"""kill -9 of `secretariat keys rotate` and `keys revoke` at random moments, with the database they run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from serving import Serving

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROUNDS = 6


def present(told: Any) -> dict[str, str]:
    return {one["role"]: one["key_id"] for one in reversed(told["keys"]) if one["until"] is None}


def test_killed_at_any_moment_the_old_key_or_the_new_one_is_in_force(
    serving: Callable[..., Serving],
) -> None:
    node, moments = serving("KR"), random.Random("2009-07-07")
    node.run("keys", "rotate", "witness")
    began = time.monotonic()
    node.run("keys", "rotate", "log")
    takes = time.monotonic() - began
    for number in range(ROUNDS):
        before = present(node.run("keys", "status"))["record"]
        more = ("revoke", before, "--since", "now", "--reason", "stolen")
        words = ("rotate", "record") if number % 2 else more
        process = subprocess.Popen(
            [sys.executable, "-m", "secretariat", "keys", *words],
            env={**os.environ, "SECRETARIAT_DATA": str(node.data)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(takes * moments.uniform(0.4, 1.0))
        process.kill()
        process.wait()
        found = node.run("keys", "status")
        retired = {path.stem for path in (node.data / "keys" / "live" / "retired").glob("*.pub")}
        assert present(found)["record"] == before or before in retired
        assert node.run("log", "verify")["holds"]
        node.start()  # the root key is here: what was cut short is finished
        assert node.health() == 200
        node.kill()
        assert node.run("keys", "status")["unsaid"] == []
