"""Fixtures of all tests: one embedded server per session, a fresh migrated database per test."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from secretariat.base.settings import NodeSettings
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.storage.embedded import Server
from secretariat.storage.engine import REALMS, Database
from secretariat.storage.provision import create_database, provision
from serving import Serving

TEMPLATE = "template_sct"
NO_BROWSER = "no browser on this machine"
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Let no test reach beyond this machine, nor ask for names: that may take seconds."""
    real, known = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX:
            host = str(address[0]) if isinstance(address, tuple) else ""
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                pytest.fail(f"a test tried to reach {address}")
        real(self, address)  # type: ignore[arg-type]

    def names(host: str | bytes | None, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name or "127.0.0.1")
            return known(host, *more, **named)
        if name == "localhost":
            return known(host, *more, **named)
        raise socket.gaierror(socket.EAI_NONAME, f"{name}: tests know no names but localhost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket, "getaddrinfo", names)
        yield


def _quick_folder() -> str:
    """In memory where there is room: a database of its own for every test is a thousand small files each."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4_000_000_000
    return str(memory) if roomy and os.access(memory, os.W_OK) else "/tmp"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Give a running embedded server whose template database has both realms fully migrated."""
    folder = Path(tempfile.mkdtemp(prefix="sct-", dir=_quick_folder()))
    running = Server(folder / "d", durable=False)
    try:
        folder.chmod(0o711)
        running.create()
        running.start()
        create_database(running.conninfo(superuser=True, dbname="postgres"), TEMPLATE)
        provision(running.conninfo(superuser=True, dbname=TEMPLATE), running.secret.app, REALMS)
        yield running
    finally:
        running.stop()
        running.destroy()
        shutil.rmtree(folder)


@contextlib.contextmanager
def fresh(server: Server) -> Iterator[str]:
    """Give the address of a fresh database (a copy of the template) for the application's roles."""
    name = f"t{os.getpid()}_{next(_numbers)}_{secrets.token_hex(2)}"
    with psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), autocommit=True) as admin:
        # FILE_COPY: the template is small and never open
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
        try:
            yield make_conninfo(server.conninfo(), dbname=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """Give the address of the test's own database."""
    with fresh(server) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give a fresh database with both realms fully migrated."""
    opened = Database.open(database_url, REALMS, prefix=TEMPLATE)
    yield opened
    opened.close()


@pytest.fixture
def node(server: Server, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Give a factory of nodes, each with its own database and keys: `node("JP")`, `node("KR", port=8411)`."""
    with contextlib.ExitStack() as stack:

        def make(party: str = "JP", **given: object) -> Node:
            data = tmp_path / party
            data.mkdir()
            words = {"name": f"Party {party}", "host": f"{party.lower()}.example", **given}
            settings = NodeSettings(party=party, data=data, **words)
            for realm in settings.realms:
                keys.create(keys.folder_of(data, realm), party=party, realm=realm, host=settings.host)
            url = stack.enter_context(fresh(server))
            opened = Database.open(url, settings.realms, prefix=TEMPLATE)
            stack.callback(opened.close)
            return Node.open(settings, opened)

        yield make


@pytest.fixture
def superuser(server: Server, database_url: str) -> Iterator[psycopg.Connection]:
    """Give a superuser's connection to the fresh database, to look behind the roles."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(server.conninfo(superuser=True, dbname=str(name)), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of the browser; without one the test does not run and the report says so loudly."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(NO_BROWSER)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failed test at once: who ends a run before its end wants to know, too."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        why = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
        sys.stdout.write(f"\nFAILED {report.nodeid} ({report.when}): {why[:300]}\n")
        sys.stdout.flush()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many browser tests did not run: a silent skip would look like a pass."""
    skipped = [
        report for report in terminalreporter.getreports("skipped") if NO_BROWSER in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("NO BROWSER", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} browser tests did NOT run: install chromium")


@pytest.fixture
def realm() -> str:
    """Give the realm that most tests use."""
    return "live"


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    """Give a factory of nodes that are processes of their own: `serving("JP")`, made but not started."""
    folder = Path(tempfile.mkdtemp(prefix="sct-", dir="/tmp"))
    folder.chmod(0o711)
    made: list[Serving] = []

    def make(party: str = "JP") -> Serving:
        one = Serving(folder / party, party)
        made.append(one)
        one.init()
        return one

    try:
        yield make
    finally:
        for one in made:
            one.remove()
        shutil.rmtree(folder)
