"""Narrow: take some of what was granted back from some of its holders, and from nobody else.

The page says exactly what will happen; the deed wants the record's code typed, as a withdrawal does. Who may
withdraw may narrow, also what came from another originator: it takes back its own grant, not the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.desk import store
from secretariat.desk.model import QUIET_TYPES, name_of
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import service as exchange
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.records.store import Stored

EVERYBODY = "*"


def _granted(tx: Connection, stored: Stored) -> list[tuple[Stored, list[str]]]:
    """Give every version of a record and of what it lists that somebody was granted, with the holders."""
    refs = [ref for ref in stored.object().get("object_refs", []) if isinstance(ref, str)]
    versions = records.versions(tx, stored.stix_id)
    versions += [one for one in records.latest(tx, refs).values() if one.type not in QUIET_TYPES]
    held = grants.classes_of(tx, [one.id for one in versions])
    found = []
    for one in versions:
        holders = sorted(
            {grant.recipient for grant in held.get(one.id, ()) if grant.lapsed_at is None} - {EVERYBODY}
        )
        if holders and one.root is not None:
            found.append((one, holders))
    return found


@page("/reports/{stix_id:str}/narrow", Permission.WITHDRAW)
def narrow_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show who holds which version under a grant of this node, to choose from."""
    return _narrow(request, stix_id)


def _narrow(
    request: Request[Any, Any, Any],
    stix_id: str,
    error: SecretariatError | None = None,
    given: dict[str, Any] | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
        if stored is None:
            raise NotFoundError(_("no such report here"), where=stix_id[:100], advice=_("look in Reports"))
        granted = _granted(tx, stored)
    line = store.line_of(stored)
    answer = screen.answer(
        "desk/narrow.html",
        [],
        markings=[store.line_of(one).marking for one, _holders in granted] or [line.marking],
        line=line,
        versions=[
            {
                "id": one.id,
                "name": name_of(one.object()),
                "language": one.object().get("lang"),
                "type": one.type,
                "version": one.version,
                "holders": holders,
                "marking": store.line_of(one).marking,
            }
            for one, holders in granted
        ],
        holders=sorted({holder for _one, holders in granted for holder in holders}),
        code=code_of(stix_id),
        error=error,
        given=given or {},
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/{stix_id:str}/narrow", Permission.WITHDRAW)
def narrow(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Take the chosen versions back from the chosen holders. Refuses a wrong code, no reason, no choice."""
    screen, form = screen_of(request), Form(request)
    given: dict[str, Any] = {
        "reason": form.text("reason").strip(),
        "to": form.texts("to"),
        "take": form.texts("take"),
    }
    try:
        if not given["to"] or not given["take"]:
            raise InputError(_("nothing is chosen"), where="to, take", advice=_("tick holders and versions"))
        if form.text("code").strip().lower() != code_of(stix_id):
            raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
        if not given["reason"]:
            raise InputError(_("taking back needs its reason"), where="reason")
        with screen.transaction() as tx:
            stored = records.get(tx, stix_id)
            granted = [] if stored is None else _granted(tx, stored)
        wanted: dict[str, list[bytes]] = {}
        for one, _holders in granted:
            if str(one.id) in given["take"] and one.root is not None:
                wanted.setdefault(one.stix_id, []).append(one.root)
        exchange.narrow_some(
            screen.node,
            screen.realm,
            wanted,
            to=given["to"],
            reason=given["reason"][:REASON_MAX],
            by=screen.visitor.login if screen.visitor else "?",
            now=now(),
        )
    except SecretariatError as error:
        return _narrow(request, stix_id, error, given)
    return see(f"/reports/{stix_id}#holders")


routes = [narrow_page, narrow]
