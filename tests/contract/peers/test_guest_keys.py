"""A guest's key is stolen: its host revokes it under the root key, partners take the new one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from contract.peers.test_guests import (
    go_round,
    guest_report,
    met,  # noqa: F401  a fixture
    own_report,
    pull,
    seen_by,
    three,  # noqa: F401  a fixture
)
from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, ProofError, StateError
from secretariat.exchange import enrolment, guest_meeting, guests, renewal
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import transaction
from secretariat.ledger import audit, export
from secretariat.ledger import entries as entries_of
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Signer
from secretariat.ledger.revocation import Revoked


def state_of(node, stix_id):
    with node.database.app("live") as tx:
        asked = "SELECT state FROM object_version WHERE stix_id = %s"
        return [state for (state,) in tx.exec_driver_sql(asked, (stix_id,))]


def known(node):
    with transaction(node, "live", now()) as store:
        return store.hosted()["KISIA"]


def rekey(host, **given):
    said = {"since": now(), "reason": "stolen", "by": "admin", "now": now(), **given}
    return guests.rekey(host, "KISIA", **said)


def second_is_over():
    """Wait until what was seen was seen in a second before this one."""
    time.sleep(1 - now().microsecond / 1_000_000)


def passed_on(host, partner):
    _lee, stix_id = guest_report(host)
    publish(host, "live", [stix_id], to=["JP"], basis=Basis(by="releaser"), now=now())
    pull(host, partner)
    return stix_id


def test_partners_take_the_new_key_and_keep_what_they_saw_before(met):  # noqa: F811
    host, partner = met
    before = passed_on(host, partner)
    old = known(partner)
    second_is_over()
    made = rekey(host)
    after = passed_on(host, partner)  # signed by the new key
    fresh = known(partner)
    assert set(fresh.record_keys) == {*old.record_keys, made.keys["live"]}
    (gone,) = old.record_keys
    assert fresh.revoked[gone].reason == "stolen"
    assert gone in fresh.ended
    assert (state_of(partner, before), state_of(partner, after)) == (["kept"], ["kept"])
    go_round(host, partner)
    assert known(partner) == fresh


def test_what_nobody_saw_before_the_theft_counts_no_more(met):  # noqa: F811
    host, partner = met
    stolen = now() - timedelta(hours=1)
    late = passed_on(host, partner)
    assert state_of(partner, late) == ["kept"]
    rekey(host, since=stolen)
    pull(host, partner)
    assert state_of(partner, late) == ["quarantined"]


def test_audits_of_the_hosts_log_name_the_guests_revoked_key(met, tmp_path):  # noqa: F811
    host, partner = met
    passed_on(host, partner)
    (gone,) = known(partner).record_keys
    rekey(host)
    passed_on(host, partner)
    ring = host.keyring("live")
    with host.database.app("live") as tx:
        own = audit.verify_database(tx, ring)
        export.write_file(tx, ring, tmp_path / "log", now=now())
    with partner.database.app("live") as tx:
        export.write_kept(tx, ring.origin, tmp_path / "kept", realm="live", now=now())
    assert own.holds, own.problems
    assert [one.key for one in own.revoked] == [gone]
    whole = export.verify_file(tmp_path / "log", root_key=ring.root_public)
    assert whole.holds, whole.problems
    kept = export.verify_file(tmp_path / "kept", root_key=ring.root_public)
    assert [one.key for one in kept.revoked] == [gone]
    assert {one.what.split(" since")[0] for one in kept.problems} <= {"its key was revoked"}


def test_a_new_key_needs_the_hosts_root_key_and_the_guests_own_host(met):  # noqa: F811
    host, partner = met
    before = known(partner)
    rekey(host)
    sealed, _words = guest_meeting.introduce(host, "KISIA", now=now())
    alone = json.loads(sealed)
    alone["signatures"] = alone["signatures"][:1]  # the guest's key alone, as a thief has it
    body = entries_of.Guest(act="rekey", party="KISIA", to="JP", statement=alone)
    with transaction(partner, "live", now()) as store:
        with pytest.raises(ProofError, match="both"):
            guest_meeting.renew(store, store.peer("KR"), body)
        assert store.hosted()["KISIA"] == before


def test_a_revoked_key_of_a_guest_does_not_come_back(met):  # noqa: F811
    host, partner = met
    earlier, _words = guest_meeting.introduce(host, "KISIA", now=now())
    rekey(host)
    pull(host, partner)
    fresh = known(partner)
    body = entries_of.Guest(act="rekey", party="KISIA", to="JP", statement=json.loads(earlier))
    with transaction(partner, "live", now()) as store, pytest.raises(ProofError, match="leaves out"):
        guest_meeting.renew(store, store.peer("KR"), body)
    assert known(partner) == fresh


def test_what_cannot_be_says_why(three):  # noqa: F811
    host, _partner = three
    with pytest.raises(NotFoundError, match="no guest"):
        guests.rekey(host, "NOBODY", since=now(), reason="lost", by="admin", now=now())
    with pytest.raises(InputError, match="from now on"):
        rekey(host, since=now() + timedelta(days=1))
    for realm in host.settings.realms:
        (host.settings.data / "keys" / realm / "root.pem").unlink()
    from secretariat.ledger.node import Node

    away = Node.open(host.settings, host.database)
    with pytest.raises(StateError, match="root key"):
        rekey(away)
    root = host.keyring(host.settings.realms[0]).root
    assert rekey(away, root=root).keys["live"]


def test_a_partners_stolen_key_counts_no_more_for_guests_of_this_node_either(met):  # noqa: F811
    """What is kept for a guest is out of the host's sight; what becomes of it is not."""
    host, partner = met
    stolen = now() - timedelta(hours=1)
    mine, theirs = own_report(partner), own_report(partner)
    publish(partner, "live", [mine], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    publish(partner, "live", [theirs], to=["KR"], basis=Basis(by="releaser"), now=now())
    go_round(host, partner)
    assert (seen_by(host, "KISIA", mine), state_of(host, theirs)) == (1, ["kept"])
    old = partner.keyring("live")
    fresh = replace(
        old,
        record=Signer.generate(),
        retired={old.record.key_id: old.record.public},
        revoked={old.record.key_id: Revoked("record", stolen, "stolen")},
    )
    with partner.database.app("live") as tx:
        ledger.append(tx, fresh, [ledger.key_draft(fresh, reason="stolen")], now=now())
    partner = replace(partner, keys={**partner.keys, "live": fresh})
    assert renewal.renew(host, "live", enrolment.describe(partner, now=now()), now=now())
    assert state_of(host, theirs) == ["quarantined"]
    assert seen_by(host, "KISIA", mine) == 0
    with host.database.kept_for("KISIA").app("live") as tx:
        asked = "SELECT state FROM object_version WHERE stix_id = %s"
        assert [state for (state,) in tx.exec_driver_sql(asked, (mine,))] == ["quarantined"]
        assert "key-revoked" in {one.code for one in tables.read_refusals(tx, party="JP")}
