"""A restored node writes nothing before it was compared with its partners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secretariat.base.errors import StateError
from secretariat.exchange.restoring import Comparison, judge, refuse
from serving import Serving


@pytest.mark.parametrize(("kept", "state"), [(0, "whole"), (7, "whole"), (8, "lost")])
def test_a_partner_that_kept_more_has_seen_what_was_lost(kept: int, state: str) -> None:
    assert judge("live", "KR", 7, kept).state == state


def test_lost_entries_are_refused_with_both_sizes() -> None:
    with pytest.raises(StateError, match="KR kept 8 entries of our log, this backup has 7"):
        refuse([judge("live", "US", 7, 7), judge("live", "KR", 7, 8)])


def test_a_silent_partner_is_refused_unless_left_out() -> None:
    with pytest.raises(StateError, match=r"not heard: KR \(exercise: no such host\).*--without PARTY"):
        refuse([Comparison("exercise", "KR", 7, None, "silent", "no such host")])
    refuse([Comparison("live", "KR", 7, None, "left out"), judge("live", "US", 7, 3)])


@pytest.mark.slow
def test_restored_node_serves_after_the_check(serving: Callable[..., Serving]) -> None:
    """Restored: not served, no writes, commands may read; checked: it serves."""
    node = serving("JP")
    file = node.data.parent / "JP.backup"
    node.run("backup", str(file))
    again = Serving(node.data.parent / "again", "JP", port=node.port)
    again.run("restore", str(file))
    try:
        refused = again.attempt("serve")
        assert (refused.returncode, "restore --check" in refused.stderr) == (2, True)
        added = again.attempt(
            "person", "add", "ann", "--name", "Ann", "--role", "admin", stdin="one two three 4\n"
        )
        assert (added.returncode, "accepts no writes" in added.stderr) == (2, True)
        assert again.run("person", "list") == []
        assert again.run("restore", "--check") == []
        again.start()
        assert again.health() == 200
        assert again.attempt("restore", "--check").returncode == 2
    finally:
        again.remove()
