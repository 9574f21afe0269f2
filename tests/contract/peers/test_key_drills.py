"""Real nodes lose keys, and have them stolen: what the partner then believes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from contract.peers.test_nodes import Nodes, indicator
from contract.peers.test_renewal import peer_of
from secretariat.base.errors import ConflictError, DeniedError, InputError, NotFoundError, ProofError
from secretariat.exchange import enrolment, key_drill, rebinding, renewal
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import OutOfStepError, PageRefusedError
from secretariat.ledger import audit, dsse, export
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Signer
from secretariat.ledger.revocation import Revoked, RevokedError
from secretariat.people.model import Role
from secretariat.people.service import add_person

A, B = str(indicator("a")["id"]), str(indicator("b")["id"])


@pytest.fixture
def world(node):
    there = Nodes(node, "KR", "JP")
    there.converge()
    there.publish("KR", indicator("a"))
    there.converge()
    there.now += timedelta(hours=1)
    return there


def revoked(world, *roles: str, since):
    """KR revokes keys in force and makes new ones; gives its statement, as `keys revoke` writes it."""
    world.now += timedelta(seconds=1)
    made = world.nodes["KR"]
    old = made.keyring("live")
    gone = {getattr(old, role).key_id: Revoked(role, since, "stolen") for role in roles}
    fresh = replace(
        old,
        **{role: Signer.generate() for role in roles},
        retired={**old.retired, **{getattr(old, role).key_id: getattr(old, role).public for role in roles}},
        revoked={**old.revoked, **gone},
    )
    with made.database.app("live") as tx:
        ledger.append(tx, fresh, [ledger.key_draft(fresh, reason="stolen")], now=world.now)
    world.nodes["KR"] = replace(made, keys={**made.keys, "live": fresh})
    world.now += timedelta(seconds=1)
    return enrolment.describe(world.nodes["KR"], now=world.now)


def test_a_stolen_record_key_costs_only_what_nobody_saw(world, tmp_path):
    stolen = world.now
    world.now += timedelta(hours=1)
    world.publish("KR", indicator("b"))
    world.converge()
    world.publish("KR", indicator("c"))  # JP does not have it yet when it hears of the theft
    assert world.sees("JP") == {A, B}
    sealed = revoked(world, "record", since=stolen)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    assert world.sees("JP") == {A}
    world.converge()
    assert world.sees("JP") == {A}
    with transaction(world.nodes["JP"], "live", world.now) as store:
        assert {one.code for one in store.refused()} == {"key-revoked"}
    world.publish("KR", indicator("d"))  # under the new key
    world.converge()
    assert len(world.sees("JP")) == 2
    assert not renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)


def test_what_nobody_saw_in_time_proves_nothing_from_a_file(world, tmp_path):
    stolen = world.now
    world.now += timedelta(hours=1)
    world.publish("KR", indicator("b"))
    world.converge()
    sealed = revoked(world, "record", since=stolen)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    ring = world.nodes["KR"].keyring("live")
    with world.nodes["JP"].database.app("live") as tx:
        export.write_kept(tx, ring.origin, tmp_path / "kr", realm="live", now=world.now)
    report = export.verify_file(tmp_path / "kr", root_key=ring.root_public)
    assert (report.holds, report.disowned > 0) == (False, True)
    assert {one.what.split(" since")[0] for one in report.problems} == {"its key was revoked"}
    [named] = report.revoked
    assert (named.role, named.reason) == ("record", "stolen")
    assert 0 < named.signed - named.counts == report.disowned
    with world.nodes["KR"].database.app("live") as tx:  # its owner's log is whole all the same
        own = audit.verify_database(tx, ring)
    assert (own.holds, 0 < own.disowned < report.disowned + own.entries) == (True, True)


def test_a_thief_who_writes_into_the_log_with_the_old_key_and_an_old_date_is_refused(world):
    old = world.nodes["KR"].keyring("live")
    since = world.now
    sealed = revoked(world, "record", since=since)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    thief = replace(world.nodes["KR"].keyring("live"), record=old.record)
    with world.nodes["KR"].database.app("live") as tx:
        ledger.append(tx, thief, [ledger.key_draft(thief, reason="x")], now=world.now)
    world.nodes["KR"] = replace(world.nodes["KR"], keys={**world.nodes["KR"].keys, "live": thief})
    world.now = since - timedelta(minutes=30)
    world.publish("KR", indicator("b"))
    with pytest.raises(PageRefusedError) as refusal:
        world.pull("JP", "KR")
    assert refusal.value.code == "entry-signature"
    assert world.sees("JP") == {A}


def test_a_revoked_key_does_not_come_back_by_a_later_statement(world):
    before = world.nodes["KR"]
    sealed = revoked(world, "record", "transport", since=world.now)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    held = peer_of(world.nodes["JP"], "KR")
    told = renewal.revoked_of(world.nodes["JP"], "live", "KR")
    assert {one.role for one in told} == {"record", "transport"}
    assert before.keyring("live").transport.key_id not in held.transport_keys
    world.now += timedelta(seconds=1)
    again = enrolment.describe(
        before, now=world.now
    )  # the old keys, under the right root, without a word of it
    with pytest.raises(RevokedError, match="never comes back"):
        renewal.renew(world.nodes["JP"], "live", again, now=world.now)
    with pytest.raises(RevokedError, match="never comes back"):
        words = fingerprint("KR", before.keyring("live").root_public)
        enrolment.accept(world.nodes["JP"], again, words, now=world.now)
    assert peer_of(world.nodes["JP"], "KR") == held


def test_a_stolen_log_key_that_forked_is_left_behind(world):
    """The thief shows JP a longer log of his own; after the revocation a person goes back."""
    made, stolen = world.nodes["KR"], world.now
    ring = made.keyring("live")
    world.now += timedelta(hours=1)
    world.pull("JP", "KR")
    with transaction(world.nodes["JP"], "live", world.now) as store:
        kept = store.kept_log(ring.origin)
        forged = msgspec.structs.replace(kept, size=kept.size + 50, root=b"\x07" * 32)
        store.keep_log(forged)  # as a page without entries would have it
        store.cosign(ring.origin)
    sealed = revoked(world, "log", since=stolen)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    world.publish("KR", indicator("b"))
    with pytest.raises(OutOfStepError, match="you kept"):
        world.pull("JP", "KR")
    with (
        transaction(world.nodes["KR"], "live", world.now) as store,
        pytest.raises(ProofError, match="that was revoked: not our log"),
    ):  # the thief's tree stops nobody's node any more
        store.hear(store.peer("JP"), notes.sign(ring.origin, 99, b"\x07" * 32, ring.log))
    log = rebinding.rewind(world.nodes["JP"], "live", "KR", by="kim", now=world.now)
    assert log.size <= kept.size
    world.converge()
    assert world.sees("JP") == {A, B}
    with world.nodes["JP"].database.app("live") as tx:
        said = ledger.read_entries(tx, kinds=["note"])
        assert b"log-rewound" in dsse.payload_of(said[-1].envelope)


def new_node(world, node, party="KR"):
    """KR lost its root key: a new node, a new host name, so a new log."""
    folder = world.nodes[party].settings.data
    folder.rename(folder.with_name(f"{party}-old"))
    return node(party, host="new.kr.example")


def test_after_a_lost_root_key_two_persons_bind_the_code_anew(world, node, tmp_path):
    jp = world.nodes["JP"]
    with jp.database.app("live") as tx:
        for login, role in (("kim", Role.ADMIN), ("lee", Role.ADMIN), ("ann", Role.ANALYST)):
            add_person(
                tx,
                login=login,
                name=login,
                roles=[role],
                password="correct horse battery",
                by="test",
                now=world.now,
            )
    old = peer_of(jp, "KR")
    fresh = new_node(world, node)
    sealed, words = enrolment.invite(fresh, "JP", now=world.now)

    def bind(by="kim", other="lee", said=words):
        return rebinding.rebind(jp, sealed, said, by=by, other=other, via=None, now=world.now)

    with pytest.raises(ConflictError, match="bound to another root key"):
        enrolment.accept(jp, sealed, words, now=world.now)
    with pytest.raises(ConflictError, match="is a partner"):
        bind()
    enrolment.remove(jp, "KR", reason="its root key is lost", now=world.now)
    with pytest.raises(InputError, match="two different"):
        bind(other="kim")
    with pytest.raises(NotFoundError, match="nobody"):
        bind(other="nobody")
    with pytest.raises(DeniedError, match="may not"):
        bind(other="ann")
    with pytest.raises(DeniedError, match="the words are not"):
        bind(said=" ".join(["babab"] * 12))
    assert bind().party == "KR"
    held = peer_of(jp, "KR")
    assert held.root_key == fresh.keyring("live").root_public != old.root_key
    assert old.record_keys.keys() < held.record_keys.keys()
    assert held.origin == "new.kr.example/live"
    assert world.sees("JP") == {A}
    world.nodes["KR"] = fresh
    world.accept(fresh, jp)
    world.converge()
    world.publish("KR", indicator("b"))
    world.converge()
    assert world.sees("JP") == {A, B}
    with jp.database.app("live") as tx:
        export.write_kept(tx, old.origin, tmp_path / "old", realm="live", now=world.now)
    assert export.verify_file(tmp_path / "old", root_key=old.root_key).holds


def test_after_a_stolen_root_key_nothing_under_it_is_believed_once_the_partnership_is_ended(world, node):
    """Its thief may name keys of his own; by voice the partner hears of it and ends the partnership."""
    jp, made = world.nodes["JP"], world.nodes["KR"]
    ring = made.keyring("live")
    thief = replace(ring, record=Signer.generate(), transport=Signer.generate())
    world.now += timedelta(seconds=1)
    sealed = enrolment.describe(replace(made, keys={**made.keys, "live": thief}), now=world.now)
    before = peer_of(jp, "KR")
    enrolment.remove(jp, "KR", reason="its root key was stolen", now=world.now)
    with pytest.raises(DeniedError, match="not a partner"):
        renewal.renew(jp, "live", sealed, now=world.now)
    world.publish("KR", indicator("b"))
    with pytest.raises(DeniedError, match="not an accepted partner"):
        world.pull("JP", "KR")
    assert world.sees("JP") == {A}
    held = peer_of(jp, "KR")
    assert (held.state, held.record_keys) == ("removed", before.record_keys)
    steps = key_drill.steps(made, "live", "stolen", "root", data=made.settings.data, now=world.now)
    assert "secretariat peers remove KR" in " ".join(one.how for one in steps)
    assert "secretariat peers rebind" in " ".join(one.how for one in steps)
