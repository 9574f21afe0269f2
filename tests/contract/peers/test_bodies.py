"""What a partner may send at once, and how long it may take: bodies end by size and time, and hold nothing.

And which port answers what: each realm's machine addresses at its own port alone (web/arrival.py).
"""

from __future__ import annotations

import contextlib
import runpy
import secrets
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest
import uvicorn

from secretariat.app import build, configuration
from secretariat.base.clock import now
from secretariat.exchange import enrolment, identity, peer_pages, taxii_pages
from secretariat.people.model import Scope
from secretariat.people.service import create_token

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
LIMIT = 100_000


class World:
    """KR serves; JP, its partner, brings bodies."""

    def __init__(self, node, stack: contextlib.ExitStack) -> None:
        listening = served["free_socket"]()
        stack.callback(listening.close)
        self.port = listening.getsockname()[1]
        self.kr = node("KR", url=f"http://127.0.0.1:{self.port}", realms=("live",))
        limits = self.kr.settings.limits
        self.kr.settings.limits = msgspec.structs.replace(limits, peer_body_bytes=LIMIT, peer_body_s=2)
        self.jp = node("JP", realms=("live",), reachable=False)
        sealed, words = enrolment.invite(self.jp, "KR", now=now())
        enrolment.accept(self.kr, sealed, words, now=now())
        stack.enter_context(served["serving"](self.kr, listening))

    def head(self, length: str, body: bytes) -> bytes:
        """The head of a delivery of `body`, signed by JP."""
        request = identity.Request(
            "POST", f"http://127.0.0.1:{self.port}/live/peer/v1/deliver", {"content-type": "x/y"}, body
        )
        signer = self.jp.keyring("live").transport
        identity.sign_request(request, to="KR", signer=signer, now=now(), nonce=secrets.token_urlsafe(18))
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        first = ["POST /live/peer/v1/deliver HTTP/1.1", f"Host: 127.0.0.1:{self.port}", length]
        return "\r\n".join([*first, *lines, "", ""]).encode()

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 20)


def answer_of(bare: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(OSError):
        while part := bare.recv(65_536):
            got += part
    return got


@pytest.fixture
def world(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    monkeypatch.setattr("secretariat.app.BACKGROUND", ())
    with contextlib.ExitStack() as stack:
        yield World(node, stack)


def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(world):
    with world.open() as bare:
        bare.sendall(world.head("Content-Length: 80000000", b"x"))
        answer = answer_of(bare)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"too-large"' in answer
    assert b'"where":"peer_body_bytes"' in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_limit(world):
    """80 MB in chunks: what is sent after the limit is not read, and the connection ends."""
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    sent = 0
    with world.open() as bare:
        bare.sendall(world.head("Transfer-Encoding: chunked", b"x"))
        with contextlib.suppress(OSError):
            for _ in range(1_220):
                bare.sendall(chunk)
                sent += len(chunk)
        answer = answer_of(bare)
    assert sent < 20_000_000  # what the system's buffers take
    assert not answer or answer.startswith(b"HTTP/1.1 413")  # a reset may have overtaken it


def test_one_byte_over_the_limit_is_413_and_the_limit_itself_is_read(world):
    for size, status in ((LIMIT, 422), (LIMIT + 1, 413)):
        body = b" " * size
        with world.open() as bare:
            bare.sendall(world.head(f"Content-Length: {size}", body) + body)
            assert bare.recv(65_536).startswith(b"HTTP/1.1 %d" % status)


def test_a_body_byte_by_byte_ends_in_time_and_holds_no_connection_of_the_database(world):
    """Ten partners that send a byte a second keep nobody waiting: nothing of the database is held."""
    body = b" " * 50_000
    slow = [world.open() for _ in range(10)]
    try:
        for bare in slow:
            bare.sendall(world.head(f"Content-Length: {len(body)}", body))
        time.sleep(0.7)
        for bare in slow:
            bare.sendall(b" ")
        with world.kr.database.app("live") as tx:
            busy = tx.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%'"
            ).scalar_one()
            locks = tx.exec_driver_sql(
                "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).scalar_one()
        assert (busy, locks) == (0, 0)
        began = time.monotonic()
        with world.open() as quick:
            quick.sendall(world.head("Content-Length: 0", b"") + b"")
            assert quick.recv(65_536).startswith(b"HTTP/1.1 422")  # read and judged: an empty body is no page
        assert time.monotonic() - began < 2
        for bare in slow:
            answer = answer_of(bare)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"code":"too-slow"' in answer
            assert b"1 bytes came in 2 s" in answer
    finally:
        for bare in slow:
            bare.close()


def test_each_port_answers_its_own_realm_s_machine_addresses_alone(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    monkeypatch.setattr("secretariat.app.BACKGROUND", ())
    with contextlib.ExitStack() as stack:
        sockets = _two(stack)
        port = sockets[0].getsockname()[1]
        server = uvicorn.Server(configuration(build(node("KR", port=port))))
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
        thread.start()
        served["until"](lambda: server.started)
        for realm, own, other in (("live", port, port + 1), ("exercise", port + 1, port)):
            for path in (f"/{realm}/peer/v1/descriptor", f"/{realm}/peer/v1/place"):
                assert httpx2.get(f"http://127.0.0.1:{own}{path}", trust_env=False).status_code in {200, 401}
                elsewhere = httpx2.get(f"http://127.0.0.1:{other}{path}", trust_env=False)
                assert elsewhere.status_code == 404
                assert elsewhere.json()["what"] == "this port is another realm's"
        for at in (port, port + 1):
            assert httpx2.get(f"http://127.0.0.1:{at}/health", trust_env=False).status_code == 200
        server.should_exit = server.force_exit = True
        thread.join(20)


def test_a_tool_is_told_of_the_root_of_its_own_port_alone(node, monkeypatch):
    """A token of one realm is none at the other's port: TAXII discovery names what is answered there."""
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(taxii_pages.routes))
    monkeypatch.setattr("secretariat.app.BACKGROUND", ())
    with contextlib.ExitStack() as stack:
        sockets = _two(stack)
        port = sockets[0].getsockname()[1]
        kr = node("KR", port=port)
        with kr.database.app("exercise") as tx:
            _, secret = create_token(
                tx, label="player", reader="KR", scopes=frozenset({Scope.READ}), lifetime=timedelta(days=1),
                by="test", now=now(), limits=kr.settings.limits,
            )  # fmt: skip
        server = uvicorn.Server(configuration(build(kr)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
        thread.start()
        served["until"](lambda: server.started)
        headers = {"authorization": f"Bearer {secret}", "accept": "application/taxii+json;version=2.1"}
        with httpx2.Client(trust_env=False, headers=headers) as client:
            own = client.get(f"http://127.0.0.1:{port + 1}/taxii2/")
            assert own.json()["api_roots"] == [f"http://127.0.0.1:{port + 1}/exercise/taxii2/"]
            assert client.get(own.json()["api_roots"][0]).status_code == 200
            assert client.get(f"http://127.0.0.1:{port}/taxii2/").status_code == 401
            assert client.get(f"http://127.0.0.1:{port}/exercise/taxii2/").status_code == 404
        server.should_exit = server.force_exit = True
        thread.join(20)


def _two(stack: contextlib.ExitStack) -> list[socket.socket]:
    """Two listening sockets on ports side by side."""
    for _ in range(50):
        first = served["free_socket"]()
        second = socket.socket()
        try:
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
        except OSError:
            first.close()
            second.close()
            continue
        second.listen()
        stack.callback(first.close)
        stack.callback(second.close)
        return [first, second]
    raise AssertionError("no two ports side by side")
