"""The fronts of docs/operations.md as they stand there, run: nginx and Caddy pass on whose certificate came.

Where a front is not on this machine its tests do not run, and say so.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from contract.peers.front import certificate
from contract.peers.test_tls import World, header_of, refused, served
from secretariat.exchange import peer_pages

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
COMMANDS = {
    "nginx": ["-p", ".", "-c", "nginx.conf", "-e", "stderr"],
    "caddy": ["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
}


def snippet(language: str, port: int, node: int, server: Path) -> str:
    """The snippet of the page with this test's names, ports and files in the place of its own."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1].replace("127.0.0.1:8400", f"127.0.0.1:{node}")
    for name in ("/etc/ssl/node.crt", "/etc/ssl/node.key"):
        assert name in text
        text = text.replace(name, str(server))
    if language == "nginx":
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace(
            "node.example.org", "localhost"
        )
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        here = "".join(f"{kind}_temp_path {kind};\n" for kind in kinds)
        first = "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\n"
        return f"{first}http {{\naccess_log off;\n{here}{text}}}\n"
    return "{\nadmin off\nauto_https disable_redirects\n}\n" + text.replace(
        "node.example.org", f"https://localhost:{port}"
    )


@pytest.fixture(params=["nginx", "caddy"])
def world(request, node, tmp_path, monkeypatch):
    program = shutil.which(request.param) or shutil.which(request.param, path="/usr/sbin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{request.param} is not on this machine: the snippet of docs/operations.md did NOT run")
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    with contextlib.ExitStack() as stack:
        there = World(node, tmp_path, stack, client_cert_from=("127.0.0.1",))
        probe = socket.create_server(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = tmp_path / "front"
        (folder / "logs").mkdir(parents=True)
        text = snippet(
            "nginx" if request.param == "nginx" else "caddyfile", port, there.port, there.server.path
        )
        name = "nginx.conf" if request.param == "nginx" else "Caddyfile"
        (folder / name).write_text(text)
        with (folder / "said").open("wb") as said:
            running = subprocess.Popen(
                [program, *COMMANDS[request.param]],
                cwd=folder,
                stdout=said,
                stderr=said,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            )
        try:
            served["until"](lambda: _answers(port) or running.poll() is not None)
            assert running.poll() is None, (folder / "said").read_text()
            there.front.close()
            there.front.port = port  # from here on the front of the test is this one
            yield there
        finally:
            running.kill()
            running.wait(20)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_the_front_says_whose_certificate_came(world):
    assert world.ask(world.own).status_code == 200
    assert refused(world.ask(None)) == (401, "no-certificate")
    answer = world.ask(world.strange.path)
    assert refused(answer) == (401, "wrong-certificate")
    assert world.strange.pin in answer.json()["what"]
    large = certificate(world.folder / "large.pem", key=_rsa())
    world.pins(large.pin)
    assert world.ask(large.path).status_code == 200


def test_the_front_takes_away_what_comes_from_outside_in_the_header(world):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    forged = [("Client-Cert", header_of(world.own))]
    answer = world._send(world.request(world.front.url), forged, verify=context)
    assert refused(answer) == (401, "no-certificate")
    context.load_cert_chain(world.strange.path)
    answer = world._send(world.request(world.front.url), [*forged, *forged], verify=context)
    assert refused(answer) == (401, "wrong-certificate")


def test_a_body_passes_the_front(world):
    answer = world.ask(world.own, method="POST", path="deliver", body=b" " * 3_000_000)
    assert refused(answer) == (422, "bad-input")


def _rsa():
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
