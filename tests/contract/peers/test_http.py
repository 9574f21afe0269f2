"""Nodes over HTTP on loopback: woken by held requests; wrong signature, clock or nonce refused."""

from __future__ import annotations

import contextlib
import runpy
import socket
import time
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest

from secretariat.agreements import release
from secretariat.agreements.release import Basis
from secretariat.base.clock import now
from secretariat.exchange import enrolment, identity, peer_pages, service, wire
from secretariat.exchange.postgres import transaction

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
nodes = runpy.run_path(str(_HERE / "test_nodes.py"))
until, indicator = served["until"], nodes["indicator"]


class Served:
    """KR and JP, enrolled and serving; `JP` follows `KR` and the other way."""

    def __init__(self, node, stack: contextlib.ExitStack) -> None:
        self.nodes = {}
        for party in ("KR", "JP"):
            listening = served["free_socket"]()
            port = listening.getsockname()[1]
            made = node(party, url=f"http://127.0.0.1:{port}", port=port, realms=("live",))
            self.nodes[party] = made
            stack.callback(listening.close)
            self.nodes[party, "socket"] = listening
        for one, other in (("KR", "JP"), ("JP", "KR")):
            sealed, words = enrolment.invite(self.nodes[other], one, now=now())
            enrolment.accept(self.nodes[one], sealed, words, now=now())
        for party in ("KR", "JP"):
            stack.enter_context(served["serving"](self.nodes[party], self.nodes[party, "socket"]))

    def load(self, party: str, *objects):
        return nodes["Nodes"].load(self, party, *objects)

    @property
    def now(self):
        return now()

    def publish(self, party: str, *objects):
        ids = self.load(party, *objects)
        return release.publish(self.nodes[party], "live", ids, basis=Basis(by="r"), now=now())

    def sees(self, party: str) -> set[str]:
        with transaction(self.nodes[party], "live", now()) as store:
            return {one.stix_id for one in store.shown()}

    def states(self, party: str, stix_id: str) -> set[tuple[str, str]]:
        found = service.holders(self.nodes[party], "live", stix_id, now=now())
        return {(one.holder, one.state) for one in found if one.holder != "*"}

    def agreed(self) -> bool:
        from secretariat.agreements import store as agreements

        for one, other in (("KR", "JP"), ("JP", "KR")):
            with self.nodes[one].database.app("live") as tx:
                if not agreements.agreed(tx, other, one):
                    return False
        return True

    def request(self, path: str = "feed?after=0.0&size=0&wait=0", *, at=None, method: str = "GET"):
        url = f"{self.nodes['KR'].settings.address('live')}/live/peer/v1/{path}"
        request = identity.Request(method, url, {})
        signer = self.nodes["JP"].keyring("live").transport
        identity.sign_request(
            request, to="KR", signer=signer, now=at or now(), nonce=f"{time.monotonic_ns():022d}"
        )
        return request

    def send(self, request) -> httpx2.Response:
        with httpx2.Client(trust_env=False) as client:
            return client.request(request.method, request.url, headers=request.headers, content=request.body)


@pytest.fixture
def pair(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    with contextlib.ExitStack() as stack:
        there = Served(node, stack)
        until(there.agreed, 60)
        yield there


def test_a_published_report_is_with_the_partner_in_a_moment_and_its_receipt_comes_back(pair):
    pair.publish("KR", indicator("a"))
    stix_id = str(indicator("a")["id"])
    until(lambda: pair.sees("JP") == {stix_id}, 30)
    until(lambda: pair.states("KR", stix_id) == {("JP", "received")}, 30)
    service.withdraw(pair.nodes["KR"], "live", stix_id, reason="wrong", by="anna", now=now())
    until(lambda: pair.sees("JP") == set(), 30)
    until(lambda: pair.states("KR", stix_id) == {("JP", "destroyed")}, 30)


def test_what_takes_many_pages_comes_whole_though_each_next_page_is_asked_for_ahead(pair):
    settings = pair.nodes["KR"].settings
    settings.limits = msgspec.structs.replace(settings.limits, peer_page_objects=2)
    many = [indicator(f"i{number}") for number in range(9)]
    pair.publish("KR", *many)
    until(lambda: pair.sees("JP") == {str(one["id"]) for one in many}, 30)


def test_contact_with_a_partner_is_known(pair):
    (contact,) = service.contacts(pair.nodes["KR"], "live", now=now())
    assert (contact.party, contact.out_of_contact) == ("JP", False)
    (contact,) = service.contacts(pair.nodes["KR"], "live", now=now() + timedelta(hours=1))
    assert contact.out_of_contact


def test_an_unsigned_request_learns_nothing(pair):
    answer = pair.send(identity.Request("GET", pair.request().url, {}))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == wire.PROBLEM_TYPE
    assert answer.json()["code"] == "not-authentic"


def test_a_replayed_request_is_refused(pair):
    request = pair.request()
    assert pair.send(request).status_code == 200
    again = pair.send(request)
    assert (again.status_code, again.json()["code"]) == (401, "replayed")


def test_a_clock_off_by_ten_minutes_is_refused_and_both_clocks_are_named(pair):
    answer = pair.send(pair.request(at=now() + timedelta(minutes=10)))
    assert (answer.status_code, answer.json()["code"]) == (401, "clock-skew")
    assert "this node's clock says" in answer.json()["what"]


def test_an_answer_is_signed_and_bound_to_its_request(pair):
    request = pair.request()
    got = pair.send(request)
    answer = identity.Answer(got.status_code, dict(got.headers), got.content, request)
    signer = pair.nodes["KR"].keyring("live").transport
    keys = {signer.key_id: signer.public}
    identity.verify_answer(answer, find=keys.get, now=now(), skew=timedelta(seconds=60))
    answer.request = pair.request()
    with pytest.raises(identity.IdentityError):
        identity.verify_answer(answer, find=keys.get, now=now(), skew=timedelta(seconds=60))


def test_a_wrong_cursor_is_a_signed_problem_and_not_a_crash(pair):
    answer = pair.send(pair.request("feed?after=nonsense"))
    assert answer.status_code == 422
    assert answer.json()["where"] == "after"
    assert "signature" in answer.headers


def test_pages_are_brought_to_a_partner_that_cannot_come(pair):
    import asyncio

    from secretariat.exchange import sync

    pair.publish("JP", indicator("b"))
    kr, jp = pair.nodes["KR"], pair.nodes["JP"]

    async def bring() -> int:
        async with httpx2.AsyncClient(trust_env=False) as client:
            remote = sync.Remote(jp, "live", service.known_peer(jp, "live", "KR"), client)
            return await sync.bring(jp, "live", "KR", remote)

    asyncio.run(bring())
    stix_id = str(indicator("b")["id"])
    until(lambda: pair.sees("KR") == {stix_id}, 30)
    assert service.place(kr, "live", "JP").size > 0


def test_a_connection_that_is_reset_as_it_opens_is_a_partner_out_of_reach(pair):
    """uvloop then asks a socket that is gone for its address; the task that follows must not end by that."""
    import asyncio

    from secretariat.base.errors import UnavailableError
    from secretariat.exchange import sync

    class Gone(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, _request):
            raise AttributeError("'NoneType' object has no attribute 'getpeername'")

    async def ask() -> None:
        async with httpx2.AsyncClient(transport=Gone()) as client:
            jp = pair.nodes["JP"]
            await sync.Remote(jp, "live", service.known_peer(jp, "live", "KR"), client).place()

    with pytest.raises(UnavailableError, match="KR cannot be reached"):
        asyncio.run(ask())


def test_a_strangers_body_is_not_read(pair):
    """Who proves nothing by the headers is refused while the body has not come; a partner's is read."""
    url = pair.request("deliver", method="POST").url
    address = httpx2.URL(url)
    with socket.create_connection((address.host, address.port), 10) as bare:
        bare.sendall(
            f"POST {address.path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
            "Secretariat-To: KR\r\nContent-Length: 50000000\r\n\r\n{".encode()
        )
        assert bare.recv(4096).startswith(b"HTTP/1.1 401")
    request = pair.request("deliver", method="POST")
    request.body = b"other than was signed"
    answer = pair.send(request)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authentic")
    request.body = b""
    assert pair.send(request).status_code == 422
