"""`secretariat person …` and `secretariat token …`: who may sign in, and which tools may connect."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.base.settings import NodeSettings
from secretariat.people.model import GUEST_TABLE, PURPOSES, SENTENCES, TABLE, Permission, Role, Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.people.model import Person, Token

person = typer.Typer(help="Persons who sign in: add, list, disable, set a password.", no_args_is_help=True)
token = typer.Typer(help="Tokens with which tools connect: create, list, revoke.", no_args_is_help=True)
verbs = typer.Typer()
verbs.add_typer(person, name="person")
verbs.add_typer(token, name="token")

BY = "command line"


@contextmanager
def _node(data: Any, realm: str) -> Iterator[tuple[NodeSettings, Connection]]:
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database, database.app(realm) as tx:
        yield settings, tx


def _show_person(one: Person) -> dict[str, Any]:
    return {
        "login": one.login,
        "name": one.name,
        "roles": sorted(role.value for role in one.roles),
        "language": one.language,
        "state": "disabled" if one.disabled_at else "active",
    }


def _show_token(one: Token) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "label": one.label,
        "reader": one.reader,
        "scopes": sorted(scope.value for scope in one.scopes),
        "expires_at": stamp(one.expires_at),
        "revoked_at": stamp(one.revoked_at) if one.revoked_at else None,
        "last_used_at": stamp(one.last_used_at) if one.last_used_at else None,
    }


def _ask_password() -> str:
    """Read a password: twice from a terminal, one line from a pipe; never from an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise InputError("the two passwords differ", where="password")
    return first


@person.command("add")
def add(
    login: Annotated[str, typer.Argument(help="What the person types to sign in: a-z, 0-9, . _ @ -")],
    name: Annotated[str, typer.Option("--name", help="The name shown on pages.")],
    role: Annotated[list[Role], typer.Option("--role", help="May be given more than once.")],
    language: Annotated[str, typer.Option("--language", help="en, ja, ko or zh-Hans.")] = "en",
    office: Annotated[str | None, typer.Option("--office", help="The office the person works in.")] = None,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Add a person; the password is asked for, or read as one line from standard input."""
    from secretariat.people.service import add_person

    password = _ask_password()
    with _node(data, realm) as (_settings, tx):
        one = add_person(
            tx,
            login=login,
            name=name,
            password=password,
            roles=role,
            language=language,
            office=office,
            by=BY,
            now=now(),
        )
    emit(_show_person(one), f"{one.login} may sign in as {', '.join(sorted(one.roles))}", json=json)


@person.command("list")
def list_persons(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List persons and their roles."""
    from secretariat.people import store

    with _node(data, realm) as (_settings, tx):
        found = [_show_person(one) for one in store.persons(tx)]
    lines = [f"{p['login']:<20} {p['state']:<9} {', '.join(p['roles']):<28} {p['name']}" for p in found]
    emit(
        found,
        "\n".join(lines) or "nobody yet: secretariat person add LOGIN --name NAME --role admin",
        json=json,
    )


@person.command("roles")
def list_roles(json: Json = False) -> None:
    """List the roles: what each is for, and which rights it has. Needs no node."""
    found: list[dict[str, Any]] = [
        {
            "role": role.value,
            "for": PURPOSES[role],
            "rights": {right.value: SENTENCES[right] for right in Permission if right in TABLE[role]},
            "as_guest": [right.value for right in Permission if right in GUEST_TABLE.get(role, ())],
        }
        for role in Role
    ]
    lines = []
    for one in found:
        lines += [f"{one['role']}: {one['for']}"]
        lines += [f"  {right:<18} {says}" for right, says in one["rights"].items()]
        lines += [f"  for a guest's person: {', '.join(one['as_guest'])}"] if one["as_guest"] else []
    emit(found, "\n".join(lines), json=json)


@person.command("disable")
def disable(login: str, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Disable a person and end every session at once."""
    from secretariat.people.service import disable_person

    with _node(data, realm) as (_settings, tx):
        disable_person(tx, login, now=now())
    emit({"login": login, "state": "disabled"}, f"{login} may no longer sign in", json=json)


@person.command("password")
def password(login: str, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Set a new password and end every session at once."""
    from secretariat.people.service import set_password

    word = _ask_password()
    with _node(data, realm) as (_settings, tx):
        set_password(tx, login, word)
    emit({"login": login}, f"{login} has a new password", json=json)


@token.command("create")
def create(
    label: Annotated[str, typer.Argument(help="Names the tool, e.g. 'OpenCTI of the CERT'.")],
    reader: Annotated[
        str | None, typer.Option("--party", help="For whom it reads; without it the node's own party.")
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option("--scope", help="read, write, calendar")] = None,
    days: Annotated[int, typer.Option("--days", help="Days until it ends.")] = 90,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Create a token; the secret is printed once and kept only as a hash."""
    from secretariat.people.service import create_token

    with _node(data, realm) as (settings, tx):
        made, secret = create_token(
            tx,
            label=label,
            reader=reader or settings.party,
            scopes=scope or [Scope.READ],
            lifetime=timedelta(days=days),
            by=BY,
            limits=settings.limits,
            now=now(),
        )
    text = f"{secret}\nShown once. Reads for {made.reader} until {stamp(made.expires_at)}; id {made.id}"
    emit({**_show_token(made), "secret": secret}, text, json=json)


@token.command("list")
def list_tokens(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List tokens, without their secrets."""
    from secretariat.people import store

    with _node(data, realm) as (_settings, tx):
        found = [_show_token(one) for one in store.tokens(tx)]
    lines = [
        f"{t['id']} {t['reader']:<6} {','.join(t['scopes']):<11} until {t['expires_at'][:10]}"
        f"{' REVOKED' if t['revoked_at'] else ''}  {t['label']}"
        for t in found
    ]
    emit(found, "\n".join(lines) or "no token yet: secretariat token create LABEL", json=json)


@token.command("revoke")
def revoke(token_id: UUID, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Revoke a token at once."""
    from secretariat.people.service import revoke_token

    with _node(data, realm) as (_settings, tx):
        revoke_token(tx, token_id, now=now())
    emit({"id": str(token_id), "state": "revoked"}, f"{token_id} opens nothing any more", json=json)
