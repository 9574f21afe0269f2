"""A partner's node and a party that another node hosts: who it is, and what it signed."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid
from datetime import timedelta

import msgspec
import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, DeniedError, NotFoundError, ProofError
from secretariat.exchange import (
    enrolment,
    guest_feed,
    guest_meeting,
    guest_settling,
    guests,
    restoring,
    service,
    wire,
)
from secretariat.exchange import store as tables
from secretariat.exchange.guest_view import view
from secretariat.exchange.model import Arrival
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import PageRefusedError
from secretariat.ledger import export, guest_keys
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Receipt
from secretariat.ledger.keys import Signer
from secretariat.people.model import Role
from secretariat.people.store import person_by_login
from secretariat.records.service import import_stream

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"


def befriend(one, other):
    for here, there in ((one, other), (other, one)):
        sealed, words = enrolment.invite(there, here.party, now=now())
        enrolment.accept(here, sealed, words, now=now())


@pytest.fixture
def three(node):
    """Give a host with its guest, and a partner of the host."""
    host, partner = node("KR", name="Korea"), node("JP", name="Japan")
    befriend(host, partner)
    guests.add(host, "KISIA", name="Association", by="admin", now=now())
    guests.add_person(
        host, "live", "KISIA", login="lee", name="Lee", password="correct horse battery",
        roles=[Role.RELEASER], by="admin", now=now(),
    )  # fmt: skip
    return host, partner


def pull(sender, receiver, guest=""):
    """Let `receiver`, or its guest, take every page that `sender` has for it."""
    outcomes = {}
    while True:
        place = service.place(receiver, "live", sender.party, guest=guest)
        data, carried = service.make_page(
            sender,
            "live",
            guest or receiver.party,
            place.after,
            place.size,
            now=now(),
        )
        result = service.take_page(receiver, "live", sender.party, data, guest=guest, now=now())
        for word, count in result.outcomes.items():
            outcomes[word] = outcomes.get(word, 0) + count
        if not carried:
            return outcomes


def guest_report(host, to=("KR",)):
    stix_id = f"report--{uuid.uuid4()}"
    report = {
        "type": "report", "spec_version": "2.1", "id": stix_id, "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z", "name": "From the association",
        "published": "2026-11-01T00:00:00.000Z", "object_marking_refs": [CLEAR],
        "object_refs": ["indicator--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4e"],
    }  # fmt: skip
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [report]}
    with host.database.app("live") as tx:
        lee = person_by_login(tx, "lee")
    guests.write(host, "live", lee, io.BytesIO(json.dumps(bundle).encode()), now=now())
    guests.publish(host, "live", lee, stix_id, to=to, now=now())
    return lee, stix_id


def test_what_a_guest_signed_is_believed_once_it_was_met(three):
    host, partner = three
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    assert guest_meeting.meet(partner, sealed, words, now=now()).host == "KR"
    _lee, stix_id = guest_report(host)
    publish(host, "live", [stix_id], to=["JP"], basis=Basis(by="releaser"), now=now())
    assert pull(host, partner) == {"received": 1}
    with partner.database.app("live") as tx:
        asked = "SELECT originator, source, state FROM object_version WHERE stix_id = %s"
        assert [tuple(row) for row in tx.exec_driver_sql(asked, (stix_id,))] == [("KISIA", "KR", "kept")]


def test_before_it_was_met_nothing_of_it_is_believed(three):
    host, partner = three
    _lee, stix_id = guest_report(host)
    publish(host, "live", [stix_id], to=["JP"], basis=Basis(by="releaser"), now=now())
    assert "received" not in pull(host, partner)


def test_a_second_host_that_claims_the_guest_is_refused(three, node):
    host, partner = three
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    guest_meeting.meet(partner, sealed, words, now=now())
    guest_meeting.meet(partner, sealed, words, now=now())
    rival = node("CN", name="Rival")
    befriend(rival, partner)
    guests.add(rival, "KISIA", name="Claimed", by="admin", now=now())
    theirs, words = guest_meeting.introduce(rival, "KISIA", now=now())
    with pytest.raises(ConflictError, match="guest of KR"):
        guest_meeting.meet(partner, theirs, words, now=now())


def test_an_introduction_needs_both_signatures_the_words_and_an_enrolled_host(three, node):
    host, partner = three
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    with pytest.raises(DeniedError, match="words"):
        guest_meeting.meet(partner, sealed, None, now=now())
    alone = json.loads(sealed)
    alone["signatures"] = alone["signatures"][:1]
    with pytest.raises(ProofError, match="both"):
        guest_meeting.meet(partner, json.dumps(alone).encode(), words, now=now())
    changed = sealed.replace(b'"sig":"', b'"sig":"AAAA', 1)
    with pytest.raises(ProofError):
        guest_meeting.meet(partner, changed, words, now=now())
    stranger = node("US", name="No partner of the host")
    with pytest.raises(NotFoundError, match="not enrolled"):
        guest_meeting.meet(stranger, sealed, words, now=now())


# a third node and a guest, by way of the guest's host


@pytest.fixture
def met(three):
    """Give a host with its guest, and a partner that accepted the guest's introduction and was told of."""
    host, partner = three
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    guest_meeting.meet(partner, sealed, words, now=now())
    go_round(host, partner)
    return host, partner


def go_round(host, partner, rounds=3):
    """Let everybody take what there is for it, until nothing new can be left."""
    for _ in range(rounds):
        pull(partner, host)
        guests.agree_again(host, "live", now=now())
        with host.database.app("live") as tx:
            accepted = guests.guest_store.guests_with(tx, partner.party)
        for guest in accepted:
            pull(partner, host, guest)
        guest_settling.settle(host, "live", now=now())
        pull(host, partner)


def own_report(node, name="Granted to a guest", marking=CLEAR):
    stix_id = f"report--{uuid.uuid4()}"
    report = {
        "type": "report", "spec_version": "2.1", "id": stix_id, "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z", "name": name,
        "published": "2026-11-01T00:00:00.000Z", "object_marking_refs": [marking],
        "object_refs": ["indicator--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4e"],
    }  # fmt: skip
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [report]}
    result = import_stream(node.database, "live", node.party, io.BytesIO(json.dumps(bundle).encode()))
    assert result.accepted == 1, result
    return stix_id


def states(node, stix_id):
    found = service.holders(node, "live", stix_id, now=now())
    return {(one.holder, one.state, one.via) for one in found if one.holder != "*"}


def seen_by(node, reader, stix_id):
    with node.database.peer("live", reader) as tx:
        asked = "SELECT count(*) FROM object_version WHERE stix_id = %s"
        return tx.exec_driver_sql(asked, (stix_id,)).scalar_one()


def rows_as_the_application(node, stix_id):
    with node.database.app("live") as tx:
        asked = "SELECT count(*) FROM object_version WHERE stix_id = %s"
        return tx.exec_driver_sql(asked, (stix_id,)).scalar_one()


def test_a_partner_grants_to_a_guest_and_the_guest_answers(met):
    host, partner = met
    stix_id = own_report(partner)
    done = publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    assert done.granted == {"KISIA": 1}
    assert pull(partner, host) == {}, "nothing of it is for the host itself"
    assert pull(partner, host, "KISIA") == {"received": 1}
    assert seen_by(host, "KISIA", stix_id) == 1
    pull(host, partner)
    assert states(partner, stix_id) == {("KISIA", "received", "KISIA")}


def test_what_a_guest_was_granted_nobody_else_at_its_host_sees(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    go_round(host, partner)
    guests.add(host, "OTHER", name="Another guest", by="admin", now=now())
    for reader in ("KR", "OTHER", "JP", "*"):
        assert seen_by(host, reader, stix_id) == 0, reader
    assert rows_as_the_application(host, stix_id) == 0
    with host.database.app("live") as tx:
        for table in (
            "arrival",
            "rival",
            "holding",
            "holding_past",
            "tomb",
            "obligation_timer",
            "attachment",
        ):
            assert tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0, table
        kept = "SELECT count(*) FROM peer_entry WHERE recipient = 'KISIA'"
        assert tx.exec_driver_sql(kept).scalar_one() == 0
    with host.database.kept_for("KISIA").app("live") as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM arrival").scalar_one() == 1
    with pytest.raises(NotFoundError):
        publish(host, "live", [stix_id], to=["JP"], basis=Basis(by="releaser"), now=now())


def test_the_same_object_granted_to_host_and_guest_is_held_twice_and_called_back_once_each(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KR", "KISIA"], basis=Basis(by="releaser"), now=now())
    go_round(host, partner)
    assert states(partner, stix_id) == {("KISIA", "received", "KISIA"), ("KR", "received", "KR")}
    service.narrow(partner, "live", stix_id, to="KR", reason="ended", by="r", now=now())
    go_round(host, partner)
    assert rows_as_the_application(host, stix_id) == 0
    assert seen_by(host, "KISIA", stix_id) == 1, "the guest has its own grant"
    assert ("KISIA", "received", "KISIA") in states(partner, stix_id)
    assert ("KR", "destroyed", "KR") in states(partner, stix_id)


@pytest.mark.parametrize("act", ["withdraw", "narrow"])
def test_a_guest_obeys_when_the_partner_calls_back(met, act):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    go_round(host, partner)
    if act == "withdraw":
        called = service.withdraw(partner, "live", stix_id, reason="wrong", by="r", now=now())
        assert called.asked == ("KISIA",)
    else:
        service.narrow(partner, "live", stix_id, to="KISIA", reason="ended", by="r", now=now())
    go_round(host, partner)
    assert seen_by(host, "KISIA", stix_id) == 0
    with host.database.kept_for("KISIA").app("live") as tx:
        asked = "SELECT count(*) FROM object_version WHERE stix_id = %s"
        assert tx.exec_driver_sql(asked, (stix_id,)).scalar_one() == 0
    assert states(partner, stix_id) == {("KISIA", "destroyed", "KISIA")}


def test_a_guests_release_reaches_a_partner_and_so_does_its_withdrawal(met):
    host, partner = met
    lee, stix_id = guest_report(host, to=["JP"])
    assert pull(host, partner) == {"received": 1}
    with partner.database.app("live") as tx:
        asked = "SELECT originator, source, state FROM object_version WHERE stix_id = %s"
        assert [tuple(row) for row in tx.exec_driver_sql(asked, (stix_id,))] == [("KISIA", "KISIA", "kept")]
        proven = "SELECT party FROM peer_entry WHERE kind = 'grant' AND recipient = 'JP'"
        assert [tuple(row) for row in tx.exec_driver_sql(proven)] == [("KISIA",)]
    assert rows_as_the_application(host, stix_id) == 0, "the host was granted nothing of it"
    go_round(host, partner)
    mine = view(host, "live", "KISIA")
    assert states(mine, stix_id) == {("JP", "received", "JP")}
    guests.withdraw(host, "live", lee, stix_id, reason="wrong", now=now())
    go_round(host, partner)
    with partner.database.app("live") as tx:
        held = "SELECT count(*) FROM object_version WHERE stix_id = %s AND NOT revoked"
        assert tx.exec_driver_sql(held, (stix_id,)).scalar_one() == 0
    assert states(mine, stix_id) == {("JP", "destroyed", "JP")}


def test_a_guest_releases_to_no_partner_that_did_not_accept_its_introduction(three):
    host, _partner = three
    with pytest.raises(DeniedError, match="does not reach JP"):
        guest_report(host, to=["JP"])


def test_a_host_that_withholds_a_guests_pages_is_seen_as_a_guest_that_does_not_answer(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    for _ in range(2):  # the host is in contact all the time and asks for itself only
        pull(partner, host)
        pull(host, partner)
    assert states(partner, stix_id) == {("KISIA", "granted", "JP")}
    service.withdraw(partner, "live", stix_id, reason="wrong", by="r", now=now())
    pull(partner, host)
    pull(host, partner)
    with partner.database.app("live") as tx:
        late = tables.silent(tx, now() + timedelta(days=1), timedelta(hours=1))
    assert [(one.holder, one.objects, one.article) for one in late] == [("KISIA", 1, "")]


# what a host, or somebody else, may try


def test_a_host_asks_for_no_guest_but_its_own(met, node):
    host, partner = met
    rival = node("CN", name="Rival")
    befriend(rival, partner)
    with partner.database.app("live") as tx:
        peers = {one.party: one for one in tables.read_peers(tx)}
    assert guest_feed.reader_of(partner, "live", peers["KR"], "KISIA") == "KISIA"
    assert guest_feed.reader_of(partner, "live", peers["CN"], "") == "CN"
    for caller, wanted in (("CN", "KISIA"), ("CN", "KR"), ("KR", "CN"), ("KR", "JP"), ("KR", "*")):
        with pytest.raises(DeniedError, match="not known here as the host"):
            guest_feed.reader_of(partner, "live", peers[caller], wanted)
    with host.database.app("live") as tx:
        known = {one.party: one for one in tables.read_peers(tx)}
    assert guest_feed.receiver_of(host, "live", known["JP"], "KISIA") == "KISIA"
    befriend(rival, host)
    with host.database.app("live") as tx:
        known = {one.party: one for one in tables.read_peers(tx)}
    for caller, wanted in (("CN", "KISIA"), ("JP", "OTHER"), ("JP", "JP")):
        with pytest.raises(DeniedError, match="nothing is taken here"):
            guest_feed.receiver_of(host, "live", known[caller], wanted)


def append_as(node, ring, draft):
    with node.database.app("live") as tx:
        ledger.append(tx, ring, [draft], now=now())


def test_a_host_that_signs_for_a_guest_not_its_own_is_refused(met, node):
    _host, partner = met
    rival = node("CN", name="Rival")
    befriend(rival, partner)
    pull(rival, partner)
    forged = guest_keys.ring_of(Signer.generate(), "KISIA", rival.keyring("live"))
    body = Receipt(to="JP", about={"origin": partner.origin("live"), "position": 1}, state="received")
    append_as(rival, forged, Draft("receipt", "JP", body))
    with pytest.raises(PageRefusedError) as refused:
        pull(rival, partner)
    assert refused.value.code == "entry-signature"
    with partner.database.app("live") as tx:
        assert [one.party for one in tables.read_refusals(tx)] == ["CN"]


def test_a_host_that_signs_for_its_guest_with_another_key_is_refused(met):
    host, partner = met
    for signer in (Signer.generate(), host.keyring("live").record):
        forged = guest_keys.ring_of(signer, "KISIA", host.keyring("live"))
        body = Receipt(to="JP", about={"origin": partner.origin("live"), "position": 1}, state="received")
        append_as(host, forged, Draft("receipt", "JP", body))
        with pytest.raises(PageRefusedError) as refused:
            pull(host, partner)
        assert refused.value.code == "entry-signature"


def test_a_guests_word_about_what_its_host_was_sent_counts_nothing(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KR"], basis=Basis(by="releaser"), now=now())
    pull(partner, host)
    with partner.database.app("live") as tx:
        grant = "SELECT position FROM entry WHERE kind = 'grant'"
        position = tx.exec_driver_sql(grant).scalar_one()
        held = "SELECT encode(root, 'hex') FROM object_version WHERE stix_id = %s"
        root = tx.exec_driver_sql(held, (stix_id,)).scalar_one()
    body = Receipt(
        to="JP", about={"origin": partner.origin("live"), "position": position}, state="destroyed",
        objects=[root], count=1,
    )  # fmt: skip
    append_as(host, view(host, "live", "KISIA").keyring("live"), Draft("receipt", "JP", body))
    pull(host, partner)
    with partner.database.app("live") as tx:
        assert [one.code for one in tables.read_refusals(tx, party="KISIA")] == ["false-receipt"]
    assert states(partner, stix_id) == {("KR", "received", "KR")}


def test_a_page_for_a_guest_is_not_taken_as_the_hosts_nor_the_other_way(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    at = service.place(host, "live", "JP", guest="KISIA")
    data, carried = service.make_page(partner, "live", "KISIA", at.after, at.size, now=now())
    assert carried
    with pytest.raises(PageRefusedError) as refused:
        service.take_page(host, "live", "JP", data, now=now())
    assert refused.value.code == "wrong-sender"
    page = msgspec.structs.replace(
        wire.read_page(data), to="KR", after=service.place(host, "live", "JP").after
    )
    with pytest.raises(PageRefusedError) as refused:
        service.take_page(host, "live", "JP", wire.encode(page), now=now())
    assert refused.value.code in {"not-addressed", "incomplete"}
    with pytest.raises(DeniedError):
        service.take_page(host, "live", "JP", data, guest="OTHER", now=now())


def test_once_a_guest_has_a_node_its_host_neither_asks_nor_speaks_for_it(met, node):
    host, partner = met
    with partner.database.app("live") as tx:
        kr = {one.party: one for one in tables.read_peers(tx)}["KR"]
    own = node("KISIA", name="The association's own node")
    befriend(own, partner)
    with pytest.raises(DeniedError):
        guest_feed.reader_of(partner, "live", kr, "KISIA")
    body = Receipt(to="JP", about={"origin": partner.origin("live"), "position": 1}, state="received")
    append_as(host, view(host, "live", "KISIA").keyring("live"), Draft("receipt", "JP", body))
    with pytest.raises(PageRefusedError) as refused:
        pull(host, partner)
    assert refused.value.code == "entry-signature"


def test_what_was_kept_of_the_hosts_log_proves_the_guests_word_to_a_stranger(met, tmp_path):
    host, partner = met
    guest_report(host, to=["JP"])
    go_round(host, partner)
    path = tmp_path / "kept.jsonl"
    with partner.database.app("live") as tx:
        export.write_kept(tx, host.origin("live"), path, realm="live", now=now())
    root = host.keyring("live").root_public
    report = export.verify_file(path, root_key=root)
    assert report.holds, report.problems
    head, *lines = path.read_text().splitlines()
    assert any('"party":"KISIA"' in base64.b64decode(part).decode() for part in payloads(lines))
    bare = json.loads(head)
    bare["statements"] = [one for one in bare["statements"] if "introduction" not in one]
    without = tmp_path / "without.jsonl"
    body = "\n".join([json.dumps(bare), *lines[:-1]]) + "\n"
    end = json.loads(lines[-1]) | {"sha256": hashlib.sha256(body.encode()).hexdigest()}
    without.write_text(body + json.dumps(end) + "\n")
    assert not export.verify_file(without, root_key=root).holds


def payloads(lines):
    read = [json.loads(line) for line in lines]
    return [json.loads(one["envelope"])["payload"] for one in read if "envelope" in one]


def test_what_a_guest_destroyed_is_destroyed_again_after_a_restore(met):
    host, partner = met
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    go_round(host, partner)
    mine, before = view(host, "live", "KISIA"), now()
    with transaction(mine, "live", before) as store:
        (held,) = store.history(stix_id)
    service.withdraw(partner, "live", stix_id, reason="wrong", by="r", now=now())
    go_round(host, partner)
    with transaction(mine, "live", before) as store:  # as an older backup holds it
        store.keep(
            [Arrival(version=held, label=None, origin=partner.origin("live"), position=0, sender="JP")]
        )
    assert seen_by(host, "KISIA", stix_id) == 1
    assert restoring.destroy_again(host, {}, now=now()) == 1
    assert seen_by(host, "KISIA", stix_id) == 0
