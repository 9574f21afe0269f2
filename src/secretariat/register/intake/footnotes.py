"""Footnotes and lists of related information: sources that the document cites, as data.

Rules: a list begins with a heading of its own; an item begins with its number and goes on to the next one;
"ibid." repeats the source before it. A mark in the text ((footnote:ⅳ), [4], （脚注4）) points to a number.
"""

from __future__ import annotations

import re
import unicodedata

from secretariat.register.intake.fold import addresses, fold
from secretariat.register.intake.model import Cited, When

_HEADING = re.compile(
    r"^[ \t\u3000#*■□【]*(?:related information|related links?|references?|notes?|footnotes?|endnotes?|sources?|bibliography|further reading"
    r"|関連情報|関連リンク|参考(?:文献|資料|情報)?|脚注|注釈?|出典|관련 ?정보|관련 ?자료|참고(?:문헌|자료)?|각주|출처"
    r"|相关(?:信息|链接)|相關(?:資訊|連結)|参考(?:文献|资料)|參考(?:文獻|資料)|注释|註釋|附注|来源)s?[ \t】]*[:：]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(
    r"^[ \t\u3000]*(?:[-•*][ \t]+)?[\[(（]?(\d{1,3}|[ⅰ-ⅿⅠ-Ⅿ]|[①-⑳])[\])）.．、:：]?[ \t\u3000]+(?=\S)|^[ \t\u3000]*(?:[-•*][ \t]+)?[\[(（]?(\d{1,3})[\])）.．、](?=\S)",
    re.MULTILINE,
)
_MARK = re.compile(
    r"[(（]\s*(?:footnote|fn|note|脚注|注|각주|주|註)\s*[:：.]?\s*(\d{1,3}|[ⅰ-ⅿⅠ-Ⅿ])\s*[)）]|\[(\d{1,3})\]|([①-⑳])",
    re.IGNORECASE,
)
_TITLE = re.compile(r"[“\"「『《](.{4,400}?)[”\"」』》]", re.DOTALL)
_STOP = re.compile(
    r"^[ \t\u3000]*(?:[•*©]|copyright|leave a comment|all rights)", re.IGNORECASE | re.MULTILINE
)


def number_of(mark: str) -> str:
    """Give the plain number of a footnote mark."""
    folded = unicodedata.normalize("NFKC", mark)
    if folded.isdigit():
        return folded
    values = {"i": 1, "v": 5, "x": 10, "l": 50}
    digits = [values.get(one, 0) for one in folded.lower()]
    total = sum(
        -one if at + 1 < len(digits) and one < digits[at + 1] else one for at, one in enumerate(digits)
    )
    return str(total)


def section(text: str) -> int:
    """Give where the list of sources begins; the length of the text when there is none."""
    found = [one for one in _HEADING.finditer(text) if one.start() > len(text) // 4]
    for one in found:
        if _ITEM.search(text, one.end(), min(len(text), one.end() + 400)):
            return one.start()
    return len(text)


def read_sources(text: str, dates: list[When]) -> list[Cited]:
    """Give the sources that the list at the end names."""
    start = section(text)
    if start == len(text):
        return []
    body = text.find("\n", start)
    items = list(_ITEM.finditer(text, body if body >= 0 else len(text)))
    found: list[Cited] = []
    for at, item in enumerate(items):
        end = items[at + 1].start() if at + 1 < len(items) else _end(text, item.end())
        for part_start, part_end in _parts(text, item.end(), end):
            found.append(_cited(text, number_of(item[1] or item[2]), part_start, part_end, dates, found))
    return found


def _end(text: str, at: int) -> int:
    gap = re.compile(r"\n\s*\n").search(text, at)
    stop = _STOP.search(text, at)
    ends = [one.start() for one in (gap, stop) if one is not None]
    return min(ends, default=len(text))


def _parts(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Split an item that names two sources: each has an address of its own and begins a line."""
    links = addresses(text[start:end])
    if len(links) < 2:
        return [(start, end)]
    cuts, at = [], start
    for _s, e in links[:-1]:
        line = text.find("\n", start + e, end)
        if line >= 0 and text[line:end].strip():
            cuts.append((at, line))
            at = line
    return [*cuts, (at, end)]


def _cited(text: str, number: str, start: int, end: int, dates: list[When], before: list[Cited]) -> Cited:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    piece = text[start:end]
    links = addresses(piece)
    url = piece[links[0][0] : links[0][1]].rstrip(".,;)") if links else None
    title = _TITLE.search(piece)
    when = [one for one in dates if start <= one.start < end and one.state == "resolved"]
    outside = [one for one in when if title is None or not title.start() <= one.start - start < title.end()]
    day = (outside or when)[-1].first if when else None
    publisher = re.split(r"[,，、“\"「『《]", piece, maxsplit=1)[0].strip(" .:：") or None
    same = None
    if re.search(r"\bibid|同上|同前|위의 글", fold(piece), re.IGNORECASE):
        same = _repeated(publisher, before)
    return Cited(
        start=start,
        end=end,
        number=number,
        publisher=None if publisher is None else publisher[:200],
        title=None if title is None else " ".join(title[1].split())[:300].rstrip(","),
        date=day,
        url=url,
        same_as=same,
    )


def _repeated(publisher: str | None, before: list[Cited]) -> str | None:
    """Give the number that ibid. repeats: the same publisher's last one, else the one before."""
    full = [one for one in before if one.same_as is None]
    named = [one for one in full if publisher and one.publisher == publisher]
    return (named or full)[-1].number if full else None


def marks(text: str, start: int, end: int) -> tuple[str, ...]:
    """Give the numbers of the footnotes marked in a stretch of text."""
    found = [number_of(next(one for one in m.groups() if one)) for m in _MARK.finditer(text, start, end)]
    return tuple(dict.fromkeys(found))
