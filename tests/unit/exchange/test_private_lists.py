"""Long lists in files: the order is that of the bytes, whatever the size, and nothing is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.exchange import private_lists, psi
from secretariat.exchange.private_lists import Shelf, Sorting


@given(st.lists(st.binary(max_size=40), max_size=60), st.integers(1, 9))
def test_what_was_put_in_comes_out_in_order_as_often_as_wanted(records: list[bytes], run: int) -> None:
    with pytest.MonkeyPatch.context() as patch, Sorting(records[:7]) as held:
        patch.setattr(private_lists, "RUN", run)
        patch.setattr(private_lists, "_AHEAD", 5)
        held.extend(records[7:])
        assert list(held) == list(held) == sorted(records)
        pairs = list(zip(held, held, strict=True))  # two readers at once
        assert pairs == [(one, one) for one in sorted(records)]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_a_shelf_keeps_the_order_of_arrival(records: list[bytes]) -> None:
    with Shelf() as shelf:
        for one in records:
            shelf.add(one)
        assert list(shelf) == list(shelf) == records
        assert shelf.count == len(records)


def files() -> int:
    """Count this process's open files, where the system tells."""
    open_now = Path("/proc/self/fd")
    return len(list(open_now.iterdir())) if open_now.is_dir() else 0


def test_a_long_list_takes_little_memory_and_leaves_no_file() -> None:
    before = files()
    with Sorting(number.to_bytes(32, "big") for number in range(100_000, 0, -1)) as held:
        assert not held._held or len(held._held) < private_lists.RUN
        assert sum(1 for _ in psi.once(held)) == 100_000
        assert sum(len(part) for part in psi.parts(held)) == 3_200_000
    assert files() == before


@given(st.sets(st.binary(min_size=3, max_size=3), max_size=30), st.sets(st.binary(min_size=3, max_size=3)))
def test_records_are_matched_by_their_first_bytes(some: set[bytes], keys: set[bytes]) -> None:
    records = sorted(one + tail for one in some for tail in (b"", b"x"))
    expected = [one for one in records if one[:3] in keys]
    assert list(psi.matching(records, sorted(keys))) == expected
