"""A guest in a world of simulated nodes over each store: what holds in memory holds in PostgreSQL."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from secretariat.exchange import disowning, guest_store
from secretariat.exchange.guest_store import Met
from secretariat.exchange.guest_view import view_of
from secretariat.exchange.memory import Memory
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import PageRefusedError
from secretariat.ledger import guest_keys
from secretariat.ledger.keys import Signer
from secretariat.ledger.revocation import Revoked
from simulator import SimulatedNode, indicator, introduction_of, peer_of


def hosted(world, host, party):
    """Let a node of the world host a party; gives the guest as one of the world's nodes."""
    node = world.nodes[host]
    ring = guest_keys.ring_of(Signer.generate(), party, node.keyring)
    if isinstance(node.backend, Memory):
        memory = Memory(ring, host=node.backend)
        node.backend.guests[party] = memory
        guest = SimulatedNode(ring, memory.transaction, memory)
    else:
        mine = view_of(node.backend, "live", ring)
        guest = SimulatedNode(ring, partial(transaction, mine, "live"), mine)
    world.nodes[party] = guest
    return guest


def introduce(world, guest, *, at):
    """Let a third node take a guest as introduced, and the guest take that node as a partner."""
    ring = world.nodes[guest].keyring
    met = msgspec.structs.replace(peer_of(ring), host=ring.host.party, log_keys={}, transport_keys={})
    with world.nodes[at].store(world.now) as store:
        if isinstance(world.nodes[at].backend, Memory):
            store.meet(met)
        else:
            known = Met(guest, guest, ring.host.party, ring.record.public, introduction_of(ring), world.now)
            guest_store.write_met(store.tx, known)
    world.enrol(guest, at)


@pytest.fixture
def trio(world):
    """KR hosts KISIA; JP accepted it. Everything may flow between JP, KR and KISIA."""
    made = world("KR", "JP")
    hosted(made, "KR", "KISIA")
    introduce(made, "KISIA", at="JP")
    made.allow("JP>KISIA", "KISIA>JP", "JP>KR", "KR>JP", "KISIA>KR>JP")
    return made


def test_a_guest_takes_what_a_third_node_granted_to_it_and_only_it(trio):
    roots = trio.publish("JP", indicator("a"), to=["KISIA"])
    trio.publish("JP", indicator("b"), to=["KR"])
    trio.converge()
    assert trio.sees("KISIA") == {indicator("a")["id"]}
    assert trio.sees("KR") == {indicator("b")["id"]}
    assert trio.holders("JP", roots) == {"KISIA": "received"}
    trio.withdraw("JP", indicator("a")["id"])
    trio.converge()
    assert trio.sees("KISIA") == set()
    assert trio.holders("JP", roots) == {"KISIA": "destroyed"}


def test_what_a_guest_says_reaches_the_third_node_as_the_guests(trio):
    roots = trio.publish("KISIA", indicator("c"), to=["JP"])
    trio.converge()
    assert trio.sees("JP") == {indicator("c")["id"]}
    assert trio.sees("KR") == set()
    assert trio.holders("KISIA", roots) == {"JP": "received"}
    assert trio.holders("KR", roots) == {}
    trio.withdraw("KISIA", indicator("c")["id"])
    trio.converge()
    assert trio.holders("KISIA", roots) == {"JP": "destroyed"}


def test_a_grant_of_the_host_and_one_of_its_guest_are_two(trio):
    with trio.nodes["JP"].store(trio.now) as store:
        assert set(store.hosted()) == {"KISIA"}
    (root,) = trio.publish("KISIA", indicator("d"), to=["JP"])
    with trio.nodes["KISIA"].store(trio.now) as store:
        version = store.versions([root])[root]
    with trio.nodes["KR"].store(trio.now) as store:  # the host got it, too, and passes it on
        store.publish([version], ["JP"])
        trio.grants(store, [root], ["JP"])
    trio.tick()
    trio.converge()
    with trio.nodes["JP"].store(trio.now) as store:
        assert {one.sender for one in store.arrived([root])[root]} >= {"KISIA"}
    trio.narrow("KR", indicator("d")["id"], to="JP")
    trio.converge()
    assert trio.sees("JP") == {indicator("d")["id"]}, "the guest's own grant stands"
    trio.narrow("KISIA", indicator("d")["id"], to="JP")
    trio.converge()
    assert trio.sees("JP") == set()


def test_small_pages_of_host_and_guest_follow_one_log(trio):
    for number in range(5):
        trio.publish("JP", indicator(f"g{number}"), to=["KISIA", "KR"])
    trio.converge(max_objects=1)
    assert trio.sees("KISIA") == trio.sees("KR")
    assert len(trio.sees("KISIA")) == 5


def test_a_log_that_contradicts_itself_towards_the_guest_is_found_by_what_the_host_kept(trio):
    trio.publish("JP", indicator("h"), to=["KISIA"])
    trio.converge()
    for reader in ("KISIA", "KR"):
        with trio.nodes[reader].store(trio.now) as store:
            assert store.kept_log("jp.example/live") is not None
    with trio.nodes["KR"].store(trio.now) as ours, trio.nodes["JP"].store(trio.now) as theirs:
        assert ours.kept_log("jp.example/live").size == theirs.head().size


def test_a_stranger_in_the_hosts_log_is_refused(trio):
    hosted(trio, "KR", "OTHER")  # JP accepted no introduction of it
    with trio.nodes["OTHER"].store(trio.now) as store:
        trio.grants(store, [bytes(32)], ["JP"])
    with pytest.raises(PageRefusedError) as refused:
        trio.pull("JP", "KR")
    assert refused.value.code == "entry-signature"


def test_a_call_goes_on_through_a_guest_whose_host_never_held_the_object(world):
    """What a guest's call rests on is kept for the guest; the pages of its host carry it all the same."""
    there = world("KR", "JP", "US")
    hosted(there, "KR", "KISIA")
    for node in ("JP", "US"):
        introduce(there, "KISIA", at=node)
    there.allow("JP>KISIA", "JP>KISIA>US")
    roots = there.publish("JP", indicator("w"), to=["KISIA"])
    consent = there.consent("JP", roots, via="KISIA", to="US")
    there.converge()
    there.relay("KISIA", roots, to="US", consent=consent)
    there.converge()
    assert there.sees("US") == {indicator("w")["id"]}
    there.withdraw("JP", indicator("w")["id"])
    there.converge()
    assert there.sees("KISIA") == there.sees("US") == set()


def test_a_log_that_the_host_takes_back_is_taken_back_for_its_guests_as_well(trio):
    """One memory of partners' logs, so one way back: a guest's place and entries behind it go, too."""
    trio.publish("JP", indicator("a"), to=["KISIA", "KR"])
    trio.converge()
    trio.tick(hours=1)
    ring, stolen = trio.nodes["JP"].keyring, trio.now
    with trio.nodes["KR"].store(trio.now) as store:
        before = store.kept_log(ring.origin)
    trio.tick(hours=1)
    trio.publish("JP", indicator("t"), to=["KISIA"])
    trio.converge()
    with trio.nodes["KISIA"].store(trio.now) as store:
        read = store.peer("JP").cursor.position
        assert read > before.size
        assert store.peer_entry(ring.origin, read - 1) is not None
    lost = {ring.log.key_id: Revoked("log", stolen, "stolen")}
    with trio.nodes["KR"].store(trio.now) as store:
        store.save_peer(msgspec.structs.replace(store.peer("JP"), revoked=lost))
        disowning.rewind(store, store.peer("JP"), by="kim")
    for reader in ("KISIA", "KR"):
        with trio.nodes[reader].store(trio.now) as store:
            assert store.kept_log(ring.origin) == before
            assert store.peer("JP").cursor.position == before.size, reader
            assert store.peer_entry(ring.origin, read - 1) is None
    trio.converge()
    assert trio.sees("KISIA") == {indicator("a")["id"], indicator("t")["id"]}
