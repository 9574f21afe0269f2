"""TAXII 2.1 as bytes and values (OASIS Standard, 10 June 2021), without I/O.

Rules, with the sections of the standard that they come from:

1. One media type goes out, `application/taxii+json;version=2.1`; a client gets it when its Accept admits it,
   with or without version (1.6.8, RFC 9110 section 12.5.1). Errors go out in it too (3.6).
2. A filter or page parameter stands at most once in a request; a value that cannot be read is refused, an
   unknown parameter is not ours and is passed by (3.4).
3. `added_after` excludes its own moment; `match[version]` is `last` unless said otherwise (3.4, 3.4.1).
4. `next` is opaque: place in the collection plus a digest of everything that was asked for but `limit`, so a
   token can never be used on another question (3.5). Clients do change `limit` between pages.
5. A list never stands empty: no objects, no `objects` (2, 3.7, 5.3.1, 5.8.1).
6. Stored bytes are spliced into the envelope as they are.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import msgspec

from secretariat.base.errors import InputError, SecretariatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secretariat.base.settings import Limits

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPE: Final = "application/stix+json;version=2.1"
ADDED_FIRST: Final = b"x-taxii-date-added-first"
ADDED_LAST: Final = b"x-taxii-date-added-last"

MAX_QUERY_BYTES: Final = 65_536
MAX_PARAMETERS: Final = 32
_LONGEST_VALUE: Final = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_DIGITS = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{23}")
_TOKEN_VERSION = 1
_LAST_SEQ = 2**63 - 1


class QuestionError(InputError):
    """The query of a request cannot be read (3.4: 400, where a body that cannot be read is 422)."""

    status = 400


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


class Match(msgspec.Struct, frozen=True):
    """Filters of one request (3.4.1). No first, last, every and no moments means `last`."""

    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    spec_versions: tuple[str, ...] = ()
    moments: tuple[datetime, ...] = ()
    first: bool = False
    last: bool = True
    every: bool = False

    @property
    def only_last(self) -> bool:
        """Whether nothing but the latest version of each object is asked for."""
        return self.last and not (self.first or self.every or self.moments)


class Query(msgspec.Struct, frozen=True):
    """What a request asks of a collection: everything after a place, filtered, at most `limit`."""

    match: Match
    limit: int
    after: int
    digest: bytes
    filtered: bool

    def next_token(self, seq: int) -> str:
        """Write the token that continues this question after `seq`."""
        place = bytes((_TOKEN_VERSION,)) + seq.to_bytes(8, "big") + self.digest
        return urlsafe_b64encode(place).rstrip(b"=").decode()


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


def read_query(
    raw: bytes, *, subject: str, fields: frozenset[str], limits: Limits, every_version: bool = False
) -> Query:
    """Read the query of a request on `subject` (endpoint, collection and object: what a token belongs to).

    `fields` are the match fields of the endpoint; `every_version` is the endpoint's own meaning of no
    `match[version]`. Refuses doubled parameters, values that cannot be read, and tokens of another question.
    """
    given = _parameters(raw)
    match = Match(
        ids=_values(given, "match[id]", limits) if "id" in fields else (),
        types=_values(given, "match[type]", limits) if "type" in fields else (),
        spec_versions=_values(given, "match[spec_version]", limits) if "spec_version" in fields else (),
        last=not every_version,
        every=every_version,
    )
    if "version" in fields and "match[version]" in given:
        match = _with_versions(match, _values(given, "match[version]", limits))
    added_after = given.get("added_after")
    after = -1 if added_after is None else _microseconds(moment(added_after, "added_after"))
    digest = _digest(subject, match, after)
    token = given.get("next")
    if token:
        after = max(after, _read_token(token, digest))
    filtered = (
        added_after is not None or token is not None or match != Match(last=match.last, every=match.every)
    )
    return Query(match, _limit(given.get("limit"), limits), after, digest, filtered)


def moment(text: str, where: str) -> datetime:
    """Read a timestamp with zone; digits finer than a microsecond are cut. Refuses everything else."""
    if _MOMENT.fullmatch(text):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    raise QuestionError(
        f"not a timestamp: {text[:60]!r}", where=where, advice="write 2026-11-22T02:09:36.123456Z"
    )


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _parameters(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    if len(raw) > MAX_QUERY_BYTES:
        raise QuestionError(f"a query of {len(raw)} bytes", advice=f"at most {MAX_QUERY_BYTES}: ask in parts")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except (UnicodeDecodeError, ValueError):
        raise QuestionError(
            "the query cannot be read", advice=f"percent-encoded UTF-8, at most {MAX_PARAMETERS} parameters"
        ) from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise QuestionError(
                "a parameter stands twice", where=name[:60], advice="once, with commas between the values"
            )
        if "\x00" in value:
            raise QuestionError("a NUL character", where=name[:60], advice="leave it out")
        given[name] = value
    return given


def _values(given: dict[str, str], name: str, limits: Limits) -> tuple[str, ...]:
    text = given.get(name)
    if text is None:
        return ()
    parts = [part for part in (piece.strip() for piece in text.split(",")) if part]
    if not parts:
        raise QuestionError(
            "a filter without a value", where=name, advice="give one, or leave the filter out"
        )
    if len(parts) > limits.match_values:
        raise QuestionError(
            f"{len(parts)} values in one filter",
            where=name,
            advice=f"at most {limits.match_values}: ask in parts",
        )
    if any(len(part) > _LONGEST_VALUE for part in parts):
        raise QuestionError(
            "a value too long for a filter", where=name, advice=f"at most {_LONGEST_VALUE} letters"
        )
    return tuple(sorted(set(parts)))


def _with_versions(match: Match, values: Iterable[str]) -> Match:
    words = set(values)
    if "all" in words:
        if len(words) > 1:
            raise QuestionError(
                "`all` stands beside another version",
                where="match[version]",
                advice="`all` alone, or without it",
            )
        return msgspec.structs.replace(match, first=False, last=False, every=True)
    moments = tuple(sorted({moment(word, "match[version]") for word in words - {"first", "last"}}))
    return msgspec.structs.replace(
        match, first="first" in words, last="last" in words, every=False, moments=moments
    )


def _limit(text: str | None, limits: Limits) -> int:
    if text is None:
        return min(limits.page_default, limits.page_max)
    if not _DIGITS.fullmatch(text) or int(text) == 0:
        raise QuestionError(
            f"not a limit: {text[:40]!r}",
            where="limit",
            advice=f"a whole number, 1 to {limits.page_max}",
        )
    return min(int(text), limits.page_max)


def _digest(subject: str, match: Match, after: int) -> bytes:
    return hashlib.blake2b(_ENCODE((subject, match, after)), digest_size=8).digest()


def _read_token(text: str, digest: bytes) -> int:
    if _TOKEN.fullmatch(text):
        place = urlsafe_b64decode(text + "=")
        if place[0] == _TOKEN_VERSION and place[9:] == digest:
            seq = int.from_bytes(place[1:9], "big")
            if seq <= _LAST_SEQ:
                return seq
    raise QuestionError(
        "this `next` does not belong to this question",
        where="next",
        advice="send it with the same filters, or begin anew without it",
    )
