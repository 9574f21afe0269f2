"""A brief as JSON: the same lines as on paper, with ids, sums and sources as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secretariat.register.asking import question_data, source_data
from secretariat.register.brief.model import Brief, Promise
from secretariat.register.model import Row


def rows_of(brief: Brief) -> Iterator[Row]:
    """Give every statement that a brief shows, for the marking it bears."""
    yield from (one for one in (brief.meeting, brief.last) if one is not None)
    yield from brief.planned
    for promise in brief.promises:
        yield promise.row
        yield from promise.answer.accounts
        yield from (one.row for one in promise.answer.absences)
        if promise.answer.standing is not None:
            yield from (one.row for one in promise.answer.standing.marks)
        yield from promise.answer.acts
    yield from brief.resting.values()
    yield from (one.row for one in brief.rounds)
    yield from (one.row for one in brief.silence.absences.lines)
    for contested in brief.contested:
        yield contested.row
        yield from contested.accounts
    for pair in (*brief.overlaps, *brief.judged):
        yield from (pair.one, pair.other)
    for instrument in brief.instruments:
        yield instrument.row
        yield from instrument.acts
    yield from (one.row for one in brief.requests)
    if brief.changes is not None:
        yield from (one.row for one in brief.changes.changes)
        yield from (row for row, _was, _is_now in brief.changes.states)


def data_of(brief: Brief) -> dict[str, Any]:
    """Give a brief as plain values."""
    return {
        "question": question_data(brief.view),
        "parties": list(brief.parties),
        "meeting": _line(brief.meeting),
        "last_meeting": _line(brief.last),
        "planned": [_line(one) for one in brief.planned],
        "agenda": [
            {
                "why": one.why,
                "text": one.text or None,
                "days": one.days or None,
                "rests_on": [row.key for row in one.rows],
            }
            for one in brief.agenda
        ],
        "promises": [_promise(one) for one in brief.promises],
        "left_out": brief.left_out,
        "rounds": [
            {"series": one.series, "last": _line(one.row), "held": one.held, "days": one.days}
            for one in brief.rounds
        ],
        "series": brief.silence.series.lines,
        "absences": [
            {**(_line(one.row) or {}), "as_of": one.as_of, "looked_by": one.looked_by}
            for one in brief.silence.absences.lines
        ],
        "contested": [
            {**(_line(one.row) or {}), "accounts": [_account(row) for row in one.accounts]}
            for one in brief.contested
        ],
        "overlaps": [
            {"one": pair.one.key, "other": pair.other.key, "score": round(pair.comparison.score, 3)}
            for pair in brief.overlaps
        ],
        "judged": [
            {"one": p.one.key, "other": p.other.key, "verdict": p.verdict.says if p.verdict else None}
            for p in brief.judged
        ],
        "compared_by": brief.method,
        "not_compared": brief.waiting,
        "instruments": [
            {
                **(_line(one.row) or {}),
                "acts": [
                    {"key": act.key, "by": act.by, "status": act.says, "on": act.true_from}
                    for act in one.acts
                ],
            }
            for one in brief.instruments
        ],
        "requests": [
            {
                **(_line(one.row) or {}),
                "asked_by": one.asked_by,
                "asked_of": one.asked_of,
                "answer_by": one.answer_by,
                "days_past": one.over,
            }
            for one in brief.requests
        ],
        "changes": None
        if brief.changes is None
        else {
            "since": brief.since,
            "total": brief.changes.total,
            "lines": [{"what": one.what, **(_line(one.row) or {})} for one in brief.changes.changes],
            "states": [
                {"key": row.key, "before": was, "after": is_now} for row, was, is_now in brief.changes.states
            ],
        },
        "sources": {stix: source_data(one) for stix, one in brief.sources.items()},
    }


def _line(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "key": row.key,
        "id": row.stix_id,
        "kind": row.kind,
        "title": row.title,
        "true_from": row.true_from,
        "parties": row.parties,
        "status": row.status,
        "sources": [cite["source_ref"] for cite in row.cites],
    }


def _promise(one: Promise) -> dict[str, Any]:
    standing = one.answer.standing
    marks = () if standing is None else standing.marks
    sums = () if standing is None else (standing.overdue, standing.lagging)
    return {
        **(_line(one.row) or {}),
        "owed_by": one.row.by,
        "due": one.row.body.get("due"),
        "cadence": one.row.cadence,
        "at_last_meeting": one.at_last,
        "state": one.answer.state,
        "checked": one.answer.checked,
        "answer": one.answer.words,
        "sums": [found.sum for found in sums if found is not None],
        "evidence": [
            {
                "key": found.row.key,
                "says": found.says,
                "on": found.on,
                "counts": not found.why_not,
                "why_not": found.why_not or None,
            }
            for found in marks
        ],
        "acts": [{"key": act.key, "status": act.says, "on": act.true_from} for act in one.answer.acts],
        "absences": [{"key": found.row.key, "as_of": found.as_of} for found in one.answer.absences],
        "accounts": [_account(row) for row in one.answer.accounts],
        "rests_on": one.answer.rests_on,
    }


def _account(row: Row) -> dict[str, Any]:
    names = ("said_by", "text")
    return {"key": row.key, "position": row.says, **{name: row.body.get(name) for name in names}}
