"""Containers: every member with its place and its bytes, or not one of them."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from typing import Any, BinaryIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError, LimitError
from secretariat.base.settings import Limits
from secretariat.records import bundle
from secretariat.records.bundle import Container, Member, members

LIMITS = Limits()
SMALL = msgspec.structs.replace(LIMITS, max_object_bytes=60)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as networks do."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step, self._at = data, step, 0

    def read(self, _size: int = -1) -> bytes:
        piece = self._data[self._at : self._at + self._step]
        self._at += self._step
        return piece


def read(data: bytes, limits: Limits = LIMITS, step: int = 0) -> tuple[Container, list[Member]]:
    stream: Any = Trickle(data, step) if step else io.BytesIO(data)
    container = Container(stream, limits)
    return container, list(container)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-99, 99)
    | st.text(max_size=6)
    | st.sampled_from(['"}],{"', "\\", '\\"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.lists(json_values, max_size=6), st.sampled_from([None, 2]), st.integers(1, 7), st.booleans())
def test_every_member_comes_out_as_it_went_in(objects, indent, step, ascii_only):
    data = json.dumps(
        {"type": "bundle", "objects": objects, "x": 1}, indent=indent, ensure_ascii=ascii_only
    ).encode()

    for trickle in (0, step):
        container, found = read(data, step=trickle)
        assert [json.loads(one.data) for one in found] == objects
        assert container.head == {"type": "bundle", "x": 1}
        for index, one in enumerate(found):
            assert one.pointer == f"/objects/{index}"
            assert (
                data.split(b"\n")[one.line - 1].strip().startswith(one.data.split(b"\n")[0]) or indent is None
            )


@settings(max_examples=100)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=2), min_size=1, max_size=4), st.data()
)
def test_a_cut_is_always_noticed(objects, data):
    whole = json.dumps({"type": "bundle", "objects": objects}).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(InputError):
        read(whole[:cut], step=data.draw(st.integers(0, 5)))


KINDS = {
    "bundle": (b'{"type":"bundle","id":"x","objects":[{"a":1}]}', "bundle", [b'{"a":1}']),
    "objects before type": (b'{"objects":[{"a":1}],"type":"bundle"}', "bundle", [b'{"a":1}']),
    "bundle of nothing": (b'{"type":"bundle","id":"x"}', "bundle", []),
    "empty bundle": (b'{"type":"bundle","objects":[ ]}', "bundle", []),
    "taxii envelope": (b'{"more":true,"next":"n","objects":[{"a":1}]}', "envelope", [b'{"a":1}']),
    "empty envelope": (b"{}", "envelope", []),
    "list": (b' [ {"a":1} , {"b":2} ] ', "list", [b'{"a":1}', b'{"b":2}']),
    "empty list": (b"[]", "list", []),
    "object": (b' {"type":"x" , "b":[1, 2]}\n', "object", [b'{"type":"x","b":[1, 2]}']),
    "object with a dictionary of objects": (
        b'{"type":"observed-data","objects":{"0":{}}}',
        "object",
        [b'{"type":"observed-data","objects":{"0":{}}}'],
    ),
    "lines": (b'{"type":"a"}\n{"type":"b"}\n', "lines", [b'{"type":"a"}', b'{"type":"b"}']),
    "byte order mark": (b'\xef\xbb\xbf{"type":"bundle","objects":[1]}', "bundle", [b"1"]),
    "members of any kind": (b'[1,"a",null,[],-0.5e3]', "list", [b"1", b'"a"', b"null", b"[]", b"-0.5e3"]),
    "member that is no JSON": (b'[{"a" 1}, {]', "", None),
    "member with a broken inside": (b'[{"a" 1},{"b":2}]', "list", [b'{"a" 1}', b'{"b":2}']),
}


@pytest.mark.parametrize(("data", "kind", "found"), KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("step", [0, 1, 3])
def test_kinds_of_containers(data, kind, found, step):
    if found is None:
        with pytest.raises(InputError):
            read(data, step=step)
        return
    container, seen = read(data, step=step)
    assert (container.kind, [one.data for one in seen]) == (kind, found)


BROKEN = {
    "empty": (b"", "nothing to read"),
    "only spaces": (b" \n ", "nothing to read"),
    "a word": (b"hello", "neither"),
    "utf-16": ("[]".encode("utf-16"), "neither"),
    "objects twice": (b'{"objects":[],"objects":[]}', "'objects' stands twice"),
    "type twice": (b'{"type":"bundle","type":"bundle"}', "'type' stands twice"),
    "name twice by an escape": (b'{"objects":[],"\\u006fbjects":[]}', "'objects' stands twice"),
    "something after": (b'{"objects":[]} {"objects":[]}', "after the end"),
    "no comma": (b'{"objects":[{} {}]}', "comma is missing between"),
    "comma too many": (b'{"objects":[{},]}', "member is missing"),
    "comma first": (b'{"objects":[,{}]}', "value is missing"),
    "no colon": (b'{"objects" []}', "colon"),
    "no name": (b'{"a":1,}', "name is missing"),
    "name without quotes": (b"{a:1}", "quotation marks"),
    "brackets that cross": (b'{"objects":[{"a":[1}]}]}', "do not match"),
    "bracket too many": (b'{"objects":[{}]]}', "comma is missing"),
    "cut in a name": (b'{"obj', "cut off"),
    "cut in a string": (b'{"objects":[{"a":"x', "cut off"),
    "cut after an escape": (b'{"objects":[{"a":"\\', "cut off"),
    "cut between members": (b'{"objects":[{},', "cut off"),
    "cut before the last bracket": (b'{"objects":[{}]', "cut off"),
    "cut in a list": (b"[1", "cut off"),
    "a bundle after an object": (b'{"type":"a"}{"objects":[1]}', "after other objects"),
    "objects of an indicator": (b'{"type":"indicator","objects":[{}]}', "of type 'indicator'"),
    "objects that are no list": (b'{"type":"bundle","objects":{"a":1}}', "no list"),
    "an envelope of a number": (b'{"objects":1}', "no list"),
    "a name that is no string": (b'{"a\x01":1}', "no JSON string"),
}


@pytest.mark.parametrize(("data", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_containers_are_refused(data, words):
    with pytest.raises(InputError, match=words) as caught:
        read(data)

    assert caught.value.where or "nothing" in words
    assert caught.value.advice


def test_the_line_of_a_member_is_told():
    _, found = read(b'{"type":"bundle",\n\n "objects":[\n{"a":\n1},{"b":2},\n\n{"c":3}]}')

    assert [one.line for one in found] == [4, 5, 7]


def test_a_member_at_the_limit_is_kept_and_one_above_is_passed_over():
    edge = b'{"a":"' + b"x" * (60 - 8) + b'"}'
    above = b'{"a":"' + b"x" * (61 - 8) + b'"}'

    _, found = read(b"[" + edge + b"," + above + b',{"b":2}]', SMALL)

    assert [(len(one.data), one.oversized) for one in found] == [(60, 0), (0, 61), (7, 0)]


@pytest.mark.parametrize(
    "inside", [b'"' + b"x" * 5_000_000 + b'"', b"[1]," * 100_000 + b"1"], ids=["string", "list"]
)
def test_a_huge_member_is_passed_over_in_little_memory(inside):
    data = b'[{"a":[' + inside + b']},{"b":2}]'
    tracemalloc.start()
    try:
        _, found = read(data, SMALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [one.oversized for one in found] == [len(data) - 10, 0]
    assert peak < 8 << 20


def test_a_head_without_end_is_refused():
    with pytest.raises(LimitError):
        read(b'{"type":"bundle","x":"' + b"y" * 100 + b'","objects":[]}', SMALL)
    with pytest.raises(LimitError):
        read(b"{" + b",".join(b'"k%d":"vvvvvvvv"' % n for n in range(9)) + b"}", SMALL)
    with pytest.raises(LimitError, match="without end"):
        read(b"[" + b"1" * 100 + b"]", SMALL, step=7)


def test_a_nesting_bomb_is_refused():
    with pytest.raises(InputError, match="deeper"):
        read(b'{"objects":[' + b"[" * 3_000_000)


def test_gzip_in_one_or_more_parts():
    data = json.dumps([{"a": 1}, {"b": "x" * 3_000_000}]).encode()
    limits = msgspec.structs.replace(LIMITS, max_object_bytes=1 << 22)

    parts = gzip.compress(data[:100]) + gzip.compress(data[100:])

    for packed in (gzip.compress(data), parts):
        for step in (0, 1000):
            assert [json.loads(one.data) for one in read(packed, limits, step)[1]] == json.loads(data)


def test_a_gzip_bomb_is_refused_in_little_memory():
    bomb = gzip.compress(b'[{"a":"' + b"x" * 40_000_000 + b'"}]')
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="200 times"):
            read(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_gzip_file_may_not_unpack_to_more_than_the_limit():
    limits = msgspec.structs.replace(LIMITS, max_unpacked_bytes=1000)
    assert read(gzip.compress(b"[" + b" " * 998 + b"]"), limits)[1] == []
    with pytest.raises(LimitError, match="1000 bytes"):
        read(gzip.compress(b"[" + b" " * 999 + b"]"), limits)


@pytest.mark.parametrize("cut", [11, 20, -1])
def test_a_gzip_file_that_is_cut_off_is_refused(cut):
    with pytest.raises(InputError):
        read(gzip.compress(json.dumps([{"a": str(n)} for n in range(50)]).encode())[:cut])


def test_a_gzip_file_that_is_broken_is_refused():
    data = bytearray(gzip.compress(json.dumps(list(range(5000))).encode()))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InputError, match="gzip"):
        read(bytes(data))


def test_memory_stays_bounded_over_a_long_stream():
    class Endless(io.RawIOBase):
        """30 MB of members that nobody wrote down."""

        left = 30

        def read(self, _size: int = -1) -> bytes:
            self.left -= 1
            if self.left == 29:
                return b'{"objects":['
            if self.left > 0:
                return (b'{"a":"' + b"x" * 1014 + b'"},') * 1024
            return b"{}]}" if self.left == 0 else b""

    stream: BinaryIO = Endless()  # type: ignore[assignment]
    tracemalloc.start()
    try:
        count = sum(1 for _ in members(stream, LIMITS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 28 * 1024 + 1
    assert peak < 4 * bundle.CHUNK + (1 << 20)
