"""What parties do in a random world, and what befalls them: one method per deed of plan.py.

`do_…` befalls a party whatever state it is in; `_…` is done by a node that is up.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from secretariat.agreements.model import ENGINE, MAY, Decision, Facts, Question
from secretariat.agreements.recompute import consents_from, moment_text, row_for
from secretariat.agreements.rules import decide
from secretariat.base.errors import SecretariatError
from secretariat.exchange import withdrawal
from secretariat.exchange.model import DESTROY_DUTIES, KeptLog, Version
from secretariat.exchange.peers import Outgoing, Store
from secretariat.exchange.restoring import judge_log
from secretariat.exchange.take import retry
from secretariat.ledger import entries, merkle
from secretariat.ledger.property_tree import left_out_of
from secretariat.records import leaving_out
from secretariat.records.markings import Label

from .mail import Post
from .media import Courier
from .network import Network
from .oracle import Given, Item, Oracle
from .party import Held, Party, announcement, sealed, until_of
from .plan import Deed, Plan
from .promise import BrokenPromiseError
from .terms import COLOURS, MARKING, Terms, permits
from .terms import Consent as Word
from .ways import required

CREATED = "2026-11-22T02:00:00.000Z"
OPTIONAL = {"description": "what a relay may leave out", "confidence": 80, "labels": ["invented"]}


class Deeds:
    """The deeds of a `Play`, which gives them parties, network, oracle, terms and clocks."""

    plan: Plan
    parties: dict[str, Party]
    network: Network
    oracle: Oracle
    terms: dict[str, Terms]
    days: timedelta
    now: Callable[[str], datetime]
    count: Callable[..., None]
    linked: Callable[[str], list[str]]
    starts: Callable[[str], None]
    fall_due: Callable[[Party], bool]
    post: Post
    courier: Courier

    # --- faults ----------------------------------------------------------------------------------------

    def do_crash(self, deed: Deed, dice: random.Random) -> None:
        self.count("fault: crash")
        self.network.crash(deed.who, deed.lasts)

    def do_partition(self, deed: Deed, dice: random.Random) -> None:
        self.count("fault: partition")
        self.network.cut(deed.who, deed.other, deed.lasts)

    def do_skew(self, deed: Deed, dice: random.Random) -> None:
        self.count("fault: skew")
        party = self.parties[deed.who]
        party.skew = timedelta(seconds=dice.choice([-300, -59, -2, 5, 50, 70, 900]))

    def do_storm(self, deed: Deed, dice: random.Random) -> None:
        self.count("fault: storm")
        self.network.storms += 1

        def over() -> None:
            self.network.storms = max(0, self.network.storms - 1)

        self.network.after(deed.lasts, over)

    def do_backup(self, deed: Deed, dice: random.Random) -> None:
        party = self.parties[deed.who]
        if party.up and not party.read_only:
            party.backup = party.snapshot()
            party.withdrawn = self.oracle.withdrawn_by(party.code)

    def do_restore(self, deed: Deed, dice: random.Random) -> None:
        """A node comes back from its backup and asks every partner what it kept before it goes on."""
        party = self.parties[deed.who]
        if party.backup is None or not party.up or party.read_only:
            return
        self.count("fault: restored backup")
        self.network.crash(party.code, 10**9)
        party.restore(party.backup)
        party.backup = None
        party.asking = True
        self.comes_back(party)
        self._ask_partners(party, party.epoch)

    def do_revert(self, deed: Deed, dice: random.Random) -> None:
        """A machine is put back to an older state behind its node's back, which goes on as before."""
        party = self.parties[deed.who]
        if party.backup is None or not party.up or party.read_only or not party.honest:
            return
        self.count("fault: put back unnoticed")
        with party.look(self.now(party.code)) as store:
            before = store.head().size
        self.network.crash(party.code, 1.0)
        party.restore(party.backup)
        party.backup = None
        self.comes_back(party)
        with party.look(self.now(party.code)) as store:
            size = store.head().size
        if size < before:
            party.reverted = True
            kept = {
                partner: log.size
                for partner in self.linked(party.code)
                for log in [self.kept(partner, party.ring.origin)]
                if log is not None
            }
            party.more_at = {partner for partner, one in kept.items() if one > size}
            party.lost = bool(party.more_at)
            if party.lost:
                self.oracle.doubt(party.code, size, party.withdrawn)
            else:
                self.oracle.forget(party.code, size, party.withdrawn)

    def comes_back(self, party: Party) -> None:
        """What was on its way when a node was put back to an older state is not delivered any more."""
        party.lives += 1
        self.post.forget(party.code)
        self.courier.forget(party.code)

    def kept(self, at: str, origin: str) -> KeptLog | None:
        with self.parties[at].look(self.now(at)) as store:
            return store.kept_log(origin)

    def _ask_partners(self, party: Party, epoch: int) -> None:
        if party.epoch != epoch or party.up:
            return
        now = self.now(party.code)
        with party.look(now) as store:
            size = store.head().size
            leaves = [entries.leaf_of(entries.digest_of(one.envelope, one.salt)) for one in _log(store, size)]
        found = []
        for partner in self.linked(party.code):
            other = self.parties[partner]
            if other.asking:
                continue  # two that ask each other: a person leaves one out by name
            if not other.up or self.network.cut_off[frozenset((party.code, partner))]:
                found.append("silent")
                continue
            with other.look(self.now(partner)) as store:
                kept = store.kept_log(party.ring.origin)
            note = kept.note.decode() if kept else ""
            found.append(
                judge_log(size, lambda at: merkle.root(leaves[:at]), party.ring, partner, note).state
            )
        if {"lost", "other"} & set(found):
            self.count("restored: read-only, entries are lost")
            self.oracle.doubt(party.code, size, party.withdrawn)
            party.read_only = party.up = True
            party.asking = False
        elif "silent" in found:
            self.network.after(5.0, lambda: self._ask_partners(party, epoch))
        else:
            self.count("restored: whole")
            self.oracle.forget(party.code, size, party.withdrawn)
            party.asking = False
            self.starts(party.code)

    def do_midnight(self, deed: Deed, dice: random.Random) -> None:
        """A day passes for everybody."""
        self.count("deed: midnight")
        self.days += timedelta(days=dice.choice([1, 1, 2]))
        for party in self.parties.values():
            self.fall_due(party)

    # --- deeds -----------------------------------------------------------------------------------------

    def shown_terms(self, party: Party, partner: str) -> frozenset[str]:
        """What a party tells a partner: what it takes, of what the partner may be shown."""
        return frozenset(key for key in party.signed[-1] if self.terms[key].known_to(partner))

    def _learn(self, party: Party, dice: random.Random) -> bool:
        """Sign what was not signed yet, and tell the partners."""
        late = sorted(
            key for code, key in self.plan.unsigned if code == party.code and key not in party.signed[-1]
        )
        if not late:
            return False
        party.signed.append(party.signed[-1] | {dice.choice(late)})
        now = self.now(party.code)
        with party.node.store(now) as store:
            store.lock()
            store.append(
                [
                    announcement(to, keys, party.book(keys, self.terms))
                    for to in self.linked(party.code)
                    for keys in [self.shown_terms(party, to)]
                ]
            )
            store.append(retry(store, party.recompute(store, now, self.terms), now))
        return True

    def common(self, party: Party, partner: str) -> frozenset[str]:
        """What a party takes to be signed by both, of what both may be shown."""
        return frozenset(key for key in party.common(partner) if self.terms[key].known_to(partner))

    def value(self, dice: random.Random, party: str, colour: str, **more: Any) -> dict[str, Any]:
        """Make an indicator."""
        name = f"{party} {self.plan.seed} {dice.getrandbits(64)}"
        return {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.UUID(int=dice.getrandbits(128), version=4)}",
            "created": CREATED,
            "modified": CREATED,
            "name": name,
            "pattern": "[ipv4-addr:value = '203.0.113.7']",
            "pattern_type": "stix",
            "valid_from": CREATED,
            "object_marking_refs": [MARKING[colour]],
            **{one: OPTIONAL[one] for one in sorted(OPTIONAL) if dice.random() < 0.3},
            **more,
        }

    def _share(self, party: Party, dice: random.Random) -> bool:
        colour = dice.choice(COLOURS)
        values = [self.value(dice, party.code, colour) for _ in range(dice.choice([1, 1, 1, 2, 4]))]
        to = [one for one in self.linked(party.code) if dice.random() < 0.7]
        return self.release(party, dice, values, colour, to)

    def _update(self, party: Party, dice: random.Random) -> bool:
        """Publish a newer version of something."""
        mine = [
            one for one in self.oracle.items.values() if one.originator == party.code and not one.withdrawn
        ]
        if not mine:
            return False
        old = dice.choice(mine)
        value = msgspec.json.decode(old.data)
        minute = dice.randrange(1, 60)
        value |= {"modified": f"2026-11-22T02:{minute:02}:00.000Z", "name": f"newer {dice.getrandbits(64)}"}
        if any(one.version == value["modified"] for one in self.oracle.known_as(old.stix_id)):
            return False
        to = [one for one in self.linked(party.code) if dice.random() < 0.8]
        return self.release(party, dice, [value], old.colour, to)

    def release(
        self,
        party: Party,
        dice: random.Random,
        values: Sequence[dict[str, Any]],
        colour: str,
        to: Sequence[str],
    ) -> bool:
        """Publish and grant to each of `to` that may have it: what a release does on a real node."""
        versions = [sealed(party.ring, one, dice.randbytes(32)) for one in values]
        now = self.now(party.code)
        may = [
            (one, found) for one in to if (found := self.decided(party, one, colour, versions[0])) is not None
        ]
        if not may:
            return False
        with party.node.store(now) as store:
            store.lock()
            store.publish(versions, [one for one, _ in may])
            for one in versions:
                self.oracle.publish(Item(one.root, one.stix_id, party.code, colour, one.data, one.version))
            self.grant(store, party, versions, may, colour)
        return True

    def decided(
        self,
        party: Party,
        to: str,
        colour: str,
        version: Version,
    ) -> Decision | None:
        """Ask the shipped rules, and the oracle whether it agrees. None: it may not go there.

        Every consent that came to the party counts, as the oracle has it: who grants names it (`proof_of`).
        """
        now, keys = self.now(party.code), self.common(party, to)
        held = [one.statement for one in self.consents_for(party, to, version)]
        consents = consents_from(held, to, {version.root.hex(): version.stix_id})
        question = Question(
            sender=party.code,
            recipient=to,
            label=Label(version.originator, tlp=colour),
            true=now,
            direct=True,
            facts=Facts(consents=consents),
            object_id=version.stix_id,
        )
        decision = decide(party.book(keys, self.terms), question)
        right = self.right(party, to, colour, version.originator, version.root, keys)
        if (decision.outcome == MAY) != right:
            raise BrokenPromiseError(
                f"{party.code} to {to}, {version.originator}'s {colour} by {sorted(keys)}: "
                f"decided {decision.text}, the oracle says {right}"
            )
        return decision if right else None

    def right(
        self,
        party: Party,
        to: str,
        colour: str,
        originator: str,
        root: bytes,
        keys: frozenset[str] | None = None,
    ) -> bool:
        """What the oracle says of one release now."""
        known = [self.consent_word(one) for one in party.consents]
        return permits(
            [self.terms[key] for key in (self.common(party, to) if keys is None else keys)],
            originator=originator,
            sender=party.code,
            recipient=to,
            colour=colour,
            day=self.now(party.code).date(),
            root=root,
            consents=[one for one in known if one in self.oracle.consents],
        )

    def consent_word(self, held: Held) -> Word:
        body = entries.body_as(held.statement, entries.Consent)
        return Word(
            held.statement.party,
            str(body.to_reader),
            frozenset(bytes.fromhex(one) for one in body.objects),
            held.statement.at.date(),
            until_of(body.until),
        )

    def grant(
        self,
        store: Store,
        party: Party,
        versions: Sequence[Version],
        to: Sequence[tuple[str, Decision]],
        colour: str,
        facts: dict[str, Any] | None = None,
        *,
        change: Callable[[entries.GrantRow], entries.GrantRow] = lambda row: row,
        true_on: str | None = None,
        right: bool = True,
        left_out: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Append the publication and one grant per recipient."""
        roots, at = [one.root.hex() for one in versions], store.head().size
        (publication,) = store.append([Outgoing("publication", None, entries.Publication(objects=roots))])
        for one, decision in to:
            body = entries.Grant(
                to=one,
                publication=publication,
                instruments=party.book(self.common(party, one), self.terms).hash,
                engine=ENGINE,
                rows=[change(msgspec.structs.replace(row_for(decision, roots), left_out=_lists(left_out)))],
                true_on=true_on or moment_text(self.now(party.code)),
                facts=facts,
            )
            store.append([Outgoing("grant", one, body)])
            for version in versions:
                if version.root not in self.oracle.items:  # somebody made it up
                    continue
                self.oracle.give(
                    Given(
                        party.code,
                        one,
                        version.root,
                        right,
                        sound=right,
                        at=at,
                        left_out=frozenset(left_out.get(version.root.hex(), ())),
                        until=kept_until(body.rows[0], one),
                    )
                )

    def _consent(self, party: Party, dice: random.Random) -> bool:
        """Tell a holder that it may pass an object on to somebody."""
        held = [
            (root, one.to)
            for root, item in self.oracle.items.items()
            if item.originator == party.code and not item.withdrawn
            for one in self.oracle.given[root]
            if one.giver == party.code and one.right and not one.taken_back
        ]
        if not held:
            return False
        root, via = dice.choice(held)
        readers = [one for one in self.linked(via) if one != party.code]
        if not readers:
            return False
        reader = dice.choice(readers)
        now = self.now(party.code)
        until = now + timedelta(days=dice.choice([-1, 0, 1])) if dice.random() < 0.3 else None
        body = entries.Consent(to=via, objects=[root.hex()], to_reader=reader, until=moment_text(until))
        with party.node.store(now) as store:
            store.lock()
            store.append([Outgoing("consent", via, body)])
        self.oracle.consent(Word(party.code, reader, frozenset([root]), now.date(), until and until.date()))
        return True

    def relayable(self, party: Party) -> list[Version]:
        """What a party shows of others, was not disputed, and may think of passing on."""
        with party.look(self.now(party.code)) as store:
            shown = [
                one
                for one in store.shown()
                if one.state in {"kept", "partial"} and one.root in self.oracle.items
            ]
        return sorted(shown, key=lambda one: one.root)

    def own_versions(self, party: Party) -> list[Version]:
        """What a party published itself and did not withdraw."""
        roots = [
            root
            for root, item in self.oracle.items.items()
            if item.originator == party.code and not item.withdrawn
        ]
        with party.look(self.now(party.code)) as store:
            return sorted(store.versions(roots).values(), key=lambda one: one.root)

    def consents_for(self, party: Party, to: str, version: Version) -> list[Held]:
        return [
            one
            for one in party.consents
            if one.statement.body.get("to_reader") == to
            and version.root.hex() in one.statement.body["objects"]
        ]

    def proof_of(self, party: Party, to: str, version: Version) -> dict[str, Any] | None:
        """Name the consents on which a decision rests, as a grant's facts do: they travel with it."""
        held = self.consents_for(party, to, version)
        named = [{"origin": one.origin, "position": one.position} for one in held]
        return {"consents": named} if held else None

    def _relay(self, party: Party, dice: random.Random) -> bool:
        """Pass on what others' rules let pass: by consent where one came, else as far as the colour goes."""
        have = self.relayable(party)
        pairs = [(one, to) for one in have for to in self.linked(party.code) if to != one.originator]
        if not pairs:
            return False
        ready = [pair for pair in pairs if self.consents_for(party, pair[1], pair[0])]
        version, to = dice.choice(ready if ready and dice.random() < 0.7 else pairs)
        names = [
            one for one in leaving_out.optional(msgspec.json.decode(version.data)) if dice.random() < 0.35
        ]
        return self.pass_on(party, version, to, names)

    def pass_on(self, party: Party, version: Version, to: str, names: Sequence[str] = ()) -> bool:
        """Grant another's object, without `names` and what is missing here; as before where it was before."""
        missing = left_out_of(version.salt)
        names = sorted({*missing, *names})
        before = self.oracle.standing(party.code, to, version.root)
        if before:
            names = sorted(min((one.left_out for one in before), key=len))
            if not set(missing) <= set(names):
                return False
        colour = self.oracle.items[version.root].colour
        decision = self.decided(party, to, colour, version)
        if decision is None:
            self.count("relay not permitted")
            return False
        facts = self.proof_of(party, to, version)
        with party.node.store(self.now(party.code)) as store:
            store.lock()
            there = store.versions([version.root])
            store.publish(list(there.values()), [to], names)
            left_out = {version.root.hex(): names} if names else {}
            self.grant(store, party, [version], [(to, decision)], colour, facts, left_out=left_out)
        if names:
            self.count("relayed with something left out")
        return True

    def _again(self, party: Party, dice: random.Random) -> bool:
        """Grant once more what was granted before, narrowed or not; to the same, or to somebody else."""
        mine = [
            (root, one.to)
            for root, item in self.oracle.items.items()
            if item.originator == party.code and not item.withdrawn
            for one in self.oracle.given[root]
            if one.giver == party.code and one.right
        ]
        if not mine:
            return False
        root, to = dice.choice(mine)
        if dice.random() < 0.4:
            to = dice.choice(self.linked(party.code))
        now = self.now(party.code)
        with party.node.store(now) as store:
            version = store.versions([root]).get(root)
            if version is None and (party.lives or party.robbed or not party.honest):
                return False
            assert version is not None
            decision = self.decided(party, to, self.oracle.items[root].colour, version)
            if decision is None:
                return False
            store.lock()
            store.publish([version], [to])
            self.grant(store, party, [version], [(to, decision)], self.oracle.items[root].colour)
        return True

    def _withdraw(self, party: Party, dice: random.Random) -> bool:
        live = sorted(
            {
                one.stix_id
                for one in self.oracle.items.values()
                if one.originator == party.code and not one.withdrawn
            }
        )
        if not live:
            return False
        stix_id = dice.choice(live)
        now = self.now(party.code)
        with party.node.store(now) as store:
            if not store.history(stix_id) and (party.lives or party.robbed or not party.honest):
                return False  # it stands in another log, or was lost with one
            store.lock()
            at = store.head().size
            withdrawal.withdraw(
                store, stix_id, reason="wrong", now=now, required=required, seal=sealing(party, dice)
            )
            if store.head().size == at:
                at = -1  # nobody had to be told
        self.oracle.withdraw(party.code, stix_id, at=at)
        return True

    def _narrow(self, party: Party, dice: random.Random) -> bool:
        standing = sorted(
            {
                (self.oracle.items[root].stix_id, one.to)
                for root, given in self.oracle.given.items()
                for one in given
                if one.giver == party.code and not one.taken_back and not self.oracle.items[root].withdrawn
            }
        )
        if not standing:
            return False
        stix_id, to = dice.choice(standing)
        now = self.now(party.code)
        try:
            with party.node.store(now) as store:
                store.lock()
                at = store.head().size
                withdrawal.narrow(store, stix_id, to=to, reason="ended", now=now)
        except SecretariatError:  # it lost the object itself meanwhile
            return False
        self.oracle.narrow(party.code, to, stix_id, at=at)
        return True


def kept_until(row: entries.GrantRow, to: str) -> datetime | None:
    """From when on the row forbids `to` to keep what it brings."""
    ends = [
        withdrawal.end_of(str(one["by"]))
        for one in row.obligations
        if one.get("do") in DESTROY_DUTIES and one.get("who") in {None, to} and one.get("by")
    ]
    return min(ends, default=None)


def _lists(left_out: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {root: list(names) for root, names in left_out.items()}


def _log(store: Store, size: int) -> list[Any]:
    return [one for one in (store.entry(position) for position in range(size)) if one is not None]


def sealing(party: Party, dice: random.Random) -> withdrawal.Seal:
    def seal(value: dict[str, Any], data: bytes) -> tuple[bytes, bytes, bytes]:
        made = sealed(party.ring, value, dice.randbytes(32))
        return made.root, made.salt, made.signature

    return seal
