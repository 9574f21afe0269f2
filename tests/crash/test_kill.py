"""kill -9 in a loop while publishing: every acknowledged object is there, and the log verifies."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import Serving

pytestmark = pytest.mark.slow

WRITER = Path(__file__).with_name("writer.py")
ROUNDS = 3


class Writer:
    """The writing process, and what it acknowledged so far."""

    def __init__(self, data: Path, acknowledged: set[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), str(data)], stdout=subprocess.PIPE, text=True
        )
        self.acknowledged = acknowledged
        self.batches = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, *ids = line.split()
            # a line that the kill cut short has no newline
            if word == "published" and line.endswith("\n"):
                self.acknowledged.update(ids)
                self.batches += 1

    def wait_for(self, batches: int) -> None:
        end = time.monotonic() + 60
        while self.batches < batches:
            assert self.process.poll() is None, "the writer ended"
            assert time.monotonic() < end, "the writer writes nothing"
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def check(node: Serving, acknowledged: set[str]) -> None:
    """Everything acknowledged is published, and the whole log, its tree and its signatures hold."""
    report = node.run("log", "verify")
    assert report["holds"], report
    found = node.run("records", "list", "--state", "published", "--limit", "10000")
    held = {one["id"] for one in found}
    missing = acknowledged - held
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged objects are lost"


@pytest.mark.parametrize("victim", ["writer", "database"])
def test_killed_while_publishing(serving: Callable[..., Serving], victim: str) -> None:
    """Kill the publishing process with its database, or the database alone, at random moments."""
    node = serving("JP")
    moments = random.Random(f"{victim} 2013-03-20")
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        writer = Writer(node.data, acknowledged)
        try:
            writer.wait_for(2)
            time.sleep(moments.uniform(0, 0.3))
            if victim == "database":
                node.kill_database()
                writer.wait_for(writer.batches + 2)
        finally:
            writer.kill()
    assert acknowledged
    check(node, acknowledged)


def test_killed_while_serving(serving: Callable[..., Serving]) -> None:
    """kill -9 of the serving process, of its database, of both: the next start is up at once and verifies."""
    node = serving("JP")
    for kills in ([node.kill], [node.kill_database, node.kill], [node.kill, node.kill_database]):
        node.start()
        for kill in kills:
            kill()
    left = node.data / "transfer-of-a-killed-process"
    left.mkdir()
    (left / "v.transfer").write_bytes(b"sealed")
    node.start()
    assert node.health() == 200
    assert not left.exists()
    check(node, set())
