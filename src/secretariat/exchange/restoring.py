"""A restored node may hold an older log than its partners kept: it must not write before it knows.

Rules (decisions.md 6):
1. Until it was checked a restored node is not served and its database takes no writes: an entry written
   over a lost one would be a second history, and every partner would rightly suspend this node.
2. It is checked by asking every partner in every realm how far it is with our log. Nobody ahead of us:
   nothing a partner has seen was lost. Somebody ahead: this backup may not continue the log.
3. A partner that cannot be reached may be left out by name only, by a person who knows why.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import httpx2
import msgspec

from secretariat.base.errors import SecretariatError, StateError
from secretariat.exchange import store as tables
from secretariat.exchange.sync import Remote
from secretariat.ledger import service as ledger

if TYPE_CHECKING:
    from secretariat.ledger.node import Node


class Comparison(msgspec.Struct, frozen=True):
    """What one partner last kept of our log, beside what the restored node has."""

    realm: str
    party: str
    ours: int
    kept: int | None
    state: Literal["whole", "lost", "silent", "left out"]
    reason: str = ""


async def compare(node: Node, *, without: Collection[str] = ()) -> list[Comparison]:
    """Ask every accepted partner how far it is with our log."""
    found = []
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=False) as client:
        for realm in node.settings.realms:
            with node.database.app(realm) as tx:
                ours = ledger.head(tx).size
                peers = tables.read_peers(tx, "WHERE state IN ('accepted', 'suspended')")
            for peer in peers:
                if not peer.url:
                    found.append(_unasked(realm, peer.party, ours, "it has no address", without))
                    continue
                try:
                    kept = (await Remote(node, realm, peer, client).place()).size
                except SecretariatError as error:
                    found.append(_unasked(realm, peer.party, ours, str(error), without))
                else:
                    found.append(judge(realm, peer.party, ours, kept))
    return found


def judge(realm: str, party: str, ours: int, kept: int) -> Comparison:
    """Say whether a partner has kept more of our log than we have."""
    return Comparison(realm, party, ours, kept, "whole" if kept <= ours else "lost")


def refuse(found: Collection[Comparison]) -> None:
    """Refuse to go on when entries were lost or somebody was not heard."""
    for one in found:
        if one.state == "lost":
            raise StateError(
                f"{one.party} kept {one.kept} entries of our log, this backup has {one.ours}",
                where=one.realm,
                advice="restore a newer backup; if there is none, make a new node and enrol again: this "
                "log's origin is spent",
            )
    silent = [f"{one.party} ({one.realm}: {one.reason})" for one in found if one.state == "silent"]
    if silent:
        raise StateError(
            f"not heard: {'; '.join(silent)}",
            advice="try again when they can be reached, or leave one out by name: --without PARTY",
        )


def _unasked(realm: str, party: str, ours: int, reason: str, without: Collection[str]) -> Comparison:
    return Comparison(realm, party, ours, None, "left out" if party in without else "silent", reason)
