"""Which meeting was the last, what was promised there, and what to put on the agenda: pure rules.

1. The last meeting is the latest that was held before the meeting prepared (or by the day asked about): of
   its series where it has one, else of exactly these parties, else one in which all of them took part.
2. Promised *at* it is a commitment dated on its days, or one that cites a source of the meeting and is dated
   at most 31 days from it.
3. The agenda proposes, in this order: what was announced; overdue promises, longest first; requests past
   their day; promises that lag; what may be done twice; promises of last time of which nobody recorded to
   have looked; a series silent for more than a year; contested statements. Nothing is proposed twice, and
   nothing that needs a party who is not at the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from secretariat.register.answers import Contested, Gap
from secretariat.register.brief.model import Ask, Promise, Proposal
from secretariat.register.model import HELD, Row, View
from secretariat.register.monitoring import LAG_DAYS, Sum
from secretariat.register.overlap.model import Pair

NEAR = timedelta(days=31)
ITEMS = 24
"""Most items of an agenda; a meeting has one day."""
_EACH = 6
_PAIRS = 3
_WORK = frozenset({"commitment", "project"})
"""Kinds that parties can still join, divide or stop."""
_HEARD = frozenset({"meeting", "instrument", "commitment", "project", "statement", "status-change"})
"""Kinds whose accounts a meeting can hear; who made an attack is no business of an agenda."""


def held(row: Row, view: View) -> bool:
    """Whether a meeting is known as held by the day asked about."""
    return row.kind in HELD and row.state(view) in {"true", "possible"} and row.status != "unverified"


def last_of(meetings: Iterable[Row], view: View, parties: Sequence[str], meeting: Row | None) -> Row | None:
    """Give the last meeting held before the one prepared (rule 1)."""
    before = [
        one
        for one in meetings
        if held(one, view)
        and one.kind == "meeting"
        and (
            meeting is None
            or (
                one.stix_id != meeting.stix_id
                and (meeting.true_first is None or (one.begun or view.day) < meeting.true_first)
            )
        )
    ]
    before.sort(key=lambda one: (one.begun or view.day, one.id), reverse=True)
    if meeting is not None and meeting.series is not None:
        of_series = [one for one in before if one.series == meeting.series]
        if of_series:
            return of_series[0]
    exact = [one for one in before if set(one.parties) == set(parties)]
    return next(iter(exact or before), None)


def promised_at(promise: Row, meeting: Row | None) -> bool:
    """Whether a commitment was made at a meeting (rule 2)."""
    if meeting is None or meeting.true_first is None or promise.true_first is None or promise.begun is None:
        return False
    last = meeting.true_last or meeting.begun or meeting.true_first
    if promise.begun == promise.true_first and meeting.true_first <= promise.true_first <= last:
        return True
    sources = {cite["source_ref"] for cite in meeting.cites}
    near = meeting.true_first - NEAR <= promise.begun and promise.true_first <= last + NEAR
    return near and any(cite["source_ref"] in sources for cite in promise.cites)


def agenda(
    meeting: Row | None,
    parties: Sequence[str],
    promises: Sequence[Promise],
    requests: Sequence[Ask],
    contested: Sequence[Contested],
    overlaps: Sequence[Pair],
    gaps: Sequence[Gap],
    meetings: dict[str, Row],
) -> tuple[Proposal, ...]:
    """Propose what to put on the agenda (rule 3)."""
    own = set(parties)
    promises = [one for one in promises if own >= set(one.row.parties)]
    contested = [one for one in contested if own >= set(one.row.parties) and one.row.kind in _HEARD]
    gaps = [one for one in gaps if own >= set(one.parties)]
    found: list[Proposal] = []
    if meeting is not None:
        found += [
            Proposal(why="announced", rows=(meeting,), text=str(item))
            for item in meeting.body.get("agenda", ())
        ]
    found += _longest("overdue", ((_late(one), one.row) for one in promises))
    found += _longest("request", ((one.over, one.row) for one in requests))
    found += _longest("lagging", ((0 if _late(one) else _slow(one), one.row) for one in promises))
    closed = {one.row.stix_id for one in promises if not one.open}
    found += [
        Proposal(why="overlap", rows=(one.one, one.other))
        for one in overlaps
        if all(row.kind in _WORK and row.stix_id not in closed for row in (one.one, one.other))
    ][:_PAIRS]
    found += _new(found, "unchecked", [one.row for one in promises if one.at_last and not one.answer.checked])
    found += [
        Proposal(why="silent", rows=(meetings[one.last_key],), days=one.since, text=one.series)
        for one in gaps
        if one.since > LAG_DAYS and one.last_key in meetings
    ][:_EACH]
    found += _new(found, "contested", [one.row for one in contested])
    return tuple(found[:ITEMS])


def _longest(why: str, pairs: Iterable[tuple[int, Row]]) -> list[Proposal]:
    waiting = sorted((pair for pair in pairs if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].id))
    return [Proposal(why=why, rows=(row,), days=days) for days, row in waiting[:_EACH]]


def _new(found: Sequence[Proposal], why: str, rows: Iterable[Row]) -> list[Proposal]:
    named = {row.stix_id for one in found for row in one.rows}
    return [Proposal(why=why, rows=(one,)) for one in rows if one.stix_id not in named][:_EACH]


def _late(one: Promise) -> int:
    standing = one.answer.standing
    return 0 if standing is None or standing.overdue is None else standing.overdue.sum.days


def _slow(one: Promise) -> int:
    standing = one.answer.standing
    return 0 if standing is None or standing.lagging is None else standing.lagging.sum.days


def lag(one: Promise) -> Sum | None:
    """Give the sum by which a promise lags; None where it does not."""
    standing = one.answer.standing
    return None if standing is None or standing.lagging is None else standing.lagging.sum


def urgency(one: Promise) -> tuple[bool, int, int]:
    """Order promises: those of exactly these parties first, then the longest overdue, then what lags most."""
    standing = one.answer.standing
    late = 0 if standing is None or standing.overdue is None else standing.overdue.sum.days
    slow = lag(one)
    return (not one.exact, -late, 0 if slow is None else -slow.days)
