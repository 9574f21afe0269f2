"""Joint statements in a random world: put to signature, and answered by those who hold that very version.

The payload, its words and where parties stand are the shipped `ledger.joint`; when a party may sign is
as in `ledger.joint_service`: what it holds whole, valid and undisputed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from secretariat.exchange.peers import Outgoing
from secretariat.ledger import entries, joint
from secretariat.ledger.joint import Joint
from secretariat.ledger.joint_service import KIND, SIGNABLE
from secretariat.ledger.object_signature import ObjectStatement

from .network import Network
from .oracle import Item, Oracle, Said
from .party import Party
from .plan import ACTS

TRIES = 4
STANCES = ["signed"] * 5 + ["reservation", "objects"]


class Signing:
    """The deeds of a `Play` on joint statements."""

    parties: dict[str, Party]
    network: Network
    oracle: Oracle
    now: Callable[[str], datetime]
    count: Callable[..., None]

    def payload_of(self, item: Item, parties: Sequence[str]) -> bytes:
        value = msgspec.json.decode(item.data)
        version = ObjectStatement(
            item.stix_id, value["type"], item.root.hex(), value["created"], value["modified"]
        )
        return joint.payload(Joint(version, tuple(sorted(parties)), "live"))

    def _propose(self, party: Party, dice: random.Random) -> bool:
        """Put an own version to signature by some who were granted it whole; guests do not, nor sign."""
        if party.code in self.network.host:
            return False
        mine = [
            (item, readers)
            for root, item in self.oracle.items.items()
            if item.originator == party.code and not item.withdrawn
            for readers in [
                sorted(
                    {
                        one.to
                        for one in self.oracle.given[root]
                        if one.giver == party.code and one.right and one.sound and not one.taken_back
                    }
                )
            ]
            if readers
        ]
        if not mine:
            return False
        item, readers = dice.choice(mine)
        chosen = dice.sample(readers, min(len(readers), dice.choice([1, 2, 2, 3])))
        payload = self.payload_of(item, [party.code, *chosen])
        with party.look(self.now(party.code)) as store:
            held = store.versions([item.root]).get(item.root)
        if held is None or held.state not in SIGNABLE or any(data == payload for data, _ in party.words):
            return False
        self.countersign(party, payload, "signed")
        self.ask_to_sign(payload, chosen, dice)
        return True

    def ask_to_sign(
        self, payload: bytes, parties: Sequence[str], dice: random.Random, stance: str = ""
    ) -> None:
        """Let parties say their word some time later, once they heard of it."""
        for code in parties:
            luck = dice.getrandbits(32)
            self.network.after(
                dice.uniform(3, 30), lambda code=code, luck=luck: self._answer(code, payload, luck, stance)
            )

    def _answer(self, code: str, payload: bytes, luck: int, stance: str, tries: int = TRIES) -> None:
        party, dice = self.parties[code], random.Random(luck)
        if (
            self.network.time > ACTS
            or party.read_only
            or party.deaf
            or not tries
            or code in self.network.host
        ):
            return
        if not party.up or not any(data == payload for data, _ in party.words):
            self.network.after(10.0, lambda: self._answer(code, payload, luck, stance, tries - 1))
            return
        side = next(one for one in joint.sides([code], [w for data, w in party.words if data == payload]))
        root = bytes.fromhex(joint.read(payload).object.root)
        with party.look(self.now(code)) as store:
            held = store.versions([root]).get(root)
        chosen = stance or dice.choice(STANCES)
        if held is None or held.state not in SIGNABLE or held.revoked:
            chosen = "objects"
        if side.signed:
            return
        self.countersign(party, payload, chosen)
        self.count(f"joint word: {chosen}")
        self.network.wake(code)

    def countersign(self, party: Party, payload: bytes, stance: str, to: Sequence[str] = ()) -> None:
        """Say a word on a statement to all others that it names, or only to some."""
        statement = joint.read(payload)
        body: Any = {
            "statement": msgspec.json.decode(payload),
            "stance": stance,
            "text": "" if stance == "signed" else f"why {party.code} has something to say",
            "signature": entries.GivenSignature(*joint.sign(payload, party.ring.record))
            if stance in joint.SIGNS
            else None,
        }
        others = to or [one for one in statement.parties if one != party.code]
        with party.node.store(self.now(party.code)) as store:
            store.lock()
            positions = store.append(
                [Outgoing(KIND, one, entries.Countersign(to=one, **body)) for one in others]
            )
            own = store.entry(positions[0])
            assert own is not None
            keys = {party.ring.record.key_id: party.ring.record.public}
            party.words.append(joint.word_of(own.envelope, own.position, keys))
        root = bytes.fromhex(statement.object.root)
        self.oracle.say(payload, root, statement.parties, Said(party.code, stance, positions[0]))
