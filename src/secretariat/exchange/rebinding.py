"""A partner that lost its root key: binding its code to a new one, by two persons, and a log taken back.

Rules:

1. A code stays bound to its first root key. It is bound to another one only after the partnership was ended
   (`peers remove`), with new words read over a second channel, by two persons of this party who may manage
   partners: one alone could be talked into it.
2. The new root key comes with a new log under a new name. The old log ends as it was verified; what it gave
   stays, and proves what it proved. The old record keys sign nothing in the new log.
3. Going back to an earlier tree of a partner's log (disowning.py, rule 6) is a person's decision and stands
   in our own log, with the size that is taken back: it says why our witness speaks of two trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.errors import DeniedError, InputError, NotFoundError
from secretariat.exchange import disowning, enrolment
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import transaction
from secretariat.people.model import Permission
from secretariat.people.store import person_by_login

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.enrolment import Accepted
    from secretariat.exchange.model import KeptLog
    from secretariat.ledger.node import Node


def rebind(
    node: Node, sealed: bytes, words: str | None, *, by: str, other: str, via: str | None, now: datetime
) -> Accepted:
    """Bind a former partner's code to the root key of a new descriptor. Refuses as the rules above say."""
    if by == other:
        raise InputError("two different persons bind a code anew", where="--and")
    with node.database.app(node.settings.realms[0]) as tx:
        for login in (by, other):
            person = person_by_login(tx, login)
            if person is None or person.party is not None:
                raise NotFoundError(f"nobody of this party signs in as {login!r}", where="--by, --and")
            if not person.may(Permission.MANAGE_PEERS):
                raise DeniedError(f"{login} may not manage partners", where="--by, --and")
    return enrolment.accept(node, sealed, words, via=via, rebinding=(by, other), now=now)


def rewind(node: Node, realm: str, party: str, *, by: str, now: datetime) -> KeptLog:
    """Go back to the last tree of a partner's log that was seen before it revoked its log key."""
    with transaction(node, realm, now) as store:
        peer = tables.lock_peer(store.tx, party)
        if peer is None or peer.state == "removed":
            raise NotFoundError(f"{party} is not a partner", advice="secretariat peers list")
        return disowning.rewind(store, peer, by=by)
