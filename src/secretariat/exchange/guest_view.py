"""A node as it acts for one of its guests: the guest's party, the guest's key, the guest's objects.

Rules:

1. Only `acting` gives it to a deed, and only for a person of that guest who has the right. What the program
   does by itself for a guest (guest_settling.py) states facts and never grants anything.
2. Its transactions see and write the guest's own objects and none of the host's (storage/rls.py, CUSTODIAN).
3. A guest that moved or ended has none: its key is not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import DeniedError
from secretariat.exchange import guest_store
from secretariat.ledger import guest_keys, keys
from secretariat.ledger.node import Node

if TYPE_CHECKING:
    from secretariat.ledger.keys import Keyring
    from secretariat.people.model import Permission, Person


def view(node: Node, realm: str, party: str) -> Node:
    """Give this node as it acts for a guest: its party, its key, its objects. Refuses a stranger."""
    with node.database.app(realm) as tx:
        held = guest_store.guest_of(tx, party)
    if held is None or held.state != "hosted":
        raise DeniedError(
            f"this node does not sign for {party}",
            where=party,
            advice="it is no guest here" if held is None else f"it {held.state} on {held.ended_at:%Y-%m-%d}",
        )
    host = node.keyring(realm)
    return view_of(node, realm, guest_keys.load(keys.folder_of(node.settings.data, realm), party, host))


def view_of(node: Node, realm: str, ring: Keyring) -> Node:
    settings = msgspec.structs.replace(node.settings, party=ring.party)
    return Node(settings, node.database.kept_for(ring.party), {realm: ring})


def acting(node: Node, realm: str, person: Person, right: Permission) -> Node:
    """Give the node as it acts for the party of this person (rule 2). Refuses everybody else."""
    if person.party is None:
        raise DeniedError(
            f"{person.login} is a person of {node.party} and says nothing for a guest",
            where=str(right),
            advice="a person of the guest signs in and does it",
        )
    if not person.may(right):
        raise DeniedError(f"{person.login} may not do this", where=str(right))
    return view(node, realm, person.party)
