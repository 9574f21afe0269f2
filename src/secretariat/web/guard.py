"""The guard of every route: one declared permission each, and no request from another site.

Rules:
1. A handler names its permission in `opt`; a handler without one answers nobody (and fails a test).
2. `PUBLIC` is open; `TOKEN` and `PEER` are checked by the part that serves tools and nodes; every other
   word is a right of a person, and `Visitor.may` answers it.
3. A browser's request that comes from another site is refused (Fetch Metadata, W3C; Origin for browsers
   without it). Following a link to a page is allowed: reading changes nothing and cookies are Strict.
4. A request that would act and names a past time is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from secretariat.base.errors import DeniedError, InputError, SecretariatError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.connection import ASGIConnection

PUBLIC = "public"
TOKEN = "token"  # noqa: S105  (the name of a way in)
PEER = "peer"
MACHINE = frozenset({TOKEN, PEER})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Visitor(Protocol):
    """Who asks for a page."""

    @property
    def login(self) -> str:
        """The name of the credential."""

    @property
    def name(self) -> str:
        """The name shown."""

    @property
    def language(self) -> str:
        """The language chosen."""

    def may(self, permission: str) -> bool:
        """Whether the visitor has the right."""


class SignInNeededError(SecretariatError):
    """Nobody is signed in."""

    code = "sign-in-needed"
    status = 401


def requires(permission: str) -> dict[str, Any]:
    """Declare what a route needs: `@get("/ledger", opt=requires(Permission.READ_LEDGER))`."""
    return {"permission": str(permission)}


def refuse_other_sites(connection: ASGIConnection[Any, Any, Any, Any], *, acts: bool) -> None:
    """Refuse a browser's request that another site made."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
        navigates = connection.headers.get("sec-fetch-mode") == "navigate"
        if not acts and navigates and connection.headers.get("sec-fetch-dest") == "document":
            return
    else:
        origin = connection.headers.get("origin")
        if origin is None or _host_of(origin) == connection.headers.get("host"):
            return
    raise DeniedError("this request came from another site", advice="open the page itself and try again")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def refuse_nul(values: Iterable[Any]) -> None:
    """Refuse text with a NUL character: neither the database nor a file's name can hold it."""
    if any(isinstance(value, str) and "\x00" in value for value in values):
        raise InputError("a NUL character", advice="leave it out")


def check(permission: str | None, visitor: Visitor | None) -> None:
    """Let pass who may; say which right is missing to who may not."""
    if permission is None:
        raise DeniedError("this route declares no permission, so it answers nobody")
    if permission == PUBLIC or permission in MACHINE:
        return
    if visitor is None:
        raise SignInNeededError("sign in first", advice="GET /sign-in")
    if not visitor.may(permission):
        raise DeniedError(
            f"{visitor.login} may not do this", where=permission, advice="Admin shows which role may"
        )
