"""The change feed: NOTIFY inside the transaction that changed something, wake-ups for those who wait.

A notification carries ids only, never content (it passes by row-level security), and is a hint: who is woken
reads the tables from its own cursor, and who was not woken reads them when it next looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
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

    async def get(self) -> str:
        """Give the oldest payload not yet given, waiting for one; may be cancelled without loss.

        The empty payload means: something may have been missed, look at everything.
        """
        while not self._waiting:
            self._event.clear()
            await self._event.wait()
        payload = next(iter(self._waiting))
        del self._waiting[payload]
        return payload

    def put(self, payload: str) -> None:
        """Hand over a payload; when too many wait, they become one empty payload."""
        if len(self._waiting) >= _KEEP:
            self._waiting = {"": None}
        self._waiting[payload] = None
        self._event.set()


class Listener:
    """The one LISTEN connection of a realm in this process; connects again when the database was gone."""

    def __init__(self, database: Database, realm: str) -> None:
        self._parameters = database.parameters(realm)
        self.realm = realm
        self._subscribers: dict[str, set[Subscription]] = {channel: set() for channel in _CHANNELS}
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def start(self) -> None:
        """Listen; returns when the first connection stands."""
        self._task = asyncio.create_task(self._run(), name=f"listen {self.realm}")
        await self._listening.wait()

    async def stop(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @contextlib.asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        """Receive the payloads of `channel` for the time of the block."""
        subscription = Subscription()
        self._subscribers[channel].add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers[channel].discard(subscription)

    def _hand_out(self, channel: str, payload: str) -> None:
        for subscription in self._subscribers[channel]:
            subscription.put(payload)

    async def _run(self) -> None:
        tries = 0
        while True:
            try:
                connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
                    **self._parameters, autocommit=True
                )
                async with connection:
                    for channel in _CHANNELS:
                        name = sql.Identifier(f"{channel}_{self.realm}")
                        await connection.execute(sql.SQL("LISTEN {}").format(name))
                        self._hand_out(channel, "")
                    self._listening.set()
                    tries = 0
                    async for note in connection.notifies():
                        self._hand_out(note.channel.removesuffix(f"_{self.realm}"), note.payload)
            except psycopg.Error:
                pass  # gone: try again below
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1


def live(**ids: str | int) -> str:
    """Write a payload for the `live` channel."""
    return json.dumps(ids, separators=(",", ":"))
