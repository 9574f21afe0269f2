"""Trust: an entry is appended, its checkpoint signed, cosigned by a witness and kept; an entry is proven.

Two nodes with a durable database each, the witness in a process of its own. "Single" is one entry after the
other, each with a commit, a checkpoint and a cosignature of its own; entries of several callers are not put
together. A cosigned entry has passed through the log's transaction; through the witness's, which verifies the
log's signature and the consistency proof and keeps tree and cosignature before it answers; and its verified
cosignature through a later one of the log's, TOGETHER of them at a time. While the witness works the log
appends the next entry, AHEAD of them at most, so that neither waits for the other, and verifies words while
its own database writes; nothing counts before it is committed on both. "Until each is cosigned" waits for
each cosignature before the next entry. All of these write the log through `Database.brief`, as the witness
does; "by the application" is the first line through `Database.app`, as deeds that write more than the log do.
"""

from __future__ import annotations

import multiprocessing
import random
import secrets
import select
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from multiprocessing.connection import Connection

import sqlalchemy as sa

from bench import world
from bench.ledger import commit, per_core, per_second
from bench.line import Line
from secretariat.base.clock import now
from secretariat.ledger import merkle, service, witness, witness_store, witnessing
from secretariat.ledger.entries import Draft, Note
from secretariat.ledger.node import Node
from secretariat.ledger.witness import Word
from secretariat.ledger.witnessing import Known

SINGLE = 400
BATCH = 2_000
BATCHES = 4
RUNS = 3
AHEAD = 16
TOGETHER = 8
"""Words that the log's next transaction keeps at once."""
Opens = Callable[[str], AbstractContextManager[sa.Connection]]
LEAVES = 1 << 17
PROVEN = 20_000


def run() -> list[Line]:
    """Measure the chain with commits beside it in turn, and proofs in memory."""
    return [*cosigned(), proven()]


def cosigned() -> list[Line]:
    """Append single entries and batches, each checkpoint cosigned; the better half of alternating runs."""
    single, batches, bounds, alone, deeds = [], [], [], [], []
    with world.node(partners=["P01"]) as node, _witness(node) as door:
        chain = Chain(node, door)
        for _ in range(RUNS):
            bounds.append(per_second(SINGLE, lambda: [commit(node) for _ in range(SINGLE)], runs=1))
            single.append(per_second(SINGLE, lambda: chain.run(SINGLE, 1), runs=1))
            batches.append(per_second(BATCH * BATCHES, lambda: chain.run(BATCHES, BATCH), runs=1))
            alone.append(per_second(SINGLE // 4, lambda: chain.run(SINGLE // 4, 1, ahead=1), runs=1))
            deeds.append(per_second(SINGLE, lambda: chain.run(SINGLE, 1, by=node.database.app), runs=1))
    row = "one row inserted and committed, once; a cosigned entry is that at two servers on one disk"
    bound = _median(bounds)
    return [
        Line(
            "entry appended, checkpoint, cosigned, durable", _median(single), "/s", bound, 800, bound_is=row
        ),
        Line(
            "entries appended 2,000 at a time, cosigned, durable",
            _median(batches),
            "/s",
            bound,
            5_000,
            bound_is=row,
        ),
        Line(
            "one entry after the other until each is cosigned",
            1000 / _median(alone),
            "ms",
            2000 / bound,
            20,
            sense="less",
            bound_is="two rows inserted and committed one after the other",
        ),
        Line(
            "the same by the application, durable and cosigned",
            _median(deeds),
            "/s",
            bound,
            400,
            bound_is=row,
        ),
    ]


class Chain:
    """The log's side: appends, asks the witness, keeps its words."""

    def __init__(self, node: Node, door: Connection) -> None:
        self._node, self._door = node, door
        self._ring = node.keyring(world.LIVE)
        self._witness: tuple[str, bytes] = door.recv()
        self._size = 0
        self._asked = 0
        self._words: list[Word] = []

    def run(self, times: int, entries: int, ahead: int = AHEAD, by: Opens | None = None) -> None:
        """Append `entries` at a time; return when each checkpoint's cosignature is durable on both sides."""
        drafts = [Draft("note", None, Note(act=f"deed {number}")) for number in range(entries)]
        for _ in range(times):
            with self._keeping(min(TOGETHER, ahead), by) as tx:
                grown = service.extend(tx, self._ring, drafts, now=now())
                proof = grown.consistency() if self._size else []
                request = witness.write_request(witness.AddCheckpoint(self._size, tuple(proof), grown.note))
                while self._asked and select.select([self._door], [], [], 0)[0]:
                    self._hear()
            self._door.send_bytes(request)
            self._size, self._asked = grown.size, self._asked + 1
            while self._asked >= ahead:
                self._hear()
        while self._asked:
            self._hear()
        with self._keeping(least=1):
            pass

    def _hear(self) -> None:
        note = self._door.recv_bytes()
        self._asked -= 1
        name, public = self._witness
        word = witness.word_in(note, name, [public])
        assert word is not None, note
        self._words.append(word)

    @contextmanager
    def _keeping(self, least: int, by: Opens | None = None) -> Iterator[sa.Connection]:
        """Give a transaction in which the words heard since the last one are kept, where they are so many."""
        words, self._words = (self._words, []) if len(self._words) >= least else ([], self._words)
        with (by or self._node.database.brief)(world.LIVE) as tx:
            kept = witness_store.put_words(tx, words, now()) if words else None
            yield tx
        assert kept is None or kept.rowcount == len(words)


@contextmanager
def _witness(node: Node) -> Iterator[Connection]:
    """Give the line to a witness of this node's log that runs in a process of its own."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    ring = node.keyring(world.LIVE)
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(there, ring.origin, ring.log.public)
    )
    process.start()
    try:
        yield here
    finally:
        here.send_bytes(b"")
        process.join(30)
        process.kill()


def _serve(door: Connection, origin: str, public: bytes) -> None:
    with world.node(partners=["P01"], host="witness.example") as node:
        ring = node.keyring(world.LIVE)
        door.send((ring.origin, ring.witness.public))
        known = {origin: Known("JP", (public,))}
        while body := door.recv_bytes():
            with node.database.brief(world.LIVE) as tx:
                line = witnessing.add_checkpoint(tx, ring, body, known.get, now=now())
            door.send_bytes(body.partition(b"\n\n")[2] + line)


def proven() -> Line:
    """Verify inclusion proofs of random entries of one tree, each by itself, one core."""
    leaves = [secrets.token_bytes(merkle.HASH_BYTES) for _ in range(LEAVES)]
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(*below[at : at + 2]) for at in range(0, len(below), 2)])
    root = levels[-1][0]
    wanted = random.Random(4).sample(range(LEAVES), PROVEN)
    paths = [[level[(at >> height) ^ 1] for height, level in enumerate(levels[:-1])] for at in wanted]
    assert paths[0] == merkle.inclusion_path(leaves, wanted[0])
    pairs = list(zip(wanted, paths, strict=True))

    def verify() -> None:
        assert all(merkle.verify_inclusion(leaves[at], at, LEAVES, path, root) for at, path in pairs)

    two = b"\x01" + bytes(2 * merkle.HASH_BYTES)
    bound = per_core(PROVEN, lambda: [sha256(two).digest() for _ in range(PROVEN * len(paths[0]))])
    return Line(
        "inclusion proofs verified, tree of 131,072 entries",
        per_core(PROVEN, verify),
        "/s/core",
        bound,
        30_000,
        bound_is="17 bare SHA-256 over 65 bytes each",
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
