"""What is known of a request before anything of it is believed: whose socket, at which realm's port.

Stands before the reading of X-Forwarded-For, which puts another address in the place of the socket's.

1. The socket's address is kept for who must know whether a front speaks (`came_from`).
2. A machine address, `/{realm}/…`, answers at the port of its own realm and nowhere else: what may reach one
   realm by the way of a firewall or a front reaches that one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secretariat.base.settings import NodeSettings

    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]

_KEY: Final = "secretariat.socket"


def came_from(scope: Mapping[str, Any]) -> str | None:
    """Give the address at the other end of the socket; None where nobody noted it."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, str) else None


def realms_at(settings: NodeSettings, port: int | None) -> tuple[str, ...]:
    """Give the realms whose machine addresses are answered at a port: its own, or all at a port of none."""
    own = tuple(realm for realm in settings.realms if settings.port_of(realm) == port)
    return own or tuple(settings.realms)


class Arrival:
    """The outermost application."""

    def __init__(self, inner: Any, settings: NodeSettings) -> None:
        self._inner = inner
        self._settings = settings

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Note the socket's address and go on; refuse the other realm's machine addresses."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        client = scope.get("client")
        scope.setdefault("state", {})[_KEY] = client[0] if client else None
        port = (scope.get("server") or ("", None))[1]
        first = scope["path"].split("/", 2)[1:2]
        here = realms_at(self._settings, port)
        if any([realm] == first for realm in self._settings.realms if realm not in here):
            await _refuse(send)
            return
        await self._inner(scope, receive, send)


async def _refuse(send: Send) -> None:
    problem = {
        "status": 404,
        "code": "not-found",
        "what": "this port is another realm's",
        "advice": "each realm has an address of its own: see the party's descriptor",
    }
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem)})
