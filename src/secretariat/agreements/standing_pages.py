"""Standing releases for people: list, sign, second signature, revoke at once, and what each was used for.

Everything is decided in `workflow`; these pages show the terms in words before somebody signs them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import facts, grants, workflow
from secretariat.agreements.wording import purposes_of
from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.people.model import Permission
from secretariat.people.service import people_who_may
from secretariat.records.markings import TLP_ORDER
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

TITLE_MAX = 200
WORD_MAX = 64
REASON_MAX = 2000
STIX_TYPES = (
    "indicator",
    "observed-data",
    "sighting",
    "report",
    "malware",
    "attack-pattern",
    "infrastructure",
    "vulnerability",
    "course-of-action",
    "note",
)
"""Types that the form offers: what tools send all day. Another type is named on the command line."""


def state_of(one: workflow.StandingRelease, moment: Any) -> str:
    """Give the state in one word: proposed, active, expired or revoked."""
    if one.revoked_at is not None:
        return "revoked"
    if one.entry is None:
        return "proposed"
    return "expired" if one.ends < moment else "active"


@page("/releases/standing", Permission.READ_REPORTS)
def standings_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List standing releases, and offer to sign one."""
    return _standings(request)


def _standings(
    request: Request[Any, Any, Any],
    error: SecretariatError | None = None,
    given: dict[str, Any] | None = None,
) -> Response[Any]:
    screen, moment = screen_of(request), now()
    with screen.transaction() as tx:
        found = workflow.standings(tx)
        partners = grants.parties(tx, partners_only=True)
        purposes = purposes_of(facts.whole_book(tx))
        admins = [] if partners else people_who_may(tx, Permission.MANAGE_PEERS)
    table = Table(
        "standing",
        (
            Column("title", _("Title")),
            Column("state", _("State")),
            Column("to", _("To")),
            Column("purpose", _("Purpose")),
            Column("highest", _("Up to")),
            Column("used", _("Used today"), number=True),
            Column("signed_by", _("Signed by")),
            Column("ends", _("Ends")),
        ),
        [
            {
                "id": str(one.id),
                "title": one.title,
                "state": state_of(one, moment),
                "to": " ".join(one.terms.partners),
                "purpose": one.terms.purpose,
                "highest": one.terms.highest,
                "used": f"{one.used} / {one.terms.per_day}",
                "signed_by": ", ".join(one.signed_by),
                "ends": one.ends,
            }
            for one in found
        ],
    ).sorted_by(screen.query)
    answer = screen.answer(
        "agreements/standings.html",
        [table],
        partners=partners,
        admins=admins,
        purposes=purposes,
        tlps=TLP_ORDER[: TLP_ORDER.index(workflow.HIGHEST_STANDING) + 1],
        types=STIX_TYPES,
        days_max=screen.node.settings.limits.standing_days,
        error=error,
        given=given or {},
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/releases/standing", Permission.APPROVE_RELEASE)
def begin(request: Request[Any, Any, Any]) -> Response[Any]:
    """Sign a standing release, or propose it to a second person. Refuses terms that are too wide."""
    screen, form = screen_of(request), Form(request)
    given: dict[str, Any] = {
        name: form.text(name).strip() for name in ("title", "purpose", "highest", "per_day", "days")
    }
    given |= {"to": form.texts("to"), "types": form.texts("type"), "second": form.text("second") == "yes"}
    try:
        if not given["title"] or len(given["title"]) > TITLE_MAX:
            raise InputError(_("a standing release needs a title"), where="title")
        if not given["purpose"] or len(given["purpose"]) > WORD_MAX:
            raise InputError(_("a standing release needs a purpose"), where="purpose")
        with screen.transaction() as tx:
            known = {one.code for one in grants.parties(tx, partners_only=True)}
        if not given["to"] or not set(given["to"]) <= known:
            raise InputError(_("no partner is chosen"), where="to", advice=_("tick at least one partner"))
        numbers = {name: given[name] for name in ("per_day", "days")}
        if not all(text.isascii() and text.isdecimal() and len(text) < 8 for text in numbers.values()):
            raise InputError(_("a whole number is needed"), where="per_day, days")
        made = workflow.begin_standing(
            screen.node,
            screen.realm,
            workflow.Terms(
                partners=given["to"],
                purpose=given["purpose"],
                types=given["types"],
                highest=given["highest"],
                per_day=int(given["per_day"]),
            ),
            title=given["title"],
            by=[screen.visitor.login if screen.visitor else "?"],
            days=int(given["days"]),
            needs_second=given["second"],
            now=now(),
        )
    except SecretariatError as error:
        return _standings(request, error, given)
    return see(f"/releases/standing/{made.id}")


@page("/releases/standing/{number:uuid}", Permission.READ_REPORTS)
def standing_page(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Show one standing release: its terms in words, who signed, and every grant made under it."""
    return _standing(request, number)


def _standing(
    request: Request[Any, Any, Any], number: UUID, error: SecretariatError | None = None
) -> Response[Any]:
    screen, moment = screen_of(request), now()
    with screen.transaction() as tx:
        one = workflow.standing(tx, number)
        used = workflow.uses_of(tx, number)
    table = Table(
        "uses",
        (
            Column("at", _("Time")),
            Column("entry", _("Entry"), number=True),
            Column("recipient", _("To")),
            Column("objects", _("Objects"), number=True),
        ),
        [
            {"at": use.at, "entry": use.entry, "recipient": use.recipient, "objects": use.objects}
            for use in used
        ],
    ).sorted_by(screen.query)
    login = screen.visitor.login if screen.visitor else ""
    state = state_of(one, moment)
    answer = screen.answer(
        "agreements/standing.html",
        [table],
        one=one,
        state=state,
        may_sign=screen.acts
        and state == "proposed"
        and screen.may(Permission.APPROVE_RELEASE)
        and login not in one.signed_by,
        own_proposal=state == "proposed" and login in one.signed_by,
        may_revoke=screen.acts and state in {"proposed", "active"} and screen.may(Permission.APPROVE_RELEASE),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/releases/standing/{number:uuid}/sign", Permission.APPROVE_RELEASE)
def sign(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Sign as the second person."""
    screen = screen_of(request)
    try:
        workflow.sign_standing(
            screen.node,
            screen.realm,
            number,
            by=screen.visitor.login if screen.visitor else "?",
            now=now(),
        )
    except SecretariatError as error:
        return _standing(request, number, error)
    return see(f"/releases/standing/{number}")


@act("/releases/standing/{number:uuid}/revoke", Permission.APPROVE_RELEASE)
def revoke(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """End it at once: nothing more goes under it. What went stays, and can be withdrawn."""
    screen = screen_of(request)
    try:
        workflow.end_standing(
            screen.node,
            screen.realm,
            number,
            by=screen.visitor.login if screen.visitor else "?",
            reason=Form(request).text("reason").strip()[:REASON_MAX],
            now=now(),
        )
    except SecretariatError as error:
        return _standing(request, number, error)
    return see(f"/releases/standing/{number}")


routes = [standings_page, begin, standing_page, sign, revoke]
