"""Duties that fall due, over each store: done once and said, never against a duty to keep.

The deadlines of calls come from the duties that grants state `upon` a request.
"""

from __future__ import annotations

import datetime as dt
import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secretariat.base.clock import end_of_day
from secretariat.exchange import duties, withdrawal
from secretariat.exchange.model import DESTROY_DUTIES, KEEP_DUTIES, Due
from secretariat.ledger import dsse, entries
from simulator import START, World, indicator, memory_node

A = indicator("a")["id"]


def duty(do: str, by: dt.date | None = None, art: str = "syn-mou/5", **more: str) -> dict[str, str]:
    """Give an obligation of JP as grants state it."""
    return {"who": "JP", "do": do, "art": art, **({"by": by.isoformat()} if by else {}), **more}


def run(there, party: str = "JP") -> duties.Run:
    """Run the timers of a party now, and let the words of it travel."""
    with there.nodes[party].store(there.now) as store:
        store.lock()
        done = duties.fall_due(store, there.now)
    there.converge()
    return done


def given_to_jp(world, *obligations: dict[str, str]):
    """Give a world in which KR granted JP one object under these obligations."""
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"], obligations=list(obligations))
    there.converge()
    return there, roots


def said(there, holder: str = "JP") -> tuple[str, str | None]:
    with there.nodes["KR"].store(there.now) as store:
        (root,) = [one.root for one in store.history(A) if not one.revoked]
        (word,) = [one for one in store.holdings([root]) if one.holder == holder]
    return word.state, word.note


def log_of(there, party: str, kind: str) -> list[dict]:
    """Give the bodies of a party's own entries of one kind."""
    with there.nodes[party].store(there.now) as store:
        found = itertools.takewhile(lambda one: one is not None, map(store.entry, itertools.count()))
        return [entries.read(dsse.payload_of(one.envelope)).body for one in found if one.kind == kind]


def test_what_may_be_kept_no_longer_is_destroyed_at_the_end_of_its_day_and_said(world):
    there, _ = given_to_jp(world, duty("delete", START.date() + timedelta(days=3)))
    assert run(there) == duties.Run()
    there.now += timedelta(days=4)
    assert run(there) == duties.Run(destroyed=1)
    assert there.sees("JP") == set()
    assert said(there) == ("destroyed", "delete syn-mou/5")
    (body,) = log_of(there, "JP", "destroy")
    assert body["reason"] == "delete syn-mou/5"


def test_a_clock_set_back_does_nothing_twice(world):
    there, _ = given_to_jp(world, duty("delete", START.date() + timedelta(days=3)))
    there.now += timedelta(days=4)
    run(there)
    there.now -= timedelta(days=3)
    assert run(there) == duties.Run()
    there.now += timedelta(days=30)
    assert run(there) == duties.Run()
    assert len(log_of(there, "JP", "destroy")) == 1


def test_a_duty_to_keep_hides_it_first_and_has_it_destroyed_when_it_ends(world):
    day = START.date()
    there, _ = given_to_jp(
        world,
        duty("delete", day + timedelta(days=3)),
        duty("keep_by_law", day + timedelta(days=10), art="archives-act/4"),
    )
    there.now += timedelta(days=4)
    assert run(there) == duties.Run(kept=1)
    assert (there.sees("JP"), there.states("JP", "a")) == (set(), ["withdrawn"])
    assert said(there) == ("kept-by-law", "archives-act/4")
    assert run(there) == duties.Run()
    there.now += timedelta(days=7)
    assert run(there).destroyed == 1
    assert said(there) == ("destroyed", "delete syn-mou/5")


def test_what_was_called_back_under_a_duty_to_keep_goes_when_the_duty_ends(world):
    there, roots = given_to_jp(
        world, duty("keep_by_law", START.date() + timedelta(days=10), art="archives-act/4")
    )
    there.withdraw("KR", A)
    there.converge()
    assert there.holders("KR", roots) == {"JP": "kept-by-law"}
    assert run(there) == duties.Run()
    there.now += timedelta(days=11)
    assert run(there).destroyed == 1
    assert there.holders("KR", roots) == {"JP": "destroyed"}
    assert there.states("JP", "a") == []


def test_what_a_duty_to_keep_held_and_nobody_called_back_stays(world):
    there, _ = given_to_jp(world, duty("keep_by_law", START.date() + timedelta(days=2), art="act/4"))
    there.now += timedelta(days=3)
    assert run(there).destroyed == 0
    assert there.sees("JP") == {A}
    assert run(there) == duties.Run()


@pytest.mark.parametrize(
    ("stated", "term", "article"),
    [
        ([duty("destroy_or_return", within="P14D", upon="request")], 14, "syn-mou/5"),
        ([duty("destroy_or_return", within="PT6H", upon="request")], timedelta(hours=6), "syn-mou/5"),
        (
            [
                duty("destroy_or_return", within="P14D", upon="request"),
                duty("destroy_or_return", within="P2D", upon="request", art="syn-nda/2"),
            ],
            2,
            "syn-nda/2",
        ),
    ],
    ids=["days", "hours", "the shortest of two"],
)
def test_a_call_says_by_when_it_is_to_be_answered_and_under_which_article(world, stated, term, article):
    there, roots = given_to_jp(world, *stated)
    by = (
        there.now + term
        if isinstance(term, timedelta)
        else end_of_day(there.now.date() + timedelta(days=term))
    )
    assert there.withdraw("KR", A).due == (("JP", by, article),)
    (body,) = [one for one in log_of(there, "KR", "withdraw") if "to" in one]
    assert (withdrawal.end_of(body["by"]), body["article"]) == (by, article)
    with there.nodes["KR"].store(there.now) as store:
        (word,) = store.holdings(roots)
    assert (word.state, word.due, word.article) == ("asked", by, article)


@pytest.mark.parametrize(
    "stated",
    [
        [],
        [duty("destroy_or_return", within="P30D")],
        [duty("destroy_or_return", within="whenever", upon="request")],
        [duty("destroy_or_return", upon="request")],
    ],
    ids=["no duty", "a term that does not run from a call", "a term that cannot be read", "no term"],
)
def test_without_a_term_in_an_article_a_call_states_none(world, stated):
    there, _ = given_to_jp(world, *stated)
    assert there.withdraw("KR", A).due == ()
    (body,) = [one for one in log_of(there, "KR", "withdraw") if "to" in one]
    assert "by" not in body


EDGES = {
    "the day is another east of the day line": (
        "2026-11-22T10:30:00",
        "Pacific/Kiritimati",
        "2026-11-24T10:00:00",
    ),
    "and west of it": ("2026-11-22T10:30:00", "Pacific/Pago_Pago", "2026-11-23T11:00:00"),
    "an hour is lost on the last day": ("2026-03-28T12:00:00", "Europe/Berlin", "2026-03-29T22:00:00"),
    "an hour is won on the last day": ("2026-10-24T12:00:00", "Europe/Berlin", "2026-10-25T23:00:00"),
    "midnight itself is left out of the day": (
        "2026-09-05T12:00:00",
        "America/Santiago",
        "2026-09-07T03:00:00",
    ),
    "no zone is UTC": ("2026-11-22T23:59:59", None, "2026-11-24T00:00:00"),
}


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_days_end_in_the_zone_that_the_instrument_names(edge):
    called, zone, after = edge
    moment, end = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in (called, after))
    stated = duty(
        "destroy_or_return", within="P1D", upon="request", **({} if zone is None else {"zone": zone})
    )
    assert duties.term_of([stated], moment).by == end - timedelta(microseconds=1)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "x" * 5000, "", 7, []])
def test_a_zone_that_is_none_makes_no_term(zone):
    stated = {**duty("destroy_or_return", within="P1D", upon="request"), "zone": zone}
    assert duties.term_of([stated], START) is None


def test_what_may_be_kept_to_the_end_of_a_day_is_kept_to_its_end_in_that_zone(world):
    day = START.date() + timedelta(days=3)
    there, _ = given_to_jp(world, duty("delete", day, zone="Pacific/Pago_Pago"))
    there.now = end_of_day(day) + timedelta(hours=1)
    assert run(there) == duties.Run()
    there.now = end_of_day(day, "Pacific/Pago_Pago") + timedelta(seconds=1)
    assert run(there) == duties.Run(destroyed=1)


_DAYS = st.integers(min_value=0, max_value=40)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ends=st.lists(st.tuples(st.sampled_from(sorted(DESTROY_DUTIES)), _DAYS), max_size=3),
    keeps=st.lists(_DAYS, max_size=2),
    jumps=st.lists(st.integers(min_value=-20, max_value=30), min_size=1, max_size=8),
)
def test_nothing_under_a_duty_to_keep_is_destroyed_and_nothing_past_its_end_is_shown(ends, keeps, jumps):
    day = START.date()
    stated = [duty(do, day + timedelta(days=n), art=f"syn/{place}") for place, (do, n) in enumerate(ends)] + [
        duty("keep_by_law", day + timedelta(days=n), art=f"law/{place}") for place, n in enumerate(keeps)
    ]
    there, roots = given_to_jp(lambda *parties: World(*parties, make=memory_node), *stated)
    there_since = latest = there.now
    for jump in jumps:
        there.now = max(there_since, there.now + timedelta(days=jump))
        before = there.states("JP", "a")
        run(there)
        latest = max(latest, there.now)
        is_past = any(withdrawal.end_of((day + timedelta(days=n)).isoformat()) <= there.now for _, n in ends)
        kept = any(withdrawal.end_of((day + timedelta(days=n)).isoformat()) > latest for n in keeps)
        if is_past:
            assert there.sees("JP") == set()
        if kept:
            assert there.states("JP", "a") != []
        if is_past and not kept:
            assert there.states("JP", "a") == []
        if not before:
            assert there.states("JP", "a") == []
    assert len(log_of(there, "JP", "destroy")) <= 1
    with there.nodes["JP"].store(there.now) as store:
        if not store.versions(roots):
            assert [one for root in roots for one in store.obligations(root)] == []


def test_a_duty_of_no_known_kind_stays_open(world):
    there, roots = given_to_jp(world)
    with there.nodes["JP"].store(there.now) as store:
        store.owe([Due(root=roots[0], duty="report_loss", article="m/7", owed_to="KR", at=there.now)])
    there.now += timedelta(days=1)
    assert run(there) == duties.Run()
    with there.nodes["JP"].store(there.now) as store:
        assert [one.duty for one in store.obligations(roots[0])] == ["report_loss"]
    assert "report_loss" not in KEEP_DUTIES


def passed_on(world, *obligations: dict[str, str]):
    """KR granted JP one object under these obligations, and JP passed it on to US with KR's consent."""
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>JP>US")
    roots = there.publish("KR", indicator("a"), to=["JP"], obligations=list(obligations))
    word = there.consent("KR", roots, via="JP", to="US")
    there.converge()
    there.relay("JP", roots, to="US", consent=word)
    return there, roots


DELETE = duty("delete", START.date() + timedelta(days=3))
KEEP = duty("keep_by_law", START.date() + timedelta(days=9), art="archives-act/4")


@pytest.mark.parametrize("call", ["withdraw", "narrow"])
@pytest.mark.parametrize("stated", [[DELETE], [DELETE, KEEP]], ids=["destroyed", "kept by law"])
@pytest.mark.parametrize("heard", [True, False], ids=["its receipt came", "its receipt is on its way"])
def test_a_relay_passes_a_call_on_though_it_had_to_give_up_its_own_copy(world, call, stated, heard):
    there, _ = passed_on(world, *stated)
    there.converge() if heard else there.pull("US", "JP")
    assert there.sees("US") == {A}
    there.now += timedelta(days=4)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        duties.fall_due(store, there.now)
    if call == "withdraw":
        there.withdraw("KR", A)
    else:
        there.narrow("KR", A, to="JP")
    there.pull("JP", "KR")
    there.converge()
    assert there.sees("JP") == there.sees("US") == set()
    assert there.converge() == 0
