"""Watches what was granted arrive: from when on each object version is readable on the partner's own node."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from secretariat.demo.nodes import Cluster, DemoNode

REALM = "live"
_LOOK_S = 0.01
_GIVE_UP_S = 120.0
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
    "SELECT encode(v.root, 'hex') FROM object_version v JOIN item i ON i.version = v.id"
    " JOIN collection c ON c.id = i.collection"
    " WHERE c.kind = 'from_partners'"
    " AND v.root = ANY(SELECT decode(r, 'hex') FROM unnest(CAST(:roots AS text[])) AS r)"
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
    until = begun + _GIVE_UP_S
    while any(waiting.values()) and time.monotonic() < until:
        for party, roots in waiting.items():
            if roots:
                seen = _readable(cluster[party], roots)
                took[party] += [(time.monotonic() - begun) * 1000] * len(seen)
                roots.difference_update(seen)
        time.sleep(_LOOK_S)
    return {party: Arrivals(expected[party], took[party]) for party in waiting}


def _granted(sender: DemoNode, party: str, place: int) -> set[str]:
    with sender.node.database.app(REALM) as tx:
        return {row[0] for row in tx.execute(_GRANTED, {"reader": party, "place": place})}


def _readable(one: DemoNode, roots: set[str]) -> set[str]:
    with one.node.database.app(REALM) as tx:
        return {row[0] for row in tx.execute(_READABLE, {"roots": list(roots)})}


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
