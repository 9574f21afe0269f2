"""docs/agreements.md names every key and rule of the schemas, and its examples run."""

import re
from datetime import date
from pathlib import Path

from secretariat.agreements.book import build, check, schema
from secretariat.agreements.cases import read_cases, run
from secretariat.agreements.reading import read

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agreements.md").read_text(encoding="utf-8")


def keys(part):
    if isinstance(part, dict):
        yield from part.get("properties", {})
        for value in part.values():
            yield from keys(value)
    elif isinstance(part, list):
        for value in part:
            yield from keys(value)


def test_every_key_of_the_schemas_is_documented():
    wanted = {*keys(schema("instruments")), *keys(schema("cases"))} - {
        "what",
        "url",
        "members",
        "asks",
        "effect",
    }
    wanted -= {"schema", "rank_as", "who", "do", "by", "within"}
    assert sorted(key for key in wanted if f"`{key}`" not in PAGE) == []


def test_every_rule_is_documented():
    rules = schema("instruments")["$defs"]["article"]["properties"]["rule"]["enum"]
    assert [rule for rule in rules if f"| `{rule}` |" not in PAGE] == []


def test_the_examples_run():
    instruments, cases = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    source = read(instruments.encode(), "docs/agreements.md")
    check(source, schema("instruments"))
    book = build(source, readings=True)
    for one in run(book, read_cases(read(cases.encode(), "docs/agreements.md"), date(2026, 11, 22))):
        assert one.differs == (), one.decision
