"""Properties that may not go to a reader are left out by the decision itself; both sides find the same."""

from __future__ import annotations

import json

import pytest

from secretariat.agreements import release, service
from secretariat.agreements import release_answer as answering
from secretariat.agreements.release import Basis
from secretariat.exchange import service as exchange
from secretariat.exchange.postgres import transaction

from .test_fetching import Fetching
from .test_nodes import AMBER, CLEAR, Nodes, indicator

RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
CANARY = "canary-0815"
TERMS = """
instruments:
- id: syn-kr-jp-terms
  synthetic: true
  title: Invented terms between KR and JP
  kind: mou
  binding: true
  parties: [JP, KR]
  in_force: 2020-01-01
  articles:
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER}
    - {art: "7", rule: PII, leave_out: [description, pattern_version]}
"""


def marked(name: str, ref: str, *selectors: str, **more: object) -> dict[str, object]:
    parts = [{"marking_ref": ref, "selectors": list(selectors)}]
    return indicator(name, granular_markings=parts, description=CANARY, confidence=80, **more)


def held(world, party, obj):
    with transaction(world.nodes[party], "live", world.now) as store:
        (one,) = [one for one in store.history(str(obj["id"])) if one.state in {"kept", "partial"}]
    return one.state, json.loads(one.data)


def test_what_a_granular_marking_keeps_from_the_reader_is_left_out_at_release_and_by_every_relay(node):
    world = Nodes(node, "KR", "JP", "CN")
    world.converge()
    obj = marked("a", RED, "description")
    (told,) = [
        one
        for party in ["JP"]
        for one in world_outlook(world, "KR", obj, party).explanations
        if one.object == obj["id"]
    ]
    assert told.decision.outcome == "may"
    assert [name for name, _article in told.left_out] == ["description"]
    world.publish("KR", obj, to=["JP"])
    world.converge()
    state, value = held(world, "JP", obj)
    assert (state, "description" in value, value["confidence"]) == ("partial", False, 80)
    assert value["granular_markings"] == obj["granular_markings"], "nothing is ever changed"
    assert exchange.refusals(world.nodes["JP"], "live") == []
    release.publish(
        world.nodes["JP"], "live", [str(obj["id"])], to=["CN"], basis=Basis(by="releaser"), now=world.now
    )
    world.converge()
    assert held(world, "CN", obj)[0] == "partial"
    again = release.publish(
        world.nodes["KR"], "live", [str(obj["id"])], to=["JP"], basis=Basis(by="releaser"), now=world.now
    )
    assert again.publication is None, "who holds as much as it may is granted nothing again"


def world_outlook(world, party, obj, to):
    node = world.nodes[party]
    world.load(party, obj)
    with node.database.app("live") as tx:
        return service.outlook(tx, node, service.with_members(tx, [str(obj["id"])]), to, now=world.now)


def test_what_stix_requires_blocks_the_release_with_the_reason(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    done = world.publish("KR", marked("a", RED, "pattern"), to=["JP"])
    assert done.granted == {"JP": 0}
    (one,) = done.withheld
    assert "pattern is kept back, and indicator cannot go without it" in str(one.missing)


def test_where_the_whole_may_go_nothing_is_left_out(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    obj = marked("a", CLEAR, "description")
    world.publish("KR", obj, to=["JP"])
    world.converge()
    assert held(world, "JP", obj)[0] == "kept"


def agreed(node):
    world = Fetching(node, "KR", "JP")
    world.converge()
    for party in ("KR", "JP"):
        world.record(party, TERMS)
    world.converge()
    assert "syn-kr-jp-terms" in world.agreed("JP", "KR") & world.agreed("KR", "JP")
    return world


def test_what_an_instrument_keeps_back_is_left_out_by_its_article(node):
    world = agreed(node)
    obj = indicator("a", AMBER, description=CANARY, confidence=80)
    told = world_outlook(world, "KR", obj, "JP").explanations[0]
    assert told.left_out == (("description", "syn-kr-jp-terms/7"),)
    release.publish(
        world.nodes["KR"],
        "live",
        [str(obj["id"])],
        to=["JP"],
        basis=Basis(by="a", second="b"),
        now=world.now,
    )
    world.converge()
    state, value = held(world, "JP", obj)
    assert (state, "description" in value) == ("partial", False)


def test_a_sender_that_gives_what_the_instrument_keeps_back_is_not_believed(node, monkeypatch):
    world = agreed(node)
    monkeypatch.setattr(answering, "kept_back", lambda _duties: {})
    obj = indicator("a", AMBER, description=CANARY)
    world.load("KR", obj)
    release.publish(
        world.nodes["KR"],
        "live",
        [str(obj["id"])],
        to=["JP"],
        basis=Basis(by="a", second="b"),
        now=world.now,
    )
    world.converge()
    assert world.sees("JP") == set()
    (refused,) = exchange.refusals(world.nodes["JP"], "live")
    assert refused.code == "grant-differs"
    assert "carries description, which syn-kr-jp-terms/7 keeps back" in refused.what


@pytest.mark.parametrize("selectors", [("description", "confidence"), ("confidence", "labels.[0]")])
def test_one_marking_of_several_parts_leaves_all_of_them_out(node, selectors):
    world = Nodes(node, "KR", "JP")
    world.converge()
    obj = marked("a", RED, *selectors, labels=["x"])
    world.publish("KR", obj, to=["JP"])
    world.converge()
    state, value = held(world, "JP", obj)
    assert state == "partial"
    assert not {one.partition(".")[0] for one in selectors} & value.keys()
