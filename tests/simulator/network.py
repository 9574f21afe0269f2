"""The network of a random world: one queue of events in time, and between two nodes the shipped `Link`.

A receiver asks as its `Link` says; the sender holds the request until it has something, answers with what
`offer` makes, and the receiver gives the bytes to `take`. Where a receiver cannot reach the sender, that
brings its pages. On its way a message may be lost, late, doubled, cut short, bent by whoever carries it, or
replayed; a node may be down, cut off or die while it takes a page. In signed worlds every request and answer
bears the signatures of identity.py and is checked at both doors.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from secretariat.base.errors import SecretariatError
from secretariat.exchange import identity, wire
from secretariat.exchange.identity import Answer, Request
from secretariat.exchange.peers import Ask, Failed, Got, Link, Pause
from secretariat.exchange.take import OutOfStepError, PageRefusedError

if TYPE_CHECKING:
    from .play import Play

SKEW = timedelta(seconds=60)
TIMEOUT = 30.0
AGAIN = 10.0


class DiedError(Exception):
    """The node was killed in the middle of a transaction."""


class Way:
    """The pages of one sender for one receiver."""

    def __init__(self, sender: str, receiver: str, *, pushed: bool) -> None:
        self.sender, self.receiver, self.pushed = sender, receiver, pushed
        self.by = "wire"
        """Or `mail` by way of `office`, `hand`, or `host`: what a guest says is on its host's pages."""
        self.office = ""
        self.link: Link | None = None
        self.asked = 0
        self.held: tuple[int, Ask, Request | None, float] | None = None
        self.paused = False
        self.carrying = 0
        """Pages on their way."""
        self.bringing = False
        self.later = False
        """Whether it will be brought later in any case."""

    def __repr__(self) -> str:
        return f"{self.sender}>{self.receiver}"


class Network:
    """Who reaches whom, and what is on its way."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.time = 0.0
        self.dice = random.Random(f"network {play.plan.seed}")
        self.rates = play.plan.rates
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.number = itertools.count()
        self.cut_off: Counter[frozenset[str]] = Counter()
        self.storms = 0
        self.ways: dict[tuple[str, str], Way] = {}
        for one, other in play.plan.links:
            for sender, receiver in ((one, other), (other, one)):
                self.ways[sender, receiver] = Way(
                    sender, receiver, pushed=(sender, receiver) in play.plan.pushed
                )
        for one, other, office in play.plan.posted:
            for pair in ((one, other), (other, one)):
                self.ways[pair].by, self.ways[pair].office = "mail", office
        for one, other in play.plan.carried:
            for pair in ((one, other), (other, one)):
                self.ways[pair].by = "hand"
        self.host: dict[str, str] = {}
        """Whose node a guest is on."""
        for guest, host, known in play.plan.guests:
            self.host[guest] = host
            for one in known:
                self.ways[one, guest] = Way(one, guest, pushed=False)
                self.ways[guest, one] = Way(guest, one, pushed=False)
                self.ways[guest, one].by = "host"
        everybody = [*play.plan.parties, *self.host]
        self.of_sender = {
            party: [one for one in self.ways.values() if one.sender == party] for party in everybody
        }
        self.of_receiver = {
            party: [one for one in self.ways.values() if one.receiver == party] for party in everybody
        }

    # --- time ------------------------------------------------------------------------------------------

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.time + seconds, next(self.number), what))

    def step(self) -> None:
        """Do what comes next."""
        self.time, _, what = heapq.heappop(self.queue)
        what()

    def luck(self, rate: float) -> bool:
        return rate > 0 and self.dice.random() < rate

    def _latency(self) -> float:
        most = 5.0 if self.storms else 0.2
        return 0.01 + self.dice.random() * most

    def reaches(self, one: str, other: str) -> bool:
        up = self.play.parties[one].up and self.play.parties[other].up
        return up and not self.cut_off[frozenset((self.node(one), self.node(other)))]

    def node(self, party: str) -> str:
        """Whose node a party is on."""
        return self.host.get(party, party)

    def on(self, node: str) -> list[str]:
        """Everybody on a node."""
        return [node, *(guest for guest, host in self.host.items() if host == node)]

    # --- asking ----------------------------------------------------------------------------------------

    def start(self, party: str) -> None:
        """A node starts: it asks every partner, and brings what waits for those who cannot ask."""
        for way in [way for one in self.on(self.node(party)) for way in self.of_receiver[one]]:
            if not way.pushed and way.by == "wire":
                place = self.play.place(way)
                way.link = Link(*place)
                self.obey(way, way.link.start())
        self.wake(party)

    def nudge(self) -> None:
        """Everybody who pauses tries again at once."""
        for way in self.ways.values():
            if way.link is not None and way.paused and self.play.parties[way.receiver].up:
                self.obey(way, way.link.on(None, 0.5))
            elif way.pushed and way.by == "wire":
                self.bring(way)

    def again(self, way: Way) -> None:
        """The receiver forgets what it asked and asks anew, from where it stands now."""
        way.held = None
        way.link = Link(*self.play.place(way))
        self.obey(way, way.link.start())

    def obey(self, way: Way, command: Ask | Pause) -> None:
        way.asked += 1
        number, epoch = way.asked, self.play.parties[way.receiver].epoch
        way.paused = isinstance(command, Pause)
        if isinstance(command, Pause):

            def over() -> None:
                if (
                    way.asked == number
                    and self.play.parties[way.receiver].epoch == epoch
                    and way.link is not None
                ):
                    self.obey(way, way.link.on(None, self.dice.random()))

            self.after(command.seconds, over)
            return
        receiver = self.play.parties[way.receiver]
        if receiver.deaf:
            way.asked += 1
            return
        request = self._request(way, command) if self.play.plan.signed else None
        if not self.reaches(way.sender, way.receiver):
            self.after(0.1, lambda: self.failed(way, number, "unreachable"))
            return
        self.after(command.wait + TIMEOUT, lambda: self.failed(way, number, "unreachable"))
        if self.luck(self.rates.lost):
            self.play.count("lost")
            return
        self.after(self._latency(), lambda: self._arrive(way, number, command, request))
        if request is not None and self.luck(self.rates.again):
            self.after(1.0, lambda: self._replay(way, request))

    def _request(self, way: Way, command: Ask) -> Request:
        receiver = self.play.parties[way.receiver]
        query = f"after={command.after}&size={command.size}&wait={command.wait}"
        request = Request("GET", f"https://{way.sender.lower()}.example/live/peer/v1/feed?{query}", {})
        nonce = f"{self.play.plan.seed:08d}{next(self.number):016d}"
        identity.sign_request(
            request,
            to=way.sender,
            signer=receiver.ring.transport,
            now=self.play.now(way.receiver),
            nonce=nonce,
        )
        return request

    def admit(self, way: Way, request: Request) -> None:
        """The sender's door: who asks, when, and not twice."""
        sender, now = self.play.parties[way.sender], self.play.now(way.sender)
        keys = self.play.parties[way.receiver].ring.transport
        caller = identity.verify_request(
            request, to=way.sender, find={keys.key_id: keys.public}.get, now=now, skew=SKEW
        )
        with sender.node.store(now) as store:
            if not store.first_use(caller.key_id, caller.nonce, now):
                raise identity.ReplayError("this request was accepted once before")

    def _replay(self, way: Way, request: Request) -> None:
        if not self.play.parties[way.sender].up:
            return
        try:
            self.admit(way, request)
        except SecretariatError as error:
            self.play.count(f"refused: {error.code}")
        else:
            # The first copy did not come (lost, or it is still under way): then this one is the first.
            self.play.count("replay came first")

    def _arrive(self, way: Way, number: int, command: Ask, request: Request | None) -> None:
        if not self.reaches(way.sender, way.receiver):
            return
        sender = self.play.parties[way.sender]
        if sender.read_only:
            self.failed(way, number, "unreachable")
            return
        if request is not None:
            try:
                self.admit(way, request)
            except SecretariatError as error:
                self.play.count(f"refused: {error.code}")
                self.failed(way, number, "unreachable")
                return
        if command.wait and not self.play.news(way, command.after.position):
            way.held = (number, command, request, self.time)
            self.after(command.wait, lambda: self._release(way, number))
            return
        self._answer(way, number, command, request, self.time)

    def _release(self, way: Way, number: int) -> None:
        if way.held is not None and way.held[0] == number:
            number, command, request, since = way.held
            way.held = None
            if self.play.parties[way.sender].up:
                self._answer(way, number, command, request, since)

    def wake(self, sender: str) -> None:
        """The sender wrote something: answer held requests that it concerns, bring the rest."""
        if not self.play.parties[sender].up:
            return
        sender = self.node(sender)
        for way in self.of_sender[sender]:
            if way.held is not None and self.play.news(way, way.held[1].after.position):
                self._release(way, way.held[0])
            elif way.by == "mail":
                self.play.post.wake(sender)
            elif way.pushed and way.by == "wire":
                self.bring(way)

    def _answer(self, way: Way, number: int, command: Ask, request: Request | None, since: float) -> None:
        made = self.play.page(way, command.after, command.size)
        if made is None:
            self.failed(way, number, "unreachable")
            return
        data, content = made
        answer = None
        if request is not None:
            answer = Answer(200, {}, data, request)
            signer = self.play.parties[way.sender].ring.transport
            identity.sign_answer(answer, signer=signer, now=self.play.now(way.sender))

        def came(page: bytes) -> None:
            self._came(way, number, page, answer, self.time - since)

        self._carry(way, data, content, came, sealed=answer is not None)

    def _carry(
        self, way: Way, data: bytes, content: bool, came: Callable[[bytes], None], *, sealed: bool = False
    ) -> None:
        """Bring bytes from sender to receiver, with everything that may happen to them."""
        if self.luck(self.rates.lost):
            self.play.count("lost")
            return
        if content and self.luck(self.rates.cut):
            self.play.count("half-sent")
            data = data[: self.dice.randrange(len(data))]
        elif content and sealed and self.luck(self.rates.bent):
            self.play.count("bent on the way")
            spot = self.dice.randrange(len(data))
            data = data[:spot] + bytes([data[spot] ^ 1]) + data[spot + 1 :]
        delay = self._latency()
        if self.luck(self.rates.late):
            self.play.count("late")
            delay += self.dice.uniform(5, 70)
        copies = 1
        if self.luck(self.rates.twice):
            self.play.count("doubled")
            copies = 2
        sender = self.play.parties[way.sender]
        for copy in range(copies):
            way.carrying += content

            def arrive(life: int = sender.lives) -> None:
                way.carrying -= content
                if self.reaches(way.sender, way.receiver) and sender.lives == life:
                    came(data)

            self.after(delay + copy * self.dice.uniform(0.01, 20), arrive)

    def _came(self, way: Way, number: int, data: bytes, answer: Answer | None, held: float) -> None:
        receiver = self.play.parties[way.receiver]
        if receiver.deaf or receiver.read_only:
            return
        if answer is not None:
            answer = Answer(answer.status_code, answer.headers, data, answer.request)
            keys = self.play.parties[way.sender].ring.transport
            try:
                identity.verify_answer(
                    answer, find={keys.key_id: keys.public}.get, now=self.play.now(way.receiver), skew=SKEW
                )
            except SecretariatError as error:
                self.play.count(f"refused: {error.code}")
                self.failed(way, number, "unreachable")
                return
        outcome = self.take(way, data)
        if outcome is None:
            return
        if number != way.asked or way.link is None:
            self.play.count("came late")
            return
        event: Got | Failed
        after, size = self.play.place(way)
        if isinstance(outcome, str):
            event = Failed(outcome, after, size)  # type: ignore[arg-type]
        else:
            event = Got(after, size, outcome[0], outcome[1], held)
        self.obey(way, way.link.on(event, self.dice.random()))

    def take(self, way: Way, data: bytes) -> tuple[int, bool] | str | None:
        """Let the receiver take a page: entries and whether more waits, or what went wrong, or it died."""
        receiver = self.play.parties[way.receiver]
        if self.luck(self.rates.dies):
            receiver.dies = True
        try:
            result = self.play.take(way, data)
        except DiedError:
            self.play.count("died while it took a page")
            self.crash(way.receiver, 3.0)
            return None
        except OutOfStepError:
            self.play.count("refused: out-of-step")
            return "out-of-step"
        except PageRefusedError:
            return "refused"
        except SecretariatError as error:  # a page that was cut short cannot even be read
            self.play.count(f"refused: {error.code}")
            return "unreachable"
        finally:
            receiver.dies = False
        self.wake(way.receiver)
        return result.entries, result.more

    def failed(self, way: Way, number: int, kind: str) -> None:
        if number != way.asked or way.link is None or not self.play.parties[way.receiver].up:
            return
        way.held = None
        after, size = self.play.place(way)
        self.obey(way, way.link.on(Failed(kind, after, size), self.dice.random()))  # type: ignore[arg-type]

    # --- bringing --------------------------------------------------------------------------------------

    def bring(self, way: Way) -> None:
        """Ask the receiver where it stands and bring it the next page, until nothing waits."""
        sender, receiver = self.play.parties[way.sender], self.play.parties[way.receiver]
        if way.bringing or not sender.up or sender.read_only or receiver.read_only or receiver.deaf:
            return
        if not self.reaches(way.sender, way.receiver):
            self._bring_later(way)
            return
        after, size = self.play.place(way)
        if not self.play.news(way, after.position) or self.play.blocked(way):
            return
        way.bringing = True
        epoch = self.play.parties[self.node(way.sender)].epoch
        self.after(self._latency(), lambda: self._bring(way, after, size, epoch))

    def _bring(self, way: Way, after: wire.Cursor, size: int, epoch: int) -> None:
        sender = self.play.parties[self.node(way.sender)]
        if sender.epoch != epoch:
            return  # who asked was killed meanwhile: whoever starts, from a backup too, asks anew
        if sender.read_only:
            way.bringing = False
            return
        made = self.play.page(way, after, size) if self.reaches(way.sender, way.receiver) else None
        way.bringing = False
        if made is None:
            self._bring_later(way)
            return
        self._bring_later(way)

        def came(page: bytes) -> None:
            if self.play.parties[way.receiver].read_only or self.play.parties[way.receiver].deaf:
                return
            outcome = self.take(way, page)
            if outcome is not None and outcome != "refused":
                self.bring(way)

        self._carry(way, made[0], made[1], came)

    def _bring_later(self, way: Way) -> None:
        def again() -> None:
            way.later = False
            self.bring(way)

        if not way.later:
            way.later = True
            self.after(AGAIN, again)

    # --- what goes wrong -------------------------------------------------------------------------------

    def crash(self, party: str, lasts: float) -> None:
        """A node is killed and starts again after some seconds."""
        found = self.play.parties[party]
        if not found.up:
            return
        party = self.node(party)
        found.up = False
        found.epoch += 1
        epoch = found.epoch
        for way in [way for one in self.on(party) for way in self.of_receiver[one]]:
            way.asked += 1
            way.link = None
        for way in self.of_sender[party]:
            way.bringing = False
            if way.held is not None:
                number, way.held = way.held[0], None
                self.failed(way, number, "unreachable")

        def start() -> None:
            if found.epoch == epoch:
                self.play.starts(party)

        self.after(lasts, start)

    def cut(self, one: str, other: str, lasts: float) -> None:
        """Two nodes do not reach each other for some seconds."""
        pair = frozenset((one, other))
        self.cut_off[pair] += 1
        for sender, receiver in ((one, other), (other, one)):
            way = self.ways.get((sender, receiver))
            if way is not None and way.held is not None:
                number, way.held = way.held[0], None
                self.failed(way, number, "unreachable")

        def heal() -> None:
            self.cut_off[pair] = max(0, self.cut_off[pair] - 1)

        self.after(lasts, heal)

    def heal(self) -> None:
        """No faults from here on."""
        self.rates = type(self.rates)()
        self.storms = 0
        self.cut_off.clear()
