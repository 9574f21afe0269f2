"""Lies about joint statements and about what was left out of a copy."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.exchange.offer import without
from secretariat.exchange.peers import Outgoing
from secretariat.ledger import entries, joint
from secretariat.ledger.joint_service import KIND
from secretariat.ledger.property_tree import left_out_of, partial_of
from secretariat.records import leaving_out

from .cheating import cheat, note, victim_of
from .false_pages import rewritten

if TYPE_CHECKING:
    from secretariat.exchange.wire import Page

    from .network import Way
    from .party import Party
    from .play import Play


@dataclass
class FalseWord:
    """An entry that says it is a word on a joint statement and is none."""

    by: str
    victim: str
    origin: str
    position: int
    how: str


@cheat
def slipped_version(play: Play, party: Party, dice: random.Random) -> bool:
    """Put one version to signature by one party and another, under the same id, by another party."""
    reached = [
        one for one in play.linked(party.code) if play.works(party.code, one) and one not in party.forked
    ]
    pairs = [
        pair
        for pair in itertools.permutations(reached, 2)
        if (pair[0], pair[1]) in play.network.ways and all(play.parties[one].honest for one in pair)
    ]
    if not pairs:
        return False
    pair = dice.choice(pairs)
    value = play.value(dice, party.code, "CLEAR")
    newer = {**value, "modified": "2026-11-22T02:30:00.000Z", "name": f"slipped {dice.getrandbits(64)}"}
    for one in (value, newer):
        if not play.release(party, dice, [one], "CLEAR", pair):
            return False
    versions = sorted(play.oracle.known_as(value["id"]), key=lambda item: item.version)
    for one, item in zip(pair, versions, strict=True):
        payload = play.payload_of(item, [party.code, *pair])
        play.countersign(party, payload, "signed", to=[one])
        play.ask_to_sign(payload, [one], dice, "signed")
    return True


@cheat
def false_word(play: Play, party: Party, dice: random.Random) -> bool:
    """Sign what names others, what was signed was something else, or sign with another's name."""
    to = victim_of(play, party, dice)
    others = [one for one in play.parties if one not in {to, party.code}]
    items = sorted(play.oracle.items.values(), key=lambda one: one.root)
    if to is None or not others or not items:
        return False
    other = dice.choice(others)
    how = dice.choice(["not named", "another version", "another's key", "no signature"])
    payload = play.payload_of(dice.choice(items), [to, other, *([] if how == "not named" else [party.code])])
    signed = payload
    if how == "another version":
        signed = play.payload_of(dice.choice(items), [to, other, party.code])
        if signed == payload:
            signed = payload.replace(b'"live"', b'"exercise"')
    key, text = joint.sign(signed, party.ring.record)
    if how == "another's key":
        key = play.parties[other].ring.record.key_id
    body = entries.Countersign(
        to=to,
        statement=msgspec.json.decode(payload),
        stance="signed",
        signature=None if how == "no signature" else entries.GivenSignature(key, text),
    )
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        (position,) = store.append([Outgoing(KIND, to, body)])
    play.false_words.append(FalseWord(party.code, to, party.ring.origin, position, how))
    return True


@cheat
def wrongly_left_out(play: Play, party: Party, dice: random.Random) -> bool:
    """Leave more out of a copy than the grant says, or change one leaf of what is missing."""
    to = victim_of(play, party, dice)
    if to is None or (to, party.code) in play.by_hand:
        return False
    have = [
        one
        for one in [*play.relayable(party), *play.own_versions(party)]
        if not left_out_of(one.salt)
        and one.originator != to
        and len(leaving_out.optional(msgspec.json.decode(one.data))) > 1
        and not any(given.to == to for given in play.oracle.given[one.root])
    ]
    ready = [
        (one, decision)
        for one in have
        if (decision := play.decided(party, to, play.oracle.items[one.root].colour, one)) is not None
    ]
    if not ready:
        return False
    version, decision = dice.choice(ready)
    really = leaving_out.optional(msgspec.json.decode(version.data))
    really = sorted(dice.sample(really, dice.randint(2, len(really))))
    leaf = dice.random() < 0.3
    said = really if leaf else really[: dice.randint(1, len(really) - 1)]
    colour = play.oracle.items[version.root].colour
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to], really)
        root = version.root.hex()
        # with a leaf changed only on its way it is a right grant that may never come
        facts, row = play.proof_of(party, to, version), {root: said}
        play.grant(store, party, [version], [(to, decision)], colour, facts, left_out=row, right=leaf)
    for given in play.oracle.standing(party.code, to, version.root):
        given.sound = False
    less = without(version, really)
    proof = partial_of(less.salt)
    assert proof is not None
    leaves = msgspec.to_builtins(proof.leaves)
    if leaf:
        at = next(number for number, one in enumerate(leaves) if isinstance(one, str))
        leaves[at] = dice.randbytes(32).hex()

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        if not any(one.root == root for entry in page.entries for one in entry.objects):
            return None

        def change(value: dict[str, Any]) -> None:
            one = next(
                one for entry in value["entries"] for one in entry.get("objects", ()) if one["root"] == root
            )
            value["count"]["gone"] -= one.pop("gone", None) is not None
            one.pop("salt", None)
            one.update(
                object=msgspec.json.decode(less.data),
                signature=msgspec.json.decode(less.signature),
                originator=version.originator,
                leaves=leaves,
            )

        return rewritten(page, change)

    party.bends[to].append(trick)
    codes = ("wrongly-left-out", "broken-signature")
    return note(play, "wrongly_left_out", party.code, to, *codes, root=version.root, strict=False)
