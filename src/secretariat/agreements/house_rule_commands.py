"""`secretariat house-rules …`: which offices concur before anything so marked goes out."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from secretariat.agreements.release_commands import Named, node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.people.model import Permission
from secretariat.people.named import named

commands = typer.Typer(
    help="House rules: offices that concur before a release, a new marking or a correction.",
    no_args_is_help=True,
)

Reason = Annotated[str, typer.Option("--reason", help="Why; noted in the log.")]


@commands.command("list")
def list_rules(
    ended: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """List the house rules in force: which offices they ask, from which TLP colour on, and why."""
    from secretariat.agreements import house_rules

    with node_at(data) as node, node.database.app(realm) as tx:
        found = house_rules.rules(tx, ended=ended)
    lines = [
        f"{one.id}  {', '.join(one.offices)}  from {one.from_tlp}  by {one.by} {one.recorded_at:%Y-%m-%d}"
        f": {one.reason}" + (f"  ended by {one.ended_by} {one.ended_at:%Y-%m-%d}" if one.ended_at else "")
        for one in found
    ]
    emit({"rules": found}, "\n".join(lines) or "none", json=json)


@commands.command("add")
def add(
    offices: Annotated[
        list[str],
        typer.Option("--office", help="Office that must concur, as its persons have it; repeatable."),
    ],
    reason: Reason,
    by: Named,
    from_tlp: Annotated[
        str,
        typer.Option("--from-tlp", help="For objects so marked or tighter; without a colour counts as RED."),
    ] = "CLEAR",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Make a house rule; it holds at once, for what is proposed already as well."""
    from secretariat.agreements import house_rules

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            named(tx, by, Permission.EDIT_AGREEMENTS)
        made = house_rules.add(
            node, realm, offices=offices, from_tlp=from_tlp, reason=reason, by=by, now=now()
        )
        with node.database.app(realm) as tx:
            nobody = house_rules.nobody_of(tx, made.offices)
    lines = [f"{made.id}: {', '.join(made.offices)} must concur from {made.from_tlp}"]
    lines += [f"nobody of {one} can concur yet: secretariat person add --office" for one in nobody]
    emit({**msgspec.structs.asdict(made), "nobody_of": nobody}, "\n".join(lines), json=json)


@commands.command("end")
def end(
    number: Annotated[
        int, typer.Argument(metavar="RULE", help="Its number, as `house-rules list` shows it.")
    ],
    reason: Reason,
    by: Named,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """End a house rule; what was proposed under it keeps waiting for the offices it asked."""
    from secretariat.agreements import house_rules

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            named(tx, by, Permission.EDIT_AGREEMENTS)
        done = house_rules.end(node, realm, number, reason=reason, by=by, now=now())
    emit(done, f"{done.id} has ended: {', '.join(done.offices)} from {done.from_tlp}", json=json)
