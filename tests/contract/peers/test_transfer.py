"""Volumes carried by hand between nodes of each store: lost, repeated, cut, bent and mixed."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import runpy
from pathlib import Path

import msgspec
import pytest

from secretariat.base.errors import ConflictError, LimitError, SecretariatError, StateError
from secretariat.base.settings import Limits
from secretariat.exchange import volumes
from secretariat.exchange.volumes import VolumeError
from secretariat.exchange.wire import Cursor, Taken
from simulator import World, indicator, memory_node

Courier = runpy.run_path(str(Path(__file__).with_name("carry.py")))["Courier"]


def over(world, **given):
    world.allow("US>JP", "JP>US")
    return Courier(world, **given)


@pytest.fixture
def courier(world):
    return over(world("JP", "US"))


def ids(*names: str) -> set[str]:
    return {str(indicator(name)["id"]) for name in names}


def test_a_report_its_receipt_and_its_withdrawal_are_carried_and_then_nothing_is_left_to_carry(courier):
    there = courier
    roots = there.world.publish("US", indicator("a", description="canary-0815"), to=["JP"])
    (volume,) = there.export("US", "JP")
    assert b"canary" not in volume
    assert there.take("JP", volume) == "new"
    assert there.world.sees("JP") == ids("a")
    (answer,) = there.export("JP", "US")
    there.take("US", answer)
    assert there.world.holders("US", roots) == {"JP": "received"}
    assert there.state("US", "JP").confirmed == there.place("JP", "US")
    there.world.withdraw("US", str(indicator("a")["id"]))
    there.settle()
    assert there.world.sees("JP") == set()
    assert there.world.holders("US", roots) == {"JP": "destroyed"}
    assert there.settle() == 0


def several(there, *names: str, **given) -> list[bytes]:
    """Give the volumes of a transfer that has one per report."""
    for name in names:
        there.world.publish("US", indicator(name, description="x" * 40_000), to=["JP"])
    there.most = 210_000
    there.max_objects = 1
    return there.export("US", "JP", **given)


def test_volumes_are_taken_one_after_the_other_and_a_second_time_change_nothing(courier):
    made = several(courier, "a", "b", "c")
    assert len(made) > 2
    for volume in made:
        assert len(volume) <= courier.most
        assert courier.take("JP", volume) == "new"
        state, place = courier.state("JP", "US"), courier.place("JP", "US")
        assert courier.take("JP", volume) == "taken"
        assert (courier.state("JP", "US"), courier.place("JP", "US")) == (state, place)
    moved = courier.world.moved
    for volume in made:
        assert courier.take("JP", volume) == "taken"
    assert courier.world.moved == moved
    assert courier.world.sees("JP") == ids("a", "b", "c")


def test_a_volume_out_of_order_is_refused_with_the_name_of_the_one_needed_and_nothing_is_kept(courier):
    made = several(courier, "a", "b", "c")
    with pytest.raises(VolumeError) as refused:
        courier.take("JP", made[1])
    assert refused.value.code == "transfer-out-of-order"
    assert "import volume 1 of transfer" in str(refused.value.advice)
    assert courier.world.sees("JP") == set()
    assert courier.place("JP", "US") == Taken(Cursor(), 0)
    courier.take("JP", made[0])
    with pytest.raises(VolumeError, match="stands at") as refused:
        courier.take("JP", made[2])
    assert "import volume 2 of transfer" in str(refused.value.advice)


def test_where_the_process_was_killed_the_import_goes_on_and_takes_nothing_twice(courier):
    for name in "abcdef":
        courier.world.publish("US", indicator(name), to=["JP"])
    (volume,) = courier.export("US", "JP")
    for pages in (1, 1):
        with pytest.raises(KeyboardInterrupt):
            courier.take("JP", volume, pages=pages)
        assert courier.state("JP", "US").heard == 0
    assert courier.take("JP", volume) == "new"
    assert courier.world.sees("JP") == ids(*"abcdef")
    assert courier.world.moved == 6


def test_a_later_transfer_brings_what_a_lost_one_did_and_the_lost_one_changes_nothing_when_found(courier):
    courier.world.publish("US", indicator("a"), to=["JP"])
    lost = courier.export("US", "JP")
    courier.world.publish("US", indicator("b"), to=["JP"])
    courier.take("JP", *courier.export("US", "JP"))
    assert courier.world.sees("JP") == ids("a", "b")
    assert courier.take("JP", *lost) == "taken"


def test_a_transfer_goes_on_in_the_middle_of_one_that_came_in_part(courier):
    first = several(courier, "a", "b", "c")
    courier.take("JP", first[0])
    courier.take("JP", first[1])
    second = several(courier, "d")
    assert len(second) > len(first)
    with pytest.raises(VolumeError, match="stands at"):
        courier.take("JP", second[-1])
    for volume in second[2:]:
        courier.take("JP", volume)
    assert courier.world.sees("JP") == ids("a", "b", "c", "d")


def test_an_older_transfer_is_refused_where_a_newer_one_was_begun(courier):
    first = several(courier, "a", "b", "c")
    second = several(courier, "d")
    courier.take("JP", second[0])
    with pytest.raises(VolumeError) as older:
        courier.take("JP", first[2])
    assert older.value.code == "transfer-superseded"
    assert "go on with volume 2" in str(older.value.advice)


def test_the_next_transfer_starts_where_the_partner_confirmed(courier):
    courier.world.publish("US", indicator("a"), to=["JP"])
    courier.take("JP", *courier.export("US", "JP"))
    courier.take("US", *courier.export("JP", "US"))
    confirmed = courier.state("US", "JP").confirmed
    assert confirmed.after > Cursor()
    courier.world.publish("US", indicator("b"), to=["JP"])
    (volume,) = courier.export("US", "JP")
    assert courier.open("JP", volume)[2].start == confirmed.after
    courier.take("JP", volume)
    assert courier.world.sees("JP") == ids("a", "b")


def test_two_nodes_that_were_in_step_by_wire_go_on_by_hand(courier):
    for party, to in (("US", "JP"), ("JP", "US")):
        courier.world.publish(party, indicator(party), to=[to])
    courier.world.converge()
    courier.world.publish("US", indicator("a"), to=["JP"])
    with pytest.raises(VolumeError) as untied:  # nobody told US yet what JP has
        courier.take("JP", *courier.export("US", "JP"))
    assert untied.value.code == "transfer-untied"
    courier.take("US", *courier.export("JP", "US"))
    courier.take("JP", *courier.export("US", "JP", again=True))
    assert courier.world.sees("JP") == ids("US", "a")
    assert courier.world.moved == 3


def test_nothing_new_is_said_and_again_writes_it_once_more(courier):
    courier.world.publish("US", indicator("a"), to=["JP"])
    courier.export("US", "JP")
    with pytest.raises(ConflictError, match="not confirmed yet"):
        courier.export("US", "JP")
    courier.take("JP", *courier.export("US", "JP", again=True))
    assert courier.world.sees("JP") == ids("a")


def test_one_way_without_ever_hearing_back_everything_arrives_and_receipts_are_missing(courier):
    roots = courier.world.publish("US", indicator("a"), to=["JP"])
    courier.take("JP", *courier.export("US", "JP"))
    courier.world.publish("US", indicator("b"), to=["JP"])
    courier.take("JP", *courier.export("US", "JP", since=courier.state("US", "JP").sent))
    courier.world.withdraw("US", str(indicator("a")["id"]))
    courier.take("JP", *courier.export("US", "JP", since=Taken(Cursor(), 0)))
    assert courier.world.sees("JP") == ids("b")
    assert courier.world.holders("US", roots) == {"JP": "asked"}  # the debtor is named


def test_a_gap_left_by_a_lost_transfer_is_named(courier):
    courier.world.publish("US", indicator("a"), to=["JP"])
    courier.export("US", "JP")
    courier.world.publish("US", indicator("b"), to=["JP"])
    (volume,) = courier.export("US", "JP", since=courier.state("US", "JP").sent)
    with pytest.raises(VolumeError, match=r"this node stands at 0\.0") as refused:
        courier.take("JP", volume)
    assert "import transfer" in str(refused.value.advice)
    assert courier.world.sees("JP") == set()


def test_a_partner_that_has_more_of_our_log_than_there_is_stops_the_export(courier):
    courier.world.publish("US", indicator("a"), to=["JP"])
    with courier.at("US") as store:
        state = store.handover("JP")
        store.save_handover(msgspec.structs.replace(state, confirmed=Taken(Cursor(99), 99)))
    with pytest.raises(StateError, match="has 99 entries of this log"):
        courier.export("US", "JP")


def test_an_entry_larger_than_a_volume_is_refused_with_the_size_that_it_needs(courier):
    courier.world.publish("US", indicator("a", description="x" * 300_000), to=["JP"])
    courier.most = 200_000
    with pytest.raises(LimitError, match="more than a volume") as refused:
        courier.export("US", "JP")
    assert refused.value.where == "--volume-mb"


REGIONS = {
    "the format": lambda data: data.index(b"secretariat-transfer"),
    "the realm": lambda data: data.index(b"live"),
    "the number": lambda data: data.index(b'"number":') + 12,
    "the volume": lambda data: data.index(b'"volume":') + 9,
    "the key": lambda data: data.index(b"x25519-") + 9,
    "the first part": lambda data: data.index(b'"box":"') + 400,
    "the last part": lambda data: data.rindex(b'{"part":') + 400,
    "a part's number": lambda data: data.rindex(b'{"part":') + 8,
    "the mark of the end": lambda data: data.rindex(b'"end"') + 2,
    "the count": lambda data: data.rindex(b'"parts":') + 8,
    "the hash": lambda data: data.rindex(b'"sha256":"') + 12,
    "the summary": lambda data: data.rindex(b'"box":"') + 400,
    "the last byte": lambda data: len(data) - 1,
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("bit", [0, 1, 4])
def test_a_flipped_bit_is_refused_by_name_wherever_it_is(region, bit):
    there = over(World("JP", "US", make=memory_node))
    for name in "abc":
        there.world.publish("US", indicator(name), to=["JP"])
    there.max_objects = 1
    (volume,) = there.export("US", "JP")
    bent = bytearray(volume)
    bent[REGIONS[region](volume)] ^= 1 << bit
    if bent == volume:
        return
    with pytest.raises(SecretariatError) as refused:
        there.take("JP", bytes(bent))
    assert refused.value.what
    assert there.world.sees("JP") == set()
    assert there.place("JP", "US") == Taken(Cursor(), 0)
    if "part" in region and "number" not in region:
        number = 0 if "first" in region else volume.count(b'{"part":') - 1
        assert refused.value.what.startswith(f"part {number}:")
    assert there.take("JP", volume) == "new"


@pytest.mark.parametrize("seed", range(40))
def test_a_volume_cut_anywhere_or_with_bytes_put_in_is_refused_as_a_whole(seed):
    dice = random.Random(seed)
    there = over(World("JP", "US", make=memory_node))
    for name in "abc":
        there.world.publish("US", indicator(name), to=["JP"])
    (volume,) = there.export("US", "JP")
    lines = volume.splitlines(keepends=True)
    at = dice.randrange(len(volume))
    for bent in (
        volume[:at],
        volume[:at] + volume[at + 1 :],
        volume[:at] + bytes([dice.randrange(256)]) + volume[at:],
        b"".join(lines[:2] + lines[3:]),
        b"".join([lines[0], *reversed(lines[1:-1]), lines[-1]]) if len(lines) > 3 else b"",
        b"".join([*lines[:2], lines[1], *lines[2:]]),
        volume + b"\n",
    ):
        if bent == volume:
            continue
        with pytest.raises(SecretariatError):
            there.take("JP", bent)
    assert there.place("JP", "US") == Taken(Cursor(), 0)
    assert there.take("JP", volume) == "new"


def test_a_stranger_opens_no_volume_and_reads_only_its_head(world):
    there = over(world("JP", "KR", "US"))
    there.world.publish("US", indicator("a", description="canary-0815"), to=["JP"])
    (volume,) = there.export("US", "JP")
    head, *rest = volume.splitlines()
    assert b"canary" not in volume
    assert set(msgspec.json.decode(head)) == {
        "format", "v", "realm", "party", "to", "number", "volume", "key",
    }  # fmt: skip
    assert all(set(msgspec.json.decode(one)) <= {"part", "box", "end", "parts", "sha256"} for one in rest)
    with pytest.raises(VolumeError, match="none of ours"):
        there.open("KR", volume)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"to":"JP"', b'"to":"KR"'), (b'"realm":"live"', b'"realm":"exercise"')]
)
def test_a_volume_given_another_address_or_realm_does_not_open(world, old, new):
    there = over(world("JP", "KR", "US"))
    there.world.publish("US", indicator("a"), to=["JP"])
    (volume,) = there.export("US", "JP")
    for reader in ("JP", "KR"):
        with pytest.raises(VolumeError) as refused:
            there.take(reader, volume.replace(old, new))
        assert refused.value.code == "transfer-broken"


def test_a_volume_of_a_third_party_in_anothers_name_is_refused(world):
    there = over(world("JP", "KR", "US"))
    there.world.publish("KR", indicator("a"), to=["JP"])
    ring = there.world.nodes["KR"].keyring
    there.world.nodes["KR"].keyring = dataclasses.replace(ring, party="US")  # it says so and signs for itself
    (volume,) = there.export("KR", "JP")
    with pytest.raises(VolumeError, match="unknown key"):
        there.take("JP", volume)
    there.world.nodes["KR"].keyring = ring
    (volume,) = there.export("KR", "JP", again=True)
    with pytest.raises(VolumeError, match="does not open"):
        there.take("JP", volume.replace(b'"party":"KR"', b'"party":"US"'))


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"transfer_bytes": 2_000}, "transfer_bytes"),
        ({"transfer_part_bytes": 500}, "line 2"),
    ],
)
def test_limits_come_first(courier, limits, name):
    courier.world.publish("US", indicator("a"), to=["JP"])
    (volume,) = courier.export("US", "JP")
    courier.limits = Limits(**limits)
    with pytest.raises(LimitError) as refused:
        courier.take("JP", volume)
    assert name in f"{refused.value.what} {refused.value.where}"


def test_a_head_without_end_is_refused_after_its_limit(courier):
    for bad in (
        b"",
        b"x" * 2_000,
        b'{"format":"secretariat-transfer"' + b" " * 5_000_000,
        b"\xff\n",
        b"[]\n",
    ):
        with pytest.raises(VolumeError):
            courier.take("JP", bad)
    newer = (
        b'{"format":"secretariat-transfer","v":2,"realm":"live","party":"US","to":"JP","number":1,"volume":1,'
        b'"key":"x25519-00000000000000000000000000000000"}\n'
    )
    with pytest.raises(VolumeError) as refused:
        courier.take("JP", newer)
    assert refused.value.code == "transfer-version"
    assert len(newer) < volumes.MAX_HEAD_BYTES


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_to_media_the_end_is_that_of_online_sync(seed):
    mishaps(over(World("JP", "US", make=memory_node), max_objects=2, most=210_000), seed)


@pytest.mark.parametrize("seed", [60, 61])
def test_and_over_each_store_too(courier, seed):
    courier.most = 210_000
    mishaps(courier, seed)


def mishaps(there, seed: int) -> None:
    """Export, lose, repeat, mix, cut and kill at random; then carry honestly, and compare with pulling."""
    dice = random.Random(seed)
    online = World("JP", "US", make=memory_node)
    online.allow("US>JP", "JP>US")
    bag: list[tuple[str, bytes]] = []
    ours: dict[str, list[str]] = {"US": [], "JP": []}
    taken: set[tuple[str, bytes]] = set()
    for step in range(30):
        party, to = dice.sample(["US", "JP"], 2)
        luck = dice.random()
        if luck < 0.25:
            name = f"{party}{step}"
            big = "x" * dice.choice([10, 10, 30_000])
            for one in (there.world, online):
                one.publish(party, indicator(name, description=big), to=[to])
            ours[party].append(name)
        elif luck < 0.35 and ours[party]:
            name = ours[party].pop(dice.randrange(len(ours[party])))
            for one in (there.world, online):
                one.withdraw(party, str(indicator(name)["id"]))
        elif luck < 0.6:
            with contextlib.suppress(ConflictError):
                since = dice.choice([None, None, None, Taken(Cursor(), 0), there.state(party, to).sent])
                made = there.export(party, to, again=dice.random() < 0.5, since=since)
                bag += [(to, one) for one in made if dice.random() < 0.85]
        elif bag:
            reader, volume = dice.choice(bag) if dice.random() < 0.6 else bag[0]
            if dice.random() < 0.2:
                volume = volume[: dice.randrange(len(volume))]
            place = there.place(reader, "US" if reader == "JP" else "JP")
            moved = there.world.moved
            try:
                word = there.take(reader, volume, pages=dice.choice([None, None, 0, 1, 2]))
            except VolumeError:
                word = "refused"
            except KeyboardInterrupt:
                continue
            if word != "new" or (reader, volume) in taken:
                assert there.world.moved == moved
                assert there.place(reader, "US" if reader == "JP" else "JP") == place
            if word != "refused":
                taken.add((reader, volume))
    there.settle()
    online.converge()
    for party in ("US", "JP"):
        assert there.world.sees(party) == online.sees(party)
        assert holdings(there.world, party) == holdings(online, party)
    assert there.settle() == 0
    for one in there.world.nodes:
        with there.at(one) as store:
            assert [each.code for each in store.refused()] == []


ENDED = {"destroyed": "not held", "gone": "not held"}
"""Which of the two depends on whether it was withdrawn before it was taken."""


def holdings(world, party: str) -> list[tuple[str, ...]]:
    """Give what a party knows of the holders of each object."""
    with world.nodes[party].store(world.now) as store:
        found = []
        for name in ("US", "JP"):
            for step in range(30):
                stix_id = str(indicator(f"{name}{step}")["id"])
                roots = [one.root for one in store.history(stix_id)]
                said = [(one.holder, ENDED.get(one.state, one.state)) for one in store.holdings(roots)]
                found += sorted((stix_id, *one) for one in said)
        return found
