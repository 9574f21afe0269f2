"""Who learns of whom: random trees, diamonds and rings of nodes, whose agreements show recipients or not.

When all is quiet, nothing that a node keeps, signed or offers holds the code, the log or a key of a party
that is neither itself, nor the originator, its giver, its next hop, its partner, nor shown to it by every
agreement on the way. And every answer that is missing has a debtor at each node above: who was asked, or
the relay that answers for it.
"""

from __future__ import annotations

import random
from base64 import b64encode
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secretariat.exchange import further, withdrawal, withdrawal_holder
from secretariat.exchange.memory import Memory
from secretariat.exchange.model import Ruling
from secretariat.exchange.offer import offer
from secretariat.exchange.wire import encode
from secretariat.ledger import dsse
from secretariat.ledger.keys import Keyring
from simulator import START, SimulatedNode, World, indicator

CODES = ("ZQALFA", "ZQBETA", "ZQGAMA", "ZQDELT", "ZQEPSI", "ZQZETA", "ZQETHA")
NAMED = ({"do": "name_recipients", "art": "sim/9"},)
Plan = dict[str, Any]


@cache
def ring(code: str) -> Keyring:
    return Keyring.generate(code, "live", f"{code.lower()}.example")


class Circle(World):
    """A world whose partners are those who give each other something; all can verify the originator."""

    def __init__(self, plan: Plan, make=None) -> None:
        self.now = START
        self.moved = 0
        self.ways = set()
        self.ignorant = set()
        self.plan = plan
        self.codes = CODES[: plan["nodes"]]
        self.first = self.codes[0]
        self.edges = {(self.codes[a], self.codes[b]): shown for (a, b), shown in plan["edges"].items()}
        self.nodes = {code: (make or node_of)(code) for code in self.codes}
        self.silent = {self.codes[one] for one in plan["silent"]}
        for one, other in self.edges:
            self.enrol(one, other)
            self.enrol(other, one)
        for code in self.codes[1:]:
            self.enrol(code, self.first)
            if plan["consents"]:
                self.enrol(self.first, code)

    def _ruling(self, receiver, _sender, _evidence, one):
        return Ruling("own") if one.originator == receiver else Ruling("equal")

    def pulls(self) -> list[tuple[str, str]]:
        return [
            (receiver, sender)
            for receiver in self.codes
            for sender in sorted(self.partners(receiver))
            if receiver not in self.silent and sender not in self.silent
        ]

    def quiet(self) -> None:
        dice = random.Random(self.plan["luck"])
        for _ in range(60):
            pulls = self.pulls()
            dice.shuffle(pulls)
            busy = sum(self.pull(*one).entries for one in pulls)
            self.tick()
            if not busy:
                return
        raise AssertionError("they never fall silent")

    def play(self) -> list[bytes]:
        direct = {to: shown for (giver, to), shown in self.edges.items() if giver == self.first}
        roots: list[bytes] = []
        for to, shown in direct.items():
            duty = NAMED if shown else ()
            if not roots:
                roots = self.publish(self.first, indicator("a"), to=[to], obligations=duty)
            else:
                self.relay(self.first, roots, to=to, obligations=duty)
        silent, self.silent = self.silent, set()
        self.quiet()
        for (giver, to), shown in self.edges.items():
            if giver != self.first:
                consent = None
                if self.plan["consents"]:
                    consent = self.consent(self.first, roots, via=giver, to=to)
                    self.quiet()
                if self.sees(giver):
                    self.relay(giver, roots, to=to, obligations=NAMED if shown else (), consent=consent)
                    self.quiet()
        self.silent = silent
        if self.plan["narrows"]:
            self.narrow(self.first, indicator("a")["id"], to=next(iter(direct)))
            self.quiet()
        self.withdraw(self.first, indicator("a")["id"])
        self.quiet()
        return roots

    def below(self, code: str, *, shown: bool = False) -> set[str]:
        """Whom what a party passed on may have reached; only by agreements that show recipients, if asked."""
        edges = {edge for edge, shows in self.edges.items() if shows or not shown}
        reached = {code}
        while new := {to for giver, to in edges if giver in reached} - reached:
            reached |= new
        return reached

    def may_know(self, code: str) -> set[str]:
        known = {code, self.first} | self.partners(code)
        if code == self.first and self.plan["consents"]:
            known |= set(self.codes)
        return known | self.below(code, shown=True)

    def everything(self, code: str) -> str:
        """Everything that a node keeps, signed, or offers to anybody, as text."""
        memory = vars(self.nodes[code].backend)
        entries = [*memory["log"], *memory["kept_entries"].values()]
        entries += [one for many in memory["attachments"].values() for one in many]
        text = [repr({name: value for name, value in memory.items() if name not in {"keyring", "token"}})]
        text += [one.envelope.decode() + dsse.payload_of(one.envelope).decode() for one in entries]
        for partner in self.partners(code):
            with self.nodes[partner].store(self.now) as store:
                peer = store.peer(code)
                if peer is not None:
                    start = type(peer.cursor)()
            if peer is not None:
                with self.nodes[code].store(self.now) as store:
                    page = offer(store, partner, start, 0)
                    text.append(encode(page).decode())
                    text += [dsse.payload_of(bytes(one.envelope)).decode() for one in page.entries]
                    for one in page.entries:
                        text += [dsse.payload_of(bytes(third.envelope)).decode() for third in one.attached]
        return "\n".join(text)

    def leaks(self) -> list[str]:
        found = []
        for code in self.codes:
            text = self.everything(code)
            for other in sorted(set(self.codes) - self.may_know(code)):
                keys = self.nodes[other].keyring
                marks = (other, keys.origin, keys.record.key_id, keys.record.public.hex(), keys.log.key_id)
                marks += (b64encode(keys.record.public).decode(), repr(keys.record.public)[2:-1])
                found += [f"{code} knows {other} by {one}" for one in marks if one in text]
        return found

    def unnamed_debts(self, roots: list[bytes]) -> list[str]:
        """Answers that are missing somewhere and have no debtor at a node above."""
        found = []
        for code in sorted(set(self.codes) - self.silent):
            for holder, state in self.holders(code, roots).items():
                if state != "asked":
                    continue
                debtor = further.debtor(holder)
                if debtor not in self.partners(code) and debtor not in self.may_know(code):
                    found.append(f"{code} waits for {holder}, which it cannot know")
                elif debtor not in self.silent and further.is_further(holder):
                    below = self.holders(debtor, roots)
                    if "asked" not in below.values():
                        found.append(f"{code} waits for {holder}, but {debtor} waits for nobody")
                elif debtor not in self.silent:
                    found.append(f"{debtor} owes {code} an answer though it is not silent")
        return found + self.untold_debts(roots)

    def untold_debts(self, roots: list[bytes]) -> list[str]:
        """Relays that wait for somebody without the knowledge of whoever called the object back there."""
        logs = {one.keyring.origin: code for code, one in self.nodes.items()}
        found = []
        for code in sorted(set(self.codes) - self.silent - {self.first}):
            with self.nodes[code].store(self.now) as store:
                called = [one for tombs in store.tombs(roots).values() for one in tombs if one.position >= 0]
            owing = {holder for holder, state in self.holders(code, roots).items() if state == "asked"}
            caller = logs[called[0].origin] if called else code
            if not owing or caller in self.silent | owing | {code}:
                continue
            known = {holder for holder, state in self.holders(caller, roots).items() if state == "asked"}
            # by the name of whoever owes it, where that is shown, or by what the relay answers for
            if not known & self.below(code) and code not in map(further.debtor, known):
                found.append(f"{caller} does not know that {code} waits for {sorted(owing)}")
        return found


def node_of(code: str) -> SimulatedNode:
    memory = Memory(ring(code))
    return SimulatedNode(memory.keyring, memory.transaction, memory)


@st.composite
def plans(draw) -> Plan:
    """A tree from the originator, with further edges that make diamonds and rings of it."""
    nodes = draw(st.integers(3, 7))
    edges = {(draw(st.integers(0, to - 1)), to): draw(st.booleans()) for to in range(1, nodes)}
    more = st.tuples(st.integers(1, nodes - 1), st.integers(1, nodes - 1))
    for giver, to in draw(st.lists(more, max_size=4)):
        if giver != to:
            edges.setdefault((giver, to), draw(st.booleans()))
    return {
        "nodes": nodes,
        "edges": edges,
        "silent": draw(st.sets(st.integers(1, nodes - 1), max_size=2)),
        "consents": draw(st.booleans()),
        "narrows": draw(st.booleans()),
        "luck": draw(st.integers(0, 999)),
    }


def hold(plan: Plan) -> None:
    circle = Circle(plan)
    roots = circle.play()
    assert circle.leaks() == []
    assert circle.unnamed_debts(roots) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_no_node_learns_of_whom_it_is_not_shown_and_every_debt_has_its_debtor(plan):
    hold(plan)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_nor_in_five_hundred_more(plan):
    hold(plan)


CHAIN: Plan = {
    "nodes": 5,
    "edges": {(0, 1): True, (1, 2): False, (2, 3): True, (3, 4): False, (1, 3): False},
    "silent": {4},
    "consents": True,
    "narrows": False,
    "luck": 1,
}


def test_this_chain_holds_before_it_is_broken():
    circle = Circle(CHAIN)
    roots = circle.play()
    assert circle.leaks() == []
    assert circle.unnamed_debts(roots) == []
    assert "asked" in circle.holders(circle.first, roots).values()


def always_shown(patch):
    """Whatever the agreements say, names travel."""
    patch.setattr(further, "shown_by", lambda _s, _o, _p, _g, _t, roots: dict.fromkeys(roots, "x/1"))
    patch.setattr(further, "articles_in", lambda _grant, roots: dict.fromkeys(roots, "x/1"))


def no_pseudonym(patch):
    """What stands for a holder says who it is."""
    patch.setattr(further, "_NAME", further.re.compile(".*"))
    patch.setattr(Memory, "pseudonym", None, raising=False)
    patch.setattr("secretariat.exchange.memory.pairwise", lambda _secret, _what, _to, name: name)


def no_word(patch):
    """A withdrawal is proven by the originator's call to somebody."""
    patch.setattr(withdrawal, "_words", lambda *_: {})


def debts_forgotten(patch):
    """A relay says nothing of those whom it does not name."""
    patch.setattr(withdrawal_holder, "_below", lambda *_: [])


@pytest.mark.parametrize("broken", [always_shown, no_pseudonym, no_word], ids=lambda one: one.__name__)
def test_a_check_taken_out_is_noticed(monkeypatch, broken):
    broken(monkeypatch)
    circle = Circle({**CHAIN, "silent": set()})
    circle.play()
    assert circle.leaks() != [], broken.__doc__


def test_a_debt_that_is_not_told_is_noticed(monkeypatch):
    debts_forgotten(monkeypatch)
    circle = Circle(CHAIN)
    roots = circle.play()
    assert circle.unnamed_debts(roots) != []


def test_nobody_can_match_what_two_were_told_of_one_holder():
    circle = Circle(
        {**CHAIN, "edges": {(0, 1): False, (0, 2): False, (1, 3): False, (2, 3): False, (3, 4): False}}
    )
    roots = circle.play()
    names = [
        {one.partition("/")[2] for one in circle.holders(code, roots) if further.is_further(one)}
        for code in circle.codes
    ]
    assert any(names)
    assert sum(map(len, names)) == len(set().union(*names))
