"""Very many worlds on several processes: progress, what happened, and the seeds that did not hold.

python -m tests.simulator --worlds 10000 --jobs 2
python -m tests.simulator --replay 4711
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .plan import Plan, draw

if TYPE_CHECKING:
    from .play import Play


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Outcome(msgspec.Struct):
    """What came of one world."""

    seed: int
    nodes: int
    counts: dict[str, int]
    failed: str = ""
    cpu: float = 0.0


def world(seed: int, **drawn: Any) -> Plan:
    """The world of a seed, with every cheat there is."""
    from . import cheats

    return draw(seed, cheats=(*cheats.CHEATS, *cheats.SELDOM), **drawn)


def play(plan: Plan) -> Outcome:
    """Play one world in memory; a promise that does not hold is an outcome, as is an error."""
    from .play import Play

    return outcome(Play(plan))


def outcome(played: Play) -> Outcome:
    """Run a world that is laid out, and say what came of it."""
    began, failed, plan = time.process_time(), "", played.plan
    try:
        played.run()
    except AssertionError as error:
        failed = str(error) or "assertion"
    except Exception as error:  # noqa: BLE001 - an error is an outcome, and its seed is told
        failed = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}"
    return Outcome(plan.seed, len(plan.parties), dict(played.counts), failed, time.process_time() - began)


def _one(seed: int) -> Outcome:
    return play(world(seed))


def outcomes(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    """Play many worlds, on so many processes."""
    if jobs < 2:
        yield from map(_one, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_one, seeds, chunksize=4)


def shrink(plan: Plan) -> Plan:
    """Leave out deeds as long as the world still fails."""
    if not play(plan).failed:
        return plan
    part = max(1, len(plan.deeds) // 2)
    while part:
        start = 0
        while start < len(plan.deeds):
            less = plan.without(range(start, start + part))
            if play(less).failed:
                plan = less
            else:
                start += part
        part //= 2
    return plan


def summary(found: Iterable[Outcome]) -> dict[str, Any]:
    """Add up what happened in all worlds."""
    done = list(found)
    counts: Counter[str] = Counter()
    for one in done:
        counts.update(one.counts)
    return {
        "worlds": len(done),
        "failed": sorted(one.seed for one in done if one.failed),
        "nodes": {str(size): number for size, number in sorted(Counter(one.nodes for one in done).items())},
        "cpu_s": round(sum(one.cpu for one in done), 1),
        "counts": dict(sorted(counts.items())),
    }


def tell(total: dict[str, Any], seconds: float) -> None:
    """Print the summary for people."""
    say(
        f"\n{total['worlds']} worlds in {seconds:.0f} s, {total['worlds'] / max(seconds, 0.001):.2f} a second"
    )
    say("nodes: " + ", ".join(f"{number} with {size}" for size, number in total["nodes"].items()))
    for what, number in total["counts"].items():
        say(f"{number:9}  {what}")
    say(f"failed: {' '.join(map(str, total['failed'])) or 'none'}")


def again(seed: int, *, smaller: bool, quiet: bool = False) -> int:
    """Play one world again, and say what it was."""
    plan = world(seed)
    found = play(plan)
    if found.failed and smaller:
        plan = shrink(plan)
        found = play(plan)
    if not quiet:
        say(plan)
        for what, number in sorted(found.counts.items()):
            say(f"{number:9}  {what}")
    say(found.failed or "every promise holds")
    return 1 if found.failed else 0


def steady() -> None:
    """Start anew with the one order of sets in which a seed says everything."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulator", *sys.argv[1:]])


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--worlds", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first one (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--replay", type=int, help="play the world of this seed again and print it")
    parser.add_argument(
        "--shrink", action="store_true", help="with --replay: leave out what it does not need"
    )
    parser.add_argument("--postgres", type=int, default=0, help="so many of the worlds on PostgreSQL as well")
    parser.add_argument("--out", type=Path, help="write what happened to this file, as JSON")
    given = parser.parse_args(words)
    if given.replay is not None and not given.postgres:
        return again(given.replay, smaller=given.shrink)
    failed: list[int] = []
    if given.worlds:
        failed += _many(given)
    if given.postgres:
        from .databases import worlds_on_postgres

        seeds = [given.replay] if given.replay is not None else range(given.seed, given.seed + given.postgres)
        failed += worlds_on_postgres(seeds, given.jobs)
    return 1 if failed else 0


def _many(given: argparse.Namespace) -> list[int]:
    began = shown = time.monotonic()
    found: list[Outcome] = []
    for one in outcomes(range(given.seed, given.seed + given.worlds), given.jobs):
        found.append(one)
        if one.failed:
            say(f"seed {one.seed} ({one.nodes} nodes): {one.failed}")
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            rate = len(found) / (shown - began)
            left = (given.worlds - len(found)) / rate
            say(f"{len(found)} worlds, {rate:.2f} a second, {left / 60:.0f} min left")
    total = summary(found)
    tell(total, time.monotonic() - began)
    if given.out is not None:
        given.out.write_text(json.dumps(total, indent=1) + "\n")
    return list(total["failed"])
