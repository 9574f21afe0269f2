"""What a request asks of a TAXII collection: filters, page, and the token that continues (sections 3.4, 3.5).

1. A filter or page parameter stands at most once in a request; a value that cannot be read is refused, an
   unknown parameter is not ours and is passed by.
2. `added_after` excludes its own moment; `match[version]` is `last` unless said otherwise (3.4.1).
3. `next` is opaque: place in the collection plus a digest of everything that was asked for but `limit`, so a
   token can never be used on another question. Clients do change `limit` between pages.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import msgspec

from secretariat.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secretariat.base.settings import Limits

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
_ENCODE = msgspec.json.Encoder().encode


class QuestionError(InputError):
    """The query of a request cannot be read (3.4: 400, where a body that cannot be read is 422)."""

    status = 400


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
