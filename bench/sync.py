"""A new partner gets everything: two real nodes over HTTP, cut off at random bytes, memory looked at.

JP publishes objects to KR while KR cannot reach it. Then KR, which has none of them, follows JP's log
through a line that is cut again and again in the middle of an answer. At the end both nodes count the
objects and hash their roots in order; nothing may lack, be there twice or differ.

`python -m bench.sync 1000000` does it with as many objects; `make bench` with OBJECTS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import random
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
import psutil
import sqlalchemy as sa

from bench import world
from bench.line import Line
from bench.memory import pss
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.clock import now
from secretariat.demo.nodes import Cluster, DemoNode, running
from secretariat.demo.story import Story
from secretariat.demo.voice import Voice
from secretariat.ledger.keys import Signer, signature_holds
from secretariat.records.canonical import canonical
from secretariat.records.markings import label_of
from secretariat.records.stix import moment
from secretariat.records.store import Version

OBJECTS = 100_000
PART = 10_000
CUT_BYTES = 60_000_000
"""The line is cut after at most so many bytes, 30 MB on average."""
LOOK_S = 2.0
ASKED_S = 6.0
"""A node sees a new address within two seconds."""
GIVE_UP_S = 120
NOWHERE = "http://127.0.0.1:9"


class Run(msgspec.Struct, frozen=True):
    """What one run took and left behind."""

    objects: int
    seconds: float
    cuts: int
    receiver: list[tuple[int, float]]
    """Objects that had arrived, and megabytes of the receiving process then."""
    sender_mb: float
    cpu: dict[str, float]
    """Seconds of processor time of each node's process and of its database."""

    @property
    def told(self) -> str:
        """Say what each process took of the processors: less noisy than seconds where others are at work."""
        each = ", ".join(f"{part} {1e6 * used / self.objects:.0f}" for part, used in self.cpu.items())
        every = 1e6 * sum(self.cpu.values()) / self.objects
        return f"processor time, us an object: {each}; {every:.0f} in all"

    def memory_at(self, share: float) -> float:
        """Give the most megabytes up to a share of the objects."""
        seen = [used for arrived, used in self.receiver if arrived <= share * self.objects]
        return max(seen or [self.receiver[0][1]])


def run(objects: int = OBJECTS) -> list[Line]:
    """Measure one run; the bound is one Ed25519 verification an object, on one core."""
    with running(("JP", "KR")) as cluster:
        Story(cluster, Voice(io.StringIO())).prepare()
        done = synced(cluster, objects)
    print(done.told, file=sys.stderr)
    early, late = done.memory_at(0.25), done.memory_at(1)
    return [
        Line(
            f"sync of {done.objects:,} objects to an empty partner, cut {done.cuts} times",
            done.objects / done.seconds,
            "objects/s",
            _verifications(),
            3_000,
            bound_is="one Ed25519 verification an object",
        ),
        Line(
            "memory of the receiving process, all arrived over a quarter",
            late / early,
            "times",
            early,
            1.25,
            sense="less",
            bound_is="MB at a quarter of the way",
        ),
    ]


def synced(cluster: Cluster, objects: int) -> Run:
    """Publish while the partner is away, then let it follow through a line that breaks; compare the two."""
    sender, receiver = cluster["JP"], cluster["KR"]
    _address(receiver, "JP", NOWHERE)
    _address(sender, "KR", NOWHERE)
    expected = _publish(sender, objects)
    with _line_to(sender.port) as line:
        before = {one.party: _cpu(one) for one in cluster}
        started = time.monotonic()
        there = f"http://127.0.0.1:{line.port}"
        _address(receiver, "JP", there)
        # receipts go back once the receiver has asked: before, pages would be brought past the line
        receipts = threading.Timer(ASKED_S, _address, (sender, "KR", receiver.url))
        receipts.start()
        seen = _await(receiver, expected, there)
        seconds = time.monotonic() - started
        receipts.join()
        cpu = {
            f"{one.party} {part}": used - before[one.party][part]
            for one in cluster
            for part, used in _cpu(one).items()
        }
    given, kept = _hash(sender, "partner"), _hash(receiver, "from_partners")
    assert given == kept, f"{given} given, {kept} kept"
    assert kept[0] == expected
    return Run(expected, seconds, line.cuts, seen, _process_mb(sender), cpu)


def _publish(sender: DemoNode, objects: int) -> int:
    granted, number = 0, 0
    while granted < objects:
        at = now()
        versions = []
        for one in world.objects(min(PART, objects), seed=1_000 + number):
            created = one.get("created")
            versions.append(
                Version(
                    stix_id=one["id"],
                    type=one["type"],
                    version=moment(created) if created else at,
                    data=canonical(one),
                    originator="JP",
                    source="JP",
                    label=label_of(one, {}, "JP", "GREEN"),
                    state="draft",
                    recorded_at=at,
                    known_at=at,
                    created=created,
                    modified=created,
                )
            )
        with sender.node.database.app(world.LIVE) as tx:
            done = publish_in(
                tx,
                sender.node,
                world.LIVE,
                versions,
                to=["KR"],
                basis=Basis(by="bench"),
                purpose=world.PURPOSE,
                now=at,
            )
        assert done.granted.get("KR"), done.withheld[:1]
        granted += done.granted["KR"]
        number += 1
    return granted


def _address(one: DemoNode, party: str, url: str) -> None:
    with one.node.database.app(world.LIVE) as tx:
        tx.exec_driver_sql("UPDATE peer SET url = %s WHERE party = %s AND url <> %s", (url, party, url))


def _await(receiver: DemoNode, expected: int, there: str) -> list[tuple[int, float]]:
    seen: list[tuple[int, float]] = []
    progress = time.monotonic()
    count = last = 0
    while not seen or seen[-1][0] < expected:
        _address(receiver, "JP", there)  # the partner's descriptor, fetched on connecting, names its own door
        with receiver.node.database.app(world.LIVE) as tx:
            row = tx.exec_driver_sql("SELECT cursor_position, cursor_offset FROM peer WHERE party = 'JP'")
            place = row.one()
            more, last = _arrived(tx, last)
            count += more
        if not seen or count > seen[-1][0]:
            progress = time.monotonic()
        seen.append((count, _process_mb(receiver)))
        assert time.monotonic() - progress < GIVE_UP_S, f"{count} of {expected} at {place}"
        time.sleep(LOOK_S)
    return seen


def _arrived(tx: sa.Connection, after: int) -> tuple[int, int]:
    """Count what came after a place in the collection, and give the new place; counting all costs time."""
    more, last = tx.exec_driver_sql(
        "SELECT count(*), coalesce(max(seq), %s) FROM item WHERE seq > %s"
        " AND collection = (SELECT id FROM collection WHERE kind = 'from_partners')",
        (after, after),
    ).one()
    return int(more), int(last)


def _hash(one: DemoNode, kind: str) -> tuple[int, str]:
    """Count the objects of a kind of collection, and hash their roots in order."""
    total, count = hashlib.sha256(), 0
    with (
        one.node.database.direct(world.LIVE) as connection,
        connection.transaction(),
        connection.cursor("roots") as cursor,
    ):
        cursor.itersize = 50_000
        cursor.execute(
            "SELECT v.root FROM item i JOIN collection c ON c.id = i.collection"
            " JOIN object_version v ON v.id = i.version WHERE c.kind = %s AND v.root IS NOT NULL"
            " AND (c.kind <> 'partner' OR c.reader = 'KR') ORDER BY v.root",
            (kind,),
        )
        for (root,) in cursor:
            total.update(root)
            count += 1
    return count, total.hexdigest()


def _process_mb(one: DemoNode) -> float:
    """Give megabytes of the node's own process, without its database."""
    return sum(pss(found.pid) for found in _processes(one)["node"]) / 1e6


def _cpu(one: DemoNode) -> dict[str, float]:
    return {
        part: sum(sum(found.cpu_times()[:2]) for found in processes)
        for part, processes in _processes(one).items()
    }


def _processes(one: DemoNode) -> dict[str, list[psutil.Process]]:
    assert one.pid is not None
    top = psutil.Process(one.pid)
    found: dict[str, list[psutil.Process]] = {"node": [], "database": []}
    for process in [top, *top.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found["database" if "postgres" in process.name() else "node"].append(process)
    return found


def _verifications() -> float:
    signer = Signer.generate()
    message = b"m" * 400
    signature = signer.sign(message)
    started = time.process_time()
    for _ in range(2_000):
        assert signature_holds(signer.public, signature, message)
    return 2_000 / (time.process_time() - started)


class _Line:
    """A line to a port of this machine that breaks after a random number of bytes towards the caller."""

    def __init__(self, to: int) -> None:
        self.cuts = 0
        self.port = 0
        self._to = to
        self._chance = random.Random(7)
        self._left = self._chance.randrange(CUT_BYTES)

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._one, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        asking = asyncio.create_task(_copy(reader, back))
        try:
            while part := await there.read(1 << 18):
                if len(part) > self._left:
                    writer.write(part[: self._left])
                    await writer.drain()
                    self.cuts += 1
                    self._left = self._chance.randrange(CUT_BYTES)
                    return
                self._left -= len(part)
                writer.write(part)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            return
        finally:
            asking.cancel()
            writer.close()
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()


@contextlib.contextmanager
def _line_to(port: int) -> Iterator[_Line]:
    line, ready = _Line(port), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(line.serve(ready, stop),))
    thread.start()
    ready.wait()
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


if __name__ == "__main__":
    for _one in run(int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS):
        print(msgspec.json.encode(_one.as_dict()).decode())
