"""Agreements for people: the matrix of what may flow, instruments with their time line, and questions.

Every answer comes from the one function that also releases (`rules.decide`), for the times of the bar.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import between_pages, facts, grants, release_pages, standing_pages, store
from secretariat.agreements.audience import read_by
from secretariat.agreements.book import day_in
from secretariat.agreements.matrix import cell
from secretariat.agreements.model import Decision, Facts, Instrument, Moment, Question, StatusEvent
from secretariat.agreements.rules import decide
from secretariat.agreements.service import day_or_moment, known_party
from secretariat.agreements.status import state_at
from secretariat.agreements.titles import title_of
from secretariat.agreements.wording import (
    VERIFICATION_WORDS,
    kinds_of,
    purposes_of,
    rule_meaning,
    sentence,
    shown,
    tried_row,
)
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError
from secretariat.people.model import Permission
from secretariat.records.markings import TLP_ORDER, Label
from secretariat.web import charts
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark, pgettext

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Moment

WORD_MAX = 64
PARTIES_MAX = 24
"""More parties than this do not fit a matrix that somebody reads; the list of instruments has them all."""

STATE_WORDS = {
    "in_force": mark("in force"),
    "not_yet": mark("not yet in force"),
    "ended": mark("ended"),
    "never": mark("never in force"),
    "suspended": mark("suspended"),
    "unknown": mark("not checked"),
    "unheard": mark("not known by then"),
}
EVENT_WORDS = {
    "in_force": mark("in force"),
    "signed": mark("signed"),
    "ratified": mark("ratified"),
    "announced": mark("announced"),
    "considering": mark("considering"),
    "supports": mark("supports"),
    "suspended": mark("suspended"),
    "resumed": mark("resumed"),
    "terminated": mark("terminated"),
    "termination_notice": mark("notice of termination"),
    "effect_of_notice_suspended": mark("effect of the notice suspended"),
    "contested_reading": mark("reading contested"),
    "notice_and_suspension_withdrawn": mark("notice and suspension withdrawn"),
    "not_listed": mark("not listed"),
    "never_signed": mark("never signed"),
    "never_in_force": mark("never in force"),
}


def _asked(screen: Screen) -> tuple[Moment, Moment | None]:
    """Give the two times of the bar as instruments read them: a day is the whole day in their own zone."""
    zone, asked = screen.zone, screen.bar.as_of
    true = now() if asked.true_on is None else day_or_moment(asked.true_on, zone)
    return true, None if asked.known_by is None else day_or_moment(asked.known_by, zone)


def _day(screen: Screen) -> date:
    return day_in(_asked(screen)[0], screen.zone)


def _book(tx: Connection, screen: Screen) -> Book:
    as_of = screen.bar.as_of
    return read_by(facts.whole_book(tx, recorded_by=as_of.recorded_by), as_of, now=now())


def _names(instrument: Instrument, book: Book, day: date) -> set[str]:
    found: set[str] = set()
    for name in instrument.parties:
        found |= book.members(name, day) or {name}
    return found


def _cell(book: Book, screen: Screen, sender: str, recipient: str) -> dict[str, Any]:
    found = cell(book, sender, recipient, *_asked(screen))
    return {
        "sender": sender,
        "recipient": recipient,
        "tlp": found.tlp,
        "level": found.level,
        "instruments": len(found.in_force),
        "keys": ", ".join(found.in_force),
        "contested": bool(found.warnings),
    }


@page("/agreements", Permission.READ_AGREEMENTS)
def matrix_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what may flow between whom: parties by parties, as of the bar."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        book = _book(tx, screen)
        known = grants.parties(tx)
    partners = [one.code for one in known if one.partner]
    codes = list(dict.fromkeys([screen.party, *sorted(partners)]))
    if screen.query.get("parties") == "all":
        day = _day(screen)
        every = {name for one in book.instruments.values() for name in _names(one, book, day)}
        codes += sorted(name for name in every if name not in codes and len(name) <= 6)
    names = {one.code: one.name for one in known} | {p.code: p.name or "" for p in book.parties.values()}
    cut = codes[:PARTIES_MAX]
    cells = {(a, b): _cell(book, screen, a, b) for a in cut for b in cut if a != b}
    table = Table(
        "matrix",
        (
            Column("sender", _("From")),
            Column("recipient", _("To")),
            Column("instruments", _("Instruments in force"), number=True),
            Column("tlp", _("Highest TLP")),
            Column("level", _("Highest level")),
            Column("keys", _("Instruments")),
        ),
        list(cells.values()),
    )
    return screen.answer(
        "agreements/matrix.html",
        [table],
        codes=cut,
        more=len(codes) - len(cut),
        cells=cells,
        names=names,
        count=len(book.instruments),
        every=screen.query.get("parties") == "all",
        day=_day(screen),
    )


@page("/agreements/instruments", Permission.READ_AGREEMENTS)
def instruments_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List every instrument recorded here with its state as of the bar."""
    screen = screen_of(request)
    true, known = _asked(screen)
    with screen.transaction() as tx:
        book = _book(tx, screen)
        recorded = {one.key: one for one in store.instruments(tx, recorded_by=screen.bar.as_of.recorded_by)}
    party = screen.query.get("party", "")[:WORD_MAX]
    rows = []
    for one in book.instruments.values():
        names = _names(one, book, day_in(true, "UTC"))
        if party and party not in names:
            continue
        state = state_at(one, true, known)
        rows.append(
            {
                "key": one.key,
                "title": title_of(one.title),
                "written": one.title,
                "kind": one.kind.replace("_", " "),
                "parties": ", ".join(one.parties),
                "binding": _("yes") if one.binding else _("no"),
                "in_force": state.in_force,
                "state": _(STATE_WORDS.get(state.word, state.word)),
                "word": state.word,
                "since": one.effective,
                "warnings": len(state.warnings),
                "synthetic": one.synthetic,
                "hash": recorded[one.key].hash.hex() if one.key in recorded else None,
            }
        )
    table = Table(
        "instruments",
        (
            Column("title", _("Instrument")),
            Column("kind", _("Kind")),
            Column("parties", _("Parties")),
            Column("binding", _("Binding")),
            Column("state", _("State")),
            Column("since", _("Effective")),
            Column("hash", _("Hash")),
        ),
        rows,
    ).sorted_by(screen.query)
    return screen.answer("agreements/instruments.html", [table], party=party)


@page("/agreements/instruments/{key:str}", Permission.READ_AGREEMENTS)
def instrument_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show one instrument: state as of the bar, time line, articles, tables of levels, contested readings."""
    screen = screen_of(request)
    true, known = _asked(screen)
    with screen.transaction() as tx:
        book = _book(tx, screen)
        recorded = [one for one in store.instruments(tx) if one.key == key]
    one = book.instruments.get(key)
    if one is None:
        raise NotFoundError(
            f"no instrument {key[:80]!r} here, or not by then", advice="Agreements lists them"
        )
    state = state_at(one, true, known)
    articles = Table(
        "articles",
        (
            Column("art", _("Article")),
            Column("rule", _("Rule")),
            Column("says", _("What it says (our words)")),
            Column("verification", _("Text")),
            Column("source", _("Source")),
        ),
        [
            {
                "art": article.art,
                "rule": article.rule,
                "meaning": rule_meaning(article.rule),
                "says": article.says,
                "note": article.note,
                "verification": _(VERIFICATION_WORDS.get(article.verification, article.verification)),
                "read": article.verification == "read",
                "source": article.source,
            }
            for article in one.articles
        ],
    )
    events = _events(one)
    history = Table(
        "history",
        (
            Column("on", _("Date")),
            Column("word", _("What happened")),
            Column("by", _("By")),
            Column("effect_on", _("Effect on")),
            Column("known", _("Known")),
            Column("basis", _("Article")),
            Column("note", _("Note")),
            Column("source", _("Source")),
        ),
        [_event_row(event) for event in events],
    )
    return screen.answer(
        "agreements/instrument.html",
        [articles, history],
        one=one,
        heading=title_of(one.title),
        state=state,
        note=sentence(state.note),
        warnings=[sentence(note) for note in state.warnings],
        picture=_timeline(one, events, day_in(true, "UTC"), known),
        tables_of_levels=one.tables,
        recorded=recorded,
    )


def _events(one: Instrument) -> list[StatusEvent]:
    found = list(one.status)
    signed = one.source.get("signed")
    if isinstance(signed, str):
        found.append(StatusEvent(on=date.fromisoformat(signed), event="signed"))
    return sorted(found, key=lambda event: event.on)


def _event_word(event: StatusEvent) -> str:
    word = event.event or event.state or ""
    if word == "withdrawn":  # of an instrument a party withdraws from, a report is withdrawn: two words
        return pgettext("instrument", "withdrawn")
    return _(EVENT_WORDS[word]) if word in EVENT_WORDS else word.replace("_", " ")


def _event_row(event: StatusEvent) -> dict[str, Any]:
    return {
        "on": event.on.isoformat(),
        "word": _event_word(event),
        "by": event.by,
        "effect_on": event.effect_on.isoformat() if event.effect_on else None,
        "known": event.known.isoformat() if event.known else event.on.isoformat(),
        "basis": event.basis,
        "note": event.note,
        "source": event.source,
    }


def _timeline(one: Instrument, events: list[StatusEvent], day: date, known: Any) -> Any:
    days = {event.on for event in events} | {e.effect_on for e in events if e.effect_on}
    days |= {d for d in (one.effective, one.ends) if d is not None}
    if not days:
        return None
    first = min(days)
    start = date(first.year, 1, 1)
    end = max(*days, day, now().date()) + timedelta(days=120)
    turns = sorted({start, *(d for d in days if start <= d <= end), end})
    spans: list[charts.Span] = []
    for begin, finish in pairwise(turns):
        state = state_at(one, begin, known)
        if state.in_force:
            soft = bool(state.warnings)
            word = "; ".join([_("in force"), *(sentence(note) for note in state.warnings)])
            spans.append(charts.Span(begin, finish, word, "soft" if soft else "full"))
        elif state.word in {"suspended", "unknown"}:
            spans.append(charts.Span(begin, finish, _(STATE_WORDS.get(state.word, state.word)), "off"))
    by: dict[str, list[charts.Dot]] = {}
    for event in events:
        hollow = event.event is not None and event.event != "signed"
        by.setdefault(event.by or "", []).append(charts.Dot(event.on, _event_word(event), hollow))
    lanes = [charts.Lane(_("state"), spans, by.pop("", []))]
    lanes += [charts.Lane(party, (), dots) for party, dots in sorted(by.items())]
    return charts.timeline(
        lanes, start=start, end=end, marked=day, title=_("Time line; the table says the same")
    )


@page("/agreements/explain", Permission.READ_AGREEMENTS)
def explain_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer whether something may go from one party to another, on the day of the bar, and why."""
    screen = screen_of(request)
    query = screen.query
    with screen.transaction() as tx:
        book = _book(tx, screen)
        known = grants.parties(tx)
    codes = sorted({screen.party, *(one.code for one in known)})
    asked = {
        name: query.get(name, "").strip()
        for name in ("from", "to", "tlp", "level", "kind", "purpose", "rel_to", "consent")
    }
    if any(len(value) > WORD_MAX for value in asked.values()):
        raise InputError(f"a word of a question has at most {WORD_MAX} letters")
    asked["from"] = asked["from"] or screen.party
    scheme, _sep, level = asked["level"].partition("/")
    decision = None
    if asked["to"]:
        known_party(book, asked["from"], codes, where="from")
        known_party(book, asked["to"], codes, where="to")
        decision = _decide(screen, book, asked, scheme, level)
    trace = Table(
        "trace",
        (
            Column("ref", _("Article")),
            Column("rule", _("Rule")),
            Column("word", _("Result")),
            Column("why", _("Why")),
            Column("verification", _("Text")),
        ),
        [] if decision is None else [tried_row(row) for row in decision.trace],
    )
    levels = [
        (f"{key}/{word}", f"{key} {word}")
        for key in dict.fromkeys([*book.owners.get(asked["from"], ()), *book.schemes])
        for word in book.schemes[key].order
        if word not in book.schemes[key].unclassified and not key.startswith("TLP")
    ]
    return screen.answer(
        "agreements/explain.html",
        [trace],
        asked=asked,
        codes=codes,
        levels=levels,
        purposes=purposes_of(book),
        kinds=kinds_of(book),
        tlps=TLP_ORDER,
        decision=None if decision is None else shown(decision),
        day=_day(screen),
    )


def _decide(screen: Screen, book: Book, asked: dict[str, str], scheme: str, level: str) -> Decision:
    label = Label(
        orig=asked["from"],
        tlp=asked["tlp"] if asked["tlp"] in TLP_ORDER else None,
        level=level or None,
        scheme=scheme or None,
        kind=asked["kind"] or None,
        rel_to=tuple(asked["rel_to"].upper().split()),
    )
    if label.scheme is not None and label.scheme not in book.schemes:
        raise InputError(f"no table of levels {scheme!r}", where="level")
    true, known = _asked(screen)
    question = Question(
        sender=asked["from"],
        recipient=asked["to"],
        label=label,
        true=true,
        known=known,
        direct=True,
        facts=Facts(purpose=asked["purpose"] or None),
    )
    return decide(book, question)


routes = [
    matrix_page,
    instruments_page,
    instrument_page,
    explain_page,
    *between_pages.routes,
    *release_pages.routes,
    *standing_pages.routes,
]
