"""Real nodes mark a published object higher or lower, or correct it; holders end with what they may have."""

from __future__ import annotations

import json

import pytest

from secretariat.base.errors import DeniedError, InputError, StateError
from secretariat.exchange import change_service, change_store, remarking
from secretariat.exchange.changes import Change, Marks
from secretariat.exchange.postgres import transaction
from secretariat.records.extensions import correction_of

from .test_nodes import AMBER, CLEAR, Nodes, indicator

A = str(indicator("a")["id"])
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


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


def change_of(*, tlp=None, value=None, reason="wrong", marks=None, take_back=False):
    wanted = marks or (None if tlp is None else Marks(tlp=tlp))
    return Change(reason=reason, marks=wanted, value=value, take_back=take_back)


def replace(world, *, party="KR", by="kim", second="", confirm=True, **more):
    return remarking.replace(
        world.nodes[party], "live", A, change_of(**more), by=by, second=second, confirm=confirm, now=world.now
    )


def test_marked_higher_who_may_not_have_it_any_more_destroys_it(node):
    world = given(node)
    found = remarking.forecast(world.nodes["KR"], "live", A, change_of(tlp="RED"), now=world.now)
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
    done = replace(world, value=indicator("a", description="second"), reason="the address was ours")
    assert (done.got, done.asked) == (("JP",), ())
    world.converge()
    assert held(world, "JP") == [("second", [CLEAR]), ("first", [CLEAR])]  # the newest first
    with transaction(world.nodes["JP"], "live", world.now) as store:
        newest, earlier = (json.loads(one.data) for one in store.history(A))
    said = correction_of(newest)
    assert (said.reason, said.corrects) == ("the address was ours", earlier["modified"])
    assert said.corrected == newest["modified"]


def test_corrected_and_taken_back_nobody_keeps_what_was_wrong(node):
    world = given(node)
    done = replace(world, value=indicator("a", description="second"), take_back=True)
    assert (done.got, done.asked) == (("JP",), ("JP",))
    world.converge()
    assert held(world, "JP") == [("second", [CLEAR])]


def test_who_may_not_have_the_correction_is_named_before_anything_is_sent(node):
    world = given(node)
    value = indicator("a", RED, description="second")
    found = remarking.forecast(world.nodes["KR"], "live", A, change_of(value=value), now=world.now)
    assert {one.party: (one.may, one.loses) for one in found.fates}["JP"] == (False, True)
    assert world.converge() == 0
    assert held(world, "JP") == [("first", [CLEAR])]


def test_a_level_and_caveats_are_marked_in_the_same_one_transaction(node, monkeypatch):
    world = given(node)
    kr = world.nodes["KR"]
    monkeypatch.setattr(kr.settings, "ceiling", {"ROK_MIL": "I"})
    marks = Marks(tlp="none", scheme="ROK_MIL", level="III", caveats=("NF",))
    found = remarking.forecast(kr, "live", A, change_of(marks=marks), now=world.now)
    assert (found.label.level, found.label.controls, found.label.tlp) == ("III", ("NF",), None)
    assert [(one.party, one.may, one.loses) for one in found.fates if one.party == "JP"] == [
        ("JP", False, True)
    ]
    done = replace(world, marks=marks, second="lee")
    assert (done.got, done.asked) == ((), ("JP",))
    world.converge()
    assert held(world, "JP") == []


def test_a_second_person_decides_what_the_first_proposed(node):
    world = given(node)
    kr, change = world.nodes["KR"], change_of(tlp="AMBER")
    red = change_service.propose(kr, "live", A, change_of(tlp="RED"), by="kim", now=world.now)
    with pytest.raises(DeniedError, match="a second person"):
        change_service.approve(kr, "live", red.id, by="kim", now=world.now)
    change_service.refuse(kr, "live", red.id, by="kim", reason="too much", now=world.now)
    one = change_service.propose(kr, "live", A, change, by="kim", now=world.now)
    change_service.approve(kr, "live", one.id, by="lee", confirm=True, now=world.now)
    with pytest.raises(StateError, match="done already"):
        change_service.approve(kr, "live", one.id, by="lee", now=world.now)
    late = change_service.propose(kr, "live", A, change_of(tlp="RED"), by="kim", now=world.now)
    replace(world, value=indicator("a", AMBER, description="x"))
    with pytest.raises(StateError, match="changed since"):
        change_service.approve(kr, "live", late.id, by="lee", now=world.now)
    change_service.refuse(kr, "live", late.id, by="lee", reason="not now", now=world.now)
    with kr.database.app("live") as tx:
        assert change_store.waiting(tx) == []


def test_lower_takes_two_persons_and_the_forecast_writes_nothing(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", marking=AMBER))
    before = world.nodes["KR"]
    found = remarking.forecast(before, "live", A, change_of(tlp="CLEAR"), now=world.now)
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
        replace(world, party=party, **more)
    world.converge()
    assert held(world, "JP") == [("first", [CLEAR])]
