"""What to do when a key is lost or stolen, as a list of steps for this very node, each of them checked.

The list changes nothing. A step is done when the node's own files and log show that it is; what only a person
can know stands open until the last. docs/keys.md says what each loss costs.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange import own_keys
from secretariat.ledger import witness_store
from secretariat.ledger.keys import key_id

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import Literal

    from secretariat.ledger.node import Node


class Step(msgspec.Struct, frozen=True):
    """One step: what it is, whether it is done, and the command or the words to say."""

    what: str
    done: bool
    how: str = ""


def steps(
    node: Node, realm: str, what: Literal["lost", "stolen"], role: str, *, data: Path, now: datetime
) -> list[Step]:
    """Give the steps for a key of `role` in `realm`, in their order."""
    if role == "root":
        return _root_steps(node, realm, what)
    found = own_keys.status(node, realm, now=now)
    former = [one for one in found.keys if one.role == role and one.until is not None]
    revoked = [one for one in former if one.revoked is not None]
    present = next(one for one in found.keys if one.role == role)
    at = f"--data {shlex.quote(str(data))}" + ("" if realm == "live" else f" --realm {realm}")
    away = "" if node.keyring(realm).root is not None else " --root FILE"
    since = "now" if what == "lost" else "WHEN"
    told = _seen_after(node, realm, present.entry)
    listed = [
        Step(
            "A partner cosigned this log: what it saw stays proven",
            bool(found.seen),
            "" if found.seen else "secretariat peers list: let one come into contact before anything is lost",
        ),
        Step("The root key is at hand: on this machine, or on its medium with the passphrase", not away),
        Step("The node is stopped", bool(revoked), "Ctrl-C, or the service manager"),
    ]
    if what == "stolen":
        listed.append(
            Step(
                "You know since when the key may be in other hands: when in doubt, the earlier moment",
                bool(revoked),
                "what partners saw before stays; what they did not must be granted again",
            )
        )
    listed += [
        Step(
            f"The {role} key is revoked and replaced",
            bool(revoked),
            f"secretariat keys revoke {present.key_id} --since {since} --reason {what} {at}{away}"
            if not revoked
            else f"{revoked[-1].key_id}, replaced by {present.key_id}",
        ),
        Step("The log names the new key, under the root key", present.entry is not None),
        Step("A descriptor under the root key states it", found.stated, f"secretariat keys state{away}"),
        Step("The node serves again", bool(revoked and told), "secretariat serve"),
        Step(
            "Partners took the new key: "
            + (", ".join(told) if revoked and told else "none that cosigned since"),
            bool(revoked and told),
            "without a link: by transfer, by letter, or the file of secretariat keys state --out FILE",
        ),
    ]
    if what == "stolen":
        listed.append(
            Step(
                "What partners refused for that key is granted again, where you stand by it",
                False,
                "secretariat receipts: `key-revoked`; grant the same objects again",
            )
        )
    return listed


def _seen_after(node: Node, realm: str, entry: int | None) -> list[str]:
    """Name the witnesses that cosigned the log with the entry that put the present key into force."""
    ring = node.keyring(realm)
    if entry is None:
        return []
    with node.database.app(realm) as tx:
        words = witness_store.newest(tx, ring.origin)
    return [one.witness for one in words if one.witness != ring.origin and one.size > entry]


def _root_steps(node: Node, realm: str, what: str) -> list[Step]:
    ring = node.keyring(realm)
    copies = "another copy of the file of `keys offline`, with its passphrase"
    first = (
        Step("No copy is left: neither here nor on a medium", ring.root is None, f"look for {copies}")
        if what == "lost"
        else Step("The medium or machine that held it is out of use", False)
    )
    return [
        first,
        Step(
            "Partners know by voice: nothing under the old root key is to be believed",
            False,
            f"the present one is {key_id(ring.root_public)}",
        ),
        Step(
            "Partners end the partnership with the old one",
            False,
            f"there: secretariat peers remove {ring.party}",
        ),
        Step("A new node under a new host name, so with a new log", False, "secretariat init --host NEW"),
        Step(
            "The old log stays where it was verified; write it out once more",
            False,
            "secretariat log export FILE",
        ),
        Step(
            "A new descriptor, and new words read by voice",
            False,
            "secretariat peers invite PARTY --out FILE",
        ),
        Step(
            "At each partner two persons bind your code to the new root key",
            False,
            "there: secretariat peers rebind FILE --fingerprint WORDS --by ONE --and OTHER",
        ),
    ]
