"""Holders further down: by default a relay names none of them upward, and owes their answers itself."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from secretariat.exchange import duties, further
from secretariat.exchange.peers import Outgoing
from secretariat.ledger import dsse, entries
from simulator import indicator

A = indicator("a")["id"]
NAMED = ({"do": "name_recipients", "art": "sim/9"},)


def chain(world, *parties: str, shown: tuple[bool, ...] = ()):
    """The first published an item, and each passed it on to the next with the first one's consent."""
    there = world(*parties)
    first = parties[0]
    duties = [NAMED if one else () for one in shown] or [()] * (len(parties) - 1)
    there.allow(f"{first}>{parties[1]}")
    roots = there.publish(first, indicator("a"), to=[parties[1]], obligations=duties[0])
    there.converge()
    for relay, to, duty in zip(parties[1:], parties[2:], duties[1:], strict=False):
        pass_on(there, first, relay, to, roots, duty)
    return there, roots


def pass_on(there, first, relay, to, roots, duty=()):
    there.allow(f"{first}>{relay}>{to}")
    consent = there.consent(first, roots, via=relay, to=to)
    there.converge()
    there.relay(relay, roots, to=to, consent=consent, obligations=duty)
    there.converge()


def everything(there, party: str) -> str:
    """Everything that a node keeps or signed, as text: its log, what came with pages, its tables."""
    with there.nodes[party].store(there.now) as store:
        memory = vars(store._m)
        log = [dsse.payload_of(one.envelope).decode() for one in store._m.log]
        kept = [dsse.payload_of(one.envelope).decode() for one in store._m.kept_entries.values()]
        kept += [dsse.payload_of(o.envelope).decode() for many in store._m.attachments.values() for o in many]
        tables = [repr(memory[name]) for name in ("holdings", "tombs", "refusals", "dues", "arrivals")]
    return "\n".join([*log, *kept, *tables])


def mentions(text: str, there, party: str) -> list[str]:
    ring = there.nodes[party].keyring
    marks = [f'"{party}"', f"'{party}'", ring.origin, ring.record.key_id, ring.record.public.hex()]
    return [one for one in marks if one in text]


def test_without_a_word_in_the_agreements_a_relay_answers_for_who_is_further_down(world):
    there, roots = chain(world, "US", "KR", "JP")
    there.withdraw("US", A)
    there.pull("KR", "US")
    there.pull("US", "KR")
    (nameless,) = set(there.holders("US", roots)) - {"KR"}
    assert further.is_further(nameless)
    assert further.debtor(nameless) == "KR"
    assert there.holders("US", roots) == {"KR": "destroyed", nameless: "asked"}
    there.converge()
    assert there.holders("US", roots) == {"KR": "destroyed", nameless: "destroyed"}
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    assert there.converge() == 0


@pytest.mark.parametrize("shown", [True, False], ids=["by name", "without a name"])
def test_who_is_silent_further_down_is_late_when_our_own_call_is(world, shown):
    there = world("US", "KR", "JP")
    there.allow("US>KR")
    names = NAMED if shown else ()
    term = {"do": "destroy_or_return", "art": "sim/6", "upon": "request", "within": "PT6H"}
    roots = there.publish("US", indicator("a"), to=["KR"], obligations=(*names, term))
    there.converge()
    longer = {**term, "art": "other/1", "within": "P30D"}
    pass_on(there, "US", "KR", "JP", roots, (*names, longer))
    by = there.now + timedelta(hours=6)
    assert there.withdraw("US", A).due == (("KR", by, "sim/6"),)
    there.now += timedelta(hours=1)
    there.pull("KR", "US")
    there.pull("US", "KR")
    with there.nodes["US"].store(there.now) as store:
        (word,) = [one for one in store.holdings(roots) if one.state == "asked"]
    assert (word.holder == "JP") is shown
    assert (word.due, word.article) == (by, "sim/6")
    there.converge()
    with there.nodes["US"].store(there.now) as store:
        assert [(one.state, one.due) for one in store.holdings(roots)] == [("destroyed", None)] * 2


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        ((True, True), True),
        ((True, False), False),
        ((False, True), False),
        ((False, False), False),
    ],
)
def test_a_name_travels_only_where_both_legs_show_recipients(memory_world, shown, named):
    there, roots = chain(memory_world, "US", "KR", "JP", shown=shown)
    there.withdraw("US", A)
    there.converge()
    found = there.holders("US", roots)
    assert len(found) == 2
    assert set(found.values()) == {"destroyed"}
    assert ("JP" in found) is named


def test_a_name_travels_two_relays_only_where_every_leg_shows_recipients(world):
    there, roots = chain(world, "US", "KR", "JP", "AU", shown=(True, True, True))
    there.withdraw("US", A)
    there.converge()
    assert there.holders("US", roots) == {"KR": "destroyed", "JP": "destroyed", "AU": "destroyed"}


def test_below_a_shown_relay_who_is_not_shown_has_no_name_anywhere(memory_world):
    there, roots = chain(memory_world, "US", "KR", "JP", "AU", shown=(True, True, False))
    there.withdraw("US", A)
    there.converge()
    found = there.holders("US", roots)
    assert set(found.values()) == {"destroyed"}
    (nameless,) = set(found) - {"KR", "JP"}
    assert further.debtor(nameless) == "KR"
    assert "AU" not in there.holders("KR", roots)


def test_a_duty_that_names_no_article_hides(memory_world):
    there = memory_world("US", "KR", "JP")
    there.allow("US>KR")
    bare = ({"do": "name_recipients"},)
    roots = there.publish("US", indicator("a"), to=["KR"], obligations=bare)
    there.converge()
    pass_on(there, "US", "KR", "JP", roots, NAMED)
    there.withdraw("US", A)
    there.converge()
    assert "JP" not in there.holders("US", roots)


def test_two_grants_of_which_one_is_silent_hide(memory_world):
    there = memory_world("US", "KR", "JP")
    there.allow("US>KR")
    roots = there.publish("US", indicator("a"), to=["KR"], obligations=NAMED)
    there.converge()
    with there.nodes["US"].store(there.now) as store:
        store.lock()
        there.grants(store, roots, ["KR"])
    pass_on(there, "US", "KR", "JP", roots, NAMED)
    there.withdraw("US", A)
    there.converge()
    assert "JP" not in there.holders("US", roots)


def test_nothing_of_who_is_two_steps_away_is_in_a_node(memory_world):
    there, _ = chain(memory_world, "US", "KR", "JP", "AU")
    there.withdraw("US", A)
    there.converge()
    # US consented to each reader by name; the relays know their neighbours and the originator
    assert mentions(everything(there, "KR"), there, "AU") == []
    assert mentions(everything(there, "AU"), there, "KR") == []


def test_an_originators_word_names_nobody_whom_it_was_granted_to(memory_world):
    there, _ = chain(memory_world, "US", "KR", "JP")
    there.withdraw("US", A)
    with there.nodes["US"].store(there.now) as store:
        words = [
            entries.read(dsse.payload_of(one.envelope))
            for one in map(store.entry, range(store.head().size))
            if one.kind == "withdraw"
        ]
    assert [one.recipient for one in words] == [None, "KR"]
    assert "KR" not in json.dumps(words[0].body)
    assert words[1].body["passed_on"] == {
        "origin": there.nodes["US"].keyring.origin,
        "position": words_at(there),
    }


def words_at(there) -> int:
    with there.nodes["US"].store(there.now) as store:
        return next(n for n in range(store.head().size) if store.entry(n).kind == "withdraw")


def test_two_that_compare_their_pseudonyms_find_none_alike(memory_world):
    there = memory_world("US", "KR", "JP", "AU")
    there.allow("US>KR", "US>JP")
    roots = there.publish("US", indicator("a"), to=["KR", "JP"])
    there.converge()
    pass_on(there, "US", "KR", "AU", roots)
    there.allow("US>JP>KR", "US>KR>JP")
    for relay, to in (("KR", "JP"), ("JP", "KR")):
        pass_on(there, "US", relay, to, roots)
    there.withdraw("US", A)
    there.converge()
    names = {
        party: {one.partition("/")[2] for one in there.holders(party, roots) if further.is_further(one)}
        for party in ("US", "JP", "KR")
    }
    assert names["US"]
    assert not names["US"] & names["JP"]
    assert not names["US"] & names["KR"]
    assert there.converge() == 0


def test_relays_that_hold_each_others_grants_in_a_ring_fall_silent(memory_world):
    there = memory_world("US", "KR", "JP", "AU", "CN")
    there.allow("US>KR")
    roots = there.publish("US", indicator("a"), to=["KR"])
    there.converge()
    for relay, to in (("KR", "JP"), ("JP", "AU"), ("AU", "KR"), ("AU", "CN"), ("JP", "KR"), ("KR", "AU")):
        pass_on(there, "US", relay, to, roots)
    assert there.converge() == 0
    there.withdraw("US", A)
    there.converge()
    assert "asked" not in there.holders("US", roots).values()
    assert all(there.sees(one) == set() for one in ("KR", "JP", "AU", "CN"))
    assert there.converge() == 0


def test_a_party_further_down_that_has_no_node_is_listed_without_its_name(world):
    there, roots = chain(world, "US", "KR")
    there.relay("KR", roots, to="GUEST")
    there.withdraw("US", A)
    there.converge()
    (nameless,) = set(there.holders("US", roots)) - {"KR"}
    assert there.holders("US", roots)[nameless] == "cannot-answer"
    assert further.debtor(nameless) == "KR"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"further": "JP", "state": "destroyed", "since": "2026-11-22T02:09:36.000000Z"}, "pseudonym"),
        ({"further": "further-" + "a" * 16, "state": "gladly"}, "cannot be"),
        ({"further": "further-" + "a" * 16, "state": "asked", "since": "soon"}, "line about"),
        ({"further": "further-" + "a" * 16, "state": "asked", "since": 7, "objects": "x"}, "line about"),
    ],
)
def test_a_line_that_makes_no_sense_is_recorded_and_notes_nothing(memory_world, line, why):
    there, roots = chain(memory_world, "US", "KR")
    lying(there, roots, [line])
    assert there.refusals("US") == ["bad-entry"]
    with there.nodes["US"].store(there.now) as store:
        assert why in store.refused()[0].what
    assert there.holders("US", roots) == {"KR": "received"}


def test_a_line_cannot_take_the_place_of_a_party_or_of_another_relays_line(memory_world):
    there, roots = chain(memory_world, "US", "KR")
    lying(there, roots, [{"party": "JP/further-" + "a" * 16, "state": "asked"}])
    assert there.holders("US", roots) == {"KR": "received"}


def test_a_relay_that_speaks_of_ever_more_holders_is_not_listened_to_for_ever(world):
    there, roots = chain(world, "US", "KR")
    for part in range(2):
        lying(there, roots, [nameless(part * 900 + number) for number in range(900)])
    assert len(there.holders("US", roots)) == 1001
    assert there.refusals("US") == ["bad-entry"]


def nameless(number: int) -> dict[str, str]:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    name = "".join(letters[number >> shift & 31] for shift in (0, 5, 10)) + "a" * 13
    return {"further": f"further-{name}", "state": "asked", "since": "2026-11-22T02:09:36.000000Z"}


def lying(there, roots, lines) -> None:
    """KR tells US of holders further down of a grant."""
    with there.nodes["US"].store(there.now) as store:
        (grant,) = [n for n in range(store.head().size) if store.entry(n).kind == "grant"]
    body = entries.Receipt(
        to="US",
        about=entries.EntryRef(there.nodes["US"].keyring.origin, grant),
        state="passed-on",
        objects=[root.hex() for root in roots],
        count=len(roots),
        downstream=lines,
    )
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        store.append([Outgoing("receipt", "US", body)])
    there.pull("US", "KR")


@pytest.fixture
def memory_world():
    """Give a maker of worlds in memory: what follows from entries alone needs no database."""
    from functools import partial

    from simulator import World, memory_node

    return partial(World, make=memory_node)


def test_what_a_law_keeps_further_down_is_told_again_when_it_is_destroyed(memory_world):
    there = memory_world("US", "KR", "JP")
    there.allow("US>KR")
    roots = there.publish("US", indicator("a"), to=["KR"])
    there.converge()
    keep = ({"who": "JP", "do": "keep_by_law", "by": "2026-11-25", "art": "archives-act/4"},)
    pass_on(there, "US", "KR", "JP", roots, keep)
    there.withdraw("US", A)
    there.converge()
    (nameless,) = set(there.holders("US", roots)) - {"KR"}
    assert there.holders("US", roots)[nameless] == "kept-by-law"
    assert "archives-act" not in everything(there, "US")
    there.tick(days=5)
    with there.nodes["JP"].store(there.now) as store:
        assert duties.fall_due(store, there.now).destroyed == 1
    there.converge()
    assert there.holders("US", roots) == {"KR": "destroyed", nameless: "destroyed"}
    assert there.converge() == 0
