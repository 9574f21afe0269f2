"""Routes that belong to no part: the language of the pages, the live stream, the glossary of keys."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import ServerSentEvent

from secretariat.web.guard import PUBLIC, requires
from secretariat.web.live import STREAMS
from secretariat.web.screen import screen_of
from secretariat.web.site import LANGUAGE_COOKIE
from secretariat.web.words import LANGUAGES

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
YEAR_S = 31_536_000


def inside(address: str) -> str:
    """Give an address of this node; anything that leads elsewhere becomes the Desk."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return "/"
    return address


def see(address: str) -> Response[None]:
    """Lead the browser to a page after a form (303)."""
    return Response(None, status_code=303, headers={"Location": inside(address)})


@post("/language", opt=requires(PUBLIC), status_code=303, sync_to_thread=False)
def choose_language(request: Request[Any, Any, Any], data: Form) -> Response[None]:
    """Keep the language of the pages in a cookie of this browser."""
    answer = see(data.get("next", "/"))
    language = data.get("language", "en")
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language if language in LANGUAGES else "en",
        max_age=YEAR_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@get("/live", opt=requires("ledger.read"), sync_to_thread=False)
def live(request: Request[Any, Any, Any]) -> ServerSentEvent:
    """Stream what happened in this realm, by id only."""
    screen = screen_of(request)
    return STREAMS.stream(
        request.app.state.listener, screen.realm, limit=screen.node.settings.limits.live_streams
    )


routes = [choose_language, live]
