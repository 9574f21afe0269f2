"""Bad input: a clear TAXII error that says where, and nothing lost, half stored or shown to others."""

from __future__ import annotations

import gzip
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from contract.taxii.target import TAXII, indicator
from secretariat.base.errors import UnavailableError

if TYPE_CHECKING:
    import httpx2 as httpx

    from contract.taxii.conftest import World

TYPE = {"content-type": TAXII}


def refused(response: httpx.Response, *status: int) -> dict[str, Any]:
    assert response.status_code in status, (response.status_code, response.text)
    assert response.headers["content-type"] == TAXII
    shape: dict[str, Any] = response.json()
    assert shape["title"]
    assert shape["http_status"] == str(response.status_code)
    assert shape["error_id"]
    return shape


@pytest.fixture(scope="module")
def small(standing: World) -> World:
    """A world with one object of our own."""
    standing.put("own", [indicator(7)], state="draft")
    return standing


def held(client: httpx.Client, world: World) -> int:
    """Count what is in `own`."""
    return len(client.get(world.of("own") + "manifest/?limit=1000").json()["objects"])


QUERIES = {
    "limit of nothing": "limit=0",
    "negative limit": "limit=-1",
    "limit as float": "limit=1e9",
    "limit past any integer": "limit=" + "9" * 30,
    "next of garbage": "next=garbage",
    "next that looks like one": "next=AQAGYNR_P4rCM6fbdEI1FQ4",
    "next with SQL": "next=" + quote("'; DROP TABLE item; --"),
    "version of garbage": "match[version]=newest",
    "all beside last": "match[version]=all,last",
    "no value": "match[type]=",
    "twice": "match[id]=a&match[id]=b",
    "twice, encoded once": "match[id]=a&match%5Bid%5D=b",
    "twice limit": "limit=1&limit=2",
    "date of garbage": "added_after=" + quote("' OR 1=1"),
    "date past all": "added_after=10000-01-01T00:00:00Z",
    "nul": "match[type]=%00",
    "not utf-8": "match[type]=%ff",
    "huge list": "match[id]=" + ",".join(f"indicator--{number}" for number in range(2_000)),
    "many parameters": "&".join(f"x{number}=1" for number in range(100)),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
@pytest.mark.parametrize("place", ["objects/", "manifest/"])
def test_a_query_that_cannot_be_read(small: World, place: str, query: str) -> None:
    with small.client() as client:
        shape = refused(client.get(f"{small.of('own')}{place}?{query}"), 400)
        assert shape["description"]


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE item; --",
        "%",
        "_",
        "\\",
        "{a,b}",
        "ünï",
        "指標--1",
        "indicator--*",
        "NULL",
        "a" * 900,
        "$1",
        "%s",
    ],
)
@pytest.mark.parametrize("field", ["id", "type", "spec_version"])
def test_a_value_is_only_a_value(small: World, field: str, value: str) -> None:
    with small.client() as client:
        before = held(client, small)
        response = client.get(small.of("own") + "objects/", params={f"match[{field}]": value})
        assert response.status_code == 200, response.text
        assert response.json() == {}
        assert held(client, small) == before


@pytest.mark.parametrize(
    "name", ["'; --", "%00", "%ff", "指標", "..%2F..%2Fetc", "a" * 5000, "{id}", "%s", "."]
)
def test_a_name_that_is_none(small: World, name: str) -> None:
    with small.client() as client:
        for address in (
            f"collections/{name}/objects/",
            f"status/{name}/",
            f"{small.of('own')}objects/{name}/",
            f"{small.of('own')}objects/{name}/versions/",
        ):
            # a dot is resolved by the client itself
            assert client.get(address).status_code in ({200, 404} if name == "." else {404}), address
        refused(client.delete(f"{small.of('own')}objects/{name}x/"), 404)


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic !!!",
        "Basic ////",
        "Basic YQ==",
        "Basic " + "A" * 10_000,
        "Bearer",
        "Bearer \xff",
        "Bearer x y",
        "Digest username=x",
        "Negotiate abc",
        "nonsense",
        "",
    ],
)
def test_a_credential_that_is_none(small: World, value: str) -> None:
    with small.client(None) as client:
        for place in ("objects/", ""):
            response = client.get(
                small.of("own") + place, headers={b"authorization": value.encode("latin-1")}
            )
            refused(response, 401)
            assert len(response.headers.get_list("www-authenticate")) == 2


def test_a_wrong_credential_does_not_open_what_needs_none(small: World) -> None:
    with small.client("wrong") as client:
        refused(client.get(small.of("clear") + "objects/"), 401)


@pytest.mark.parametrize("accept", ["text/html", ";;;", ",", "application/taxii+json;q=0", "a" * 10_000])
def test_an_accept_that_cannot_be_met(small: World, accept: str) -> None:
    with small.client() as client:
        refused(client.get(small.of("own") + "objects/", headers={"accept": accept}), 406)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE", "PURGE", "TRACE"])
def test_a_method_that_is_not_spoken(small: World, method: str) -> None:
    with small.client() as client:
        response = client.request(method, small.of("own") + "manifest/", headers=TYPE)
        refused(response, 405)
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_and_options(small: World) -> None:
    with small.client() as client:
        got = client.get(small.of("own") + "objects/")
        head = client.head(small.of("own") + "objects/")
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == str(len(got.content))
        assert head.headers["x-taxii-date-added-first"] == got.headers["x-taxii-date-added-first"]
        options = client.options(small.of("own") + "objects/")
        assert (options.status_code, options.content) == (204, b"")
        assert options.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_trailing_slash_may_be_left_out(small: World, slash: str) -> None:
    with small.client() as client:
        for address in (
            "collections",
            small.of("own")[:-1],
            small.of("own") + "objects",
            small.url + "/taxii2",
        ):
            response = client.get(address + slash)
            assert response.status_code == 200, address
            assert not response.history
        assert client.get(f"{small.url}/live/taxii2x").status_code == 404


BODIES: dict[str, bytes] = {
    "empty": b"",
    "space": b"  \n",
    "truncated": b'{"objects":[{"type":"indicator"}',
    "truncated in a string": b'{"objects":[{"type":"indic',
    "not JSON": b"objects=1",
    "not UTF-8": b"\xff\xfe{\x00",
    "a list": b"[]",
    "a list of objects": json.dumps([indicator()]).encode(),
    "one object": json.dumps(indicator()).encode(),
    "a text": b'"objects"',
    "no objects": b"{}",
    "an empty list": b'{"objects":[]}',
    "objects that are none": b'{"objects":{}}',
    "objects twice": b'{"objects":[{"a":1}],"objects":[{"a":1}]}',
    "something after": b'{"objects":[{"a":1}]} {"objects":[]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_envelope_stores_nothing(small: World, body: bytes) -> None:
    with small.client() as client:
        before = held(client, small)
        refused(client.post(small.of("own") + "objects/", content=body, headers=TYPE), 422)
        assert held(client, small) == before


def test_a_sound_member_before_a_broken_end_is_not_stored(small: World) -> None:
    body = b'{"objects":[' + json.dumps(indicator()).encode() + b","
    with small.client() as client:
        before = held(client, small)
        refused(client.post(small.of("own") + "objects/", content=body, headers=TYPE), 422)
        assert held(client, small) == before


MEMBERS: dict[str, str] = {
    "no object": "7",
    "nothing": "null",
    "a bundle": '{"type":"bundle","id":"bundle--1","objects":[]}',
    "a bad id": '{"type":"indicator","id":"indicator--1"}',
    "a doubled name": json.dumps(indicator())[:-1] + ',"name":"a"}',
    "no JSON": "{nonsense}",
    "a number no double holds": json.dumps(indicator())[:-1] + ',"x":1e999}',
    "an unsafe integer": json.dumps(indicator())[:-1] + ',"x":9007199254740993}',
    "half a surrogate": json.dumps(indicator())[:-1] + ',"x":"\\ud800"}',
    "too deep": json.dumps(indicator())[:-1] + ',"x":' + "[" * 100 + "]" * 100 + "}",
    "deep beyond any stack": "[" * 100_000 + "]" * 100_000,
    "STIX 2.0": json.dumps({k: v for k, v in indicator().items() if k != "spec_version"}),
    "modified before created": json.dumps({**indicator(), "modified": "2001-01-01T00:00:00.000Z"}),
    "too large": json.dumps({**indicator(), "description": "x" * 1_100_000}),
    "an id that is no text": json.dumps({**indicator(), "id": ["a"]}),
}


@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS.keys())
def test_one_bad_member_harms_no_other(small: World, member: str) -> None:
    good = [indicator(1), indicator(2)]
    body = f'{{"objects":[{json.dumps(good[0])},{member},{json.dumps(good[1])}]}}'.encode()
    with small.client() as client:
        response = client.post(small.of("own") + "objects/", content=body, headers=TYPE)
        assert response.status_code == 202, response.text
        status = response.json()
        assert (status["success_count"], status["failure_count"]) == (2, 1)
        assert [one["id"] for one in status["successes"]] == [one["id"] for one in good]
        assert len(status["failures"][0]["message"]) > 10
        assert isinstance(status["failures"][0]["version"], str)
        found = client.get(small.of("own") + "objects/?limit=1000").json()["objects"]
        assert found[-2:] == good


def test_too_long_by_its_length(small: World) -> None:
    most = small.node.settings.limits.max_request_bytes
    with small.client() as client:
        response = client.post(small.of("own") + "objects/", content=b" " * (most + 1), headers=TYPE)
        shape = refused(response, 413)
        assert "max_content_length" in shape["description"]


def test_too_long_without_a_length(small: World) -> None:
    most = small.node.settings.limits.max_request_bytes
    with small.client() as client:
        chunks = (b" " * 65_536 for _ in range(most // 65_536 + 2))
        refused(client.post(small.of("own") + "objects/", content=chunks, headers=TYPE), 413)
        good = (part for part in (b'{"objects":[', json.dumps(indicator()).encode(), b"]}"))
        assert client.post(small.of("own") + "objects/", content=good, headers=TYPE).status_code == 202


def test_a_length_that_lies_ahead_is_refused_before_the_body(small: World) -> None:
    host, port = small.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as bare:
        bare.sendall(
            f"POST /live/taxii2/{small.of('own')}objects/ HTTP/1.1\r\nHost: x\r\nContent-Type: {TAXII}\r\n"
            f"Authorization: Bearer {small.tokens['writer']}\r\nContent-Length: 999999999999\r\n\r\n".encode()
        )
        assert bare.recv(4096).startswith(b"HTTP/1.1 413")


def test_packed_bodies(small: World) -> None:
    packed = {**TYPE, "content-encoding": "gzip"}
    address = small.of("own") + "objects/"
    sound = gzip.compress(json.dumps({"objects": [indicator()]}).encode())
    two = gzip.compress(b'{"objects":[') + gzip.compress(json.dumps(indicator()).encode() + b"]}")
    with small.client() as client:
        assert client.post(address, content=sound, headers=packed).status_code == 202
        assert client.post(address, content=two, headers=packed).status_code == 202
        bomb = gzip.compress(b" " * 50_000_000)
        refused(client.post(address, content=bomb, headers=packed), 413)
        refused(client.post(address, content=sound[:-12], headers=packed), 422)
        refused(client.post(address, content=b"nonsense", headers=packed), 422)
        refused(client.post(address, content=b"", headers=packed), 422)
        refused(client.post(address, content=sound, headers={**TYPE, "content-encoding": "br"}), 415)


@pytest.mark.parametrize("host", ["evil.example/x", "a b", "<script>", "x" * 300])
def test_a_host_header_is_not_repeated_blindly(small: World, host: str) -> None:
    with small.client() as client:
        response = client.get(f"{small.url}/taxii2/", headers={"host": host})
        if response.status_code == 200:
            assert response.json()["default"].startswith(small.node.settings.address("live"))


def test_an_error_names_no_inner_thing(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM inner_table")

    monkeypatch.setattr("secretariat.exchange.taxii_store.page", broken)
    with small.client() as client:
        shape = refused(client.get(small.of("own") + "objects/"), 500)
    assert "secret" not in json.dumps(shape)


def test_a_restored_node_takes_nothing(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small.node.settings, "restored", "2026-01-01T00:00:00Z")
    with small.client() as client:
        body = json.dumps({"objects": [indicator()]}).encode()
        refused(client.post(small.of("own") + "objects/", content=body, headers=TYPE), 409)
        assert client.get(small.of("own") + "objects/").status_code == 200


def test_a_database_that_is_gone_is_503(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise UnavailableError("the database does not answer", advice="try again when it is back")

    monkeypatch.setattr("secretariat.exchange.taxii_store.page", gone)
    with small.client() as client:
        response = client.get(small.of("own") + "objects/")
        refused(response, 503)
        assert response.headers["retry-after"] == "5"


def test_a_question_that_takes_too_long_is_stopped(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secretariat.exchange.taxii_store._PATIENCE", "SET LOCAL statement_timeout = 1")
    monkeypatch.setattr("secretariat.exchange.taxii_store._ORDER", " AND pg_sleep(0.2) IS NULL LIMIT %s")
    with small.client() as client:
        shape = refused(client.get(small.of("own") + "objects/?match[type]=indicator"), 503)
        assert "too long" in shape["title"]
