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
        ("notes", "write", "README.md", "--title", "x", "--by", "nobody"),
    ],
)
def test_bad_words_are_refused(data, words):
    with pytest.raises(SecretariatError) as refused:
        ask(data, *words)
    assert refused.value.where


def test_notes_are_written_shown_revised_and_exported(data, tmp_path):
    assert ask(data, "notes", "list") == []
    words = tmp_path / "note.md"
    words.write_text("The statement of 2008 planned it.[^1]\n\nNobody built it since.", encoding="utf-8")
    source = ask(data, "status", "cjk-c-tccs-launch")["sources"][0]["key"]
    given = ("--title", "What became of it", "--footnote", source, "--about", "cjk-c-tccs-launch")
    key = ask(data, "notes", "write", str(words), *given, "--disclosed", "2026-11-20", "--written-by", "kim")[
        "key"
    ]
    (line,) = ask(data, "notes", "list")
    assert (line["key"], line["footnotes"], line["disclosed"]) == (key, 1, "2026-11-20")
    assert "What became of it" in text(data, "notes", "list")
    shown = ask(data, "notes", "show", key)
    assert shown["about"] == ["cjk-c-tccs-launch"]
    assert shown["footnotes"] == [{"source": source, "quote": ""}]
    assert shown["written_by"] == ["kim"]
    assert "The statement of 2008 planned it." in text(data, "notes", "show", key, "--language", "ko")

    markdown = text(data, "notes", "export", key)
    assert "[^1]:" in markdown
    bundle = json.loads(text(data, "notes", "export", key, "--format", "stix"))
    report = next(one for one in bundle["objects"] if one["type"] == "report")
    assert report["name"] == "What became of it"
    assert len(report["external_references"]) == 1
    done = ask(data, "notes", "export", key, "--format", "docx", "--out", str(tmp_path))
    assert Path(done["file"]).read_bytes()[:2] == b"PK"

    ask(data, "notes", "write", "--revises", key, "--title", "What came of it")
    again = ask(data, "notes", "show", key)
    assert (again["title"], again["text"], len(again["revisions"])) == ("What came of it", shown["text"], 2)


BAD_NOTES = {
    "no text": ((), "nothing stands here"),
    "an unknown source": (("--footnote", "S-none"), "no source"),
    "a mark without its footnote": (("marked",), "footnote"),
    "a file that is not UTF-8": (("latin",), "not UTF-8"),
    "an unknown note": (("--revises", "none"), "no note"),
    "an unknown language": (("--language", "xx"), "no language"),
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_bad_notes_are_refused_by_name(data, tmp_path, name):
    words, says = BAD_NOTES[name]
    files = {"marked": b"It is said.[^3]", "latin": "caf\u00e9".encode("latin-1"), "plain": b"It is said."}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    given = [str(tmp_path / word) if word in files else word for word in words]
    if words and words[0].startswith("--"):
        given = [str(tmp_path / "plain"), *given]
    with pytest.raises(SecretariatError, match=says):
        text(data, "notes", "write", *given, "--title", "x")
    with pytest.raises(SecretariatError, match="no note"):
        text(data, "notes", "export", "none")
