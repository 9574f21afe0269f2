"""Queries on statements: what was recorded, by what was known, at any as-of, in one round trip each.

`live` writes the one condition under all of them: the newest version that was recorded by then, not
retracted, and known (or announced) by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from secretariat.register.model import Projected, Row, View
from secretariat.register.tables import (
    register_detail,
    register_replaced,
    register_shared,
    register_source,
    register_statement,
)
from secretariat.register.times import noon
from secretariat.register.words import lexemes
from secretariat.storage.engine import raw

__all__ = ["register_detail", "register_replaced", "register_shared", "register_source", "register_statement"]

MOST = 500
"""Rows of one answer; the rest is counted."""

_MANY = 100
"""From so many at once on it is looked whether the planner should be told."""
_SEPARATOR = "\x1f"
_LISTS = frozenset({"parties", "orgs", "by"})
_COLUMNS: dict[str, str] = {
    "id": "int8",
    "stix_id": "text",
    "key": "text",
    "type": "text",
    "kind": "text",
    "title": "text",
    "true_first": "date",
    "begun": "date",
    "true_last": "date",
    "announced": "date",
    "known": "timestamptz",
    "known_exact": "bool",
    "known_public": "timestamptz",
    "version": "timestamptz",
    "recorded_at": "timestamptz",
    "position": "int8",
    "status": "text",
    "parties": "text",
    "orgs": "text",
    "by": "text",
    "due_first": "date",
    "due_last": "date",
    "cadence": "text",
    "series": "text",
    "round": "int4",
    "aim": "text",
    "level": "text",
    "originator": "text",
    "source": "text",
    "about": "text",
    "other": "text",
    "says": "text",
    "tlp": "text",
    "retracted": "bool",
}
_QUOTED = {"by": '"by"', "position": '"position"'}
_CAST = {name: f"string_to_array({_QUOTED.get(name, name)}, E'\\x1f')" for name in _LISTS}
_NAMES = ", ".join(_QUOTED.get(name, name) for name in _COLUMNS)
_INSERT = (
    f"INSERT INTO register_statement ({_NAMES}) SELECT "
    + ", ".join(_CAST.get(name, _QUOTED.get(name, name)) for name in _COLUMNS)
    + " FROM unnest("
    + ", ".join(f"%b::{kind}[]" for kind in _COLUMNS.values())
    + f") AS new ({_NAMES}) ON CONFLICT (id) DO NOTHING"
)
_INSERT_DETAIL = (
    "INSERT INTO register_detail (id, salt, search)"
    " SELECT id, salt, array_to_tsvector(string_to_array(search, ' '))"
    " FROM unnest(%b::int8[], %b::bytea[], %b::text[]) AS new (id, salt, search) ON CONFLICT (id) DO NOTHING"
)
READ = [name for name in Row.__struct_fields__ if name != "body"]
COLUMNS = ", ".join("s." + _QUOTED.get(name, name) for name in READ)
"""What a `Row` is made of beside its object, from a table alias `s`."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A statement on its way into the table."""

    id: int
    columns: Projected
    version: datetime
    recorded_at: datetime
    position: int | None
    originator: str
    source: str
    tlp: str | None
    salt: bytes
    known: datetime | None = None
    """When this party could first know it, where it has no public time; None: when it was recorded."""


def put(tx: sa.Connection, lines: Sequence[Line]) -> None:
    """Write statements, and note which versions are no longer the newest of theirs."""
    if not lines:
        return
    cursor = raw(tx).cursor()
    cursor.execute(_INSERT, [list(column) for column in zip(*map(_values, lines), strict=True)])
    cursor.execute(
        _INSERT_DETAIL,
        ([one.id for one in lines], [one.salt for one in lines], [_searched(one.columns) for one in lines]),
    )
    _note_replaced(tx, list({one.columns.stix_id for one in lines}))
    _note_shared(tx, list({one.columns.key for one in lines if one.columns.type != "relationship"}))
    if len(lines) >= _MANY:
        renew_statistics(tx, "register_statement", "register_analyze")


def renew_statistics(tx: sa.Connection, table: str, by: str) -> None:
    """Tell the planner of tables that have doubled: until the server looks itself, minutes later, it guesses.

    `by` is the function that analyzes them (migration 0007). It costs a second at 100,000 statements.
    """
    raw(tx).execute(
        f"SELECT {by}() FROM pg_class WHERE oid = %s::regclass AND pg_relation_size(oid)"
        " > greatest(2 * relpages, 20) * current_setting('block_size')::int8",
        (table,),
    )


def _note_replaced(tx: sa.Connection, stix_ids: Sequence[str]) -> None:
    """Write for statements of several versions which of these lost their place, once."""
    found = raw(tx).execute(
        "SELECT stix_id FROM register_statement WHERE stix_id = ANY(%s) GROUP BY stix_id HAVING count(*) > 1",
        (list(stix_ids),),
    )
    several = [stix for (stix,) in found]
    if several:
        raw(tx).execute(
            'INSERT INTO register_replaced (id, "by", at, "position")'
            " SELECT DISTINCT ON (old.id) old.id, new.id, greatest(new.recorded_at, old.recorded_at),"
            ' greatest(new."position", old."position")'
            " FROM register_statement old JOIN register_statement new ON new.stix_id = old.stix_id"
            " AND new.version > old.version WHERE old.stix_id = ANY(%s)"
            " ORDER BY old.id, new.recorded_at, new.version ON CONFLICT (id) DO NOTHING",
            (several,),
        )


def _note_shared(tx: sa.Connection, keys: Sequence[str]) -> None:
    """Write under which of these keys several parties state something, once."""
    raw(tx).execute(
        "INSERT INTO register_shared (key, type) SELECT key, type FROM register_statement"
        " WHERE key = ANY(%s) GROUP BY key, type HAVING min(originator) <> max(originator)"
        " ON CONFLICT DO NOTHING",
        (list(keys),),
    )


def end(tx: sa.Connection, ids: Sequence[int], *, position: int) -> None:
    """Note that statements are no longer seen, from now on: called back, hidden or quarantined."""
    raw(tx).execute(
        'INSERT INTO register_replaced (id, "by", at, "position")'
        " SELECT id, id, now(), %s FROM unnest(%s::int8[]) AS gone (id) ON CONFLICT (id) DO NOTHING",
        (position, list(ids)),
    )


def _searched(one: Projected) -> str:
    return " ".join(lexemes(one.words))


def _values(line: Line) -> tuple[Any, ...]:
    one = line.columns
    public = None if one.known_public is None else noon(one.known_public)
    return (
        line.id,
        one.stix_id,
        one.key,
        one.type,
        one.kind,
        one.title,
        one.true_first,
        one.begun,
        one.true_last,
        one.announced,
        (line.known or line.recorded_at) if public is None else public,
        public is None,
        public,
        line.version,
        line.recorded_at,
        line.position,
        one.status,
        _SEPARATOR.join(one.parties),
        _SEPARATOR.join(one.orgs),
        _SEPARATOR.join(one.by),
        one.due_first,
        one.due_last,
        one.cadence,
        one.series,
        one.round,
        one.aim,
        one.level,
        line.originator,
        line.source,
        one.about,
        one.other,
        one.says,
        line.tlp,
        one.retracted,
    )


# --- the question ---------------------------------------------------------------------------------------


def live(view: View, *, announced: bool = False, joined: str = "") -> str:
    """Write FROM and WHERE of what the question sees, as alias `s`; bind `view.bound()`.

    `announced`: also what was only announced by then; `joined`: further tables. The day
    asked about is not part of it.
    """
    replaced, seen = "", ["NOT s.retracted"]
    if view.position is not None:
        replaced = ' AND r."position" <= %(position)s'
        seen.append('s."position" <= %(position)s')
    elif view.recorded_by is not None:
        replaced = " AND r.at <= %(recorded_by)s"
        seen.append("s.recorded_at <= %(recorded_by)s")
    if view.public:
        seen.append("s.known_public IS NOT NULL")
    if view.clear:
        seen.append("s.tlp = 'CLEAR'")
    if view.known_by is not None:
        known = (
            "s.known_public <= %(known_noon)s"
            if view.public
            # two plain conditions instead of a CASE: the planner has statistics for these
            else "(s.known <= %(known_noon)s AND NOT s.known_exact"
            " OR s.known <= %(known_by)s AND s.known_exact)"
        )
        seen.append(f"({known} OR s.announced <= %(known_noon)s::timestamptz::date)" if announced else known)
    if view.parties:
        seen.append('(s.parties || s.orgs || s."by") @> %(parties)s')
    return (
        f"register_statement s LEFT JOIN register_replaced r ON r.id = s.id{replaced}{joined}"
        f" WHERE r.id IS NULL AND {' AND '.join(seen)}"
    )


_PAGE = " LIMIT %(limit)s OFFSET %(offset)s"
_FOUND = " AND s.id IN (SELECT id FROM register_detail WHERE search @@ %(words)s::tsquery)"


def statements(
    tx: sa.Connection,
    view: View,
    *,
    kinds: Sequence[str] = (),
    types: Sequence[str] = (),
    keys: Sequence[str] = (),
    ids: Sequence[str] = (),
    about: Sequence[str] = (),
    other: Sequence[str] = (),
    series: Sequence[str] = (),
    status: Sequence[str] = (),
    originator: str | None = None,
    words: str = "",
    first: Any = None,
    last: Any = None,
    true: bool = False,
    announced: bool = True,
    hidden: Sequence[int] = (),
    order: str = "s.true_first, s.id",
    newest: bool = False,
    limit: int = MOST,
    offset: int = 0,
) -> list[Row]:
    """Give the statements that the question sees, filtered; by day of truth, undated last.

    `kinds`, `keys`, … are alternatives each. `first` and `last` bound the days; `true` leaves out what was
    not surely true by the day asked about; `announced` False leaves out what was only announced; `hidden`
    are rows that another one stands for.
    """
    bound: dict[str, Any] = {**view.bound(), "limit": limit, "offset": offset}
    text = f"SELECT {COLUMNS} FROM {live(view, announced=announced)}"
    for name, values, column in (
        ("kinds", kinds, "s.kind"),
        ("types", types, "s.type"),
        ("keys", keys, "s.key"),
        ("ids", ids, "s.stix_id"),
        ("about", about, "s.about"),
        ("other", other, "s.other"),
        ("series", series, "s.series"),
        ("status", status, "s.status"),
    ):
        if values:
            text, bound[name] = f"{text} AND {column} = ANY(%({name})s)", list(values)
    if hidden:
        text, bound["hidden"] = text + " AND s.id <> ALL(%(hidden)s::int8[])", list(hidden)
    if originator is not None:
        text, bound["originator"] = text + " AND s.originator = %(originator)s", originator
    if words.strip():
        wanted = _wanted(words)
        text += _FOUND if wanted else " AND false"
        bound["words"] = wanted
    if first is not None:
        text, bound["first"] = text + " AND s.true_last >= %(first)s", first
    if last is not None:
        text, bound["last"] = text + " AND s.true_first <= %(last)s", last
    if true:
        text += " AND s.begun <= %(day)s"
    if not newest:
        return rows(tx, f"{text} ORDER BY {order}{_PAGE}", bound)
    # apart, so that an index gives the order: what is undated comes after all that is dated
    dated = f"{text} AND s.true_first IS NOT NULL"
    found = rows(tx, f"{dated} ORDER BY s.true_first DESC, s.id DESC{_PAGE}", bound)
    if len(found) < limit:
        (before,) = raw(tx).execute(f"SELECT count(*) FROM ({dated}) AS x", bound).fetchone() or (0,)
        bound |= {"limit": limit - len(found), "offset": max(0, offset - before)}
        found += rows(tx, f"{text} AND s.true_first IS NULL ORDER BY s.id DESC{_PAGE}", bound)
    return found


def _wanted(words: str) -> str:
    """Write a tsquery of all words; `lexemes` gives letters and digits only, so nothing is an operator."""
    return " & ".join(f"'{one}'" for one in lexemes(words))


def by_key(tx: sa.Connection, key: str, view: View, *, announced: bool = True) -> list[Row]:
    """Give the statements that stand under a key or a STIX id: one per originator; facts before the rest."""
    column = "s.stix_id" if "--" in key else "s.key"
    return rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view, announced=announced)} AND {column} = %(key)s"
        " ORDER BY (s.type IN ('sct-evidence', 'sct-account', 'sct-source')), (s.status = 'unverified'),"
        " (s.originator <> %(own)s), s.originator, s.id",
        {**view.bound(), "key": key, "own": view.own},
    )


def versions(tx: sa.Connection, stix_id: str) -> list[Row]:
    """Give every recorded version of a statement, newest first, retracted ones too."""
    return rows(
        tx,
        f"SELECT {COLUMNS} FROM register_statement s WHERE s.stix_id = %(stix_id)s"
        " ORDER BY s.version DESC, s.id DESC",
        {"stix_id": stix_id},
    )


def newest(tx: sa.Connection, stix_ids: Iterable[str]) -> dict[str, Row]:
    """Give the newest recorded version of each, whatever was known when, also a retraction."""
    found = rows(
        tx,
        f"SELECT DISTINCT ON (s.stix_id) {COLUMNS} FROM register_statement s"
        " WHERE s.stix_id = ANY(%(ids)s) ORDER BY s.stix_id, s.version DESC, s.id DESC",
        {"ids": list(stix_ids)},
    )
    return {one.stix_id: one for one in found}


def rows(tx: sa.Connection, text: str, bound: dict[str, Any]) -> list[Row]:
    """Run a query whose columns are `COLUMNS`, and give the rows with their objects."""
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(text.encode(), bound)
    return with_objects(tx, cursor.fetchall())


def by_ids(tx: sa.Connection, ids: Sequence[int]) -> list[Row]:
    """Give the statements with these row ids, in this order, in one round trip."""
    if not ids:
        return []
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(
        f"SELECT {COLUMNS}, v.bytes FROM register_statement s JOIN object_version v ON v.id = s.id"
        " WHERE s.id = ANY(%s)".encode(),
        ([*ids],),
    )
    found = {
        one[0]: Row(**dict(zip(READ, one, strict=False)), body=msgspec.json.decode(one[-1])) for one in cursor
    }
    return [found[one] for one in ids]


def with_objects(tx: sa.Connection, found: Sequence[Sequence[Any]]) -> list[Row]:
    """Make rows of what a query for `COLUMNS` gave (more columns may follow): a second, short round trip."""
    if not found:
        return []
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(b"SELECT id, bytes FROM object_version WHERE id = ANY(%s)", ([one[0] for one in found],))
    objects = dict(cursor.fetchall())
    return [
        Row(**dict(zip(READ, one, strict=False)), body=msgspec.json.decode(objects[one[0]])) for one in found
    ]
