"""The doors of private questions, under /{realm}/peer/v1/questions/ (docs/protocol.md, "Private questions").

Signed and answered like every door for other nodes (peer_pages.py). A question is named by its type and
epoch: a partner has one of each at most. Points are multiplied on threads, a part at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from secretariat.base.clock import now
from secretariat.exchange import private_answering, private_wire
from secretariat.exchange.peer_pages import Asked, answered
from secretariat.exchange.private_sync import keep_asking
from secretariat.exchange.private_wire import Ask, Part, Shown
from secretariat.web.guard import PEER, requires

if TYPE_CHECKING:
    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node

_ONE = "/{realm:str}/peer/v1/questions/{epoch:str}/{kind:str}"
_SMALL = 65_536
_PART = 262_144
_MATCHES = 8_388_608


@post(
    "/{realm:str}/peer/v1/questions",
    name="questions:open",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=_SMALL,
)
async def open_question(request: Asked, realm: FromPath[str]) -> Response[bytes]:
    """Say whether the caller may ask, and where this node's log pins its list."""

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        ask = private_wire.read(body, Ask)
        said = await asyncio.to_thread(
            private_answering.open_question, node, realm, peer.party, ask, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


@post(
    f"{_ONE}/parts/{{at:int}}",
    name="questions:part",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=_PART,
)
async def take_part(
    request: Asked, realm: FromPath[str], epoch: FromPath[str], kind: FromPath[str], at: FromPath[int]
) -> Response[bytes]:
    """Take a part of the caller's list."""

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        items = private_wire.read(body, Part).items
        said = await asyncio.to_thread(
            private_answering.take_part, node, realm, peer.party, kind, epoch, at, items, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


@post(
    f"{_ONE}/answer",
    name="questions:answer",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=_SMALL,
)
async def answer_question(
    request: Asked, realm: FromPath[str], epoch: FromPath[str], kind: FromPath[str]
) -> Response[bytes]:
    """Answer when the whole list is there."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        said = await asyncio.to_thread(
            private_answering.answer, node, realm, peer.party, kind, epoch, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


@get(f"{_ONE}/lists/{{name:str}}", name="questions:list", opt=requires(PEER))
async def give_part(
    request: Asked,
    realm: FromPath[str],
    epoch: FromPath[str],
    kind: FromPath[str],
    name: FromPath[str],
    part: Annotated[FromQuery[int], QueryParameter(ge=0, le=2**31 - 1)] = 0,
) -> Response[bytes]:
    """Give a part of the answer, of this node's tags, or of the opened answer."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        said = await asyncio.to_thread(
            private_answering.give_part, node, realm, peer.party, kind, epoch, name, part, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


@post(
    f"{_ONE}/opening",
    name="questions:opening",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=_SMALL,
)
async def open_answer(
    request: Asked, realm: FromPath[str], epoch: FromPath[str], kind: FromPath[str]
) -> Response[bytes]:
    """Hear that the caller's person wants to know which they are; a person here decides."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        said = await asyncio.to_thread(
            private_answering.open_answer, node, realm, peer.party, kind, epoch, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


@post(
    f"{_ONE}/matches",
    name="questions:matches",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=_MATCHES,
)
async def show(
    request: Asked, realm: FromPath[str], epoch: FromPath[str], kind: FromPath[str]
) -> Response[bytes]:
    """Take the caller's matches with their proofs, and show this node's proofs of the same values."""

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        theirs = private_wire.read(body, Shown)
        said = await asyncio.to_thread(
            private_answering.show, node, realm, peer.party, kind, epoch, theirs, now=now()
        )
        return private_wire.encode(said)

    return await answered(request, realm, answer)


routes = [open_question, take_part, answer_question, give_part, open_answer, show]
background = [keep_asking]
