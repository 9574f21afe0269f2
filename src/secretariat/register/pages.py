"""The Register for people: the time line, lists of one noun, and search.

Other nouns have modules of their own (statement_pages.py, source_pages.py, view_pages.py).

Every page answers the question of the as-of bar; the same functions answer the commands.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from litestar import Request, Response

from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.register import edit_pages, questions, source_pages, statement_pages, view_pages
from secretariat.register.model import KINDS, Row, View
from secretariat.register.screens import WORDS_MAX, chosen_parties, line_of, markings_of, sections, view_of
from secretariat.register.times import parse
from secretariat.register.wording import (
    KIND_WORDS,
    word_of,
)
from secretariat.web import charts
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 100

LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "meetings": (mark("Meetings"), ("meeting", "exercise")),
    "commitments": (mark("Commitments"), ("commitment",)),
    "projects": (mark("Projects"), ("project",)),
}
"""Sections that list one noun: heading and kinds."""


def _table(name: str, rows: Sequence[Row], view: View) -> Table:
    return Table(
        name,
        (
            Column("when", _("True on")),
            Column("title", _("Statement")),
            Column("kind", _("Kind")),
            Column("parties", _("Parties")),
            Column("state_word", _("State")),
            Column("status_word", _("Standing")),
            Column("sources", _("Sources"), number=True),
            Column("known", _("Known")),
        ),
        [line_of(one, view) for one in rows],
    )


def _day(text: str, where: str) -> date | None:
    return parse(text, where=where).first if text.strip() else None


def _chosen(screen: Screen) -> dict[str, str]:
    words = screen.query.get("q", "").strip()
    if len(words) > WORDS_MAX:
        raise InputError(f"a search has at most {WORDS_MAX} letters", where="q")
    kind = screen.query.get("kind", "")
    return {
        "words": words,
        "kind": kind if kind in KINDS else "",
        "first": screen.query.get("first", "")[:32],
        "last": screen.query.get("last", "")[:32],
        "party": ",".join(chosen_parties(screen.query)),
    }


def _offset(screen: Screen) -> int:
    text = screen.query.get("page", "1")
    return (max(1, int(text)) - 1) * PAGE if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _list(
    screen: Screen, section: str, heading: str, kinds: Sequence[str], *, choose_kind: bool
) -> Response[Any]:
    view, chosen, offset = view_of(screen), _chosen(screen), _offset(screen)
    wanted = [chosen["kind"]] if choose_kind and chosen["kind"] else list(kinds)
    with screen.transaction() as tx:
        found = questions.timeline(
            tx,
            view,
            kinds=wanted,
            first=_day(chosen["first"], "first"),
            last=_day(chosen["last"], "last"),
            words=chosen["words"],
            newest=screen.query.get("order") != "oldest",
            limit=PAGE + 1,
            offset=offset,
        )
    rows = [row for row, _state in found[:PAGE]]
    return screen.answer(
        "register/list.html",
        [_table("statements", rows, view)],
        markings=markings_of(rows),
        section=section,
        sections=sections(),
        heading=heading,
        picture=_picture(rows, view) if len(rows) > 1 else None,
        chosen=chosen,
        kinds=[(one, word_of(KIND_WORDS, one)) for one in kinds] if choose_kind else [],
        number=offset // PAGE + 1,
        more=len(found) > PAGE,
        filtered=any(chosen.values()),
    )


def _picture(rows: Sequence[Row], view: View) -> Any:
    """Draw the statements of the page in a lane per kind."""
    dated = [one for one in rows if one.true_first is not None and one.true_last is not None]
    if len(dated) < 2:
        return None
    lanes = []
    for kind in KINDS:
        of_kind = [one for one in dated if one.kind == kind]
        if not of_kind:
            continue
        spans = [
            charts.Span(one.true_first, one.true_last, one.title, "soft")
            for one in of_kind
            if one.true_first and one.true_last and (one.true_last - one.true_first).days > 1
        ]
        dots = [
            charts.Dot(one.true_first, one.title, hollow=one.state(view) != "true")
            for one in of_kind
            if one.true_first
        ]
        lanes.append(charts.Lane(word_of(KIND_WORDS, kind), spans, dots))
    days = [one.true_first for one in dated if one.true_first] + [
        one.true_last for one in dated if one.true_last
    ]
    start, end = min(days), max([*days, *([] if view.is_now else [view.day])])
    if start == end:
        return None
    return charts.timeline(
        lanes, start=start, end=end, marked=None if view.is_now else view.day, title=_("Time line")
    )


@page("/register", Permission.READ_REGISTER)
def timeline_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what happened between parties, in order, as of the bar; the search looks here too."""
    return _list(screen_of(request), "timeline", _("Time line"), KINDS, choose_kind=True)


def _noun(section: str) -> Any:
    heading, kinds = LISTS[section]

    def show(request: Request[Any, Any, Any]) -> Response[Any]:
        return _list(screen_of(request), section, _(heading), kinds, choose_kind=False)

    show.__name__ = f"{section}_page"
    show.__doc__ = f"List the {section} as of the bar."
    return page(f"/register/{section}", Permission.READ_REGISTER)(show)


routes = [
    timeline_page,
    *(_noun(section) for section in LISTS),
    *statement_pages.routes,
    *source_pages.routes,
    *edit_pages.routes,
    *view_pages.routes,
]
