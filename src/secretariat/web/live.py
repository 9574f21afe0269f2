"""Live pages: server-sent events of ids, never content; the page then asks for what it may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar.response import ServerSentEvent, ServerSentEventMessage

from secretariat.base.errors import UnavailableError
from secretariat.storage.feed import LIVE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secretariat.storage.feed import Listener

KEEP_ALIVE_S = 20.0
"""Shorter than the 30 s after which common proxies drop a silent connection."""


async def _events(listener: Listener, realm: str) -> AsyncIterator[ServerSentEventMessage]:
    yield ServerSentEventMessage(comment="open", data=None, retry=3000)
    with listener.subscribe(realm, LIVE) as news:
        while True:
            payloads = await news.get(KEEP_ALIVE_S)
            if not payloads:
                yield ServerSentEventMessage(comment="still here", data=None)
            for payload in payloads:
                data = msgspec.json.encode(_event(payload)).decode()
                yield ServerSentEventMessage(event="change", data=data)


def _event(payload: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


class Streams:
    """Counts the open streams of this process: a flood of tabs must not take every connection."""

    def __init__(self) -> None:
        self._open = 0

    async def _counted(self, listener: Listener, realm: str) -> AsyncIterator[ServerSentEventMessage]:
        self._open += 1
        try:
            async for message in _events(listener, realm):
                yield message
        finally:
            self._open -= 1

    def stream(self, listener: Listener, realm: str, *, limit: int) -> ServerSentEvent:
        """Answer with the live events of a realm. Refuses more than `limit` at once."""
        if self._open >= limit:
            raise UnavailableError(
                "too many live pages are open", where="live_streams", advice="reload to see news"
            )
        return ServerSentEvent(
            self._counted(listener, realm), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )


STREAMS = Streams()
