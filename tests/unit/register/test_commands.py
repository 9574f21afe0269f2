"""`secretariat register …` as a desk officer at a terminal uses it, on the sample record."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from secretariat.base.errors import InputError, SecretariatError
from secretariat.base.settings import NodeSettings
from secretariat.ledger import keys
from secretariat.register.file_commands import commands
from secretariat.register.sample import sample
from secretariat.storage import opening


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Give the data folder of a node that has recorded the sample."""
    folder = Path(tempfile.mkdtemp(prefix="sct-register-", dir="/tmp"))
    folder.chmod(0o711)
    settings = NodeSettings(party="KR", name="KR", data=folder / "kr", zone="Asia/Seoul")
    settings.data.mkdir(mode=0o700)
    settings.save()
    for realm in settings.realms:
        keys.create(keys.folder_of(settings.data, realm), party="KR", realm=realm, host=settings.host)
    opening.create(settings, durable=False)
    done = ask(settings.data, "sample", "--tlp", "CLEAR")
    assert (done["facts"], done["sources"], done["unchanged"]) == (203, 188, 0)
    yield settings.data
    shutil.rmtree(folder)


def text(data: Path, *words: str) -> str:
    result = CliRunner().invoke(commands, [*words, "--data", str(data)])
    if isinstance(result.exception, SecretariatError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return result.stdout


def ask(data: Path, *words: str) -> Any:
    return json.loads(text(data, *words, "--json"))


def test_had_tokyo_responded(data):
    then = ask(data, "status", "jp-no-response-2012", "--true-on", "2012-06-25", "--known-by", "2012-06-25")
    assert (then["checked"], then["statement"]) == (False, None)
    now = ask(data, "status", "jp-no-response-2012", "--true-on", "2012-06-25")
    assert now["absences"][0]["looked_in"] == "open sources"
    assert now["sources"][0]["key"] == "S000"
    assert now["rests_on"] == ["jp-no-response-2012"]


def test_the_boards_say_their_sums_and_what_they_rest_on(data):
    day = ("--true-on", "2012-09-03", "--known-by", "2012-09-03")
    overdue = ask(data, "overdue", *day)
    assert overdue["total"] == 3
    first = overdue["lines"][0]
    assert (first["key"], first["days"]) == ("cjk-c-tccs-launch", 977)
    assert first["rests_on"] == ["cjk-c-tccs-launch", "cjk-tccs-none-2012:evidence:1"]
    assert all(ref in overdue["sources"] for ref in first["sources"])
    assert "2012-09-03 - 2009-12-31 (due, cjk-c-tccs-launch) = 977 days" in text(data, "overdue", *day)
    assert ask(data, "lagging", *day, "--party", "US")["total"] == 1
    assert ask(data, "lagging", *day, "--days", "100")["total"] > ask(data, "lagging", *day)["total"]
    silence = ask(data, "silence", *day, "--party", "JP")
    assert "jp-no-response-2012" in {one["key"] for one in silence["absences"]}
    assert ask(data, "contested", *day)["total"] >= 5
    assert ask(data, "met", *day)["pairs"]
    timeline = ask(data, "timeline", "--party", "JP", "--party", "US", "--until", "2004", "--kind", "meeting")
    assert all({"JP", "US"} <= set(one["parties"]) for one in timeline["lines"])


def test_what_changed(data):
    found = ask(data, "diff", "--from-known-by", "2012-06-25", "--known-by", "2012-07-03")
    assert {one["what"] for one in found["changes"]} == {"learned"}
    with pytest.raises(InputError, match="no earlier day"):
        ask(data, "diff", "--known-by", "2012-07-03")


def test_recorded_by_a_position_of_the_log(data):
    assert ask(data, "overdue", "--recorded-by", "0")["total"] == 0
    assert ask(data, "overdue", "--recorded-by", "1")["total"] == 7


def test_export_gives_the_file_back_and_import_leaves_it(data, tmp_path):
    file = tmp_path / "record.yaml"
    ask(data, "export", str(file))
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(sample())
    again = ask(data, "import", str(file))
    assert (again["written"], again["amended"]) == (0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ("overdue", "--true-on", "2012-02-30"),
        ("overdue", "--known-by", "yesterday"),
        ("lagging", "--allow", "JP"),
        ("status", "x", "--zone", "Mars/Base"),
        ("import", "/nowhere.yaml"),
    ],
)
def test_bad_words_are_refused(data, words):
    with pytest.raises(SecretariatError) as refused:
        ask(data, *words)
    assert refused.value.where
