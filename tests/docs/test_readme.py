"""The lines of the README are run as they stand there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secretariat.demo.nodes import free_ports

ROOT = Path(__file__).resolve().parents[2]
INDICATOR = "indicator--5d0092c5-5f74-4287-9642-33f4c354e56d"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that the database's own user may pass through."""
    made = Path(tempfile.mkdtemp(prefix="readme-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.mark.slow
def test_two_nodes_by_hand(folder: Path) -> None:
    block = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    for port, free in zip((8410, 8420), free_ports(2), strict=True):
        block = block.replace(str(port), str(free)).replace(str(port + 1), str(free + 1))
    script = f"set -e\n{block}\necho DONE; wait\n"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    told = folder / "told"
    with told.open("wb") as out:
        running = subprocess.Popen(
            ["sh", "-c", script], cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        assert "DONE" in waited(told, "DONE", running), told.read_text()
        assert "MAY: tlp-2/CLEAR" in told.read_text()
        assert "HOLDS" in told.read_text()
        until = time.monotonic() + 60
        while "received" not in (answer := receipts(folder, environment)) and time.monotonic() < until:
            time.sleep(0.5)
        assert "received" in answer
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)
        wait_for_the_end_of(folder)


def waited(told: Path, word: str, running: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 240
    while word not in told.read_text() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    return told.read_text()


def receipts(folder: Path, environment: dict[str, str]) -> str:
    words = ["secretariat", "receipts", INDICATOR, "--data", "a"]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


def wait_for_the_end_of(folder: Path) -> None:
    """Wait until both nodes have stopped their databases."""
    until = time.monotonic() + 60
    while list(folder.glob("?/postgres/postmaster.pid")) and time.monotonic() < until:
        time.sleep(0.1)
