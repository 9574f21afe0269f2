"""Instruments and cases as files: what is wrong is refused, with its line."""

from datetime import date

import pytest

from secretariat.agreements.book import build, check, load, package_book, package_source, problems, schema
from secretariat.agreements.cases import read_cases
from secretariat.agreements.reading import read
from secretariat.base.errors import InputError, SecretariatError

HEAD = """\
instruments:
- id: syn-a-b
  title: Invented
  kind: mou
  binding: true
  parties: [A, B]
  in_force: 2024-01-01
  articles:
    - {art: "1", rule: PURPOSE, purposes: [x]}
"""


def loaded(text, name="test.yaml"):
    source = read(text.encode() if isinstance(text, str) else text, name)
    check(source, schema("instruments"))
    return build(source, readings=True)


BAD = {
    "an unknown key of an instrument": (HEAD.replace("  kind:", "  colour: red\n  kind:"), 4, "colour"),
    "an unknown key of an article": (
        HEAD.replace("purposes:", "purpose:"),
        9,
        "rule PURPOSE does not read it",
    ),
    "a parameter of another rule": (HEAD.replace("purposes: [x]", "hub: A"), 9, "hub"),
    "an unknown rule": (HEAD.replace("PURPOSE", "PURPOSES"), 9, "unknown rule 'PURPOSES'"),
    "an unknown key at the top": (HEAD + "treaties: []\n", 10, "treaties"),
    "a duplicate key": (HEAD + "  title: Again\n", 10, "a second time"),
    "a duplicate key in one line": (
        HEAD.replace("purposes: [x]", 'purposes: [x], art: "2"'),
        9,
        "a second time",
    ),
    "no rule": (HEAD.replace("rule: PURPOSE, purposes: [x]", "says: hm"), 9, "'rule' is missing"),
    "a day that is none": (HEAD.replace("2024-01-01", "2024-02-30"), 7, "no such day"),
    "a word for a day": (HEAD.replace("2024-01-01", "soon"), 7, "soon"),
    "an unknown event": (
        HEAD.replace("  articles:", "  status_history:\n    - {on: 2024-01-01, event: party}\n  articles:"),
        9,
        "party",
    ),
    "an event that says nothing": (
        HEAD.replace("  articles:", "  status_history:\n    - {on: 2024-01-01}\n  articles:"),
        9,
        "",
    ),
    "a dependency that is not there": (
        HEAD.replace("  articles:", "  depends_on: [nowhere]\n  articles:"),
        8,
        "nowhere",
    ),
    "one instrument twice": (HEAD + HEAD.removeprefix("instruments:\n"), 10, "a second time"),
    "a table for nobody": (
        HEAD + "equivalence:\n- {instrument: z, article: '1', columns: [A], rows: [[x]]}\n",
        11,
        "'z'",
    ),
    "a crooked table": (
        HEAD + "equivalence:\n- {instrument: syn-a-b, article: '1', columns: [A, B], rows: [[x]]}\n",
        11,
        "1 levels under 2",
    ),
    "an anchor": (HEAD.replace("title: Invented", "title: &t Invented"), 3, "anchor"),
    "a tag": (HEAD.replace("title: Invented", "title: !!python/name:os.system Invented"), 3, "tag"),
    "an end before the beginning": (
        HEAD.replace("  articles:", "  ends: 2023-01-01\n  articles:"),
        8,
        "ends before",
    ),
    "a zone that is none": (HEAD.replace("  articles:", "  timezone: Mars/Olympus\n  articles:"), 8, "Mars"),
    "broken YAML": (HEAD + "  - : [\n", 10, "YAML"),
    "a list": ("- a\n", 1, "mapping"),
    "a word": ("hello\n", 1, "mapping"),
}


@pytest.mark.parametrize(("text", "line", "says"), BAD.values(), ids=BAD.keys())
def test_bad_instruments_are_refused_with_their_line(text, line, says):
    with pytest.raises(SecretariatError) as refused:
        loaded(text)
    assert str(refused.value.where).startswith(f"test.yaml:{line}"), refused.value
    assert says in refused.value.what


def test_all_errors_of_a_file_are_listed_in_the_order_of_lines():
    text = HEAD.replace("title: Invented", "titel: Invented").replace("PURPOSE", "PURPOS")
    found = problems(read(text.encode(), "x.yaml"), schema("instruments"))
    assert [where.split(" ")[0] for where, _ in found] == ["x.yaml:2", "x.yaml:3", "x.yaml:9"]


def test_not_utf8_is_refused_with_its_line():
    with pytest.raises(InputError) as refused:
        read(HEAD.encode() + b"# \xff\n", "x.yaml")
    assert refused.value.where == "x.yaml:10"


def test_deep_nesting_is_refused():
    with pytest.raises(SecretariatError, match="nested deeper"):
        read(("[" * 100 + "]" * 100).encode(), "x.yaml")
    with pytest.raises(SecretariatError, match="nested deeper"):
        read(("[" * 100 + "]" * 100).encode(), "x.json")


def test_norway_stays_a_word():
    book = loaded(HEAD.replace("[A, B]", "[NO, on]"))
    assert book.instruments["syn-a-b"].parties == ("NO", "on")


def test_json_is_read_with_lines():
    head = '{\n "instruments": [\n  {"id": "syn-a-b", "title": "t", "kind": "mou",\n'
    text = head + '   "wrong": 1, "articles": []}]}'
    with pytest.raises(InputError) as refused:
        loaded(text, "x.json")
    assert refused.value.where == "x.json:4 /instruments/0/wrong"
    with pytest.raises(InputError, match="a second time") as refused:
        loaded('{"meta": {},\n"meta": {}}', "x.json")
    assert refused.value.where == "x.json:2"
    with pytest.raises(InputError, match="JSON"):
        loaded('{"meta": {}', "x.json")


def test_json_under_another_name_is_read():
    assert read(b'{\n\t"cases": [{"from": "A",\t"to": "B"}]}', "cases.txt").value["cases"][0]["to"] == "B"


def test_readings_are_added_only_to_the_very_same_article():
    text = HEAD.replace("syn-a-b", "tisa-2014").replace(
        '{art: "1", rule: PURPOSE, purposes: [x]}', '{art: "1", rule: PURPOSE, says: something else}'
    )
    assert loaded(text).instruments["tisa-2014"].articles[0].get("purposes") is None
    assert package_book().instruments["tisa-2014"].articles[0].get("purposes") == ("dprk_nuclear_missile",)


def test_the_package_keeps_its_own_schema():
    assert problems(package_source(), schema("instruments")) == []


def test_two_files_may_not_hold_one_instrument(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD)
    with pytest.raises(InputError, match="stands in two files"):
        load([tmp_path / "a.yaml", tmp_path / "b.yaml"])


BAD_CASES = {
    "an unknown key": ("cases:\n- {from: A, to: B, wish: x}\n", 2, "wish"),
    "an unknown key of the object": (
        "cases:\n- from: A\n  to: B\n  object: {tlp: RED, colour: x}\n",
        4,
        "colour",
    ),
    "an unknown key of a consent": ("cases:\n- from: A\n  to: B\n  consents: [{by: A, for: B}]\n", 4, "for"),
    "an unknown key of a parent": (
        "cases:\n- from: A\n  to: B\n  object: {derived_from: [{orig: A, x: y}]}\n",
        4,
        "x",
    ),
    "no recipient": ("cases:\n- {from: A}\n", 2, "'to' is missing"),
    "an expectation that is none": ("cases:\n- {from: A, to: B, expected: perhaps}\n", 2, "perhaps"),
    "a day that is none": ("cases:\n- {from: A, to: B, on: 2024-13-01}\n", 2, "2024-13-01"),
    "no cases": ("instruments: []\n", 1, "no `cases`"),
}


@pytest.mark.parametrize(("text", "line", "says"), BAD_CASES.values(), ids=BAD_CASES.keys())
def test_bad_cases_are_refused_with_their_line(text, line, says):
    with pytest.raises(InputError) as refused:
        read_cases(read(text.encode(), "cases.yaml"), date(2026, 1, 1))
    assert str(refused.value.where).startswith(f"cases.yaml:{line}"), refused.value
    assert says in refused.value.what
