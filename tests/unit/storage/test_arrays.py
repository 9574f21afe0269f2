"""Columns in PostgreSQL's binary form come back as they were: nulls, nothing, one value throughout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from secretariat.storage import arrays
from secretariat.storage.engine import raw

_MOMENT = datetime(2026, 11, 22, 12, 30, 0, 123456, UTC)
COLUMNS = {
    "texts": (arrays.texts, "text", ["a", "", "é日本", None, 'q"{},\\', "NULL"]),
    "blobs": (arrays.blobs, "bytea", [b"", b"\x00\xff", None, b"x" * 70_000]),
    "longs": (arrays.longs, "int8", [0, -1, 2**63 - 1, None, -(2**63)]),
    "ints": (arrays.ints, "int4", [0, -1, 2**31 - 1, None, -(2**31)]),
    "bools": (arrays.bools, "bool", [True, False, None]),
    "moments": (
        arrays.moments,
        "timestamptz",
        [
            _MOMENT,
            datetime(1970, 1, 1, tzinfo=UTC),
            None,
            datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=9))),
        ],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("shape", ["mixed", "known", "same", "nulls", "empty"])
def test_a_column_comes_back_as_it_was(database, name, shape):
    written, kind, values = COLUMNS[name]
    values = {
        "mixed": values,
        "known": [one for one in values if one is not None],
        "same": [values[0]] * 3,
        "nulls": [None, None],
        "empty": [],
    }[shape]
    with database.app("live") as tx:
        found = raw(tx).execute(f"SELECT * FROM unnest(%s::{kind}[])", (written(values),), binary=True)
        assert [one for (one,) in found] == values


def test_a_moment_without_zone_is_refused():
    with pytest.raises(TypeError):
        arrays.moments([datetime(2026, 1, 1)])  # noqa: DTZ001
