"""The receiver's half of a grant: decide again with what the grant pins, and compare (decisions.md 3).

Rules:

1. A grant pins its instruments' hash, the version of the rules, purpose, times and the facts used. A receiver
   that has these instruments computes each row again with exactly these and must find it equal.
2. Equal means: the outcome is `may`, and articles, marks, term, duties and conditions are those of the row.
3. Markings, identities and extension definitions accompany what refers to them: such an object stands
   rightly in a row when an object of that row refers to it, whatever its own label would say.
4. Consents are read from the originators' signed entries that come with the grant, not from its sender.
5. An object's label is computed from the object and its markings, unmarked ones as their row states.
6. A grant decides about its own day: what was permitted on another is a question, never a grant.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.model import ENGINE, MAY, Consent, Decision, Facts, Question
from secretariat.agreements.rules import decide
from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import ProofError
from secretariat.ledger.entries import Consent as ConsentBody
from secretariat.ledger.entries import GrantRow, body_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from secretariat.agreements.book import Book
    from secretariat.ledger.entries import Grant, Statement
    from secretariat.records.markings import Label

COMPANY = frozenset({"marking-definition", "identity", "extension-definition"})
"""Types without which what refers to them cannot be read."""

SAME_TIME = timedelta(hours=1)
"""How far a grant's `true_on` may lie from the moment its entry was recorded (rule 6): one publish call."""


class _Refs(msgspec.Struct):
    object_marking_refs: list[str] = []
    created_by_ref: str | None = None
    granular_markings: list[dict[str, Any]] = []
    extensions: dict[str, msgspec.Raw] = {}


_refs = msgspec.json.Decoder(_Refs).decode


def references(data: bytes) -> set[str]:
    """Name the markings, the creator and the extensions that an object refers to."""
    refs = _refs(data)
    named = {*refs.object_marking_refs, *refs.extensions}
    if refs.created_by_ref is not None:
        named.add(refs.created_by_ref)
    named.update(str(one["marking_ref"]) for one in refs.granular_markings if "marking_ref" in one)
    return named


def row_for(decision: Decision, roots: Sequence[str], default_tlp: str | None = None) -> GrantRow:
    """Write what a decision permits as the row of a grant, for the object versions with these roots."""
    return GrantRow(
        articles=list(dict.fromkeys([decision.article, *decision.because])),
        objects=list(roots),
        marks={mark.party: {"level": mark.level, "art": mark.art} for mark in decision.marks},
        until=moment_text(decision.until),
        obligations=[msgspec.to_builtins(duty) for duty in decision.obligations],
        conditions=[{"art": tried.ref, "rule": tried.rule} for tried in decision.conditions],
        default_tlp=default_tlp,
    )


def moment_text(moment: datetime | date | None) -> str | None:
    """Write a moment, or the first instant of a day, as a stamp."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), UTC)
    return stamp(moment)


def default_tlp_of(row: GrantRow) -> str:
    """Give the TLP under which unmarked objects of a row were taken; a row that does not say: RED."""
    return row.default_tlp or "RED"


def consent_of(
    by: str,
    to: str,
    roots: Sequence[str],
    state: str,
    until: datetime | None,
    purpose: str | None,
    at: datetime,
    *,
    by_root: Mapping[str, str],
) -> Consent:
    """Give an originator's word as the rules read it; both sides of a grant make it in this one way."""
    return Consent(
        by=by,
        to=(to,),
        since=at.date(),
        until=None if until is None else until.date(),
        state=state,
        purposes=() if purpose is None else (purpose,),
        objects=tuple(sorted({by_root[root] for root in roots if root in by_root})),
    )


class _Stated(msgspec.Struct, frozen=True):
    """What a node may have recorded about a recipient, and a grant pins."""

    purpose: str | None = None
    stage: str | None = None
    stage_since: date | None = None
    holds: tuple[str, ...] | None = None
    to_office: str | None = None


def facts_of(stated: Mapping[str, Any]) -> Facts:
    """Read recorded or pinned facts about a recipient; other members have another meaning and are left."""
    read = msgspec.convert(stated, _Stated)
    return Facts(**{name: getattr(read, name) for name in _Stated.__struct_fields__})


def consents_from(
    evidence: Iterable[Statement], recipient: str, by_root: Mapping[str, str]
) -> tuple[Consent, ...]:
    """Give the consents that verified `consent` entries state for `recipient` on these versions."""
    found = []
    for statement in evidence:
        if statement.kind != "consent":
            continue
        body = body_as(statement, ConsentBody)
        if body.to_reader != recipient or not any(root in by_root for root in body.objects):
            continue
        found.append(
            consent_of(
                statement.party,
                recipient,
                body.objects,
                "withdrawn" if body.withdrawn else "given",
                None if body.until is None else parse_stamp(body.until),
                body.purpose,
                statement.at,
                by_root=by_root,
            )
        )
    return tuple(found)


def recompute(
    book: Book,
    grant: Grant,
    *,
    sender: str,
    recipient: str,
    label: Label,
    object_id: str,
    recorded_at: datetime,
    consents: Sequence[Consent] = (),
) -> Decision:
    """Decide one object of a received grant again, whose entry was recorded at `recorded_at`.

    Refuses another version of the rules, and a grant decided for another day (rule 6).
    """
    if grant.engine != ENGINE:
        raise ProofError(
            f"the grant was decided by {grant.engine}, this node has {ENGINE}",
            where="/body/engine",
            advice="bring both nodes to the same release",
        )
    true_on = parse_stamp(str(grant.true_on))
    if abs(recorded_at - true_on) > SAME_TIME:
        raise ProofError(
            f"the grant of {stamp(recorded_at)} was decided for {stamp(true_on)}",
            where="/body/true_on",
            advice="a release decides about its own day; ask the partner to release it anew",
        )
    try:
        known = facts_of(grant.facts or {})
    except msgspec.ValidationError as error:
        raise ProofError(f"the grant's facts cannot be read: {error}", where="/body/facts") from error
    question = Question(
        sender=sender,
        recipient=recipient,
        label=label,
        true=true_on,
        known=None,
        direct=True,
        facts=msgspec.structs.replace(known, consents=tuple(consents)),
        object_id=object_id,
    )
    return decide(book, question)


def difference(row: GrantRow, decision: Decision) -> str | None:
    """Say how a row differs from what we compute, or None where it is equal (rule 2)."""
    if decision.outcome != MAY:
        return f"we find {decision.text}, the grant says MAY by {', '.join(map(str, row.articles))}"
    ours = row_for(decision, ())
    for name in ("articles", "marks", "until", "obligations", "conditions"):
        mine = msgspec.to_builtins(getattr(ours, name))
        theirs = msgspec.to_builtins(getattr(row, name))
        if mine != theirs:
            return f"{name}: we find {_words(mine)}, the grant says {_words(theirs)}"
    return None


def _words(value: Any) -> str:
    """Write a part of a row as the wire has it: a partner reads it, whose node is perhaps not in Python."""
    if value is None or value in ([], {}, ()):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()
