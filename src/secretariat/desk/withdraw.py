"""Withdraw: a page that says exactly what will happen, and the deed, which wants the record's code typed."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants
from secretariat.base.clock import now
from secretariat.base.errors import DeniedError, InputError, NotFoundError, SecretariatError
from secretariat.desk import store
from secretariat.exchange import service as exchange
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _

REASON_MAX = 2000


def code_of(stix_id: str) -> str:
    """The short code of a record, typed to confirm: six letters and digits that any keyboard has."""
    return stix_id.rpartition("--")[2][:6].lower()


@page("/reports/{stix_id:str}/withdraw", Permission.WITHDRAW)
def withdraw_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show who will be asked to destroy what."""
    return _withdraw(request, stix_id)


def _withdraw(
    request: Request[Any, Any, Any], stix_id: str, error: SecretariatError | None = None, reason: str = ""
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
        if stored is None:
            raise NotFoundError("no such report here", where=stix_id[:100], advice="look in Reports")
        if stored.originator != screen.party:
            raise DeniedError(
                f"only {stored.originator} withdraws what it made",
                where=stix_id[:100],
                advice="ask the originator",
            )
        versions = records.versions(tx, stix_id)
        granted = grants.classes_of(tx, [one.id for one in versions])
    holders: dict[str, int] = {}
    for classes in granted.values():
        for one in classes:
            if one.lapsed_at is None:
                holders[one.recipient] = holders.get(one.recipient, 0) + 1
    line = store.line_of(stored)
    answer = screen.answer(
        "desk/withdraw.html",
        [],
        markings=[line.marking],
        line=line,
        versions=len(versions),
        holders=sorted(holders.items()),
        code=code_of(stix_id),
        error=error,
        reason=reason,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/{stix_id:str}/withdraw", Permission.WITHDRAW)
def withdraw(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Withdraw the object from everybody who has it. Refuses a wrong code or no reason."""
    screen, form = screen_of(request), Form(request)
    reason = form.text("reason").strip()[:REASON_MAX]
    try:
        if form.text("code").strip().lower() != code_of(stix_id):
            raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
        if not reason:
            raise InputError(_("a withdrawal needs its reason"), where="reason")
        by = screen.visitor.login if screen.visitor else "?"
        exchange.withdraw(screen.node, screen.realm, stix_id, reason=reason, by=by, now=now())
    except SecretariatError as error:
        return _withdraw(request, stix_id, error, reason)
    return see(f"/reports/{stix_id}#holders")


routes = [withdraw_page, withdraw]
