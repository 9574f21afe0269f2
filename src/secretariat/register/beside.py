"""Two statements side by side: in which members they differ, and who else states the same, for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secretariat.records.markings import TLP_ORDER, tlp_marking
from secretariat.register.screens import address_of
from secretariat.register.shared import says_otherwise
from secretariat.register.wording import (
    CADENCE_WORDS,
    FIELD_WORDS,
    KIND_WORDS,
    LEVEL_WORDS,
    POSITION_WORDS,
    RELATION_WORDS,
    SAYS_WORDS,
    SOURCE_WORDS,
    STATUS_WORDS,
    word_of,
)
from secretariat.web.tables import Column
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretariat.register.model import Row

_HIDDEN = frozenset({"modified", "extensions", "spec_version", "type", "id", "created", "created_by_ref"})
"""Members of an object that are no statement."""
_OF_ITS_OWN = _HIDDEN | {"object_marking_refs", "cites", "record", "status", "known_public", "lang"}
"""Members in which two parties' statements may differ without saying something else."""

_CHOICES = {
    "kind": KIND_WORDS,
    "level": LEVEL_WORDS,
    "status": STATUS_WORDS,
    "cadence": CADENCE_WORDS,
    "position": POSITION_WORDS,
    "says": SAYS_WORDS,
    "source_kind": SOURCE_WORDS,
    "relationship_type": RELATION_WORDS,
}
_MARKINGS = {tlp_marking(one)["id"]: f"TLP:{one}" for one in TLP_ORDER}


def members(one: Row, other: Row) -> list[dict[str, Any]]:
    """Give every member of two versions or statements, and whether they differ in it."""
    names = [name for name in {**one.body, **other.body} if name not in _HIDDEN]
    return [
        {
            "name": word_of(FIELD_WORDS, name),
            "one": told(name, one.body.get(name)),
            "other": told(name, other.body.get(name)),
            "differs": one.body.get(name) != other.body.get(name),
        }
        for name in names
    ]


def told(name: str, value: Any) -> str:
    """Write a member in the words of the page: choices by their word, markings by TLP, parties by code."""
    if name in _CHOICES and isinstance(value, str):
        return word_of(_CHOICES[name], value)
    if name == "object_marking_refs" and isinstance(value, list):
        return "\n".join(_MARKINGS.get(str(one), str(one)) for one in value)
    if name == "parties" and isinstance(value, list):
        value = sorted(value)
    return shown(value)


def shown(value: Any) -> str:
    """Write a member for reading: lists as lines, spans as their words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return "\n".join(shown(one) for one in value)
    if isinstance(value, dict):
        if "source_ref" in value:
            return str(value.get("quote") or value["source_ref"])
        return " · ".join(f"{key} {shown(one)}" for key, one in value.items())
    return str(value)


def also_of(row: Row, others: Sequence[Row]) -> list[dict[str, Any]]:
    """Give who else states a fact: in the same words, in other words, or otherwise, with what differs."""
    found = []
    for one in others:
        names = [name for name in {**row.body, **one.body} if name not in _OF_ITS_OWN]
        differs = [name for name in names if row.body.get(name) != one.body.get(name)]
        otherwise = says_otherwise(row, one)
        found.append(
            {
                "party": one.originator,
                "address": address_of(one.stix_id),
                "how": "otherwise" if otherwise else "other-words" if differs else "same-words",
                "lang": one.body.get("lang") or "en",
                "differs": [
                    {
                        "name": word_of(FIELD_WORDS, name),
                        "one": told(name, row.body.get(name)),
                        "other": told(name, one.body.get(name)),
                    }
                    for name in differs
                ],
            }
        )
    return found


def beside(row: Row, also: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Give the cells of a table row that say who else states it: for the page, and in words for a file."""
    found = also_of(row, also.get(row.stix_id, ()))
    words = {
        "otherwise": _("(otherwise)"),
        "same-words": _("(in the same words)"),
        "other-words": _("(in other words)"),
    }
    return {"also": found, "also_stated": [f"{one['party']} {words[one['how']]}" for one in found]}


def also_column() -> Column:
    """Say who else states a row's fact in a file; pages say it below the title."""
    return Column("also_stated", _("also stated by"), file_only=True)
