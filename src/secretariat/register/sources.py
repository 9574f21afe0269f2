"""Captured documents: bytes and text of what is cited, kept here and never given away (decisions.md 7).

One row per capture of a source. When the same source, or the same address, answers with other bytes, the new
capture is kept beside the older one and says which it differs from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

_COLUMNS = (
    "id, source_id, address, media_type, sha256, text, text_sha256, lang, captured_at, captured_by,"
    " changed_from"
)


class Capture(msgspec.Struct, frozen=True):
    """A captured document without its bytes."""

    id: int
    source_id: str
    address: str | None
    media_type: str
    sha256: bytes
    text: str | None
    text_sha256: bytes | None
    lang: str | None
    captured_at: datetime
    captured_by: str
    changed_from: int | None
    """The capture of the same source or address that had other bytes."""


def keep(
    tx: sa.Connection,
    source_id: str,
    data: bytes,
    *,
    text: str | None,
    media_type: str,
    address: str | None = None,
    lang: str | None = None,
    by: str,
    now: datetime,
) -> Capture:
    """Keep a capture of a source; the same bytes again are the same capture."""
    digest = hashlib.sha256(data).digest()
    old = [one for one in captures(tx, source_id, address=address) if one.sha256 != digest]
    cursor = raw(tx).execute(
        "INSERT INTO register_source (source_id, address, media_type, sha256, bytes, text, text_sha256, lang,"
        " captured_at, captured_by, changed_from) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        f" ON CONFLICT (source_id, sha256) DO NOTHING RETURNING {_COLUMNS}",
        (
            source_id,
            address,
            media_type,
            digest,
            data,
            text,
            None if text is None else hashlib.sha256(text.encode()).digest(),
            lang,
            now,
            by,
            old[0].id if old else None,
        ),
    )
    row = cursor.fetchone()
    if row is not None:
        return Capture(*row)
    return next(one for one in captures(tx, source_id) if one.sha256 == digest)


def captures(tx: sa.Connection, source_id: str, *, address: str | None = None) -> list[Capture]:
    """Give the captures of a source, or of anything behind the same address, newest first."""
    rows = raw(tx).execute(
        f"SELECT {_COLUMNS} FROM register_source WHERE source_id = %s OR address = %s"
        " ORDER BY captured_at DESC, id DESC",
        (source_id, address),
    )
    return [Capture(*row) for row in rows]


def content(tx: sa.Connection, capture: int) -> bytes | None:
    """Give the captured bytes; None when they are not here."""
    row = raw(tx).execute("SELECT bytes FROM register_source WHERE id = %s", (capture,)).fetchone()
    return None if row is None else bytes(row[0])


def texts_of(tx: sa.Connection, source_ids: Iterable[str]) -> dict[str, str]:
    """Give the newest text of each of these sources that was captured here."""
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (source_id) source_id, text FROM register_source"
        " WHERE source_id = ANY(%s) AND text IS NOT NULL ORDER BY source_id, captured_at DESC, id DESC",
        (sorted(source_ids),),
    )
    return dict(rows.fetchall())
