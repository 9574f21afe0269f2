"""One transaction of one realm of a node, as the parts of its store in PostgreSQL share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node
    from secretariat.ledger.revocation import Revoked


class Transaction:
    """A transaction, the moment it takes place at, and whose it is."""

    def __init__(self, node: Node, realm: str, tx: sa.Connection, now: datetime) -> None:
        self.node = node
        self.tx = tx
        self.now = now
        self.keyring = node.keyring(realm)
        self.party = node.party
        self.realm = realm
        self.origin = self.keyring.origin
        self._keys: dict[str, Mapping[str, bytes]] = {}
        self._revoked: dict[str, Mapping[str, Revoked]] = {}
        self._hosted: Mapping[str, Peer] | None = None
