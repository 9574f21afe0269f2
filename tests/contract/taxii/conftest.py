"""A live node with a TAXII server on loopback, tokens of every kind, and objects in every collection."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from conftest import TEMPLATE, fresh
from contract.taxii.target import TAXII, Target
from secretariat.base.settings import Limits, NodeSettings
from secretariat.exchange import taxii_pages
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.people.model import Scope
from secretariat.people.service import create_token
from secretariat.records import collections, store
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.storage.engine import REALMS, Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

READ, WRITE = frozenset({Scope.READ}), frozenset({Scope.WRITE})


class World(msgspec.Struct):
    """A node, where it listens, its tokens by name and its collections by kind or partner."""

    node: Node
    url: str
    tokens: dict[str, str]
    collections: dict[str, str]
    numbers: dict[str, int]

    def put(self, name: str, objects: Sequence[dict[str, Any]], *, state: str = "published") -> list[int]:
        """Put objects into a collection, past every rule: what others do, as TAXII finds it."""
        now = datetime.now(UTC)
        rows = [
            store.Version(
                stix_id=one["id"],
                type=one["type"],
                spec_version=one.get("spec_version", "2.1"),
                created=one.get("created"),
                modified=one.get("modified"),
                version=datetime.fromisoformat(one.get("modified") or one.get("created") or now.isoformat()),
                data=canonical(one),
                originator=self.node.party,
                source=self.node.party,
                label=Label(orig=self.node.party, tlp="GREEN"),
                state=state,
                recorded_at=now,
                known_at=now,
            )
            for one in objects
        ]
        with self.node.database.app("live") as tx:
            return collections.add(tx, self.numbers[name], store.put(tx, rows), now=now)

    def client(self, token: str | None = "writer", **headers: str) -> httpx.Client:
        """Give an HTTP client that speaks TAXII with one of the tokens."""
        given = {"accept": TAXII, **headers}
        if token is not None:
            given["authorization"] = f"Bearer {self.tokens.get(token, token)}"
        return httpx.Client(base_url=f"{self.url}/live/taxii2/", headers=given, timeout=30)

    def of(self, name: str) -> str:
        """Give the address of a collection below the API root."""
        return f"collections/{self.collections[name]}/"


@contextlib.contextmanager
def listening(application: Litestar) -> Iterator[str]:
    """Serve an application on a free port of loopback."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(10)


@contextlib.contextmanager
def world_of(node: Node) -> Iterator[World]:
    """Give a node a TAXII server, tokens and collections."""
    now = datetime.now(UTC)
    tokens, named, numbers = {}, {}, {}
    with node.database.app("live") as tx:
        for name, reader, scopes in (
            ("writer", node.party, READ | WRITE),
            ("reader", node.party, READ),
            ("blind", node.party, WRITE),
            ("jp", "JP", READ),
            ("us", "US", READ | WRITE),
            ("cn", "CN", READ),
        ):
            _, tokens[name] = create_token(
                tx,
                label=name,
                reader=reader,
                scopes=scopes,
                lifetime=timedelta(days=1),
                by="test",
                now=now,
                limits=node.settings.limits,
            )
        for name, kind, reader in (
            ("own", "own", node.party),
            ("from_partners", "from_partners", node.party),
            ("clear", "clear", "*"),
            ("jp", "partner", "JP"),
            ("us", "partner", "US"),
        ):
            numbers[name] = collections.ensure(tx, kind, reader, party=node.party, realm="live")
        for one in collections.all_of(tx):
            key = next(name for name, number in numbers.items() if number == one.id)
            named[key] = str(one.taxii)
    application = Litestar(
        route_handlers=list(taxii_pages.routes),
        state=State({"node": node, "database": node.database}),
        openapi_config=None,
        logging_config=None,
    )
    with listening(application) as url:
        yield World(node, url, tokens, named, numbers)


@pytest.fixture
def world(node: Any) -> Iterator[World]:
    """Give a fresh world of KR's node."""
    with world_of(node("KR", limits=Limits(max_request_bytes=2_000_000))) as made:
        yield made


@pytest.fixture(scope="module")
def standing(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a world for a whole module, for tests that leave nothing behind that the others count on."""
    with node_at(server, tmp_path_factory.mktemp("node")) as made, world_of(made) as world:
        yield world


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    """Give the server that a conformance run talks to: the one in the environment, else a node of ours."""
    given = Target.of_environment()
    if given is not None:
        return given
    world: World = request.getfixturevalue("standing")
    return Target(
        f"{world.url}/taxii2/",
        f"{world.url}/live/taxii2/",
        world.collections["own"],
        ("tool", world.tokens["writer"]),
        ("tool", world.tokens["reader"]),
    )


@contextlib.contextmanager
def node_at(server: Any, data: Path) -> Iterator[Node]:
    """Make KR's node for a whole module; its limits are small enough to be passed."""
    settings = NodeSettings(
        party="KR", name="Party KR", host="kr.example", data=data, limits=Limits(max_request_bytes=2_000_000)
    )
    for realm in settings.realms:
        keys.create(keys.folder_of(data, realm), party="KR", realm=realm, host=settings.host)
    with fresh(server) as url, contextlib.closing(Database.open(url, REALMS, prefix=TEMPLATE)) as opened:
        yield Node.open(settings, opened)
