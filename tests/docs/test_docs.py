"""The documentation is held to the code: commands, routes, settings, links, tests named as evidence."""

from __future__ import annotations

import ast
import re
import runpy
from functools import cache
from pathlib import Path

import pytest

PAGES = runpy.run_path(str(Path(__file__).with_name("generated.py")))["PAGES"]
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TEXTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_say_what_the_program_does(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run make docs"


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_decision_stands_in_the_list_of_decisions() -> None:
    listed = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in (DOCS / "adr").glob("0*.md") if f"({path.name})" not in listed] == []


def test_words_of_the_glossary_are_in_order_and_explained_once() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8").split("| abbreviation |")[0]
    words = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert words == sorted(set(words), key=str.casefold)


def test_make_targets_named_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", readme)) <= targets


def attacks() -> list[tuple[str, str, str]]:
    """Give (number, attack, evidence) of each row of the table of attacks."""
    page = (DOCS / "security.md").read_text(encoding="utf-8").split("## Attacks and defences")[1]
    rows = [line.strip("|").split("|") for line in page.splitlines() if re.match(r"\| \d", line)]
    return [(row[0].strip(), row[1].strip(), row[3].strip()) for row in rows]


@pytest.mark.parametrize(("number", "attack", "evidence"), attacks())
def test_every_defence_names_a_test_or_says_that_there_is_none(
    number: str, attack: str, evidence: str
) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", evidence)
    assert attack
    assert named or "not yet defended" in evidence, number
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


def test_attacks_are_numbered_from_one_without_gap_or_repetition() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs/security.md").read_text(), re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, len(rows) + 1))


def test_there_are_at_least_fifteen_attacks_with_evidence() -> None:
    assert sum("`tests/" in evidence for _, _, evidence in attacks()) >= 15


@cache
def names_in(path: str) -> frozenset[str]:
    """Give the names of the tests in one file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
