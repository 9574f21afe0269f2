"""Which of the four languages a text is written in, by its letters."""

from __future__ import annotations

import re

_KANA = re.compile(r"[\u3041-\u30fe]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")


def language(text: str) -> str:
    """Give en, ja, ko or zh: the script that carries the text; a few foreign names do not change it."""
    sample = text[:200_000]
    kana, hangul, han = (len(one.findall(sample)) for one in (_KANA, _HANGUL, _HAN))
    latin = len(_LATIN.findall(sample))
    wide = kana + hangul + han
    if wide * 4 < latin:
        return "en"
    if hangul > kana and hangul * 2 >= han:
        return "ko"
    if kana * 12 >= han:
        return "ja"
    return "zh" if han else "en"
