"""Every error in one shape: a page for people who asked for a page, JSON for everyone else.

The shape is `SecretariatError.as_dict()` with the HTTP status; a fault of ours gives a number that stands in
the server's log, never a traceback.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from secretariat.base.clock import AsOf
from secretariat.base.errors import InputError, SecretariatError
from secretariat.web import words
from secretariat.web.asof import Bar
from secretariat.web.guard import SignInNeededError
from secretariat.web.realm import realm_of
from secretariat.web.screen import Screen, has_screen, screen_of
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

log = logging.getLogger("secretariat.web")

_GONE = "client disconnected prematurely"
"""What Litestar raises, as a fault of the server, when a sender ends in the middle of a body."""

TITLES = {
    400: mark("This request cannot be read"),
    401: mark("Sign in first"),
    403: mark("You may not do this"),
    404: mark("There is no such page"),
    405: mark("This page cannot be asked that way"),
    409: mark("This cannot be done now"),
    413: mark("This is too large"),
    415: mark("This form of content is not read here"),
    422: mark("This cannot be accepted"),
    429: mark("Too many attempts"),
    500: mark("A fault in this node"),
    503: mark("Something needed is not there now"),
}


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether the asker is a browser that shows pages."""
    return "text/html" in request.headers.get("accept", "")


def answer(
    request: Request[Any, Any, Any],
    status: int,
    problem: dict[str, str],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    """Give the problem as a page or as JSON."""
    if not wants_page(request):
        return Response(
            msgspec.json.encode({"status": status, **problem}),
            media_type="application/problem+json",
            status_code=status,
            headers=headers,
        )
    if has_screen(request):
        screen = screen_of(request)
    else:
        screen = Screen(
            request,
            visitor=None,
            language=words.negotiate(request.headers.get("accept-language", "")),
            realm=realm_of(request),
        )
    try:
        screen.bar  # noqa: B018  (reads the address)
    except InputError:
        screen.bar = Bar({}, AsOf())  # the page that says so must not stumble over the same address
    words.set_language(screen.language)
    title = _(TITLES.get(status, TITLES[400]))
    page = screen.render(
        "web/problem.html", status=status, title=title, problem={"status": str(status), **problem}
    )
    page.headers.update(headers or {})
    return page


def on_error(request: Request[Any, Any, Any], error: SecretariatError) -> Response[Any]:
    """Answer an error of ours; who is not signed in is led to the sign-in page."""
    if isinstance(error, SignInNeededError) and wants_page(request) and request.method == "GET":
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        suffix = "" if target == "/" else f"?{urlencode({'next': target})}"
        return Response(None, status_code=303, headers={"Location": f"/sign-in{suffix}"})
    return answer(request, error.status, error.as_dict())


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer an error of the framework (no such address, wrong method, unreadable form)."""
    codes = {404: "not-found", 405: "wrong-method", 413: "too-large", 415: "wrong-media-type"}
    problem = {"code": codes.get(error.status_code, "bad-input"), "what": str(error.detail)[:300]}
    if error.detail == _GONE:  # no fault of ours, and nobody reads the answer
        return answer(request, 400, {"code": "bad-input", "what": "the body was cut off"})
    if error.status_code >= 500:
        return on_fault(request, error)
    return answer(request, error.status_code, problem, dict(error.headers or {}))


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a fault of ours with a number that finds it in the log."""
    number = secrets.token_hex(4)
    log.error("fault %s on %s %r", number, request.method, request.url.path, exc_info=error)
    return answer(
        request,
        500,
        {
            "code": "fault",
            "what": f"a fault in this node, number {number}",
            "advice": "tell who runs this node",
        },
    )
