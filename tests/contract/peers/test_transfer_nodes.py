"""Two real data folders that no wire joins: everything between them goes by `secretariat transfer`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from serving import Serving
from simulator import indicator

pytestmark = pytest.mark.slow

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
COUNT = 300


class Pair:
    """JP and US, a medium between them, and commands only."""

    def __init__(self, make, medium: Path) -> None:
        self.nodes: dict[str, Serving] = {party: make(party) for party in ("JP", "US")}
        self.medium = medium
        for one in self.nodes.values():
            file = one.data / "node.toml"
            text = file.read_text() + "peer_page_objects = 10\n"
            host = f'host = "{one.party.lower()}.example"'
            file.write_text(
                text.replace('host = "localhost"', host).replace("reachable = true", "reachable = false")
            )
        for party, other in (("JP", "US"), ("US", "JP")):
            file = medium / f"{party}.descriptor"
            words = str(self.run(party, "peers", "invite", other, "--out", str(file))["fingerprint"])
            self.run(other, "peers", "accept", str(file), "--fingerprint", words, "--by-hand")
        assert self.run("US", "transfer", "export", str(medium / "first"), "--to", "JP")["hint"]
        self.take("JP", medium / "first")
        self.take("US", *self.export("JP", "US"))

    def run(self, party: str, *words: str):
        return self.nodes[party].run(*words)

    def publish(self, party: str, *names: str) -> list[str]:
        values = [indicator(name, object_marking_refs=[CLEAR], description=name * 400) for name in names]
        file = self.medium.parent / "bundle.json"
        bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": values}
        file.write_text(json.dumps(bundle))
        self.run(party, "import", str(file))
        self.run(party, "publish", "--drafts")
        return [str(one["id"]) for one in values]

    def export(self, party: str, to: str, *words: str) -> list[Path]:
        folder = self.medium / f"{party}-{time.monotonic_ns()}"
        return [
            Path(one)
            for one in self.run(party, "transfer", "export", str(folder), "--to", to, *words)["files"]
        ]

    def take(self, party: str, *paths: Path) -> list[dict[str, object]]:
        return self.run(party, "transfer", "import", *map(str, paths))  # type: ignore[return-value]

    def popen(self, party: str, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "SECRETARIAT_DATA": str(self.nodes[party].data)}
        command = [sys.executable, "-m", "secretariat", *words]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def state(self, party: str, stix_id: str, holder: str) -> str | None:
        found = self.run(party, "receipts", stix_id)
        rows = found if isinstance(found, list) else found["holders"]
        return next((one["state"] for one in rows if one["holder"] == holder), None)  # type: ignore[attr-defined]


@pytest.fixture
def pair(serving, tmp_path) -> Pair:
    medium = tmp_path / "medium"
    medium.mkdir()
    return Pair(serving, medium)


def test_reports_receipts_and_a_withdrawal_go_by_hand_whatever_is_killed_or_cut(pair: Pair) -> None:
    ids = pair.publish("US", *(f"report {number}" for number in range(COUNT)))

    # the writing process is killed: no volume has a name, and the next export clears what it left
    folder = pair.medium / "killed"
    writing = pair.popen("US", "transfer", "export", str(folder), "--to", "JP", "--volume-mb", "1")
    end = time.monotonic() + 60
    while not list(folder.glob(".*.part")) and writing.poll() is None:
        assert time.monotonic() < end
    writing.kill()
    writing.wait()
    made = pair.run("US", "transfer", "export", str(folder), "--to", "JP", "--volume-mb", "1", "--again")
    volumes = [Path(one) for one in made["files"]]  # type: ignore[attr-defined]
    assert not list(folder.glob(".*.part"))
    assert len(volumes) > 1
    assert all(one.stat().st_size <= 1_000_000 for one in volumes)

    # a volume cut off by a bad medium, and one out of order
    cut = pair.medium / "cut.transfer"
    cut.write_bytes(volumes[0].read_bytes()[:-100])
    refused = pair.nodes["JP"].attempt("transfer", "import", str(cut))
    assert refused.returncode == 2
    assert "cut off in line" in refused.stderr
    late = pair.nodes["JP"].attempt("transfer", "import", str(volumes[-1]))
    assert late.returncode == 2
    assert f"import volume 1 of transfer {made['number']} first" in late.stderr

    # the reading process is killed again and again
    for pause in (1.5, 1.8, 2.1):
        reading = pair.popen("JP", "transfer", "import", str(folder))
        time.sleep(pause)
        reading.kill()
        reading.wait()
    done = pair.take("JP", folder)
    assert {one["state"] for one in done} <= {"taken", "already taken"}
    assert {one["state"] for one in pair.take("JP", folder)} == {"already taken"}

    # receipts and confirmation travel back
    (answer,) = pair.export("JP", "US")
    (got,) = pair.take("US", answer)
    assert got["confirmed"] == done[-1]["place"]
    assert {pair.state("US", one, "JP") for one in ids[:3]} == {"received"}
    (row,) = pair.run("US", "transfer", "list")  # type: ignore[misc]
    assert row["by_hand"]
    assert not row["waits"]

    # a withdrawal
    pair.run("US", "withdraw", ids[0], "--reason", "wrong")
    pair.take("JP", *pair.export("US", "JP"))
    pair.take("US", *pair.export("JP", "US"))
    assert pair.state("US", ids[0], "JP") == "destroyed"
    again = pair.nodes["US"].attempt("transfer", "export", str(pair.medium / "none"), "--to", "JP")
    assert again.returncode in {0, 2}

    # what is not for this node, or of another realm
    other = pair.nodes["US"].attempt("transfer", "import", str(volumes[0]))
    assert other.returncode == 2
    assert "the volume is for JP, this is US" in other.stderr
    realm = pair.nodes["JP"].attempt("transfer", "import", str(volumes[0]), "--realm", "exercise")
    assert "import it there: --realm live" in realm.stderr
    for party in ("JP", "US"):
        assert pair.run(party, "log", "verify")["holds"]
        assert pair.run(party, "peers", "list")[0]["via"] == "hand"  # type: ignore[index]


def test_a_new_key_travels_with_the_volumes(pair: Pair) -> None:
    pair.run("US", "keys", "rotate", "transport")
    pair.publish("US", "a")
    (volume,) = pair.export("US", "JP")
    (got,) = pair.take("JP", volume)
    assert got["state"] == "taken"
