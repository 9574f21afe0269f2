"""What of an object a recipient does not get: decided property by property, by the one function (no I/O).

Rules:

1. An instrument may name properties that are not passed on under it: `leave_out` of PII, whoever releases;
   of THIRD_PARTY, whoever is not the originator. The decision states each as a duty `leave_out:<property>`
   of the sender, with the article.
2. Where an object may not go as a whole, and granular markings mark parts of it, it is decided without them,
   then with each marking alone: what a marking marks that does not pass is left out, by the article that
   refuses. What is left is decided once more.
3. Nothing is ever changed, only left out. What STIX requires, and what goes whole or not at all, blocks the
   release of the object instead, and the refusal names property and article.
4. Who receives decides the same: a marking that marks nothing that is there says nothing about the copy, and
   a copy that carries what a duty of its grant keeps back is not what the grant permits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.agreements.model import DENY, LEAVE_OUT, MAY, Decision, Note
from secretariat.base.errors import SecretariatError
from secretariat.ledger.property_tree import left_out_of
from secretariat.records import leaving_out, stix
from secretariat.records.markings import Label, marked_parts, read_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from secretariat.agreements.model import Obligation
    from secretariat.records.store import Version

    Ask = Callable[[Label], Decision]
    Markings = Mapping[str, Mapping[str, Any]]

_SIGN: Final = b'"granular_markings"'


class Kept(msgspec.Struct, frozen=True):
    """The decision about an object as the recipient would get it, and what it would not get, by article."""

    decision: Decision
    label: Label
    left_out: tuple[tuple[str, str], ...] = ()


def has_parts(version: Version) -> bool:
    """Whether parts of an object may bear markings of their own."""
    return _SIGN in version.data


def kept_back(obligations: Iterable[Obligation]) -> dict[str, str]:
    """Name the properties that a decision has left out, each with its article."""
    return {one.do.removeprefix(LEAVE_OUT): one.art for one in obligations if one.do.startswith(LEAVE_OUT)}


def decide_object(version: Version, ask: Ask, markings: Markings, default_tlp: str) -> Kept:
    """Decide about one object as a whole; where that refuses, about what is left without its marked parts."""
    found = Kept(ask(version.label), version.label)
    if found.decision.outcome == DENY and has_parts(version):
        found = _without_parts(version, found, ask, markings, default_tlp)
    return _checked(version, found)


def by_duty(version: Version, decision: Decision, label: Label) -> Kept:
    """Give what a decision that permits an object keeps back of it by duty."""
    return _checked(version, Kept(decision, label))


def _without_parts(version: Version, whole: Kept, ask: Ask, markings: Markings, default_tlp: str) -> Kept:
    value: dict[str, Any] = msgspec.json.decode(version.data)
    parts = marked_parts(value)
    if not parts:
        return whole
    reading = _Reading(version, value, markings, default_tlp)
    bare = reading.label(())
    base = ask(bare)
    if base.outcome != MAY:
        return Kept(base, bare)
    refused: dict[str, str] = {}
    for ref in parts:
        alone = ask(reading.label((ref,)))
        if alone.outcome != MAY:
            refused |= {name: alone.article for name in parts[ref] if name not in refused}
    passing = [ref for ref in parts if not set(parts[ref]) <= refused.keys()]
    label = reading.label(passing)
    decision = ask(label)
    if decision.outcome != MAY:  # each alone passes, all together do not: none of them goes
        refused |= {
            name: decision.article for names in parts.values() for name in names if name not in refused
        }
        label, decision = bare, base
    return Kept(decision, label, tuple(sorted(refused.items())))


class _Reading:
    """Reads the label of an object as if only some of its granular markings were there."""

    def __init__(self, version: Version, value: dict[str, Any], markings: Markings, default_tlp: str) -> None:
        self.version, self.value, self.markings = version, value, markings
        stated = read_label(value, markings, version.originator, "")[0]
        self.default = default_tlp if stated.tlp else version.label.tlp or default_tlp
        self.parents = set(version.label.derived_from) - set(stated.derived_from)

    def label(self, refs: Iterable[str]) -> Label:
        wanted = set(refs)
        kept = [one for one in self.value["granular_markings"] if one.get("marking_ref") in wanted]
        rest = {name: held for name, held in self.value.items() if name != "granular_markings"}
        if kept:
            rest["granular_markings"] = kept
        return read_label(rest, self.markings, self.version.originator, self.default, self.parents)[0]


def _checked(version: Version, found: Kept) -> Kept:
    if found.decision.outcome != MAY:
        return found
    named = {**kept_back(found.decision.obligations), **dict(found.left_out)}
    if not named:
        return found
    value: dict[str, Any] = msgspec.json.decode(version.data)
    gone = set(left_out_of(version.salt)) if version.state == "partial" else set()
    names = {name: article for name, article in named.items() if name in value and name not in gone}
    stays = leaving_out.required(version.type) if version.type not in leaving_out.WHOLE else value.keys()
    blocked = sorted(names.keys() & stays)
    if not blocked and names:
        rest = {name: held for name, held in value.items() if name not in names}
        try:
            stix.check(leaving_out.readable(rest, names))
        except SecretariatError:
            blocked = sorted(names)
    if blocked:
        article = names[blocked[0]]
        refusal = msgspec.structs.replace(
            found.decision,
            outcome=DENY,
            article=article,
            because=(article,),
            missing=Note("leave_out.required", (", ".join(blocked), version.type)),
            marks=(),
            conditions=(),
            obligations=(),
            until=None,
        )
        return Kept(refusal, found.label)
    return msgspec.structs.replace(found, left_out=tuple(sorted(names.items())))
