"""The change feed: NOTIFY inside the transaction that changed something, wake-ups for those who wait.

A notification carries ids only, never content (it passes by row-level security), and is a hint: who is woken
reads the tables from its own cursor, and who was not woken reads them when it next looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from secretariat.base.errors import InputError
from secretariat.storage.engine import Database, raw

FEED = "feed"
"""Payload: the party code of a recipient whose feed grew."""
LIVE = "live"
"""Payload: a small JSON object of ids for the open pages."""
_CHANNELS = (FEED, LIVE)
_PAYLOAD_MAX = 7_999  # bytes, PostgreSQL's NOTIFY
_RETRY_S = (0.2, 1, 2, 5)
_KEEP = 1_000  # waiting payloads per subscriber; a slow one loses hints, never data


def notify(tx: sa.Connection, channel: str, payload: str) -> None:
    """Wake the listeners of `channel` in this realm when the transaction commits. Refuses long payloads."""
    if len(payload.encode()) > _PAYLOAD_MAX:
        raise InputError(f"a notification of {len(payload)} letters", advice="send ids only")
    raw(tx).execute("SELECT pg_notify(%s || '_' || current_schema(), %s)", (channel, payload))


class Subscription:
    """What one waiter has not yet seen of a channel, in order; a payload that waits is not repeated."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._event = asyncio.Event()

    async def get(self, seconds: float | None = None) -> list[str]:
        """Give the payloads not yet given, waiting up to `seconds` for the first; empty when none came.

        Among them the empty payload means: something may have been missed, look at everything.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
        found, self._waiting = list(self._waiting), {}
        return found

    def put(self, payload: str) -> None:
        """Hand over a payload; when too many wait, they become one empty payload."""
        if len(self._waiting) >= _KEEP:
            self._waiting = {"": None}
        self._waiting[payload] = None
        self._event.set()


class Listener:
    """One LISTEN connection per realm for the whole process; connects again when the database was gone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: dict[tuple[str, str], set[Subscription]] = {
            (realm, channel): set() for realm in database.realms for channel in _CHANNELS
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen in every realm; returns when the first connections stand."""
        standing = {realm: asyncio.Event() for realm in self._database.realms}
        for realm, event in standing.items():
            self._tasks.append(asyncio.create_task(self._run(realm, event), name=f"listen {realm}"))
        for event in standing.values():
            await event.wait()

    async def stop(self) -> None:
        """End the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @contextlib.contextmanager
    def subscribe(self, realm: str, channel: str) -> Iterator[Subscription]:
        """Receive the payloads of `channel` in `realm` for the time of the block."""
        subscription = Subscription()
        self._subscribers[realm, channel].add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers[realm, channel].discard(subscription)

    def _hand_out(self, realm: str, channel: str, payload: str) -> None:
        for subscription in self._subscribers[realm, channel]:
            subscription.put(payload)

    async def _run(self, realm: str, standing: asyncio.Event) -> None:
        tries = 0
        while True:
            try:
                connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
                    **self._database.parameters(realm), autocommit=True
                )
                async with connection:
                    for channel in _CHANNELS:
                        name = sql.Identifier(f"{channel}_{realm}")
                        await connection.execute(sql.SQL("LISTEN {}").format(name))
                        self._hand_out(realm, channel, "")
                    standing.set()
                    tries = 0
                    async for note in connection.notifies():
                        self._hand_out(realm, note.channel.removesuffix(f"_{realm}"), note.payload)
            except psycopg.Error:
                pass  # gone: try again below
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1


def live(**ids: str | int) -> str:
    """Write a payload for the `live` channel."""
    return json.dumps(ids, separators=(",", ":"))
