"""The database as migrated: equal to the models, row-level security everywhere, least rights."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from secretariat.app import metadata
from secretariat.base.errors import StateError
from secretariat.storage.engine import REALMS, Database
from secretariat.storage.migrate import (
    VERSION_TABLE,
    check,
    heads,
    known,
    migrate,
    read_version,
    scripts,
)


@pytest.mark.parametrize("realm", REALMS)
def test_models_and_schema_agree(superuser: psycopg.Connection, realm: str) -> None:
    """A column, index or constraint that only the model or only the migration knows fails here."""
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(superuser.info.dsn, password=superuser.info.password),
        use_native_hstore=False,
    )
    with engine.connect() as connection:
        connection.execute(sa.text(f"SET search_path = {realm}"))
        connection.dialect.default_schema_name = realm
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": False, "version_table": VERSION_TABLE},
        )
        differences = compare_metadata(context, metadata())
    engine.dispose()
    assert [str(difference) for difference in differences] == []


@pytest.mark.parametrize("realm", REALMS)
def test_every_table_is_under_forced_row_level_security(superuser: psycopg.Connection, realm: str) -> None:
    """A new table that nobody put under `protect` fails here."""
    rows = superuser.execute(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relkind IN ('r', 'p')",
        (realm,),
    ).fetchall()
    assert len(rows) > 10
    assert [name for name, forced in rows if not forced and name != VERSION_TABLE] == []


@pytest.mark.parametrize("realm", REALMS)
def test_peer_policies_name_the_reader(database: Database, superuser: psycopg.Connection, realm: str) -> None:
    """The peer role may only SELECT, and only through a policy; it has no right on a table without one."""
    peer = database.roles(realm).peer
    rights = superuser.execute(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = %s",
        (peer,),
    ).fetchall()
    assert {right for _, right in rights} <= {"SELECT"}
    policies = superuser.execute(
        "SELECT tablename, cmd FROM pg_policies WHERE schemaname = %s AND %s = ANY(roles)", (realm, peer)
    ).fetchall()
    assert {table for table, _ in rights} == {table for table, _ in policies}
    assert {command for _, command in policies} <= {"SELECT"}


@pytest.mark.parametrize("realm", REALMS)
def test_nobody_has_rights_by_default(superuser: psycopg.Connection, realm: str) -> None:
    """PUBLIC has no right on any table, and neither role may reach the other realm's schema."""
    rows = superuser.execute(
        "SELECT table_name FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC'"
        " AND table_schema = %s",
        (realm,),
    ).fetchall()
    assert rows == []


def test_migrating_twice_changes_nothing(database: Database, superuser: psycopg.Connection) -> None:
    dsn = f"{superuser.info.dsn} password={superuser.info.password}"
    migrate(dsn, database.prefix, REALMS)
    assert superuser.execute("SELECT version_num FROM live.schema_version").fetchall() == [heads()]


def test_versions_are_named_as_alembic_names_them() -> None:
    scripts_of = ScriptDirectory.from_config(scripts())
    assert heads() == tuple(scripts_of.get_heads())
    assert known() == {one.revision for one in scripts_of.walk_revisions()}


@pytest.mark.parametrize("comment", ["NULL", "'ab12'"])
def test_tables_that_other_files_of_the_same_version_made_are_refused_and_not_touched(
    database: Database, superuser: psycopg.Connection, comment: str
) -> None:
    """Before the first release a version is changed in place: the older folder says so in one line."""
    superuser.execute(f"COMMENT ON TABLE live.schema_version IS {comment}")
    dsn = f"{superuser.info.dsn} password={superuser.info.password}"
    with pytest.raises(
        StateError, match=rf"these tables are {heads()[0]}, build .*; this program needs"
    ) as told:
        migrate(dsn, database.prefix, ["live"])
    assert "secretariat init --data NEW" in str(told.value)
    with database.direct("live") as connection, pytest.raises(StateError, match="cannot change the one"):
        check(*read_version(connection))
    with database.direct("exercise") as connection:
        check(*read_version(connection))


def test_a_newer_schema_is_refused(database: Database, superuser: psycopg.Connection) -> None:
    """A release that is older than the database says so and touches nothing."""
    superuser.execute("UPDATE exercise.schema_version SET version_num = '9999_future'")
    dsn = f"{superuser.info.dsn} password={superuser.info.password}"
    with pytest.raises(StateError, match="9999_future"):
        migrate(dsn, database.prefix, REALMS)
