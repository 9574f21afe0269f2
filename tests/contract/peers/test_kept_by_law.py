"""What a duty to keep holds unseen, and somebody grants anew: shown again, or said to be kept by law.

To a new grant such a copy is as one that was destroyed, except that the law's term goes on.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from secretariat.exchange import duties
from simulator import START, indicator

A = indicator("a")["id"]
DAY = START.date()
LAW = {
    "who": "JP",
    "do": "keep_by_law",
    "art": "archives-act/4",
    "by": (DAY + timedelta(days=9)).isoformat(),
}
DELETE = {"who": "JP", "do": "delete", "art": "syn-mou/5", "by": (DAY + timedelta(days=3)).isoformat()}


def narrowed(world, *parties: str, **more):
    """KR granted JP one object that a law bids it keep, and took it back."""
    there = world("KR", "JP", *parties)
    there.allow("KR>JP", "KR>US", "KR>US>JP")
    roots = there.publish("KR", indicator("a", **more), to=["JP"], obligations=[LAW])
    there.converge()
    there.narrow("KR", A, to="JP")
    there.converge()
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["withdrawn"])
    return there, roots


def timers(there, party: str = "JP") -> duties.Run:
    with there.nodes[party].store(there.now) as store:
        store.lock()
        done = duties.fall_due(store, there.now)
    there.converge()
    return done


def test_what_was_narrowed_and_kept_by_law_is_shown_again_under_a_new_grant(world):
    there, roots = narrowed(world)
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == {A}
    assert there.holders("KR", roots) == {"JP": "received"}
    assert there.converge() == 0


def test_what_was_granted_anew_outlives_the_law_and_who_called_it_back_is_told(world):
    there, roots = narrowed(world, "US")
    there.relay("KR", roots, to="JP")
    there.converge()
    there.now += timedelta(days=10)
    assert timers(there).destroyed == 0
    assert there.sees("JP") == {A}
    assert there.holders("KR", roots) == {"JP": "kept-otherwise"}
    assert timers(there) == duties.Run()
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.states("JP", "a") == []
    assert there.holders("KR", roots) == {"JP": "destroyed"}


def test_another_partys_grant_shows_it_again_as_well(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>US", "KR>US>JP")
    roots = there.publish("KR", indicator("a"), to=["US"])
    there.converge()
    there.relay(
        "US", roots, to="JP", consent=there.consent("KR", roots, via="US", to="JP"), obligations=[LAW]
    )
    there.converge()
    there.narrow("KR", A, to="US")  # and the call is passed on
    there.converge()
    assert there.states("JP", "a") == ["withdrawn"]
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == {A}


def test_what_its_originator_withdrew_is_not_shown_again(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>US", "KR>US>JP")
    roots = there.publish("KR", indicator("a"), to=["JP", "US"], obligations=[LAW])
    word = there.consent("KR", roots, via="US", to="JP")
    there.converge()
    there.withdraw("KR", A)
    there.pull("JP", "KR")
    there.relay("US", roots, to="JP", consent=word)
    page = there.page("JP", "US")
    there.give("JP", "US", page)
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["withdrawn"])


@pytest.mark.parametrize("call", ["withdraw", "narrow"])
def test_what_waits_and_is_kept_by_law_is_not_shown_when_it_waits_no_more(world, call):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.ignorant.add("JP")
    there.publish("KR", indicator("a"), to=["JP"], obligations=[LAW])
    there.converge()
    assert there.states("JP", "a") == ["waiting"]
    there.withdraw("KR", A) if call == "withdraw" else there.narrow("KR", A, to="JP")
    there.converge()
    there.ignorant.clear()
    there.retry("JP")
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["withdrawn"])


def test_a_new_grant_that_waits_shows_it_again_once_it_waits_no_more(world):
    there, roots = narrowed(world)
    there.ignorant.add("JP")
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == set()
    there.ignorant.clear()
    there.retry("JP")
    assert there.sees("JP") == {A}


@pytest.mark.parametrize("waits", [False, True], ids=["ruled on at once", "waits first"])
def test_a_grant_of_less_than_the_law_has_kept_leaves_it_unseen_and_says_so(world, waits):
    there, roots = narrowed(world, description="what the law has kept as well")
    if waits:
        there.ignorant.add("JP")
    there.relay("KR", roots, to="JP", left_out=["description"])
    there.converge()
    if waits:
        there.ignorant.clear()
        there.retry("JP")
        there.converge()
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["withdrawn"])
    assert there.holders("KR", roots) == {"JP": "kept-by-law"}
    there.now += timedelta(days=10)
    assert timers(there).destroyed == 1
    assert there.holders("KR", roots) == {"JP": "destroyed"}


def test_what_may_be_kept_no_longer_stays_unseen_while_the_law_lasts(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"], obligations=[LAW, DELETE])
    there.converge()
    there.now += timedelta(days=4)
    assert timers(there) == duties.Run(kept=1)
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots) == {"JP": "kept-by-law"}
    there.now += timedelta(days=6)
    assert timers(there).destroyed == 1
    assert there.holders("KR", roots) == {"JP": "destroyed"}
