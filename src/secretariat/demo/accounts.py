"""Who may sign in to the demonstration's nodes, and which tools may connect: made new at every run.

Passwords and tokens are random and shown at the end of the run; nothing of them outlives the folder.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from secretariat.base.clock import now as clock_now
from secretariat.demo.nodes import Cluster, DemoNode
from secretariat.people.model import Role, Scope
from secretariat.people.service import add_person, create_token, revoke_token
from secretariat.records import collections
from secretariat.records.collections import Collection

LOGINS = {
    "releaser": Role.RELEASER,
    "releaser-2": Role.RELEASER,
    "analyst": Role.ANALYST,
    "officer": Role.OFFICER,
    "auditor": Role.AUDITOR,
    "admin": Role.ADMIN,
}
"""Two releasers, because some releases need two persons."""
BY = "demo"
_LIFE = timedelta(days=7)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class Account(msgspec.Struct, frozen=True):
    """A person of the demonstration; the same in both realms."""

    role: str
    user: str
    password: str


class Tool(msgspec.Struct, frozen=True):
    """A tool's credential: Basic with user and password, or Bearer with the token (the same secret)."""

    user: str
    password: str
    token: str


class Access(msgspec.Struct, frozen=True):
    """Everything that lets somebody into one node."""

    people: list[Account]
    tools: dict[str, Tool]
    collections: dict[str, str]


def create(one: DemoNode, *, now: datetime) -> Access:
    """Make persons, tools and collections of one node."""
    people = [
        Account(role.value, f"{one.party.lower()}-{login}", _password()) for login, role in LOGINS.items()
    ]
    database = one.node.database
    for realm in one.node.settings.realms:
        with database.app(realm) as tx:
            for kind in ("own", "from_partners", "clear"):
                reader = "*" if kind == "clear" else one.party
                collections.ensure(tx, kind, reader, party=one.party, realm=realm)
            for person in people:
                add_person(
                    tx,
                    login=person.user,
                    name=f"{person.user} (demonstration)",
                    password=person.password,
                    roles=[Role(person.role)],
                    language="en",
                    by=BY,
                    now=now,
                )
    tools = {
        "read_write": tool(one, "read-write", one.party, {Scope.READ, Scope.WRITE}, now=now),
        "read_only": tool(one, "read-only", one.party, {Scope.READ}, now=now),
    }
    return Access(people, tools, {})


def tool(one: DemoNode, label: str, reader: str, scopes: set[Scope], *, now: datetime) -> Tool:
    """Make a token on `one` for a tool of the party `reader`."""
    return _token(one, label, reader, scopes, now=now)[1]


@contextlib.contextmanager
def clients(cluster: Cluster, access: Mapping[str, Access]) -> Iterator[dict[tuple[str, str], Tool]]:
    """Give a reading credential per node and reader: own tools, and partners' for the time of the block."""
    found = {(one.party, one.party): access[one.party].tools["read_only"] for one in cluster}
    lent: list[tuple[DemoNode, UUID]] = []
    for one, other in itertools.permutations(cluster, 2):
        number, made = _token(one, "leak-check", other.party, {Scope.READ}, now=clock_now())
        found[one.party, other.party] = made
        lent.append((one, number))
    try:
        yield found
    finally:
        for one, number in lent:
            with one.node.database.app("live") as tx:
                revoke_token(tx, number, now=clock_now())


def _token(one: DemoNode, label: str, reader: str, scopes: set[Scope], *, now: datetime) -> tuple[UUID, Tool]:
    with one.node.database.app("live") as tx:
        made, secret = create_token(
            tx,
            label=label,
            reader=reader,
            scopes=scopes,
            lifetime=_LIFE,
            by=BY,
            limits=one.node.settings.limits,
            now=now,
        )
    return made.id, Tool(f"{reader.lower()}-{label}", secret, secret)


def collections_of(one: DemoNode) -> dict[str, str]:
    """Give the TAXII ids of a node's collections by kind, and by party for those of recipients."""
    with one.node.database.app("live") as tx:
        found: list[Collection] = collections.all_of(tx)
    return {entry.reader if entry.kind == "partner" else entry.kind: str(entry.taxii) for entry in found}


def _password() -> str:
    """Give a random password of four groups, about 79 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
