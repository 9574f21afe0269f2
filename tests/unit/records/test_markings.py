"""Markings: nobody's level is lowered, and what cannot be read closes the object."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import DeniedError, InputError
from secretariat.base.ids import NAMESPACE
from secretariat.records import ceiling
from secretariat.records.canonical import canonical
from secretariat.records.extensions import DERIVATION
from secretariat.records.markings import (
    ACS,
    CLASSIFICATION,
    TLP_ORDER,
    Label,
    check_marking,
    classification_marking,
    classification_of,
    label_of,
    most_restrictive,
    read_label,
    tlp_marking,
    tlp_word,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "records" / "markings.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_bytes())["cases"]
U = "d81f86b9-975b-4c0b-875e-810c5ad45a4f"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_published_vectors(case):
    markings = {one["id"]: one for one in case["markings"]}

    label = label_of(case["object"], markings, case["originator"], case["default_tlp"])

    assert label == msgspec.convert(case["label"], Label)


@given(st.lists(st.sampled_from(TLP_ORDER), min_size=1, max_size=4), st.sampled_from(TLP_ORDER))
def test_more_markings_never_open_an_object(words, more):
    def tlp(chosen: list[str]) -> int:
        obj = {"type": "indicator", "object_marking_refs": [tlp_marking(word)["id"] for word in chosen]}
        return TLP_ORDER.index(label_of(obj, {}, "KR", "CLEAR").tlp or "")

    assert tlp([*words, more]) >= tlp(words)
    assert tlp(words) == max(TLP_ORDER.index(word) for word in words)


@given(st.text(max_size=10))
def test_any_word_is_one_of_five(word):
    assert tlp_word(word) in TLP_ORDER
    assert most_restrictive([word, "CLEAR"]) == tlp_word(word)


@pytest.mark.parametrize("word", ["TLP:amber+strict", "tlp:AMBER+STRICT", " Amber+Strict "])
def test_words_as_tools_write_them(word):
    assert tlp_word(word) == "AMBER+STRICT"


def test_other_peoples_tlp_is_read():
    opencti = {
        "type": "marking-definition",
        "id": f"marking-definition--{U}",
        "definition_type": "TLP",
        "definition": {"TLP": "TLP:AMBER+STRICT"},
    }
    obj = {"type": "indicator", "object_marking_refs": [opencti["id"]]}

    assert label_of(obj, {opencti["id"]: opencti}, "KR", "CLEAR").tlp == "AMBER+STRICT"


@pytest.mark.parametrize(
    "marking",
    [
        {"definition_type": "pap", "definition": {"pap": "red"}},
        {"extensions": {ACS: {"extension_type": "property-extension"}}},
    ],
    ids=["pap", "acs"],
)
def test_marks_on_use_leave_the_default(marking):
    marking = {"type": "marking-definition", "id": f"marking-definition--{U}", **marking}
    obj = {"type": "indicator", "object_marking_refs": [marking["id"]]}

    assert label_of(obj, {marking["id"]: marking}, "KR", "AMBER").tlp == "AMBER"


def test_the_id_of_a_classification_follows_from_what_it_says():
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="II", controls=["X"])
    says = {
        name: value
        for name, value in marking["extensions"][CLASSIFICATION].items()
        if name != "extension_type"
    }

    assert marking["id"] == f"marking-definition--{uuid.uuid5(NAMESPACE, canonical(says).decode())}"
    assert classification_of(marking).level == "II"


def test_a_classification_that_was_changed_is_refused_and_closes_the_object():
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="II")
    marking["extensions"][CLASSIFICATION]["level"] = "III"
    obj = {"type": "indicator", "object_marking_refs": [marking["id"]]}

    with pytest.raises(InputError, match="must follow"):
        check_marking(marking)
    label, warnings = read_label(obj, {marking["id"]: marking}, "KR", "GREEN")
    assert label.tlp == "RED"
    assert "must follow" in warnings[0]


def test_a_classification_with_a_word_more_is_refused():
    marking = classification_marking(originator="KR")
    marking["extensions"][CLASSIFICATION]["colour"] = "green"

    with pytest.raises(InputError, match="cannot be read"):
        check_marking(marking)


def test_the_standards_id_with_other_content_is_refused():
    red = tlp_marking("RED")
    red["extensions"] = tlp_marking("CLEAR")["extensions"]

    with pytest.raises(InputError, match="other content"):
        check_marking(red)
    check_marking(tlp_marking("RED"))


def test_an_unknown_tlp_word_cannot_be_written():
    with pytest.raises(InputError):
        tlp_marking("PURPLE")


def test_a_marking_carries_its_own_mark_and_the_standards_are_public():
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="II")

    assert label_of(marking, {}, "KR", "AMBER") == Label("KR", level="II", scheme="ROK_MIL")
    assert label_of(tlp_marking("RED"), {}, "KR", "AMBER") == Label("KR", tlp="CLEAR")


def test_what_it_was_made_from_is_part_of_the_label():
    parent = {"originator": "US", "tlp": "TLP:AMBER+STRICT", "caveats": ["OC"]}
    obj = {
        "type": "note",
        "extensions": {DERIVATION: {"extension_type": "property-extension", "derived_from": [parent]}},
    }

    label = label_of(obj, {}, "KR", "GREEN", parents=[Label("JP", tlp="RED")])

    assert label.derived_from == (Label("US", tlp="AMBER+STRICT", controls=("OC",)), Label("JP", tlp="RED"))


def test_an_origin_that_cannot_be_read_closes_the_object():
    obj = {"type": "note", "extensions": {DERIVATION: {"derived_from": [{"who": "US"}]}}}

    assert label_of(obj, {}, "KR", "GREEN").tlp == "RED"


CEILING = {
    "unclassified": (Label("US", level="U", scheme="US"), {}, True),
    "no table named": (Label("US", level="S", scheme="US"), {}, False),
    "another table named": (Label("US", level="S", scheme="US"), {"NATO": "CTS"}, False),
    "below": (Label("US", level="C", scheme="US"), {"US": "S"}, True),
    "at": (Label("US", level="S", scheme="US"), {"US": "S"}, True),
    "above": (Label("US", level="TS", scheme="US"), {"US": "S"}, False),
    "beside": (Label("JP", level="TOKUTEI_HIMITSU", scheme="JP_MOD"), {"JP_MOD": "HI"}, False),
    "ceiling beside": (Label("JP", level="GOKUHI", scheme="JP_MOD"), {"JP_MOD": "TOKUTEI_HIMITSU"}, True),
    "level without scheme": (Label("KR", level="III"), {"ROK_MIL": "II"}, True),
    "level of no table": (Label("KR", level="SPECIAL"), {"ROK_MIL": "I"}, False),
    "level no table ranks": (Label("KR", level="Q", scheme="ROK_MIL"), {"ROK_MIL": "I"}, False),
    "an origin above": (
        Label("KR", tlp="GREEN", derived_from=(Label("US", level="S", scheme="US"),)),
        {},
        False,
    ),
}


@pytest.mark.parametrize(("label", "tops", "kept"), CEILING.values(), ids=CEILING.keys())
def test_the_ceiling(label, tops, kept):
    if kept:
        ceiling.refuse_above(label, tops)
    else:
        with pytest.raises(DeniedError, match="above the ceiling"):
            ceiling.refuse_above(label, tops)


def test_the_doors_tables_are_those_of_the_instruments():
    from secretariat.agreements.book import package_book

    schemes = package_book().schemes
    for scheme, order in ceiling.ORDER.items():
        assert tuple(schemes[scheme].order) == order
    beside = {(key, name): top for key, one in schemes.items() for name, top in dict(one.beside).items()}
    assert beside == ceiling.BESIDE
