"""Asking private questions over HTTP, beside the requests of the node.

Every few seconds each own question that is under way is taken as far as it goes: until a person at the
partner's says yes, until the partner's entry came through its feed, until the count is there. What the
partner refuses for this week ends the question; what is only not yet so is asked again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import httpx2

from secretariat.base.clock import now
from secretariat.base.errors import LimitError, SecretariatError, UnavailableError
from secretariat.exchange import (
    connecting,
    private_answering,
    private_asking,
    private_service,
    private_wire,
    psi,
    service,
)
from secretariat.exchange.private_asking import PrivateAnswerError
from secretariat.exchange.private_lists import Shelf
from secretariat.exchange.private_wire import Answer, Ask, Items, Part, Shown, Standing, Taken
from secretariat.exchange.sync import RefusedError, Remote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.exchange.private_store import Question
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.exchange")
_LOOK_S = 2.0
_CLEAN_S = 60.0
_MAYBE_LATER: Final = frozenset(
    {"not-yet-seen", "not-authentic", "clock-skew", "replayed", "unavailable", "wrong-state", "error"}
)
"""Refusals that may end by themselves; after any other the question is over for this week."""


class Oracle(Remote):
    """The doors of one partner for one question."""

    async def ask(self, ask: Ask) -> Standing:
        """Ask whether we may, and whether all is ready there."""
        return private_wire.read(await self._call("POST", "questions", private_wire.encode(ask), 0), Standing)

    async def part(self, one: Question, at: int, items: bytes) -> Taken:
        """Bring a part of our list."""
        path = f"questions/{one.epoch}/{one.type}/parts/{at}"
        body = private_wire.encode(Part(items))
        return private_wire.read(await self._call("POST", path, body, 60), Taken)

    async def answer(self, one: Question) -> Answer:
        """Ask for the answer to the whole list."""
        path = f"questions/{one.epoch}/{one.type}/answer"
        return private_wire.read(await self._call("POST", path, b"", 300), Answer)

    async def items(self, one: Question, name: str, part: int) -> Items:
        """Fetch a part of a list."""
        path = f"questions/{one.epoch}/{one.type}/lists/{name}?part={part}"
        return private_wire.read(await self._call("GET", path, b"", 60, most=1_048_576), Items)

    async def opening(self, one: Question) -> Standing:
        """Ask that the answer be opened."""
        path = f"questions/{one.epoch}/{one.type}/opening"
        return private_wire.read(await self._call("POST", path, b"", 0), Standing)

    async def show(self, one: Question, matches: Shown) -> Shown:
        """Show our matches with their proofs; get the partner's."""
        path = f"questions/{one.epoch}/{one.type}/matches"
        return private_wire.read(await self._call("POST", path, private_wire.encode(matches), 60), Shown)


async def keep_asking(node: Node) -> None:
    """Take every own question further, as long as the node runs; destroy what a week's end ends."""
    clean = 0.0
    loop = asyncio.get_running_loop()
    async with connecting.client(node) as client:
        while True:
            for realm in node.settings.realms:
                if loop.time() >= clean:
                    await asyncio.to_thread(private_service.housekeeping, node, realm, now=now())
                await asyncio.to_thread(private_answering.note_results, node, realm, now=now())
                for one in await asyncio.to_thread(_under_way, node, realm):
                    await further(node, realm, one, client)
            if loop.time() >= clean:
                clean = loop.time() + _CLEAN_S
            await asyncio.sleep(_LOOK_S)


def _under_way(node: Node, realm: str) -> Sequence[Question]:
    with node.database.app(realm) as tx:
        return private_asking.under_way(tx)


async def further(node: Node, realm: str, one: Question, client: httpx2.AsyncClient) -> None:
    """Take one question as far as it goes now; what went wrong is noted at the question."""
    try:
        peer = await asyncio.to_thread(service.known_peer, node, realm, one.party)
        oracle = Oracle(node, realm, peer, client)
        if one.state == "pinned":
            why = await _count(node, realm, one, oracle)
        else:
            why = await _open(node, realm, one, oracle)
        await asyncio.to_thread(private_asking.delayed, node, realm, one.id, why, now=now())
    except UnavailableError as error:
        await asyncio.to_thread(private_asking.delayed, node, realm, one.id, str(error), now=now())
    except RefusedError as error:
        if error.code in _MAYBE_LATER:
            await asyncio.to_thread(private_asking.delayed, node, realm, one.id, error.what, now=now())
        else:
            await asyncio.to_thread(private_asking.failed, node, realm, one.id, error, now=now())
    except SecretariatError as error:
        log.warning("private question %s to %s, %s: %s", one.id, one.party, realm, error)
        final = isinstance(error, (PrivateAnswerError, LimitError)) or error.code == "bad-input"
        step = private_asking.failed if final else _delayed
        await asyncio.to_thread(step, node, realm, one.id, error, now=now())
    except Exception:
        log.exception("private question %s to %s, %s", one.id, one.party, realm)


def _delayed(node: Node, realm: str, number: int, error: SecretariatError, *, now: object) -> None:
    private_asking.delayed(node, realm, number, str(error), now=now)  # type: ignore[arg-type]


async def _count(node: Node, realm: str, one: Question, oracle: Oracle) -> str:
    assert one.set_position is not None
    said = await oracle.ask(Ask(private_wire.VERSION, one.type, one.epoch, one.set_position))
    if said.state == "waiting":
        return said.why or "a person of the partner decides"
    if said.state == "refused":
        raise RefusedError("denied", said.why or "the partner refused", where=None, advice=None)
    if said.set is None:
        raise PrivateAnswerError("ready, and nothing pinned", where="set")
    if not await asyncio.to_thread(private_asking.ready, node, realm, one.id, said.set, now=now()):
        return "the partner's entry is on its way"
    count = 0
    while items := await asyncio.to_thread(private_asking.part_to_send, node, realm, one.id, count):
        await oracle.part(one, count, items)
        count += 1
    answer = await oracle.answer(one)
    most = node.settings.limits.private_elements // psi.PART + 1
    if answer.parts > count or answer.tag_parts > most:
        raise PrivateAnswerError(
            f"an answer of {answer.parts} parts and {answer.tag_parts} of tags", where="parts"
        )
    with Shelf() as answered, Shelf() as tags:
        for at in range(answer.parts):
            answered.add((await oracle.items(one, "answer", at)).items)
        for at in range(answer.tag_parts):
            tags.add((await oracle.items(one, "tags", at)).items)
        await asyncio.to_thread(private_asking.count, node, realm, one.id, answer, answered, tags, now=now())
    return ""


async def _open(node: Node, realm: str, one: Question, oracle: Oracle) -> str:
    if one.stage == "wanted":
        said = await oracle.opening(one)
        if said.state == "waiting":
            return "a person of the partner decides"
        if said.state == "refused":
            raise RefusedError("denied", "the partner shows no matches", where=None, advice=None)
        with Shelf() as parts:
            for at in range(await asyncio.to_thread(private_asking.parts_sent, node, realm, one.id)):
                parts.add(private_wire.encode(await oracle.items(one, "opened", at)))
            await asyncio.to_thread(
                private_asking.opened, node, realm, one.id, private_wire.Opened(parts), now=now()
            )
    sent = await asyncio.to_thread(private_asking.to_show, node, realm, one.id, now=now())
    got = [await oracle.show(one, page) for page in sent] or [await oracle.show(one, Shown(()))]
    await asyncio.to_thread(private_asking.shown, node, realm, one.id, sent, got, now=now())
    return ""
