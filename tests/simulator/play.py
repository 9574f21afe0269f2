"""A plan is played: deeds in time, faults, cheats, then rest, and the invariants when all is quiet.

Everything that decides is shipped: the release side asks `agreements.rules.decide`, the receiver rules by
`exchange.recomputing`, pages are made by `offer` and taken by `take`, calls back go by `withdrawal`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from secretariat.base.errors import InputError, SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import riding
from secretariat.exchange.memory import Memory
from secretariat.exchange.model import Peer, Refusal
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Store
from secretariat.exchange.take import PageRefusedError, Result, retry, take
from secretariat.exchange.wire import Cursor, Page, encode, read_page
from secretariat.ledger import merkle
from secretariat.ledger.witness import BehindError

from . import cheats, mail
from .hosting import hosted, introduce
from .mail import Post
from .media import Courier
from .network import DiedError, Network, Way
from .oracle import Oracle
from .party import Party, enrol, in_memory
from .plan import ACTS, Deed, Plan
from .promise import BrokenPromiseError
from .signing import Signing
from .stealing import Stealing
from .ways import START, SimulatedNode

LIMITS = Limits()
NEXT = 40.0
"""Seconds in which everybody asked everybody again, held requests and all."""
BEAT = NEXT + mail.LIMITS.mailbox_beat_s
"""The same where partners write letters: without anything to say one goes with every beat."""
REST = 4000.0
"""Seconds after which a world that does not come to rest is wrong."""


class Play(Stealing, Signing):
    """One world as it runs."""

    def __init__(self, plan: Plan, make: Callable[[int, str], SimulatedNode] = in_memory) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.days = timedelta()
        self.oracle = Oracle()
        self.terms = {one.key: one for one in plan.terms}
        self.cheated: list[cheats.Cheat] = []
        self.false_words: list[cheats.FalseWord] = []
        self.by_hand: set[tuple[str, str]] = set()
        """(receiver, sender) between which media are carried."""
        self.suspended: set[tuple[str, str]] = set()
        """(receiver, sender) whose log is believed no more there."""
        self.broken: set[tuple[str, str]] = set()
        """(receiver, sender) where the sender has a second log for the receiver, which is never continued."""
        self.network = Network(self)
        self.parties = {
            code: Party(
                make(plan.seed, code) if code not in plan.cheats else in_memory(plan.seed, code),
                [one for one in plan.terms if one.known_to(code) and (code, one.key) not in plan.unsigned],
                honest=code not in plan.cheats,
            )
            for code in plan.parties
        }
        nodes = list(self.parties.values())
        for code, host, known in plan.guests:
            takes = [one for one in plan.terms if one.known_to(code) and (code, one.key) not in plan.unsigned]
            guest = hosted(plan.seed, code, takes, self.parties[host])
            self.parties[code] = guest
            for one in known:
                introduce(guest, self.parties[one], self.now(one))
        for one in nodes:
            for other in nodes:
                if one is not other and (one.code, other.code) not in plan.strangers:
                    enrol(one, other, self.now(one.code))
        for one in self.parties.values():
            for other in self.parties.values():
                if one is not other:
                    one.heard[other.code].append(self.shown_terms(other, one.code))
        self.post, self.courier = Post(self), Courier(self)
        self.post.open()
        self.courier.open()
        self.by_hand.update(self.courier.pairs)
        self.changed = 0
        self.stands: dict[tuple[str, str], tuple[Any, ...]] = {}
        """What everybody keeps of logs that have two sides, and below since when it is this."""
        self.stood = 0.0
        for one in self.parties.values():
            if plan.circles and isinstance(one.node.backend, Memory):
                one.node.backend.circles = (",".join(plan.parties),)

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
        """Whether what the sender shows has an entry for the receiver from a position on."""
        with cheats.shown(self, way) as store:
            return next(iter(store.addressed(way.receiver, position)), None) is not None

    def blocked(self, way: Way) -> bool:
        """Whether the receiver believes nothing more of the sender's log."""
        return (way.receiver, way.sender) in self.suspended

    def page(self, way: Way, after: Cursor, size: int) -> tuple[bytes, bool] | None:
        """What the sender shows: the bytes, and whether they carry anything. None where it cannot answer."""
        sender = self.parties[way.sender]
        with cheats.shown(self, way) as store:
            try:
                page = self.made(way, store, after, size)
            except InputError:
                self.count("place unknown to the sender")
                return None
        if not sender.honest and way.by == "wire" and sender.bends[way.receiver]:
            page = cheats.bend(self, way, page)
        return encode(page), bool(page.entries)

    def made(self, way: Way, store: Store, after: Cursor, size: int) -> Page:
        """Make a page; what an honest sender shows is looked at."""
        page = offer(store, way.receiver, after, size, max_objects=self.plan.page)
        self.count("pages")
        if page.entries:
            self.count("pages with entries")
        sender = self.parties[way.sender]
        if sender.honest and not sender.lost:  # one put back unnoticed shows what it had, until it stops
            self._check_page(way, page)
        return page

    def _check_page(self, way: Way, page: Page) -> None:
        """Nothing leaves an honest node but what it granted and did not take back."""
        for carried in page.entries:
            for one in carried.objects:
                if one.gone is None and not any(
                    self.oracle.may_send(sender, way.receiver, bytes.fromhex(one.root))
                    for sender in self.network.on(way.sender)
                ):
                    raise BrokenPromiseError(
                        f"{way} carries {one.root[:12]}, which {way.sender} does not grant"
                    )

    def take(self, way: Way, data: bytes) -> Result:
        """The receiver takes a page as `exchange.service.take_page` does."""
        receiver, now = self.parties[way.receiver], self.now(way.receiver)
        page = read_page(data)
        self.learn(receiver, self.parties[way.sender])  # who meets a key it does not know asks for it
        noted = receiver.noted()
        try:
            with receiver.node.store(now) as store:
                peer = store.peer(way.sender)
                assert peer is not None
                if not receiver.honest:  # a cheater does not care what others hold of its log
                    page = msgspec.structs.replace(page, witnessed="", seen=())
                rule = receiver.recompute(store, now, self.terms)
                result = take(store, peer, page, recompute=rule, limits=LIMITS, now=now)
                changed = [receiver.note(store, peer, position, one) for position, one in result.others]
                if any(changed):
                    store.lock()
                    store.append(retry(store, rule, now))
                if not receiver.honest:
                    cheats.hoard(receiver, store)
                elif not result.more:
                    self._reconcile(way, store, peer)
                if receiver.dies:
                    raise DiedError
        except BehindError:
            receiver.read_only = True
            self.count("stopped: partners hold more of its own log")
            raise
        except PageRefusedError as error:
            self._refuse(way, error)
            raise
        except DiedError:
            receiver.unnote(noted)
            raise
        self.count("entries taken", result.entries)
        for outcome, number in result.outcomes.items():
            self.count(f"objects {outcome}", number)
        if result.entries and self.parties[way.sender].honest:  # a cheat speaks when it likes
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
        at = self.network.node(receiver.code)
        with receiver.look(now) as store:
            for one in doubtful:
                kept = store.kept_log(one.ring.origin)
                key = (receiver.code, one.code)
                if kept is not None and kept.suspended and key not in self.suspended:
                    self.suspended |= {(code, one.code) for code in self.network.on(at)}
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
                at = self.network.node(way.receiver)
                self.suspended |= {(code, way.sender) for code in self.network.on(at)}

    def must_not_enter(self, way: Way, request: Any) -> None:
        """A request that is not from whom it says: refused at the door."""
        try:
            self.network.admit(way, request)
        except SecretariatError as error:
            self.count(f"refused: {error.code}")
            return
        raise BrokenPromiseError(f"{way.sender} let somebody in as {way.receiver}")

    def starts(self, party: str) -> None:
        """A node that was down is up again."""
        found = self.parties[party]
        found.up = True
        if not found.read_only:
            self.network.start(party)

    # --- playing ---------------------------------------------------------------------------------------

    def run(self) -> Counter[str]:
        """Play the plan; refuses with BrokenPromiseError what must not be. Gives what happened."""
        from . import invariants

        for party in self.plan.parties:
            self.network.start(party)
        self.post.start()
        self.courier.start()
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
            for other in self.parties.values():
                self.learn(party, other)
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
                if not busy and self.untold():
                    return  # the invariants say who goes on
                raise BrokenPromiseError(f"no rest after {REST:.0f} s: {', '.join(busy)}")
            if self.network.time - checked > 1.0:
                checked = self.network.time
                if self.quiet():
                    return
            self.network.step()

    def quiet(self) -> bool:
        """Whether nothing is under way, nothing waits and nothing is due."""
        if any(one.read_only is False and not one.up for one in self.parties.values()):
            return False
        if any(way.carrying or self._waits(way) for way in self.network.ways.values()):
            return False
        if self.untold():  # a letter tells it with the next beat, which may be a minute and more away
            return False
        done = [self.fall_due(party) for party in self.parties.values()]
        return not any(done) and self.heard_out()

    def heard_out(self) -> bool:
        """Whether all asked all again since anybody last kept another tree of a log that has two sides.

        What others keep of a log rides along with answers. One that brings nothing is held, and a fork comes
        to light when it is let go, with no page on its way before: who finds it then writes that down.
        """
        twofold = [one for one in self.parties.values() if one.forks or one.false_log or one.reverted]
        stands: dict[tuple[str, str], tuple[Any, ...]] = {}
        for one in twofold:
            for at in self.parties:
                with self.parties[at].look(self.now(at)) as store:
                    head, kept = store.head(), store.kept_log(one.ring.origin)
                if at == one.code:
                    stands[at, one.code] = (head.size,)
                elif kept is not None:
                    stands[at, one.code] = (kept.size, kept.root, bool(kept.suspended))
        if stands != self.stands:
            self.stands, self.stood = stands, self.network.time
        return not twofold or self.network.time - self.stood > (BEAT if self.plan.posted else NEXT)

    def untold(self) -> list[Party]:
        """Nodes put back that go on although an honest partner, who reaches them, keeps more of their log."""
        return [
            one
            for one in self.parties.values()
            if one.lost
            and not one.read_only
            and any(self.parties[at].honest and self.works(at, one.code) for at in one.more_at)
        ]

    def _waits(self, way: Way) -> bool:
        if way.by == "host":  # it waits with what its host says
            return False
        if not self.works(way.sender, way.receiver) and not self._shown_another(way):
            return False
        return self.news(way, self.place(way)[0].position)

    def _shown_another(self, way: Way) -> bool:
        """Whether the receiver is shown a second log to the end, of which pages still come."""
        sender, receiver = self.parties[way.sender], self.parties[way.receiver]
        gone = sender.read_only or receiver.read_only or receiver.deaf or self.blocked(way)
        return sender.shadow is not None and way.receiver in sender.forked and not gone

    def works(self, sender: str, receiver: str) -> bool:
        """Whether pages of `sender` still come to `receiver`."""
        if sender in self.network.host:
            introduced = (sender, receiver) in self.network.ways
            return introduced and self.works(self.network.node(sender), receiver)
        one, other = self.parties[sender], self.parties[receiver]
        gone = one.read_only or other.read_only or other.deaf
        way = self.network.ways.get((sender, receiver))
        if way is not None and way.by != "wire":  # both must write and read, and the office be there
            gone = gone or one.deaf or (bool(way.office) and self.parties[way.office].read_only)
        lost = (receiver, sender) in self.suspended or self._stands_on_another(sender, receiver)
        return not gone and not lost and (sender, receiver) in self.network.ways

    def _stands_on_another(self, sender: str, receiver: str) -> bool:
        """Whether a receiver is shown a second log, or took of it what the first one does not hold.

        A liar may forget its second log before a receiver took anything of it: from the first one pages
        then come as ever, and the world is not at rest before they did.
        """
        liar = self.parties[sender]
        if (receiver, sender) not in self.broken or liar.shadow is not None:
            return (receiver, sender) in self.broken
        kept = self.kept(receiver, liar.ring.origin)
        return kept is not None and kept.root != merkle.root(liar.node.backend.leaves[: kept.size])

    def still(self) -> None:
        """When all is quiet it stays quiet: a minute brings no entry and no log grows."""
        before, sizes = self.changed, self._sizes()
        end = self.network.time + 60
        while self.network.queue and self.network.queue[0][0] < end:
            self.network.step()
        if self.changed != before or self._sizes() != sizes:
            raise BrokenPromiseError("messages after everything had arrived")

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
        if not party.up or party.read_only or (party.honest and party.deaf):
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
