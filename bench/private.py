"""Private questions: two sets of 10,000 values, 5,000 in both, counted and then opened; memory; growth.

Times are processor time of both sides together: on two machines each side needs about half. The bound is
libsodium's own scalar multiplication by `rbcl` in the same run: four for each value are needed to count
(blind, answer, tag, take off) and three more to open with a batched proof.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.line import Line

VALUES = 10_000
GROWN = 100_000
COUNT, OPEN = 4, 3
_BOUND = 2_000


def run() -> list[Line]:
    """Measure each size in a process of its own, for its memory."""
    small, grown = _measured(VALUES), _measured(GROWN, count_only=True)
    each = small["each"]
    promised = 100.0
    per = [small["count"] / VALUES, grown["count"] / GROWN]
    return [
        Line(
            "private question, 10k x 10k: count",
            small["count"],
            "s",
            COUNT * VALUES * each,
            6,
            sense="less",
            bound_is="4 scalar multiplications a value (rbcl), same process",
        ),
        Line(
            "private question, 10k x 10k: opened with batched proofs",
            small["open"],
            "s",
            OPEN * VALUES * each,
            6,
            sense="less",
            bound_is="3 scalar multiplications a value (rbcl), same process",
        ),
        Line(
            "private question, 10k x 10k: memory",
            small["memory"],
            "MB",
            promised,
            promised,
            sense="less",
            bound_is="promise",
        ),
        Line(
            "private question: 100k x 100k, time a value against 10k",
            per[1] / per[0],
            "times",
            1,
            1.25,
            sense="less",
            bound_is="linear",
        ),
        Line(
            "private question, 100k x 100k: memory",
            grown["memory"],
            "MB",
            promised * 2,
            promised * 2,
            sense="less",
            bound_is="promise",
        ),
    ]


def _measured(size: int, *, count_only: bool = False) -> dict[str, float]:
    words = [sys.executable, "-m", "bench.private", str(size), *(["count"] if count_only else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(size: int, *, count_only: bool) -> dict[str, float]:
    """Play both sides in this process, as the node does it, and say what it took."""
    import resource
    import secrets

    from secretariat.exchange import psi, ristretto
    from secretariat.exchange.psi import Context

    context = Context("live", "JP", "KR", "domain-name", "2026-W47").string
    mine = [f"{n}.jp.example".encode() for n in range(size)]
    theirs = [f"{n + size // 2}.jp.example".encode() for n in range(size)]
    one = psi.secret_of(secrets.token_bytes(64))
    point = ristretto.point_of(bytes(range(64)))
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(_BOUND):
            ristretto.library().crypto_scalarmult_ristretto255(one, point)
        best = min(best, (time.process_time() - started) / _BOUND)

    started = time.process_time()
    asker, answerer = (psi.secret_of(secrets.token_bytes(64)) for _ in range(2))
    key = psi.key_of(answerer)
    scalars = psi.ringer_scalars(asker, size)
    asked = psi.in_order([*psi.blind(mine, asker, context), *psi.times_generator(scalars)])
    tags = psi.in_order(psi.tag(item, context) for item in psi.blind(theirs, answerer, context))
    evaluated = psi.times(answerer, asked)
    asked_sum = [psi.total(asked)]
    nonce = psi.secret_of(secrets.token_bytes(64))
    proof = psi.prove(answerer, asked_sum, psi.times(answerer, asked_sum), nonce, context)
    answered = psi.in_order(evaluated)
    psi.verify(key, [psi.total(asked)], [psi.total(answered)], proof, context)
    assert psi.missing_ringers(set(answered), scalars, key) == 0
    undo, there = psi.inverse(asker), set(tags)
    found = sum(psi.tag(item, context) in there for item in psi.times(undo, answered))
    count = time.process_time() - started
    assert found == size - size // 2
    opened = 0.0
    if not count_only:
        started = time.process_time()
        for at in range(0, len(asked), psi.PART):
            some = asked[at : at + psi.PART], evaluated[at : at + psi.PART]
            nonce = psi.secret_of(secrets.token_bytes(64))
            psi.verify(key, *some, psi.prove(answerer, *some, nonce, context), context)
        opened = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"each": best, "count": count, "open": opened, "memory": memory / 1e6}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), count_only="count" in sys.argv[2:])))
