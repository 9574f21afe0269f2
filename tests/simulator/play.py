"""A plan is played: deeds in time, faults, cheats, then rest, and the invariants when all is quiet.

Everything that decides is shipped: the release side asks `agreements.rules.decide`, the receiver rules by
`exchange.recomputing`, pages are made by `offer` and taken by `take`, calls back go by `withdrawal`.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from secretariat.agreements.model import ENGINE, MAY, Consent, Decision, Facts, Question
from secretariat.agreements.recompute import consents_from, moment_text, row_for
from secretariat.agreements.rules import decide
from secretariat.base.errors import InputError, SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import riding, withdrawal
from secretariat.exchange.model import KeptLog, Peer, Refusal, Version
from secretariat.exchange.memory import Memory
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Outgoing, Store
from secretariat.exchange.restoring import judge_log
from secretariat.exchange.take import PageRefusedError, Result, retry, take
from secretariat.exchange.wire import Cursor, Page, encode, read_page
from secretariat.ledger import entries, merkle
from secretariat.ledger.entries import Statement
from secretariat.ledger.witness import BehindError
from secretariat.records.markings import Label

from . import cheats
from .network import Died, Network, Way
from .oracle import Item, Oracle
from .party import Held, Party, announcement, enrol, in_memory, sealed, until_of
from .plan import ACTS, Deed, Plan
from .terms import COLOURS, MARKING, permits
from .terms import Consent as Word
from .ways import START, SimulatedNode, required

LIMITS = Limits()
NEXT = 40.0
"""Seconds in which everybody asked everybody again, held requests and all."""
REST = 4000.0
"""Seconds after which a world that does not come to rest is wrong."""
CREATED = "2026-11-22T02:00:00.000Z"


class Violation(AssertionError):
    """A promise that does not hold in this world."""


class Play:
    """One world as it runs."""

    def __init__(
        self, plan: Plan, make: Callable[[int, str], SimulatedNode] = in_memory, **made: SimulatedNode
    ) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.days = timedelta()
        self.oracle = Oracle()
        self.terms = {one.key: one for one in plan.terms}
        self.cheated: list[cheats.Cheat] = []
        self.suspended: set[tuple[str, str]] = set()
        """(receiver, sender) whose log is believed no more there."""
        self.broken: set[tuple[str, str]] = set()
        """(receiver, sender) where the sender shows a log that can never be continued."""
        self.network = Network(self)
        self.parties = {
            code: Party(
                make(plan.seed, code) if code not in plan.cheats else in_memory(plan.seed, code),
                [one for one in plan.terms if one.known_to(code) and (code, one.key) not in plan.unsigned],
                honest=code not in plan.cheats,
            )
            for code in plan.parties
        }
        for one in self.parties.values():
            for other in self.parties.values():
                if one is not other and (one.code, other.code) not in plan.strangers:
                    enrol(one, other, self.now(one.code))
                if one is not other:
                    one.heard[other.code].append(self.shown_terms(other, one.code))
        self.changed = 0
        for one in self.parties.values():
            if plan.circles and isinstance(one.node.backend, Memory):
                one.node.backend.circles = ("*",)

    # --- what the network asks -------------------------------------------------------------------------

    def now(self, party: str) -> datetime:
        """A party's clock."""
        return (
            START + self.days + timedelta(seconds=self.network.time) + self.parties[party].skew
            if hasattr(self, "parties")
            else START
        )

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def linked(self, party: str) -> list[str]:
        return [way.receiver for way in self.network.of_sender[party]]

    def place(self, way: Way) -> tuple[Cursor, int]:
        """How far the receiver is with the sender's log."""
        with self.parties[way.receiver].look(self.now(way.receiver)) as store:
            peer = store.peer(way.sender)
            assert peer is not None
            kept = store.kept_log(peer.origin)
            return peer.cursor, kept.size if kept else 0

    def news(self, way: Way, position: int) -> bool:
        """Whether the sender has an entry for the receiver from a position on."""
        with self.parties[way.sender].look(self.now(way.sender)) as store:
            return next(iter(store.addressed(way.receiver, position)), None) is not None

    def blocked(self, way: Way) -> bool:
        """Whether the receiver believes nothing more of the sender's log."""
        return (way.receiver, way.sender) in self.suspended

    def page(self, way: Way, after: Cursor, size: int) -> tuple[bytes, bool] | None:
        """What the sender shows: the bytes, and whether they carry anything. None where it cannot answer."""
        sender = self.parties[way.sender]
        with cheats.shown(self, way) as store:
            try:
                page = offer(store, way.receiver, after, size, max_objects=self.plan.page)
            except InputError:
                self.count("place unknown to the sender")
                return None
        self.count("pages")
        if page.entries:
            self.count("pages with entries")
        if sender.honest:
            self._check_page(way, page)
        elif sender.bends[way.receiver]:
            page = cheats.bend(self, way, page)
        return encode(page), bool(page.entries)

    def _check_page(self, way: Way, page: Page) -> None:
        """Nothing leaves an honest node but what it granted and did not take back."""
        for carried in page.entries:
            for one in carried.objects:
                if one.gone is None and not self.oracle.may_send(
                    way.sender, way.receiver, bytes.fromhex(one.root)
                ):
                    raise Violation(f"{way} carries {one.root[:12]}, which {way.sender} does not grant")

    def take(self, way: Way, data: bytes) -> Result:
        """The receiver takes a page as `exchange.service.take_page` does."""
        receiver, now = self.parties[way.receiver], self.now(way.receiver)
        page = read_page(data)
        noted = len(receiver.consents), {party: len(held) for party, held in receiver.heard.items()}
        try:
            with receiver.node.store(now) as store:
                peer = store.peer(way.sender)
                assert peer is not None
                if not receiver.honest:  # a cheater does not care what others hold of its log
                    page = msgspec.structs.replace(page, witnessed="", seen=())
                rule = receiver.recompute(store, now, self.terms)
                result = take(store, peer, page, recompute=rule, limits=LIMITS, now=now)
                changed = [receiver.note(peer, position, one) for position, one in result.others]
                if any(changed):
                    store.lock()
                    store.append(retry(store, rule))
                if not receiver.honest:
                    cheats.hoard(receiver, store)
                elif not result.more:
                    self._reconcile(way, store, peer)
                if receiver.dies:
                    raise Died
        except BehindError:
            receiver.read_only = True
            self.count("stopped: partners hold more of its own log")
            raise
        except PageRefusedError as error:
            self._refuse(way, error)
            raise
        except Died:
            del receiver.consents[noted[0] :]
            for party, held in receiver.heard.items():
                del held[noted[1].get(party, 0) :]
            raise
        self.count("entries taken", result.entries)
        for outcome, number in result.outcomes.items():
            self.count(f"objects {outcome}", number)
        if result.entries:
            self.changed += 1
        for one in result.refusals:
            self.count(f"refused: {one.code}")
        self._note_suspended(receiver, now)
        return result

    def _reconcile(self, way: Way, store: Store, peer: Peer) -> None:
        """What others showed of this log is settled by a proof, where the sender can give one."""
        kept = store.kept_log(peer.origin)
        for one in riding.open_shown(store, [peer.origin]) if kept is not None else ():
            assert kept is not None
            with cheats.shown(self, way) as theirs:
                try:
                    path = theirs.consistency(min(one.size, kept.size), max(one.size, kept.size))
                except SecretariatError:
                    continue
            settled = riding.reconcile(store, one, path, kept.size)
            self.count("log proven one" if settled else "log not proven one")

    def _note_suspended(self, receiver: Party, now: datetime) -> None:
        """See which logs were found false by what others showed of them."""
        doubtful = [one for one in self.parties.values() if not one.honest or one.reverted]
        if not doubtful:
            return
        with receiver.look(now) as store:
            for one in doubtful:
                kept = store.kept_log(one.ring.origin)
                key = (receiver.code, one.code)
                if kept is not None and kept.suspended and key not in self.suspended:
                    self.suspended.add(key)
                    self.count("suspended: others were shown another log")

    def _refuse(self, way: Way, error: PageRefusedError) -> None:
        receiver, now = self.parties[way.receiver], self.now(way.receiver)
        self.count(f"refused: {error.code}")
        with receiver.node.store(now) as store:
            store.refuse(
                [
                    Refusal(
                        party=way.sender,
                        code=error.code,
                        what=error.what,
                        where=error.where,
                        position=error.position,
                    )
                ]
            )
            peer = store.peer(way.sender)
            kept = store.kept_log(peer.origin) if peer is not None else None
            if error.suspends and kept is not None and kept.suspended is None:
                store.keep_log(msgspec.structs.replace(kept, suspended=error.what))
                self.suspended.add((way.receiver, way.sender))

    def must_not_enter(self, way: Way, request: Any) -> None:
        """A request that is not from whom it says: refused at the door."""
        try:
            self.network.admit(way, request)
        except SecretariatError as error:
            self.count(f"refused: {error.code}")
            return
        raise Violation(f"{way.sender} let somebody in as {way.receiver}")

    def starts(self, party: str) -> None:
        """A node that was down is up again."""
        found = self.parties[party]
        found.up = True
        if not found.read_only:
            self.network.start(party)

    # --- playing ---------------------------------------------------------------------------------------

    def run(self) -> Counter[str]:
        """Play the plan; refuses with Violation what must not be. Gives what happened."""
        from . import invariants

        for party in self.plan.parties:
            self.network.start(party)
        for deed in self.plan.deeds:
            self.network.after(deed.at, lambda deed=deed: self.do(deed))
        while self.network.queue and self.network.queue[0][0] <= ACTS:
            self.network.step()
        self.network.time = ACTS
        self.heal()
        self.settle()
        invariants.check(self)
        self.still()
        return self.counts

    def heal(self) -> None:
        """Faults end: everybody is up, on time and in reach. What was lost or broken for good stays so."""
        self.network.heal()
        for party in self.parties.values():
            party.skew = timedelta()
            if not party.up and not party.asking:
                party.epoch += 1
                self.starts(party.code)
        cheats.end(self)
        self.network.nudge()

    def settle(self) -> None:
        """Go on until nothing waits for anybody."""
        end, checked = self.network.time + REST, self.network.time + NEXT
        while self.network.queue:
            if self.network.time > end:
                busy = [str(way) for way in self.network.ways.values() if self._waits(way)]
                raise Violation(f"no rest after {REST:.0f} s: {', '.join(busy)}")
            if self.network.time - checked > 1.0:
                checked = self.network.time
                if self.quiet():
                    return
            self.network.step()

    def quiet(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        if any(one.read_only is False and not one.up for one in self.parties.values()):
            return False
        return not any(way.carrying or self._waits(way) for way in self.network.ways.values())

    def _waits(self, way: Way) -> bool:
        return self.works(way.sender, way.receiver) and self.news(way, self.place(way)[0].position)

    def works(self, sender: str, receiver: str) -> bool:
        """Whether pages of `sender` still come to `receiver`."""
        one, other = self.parties[sender], self.parties[receiver]
        gone = one.read_only or other.read_only or other.deaf
        lost = (receiver, sender) in self.suspended | self.broken
        return not gone and not lost and (sender, receiver) in self.network.ways

    def still(self) -> None:
        """When all is quiet it stays quiet: a minute brings no entry and no log grows."""
        before, sizes = self.changed, self._sizes()
        end = self.network.time + 60
        while self.network.queue and self.network.queue[0][0] < end:
            self.network.step()
        if self.changed != before or self._sizes() != sizes:
            raise Violation("messages after everything had arrived")

    def _sizes(self) -> dict[str, int]:
        found = {}
        for party in self.parties.values():
            with party.look(self.now(party.code)) as store:
                found[party.code] = store.head().size
        return found

    def do(self, deed: Deed) -> None:
        """Do one deed, where its party can: a node that is down or read-only does nothing."""
        dice = random.Random(deed.luck)
        party = self.parties[deed.who]
        act = getattr(self, f"do_{deed.kind}", None)
        if act is not None:
            act(deed, dice)
            return
        if not party.up or party.read_only:
            self.count("not done: down")
            return
        if deed.kind in cheats.CHEATS:
            done = cheats.CHEATS[deed.kind](self, party, dice)
            self.count(f"cheat: {deed.kind}" if done else f"no occasion: {deed.kind}")
        else:
            if not party.honest and deed.kind == "restore":
                return
            done = getattr(self, f"_{deed.kind}")(party, dice)
            if done:
                self.count(f"deed: {deed.kind}")
        self.network.wake(party.code)

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
        party.lives += 1
        self._ask_partners(party, party.epoch)

    def do_revert(self, deed: Deed, dice: random.Random) -> None:
        """A machine is put back to an older state behind its node's back, which goes on as if nothing were."""
        party = self.parties[deed.who]
        if party.backup is None or not party.up or party.read_only or not party.honest:
            return
        self.count("fault: put back unnoticed")
        with party.look(self.now(party.code)) as store:
            before = store.head().size
        self.network.crash(party.code, 1.0)
        party.restore(party.backup)
        party.backup = None
        party.lives += 1
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
            party.lost = any(one > size for one in kept.values())
            if not party.lost:
                self.oracle.forget(party.code, size)

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
            party.read_only = party.up = True
            party.asking = False
        elif "silent" in found:
            self.network.after(5.0, lambda: self._ask_partners(party, epoch))
        else:
            self.count("restored: whole")
            self.oracle.forget(party.code, size)
            party.asking = False
            self.starts(party.code)

    def do_midnight(self, deed: Deed, dice: random.Random) -> None:
        """A day passes for everybody."""
        self.count("deed: midnight")
        self.days += timedelta(days=1)

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
            store.append(retry(store, party.recompute(store, now, self.terms)))
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
        *,
        consents: Sequence[Consent] = (),
    ) -> Decision | None:
        """Ask the shipped rules, and the oracle whether it agrees. None: it may not go there."""
        now, keys = self.now(party.code), self.common(party, to)
        question = Question(
            sender=party.code,
            recipient=to,
            label=Label(version.originator, tlp=colour),
            true=now,
            direct=True,
            facts=Facts(consents=tuple(consents)),
            object_id=version.stix_id,
        )
        decision = decide(party.book(keys, self.terms), question)
        right = self.right(party, to, colour, version.originator, version.root, keys)
        if (decision.outcome == MAY) != right:
            raise Violation(
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
                rows=[change(row_for(decision, roots))],
                true_on=true_on or moment_text(self.now(party.code)),
                facts=facts,
            )
            store.append([Outgoing("grant", one, body)])
            for version in versions:
                if version.root not in self.oracle.items:  # somebody made it up
                    continue
                self.oracle.give(party.code, one, version.root, right=right, sound=right, at=at)

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
            shown = [one for one in store.shown() if one.state == "kept" and one.root in self.oracle.items]
        return sorted(shown, key=lambda one: one.root)

    def consents_for(self, party: Party, to: str, version: Version) -> list[Held]:
        return [
            one
            for one in party.consents
            if one.statement.body.get("to_reader") == to
            and version.root.hex() in one.statement.body["objects"]
        ]

    def _relay(self, party: Party, dice: random.Random) -> bool:
        """Pass on what others' rules let pass: with consent where one came, else as far as the colour goes."""
        have = self.relayable(party)
        pairs = [(one, to) for one in have for to in self.linked(party.code) if to != one.originator]
        if not pairs:
            return False
        ready = [pair for pair in pairs if self.consents_for(party, pair[1], pair[0])]
        version, to = dice.choice(ready if ready and dice.random() < 0.7 else pairs)
        return self.pass_on(party, version, to)

    def pass_on(self, party: Party, version: Version, to: str) -> bool:
        held = self.consents_for(party, to, version)
        consents = consents_from([one.statement for one in held], to, {version.root.hex(): version.stix_id})
        colour = self.oracle.items[version.root].colour
        decision = self.decided(party, to, colour, version, consents=consents)
        if decision is None:
            self.count("relay not permitted")
            return False
        facts = (
            {"consents": [{"origin": one.origin, "position": one.position} for one in held]} if held else None
        )
        with party.node.store(self.now(party.code)) as store:
            store.lock()
            there = store.versions([version.root])
            store.publish(list(there.values()), [to])
            self.grant(store, party, [version], [(to, decision)], colour, facts)
        return True

    def _again(self, party: Party, dice: random.Random) -> bool:
        """Grant once more what was granted before, narrowed or not."""
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
        now = self.now(party.code)
        with party.node.store(now) as store:
            version = store.versions([root])[root]
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
            store.lock()
            at = store.head().size
            withdrawal.withdraw(
                store, stix_id, reason="wrong", now=now, required=required, seal=sealing(party, dice)
            )
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


def _log(store: Store, size: int) -> list[Any]:
    return [one for one in (store.entry(position) for position in range(size)) if one is not None]


def sealing(party: Party, dice: random.Random) -> withdrawal.Seal:
    def seal(value: dict[str, Any], data: bytes) -> tuple[bytes, bytes, bytes]:
        made = sealed(party.ring, value, dice.randbytes(32))
        return made.root, made.salt, made.signature

    return seal


__all__ = ["Play", "Statement", "Violation"]
