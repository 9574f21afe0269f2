"""Watches what was granted arrive: from when on each object version is readable on the partner's own node."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from secretariat.demo.nodes import Cluster, DemoNode

REALM = "live"
_LOOK_S = 0.01
_GIVE_UP_S = 60.0
"""Without anything new for so long, nothing more is expected."""
_PLACES = sa.text(
    "SELECT c.reader, coalesce(max(i.seq), 0) FROM collection c LEFT JOIN item i ON i.collection = c.id"
    " WHERE c.kind = 'partner' GROUP BY c.reader"
)
_GRANTED = sa.text(
    "SELECT encode(v.root, 'hex') FROM item i JOIN collection c ON c.id = i.collection"
    " JOIN object_version v ON v.id = i.version"
    " WHERE c.kind = 'partner' AND c.reader = :reader AND i.seq > :place"
)
_READABLE = sa.text(
    "SELECT i.seq, encode(v.root, 'hex') FROM item i JOIN collection c ON c.id = i.collection"
    " JOIN object_version v ON v.id = i.version WHERE c.kind = 'from_partners' AND i.seq > :place"
)


class Arrivals(msgspec.Struct, frozen=True):
    """Milliseconds from the call that published an object version until it was readable."""

    expected: int
    milliseconds: list[float]

    @property
    def complete(self) -> bool:
        """Whether everything arrived."""
        return len(self.milliseconds) == self.expected


def places(sender: DemoNode) -> dict[str, int]:
    """Give how far each recipient's collection reaches now."""
    with sender.node.database.app(REALM) as tx:
        return {row[0]: row[1] for row in tx.execute(_PLACES)}


def watch(cluster: Cluster, sender: DemoNode, before: Mapping[str, int], begun: float) -> dict[str, Arrivals]:
    """Wait until all that was granted since `before` is readable at its recipients; say how long it took.

    `before` is what `places` gave and `begun` what `time.monotonic()` was before the call that published.
    """
    others = [party for party in cluster.nodes if party != sender.party]
    waiting = {party: _granted(sender, party, before.get(party, 0)) for party in others}
    expected = {party: len(roots) for party, roots in waiting.items()}
    took: dict[str, list[float]] = {party: [] for party in waiting}
    reached = dict.fromkeys(waiting, 0)
    progress = time.monotonic()
    while any(waiting.values()) and time.monotonic() < progress + _GIVE_UP_S:
        for party in (name for name, roots in waiting.items() if roots):
            seen, reached[party] = _readable(cluster[party], reached[party])
            if arrived := waiting[party] & seen:
                progress = time.monotonic()
                took[party] += [(progress - begun) * 1000] * len(arrived)
                waiting[party] -= arrived
        time.sleep(_LOOK_S)
    return {party: Arrivals(expected[party], took[party]) for party in waiting}


def _granted(sender: DemoNode, party: str, place: int) -> set[str]:
    with sender.node.database.app(REALM) as tx:
        return {row[0] for row in tx.execute(_GRANTED, {"reader": party, "place": place})}


def _readable(one: DemoNode, place: int) -> tuple[set[str], int]:
    """Give what became readable on a node since a place, and the place reached."""
    with one.node.database.app(REALM) as tx:
        rows = tx.execute(_READABLE, {"place": place}).all()
    return {row[1] for row in rows}, max((row[0] for row in rows), default=place)


def until(condition: object, seconds: float = 30.0) -> bool:
    """Wait until `condition()` is true; False when it did not become so in time."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(_LOOK_S)
    return bool(condition())


def percentile(values: Sequence[float], share: float) -> float:
    """Give the nearest-rank percentile; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(share * 100) // 100) - 1))]
