"""A restored node writes nothing before it was compared with its partners."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secretariat.base.errors import StateError
from secretariat.exchange.restoring import Comparison, refuse
from serving import Serving


def test_lost_entries_are_refused_with_both_sizes() -> None:
    with pytest.raises(StateError, match="KR kept 8 entries of our log, this backup has 7"):
        refuse([Comparison("live", "US", 7, 7, "whole"), Comparison("live", "KR", 7, 8, "lost")])


def test_another_root_at_a_size_we_have_is_refused() -> None:
    with pytest.raises(StateError, match="KR kept 5 entries of our log that are not those of this backup"):
        refuse([Comparison("live", "KR", 7, 5, "other")])


def test_a_silent_partner_is_refused_unless_left_out() -> None:
    with pytest.raises(StateError, match=r"not heard: KR \(exercise: no such host\).*--without PARTY"):
        refuse([Comparison("exercise", "KR", 7, None, "silent", "no such host")])
    refuse([Comparison("live", "KR", 7, None, "left out"), Comparison("live", "US", 7, 3, "whole")])


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


@pytest.mark.slow
def test_a_node_restored_behind_its_partner_stays_read_only_and_says_why(
    serving: Callable[..., Serving], tmp_path: Path
) -> None:
    """JP is restored from before it answered KR: KR holds entries of JP's log that the backup lacks."""
    kr, jp = serving("KR"), serving("JP")
    kr.start()
    jp.start()
    for one, other in ((kr, jp), (jp, kr)):
        sealed = tmp_path / f"{other.party}.json"
        words = str(other.run("peers", "invite", one.party, "--out", str(sealed))["fingerprint"])
        one.run("peers", "accept", str(sealed), "--fingerprint", words)
    file = jp.data.parent / "JP.backup"
    jp.run("backup", str(file))
    held = int(str(jp.run("log", "checkpoint")["size"]))
    end = time.monotonic() + 60
    jp.run("peers", "suspend", "KR", "--reason", "a further entry")
    jp.run("peers", "resume", "KR")
    while max([int(one["size"]) for one in kr.run("log", "partners")["logs"]], default=0) <= held:  # type: ignore[union-attr]
        assert time.monotonic() < end, "KR does not follow JP"
        time.sleep(0.5)
    jp.stop()
    again = Serving(jp.data.parent / "again", "JP", port=jp.port)
    again.run("restore", str(file))
    try:
        checked = again.attempt("restore", "--check")
        assert (checked.returncode, "entries of our log, this backup has" in checked.stderr) == (2, True)
        refused = again.attempt("serve")
        assert refused.returncode == 2
        assert "restored behind what its partners hold and is read-only: KR kept" in refused.stderr
        assert again.run("log", "checkpoint")["size"] == held
    finally:
        again.remove()
