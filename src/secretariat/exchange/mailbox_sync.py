"""Carrying letters to and from the mailboxes of others over HTTP, beside the requests of the node.

Per realm and mailbox two tasks: one writes (woken by the own feed, by letters that were read, or by the
beat), one holds a request at the mailbox and reads what comes. Database work runs in threads. A mailbox that
gives nothing but broken or repeated letters is asked again after pauses that double.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, Any

import httpx2

from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, LimitError, SecretariatError, UnavailableError
from secretariat.exchange import connecting, letters, mailbox_service
from secretariat.exchange import store as tables
from secretariat.exchange.letters import Collected, Have, Posted
from secretariat.exchange.peers import FIRST_PAUSE_S, LONGEST_PAUSE_S
from secretariat.exchange.sync import RefusedError, Remote
from secretariat.storage.feed import FEED, Listener

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from secretariat.exchange.mailbox_service import Outgoing
    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.exchange")
_LOOK_S = 2.0
_TICK_S = 5.0
_EXPIRE_S = 30.0
_NEVER = frozenset({ConflictError.code, LimitError.code, "bad-input"})
"""Refusals that this very letter will always meet."""


class Office(Remote):
    """The mailbox at one partner's node."""

    async def post(self, box: bytes) -> Posted:
        """Bring a letter."""
        return letters.read(await self._call("POST", "mailbox/letters", box, 0), Posted)

    async def collect(self, have: Have, wait: int) -> Collected:
        """Say what was read; get what waits, held for up to `wait` seconds."""
        path = f"mailbox/collect?wait={wait}"
        return letters.read(await self._call("POST", path, letters.encode(have), wait), Collected)


class Carrier:
    """Carries the letters between this node and its partners through one mailbox, until cancelled."""

    def __init__(
        self, node: Node, realm: str, mailbox: Peer, client: httpx2.AsyncClient, listener: Listener
    ) -> None:
        self._node, self._realm, self._via = node, realm, mailbox.party
        self._office = Office(node, realm, mailbox, client)
        self._listener = listener
        self._chance = random.SystemRandom().random
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Write and read until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._writing())
            both.create_task(self._reading())

    async def _writing(self) -> None:
        limits = self._node.settings.limits
        tick = min(_TICK_S, limits.mailbox_beat_s / 2, limits.mailbox_resend_s / 2)
        failures = 0
        with self._listener.subscribe(self._realm, FEED) as news:
            while True:
                self._wake.clear()
                written, failed = await self._write_all()
                failures = failures + 1 if failed else 0
                if failed:
                    await asyncio.sleep(self._pause(failures))
                elif not written:
                    await self._either(news.get(tick))

    async def _either(self, news: Coroutine[Any, Any, object]) -> None:
        """Wait for news of the own feed, or for a letter that was read."""
        tasks = [asyncio.create_task(news), asyncio.create_task(self._wake.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_all(self) -> tuple[int, bool]:
        """Post one letter for every partner that is owed one; gives how many, and whether one failed."""
        written, failed = 0, False
        for peer in await asyncio.to_thread(mailbox_service.partners_via, self._node, self._realm, self._via):
            try:
                one = await asyncio.to_thread(
                    mailbox_service.write_letter, self._node, self._realm, peer, now=now()
                )
                if one is not None:
                    await self._post(one)
                    written += 1
            except SecretariatError as error:
                failed = True
                log.info("letter for %s through %s, %s: %s", peer.party, self._via, self._realm, error)
                with contextlib.suppress(SecretariatError):
                    await asyncio.to_thread(
                        mailbox_service.note_not_posted,
                        self._node,
                        self._realm,
                        peer.party,
                        error,
                        drop=isinstance(error, RefusedError) and error.code in _NEVER,
                        now=now(),
                    )
        return written, failed

    async def _post(self, one: Outgoing) -> None:
        await self._office.post(one.box)
        await asyncio.to_thread(
            mailbox_service.note_posted, self._node, self._realm, one.party, one.number, now=now()
        )

    async def _reading(self) -> None:
        failures = 0
        thrown: tuple[int, ...] = ()
        wait = 0
        while True:
            started = time.monotonic()
            try:
                have = await asyncio.to_thread(
                    mailbox_service.heard, self._node, self._realm, self._via, now=now()
                )
                got = await self._office.collect(Have(have.numbers, thrown), wait)
                became = [(one.id, await self._read(one)) for one in got.letters]
            except SecretariatError as error:
                failures += 1
                log.info("mailbox of %s, %s: %s", self._via, self._realm, error)
                if not isinstance(error, UnavailableError):
                    await self._note(error)
                await asyncio.sleep(self._pause(failures))
                wait = 0
                continue
            thrown = tuple(number for number, one in became if one != "read")
            wait = self._node.settings.limits.peer_wait_s
            if became:
                self._wake.set()
            if any(one == "read" for _, one in became):
                failures = 0
            elif became:  # it gives what is worth nothing
                failures += 1
                await asyncio.sleep(self._pause(failures))
            elif time.monotonic() - started < 1:  # it holds no requests
                failures = 0
                await asyncio.sleep(self._node.settings.limits.peer_poll_s)

    async def _read(self, one: letters.Held) -> str:
        return await asyncio.to_thread(
            mailbox_service.read_letter, self._node, self._realm, self._via, one, now=now()
        )

    async def _note(self, error: SecretariatError) -> None:
        def write() -> None:
            with self._node.database.app(self._realm) as tx:
                for one in tables.read_peers(tx, "WHERE via = %s", [self._via]):
                    tables.note_contact(tx, one.party, at=None, error=f"{error.code}: {error}")

        with contextlib.suppress(SecretariatError):
            await asyncio.to_thread(write)

    def _pause(self, failures: int) -> float:
        longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 20))
        return longest * (0.5 + float(self._chance()) / 2)


async def keep_mailboxes(node: Node) -> None:
    """Carry letters through every mailbox in use for as long as the node runs; clear the own of old ones."""
    tasks: dict[tuple[str, str, str], asyncio.Task[None]] = {}
    cleared = 0.0
    listener: Listener | None = None
    async with connecting.client(node, keep=20) as client:
        try:
            while True:
                wanted = await asyncio.to_thread(_mailboxes, node)
                if wanted and listener is None:
                    listener = Listener(node.database)
                    await listener.start()
                for key in tasks.keys() - wanted.keys():
                    tasks.pop(key).cancel()
                for key, (realm, peer) in wanted.items():
                    assert listener is not None
                    if key not in tasks or tasks[key].done():
                        _say(tasks.get(key))
                        carrier = Carrier(node, realm, peer, client, listener)
                        tasks[key] = asyncio.create_task(carrier.run(), name=f"mailbox {key}")
                if time.monotonic() - cleared > _EXPIRE_S:
                    cleared = time.monotonic()
                    for realm in node.settings.realms:
                        await asyncio.to_thread(mailbox_service.expire, node, realm, now=now())
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            if listener is not None:
                await listener.stop()


def _mailboxes(node: Node) -> dict[tuple[str, str, str], tuple[str, Peer]]:
    """Give the mailboxes in use, keyed so that a new address or new keys start new tasks."""
    found: dict[tuple[str, str, str], tuple[str, Peer]] = {}
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            peers = tables.read_peers(tx, "WHERE state = 'accepted'")
        vias = {one.via for one in peers if one.via}
        for peer in peers:
            if peer.party in vias and peer.url:
                keys = ",".join(sorted([*peer.transport_keys, *peer.server_pins]))
                found[realm, peer.party, f"{peer.url} {keys}"] = (realm, peer)
    return found


def _say(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.cancelled() and task.exception() is not None:
        log.error("%s ended and is started again", task.get_name(), exc_info=task.exception())
