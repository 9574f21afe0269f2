"""`secretariat agreements …` without a node: results, JSON, exit codes."""

import json
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secretariat.agreements.commands import commands
from secretariat.base.errors import InputError

DATA = Path(str(resources.files("secretariat.agreements").joinpath("data")))
INSTRUMENTS, CASES = str(DATA / "instruments.yaml"), str(DATA / "cases.yaml")


def ran(*words):
    return CliRunner().invoke(commands, words)


def test_all_public_cases_are_as_expected():
    done = ran("decide", "--instruments", INSTRUMENTS, "--cases", CASES)
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith("20 of 20 as expected")


def test_the_json_says_expected_got_and_the_deciding_article():
    done = ran("decide", "--instruments", INSTRUMENTS, "--cases", CASES, "--json")
    told = json.loads(done.stdout)
    assert (told["total"], told["ok"], told["failed"]) == (20, 20, 0)
    c02 = next(one for one in told["cases"] if one["id"] == "c02")
    assert c02["expected"] == c02["got"] == "may"
    assert c02["article"] == "jp-rok-gsomia-2016/4(2)"
    assert c02["mark_as"] == {"KR": "II"}
    for one in told["cases"]:
        assert one["article"], one
        if one["expected_because"] and one["got"] == "deny":
            assert any(one["article"].startswith(ref) for ref in one["expected_because"]), one


def test_a_case_that_differs_gives_exit_code_1(tmp_path):
    file = tmp_path / "cases.yaml"
    file.write_text(
        "cases: [{id: wrong, on: 2024-01-01, from: KR, to: CN, object: {tlp: RED}, expected: may}]\n"
    )
    done = ran("decide", "--cases", str(file))
    assert done.exit_code == 1
    assert "expected may, got deny" in done.output


def test_cases_bring_their_own_instruments():
    done = ran("decide", "--cases", str(Path(__file__).parent / "invented.yaml"), "--json")
    assert done.exit_code == 0, done.output


def test_a_file_that_is_not_there_is_named():
    done = ran("decide", "--cases", "/nowhere/cases.yaml")
    assert isinstance(done.exception, InputError)
    assert done.exception.where == "/nowhere/cases.yaml"


def test_check_lists_every_error_with_its_line(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("instruments:\n- id: a\n  titel: t\n  kind: mou\n  articles: [{art: 1, rule: NOPE}]\n")
    done = ran("check", str(file), CASES, "--json")
    assert done.exit_code == 1
    assert [error["where"].split(" ")[0] for error in json.loads(done.stdout)["errors"]] == [
        "bad.yaml:2",
        "bad.yaml:3",
        "bad.yaml:5",
    ]


@pytest.mark.parametrize(
    "words", [("list",), ("show", "tisa-2014"), ("matrix", "--party", "JP", "--party", "KR")]
)
def test_looking_answers_for_other_days_and_as_json(words):
    done = ran(*words, "--true-on", "2019-11-23", "--known-by", "2019-11-21", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)
    assert ran(*words).exit_code == 0


def test_the_matrix_changes_with_what_was_known():
    def level(known):
        words = ("matrix", "--party", "JP", "--party", "KR", "--true-on", "2019-11-23", "--json")
        cells = json.loads(ran(*words, "--known-by", known).stdout)["cells"]
        return next(cell["level"] for cell in cells if cell["sender"] == "JP")

    assert level("2019-11-21") is None
    assert level("2019-11-24") == "GOKUHI"
