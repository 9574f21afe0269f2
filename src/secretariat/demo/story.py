"""The story: KR reports, partners get what an article permits, US calls its item back, receipts come home.

Every step uses the services behind pages and commands, on running nodes; what a step expects is checked and a
step that went otherwise is told with `!` and fails the run. Parties here are names of a demonstration: nobody
named took part, and invented instruments and objects say that they are.
"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from secretariat.agreements import service as questions
from secretariat.agreements import store as agreements
from secretariat.agreements import workflow
from secretariat.agreements.book import load, package_book
from secretariat.agreements.facts import keep_book
from secretariat.agreements.model import MAY
from secretariat.agreements.recompute import COMPANY
from secretariat.agreements.release import Basis, Published, publish
from secretariat.agreements.workflow import StandingRelease, Terms
from secretariat.base.clock import AsOf, end_of_day, now, stamp
from secretariat.demo import attacks, sample
from secretariat.demo.accounts import Access, Tool, create, tool
from secretariat.demo.delivery import Arrivals, percentile, places, until, watch
from secretariat.demo.leaks import Leak, measure
from secretariat.demo.nodes import Cluster, DemoNode
from secretariat.demo.sample import Part
from secretariat.demo.voice import Voice
from secretariat.exchange import enrolment
from secretariat.exchange import service as exchange
from secretariat.ledger import audit
from secretariat.people.model import Scope
from secretariat.records import store as records
from secretariat.records.service import import_stream

REALM = "live"
PURPOSE = "network_defence"
BUNDLE_TLP = "GREEN"
"""What a bundle of the viewer's own without markings is handled as; the story says so."""
PAST = (
    (date(2013, 3, 21), None, "deny"),
    (date(2017, 3, 21), None, "may"),
    (date(2019, 11, 23), date(2019, 11, 21), "deny"),
    (date(2019, 11, 23), date(2019, 11, 24), "may"),
)
"""Could KR have given the annex to JP: on that day, by what was known on that day (or later)?"""
ZONE = "Asia/Seoul"
BESIDE = frozenset({"language-content", "marking-definition"})
"""Types that a report does not list and that are released beside it."""


class Withheld(msgspec.Struct, frozen=True):
    """One object that one party did not get, and why."""

    object: str
    party: str
    true_on: str
    article: str
    missing: str | None


class Tally(msgspec.Struct):
    """What the run counted."""

    published: int = 0
    granted: int = 0
    delivered: int = 0
    receipts: int = 0
    leaks: list[Leak] = []
    withheld: list[Withheld] = []
    latencies: list[float] = []
    seconds: float = 0.0

    def as_dict(self, parties: Sequence[str]) -> dict[str, Any]:
        """Give the one JSON object of `--json`."""
        return {
            "published": self.published,
            "granted": self.granted,
            "delivered": self.delivered,
            "receipts": self.receipts,
            "leaks": len(self.leaks),
            "nodes": list(parties),
            "withheld": msgspec.to_builtins(self.withheld),
            "latency_ms": {
                "p50": round(percentile(self.latencies, 0.50), 1),
                "p99": round(percentile(self.latencies, 0.99), 1),
            },
            "objects_per_s": round(self.delivered / self.seconds, 1) if self.seconds else 0.0,
        }


class Story:
    """One run on a running cluster."""

    def __init__(self, cluster: Cluster, voice: Voice) -> None:
        self.cluster = cluster
        self.voice = voice
        self.tally = Tally()
        self.access: dict[str, Access] = {}
        self.parts = sample.parts(now())
        self._arrived: dict[str, Arrivals] = {}

    # -- before the story ------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Give every node its people, tools, instruments and partners."""
        nodes = list(self.cluster)
        self.voice.tell(f"{len(nodes)} nodes serve: " + ", ".join(f"{one.party} {one.url}" for one in nodes))
        self.voice.aside(
            f"{'':>17}The annex at a defence level is invented; for it KR and JP have the ceiling ROK_MIL II."
        )
        for one in nodes:
            self.access[one.party] = create(one, now=now())
        invented = load([Path(str(files("secretariat.demo").joinpath("data/instruments.yaml")))])
        book = package_book().joined(invented)
        for one in nodes:
            for realm in one.node.settings.realms:
                with one.node.database.app(realm) as tx:
                    keep_book(tx, book, now=now())
        kr = self.cluster["KR"]
        self.voice.tell(
            f"{len(book.instruments)} instruments recorded at each node, {len(invented.instruments)} of them"
            " invented and marked so",
            kr.page("/agreements"),
        )
        words = self._enrol(nodes)
        self.voice.tell(
            f"Every node accepted every other by its fingerprint, KR's is: {words}",
            kr.page("/ledger/partners"),
        )
        pairs = [(one, other) for one in nodes for other in nodes if one is not other]
        agreed = until(lambda: all(_agreed(one, other.party) for one, other in pairs))
        self.voice.tell("Each pair signed the same set of instruments", kr.page("/ledger"), held=agreed)

    def _enrol(self, nodes: Sequence[DemoNode]) -> str:
        """Exchange descriptors; the words go over a second channel, here from one variable to the other."""
        spoken = ""
        for one, other in itertools.permutations(nodes, 2):
            sealed, words = enrolment.invite(one.node, other.party, now=now())
            enrolment.accept(other.node, sealed, words, now=now())
            if one.party == "KR":
                spoken = words
        return spoken

    # -- the story -------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Play the whole story with the sample."""
        self.advisory()
        self.indicators()
        self.annex()
        self.chinas_report()
        self.item_of_us()

    def advisory(self) -> None:
        """KR publishes the CLEAR advisory to everybody."""
        kr, part = self.cluster["KR"], self.parts["kr_advisory"]
        self._bring_in(kr, part)
        report = _report(part)
        beside = [one["id"] for one in part.objects if one["type"] in BESIDE]
        done = self._release(kr, [report, *beside], "advisory", to=None, second=None)
        words = "publishes its advisory, TLP:CLEAR (tlp-2/CLEAR, no instrument needed)"
        self._tell_release(kr, done, words, f"/reports/{report}", {"CN", "JP", "US"})

    def indicators(self) -> None:
        """GREEN and AMBER go under a standing release, by the invented annexes, and not to CN."""
        kr = self.cluster["KR"]
        standing = self._standing(kr, ["CN", "JP", "US"], per_day=10_000)
        for key, colour in (("kr_community", "TLP:GREEN"), ("kr_indicators", "TLP:AMBER")):
            part = self.parts[key]
            self._bring_in(kr, part)
            done = self._release_standing(kr, [_report(part)], standing)
            words = f"shares indicators, {colour}, under a standing release"
            self._tell_release(kr, done, words, f"/reports/{_report(part)}/release", {"JP", "US"})

    def annex(self) -> None:
        """The past is asked about first; then two persons release the annex to JP."""
        kr, part = self.cluster["KR"], self.parts["kr_annex"]
        self._bring_in(kr, part)
        report = _report(part)
        for day, known, expected in PAST:
            self._ask_past(kr, report, "JP", day, known, expected)
        done = self._release(kr, [report], "annex", to=["JP"], second="kr-releaser-2")
        words = "gives its annex, ROK_MIL II, two persons said DO (jp-rok-gsomia-2016/4(2))"
        self._tell_release(kr, done, words, f"/reports/{report}/release", {"JP"})
        self._nobody_else(kr, part, ["CN"])

    def chinas_report(self) -> None:
        """CN publishes a report of its own."""
        cn, part = self.cluster["CN"], self.parts["cn_report"]
        self._bring_in(cn, part)
        done = self._release(cn, [_report(part)], "report", to=None, second=None)
        words = "publishes a report of its own, TLP:CLEAR"
        self._tell_release(cn, done, words, f"/reports/{_report(part)}", {"JP", "KR", "US"})

    def item_of_us(self) -> None:
        """US gives KR an item under its control; KR may pass it on only by US's word; US takes it back."""
        us, kr, part = self.cluster["US"], self.cluster["KR"], self.parts["us_item"]
        self._bring_in(us, part)
        item = part.objects[-1]["id"]
        done = self._release(us, [item], "item", to=["KR"], second="us-releaser-2")
        words = "gives an item under originator control to KR alone"
        self._tell_release(us, done, words, f"/reports/{item}/release", {"KR"})
        answer = self._question(kr, item, "JP")
        self._withhold(item, "JP", answer)
        self.voice.tell(
            f"May KR pass it on to JP? {answer.decision.text}",
            kr.page(f"/reports/{item}/release"),
            held=answer.decision.outcome != MAY,
        )
        month = end_of_day((now() + timedelta(days=30)).date())
        position = exchange.consent(
            us.node, REALM, item, via="KR", to="JP", purpose=PURPOSE, until=stamp(month), now=now()
        )
        arrived = until(lambda: self._question(kr, item, "JP").decision.outcome == MAY)
        self.voice.tell(
            f"US signs its consent until {month.date()}: KR may pass it on to JP",
            us.page(f"/ledger/entries/{position}"),
            held=arrived,
        )
        done = self._release(kr, [item], "relay", to=["JP"], second="kr-releaser-2")
        words = "passes it on with US's signature and consent"
        self._tell_release(kr, done, words, f"/reports/{item}/release", {"JP"})
        self._nobody_else(kr, part, ["CN"])
        self._withdraw(us, item, ["JP", "KR"])

    def share(self, bundle: Path) -> None:
        """Share a bundle of the viewer's own instead of the sample, then withdraw one object of it."""
        kr = self.cluster["KR"]
        with bundle.open("rb") as stream:
            result = import_stream(
                kr.node.database,
                REALM,
                kr.party,
                stream,
                default_tlp=BUNDLE_TLP,
                ceiling=kr.node.settings.ceiling,
                limits=kr.node.settings.limits,
                now=now(),
            )
        self.voice.tell(
            f"KR reads {bundle.name}: {result.accepted} accepted, {result.unchanged} unchanged,"
            f" {result.refused_count} refused; what bears no marking is handled as TLP:{BUNDLE_TLP}",
            kr.page("/reports"),
            held=bool(result.ids),
        )
        for refusal in result.refused[:5]:
            self.voice.aside(f"{'':>17}{refusal.where}: {refusal.what}")
        basis = Basis(by="kr-releaser")
        done = self._counted(
            kr, lambda: publish(kr.node, REALM, result.ids, basis=basis, purpose=PURPOSE, now=now())
        )
        got = {party for party, count in done.granted.items() if count}
        self._tell_release(kr, done, f"shares {done.published} objects", "/reports", got)
        with kr.node.database.app(REALM) as tx:
            versions = records.by_ids(tx, result.ids)
        first = next((one.stix_id for one in versions if one.modified and one.type not in COMPANY), None)
        if first is not None and got:
            self._withdraw(kr, first, sorted(got))

    def attacks(self) -> None:
        """A stranger, an eavesdropper and a hostile partner try; each is refused by the real node."""
        cn, jp, kr = (self.cluster[party] for party in ("CN", "JP", "KR"))
        tries = (
            ("A wrong signature is refused", attacks.stranger(jp, kr)),
            ("A request changed on the way is refused", attacks.tamperer(jp, cn)),
            ("A request recorded and sent again is refused", attacks.eavesdropper(jp, cn)),
        )
        for words, attempt in tries:
            self.voice.tell(f"{words}. {attempt.words}", jp.page("/admin/partners"), held=attempt.refused)
        name = attacks.forge_grant(cn, jp)
        caught = until(lambda: attacks.state_of(jp, name) == "quarantined")
        why = next((one.what for one in exchange.refusals(jp.node, REALM, party="CN")), "no refusal recorded")
        self.voice.tell(
            f"A forged grant is refused: CN signs a grant under {attacks.CLAIMED}, JP computes it again and"
            f" puts it in quarantine ({why})",
            jp.page("/admin/partners"),
            held=caught,
        )

    # -- after the story -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Verify every log, look for leaks, and see that nothing moves any more."""
        for one in self.cluster:
            self._verify(one)
        quiet = self._echo_free()
        self.voice.tell("Nothing moves any more: no object goes round", held=quiet)
        self.tally.published = sum(_published(one) for one in self.cluster)
        self.tally.receipts = sum(_receipts(one) for one in self.cluster)
        self.tally.leaks = measure(self.cluster, self._clients())
        found = len(self.tally.leaks)
        self.voice.tell(
            f"{found} leaks: stores, database roles, TAXII and every table of {len(self.cluster.nodes)} nodes"
            " compared with what the logs grant",
            held=found == 0,
        )
        for leak in self.tally.leaks[:20]:
            self.voice.aside(f"{'':>17}{leak.party} has {leak.object} ({leak.where})")
        complete = self.tally.granted == self.tally.delivered
        self.voice.tell(
            f"{self.tally.published} published, {self.tally.granted} granted,"
            f" {self.tally.delivered} delivered, {self.tally.receipts} receipts",
            self.cluster["KR"].page("/ledger/receipts"),
            held=complete,
        )

    # -- pieces ----------------------------------------------------------------------------------------------

    def _bring_in(self, one: DemoNode, part: Part) -> Part:
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

    def _release(
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
        return self._counted(
            one, lambda: decide(one.node, REALM, found.id, by=second or f"{name}-releaser", now=now())
        )

    def _standing(self, one: DemoNode, partners: list[str], *, per_day: int) -> StandingRelease:
        terms = Terms(partners=partners, purpose=PURPOSE, types=[], per_day=per_day)
        releasers = [f"{one.party.lower()}-releaser", f"{one.party.lower()}-releaser-2"]
        return workflow.begin_standing(
            one.node, REALM, terms, title="demonstration", by=releasers, days=1, now=now()
        )

    def _release_standing(
        self, one: DemoNode, objects: Sequence[str], standing: StandingRelease
    ) -> Published:
        with one.node.database.app(REALM) as tx:
            versions = questions.with_members(tx, objects)
        return self._counted(
            one,
            lambda: workflow.publish_standing(one.node, REALM, versions, standing.id, now=now()),
        )

    def _counted(self, one: DemoNode, act: Callable[[], Published]) -> Published:
        """Publish, wait until everything is readable where it was granted, and count."""
        before, begun = places(one), time.monotonic()
        done = act()
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

    def _tell_release(
        self, one: DemoNode, done: Published, words: str, page: str, expected: set[str]
    ) -> None:
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

    def _question(
        self, one: DemoNode, name: str, to: str, as_of: AsOf = questions.NOW
    ) -> questions.Explanation:
        return questions.explain(one.node, REALM, name, to, as_of, purpose=PURPOSE, now=now())

    def _ask_past(
        self, one: DemoNode, name: str, to: str, day: date, known: date | None, expected: str
    ) -> None:
        """Ask about another day and tell the answer."""
        as_of = AsOf(
            true_on=end_of_day(day, ZONE), known_by=None if known is None else end_of_day(known, ZONE)
        )
        answer = self._question(one, name, to, as_of)
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
            self._withhold(name, to, answer, day)

    def _withhold(self, name: str, to: str, answer: questions.Explanation, day: date | None = None) -> None:
        decision = answer.decision
        missing = None if decision.missing is None else decision.missing.text
        told = (day or answer.true_on.date()).isoformat()
        self.tally.withheld.append(Withheld(name, to, told, decision.article, missing))

    def _nobody_else(self, one: DemoNode, part: Part, parties: Iterable[str]) -> None:
        """Ask for parties that nobody wanted to release to: they may not have it either."""
        for party in parties:
            for item in part.objects:
                if item["type"] == "marking-definition":
                    continue
                answer = self._question(one, item["id"], party)
                if answer.decision.outcome != MAY:
                    self._withhold(item["id"], party, answer)
                else:
                    self.voice.tell(f"{party} would get {item['id']}", held=False)

    def _withdraw(self, one: DemoNode, name: str, holders: Sequence[str]) -> None:
        """The originator takes an object back; every holder's own signed word returns."""
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

        answered = until(lambda: destroyed() >= set(holders))
        self.voice.tell(
            f"{one.party} withdraws it; signed receipts came back: "
            + (", ".join(f"{party} destroyed it" for party in sorted(destroyed())) or "none"),
            one.page("/ledger/receipts"),
            held=answered,
        )

    def _verify(self, one: DemoNode) -> None:
        with one.node.database.app(REALM) as tx:
            report = audit.verify_database(tx, one.node.keyring(REALM))
        self.voice.tell(
            f"{one.party}'s log verifies from its root key: {report.size} entries, every signature and proof",
            one.page("/ledger"),
            held=report.holds,
        )

    def _echo_free(self) -> bool:
        """Wait until nothing is written any more, then see that it stays so for a second."""
        last: list[Any] = []
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [_sizes(one) for one in self.cluster]
            if found == last:
                return True
            last = found
            time.sleep(1.0)
        return False

    def _clients(self) -> dict[tuple[str, str], Tool]:
        """Give a credential per node and reader: own tools, and partners' tools as they get them."""
        found = {}
        for one in self.cluster:
            for other in self.cluster:
                if one is other:
                    found[one.party, other.party] = self.access[one.party].tools["read_only"]
                else:
                    label = f"leak check for {other.party}"
                    found[one.party, other.party] = tool(one, label, other.party, {Scope.READ}, now=now())
        return found


def _report(part: Part) -> str:
    assert part.report is not None
    return part.report


def _count(arrivals: Arrivals) -> str:
    return f"{len(arrivals.milliseconds)}" + ("" if arrivals.complete else f" of {arrivals.expected}")


def _one_each(done: Published) -> list[Any]:
    """Give one withheld line per party."""
    return list({given.party: given for given in done.withheld}.values())


def _agreed(one: DemoNode, partner: str) -> bool:
    with one.node.database.app(REALM) as tx:
        return bool(agreements.agreed(tx, partner, one.party))


def _sizes(one: DemoNode) -> tuple[int, ...]:
    tables = ("entry", "object_version", "item")
    ask = f"SELECT {', '.join(f'(SELECT count(*) FROM {name})' for name in tables)}"
    with one.node.database.app(REALM) as tx:
        return tuple(tx.execute(sa.text(ask)).one())


def _receipts(one: DemoNode) -> int:
    """Count the receipts that partners signed for this node."""
    with one.node.database.app(REALM) as tx:
        found = tx.execute(sa.text("SELECT count(*) FROM peer_entry WHERE kind = 'receipt'")).scalar_one()
    return int(found)


def _published(one: DemoNode) -> int:
    """Count the object versions that this node made and published."""
    ask = (
        "SELECT count(*) FROM object_version WHERE originator = :own AND NOT revoked"
        " AND state IN ('published', 'withdrawn')"
    )
    with one.node.database.app(REALM) as tx:
        return int(tx.execute(sa.text(ask), {"own": one.party}).scalar_one())
