"""The door of a witness: `POST /{realm}/log/add-checkpoint`, to the letter of C2SP tlog-witness.

Nobody proves who asks: the log's own signature on the checkpoint is what counts. So the door is kept cheap to
knock at: a small body, few requests at a time, so many a minute per address, and nothing is written before a
partner's signature was verified.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, post
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.exchange import witness_service
from secretariat.ledger.witness import MAX_REQUEST_BYTES, SIZE_TYPE, WitnessError
from secretariat.web.guard import PEER, requires

if TYPE_CHECKING:
    from secretariat.ledger.node import Node

AT_ONCE = 8
PER_MINUTE = 600
_ADDRESSES = 10_000
_PLAIN = "text/plain"


class Knocks:
    """How often each address asked in the last minute. Forgets the oldest addresses past a number."""

    def __init__(self, most: int = PER_MINUTE) -> None:
        self._most = most
        self._seen: dict[str, deque[float]] = {}

    def allow(self, address: str, at: float) -> bool:
        """Count a knock; False where there were too many."""
        seen = self._seen.pop(address, None) or deque()
        while seen and seen[0] < at - 60:
            seen.popleft()
        allowed = len(seen) < self._most
        if allowed:
            seen.append(at)
        self._seen[address] = seen
        while len(self._seen) > _ADDRESSES:
            del self._seen[next(iter(self._seen))]
        return allowed


@post(
    "/{realm:str}/log/add-checkpoint",
    name="log:add-checkpoint",
    opt=requires(PEER),
    status_code=200,
    request_max_body_size=MAX_REQUEST_BYTES,
)
async def add_checkpoint(request: Request[Any, Any, Any], realm: FromPath[str]) -> Response[bytes]:
    """Cosign a partner's checkpoint that continues what this node verified of its log."""
    state = request.app.state
    if state.get("knocks") is None:
        state.knocks, state.knocking = Knocks(), asyncio.Semaphore(AT_ONCE)
    address = request.client.host if request.client is not None else ""
    if not state.knocks.allow(address, time.monotonic()):
        return _answer(429, b"too many requests\n", retry=60)
    node: Node = state.node
    if realm not in node.keys:
        return _answer(404, b"no such realm\n")
    async with state.knocking:
        body = await request.body()
        try:
            line = await asyncio.to_thread(witness_service.add_checkpoint, node, realm, body, now=now())
        except WitnessError as error:
            if error.size is not None:
                return _answer(error.status, b"%d\n" % error.size, SIZE_TYPE)
            return _answer(error.status, f"{error.what}\n".encode())
        except SecretariatError as error:
            return _answer(error.status, f"{error.what}\n".encode())
    return _answer(200, line)


def _answer(status: int, body: bytes, kind: str = _PLAIN, *, retry: int | None = None) -> Response[bytes]:
    headers = {"cache-control": "no-store"} | ({"retry-after": str(retry)} if retry else {})
    if kind == SIZE_TYPE:
        headers["content-type"] = kind  # without a charset: the specification has it so
    return Response(body, status_code=status, media_type=kind, headers=headers)


routes = [add_checkpoint]
