"""Worlds whose honest nodes keep everything in PostgreSQL: the same plans, the store that ships.

Cheaters stay in memory: what they do to their own store is not what is tested.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

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
from .run import Outcome, say, summary, tell, world
from .ways import SimulatedNode

TEMPLATE = "template_worlds"
REALMS = ("live",)
MOST = 8
_numbers = itertools.count(1)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a database server with a migrated template, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="sct-worlds-", dir="/tmp"))
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
def nodes(running: Server, template: str = TEMPLATE) -> Iterator[Callable[[int, str], SimulatedNode]]:
    """Give a maker of nodes, each in a database of its own, which end with the block."""
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(
            psycopg.connect(running.conninfo(superuser=True, dbname="postgres"), autocommit=True)
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sct-keys-")))

        def make(seed: int, party: str) -> SimulatedNode:
            name = f"w{os.getpid()}_{next(_numbers)}"
            words = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            admin.execute(words.format(sql.Identifier(name), sql.Identifier(template)))
            stack.callback(
                lambda: admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            )
            data = folder / party
            data.mkdir()
            host = f"{party.lower()}.example"
            settings = NodeSettings(party=party, data=data, name=party, host=host, realms=REALMS)
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
    began = time.process_time()
    with nodes(running, template) as make:
        played, failed = Play(plan, make), ""
        try:
            played.run()
        except AssertionError as error:
            failed = str(error) or "assertion"
        return Outcome(seed, len(plan.parties), dict(played.counts), failed, time.process_time() - began)


def worlds_on_postgres(seeds: Iterable[int]) -> list[int]:
    """Play worlds on PostgreSQL and tell what came of them; gives the seeds that failed."""
    began, found = time.monotonic(), []
    with server() as running:
        for seed in seeds:
            found.append(play_on(running, seed))
            if found[-1].failed:
                say(f"seed {seed} on PostgreSQL ({found[-1].nodes} nodes): {found[-1].failed}")
    total = summary(found)
    say("\nhonest nodes on PostgreSQL:")
    tell(total, time.monotonic() - began)
    return list(total["failed"])
