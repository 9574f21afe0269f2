"""A node whose data folder is put back to an older state, without any word to it, finds out by itself."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving import Serving


def until(true: Callable[[], object], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.3)


def partner(node: Serving, of: str) -> dict[str, Any]:
    logs: Any = node.run("log", "partners")["logs"]
    return next((one for one in logs if one["party"] == of), {"size": 0})


@pytest.mark.slow
def test_a_data_folder_that_was_put_back_makes_the_node_read_only_and_no_second_history(
    serving: Callable[..., Serving], tmp_path: Path
) -> None:
    """JP's folder is copied, JP goes on, then the copy takes its place: KR holds what JP signed meanwhile."""
    kr, jp = serving("KR"), serving("JP")
    kr.start()
    jp.start()
    for one, other in ((kr, jp), (jp, kr)):
        sealed = tmp_path / f"{other.party}.json"
        words = str(other.run("peers", "invite", one.party, "--out", str(sealed))["fingerprint"])
        one.run("peers", "accept", str(sealed), "--fingerprint", words)
    until(lambda: partner(kr, "JP")["size"] and partner(jp, "KR")["size"], "the two do not meet")
    jp.stop()
    old = jp.data.parent / "old"
    subprocess.run(["cp", "-a", str(jp.data), str(old)], check=True)
    jp.start()
    held = int(str(jp.run("log", "checkpoint")["size"]))
    jp.run("peers", "suspend", "KR", "--reason", "two more entries")
    jp.run("peers", "resume", "KR")
    until(lambda: int(partner(kr, "JP")["size"]) > held, "KR does not follow JP")
    jp.stop()
    shutil.rmtree(jp.data)
    old.rename(jp.data)

    jp.start()  # it does not know yet
    until(lambda: "is read-only" in said(jp) or "put back" in said(jp), "JP does not find out")
    refused = jp.attempt("peers", "suspend", "KR", "--reason", "x")
    assert refused.returncode != 0
    assert "KR holds" in refused.stderr
    assert "restore --check" in refused.stderr
    after = int(str(jp.run("log", "checkpoint")["size"]))
    assert after <= held  # nothing was written over what was lost
    assert jp.health() == 200
    time.sleep(1)
    assert partner(kr, "JP")["state"] == "ok"  # JP never signed a smaller tree, or another one
    jp.stop()
    jp.start()  # and it remembers
    assert "is read-only" in said(jp)
    assert int(str(jp.run("log", "checkpoint")["size"])) == after


def said(node: Serving) -> str:
    return (node.data / "serve.log").read_text()
