"""Sign-in and sign-out, and Admin: roles, people, tokens, partners, who read what.

`visitor` is what the guard of `web` asks: the person behind the session cookie of this node and realm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.people import service, store
from secretariat.people.model import GUEST_TABLE, SENTENCES, TABLE, Permission, Person, Role, Scope
from secretariat.web import words
from secretariat.web.guard import PUBLIC
from secretariat.web.realm import realm_of
from secretariat.web.routing import Form, act, inside, page, see
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection

ROLE_WORDS = {
    Role.ANALYST: mark("analyst"),
    Role.RELEASER: mark("releasing officer"),
    Role.OFFICER: mark("secretariat officer"),
    Role.PLANNER: mark("exercise planner"),
    Role.AUDITOR: mark("auditor"),
    Role.INTEGRATOR: mark("integrator"),
    Role.ADMIN: mark("administrator"),
}

SENTENCE_WORDS = (
    mark("Read the reports that this party wrote or was granted."),
    mark("Write and import reports as drafts; only a release lets a draft leave."),
    mark("Ask the agreements who may get a report, and propose its release."),
    mark("Say DO on a decision that says MAY, or approve what another proposed."),
    mark("Withdraw a report of this party from everyone who holds it."),
    mark("Read instruments and ask what may flow between whom, on any day."),
    mark("Record instruments, their status, consents and house rules of this party."),
    mark("Read and verify the log, its checkpoints, proofs and receipts."),
    mark("Read meetings, commitments, projects and boards."),
    mark("Record meetings, commitments, evidence and accounts."),
    mark("Match against own telemetry, run hunts, export rules."),
    mark("Plan and run exercises in the exercise realm."),
    mark("Read criteria, evidence, findings and handling audits."),
    mark("Record evidence and findings, sign audit reports."),
    mark("See who read which report, and when."),
    mark("Create and revoke the tokens with which tools connect."),
    mark("Invite, accept and suspend other parties' nodes."),
    mark("Add and disable persons and give them roles."),
    mark("As a guest: read what was granted to this party, and what it wrote."),
    mark("As a guest: write drafts for this party."),
    mark("As a guest: say DO for this party, and withdraw what it published."),
)


def cookie_name(connection: ASGIConnection[Any, Any, Any, Any], realm: str) -> str:
    """The session cookie of this node and realm: browsers share cookies between ports of one host."""
    return f"secretariat_{connection.app.state.node.settings.party}_{realm}".lower()


def visitor(connection: ASGIConnection[Any, Any, Any, Any], realm: str) -> Person | None:
    """The person behind this request's session, if there is one."""
    node = connection.app.state.get("node")
    if node is None:
        return None
    secret = connection.cookies.get(cookie_name(connection, realm))
    if not secret:
        return None
    with node.database.app(realm) as tx:
        return service.person_of_session(tx, secret, limits=node.settings.limits, now=now())


@page("/sign-in", PUBLIC)
def sign_in_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the sign-in form; who is signed in is led on."""
    screen = screen_of(request)
    target = inside(screen.query.get("next", "/"))
    if screen.visitor is not None:
        return see(_home(screen.visitor, target))
    with screen.transaction() as tx:
        nobody_yet = not store.persons(tx)
    return screen.render("people/sign_in.html", next=target, error=None, login="", nobody_yet=nobody_yet)


@act("/sign-in", PUBLIC)
def sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Check login and password, and open a session."""
    screen = screen_of(request)
    form = Form(request)
    target = inside(form.text("next", "/"))
    login = form.text("login").strip().lower()
    address = request.client.host if request.client else "?"
    limits = screen.node.settings.limits
    try:
        person, secret = service.sign_in(
            screen.node.database,
            screen.realm,
            login,
            form.text("password"),
            address=address,
            limits=limits,
            now=now(),
        )
    except SecretariatError as error:
        return screen.render(
            "people/sign_in.html",
            status=error.status,
            next=target,
            error=error.code,
            login=login[:64],
            nobody_yet=False,
        )
    answer = see(_home(person, target))
    answer.set_cookie(
        cookie_name(request, screen.realm),
        secret,
        max_age=limits.session_max_s,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _home(visitor: Any, target: str) -> str:
    """Lead a guest's person to its own pages: the Desk is the host's."""
    return "/guest" if getattr(visitor, "party", None) and not target.startswith("/guest") else target


@act("/sign-out", PUBLIC)
def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
    """End the session."""
    realm = realm_of(request)
    name = cookie_name(request, realm)
    secret = request.cookies.get(name)
    if secret:
        with screen_of(request).transaction() as tx:
            service.sign_out(tx, secret)
    answer = see("/sign-in")
    answer.delete_cookie(name)
    return answer


@page("/admin", Permission.MANAGE_PEOPLE)
def people_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Persons of this realm and the form that adds one."""
    return _people(request)


def _people(
    request: Request[Any, Any, Any],
    error: SecretariatError | None = None,
    given: dict[str, str] | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        persons = store.persons(tx)
    table = Table(
        "people",
        (
            Column("login", _("Login")),
            Column("name", _("Name")),
            Column("roles", _("Roles")),
            Column("state", _("State")),
            Column("created_at", _("Since")),
        ),
        [
            {
                "login": one.login,
                "name": one.name,
                "roles": ", ".join(_(ROLE_WORDS[role]) for role in sorted(one.roles)),
                "state": "disabled" if one.disabled_at else "active",
                "created_at": one.created_at,
            }
            for one in persons
        ],
    ).sorted_by(screen.query)
    answer = screen.answer(
        "people/people.html",
        [table],
        roles=[(role.value, _(word)) for role, word in ROLE_WORDS.items()],
        languages_offered=words.LANGUAGES,
        error=error,
        given=given or {},
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/admin/people", Permission.MANAGE_PEOPLE)
def add_person(
    request: Request[Any, Any, Any],
) -> Response[Any]:
    """Add a person."""
    screen = screen_of(request)
    form = Form(request)
    try:
        roles = [Role(word) for word in form.texts("role") if word in set(Role)]
        with screen.transaction() as tx:
            service.add_person(
                tx,
                login=form.text("login").strip().lower(),
                name=form.text("name"),
                password=form.text("password"),
                roles=roles,
                language=form.text("language", "en"),
                by=_by(request),
                now=now(),
            )
    except SecretariatError as error:
        return _people(request, error, {"login": form.text("login"), "name": form.text("name")})
    return see("/admin")


@act("/admin/people/{login:str}/disable", Permission.MANAGE_PEOPLE)
def disable_person(request: Request[Any, Any, Any], login: FromPath[str]) -> Response[None]:
    """Disable a person. Refuses oneself, so that no realm loses its last administrator by a slip."""
    if login == _by(request):
        raise InputError("you cannot disable yourself", where="login", advice="another administrator can")
    with screen_of(request).transaction() as tx:
        service.disable_person(tx, login, now=now())
    return see("/admin")


def _rights(role: Role) -> frozenset[Permission]:
    """Give what a role allows, to the host's persons or to a guest's."""
    return TABLE[role] | GUEST_TABLE.get(role, frozenset())


@page("/admin/roles", Permission.MANAGE_PEOPLE)
def roles_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """The one table of rights: permission by role."""
    screen = screen_of(request)
    table = Table(
        "roles",
        (
            Column("permission", _("Permission")),
            Column("sentence", _("What it allows")),
            *(Column(role.value, _(word)) for role, word in ROLE_WORDS.items()),
        ),
        [
            {
                "permission": permission.value,
                "sentence": _(SENTENCES[permission]),
                **{role.value: "yes" if permission in _rights(role) else "" for role in Role},
            }
            for permission in Permission
        ],
    )
    return screen.answer("people/roles.html", [table], roles=list(Role))


@page("/admin/tokens", Permission.MANAGE_TOKENS)
def tokens_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Tokens of tools, without their secrets."""
    return _tokens(request)


def _tokens(
    request: Request[Any, Any, Any],
    *,
    secret: str | None = None,
    label: str = "",
    error: SecretariatError | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    moment = now()
    with screen.transaction() as tx:
        tokens = store.tokens(tx)
    table = Table(
        "tokens",
        (
            Column("label", _("Tool")),
            Column("reader", _("Reads for")),
            Column("scopes", _("May")),
            Column("state", _("State")),
            Column("expires_at", _("Ends")),
            Column("last_used_at", _("Last used")),
            Column("created_by", _("Created by")),
        ),
        [
            {
                "id": str(one.id),
                "label": one.label,
                "reader": one.reader,
                "scopes": ", ".join(sorted(scope.value for scope in one.scopes)),
                "state": "revoked" if one.revoked_at else "expired" if one.expires_at <= moment else "active",
                "expires_at": one.expires_at,
                "last_used_at": one.last_used_at,
                "created_by": one.created_by,
            }
            for one in tokens
        ],
    ).sorted_by(screen.query)
    answer = screen.answer("people/tokens.html", [table], secret=secret, label=label, error=error, days=90)
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/admin/tokens", Permission.MANAGE_TOKENS, status=200)
def create_token(
    request: Request[Any, Any, Any],
) -> Response[Any]:
    """Create a token and show its secret once: in this answer, which no cache keeps."""
    screen = screen_of(request)
    form = Form(request)
    try:
        days = form.text("days", "90")
        if not days.isdecimal() or len(days) > 4:
            raise InputError("days is a whole number", where="days")
        with screen.transaction() as tx:
            token, secret = service.create_token(
                tx,
                label=form.text("label"),
                reader=form.text("reader").strip().upper() or screen.party,
                scopes=[Scope(word) for word in form.texts("scope") if word in set(Scope)],
                lifetime=timedelta(days=int(days)),
                by=_by(request),
                limits=screen.node.settings.limits,
                now=now(),
            )
    except SecretariatError as error:
        return _tokens(request, error=error)
    return _tokens(request, secret=secret, label=token.label)


@act("/admin/tokens/{token:uuid}/revoke", Permission.MANAGE_TOKENS)
def revoke_token(request: Request[Any, Any, Any], token: FromPath[UUID]) -> Response[None]:
    """Revoke a token at once."""
    with screen_of(request).transaction() as tx:
        service.revoke_token(tx, token, now=now())
    return see("/admin/tokens")


@page("/admin/reads", Permission.READ_READ_LOG)
def reads_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Who read what, the newest first."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        reads = store.reads(tx, limit=500)
    table = Table(
        "reads",
        (
            Column("at", _("Time")),
            Column("who", _("Person")),
            Column("subject", _("Report")),
            Column("page", _("Page")),
        ),
        [{"at": one.at, "who": one.who, "subject": one.subject, "page": one.page} for one in reads],
    ).sorted_by(screen.query)
    return screen.answer("people/reads.html", [table])


def _by(request: Request[Any, Any, Any]) -> str:
    visitor = screen_of(request).visitor
    return visitor.login if visitor else "?"


routes = [
    sign_in_page,
    sign_in,
    sign_out,
    people_page,
    add_person,
    disable_person,
    roles_page,
    tokens_page,
    create_token,
    revoke_token,
    reads_page,
]
