"""Tables of exchange between nodes, and the queries that are not part of the `Store` protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, distinct_on

from secretariat.base.clock import AsOf, parse_stamp, stamp
from secretariat.exchange.model import Due, Holding, Peer
from secretariat.exchange.wire import Cursor
from secretariat.ledger.revocation import Revoked
from secretariat.storage import arrays
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata
from secretariat.storage.rls import CUSTODIAN

MOMENT = sa.DateTime(timezone=True)
NOW = AsOf()

peer = sa.Table(
    "peer",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("root_key", BYTEA, nullable=False),
    sa.Column("keys", JSONB, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, unique=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("cursor_position", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cursor_offset", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_contact", MOMENT),
    sa.Column("last_error", sa.Text),
    sa.Column("descriptor", BYTEA, nullable=False),
    sa.Column("via", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("state IN ('invited', 'accepted', 'suspended', 'removed')", name="state"),
)

request_nonce = sa.Table(
    "request_nonce",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("at", MOMENT, nullable=False, index=True),
)

arrival = sa.Table(
    "arrival",
    metadata,
    sa.Column("root", BYTEA, primary_key=True),
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("sender", sa.Text, primary_key=True),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    sa.Index("ix_arrival_waiting", "root", postgresql_where=sa.text("state = 'waiting'")),
)

attachment = sa.Table(
    "attachment",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text),
    sa.Column("envelope", BYTEA, nullable=False),
    sa.Column("salt", BYTEA, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
)

rival = sa.Table(
    "rival",
    metadata,
    sa.Column("root", BYTEA, primary_key=True),
    sa.Column("stix_id", sa.Text, nullable=False, index=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("created", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("bytes", BYTEA, nullable=False),
    sa.Column("salt", BYTEA, nullable=False),
    sa.Column("envelope", BYTEA, nullable=False),
    sa.Column("originator", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("revoked", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
)

holding = sa.Table(
    "holding",
    metadata,
    sa.Column("root", BYTEA, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("due_at", MOMENT),
    sa.Column("article", sa.Text, nullable=False, server_default=""),
    sa.Column("recorded_at", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    sa.Index("ix_holding_asked", "at", postgresql_where=sa.text("state = 'asked'")),
)

holding_past = sa.Table(
    "holding_past",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("root", BYTEA, nullable=False, index=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("due_at", MOMENT),
    sa.Column("article", sa.Text, nullable=False, server_default=""),
    sa.Column("recorded_at", MOMENT, nullable=False),
    sa.Column("until", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
)
"""What was known of a holder before it said something newer: a past day is answered from it."""

tomb = sa.Table(
    "tomb",
    metadata,
    sa.Column("root", BYTEA, primary_key=True),
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("done", sa.Text, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
)

refusal = sa.Table(
    "refusal",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("digest", BYTEA, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("where", sa.Text),
    sa.Column("advice", sa.Text),
    sa.Column("position", sa.BigInteger),
    sa.Column("root", sa.Text),
    sa.Column("evidence", BYTEA, nullable=False, server_default=sa.text("''::bytea")),
    sa.Column("first_at", MOMENT, nullable=False),
    sa.Column("last_at", MOMENT, nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    sa.UniqueConstraint("digest", "custodian"),
    sa.Index(None, "party", "last_at"),
)

obligation_timer = sa.Table(
    "obligation_timer",
    metadata,
    sa.Column("root", BYTEA, primary_key=True),
    sa.Column("duty", sa.Text, primary_key=True),
    sa.Column("article", sa.Text, primary_key=True),
    sa.Column("owed_to", sa.Text, nullable=False),
    sa.Column("due_at", MOMENT),
    sa.Column("done_at", MOMENT),
    sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    sa.Index("ix_obligation_timer_open", "due_at", postgresql_where=sa.text("done_at IS NULL")),
)

_PEER = (
    "SELECT party, name, root_key, keys, origin, url, state, reason, cursor_position, cursor_offset,"
    " last_contact, last_error, descriptor, via FROM peer"
)
_ROLES = ("record", "log", "former_log", "transport", "sealing", "witness")


class Refused(msgspec.Struct, frozen=True):
    """A recorded refusal as pages show it."""

    id: int
    party: str
    code: str
    what: str
    where: str | None
    advice: str | None
    position: int | None
    root: str | None
    first_at: datetime
    last_at: datetime
    times: int


def read_peers(tx: sa.Connection, where: str = "", bound: Sequence[Any] = ()) -> list[Peer]:
    """Give partners by party code."""
    rows = raw(tx).execute(f"{_PEER} {where} ORDER BY party", bound)
    return [_peer(row) for row in rows]


def lock_peer(tx: sa.Connection, party: str) -> Peer | None:
    """Give a partner and keep everybody else from moving its cursor until the transaction ends."""
    row = raw(tx).execute(f"{_PEER} WHERE party = %s FOR UPDATE", (party,)).fetchone()
    return None if row is None else _peer(row)


def _peer(row: Sequence[Any]) -> Peer:
    (
        party,
        name,
        root_key,
        keys,
        origin,
        url,
        state,
        reason,
        position,
        offset,
        contact,
        error,
        descriptor,
        via,
    ) = row
    held = {
        role: {key: bytes.fromhex(public) for key, public in keys.get(role, {}).items()} for role in _ROLES
    }
    return Peer(
        party=party,
        name=name,
        root_key=root_key,
        record_keys=held["record"],
        retired={key: parse_stamp(at) for key, at in keys.get("retired", {}).items()},
        ended=dict(keys.get("ended", {})),
        revoked=msgspec.convert(keys.get("revoked", {}), dict[str, Revoked]),
        log_keys=held["log"],
        former_log_keys=held["former_log"],
        transport_keys=held["transport"],
        client_pins=tuple(keys.get("client_pins", ())),
        server_pins=tuple(keys.get("server_pins", ())),
        origin=origin,
        url=url,
        state=state,
        reason=reason,
        cursor=Cursor(position, offset),
        last_contact=contact,
        last_error=error,
        descriptor=descriptor,
        via=via,
        sealing_keys=held["sealing"],
        witness_keys=held["witness"],
    )


def write_peer(tx: sa.Connection, one: Peer) -> None:
    """Write a partner as a whole."""
    held: Mapping[str, Mapping[str, bytes]] = {
        "record": one.record_keys,
        "log": one.log_keys,
        "former_log": one.former_log_keys,
        "transport": one.transport_keys,
        "sealing": one.sealing_keys,
        "witness": one.witness_keys,
    }
    values = {
        "party": one.party,
        "name": one.name,
        "root_key": one.root_key,
        "keys": {role: {key: public.hex() for key, public in keys.items()} for role, keys in held.items()}
        | {
            "retired": {key: stamp(at) for key, at in one.retired.items()},
            "ended": dict(one.ended),
            "revoked": msgspec.to_builtins(one.revoked),
            "client_pins": list(one.client_pins),
            "server_pins": list(one.server_pins),
        },
        "origin": one.origin,
        "url": one.url,
        "state": one.state,
        "reason": one.reason,
        "cursor_position": one.cursor.position,
        "cursor_offset": one.cursor.offset,
        "last_contact": one.last_contact,
        "last_error": one.last_error,
        "descriptor": one.descriptor,
        "via": one.via,
    }
    statement = sa.dialects.postgresql.insert(peer).values(values)
    del values["party"]
    tx.execute(statement.on_conflict_do_update(index_elements=["party"], set_=values))


def note_contact(tx: sa.Connection, party: str, *, at: datetime | None, error: str | None) -> None:
    """Note when a partner was last in contact, or why it was not."""
    raw(tx).execute(
        "UPDATE peer SET last_contact = coalesce(%s, last_contact), last_error = %s WHERE party = %s",
        (at, error, party),
    )


def forget_nonces(tx: sa.Connection, before: datetime) -> int:
    """Forget nonces that no request within the allowed skew can repeat."""
    return raw(tx).execute("DELETE FROM request_nonce WHERE at < %s", (before,)).rowcount


def read_refusals(tx: sa.Connection, *, party: str | None = None, limit: int = 100) -> list[Refused]:
    """Give recorded refusals, newest first."""
    where, bound = ("WHERE party = %s", [party]) if party is not None else ("", list[Any]())
    rows = raw(tx).execute(
        'SELECT id, party, code, what, "where", advice, position, root, first_at, last_at, times FROM refusal'
        f" {where} ORDER BY last_at DESC, id DESC LIMIT %s",
        [*bound, limit],
    )
    return [Refused(*row) for row in rows]


def holdings_as_of(as_of: AsOf = NOW) -> sa.Subquery:
    """Give the holdings to select from: what holders had said by the times asked about, the newest each.

    `at` is when the holder says it was so, `recorded_at` when this node learnt it; so the latter is also
    when it became known here. Nothing about holders is publicly known but that everybody may read.
    """
    columns = [column.name for column in holding.columns]
    every = sa.union_all(
        sa.select(holding), sa.select(*(holding_past.c[name] for name in columns))
    ).subquery()
    if as_of.is_now:
        return sa.select(holding).subquery()
    asked = sa.select(every).ext(distinct_on(every.c.root, every.c.holder))
    if as_of.true_on is not None:
        asked = asked.where(every.c.at <= as_of.true_on)
    for moment in (as_of.known_by, as_of.recorded_by):
        if moment is not None:
            asked = asked.where(every.c.recorded_at <= moment)
    if as_of.public:
        asked = asked.where(every.c.holder == "*")
    return asked.order_by(
        every.c.root, every.c.holder, every.c.recorded_at.desc(), every.c.at.desc()
    ).subquery()


class Disputed(msgspec.Struct, frozen=True):
    """Another content that an originator signed under an id and version of which one was here before."""

    root: bytes
    originator: str
    source: str
    version: str
    at: datetime
    data: bytes


def read_disputed(tx: sa.Connection, stix_id: str, as_of: AsOf = NOW) -> list[Disputed]:
    """Give what is shown as disputed of an object, the oldest first, as it came by the times asked about."""
    if as_of.public:
        return []
    rows = raw(tx).execute(
        "SELECT root, originator, source, coalesce(modified, created, ''), at, bytes FROM rival"
        " WHERE stix_id = %s AND state = 'disputed' AND (%s::timestamptz IS NULL OR at <= %s)"
        " ORDER BY at, root",
        (stix_id, as_of.earliest, as_of.earliest),
    )
    return [Disputed(*row) for row in rows]


def read_holdings(tx: sa.Connection, roots: Sequence[bytes], as_of: AsOf = NOW) -> list[Holding]:
    """Give what is known of the holders of `roots`, now or by the times asked about."""
    if as_of.is_now:
        now = raw(tx).execute(
            "SELECT root, holder, state, via, origin, position, at, note, due_at, article FROM holding"
            " WHERE root = ANY(%s) ORDER BY holder, root",
            (arrays.blobs(roots),),
            binary=True,
        )
        return [_holding(row) for row in now]
    held = holdings_as_of(as_of).c
    wanted = sa.literal(list(roots), ARRAY(BYTEA))
    rows = tx.execute(
        sa.select(
            held.root,
            held.holder,
            held.state,
            held.via,
            held.origin,
            held.position,
            held.at,
            held.note,
            held.due_at,
            held.article,
        )
        .where(held.root == sa.any_(wanted))
        .order_by(held.holder, held.root)
    )
    return [_holding(tuple(row)) for row in rows]


def _holding(row: Sequence[Any]) -> Holding:
    root, holder, state, via, origin, position, at, note, due, article = row
    return Holding(
        root=root,
        holder=holder,
        state=state,
        via=via,
        origin=origin,
        position=position,
        at=at,
        note=note,
        due=due,
        article=article,
    )


_DEBTOR = "split_part(holder, '/', 1)"
_FURTHER = "count(DISTINCT holder) FILTER (WHERE position('/' IN holder) > 0)"
_ALIKE = "position('/' IN holder) > 0"
"""What a relay answers for (exchange/further.py) is counted apart from what it owes itself."""


class Silence(msgspec.Struct, frozen=True):
    """A party that owes an answer to a call: on how many objects, since when, under which article."""

    holder: str
    objects: int
    asked: datetime
    due: datetime
    article: str
    """Empty: no instrument states a term, the term is the setting `receipt_due_s`."""
    further: int = 0
    """For how many holders further down, whom it does not name, it owes this; 0: it owes its own."""


def silent(tx: sa.Connection, now: datetime, term: timedelta) -> list[Silence]:
    """Name the holders whose answer to a call is overdue: by their instrument, else `term` after the call."""
    rows = raw(tx).execute(
        f"SELECT {_DEBTOR}, count(DISTINCT root), min(at), min(coalesce(due_at, at + %s)), article,"
        f" {_FURTHER} FROM holding WHERE state = 'asked' AND coalesce(due_at, at + %s) < %s"
        f" GROUP BY {_DEBTOR}, {_ALIKE}, article ORDER BY 4",
        (term, term, now),
    )
    return [Silence(*row) for row in rows]


class Owed(msgspec.Struct, frozen=True):
    """A duty of this party that is open: what, by which article, to whom, by when, for how many objects."""

    duty: str
    article: str
    owed_to: str
    due: datetime | None
    """None: it runs from the end of an instrument that is not known."""
    objects: int


def open_duties(tx: sa.Connection) -> list[Owed]:
    """Give the open duties of this party by deed, article, party and day, the next due first."""
    rows = raw(tx).execute(
        "SELECT duty, article, owed_to, due_at, count(*) FROM obligation_timer WHERE done_at IS NULL"
        " GROUP BY duty, article, owed_to, due_at ORDER BY due_at NULLS LAST, duty, article, owed_to"
    )
    return [Owed(*row) for row in rows]


def owed(tx: sa.Connection, term: timedelta) -> list[Silence]:
    """Give the answers to calls that are owed to this party, overdue or not, the next due first."""
    rows = raw(tx).execute(
        f"SELECT {_DEBTOR} AS debtor, count(DISTINCT root), at, coalesce(due_at, at + %s) AS due, article,"
        f" {_FURTHER} AS further FROM holding WHERE state = 'asked'"
        f" GROUP BY {_DEBTOR}, {_ALIKE}, at, due_at, article ORDER BY due, debtor, further",
        (term,),
    )
    return [Silence(*row) for row in rows]


_OPEN_KEEP = (
    "EXISTS (SELECT FROM obligation_timer k WHERE k.root = t.root AND k.done_at IS NULL"
    " AND k.duty = ANY(%s) AND (k.due_at IS NULL OR k.due_at > %s))"
)


def read_due(tx: sa.Connection, before: datetime, keep: Collection[str], limit: int = 1000) -> list[Due]:
    """Give open duties that fall due before a moment; none of versions that a duty to keep holds unseen."""
    rows = raw(tx).execute(
        "SELECT root, duty, article, owed_to, due_at FROM obligation_timer t"
        f" WHERE done_at IS NULL AND due_at <= %s AND NOT ({_OPEN_KEEP}"
        " AND EXISTS (SELECT FROM object_version v WHERE v.root = t.root AND v.state = 'withdrawn'"
        " UNION ALL SELECT FROM rival r WHERE r.root = t.root AND r.state = 'withdrawn'))"
        " ORDER BY due_at, root, duty, article LIMIT %s",
        (before, list(keep), before, limit),
    )
    return [Due(root=a, duty=b, article=c, owed_to=d, at=e) for a, b, c, d, e in rows]


def close_due(tx: sa.Connection, dues: Sequence[Due], now: datetime) -> None:
    """Mark duties as done."""
    for one in dues:
        raw(tx).execute(
            "UPDATE obligation_timer SET done_at = %s WHERE root = %s AND duty = %s AND article = %s",
            (now, one.root, one.duty, one.article),
        )
