"""A guest, its host and a third node over HTTP on loopback: what requests bring, and what they refuse."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
import time
from pathlib import Path

import httpx2
import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.exchange import enrolment, guest_meeting, guest_store, guests, identity, service, sync, wire
from secretariat.exchange.guest_view import view
from secretariat.exchange.identity import Request
from secretariat.people.model import Role

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
nodes = runpy.run_path(str(_HERE / "test_guests.py"))
until, own_report, states, seen_by = (
    served["until"],
    nodes["own_report"],
    nodes["states"],
    nodes["seen_by"],
)


@pytest.fixture
def pair(node):
    """Give KR, which hosts KISIA, and JP, which accepted KISIA; both serve."""
    with contextlib.ExitStack() as stack:
        made, sockets = {}, {}
        for party in ("KR", "JP"):
            sockets[party] = served["free_socket"]()
            stack.callback(sockets[party].close)
            port = sockets[party].getsockname()[1]
            made[party] = node(party, name=party, url=f"http://127.0.0.1:{port}", realms=("live",))
        host, partner = made["KR"], made["JP"]
        nodes["befriend"](host, partner)
        guests.add(host, "KISIA", name="Association", by="admin", now=now())
        guests.add_person(
            host, "live", "KISIA", login="lee", name="Lee", password="correct horse battery",
            roles=[Role.RELEASER], by="admin", now=now(),
        )  # fmt: skip
        sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
        guest_meeting.meet(partner, sealed, words, now=now())
        for party in ("KR", "JP"):
            stack.enter_context(served["serving"](made[party], sockets[party]))
        until(lambda: accepted(host) == ["JP"], 60)
        yield host, partner


def accepted(host):
    with host.database.app("live") as tx:
        return guest_store.partners_of(tx, "KISIA")


def send(sender, to, path, *, signer=None, method="GET", body=b""):
    url = f"{to.settings.address('live')}/live/peer/v1/{path}"
    request = Request(method, url, {}, body)
    ring = (signer or sender).keyring("live")
    identity.sign_request(
        request, to=to.party, signer=ring.transport, now=now(), nonce=f"{time.monotonic_ns():022d}"
    )
    with httpx2.Client(trust_env=False) as client:
        return client.request(method, url, headers=request.headers, content=body)


def test_a_grant_to_a_guest_arrives_is_answered_and_called_back_by_held_requests(pair):
    host, partner = pair
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="r"), now=now())
    started = time.monotonic()
    until(lambda: seen_by(host, "KISIA", stix_id) == 1, 30)
    assert time.monotonic() - started < 20, "a held request is woken for the guest, too"
    until(lambda: states(partner, stix_id) == {("KISIA", "received", "KISIA")}, 30)
    assert seen_by(host, "KR", stix_id) == 0
    service.withdraw(partner, "live", stix_id, reason="wrong", by="anna", now=now())
    until(lambda: seen_by(host, "KISIA", stix_id) == 0, 30)
    until(lambda: states(partner, stix_id) == {("KISIA", "destroyed", "KISIA")}, 30)


def test_what_a_guest_releases_and_withdraws_passes_over_its_hosts_feed(pair):
    host, partner = pair
    lee, stix_id = nodes["guest_report"](host, to=["JP"])
    until(lambda: nodes["rows_as_the_application"](partner, stix_id) == 1, 30)
    mine = view(host, "live", "KISIA")
    until(lambda: states(mine, stix_id) == {("JP", "received", "JP")}, 30)
    guests.withdraw(host, "live", lee, stix_id, reason="wrong", now=now())
    until(lambda: states(mine, stix_id) == {("JP", "destroyed", "JP")}, 30)


def test_the_doors_are_open_for_a_guest_to_its_host_alone(pair, node):
    host, partner = pair
    rival = node("CN", name="Rival", realms=("live",))
    for one in (host, partner):
        enrolment.accept(one, *enrolment.invite(rival, one.party, now=now()), now=now())
    feed = "feed?after=0.0&size=0&wait=0"
    mine = send(host, partner, f"{feed}&for=KISIA")
    assert (mine.status_code, wire.read_page(mine.content).to) == (200, "KISIA")
    assert wire.read_page(send(host, partner, feed).content).to == "KR"
    for wanted in ("KISIA", "KR", "JP", "*"):
        answer = send(rival, partner, f"{feed}&for={wanted}")
        assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (403, "denied", "for")
    assert send(partner, host, "place?for=KISIA").status_code == 200
    for caller, path, method in (
        (rival, "place?for=KISIA", "GET"),
        (rival, "deliver?for=KISIA", "POST"),
        (partner, "place?for=OTHER", "GET"),
    ):
        answer = send(caller, host, path, method=method)
        assert (answer.status_code, answer.json()["code"]) == (403, "denied")


def test_a_page_for_a_guest_is_brought_where_nobody_reaches_the_sender(pair):
    host, partner = pair
    stix_id = own_report(partner)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="r"), now=now())

    async def bring() -> int:
        async with httpx2.AsyncClient(trust_env=False) as client:
            peer = service.known_peer(partner, "live", "KR")
            return await sync.bring(
                partner, "live", "KISIA", sync.Remote(partner, "live", peer, client, "KISIA")
            )

    asyncio.run(bring())
    until(lambda: seen_by(host, "KISIA", stix_id) == 1, 30)
