"""Which properties a copy may lack: what STIX does not require and what neither names, dates nor marks it.

Rules:

1. What STIX 2.1 requires of the type stays, and what says who made it, when, and whether it was called back.
2. What decides who may have it stays: markings, and the extensions in which origins and our own types stand.
3. Markings, identities and extension definitions go whole or not at all: others are read by them.

The rest of the object must still be valid by itself: one of two alternatives must be there, a selector of a
granular marking must find its property. That is checked by reading it (`stix.check`); a marking of nothing
but what was left out is not read, it marks nothing any more (`readable`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.errors import InputError
from secretariat.records.canonical import canonical
from secretariat.records.stix import OBJECTS, OBSERVABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ALWAYS: Final = frozenset({
    "type", "spec_version", "id", "created", "modified", "created_by_ref", "revoked",
    "object_marking_refs", "granular_markings", "extensions", "lang",
})  # fmt: skip
WHOLE: Final = frozenset({"marking-definition", "identity", "extension-definition"})


def required(kind: str) -> frozenset[str]:
    """Name the properties that stay in every copy of this type (rules 1 and 2)."""
    shape: type[Any] | None = OBJECTS.get(kind) or OBSERVABLES.get(kind)
    if shape is None:
        return ALWAYS | {"name"}
    return ALWAYS | {one.encode_name for one in msgspec.structs.fields(shape) if one.required}


def optional(obj: Mapping[str, Any]) -> list[str]:
    """Name the properties of an object that may be left out."""
    kind = str(obj.get("type", ""))
    return [] if kind in WHOLE else sorted(obj.keys() - required(kind))


def without(data: bytes, names: Collection[str]) -> bytes:
    """Give an object's canonical bytes without these properties."""
    value: dict[str, Any] = msgspec.json.decode(data)
    return canonical({name: held for name, held in value.items() if name not in names})


def readable(obj: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Give a copy as it is read: without selectors of what was left out, and markings of nothing else."""
    granular = obj.get("granular_markings")
    if not names or not isinstance(granular, list):
        return dict(obj)
    kept = []
    for one in granular:
        selectors = one.get("selectors") if isinstance(one, dict) else None
        if not isinstance(selectors, list):
            kept.append(one)
            continue
        found = [each for each in selectors if str(each).partition(".")[0] not in names]
        if found or not selectors:
            kept.append({**one, "selectors": found})
    rest = {name: held for name, held in obj.items() if name != "granular_markings"}
    return {**rest, "granular_markings": kept} if kept else rest


def refuse_required(obj: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse to leave out of `obj`, or to have left out of it, what must stay."""
    kind = str(obj.get("type", ""))
    if kind in WHOLE and names:
        raise InputError(
            f"a {kind} goes whole: others are read by it",
            where=str(obj.get("id")),
            advice="leave nothing out",
        )
    if stays := sorted(required(kind).intersection(names)):
        raise InputError(
            f"{', '.join(stays)} of a {kind} may not be left out",
            where=str(obj.get("id")),
            advice="only what STIX does not require, and what neither names nor marks it, can be",
        )
