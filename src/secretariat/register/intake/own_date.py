"""The document's own date: from what the file says of itself, a line that names it, or a date line at the top.

Rules: a line that calls itself the date of publication wins over metadata (which often tells when a copy was
made); a date standing alone near the top comes next; nothing else is guessed, an officer may set it.
"""

from __future__ import annotations

import re
from datetime import date

from secretariat.register.intake.dates import read_dates
from secretariat.register.intake.model import When

_NAMED = re.compile(
    r"(?:initial disclosure(?: date)?|first published|date of (?:first )?(?:disclosure|publication|issue)|published(?: on)?"
    r"|publication date|posted(?: on)?|issued(?: on)?|release date|for immediate release|^\s*date|^\s*updated"
    r"|初回公開日?|公開日|発表日|発行日|掲載日|配信日?|更新日?|日時|日付|作成日"
    r"|최초 ?공개일?|입력|등록일?|게시일|작성일|보도일시?|일시|배포일?|승인|기사입력|발행일?"
    r"|发布(?:时间|日期)?|發[佈布](?:時間|日期)?|时间|時間|日期|来源.{0,12})\s*[:：]?\s*\(?$",
    re.IGNORECASE | re.MULTILINE,
)
_TOP = 900
_LINE = 64


def own_date(text: str, *, stated: date | None = None, lang: str = "en") -> tuple[date | None, str]:
    """Give the document's own day and how it was found; None with the reason when nothing says it."""
    head = text[:_TOP]
    days = [one for one in read_dates(head, lang=lang) if _whole(one)]
    for one in days:
        line_start = head.rfind("\n", 0, one.start) + 1
        if _NAMED.search(head[line_start : one.start].rstrip() or "\n"):
            return date.fromisoformat(
                one.first or ""
            ), f"the text names it: {head[line_start : one.end].strip()!r}"
    for one in days:
        line_start, line_end = head.rfind("\n", 0, one.start) + 1, head.find("\n", one.end)
        line = head[line_start : line_end if line_end >= 0 else len(head)]
        if len(line.strip()) <= _LINE and not re.search(r"[.。]\s*$", line.strip()[len(one.text) :] or ""):
            rest = (line[: one.start - line_start] + line[one.end - line_start :]).strip(
                " \t,，、()（）-–—:：/　"
            )
            if len(rest) <= 40:
                return date.fromisoformat(
                    one.first or ""
                ), f"stands in a line of its own near the top: {line.strip()!r}"
    tail = text[-600:]
    sent = [one for one in read_dates(tail, lang=lang) if _whole(one)]
    for one in sent:
        if re.match(r"\s*(?:\d\d:\d\d\s*)?(?:sent|송고|配信)", tail[one.end : one.end + 16], re.IGNORECASE):
            return date.fromisoformat(
                one.first or ""
            ), f"the foot of the text says when it was sent: {one.text!r}"
    if stated is not None:
        return stated, "the file says it of itself"
    return None, "neither the file nor a line near the top names it"


def _whole(one: When) -> bool:
    return (
        one.state == "resolved" and one.precision == "day" and one.how == "written" and one.first == one.last
    )
