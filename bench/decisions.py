"""Decisions per second on one core: compiled in bulk, and with the full trace."""

from __future__ import annotations

import random
import time
from datetime import date

from bench.line import Line
from secretariat.agreements.book import package_book
from secretariat.agreements.compiled import compile_pair
from secretariat.agreements.model import Facts, Question
from secretariat.agreements.rules import decide
from secretariat.records.markings import Label


def labels(count: int, seed: int = 7) -> list[Label]:
    """Give distinct label values in random order, as objects bring them."""
    chance = random.Random(seed)
    return [
        Label(
            orig=chance.choice(("JP", "JP", "JP", "KR", "US")),
            tlp=chance.choice((None, "CLEAR", "GREEN", "AMBER", "RED")),
            level=chance.choice((None, "HI", "GOKUHI", "II")),
            kind=chance.choice((None, "defence")),
            purpose=chance.choice((None, "network_defence", "dprk")),
            controls=chance.choice(((), (), ("OC",), ("NF",))),
        )
        for _ in range(count)
    ]


def run() -> list[Line]:
    """Measure on the public instruments between JP and KR; bound: a bare dictionary look-up per label."""
    book = package_book()
    many = labels(200_000)
    day = date(2026, 11, 1)
    pair = compile_pair(book, "JP", "KR", day)
    pair.outcomes(many[:1000])
    started = time.perf_counter()
    bulk = pair.outcomes(many)
    compiled = len(many) / (time.perf_counter() - started)
    table = dict.fromkeys(many, 0)
    started = time.perf_counter()
    found = [table[label] for label in many]
    bound = len(found) / (time.perf_counter() - started)
    few = many[:50_000]
    started = time.perf_counter()
    traced = [
        decide(book, Question(sender="JP", recipient="KR", label=label, true=day, direct=True, facts=Facts()))
        for label in few
    ]
    full = len(few) / (time.perf_counter() - started)
    assert [one.outcome for one in traced] == list(bulk[: len(few)])
    what = "one dictionary look-up per label"
    return [
        Line("decisions, compiled", compiled, "/s/core", bound, 1_000_000, bound_is=what),
        Line("decisions, with full trace", full, "/s/core", bound, 100_000, bound_is=what),
    ]
