"""What a record is about, told by its words: themes of cooperation with their cues in four languages.

A theme is a purpose (share warnings, keep a register, hold talks), never a party and never a name. The cues
(data/themes.yaml) serve both ways of comparing: they are what joins a Korean title to an English one where no
model of meaning is installed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

import msgspec

GENERAL = frozenset({"standing talks", "cyber security", "defence"})
"""Themes that tell a form or a field rather than a purpose: they weigh half."""


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = resources.files(__package__).joinpath("data", "themes.yaml").read_bytes()
    themes = msgspec.yaml.decode(text, type=dict[str, dict[str, list[str]]])
    return tuple(
        (theme, re.compile("|".join(_pattern(cue) for cues in languages.values() for cue in cues)))
        for theme, languages in themes.items()
    )


def _pattern(cue: str) -> str:
    folded = unicodedata.normalize("NFKC", cue).casefold()
    if not folded.isascii():
        return re.escape(folded)
    whole = r"(?!\w)" if folded.endswith(" ") else ""
    return rf"(?<!\w){re.escape(folded.strip())}{whole}"


def themes_of(text: str) -> frozenset[str]:
    """Give the themes whose cues stand in the text."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(theme for theme, pattern in _patterns() if pattern.search(folded))
