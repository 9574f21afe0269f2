"""Changes of what partners hold: what would happen to each of them, the deed, and the second person.

The pages Mark anew and Correct say what they want changed; here it is forecast, done where one person may,
and else proposed: the offices that a house rule names concur, and a second person, who sees the same
forecast, says DO. Where one person may say DO, who proposed it may do so once the offices concurred.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import DeniedError, InputError, NotFoundError, SecretariatError
from secretariat.base.marking import Marking
from secretariat.desk import store
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import change_service, change_store, remarking
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from secretariat.exchange.changes import Change
    from secretariat.exchange.remarking import Forecast
    from secretariat.records.store import Stored
    from secretariat.web.screen import Screen


def stored_of(screen: Screen, stix_id: str) -> Stored:
    """Give the newest version of an object. Refuses one that is not here."""
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
    if stored is None:
        raise NotFoundError(_("no such report here"), where=stix_id[:100], advice=_("look in Reports"))
    return stored


def closed(screen: Screen, stored: Stored) -> bool:
    """Whether an object cannot be changed so: it is another's, never was published, or was withdrawn."""
    return stored.originator != screen.party or stored.state != "published" or stored.revoked


def marking_after(found: Forecast | None) -> Marking | None:
    """Say how the new version is marked."""
    if found is None or found.label is None:
        return None
    label = found.label
    return Marking.of(label.tlp, label.scheme, label.level, label.orig)


def digest_of(change: Change) -> str:
    """Give what tells two changes apart, whatever reason they state: what was forecast is what is done."""
    return sha256(msgspec.json.encode(msgspec.structs.replace(change, reason=""), order="sorted")).hexdigest()


def do(screen: Screen, form: Form, stix_id: str, change: Change) -> str:
    """Do a change, or propose it where two persons must or offices are asked; gives the page of the result.

    Refuses a wrong code, no reason, who may not release, and conditions that nobody confirmed.
    """
    if not screen.may(Permission.APPROVE_RELEASE):
        raise DeniedError(_("who changes what partners hold must be allowed to release"), where="by")
    if form.text("code").strip().lower() != code_of(stix_id):
        raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
    by = screen.visitor.login if screen.visitor else "?"
    found = remarking.forecast(screen.node, screen.realm, stix_id, change, now=now())
    if found.two or found.offices:
        one = change_service.propose(screen.node, screen.realm, stix_id, change, by=by, now=now())
        return f"/reports/{stix_id}/changes/{one.id}"
    confirm = form.text("confirm") == "yes"
    remarking.replace(screen.node, screen.realm, stix_id, change, by=by, confirm=confirm, now=now())
    return f"/reports/{stix_id}/receipts"


@page("/reports/{stix_id:str}/changes/{number:uuid}", Permission.READ_REPORTS)
def change_page(
    request: Request[Any, Any, Any], stix_id: FromPath[str], number: FromPath[UUID]
) -> Response[Any]:
    """Show what one person proposed, what it would do to each holder, and to a second person the deed."""
    return _change(request, stix_id, number)


def _change(
    request: Request[Any, Any, Any], stix_id: str, number: UUID, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    screen.shown_at = f"/reports/{stix_id}/changes/{number}"
    with screen.transaction() as tx:
        one = change_store.get(tx, number)
    if one.stix_id != stix_id:
        raise NotFoundError(_("no such report here"), where=stix_id[:100], advice=_("look in Reports"))
    stored = stored_of(screen, stix_id)
    found = None
    if one.state == "proposed":
        try:
            found = remarking.forecast(screen.node, screen.realm, stix_id, one.change, now=now())
        except SecretariatError as refused:
            error = error or refused
    line = store.line_of(stored)
    login = screen.visitor.login if screen.visitor else ""
    same_person = one.proposed_by == login and (found is None or found.two)
    after = marking_after(found)
    answer = screen.answer(
        "desk/change.html",
        [],
        markings=[line.marking, *([after] if after is not None else [])],
        line=line,
        one=one,
        found=found,
        after=after,
        differs=_differences(stored.object(), one.change) if one.change.value is not None else [],
        same_person=same_person,
        concurs=screen.office
        if screen.acts and one.state == "proposed" and screen.office in one.waits_for
        else None,
        may_decide=screen.acts
        and one.state == "proposed"
        and screen.may(Permission.APPROVE_RELEASE)
        and not one.waits_for
        and not same_person,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


def _differences(before: dict[str, Any], change: Change) -> list[tuple[str, str, str]]:
    """Name the properties that a correction changes, with what stood there and what shall stand."""
    after = change.value or {}
    names = sorted(
        {*before, *after}
        - {"modified", "extensions", "id", "type", "created", "created_by_ref", "spec_version"}
    )
    return [
        (name, _text(before.get(name)), _text(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@act("/reports/{stix_id:str}/changes/{number:uuid}", Permission.APPROVE_RELEASE)
def decide_change(
    request: Request[Any, Any, Any], stix_id: FromPath[str], number: FromPath[UUID]
) -> Response[Any]:
    """Say DO to what was proposed, or refuse with the reason."""
    screen, form = screen_of(request), Form(request)
    by = screen.visitor.login if screen.visitor else "?"
    try:
        if form.text("deed") == "refuse":
            reason = form.text("reason")[:REASON_MAX]
            change_service.refuse(screen.node, screen.realm, number, by=by, reason=reason, now=now())
        else:
            confirm = form.text("confirm") == "yes"
            change_service.approve(screen.node, screen.realm, number, by=by, confirm=confirm, now=now())
            return see(f"/reports/{stix_id}/receipts")
    except SecretariatError as error:
        return _change(request, stix_id, number, error)
    return see(f"/reports/{stix_id}/changes/{number}")


@act("/reports/{stix_id:str}/changes/{number:uuid}/concur", Permission.READ_REPORTS)
def concur_change(
    request: Request[Any, Any, Any], stix_id: FromPath[str], number: FromPath[UUID]
) -> Response[Any]:
    """Concur for the office of the person who is signed in. Refuses an office that is not asked."""
    screen = screen_of(request)
    by = screen.visitor.login if screen.visitor else "?"
    try:
        change_service.concur(screen.node, screen.realm, number, office=screen.office or "", by=by, now=now())
    except SecretariatError as error:
        return _change(request, stix_id, number, error)
    return see(f"/reports/{stix_id}/changes/{number}")


routes = [change_page, decide_change, concur_change]
