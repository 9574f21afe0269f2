"""Database roles of a realm, and the SQL that makes them (decisions.md 6).

Per database and realm there are three roles, none of which may pass by row-level security:
`<db>_<realm>_owner` owns the tables and only migrates; `<db>_<realm>_app` is what the application logs in as;
`<db>_<realm>_peer` is what a transaction for a partner or client switches to, and sees granted rows only.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from psycopg import sql

from secretariat.base.errors import InputError

_NAME_MAX = 63  # bytes of a PostgreSQL identifier (NAMEDATALEN - 1)
EXTENSIONS = "extensions"


class Roles(msgspec.Struct, frozen=True):
    """The role names of one realm."""

    owner: str
    app: str
    peer: str


def roles_of(prefix: str, realm: str) -> Roles:
    """Name the roles of `realm` in the database (or role prefix) `prefix`."""
    names = Roles(*(f"{prefix}_{realm}_{kind}" for kind in ("owner", "app", "peer")))
    if len(names.owner.encode()) > _NAME_MAX:
        raise InputError(
            f"role name too long: {names.owner!r}",
            advice=f"use a database name under {_NAME_MAX - 20} letters",
        )
    return names


def role_statements(
    login: str, prefix: str, realms: Sequence[str], verifier: dict[str, str]
) -> list[sql.Composed]:
    """Give the SQL that creates the roles; `login` may become the owners, and migrates.

    `verifier` maps an app role to its SCRAM verifier or password.

    Refuses nothing itself: who runs it needs CREATEROLE.
    """
    out = []
    for realm in realms:
        names = roles_of(prefix, realm)
        owner, app, peer = (sql.Identifier(name) for name in (names.owner, names.app, names.peer))
        plain = sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS")
        out += [
            plain.format(owner),
            plain.format(peer),
            sql.SQL(
                "CREATE ROLE {} LOGIN PASSWORD {} NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
            ).format(app, sql.Literal(verifier[names.app])),
            sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(peer, app),
            sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(owner, sql.Identifier(login)),
        ]
    return out


def database_statements(database: str, prefix: str, realms: Sequence[str]) -> list[sql.Composed]:
    """Give the SQL that, inside `database`, makes a schema per realm with least rights."""
    name = sql.Identifier(database)
    out = [
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name),
        sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC").format(),
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(EXTENSIONS)),
        sql.SQL("CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA {}").format(sql.Identifier(EXTENSIONS)),
    ]
    for realm in realms:
        names = roles_of(prefix, realm)
        owner, app, peer = (sql.Identifier(role) for role in (names.owner, names.app, names.peer))
        schema = sql.Identifier(realm)
        out += [
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, app),
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, owner),
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, owner),
            sql.SQL("SET ROLE {}").format(owner),
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}, {}").format(schema, app, peer),
            sql.SQL("RESET ROLE").format(),
        ]
    return out
