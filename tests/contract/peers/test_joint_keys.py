"""A record key is stolen after its party signed a joint statement: which of its words still count."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from contract.peers.test_key_drills import revoked
from contract.peers.test_nodes import Nodes, indicator
from secretariat.base.clock import AsOf
from secretariat.base.errors import ProofError
from secretariat.cli import app
from secretariat.exchange import renewal
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import joint_file, joint_service


@pytest.fixture
def world(node):
    there = Nodes(node, "JP", "KR")
    there.converge()
    there.publish("JP", indicator("outcome"))
    there.converge()
    return there


def put(world) -> bytes:
    made = joint_service.propose(
        world.nodes["JP"], "live", str(indicator("outcome")["id"]), ["KR"], by="anna", now=world.now
    )
    world.converge()
    return made


def say(world, party: str, digest: bytes, stance: str = "signed", text: str = "") -> None:
    world.now += timedelta(seconds=1)
    joint_service.say(world.nodes[party], "live", digest, stance, text, by="kim", now=world.now)


def stolen(world, since) -> bytes:
    """KR's record key was stolen; JP hears of it."""
    sealed = revoked(world, "record", since=since)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    return sealed


def standing(world, party: str, digest: bytes, as_of: AsOf | None = None):
    with world.nodes[party].database.app("live") as tx:
        return joint_service.standing(tx, digest, as_of)


def file_of(world, party: str, digest: bytes) -> bytes:
    made = world.nodes[party]
    with made.database.app("live") as tx:
        return joint_service.file_of(tx, made.keyring("live"), digest, with_text=False)


def witness_of(world, party: str) -> notes.VerifierKey:
    ring = world.nodes[party].keyring("live")
    return notes.parse_verifier_key(
        notes.verifier_key(ring.origin, ring.witness.public, notes.COSIGNATURE_V1)
    )


def test_a_signature_that_a_partner_saw_before_the_theft_counts_and_says_so(world):
    digest = put(world)
    say(world, "KR", digest)
    world.converge()
    world.now += timedelta(hours=1)
    stolen(world, world.now)
    for party in ("JP", "KR"):
        found = standing(world, party, digest)
        assert found.outcome == "agreed"
        word = next(one.word for one in found.sides if one.party == "KR")
        assert word.revoked.reason == "stolen"
        assert word.counts


def test_a_signature_that_nobody_saw_before_the_theft_is_void_until_it_is_said_again(world):
    digest = put(world)
    since = world.now
    world.now += timedelta(hours=1)
    say(world, "KR", digest)  # the thief, or KR itself: nobody can tell
    world.converge()
    stolen(world, since)
    for party in ("JP", "KR"):
        found = standing(world, party, digest)
        assert {one.party: one.state for one in found.sides} == {"JP": "signed", "KR": "void"}
        assert found.outcome == "open"
        assert found.silent == ["KR"]
    say(world, "KR", digest, "reservation", "not point 3")  # under the new key
    world.converge()
    for party in ("JP", "KR"):
        found = standing(world, party, digest)
        assert found.outcome == "agreed-with-reservations"
        assert next(one.void for one in found.sides if one.party == "KR").revoked is not None


def test_what_was_known_before_the_revocation_stands_on_a_page_of_that_day(world):
    digest = put(world)
    since = world.now
    world.now += timedelta(hours=1)
    say(world, "KR", digest)
    world.converge()
    then = AsOf(known_by=world.now)
    world.now += timedelta(hours=1)
    stolen(world, since)
    for party in ("JP", "KR"):
        assert standing(world, party, digest, then).outcome == "agreed"
        assert standing(world, party, digest).outcome == "open"


@pytest.mark.parametrize("party", ["JP", "KR"])
def test_a_file_proves_to_a_stranger_that_a_witness_saw_it_before_the_theft(world, party, tmp_path):
    digest = put(world)
    say(world, "KR", digest)
    world.converge()
    world.converge()
    world.now += timedelta(hours=1)
    stolen(world, world.now)
    data = file_of(world, party, digest)
    witness = witness_of(world, "JP")
    assert joint_file.verify(data, {}, witnesses=[witness]).outcome == "agreed"
    alone = joint_file.verify(data, {})
    assert alone.outcome == "open"
    assert witness.name in alone.seen_by["KR"]
    own = joint_file.verify(data, {}, witnesses=[witness_of(world, "KR")])  # the log's own word is nobody's
    assert own.outcome == "open"
    (tmp_path / "joint.json").write_bytes(data)
    ring = world.nodes["JP"].keyring("live")
    key = notes.verifier_key(ring.origin, ring.witness.public, notes.COSIGNATURE_V1)
    done = CliRunner().invoke(
        app, ["joint", "verify", str(tmp_path / "joint.json"), "--witness", key, "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["outcome"], told["revoked"]["KR"]["counts"]) == ("agreed", True)


def test_a_file_without_the_revocation_is_judged_with_the_statement_that_the_reader_has(world, tmp_path):
    digest = put(world)
    since = world.now
    world.now += timedelta(hours=1)
    say(world, "KR", digest)
    world.converge()
    data = file_of(world, "JP", digest)
    sealed = stolen(world, since)
    assert joint_file.verify(data, {}).outcome == "agreed"
    assert joint_file.verify(data, {}, stated=[sealed]).outcome == "open"
    after = joint_file.verify(file_of(world, "JP", digest), {})
    assert {one.party: one.state for one in after.sides} == {"JP": "signed", "KR": "void"}
    file = tmp_path / "joint.json"
    file.write_bytes(file_of(world, "JP", digest))
    done = CliRunner().invoke(app, ["joint", "verify", str(file)])
    assert "revoked since" in done.output
    assert "it counts no more" in done.output


@pytest.mark.parametrize("broken", ["path", "note", "salt"])
def test_a_false_proof_of_who_saw_it_is_refused(world, broken):
    digest = put(world)
    say(world, "KR", digest)
    world.converge()
    world.now += timedelta(hours=1)
    stolen(world, world.now)
    held = json.loads(file_of(world, "JP", digest))
    word = next(one for one in held["words"] if "seen" in one)
    shown = word["seen"][0]
    if broken == "path":
        shown["path"] = ["00" * 32, *shown["path"][1:]]
    elif broken == "salt":
        word["salt"] = "00" * 32
    else:
        shown["note"] = shown["note"].replace(shown["note"].split("\n")[2], "A" * 43 + "=", 1)
    with pytest.raises(ProofError):
        joint_file.verify(json.dumps(held).encode(), {}, witnesses=[witness_of(world, "JP")])
