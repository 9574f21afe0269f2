"""How a request stands: pure rules over the request, the answers to it, and what was looked for in vain.

1. A request counts when the party that signed it is the one that asks (`asked_by`) and its number bears that
   party's code; an answer, when who signed it is the one that was asked, or the one it was passed on to.
   Everything else is shown as what it is, a word of another, and changes nothing.
2. Per party its newest answer counts (by its own clock, which is then the only one asked). `received` says
   that it arrived and answers nothing. Between parties the one that arrived here last counts.
3. Nobody's clock decides about silence but this node's: an answer counts from the day on which it could be
   known here. The day by which an answer was asked ends in the zone that the request names, else the node's.
4. When that day has passed without an answer: *silent* where somebody looked and recorded the absence,
   *overdue* until then. A day that is a month or a year is its last day. No day is never overdue.
5. An answer that comes later is *answered*, late; the absence stays in the record, as of its day.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, get_args

import msgspec

from secretariat.records.register_shapes import Wants
from secretariat.register.model import Row, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WANTS: tuple[str, ...] = get_args(Wants)
FINAL = ("answered", "declined", "passed-on")
STATES = ("draft", "asked", "received", "answered", "declined", "passed-on", "overdue", "silent", "withdrawn")
OPEN = ("asked", "received", "overdue", "silent")
"""States in which somebody still waits."""


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """One request with everything that was said to it, as of a question."""

    request: Row
    state: str
    due: date | None
    late: int = 0
    """Days by which the answer came, or is, late."""
    answers: tuple[Row, ...] = ()
    """Those that count, newest first."""
    strangers: tuple[Row, ...] = ()
    """Words of others to it."""
    absences: tuple[Row, ...] = ()
    evidence: tuple[Row, ...] = ()
    drafts: tuple[Row, ...] = ()
    """Answers of our own that nobody released: they count for nobody."""
    sent: bool = True
    their_number: str | None = None

    @property
    def asked_by(self) -> str:
        """Who asks."""
        return str(self.request.body["asked_by"])

    @property
    def asked_of(self) -> str:
        """Who is asked."""
        return str(self.request.body["asked_of"])

    @property
    def number(self) -> str:
        """The asker's number."""
        return str(self.request.body.get("number") or self.request.key)

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits."""
        return self.state in OPEN


def is_request(row: Row) -> bool:
    """Whether it asks, not answers."""
    return row.type == "sct-request" and "answers_ref" not in row.body


def genuine(row: Row) -> bool:
    """Whether a request is signed by the party that it says asks, under a number of that party (rule 1)."""
    asker = row.body.get("asked_by")
    number = row.body.get("number") or ""
    return is_request(row) and asker == row.originator and number.startswith(f"{asker}-")


def answers_of(request: Row, said: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Tell the answers that count, newest first, from the words of others (rules 1 and 2)."""
    every = [one for one in said if one.body.get("answers_ref") == request.stix_id]
    allowed = {str(request.body["asked_of"])}
    for _ in every:  # passed on and passed on again
        allowed |= {
            str(one.body["passed_to"])
            for one in every
            if one.originator in allowed and one.says == "passed-on" and "passed_to" in one.body
        }
    newest: dict[str, Row] = {}
    for one in sorted(every, key=lambda one: str(one.body.get("modified", ""))):
        if one.originator in allowed:
            newest[one.originator] = one
    counted = sorted(newest.values(), key=lambda one: (one.recorded_at, one.id), reverse=True)
    return counted, [one for one in every if one.originator not in allowed]


def thread_of(
    request: Row,
    said: Sequence[Row],
    view: View,
    *,
    absences: Sequence[Row] = (),
    evidence: Sequence[Row] = (),
    drafts: Sequence[Row] = (),
    sent: bool = True,
    their_number: str | None = None,
) -> Thread:
    """Say how a request stands on the day asked about, by what was known and recorded by then."""
    counted, strangers = answers_of(request, said)
    looked = [one for one in absences if one.about == request.stix_id and one.known_in(view)]
    final = next((one for one in counted if one.says in FINAL and one.known_in(view)), None)
    due, late, state = request.due_last, 0, "asked"
    if request.retracted:
        state = "withdrawn"
    elif not sent:
        state = "draft"
    elif final is not None:
        state = str(final.says)
        late = 0 if due is None else max(0, (final.known.date() - due).days)
    elif due is not None and due < view.day:
        state, late = ("silent" if looked else "overdue"), (view.day - due).days
    elif counted:
        state = "received"
    numbers = [str(one.body["their_number"]) for one in counted if "their_number" in one.body]
    return Thread(
        request=request,
        state=state,
        due=due,
        late=late,
        answers=tuple(counted),
        strangers=tuple(strangers),
        absences=tuple(looked),
        evidence=tuple(evidence),
        drafts=tuple(drafts),
        sent=sent,
        their_number=numbers[0] if numbers else their_number,
    )
