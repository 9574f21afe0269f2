"""TAXII 2.1 over HTTP: routes, headers, limits, and errors in TAXII's shape for every address below them.

One ASGI application per API root, mounted in Litestar: every answer under these addresses, unknown ones too,
is a TAXII answer (3.6), limits hold before a byte of the body is read, and a page of objects goes from the
database to the socket without a framework's copy of it.

Order of refusals: address (404), method (405), credential (401), Accept (406), and for a posting its rights
(404, 403), media type and coding (415) and size (413); then the question itself. A trailing slash may be
left out. A request waits for the database in a thread, never in the event loop; postings have threads of
their own, so that large ones do not hold up readers.
"""

from __future__ import annotations

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, Final, cast

import msgspec
from litestar import asgi
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from secretariat.base.clock import now
from secretariat.base.errors import NotFoundError, SecretariatError
from secretariat.exchange import taxii_posting as posting
from secretariat.exchange import taxii_service as service
from secretariat.exchange import taxii_wire as wire
from secretariat.exchange.taxii_body import receive_body
from secretariat.exchange.taxii_service import Visit
from secretariat.ledger.node import Node
from secretariat.web import guard
from secretariat.web.arrival import realms_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import HTTPScope

    from secretariat.exchange.taxii_service import Answer

log = logging.getLogger(__name__)

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_HEADERS: Final = [
    (b"content-type", wire.MEDIA_TYPE.encode()),
    (b"cache-control", b"private, no-store"),
    (b"vary", b"accept, authorization"),
    (b"x-content-type-options", b"nosniff"),
]
_CHALLENGES: Final = [
    (b"www-authenticate", b'Basic realm="secretariat", charset="UTF-8"'),
    (b"www-authenticate", b'Bearer realm="secretariat"'),
]
_readers = ThreadPoolExecutor(8, "taxii-read")
_posters = ThreadPoolExecutor(2, "taxii-post")


class Call(msgspec.Struct, frozen=True):
    """One request, as far as it is known before its body."""

    node: Node
    realm: str | None
    method: str
    path: tuple[str, ...]
    query: bytes
    headers: dict[bytes, bytes]
    scheme: str
    port: int | None = None
    """At which port of this node it came in: each realm has its own."""

    def header(self, name: bytes) -> str | None:
        """Give a header's value as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def address(self) -> str:
        """Give the address under which the client reached this node."""
        host = self.header(b"host") or ""
        if _HOST.fullmatch(host):
            return f"{self.scheme}://{host}"
        return self.node.settings.address(self.realm or "live")


class Reply(msgspec.Struct, frozen=True):
    """Status, body, and headers beside those of every answer."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = []


def _methods(path: tuple[str, ...]) -> dict[str, Callable[[Visit, Call], Answer]]:
    """Give what can be done at an address below an API root (3.1); nothing at an unknown one.

    POST checks here what can be checked before the body; the posting itself follows in `_perform`.
    """
    match path:
        case ():
            return {"GET": lambda visit, _: service.api_root(visit)}
        case ("collections",):
            return {"GET": lambda visit, _: service.collections_of(visit)}
        case ("collections", name):
            return {"GET": lambda visit, _: service.collection(visit, name)}
        case ("collections", name, "manifest"):
            return {"GET": lambda visit, call: service.manifest(visit, name, call.query)}
        case ("collections", name, "objects"):
            return {
                "GET": lambda visit, call: service.objects(visit, name, call.query),
                "POST": lambda visit, _: posting.refuse_early(visit, name),
            }
        case ("collections", name, "objects", one):
            return {
                "GET": lambda visit, call: service.one_object(visit, name, one, call.query),
                "DELETE": lambda visit, call: service.delete(visit, name, one, call.query),
            }
        case ("collections", name, "objects", one, "versions"):
            return {"GET": lambda visit, call: service.versions(visit, name, one, call.query)}
        case ("status", name):
            return {"GET": lambda visit, _: service.status(visit, name)}
        case _:
            return {}


async def serve(scope: Scope, receive: Receive, send: Send, realm: str | None) -> None:
    """Answer one request below an API root, or at the discovery address when `realm` is None."""
    if scope["type"] != ScopeType.HTTP:
        await send(cast("Any", {"type": "websocket.close", "code": 1003}))
        return
    method = "GET"
    try:
        call = _read(scope, realm)
        method = call.method
        reply = await _perform(call, receive)
    except SecretariatError as error:
        reply = _refusal(error)
    except Exception:
        failure = wire.failure(500, "this node failed", description="the operator finds it by its error_id")
        log.exception("a TAXII request failed, error_id %s", failure.error_id)
        reply = Reply(500, wire.encode(failure))
    headers = [*_HEADERS, *reply.headers, (b"content-length", str(len(reply.body)).encode())]
    await send(cast("Any", {"type": "http.response.start", "status": reply.status, "headers": headers}))
    body = b"" if method == "HEAD" else reply.body
    await send(cast("Any", {"type": "http.response.body", "body": body, "more_body": False}))


async def _perform(call: Call, receive: Receive) -> Reply:
    known = _methods(call.path) if call.realm is not None or not call.path else {}
    if not known or call.realm not in {None, *call.node.settings.realms}:
        raise NotFoundError("nothing is at this address", advice="begin at /taxii2/")
    allow = [(b"allow", ", ".join(sorted({*known, "HEAD", "OPTIONS"})).encode())]
    if call.method == "OPTIONS":
        return Reply(204, b"", allow)
    handler = known.get("GET" if call.method == "HEAD" else call.method)
    if handler is None:
        reply = _refusal(wire.ProtocolError(405, "this method is not spoken here"))
        return Reply(405, reply.body, allow)
    run = asyncio.get_running_loop().run_in_executor
    if call.realm is None:
        return await run(_readers, _discovery, call)
    visit, answer = await run(_readers, _handle, call, call.realm, handler)
    if call.method != "POST":
        return Reply(200, answer.body, _dates(answer))
    if not wire.is_taxii_type(call.header(b"content-type")):
        raise wire.ProtocolError(415, "this is not a TAXII 2.1 body", advice=f"send {wire.MEDIA_TYPE}")
    with await receive_body(
        receive,
        length=call.header(b"content-length"),
        coding=call.header(b"content-encoding"),
        limit=call.node.settings.limits.max_request_bytes,
    ) as body:
        answer = await run(_posters, _post, visit, body)
    return Reply(202, answer.body)


def _handle(call: Call, realm: str, handler: Callable[[Visit, Call], Answer]) -> tuple[Visit, Answer]:
    client = service.authenticate(call.node, realm, call.header(b"authorization"), now=now())
    _refuse_media(call)
    visit = Visit(call.node, realm, client)
    return visit, handler(visit, call)


def _post(visit: Visit, body: IO[bytes]) -> Answer:
    return posting.add(visit, body, now=now())


def _discovery(call: Call) -> Reply:
    """List the API roots in which the client's credential is valid (4.1: the list may differ per client)."""
    header = call.header(b"authorization")
    roots, refused = [], None
    for realm in realms_at(call.node.settings, call.port):
        try:
            service.known(service.authenticate(call.node, realm, header, now=now()))
        except wire.ProtocolError as error:
            refused = error
        else:
            roots.append(f"{call.address}/{realm}/taxii2/")
    if not roots and refused is not None:
        raise refused
    _refuse_media(call)
    return Reply(200, service.discovery(call.node, roots).body)


def _refuse_media(call: Call) -> None:
    if not wire.accepts(call.header(b"accept")):
        raise wire.ProtocolError(406, "this server speaks TAXII 2.1 only", advice=f"accept {wire.MEDIA_TYPE}")


def _read(scope: HTTPScope, realm: str | None) -> Call:
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        # what comes in parts is one list (RFC 9110 section 5.3); two credentials are none
        headers[name] = value if name not in headers else headers[name] + b", " + value
    path = tuple(part for part in scope["path"].strip("/").split("/") if part)
    if not scope["path"].startswith("/"):
        path = ("",)  # /live/taxii2x is not ours
    return Call(
        node=scope["litestar_app"].state.node,
        realm=realm,
        method=scope["method"],
        path=path,
        query=scope["query_string"],
        headers=headers,
        scheme=scope["scheme"],
        port=(scope.get("server") or ("", None))[1],
    )


def _dates(answer: Answer) -> list[tuple[bytes, bytes]]:
    if answer.first is None or answer.last is None:
        return []
    return [
        (wire.ADDED_FIRST, wire.date_added(answer.first).encode()),
        (wire.ADDED_LAST, wire.date_added(answer.last).encode()),
    ]


def _refusal(error: SecretariatError) -> Reply:
    shape = wire.failure(
        error.status, error.what, description=error.advice, code=error.code, where=error.where
    )
    headers = _CHALLENGES if error.status == 401 else []
    if error.status == 503:
        headers = [(b"retry-after", b"5")]
    return Reply(error.status, wire.encode(shape), headers)


_OPEN: Final = guard.requires(guard.TOKEN)


@asgi("/taxii2", is_mount=True, copy_scope=False, opt=_OPEN, name="taxii_discovery")
async def discovery(scope: Scope, receive: Receive, send: Send) -> None:
    """Server discovery (4.1)."""
    await serve(scope, receive, send, None)


@asgi("/live/taxii2", is_mount=True, copy_scope=False, opt=_OPEN, name="taxii_live")
async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """The API root of the live realm."""
    await serve(scope, receive, send, "live")


@asgi("/exercise/taxii2", is_mount=True, copy_scope=False, opt=_OPEN, name="taxii_exercise")
async def exercise(scope: Scope, receive: Receive, send: Send) -> None:
    """The API root of the exercise realm."""
    await serve(scope, receive, send, "exercise")


routes = [discovery, live, exercise]
