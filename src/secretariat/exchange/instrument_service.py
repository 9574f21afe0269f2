"""Texts of instruments between partners: which to ask for, what a partner gave, what one may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.agreements.offered import readable
from secretariat.exchange import instruments
from secretariat.exchange.postgres import transaction
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.instruments import Want
    from secretariat.ledger.node import Node


def wanted(node: Node, realm: str, party: str, *, now: datetime) -> list[Want]:
    """Give the instruments to ask a partner for now."""
    with transaction(node, realm, now) as store:
        return instruments.due(store, party, now)


def unanswered(node: Node, realm: str, want: Want, why: str, *, now: datetime) -> None:
    """Note that a partner did not give a text, and when to ask again."""
    with transaction(node, realm, now) as store:
        instruments.failed(store, want, why, now)


def take_instrument(
    node: Node, realm: str, party: str, want: Want, answer: bytes, *, refused: str = "", now: datetime
) -> bool:
    """Keep a partner's answer for the operator to decide on; False when it was refused, which is recorded."""
    with transaction(node, realm, now) as store:
        peer = store.peer(party)
        if peer is None or peer.state != "accepted":
            return False
        limits = node.settings.limits
        kept = instruments.take_text(
            store, peer, want, answer, limits=limits, check=readable, refused=refused
        )
        notify(store.tx, LIVE, live(kind="instrument" if kept else "refusal", party=party))
    return kept is not None


def give_instrument(node: Node, realm: str, party: str, digest: bytes, *, now: datetime) -> bytes:
    """Give a partner the text of an instrument that it may be shown; refuses any other."""
    with transaction(node, realm, now) as store:
        return instruments.encode(instruments.give(store, party, digest, now))
