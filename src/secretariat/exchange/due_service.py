"""What is done when its time comes: duties that fall due, and what waits ruled on again.

Both are asked every few seconds. A cheap question comes first: whether anything changed that they rest on.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from secretariat.exchange import arrivals, dating, duties
from secretariat.exchange.guest_view import view
from secretariat.exchange.postgres import transaction
from secretariat.exchange.recomputing import rulings
from secretariat.storage.engine import Database, raw
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.ledger.node import Node


def run_timers(node: Node, realm: str, *, guest: str = "", now: datetime) -> int:
    """Do what duties demand by now, as duties.py says, of this node or a guest of it.

    Days that follow from the end of an instrument are set first, by what is recorded of it now. Gives how
    many versions it destroyed.
    """
    mine = view(node, realm, guest) if guest else node
    seen, destroyed = _dated.setdefault(node.database, {}), 0
    with transaction(mine, realm, now) as store:
        state = dating.state_of(store.tx, now)
        if seen.get((realm, guest)) != state:
            dating.date_all(store.tx, store.party, now=now)
        if store.fallen_due(now, 1):
            store.lock()
            done = duties.fall_due(store, now)
            destroyed = done.destroyed
            if done.destroyed or done.kept:
                notify(store.tx, LIVE, live(kind="timer"))
    seen[realm, guest] = state
    return destroyed


_dated: WeakKeyDictionary[Database, dict[tuple[str, str], Any]] = WeakKeyDictionary()
"""From what the days of duties were last set, by database, and realm and guest."""


def retry_when_due(node: Node, realm: str, *, guest: str = "", now: datetime) -> int:
    """Rule again on what waits when what it may wait for changed, and once an hour; gives how many receipts.

    Looks first without the objects: this is asked every few seconds, and much may wait for long.
    """
    mine = view(node, realm, guest) if guest else node
    with mine.database.app(realm) as tx:
        row = (
            raw(tx)
            .execute(
                "SELECT EXISTS (SELECT 1 FROM arrival WHERE state = 'waiting'),"
                " (SELECT max(id) FROM instrument_agreed), (SELECT count(*) FROM instrument),"
                " (SELECT count(*) FROM peer WHERE state = 'accepted')"
            )
            .fetchone()
        )
    state = (now.replace(minute=0, second=0, microsecond=0), row)
    seen = _retried.setdefault(node.database, {})
    if row is None or not row[0] or seen.get((realm, guest)) == state:
        return 0
    done = retry_waiting(mine, realm, now=now)
    seen[realm, guest] = state
    return done


_retried: WeakKeyDictionary[Database, dict[tuple[str, str], Any]] = WeakKeyDictionary()
"""With what everything that waits was last ruled on, by database, and realm and guest."""


def retry_waiting(node: Node, realm: str, *, now: datetime) -> int:
    """Rule again on everything that waits: after an instrument was recorded or a party enrolled."""
    with transaction(node, realm, now) as store:
        if not store.waiting():
            return 0
        store.lock()
        outgoing = arrivals.retry(store, functools.partial(rulings, store), now)
        store.append(outgoing)
        return len(outgoing)
