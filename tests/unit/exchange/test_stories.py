"""Stories of nodes in step: what arrives, what comes back, what stops. Over the store in memory."""

from __future__ import annotations

from simulator import World, indicator


def test_a_report_arrives_once_is_answered_and_then_nothing_moves():
    world = World("KR", "JP")
    world.allow("KR>JP")
    roots = world.publish("KR", indicator("a"), indicator("b"), to=["JP"])
    assert world.converge() == 2
    assert world.sees("JP") == {indicator("a")["id"], indicator("b")["id"]}
    assert world.holders("KR", roots) == {"JP": "received"}
    assert world.converge() == 0


def test_the_originator_withdraws_through_a_relay_and_gets_the_word_of_both_holders():
    world = World("US", "KR", "JP")
    world.allow("US>KR", "US>KR>JP")
    roots = world.publish("US", indicator("orcon"), to=["KR"])
    consent = world.consent("US", roots, via="KR", to="JP")
    world.converge()
    world.relay("KR", roots, to="JP", consent=consent)
    world.converge()
    assert world.sees("JP") == {indicator("orcon")["id"]}
    assert world.holders("US", roots) == {"KR": "received", "JP": "received"}
    called = world.withdraw("US", indicator("orcon")["id"])
    assert called.asked == ("KR",)
    world.converge()
    assert world.sees("JP") == world.sees("KR") == set()
    assert world.holders("US", roots) == {"KR": "destroyed", "JP": "destroyed"}
    assert world.converge() == 0
