"""Changes of published objects that two persons must say DO to: one proposes, another decides.

What is decided is what was proposed: where the object got a newer version meanwhile it is proposed anew. Who
proposed it and who decided stand in the grants of the new version and in the log.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from secretariat.base.errors import DeniedError, InputError, StateError
from secretariat.exchange import change_store, remarking
from secretariat.exchange.change_store import Proposed
from secretariat.exchange.postgres import transaction
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.changes import Change
    from secretariat.exchange.remarking import Remarked
    from secretariat.ledger.node import Node


def propose(node: Node, realm: str, stix_id: str, change: Change, *, by: str, now: datetime) -> Proposed:
    """Propose a change to a second person. Refuses what could not be done at all, and no reason."""
    if not change.reason.strip():
        raise InputError("a new version of what partners hold needs its reason", where="reason")
    remarking.forecast(node, realm, stix_id, change, now=now)
    with transaction(node, realm, now) as store:
        old = remarking.own_published(store, stix_id)
        one = Proposed(uuid.uuid4(), stix_id, change, old.root or b"", "proposed", by, now, None, None, None)
        change_store.put(store.tx, one)
        notify(store.tx, LIVE, live(kind="release", id=str(one.id)))
    return one


def approve(
    node: Node, realm: str, number: uuid.UUID, *, by: str, confirm: bool = False, now: datetime
) -> Remarked:
    """Say DO as the second person. Refuses who proposed it, and what is not the object that was proposed."""
    with transaction(node, realm, now) as store:
        one = change_store.get(store.tx, number, lock=True)
        _check_open(one)
        if by == one.proposed_by:
            raise DeniedError(
                "a second person must decide this", where=str(number), advice="ask another releaser"
            )
        old = remarking.own_published(store, one.stix_id)
        if (old.root or b"") != one.replaces:
            raise StateError(
                "the object changed since this was proposed",
                where=str(number),
                advice="refuse it and propose it anew: nobody has read what stands there now",
            )
        done = remarking.replace_in(
            store, one.stix_id, one.change, by=one.proposed_by, second=by, confirm=confirm, now=now
        )
        change_store.decide(store.tx, number, "done", by=by, why=None, now=now)
    return done


def refuse(node: Node, realm: str, number: uuid.UUID, *, by: str, reason: str, now: datetime) -> Proposed:
    """Refuse what was proposed, with the reason; whoever proposed it may take it back so."""
    if not reason.strip():
        raise InputError("a refusal needs its reason", where="reason")
    with transaction(node, realm, now) as store:
        _check_open(change_store.get(store.tx, number, lock=True))
        change_store.decide(store.tx, number, "refused", by=by, why=reason.strip(), now=now)
        notify(store.tx, LIVE, live(kind="release", id=str(number)))
        return change_store.get(store.tx, number)


def _check_open(one: Proposed) -> None:
    if one.state != "proposed":
        raise StateError(f"this change is {one.state} already", where=str(one.id))
