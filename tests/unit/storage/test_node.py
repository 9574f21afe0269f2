"""A node as a process: made, served, refused twice, joined by commands, stopped, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secretariat.storage.embedded import Server
from serving import Serving

pytestmark = pytest.mark.slow


def test_life_of_a_node(serving: Callable[..., Serving]) -> None:
    """init, serve, a second serve refused, a command beside it, a killed database, a clean end."""
    node = serving("JP")
    secretive = [node.data / name for name in ("node.toml", "database.secret")]
    secretive += (node.data / "keys").rglob("*.pem")
    assert {path.stat().st_mode & 0o777 for path in secretive} == {0o600}

    again = node.attempt("init", "--party", "JP", "--name", "x")
    assert (again.returncode, "already holds a node" in again.stderr) == (2, True)

    node.start()
    second = node.attempt("serve")
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"already served by process {node.process.pid}" in second.stderr
    assert node.attempt("person", "list").returncode == 0, "a command joins the running database"

    node.kill_database()
    wait_for(node, 200)

    port = node.port
    assert node.stop() == 0
    assert Server(node.data).pid is None

    assert node.attempt("person", "list").returncode == 0, "a command alone runs the database for itself"
    assert Server(node.data).pid is None
    node.start()
    assert node.port == port


def test_killed_init_is_begun_anew(serving: Callable[..., Serving]) -> None:
    """What a killed init left is no node, and the next init does not stumble over it."""
    node = serving("JP")
    again = Serving(node.data.parent / "again")
    words = [
        sys.executable,
        "-m",
        "secretariat",
        "init",
        "--party",
        "JP",
        "--name",
        "x",
        "--data",
        str(again.data),
    ]
    half = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (again.data / "postgres" / "PG_VERSION").exists():
        assert half.poll() is None
        time.sleep(0.005)
    half.kill()
    half.wait()
    assert again.attempt("serve").returncode == 2
    try:
        again.init()
        assert sorted(path.name for path in again.data.glob(".*")) == []
        assert again.run("person", "list") == []
    finally:
        again.remove()


def test_init_touches_nothing_it_did_not_make(tmp_path: Path) -> None:
    """A folder that holds anything, as a node that lost its settings, is refused and left as it was."""
    (tmp_path / "postgres").mkdir()
    node = Serving(tmp_path)
    for _ in range(2):
        refused = node.attempt("init", "--party", "JP", "--name", "x")
        assert (refused.returncode, "is not empty" in refused.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["postgres"]


def test_two_commands_share_the_database(serving: Callable[..., Serving]) -> None:
    """The first command runs the database, the others join, whoever ends first."""
    node = serving("JP")
    environment = {**os.environ, "SECRETARIAT_DATA": str(node.data)}
    command = [sys.executable, "-m", "secretariat", "person", "list", "--json"]
    together = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ends = [(process.communicate(timeout=60), process.returncode) for process in together]
    assert [code for _, code in ends] == [0] * 4, ends
    assert Server(node.data).pid is None


def test_ctrl_c_ends_everything(serving: Callable[..., Serving]) -> None:
    node = serving("JP")
    node.start()
    assert node.process is not None
    node.process.send_signal(signal.SIGINT)
    assert node.process.wait(30) in {0, 130}
    assert Server(node.data).pid is None


def test_database_gone_and_back(serving: Callable[..., Serving]) -> None:
    """While the database is away the node answers 503; when it is back the node works again by itself."""
    node = serving("JP")
    node.start()
    server = Server(node.data)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it hangs: nothing answers, nothing is closed
    os.kill(pid, signal.SIGCONT)
    node.kill_database()
    seen = set()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        seen.add(node.health())
        if server.pid not in {None, pid} and node.health() == 200:
            break
        time.sleep(0.02)
    assert node.health() == 200
    assert seen <= {200, 503}
    assert "Traceback" not in (node.data / "serve.log").read_text()


def test_a_taken_port_is_named(serving: Callable[..., Serving]) -> None:
    one, two = serving("JP"), serving("KR")
    settings = two.data / "node.toml"
    settings.write_text(settings.read_text().replace(f"port = {two.port}", f"port = {one.port}"))
    one.start()
    refused = two.attempt("serve")
    assert refused.returncode == 2
    assert f"port {one.port}" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--data", "/nonexistent"], "holds no node"),
        (["init", "--party", "jp", "--name", "x", "--data", "/tmp/never"], "--party: 'jp' is no party code"),
        (["init", "--party", "JP", "--name", "x", "--data", "/dev/null/x"], "cannot make"),
        (["init", "--party", "JP", "--name", "x", "--ceiling", "x", "--data", "/tmp/never"], "--ceiling"),
        (["init", "--party", "JP", "--name", "x", "--prot", "1"], "--prot"),
        (["init", "--party", "JP"], "--name"),
        (["nonsense"], "nonsense"),
    ],
    ids=[
        "no-node",
        "small-code",
        "no-folder",
        "ceiling",
        "unknown-option",
        "missing-option",
        "unknown-command",
    ],
)
def test_wrong_words_are_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    """Exit code 2 and a line that names what is wrong; never a traceback."""
    command = [sys.executable, "-m", "secretariat", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def wait_for(node: Serving, status: int, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while node.health() != status:
        assert time.monotonic() < end, f"no {status}"
        time.sleep(0.02)
