"""The whole demonstration as its users run it: the command, four real nodes, what one can do with them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

COMMAND = [sys.executable, "-m", "secretariat", "demo"]
ACCEPT = {
    "Accept": "application/taxii+json;version=2.1",
    "Content-Type": "application/taxii+json;version=2.1",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def once() -> dict[str, Any]:
    """Play the story once; give what it prints on standard output."""
    done = subprocess.run(
        [*COMMAND, "--once", "--json"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"told": done.stderr}


def test_the_story_held_and_says_so_in_numbers(once: dict[str, Any]) -> None:
    assert once["nodes"] == ["CN", "JP", "KR", "US"]
    assert once["leaks"] == 0
    assert once["granted"] == once["delivered"] > once["published"] > 40
    assert once["receipts"] > 5
    assert 0 < once["latency_ms"]["p50"] <= once["latency_ms"]["p99"]
    assert once["objects_per_s"] > 0


def test_what_was_withheld_names_article_and_missing_link(once: dict[str, Any]) -> None:
    withheld = once["withheld"]
    assert {"object", "party", "true_on", "article", "missing"} == {key for one in withheld for key in one}
    no_instrument = [one for one in withheld if one["article"] == "default-deny"]
    assert no_instrument
    assert all(one["missing"] for one in no_instrument)
    assert {"CN", "JP"} == {one["party"] for one in withheld}


def test_the_past_is_answered_by_what_was_known(once: dict[str, Any]) -> None:
    past = {(one["party"], one["true_on"]): one["article"] for one in once["withheld"]}
    assert past["JP", "2013-03-21"] == "default-deny"
    assert past["JP", "2019-11-23"] == "jp-rok-gsomia-2016/21(3)"
    assert ("JP", "2017-03-21") not in past


def test_forgeries_are_refused_before_the_viewers_eyes(once: dict[str, Any]) -> None:
    for words in (
        "wrong signature is refused",
        "sent again: it is refused",
        "forged grant is computed again and refused",
    ):
        assert words in once["told"]


def test_the_register_is_on_all_four_nodes(once: dict[str, Any]) -> None:
    figures = once["register"]
    assert (figures["statements"], figures["timeline"], figures["silent"]) == (540, 203, 1)
    assert figures["lagging"] > 0 < figures["agenda"]
    assert figures["board_ms"] > 0
    for words in (
        "One time line on 4 nodes: 203 facts",
        "not checked: nothing under jp-no-response-2012 was known by 2012-06-25",
        "By what was known on 2012-06-26: nothing found in open sources as of 2012-06-25",
        "CN states its own account",
        "KR asks JP about demo-c-contact-test (SYNTHETIC)",
        "off KR's board of what lags",
        "Nothing is merged",
        "Brief for JP and KR",
    ):
        assert words in once["told"], words


def test_a_request_between_two_parties_is_no_others(once: dict[str, Any]) -> None:
    kept = {one["object"].partition("--")[0] for one in once["withheld"] if one["party"] == "CN"}
    assert {"sct-request", "sct-commitment", "sct-source"} <= kept


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """Hold the nodes on a bundle of our own; give the state and the process."""
    folder = tmp_path_factory.mktemp("demo")
    bundle, state = folder / "bundle.json", folder / "state.json"
    bundle.write_text(json.dumps(a_bundle()))
    process = subprocess.Popen(
        [*COMMAND, "--hold", "--state", str(state), "--bundle", str(bundle)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 600
        while not state.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert process.poll() is None
        assert state.stat().st_mode & 0o777 == 0o600
        yield json.loads(state.read_text()), process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def a_bundle() -> dict[str, Any]:
    one = {
        "type": "attack-pattern",
        "spec_version": "2.1",
        "id": "attack-pattern--0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "name": "a pattern of the viewer's own",
    }
    return {"type": "bundle", "id": "bundle--0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061", "objects": [one]}


def test_state_names_nodes_collections_tools_and_people(
    held: tuple[dict[str, Any], subprocess.Popen[str]],
) -> None:
    for node in held[0]["nodes"]:
        assert {"party", "url", "taxii_discovery", "taxii_root", "collections", "tools", "people"} == set(
            node
        )
        assert {"own", "from_partners", "clear"} <= set(node["collections"])
        assert {"read_write", "read_only"} == set(node["tools"])
        assert all({"role", "user", "password"} == set(person) for person in node["people"])
        assert httpx2.get(f"{node['url']}/health").status_code == 200


def test_a_tool_writes_own_and_reads_it_back_and_a_reader_does_not_write(
    held: tuple[dict[str, Any], subprocess.Popen[str]],
) -> None:
    node = held[0]["nodes"][0]
    objects = f"{node['taxii_root']}collections/{node['collections']['own']}/objects/"
    body = json.dumps({"objects": [a_bundle()["objects"][0] | {"name": "posted by a tool"}]})
    tools = {name: (one["user"], one["password"]) for name, one in node["tools"].items()}
    assert httpx2.post(objects, auth=tools["read_only"], headers=ACCEPT, content=body).status_code == 403
    assert httpx2.post(objects, auth=tools["read_write"], headers=ACCEPT, content=body).status_code == 202
    for bearer in (one["token"] for one in node["tools"].values()):
        read = httpx2.get(objects, headers=ACCEPT | {"Authorization": f"Bearer {bearer}"}).json()
        assert [one["name"] for one in read["objects"] if one["name"].startswith("posted")] == [
            "posted by a tool"
        ]


def test_every_person_may_sign_in(held: tuple[dict[str, Any], subprocess.Popen[str]]) -> None:
    node = held[0]["nodes"][0]
    headers = {"Origin": node["url"], "Sec-Fetch-Site": "same-origin"}
    for person in node["people"]:
        form = {"login": person["user"], "password": person["password"], "next": "/"}
        answer = httpx2.post(f"{node['url']}/sign-in", data=form, headers=headers)
        assert answer.status_code in {302, 303}, person["role"]


def test_when_it_is_killed_nothing_of_it_keeps_running() -> None:
    """kill -9 on the demonstration: the kernel ends the nodes, and they end their databases."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the kernel's help is Linux's")
    base = Path(tempfile.mkdtemp(prefix="demo-killed-", dir="/tmp"))
    base.chmod(0o711)  # the database's own user must be able to pass through
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*COMMAND, "--hold"], env=os.environ | {"TMPDIR": str(base)}, **quiet)
    until = time.monotonic() + 300
    while len(list(base.glob("*/*/serve.lock"))) < 4 and time.monotonic() < until:
        time.sleep(0.1)
    assert using(base)
    process.kill()
    process.wait()
    while using(base) and time.monotonic() < until:
        time.sleep(0.2)
    assert using(base) == []
    shutil.rmtree(base)


def using(folder: Path) -> list[str]:
    """Name the processes whose command line names `folder`."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found
