"""The sample: real facts, our words, every marking; stock tools accept it; no report tells too much."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime

import pytest
import stix2
from stix2validator import ValidationOptions, validate_string

from secretariat.demo import sample

NOW = datetime(2026, 11, 22, 3, 0, 0, 123456, tzinfo=UTC)
PARTS = sample.parts(NOW)


@pytest.mark.parametrize("key", PARTS)
def test_stock_stix2_reads_every_object(key: str) -> None:
    for one in PARTS[key].objects:
        stix2.parse(json.dumps(one), allow_custom=False)


@pytest.mark.parametrize("key", PARTS)
def test_stock_validator_accepts_every_bundle(key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = validate_string(PARTS[key].bundle().decode(), ValidationOptions(version="2.1"))
    assert result.is_valid, [str(error) for error in result.errors]


@pytest.mark.parametrize("key", PARTS)
def test_a_report_lists_only_objects_under_its_own_marking(key: str) -> None:
    part = PARTS[key]
    ids = {one["id"] for one in part.objects}
    for one in part.objects:
        if one["type"] == "report":
            assert set(one["object_refs"]) <= ids


def test_references_point_from_the_tighter_marking_to_the_wider() -> None:
    clear = {one["id"] for one in PARTS["kr_advisory"].objects}
    for one in PARTS["kr_advisory"].objects:
        referred = [one.get(key) for key in ("source_ref", "target_ref", "object_ref")]
        referred += one.get("object_refs", [])
        assert {ref for ref in referred if ref} <= clear


def test_there_are_about_forty_objects_of_kr() -> None:
    count = sum(len(part.objects) for part in PARTS.values() if part.publisher == "KR")
    assert 36 <= count <= 52


@pytest.mark.parametrize("key", ["kr_annex", "us_item"])
def test_what_is_invented_says_so_in_its_first_line(key: str) -> None:
    for one in PARTS[key].objects:
        if one["type"] != "marking-definition":
            text = one.get("description") or one["content"]
            assert text.splitlines()[0].startswith(("INVENTED", "SYNTHETIC"))


def test_nobody_is_blamed_outside_an_account() -> None:
    for part in PARTS.values():
        for one in part.objects:
            assert one["type"] not in {"threat-actor", "intrusion-set", "campaign"}
            if one["type"] != "note":
                assert "DPRK" not in json.dumps(one)


def test_two_runs_make_the_same_objects_with_other_times() -> None:
    later = sample.parts(datetime(2026, 11, 23, tzinfo=UTC))
    for key, part in PARTS.items():
        assert [one["id"] for one in later[key].objects] == [one["id"] for one in part.objects]
    assert later["kr_advisory"].objects[-1]["created"] == "2026-11-23T00:00:00.000000Z"
