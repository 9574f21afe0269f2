"""Stock clients against a live node: taxii2-client, and stix2's source, sink and store on top of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import stix2
from requests.exceptions import HTTPError
from taxii2client.common import TokenAuth
from taxii2client.exceptions import AccessError
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from contract.taxii.target import indicator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.taxii.conftest import World


@pytest.fixture
def own(world: World) -> Iterator[Collection]:
    """KR's own collection, as its own tool finds it by discovery."""
    with Server(f"{world.url}/taxii2/", user="tool", password=world.tokens["writer"]) as server:
        root = server.default
        assert root.url == f"{world.url}/live/taxii2/"
        [found] = [one for one in root.collections if one.id == world.collections["own"]]
        yield found
        root.close()


def test_discovery_leads_to_the_collections(world: World) -> None:
    with Server(f"{world.url}/taxii2/", user="any", password=world.tokens["jp"]) as server:
        assert "KR" in server.title
        [root] = server.api_roots
        assert root.versions == ["application/taxii+json;version=2.1"]
        assert {one.id for one in root.collections} == {world.collections["jp"], world.collections["clear"]}
        root.close()


def test_add_get_manifest_versions_delete(own: Collection) -> None:
    first = indicator(1)
    second = {**first, "modified": "2024-06-01T00:00:00.000Z", "name": "second"}
    status = own.add_objects({"objects": [first, second]})
    assert status
    assert (status.success_count, status.failure_count) == (2, 0)
    status.refresh()
    assert status.total_count == 2
    assert own.get_objects(id=first["id"])["objects"] == [second]
    assert own.get_objects(id=first["id"], version="first")["objects"] == [first]
    assert own.get_object(first["id"], version="all")["objects"] == [first, second]
    assert own.object_versions(first["id"])["versions"] == [first["modified"], second["modified"]]
    assert [one["version"] for one in own.get_manifest(version="all")["objects"]] == [
        first["modified"],
        second["modified"],
    ]
    own.delete_object(first["id"])
    with pytest.raises(HTTPError, match="404"):
        own.get_object(first["id"])


@pytest.mark.parametrize("size", [0, 1, 7, 1000, 5000])
@pytest.mark.parametrize("way", ["get_objects", "get_manifest"])
def test_as_pages_reads_all_and_ends(
    own: Collection, caplog: pytest.LogCaptureFixture, way: str, size: int
) -> None:
    made = [indicator(number) for number in range(123)]
    own.add_objects({"objects": made})
    with caplog.at_level(logging.ERROR):
        pages = list(as_pages(getattr(own, way), per_request=size))
    ids = [one["id"] for page in pages for one in page["objects"]]
    assert ids == [one["id"] for one in made]


def test_as_pages_with_filters_by_date_and_type(own: Collection) -> None:
    made = [indicator(number) for number in range(30)]
    own.add_objects({"objects": made})
    dates = [one["date_added"] for one in own.get_manifest()["objects"]]
    after = datetime.fromisoformat(dates[9])
    pages = list(as_pages(own.get_objects, per_request=7, added_after=after, type=["indicator", "malware"]))
    assert [one["id"] for page in pages for one in page["objects"]] == [one["id"] for one in made[10:]]
    assert own.get_objects(added_after=after + timedelta(days=1)) == {}


def test_a_status_tells_which_failed_and_why(own: Collection) -> None:
    good, bad = indicator(), {**indicator(), "pattern_type": None}
    status = own.add_objects({"objects": [good, bad, "text", {"type": "x"}]})
    assert (status.success_count, status.failure_count, status.total_count) == (1, 3, 4)
    assert status.failures[0]["id"] == bad["id"]
    assert all(one["message"] for one in status.failures)
    assert own.get_objects()["objects"] == [good]


def test_a_reader_cannot_write_and_the_client_says_so(world: World) -> None:
    address = f"{world.url}/live/taxii2/collections/{world.collections['own']}/"
    with Collection(address, user="tool", password=world.tokens["reader"]) as found:
        assert found.can_read
        with pytest.raises(AccessError):
            found.add_objects({"objects": [indicator()]})
    with (
        pytest.raises(HTTPError, match="404"),
        Collection(address, user="tool", password=world.tokens["jp"]) as hidden,
    ):
        hidden.refresh()
    with pytest.raises(HTTPError, match="401"), Collection(address, auth=TokenAuth("x")) as unknown:
        unknown.refresh()


def test_the_public_collection_needs_no_credential(world: World) -> None:
    made = [indicator(number) for number in range(3)]
    world.put("clear", made)
    with Collection(f"{world.url}/live/taxii2/collections/{world.collections['clear']}/") as found:
        assert [one["id"] for one in found.get_objects()["objects"]] == [one["id"] for one in made]
        assert not found.can_write
    with pytest.raises(HTTPError, match="401"), ApiRoot(f"{world.url}/live/taxii2/") as root:
        root.refresh()


def test_stix2_store_writes_and_reads_back(own: Collection) -> None:
    store = stix2.TAXIICollectionStore(own, items_per_page=2)
    malware = stix2.Malware(name="MagicKitten", is_family=False)
    seen = stix2.Indicator(
        name="files", pattern="[file:name = 'a']", pattern_type="stix", valid_from="2024-01-01T00:00:00Z"
    )
    link = stix2.Relationship(seen, "indicates", malware)
    store.add([malware, seen, link])
    later = malware.new_version(name="MagicKitten 2")
    store.add(later)
    assert store.get(malware.id) == later
    assert sorted(one.modified for one in store.all_versions(malware.id)) == [
        malware.modified,
        later.modified,
    ]
    assert store.get("malware--00000000-0000-4000-8000-000000000000") is None
    found = store.query([stix2.Filter("type", "=", "indicator")])
    assert found == [seen]
    assert len(store.query()) == 3
    assert store.source.related_to(seen)[0].id == malware.id


def test_stix2_reads_what_it_cannot_parse_no_less(own: Collection) -> None:
    custom: dict[str, Any] = {
        "type": "x-kr-case",
        "spec_version": "2.1",
        "id": "x-kr-case--00000000-0000-4000-8000-000000000001",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "x_level": {"deep": [1, 2.5, True, None, "한국어"]},
    }
    own.add_objects({"objects": [custom]})
    source = stix2.TAXIICollectionSource(own, allow_custom=True)
    assert source.get(custom["id"])["x_level"]["deep"][4] == "한국어"


def test_a_bundle_is_taken_as_an_envelope(own: Collection) -> None:
    bundle = stix2.Bundle(stix2.Identity(name="KISA", identity_class="organization"))
    status = own.add_objects(bundle.serialize())
    assert status.success_count == 1


def test_added_after_of_the_last_page_misses_nothing(own: Collection) -> None:
    """What polling clients do: they keep X-TAXII-Date-Added-Last and ask for what came after."""
    seen: list[str] = []
    after = None
    for round_ in range(5):
        own.add_objects({"objects": [indicator(round_ * 10 + number) for number in range(3)]})
        response = own._conn.session.get(
            own.objects_url,
            headers={"Accept": "application/taxii+json;version=2.1"},
            params={} if after is None else {"added_after": after},
        )
        seen += [one["id"] for one in response.json()["objects"]]
        after = response.headers["X-TAXII-Date-Added-Last"]
        assert datetime.fromisoformat(after).tzinfo == UTC
    assert len(seen) == len(set(seen)) == 15
