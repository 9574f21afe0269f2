"""Calling back what was shared, through relays too, with the signed word of every holder."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from secretariat.base.errors import DeniedError, NotFoundError, StateError
from secretariat.exchange.peers import Outgoing
from simulator import indicator

A = indicator("a")["id"]


NAMED = ({"do": "name_recipients", "art": "sim/9"},)


def relayed(world, *, consent: bool = True, shown: bool = True):
    """US gave an item to KR, which passed it on to JP with US's consent; recipients are shown or not."""
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    duty = NAMED if shown else ()
    roots = there.publish("US", indicator("a", description="canary"), to=["KR"], obligations=duty)
    word = there.consent("US", roots, via="KR", to="JP") if consent else None
    there.converge()
    there.relay("KR", roots, to="JP", consent=word, obligations=duty)
    there.converge()
    return there, roots


def test_the_originator_withdraws_and_the_holder_destroys_and_says_so(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    called = there.withdraw("KR", A)
    assert (called.asked, called.cannot_answer, called.versions) == (("JP",), (), 1)
    assert there.holders("KR", roots) == {"JP": "asked"}
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    assert there.converge() == 0


def test_the_answer_of_a_holder_whose_clock_was_set_back_meanwhile_counts(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    there.tick(minutes=-10)
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.holders("KR", roots) == {"JP": "received"}
    there.withdraw("KR", A)
    there.converge()
    assert there.holders("KR", roots) == {"JP": "destroyed"}


@pytest.mark.parametrize("act", ["withdraw", "narrow"])
def test_a_receipt_that_crosses_a_call_leaves_the_holder_owing_its_answer(world, act):
    """It says that the object came, and was written before the call was read: nobody else names who owes."""
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.pull("JP", "KR")
    if act == "withdraw":
        there.withdraw("KR", indicator("a")["id"])
    else:
        there.narrow("KR", indicator("a")["id"], to="JP")
    assert there.holders("KR", roots) == {"JP": "asked"}
    there.pull("KR", "JP")  # from here on JP is silent
    assert there.holders("KR", roots) == {"JP": "asked"}
    there.converge()
    assert there.holders("KR", roots) == {"JP": "destroyed"}


def test_a_word_that_crosses_a_call_further_down_leaves_its_relay_owing_the_answer(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=word)
    there.pull("JP", "KR")
    there.withdraw("US", indicator("a")["id"])
    there.pull("KR", "US")
    there.pull("US", "KR")
    owed = there.holders("US", roots)
    assert sorted(owed.values()) == ["asked", "destroyed"]
    there.pull("KR", "JP")
    there.pull("US", "KR")
    assert there.holders("KR", roots) == {"JP": "asked"}
    assert there.holders("US", roots) == owed
    there.converge()
    assert set(there.holders("US", roots).values()) == {"destroyed"}


def test_a_withdrawal_passes_a_relay_and_the_words_of_both_holders_come_back(world):
    there, roots = relayed(world)
    assert there.sees("JP") == {A}
    there.withdraw("US", A)
    there.converge()
    assert there.sees("KR") == there.sees("JP") == set()
    assert there.holders("US", roots) == {"KR": "destroyed", "JP": "destroyed"}
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    assert there.converge() == 0


def test_the_word_of_a_holder_under_a_key_that_it_retired_before_is_not_believed(world):
    there, roots = relayed(world)
    with there.nodes["US"].store(there.now) as store:
        peer = store.peer("JP")
        retired = dict.fromkeys(peer.record_keys, there.now - timedelta(days=1))
        store.save_peer(msgspec.structs.replace(peer, retired=retired))
    there.withdraw("US", A)
    for receiver, sender in (("KR", "US"), ("JP", "KR"), ("KR", "JP"), ("US", "KR")):
        there.pull(receiver, sender)
    assert there.holders("US", roots) == {"KR": "destroyed", "JP": "asked"}


def test_nothing_of_a_destroyed_object_is_left_at_the_holder(world):
    there, roots = relayed(world)
    there.withdraw("US", A)
    there.converge()
    for party in ("KR", "JP"):
        with there.nodes[party].store(there.now) as store:
            assert store.versions(roots) == {}
            assert list(store.history(A)) == []


def test_a_holder_that_must_keep_it_keeps_it_out_of_sight(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    duty = {"who": "JP", "do": "keep_by_law", "by": "2030-12-31", "art": "archives-act/4"}
    roots = there.publish("KR", indicator("a"), to=["JP"], obligations=[duty])
    there.converge()
    there.withdraw("KR", A)
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots) == {"JP": "kept-by-law"}
    assert there.states("JP", "a") == ["withdrawn"]


def test_a_relay_cannot_withdraw_what_it_did_not_originate(world):
    there, _ = relayed(world)
    with pytest.raises(DeniedError, match="only its originator"):
        there.withdraw("KR", A)


def test_a_relay_that_calls_back_without_the_originators_word_is_not_obeyed(world):
    there, roots = relayed(world)
    with there.nodes["KR"].store(there.now) as store:
        store.append([Outgoing("withdraw", "JP", {"to": "JP", "objects": [root.hex() for root in roots]})])
    there.converge()
    assert there.sees("JP") == {A}
    assert there.refusals("JP") == ["not-theirs-to-call-back"]
    assert there.holders("KR", roots)["JP"] == "refused"


def test_what_waits_for_its_originator_is_gone_when_who_brought_it_calls_it_back(world):
    there = world("US", "KR", "JP")
    there.forget("JP", "US")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=word)
    there.converge()
    assert there.states("JP", "a") == ["waiting"]
    there.withdraw("US", A)
    there.converge()
    assert there.states("JP", "a") == []
    assert there.refusals("JP") == []
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    there.enrol("JP", "US")
    there.retry("JP")
    assert there.sees("JP") == set()


def test_a_withdrawn_version_does_not_come_back_by_another_way(world):
    there, roots = relayed(world)
    with there.nodes["KR"].store(there.now) as store:
        kept = dict(store.versions(roots))
    there.withdraw("US", A)
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        store.publish(list(kept.values()), ["JP"])
        there.grants(store, roots, ["JP"])
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots)["JP"] == "refused"


def test_a_grant_that_was_withdrawn_before_it_was_fetched_says_gone(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.withdraw("KR", A)
    assert there.converge() == 0
    assert there.sees("JP") == set()
    assert there.holders("KR", roots)["JP"] == "gone"


def test_narrowing_takes_it_from_one_party_and_leaves_the_other(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>US")
    roots = there.publish("KR", indicator("a"), to=["JP", "US"])
    there.converge()
    there.narrow("KR", A, to="JP")
    there.converge()
    assert (there.sees("JP"), there.sees("US")) == (set(), {A})
    assert there.holders("KR", roots) == {"JP": "destroyed", "US": "received"}
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == {A}


def test_a_party_without_a_node_cannot_answer_and_is_named(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP", "GUEST"])
    called = there.withdraw("KR", A)
    assert (called.asked, called.cannot_answer) == (("JP",), ("GUEST",))
    assert there.holders("KR", roots)["GUEST"] == "cannot-answer"


def test_the_revoked_version_carries_no_more_than_stix_requires(world):
    there, _ = relayed(world)
    there.withdraw("US", A)
    with there.nodes["US"].store(there.now) as store:
        newest = store.history(A)[0]
    assert newest.revoked
    assert b"canary" not in newest.data


@pytest.mark.parametrize(
    ("party", "stix_id", "error", "says"),
    [
        ("KR", "indicator--00000000-0000-4000-8000-000000000000", NotFoundError, "no object"),
        ("JP", A, DeniedError, "only its originator"),
    ],
)
def test_what_cannot_be_withdrawn_says_why(world, party, stix_id, error, says):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    with pytest.raises(error, match=says):
        there.withdraw(party, stix_id)


def test_twice_is_refused(world):
    there = world("KR", "JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.withdraw("KR", A)
    with pytest.raises(StateError, match="was withdrawn"):
        there.withdraw("KR", A)


def two_relays(world):
    """US gave KR and JP one object; JP passed it on to KR as well, then US took both grants back."""
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>JP", "US>JP>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR", "JP"])
    there.converge()
    words = {via: there.consent("US", roots, via=via, to=to) for via, to in (("JP", "KR"), ("KR", "JP"))}
    there.converge()
    there.relay("JP", roots, to="KR", consent=words["JP"])
    there.converge()
    for party in ("KR", "JP"):
        there.narrow("US", indicator("a")["id"], to=party)
    return there, roots, words


def test_who_granted_it_second_takes_it_back_too(world):
    there, _, _ = two_relays(world)
    there.converge()
    assert there.sees("KR") == there.sees("JP") == set()
    assert there.refusals("KR") == []


def test_a_relay_that_narrows_loses_what_came_back_to_it_meanwhile(world):
    there, roots, words = two_relays(world)
    there.pull("KR", "US")
    assert there.sees("KR") == {indicator("a")["id"]}  # JP's grant stands until JP takes it back
    there.relay("KR", roots, to="JP", consent=words["KR"])
    there.converge()
    assert there.sees("KR") == there.sees("JP") == set()
    assert there.refusals("KR") == there.refusals("JP") == []
    assert there.converge() == 0


def test_of_two_relays_that_brought_what_nobody_can_verify_neither_is_accused_of_its_call(world):
    there = world("US", "KR", "CN", "JP")
    there.allow("US>KR", "US>CN", "US>KR>JP", "US>CN>JP")
    there.forget("JP", "US")
    roots = there.publish("US", indicator("a"), to=["KR", "CN"])
    words = {via: there.consent("US", roots, via=via, to="JP") for via in ("KR", "CN")}
    for via, word in words.items():
        there.pull(via, "US")
        there.relay(via, roots, to="JP", consent=word)
        there.pull("JP", via)
    assert there.states("JP", "a") == ["waiting"]
    there.withdraw("US", indicator("a")["id"])
    there.pull("CN", "US")
    there.pull("JP", "CN")
    assert there.states("JP", "a") == []
    there.pull("KR", "US")
    there.pull("JP", "KR")
    assert there.refusals("JP") == []


def test_a_narrowing_leaves_unseen_what_another_grant_may_still_permit(world):
    there = world("KR", "US", "JP", "AU")
    there.allow("KR>US", "KR>US>JP", "KR>JP", "KR>JP>AU")
    roots = there.publish("KR", indicator("a"), to=["US"])
    there.converge()
    there.relay("US", roots, to="JP", consent=there.consent("KR", roots, via="US", to="JP"))
    there.converge()
    there.relay("JP", roots, to="AU", consent=there.consent("KR", roots, via="JP", to="AU"))
    there.converge()
    assert there.sees("JP") == there.sees("AU") == {A}
    there.ignorant.add("JP")  # of the instrument under which KR grants it now
    there.relay("KR", roots, to="JP")
    there.pull("JP", "KR")
    there.narrow("US", A, to="JP")
    there.converge()
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["waiting"])
    assert there.sees("AU") == set()
    assert there.holders("US", roots)["JP"] == "kept-otherwise"
    there.ignorant.clear()
    there.retry("JP")
    there.converge()
    assert there.sees("JP") == {A}
    there.withdraw("KR", A)
    there.converge()
    assert there.states("JP", "a") == []


@pytest.mark.parametrize("at_once", [True, False], ids=["on one page", "page by page"])
def test_what_was_narrowed_and_granted_again_before_anybody_asked_arrives(world, at_once):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.narrow("KR", A, to="JP")
    there.relay("KR", roots, to="JP")
    there.pull("JP", "KR") if at_once else there.converge(max_objects=1)
    assert there.sees("JP") == {A}
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.states("JP", "a") == []


def test_what_is_held_and_granted_twice_more_on_one_page_changes_nothing(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    there.relay("KR", roots, to="JP")
    there.relay("KR", roots, to="JP")
    there.converge()
    assert there.sees("JP") == {A}
    there.narrow("KR", A, to="JP")
    there.converge()
    assert there.states("JP", "a") == []


@pytest.mark.parametrize(
    "stated", [(), ({"who": "JP", "do": "keep_by_law", "art": "act/4", "by": "2030-12-31"},)]
)
def test_a_call_that_names_one_object_twice_is_obeyed_once(world, stated):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"], obligations=stated)
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        body = {"to": "JP", "objects": [roots[0].hex()] * 2, "reason": "ended", "grants": [1]}
        store.append([Outgoing("narrow", "JP", body)])
    there.converge()
    assert there.sees("JP") == set()
    assert there.holders("KR", roots) == {"JP": "kept-by-law" if stated else "destroyed"}


def test_a_grant_that_names_one_object_twice_brings_it_once(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=[])
    there.relay("KR", [*roots, *roots], to="JP")
    there.converge()
    assert there.sees("JP") == {A}
    there.relay("KR", [*roots, *roots], to="JP")
    there.converge()
    assert there.holders("KR", roots) == {"JP": "received"}
