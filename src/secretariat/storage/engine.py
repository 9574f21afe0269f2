"""Transactions on PostgreSQL, per realm, as the application or as a reader who sees granted rows only.

Rules (decisions.md 6):
1. Each realm has its own login role, pool and search path: no statement can name a row of the other realm.
2. `app` is one transaction as the application: commit at the end, roll back on any error.
3. `peer` is one read-only transaction under the peer role with a transaction-local reader. Both end with the
   transaction, so a pooled connection carries nothing over to the next reader; an unset reader sees nothing.
4. A database that is gone, full or busy answers `UnavailableError`, never a driver's traceback, and the pool
   works again when the database is back.
5. `brief` is `app` for the driver's own statements: it waits for the database only where something is read,
   and once for the commit.
6. `kept_for` gives the same pools for a guest: its transactions see and write only objects kept for that
   guest, and every other transaction sees none of them.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from secretariat.base.errors import InputError, SecretariatError, StateError, UnavailableError
from secretariat.storage.brief import Brief, Prepared
from secretariat.storage.roles import Roles, roles_of

REALMS = ("live", "exercise")
_PING_AFTER_S = 0.5  # a connection idle for less than this is handed out without asking the server first

_BUSY = {
    "53100": ("the disk of the database is full", "free space; nothing was stored"),
    "53200": ("the database is out of memory", "try again later; nothing was stored"),
    "53300": ("the database has no connection left", "try again"),
    "55P03": ("another transaction holds what this one needs", "try again"),
    "40001": ("two transactions crossed", "try again"),
    "40P01": ("two transactions waited for each other", "try again"),
    "57014": ("the database stopped a statement that took too long", "try again, or ask for less"),
    "25006": (
        "the database accepts no writes now",
        "a restored node takes none before `secretariat restore --check`",
    ),
    "58030": ("the database cannot read or write its disk", "look at the disk; nothing was stored"),
}


class Database:
    """The pools of one node's database, one per realm."""

    def __init__(
        self, parameters: Mapping[str, Any], realms: Sequence[str], prefix: str, size: int, patience: float
    ) -> None:
        self._parameters = dict(parameters)
        self._roles = {realm: roles_of(prefix, realm) for realm in realms}
        self._engines = {realm: self._engine(realm, size, patience) for realm in realms}
        # of their own: after a rollback the driver lets the server forget every statement, `brief`'s too
        self._brief = {realm: self._engine(realm, max(2, size // 4), patience) for realm in realms}
        self.prefix = prefix
        self._custodian = ""

    @classmethod
    def open(
        cls,
        url: str,
        realms: Sequence[str] = REALMS,
        *,
        prefix: str | None = None,
        size: int = 8,
        patience: float = 15,
    ) -> Database:
        """Open pools on `url` (libpq URL or key words, with the app roles' password; its user is ignored).

        Connects lazily. `prefix` names the roles when it is not the database's name; `size` connections per
        realm are kept once opened, half as many more may be open; then a transaction waits `patience` s. For
        `brief` it is a quarter of them, besides.
        Refuses a URL without a database name.
        """
        try:
            parameters = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise InputError(
                f"not a database address: {error}", advice="write postgresql://:password@host/database"
            ) from error
        name = parameters.get("dbname")
        if not name:
            raise InputError(
                "the database address names no database", advice="write postgresql://:password@host/database"
            )
        parameters.pop("user", None)
        return cls(parameters, realms, prefix or str(name), size, patience)

    @property
    def realms(self) -> tuple[str, ...]:
        """The realms of this database."""
        return tuple(self._engines)

    def roles(self, realm: str) -> Roles:
        """Name the roles of `realm`."""
        return self._roles[realm]

    def kept_for(self, guest: str) -> Database:
        """Give these pools with transactions that work in the keeping of a guest (rls.CUSTODIAN)."""
        one = copy.copy(self)
        one._custodian = guest  # noqa: SLF001  (our own copy)
        return one

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in (*self._engines.values(), *self._brief.values()):
            engine.dispose()

    @contextlib.contextmanager
    def app(self, realm: str) -> Iterator[sa.Connection]:
        """Give one transaction of `realm` as the application."""
        with _answered(), self._engines[realm].connect() as connection, connection.begin():
            if self._custodian:
                raw(connection).execute(
                    "SELECT set_config('secretariat.custodian', %s, true)", (self._custodian,)
                )
            yield connection

    @contextlib.contextmanager
    def brief(self, realm: str) -> Iterator[sa.Connection]:
        """Give one transaction as the application that waits for the database as seldom as can be.

        Its begin goes out with the first statement and its commit with the last ones. Statements of the
        driver alone (`raw`): SQLAlchemy expects an answer to each at once. Where a statement that only
        writes is refused, that is said at the end, and nothing of the transaction stands.
        """
        with _answered(), contextlib.closing(self._brief[realm].raw_connection()) as pooled:
            driver = cast("psycopg.Connection[Any]", pooled.dbapi_connection)
            if (prepared := pooled.info.get("prepared")) is None:
                prepared = pooled.info["prepared"] = Prepared(driver)
            brief = Brief(driver, prepared)
            try:
                if self._custodian:
                    brief.execute("SELECT set_config('secretariat.custodian', %s, true)", (self._custodian,))
                yield cast("sa.Connection", brief)
                brief.commit()
            finally:
                brief.end()

    @contextlib.contextmanager
    def peer(self, realm: str, reader: str) -> Iterator[sa.Connection]:
        """Give one read-only transaction of `realm` that sees only what was granted to `reader`.

        `reader` is a party code, the node's own code for its own tools, `*` for the public.
        """
        with _answered(), self._engines[realm].connect() as connection, connection.begin():
            # one round trip; every setting ends with the transaction
            raw(connection).execute(
                sql.SQL(
                    "SET TRANSACTION READ ONLY; SELECT set_config('secretariat.reader', {}, true);"
                    " SET LOCAL ROLE {}"
                ).format(sql.Literal(reader), sql.Identifier(self._roles[realm].peer))
            )
            yield connection

    def direct(self, realm: str) -> psycopg.Connection[Any]:
        """Give a connection of its own outside the pool, autocommit, as the application (LISTEN, jobs)."""
        with _answered():
            return psycopg.connect(**self.parameters(realm), autocommit=True)

    def parameters(self, realm: str) -> dict[str, Any]:
        """Give libpq's parameters for a connection as the application of `realm`."""
        options = f"{self._parameters.get('options') or ''} -c search_path={realm} -c timezone=UTC"
        options += " -c lock_timeout=60s -c idle_in_transaction_session_timeout=15min"
        given = {"connect_timeout": 5, "application_name": "secretariat", "client_encoding": "utf8"}
        return {**given, **self._parameters, "user": self._roles[realm].app, "options": options.strip()}

    def _engine(self, realm: str, size: int, patience: float) -> sa.Engine:
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(**self.parameters(realm)),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=size // 2,
            pool_timeout=patience,
            use_native_hstore=False,
            json_serializer=_json_text,
            json_deserializer=msgspec.json.decode,
        )
        event.listen(engine, "checkin", _remember_checkin)
        event.listen(engine, "checkout", _ping_idle)
        return engine


def raw(tx: sa.Connection) -> psycopg.Connection[Any]:
    """Give the driver's connection of a transaction: for COPY, binary results, server-side cursors."""
    if isinstance(tx, Brief):
        return cast("psycopg.Connection[Any]", tx)
    return cast("psycopg.Connection[Any]", tx.connection.dbapi_connection)


@contextlib.contextmanager
def together(tx: sa.Connection) -> Iterator[None]:
    """Send the driver's statements of the block without waiting for each: one round trip for all of them.

    In a `brief` transaction not even one: the server begins with them while the caller goes on. Refuses as
    `refuse` of the database.
    """
    if isinstance(tx, Brief):
        yield
        tx.send()
        return
    try:
        with raw(tx).pipeline():
            yield
    except psycopg.errors.RaiseException as error:
        raise _refusal(error) from error


def _refusal(error: psycopg.Error) -> StateError:
    """Say what the database's own `refuse` said (migration 0003)."""
    return StateError(str(error.diag.message_primary), advice=error.diag.message_hint)


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _remember_checkin(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["since"] = time.monotonic()


def _ping_idle(connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _: Any) -> None:
    since = record.info.get("since")
    if since is None or time.monotonic() - since < _PING_AFTER_S:
        return
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error as error:
        raise exc.DisconnectionError from error  # the pool drops its old connections and tries anew


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Turn what the driver says about a database that cannot work now into `UnavailableError`."""
    try:
        yield
    except SecretariatError:
        raise
    except exc.TimeoutError as error:
        raise UnavailableError("all database connections are in use", advice="try again") from error
    except psycopg.errors.RaiseException as error:
        raise _refusal(error) from error
    except (exc.DBAPIError, psycopg.Error) as error:
        answer = _unavailable(error)
        if answer is None:
            raise
        raise answer from error
    except exc.InvalidatePoolError as error:
        raise _gone() from error
    except exc.DisconnectionError as error:
        raise _gone() from error


def _unavailable(error: Exception) -> UnavailableError | None:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if state in _BUSY:
        what, advice = _BUSY[state]
        return UnavailableError(what, advice=advice)
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    # class 08 = connection, 57P = shut down or starting; without a state the server said nothing at all
    if lost or (state and (state.startswith(("08", "57P")))):
        return _gone()
    if state is None and isinstance(cause, psycopg.OperationalError):
        return _gone()
    return None


def _gone() -> UnavailableError:
    return UnavailableError("the database does not answer", advice="try again when it is back")
