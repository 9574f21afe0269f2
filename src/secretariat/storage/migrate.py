"""Brings a realm's schema to the newest version; each realm carries its own version table."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql

from secretariat.base.errors import StateError
from secretariat.storage.roles import roles_of

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
    _refuse_newer(connection)
    config = Config()
    config.set_main_option("script_location", "secretariat.storage:migrations")
    config.attributes.update(connection=connection, roles=roles)
    command.upgrade(config, schema)
    app = sql.Identifier(roles.app)
    driver.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(VERSION_TABLE), app))
    # a backup, taken as the application, carries where the identities stand
    driver.execute(
        sql.SQL("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}").format(sql.Identifier(realm), app)
    )


def heads() -> tuple[str, ...]:
    """Name the newest schema version of this release."""
    return tuple(_scripts().get_heads())


def known() -> frozenset[str]:
    """Name every schema version that this release can migrate from."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _refuse_newer(connection: sa.Connection) -> None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    for revision in context.get_current_heads():
        if revision not in known():
            raise StateError(
                f"the database has schema {revision}, which this release does not know",
                advice="install the release that wrote it, or restore a backup made before it",
            )


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "secretariat.storage:migrations")
    return ScriptDirectory.from_config(config)
