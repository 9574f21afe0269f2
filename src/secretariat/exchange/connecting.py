"""How this node opens connections to partners' nodes: with its own certificate, to the keys they stated.

Rules, each with a test of its name in tests/contract/peers/test_tls_asking.py:
1. A partner whose descriptor names keys of its server is asked over a connection to one of these keys only,
   whoever vouches for the certificate. This is looked at when the handshake ends, before any byte of a
   request leaves. Without such keys the system's own list of certificate authorities decides, as ever.
2. Where a front asks for a certificate it is shown this node's own, of the realm that asks.
3. One pool of connections per realm and set of keys: a connection that was opened to a key which no longer
   counts is not used again.
4. The descriptor is fetched from whatever server answers (`whoever`): its seal is all that counts, and it is
   how a partner's new server key becomes known.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import httpx2
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from secretariat.base.errors import ProofError
from secretariat.ledger.tls_key import pin_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from secretariat.exchange.model import Peer
    from secretariat.ledger.node import Node

_EXTENSION: Final = "secretariat"
_WHOEVER: Final = ("*",)
Wanted = tuple[str, tuple[str, ...]]
"""A realm, and the pins of the server; none: the system's list decides."""


class WrongServerError(ProofError):
    """The server at the partner's address has another key than the partner stated."""

    code = "wrong-server-key"


def to(realm: str, peer: Peer) -> dict[str, Any]:
    """Say for a request whom it is for: only a server with the keys of this partner gets it."""
    return {_EXTENSION: (realm, peer.server_pins)}


def whoever(realm: str) -> dict[str, Any]:
    """Say for a request that its answer proves itself, whatever server gives it."""
    return {_EXTENSION: (realm, _WHOEVER)}


def client(node: Node, *, keep: int = 100) -> httpx2.AsyncClient:
    """Give a client for the doors of partners' nodes; it follows no redirect and reads no proxy settings."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=keep)
    return httpx2.AsyncClient(trust_env=False, follow_redirects=False, transport=Pools(node, limits))


class Pools(httpx2.AsyncBaseTransport):
    """Connections by realm and by the keys that the other side must have."""

    def __init__(self, node: Node, limits: httpx2.Limits) -> None:
        self._node, self._limits = node, limits
        self._pools: dict[Wanted, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection that it may go over."""
        wanted: Wanted = request.extensions.get(_EXTENSION, (self._node.settings.realms[0], ()))
        realm, pins = wanted
        if pins and pins != _WHOEVER and request.url.scheme != "https":
            raise WrongServerError(
                "the address has no TLS, and the partner stated keys of its server", where=str(request.url)
            )
        if request.url.scheme != "https":
            wanted = ("", ())
        pool = self._pools.get(wanted)
        if pool is None:
            made = None if not wanted[0] else context(self._node, realm, pins)
            verify: Any = False if made is None else made
            pool = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=self._limits)
            self._pools[wanted] = pool
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def context(node: Node, realm: str, pins: Collection[str]) -> ssl.SSLContext:
    """Give the TLS of connections from `realm` to servers with these keys (none: that the system trusts)."""
    if pins:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False  # the key is the partner's own word, sealed by its root key
        made.verify_mode = ssl.CERT_NONE
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if tuple(pins) != _WHOEVER:
            made.sslobject_class = _pinned(frozenset(pins))
    else:
        made = httpx2.create_ssl_context(trust_env=False)
    own = node.keyring(realm).tls
    if own is not None:
        made.load_cert_chain(own.path)
    return made


def _pinned(pins: frozenset[str]) -> type[ssl.SSLObject]:
    class Pinned(ssl.SSLObject):
        """A connection whose handshake ends well only with a key that is pinned."""

        def do_handshake(self) -> None:
            super().do_handshake()
            if (found := _shown(self.getpeercert(binary_form=True))) not in pins:
                raise WrongServerError(
                    f"the server has the key {found}, the descriptor names {' and '.join(sorted(pins))}",
                    where=self.server_hostname,
                    advice="somebody stands between, or the partner has a new key and has not stated it: "
                    "nothing was sent; ask the partner",
                )

    return Pinned


def _shown(der: bytes | None) -> str:
    try:
        return pin_of(x509.load_der_x509_certificate(der or b"").public_key())
    except (ValueError, UnsupportedAlgorithm):
        return "of no kind that is known here"
