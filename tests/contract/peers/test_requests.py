"""Requests between real nodes: asked here, released, there, answered, back; and what can go wrong with that."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from secretariat.agreements import release, workflow
from secretariat.agreements.release import Basis
from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.exchange import enrolment
from secretariat.exchange import service as exchange
from secretariat.register import boards, follow
from secretariat.register import service as register
from secretariat.register.model import Commitment, Evidence, Request, View, stix_id, to_object
from secretariat.register.requests import deadlines, service, store
from secretariat.register.times import day_of
from secretariat.storage.engine import raw
from simulator import START

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
    assert [(one.originator, one.says) for one in sum(marks.values(), [])] == [("JP", "progress")]
