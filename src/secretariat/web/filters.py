"""How times, hashes and counts stand on a page: ISO dates in the zone shown, digits in groups."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from secretariat.web.said import said
from secretariat.web.words import gettext as _
from secretariat.web.words import language, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable

WEEKDAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "ja": tuple("月火水木金土日"),
    "ko": tuple("월화수목금토일"),
    "zh-Hans": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}

_zone: ContextVar[str] = ContextVar("zone", default="UTC")


def set_zone(zone: str) -> None:
    """Choose the zone in which this page shows times."""
    _zone.set(zone)


def day(value: date | datetime | str | None) -> Markup:
    """Write a date as ISO with its weekday: `2012-09-03 Mon`."""
    if value is None:
        return Markup("–")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return Markup("{}").format(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(ZoneInfo(_zone.get()))
    weekday = WEEKDAYS[language()][value.weekday()]
    return Markup('<time datetime="{0}">{0} <span class="weekday">{1}</span></time>').format(
        value.strftime("%Y-%m-%d"), weekday
    )


def moment(value: datetime | str | None) -> Markup:
    """Write a moment to the second in the zone shown, with its offset, and the exact stamp in `datetime`."""
    if value is None:
        return Markup("–")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return Markup("{}").format(value)
    zone = _zone.get()
    at = value.astimezone(ZoneInfo(zone))
    offset = at.strftime("%z")
    return Markup(
        '<time datetime="{}" title="{}">{} <span class="clock">{}</span><span class="zone">{}</span></time>'
    ).format(
        value.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        zone,
        at.strftime("%Y-%m-%d"),
        at.strftime("%H:%M:%S"),
        "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}",
    )


def ago(value: datetime, now: datetime) -> str:
    """Say how long ago, in the largest fitting unit."""
    seconds = max(0, int((now - value).total_seconds()))
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        minutes = seconds // 60
        return ngettext("%(num)d minute ago", "%(num)d minutes ago", minutes) % {"num": minutes}
    if seconds < 86400:
        hours = seconds // 3600
        return ngettext("%(num)d hour ago", "%(num)d hours ago", hours) % {"num": hours}
    days = seconds // 86400
    return ngettext("%(num)d day ago", "%(num)d days ago", days) % {"num": days}


def grouped(value: int) -> str:
    """Write a count with thin spaces between groups of three digits."""
    return f"{value:,}".replace(",", "\u202f")


def short(value: str | bytes, length: int = 12) -> Markup:
    """Shorten a digest or id to its first digits; the whole stands in the title."""
    text = value.hex() if isinstance(value, bytes) else value
    if len(text) <= length + 1:
        return Markup("<code>{}</code>").format(text)
    return Markup('<code title="{}">{}…</code>').format(text, text[:length])


def short_id(value: str) -> Markup:
    """Shorten a STIX id to type and the first eight digits of its UUID."""
    kind, _sep, rest = value.partition("--")
    return Markup('<code title="{}">{}--{}…</code>').format(value, kind, rest[:8]) if rest else short(value)


def pretty(value: Any) -> str:
    """Write JSON for reading."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


FILTERS: dict[str, Callable[..., Any]] = {
    "day": day,
    "moment": moment,
    "ago": ago,
    "grouped": grouped,
    "short": short,
    "short_id": short_id,
    "said": said,
    "pretty": pretty,
}
