"""Stock tools that know nothing of us accept all that we emit, and read it as we do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stix2
from jsonschema import Draft202012Validator
from stix2validator import ValidationOptions, validate_instance

from secretariat.base.errors import InputError, NotFoundError
from secretariat.records import extensions
from secretariat.records.extensions import (
    CORRECTION,
    EXTENSIONS,
    INSTRUMENT,
    INSTRUMENT_STATUS,
    PARTY,
    check_own,
)
from secretariat.records.markings import (
    CLASSIFICATION,
    DERIVATION,
    TLP_ORDER,
    classification_marking,
    tlp_marking,
)
from secretariat.records.register_shapes import SAYS, extension_of, schema_of
from secretariat.records.stix import check

VECTORS = Path(__file__).parents[2] / "vectors" / "records"
STIX_2_1: list[dict[str, Any]] = json.loads((VECTORS / "bundle-2.1.json").read_bytes())["objects"]

MARKING = classification_marking(
    originator="KR",
    scheme="ROK_MIL",
    level="II",
    controls=["X"],
    rel_to=["JP"],
    compartments=["Y"],
    kind="defence",
)
INSTRUMENT_OBJECT = extensions.instrument_object(
    "jp-rok-gsomia-2016",
    created_by="JP",
    created="2026-11-22T00:00:00.000Z",
    body_sha256="0" * 64,
    title="Agreement on the protection of classified military information",
    kind="treaty",
    parties=["JP", "KR"],
    binding=True,
    signed="2016-11-23",
)
UNREAD_INSTRUMENT = extensions.instrument_object(
    "cjk-joint-decl-2003",
    created_by="KR",
    created="2026-11-22T00:00:00.000Z",
    title="Joint Declaration on the Promotion of Tripartite Cooperation",
    kind="declaration",
    parties=["CN", "JP", "KR"],
)
STATUS_OBJECT = extensions.instrument_status_object(
    "jp-rok-gsomia-2016",
    created_by="KR",
    created="2026-11-22T00:00:00.000Z",
    party="KR",
    status="termination_notice",
    true_from="2019-08-23",
    effect_on="2019-11-23",
    known_public="2019-08-22",
    basis="21(3)",
    note="Notice by diplomatic note.",
    cites=[{"title": "analysis of the notice", "url": "https://example.org/notice", "quote": "given"}],
)
REGISTER = {
    kind.removeprefix("sct-"): {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42",
        "created": "2026-11-22T00:00:00.000Z",
        "modified": "2026-11-22T00:00:00.000Z",
        "key": "k-1",
        "kind": kind.removeprefix("sct-"),
        "title": "A title",
        "true_from": "2012-09",
        "known_public": "2012-09-03",
        "parties": ["JP", "KR"],
        "extensions": {extension_of(kind): {"extension_type": "new-sdo"}},
        **more,
    }
    for kind, more in {
        "sct-meeting": {"series": "cjk-summit", "round": 5, "agenda": ["Cyber security"]},
        "sct-commitment": {"owed_by": ["JP"], "due": "2012-12-31", "cadence": "yearly"},
        "sct-project": {"milestones": [{"title": "Design", "due": "2013"}]},
        "sct-statement": {"lang": "en"},
        "sct-absence": {"looked_by": "A center", "looked_in": "open sources"},
        "sct-evidence": {"for_ref": "sct-commitment--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42", "says": "done"},
        "sct-account": {
            "about_ref": "sct-meeting--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42",
            "said_by": "KR",
            "position": "denies",
        },
        "sct-source": {"publisher": "A paper", "url": "https://example.org/a", "source_kind": "press"},
        "sct-body": {"aliases": ["TCCS"]},
        "sct-request": {
            "asked_by": "JP",
            "asked_of": "KR",
            "asks": "What came of it?",
            "answer_by": "2012-10-01",
        },
        "sct-contact": {"purpose": "incidents", "address": "desk@example.org"},
        "sct-note": {"text": "What the statements say.", "written_by": ["A desk"]},
    }.items()
}
DERIVED = {
    "type": "note",
    "spec_version": "2.1",
    "id": "note--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42",
    "created": "2026-11-22T00:00:00.000Z",
    "modified": "2026-11-22T00:00:00.000Z",
    "content": "Made from what US gave.",
    "object_refs": ["indicator--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42"],
    "object_marking_refs": [MARKING["id"]],
    "extensions": {
        DERIVATION: {
            "extension_type": "property-extension",
            "derived_from": [{"originator": "US", "tlp": "AMBER", "caveats": ["OC"]}],
        }
    },
}
CORRECTED = extensions.corrected(
    {name: value for name, value in DERIVED.items() if name != "extensions"},
    corrects="2026-11-22T00:00:00.000Z",
    at="2026-11-23T00:00:00.000Z",
    reason="the address was ours",
)
OURS: dict[str, dict[str, Any]] = {
    "maker": extensions.maker(),
    **{f"definition of {one['name']}": one for one in extensions.definitions()},
    "party": extensions.party_object("KR", "Republic of Korea"),
    "agency": extensions.party_object("JPCERT", "JPCERT/CC", kind="agency", parent="JP"),
    "group": extensions.party_object("NATO_MEMBERS", "Members", kind="group"),
    "instrument": INSTRUMENT_OBJECT,
    "instrument that nobody read": UNREAD_INSTRUMENT,
    "status of an instrument": STATUS_OBJECT,
    **REGISTER,
    "classification": MARKING,
    "derived": DERIVED,
    "corrected": CORRECTED,
    **{f"TLP {word}": tlp_marking(word) for word in TLP_ORDER},
}


@pytest.mark.parametrize("obj", [*OURS.values(), *STIX_2_1], ids=[*OURS, *(one["type"] for one in STIX_2_1)])
def test_stix2_reads_it_and_writes_it_back_equal(obj):
    read = stix2.parse(json.dumps(obj), allow_custom=False)

    written = json.loads(read.serialize()) if hasattr(read, "serialize") else read
    assert {name: value for name, value in written.items() if name in obj} == obj


def test_the_validator_accepts_all_of_it():
    everything = {
        "type": "bundle",
        "id": "bundle--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42",
        "objects": [*OURS.values(), *STIX_2_1],
    }
    result = validate_instance(everything, ValidationOptions(version="2.1"))

    assert [str(error) for error in result.errors] == []


@pytest.mark.parametrize("obj", OURS.values(), ids=OURS.keys())
def test_our_own_door_takes_it_without_a_word(obj):
    assert check(obj).warnings == ()
    check_own(obj)


def test_every_extension_has_a_schema_that_its_objects_keep():
    bodies = {
        "party": OURS["agency"]["extensions"][PARTY],
        "instrument": INSTRUMENT_OBJECT,
        "instrument-status": STATUS_OBJECT,
        **REGISTER,
        "classification": MARKING["extensions"][CLASSIFICATION],
        "derivation": DERIVED["extensions"][DERIVATION],
        "correction": CORRECTED["extensions"][CORRECTION],
    }
    assert bodies.keys() == {one.name for one in EXTENSIONS}
    for name, body in bodies.items():
        schema = extensions.schema(name)
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(body)
        assert schema["$comment"] == next(one.id for one in EXTENSIONS if one.name == name)


def test_a_schema_that_is_none():
    with pytest.raises(NotFoundError):
        extensions.schema("party-line")


def test_the_schemas_of_the_register_are_those_of_its_shapes():
    for kind in SAYS:
        assert extensions.schema(kind.removeprefix("sct-")) == schema_of(kind)


def test_the_ids_never_change():
    assert {one.name: one.id for one in EXTENSIONS} == {
        "party": "extension-definition--820a5dc2-a262-5d55-a61b-8b2a2b3a0ba6",
        "instrument": "extension-definition--1eeede53-c28a-5d8a-b57b-f9c02a404cbb",
        "instrument-status": "extension-definition--e4629d17-8556-59c2-b8da-46470fb8d70b",
        "classification": "extension-definition--0bdf5d14-fd0c-5cab-803a-f2f8ed6ec280",
        "derivation": "extension-definition--7f511d25-0031-5afe-a3f6-a4f6cbef485f",
        "correction": "extension-definition--fdb62962-a93c-5ab6-8370-27289ffa4570",
        "meeting": "extension-definition--8c5a36c9-a2fe-51a3-85d2-d7e4a06158f3",
        "commitment": "extension-definition--c6165ff2-6086-5386-897e-0895beed1806",
        "project": "extension-definition--de77c7b6-810d-554e-b987-af0d08f87eb2",
        "statement": "extension-definition--d28ec9de-5798-5156-8409-f3d3338f1471",
        "absence": "extension-definition--948ddf3b-8dd6-5bfc-8a4a-fbe5065ae6a8",
        "evidence": "extension-definition--adf7339d-fe62-5d04-97b5-f97266f80744",
        "account": "extension-definition--41b6eab2-7c49-52c1-83ca-879a96aa1c3a",
        "source": "extension-definition--d7ec346e-a65b-561f-9c7b-affab7b0cd90",
        "body": "extension-definition--7a99cc03-e436-50e2-9604-49fc948c3c3b",
        "request": "extension-definition--2db5ba52-332b-5392-ad97-961d086811e2",
        "contact": "extension-definition--c879dcac-dab7-55aa-a55e-68d49e7fcdc1",
        "note": "extension-definition--8d99fbc4-e5a9-58bb-a8cb-220cb4ca63ca",
    }


BAD = {
    "a party without code": (
        {
            "type": "identity",
            "extensions": {PARTY: {"extension_type": "property-extension", "kind": "state"}},
        },
        f"/extensions/{PARTY}",
    ),
    "a party of no kind": (
        {"extensions": {PARTY: {"extension_type": "property-extension", "code": "X", "kind": "club"}}},
        f"/extensions/{PARTY}/kind",
    ),
    "a party with a word more": (
        {
            "extensions": {
                PARTY: {"extension_type": "property-extension", "code": "X", "kind": "state", "rank": 1}
            }
        },
        f"/extensions/{PARTY}",
    ),
    "the wrong kind of extension": (
        {"extensions": {PARTY: {"extension_type": "new-sdo", "code": "X", "kind": "state"}}},
        f"/extensions/{PARTY}/extension_type",
    ),
    "an instrument without parties": ({**INSTRUMENT_OBJECT, "parties": []}, "/parties"),
    "an instrument of no day": ({**INSTRUMENT_OBJECT, "signed": "23 November"}, "/signed"),
    "an instrument with a wrong hash": ({**INSTRUMENT_OBJECT, "body_sha256": "x"}, "/body_sha256"),
    "a status of nothing": ({**STATUS_OBJECT, "instrument_ref": "identity--x"}, "/instrument_ref"),
    "a status on no day": ({**STATUS_OBJECT, "true_from": "last summer"}, "/true_from"),
    "a status without a word": ({**STATUS_OBJECT, "status": ""}, "/status"),
    "a status with more to say": (
        {**STATUS_OBJECT, "extensions": {INSTRUMENT_STATUS: {"extension_type": "new-sdo", "x": 1}}},
        f"/extensions/{INSTRUMENT_STATUS}",
    ),
    "an instrument with more to say": (
        {**INSTRUMENT_OBJECT, "extensions": {INSTRUMENT: {"extension_type": "new-sdo", "x": 1}}},
        f"/extensions/{INSTRUMENT}",
    ),
}


@pytest.mark.parametrize(("obj", "where"), BAD.values(), ids=BAD.keys())
def test_our_extensions_against_their_schema_are_refused(obj, where):
    with pytest.raises(InputError) as caught:
        check_own(obj)

    assert caught.value.where == where
