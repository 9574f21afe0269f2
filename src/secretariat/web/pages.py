"""Routes that belong to no part: the language of the pages, the live stream, the glossary of keys."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.response import ServerSentEvent

from secretariat.web.guard import PUBLIC, requires
from secretariat.web.live import STREAMS
from secretariat.web.routing import Form, act, see
from secretariat.web.screen import screen_of
from secretariat.web.site import LANGUAGE_COOKIE
from secretariat.web.words import LANGUAGES

YEAR_S = 31_536_000


@act("/language", PUBLIC)
def choose_language(request: Request[Any, Any, Any]) -> Response[None]:
    """Keep the language of the pages in a cookie of this browser."""
    form = Form(request)
    answer = see(form.text("next", "/"))
    language = form.text("language", "en")
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language if language in LANGUAGES else "en",
        max_age=YEAR_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@get("/live", opt=requires("ledger.read"), sync_to_thread=False, include_in_schema=False)
def live(request: Request[Any, Any, Any]) -> ServerSentEvent:
    """Stream what happened in this realm, by id only."""
    screen = screen_of(request)
    listener = request.app.state.listener
    return STREAMS.stream(listener, screen.realm, limit=screen.node.settings.limits.live_streams)


routes = [choose_language, live]
