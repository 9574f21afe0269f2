"""Queries of the pages that read all parts, as of the bar: what was known and recorded by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from secretariat.agreements.store import grant_class, release
from secretariat.base.marking import Marking
from secretariat.desk.model import REPORT_TYPES, Line, name_of
from secretariat.exchange import change_store
from secretariat.exchange.store import holdings_as_of, obligation_timer, refusal
from secretariat.exchange.store import peer as peers
from secretariat.records import store as records
from secretariat.records.collections import item, item_past
from secretariat.records.extensions import CORRECTION
from secretariat.records.store import object_version as version
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.base.clock import AsOf
    from secretariat.exchange.change_store import Proposed
    from secretariat.records.store import Stored

HELD_BACK = ("quarantined", "waiting", "disputed")
PAGE = 50
EVERY_KIND = "*"
EVERYBODY = "*"


def line_of(stored: Stored) -> Line:
    """Make the line of a list from a stored version."""
    obj = stored.object()
    members = obj.get("object_refs")
    language = obj.get("lang")
    return Line(
        id=stored.id,
        stix_id=stored.stix_id,
        type=stored.type,
        name=name_of(obj),
        language=language if isinstance(language, str) else None,
        marking=Marking.of(stored.label.tlp, stored.label.scheme, stored.label.level, stored.label.orig),
        originator=stored.originator,
        source=stored.source,
        state=stored.state,
        version=stored.version,
        known_at=stored.known_at,
        recorded_at=stored.recorded_at,
        revoked=stored.revoked,
        members=len(members) if isinstance(members, list) else 0,
        root=stored.root,
    )


def _as_of(as_of: AsOf, table: sa.FromClause = version) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [table.c.state != "hidden"]
    if as_of.true_on is not None:
        conditions.append(table.c.version <= as_of.true_on)
    if as_of.public:
        conditions.append(_public(table, as_of.known_by))
    elif as_of.known_by is not None:
        conditions.append(table.c.known_at <= as_of.known_by)
    if as_of.recorded_by is not None:
        conditions.append(table.c.recorded_at <= as_of.recorded_by)
    return conditions


def _public(table: sa.FromClause, known_by: datetime | None) -> sa.ColumnElement[bool]:
    """Publicly known is what this node granted to everybody, since then; and what came to it as CLEAR."""
    here = sa.select(item.c.version).join(grant_class, grant_class.c.id == item.c.grant_class)
    gone = sa.select(item_past.c.version).join(grant_class, grant_class.c.id == item_past.c.grant_class)
    by_us = [
        one.where(grant_class.c.recipient == EVERYBODY)
        if known_by is None
        else one.where(grant_class.c.recipient == EVERYBODY, grant_class.c.recorded_at <= known_by)
        for one in (here, gone)
    ]
    clear = sa.select(records.label.c.id).where(records.label.c.label["tlp"].astext == "CLEAR")
    by_others: list[sa.ColumnElement[bool]] = [
        table.c.state.in_(("kept", "partial")),
        table.c.label.in_(clear),
    ]
    if known_by is not None:
        by_others.append(table.c.known_at <= known_by)
    return sa.or_(table.c.id.in_(by_us[0]), table.c.id.in_(by_us[1]), sa.and_(*by_others))


def _newest(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """Ids of the newest version of each object that fulfils the conditions."""
    return (
        sa.select(version.c.id, version.c.stix_id)
        .ext(distinct_on(version.c.stix_id))
        .where(*conditions)
        .order_by(version.c.stix_id, version.c.version.desc(), version.c.id.desc())
    )


def reports(
    tx: Connection,
    *,
    as_of: AsOf,
    kind: str = "",
    words: str = "",
    state: str = "",
    tlp: str = "",
    originator: str = "",
    before: int | None = None,
    limit: int = PAGE,
) -> list[Line]:
    """Give the newest versions, newest-recorded first: reports, objects of one kind, or of every kind."""
    newer = version.alias("newer")
    is_newer = sa.or_(
        newer.c.version > version.c.version,
        sa.and_(newer.c.version == version.c.version, newer.c.id > version.c.id),
    )
    superseded = sa.exists().where(newer.c.stix_id == version.c.stix_id, is_newer, *_as_of(as_of, newer))
    asked = sa.select(version.c.id).where(*_as_of(as_of), ~superseded)
    if kind != EVERY_KIND:
        asked = asked.where(version.c.type.in_([kind] if kind else REPORT_TYPES))
    if state:
        asked = asked.where(version.c.state == state)
    if originator:
        asked = asked.where(version.c.originator == originator)
    if tlp:
        mark = records.label
        asked = asked.join(mark, mark.c.id == version.c.label).where(mark.c.label["tlp"].astext == tlp)
    if words:
        text = sa.func.convert_from(version.c.bytes, "UTF8")
        escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        asked = asked.where(sa.or_(text.ilike(f"%{escaped}%"), version.c.stix_id == words))
    if before is not None:
        asked = asked.where(version.c.id < before)
    ids = list(tx.execute(asked.order_by(version.c.id.desc()).limit(limit)).scalars())
    return [line_of(one) for one in records.by_ids(tx, ids)]


def kinds(tx: Connection) -> list[str]:
    """Name the types of objects that are here (a loose scan of the index, however many objects there are)."""
    found = tx.execute(
        sa.text(
            "WITH RECURSIVE t AS ((SELECT type FROM object_version ORDER BY type LIMIT 1) UNION ALL"
            " SELECT (SELECT type FROM object_version WHERE type > t.type ORDER BY type LIMIT 1) FROM t"
            " WHERE t.type IS NOT NULL) SELECT type FROM t WHERE type IS NOT NULL"
        )
    )
    return list(found.scalars())


def originators(tx: Connection) -> list[str]:
    """Name the parties whose reports are here."""
    asked = sa.select(version.c.originator).where(version.c.type.in_(REPORT_TYPES)).distinct()
    return sorted(tx.execute(asked).scalars())


def as_of_version(tx: Connection, stix_id: str, as_of: AsOf) -> Stored | None:
    """Give the newest version of one object as of the bar."""
    return next(iter(as_of_versions(tx, [stix_id], as_of).values()), None)


def as_of_versions(tx: Connection, stix_ids: Sequence[str], as_of: AsOf) -> dict[str, Stored]:
    """Give the newest version of each of these objects as of the bar."""
    newest = _newest([*_as_of(as_of), version.c.stix_id.in_(list(stix_ids))]).subquery()
    ids = list(tx.execute(sa.select(newest.c.id)).scalars())
    return {one.stix_id: one for one in records.by_ids(tx, ids)}


def versions(tx: Connection, stix_id: str, as_of: AsOf) -> list[Stored]:
    """Give the versions of one object as of the bar, the newest first."""
    asked = sa.select(version.c.id).where(version.c.stix_id == stix_id, *_as_of(as_of))
    ids = tx.execute(asked.order_by(version.c.version.desc(), version.c.id.desc())).scalars()
    return records.by_ids(tx, list(ids))


def pointing_at(tx: Connection, stix_id: str, as_of: AsOf, limit: int = 50) -> list[Stored]:
    """Give reports, notes and opinions that name an object in their references, as of the bar."""
    asked = (
        sa.select(version.c.id)
        .where(
            version.c.type.in_(("report", "grouping", "note", "opinion")),
            *_as_of(as_of),
            sa.func.convert_from(version.c.bytes, "UTF8").contains(f'"{stix_id}"', autoescape=True),
            version.c.stix_id != stix_id,
        )
        .order_by(version.c.id.desc())
        .limit(limit)
    )
    return records.by_ids(tx, list(tx.execute(asked).scalars()))


def waiting_releases(tx: Connection) -> list[sa.Row[Any]]:
    """Give releases that wait for a second person, the oldest first."""
    asked = sa.select(release).where(release.c.state == "proposed").order_by(release.c.proposed_at)
    return list(tx.execute(asked.limit(PAGE)))


def waiting_changes(tx: Connection) -> list[tuple[Proposed, Line]]:
    """Give new markings and corrections that wait for a second person, with what they are about."""
    found = change_store.waiting(tx)[:PAGE]
    newest = records.latest(tx, [one.stix_id for one in found])
    return [(one, line_of(newest[one.stix_id])) for one in found if one.stix_id in newest]


class Loss(msgspec.Struct, frozen=True):
    """A holder's report that it lost control of versions: its words, when it said so, of how many objects."""

    holder: str
    note: str
    at: datetime
    objects: int = 1
    stix_id: str = ""
    """One of the objects, to be looked at."""


_LOST = """
SELECT root, holder, note, at, recorded_at FROM holding WHERE state = 'lost'
UNION ALL SELECT root, holder, note, at, recorded_at FROM holding_past WHERE state = 'lost'
"""


def losses_of(tx: Connection, roots: Sequence[bytes], as_of: AsOf) -> dict[tuple[bytes, str], Loss]:
    """Give the newest report of loss of each of these versions by each holder, whatever it said since."""
    rows = raw(tx).execute(
        f"SELECT root, holder, coalesce(note, ''), at FROM ({_LOST}) l WHERE root = ANY(%s)"
        " AND recorded_at <= coalesce(%s::timestamptz, 'infinity') ORDER BY at".encode(),
        (list(roots), as_of.earliest),
    )
    return {(bytes(root), holder): Loss(holder, note, at) for root, holder, note, at in rows}


def losses(tx: Connection, since: datetime, limit: int = 8) -> list[Loss]:
    """Give what holders reported as lost since a moment, the newest first."""
    rows = raw(tx).execute(
        "SELECT l.holder, coalesce(l.note, ''), max(l.at), count(DISTINCT l.root),"
        " coalesce(min(v.stix_id), '')"
        f" FROM ({_LOST}) l LEFT JOIN object_version v ON v.root = l.root WHERE l.at >= %s"
        " GROUP BY l.holder, l.note ORDER BY max(l.at) DESC LIMIT %s".encode(),
        (since, limit),
    )
    return [Loss(*row) for row in rows]


_PASSED_ON = """
SELECT n.id, array_agg(DISTINCT c.reader ORDER BY c.reader) FROM object_version n
JOIN object_version v ON v.stix_id = n.stix_id AND v.originator = n.originator AND v.version < n.version
JOIN item i ON i.version = v.id JOIN collection c ON c.id = i.collection AND c.kind IN ('partner', 'clear')
WHERE n.originator <> %s AND n.state IN ('kept', 'partial') AND NOT n.revoked
AND convert_from(n.bytes, 'UTF8') LIKE %s
AND NOT EXISTS (SELECT FROM object_version w WHERE w.stix_id = n.stix_id AND w.originator = n.originator
  AND w.version > n.version AND w.state IN ('kept', 'partial'))
AND NOT EXISTS (SELECT FROM item j WHERE j.version = n.id AND j.collection = i.collection)
GROUP BY n.id ORDER BY n.id DESC LIMIT %s
"""


def corrected_since(tx: Connection, party: str, limit: int = 8) -> list[tuple[Line, list[str]]]:
    """Give others' objects that were corrected since this party passed them on, with who has the earlier."""
    rows = raw(tx).execute(_PASSED_ON, (party, f'%"{CORRECTION}"%', limit)).fetchall()
    found = {one.id: one for one in records.by_ids(tx, [number for number, _readers in rows])}
    return [(line_of(found[number]), readers) for number, readers in rows if number in found]


def drafts(tx: Connection, limit: int = 8) -> list[Line]:
    """Give reports that nobody has released, the newest first."""
    asked = sa.select(version.c.id).where(version.c.state == "draft", version.c.type.in_(REPORT_TYPES))
    ids = list(tx.execute(asked.order_by(version.c.id.desc()).limit(limit)).scalars())
    return [line_of(one) for one in records.by_ids(tx, ids)]


def held_back(tx: Connection) -> list[tuple[str, str, int, datetime]]:
    """Count what came from partners and is not used: state, source, how many, since when."""
    asked = (
        sa.select(version.c.state, version.c.source, sa.func.count(), sa.func.min(version.c.recorded_at))
        .where(version.c.state.in_(HELD_BACK))
        .group_by(version.c.state, version.c.source)
        .order_by(version.c.state, version.c.source)
    )
    return [tuple(row) for row in tx.execute(asked)]


def partners(tx: Connection) -> list[sa.Row[Any]]:
    """Give the enrolled partners with their last contact."""
    return list(
        tx.execute(
            sa.select(
                peers.c.party,
                peers.c.name,
                peers.c.state,
                peers.c.reason,
                peers.c.url,
                peers.c.via,
                peers.c.origin,
                peers.c.root_key,
                peers.c.last_contact,
                peers.c.last_error,
                peers.c.cursor_position,
            )
            .where(peers.c.state != "removed")
            .order_by(peers.c.party)
        )
    )


def refusals(tx: Connection, limit: int = 8, party: str | None = None) -> list[sa.Row[Any]]:
    """Give what partners, or one of them, sent and this node refused, the newest first."""
    asked = sa.select(refusal).order_by(refusal.c.last_at.desc()).limit(limit)
    return list(tx.execute(asked if party is None else asked.where(refusal.c.party == party)))


def open_duties(tx: Connection, limit: int = 8) -> list[sa.Row[Any]]:
    """Count duties of this party that are not done, by deed, article, party and day; the next due first."""
    due = obligation_timer.c.due_at
    columns = (
        obligation_timer.c.duty,
        obligation_timer.c.article,
        obligation_timer.c.owed_to,
        due.label("due"),
    )
    asked = (
        sa.select(*columns, sa.func.count().label("objects"))
        .where(obligation_timer.c.done_at.is_(None), obligation_timer.c.due_at.is_not(None))
        .group_by(*columns[:3], due)
        .order_by(due)
    )
    return list(tx.execute(asked.limit(limit)))


def receipts(tx: Connection, as_of: AsOf, limit: int = 500) -> list[sa.Row[Any]]:
    """Count what holders said of our grants and requests by then: about what, state, how many, when."""
    holding = holdings_as_of(as_of)
    asked = (
        sa.select(
            holding.c.origin,
            holding.c.position,
            holding.c.holder,
            holding.c.state,
            holding.c.via,
            holding.c.due_at,
            sa.func.count().label("objects"),
            sa.func.max(holding.c.at).label("at"),
        )
        .group_by(
            holding.c.origin,
            holding.c.position,
            holding.c.holder,
            holding.c.state,
            holding.c.via,
            holding.c.due_at,
        )
        .order_by(sa.func.max(holding.c.at).desc())
    )
    return list(tx.execute(asked.limit(limit)))


def receipt_matrix(tx: Connection, as_of: AsOf) -> list[sa.Row[Any]]:
    """Count holdings by holder and state over everything this party may ask about, as of the bar."""
    holding = holdings_as_of(as_of)
    asked = sa.select(
        holding.c.holder,
        holding.c.state,
        sa.func.count().label("objects"),
        sa.func.max(holding.c.at).label("at"),
    ).group_by(holding.c.holder, holding.c.state)
    return list(tx.execute(asked.order_by(holding.c.holder, holding.c.state)))
