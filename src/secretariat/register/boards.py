"""The boards: overdue, lagging, silent, contested, who met whom. One or two round trips each.

The database picks and counts; the sums are those of `monitoring`, so that what a board shows and what a
statement's own page explains cannot differ (a property test holds the two together).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.register import monitoring, shared
from secretariat.register.answers import Board, Contested, Gap, Met, Silence, Silent
from secretariat.register.model import HELD, Row, View
from secretariat.register.monitoring import LAG_DAYS, Lagging, Overdue
from secretariat.register.shared import LINES, Shared, also
from secretariat.register.store import COLUMNS, by_ids, live, rows
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["Board", "Contested", "Gap", "Met", "Silence", "Silent", "also"]

PAGE = 100
MEETINGS = 500

_ID_BITS = 41
"""More than row ids will ever need: a day and an id are one number, whose greatest names the newest row."""
_ID = 2**_ID_BITS - 1
_STAMP = f"(s.begun - date '0001-01-01' + 1)::int8 * {_ID + 1} + s.id"
"""The day is counted as Python counts it: `date.fromordinal`."""
_TOOK_PLACE = "NOT (NOT s.known_exact AND s.known::date < s.true_first)"
"""Known when it took place or later: what is only known from before was announced."""
_COUNTS = "{alias}.begun <= %(day)s AND {alias}.status <> 'unverified'"
_SUPERSEDED = (
    " AND NOT EXISTS (SELECT 1 FROM register_statement o LEFT JOIN register_replaced q ON q.id = o.id"
    " JOIN register_statement n ON n.stix_id = o.about LEFT JOIN register_replaced p ON p.id = n.id"
    " WHERE o.other = c.stix_id AND o.says = 'supersedes' AND q.id IS NULL AND NOT o.retracted"
    " AND p.id IS NULL AND NOT n.retracted AND n.begun <= %(day)s{known})"
)


def _promises(view: View, every: Shared) -> str:
    """Write the commitments that stand, each once, and what moved them, as `c` and `e`."""
    about, joined, once = "s.about", "", ""
    if every.ids:
        about, once = "coalesce(w.standing, s.about)", LINES
        joined = (
            " LEFT JOIN unnest(%(stood)s::text[], %(standing)s::text[]) AS w (stood, standing)"
            " ON w.stood = s.about"
        )
    bare = msgspec.structs.replace(view, parties=())
    known = "" if view.known_day is None else " AND n.known <= %(known_noon)s"
    return (
        f"WITH e AS MATERIALIZED (SELECT {about} AS about, bool_or(s.says IN ('done', 'late')) AS closed,"
        " max(s.begun) FILTER (WHERE s.says IN ('done', 'late', 'partly', 'progress')) AS moved"
        f" FROM {live(bare, joined=joined)} AND s.type = 'sct-evidence' AND {_COUNTS.format(alias='s')}"
        " GROUP BY 1),"
        f" c AS (SELECT s.* FROM {live(view)} AND s.type = 'sct-commitment' AND {_COUNTS.format(alias='s')}"
        f"{once})"
        " SELECT c.id, count(*) OVER ()"
        # a full join is done by hash whatever the planner believes of tables that were filled a moment ago
        " FROM c FULL JOIN e ON e.about = c.stix_id WHERE coalesce(c.id, 0) > 0"
        + _SUPERSEDED.format(known=known)
    )


def overdue(tx: sa.Connection, view: View, *, limit: int = PAGE, offset: int = 0) -> Board[Overdue]:
    """Give the commitments whose day has passed, the longest first."""
    every = shared.shared(tx, view)
    text = (
        _promises(view, every)
        # "never" in place of no due day: a condition that no missing side can meet would undo the full join
        + " AND coalesce(c.due_last, 'infinity') < %(day)s AND NOT coalesce(e.closed, false)"
        + " ORDER BY c.due_last, c.id LIMIT %(limit)s OFFSET %(offset)s"
    )
    bound = {**view.bound(), **every.bound(), "limit": limit, "offset": offset}
    found, total = _counted(tx, text, bound)
    evidence = evidence_for(tx, [one.stix_id for one in found], view, every)
    lines = [monitoring.overdue(one, evidence.get(one.stix_id, ()), view) for one in found]
    return Board(lines=[one for one in lines if one is not None], total=total)


def lagging(
    tx: sa.Connection,
    view: View,
    *,
    days: int = LAG_DAYS,
    limits: Mapping[str, int] | None = None,
    limit: int = PAGE,
    offset: int = 0,
) -> Board[Lagging]:
    """Give the commitments that nothing moved for over `days` (or their group's limit), oldest first.

    `limits` are limits of groups; they go before those that the question carries from the node's settings.
    """
    limits = {**view.lag_days, **(limits or {})}
    allowed = "%(days)s::int"
    every = shared.shared(tx, view)
    bound: dict[str, Any] = {
        **view.bound(),
        **every.bound(),
        "limit": limit,
        "offset": offset,
        "days": days,
    }
    if limits:
        allowed = (
            "coalesce((SELECT min(l.days) FROM unnest(%(names)s::text[], %(spans)s::int[]) AS l (name, days)"
            " WHERE l.name = ANY(c.orgs) OR (string_to_array(l.name, ',') @> c.parties"
            " AND string_to_array(l.name, ',') <@ c.parties)), %(days)s::int)"
        )
        bound |= {"names": list(limits), "spans": list(limits.values())}
    text = (
        _promises(view, every)
        + " AND NOT (coalesce(e.closed, false) AND c.cadence IS NULL)"
        + f" AND %(day)s - greatest(e.moved, c.begun) > {allowed}"
        + " ORDER BY greatest(e.moved, c.begun), c.id LIMIT %(limit)s OFFSET %(offset)s"
    )
    found, total = _counted(tx, text, bound)
    evidence = evidence_for(tx, [one.stix_id for one in found], view, every)
    lines = [
        monitoring.lagging(
            one, evidence.get(one.stix_id, ()), view, monitoring.limit_of(one, limits or {}, days)
        )
        for one in found
    ]
    return Board(lines=[one for one in lines if one is not None], total=total)


def evidence_for(
    tx: sa.Connection, stix_ids: Sequence[str], view: View, every: Shared | None = None
) -> dict[str, list[Row]]:
    """Give the evidence for commitments, by commitment, as known by then; announced ones are told apart.

    What another party gave counts, also for its own statement of the same commitment; what two say alike
    under one key is given once.
    """
    every = shared.shared(tx, view) if every is None else every
    bare = msgspec.structs.replace(view, parties=())
    found = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(bare, announced=True)} AND s.type = 'sct-evidence'"
        " AND s.about = ANY(%(ids)s) ORDER BY s.begun, s.id",
        {**bare.bound(), "ids": every.every(stix_ids)},
    )
    by_promise: dict[str, list[Row]] = {}
    for one in once(found, view):
        about = one.about or ""
        by_promise.setdefault(every.stands.get(about, about), []).append(one)
    return by_promise


def once(evidence: Sequence[Row], view: View) -> list[Row]:
    """Give once what several parties give alike under one key: this party's piece, where it gave one."""
    stood: dict[tuple[Any, ...], Row] = {}
    for one in sorted(evidence, key=lambda row: (row.status == "unverified", row.originator != view.own)):
        stood.setdefault((one.key, one.says, one.begun), one)
    kept = {one.id for one in stood.values()}
    return [one for one in evidence if one.id in kept]


def silence(tx: sa.Connection, view: View, *, limit: int = PAGE, offset: int = 0) -> Silence:
    """Give the series by how long ago they last met, and the absences that were recorded, oldest first."""
    every = shared.shared(tx, view)
    lines_once = LINES if every.ids else ""
    bound = {**view.bound(), **every.bound(), "held": sorted(HELD), "limit": limit, "offset": offset}
    gaps, total = _gaps(tx, view, lines_once, bound)
    found, absent = _counted(
        tx,
        f"SELECT s.id, count(*) OVER () FROM {live(view)} AND s.kind = 'absence'"
        f" AND s.begun <= %(day)s{lines_once} ORDER BY s.begun, s.id LIMIT %(limit)s OFFSET %(offset)s",
        bound,
    )
    sources = sources_of(tx, found, view)
    silent = [silent_of(one, sources, view) for one in found]
    return Silence(
        series=Board(lines=gaps, total=total), absences=Board(lines=silent, total=absent, sources=sources)
    )


def _gaps(tx: sa.Connection, view: View, lines_once: str, bound: dict[str, Any]) -> tuple[list[Gap], int]:
    """Give one page of the series, and how many there are. The database gathers, this orders and subtracts.

    A window over every meeting would sort them by the names of their series: three times as dear.
    """
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(
        (
            "SELECT coalesce(s.series, s.aim || ' ' || array_to_string(s.parties, '-')) AS name,"
            f" array_agg({_STAMP}), max(s.round) FROM {live(view)} AND s.kind = ANY(%(held)s)"
            f" AND {_COUNTS.format(alias='s')} AND {_TOOK_PLACE}{lines_once} GROUP BY name"
        ).encode(),
        bound,
    )
    series = [
        (max(stamps) >> _ID_BITS, name, stamps, highest)
        for name, stamps, highest in cursor
        if name is not None and (len(stamps) > 1 or (highest or 0) > 1)
    ]
    series.sort(key=lambda one: one[:2])
    page: list[tuple[str, list[int], int | None, tuple[int, int] | None]] = []
    for _, name, stamps, highest in series[bound["offset"] : bound["offset"] + bound["limit"]]:
        stamps.sort()
        page.append((name, stamps, highest, max(pairwise(stamps), key=_apart, default=None)))
    named = {one & _ID for _, stamps, _, gap in page for one in (stamps[-1], *(gap or ()))}
    cursor.execute(b"SELECT id, key, title, parties FROM register_statement WHERE id = ANY(%s)", [[*named]])
    rows_of = {number: rest for number, *rest in cursor}
    gaps = []
    for name, stamps, highest, gap in page:
        key, title, parties = rows_of[stamps[-1] & _ID]
        last = _day(stamps[-1])
        gaps.append(
            Gap(
                series=name,
                parties=parties,
                held=len(stamps),
                first=_day(stamps[0]),
                last=last,
                last_key=key,
                last_title=title,
                since=(view.day - last).days,
                longest=None if gap is None else _apart(gap)[0],
                longest_from=None if gap is None else rows_of[gap[0] & _ID][0],
                longest_to=None if gap is None else rows_of[gap[1] & _ID][0],
                highest=highest,
            )
        )
    return gaps, len(series)


def _day(stamp: int) -> date:
    return date.fromordinal(stamp >> _ID_BITS)


def _apart(pair: tuple[int, int]) -> tuple[int, int]:
    """Order two meetings by the days between them, then by which came later into the record."""
    return (pair[1] >> _ID_BITS) - (pair[0] >> _ID_BITS), pair[1] & _ID


def silent_of(row: Row, sources: Mapping[str, Row], view: View) -> Silent:
    """Say who looked where: as the absence states it, else the publishers of its sources."""
    since = row.begun or view.day
    publishers = [
        str(sources[cite["source_ref"]].body.get("publisher", sources[cite["source_ref"]].title))
        for cite in row.cites
        if cite["source_ref"] in sources
    ]
    return Silent(
        row=row,
        since=since,
        as_of=row.true_last or since,
        days=(view.day - since).days,
        looked_by=list(row.by) or list(dict.fromkeys(publishers)),
        looked_in=row.body.get("looked_in") or row.body.get("scope"),
    )


def contested(tx: sa.Connection, view: View, *, limit: int = PAGE, offset: int = 0) -> Board[Contested]:
    """Give the statements that are contested, of which accounts differ, or which parties state otherwise.

    Each comes with all accounts known by then, whichever party's statement they are about.
    """
    every = shared.shared(tx, view)
    otherwise = shared.differing(tx, every, view)
    bare = msgspec.structs.replace(view, parties=())
    found, total = _counted(
        tx,
        f"WITH a AS (SELECT DISTINCT s.about FROM {live(bare)} AND s.type = 'sct-account'"
        " AND s.says <> 'agrees' UNION"
        f" SELECT s.about FROM {live(bare)} AND s.type = 'relationship' AND s.says = 'conflicts-with' UNION"
        f" SELECT s.other FROM {live(bare)} AND s.type = 'relationship' AND s.says = 'conflicts-with')"
        f" SELECT s.id, count(*) OVER () FROM {live(view)} AND s.type <> 'sct-evidence'"
        " AND s.type <> 'sct-account' AND (s.status = 'contested' OR s.stix_id IN (SELECT about FROM a)"
        f" OR s.stix_id = ANY(%(otherwise)s)){LINES if every.ids else ''}"
        " ORDER BY s.true_first, s.id LIMIT %(limit)s OFFSET %(offset)s",
        {
            **view.bound(),
            **every.bound(),
            "otherwise": list(otherwise),
            "limit": limit,
            "offset": offset,
        },
    )
    ids = every.every(one.stix_id for one in found)
    beside = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(bare)} AND ((s.type = 'sct-account' AND s.about = ANY(%(ids)s))"
        " OR (s.type = 'relationship' AND s.says = 'conflicts-with'"
        " AND (s.about = ANY(%(ids)s) OR s.other = ANY(%(ids)s)))) ORDER BY s.id",
        {**bare.bound(), "ids": ids},
    )
    names = {one.stix_id: set(every.every([one.stix_id])) for one in found}
    lines = [
        Contested(
            row=one,
            accounts=[row for row in beside if row.type == "sct-account" and row.about in names[one.stix_id]],
            conflicts=[
                row
                for row in beside
                if row.type == "relationship" and names[one.stix_id] & {row.about, row.other}
            ],
            otherwise=otherwise.get(one.stix_id, []),
        )
        for one in found
    ]
    return Board(lines=lines, total=total, sources=sources_of(tx, [*found, *beside], view))


def who_met(tx: sa.Connection, view: View) -> list[Met]:
    """Give every pair of parties that met by the day asked about: how often, first, last."""
    every = shared.shared(tx, view)
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(
        (
            f"SELECT s.parties, s.level, count(*), min(s.begun), max({_STAMP})"
            f" FROM {live(view)} AND s.kind = 'meeting' AND {_COUNTS.format(alias='s')} AND {_TOOK_PLACE}"
            f"{LINES if every.ids else ''} GROUP BY s.parties, s.level"
        ).encode(),
        {**view.bound(), **every.bound()},
    )
    pairs: dict[tuple[str, str], tuple[int, date, int, frozenset[str]]] = {}
    for parties, level, times, first, last in cursor:
        levels = frozenset([level] if level else [])
        for pair in combinations(sorted(parties), 2):
            if pair[0] != pair[1]:
                had = pairs.get(pair, (0, first, last, levels))
                pairs[pair] = (had[0] + times, min(had[1], first), max(had[2], last), had[3] | levels)
    cursor.execute(
        b"SELECT id, key FROM register_statement WHERE id = ANY(%s)",
        [[last & _ID for _, _, last, _ in pairs.values()]],
    )
    keys = dict(cursor.fetchall())
    return [
        Met(
            one=one,
            other=other,
            times=times,
            first=first,
            last=_day(last),
            last_key=keys[last & _ID],
            levels=sorted(levels),
        )
        for (one, other), (times, first, last, levels) in sorted(pairs.items())
    ]


def meetings(tx: sa.Connection, view: View, *, limit: int = MEETINGS) -> list[Row]:
    """Give the newest meetings that `who_met` counts, oldest first."""
    every = shared.shared(tx, view)
    found = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view)} AND s.kind = 'meeting' AND {_COUNTS.format(alias='s')}"
        f" AND {_TOOK_PLACE}{LINES if every.ids else ''} ORDER BY s.begun DESC, s.id DESC LIMIT %(limit)s",
        {**view.bound(), **every.bound(), "limit": limit},
    )
    return found[::-1]


def sources_of(tx: sa.Connection, found: Sequence[Row], view: View) -> dict[str, Row]:
    """Give the sources that rows cite, by id; also those dated later than the time asked about."""
    wanted = sorted({cite["source_ref"] for one in found for cite in one.cites})
    if not wanted:
        return {}
    every = View(day=view.day, recorded_by=view.recorded_by, position=view.position)
    got = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(every)} AND s.stix_id = ANY(%(ids)s)",
        {**every.bound(), "ids": wanted},
    )
    return {one.stix_id: one for one in got}


def _counted(tx: sa.Connection, text: str, bound: dict[str, Any]) -> tuple[list[Row], int]:
    """Run a query for ids and a count of all, and give the rows of one page in its order.

    Only ids are sorted and counted: whole rows of all that a board chooses from would not fit into memory.
    """
    found = raw(tx).execute(text.encode(), bound).fetchall()
    return by_ids(tx, [number for number, _ in found]), found[0][1] if found else 0
