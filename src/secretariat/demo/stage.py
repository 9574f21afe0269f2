"""What a step of the story is made of: acts on running nodes, each told, checked and counted.

The acts are the services behind pages and commands; nothing here decides anything of its own.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from secretariat.agreements import service as questions
from secretariat.agreements import workflow
from secretariat.agreements.model import MAY
from secretariat.agreements.release import Published
from secretariat.agreements.workflow import StandingRelease, Terms
from secretariat.base.clock import AsOf, end_of_day, now
from secretariat.demo.delivery import Arrivals, places, until, watch
from secretariat.demo.nodes import Cluster, DemoNode
from secretariat.demo.sample import Part
from secretariat.demo.tally import Tally, Withheld, published, sizes
from secretariat.demo.voice import Voice
from secretariat.exchange import further
from secretariat.exchange import service as exchange
from secretariat.ledger import audit
from secretariat.records.service import import_stream

REALM = "live"
PURPOSE = "network_defence"
ZONE = "Asia/Seoul"
"""Where a day of the story ends."""


class Stage:
    """A running cluster, a voice, and what was counted so far."""

    def __init__(self, cluster: Cluster, voice: Voice) -> None:
        self.cluster = cluster
        self.voice = voice
        self.tally = Tally()
        self._arrived: dict[str, Arrivals] = {}

    def bring_in(self, one: DemoNode, part: Part) -> Part:
        """Import a part of the sample as drafts, as `secretariat import` does."""
        settings = one.node.settings
        result = import_stream(
            one.node.database,
            REALM,
            one.party,
            io.BytesIO(part.bundle()),
            default_tlp=settings.default_tlp,
            ceiling=settings.ceiling,
            limits=settings.limits,
            now=now(),
        )
        if result.refused_count:
            first = result.refused[0]
            self.voice.tell(f"{one.party} could not read {first.where}: {first.what}", held=False)
        return part

    def release(
        self,
        one: DemoNode,
        objects: Sequence[str],
        title: str,
        *,
        to: Sequence[str] | None,
        second: str | None,
    ) -> Published:
        """Propose and decide: by analyst and releaser, or by two releasers where two persons must say DO."""
        name = one.party.lower()
        found = workflow.propose(
            one.node,
            REALM,
            objects,
            title=title,
            to=to,
            purpose=PURPOSE,
            by=f"{name}-releaser" if second else f"{name}-analyst",
            now=now(),
        )
        decide = workflow.decide_release
        return self.counted(
            one, lambda: decide(one.node, REALM, found.id, by=second or f"{name}-releaser", now=now())
        )

    def standing(
        self,
        one: DemoNode,
        partners: list[str],
        *,
        per_day: int,
        types: Sequence[str] = (),
        highest: str = workflow.HIGHEST_STANDING,
    ) -> StandingRelease:
        terms = Terms(partners=partners, purpose=PURPOSE, types=list(types), highest=highest, per_day=per_day)
        releasers = [f"{one.party.lower()}-releaser", f"{one.party.lower()}-releaser-2"]
        return workflow.begin_standing(
            one.node, REALM, terms, title="demonstration", by=releasers, days=1, now=now()
        )

    def release_standing(self, one: DemoNode, objects: Sequence[str], standing: StandingRelease) -> Published:
        with one.node.database.app(REALM) as tx:
            versions = questions.with_members(tx, objects)
        return self.counted(
            one,
            lambda: workflow.publish_standing(one.node, REALM, versions, standing.id, now=now()),
        )

    def counted(self, one: DemoNode, act: Callable[[], Published]) -> Published:
        """Publish, wait until everything is readable where it was granted, and count."""
        published_before = published(one)
        before, begun = places(one), time.monotonic()
        done = act()
        self.tally.published += published(one) - published_before
        self._arrived = watch(self.cluster, one, before, begun)
        took = [value for arrivals in self._arrived.values() for value in arrivals.milliseconds]
        self.tally.granted += sum(arrivals.expected for arrivals in self._arrived.values())
        self.tally.delivered += len(took)
        self.tally.latencies += took
        self.tally.seconds += max(took, default=0.0) / 1000
        self.tally.withheld += [
            Withheld(name, given.party, given.true_on, given.article, given.missing)
            for given in done.withheld
            for name in given.objects
        ]
        return done

    def tell_release(self, one: DemoNode, done: Published, words: str, page: str, expected: set[str]) -> None:
        """Tell who got how many objects and who got none, and why."""
        arrived = self._arrived
        got = {party for party, arrivals in arrived.items() if arrivals.expected}
        parts = [
            f"{party} {_count(arrivals)}" for party, arrivals in sorted(arrived.items()) if arrivals.expected
        ]
        parts += sorted(f"{given.party} NOT: {given.article}" for given in _one_each(done))
        slowest = max((v for arrivals in arrived.values() for v in arrivals.milliseconds), default=0.0)
        complete = all(arrivals.complete for arrivals in arrived.values())
        self.voice.tell(
            f"{one.party} {words}: {', '.join(parts)}; there after {slowest / 1000:.2f} s",
            one.page(page),
            held=complete and got == expected,
        )

    def question(
        self, one: DemoNode, name: str, to: str, as_of: AsOf = questions.NOW
    ) -> questions.Explanation:
        return questions.explain(one.node, REALM, name, to, as_of, purpose=PURPOSE, now=now())

    def ask_past(
        self, one: DemoNode, name: str, to: str, day: date, known: date | None, expected: str
    ) -> None:
        """Ask about another day and tell the answer."""
        as_of = AsOf(
            true_on=end_of_day(day, ZONE), known_by=None if known is None else end_of_day(known, ZONE)
        )
        answer = self.question(one, name, to, as_of)
        said = f", by what was known on {known}" if known else ""
        extra = [f"{mark.level} beside it" for mark in answer.decision.marks]
        extra += [str(warning) for warning in answer.decision.warnings]
        query = f"?to={to}&true_on={day}" + (f"&known_by={known}" if known else "")
        self.voice.tell(
            f"{one.party}→{to} on {day}{said}: {answer.decision.text}"
            + "".join(f"; {text}" for text in extra),
            one.page(f"/reports/{name}/release{query}"),
            held=answer.decision.outcome == expected,
        )
        if answer.decision.outcome != MAY:
            self.withhold(name, to, answer, day)

    def withhold(self, name: str, to: str, answer: questions.Explanation, day: date | None = None) -> None:
        decision = answer.decision
        missing = None if decision.missing is None else decision.missing.text
        told = (day or answer.true_on.date()).isoformat()
        self.tally.withheld.append(Withheld(name, to, told, decision.article, missing))

    def nobody_else(self, one: DemoNode, part: Part, parties: Iterable[str]) -> None:
        """Ask for parties that nobody wanted to release to: they may not have it either."""
        for party in parties:
            for item in part.objects:
                if item["type"] != "marking-definition":
                    self.not_to(one, item["id"], party)

    def not_to(self, one: DemoNode, name: str, party: str) -> None:
        """Ask for one object and one party that nobody wanted to release to."""
        answer = self.question(one, name, party)
        if answer.decision.outcome != MAY:
            self.withhold(name, party, answer)
        else:
            self.voice.tell(f"{party} would get {name}", held=False)

    def withdraw(
        self, one: DemoNode, name: str, what: str, holders: Sequence[str], nameless: int = 0
    ) -> None:
        """The originator takes an object back; every holder's own signed word returns.

        For holders further down that no agreement shows (`nameless`) the relay answers in its own name.
        """
        exchange.withdraw(
            one.node,
            REALM,
            name,
            reason="withdrawn by its originator (demonstration)",
            by=f"{one.party.lower()}-releaser",
            now=now(),
        )

        def destroyed() -> set[str]:
            return {
                line.holder
                for line in exchange.holders(one.node, REALM, name, now=now())
                if line.state == "destroyed"
            }

        def answered() -> bool:
            found = destroyed()
            return found >= set(holders) and sum(map(further.is_further, found)) >= nameless

        held = until(answered)
        words = [
            f"{further.debtor(party)} answers that a holder further down destroyed it"
            if further.is_further(party)
            else f"{party} destroyed it"
            for party in sorted(destroyed())
        ]
        self.voice.tell(
            f"{one.party} withdraws {what}; signed receipts came back: " + (", ".join(words) or "none"),
            one.page("/ledger/receipts"),
            held=held,
        )

    def verify(self, one: DemoNode) -> None:
        with one.node.database.app(REALM) as tx:
            report = audit.verify_database(tx, one.node.keyring(REALM))
        self.voice.tell(
            f"{one.party}'s log verifies from its root key: {report.size} entries, every signature and proof",
            one.page("/ledger"),
            held=report.holds,
        )

    def echo_free(self) -> bool:
        """Wait until nothing is written any more, then see that it stays so for a second."""
        last: list[Any] = []
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [sizes(one) for one in self.cluster]
            if found == last:
                return True
            last = found
            time.sleep(1.0)
        return False


def _count(arrivals: Arrivals) -> str:
    return f"{len(arrivals.milliseconds)}" + ("" if arrivals.complete else f" of {arrivals.expected}")


def _one_each(done: Published) -> list[Any]:
    """Give one withheld line per party."""
    return list({given.party: given for given in done.withheld}.values())
