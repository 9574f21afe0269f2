"""What the pages that read all parts show: a line of a list, an object beside others, a relation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from secretariat.base.marking import Marking

COLUMNS: dict[str, int] = {
    "identity": 0,
    "threat-actor": 0,
    "intrusion-set": 0,
    "campaign": 0,
    "incident": 0,
    "location": 0,
    "report": 1,
    "grouping": 1,
    "malware": 1,
    "tool": 1,
    "attack-pattern": 1,
    "infrastructure": 1,
    "observed-data": 2,
    "indicator": 2,
    "vulnerability": 3,
    "course-of-action": 3,
    "malware-analysis": 3,
    "note": 3,
    "opinion": 3,
}
"""Where each kind of object stands in a graph: who – how – seen as – what to do."""

COLLECTIONS_OF_REFS = ("report", "grouping", "note", "opinion", "observed-data")
QUIET_TYPES = frozenset(
    {"marking-definition", "extension-definition", "language-content", "relationship", "sighting"}
)
REPORT_TYPES = ("report", "grouping")
NAME_MAX = 200


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One object version as lists show it."""

    id: int
    stix_id: str
    type: str
    name: str
    language: str | None
    marking: Marking
    originator: str
    source: str
    state: str
    version: datetime
    known_at: datetime
    recorded_at: datetime
    revoked: bool
    members: int
    root: bytes | None


class Relation(msgspec.Struct, frozen=True):
    """One statement that links two objects: a relationship, a sighting, or a reference in a property."""

    source: str
    word: str
    target: str
    through: str | None = None
    """The id of the relationship object; None for a property."""


def name_of(obj: dict[str, Any]) -> str:
    """Give what people call an object: name, value or the start of what it says; else its id."""
    for key in (
        "name",
        "value",
        "abstract",
        "pattern",
        "path",
        "subject",
        "user_id",
        "key",
        "content",
        "explanation",
    ):
        text = obj.get(key)
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())[:NAME_MAX]
    hashes = obj.get("hashes")
    if isinstance(hashes, dict) and hashes:
        algorithm, digest = next(iter(hashes.items()))
        return f"{algorithm} {digest}"[:NAME_MAX]
    if isinstance(obj.get("number"), int):
        return f"AS{obj['number']}"
    if isinstance(obj.get("relationship_type"), str):
        return str(obj["relationship_type"])
    return str(obj.get("id", ""))


def relations_of(obj: dict[str, Any]) -> list[Relation]:
    """Give the links that one object states."""
    one = str(obj.get("id", ""))
    kind = obj.get("type")
    if kind == "relationship":
        ends = (obj.get("source_ref"), obj.get("target_ref"))
        if all(isinstance(end, str) for end in ends):
            return [Relation(str(ends[0]), str(obj.get("relationship_type", "")), str(ends[1]), one)]
        return []
    if kind == "sighting":
        of = str(obj.get("sighting_of_ref", ""))
        where = obj.get("where_sighted_refs", [])
        return [Relation(str(place), "sighted", of, one) for place in where if isinstance(place, str)]
    found = []
    if kind in COLLECTIONS_OF_REFS and kind not in {"report", "grouping"}:
        found += [Relation(one, "about", ref) for ref in obj.get("object_refs", []) if isinstance(ref, str)]
    for key, value in obj.items():
        if key.endswith("_ref") and key != "created_by_ref" and isinstance(value, str):
            found.append(Relation(one, key.removesuffix("_ref").replace("_", " "), value))
        elif (
            key.endswith("_refs")
            and key not in {"object_refs", "object_marking_refs"}
            and isinstance(value, list)
        ):
            found += [
                Relation(one, key.removesuffix("_refs").replace("_", " "), r)
                for r in value
                if isinstance(r, str)
            ]
    return found
