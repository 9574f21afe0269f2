"""A backup is the whole node; a restored node says that it is one; damage is found first."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
import sqlalchemy as sa

from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError, UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.storage import backup
from secretariat.storage.opening import opened, remove
from serving import Serving

pytestmark = pytest.mark.slow
LABEL = 'INSERT INTO label (key, label) VALUES (:key, \'{"orig": "JP"}\') RETURNING id'


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(mkdtemp(prefix="sct-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    for data in made.iterdir():
        if data.is_dir():
            remove(data)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def saved(folder: Path) -> tuple[Path, Path]:
    """Give a node's data folder and its backup."""
    Serving(folder / "JP").init()
    settings = NodeSettings.load(folder / "JP")
    with opened(settings) as database:
        with database.app("exercise") as tx:
            assert tx.execute(sa.text(LABEL), {"key": b"k1"}).scalar() == 1
        backup.write(settings, database, folder / "JP.backup", now=now())
    return folder / "JP", folder / "JP.backup"


def test_restored_node_is_the_same_but_read_only(saved: tuple[Path, Path], folder: Path) -> None:
    """Rows, identities, keys and settings are back, in both realms; passwords are new; the node says so."""
    data, file = saved
    assert file.stat().st_mode & 0o777 == 0o600
    again = backup.restore(file, folder / "again", now=now(), durable=False)
    assert again.restored
    assert NodeSettings.load(folder / "again") == again
    for key in (data / "keys").rglob("*.*"):
        twin = folder / "again" / key.relative_to(data)
        assert twin.read_bytes() == key.read_bytes()
        assert twin.stat().st_mode & 0o777 == 0o600
    assert (folder / "again" / "database.secret").read_bytes() != (data / "database.secret").read_bytes()
    with (
        opened(again) as database,
        pytest.raises(UnavailableError, match="restore --check"),
        database.app("live") as tx,
    ):
        tx.execute(sa.text(LABEL), {"key": b"k2"})
    again.restored = ""
    with opened(again) as database:
        with database.app("exercise") as tx:
            assert tx.execute(sa.text("SELECT key FROM label")).scalars().all() == [b"k1"]
            assert tx.execute(sa.text(LABEL), {"key": b"k2"}).scalar() == 2
        with database.app("live") as tx:
            assert tx.execute(sa.text("SELECT count(*) FROM label")).scalar() == 0
            assert tx.execute(sa.text("SELECT size FROM log_head")).scalar() == 0
            forced = "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE oid = 'label'::regclass"
            assert tx.execute(sa.text(forced)).scalar()


def test_no_password_travels(saved: tuple[Path, Path]) -> None:
    data, file = saved
    with tarfile.open(file) as tar:
        assert "database.secret" not in tar.getnames()
    for word in (data / "database.secret").read_text().split('"')[3::4]:
        assert word.encode() not in file.read_bytes()


def rewritten(file: Path, out: Path, change: dict[str, bytes | None], *, extra: str | None = None) -> Path:
    import io

    with tarfile.open(file) as old, tarfile.open(out, "w") as new:
        for member in old:
            content = old.extractfile(member).read()
            if member.name in change:
                content = change[member.name]
                if content is None:
                    continue
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
        if extra is not None:
            new.addfile(tarfile.TarInfo(extra))
    return out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda file, out: rewritten(file, out, {"node.toml": b"party = 'KR'\nname = 'x'\n"}),
            "not what was backed up",
        ),
        (lambda file, out: rewritten(file, out, {"tables/live.dump": None}), "lacks tables/live.dump"),
        (lambda file, out: rewritten(file, out, {}, extra="../../etc/passwd"), "not in the manifest"),
        (lambda file, out: out.write_bytes(file.read_bytes()[:50_000]), "backup"),
        (lambda _file, out: out.write_bytes(b"PK"), "backup"),
        (lambda file, out: rewritten(file, out, {"manifest.json": b'{"format": 99}'}), "backup"),
    ],
    ids=["changed", "missing", "traversal", "truncated", "not-a-tar", "other-manifest"],
)
def test_damage_is_found_first(
    saved: tuple[Path, Path], folder: Path, damage: object, said: str, request: pytest.FixtureRequest
) -> None:
    out = folder / f"{request.node.callspec.id}.backup"
    damage(saved[1], out)
    target = folder / f"never-{request.node.callspec.id}"
    with pytest.raises(SecretariatError, match=said):
        backup.restore(out, target, now=now())
    assert list(target.iterdir()) == []


def test_nothing_is_overwritten(saved: tuple[Path, Path]) -> None:
    data, file = saved
    settings = NodeSettings.load(data)
    with opened(settings) as database, pytest.raises(SecretariatError, match="exists"):
        backup.write(settings, database, file, now=now())
    with pytest.raises(SecretariatError, match="not empty"):
        backup.restore(file, data, now=now())


def test_a_backup_goes_through_a_pipe_table_by_table(saved: tuple[Path, Path], folder: Path) -> None:
    """Never in the clear on a disk: written to a stream, read from one; each table is a step."""
    data, _ = saved
    settings = NodeSettings.load(data)
    stream, steps = io.BytesIO(), list[int]()
    with opened(settings) as database:
        backup.write(settings, database, stream, now=now(), advance=steps.append)
        assert len(steps) == backup.count_tables(database) > 20
    assert not list(data.glob(".backup-*"))
    stream.seek(0)
    loaded = list[int]()
    backup.restore(stream, folder / "piped", now=now(), durable=False, advance=loaded.append)
    assert len(loaded) == len(steps)
    with pytest.raises(InputError, match="cannot read the backup"):
        backup.restore(io.BytesIO(stream.getvalue()[:5000]), folder / "cut", now=now())
