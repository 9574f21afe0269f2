"""What a run counted: read from the nodes' databases, not from what the code that acted says it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from secretariat.demo.delivery import percentile
from secretariat.demo.leaks import Leak
from secretariat.demo.nodes import DemoNode

REALM = "live"


class Withheld(msgspec.Struct, frozen=True):
    """One object that one party did not get, and why."""

    object: str
    party: str
    true_on: str
    article: str
    missing: str | None


class Tally(msgspec.Struct):
    """What the run counted."""

    published: int = 0
    granted: int = 0
    delivered: int = 0
    receipts: int = 0
    leaks: list[Leak] = []
    withheld: list[Withheld] = []
    latencies: list[float] = []
    seconds: float = 0.0
    register: dict[str, float] = {}

    def as_dict(self, parties: Sequence[str]) -> dict[str, Any]:
        """Give the one JSON object of `--json`."""
        return {
            "published": self.published,
            "granted": self.granted,
            "delivered": self.delivered,
            "receipts": self.receipts,
            "leaks": len(self.leaks),
            "nodes": list(parties),
            "withheld": msgspec.to_builtins(self.withheld),
            "latency_ms": {
                "p50": round(percentile(self.latencies, 0.50), 1),
                "p99": round(percentile(self.latencies, 0.99), 1),
            },
            "objects_per_s": round(self.delivered / self.seconds, 1) if self.seconds else 0.0,
            "register": self.register,
        }


def sizes(one: DemoNode) -> tuple[int, ...]:
    tables = ("entry", "object_version", "item")
    ask = f"SELECT {', '.join(f'(SELECT count(*) FROM {name})' for name in tables)}"
    with one.node.database.app(REALM) as tx:
        return tuple(tx.execute(sa.text(ask)).one())


def receipts(one: DemoNode) -> int:
    """Count the receipts that partners signed for this node."""
    with one.node.database.app(REALM) as tx:
        found = tx.execute(sa.text("SELECT count(*) FROM peer_entry WHERE kind = 'receipt'")).scalar_one()
    return int(found)


def published(one: DemoNode) -> int:
    """Count the object versions that this node made and published."""
    ask = (
        "SELECT count(*) FROM object_version WHERE originator = :own AND state IN ('published', 'withdrawn')"
    )
    with one.node.database.app(REALM) as tx:
        return int(tx.execute(sa.text(ask), {"own": one.party}).scalar_one())
