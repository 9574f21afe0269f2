"""From publish on one node to readable on the partner's node: two real nodes, 100 objects a second."""

from __future__ import annotations

import io
import time
from datetime import timedelta

from bench import world
from bench.line import Line
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.clock import now, stamp
from secretariat.demo import delivery
from secretariat.demo.nodes import Cluster, running
from secretariat.demo.story import Story
from secretariat.demo.voice import Voice
from secretariat.records.canonical import canonical
from secretariat.records.markings import label_of
from secretariat.records.store import Version

RATE = 100
SECONDS = 20
ONE_BY_ONE = 0.01


def run() -> list[Line]:
    """Publish one object every ten milliseconds for twenty seconds; time each until the partner can read it.

    The bound is one durable commit on the sender plus one on the receiver, measured in the same run.
    """
    with running(("JP", "KR")) as cluster:
        Story(cluster, Voice(io.StringIO())).prepare()
        bound = _commits(cluster)
        waits = _latencies(cluster)
    return [
        Line(
            "publish to readable on the partner's node, p99 at 100 objects/s",
            delivery.percentile(waits, 0.99),
            "ms",
            bound,
            1_000,
            sense="less",
            bound_is="two durable commits",
        ),
        Line(
            "publish to readable on the partner's node, p50 at 100 objects/s",
            delivery.percentile(waits, 0.50),
            "ms",
            bound,
            1_000,
            sense="less",
            bound_is="two durable commits",
        ),
    ]


def _commits(cluster: Cluster) -> float:
    took = []
    for _ in range(50):
        started = time.perf_counter()
        for party in ("JP", "KR"):
            with cluster[party].node.database.app(world.LIVE) as tx:
                tx.exec_driver_sql("UPDATE log_head SET size = size")
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took)[len(took) // 2]


def _latencies(cluster: Cluster) -> list[float]:
    """Publish at the rate; the partner's arrival times are its own rows' `recorded_at`, on the same clock."""
    sender, receiver = cluster["JP"].node, cluster["KR"].node
    sent: dict[str, float] = {}
    made = world.objects(RATE * SECONDS * 3, seed=99)
    begun = time.monotonic()
    pace = 1 / RATE
    clear = [one for one in made if "created" in one and one["object_marking_refs"] == [world.CLEAR]]
    clear = clear[: RATE * SECONDS]
    for number, one in enumerate(clear):
        wait = begun + number * pace - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        at = now()
        one |= {"created": stamp(at), "modified": stamp(at + timedelta(microseconds=1))}
        sent[one["id"]] = time.time()
        version = Version(
            stix_id=one["id"],
            type=one["type"],
            version=at,
            data=canonical(one),
            originator="JP",
            source="JP",
            label=label_of(one, {}, "JP", "AMBER"),
            state="draft",
            recorded_at=at,
            known_at=at,
            created=one["created"],
            modified=one["modified"],
        )
        with sender.database.app(world.LIVE) as tx:
            publish_in(tx, sender, world.LIVE, [version], to=["KR"], basis=Basis(by="bench"), now=at)
    seen: dict[str, float] = {}
    until = time.monotonic() + 30
    while len(seen) < len(sent) and time.monotonic() < until:
        with receiver.database.app(world.LIVE) as tx:
            rows = tx.exec_driver_sql(
                "SELECT v.stix_id, extract(epoch FROM v.recorded_at)::float8 FROM object_version v"
                " JOIN item i ON i.version = v.id JOIN collection c ON c.id = i.collection"
                " WHERE c.kind = 'from_partners'"
            ).fetchall()
        seen = {name: at for name, at in rows if name in sent}
        time.sleep(0.2)
    assert len(seen) == len(sent), f"{len(seen)} of {len(sent)} arrived"
    return [(seen[name] - at) * 1000 for name, at in sent.items()]
