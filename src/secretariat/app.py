"""Builds the web application from every part's routes, and serves it: one process, one event loop.

The live realm listens on the node's port and the exercise realm on the next one: another origin, so that no
cookie, script or bookmark of one realm reaches the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import sqlalchemy as sa
import uvicorn
from litestar import Litestar, Request, Router, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import InitPlugin
from litestar.types import ControllerRouterHandler

from secretariat.agreements import pages as agreements_pages
from secretariat.agreements import store as agreements_store
from secretariat.agreements.book import package_book
from secretariat.agreements.facts import keep_book
from secretariat.agreements.store import instruments
from secretariat.base.clock import now
from secretariat.base.errors import StateError, UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.desk import pages as desk_pages
from secretariat.desk.partners import clear_carried
from secretariat.exchange import (
    change_store,
    guest_pages,
    guest_store,
    instrument_pages,
    key_pages,
    mailbox_pages,
    mailbox_store,
    own_keys,
    peer_pages,
    private_doors,
    private_pages,
    private_store,
    taxii_pages,
    witness_pages,
)
from secretariat.exchange import store as exchange_store
from secretariat.ledger import joint_pages, joint_store, witness_store
from secretariat.ledger import pages as ledger_pages
from secretariat.ledger import people_pages as ledger_people_pages
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.node import Node
from secretariat.ledger.witness import RECOVERY
from secretariat.people import pages as people_pages
from secretariat.people import store as people_store
from secretariat.records import collections
from secretariat.records import store as records_store
from secretariat.register import board_pages as register_board_pages
from secretariat.register import follow as register_follow
from secretariat.register import pages as register_pages
from secretariat.register import tables as register_tables
from secretariat.register.brief import pages as brief_pages
from secretariat.register.intake import pages as intake_pages
from secretariat.register.intake import tables as intake_tables
from secretariat.register.notes import pages as notes_pages
from secretariat.register.overlap import following as overlap_following
from secretariat.register.overlap import tables as overlap_tables
from secretariat.register.requests import calendar_feed
from secretariat.register.requests import contact_pages as requests_contact_pages
from secretariat.register.requests import deadlines as requests_deadlines
from secretariat.register.requests import digest as requests_digest
from secretariat.register.requests import pages as requests_pages
from secretariat.register.requests import tables as requests_tables
from secretariat.storage.engine import REALMS, Database
from secretariat.storage.feed import Listener
from secretariat.storage.metadata import metadata as tables
from secretariat.storage.opening import opened
from secretariat.web import guard
from secretariat.web import pages as web_pages
from secretariat.web.arrival import Arrival
from secretariat.web.site import Site

log = logging.getLogger("secretariat")

ROUTES: tuple[ControllerRouterHandler, ...] = (
    *web_pages.routes,
    *people_pages.routes,
    *ledger_pages.routes,
    *ledger_people_pages.routes,
    *joint_pages.routes,
    *agreements_pages.routes,
    *peer_pages.routes,
    *instrument_pages.routes,
    *key_pages.routes,
    *mailbox_pages.routes,
    *witness_pages.routes,
    *private_doors.routes,
    *private_pages.routes,
    *taxii_pages.routes,
    *guest_pages.routes,
    *register_pages.routes,
    *register_board_pages.routes,
    *intake_pages.routes,
    *brief_pages.routes,
    *notes_pages.routes,
    *requests_contact_pages.routes,
    *requests_pages.routes,
    *calendar_feed.routes,
    *desk_pages.routes,
)
Background = Callable[[Node], Awaitable[None]]
BACKGROUND: tuple[Background, ...] = (
    *peer_pages.background,
    *mailbox_pages.background,
    *private_doors.background,
    *guest_pages.background,
    *register_follow.background,
    *overlap_following.background,
    *requests_deadlines.background,
    *requests_digest.background,
)
"""What runs beside the requests for as long as the node serves."""
TABLES = (
    people_store,
    records_store,
    collections,
    ledger_store,
    witness_store,
    joint_store,
    agreements_store,
    register_tables,
    overlap_tables,
    intake_tables,
    requests_tables,
    exchange_store,
    change_store,
    guest_store,
    mailbox_store,
    private_store,
)
"""Every module that declares tables, so that `metadata()` has seen them all."""
_IN_REALM = "/{realm:str}"
_DRAIN_S = 3
_RETRY_S = (1, 2, 5, 15, 60)


def metadata() -> sa.MetaData:
    """Give the catalogue of all tables."""
    return tables


def build(node: Node) -> Litestar:
    """Build the application of `node`: all routes, one error shape, background tasks for its lifetime."""
    routes = [health, *(one for route in ROUTES for one in in_each_realm(route))]
    plugins: list[InitPlugin] = [Site(visitor=people_pages.visitor, navigation=desk_pages.RAIL)]
    return Litestar(
        route_handlers=routes,
        plugins=plugins,
        state=State(
            {
                "node": node,
                "database": node.database,
                "listener": Listener(node.database),
                "written": ledger.recorded_at,
            }
        ),
        lifespan=[lambda app: _running(app, node)],
        request_max_body_size=node.settings.limits.max_request_bytes,
        openapi_config=OpenAPIConfig(
            title="Secretariat",
            version="1",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],  # the viewers come from a CDN
            openapi_router=Router(path="/openapi", route_handlers=[], opt=guard.requires(guard.PUBLIC)),
        ),
        logging_config=None,
        debug=False,
    )


def in_each_realm(route: Any) -> list[Any]:
    """Give a route under `/{realm}` once per realm: Litestar prefers a literal `/live` and tries no other.

    The handler is told its realm as before, by the name `realm`.
    """
    paths: set[str] = getattr(route, "paths", set())
    if not any(path.startswith(_IN_REALM) for path in paths):
        return [route]
    found = []
    for realm in REALMS:
        one = copy.copy(route)
        one.paths = {path.replace(_IN_REALM, f"/{realm}", 1) for path in paths}
        one.name = None if route.name is None else f"{realm}:{route.name}"
        given = Provide(_always(realm), sync_to_thread=False)
        one.dependencies = {**(route.dependencies or {}), "realm": given}
        found.append(one)
    return found


def _always(realm: str) -> Callable[[], str]:
    def give() -> str:
        return realm

    return give


def serve(settings: NodeSettings, *, ready: Callable[[Node], None] | None = None) -> None:
    """Serve the node until SIGTERM or Ctrl-C; `ready` is called once it listens.

    Refuses when another process serves this node, or when a port is taken.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        # uvicorn raises what it caught once more when it has drained: then our blocks must still unwind
        signal.signal(number, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        database: Database = stack.enter_context(opened(settings, serving=True))
        clear_carried(settings.data)
        sockets = [stack.enter_context(_listen(settings, realm)) for realm in settings.realms]
        node = Node.open(settings, database)
        prepare(node)
        server = uvicorn.Server(configuration(build(node)))
        if ready is not None:
            ready(node)
        server.run(sockets=sockets)


def prepare(node: Node) -> None:
    """Give a node that never served the first entry of each log, and the public instruments to start from."""
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            if (why := ledger.head(tx).stopped) is not None:
                node.stopped[realm] = why
                log.critical("%s, %s is read-only: %s (%s)", node.party, realm, why, RECOVERY)
            elif ledger.open_log(tx, node.keyring(realm), now=now()).size == 1 and not instruments(tx):
                keep_book(tx, package_book(), own=node.party, now=now())
        if realm not in node.stopped and (roles := own_keys.finish(node, realm, now=now())):
            log.warning("%s, %s: what `secretariat keys` left undone is done: %s", node.party, realm, roles)


def configuration(application: Litestar) -> uvicorn.Config:
    """Say how uvicorn runs the application: uvloop and httptools, no access log, short draining.

    Who a request comes from is read from X-Forwarded-* only where a trusted proxy's address sent it.
    """
    node: Node = application.state.node
    trusted = list(node.settings.trusted_proxies)
    return _Configuration(
        application,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=512,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_DRAIN_S,
    )


class _Configuration(uvicorn.Config):
    """uvicorn's own, which sees the socket's address before a proxy's word takes its place."""

    def load(self) -> None:
        """Load the application as uvicorn does, then stand before all of it."""
        node: Node = self.app.state.node  # type: ignore[union-attr]
        super().load()
        self.loaded_app = Arrival(self.loaded_app, node.settings)


@get("/health", opt=guard.requires(guard.PUBLIC), sync_to_thread=True)
def health(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Say whether the node and its database answer; 503 when the database does not."""
    node: Node = request.app.state.node
    with node.database.app(node.settings.realms[0]) as tx:
        tx.execute(sa.text("SELECT 1"))
    return {"party": node.party, "state": "read-only" if node.stopped else "serving"}


@contextlib.asynccontextmanager
async def _running(app: Litestar, node: Node) -> AsyncIterator[None]:
    """Listen for changes and run the background tasks while the application runs."""
    listener: Listener = app.state.listener
    await listener.start()
    tasks = [asyncio.create_task(_keep_running(task, node), name=task.__module__) for task in BACKGROUND]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.stop()


async def _keep_running(task: Background, node: Node) -> None:
    """Run a background task; one that fails is said in the log and started again, later each time."""
    tries = 0
    while True:
        try:
            await task(node)
        except UnavailableError as error:
            log.warning("%s: %s", task.__module__, error)
        except Exception:
            log.exception("%s failed and is started again", task.__module__)
        else:
            return
        await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
        tries += 1


@contextlib.contextmanager
def _listen(settings: NodeSettings, realm: str) -> Iterator[socket.socket]:
    port = settings.port_of(realm)
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.bind, port))
        except OSError as error:
            raise StateError(
                f"cannot listen on {settings.bind} port {port}: {error.strerror}",
                where=f"port of the {realm} realm",
                advice="choose another port in node.toml",
            ) from error
        listening.set_inheritable(False)
        yield listening
    finally:
        listening.close()
