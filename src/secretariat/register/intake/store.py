"""Queries of intake: documents being read, their proposals, who decided what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from secretariat.register.intake.model import Proposal, Reading
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """A document being read."""

    id: int
    capture: int
    source_key: str
    source_id: str
    source_kind: str
    name: str
    title: str
    reading: Reading
    note: str | None
    opened_at: datetime
    opened_by: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A document in the list, with how far its reading is."""

    id: int
    name: str
    title: str
    lang: str
    own_date: str | None
    opened_at: datetime
    opened_by: str
    open: int
    accepted: int
    rejected: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal and what was made of it."""

    number: int
    proposal: Proposal
    state: str
    version: int
    stix_id: str | None
    record_key: str | None
    reason: str | None
    decided_at: datetime | None
    decided_by: str | None


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """The captured text of a document; it never leaves the node."""

    text: str
    text_sha256: str
    sha256: str
    media_type: str
    address: str | None
    changed_from: int | None
    captured_at: datetime
    captured_by: str


def of_capture(tx: sa.Connection, capture: int) -> int | None:
    """Give the intake of a capture."""
    row = raw(tx).execute("SELECT id FROM register_intake WHERE capture = %s", (capture,)).fetchone()
    return None if row is None else int(row[0])


def open_intake(
    tx: sa.Connection,
    *,
    capture: int,
    source_key: str,
    source_id: str,
    source_kind: str,
    name: str,
    title: str,
    reading: Reading,
    note: str | None,
    by: str,
    now: datetime,
) -> int:
    """Begin to read a captured document."""
    row = (
        raw(tx)
        .execute(
            "INSERT INTO register_intake (capture, source_key, source_id, source_kind, name, title, reading, note,"
            " opened_at, opened_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (capture, source_key, source_id, source_kind, name, title, _kept(reading), note, now, by),
        )
        .fetchone()
    )
    assert row is not None
    intake = int(row[0])
    put_proposals(tx, intake, reading.proposals)
    return intake


def put_proposals(tx: sa.Connection, intake: int, proposals: list[Proposal]) -> None:
    """Replace the proposals of a document."""
    cursor = raw(tx)
    cursor.execute("DELETE FROM register_intake_proposal WHERE intake = %s", (intake,))
    for number, one in enumerate(proposals, 1):
        cursor.execute(
            "INSERT INTO register_intake_proposal (intake, number, body, state, version)"
            " VALUES (%s, %s, %s, 'open', 1)",
            (intake, number, Jsonb(msgspec.to_builtins(one))),
        )


def set_reading(tx: sa.Connection, intake: int, reading: Reading) -> None:
    """Put a new reading in the place of the old one."""
    raw(tx).execute("UPDATE register_intake SET reading = %s WHERE id = %s", (_kept(reading), intake))
    put_proposals(tx, intake, reading.proposals)


def _kept(reading: Reading) -> Jsonb:
    return Jsonb(msgspec.to_builtins(msgspec.structs.replace(reading, proposals=[])))


def get(tx: sa.Connection, intake: int, *, lock: bool = False) -> Intake | None:
    """Give a document being read."""
    row = (
        raw(tx)
        .execute(
            "SELECT id, capture, source_key, source_id, source_kind, name, title, reading, note, opened_at, opened_by"
            f" FROM register_intake WHERE id = %s{' FOR UPDATE' if lock else ''}",
            (intake,),
        )
        .fetchone()
    )
    if row is None:
        return None
    names = Intake.__struct_fields__
    values: dict[str, Any] = dict(zip(names, row, strict=True))
    values["reading"] = msgspec.convert(values["reading"], Reading)
    return Intake(**values)


def text_of(tx: sa.Connection, capture: int) -> Text:
    """Give the captured text."""
    row = (
        raw(tx)
        .execute(
            "SELECT text, encode(text_sha256, 'hex'), encode(sha256, 'hex'), media_type, address, changed_from,"
            " captured_at, captured_by FROM register_source WHERE id = %s",
            (capture,),
        )
        .fetchone()
    )
    assert row is not None
    return Text(**dict(zip(Text.__struct_fields__, row, strict=True)))


def items(tx: sa.Connection, intake: int) -> list[Item]:
    """Give the proposals of a document, in the order of the text."""
    rows = raw(tx).execute(
        "SELECT number, body, state, version, stix_id, record_key, reason, decided_at, decided_by"
        " FROM register_intake_proposal WHERE intake = %s ORDER BY number",
        (intake,),
    )
    return [_item(row) for row in rows]


def item(tx: sa.Connection, intake: int, number: int, *, lock: bool = False) -> Item | None:
    """Give one proposal."""
    row = (
        raw(tx)
        .execute(
            "SELECT number, body, state, version, stix_id, record_key, reason, decided_at, decided_by"
            f" FROM register_intake_proposal WHERE intake = %s AND number = %s{' FOR UPDATE' if lock else ''}",
            (intake, number),
        )
        .fetchone()
    )
    return None if row is None else _item(row)


def _item(row: tuple[Any, ...]) -> Item:
    values: dict[str, Any] = dict(
        zip(
            (
                "number",
                "proposal",
                "state",
                "version",
                "stix_id",
                "record_key",
                "reason",
                "decided_at",
                "decided_by",
            ),
            row,
            strict=True,
        )
    )
    values["proposal"] = msgspec.convert(values["proposal"], Proposal)
    return Item(**values)


def decide(
    tx: sa.Connection,
    intake: int,
    number: int,
    *,
    state: str,
    by: str,
    now: datetime,
    stix_id: str | None = None,
    record_key: str | None = None,
    reason: str | None = None,
) -> None:
    """Write down what an officer made of a proposal."""
    raw(tx).execute(
        "UPDATE register_intake_proposal SET state = %s, stix_id = %s, record_key = %s, reason = %s,"
        " decided_at = %s, decided_by = %s, version = version + 1 WHERE intake = %s AND number = %s",
        (state, stix_id, record_key, reason, now, by, intake, number),
    )


def listing(tx: sa.Connection, *, limit: int = 200) -> list[Line]:
    """Give the documents being read, newest first, with how far each is."""
    rows = raw(tx).execute(
        "SELECT i.id, i.name, i.title, i.reading->>'lang', i.reading->>'own_date', i.opened_at, i.opened_by,"
        " count(*) FILTER (WHERE p.state = 'open'), count(*) FILTER (WHERE p.state = 'accepted'),"
        " count(*) FILTER (WHERE p.state = 'rejected')"
        " FROM register_intake i LEFT JOIN register_intake_proposal p ON p.intake = i.id"
        " GROUP BY i.id ORDER BY i.opened_at DESC, i.id DESC LIMIT %s",
        (limit,),
    )
    return [Line(**dict(zip(Line.__struct_fields__, row, strict=True))) for row in rows]
