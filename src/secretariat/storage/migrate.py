"""Brings a realm's schema to the newest version; each realm carries its own version table.

A version is a file of `migrations/versions`, named like its revision. Until the first release these files are
changed in place, so a version alone does not say which tables it made: the hash of the files stands with it,
as the comment of the version table. Where they differ nothing is touched and the refusal says which two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from secretariat.base.errors import StateError
from secretariat.storage.roles import roles_of

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "schema_version"


def migrate(conninfo: str, prefix: str, realms: Sequence[str], schema: str = "head") -> None:
    """Migrate every realm to `schema` as its owner. `conninfo` logs in somebody who may become the owners.

    Each realm is one transaction: it is migrated whole or not at all. Refuses a schema of a newer release.
    """
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), use_native_hstore=False
    )
    try:
        for realm in realms:
            with engine.begin() as connection:
                migrate_realm(connection, prefix, realm, schema)
    finally:
        engine.dispose()


def migrate_realm(connection: sa.Connection, prefix: str, realm: str, schema: str = "head") -> None:
    """Migrate the schema of `realm` inside the caller's transaction."""
    roles = roles_of(prefix, realm)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(
        sql.SQL("SET LOCAL ROLE {}; SET LOCAL search_path = {}").format(
            sql.Identifier(roles.owner), sql.Identifier(realm)
        )
    )
    if driver.execute("SELECT to_regclass(%s)", (VERSION_TABLE,)).fetchone() != (None,):
        check(*read_version(driver))
    # a command that finds its tables up to date never comes here and does without alembic
    from alembic import command

    config = scripts()
    config.attributes.update(connection=connection, roles=roles)
    command.upgrade(config, schema)
    driver.execute(
        sql.SQL("COMMENT ON TABLE {} IS {}").format(
            sql.Identifier(VERSION_TABLE), made_by(heads()[0] if schema == "head" else schema)
        )
    )
    app = sql.Identifier(roles.app)
    driver.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(VERSION_TABLE), app))
    # a backup, taken as the application, carries where the identities stand
    driver.execute(
        sql.SQL("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}").format(sql.Identifier(realm), app)
    )


def heads() -> tuple[str, ...]:
    """Name the newest schema version of this release."""
    return (max(_versions()),)


def known() -> frozenset[str]:
    """Name every schema version that this release can migrate from."""
    return frozenset(_versions())


@cache
def _versions() -> dict[str, bytes]:
    """Give what makes each version, by its name, in order."""
    found = files("secretariat.storage").joinpath("migrations", "versions").iterdir()
    named = sorted((one.name.removesuffix(".py"), one) for one in found if one.name.endswith(".py"))
    return {name: one.read_bytes() for name, one in named if name != "__init__"}


def made_by(version: str) -> str:
    """Give the hash of what makes the tables of a version: every file up to it."""
    running = hashlib.sha256()
    for name, data in _versions().items():
        if name <= version:
            running.update(data)
    return running.hexdigest()


def read_version(connection: psycopg.Connection[Any]) -> tuple[str | None, str | None]:
    """Give the version of a realm's tables, and the hash of what made them."""
    query = sql.SQL(
        "SELECT (SELECT max(version_num) FROM {0}), obj_description(to_regclass({1}), 'pg_class')"
    ).format(sql.Identifier(VERSION_TABLE), VERSION_TABLE)
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0], row[1]


def check(version: str | None, made: str | None) -> None:
    """Refuse tables of a version that this release does not know, or made by other files of that name."""
    if version is None:
        return
    if version not in known():
        raise StateError(
            f"the database has schema {version}, which this release does not know; it needs {heads()[0]}",
            advice="install the release that wrote it, or restore a backup made before it",
        )
    if made != made_by(version):
        raise StateError(
            f"these tables are {version}, build {(made or 'unknown')[:12]}; this program needs {heads()[0]},"
            f" build {made_by(heads()[0])[:12]}, and cannot change the one into the other",
            advice="before the first release tables change with no way over: use the program that made these,"
            " or keep the folder and make a new node in another: secretariat init --data NEW",
        )


def scripts() -> Config:
    """Give alembic's configuration: where the versions are."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "secretariat.storage:migrations")
    return config
