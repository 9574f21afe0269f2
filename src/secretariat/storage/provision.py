"""Makes the database of a node (`init`): roles, schemas, extension, newest tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from secretariat.base.errors import StateError
from secretariat.storage.migrate import migrate
from secretariat.storage.roles import database_statements, role_statements, roles_of

_VERSION_MIN = 180000


def provision(
    conninfo: str,
    password: str,
    realms: Sequence[str],
    *,
    prefix: str | None = None,
    roles: bool = True,
    schema: str = "head",
) -> None:
    """Create the roles (unless `roles` is False: they exist), schemas and tables in this database.

    The login must be allowed to create roles. Refuses servers before PostgreSQL 18 and databases that already
    hold a realm. When it may not create roles, the refusal carries the SQL to be run.
    """
    with psycopg.connect(conninfo) as connection:
        if connection.info.server_version < _VERSION_MIN:
            raise StateError(
                f"PostgreSQL {connection.info.server_version // 10000} is too old", advice="use PostgreSQL 18"
            )
        database = connection.info.dbname
        prefix = prefix or database
        _refuse_existing(connection, realms)
        statements = []
        if roles:
            statements += role_statements(prefix, realms, _verifiers(connection, prefix, realms, password))
        statements += database_statements(database, prefix, realms)
        try:
            for statement in statements:
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            connection.rollback()
            text = ";\n".join(statement.as_string(connection) for statement in statements)
            raise StateError(
                f"the login may not prepare the database: {error.diag.message_primary}",
                advice=f"let an administrator run, connected to {database}:\n{text};\nthen run init again",
            ) from error
    migrate(conninfo, prefix, realms, schema)


def _refuse_existing(connection: psycopg.Connection[Any], realms: Sequence[str]) -> None:
    found = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (list(realms),)
    ).fetchone()
    if found is not None:
        raise StateError(
            f"the database {connection.info.dbname} already has a schema {found[0]!r}",
            advice="use an empty database",
        )


def _verifiers(
    connection: psycopg.Connection[Any], prefix: str, realms: Sequence[str], password: str
) -> dict[str, str]:
    """Give SCRAM verifiers, so that no password reaches the server's log or an administrator's screen."""
    names = [roles_of(prefix, realm).app for realm in realms]
    encrypt = connection.pgconn.encrypt_password
    return {
        name: encrypt(password.encode(), name.encode(), b"scram-sha-256").decode("ascii") for name in names
    }


def create_database(conninfo: str, name: str) -> None:
    """Create an empty database on the server of `conninfo`."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
