"""The PostgreSQL server that a node runs for itself, in its data folder.

Promises (decisions.md 6):
1. Only a Unix socket, only scram-sha-256; the secret lies in `database.secret`, mode 0600.
2. One supervisor per data folder: the second is refused with the first one's process id.
3. Started as root, the server runs as an unprivileged user (installation.py); no permission outside the data
   folder is changed. When that user cannot enter the data folder's parents, the cluster is put under
   `/var/lib/secretariat` and `postgres` in the data folder is a link to it.
4. A server left over by a killed supervisor is stopped and started anew; one that dies is started again.
5. Durable: an acknowledged commit survives kill -9 and power loss (fsync and synchronous_commit stay on).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from secretariat.base.errors import StateError, UnavailableError
from secretariat.storage.installation import SystemUser, may_enter, programs, shared_folder, system_user
from secretariat.storage.locks import FileLock
from secretariat.storage.secret import Secret

SUPERUSER = "postgres"
DATABASE = "secretariat"
_SOCKET_MAX = 103  # bytes of sockaddr_un.sun_path on macOS; Linux allows 107
_SOCKET = ".s.PGSQL.5432"
_START_S = 60
_STOP_S = 30
_LOG_MAX = 10_000_000
_CONFIG = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "60",
    "shared_buffers": "96MB",
    "huge_pages": "off",
    "jit": "off",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "15min",
    "synchronous_commit": "on",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_worker_processes": "2",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "2",
    "password_encryption": "scram-sha-256",
    # the log must never carry what somebody shared
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}
_TEST_CONFIG = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "250",  # of several nodes at once, each of which takes up to 32
}


class SupervisedError(StateError):
    """Another process supervises the server of this data folder."""


class Server:
    """The embedded server of one data folder."""

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.data = data.resolve()
        self.link = self.data / "postgres"
        self.lock = FileLock(self.data / "postgres.lock")
        self._config = _CONFIG if durable else _CONFIG | _TEST_CONFIG
        self._watch: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._failure: str | None = None

    # -- making

    @property
    def created(self) -> bool:
        """Whether this data folder has a cluster."""
        return (self.link / "PG_VERSION").exists()

    def create(self) -> None:
        """Make the cluster and its secret. Refuses a data folder that has one."""
        if self.created:
            raise StateError(f"{self.data} already holds a database", advice="choose an empty data folder")
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = system_user(self.link)
        cluster = self._place(user)
        secret = Secret.new()
        with tempfile.NamedTemporaryFile() as password:  # 0600; initdb takes the secret from a file only
            password.write(secret.superuser.encode())
            password.flush()
            if not user.ourselves:
                os.fchown(password.fileno(), user.uid, user.gid)
            words = [
                str(programs(user) / "bin" / "initdb"),
                f"--pgdata={cluster}",
                f"--username={SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile={password.name}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                *(() if self._config is _CONFIG else ("--no-sync",)),
            ]
            done = subprocess.run(  # noqa: S603  a fixed command
                self._launch(user, words), capture_output=True, check=False, cwd="/", env=_ENVIRONMENT
            )
        if done.returncode != 0:
            shutil.rmtree(cluster, ignore_errors=True)
            text = done.stderr.decode(errors="replace").strip().splitlines()
            raise UnavailableError(
                f"the database could not be made: {text[-1] if text else done.returncode}",
                where=str(cluster),
            )
        secret.save(self.data)

    def _place(self, user: SystemUser) -> Path:
        """Make the empty folder of the cluster, owned by `user`, and give its real path."""
        if user.ourselves:
            self.link.mkdir(mode=0o700, exist_ok=True)
            return self.link
        if self.data.stat().st_mode & 0o011 != 0o011:
            self.data.chmod(self.data.stat().st_mode | 0o011)  # pass through; every file in it stays 0600
        if may_enter(user, self.data, *self.data.parents, read=False):
            self.link.mkdir(mode=0o700, exist_ok=True)
            cluster = self.link
        else:
            name = f"{self.data.name[:32]}-{secrets.token_hex(4)}"
            cluster = shared_folder() / name
            cluster.mkdir(mode=0o700)
            self.link.symlink_to(cluster)
        os.chown(cluster, user.uid, user.gid)
        return cluster

    # -- running

    def start(self, *, wait: float = 0) -> None:
        """Start the server and wait until it answers; `wait` seconds for another supervisor to end.

        Refuses when another process supervises it. Stops a server that a killed supervisor left over.
        """
        if not self.created:
            raise StateError(f"{self.data} holds no node", advice="run `secretariat init` first")
        if not self.lock.acquire(wait=wait):
            raise SupervisedError(
                f"the database in {self.data} is run by process {self.lock.holder() or 'unknown'}",
                advice="stop that process, or use another data folder",
            )
        try:
            self._stop_orphan()
            self._stopping.clear()
            self._watch = threading.Thread(target=self._supervise, name="postgres", daemon=True)
            self._watch.start()
            if not self._ready.wait(_START_S) or self._failure:
                raise UnavailableError(
                    f"the database did not start: {self._failure or 'no answer'}",
                    advice=f"look into {self.data / 'postgres.log'}",
                )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: connections are ended, everything committed is on disk."""
        self._stopping.set()
        process, watch = self._process, self._watch
        if process is not None and process.poll() is None:
            _end(process)
        if watch is not None:
            watch.join(_STOP_S)
        self._watch = self._process = None
        self._ready.clear()
        self.lock.release()

    def destroy(self) -> None:
        """Delete the stopped cluster, wherever it lies."""
        if not self.lock.acquire():
            raise StateError(f"the database in {self.data} is running", advice="stop it first")
        try:
            if self.link.exists():
                shutil.rmtree(self.link.resolve())
            if self.link.is_symlink():
                self.link.unlink()
        finally:
            self.lock.release()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, from its own file."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self.link / "postmaster.pid").read_text().split("\n")[0])
        return None

    @property
    def secret(self) -> Secret:
        """The passwords. Refuses a data folder without them."""
        return Secret.load(self.data)

    @property
    def running(self) -> bool:
        """Whether the server answers, whoever supervises it."""
        pid, lines = self.pid, self._state()
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return ready and pid is not None and _is_postmaster(pid, self.link.resolve()) and self._supervised()

    def _supervised(self) -> bool:
        """Whether a supervisor lives: a server without one is an orphan that is about to end."""
        if self.lock.held:
            return True
        probe = FileLock(self.lock.path)
        if probe.acquire(shared=True):
            probe.release()
            return False
        return True

    def conninfo(self, *, superuser: bool = False, dbname: str = DATABASE) -> str:
        """Give the address of the running server; the user is left out unless it is the superuser."""
        lines = self._state()
        if len(lines) < 8 or lines[7].strip() != "ready":
            raise UnavailableError("the database does not run", advice="start `secretariat serve`")
        words = {"host": lines[4].strip(), "port": lines[3].strip(), "dbname": dbname}
        if superuser:
            return make_conninfo("", **words, user=SUPERUSER, password=self.secret.superuser)
        return make_conninfo("", **words, password=self.secret.app)

    def _state(self) -> list[str]:
        # postmaster.pid: pid, data folder, start, port, socket folder, address, memory key, status
        try:
            return (self.link / "postmaster.pid").read_text().split("\n")
        except OSError:
            return []

    # -- supervising

    def _supervise(self) -> None:
        """Run the server until it is told to stop; start it again when it dies.

        The kernel ends the server when the *thread* that started it ends: this thread does nothing else.
        """
        pause = 0.1
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._run()
            except (OSError, StateError, UnavailableError) as error:
                self._failure = str(error)
            if not self._ready.is_set():
                self._failure = self._failure or _last_line(self.data / "postgres.log")
                # a killed postmaster's children hold its memory for a moment: try again while that may be
                if (
                    self._failure is None
                    or "shared memory" not in self._failure
                    or time.monotonic() - begun > 5
                ):
                    self._ready.set()
                    return
            pause = 0.1 if time.monotonic() - begun > 60 else min(pause * 2, 5)
            self._stopping.wait(pause)

    def _run(self) -> None:
        cluster = self.link.resolve()
        user = system_user(cluster)
        self._disarm(cluster)
        folder, made = self._socket_folder(cluster, user)
        config = {**self._config, "unix_socket_directories": str(folder)}
        words = [str(programs(user) / "bin" / "postgres"), "-D", str(cluster)]
        for key, value in config.items():
            words += ["-c", f"{key}={value}"]
        log = self.data / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(log.with_suffix(".log.1"))
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(  # noqa: S603  a fixed command
                self._launch(user, words),
                stdin=subprocess.DEVNULL,
                stdout=fd,
                stderr=fd,
                cwd="/",
                start_new_session=True,
                env=_ENVIRONMENT,
            )
        finally:
            os.close(fd)
        try:
            if self._stopping.is_set():
                _end(self._process)
            elif not self._ready.is_set():
                self._await_ready(self._process)
            self._process.wait()
        finally:
            if made:
                shutil.rmtree(folder, ignore_errors=True)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not self._stopping.is_set():
            lines = self._state()
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                self._failure = None
                self._ready.set()
                return
            time.sleep(0.02)

    def _stop_orphan(self) -> None:
        pid = self.pid
        if pid is None or not _is_postmaster(pid, self.link.resolve()):
            return
        for word, patience in ((signal.SIGINT, _STOP_S), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, word)
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if not _is_postmaster(pid, self.link.resolve()):
                    return
                time.sleep(0.05)
        raise StateError(f"a database server left over (process {pid}) does not end", advice="end it by hand")

    @staticmethod
    def _disarm(cluster: Path) -> None:
        """Keep a dead server's lock files from stopping the next one.

        Their number may belong to a zombie or a stranger by now, which PostgreSQL takes for a living server.
        We hold the lock and know better. The number becomes our own (PostgreSQL passes by its parent's); the
        rest stays, since by it PostgreSQL sees whether orphaned backends still use the old memory.
        """
        for path in (cluster / "postmaster.pid", cluster / f"{_SOCKET}.lock"):
            try:
                first, newline, rest = path.read_text().partition("\n")
            except OSError:
                continue
            if first.strip().isdigit() and not _is_postmaster(int(first), cluster):
                path.write_text(f"{os.getpid()}{newline}{rest}")

    @staticmethod
    def _socket_folder(cluster: Path, user: SystemUser) -> tuple[Path, bool]:
        """Give a folder whose path is short enough for a socket; True when it was made for this run."""
        if len(os.fsencode(cluster / f"{_SOCKET}.lock")) <= _SOCKET_MAX:
            return cluster, False
        folder = Path(tempfile.mkdtemp(prefix="secretariat-", dir="/tmp"))
        if not user.ourselves:
            os.chown(folder, user.uid, user.gid)
        return folder, True

    @staticmethod
    def _launch(user: SystemUser, words: list[str]) -> list[str]:
        launcher = Path(__file__).with_name("launch.py")
        return [
            sys.executable,
            "-I",
            "-S",
            str(launcher),
            str(os.getpid()),
            str(user.uid),
            str(user.gid),
            str(int(signal.SIGINT)),
            *words,
        ]


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _end(process: subprocess.Popen[bytes]) -> None:
    for word, patience in ((signal.SIGINT, _STOP_S), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(word)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Say whether process `pid` is a server of `cluster` and not a later process with the same number."""
    if Path("/proc/self").exists():
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            return Path(f"/proc/{pid}/cwd").readlink() == cluster
        except (OSError, IndexError):  # it ended while it was looked at: its file is gone, or empty
            return False
    done = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True)  # noqa: S603
    return str(cluster) in done.stdout.decode(errors="replace")


def _last_line(log: Path) -> str | None:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        fatal = [line for line in lines[-20:] if "FATAL" in line or "could not" in line]
        return (fatal or lines)[-1] if lines else None
    return None


def ping(conninfo: str) -> bool:
    """Say whether a server answers at `conninfo`."""
    try:
        with psycopg.connect(conninfo, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
