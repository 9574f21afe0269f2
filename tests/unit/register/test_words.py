"""Words of a quotation: no script lets a page pass as one word."""

from __future__ import annotations

import pytest

from secretariat.register.words import quoted_words

COUNTED = {
    "": 0,
    "is to be launched in 2009": 6,
    "… – ,": 0,
    "韓国とのサイバー協議": 4,
    "두 나라는 협의체를 열기로 했다": 5,
    "中日韩三国": 2,
    "サイバー2012年": 3,
    "あ" * 160: 50,
    "あ" * 161: 51,
}


@pytest.mark.parametrize("text", COUNTED)
def test_words_are_counted_in_every_script(text):
    assert quoted_words(text) == COUNTED[text]
