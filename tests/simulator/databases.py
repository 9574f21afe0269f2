"""Worlds whose honest nodes keep everything in PostgreSQL: the same plans, the store that ships.

Cheaters stay in memory: what they do to their own store is not what is tested.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import multiprocessing.util
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from secretariat.base.settings import NodeSettings
from secretariat.exchange.postgres import transaction
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.storage.embedded import Server
from secretariat.storage.engine import Database
from secretariat.storage.provision import create_database, provision

from .play import Play
from .run import Outcome, outcome, say, summary, tell, world
from .ways import SimulatedNode

TEMPLATE = "template_worlds"
REALMS = ("live",)
MOST = 8
_numbers = itertools.count(1)


def _quick_folder() -> str:
    """In memory where there is room: a database of its own for every node is a thousand small files each."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4_000_000_000
    return str(memory) if roomy and os.access(memory, os.W_OK) else "/tmp"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a database server with a migrated template, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="sct-worlds-", dir=_quick_folder()))
    running = Server(folder / "d", durable=False)
    try:
        folder.chmod(0o711)
        running.create()
        running.start()
        create_database(running.conninfo(superuser=True, dbname="postgres"), TEMPLATE)
        provision(running.conninfo(superuser=True, dbname=TEMPLATE), running.secret.app, REALMS)
        yield running
    finally:
        running.stop()
        running.destroy()
        shutil.rmtree(folder)


@contextlib.contextmanager
def nodes(running: Server, template: str = TEMPLATE) -> Iterator[Callable[..., SimulatedNode]]:
    """Give a maker of nodes, each in a database of its own, which end with the block."""
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(
            psycopg.connect(running.conninfo(superuser=True, dbname="postgres"), autocommit=True)
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sct-keys-")))

        def make(seed: int, party: str, *, circles: tuple[str, ...] = ()) -> SimulatedNode:
            name = f"w{os.getpid()}_{next(_numbers)}"
            words = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            admin.execute(words.format(sql.Identifier(name), sql.Identifier(template)))
            stack.callback(
                lambda: admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            )
            data = folder / party
            data.mkdir()
            host = f"{party.lower()}.example"
            settings = NodeSettings(
                party=party, data=data, name=party, host=host, realms=REALMS, circles=circles
            )
            keys.create(keys.folder_of(data, "live"), party=party, realm="live", host=host)
            url = make_conninfo(running.conninfo(), dbname=name)
            opened = Database.open(url, REALMS, prefix=template)
            stack.callback(opened.close)
            node = Node.open(settings, opened)
            return SimulatedNode(node.keyring("live"), partial(transaction, node, "live"), node)

        yield make


def play_on(running: Server, seed: int, template: str = TEMPLATE) -> Outcome:
    """Play the world of a seed with the honest nodes on PostgreSQL."""
    plan = world(seed, memory=False, most=MOST)
    circles = (",".join(plan.parties),) if plan.circles else ()
    with nodes(running, template) as make:
        return outcome(Play(plan, partial(make, circles=circles)))


def _one(seed: int) -> Outcome:
    return play_on(_servers[0], seed)


_servers: list[Server] = []


def _begin(ready: Any) -> None:
    """Run a server of its own in a process that plays worlds, until that ends."""
    with ready:  # one after the other: a server that starts takes what there is
        running = server()
        _servers.append(running.__enter__())
    multiprocessing.util.Finalize(None, running.__exit__, args=(None, None, None), exitpriority=10)


def worlds_on_postgres(seeds: Iterable[int], jobs: int = 1) -> list[int]:
    """Play worlds on PostgreSQL, a server for each process, and tell what came of them; gives the failed."""
    wanted = list(seeds)
    began = shown = time.monotonic()
    found: list[Outcome] = []
    context = multiprocessing.get_context("spawn")
    jobs = max(1, min(jobs, len(wanted)))
    with context.Pool(jobs, initializer=_begin, initargs=(context.Lock(),)) as pool:
        for one in pool.imap_unordered(_one, wanted):
            found.append(one)
            if one.failed:
                say(f"seed {one.seed} on PostgreSQL ({one.nodes} nodes): {one.failed}")
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                left = (len(wanted) - len(found)) * (shown - began) / len(found)
                say(f"{len(found)} worlds on PostgreSQL, {left / 60:.0f} min left")
        pool.close()
        pool.join()
    total = summary(found)
    say("\nhonest nodes on PostgreSQL:")
    tell(total, time.monotonic() - began)
    return list(total["failed"])
