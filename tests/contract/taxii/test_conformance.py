"""Every MUST that TAXII 2.1 (OASIS Standard, 10 June 2021) lays on a server, by section.

Runs on our own node, or on any server by URL (target.py). Posts objects with new ids and deletes none it
did not post.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contract.taxii.target import TAXII, Target, complete, indicator, pages, post, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2 as httpx

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
STATUS_COUNTS = ("total_count", "success_count", "failure_count", "pending_count")


@pytest.fixture(scope="module")
def http(target: Target) -> Iterator[httpx.Client]:
    with target.client(target.writer) as client:
        yield client


@pytest.fixture(scope="module")
def posted(target: Target, http: httpx.Client) -> list[dict[str, Any]]:
    """Nine indicators: one with three versions, a malware, in the order in which they were posted."""
    many, first = uuid.uuid4(), datetime(2024, 1, 1, tzinfo=UTC)
    objects = [indicator(number) for number in range(5)]
    objects += [indicator(one=many, modified=first + timedelta(days=day)) for day in (0, 1, 2)]
    malware = {
        "type": "malware",
        "spec_version": "2.1",
        "id": f"malware--{uuid.uuid4()}",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "name": "conformance",
        "is_family": False,
    }
    objects.append(malware)
    for one in objects:
        status = complete(http, target, post(http, target, [one]))
        assert status["success_count"] == 1, status
    return objects


def get(http: httpx.Client, address: str, **filters: str) -> Any:
    response = http.get(address, params={name.replace("__", "["): value for name, value in filters.items()})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].replace(" ", "") == TAXII
    return response.json()


def match(**fields: str) -> dict[str, str]:
    return {f"match[{name}]": value for name, value in fields.items()}


def is_error(response: httpx.Response, *status: int) -> None:
    """3.6.1: a client or server error carries an error message with a title."""
    assert response.status_code in status, response.text
    assert response.headers["content-type"].replace(" ", "") == TAXII
    shape = response.json()
    assert isinstance(shape["title"], str)
    if "http_status" in shape:
        assert shape["http_status"] == str(response.status_code)


# 1.6.8 Content negotiation


@pytest.mark.parametrize("accept", [TAXII, "application/taxii+json", "application/taxii+json; version=2.1"])
def test_1_6_8_accept_with_and_without_version(target: Target, http: httpx.Client, accept: str) -> None:
    response = http.get(target.discovery, headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].replace(" ", "") == TAXII


@pytest.mark.parametrize("place", ["discovery", "root", "collections", "collection", "objects", "manifest"])
@pytest.mark.parametrize("accept", ["application/json", "application/taxii+json;version=2.0", "text/html"])
def test_1_6_8_what_cannot_be_given_is_406(
    target: Target, http: httpx.Client, place: str, accept: str
) -> None:
    is_error(http.get(addresses(target)[place], headers={"accept": accept}), 406)


# 1.6.9, 8.2 Authentication


def addresses(target: Target) -> dict[str, str]:
    root = target.root.rstrip("/") + "/"
    return {
        "discovery": target.discovery,
        "root": root,
        "collections": root + "collections/",
        "collection": target.base,
        "objects": target.base + "objects/",
        "manifest": target.base + "manifest/",
        "status": root + f"status/{uuid.uuid4()}/",
        "object": target.base + f"objects/indicator--{uuid.uuid4()}/",
        "versions": target.base + f"objects/indicator--{uuid.uuid4()}/versions/",
    }


PLACES = (
    "discovery",
    "root",
    "collections",
    "collection",
    "objects",
    "manifest",
    "status",
    "object",
    "versions",
)


@pytest.mark.parametrize("place", PLACES)
def test_8_2_no_credential_is_401_with_a_challenge(target: Target, place: str) -> None:
    with target.client(None) as client:
        response = client.get(addresses(target)[place])
    is_error(response, 401)
    assert "basic" in response.headers["www-authenticate"].lower()


@pytest.mark.parametrize("place", PLACES)
def test_8_2_wrong_credential_is_401(target: Target, place: str) -> None:
    with target.client(("nobody", "wrong")) as client:
        is_error(client.get(addresses(target)[place]), 401)


def test_8_2_no_credential_posts_nothing(target: Target) -> None:
    with target.client(None) as client:
        is_error(post(client, target, [indicator()]), 401)


# 2 Data types


def test_2_no_empty_lists(target: Target, http: httpx.Client) -> None:
    nothing = match(id=f"indicator--{uuid.uuid4()}")
    assert "objects" not in get(http, target.base + "objects/", **nothing)
    assert "objects" not in get(http, target.base + "manifest/", **nothing)


# 3.2 Headers, 3.3 Sorting


@pytest.mark.usefixtures("posted")
@pytest.mark.parametrize("place", ["objects", "manifest"])
def test_3_2_dates_of_first_and_last(target: Target, http: httpx.Client, place: str) -> None:
    listed = get(http, target.base + "manifest/", limit="3")["objects"]
    response = http.get(addresses(target)[place], params={"limit": 3})
    assert response.headers["x-taxii-date-added-first"] == listed[0]["date_added"]
    assert response.headers["x-taxii-date-added-last"] == listed[-1]["date_added"]
    assert MOMENT.fullmatch(response.headers["x-taxii-date-added-first"])


def test_3_2_dates_on_one_object_and_its_versions(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    for address in (f"objects/{posted[0]['id']}/", f"objects/{posted[0]['id']}/versions/"):
        headers = http.get(target.base + address).headers
        assert MOMENT.fullmatch(headers["x-taxii-date-added-first"])
        assert headers["x-taxii-date-added-first"] == headers["x-taxii-date-added-last"]


def test_3_2_no_dates_on_nothing(target: Target, http: httpx.Client) -> None:
    response = http.get(target.base + "objects/", params=match(id=f"indicator--{uuid.uuid4()}"))
    assert "x-taxii-date-added-first" not in response.headers


def test_3_3_ascending_by_date_added(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    records = [
        record
        for page in pages(http, target.base + "manifest/", 1000, **match(version="all"))
        for record in page["objects"]
    ]
    dates = [record["date_added"] for record in records]
    assert dates == sorted(dates)
    ours = {(one["id"], one["modified"]) for one in posted}
    kept = [(one["id"], one["version"]) for one in records if (one["id"], one["version"]) in ours]
    assert kept == [(one["id"], one["modified"]) for one in posted]


def test_3_3_objects_come_as_the_manifest_lists_them(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    ids = ",".join(sorted({one["id"] for one in posted}))
    listed = get(http, target.base + "manifest/", **match(id=ids, version="all"))["objects"]
    objects = get(http, target.base + "objects/", **match(id=ids, version="all"))["objects"]
    assert [(one["id"], one["modified"]) for one in objects] == [
        (one["id"], one["version"]) for one in listed
    ]


# 3.4 Filtering


def test_3_4_added_after_excludes_its_moment(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    ids = match(id=",".join(one["id"] for one in posted[:5]))
    listed = get(http, target.base + "manifest/", **ids)["objects"]
    for place in ("manifest/", "objects/"):
        after = get(http, target.base + place, added_after=listed[1]["date_added"], **ids)["objects"]
        assert [one["id"] for one in after] == [one["id"] for one in listed[2:]]
    assert "objects" not in get(http, target.base + "objects/", added_after=listed[-1]["date_added"], **ids)


def test_3_4_added_after_on_one_object(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    address = target.base + f"objects/{posted[0]['id']}/"
    assert "objects" not in get(http, address, added_after="2999-01-01T00:00:00.000000Z")
    assert "versions" not in get(http, address + "versions/", added_after="2999-01-01T00:00:00.000000Z")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=abc", "added_after=yesterday", "added_after=2024-01-01", "next=%00"],
)
@pytest.mark.parametrize("place", ["objects/", "manifest/"])
def test_3_4_unreadable_parameters_are_400(
    target: Target, http: httpx.Client, place: str, query: str
) -> None:
    is_error(http.get(f"{target.base}{place}?{query}"), 400)


def test_3_4_a_doubled_parameter_is_refused(target: Target, http: httpx.Client) -> None:
    is_error(http.get(target.base + "objects/?match[type]=indicator&match[type]=malware"), 400)


@pytest.mark.usefixtures("posted")
def test_3_4_a_large_limit_is_not_refused(target: Target, http: httpx.Client) -> None:
    assert get(http, target.base + "objects/", limit="1000000000")["objects"]


def test_3_4_1_id(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    wanted = [posted[0]["id"], posted[2]["id"]]
    found = get(http, target.base + "objects/", **match(id=",".join(wanted)))["objects"]
    assert [one["id"] for one in found] == wanted
    assert found[0] == posted[0]


def test_3_4_1_type(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    ids = ",".join(one["id"] for one in posted)
    malware = get(http, target.base + "objects/", **match(id=ids, type="malware"))["objects"]
    assert [one["id"] for one in malware] == [posted[-1]["id"]]
    both = get(http, target.base + "objects/", **match(id=ids, type="malware,indicator"))["objects"]
    assert len(both) == 7
    assert get(http, target.base + "objects/", **match(type="nobodys-type")) == {}


def test_3_4_1_spec_version(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    one = posted[0]["id"]
    assert len(get(http, target.base + "objects/", **match(id=one, spec_version="2.1"))["objects"]) == 1
    assert len(get(http, target.base + "objects/", **match(id=one, spec_version="2.0,2.1"))["objects"]) == 1
    assert get(http, target.base + "objects/", **match(id=one, spec_version="2.0")) == {}


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        (None, [2]),
        ("last", [2]),
        ("first", [0]),
        ("first,last", [0, 2]),
        ("all", [0, 1, 2]),
        ("2024-01-02T00:00:00.000Z", [1]),
        ("2024-01-02T00:00:00.000000Z", [1]),
        ("2024-01-02T00:00:00.000Z,last", [1, 2]),
        ("first,2024-01-02T00:00:00Z,last", [0, 1, 2]),
        ("2001-01-01T00:00:00.000Z", []),
    ],
)
@pytest.mark.parametrize("place", ["objects/", "manifest/", "objects/{id}/"])
def test_3_4_1_version(
    target: Target,
    http: httpx.Client,
    posted: list[dict[str, Any]],
    place: str,
    asked: str | None,
    days: list[int],
) -> None:
    filters = {} if asked is None else match(version=asked)
    if "{id}" not in place:
        filters |= match(id=posted[5]["id"])
    found = get(http, target.base + place.format(id=posted[5]["id"]), **filters)
    key = "version" if place == "manifest/" else "modified"
    first = datetime(2024, 1, 1, tzinfo=UTC)
    assert [one[key] for one in found.get("objects", [])] == [
        stamp(first + timedelta(days=day)) for day in days
    ]


# 3.5 Pagination


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
@pytest.mark.parametrize("place", ["objects/", "manifest/"])
def test_3_5_pages_neither_skip_nor_repeat(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]], place: str, limit: int
) -> None:
    ids = match(id=",".join(sorted({one["id"] for one in posted})), version="all")
    found = pages(http, target.base + place, limit, **ids)
    assert all(len(page["objects"]) <= limit for page in found)
    assert all(page.get("next") for page in found[:-1])
    assert not found[-1].get("more")
    key = "version" if place == "manifest/" else "modified"
    listed = [(one["id"], one[key]) for page in found for one in page["objects"]]
    assert listed == [(one["id"], one["modified"]) for one in posted]


def test_3_5_versions_are_paged(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    found = pages(http, target.base + f"objects/{posted[5]['id']}/versions/", 1)
    assert [page["versions"] for page in found] == [[one["modified"]] for one in posted[5:8]]


def test_3_5_one_object_is_paged(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    found = pages(http, target.base + f"objects/{posted[5]['id']}/", 1, **match(version="all"))
    assert [page["objects"] for page in found] == [[one] for one in posted[5:8]]


# 3.6 Errors


def test_3_6_unknown_addresses_and_names(target: Target, http: httpx.Client) -> None:
    root = target.root.rstrip("/") + "/"
    for address in (
        root + "nothing/",
        root + f"collections/{uuid.uuid4()}/",
        root + f"collections/{uuid.uuid4()}/objects/",
        root + f"collections/{uuid.uuid4()}/manifest/",
        root + "collections/not-an-id/",
        root + f"status/{uuid.uuid4()}/",
        root + "status/not-an-id/",
        target.base + "nothing/",
        target.base + f"objects/indicator--{uuid.uuid4()}/",
        target.base + f"objects/indicator--{uuid.uuid4()}/versions/",
        target.base + "objects/not-an-id/",
    ):
        is_error(http.get(address), 404)


def test_3_6_a_method_that_is_not_there(target: Target, http: httpx.Client) -> None:
    response = http.put(target.base + "objects/", content=b"{}", headers={"content-type": TAXII})
    is_error(response, 405)


# 4 Server information


def test_4_1_discovery(target: Target, http: httpx.Client) -> None:
    shape = get(http, target.discovery)
    assert isinstance(shape["title"], str)
    assert shape["api_roots"]
    if "default" in shape:
        assert shape["default"] in shape["api_roots"]
    assert target.root.rstrip("/") + "/" in [one.rstrip("/") + "/" for one in shape["api_roots"]]


def test_4_2_api_root(target: Target, http: httpx.Client) -> None:
    shape = get(http, target.root)
    assert isinstance(shape["title"], str)
    assert TAXII in [one.replace(" ", "") for one in shape["versions"]]
    assert isinstance(shape["max_content_length"], int)
    assert shape["max_content_length"] > 0


def test_4_3_status(target: Target, http: httpx.Client) -> None:
    good, bad = indicator(), {**indicator(), "modified": "never"}
    response = post(http, target, [good, bad])
    assert response.headers["content-type"].replace(" ", "") == TAXII
    status = complete(http, target, response)
    assert uuid.UUID(status["id"]).version == 4
    assert all(isinstance(status[name], int) for name in STATUS_COUNTS)
    assert status["total_count"] == 2
    assert status["success_count"] == 1
    assert status["failure_count"] == 1
    assert status["pending_count"] == 0
    assert MOMENT.fullmatch(status["request_timestamp"])
    assert [(one["id"], one["version"]) for one in status["successes"]] == [(good["id"], good["modified"])]
    assert status["failures"][0]["id"] == bad["id"]
    assert status["failures"][0]["message"]
    again = get(http, f"{target.root.rstrip('/')}/status/{status['id']}/")
    assert again == status


# 5 Collections


def test_5_1_collections(target: Target, http: httpx.Client) -> None:
    shape = get(http, target.root.rstrip("/") + "/collections/")
    ids = [one["id"] for one in shape["collections"]]
    assert target.collection in ids
    assert ids == [one["id"] for one in get(http, target.root.rstrip("/") + "/collections/")["collections"]]
    assert all(is_collection(one) for one in shape["collections"])


def is_collection(one: dict[str, Any]) -> bool:
    assert isinstance(one["id"], str)
    assert isinstance(one["title"], str)
    assert isinstance(one["can_read"], bool)
    assert isinstance(one["can_write"], bool)
    return True


def test_5_2_collection(target: Target, http: httpx.Client) -> None:
    shape = get(http, target.base)
    assert is_collection(shape)
    assert shape["id"] == target.collection
    assert shape["can_read"]
    assert shape["can_write"]
    listed = get(http, target.root.rstrip("/") + "/collections/")["collections"]
    assert shape in listed


def test_5_3_manifest(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    [record] = get(http, target.base + "manifest/", **match(id=posted[0]["id"]))["objects"]
    assert record["id"] == posted[0]["id"]
    assert record["version"] == posted[0]["modified"]
    assert MOMENT.fullmatch(record["date_added"])
    if "media_type" in record:
        assert record["media_type"] in get(http, target.base)["media_types"]


def test_5_4_objects_read_back_equal(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    ids = match(id=",".join(sorted({one["id"] for one in posted})), version="all")
    assert get(http, target.base + "objects/", **ids)["objects"] == posted


def test_5_5_the_same_again_is_a_success(
    target: Target, http: httpx.Client, posted: list[dict[str, Any]]
) -> None:
    status = complete(http, target, post(http, target, posted[:2]))
    assert status["success_count"] == 2
    found = get(http, target.base + "objects/", **match(id=posted[0]["id"], version="all"))["objects"]
    assert found == [posted[0]]


def test_5_5_custom_properties_of_the_envelope_are_no_error(target: Target, http: httpx.Client) -> None:
    one = indicator()
    body = {"x_custom": {"a": 1}, "objects": [one], "type": "bundle", "id": f"bundle--{uuid.uuid4()}"}
    response = http.post(target.base + "objects/", json=body, headers={"content-type": TAXII})
    assert complete(http, target, response)["success_count"] == 1


@pytest.mark.parametrize("kind", ["application/json", "application/taxii+json;version=2.0", "text/plain", ""])
def test_5_5_another_media_type_is_415(target: Target, http: httpx.Client, kind: str) -> None:
    response = http.post(target.base + "objects/", content=b'{"objects":[]}', headers={"content-type": kind})
    is_error(response, 415)


def test_5_5_accept_holds_for_posting_too(target: Target, http: httpx.Client) -> None:
    is_error(post(http, target, [indicator()], accept="application/json"), 406)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nonsense", b'"text"', b'{"objects":{}}', b"\xff\xfe"])
def test_5_5_a_body_that_cannot_be_read_is_refused(target: Target, http: httpx.Client, body: bytes) -> None:
    response = http.post(target.base + "objects/", content=body, headers={"content-type": TAXII})
    is_error(response, 400, 422)


def test_5_5_more_than_max_content_length_is_413(target: Target, http: httpx.Client) -> None:
    most = get(http, target.root)["max_content_length"]
    response = http.post(target.base + "objects/", content=b" " * (most + 1), headers={"content-type": TAXII})
    is_error(response, 413)


def test_5_6_one_object(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    assert get(http, target.base + f"objects/{posted[0]['id']}/")["objects"] == [posted[0]]
    assert get(http, target.base + f"objects/{posted[5]['id']}/")["objects"] == [posted[7]]


def test_5_7_delete(target: Target, http: httpx.Client) -> None:
    one = indicator()
    complete(http, target, post(http, target, [one]))
    address = target.base + f"objects/{one['id']}/"
    assert http.delete(address).status_code == 200
    is_error(http.get(address), 404)
    is_error(http.get(address + "versions/"), 404)
    is_error(http.delete(address), 404)
    assert get(http, target.base + "manifest/", **match(id=one["id"])) == {}


def test_5_7_delete_one_version(target: Target, http: httpx.Client) -> None:
    one, first = uuid.uuid4(), datetime(2024, 1, 1, tzinfo=UTC)
    kept = [indicator(one=one, modified=first + timedelta(days=day)) for day in (0, 1, 2)]
    complete(http, target, post(http, target, kept))
    address = target.base + f"objects/{kept[0]['id']}/"
    assert http.delete(address, params=match(version="last")).status_code == 200
    assert get(http, address)["objects"] == [kept[1]]
    assert http.delete(address, params=match(version=kept[0]["modified"])).status_code == 200
    assert get(http, address, **match(version="all"))["objects"] == [kept[1]]


def test_5_8_versions(target: Target, http: httpx.Client, posted: list[dict[str, Any]]) -> None:
    shape = get(http, target.base + f"objects/{posted[5]['id']}/versions/")
    assert shape["versions"] == [one["modified"] for one in posted[5:8]]
    none = get(http, target.base + f"objects/{posted[5]['id']}/versions/", **match(spec_version="2.0"))
    assert "versions" not in none


def test_5_who_may_only_read_cannot_write(target: Target, posted: list[dict[str, Any]]) -> None:
    if target.reader is None:
        pytest.skip("no second credential was given")
    with target.client(target.reader) as client:
        shape = get(client, target.base)
        assert shape["can_read"]
        assert not shape["can_write"]
        assert get(client, target.base + f"objects/{posted[0]['id']}/")["objects"] == [posted[0]]
        is_error(post(client, target, [indicator()]), 403)
        is_error(client.delete(target.base + f"objects/{posted[0]['id']}/"), 403)
