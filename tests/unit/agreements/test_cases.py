"""The public cases, and what a stranger may write: each by name."""

from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from secretariat.agreements.book import package_book
from secretariat.agreements.cases import book_of, read_cases, run
from secretariat.agreements.reading import read

PUBLIC = resources.files("secretariat.agreements").joinpath("data/cases.yaml").read_bytes()
HOSTILE = (Path(__file__).parent / "hostile.yaml").read_bytes()
TODAY = date(2026, 11, 22)


def ran(data, name):
    return run(package_book(), read_cases(read(data, name), TODAY))


@pytest.mark.parametrize("one", ran(PUBLIC, "cases.yaml"), ids=lambda one: one.case.key)
def test_public_case(one):
    assert one.differs == (), one.decision


@pytest.mark.parametrize("one", ran(HOSTILE, "hostile.yaml"), ids=lambda one: one.case.key)
def test_hostile_case(one):
    assert one.differs == (), one.decision


def test_every_refusal_says_what_is_missing():
    for one in ran(HOSTILE, "hostile.yaml") + ran(PUBLIC, "cases.yaml"):
        if one.decision.outcome == "deny":
            assert one.decision.missing is not None, one.case.key
            assert one.decision.missing.text, one.case.key
            assert one.decision.because or one.decision.article == "default-deny", one.case.key


def test_the_same_question_has_the_same_answer_from_a_book_read_again():
    from secretariat.agreements.book import build, package_source

    again = build(package_source(), readings=False)
    for one in ran(HOSTILE, "hostile.yaml"):
        if not one.case.parties:
            assert run(again, [one.case])[0].decision == one.decision


def test_the_trace_names_every_article_of_every_instrument_that_names_the_pair():
    (one,) = [one for one in ran(PUBLIC, "cases.yaml") if one.case.key == "c02"]
    tried = {row.ref for row in one.decision.trace}
    treaty = package_book().instruments["jp-rok-gsomia-2016"]
    assert {treaty.ref(article.art) for article in treaty.articles} <= tried
    assert any(ref.startswith("tisa-2014/") for ref in tried)
    assert all(row.why for row in one.decision.trace)


INVENTED = read((Path(__file__).parent / "invented.yaml").read_bytes(), "invented.yaml")


@pytest.mark.parametrize(
    "one", run(book_of(INVENTED), read_cases(INVENTED, TODAY)), ids=lambda one: one.case.key
)
def test_rules_of_invented_instruments(one):
    assert one.differs == (), one.decision
