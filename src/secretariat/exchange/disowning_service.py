"""What a partner's newer statement of revoked keys changes for everybody on this node, in one transaction.

What is kept for a guest is out of the sight of its host's transactions (storage/rls.py): it is settled as the
guest, so that a guest is shown no more than its host of what a thief signed (disowning.py, rule 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.exchange import disowning, guest_store
from secretariat.exchange.guest_view import view_of
from secretariat.exchange.postgres import PostgresStore
from secretariat.ledger import guest_keys, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.exchange.model import Peer
    from secretariat.ledger.revocation import Revoked


def settle(store: PostgresStore, peer: Peer, before: Mapping[str, Revoked]) -> int:
    """Do what `disowning.settle` does for this node's party, then for each guest.

    Gives how many objects count no more, of all of them together. `before` is what was revoked when this was
    done last.
    """
    told = disowning.settle(store, peer, before)
    if store.keyring.host is not None:  # a guest's own transaction: what its partner revokes, the host hears
        return told
    node, folder = store.node, keys.folder_of(store.node.settings.data, store.realm)
    for guest in guest_store.guests(store.tx, hosted_only=True):
        ring = guest_keys.load(folder, guest.party, store.keyring)
        guest_store.in_keeping_of(store.tx, guest.party)
        mine = PostgresStore(view_of(node, store.realm, ring), store.realm, store.tx, store.now)
        told += disowning.settle(mine, peer, before)
    guest_store.in_keeping_of(store.tx, "")
    return told
