"""The nodes of the demonstration: each a process of its own with its own folder, database, keys and port.

Rules:
1. Nodes are made by `secretariat init` and run by `secretariat serve`, the same commands an operator types.
2. Whatever happens, no process is left: they are ended on leaving the block, on an error, on SIGTERM, and by
   the kernel when this process is killed (Linux).
3. They listen on 127.0.0.1 only, on free ports; the folder is deleted at the end.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx2
import msgspec

from secretariat.base.errors import SecretariatError, UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.ledger.node import Node
from secretariat.storage.embedded import Server
from secretariat.storage.opening import opened

PARTIES = ("CN", "JP", "KR", "US")
"""In ISO order."""
CEILINGS = {"KR": {"ROK_MIL": "II"}, "JP": {"ROK_MIL": "II", "JP_MOD": "GOKUHI"}}
"""Admit the invented annex, and nothing real: the demonstration says so in its first lines."""
DEFAULT_TLP: Final = "GREEN"
CIRCLES: Final = ("JP,KR,US",)
_FIRST_PORT: Final = 20_000
_PORTS: Final = 12_000
"""These three may know of each other that they are partners; CN is in no circle."""
"""What comes in without a marking is handled as; the story says so."""
_START_S = 120
_STOP_S = 20


class Ended(BaseException):
    """SIGTERM or SIGHUP: unwinds like Ctrl-C, so that every block cleans up."""


class DemoNode:
    """One party's node as the demonstration sees it: its process, and its services in this process."""

    def __init__(self, party: str, folder: Path, port: int) -> None:
        self.party = party
        self.data = folder / party
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.node: Node
        self._process: subprocess.Popen[bytes] | None = None
        self._open = contextlib.ExitStack()

    def page(self, path: str) -> str:
        """Give the address of a page of this node."""
        return f"{self.url}{path}"

    def begin_init(self) -> subprocess.Popen[bytes]:
        """Start `secretariat init` for this node."""
        words = ["init", "--data", str(self.data), "--party", self.party]
        words += ["--name", f"{self.party} (demonstration)", "--host", f"{self.party.lower()}.localhost"]
        words += ["--port", str(self.port), "--url", self.url]
        words += ["--exercise-url", f"http://127.0.0.1:{self.port + 1}"]
        for table, level in CEILINGS.get(self.party, {}).items():
            words += ["--ceiling", f"{table}={level}"]
        return self._run(words)

    def set_default(self) -> None:
        """Write the demonstration's default marking and circle into `node.toml`, as an operator would."""
        settings = NodeSettings.load(self.data)
        settings.default_tlp = DEFAULT_TLP
        settings.circles = CIRCLES
        settings.save()

    def begin_serve(self) -> None:
        """Start `secretariat serve` for this node."""
        self._process = self._run(["serve", "--data", str(self.data)])

    def await_health(self, until: float) -> None:
        """Wait until the node answers. Refuses when its process ended or time is over."""
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                raise UnavailableError(f"the node of {self.party} did not start: {self.last_words()}")
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise UnavailableError(f"the node of {self.party} did not answer within {_START_S} s")

    def open(self) -> None:
        """Open the running node's settings, keys and database in this process, as its commands do."""
        settings = NodeSettings.load(self.data)
        database = self._open.enter_context(opened(settings))
        self.node = Node.open(settings, database)

    def close(self) -> None:
        """Close what `open` opened."""
        self._open.close()

    @property
    def pid(self) -> int | None:
        """The process that serves this node."""
        return None if self._process is None else self._process.pid

    def begin_stop(self) -> None:
        """Ask the process to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def await_stop(self) -> None:
        """Wait for the process, and end it by force when it does not."""
        if self._process is None:
            return
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def delete(self) -> None:
        """Delete the node's folder, and its database where that had to lie elsewhere."""
        with contextlib.suppress(SecretariatError, OSError):
            Server(self.data).destroy()
        shutil.rmtree(self.data, ignore_errors=True)

    def last_words(self) -> str:
        """Give the last line that the node's process wrote."""
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1] if lines else "it said nothing"
        return "it said nothing"

    @property
    def _log(self) -> Path:
        return self.data.with_suffix(".log")

    def _run(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        # The launcher asks the kernel to end the node when this process dies; it needs the main thread.
        launcher = Path(sys.modules["secretariat"].__path__[0]) / "storage" / "launch.py"
        program = [sys.executable, "-I", "-m", "secretariat", *words]
        ending = str(int(signal.SIGTERM))
        own = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(own, 0o600)  # one left by an older release was open to all
        with os.fdopen(own, "ab") as log:
            return subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-I", "-S", str(launcher), str(os.getpid()), "-1", "-1", ending, *program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )


class Cluster(msgspec.Struct, frozen=True):
    """The nodes that run, by party."""

    nodes: dict[str, DemoNode]

    def __getitem__(self, party: str) -> DemoNode:
        return self.nodes[party]

    def __iter__(self) -> Iterator[DemoNode]:
        return iter(self.nodes.values())


@contextlib.contextmanager
def running(parties: Sequence[str] = PARTIES) -> Iterator[Cluster]:
    """Give running nodes for the time of the block; ends them and deletes their folders at its end."""
    with _ending_on_sigterm():
        folder = Path(tempfile.mkdtemp(prefix="secretariat-demo-"))
        folder.chmod(0o711)  # the database's own user must be able to pass through
        nodes = {
            party: DemoNode(party, folder, port)
            for party, port in zip(parties, free_ports(len(parties)), strict=True)
        }
        try:
            _init(nodes.values())
            _serve(nodes.values())
            for one in nodes.values():
                one.open()
            yield Cluster(nodes)
        finally:
            with _undisturbed():
                _stop(nodes.values())
                with ThreadPoolExecutor(len(nodes)) as workers:
                    workers.map(DemoNode.delete, nodes.values())
                shutil.rmtree(folder, ignore_errors=True)


def _init(nodes: Any) -> None:
    making = [(one, one.begin_init()) for one in nodes]
    for one, process in making:
        try:
            code = process.wait(_START_S)
        except BaseException:
            for _, other in making:
                other.terminate()
            raise
        if code != 0:
            raise UnavailableError(f"the node of {one.party} was not made: {one.last_words()}")


def _serve(nodes: Any) -> None:
    until = time.monotonic() + _START_S
    for one in nodes:
        one.set_default()
        one.begin_serve()
    for one in nodes:
        one.await_health(until)


def _stop(nodes: Any) -> None:
    for one in nodes:
        with contextlib.suppress(Exception):
            one.close()
        one.begin_stop()
    for one in nodes:
        one.await_stop()


def free_ports(count: int) -> list[int]:
    """Give `count` ports of 127.0.0.1 whose next one is free too (the exercise realm's).

    They lie below those that kernels give to outgoing connections (Linux from 32768, others from 49152): one
    of those may be taken by any connection before the node listens on it.
    """
    found: set[int] = set()
    while len(found) < count:
        port = _FIRST_PORT + 2 * secrets.randbelow(_PORTS // 2)
        with socket.socket() as one, socket.socket() as two, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            found.add(port)
    return sorted(found)


def _environment() -> dict[str, str]:
    """Give the nodes this process's environment without a database of the operator's own."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SECRETARIAT_")}


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nothing interrupt cleaning up: a second Ctrl-C waits until it is done."""
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
