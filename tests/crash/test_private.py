"""A private question between two processes, by command alone; the answerer is killed while it is asked."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest

from serving import Serving

UNDER = "jp-rok-gsomia-2016"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
pytestmark = pytest.mark.long


def observable(name: str) -> dict[str, object]:
    number = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    return {
        "type": "domain-name",
        "spec_version": "2.1",
        "id": f"domain-name--{number}",
        "value": name,
        "object_marking_refs": [GREEN],
    }


def fill(one: Serving, folder: Path) -> None:
    names = [f"{n}.{one.party.lower()}.example" for n in range(110)] + [
        f"{n}.both.example" for n in range(30)
    ]
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": list(map(observable, names))}
    file = folder / f"{one.party}.json"
    file.write_text(json.dumps(bundle))
    assert one.run("import", str(file))["accepted"] == 140


def asked(one: Serving, wanted: str, field: str = "state", seconds: float = 90) -> dict[str, object]:
    """Wait until this side's question stands so."""
    ends = time.monotonic() + seconds
    while True:
        found = one.run("questions", "list")
        if found and found[0][field] == wanted:  # type: ignore[index]
            return found[0]  # type: ignore[index, no-any-return]
        assert time.monotonic() < ends, found
        time.sleep(0.5)


def test_two_processes_count_and_open(serving, tmp_path):
    jp, kr = serving("JP"), serving("KR")
    for one, login in ((jp, "aiko"), (kr, "minjun")):
        one.run(
            "person", "add", login, "--name", login, "--role", "releaser", stdin="correct horse battery\n"
        )
    for one, other in ((jp, kr), (kr, jp)):
        file = tmp_path / f"{other.party}.for.{one.party}"
        words = str(other.run("peers", "invite", one.party, "--out", str(file))["fingerprint"])
        one.run("peers", "accept", str(file), "--fingerprint", words)
        fill(one, tmp_path)
        one.start()
    allow = ("questions", "allow", "--under", UNDER, "--type", "domain-name", "--elements", "1000")
    ends = time.monotonic() + 90
    while (done := jp.attempt(*allow, "--partner", "KR")).returncode:  # until both agreed on the instruments
        assert time.monotonic() < ends, done.stderr
        time.sleep(1)
    kr.run(*allow, "--partner", "JP")
    jp.run("questions", "ask", "--partner", "KR", "--type", "domain-name", "--by", "aiko")
    waits = asked(kr, "waiting")
    kr.kill()
    kr.start()
    kr.run("questions", "answer", str(waits["question"]), "yes", "--by", "minjun")
    counted = asked(jp, "counted")
    assert (counted["result"], counted["size"], counted["their_size"]) == (30, 140, 140)
    again = jp.attempt("questions", "ask", "--partner", "KR", "--type", "domain-name")
    assert again.returncode == 2
    assert "was asked about domain-name" in again.stderr
    jp.run("questions", "open", str(counted["question"]))
    asked(kr, "wanted", "stage")
    kr.run("questions", "answer", str(waits["question"]), "yes", "--matches", "--by", "minjun")
    asked(jp, "opened", "stage")
    shown = jp.run("questions", "show", str(counted["question"]))
    assert set(shown["matches"]) == {f"{n}.both.example" for n in range(30)}
    assert shown["shown"] == 30
    for one in (kr, jp):  # each log has a name of its own though both nodes are on one machine
        done = one.attempt("log", "verify", "--json")
        assert done.returncode == 0, done.stdout
