"""Release: who gets it, and why. A row per partner with every article tried; propose, approve, refuse.

The rows are `service.forecast`: the function that decides when somebody says DO. A page of the past answers
and offers nothing to act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import facts, grants, service, sponsoring, workflow
from secretariat.agreements.lowering import lowered
from secretariat.agreements.model import DENY, MAY, OWN
from secretariat.agreements.recompute import COMPANY
from secretariat.agreements.wording import marking_of, purposes_of, shown
from secretariat.base.clock import AsOf, now
from secretariat.base.errors import DeniedError, InputError, NotFoundError, SecretariatError, StateError
from secretariat.people.model import Permission
from secretariat.people.service import people_who_may
from secretariat.records import leaving_out
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from secretariat.records.store import Stored

NOW = AsOf()
PURPOSE_MAX = 64
REASON_MAX = 2000


def _purpose(screen: Screen) -> str | None:
    purpose = screen.query.get("purpose", "").strip()
    if len(purpose) > PURPOSE_MAX:
        raise InputError(f"a purpose has at most {PURPOSE_MAX} letters", where="purpose")
    return purpose or None


def _core(stix_ids: Iterable[str]) -> list[str]:
    """Leave out what only accompanies others: markings, authors, definitions of extensions."""
    return [one for one in stix_ids if one.partition("--")[0] not in COMPANY]


def _rows(
    outlooks: list[service.Outlook], names: dict[str, str], held: dict[str, set[str]]
) -> list[dict[str, Any]]:
    """Lay out what each partner would get: one line per partner, its distinct answers inside.

    The line's outcome is that of the content; who may have the authors' names and markings alone gets NOT.
    """
    rows = []
    for one in outlooks:
        answers = [
            {
                "marking": marking_of(answer.label),
                "originator": answer.label.orig,
                "count": len(members),
                "left_out": answer.left_out,
                "core": _core(members) or ([] if any(_core(other) for other in one.objects) else members),
                **shown(answer.decision),
            }
            for answer, members in zip(one.explanations, one.objects, strict=True)
        ]
        order = {MAY: 0, DENY: 1}
        answers.sort(
            key=lambda answer: (not answer["core"], order.get(answer["outcome"], 2), -answer["count"])
        )
        content = [answer for answer in answers if answer["core"]]
        counts = {
            outcome: sum(len(answer["core"]) for answer in content if answer["outcome"] == outcome)
            for outcome in (MAY, DENY, OWN)
        }
        may = [answer for answer in content if answer["outcome"] == MAY]
        deny = [answer for answer in content if answer["outcome"] == DENY]
        there = held.get(one.party, set())
        rows.append(
            {
                "party": one.party,
                "name": names.get(one.party, ""),
                "outcome": "some" if may and deny else MAY if may else DENY if deny else OWN,
                "may": counts[MAY],
                "total": sum(counts.values()),
                "granted": sum(stix_id in there for answer in may for stix_id in answer["core"]),
                "open": any(stix_id not in there for answer in may for stix_id in answer["core"]),
                "articles": list(dict.fromkeys(answer["article"] for answer in may)),
                "refused": list(dict.fromkeys(answer["missing"] or answer["article"] for answer in deny)),
                "answers": answers,
                "warnings": list(dict.fromkeys(w for answer in content for w in answer["warnings"])),
            }
        )
    return rows


def _conditions(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Give what the person who says DO confirms: partner, articles and why, each once."""
    return list(
        dict.fromkeys(
            (row["party"], ", ".join(condition["articles"]), condition["why"])
            for row in rows
            for answer in row["answers"]
            if answer["outcome"] == MAY and answer["core"]
            for condition in answer["conditions"]
        )
    )


def _held(tx: Connection, members: Sequence[Stored], as_of: AsOf = NOW) -> dict[str, set[str]]:
    """Say which of these objects each partner was granted in their present version, by the times asked."""
    ids = {one.id: one.stix_id for one in members}
    found: dict[str, set[str]] = {}
    granted = grants.classes_of(tx, list(ids), recorded_by=as_of.earliest, position=as_of.position)
    for version, classes in granted.items():
        for one in classes:
            if one.lapsed_at is None:
                found.setdefault(one.recipient, set()).add(ids[version])
    return found


@page("/reports/{stix_id:str}/release", Permission.READ_REPORTS)
def release_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show for every partner MAY or NOT, the deciding article, and all that was tried."""
    return _release(request, stix_id)


def _release(
    request: Request[Any, Any, Any], stix_id: str, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
        if stored is None:
            raise NotFoundError("no such report here", where=stix_id[:100], advice="look in Reports")
        earlier = workflow.of_object(tx, stix_id)
        purpose = _purpose(screen)
        if "purpose" not in screen.query:  # the last one is the likeliest; the form shows it
            by = screen.visitor.login if screen.visitor else ""
            purpose = earlier[0].purpose if earlier else workflow.last_purpose(tx, by)
        outlooks = service.forecast(tx, screen.node, [stix_id], screen.bar.as_of, purpose=purpose, now=now())
        members = service.with_members(tx, [stix_id])
        names = {one.code: one.name for one in grants.parties(tx)}
        purposes = purposes_of(facts.whole_book(tx))
        held = _held(tx, members, screen.bar.as_of)
        hosts = grants.hosts(tx)
        needs_two = bool(workflow.for_two(tx, screen.node, members))
        lower = lowered(tx, members, party=screen.party)
        source = next(iter(sponsoring.sources_of(tx, [one.stix_id for one in members]).values()), None)
        admins = [] if outlooks else people_who_may(tx, Permission.MANAGE_PEERS)
    rows = _rows(outlooks, names, held)
    table = Table(
        "decisions",
        (
            Column("party", _("Partner")),
            Column("objects", _("Objects"), number=True),
            Column("marking", _("Marking")),
            Column("outcome", _("Outcome")),
            Column("article", _("Article")),
            Column("missing", _("Missing link")),
            Column("obligations", _("Obligations")),
            Column("until", _("Until")),
        ),
        [
            {
                "party": row["party"],
                "objects": answer["count"],
                "marking": answer["marking"].tlp or answer["marking"].level,
                "outcome": answer["outcome"],
                "article": answer["article"],
                "missing": answer["missing"],
                "obligations": [duty["do"] for duty in answer["obligations"]],
                "until": answer["until"].isoformat() if answer["until"] else None,
            }
            for row in rows
            for answer in row["answers"]
        ],
    )
    own = [one for one in members if one.originator == screen.party]
    conditions = _conditions(rows)
    answer = screen.answer(
        "agreements/release.html",
        [table],
        markings=[marking_of(one.label) for one in members],
        stix_id=stix_id,
        title=_title(stored.object(), stix_id),
        rows=rows,
        hosts=hosts,
        total=len(members),
        foreign=len(members) - len(own),
        purpose=purpose or "",
        purposes=purposes,
        needs_two=needs_two,
        lower=lower,
        optional=_optional(members, screen.party),
        source=source,
        earlier=earlier,
        conditions=conditions,
        admins=admins,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


def _title(obj: dict[str, Any], default: str) -> str:
    name = obj.get("name")
    return name if isinstance(name, str) and name else default


def _optional(members: Sequence[Stored], party: str) -> list[str]:
    """Name the properties of others' objects that may be left out when they are passed on.

    Where one object needs what another may lack, it is not offered.
    """
    theirs = [one for one in members if one.originator != party and one.type not in COMPANY]
    may = {name for one in theirs for name in leaving_out.optional(one.object())}
    return sorted(may - {name for one in theirs for name in leaving_out.required(one.type)})


def _unconfirmed() -> InputError:
    return InputError("the conditions are not confirmed", where="confirmed", advice="read and tick them")


@act("/reports/{stix_id:str}/release", Permission.PROPOSE_RELEASE)
def propose(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Propose the release to the partners chosen; where one person suffices and may, release at once."""
    screen, form = screen_of(request), Form(request)
    partners = form.texts("to")
    if not partners:
        return _release(
            request,
            stix_id,
            InputError("no partner is chosen", where="to", advice="tick at least one partner"),
        )
    with screen.transaction() as tx:
        stored = records.get(tx, stix_id)
        known = {one.code for one in grants.parties(tx, partners_only=True)}
        purpose = form.text("purpose").strip()[:PURPOSE_MAX] or None
        chosen = service.forecast(tx, screen.node, [stix_id], purpose=purpose, now=now())
    if stored is None:
        raise NotFoundError("no such report here", where=stix_id[:100])
    if source := form.text("source").strip():
        who = screen.visitor.login if screen.visitor else "?"
        try:
            with screen.transaction() as tx:
                members = service.with_members(tx, [stix_id])
                sponsoring.name_source(tx, members, source, party=screen.party, by=who, now=now())
        except (DeniedError, InputError) as error:
            return _release(request, stix_id, error)
    strangers = [code for code in partners if code not in known]
    if strangers:
        raise InputError(f"no partner {', '.join(strangers)[:80]}", where="to")
    if service.conditions_of(chosen, partners) and form.text("confirmed") != "yes":
        return _release(request, stix_id, _unconfirmed())
    by = screen.visitor.login if screen.visitor else "?"
    proposed = workflow.propose(
        screen.node,
        screen.realm,
        [stix_id],
        title=_title(stored.object(), stix_id),
        to=partners,
        purpose=purpose,
        by=by,
        leave_out=form.texts("leave_out"),
        now=now(),
    )
    at_once = form.text("deed") == "release" and not proposed.needs_two and not proposed.waits_for
    if at_once and screen.may(Permission.APPROVE_RELEASE):
        workflow.decide_release(screen.node, screen.realm, proposed.id, by=by, now=now())
    return see(f"/releases/{proposed.id}")


@page("/releases", Permission.READ_REPORTS)
def releases_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List what waits for a decision."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        waiting = workflow.waiting(tx)
        standings = len(workflow.standings(tx))
    table = Table(
        "releases",
        (
            Column("title", _("Report")),
            Column("partners", _("To")),
            Column("proposed_by", _("Proposed by")),
            Column("proposed_at", _("Since")),
        ),
        [
            {
                "id": str(one.id),
                "title": one.title,
                "partners": " ".join(one.partners or []),
                "proposed_by": one.proposed_by,
                "proposed_at": one.proposed_at,
            }
            for one in waiting
        ],
    )
    return screen.answer("agreements/releases.html", [table], standings=standings, moment=now())


@page("/releases/{number:uuid}", Permission.READ_REPORTS)
def one_release(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Show one release: what goes to whom by which article, who proposed, who decided."""
    return _one(request, number)


def _one(
    request: Request[Any, Any, Any], number: UUID, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    screen.shown_at = f"/releases/{number}"
    with screen.transaction() as tx:
        found = workflow.get(tx, number)
        members = service.with_members(tx, found.objects)
        names = {one.code: one.name for one in grants.parties(tx)}
        hosts = grants.hosts(tx)
        rows = []
        if found.state == "proposed":
            outlooks = service.forecast(tx, screen.node, found.objects, purpose=found.purpose, now=now())
            chosen = [one for one in outlooks if found.partners is None or one.party in found.partners]
            rows = _rows(chosen, names, _held(tx, members))
    login = screen.visitor.login if screen.visitor else ""
    answer = screen.answer(
        "agreements/one_release.html",
        [],
        markings=[marking_of(one.label) for one in members],
        one=found,
        rows=rows,
        hosts=hosts,
        total=len(members),
        may_decide=screen.acts
        and found.state == "proposed"
        and screen.may(Permission.APPROVE_RELEASE)
        and not (found.needs_two and found.proposed_by == login),
        same_person=found.needs_two and found.proposed_by == login,
        offices=[msgspec.to_builtins(office) for office in found.offices],
        concurs=screen.office
        if screen.acts and found.state == "proposed" and screen.office in found.waits_for
        else None,
        conditions=_conditions(rows),
        nothing_new=found.state == "released" and found.publication is None,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/releases/{number:uuid}/approve", Permission.APPROVE_RELEASE)
def approve(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Say DO as the person who decides, who confirms the conditions, whoever proposed it."""
    screen = screen_of(request)
    by = screen.visitor.login if screen.visitor else "?"
    with screen.transaction() as tx:
        found = workflow.get(tx, number)
        outlooks = (
            service.forecast(tx, screen.node, found.objects, purpose=found.purpose, now=now())
            if found.state == "proposed"
            else []
        )
    if service.conditions_of(outlooks, found.partners) and Form(request).text("confirmed") != "yes":
        return _one(request, number, _unconfirmed())
    try:
        workflow.decide_release(screen.node, screen.realm, number, by=by, now=now())
    except (DeniedError, StateError) as error:
        return _one(request, number, error)
    return see(f"/releases/{number}")


@act("/releases/{number:uuid}/concur", Permission.READ_REPORTS)
def concur(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Concur for the office of the person who is signed in. Refuses an office that is not asked."""
    screen = screen_of(request)
    by = screen.visitor.login if screen.visitor else "?"
    try:
        workflow.concur(screen.node, screen.realm, number, office=screen.office or "", by=by, now=now())
    except StateError as error:
        return _one(request, number, error)
    return see(f"/releases/{number}")


@act("/releases/{number:uuid}/refuse", Permission.APPROVE_RELEASE)
def refuse(request: Request[Any, Any, Any], number: FromPath[UUID]) -> Response[Any]:
    """Refuse what was proposed, with the reason."""
    screen, form = screen_of(request), Form(request)
    by = screen.visitor.login if screen.visitor else "?"
    try:
        workflow.refuse(
            screen.node, screen.realm, number, by=by, reason=form.text("reason")[:REASON_MAX], now=now()
        )
    except InputError as error:
        return _one(request, number, error)
    return see(f"/releases/{number}")


routes = [release_page, propose, releases_page, one_release, concur, approve, refuse]
