"""What passes between a guest and its host's partners, by way of the host (docs/protocol.md, "Guests").

Rules:

1. A partner that accepted a guest's introduction grants to the guest as to a party of its own. The host
   fetches its pages with its own transport key and says for whom (`for`); no other node is given them.
2. The host takes a page for a guest as the guest: under the guest's name in the database, ruled on as between
   sender and guest, answered with the guest's key. The place in the sender's log is the guest's own.
3. The host's held request at a partner is answered when there is news for one of its guests too; it then asks
   for each guest in turn. So one request is held per partner, and no two pages race for one kept log.
4. A partner that brings its pages because nobody reaches it brings the guests' pages in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from secretariat.base.clock import now
from secretariat.base.errors import DeniedError, SecretariatError
from secretariat.exchange import due_service, guest_store, service

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from secretariat.exchange.model import Peer
    from secretariat.exchange.sync import Remote
    from secretariat.ledger.node import Node


def reader_of(node: Node, realm: str, caller: Peer, wanted: str) -> str:
    """Say whose feed a partner asks for: its own, or that of a guest which it hosts. Refuses any other."""
    if wanted in {"", caller.party}:
        return caller.party
    if wanted not in hosted_by(node, realm, caller.party):
        raise DeniedError(
            f"{caller.party} is not known here as the host of {wanted}",
            where="for",
            advice="a host asks for its own guests, once their introduction was accepted here",
        )
    return wanted


def receiver_of(node: Node, realm: str, caller: Peer, wanted: str) -> str:
    """Say for whom a partner brings a page: "" for this party, or a guest here. Refuses any other."""
    if wanted in {"", node.party}:
        return ""
    with node.database.app(realm) as tx:
        known = guest_store.guests_with(tx, caller.party)
    if wanted not in known:
        raise DeniedError(
            f"nothing is taken here for {wanted}",
            where="for",
            advice="pages for a guest are taken from partners that accepted its introduction",
        )
    return wanted


def hosted_by(node: Node, realm: str, host: str) -> list[str]:
    """Name the guests of a partner whose introduction was accepted here."""
    with node.database.app(realm) as tx:
        return [one.party for one in guest_store.met_parties(tx, host)]


def news(node: Node, realm: str, guests: list[str], since: int) -> bool:
    """Whether this log says anything to these guests from the size on that their host kept."""
    with node.database.app(realm) as tx:
        return bool(guests) and guest_store.waits_for(tx, guests, since)


async def fetch(node: Node, realm: str, peer: Peer, remote: Callable[[str], Remote]) -> int:
    """Take what a partner has for each of our guests; gives how many entries came."""
    came = 0
    for guest in await asyncio.to_thread(_guests, node, realm, peer.party):
        try:
            came += await _fetch(node, realm, peer.party, guest, remote(guest))
        except SecretariatError as error:
            await asyncio.to_thread(_failed, node, realm, peer.party, guest, str(error))
    return came


async def _fetch(node: Node, realm: str, party: str, guest: str, remote: Remote) -> int:
    came, more = 0, True
    while more:
        at = await asyncio.to_thread(service.place, node, realm, party, guest=guest)
        page = await remote.feed(at.after, at.size, 0)
        done = await asyncio.to_thread(service.take_page, node, realm, party, page, guest=guest, now=now())
        came, more = came + done.entries, done.more
    return came


def _guests(node: Node, realm: str, partner: str) -> list[str]:
    with node.database.app(realm) as tx:
        return guest_store.guests_with(tx, partner)


def _failed(node: Node, realm: str, partner: str, guest: str, error: str) -> None:
    with contextlib.suppress(SecretariatError), node.database.app(realm) as tx:
        guest_store.note_failed(tx, guest, partner, error)


def do_what_is_due(node: Node, realm: str, *, now: datetime) -> None:
    """Do for every guest here what falls due, and rule again on what waits (see service.py)."""
    with node.database.app(realm) as tx:
        guests = [one.party for one in guest_store.guests(tx, hosted_only=True)]
    for guest in guests:
        due_service.run_timers(node, realm, guest=guest, now=now)
        due_service.retry_when_due(node, realm, guest=guest, now=now)


__all__ = ["do_what_is_due", "fetch", "hosted_by", "news", "reader_of", "receiver_of"]
