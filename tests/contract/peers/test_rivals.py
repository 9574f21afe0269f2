"""A second content that an originator signed under one id and version, over each store.

It is called back, kept by law, ruled on and disowned like the first.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from secretariat.exchange import duties
from simulator import START, World, indicator

from .test_duties import duty, log_of, run
from .test_revoked import renew, revoke

A = indicator("a")["id"]
OTHER = indicator("a", description="another story")


def rivals(world, *obligations: dict[str, str]) -> tuple[World, bytes]:
    """Give a world in which JP holds two contents of one version of KR, and the root of the second."""
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    (rival,) = there.publish_rival("KR", OTHER, to=["JP"], obligations=obligations)
    there.converge()
    return there, rival


def shown(there: World, party: str, root: bytes) -> bool:
    with there.nodes[party].store(there.now) as store:
        return root in {one.root for one in store.shown()}


def held(there: World, party: str, root: bytes) -> str | None:
    with there.nodes[party].store(there.now) as store:
        found = store.versions([root]).get(root)
        return None if found is None else found.state


KEEP = duty("keep_by_law", START.date() + timedelta(days=10), art="archives-act/4")


def test_a_second_content_that_must_be_kept_when_it_is_called_back_is_kept_out_of_sight(world):
    there, rival = rivals(world, KEEP)
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.holders("KR", [rival]) == {"JP": "kept-by-law"}
    assert not shown(there, "JP", rival)
    assert (held(there, "JP", rival), there.states("JP", "a")) == ("withdrawn", ["kept"])
    assert run(there) == duties.Run()
    there.now += timedelta(days=11)
    assert run(there).destroyed == 1
    assert there.holders("KR", [rival]) == {"JP": "destroyed"}
    assert held(there, "JP", rival) is None


def test_a_second_content_past_its_end_that_must_be_kept_is_hidden_and_said_once(world):
    there, rival = rivals(world, duty("delete", START.date() + timedelta(days=3)), KEEP)
    there.now += timedelta(days=4)
    assert run(there) == duties.Run(kept=1)
    assert not shown(there, "JP", rival)
    said = len(log_of(there, "JP", "receipt"))
    assert run(there) == duties.Run()
    assert len(log_of(there, "JP", "receipt")) == said
    there.now += timedelta(days=7)
    assert run(there).destroyed == 1
    assert there.holders("KR", [rival]) == {"JP": "destroyed"}


def relayed(world) -> tuple[World, bytes]:
    """Give a world in which JP has the first content from US, and KR, which has the second, may relay it."""
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>JP")
    there.publish("US", indicator("a"), to=["JP"])
    there.converge()
    (rival,) = there.publish_rival("US", OTHER, to=["KR"])
    there.converge()
    return there, rival


def test_a_second_content_under_a_grant_that_differs_is_shown_to_nobody(world):
    there, rival = relayed(world)
    there.relay("KR", [rival], to="JP")
    there.converge()
    assert there.refusals("JP") == ["grant-differs"]
    assert there.holders("KR", [rival])["JP"] == "quarantined"
    assert not shown(there, "JP", rival)
    assert held(there, "JP", rival) == "quarantined"
    there.allow("US>KR>JP")
    word = there.consent("US", [rival], via="KR", to="JP")
    there.converge()
    there.relay("KR", [rival], to="JP", consent=word)
    there.converge()
    assert there.states("JP", "a") == ["disputed", "kept"]
    assert there.holders("KR", [rival])["JP"] == "disputed"


def test_a_second_content_that_waits_is_shown_as_disputed_when_it_can_be_ruled_on(world):
    there, rival = relayed(world)
    there.allow("US>KR>JP")
    word = there.consent("US", [rival], via="KR", to="JP")
    there.ignorant.add("JP")
    there.converge()
    there.relay("KR", [rival], to="JP", consent=word)
    there.converge()
    assert there.holders("KR", [rival])["JP"] == "waiting"
    assert not shown(there, "JP", rival)
    there.ignorant.clear()
    there.retry("JP")
    there.converge()
    assert there.states("JP", "a") == ["disputed", "kept"]
    assert there.holders("KR", [rival])["JP"] == "disputed"


def test_a_second_content_that_a_thief_signed_goes_to_quarantine(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    there.tick(hours=1)
    stolen = there.now
    there.tick(hours=1)
    (rival,) = there.publish_rival("KR", OTHER, to=["JP"])
    there.converge()
    assert shown(there, "JP", rival)
    assert revoke(there, "KR", at="JP", since=stolen) == 1
    assert not shown(there, "JP", rival)
    assert there.states("JP", "a") == ["kept"]
    renew(there, "KR", at="JP")
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        there.grants(store, [rival], ["JP"])
    there.tick()
    there.converge()
    assert there.states("JP", "a") == ["disputed", "kept"]


def test_of_two_grants_of_a_second_content_one_may_be_taken_back(world):
    there, rival = relayed(world)
    there.allow("US>KR>JP")
    word = there.consent("US", [rival], via="KR", to="JP")
    there.converge()
    there.relay("KR", [rival], to="JP", consent=word)
    with there.nodes["US"].store(there.now) as store:
        store.lock()
        version = store.versions([rival])[rival]
        store.publish([version], ["JP"])
        there.grants(store, [rival], ["JP"])
    there.converge()
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.holders("KR", [rival])["JP"] == "kept-otherwise"
    assert there.states("JP", "a") == ["disputed", "kept"]


@pytest.mark.parametrize("first", ["US", "KR"])
def test_a_second_content_that_waits_may_come_by_another_grant_that_is_permitted(world, first):
    there, rival = relayed(world)
    there.allow("US>KR>JP")
    word = there.consent("US", [rival], via="KR", to="JP")
    there.ways.discard(("US", first, "JP"))
    there.converge()

    def grant(sender: str) -> None:
        if sender == "KR":
            there.relay("KR", [rival], to="JP", consent=word)
        else:
            with there.nodes["US"].store(there.now) as store:
                store.lock()
                store.publish([store.versions([rival])[rival]], ["JP"])
                there.grants(store, [rival], ["JP"])
        there.converge()

    grant(first)
    assert held(there, "JP", rival) == "quarantined"
    grant("KR" if first == "US" else "US")
    assert there.states("JP", "a") == ["disputed", "kept"]


@pytest.mark.parametrize("first", ["CN", "JP"])
def test_who_is_told_of_other_content_by_somebody_else_is_not_said_to_have_signed_it(world, first):
    there = world("KR", "CN", "JP")
    there.allow("KR>JP", "CN>JP")
    there.publish(first, OTHER, to=["JP"] if first == "CN" else [])
    there.converge()
    (root,) = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        (word,) = store.holdings([root])
    assert word.state == "disputed"
    assert word.note == "other content is known here under this id and version"


def test_a_part_and_the_whole_of_one_version_on_one_page_do_not_contradict_each_other(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a", description="in full"), to=["KR"])
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=word, left_out=["description"])
    there.relay("KR", roots, to="JP", consent=word)
    there.converge()
    assert there.states("JP", "a") == ["kept"]
    assert there.holders("KR", roots)["JP"] == "received"
    with there.nodes["JP"].store(there.now) as store:
        assert b"in full" in store.versions(roots)[roots[0]].data
