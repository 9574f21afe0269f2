"""Pages of guests: what a guest's person sees and does here, and Admin's page of the guests of this node.

What a guest's person is shown is read in `Database.peer` for its party: row-level security is the filter, and
nothing here adds another. Every other page of the node asks for a right that no guest's person can have.
"""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants
from secretariat.agreements.model import MAY
from secretariat.agreements.release import PUBLIC
from secretariat.agreements.service import outlook, with_members
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError, StateError
from secretariat.base.marking import Marking
from secretariat.exchange import guest_store, guests, service
from secretariat.exchange.guest_settling import settle
from secretariat.exchange.guest_view import acting
from secretariat.ledger import service as ledger
from secretariat.people import service as people_service
from secretariat.people import store as people
from secretariat.people.model import GUEST_TABLE, Permission, Person, Role
from secretariat.people.pages import ROLE_WORDS
from secretariat.records.markings import Label
from secretariat.web import words
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.exchange.guest_store import Shown
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.guests")

REPORTS = ("report", "grouping")
REASON_MAX = 500
_LOOK_S = 2.0
_SHOWN_ENTRIES = 100


def _person(screen: Screen) -> tuple[Person, str]:
    """Give the guest's person behind a page, and its party; the guard let nobody else come here."""
    person = screen.visitor
    if not isinstance(person, Person) or person.party is None:
        raise NotFoundError("no guest's page for you")
    return person, person.party


def _markings(screen: Screen, seen: Sequence[Shown]) -> dict[int, Marking]:
    """Give the markings of what the page shows, by label row."""
    with screen.transaction() as tx:
        found = guest_store.labels(tx, [one.label for one in seen])
    marks = {}
    for number, value in found.items():
        label = msgspec.convert(value, Label)
        marks[number] = Marking.of(label.tlp, label.scheme, label.level, label.orig)
    return marks


def _row(one: Shown, marks: dict[int, Marking], screen: Screen) -> dict[str, Any]:
    obj = msgspec.json.decode(one.data)
    marking = marks[one.label]
    return {
        "stix_id": one.stix_id,
        "type": one.type,
        "name": str(obj.get("name") or obj.get("value") or one.stix_id)[:200],
        "language": obj.get("lang") if isinstance(obj.get("lang"), str) else None,
        "tlp": marking.tlp,
        "level": marking.level,
        "originator": one.originator,
        "source": _granted_by(one, screen),
        "state": "withdrawn" if one.revoked else one.state,
        "version": one.version,
    }


def _granted_by(one: Shown, screen: Screen) -> str:
    """Name who granted it: a partner (kept for this guest), the host, or another guest of the host."""
    if one.custodian == screen.guest:
        return one.source
    return one.custodian or screen.party


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = (
        Column("name", _("Name")),
        Column("tlp", _("Marking")),
        Column("originator", _("Originator")),
        *([Column("source", _("Granted by"))] if name == "granted" else []),
        Column("state", _("State")),
        Column("version", _("Version of")),
    )
    return Table(name, columns, rows)


def _holders(screen: Screen, person: Person, stix_id: str) -> Table:
    """Say who holds what the guest published, by each holder's own word."""
    mine = acting(screen.node, screen.realm, person, Permission.GUEST_READ)
    columns = (
        Column("holder", _("Holder")),
        Column("version", _("Version of")),
        Column("state", _("State")),
        Column("at", _("Time")),
    )
    found = service.holders(mine, screen.realm, stix_id, now=now())
    rows = [
        {"holder": one.holder, "version": one.version, "state": one.state, "at": one.at}
        for one in found
        if one.holder != PUBLIC
    ]
    return Table("holders", columns, rows)


@page("/guest", Permission.GUEST_READ)
def guest_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what was granted to a guest, and what it wrote."""
    return _guest(request)


def _guest(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    person, party = _person(screen)
    with screen.node.database.peer(screen.realm, party) as tx:
        seen = guest_store.shown(tx, REPORTS)
    marks = _markings(screen, seen)
    granted = [_row(one, marks, screen) for one in seen if one.originator != party]
    own = [_row(one, marks, screen) for one in seen if one.originator == party]
    answer = screen.answer(
        "exchange/guest.html",
        [_table("granted", granted), _table("own", own)],
        markings=list(marks.values()),
        party=party,
        may_write=person.may(Permission.GUEST_WRITE),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/guest/drafts", Permission.GUEST_WRITE)
def write_draft(request: Request[Any, Any, Any]) -> Response[Any]:
    """Keep a STIX bundle as drafts of the guest."""
    screen, form = screen_of(request), Form(request)
    person, _party = _person(screen)
    try:
        result = guests.write(
            screen.node, screen.realm, person, io.BytesIO(form.text("bundle").encode()), now=now()
        )
        if result.refused:
            first = result.refused[0]
            raise InputError(first.what, where=first.where, advice=first.advice)
    except SecretariatError as error:
        return _guest(request, error)
    return see("/guest")


@page("/guest/reports/{stix_id:str}", Permission.GUEST_READ)
def guest_report(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show one object that was granted to a guest, or that it wrote; with whom it may be shared."""
    return _report(request, stix_id)


def _report(
    request: Request[Any, Any, Any], stix_id: str, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    person, party = _person(screen)
    with screen.node.database.peer(screen.realm, party) as tx:
        one = guest_store.shown_versions(tx, [stix_id]).get(stix_id)
        if one is None:
            raise NotFoundError("no such report here", where=stix_id[:100], advice="look in your list")
        obj = msgspec.json.decode(one.data)
        named = [ref for ref in obj.get("object_refs", []) if isinstance(ref, str)]
        members = list(guest_store.shown_versions(tx, named).values())
    with screen.transaction() as tx:
        people_service.note_read(tx, who=person.login, subject=stix_id, page=screen.path, now=now())
    marks = _markings(screen, [one, *members])
    is_own = one.originator == party
    answer = screen.answer(
        "exchange/guest_report.html",
        [
            _table("objects", [_row(member, marks, screen) for member in members]),
            *([_holders(screen, person, stix_id)] if is_own else []),
        ],
        markings=list(marks.values()),
        row=_row(one, marks, screen),
        obj=obj,
        root=one.root,
        absent=len(named) - len(members),
        outlooks=_outlooks(screen, person, stix_id) if is_own and not one.revoked else [],
        may_release=is_own and not one.revoked and person.may(Permission.GUEST_RELEASE),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


def _outlooks(screen: Screen, person: Person, stix_id: str) -> list[dict[str, Any]]:
    """Say for every party to whom this guest may release, its host among them, what it would get."""
    mine = acting(screen.node, screen.realm, person, Permission.GUEST_READ)
    found: list[dict[str, Any]] = []
    with mine.database.app(screen.realm) as tx:
        versions = with_members(tx, [stix_id])
        clear = [one.id for one in versions if one.label.tlp == "CLEAR" and one.label.level is None]
        if clear:
            there = grants.granted(tx, PUBLIC, clear)
            found.append(
                {
                    "party": PUBLIC,
                    "outcome": MAY,
                    "may": len(clear),
                    "total": len(versions),
                    "granted": len(there),
                    "article": "tlp-2/CLEAR",
                    "missing": "",
                }
            )
        for code in guests.recipients(tx, mine, screen.realm):
            one = outlook(tx, mine, versions, code, now=now())
            first = one.explanations[0].decision
            missing = first.missing.text if first.missing is not None else ""
            found.append(
                {
                    "party": code,
                    "outcome": "may" if one.may else one.outcome,
                    "may": one.may,
                    "total": len(versions),
                    "granted": one.granted,
                    "article": first.article,
                    "missing": missing,
                }
            )
    return found


@act("/guest/reports/{stix_id:str}/release", Permission.GUEST_RELEASE)
def release_draft(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Say DO for the guest to the parties that were ticked."""
    screen, form = screen_of(request), Form(request)
    person, _party = _person(screen)
    try:
        chosen = form.texts("to")
        if not chosen:
            raise InputError("nobody is chosen", where="to", advice="tick at least one party")
        done = guests.publish(screen.node, screen.realm, person, stix_id, to=chosen, now=now())
        if done.publication is None:
            raise StateError("nothing new: who may have it has it", where="to")
    except SecretariatError as error:
        return _report(request, stix_id, error)
    return see(f"/guest/reports/{stix_id}")


@act("/guest/reports/{stix_id:str}/withdraw", Permission.GUEST_RELEASE)
def withdraw_own(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Withdraw what the guest published from everybody who has it."""
    screen, form = screen_of(request), Form(request)
    person, _party = _person(screen)
    reason = form.text("reason").strip()[:REASON_MAX]
    try:
        if not reason:
            raise InputError("a withdrawal needs its reason", where="reason")
        guests.withdraw(screen.node, screen.realm, person, stix_id, reason=reason, now=now())
    except SecretariatError as error:
        return _report(request, stix_id, error)
    return see("/guest")


@page("/guest/log", Permission.GUEST_READ)
def guest_log(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the entries by and for a guest, in its host's log, and the checkpoint they are proven under."""
    screen = screen_of(request)
    _visitor, party = _person(screen)
    with screen.node.database.peer(screen.realm, party) as tx:
        lines = ledger.list_entries(tx, limit=_SHOWN_ENTRIES)
        note = ledger.checkpoint(tx).decode()
    columns = (
        Column("position", _("Entry"), number=True),
        Column("recorded_at", _("Time")),
        Column("kind", _("Kind")),
        Column("party", _("Signed by")),
        Column("recipient", _("To")),
    )
    rows = [
        {
            "position": one.position,
            "recorded_at": one.recorded_at,
            "kind": one.kind,
            "party": one.party,
            "recipient": one.recipient,
        }
        for one in lines
    ]
    return screen.answer("exchange/guest_log.html", [Table("entries", columns, rows)], party=party, note=note)


# Admin


@page("/admin/guests", Permission.MANAGE_PEERS)
def guests_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the guests of this node and their persons."""
    return _guests(request)


def _guests(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        found = guest_store.guests(tx)
        persons = {one.party: people.persons_of(tx, one.party) for one in found}
        partners = guest_store.guest_partners(tx)
    columns = (
        Column("party", _("Guest")),
        Column("name", _("Name")),
        Column("state", _("State")),
        Column("since", _("Since")),
        Column("people", _("People")),
        Column("partners", _("Partners")),
        Column("key", _("Key")),
    )
    rows = [
        {
            "party": one.party,
            "name": one.name,
            "state": one.state,
            "since": one.since,
            "people": ", ".join(person.login for person in persons[one.party] if not person.disabled_at),
            "partners": " ".join(with_.partner for with_ in partners if with_.guest == one.party),
            "key": one.public.hex(),
        }
        for one in found
    ]
    answer = screen.answer(
        "exchange/guests.html",
        [Table("guests", columns, rows)],
        roles=[(role.value, _(ROLE_WORDS[role])) for role in GUEST_TABLE],
        failed=[one for one in partners if one.last_error],
        languages_offered=words.LANGUAGES,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/admin/guests", Permission.MANAGE_PEERS)
def add_guest(request: Request[Any, Any, Any]) -> Response[Any]:
    """Host a party without a node."""
    screen, form = screen_of(request), Form(request)
    try:
        guests.add(
            screen.node,
            form.text("party").strip().upper(),
            name=form.text("name"),
            by=_login(screen),
            now=now(),
        )
    except SecretariatError as error:
        return _guests(request, error)
    return see("/admin/guests")


@act("/admin/guests/{party:str}/people", Permission.MANAGE_PEOPLE)
def add_guest_person(request: Request[Any, Any, Any], party: FromPath[str]) -> Response[Any]:
    """Let a person of a guest sign in."""
    screen, form = screen_of(request), Form(request)
    try:
        guests.add_person(
            screen.node,
            screen.realm,
            party,
            login=form.text("login").strip().lower(),
            name=form.text("name"),
            password=form.text("password"),
            roles=[Role(word) for word in form.texts("role") if word in set(Role)],
            language=form.text("language", "en"),
            by=_login(screen),
            now=now(),
        )
    except SecretariatError as error:
        return _guests(request, error)
    return see("/admin/guests")


def _login(screen: Screen) -> str:
    return screen.visitor.login if screen.visitor else "?"


async def keep_guests(node: Node) -> None:
    """Hand entries over between this node and its guests for as long as the node runs."""
    while True:
        for realm in node.settings.realms:
            await asyncio.to_thread(_look, node, realm)
        await asyncio.sleep(_LOOK_S)


def _look(node: Node, realm: str) -> None:
    guests.agree_again(node, realm, now=now())
    settle(node, realm, now=now())


routes = [
    guest_page,
    write_draft,
    guest_report,
    release_draft,
    withdraw_own,
    guest_log,
    guests_page,
    add_guest,
    add_guest_person,
]
background = [keep_guests]
