"""What was written is read back equal, by pages of any size, while somebody else writes and deletes."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contract.taxii.target import indicator, pages, stamp
from secretariat.records import collections
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from contract.taxii.conftest import World


def objects_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for page in found for one in page.get("objects", [])]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_hold_still_while_another_writes(world: World, limit: int) -> None:
    """Nothing that was there at the start is skipped, nothing comes twice, and order is that of adding."""
    there = [indicator(number) for number in range(200)]
    world.put("jp", there)
    enough, wrote = threading.Event(), []

    def write() -> None:
        while not enough.is_set():
            more = [indicator(1000 + len(wrote) + number) for number in range(5)]
            world.put("jp", more)
            wrote.extend(more)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with world.client("jp") as client:
            first = objects_of(pages(client, world.of("jp") + "objects/", limit)) if limit > 1 else []
            if limit == 1:  # a writer that never rests would keep this reader for ever
                first = objects_of(list(page_by_page(client, world.of("jp") + "objects/", 250)))
    finally:
        enough.set()
        thread.join()
    assert len({one["id"] for one in first}) == len(first)
    assert first[:200] == there
    assert first == (there + wrote)[: len(first)]


def page_by_page(client: Any, address: str, most: int) -> Any:
    asked = {"limit": "1"}
    for _ in range(most):
        page = client.get(address, params=asked).json()
        yield page
        if not page.get("more"):
            return
        asked["next"] = page["next"]


def test_many_writers_in_two_collections_keep_order(world: World) -> None:
    """Who reads by added_after while others commit misses nothing: dates follow the order of commits."""
    writers = [
        threading.Thread(target=lambda: [world.put("jp", [indicator(1)]) for _ in range(40)])
        for _ in range(3)
    ]
    for one in writers:
        one.start()
    seen: list[str] = []
    after = "2020-01-01T00:00:00Z"
    with world.client("jp") as client:
        idle = 0
        while idle < 2:
            idle = 0 if any(one.is_alive() for one in writers) else idle + 1
            response = client.get(world.of("jp") + "objects/", params={"added_after": after, "limit": 3})
            seen += [one["id"] for one in response.json().get("objects", [])]
            after = response.headers.get("x-taxii-date-added-last", after)
            if response.json().get("more"):
                idle = 0
    assert len(seen) == len(set(seen)) == 120


def test_what_is_deleted_between_pages_is_gone_and_nothing_else(world: World) -> None:
    there = [indicator(number) for number in range(10)]
    world.put("jp", there)
    with world.client("jp") as client:
        first = client.get(world.of("jp") + "objects/?limit=4").json()
        with world.node.database.app("live") as tx:
            rows = raw(tx).execute(
                "SELECT id FROM object_version WHERE stix_id = ANY(%s)",
                ([there[3]["id"], there[4]["id"]],),  # the last of the page read, the first of the next
            )
            collections.remove(tx, [number for (number,) in rows])
        rest = client.get(world.of("jp") + f"objects/?limit=100&next={first['next']}").json()
    assert [one["id"] for one in rest["objects"]] == [one["id"] for one in there[5:]]


def test_a_newer_version_during_paging_comes_at_the_end(world: World) -> None:
    there = [indicator(number) for number in range(6)]
    world.put("jp", there)
    later = {**there[0], "modified": "2025-01-01T00:00:00.000Z"}
    with world.client("jp") as client:
        first = client.get(world.of("jp") + "objects/?limit=3").json()
        world.put("jp", [later])
        rest = client.get(world.of("jp") + f"objects/?limit=3&next={first['next']}").json()
        last = client.get(world.of("jp") + f"objects/?limit=3&next={rest['next']}").json()
    assert [*first["objects"], *rest["objects"], *last["objects"]] == [*there, later]


def test_versions_given_out_of_order(world: World) -> None:
    """`last` is the newest version, not the one that came last."""
    one, start = uuid.uuid4(), datetime(2024, 1, 1, tzinfo=UTC)
    made = [indicator(one=one, modified=start + timedelta(days=day)) for day in (2, 0, 3, 1)]
    for version in made:
        world.put("jp", [version])
    address = world.of("jp") + f"objects/{made[0]['id']}/"
    with world.client("jp") as client:
        assert client.get(address).json()["objects"] == [made[2]]
        assert client.get(address, params={"match[version]": "first"}).json()["objects"] == [made[1]]
        assert client.get(address, params={"match[version]": "all"}).json()["objects"] == made
        stamps = client.get(address + "versions/").json()["versions"]
        assert stamps == [stamp(start + timedelta(days=day)) for day in (2, 0, 3, 1)]


ODD: dict[str, dict[str, Any]] = {
    "names in many scripts": {"name": "攻撃 공격 攻击 🛡 é\u0301 \u2028"},
    "quotes and markup": {"description": "</script><b>\"'\\ \u0001 ${x} {{x}} %s"},
    "numbers at the edge": {"x_numbers": [0, -1, 9007199254740991, 1e-7, 1.5, 1e21, 123456789.123]},
    "nothing and falsehood": {"x_odd": {"a": None, "b": False, "c": {}, "d": [], "e": ""}},
    "keys out of order": {"zzz_last": 1, "aaa_first": 2, "x_é": 3, "x_\U0001f6e1": 4, "x_\ue000": 5},
    "deep": {"x_deep": json.loads("[" * 40 + "]" * 40)},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_odd_values_come_back_equal(world: World, odd: dict[str, Any]) -> None:
    one = {**indicator(), **odd}
    with world.client("writer") as client:
        body = json.dumps({"objects": [one]}).encode()
        headers = {"content-type": "application/taxii+json;version=2.1"}
        status = client.post(world.of("own") + "objects/", content=body, headers=headers).json()
        assert status["success_count"] == 1, status
        assert client.get(world.of("own") + "objects/").json()["objects"] == [one]


def test_observables_have_a_version_of_the_servers_own(world: World) -> None:
    """3.4.1: without created and modified the server gives a consistent version; asked for, it is found."""
    one = {
        "type": "ipv4-addr",
        "spec_version": "2.1",
        "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd",
        "value": "198.51.100.3",
    }
    with world.client("writer") as client:
        for _ in range(2):
            body = json.dumps({"objects": [one]}).encode()
            headers = {"content-type": "application/taxii+json;version=2.1"}
            status = client.post(world.of("own") + "objects/", content=body, headers=headers).json()
            assert status["success_count"] == 1
        [record] = client.get(world.of("own") + "manifest/?match[version]=all").json()["objects"]
        found = client.get(
            world.of("own") + "objects/",
            params={"match[version]": record["version"], "match[type]": one["type"]},
        ).json()
        assert found["objects"] == [one]
        versions = client.get(world.of("own") + f"objects/{one['id']}/versions/").json()["versions"]
        assert versions == [record["version"]]


def test_published_cannot_be_deleted_and_names_what_can_be_done(world: World) -> None:
    one = indicator()
    world.put("own", [one], state="published")
    with world.client("writer") as client:
        refused = client.delete(world.of("own") + f"objects/{one['id']}/")
        assert refused.status_code == 403
        assert "withdraw" in refused.json()["description"]
        assert client.get(world.of("own") + f"objects/{one['id']}/").json()["objects"] == [one]


def test_deleting_some_published_versions_deletes_none(world: World) -> None:
    one, start = uuid.uuid4(), datetime(2024, 1, 1, tzinfo=UTC)
    made = [indicator(one=one, modified=start + timedelta(days=day)) for day in (0, 1)]
    world.put("own", made[:1], state="published")
    world.put("own", made[1:], state="draft")
    address = world.of("own") + f"objects/{made[0]['id']}/"
    with world.client("writer") as client:
        assert client.delete(address).status_code == 403
        assert client.get(address, params={"match[version]": "all"}).json()["objects"] == made
        assert client.delete(address, params={"match[version]": "last"}).status_code == 200
        assert client.get(address, params={"match[version]": "all"}).json()["objects"] == made[:1]
        assert client.delete(address, params={"match[version]": "2001-01-01T00:00:00Z"}).status_code == 200
        assert client.get(address).json()["objects"] == made[:1]


def test_a_deleted_draft_comes_back_when_it_is_posted_again(world: World) -> None:
    one = indicator()
    headers = {"content-type": "application/taxii+json;version=2.1"}
    body = json.dumps({"objects": [one]}).encode()
    address = world.of("own") + f"objects/{one['id']}/"
    with world.client("writer") as client:
        for _ in range(2):
            assert client.post(world.of("own") + "objects/", content=body, headers=headers).status_code == 202
            assert client.get(address).json()["objects"] == [one]
            assert client.delete(address).status_code == 200
            assert client.get(address).status_code == 404


def test_a_status_is_for_the_credential_that_posted(world: World) -> None:
    headers = {"content-type": "application/taxii+json;version=2.1"}
    with world.client("writer") as client:
        body = json.dumps({"objects": [indicator()]}).encode()
        status = client.post(world.of("own") + "objects/", content=body, headers=headers).json()
        assert client.get(f"status/{status['id']}/").json() == status
    for token in ("reader", "jp", "blind"):
        with world.client(token) as client:
            assert client.get(f"status/{status['id']}/").status_code == 404


def test_posting_by_many_at_once(world: World) -> None:
    """The same and other objects from several tools: each status is right, nothing stands twice."""
    shared = [indicator(number) for number in range(50)]
    headers = {"content-type": "application/taxii+json;version=2.1"}
    results: list[dict[str, Any]] = []

    def run(own: list[dict[str, Any]]) -> None:
        with world.client("writer") as client:
            body = json.dumps({"objects": [*shared, *own]}).encode()
            results.append(client.post(world.of("own") + "objects/", content=body, headers=headers).json())

    threads = [threading.Thread(target=run, args=([indicator(100 * n)],)) for n in range(1, 5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.get("success_count") for one in results] == [51] * 4, results
    with world.client("writer") as client:
        found = objects_of(pages(client, world.of("own") + "objects/", 7))
    assert len(found) == len({one["id"] for one in found}) == 54
