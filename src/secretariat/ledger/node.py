"""The node: one party's settings, database and keys, as every part receives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secretariat.base.errors import NotFoundError
from secretariat.ledger import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.base.settings import NodeSettings
    from secretariat.ledger.keys import Keyring
    from secretariat.storage.engine import Database


@dataclass(frozen=True)
class Node:
    """What one party runs. `keys` holds one ring per realm; nothing is shared between realms."""

    settings: NodeSettings
    database: Database
    keys: Mapping[str, Keyring]
    stopped: dict[str, str] = field(default_factory=dict)
    """Per realm why nothing is written any more (log_head.stopped), as this process knows it."""

    @classmethod
    def open(cls, settings: NodeSettings, database: Database) -> Node:
        """Read the keys of every realm from the data folder."""
        rings: dict[str, Keyring] = {
            realm: keys.load(
                keys.folder_of(settings.data, realm), party=settings.party, realm=realm, host=settings.host
            )
            for realm in settings.realms
        }
        return cls(settings, database, rings)

    @property
    def party(self) -> str:
        """The code of the party that runs this node."""
        return self.settings.party

    def origin(self, realm: str) -> str:
        """Give the name of this node's log in `realm`, `<host>/<realm>` (C2SP tlog-checkpoint origin)."""
        return self.keyring(realm).origin

    def keyring(self, realm: str) -> Keyring:
        """Give the keys of `realm`. Refuses a realm that this node does not have."""
        try:
            return self.keys[realm]
        except KeyError:
            raise NotFoundError(f"no realm {realm!r} here", advice=f"one of {', '.join(self.keys)}") from None
