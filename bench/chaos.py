"""The test world: how many random worlds two cores play a second, as `make chaos` plays them.

Ten thousand worlds are promised within two hours. The bound is what the worlds of this run would take if
nothing but their own processor time were spent: two processes, none of them ever waiting or starting.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.line import Line

WORLDS = 60
JOBS = 2
SEED = 40_000
PROMISED = 10_000 / 7_200
"""10,000 worlds in two hours."""


def run() -> list[Line]:
    """Play some worlds as the command does, and say how many a second."""
    with tempfile.TemporaryDirectory(prefix="sct-bench-") as folder:
        out = Path(folder) / "worlds.json"
        words = ["--worlds", str(WORLDS), "--seed", str(SEED), "--jobs", str(JOBS), "--out", str(out)]
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tests.simulator", *words],
            cwd=Path(__file__).parents[1],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        took = time.perf_counter() - started
        found = json.loads(out.read_text())
    assert found["worlds"] == WORLDS, found["worlds"]
    assert not found["failed"], found["failed"]
    return [
        Line(
            f"random worlds of the simulator, {JOBS} processes",
            WORLDS / took,
            "/s",
            JOBS * WORLDS / found["cpu_s"],
            PROMISED,
            bound_is="processor time of the same worlds alone",
        )
    ]
