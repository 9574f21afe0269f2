"""Dates in documents: the language's own form, as precise as is known; pages keep ISO (screens.md)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import get_month_names

from secretariat.register.times import parse

_FORMS: dict[str, tuple[str, str, str]] = {
    "en": ("{d} {month} {y}", "{month} {y}", "{y}"),
    "ja": ("{y}年{m}月{d}日", "{y}年{m}月", "{y}年"),
    "ko": ("{y}년 {m}월 {d}일", "{y}년 {m}월", "{y}년"),
    "zh-Hans": ("{y}年{m}月{d}日", "{y}年{m}月", "{y}年"),
}
_TO = {"en": " to ", "ja": "～", "ko": "~", "zh-Hans": "至"}


def written(value: date | str | None, language: str) -> str:
    """Write a day, or a text of a year, a month or a day, in a language's own form; nothing as a dash."""
    if value is None or value == "":
        return "–"
    precision = "day"
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, str):
        moment = parse(value)
        precision, value = moment.precision, moment.first
    day, month, year = _FORMS.get(language, _FORMS["en"])
    form = {"year": year, "month": month}.get(precision, day)
    name = get_month_names("wide", locale="en")[value.month]
    return form.format(y=value.year, m=value.month, d=value.day, month=name)


def span(first: str | None, last: str | None, language: str) -> str:
    """Write from when to when; the second only where it says more."""
    if first is None:
        return "–"
    if last is None or last == first:
        return written(first, language)
    return f"{written(first, language)}{_TO.get(language, _TO['en'])}{written(last, language)}"


def clock(moment: datetime, zone: str, language: str) -> str:
    """Write a moment to the minute in a zone, with the zone's name."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{written(at.date(), language)} {at:%H:%M} {zone}"
