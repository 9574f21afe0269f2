"""Who is shown to whom is decided like everything else: by an article, and hidden in doubt."""

from __future__ import annotations

import json
from datetime import date

import pytest

from secretariat.agreements.book import book_of_bodies
from secretariat.agreements.model import MAY, Question
from secretariat.agreements.recompute import row_for
from secretariat.agreements.rules import decide
from secretariat.base.errors import SecretariatError
from secretariat.exchange import further
from secretariat.ledger.entries import Statement
from secretariat.records.markings import Label

YES = {"art": "7", "rule": "REGISTER", "recipients_shown": True}
NO = {"art": "8", "rule": "REGISTER", "recipients_shown": False}
SILENT = {"art": "6", "rule": "REGISTER"}
UNREAD = {**YES, "art": "9", "verification": "summary"}


def decided(*articles, tlp="AMBER"):
    body = {
        "id": "syn-a-b",
        "title": "Invented",
        "kind": "mou",
        "binding": True,
        "parties": ["AA", "BB"],
        "timezone": "UTC",
        "in_force": "2026-01-01",
        "articles": [
            {"art": "1", "rule": "AUDIENCE", "max_tlp": "AMBER", "verification": "read"},
            *({"verification": "read", **one} for one in articles),
        ],
    }
    book = book_of_bodies((json.dumps(body).encode(),))
    return decide(book, Question("AA", "BB", Label(orig="AA", tlp=tlp), date(2026, 11, 22)))


def shown(decision) -> str:
    """What the grant that this decision makes says to whoever reads it."""
    root = b"r" * 32
    row = row_for(decision, [root.hex()])
    rows = [{"objects": list(row.objects), "obligations": list(row.obligations)}]
    grant = Statement(
        1, "live", "aa", "grant", "AA", "2026-11-22T00:00:00.000000Z", {"to": "BB", "rows": rows}
    )
    return further.articles_in(grant, [root])[root]


@pytest.mark.parametrize(
    ("articles", "article"),
    [
        pytest.param([YES], "syn-a-b/7", id="an article says so"),
        pytest.param([SILENT, YES], "syn-a-b/7", id="beside one that is silent"),
        pytest.param([], "", id="no article"),
        pytest.param([SILENT], "", id="an article that says nothing"),
        pytest.param([NO], "", id="an article that says no"),
        pytest.param([YES, NO], "", id="two that contradict each other"),
        pytest.param([UNREAD], "", id="an article that nobody read"),
        pytest.param([YES, UNREAD], "", id="one that was read beside one that was not"),
    ],
)
def test_recipients_are_shown_only_where_the_granting_agreement_says_so(articles, article):
    decision = decided(*articles)
    assert decision.outcome == MAY
    assert shown(decision) == article


def test_what_goes_without_an_agreement_shows_nobody():
    decision = decided(YES, tlp="CLEAR")
    assert decision.outcome == MAY
    assert shown(decision) == ""


def test_the_explanation_names_the_article_either_way():
    codes = {one.ref: one.note.code for one in decided(YES).trace}
    assert codes["syn-a-b/7"] == "recipients.shown"
    codes = {one.ref: one.note.code for one in decided(YES, NO).trace}
    assert codes["syn-a-b/7"] == codes["syn-a-b/8"] == "recipients.hidden"


@pytest.mark.parametrize("value", ["yes", 1, "true", []])
def test_another_value_than_yes_or_no_hides(value):
    try:
        decision = decided({**YES, "recipients_shown": value})
    except SecretariatError:
        return  # refused at the door, which hides it too
    assert shown(decision) == ""
