"""The as-of bar: three times in the address of a page, carried by every link, and no acting in the past.

A date means the end of that day in the node's zone (decisions.md, 4). A page with any of the three set is a
question: it renders no control that acts, and a request that would act is refused.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from secretariat.base.clock import AsOf, end_of_day, parse_stamp
from secretariat.base.errors import InputError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = ("true_on", "known_by", "recorded_by")


class Bar(msgspec.Struct, frozen=True):
    """What the bar shows: the words as they were typed, and the times they mean."""

    typed: dict[str, str]
    as_of: AsOf

    @property
    def is_now(self) -> bool:
        """Whether the page shows the present."""
        return not self.typed


def read(query: Mapping[str, str], *, zone: str = "UTC") -> Bar:
    """Read the three times from a query. Refuses anything but a date or an RFC 3339 time with zone."""
    typed = {field: query[field].strip() for field in FIELDS if query.get(field, "").strip()}
    moments = {field: _moment(field, text, zone) for field, text in typed.items()}
    return Bar(typed, AsOf(**moments))


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
    """Refuse to act when any time is set."""
    if not bar.is_now:
        raise StateError(
            "this page shows the past, and nothing can be done there",
            where=", ".join(bar.typed),
            advice="return to now, then act",
        )


def _moment(field: str, text: str, zone: str) -> datetime:
    try:
        if len(text) == len("2012-09-03"):
            return end_of_day(date.fromisoformat(text), zone)
        return parse_stamp(text)
    except (ValueError, OverflowError, InputError) as error:
        raise InputError(
            f"not a date: {text[:40]!r}", where=field, advice="write 2012-09-03 or 2012-09-03T14:00:00Z"
        ) from error
