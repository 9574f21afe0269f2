"""A host with two guests, and what stories of guests begin with."""

from __future__ import annotations

import io

import pytest
from litestar.testing import TestClient

from secretariat.agreements.release import Basis, publish
from secretariat.app import build
from secretariat.base.clock import now
from secretariat.exchange import enrolment, guest_meeting, guest_moving, guests
from secretariat.people import service as people
from secretariat.people.model import Role
from web.guests.stage import CLEAR, PASSWORD, SECRET, bring, bundle, person, report, take


@pytest.fixture
def host(node):
    """Give a node KR with two guests, a released report, and one that is nobody's business."""
    one = node("KR", name="Korea")
    with one.database.app("live") as tx:
        for role in Role:
            people.add_person(
                tx, login=role.value, name=role.value, password=PASSWORD, roles=[role], by="test", now=now()
            )
    for party in ("KISIA", "OTHER"):
        guests.add(one, party, name=f"Association {party}", by="admin", now=now())
        for role in (Role.ANALYST, Role.RELEASER):
            guests.add_person(
                one,
                "live",
                party,
                login=f"{party}.{role}".lower(),
                name=f"{role} of {party}",
                password=PASSWORD,
                roles=[role],
                by="admin",
                now=now(),
            )
    return one


@pytest.fixture
def sign_in(host):
    application = build(host)
    with TestClient(application, base_url="http://kr.local:8400"):

        def make(login):
            client = TestClient(application, base_url="http://kr.local:8400", raise_server_exceptions=False)
            client.headers["accept"] = "text/html"
            answer = client.post(
                "/sign-in", data={"login": login, "password": PASSWORD}, follow_redirects=False
            )
            assert answer.status_code == 303, answer.text
            client.landed = answer.headers["location"]
            return client

        yield make


@pytest.fixture
def moved(host, tmp_path):
    """Give the file of a guest that was granted one report, published another, and drafts a third."""
    granted, first = report("For everybody", marking=CLEAR)
    own, second = report("From the association", marking=CLEAR)
    draft, third = report("Not yet", marking=CLEAR)
    bring(host, first)
    publish(host, "live", [granted], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    releaser = person(host, "kisia.releaser")
    guests.write(host, "live", releaser, io.BytesIO(bundle(second, third)), now=now())
    guests.publish(host, "live", releaser, own, to=["KR"], now=now())
    out = tmp_path / "kisia.guest"
    done = guest_moving.move(host, "KISIA", out, by="admin", now=now())
    assert done.objects["live"] >= 3
    return out, {granted: "kept", own: "published", draft: "draft"}


@pytest.fixture
def granted_by_jp(host, node):
    """Give JP's report, granted to KISIA alone and taken for it by its host; and JP's node."""
    partner = node("JP", name="Japan")
    for one, other in ((host, partner), (partner, host)):
        enrolment.accept(one, *enrolment.invite(other, one.party, now=now()), now=now())
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    guest_meeting.meet(partner, sealed, words, now=now())
    take(partner, host)
    stix_id, secret = report(SECRET, marking=CLEAR)
    bring(partner, secret)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    take(partner, host)
    take(partner, host, "KISIA")
    take(host, partner)
    return stix_id, partner
