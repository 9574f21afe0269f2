"""The index of overlaps follows the record for as long as the node serves: a second later it knows."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from secretariat.base.errors import SecretariatError
from secretariat.register.overlap import service, store

if TYPE_CHECKING:
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.overlap")
_LOOK_S = 1.0
_AFTER_AN_ERROR_S = 30.0
_PER_STEP = 200
_PAIRS_PER_STEP = 25


async def keep_up(node: Node) -> None:
    """Index what is recorded, step by step, so that requests come in between."""
    desks = {realm: service.Desk() for realm in node.settings.realms}
    while True:
        try:
            done = [await asyncio.to_thread(_step, node, realm, desk) for realm, desk in desks.items()]
        except SecretariatError as error:
            log.warning("the index of overlaps does not follow: %s", error)
            await asyncio.sleep(_AFTER_AN_ERROR_S)
            continue
        await asyncio.sleep(0 if any(done) else _LOOK_S)


def _step(node: Node, realm: str, desk: service.Desk) -> int:
    with node.database.app(realm) as tx:
        # asked first: a node without statements does not load the model of meaning
        if store.count_waiting(tx) == 0:
            return 0
        return service.catch_up(tx, limit=_PER_STEP, pairs=_PAIRS_PER_STEP, desk=desk)


background = [keep_up]
