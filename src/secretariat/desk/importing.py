"""Import on a page: a bundle comes in as drafts, and the result says what was accepted, refused and where.

One upload is one transaction, as on the command line: a broken file stores nothing, a bad member is refused
with its place and the rest is kept. The same file again changes nothing.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response

from secretariat.base.errors import InputError, SecretariatError
from secretariat.people.model import Permission
from secretariat.records import schema_check
from secretariat.records.markings import TLP_ORDER
from secretariat.records.result import ImportResult
from secretariat.records.service import import_stream
from secretariat.web.routing import Form, act, page
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _


@page("/reports/import", Permission.WRITE_REPORTS)
def import_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Offer to bring in a file."""
    return _import(request)


def _import(
    request: Request[Any, Any, Any],
    *,
    result: ImportResult | None = None,
    error: SecretariatError | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    refusals = Table(
        "refusals",
        (
            Column("where", _("Where")),
            Column("what", _("What was wrong")),
            Column("advice", _("What to do")),
            Column("id", _("Object")),
            Column("code", _("Code")),
        ),
        [
            {"where": one.where, "what": one.what, "advice": one.advice, "id": one.id, "code": one.code}
            for one in (result.refused if result else ())
        ],
    )
    odd = Table(
        "warnings",
        (
            Column("where", _("First place")),
            Column("what", _("What is odd")),
            Column("count", _("Times"), number=True),
        ),
        [
            {"where": one.where, "what": one.what, "count": one.count}
            for one in (result.warnings if result else ())
        ],
    )
    settings = screen.node.settings
    answer = screen.answer(
        "desk/import.html",
        [refusals, odd],
        result=result,
        types=sorted(result.types.items()) if result else (),
        error=error,
        tlps=TLP_ORDER,
        default_tlp=settings.default_tlp,
        most=settings.limits.max_request_bytes,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/import", Permission.WRITE_REPORTS, status=200, takes_file=True)
def bring_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Keep the objects of a file as drafts of this party, and show the result."""
    screen, form = screen_of(request), Form(request)
    settings = screen.node.settings
    try:
        stream = form.file("file")
        if stream is None:
            raise InputError(_("no file was chosen"), where="file", advice=_("choose a file first"))
        tlp = form.text("tlp") or settings.default_tlp
        if tlp not in TLP_ORDER:
            raise InputError(_("not a TLP word"), where="tlp")
        result = import_stream(
            screen.node.database,
            screen.realm,
            settings.party,
            stream,
            default_tlp=tlp,
            ceiling=settings.ceiling,
            limits=settings.limits,
            examine=schema_check.checker() if form.text("schemas") == "yes" else None,
        )
    except SecretariatError as error:
        return _import(request, error=error)
    return _import(request, result=result)


routes = [import_page, bring_in]
