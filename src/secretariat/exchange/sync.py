"""Keeping in step with every partner over HTTP, beside the requests of the node (see peers.py).

One task per partner and realm holds one request at the partner as wake-up, checks and keeps what comes, and
tries again with growing pauses when nothing does. While a page is kept, the next one is on its way and
its objects are proven, one page and no more: a partner that has much to tell is followed in constant memory.
A partner that has not asked us for a while (it may not be able to reach us) is brought its pages. Database
work runs in threads; nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import logging
import random
import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import httpx2
import msgspec

from secretariat.agreements.book import package_book
from secretariat.agreements.recording import redecide_when_due
from secretariat.base.clock import now
from secretariat.base.errors import LimitError, SecretariatError, UnavailableError
from secretariat.exchange import (
    connecting,
    due_service,
    enrolment,
    guest_feed,
    identity,
    instrument_service,
    instruments,
    reconciling,
    renewal,
    service,
    wire,
)
from secretariat.exchange import store as tables
from secretariat.exchange.identity import Answer, Request
from secretariat.exchange.peers import Ask, Failed, Got, Link, Pause
from secretariat.exchange.renewal import UNKNOWN_KEY
from secretariat.exchange.take import OutOfStepError
from secretariat.exchange.witnesses import NOTHING, Riding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from secretariat.exchange.model import Peer
    from secretariat.exchange.wire import Cursor, Kept, Place
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.exchange")
_LOOK_S = 2.0
_CLEAN_S = 5.0
_CROSSINGS = 10
_CONNECT_S = 10.0
_asked: dict[tuple[int, str, str], float] = {}


def note_asked(realm: str, party: str) -> None:
    """Remember that a partner asked for its feed: it can reach us, so nothing needs to be brought to it."""
    _asked[id(asyncio.get_running_loop()), realm, party] = time.monotonic()


class Remote:
    """The doors of one partner's node, for this party or (`guest`) for one that one of the two hosts."""

    def __init__(
        self, node: Node, realm: str, peer: Peer, client: httpx2.AsyncClient, guest: str = ""
    ) -> None:
        self._node, self._realm, self._peer, self.client = node, realm, peer, client
        self._for = {"for": guest} if guest else {}

    @property
    def partner(self) -> str:
        """The party whose node this is."""
        return self._peer.party

    async def feed(self, after: Cursor, size: int, wait: int, along: Riding = NOTHING) -> bytes:
        """Ask for the page after a cursor, held for up to `wait` seconds; `along` rides in the address."""
        query = urlencode({"after": str(after), "size": size, "wait": wait, **self._for, **_in_query(along)})
        return await self._call("GET", f"feed?{query}", b"", wait)

    async def place(self) -> Place:
        """Ask how far the partner is with our log."""
        return wire.read_place(await self._call("GET", f"place{self._whom}", b"", 0))

    async def kept(self, after: int) -> Kept:
        """Ask what the partner kept of our log, entries from a position on."""
        return wire.read_kept(await self._call("GET", f"kept?{urlencode({'after': after})}", b"", 0))

    async def deliver(self, page: bytes) -> Place:
        """Bring a page; gives how far the partner is then."""
        return wire.read_place(await self._call("POST", f"deliver{self._whom}", page, 0))

    @property
    def _whom(self) -> str:
        return f"?{urlencode(self._for)}" if self._for else ""

    async def instrument(self, digest: bytes) -> bytes:
        """Ask for the text of an instrument by its hash; reads no longer answer than one may be."""
        most = instruments.most_bytes(self._node.settings.limits)
        return await self._call("GET", f"instruments/{digest.hex()}", b"", 0, most=most)

    async def _call(
        self, method: str, path: str, body: bytes, wait: int, *, most: int | None = None
    ) -> bytes:
        most = self._node.settings.limits.max_request_bytes if most is None else most
        url = f"{self._peer.url}/{self._realm}/peer/v1/{path}"
        request = Request(method, url, {"accept": "application/json"}, body)
        signer = self._node.keyring(self._realm).transport
        identity.sign_request(
            request, to=self._peer.party, signer=signer, now=now(), nonce=secrets.token_urlsafe(18)
        )
        timeout = httpx2.Timeout(_CONNECT_S, read=wait + 30.0)
        try:
            whom = connecting.to(self._realm, self._peer)
            async with self.client.stream(
                method, url, content=body, headers=request.headers, timeout=timeout, extensions=whom
            ) as got:
                data = bytearray()
                async for part in got.aiter_raw():
                    data += part
                    if len(data) > most:
                        raise LimitError(f"an answer of more than {most} bytes")
                headers = {name.lower(): value for name, value in got.headers.items()}
                answer = Answer(got.status_code, headers, bytes(data), request)
        except (httpx2.HTTPError, OSError, AttributeError) as error:
            # AttributeError: uvloop asks a socket that was reset as it opened for its address
            raise UnavailableError(
                f"{self._peer.party} cannot be reached: {type(error).__name__} {error}".strip(), where=url
            ) from error
        self._verify(answer, url)
        return answer.body

    def _verify(self, answer: Answer, url: str) -> None:
        skew = timedelta(seconds=self._node.settings.limits.clock_skew_s)
        if answer.status_code != 200 and "signature" not in answer.headers:  # it does not know who we are
            problem = wire.read_problem(answer.body)
            raise RefusedError(problem.code, problem.what, where=problem.where or url, advice=problem.advice)
        identity.verify_answer(answer, find=self._peer.transport_keys.get, now=now(), skew=skew)
        if answer.status_code != 200:
            problem = wire.read_problem(answer.body)
            raise RefusedError(problem.code, problem.what, where=problem.where, advice=problem.advice)


def _in_query(along: Riding) -> dict[str, str]:
    """Write what rides along with a request into its address, which the signature covers."""
    note = base64.urlsafe_b64encode(along.witnessed.encode()).decode()
    named = {"witnessed": note, "follows": ",".join(along.follows)}
    return {name: value for name, value in named.items() if value}


class RefusedError(SecretariatError):
    """The partner's node refused our request; `code` is its word."""

    def __init__(self, code: str, what: str, *, where: str | None, advice: str | None) -> None:
        super().__init__(what, where=where, advice=advice)
        self.code = code


class Follower:
    """Keeps one partner's log followed and, where it cannot come to us, brings it our pages."""

    def __init__(self, node: Node, realm: str, peer: Peer, client: httpx2.AsyncClient) -> None:
        self.node, self.realm, self.peer = node, realm, peer
        self.remote = Remote(node, realm, peer, client)
        self.remote_for = functools.partial(Remote, node, realm, peer, client)
        self._stated = False
        self._since = time.monotonic()
        self._chance = random.SystemRandom().random
        self._ahead: tuple[Cursor, int, asyncio.Task[service.Proved]] | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await self._follow()
        finally:
            self._drop_ahead()

    async def _follow(self) -> None:
        taken = await asyncio.to_thread(service.place, self.node, self.realm, self.peer.party)
        limits = self.node.settings.limits
        link = Link(taken.after, taken.size, wait=limits.peer_wait_s, poll=float(limits.peer_poll_s))
        command: Ask | Pause = link.start()
        while True:
            if isinstance(command, Pause):
                await asyncio.sleep(command.seconds)
                command = link.on(None, self._chance())
                continue
            event = await self._ask(command)
            if isinstance(event, Failed):
                self._stated = False
            elif not self._stated:
                self._stated = True
                await self._state()
            if isinstance(event, Got) and not event.more:
                await self._bring()
                with contextlib.suppress(SecretariatError):
                    await fetch(self.node, self.realm, self.peer, self.remote)
                with contextlib.suppress(SecretariatError):
                    event = await self._guests(event)
                with contextlib.suppress(SecretariatError):
                    await reconciling.settle(self.node, self.realm, self.peer, self.remote.client)
            command = link.on(event, self._chance())

    async def _ask(self, command: Ask) -> Got | Failed:
        started = time.monotonic()
        kind: Literal["unreachable", "refused", "out-of-step"]
        try:
            page = await self._page(command)
            held = time.monotonic() - started
            self._ask_ahead(page)
            done = await asyncio.to_thread(
                service.take_page, self.node, self.realm, self.peer.party, page, now=now()
            )
            return Got(done.after, done.size, done.entries, done.more, held)
        except OutOfStepError:
            kind = "out-of-step"
        except RefusedError as error:
            # it may not have enrolled us yet, or not know our new keys: it mends itself, try again soon
            kind = "unreachable"
            await self._note(str(error))
            if error.code in UNKNOWN_KEY:
                with contextlib.suppress(SecretariatError):
                    await renewal.tell(self.node, self.realm, self.peer, self.remote.client)
        except UnavailableError as error:
            kind = "unreachable"
            await self._note(str(error))
        except SecretariatError as error:
            kind = "refused"
            log.warning("%s, %s: %s", self.peer.party, self.realm, error)
            await self._note(f"{error.code}: {error}")
            if error.code in UNKNOWN_KEY:
                await self._renew()
        with contextlib.suppress(SecretariatError):
            taken = await asyncio.to_thread(service.place, self.node, self.realm, self.peer.party)
            return Failed(kind, taken.after, taken.size)
        return Failed(kind, command.after, command.size)

    async def _page(self, command: Ask) -> bytes | service.Proved:
        """Give the page that was asked for ahead, where it is the one that is wanted; else ask for it."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            after, size, task = ahead
            if (after, size) == (command.after, command.size):
                return await task
            task.cancel()
        along = await asyncio.to_thread(service.along_to, self.node, self.realm, self.peer.party, now=now())
        return await self.remote.feed(command.after, command.size, command.wait, along)

    def _ask_ahead(self, page: bytes | service.Proved) -> None:
        """Ask for the page after this one, as if it were kept already; nothing of it is kept before."""
        outline = wire.outline(page) if isinstance(page, bytes) else wire.outline_of(page.page)
        if outline is not None and outline.more:
            task = asyncio.create_task(self._prove_ahead(outline.next, outline.size))
            task.add_done_callback(_seen)
            self._ahead = (outline.next, outline.size, task)

    async def _prove_ahead(self, after: Cursor, size: int) -> service.Proved:
        """Ask for a page and prove its objects while the database is busy with the one before."""
        page = await self.remote.feed(after, size, 0)
        return await asyncio.to_thread(service.prove_page, self.node, self.realm, page, now=now())

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead[2].cancel()
            self._ahead = None

    async def _guests(self, event: Got) -> Got:
        """Take what the partner has for our guests; the size kept of its log may have grown by that."""
        if not await guest_feed.fetch(self.node, self.realm, self.peer, self.remote_for):
            return event
        taken = await asyncio.to_thread(service.place, self.node, self.realm, self.peer.party)
        return msgspec.structs.replace(event, size=taken.size)

    async def _state(self) -> None:
        """Bring our descriptor and fetch the partner's, once a connection: either may have been made anew.

        A key that was added or revoked is met by nobody as an unknown one, so nobody would ask for it.
        """
        with contextlib.suppress(SecretariatError):
            await renewal.tell(self.node, self.realm, self.peer, self.remote.client)
        with contextlib.suppress(SecretariatError):
            await renewal.fetch(self.node, self.realm, self.peer, self.remote.client)

    async def _renew(self) -> None:
        """Take the partner's new keys where its root key states them; the task starts anew with them."""
        try:
            await renewal.fetch(self.node, self.realm, self.peer, self.remote.client)
        except SecretariatError as error:
            await self._note(f"{error.code}: {error}")

    async def _note(self, error: str) -> None:
        def write() -> None:
            with self.node.database.app(self.realm) as tx:
                tables.note_contact(tx, self.peer.party, at=None, error=error)

        with contextlib.suppress(SecretariatError):
            await asyncio.to_thread(write)

    async def _bring(self) -> None:
        """Deliver what waits for a partner that has not asked for two polls' time."""
        key = (id(asyncio.get_running_loop()), self.realm, self.peer.party)
        silent = time.monotonic() - _asked.get(key, self._since)
        if silent < 2 * self.node.settings.limits.peer_poll_s:
            return
        with contextlib.suppress(SecretariatError):
            await bring(self.node, self.realm, self.peer.party, self.remote)
            hosted = await asyncio.to_thread(guest_feed.hosted_by, self.node, self.realm, self.peer.party)
            for guest in hosted:
                await bring(self.node, self.realm, guest, self.remote_for(guest))


def _seen(task: asyncio.Task[service.Proved]) -> None:
    """Take notice of how a page ahead ended: whoever waits for it is told, and nobody may be."""
    if not task.cancelled():
        task.exception()


async def fetch(node: Node, realm: str, peer: Peer, remote: Remote) -> int:
    """Ask a partner for the instruments that are wanted of it now (instruments.py); gives how many came."""
    came = 0
    for want in await asyncio.to_thread(instrument_service.wanted, node, realm, peer.party, now=now()):
        why, answer = "", b""
        try:
            answer = await remote.instrument(want.digest)
        except LimitError as error:
            why = f"{error.code}: {error.what}"
        except SecretariatError as error:
            await asyncio.to_thread(instrument_service.unanswered, node, realm, want, str(error), now=now())
            if isinstance(error, UnavailableError):
                break  # it will not answer the next one either
            continue
        came += await asyncio.to_thread(
            instrument_service.take_instrument, node, realm, peer.party, want, answer, refused=why, now=now()
        )
    return came


async def bring(node: Node, realm: str, party: str, remote: Remote) -> int:
    """Deliver pages to a partner until nothing waits for it; gives how many.

    Where the partner took something meanwhile by itself, it says so, and is asked again where it stands.
    """
    taken, pages, crossed = await _told(node, realm, remote, remote.place()), 0, 0
    while True:
        page, carried = await asyncio.to_thread(
            service.make_page, node, realm, party, taken.after, taken.size, now=now()
        )
        if not carried:
            return pages
        try:
            taken = await _told(node, realm, remote, remote.deliver(page))
            pages += 1
        except RefusedError as error:
            crossed += 1
            if error.code != OutOfStepError.code or crossed > _CROSSINGS:
                raise
            taken = await _told(node, realm, remote, remote.place())


async def _told(node: Node, realm: str, remote: Remote, answer: Awaitable[Place]) -> Place:
    """Take a partner's place, and what rode along with it."""
    place = await answer
    await asyncio.to_thread(service.hear, node, realm, remote.partner, wire.riding_of(place), now=now())
    return place


async def keep_in_step(node: Node) -> None:
    """Follow every accepted partner in every realm for as long as the node runs; see who came or went."""
    tasks: dict[tuple[str, str, str], asyncio.Task[None]] = {}
    cleaned = 0.0
    await asyncio.to_thread(package_book)  # read now, not when the first grant arrives
    async with connecting.client(node) as client:
        try:
            await reconciling.look_back(node, client, Remote)  # before this node writes anything by itself
            while True:
                wanted = await asyncio.to_thread(_partners, node)
                for key in tasks.keys() - wanted.keys():
                    tasks.pop(key).cancel()
                for key, (realm, peer) in wanted.items():
                    if key not in tasks or tasks[key].done():
                        _say(tasks.get(key))
                        tasks[key] = asyncio.create_task(
                            Follower(node, realm, peer, client).run(), name=str(key)
                        )
                if time.monotonic() - cleaned > _CLEAN_S:
                    cleaned = time.monotonic()
                    await asyncio.to_thread(_housekeeping, node)
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


def _partners(node: Node) -> dict[tuple[str, str, str], tuple[str, Peer]]:
    """Give the partners to follow, keyed so that a new address or new keys start a new task."""
    found: dict[tuple[str, str, str], tuple[str, Peer]] = {}
    for realm in _running(node):
        with node.database.app(realm) as tx:
            for peer in tables.read_peers(tx, "WHERE state = 'accepted' AND url <> '' AND via = ''"):
                pinned = [*peer.transport_keys, *peer.log_keys, *peer.record_keys, *peer.server_pins]
                keys = ",".join(sorted(pinned))
                found[realm, peer.party, f"{peer.url} {keys}"] = (realm, peer)
    return found


def _running(node: Node) -> list[str]:
    """Name the realms whose log is not stopped: in the others nothing is received, sent or done."""
    return [realm for realm in node.settings.realms if realm not in node.stopped]


def _housekeeping(node: Node) -> None:
    """Forget old nonces, do what falls due, tell of changed instruments, decide again what is open.

    A step that fails is logged and tried again next time; it keeps no other step and no other realm waiting.
    Refuses, as every caller of the database, while that is gone.
    """
    moment = now()
    for realm in _running(node):
        for step in _STEPS:
            try:
                step(node, realm, now=moment)
            except UnavailableError:
                raise  # without a database nothing else can be done either
            except Exception:
                log.exception("%s in the realm %s failed", step.__name__, realm)


def _forget_nonces(node: Node, realm: str, *, now: datetime) -> None:
    with node.database.app(realm) as tx:
        tables.forget_nonces(tx, now - timedelta(seconds=node.settings.limits.nonce_keep_s))


_STEPS: tuple[Callable[..., object], ...] = (
    _forget_nonces,
    due_service.run_timers,
    enrolment.announce,
    redecide_when_due,
    due_service.retry_when_due,
    guest_feed.do_what_is_due,
)


def _say(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.cancelled() and task.exception() is not None:
        log.error("%s ended and is started again", task.get_name(), exc_info=task.exception())
