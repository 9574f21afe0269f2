"""Words: every string of pages is in the Japanese and Korean catalogues, and its places fit."""

from __future__ import annotations

import re

import pytest

from secretariat.agreements.book import package_book
from secretariat.agreements.titles import TITLES
from secretariat.app import build
from secretariat.ledger.entries import kinds
from secretariat.ledger.people_pages import KIND_WORDS as ENTRY_WORDS
from secretariat.people.model import SENTENCES
from secretariat.people.pages import SENTENCE_WORDS
from secretariat.web import words

PLACES = re.compile(r"%\([a-z]+\)[sd]|\{\d+\}")


def entry(catalogue, key):
    context, sep, message = key.partition("\x04") if isinstance(key, str) else ("", "", key[0])
    return catalogue.get(message, context=context) if sep else catalogue.get(message or context)


@pytest.fixture(scope="module")
def wanted():
    return words.extract()


@pytest.mark.parametrize("tag", words.REQUIRED)
def test_no_string_is_missing(tag, wanted):
    catalogue = words.catalogue(tag)
    missing = {}
    for key, places in wanted.items():
        one = entry(catalogue, key)
        if one is None or not (one.string if isinstance(one.string, str) else all(one.string)):
            missing[key] = places
    assert missing == {}


def test_simplified_chinese_is_counted(wanted):
    catalogue = words.catalogue("zh-Hans")
    have = sum(bool(getattr(entry(catalogue, key), "string", "")) for key in wanted)
    print(f"zh-Hans: {have} of {len(wanted)}")  # noqa: T201  (counted, as promised)
    assert have > 0


@pytest.mark.parametrize("tag", [tag for tag in words.LANGUAGES if tag != "en"])
def test_places_in_a_translation_are_those_of_the_message(tag):
    for message in words.catalogue(tag):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, str) else message.id[-1]
        for text in [message.string] if isinstance(message.string, str) else message.string:
            if text:
                assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(ids)), ids


@pytest.mark.parametrize("tag", [tag for tag in words.LANGUAGES if tag != "en"])
def test_no_string_is_left_over(tag, wanted):
    known = {key if isinstance(key, str) else key[0] for key in wanted}
    extra = [
        m.id
        for m in words.catalogue(tag)
        if m.id
        and f"{m.context}\x04{m.id}" not in known
        and (m.context or (m.id if isinstance(m.id, str) else m.id[0]) not in known)
    ]
    assert extra == []


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.5", "ko"),
        ("fr,ja;q=0.4", "ja"),
        ("zh-CN", "zh-Hans"),
        ("", "en"),
        ("de", "en"),
        (";;q=x,,", "en"),
        ("en;q=0.1,ja;q=0.9", "ja"),
    ],
)
def test_language_of_a_browser(accept, expected):
    assert words.negotiate(accept) == expected


def test_a_withdrawn_report_and_a_party_that_withdrew_are_two_words():
    words.set_language("ja")
    try:
        assert words.pgettext("instrument", "withdrawn") != words.gettext("withdrawn")
    finally:
        words.set_language("en")
    assert words.pgettext("instrument", "withdrawn") == "withdrawn"


def test_every_title_of_the_package_is_in_the_pages_languages():
    assert {one.title for one in package_book().instruments.values()} == set(TITLES)


def test_every_kind_of_entry_and_every_right_has_its_word():
    assert build, "every part has registered its kinds"
    assert set(ENTRY_WORDS) == set(kinds())
    assert set(SENTENCE_WORDS) == set(SENTENCES.values())
