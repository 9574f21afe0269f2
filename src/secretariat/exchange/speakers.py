"""Who speaks in a partner's log: the partner itself, and the guests it hosts (no I/O).

Rules:

1. A partner's log holds entries of the partner and of parties that were introduced here as its guests. Each
   is verified with the key of the party that it names as its author, and with no other.
2. What a guest says counts as the guest's: it is answered to the guest, and the host never speaks for it.
3. A party that has a node of its own speaks in its own log only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.errors import SecretariatError
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.exchange.model import Peer
    from secretariat.exchange.peers import Store


def speakers(store: Store, peer: Peer) -> dict[str, Peer]:
    """Give everybody who may speak in a partner's log, by party."""
    guests = {one.party: one for one in store.hosted().values() if one.host == peer.party}
    return {**guests, peer.party: peer}


def claimed(among: Mapping[str, Peer], peer: Peer, envelope: bytes) -> Peer:
    """Give the speaker whom an entry names as its author; the partner itself where it names a stranger."""
    if len(among) == 1:
        return peer
    try:
        return among.get(entries.read(dsse.payload_of(envelope)).party, peer)
    except SecretariatError:
        return peer


def named(store: Store, party: str) -> Peer | None:
    """Give a partner, or a party that a partner hosts."""
    return store.peer(party) or store.hosted().get(party)


def author(store: Store, origin: str, position: int) -> str | None:
    """Name the party that signed an entry of a partner's log; the log's own where the entry is not kept."""
    kept = store.peer_entry(origin, position)
    if kept is not None:
        return kept.party
    return next((one.party for one in store.peers() if one.origin == origin), None)


def reached(store: Store) -> set[str]:
    """Name everybody to whom an entry of ours is carried: partners, their guests, who shares our log."""
    partners = {one.party for one in store.peers() if one.state != "removed"}
    return {*partners, *store.hosted(), *store.local()}
