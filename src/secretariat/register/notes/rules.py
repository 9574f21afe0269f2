"""The text of a note: plain paragraphs, a few marks at the beginning of a line, footnote marks `[^3]`.

1. A blank line ends a paragraph. `## ` begins a heading, `- ` a point of a list, `> ` a quotation. Nothing
   else is markup: stars, tags and addresses stand as they are typed.
2. `[^3]` names the third footnote. A mark without its footnote is refused; a footnote without a mark stands
   at the end and is told.
3. Footnotes are numbered in the order in which they are first marked; whoever inserts one in the middle need
   not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from secretariat.base.errors import InputError
from secretariat.register.paper.document import Block, Bullets, Heading, Para, Run, Runs

MARK = re.compile(r"\[\^(\d{1,3})\]")
FOOTNOTES_MAX = 200


def marks_of(text: str) -> tuple[int, ...]:
    """Give the numbers of the footnotes that a text marks, each once, in order."""
    return tuple(dict.fromkeys(int(found[1]) for found in MARK.finditer(text)))


def check(text: str, footnotes: int) -> None:
    """Refuse a text that marks a footnote which is not there."""
    for number in marks_of(text):
        if not 1 <= number <= footnotes:
            raise InputError(
                f"[^{number}] has no footnote: there are {footnotes}",
                where="text",
                advice="insert the footnote, or take the mark out",
            )


def renumbered(text: str, footnotes: int) -> tuple[str, tuple[int, ...]]:
    """Number footnotes by first mark: the text with new marks, and the old numbers in their new order."""
    marked = [one for one in marks_of(text) if 1 <= one <= footnotes]
    order = (*marked, *(one for one in range(1, footnotes + 1) if one not in marked))
    new = {old: place for place, old in enumerate(order, 1)}
    return MARK.sub(lambda found: f"[^{new.get(int(found[1]), int(found[1]))}]", text), order


def without(text: str, number: int) -> str:
    """Give a text without a footnote: its marks go, the marks behind it move down by one."""

    def moved(found: re.Match[str]) -> str:
        one = int(found[1])
        return "" if one == number else f"[^{one - 1}]" if one > number else found[0]

    return MARK.sub(moved, text)


def blocks_of(text: str, lang: str) -> tuple[Block, ...]:
    """Read a text into blocks (rule 1)."""
    found: list[Block] = []
    for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = part.strip("\n").split("\n")
        if all(one.startswith("- ") for one in lines):
            found.append(Bullets(tuple(runs_of(one[2:], lang) for one in lines)))
        elif all(one.startswith(">") for one in lines):
            found.append(Para(runs_of(" ".join(one[1:].strip() for one in lines), lang), "quote"))
        elif lines[0].startswith("## "):
            found.append(Heading(lines[0][3:].strip(), 1))
            rest = "\n".join(lines[1:]).strip()
            if rest:
                found.extend(blocks_of(rest, lang))
        elif part.strip():
            found.append(Para(runs_of(_lines(lines, lang), lang)))
    return tuple(found)


def _lines(lines: Iterable[str], lang: str) -> str:
    """Join the lines of a paragraph; Japanese and Chinese have no space there."""
    return ("" if lang.partition("-")[0] in {"ja", "zh"} else " ").join(one.strip() for one in lines)


def runs_of(text: str, lang: str) -> Runs:
    """Give text as runs, each footnote mark as the number after the words before it."""
    found: list[Run] = []
    at = 0
    for mark in MARK.finditer(text):
        words = text[at : mark.start()]
        at = mark.end()
        if words or not found:
            found.append(Run(words, lang=lang, notes=(int(mark[1]),)))
        else:
            found[-1] = msgspec.structs.replace(found[-1], notes=(*found[-1].notes, int(mark[1])))
    if text[at:]:
        found.append(Run(text[at:], lang=lang))
    return tuple(found)


def unmarked(text: str, footnotes: int) -> tuple[int, ...]:
    """Give the footnotes that no mark names."""
    marked = set(marks_of(text))
    return tuple(one for one in range(1, footnotes + 1) if one not in marked)
