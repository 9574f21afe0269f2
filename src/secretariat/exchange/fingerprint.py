r"""A key's fingerprint as twelve words that two people read to each other over a second channel.

The words are proquints (Wilkerson, arXiv:0901.4016): each spells 16 bits as consonant-vowel-consonant-
vowel-consonant, so they can be spoken in any of our languages and need no word list. Twelve words carry
192 bits of SHA-256("secretariat/root\\n" ‖ party ‖ "\\n" ‖ root key).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from secretariat.base.errors import InputError

WORDS: Final = 12
_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"


def _word(value: int) -> str:
    return (
        _CONSONANTS[value >> 12 & 15]
        + _VOWELS[value >> 10 & 3]
        + _CONSONANTS[value >> 6 & 15]
        + _VOWELS[value >> 4 & 3]
        + _CONSONANTS[value & 15]
    )


def fingerprint(party: str, root_key: bytes) -> str:
    """Give the twelve words of a party's root key."""
    digest = hashlib.sha256(b"secretariat/root\n" + party.encode() + b"\n" + root_key).digest()
    return " ".join(_word(int.from_bytes(digest[2 * n : 2 * n + 2], "big")) for n in range(WORDS))


def same_fingerprint(party: str, root_key: bytes, words: str) -> bool:
    """Whether the words read out are this key's; case, hyphens and spaces do not matter.

    Refuses words that cannot be a fingerprint (wrong number, letters no word has), naming the first.
    """
    given = re.split(r"[\s,\-]+", words.strip().lower())
    if len(given) != WORDS:
        raise InputError(f"a fingerprint has {WORDS} words, not {len(given)}", where="--fingerprint")
    shape = re.compile(rf"([{_CONSONANTS}][{_VOWELS}]){{2}}[{_CONSONANTS}]")
    for number, word in enumerate(given, 1):
        if shape.fullmatch(word) is None:
            raise InputError(
                f"{word!r} is no word of a fingerprint",
                where=f"--fingerprint, word {number}",
                advice="ask for it to be read again",
            )
    return hmac.compare_digest(" ".join(given), fingerprint(party, root_key))
