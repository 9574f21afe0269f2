"""The brief on a page, and as a file to take along: PDF, DOCX, JSON; as of the bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import NotFoundError, SecretariatError
from secretariat.people.model import Permission
from secretariat.register import boards, store
from secretariat.register.brief import data, layout, service
from secretariat.register.brief.model import Brief
from secretariat.register.model import View
from secretariat.register.paper import docx_file, naming, pdf, sheet
from secretariat.register.paper.document import Document
from secretariat.register.screens import chosen_parties, markings_of, sections, view_of
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.words import set_language

if TYPE_CHECKING:
    import sqlalchemy as sa

GROUPS = 24
FORMS = {"pdf": pdf.MEDIA_TYPE, "docx": docx_file.MEDIA_TYPE, "json": "application/json"}


def _view(screen: Screen) -> View:
    return msgspec.structs.replace(view_of(screen), parties=())


def _asked(screen: Screen) -> str:
    """What the address asks for: `of`, else the parties that other pages are narrowed by."""
    return (screen.query.get("of", "").strip() or ",".join(chosen_parties(screen.query)))[:400]


def _made(screen: Screen, tx: sa.Connection, view: View, of: str) -> tuple[Brief, Document]:
    codes, meeting = service.chosen(tx, view, of, own=screen.party)
    brief = service.gather(tx, view, codes, meeting)
    names = naming.party_names(tx, {*codes, *_named(brief)}, screen.language)
    set_language(screen.language)
    head = sheet.head(
        screen.node,
        screen.realm,
        brief.view,
        markings_of(data.rows_of(brief)),
        person=str(getattr(screen.visitor, "name", "")),
        path=screen.href(f"/register/brief?{urlencode({'of': of})}"),
        now=now(),
        language=screen.language,
    )
    return brief, layout.document(brief, head, names, screen.language)


def _named(brief: Brief) -> set[str]:
    return {code for one in brief.promises for code in (*one.row.by, *one.row.parties)}


@page("/register/brief", Permission.READ_REGISTER)
def brief_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Choose parties or a meeting, and read what to prepare for it, as of the bar."""
    screen = screen_of(request)
    view, of = _view(screen), _asked(screen)
    brief, document, error = None, None, None
    with screen.transaction() as tx:
        if of:
            try:
                brief, document = _made(screen, tx, view, of)
            except SecretariatError as refused:
                error = refused
        met = [] if brief is not None else boards.who_met(tx, view)
        meetings = [] if brief is not None else store.statements(tx, view, kinds=["meeting"], newest=True)
    planned = [one for one in meetings if one.state(view) in {"planned", "announced"}]
    shown = [*meetings] if brief is None else [*data.rows_of(brief)]
    groups = dict.fromkeys(",".join(sorted(one.parties)) for one in meetings if len(one.parties) > 2)
    met.sort(key=lambda one: (-one.times, one.one, one.other))
    return screen.render(
        "register/brief.html",
        status=200 if error is None else error.status,
        markings=markings_of(shown),
        section="brief",
        sections=sections(),
        of=of,
        error=error,
        brief=brief,
        document=document,
        met=met[:GROUPS],
        groups=list(groups)[:GROUPS],
        planned=planned[:GROUPS],
        recent=[one for one in meetings if one not in planned][:GROUPS],
        forms=list(FORMS),
    )


@page("/register/brief/file/{form:str}", Permission.READ_REGISTER)
def brief_file(request: Request[Any, Any, Any], form: FromPath[str]) -> Response[bytes]:
    """Give the brief as a file. Refuses a form there is none of, and PDF where letters cannot be drawn."""
    screen = screen_of(request)
    if form not in FORMS:
        raise NotFoundError(f"this page has no {form[:20]!r}", advice="take a download link of the page")
    of = _asked(screen)
    with screen.transaction() as tx:
        brief, document = _made(screen, tx, _view(screen), of)
    name = naming.file_name(
        screen.party,
        "brief",
        of,
        str(brief.view.day),
        document.head.marking,
        realm=screen.realm,
        ending=form,
    )
    return Response(
        content_of(brief, document, form),
        media_type=FORMS[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def content_of(brief: Brief, document: Document, form: str) -> bytes:
    """Give the bytes of a brief in a form."""
    if form == "pdf":
        return pdf.pdf(document, made_at=now())
    if form == "docx":
        return docx_file.docx(document, made_at=now())
    found = {"marking": document.head.marking, "made": document.head.made, **data.data_of(brief)}
    return msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=1)


routes = [brief_page, brief_file]
