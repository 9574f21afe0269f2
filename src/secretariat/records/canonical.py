r"""The door for JSON: what may come in, and the one form in which it is kept (RFC 8785, JCS).

Rules, in this order:

1. Not longer than `Limits.max_object_bytes`.
2. UTF-8 without byte order mark, and JSON as RFC 8259 has it (no NaN, no Infinity, no lone surrogate).
3. Not nested deeper than `Limits.max_depth`.
4. No object or list in it with more than `Limits.max_members` members.
5. No member name twice in one object, compared after unescaping (RFC 7493 section 2.3).
6. Only numbers that every reader keeps alike: integers within ±(2^53-1), finite doubles (RFC 7493
   section 2.2, RFC 8785 section 3.2.2.3). A double from 2^53 up to 1e21 is refused too: JCS writes it as
   an integer that this rule would refuse at the next door.

The fast path writes with msgspec, whose sorted form equals JCS for values without floats whose member
names sort alike by code point and by UTF-16 unit. Everything else goes through `rfc8785`.

Rule 5 needs no second parse: JCS writes every colon of a surviving string and one per surviving member,
and the raw bytes hold the same colons as long as none is written as the escape `\u003a`. Each doubled
member takes at least its own colon with it, so equal counts prove that nothing was lost.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import rfc8785

from secretariat.base.errors import InputError, LimitError

if TYPE_CHECKING:
    from secretariat.base.settings import Limits

MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 7493 section 2.2: the largest integer that a double holds exactly."""

_EXPONENT_FROM = 1e21
"""ECMA-262 Number::toString writes doubles from here on with an exponent, so they stay doubles."""

_DEEPEST = 512
"""Nesting that `canonical` follows; the door's own limit is far below it."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode
_four_bytes = re.compile(rb"[\xf0-\xf4]").search
_above_surrogates = re.compile(rb"[\xee\xef]").search

_PLAIN, _FLOATS, _TYPED = range(3)


def canonical(value: Any) -> bytes:
    """Write `value` as RFC 8785 has it; structs, tuples and times are written as msgspec builds them.

    Refuses what has no such form: integers past ±(2^53-1), NaN, infinities, lone surrogates.
    """
    kind = _survey(value, _DEEPEST)
    if kind == _TYPED:
        value = msgspec.to_builtins(value, str_keys=True)
        kind = _survey(value, _DEEPEST)
    return _write(value, kind)


def read_json(data: bytes, limits: Limits) -> Any:
    """Read one JSON value under all the rules above; the error names key and JSON pointer."""
    return read_canonical(data, limits)[0]


def read_canonical(data: bytes, limits: Limits) -> tuple[Any, bytes]:
    """Read one JSON value under all the rules above, and give it with its canonical bytes."""
    if len(data) > limits.max_object_bytes:
        raise LimitError(
            f"{len(data)} bytes where at most {limits.max_object_bytes} may stand in one object",
            advice="split it, or raise max_object_bytes",
        )
    value = _parse(data, limits.max_depth)
    written = _write(value, _survey(value, limits.max_depth, limits.max_members))
    if data.count(b":") != written.count(b":") or b"\\u003" in data:
        refuse_duplicates(data)
    return value, written


def refuse_duplicates(data: bytes) -> None:
    """Refuse a member name that stands twice in one object, by a full second parse of the raw bytes."""
    found = next(_doubled(json.loads(data, object_pairs_hook=_Members), ""), None)
    if found is not None:
        pointer, key = found
        raise InputError(
            f"the key {key!r} stands twice in one object",
            where=pointer,
            advice="readers would disagree on which one counts: send it once",
        )


def pointer_token(key: str | int) -> str:
    """Write one step of a JSON pointer (RFC 6901 section 3)."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


class _Members(list[tuple[str, Any]]):
    """The members of one object as they stood, doubled names and all."""


def _doubled(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Members):
        seen: set[str] = set()
        for key, inner in value:
            here = pointer + pointer_token(key)
            if key in seen:
                yield here, key
            seen.add(key)
            yield from _doubled(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _doubled(inner, f"{pointer}/{index}")


def _parse(data: bytes, max_depth: int) -> Any:
    try:
        return _decode(data)
    except UnicodeDecodeError:
        raise _not_utf8(data) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise _not_json(data, str(error)) from None


def _not_utf8(data: bytes) -> InputError:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return InputError(
            f"not UTF-8: byte 0x{data[error.start]:02x} cannot stand here",
            where=f"byte {error.start}",
            advice="JSON is UTF-8 (RFC 8259 section 8.1): save it as UTF-8",
        )
    return InputError("a string of this JSON is not UTF-8", advice="save it as UTF-8")


def _not_json(data: bytes, why: str) -> InputError:
    if data.startswith(b"\xef\xbb\xbf"):
        return InputError(
            "a byte order mark stands before the JSON",
            where="byte 0",
            advice="save it as UTF-8 without byte order mark (RFC 8259 section 8.1)",
        )
    try:
        data.decode()
    except UnicodeDecodeError:
        return _not_utf8(data)
    if "out of range" in why or "digit" in why:
        return InputError("a number no double can hold", advice="write it as a string")
    if re.search(rb"\b(NaN|Infinity)\b", data) and "invalid character" in why:
        return InputError("NaN and Infinity are no JSON numbers", advice="leave the property out")
    if re.search(rb"\\u[dD][89a-fA-F]", data) and ("surrogate" in why or "truncated" in why):
        return _lone_surrogate()
    at = re.search(r"\(byte (\d+)\)", why)
    return InputError(
        "not JSON: " + why.removeprefix("JSON is malformed: ").removeprefix("Input data was "),
        where=None if at is None else f"byte {at[1]}",
        advice="it may have been cut off or edited by hand; check it with `python -m json.tool`",
    )


def _too_deep(max_depth: int) -> LimitError:
    return LimitError(
        f"nested deeper than {max_depth}", advice="flatten it, or raise max_depth; no STIX object needs it"
    )


def _too_many(count: int, most: int) -> LimitError:
    return LimitError(
        f"{count} members in one object or list, at most {most} are taken",
        advice="split it, or raise max_members",
    )


def _survey(value: Any, max_depth: int, max_members: int = sys.maxsize) -> int:
    """Say how `value` must be written, refusing depth, crowds and numbers without a common reading."""
    kind = _PLAIN
    level: list[Any] = [value]
    for depth in range(max_depth + 1):
        if depth == max_depth and any(type(item) in {dict, list} for item in level):
            raise _too_deep(max_depth)
        inner: list[Any] = []
        for item in level:
            of = type(item)
            if of is str or of is bool or item is None:
                continue
            if of is dict:
                if len(item) > max_members:
                    raise _too_many(len(item), max_members)
                inner.extend(item.values())
            elif of is list:
                if len(item) > max_members:
                    raise _too_many(len(item), max_members)
                inner.extend(item)
            elif of is int:
                if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                    raise _unsafe_integer(value, item)
            elif of is float:
                if MAX_SAFE_INTEGER < abs(item) < _EXPONENT_FROM:
                    raise _unsafe_integer(value, item)
                kind = kind or _FLOATS
            else:
                kind = _TYPED
        if not inner:
            return kind
        level = inner
    raise _too_deep(max_depth)


def _unsafe_integer(value: Any, number: float) -> InputError:
    digits = str(number) if abs(number) < 10**40 else f"{str(number)[:20]}… ({len(str(number))} digits)"
    where = next((at for at, item in _leaves(value) if item is number), None)
    return InputError(
        f"the number {digits} is past ±(2^53-1), where readers round differently",
        where=where,
        advice="write it as a string (RFC 8785 section 3.2.2.3)",
    )


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    steps: Iterable[tuple[str | int, Any]]
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    else:
        yield pointer, value
        return
    for key, inner in steps:
        yield from _leaves(inner, pointer + pointer_token(key))


def _write(value: Any, kind: int) -> bytes:
    try:
        if kind == _PLAIN:
            written = _encode(value)
            if written.isascii() or not _four_bytes(written) or not _above_surrogates(written):
                return written
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InputError(f"no canonical form: {error}", advice="send finite numbers only") from None
    except TypeError as error:
        raise InputError(f"no canonical form: {error}", advice="send JSON values only") from None
    except (UnicodeEncodeError, UnicodeDecodeError):
        raise _lone_surrogate() from None


def _lone_surrogate() -> InputError:
    return InputError("half of a surrogate pair stands alone", advice="write the character whole, in UTF-8")
