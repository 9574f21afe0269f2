"""What time does to requests: those that came in get our number; silence is looked for and recorded.

A request of ours whose day has passed without an answer here becomes an absence: this node looked, in what
had arrived by then, and found nothing. It is recorded once per day asked for, when that day is over in the
zone of the request; an answer that comes later changes how the request stands, not what was so on that day.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from secretariat.base.clock import now as clock
from secretariat.base.errors import SecretariatError
from secretariat.ledger import service as ledger
from secretariat.register import service as register
from secretariat.register.model import Absence, View, stix_id
from secretariat.register.requests import store
from secretariat.register.times import day_of
from secretariat.storage.engine import raw
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.register")
_LOOK_S = 0.5
_DUE_S = 60.0
_AFTER_AN_ERROR_S = 10.0
BY = "secretariat"
"""Who records what the node found out by itself."""


def step(node: Node, realm: str, *, now: datetime) -> int:
    """Number what came in and record silence; give how much of it there was."""
    return number_incoming(node, realm, now=now) + look_for_silence(node, realm, now=now)


def number_incoming(node: Node, realm: str, *, now: datetime) -> int:
    """Give each request to this party, once, the next number of the year."""
    today = day_of(now, node.settings.zone)
    with node.database.app(realm) as tx:
        found = store.unnumbered(tx, View(day=today + timedelta(days=1)), node.party)
        for one in found:
            store.give_number(tx, node.party, today.year, now, to=one.stix_id)
        if found:
            notify(tx, LIVE, live(kind="request", count=len(found)))
    return len(found)


def look_for_silence(node: Node, realm: str, *, now: datetime) -> int:
    """Record an absence for each request of ours whose day has passed without an answer."""
    with node.database.app(realm) as tx:
        ledger.lock(tx)  # two processes come one after the other
        today = day_of(now, node.settings.zone)
        view = View(day=today, zone=node.settings.zone)
        due = [
            one
            for one in store.threads(tx, view, node.party)
            if one.asked_by == node.party
            and one.state in {"overdue", "silent"}
            and one.due is not None
            and one.due < day_of(now, _zone(one.request.body.get("zone"), node.settings.zone))
        ]
        drafts = []
        for one in due:
            assert one.due is not None
            key = f"no-answer-{one.number}-{one.due.isoformat()}"
            if any(absence.key == key for absence in one.absences):
                continue
            drafts.append(
                Absence(
                    key=key,
                    kind="absence",
                    title=f"No answer of {one.asked_of} to {one.number}",
                    true_from=one.due.isoformat(),
                    zone=_zone(one.request.body.get("zone"), node.settings.zone),
                    parties=(one.asked_of,),
                    looked_by=node.party,
                    looked_in=f"what had arrived at {node.settings.host} by {today.isoformat()}",
                    about_ref=one.request.stix_id,
                    lang="en",
                )
            )
        if not drafts:
            return 0
        there = _recorded(tx, [stix_id("sct-absence", node.party, one.key) for one in drafts])
        drafts = [one for one in drafts if stix_id("sct-absence", node.party, one.key) not in there]
        register.record_in(tx, node, realm, drafts, by=BY, now=now)
    return len(drafts)


def _recorded(tx: sa.Connection, ids: list[str]) -> set[str]:
    rows = raw(tx).execute("SELECT DISTINCT stix_id FROM register_statement WHERE stix_id = ANY(%s)", (ids,))
    return {stix for (stix,) in rows}


def _zone(stated: object, default: str) -> str:
    """Give the zone that a request names, where it is one: a partner may write anything."""
    try:
        ZoneInfo(str(stated or default))
    except (KeyError, ValueError, OSError):
        return default
    return str(stated or default)


async def keep_up(node: Node) -> None:
    """Number what comes in within a second of its coming, and look for silence every minute."""
    seen: dict[str, tuple[int, int]] = {}
    looked: dict[str, float] = {}
    while True:
        for realm in node.settings.realms:
            try:
                await asyncio.to_thread(_look, node, realm, seen, looked)
            except SecretariatError as error:
                log.warning("requests are not looked after: %s", error)
                await asyncio.sleep(_AFTER_AN_ERROR_S)
        await asyncio.sleep(_LOOK_S)


def _look(node: Node, realm: str, seen: dict[str, tuple[int, int]], looked: dict[str, float]) -> None:
    moment = clock()
    with node.database.app(realm) as tx:
        row = (
            raw(tx)
            .execute(
                "SELECT coalesce(max(id), 0), count(*) FROM register_statement WHERE type = 'sct-request'"
            )
            .fetchone()
        )
    # counted as well: what came in earlier may become a statement after one of our own was recorded
    newest = (0, 0) if row is None else (int(row[0]), int(row[1]))
    if seen.get(realm) != newest:
        number_incoming(node, realm, now=moment)
        seen[realm] = newest
    if newest[1] and moment.timestamp() - looked.get(realm, 0.0) > _DUE_S:
        looked[realm] = moment.timestamp()
        look_for_silence(node, realm, now=moment)


background = [keep_up]
