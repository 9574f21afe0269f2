"""`secretariat duties …`: what is owed by when, and receipts that a person gives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.settings import NodeSettings
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from secretariat.exchange.own_words import Said
    from secretariat.ledger.node import Node

commands = typer.Typer(
    help="What is owed by when, by which article; receipts that a person gives.", no_args_is_help=True
)
Objects = Annotated[
    list[str], typer.Argument(metavar="OBJECT …", help="STIX ids; of what was destroyed here its root.")
]
Alone = Annotated[bool, typer.Option("--alone", help="Only these, without what reports among them list.")]


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
            "do": f"answer for {one.further} further" if one.further else "answer",
            "further": one.further,
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


@commands.command("returned")
def returned(
    objects: Objects,
    how: Annotated[str, typer.Option("--how", help="What was given back, how and to whom.")],
    by: By = "",
    alone: Alone = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say to who granted it that everything was given back; what is here of it is destroyed."""
    from secretariat.exchange import own_words_service

    def deed(node: Node, who: str, moment: datetime) -> Said:
        return own_words_service.returned(
            node, realm, objects, how=how, by=who, members=not alone, now=moment
        )

    _say(data, realm, by, deed, json=json)


@commands.command("keep")
def keep(
    objects: Objects,
    law: Annotated[str, typer.Option("--law", help="Which law has it kept, with its article.")],
    until: Annotated[str, typer.Option("--until", help="The last day, where the law says so.")] = "",
    by: By = "",
    alone: Alone = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say to who granted it that a law has it kept; from now on it is shown to nobody here."""
    from secretariat.exchange import own_words_service

    def deed(node: Node, who: str, moment: datetime) -> Said:
        return own_words_service.keep_by_law(
            node, realm, objects, law=law, until=until, by=who, members=not alone, now=moment
        )

    _say(data, realm, by, deed, json=json)


@commands.command("lost")
def lost(
    objects: Objects,
    since: Annotated[str, typer.Option("--since", help="Since when, a day or a moment.")],
    what: Annotated[str, typer.Option("--what", help="What happened.")],
    told: Annotated[str, typer.Option("--told", help="Who is told beside these partners.")],
    by: By = "",
    alone: Alone = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Report to who granted it that control of it was lost; the originator reads it through every relay."""
    from secretariat.exchange import own_words_service

    def deed(node: Node, who: str, moment: datetime) -> Said:
        return own_words_service.report_loss(
            node, realm, objects, since=since, what=what, told=told, by=who, members=not alone, now=moment
        )

    _say(data, realm, by, deed, json=json)


def _say(data: Path, realm: str, by: str, deed: Callable[[Node, str, datetime], Said], *, json: bool) -> None:
    from secretariat.agreements.release_commands import node_at

    with node_at(data) as node:
        who = doer_at(node.database, realm, by, Permission.WITHDRAW)
        done = deed(node, who, now())
    text = f"{done.state}: {done.versions} version(s), told to {', '.join(done.told)} (entry {done.position})"
    emit(done, text, json=json)
