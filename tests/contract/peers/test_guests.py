"""A partner's node and a party that another node hosts: who it is, and what it signed."""

from __future__ import annotations

import io
import json
import uuid

import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, DeniedError, NotFoundError, ProofError
from secretariat.exchange import enrolment, guest_meeting, guests, service
from secretariat.people.model import Role
from secretariat.people.store import person_by_login

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


def pull(sender, receiver):
    """Let `receiver` take every page that `sender` has for it."""
    outcomes = {}
    while True:
        place = service.place(receiver, "live", sender.party)
        data, carried = service.make_page(
            sender,
            "live",
            receiver.party,
            place.after,
            place.size,
            now=now(),
        )
        result = service.take_page(receiver, "live", sender.party, data, now=now())
        for word, count in result.outcomes.items():
            outcomes[word] = outcomes.get(word, 0) + count
        if not carried:
            return outcomes


def guest_report(host):
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
    guests.publish(host, "live", lee, stix_id, to=["KR"], now=now())
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
