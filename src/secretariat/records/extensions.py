"""Our own objects and properties as STIX extensions: constant ids, JSON Schemas, and what makes them.

Each extension has one extension-definition whose id is the UUIDv5 of `extension/<name>` and one JSON Schema
in `records/schemas/`. A stock STIX library that knows none of them reads everything we emit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.ids import instrument_id, party_id, uuid5
from secretariat.records.markings import CLASSIFICATION, DERIVATION, Classification, Parent
from secretariat.records.register_shapes import SAYS, SHAPES, extension_of

SINCE = "2026-11-22T00:00:00.000Z"
"""`created` and `modified` of the extension-definitions of this version."""

PARTY = f"extension-definition--{uuid5('extension/party')}"
INSTRUMENT = f"extension-definition--{uuid5('extension/instrument')}"
INSTRUMENT_STATUS = f"extension-definition--{uuid5('extension/instrument-status')}"
CORRECTION = f"extension-definition--{uuid5('extension/correction')}"

MAKER = f"identity--{uuid5('secretariat')}"
"""The identity that stands as creator of the extension-definitions."""

_Date = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d\Z")]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_When = Annotated[str, Meta(pattern=r"^\d{4}(-\d\d(-\d\d(T[0-9:.]+(Z|[+-]\d\d:\d\d))?)?)?\Z")]
"""A moment with its own precision: a year, a month, a day, or an instant with its zone."""
_Word = Annotated[str, Meta(min_length=1, max_length=64)]


class PartyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extension of an identity says: this is a party of the cooperation."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Literal["state", "organisation", "agency", "association", "company", "group"]
    parent: str | None = None


class InstrumentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extension of an `sct-instrument` says beside its top-level properties."""


class _InstrumentObject(msgspec.Struct, frozen=True):
    """The top-level properties of an `sct-instrument`."""

    key: Annotated[str, Meta(min_length=1)]
    title: Annotated[str, Meta(min_length=1)]
    kind: Annotated[str, Meta(min_length=1)]
    parties: Annotated[list[str], Meta(min_length=1)]
    binding: bool | None = None
    body_sha256: _Hash | None = None
    """Left out, as `binding` may be: nobody has written down its articles, so no decision rests on it."""
    signed: _Date | None = None
    in_force: _Date | None = None
    ends: _Date | None = None
    synthetic: bool = False


class InstrumentStatusBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extension of an `sct-instrument-status` says beside its top-level properties."""


class Cite(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where it is said: a source, and what stands there."""

    source_ref: Annotated[str, Meta(min_length=1)] | None = None
    title: str | None = None
    url: str | None = None
    quote: str | None = None
    start: Annotated[int, Meta(ge=0)] | None = None
    end: Annotated[int, Meta(ge=0)] | None = None
    sha256: _Hash | None = None


class _InstrumentStatusObject(msgspec.Struct, frozen=True):
    """The top-level properties of an `sct-instrument-status`: one dated act, as its creator states it."""

    instrument_ref: Annotated[str, Meta(pattern=r"^sct-instrument--[0-9a-f-]{36}\Z")]
    status: _Word
    true_from: _When
    """When: `on` would be too short a name for STIX, which wants three letters at least."""
    party: _Word | None = None
    """Who did it; left out: it came to pass without one party's act (an entry into force)."""
    basis: str | None = None
    effect_on: _When | None = None
    known_public: _When | None = None
    note: str | None = None
    cites: list[Cite] = []


class _DerivationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    derived_from: Annotated[list[Parent], Meta(min_length=1)]


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a corrected version says of itself: what it takes the place of, since when, and why."""

    corrects: _When
    """`modified` of the version whose content was wrong."""
    corrected: _When
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the extension of an object of the Register says beside its top-level properties."""


class Extension(msgspec.Struct, frozen=True):
    """One extension of ours."""

    id: str
    name: str
    kind: str
    says: str
    body: type[msgspec.Struct]


EXTENSIONS = (
    Extension(
        PARTY, "party", "property-extension", "An identity that is a party of the cooperation.", PartyBody
    ),
    Extension(INSTRUMENT, "instrument", "new-sdo", "A document that permits or obliges.", InstrumentBody),
    Extension(
        INSTRUMENT_STATUS,
        "instrument-status",
        "new-sdo",
        "What happened to an instrument on a day, as one party states it.",
        InstrumentStatusBody,
    ),
    Extension(
        CLASSIFICATION,
        "classification",
        "property-extension",
        "A marking in the originator's words: level, caveats, release list, compartments.",
        Classification,
    ),
    Extension(
        DERIVATION,
        "derivation",
        "property-extension",
        "What an object was made from, with the marking that had.",
        _DerivationBody,
    ),
    Extension(
        CORRECTION,
        "correction",
        "property-extension",
        "That this version corrects an earlier one, and why.",
        Correction,
    ),
    *(
        Extension(extension_of(kind), kind.removeprefix("sct-"), "new-sdo", says, _Nothing)
        for kind, says in SAYS.items()
    ),
)
_BY_ID = {one.id: one for one in EXTENSIONS}
_OBJECTS: dict[str, type[msgspec.Struct]] = {
    **{kind: SHAPES[kind] for kind in SAYS},
    "sct-instrument": _InstrumentObject,
    "sct-instrument-status": _InstrumentStatusObject,
}


def maker() -> dict[str, Any]:
    """Give the identity that the extension-definitions name as their creator."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": MAKER,
        "created": SINCE,
        "modified": SINCE,
        "name": "Secretariat",
        "identity_class": "system",
        "description": "The project that defines these extensions.",
    }


def definitions() -> list[dict[str, Any]]:
    """Give the extension-definition object of each extension."""
    return [
        {
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": one.id,
            "created_by_ref": MAKER,
            "created": SINCE,
            "modified": SINCE,
            "name": f"Secretariat {one.name}",
            "description": one.says,
            "schema": f"JSON Schema secretariat/records/schemas/{one.name}.json",
            "version": "1.0.0",
            "extension_types": [one.kind],
        }
        for one in EXTENSIONS
    ]


@cache
def schema(name: str) -> dict[str, Any]:
    """Give the JSON Schema of an extension by its name. Refuses a name that is none."""
    if all(one.name != name for one in EXTENSIONS):
        raise NotFoundError(
            f"no schema {name!r}", advice=f"one of {', '.join(one.name for one in EXTENSIONS)}"
        )
    text = resources.files("secretariat.records").joinpath("schemas", f"{name}.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def party_object(
    code: str, name: str, *, kind: str = "state", parent: str | None = None, created: str = SINCE
) -> dict[str, Any]:
    """Give the identity of a party; its id follows from the code."""
    body = {"extension_type": "property-extension", "code": code, "kind": kind}
    if parent is not None:
        body["parent"] = parent
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": party_id(code),
        "created_by_ref": party_id(code),
        "created": created,
        "modified": created,
        "name": name,
        "identity_class": "class" if kind == "group" else "organization",
        "extensions": {PARTY: body},
    }


def instrument_object(
    key: str,
    *,
    created_by: str,
    created: str,
    modified: str | None = None,
    body_sha256: str | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Give an instrument as a STIX object: what it is called and whom it binds; its articles are data aside.

    `body_sha256` names these data; without it the instrument is known and no decision rests on it. Refuses
    what the schema does not have.
    """
    obj = {
        "type": "sct-instrument",
        "spec_version": "2.1",
        "id": instrument_id(key),
        "created_by_ref": party_id(created_by),
        "created": created,
        "modified": modified or created,
        "key": key,
        **({} if body_sha256 is None else {"body_sha256": body_sha256}),
        **properties,
        "extensions": {INSTRUMENT: {"extension_type": "new-sdo"}},
    }
    check_own(obj)
    return obj


def instrument_status_id(
    key: str, *, created_by: str, status: str, true_from: str, party: str | None = None
) -> str:
    """Give the id of a statement: one creator, one act, one id; corrections are its versions."""
    name = "\n".join(("instrument-status", key, created_by, party or "", status, true_from))
    return f"sct-instrument-status--{uuid5(name)}"


def instrument_status_object(
    key: str,
    *,
    created_by: str,
    created: str,
    status: str,
    true_from: str,
    modified: str | None = None,
    party: str | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Give one dated act about an instrument as a STIX object, stated by `created_by`, done by `party`.

    Refuses what the schema does not have.
    """
    obj = {
        "type": "sct-instrument-status",
        "spec_version": "2.1",
        "id": instrument_status_id(
            key, created_by=created_by, status=status, true_from=true_from, party=party
        ),
        "created_by_ref": party_id(created_by),
        "created": created,
        "modified": modified or created,
        "instrument_ref": instrument_id(key),
        **({} if party is None else {"party": party}),
        "status": status,
        "true_from": true_from,
        **properties,
        "extensions": {INSTRUMENT_STATUS: {"extension_type": "new-sdo"}},
    }
    check_own(obj)
    return obj


def correction_of(obj: Mapping[str, Any]) -> Correction | None:
    """Give what an object says of its own correction; None where it says nothing that can be read."""
    body = obj.get("extensions", {}).get(CORRECTION)
    if not isinstance(body, dict):
        return None
    try:
        return msgspec.convert({k: v for k, v in body.items() if k != "extension_type"}, Correction)
    except msgspec.ValidationError:
        return None


def corrected(obj: Mapping[str, Any], *, corrects: str, at: str, reason: str) -> dict[str, Any]:
    """Give the object with the statement that it corrects an earlier version of it."""
    body = {"extension_type": "property-extension", "corrects": corrects, "corrected": at, "reason": reason}
    return {**obj, "extensions": {**obj.get("extensions", {}), CORRECTION: body}}


def check_own(obj: Mapping[str, Any]) -> None:
    """Refuse an object that uses one of our extensions against its schema."""
    for name, body in obj.get("extensions", {}).items():
        known = _BY_ID.get(name)
        if known is None:
            continue
        where = f"/extensions/{name}"
        if body.get("extension_type") != known.kind:
            raise InputError(
                f"extension_type is {body.get('extension_type')!r}",
                where=where + "/extension_type",
                advice=f"the extension {known.name} is a {known.kind}",
            )
        _read(
            {key: value for key, value in body.items() if key != "extension_type"},
            known.body,
            where=where,
            name=known.name,
        )
    shape = _OBJECTS.get(obj.get("type", ""))
    if shape is not None:
        _read(obj, shape, where="", name=obj["type"].removeprefix("sct-"))


def _read(value: Any, shape: type[msgspec.Struct], *, where: str, name: str) -> None:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        pointer = where + path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        raise InputError(
            what.replace("`", ""),
            where=pointer,
            advice=f"see the schema: secretariat/records/schemas/{name}.json",
        ) from None
