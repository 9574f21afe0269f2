"""Pages of private questions: what was asked and answered, asking and deciding; with whom they are on.

They say on their face what a private question does not protect: the sizes, and values that can be guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants
from secretariat.agreements.facts import book_for
from secretariat.agreements.matrix import cell
from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.base.marking import Marking
from secretariat.exchange import private_asking, private_service
from secretariat.exchange import private_store as tables
from secretariat.exchange.private_values import GUESSABLE, TYPES, epoch_of
from secretariat.people.model import Permission, Person
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.exchange.private_store import Question

TYPE_WORDS = {
    "domain-name": mark("Domain names"),
    "url": mark("Addresses of web pages (URL)"),
    "email-addr": mark("Addresses of mail"),
    "file-sha256": mark("Files (SHA-256)"),
    "ipv6-addr": mark("IPv6 addresses"),
    "ipv4-addr": mark("IPv4 addresses"),
}
STATES = {
    "pinned": "asked",
    "counted": "answered",
    "waiting": "waiting",
    "allowed": "waiting",
    "ready": "waiting",
    "answered": "answered",
    "refused": "refused",
}
"""The word of the common list that a state is shown by."""


HIGHEST = "AMBER+STRICT"
"""The highest mark that an object of a set may bear: what the values on a page may be."""


def _row(one: Question) -> dict[str, Any]:
    return {
        "number": one.id,
        "side": _("from us") if one.side == "asks" else _("to us"),
        "party": one.party,
        "type": _(TYPE_WORDS[one.type]),
        "epoch": one.epoch,
        "size": one.size,
        "their_size": one.their_size,
        "result": one.result,
        "state": STATES[one.state],
        "at": one.at,
        "why": one.why,
        "waits": one.side == "answers" and (one.state == "waiting" or one.stage == "wanted"),
    }


def waiting(tx: Connection) -> list[tuple[Question, str]]:
    """Give the partners' questions that wait for a person here, with the word of their type; for the Desk."""
    where = "WHERE side = 'answers' AND (state = 'waiting' OR stage = 'wanted')"
    return [(one, _(TYPE_WORDS[one.type])) for one in tables.questions(tx, where)]


@page("/questions", Permission.READ_REPORTS)
def questions_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List private questions of both directions, and offer to ask."""
    return _questions(request)


def _questions(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        found = tables.questions(tx)
        on = tables.allowances(tx)
    table = Table(
        "questions",
        (
            Column("number", _("Number")),
            Column("side", _("Direction")),
            Column("party", _("Party")),
            Column("type", _("Type of value")),
            Column("epoch", _("Week")),
            Column("size", _("Asked about"), number=True),
            Column("their_size", _("Answered from"), number=True),
            Column("result", _("In both"), number=True),
            Column("state", _("State")),
        ),
        [_row(one) for one in found],
    )
    week = epoch_of(now())
    asked = {(one.party, one.type) for one in found if one.side == "asks" and one.epoch == week}
    answer = screen.answer(
        "exchange/questions.html",
        [table],
        offered=[
            (one.party, kind, _(TYPE_WORDS[kind]), kind in GUESSABLE)
            for one in on
            for kind in one.types
            if (one.party, kind) not in asked
        ],
        on=on,
        week=week,
        least=screen.node.settings.limits.private_minimum,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/questions", Permission.APPROVE_RELEASE)
def ask_question(request: Request[Any, Any, Any]) -> Response[Any]:
    """Ask a partner how many values of one type both have."""
    screen, form = screen_of(request), Form(request)
    try:
        party, _colon, kind = form.text("what").partition("/")
        if form.text("understood") != "yes":
            raise InputError(
                _("say that you read what it does not protect"), where="understood", advice=_("tick the box")
            )
        number = private_asking.ask(screen.node, screen.realm, party, kind, by=_login(screen), now=now())
    except SecretariatError as error:
        return _questions(request, error)
    return see(f"/questions/{number}")


@page("/questions/{number:int}", Permission.READ_REPORTS)
def question_page(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Show one private question: what each side learned, where it stands in the log, what may be done."""
    return _question(request, number)


def _question(
    request: Request[Any, Any, Any], number: int, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    one = private_service.one_question(screen.node, screen.realm, number)
    matches = private_asking.matches_of(screen.node, screen.realm, number)
    answer = screen.answer(
        "exchange/question.html",
        [Table("matches", (Column("value", _("Value")),), [{"value": value} for value in matches])],
        markings=[Marking.of(HIGHEST, None, None, screen.node.party)] if matches else [],
        one=one,
        row=_row(one),
        guessable=one.type in GUESSABLE,
        own=screen.node.party,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/questions/{number:int}/open", Permission.APPROVE_RELEASE)
def want_matches(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Ask which values they are."""
    screen = screen_of(request)
    try:
        private_asking.want_opened(screen.node, screen.realm, number, by=_login(screen), now=now())
    except SecretariatError as error:
        return _question(request, number, error)
    return see(f"/questions/{number}")


@act("/questions/{number:int}/answer", Permission.APPROVE_RELEASE)
def decide_answer(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Say whether a partner's question is answered."""
    return _decide(request, number, "answer")


@act("/questions/{number:int}/matches", Permission.APPROVE_RELEASE)
def decide_matches(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Say whether the matches of a partner's question are shown to it."""
    return _decide(request, number, "opening")


def _decide(
    request: Request[Any, Any, Any], number: int, what: Literal["answer", "opening"]
) -> Response[Any]:
    screen, form = screen_of(request), Form(request)
    try:
        word = form.text("word")
        if word not in {"yes", "no"}:
            raise InputError("yes or no", where="word")
        private_service.decide(
            screen.node, screen.realm, number, what=what, yes=word == "yes", by=_login(screen), now=now()
        )
    except SecretariatError as error:
        return _question(request, number, error)
    return see(f"/questions/{number}")


# Admin


@page("/admin/questions", Permission.MANAGE_PEERS)
def allowances_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show with whom private questions are on, and turn them on or off."""
    return _allowances(request)


def _allowances(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    own, today = screen.node.party, now().date()
    with screen.transaction() as tx:
        on = tables.allowances(tx)
        partners = [one.code for one in grants.parties(tx, partners_only=True)]
        under = [
            (code, key)
            for code in partners
            for key in cell(book_for(tx, own, code), own, code, today, None).in_force
        ]
    table = Table(
        "allowances",
        (
            Column("party", _("Party")),
            Column("under", _("Instrument")),
            Column("types", _("Types of value")),
            Column("elements", _("Values a week"), number=True),
            Column("standing", _("Answered")),
            Column("allowed_by", _("By")),
            Column("at", _("Since")),
        ),
        [
            {
                "party": one.party,
                "under": one.under,
                "types": ", ".join(_(TYPE_WORDS[kind]) for kind in one.types),
                "elements": one.elements,
                "standing": _("at once") if one.standing else _("when a person says so"),
                "allowed_by": one.allowed_by,
                "at": one.at,
            }
            for one in on
        ],
    )
    answer = screen.answer(
        "exchange/question_allowances.html",
        [table],
        under=under,
        types=[(name, _(TYPE_WORDS[name]), name in GUESSABLE) for name in TYPES],
        most=screen.node.settings.limits.private_elements,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/admin/questions", Permission.MANAGE_PEERS)
def allow_questions(request: Request[Any, Any, Any]) -> Response[Any]:
    """Turn private questions with a partner on."""
    screen, form = screen_of(request), Form(request)
    try:
        party, _slash, under = form.text("under").partition("/")
        elements = form.text("elements")
        if not (elements.isascii() and elements.isdigit() and len(elements) < 10):
            raise InputError("a number of values is needed", where="elements")
        private_service.allow(
            screen.node,
            screen.realm,
            party,
            under=under,
            types=form.texts("type"),
            elements=int(elements),
            standing=form.text("standing") == "yes",
            by=_login(screen),
            now=now(),
        )
    except SecretariatError as error:
        return _allowances(request, error)
    return see("/admin/questions")


@act("/admin/questions/{party:str}/forbid", Permission.MANAGE_PEERS)
def forbid_questions(request: Request[Any, Any, Any], party: FromPath[str]) -> Response[Any]:
    """Turn private questions with a partner off."""
    screen = screen_of(request)
    try:
        private_service.forbid(screen.node, screen.realm, party, by=_login(screen), now=now())
    except SecretariatError as error:
        return _allowances(request, error)
    return see("/admin/questions")


def _login(screen: Screen) -> str:
    visitor = screen.visitor
    return visitor.login if isinstance(visitor, Person) else ""


routes = [
    questions_page,
    ask_question,
    question_page,
    want_matches,
    decide_answer,
    decide_matches,
    allowances_page,
    allow_questions,
    forbid_questions,
]
