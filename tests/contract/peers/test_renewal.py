"""New keys reach partners by a statement under the root key, while nodes serve; nobody accepts again."""

from __future__ import annotations

import contextlib
import runpy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest

from contract.peers.test_nodes import Nodes, indicator
from secretariat.agreements import store as agreements
from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, DeniedError, ProofError
from secretariat.exchange import enrolment, peer_pages, renewal, wire
from secretariat.exchange import store as tables
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.take import PageRefusedError
from secretariat.ledger import dsse, export
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Keyring, Signer
from secretariat.records.canonical import canonical

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
until = served["until"]


def rotated(node, *roles: str, moment):
    """Give the node with new keys in some roles, and their `key` entry written."""
    fresh = {}
    for realm, ring in node.keys.items():
        new = replace(ring, **{role: Signer.generate() for role in roles})
        with node.database.app(realm) as tx:
            ledger.append(tx, new, [ledger.key_draft(new, reason="yearly")], now=moment)
        fresh[realm] = new
    return replace(node, keys=fresh)


def peer_of(node, party: str):
    with node.database.app("live") as tx:
        return tables.read_peers(tx, "WHERE party = %s", [party])[0]


@pytest.fixture
def world(node):
    there = Nodes(node, "KR", "JP")
    there.converge()
    there.publish("KR", indicator("a"))
    there.converge()
    return there


def rotate(world, *roles: str):
    """KR takes new keys; gives its new statement."""
    world.now += timedelta(seconds=1)
    world.nodes["KR"] = rotated(world.nodes["KR"], *roles, moment=world.now)
    world.now += timedelta(seconds=1)
    return enrolment.describe(world.nodes["KR"], now=world.now)


@pytest.mark.parametrize("role", ["record", "log"])
def test_new_keys_are_refused_until_the_root_key_states_them(world, role):
    sealed = rotate(world, role)
    world.publish("KR", indicator("b"))
    with pytest.raises(PageRefusedError):
        world.pull("JP", "KR")
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    world.converge()
    assert len(world.sees("JP")) == 2
    assert not renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)


def test_what_the_old_key_signed_stays_good_and_is_proven_offline(world, tmp_path):
    world.publish("KR", indicator("b"))  # signed before, fetched after
    sealed = rotate(world, "record", "log", "transport")
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    world.publish("KR", indicator("c"))
    world.converge()
    assert len(world.sees("JP")) == 3
    ring = world.nodes["KR"].keyring("live")
    with world.nodes["JP"].database.app("live") as tx:
        export.write_kept(tx, ring.origin, tmp_path / "kr", realm="live", now=world.now)
    report = export.verify_file(tmp_path / "kr", root_key=ring.root_public)
    assert (report.holds, report.problems) == (True, [])


def test_an_entry_that_the_old_key_signs_afterwards_is_not_believed(world):
    old = world.nodes["KR"].keyring("live")
    sealed = rotate(world, "record")
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    stolen = replace(world.nodes["KR"].keyring("live"), record=old.record)
    with world.nodes["KR"].database.app("live") as tx:  # the thief writes the log as its owner would
        ledger.append(tx, stolen, [ledger.key_draft(stolen, reason="x")], now=world.now)
    world.nodes["KR"] = replace(world.nodes["KR"], keys={**world.nodes["KR"].keys, "live": stolen})
    world.publish("KR", indicator("b"))
    with pytest.raises(PageRefusedError, match="unknown key") as refusal:
        world.pull("JP", "KR")
    assert refusal.value.code == "entry-signature"


def test_former_log_keys_stay_known_whoever_took_the_statement(world):
    """Else a fork that they signed would be nobody's (riding.py, rule 4)."""
    jp, first = world.nodes["JP"], world.nodes["KR"].keyring("live").log
    assert renewal.renew(jp, "live", rotate(world, "log"), now=world.now)
    second = world.nodes["KR"].keyring("live").log
    assert peer_of(jp, "KR").former_log_keys == {first.key_id: first.public}
    words = fingerprint("KR", world.nodes["KR"].keyring("live").root_public)
    enrolment.accept(jp, rotate(world, "log"), words, now=world.now)
    third = world.nodes["KR"].keyring("live").log
    found = peer_of(jp, "KR")
    assert found.log_keys == {third.key_id: third.public}
    assert found.former_log_keys == {one.key_id: one.public for one in (first, second)}


def test_an_older_statement_sent_again_changes_nothing(world):
    old = enrolment.describe(world.nodes["KR"], now=world.now)
    sealed = rotate(world, "record", "log", "transport")
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    before = peer_of(world.nodes["JP"], "KR")
    assert not renewal.renew(world.nodes["JP"], "live", old, now=world.now)
    assert peer_of(world.nodes["JP"], "KR") == before


def test_an_older_statement_accepted_by_a_person_is_refused_and_changes_nothing(world):
    old, words = enrolment.invite(world.nodes["KR"], "JP", now=world.now)
    sealed = rotate(world, "record", "log", "transport")
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    before = peer_of(world.nodes["JP"], "KR")
    with pytest.raises(ConflictError, match="its keys may be retired"):
        enrolment.accept(world.nodes["JP"], old, words, now=world.now)
    assert peer_of(world.nodes["JP"], "KR") == before
    world.publish("KR", indicator("b"))
    world.converge()
    assert len(world.sees("JP")) == 2


def forged(world, root: Signer, **changes: object) -> bytes:
    said = enrolment.open_descriptor(rotate(world, "record"))
    value = wire.encode(said)
    body = {**msgspec.json.decode(value), **changes}
    body["root"] = msgspec.to_builtins(wire.Key(root.key_id, root.public))
    return dsse.seal(canonical(body), wire.DESCRIPTOR_TYPE, root)


def test_a_statement_under_another_root_key_is_refused(world):
    before = peer_of(world.nodes["JP"], "KR")
    with pytest.raises(ProofError, match="another root key"):
        renewal.renew(world.nodes["JP"], "live", forged(world, Signer.generate()), now=world.now)
    assert peer_of(world.nodes["JP"], "KR") == before


def test_a_stranger_s_statement_is_refused(world):
    stranger = forged(world, Signer.generate(), party="US")
    with pytest.raises(DeniedError, match="US is not a partner"):
        renewal.renew(world.nodes["JP"], "live", stranger, now=world.now)


def test_a_statement_of_another_log_is_refused(world):
    ring = world.nodes["KR"].keyring("live")
    realms = {"live": {**_realm(world), "origin": "elsewhere.example/live"}}
    sealed = forged(world, ring.root, realms=realms)
    with pytest.raises(ConflictError, match="now it is elsewhere"):
        renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)


def _realm(world):
    said = enrolment.open_descriptor(enrolment.describe(world.nodes["KR"], now=world.now))
    return msgspec.to_builtins(said.realms["live"])


@pytest.mark.slow
def test_a_node_with_new_keys_goes_on_with_its_partners_by_itself(node, monkeypatch):
    """Record, log and transport key at once; the partner was serving all the time."""
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    with contextlib.ExitStack() as stack:
        listening = {
            party: stack.enter_context(contextlib.closing(served["free_socket"]())) for party in ("KR", "JP")
        }
        made = {
            party: node(party, url=f"http://127.0.0.1:{one.getsockname()[1]}", realms=("live",))
            for party, one in listening.items()
        }
        for one, other in (("KR", "JP"), ("JP", "KR")):
            sealed, words = enrolment.invite(made[other], one, now=now())
            enrolment.accept(made[one], sealed, words, now=now())
        stack.enter_context(served["serving"](made["JP"], listening["JP"]))
        there = Nodes.__new__(Nodes)
        there.nodes, there.now = made, now()
        again = listening["KR"].dup()
        with served["serving"](made["KR"], listening["KR"]):
            until(lambda: agreed(made["KR"], "JP") and agreed(made["JP"], "KR"), 60)
            there.now = now()
            there.publish("KR", indicator("a"))
            until(lambda: len(there.sees("JP")) == 1, 60)
        made["KR"] = rotated(made["KR"], "record", "log", "transport", moment=now())
        with served["serving"](made["KR"], again):
            there.now = now()
            there.publish("KR", indicator("b"))
            until(lambda: len(there.sees("JP")) == 2, 60)
            there.now = now()
            there.publish("JP", indicator("c"))
            until(lambda: len(there.sees("KR")) == 1, 60)
            held = peer_of(made["JP"], "KR")
            ring: Keyring = made["KR"].keyring("live")
            assert set(held.transport_keys) == {ring.transport.key_id}
            assert (ring.record.key_id in held.record_keys, len(held.retired)) == (True, 1)
            door = f"{made['JP'].settings.address('live')}/live/peer/v1/descriptor"
            other = dsse.seal(
                canonical({**_plain(made["KR"]), "root": _root(Signer.from_seed(b"\x07" * 32))}),
                wire.DESCRIPTOR_TYPE,
                Signer.from_seed(b"\x07" * 32),
            )
            with httpx2.Client(trust_env=False) as client:
                got = client.post(door, content=other)
                assert (got.status_code, got.json()["code"]) == (422, "proof-failed")
                assert client.post(door, content=b"x" * (renewal.MAX_BYTES + 1)).status_code == 413


def agreed(node, partner: str) -> bool:
    with node.database.app("live") as tx:
        return bool(agreements.agreed(tx, partner, node.party))


def _plain(node):
    return msgspec.to_builtins(enrolment.open_descriptor(enrolment.describe(node, now=now())))


def _root(signer):
    return msgspec.to_builtins(wire.Key(signer.key_id, signer.public))


def test_a_stolen_key_signs_nothing_for_the_time_between_rotation_and_statement(world):
    old = world.nodes["KR"].keyring("live")
    rotate(world, "record")
    between = world.now  # the node is down for days before it states its new keys
    world.now += timedelta(days=3)
    sealed = enrolment.describe(world.nodes["KR"], now=world.now)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    stolen = replace(world.nodes["KR"].keyring("live"), record=old.record)
    with world.nodes["KR"].database.app("live") as tx:
        ledger.append(tx, stolen, [ledger.key_draft(stolen, reason="x")], now=between)
    world.nodes["KR"] = replace(world.nodes["KR"], keys={**world.nodes["KR"].keys, "live": stolen})
    world.now = between + timedelta(minutes=1)
    world.publish("KR", indicator("b"))
    with pytest.raises(PageRefusedError, match="unknown key"):
        world.pull("JP", "KR")


def test_the_rotation_that_a_statement_names_is_never_later_than_itself(world):
    sealed = rotate(world, "log")  # the record key stays: it signs since the log began
    said = enrolment.open_descriptor(sealed).realms["live"]
    assert said.since < enrolment.open_descriptor(sealed).made_at
    found = enrolment.open_descriptor(rotate(world, "record"))
    late = msgspec.structs.replace(found.realms["live"], since="2999-01-01T00:00:00.000Z")
    found = msgspec.structs.replace(found, realms={"live": late})
    assert enrolment.in_force_since(found, "live").isoformat()[:19] == found.made_at[:19]
