"""`secretariat duties …`: what is owed by when; and the verbs `remark` and `correct`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import DeniedError, InputError
from secretariat.base.settings import NodeSettings

commands = typer.Typer(help="What is owed by when, by which article.", no_args_is_help=True)


@commands.command("list")
def list_duties(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List open duties by day: ours from grants, and the answers to calls that holders owe us."""
    from secretariat.exchange import store as tables
    from secretariat.storage.opening import opened

    settings, moment = NodeSettings.load(data), now()
    term = timedelta(seconds=settings.limits.receipt_due_s)
    with opened(settings) as database, database.app(realm) as tx:
        ours, theirs = tables.open_duties(tx), tables.owed(tx, term)
    found: list[dict[str, Any]] = [
        {
            "who": settings.party,
            "do": one.duty,
            "article": one.article,
            "owed_to": one.owed_to,
            "due": None if one.due is None else stamp(one.due),
            "overdue": one.due is not None and one.due < moment,
            "objects": one.objects,
        }
        for one in ours
    ]
    found += [
        {
            "who": one.holder,
            "do": "answer",
            "article": one.article or None,
            "owed_to": settings.party,
            "due": stamp(one.due),
            "overdue": one.due < moment,
            "objects": one.objects,
        }
        for one in theirs
    ]
    lines = [
        f"{one['due'] or 'end of instrument':<28} {'OVERDUE' if one['overdue'] else '':<8}"
        f"{one['who']:<8} {one['do']:<18} {one['article'] or 'receipt_due_s'}"
        f"  to {one['owed_to']}, {one['objects']} objects"
        for one in found
    ]
    emit(found, "\n".join(lines) or "nothing is owed", json=json)


verbs = typer.Typer()
Reason = Annotated[str, typer.Option("--reason", help="Why, as holders will read it.")]
By = Annotated[str, typer.Option("--by", help="Login of the person who does this; noted in the log.")]
Second = Annotated[str, typer.Option("--second", help="The second person, where two are needed.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Confirm the conditions that the agreements put.")]
Dry = Annotated[bool, typer.Option("--forecast", help="Only say what would happen to each holder.")]
Id = Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id of an own object.")]


@verbs.command("remark")
def remark(
    stix_id: Id,
    tlp: Annotated[str, typer.Option("--tlp", help="The new TLP word.")],
    reason: Reason,
    by: By,
    second: Second = "",
    confirm: Confirm = False,
    forecast: Dry = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Mark a published object higher or lower: holders who may have it get it, others destroy theirs."""
    _replace(stix_id, tlp, None, reason, by, second, data, realm, confirm=confirm, dry=forecast, json=json)


@verbs.command("correct")
def correct(
    file: Annotated[Path, typer.Argument(help="The corrected object, as JSON.")],
    reason: Reason,
    by: By,
    second: Second = "",
    confirm: Confirm = False,
    forecast: Dry = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Put corrected content in the place of a published object; holders destroy the earlier versions."""
    try:
        value = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise InputError("no object as JSON in this file", where=str(file)) from error
    stix_id = str(value.get("id", ""))
    _replace(stix_id, "", value, reason, by, second, data, realm, confirm=confirm, dry=forecast, json=json)


def _replace(
    stix_id: str,
    tlp: str,
    value: dict[str, Any] | None,
    reason: str,
    by: str,
    second: str,
    data: Path,
    realm: str,
    *,
    confirm: bool,
    dry: bool,
    json: bool,
) -> None:
    from secretariat.agreements.release_commands import node_at
    from secretariat.exchange import remarking
    from secretariat.people.model import Permission
    from secretariat.people.store import person_by_login

    with node_at(data) as node:
        if dry:
            found = remarking.forecast(node, realm, stix_id, tlp=tlp, value=value, now=now())
            lines = [
                f"{one.party:<8} {'MAY' if one.may else 'NOT'}  {one.article}"
                f"{'  destroys the earlier versions' if one.loses else ''}"
                for one in found.fates
            ]
            emit(found, "\n".join(lines) or "nobody holds it", json=json)
            return
        with node.database.app(realm) as tx:
            for login in filter(None, (by, second)):
                one = person_by_login(tx, login)
                if one is None or one.party is not None or not one.may(Permission.APPROVE_RELEASE):
                    raise DeniedError(
                        f"{login} has not the right to do this",
                        where="--by" if login == by else "--second",
                        advice="name a person who may approve releases",
                    )
        done = remarking.replace(
            node,
            realm,
            stix_id,
            tlp=tlp,
            value=value,
            reason=reason,
            by=by,
            second=second,
            confirm=confirm,
            now=now(),
        )
    lines = [f"{stix_id} is at version {done.version}"]
    lines += [f"{party} got it" for party in done.got]
    lines += [f"{party} is asked to destroy the earlier versions" for party in done.asked]
    lines += [f"{party} cannot answer: tell them" for party in done.cannot_answer]
    emit(done, "\n".join(lines), json=json)
