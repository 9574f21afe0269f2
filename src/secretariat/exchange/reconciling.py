"""Asking partners over HTTP what only they can prove: that two checkpoints are of one log, what they kept.

`settle` closes what was shown of a partner's log at a size that we never saw, by a consistency proof of that
partner's own public pages; a log that forked cannot give one. `look_back` runs once when the node starts,
before it writes anything by itself: partners say what they kept of our log, so that a node which was put back
to an older state, by whatever way, finds out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2
import msgspec

from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.exchange import connecting, riding, service
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import transaction
from secretariat.exchange.witnesses import Riding

if TYPE_CHECKING:
    from collections.abc import Callable

    from secretariat.exchange.model import Peer
    from secretariat.exchange.sync import Remote
    from secretariat.ledger.model import ShownLog
    from secretariat.ledger.node import Node

LOOK_BACK_S = 5.0
_PROOF_BYTES = 16_384
_NO_ENTRIES = 2**53 - 1


class _Proof(msgspec.Struct, frozen=True):
    path: list[str]


async def settle(node: Node, realm: str, peer: Peer, client: httpx2.AsyncClient) -> int:
    """Ask a partner to prove that what others were shown of its log is the log that we keep; gives how many.

    What it cannot prove stays open and is asked again with its next checkpoint.
    """
    closed = 0
    kept, found = await asyncio.to_thread(_open, node, realm, peer.origin)
    for one in found:
        low, high = sorted((kept, one.size))
        with contextlib.suppress(
            SecretariatError, httpx2.HTTPError, OSError, ValueError, msgspec.DecodeError
        ):
            query = urlencode({"old": low, "new": high})
            url = f"{peer.url}/{realm}/log/proof/consistency?{query}"
            path = [] if low in {0, high} else await _proof(client, url, connecting.to(realm, peer))
            closed += await asyncio.to_thread(_reconcile, node, realm, one, path, kept)
    return closed


def _open(node: Node, realm: str, origin: str) -> tuple[int, list[ShownLog]]:
    with transaction(node, realm, now()) as store:
        kept = store.kept_log(origin)
        if kept is None or kept.suspended is not None:
            return 0, []
        return kept.size, riding.open_shown(store, [origin])


def _reconcile(node: Node, realm: str, shown: ShownLog, path: list[bytes], size: int) -> bool:
    with transaction(node, realm, now()) as store:
        return riding.reconcile(store, shown, path, size)


async def _proof(client: httpx2.AsyncClient, url: str, whom: dict[str, Any]) -> list[bytes]:
    async with client.stream("GET", url, timeout=10.0, extensions=whom) as got:
        data = bytearray()
        async for part in got.aiter_raw():
            data += part
            if len(data) > _PROOF_BYTES:
                raise ValueError("a proof longer than one can be")
        if got.status_code != 200:
            raise ValueError(f"answered {got.status_code}")
    return [bytes.fromhex(step) for step in msgspec.json.decode(bytes(data), type=_Proof).path]


async def look_back(
    node: Node, client: httpx2.AsyncClient, remote: Callable[[Node, str, Peer, httpx2.AsyncClient], Remote]
) -> None:
    """Ask every partner that can be reached what it kept of our log, for a few seconds; stop where due."""

    async def ask(realm: str, peer: Peer) -> None:
        with contextlib.suppress(SecretariatError):
            kept = await remote(node, realm, peer, client).kept(_NO_ENTRIES)
            brought = Riding(witnessed=kept.checkpoint)
            await asyncio.to_thread(service.hear, node, realm, peer.party, brought, now=now())

    tasks = []
    for realm in node.settings.realms:
        peers = await asyncio.to_thread(_reachable, node, realm)
        tasks += [asyncio.create_task(ask(realm, peer)) for peer in peers]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=LOOK_BACK_S)
        for one in late:
            one.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _reachable(node: Node, realm: str) -> list[Peer]:
    with node.database.app(realm) as tx:
        return tables.read_peers(tx, "WHERE state = 'accepted' AND url <> '' AND via = ''")
