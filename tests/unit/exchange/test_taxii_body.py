"""The body of a posting under its limits, without a server."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from secretariat.base.errors import LimitError
from secretariat.exchange.taxii_body import receive_body


def receive(chunk: bytes, count: int, *, limit: int, coding: str | None = "gzip") -> tuple[bytes, int]:
    """Give the body made of `count` chunks, and how many were asked for."""
    asked = 0

    async def give() -> dict[str, object]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": chunk, "more_body": asked < count}

    async def run() -> bytes:
        with await receive_body(give, length=None, coding=coding, limit=limit) as body:  # type: ignore[arg-type]
            return body.read()

    try:
        return asyncio.run(run()), asked
    except LimitError:
        return b"refused", asked


def test_empty_members_of_a_gzip_file_are_counted_as_they_come() -> None:
    """They unpack to nothing, so that only what arrives can end them."""
    empty = gzip.compress(b"")
    assert receive(empty, 1_000_000, limit=10 * len(empty)) == (b"refused", 11)


@pytest.mark.parametrize("coding", ["gzip", None])
def test_a_body_of_exactly_the_limit_is_read(coding: str | None) -> None:
    data = b"x" * 100
    chunk = gzip.compress(data) if coding else data
    assert receive(chunk, 1, limit=100, coding=coding) == (data, 1)
