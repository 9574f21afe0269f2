"""The planner is told of tables that a large import has filled, and of nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from secretariat.register import service
from secretariat.register.model import Meeting
from secretariat.register.overlap import service as overlap
from secretariat.storage.engine import raw

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
COUNT = 1_500


def estimates(tx):
    """Give how many rows the planner believes in, by table; -1 where it never looked."""
    found = raw(tx).execute(
        "SELECT relname, reltuples FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    )
    return dict(found.fetchall())


def test_an_import_tells_the_planner(node):
    jp = node("JP")
    drafts = [
        Meeting(
            key=f"m-{number}",
            kind="meeting",
            title=f"Round {number}",
            summary="a line of text " * 10,
            parties=("JP", "KR"),
            true_from="2020-01-01",
            known_public="2020-01-02",
        )
        for number in range(COUNT)
    ]
    service.record(jp, "live", drafts, by="mina", now=NOW)
    with jp.database.app("live") as tx:
        assert estimates(tx)["register_statement"] == COUNT
        while overlap.catch_up(tx, limit=1_000, pairs=0, by="words"):
            pass
        assert estimates(tx)["register_overlap_token"] > 0


@pytest.mark.parametrize("function", ["register_analyze", "register_overlap_analyze"])
def test_only_the_application_may_call_it_and_only_for_our_tables(database, function):
    with database.app("live") as tx:
        raw(tx).execute(
            "CREATE TEMP TABLE register_statement (id int); INSERT INTO pg_temp.register_statement VALUES (1)"
        )
        raw(tx).execute(f"SELECT live.{function}()")
        lie = "SELECT reltuples FROM pg_class WHERE oid = 'pg_temp.register_statement'::regclass"
        assert raw(tx).execute(lie).fetchone() == (-1,)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        database.peer("live", "CN") as tx,
    ):
        raw(tx).execute(f"SELECT {function}()")
