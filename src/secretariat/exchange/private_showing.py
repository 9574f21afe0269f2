"""Which matched values may be shown to a partner: those of own objects that the agreements let go to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.service import outlook
from secretariat.exchange import private_store as tables
from secretariat.exchange import private_values as values
from secretariat.records import store as records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secretariat.exchange.postgres import PostgresStore
    from secretariat.exchange.private_values import Type


def may_show(store: PostgresStore, party: str, kind: Type, wanted: Sequence[str], now: datetime) -> list[str]:
    """Give those of `wanted` that an own object states which the agreements let go to `party` today."""
    asked = set(wanted)
    stating: dict[str, list[str]] = {}
    for _, data in tables.own_objects(store.tx, store.party, ["indicator", kind.stix]):
        obj = msgspec.json.decode(data)
        for value in values.values_in(obj, kind):
            if value in asked:
                stating.setdefault(obj["id"], []).append(value)
    versions = list(records.latest(store.tx, sorted(stating)).values())
    if not versions:
        return []
    found = outlook(store.tx, store.node, versions, party, now=now)
    may = {
        stix_id
        for answer, members in zip(found.explanations, found.objects, strict=True)
        if answer.decision.outcome == "may"
        for stix_id in members
    }
    shown = {value for stix_id, stated in stating.items() if stix_id in may for value in stated}
    return [value for value in wanted if value in shown]
