"""TAXII over HTTP with a credential: full read, one object by id, a page near the end; 10 k and 1 M objects.

The server is a process of its own, as `secretariat serve` runs it, with TLS left to what stands before it;
the client is a bare HTTP/1.1 connection, so that the figures are the server's and not a client library's.
Bounds are the same SELECTs under the same role, fetched as bytes and thrown away.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from bench.line import Line
from secretariat.base.clock import now
from secretariat.base.settings import NodeSettings
from secretariat.exchange.taxii_wire import date_added
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.people.model import Scope
from secretariat.people.service import create_token
from secretariat.records import collections, store
from secretariat.records.markings import Label
from secretariat.storage.embedded import Server
from secretariat.storage.engine import Database, raw
from secretariat.storage.provision import create_database, provision

FEW, MANY = 10_000, 1_000_000
PAGE = 1_000
NEAR = 100
FIRST_SEQ = 1_700_000_000_000_000
REALMS = ("live",)

_FILL = """
WITH made AS (
  SELECT n, (ARRAY['indicator', 'indicator', 'indicator', 'relationship', 'malware'])[n %% 5 + 1] AS kind,
         overlay(overlay(md5(n::text)::uuid::text placing '4' from 15) placing 'a' from 20) AS tail,
         to_char(timestamptz '2024-01-01' + n * interval '1 ms', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
  FROM generate_series(%(start)s + 1, %(end)s) n
)
INSERT INTO object_version (stix_id, type, spec_version, created, modified, version, bytes, root, salt,
                            envelope, originator, source, label, state, recorded_at, known_at)
SELECT kind || '--' || tail, kind, '2.1', at, at, at::timestamptz,
       convert_to(format(
         '{"created":"%%s","description":"%%s","id":"%%s--%%s","modified":"%%s","name":"object %%s",'
         '"pattern":"[ipv4-addr:value = ''198.51.100.%%s'']","pattern_type":"stix","spec_version":"2.1",'
         '"type":"%%s","valid_from":"%%s"}',
         at, repeat('x', 50 + (n * 37 %% 900)::int), kind, tail, at, n, n %% 256, kind, at), 'UTF8'),
       sha256(n::text::bytea), sha256(n::text::bytea), convert_to(repeat('e', 420), 'UTF8'),
       'KR', 'KR', %(label)s, 'published', now(), now()
FROM made ORDER BY n
"""
_PLACE = """
INSERT INTO item (collection, seq, version)
SELECT %(collection)s, %(first)s + v.id * 10, v.id FROM object_version v
WHERE v.id > %(above)s ORDER BY v.id
"""
_SELECT = (
    b"SELECT i.seq, v.bytes FROM item i JOIN object_version v ON v.id = i.version"
    b" WHERE i.collection = %s AND i.seq > %s AND (i.last) ORDER BY i.seq LIMIT %s"
)
_SELECT_ONE = (
    b"SELECT i.seq, v.bytes FROM item i JOIN object_version v ON v.id = i.version"
    b" WHERE i.collection = %s AND i.seq > %s AND v.stix_id = ANY(%s::text[]) AND (i.last)"
    b" ORDER BY i.seq LIMIT %s"
)


def run(few: int = FEW, many: int = MANY) -> list[Line]:
    """Fill a node of its own, serve it, measure."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-taxii-")))
        folder.chmod(0o711)
        database = stack.enter_context(_database(folder))
        data = folder / "node"
        data.mkdir()
        settings = NodeSettings(party="KR", name="Bench", host="bench.example", realms=REALMS, data=data)
        keys.create(keys.folder_of(data, "live"), party="KR", realm="live", host=settings.host)
        node = Node.open(settings, database.opened)
        token, number, name = _prepare(node)
        client = Client(stack.enter_context(_serving(settings, database.url)), token, name)
        database.fill(number, few)
        near_few = _near_end(client, few)
        database.fill(number, many)
        client.connect()
        near_many = _near_end(client, many)
        read, read_bound = _full_read(client, node, number, many)
        one, one_bound = _by_id(client, node, number, many)
        filters = [_by_filter(client, *given, many) for given in _FILTERS]
    share, growth = read / read_bound * 100, near_many / near_few
    same = "the same SELECT under the same role"
    ends = f"p99 {near_few:.2f} ms at {few:,}; {near_many:.2f} ms at {many:,}"
    return [
        Line("TAXII full read, pages of 1,000", read, "objects/s", read_bound, 100_000, bound_is=same),
        Line("TAXII full read, share of its SELECT", share, "%", 100, 50, bound_is=same),
        Line(f"TAXII match[id] p50, {many:,} objects", one, "ms", one_bound, 3, sense="less", bound_is=same),
        Line(
            f"TAXII p99 near the end, {many:,} : {few:,}",
            growth,
            "times",
            1,
            1.5,
            sense="less",
            bound_is=ends,
        ),
        *filters,
    ]


_FILTERS = (
    ("match[version]=DATE", "match%5Bversion%5D=2024-01-01T00:00:07.500Z", 1),
    ("match[type]=rare", "match%5Btype%5D=tool", 0),
    ("match[spec_version]=2.0", "match%5Bspec_version%5D=2.0", 0),
)


def _by_filter(client: Client, name: str, query: str, found: int, count: int) -> Line:
    """p50 of a filter that finds next to nothing; the bound is a request that finds nothing by id."""
    assert client.get(f"?{query}").count(b'"spec_version"') == found
    nothing = "?match%5Bid%5D=tool--00000000-0000-4000-8000-000000000000"
    bound = _percentile(lambda: client.get(nothing), 200, 0.5)
    value = _percentile(lambda: client.get(f"?{query}"), 200, 0.5)
    shown = "a filter by an id that is not there"
    return Line(f"TAXII {name} p50, {count:,} objects", value, "ms", bound, 30, sense="less", bound_is=shown)


class Filled:
    """The database of the benchmark and how many objects are in it."""

    def __init__(self, server: Server) -> None:
        self.url = server.conninfo(dbname="bench")
        self.opened = Database.open(self.url, REALMS)
        self._admin = server.conninfo(superuser=True, dbname="bench")
        self._count = 0

    def fill(self, collection: int, count: int) -> None:
        """Bring the collection to `count` objects, as bulk grants would, and let the server learn of them."""
        with psycopg.connect(self._admin, autocommit=True) as admin:
            admin.execute("SET search_path = live")
            label = admin.execute("SELECT min(id) FROM label").fetchone()
            for start in range(self._count, count, 100_000):
                end = min(count, start + 100_000)
                admin.execute(_FILL, {"start": start, "end": end, "label": label[0] if label else 1})
            above = admin.execute("SELECT coalesce(max(version), 0) FROM item").fetchone()
            admin.execute(
                _PLACE, {"collection": collection, "first": FIRST_SEQ, "above": above[0] if above else 0}
            )
            admin.execute("VACUUM (ANALYZE) object_version")
            admin.execute("VACUUM (ANALYZE) item")
            admin.execute("CHECKPOINT")
        self._count = count


class Client:
    """One kept HTTP/1.1 connection with a Bearer token, reading what has a length."""

    def __init__(self, port: int, token: str, name: str) -> None:
        self._port = port
        self.connect()
        self._head = f"GET /live/taxii2/collections/{name}/objects/"
        self._tail = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/taxii+json;version=2.1\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        self._room = bytearray(16 << 20)

    def connect(self) -> None:
        """Open the connection; the server closes one that is idle for long."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, query: str) -> bytes:
        """Give the body of a page."""
        self._socket.sendall((self._head + query + self._tail).encode())
        room, have = memoryview(self._room), 0
        while (end := self._room.find(b"\r\n\r\n", 0, have)) < 0:
            have += self._receive(room[have:])
        head = bytes(room[:end]).lower()
        assert head.startswith(b"http/1.1 200"), bytes(room[:have])[:600]
        until = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while have < until:
            have += self._receive(room[have:until])
        return bytes(room[end + 4 : until])

    def _receive(self, room: memoryview) -> int:
        count = self._socket.recv_into(room)
        assert count, "the server closed the connection"
        return count


def _near_end(client: Client, count: int) -> float:
    """p99 of a page of the last hundred objects, in ms: the best of five rounds, to leave out other work."""
    after = quote(date_added(FIRST_SEQ + (count - NEAR) * 10))
    query = f"?added_after={after}&limit={NEAR}"
    body = client.get(query)
    assert body.count(b'"spec_version"') == NEAR, body[:300]
    return min(_percentile(lambda: client.get(query), 400, 0.99) for _ in range(5))


def _full_read(client: Client, node: Node, number: int, count: int) -> tuple[float, float]:
    """Objects per second over HTTP and by SELECT, over the same pages; the better of two rounds each."""
    pages = min(count // PAGE, 200)

    def over_http() -> int:
        query, seen = f"?limit={PAGE}", 0
        for _ in range(pages):
            body = client.get(query)
            seen += body.count(b'"spec_version"')
            if not body.startswith(b'{"more":true,"next":"'):
                break
            token = body[21:].partition(b'"')[0].decode()
            query = f"?limit={PAGE}&next={token}"
        return seen

    def by_select() -> int:
        after, seen = -1, 0
        for _ in range(pages):
            with node.database.peer("live", "JP") as tx:
                cursor = raw(tx).cursor(binary=True)
                rows = cursor.execute(_SELECT, (number, after, PAGE + 1)).fetchall()[:PAGE]
            seen, after = seen + len(rows), rows[-1][0]
        return seen

    return max(_rate(over_http, pages) for _ in range(2)), max(_rate(by_select, pages) for _ in range(2))


def _by_id(client: Client, node: Node, number: int, count: int) -> tuple[float, float]:
    with node.database.app("live") as tx:
        ask = "SELECT stix_id FROM object_version WHERE id %% %s = 0 LIMIT 500"
        rows = raw(tx).execute(ask, (max(1, count // 500),))
        ids = [one for (one,) in rows]
    asked = iter(ids * 20)
    bound = iter(ids * 20)

    def select() -> None:
        with node.database.peer("live", "JP") as tx:
            cursor = raw(tx).cursor(binary=True)
            assert len(cursor.execute(_SELECT_ONE, (number, -1, [next(bound)], 101)).fetchall()) == 1

    def over_http() -> None:
        assert b'"more":false' in client.get(f"?match%5Bid%5D={next(asked)}")

    return _percentile(over_http, 2_000, 0.5), _percentile(select, 2_000, 0.5)


def _rate(act: Callable[[], int], pages: int) -> float:
    started = time.perf_counter()
    seen = act()
    assert seen == pages * PAGE, (seen, pages)
    return seen / (time.perf_counter() - started)


def _percentile(act: Callable[[], Any], times: int, share: float) -> float:
    act()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1_000)
    return statistics.quantiles(taken, n=1000, method="inclusive")[round(share * 1000) - 1]


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[Filled]:
    server = Server(folder / "pg", durable=False)  # only reading is measured; filling need not survive
    server.create()
    server.start()
    try:
        create_database(server.conninfo(superuser=True, dbname="postgres"), "bench")
        provision(server.conninfo(superuser=True, dbname="bench"), server.secret.app, REALMS)
        filled = Filled(server)
        yield filled
        filled.opened.close()
    finally:
        server.stop()
        server.destroy()


def _prepare(node: Node) -> tuple[str, int, str]:
    with node.database.app("live") as tx:
        number = collections.ensure(tx, "partner", "JP", party="KR", realm="live")
        store.keep_labels(tx, [Label(orig="KR", tlp="GREEN")])
        day, at, limits = timedelta(days=1), now(), node.settings.limits
        _, token = create_token(
            tx,
            label="bench",
            reader="JP",
            scopes={Scope.READ},
            lifetime=day,
            by="bench",
            now=at,
            limits=limits,
        )
        [name] = [str(one.taxii) for one in collections.all_of(tx)]
    return token, number, name


@contextlib.contextmanager
def _serving(settings: NodeSettings, url: str) -> Iterator[int]:
    """Serve the node in a process of its own, on a free port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(settings, url, listening))
    process.start()
    try:
        yield listening.getsockname()[1]
    finally:
        process.terminate()
        process.join(10)
        listening.close()


def _serve(settings: NodeSettings, url: str, listening: socket.socket) -> None:
    import uvicorn

    from secretariat import app

    database = Database.open(url, REALMS)
    uvicorn.Server(app.configuration(app.build(Node.open(settings, database)))).run(sockets=[listening])


if __name__ == "__main__":
    for line in run(*(int(one) for one in sys.argv[1:])):
        print(line.as_dict())
