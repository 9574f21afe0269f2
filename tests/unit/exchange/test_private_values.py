"""Values that can be asked for privately: their one writing, where they come from, the set of an epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError, ProofError
from secretariat.exchange import private_values as values

WRITTEN = [
    ("domain-name", "Evil.EXAMPLE.", "evil.example"),
    ("domain-name", "悪い.example", "xn--n8j107l.example"),
    ("url", "HTTPS://Evil.example/Path?q=A#part", "https://evil.example/Path?q=A"),
    ("email-addr", "Some.One@Evil.Example", "some.one@evil.example"),
    ("file-sha256", "AB" * 32, "ab" * 32),
    ("ipv6-addr", "2001:DB8:0:0::1", "2001:db8::1"),
    ("ipv4-addr", "192.0.2.1", "192.0.2.1"),
]


@pytest.mark.parametrize(("name", "text", "wanted"), WRITTEN)
def test_a_value_has_one_writing(name, text, wanted):
    kind = values.type_of(name)
    assert values.written(kind, text) == wanted
    assert values.written(kind, wanted) == wanted


NOT_ONE = [
    ("ipv4-addr", "192.0.2.0/24"),
    ("ipv4-addr", "192.0.2.01"),
    ("domain-name", "*.evil.example"),
    ("domain-name", "evil example"),
    ("domain-name", ""),
    ("domain-name", "a" * 300),
    ("file-sha256", "ab" * 16),
    ("url", "evil.example/path"),
    ("url", "http://[::1"),
    ("url", "http://evil.example/\n"),
    ("email-addr", "nobody"),
]


@pytest.mark.parametrize(("name", "text"), NOT_ONE)
def test_what_is_no_single_value_is_refused(name, text):
    with pytest.raises(InputError):
        values.written(values.type_of(name), text)


def test_a_type_that_is_none():
    with pytest.raises(InputError):
        values.type_of("mutex")


PATTERNS = [
    ("[domain-name:value = 'Evil.example']", "domain-name", ["evil.example"]),
    (" [ domain-name:value='evil.example' ] ", "domain-name", ["evil.example"]),
    ("[file:hashes.'SHA-256' = '" + "ab" * 32 + "']", "file-sha256", ["ab" * 32]),
    ("[file:hashes.MD5 = '" + "ab" * 16 + "']", "file-sha256", []),
    ("[domain-name:value = 'evil.example']", "url", []),
    ("[domain-name:value = 'a.example' OR domain-name:value = 'b.example']", "domain-name", []),
    ("[domain-name:value = 'a.example'] AND [domain-name:value = 'b.example']", "domain-name", []),
    ("[domain-name:value LIKE '%.example']", "domain-name", []),
    ("[domain-name:value != 'evil.example']", "domain-name", []),
    ("[ipv4-addr:value = '192.0.2.0/24']", "ipv4-addr", []),
    ("[ipv4-addr:value = '192.0.2.7']", "ipv4-addr", ["192.0.2.7"]),
]


@pytest.mark.parametrize(("pattern", "name", "wanted"), PATTERNS)
def test_an_indicator_counts_when_it_is_one_comparison(pattern, name, wanted):
    obj = {"type": "indicator", "pattern_type": "stix", "pattern": pattern}
    assert list(values.values_in(obj, values.type_of(name))) == wanted
    assert list(values.values_in({**obj, "pattern_type": "sigma"}, values.type_of(name))) == []


def test_an_observable_counts_as_it_is():
    thing = {"type": "file", "hashes": {"SHA-256": "CD" * 32}}
    assert list(values.values_in(thing, values.type_of("file-sha256"))) == ["cd" * 32]
    for other in ({"type": "file"}, {"type": "file", "hashes": []}, {"type": "url", "value": 7}):
        assert list(values.values_in(other, values.type_of("file-sha256"))) == []


def test_an_epoch_is_an_iso_week_in_utc():
    assert values.epoch_of(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) == "2026-W47"
    assert values.end_of("2026-W47") == datetime(2026, 11, 23, tzinfo=UTC)
    assert values.epoch_of(values.end_of("2026-W53")) == "2027-W01"
    last = values.end_of("2026-W47") - timedelta(microseconds=1)
    assert values.epoch_of(last) == "2026-W47"


@pytest.mark.parametrize("epoch", ["", "2026", "2026-47", "2026-W54", "2026-W00", "2027-W53", "0000-W01"])
def test_what_is_no_epoch(epoch):
    with pytest.raises(InputError):
        values.end_of(epoch)


@given(st.sets(st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True), min_size=1, max_size=30))
def test_what_stood_in_a_set_can_be_shown_and_nothing_else(found):
    held = values.pin("domain-name", b"\1" * 32, found)
    shown = held.open([*sorted(found), "never.was.example"])
    assert {one.value for one in shown} == found
    for one in shown:
        values.check_opening("domain-name", one, len(found), held.root)
        for bent in (
            {"value": one.value + ".evil"},
            {"salt": b"\2" * 32},
            {"salt": b""},
            {"position": one.position + 1},
            {"path": (*one.path, b"\0" * 32)},
        ):
            with pytest.raises(ProofError):
                values.check_opening(
                    "domain-name", msgspec.structs.replace(one, **bent), len(found), held.root
                )
    with pytest.raises(ProofError):
        values.check_opening("url", shown[0], len(found), held.root)


def test_the_same_values_make_the_same_set_and_another_seed_another():
    one = values.pin("url", b"\1" * 32, ["b", "a", "a"])
    assert one == values.pin("url", b"\1" * 32, ["a", "b"])
    assert one.root != values.pin("url", b"\2" * 32, ["a", "b"]).root
