"""Answers that end too soon: at every byte of a small page, at random bytes of a sync; and its memory."""

from __future__ import annotations

import contextlib
import hashlib
import random
import tracemalloc
from functools import partial

import pytest

from secretariat.base.errors import SecretariatError
from secretariat.exchange.postgres import transaction
from secretariat.exchange.wire import encode, read_page
from simulator import SimulatedNode, World, indicator

PAGES = 24
EACH = 20


def hashed(there, party: str) -> tuple[int, str]:
    with there.nodes[party].store(there.now) as store:
        roots = sorted(one.root for one in store.shown())
    return len(roots), hashlib.sha256(b"".join(roots)).hexdigest()


def place(there):
    with there.nodes["JP"].store(there.now) as store:
        peer = store.peer("KR")
        return peer.cursor, store.kept_log(peer.origin)


def test_a_page_cut_at_any_byte_leaves_nothing_and_the_whole_one_is_taken_after_it(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), indicator("b"), indicator("c"), to=["JP"])
    there.give("JP", "KR", there.page("JP", "KR", max_objects=1))
    before = place(there)
    data = encode(there.page("JP", "KR", max_objects=2))
    for length in range(len(data)):
        with pytest.raises(SecretariatError):
            there.give("JP", "KR", read_page(data[:length]))
    assert place(there) == before
    there.give("JP", "KR", read_page(data))
    assert hashed(there, "JP") == (3, hashlib.sha256(b"".join(sorted(roots))).hexdigest())


def test_a_long_sync_cut_at_random_bytes_ends_complete_and_exact(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = []
    for part in range(3):
        roots += there.publish("KR", *(indicator(f"i{part}-{one}") for one in range(17)), to=["JP"])
    chance, cuts, more = random.Random(11), 0, True
    while more:
        page = there.page("JP", "KR", max_objects=5)
        data = encode(page)
        length = chance.randrange(2 * len(data))
        with contextlib.suppress(SecretariatError):
            there.give("JP", "KR", read_page(data[:length]))
            more = page.more
        cuts += length < len(data)
    assert cuts > 3
    assert hashed(there, "JP") == (51, hashlib.sha256(b"".join(sorted(roots))).hexdigest())


def test_memory_of_a_sync_does_not_grow_with_what_came_before(node):
    def over_postgres(party: str) -> SimulatedNode:
        real = node(party, realms=("live",))
        return SimulatedNode(real.keyring("live"), partial(transaction, real, "live"), real)

    there = World("KR", "JP", make=over_postgres)
    there.allow("KR>JP")
    for part in range(PAGES):
        there.publish("KR", *(indicator(f"i{part}-{one}") for one in range(EACH)), to=["JP"])
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(PAGES):
            tracemalloc.reset_peak()
            start = tracemalloc.get_traced_memory()[0]
            there.give("JP", "KR", read_page(encode(there.page("JP", "KR", max_objects=EACH))))
            peaks.append(tracemalloc.get_traced_memory()[1] - start)
    finally:
        tracemalloc.stop()
    assert hashed(there, "JP")[0] == PAGES * EACH
    early, late = max(peaks[2 : PAGES // 4]), max(peaks[-PAGES // 4 :])
    assert late < 1.3 * early, peaks
