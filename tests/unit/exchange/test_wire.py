"""Messages between nodes: what is no message says so, raw parts pass untouched."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.exchange import wire
from secretariat.exchange.wire import Cursor


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_a_cursor_is_read_as_it_is_written(position, offset):
    assert wire.read_cursor(str(Cursor(position, offset))) == Cursor(position, offset)


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "-1.0", "01.0", "1.0.0", "1.0\n", "a.b", "1.0 ", "٣.0"]
)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(InputError, match="cursor"):
        wire.read_cursor(text)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", b""),
        ("another type", b"[]"),
        ("no JSON", b"{"),
        ("not UTF-8", b'{"v":1,"realm":"\xff"}'),
        ("a bomb", b"[" * 200_000),
        ("members missing", b'{"v":1}'),
        ("a negative size", b'{"after":{"position":0,"offset":0},"size":-1}'),
    ],
)
def test_what_is_no_message_is_refused_without_a_crash(name, data):
    for read in (wire.read_page, wire.read_taken, wire.read_descriptor):
        with pytest.raises(InputError):
            read(data)
    assert wire.read_problem(data).code == "unreadable-answer"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://partner.example",
        "javascript:alert(1)",
        "http://169.254.169.254",
        "http://[fe80::1]:8400",
        "http://0.0.0.0:5432",
        "http://user:word@partner.example",
        "http://partner.example/admin?x=1",
        "http://partner.example/../..",
        "http://[",
        "http://a b",
        "http://partner.example:99999",
        "https://" + "x" * 5000,
        "//partner.example",
    ],
)
def test_an_address_that_leads_elsewhere_than_to_a_node_is_refused(url):
    key = wire.Key("ed25519-" + "0" * 32, bytes(32))
    keys = wire.RealmKeys(origin="jp.example/live", url=url, record=key, log=key, transport=key)
    said = wire.Descriptor(1, "JP", "Japan", key, "2026-11-22T02:09:36.123456Z", {"live": keys})
    with pytest.raises(InputError, match="no address of a node"):
        wire.read_descriptor(msgspec.json.encode(said))
    for good in ("", "https://jp.example", "http://10.0.0.7:8400", "http://[2001:db8::1]:8400/"):
        fine = msgspec.structs.replace(said, realms={"live": msgspec.structs.replace(keys, url=good)})
        assert wire.read_descriptor(msgspec.json.encode(fine)).realms["live"].url == good


@pytest.mark.parametrize(
    ("checkpoint", "size"),
    [("a/live\n12\nroot\n", 12), ("a/live\n012\nroot\n", 0), ("a/live", 0), ("a/live\n" + "9" * 30, 0)],
)
def test_an_outline_says_where_a_page_ends_and_believes_no_size_that_is_none(checkpoint, size):
    data = msgspec.json.encode({"next": {"position": 3}, "checkpoint": checkpoint, "more": True})
    found = wire.outline(data)
    assert found is not None
    assert (found.next, found.size, found.more) == (Cursor(3), size, True)


def test_what_is_no_page_has_no_outline():
    assert wire.outline(b"{}") is None
    assert wire.outline(b"\xff") is None
