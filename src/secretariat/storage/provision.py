"""Makes the database of a node (`init`): roles, schemas, extension, newest tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from secretariat.base.errors import StateError, UnavailableError
from secretariat.storage.migrate import migrate
from secretariat.storage.roles import database_statements, role_statements, roles_of

_VERSION_MIN = 180000


class NotAllowedError(StateError):
    """The login may not prepare the database; `statements` is the SQL that an administrator must run."""

    def __init__(self, why: str, database: str, statements: str) -> None:
        super().__init__(
            f"the login may not prepare the database: {why}",
            advice=f"let an administrator run this in {database}, then run init again:\n{statements}\n",
        )
        self.statements = statements


def provision(
    conninfo: str, password: str, realms: Sequence[str], *, prefix: str | None = None, schema: str = "head"
) -> None:
    """Create roles, schemas and tables in the database of `conninfo`, whose login may create roles.

    Where the login may not, the refusal carries the SQL for an administrator; then this is called again.
    Refuses servers before PostgreSQL 18 and databases that hold tables of a realm already.
    """
    with _connect(conninfo) as connection:
        if connection.info.server_version < _VERSION_MIN:
            raise StateError(
                f"PostgreSQL {connection.info.server_version // 10000} is too old", advice="use PostgreSQL 18"
            )
        database = connection.info.dbname
        prefix = prefix or database
        _refuse_tables(connection, realms)
        roles, schemas = _present(connection, prefix, realms)
        statements = []
        if not roles:
            verifiers = _verifiers(connection, prefix, realms, password)
            statements += role_statements(connection.info.user, prefix, realms, verifiers)
        if not schemas:
            statements += database_statements(database, prefix, realms)
        try:
            for statement in statements:
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            connection.rollback()
            text = "\n".join(f"{statement.as_string(connection)};" for statement in statements)
            raise NotAllowedError(str(error.diag.message_primary), database, text) from error
    _refuse_password(conninfo, prefix, realms, password)
    migrate(conninfo, prefix, realms, schema)


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(conninfo, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise UnavailableError(f"cannot reach the database: {str(error).splitlines()[-1]}") from error


def _refuse_tables(connection: psycopg.Connection[Any], realms: Sequence[str]) -> None:
    found = connection.execute(
        "SELECT nspname FROM pg_namespace n WHERE nspname = ANY(%s)"
        " AND EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = n.oid)",
        (list(realms),),
    ).fetchone()
    if found is not None:
        raise StateError(
            f"the database {connection.info.dbname} already has tables in {found[0]!r}",
            advice="use an empty database",
        )


def _present(connection: psycopg.Connection[Any], prefix: str, realms: Sequence[str]) -> tuple[bool, bool]:
    """Say whether all roles and all schemas exist: an administrator prepared them."""
    names = [name for realm in realms for name in msgspec.structs.astuple(roles_of(prefix, realm))]
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)),"
        " (SELECT count(*) FROM pg_namespace WHERE nspname = ANY(%s))",
        (names, list(realms)),
    ).fetchone()
    return row is not None and row[0] == len(names), row is not None and row[1] == len(realms)


def _refuse_password(conninfo: str, prefix: str, realms: Sequence[str], password: str) -> None:
    """Refuse roles of an earlier attempt from another data folder: this node could never log in."""
    words = {**conninfo_to_dict(conninfo), "password": password}
    for realm in realms:
        name = roles_of(prefix, realm).app
        try:
            psycopg.connect(**{**words, "user": name}, connect_timeout=10).close()  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise StateError(
                f"the role {name} exists with another password",
                advice=f"let an administrator drop the roles {prefix}_{realm}_*, then run init again",
            ) from error


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
