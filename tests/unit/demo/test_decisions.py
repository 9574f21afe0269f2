"""What the story tells about MAY and NOT is what the engine answers from the same data."""

from __future__ import annotations

from datetime import date
from importlib.resources import files

import pytest

from secretariat.agreements.book import load, package_book
from secretariat.agreements.model import Consent, Decision, Facts, Question
from secretariat.agreements.rules import decide
from secretariat.records.markings import Label

BOOK = package_book().joined(load([files("secretariat.demo").joinpath("data/instruments.yaml")]))
ANNEX = Label("KR", level="II", scheme="ROK_MIL", kind="defence")
US_ITEM = Label("US", tlp="AMBER", level="U", scheme="US", controls=("OC",))
TODAY = date(2026, 11, 22)


def ask(
    sender: str,
    recipient: str,
    label: Label,
    *,
    on: date = TODAY,
    known: date | None = None,
    consents: tuple[Consent, ...] = (),
) -> Decision:
    facts = Facts(purpose="network_defence", consents=consents)
    return decide(BOOK, Question(sender, recipient, label, true=on, known=known, direct=True, facts=facts))


def test_the_day_after_the_attacks_there_was_no_instrument() -> None:
    answer = ask("KR", "JP", ANNEX, on=date(2013, 3, 21))
    assert (answer.outcome, answer.article) == ("deny", "default-deny")
    assert answer.missing is not None


def test_in_2017_the_agreement_of_2016_gives_the_equivalent_level() -> None:
    answer = ask("KR", "JP", ANNEX, on=date(2017, 3, 21))
    assert (answer.outcome, answer.article) == ("may", "jp-rok-gsomia-2016/4(2)")
    assert [mark.level for mark in answer.marks] == ["GOKUHI"]


def test_on_23_november_2019_it_depends_on_what_was_known() -> None:
    before = ask("KR", "JP", ANNEX, on=date(2019, 11, 23), known=date(2019, 11, 21))
    after = ask("KR", "JP", ANNEX, on=date(2019, 11, 23), known=date(2019, 11, 24))
    assert (before.outcome, after.outcome) == ("deny", "may")
    assert after.warnings


@pytest.mark.parametrize("recipient", ["CN", "JP", "US"])
def test_clear_needs_no_instrument(recipient: str) -> None:
    assert ask("KR", recipient, Label("KR", tlp="CLEAR")).article == "tlp-2/CLEAR"


@pytest.mark.parametrize("tlp", ["GREEN", "AMBER"])
def test_indicators_go_by_the_invented_annexes_and_nowhere_else(tlp: str) -> None:
    label = Label("KR", tlp=tlp)
    assert ask("KR", "JP", label).article == "syn-cyber-annex-jp-kr/3"
    assert ask("KR", "US", label).article == "syn-cyber-annex-kr-us/3"
    assert ask("KR", "CN", label).article == "default-deny"


def test_an_item_under_originator_control_needs_the_originators_word() -> None:
    word = Consent(by="US", to=("JP",), since=date(2026, 11, 1), until=date(2026, 12, 31))
    assert ask("KR", "JP", US_ITEM).article == "us-ism/OC"
    assert ask("KR", "JP", US_ITEM, consents=(word,)).outcome == "may"
    assert ask("KR", "CN", US_ITEM, consents=(word,)).outcome == "deny"


def test_every_invented_instrument_says_so() -> None:
    own = load([files("secretariat.demo").joinpath("data/instruments.yaml")])
    assert [
        one.key for one in own.instruments.values() if not one.synthetic or "Invented" not in one.title
    ] == []
