"""Notes on pages: the list, one note as of the bar, its form, its files; and what anybody may read.

Everything works with forms alone. Inserting a footnote, choosing statements and saving are one form, so that
whatever was typed comes back with it, also when something is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import AsOf, now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.people.model import Permission
from secretariat.records.markings import TLP_ORDER
from secretariat.register import boards
from secretariat.register.model import Row, View
from secretariat.register.notes import files, rules, service
from secretariat.register.notes.files import FORMS
from secretariat.register.notes.service import Footnote, Typed
from secretariat.register.screens import line_of, marking_of, markings_of, sections, view_of
from secretariat.web import asof
from secretariat.web.guard import PUBLIC
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import LANGUAGES
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    import sqlalchemy as sa


def _view(screen: Screen) -> View:
    return msgspec.structs.replace(view_of(screen), parties=())


def _present(screen: Screen) -> View:
    return View.of(AsOf(), now=now(), zone=screen.zone)


def _who(screen: Screen) -> str:
    return str(getattr(screen.visitor, "login", None) or getattr(screen.visitor, "name", ""))


@page("/register/notes", Permission.READ_REGISTER)
def notes_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the notes as of the bar."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        rows = service.notes(tx, view)
    table = Table(
        "notes",
        (
            Column("when", _("Written")),
            Column("title", _("Note")),
            Column("parties", _("Parties")),
            Column("disclosed", _("First disclosed")),
            Column("sources", _("Footnotes"), number=True),
            Column("originator", _("Statement of")),
        ),
        [{**line_of(one, view), "disclosed": one.body.get("known_public") or ""} for one in rows],
    )
    return screen.answer(
        "register/notes.html",
        [table.sorted_by(screen.query)],
        markings=markings_of(rows),
        section="notes",
        sections=sections(),
    )


# --- reading --------------------------------------------------------------------------------------------


def _made(screen: Screen, tx: sa.Connection, row: Row, view: View, *, public: bool = False) -> files.Made:
    place = "/public/notes" if public else "/register/notes"
    return files.made(
        tx,
        screen.node,
        screen.realm,
        row,
        view,
        person=screen.party if public else str(getattr(screen.visitor, "name", "")),
        path=screen.href(f"{place}/{row.key}"),
        language=screen.language,
        public=public,
    )


@page("/register/notes/{key:str}", Permission.READ_REGISTER)
def note_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show a note as of the bar, or one of its revisions."""
    screen = screen_of(request)
    view = _view(screen)
    with screen.transaction() as tx:
        newest = service.note_of(tx, view, key)
        every = service.revisions(tx, newest, view)
        asked = screen.query.get("version", "")
        row = next((one for one in every if str(one.id) == asked), newest)
        made = _made(screen, tx, row, view)
        cited = [*made.sources.values(), *made.about]
        told = next((one for one in every if str(one.id) == screen.query.get("told", "")), None)
        released = service.released(tx, newest)
    return screen.render(
        "register/note.html",
        markings=markings_of([row, *cited]),
        section="notes",
        sections=sections(),
        above=[one for one in cited if marking_of(one).tlp_place > marking_of(row).tlp_place],
        row=row,
        newest=newest,
        revisions=every,
        document=made.document,
        told=told,
        released=released,
        own=row.originator == screen.party,
        edits=screen.acts and screen.may(Permission.EDIT_REGISTER) and row.originator == screen.party,
        releases=screen.acts and screen.may(Permission.PROPOSE_RELEASE) and row.originator == screen.party,
        forms=list(FORMS),
    )


@page("/register/notes/{key:str}/file/{form:str}", Permission.READ_REGISTER)
def note_file(request: Request[Any, Any, Any], key: FromPath[str], form: FromPath[str]) -> Response[bytes]:
    """Give a note as a file: HTML, PDF, DOCX, Markdown or a STIX report."""
    screen = screen_of(request)
    view = _view(screen)
    with screen.transaction() as tx:
        row = service.note_of(tx, view, key)
        return _file(screen, tx, row, view, form)


def _file(
    screen: Screen, tx: sa.Connection, row: Row, view: View, form: str, *, public: bool = False
) -> Response[bytes]:
    if form not in FORMS:
        raise NotFoundError(f"this page has no {form[:20]!r}", advice="take a download link of the page")
    made = _made(screen, tx, row, view, public=public)
    content = files.content_of(tx, made, form)
    name = files.name_of(screen.party, made, form, screen.realm)
    return Response(
        content,
        media_type=FORMS[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


# --- writing --------------------------------------------------------------------------------------------


@page("/register/notes/new", Permission.EDIT_REGISTER)
def new_note_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Offer the form of a note; `?about=KEY,KEY` chooses statements."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    keys = tuple(one for one in screen.query.get("about", "")[:2000].split(",") if one)
    typed = Typed(
        lang=screen.language,
        statements=keys,
        written_by=str(getattr(screen.visitor, "name", "")),
        true_from=now().date().isoformat(),
        tlp=screen.node.settings.default_tlp,
    )
    return _form(screen, typed)


@act("/register/notes/new", Permission.EDIT_REGISTER)
def new_note(request: Request[Any, Any, Any]) -> Response[Any]:
    """Record a note; or insert a footnote, choose statements, take a footnote out, and go on writing."""
    screen, form = screen_of(request), Form(request)
    typed = _typed(form)
    try:
        deed = form.text("deed", "save")
        if deed != "save":
            return _form(screen, _changed(screen, typed, deed))
        key = service.write(screen.node, screen.realm, typed, _present(screen), by=_who(screen), now=now())
    except SecretariatError as error:
        return _form(screen, typed, error)
    return see(f"/register/notes/{key}")


@page("/register/notes/{key:str}/edit", Permission.EDIT_REGISTER)
def edit_note_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Offer a note of this party for revision, as it stands now."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    view = _present(screen)
    with screen.transaction() as tx:
        row = service.note_of(tx, view, key)
        typed = service.typed_of(tx, row, view)
    return _form(screen, typed, row=row, seen=row.id)


@act("/register/notes/{key:str}/edit", Permission.EDIT_REGISTER)
def edit_note(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Write a revision; another officer's stays beside this one, and its author is told."""
    screen, form = screen_of(request), Form(request)
    typed, view = _typed(form), _present(screen)
    seen = _number(form.text("seen"))
    with screen.transaction() as tx:
        row = service.note_of(tx, view, key)
    try:
        deed = form.text("deed", "save")
        if deed != "save":
            return _form(screen, _changed(screen, typed, deed), row=row, seen=seen)
        done = service.change(
            screen.node, screen.realm, key, typed, view, seen=seen, by=_who(screen), now=now()
        )
    except SecretariatError as error:
        return _form(screen, typed, error, row=row, seen=seen)
    told = f"?{urlencode({'told': done.unseen[0]})}" if done.unseen else ""
    return see(f"/register/notes/{row.key}{told}")


def _typed(form: Form) -> Typed:
    return Typed(
        title=form.text("title"),
        lang=form.text("lang") if form.text("lang") in LANGUAGES else "en",
        summary=form.text("summary"),
        text=form.text("text"),
        statements=tuple(one.strip() for one in form.text("statements").splitlines() if one.strip()),
        footnotes=tuple(
            Footnote(source, quote)
            for source, quote in zip(form.texts("source"), form.texts("quote"), strict=False)
            if source.strip() or quote.strip()
        ),
        related=form.text("related"),
        written_by=form.text("written_by"),
        true_from=form.text("true_from"),
        disclosed=form.text("disclosed"),
        tlp=form.text("tlp") if form.text("tlp") in TLP_ORDER else "",
    )


def _changed(screen: Screen, typed: Typed, deed: str) -> Typed:
    """Give the form after a deed that records nothing: insert, drop or choose."""
    what, _sep, rest = deed.partition(":")
    if what == "drop":
        number = _number(rest)
        kept = tuple(one for place, one in enumerate(typed.footnotes, 1) if place != number)
        return msgspec.structs.replace(typed, footnotes=kept, text=rules.without(typed.text, number))
    if what == "insert":
        key, _sep, place = rest.rpartition("#")
        with screen.transaction() as tx:
            row = service.chosen(tx, [key], _present(screen))[0]
            sources = boards.sources_of(tx, [row], _present(screen))
        cite = row.cites[_number(place)] if _number(place) < len(row.cites) else None
        if cite is None or cite["source_ref"] not in sources:
            raise InputError("this source is not here", where="footnotes", advice="choose another")
        footnote = Footnote(sources[cite["source_ref"]].key, str(cite.get("quote", "")))
        notes = (*typed.footnotes, footnote)
        return msgspec.structs.replace(typed, footnotes=notes, text=f"{typed.text}[^{len(notes)}]")
    return typed


def _form(
    screen: Screen,
    typed: Typed,
    error: SecretariatError | None = None,
    *,
    row: Row | None = None,
    seen: int = 0,
) -> Response[Any]:
    view = _present(screen)
    chosen: list[Row] = []
    sources: dict[str, Row] = {}
    with screen.transaction() as tx:
        for key in typed.statements:
            try:
                chosen += service.chosen(tx, [key], view)
            except SecretariatError as refused:
                error = error or refused
        sources = boards.sources_of(tx, chosen, view)
    return screen.render(
        "register/note_form.html",
        status=200 if error is None else error.status,
        markings=markings_of(chosen),
        section="notes",
        sections=sections(),
        typed=typed,
        error=error,
        row=row,
        seen=seen,
        chosen=chosen,
        sources=sources,
        levels=TLP_ORDER,
        spoken=LANGUAGES,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


# --- for anybody ----------------------------------------------------------------------------------------


def _open_to_all(screen: Screen) -> None:
    if not screen.node.settings.public_pages:
        raise NotFoundError("this node has no public pages", advice="its operator may set public_pages")


@page("/public/notes", PUBLIC)
def public_notes_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List what is CLEAR, publicly known and released to the public."""
    screen = screen_of(request)
    _open_to_all(screen)
    view = _present(screen)
    with screen.transaction() as tx:
        rows = service.public(tx, view)
    return screen.render(
        "register/public_notes.html", markings=markings_of(rows), lines=[line_of(one, view) for one in rows]
    )


@page("/public/notes/{key:str}", PUBLIC)
def public_note_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show one of them."""
    screen = screen_of(request)
    _open_to_all(screen)
    view = _present(screen)
    with screen.transaction() as tx:
        row = _public(tx, view, key)
        made = _made(screen, tx, row, _clear(view), public=True)
    return screen.render(
        "register/public_note.html",
        markings=markings_of([row]),
        row=row,
        document=made.document,
        forms=list(FORMS),
    )


@page("/public/notes/{key:str}/file/{form:str}", PUBLIC)
def public_note_file(
    request: Request[Any, Any, Any], key: FromPath[str], form: FromPath[str]
) -> Response[bytes]:
    """Give one of them as a file."""
    screen = screen_of(request)
    _open_to_all(screen)
    view = _present(screen)
    with screen.transaction() as tx:
        return _file(screen, tx, _public(tx, view, key), _clear(view), form, public=True)


def _public(tx: sa.Connection, view: View, key: str) -> Row:
    row = next((one for one in service.public(tx, view) if key in {one.key, one.stix_id}), None)
    if row is None:
        raise NotFoundError("no such public note", advice="GET /public/notes")
    return row


def _clear(view: View) -> View:
    return msgspec.structs.replace(view, clear=True, public=True)


routes = [
    notes_page,
    new_note_page,
    new_note,
    note_page,
    note_file,
    edit_note_page,
    edit_note,
    public_notes_page,
    public_note_page,
    public_note_file,
]
