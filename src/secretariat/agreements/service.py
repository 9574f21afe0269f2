"""Questions: who would get this, and why? The same function that releases, for now or any other day.

A question about another day never creates a grant (decisions.md 3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from secretariat.agreements import grants, store
from secretariat.agreements.audience import read_by
from secretariat.agreements.facts import book_for, facts_for, whole_book
from secretariat.agreements.keeping_back import Kept, by_duty, decide_object, has_parts, kept_back
from secretariat.agreements.model import DENY, MAY, OWN, Decision, Question
from secretariat.agreements.recompute import COMPANY, references
from secretariat.agreements.rules import decide
from secretariat.base.clock import AsOf
from secretariat.base.errors import NotFoundError
from secretariat.records import store as records
from secretariat.records.markings import Label
from secretariat.records.store import Stored

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.ledger.node import Node

NOW = AsOf()


class Explanation(msgspec.Struct, frozen=True):
    """The answer about one object version and one recipient, with what it rests on."""

    object: str
    party: str
    label: Label
    true_on: datetime
    known_by: datetime | None
    recorded_by: datetime | None
    instruments: str
    decision: Decision
    standing_grants: tuple[int, ...] = ()
    """Log positions of grants under which the party may read it now."""
    left_out: tuple[tuple[str, str], ...] = ()
    """What of it the party would not get: property and article (keeping_back.py)."""


class Outlook(msgspec.Struct, frozen=True):
    """What one partner would get of several objects."""

    party: str
    may: int
    deny: int
    own: int
    granted: int
    explanations: list[Explanation]
    """One per distinct answer; `object` is the first object that it holds for."""
    objects: list[list[str]]
    """The objects of each explanation."""

    @property
    def outcome(self) -> str:
        """`may` when everything may go, `deny` when nothing may, `some`, or `own`."""
        if self.may and self.deny:
            return "some"
        return MAY if self.may else DENY if self.deny else OWN


def explain(
    node: Node,
    realm: str,
    stix_id: str,
    to: str,
    as_of: AsOf = NOW,
    *,
    purpose: str | None = None,
    now: datetime,
) -> Explanation:
    """Say whether an object may go to a party, and why. Refuses an object that is (or was) not here."""
    with node.database.app(realm) as tx:
        known_party(whole_book(tx), to, [node.party, *(one.code for one in grants.parties(tx))], where="--to")
        return explain_in(tx, node, stix_id, to, as_of, purpose=purpose, now=now)


def known_party(book: Book, code: str, enrolled: Iterable[str], *, where: str) -> None:
    """Refuse a code that neither an enrolled partner nor any instrument recorded here bears."""
    named = {name for one in book.instruments.values() for name in one.parties}
    members = {one.party for group in book.groups.values() for one in group}
    if code not in {*enrolled, *book.parties, *named, *members}:
        raise NotFoundError(
            f"no such partner: {code[:32]!r}",
            where=where,
            advice="neither a partner nor a party of an instrument here has this code",
        )


def explain_in(
    tx: sa.Connection,
    node: Node,
    stix_id: str,
    to: str,
    as_of: AsOf = NOW,
    *,
    purpose: str | None = None,
    now: datetime,
) -> Explanation:
    """Answer as `explain` does, in the caller's transaction."""
    return outlook(
        tx, node, [_version(tx, stix_id, as_of)], to, as_of, purpose=purpose, now=now
    ).explanations[0]


def outlook(
    tx: sa.Connection,
    node: Node,
    versions: Sequence[Stored],
    to: str,
    as_of: AsOf = NOW,
    *,
    purpose: str | None = None,
    now: datetime,
) -> Outlook:
    """Say what `to` would get of these versions: one answer per distinct label."""
    book = book_of(tx, node, to, as_of, now=now)
    known = facts_for(tx, to, versions, purpose=purpose)
    if as_of.public:  # who consented to what stands between the parties; nobody else knows it
        known = msgspec.structs.replace(known, facts=msgspec.structs.replace(known.facts, consents=()))
    zone = as_of.zone or node.settings.zone
    held = grants.classes_of(tx, [one.id for one in versions])
    groups: dict[tuple[Label, str | None], list[Stored]] = {}
    for one in versions:
        single = one.stix_id if known.facts.consents and one.label.orig != node.party else None
        groups.setdefault((one.label, single), []).append(one)
    true_on = as_of.true_on or now
    markings = _markings(tx, versions)
    answers, members, counts = [], [], dict.fromkeys((MAY, DENY, OWN), 0)
    for (label, single), group in groups.items():
        question = Question(
            sender=node.party,
            recipient=to,
            label=label,
            true=day_or_moment(true_on, zone),
            known=None if as_of.known_by is None else day_or_moment(as_of.known_by, zone),
            direct=True,
            facts=known.facts,
            object_id=single,
        )
        for found, alike in _kept(book, question, group, markings, node.settings.default_tlp):
            counts[found.decision.outcome] += len(alike)
            standing = {
                grant.entry for one in alike for grant in held.get(one.id, ()) if grant.recipient == to
            }
            answers.append(
                Explanation(
                    alike[0].stix_id,
                    to,
                    label,
                    true_on,
                    as_of.known_by,
                    as_of.recorded_by,
                    book.hash,
                    found.decision,
                    tuple(sorted(standing)),
                    found.left_out,
                )
            )
            members.append([one.stix_id for one in alike])
    granted = sum(any(grant.recipient == to for grant in held.get(one.id, ())) for one in versions)
    return Outlook(to, counts[MAY], counts[DENY], counts[OWN], granted, answers, members)


def _markings(tx: sa.Connection, versions: Sequence[Stored]) -> dict[str, dict[str, Any]]:
    """Give the marking-definitions of those versions whose parts bear markings of their own."""
    refs = {ref for one in versions if has_parts(one) for ref in references(one.data)}
    found = records.latest(tx, sorted(refs)) if refs else {}
    return {name: one.object() for name, one in found.items() if one.type == "marking-definition"}


def _kept(
    book: Book,
    question: Question,
    group: Sequence[Stored],
    markings: dict[str, dict[str, Any]],
    default_tlp: str,
) -> list[tuple[Kept, list[Stored]]]:
    """Answer for versions of one label: one answer for all, or apart where parts of some stay here."""

    def ask(label: Label) -> Decision:
        return decide(book, msgspec.structs.replace(question, label=label))

    decision = ask(question.label)
    duties = kept_back(decision.obligations)
    answers: dict[Kept, list[Stored]] = {}
    for one in group:
        found = Kept(decision, question.label)
        if decision.outcome == DENY and has_parts(one):
            found = decide_object(one, ask, markings, default_tlp)
        elif decision.outcome == MAY and duties:
            found = by_duty(one, decision, question.label)
        answers.setdefault(found, []).append(one)
    return list(answers.items())


def forecast(
    tx: sa.Connection,
    node: Node,
    stix_ids: Sequence[str],
    as_of: AsOf = NOW,
    *,
    purpose: str | None = None,
    now: datetime,
) -> list[Outlook]:
    """Say for every partner what it would get of these objects and of what they contain."""
    versions = with_members(tx, stix_ids)
    return [
        outlook(tx, node, versions, one.code, as_of, purpose=purpose, now=now)
        for one in grants.parties(tx, partners_only=True)
    ]


def conditions_of(
    outlooks: Iterable[Outlook], to: Collection[str] | None = None
) -> list[tuple[str, str, str]]:
    """Give what the person who says DO confirms: (partner, article, why), each once; None is every partner.

    Rules about persons never change a party's outcome (decisions.md 3): they are confirmed, not computed.
    """
    return list(
        dict.fromkeys(
            (one.party, condition.ref, condition.why)
            for one in outlooks
            if to is None or one.party in to
            for answer in one.explanations
            if answer.decision.outcome == MAY
            for condition in answer.decision.conditions
        )
    )


def with_members(tx: sa.Connection, stix_ids: Iterable[str]) -> list[Stored]:
    """Give the newest versions of objects, of what reports among them list, and of what these refer to.

    Members that are not here are left out: a report may name objects of others. Refuses an object that is
    asked for by name and is not here.
    """
    asked = list(dict.fromkeys(stix_ids))
    found = records.latest(tx, asked)
    absent = [name for name in asked if name not in found]
    if absent:
        raise NotFoundError(f"not here: {', '.join(absent[:5])}", advice="`secretariat import` brings it in")
    held = dict(found)
    wanted = {ref for one in found.values() for ref in one.object().get("object_refs", [])} - held.keys()
    held |= records.latest(tx, sorted(wanted))
    company = {name for one in held.values() for name in references(one.data)} - held.keys()
    held |= {name: one for name, one in records.latest(tx, sorted(company)).items() if one.type in COMPANY}
    return list(held.values())


def book_of(tx: sa.Connection, node: Node, to: str, as_of: AsOf, *, now: datetime) -> Book:
    """Give the instruments between this node and a partner; for a stranger, all that are recorded here."""
    if as_of.recorded_by is None and not as_of.public and store.agreed(tx, to, node.party):
        return book_for(tx, node.party, to)
    return read_by(whole_book(tx, recorded_by=as_of.recorded_by), as_of, now=now)


def day_or_moment(moment: datetime, zone: str) -> date | datetime:
    """Give the civil day where a question asked for one: its end stands for the whole day.

    The day is then read in the zone of each instrument, so that a question about 23 November is about that
    day in Seoul too, whatever the zone of this node's pages.
    """
    return there.date() if (there := moment.astimezone(ZoneInfo(zone))).time() == time.max else moment


def _version(tx: sa.Connection, stix_id: str, as_of: AsOf) -> Stored:
    every = records.versions(tx, stix_id)
    if as_of.recorded_by is not None:
        every = [one for one in every if one.recorded_at <= as_of.recorded_by]
    if not every:
        raise NotFoundError(
            f"no object {stix_id} here" + (" by then" if as_of.recorded_by is not None else ""),
            advice="`secretariat records list` shows what is here",
        )
    return every[0]
