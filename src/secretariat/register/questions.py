"""What an officer asks: how does this stand, what happened between us, what changed and what did we learn.

Every answer names the statements and sources it rests on. Where nobody looked it says *not checked*; an
absence says who looked, where, and as of when, and holds for that day and not after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.ids import instrument_id
from secretariat.register import belonging, boards, monitoring, shared
from secretariat.register.answers import Answer, Change, Cited, Difference, Silent
from secretariat.register.model import KINDS, Row, View, stem_of
from secretariat.register.monitoring import CLOSES, LAG_DAYS, Standing
from secretariat.register.store import COLUMNS, MOST, by_ids, by_key, live, rows, statements
from secretariat.register.store import newest as newest_of
from secretariat.register.times import noon
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["Answer", "Change", "Cited", "Difference"]

CHANGES = 500
"""Most lines of one difference; the rest is counted."""


def status(tx: sa.Connection, key: str, view: View, *, limit: int = LAG_DAYS) -> Answer:
    """Say how the statement with this key or STIX id stands; what was not known by then is not checked."""
    found = by_key(tx, key, msgspec.structs.replace(view, parties=()))
    if not found:
        near = like(tx, key, view)
        named = f"; known by then: {', '.join(one.key for one in near)}" if near else ""
        return Answer(
            key=key,
            state="not-known",
            words=f"not checked: nothing under {key} was {_known(view)}{named}",
            checked=False,
            near=near,
        )
    row, bare = found[0], msgspec.structs.replace(view, parties=())
    others = [one for one in by_key(tx, row.key, bare) if one.type == row.type and one.id != row.id]
    beside = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(bare, announced=True)}"
        " AND (s.about = ANY(%(ids)s) OR s.other = ANY(%(ids)s)) ORDER BY s.begun NULLS LAST, s.id",
        {**bare.bound(), "ids": [*_names_of(row), *(one.stix_id for one in others)]},
    )
    same = {row.stix_id, *(one.stix_id for one in others)}
    given = [one for one in beside if one.type == "sct-evidence" and one.about in same]
    evidence = boards.once(given, view)
    from_ids = [one.other for one in evidence if one.other is not None]
    resting = statements(tx, bare, ids=from_ids) if from_ids else []
    accounts = [one for one in beside if one.type == "sct-account" and one.known_in(view)]
    relations = [one for one in beside if one.type == "relationship"]
    newer = [one.about for one in relations if one.says == "supersedes" and one.other == row.stix_id]
    over = statements(tx, bare, ids=[one for one in newer if one], true=True) if newer else []
    acts = _acts(tx, row, [one for one in beside if one.type == "sct-instrument-status"], bare)
    carrying = list({one.id: one for one in (row, *accounts, *resting, *acts)}.values())
    sources = boards.sources_of(tx, carrying, view)
    said_none = {one.other for one in evidence if one.says == "none" and not monitoring.why_not(one, view)}
    own = [one for one in beside if one.kind == "absence"]
    own += [one for one in resting if one.kind == "absence" or one.stix_id in said_none]
    if row.kind == "absence":
        own.append(row)
    own.sort(key=lambda one: (one.true_last or date.min, one.id))
    absences = [
        boards.silent_of(one, sources, view)
        for one in own
        if one.known_in(view) and one.begun is not None and (one.begun <= view.day or one is row)
    ]
    standing = (
        monitoring.standing(row, evidence, view, monitoring.limit_of(row, view.lag_days, limit))
        if row.type in {"sct-commitment", "sct-project"}
        else None
    )
    state = standing.state if standing is not None else row.state(view)
    counted = [] if standing is None else [one.row.key for one in standing.marks if not one.why_not]
    checked = (
        standing is None or bool(standing.marks) or bool(absences) or state in {"not-promised", "not-known"}
    )
    return Answer(
        key=row.key,
        state=state,
        words=_words(row, state, standing, absences, over, acts, view, checked=checked),
        checked=checked,
        row=row,
        standing=standing,
        accounts=accounts,
        absences=absences,
        acts=acts,
        relations=relations,
        superseded_by=over,
        others=others,
        sources=_cited(carrying, sources),
        rests_on=list(dict.fromkeys([row.key, *counted, *(one.key for one in (*resting, *acts))])),
    )


def like(tx: sa.Connection, key: str, view: View, *, limit: int = 8) -> list[Row]:
    """Give facts known by then whose key has the words of a key, else whose text has them; nearest first."""
    words = re.findall(r"[^\W\d_]{3,}", key.lower())
    if not words or "--" in key:
        return []
    found = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view, announced=True)} AND s.kind = ANY(%(kinds)s)"
        " AND s.key LIKE ALL(%(words)s) ORDER BY s.id LIMIT 200",
        {**view.bound(), "kinds": list(KINDS), "words": [f"%{one}%" for one in words]},
    ) or statements(tx, view, kinds=list(KINDS), words=" ".join(words), newest=True, limit=limit)
    found.sort(key=lambda one: -SequenceMatcher(None, key, one.key).ratio())
    return found[:limit]


def _acts(tx: sa.Connection, row: Row, stated: Sequence[Row], view: View) -> list[Row]:
    """Give what was done about an instrument, or one that is promised, by the day asked about, in order."""
    found = list(stated)
    stem = stem_of(row.key) if row.type in {"sct-instrument", "sct-commitment"} else None
    if stem is not None and not found:
        named = rows(
            tx,
            f"SELECT {COLUMNS} FROM {live(view)} AND s.kind = 'status-change' AND s.about IS NULL"
            " AND starts_with(s.key, %(stem)s) AND s.parties && %(own)s ORDER BY s.begun, s.id",
            {**view.bound(), "stem": f"{stem}-", "own": row.parties},
        )
        found += named
    if row.type == "sct-instrument":
        found += _belonging(tx, row, view)
    acts = {one.id: one for one in found if one.begun is not None and one.begun <= view.day}
    return sorted(acts.values(), key=lambda one: (one.begun or date.max, one.id))


def _belonging(tx: sa.Connection, row: Row, view: View) -> list[Row]:
    """Give the changes that name no instrument themselves and belong to this one (belonging.py)."""
    loose = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view)} AND s.kind = 'status-change' AND s.type = 'sct-statement'"
        " AND s.parties && %(own)s ORDER BY s.begun, s.id LIMIT 500",
        {**view.bound(), "own": row.parties},
    )
    if not loose:
        return []
    every = statements(tx, view, types=["sct-instrument"], true=True)
    return belonging.acts_of(loose, belonging.belonging(tx, view, loose, every), row.stix_id)


def _names_of(row: Row) -> list[str]:
    """Give the ids under which others speak of a statement: an instrument has another one in the book."""
    book = row.body.get("instrument") if row.type == "sct-instrument" else None
    return [row.stix_id] if book is None else [row.stix_id, instrument_id(book)]


def _known(view: View) -> str:
    when = "recorded" if view.known_day is None else f"known by {view.known_day}"
    return f"publicly {when}" if view.public else when


def _words(
    row: Row,
    state: str,
    standing: Standing | None,
    absences: Sequence[Silent],
    over: Sequence[Row],
    acts: Sequence[Row],
    view: View,
    *,
    checked: bool,
) -> str:
    said = f"{row.title}: "
    if row.kind == "absence" and absences:
        one = absences[-1]
        return said + _looked(one, view)
    if standing is None:
        words = {
            "true": f"true by {view.day} ({_span(row)})",
            "possible": f"possibly true by {view.day}: the date is only known as {row.true_from}",
            "planned": f"not yet on {view.day}: it is of {_span(row)}",
            "announced": f"announced ({row.body.get('announced') or row.known_day}), not known as held",
            "undated": "known, without a date",
        }
        return said + words.get(state, state) + _last_act(acts)
    words = {
        "not-known": f"not {_known(view)}",
        "not-promised": f"not yet promised on {view.day}",
        "done": f"done, says {standing.closing.key if standing.closing else ''}",
        "late": f"done late, says {standing.closing.key if standing.closing else ''}",
        "overdue": f"overdue: {standing.overdue.sum.text if standing.overdue else ''}",
        "partly": "partly done",
        "moving": "moving",
        "open": "open",
    }
    text = said + words[state]
    last = next((one for one in reversed(standing.marks) if not one.why_not), None)
    if last is not None and state not in CLOSES:
        text += f"; latest evidence: {last.says} on {last.on} ({last.row.key})"
    text += _last_act(acts)
    if standing.lagging is not None:
        text += f"; lagging: {standing.lagging.sum.text}"
    if absences:
        text += "; " + _looked(absences[-1], view)
    if not checked:
        text += "; not checked: no evidence was recorded, and nobody recorded to have looked"
    if over:
        text += f"; superseded by {over[-1].key}"
    return text


def _last_act(acts: Sequence[Row]) -> str:
    return f"; latest act: {acts[-1].title}, {acts[-1].true_from} ({acts[-1].key})" if acts else ""


def _looked(one: Silent, view: View) -> str:
    who = ", ".join(one.looked_by) or "nobody named"
    where = f" in {one.looked_in}" if one.looked_in else ""
    text = f"nothing found{where} as of {one.as_of} (looked: {who})"
    if one.as_of < view.day:
        text += f"; after that day, up to {view.day}: not checked"
    elif one.as_of > view.day:
        text += f", so nothing by {view.day} either"
    return text


def _span(row: Row) -> str:
    return f"{row.true_from} to {row.true_to}" if row.true_to else str(row.true_from)


def _cited(carrying: Sequence[Row], sources: dict[str, Row]) -> list[Cited]:
    return [
        Cited(
            source=sources[cite["source_ref"]],
            quote=cite.get("quote"),
            start=cite.get("start"),
            end=cite.get("end"),
            by=one.key,
        )
        for one in carrying
        for cite in one.cites
        if cite["source_ref"] in sources
    ]


def timeline(
    tx: sa.Connection,
    view: View,
    *,
    kinds: Sequence[str] = (),
    first: date | None = None,
    last: date | None = None,
    words: str = "",
    series: Sequence[str] = (),
    status: Sequence[str] = (),
    newest: bool = False,
    limit: int = MOST,
    offset: int = 0,
) -> list[tuple[Row, str]]:
    """Give the facts that the question sees in order of truth, each once and with its state; undated last."""
    found = statements(
        tx,
        view,
        hidden=shared.shared(tx, view, announced=True).hidden,
        kinds=list(kinds) or list(KINDS),
        first=first,
        last=last,
        words=words,
        series=series,
        status=status,
        newest=newest,
        limit=limit,
        offset=offset,
    )
    return [(one, one.state(view)) for one in found]


# --- what changed ---------------------------------------------------------------------------------------


def diff(tx: sa.Connection, before: View, after: View, *, limit: int = CHANGES) -> Difference:
    """Say what the later question sees otherwise than the earlier, newest truth first.

    Counts facts, accounts, evidence and relations; and commitments whose state changed by what was learned or
    by their due day passing between the two days.
    """
    a, b = _seen("a", before), _seen("b", after)
    # only ids are sorted and counted: whole rows of all that changed would not fit into memory
    lines = (
        raw(tx)
        .execute(
            f"WITH x AS (SELECT s.id, s.true_first, {a[0]} AS a_seen, {a[1]} AS a_known, {b[0]} AS b_seen,"
            f" {b[1]} AS b_known,"
            " coalesce(s.begun <= %(a_day)s, true) AS a_true, coalesce(s.begun <= %(b_day)s, true) AS b_true"
            " FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
            f" WHERE s.type <> 'sct-source'{_narrowed(after)}), d AS (SELECT x.* FROM x WHERE"
            " a_seen <> b_seen OR (b_seen AND (a_known <> b_known OR (b_known AND a_true <> b_true))))"
            " SELECT id, count(*) OVER (), a_seen, a_known, a_true, b_seen, b_known, b_true"
            " FROM d ORDER BY d.true_first DESC NULLS LAST, d.id DESC LIMIT %(limit)s",
            {**_bound("a", before), **_bound("b", after), "parties": list(after.parties), "limit": limit},
        )
        .fetchall()
    )
    total = lines[0][1] if lines else 0
    found = by_ids(tx, [line[0] for line in lines])
    rows_seen = [(row, line[2:]) for row, line in zip(found, lines, strict=True)]
    lost = [row.stix_id for row, seen in rows_seen if not seen[3]]
    retracted = {stix for stix, row in newest_of(tx, lost).items() if row.retracted} if lost else set()
    changes = _changes(rows_seen, retracted)
    return Difference(changes=changes, total=total, states=_states(tx, changes, before, after))


def _narrowed(view: View) -> str:
    return ' AND (s.parties || s.orgs || s."by") @> %(parties)s' if view.parties else ""


def _seen(name: str, view: View) -> tuple[str, str]:
    """Write whether a question sees a row (known or announced), and whether it knows it."""
    newest, seen = "r.id IS NULL", ["NOT s.retracted"]
    if view.position is not None:
        newest = f'(r.id IS NULL OR r."position" > %({name}_position)s)'
        seen.append(f's."position" <= %({name}_position)s')
    elif view.recorded_by is not None:
        newest = f"(r.id IS NULL OR r.at > %({name}_recorded_by)s)"
        seen.append(f"s.recorded_at <= %({name}_recorded_by)s")
    if view.public:
        seen.append("s.known_public IS NOT NULL")
    if view.clear:
        seen.append("s.tlp = 'CLEAR'")
    known = "true"
    if view.known_by is not None:
        known = (
            f"coalesce(s.known_public <= %({name}_known_noon)s, false)"
            if view.public
            else f"(s.known <= %({name}_known_noon)s AND NOT s.known_exact"
            f" OR s.known <= %({name}_known_by)s AND s.known_exact)"
        )
        seen.append(f"({known} OR coalesce(s.announced <= %({name}_known_noon)s::timestamptz::date, false))")
    return f"({newest} AND {' AND '.join(seen)})", known


def _bound(name: str, view: View) -> dict[str, Any]:
    return {
        f"{name}_day": view.day,
        f"{name}_known_by": view.known_by,
        f"{name}_known_noon": None if view.known_day is None else noon(view.known_day),
        f"{name}_recorded_by": view.recorded_by,
        f"{name}_position": view.position,
    }


def _changes(lines: Sequence[tuple[Row, tuple[bool, ...]]], retracted: AbstractSet[str]) -> list[Change]:
    gone = {row.stix_id: row for row, seen in lines if seen[0] and not seen[3]}
    come = {row.stix_id for row, seen in lines if seen[3]}
    found = []
    for row, (a_seen, a_known, _, b_seen, b_known, _) in lines:
        if b_seen and not a_seen:
            before = gone.get(row.stix_id)
            found.append(Change(what="learned" if before is None else "corrected", row=row, before=before))
        elif b_seen and b_known and not a_known:
            found.append(Change(what="held", row=row, before=row))
        elif b_seen and a_seen and b_known == a_known:
            found.append(Change(what="happened", row=row, before=row))
        elif b_seen or row.stix_id not in come:
            what: Any = "taken-back" if row.stix_id in retracted else "no-longer-seen"
            found.append(Change(what=what, row=row, before=row))
    return found


def _states(
    tx: sa.Connection, changes: Sequence[Change], before: View, after: View
) -> list[tuple[Row, str, str]]:
    """Give the commitments whose state differs: touched by a change, or due between the two days."""
    touched = {one.row.about for one in changes if one.row.type == "sct-evidence"}
    touched |= {one.row.stix_id for one in changes if one.row.type == "sct-commitment"}
    low, high = sorted((before.day, after.day))
    promises = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(after)} AND s.type = 'sct-commitment'"
        " AND (s.stix_id = ANY(%(touched)s) OR (s.due_last >= %(low)s AND s.due_last < %(high)s))"
        " ORDER BY s.id LIMIT %(most)s",
        {
            **after.bound(),
            "touched": sorted(one for one in touched if one),
            "low": low,
            "high": high,
            "most": CHANGES,
        },
    )
    if not promises:
        return []
    ids = [one.stix_id for one in promises]
    then, now = boards.evidence_for(tx, ids, before), boards.evidence_for(tx, ids, after)
    found = []
    for one in promises:
        was = monitoring.standing(one, then.get(one.stix_id, ()), before).state
        is_now = monitoring.standing(one, now.get(one.stix_id, ()), after).state
        if was != is_now:
            found.append((one, was, is_now))
    return found
