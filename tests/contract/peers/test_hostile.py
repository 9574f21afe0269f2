"""What a hostile partner tries: refused before any viewer sees it, with the reason, nothing half-loaded.

Each case bends a real page on its way, or lets the partner sign what it must not. Over both stores.
"""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from secretariat.exchange.offer import references_of
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.take import PageRefusedError
from secretariat.exchange.wire import encode
from secretariat.ledger import checkpoint, dsse, entries
from secretariat.ledger.keys import Signer
from simulator import World, indicator, sealed

A, B = indicator("a")["id"], indicator("b")["id"]


def flipped(text: str) -> str:
    """Change one bit of base64."""
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def two(world, **how) -> World:
    """KR granted two objects to JP, which has not fetched them."""
    there = world("KR", "JP", **how)
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), indicator("b"), to=["JP"])
    return there


def first(page: dict) -> dict:
    return page["entries"][0]["objects"][0]


def refused(there: World, code: str, change) -> None:
    """The page is refused for `code`, recorded, and nothing of it is kept; the true page is still taken."""
    with pytest.raises(PageRefusedError) as refusal:
        there.pull("JP", "KR", change=change)
    assert refusal.value.code == code
    assert there.refusals("JP") == [code]
    assert there.sees("JP") == set()
    with there.nodes["JP"].store(there.now) as store:
        assert store.kept_log(there.nodes["KR"].keyring.origin) is None
        assert list(store.addressed("KR", 0)) == []
    assert there.converge() == 2


def objects_refused(there: World, code: str, change) -> None:
    """One object is refused for `code`, the other one of the page arrives, and the receipt says both."""
    there.pull("JP", "KR", change=change)
    assert there.refusals("JP") == [code]
    assert len(there.sees("JP")) == 1
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        roots = [one.root for name in (A, B) for one in store.history(name)]
        assert sorted(one.state for one in store.holdings(roots)) == ["received", "refused"]


def test_an_object_whose_signature_is_broken_is_refused_and_the_rest_arrives(world):
    def change(page):
        signature = first(page)["signature"]["signatures"][0]
        signature["sig"] = flipped(signature["sig"])

    objects_refused(two(world), "broken-signature", change)


def test_an_object_signed_by_somebody_else_is_refused(world):
    there = two(world)

    def change(page):
        false = sealed(there.nodes["JP"].keyring, indicator("a"))
        first(page)["signature"] = json.loads(false.signature)

    objects_refused(there, "broken-signature", change)


def test_an_object_changed_by_one_letter_is_refused(world):
    objects_refused(two(world), "broken-signature", lambda page: first(page)["object"].update(name="z"))


def test_an_object_with_another_salt_is_refused(world):
    def change(page):
        first(page)["salt"] = flipped(first(page)["salt"])

    objects_refused(two(world), "broken-signature", change)


def test_an_object_in_another_form_than_the_signed_one_is_refused(world):
    def change(page):
        value = first(page)["object"]
        first(page)["object"] = dict(reversed(value.items()))

    objects_refused(two(world), "not-canonical", change)


def test_an_object_deeper_than_the_limit_is_refused(world):
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    objects_refused(two(world), "bad-object", lambda page: first(page)["object"].update(x=deep))


def test_another_object_than_the_granted_one_is_refused(world):
    there = two(world)

    def change(page):
        other = sealed(there.nodes["KR"].keyring, indicator("c"))
        first(page).update(
            object=json.loads(other.data),
            salt=base64.b64encode(other.salt).decode(),
            signature=json.loads(other.signature),
        )

    objects_refused(there, "wrong-root", change)


def test_a_forged_grant_is_quarantined_unseen(world):
    there = world("KR", "CN")
    roots = there.publish("KR", indicator("annex"), to=["CN"])
    there.converge()
    assert there.sees("CN") == set()
    assert there.refusals("CN") == ["grant-differs"]
    assert there.states("CN", "annex") == ["quarantined"]
    assert there.holders("KR", roots) == {"CN": "quarantined"}


def test_a_forged_grant_that_waited_first_is_recorded_when_it_is_ruled_on(world):
    there = world("KR", "CN")
    there.ignorant = {"CN"}
    there.publish("KR", indicator("annex"), to=["CN"])
    there.converge()
    assert (there.states("CN", "annex"), there.refusals("CN")) == (["waiting"], [])
    there.ignorant = set()
    there.retry("CN")
    assert (there.states("CN", "annex"), there.refusals("CN")) == (["quarantined"], ["grant-differs"])


def test_a_grant_changed_on_the_way_is_not_in_the_log(world):
    def change(page):
        envelope = page["entries"][0]["envelope"]
        body = base64.b64decode(envelope["payload"]).replace(b"sim/1", b"sim/2")
        envelope["payload"] = base64.b64encode(body).decode()

    refused(two(world), "not-in-log", change)


def test_an_entry_signed_by_another_key_is_refused_even_when_the_log_holds_it(world):
    there = two(world)
    with there.nodes["JP"].store(there.now) as store:
        peer = store.peer("KR")
        stranger = Signer.from_seed(b"\x09" * 32)
        store.save_peer(msgspec.structs.replace(peer, record_keys={stranger.key_id: stranger.public}))
    with pytest.raises(PageRefusedError) as refusal:
        there.pull("JP", "KR")
    assert refusal.value.code == "entry-signature"
    assert there.sees("JP") == set()


def test_an_entry_for_somebody_else_is_refused(world):
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>US")
    there.publish("KR", indicator("a"), to=["US"])
    page = there.page("US", "KR")
    with pytest.raises(PageRefusedError) as refusal:
        there.pull("JP", "KR", change=lambda _: {**json.loads(encode(page)), "to": "JP"})
    assert refusal.value.code == "not-addressed"
    assert there.sees("JP") == set()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("an object left out", lambda page: page["entries"][0]["objects"].pop()),
        ("objects in another order", lambda page: page["entries"][0]["objects"].reverse()),
        ("an entry left out", lambda page: page["entries"].pop()),
        ("another count", lambda page: page["count"].update(objects=1)),
        ("another hash", lambda page: page.update(hash="0" * 64)),
        ("an end further on", lambda page: page["next"].update(position=10_000)),
        ("an end in the middle", lambda page: page["next"].update(offset=1)),
        ("an end before the start", lambda page: page["next"].update(position=0)),
    ],
)
def test_a_page_that_is_not_what_it_says_is_refused(world, name, change):
    def bend(page):
        change(page)

    refused(two(world), "incomplete", bend)


@pytest.mark.parametrize(
    ("field", "value"), [("realm", "exercise"), ("origin", "us.example/live"), ("party", "US")]
)
def test_a_page_of_another_realm_log_or_party_is_refused(world, field, value):
    refused(two(world), "wrong-sender", lambda page: page.update({field: value}))


def test_a_checkpoint_signed_by_another_key_is_refused(world):
    there = two(world)

    def change(page):
        held = checkpoint.parse(page["checkpoint"].encode())
        stranger = Signer.from_seed(b"\x09" * 32)
        page["checkpoint"] = checkpoint.sign(held.origin, held.size, held.root, stranger).decode()

    refused(there, "checkpoint-signature", change)


def shown(there: World, size: int, root: bytes) -> str:
    ring = there.nodes["KR"].keyring
    return checkpoint.sign(ring.origin, size, root, ring.log).decode()


def bent_log(there: World, change) -> PageRefusedError:
    there.converge()
    with pytest.raises(PageRefusedError) as refusal:
        there.pull("JP", "KR", change=change)
    assert there.sees("JP") == {A, B}
    return refusal.value


def test_a_log_rolled_back_behind_the_kept_checkpoint_is_refused(world):
    there = two(world)
    error = bent_log(there, lambda page: page.update(checkpoint=shown(there, 1, b"\x01" * 32)))
    assert (error.code, error.suspends) == ("log-rolled-back", True)


def test_a_log_that_contradicts_the_kept_checkpoint_is_refused(world):
    there = two(world)

    def other_root(page):
        size = checkpoint.parse(page["checkpoint"].encode()).size
        page["checkpoint"] = shown(there, size, b"\x01" * 32)

    error = bent_log(there, other_root)
    assert (error.code, error.suspends) == ("log-contradicts", True)


def test_a_longer_log_that_does_not_continue_the_kept_one_is_refused(world):
    there = two(world)

    def longer(page):
        size = checkpoint.parse(page["checkpoint"].encode()).size
        page["checkpoint"] = shown(there, size + 3, b"\x01" * 32)

    error = bent_log(there, longer)
    assert (error.code, error.suspends) == ("log-unproven", False)


def test_a_false_proof_at_the_same_root_is_no_word_against_the_log(world):
    there = two(world)
    error = bent_log(there, lambda page: page.update(consistency=["AQ" * 21 + "E="]))
    assert (error.code, error.suspends) == ("log-unproven", False)
    there.publish("KR", indicator("c"), to=["JP"])
    there.converge()
    assert there.sees("JP") == {A, B, indicator("c")["id"]}


def test_what_came_before_the_fault_is_not_kept_either(world):
    there = two(world)
    there.publish("KR", indicator("c"), to=["JP"])

    def change(page):
        page["entries"][1]["envelope"]["payload"] = page["entries"][0]["envelope"]["payload"]

    with pytest.raises(PageRefusedError):
        there.pull("JP", "KR", change=change)
    assert there.sees("JP") == set()
    assert there.converge() == 3


def test_a_receipt_about_what_was_never_sent_is_recorded_as_false(world):
    there = two(world)
    there.converge()
    origin = there.nodes["KR"].keyring.origin
    with there.nodes["JP"].store(there.now) as store:
        lie = entries.Receipt(
            to="KR", about=entries.EntryRef(origin, 1), state="destroyed", objects=["ab" * 32]
        )
        store.append([Outgoing("receipt", "KR", lie)])
    there.converge()
    assert there.refusals("KR") == ["false-receipt"]


def test_a_receipt_that_names_too_many_holders_is_recorded_and_notes_none(world):
    there = world("KR", "JP")
    there.allow("KR>JP")
    roots = there.publish("KR", indicator("a"), to=["JP"])
    there.converge()
    with there.nodes["JP"].store(there.now) as store:
        (grant,) = store.arrived(roots)[roots[0]]
        bomb = entries.Receipt(
            to="KR",
            about=entries.EntryRef(grant.origin, grant.position),
            state="received",
            objects=[roots[0].hex()],
            downstream=[{"party": f"P{number}", "state": "asked"} for number in range(1001)],
        )
        store.append([Outgoing("receipt", "KR", bomb)])
    there.converge()
    assert there.refusals("KR") == ["bad-entry"]
    assert set(there.holders("KR", roots)) == {"JP"}


@pytest.mark.parametrize("step", [0, 1], ids=["one, again and again", "all different"])
def test_of_what_a_grant_says_it_rests_on_no_more_is_looked_up_than_a_node_can(world, step):
    there = two(world)
    there.converge()
    many = [{"origin": "us.example/live", "position": number * step} for number in range(50_000)]
    with there.nodes["KR"].store(there.now) as store:
        (position,) = store.append([Outgoing("narrow", "JP", entries.Narrow(to="JP", objects=[]))])
        statement = entries.read(dsse.payload_of(store.entry(position).envelope))
    body = {"to": "JP", "rows": [], "facts": {"evidence": many}}
    bomb = msgspec.structs.replace(statement, kind="grant", body=body)
    assert len(list(references_of(bomb))) == (1000 if step else 1)


def test_a_false_consent_does_not_carry_an_object_further(world):
    there = world("US", "KR", "JP")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("orcon"), to=["KR"])
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        body = entries.Consent(to="US", objects=[root.hex() for root in roots], to_reader="JP")
        (position,) = store.append([Outgoing("consent", "US", body)])
    there.relay("KR", roots, to="JP", consent=(there.nodes["KR"].keyring.origin, position))
    there.converge()
    assert there.sees("JP") == set()
    assert there.refusals("JP") == ["grant-differs"]


def test_an_object_whose_signature_breaks_while_it_waits_is_thrown_away_when_its_originator_enrols(world):
    there = world("US", "KR", "JP")
    there.forget("JP", "US")
    there.allow("US>KR", "US>KR>JP")
    roots = there.publish("US", indicator("a"), to=["KR"])
    consent = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=consent)

    def change(page):
        for carried in page["entries"]:
            for one in carried.get("objects", ()):
                signature = one["signature"]["signatures"][0]
                signature["sig"] = flipped(signature["sig"])

    there.pull("JP", "KR", change=change)
    assert there.states("JP", "a") == ["waiting"]
    there.enrol("JP", "US")
    there.retry("JP")
    assert there.sees("JP") == set()
    assert there.states("JP", "a") == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("withdraw", {"to": "JP", "objects": ["nonsense"]}),
        ("withdraw", {"to": "JP", "objects": [{"root": 1}]}),
        ("narrow", {"to": "JP", "objects": [], "passed_on": {"origin": "x", "position": 10**9}}),
        (
            "receipt",
            {"to": "JP", "about": {"origin": "x", "position": 0}, "state": "made-up", "objects": "all"},
        ),
        ("consent", {"to": "JP", "to_reader": "US", "until": "some day"}),
    ],
)
def test_an_entry_that_makes_no_sense_stops_nothing(world, kind, body):
    there = two(world)
    with there.nodes["KR"].store(there.now) as store:
        store.append([Outgoing(kind, "JP", body)])
    assert there.converge() == 2
    assert there.sees("JP") == {A, B}
