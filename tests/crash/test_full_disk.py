"""A full disk is an answer: nothing is half stored, nothing acknowledged is lost, and it goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from secretariat.base.errors import UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.records.service import import_stream
from secretariat.storage.engine import Database
from secretariat.storage.opening import opened
from serving import Serving

pytestmark = pytest.mark.slow
STAMP = "2013-03-20T05:00:00.000Z"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a file system of 200 MB; needs the right to mount one."""
    folder = Path(tempfile.mkdtemp(prefix="sct-", dir="/tmp"))
    words = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=711", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(words, check=False, capture_output=True).returncode != 0
    ):
        folder.rmdir()
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def post(database: Database) -> set[str]:
    """Import indicators that do not compress; give their ids once they are acknowledged."""
    objects = [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.uuid4()}",
            "created": STAMP,
            "modified": STAMP,
            "pattern": "[domain-name:value = 'example.org']",
            "pattern_type": "stix",
            "valid_from": STAMP,
            "description": os.urandom(4_000).hex(),
        }
        for _ in range(20)
    ]
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    result = import_stream(database, "live", "JP", io.BytesIO(json.dumps(bundle).encode()))
    assert result.accepted == len(objects)
    return {str(one["id"]) for one in objects}


def test_full_disk(small_disk: Path) -> None:
    """Refused while it is full, healthy for readers, and everything acknowledged is there afterwards."""
    node = Serving(small_disk / "JP")
    node.init()
    node.start()
    acknowledged: set[str] = set()
    try:
        with opened(NodeSettings.load(node.data)) as database:
            acknowledged |= post(database)
            filler = small_disk / "filler"
            with pytest.raises(OSError, match="No space"), filler.open("wb") as out:
                while True:
                    out.write(b"\0" * 1_000_000)
            refused: list[str] = []
            while len(refused) < 5:
                try:
                    acknowledged |= post(database)
                except UnavailableError as error:
                    refused.append(str(error))
            assert all("nothing was stored" in said for said in refused)
            assert node.health() == 200, "who only reads is served"
            filler.unlink()
            acknowledged |= post(database)
            with database.app("live") as tx:
                posted = sa.text("SELECT stix_id FROM object_version WHERE type = 'indicator'")
                held = set(tx.execute(posted).scalars())
        assert held == acknowledged
        assert node.run("log", "verify")["holds"]
        assert "Traceback" not in (node.data / "serve.log").read_text()
    finally:
        node.remove()
