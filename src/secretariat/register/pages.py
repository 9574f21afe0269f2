"""The Register for people: the time line, lists of one noun, and search.

Other nouns have modules of their own (statement_pages.py, source_pages.py, view_pages.py).

Every page answers the question of the as-of bar; the same functions answer the commands.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath
from markupsafe import Markup, escape

from secretariat.base.clock import now
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.register import (
    boards,
    diff_pages,
    downloads,
    edit_pages,
    public_pages,
    questions,
    saved_views,
    source_pages,
    statement_pages,
    view_pages,
)
from secretariat.register.beside import also_column, beside
from secretariat.register.edit_pages import who
from secretariat.register.model import KINDS, Row, View
from secretariat.register.screens import WORDS_MAX, chosen_parties, line_of, markings_of, sections, view_of
from secretariat.register.times import parse
from secretariat.register.wording import KIND_WORDS, STATUS_WORDS, word_of
from secretariat.web import charts, words
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 100

AROUND = 70
"""Letters shown before and after a hit."""
NOUN_OF = {"timeline": "", "meetings": "meeting", "commitments": "commitment", "projects": "project"}
"""The form that a list offers; empty: the choice of all."""

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
            also_column(),
        ),
        [line_of(one, view) for one in rows],
    )


def _day(text: str, where: str) -> date | None:
    return parse(text, where=where).first if text.strip() else None


def _chosen(screen: Screen) -> dict[str, str]:
    words = screen.query.get("q", "").strip()
    if len(words) > WORDS_MAX:
        raise InputError(f"a search has at most {WORDS_MAX} letters", where="q")
    kind, status = screen.query.get("kind", ""), screen.query.get("status", "")
    return {
        "words": words,
        "kind": kind if kind in KINDS else "",
        "status": status if status in STATUS_WORDS else "",
        "first": screen.query.get("first", "")[:32],
        "last": screen.query.get("last", "")[:32],
        "party": ",".join(chosen_parties(screen.query)),
        "org": screen.query.get("org", "").strip()[:WORDS_MAX],
        "series": screen.query.get("series", "").strip()[:WORDS_MAX],
    }


def _offset(screen: Screen) -> int:
    text = screen.query.get("page", "1")
    return (max(1, int(text)) - 1) * PAGE if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _list(
    screen: Screen, section: str, heading: str, kinds: Sequence[str], *, choose_kind: bool
) -> Response[Any]:
    view, chosen, offset = view_of(screen), _chosen(screen), _offset(screen)
    if chosen["org"]:
        view = msgspec.structs.replace(view, parties=(*view.parties, chosen["org"]))
    wanted = [chosen["kind"]] if choose_kind and chosen["kind"] else list(kinds)
    download = screen.query.get("download", "")
    with screen.transaction() as tx:
        found = questions.timeline(
            tx,
            view,
            kinds=wanted,
            first=_day(chosen["first"], "first"),
            last=_day(chosen["last"], "last"),
            words=chosen["words"],
            series=[chosen["series"]] if chosen["series"] else [],
            status=[chosen["status"]] if chosen["status"] else [],
            newest=screen.query.get("order") != "oldest",
            limit=downloads.MOST if download else PAGE + 1,
            offset=0 if download else offset,
        )
        rows = [row for row, _state in (found if download else found[:PAGE])]
        if download == "statements.stix.json":
            return downloads.file(screen, section, "stix.json", downloads.bundle(tx, rows, view), rows)
        if download == "statements.ics":
            words.set_language(screen.language)
            return downloads.file(screen, section, "ics", downloads.ics(screen, rows, view, tx), rows)
        views = saved_views.of(tx, who(screen)) if choose_kind else []
        also = boards.also(tx, rows, view)
    table = _table("statements", rows, view)
    for line, row in zip(table.rows, rows, strict=True):
        line.update(beside(row, also))
        line["marked"], line["snippet"] = found_in(row, chosen["words"])
    return screen.answer(
        "register/list.html",
        [table],
        markings=markings_of([*rows, *(one for others in also.values() for one in others)]),
        section=section,
        sections=sections(),
        heading=heading,
        picture=_picture(rows, view) if len(rows) > 1 and not download else None,
        chosen=chosen,
        kinds=[(one, word_of(KIND_WORDS, one)) for one in kinds] if choose_kind else [],
        statuses=[(one, word_of(STATUS_WORDS, one)) for one in STATUS_WORDS],
        number=offset // PAGE + 1,
        more=len(found) > PAGE,
        filtered=any(chosen.values()),
        views=views,
        noun=NOUN_OF.get(section),
    )


def found_in(row: Row, words_: str) -> tuple[Markup, Markup]:
    """Give title and, where the hit is not in it, a piece of the text around it, with the hits marked."""
    if not words_.strip():
        return escape(row.title), Markup("")
    wanted = sorted({one for one in words_.split() if one}, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(one) for one in wanted), re.IGNORECASE)
    if pattern.search(row.title):
        return _marked(row.title, pattern), Markup("")
    texts = [row.body.get("summary"), row.body.get("text"), row.body.get("place"), row.series, row.aim]
    texts += [cite.get("quote") for cite in row.cites]
    for text in texts:
        hit = pattern.search(text or "")
        if text and hit is not None:
            start, end = max(0, hit.start() - AROUND), hit.end() + AROUND
            piece = ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
            return escape(row.title), _marked(piece, pattern)
    return escape(row.title), Markup("")


def _marked(text: str, pattern: re.Pattern[str]) -> Markup:
    pieces, at = [], 0
    for hit in pattern.finditer(text):
        pieces += [escape(text[at : hit.start()]), Markup("<mark>{}</mark>").format(hit.group())]
        at = hit.end()
    return Markup("").join([*pieces, escape(text[at:])])


@act("/register/views", Permission.READ_REGISTER)
def save_view(request: Request[Any, Any, Any]) -> Response[Any]:
    """Save the filters and times of the time line under a name."""
    screen, form = screen_of(request), Form(request)
    with screen.transaction() as tx:
        query = saved_views.save(tx, who(screen), form.text("name"), form.text("query"), now=now())
    return see(f"/register?{query}")


@act("/register/views/{number:int}/forget", Permission.READ_REGISTER)
def forget_view(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Forget one of one's own views."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        saved_views.forget(tx, who(screen), number)
    return see("/register")


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
    save_view,
    forget_view,
    *(_noun(section) for section in LISTS),
    *statement_pages.routes,
    *source_pages.routes,
    *edit_pages.routes,
    *view_pages.routes,
    *diff_pages.routes,
    *public_pages.routes,
]
