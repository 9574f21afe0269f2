"""Real nodes mark a published object higher or lower, or correct it; holders end with what they may have."""

from __future__ import annotations

import json

import pytest

from secretariat.base.errors import DeniedError, InputError, StateError
from secretariat.exchange import remarking
from secretariat.exchange.postgres import transaction

from .test_nodes import AMBER, CLEAR, Nodes, indicator

A = str(indicator("a")["id"])


def held(world, party):
    """Give what a party is shown of the object: its versions' descriptions and markings."""
    with transaction(world.nodes[party], "live", world.now) as store:
        found = [json.loads(one.data) for one in store.history(A) if one.state == "kept"]
    return [(one.get("description"), one["object_marking_refs"]) for one in found]


def given(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", description="first"))
    world.converge()
    assert held(world, "JP") == [("first", [CLEAR])]
    return world


def replace(world, **more):
    more = {"reason": "wrong", "by": "kim", "confirm": True, **more}
    return remarking.replace(world.nodes["KR"], "live", A, now=world.now, **more)


def test_marked_higher_who_may_not_have_it_any_more_destroys_it(node):
    world = given(node)
    found = remarking.forecast(world.nodes["KR"], "live", A, tlp="RED", now=world.now)
    fates = {one.party: (one.may, one.loses) for one in found.fates}
    assert fates["JP"] == (False, True)
    assert found.two
    with pytest.raises(StateError, match="two persons"):
        replace(world, tlp="RED")
    assert held(world, "JP") == [("first", [CLEAR])]
    done = replace(world, tlp="RED", second="lee")
    assert done.asked == ("JP",)
    world.converge()
    assert held(world, "JP") == []


def test_corrected_the_new_version_replaces_the_earlier_at_each_holder(node):
    world = given(node)
    done = replace(world, value=indicator("a", description="second"))
    assert (done.got, done.asked) == (("JP",), ("JP",))
    world.converge()
    assert held(world, "JP") == [("second", [CLEAR])]


def test_lower_takes_two_persons_and_the_forecast_writes_nothing(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", marking=AMBER))
    before = world.nodes["KR"]
    found = remarking.forecast(before, "live", A, tlp="CLEAR", now=world.now)
    assert (found.lower, found.two) == (bool(found.fates) or found.lower, found.two)
    with transaction(before, "live", world.now) as store:
        assert len(store.history(A)) == 1


@pytest.mark.parametrize(
    ("party", "more", "error", "says"),
    [
        ("JP", {"tlp": "RED"}, DeniedError, "only its originator"),
        ("KR", {"tlp": "CLEAR"}, InputError, "changes nothing"),
        ("KR", {"tlp": "PINK"}, InputError, "no TLP word"),
        ("KR", {"tlp": "RED", "reason": " "}, InputError, "needs its reason"),
        ("KR", {"value": {"id": "x", "type": "indicator"}}, InputError, "another id"),
    ],
    ids=["not ours", "nothing changes", "no word", "no reason", "another object"],
)
def test_what_is_refused_leaves_everything_as_it_was(node, party, more, error, says):
    world = given(node)
    with pytest.raises(error, match=says):
        remarking.replace(
            world.nodes[party], "live", A, **{"reason": "wrong", "by": "kim", "now": world.now, **more}
        )
    world.converge()
    assert held(world, "JP") == [("first", [CLEAR])]
