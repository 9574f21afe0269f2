"""Overlap: how many labelled pairs are found, and how fast one among 100,000 statements is answered.

The bound of the quality is every pair; that of the speed is one count over all statements in the same run.
Vectors are made for a part of the statements only: the model reads some tens of texts a second.
"""

from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path

from bench import world
from bench.ledger import commit, per_second
from bench.line import Line
from bench.register import BATCH, drafts
from secretariat.base.clock import now
from secretariat.ledger.node import Node
from secretariat.register import service
from secretariat.register.model import View
from secretariat.register.overlap import meaning, measuring
from secretariat.register.overlap import service as overlap
from secretariat.register.overlap.model import Method, Text
from secretariat.register.sample import sample
from secretariat.storage.engine import raw

OWN = Path(__file__).parents[1] / "tests" / "vectors" / "overlap" / "pairs.yaml"
ASKED = 100
PAIRS = 25
"""As the node that serves does it, step by step."""
_TITLES = (
    "Second dialogue on sharing information on attacks",
    "日中韓サイバー協議の開催",
    "정보 공유 협력 강화 회의",
    "双方加强网络安全合作演练",
)


def run() -> list[Line]:
    """Measure quality in both ways where the model is installed, then speed."""
    ways: list[Method] = ["words"] if meaning.encoder() is None else ["words", "meaning"]
    return [line for by in ways for line in _quality(by)] + _speed()


def _quality(by: Method) -> list[Line]:
    found = []
    for name, data, promised in (("record", sample(), 0.8), ("own pairs", OWN.read_bytes(), 0.8)):
        one = measuring.measure(measuring.read(data), by)
        print(f"    {name}: {one}", flush=True)
        found.append(
            Line(
                f"overlap by {by}, true pairs of the {name} in 5 rows",
                100 * one.in_five / one.true,
                "%",
                100,
                100 * promised,
                bound_is="every pair",
            )
        )
    return found


def _speed() -> list[Line]:
    made = drafts()
    with world.node(world.PARTNERS[:1]) as node:
        started = time.perf_counter()
        for start in range(0, len(made), BATCH):
            service.record(node, world.LIVE, made[start : start + BATCH], by="bench", now=now())
        imported = len(made) / (time.perf_counter() - started)
        commits = per_second(200, lambda: [commit(node) for _ in range(200)])
        started = time.perf_counter()
        indexed = 0
        while done := _step(node, pairs=0):
            indexed += done
        rate = indexed / (time.perf_counter() - started)
        started = time.perf_counter()
        paired, desk = 0, overlap.Desk()
        while done := _step(node, pairs=PAIRS, desk=desk):
            paired += done
        took = time.perf_counter() - started
        return [
            Line(
                "overlap, indexing of statements",
                rate,
                "/s",
                imported,
                500,
                bound_is="recording the same statements",
            ),
            Line(
                "overlap, pairs of statements among 100,000",
                paired / took,
                "/s",
                commits,
                150,
                bound_is="one row inserted and committed",
            ),
            *_answers(node),
        ]


def _step(node: Node, *, pairs: int, desk: overlap.Desk | None = None) -> int:
    with node.database.app(world.LIVE) as tx:
        return overlap.catch_up(tx, limit=5_000, pairs=pairs, by="words", desk=desk)


def _answers(node: Node) -> list[Line]:
    chance = random.Random(5)
    view = View(day=now().date())
    keys = [f"c-{20 * chance.randrange(5_000) + 1}" for _ in range(ASKED)]
    texts = [
        Text(
            title=chance.choice(_TITLES),
            parties=tuple(chance.sample(("JP", "KR", "CN", "US"), 2)),
            true_from=(now() - timedelta(days=chance.randrange(8_000))).date().isoformat(),
        )
        for _ in range(ASKED)
    ]
    took: dict[str, list[float]] = {"one": [], "text": [], "board": [], "count": []}
    for key, text in zip(keys, texts, strict=True):
        with node.database.app(world.LIVE) as tx:
            started = time.perf_counter()
            overlap.suggestions(tx, view, key, by="words")
            took["one"].append(time.perf_counter() - started)
            started = time.perf_counter()
            overlap.near(tx, view, text, by="words")
            took["text"].append(time.perf_counter() - started)
            started = time.perf_counter()
            raw(tx).execute("SELECT count(*), max(begun) FROM register_statement").fetchone()
            took["count"].append(time.perf_counter() - started)
    for day in range(20):
        with node.database.app(world.LIVE) as tx:
            started = time.perf_counter()
            overlap.board(tx, View(day=now().date() - timedelta(days=400 * day)), by="words")
            took["board"].append(time.perf_counter() - started)
    bound = 1000 * _p95(took["count"])
    return [
        Line(
            f"overlap, {name} among 100,000 statements, p95",
            1000 * _p95(took[which]),
            "ms",
            bound,
            150,
            sense="less",
            bound_is="one count over all rows",
        )
        for which, name in (
            ("one", "suggestions for one"),
            ("text", "what a text may repeat"),
            ("board", "board on any day"),
        )
    ]


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
