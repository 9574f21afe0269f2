"""Parties without a node in a random world: guests of a host, in its log, under a key of their own.

A guest asks partners of its host for what is addressed to it, and what it says is carried on its host's
pages. Between a guest and its own host nothing travels.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.exchange import guest_store
from secretariat.exchange.guest_store import Met
from secretariat.exchange.guest_view import view_of
from secretariat.exchange.memory import Memory
from secretariat.exchange.postgres import transaction
from secretariat.ledger import guest_keys
from secretariat.ledger.keys import Signer

from .party import Party, enrol
from .terms import Terms
from .ways import SimulatedNode, introduction_of, peer_of

if TYPE_CHECKING:
    from collections.abc import Collection


def _of_the_host(name: str) -> Any:
    def read(self: Guest) -> Any:
        return getattr(self.host, name)

    def write(self: Guest, value: Any) -> None:
        setattr(self.host, name, value)

    return property(read, write)


class Guest(Party):
    """A guest: it is up, on time and sound as far as its host's node is."""

    def __init__(self, node: SimulatedNode, terms: Collection[Terms], host: Party) -> None:
        self.host = host
        super().__init__(node, terms, honest=True)

    up = _of_the_host("up")
    read_only = _of_the_host("read_only")
    asking = _of_the_host("asking")
    lives = _of_the_host("lives")
    epoch = _of_the_host("epoch")
    skew = _of_the_host("skew")
    reverted = _of_the_host("reverted")
    lost = _of_the_host("lost")
    deaf = _of_the_host("deaf")
    dies = _of_the_host("dies")


def hosted(seed: int, code: str, terms: Collection[Terms], host: Party) -> Guest:
    """Let a node host a party."""
    signer = Signer.from_seed(hashlib.sha256(f"{seed} {code} guest".encode()).digest())
    ring = guest_keys.ring_of(signer, code, host.ring)
    backend = host.node.backend
    if isinstance(backend, Memory):
        memory = Memory(ring, random.Random(f"salts {seed} {code}").randbytes, host=backend)
        backend.guests[code] = memory
        return Guest(SimulatedNode(ring, memory.transaction, memory), terms, host)
    mine = view_of(backend, "live", ring)
    return Guest(SimulatedNode(ring, partial(transaction, mine, "live"), mine), terms, host)


def introduce(guest: Guest, at: Party, now: datetime) -> None:
    """Let a partner of the host take the guest as introduced, and the guest take it as a partner."""
    ring, host = guest.ring, guest.host.code
    with at.node.store(now) as store:
        if isinstance(at.node.backend, Memory):
            met = msgspec.structs.replace(peer_of(ring), host=host, log_keys={}, transport_keys={})
            store.meet(met)  # type: ignore[attr-defined]
        else:
            known = Met(guest.code, guest.code, host, ring.record.public, introduction_of(ring), now)
            guest_store.write_met(store.tx, known)  # type: ignore[attr-defined]
    enrol(guest, at, now)
