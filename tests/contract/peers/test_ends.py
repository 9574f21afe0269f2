"""The end of an instrument, recorded after the grant: what was given under it falls due on the agreed day."""

from __future__ import annotations

import runpy
from datetime import timedelta
from pathlib import Path

from secretariat.base.clock import end_of_day
from secretariat.exchange import due_service, service
from secretariat.exchange.postgres import transaction

_HERE = Path(__file__).parent
fetching = runpy.run_path(str(_HERE / "test_fetching.py"))
Fetching, indicator, AMBER = fetching["Fetching"], fetching["indicator"], fetching["AMBER"]

TERMS = """
instruments:
- id: syn-kr-jp-terms
  synthetic: true
  title: Invented terms between KR and JP
  kind: mou
  binding: true
  parties: [JP, KR]
  in_force: 2020-01-01{ends}
  articles:
    - {{art: "3", rule: AUDIENCE, max_tlp: AMBER}}
    - {{art: "9", rule: RETURN_OR_DESTROY, trigger: termination, within_days: 30}}
"""


def record(world, day=None) -> None:
    ends = "" if day is None else f"\n  ends: {day.isoformat()}"
    for party in ("KR", "JP"):
        world.record(party, TERMS.format(ends=ends))
    world.converge()


def due_at(world, root):
    with transaction(world.nodes["JP"], "live", world.now) as store:
        return [one.at for one in store.obligations(root) if one.duty == "destroy_or_return"]


def test_what_was_given_under_an_instrument_is_destroyed_on_the_day_that_its_end_sets(node):
    world = Fetching(node, "KR", "JP")
    record(world)
    world.publish("KR", indicator("a", object_marking_refs=[AMBER]))
    world.converge()
    with transaction(world.nodes["JP"], "live", world.now) as store:
        (root,) = [one.root for one in store.history(str(indicator("a")["id"]))]
    assert due_service.run_timers(world.nodes["JP"], "live", now=world.now) == 0
    assert due_at(world, root) == [None]

    ends = (world.now + timedelta(days=5)).date()
    record(world, ends)
    assert due_service.run_timers(world.nodes["JP"], "live", now=world.now) == 0
    assert due_at(world, root) == [end_of_day(ends + timedelta(days=30))]

    record(world, ends + timedelta(days=10))  # it is prolonged
    due_service.run_timers(world.nodes["JP"], "live", now=world.now)
    assert due_at(world, root) == [end_of_day(ends + timedelta(days=40))]

    world.now += timedelta(days=46)
    assert due_service.run_timers(world.nodes["JP"], "live", now=world.now) == 1
    world.converge()
    (holder,) = service.holders(world.nodes["KR"], "live", str(indicator("a")["id"]), now=world.now)
    assert (holder.state, holder.note) == ("destroyed", "destroy_or_return syn-kr-jp-terms/9")


def test_what_comes_after_the_end_is_known_has_its_day_at_once(node):
    world = Fetching(node, "KR", "JP")
    ends = (world.now + timedelta(days=5)).date()
    record(world, ends)
    for name in ("a", "b"):
        world.publish("KR", indicator(name, object_marking_refs=[AMBER]))
        world.converge()
        due_service.run_timers(world.nodes["JP"], "live", now=world.now)
        with transaction(world.nodes["JP"], "live", world.now) as store:
            (root,) = [one.root for one in store.history(str(indicator(name)["id"]))]
        assert due_at(world, root) == [end_of_day(ends + timedelta(days=30))]
