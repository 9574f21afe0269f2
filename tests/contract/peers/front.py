"""A small front as docs/operations.md describes them: real TLS, a certificate asked for, Client-Cert set.

It takes one request per connection, removes every Client-Cert that came from outside and says itself which
certificate the connection showed. Like nginx's `optional_no_ca` it judges no certificate; Python's `ssl` does
judge, so those that may come are named to it and their dates are not looked at.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from secretariat.ledger.tls_key import pin_of

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
YEAR = timedelta(days=365)


class Made:
    """A certificate that a test made: its file, its pin."""

    def __init__(self, path: Path, pin: str, key, certificate) -> None:
        self.path, self.pin, self.key, self.certificate = path, pin, key, certificate


def certificate(path: Path, *, by: Made | None = None, ended: bool = False, key=None) -> Made:
    """Make a certificate for localhost, by itself or by `by`; `ended`: it ran out a year ago."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    until = datetime.now(UTC) + (-YEAR if ended else YEAR)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - 2 * YEAR)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(by.key if by else key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return Made(path, pin_of(key.public_key()), key, made)


class Front:
    """Ends TLS on a free port and passes requests on to a node's port, from an address of its own."""

    def __init__(self, server: Path, backend: int, known: list[Path], *, address: str = "127.0.0.1") -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.requests: list[bytes] = []
        self._backend, self._address = backend, address
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.verify_flags = ssl.VerifyFlags(int(self.context.verify_flags) | _NO_CHECK_TIME)
        for one in known:
            self.context.load_verify_locations(one)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def close(self) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), raw:
            raw.settimeout(60)
            with self.context.wrap_socket(raw, server_side=True) as client:
                self._pass_on(client)

    def _pass_on(self, client: ssl.SSLSocket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(65_536)
            if not part:
                return
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        gone = (b"client-cert:", b"connection:")
        kept = [one for one in fields if not one.lower().startswith(gone)]
        der = client.getpeercert(binary_form=True)
        if der:
            kept.append(b"Client-Cert: :" + base64.b64encode(der) + b":")
        self.requests.append(line)
        source = (self._address, 0)
        with socket.create_connection(("127.0.0.1", self._backend), 60, source_address=source) as node:
            node.sendall(b"\r\n".join([line, *kept, b"Connection: close", b"", body]))
            lengths = [one for one in kept if one.lower().startswith(b"content-length:")]
            left = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
            while left > 0 and (part := client.recv(65_536)):
                node.sendall(part)
                left -= len(part)
            while part := node.recv(65_536):
                client.sendall(part)
