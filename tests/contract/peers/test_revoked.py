"""Revoked keys over both stores: what a thief signs counts nothing, what others saw in time stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from secretariat.base.errors import ConflictError, NotFoundError
from secretariat.exchange import disowning
from secretariat.exchange.take import PageRefusedError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import service as ledger
from secretariat.ledger import witness
from secretariat.ledger.keys import Keyring, Signer
from secretariat.ledger.node import Node
from secretariat.ledger.revocation import Revoked
from simulator import indicator

A, B = indicator("a")["id"], indicator("b")["id"]


def revoke(there, party, *, at, since, role="record"):
    """`at` learns that `party` revoked its key since a moment; gives how many objects count no more."""
    ring: Keyring = there.nodes[party].keyring
    with there.nodes[at].store(there.now) as store:
        peer = store.peer(party)
        key = getattr(ring, role).key_id
        fresh = msgspec.structs.replace(peer, revoked={**peer.revoked, key: Revoked(role, since, "stolen")})
        store.save_peer(fresh)
        return disowning.settle(store, fresh, peer.revoked)


def renew(there, party, *, at, role="record"):
    """`party` signs with a new key from here on, and `at` knows it."""
    node = there.nodes[party]
    ring = replace(node.keyring, **{role: Signer.generate()})
    if isinstance(node.backend, Node):
        with node.backend.database.app("live") as tx:
            ledger.append(tx, ring, [ledger.key_draft(ring, reason="stolen")], now=there.now)
        node.backend.keys["live"] = ring
    else:
        node.backend.keyring = ring
    node.keyring = ring
    with there.nodes[at].store(there.now) as store:
        peer = store.peer(party)
        known = {**peer.record_keys, ring.record.key_id: ring.record.public}
        log = {ring.log.key_id: ring.log.public}
        store.save_peer(msgspec.structs.replace(peer, record_keys=known, log_keys=log))
    there.tick()


def two(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    there.tick(hours=1)
    return there


def test_what_a_thief_grants_is_refused_and_the_log_goes_on(world):
    there = two(world)
    stolen = there.now
    there.tick(hours=1)
    roots = there.publish("KR", indicator("b"), to=["JP"])
    assert revoke(there, "KR", at="JP", since=stolen) == 0
    there.converge()
    assert there.sees("JP") == {A}
    assert there.refusals("JP") == ["key-revoked"]
    assert there.holders("KR", roots) == {"JP": "refused"}
    there.now -= timedelta(hours=1, minutes=30)  # the thief writes an earlier date
    there.publish("KR", indicator("c"), to=["JP"])
    there.now += timedelta(hours=3)
    there.converge()
    assert there.sees("JP") == {A}
    assert there.converge() == 0


def test_what_came_before_the_party_said_so_goes_to_quarantine_and_comes_back_with_its_new_grant(world):
    there = two(world)
    stolen = there.now
    there.tick(hours=1)
    roots = there.publish("KR", indicator("b"), to=["JP"])
    there.converge()
    assert there.sees("JP") == {A, B}
    assert revoke(there, "KR", at="JP", since=stolen) == 1
    assert there.sees("JP") == {A}
    assert there.states("JP", "b") == ["quarantined"]
    assert revoke(there, "KR", at="JP", since=stolen) == 0
    renew(there, "KR", at="JP")
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        there.grants(store, roots, ["JP"])
    there.tick()
    there.converge()
    assert there.sees("JP") == {A, B}


def test_what_was_seen_in_the_second_of_the_theft_does_not_count_and_in_the_second_before_it_does(world):
    """A cosignature bears whole seconds: of that in which a key was stolen it cannot say before or after."""
    there = two(world)
    second = there.now.replace(microsecond=0) + timedelta(minutes=1)
    there.publish("KR", indicator("b"), to=["JP"])
    there.now = second - timedelta(seconds=0.1)
    there.pull("JP", "KR")
    stolen = second + timedelta(seconds=0.1)
    there.publish("KR", indicator("c"), to=["JP"])  # the thief does
    there.now = stolen + timedelta(seconds=0.5)
    there.pull("JP", "KR")
    assert there.sees("JP") == {A, B, indicator("c")["id"]}
    assert revoke(there, "KR", at="JP", since=stolen) == 1
    assert there.sees("JP") == {A, B}
    assert there.states("JP", "c") == ["quarantined"]


def test_an_object_under_a_revoked_key_that_only_a_relay_brings_counts_nothing(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.tick(hours=1)
    assert revoke(there, "US", at="JP", since=there.now) == 0
    there.tick(hours=1)
    there.relay("KR", roots, to="JP", consent=word)
    there.converge()
    assert there.sees("JP") == set()
    assert "key-revoked" in there.refusals("JP")


def test_an_object_that_a_relay_brought_in_time_stays(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=word)
    there.converge()
    there.tick(hours=1)
    assert revoke(there, "US", at="JP", since=there.now) == 0
    assert there.sees("JP") == {A}


def test_an_entry_at_the_place_of_the_rotation_or_after_it_is_refused_whatever_its_date(world):
    there = two(world)
    with there.nodes["JP"].store(there.now) as store:
        peer = store.peer("KR")
        size = store.kept_log(peer.origin).size
        key = there.nodes["KR"].keyring.record.key_id
        store.save_peer(
            msgspec.structs.replace(peer, ended={key: size}, retired={key: there.now + timedelta(days=1)})
        )
    there.publish("KR", indicator("b"), to=["JP"])  # dated before the rotation, placed after it
    with pytest.raises(PageRefusedError) as refusal:
        there.pull("JP", "KR")
    assert refusal.value.code == "entry-signature"


def test_words_of_a_revoked_witness_key_count_only_where_they_were_here_in_time(world):
    there = two(world)
    origin = there.nodes["KR"].keyring.origin
    ring = there.nodes["KR"].keyring
    liar: Keyring = replace(Keyring.generate("US", "live", "us.example"))
    with there.nodes["JP"].store(there.now) as store:
        shown = notes.parse(store.kept_log(origin).note)
        early = witness.give(shown, liar, int(there.now.timestamp()))
        store.keep_words([early])
    since = there.now + timedelta(minutes=1)
    there.tick(hours=1)
    with there.nodes["JP"].store(there.now) as store:
        late = witness.give(notes.parse(notes.sign(origin, 99, b"\x01" * 32, ring.log)), liar, 1)
        store.keep_words([late])  # it says the first second of 1970
        assert disowning.seen(store, origin)(since) == 99
        lost = {liar.witness.key_id: Revoked("witness", since, "stolen")}
        store.save_peer(
            msgspec.structs.replace(store.peer("KR"), party="US", origin=liar.origin, revoked=lost)
        )
        store.strike(liar.origin, since, unless={b"none"})
        assert [one.size for one in store.words_before(origin, since) if one.witness == liar.origin] == [
            shown.size
        ]
        assert disowning.seen(store, origin)(since) == shown.size


def test_after_a_thiefs_tree_a_person_goes_back_to_the_last_one_that_was_seen_before(world):
    there = two(world)
    origin = there.nodes["KR"].keyring.origin
    with there.nodes["JP"].store(there.now) as store:
        before = store.kept_log(origin)
    stolen = there.now
    there.tick(hours=1)
    there.publish("KR", indicator("b"), to=["JP"])
    there.converge()
    with there.nodes["JP"].store(there.now) as store:
        with pytest.raises(ConflictError, match="revoked no log key"):
            disowning.rewind(store, store.peer("KR"), by="kim")
        store.suspend_log(origin, "it contradicts itself")
    revoke(there, "KR", at="JP", since=stolen, role="log")
    with there.nodes["JP"].store(there.now) as store:
        assert disowning.rewind(store, store.peer("KR"), by="kim").size == before.size
        assert store.kept_log(origin) == before
        assert store.peer("KR").cursor.position <= before.size
    there.converge()
    assert there.sees("JP") == {A, B}


def test_there_is_no_way_back_from_a_tree_under_the_new_log_key(world):
    """What the party signed since, and proved to continue what is kept, is its own log and no thief's."""
    there = two(world)
    stolen = there.now
    there.tick(hours=1)
    revoke(there, "KR", at="JP", since=stolen, role="log")
    renew(there, "KR", at="JP", role="log")
    there.publish("KR", indicator("b"), to=["JP"])
    there.converge()
    with there.nodes["JP"].store(there.now) as store:
        kept = store.kept_log(there.nodes["KR"].keyring.origin)
        with pytest.raises(ConflictError, match="nothing to undo"):
            disowning.rewind(store, store.peer("KR"), by="kim")
        assert store.kept_log(kept.origin) == kept
    assert there.sees("JP") == {A, B}


def test_there_is_no_way_back_where_nothing_was_seen(world):
    there = two(world)
    revoke(there, "KR", at="JP", since=there.now - timedelta(days=9), role="log")
    with there.nodes["JP"].store(there.now) as store, pytest.raises(NotFoundError, match="nothing of"):
        disowning.rewind(store, store.peer("KR"), by="kim")
