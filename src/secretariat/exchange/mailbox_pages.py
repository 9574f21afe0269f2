"""The doors of the mailbox, under /{realm}/peer/v1/mailbox/ (docs/protocol.md, "Mailbox").

Signed and answered like every door for other nodes (peer_pages.py). What is kept here is sealed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from litestar import Response, post
from litestar.params import FromPath, FromQuery, QueryParameter

from secretariat.base.clock import now
from secretariat.exchange import letters, mailbox_service
from secretariat.exchange.letters import Have, Sealed
from secretariat.exchange.mailbox_sync import keep_mailboxes
from secretariat.exchange.peer_pages import Asked, answered, holding, news_for
from secretariat.storage.feed import FEED, Listener
from secretariat.web.guard import PEER, requires

if TYPE_CHECKING:
    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node


@post("/{realm:str}/peer/v1/mailbox/letters", name="mailbox:post", opt=requires(PEER), status_code=200)
async def post_letter(request: Asked, realm: FromPath[str]) -> Response[bytes]:
    """Keep a sealed letter of the caller for another party, within the caller's limits."""

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        letter = letters.read(body, Sealed)
        kept = await asyncio.to_thread(mailbox_service.post, node, realm, peer.party, letter, now=now())
        return letters.encode(kept)

    limits = request.app.state.node.settings.limits
    return await answered(request, realm, answer, most=letters.most_bytes(limits))


@post("/{realm:str}/peer/v1/mailbox/collect", name="mailbox:collect", opt=requires(PEER), status_code=200)
async def collect(
    request: Asked,
    realm: FromPath[str],
    wait: Annotated[FromQuery[int], QueryParameter(ge=0, le=600)] = 0,
) -> Response[bytes]:
    """Destroy what the caller says it has, give what waits for it; without any, hold up to `wait` seconds."""

    async def answer(node: Node, peer: Peer, body: bytes) -> bytes:
        have = letters.read(body, Have)
        listener: Listener = request.app.state.listener
        with holding(realm, peer.party) as may_hold, listener.subscribe(realm, FEED) as news:
            await asyncio.to_thread(mailbox_service.collect, node, realm, peer.party, have, now=now())
            ends = time.monotonic() + (min(wait, node.settings.limits.peer_wait_s) if may_hold else 0)
            while True:
                found = await asyncio.to_thread(mailbox_service.hand_out, node, realm, peer.party)
                if found.letters or time.monotonic() >= ends:
                    return letters.encode(found)
                await news_for(news, {peer.party}, ends)

    return await answered(request, realm, answer)


routes = [post_letter, collect]
background = [keep_mailboxes]
