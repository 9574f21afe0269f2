"""Which realm a request is in: each realm has its own origin, so that nothing of one reaches the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection


def realm_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The realm a request is in: said by the application, else by port or host."""
    fixed = connection.app.state.get("realm")
    if fixed:
        return str(fixed)
    node = connection.app.state.get("node")
    server = connection.scope.get("server") or ("", None)
    if node is not None and "exercise" in node.settings.realms:
        if server[1] == node.settings.port_of("exercise"):
            return "exercise"
        host = urlsplit(node.settings.exercise_url).netloc
        if host and connection.headers.get("host", "") == host:
            return "exercise"
    return "live"
