"""Nobody sees what was not granted to it: not by address, filter, token, status, nor past the application."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contract.taxii.target import TAXII, indicator, pages
from secretariat.base.errors import UnavailableError
from secretariat.people.model import Scope
from secretariat.people.service import create_token
from secretariat.records import collections
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from contract.taxii.conftest import World


@pytest.fixture(scope="module")
def filled(standing: World) -> World:
    """Two objects for JP, one for US, one for everybody, one of our own, one from a partner."""
    for number, name in enumerate(("jp", "us", "clear", "own", "from_partners", "jp")):
        standing.put(name, [indicator(number)])
    return standing


SEES = {
    "jp": {"jp", "clear"},
    "us": {"us", "clear"},
    "cn": {"clear"},
    "writer": {"own", "from_partners", "clear"},
    "reader": {"own", "from_partners", "clear"},
    None: {"clear"},
}


@pytest.mark.parametrize("token", SEES)
def test_only_ones_own_collections_exist(filled: World, token: str | None) -> None:
    with filled.client(token) as client:
        for name in filled.collections:
            there = name in SEES[token]
            for place in ("", "objects/", "manifest/"):
                status = client.get(filled.of(name) + place).status_code
                assert status == (200 if there else 401 if token is None else 404), (name, place)
        if token is not None:
            listed = client.get("collections/").json()["collections"]
            assert {one["id"] for one in listed} == {filled.collections[name] for name in SEES[token]}


def test_a_refusal_says_the_same_of_what_is_and_what_is_not(filled: World) -> None:
    with filled.client("jp") as client:
        hidden = client.get(filled.of("us") + "objects/").json()
        nothing = client.get("collections/00000000-0000-4000-8000-000000000000/objects/").json()
    del hidden["error_id"], nothing["error_id"]
    assert hidden == nothing


def test_an_object_of_another_collection_is_not_found(filled: World) -> None:
    with filled.client("us") as client:
        mine = client.get(filled.of("us") + "objects/").json()["objects"][0]
    with filled.client("jp") as client:
        for place in ("", "versions/"):
            assert client.get(filled.of("jp") + f"objects/{mine['id']}/{place}").status_code == 404
        assert client.get(filled.of("jp") + f"objects/?match[id]={mine['id']}").json() == {}


def test_a_token_of_one_collection_opens_no_other(filled: World) -> None:
    filled.put("us", [indicator(number) for number in range(20, 25)])
    with filled.client("us") as client:
        token = client.get(filled.of("us") + "objects/?limit=1").json()["next"]
    with filled.client("jp") as client:
        assert client.get(filled.of("jp") + f"objects/?next={token}").status_code == 400
        assert client.get(filled.of("us") + f"objects/?next={token}").status_code == 404


def test_an_alias_names_ones_own(filled: World) -> None:
    with filled.client("writer") as client:
        by_alias = client.get("collections/own/objects/").json()
        assert by_alias == client.get(filled.of("own") + "objects/").json()
    with filled.client("jp") as client:
        assert client.get("collections/own/objects/").status_code == 404
        assert client.get("collections/clear/objects/").status_code == 200


@pytest.mark.parametrize("reader", ["JP", "US", "CN", "KR", "*", "", "jp", "'; RESET ROLE; --"])
def test_the_database_refuses_without_the_applications_filter(filled: World, reader: str) -> None:
    """What a bug above could do at worst: ask for everything."""
    token = {"JP": "jp", "US": "us", "KR": "writer"}.get(reader)
    expected = {filled.numbers[name] for name in SEES[token]} if reader else set()
    with filled.node.database.peer("live", reader) as tx:
        ask = raw(tx).execute
        assert {number for (number,) in ask("SELECT id FROM collection")} == expected
        assert {number for (number,) in ask("SELECT DISTINCT collection FROM item")} == expected
        seen = ask("SELECT count(*) FROM object_version").fetchone()
        items = ask("SELECT count(DISTINCT version) FROM item").fetchone()
        assert seen == items


def test_an_unset_reader_sees_nothing(filled: World) -> None:
    role = filled.node.database.roles("live").peer
    with filled.node.database.app("live") as tx:
        raw(tx).execute(f"SET LOCAL ROLE {role}".encode())
        for table in ("collection", "item", "object_version", "taxii_status"):
            assert raw(tx).execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


def test_a_pooled_connection_carries_nothing_over(filled: World) -> None:
    expected = {}
    for token in ("jp", "us"):
        with filled.client(token) as client:
            listed = client.get(filled.of(token) + "manifest/").json()["objects"]
            expected[token] = {one["id"] for one in listed}
    assert not expected["jp"] & expected["us"]
    for _ in range(5):
        for token in ("jp", "us"):
            with filled.client(token) as client:
                found = client.get(filled.of(token) + "objects/").json()["objects"]
                other = client.get(filled.of("us" if token == "jp" else "jp") + "objects/")
            assert len(found) == len(expected[token])
            assert {one["id"] for one in found} == expected[token]
            assert other.status_code == 404


def test_the_exercise_realm_is_another_world(filled: World) -> None:
    with filled.client("writer") as client:
        assert client.get(f"{filled.url}/exercise/taxii2/collections/").status_code == 401
        shape = client.get(f"{filled.url}/taxii2/").json()
    assert shape["api_roots"] == [f"{filled.url}/live/taxii2/"]


def test_a_read_only_peer_transaction(filled: World) -> None:
    with (
        pytest.raises(UnavailableError, match="no writes"),
        filled.node.database.peer("live", "JP") as tx,
    ):
        raw(tx).execute("DELETE FROM item")


def test_who_may_write_only_reads_nothing(filled: World) -> None:
    with filled.client("blind") as client:
        shape = client.get(filled.of("own")).json()
        assert (shape["can_read"], shape["can_write"]) == (False, True)
        for place in ("objects/", "manifest/", "objects/indicator--x/", "objects/indicator--x/versions/"):
            assert client.get(filled.of("own") + place).status_code == 403


def test_a_page_holds_stored_bytes(filled: World) -> None:
    with filled.client("jp") as client:
        text = client.get(filled.of("jp") + "objects/").content
    with filled.node.database.app("live") as tx:
        rows = raw(tx).execute(
            "SELECT v.bytes FROM item i JOIN object_version v ON v.id = i.version"
            " WHERE i.collection = %s ORDER BY i.seq",
            (filled.numbers["jp"],),
        )
        stored = [bytes(data) for (data,) in rows]
    assert text == b'{"more":false,"objects":[' + b",".join(stored) + b"]}"
    assert json.loads(text)


def test_pages_of_a_client_end_when_it_loses_its_grant(world: World) -> None:
    world.put("us", [indicator(number) for number in range(30, 40)])
    with world.client("us") as client:
        first = client.get(world.of("us") + "objects/?limit=2").json()
        with world.node.database.app("live") as tx:
            raw(tx).execute("DELETE FROM item WHERE collection = %s", (world.numbers["us"],))
        rest = client.get(world.of("us") + f"objects/?limit=2&next={first['next']}").json()
        assert rest == {}
        assert pages(client, world.of("us") + "objects/", 7) == [{}]


def test_a_token_of_the_exercise_realm_opens_the_exercise_only(filled: World) -> None:
    now = datetime.now(UTC)
    with filled.node.database.app("exercise") as tx:
        number = collections.ensure(tx, "own", filled.node.party, party=filled.node.party, realm="exercise")
        assert number
        _, secret = create_token(
            tx,
            label="player",
            reader=filled.node.party,
            scopes=frozenset({Scope.READ, Scope.WRITE}),
            lifetime=timedelta(days=1),
            by="test",
            now=now,
            limits=filled.node.settings.limits,
        )
    made = indicator()
    with filled.client(secret) as client:
        shape = client.get(f"{filled.url}/taxii2/").json()
        assert shape["api_roots"] == [f"{filled.url}/exercise/taxii2/"]
        assert client.get("collections/").status_code == 401
        root = f"{filled.url}/exercise/taxii2/"
        assert "EXERCISE" in client.get(root).json()["description"]
        body = json.dumps({"objects": [made]}).encode()
        posted = client.post(root + "collections/own/objects/", content=body, headers={"content-type": TAXII})
        assert posted.status_code == 202
        assert client.get(root + "collections/own/objects/").json()["objects"] == [made]
    with filled.client("writer") as client:
        listed = client.get(filled.of("own") + "manifest/?limit=1000").json()["objects"]
    assert made["id"] not in {one["id"] for one in listed}


@pytest.mark.parametrize(
    ("token", "name", "status"),
    [
        ("writer", "own", 202),
        ("blind", "own", 202),
        ("reader", "own", 403),
        ("writer", "from_partners", 403),
        ("writer", "clear", 403),
        ("writer", "jp", 404),
        ("us", "us", 403),
        ("us", "clear", 403),
        ("us", "own", 404),
        ("us", "jp", 404),
        (None, "clear", 401),
        (None, "own", 401),
        ("wrong", "own", 401),
    ],
)
def test_only_ones_own_tools_write_and_only_into_own(
    filled: World, token: str | None, name: str, status: int
) -> None:
    made = indicator()
    with filled.client(token, **{"content-type": TAXII}) as client:
        body = json.dumps({"objects": [made]}).encode()
        posted = client.post(filled.of(name) + "objects/", content=body)
        assert posted.status_code == status, posted.text
        removed = client.delete(filled.of(name) + f"objects/{made['id']}/")
        # who may not read may not learn by deleting either (5.7)
        assert removed.status_code == {202: 200 if token == "writer" else 403}.get(status, status)
