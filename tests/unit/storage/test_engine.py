"""Transactions, readers and what a database that is gone answers."""

from __future__ import annotations

import sqlalchemy as sa

from secretariat.storage.engine import Database


def test_app_commits_at_the_end(database: Database, realm: str) -> None:
    with database.app(realm) as tx:
        assert tx.execute(sa.text("SELECT current_user")).scalar() == database.roles(realm).app
        assert tx.execute(sa.text("SHOW search_path")).scalar() == realm
