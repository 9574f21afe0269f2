"""Requests: who waits for whom. Lists to us, from us and overdue; a thread per request; asking and answering.

A page of the past answers as of its times and offers nothing to act; who decides is checked by the release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants, workflow
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.people.model import Permission
from secretariat.register.model import Row, View
from secretariat.register.requests import service, store
from secretariat.register.requests.about import About, about_of, owing
from secretariat.register.requests.rules import WANTS, Thread
from secretariat.register.requests.wording import (
    ANSWER_WORDS,
    REQUEST_STATES,
    SHAPES,
    WANTS_WORDS,
)
from secretariat.register.screens import marking_of, markings_of, view_of
from secretariat.register.wording import SAYS_WORDS, word_of
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import LANGUAGES, mark
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from sqlalchemy import Connection

LISTS = (
    ("to-us", mark("To us"), "/requests"),
    ("from-us", mark("From us"), "/requests?show=from-us"),
    ("overdue", mark("Overdue"), "/requests?show=overdue"),
    ("private", mark("Private questions"), "/questions"),
    ("contacts", mark("Contacts"), "/requests/contacts"),
    ("mail", mark("By mail"), "/requests/mail"),
)
TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT")
TEXT_MAX = 10_000


def tabs() -> list[tuple[str, str, str]]:
    """Give the sections of Requests in the page's language."""
    return [(key, _(word), address) for key, word, address in LISTS]


def waiting_for_us(screen: Screen) -> int:
    """Count the requests that this party has not answered; for the rail."""
    with screen.transaction() as tx:
        return store.count_open(tx, screen.party)


def row_of(one: Thread, own: str) -> dict[str, Any]:
    """Give the line of a list."""
    mine = one.asked_by == own
    return {
        "number": one.number,
        "theirs": one.their_number or "",
        "party": one.asked_of if mine else one.asked_by,
        "title": one.request.title,
        "lang": one.request.body.get("lang") or "en",
        "wants": word_of(WANTS_WORDS, str(one.request.body.get("wants", "answer"))),
        "asked": one.request.true_from or "",
        "due": str(one.request.body.get("answer_by", "")),
        "state": one.state,
        "word": word_of(REQUEST_STATES, one.state),
        "icon": SHAPES[one.state][0],
        "shape": SHAPES[one.state][1],
        "late": one.late,
        "tlp": one.request.tlp,
        "mine": mine,
        "drafts": len(one.drafts),
    }


@page("/requests", Permission.READ_REGISTER)
def requests_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the requests to us, from us, or overdue, as of the bar."""
    screen = screen_of(request)
    view, own = view_of(screen), screen.party
    shown = screen.query.get("show", "to-us")
    shown = shown if shown in {"to-us", "from-us", "overdue"} else "to-us"
    with screen.transaction() as tx:
        every = store.threads(tx, view, own)
        forged = store.forged(tx, view)
        partners = [one.code for one in grants.parties(tx, partners_only=True)]
    groups = {
        "to-us": [one for one in every if one.asked_of == own],
        "from-us": [one for one in every if one.asked_by == own],
        "overdue": [one for one in every if one.state in {"overdue", "silent"}],
    }
    chosen = sorted(groups[shown], key=lambda one: not one.is_open)
    table = Table(
        "requests",
        (
            Column("number", _("Number")),
            Column("theirs", _("Number of who is asked")),
            Column("party", _("Party")),
            Column("title", _("About")),
            Column("wants", _("Wants")),
            Column("asked", _("Asked on")),
            Column("due", _("Answer by")),
            Column("word", _("State")),
        ),
        [row_of(one, own) for one in chosen],
    ).sorted_by(screen.query)
    return screen.answer(
        "register/requests.html",
        [table],
        markings=markings_of(one.request for one in chosen),
        shown=shown,
        tabs=tabs(),
        counts={key: sum(one.is_open for one in found) for key, found in groups.items()},
        forged=forged if shown == "to-us" else [],
        partners=partners,
    )


# --- asking ---------------------------------------------------------------------------------------------


@page("/requests/new", Permission.EDIT_REGISTER)
def new_request(request: Request[Any, Any, Any]) -> Response[Any]:
    """Offer the form of a request, filled in from what it is about."""
    return _new(request)


def _new(
    request: Request[Any, Any, Any],
    error: SecretariatError | None = None,
    given: dict[str, str] | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    names = [screen.query.get("about", ""), screen.query.get("and", "")]
    if given is not None:
        names = given["about"].split()
    view, own = view_of(screen), screen.party
    with screen.transaction() as tx:
        partners = [one.code for one in grants.parties(tx, partners_only=True)]
        try:
            about = about_of(tx, names, view, own)
        except NotFoundError as unknown:
            about, error = [], error or unknown
        asked = [one for one in owing(about, own) if one in partners]
        parties = [code for one in about if one.row for code in one.row.parties]
        meetings = service.meetings_to_come(tx, view, parties)[:20]
        by = screen.visitor.login if screen.visitor else ""
        purpose = workflow.last_purpose(tx, by) or ""
    wants = screen.query.get("wants", "")
    pair = len(about) > 1
    filled = given or {
        "wants": wants if wants in WANTS else "join" if pair else "answer",
        "of": asked[0] if asked else "",
        "asks": "",
        "title": "",
        "answer_by": "",
        "tlp": screen.node.settings.default_tlp,
        "lang": screen.language,
        "purpose": purpose,
    }
    return screen.render(
        "register/request_new.html",
        status=200 if error is None else error.status,
        markings=markings_of(one.row for one in about if one.row is not None),
        about=about,
        partners=[*asked, *(one for one in partners if one not in asked)],
        filled=filled,
        wants=[(key, word_of(WANTS_WORDS, key)) for key in WANTS],
        tlp=TLP,
        languages=LANGUAGES,
        meetings=meetings,
        ours=[one for one in meetings if one.originator == own],
        may_decide=screen.may(Permission.APPROVE_RELEASE),
        error=error,
    )


@act("/requests", Permission.EDIT_REGISTER)
def ask(request: Request[Any, Any, Any]) -> Response[Any]:
    """Ask: record the request and bring it on its way."""
    screen, form = screen_of(request), Form(request)
    names = ("about", "wants", "of", "asks", "title", "answer_by", "tlp", "lang", "purpose")
    given = {name: form.text(name).strip() for name in names}
    try:
        if given["tlp"] not in TLP:
            raise InputError(_("not one of the markings of this form"), where="tlp")
        done = service.ask(
            screen.node,
            screen.realm,
            of=given["of"],
            about=given["about"].split(),
            asks=given["asks"][:TEXT_MAX],
            title=given["title"],
            wants=given["wants"] or "answer",
            answer_by=given["answer_by"],
            lang=_language(given["lang"]),
            tlp=given["tlp"],
            purpose=given["purpose"] or None,
            by=_who(screen),
            now=now(),
            decide=form.text("deed") == "release" and screen.may(Permission.APPROVE_RELEASE),
        )
    except SecretariatError as error:
        return _new(request, error, given)
    return see(f"/requests/{done.number}")


@act("/requests/agenda", Permission.EDIT_REGISTER)
def agenda(request: Request[Any, Any, Any]) -> Response[Any]:
    """Put something on the announced agenda of a meeting of ours."""
    screen, form = screen_of(request), Form(request)
    about, meeting = form.text("about").strip(), form.text("meeting").strip()
    try:
        service.put_on_agenda(
            screen.node,
            screen.realm,
            meeting,
            about.split()[0] if about else "",
            item=form.text("item"),
            by=_who(screen),
            now=now(),
        )
    except SecretariatError as error:
        names = ("wants", "of", "asks", "title", "answer_by", "tlp", "lang", "purpose")
        return _new(request, error, {"about": about, **dict.fromkeys(names, ""), "wants": "agenda"})
    return see(f"/register/statements/{meeting}")


# --- one request ----------------------------------------------------------------------------------------


@page("/requests/{name:str}", Permission.READ_REGISTER)
def one_request(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Show a request with everything that was said to it."""
    return _one(request, name)


def _one(
    request: Request[Any, Any, Any],
    name: str,
    error: SecretariatError | None = None,
    given: dict[str, str] | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    view, own = view_of(screen), screen.party
    with screen.transaction() as tx:
        found = store.thread(tx, view, own, name)
        if found is None:
            raise NotFoundError(f"no request {name[:80]!r} stands here by that time", advice="/requests")
        about = _about(tx, found, view, own)
        waits = _releases(tx, found)
        partners = [one.code for one in grants.parties(tx, partners_only=True) if one.code != found.asked_by]
        beside = [
            one
            for one in store.threads(tx, view, own)
            if one.request.id != found.request.id
            and set(one.request.body.get("about_keys", ())) & set(found.request.body.get("about_keys", ()))
        ]
    shown = [found.request, *found.answers, *found.drafts, *found.strangers]
    return screen.render(
        "register/request.html",
        status=200 if error is None else error.status,
        markings=markings_of(shown),
        one=found,
        row=row_of(found, own),
        own=own,
        about=about,
        absences=found.absences,
        steps=[_step(row) for row in (*found.answers, *found.strangers)],
        drafts=[_step(row) for row in found.drafts],
        strangers={row.id for row in found.strangers},
        evidence=[(row, word_of(SAYS_WORDS, row.says)) for row in found.evidence],
        waits=waits,
        beside=[row_of(other, own) for other in beside],
        answers=[(key, word_of(ANSWER_WORDS, key)) for key in ANSWER_WORDS],
        says=[(key, word_of(SAYS_WORDS, key)) for key in service.SAYS],
        promises=any(one.type in {"sct-commitment", "sct-project"} for one in about if one is not None),
        partners=partners,
        tlp=TLP,
        languages=LANGUAGES,
        filled=given
        or {
            "answer": "answered",
            "reply": "",
            "passed_to": "",
            "promise_is": "",
            "on": "",
            "tlp": found.request.tlp if found.request.tlp in TLP else screen.node.settings.default_tlp,
            "lang": screen.language,
            "forward": "",
        },
        may_decide=screen.may(Permission.APPROVE_RELEASE),
        error=error,
    )


def _about(tx: Connection, found: Thread, view: View, own: str) -> list[About]:
    body, every = found.request.body, []
    refs, keys = list(body.get("about_refs", ())), list(body.get("about_keys", ()))
    for place, ref in enumerate(refs):
        names = [ref, keys[place] if place < len(keys) else ref]
        for name in names:
            try:
                every += about_of(tx, [name], view, own)
            except NotFoundError:
                continue
            break
        else:
            every.append(About(stix_id=ref, key=names[-1], title=names[-1], lang="en", type=""))
    return every


def _releases(tx: Connection, found: Thread) -> list[dict[str, Any]]:
    """Give the releases of our own steps that wait or were refused."""
    ours = [found.request.stix_id, *(one.stix_id for one in found.drafts)]
    return [
        {"id": str(one.id), "state": one.state, "by": one.proposed_by, "reason": one.reason or ""}
        for stix in ours
        for one in workflow.of_object(tx, stix)
        if one.state in {"proposed", "refused"}
    ]


def _step(row: Row) -> dict[str, Any]:
    body = row.body
    return {
        "id": row.id,
        "by": row.originator,
        "number": row.key,
        "says": str(row.says),
        "word": word_of(REQUEST_STATES, str(row.says)),
        "icon": SHAPES.get(str(row.says), ("unchecked", ""))[0],
        "shape": SHAPES.get(str(row.says), ("unchecked", ""))[1],
        "reply": body.get("reply") or "",
        "lang": body.get("lang") or "en",
        "passed_to": body.get("passed_to") or "",
        "on": row.true_from or "",
        "known": row.known,
        "changed": body.get("created") != body.get("modified"),
        "marking": marking_of(row),
    }


@act("/requests/{name:str}/answer", Permission.EDIT_REGISTER)
def answer(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Answer, decline or pass on; or change the answer given before."""
    screen, form = screen_of(request), Form(request)
    names = ("answer", "reply", "passed_to", "promise_is", "on", "tlp", "lang", "forward")
    given = {one: form.text(one).strip() for one in names}
    decide = form.text("deed") == "release" and screen.may(Permission.APPROVE_RELEASE)
    words: dict[str, Any] = {
        "reply": given["reply"][:TEXT_MAX],
        "lang": _language(given["lang"]),
        "tlp": given["tlp"],
        "by": _who(screen),
        "now": now(),
        "decide": decide,
    }
    try:
        if given["tlp"] not in TLP:
            raise InputError(_("not one of the markings of this form"), where="tlp")
        if given["answer"] == "passed-on":
            service.pass_on(
                screen.node,
                screen.realm,
                name,
                to=given["passed_to"],
                asks=given["forward"][:TEXT_MAX],
                **words,
            )
        else:
            service.answer(
                screen.node,
                screen.realm,
                name,
                says=given["answer"],
                promise_is=given["promise_is"] if given["answer"] == "answered" else "",
                on=given["on"],
                **words,
            )
    except SecretariatError as error:
        return _one(request, name, error, given)
    return see(f"/requests/{name}")


@act("/requests/{name:str}/withdraw", Permission.EDIT_REGISTER)
def withdraw(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Take a request of ours back, with the reason."""
    screen, form = screen_of(request), Form(request)
    try:
        service.withdraw(
            screen.node,
            screen.realm,
            name,
            reason=form.text("reason")[:TEXT_MAX],
            by=_who(screen),
            now=now(),
            decide=screen.may(Permission.APPROVE_RELEASE),
        )
    except SecretariatError as error:
        return _one(request, name, error)
    return see(f"/requests/{name}")


@act("/requests/{name:str}/release", Permission.EDIT_REGISTER)
def release(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Propose again what was recorded and not let out."""
    screen = screen_of(request)
    try:
        done = service.release_again(
            screen.node,
            screen.realm,
            name,
            by=_who(screen),
            now=now(),
            decide=screen.may(Permission.APPROVE_RELEASE),
        )
        if done.state == "refused":
            raise InputError(
                f"no agreement lets it go: {done.article}", where=done.number, advice="see Agreements"
            )
    except SecretariatError as error:
        return _one(request, name, error)
    return see(f"/requests/{name}")


def _language(text: str) -> str:
    return text if text in LANGUAGES else "en"


def _who(screen: Screen) -> str:
    return screen.visitor.login if screen.visitor else "?"


routes = [
    requests_page,
    new_request,
    ask,
    agenda,
    one_request,
    answer,
    withdraw,
    release,
]
