"""Receipts that a person gives travel to the originator, through relays too, and stay on record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import AsOf
from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.desk import store as desk
from secretariat.exchange import due_service, service
from secretariat.exchange import own_words_service as words
from secretariat.exchange.postgres import transaction

from .test_nodes import Nodes, indicator

A = str(indicator("a")["id"])


@pytest.fixture
def world(node):
    there = Nodes(node, "KR", "JP", "CN")
    there.converge()
    there.publish("KR", indicator("a", description="first"), to=["JP"])
    there.converge()
    publish(there.nodes["JP"], "live", [A], to=["CN"], basis=Basis(by="releaser"), now=there.now)
    there.converge()
    return there


def states(world, party="KR"):
    found = service.holders(world.nodes[party], "live", A, now=world.now)
    return {one.holder: (one.state, one.note) for one in found if one.holder != "*"}


def report(world, party, **more):
    more = {"since": "2026-11-20", "what": "a laptop was stolen", "told": "police", "by": "anna", **more}
    return words.report_loss(world.nodes[party], "live", [A], now=world.now, **more)


def test_a_loss_reaches_the_originator_and_no_later_word_wipes_it_out(world):
    done = report(world, "JP")
    assert (done.state, done.told) == ("lost", ("KR",))
    world.converge()
    assert states(world)["JP"] == ("lost", "since 2026-11-20: a laptop was stolen; told: police")
    with transaction(world.nodes["KR"], "live", world.now) as store:
        (one,) = desk.losses(store.tx, world.now - timedelta(days=1))
        assert (one.holder, one.objects, one.stix_id) == ("JP", 1, A)
    service.withdraw(world.nodes["KR"], "live", A, reason="wrong", by="kim", now=world.now)
    world.converge()
    assert states(world)["JP"][0] == "destroyed"
    with transaction(world.nodes["KR"], "live", world.now) as store:
        roots = [one.root for one in store.history(A)]
        assert {holder for _root, holder in desk.losses_of(store.tx, roots, AsOf())} == {"JP"}


def test_a_loss_behind_a_relay_reaches_the_originator_without_the_holders_name(world):
    report(world, "CN")
    world.converge()
    assert states(world, "JP")["CN"][0] == "lost"
    above = states(world)
    assert "CN" not in above
    (further,) = [state for holder, (state, _note) in above.items() if holder.startswith("JP/")]
    assert further == "lost"
    assert world.converge() == 0


def test_returned_nothing_is_kept_and_a_later_call_is_answered_so(world):
    words.returned(world.nodes["JP"], "live", [A], how="one copy, by courier", by="anna", now=world.now)
    world.converge()
    assert A not in world.sees("JP")
    assert states(world)["JP"] == ("returned", "one copy, by courier")
    service.withdraw(world.nodes["KR"], "live", A, reason="wrong", by="kim", now=world.now)
    world.converge()
    assert states(world)["JP"][0] == "returned"


def test_kept_by_law_names_the_law_is_shown_to_nobody_and_ends_with_it(world):
    jp = world.nodes["JP"]
    words.keep_by_law(jp, "live", [A], law="Archives Act 4", until="2026-12-01", by="anna", now=world.now)
    world.converge()
    assert A not in world.sees("JP")
    assert states(world)["JP"] == ("kept-by-law", "Archives Act 4, until 2026-12-01")
    with pytest.raises(StateError, match="Archives Act 4"):
        words.returned(jp, "live", [A], how="all of it", by="anna", now=world.now)
    service.withdraw(world.nodes["KR"], "live", A, reason="wrong", by="kim", now=world.now)
    world.converge()
    assert states(world)["JP"][0] == "kept-by-law"
    world.now += timedelta(days=30)
    assert due_service.run_timers(jp, "live", now=world.now) == 1
    world.converge()
    assert states(world)["JP"][0] == "destroyed"


def test_what_was_destroyed_is_answered_for_by_its_root(world):
    with transaction(world.nodes["KR"], "live", world.now) as store:
        root = store.history(A)[0].root.hex()
    service.withdraw(world.nodes["KR"], "live", A, reason="wrong", by="kim", now=world.now)
    world.converge()
    jp = world.nodes["JP"]
    words.keep_by_law(jp, "live", [root], law="a print in file 7, Courts Act 2", by="anna", now=world.now)
    world.converge()
    assert states(world)["JP"][0] == "kept-by-law"


REFUSED = {
    "own": ("KR", A, {}, StateError, "our own"),
    "unknown": ("JP", "indicator--00000000-0000-4000-8000-000000000000", {}, NotFoundError, "no object"),
    "unknown root": ("JP", "ab" * 32, {}, NotFoundError, "nobody granted"),
    "to come": ("JP", A, {"since": "2999-01-01"}, InputError, "still to come"),
    "no day": ("JP", A, {"since": ""}, InputError, "since when"),
    "nothing": ("JP", A, {"what": " "}, InputError, "what happened"),
    "nobody told": ("JP", A, {"told": ""}, InputError, "who is told"),
    "no date": ("JP", A, {"since": "yesterday"}, InputError, "yesterday"),
}


def test_a_word_without_its_facts_is_refused_and_sends_nothing(world):
    for name, (party, obj, more, error, says) in REFUSED.items():
        given = {"since": "2026-11-20", "what": "stolen", "told": "police", "by": "anna", **more}
        with pytest.raises(error, match=says):
            words.report_loss(world.nodes[party], "live", [obj], now=world.now, **given)
        assert name
    assert world.converge() == 0
