"""`secretariat mailbox …`: who may use this node as mailbox, and how mail through others' stands."""

from __future__ import annotations

from typing import Annotated

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

commands = typer.Typer(
    help="Mailbox: keep sealed letters for partners that reach neither other.", no_args_is_help=True
)
Party = Annotated[str, typer.Argument(help="The partner's code.")]


@commands.command("allow")
def allow(party: Party, data: Data = DATA, realm: Realm = "live", by: By = "", json: Json = False) -> None:
    """Let an enrolled partner write and collect letters here. Nobody may before."""
    from secretariat.exchange import mailbox_service

    with node_at(data) as node:
        mailbox_service.allow(
            node, realm, party, by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS), now=now()
        )
    emit({"party": party, "realm": realm}, f"{party} may use this node as mailbox", json=json)


@commands.command("forbid")
def forbid(party: Party, data: Data = DATA, realm: Realm = "live", by: By = "", json: Json = False) -> None:
    """Let a partner use it no longer; what it wrote and what waits for it is destroyed."""
    from secretariat.exchange import mailbox_service

    with node_at(data) as node:
        mailbox_service.forbid(
            node, realm, party, by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS), now=now()
        )
    emit({"party": party, "realm": realm}, f"{party} uses this mailbox no longer", json=json)


@commands.command("list")
def list_users(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List who may use this node as mailbox, and how much of theirs waits."""
    from secretariat.exchange import mailbox_service

    with node_at(data) as node:
        found = mailbox_service.shares(node, realm)
    lines = [
        f"{one.party:8} wrote {one.letters} ({one.bytes} bytes)"
        f"{f', the oldest {stamp(one.oldest)}' if one.oldest else ''}; {one.waiting} wait for it"
        f"  (allowed by {one.allowed_by})"
        for one in found
    ]
    emit(found, "\n".join(lines) or "nobody: secretariat mailbox allow PARTY", json=json)


@commands.command("status")
def status(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Say how mail with every partner that is reached through a mailbox stands."""
    from secretariat.exchange import mailbox_service

    with node_at(data) as node:
        found = mailbox_service.correspondences(node, realm, now=now())
    lines = [
        f"{one.party:8} through {one.via}  written {stamp(one.last_written) if one.last_written else 'never'}"
        f"  read {stamp(one.last_read) if one.last_read else 'never'}"
        f"{'  not all confirmed' if one.unconfirmed else ''}"
        f"{'  a letter waits here' if one.waits_to_be_posted else ''}"
        for one in found
    ]
    emit(found, "\n".join(lines) or "no partner is reached through a mailbox", json=json)
