"""The change feed: wake-ups at commit, none at rollback, and again after the database was gone."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from secretariat.base.errors import InputError
from secretariat.storage.engine import Database
from secretariat.storage.feed import FEED, LIVE, Listener, live, notify


def test_wakes_at_commit_only(database: Database) -> None:
    """A payload arrives once, after the commit, in its own realm; a rolled-back one never does."""

    async def play() -> tuple[list[str], list[str], list[str]]:
        listener = Listener(database)
        await listener.start()
        try:
            with (
                listener.subscribe("live", FEED) as feed,
                listener.subscribe("live", LIVE) as pages,
                listener.subscribe("exercise", FEED) as other,
            ):
                with database.app("live") as tx:
                    notify(tx, FEED, "JP")
                    notify(tx, LIVE, live(entry=7))
                    assert await feed.get(0.05) == []
                with pytest.raises(RuntimeError), database.app("live") as tx:
                    notify(tx, FEED, "KR")
                    raise RuntimeError
                first = await feed.get(5)
                return first + await feed.get(0.1), await pages.get(5), await other.get(0.05)
        finally:
            await listener.stop()

    assert asyncio.run(play()) == (["JP"], ['{"entry":7}'], [])


def test_listens_again_after_the_connection_was_lost(
    database: Database, superuser: psycopg.Connection
) -> None:
    """After a loss the waiter is told to look at everything, and later payloads arrive."""

    async def play() -> tuple[list[str], list[str]]:
        listener = Listener(database)
        await listener.start()
        try:
            with listener.subscribe("live", FEED) as feed:
                superuser.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                missed = await feed.get(10)
                with database.app("live") as tx:
                    notify(tx, FEED, "US")
                return missed, await feed.get(5)
        finally:
            await listener.stop()

    assert asyncio.run(play()) == ([""], ["US"])


def test_a_slow_waiter_is_told_to_look_at_everything() -> None:
    from secretariat.storage.feed import Subscription

    async def play() -> list[str]:
        waiting = Subscription()
        for number in range(1_500):
            waiting.put(str(number))
        return await waiting.get(1)

    found = asyncio.run(play())
    assert found[0] == ""
    assert len(found) <= 1_000


def test_refuses_content_in_a_wake_up(database: Database) -> None:
    with pytest.raises(InputError, match="ids only"), database.app("live") as tx:
        notify(tx, LIVE, "x" * 8_000)
