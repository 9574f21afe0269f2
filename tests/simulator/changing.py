"""What changes about things that were shared: another marking, another copy, duties that fall due."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.exchange import duties, withdrawal
from secretariat.exchange.peers import Store

from .deeds import Deeds
from .network import Network
from .oracle import Item, Oracle
from .party import Party, sealed
from .terms import COLOURS, MARKING


class Changing(Deeds):
    """The deeds of a `Play` on what was shared before."""

    network: Network
    oracle: Oracle
    now: Callable[[str], datetime]
    count: Callable[..., None]

    def _remark(self, party: Party, dice: random.Random) -> bool:
        """Put a version with another marking in the place of what holders have, as remarking.py does."""
        live: dict[str, list[Item]] = {}
        for item in self.oracle.items.values():
            if item.originator == party.code and not item.withdrawn:
                live.setdefault(item.stix_id, []).append(item)
        if not live:
            return False
        earlier = live[dice.choice(sorted(live))]
        newest = max(earlier, key=lambda one: one.version)
        colour = dice.choice([one for one in COLOURS if one != newest.colour])
        minute = int(newest.version[14:16]) + dice.randint(1, 5)
        if minute > 59:
            return False
        value = {
            **msgspec.json.decode(newest.data),
            "modified": f"2026-11-22T02:{minute:02}:00.000Z",
            "object_marking_refs": [MARKING[colour]],
        }
        with party.look(self.now(party.code)) as store:
            if not any(one.root == newest.root for one in store.history(newest.stix_id)):
                return False  # it was lost with a log
        holders = sorted(
            {
                one.to
                for item in earlier
                for one in self.oracle.given[item.root]
                if one.giver == party.code and not one.taken_back
            }
        )
        may = [one for one in holders if self.right(party, one, colour, party.code, b"")]
        if not self.release(party, dice, [value], colour, may):
            self._draft(party, dice, value, colour)
        raised = any(COLOURS.index(colour) > COLOURS.index(one.colour) for one in earlier)
        for one in holders:
            if raised or one not in may:
                self.call_back(party, newest.stix_id, one, [item.root for item in earlier])
        return True

    def _draft(self, party: Party, dice: random.Random, value: dict[str, object], colour: str) -> None:
        version = sealed(party.ring, value, dice.randbytes(32))
        with party.node.store(self.now(party.code)) as store:
            store.lock()
            store.publish([version], [])
        self.oracle.publish(
            Item(version.root, version.stix_id, party.code, colour, version.data, version.version)
        )

    def call_back(self, party: Party, stix_id: str, to: str, roots: list[bytes]) -> None:
        """Take some versions back from one party."""
        now = self.now(party.code)
        try:
            with party.node.store(now) as store:
                store.lock()
                at = store.head().size
                held = store.recipients(roots).get(to, ())
                withdrawal.narrow(store, stix_id, to=to, reason="marked anew", now=now, only=held)
        except SecretariatError:
            return
        self.oracle.narrow(party.code, to, stix_id, at=at, only=roots)

    def fall_due(self, party: Party) -> bool:
        """Do what duties demand by now; True when something was done."""
        now = self.now(party.code)
        if not party.up or party.read_only or party.deaf:
            return False
        with party.look(now) as store:
            if not store.fallen_due(now, 1):
                return False
        with party.node.store(now) as store:
            store.lock()
            done = duties.fall_due(store, now)
            self._nothing_past_its_end(party, store, now)
        self.count("duties: destroyed", done.destroyed)
        self.count("duties: kept by law", done.kept)
        if done != duties.Run():
            self.network.wake(party.code)
        return bool(done.destroyed or done.kept)

    def _nothing_past_its_end(self, party: Party, store: Store, now: datetime) -> None:
        shown = {one.root for one in store.shown()}
        late = [one for one in store.fallen_due(now, 100) if one.root in shown]
        if late:
            raise AssertionError(f"{party.code} shows {late[0].root.hex()[:12]} past {late[0].at}")
