"""Opens a node's database: starts the embedded server or joins the one that runs, or uses the operator's own.

A command beside a running `secretariat serve` joins its server. A command alone starts the server for its own
time, and waits at its end until other commands that joined are done.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from secretariat.base.errors import StateError
from secretariat.base.settings import NodeSettings
from secretariat.storage.embedded import DATABASE, Server, SupervisedError
from secretariat.storage.engine import Database
from secretariat.storage.exclusive import DatabaseLock
from secretariat.storage.locks import FileLock
from secretariat.storage.migrate import check, heads, migrate, read_version
from secretariat.storage.provision import create_database, provision
from secretariat.storage.secret import Secret

_JOIN_S = 30
_LINGER_S = 3600


def create(settings: NodeSettings, *, schema: str = "head", durable: bool = True) -> None:
    """Make the database of a new node, empty, with the tables of `schema`. Refuses a folder that has one."""
    if settings.database_url:
        secret = Secret.load(settings.data) if Secret.exists(settings.data) else Secret.new()
        secret.save(settings.data)  # kept when the login may not prepare: the SQL shown belongs to it
        provision(settings.database_url, secret.app, settings.realms, schema=schema)
        return
    server = Server(settings.data, durable=durable)
    server.create()
    server.start()
    try:
        create_database(server.conninfo(superuser=True, dbname="postgres"), DATABASE)
        provision(server.conninfo(superuser=True), server.secret.app, settings.realms, schema=schema)
    finally:
        server.stop()


def remove(data: Path) -> None:
    """Delete what `create` began in a data folder, and everything else in it. Refuses a running node."""
    Server(data).destroy()
    for path in data.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextlib.contextmanager
def administered(settings: NodeSettings, *, durable: bool = True) -> Iterator[tuple[str, str]]:
    """Give the address of who may become the tables' owners, and the roles' prefix (restore only)."""
    if settings.database_url:
        yield settings.database_url, str(conninfo_to_dict(settings.database_url)["dbname"])
        return
    with _embedded(settings.data, serving=False, durable=durable) as server:
        yield server.conninfo(superuser=True), DATABASE


@contextlib.contextmanager
def opened(settings: NodeSettings, *, serving: bool = False, durable: bool = True) -> Iterator[Database]:
    """Give the node's database for the time of the block, migrated to the newest schema.

    `serving`: we mean to stay; refuses when another process serves this data folder or database. A restored
    node takes no writes and is not served until it was checked (exchange/restoring.py).
    """
    with contextlib.ExitStack() as stack:
        if serving and settings.behind:
            raise StateError(
                f"this node was restored behind what its partners hold and is read-only: {settings.behind}",
                advice="restore a newer backup, or make a new node and enrol again",
            )
        if serving and settings.restored:
            raise StateError(
                f"this node was restored from a backup on {settings.restored} and was not checked yet",
                advice="compare it with what its partners last kept: secretariat restore --check",
            )
        if serving:
            stack.enter_context(_alone(settings.data))
        if settings.database_url:
            admin = settings.database_url
            words = conninfo_to_dict(admin)
            words.pop("user", None)
            words["password"] = Secret.load(settings.data).app
            url = make_conninfo("", **{key: str(value) for key, value in words.items()})
        else:
            server = stack.enter_context(_embedded(settings.data, serving=serving, durable=durable))
            admin, url = server.conninfo(superuser=True), server.conninfo()
        if settings.restored:
            url = make_conninfo(url, options="-c default_transaction_read_only=on")
        database = Database.open(url, settings.realms)
        stack.callback(database.close)
        _bring_up(database, admin)
        if serving:
            stack.enter_context(DatabaseLock(database))
        yield database


def _bring_up(database: Database, admin: str) -> None:
    """Migrate where the schema is behind; an up-to-date database is only asked, as the application."""
    for realm in database.realms:
        with database.direct(realm) as connection:
            version, made = read_version(connection)
        check(version, made)
        if version != heads()[0]:
            migrate(admin, database.prefix, [realm])


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    lock = FileLock(data / "serve.lock")
    if not lock.acquire():
        raise StateError(
            f"{data} is already served by process {lock.holder() or 'unknown'}",
            advice="stop that process, or use another data folder",
        )
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _embedded(data: Path, *, serving: bool, durable: bool) -> Iterator[Server]:
    server, users = Server(data, durable=durable), FileLock(data / "users.lock")
    started = serving
    if serving:
        server.start(wait=_JOIN_S)
    try:
        users.acquire(shared=True, wait=_JOIN_S)
        if not serving:
            started = _start_or_join(server)
        yield server
    finally:
        users.release()
        if started:
            # others may have joined: the server stays until they are done, unless we are told to end anyway
            if not serving and users.acquire(wait=_LINGER_S):
                users.release()
            server.stop()


def _start_or_join(server: Server) -> bool:
    """Start the server, or wait for the one that another process starts; say whether we started it."""
    end = time.monotonic() + _JOIN_S
    while not server.running:
        try:
            server.start()
        except SupervisedError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)
        else:
            return True
    return False
