"""Memory of a node with its database: at rest, and while a bundle of one gigabyte is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import psutil

from bench import world
from bench.line import Line
from secretariat.demo.nodes import DemoNode, running

GIGABYTE = 1_000_000_000
REST_S = 5


def run() -> list[Line]:
    """Sum the proportional set size (shared pages once) of node, database and importing command."""
    with running(("JP",)) as cluster, tempfile.TemporaryDirectory(prefix="sct-bench-") as folder:
        one = cluster["JP"]
        one.close()
        time.sleep(REST_S)
        rest = _memory(one)
        bare = _interpreter()
        floor = bare + _memory(one, only="postgres")
        bundle = Path(folder) / "big.json"
        written = _write(bundle)
        peak, took = _import(one, bundle)
    return [
        Line(
            "memory of a node at rest, with its database",
            rest,
            "MB",
            floor,
            400,
            sense="less",
            bound_is="its database, and Python with the same modules loaded",
        ),
        Line(
            "memory of a node while 1 GB is imported",
            peak,
            "MB",
            rest + bare,
            600,
            sense="less",
            bound_is="the node at rest, and Python with the same modules loaded",
        ),
        Line(
            "import of a 1-GB bundle",
            written / 1e6 / took,
            "MB/s",
            _parsing(),
            1,
            bound_is="the same objects read by msgspec alone",
        ),
    ]


def _interpreter() -> float:
    """Give megabytes of Python with the node's modules loaded, and nothing opened."""
    words = [sys.executable, "-c", "import secretariat.cli, secretariat.app; input(print(flush=True))"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = pss(process.pid) / 1e6
        process.communicate(b"\n")
    return found


def _parsing() -> float:
    """Give megabytes a second of msgspec reading objects like those of the bundle."""
    some = [json.dumps({**one, "description": "x" * 3_000}).encode() for one in world.objects(6_000, seed=3)]
    started = time.perf_counter()
    for one in some:
        msgspec.json.decode(one)
    return sum(map(len, some)) / 1e6 / (time.perf_counter() - started)


def _memory(one: DemoNode, extra: int | None = None, only: str = "") -> float:
    """Give megabytes of the tree of processes, pages that several share counted once between them."""
    roots = [pid for pid in (one.pid, extra) if pid is not None]
    total = 0
    seen: set[int] = set()
    for root in roots:
        try:
            top = psutil.Process(root)
            tree = [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in tree:
            if process.pid not in seen and only in process.name():
                seen.add(process.pid)
                total += pss(process.pid)
    return total / 1e6


def pss(pid: int) -> int:
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open(encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def _write(path: Path) -> int:
    """Write a bundle of a gigabyte: indicators with long descriptions, each of its own."""
    text = ("An address that was seen to answer on three ports at night. " * 60)[:3000]
    with path.open("w", encoding="utf-8") as out:
        out.write('{"type":"bundle","id":"bundle--6f1d2c7e-5a0b-4c39-9e41-2008c5b3e7a1","objects":[')
        batch = world.objects(6_000, seed=3)
        number, written, first = 0, 0, True
        while written < GIGABYTE:
            one = dict(batch[(number % 1_000) * 6])
            one["id"] = f"indicator--{number:08x}-5a0b-4c39-9e41-2008c5b3e7a1"
            one["description"] = f"{number} {text}"
            line = json.dumps(one)
            out.write(line if first else "," + line)
            written += len(line) + 1
            number, first = number + 1, False
        out.write("]}")
    return path.stat().st_size


def _import(one: DemoNode, bundle: Path) -> tuple[float, float]:
    peak = [0.0]
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "secretariat", "import", str(bundle), "--data", str(one.data), "--json"],
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("SECRETARIAT_")},
    )
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            peak[0] = max(peak[0], _memory(one, process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    out, _ = process.communicate()
    done.set()
    watching.join()
    assert process.returncode == 0, out[-500:]
    assert json.loads(out)["accepted"] > 200_000, out[:500]
    return peak[0], time.monotonic() - started
