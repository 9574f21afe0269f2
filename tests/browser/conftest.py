"""A node with the sample report, served on two ports, and a real browser that reports every complaint."""

from __future__ import annotations

import io
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import psycopg
import pytest
import uvicorn
from psycopg import sql
from psycopg.conninfo import make_conninfo

from secretariat.agreements import facts, grants, store
from secretariat.agreements.book import load, package_book
from secretariat.app import build, configuration
from secretariat.base.clock import now
from secretariat.base.settings import NodeSettings
from secretariat.demo import sample
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.people import service
from secretariat.people.model import Role
from secretariat.records.service import import_stream
from secretariat.storage.embedded import Server
from secretariat.storage.engine import Database

playwright = pytest.importorskip("playwright.sync_api")

PASSWORD = "correct horse battery"
TEMPLATE = "template_sct"
CEILING = {"ROK_MIL": "II"}
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PEOPLE = {
    "mina": (Role.RELEASER, Role.AUDITOR),
    "jun": (Role.RELEASER,),
    "root": (Role.ADMIN, Role.INTEGRATOR),
    "sora": (Role.OFFICER, Role.RELEASER),
}


def _sockets() -> tuple[int, list[socket.socket]]:
    """Two neighbouring free ports: the live realm and the exercise realm."""
    for _ in range(50):
        first = socket.create_server(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            return port, [first, socket.create_server(("127.0.0.1", port + 1))]
        except OSError:
            first.close()
    raise OSError("no two neighbouring ports")


def _fill(node: Node) -> None:
    at = now()
    book = package_book().joined(load([str(files("secretariat.demo") / "data/instruments.yaml")]))
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            for login, roles in PEOPLE.items():
                service.add_person(
                    tx, login=login, name=login.title(), password=PASSWORD, roles=roles, by="test", now=at
                )
            hashes = facts.keep_book(tx, book, now=at)
            for code, name in (("CN", "中国"), ("JP", "日本")):
                grants.keep_party(tx, code, name=name, partner=True, now=at)
                for by in (code, node.party):
                    store.keep_agreed(
                        tx, partner=code, by=by, hashes=hashes, origin="test", position=0, now=at
                    )
    for part in sample.parts(at).values():
        if part.publisher == node.party:
            stream = io.BytesIO(part.bundle())
            import_stream(node.database, "live", node.party, stream, ceiling=CEILING)


class Place:
    """Where the node is served, and the ids of its reports."""

    def __init__(self, node: Node, port: int) -> None:
        self.node = node
        self.live = f"http://127.0.0.1:{port}"
        self.exercise = f"http://127.0.0.1:{port + 1}"
        at = now()
        self.report = {key: part.report for key, part in sample.parts(at).items() if part.report}


@pytest.fixture(scope="session")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Serve one node for all browser tests."""
    data = tmp_path_factory.mktemp("KR")
    port, sockets = _sockets()
    settings = NodeSettings(
        party="KR", name="대한민국", host="kr.example", port=port, data=data, ceiling=CEILING
    )
    for realm in settings.realms:
        keys.create(keys.folder_of(data, realm), party="KR", realm=realm, host=settings.host)
    name = f"browser_{secrets.token_hex(3)}"
    with psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    database = Database.open(make_conninfo(server.conninfo(), dbname=name), settings.realms, prefix=TEMPLATE)
    node = Node.open(settings, database)
    _fill(node)
    served = uvicorn.Server(configuration(build(node)))
    thread = threading.Thread(target=served.run, kwargs={"sockets": sockets}, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not served.started and time.monotonic() < until:
        time.sleep(0.05)
    yield Place(node, port)
    served.should_exit = True
    thread.join(15)
    database.close()


@pytest.fixture(scope="module")  # it holds an event loop, in which other modules cannot run theirs
def browser(chromium: str) -> Iterator[Any]:
    """One browser for the tests of a module."""
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, place: Place) -> Iterator[Callable[..., Any]]:
    """Give a factory of pages; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def hear(words: str) -> None:
        # a refused form answers 4xx with the page that says why; the browser notes that on its console
        if "Failed to load resource: the server responded with a status of 4" not in words:
            complaints.append(words)

    def make(login: str | None = "mina", *, realm: str = "live", **options: Any) -> Any:
        base = place.live if realm == "live" else place.exercise
        given = {"locale": "en-US", "viewport": {"width": 1360, "height": 850}, **options}
        context = browser.new_context(base_url=base, **given)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: hear(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        if login is not None:
            page.goto("/sign-in")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.click("button.main")
            page.wait_for_url("**/")
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []
