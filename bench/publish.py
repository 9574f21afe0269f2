"""Bulk publish: 10,000 mixed objects, 20 partners decided, signed, logged, durable."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import world
from bench.line import Line
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.clock import now
from secretariat.base.settings import Limits
from secretariat.ledger.node import Node
from secretariat.records.canonical import canonical, read_canonical
from secretariat.records.markings import label_of
from secretariat.records.stix import check, moment
from secretariat.records.store import Version
from secretariat.storage.engine import raw

COUNT = 10_000
RUNS = 3


def run() -> list[Line]:
    """Publish whole batches; the bound is JCS, one signature an object, and COPY of object and grant rows."""
    with world.node() as node:
        values, bounds = [], []
        for number in range(RUNS):
            posted = [msgspec.json.encode(one) for one in world.objects(COUNT, seed=number)]
            values.append(COUNT / _publish(node, posted))
            bounds.append(COUNT / _bound(node, posted))
    value, bound = sorted(values)[RUNS // 2], sorted(bounds)[RUNS // 2]
    return [
        Line(
            "bulk publish, 10,000 mixed objects to 20 partners",
            value,
            "objects/s",
            bound,
            5_000,
            bound_is="JCS + Ed25519 + COPY of object and item rows in one durable transaction",
        )
    ]


def _publish(node: Node, posted: Sequence[bytes]) -> float:
    limits, at = Limits(), now()
    started = time.perf_counter()
    versions = []
    for data in posted:
        value, canonical_bytes = read_canonical(data, limits)
        header = check(value)
        versions.append(
            Version(
                stix_id=header.id,
                type=header.type,
                version=moment(header.modified or header.created) if header.created else at,
                data=canonical_bytes,
                originator=node.party,
                source=node.party,
                label=label_of(value, {}, node.party, "AMBER"),
                state="draft",
                recorded_at=at,
                known_at=at,
                created=header.created,
                modified=header.modified,
            )
        )
    with node.database.app(world.LIVE) as tx:
        done = publish_in(
            tx, node, world.LIVE, versions, basis=Basis(by="bench"), purpose=world.PURPOSE, now=at
        )
    took = time.perf_counter() - started
    assert done.published == COUNT
    assert len(done.granted) == len(world.PARTNERS)
    assert all(COUNT * 0.9 < count < COUNT for count in done.granted.values()), done.granted
    return took


def _bound(node: Node, posted: Sequence[bytes]) -> float:
    key = Ed25519PrivateKey.generate()
    with node.database.app(world.LIVE) as tx:
        bare = raw(tx)
        bare.execute("CREATE TEMP TABLE o (id int8 PRIMARY KEY, bytes bytea, signature bytea)")
        bare.execute(
            "CREATE TEMP TABLE i (collection int, seq int8, version int8, PRIMARY KEY (collection, seq))"
        )
        started = time.perf_counter()
        rows = []
        for number, data in enumerate(posted):
            body = canonical(msgspec.json.decode(data))
            rows.append((number, body, key.sign(body[:200])))
        with bare.cursor().copy("COPY o FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "bytea", "bytea"])
            for row in rows:
                copy.write_row(row)
        with bare.cursor().copy("COPY i FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "int8", "int8"])
            for collection in range(len(world.PARTNERS)):
                for number in range(len(posted)):
                    copy.write_row((collection, number, number))
        took = time.perf_counter() - started
        bare.execute("DROP TABLE o, i")
    return took
