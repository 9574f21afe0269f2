"""The log over HTTP, as a stranger's tool would read it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.testing import TestClient

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import NodeSettings
from secretariat.ledger import checkpoint, merkle, service
from secretariat.ledger.keys import Keyring
from secretariat.ledger.pages import routes
from secretariat.storage.engine import Database
from secretariat.web import problems

SIZE = 304


@dataclass
class Served:
    """A node's pages of the log, and what only the node knows."""

    client: TestClient[Litestar]
    keyring: Keyring
    leaves: list[bytes]


@pytest.fixture(scope="module")
def served(filled_database: Database, keyring: Keyring) -> Iterator[Served]:
    with filled_database.app("live") as tx:
        leaves = [item.leaf for item in service.read_entries(tx)]
    assert len(leaves) == SIZE
    settings = NodeSettings(party="KR", name="KR", host="kr.example")
    node = _Node(filled_database, {"live": keyring}, settings)
    handlers: Any = {SecretariatError: problems.on_error}
    app = Litestar(routes, state=State({"node": node}), exception_handlers=handlers, openapi_config=None)
    with TestClient(app) as client:
        yield Served(client, keyring, leaves)


@dataclass
class _Node:
    """The part of a node that these pages read."""

    database: Database
    keys: dict[str, Keyring]
    settings: NodeSettings

    def origin(self, realm: str) -> str:
        return self.keys[realm].origin


def test_a_stranger_follows_checkpoint_tiles_and_proofs(served: Served) -> None:
    answer = served.client.get("/live/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    held = checkpoint.verify(answer.content, "kr.example/live", [served.keyring.log.public])
    assert held.size == SIZE
    first = served.client.get("/live/log/tile/0/000")
    assert first.headers["content-type"] == "application/octet-stream"
    assert "immutable" in first.headers["cache-control"]
    rest = served.client.get("/live/log/tile/0/001.p/48")
    hashes = first.content + rest.content
    leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    assert leaves == served.leaves
    assert merkle.root(leaves) == held.root
    assert served.client.get("/live/log/tile/1/000.p/1").content == merkle.root(leaves[:256])
    proof = served.client.get("/live/log/proof/inclusion", params={"position": 17}).json()
    path = [bytes.fromhex(step) for step in proof["path"]]
    assert merkle.verify_inclusion(leaves[17], 17, SIZE, path, held.root)
    proof = served.client.get("/live/log/proof/consistency", params={"old": 3, "new": 258}).json()
    path = [bytes.fromhex(step) for step in proof["path"]]
    roots = [merkle.root(leaves[:3]), merkle.root(leaves[:258])]
    assert [proof["old_root"], proof["new_root"]] == [root.hex() for root in roots]
    assert merkle.verify_consistency(3, 258, *roots, path)


def test_no_entry_is_served_here(served: Served) -> None:
    """Tile bundles of entries are not offered; what is offered holds nothing of an envelope."""
    assert served.client.get("/live/log/tile/entries/000").status_code == 404
    note = served.client.get("/live/log/checkpoint").text
    assert base64.b64encode(merkle.root(served.leaves)).decode() in note


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/moon/log/checkpoint", 404, id="no such realm"),
        pytest.param("/live/log/tile/0/002", 404, id="tile not reached"),
        pytest.param("/live/log/tile/0/001", 404, id="full tile not reached"),
        pytest.param("/live/log/tile/0/001.p/49", 404, id="wider than reached"),
        pytest.param("/live/log/tile/0/0", 404, id="address misspelt"),
        pytest.param("/live/log/tile/9/000", 404, id="level not reached"),
        pytest.param("/live/log/proof/inclusion?position=304", 422, id="position beyond the end"),
        pytest.param("/live/log/proof/inclusion?position=1&size=305", 422, id="size beyond the end"),
        pytest.param("/live/log/proof/inclusion?position=-1", 400, id="negative position"),
        pytest.param("/live/log/proof/inclusion?position=x", 400, id="position no number"),
        pytest.param(
            "/live/log/proof/inclusion?position=99999999999999999999", 400, id="position beyond 2^53"
        ),
        pytest.param("/live/log/proof/inclusion", 400, id="no position"),
        pytest.param("/live/log/proof/consistency?old=5&new=4", 422, id="backwards"),
        pytest.param("/live/log/proof/consistency?old=305", 422, id="old beyond the end"),
    ],
)
def test_a_question_without_an_answer(served: Served, path: str, status: int) -> None:
    answer = served.client.get(path)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
