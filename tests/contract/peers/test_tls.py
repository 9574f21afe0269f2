"""Two nodes behind a front that ends TLS: whose certificate a partner's request came with decides (rules of
exchange/certificates.py). Real sockets, real TLS, real nodes; what is bad is named in each test.
"""

from __future__ import annotations

import base64
import contextlib
import runpy
import secrets
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from contract.peers.front import Front, certificate
from secretariat.base.clock import now
from secretariat.exchange import certificates, enrolment, identity, peer_pages, renewal
from secretariat.exchange import store as tables
from secretariat.ledger import tls_key
from secretariat.ledger.keys import folder_of

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
FRONT = "127.0.0.2"
"""The address from which the front reaches the node: nobody else on this machine comes from it."""


class World:
    """KR serves behind a front that asks for certificates; JP is its partner and comes to it."""

    def __init__(self, node, folder: Path, stack: contextlib.ExitStack, **settings: object) -> None:
        self.folder = folder
        self.server = certificate(folder / "server.pem")
        self.listening = served["free_socket"]()
        stack.callback(self.listening.close)
        self.port = self.listening.getsockname()[1]
        self.jp = node("JP", realms=("live",), port=1)
        self.strange = certificate(folder / "strange.pem")
        self.ended = certificate(folder / "ended.pem", ended=True)
        self.second = certificate(folder / "second.pem")
        known = [self.jp.keyring("live").tls.path]
        known += [one.path for one in (self.strange, self.ended, self.second)]
        self.front = Front(self.server.path, self.port, known, address=FRONT)
        stack.callback(self.front.close)
        words = {"client_cert_from": (FRONT,), "server_pins": (self.server.pin,), **settings}
        self.kr = node("KR", realms=("live",), port=self.port, url=self.front.url, **words)
        for one, other in ((self.kr, self.jp), (self.jp, self.kr)):
            sealed, spoken = enrolment.invite(other, one.party, now=now() - timedelta(minutes=1))
            enrolment.accept(one, sealed, spoken, now=now())
        stack.enter_context(served["serving"](self.kr, self.listening))

    @property
    def own(self) -> Path:
        return self.jp.keyring("live").tls.path

    def pins(self, *pins: str) -> None:
        """JP's newer descriptor names these keys; KR takes it."""
        with self.kr.database.app("live") as tx:
            (found,) = tables.read_peers(tx, "WHERE party = 'JP'")
            tables.write_peer(tx, msgspec.structs.replace(found, client_pins=pins))

    def request(self, base: str, method: str = "GET", path: str = "place", body: bytes = b""):
        request = identity.Request(method, f"{base}/live/peer/v1/{path}", {}, body)
        signer = self.jp.keyring("live").transport
        identity.sign_request(request, to="KR", signer=signer, now=now(), nonce=secrets.token_urlsafe(18))
        return request

    def ask(self, shown: Path | None, **more) -> httpx2.Response:
        """Ask over the front with a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if shown is not None:
            context.load_cert_chain(shown)
        request = self.request(self.front.url, **more)
        return self._send(request, verify=context)

    def straight(self, headers: list[tuple[str, bytes]], address: str = "127.0.0.1", **more):
        """Ask the node itself, from an address, with further headers."""
        request = self.request(f"http://127.0.0.1:{self.port}", **more)
        transport = httpx2.HTTPTransport(local_address=address)
        return self._send(request, headers, transport=transport)

    @staticmethod
    def _send(request, headers=(), **how) -> httpx2.Response:
        with httpx2.Client(trust_env=False, timeout=20, **how) as client:
            sent = [*request.headers.items(), *headers]
            return client.request(request.method, request.url, headers=sent, content=request.body)


@pytest.fixture
def there(node, tmp_path, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    with contextlib.ExitStack() as stack:
        yield lambda **settings: World(node, tmp_path, stack, **settings)


@pytest.fixture
def world(there):
    return there()


def header_of(path: Path) -> bytes:
    certificate = ssl.PEM_cert_to_DER_cert(path.read_text()[path.read_text().index("-----BEGIN CERT") :])
    return b":" + base64.b64encode(certificate) + b":"


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_partners_own_certificate_is_let_in_and_the_signature_is_needed_all_the_same(world):
    assert world.ask(world.own).status_code == 200
    request = world.request(world.front.url)
    signed = request.headers["signature"]
    request.headers["signature"] = signed[:10] + ("B" if signed[10] == "A" else "A") + signed[11:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(world.own)
    assert refused(world._send(request, verify=context)) == (401, "not-authentic")


def test_no_certificate_is_refused(world):
    answer = world.ask(None)
    assert refused(answer) == (401, "no-certificate")
    assert world.jp.keyring("live").tls.pin in answer.json()["what"]
    assert "docs/operations.md" in answer.json()["advice"]


def test_another_partners_certificate_is_refused_and_both_keys_are_named(world):
    answer = world.ask(world.strange.path)
    assert refused(answer) == (401, "wrong-certificate")
    assert world.strange.pin in answer.json()["what"]
    assert world.jp.keyring("live").tls.pin in answer.json()["what"]


def test_only_the_key_counts_a_certificate_that_has_run_out_is_good_while_it_is_pinned(world):
    assert refused(world.ask(world.ended.path)) == (401, "wrong-certificate")
    world.pins(world.ended.pin)
    assert world.ask(world.ended.path).status_code == 200
    again = certificate(world.folder / "again.pem", key=world.ended.key)  # a new certificate of the same key
    world.front.context.load_verify_locations(again.path)
    assert world.ask(again.path).status_code == 200


def test_while_two_keys_are_stated_both_are_let_in_and_what_is_stated_no_more_is_not(world):
    world.pins(world.jp.keyring("live").tls.pin, world.second.pin)
    assert world.ask(world.own).status_code == 200
    assert world.ask(world.second.path).status_code == 200
    world.pins(world.second.pin)
    assert refused(world.ask(world.own)) == (401, "wrong-certificate")
    assert world.ask(world.second.path).status_code == 200


def test_a_newer_descriptor_brings_the_new_key_and_ends_the_old(world):
    """`secretariat keys rotate tls` at JP; the descriptor needs no certificate, its seal is what counts."""
    old = world.folder / "old.pem"
    old.write_bytes(world.own.read_bytes())
    fresh = tls_key.rotate(folder_of(world.jp.settings.data, "live"))
    world.front.context.load_verify_locations(fresh.path)
    assert refused(world.ask(fresh.path)) == (401, "wrong-certificate")
    jp = type(world.jp).open(world.jp.settings, world.jp.database)
    sealed = enrolment.describe(jp, now=now())
    answer = httpx2.post(
        f"{world.front.url}/live/peer/v1/descriptor", content=sealed, verify=False, trust_env=False
    )
    assert answer.json() == {"renewed": True}
    assert world.ask(fresh.path).status_code == 200
    assert refused(world.ask(old)) == (401, "wrong-certificate")
    assert not renewal.renew(world.kr, "live", sealed, now=now())


def test_a_header_that_does_not_come_from_the_front_is_not_believed(world):
    forged = [("Client-Cert", header_of(world.own))]
    answer = world.straight(forged)
    assert refused(answer) == (401, "no-certificate")
    assert "did not come from the front" in answer.json()["advice"]
    assert world.straight(forged, FRONT).status_code == 200  # the same bytes from the front's address


def test_the_fronts_address_is_the_sockets_and_not_what_a_header_says(there):
    world = there(trusted_proxies=("127.0.0.1",))
    forged = [("Client-Cert", header_of(world.own)), ("X-Forwarded-For", FRONT.encode())]
    assert refused(world.straight(forged)) == (401, "no-certificate")
    told = [("Client-Cert", header_of(world.own)), ("X-Forwarded-For", b"192.0.2.9")]
    assert world.straight(told, FRONT).status_code == 200


def test_what_comes_from_outside_in_the_header_is_gone_behind_the_front(world):
    request = world.request(world.front.url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answer = world._send(request, [("Client-Cert", header_of(world.own))], verify=context)
    assert refused(answer) == (401, "no-certificate")


BAD_HEADERS = {
    "it stands twice": lambda world: [header_of(world.own), header_of(world.own)],
    "it stands twice, the second another's": lambda w: [header_of(w.own), header_of(w.strange.path)],
    "it is not between colons": lambda world: [header_of(world.own).strip(b":")],
    "it has parameters": lambda world: [header_of(world.own) + b";a=1"],
    "it is a list": lambda world: [header_of(world.own) + b", " + header_of(world.own)],
    "it is not base64": lambda _: [b":%%%:"],
    "it is PEM": lambda world: [b":" + base64.b64encode(world.own.read_bytes()) + b":"],
    "it is no certificate": lambda _: [b":" + base64.b64encode(b"0" * 300) + b":"],
    "it is a certificate and something after it": lambda world: [
        b":" + base64.b64encode(world.strange.certificate.public_bytes(Encoding.DER) + b"x") + b":"
    ],
    "it has one megabyte": lambda _: [b":" + b"A" * 1_048_576 + b":"],
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_header_from_the_front_that_cannot_be_read_is_refused(world, name):
    headers = [("Client-Cert", value) for value in BAD_HEADERS[name](world)]
    answer = world.straight(headers, FRONT)
    assert refused(answer) == (401, "wrong-certificate"), answer.text


@pytest.mark.parametrize("value", [b"", b"::"])
def test_an_empty_header_says_that_there_was_no_certificate(world, value):
    assert refused(world.straight([("Client-Cert", value)], FRONT)) == (401, "no-certificate")


def test_the_refusal_comes_before_a_body_is_read(world):
    request = world.request(f"http://127.0.0.1:{world.port}", "POST", "deliver", b"{}")
    with socket.create_connection(("127.0.0.1", world.port), 10) as bare:
        lines = [f"{name}: {value}" for name, value in request.headers.items() if name != "content-length"]
        head = [f"POST /live/peer/v1/deliver HTTP/1.1\r\nHost: 127.0.0.1:{world.port}", *lines]
        bare.sendall("\r\n".join([*head, "Content-Length: 4000000", "", "{"]).encode())
        answer = bare.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()


def test_without_the_setting_no_certificate_is_looked_at(there):
    world = there(client_cert_from=())
    assert world.straight([]).status_code == 200
    assert world.straight([("Client-Cert", header_of(world.strange.path))], FRONT).status_code == 200


def test_a_partner_that_states_no_key_comes_as_before(world):
    world.pins()
    assert world.ask(None).status_code == 200
    assert world.straight([]).status_code == 200


def test_where_certificates_are_demanded_of_all_a_partner_without_keys_is_refused(there):
    world = there(client_cert_demanded=True)
    assert world.ask(world.own).status_code == 200
    world.pins()
    for answer in (world.ask(None), world.ask(world.own)):
        assert answer.status_code == 401
        assert "names none" in answer.json()["what"]


def test_where_they_are_demanded_and_no_front_is_believed_everybody_is_refused(there):
    world = there(client_cert_demanded=True, client_cert_from=())
    assert refused(world.ask(world.own)) == (401, "no-certificate")
    assert "client_cert_from" in world.ask(world.own).json()["where"]


@pytest.mark.parametrize(
    ("address", "fronts", "answer"),
    [
        ("10.0.0.7", ("10.0.0.0/24",), True),
        ("::ffff:10.0.0.7", ("10.0.0.7",), True),
        ("::1", ("::1",), True),
        ("10.0.1.7", ("10.0.0.0/24",), False),
        (None, ("0.0.0.0/0",), False),
        ("", ("::/0",), False),
        ("10.0.0.7", (), False),
    ],
)
def test_whose_word_is_believed(address, fronts, answer):
    assert certificates.believed(address, fronts) is answer


def test_peers_show_and_the_page_of_keys_name_the_keys_of_certificates(world, monkeypatch, capsys):
    """An administrator compares them with what the partner says on the telephone."""
    from secretariat.exchange import commands, key_pages

    monkeypatch.setattr(
        "secretariat.exchange.commands.node_at", lambda _data: contextlib.nullcontext(world.jp)
    )
    commands.show("KR", data=world.folder)
    said = capsys.readouterr().out
    assert f"its server has the key sha256-{world.server.pin}" in said
    assert f"comes with the certificate key sha256-{world.kr.keyring('live').tls.pin}" in said
    with world.jp.database.app("live") as tx:
        (peer,) = tables.read_peers(tx)
    shown = {row["key"] for row in key_pages._theirs(peer)}
    assert {f"sha256-{world.server.pin}", f"sha256-{world.kr.keyring('live').tls.pin}"} <= shown
