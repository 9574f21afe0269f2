"""Intake on pages: left the text with marked spans, right the proposals with the reason for each field.

Everything works with forms alone; a script adds keys (j k between proposals, a accept, e edit, r reject). The
place where reading stopped is the first open proposal, found again at any later visit.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import AsOf, now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.people.model import Permission
from secretariat.register.intake import changes, drafts, fetching, marking_up, service, store
from secretariat.register.intake.capture import Limits
from secretariat.register.intake.store import Item
from secretariat.register.intake.wording import reason
from secretariat.register.model import View
from secretariat.register.overlap.wording import QUESTION_WORDS
from secretariat.register.overlap.wording import why as near_why
from secretariat.register.screens import address_of, sections
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

FIELDS = (
    ("title", mark("Title")),
    ("true_from", mark("True from")),
    ("true_to", mark("True to")),
    ("due", mark("Due")),
    ("due_text", mark("Due, in words")),
    ("cadence", mark("Rhythm")),
    ("parties", mark("Parties")),
    ("groups", mark("Groups")),
    ("orgs", mark("Bodies")),
    ("place", mark("Place")),
    ("level", mark("Level of the meeting")),
    ("round", mark("Round")),
)
AT_ONCE = 40
"""Proposals that one page shows; a long document has many."""
_ONLY = {"due": "commitment", "due_text": "commitment", "cadence": "commitment"}
KIND_WORDS = {
    "meeting": mark("meeting"),
    "instrument": mark("instrument"),
    "status-change": mark("change of status"),
    "commitment": mark("commitment"),
    "development": mark("development"),
    "exercise": mark("joint exercise"),
    "attack": mark("attack"),
    "statement": mark("statement"),
    "absence": mark("absence"),
}
SOURCE_WORDS = {
    "primary": mark("issued by a party or joint body"),
    "copy": mark("copy of a primary text"),
    "press": mark("press"),
    "secondary": mark("analysis or reference"),
    "machine": mark("made or translated by a machine"),
}


@page("/register/intake", Permission.EDIT_REGISTER)
def intakes_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the documents taken in, and offer to take in another."""
    return _intakes(request)


def _intakes(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        lines = store.listing(tx)
    return screen.render(
        "register/intakes.html",
        status=200 if error is None else error.status,
        sections=sections(),
        lines=lines,
        error=error,
        kinds=SOURCE_WORDS,
        fetches=bool(screen.node.settings.intake_proxy),
        most=Limits().data,
    )


@act("/register/intake", Permission.EDIT_REGISTER, takes_file=True)
def take_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Capture a file, or an address through the node's proxy, and read it."""
    screen, form = screen_of(request), Form(request)
    try:
        stream, url = form.file("file"), form.text("url").strip()
        address: str | None = url or None
        charset: str | None = None
        if stream is not None:
            data = stream.read(Limits().data + 1)
            name = str(getattr(stream, "name", "") or "") or form.text("name") or "document"
        elif url:
            fetched = fetching.fetch(url, screen.node.settings.intake_proxy)
            data, name, address, charset = fetched.data, fetched.name, fetched.url, fetched.charset
        else:
            raise InputError(_("no file was chosen"), where="file", advice=_("choose a file first"))
        taken = service.take_in(
            screen.node,
            screen.realm,
            data,
            name,
            by=_who(screen),
            now=now(),
            address=address,
            charset=charset,
            source_kind=form.text("kind") or "secondary",
            own=_day(form.text("date")),
        )
    except SecretariatError as error:
        return _intakes(request, error)
    return see(f"/register/intake/{taken[0].intake}")


@page("/register/intake/{intake:int}", Permission.EDIT_REGISTER)
def intake_page(request: Request[Any, Any, Any], intake: FromPath[int]) -> Response[Any]:
    """Show the text with its marks, and what is proposed from it."""
    return _intake(request, intake)


def _intake(
    request: Request[Any, Any, Any], intake: int, error: SecretariatError | None = None, at: int | None = None
) -> Response[Any]:
    screen = screen_of(request)
    moment = now()
    with screen.transaction() as tx:
        one = service.there(tx, intake)
        text = store.text_of(tx, one.capture)
        items = store.items(tx, intake)
        asked = at or _number(screen.query.get("at", ""))
        current = next((item for item in items if item.number == asked), None)
        current = current or next((item for item in items if item.state == "open"), None)
        near: tuple[service.Near, ...] = ()
        if current is not None:
            view = View.of(AsOf(), now=moment, zone=screen.zone)
            near = service.nearest(tx, view, current, one.reading.lang)
    first = (current.number - 1) // AT_ONCE * AT_ONCE if current else 0
    shown = items[first : first + AT_ONCE]
    stretch = marking_up.window(len(text.text), current.proposal.start if current else 0)
    cut = marking_up.pieces(
        text.text,
        stretch,
        proposals=[
            (item.number, item.proposal.start, item.proposal.end)
            for item in items
            if item.state != "rejected"
        ],
        dates=one.reading.dates,
        mentions=one.reading.mentions,
    )
    return screen.render(
        "register/intake.html",
        status=200 if error is None else error.status,
        sections=sections(),
        one=one,
        text=text,
        pieces=cut,
        stretch=stretch,
        items=[_shown(item) for item in shown],
        earlier=shown[0].number - 1 if shown and shown[0].number > 1 else None,
        later=shown[-1].number + 1 if shown and shown[-1].number < items[-1].number else None,
        current=current.number if current else None,
        counts={
            state: sum(item.state == state for item in items) for state in ("open", "accepted", "rejected")
        },
        near=near,
        questions=QUESTION_WORDS,
        near_why=near_why,
        address_of=address_of,
        kinds=KIND_WORDS,
        sources=one.reading.sources,
        error=error,
        reason=reason,
    )


def _shown(item: Item) -> dict[str, Any]:
    proposal = item.proposal
    rows = []
    for name, word in FIELDS:
        value = getattr(proposal, name)
        if isinstance(value, tuple):
            value = " ".join(value)
        if name in _ONLY and proposal.kind != _ONLY[name]:
            continue
        rows.append(
            {
                "name": name,
                "word": word,
                "value": "" if value is None else value,
                "why": proposal.why.get(name),
            }
        )
    rows[0]["why"] = rows[0]["why"] or None
    return {
        "number": item.number,
        "state": item.state,
        "version": item.version,
        "kind": proposal.kind,
        "kind_why": proposal.why.get("kind"),
        "announced": proposal.why.get("announced") if proposal.announced else None,
        "status_word": proposal.state,
        "title": proposal.title,
        "quote": proposal.quote,
        "start": proposal.start,
        "end": proposal.end,
        "rows": rows,
        "notes": proposal.notes,
        "record_key": item.record_key,
        "decided_by": item.decided_by,
        "decided_at": item.decided_at,
        "reason": item.reason,
    }


@act("/register/intake/{intake:int}/{number:int}", Permission.EDIT_REGISTER)
def decide(request: Request[Any, Any, Any], intake: FromPath[int], number: FromPath[int]) -> Response[Any]:
    """Accept a proposal, with what was edited; put it aside; or take that back."""
    screen, form = screen_of(request), Form(request)
    try:
        seen, deed, by = _number(form.text("seen")) or 0, form.text("deed"), _who(screen)
        if deed == "accept":
            with screen.transaction() as tx:
                item = store.item(tx, intake, number)
            given = {name: form.text(name) for name in ("kind", *(f for f, _w in FIELDS)) if form.texts(name)}
            edited = changes.read({**given, "title": form.text("title")} if given else {})
            kept = edited if item is None else _changed(item, edited)
            service.accept(
                screen.node, screen.realm, intake, number, seen=seen, by=by, now=now(), changes=kept
            )
        elif deed == "reject":
            service.reject(
                screen.node,
                screen.realm,
                intake,
                number,
                seen=seen,
                reason=form.text("reason"),
                by=by,
                now=now(),
            )
        elif deed == "reopen":
            service.reopen(screen.node, screen.realm, intake, number, seen=seen, by=by, now=now())
        else:
            raise InputError(_("not one of the deeds of this page"), where="deed")
    except SecretariatError as error:
        return _intake(request, intake, error, at=number)
    with screen.transaction() as tx:
        open_ones = [item.number for item in store.items(tx, intake) if item.state == "open"]
    after = next((one for one in open_ones if one > number), open_ones[0] if open_ones else number)
    return see(f"/register/intake/{intake}?at={after}#p-{after}")


def _changed(item: Item, edited: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the officer left as it was proposed."""
    return {
        name: value
        for name, value in edited.items()
        if (getattr(item.proposal, name) or None) != (value or None)
    }


@act("/register/intake/{intake:int}/date", Permission.EDIT_REGISTER)
def set_date(request: Request[Any, Any, Any], intake: FromPath[int]) -> Response[Any]:
    """Set the document's own date and read it again."""
    screen, form = screen_of(request), Form(request)
    try:
        day = _day(form.text("date"))
        if day is None:
            raise InputError(_("no day was given"), where="date", advice="2012-09-03")
        service.set_date(screen.node, screen.realm, intake, day)
    except SecretariatError as error:
        return _intake(request, intake, error)
    return see(f"/register/intake/{intake}")


def _who(screen: Screen) -> str:
    return str(getattr(screen.visitor, "login", None) or getattr(screen.visitor, "name", ""))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(_("no such day"), where="date", advice="2012-09-03") from None


SOURCES = drafts.SOURCE_KINDS
routes = [intakes_page, take_in, intake_page, decide, set_date]
