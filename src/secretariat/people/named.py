"""Whom a command names: `--by LOGIN` is a person of this party who has the right to do it, and no other word.

Without it the command is done by whoever runs it on this machine, under the name of the system's user: who
may read the data folder may do all that the node does. What needs two persons is never done so (agreements).
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from secretariat.base.errors import DeniedError, NotFoundError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.people.model import Permission, Person
    from secretariat.storage.engine import Database

By = Annotated[
    str, typer.Option("--by", help="Login of the person who does this. Default: whoever runs the command.")
]


def named(tx: sa.Connection, login: str, right: Permission, *, option: str = "--by") -> Person:
    """Give the person of this party that a command names. Refuses other words, and who has no right to."""
    from secretariat.people.model import SENTENCES
    from secretariat.people.store import person_by_login

    one = person_by_login(tx, login)
    if one is None or one.party is not None:
        raise NotFoundError(
            f"nobody of this party signs in as {login!r}",
            where=option,
            advice="`secretariat person list` shows who does, `secretariat person add` adds one",
        )
    if not one.may(right):
        raise DeniedError(
            f"{login} has not the right to do this",
            where=option,
            advice=f"name a person who may: {SENTENCES[right]} Which role may: `secretariat person roles`",
        )
    return one


def of_office(
    tx: sa.Connection, login: str, office: str, right: Permission, *, option: str = "--by"
) -> Person:
    """Give the person of an office that a command names. Refuses a person of another office, or of none."""
    one = named(tx, login, right, option=option)
    if one.office != office:
        raise DeniedError(
            f"{login} is of {one.office or 'no office'}, not of {office}",
            where=option,
            advice="a person of the office concurs: `secretariat person add --office`",
        )
    return one


def doer(tx: sa.Connection, by: str, right: Permission) -> str:
    """Name who does it: a person with the right, or whoever runs the command on this machine."""
    return named(tx, by, right).login if by else getpass.getuser()


def doer_at(database: Database, realm: str, by: str, *rights: Permission) -> str:
    """Name who does it, as `doer`; a person has every one of `rights`."""
    with database.app(realm) as tx:
        if not by:
            return getpass.getuser()
        return [named(tx, by, right) for right in rights][-1].login
