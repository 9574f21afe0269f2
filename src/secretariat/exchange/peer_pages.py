"""The doors for other nodes, under /{realm}/peer/v1/ (docs/protocol.md, "Between nodes").

Every request but the one for the descriptor proves by signature which partner makes it (identity.py), and
every answer is signed and bound to its request. Refusals have one shape, `Problem`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import FromPath, FromQuery, QueryParameter

from secretariat.base.clock import now
from secretariat.base.errors import LimitError, NotFoundError, SecretariatError
from secretariat.exchange import (
    certificates,
    enrolment,
    guest_feed,
    identity,
    renewal,
    restoring,
    service,
    sync,
    wire,
)
from secretariat.exchange import store as tables
from secretariat.exchange.certificates import Shown
from secretariat.exchange.identity import Answer, ReplayError
from secretariat.exchange.model import Peer
from secretariat.exchange.postgres import PostgresStore
from secretariat.exchange.wire import Problem
from secretariat.exchange.witnesses import Riding
from secretariat.ledger.node import Node
from secretariat.storage.feed import FEED, Listener
from secretariat.web.arrival import came_from
from secretariat.web.guard import PEER, PUBLIC, requires

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

Asked = Request[Any, Any, Any]


class TooSlowError(SecretariatError):
    """A body that did not come in time."""

    code = "too-slow"
    status = 408


_JSON = "application/json"
_For = Annotated[str, QueryParameter(name="for", max_length=64)]
_HELD_MAX = 8
_held: Counter[tuple[str, str]] = Counter()


@get("/{realm:str}/peer/v1/descriptor", name="peer:descriptor", opt=requires(PUBLIC))
async def descriptor(request: Asked, realm: FromPath[str]) -> Response[bytes]:
    """Give this node's descriptor, sealed with its root key. It proves nothing without the twelve words."""
    node = _node(request, realm)
    state = request.app.state
    if state.get("descriptor") is None:  # anybody may ask: the root key signs it once per start
        state.descriptor = await asyncio.to_thread(enrolment.describe, node, now=now())
    return Response(state.descriptor, media_type=_JSON)


@post(
    "/{realm:str}/peer/v1/descriptor",
    name="peer:renew",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=renewal.MAX_BYTES,
)
async def renew(request: Asked, realm: FromPath[str]) -> Response[bytes]:
    """Take a partner's new keys. Its root key's seal is all that counts, so it needs no other signature."""
    try:
        node = _node(request, realm)
        sealed = await _body(request, node, renewal.MAX_BYTES)
        done = await asyncio.to_thread(renewal.renew, node, realm, sealed, now=now())
    except SecretariatError as error:
        problem = Problem(error.code, error.what, error.where, error.advice)
        return Response(wire.encode(problem), status_code=error.status, media_type=wire.PROBLEM_TYPE)
    return Response(b'{"renewed":true}' if done else b'{"renewed":false}', media_type=_JSON)


@get("/{realm:str}/peer/v1/feed", name="peer:feed", opt=requires(PEER))
async def feed(
    request: Asked,
    realm: FromPath[str],
    after: FromQuery[str] = "0.0",
    size: Annotated[int, QueryParameter(ge=0, le=2**53 - 1)] = 0,
    wait: Annotated[int, QueryParameter(ge=0, le=600)] = 0,
    for_: _For = "",
    witnessed: Annotated[str, QueryParameter(max_length=6_000)] = "",
    follows: Annotated[str, QueryParameter(max_length=8_000)] = "",
) -> Response[bytes]:
    """Give the page after a cursor; without news hold the request for up to `wait` seconds.

    `for` names a guest of the caller. The caller's own request is not held any longer once there is news for
    one of its guests: its answer may be an empty page.
    """

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        sync.note_asked(realm, peer.party)
        along = Riding(read_word(witnessed), tuple(one for one in follows.split(",") if one))
        await asyncio.to_thread(service.hear, node, realm, peer.party, along, now=now())
        reader = await asyncio.to_thread(guest_feed.reader_of, node, realm, peer, for_)
        guests = await asyncio.to_thread(guest_feed.hosted_by, node, realm, peer.party)
        cursor = wire.read_cursor(after)
        listener: Listener = request.app.state.listener
        with holding(realm, peer.party) as may_hold, listener.subscribe(realm, FEED) as news:
            held = min(wait, node.settings.limits.peer_wait_s) if may_hold else 0
            ends = time.monotonic() + held
            while True:
                page, carried = await asyncio.to_thread(
                    service.make_page, node, realm, reader, cursor, size, now=now()
                )
                left = ends - time.monotonic()
                if carried or left <= 0:
                    return page
                if reader == peer.party and await asyncio.to_thread(
                    guest_feed.news, node, realm, guests, size
                ):
                    return page
                await news_for(news, {reader, *guests}, ends)

    return await answered(request, realm, answer)


@contextlib.contextmanager
def holding(realm: str, party: str) -> Iterator[bool]:
    """Count the requests a partner has open; past a few they are answered at once instead of being held."""
    _held[realm, party] += 1
    try:
        yield _held[realm, party] <= _HELD_MAX
    finally:
        _held[realm, party] -= 1


async def news_for(news: Any, parties: Collection[str], ends: float) -> None:
    """Wait until something may have come for any of `parties`, or the time is over."""
    while (left := ends - time.monotonic()) > 0:
        payloads = await news.get(left)
        if "" in payloads or not set(parties).isdisjoint(payloads):
            return


@get("/{realm:str}/peer/v1/place", name="peer:place", opt=requires(PEER))
async def place(request: Asked, realm: FromPath[str], for_: _For = "") -> Response[bytes]:
    """Say how far this node, or its guest `for`, is with the caller's log: what the caller need deliver."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        guest = await asyncio.to_thread(guest_feed.receiver_of, node, realm, peer, for_)
        told = await asyncio.to_thread(service.place_told, node, realm, peer.party, guest=guest, now=now())
        return wire.encode(told)

    return await answered(request, realm, answer)


def read_word(text: str) -> str:
    """Read the note that rides in the address of a request; what is none is as if absent."""
    try:
        return base64.urlsafe_b64decode(text).decode()
    except ValueError:
        return ""


@get("/{realm:str}/peer/v1/kept", name="peer:kept", opt=requires(PEER))
async def kept(
    request: Asked, realm: FromPath[str], after: Annotated[int, QueryParameter(ge=0, le=2**53 - 1)] = 0
) -> Response[bytes]:
    """Give what this node kept of the caller's own log: a restored node asks what it has lost."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        return wire.encode(await asyncio.to_thread(restoring.kept_of, node, realm, peer.party, after))

    return await answered(request, realm, answer)


@post("/{realm:str}/peer/v1/deliver", name="peer:deliver", opt=requires(PEER), status_code=200)
async def deliver(request: Asked, realm: FromPath[str], for_: _For = "") -> Response[bytes]:
    """Take a page that the caller brings, because nobody can reach the caller; say where we stand then.

    `for` names a guest here whose page it is.
    """

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        guest = await asyncio.to_thread(guest_feed.receiver_of, node, realm, peer, for_)
        await asyncio.to_thread(service.take_page, node, realm, peer.party, body, guest=guest, now=now())
        told = await asyncio.to_thread(service.place_told, node, realm, peer.party, guest=guest, now=now())
        return wire.encode(told)

    return await answered(request, realm, answer)


def _node(request: Asked, realm: str) -> Node:
    node: Node = request.app.state.node
    if realm not in node.keys:
        raise NotFoundError(f"no realm {realm!r} here")
    if not node.settings.reachable:
        raise NotFoundError("this node has no doors for other nodes", advice="it comes to you")
    return node


async def answered(
    request: Asked,
    realm: str,
    answer: Callable[[Node, Peer, bytes], Awaitable[bytes]],
    *,
    most: int | None = None,
) -> Response[bytes]:
    """Prove the caller, answer it, sign the answer; so too a refusal once the caller is proved.

    `most` bytes of its body are read, where not as many as the limit `peer_body_bytes` says.
    """
    asked: identity.Request | None = None
    whole = not _brings_body(request)
    try:
        node = _node(request, realm)
        if not whole:  # a stranger's is not read into memory
            await asyncio.to_thread(
                _caller, node, realm, _as_signed(request, b""), _shown(request), with_body=False
            )
        body = await _body(request, node, most)
        whole = True
        said = _as_signed(request, body)
        peer = await asyncio.to_thread(_caller, node, realm, said, _shown(request))
        asked = said
        data, status, kind = await answer(node, peer, body), 200, _JSON
    except SecretariatError as error:
        problem = Problem(error.code, error.what, error.where, error.advice)
        data, status, kind = wire.encode(problem), error.status, wire.PROBLEM_TYPE
    headers = {"content-type": kind} if whole else {"content-type": kind, "connection": "close"}
    if asked is not None:
        signed = Answer(status, headers, data, asked)
        identity.sign_answer(signed, signer=request.app.state.node.keyring(realm).transport, now=now())
        headers = signed.headers
    return Response(data, status_code=status, headers=headers, media_type=kind)


async def _body(request: Asked, node: Node, most: int | None) -> bytes:
    """Read the body of a request, as much and as long as the limits say; holds nothing meanwhile."""
    limits = node.settings.limits
    most = limits.peer_body_bytes if most is None else most
    most = min(most, request.route_handler.resolve_request_max_body_size() or most)
    whole = bytearray()
    stated = request.headers.get("content-length", "0")
    try:
        async with asyncio.timeout(limits.peer_body_s):
            if stated.isdecimal() and int(stated) <= most:
                async for part in request.stream():
                    whole += part
                    if len(whole) > most:
                        break
                else:
                    return bytes(whole)
    except RequestEntityTooLarge:
        pass
    except TimeoutError:
        raise TooSlowError(
            f"{len(whole)} bytes came in {limits.peer_body_s} s, not the whole body",
            where="peer_body_s",
            advice="send it again over a better line, or in smaller pages",
        ) from None
    raise LimitError(
        f"a body of more than {most} bytes", where="peer_body_bytes", advice="send smaller pages"
    )


def _as_signed(request: Asked, body: bytes) -> identity.Request:
    """Give the request as it came: raw path and query, repeated headers joined (RFC 9110 5.3)."""
    headers: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    query: bytes = request.scope.get("query_string", b"")
    target = raw_path.split(b"?")[0].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    host = headers.get("host", "")
    return identity.Request(request.method, f"{request.url.scheme}://{host}{target}", headers, body)


def _brings_body(request: Asked) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _shown(request: Asked) -> Shown:
    """Give what a front may have said of the connection's certificate, and who said it."""
    return Shown(list(request.scope["headers"]), came_from(request.scope))


def _caller(node: Node, realm: str, said: identity.Request, shown: Shown, *, with_body: bool = True) -> Peer:
    """Prove which partner makes this request; refuses strangers, repetitions and others' certificates.

    Its nonce is remembered when the body was proved with it.
    """
    moment = now()
    skew = timedelta(seconds=node.settings.limits.clock_skew_s)
    with node.database.app(realm) as tx:
        known: dict[str, Peer] = {}

        def find(key: str) -> bytes | None:
            for peer in tables.read_peers(tx, "WHERE state = 'accepted' AND keys -> 'transport' ? %s", [key]):
                known[key] = peer
            return known[key].transport_keys[key] if key in known else None

        caller = identity.verify_request(
            said,
            to=node.party,
            find=find,
            now=moment,
            skew=skew,
            with_body=with_body,
        )
        certificates.check(known[caller.key_id], node.settings, shown)
        if with_body and not PostgresStore(node, realm, tx, moment).first_use(
            caller.key_id, caller.nonce, moment
        ):
            raise ReplayError(
                "this request was accepted before", where="signature-input;nonce", advice="sign a new one"
            )
    return known[caller.key_id]


routes = [descriptor, renew, feed, place, kept, deliver]
background = [sync.keep_in_step]
