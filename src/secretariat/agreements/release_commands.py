"""`secretariat publish`, `release …` and `standing …`: a person's DO, at once, by two, or in advance."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit, progress
from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.base.settings import NodeSettings
from secretariat.people.named import By, doer, named, of_office

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.release import Published
    from secretariat.agreements.service import Outlook

verbs = typer.Typer()
release = typer.Typer(help="Releases: propose, concur, approve, refuse.", no_args_is_help=True)
standing = typer.Typer(
    help="Standing releases: a DO in advance for a class of objects.", no_args_is_help=True
)
verbs.add_typer(release, name="release")
verbs.add_typer(standing, name="standing")

Named = Annotated[str, typer.Option("--by", help="Login of the person who does this.")]
Purpose = Annotated[str, typer.Option("--purpose", help="The use it is given for.")]
Confirm = Annotated[
    bool, typer.Option("--confirm", help="Confirm the conditions that the agreements put to the person.")
]
To = Annotated[
    list[str] | None, typer.Option("--to", help="Partner; repeatable. Default: every partner that may.")
]
ForSource = Annotated[
    str,
    typer.Option(
        "--for-source", help="Whom it comes from: stays on this node, nothing that leaves names it."
    ),
]
LeaveOut = Annotated[
    list[str] | None,
    typer.Option("--leave-out", help="Property of others' objects that stays here; repeatable."),
]


@contextlib.contextmanager
def node_at(data: Path) -> Iterator[Any]:
    """Open the node of a data folder for the time of a command."""
    from secretariat.ledger.node import Node
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database:
        yield Node.open(settings, database)


def _refuse_unnamed(tx: sa.Connection, *logins: str) -> None:
    """Refuse a release of two persons where one of them is nobody who is known here."""
    from secretariat.people.store import person_by_login

    for one in logins:
        if person_by_login(tx, one) is None:
            raise StateError(
                f"two persons must release this, and {one!r} is none that is known here",
                where="--by",
                advice="each of the two is named by the login of a person: --by LOGIN",
            )


@verbs.command("publish")
def publish(
    objects: Annotated[
        list[str] | None, typer.Argument(help="STIX ids; reports bring what they list.")
    ] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="All own drafts.")] = False,
    to: To = None,
    by: By = "",
    second: Annotated[str, typer.Option("--second", help="The second person, where two are needed.")] = "",
    standing_release: Annotated[str, typer.Option("--standing", help="Id of a standing release.")] = "",
    purpose: Purpose = "",
    leave_out: LeaveOut = None,
    for_source: ForSource = "",
    confirm: Confirm = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Release objects to the partners that may have them; say to whom they went and why not to others."""
    from secretariat.agreements import house_rules, service, sponsoring, workflow
    from secretariat.agreements.recording import draft_ids
    from secretariat.agreements.release import Basis, publish_in
    from secretariat.people.model import Permission

    moment = now()
    with node_at(data) as node, progress("publish"), node.database.app(realm) as tx:
        names = [*(objects or ()), *(draft_ids(tx, node.party) if drafts else ())]
        if not names:
            raise InputError("nothing to publish", advice="name STIX ids, or --drafts")
        versions = service.with_members(tx, names)
        if for_source:
            sponsoring.name_source(
                tx,
                versions,
                for_source,
                party=node.party,
                by=doer(tx, by, Permission.APPROVE_RELEASE),
                now=moment,
            )
        if standing_release and leave_out:
            raise InputError(
                "a standing release gives all of what it covers",
                where="--leave-out",
                advice="name a person: --by LOGIN",
            )
        if standing_release:
            done = workflow.publish_standing_in(
                tx, node, realm, versions, _uuid(standing_release), now=moment
            )
        else:
            person = doer(tx, by, Permission.APPROVE_RELEASE)
            if second:
                named(tx, second, Permission.APPROVE_RELEASE, option="--second")
            if second == person:
                raise InputError(
                    f"{person} is named twice",
                    where="--second",
                    advice="name another person, or leave it out",
                )
            two = workflow.for_two(tx, node, versions)
            if two and second:
                _refuse_unnamed(tx, person)
            elif two:
                raise StateError(
                    "two persons must release this"
                    " (classified, RED, AMBER+STRICT, originator control, or marked lower than before)",
                    where=two[0],
                    advice="--by LOGIN --second LOGIN, or `secretariat release propose`"
                    " and another person approves",
                )
            if asked := house_rules.offices_of(tx, [one.label for one in versions]):
                raise StateError(
                    f"{', '.join(asked)} must concur first",
                    where=names[0],
                    advice="`secretariat release propose`, then `release concur` by a person of each office",
                )
            if not confirm:
                _refuse_unconfirmed(
                    service.forecast(tx, node, names, purpose=purpose or None, now=moment), to
                )
            basis = Basis(by=person, second=second or None)
            done = publish_in(
                tx,
                node,
                realm,
                versions,
                to=to,
                basis=basis,
                purpose=purpose or None,
                leave_out=leave_out or (),
                now=moment,
            )
    _tell(done, json=json)


def _refuse_unconfirmed(outlooks: Iterable[Outlook], to: Collection[str] | None) -> None:
    """Refuse a DO to which the agreements put conditions that nobody confirmed, and name them."""
    from secretariat.agreements.service import conditions_of

    found = conditions_of(outlooks, to)
    if found:
        lines = "; ".join(f"{party}: {why} ({ref})" for party, ref, why in found[:5])
        raise StateError(
            f"conditions are to be confirmed by whoever says DO: {lines}",
            where=found[0][0],
            advice="read them, see that they hold, and add --confirm",
        )


def _tell(done: Published, *, json: bool) -> None:
    lines = [
        f"entry {done.publication}: {done.published} objects published"
        if done.publication is not None
        else "nothing new: who may have it has it; nothing was written"
    ]
    lines += [f"  MAY  {party}: {count} objects" for party, count in sorted(done.granted.items()) if count]
    refused = {one.party for one in done.withheld}
    lines += [
        f"  HAS  {party}: nothing new for it"
        for party, count in sorted(done.granted.items())
        if not count and party not in refused
    ]
    lines += [
        f"  NOT  {one.party}: {len(one.objects)} objects, {one.article}"
        + (f" ({one.missing})" if one.missing else "")
        for one in done.withheld
    ]
    value = {
        "publication": done.publication,
        "nothing_new": done.publication is None,
        "published": done.published,
        "granted": done.granted,
        "withheld": [
            {
                "party": one.party,
                "objects": list(one.objects),
                "true_on": one.true_on,
                "article": one.article,
                "missing": one.missing,
            }
            for one in done.withheld
        ],
    }
    emit(value, "\n".join(lines), json=json)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise NotFoundError(
            f"no such id: {text!r}", advice="`release list` or `standing list` shows them"
        ) from error


# --- releases -----------------------------------------------------------------------------------------


@release.command("source")
def source(
    objects: Annotated[list[str], typer.Argument(help="STIX ids.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Partner whose pseudonym of it to give; repeatable.")
    ] = None,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say whom objects come from whose source stays here, and its pseudonym towards partners."""
    from secretariat.agreements import sponsoring

    with node_at(data) as node, node.database.app(realm) as tx:
        found = sponsoring.sources_of(tx, objects)
        names = {
            one.source: {party: sponsoring.pseudonym(tx, one.source, party) for party in to or ()}
            for one in found.values()
        }
    lines = [
        f"{one.stix_id}  {one.source}"
        + "".join(f"  {party}: {name}" for party, name in names[one.source].items())
        for one in found.values()
    ]
    emit({"sources": list(found.values()), "pseudonyms": names}, "\n".join(lines) or "none", json=json)


@release.command("propose")
def propose(
    objects: Annotated[list[str], typer.Argument(help="STIX ids; reports bring what they list.")],
    title: Annotated[str, typer.Option("--title", help="What it is about.")],
    to: To = None,
    purpose: Purpose = "",
    leave_out: LeaveOut = None,
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Propose a release; another person approves it."""
    from secretariat.agreements import service, workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            person = doer(tx, by, Permission.PROPOSE_RELEASE)
            if workflow.for_two(tx, node, service.with_members(tx, objects)):
                _refuse_unnamed(tx, person)
        made = workflow.propose(
            node,
            realm,
            objects,
            title=title,
            to=to,
            purpose=purpose or None,
            by=person,
            leave_out=leave_out or (),
            now=now(),
        )
    _tell_release(made, json=json)


@release.command("list")
def list_releases(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List what waits for a decision."""
    from secretariat.agreements import workflow

    with node_at(data) as node, node.database.app(realm) as tx:
        waiting = workflow.waiting(tx)
    lines = [
        f"{one.id}  {one.proposed_by}  {one.proposed_at:%Y-%m-%d %H:%M}Z  {one.title}" for one in waiting
    ]
    emit({"waiting": waiting}, "\n".join(lines) or "nothing waits", json=json)


@release.command("concur")
def concur(
    number: Annotated[str, typer.Argument(metavar="ID")],
    office: Annotated[str, typer.Option("--office", help="The office that concurs.")],
    by: Named,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record that an office concurs, by a person of that office; silence is not concurrence."""
    from secretariat.agreements import workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            of_office(tx, by, office, Permission.READ_REPORTS)
        found = workflow.concur(node, realm, _uuid(number), office=office, by=by, now=now())
    _tell_release(found, json=json)


@release.command("approve")
def approve(
    number: Annotated[str, typer.Argument(metavar="ID")],
    by: By = "",
    confirm: Confirm = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say DO: release what was proposed."""
    from secretariat.agreements import service, workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            person = doer(tx, by, Permission.APPROVE_RELEASE)
            found = workflow.get(tx, _uuid(number))
            if found.needs_two or workflow.for_two(tx, node, service.with_members(tx, found.objects)):
                _refuse_unnamed(tx, found.proposed_by, person)
            if not confirm:
                _refuse_unconfirmed(
                    service.forecast(tx, node, found.objects, purpose=found.purpose, now=now()),
                    found.partners,
                )
        done = workflow.decide_release(node, realm, _uuid(number), by=person, now=now())
    _tell(done, json=json)


@release.command("refuse")
def refuse(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Refuse what was proposed, with the reason."""
    from secretariat.agreements import workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            person = doer(tx, by, Permission.APPROVE_RELEASE)
        found = workflow.refuse(node, realm, _uuid(number), by=person, reason=reason, now=now())
    _tell_release(found, json=json)


def _tell_release(found: Any, *, json: bool) -> None:
    waits = f"; waits for {', '.join(found.waits_for)}" if found.waits_for else ""
    second = "; a second person must approve" if found.needs_two and found.state == "proposed" else ""
    emit(found, f"{found.id}: {found.title}, {found.state}{second}{waits}", json=json)


@standing.command("begin")
def begin(
    title: Annotated[str, typer.Option("--title", help="What it is for.")],
    to: Annotated[list[str], typer.Option("--to", help="Partner; repeatable.")],
    purpose: Annotated[str, typer.Option("--purpose", help="The use it is given for.")],
    by: Annotated[list[str], typer.Option("--by", help="Login of a person who signs; repeatable.")],
    types: Annotated[
        list[str] | None, typer.Option("--type", help="STIX type; repeatable. Default: all.")
    ] = None,
    highest: Annotated[str, typer.Option("--highest", help="Tightest TLP colour, at most AMBER.")] = "AMBER",
    per_day: Annotated[int, typer.Option("--per-day", help="Objects a day.")] = 1000,
    days: Annotated[int, typer.Option("--days", help="How long, at most 90.")] = 90,
    second: Annotated[
        bool, typer.Option("--second", help="A second person signs before it covers anything.")
    ] = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Sign a standing release into the log, or propose it to a second person."""
    from secretariat.agreements import workflow
    from secretariat.people.model import Permission

    terms = workflow.Terms(
        partners=to, purpose=purpose, types=list(types or ()), highest=highest.upper(), per_day=per_day
    )
    if len(set(by)) < len(by):
        raise InputError("a person is named twice", where="--by", advice="two persons sign, or one")
    with node_at(data) as node:
        with node.database.app(realm) as tx:
            for login in by:
                named(tx, login, Permission.APPROVE_RELEASE)
        made = workflow.begin_standing(
            node, realm, terms, title=title, by=by, days=days, needs_second=second, now=now()
        )
    waits = "" if made.entry is not None else ", waits for a second signature: secretariat standing sign"
    emit(made, f"{made.id}: {made.title}, until {made.ends:%Y-%m-%d}{waits}", json=json)


@standing.command("sign")
def sign(
    number: Annotated[str, typer.Argument(metavar="ID")],
    by: Named,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Sign as the second person what another proposed; from now on it covers its class."""
    from secretariat.agreements import workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            named(tx, by, Permission.APPROVE_RELEASE)
        made = workflow.sign_standing(node, realm, _uuid(number), by=by, now=now())
    emit(made, f"{made.id}: signed by {', '.join(made.signed_by)}, until {made.ends:%Y-%m-%d}", json=json)


@standing.command("uses")
def uses(
    number: Annotated[str, typer.Argument(metavar="ID")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """List the grants that were made under a standing release, newest first."""
    from secretariat.agreements import workflow

    with node_at(data) as node, node.database.app(realm) as tx:
        found = workflow.uses_of(tx, workflow.standing(tx, _uuid(number)).id)
    lines = [
        f"entry {one.entry}  {one.at:%Y-%m-%d %H:%M:%SZ}  {one.recipient}  {one.objects}" for one in found
    ]
    emit({"uses": found}, "\n".join(lines) or "none", json=json)


@standing.command("list")
def list_standing(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List standing releases, newest first."""
    from secretariat.agreements import workflow

    with node_at(data) as node, node.database.app(realm) as tx:
        found = workflow.standings(tx)
    lines = [
        f"{one.id}  {', '.join(one.terms.partners)}  up to {one.terms.highest}  "
        + (f"ended {one.revoked_at:%Y-%m-%d}" if one.revoked_at else f"until {one.ends:%Y-%m-%d}")
        + f"  {one.title}"
        for one in found
    ]
    emit({"standing": found}, "\n".join(lines) or "none", json=json)


@standing.command("end")
def end(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Revoke a standing release at once."""
    from secretariat.agreements import workflow
    from secretariat.people.model import Permission

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            person = doer(tx, by, Permission.APPROVE_RELEASE)
        workflow.end_standing(node, realm, _uuid(number), by=person, reason=reason, now=now())
    emit({"id": number, "ended": True}, f"{number} has ended", json=json)
