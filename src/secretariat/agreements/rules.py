"""MAY or NOT: one pure function for forecast, decision, explanation and audit.

The rules, in the order in which they are tried (decisions.md 3; `status` has those about time):

 1. What returns to its originator is `own` and needs no agreement. A party is the originator of what its
    offices made.
 2. Restrictions add up: every caveat and colour of the object, of each of its parents, and every third-party
    rule of an instrument under which the sender may hold it, must be met. One that is not met refuses,
    whatever any instrument permits.
      - NOFORN leaves the originator's state never; a release list must name the recipient; both at once
        contradict and refuse. Display only is not giving. An unknown caveat refuses.
      - ORCON: whoever is not the originator needs its consent. THIRD_PARTY: so does a recipient outside
        {originator, first recipient}. Consent is the originator's own, for that recipient, valid on the day.
      - TLP binds the onward release. AMBER and above stay with who got it, unless the source consents. An
        unknown colour counts as RED. The originator's own first release asks whether the recipient is bound.
      - A level that is none of the originator's, and an object with neither colour nor level, are refused.
 3. CLEAR without a classified level needs no instrument (`tlp-2/CLEAR`, before TLP 2.0 `tlp-1/WHITE`). TLP is
    no classification and never lowers one.
 4. Everything else needs one instrument that names the pair, is in force on the day as known, covers the
    information (DEFINE, PURPOSE) and has no rule that refuses (LEVELS, HUB_ONLY, AUDIENCE, ADMISSION,
    COMPARTMENT, CONTRACTOR, PII …). Its tables give the equivalent level; none given refuses, nothing is
    rounded. Missing facts refuse. GREEN is content with an instrument that binds both, or a statement that
    names them as a community.
 5. What states intent only (NON_BINDING) carries no classified information, unless an instrument it depends
    on binds the pair. Standards, practices and regulations restrict and never permit.
 6. Articles whose text was not read may refuse; an instrument none of whose carrying articles was read does
    not permit. `says` is never interpreted.
 7. Rules about persons become conditions that the releaser confirms; a stated negative refuses.
 8. A route of several legs is permitted if each leg is, and the whole of it by an instrument that names its
    two ends; an object with parents if each of them is.
 9. A refusal names what decided: the object's restriction, else the instrument that came closest (covers it
    and refuses > covers it and is not in force > does not cover it > states intent), else `default-deny` and
    the missing link. Every instrument that names the pair is tried and stands in the trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.leg import RESTRICTED, Leg
from secretariat.agreements.model import (
    DEFAULT_DENY,
    DENY,
    MAY,
    OWN,
    Decision,
    Facts,
    Moment,
    Note,
    Question,
    Tried,
)
from secretariat.base.errors import LimitError

if TYPE_CHECKING:
    from secretariat.agreements.book import Book
    from secretariat.records.markings import Label

CONTEXTS = 512
"""Prepared legs kept per book."""
MAX_PARENTS = 1000
"""Parents of one object, all generations together, that are decided."""


def leg_of(
    book: Book,
    sender: str,
    recipient: str,
    true: Moment,
    known: Moment | None,
    facts: Facts,
    through: tuple[str, ...] = (),
) -> Leg:
    """Give the prepared leg; the same question without its object is prepared once a day."""
    key = (sender, recipient, book.days(true), known, facts, through)
    found: Leg | None = book.contexts.get(key)
    if found is None:
        if len(book.contexts) >= CONTEXTS:
            book.contexts.clear()
        found = book.contexts[key] = Leg(book, sender, recipient, true, known, facts, through)
    return found


def decide(book: Book, question: Question) -> Decision:
    """Answer MAY, NOT or OWN with every article tried. Pure: the same book and question, the same answer."""
    q = question
    facts = facts_for(q.facts, q.object_id) if q.facts.consents else q.facts
    if not q.then and q.direct is not False:
        view = leg_of(book, q.sender, q.recipient, q.true, q.known, facts).view(q.label.orig)
        if not q.label.derived_from:
            return view.decide(q.label)
    if q.direct is not None and q.direct == bool(q.then):
        return _route_refused(q)
    stops = (q.sender, q.recipient, *q.then)
    labels = lineage(q.label)
    parts: list[Decision] = []
    legs: list[tuple[str, str, tuple[str, ...]]] = [
        (stops[n], stops[n + 1], ()) for n in range(len(stops) - 1)
    ]
    if q.then:
        legs.insert(0, (stops[0], stops[-1], stops[1:-1]))
    for sender, recipient, through in legs:
        leg = leg_of(book, sender, recipient, q.true, q.known, facts, through)
        parts += [leg.view(label.orig).decide(label) for label in labels]
    return combine(parts)


def facts_for(facts: Facts, object_id: str | None) -> Facts:
    """Keep the consents that are good for this object; one for other objects is none."""
    if not any(consent.objects for consent in facts.consents):
        return facts
    kept = tuple(
        msgspec.structs.replace(consent, objects=()) if object_id in consent.objects else consent
        for consent in facts.consents
    )
    return msgspec.structs.replace(facts, consents=kept)


def lineage(label: Label) -> list[Label]:
    """Give an object's label and those of all its parents; a parent without use or kind takes the child's."""
    found = [label]
    at = 0
    while at < len(found):
        if len(found) > MAX_PARENTS:
            raise LimitError(f"an object with more than {MAX_PARENTS} parents", advice="decide them apart")
        child = found[at]
        for parent in child.derived_from:
            if (parent.purpose is None and child.purpose is not None) or (
                parent.kind is None and child.kind is not None
            ):
                found.append(
                    msgspec.structs.replace(
                        parent, purpose=parent.purpose or child.purpose, kind=parent.kind or child.kind
                    )
                )
            else:
                found.append(parent)
        at += 1
    return found


def combine(parts: list[Decision]) -> Decision:
    """Join the answers for legs and parents: one refusal refuses, the plainest reason first."""
    if len(parts) == 1:
        return parts[0]
    refusals = sorted((p for p in parts if p.outcome == DENY), key=lambda p: p.rank != RESTRICTED)
    counting = refusals or [p for p in parts if p.outcome == MAY]
    if not counting:
        return parts[0]
    first = counting[0]
    if not refusals:
        first = max(counting, key=lambda p: len(p.because))
        counting = [first, *(p for p in counting if p is not first)]
    untils = [p.until for p in counting if p.until is not None]
    return Decision(
        outcome=DENY if refusals else MAY,
        article=first.article,
        because=tuple(dict.fromkeys(ref for p in counting for ref in p.because)),
        missing=first.missing,
        restrictions=tuple(dict.fromkeys(rows for p in parts for rows in p.restrictions)),
        attempts=tuple(dict.fromkeys(a for p in parts for a in p.attempts)),
        marks=tuple(dict.fromkeys(m for p in counting for m in p.marks)),
        conditions=tuple(dict.fromkeys(c for p in counting for c in p.conditions)),
        obligations=tuple(dict.fromkeys(o for p in counting for o in p.obligations)),
        warnings=tuple(dict.fromkeys(w for p in counting for w in p.warnings)),
        until=min(untils) if untils else None,
        rank=first.rank,
    )


def _route_refused(q: Question) -> Decision:
    code = "route.contradiction" if q.then else "route.unknown"
    row = Tried("marking/route", "HUB_ONLY", "fails", Note(code))
    return Decision(
        outcome=DENY,
        article=DEFAULT_DENY,
        because=("marking/route",),
        missing=row.note,
        restrictions=((row,),),
        rank=RESTRICTED,
    )


__all__ = ["DEFAULT_DENY", "DENY", "MAY", "OWN", "combine", "decide", "facts_for", "leg_of", "lineage"]
