"""Requests between real nodes: asked, released, arrived, answered, back; and what can go wrong with that."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta

import pytest

from secretariat.agreements import release, workflow
from secretariat.agreements.release import Basis
from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.exchange import enrolment
from secretariat.exchange import service as exchange
from secretariat.records.service import import_stream
from secretariat.register import boards, follow, questions
from secretariat.register import service as register
from secretariat.register import store as statements
from secretariat.register.model import Commitment, Request, View, stix_id, to_object
from secretariat.register.requests import deadlines, service, store
from secretariat.register.times import day_of
from secretariat.storage.engine import raw
from simulator import START

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
PROMISE = Commitment(
    key="apt-channel",
    kind="commitment",
    title="A channel for warnings of APT attacks",
    true_from="2011-11-24",
    due="2012-03-31",
    parties=("JP", "KR"),
    owed_by=("JP",),
)


class Desks:
    """Real nodes that know each other and whose registers follow what arrives; `now` is everybody's clock."""

    def __init__(self, node, *parties: str) -> None:
        self.now = START
        self.nodes = {party: node(party) for party in parties}
        for one in self.nodes.values():
            for other in self.nodes.values():
                if one is not other:
                    sealed, words = enrolment.invite(other, one.party, now=self.now)
                    enrolment.accept(one, sealed, words, now=self.now)

    def pull(self, receiver: str, sender: str):
        node = self.nodes[receiver]
        at = exchange.place(node, "live", sender)
        page, _ = exchange.make_page(self.nodes[sender], "live", receiver, at.after, at.size, now=self.now)
        return exchange.take_page(node, "live", sender, page, now=self.now)

    def converge(self) -> None:
        for _ in range(30):
            self.now += timedelta(seconds=1)
            found = [self.pull(one, other) for one in self.nodes for other in self.nodes if one != other]
            if not any(one.entries for one in found):
                return
        raise AssertionError("no convergence")

    def settle(self) -> None:
        self.converge()
        for one in self.nodes.values():
            follow.catch_up(one, "live")
            deadlines.step(one, "live", now=self.now)

    def ask(self, by: str, of: str, **given):
        self.now += timedelta(seconds=1)
        words = {"asks": "What became of it?", "tlp": "CLEAR", "by": "officer", "decide": True, **given}
        return service.ask(self.nodes[by], "live", of=of, now=self.now, **words)

    def answer(self, by: str, name: str, **given):
        self.now += timedelta(seconds=1)
        words = {"reply": "It runs.", "tlp": "CLEAR", "by": "officer", "decide": True, **given}
        return service.answer(self.nodes[by], "live", name, now=self.now, **words)

    def view(self, days: int = 0) -> View:
        return View(day=day_of(self.now, "UTC") + timedelta(days=days))

    def thread(self, party: str, name: str, days: int = 0):
        with self.nodes[party].database.app("live") as tx:
            return store.thread(tx, self.view(days), party, name)

    def day(self, days: int) -> str:
        return (self.now + timedelta(days=days)).date().isoformat()


@pytest.fixture
def desks(node):
    world = Desks(node, "KR", "JP")
    world.converge()
    return world


def test_asked_here_answered_there_and_the_promise_moves(desks):
    kr = desks.nodes["KR"]
    register.record(kr, "live", [PROMISE], by="officer", now=desks.now, tlp="CLEAR")
    done = desks.ask("KR", "JP", about=["apt-channel"], answer_by=desks.day(7))
    assert (done.state, done.number) == ("sent", f"KR-{desks.now.year}-0001")
    desks.settle()
    there = desks.thread("JP", done.number)
    assert there.state == "asked"
    assert there.their_number == f"JP-{desks.now.year}-0001"
    assert there.request.body["about_keys"] == ["apt-channel"]
    answered = desks.answer("JP", there.their_number, promise_is="progress", on=desks.day(0))
    assert answered.state == "sent"
    desks.settle()
    back = desks.thread("KR", done.number)
    assert (back.state, back.their_number, back.late) == ("answered", there.their_number, 0)
    assert back.answers[0].originator == "JP"
    assert [one.says for one in back.evidence] == ["progress"]
    with kr.database.app("live") as tx:
        marks = boards.evidence_for(tx, [stix_id("sct-commitment", "KR", "apt-channel")], desks.view())
    assert [(one.originator, one.says) for found in marks.values() for one in found] == [("JP", "progress")]


def test_a_changed_answer_takes_back_the_evidence_that_the_earlier_one_gave(desks):
    kr, jp = desks.nodes["KR"], desks.nodes["JP"]
    register.record(kr, "live", [PROMISE], by="officer", now=desks.now, tlp="CLEAR")
    done = desks.ask("KR", "JP", about=["apt-channel"])
    desks.settle()

    def state(recorded_by=None):
        with kr.database.app("live") as tx:
            view = View(day=day_of(desks.now, "UTC"), recorded_by=recorded_by, is_now=recorded_by is None)
            return questions.status(tx, "apt-channel", view).state

    assert state() == "overdue"
    desks.answer("JP", done.number, promise_is="done", on="2012-03-01")
    desks.settle()
    before = desks.now
    assert state() == "done"
    changed = desks.answer("JP", done.number, reply="It was planned; nothing was built.")
    assert changed.state == "sent"
    assert len(changed.also) == 1
    desks.settle()
    assert state() == "overdue"
    assert state(before) == "done"
    assert desks.thread("KR", done.number).evidence == ()
    for node in (kr, jp):
        with node.database.app("live") as tx:
            every = statements.versions(tx, changed.also[0])
        assert [one.retracted for one in every] == [True, False]
        assert "was changed" in every[0].body["retraction"]
    # changed once more, it gives evidence anew, under a key of its own; nothing of before comes back
    again = desks.answer("JP", done.number, reply="Now it runs.", promise_is="late", on="2012-06-01")
    assert again.also != changed.also
    desks.settle()
    assert state() == "late"
    # evidence that nobody was told of is taken back without telling anybody
    desks.answer("JP", done.number, reply="Partly.", promise_is="partly", on="2012-06-02", decide=False)
    quiet = desks.answer("JP", done.number, reply="We look into it.")
    desks.settle()
    assert len(quiet.also) == 1  # the one of which the older version went out
    assert state() == "overdue"


def test_declined_changed_and_withdrawn(desks):
    done = desks.ask("KR", "JP", answer_by=desks.day(3))
    desks.settle()
    with pytest.raises(InputError, match="without a reason"):
        desks.answer("JP", done.number, says="declined", reply=" ")
    desks.answer("JP", done.number, says="declined", reply="Not ours to say.")
    desks.settle()
    assert desks.thread("KR", done.number).state == "declined"
    first = desks.thread("KR", done.number).answers[0]
    desks.answer("JP", done.number, reply="It was built.")
    desks.settle()
    changed = desks.thread("KR", done.number)
    assert (changed.state, changed.answers[0].body["reply"]) == ("answered", "It was built.")
    assert changed.answers[0].stix_id == first.stix_id  # a newer version of the one answer
    with desks.nodes["KR"].database.app("live") as tx:  # both stand: what was known then is still answered
        then = View(day=day_of(desks.now, "UTC"), recorded_by=first.recorded_at, is_now=False)
        assert store.thread(tx, then, "KR", done.number).state == "declined"
    with pytest.raises(NotFoundError):
        desks.answer("JP", "KR-1999-0001")
    with pytest.raises(ConflictError, match="not asked of us"):
        desks.answer("KR", done.number)
    desks.now += timedelta(seconds=1)
    service.withdraw(
        desks.nodes["KR"], "live", done.number, reason="No longer needed", by="o", now=desks.now, decide=True
    )
    desks.settle()
    for party in ("KR", "JP"):
        assert desks.thread(party, done.number).state == "withdrawn", party
    with pytest.raises(StateError, match="withdrawn"):
        desks.answer("JP", done.number)


def test_no_answer_by_the_day_is_an_absence_and_late_is_late(desks):
    kr = desks.nodes["KR"]
    done = desks.ask("KR", "JP", answer_by=desks.day(2))
    desks.settle()
    desks.now += timedelta(days=2)
    assert deadlines.step(kr, "live", now=desks.now) == 0  # the day is not over
    desks.now += timedelta(days=1)
    assert desks.thread("KR", done.number).state == "overdue"
    assert deadlines.step(kr, "live", now=desks.now) == 1
    assert deadlines.step(kr, "live", now=desks.now + timedelta(days=1)) == 0  # once
    silent = desks.thread("KR", done.number)
    assert (silent.state, silent.late) == ("silent", 1)
    assert silent.absences[0].body["looked_by"] == "KR"
    assert desks.thread("JP", done.number).state == "overdue"
    desks.answer("JP", done.number)
    desks.settle()
    late = desks.thread("KR", done.number)
    assert (late.state, late.late) == ("answered", 1)
    assert len(late.absences) == 1  # what was so on that day stays


def test_both_ask_at_once_and_each_number_stands_for_one_request(desks):
    one, two = desks.ask("KR", "JP", title="Same"), desks.ask("JP", "KR", title="Same")
    desks.settle()
    year = desks.now.year
    assert (one.number, two.number) == (f"KR-{year}-0001", f"JP-{year}-0001")
    assert desks.thread("JP", one.number).their_number == f"JP-{year}-0002"
    assert desks.thread("KR", two.number).their_number == f"KR-{year}-0002"
    assert desks.thread("KR", f"KR-{year}-0002").number == two.number
    deadlines.step(desks.nodes["JP"], "live", now=desks.now)
    assert desks.thread("JP", one.number).their_number == f"JP-{year}-0002"  # given once


def test_what_came_in_before_our_own_request_and_was_followed_after_it_is_numbered(desks):
    jp, seen, looked = desks.nodes["JP"], {}, {}
    done = desks.ask("KR", "JP")
    desks.converge()
    desks.ask("JP", "KR")
    deadlines._look(jp, "live", seen, looked)
    follow.catch_up(jp, "live")
    deadlines._look(jp, "live", seen, looked)
    assert desks.thread("JP", done.number).their_number is not None


@pytest.mark.parametrize("skew", [-50, 50])
def test_clocks_that_differ_change_no_order(desks, skew):
    done = desks.ask("KR", "JP", answer_by=desks.day(1))
    desks.settle()
    there = desks.now
    desks.now += timedelta(seconds=skew)
    desks.answer("JP", done.number, reply="first")
    desks.answer("JP", done.number, reply="second")
    desks.now = max(there, desks.now)
    desks.settle()
    found = desks.thread("KR", done.number)
    assert (found.state, found.late) == ("answered", 0)
    assert found.answers[0].body["reply"] == "second"


def test_what_is_not_released_counts_for_nobody(desks):
    kr = desks.nodes["KR"]
    done = desks.ask("KR", "JP", decide=False)
    assert done.state == "proposed"
    desks.settle()
    assert desks.thread("KR", done.number).state == "draft"
    assert desks.thread("JP", done.number) is None
    desks.now += timedelta(seconds=1)
    workflow.decide_release(kr, "live", uuid.UUID(done.release), by="releaser", now=desks.now)
    desks.settle()
    assert desks.thread("JP", done.number).state == "asked"
    kept = desks.answer("JP", done.number, decide=False)
    ours = desks.thread("JP", done.number)
    assert (kept.state, ours.state, len(ours.drafts)) == ("proposed", "asked", 1)


def test_a_standing_release_carries_requests_to_that_party_alone(desks):
    kr = desks.nodes["KR"]
    terms = workflow.Terms(partners=["JP"], purpose="register", types=["sct-request"], highest="AMBER")
    workflow.begin_standing(kr, "live", terms, title="Requests to JP", by=["anna"], days=30, now=desks.now)
    done = desks.ask("KR", "JP", decide=False)
    assert done.state == "sent"
    desks.settle()
    assert desks.thread("JP", done.number).state == "asked"


def test_what_no_agreement_lets_go_stays_and_says_so(desks):
    done = desks.ask("KR", "JP", tlp="RED")
    assert (done.state, bool(done.article)) == ("refused", True)
    desks.settle()
    assert desks.thread("JP", done.number) is None
    assert desks.thread("KR", done.number).state == "draft"


def hostile(world, party: str, draft: Request) -> None:
    """Let a node say what its own service would refuse."""
    obj = to_object(draft, party=party, created=world.now, marking=CLEAR)
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [obj]}
    node = world.nodes[party]
    stream = io.BytesIO(json.dumps(bundle).encode())
    result = import_stream(node.database, "live", party, stream, now=world.now)
    assert result.refused_count == 0, result
    world.now += timedelta(seconds=1)
    release.publish(node, "live", [obj["id"]], basis=Basis(by="x"), now=world.now)


def test_forged_and_stray_words_change_nothing(node):
    world = Desks(node, "KR", "JP", "CN")
    world.converge()
    done = world.ask("KR", "JP", answer_by=world.day(3))
    world.settle()
    asked = world.thread("KR", done.number).request
    common = {"kind": "request", "title": "x", "parties": ("JP", "KR")}
    answer = {"asked_by": "KR", "asked_of": "JP", "answer": "answered", "reply": "All is well."}
    hostile(world, "CN", Request(key="a", answers_ref=asked.stix_id, **answer, **common))
    nowhere = stix_id("sct-request", "KR", "KR-1999-0001")
    hostile(world, "CN", Request(key="b", answers_ref=nowhere, **answer, **common))
    forged = Request(
        key="JP-2026-0666", number="JP-2026-0666", asked_by="JP", asked_of="KR", asks="Pay", **common
    )
    hostile(world, "CN", forged)
    wrong = Request(
        key="KR-2026-0007", number="KR-2026-0007", asked_by="CN", asked_of="KR", asks="Pay", **common
    )
    hostile(world, "CN", wrong)
    long_zone = Request(
        key="CN-2026-0001",
        number="CN-2026-0001",
        asked_by="CN",
        asked_of="KR",
        asks="<script>",
        zone="../../etc/passwd",
        answer_by="2000",
        **common,
    )
    hostile(world, "CN", long_zone)
    world.settle()
    found = world.thread("KR", done.number)
    assert found.state == "asked"
    assert [one.originator for one in found.strangers] == ["CN"]
    with world.nodes["KR"].database.app("live") as tx:
        assert {one.key for one in store.forged(tx, world.view())} == {"JP-2026-0666", "KR-2026-0007"}
        every = {one.number: one.state for one in store.threads(tx, world.view(), "KR")}
        assert store.count_open(tx, "KR") == 1
    assert every == {done.number: "asked", "CN-2026-0001": "overdue"}
    assert world.thread("KR", "JP-2026-0666") is None
    with pytest.raises(NotFoundError):
        world.answer("KR", "JP-2026-0666")
    with pytest.raises(NotFoundError):  # our own service refuses an answer to nothing
        register.record(
            world.nodes["JP"],
            "live",
            [Request(key="c", answers_ref=nowhere, **answer, **common)],
            by="x",
            now=world.now,
        )


def test_passed_on_and_answered_by_the_third(node):
    world = Desks(node, "KR", "JP", "CN")
    world.converge()
    done = world.ask("KR", "JP", asks="A word that is ours", title="Ours")
    world.settle()
    world.now += timedelta(seconds=1)
    told, asked = service.pass_on(
        world.nodes["JP"],
        "live",
        done.number,
        to="CN",
        asks="Do you know?",
        reply="CN runs it.",
        tlp="CLEAR",
        by="o",
        now=world.now,
        decide=True,
    )
    assert (told.state, asked.state) == ("sent", "sent")
    world.settle()
    found = world.thread("KR", done.number)
    assert (found.state, found.answers[0].body["passed_to"]) == ("passed-on", "CN")
    there = world.thread("CN", asked.number)
    assert there.request.body["asks"] == "Do you know?"
    with world.nodes["CN"].database.app("live") as tx:
        row = (
            raw(tx)
            .execute(
                "SELECT count(*) FROM object_version WHERE position('word that is ours'::bytea IN bytes) > 0"
            )
            .fetchone()
        )
    assert row == (0,)
