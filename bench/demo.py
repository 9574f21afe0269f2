"""`make demo` from a fresh clone with packages cached: from `git clone` to the end of the story."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.line import Line

ROOT = Path(__file__).resolve().parent.parent


def run() -> list[Line]:
    """Clone, set up, play the story once; the bound is the setting up alone (unpacking the packages)."""
    with tempfile.TemporaryDirectory(prefix="sct-clone-") as folder:
        Path(folder).chmod(0o755)
        clone = Path(folder) / "secretariat"
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        started = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        subprocess.run(
            ["make", "-s", "setup"], cwd=clone, check=True, env=environment, stdout=subprocess.DEVNULL
        )
        ready = time.monotonic()
        out = subprocess.run(
            [str(clone / ".venv/bin/secretariat"), "demo", "--once", "--json"],
            cwd=clone,
            check=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ).stdout
        took = time.monotonic() - started
    assert json.loads(out)["leaks"] == 0
    return [
        Line(
            "make demo from a fresh clone, packages cached",
            took,
            "s",
            ready - started,
            120,
            sense="less",
            bound_is="git clone and make setup",
        )
    ]
