"""The web half of the application as one plugin: guard, headers, errors, static files.

Litestar(route_handlers=routes, plugins=[Site(visitor=people.pages.visitor, navigation=desk.pages.RAIL)])
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from litestar.datastructures import CacheControlHeader, MutableScopeHeaders
from litestar.exceptions import HTTPException
from litestar.plugins import InitPlugin
from litestar.static_files import create_static_files_router

from secretariat.base.errors import SecretariatError
from secretariat.web import guard, problems, words
from secretariat.web.asof import refuse_past
from secretariat.web.realm import realm_of
from secretariat.web.screen import Entry, Screen, keep, static_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Message, Scope

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
"""No script, style or frame but our own files (OWASP Secure Headers)."""

LANGUAGE_COOKIE = "secretariat_language"


class Site(InitPlugin):
    """Everything that is said once for all pages."""

    def __init__(
        self,
        *,
        visitor: Callable[[ASGIConnection[Any, Any, Any, Any], str], guard.Visitor | None],
        navigation: Sequence[Entry] = (),
    ) -> None:
        self._visitor = visitor
        self._navigation = navigation

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add guard, headers, error pages and static files to the application."""
        app_config.guards.append(self.enter)
        app_config.before_send.append(add_headers)
        app_config.exception_handlers = {
            SecretariatError: problems.on_error,
            HTTPException: problems.on_http,
            Exception: problems.on_fault,
            **app_config.exception_handlers,
        }
        app_config.route_handlers.append(
            create_static_files_router(
                path="/static",
                directories=list(static_directories()),
                opt=guard.requires(guard.PUBLIC),
                cache_control=CacheControlHeader(max_age=31_536_000, public=True, immutable=True),
            )
        )
        return app_config

    async def enter(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Guard of every route: origin, who asks, what it needs, and no acting in the past."""
        permission = handler.opt.get("permission")
        if permission in guard.MACHINE:
            return
        acts = connection.scope.get("method", "GET") not in guard.SAFE
        guard.refuse_other_sites(connection, acts=acts)
        guard.refuse_nul([connection.scope["path"], *connection.query_params.values()])
        if permission == guard.PUBLIC and connection.url.path.startswith("/static/"):
            return
        realm = realm_of(connection)
        visitor = await asyncio.to_thread(self._visitor, connection, realm)
        language = self._language(connection, visitor)
        words.set_language(language)
        screen = Screen(
            connection, visitor=visitor, language=language, realm=realm, navigation=self._navigation
        )
        keep(connection, screen)
        guard.check(permission, visitor)
        if acts:
            refuse_past(screen.bar)

    @staticmethod
    def _language(connection: ASGIConnection[Any, Any, Any, Any], visitor: guard.Visitor | None) -> str:
        asked = connection.query_params.get("lang")
        chosen = connection.cookies.get(LANGUAGE_COOKIE)
        for language in (asked, chosen, visitor.language if visitor else None):
            if language in words.LANGUAGES:
                return str(language)
        return words.negotiate(connection.headers.get("accept-language", ""))


async def add_headers(message: Message, scope: Scope) -> None:
    """Add the security headers to every answer; a page is never kept by a cache."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not scope["path"].startswith("/static/"):
        headers.setdefault("cache-control", "no-store")
