"""The as-of bar: three times and whose knowledge, in the address of a page, carried by every link.

`screen.bar` gives a `Bar`; a page hands `screen.bar.as_of` to its queries and shows `screen.bar.typed`:

- `true_on`, `known_by`: a date (its end in the zone shown) or a moment; `recorded_by` also a log position.
- `knowledge=public` asks by what was publicly known (`as_of.public`): only what has a public time is there.
- `zone` is the zone shown and in which dates end; without it, the node's.

A page with any of these but the zone is a question (decisions.md, 4): it renders no control that acts
(`screen.acts`), and a request that would act is refused.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from secretariat.base.clock import AsOf, end_of_day, parse_stamp
from secretariat.base.errors import InputError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMES = ("true_on", "known_by", "recorded_by")
ASKED = (*TIMES, "knowledge")
FIELDS = (*ASKED, "zone")
PUBLIC = "public"
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/London",
    "Europe/Brussels",
    "Asia/Seoul",
    "Asia/Shanghai",
    "Asia/Taipei",
    "Asia/Tokyo",
    "Asia/Manila",
    "Australia/Sydney",
)
"""Zones offered; any other of the tz database may stand in the address."""
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_POSITION_DIGITS = 15


class Bar(msgspec.Struct, frozen=True):
    """What the bar shows: the words as they were typed, the question they mean, and the zone shown."""

    typed: dict[str, str]
    as_of: AsOf
    zone: str = "UTC"

    @property
    def is_now(self) -> bool:
        """Whether the page shows the present as this party knows it."""
        return self.as_of.is_now

    @property
    def past(self) -> bool:
        """Whether a time is set."""
        return any(name in self.typed for name in TIMES)

    @property
    def asked(self) -> dict[str, str]:
        """What makes the page a question: the typed words without the zone."""
        return {name: word for name, word in self.typed.items() if name != "zone"}


def read(
    query: Mapping[str, str],
    *,
    zone: str = "UTC",
    written: Callable[[int], datetime | None] | None = None,
) -> Bar:
    """Read the bar from a query; `written` tells when the log's entry at a position was recorded.

    Refuses what is neither a date nor an RFC 3339 time with zone, a position the log does not have, an
    unknown zone, and any `knowledge` but `public` or `ours`.
    """
    typed = {field: query[field].strip() for field in FIELDS if query.get(field, "").strip()}
    for name, by_itself in (("knowledge", "ours"), ("zone", zone)):  # a form sends what stands there anyhow
        if typed.get(name) == by_itself:
            del typed[name]
    shown = zone_named(typed["zone"]) if "zone" in typed else zone
    if typed.get("knowledge", PUBLIC) != PUBLIC:
        raise InputError(
            f"not a choice: {typed['knowledge'][:40]!r}", where="knowledge", advice="write public or ours"
        )
    position = None
    recorded = typed.get("recorded_by", "")
    if recorded.isascii() and recorded.isdecimal() and len(recorded) <= _POSITION_DIGITS:
        position = int(recorded)
        recorded_by = None if written is None else written(position)
        if written is not None and recorded_by is None:
            raise InputError(
                f"the log has no entry {position}", where="recorded_by", advice="Ledger lists its entries"
            )
    else:
        recorded_by = moment_of("recorded_by", recorded, shown)
    return Bar(
        typed,
        AsOf(
            true_on=moment_of("true_on", typed.get("true_on", ""), shown),
            known_by=moment_of("known_by", typed.get("known_by", ""), shown),
            recorded_by=recorded_by,
            position=position,
            public="knowledge" in typed,
            zone=shown,
        ),
        shown,
    )


def carry(address: str, typed: Mapping[str, str]) -> str:
    """Give `address` with the bar's times added; what the address itself says wins."""
    if not typed or not address.startswith("/"):
        return address
    parts = urlsplit(address)
    own = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in own}
    query = urlencode([*own, *((k, v) for k, v in typed.items() if k not in names)])
    return parts._replace(query=query).geturl()


def refuse_past(bar: Bar) -> None:
    """Refuse to act on a page that asks about the past, or by public knowledge."""
    if bar.asked:
        raise StateError(
            "this page shows the past, and nothing can be done there",
            where=", ".join(bar.asked),
            advice="return to now, then act",
        )


def zone_named(name: str) -> str:
    """Give a zone of the tz database by its name. Refuses a name that is none."""
    try:
        if not _ZONE.fullmatch(name):
            raise ValueError(name)
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"no time zone {name[:40]!r}", where="zone", advice="write Asia/Seoul or UTC"
        ) from error
    return name


def moment_of(field: str, text: str, zone: str) -> datetime | None:
    """Read a date (its end in `zone`) or an RFC 3339 time; nothing typed is None. Refuses anything else."""
    if not text:
        return None
    try:
        if len(text) == len("2012-09-03"):
            return end_of_day(date.fromisoformat(text), zone)
        return parse_stamp(text)
    except (ValueError, OverflowError, InputError) as error:
        raise InputError(
            f"not a date: {text[:40]!r}", where=field, advice="write 2012-09-03 or 2012-09-03T14:00:00Z"
        ) from error
