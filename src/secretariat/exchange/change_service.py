"""Changes of published objects that do not stand at once: one person proposes, offices concur, one decides.

What is decided is what was proposed: where the object got a newer version meanwhile it is proposed anew. Who
proposed it and who decided stand in the grants of the new version and in the log. Silence of an office is not
concurrence; where two persons must say DO, who proposed it does not decide it (agreements/workflow.py).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from secretariat.base.errors import DeniedError, InputError, StateError
from secretariat.exchange import change_store, remarking
from secretariat.exchange.change_store import Proposed
from secretariat.exchange.postgres import transaction
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Note
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.changes import Change
    from secretariat.exchange.remarking import Remarked
    from secretariat.ledger.node import Node


def propose(node: Node, realm: str, stix_id: str, change: Change, *, by: str, now: datetime) -> Proposed:
    """Propose a change, and ask the offices that house rules name for its marking.

    Refuses what could not be done at all, and no reason.
    """
    if not change.reason.strip():
        raise InputError("a new version of what partners hold needs its reason", where="reason")
    with transaction(node, realm, now) as store:
        found = remarking.forecast_in(store, stix_id, change, now=now)
        old = remarking.own_published(store, stix_id)
        one = Proposed(
            id=uuid.uuid4(),
            stix_id=stix_id,
            change=change,
            replaces=old.root or b"",
            offices=[{"office": office} for office in found.offices],
            state="proposed",
            proposed_by=by,
            proposed_at=now,
        )
        change_store.put(store.tx, one)
        notify(store.tx, LIVE, live(kind="release", id=str(one.id)))
    return one


def concur(node: Node, realm: str, number: uuid.UUID, *, office: str, by: str, now: datetime) -> Proposed:
    """Record that an office concurs, with its entry in the log.

    Refuses an office that is not asked, or has concurred.
    """
    with transaction(node, realm, now) as store:
        one = change_store.get(store.tx, number, lock=True)
        _check_open(one)
        if office not in one.waits_for:
            raise StateError(f"{office or '–'} is not asked to concur, or has done so", where=str(number))
        said = [{**asked, "by": by} if asked["office"] == office else asked for asked in one.offices]
        change_store.concur(store.tx, number, said)
        # the change by its id alone: the id of an object may be made from its value
        note = Note(act="change-concur", by=by, detail={"change": str(number), "office": office})
        ledger.append(store.tx, store.keyring, [Draft("note", None, note)], now=now)
        notify(store.tx, LIVE, live(kind="release", id=str(number)))
        return change_store.get(store.tx, number)


def approve(
    node: Node, realm: str, number: uuid.UUID, *, by: str, confirm: bool = False, now: datetime
) -> Remarked:
    """Say DO to what was proposed, once every office that is asked concurred.

    Refuses who proposed it where two persons are needed, an office that is silent or was asked by a rule made
    since, and what is not the object that was proposed.
    """
    with transaction(node, realm, now) as store:
        one = change_store.get(store.tx, number, lock=True)
        _check_open(one)
        store.lock()
        old = remarking.own_published(store, one.stix_id)
        if (old.root or b"") != one.replaces:
            raise StateError(
                "the object changed since this was proposed",
                where=str(number),
                advice="refuse it and propose it anew: nobody has read what stands there now",
            )
        asked = {office["office"] for office in one.offices}
        found = remarking.forecast_in(store, one.stix_id, one.change, now=now)
        if found.two and by == one.proposed_by:
            raise DeniedError(
                "a second person must decide this", where=str(number), advice="ask another releaser"
            )
        if one.waits_for:
            raise StateError(f"{', '.join(one.waits_for)} must concur first", where=str(number))
        if unasked := [office for office in found.offices if office not in asked]:
            raise StateError(
                f"{', '.join(unasked)} must concur by a rule made since",
                where=str(number),
                advice="propose it anew",
            )
        done = remarking.replace_in(
            store,
            one.stix_id,
            one.change,
            by=one.proposed_by,
            second="" if by == one.proposed_by else by,
            concurred=asked,
            confirm=confirm,
            now=now,
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
