"""What changed between two days, and what was learned: the answers of two questions beside each other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response

from secretariat.base.clock import end_of_day, now
from secretariat.people.model import Permission
from secretariat.register import questions
from secretariat.register.model import View
from secretariat.register.screens import chosen_parties, line_of, markings_of, sections
from secretariat.register.times import day_of, parse
from secretariat.register.wording import state_word
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from datetime import date

USUAL = timedelta(days=30)
"""How far back the earlier day lies when none is named."""
CHANGES = (
    ("learned", mark("learned: not known before")),
    ("held", mark("held: only announced before")),
    ("happened", mark("happened: known before, not yet true then")),
    ("corrected", mark("corrected")),
    ("taken-back", mark("taken back")),
    ("no-longer-seen", mark("no longer seen by this question")),
)
"""What a change is, in the order in which the page lists them."""


@page("/register/diff", Permission.READ_REGISTER)
def diff_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Say what the answer of one day says otherwise than that of another, each by what was known then."""
    screen = screen_of(request)
    after, before = _days(screen)
    parties = chosen_parties(screen.query)
    earlier, later = _view(screen, before, "before", parties), _view(screen, after, "after", parties)
    with screen.transaction() as tx:
        found = questions.diff(tx, earlier, later)
    words = {key: _(word) for key, word in CHANGES}
    rows = [
        {**line_of(one.row, later), "what": one.what, "what_word": words[one.what], "moved": one.moved}
        for one in found.changes
    ]
    table = Table(
        "changes",
        (
            Column("what_word", _("What changed")),
            Column("when", _("True on")),
            Column("title", _("Statement")),
            Column("kind", _("Kind")),
            Column("parties", _("Parties")),
            Column("known", _("Known")),
        ),
        rows,
    )
    states = [
        {
            **line_of(row, later),
            "was": state_word(row.kind, was),
            "is": state_word(row.kind, stands),
            "loud": stands == "overdue",
        }
        for row, was, stands in found.states
    ]
    promises = Table(
        "promises",
        (
            Column("title", _("Promise")),
            Column("parties", _("Parties")),
            Column("was", _("Before")),
            Column("is", _("After")),
        ),
        states,
    )
    return screen.answer(
        "register/diff.html",
        [table, promises],
        markings=markings_of([*(one.row for one in found.changes), *(row for row, _w, _i in found.states)]),
        section="timeline",
        sections=sections(),
        before=before.isoformat(),
        after=after.isoformat(),
        party=",".join(parties),
        recorded={name: screen.query.get(name, "")[:32] for name in ("recorded_before", "recorded_after")},
        groups=[
            (key, word, [row for row in rows if row["what"] == key])
            for key, word in words.items()
            if any(row["what"] == key for row in rows)
        ],
        rest=found.total - len(rows),
    )


def _days(screen: Screen) -> tuple[date, date]:
    """Read the two days: the later is today, the earlier 30 days before it, where none is named."""
    to, since = screen.query.get("to", "").strip(), screen.query.get("from", "").strip()
    after = parse(to, where="to").last if to else day_of(now(), screen.zone)
    return after, parse(since, where="from").last if since else after - USUAL


def _view(screen: Screen, day: date, name: str, parties: tuple[str, ...]) -> View:
    view = View.on(day.isoformat(), day.isoformat(), zone=screen.zone, parties=parties)
    typed = screen.query.get(f"recorded_{name}", "").strip()
    if not typed:
        return view
    moment = parse(typed, where=f"recorded_{name}")
    recorded = moment.at or end_of_day(moment.last, screen.zone)
    return msgspec.structs.replace(view, recorded_by=recorded)


routes = [diff_page]
