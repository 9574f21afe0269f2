"""Two and more nodes in step: complete, once, resumable, and silent when all is said."""

from __future__ import annotations

import msgspec
import pytest

from secretariat.exchange.take import OutOfStepError
from simulator import indicator


def ids(*names: str) -> set[str]:
    return {indicator(name)["id"] for name in names}


def test_a_report_arrives_once_is_answered_and_then_nothing_moves(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), indicator("b"), to=["JP"])
    assert there.converge() == 2
    assert there.sees("JP") == ids("a", "b")
    assert there.holders("KR", roots) == {"JP": "received"}
    assert there.converge() == 0


def test_one_partner_never_sees_what_was_granted_to_another(world):
    there = world("KR", "JP", "CN")
    there.allow("KR>JP")
    there.publish("KR", indicator("annex"), to=["JP"])
    there.converge()
    assert there.sees("CN") == set()
    assert there.page("CN", "KR").entries == ()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_large_grant_comes_in_pages_of_any_size_and_is_complete(world, size):
    there = world("KR", "JP")
    there.allow("KR>JP")
    names = [f"i{number}" for number in range(7)]
    there.publish("KR", *map(indicator, names), to=["JP"])
    assert there.converge(max_objects=size) == 7
    assert there.sees("JP") == ids(*names)


def test_pages_end_after_so_many_bytes_and_always_make_progress(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", *(indicator(f"i{number}", description="x" * 5000) for number in range(4)), to=["JP"])
    first = there.page("JP", "KR", max_bytes=1)
    assert (first.count.objects, first.more, str(first.next)) == (1, True, f"{first.entries[0].position}.1")
    assert there.converge(max_bytes=9000) == 4


def test_the_same_page_again_changes_nothing(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    page = there.page("JP", "KR")
    there.give("JP", "KR", page)
    with pytest.raises(OutOfStepError):
        there.give("JP", "KR", page)
    assert there.converge() == 0
    assert there.sees("JP") == ids("a")


def test_a_receiver_that_fails_in_the_middle_goes_on_where_it_stood(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", *(indicator(f"i{number}") for number in range(5)), to=["JP"])
    there.pull("JP", "KR", max_objects=2)
    page = there.page("JP", "KR", max_objects=2)
    with pytest.raises(RuntimeError), there.nodes["JP"].store(there.now) as store:
        store.lock()
        store.advance("KR", page.next)
        raise RuntimeError("killed")
    assert there.converge(max_objects=2) == 3
    assert len(there.sees("JP")) == 5


def test_granting_the_same_version_again_moves_it_but_changes_nothing(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == ids("a")
    assert there.converge() == 0


def test_in_a_ring_nothing_runs_in_circles(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>JP>US", "KR>US>KR")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    consent = there.consent("KR", roots, via="JP", to="US")
    there.converge()
    there.relay("JP", roots, to="US", consent=consent)
    there.converge()
    there.relay("US", roots, to="KR", consent=consent)
    there.converge()
    assert there.sees("US") == ids("a")
    assert there.sees("KR") == set()
    assert there.holders("US", roots)["KR"] == "own"
    assert there.converge() == 0


def test_a_relay_needs_the_originators_signed_consent(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("orcon"), to=["KR"])
    there.converge()
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == set()
    assert there.refusals("JP") == ["grant-differs"]
    assert there.holders("KR", roots)["JP"] == "quarantined"


def test_consent_of_the_originator_travels_with_the_relayed_grant(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("orcon"), to=["KR"])
    consent = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=consent)
    there.converge()
    assert there.sees("JP") == ids("orcon")
    held = there.holders("US", roots)
    assert set(held.values()) == {"received"}
    assert [one.partition("/further-")[0] for one in sorted(held)] == ["KR", "KR"], "no agreement shows JP"
    assert there.converge() == 0


def test_an_object_under_an_unknown_instrument_waits_and_comes_in_when_it_is_known(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.ignorant.add("JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots) == {"JP": "waiting"}
    there.ignorant.clear()
    there.retry("JP")
    assert there.sees("JP") == ids("a")
    there.converge()
    assert there.holders("KR", roots) == {"JP": "received"}
    assert there.converge() == 0


def test_what_an_unenrolled_originator_signed_waits_for_its_enrolment(world):
    there = world("US", "KR", "JP")
    there.forget("JP", "US")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    consent = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=consent)
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots)["JP"] == "waiting"
    there.enrol("JP", "US")
    there.retry("JP")
    assert there.sees("JP") == ids("a")


def test_two_contents_under_one_version_are_both_shown_and_the_second_is_disputed(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    (rival,) = there.publish_rival("KR", indicator("a", description="another story"), to=["JP"])
    there.converge()
    assert there.states("JP", "a") == ["disputed", "kept"]
    assert there.holders("KR", [rival]) == {"JP": "disputed"}
    assert there.converge() == 0


def test_a_page_says_how_much_it_carries(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    page = there.page("JP", "KR")
    assert msgspec.to_builtins(page.count) == {"entries": 1, "objects": 1, "gone": 0}
    assert len(page.hash) == 64
    there.narrow("KR", indicator("a")["id"], to="JP")
    page = there.page("JP", "KR")
    assert page.count.gone == 1
    assert page.entries[0].objects[0].gone == "not-granted"
