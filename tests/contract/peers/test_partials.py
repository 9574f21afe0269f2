"""Partials: what a relay left out still verifies, and whatever it changes, invents or denies is refused."""

from __future__ import annotations

import base64
import json
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secretariat.ledger import object_signature
from secretariat.ledger.property_tree import left_out_of, partial_of, reduced, root_with
from secretariat.records.canonical import canonical
from simulator import World, indicator, sealed

ALPHA = {**indicator("a"), "description": "canary-0815", "confidence": 80, "labels": ["x", "y"]}
NAME = ALPHA["id"]


def three(world, **more) -> tuple[World, list[bytes]]:
    """US shared with KR, which may pass on to JP with US's consent."""
    there = world("US", "KR", "JP", "AU")
    there.allow("US>KR", "US>KR>JP", "US>JP", "US>JP>AU")
    roots = there.publish("US", {**ALPHA, **more}, to=["KR"])
    there.converge()
    return there, roots


def relayed(there: World, roots: list[bytes], *names: str, to: str = "JP", via: str = "KR") -> None:
    word = there.consent("US", roots, via=via, to=to)
    there.converge()
    there.relay(via, roots, to=to, consent=word, left_out=names)


def held(there: World, party: str):
    with there.nodes[party].store(there.now) as store:
        (one,) = store.history(NAME)
        return one


def value(there: World, party: str) -> dict:
    return json.loads(held(there, party).data)


def verified(there: World, party: str) -> None:
    """The originator's signature holds over what `party` keeps."""
    one, ring = held(there, party), there.nodes["US"].keyring
    object_signature.verify_copy(one.signature, one.data, one.salt, {ring.record.key_id: ring.record.public})


def first(page: dict) -> dict:
    return next(one for entry in page["entries"] for one in entry.get("objects", ()))


def test_what_a_relay_leaves_out_never_arrives_and_the_originator_is_verified(world):
    there, roots = three(world)
    relayed(there, roots, "description", "confidence")
    there.converge()
    one = held(there, "JP")
    assert one.state == "partial"
    assert one.root == roots[0]
    assert left_out_of(one.salt) == ["confidence", "description"]
    assert "canary-0815" not in one.data.decode() + one.salt.decode()
    assert value(there, "JP") == {k: v for k, v in ALPHA.items() if k not in {"confidence", "description"}}
    verified(there, "JP")
    assert there.sees("JP") == {NAME}
    answers = {name.partition("/")[0]: state for name, state in there.holders("US", roots).items()}
    assert answers == {"KR": "received"}, "the relay answers for whom it does not name"
    assert there.refusals("JP") == []
    assert there.converge() == 0


def test_a_partial_goes_on_with_more_left_out_never_less(world):
    there, roots = three(world)
    relayed(there, roots, "description")
    there.converge()
    relayed(there, roots, "labels", to="AU", via="JP")
    there.converge()
    one = held(there, "AU")
    assert left_out_of(one.salt) == ["description", "labels"]
    assert "labels" in value(there, "JP")
    assert not {"labels", "description"} & value(there, "AU").keys()
    verified(there, "AU")


def test_a_full_copy_replaces_a_partial_and_a_partial_never_a_full_copy(world):
    there, roots = three(world)
    relayed(there, roots, "description")
    there.converge()
    with there.nodes["US"].store(there.now) as store:
        store.lock()
        store.publish(list(store.versions(roots).values()), ["JP"])
        there.grants(store, roots, ["JP"])
    there.converge()
    assert held(there, "JP").state == "kept"
    assert value(there, "JP") == ALPHA
    relayed(there, roots, "description", "labels")
    there.converge()
    assert held(there, "JP").state == "kept"
    assert value(there, "JP") == ALPHA
    verified(there, "JP")


def test_less_left_out_later_brings_more_and_other_things_left_out_change_nothing(world):
    there, roots = three(world)
    relayed(there, roots, "description", "labels")
    there.converge()
    relayed(there, roots, "confidence")
    there.converge()
    assert left_out_of(held(there, "JP").salt) == ["description", "labels"]
    relayed(there, roots, "labels")
    there.converge()
    assert left_out_of(held(there, "JP").salt) == ["labels"]
    assert value(there, "JP")["description"] == "canary-0815"


def whole_from_us(there: World, roots: list[bytes]) -> None:
    with there.nodes["US"].store(there.now) as store:
        store.lock()
        store.publish(list(store.versions(roots).values()), ["JP"])
        there.grants(store, roots, ["JP"])


@pytest.mark.parametrize("first", ["the part", "the whole"])
def test_of_what_waits_as_a_part_and_as_a_whole_the_whole_is_shown(world, first):
    there, roots = three(world)
    there.ignorant.add("JP")
    if first == "the whole":
        whole_from_us(there, roots)
        there.pull("JP", "US")
    relayed(there, roots, "description")
    there.pull("JP", "KR")
    if first == "the part":
        whole_from_us(there, roots)
    there.converge()
    assert held(there, "JP").state == "waiting"
    there.ignorant.clear()
    there.retry("JP")
    assert held(there, "JP").state == "kept"
    assert value(there, "JP") == ALPHA
    verified(there, "JP")


@pytest.mark.parametrize("first", ["the part", "the whole"])
def test_of_what_waits_nothing_is_shown_that_only_a_grant_without_right_permits(world, first):
    there, roots = three(world)
    there.ways.discard(("US", "US", "JP"))
    there.ignorant.add("JP")
    if first == "the whole":
        whole_from_us(there, roots)
        there.pull("JP", "US")
    relayed(there, roots, "description")
    there.pull("JP", "KR")
    if first == "the part":
        whole_from_us(there, roots)
    there.converge()
    there.ignorant.clear()
    there.retry("JP")
    assert held(there, "JP").state == "partial"
    assert left_out_of(held(there, "JP").salt) == ["description"]
    verified(there, "JP")


def test_a_recipient_that_asks_from_the_beginning_gets_what_it_may_read_now(world):
    """A grant of the whole, taken back, then one of a partial: the first entry brings nothing any more."""
    there, roots = three(world)
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    there.relay("KR", roots, to="JP", consent=word)
    there.narrow("KR", NAME, to="JP")
    there.relay("KR", roots, to="JP", consent=word, left_out=["description"])
    page = json.loads(msgspec.json.encode(there.page("JP", "KR")))
    objects = [one for entry in page["entries"] for one in entry.get("objects", ())]
    assert [one.get("gone") for one in objects] == ["not-granted", None]
    assert "canary-0815" not in json.dumps(page)
    there.converge()
    assert held(there, "JP").state == "partial"


def test_a_narrowed_grant_of_the_whole_leaves_what_the_other_grant_permits(world):
    there, roots = three(world)
    relayed(there, roots, "description")
    with there.nodes["US"].store(there.now) as store:
        store.lock()
        store.publish(list(store.versions(roots).values()), ["JP"])
        there.grants(store, roots, ["JP"])
    there.converge()
    assert value(there, "JP") == ALPHA
    there.narrow("US", NAME, to="JP")
    there.converge()
    assert held(there, "JP").state == "partial"
    assert "description" not in value(there, "JP")
    verified(there, "JP")


def test_a_withdrawal_destroys_a_partial_like_any_copy(world):
    there, roots = three(world)
    relayed(there, roots, "description")
    there.converge()
    there.withdraw("US", NAME)
    there.converge()
    assert there.sees("JP") == set()
    assert set(there.holders("US", roots).values()) == {"destroyed"}


def _changed(page):
    first(page)["object"]["name"] = "another"


def _invented(page):
    first(page)["leaves"].append("ab" * 32)


def _put_back(page):
    whole = {**first(page)["object"], "description": "harmless"}
    first(page)["object"] = dict(sorted(whole.items()))


def _salted(page):
    first(page)["salt"] = base64.b64encode(b"s" * 32).decode()


def _renamed(page):
    leaves = first(page)["leaves"]
    kept = next(one for one in leaves if not isinstance(one, str))
    kept[0] = "aaa"


def _shorter(page):
    first(page)["leaves"] = [one for one in first(page)["leaves"] if not isinstance(one, str)]


def _swapped(page):
    leaves = first(page)["leaves"]
    leaves[0], leaves[1] = leaves[1], leaves[0]


def _bare(page):
    first(page)["leaves"] = ["ab" * 32 if not isinstance(one, str) else one for one in first(page)["leaves"]]


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (_changed, "broken-signature"),
        (_invented, "broken-signature"),
        (_put_back, "broken-signature"),
        (_salted, "incomplete"),
        (_renamed, "broken-signature"),
        (_shorter, "broken-signature"),
        (_swapped, "broken-signature"),
        (_bare, "broken-signature"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__.strip("_"),
)
def test_a_bent_partial_is_refused(world, bend, code):
    there, roots = three(world)
    relayed(there, roots, "description")
    there.pull("JP", "KR", change=bend)
    assert there.refusals("JP") == [code]
    assert there.sees("JP") == set()


def cheat(there: World, roots: list[bytes], really: tuple[str, ...], said: list[str]) -> None:
    """KR's row says one thing, its page carries another."""
    word = there.consent("US", roots, via="KR", to="JP")
    there.converge()
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        (one,) = store.versions(roots).values()
        store.publish([one], ["JP"], really)
        there.grants(store, roots, ["JP"], (), word, {roots[0]: said} if said else None)

    _, proof = reduced(one.data, one.salt, really)
    less = {k: v for k, v in json.loads(one.data).items() if k not in really}

    def change(page):
        carried = first(page)
        carried.pop("gone", None)
        carried.update(object=less, originator="US", signature=json.loads(one.signature))
        if really:
            carried.pop("salt", None)
            carried["leaves"] = msgspec.to_builtins(partial_of(proof).leaves)
        else:
            carried.pop("leaves", None)
            carried["salt"] = base64.b64encode(one.salt).decode()
        page["count"]["gone"] = 0

    there.pull("JP", "KR", change=change)


@pytest.mark.parametrize(
    ("really", "said", "code"),
    [
        (("description",), ["confidence", "description"], "wrongly-left-out"),
        (("description", "labels"), ["description"], "wrongly-left-out"),
        (("description",), ["zzz"], "wrongly-left-out"),
        (("description",), ["name"], "wrongly-left-out"),
        (("description",), [], "wrongly-left-out"),
        (("pattern",), ["pattern"], "wrongly-left-out"),
        (("created_by_ref",), ["created_by_ref"], "wrongly-left-out"),
        (("type",), ["type"], "broken-signature"),
        ((), ["description"], "incomplete"),
    ],
    ids=[
        "more",
        "fewer",
        "another-place",
        "one-that-is-there",
        "none",
        "required",
        "author",
        "type",
        "whole",
    ],
)
def test_a_relay_that_says_otherwise_than_it_did_is_refused(world, really, said, code):
    there, roots = three(world, created_by_ref="identity--6f1d2c7e-5a0b-5c39-9e41-2008c5b3e7a1")
    cheat(there, roots, really, said)
    assert there.refusals("JP") == [code]
    assert there.sees("JP") == set()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    extra=st.dictionaries(
        st.from_regex("[a-z_]{3,12}", fullmatch=True), st.integers(-9999, 9999) | st.text(), max_size=8
    ),
    seed=st.integers(0, 2**32),
)
def test_leaving_out_in_any_steps_gives_one_root_and_one_copy(extra, seed):
    from simulator import memory_node

    dice = random.Random(seed)
    ring = memory_node("US").keyring
    whole = sealed(ring, {**extra, **ALPHA})
    optional = sorted({*extra, "description", "labels"} - (indicator("a").keys()))
    omit = [name for name in optional if dice.random() < 0.5]
    cut = dice.randint(0, len(omit))
    at_once = reduced(whole.data, whole.salt, omit)
    some = reduced(whole.data, whole.salt, omit[:cut])
    in_steps = reduced(canonical(some[0]), some[1], omit[cut:])
    assert in_steps == at_once
    assert root_with(canonical(at_once[0]), at_once[1]) == whole.root
    keys = {ring.record.key_id: ring.record.public}
    object_signature.verify_copy(whole.signature, canonical(at_once[0]), at_once[1], keys)
    for name in at_once[0]:
        bent = canonical({**at_once[0], name: "another"})
        with pytest.raises(Exception, match=r"signed|object"):
            object_signature.verify_copy(whole.signature, bent, at_once[1], keys)
