"""`secretariat contacts …`, and `secretariat register digest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at
from secretariat.register.asking import KnownBy, RecordedBy, TrueOn, asking

if TYPE_CHECKING:
    from collections.abc import Callable

commands = typer.Typer(
    help="Whom to reach at a party for a purpose, and when that was last tested.", no_args_is_help=True
)
BEFORE_DIGESTS: list[Callable[[], None]] = []
"""What parts above do before a digest is written: they have it count what is theirs."""


@commands.command("list")
def list_command(
    stale: Annotated[bool, typer.Option("--stale", help="Only those that should be tested.")] = False,
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    json: Json = False,
) -> None:
    """List contacts with the day last tested, as of any time."""
    from secretariat.register.requests import contacts

    with asking(data, realm, true_on, known_by, recorded_by, None) as asked:
        found = [
            one for one in contacts.contacts(asked.tx, asked.view, asked.node.party) if one.stale or not stale
        ]
    value = [
        {
            "key": one.key,
            "party": one.party,
            "purpose": one.purpose,
            "address": one.address,
            "tested_on": one.tested_on,
            "result": one.tested or None,
            "stale": one.stale,
        }
        for one in found
    ]
    lines = [
        f"{one.key:<32} {one.address:<32} {one.tested_on or 'never tested'} {one.tested}"
        + ("  TEST IT" if one.stale else "")
        for one in found
    ]
    emit({"contacts": value}, "\n".join(lines) or "no contact", json=json)


@commands.command("record")
def record_command(
    party: Annotated[str, typer.Argument(help="Whose contact it is.")],
    purpose: Annotated[
        str, typer.Argument(help="incident, register, technical, exercise, press or another.")
    ],
    address: Annotated[str, typer.Argument(help="Telephone, mail or other address.")],
    name: Annotated[str, typer.Option("--name", help="Office or name, where there are several.")] = "",
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record a contact, or correct it. It stays on this node until it is released."""
    from secretariat.register.requests import contacts

    with node_at(data) as node:
        key = contacts.record(
            node,
            realm,
            party=party,
            purpose=purpose,
            address=address,
            name=name,
            by=doer_at(node.database, realm, by, Permission.EDIT_REGISTER),
            now=now(),
        )
    emit({"key": key}, f"{key} is recorded", json=json)


@commands.command("test")
def keep_test_command(
    key: Annotated[str, typer.Argument(help="Key of the contact.")],
    result: Annotated[str, typer.Argument(help="reached, no-answer or wrong.")],
    on: Annotated[str, typer.Option("--on", help="Day of the test. Default: today.")] = "",
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Keep what a test of a contact came to."""
    from secretariat.register.requests import contacts

    with node_at(data) as node:
        contacts.keep_test(
            node,
            realm,
            key,
            result=result,
            on=on,
            by=doer_at(node.database, realm, by, Permission.EDIT_REGISTER),
            now=now(),
        )
    emit({"key": key, "result": result}, f"{key}: {result}", json=json)


def digest_command(
    send: Annotated[bool, typer.Option("--send", help="Send what is due; else it is only shown.")] = False,
    to: Annotated[str, typer.Option("--to", help="Only this person's, due or not.")] = "",
    address: Annotated[
        str, typer.Option("--subscribe", metavar="ADDRESS", help="With --to: send there from now on.")
    ] = "",
    every: Annotated[str, typer.Option("--every", help="daily or weekly, with --subscribe.")] = "daily",
    end: Annotated[bool, typer.Option("--end", help="With --to: send no more.")] = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Show or send the digests by mail: counts and addresses, never what is recorded."""
    from secretariat.base.errors import InputError
    from secretariat.register.requests import digest

    if (address or end) and not to:
        raise InputError("whose digest?", where="--to", advice="name a login")
    with node_at(data) as node:
        if address or end:
            with node.database.app(realm) as tx:
                if end:
                    digest.unsubscribe(tx, to)
                else:
                    digest.subscribe(tx, to, address, every)
            emit(
                {"login": to, "every": None if end else every},
                f"{to}: {'ended' if end else every}",
                json=json,
            )
            return
        for load in BEFORE_DIGESTS:
            load()
        done = digest.digests(node, realm, now=now(), only=to or None, due=not to, send=send)
    lines = [
        f"{'sent to' if one.sent else 'to'} {one.login} <{one.address}>"
        + (f": NOT TAKEN, {one.error}" if one.error else "")
        + f"\n{one.text}"
        for one in done
    ]
    emit({"digests": done}, "\n".join(lines) or "no digest is due", json=json)
