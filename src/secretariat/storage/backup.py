"""A node in one file: settings, keys and the tables of every realm; and back into an empty data folder.

Rules:
1. The file holds private keys and everything this node keeps, unencrypted: mode 0600, one tar with a manifest
   of hashes. To a stream it can be piped into what encrypts it.
2. The tables are `pg_dump` data taken in one snapshot per realm as the application: it needs no rights of an
   administrator and works on either kind of server. Passwords of the database are not in it: `restore` draws
   new ones.
3. `restore` checks every hash before it writes anything, migrates to the backup's schema, loads, and marks
   the node as restored: it stays read-only until it was compared with what its partners last kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from secretariat.base import settings as base
from secretariat.base.clock import stamp
from secretariat.base.errors import ConflictError, InputError, ProofError, StateError, UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.storage import opening
from secretariat.storage.engine import Database
from secretariat.storage.installation import OURSELVES, programs
from secretariat.storage.migrate import VERSION_TABLE, check, heads, known, made_by
from secretariat.storage.rls import EVERYBODYS
from secretariat.storage.roles import roles_of

FORMAT = 1
_MANIFEST = "manifest.json"
_MANIFEST_MAX = 1_048_576
_NAMES = re.compile(r"node\.toml|keys(/[A-Za-z0-9_.-]+){1,4}|tables/(live|exercise)\.dump")
_CHUNK = 1_048_576
_TABLE_DONE = re.compile(r"dumping contents of table|processing data for table")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds; `files` maps a name to the SHA-256 of its content."""

    format: int
    party: str
    created: str
    schema: str
    realms: tuple[str, ...]
    files: dict[str, str]
    made_by: str = ""
    """Of what made the tables of that schema (migrate.py)."""


def count_tables(database: Database) -> int:
    """Say how many tables a backup holds: the steps of its progress."""
    count = 0
    for realm in database.realms:
        with database.app(realm) as tx:
            rows = tx.exec_driver_sql(
                "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
                f" AND relkind = 'r' AND relname <> '{VERSION_TABLE}'"
            )
            count += rows.scalar_one()
    return count


def write(
    settings: NodeSettings,
    database: Database,
    out: Path | IO[bytes],
    *,
    now: datetime,
    advance: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Write a backup of the running node to a new file or to a stream. Refuses to overwrite a file.

    `advance` is called after each table. For a stream the parts lie in the data folder until it is written.
    """
    if isinstance(out, Path) and out.exists():
        raise ConflictError(f"{out} exists", advice="name a new file")
    beside = out.parent if isinstance(out, Path) else settings.data
    try:
        folder = Path(tempfile.mkdtemp(prefix=".backup-", dir=beside))
    except OSError as error:
        raise InputError(f"cannot write into {beside}: {error.strerror}") from error
    try:
        files = {base.FILE: settings.data / base.FILE}
        keys = settings.data / "keys"
        files |= {
            str(path.relative_to(settings.data)): path for path in sorted(keys.rglob("*")) if path.is_file()
        }
        for realm in settings.realms:
            path = folder / f"{realm}.dump"
            _dump(database, realm, path, advance)
            files[f"tables/{realm}.dump"] = path
        manifest = Manifest(
            format=FORMAT,
            party=settings.party,
            created=stamp(now),
            schema=heads()[0],
            realms=tuple(settings.realms),
            files={name: _sha256(path) for name, path in files.items()},
            made_by=made_by(heads()[0]),
        )
        if isinstance(out, Path):
            fd = os.open(folder / "whole", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as raw:
                _pack(manifest, files, raw)
                raw.flush()
                os.fsync(raw.fileno())
            (folder / "whole").rename(out)
        else:
            _pack(manifest, files, out)
            out.flush()
    except OSError as error:
        where = str(out) if isinstance(out, Path) else "standard output"
        raise UnavailableError(f"the backup could not be written: {error.strerror}", where=where) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def restore(
    file: Path | IO[bytes],
    data: Path,
    *,
    now: datetime,
    durable: bool = True,
    advance: Callable[[int], None] = lambda _: None,
) -> NodeSettings:
    """Make the node of a backup in the empty folder `data`; it is marked as restored. Checks first.

    `advance` is called after each table.
    """
    if data.exists() and any(data.iterdir()):
        raise ConflictError(f"{data} is not empty", advice="restore into an empty folder")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as folder:
            content = Path(folder)
            manifest = _unpack(file, content)
            settings = base.read((content / base.FILE).read_text(encoding="utf-8"), base.FILE)
            settings.data = data.resolve()
            settings.database_url = os.environ.get(base.URL_VARIABLE, "")
            settings.restored = stamp(now)
            opening.create(settings, schema=manifest.schema, durable=durable)
            with opening.administered(settings, durable=durable) as (admin, prefix):
                for realm in manifest.realms:
                    _load(admin, prefix, realm, content / "tables" / f"{realm}.dump", advance)
            (content / "keys").rename(settings.data / "keys")
        settings.save()
    except BaseException:
        opening.remove(data)
        raise
    return settings


def _dump(database: Database, realm: str, path: Path, advance: Callable[[int], None]) -> None:
    words = dict(database.parameters(realm))
    # everything, also what is kept for guests: a row that the policy hides would be lost in silence
    words["options"] = f"-c secretariat.custodian={EVERYBODYS}"
    password = str(words.pop("password", ""))
    address = make_conninfo("", **{key: str(value) for key, value in words.items()})
    _run(
        [
            "pg_dump",
            "--format=custom",
            "--compress=gzip:1",
            "--data-only",
            "--enable-row-security",
            "--no-sync",
            "--verbose",
            f"--schema={realm}",
            f"--exclude-table={realm}.{VERSION_TABLE}",
            f"--file={path}",
            f"--dbname={address}",
        ],
        password,
        advance,
    )


def _load(admin: str, prefix: str, realm: str, path: Path, advance: Callable[[int], None]) -> None:
    """Load the tables of a realm as their owner, whom row-level security lets pass for that time."""
    roles = roles_of(prefix, realm)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(roles.owner)))
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
            " AND relname <> %s",
            (realm, VERSION_TABLE),
        ).fetchall()
        tables = [sql.Identifier(realm, row[0]) for row in rows]
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
        with _unforced(connection, tables):
            words = psycopg.conninfo.conninfo_to_dict(admin)
            password = str(words.pop("password", "") or "")
            address = make_conninfo("", **{key: str(value) for key, value in words.items()})
            _run(
                [
                    "pg_restore",
                    "--data-only",
                    "--single-transaction",
                    "--exit-on-error",
                    "--no-owner",
                    "--verbose",
                    f"--role={roles.owner}",
                    f"--dbname={address}",
                    str(path),
                ],
                password,
                advance,
            )


@contextlib.contextmanager
def _unforced(connection: psycopg.Connection[Any], tables: Sequence[sql.Identifier]) -> Iterator[None]:
    def each(words: str) -> None:
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(table, sql.SQL(words)))

    each("NO FORCE")
    try:
        yield
    finally:
        each("FORCE")


def _run(words: list[str], password: str, advance: Callable[[int], None]) -> None:
    program = programs(OURSELVES) / "bin" / words[0]
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": password, "LC_ALL": "C"}
    last: deque[str] = deque(maxlen=5)
    with (
        subprocess.Popen(  # noqa: S603  a fixed command
            [str(program), *words[1:]],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as running
    ):
        for line in running.stderr or ():
            last.append(line.strip())
            if _TABLE_DONE.search(line):
                advance(1)
    if running.returncode != 0:
        raise UnavailableError(f"{words[0]} failed: {' '.join(last)[-500:]}")


def _pack(manifest: Manifest, files: dict[str, Path], out: IO[bytes]) -> None:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        first = tarfile.TarInfo(_MANIFEST)
        first.size, first.mode = len(text), 0o600
        tar.addfile(first, io.BytesIO(text))
        for name, path in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = path.stat().st_size, 0o600
            with path.open("rb") as content:
                tar.addfile(member, content)


def _unpack(file: Path | IO[bytes], folder: Path) -> Manifest:
    """Write the members under `folder`. Refuses unknown, missing and changed members."""
    try:
        with (
            tarfile.open(file, mode="r|") if isinstance(file, Path) else tarfile.open(fileobj=file, mode="r|")
        ) as tar:
            first = tar.next()
            if first is None or first.name != _MANIFEST or first.size > _MANIFEST_MAX:
                raise InputError("not a backup of a node", where=str(file))
            manifest = msgspec.json.decode(_content(tar, first).read(), type=Manifest)
            _refuse_unfit(manifest)
            while (member := tar.next()) is not None:
                if member.name not in manifest.files or not member.isreg():
                    raise ProofError(f"{member.name!r} is not in the manifest", where=str(file))
                target = folder / member.name
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    shutil.copyfileobj(_content(tar, member), out, _CHUNK)
    except (tarfile.TarError, msgspec.DecodeError, OSError, EOFError) as error:
        raise InputError(f"cannot read the backup: {error}", where=str(file)) from error
    for name, digest in manifest.files.items():
        if not (folder / name).exists():
            raise ProofError(
                f"the backup lacks {name}", where=str(file), advice="it was cut short; take another"
            )
        if _sha256(folder / name) != digest:
            raise ProofError(
                f"{name} is not what was backed up", where=str(file), advice="take another backup"
            )
    return manifest


def _refuse_unfit(manifest: Manifest) -> None:
    if manifest.format != FORMAT or manifest.schema not in known():
        raise StateError(
            f"this backup (format {manifest.format}, schema {manifest.schema}) is of a newer release",
            advice="restore it with the release that wrote it",
        )
    if manifest.made_by:
        check(manifest.schema, manifest.made_by)
    for name in manifest.files:
        if _NAMES.fullmatch(name) is None or ".." in name:
            raise ProofError(f"a backup holds no file {name!r}")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    found = tar.extractfile(member)
    if found is None:
        raise ProofError(f"{member.name!r} is no file")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
