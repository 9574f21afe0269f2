"""How a page is declared: `@page(path, permission)` reads, `@act(path, permission)` changes something.

Handlers are plain functions and run on a thread. They are wrapped here and not by `sync_to_thread`, which in
Litestar 2.25 wraps a handler once more for each further handler on its path, so that the first one fails.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote, urlsplit

import anyio.to_thread
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.types import Empty

from secretariat.web import asof, guard
from secretariat.web.guard import requires

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Request
    from litestar.datastructures import FormMultiDict
    from litestar.handlers import HTTPRouteHandler

FORM_BYTES = 262_144
"""A form holds words; a deed that takes a file says so and is bounded by the node's max_request_bytes."""
_FORM = "secretariat.form"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PRINTABLE = "".join(map(chr, range(33, 127)))


class Form:
    """What a form sent: every value as text; files are read by the page that takes them."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._values: FormMultiDict = request.scope["state"][_FORM]

    def text(self, name: str, default: str = "") -> str:
        """Give one field; a missing field or a file is the default."""
        value = self._values.get(name, default)
        return value if isinstance(value, str) else default

    def file(self, name: str) -> BinaryIO | None:
        """Give a file that was chosen, to be read once; None where none was."""
        value = self._values.get(name)
        if not isinstance(value, UploadFile) or not value.filename:
            return None
        value.file.seek(0)
        return cast("BinaryIO", value.file)

    def texts(self, name: str) -> list[str]:
        """Give every value of a field, as check boxes send them."""
        return [value for value in self._values.getall(name, []) if isinstance(value, str)]


def page(path: str, permission: str) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Declare a page: GET, nothing changes."""

    def declare(handler: Callable[..., Any]) -> HTTPRouteHandler:
        return get(path, opt=requires(permission), include_in_schema=False)(_threaded(handler))

    return declare


def act(
    path: str, permission: str, *, status: int = 303, takes_file: bool = False
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Declare a deed: POST, answered with the page that shows the result (303)."""

    def declare(handler: Callable[..., Any]) -> HTTPRouteHandler:
        run = _threaded(handler, reads_form=True)
        return post(
            path,
            opt=requires(permission),
            status_code=status,
            include_in_schema=False,
            request_max_body_size=Empty if takes_file else FORM_BYTES,
        )(run)

    return declare


def _threaded(handler: Callable[..., Any], *, reads_form: bool = False) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(handler)
    async def run(*args: Any, **given: Any) -> Any:
        if reads_form:
            request: Request[Any, Any, Any] = given["request"]
            values = await request.form()
            guard.refuse_nul(value for _, value in values.multi_items())
            request.scope["state"][_FORM] = values
            typed = {field: str(values.get(field, "")) for field in asof.ASKED}
            asof.refuse_past(asof.read(typed))
        return await anyio.to_thread.run_sync(functools.partial(handler, *args, **given))

    return run


def inside(address: str) -> str:
    """Give an address of this node; anything that leads elsewhere becomes the Desk."""
    try:
        parts = urlsplit(address)
        plain = quote(address, safe=_PRINTABLE)  # a header holds ASCII
    except ValueError:  # brackets without an address in them; half of a surrogate pair
        return "/"
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//"):
        return "/"
    return "/" if "\\" in address or _CONTROL.search(address) else plain


def see(address: str) -> Response[None]:
    """Lead the browser to a page after a deed."""
    return Response(None, status_code=303, headers={"Location": inside(address)})
