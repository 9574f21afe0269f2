"""`secretariat guests …`: parties without a node that this node hosts."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, parse_stamp, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.ledger.revocation import Reason
from secretariat.people.model import Role

commands = typer.Typer(help="Guests: parties without a node that this node hosts.", no_args_is_help=True)

Party = Annotated[str, typer.Argument(help="Code of the guest.")]


@commands.command("add")
def add(
    party: Party,
    name: Annotated[str, typer.Option("--name", help="The party's name as pages show it.")],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Host a party without a node: a key for it in each realm, a collection, an entry in the log."""
    from secretariat.exchange import guests

    with node_at(data) as node:
        made = guests.add(node, party, name=name, by=getpass.getuser(), now=now())
    text = (
        f"{party} is a guest here. Next: secretariat guests person {party} LOGIN --name NAME --role analyst"
    )
    emit(made, text, json=json)


@commands.command("person")
def person(
    party: Party,
    login: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    name: Annotated[str, typer.Option("--name", help="The name shown on pages.")],
    role: Annotated[list[Role], typer.Option("--role", help="analyst, releaser, officer or auditor.")],
    language: Annotated[str, typer.Option("--language", help="en, ja, ko or zh-Hans.")] = "en",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Let a person of a guest sign in; the password is asked for, or read as one line from standard input."""
    from secretariat.exchange import guests

    word = _password()
    with node_at(data) as node:
        one = guests.add_person(
            node,
            realm,
            party,
            login=login,
            name=name,
            password=word,
            roles=role,
            language=language,
            by=getpass.getuser(),
            now=now(),
        )
    shown = {"login": one.login, "party": party, "roles": sorted(one.roles)}
    emit(shown, f"{one.login} may sign in for {party} as {', '.join(sorted(one.roles))}", json=json)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise InputError("the two passwords differ", where="password")
    return first


@commands.command("list")
def list_guests(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List the guests of this node, those who left too."""
    from secretariat.exchange import guests

    with node_at(data) as node:
        found = guests.listed(node, realm)
    shown = [
        {
            "party": one.party,
            "name": one.name,
            "state": one.state,
            "key": one.public.hex(),
            "since": stamp(one.since),
            "ended_at": stamp(one.ended_at) if one.ended_at else None,
        }
        for one in found
    ]
    lines = [f"{one.party:<10} {one.state:<7} since {stamp(one.since)[:10]}  {one.name}" for one in found]
    emit(shown, "\n".join(lines) or "no guest: secretariat guests add PARTY --name NAME", json=json)


@commands.command("introduce")
def introduce(
    party: Party,
    out: Annotated[Path, typer.Option("--out", help="Where to write the introduction.")],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Write what partners take with `peers accept`: whose guest the party is, and its key, signed by both."""
    from secretariat.exchange import guest_meeting

    with node_at(data) as node:
        sealed, words = guest_meeting.introduce(node, party, now=now())
    out.write_bytes(sealed)
    emit(
        {"party": party, "file": str(out), "fingerprint": words},
        f"{out} introduces {party}. A person of {party} reads these words to each partner:\n{words}",
        json=json,
    )


@commands.command("rekey")
def rekey(
    party: Party,
    since: Annotated[
        str, typer.Option("--since", help="When its key counted last, RFC 3339, or `now`.")
    ] = "now",
    reason: Annotated[Reason, typer.Option("--reason", help="Why it counts no more.")] = "ended",
    root: Annotated[
        Path | None, typer.Option("--root", help="The file of `keys offline`, where the root key is away.")
    ] = None,
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Revoke a guest's key and give it another, under this node's root key; partners take it themselves."""
    from secretariat.exchange import guests
    from secretariat.ledger import root_file

    moment = now()
    brought = None
    if root is not None:
        words = typer.prompt("Passphrase", hide_input=True, err=True)
        brought = root_file.read(root, words)
    with node_at(data) as node:
        first = node.keyring(node.settings.realms[0]).root_public
        made = guests.rekey(
            node,
            party,
            since=moment if since == "now" else parse_stamp(since),
            reason=reason,
            root=next((one for one in brought or () if one.public == first), None),
            by=getpass.getuser(),
            now=moment,
        )
    emit(made, f"{party} has a new key; partners that know it take it with the next page", json=json)


@commands.command("move")
def move(
    party: Party,
    out: Annotated[Path, typer.Option("--out", help="The file to write; it holds the guest's private keys.")],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Let a guest go to a node of its own: keys and history in one file; this node signs for it no more."""
    from secretariat.exchange import guest_moving

    with node_at(data) as node:
        moved = guest_moving.move(node, party, out, by=getpass.getuser(), now=now())
    text = f"{out} holds {party}'s keys and history: store it as such. This node signs for {party} no more.\n"
    emit(moved, f"{text}Next, there: secretariat init --from-guest {out.name}", json=json)


@commands.command("end")
def end(
    party: Party,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the log.")],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Host a party no more: its key is destroyed, its people and tools are let in no more."""
    from secretariat.exchange import guests

    with node_at(data) as node:
        guests.end(node, party, reason=reason, by=getpass.getuser(), now=now())
    emit({"party": party, "state": "ended"}, f"this node does not sign for {party} any more", json=json)
