"""Whether an instrument is in force on a day, as far as was known by another day.

Rules (decisions.md 3, 4):
1. A row of the status history counts only if it was known: its `known`, else its `on`, is not after the
   known time asked about. Articles are known from the signature (`known`, else signed, published, in force).
2. It is valid from `effect_on`, else `on`. The day of entry into force and `ends` count as rows of their own;
   `ends` is the first day on which the instrument is no longer in force.
3. A notice of termination ends it on `effect_on` at 00:00, unless by then (as known) its effect is suspended
   or it is withdrawn. A notice that pends, a suspended one and a contested reading leave the state and warn.
4. In an instrument of more than two parties an act `by` a party counts only for pairs with that party.
5. What binds and states no day of entry into force is not in force (a missing fact denies); what binds nobody
   stands from its signature or publication, or, where no day is stated, always.
6. A draft, and `in_force: null`, was never in force, unless a row of the history says otherwise.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.book import day_in
from secretariat.agreements.model import Instrument, Moment, Note, StatusEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

FAR = 10**6
"""Distance in days where no day is known."""

_BEGINS = {"in_force"}
_STANDS = {"signed", "ratified", "announced", "considering", "supports"}
_ENDS = {"withdrawn", "terminated", "expired"}
_EVENT_STATE = {
    "entry_into_force": "in_force",
    "terminated": "terminated",
    "expired": "expired",
    "suspended": "suspended",
    "resumed": "in_force",
    "not_listed": "not_listed",
}
_PARTY_ACTS = {"termination_notice", "withdrawal", "suspended", "terminated"}


class State(msgspec.Struct, frozen=True):
    """The state of one instrument on one day for one pair."""

    in_force: bool
    word: str
    """in_force, not_yet, ended, never, suspended, unknown or unheard (not known by then)."""
    ref: str
    """The article on which the state rests, or the instrument."""
    note: Note
    warnings: tuple[Note, ...] = ()
    basis: tuple[str, ...] = ()
    """Articles behind the warnings."""
    until: date | None = None
    """First day on which it will no longer be in force, as known."""
    ended_on: date | None = None
    distance: int = 0
    """Days to the change of state nearest to the day asked about."""


def known_by(when: Moment, known: Moment | None, zone: str) -> bool:
    """Tell whether something that could be known at `when` was known by `known`; a date is the whole day."""
    if known is None:
        return True
    if isinstance(when, datetime) and isinstance(known, datetime):
        if (when.tzinfo is None) == (known.tzinfo is None):
            return when <= known
        return day_in(when, zone) <= day_in(known, zone)
    return day_in(when, zone) <= day_in(known, zone)


def state_at(instrument: Instrument, true: Moment, known: Moment | None, pair: Iterable[str] = ()) -> State:
    """Give the state of an instrument on a day, by what was known then, as it concerns a pair of parties."""
    day = day_in(true, instrument.timezone)
    key = instrument.key
    if instrument.known is not None and not known_by(instrument.known, known, instrument.timezone):
        return State(
            in_force=False, word="unheard", ref=key, note=Note("state.unheard", (key,)), distance=FAR
        )
    events = [
        e
        for e in instrument.status
        if known_by(e.known or e.on, known, instrument.timezone) and _concerns(instrument, e, tuple(pair))
    ]
    return _fold(instrument, day, events)


def _concerns(instrument: Instrument, event: StatusEvent, pair: tuple[str, ...]) -> bool:
    if event.by is None or not pair or event.event not in _PARTY_ACTS:
        return True
    if len(instrument.parties) == 2 and not any(p.endswith("_MEMBERS") for p in instrument.parties):
        return True
    return event.by in pair


def _fold(instrument: Instrument, day: date, events: list[StatusEvent]) -> State:
    begin = instrument.article("IN_FORCE")
    duration = instrument.article("DURATION")
    changes: list[tuple[date, int, str, str]] = []  # valid from, order, word, ref
    if instrument.effective is not None:
        changes.append((instrument.effective, -1, "in_force", instrument.ref(begin.art if begin else None)))
    if instrument.ends is not None:
        changes.append((instrument.ends, -1, "ended", instrument.ref(duration.art if duration else None)))
    notice: StatusEvent | None = None
    effect: date | None = None
    suspended: StatusEvent | None = None
    contested: StatusEvent | None = None
    reserved: list[StatusEvent] = []
    for n, event in sorted(enumerate(events), key=lambda item: (item[1].on, item[0])):
        valid = event.effect_on or event.on
        if event.event == "termination_notice":
            if event.on <= day or valid <= day:
                notice, effect, suspended = event, event.effect_on, None
        elif event.on > day and valid > day:
            pass
        elif event.event == "effect_of_notice_suspended":
            if notice is not None and (effect is None or event.on < effect or event.state == "in_force"):
                suspended = event
        elif event.event == "suspension_of_notice_revoked":
            suspended = None
            if effect is not None:
                effect = max(effect, event.effect_on or event.on)
        elif event.event in {"notice_withdrawn", "notice_and_suspension_withdrawn"}:
            notice, effect, suspended, contested = None, None, None, None
        elif event.event == "contested_reading":
            contested = event
        elif event.event == "reading_settled":
            contested = None
        elif event.event == "reservation" or event.state == "reserved":
            reserved.append(event)
        word = _word(instrument, event)
        if word is not None and event.event != "termination_notice":
            changes.append((valid, n, word, instrument.ref(event.basis)))
    if notice is not None and effect is not None and suspended is None:
        basis = notice.basis or (duration.art if duration else None)
        changes.append((effect, -2, "ended", instrument.ref(basis)))
    return _judge(
        instrument, day, changes, _warnings(instrument, day, notice, effect, suspended, contested, reserved)
    )


def _word(instrument: Instrument, event: StatusEvent) -> str | None:
    state = event.state or _EVENT_STATE.get(event.event or "")
    if event.event == "withdrawal":
        state = "withdrawn"
    if state is None:
        return None
    if state in _BEGINS:
        return "in_force"
    if state in _STANDS:
        return None if instrument.binding else "in_force"
    if state in _ENDS:
        return "ended"
    return {
        "never_in_force": "never",
        "suspended": "suspended",
        "unknown": "unknown",
        "not_listed": "unknown",
    }.get(state)


_Warned = tuple[tuple[Note, ...], tuple[str, ...]]


def _warnings(
    instrument: Instrument,
    day: date,
    notice: StatusEvent | None,
    effect: date | None,
    suspended: StatusEvent | None,
    contested: StatusEvent | None,
    reserved: list[StatusEvent],
) -> _Warned:
    notes: list[Note] = []
    basis: list[str] = []
    if notice is not None:
        ref = instrument.ref(notice.basis)
        if suspended is not None:
            contested_code = "warn.suspended_contested" if suspended.basis is None else "warn.suspended"
            notes.append(Note(contested_code, (instrument.key, suspended.on.isoformat())))
            basis.append(ref)
        elif effect is None:
            notes.append(Note("warn.notice_undated", (instrument.key, notice.on.isoformat())))
            basis.append(ref)
        elif day < effect:
            notes.append(Note("warn.notice_pending", (instrument.key, effect.isoformat())))
            basis.append(ref)
    if contested is not None:
        notes.append(Note("warn.contested", (instrument.key, contested.note or contested.on.isoformat())))
        basis.append(instrument.ref(contested.basis))
    notes += [Note("warn.reserved", (instrument.key, e.by or "?", e.on.isoformat())) for e in reserved]
    return tuple(notes), tuple(dict.fromkeys(basis))


def _judge(
    instrument: Instrument, day: date, changes: list[tuple[date, int, str, str]], warned: _Warned
) -> State:
    key = instrument.key
    changes.sort(key=lambda change: (change[0], change[1]))
    past = [c for c in changes if c[0] <= day]
    coming = [c for c in changes if c[0] > day]
    draft = instrument.kind.endswith("_draft") or (
        instrument.in_force_stated and instrument.effective is None
    )
    near = min((abs((c[0] - day).days) for c in changes), default=FAR)
    if not past:
        return _before(instrument, day, coming, near, draft=draft, warned=warned)
    since, _, word, ref = past[-1]
    ends = next((c[0] for c in coming if c[2] in {"ended", "suspended", "never"}), None)
    if word == "in_force" and not (instrument.kind.endswith("_draft")):
        return State(
            in_force=True,
            word=word,
            ref=ref,
            note=Note("state.in_force", (key, since.isoformat())),
            warnings=warned[0],
            basis=warned[1],
            until=ends,
            distance=0,
        )
    code = {"ended": "state.ended", "never": "state.never", "suspended": "state.suspended"}.get(
        word, "state.unknown"
    )
    if instrument.kind.endswith("_draft"):
        word, code = "never", "state.never"
    return State(
        in_force=False,
        word=word,
        ref=ref if word == "ended" else ref if "/" in ref else key,
        note=Note(code, (key, since.isoformat())),
        ended_on=since if word == "ended" else None,
        distance=near,
    )


def _before(
    instrument: Instrument,
    day: date,
    coming: list[tuple[date, int, str, str]],
    near: int,
    *,
    draft: bool,
    warned: _Warned,
) -> State:
    key = instrument.key
    if draft:
        return State(
            in_force=False, word="never", ref=key, note=Note("state.never", (key, "")), distance=near
        )
    begins = next((c for c in coming if c[2] == "in_force"), None)
    if begins is not None:
        ref = begins[3]
        begin = instrument.article("IN_FORCE")
        if "/" not in ref and begin is not None:
            ref = instrument.ref(begin.art)
        return State(
            in_force=False,
            word="not_yet",
            ref=ref,
            note=Note("state.not_yet", (key, begins[0].isoformat())),
            distance=(begins[0] - day).days,
        )
    if not instrument.binding and instrument.effective is None:
        return State(
            in_force=True,
            word="in_force",
            ref=key,
            note=Note("state.undated", (key,)),
            warnings=warned[0],
            basis=warned[1],
            until=next((c[0] for c in coming if c[2] == "ended"), None),
        )
    return State(in_force=False, word="unknown", ref=key, note=Note("state.no_day", (key,)), distance=near)
