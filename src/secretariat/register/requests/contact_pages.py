"""Contacts with the day last tested, and the digest by mail: two sections of Requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response

from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.people import store as people
from secretariat.people.model import Permission
from secretariat.register import parties
from secretariat.register.attention import attention
from secretariat.register.requests import contacts, digest
from secretariat.register.requests.pages import tabs
from secretariat.register.requests.wording import PURPOSES, TESTED
from secretariat.register.screens import markings_of, view_of
from secretariat.register.wording import word_of
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from secretariat.web.screen import Screen


@page("/requests/contacts", Permission.READ_REGISTER)
def contacts_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List contacts per party and purpose; those that nobody tested for long are marked."""
    return _contacts(screen_of(request))


def _contacts(
    screen: Screen, error: SecretariatError | None = None, given: dict[str, str] | None = None
) -> Response[Any]:
    view = view_of(screen)
    with screen.transaction() as tx:
        found = contacts.contacts(tx, view, screen.party)
        codes = sorted(parties.known(tx, screen.party) - parties.states())
    table = Table(
        "contacts",
        (
            Column("party", _("Party")),
            Column("purpose", _("Purpose")),
            Column("address", _("Address")),
            Column("tested_on", _("Last tested")),
            Column("tested", _("Result")),
        ),
        [
            {
                "key": one.key,
                "party": one.party,
                "purpose": word_of(PURPOSES, one.purpose),
                "address": one.address,
                "title": one.row.title,
                "tested_on": "" if one.tested_on is None else one.tested_on.isoformat(),
                "tested": word_of(TESTED, one.tested),
                "stale": one.stale,
                "originator": one.row.originator,
                "tlp": one.row.tlp,
            }
            for one in found
        ],
    ).sorted_by(screen.query)
    answer = screen.answer(
        "register/contacts.html",
        [table],
        markings=markings_of(one.row for one in found),
        tabs=tabs(),
        codes=codes,
        purposes=[(key, word_of(PURPOSES, key)) for key in PURPOSES],
        results=[(key, word_of(TESTED, key)) for key in TESTED if key != "sent"],
        stale=sum(one.stale for one in found),
        filled=given or {"party": "", "purpose": "incident", "address": "", "name": ""},
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/requests/contacts", Permission.EDIT_REGISTER)
def record_contact(request: Request[Any, Any, Any]) -> Response[Any]:
    """Record a contact, or correct it."""
    screen, form = screen_of(request), Form(request)
    given = {name: form.text(name).strip()[:400] for name in ("party", "purpose", "address", "name")}
    try:
        contacts.record(screen.node, screen.realm, **given, by=_who(screen), now=now())
    except SecretariatError as error:
        return _contacts(screen, error, given)
    return see("/requests/contacts")


@act("/requests/contacts/test", Permission.EDIT_REGISTER)
def test_contact(request: Request[Any, Any, Any]) -> Response[Any]:
    """Keep what a test of a contact came to, today."""
    screen, form = screen_of(request), Form(request)
    try:
        contacts.keep_test(
            screen.node,
            screen.realm,
            form.text("key"),
            result=form.text("result"),
            by=_who(screen),
            now=now(),
        )
    except SecretariatError as error:
        return _contacts(screen, error)
    return see("/requests/contacts")


@page("/requests/mail", Permission.READ_REGISTER)
def mail_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what a digest says, and where this person's goes."""
    return _mail(screen_of(request))


def _mail(screen: Screen, error: SecretariatError | None = None) -> Response[Any]:
    login = _who(screen)
    with screen.transaction() as tx:
        mine = next((one for one in digest.readers(tx) if one.login == login), None)
        found = attention(tx, view_of(screen), screen.party, now=now())
        also = digest.counted(tx, screen.node, people.person_by_login(tx, login), now=now())
    subject, text = digest.compose(screen.node, screen.realm, found, also, now=now())
    return screen.render(
        "register/mail.html",
        status=200 if error is None else error.status,
        tabs=tabs(),
        mine=mine,
        subject=subject,
        text=text,
        server=bool(screen.node.settings.smtp_host),
        error=error,
    )


@act("/requests/mail", Permission.READ_REGISTER)
def change_mail(request: Request[Any, Any, Any]) -> Response[Any]:
    """Begin, change or end this person's digest."""
    screen, form = screen_of(request), Form(request)
    try:
        with screen.transaction() as tx:
            if form.text("every") in digest.RHYTHMS:
                digest.subscribe(tx, _who(screen), form.text("address"), form.text("every"))
            else:
                digest.unsubscribe(tx, _who(screen))
    except SecretariatError as error:
        return _mail(screen, error)
    return see("/requests/mail")


def _who(screen: Screen) -> str:
    return screen.visitor.login if screen.visitor else "?"


routes = [contacts_page, record_contact, test_contact, mail_page, change_mail]
