"""What several parties state under one key: one line of a board or list, and who else states it.

Rules:

1. Statements of one type under one key are one fact. The one that stands for it is sure before it is
   `unverified`, then this party's own, then by the parties' codes; the others are named beside it.
2. Evidence and accounts about any of them concern the fact, whoever gave them.
3. Where they differ in what they say (days, due, parties, by whom, rhythm) the fact is contested.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.register.model import Row, View
from secretariat.register.store import live, statements
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

SAID = ("true_first", "begun", "true_last", "due_first", "due_last", "cadence", "parties", "by", "round")
"""Members in which statements under one key may differ so that the fact is contested."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that several parties state, as far as a question sees them."""

    hidden: list[int] = []
    """Rows that another one stands for."""
    stands: dict[str, str] = {}
    """STIX id of a statement that another one stands for -> the id of that one."""
    ids: dict[str, list[str]] = {}
    """STIX id of one that stands for others -> the ids of all, its own first."""

    def every(self, stix_ids: Iterable[str]) -> list[str]:
        """Give these ids and those of what states the same."""
        return [name for one in stix_ids for name in self.ids.get(one, [one])]

    def bound(self) -> dict[str, Any]:
        """Give the values that `LINES` and `ABOUT` bind."""
        return {
            "hidden": self.hidden,
            "stood": list(self.stands),
            "standing": list(self.stands.values()),
        }


NONE = Shared()
LINES = " AND s.id <> ALL(%(hidden)s::int8[])"
"""One line per fact."""


def shared(tx: sa.Connection, view: View, *, announced: bool = False) -> Shared:
    """Say which statements the question sees twice or more under one key, and which one stands for them."""
    (any_is,) = raw(tx).execute("SELECT EXISTS (SELECT FROM register_shared)").fetchone() or (False,)
    if not any_is:
        return NONE
    bare = msgspec.structs.replace(view, parties=())
    found = raw(tx).execute(
        "SELECT s.key, s.type, s.id, s.stix_id, s.originator, s.status"
        f" FROM {live(bare, announced=announced)} AND (s.key, s.type) IN"
        " (SELECT key, type FROM register_shared)",
        bare.bound(),
    )
    facts: dict[tuple[str, str], list[tuple[bool, bool, str, int, str]]] = {}
    for key, kind, number, stix, originator, status in found:
        rank = (status == "unverified", originator != view.own, originator, number, stix)
        facts.setdefault((key, kind), []).append(rank)
    hidden: list[int] = []
    stands: dict[str, str] = {}
    ids: dict[str, list[str]] = {}
    for ranks in facts.values():
        ranks.sort()
        if len(ranks) > 1:
            first = ranks[0][4]
            ids[first] = [stix for *_, stix in ranks]
            hidden += [number for _, _, _, number, _ in ranks[1:]]
            stands |= {stix: first for *_, stix in ranks[1:]}
    return Shared(hidden=hidden, stands=stands, ids=ids)


def also(tx: sa.Connection, found: Sequence[Row], view: View) -> dict[str, list[Row]]:
    """Give what other parties state under the keys of these statements, by the statement's id."""
    bare = msgspec.structs.replace(view, parties=())
    every = shared(tx, bare, announced=True)
    wanted = {name: one for one in (row.stix_id for row in found) for name in every.ids.get(one, [])[1:]}
    if not wanted:
        return {}
    beside: dict[str, list[Row]] = {}
    for row in statements(tx, bare, ids=list(wanted), limit=len(wanted)):
        beside.setdefault(wanted[row.stix_id], []).append(row)
    return beside


def differing(tx: sa.Connection, every: Shared, view: View) -> dict[str, list[Row]]:
    """Give the facts of which parties state something else under the same key, with what the others state."""
    if not every.ids:
        return {}
    bare = msgspec.structs.replace(view, parties=())
    names = every.every(every.ids)
    rows = {one.stix_id: one for one in statements(tx, bare, ids=names, announced=False, limit=len(names))}
    otherwise: dict[str, list[Row]] = {}
    for first, others in every.ids.items():
        own = rows.get(first)
        if own is not None:
            unlike = [rows[one] for one in others[1:] if one in rows and says_otherwise(rows[one], own)]
            if unlike:
                otherwise[first] = unlike
    return otherwise


def says_otherwise(one: Row, other: Row) -> bool:
    """Whether two statements of one fact say something else (rule 3), not only in other words."""
    return _said(one) != _said(other)


def _said(row: Row) -> list[Any]:
    values = (getattr(row, name) for name in SAID)
    return [sorted(one) if isinstance(one, list) else one for one in values]
