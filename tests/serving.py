"""A real `secretariat serve` process on loopback, to be killed in every way, and to be in another hour."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

from secretariat.demo.nodes import free_ports
from secretariat.storage.embedded import Server

_READY_S = 60
_AHEAD = """
from datetime import timedelta
from secretariat.base import clock
real = clock.now
clock.now = lambda: real() + timedelta(seconds={seconds})
from secretariat.cli import main
main()
"""


class Serving:
    """One node with its own process. `data` must not exist and its parents must be enterable."""

    def __init__(self, data: Path, party: str = "JP", *, port: int | None = None) -> None:
        self.data = data
        self.party = party
        self.port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.ahead = timedelta()
        """How far the clock is ahead of what starts from now on: processes and commands of this node."""

    def words(self, *words: str) -> list[str]:
        """Give the command line; a clock is set ahead before any module has taken it."""
        ahead = ["-c", _AHEAD.format(seconds=self.ahead.total_seconds())]
        return [sys.executable, *(ahead if self.ahead else ["-m", "secretariat"]), *words]

    def run(self, *words: str, stdin: str = "") -> dict[str, object]:
        """Run a command of this node with `--json` and give its result. Fails with what it said."""
        done = self.attempt(*words, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def attempt(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of this node, however it ends."""
        environment = {**os.environ, "SECRETARIAT_DATA": str(self.data)}
        return subprocess.run(
            self.words(*words), input=stdin, capture_output=True, text=True, check=False, env=environment
        )

    def init(self) -> None:
        """Make the node."""
        self.run("init", "--party", self.party, "--name", f"Party {self.party}", "--port", str(self.port))

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.data / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.words("serve", "--data", str(self.data)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + _READY_S
        while self.health() != 200:
            assert self.process.poll() is None, (self.data / "serve.log").read_text()
            assert time.monotonic() < end, "the node does not answer"
            time.sleep(0.05)

    def health(self) -> int:
        """Ask the node how it is; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        """kill -9 the serving process; its database is left to its fate."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_database(self) -> None:
        """kill -9 the database's postmaster."""
        pid = Server(self.data).pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """End the process as an operator does; give its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(60)

    def remove(self) -> None:
        """End everything and delete the node."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if not self.data.exists():
            return
        server = Server(self.data)
        server.lock.acquire(wait=30)
        server.lock.release()
        server.destroy()
