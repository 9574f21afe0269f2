"""The Register in the story: one record on four nodes, what lags, a request and its answer, accounts beside.

KR's secretariat imports the sample record and gives what is CLEAR to everybody under a standing release; what
another party says itself it records on its own node. Every figure told here is what a node answers; the four
are asked the same and have to answer alike.
"""

from __future__ import annotations

import time
import uuid
from datetime import date

from secretariat.agreements import workflow
from secretariat.agreements.recompute import COMPANY
from secretariat.base.clock import now
from secretariat.demo import promises
from secretariat.demo.delivery import until
from secretariat.demo.nodes import DemoNode
from secretariat.demo.promises import ABOUT, ACCOUNTS, PROMISE, RECORDER
from secretariat.demo.stage import PURPOSE, REALM, ZONE, Stage
from secretariat.register import boards, questions, record_file, sources, store, yaml_form
from secretariat.register import service as register
from secretariat.register.brief import service as briefs
from secretariat.register.model import TYPES, Draft, View, id_of, stix_id, type_of
from secretariat.register.overlap import service as overlap
from secretariat.register.requests import deadlines
from secretariat.register.requests import service as asking
from secretariat.register.requests import store as threads
from secretariat.register.requests.rules import Thread
from secretariat.register.sample import NAME, sample
from secretariat.register.times import day_of

TCCS = "cjk-c-tccs-launch"
"""The promise of December 2008 to launch the Cyber-Secretariat in 2009."""
STATUS = (
    (date(2009, 6, 30), "open"),
    (date(2010, 1, 31), "overdue"),
    (date(2012, 9, 3), "overdue"),
    (date(2015, 1, 1), "overdue"),
)
"""How it stood, by what was publicly known that day."""
TOKYO = "jp-no-response-2012"
ASKED_ABOUT = date(2012, 6, 25)
READ_ON = date(2012, 6, 26)
"""The day on which the note could be read that says what was so the day before."""
LAG_ON = date(2012, 9, 3)
PAIR = ("cjk-c-yearly-report", "cjk-c-action-plan-cycle")
"""Two promises of one circle: a progress report every year, and a plan examined every year in a report."""
_PART = 60
"""Statements of one release: whoever watches sees them come in."""


class Cooperation:
    """The steps of the Register, on the stage of the story."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cluster = stage.cluster
        self.tell = stage.voice.tell
        self.kr = stage.cluster[RECORDER]
        self.figures = stage.tally.register
        read = yaml_form.read(sample(), RECORDER, name=NAME)
        drafts = sorted((one.draft for one in read.drafts), key=turn)
        self._ids = [id_of(one, RECORDER) for one in drafts]
        """What the record states, in the order in which it is given."""

    def play(self) -> None:
        """Play all of it."""
        self.record()
        self.one_time_line()
        self.secretariat_of_2008()
        self.tokyo()
        self.what_lags()
        self.accounts()
        self.no_answer()
        self.answered()
        self.overlap()
        self.brief()

    # -- one record on four nodes ----------------------------------------------------------------------------

    def record(self) -> None:
        """KR's officer imports the record; what is CLEAR goes to everybody under a standing release."""
        kr = self.kr
        done = record_file.import_bytes(
            kr.node, REALM, sample(), name=NAME, by="kr-officer", now=now(), tlp="CLEAR"
        )
        self.figures["statements"] = done.written
        self.tell(
            f"KR's secretariat records {done.facts} public facts of 1999 to 2026 with {done.sources} sources,"
            f" {done.accounts} accounts, {done.evidence} pieces of evidence",
            kr.page("/register"),
            held=done.facts > 200 and not done.warnings,
        )
        others = [party for party in self.cluster.nodes if party != kr.party]
        standing = self.stage.standing(
            kr, others, per_day=10_000, types=[*TYPES, *sorted(COMPANY)], highest="CLEAR"
        )
        ids = self._ids
        begun, articles = time.monotonic(), set[str]()
        before = self.stage.tally.delivered
        for at in range(0, len(ids), _PART):
            given = self.stage.release_standing(kr, ids[at : at + _PART], standing)
            articles |= {one.article for one in given.withheld}
        came = self.stage.tally.delivered - before
        self.tell(
            f"KR gives all of it to {', '.join(others)} under a standing release (tlp-2/CLEAR):"
            f" {came // len(others)} each; there after {time.monotonic() - begun:.1f} s",
            kr.page("/agreements"),
            held=came >= len(ids) * len(others) and not articles,
        )

    def one_time_line(self) -> None:
        """The four nodes give the same time line, for today and for any other day."""
        days = (None, LAG_ON)
        every: list[list[list[tuple[str, str]]]] = []

        def alike() -> bool:
            every[:] = [[self._time_line(one, day) for day in days] for one in self.cluster]
            return all(lines == every[0] for lines in every) and bool(every[0][0])

        held = until(alike, 60)
        now_, then = (len(lines) for lines in every[0])
        self.figures["timeline"] = now_
        self.tell(
            f"One time line on {len(every)} nodes: {now_} facts today, {then} as known on {LAG_ON}, each node"
            " asked by itself",
            self.cluster["CN"].page("/register"),
            held=held and now_ > then > 0,
        )

    def _time_line(self, one: DemoNode, day: date | None) -> list[tuple[str, str]]:
        """Give keys and states of the record's facts in their order."""
        view = _view(one) if day is None else View.on(str(day), str(day), zone=ZONE)
        ids = set(self._ids)
        with one.node.database.app(REALM) as tx:
            found = questions.timeline(tx, view, limit=5_000)
        return sorted((row.key, state) for row, state in found if row.stix_id in ids)

    # -- what an officer asks --------------------------------------------------------------------------------

    def secretariat_of_2008(self) -> None:
        """How the promise of a Cyber-Secretariat stood on several days, by what was known on each."""
        for day, expected in STATUS:
            view = View.on(str(day), str(day), zone=ZONE)
            answers = [_status(one, TCCS, view) for one in self.cluster]
            first = answers[0]
            self.tell(
                f"The Cyber-Secretariat promised for 2009, on {day} by what was known then:"
                f" {_short(first.words)}",
                self.kr.page(_asked(TCCS, day, day)),
                held=first.state == expected and all(one.words == first.words for one in answers),
            )

    def tokyo(self) -> None:
        """Nobody had looked by that day; a day later somebody had, and says what was so the day before."""
        before = _status(self.kr, TOKYO, View.on(str(ASKED_ABOUT), str(ASKED_ABOUT), zone=ZONE))
        after = _status(self.kr, TOKYO, View.on(str(ASKED_ABOUT), str(READ_ON), zone=ZONE))
        self.tell(
            f"As of {ASKED_ABOUT}, had Tokyo responded to the US-ROK dialogue? By what was known that day:"
            f" {before.words}",
            self.kr.page(_asked(TOKYO, ASKED_ABOUT, ASKED_ABOUT)),
            held=not before.checked and before.row is None,
        )
        cited = ", ".join(dict.fromkeys(one.source.key for one in after.sources))
        self.tell(
            f"By what was known on {READ_ON}: {_short(after.words)}; source {cited}",
            self.kr.page(_asked(TOKYO, ASKED_ABOUT, READ_ON)),
            held=after.checked and bool(after.sources),
        )

    def what_lags(self) -> None:
        """What lagged on a day, the same on every node."""
        view = View.on(str(LAG_ON), str(LAG_ON), zone=ZONE)
        found = [_lagging(one, view) for one in self.cluster]
        longest = found[0][0] if found[0] else ("nothing", "")
        self.figures["lagging"] = len(found[0])
        self.tell(
            f"{len(found[0])} promises lagged on {LAG_ON}; the longest, {longest[0]}: {longest[1]}",
            self.kr.page(f"/register/boards/lagging?true_on={LAG_ON}&known_by={LAG_ON}&zone={ZONE}"),
            held=bool(found[0]) and all(sorted(one) == sorted(found[0]) for one in found),
        )

    # -- each party's own words ------------------------------------------------------------------------------

    def accounts(self) -> None:
        """CN, JP and KR each record their account of one promise of the three, side by side."""
        for said in ACCOUNTS:
            one = self.cluster[said.party]
            who = f"{said.party.lower()}-officer"
            until(lambda one=one: _status(one, ABOUT, _view(one)).row is not None)
            done = register.record(one.node, REALM, [promises.account(said)], by=who, now=now(), tlp="CLEAR")
            self.stage.release(one, done.stix_ids, "account", to=None, second=None)
        expected = {(said.party, said.position, said.text) for said in ACCOUNTS}
        cn = self.cluster["CN"]
        held = until(lambda: all(_accounts(one) >= expected for one in self.cluster))
        beside = sorted((party, position) for party, position, _ in _accounts(cn) & expected)
        self.tell(
            f"CN states its own account of {ABOUT}, signed by CN, beside the others':"
            f" {', '.join(f'{party} {position}' for party, position in beside)}",
            cn.page(f"/register/statements/{ABOUT}"),
            held=held,
        )

    # -- requests --------------------------------------------------------------------------------------------

    def no_answer(self) -> None:
        """An invented promise, and an invented letter about it that nobody answered: silent."""
        kr, moment = self.kr, now()
        page, promise = promises.page(), promises.promise()
        letter = promises.letter(day_of(moment, kr.node.settings.zone))
        with kr.node.database.app(REALM) as tx:
            sources.keep(
                tx,
                stix_id("sct-source", kr.party, page.key),
                promises.TEXT.encode(),
                text=promises.TEXT,
                media_type="text/plain",
                by="kr-officer",
                now=moment,
            )
            done = register.record_in(
                tx, kr.node, REALM, [page, promise, letter], by="kr-officer", now=moment, tlp="GREEN"
            )
        self.stage.release(kr, done.stix_ids, "letter", to=["JP"], second=None)
        for name in done.stix_ids:
            self.stage.not_to(kr, name, "CN")
        deadlines.look_for_silence(kr.node, REALM, now=now())
        found = _thread(kr, letter.key)
        state = "nothing" if found is None else found.state
        self.figures["silent"] = int(state == "silent")
        self.tell(
            f"A letter of KR to JP, {letter.key}, asked for an answer by {letter.answer_by}:"
            f" {state}, KR looked in what had arrived",
            kr.page(f"/requests/{letter.key}"),
            held=state == "silent",
        )

    def answered(self) -> None:
        """KR asks JP about the invented promise that lags; JP's answer is evidence and moves KR's board."""
        kr, jp = self.kr, self.cluster["JP"]
        lags = until(lambda: all(PROMISE in _lags_now(one) for one in (kr, jp)))
        lags = lags and not any(PROMISE in _lags_now(self.cluster[code]) for code in ("CN", "US"))
        asked = asking.ask(
            kr.node,
            REALM,
            of="JP",
            about=[PROMISE],
            asks=promises.ASKS,
            title=f"{promises.MARK}: is the test of the points of contact kept?",
            answer_by=str(day_of(now(), kr.node.settings.zone)),
            tlp="GREEN",
            purpose=PURPOSE,
            by="kr-officer",
            now=now(),
        )
        self._let_out(kr, asked)
        there = until(lambda: _thread(jp, asked.number) is not None)
        self.stage.not_to(kr, asked.stix_id, "CN")
        self.tell(
            f"KR asks JP about {PROMISE} (SYNTHETIC), which lags on their two boards and stands on no other:"
            f" request {asked.number}, TLP:GREEN, to JP alone",
            jp.page(f"/requests/{asked.number}"),
            held=lags and there,
        )
        if not there:
            return
        answer = asking.answer(
            jp.node,
            REALM,
            asked.number,
            reply=promises.REPLY,
            promise_is="progress",
            tlp="GREEN",
            purpose=PURPOSE,
            by="jp-officer",
            now=now(),
        )
        begun = time.monotonic()
        self._let_out(jp, answer)
        moved = until(lambda: PROMISE not in _lags_now(kr))
        took = time.monotonic() - begun
        found = _thread(kr, asked.number)
        state = "nothing" if found is None else found.state
        self.figures["board_ms"] = round(took * 1000, 1)
        self.tell(
            f"JP answers {asked.number} as {answer.number}: {state}; its evidence takes {PROMISE} off"
            f" KR's board of what lags, {took:.2f} s after JP's DO",
            kr.page(f"/requests/{asked.number}"),
            held=moved and state == "answered" and found is not None and bool(found.evidence),
        )

    def _let_out(self, one: DemoNode, step: asking.Done) -> None:
        """A releaser says DO to what the officer proposed."""
        release, by = step.release, f"{one.party.lower()}-releaser"
        if release is None:
            self.tell(f"{one.party} may not send {step.number}: {step.article}", held=False)
            return
        self.stage.counted(
            one,
            lambda: workflow.decide_release(one.node, REALM, uuid.UUID(release), by=by, now=now()),
        )

    # -- done twice ------------------------------------------------------------------------------------------

    def overlap(self) -> None:
        """The index offers a pair, the officer says what it is; two statements stay two."""
        kr, (one, other) = self.kr, PAIR
        view = _view(kr)

        def offered() -> bool:
            with kr.node.database.app(REALM) as tx:
                found = overlap.suggestions(tx, view, one, party=kr.party, by="words")
            return found.waiting == 0 and any(line.row.key == other for line in found.found)

        near = until(offered, 90)
        said = overlap.judge(
            kr.node,
            REALM,
            one,
            other,
            "same",
            reason="both have progress examined every year in a report (demonstration)",
            by="kr-officer",
            now=now(),
        )
        with kr.node.database.app(REALM) as tx:
            left = {row.key for row in store.statements(tx, view, keys=list(PAIR))}
            judged = any(pair.verdict is not None for pair in overlap.board(tx, view, party=kr.party).judged)
        self.tell(
            f"{one} and {other} may be one work done twice ({said.comparison.score:.2f}); KR's officer says:"
            " same aim. Nothing is merged",
            kr.page("/register/boards/overlapping"),
            held=near and judged and left == set(PAIR),
        )

    def brief(self) -> None:
        """What KR's officer takes to the next meeting with JP."""
        with self.kr.node.database.app(REALM) as tx:
            made = briefs.gather(tx, _view(self.kr), ("JP", "KR"))
        still = sum(one.open for one in made.promises)
        self.figures["agenda"] = len(made.agenda)
        self.tell(
            f"Brief for JP and KR: {len(made.promises)} promises, {still} still open,"
            f" {len(made.overlaps)} possible overlaps, {len(made.contested)} contested;"
            f" {len(made.agenda)} items proposed, each with its sources",
            self.kr.page("/register/brief?of=JP,KR"),
            held=bool(made.agenda) and PROMISE in {one.row.key for one in made.promises},
        )


def _view(one: DemoNode) -> View:
    zone = one.node.settings.zone
    return View(day=day_of(now(), zone), zone=zone)


def turn(draft: Draft) -> int:
    """Sources go first, then what cites them, then what is said of that."""
    order = {"sct-source": 0, "sct-account": 2, "sct-evidence": 3, "relationship": 4}
    return order.get(type_of(draft), 1)


def _status(one: DemoNode, key: str, view: View) -> questions.Answer:
    with one.node.database.app(REALM) as tx:
        return questions.status(tx, key, view)


def _accounts(one: DemoNode) -> set[tuple[str, str, str]]:
    """Give the accounts of the promise that parties stated themselves or that the record holds."""
    found = _status(one, ABOUT, _view(one)).accounts
    return {(row.originator, str(row.says), str(row.body.get("text"))) for row in found}


def _lagging(one: DemoNode, view: View) -> list[tuple[str, str]]:
    with one.node.database.app(REALM) as tx:
        return [(line.row.key, line.sum.text) for line in boards.lagging(tx, view).lines]


def _lags_now(one: DemoNode) -> set[str]:
    return {key for key, _ in _lagging(one, _view(one))}


def _thread(one: DemoNode, number: str) -> Thread | None:
    with one.node.database.app(REALM) as tx:
        return threads.thread(tx, _view(one), one.party, number)


def _asked(key: str, day: date, known: date) -> str:
    return f"/register/statements/{key}?true_on={day}&known_by={known}&zone={ZONE}"


def _short(words: str) -> str:
    """Leave out the title, which the line says itself."""
    return words.partition(": ")[2] or words
