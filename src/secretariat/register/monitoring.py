"""What is overdue, lags or moves: pure rules over a commitment and the evidence for it.

The rules, as the boards state them:

1. Evidence counts on a day when it was true by then, known by then (not only announced), not taken back, and
   its statement is not `unverified`. It *moves* a commitment when it says done, late, partly or progress;
   `slipped` and `none` move nothing.
2. *Overdue*: the last day it was due has passed without evidence that counts and says done or late. What has
   no due date is legal and never overdue.
3. *Closed*: evidence that counts says done or late, and the commitment has no cadence. A cadence is never
   closed by one round.
4. *Lagging*: not closed, and more than 365 days (or the limit of its group) since the latest evidence that
   moved it, else since the promise.
5. A commitment counts once it was promised and known by then; one that is `unverified`, or that another one
   supersedes, is on no board.
6. A date that is a month or a year stands for its last day: nothing is called late before it surely is.

Every answer carries its sum (from, to, days, limit) and what it rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from secretariat.register.model import Row, View

LAG_DAYS = 365
MOVES = ("done", "late", "partly", "progress")
CLOSES = ("done", "late")
UNSURE = "unverified"


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """The arithmetic of a figure: `days` from `since` to `until`, and what is allowed."""

    since: date
    since_what: str
    """due, promised, or what the latest evidence says."""
    since_key: str
    """The statement that this day rests on."""
    until: date
    days: int
    limit: int = 0

    @property
    def over(self) -> int:
        """Days beyond what is allowed."""
        return self.days - self.limit

    @property
    def text(self) -> str:
        """The sum as a line of text."""
        allowed = f", {self.over} more than the {self.limit} allowed" if self.limit else ""
        return (
            f"{self.until} - {self.since} ({self.since_what}, {self.since_key}) = {self.days} days{allowed}"
        )


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence, and why it does not count, where it does not."""

    row: Row
    says: str
    on: date | None
    why_not: str = ""
    """Empty where it counts; else unverified, not-known, not-true or undated."""


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment whose day has passed."""

    row: Row
    sum: Sum
    marks: tuple[Mark, ...]


class Lagging(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment that nothing has moved for too long."""

    row: Row
    sum: Sum
    marks: tuple[Mark, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a commitment stands: its state, both figures where they apply, and all evidence."""

    state: str
    """not-known, not-promised, done, late, overdue, partly, moving or open."""
    overdue: Overdue | None
    lagging: Lagging | None
    marks: tuple[Mark, ...]
    closing: Row | None = None
    """The evidence that closed it."""


def marks_of(evidence: Iterable[Row], view: View) -> tuple[Mark, ...]:
    """Say of each piece of evidence whether it counts, by day."""
    found = [Mark(row=one, says=one.says or "", on=one.begun, why_not=why_not(one, view)) for one in evidence]
    return tuple(sorted(found, key=lambda one: (one.on or date.max, one.row.id)))


def why_not(row: Row, view: View) -> str:
    """Say why evidence does not count; empty where it does."""
    if row.status == UNSURE:
        return "unverified"
    if row.retracted:
        return "taken-back"
    if not row.known_in(view):
        return "not-known"
    if row.begun is None:
        return "undated"
    return "" if row.begun <= view.day else "not-true"


def stands(promise: Row, view: View) -> bool:
    """Whether a commitment was promised and known by then, and is sure enough to be on a board."""
    return (
        promise.status != UNSURE
        and not promise.retracted
        and promise.known_in(view)
        and promise.begun is not None
        and promise.begun <= view.day
    )


def overdue(promise: Row, evidence: Iterable[Row], view: View) -> Overdue | None:
    """Say whether its day has passed (rule 2), with the sum; None when not."""
    if not stands(promise, view) or promise.due_last is None or promise.due_last >= view.day:
        return None
    marks = marks_of(evidence, view)
    if _closing(marks) is not None:
        return None
    days = (view.day - promise.due_last).days
    due = Sum(since=promise.due_last, since_what="due", since_key=promise.key, until=view.day, days=days)
    return Overdue(row=promise, sum=due, marks=marks)


def lagging(promise: Row, evidence: Iterable[Row], view: View, limit: int = LAG_DAYS) -> Lagging | None:
    """Say whether nothing has moved it for more than `limit` days (rule 4), with the sum; None when not."""
    if not stands(promise, view) or promise.begun is None:
        return None
    marks = marks_of(evidence, view)
    if promise.cadence is None and _closing(marks) is not None:
        return None
    since, what, key = promise.begun, "promised", promise.key
    for one in marks:
        if one.says in MOVES and not one.why_not and one.on is not None and one.on >= since:
            since, what, key = one.on, one.says, one.row.key
    days = (view.day - since).days
    if days <= limit:
        return None
    lag = Sum(since=since, since_what=what, since_key=key, until=view.day, days=days, limit=limit)
    return Lagging(row=promise, sum=lag, marks=marks)


def standing(promise: Row, evidence: Iterable[Row], view: View, limit: int = LAG_DAYS) -> Standing:
    """Say where a commitment stands."""
    rows = list(evidence)
    marks = marks_of(rows, view)
    late, slow = overdue(promise, rows, view), lagging(promise, rows, view, limit)
    closing = _closing(marks)
    saying = {one.says for one in marks if not one.why_not}
    if not promise.known_in(view):
        state = "not-known"
    elif promise.begun is None or promise.begun > view.day:
        state = "not-promised"
    elif closing is not None and promise.cadence is None:
        state = closing.says
    elif late is not None:
        state = "overdue"
    elif saying & {"done", "late", "progress"}:
        state = "moving"
    elif "partly" in saying:
        state = "partly"
    else:
        state = "open"
    row = None if closing is None else closing.row
    return Standing(state=state, overdue=late, lagging=slow, marks=marks, closing=row)


def limit_of(promise: Row, limits: Mapping[str, int], default: int = LAG_DAYS) -> int:
    """Give the days allowed to a commitment: the least of its groups', else the default.

    A group is named by itself (`ASEAN`) or by its parties (`CN,JP,KR`: exactly these).
    """
    own = frozenset(promise.parties)
    found = [
        days for name, days in limits.items() if name in promise.orgs or frozenset(name.split(",")) == own
    ]
    return min(found, default=default)


def _closing(marks: Iterable[Mark]) -> Mark | None:
    return next((one for one in marks if one.says in CLOSES and not one.why_not), None)
