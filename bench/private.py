"""Private questions: two sets of 10,000 values, 5,000 in both, counted and then opened; memory; growth.

Both sides are played in one process with the node's own steps; lists stand in files where the node has rows.
Times are processor time of both sides together: on two machines each side needs about half. The bound is
libsodium's own scalar multiplication by `rbcl` in the same run: four for each value are needed to count
(blind, answer, tag, take off) and three more to open with a batched proof.

`python -m bench.private 1000000` does it with as many values on each side; `make bench` with VALUES, and to
see that time and memory do not grow with GROWN. A node takes that many only where `private_elements` says so.
"""

from __future__ import annotations

import json
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.line import Line

VALUES = 10_000
GROWN = 100_000
COUNT, OPEN = 4, 3
_BOUND = 2_000


PROMISED_S, PROMISED_MB = 6.0, 100.0


def run() -> list[Line]:
    """Measure each size in a process of its own, for its memory."""
    small = _measured(VALUES)
    return [*lines(VALUES, small), *growth(small, GROWN, _measured(GROWN, count_only=True))]


def lines(size: int, found: dict[str, float]) -> list[Line]:
    """Give the lines of one size; its promise is that of VALUES, as many times as there are values."""
    name, promised = f"private question, {size:,} x {size:,}", PROMISED_S * size / VALUES
    steps = {"count": (COUNT, "count"), "open": (OPEN, "opened with batched proofs")}
    return [
        *(
            Line(
                f"{name}: {said}",
                found[step],
                "s",
                factor * size * found["each"],
                promised,
                sense="less",
                bound_is=f"{factor} scalar multiplications a value (rbcl), same process",
            )
            for step, (factor, said) in steps.items()
        ),
        _memory(name, found),
    ]


def growth(small: dict[str, float], size: int, grown: dict[str, float]) -> list[Line]:
    """Give the lines that say whether time is linear and memory constant from VALUES to `size`."""
    name = f"private question, {size:,} x {size:,}"
    relative = [one["count"] / one["each"] / number for one, number in ((small, VALUES), (grown, size))]
    return [
        Line(
            f"{name}: multiplications' time a value against {VALUES:,}",
            relative[1] / relative[0],
            "times",
            1,
            1.25,
            sense="less",
            bound_is="linear",
        ),
        _memory(name, grown),
    ]


def _memory(name: str, found: dict[str, float]) -> Line:
    return Line(
        f"{name}: memory",
        found["memory"],
        "MB",
        found["bare"],
        PROMISED_MB,
        sense="less",
        bound_is="MB of the same process before the first value",
    )


def _measured(size: int, *, count_only: bool = False) -> dict[str, float]:
    words = [sys.executable, "-m", "bench.private", "measure", str(size), *(["count"] if count_only else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(size: int, *, count_only: bool) -> dict[str, float]:
    """Play both sides in this process, as the node does it, and say what it took."""
    from secretariat.exchange import psi
    from secretariat.exchange.private_lists import Shelf, Sorting
    from secretariat.exchange.psi import Context

    def names(start: int) -> Iterator[bytes]:
        return (f"{n + start}.jp.example".encode() for n in range(size))

    def kept(parts: Iterable[bytes]) -> Shelf:
        shelf = Shelf()
        for part in parts:
            shelf.add(part)
        return shelf

    context = Context("live", "JP", "KR", "domain-name", "2026-W47").string
    each, bare = _multiplication(), _peak()
    started = time.process_time()
    asker, answerer = (psi.secret_of(secrets.token_bytes(64)) for _ in range(2))
    key = psi.key_of(answerer)
    scalars = psi.ringer_scalars(asker, size)
    with Sorting(psi.blind(names(0), asker, context)) as points:
        points.extend(psi.times_generator(scalars))
        asked = kept(psi.parts(psi.once(points)))
    with Sorting(psi.tag(one, context) for one in psi.blind(names(size // 2), answerer, context)) as found:
        tags = kept(psi.parts(psi.once(found)))
    evaluated = kept(b"".join(psi.times(answerer, psi.items_of([part]))) for part in asked)
    asked_sum = [psi.total(psi.items_of(asked))]
    nonce = psi.secret_of(secrets.token_bytes(64))
    proof = psi.prove(answerer, asked_sum, psi.times(answerer, asked_sum), nonce, context)
    with Sorting(psi.items_of(evaluated)) as ordered:
        answered = kept(psi.parts(psi.once(ordered)))
    psi.verify(key, [psi.total(psi.read(asked))], [psi.total(psi.read(answered))], proof, context)
    assert psi.missing_ringers(psi.items_of(answered), scalars, key) == 0
    undo = psi.inverse(asker)
    with Sorting(psi.tags_of(undo, psi.items_of(answered), context)) as mine:
        both = sum(1 for _ in psi.matching(mine, psi.items_of(tags)))
    count = time.process_time() - started
    assert both == size - size // 2
    started = time.process_time()
    if not count_only:
        for part, answers in zip(asked, evaluated, strict=True):
            some = list(psi.items_of([part])), list(psi.items_of([answers]))
            nonce = psi.secret_of(secrets.token_bytes(64))
            psi.verify(key, *some, psi.prove(answerer, *some, nonce, context), context)
    opened = time.process_time() - started
    return {"each": each, "count": count, "open": opened, "memory": _peak(), "bare": bare}


def _multiplication() -> float:
    from secretariat.exchange import psi, ristretto

    one = psi.secret_of(secrets.token_bytes(64))
    point = ristretto.point_of(bytes(range(64)))
    multiply = ristretto.library().crypto_scalarmult_ristretto255
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(_BOUND):
            multiply(one, point)
        best = min(best, (time.process_time() - started) / _BOUND)
    return best


def _peak() -> float:
    """Give the most megabytes that this process had so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # not what its parent had when it was forked, as getrusage says
        (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main(words: list[str]) -> None:
    """Measure one size: for the bench as numbers, for a person as lines."""
    if words[0] == "measure":
        print(json.dumps(measure(int(words[1]), count_only="count" in words[2:])))
        return
    size = int(words[0])
    small, grown = _measured(VALUES), _measured(size)
    for one in [*lines(size, grown), *growth(small, size, grown)[:1]]:
        print(json.dumps(one.as_dict()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [str(VALUES)])
