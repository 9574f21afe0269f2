"""Reads one STIX 2.1 object strictly: what it must have, what must agree with what, what is kept unread.

Rules (numbers are sections of STIX 2.1, OASIS Standard):

1. Objects and relationships carry `spec_version` "2.1" (3.2); STIX 2.0 is refused with a way out.
2. The identifier is `type--UUID` of the object's own type (2.9). Observables may have any UUID (3.4).
3. `created` and `modified` are UTC with milliseconds, `modified` not before `created` (3.2, 3.6).
4. Required properties, value types, references to allowed types, closed enumerations (4 to 7).
5. Selectors of granular markings point at something in the object (7.2.3).
6. Unknown types, properties and extensions are kept as they are. A custom property that no extension
   announces is deprecated since 2.1 and gets a warning (11.1); so does a custom type.

What a refusal says: the JSON pointer, what was wrong, what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from secretariat.base.errors import InputError
from secretariat.records import objects, observables, values
from secretariat.records.canonical import pointer_token
from secretariat.records.values import HASH_LENGTHS, Common, Observable, Versioned

OBJECTS = objects.OBJECTS
OBSERVABLES = observables.OBSERVABLES
EXTENSION = re.compile(rf"^extension-definition--{values.UUID}\Z")
EXTENSION_KINDS = ("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension")

_type_name = re.compile(rf"^{values.TYPE_NAME}\Z").match
_property_name = re.compile(r"^[a-z0-9_]{3,250}\Z").match
_hash_name = re.compile(r"^[a-zA-Z0-9_-]{3,250}\Z").match
_hex_digits = re.compile(r"^[0-9a-fA-F]+\Z").match
_step = re.compile(r"^\[(\d+)\]\Z").match


class Header(msgspec.Struct, frozen=True):
    """What the rest of the system needs of an object without reading it again."""

    id: str
    type: str
    spec_version: str
    created: str | None
    modified: str | None
    version: datetime | None
    """`modified`, else `created`; None for observables, which have no versions."""
    revoked: bool
    created_by_ref: str | None
    marking_refs: tuple[str, ...]
    """Of the object and of its granular markings."""
    warnings: tuple[str, ...] = ()


class _UnknownObservable(Observable, kw_only=True):
    """A type that is new and has no `created`: an observable of somebody's extension."""


class _UnknownObject(Versioned, kw_only=True):
    """A type that is new and has versions."""


def check(obj: Any) -> Header:
    """Check one object against all rules above and give its header. Refuses with an `InputError`."""
    if type(obj) is not dict:
        raise InputError("not a JSON object", advice="each member is one STIX object")
    kind = obj.get("type")
    if type(kind) is not str or not _type_name(kind):
        raise _missing(obj, "type")
    shape = _shape(kind, obj)
    try:
        read: Any = msgspec.convert(obj, shape)
    except msgspec.ValidationError as error:
        raise _explained(obj, kind, str(error)) from None
    if not read.id.startswith(kind + "--"):
        raise InputError(
            f"the identifier {read.id!r} is not of type {kind}",
            where="/id",
            advice=f"write {kind}--UUID (section 2.9)",
        )
    for name in _TIMES[shape]:
        if (text := getattr(read, name)) is not UNSET:
            _moment(text, name)
    rule = _RULES.get(kind)
    if rule is not None:
        rule(obj)
    if "hashes" in shape.__struct_fields__:
        _check_hashes(obj, "")
    if "external_references" in obj and issubclass(shape, Common):
        _check_references(obj["external_references"])
    warnings: list[str] = []
    extended = _check_extensions(obj, kind, warnings)
    if unknown := obj.keys() - _KNOWN[shape]:
        _judge_unknown(unknown, shape, warnings, extended=extended)
    if kind not in OBJECTS and kind not in OBSERVABLES and not extended and not kind.startswith("x-"):
        warnings.append(f"type {kind} is neither of STIX 2.1 nor announced by an extension: kept as it is")
    return _header(obj, kind, read, warnings)


def moment(text: str) -> datetime:
    """Read a STIX timestamp that was checked; digits finer than microseconds are cut."""
    return datetime.fromisoformat(text)


def _header(obj: dict[str, Any], kind: str, read: Any, warnings: list[str]) -> Header:
    refs: list[str] = obj.get("object_marking_refs", ())
    if granular := obj.get("granular_markings"):
        _check_selectors(obj, granular)
        refs = [*refs, *(one["marking_ref"] for one in granular if "marking_ref" in one)]
    if not isinstance(read, Common):
        return Header(read.id, kind, "2.1", None, None, None, False, None, tuple(refs), tuple(warnings))
    created = _moment(read.created, "created")
    version, modified = created, None
    if isinstance(read, Versioned):
        modified = read.modified
        version = _moment(modified, "modified")
        if version < created:
            raise InputError(
                f"modified {modified} is before created {read.created}",
                where="/modified",
                advice="a version cannot be older than its object (section 3.6)",
            )
    return Header(
        read.id,
        kind,
        "2.1",
        read.created,
        modified,
        version,
        read.revoked is True,
        None if read.created_by_ref is UNSET else read.created_by_ref,
        tuple(refs),
        tuple(warnings),
    )


def _shape(kind: str, obj: dict[str, Any]) -> type[Any]:
    known: type[Any] | None = OBJECTS.get(kind) or OBSERVABLES.get(kind)
    if known is not None:
        return known
    if kind == "bundle":
        raise InputError(
            "a bundle inside a bundle", where="/type", advice="put its objects into the outer one (section 8)"
        )
    return _UnknownObservable if "created" not in obj and "modified" not in obj else _UnknownObject


def _missing(obj: Mapping[str, Any], name: str) -> InputError:
    what = "is missing" if name not in obj else "is not a type name"
    return InputError(
        f"the property {name!r} {what}",
        where="/" + name,
        advice="every STIX object names its type in lower case (section 3.1)",
    )


def _explained(obj: dict[str, Any], kind: str, said: str) -> InputError:
    """Turn msgspec's word on a value into STIX's."""
    if "spec_version" not in obj and kind not in OBSERVABLES:
        return _older(obj, "/spec_version")
    what, _, path = said.replace("`key` in `$", "`$").partition(" - at `$")
    pointer = _pointer(path.rstrip("`"))
    if pointer == "/spec_version":
        return _older(obj, pointer)
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing is not None:
        name = missing[1]
        return InputError(
            f"the property {name!r} is missing",
            where=f"{pointer}/{name}",
            advice=f"STIX 2.1 requires it in {'a ' + kind if not pointer else 'this place'}",
        )
    for pattern, words in values.WORDS.items():
        if pattern in what or repr(pattern)[1:-1] in what:
            return InputError(
                f"not {words}: {_shown(obj, pointer)}", where=pointer, advice="correct the value"
            )
    what = what.replace("`", "").replace("Expected array of length >= 1", "an empty list or dictionary")
    what = what.replace("Expected object of length >= 1", "an empty list or dictionary")
    what = what.replace("Expected str of length >= 1", "an empty string")
    advice = "leave the property out instead" if "empty" in what or "null" in what else "correct the value"
    return InputError(what[0].lower() + what[1:], where=pointer, advice=advice)


def _older(obj: Mapping[str, Any], pointer: str) -> InputError:
    given = obj.get("spec_version")
    what = "a STIX 2.0 object" if given is None or given == "2.0" else f"STIX version {given!r}"
    return InputError(
        f"{what}: only 2.1 is read",
        where=pointer,
        advice="convert it, for example with stix2-elevator; nothing is guessed",
    )


def _pointer(path: str) -> str:
    known, _, _ = path.partition("[...]")  # msgspec names no key of a dictionary
    steps = re.findall(r"\.([^.\[]+)|\[(\d+)\]", known)
    return "".join(pointer_token(name or index) for name, index in steps)


def _shown(obj: Any, pointer: str) -> str:
    value = obj
    for step in pointer.split("/")[1:]:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            break
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "…"


def _moment(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"no such moment: {text!r}", where="/" + name, advice="check month, day and hour"
        ) from None


def _check_selectors(obj: dict[str, Any], granular: list[dict[str, Any]]) -> None:
    for index, one in enumerate(granular):
        where = f"/granular_markings/{index}"
        if ("marking_ref" in one) == ("lang" in one):
            raise InputError(
                "a granular marking has exactly one of marking_ref and lang",
                where=where,
                advice="split it (section 7.2.3)",
            )
        for number, selector in enumerate(one["selectors"]):
            if resolve(obj, selector) is UNSET:
                raise InputError(
                    f"the selector {selector!r} points at nothing in this object",
                    where=f"{where}/selectors/{number}",
                    advice="a marking that marks nothing protects nothing: correct it (section 7.2.3.1)",
                )


def resolve(obj: Any, selector: str) -> Any | UnsetType:
    """Follow a granular-marking selector such as `labels.[1]`; UNSET when it points at nothing."""
    value = obj
    for step in selector.split("."):
        index = _step(step)
        if index is not None and isinstance(value, list) and int(index[1]) < len(value):
            value = value[int(index[1])]
        elif index is None and isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return UNSET
    return value


def _check_extensions(obj: dict[str, Any], kind: str, warnings: list[str]) -> bool:
    """Check what announces itself; say whether an extension announces a new type or top-level properties."""
    announced = False
    for name, body in obj.get("extensions", {}).items():
        where = "/extensions" + pointer_token(name)
        if EXTENSION.match(name) is not None:
            says = body.get("extension_type")
            if says not in EXTENSION_KINDS:
                raise InputError(
                    f"extension_type is {says!r}",
                    where=where + "/extension_type",
                    advice=f"write one of {', '.join(EXTENSION_KINDS)} (section 7.3)",
                )
            announced = announced or says != "property-extension"
        elif name in observables.PREDEFINED:
            shape = observables.PREDEFINED[name]
            if shape is not None:
                _check_predefined(body, shape, name, where)
        else:
            warnings.append(f"extension {name} of {kind} names no extension-definition: kept as it is")
    return announced


def _check_predefined(body: dict[str, Any], shape: type[msgspec.Struct], name: str, where: str) -> None:
    try:
        msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        inner = _explained({**body, "spec_version": "2.1"}, name, str(error))
        raise InputError(inner.what, where=where + (inner.where or ""), advice=inner.advice) from None


def _judge_unknown(unknown: set[str], shape: type[Any], warnings: list[str], *, extended: bool) -> None:
    for name in sorted(unknown):
        if not _property_name(name):
            warnings.append(f"property name {name!r} is against section 3.1: kept as it is")
        elif not extended and shape not in {_UnknownObject, _UnknownObservable}:
            warnings.append(f"custom property {name} without an extension is deprecated: kept as it is")


def _check_hashes(obj: Mapping[str, Any], pointer: str) -> None:
    for name, value in obj.get("hashes", {}).items():
        where = f"{pointer}/hashes{pointer_token(name)}"
        if not _hash_name(name):
            raise InputError(f"no name of a hash: {name!r}", where=where, advice="see section 2.7")
        digits = HASH_LENGTHS.get(name)
        if digits is not None and (len(value) != digits or not _hex_digits(value)):
            raise InputError(
                f"not {digits} hexadecimal digits", where=where, advice=f"that is what {name} has (10.7)"
            )


def _check_references(references: list[dict[str, Any]]) -> None:
    for index, one in enumerate(references):
        where = f"/external_references/{index}"
        _check_hashes(one, where)
        if one.keys().isdisjoint(("description", "url", "external_id")):
            raise InputError(
                "a reference that refers to nothing",
                where=where,
                advice="give description, url or external_id (section 2.5)",
            )


def _in_order(first: str, last: str, *, strictly: bool = False) -> Callable[[dict[str, Any]], None]:
    def rule(obj: dict[str, Any]) -> None:
        if first in obj and last in obj:
            start, end = _moment(obj[first], first), _moment(obj[last], last)
            if end < start or (strictly and end == start):
                raise InputError(
                    f"{last} {obj[last]} is {'not after' if strictly else 'before'} {first} {obj[first]}",
                    where="/" + last,
                    advice="correct one of them",
                )

    return rule


def _some_of(*names: str) -> Callable[[dict[str, Any]], None]:
    def rule(obj: dict[str, Any]) -> None:
        if obj.keys().isdisjoint(names):
            shown = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
            raise InputError(
                f"it says nothing: none of {shown}", where="", advice="give at least one of them"
            )

    return rule


def _all_of(*rules: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def rule(obj: dict[str, Any]) -> None:
        for one in rules:
            one(obj)

    return rule


def _demand(holds: bool, where: str, what: str, advice: str) -> None:
    if not holds:
        raise InputError(what, where=where, advice=advice)


def _location(obj: dict[str, Any]) -> None:
    _demand(
        "region" in obj or "country" in obj or ("latitude" in obj and "longitude" in obj),
        "",
        "a location without place",
        "give region, country, or latitude and longitude (section 4.10)",
    )
    _demand(
        ("latitude" in obj) == ("longitude" in obj),
        "/latitude" if "longitude" in obj else "/longitude",
        "latitude and longitude go together",
        "give both or none",
    )
    _demand(
        "precision" not in obj or "latitude" in obj,
        "/precision",
        "precision of no coordinates",
        "leave it out",
    )


def _malware(obj: dict[str, Any]) -> None:
    _demand(
        not obj["is_family"] or "name" in obj,
        "/name",
        "a malware family without name",
        "give it a name (4.11)",
    )
    _in_order("first_seen", "last_seen")(obj)


def _observed(obj: dict[str, Any]) -> None:
    _demand(
        ("objects" in obj) != ("object_refs" in obj),
        "/object_refs",
        "observed-data has exactly one of objects and object_refs",
        "use object_refs; objects is deprecated (section 4.14)",
    )
    _in_order("first_observed", "last_observed")(obj)


def _marking(obj: dict[str, Any]) -> None:
    if "extensions" not in obj or "definition_type" in obj or "definition" in obj:
        for name in ("definition_type", "definition"):
            _demand(name in obj, "/" + name, f"the property {name!r} is missing", "see section 7.2.1")
    word = {"tlp": "tlp", "statement": "statement"}.get(obj.get("definition_type", ""))
    if word is not None:
        _demand(
            isinstance(obj["definition"].get(word), str),
            f"/definition/{word}",
            f"the property {word!r} is missing",
            "see section 7.2.1",
        )


def _artifact(obj: dict[str, Any]) -> None:
    _demand(
        not ("payload_bin" in obj and "url" in obj),
        "/url",
        "both payload_bin and url",
        "keep one (section 6.1)",
    )
    _demand(
        "url" not in obj or "hashes" in obj, "/hashes", "a url without hashes", "give hashes (section 6.1)"
    )
    _demand(
        obj.get("decryption_key") is None or "encryption_algorithm" in obj,
        "/decryption_key",
        "a key without encryption_algorithm",
        "give encryption_algorithm (section 6.1)",
    )


def _message(obj: dict[str, Any]) -> None:
    multipart = obj["is_multipart"]
    _demand(
        not (multipart and "body" in obj), "/body", "body in a multipart message", "use body_multipart (6.6)"
    )
    _demand(
        multipart or "body_multipart" not in obj,
        "/body_multipart",
        "body_multipart though is_multipart is false",
        "use body (6.6)",
    )


def _traffic(obj: dict[str, Any]) -> None:
    _some_of("src_ref", "dst_ref")(obj)
    _demand(
        "end" not in obj or obj.get("is_active") is not True,
        "/is_active",
        "active though it ended",
        "see 6.12",
    )
    _in_order("start", "end")(obj)


def _own(shape: type[Observable]) -> list[str]:
    return [name for name in shape.__struct_fields__ if name not in Observable.__struct_fields__]


_seen_order = _in_order("first_seen", "last_seen")
_RULES: dict[str, Callable[[dict[str, Any]], None]] = {
    "campaign": _seen_order,
    "infrastructure": _seen_order,
    "intrusion-set": _seen_order,
    "threat-actor": _seen_order,
    "sighting": _seen_order,
    "indicator": _in_order("valid_from", "valid_until", strictly=True),
    "relationship": _in_order("start_time", "stop_time", strictly=True),
    "location": _location,
    "malware": _malware,
    "malware-analysis": _all_of(
        _some_of("result", "analysis_sco_refs"), _in_order("analysis_started", "analysis_ended")
    ),
    "observed-data": _observed,
    "marking-definition": _marking,
    "artifact": _artifact,
    "email-message": _message,
    "network-traffic": _traffic,
    "file": _some_of("hashes", "name"),
    "process": _some_of(*_own(observables.Process), "extensions"),
    "user-account": _some_of(*_own(observables.UserAccount), "extensions"),
    "windows-registry-key": _some_of(*_own(observables.RegistryKey)),
    "x509-certificate": _some_of(*_own(observables.Certificate)),
}

_SHAPES: tuple[type[Any], ...] = (
    *OBJECTS.values(),
    *OBSERVABLES.values(),
    _UnknownObject,
    _UnknownObservable,
)
_KNOWN = {shape: {"type", *shape.__struct_fields__} for shape in _SHAPES}
_TIMES = {
    shape: tuple(
        name
        for name, hint in get_type_hints(shape, include_extras=True).items()
        if hint in {values.Moment, values.Moment | UnsetType}
    )
    for shape in _SHAPES
}
assert datetime.fromisoformat("2013-03-20T05:00:00Z").tzinfo == UTC  # older Pythons do not read Z
