"""What a person wants in the place of a published object of ours: another marking, or content (no I/O).

A marking is given whole: TLP word, level with its table, caveats, release list, compartments. Markings that
are not this party's own (of what the object was made from, statements, granular ones) stay as they are.
Corrected content says of itself what it corrects and why (`records.extensions.Correction`): signed with the
object, the reason reaches every holder, by whatever way the version does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import InputError, StateError
from secretariat.records.extensions import corrected
from secretariat.records.markings import (
    Classification,
    classification_marking,
    classification_of,
    is_standard,
    tlp_marking,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NO_TLP: Final = "none"
"""Takes the TLP word away, which is right only where a level stands in its place."""
_STAYS: Final = frozenset({"id", "type", "spec_version", "created", "created_by_ref"})
REASON_MAX: Final = 2000


class Marks(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another marking; what is None stays as it is, what is empty goes."""

    tlp: str | None = None
    scheme: str | None = None
    level: str | None = None
    caveats: tuple[str, ...] | None = None
    rel_to: tuple[str, ...] | None = None
    compartments: tuple[str, ...] | None = None


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of a published object: a marking or corrected content, with the reason holders will read."""

    reason: str
    marks: Marks | None = None
    value: dict[str, Any] | None = None
    take_back: bool = False
    """Whether holders are asked to destroy the earlier versions even where they may keep them as history."""

    @property
    def act(self) -> str:
        """Name it as notes and pages do."""
        return "correct" if self.value is not None else "remark"


def next_version(
    before: dict[str, Any],
    change: Change,
    markings: Mapping[str, Mapping[str, Any]],
    party: str,
    now: datetime,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give the version that takes the place of `before`, and the markings it needs beside the standard's.

    Refuses what has no versions, what would be another object, and what changes nothing.
    """
    if "modified" not in before:
        raise StateError(f"a {before['type']} has no versions", advice="withdraw it and publish another")
    after, needed = dict(before), list[dict[str, Any]]()
    if change.value is not None:
        after = _content(before, change.value)
    if change.marks is not None:
        after, needed = marked(after, change.marks, markings, party)
    if {**after, "modified": ""} == {**before, "modified": ""}:
        raise InputError("the new version changes nothing", where=str(before["id"]))
    moment = max(now, parse_stamp(before["modified"]) + timedelta(milliseconds=1))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    if parse_stamp(text) <= parse_stamp(before["modified"]):
        text = (moment + timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    after["modified"] = text
    if change.value is not None:
        reason = change.reason.strip()[:REASON_MAX]
        after = corrected(after, corrects=before["modified"], at=text, reason=reason)
    return after, needed


def _content(before: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    for name in sorted(_STAYS):
        if name in value and value[name] != before.get(name):
            raise InputError(
                f"the corrected object has another {name}",
                where=str(value[name])[:100],
                advice="a correction is a version of the same object; publish another one instead",
            )
    if value.get("revoked"):
        raise InputError("a correction does not revoke", where="revoked", advice="withdraw it instead")
    stays = {name: held for name, held in before.items() if name in _STAYS or name == "modified"}
    return {**stays, **value, "modified": before["modified"]}


def marked(
    obj: dict[str, Any], marks: Marks, markings: Mapping[str, Mapping[str, Any]], party: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give an object under another marking of `party`, and the marking-definitions that it needs.

    Refuses an unknown TLP word, a level without its table, an object that `party` marked twice, and one that
    would bear neither TLP nor level.
    """
    refs = list(obj.get("object_marking_refs", ()))
    own = {ref: says for ref in refs if (says := _own(ref, markings, party)) is not None}
    if len(own) > 1:
        raise InputError(
            "it bears two classification markings of ours",
            where=str(obj["id"]),
            advice="correct it by a file",
        )
    before = next(iter(own.values()), Classification(party))
    after = Classification(
        party,
        scheme=(before.scheme if marks.scheme is None else marks.scheme or None),
        level=(before.level if marks.level is None else marks.level or None),
        caveats=before.caveats if marks.caveats is None else marks.caveats,
        rel_to=before.rel_to if marks.rel_to is None else marks.rel_to,
        compartments=before.compartments if marks.compartments is None else marks.compartments,
        kind=before.kind,
        purpose=before.purpose,
    )
    if after.level is None:
        after = msgspec.structs.replace(after, scheme=None)
    elif after.scheme is None:
        raise InputError(
            f"the level {after.level} needs its table", where="scheme", advice="e.g. JP_MOD or ROK_MIL"
        )
    words = [ref for ref in refs if is_standard(ref)]
    if marks.tlp is not None:
        words = [] if marks.tlp in {"", NO_TLP} else [tlp_marking(marks.tlp)["id"]]
    others = [ref for ref in refs if ref not in own and not is_standard(ref)]
    needed = []
    if after != Classification(party):
        needed = [
            classification_marking(
                originator=party,
                scheme=after.scheme,
                level=after.level,
                controls=after.caveats,
                rel_to=after.rel_to,
                compartments=after.compartments,
                kind=after.kind,
                purpose=after.purpose,
            )
        ]
    if not words and after.level is None:
        raise InputError("neither a TLP word nor a level is left", where="tlp", advice="choose one of them")
    named = list(dict.fromkeys([*words, *(one["id"] for one in needed), *others]))
    return {**obj, "object_marking_refs": refs if set(named) == set(refs) else named}, needed


def own_classification(
    obj: Mapping[str, Any], markings: Mapping[str, Mapping[str, Any]], party: str
) -> Classification:
    """Give what `party` says of its object by its own classification marking; an empty one of none."""
    refs = obj.get("object_marking_refs", ())
    return next((says for ref in refs if (says := _own(ref, markings, party))), Classification(party))


def _own(ref: str, markings: Mapping[str, Mapping[str, Any]], party: str) -> Classification | None:
    found = markings.get(ref)
    says = None if found is None else classification_of(found)
    return says if says is not None and says.originator == party else None


def words_of(text: str) -> tuple[str, ...]:
    """Read a list of words as people type it: commas, semicolons or new lines between them."""
    parts = (part.strip() for part in text.replace(";", ",").replace("\n", ",").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))
