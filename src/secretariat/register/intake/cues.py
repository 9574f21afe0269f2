"""Cue phrases: which words say that something was promised, held, signed, put off or not done.

Rules: a cue of weight 2 stands alone, one of weight 1 needs the words in `needs` in the same clause; words in
`unless` take it back. Patterns are data (data/cues.yaml); the letters are folded before.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

KINDS = (
    "absence",
    "status-change",
    "attack",
    "exercise",
    "commitment",
    "instrument",
    "meeting",
    "development",
    "statement",
)
_LATIN = re.compile(r"[a-z]{2}", re.IGNORECASE)
_WIDE = frozenset({"ja", "ko", "zh"})
_LANGUAGES = ("en", "ja", "ko", "zh", "any")


class Cue(NamedTuple):
    """One pattern and what it is a cue for."""

    kind: str
    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    weight: int
    why: str
    lang: str


class Hit(NamedTuple):
    """A cue found in a clause."""

    kind: str
    start: int
    end: int
    weight: int
    why: str


@cache
def _data() -> dict[str, Any]:
    text = resources.files("secretariat.register.intake").joinpath("data/cues.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return data


@cache
def cues() -> tuple[Cue, ...]:
    """Load the cues that ship with the program."""
    found = []
    for kind in KINDS:
        for row in _data()[kind]:
            lang = next(one for one in _LANGUAGES if one in row)
            needs, unless = row.get("needs"), row.get("unless")
            found.append(
                Cue(
                    kind,
                    _compiled(row[lang]),
                    None if needs is None else _compiled(needs),
                    None if unless is None else _compiled(unless),
                    row["weight"],
                    row["why"],
                    lang,
                )
            )
    return tuple(found)


def hits(clause: str) -> list[Hit]:
    """Give the cues in a folded clause, at most one per kind, strongest first."""
    best: dict[str, Hit] = {}
    silent = "en" if _LATIN.search(clause) is None else None
    plain = clause.isascii()
    for cue in cues():
        if cue.lang == silent or (plain and cue.lang in _WIDE):
            continue  # a pattern of a script that does not stand here
        found = cue.pattern.search(clause)
        if found is None or (cue.needs is not None and cue.needs.search(clause) is None):
            continue
        if cue.unless is not None and cue.unless.search(clause):
            continue
        hit = Hit(cue.kind, *found.span(), cue.weight, f"{found[0].strip()!r} {cue.why}")
        if cue.kind not in best or best[cue.kind].weight < hit.weight:
            best[cue.kind] = hit
    return sorted(best.values(), key=lambda hit: KINDS.index(hit.kind))


def said(table: str, text: str) -> tuple[str, str] | None:
    """Give what the first fitting row of a table (status, level, cadence) says, and the words."""
    for row in _data()[table]:
        for lang in _LANGUAGES:
            if lang in row and (found := _compiled(row[lang]).search(text)):
                return str(row["say"]), found[0]
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
