"""The story: KR reports, partners get what an article permits, US calls its item back, receipts come home.

Every step uses the services behind pages and commands, on running nodes; what a step expects is checked and a
step that went otherwise is told with `!` and fails the run. Parties here are names of a demonstration: nobody
named took part, and invented instruments and objects say that they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from secretariat.agreements import store as agreements
from secretariat.agreements.book import Book, load, package_book
from secretariat.agreements.facts import keep_book
from secretariat.agreements.model import MAY
from secretariat.agreements.recompute import COMPANY
from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import end_of_day, now, stamp
from secretariat.base.errors import UnavailableError
from secretariat.demo import attacks, sample
from secretariat.demo.accounts import Access, clients, create
from secretariat.demo.cooperation import Cooperation
from secretariat.demo.delivery import until
from secretariat.demo.leaks import measure
from secretariat.demo.nodes import DEFAULT_TLP, Cluster, DemoNode
from secretariat.demo.sample import Part
from secretariat.demo.stage import PURPOSE, REALM, Stage
from secretariat.demo.tally import receipts
from secretariat.demo.trust import Trust
from secretariat.demo.voice import Voice
from secretariat.exchange import enrolment
from secretariat.exchange import service as exchange
from secretariat.records import store as records
from secretariat.records.service import import_stream

PAST = (
    (date(2013, 3, 21), None, "deny"),
    (date(2017, 3, 21), None, "may"),
    (date(2019, 11, 23), date(2019, 11, 21), "deny"),
    (date(2019, 11, 23), date(2019, 11, 24), "may"),
)
"""Could KR have given the annex to JP: on that day, by what was known on that day (or later)?"""
BESIDE = frozenset({"language-content", "marking-definition"})
"""Types that a report does not list and that are released beside it."""


class Story(Stage):
    """One run on a running cluster."""

    def __init__(self, cluster: Cluster, voice: Voice) -> None:
        super().__init__(cluster, voice)
        self.access: dict[str, Access] = {}
        self.parts = sample.parts(now())

    # -- before the story ------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Give every node its people, tools, instruments and partners."""
        nodes = list(self.cluster)
        self.voice.tell(f"{len(nodes)} nodes serve: " + ", ".join(f"{one.party} {one.url}" for one in nodes))
        self.voice.aside(
            f"{'':>17}The annex at a defence level is invented; for it KR and JP have the ceiling ROK_MIL II."
        )
        invented = load([Path(str(files("secretariat.demo").joinpath("data/instruments.yaml")))])
        book = package_book().joined(invented)
        with ThreadPoolExecutor(len(nodes)) as workers:
            made = workers.map(lambda one: _furnish(one, book), nodes)
            self.access = {one.party: access for one, access in zip(nodes, made, strict=True)}
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
        agreed = until(lambda: all(_agreed(one, other.party) for one, other in pairs), 90)
        self.voice.tell("Each pair signed the same set of instruments", kr.page("/ledger"), held=agreed)
        if not agreed:
            raise UnavailableError(
                "the nodes do not keep in step",
                where=next((f"{one.party}: {one.last_words()}" for one in nodes), None),
                advice="nothing after this would hold",
            )

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
        trust = Trust(self)
        trust.joint_statement(_report(self.parts["kr_advisory"]))
        trust.evidence()
        Cooperation(self).play()

    def advisory(self) -> None:
        """KR publishes the CLEAR advisory to everybody."""
        kr, part = self.cluster["KR"], self.parts["kr_advisory"]
        self.bring_in(kr, part)
        report = _report(part)
        beside = [one["id"] for one in part.objects if one["type"] in BESIDE]
        done = self.release(kr, [report, *beside], "advisory", to=None, second=None)
        words = "publishes its advisory, TLP:CLEAR (tlp-2/CLEAR, no instrument needed)"
        self.tell_release(kr, done, words, f"/reports/{report}", {"CN", "JP", "US"})

    def indicators(self) -> None:
        """GREEN and AMBER go under a standing release, by the invented annexes, and not to CN."""
        kr = self.cluster["KR"]
        standing = self.standing(kr, ["CN", "JP", "US"], per_day=10_000)
        for key, colour in (("kr_community", "TLP:GREEN"), ("kr_indicators", "TLP:AMBER")):
            part = self.parts[key]
            self.bring_in(kr, part)
            done = self.release_standing(kr, [_report(part)], standing)
            words = f"shares indicators, {colour}, under a standing release"
            self.tell_release(kr, done, words, f"/reports/{_report(part)}/release", {"JP", "US"})

    def annex(self) -> None:
        """The past is asked about first; then two persons release the annex to JP."""
        kr, part = self.cluster["KR"], self.parts["kr_annex"]
        self.bring_in(kr, part)
        report = _report(part)
        for day, known, expected in PAST:
            self.ask_past(kr, report, "JP", day, known, expected)
        done = self.release(kr, [report], "annex", to=["JP"], second="kr-releaser-2")
        words = "gives its annex, ROK_MIL II, two persons said DO (jp-rok-gsomia-2016/4(2))"
        self.tell_release(kr, done, words, f"/reports/{report}/release", {"JP"})
        self.nobody_else(kr, part, ["CN"])

    def chinas_report(self) -> None:
        """CN publishes a report of its own."""
        cn, part = self.cluster["CN"], self.parts["cn_report"]
        self.bring_in(cn, part)
        done = self.release(cn, [_report(part)], "report", to=None, second=None)
        words = "publishes a report of its own, TLP:CLEAR"
        self.tell_release(cn, done, words, f"/reports/{_report(part)}", {"JP", "KR", "US"})

    def item_of_us(self) -> None:
        """US gives KR an item under its control; KR may pass it on only by US's word; US takes it back."""
        us, kr, part = self.cluster["US"], self.cluster["KR"], self.parts["us_item"]
        self.bring_in(us, part)
        item = part.objects[-1]["id"]
        done = self.release(us, [item], "item", to=["KR"], second="us-releaser-2")
        words = "gives an item under originator control to KR alone"
        self.tell_release(us, done, words, f"/reports/{item}/release", {"KR"})
        answer = self.question(kr, item, "JP")
        self.withhold(item, "JP", answer)
        self.voice.tell(
            f"May KR pass it on to JP? {answer.decision.text}",
            kr.page("/agreements/instruments/us-ism"),
            held=answer.decision.outcome != MAY,
        )
        month = end_of_day((now() + timedelta(days=30)).date())
        position = exchange.consent(
            us.node, REALM, item, via="KR", to="JP", purpose=PURPOSE, until=stamp(month), now=now()
        )
        arrived = until(lambda: self.question(kr, item, "JP").decision.outcome == MAY)
        self.voice.tell(
            f"US signs its consent until {month.date()}: KR may pass it on to JP",
            us.page(f"/ledger/entries/{position}"),
            held=arrived,
        )
        done = self.release(kr, [item], "relay", to=["JP"], second="kr-releaser-2")
        words = "passes it on with US's signature and consent"
        page = "/ledger" if done.publication is None else f"/ledger/entries/{done.publication + 1}"
        self.tell_release(kr, done, words, page, {"JP"})
        self.nobody_else(kr, part, ["CN"])
        self.withdraw(us, item, "its item", ["KR"], nameless=1)

    def share(self, bundle: Path) -> None:
        """Share a bundle of the viewer's own instead of the sample, then withdraw one object of it."""
        kr = self.cluster["KR"]
        with bundle.open("rb") as stream:
            result = import_stream(
                kr.node.database,
                REALM,
                kr.party,
                stream,
                default_tlp=kr.node.settings.default_tlp,
                ceiling=kr.node.settings.ceiling,
                limits=kr.node.settings.limits,
                now=now(),
            )
        self.voice.tell(
            f"KR reads {bundle.name}: {result.accepted} accepted, {result.unchanged} unchanged,"
            f" {result.refused_count} refused; what bears no marking is handled as TLP:{DEFAULT_TLP}",
            kr.page("/reports"),
            held=bool(result.ids),
        )
        for refusal in result.refused[:5]:
            self.voice.aside(f"{'':>17}{refusal.where}: {refusal.what}")
        if not result.ids:
            return
        basis = Basis(by="kr-releaser")
        done = self.counted(
            kr, lambda: publish(kr.node, REALM, result.ids, basis=basis, purpose=PURPOSE, now=now())
        )
        got = {party for party, count in done.granted.items() if count}
        self.tell_release(kr, done, f"shares {done.published} objects", "/reports", got)
        with kr.node.database.app(REALM) as tx:
            versions = records.by_ids(tx, result.ids)
        first = next((one.stix_id for one in versions if one.modified and one.type not in COMPANY), None)
        if first is not None and got:
            self.withdraw(kr, first, first, sorted(got))

    def attacks(self) -> None:
        """A stranger, an eavesdropper and a hostile partner try; each is refused by the real node."""
        cn, jp = self.cluster["CN"], self.cluster["JP"]
        tries = (
            ("A stranger asks JP for its feed: the wrong signature is refused", attacks.stranger(jp)),
            ("CN's request is changed on its way: it is refused", attacks.tamperer(jp, cn)),
            ("CN's request is recorded and sent again: it is refused", attacks.eavesdropper(jp, cn)),
        )
        for words, attempt in tries:
            self.voice.tell(f"{words} ({attempt.words})", jp.page("/admin/partners"), held=attempt.refused)
        name = attacks.forge_grant(cn, jp)
        caught = until(lambda: attacks.state_of(jp, name) == "quarantined")
        why = next((one.what for one in exchange.refusals(jp.node, REALM, party="CN")), "no refusal recorded")
        self.voice.tell(
            f"CN signs a grant to JP under {attacks.CLAIMED}: the forged grant is computed again and refused,"
            f" its object stays in quarantine ({why})",
            jp.page("/"),
            held=caught,
        )

    # -- after the story -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Verify every log, look for leaks, and see that nothing moves any more."""
        for one in self.cluster:
            self.verify(one)
        quiet = self.echo_free()
        self.voice.tell("Nothing moves any more: no object goes round", held=quiet)
        self.tally.receipts = sum(receipts(one) for one in self.cluster)
        with clients(self.cluster, self.access) as tools:
            self.tally.leaks = measure(self.cluster, tools)
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


def _report(part: Part) -> str:
    assert part.report is not None
    return part.report


def _furnish(one: DemoNode, book: Book) -> Access:
    """Give one node its people, tools and instruments."""
    for realm in one.node.settings.realms:
        with one.node.database.app(realm) as tx:
            keep_book(tx, book, own=one.party, now=now())
    return create(one, now=now())


def _agreed(one: DemoNode, partner: str) -> bool:
    with one.node.database.app(REALM) as tx:
        return bool(agreements.agreed(tx, partner, one.party))
