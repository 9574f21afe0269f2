"""Twelve words over the telephone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.exchange.fingerprint import fingerprint, same_fingerprint


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_is_twelve_speakable_words_and_its_own(key):
    words = fingerprint("KR", key)
    assert len(words.split()) == 12
    assert all(len(word) == 5 and word.isascii() for word in words.split())
    assert same_fingerprint("KR", key, words.upper().replace(" ", "-"))


def test_one_party_cannot_use_the_words_of_another():
    assert not same_fingerprint("JP", b"\x01" * 32, fingerprint("KR", b"\x01" * 32))


@pytest.mark.parametrize("words", ["", "lusab babad", "x" * 60, " ".join(["hello"] * 12)])
def test_what_is_no_fingerprint_says_why(words):
    with pytest.raises(InputError):
        same_fingerprint("KR", b"\x01" * 32, words)
