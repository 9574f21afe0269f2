"""To which instrument a change of status belongs that was recorded without naming it.

Rules:

1. What an officer related to an instrument as a part of it belongs to it.
2. Else a change belongs where its key or title names one instrument and no other: its key is the instrument's
   with words added; or the instrument's title, or the short name that stands in brackets in it, stands whole
   in its title. Its parties are among the instrument's, and it is at most a year older.
3. What only may belong (same stem of the key, same short name) is offered to the officer, who decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from secretariat.register.model import Row, View, stem_of
from secretariat.register.store import statements

if TYPE_CHECKING:
    import sqlalchemy as sa

_SHORT = re.compile(r"\(([A-Z][A-Za-z]*[A-Z]{2}[A-Za-z]*)\)")
"""A short name in brackets, as `(GSOMIA)`."""
_YEAR = timedelta(days=366)


def is_loose(row: Row) -> bool:
    """Whether it is a change of status that names no instrument itself."""
    return row.kind == "status-change" and row.type == "sct-statement"


def belonging(
    tx: sa.Connection, view: View, changes: Sequence[Row], instruments: Sequence[Row]
) -> dict[str, str]:
    """Give the instrument of each change that has one (rules 1 and 2), both by id."""
    loose = [one for one in changes if is_loose(one)]
    if not loose or not instruments:
        return {}
    said = related(tx, view, loose)
    known = {one.stix_id for one in instruments}
    found = {change: one for change, one in said.items() if one in known}
    for one in loose:
        named = [] if one.stix_id in said else _named(one, instruments)
        if len({of.key for of in named}) == 1 and not _long_before(one, named[0]):
            found[one.stix_id] = named[0].stix_id
    return found


def related(tx: sa.Connection, view: View, changes: Sequence[Row]) -> dict[str, str]:
    """Give what officers related each change to as a part of it, newest word first."""
    ids = [one.stix_id for one in changes]
    relations = statements(tx, view, types=["relationship"], about=ids) if ids else []
    return {
        one.about: one.other
        for one in sorted(relations, key=lambda one: one.id)
        if one.says == "part-of" and one.about and one.other
    }


def offered(change: Row, instruments: Sequence[Row]) -> list[Row]:
    """Give the instruments to which a change may belong, the likelier first (rule 3)."""
    stem = stem_of(change.key) or change.key
    likely = []
    for one in instruments:
        if not set(change.parties) & set(one.parties):
            continue
        root = stem_of(one.key)
        by_key = root is not None and root.count("-") > 0 and f"{stem}-".startswith(f"{root}-")
        by_name = any(_stands_in(name, change.title) for name in _names(one))
        if by_key or by_name:
            likely.append((not by_key, not set(change.parties) <= set(one.parties), one.key, one))
    return [one for *_, one in sorted(likely, key=lambda line: line[:3])]


def _named(change: Row, instruments: Sequence[Row]) -> list[Row]:
    return [
        one
        for one in instruments
        if set(change.parties) <= set(one.parties)
        and (
            change.key.startswith(f"{one.key}-")
            or any(_stands_in(name, change.title) for name in _names(one))
        )
    ]


def _names(one: Row) -> list[str]:
    return [one.title, *_SHORT.findall(one.title)]


def _stands_in(name: str, title: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", title) is not None


def _long_before(change: Row, one: Row) -> bool:
    return (
        change.true_first is not None
        and one.true_first is not None
        and change.true_first < one.true_first - _YEAR
    )


def acts_of(changes: Sequence[Row], found: Mapping[str, str], instrument: str) -> list[Row]:
    """Give those of the changes that belong to one instrument."""
    return [one for one in changes if found.get(one.stix_id) == instrument]
