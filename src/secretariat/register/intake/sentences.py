"""Where sentences, lines and paragraphs of a text begin and end, in four languages, as offsets.

Rules: a full stop after an abbreviation or an initial ends nothing; a footnote mark after the stop belongs to
its sentence; a line that was only wrapped goes on; list items and headings are sentences of their own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

_END = re.compile(
    r"[。！？｡]+[」』”’）)\"]*(?:[（(]\s*(?:脚注|注|各注|주)[^）)]{0,8}[）)])?"
    r"|[.!?]+[”’\"')\]」]*(?:\(\s*(?:footnote|fn|note)\s*[:.]?\s*[^)]{0,6}\)|\[\d{1,3}\])+"
    r"|[.!?]+[”’\"')\]」]*(?=\s|$)"
    r"|；"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Gen|Lt|Col|Adm|Sen|Rep|Gov|St|No|Nos|Art|art|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct"
    r"|Nov|Dec|Inc|Ltd|Co|Corp|vs|etc|cf|e\.g|i\.e|U\.S|U\.K|U\.N|D\.C|P\.R|R\.O|approx|para|pp?|tel|vol|ed|eds)"
    r"|\b[A-Z]|\d)\.$"
)
_BULLET = re.compile(
    r"\s*(?:[-*•・○◦□■◯▪●◆]|\(?\d{1,2}[.)]|[一二三四五六七八九十]{1,2}[、．.　 ]|[가-하][.)]|第[一二三四五六七八九十\d]+[条项項]|[①-⑳])"
)
LONGEST = 2_000
"""Letters of a sentence: what runs on longer is no sentence, and is cut."""
_BEFORE = 40
"""Letters before a full stop that say whether it ends an abbreviation."""
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Give the paragraphs: blocks between empty lines."""
    found, start = [], 0
    for gap in re.finditer(r"\n[ \t\u3000\xa0\r]*\n\s*", text):
        if text[start : gap.start()].strip():
            found.append((start, gap.start()))
        start = gap.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found


def sentences(text: str) -> list[tuple[int, int]]:
    """Give the sentences, without the white space around them."""
    found: list[tuple[int, int]] = []
    for start, end in paragraphs(text):
        for line_start, line_end in _lines(text, start, end):
            found += _in_line(text, line_start, line_end)
    return found


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Give the lines of a paragraph, wrapped ones joined."""
    joined: list[tuple[int, int]] = []
    at, before = start, ""
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop]
        if joined and _goes_on(before, line):
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((at, stop))
        at, before = stop + 1, line
    return joined


def _goes_on(before: str, line: str) -> bool:
    last = before.rstrip()
    if (
        not last
        or not line.strip()
        or _BULLET.match(line)
        or last.endswith(("。", ":", "：", ".", "!", "?", ";"))
    ):
        return False
    if _WIDE.search(last[-1]) or last[-1] in "、，,":
        return len(last) >= 28 and (line[:1] not in " \u3000")
    first = line.lstrip()[0]
    return len(last) >= 45 and (first.islower() or last[-1] in ",-" or (first.isalnum() and len(last) >= 60))


def _in_line(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found, at = [], start
    for stop in _END.finditer(text, start, end):
        head = text[max(at, stop.start() - _BEFORE) : stop.start() + 1]
        if (
            text[stop.start()] == "."
            and _ABBREVIATION.search(head[-12:])
            and _follows(text, stop.end(), end, head)
        ):
            continue
        found.append((at, stop.end()))
        at = stop.end()
    found.append((at, end))
    short = (piece for one in found for piece in _cut(text, *one))
    return [trimmed for one in short if (trimmed := _trim(text, *one))[0] < trimmed[1]]


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what ends nowhere at a blank or comma, so that no rule looks through a whole book at once."""
    while end - start > LONGEST:
        comma = max(text.rfind(one, start + LONGEST // 2, start + LONGEST) for one in " \n，、,")
        stop = comma + 1 if comma >= 0 else start + LONGEST
        yield start, stop
        start = stop
    yield start, end


def _follows(text: str, at: int, end: int, head: str) -> bool:
    """Whether the sentence goes on after what looks like an abbreviation."""
    rest = text[at : min(end, at + 24)].lstrip()
    if not rest:
        return False
    if head[-2:-1].isdigit():  # "2. " opens an item; "on the 5." or "2018. 12. 19."
        return rest[0].isdigit() or rest[0].islower() or len(head.strip()) <= 4
    if re.search(r"(?:U\.S|D\.C|U\.K|U\.N)\.$", head):
        return not re.match(
            r"(?:The|In|On|It|This|They|He|She|But|Yet|As|At|After|However|Some|When)\b", rest
        )
    return True


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] == "\u3000"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == "\u3000"):
        end -= 1
    return start, end


class Places:
    """Answers which sentence and which paragraph an offset lies in."""

    def __init__(self, text: str) -> None:
        self.sentences = sentences(text)
        self.paragraphs = paragraphs(text)
        self._sentence_starts = [start for start, _end in self.sentences]
        self._paragraph_starts = [start for start, _end in self.paragraphs]

    def sentence(self, at: int) -> int:
        """Give the number of the sentence at an offset."""
        return max(0, bisect_right(self._sentence_starts, at) - 1)

    def paragraph(self, at: int) -> int:
        """Give the number of the paragraph at an offset."""
        return max(0, bisect_right(self._paragraph_starts, at) - 1)
