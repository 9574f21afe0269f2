"""STIX 2.1 as the specification has it, and every kind of object that breaks it by name."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.records.extensions import check_own
from secretariat.records.markings import label_of
from secretariat.records.objects import OBJECTS
from secretariat.records.observables import OBSERVABLES
from secretariat.records.stix import check, resolve

VECTORS = Path(__file__).parents[2] / "vectors" / "records"
SAMPLE: list[dict[str, Any]] = json.loads((VECTORS / "bundle-2.1.json").read_bytes())["objects"]
U = "d81f86b9-975b-4c0b-875e-810c5ad45a4f"
GONE = object()


def sample(kind: str, **changes: Any) -> dict[str, Any]:
    """Give a sound object of a type with some properties changed or (GONE) taken away."""
    obj = next(one for one in SAMPLE if one["type"] == kind) | changes
    return {name: value for name, value in obj.items() if value is not GONE}


def extension(**body: Any) -> dict[str, Any]:
    return {f"extension-definition--{U}": body}


def test_the_sample_has_every_type_and_all_of_it_is_sound():
    assert {one["type"] for one in SAMPLE} == OBJECTS.keys() | OBSERVABLES.keys()
    for one in SAMPLE:
        head = check(one)
        assert (head.id, head.warnings) == (one["id"], ())


def test_the_header_says_what_the_rest_needs():
    obj = sample(
        "indicator",
        modified="2026-02-03T04:05:06.123456789Z",
        revoked=True,
        created_by_ref=f"identity--{U}",
        object_marking_refs=[f"marking-definition--{U}"],
    )
    head = check(obj)

    assert head.version.isoformat() == "2026-02-03T04:05:06.123456+00:00"
    assert (head.revoked, head.created_by_ref) == (True, f"identity--{U}")
    assert head.marking_refs == (f"marking-definition--{U}",)


def test_observables_have_no_version_and_markings_only_created():
    assert check(sample("ipv4-addr")).version is None
    assert check(sample("marking-definition")).modified is None
    assert check(sample("marking-definition")).version is not None


BAD: dict[str, tuple[Any, str, str]] = {
    "no object": (17, "", "not a JSON object"),
    "a list": ([], "", "not a JSON object"),
    "no type": (sample("indicator", type=GONE), "/type", "missing"),
    "type in capitals": (sample("indicator", type="Indicator"), "/type", "type name"),
    "type of a number": (sample("indicator", type=1), "/type", "type name"),
    "no id": (sample("indicator", id=GONE), "/id", "'id' is missing"),
    "id without uuid": (sample("indicator", id="indicator--1"), "/id", "UUID"),
    "id of another type": (sample("indicator", id=f"malware--{U}"), "/id", "not of type indicator"),
    "id with a nil uuid": (
        sample("indicator", id=f"indicator--{'0' * 8}-0000-0000-0000-{'0' * 12}"),
        "/id",
        "UUID",
    ),
    "id with a line break": (sample("indicator", id=f"indicator--{U}\n"), "/id", "UUID"),
    "stix 2.0 without version": (sample("indicator", spec_version=GONE), "/spec_version", "2.0"),
    "stix 2.0": (sample("indicator", spec_version="2.0"), "/spec_version", "2.0"),
    "stix 3": (sample("indicator", spec_version="3.0"), "/spec_version", "'3.0'"),
    "no created": (sample("indicator", created=GONE), "/created", "missing"),
    "no modified": (sample("indicator", modified=GONE), "/modified", "missing"),
    "created by the second": (
        sample("indicator", created="2026-01-01T00:00:00Z"),
        "/created",
        "milliseconds",
    ),
    "created in a zone": (sample("indicator", created="2026-01-01T09:00:00.000+09:00"), "/created", "UTC"),
    "created on 30 February": (
        sample("indicator", created="2026-02-30T00:00:00.000Z"),
        "/created",
        "no such",
    ),
    "modified before created": (
        sample("indicator", created="2026-01-02T00:00:00.000Z", modified="2026-01-01T00:00:00.000Z"),
        "/modified",
        "before created",
    ),
    "null": (sample("indicator", name=None), "/name", "null"),
    "name a number": (sample("indicator", name=3), "/name", "str"),
    "empty labels": (sample("indicator", labels=[]), "/labels", "empty"),
    "a label a number": (sample("indicator", labels=["a", 1]), "/labels/1", "str"),
    "revoked a word": (sample("indicator", revoked="true"), "/revoked", "bool"),
    "confidence 101": (sample("indicator", confidence=101), "/confidence", "100"),
    "confidence 1.5": (sample("indicator", confidence=1.5), "/confidence", "int"),
    "lang with a space": (sample("indicator", lang="en us"), "/lang", "language"),
    "creator no identity": (
        sample("indicator", created_by_ref=f"malware--{U}"),
        "/created_by_ref",
        "identity",
    ),
    "marking no marking": (
        sample("indicator", object_marking_refs=[f"identity--{U}"]),
        "/object_marking_refs/0",
        "marking-definition",
    ),
    "reference to nothing": (
        sample("indicator", external_references=[{"source_name": "x"}]),
        "/external_references/0",
        "refers to nothing",
    ),
    "reference without source": (
        sample("indicator", external_references=[{"url": "https://example.org"}]),
        "/external_references/0/source_name",
        "missing",
    ),
    "hash of a reference": (
        sample("indicator", external_references=[{"source_name": "x", "url": "u", "hashes": {"MD5": "zz"}}]),
        "/external_references/0/hashes/MD5",
        "32 hexadecimal",
    ),
    "empty pattern": (sample("indicator", pattern=""), "/pattern", "empty"),
    "no pattern type": (sample("indicator", pattern_type=GONE), "/pattern_type", "missing"),
    "valid until the start": (
        sample("indicator", valid_until=sample("indicator")["valid_from"]),
        "/valid_until",
        "not after",
    ),
    "kill chain without phase": (
        sample("indicator", kill_chain_phases=[{"kill_chain_name": "x"}]),
        "/kill_chain_phases/0/phase_name",
        "missing",
    ),
    "first seen after last": (
        sample("campaign", first_seen="2026-01-02T00:00:00Z", last_seen="2026-01-01T00:00:00Z"),
        "/last_seen",
        "before first_seen",
    ),
    "a grouping of nothing": (sample("grouping", object_refs=[]), "/object_refs", "empty"),
    "a grouping of a bundle": (
        sample("grouping", object_refs=[f"bundle--{U}"]),
        "/object_refs/0",
        "identifier",
    ),
    "a grouping without context": (sample("grouping", context=GONE), "/context", "missing"),
    "a location nowhere": (sample("location", country=GONE), "", "without place"),
    "latitude alone": (sample("location", latitude=37.5), "/longitude", "together"),
    "latitude 91": (sample("location", latitude=91, longitude=0), "/latitude", "90"),
    "precision of nothing": (sample("location", precision=3.0), "/precision", "precision"),
    "a family without name": (sample("malware", is_family=True, name=GONE), "/name", "without name"),
    "malware of no kind": (sample("malware", is_family=GONE), "/is_family", "missing"),
    "an analysis of nothing": (sample("malware-analysis", result=GONE), "", "none of result"),
    "observed nothing": (sample("observed-data", object_refs=GONE), "/object_refs", "exactly one"),
    "observed both ways": (sample("observed-data", objects={"0": {}}), "/object_refs", "exactly one"),
    "observed 0 times": (sample("observed-data", number_observed=0), "/number_observed", "1"),
    "opinion of one's own": (sample("opinion", opinion="meh"), "/opinion", "meh"),
    "a relationship of a relationship": (
        sample("relationship", source_ref=f"relationship--{U}"),
        "/source_ref",
        "section 5.1",
    ),
    "a relationship that ends first": (
        sample("relationship", start_time="2026-01-02T00:00:00Z", stop_time="2026-01-02T00:00:00Z"),
        "/stop_time",
        "not after",
    ),
    "a sighting of a marking": (
        sample("sighting", sighting_of_ref=f"marking-definition--{U}"),
        "/sighting_of_ref",
        "identifier",
    ),
    "a sighting by malware": (
        sample("sighting", where_sighted_refs=[f"malware--{U}"]),
        "/where_sighted_refs/0",
        "identity or location",
    ),
    "a marking that marks nothing": (
        sample("marking-definition", definition=GONE, definition_type=GONE),
        "/definition_type",
        "missing",
    ),
    "a statement without statement": (
        sample("marking-definition", definition={}),
        "/definition/statement",
        "missing",
    ),
    "language content in no language": (
        sample("language-content", contents={"not a tag!": {}}),
        "/contents",
        "language",
    ),
    "an extension of no kind": (
        sample("indicator", extensions=extension()),
        f"/extensions/extension-definition--{U}/extension_type",
        "extension_type",
    ),
    "an extension that is no object": (sample("indicator", extensions={"x": 1}), "/extensions", "object"),
    "an extension-definition of no kind": (
        sample("extension-definition", extension_types=["new"]),
        "/extension_types/0",
        "new",
    ),
    "an artifact twice": (sample("artifact", url="https://example.org"), "/url", "both"),
    "an artifact far away": (
        sample("artifact", payload_bin=GONE, hashes=GONE, url="https://example.org"),
        "/hashes",
        "without hashes",
    ),
    "an artifact in no base64": (sample("artifact", payload_bin="%%%"), "/payload_bin", "base64"),
    "a mail with two bodies": (sample("email-message", is_multipart=True, body="x"), "/body", "multipart"),
    "a mail in parts and not": (
        sample("email-message", is_multipart=False, body_multipart=[{}]),
        "/body_multipart",
        "is_multipart",
    ),
    "traffic from nowhere": (sample("network-traffic", src_ref=GONE, dst_ref=GONE), "", "none of src_ref"),
    "port 65536": (sample("network-traffic", src_port=65536), "/src_port", "65535"),
    "traffic that ended and goes on": (
        sample("network-traffic", end="2026-01-02T00:00:00Z", is_active=True),
        "/is_active",
        "ended",
    ),
    "a file of nothing": (sample("file", name=GONE, hashes=GONE), "", "none of hashes, name"),
    "a short MD5": (sample("file", hashes={"MD5": "abc"}), "/hashes/MD5", "32 hexadecimal"),
    "a hash without name": (sample("file", hashes={"": "abc"}), "/hashes/", "name of a hash"),
    "no hashes": (sample("file", hashes={}), "/hashes", "empty"),
    "odd hex": (sample("file", magic_number_hex="abc"), "/magic_number_hex", "hexadecimal"),
    "an archive of nothing": (
        sample("file", extensions={"archive-ext": {}}),
        "/extensions/archive-ext/contains_refs",
        "missing",
    ),
    "a process of nothing": (
        {"type": "process", "id": f"process--{U}"},
        "",
        "says nothing",
    ),
    "an address of a file": (
        sample("ipv4-addr", resolves_to_refs=[f"file--{U}"]),
        "/resolves_to_refs/0",
        "mac-addr",
    ),
    "a bundle in a bundle": ({"type": "bundle", "id": f"bundle--{U}"}, "/type", "inside a bundle"),
}


@pytest.mark.parametrize(("obj", "where", "words"), BAD.values(), ids=BAD.keys())
def test_bad_objects_are_refused_with_place_and_advice(obj, where, words):
    with pytest.raises(InputError) as caught:
        check(obj)

    assert words in caught.value.what
    assert (caught.value.where or "") == where
    assert caught.value.advice


@pytest.mark.parametrize("one", SAMPLE, ids=[one["type"] for one in SAMPLE])
def test_every_property_a_type_requires_is_missed(one):
    shape = OBJECTS.get(one["type"]) or OBSERVABLES[one["type"]]
    required = [field.name for field in msgspec.structs.fields(shape) if field.required]
    assert "id" in required
    for name in required:
        with pytest.raises(InputError) as caught:
            check({key: value for key, value in one.items() if key != name})
        assert caught.value.where == f"/{name}"


GRANULAR = {
    "a name": (["name"], True),
    "in a list": (["labels.[1]"], True),
    "in an object in a list": (["external_references.[0].url"], True),
    "of an extension": ([f"extensions.extension-definition--{U}.x"], True),
    "past the end": (["labels.[2]"], False),
    "not there": (["description"], False),
    "of a string": (["name.x"], False),
    "a list by name": (["labels.0"], False),
    "nothing": ([""], False),
    "the second is wrong": (["name", "nom"], False),
}


@pytest.mark.parametrize(("selectors", "sound"), GRANULAR.values(), ids=GRANULAR.keys())
def test_selectors_point_at_something(selectors, sound):
    obj = sample(
        "indicator",
        name="x",
        labels=["a", "b"],
        external_references=[{"source_name": "s", "url": "u"}],
        extensions=extension(extension_type="property-extension", x=1),
        granular_markings=[{"marking_ref": f"marking-definition--{U}", "selectors": selectors}],
    )
    if sound:
        assert check(obj).marking_refs == (f"marking-definition--{U}",)
    else:
        with pytest.raises(InputError, match="points at nothing"):
            check(obj)


@pytest.mark.parametrize("marks", [{}, {"lang": "ko", "marking_ref": f"marking-definition--{U}"}])
def test_a_granular_marking_is_a_marking_or_a_language(marks):
    with pytest.raises(InputError, match="exactly one"):
        check(sample("indicator", granular_markings=[{"selectors": ["pattern"], **marks}]))


def test_a_granular_language_is_sound():
    assert (
        check(sample("indicator", granular_markings=[{"lang": "ko", "selectors": ["pattern"]}])).marking_refs
        == ()
    )


def test_resolving_gives_the_value():
    assert resolve({"a": [{"b": 7}]}, "a.[0].b") == 7


def test_what_nobody_knows_is_kept_with_a_warning():
    assert "deprecated" in check(sample("indicator", x_score=3)).warnings[0]
    assert "against section 3.1" in check(sample("indicator", **{"X-Score": 3})).warnings[0]
    assert "names no extension-definition" in check(sample("indicator", extensions={"x-ext": {}})).warnings[0]
    new = {**sample("indicator"), "type": "campfire", "id": f"campfire--{U}"}
    assert "neither of STIX 2.1" in check(new).warnings[0]
    thing = {"type": "usb-stick", "id": f"usb-stick--{U}", "serial": "1"}
    assert "neither of STIX 2.1" in check(thing).warnings[0]


def test_what_an_extension_announces_is_kept_without_a_word():
    top = extension(extension_type="toplevel-property-extension")
    assert check(sample("indicator", rank=3, extensions=top)).warnings == ()
    new = {**sample("indicator"), "type": "campfire", "id": f"campfire--{U}"}
    assert check({**new, "wood": "oak", "extensions": extension(extension_type="new-sdo")}).warnings == ()
    thing = {"type": "usb-stick", "id": f"usb-stick--{U}", "extensions": extension(extension_type="new-sco")}
    assert check(thing).warnings == ()


def test_new_types_with_versions_keep_the_common_rules():
    new = {**sample("indicator"), "type": "campfire", "id": f"campfire--{U}"}
    with pytest.raises(InputError) as caught:
        check({**new, "modified": "2000-01-01T00:00:00.000Z"})
    assert caught.value.where == "/modified"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-1, 1) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = sorted({name for one in SAMPLE for name in one} | {"granular_markings", "object_marking_refs"})


@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_comes_is_taken_or_refused_and_never_a_fault(data):
    obj = dict(data.draw(st.sampled_from(SAMPLE)))
    if data.draw(st.booleans()):
        kind = data.draw(st.sampled_from(["x-new", "new-thing", *OBJECTS, *OBSERVABLES]))
        obj |= {"type": kind, "id": f"{kind}--{U}"}
    for name in data.draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        like = [one[name] for one in SAMPLE if name in one]
        obj[name] = data.draw(json_values | st.sampled_from(like or [None]))
    with contextlib.suppress(InputError):
        head = check(obj)
        label_of(obj, {}, "KR", "AMBER")
        assert head.id == obj["id"]
        check_own(obj)
