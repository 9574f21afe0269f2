"""What random worlds write into their logs is what entry.json and the table of the page say."""

from __future__ import annotations

import pytest

import written
from secretariat.ledger import entries
from simulator.run import play, world


@pytest.mark.parametrize("seed", range(200_000, 200_006))
def test_every_entry_of_a_random_world_keeps_the_schema(seed: int) -> None:
    """The fixture of this folder's parent holds each payload against the schema as it is written."""
    before = sum(written.seen.values())
    assert not play(world(seed)).failed
    assert sum(written.seen.values()) > before


def test_a_member_that_the_schema_does_not_know_is_found() -> None:
    good = entries.Withdraw(to="JP", objects=["ab" * 32], by="2026-11-22T02:09:36.123456Z", article="x/1")
    said = {"v": 1, "realm": "live", "origin": "kr.example/live", "kind": "withdraw", "party": "KR"}
    said |= {"recorded_at": "2026-11-22T02:09:36.123456Z"}
    body = entries.msgspec.to_builtins(good)
    written.check(entries.canonical({**said, "body": body}))
    for bent in ({**body, "more": 1}, {**body, "passed_on": {"origin": "x", "position": 1, "more": 1}}):
        with pytest.raises(AssertionError, match=r"more, which entry.json does not know"):
            written.check(entries.canonical({**said, "body": bent}))
