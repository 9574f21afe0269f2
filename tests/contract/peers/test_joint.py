"""Three nodes put a statement to signature: each sees who has signed that very version, and who has not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from secretariat.base.errors import ConflictError, NotFoundError, StateError
from secretariat.ledger import joint_service, joint_store
from secretariat.records import store as records

from .test_nodes import AMBER, Nodes, indicator


@pytest.fixture
def world(node):
    world = Nodes(node, "CN", "JP", "KR")
    world.converge()
    return world


def states(world, party: str, digest: bytes) -> dict[str, str]:
    with world.nodes[party].database.app("live") as tx:
        return {side.party: side.state for side in joint_service.standing(tx, digest).sides}


def outcome(world, party: str, digest: bytes) -> str:
    with world.nodes[party].database.app("live") as tx:
        return joint_service.standing(tx, digest).outcome


def put(world, name: str = "outcome", parties=("CN", "JP")) -> bytes:
    world.publish("KR", indicator(name))
    world.converge()
    return joint_service.propose(
        world.nodes["KR"], "live", str(indicator(name)["id"]), parties, by="kim", now=world.now
    )


def say(world, party: str, digest: bytes, stance: str, text: str = "") -> None:
    world.now += timedelta(seconds=1)
    joint_service.say(world.nodes[party], "live", digest, stance, text, by="anna", now=world.now)


def test_agreed_when_every_party_signed_and_every_node_sees_it(world):
    digest = put(world)
    assert states(world, "KR", digest) == {"CN": "silent", "JP": "silent", "KR": "signed"}
    world.converge()
    with world.nodes["JP"].database.app("live") as tx:
        assert [one.key for one in joint_service.waiting(tx, "JP")] == [digest.hex()]
    say(world, "JP", digest, "signed")
    say(world, "CN", digest, "reservation", "but not point 3")
    world.converge()
    for party in ("CN", "JP", "KR"):
        assert states(world, party, digest) == {"CN": "reservation", "JP": "signed", "KR": "signed"}
        assert outcome(world, party, digest) == "agreed-with-reservations"
    with world.nodes["JP"].database.app("live") as tx:
        assert joint_service.waiting(tx, "JP") == []
    assert world.converge() == 0


def test_an_objection_travels_in_the_partys_own_words(world):
    digest = put(world)
    world.converge()
    say(world, "JP", digest, "objects", "the date is not the one we agreed")
    world.converge()
    with world.nodes["KR"].database.app("live") as tx:
        found = joint_service.standing(tx, digest)
    assert found.outcome == "objected"
    side = next(one for one in found.sides if one.party == "JP")
    assert side.word is not None
    assert side.word.text == "the date is not the one we agreed"


def test_another_version_is_another_statement(world):
    digest = put(world)
    newer = indicator("outcome", modified="2013-03-21T05:00:00.000Z")
    world.publish("KR", newer)
    world.converge()
    again = joint_service.propose(
        world.nodes["KR"], "live", str(newer["id"]), ["CN", "JP"], by="kim", now=world.now
    )
    assert again != digest
    assert states(world, "KR", again)["JP"] == "silent"


def test_nobody_is_asked_to_sign_what_it_was_not_granted(world):
    world.publish("KR", indicator("amber", AMBER))
    with pytest.raises(StateError, match="CN was not granted"):
        joint_service.propose(
            world.nodes["KR"], "live", str(indicator("amber")["id"]), ["CN"], by="kim", now=world.now
        )


def test_what_another_party_states_is_not_ours_to_put_to_signature(world):
    put(world)
    world.converge()
    with pytest.raises(StateError, match="KR states this"):
        joint_service.propose(
            world.nodes["JP"], "live", str(indicator("outcome")["id"]), ["KR"], by="anna", now=world.now
        )


def test_the_same_version_is_put_to_the_same_parties_once(world):
    put(world)
    with pytest.raises(ConflictError, match="already"):
        joint_service.propose(
            world.nodes["KR"], "live", str(indicator("outcome")["id"]), ["JP", "CN"], by="kim", now=world.now
        )


def test_what_was_withdrawn_is_not_signed_any_more(world):
    from secretariat.exchange import service

    digest = put(world)
    world.converge()
    service.withdraw(
        world.nodes["KR"], "live", str(indicator("outcome")["id"]), reason="wrong", by="kim", now=world.now
    )
    world.converge()
    with pytest.raises(StateError, match="not held here"):
        say(world, "JP", digest, "signed")
    say(world, "JP", digest, "objects", "it was withdrawn before we could sign")


def test_a_party_signs_once(world):
    digest = put(world)
    world.converge()
    say(world, "JP", digest, "signed")
    with pytest.raises(ConflictError, match="signed this already"):
        say(world, "JP", digest, "reservation", "after all")


def test_a_party_that_is_not_named_has_no_word(world):
    digest = put(world, parties=("JP",))
    world.converge()
    with pytest.raises(NotFoundError):
        say(world, "CN", digest, "signed")


def test_a_word_on_a_statement_that_names_others_counts_for_nothing_and_is_shown(world):
    """CN signs what only JP and KR were asked to, and tells both."""
    from secretariat.ledger import entries, joint
    from secretariat.ledger import service as ledger

    digest = put(world, parties=("JP",))
    world.converge()
    with world.nodes["KR"].database.app("live") as tx:
        kept = joint_store.find(tx, digest)
    cheat = world.nodes["CN"]
    ring = cheat.keyring("live")
    body = entries.Countersign(
        to="KR",
        statement=json.loads(kept.payload),
        stance="signed",
        signature=entries.GivenSignature(*joint.sign(kept.payload, ring.record)),
    )
    with cheat.database.app("live") as tx:
        ledger.append(tx, ring, [entries.Draft("countersign", "KR", body)], now=world.now)
    world.converge()
    with world.nodes["KR"].database.app("live") as tx:
        (refused,) = joint_store.refused(tx)
        held = records.by_roots(tx, [kept.root])
    assert "not named" in refused.why
    assert held
    assert states(world, "KR", digest) == {"JP": "silent", "KR": "signed"}
