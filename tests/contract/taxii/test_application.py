"""TAXII inside the whole application, as `secretariat serve` runs it: guards and headers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from taxii2client.v21 import Server, as_pages

from contract.taxii.conftest import listening, node_at, world_of
from contract.taxii.target import TAXII, indicator
from secretariat import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.taxii.conftest import World


@pytest.fixture(scope="module")
def whole(server: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world served by the whole application."""
    with (
        node_at(server, tmp_path_factory.mktemp("node")) as node,
        world_of(node) as world,
        listening(app.build(node)) as url,
    ):
        world.url = url
        yield world


def test_a_stock_client_from_discovery_to_deletion(whole: World) -> None:
    made = [indicator(number) for number in range(25)]
    with Server(f"{whole.url}/taxii2/", user="tool", password=whole.tokens["writer"]) as server:
        root = server.default
        [own] = [one for one in root.collections if one.can_write]
        assert own.add_objects({"objects": made}).success_count == 25
        pages = list(as_pages(own.get_objects, per_request=7))
        assert [one for page in pages for one in page["objects"]] == made
        own.delete_object(made[0]["id"])
        assert len(own.get_manifest()["objects"]) == 24
        root.close()


@pytest.mark.parametrize("place", ["/taxii2/", "/live/taxii2/", "/exercise/taxii2/", "/live/taxii2/nothing/"])
def test_answers_are_taxii_with_each_header_once(whole: World, place: str) -> None:
    with whole.client(None) as client:
        response = client.get(whole.url + place)
    assert response.status_code == (404 if "nothing" in place else 401)
    assert response.headers["content-type"] == TAXII
    assert response.json()["title"]
    names = [name for name, _ in response.headers.raw if name.lower() != b"www-authenticate"]
    assert len(names) == len(set(names))
    assert b"set-cookie" not in names


def test_a_tool_needs_no_origin_and_a_browser_of_another_site_gets_no_further(whole: World) -> None:
    with whole.client("writer", origin="https://evil.example", **{"sec-fetch-site": "cross-site"}) as client:
        response = client.get(whole.of("own") + "objects/")
        assert response.status_code == 200  # a credential in a header is not a cookie: no site has it
        assert "access-control-allow-origin" not in response.headers


def test_websockets_are_not_spoken(whole: World) -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with whole.client("writer", **upgrade) as client:
        assert client.get("").status_code in {200, 400, 403, 426}
