"""One transaction on libpq's own pipeline: begin goes out with the first statement, commit with the last.

Rules:

1. It waits for the database where rows are read, and once for the commit. A statement of which nothing is
   read goes out with the next that is; what is wrong with it is raised there, or by the commit.
2. Every statement is prepared once on each connection. The server infers the types of its parameters: where
   a text leaves one open, the text says it (`%(held)s::int`).
3. Nothing counts before `commit` returned. `end` takes back what was not committed, and leaves the connection
   as it was found.

The driver's cursors do this and much else: they took half of the processor time of an entry that was appended
(docs/adr/0013). Values and rows are still translated by the driver.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import select
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from psycopg import Error, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from secretariat.base.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg import Connection, ConnectionInfo
    from psycopg.pq.abc import PGresult

_PLACE: Final = re.compile(r"%(?:\((\w+)\))?[sb]|%%")


class Prepared:
    """What one connection keeps from transaction to transaction: its statements, and how it translates."""

    __slots__ = ("count", "names", "translate", "wake")

    def __init__(self, driver: Connection[Any]) -> None:
        self.count = itertools.count()
        self.names: dict[str, bytes] = {}
        self.translate = Transformer(driver)
        self.wake = select.poll()


class Answer:
    """What comes back for one statement; reading it waits for it."""

    __slots__ = ("_brief", "prepares", "result")

    def __init__(self, brief: Brief, prepares: str | None = None) -> None:
        self._brief = brief
        self.prepares = prepares
        self.result: PGresult | None = None

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give the rows."""
        return self._brief.rows(self._brief.read(self))

    def fetchone(self) -> tuple[Any, ...] | None:
        """Give the first row, None where there is none."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())

    @property
    def rowcount(self) -> int:
        """Say how many rows were read or written."""
        return self._brief.read(self).command_tuples or 0


class Brief:
    """A transaction, open from the beginning until `commit`; `end` follows in any case."""

    def __init__(self, driver: Connection[Any], prepared: Prepared) -> None:
        self._driver, self._line = driver, driver.pgconn
        self._prepared = prepared
        self._awaited: deque[Answer] = deque()
        self._refused: Error | None = None
        self._settled = False
        self._line.enter_pipeline_mode()
        self._send_bare(b"BEGIN")

    @property
    def info(self) -> ConnectionInfo:
        """Tell of the connection."""
        return self._driver.info

    def cursor(self) -> contextlib.AbstractContextManager[Brief]:
        """Give what executes: here there is nothing else to it."""
        return contextlib.nullcontext(self)

    def execute(
        self,
        query: str,
        values: Sequence[Any] | Mapping[str, Any] = (),
        *,
        binary: bool = True,  # noqa: ARG002  as the driver is called; here every statement is both
        prepare: bool = True,  # noqa: ARG002
    ) -> Answer:
        """Send a statement with the driver's placeholders and wait for nothing."""
        text, order = _translated(query) if values else (query.encode(), ())
        given = [values[one] for one in order]  # type: ignore[index]
        known = self._prepared.names.get(query)
        if known is None:
            known = self._prepared.names[query] = b"brief%d" % next(self._prepared.count)
            self._line.send_prepare(known, text)
            self._awaited.append(Answer(self, prepares=query))
        formats = [PyFormat.BINARY if type(one) is bytes else PyFormat.TEXT for one in given]
        translate = self._prepared.translate
        self._line.send_query_prepared(
            known, translate.dump_sequence(given, formats), translate.formats, result_format=1
        )
        answer = Answer(self)
        self._awaited.append(answer)
        return answer

    def send(self) -> None:
        """Let the server begin with what was sent so far."""
        self._line.flush()

    def read(self, answer: Answer) -> PGresult:
        """Wait for the answer to one statement. Raises what the database refused up to there."""
        if answer.result is None:
            self._line.send_flush_request()
            while answer.result is None:
                self._take()
        if self._refused is not None:
            raise self._refused
        return answer.result

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Translate the rows of an answer."""
        self._prepared.translate.set_pgresult(result)
        return self._prepared.translate.load_rows(0, result.ntuples, tuple)

    def commit(self) -> None:
        """End the transaction: what it wrote is on disk. Raises what the database refused of it."""
        known = self._refused
        done = self._send_bare(b"COMMIT")
        self._settle()
        if self._refused is not None and known is None:
            raise self._refused
        if done.result is None or done.result.command_status != b"COMMIT":
            raise StateError("the transaction was refused before its end, nothing was stored")

    def end(self) -> None:
        """Take back what was not committed."""
        if self._driver.closed:
            return
        with contextlib.suppress(Error):
            if not self._settled:
                self._settle()
            self._line.exit_pipeline_mode()
            self._driver.rollback()
            return
        self._driver.close()  # nobody knows where it stands

    def _send_bare(self, text: bytes) -> Answer:
        self._line.send_query_params(text, None)
        answer = Answer(self)
        self._awaited.append(answer)
        return answer

    def _settle(self) -> None:
        """Wait for everything that was sent: the server then takes statements again whatever it refused."""
        self._line.pipeline_sync()
        while self._awaited:
            self._take()
        last = self._next()
        if last is None or last.status != ExecStatus.PIPELINE_SYNC:
            raise OperationalError("the server ended the connection")
        self._settled = True

    def _take(self) -> None:
        answer = self._awaited.popleft()
        while (result := self._next()) is not None:
            answer.result = result
            if result.status in {ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED}:
                if answer.prepares is not None:
                    self._prepared.names.pop(answer.prepares, None)
                if self._refused is None:
                    self._refused = error_from_result(result, self._driver.info.encoding)

    def _next(self) -> PGresult | None:
        line, wake = self._line, self._prepared.wake
        while True:
            unsent = line.flush()
            if not line.is_busy():
                return line.get_result()
            wake.register(line.socket, select.POLLIN | select.POLLOUT if unsent else select.POLLIN)
            wake.poll()
            line.consume_input()


@lru_cache(maxsize=512)
def _translated(query: str) -> tuple[bytes, tuple[int | str, ...]]:
    """Give the text as the server reads it, and which values stand for $1, $2 and so on."""
    order: dict[int | str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        return f"${order.setdefault(found[1] or len(order), len(order) + 1)}"

    text = _PLACE.sub(numbered, query)
    return text.encode(), tuple(order)
