"""Stolen keys in a random world: a thief signs with old dates, the party revokes, and partners settle it.

The thief strikes when every partner has seen the party's log: so what it signs is what nobody saw before
`since`, though partners may see it within the same second. Its grants stand in the party's own log, or, where
the log key is stolen as well, in a false log that one partner is shown. Partners learn of the new keys as
renewal.py takes them; `disowning` does the rest.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from secretariat.agreements.recompute import moment_text
from secretariat.base.errors import ConflictError, NotFoundError
from secretariat.exchange import disowning
from secretariat.exchange.enrolment import former_log_keys
from secretariat.ledger.keys import Signer
from secretariat.ledger.revocation import Revoked

from .changing import Changing
from .oracle import Item
from .party import Party, sealed
from .plan import ACTS, Deed


class Stealing(Changing):
    """What a thief does in a `Play`, and what its victim does about it."""

    starts: Callable[[str], None]
    suspended: set[tuple[str, str]]
    broken: set[tuple[str, str]]

    def do_theft(self, deed: Deed, dice: random.Random) -> None:
        """Somebody has a party's record key, and perhaps its log key."""
        party = self.parties[deed.who]
        if not party.honest or party.read_only or party.robbed is not None:
            return
        if not party.up or not self._all_saw(party):
            if self.network.time < ACTS - 12:
                self.network.after(2.0, lambda: self.do_theft(deed, dice))
            return
        self.count("fault: stolen key")
        since = self.now(party.code)
        party.robbed, party.deaf = since, True
        self.oracle.robbed.add(party.code)
        self._count_what_was_seen(party, since)
        self.network.after(0.1, lambda: self._strike(party, dice))
        self.network.after(1.5 + dice.choice([1.0, 4.0, 8.0]), lambda: self._revoke(party, since, dice))

    def _count_what_was_seen(self, party: Party, since: datetime) -> None:
        """Of what a receiver saw in the very second of the theft its word cannot say that it was before."""
        for held in self.oracle.given.values():
            for one in held:
                if one.giver != party.code or one.to not in self.parties:
                    continue
                with self.parties[one.to].look(self.now(one.to)) as store:
                    words = store.covering(party.ring.origin, max(one.at, 0))
                one.late = not any(
                    datetime.fromtimestamp(word.seconds + 1, UTC) <= since
                    for word in words
                    if word.witness != party.ring.origin
                )

    def _all_saw(self, party: Party) -> bool:
        """Whether every partner has taken the party's whole log, so that a witness saw all of it.

        And cosigned some tree of it before this very second: who has nothing of before has nothing to go
        back to from a thief's tree, which `rewind` refuses in words.
        """
        since = self.now(party.code)
        with party.look(since) as store:
            size = store.head().size
        for other in self.parties.values():
            if other is party or (other.code, party.code) in self.plan.strangers:
                continue
            kept = self.kept(other.code, party.ring.origin)
            if other.code not in self.linked(party.code):
                continue
            if kept is None or kept.size < size or not self._cosigned_before(other, party, since):
                return False
        return size > 0

    def _cosigned_before(self, other: Party, party: Party, since: datetime) -> bool:
        host = self.parties[self.network.node(other.code)]
        with host.look(self.now(host.code)) as store:
            words = store.words_before(party.ring.origin, since)
            return any(one.witness == store.origin for one in words)

    def _strike(self, party: Party, dice: random.Random) -> None:
        """The thief grants something of its own in the party's name, under an old date."""
        now = self.now(party.code)
        old = now - timedelta(minutes=dice.choice([0, 20, 30, 90]))
        partners = [
            one
            for one in self.linked(party.code)
            if self.network.ways[party.code, one].by == "wire" and self.parties[one].honest
        ]
        version = sealed(party.ring, self.value(dice, party.code, "CLEAR"), dice.randbytes(32))
        backend = party.node.backend
        false_log = bool(partners) and dice.random() < 0.4
        if false_log:
            backend = copy.copy(backend)
            vars(backend).update(party.snapshot()["memory"])
            chosen = dice.choice(partners)
            party.shadow, party.forked = backend, frozenset([chosen])
            party.false_log = chosen
        to = [party.false_log] if false_log else self.linked(party.code)
        may = [
            (one, found) for one in to if (found := self.decided(party, one, "CLEAR", version)) is not None
        ]
        with backend.transaction(old) as store:
            store.lock()
            store.publish([version], [one for one, _ in may])
            self.oracle.publish(
                Item(version.root, version.stix_id, party.code, "CLEAR", version.data, version.version)
            )
            self.grant(store, party, [version], may, "CLEAR", true_on=moment_text(old), right=False)
        self.count("thief: a false log" if false_log else "thief: in the own log")
        self.network.wake(party.code)

    def _revoke(self, party: Party, since: datetime, dice: random.Random) -> None:
        """The party takes new keys, says which count no more, and tells everybody who knows it."""
        ring, roles = party.ring, ["record", *(["log"] if party.shadow is not None else [])]
        fresh = {role: Signer.from_seed(dice.randbytes(32)) for role in roles}
        gone = {getattr(ring, role).key_id: getattr(ring, role).public for role in roles}
        revoked = {getattr(ring, role).key_id: Revoked(role, since, "stolen") for role in roles}
        party.ring = replace(
            ring, **fresh, retired={**ring.retired, **gone}, revoked={**ring.revoked, **revoked}
        )
        party.node.keyring = party.node.backend.keyring = party.ring
        party.shadow, party.forked, party.deaf = None, frozenset(), False
        with party.look(self.now(party.code)) as store:
            party.renewed_at = self.now(party.code), store.head().size
        for other in self.parties.values():
            if other is not party:
                self.network.after(dice.uniform(0, 10), lambda other=other: self.learn(other, party))
        if party.up:
            self.network.start(party.code)

    def learn(self, at: Party, party: Party) -> None:
        """Take a partner's new keys on a node, as renewal.py does, and settle what it revoked.

        A node learns for its guests: they have one list of partners, and one memory of their logs.
        """
        host = self.parties[self.network.node(at.code)]
        if party.renewed_at is None or party.code in host.learnt or host.read_only:
            return
        with host.look(self.now(host.code)) as store:
            if store.peer(party.code) is None:
                return
        host.learnt.add(party.code)
        here = self.network.on(host.code)
        for code in here:
            self._take_keys(self.parties[code], party)
        if any(one.role == "log" for one in party.ring.revoked.values()):
            self._take_back(host, party)
        self.network.wake(host.code)
        for code in here:
            way = self.network.ways.get((party.code, code))
            if way is not None and way.by == "wire" and not way.pushed and host.up:
                self.network.again(way)

    def _take_keys(self, at: Party, party: Party) -> None:
        assert party.renewed_at is not None
        when, place = party.renewed_at
        ring = party.ring
        with at.node.store(self.now(at.code)) as store:
            before = store.peer(party.code)
            if before is None:  # a guest whom that partner does not know
                return
            old = [key for key in before.record_keys if key != ring.record.key_id]
            peer = msgspec.structs.replace(
                before,
                record_keys={**before.record_keys, ring.record.key_id: ring.record.public},
                log_keys={ring.log.key_id: ring.log.public},
                former_log_keys=former_log_keys(before, ring.log.key_id),
                retired=dict.fromkeys(old, when),
                ended=dict.fromkeys(old, place),
                revoked=dict(ring.revoked),
            )
            store.lock()
            store.save_peer(peer)
            told = disowning.settle(store, peer, before.revoked)
            self.count("thief: objects count no more", told)

    def _take_back(self, host: Party, party: Party) -> None:
        """Let a person go back to the last tree of a log that was seen before the theft, if there is need."""
        try:
            with host.node.store(self.now(host.code)) as store:
                peer = store.peer(party.code)
                assert peer is not None
                store.lock()
                disowning.rewind(store, peer, by="operator")
        except (ConflictError, NotFoundError) as error:
            self.count(f"not taken back: {error.code}")
            return
        self.count("thief: log taken back")
        self.suspended -= {(code, party.code) for code in self.network.on(host.code)}
