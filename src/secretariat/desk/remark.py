"""Mark higher or lower: a page that says what happens to each holder, by the decision, and then the deed.

One person may do it here; where two are needed the page says so and the deed is refused (`remark --second`).
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.base.marking import TLP_ORDER
from secretariat.desk import store
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import remarking
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _


@page("/reports/{stix_id:str}/remark", Permission.WITHDRAW)
def remark_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show what another marking would do to each holder."""
    return _remark(request, stix_id, screen_of(request).query.get("tlp", ""))


def _remark(
    request: Request[Any, Any, Any],
    stix_id: str,
    tlp: str,
    error: SecretariatError | None = None,
    reason: str = "",
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
    if stored is None:
        raise NotFoundError(_("no such report here"), where=stix_id[:100], advice=_("look in Reports"))
    found = None
    if tlp and error is None:
        try:
            found = remarking.forecast(screen.node, screen.realm, stix_id, tlp=tlp, now=now())
        except SecretariatError as refused:
            error = refused
    line = store.line_of(stored)
    answer = screen.answer(
        "desk/remark.html",
        [],
        markings=[line.marking],
        line=line,
        words=[word for word in TLP_ORDER if word != line.marking.tlp],
        tlp=tlp,
        found=found,
        code=code_of(stix_id),
        error=error,
        reason=reason,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/{stix_id:str}/remark", Permission.WITHDRAW)
def remark(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Publish it under the chosen marking. Refuses a wrong code, no reason, and one person where two must."""
    screen, form = screen_of(request), Form(request)
    tlp, reason = form.text("tlp"), form.text("reason").strip()[:REASON_MAX]
    try:
        if not screen.may(Permission.APPROVE_RELEASE):
            raise InputError(_("who marks anew must be allowed to release"), where="tlp")
        if form.text("code").strip().lower() != code_of(stix_id):
            raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
        remarking.replace(
            screen.node,
            screen.realm,
            stix_id,
            tlp=tlp,
            reason=reason,
            by=screen.visitor.login if screen.visitor else "?",
            confirm=form.text("confirm") == "yes",
            now=now(),
        )
    except SecretariatError as error:
        return _remark(request, stix_id, tlp, error, reason)
    return see(f"/reports/{stix_id}/receipts")


routes = [remark_page, remark]
