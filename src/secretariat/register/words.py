"""Words to search by: Latin words as they are, Chinese, Japanese and Korean text as pairs of letters.

Rules (decisions.md 6): text is folded by NFKC and case; a run of Han, kana or Hangul letters becomes its
overlapping pairs (a single letter stays single), so that any part of two letters and more is found without a
dictionary; everything else becomes words of letters and digits. A search wants all of its words.
"""

from __future__ import annotations

import re
import unicodedata

_CJK = "぀-ヿㇰ-ㇿ㐀-䶿一-鿿豈-﫿가-힯ᄀ-ᇿ々〆"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_LONGEST = 200


def lexemes(text: str) -> list[str]:
    """Give the words of a text, each once, in order."""
    if text.isascii():
        return list(dict.fromkeys(one[:_LONGEST] for one in _RUN.findall(text.lower())))
    found: dict[str, None] = {}
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _IS_CJK.match(run) is None:
            found[run[:_LONGEST]] = None
        elif len(run) == 1:
            found[run] = None
        else:
            found.update(dict.fromkeys(run[at : at + 2] for at in range(len(run) - 1)))
    return list(found)


_HAN = re.compile(r"[\u3005\u3006\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def quoted_words(text: str) -> int:
    """Count the words of a quotation: between spaces one each; 16 Han and kana letters make five.

    Chinese and Japanese have no spaces, so a count by spaces would let whole pages pass as one
    word. 160 letters are 50 words, as intake cuts them.
    """
    count = 0
    for one in unicodedata.normalize("NFKC", text).split():
        letters = len(_HAN.findall(one))
        rest = re.search(r"[^\W_]", _HAN.sub("", one)) is not None
        count += -(-letters * 5 // 16) + rest
    return count
