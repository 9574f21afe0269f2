"""Two nodes that nobody reaches and one mailbox, over each store: an honest one, and one that cheats."""

from __future__ import annotations

import contextlib
import random
import runpy
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from secretariat.base.errors import ConflictError, DeniedError, InputError, LimitError
from secretariat.exchange import letters, mailbox
from secretariat.exchange.letters import Held, LetterError, Sealed
from secretariat.exchange.mailbox import MailboxFullError
from secretariat.ledger import sealing
from simulator import World, indicator, memory_node

Post = runpy.run_path(str(Path(__file__).with_name("post.py")))["Post"]


@pytest.fixture
def post(world):
    def make(**limits: int):
        made = world("JP", "KR", "US")
        made.allow("US>JP", "JP>US")
        return Post(made, "KR", **limits)

    return make


def letter(post, **given) -> Sealed:
    post.world.publish("US", indicator(f"filler {given.get('number')}"), to=["JP"])
    written = post.write("US", "JP")
    return msgspec.structs.replace(written, **given)


def test_a_report_its_receipt_and_its_withdrawal_pass_sealed_and_then_nothing_moves(post):
    there = post()
    stix_id = str(indicator("a")["id"])
    roots = there.world.publish("US", indicator("a", description="canary-0815"), to=["JP"])
    there.settle()
    assert there.world.sees("JP") == {stix_id}
    assert there.world.holders("US", roots) == {"JP": "received"}
    there.world.withdraw("US", stix_id)
    there.settle()
    assert there.world.sees("JP") == set()
    assert there.world.holders("US", roots) == {"JP": "destroyed"}
    assert there.refused == []
    assert there.settle() == 0
    with there.at("KR") as store:
        assert [one for end in there.ends for one in store.letters_for(end, 10)] == []
    assert all(b"canary" not in one.letter.box for one in there.seen)


def test_many_pages_follow_each_other_without_waiting(post):
    there = post()
    ids = {str(indicator(str(number))["id"]) for number in range(40)}
    for number in range(40):
        there.world.publish("US", indicator(str(number)), to=["JP"])
    there.settle()
    assert there.world.sees("JP") == ids
    assert there.refused == []


def test_both_checkpoints_are_kept_at_the_other_end(post):
    there = post()
    there.world.publish("US", indicator("a"), to=["JP"])
    there.settle()
    for one, other in (("JP", "US"), ("US", "JP")):
        with there.at(one) as store, there.at(other) as log:
            assert store.kept_log(log.origin).size == log.head().size


def test_a_letter_goes_out_now_and_then_so_that_contact_is_seen(post):
    there = post(mailbox_beat_s=60)
    there.settle()
    there.world.tick(seconds=61)
    assert there.turn() > 0
    assert there.settle() == 0


def test_a_silent_partner_is_written_to_ever_less(post):
    there = post(mailbox_beat_s=60)
    there.ends = ["US", "JP"]
    written = 0
    for _ in range(24 * 60):
        if (one := there.write("US", "JP")) is not None:
            there.post(one)
            written += 1
        there.world.tick(seconds=60)
    assert written < 20


def test_what_was_swallowed_is_sent_again(post):
    there = post(mailbox_resend_s=30)
    there.settle()
    there.world.publish("US", indicator("a"), to=["JP"])
    swallowed = there.write("US", "JP")
    with there.at("US") as store:  # the mailbox says yes and keeps nothing
        store.save_mail(mailbox.posted(store.mail("JP"), swallowed.number))
    there.settle()
    assert there.world.sees("JP") == set()
    there.world.tick(seconds=31)
    there.settle()
    assert there.world.sees("JP") == {str(indicator("a")["id"])}
    assert "letter-missing" in there.refused


def test_what_was_held_back_is_taken_when_it_comes_and_sent_again_meanwhile(post):
    there = post(mailbox_resend_s=30)
    there.settle()
    there.holding = True
    there.world.publish("US", indicator("a"), to=["JP"])
    for _ in range(10):
        there.turn()
        there.world.tick(seconds=31)
    assert there.world.sees("JP") == set()
    there.holding = False
    there.settle()
    assert there.world.sees("JP") == {str(indicator("a")["id"])}


def test_a_replayed_letter_is_refused_and_changes_nothing(post):
    there = post()
    there.world.publish("US", indicator("a"), to=["JP"])
    there.settle()
    old = next(one for one in there.seen if one.letter.to == "JP")
    stood = there.place("JP", "US")
    there.read("JP", old)
    assert there.refused == ["letter-replayed"]
    assert there.place("JP", "US") == stood
    assert there.settle() == 0


def test_letters_out_of_order_come_to_rest_with_everything_there(post):
    there = post(mailbox_resend_s=30)
    there.settle()
    for name in "abcd":
        there.world.publish("US", indicator(name), to=["JP"])
    while (one := there.write("US", "JP")) is not None:
        there.post(one)
    for held in reversed(there.collect("JP")):
        there.read("JP", held)
    assert "letter-replayed" in there.refused
    for _ in range(6):
        there.world.tick(seconds=61)
        there.settle()
    assert there.world.sees("JP") == {str(indicator(name)["id"]) for name in "abcd"}


@pytest.mark.parametrize(
    "bend",
    [
        lambda one: {"box": one.box[:40] + bytes([one.box[40] ^ 1]) + one.box[41:]},
        lambda one: {"box": one.box[:-1]},
        lambda _: {"box": b""},
        lambda one: {"number": one.number + 1},
        lambda _: {"key": "x25519-" + "0" * 32},
    ],
    ids=["a bit", "cut", "empty", "another number", "another key"],
)
def test_a_letter_that_was_tampered_with_is_refused_and_comes_again(post, bend):
    there = post()
    there.settle()
    there.world.publish("US", indicator("a"), to=["JP"])
    there.post(there.write("US", "JP"))

    def change(held: Held) -> Held:
        return msgspec.structs.replace(held, letter=msgspec.structs.replace(held.letter, **bend(held.letter)))

    there.change = change
    for held in there.collect("JP"):
        there.read("JP", held)
    assert there.refused == ["letter-broken"]
    there.change = lambda held: held
    there.settle()
    assert there.world.sees("JP") == {str(indicator("a")["id"])}


def test_a_letter_passed_off_as_another_partys_or_sealed_by_the_mailbox_itself_is_refused(post):
    there = post()
    there.settle()
    honest = letter(there)
    keys = there.world.nodes["JP"].keyring.sealing
    writers = {one.key_id: one.public for one in [there.world.nodes["US"].keyring.transport]}
    for given in ({"party": "CN"}, {"to": "US"}, {"realm": "exercise"}):
        with pytest.raises(LetterError, match="does not open"):
            letters.open_letter(msgspec.structs.replace(honest, **given), keys, writers)
    ring = there.world.nodes["KR"].keyring
    inner = letters.Letter(1, "live", "US", "JP", honest.number + 1, 0, "now", there.place("JP", "US"))
    false = letters.close(inner, ring.transport, keys.key_id, keys.public)
    with pytest.raises(LetterError, match="unknown key"):
        letters.open_letter(false, keys, writers)


def test_the_mailbox_itself_cannot_open_a_letter(post):
    there = post()
    sealed = letter(there)
    info = letters.info_of("live", "US", "JP", sealed.number, sealed.key)
    with pytest.raises(Exception, match="none of ours"):
        there.world.nodes["KR"].keyring.sealing.open(sealed.box, sealed.key, info)


def test_a_letter_sealed_to_a_former_key_opens_until_the_key_is_deleted(tmp_path):
    old = sealing.create(tmp_path)
    box = sealing.seal(b"report", old.public, b"info")
    fresh = sealing.rotate(tmp_path)
    assert fresh.key_id != old.key_id
    assert fresh.open(box, old.key_id, b"info") == b"report"
    (tmp_path / "retired" / f"{old.key_id}.pem").unlink()
    with pytest.raises(Exception, match="none of ours"):
        sealing.load(tmp_path).open(box, old.key_id, b"info")


def test_nobody_uses_a_mailbox_whose_administrator_did_not_allow_it(post):
    there = post()
    sealed = letter(there)
    with there.at("KR") as store:
        store.forbid_mail("US")
    with pytest.raises(DeniedError, match="US may not use"):
        there.post(sealed)
    with there.at("KR") as store:
        store.allow_mail("US", "test")
        store.forbid_mail("JP")
    with pytest.raises(DeniedError, match="JP has no mailbox"):
        there.post(sealed)
    with there.at("KR") as store, pytest.raises(DeniedError):
        mailbox.collect(store, "JP", letters.Have())


def test_to_forbid_destroys_what_waits(post):
    there = post()
    there.post(letter(there))
    with there.at("KR") as store:
        store.forbid_mail("JP")
        assert store.letters_for("JP", 10) == []


@pytest.mark.parametrize("given", [{"party": "JP"}, {"realm": "exercise"}, {"v": 2}])
def test_a_node_posts_its_own_letters_only(post, given):
    there = post()
    with pytest.raises(InputError, match="posted by US"):
        there.post(letter(there, **given), caller="US")


def test_the_same_letter_twice_is_one_and_another_under_its_number_is_refused(post):
    there = post()
    sealed = letter(there)
    there.post(sealed)
    there.post(sealed)
    with there.at("KR") as store:
        assert len(store.letters_for("JP", 10)) == 1
    with pytest.raises(ConflictError, match="comes after"):
        there.post(msgspec.structs.replace(sealed, box=sealed.box + b"x"))


def test_the_limit_of_letters_holds_at_its_edge(post):
    there = post(mailbox_letters=2)
    for number in (1, 2):
        there.post(letter(there, number=number))
    with pytest.raises(MailboxFullError) as refused:
        there.post(letter(there, number=3))
    assert (refused.value.status, refused.value.code, refused.value.where) == (
        507,
        "mailbox-full",
        "mailbox_letters",
    )


def test_the_limit_of_bytes_holds_at_its_edge(post):
    there = post(mailbox_bytes=1_000)
    there.post(letter(there, number=1, box=b"x" * 600))
    there.post(letter(there, number=2, box=b"x" * 400))
    with pytest.raises(MailboxFullError) as refused:
        there.post(letter(there, number=3, box=b"x"))
    assert refused.value.where == "mailbox_bytes"


def test_the_limit_of_one_letter_holds_at_its_edge(post):
    there = post(mailbox_letter_bytes=100)
    there.post(letter(there, number=1, box=b"x" * 100))
    with pytest.raises(LimitError, match="101 bytes"):
        there.post(letter(there, number=2, box=b"x" * 101))


def test_the_limit_of_age_holds_at_its_edge(post):
    there = post()
    there.post(letter(there))
    with there.at("KR") as store:
        posted_at = there.world.now
        assert store.expire_letters(posted_at) == 0
        assert store.expire_letters(posted_at + timedelta(microseconds=1)) == 1
        assert store.letters_for("JP", 10) == []


def test_a_full_mailbox_loses_nothing(post):
    there = post(mailbox_letters=1, mailbox_resend_s=30)
    ids = {str(indicator(name)["id"]) for name in "abc"}
    for name in "abc":
        there.world.publish("US", indicator(name), to=["JP"])
    there.settle()
    assert there.world.sees("JP") == ids
    assert there.refused == []


def test_what_the_reader_has_is_destroyed_and_the_rest_waits(post):
    there = post()
    for number in (1, 2, 3):
        there.post(letter(there, number=number))
    with there.at("KR") as store:
        assert store.drop_letters("JP", {"US": 2}, ()) == 2
        (left,) = store.letters_for("JP", 10)
        assert left.letter.number == 3
        assert store.drop_letters("JP", {"CN": 9}, (left.id + 1,)) == 0
        assert store.drop_letters("US", {}, (left.id,)) == 0
        assert store.drop_letters("JP", {}, (left.id,)) == 1


def test_numbers_go_on_after_a_backup_was_restored(post):
    there = post()
    there.settle()
    with there.at("US") as store:
        stood = store.mail("JP")
    there.world.publish("US", indicator("a"), to=["JP"])
    there.settle()
    with there.at("US") as store:
        store.save_mail(stood)
    there.world.publish("US", indicator("b"), to=["JP"])
    there.settle()
    there.settle()
    assert there.world.sees("JP") == {str(indicator(name)["id"]) for name in "ab"}
    assert "letter-replayed" not in there.refused


SHORT = {"mailbox_resend_s": 20, "mailbox_beat_s": 40}


@pytest.mark.parametrize("seed", range(25))
def test_in_any_order_of_mishaps_everything_arrives_at_last(seed):
    made = World("JP", "KR", "US", make=memory_node)
    made.allow("US>JP", "JP>US")
    mishaps(Post(made, "KR", **SHORT), seed)


@pytest.mark.parametrize("seed", [25])
def test_and_over_each_store_too(post, seed):
    mishaps(post(**SHORT), seed)


def mishaps(there, seed: int) -> None:
    """Play a random story of letters bent, lost, repeated and held back, then an honest end."""
    dice = random.Random(seed)
    wanted: dict[str, set[str]] = {"US": set(), "JP": set()}
    honest = there.change

    def cheat(held: Held) -> Held:
        if dice.random() < 0.2:
            bent = msgspec.structs.replace(held.letter, box=held.letter.box[:-1] + b"?")
            return msgspec.structs.replace(held, letter=bent)
        return held

    there.change = cheat
    for number in range(25):
        party, to = dice.sample(["US", "JP"], 2)
        if dice.random() < 0.5:
            there.world.publish(party, indicator(f"{party}{number}"), to=[to])
            wanted[to].add(str(indicator(f"{party}{number}")["id"]))
        luck = dice.random()
        if luck < 0.2 and there.seen:  # an old one once more
            old = dice.choice(there.seen)
            there.read(old.letter.to, old)
        elif luck < 0.4:  # swallowed
            if (lost := there.write(party, to)) is not None:
                with there.at(party) as store:
                    store.save_mail(mailbox.posted(store.mail(to), lost.number))
        elif luck < 0.5:
            there.holding = not there.holding
        else:
            with contextlib.suppress(MailboxFullError):
                there.turn()
        there.world.tick(seconds=dice.randint(0, 25))
    there.change, there.holding = honest, False
    for _ in range(12):
        there.world.tick(seconds=3_000)
        there.settle()
    assert there.world.sees("JP") == wanted["JP"]
    assert there.world.sees("US") == wanted["US"]
    assert there.settle() == 0
