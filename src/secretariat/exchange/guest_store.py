"""Tables of guests: parties without a node that this one hosts, and how far each was handed the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.exchange.model import Peer
from secretariat.exchange.wire import Cursor
from secretariat.ledger import statements
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

_MOMENT = sa.DateTime(timezone=True)
_STATES = "'hosted', 'moved', 'ended'"

guest = sa.Table(
    "guest",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("public", BYTEA, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="hosted"),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("since", _MOMENT, nullable=False),
    sa.Column("ended_at", _MOMENT),
    sa.CheckConstraint(f"state IN ({_STATES})", name="state"),
)

guest_place = sa.Table(
    "guest_place",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

guest_partner = sa.Table(
    "guest_partner",
    metadata,
    sa.Column("guest", sa.Text, primary_key=True),
    sa.Column("partner", sa.Text, primary_key=True),
    sa.Column("cursor_position", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cursor_offset", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("since", _MOMENT, nullable=False),
    sa.Column("last_contact", _MOMENT),
    sa.Column("last_error", sa.Text),
)
"""The partners that accepted a guest's introduction, and how far the guest is with the log of each."""

hosted_party = sa.Table(
    "hosted_party",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("public", BYTEA, nullable=False),
    sa.Column("introduction", BYTEA, nullable=False),
    sa.Column("since", _MOMENT, nullable=False),
)


class Met(msgspec.Struct, frozen=True):
    """A party that a partner hosts, as both introduced it."""

    party: str
    name: str
    host: str
    public: bytes
    introduction: bytes
    since: datetime


def as_peer(one: Met, origin: str, realm: str) -> Peer:
    """Give a hosted party as one that speaks in its host's log, with every key that it spoke with."""
    said = statements.introduced(one.introduction, realm)
    return Peer(
        party=one.party,
        name=one.name,
        root_key=one.public,
        record_keys=said.keys,
        log_keys={},
        transport_keys={},
        origin=origin,
        url="",
        host=one.host,
        ended=said.ended,
        revoked=said.revoked,
    )


class Guest(msgspec.Struct, frozen=True):
    """A party without a node that this node hosts, or hosted."""

    party: str
    name: str
    public: bytes
    state: Literal["hosted", "moved", "ended"]
    entry: int
    """Position of the entry that named its key."""
    since: datetime
    ended_at: datetime | None = None


_GUEST = "SELECT party, name, public, state, entry, since, ended_at FROM guest"


def guests(tx: sa.Connection, *, hosted_only: bool = False) -> list[Guest]:
    """Give the guests of this node by party code, those who left too."""
    where = " WHERE state = 'hosted'" if hosted_only else ""
    return [Guest(*row) for row in raw(tx).execute(f"{_GUEST}{where} ORDER BY party")]


def guest_of(tx: sa.Connection, party: str) -> Guest | None:
    """Give one guest, in whatever state."""
    row = raw(tx).execute(f"{_GUEST} WHERE party = %s", (party,)).fetchone()
    return None if row is None else Guest(*row)


def write_guest(tx: sa.Connection, one: Guest) -> None:
    """Write a guest as a whole."""
    raw(tx).execute(
        "INSERT INTO guest (party, name, public, state, entry, since, ended_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (party) DO UPDATE SET name = excluded.name,"
        " public = excluded.public, state = excluded.state, entry = excluded.entry, since = excluded.since,"
        " ended_at = excluded.ended_at",
        (one.party, one.name, one.public, one.state, one.entry, one.since, one.ended_at),
    )


def place(tx: sa.Connection, party: str) -> int:
    """Give the next position of the own log that a local party has not been handed yet."""
    row = raw(tx).execute("SELECT position FROM guest_place WHERE party = %s", (party,)).fetchone()
    return 0 if row is None else int(row[0])


def move_place(tx: sa.Connection, party: str, position: int) -> None:
    """Note how far a local party has been handed the log."""
    raw(tx).execute(
        "INSERT INTO guest_place (party, position) VALUES (%s, %s)"
        " ON CONFLICT (party) DO UPDATE SET position = excluded.position",
        (party, position),
    )


def add_partner(tx: sa.Connection, guest: str, partner: str, now: datetime) -> bool:
    """Note that a partner accepted a guest's introduction; False when it had before."""
    done = raw(tx).execute(
        "INSERT INTO guest_partner (guest, partner, since) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (guest, partner, now),
    )
    return done.rowcount == 1


def partners_of(tx: sa.Connection, guest: str) -> list[str]:
    """Give the accepted partners that accepted a guest's introduction, by party code."""
    rows = raw(tx).execute(
        "SELECT g.partner FROM guest_partner g JOIN peer p ON p.party = g.partner AND p.state = 'accepted'"
        " WHERE g.guest = %s ORDER BY g.partner",
        (guest,),
    )
    return [partner for (partner,) in rows]


def guests_with(tx: sa.Connection, partner: str) -> list[str]:
    """Give the guests here whose introduction a partner accepted, by party code."""
    rows = raw(tx).execute(
        "SELECT g.guest FROM guest_partner g JOIN guest h ON h.party = g.guest AND h.state = 'hosted'"
        " WHERE g.partner = %s ORDER BY g.guest",
        (partner,),
    )
    return [guest for (guest,) in rows]


def cursor(tx: sa.Connection, guest: str, partner: str) -> Cursor:
    """Say how far a guest is with the log of a partner."""
    row = (
        raw(tx)
        .execute(
            "SELECT cursor_position, cursor_offset FROM guest_partner WHERE guest = %s AND partner = %s",
            (guest, partner),
        )
        .fetchone()
    )
    return Cursor() if row is None else Cursor(*row)


def move_cursor(tx: sa.Connection, guest: str, partner: str, to: Cursor, now: datetime) -> None:
    """Note how far a guest is with the log of a partner."""
    raw(tx).execute(
        "INSERT INTO guest_partner (guest, partner, cursor_position, cursor_offset, since, last_contact)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (guest, partner) DO UPDATE SET"
        " cursor_position = excluded.cursor_position, cursor_offset = excluded.cursor_offset,"
        " last_contact = excluded.last_contact, last_error = NULL",
        (guest, partner, to.position, to.offset, now, now),
    )


def take_back_cursors(tx: sa.Connection, partner: str, to: Cursor) -> None:
    """Let every guest that is further with the log of a partner stand at this place."""
    raw(tx).execute(
        "UPDATE guest_partner SET cursor_position = %(position)s, cursor_offset = %(offset)s"
        " WHERE partner = %(partner)s AND (cursor_position, cursor_offset) > (%(position)s, %(offset)s)",
        {"partner": partner, "position": to.position, "offset": to.offset},
    )


def note_failed(tx: sa.Connection, guest: str, partner: str, error: str) -> None:
    """Note why a partner's page for a guest was not taken."""
    raw(tx).execute(
        "UPDATE guest_partner SET last_error = %s WHERE guest = %s AND partner = %s", (error, guest, partner)
    )


class GuestPartner(msgspec.Struct, frozen=True):
    """How a guest is with one partner."""

    guest: str
    partner: str
    since: datetime
    last_contact: datetime | None
    last_error: str | None


def guest_partners(tx: sa.Connection) -> list[GuestPartner]:
    """Give every partner of every guest here."""
    rows = raw(tx).execute(
        "SELECT guest, partner, since, last_contact, last_error FROM guest_partner ORDER BY guest, partner"
    )
    return [GuestPartner(*row) for row in rows]


def in_keeping_of(tx: sa.Connection, custodian: str) -> None:
    """Let the rest of a transaction see and write what is kept for a guest, or ('') for the node's party."""
    raw(tx).execute("SELECT set_config('secretariat.custodian', %s, true)", (custodian,))


def addressed(
    tx: sa.Connection, recipient: str, start: int, senders: Sequence[str]
) -> list[tuple[int, str, str, bytes, bytes]]:
    """Give entries for a local party from local senders, in order: position, kind, sender, envelope, salt."""
    rows = raw(tx).execute(
        "SELECT position, kind, party, envelope, salt FROM entry"
        " WHERE recipient = %s AND position >= %s AND party = ANY(%s) ORDER BY position",
        (recipient, start, list(senders)),
        binary=True,
    )
    return rows.fetchall()


def labels(tx: sa.Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Give labels by row, as the application: asked only of versions that the reader was shown."""
    rows = raw(tx).execute("SELECT id, label FROM label WHERE id = ANY(%s)", (sorted(set(numbers)),))
    return dict(rows.fetchall())


class Shown(msgspec.Struct, frozen=True):
    """An object version as the database shows it to a guest."""

    id: int
    stix_id: str
    type: str
    originator: str
    source: str
    data: bytes
    label: int
    """Row of its label, which `labels` gives."""
    version: datetime
    recorded_at: datetime
    revoked: bool
    root: bytes | None
    state: str
    custodian: str
    """For whom it is kept: a guest keeps what others than its host granted to it."""


_SHOWN = (
    "SELECT v.id, v.stix_id, v.type, v.originator, v.source, v.bytes, v.label, v.version, v.recorded_at,"
    " v.revoked, v.root, v.state, v.custodian FROM object_version v"
)


def shown(tx: sa.Connection, types: Sequence[str], limit: int = 200) -> list[Shown]:
    """Give the newest versions that this transaction may see, newest first: row-level security filters."""
    rows = raw(tx).execute(
        f"SELECT * FROM (SELECT DISTINCT ON (stix_id) * FROM ({_SHOWN} WHERE v.type = ANY(%s)) seen"
        " ORDER BY stix_id, version DESC, id DESC) newest ORDER BY id DESC LIMIT %s",
        (list(types), limit),
    )
    return [Shown(*row) for row in rows]


def shown_versions(tx: sa.Connection, stix_ids: Sequence[str]) -> dict[str, Shown]:
    """Give the newest version of each of these objects that this transaction may see."""
    rows = raw(tx).execute(
        f"SELECT DISTINCT ON (v.stix_id) {_SHOWN.removeprefix('SELECT ')} WHERE v.stix_id = ANY(%s)"
        " ORDER BY v.stix_id, v.version DESC, v.id DESC",
        (list(stix_ids),),
    )
    return {one.stix_id: one for one in (Shown(*row) for row in rows)}


def shelved(tx: sa.Connection, party: str) -> list[int]:
    """Give the versions in the collections that are this party's alone: not what is public."""
    rows = raw(tx).execute(
        "SELECT DISTINCT i.version FROM item i JOIN collection c ON c.id = i.collection"
        " WHERE c.reader = %s ORDER BY i.version",
        (party,),
    )
    return [number for (number,) in rows]


def met(tx: sa.Connection, party: str) -> Met | None:
    """Give a party that a partner hosts; None for every other."""
    row = (
        raw(tx)
        .execute(
            "SELECT party, name, host, public, introduction, since FROM hosted_party WHERE party = %s",
            (party,),
        )
        .fetchone()
    )
    return None if row is None else Met(*row)


def write_met(tx: sa.Connection, one: Met) -> None:
    """Keep how a hosted party was introduced, in the place of its introduction before."""
    raw(tx).execute(
        "INSERT INTO hosted_party (party, name, host, public, introduction, since)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (party) DO UPDATE SET"
        " public = excluded.public, introduction = excluded.introduction",
        (one.party, one.name, one.host, one.public, one.introduction, one.since),
    )


def met_parties(tx: sa.Connection, host: str | None = None) -> list[Met]:
    """Give the parties that partners host, or one partner; those with a node of their own are left out."""
    rows = raw(tx).execute(
        "SELECT h.party, h.name, h.host, h.public, h.introduction, h.since FROM hosted_party h"
        " JOIN peer p ON p.party = h.host AND p.state = 'accepted'"
        " WHERE (%s::text IS NULL OR h.host = %s)"
        " AND NOT EXISTS (SELECT 1 FROM peer o WHERE o.party = h.party AND o.state <> 'removed')"
        " ORDER BY h.party",
        (host, host),
    )
    return [Met(*row) for row in rows]


def waits_for(tx: sa.Connection, readers: Sequence[str], since: int) -> bool:
    """Whether an entry from a position of the own log on is addressed to any of these parties."""
    row = (
        raw(tx)
        .execute(
            "SELECT EXISTS (SELECT 1 FROM entry WHERE recipient = ANY(%s) AND position >= %s)",
            (list(readers), since),
        )
        .fetchone()
    )
    return row is not None and bool(row[0])


def met_keys(tx: sa.Connection, party: str, realm: str) -> dict[str, bytes]:
    """Give the keys of a party that an accepted partner hosts, former ones too; nothing for every other."""
    row = (
        raw(tx)
        .execute(
            "SELECT h.introduction FROM hosted_party h JOIN peer p ON p.party = h.host"
            " WHERE h.party = %s AND p.state = 'accepted'",
            (party,),
        )
        .fetchone()
    )
    return {} if row is None else statements.introduced(bytes(row[0]), realm).keys
