"""The door for JSON: one canonical form, and nothing that two readers would read differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError, LimitError
from secretariat.base.settings import Limits
from secretariat.records.canonical import canonical, read_canonical, read_json, refuse_duplicates

LIMITS = Limits()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
odd_keys = texts | st.sampled_from(["\uffff", "\U0001f600", "\ue000", "a:b", '":"', "\\", "\u2028", ""])
numbers = (
    st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda one: not 2**53 <= abs(one) < 1e21)
    | st.sampled_from([0.0, -0.0, 1e21, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308, 333333333.33333329])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_keys, inner, max_size=5),
    max_leaves=25,
)


@given(values)
@example({"\U0001f600": 1, "\uff01": 2})
@example({"a": 1.0, "b": [1e22, 1e-7]})
def test_canonical_is_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_reading_gives_value_and_canonical_form_however_it_was_written(value, ascii_only, indent):
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    read, written = read_canonical(data, LIMITS)

    assert written == rfc8785.dumps(value)
    assert read == json.loads(data)


@given(values)
def test_canonical_of_canonical_is_the_same(value):
    assert read_canonical(canonical(value), LIMITS)[1] == canonical(value)


class Doubling:
    """Writes values as JSON and doubles one member on the way, in whatever spelling."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.doubled = False

    def spelt(self, text: str) -> str:
        how = self._draw(st.sampled_from(["plain", "ascii", "escaped"]))
        if how == "escaped":
            return '"' + "".join(f"\\u{unit:04x}" for unit in units(text)) + '"'
        return json.dumps(text, ensure_ascii=how == "ascii")

    def write(self, value: Any) -> str:
        if isinstance(value, str):
            return self.spelt(value)
        if isinstance(value, list):
            return "[" + ",".join(self.write(one) for one in value) + "]"
        if not isinstance(value, dict):
            return json.dumps(value)
        parts = [f"{self.spelt(key)}:{self.write(inner)}" for key, inner in value.items()]
        if value and self._draw(st.integers(0, 3)) == 0:
            key = self._draw(st.sampled_from(sorted(value)))
            parts.insert(
                self._draw(st.integers(0, len(parts))), f"{self.spelt(key)} : {self.write(value[key])}"
            )
            self.doubled = True
        return "{" + " ,".join(parts) + "}"


def units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@settings(max_examples=400)
@given(values, st.data())
def test_a_doubled_key_is_always_found_and_never_invented(value, data):
    writer = Doubling(data.draw)
    raw = writer.write(value).encode()

    if writer.doubled:
        with pytest.raises(InputError, match="stands twice"):
            read_json(raw, LIMITS)
    else:
        assert canonical(read_json(raw, LIMITS)) == rfc8785.dumps(json.loads(raw))


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"tlp":"red","tlp":"clear"}', "/tlp"),
        (b'{"a":[0,{"b":{"c":1,"c":1}}]}', "/a/1/b/c"),
        (b'{"a":1,"\\u0061":2}', "/a"),
        (b'{"a~/b":1,"a~/b":2}', "/a~0~1b"),
        (b'{"x":"\\u003a","y":1,"y":1}', "/y"),
        (b'[{"":1,"":2}]', "/0/"),
    ],
    ids=[
        "tlp red and clear",
        "deep",
        "escaped name",
        "slash and tilde",
        "an escaped colon hides it",
        "empty name",
    ],
)
def test_a_doubled_key_is_named_with_its_pointer(raw, pointer):
    with pytest.raises(InputError) as caught:
        read_json(raw, LIMITS)

    assert caught.value.where == pointer
    assert caught.value.advice


BAD = {
    "empty": (b"", InputError, "truncated"),
    "truncated": (b'{"a":1', InputError, "truncated"),
    "trailing": (b'{"a":1}x', InputError, "trailing"),
    "single quotes": (b"{'a':1}", InputError, "not JSON"),
    "control character": (b'"a\tb"', InputError, "not JSON"),
    "nan": (b'{"a":NaN}', InputError, "NaN"),
    "infinity": (b"[-Infinity]", InputError, "Infinity"),
    "double that JCS writes as an integer": (b'{"a":1e16}', InputError, "past"),
    "overflowing float": (b'{"a":1e400}', InputError, "double"),
    "integer above 2^53-1": (b'{"a":[9007199254740992]}', InputError, "past"),
    "integer below -(2^53-1)": (b'{"a":-9007199254740992}', InputError, "past"),
    "integer of 5000 digits": (b"1" * 5000, InputError, "number"),
    "high surrogate alone": (b'"\\ud800"', InputError, "surrogate"),
    "low surrogate alone": (b'"\\udc00"', InputError, "surrogate"),
    "two high surrogates": (b'"\\ud800\\ud800"', InputError, "surrogate"),
    "byte order mark": (b"\xef\xbb\xbf{}", InputError, "byte order mark"),
    "latin-1": (b'{"a":"caf\xe9"}', InputError, "UTF-8"),
    "latin-1 name": (b'{"caf\xe9":1}', InputError, "UTF-8"),
    "encoded surrogate": (b'"\xed\xa0\x80"', InputError, "UTF-8"),
    "overlong": (b'"\xc0\xaf"', InputError, "UTF-8"),
    "utf-16": ('{"a":1}'.encode("utf-16"), InputError, "UTF-8"),
    "too deep": (b"[" * 65 + b"]" * 65, LimitError, "deeper"),
    "depth bomb": (b'{"a":' * 100_000, LimitError, "deeper"),
    "too large": (b'"' + b"x" * LIMITS.max_object_bytes + b'"', LimitError, "bytes"),
}


@pytest.mark.parametrize(("raw", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_json_is_refused(raw, error, words):
    with pytest.raises(error, match=words) as caught:
        read_json(raw, LIMITS)

    assert caught.value.advice


def test_a_crowd_is_refused_and_the_edge_is_inside():
    few = msgspec.structs.replace(LIMITS, max_members=3)
    assert read_json(b'[{"a":1,"b":2,"c":3},2,3]', few)
    for crowd in (b"[1,2,3,4]", b'{"x":{"a":1,"b":2,"c":3,"d":4}}'):
        with pytest.raises(LimitError, match="4 members"):
            read_json(crowd, few)


def test_the_edges_of_the_limits_are_inside():
    depth, size = LIMITS.max_depth, LIMITS.max_object_bytes
    assert read_json(b"[" * depth + b"]" * depth, LIMITS)
    assert len(read_json(b'"' + b"x" * (size - 2) + b'"', LIMITS)) == size - 2
    assert read_json(b"[9007199254740991,-9007199254740991]", LIMITS) == [2**53 - 1, 1 - 2**53]


def test_the_place_of_a_bad_byte_is_told():
    with pytest.raises(InputError) as caught:
        read_json(b'{"name":"caf\xe9"}', LIMITS)

    assert caught.value.where == "byte 12"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", 1e17, object()])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises((InputError, TypeError)):
        canonical(value)


def test_structs_are_written_as_msgspec_builds_them():
    class Point(msgspec.Struct):
        y: int
        x: float

    assert canonical({"p": Point(2, 1.0), "t": (1,)}) == b'{"p":{"x":1,"y":2},"t":[1]}'


VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "records" / "jcs.json").read_bytes())["cases"]


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_the_examples_of_the_rfc(case):
    assert read_canonical(case["in"].encode(), LIMITS)[1].decode() == case["out"]


def test_refusing_duplicates_passes_what_has_none():
    refuse_duplicates(b'{"a":{"a":{"a":[{"a":1},{"a":1}]}}}')
