"""`secretariat import` and `secretariat records`, as a person at a terminal uses them."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.base.settings import NodeSettings
from secretariat.records.commands import commands, verbs
from secretariat.storage import opening

SAMPLE = Path(__file__).parents[2] / "vectors" / "records" / "bundle-2.1.json"


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Give the data folder of a node with its own embedded database."""
    folder = Path(tempfile.mkdtemp(prefix="sct-records-", dir="/tmp"))
    folder.chmod(0o711)
    settings = NodeSettings(party="KR", name="KR", data=folder / "kr")
    settings.data.mkdir(mode=0o700)
    settings.save()
    opening.create(settings, durable=False)
    yield settings.data
    shutil.rmtree(folder)


def run(app: Any, *words: str | Path, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if isinstance(result.exception, SecretariatError):
        raise result.exception
    return result


def test_a_file_is_imported_listed_and_shown(data, tmp_path):
    packed = tmp_path / "sample.json.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))

    first = json.loads(run(verbs, packed, "--data", data, "--tlp", "tlp:green", "--json").stdout)
    again = run(verbs, SAMPLE, "--data", data, "--schemas")
    rows = json.loads(run(commands, "list", "--data", data, "--type", "malware", "--json").stdout)
    shown = json.loads(run(commands, "show", rows[0]["id"], "--data", data, "--json").stdout)

    assert (first["accepted"], first["refused"], first["container"]) == (42, 0, "bundle")
    assert "this node's default_tlp" in first["warned"][-1]["what"]
    assert again.stdout.startswith("0 new, 42 unchanged, 0 refused")
    assert (rows[0]["state"], rows[0]["label"]) == ("draft", {"orig": "KR", "tlp": "GREEN"})
    assert shown["object"] in json.loads(SAMPLE.read_bytes())["objects"]


def test_a_refusal_is_told_and_hostile_text_cannot_write_to_the_terminal(data):
    hostile = {"type": "x-\u001b[31m", "id": "\u202eevil"}
    result = run(verbs, "-", "--data", data, stdin=json.dumps([hostile]).encode())

    assert result.exit_code == 1
    assert "refused  line 1, /0/type" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_a_broken_file_stores_nothing(data):
    with pytest.raises(InputError, match="cut off"):
        run(verbs, "-", "--data", data, stdin=SAMPLE.read_bytes()[:-20])


BAD: dict[str, tuple[list[str], type[SecretariatError]]] = {
    "a file that is not there": (["/nowhere/at/all.json"], InputError),
    "a folder": (["/tmp"], InputError),
    "an unknown word of TLP": (["-", "--tlp", "purple"], InputError),
    "another collection": (["-", "--collection", "clear"], NotFoundError),
}


@pytest.mark.parametrize(("words", "error"), BAD.values(), ids=BAD.keys())
def test_wrong_words_are_refused(data, words, error):
    with pytest.raises(error):
        run(verbs, *words, "--data", data, stdin=b"[]")


def test_an_object_that_is_not_here(data):
    with pytest.raises(NotFoundError):
        run(commands, "show", "malware--none", "--data", data)


def test_our_extensions_are_listed():
    assert {row["types"][0] for row in json.loads(run(commands, "schemas", "--json").stdout)} == {
        "property-extension",
        "new-sdo",
    }
