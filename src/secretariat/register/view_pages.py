"""Instruments by parties, who met whom, the dialogue of a pair or group, and one party: each as of the bar.

Parties stand in ISO order with the node's own first; names that parties dispute stand in every form.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from babel import Locale
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import facts, grants
from secretariat.agreements.audience import read_by
from secretariat.agreements.status import known_by
from secretariat.agreements.titles import title_of
from secretariat.base.clock import now
from secretariat.base.errors import InputError
from secretariat.base.marking import Marking
from secretariat.people.model import Permission
from secretariat.register import belonging, boards, monitoring, questions, service, store
from secretariat.register.beside import beside
from secretariat.register.board_pages import sum_words
from secretariat.register.edit_pages import who
from secretariat.register.intake.gazetteer import gazetteer
from secretariat.register.model import Relation
from secretariat.register.parties import known as known_parties
from secretariat.register.screens import address_of, line_of, markings_of, sections, view_of
from secretariat.register.wording import KIND_WORDS, POSITION_WORDS, act_word, state_word, word_of
from secretariat.storage.engine import raw
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import LANGUAGES
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from secretariat.agreements.model import Instrument
    from secretariat.register.model import Row, View

COLUMNS_MAX = 8
"""Parties side by side; the rest is reached by choosing parties."""
GROUP_MAX = 8
AFTER_DAYS = 3
"""A promise of a round is recorded on its days or within this many after it."""
SHOWN = 200
_ISO = {"UK": "GB"}
"""Codes of the agreements' book that ISO 3166-1 writes otherwise."""
_OPEN = frozenset({"open", "overdue", "partly", "moving"})


def in_order(codes: Iterable[str], own: str) -> list[str]:
    """Give codes in ISO order, the node's own first."""
    return sorted(set(codes), key=lambda code: (code != own, code))


# --- instruments ----------------------------------------------------------------------------------------


@page("/register/instruments", Permission.READ_REGISTER)
def instruments_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show instruments by parties: what each party last did about each, and when, as of the bar."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        rows = store.statements(tx, view, types=["sct-instrument"], true=True)
        acts = store.statements(tx, view, types=["sct-instrument-status"], true=True, limit=5_000)
        other = store.statements(tx, view, kinds=["status-change"], types=["sct-statement"], true=True)
        book = _book(tx, screen)
        belongs = belonging.belonging(tx, view, other, rows)
    lines = [
        _instrument_line(row, [*acts, *belonging.acts_of(other, belongs, row.stix_id)], book, view)
        for row in rows
    ]
    taken = {key for line in lines for key in (line["agreements"], line["likely"]) if key}
    lines += [
        _book_line(one, view)
        for key, one in book.items()
        if key not in taken
        and _dated(one, view)
        and (not view.parties or set(view.parties) <= set(_codes(one)))
    ]
    lines.sort(key=lambda line: (line["day"], line["title"]), reverse=True)
    named = Counter(code for line in lines for code in line["cells"])
    chosen = [code for code in view.parties if len(code) == 2]
    most = [code for code, _n in named.most_common() if code not in chosen]
    codes = in_order([*chosen, *most][:COLUMNS_MAX], screen.party)
    table = Table(
        "instruments",
        (
            Column("title", _("Instrument")),
            Column("day", _("Date")),
            Column("party", _("Party")),
            Column("word", _("What was done")),
            Column("on", _("On")),
            Column("basis", _("Recorded in")),
        ),
        [
            {"title": line["title"], "day": line["day"], "party": code, **line["cells"][code]}
            for line in lines
            for code in in_order(line["cells"], screen.party)
        ],
    )
    return screen.answer(
        "register/instruments.html",
        [table],
        markings=markings_of([*rows, *acts, *other]),
        section="instruments",
        sections=sections(),
        lines=lines,
        codes=codes,
        more=len(named) - len(codes),
        other=[
            {**line_of(one, view), "stix_id": one.stix_id, "may": belonging.offered(one, rows)}
            for one in other
            if one.stix_id not in belongs
        ],
        every=rows,
        address=address_of,
        party=",".join(view.parties),
    )


@act("/register/instruments", Permission.EDIT_REGISTER)
def belongs_act(request: Request[Any, Any, Any]) -> Response[Any]:
    """Record that a change of status belongs to an instrument: a relation of this party, with its reason."""
    screen, form = screen_of(request), Form(request)
    with screen.transaction() as tx:
        view = view_of(screen)
        change, one = form.text("change")[:250], form.text("instrument")[:250]
        found = {row.stix_id: row for row in store.statements(tx, view, ids=[change or "-", one or "-"])}
        if change not in found or not belonging.is_loose(found[change]):
            raise InputError("no such change of status", where="change", advice="/register/instruments")
        if one not in found or found[one].type != "sct-instrument":
            raise InputError("no such instrument", where="instrument", advice="/register/instruments")
    service.record(
        screen.node,
        screen.realm,
        [Relation(source_ref=change, target_ref=one, relationship_type="part-of")],
        by=who(screen),
        now=now(),
    )
    return see(f"/register/statements/{one}")


def _book(tx: sa.Connection, screen: Screen) -> dict[str, Instrument]:
    as_of = screen.bar.as_of
    book = read_by(facts.whole_book(tx, recorded_by=as_of.recorded_by), as_of, now=now())
    return {key: one for key, one in book.instruments.items() if len(_codes(one)) > 1 and not one.synthetic}


def _codes(one: Instrument) -> list[str]:
    return [_ISO.get(code, code) for code in one.parties if len(code) == 2]


def _signed(one: Instrument) -> str:
    return str(one.source.get("signed") or one.effective or one.source.get("published") or "")


def _dated(one: Instrument, view: View) -> bool:
    """Whether the agreements' book knew of it by the day asked about."""
    day = _signed(one)
    return (not day or day <= view.day.isoformat()) and (
        view.known_day is None or one.known is None or known_by(one.known, view.known_day, one.timezone)
    )


def _events(one: Instrument, view: View) -> list[tuple[str, str | None, str]]:
    """Give what the agreements' book says happened by then: day, party or none, word."""
    return [
        (event.on.isoformat(), event.by, event.event or event.state or "")
        for event in one.status
        if event.on <= view.day and known_by(event.known or event.on, view.known_day, one.timezone)
    ]


def _instrument_line(
    row: Row, acts: Sequence[Row], book: dict[str, Instrument], view: View
) -> dict[str, Any]:
    key = row.body.get("instrument")
    entry = book.get(key) if key else None
    likely = None if entry is not None else _likely(row, book)
    cells = {
        code: _cell(_("concluded"), row.true_from or "", address_of(row), _("Register"))
        for code in row.parties
    }
    if entry is not None or likely is not None:
        cells |= _book_cells(entry or book[str(likely)], view, only_events=True)
    for one in acts:
        loose = belonging.is_loose(one)
        if one.about != row.stix_id and not loose:
            continue
        for code in [one.body["party"]] if one.body.get("party") else one.parties or row.parties:
            before = cells.get(code)
            if before is None or str(before["on"]) <= (one.true_from or ""):
                word = one.title if loose else act_word(one.says or "")
                cells[code] = _cell(word, one.true_from or "", address_of(one), _("Register"))
                if loose:
                    cells[code]["lang"] = one.body.get("lang") or "en"
    return {
        "title": row.title,
        "lang": row.body.get("lang") or "en",
        "address": address_of(row),
        "day": row.true_from or "",
        "agreements": key if entry is not None else None,
        "likely": likely,
        "binding": row.body.get("binding"),
        "cells": cells,
        "tlp": row.tlp,
    }


def _book_line(one: Instrument, view: View) -> dict[str, Any]:
    return {
        "title": title_of(one.title),
        "lang": None,
        "address": f"/agreements/instruments/{one.key}",
        "day": _signed(one),
        "agreements": one.key,
        "likely": None,
        "binding": one.binding,
        "cells": _book_cells(one, view, only_events=False),
        "tlp": None,
    }


def _book_cells(one: Instrument, view: View, *, only_events: bool) -> dict[str, dict[str, Any]]:
    address, basis = f"/agreements/instruments/{one.key}", _("Agreements")
    cells: dict[str, dict[str, Any]] = {}
    if not only_events:
        cells = {code: _cell(_("party"), _signed(one), address, basis) for code in _codes(one)}
    for day, by, word in sorted(_events(one, view), key=lambda event: event[0]):
        says = act_word(word)
        for code in [_ISO.get(by, by)] if by else _codes(one):
            cells[code] = _cell(says, day, address, basis)
    return cells


def _cell(word: str, day: str, address: str, basis: str) -> dict[str, Any]:
    return {"word": word, "on": day, "address": address, "basis": basis}


def _likely(row: Row, book: dict[str, Instrument]) -> str | None:
    """Give the instrument of the book with the same parties and day: probably the same, nobody said so."""
    for key, one in book.items():
        if set(_codes(one)) == set(row.parties) and row.true_from and _signed(one) == row.true_from:
            return key
    return None


# --- parties --------------------------------------------------------------------------------------------


@page("/register/parties", Permission.READ_REGISTER)
def parties_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show who met whom: how often, and when last; and every party that a statement names."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        met = boards.who_met(tx, view)
        counts = _counts(tx, view)
        marked = _marked(tx, view, screen.party)
        names = {one.code: one.name for one in grants.parties(tx)}
    cells = {(one.one, one.other): one for one in met} | {(one.other, one.one): one for one in met}
    times: Counter[str] = Counter()
    for one in met:
        times[one.one] += one.times
        times[one.other] += one.times
    codes = in_order([code for code, _n in times.most_common(COLUMNS_MAX)], screen.party)
    meetings = Table(
        "met",
        (
            Column("one", _("Party")),
            Column("other", _("With")),
            Column("times", _("Meetings"), number=True),
            Column("first", _("First")),
            Column("last", _("Last")),
        ),
        [
            {"one": one.one, "other": one.other, "times": one.times, "first": one.first, "last": one.last}
            for one in met
        ],
    )
    parties = Table(
        "parties",
        (
            Column("code", _("Code")),
            Column("name", _("Name")),
            Column("meetings", _("Meetings"), number=True),
            Column("commitments", _("Commitments"), number=True),
            Column("instruments", _("Instruments"), number=True),
            Column("last", _("Last")),
        ),
        [
            {"name": names.get(code) or name_in(code, screen.language), "code": code, **counts[code]}
            for code in in_order(counts, screen.party)
        ],
    ).sorted_by(screen.query)
    return screen.answer(
        "register/parties.html",
        [meetings, parties],
        markings=marked,
        section="parties",
        sections=sections(),
        codes=codes,
        cells=cells,
        more=len(times) - len(codes),
    )


def _counts(tx: sa.Connection, view: View) -> dict[str, dict[str, Any]]:
    found = raw(tx).execute(
        "SELECT p.party, count(*) FILTER (WHERE s.kind = 'meeting'), count(*) FILTER (WHERE s.kind ="
        " 'commitment'), count(*) FILTER (WHERE s.kind = 'instrument'), max(s.begun)"
        " FROM (SELECT s.kind, s.begun, s.parties FROM "
        + store.live(view)
        + " AND s.begun <= %(day)s AND s.type NOT IN ('sct-source', 'sct-account', 'sct-evidence')) s"
        " CROSS JOIN LATERAL unnest(s.parties) AS p (party) GROUP BY 1",
        view.bound(),
    )
    return {
        row[0]: {"meetings": row[1], "commitments": row[2], "instruments": row[3], "last": row[4]}
        for row in found
    }


def _marked(tx: sa.Connection, view: View, party: str) -> list[Marking]:
    """Give the markings of what was counted: a count says something of each."""
    found = raw(tx).execute(f"SELECT DISTINCT s.tlp FROM {store.live(view)}", view.bound())
    return [Marking(tlp, None, 0, party) for (tlp,) in found]


def name_in(code: str, language: str) -> str:
    """Give the name of a state or economy as Unicode CLDR has it in a language; else its code."""
    tag = {"zh-Hans": "zh_Hans"}.get(language, language)
    return str(Locale.parse(tag).territories.get(code, code))


def disputed_of(codes: Iterable[str]) -> list[str]:
    """Give the names that any of these parties disputes, each with every form, in ISO order."""
    wanted, book = set(codes), gazetteer()
    return [book.printed(key) for key, forms in book.forms.items() if wanted & {party for party, _n in forms}]


@page("/register/parties/{code:str}", Permission.READ_REGISTER)
def party_page(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[Any]:
    """Show one party: what it owes, whom it met, its accounts, its instruments, and what happened last."""
    screen = screen_of(request)
    view = view_of(screen, parties=(code,))
    with screen.transaction() as tx:
        if code not in known_parties(tx, screen.party):
            raise InputError(
                f"{code[:40]!r} is no party known here", where="code", advice="/register/parties"
            )
        names = {one.code: one.name for one in grants.parties(tx)}
        met = [one for one in boards.who_met(tx, view) if code in (one.one, one.other)]
        owed = _promises(tx, view, by=code)
        accounts = [
            one
            for one in store.statements(tx, view, types=["sct-account"], announced=False)
            if code in one.by
        ]
        about = {
            one.stix_id: one
            for one in (
                store.statements(tx, view_of(screen), ids=[a.about for a in accounts if a.about])
                if accounts
                else []
            )
        }
        found = questions.timeline(tx, view, newest=True, limit=30)
        instruments = store.statements(tx, view, types=["sct-instrument"], true=True, newest=True)
        also = boards.also(tx, [row for row, _state in found], view)
    rows = [row for row, _state in found]
    return screen.answer(
        "register/party.html",
        [_promise_table(owed), _time_table(rows, view, also)],
        markings=markings_of([*rows, *accounts, *instruments, *(one["row"] for one in owed)]),
        section="parties",
        sections=sections(),
        code=code,
        name=names.get(code) or name_in(code, screen.language),
        own_name=names.get(code),
        names={tag: name_in(code, tag) for tag in LANGUAGES},
        disputed=disputed_of([code]),
        met=sorted(
            ({"other": one.other if one.one == code else one.one, "met": one} for one in met),
            key=lambda line: (-line["met"].times, line["other"]),
        ),
        accounts=[
            {"row": one, "about": about.get(one.about or ""), "position": word_of(POSITION_WORDS, one.says)}
            for one in accounts
        ],
        instruments=instruments,
        address=address_of,
        kind_word=lambda one: word_of(KIND_WORDS, one),
    )


@page("/register/dialogue/{codes:str}", Permission.READ_REGISTER)
def dialogue_page(request: Request[Any, Any, Any], codes: FromPath[str]) -> Response[Any]:
    """Show what stands between parties: series and gaps, the last round, open promises, what is contested."""
    screen = screen_of(request)
    chosen = tuple(dict.fromkeys(one for one in codes.replace("-", ",").split(",") if one))
    if not 2 <= len(chosen) <= GROUP_MAX:
        raise InputError(
            f"a dialogue has two to {GROUP_MAX} parties", where="address", advice="/register/dialogue/JP,KR"
        )
    view = view_of(screen, parties=chosen)
    exact = screen.query.get("exact") == "1"
    with screen.transaction() as tx:
        unknown = [one for one in chosen if one not in known_parties(tx, screen.party)]
        if unknown:
            raise InputError(
                f"{unknown[0][:40]!r} is no party known here", where="address", advice="/register/parties"
            )
        found = questions.timeline(tx, view, newest=True, limit=SHOWN)
        rows = [row for row, _state in found if not exact or set(row.parties) == set(chosen)]
        silence = boards.silence(tx, view, limit=50)
        contested = boards.contested(tx, view, limit=50)
        promises = _promises(tx, view)
        names = {one.code: one.name for one in grants.parties(tx)}
        also = boards.also(tx, rows, view)
    if exact:
        promises = [one for one in promises if set(one["row"].parties) == set(chosen)]
    gaps = [one for one in silence.series.lines if not exact or set(one.parties) == set(chosen)]
    instruments = [row for row in rows if row.kind in {"instrument", "status-change"}]
    last = next((row for row in rows if row.kind == "meeting" and row.state(view) == "true"), None)
    return screen.answer(
        "register/dialogue.html",
        [_time_table(rows, view, also), _promise_table(promises)],
        markings=markings_of([*rows, *(one["row"] for one in promises)]),
        section="parties",
        sections=sections(),
        codes=in_order(chosen, screen.party),
        names=names,
        exact=exact,
        gaps=gaps,
        contested=[one for one in contested.lines if not exact or set(one.row.parties) == set(chosen)],
        instruments=[line_of(one, view) for one in instruments],
        last=last,
        of_last=[] if last is None else [one for one in promises if _of_round(one["row"], last)],
        next_one=next(
            (row for row in reversed(rows) if row.kind == "meeting" and row.state(view) == "planned"), None
        ),
        disputed=disputed_of(chosen),
        rest=len(found) >= SHOWN,
        address=address_of,
    )


def _of_round(promise: Row, meeting: Row) -> bool:
    if promise.true_first is None or meeting.true_first is None:
        return False
    last = (meeting.true_last or meeting.true_first) + timedelta(days=AFTER_DAYS)
    return meeting.true_first <= promise.true_first <= last and set(promise.parties) <= set(meeting.parties)


def _promises(tx: sa.Connection, view: View, *, by: str | None = None) -> list[dict[str, Any]]:
    """Give the promises that the question sees, with how each stands, what is open first."""
    found = store.statements(tx, view, types=["sct-commitment", "sct-project"], true=True, announced=False)
    found = [one for one in found if by is None or by in (one.by or one.parties)]
    evidence = boards.evidence_for(tx, [one.stix_id for one in found], view)
    lines = []
    for one in found:
        standing = monitoring.standing(one, evidence.get(one.stix_id, ()), view)
        figure = standing.overdue or standing.lagging
        lines.append(
            {
                "row": one,
                "state": standing.state,
                "state_word": state_word(one.kind, standing.state),
                "open": standing.state in _OPEN,
                "lagging": standing.lagging is not None,
                "sum": sum_words(figure.sum) if figure is not None else "",
            }
        )
    order = {"overdue": 0, "open": 1, "partly": 2, "moving": 3}
    return sorted(lines, key=lambda line: (order.get(line["state"], 9), line["row"].due_last or date.max))


def _promise_table(lines: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "promises",
        (
            Column("title", _("Promise")),
            Column("by", _("Owed by")),
            Column("true_from", _("Promised")),
            Column("due", _("Due")),
            Column("state_word", _("State")),
        ),
        [
            {
                **line,
                "title": line["row"].title,
                "lang": line["row"].body.get("lang") or "en",
                "address": address_of(line["row"]),
                "by": list(line["row"].by or line["row"].parties),
                "true_from": line["row"].true_from or "",
                "due": line["row"].body.get("due") or "",
            }
            for line in lines
        ],
    )


def _time_table(rows: Sequence[Row], view: View, also: Mapping[str, Sequence[Row]]) -> Table:
    return Table(
        "statements",
        (
            Column("when", _("True on")),
            Column("title", _("Statement")),
            Column("kind", _("Kind")),
            Column("parties", _("Parties")),
            Column("state_word", _("State")),
            Column("status_word", _("Standing")),
        ),
        [{**line_of(one, view), **beside(one, also)} for one in rows],
    )


routes = [instruments_page, belongs_act, parties_page, party_page, dialogue_page]
