"""The door for texts of instruments, under /{realm}/peer/v1/instruments/ (docs/protocol.md).

Signed and answered like every door for other nodes (peer_pages.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from litestar import Response, get
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.exchange import instrument_service, instruments
from secretariat.exchange.peer_pages import Asked, answered
from secretariat.web.guard import PEER, requires

if TYPE_CHECKING:
    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node


@get("/{realm:str}/peer/v1/instruments/{digest:str}", name="peer:instrument", opt=requires(PEER))
async def instrument(request: Asked, realm: FromPath[str], digest: FromPath[str]) -> Response[bytes]:
    """Give the text of an instrument by its hash, if the caller may be shown it."""

    async def answer(node: Node, peer: Peer, _: bytes) -> bytes:
        asked = instruments.read_digest(digest)
        return await asyncio.to_thread(
            instrument_service.give_instrument, node, realm, peer.party, asked, now=now()
        )

    return await answered(request, realm, answer)


routes = [instrument]
