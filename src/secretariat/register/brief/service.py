"""Gathering a brief from what the boards and questions answer: read only, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import InputError, NotFoundError
from secretariat.register import boards, parties, questions, store
from secretariat.register.brief import rules
from secretariat.register.brief.model import Ask, Brief, Instrument, Promise, Round
from secretariat.register.model import HELD, Row, View
from secretariat.register.monitoring import Mark
from secretariat.register.overlap import service as overlap
from secretariat.register.times import noon, parse

if TYPE_CHECKING:
    import sqlalchemy as sa

PROMISES = 60
"""Most commitments of one brief; the rest is counted."""
PAIRS = 10
MEETINGS = 500
CHANGES = 200
PARTIES = 12


def chosen(tx: sa.Connection, view: View, text: str, *, own: str) -> tuple[tuple[str, ...], Row | None]:
    """Read what to prepare: parties (`JP,KR`, `JP-KR`) or the key of a meeting.

    Refuses an unknown party, and a key that the question does not see or that is no meeting.
    """
    words = text.strip()
    if not words:
        raise InputError(
            "no parties and no meeting", where="parties", advice="write JP,KR or a meeting's key"
        )
    known = parties.known(tx, own)
    for mark in (",", " ", "-"):
        codes = tuple(dict.fromkeys(one for one in words.upper().replace(" ", mark).split(mark) if one))
        if codes and all(one in known for one in codes):
            if len(codes) > PARTIES:
                raise InputError(f"{len(codes)} parties", where="parties", advice=f"at most {PARTIES}")
            return tuple(sorted(codes)), None
    if "," in words or " " in words:
        unknown = next(one for one in words.upper().replace(",", " ").split() if one not in known)
        raise InputError(f"{unknown[:40]!r} is no party known here", where="parties", advice="write JP,KR")
    found = store.by_key(tx, words, msgspec.structs.replace(view, parties=()))
    row = next((one for one in found if one.kind in HELD), None)
    if row is None:
        raise NotFoundError(
            f"{words[:80]!r} is neither parties known here nor a meeting known by then",
            where="parties",
            advice="write JP,KR or the key of a meeting, as Register · Meetings shows it",
        )
    return tuple(row.parties), row


def gather(tx: sa.Connection, view: View, codes: Sequence[str], meeting: Row | None = None) -> Brief:
    """Give the brief for these parties, or for a meeting of theirs, as of the question."""
    asked = msgspec.structs.replace(view, parties=tuple(codes))
    meetings = store.statements(tx, asked, kinds=["meeting"], newest=True, limit=MEETINGS)
    last = rules.last_of(meetings, asked, codes, meeting)
    since = None if last is None else (last.true_last or last.begun)
    rows = store.statements(tx, asked, kinds=["commitment"], newest=True, announced=False, limit=MEETINGS)
    rows = [one for one in rows if one.status != "unverified" and one.begun and one.begun <= asked.day]
    rows.sort(key=lambda one: not rules.promised_at(one, last))
    promises = [_promise(tx, asked, one, codes, last, since) for one in rows[:PROMISES]]
    promises = [one for one in promises if not one.answer.superseded_by]
    silence = boards.silence(tx, asked, limit=PAIRS)
    contested = boards.contested(tx, asked, limit=PAIRS).lines
    pairs = overlap.board(tx, asked, limit=PAIRS)
    instruments = _instruments(tx, asked)
    requests = _requests(tx, asked, codes)
    changes = None if since is None else questions.diff(tx, _then(asked, since), asked, limit=CHANGES)
    planned = tuple(one for one in meetings if one.state(asked) in {"planned", "announced"})
    agenda = rules.agenda(
        meeting or next((one for one in planned if one.body.get("agenda")), None),
        codes,
        promises,
        requests,
        contested,
        pairs.pairs,
        silence.series.lines,
        {one.key: one for one in meetings},
    )
    shown = [
        *meetings,
        *(row for one in promises for row in (one.row, *one.answer.acts)),
        *(row for one in contested for row in (one.row, *one.accounts)),
        *(row for one in (*pairs.pairs, *pairs.judged) for row in (one.one, one.other)),
        *(row for one in instruments for row in (one.row, *one.acts)),
        *(one.row for one in requests),
        *(one.row for one in silence.absences.lines),
        *([] if changes is None else [one.row for one in changes.changes]),
    ]
    sources = boards.sources_of(tx, shown, asked)
    bare = msgspec.structs.replace(asked, parties=())
    ids = {mark.row.other for one in promises for mark in _marks(one) if mark.row.other is not None}
    resting = {one.stix_id: one for one in store.statements(tx, bare, ids=sorted(ids))} if ids else {}
    sources |= {one.source.stix_id: one.source for promise in promises for one in promise.answer.sources}
    return Brief(
        view=asked,
        parties=tuple(codes),
        meeting=meeting,
        last=last,
        planned=planned,
        rounds=_rounds(meetings, asked),
        promises=tuple(promises),
        silence=silence,
        contested=tuple(contested),
        overlaps=pairs.pairs,
        judged=pairs.judged,
        method=pairs.method,
        waiting=pairs.waiting,
        instruments=instruments,
        requests=requests,
        changes=changes,
        since=since,
        agenda=agenda,
        sources=sources,
        resting=resting,
        left_out=max(0, len(rows) - PROMISES),
    )


def _marks(promise: Promise) -> tuple[Mark, ...]:
    return () if promise.answer.standing is None else promise.answer.standing.marks


def _promise(
    tx: sa.Connection, view: View, row: Row, codes: Sequence[str], last: Row | None, since: date | None
) -> Promise:
    answer = questions.status(tx, row.stix_id, view)
    marks = () if answer.standing is None else answer.standing.marks
    return Promise(
        answer=answer,
        row=row,
        at_last=rules.promised_at(row, last),
        exact=set(row.parties) == set(codes),
        moved=since is not None
        and any(not one.why_not and one.on is not None and one.on > since for one in marks),
    )


def _rounds(meetings: Sequence[Row], view: View) -> tuple[Round, ...]:
    by_series: dict[str, list[Row]] = {}
    for one in meetings:
        if rules.held(one, view) and one.begun is not None:
            by_series.setdefault(one.series or one.key, []).append(one)
    found = []
    for series, of_series in by_series.items():
        newest = max(of_series, key=lambda one: (one.begun or view.day, one.id))
        days = (view.day - (newest.begun or view.day)).days
        found.append(Round(series=series, row=newest, held=len(of_series), days=days))
    return tuple(sorted(found, key=lambda one: one.days))


def _instruments(tx: sa.Connection, view: View) -> tuple[Instrument, ...]:
    rows = store.statements(tx, view, kinds=["instrument"], announced=False, newest=True, limit=40)
    found = []
    for row in rows:
        latest: dict[str, Row] = {}
        for act in questions.status(tx, row.stix_id, view).acts:
            latest[",".join(sorted(act.by or act.parties))] = act
        found.append(Instrument(row=row, acts=tuple(latest.values())))
    return tuple(found)


def _requests(tx: sa.Connection, view: View, codes: Sequence[str]) -> tuple[Ask, ...]:
    bare = msgspec.structs.replace(view, parties=())
    rows = store.statements(tx, bare, types=["sct-request"], announced=False)
    answered = {one.body.get("answers_ref") for one in rows}
    found = []
    for one in rows:
        asked_of = str(one.body.get("asked_of", ""))
        if one.body.get("answers_ref") or one.body.get("answer") or one.stix_id in answered:
            continue
        if asked_of not in codes or one.originator not in codes:
            continue
        by = one.body.get("answer_by")
        day = None if by is None else parse(by).last
        found.append(
            Ask(
                row=one,
                asked_by=one.originator,
                asked_of=asked_of,
                answer_by=day,
                over=0 if day is None else (view.day - day).days,
            )
        )
    return tuple(found)


def _then(view: View, day: date) -> View:
    """Give the question as it stood at the end of the last meeting."""
    return msgspec.structs.replace(view, day=day, known_by=noon(day), known_day=day, is_now=False)
