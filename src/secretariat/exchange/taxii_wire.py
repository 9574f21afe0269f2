"""TAXII 2.1 as bytes and values (OASIS Standard, 10 June 2021), without I/O.

Rules, with the sections of the standard that they come from:

1. One media type goes out, `application/taxii+json;version=2.1`; a client gets it when its Accept admits it,
   with or without version (1.6.8, RFC 9110 section 12.5.1). Errors go out in it too (3.6).
2. A list never stands empty: no objects, no `objects` (2, 3.7, 5.3.1, 5.8.1).
3. Stored bytes are spliced into the envelope as they are.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import msgspec

from secretariat.base.errors import SecretariatError

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPE: Final = "application/stix+json;version=2.1"
ADDED_FIRST: Final = b"x-taxii-date-added-first"
ADDED_LAST: Final = b"x-taxii-date-added-last"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProtocolError(SecretariatError):
    """HTTP itself refuses: no credential (401), method (405), Accept (406), Content-Type (415)."""

    code = "protocol"

    def __init__(self, status: int, what: str, *, advice: str | None = None) -> None:
        super().__init__(what, advice=advice)
        self.status = status


class Discovery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Discovery resource (4.1.1)."""

    title: str
    description: str | None = None
    contact: str | None = None
    default: str | None = None
    api_roots: tuple[str, ...] = ()


class ApiRoot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """API root resource (4.2.1)."""

    title: str
    description: str | None = None
    versions: tuple[str, ...]
    max_content_length: int


class CollectionResource(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Collection resource (5.2.1)."""

    id: UUID
    title: str
    description: str | None = None
    alias: str | None = None
    can_read: bool
    can_write: bool
    media_types: tuple[str, ...]


class Collections(msgspec.Struct, frozen=True, omit_defaults=True):
    """Collections resource (5.1.1)."""

    collections: tuple[CollectionResource, ...] = ()


class ManifestRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a collection holds of one object version (5.3.1)."""

    id: str
    date_added: str
    version: str
    media_type: str


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Manifest resource (5.3.1)."""

    objects: tuple[ManifestRecord, ...]
    more: bool | None = None
    next: str | None = None


class Versions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Versions resource (5.8.1)."""

    versions: tuple[str, ...]
    more: bool | None = None
    next: str | None = None


class StatusDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one posted object (4.3.1)."""

    id: str
    version: str
    message: str | None = None


class Status(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Status resource (4.3.1); the counts are required even when nothing is counted."""

    id: UUID
    status: str
    request_timestamp: str
    total_count: int
    success_count: int
    failure_count: int
    pending_count: int
    successes: tuple[StatusDetails, ...] = ()
    failures: tuple[StatusDetails, ...] = ()


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Error message (3.6.1)."""

    title: str
    http_status: str
    description: str | None = None
    error_id: str | None = None
    error_code: str | None = None
    details: dict[str, str] | None = None


_ENCODE = msgspec.json.Encoder().encode
Resource = Discovery | ApiRoot | CollectionResource | Collections | Manifest | Versions | Status | Failure


def encode(resource: Resource) -> bytes:
    """Write a resource."""
    return _ENCODE(resource)


def envelope(objects: Sequence[bytes | memoryview], *, token: str | None) -> bytes:
    """Write an envelope (3.7) around stored bytes; without objects it is an empty object."""
    if not objects:
        return b"{}"
    head = b'{"more":false,"objects":['
    if token is not None:
        head = b'{"more":true,"next":"' + token.encode() + b'","objects":['
    return b"".join((head, b",".join(objects), b"]}"))


def manifest(records: Sequence[ManifestRecord], *, token: str | None) -> bytes:
    """Write a manifest; without records it is an empty object."""
    if not records:
        return b"{}"
    return _ENCODE(Manifest(tuple(records), token is not None, token))


def versions(stamps: Sequence[str], *, token: str | None) -> bytes:
    """Write the versions of one object; without versions it is an empty object."""
    if not stamps:
        return b"{}"
    return _ENCODE(Versions(tuple(stamps), token is not None, token))


def date_added(seq: int) -> str:
    """Write the moment that a place in a collection stands for: microseconds since 1970, six digits (2)."""
    return (_EPOCH + timedelta(microseconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def failure(
    status: int,
    title: str,
    *,
    description: str | None = None,
    code: str | None = None,
    where: str | None = None,
) -> Failure:
    """Build an error message with an id of its own, by which an operator finds it in the journal."""
    return Failure(
        title,
        str(status),
        description,
        str(uuid4()),
        code,
        None if where is None else {"where": where},
    )


def accepts(header: str | None) -> bool:
    """Whether a client that sent this Accept may be answered in TAXII 2.1.

    No header or an empty one admits everything (RFC 9110 section 12.5.1). The most specific range that fits
    decides, and `q=0` forbids. What cannot be read admits nothing.
    """
    if header is None or not header.strip():
        return True
    best: tuple[int, float] = (-1, 0.0)
    for part in header.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        version, quality, odd = None, 1.0, False
        for parameter in parameters:
            name, _, value = (piece.strip() for piece in parameter.partition("="))
            value = value.strip('"')
            if name == "version":
                version = value
            elif name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    odd = True
                odd = odd or not 0.0 <= quality <= 1.0
            elif name == "charset":
                odd = odd or value != "utf-8"
        rank = {"*/*": 0, "application/*": 1, "application/taxii+json": 2}.get(kind)
        if rank is None or odd or (version not in (None, "2.1")):
            continue
        if rank == 2 and version is not None:
            rank = 3
        best = max(best, (rank, quality), key=lambda one: one[0])
    return best[0] >= 0 and best[1] > 0


def is_taxii_type(header: str | None) -> bool:
    """Whether a body of this Content-Type can be read as TAXII 2.1 (5.5); the version may be left out."""
    if header is None:
        return False
    kind, *parameters = (piece.strip().lower() for piece in header.split(";"))
    if kind != "application/taxii+json":
        return False
    for parameter in parameters:
        name, _, value = (piece.strip() for piece in parameter.partition("="))
        value = value.strip('"')
        if (name == "version" and value != "2.1") or (name == "charset" and value != "utf-8"):
            return False
    return True


def credential(header: str | None) -> str | None:
    """Take the secret out of an Authorization header: a Bearer token or a Basic password (8.2, RFC 7617).

    None when there is none that can be read. The user name of Basic says nothing: the secret is what counts.
    """
    if header is None:
        return None
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest or None
    if scheme.lower() != "basic":
        return None
    try:
        text = b64decode(rest, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    _, colon, secret = text.partition(":")
    return secret if colon and secret else None
