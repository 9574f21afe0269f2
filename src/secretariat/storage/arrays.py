"""Whole columns as PostgreSQL's arrays in binary form: how bulk writes send them (docs/adr/0009).

The driver dumps a list item by item, at a microsecond or two each; here a column costs one join. The form is
that of PostgreSQL's `array_send`: number of dimensions, whether a NULL stands in it, type of the elements,
their number, lower bound; then length and value of each, -1 for NULL.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg.abc import Buffer

_Item = TypeVar("_Item")
_HEAD = struct.Struct(">iiIii").pack
_NONE = struct.Struct(">iiI").pack
_LENGTH = struct.Struct(">i").pack
_LONG = struct.Struct(">iq").pack
_INT = struct.Struct(">ii").pack
_NULL: Final = _LENGTH(-1)
_FLAGS: Final = {True: _LENGTH(1) + b"\x01", False: _LENGTH(1) + b"\x00"}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Column(bytes):
    """An array in binary form; its class says of what."""


class _Texts(Column):
    """A text[]."""


class _Blobs(Column):
    """A bytea[]."""


class _Longs(Column):
    """An int8[]."""


class _Ints(Column):
    """An int4[]."""


class _Moments(Column):
    """A timestamptz[]."""


class _Bools(Column):
    """A bool[]."""


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Buffer) -> Buffer:
        return bytes(obj)


def _register(kind: type[Column], oid: int) -> None:
    psycopg.adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_Dumper,), {"oid": oid}))


_register(_Texts, 1009)
_register(_Blobs, 1001)
_register(_Longs, 1016)
_register(_Ints, 1007)
_register(_Moments, 1185)
_register(_Bools, 1000)


def texts(values: Sequence[str | None]) -> Column:
    """Give a text[]."""
    return _Texts(_array(25, values, lambda known: [_sized(one.encode()) for one in known]))


def blobs(values: Sequence[bytes | None]) -> Column:
    """Give a bytea[]."""
    return _Blobs(_array(17, values, lambda known: [_LENGTH(len(one)) + one for one in known]))


def longs(values: Sequence[int | None]) -> Column:
    """Give an int8[]."""
    return _Longs(_array(20, values, lambda known: [_LONG(8, one) for one in known]))


def ints(values: Sequence[int | None]) -> Column:
    """Give an int4[]."""
    return _Ints(_array(23, values, lambda known: [_INT(4, one) for one in known]))


def bools(values: Sequence[bool | None]) -> Column:
    """Give a bool[]."""
    return _Bools(_array(16, values, lambda known: [_FLAGS[one] for one in known]))


def moments(values: Sequence[datetime | None]) -> Column:
    """Give a timestamptz[]; every moment must know its zone."""
    return _Moments(
        _array(1184, values, lambda known: [_LONG(8, (one - _EPOCH) // _MICROSECOND) for one in known])
    )


def _sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _array(
    oid: int, values: Sequence[_Item | None], written: Callable[[Iterable[_Item]], list[bytes]]
) -> bytes:
    if not values:
        return _NONE(0, 0, oid)
    head = _HEAD(1, int(None in values), oid, len(values), 1)
    first = values[0]
    if values.count(first) == len(values):  # most columns of a bulk write say one thing
        return head + (_NULL if first is None else written([first])[0]) * len(values)
    known = [one for one in values if one is not None]
    if len(known) == len(values):
        return head + b"".join(written(known))
    each = iter(written(known))
    return head + b"".join([_NULL if one is None else next(each) for one in values])
