"""A thief's log, over both stores: what is known of it when its key is revoked, and who is blamed for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from secretariat.base.errors import ConflictError
from secretariat.exchange import disowning, riding
from secretariat.exchange.enrolment import former_log_keys
from secretariat.exchange.take import PageRefusedError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import merkle, witness
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Signer
from secretariat.ledger.node import Node
from secretariat.ledger.revocation import Revoked
from simulator import World, indicator

from .test_witness import kept, settled, show


@pytest.fixture
def there(world, monkeypatch):
    """KR publishes to JP and US, who know of each other; an hour later its log key is stolen."""
    found = world("KR", "JP", "US")
    for node in found.nodes.values():
        settled(monkeypatch, node, ("JP,KR,US",))
    found.allow("KR>JP", "KR>US")
    found.publish("KR", indicator("a"), to=["JP", "US"])
    found.converge()
    found.tick(hours=1)
    return found


def another_key(there: World) -> Signer:
    """KR signs its log with another key from here on, which nobody knows yet; gives the former one."""
    node = there.nodes["KR"]
    former = node.keyring.log
    node.keyring = replace(node.keyring, log=Signer.generate())
    if isinstance(node.backend, Node):
        with node.backend.database.app("live") as tx:
            draft = ledger.key_draft(node.keyring, reason="stolen")
            ledger.append(tx, node.keyring, [draft], now=there.now)
        node.backend.keys["live"] = node.keyring
    else:
        node.backend.keyring = node.keyring
    return former


def learn(there: World, at: str, former: Signer, since=None, role="log") -> None:
    """A node takes KR's new log key as renewal.py does; `since`: and that the former one was stolen."""
    with there.nodes[at].store(there.now) as store:
        peer, ring = store.peer("KR"), there.nodes["KR"].keyring
        revoked = {} if since is None else {former.key_id: Revoked(role, since, "stolen")}
        fresh = msgspec.structs.replace(
            peer,
            log_keys={ring.log.key_id: ring.log.public},
            former_log_keys=former_log_keys(peer, ring.log.key_id),
            revoked={**peer.revoked, **revoked},
        )
        store.lock()
        store.save_peer(fresh)
        disowning.settle(store, fresh, peer.revoked)


def false_note(there: World, key: Signer, size: int, *, by: str = "", ago: float = 0.0) -> bytes:
    """Another history of KR's log; cosigned by a partner so many seconds ago."""
    origin = there.nodes["KR"].keyring.origin
    root = merkle.root([merkle.leaf_hash(bytes([number])) for number in range(size)])
    note = notes.sign(origin, size, root, key)
    if not by:
        return note
    given = there.now - timedelta(seconds=ago)
    return note + witness.give(notes.parse(note), there.nodes[by].keyring, int(given.timestamp())).line


def size_of(there: World) -> int:
    with there.nodes["KR"].store(there.now) as store:
        return store.head().size


def blamed(there: World, at: str) -> list[str]:
    with there.nodes[at].store(there.now) as store:
        log = [store.entry(position).kind for position in range(store.head().size)]
        return [one.party for one in store.contradictions()] + [one for one in log if one == "suspect"]


def waiting(there: World, at: str) -> int:
    with there.nodes[at].store(there.now) as store:
        return len(riding.open_shown(store, [there.nodes["KR"].keyring.origin]))


def shown_a_larger_one(there: World, **more) -> Signer:
    """US shows JP a second log that it was shown; JP knows only the former key and has not got so far."""
    former = another_key(there)
    there.publish("KR", indicator("b"), to=["JP"])
    note = false_note(there, former, size_of(there), **more)
    there.give("JP", "US", show(there, "JP", "US", note))
    assert waiting(there, "JP") == 1
    return former


def test_a_thiefs_log_shown_before_its_key_was_revoked_suspends_nobody(there):
    """Seed 8910: it stayed open, and was held against the party when the true log reached its size."""
    stolen = there.now
    there.tick(minutes=5)
    former = shown_a_larger_one(there, by="US")
    learn(there, "JP", former, stolen)
    assert waiting(there, "JP") == 0
    there.pull("JP", "KR")
    assert kept(there, "JP", "KR").size == size_of(there)
    assert kept(there, "JP", "KR").suspended is None
    assert blamed(there, "JP") == []


def test_what_a_witness_saw_before_the_theft_is_the_partys_own_and_no_revocation_takes_it_back(there):
    """Who forked its log cannot say afterwards that its key was stolen."""
    there.tick(minutes=5)
    former = shown_a_larger_one(there, by="US", ago=200)
    learn(there, "JP", former, there.now - timedelta(seconds=100))
    assert waiting(there, "JP") == 1
    there.pull("JP", "KR")
    assert kept(there, "JP", "KR").suspended is not None
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_the_same_tree_under_the_new_key_is_the_partys_own_word(there):
    stolen = there.now
    there.tick(minutes=5)
    former = shown_a_larger_one(there, by="US")
    learn(there, "JP", former, stolen)
    note = false_note(there, there.nodes["KR"].keyring.log, size_of(there))
    there.give("JP", "US", show(there, "JP", "US", note))
    assert waiting(there, "JP") == 1
    there.pull("JP", "KR")
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_a_word_of_the_logs_own_witness_saves_no_note(there):
    """Who stole a party's keys has perhaps its witness key as well, and writes any second."""
    there.tick(minutes=5)
    former = shown_a_larger_one(there, by="KR", ago=200)
    learn(there, "JP", former, there.now - timedelta(seconds=100))
    assert waiting(there, "JP") == 0


def test_a_fork_under_a_key_that_was_only_replaced_is_found_with_the_signatures_of_both(there):
    former = shown_a_larger_one(there, by="US")
    learn(there, "JP", former)
    there.pull("JP", "KR")
    assert kept(there, "JP", "KR").suspended is not None
    with there.nodes["JP"].store(there.now) as store:
        [found] = store.contradictions()
    origin = there.nodes["KR"].keyring.origin
    notes.verify(found.one, origin, [there.nodes["KR"].keyring.log.public])
    notes.verify(found.other, origin, [former.public])
    assert len(notes.parse(found.other).signatures) == 1


def test_a_fork_of_what_was_kept_under_the_former_key_is_no_fault_of_who_shows_it(there):
    before = kept(there, "JP", "KR")
    former = another_key(there)
    learn(there, "JP", former)
    note = false_note(there, there.nodes["KR"].keyring.log, before.size)
    there.give("JP", "US", show(there, "JP", "US", note))
    assert there.refusals("JP") == []
    assert blamed(there, "JP") == ["KR", "suspect"]


def given_a_thiefs_tree(there: World):
    """JP took a tree of a thief: a root that KR never signed, as large as KR's own log is by now."""
    stolen = there.now
    there.tick(minutes=5)
    former = another_key(there)
    there.publish("KR", indicator("b"), to=["JP", "US"])
    note = false_note(there, former, size_of(there))
    shown = notes.parse(note)
    with there.nodes["JP"].store(there.now) as store:
        log = msgspec.structs.replace(
            store.kept_log(shown.origin), size=shown.size, root=shown.root, note=note
        )
        store.lock()
        store.keep_log(log)
        store.cosign(log.origin)
    for at in ("JP", "US"):
        learn(there, at, former, stolen)
    return log


def goes_back(there: World) -> None:
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        disowning.rewind(store, store.peer("KR"), by="kim")
    there.converge()
    assert kept(there, "JP", "KR") == kept(there, "US", "KR")
    assert there.sees("JP") == {indicator(one)["id"] for one in "ab"}
    assert waiting(there, "JP") == 0
    assert blamed(there, "JP") == []


def test_who_keeps_a_thiefs_tree_blames_nobody_when_a_partner_shows_the_true_one(there):
    log = given_a_thiefs_tree(there)
    there.pull("US", "KR")
    there.pull("JP", "US")
    assert kept(there, "JP", "KR") == log
    assert waiting(there, "JP") == 1
    goes_back(there)


def test_who_keeps_a_thiefs_tree_refuses_the_true_one_without_blame_until_a_person_goes_back(there):
    log = given_a_thiefs_tree(there)
    with pytest.raises(PageRefusedError, match="revoked") as refusal:
        there.pull("JP", "KR")
    assert refusal.value.code == "log-unproven"
    assert "rewind" in refusal.value.advice
    assert not refusal.value.suspends
    assert kept(there, "JP", "KR") == log
    goes_back(there)


def test_who_was_suspended_before_the_theft_was_known_is_taken_up_again_by_going_back(there):
    before, stolen = kept(there, "JP", "KR"), there.now
    there.tick(minutes=5)
    former = another_key(there)
    there.give("JP", "US", show(there, "JP", "US", false_note(there, former, before.size)))
    assert kept(there, "JP", "KR").suspended is not None
    learn(there, "JP", former, stolen)
    learn(there, "US", former, stolen)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        assert disowning.rewind(store, store.peer("KR"), by="kim") == before
    there.publish("KR", indicator("b"), to=["JP"])
    there.converge()
    assert kept(there, "JP", "KR").size == size_of(there)


def test_a_fork_that_comes_to_light_after_its_key_was_replaced_is_the_partys_own(there):
    """Who forks its log and takes a new key before partners tell each other is found all the same."""
    before, size = kept(there, "JP", "KR"), kept(there, "JP", "KR").size
    note = false_note(there, there.nodes["KR"].keyring.log, size, by="US")
    former = another_key(there)
    learn(there, "JP", former)
    there.give("JP", "US", show(there, "JP", "US", note))
    assert kept(there, "JP", "KR").suspended is not None
    assert blamed(there, "JP") == ["KR", "suspect"]
    with there.nodes["JP"].store(there.now) as store:
        [found] = store.contradictions()
    for one in (found.one, found.other):
        notes.verify(one, before.origin, [former.public])


@pytest.mark.parametrize(("ago", "verdict"), [(200, ["KR", "suspect"]), (0, [])])
@pytest.mark.parametrize("first", ["shown", "revoked"])
def test_the_verdict_is_the_same_whether_the_note_or_the_revocation_comes_first(there, first, ago, verdict):
    there.tick(minutes=5)
    stolen, former = there.now - timedelta(seconds=100), another_key(there)
    there.publish("KR", indicator("b"), to=["JP"])
    note = false_note(there, former, size_of(there), by="US", ago=ago)
    if first == "shown":
        there.give("JP", "US", show(there, "JP", "US", note))
    learn(there, "JP", former, stolen)
    if first == "revoked":
        there.give("JP", "US", show(there, "JP", "US", note))
    assert waiting(there, "JP") == bool(verdict)
    there.pull("JP", "KR")
    assert blamed(there, "JP") == verdict


def test_a_word_that_comes_later_brings_back_what_proved_nothing_without_it(there):
    there.tick(minutes=5)
    former = shown_a_larger_one(there)
    learn(there, "JP", former, there.now - timedelta(seconds=100))
    assert waiting(there, "JP") == 0
    note = false_note(there, former, size_of(there), by="US", ago=200)
    there.give("JP", "US", show(there, "JP", "US", note))
    assert waiting(there, "JP") == 1
    there.pull("JP", "KR")
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_what_was_shown_here_before_the_theft_is_the_partys_own_by_our_own_clock(there):
    """No witness says so: we saw it ourselves."""
    former = shown_a_larger_one(there)
    there.tick(minutes=5)
    learn(there, "JP", former, there.now - timedelta(seconds=100))
    assert waiting(there, "JP") == 1
    there.pull("JP", "KR")
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_the_revocation_of_one_key_takes_nothing_back_that_another_signed(there):
    """A party revokes its first key early, and would wash away with it what every later one signs."""
    first = another_key(there)
    for at in ("JP", "US"):
        learn(there, at, first, there.now - timedelta(days=9))
    there.publish("KR", indicator("b"), to=["JP", "US"])
    there.converge()
    tree = kept(there, "JP", "KR")
    note = false_note(there, there.nodes["KR"].keyring.log, tree.size)
    second = another_key(there)
    learn(there, "JP", second)
    with there.nodes["JP"].store(there.now) as store:
        assert disowning.tree_stands(store, store.peer("KR"), tree.size)
        with pytest.raises(ConflictError, match="nothing to undo"):
            disowning.rewind(store, store.peer("KR"), by="kim")
    there.give("JP", "US", show(there, "JP", "US", note))
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_a_second_theft_takes_a_partner_back_to_the_last_tree_before_it_and_no_further(there):
    first = another_key(there)
    for at in ("JP", "US"):
        learn(there, at, first, there.now - timedelta(minutes=30))
    there.publish("KR", indicator("a1"), to=["JP", "US"])
    there.converge()
    true = kept(there, "JP", "KR")
    there.tick(hours=1)
    given_a_thiefs_tree(there)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        assert disowning.rewind(store, store.peer("KR"), by="kim") == true


def seen_within_the_second(there: World):
    """US saw KR's log ten seconds before the theft, JP in that very second; gives the tree and the moment."""
    there.publish("KR", indicator("b"), to=["JP", "US"])
    there.pull("US", "KR")
    there.tick(seconds=10)
    there.pull("JP", "KR")
    there.pull("US", "JP")
    there.pull("JP", "US")
    tree, stolen = kept(there, "JP", "KR"), there.now.replace(microsecond=0) + timedelta(seconds=0.9)
    with there.nodes["JP"].store(there.now) as store:
        words = {one.witness: one.size for one in store.words_before(tree.origin, stolen)}
    assert words[there.nodes["US"].keyring.origin] == tree.size == size_of(there)
    assert words[there.nodes["JP"].keyring.origin] < tree.size
    return tree, stolen


def test_nobody_goes_back_from_a_tree_that_a_witness_saw_in_time(there):
    """Seed 4857: our own word was of the second of the theft; what others saw before was let go with it."""
    tree, stolen = seen_within_the_second(there)
    former = another_key(there)
    for at in ("JP", "US"):
        learn(there, at, former, stolen)
    with there.nodes["JP"].store(there.now) as store:
        with pytest.raises(ConflictError, match="nothing to undo"):
            disowning.rewind(store, store.peer("KR"), by="kim")
        assert store.kept_log(tree.origin) == tree
        assert disowning.seen(store, tree.origin)(stolen) == tree.size


def test_who_goes_back_stays_on_what_it_saw_within_the_second_where_a_witness_saw_it_before(there):
    tree, stolen = seen_within_the_second(there)
    former = given_a_larger_tree(there, tree)
    for at in ("JP", "US"):
        learn(there, at, former, stolen)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        assert disowning.rewind(store, store.peer("KR"), by="kim") == tree


def test_a_witness_that_lies_about_its_seconds_holds_nobody_on_a_thiefs_tree(there):
    """It is the thief's accomplice: what we cosigned after the theft alone bears no word of before it."""
    before, stolen = kept(there, "JP", "KR"), there.now
    there.tick(minutes=5)
    former = given_a_larger_tree(there, before)
    false = kept(there, "JP", "KR")
    given = int((stolen - timedelta(seconds=100)).timestamp())
    with there.nodes["JP"].store(there.now) as store:
        store.keep_words([witness.give(notes.parse(false.note), there.nodes["US"].keyring, given)])
        store.lock()
        store.suspend_log(false.origin, "it does not continue what is kept")
    learn(there, "JP", former, stolen)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        assert disowning.rewind(store, store.peer("KR"), by="kim") == before


def given_a_larger_tree(there: World, tree) -> Signer:
    """JP took a thief's tree, one entry larger than the last true one, a minute later; gives the key."""
    there.tick(minutes=1)
    former = another_key(there)
    note = false_note(there, former, tree.size + 1)
    log = msgspec.structs.replace(tree, size=tree.size + 1, root=notes.parse(note).root, note=note)
    with there.nodes["JP"].store(there.now) as store:
        store.lock()
        store.keep_log(log)
        store.cosign(log.origin)
    return former


def test_many_forks_of_a_suspended_log_are_one_proof(there):
    """A party and its accomplice would have us write an entry for each of them."""
    size, key = kept(there, "JP", "KR").size, there.nodes["KR"].keyring.log
    origin = there.nodes["KR"].keyring.origin
    forks = [notes.sign(origin, size, bytes([number]) * 32, key) for number in range(9)]
    there.give("JP", "US", show(there, "JP", "US", *forks))
    there.give("JP", "US", show(there, "JP", "US", *forks))
    assert blamed(there, "JP") == ["KR", "suspect"]


def test_a_log_key_that_is_revoked_under_another_role_counts_no_more_either(there):
    """Its party may write what it likes into its statement: what we keep and compare goes on."""
    stolen, size = there.now, kept(there, "JP", "KR").size
    there.tick(minutes=5)
    former = another_key(there)
    learn(there, "JP", former, stolen, role="transport")
    there.give("JP", "US", show(there, "JP", "US", false_note(there, former, size)))
    assert blamed(there, "JP") == []
    there.publish("KR", indicator("b"), to=["JP"])
    there.pull("JP", "KR")
    assert kept(there, "JP", "KR").size == size_of(there)


def test_a_fork_that_a_person_looked_at_does_not_suspend_the_log_again_in_other_bytes(there):
    """Whoever has the note writes its signature twice: what its party signed is the same."""
    size, key = kept(there, "JP", "KR").size, there.nodes["KR"].keyring.log
    note = false_note(there, key, size)
    there.give("JP", "US", show(there, "JP", "US", note))
    with there.nodes["JP"].store(there.now) as store:
        log = store.kept_log(notes.parse(note).origin)
        store.keep_log(msgspec.structs.replace(log, suspended=None))
    line = note.rpartition(b"\n\n")[2]
    there.give("JP", "US", show(there, "JP", "US", note + line))
    assert kept(there, "JP", "KR").suspended is None
    assert blamed(there, "JP") == ["KR", "suspect"]
    there.give("JP", "US", show(there, "JP", "US", notes.sign(log.origin, size, b"\2" * 32, key)))
    assert kept(there, "JP", "KR").suspended is not None
