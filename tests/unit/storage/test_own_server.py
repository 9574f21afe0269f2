"""A PostgreSQL of one's own: prepared by the login where it may, else by the SQL that the refusal shows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo

from secretariat.base.errors import StateError, UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.storage.embedded import Server
from secretariat.storage.opening import create, opened
from secretariat.storage.provision import NotAllowedError


class Operator:
    """An operator's login and database on a server that is not ours."""

    def __init__(self, server: Server, may: str) -> None:
        self.name = f"own_{secrets.token_hex(4)}"
        self.admin = server.conninfo(superuser=True, dbname="postgres")
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {self.name} LOGIN PASSWORD 'pw' {may}")
            connection.execute(f"CREATE DATABASE {self.name} OWNER {self.name}")
        self.url = make_conninfo(server.conninfo(dbname=self.name), user=self.name, password="pw")

    def as_administrator(self, statements: str) -> None:
        with psycopg.connect(make_conninfo(self.admin, dbname=self.name), autocommit=True) as connection:
            connection.execute(statements)

    def settings(self, data: Path) -> NodeSettings:
        data.mkdir(exist_ok=True)
        return NodeSettings(party="JP", name="Japan", data=data, database_url=self.url)


@pytest.fixture
def operator(server: Server) -> Iterator[Operator]:
    return Operator(server, "CREATEROLE")


def works(settings: NodeSettings) -> None:
    with opened(settings, serving=True) as database:
        for realm in settings.realms:
            with database.app(realm) as tx:
                roles = database.roles(realm)
                assert tx.execute(sa.text("SELECT session_user")).scalar() == roles.app
                assert tx.execute(sa.text("SELECT count(*) FROM object_version")).scalar() == 0
            with database.peer(realm, "KR") as tx:
                assert tx.execute(sa.text("SELECT current_user")).scalar() == roles.peer


def test_login_that_may_create_roles(operator: Operator, tmp_path: Path) -> None:
    """One step; the application then never uses the operator's login."""
    settings = operator.settings(tmp_path / "JP")
    create(settings)
    works(settings)
    with pytest.raises(StateError, match="already has tables"):
        create(operator.settings(tmp_path / "KR"))


def test_login_that_may_not(server: Server, tmp_path: Path) -> None:
    """The refusal is the SQL; once an administrator has run it, init goes on and the node works."""
    operator = Operator(server, "")
    settings = operator.settings(tmp_path / "JP")
    with pytest.raises(NotAllowedError) as refused:
        create(settings)
    assert "CREATE ROLE" in str(refused.value)
    secret = (settings.data / "database.secret").read_text().split('"')
    assert not any(word in str(refused.value) for word in (secret[3], secret[7])), "no password on a screen"
    operator.as_administrator(refused.value.statements)
    create(settings)
    works(settings)


def test_roles_of_another_attempt(operator: Operator, tmp_path: Path) -> None:
    """Roles whose password this data folder does not know are refused before any table is made."""
    first = operator.settings(tmp_path / "first")
    create(first)
    operator.as_administrator("DROP SCHEMA live CASCADE; DROP SCHEMA exercise CASCADE")
    with pytest.raises(StateError, match="another password"):
        create(operator.settings(tmp_path / "second"))


def test_second_data_folder_on_one_database(operator: Operator, tmp_path: Path) -> None:
    """The lock in the database refuses a second node, wherever its data folder lies."""
    settings = operator.settings(tmp_path / "JP")
    create(settings)
    twin = operator.settings(tmp_path / "twin")
    (twin.data / "database.secret").write_bytes((settings.data / "database.secret").read_bytes())
    with (
        opened(settings, serving=True),
        pytest.raises(StateError, match="another process serves this database"),
        opened(twin, serving=True),
    ):
        pass


def test_server_that_does_not_answer(tmp_path: Path) -> None:
    settings = NodeSettings(
        party="JP", name="Japan", data=tmp_path, database_url="postgresql://a:b@127.0.0.1:1/none"
    )
    with pytest.raises(UnavailableError, match="cannot reach the database"):
        create(settings)
