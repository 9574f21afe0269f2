"""Why two statements are near is said in the page's language; shared names and words stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from markupsafe import Markup

from secretariat.register.intake.wording import reason
from secretariat.register.overlap import rules, themes
from secretariat.register.overlap.model import Reason
from secretariat.register.overlap.wording import THEME_WORDS, because
from secretariat.web.words import set_language


@pytest.fixture(autouse=True)
def english_afterwards():
    yield
    set_language("en")


def test_every_theme_has_its_word():
    file = Path(rules.__file__).parent / "data" / "themes.yaml"
    assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) == set(THEME_WORDS)
    assert set(THEME_WORDS) >= themes.GENERAL


def test_what_was_shared_is_said_in_the_language_of_the_page():
    set_language("ko")
    said = Reason(feature="themes", value=1, weight=1, gives=0.3, because=("cyber security", "skills"))
    assert because(said) == "사이버 안보, 역량 강화"
    apart = Reason(feature="time", value=1, weight=1, gives=0.3, because=("12 days apart",))
    assert because(apart) == "12일 차이"
    assert because(Reason(feature="bodies", value=1, weight=1, gives=1, because=("kisa",))) == "kisa"


WHYS = (
    "written in full; the year stands with the second day",
    "'30/06/2010': written in full; day before month",
    "JP is what the text is mostly about; check; the text is written in ja",
    "2026-10-05 was a Monday, the text names another day of the week",
    "the text says 'held' about what was promised",
    "the text says 'postpone', the record does not",
    "the text says 2026-10-01, the record 2026-10-02",
    "a meeting after the promise",
)


@pytest.mark.parametrize("tag", ["ja", "ko", "zh-Hans"])
@pytest.mark.parametrize("why", WHYS)
def test_no_why_of_intake_stays_english(tag, why):
    set_language(tag)
    said = reason(why)
    assert 'lang="en"' not in said
    assert Markup(said).striptags() != why
