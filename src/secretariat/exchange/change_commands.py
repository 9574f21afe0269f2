"""The verbs `remark` and `correct`, and `secretariat changes …`: what waits for others."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.people.named import named, of_office

if TYPE_CHECKING:
    from secretariat.exchange.change_store import Proposed
    from secretariat.exchange.changes import Change
    from secretariat.exchange.remarking import Remarked
    from secretariat.ledger.node import Node

verbs = typer.Typer()
commands = typer.Typer(
    help="New markings and corrections that wait for offices or a second person.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option("--reason", help="Why, as holders will read it.")]
By = Annotated[str, typer.Option("--by", help="Login of the person who does this; noted in the log.")]
Second = Annotated[str, typer.Option("--second", help="The second person, where two are needed.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Confirm the conditions that the agreements put.")]
Dry = Annotated[bool, typer.Option("--forecast", help="Only say what would happen to each holder.")]
Propose = Annotated[
    bool, typer.Option("--propose", help="Only propose it; offices concur, a second person decides.")
]
Id = Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id of an own object.")]
Words = Annotated[str | None, typer.Option(help="Words, commas between them; an empty text takes them away.")]


@verbs.command("remark")
def remark(
    stix_id: Id,
    reason: Reason,
    by: By,
    tlp: Annotated[
        str | None, typer.Option("--tlp", help="The new TLP word; `none` where only a level is to stand.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="The new level, in our words; an empty text takes it away.")
    ] = None,
    scheme: Annotated[
        str | None, typer.Option("--scheme", help="The table of the level, e.g. JP_MOD.")
    ] = None,
    caveats: Words = None,
    rel_to: Words = None,
    compartments: Words = None,
    second: Second = "",
    confirm: Confirm = False,
    forecast: Dry = False,
    propose: Propose = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Mark a published object anew: holders who may have it so get it, others destroy theirs."""
    from secretariat.exchange.changes import Change, Marks, words_of

    given = {"caveats": caveats, "rel_to": rel_to, "compartments": compartments}
    lists = {name: None if text is None else words_of(text) for name, text in given.items()}
    marks = Marks(tlp=tlp, scheme=scheme, level=level, **lists)
    if marks == Marks():
        raise InputError(
            "no new marking is named", where="--tlp", advice="--tlp, --level, --caveats, --rel-to …"
        )
    change = Change(reason=reason, marks=marks)
    _change(
        stix_id, change, by, second, data, realm, confirm=confirm, dry=forecast, propose=propose, json=json
    )


@verbs.command("correct")
def correct(
    file: Annotated[Path, typer.Argument(help="The corrected object, as JSON.")],
    reason: Reason,
    by: By,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Ask every holder to destroy the earlier versions.")
    ] = False,
    second: Second = "",
    confirm: Confirm = False,
    forecast: Dry = False,
    propose: Propose = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Put corrected content in the place of a published object; holders read who did it, when and why."""
    from secretariat.exchange.changes import Change

    try:
        value = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise InputError("no object as JSON in this file", where=str(file)) from error
    change = Change(reason=reason, value=value, take_back=take_back)
    stix_id = str(value.get("id", ""))
    _change(
        stix_id, change, by, second, data, realm, confirm=confirm, dry=forecast, propose=propose, json=json
    )


def _change(
    stix_id: str,
    change: Change,
    by: str,
    second: str,
    data: Path,
    realm: str,
    *,
    confirm: bool,
    dry: bool,
    propose: bool,
    json: bool,
) -> None:
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import change_service, remarking

    with node_at(data) as node:
        if dry:
            found = remarking.forecast(node, realm, stix_id, change, now=now())
            lines = [
                f"{one.party:<8} {'MAY' if one.may else 'NOT'}  {one.article}"
                f"{'  destroys the earlier versions' if one.loses else ''}"
                for one in found.fates
            ]
            lines += ["two persons must release it"] if found.two else []
            lines += [f"{', '.join(found.offices)} must concur first"] if found.offices else []
            emit(found, "\n".join(lines) or "nobody holds it", json=json)
            return
        _named(node, realm, {"--by": by, "--second": second})
        if propose:
            waits = change_service.propose(node, realm, stix_id, change, by=by, now=now())
            emit(waits, _waits(waits), json=json)
            return
        done = remarking.replace(
            node, realm, stix_id, change, by=by, second=second, confirm=confirm, now=now()
        )
    emit(done, _said(done), json=json)


def _said(done: Remarked) -> str:
    lines = [f"{done.stix_id} is at version {done.version}"]
    lines += [f"{party} got it" for party in done.got]
    lines += [f"{party} is asked to destroy the earlier versions" for party in done.asked]
    lines += [f"{party} cannot answer: tell them" for party in done.cannot_answer]
    return "\n".join(lines)


def _waits(one: Proposed) -> str:
    asked = [
        f"{one.id} waits for {office}: secretariat changes concur {one.id} --office {office} --by LOGIN"
        for office in one.waits_for
    ]
    return "\n".join(
        [*asked, f"{one.id} waits for a decision: secretariat changes approve {one.id} --by LOGIN"]
    )


def _named(node: Node, realm: str, logins: dict[str, str]) -> None:
    """Refuse whoever has not the right to say DO here."""
    with node.database.app(realm) as tx:
        for option, login in logins.items():
            if login:
                named(tx, login, Permission.APPROVE_RELEASE, option=option)


@commands.command("list")
def list_changes(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List new markings and corrections that wait for offices or a second person."""
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import change_store

    with node_at(data) as node, node.database.app(realm) as tx:
        found = change_store.waiting(tx)
    lines = [
        f"{one.id}  {one.change.act:<8} {one.stix_id}  by {one.proposed_by} since {stamp(one.proposed_at)}:"
        f" {one.change.reason}" + (f"; waits for {', '.join(one.waits_for)}" if one.waits_for else "")
        for one in found
    ]
    emit(found, "\n".join(lines) or "nothing waits", json=json)


Number = Annotated[str, typer.Argument(metavar="CHANGE", help="The id that `changes list` shows.")]


def _number(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise InputError(f"no id of a change: {text[:64]!r}", advice="secretariat changes list") from error


@commands.command("concur")
def concur(
    number: Number,
    office: Annotated[str, typer.Option("--office", help="The office that concurs.")],
    by: By,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record that an office concurs, by a person of that office; silence is not concurrence."""
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import change_service

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            of_office(tx, by, office, Permission.READ_REPORTS)
        found = change_service.concur(node, realm, _number(number), office=office, by=by, now=now())
    emit(found, _waits(found), json=json)


@commands.command("approve")
def approve(
    number: Number,
    by: By,
    confirm: Confirm = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say DO to what was proposed once its offices concurred; where two persons must, as the second."""
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import change_service

    with node_at(data) as node:
        _named(node, realm, {"--by": by})
        done = change_service.approve(node, realm, _number(number), by=by, confirm=confirm, now=now())
    emit(done, _said(done), json=json)


@commands.command("refuse")
def refuse(
    number: Number, reason: Reason, by: By, data: Data = DATA, realm: Realm = "live", json: Json = False
) -> None:
    """Refuse what another proposed, with the reason; nothing is sent."""
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import change_service

    with node_at(data) as node:
        _named(node, realm, {"--by": by})
        done = change_service.refuse(node, realm, _number(number), by=by, reason=reason, now=now())
    emit(done, f"{done.id} is refused", json=json)
