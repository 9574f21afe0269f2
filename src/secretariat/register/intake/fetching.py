"""Fetching a document by its address: only through the proxy that the operator named, never into a private net.

Rules:

1. Without `intake_proxy` nothing is fetched. Only http and https, without user name, on ports 80 and 443.
2. Before each request, so after each redirect too, the host is resolved here; one address of it that is private,
   loopback, link-local, reserved, multicast or a cloud's metadata service refuses the whole fetch.
3. The request goes to the address that was checked (with the host's name for TLS), so that a name cannot change
   its mind in between. Five redirects at most; the bytes are counted as they come.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx2

from secretariat.base.errors import DeniedError, InputError, LimitError, UnavailableError
from secretariat.register.intake.capture import Limits

REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"})
_CARRIED = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)
"""IPv6 that carries an IPv4 address inside: NAT64, 6to4, Teredo."""

Resolve = Callable[[str, int], list[str]]


class Fetched(NamedTuple):
    """What came back."""

    data: bytes
    name: str
    url: str
    charset: str | None


def resolve(host: str, port: int) -> list[str]:
    """Give the addresses of a host as this machine's resolver knows them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise UnavailableError(
            f"{host} has no address here", advice="check the spelling; save the page as a file"
        ) from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def checked(url: str, resolver: Resolve = resolve) -> tuple[str, str]:
    """Give (host, address to ask) of an address that may be fetched. Refuses everything else, and says why."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        raise InputError("this is no address", where="url", advice="write https://host/path") from None
    if parts.scheme not in _PORTS or not host:
        raise DeniedError("only http and https addresses are fetched", where="url")
    if parts.username is not None or parts.password is not None:
        raise DeniedError("an address with a user name is not fetched", where="url")
    if port not in {None, _PORTS[parts.scheme]}:
        raise DeniedError(f"port {port} is not fetched", where="url", advice="save the page as a file")
    addresses = resolver(host, _PORTS[parts.scheme])
    if not addresses:
        raise UnavailableError(f"{host} has no address here")
    for one in addresses:
        refuse_private(one, host)
    return host, addresses[0]


def refuse_private(address: str, host: str) -> None:
    """Refuse an address that is not in the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise DeniedError(f"{host} has an address that cannot be read", where="url") from None
    inner = getattr(ip, "ipv4_mapped", None)
    carried = ip.version == 6 and any(ip in net for net in _CARRIED)
    if inner is not None:
        ip = inner
    if not ip.is_global or ip.is_multicast or ip.is_reserved or carried or str(ip) in _METADATA:
        raise DeniedError(
            f"{host} is at {address}, which is no public address",
            where="url",
            advice="save the page as a file",
        )


def fetch(
    url: str,
    proxy: str,
    *,
    limits: Limits | None = None,
    resolver: Resolve = resolve,
    transport: httpx2.BaseTransport | None = None,
) -> Fetched:
    """Fetch a document through the named proxy. Refuses without a proxy, private addresses, and what is too large."""
    if not proxy:
        raise DeniedError(
            "this node fetches nothing",
            where="url",
            advice="an operator may name intake_proxy in node.toml; or save the page",
        )
    limits = limits or Limits()
    ends = time.monotonic() + limits.seconds
    client = (
        httpx2.Client(transport=transport, trust_env=False)
        if transport is not None
        else httpx2.Client(proxy=proxy, trust_env=False, timeout=min(20, limits.seconds))
    )
    try:
        with client:
            at = url
            for _turn in range(REDIRECTS + 1):
                answer = _once(client, at, limits, ends, resolver)
                if isinstance(answer, Fetched):
                    return answer
                at = answer
    except httpx2.HTTPError as error:
        raise UnavailableError(
            f"nothing came back: {type(error).__name__}", where="url", advice="try again, or save the page"
        ) from None
    raise DeniedError(f"more than {REDIRECTS} redirects", where="url")


def _once(client: httpx2.Client, url: str, limits: Limits, ends: float, resolver: Resolve) -> Fetched | str:
    """Ask once; give the document, or the address that it leads to."""
    host, address = checked(url, resolver)
    parts = urlsplit(url)
    literal = f"[{address}]" if ":" in address else address
    pinned = urlunsplit((parts.scheme, literal, parts.path or "/", parts.query, ""))
    headers = {
        "Host": host,
        "User-Agent": "secretariat intake",
        "Accept": "text/html, application/pdf, text/plain, */*;q=0.1",
    }
    with client.stream(
        "GET", pinned, headers=headers, extensions={"sni_hostname": host}, follow_redirects=False
    ) as answer:
        if answer.status_code in {301, 302, 303, 307, 308}:
            return urljoin(url, answer.headers.get("location", ""))
        if answer.status_code != 200:
            raise UnavailableError(
                f"{host} answered {answer.status_code}", where="url", advice="check the address"
            )
        data = bytearray()
        for piece in answer.iter_bytes():
            data += piece
            if len(data) > limits.data:
                raise LimitError(f"the document has more than {limits.data} bytes", where="url")
            if time.monotonic() > ends:
                raise LimitError(f"fetching took more than {limits.seconds} seconds", where="url")
        name = parts.path.rsplit("/", 1)[-1] or host
        return Fetched(bytes(data), name, url, answer.charset_encoding)
