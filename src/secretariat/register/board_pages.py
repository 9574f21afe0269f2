"""The boards: what is overdue, lags, is silent, overlaps or is contested; each row gives its own sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response

from secretariat.base.clock import now
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.register import boards, store
from secretariat.register.beside import also_column, also_of, beside
from secretariat.register.monitoring import LAG_DAYS, Mark, Sum
from secretariat.register.overlap import service as overlap
from secretariat.register.overlap.model import VERDICTS
from secretariat.register.overlap.wording import because
from secretariat.register.screens import address_of, chosen_parties, line_of, markings_of, sections, view_of
from secretariat.register.wording import (
    CADENCE_WORDS,
    FEATURE_WORDS,
    POSITION_WORDS,
    SAYS_WORDS,
    VERDICT_WORDS,
    WHY_NOT_WORDS,
    word_of,
)
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from secretariat.register.model import Row, View

BOARDS = (
    ("overdue", mark("Overdue"), "/register/boards"),
    ("lagging", mark("Lagging"), "/register/boards/lagging"),
    ("silent", mark("Silent"), "/register/boards/silent"),
    ("overlapping", mark("Overlapping"), "/register/boards/overlapping"),
    ("contested", mark("Contested"), "/register/boards/contested"),
)
TEMPLATES = {
    "overdue": "register/board_overdue.html",
    "lagging": "register/board_lagging.html",
    "silent": "register/board_silent.html",
    "overlapping": "register/board_overlapping.html",
    "contested": "register/board_contested.html",
}
TURNED = "turned:"
CHOICES = (
    ("same", mark("same aim")),
    ("part-of", mark("the first is part of the second")),
    ("turned:part-of", mark("the second is part of the first")),
    ("follows", mark("the first follows the second")),
    ("turned:follows", mark("the second follows the first")),
    ("different", mark("different aims")),
)
PAGE = 100
DAYS_MAX = 36_500


def _tabs() -> list[tuple[str, str, str]]:
    return [(key, _(word), address) for key, word, address in BOARDS]


def _page_number(screen: Screen) -> int:
    text = screen.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _answer(
    screen: Screen,
    board: str,
    tables: Sequence[Table],
    rows: Iterable[Row],
    *,
    total: int | None = None,
    **context: Any,
) -> Response[Any]:
    number = _page_number(screen)
    return screen.answer(
        TEMPLATES[board],
        tables,
        markings=markings_of(rows),
        section="boards",
        sections=sections(),
        boards=_tabs(),
        board=board,
        party=",".join(chosen_parties(screen.query)),
        number=number,
        total=total,
        more=total is not None and total > number * PAGE,
        **context,
    )


def sum_words(one: Sum) -> str:
    """Write the arithmetic of a figure in the page's language."""
    whats = {"due": _("due"), "promised": _("promised")}
    what = whats.get(one.since_what) or word_of(SAYS_WORDS, one.since_what)
    values = {"until": one.until, "since": one.since, "what": what, "days": one.days}
    if one.limit:
        return _(
            "%(until)s − %(since)s (%(what)s) = %(days)s days; allowed are %(limit)s, so %(over)s too many"
        ) % {**values, "limit": one.limit, "over": one.over}
    return _("%(until)s − %(since)s (%(what)s) = %(days)s days") % values


def marks_words(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Give the evidence of a sum as rows: when, what it says, and why it does not count."""
    return [
        {
            "on": one.row.true_from or "",
            "says": word_of(SAYS_WORDS, one.says),
            "title": one.row.title,
            "lang": one.row.body.get("lang") or "en",
            "key": one.row.key,
            "why_not": word_of(WHY_NOT_WORDS, one.why_not) if one.why_not else "",
        }
        for one in marks
    ]


def _owed(line: Any, view: View, also: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Give the row of a board of commitments."""
    return {
        **line_of(line.row, view),
        **beside(line.row, also),
        "by": list(line.row.by) or list(line.row.parties),
        "due": line.row.body.get("due") or "",
        "cadence": line.row.cadence or "",
        "rhythm": word_of(CADENCE_WORDS, line.row.cadence),
        "days": line.sum.days,
        "over": line.sum.over,
        "since": str(line.sum.since),
        "since_key": line.sum.since_key,
        "sum": sum_words(line.sum),
        "marks": marks_words(line.marks),
    }


def _sources(found: Sequence[Row], tx: Connection, view: View) -> dict[str, list[dict[str, Any]]]:
    """Give for each statement the sources that it cites, with the words quoted."""
    held = boards.sources_of(tx, found, view)
    return {
        row.key: [
            {
                "title": held[cite["source_ref"]].title,
                "lang": held[cite["source_ref"]].body.get("lang") or "en",
                "key": held[cite["source_ref"]].key,
                "quote": cite.get("quote") or "",
            }
            for cite in row.cites
            if cite["source_ref"] in held
        ]
        for row in found
    }


def _others(also: Mapping[str, Sequence[Row]]) -> list[Row]:
    return [row for rows in also.values() for row in rows]


_COLUMNS = (
    ("title", mark("Statement"), False),
    ("by", mark("Owed by"), False),
    ("due", mark("Due"), False),
    ("cadence", mark("Rhythm"), False),
    ("days", mark("Days"), True),
)


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    return Table(
        name, (*(Column(key, _(word), number) for key, word, number in _COLUMNS), also_column()), rows
    )


@page("/register/boards", Permission.READ_REGISTER)
def overdue_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the commitments whose day has passed without word that they were kept."""
    screen = screen_of(request)
    view, number = view_of(screen), _page_number(screen)
    with screen.transaction() as tx:
        found = boards.overdue(tx, view, limit=PAGE, offset=(number - 1) * PAGE)
        cited = _sources([one.row for one in found.lines], tx, view)
        also = boards.also(tx, [one.row for one in found.lines], view)
    rows = [_owed(one, view, also) for one in found.lines]
    return _answer(
        screen,
        "overdue",
        [_table("overdue", rows)],
        [*(one.row for one in found.lines), *_others(also)],
        total=found.total,
        cited=cited,
    )


@page("/register/boards/lagging", Permission.READ_REGISTER)
def lagging_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the commitments that nothing moved for longer than is allowed."""
    screen = screen_of(request)
    view, number = view_of(screen), _page_number(screen)
    text = screen.query.get("days", str(LAG_DAYS)).strip() or str(LAG_DAYS)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= DAYS_MAX):
        raise InputError(f"no such number of days: {text[:20]!r}", where="days", advice="e.g. 365")
    with screen.transaction() as tx:
        found = boards.lagging(tx, view, days=int(text), limit=PAGE, offset=(number - 1) * PAGE)
        cited = _sources([one.row for one in found.lines], tx, view)
        also = boards.also(tx, [one.row for one in found.lines], view)
    rows = [_owed(one, view, also) for one in found.lines]
    return _answer(
        screen,
        "lagging",
        [_table("lagging", rows)],
        [*(one.row for one in found.lines), *_others(also)],
        total=found.total,
        cited=cited,
        days=int(text),
    )


@page("/register/boards/silent", Permission.READ_REGISTER)
def silent_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the series that have not met for longest, and what somebody looked for and did not find."""
    screen = screen_of(request)
    view, number = view_of(screen), _page_number(screen)
    with screen.transaction() as tx:
        found = boards.silence(tx, view, limit=PAGE, offset=(number - 1) * PAGE)
        also = boards.also(tx, [one.row for one in found.absences.lines], view)
    series = Table(
        "series",
        (
            Column("series", _("Series")),
            Column("parties", _("Parties")),
            Column("held", _("Times held"), number=True),
            Column("last", _("Last held")),
            Column("since", _("Days since"), number=True),
            Column("longest", _("Longest gap, days"), number=True),
        ),
        [
            {
                "series": one.series,
                "parties": list(one.parties),
                "held": one.held,
                "highest": one.highest,
                "last": str(one.last),
                "last_key": one.last_key,
                "last_title": one.last_title,
                "since": one.since,
                "longest": one.longest,
                "longest_from": one.longest_from,
                "longest_to": one.longest_to,
            }
            for one in found.series.lines
        ],
    ).sorted_by(screen.query)
    absences = Table(
        "absences",
        (
            Column("title", _("Looked for, and not found")),
            Column("parties", _("Parties")),
            Column("as_of", _("As of")),
            Column("days", _("Days since"), number=True),
            Column("looked_by", _("Who looked")),
            Column("looked_in", _("Where")),
            also_column(),
        ),
        [
            {
                **line_of(one.row, view),
                **beside(one.row, also),
                "as_of": str(one.as_of),
                "days": one.days,
                "looked_by": list(one.looked_by),
                "looked_in": one.looked_in or "",
            }
            for one in found.absences.lines
        ],
    )
    return _answer(
        screen,
        "silent",
        [series, absences],
        [*(one.row for one in found.absences.lines), *_others(also)],
        total=max(found.series.total, found.absences.total),
    )


@page("/register/boards/contested", Permission.READ_REGISTER)
def contested_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the statements of which accounts differ, side by side."""
    screen = screen_of(request)
    view, number = view_of(screen), _page_number(screen)
    with screen.transaction() as tx:
        found = boards.contested(tx, view, limit=PAGE, offset=(number - 1) * PAGE)
        also = boards.also(tx, [one.row for one in found.lines], view)
        ends = {ref for one in found.lines for row in one.conflicts for ref in (row.about, row.other) if ref}
        bare = view_of(screen, parties=())
        known = {one.stix_id: one for one in store.statements(tx, bare, ids=sorted(ends))} if ends else {}
    table = Table(
        "contested",
        (
            Column("title", _("Statement")),
            Column("when", _("True on")),
            Column("parties", _("Parties")),
            Column("accounts", _("Accounts"), number=True),
            also_column(),
        ),
        [
            {
                **line_of(one.row, view),
                **beside(one.row, also),
                "otherwise": also_of(one.row, one.otherwise),
                "conflicts": _conflicts(one, known),
                "accounts": len(one.accounts),
                "said": [
                    {
                        "by": row.body.get("said_by") or row.originator,
                        "position": word_of(POSITION_WORDS, row.says),
                        "text": row.body.get("text") or "",
                        "lang": row.body.get("lang") or "en",
                        "originator": row.originator,
                    }
                    for row in one.accounts
                ],
            }
            for one in found.lines
        ],
    )
    shown = [row for one in found.lines for row in (one.row, *one.accounts, *one.conflicts)]
    return _answer(screen, "contested", [table], [*shown, *_others(also), *known.values()], total=found.total)


def _conflicts(line: boards.Contested, known: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Give what a statement is said to conflict with, and why."""
    found = []
    for one in line.conflicts:
        other = known.get((one.other if one.about == line.row.stix_id else one.about) or "")
        found.append(
            {
                "title": "" if other is None else other.title,
                "lang": "en" if other is None else other.body.get("lang") or "en",
                "address": "" if other is None else address_of(other),
                "because": one.body.get("description") or "",
                "party": one.originator,
            }
        )
    return found


@page("/register/boards/overlapping", Permission.READ_REGISTER)
def overlapping_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List pairs that may be one work done twice, with why; and what was said of pairs."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        found = overlap.board(tx, view, party=screen.node.party, limit=PAGE)
        sides = [row for one in (*found.pairs, *found.judged) for row in (one.one, one.other)]
        also = boards.also(tx, sides, view)
    rows = [_pair(one, view, also) for one in found.pairs]
    table = Table(
        "overlapping",
        (
            Column("score", _("Nearness"), number=True),
            Column("one", _("Statement")),
            Column("other", _("and")),
            Column("why", _("Why")),
        ),
        rows,
    )
    return _answer(
        screen,
        "overlapping",
        [table],
        [*sides, *_others(also)],
        judged=[_pair(one, view, also) for one in found.judged],
        method=found.method,
        waiting=found.waiting,
        indexed=found.indexed,
        choices=[(one, _(word)) for one, word in CHOICES],
    )


def _pair(pair: Any, view: View, also: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    reasons = [one for one in pair.comparison.reasons if one.gives > 0]
    return {
        "score": round(pair.comparison.score * 100),
        "one": pair.one.title,
        "other": pair.other.title,
        "left": {**line_of(pair.one, view), **beside(pair.one, also)},
        "right": {**line_of(pair.other, view), **beside(pair.other, also)},
        "why": [
            {
                "word": word_of(FEATURE_WORDS, one.feature),
                "gives": round(one.gives * 100),
                "because": because(one),
            }
            for one in sorted(reasons, key=lambda one: -one.gives)
        ],
        "verdict": word_of(VERDICT_WORDS, _said(pair)) if pair.verdict is not None else "",
        "reason": (pair.verdict.body.get("description") or "") if pair.verdict is not None else "",
        "by": pair.verdict.originator if pair.verdict is not None else "",
    }


def _said(pair: Any) -> str:
    return next((one for one, relation in VERDICTS.items() if relation == pair.verdict.says), "")


@act("/register/boards/overlapping", Permission.EDIT_REGISTER)
def judge(request: Request[Any, Any, Any]) -> Response[None]:
    """Record what the officer says of a pair, with the reason; nothing is merged."""
    screen, form = screen_of(request), Form(request)
    one, other, verdict = form.text("one"), form.text("other"), form.text("verdict")
    if verdict.startswith(TURNED):  # said of the second: it is part of the first, it follows the first
        one, other, verdict = other, one, verdict.removeprefix(TURNED)
    overlap.judge(
        screen.node,
        screen.realm,
        one,
        other,
        verdict=verdict,
        reason=form.text("reason").strip(),
        by=screen.visitor.login if screen.visitor is not None else "",
        now=now(),
    )
    return see("/register/boards/overlapping")


routes = [overdue_page, lagging_page, silent_page, contested_page, overlapping_page, judge]
