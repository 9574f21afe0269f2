"""What rides along between nodes, over both stores: words of witnesses, forks that come to light."""

from __future__ import annotations

import base64

import msgspec
import pytest

from secretariat.exchange import riding
from secretariat.exchange.take import PageRefusedError
from secretariat.exchange.wire import riding_of
from secretariat.ledger import checkpoint, merkle, witness
from secretariat.ledger.keys import Signer
from secretariat.ledger.witness import BehindError, StoppedError
from simulator import World, indicator


@pytest.fixture
def three(world, monkeypatch):
    """KR publishes to JP and US; the three know of each other, and their nodes are told so."""
    there = world("KR", "JP", "US")
    for node in there.nodes.values():
        settled(monkeypatch, node, ("JP,KR,US",))
    there.allow("KR>JP", "KR>US")
    there.publish("KR", indicator("a"), to=["JP", "US"])
    there.converge()
    return there


def settled(monkeypatch, node, circles: tuple[str, ...]) -> None:
    if hasattr(node.backend, "settings"):
        monkeypatch.setattr(node.backend.settings, "circles", circles)
    else:
        node.backend.circles = circles


def words(there: World, at: str, of: str, position: int = 0) -> set[str]:
    """Whose words on a log a node has, by party."""
    with there.nodes[at].store(there.now) as store:
        found = store.covering(there.nodes[of].keyring.origin, position)
    names = {node.keyring.origin: party for party, node in there.nodes.items()}
    return {names[one.witness] for one in found}


def forked(there: World, size: int) -> tuple[bytes, bytes]:
    """A second history of KR's log of the same size, signed by KR: note and root."""
    ring = there.nodes["KR"].keyring
    root = merkle.root([merkle.leaf_hash(bytes([number])) for number in range(size)])
    return checkpoint.sign(ring.origin, size, root, ring.log), root


def kept(there: World, at: str, of: str):
    with there.nodes[at].store(there.now) as store:
        return store.kept_log(there.nodes[of].keyring.origin)


def show(there: World, to: str, by: str, *seen: bytes):
    """A page of `by` that shows these notes."""
    page = there.page(to, by)
    return msgspec.structs.replace(page, seen=tuple(one.decode() for one in seen))


def test_each_side_gets_the_others_word_and_that_of_the_third(three):
    assert words(three, "KR", "KR") == {"JP", "US"}
    assert words(three, "JP", "KR") == {"JP", "US"}
    assert words(three, "JP", "JP") == {"KR", "US"}
    with three.nodes["JP"].store(three.now) as store:
        shown = store.shown_logs(three.nodes["KR"].keyring.origin)
    assert [(one.told_by, one.state) for one in shown] == [("US", "agrees")]


def test_asked_again_nothing_new_is_signed_and_nothing_is_written(three):
    first, again = three.page("JP", "KR"), three.page("JP", "KR")
    assert riding_of(first) == riding_of(again)
    assert three.converge() == 0


def test_without_a_circle_nobody_is_named_or_shown_to_anybody(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    for one in there.nodes:
        for other in set(there.nodes) - {one}:
            brought = riding_of(there.page(one, other))
            assert (brought.follows, brought.seen) == ((), ())
            signed = {each.name for each in checkpoint.parse(brought.witnessed.encode()).signatures}
            assert signed == {there.nodes[each].keyring.origin for each in (one, other)}
            assert len(checkpoint.parse(there.page(one, other).checkpoint.encode()).signatures) == 1
    assert words(there, "KR", "KR") == {"JP", "US"}
    assert words(there, "JP", "KR") == {"JP"}


def test_what_the_receiver_does_not_name_is_not_shown_to_it(world, monkeypatch):
    """US would show KR's log to JP; JP is in no circle and names nobody."""
    there = world("KR", "JP", "US")
    settled(monkeypatch, there.nodes["US"], ("JP,KR,US",))
    there.converge()
    assert riding_of(there.page("JP", "US")).follows == (there.nodes["KR"].keyring.origin,)
    assert riding_of(there.page("JP", "US")).seen == ()


def test_two_roots_of_one_size_are_a_proof_and_suspend_the_log(three):
    before = kept(three, "JP", "KR")
    note, _ = forked(three, before.size)
    three.give("JP", "US", show(three, "JP", "US", note))
    assert "two different logs" in kept(three, "JP", "KR").suspended
    with three.nodes["JP"].store(three.now) as store:
        [found] = store.contradictions()
        notices = [store.entry(at).kind for at in range(store.head().size)]
    assert (found.party, found.told_by, found.size) == ("KR", "US", before.size)
    public = three.nodes["KR"].keyring.log.public
    assert {found.one, found.other} == {witness.bare(before.note, [public]), note}
    assert notices.count("suspect") == 1
    three.give("JP", "US", show(three, "JP", "US", note))
    with three.nodes["JP"].store(three.now) as store:
        assert len(store.contradictions()) == 1


def test_two_roots_of_a_size_that_was_kept_before_are_a_proof_too(three):
    old = kept(three, "JP", "KR").size
    three.publish("KR", indicator("b"), to=["JP"])
    three.converge()
    assert kept(three, "JP", "KR").size > old
    three.give("JP", "US", show(three, "JP", "US", forked(three, old)[0]))
    assert kept(three, "JP", "KR").suspended is not None


@pytest.mark.parametrize("own", [True, False], ids=["in the log's own name", "in other names"])
def test_a_log_that_pads_its_note_hides_no_fork_and_makes_no_liar_of_who_shows_it(three, own):
    """A note of US would be too long for JP, which would refuse it as false and never see the fork."""
    ring, before = three.nodes["KR"].keyring, kept(three, "JP", "KR")
    three.publish("KR", indicator("b"), to=["US"])
    page = three.page("US", "KR")
    junk = b"".join(
        b"\xe2\x80\x94 %b %b\n" % (name.encode(), base64.b64encode(bytes([number]) * 68))
        for number in range(1, 60)
        for name in [ring.origin if own else f"{number}.example/live"]
    )
    padded = msgspec.structs.replace(page, checkpoint=page.checkpoint + junk.decode())
    three.give("US", "KR", padded)
    three.pull("JP", "US")
    assert three.refusals("JP") == []
    with three.nodes["JP"].store(three.now) as store:
        assert [one.size for one in riding.open_shown(store, [before.origin])] == [
            kept(three, "US", "KR").size
        ]
    assert kept(three, "US", "KR").note == page.checkpoint.encode()


def test_a_checkpoint_with_extension_lines_is_no_page(three):
    """What a log adds to its checkpoint no witness signs, and nobody shows to others."""
    ring = three.nodes["KR"].keyring
    three.publish("KR", indicator("b"), to=["US"])
    page, before = three.page("US", "KR"), kept(three, "US", "KR")
    text = checkpoint.parse(page.checkpoint.encode()).text + b"x" * 5_000 + b"\n"
    hashed = checkpoint.key_hash(ring.origin, ring.log.public)
    line = checkpoint.written(checkpoint.SignatureLine(ring.origin, hashed, ring.log.sign(text)))
    longer = msgspec.structs.replace(page, checkpoint=(text + b"\n" + line).decode())
    with pytest.raises(PageRefusedError, match="extension lines") as refusal:
        three.give("US", "KR", longer)
    assert refusal.value.code == "checkpoint-signature"
    assert kept(three, "US", "KR") == before


def test_a_larger_tree_is_open_until_the_log_itself_decides(three):
    """Nothing is believed of it; when KR shows JP that size with another root, it is a proof."""
    before = kept(three, "JP", "KR")
    with three.nodes["KR"].store(three.now) as store:
        size = store.head().size
    note, _ = forked(three, size + 2)
    three.give("JP", "US", show(three, "JP", "US", note))
    assert kept(three, "JP", "KR") == before
    with three.nodes["JP"].store(three.now) as store:
        [shown] = store.shown_logs(before.origin)
    assert (shown.state, shown.size) == ("open", size + 2)
    three.publish("KR", indicator("b"), to=["JP"])  # publication and grant: two entries
    three.pull("JP", "KR")
    assert kept(three, "JP", "KR").suspended is not None


def test_a_larger_tree_that_is_proven_agrees(three):
    three.publish("KR", indicator("b"), to=["US"])
    three.pull("US", "KR")
    three.pull("JP", "US")
    origin, ours = three.nodes["KR"].keyring.origin, kept(three, "JP", "KR").size
    with three.nodes["KR"].store(three.now) as store:
        proof = store.consistency(ours, kept(three, "US", "KR").size)
    with three.nodes["JP"].store(three.now) as store:
        [shown] = riding.open_shown(store, [origin])
        assert not riding.reconcile(store, shown, [], ours)
        assert not riding.reconcile(store, shown, [b"\1" * 32] * len(proof), ours)
        assert riding.reconcile(store, shown, proof, ours)
        assert riding.open_shown(store, [origin]) == []
    assert words(three, "JP", "KR", ours) == {"US"}


def test_what_is_shown_of_a_log_that_is_not_followed_or_not_signed_by_it_is_nothing(three):
    stranger = World("CN").nodes["CN"].keyring
    other = checkpoint.sign(stranger.origin, 1, b"\1" * 32, stranger.log)
    false = checkpoint.sign(three.nodes["KR"].keyring.origin, 2, b"\1" * 32, stranger.log)
    three.give("JP", "US", show(three, "JP", "US", other, false, b"x", b"y" * 5_000))
    assert kept(three, "JP", "KR").suspended is None
    assert set(three.refusals("JP")) == {"false-seen"}
    with three.nodes["JP"].store(three.now) as store:
        assert store.shown_logs(stranger.origin) == []


def test_a_false_word_on_our_log_is_refused_and_stops_nothing(three):
    """JP shows a larger note of KR's log that another key signed, and one with a broken cosignature."""
    page = three.page("KR", "JP")
    ring = three.nodes["JP"].keyring
    false = checkpoint.sign(three.nodes["KR"].keyring.origin, 999, b"\1" * 32, ring.log)
    three.give("KR", "JP", msgspec.structs.replace(page, witnessed=false.decode()))
    with three.nodes["KR"].store(three.now) as store:
        note = store.head().note
        assert store.stopped() is None
        at = store.head().size
    word = witness.give(checkpoint.parse(note), ring, 7)
    bent = note + word.line[:-6] + b"AAA=\n"
    with three.nodes["KR"].store(three.now) as store:
        store.append([riding.Outgoing("note", None, {"act": "x"})])
    page = three.page("KR", "JP")
    fresh = msgspec.structs.replace(page, witnessed=bent.decode())
    three.give("KR", "JP", fresh)
    assert set(three.refusals("KR")) == {"false-witness"}
    assert at > 0


def test_a_node_that_was_put_back_finds_out_from_a_partner_that_suspended_its_log_first(three):
    """JP saw that KR's log is smaller than before and believes no more of it; KR still has to hear of it."""
    ring = three.nodes["KR"].keyring
    with three.nodes["KR"].store(three.now) as store:
        size = store.head().size
    with three.nodes["JP"].store(three.now) as store:
        kept = store.kept_log(ring.origin)
        lost = checkpoint.sign(ring.origin, size + 3, b"\1" * 32, ring.log)
        store.keep_log(msgspec.structs.replace(kept, size=size + 3, root=b"\1" * 32, note=lost))
        store.suspend_log(ring.origin, "it has fewer entries than were shown before")
    with pytest.raises(BehindError, match="put back to an older state"):
        three.pull("KR", "JP")


def test_a_node_that_was_put_back_finds_out_before_it_writes_or_signs_anything(three):
    """JP kept a checkpoint of KR's log, by KR's own key, that KR does not have."""
    ring = three.nodes["KR"].keyring
    with three.nodes["KR"].store(three.now) as store:
        size = store.head().size
    page = three.page("KR", "JP")
    for lost in (checkpoint.sign(ring.origin, size + 3, b"\1" * 32, ring.log), forked(three, size)[0]):
        with pytest.raises(BehindError, match="put back to an older state"):
            three.give("KR", "JP", msgspec.structs.replace(page, witnessed=lost.decode()))
    with three.nodes["KR"].store(three.now) as store:
        store.stop("JP holds more entries")
        store.stop("and later another reason")
    with three.nodes["KR"].store(three.now) as store:
        assert store.stopped() == "JP holds more entries"
        with pytest.raises(StoppedError, match="JP holds more entries"):
            store.lock()
    with pytest.raises(StoppedError), three.nodes["KR"].store(three.now) as store:
        store.append([riding.Outgoing("note", None, {"act": "x"})])


def test_who_shows_a_log_under_its_new_key_before_we_learn_of_it_is_not_accused(three):
    """KR took a new log key, US knows it already, JP does not yet."""
    ring = three.nodes["KR"].keyring
    size = kept(three, "JP", "KR").size
    fresh = checkpoint.sign(ring.origin, size, kept(three, "JP", "KR").root, Signer.generate())
    three.give("JP", "US", show(three, "JP", "US", fresh))
    assert three.refusals("JP") == []
    assert kept(three, "JP", "KR").suspended is None
    bent = bytearray(kept(three, "JP", "KR").note)
    bent[-4] ^= 1
    three.give("JP", "US", show(three, "JP", "US", bytes(bent)))
    assert three.refusals("JP") == ["false-seen"]


@pytest.mark.parametrize("ahead", [61, 900, 2_300_000_000])
def test_a_word_from_the_future_is_no_evidence_until_its_time(world, monkeypatch, ahead):
    """A witness's clock is wrong, or it lies: dated in 2100 its word would stand before any revocation."""
    three = world("KR", "JP", "US")
    for node in three.nodes.values():
        settled(monkeypatch, node, ("JP,KR,US",))
    three.allow("KR>JP", "KR>US")
    three.publish("KR", indicator("a"), to=["JP", "US"])
    three.pull("JP", "KR"), three.pull("US", "KR")
    ring, us = three.nodes["KR"].keyring, three.nodes["US"].keyring
    note = witness.bare(kept(three, "JP", "KR").note, [ring.log.public])
    seconds = int(three.now.timestamp()) + ahead
    word = checkpoint.cosign(note, us.origin, us.witness, us.witness.public, seconds)
    three.give("KR", "US", msgspec.structs.replace(three.page("KR", "US"), witnessed=word.decode()))
    three.give("JP", "US", show(three, "JP", "US", word))
    assert "US" not in words(three, "KR", "KR") | words(three, "JP", "KR")
    assert not three.refusals("KR")
    near = checkpoint.cosign(note, us.origin, us.witness, us.witness.public, seconds - ahead + 60)
    three.give("KR", "US", msgspec.structs.replace(three.page("KR", "US"), witnessed=near.decode()))
    three.give("JP", "US", show(three, "JP", "US", near))
    assert "US" in words(three, "KR", "KR")
    assert "US" in words(three, "JP", "KR")


def test_a_word_on_a_log_whose_key_was_replaced_since_is_no_false_one(three):
    """JP knows KR's new log key already; the newest checkpoint that it keeps is signed by the former one."""
    three.publish("KR", indicator("b"), to=["JP"])
    three.pull("JP", "KR")
    size = kept(three, "JP", "KR").size
    with three.nodes["JP"].store(three.now) as store:
        peer = store.peer("KR")
        key = Signer.generate()
        store.save_peer(msgspec.structs.replace(peer, log_keys={key.key_id: key.public}))
    three.pull("KR", "JP")
    assert three.refusals("KR") == []
    assert words(three, "KR", "KR", size - 1) == {"JP"}
