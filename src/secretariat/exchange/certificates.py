"""Which certificate a partner's connection showed, as the front says, and whether it is the partner's.

The front (nginx, Caddy, HAProxy) ends TLS, asks for a client certificate and passes it on in the header
`Client-Cert` (RFC 9440): one byte sequence of RFC 8941 section 3.3.5, `:base64 of the DER:`. It checks no
chain: what counts is whether the partner's descriptor pins the key of the certificate.

Rules, each with a test of its name in tests/contract/peers/test_tls.py:
1. The header is believed of the addresses in the setting `client_cert_from` and of nobody else, by the
   address of the socket, never by X-Forwarded-For. While that setting is empty no certificate is looked at.
2. With it set, a request of a partner that pins client keys needs a certificate of one of them. Another's,
   none, one through another door than the front, a header that stands twice or cannot be read: refused,
   before a body is read. With `client_cert_demanded` so too a partner that pins none.
3. Only the key counts. Names, issuer, dates and extensions say nothing: a certificate that has run out is
   good as long as the descriptor pins its key, and one that is new is not before.
4. A pin is SHA-256 over the SubjectPublicKeyInfo. What a newer descriptor no longer names counts no more.
5. The certificate never stands in for the signature of the request (identity.py), which comes first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from secretariat.base.errors import SecretariatError
from secretariat.ledger.tls_key import pin_of

if TYPE_CHECKING:
    from secretariat.base.settings import NodeSettings
    from secretariat.exchange.model import Peer

HEADER: Final = "client-cert"
MAX_HEADER: Final = 16_384
"""Characters of the header: a certificate with a 4096-bit RSA key and many names takes 4,000."""


class NoCertificateError(SecretariatError):
    """The request came without the certificate that it needs."""

    code = "no-certificate"
    status = 401


class WrongCertificateError(SecretariatError):
    """The request came with a certificate that is not the partner's, or none at all."""

    code = "wrong-certificate"
    status = 401


class Shown(msgspec.Struct, frozen=True):
    """The headers of a request, and the address at the other end of its socket (None: nobody knows it)."""

    headers: Collection[tuple[bytes, bytes]]
    came_from: str | None


def check(peer: Peer, settings: NodeSettings, request: Shown) -> None:
    """Say nothing where this request may go on; refuse it as the rules above say."""
    if not settings.client_cert_from:
        if settings.client_cert_demanded:
            raise NoCertificateError(
                "this node demands a certificate and believes no front that could show one",
                where="client_cert_from",
                advice=f"who runs the node of {settings.party} names the front's address there",
            )
        return
    if not (peer.client_pins or settings.client_cert_demanded):
        return
    from_front = believed(request.came_from, settings.client_cert_from)
    values = [value for name, value in request.headers if name.lower() == HEADER.encode()]
    pin = pin_shown(values) if from_front else None
    if pin is None:
        raise NoCertificateError(
            f"no certificate came with this request, {_expected(peer)}",
            where=HEADER,
            advice="come over the front with TLS and the client certificate: docs/operations.md, A front"
            if from_front
            else "only what the front says of it is believed, and this did not come from the front",
        )
    if pin not in peer.client_pins:
        raise WrongCertificateError(
            f"the certificate of this connection has the key {pin}, {_expected(peer)}",
            where=HEADER,
            advice=f"{peer.party} states its key anew, or comes with the one that it stated",
        )


def _expected(peer: Peer) -> str:
    if not peer.client_pins:
        return f"and the descriptor of {peer.party} names none: secretariat keys rotate tls makes one there"
    return f"the descriptor of {peer.party} names {' and '.join(peer.client_pins)}"


def believed(came_from: str | None, fronts: Sequence[str]) -> bool:
    """Whether what comes from this address is a front's own word."""
    try:
        address = ip_address(came_from or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in ip_network(one, strict=False) for one in fronts)


def pin_shown(values: Sequence[bytes]) -> str | None:
    """Give the pin of the certificate that a front passed on, None where it says that there was none.

    Refuses a header that stands twice, is too long, or holds no certificate.
    """
    if len(values) > 1:
        raise WrongCertificateError(
            f"the header stands {len(values)} times",
            where=HEADER,
            advice="the front removes what comes from outside before it sets its own: docs/operations.md",
        )
    value = values[0].strip(b" \t") if values else b""
    if value in {b"", b"::"}:
        return None
    if len(value) > MAX_HEADER:
        raise WrongCertificateError(
            f"the header has {len(value)} characters, at most {MAX_HEADER} are read", where=HEADER
        )
    return _pin_in(value)


@lru_cache(maxsize=512)
def _pin_in(value: bytes) -> str:
    try:
        if not (value.startswith(b":") and value.endswith(b":")):
            raise ValueError("no byte sequence")
        found = x509.load_der_x509_certificate(base64.b64decode(value[1:-1], validate=True))
        return pin_of(found.public_key())
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise WrongCertificateError(
            "the header holds no certificate as RFC 9440 writes it, :base64 of the DER:",
            where=HEADER,
            advice="who runs this node compares the front's configuration with docs/operations.md",
        ) from error
