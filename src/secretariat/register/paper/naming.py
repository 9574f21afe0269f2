"""What parties and files are called on paper: names in the document's language, plain names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from babel import Locale

from secretariat.agreements import grants

if TYPE_CHECKING:
    import sqlalchemy as sa

_FORMAL = {
    "en": {"KR": "Republic of Korea", "KP": "Democratic People's Republic of Korea", "CN": "China"},
    "ja": {"KR": "大韓民国"},
    "ko": {"KR": "대한민국"},
    "zh-Hans": {"KR": "大韩民国"},
}
_SAFE = re.compile(r"[^A-Za-z0-9.+-]+")


def party_names(tx: sa.Connection, codes: Iterable[str], language: str) -> dict[str, str]:
    """Give the names of parties: states and economies in the language, others as they are known here."""
    there = {one.code: one.name for one in grants.parties(tx)}
    states = Locale.parse(language, sep="-").territories
    formal = _FORMAL.get(language, {})
    return {one: str(formal.get(one) or states.get(one) or there.get(one) or one) for one in codes}


def named(codes: Iterable[str], names: Mapping[str, str], language: str) -> str:
    """Write parties by name with their codes, in the order given."""
    mark = {"ja": "、", "zh-Hans": "、"}.get(language, ", ")
    return mark.join(f"{names[one]} ({one})" if names.get(one, one) != one else one for one in codes)


def file_name(*parts: str, realm: str, ending: str) -> str:
    """Give the name of a file: EXERCISE first in that realm, ASCII, no spaces."""
    words = ["EXERCISE" if realm == "exercise" else "", *parts]
    stem = _SAFE.sub("-", " ".join(one for one in words if one)).strip("-")
    return f"{stem[:160] or 'document'}.{ending}"
