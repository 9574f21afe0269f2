"""The index of overlaps in SQL: what a statement is found by, its profile, and pairs near enough to show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import sqlalchemy as sa

from secretariat.register import store as statements
from secretariat.register.model import Row, View
from secretariat.register.overlap import at_once
from secretariat.register.overlap.model import INDEXED, VERDICTS, Profile
from secretariat.register.overlap.tables import (
    register_overlap,
    register_overlap_pair,
    register_overlap_token,
    register_overlap_waiting,
)
from secretariat.storage.engine import raw

__all__ = [
    "register_overlap",
    "register_overlap_pair",
    "register_overlap_token",
    "register_overlap_waiting",
]

EACH = 80
"""Statements taken per token and direction of time."""
COMPARED_AT_ONCE = 300
PAIRS_OF_ONE = 40
_SEPARATOR = "\x1f"
_PROFILE = (
    "s.id, s.stix_id, s.kind, o.circle, o.bodies, o.themes, o.words, o.shape, s.series, s.aim, s.level,"
    " s.true_first, o.exact, o.lang, o.vector, s.recorded_at"
)
_BY = "coalesce(s.true_first, s.known::date)"
_HAPPENED = "(s.true_first IS NULL OR s.true_first <= %(day)s)"


class Waiting(msgspec.Struct, frozen=True):
    """A statement on its way into the index."""

    row: Row
    day: date


_LOCK = "hashtextextended(current_schema || ' overlap', 0)"


def alone(tx: sa.Connection, *, wait: bool = False) -> bool:
    """Say whether nobody else writes the index of this realm until the transaction ends; `wait` until so."""
    if wait:
        raw(tx).execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        return True
    row = raw(tx).execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})").fetchone()
    return bool(row and row[0])


def waiting(tx: sa.Connection, *, limit: int, sweep: bool = False) -> list[Waiting]:
    """Give statements that are not in the index: the newer ones, or with `sweep` all (a slower look)."""
    missing = (
        "NOT EXISTS (SELECT FROM register_overlap o WHERE o.id = s.id)"
        if sweep
        else "s.id > coalesce((SELECT max(id) FROM register_overlap), 0)"
    )
    found = statements.rows(
        tx,
        f"SELECT {statements.COLUMNS} FROM register_statement s WHERE {missing} AND s.kind = ANY(%(kinds)s)"
        " AND NOT s.retracted ORDER BY s.id LIMIT %(limit)s",
        {"kinds": list(INDEXED), "limit": limit},
    )
    return [Waiting(row, row.true_first or row.known.date()) for row in found]


def count_waiting(tx: sa.Connection) -> int:
    """Count the statements newer than the index, and those whose pairs are not written yet."""
    row = (
        raw(tx)
        .execute(
            "SELECT (SELECT count(*) FROM register_statement s WHERE s.kind = ANY(%s) AND NOT s.retracted"
            " AND s.id > coalesce((SELECT max(id) FROM register_overlap), 0))"
            " + (SELECT count(*) FROM register_overlap_waiting)",
            (list(INDEXED),),
        )
        .fetchone()
    )
    return int(row[0]) if row else 0


def count_unpaired(tx: sa.Connection) -> int:
    """Count the statements of the index whose pairs are not written yet."""
    row = raw(tx).execute("SELECT count(*) FROM register_overlap_waiting").fetchone()
    return int(row[0]) if row else 0


def count(tx: sa.Connection) -> int:
    """Count the statements in the index."""
    row = raw(tx).execute("SELECT count(*) FROM register_overlap").fetchone()
    return int(row[0]) if row else 0


def put(tx: sa.Connection, items: Sequence[tuple[Profile, date, Iterable[int]]]) -> None:
    """Write profiles and what they are found by."""
    if not items:
        return
    cursor = raw(tx).cursor()
    profiles = [one for one, _, _ in items]
    lists = [
        [_SEPARATOR.join(sorted(getattr(one, name))) for one in profiles]
        for name in ("circle", "bodies", "themes", "words")
    ]
    cursor.execute(
        "INSERT INTO register_overlap (id, kind, circle, bodies, themes, words, shape, exact, lang, vector)"
        " SELECT id, kind, string_to_array(circle, E'\\x1f'), string_to_array(bodies, E'\\x1f'),"
        " string_to_array(themes, E'\\x1f'), string_to_array(words, E'\\x1f'), shape, exact, lang, vector"
        " FROM unnest(%b::int8[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::bool[], %b::text[], %b::bytea[])"
        " AS new (id, kind, circle, bodies, themes, words, shape, exact, lang, vector)"
        " ON CONFLICT (id) DO NOTHING",
        (
            [one.id for one in profiles],
            [one.kind for one in profiles],
            *lists,
            [one.shape for one in profiles],
            [one.exact for one in profiles],
            [one.lang for one in profiles],
            [one.vector for one in profiles],
        ),
    )
    _wait(tx, [one.id for one in profiles])
    postings = [(token, day, one.id) for one, day, tokens in items for token in tokens]
    cursor.execute(
        "INSERT INTO register_overlap_token (token, day, id)"
        " SELECT * FROM unnest(%b::int8[], %b::date[], %b::int8[]) ON CONFLICT DO NOTHING",
        [list(column) for column in zip(*postings, strict=True)] or [[], [], []],
    )
    statements.renew_statistics(tx, "register_overlap_token", "register_overlap_analyze")


def without_vector(tx: sa.Connection, *, limit: int) -> list[tuple[int, str, str]]:
    """Give profiles that no model of meaning has read yet: id, text, language."""
    found = raw(tx).execute(
        "SELECT s.id, s.title || '. ' || coalesce(convert_from(v.bytes, 'UTF8')::jsonb->>'summary', ''),"
        " o.lang"
        " FROM register_overlap o JOIN register_statement s ON s.id = o.id"
        " JOIN object_version v ON v.id = s.id WHERE o.vector IS NULL ORDER BY s.id LIMIT %s",
        (limit,),
    )
    return [(number, text, lang) for number, text, lang in found]


def set_vectors(tx: sa.Connection, vectors: Mapping[int, bytes]) -> None:
    """Write vectors into profiles; their pairs are then to be written anew."""
    raw(tx).execute(
        "UPDATE register_overlap o SET vector = new.vector"
        " FROM unnest(%b::int8[], %b::bytea[]) AS new (id, vector) WHERE o.id = new.id",
        (list(vectors), list(vectors.values())),
    )
    _wait(tx, list(vectors))


def _wait(tx: sa.Connection, ids: list[int]) -> None:
    raw(tx).execute(
        "INSERT INTO register_overlap_waiting (id) SELECT unnest(%b::int8[]) ON CONFLICT DO NOTHING", (ids,)
    )


def unpaired(tx: sa.Connection, *, limit: int) -> list[int]:
    """Give profiles whose pairs are not written yet."""
    found = raw(tx).execute("SELECT id FROM register_overlap_waiting ORDER BY id LIMIT %s", (limit,))
    return [number for (number,) in found]


def put_pairs(tx: sa.Connection, pairs: Mapping[int, Mapping[int, float]], *, anew: bool) -> None:
    """Write the pairs of statements: statement -> other -> score.

    `anew`: in place of those they had, because a vector came since. Words of a version never change, so what
    others found of it by words stays.
    """
    cursor = raw(tx).cursor()
    of = list(pairs)
    if anew:
        cursor.execute("DELETE FROM register_overlap_pair WHERE low = ANY(%s) OR high = ANY(%s)", (of, of))
    lines = [(one, other, score) for one, others in pairs.items() for other, score in others.items()]
    cursor.execute(
        "INSERT INTO register_overlap_pair (low, high, score)"
        " SELECT least(one, other), greatest(one, other), score"
        " FROM unnest(%b::int8[], %b::int8[], %b::float4[]) AS new (one, other, score)"
        " WHERE other IN (SELECT id FROM register_overlap) ON CONFLICT DO NOTHING",
        [list(column) for column in zip(*lines, strict=True)] or [[], [], []],
    )
    cursor.execute("DELETE FROM register_overlap_waiting WHERE id = ANY(%s)", (of,))
    statements.renew_statistics(tx, "register_overlap_pair", "register_overlap_analyze")


def field(
    tx: sa.Connection, kinds: Sequence[str], meaning: Callable[[bytes, bytes], float] | None
) -> at_once.Field:
    """Give all that is compared, read once, for the pairs of very many statements."""
    texts = ", ".join(f"array_to_string(o.{name}, E'\\x1f')" for name in ("circle", "bodies", "themes"))
    connection = raw(tx)
    with (
        connection.cursor("register_overlap_items", binary=True) as items,
        connection.cursor("register_overlap_postings", binary=True) as postings,
    ):
        items.itersize = postings.itersize = 5_000
        items.execute(
            f"SELECT o.id, s.stix_id, {_BY}, s.kind = ANY(%(kinds)s),"
            f" s.kind = ANY(%(kinds)s) AND r.id IS NULL AND NOT s.retracted, {texts},"
            " array_to_string(o.words, ' '), cardinality(o.words), s.true_first, o.exact,"
            " coalesce(s.level = 'leaders', false), s.aim, o.vector"
            " FROM register_overlap o JOIN register_statement s ON s.id = o.id"
            " LEFT JOIN register_replaced r ON r.id = s.id ORDER BY o.id".encode(),
            {"kinds": list(kinds)},
        )
        postings.execute(
            b"SELECT token, array_agg(id ORDER BY day, id) FROM register_overlap_token GROUP BY token"
        )
        names = at_once.Item.__struct_fields__
        return at_once.Field(
            (at_once.Item(**dict(zip(names, row, strict=True))) for row in items),
            postings,
            each=EACH,
            most=COMPARED_AT_ONCE,
            kept=PAIRS_OF_ONE,
            separator=_SEPARATOR,
            meaning=meaning,
        )


def clear(tx: sa.Connection) -> None:
    """Empty the index."""
    for table in (
        register_overlap_pair,
        register_overlap_token,
        register_overlap_waiting,
        register_overlap,
    ):
        tx.execute(sa.delete(table))


# --- reading --------------------------------------------------------------------------------------------


def candidates(
    tx: sa.Connection,
    view: View,
    tokens: Mapping[int, int],
    *,
    around: date,
    kinds: Sequence[str],
    but: str = "",
    limit: int = COMPARED_AT_ONCE,
    each: int = EACH,
) -> list[Profile]:
    """Give the statements the question sees that share most of what `tokens` weigh, nearest `around` first.

    What the question does not see is left out before anything is cut off.
    """
    nearest = (
        "(SELECT q.id FROM register_overlap_token q WHERE q.token = w.token AND q.day {side} %(around)s"
        " ORDER BY q.day {order}, q.id {order} LIMIT %(each)s)"
    )
    both = f"{nearest.format(side='>=', order='ASC')} UNION ALL {nearest.format(side='<', order='DESC')}"
    cursor = raw(tx).cursor(binary=True)
    query = (
        "WITH wanted AS (SELECT * FROM unnest(%(tokens)s::int8[], %(weights)s::int4[]) AS t (token, weight)"
        "),"
        " hits AS MATERIALIZED (SELECT p.id, sum(w.weight) AS weight FROM wanted w"
        f" CROSS JOIN LATERAL ({both}) p GROUP BY p.id)"
        f" SELECT {_PROFILE} FROM hits h, register_overlap o, {statements.live(view, announced=True)}"
        " AND s.id = h.id AND o.id = h.id AND s.kind = ANY(%(kinds)s) AND s.stix_id <> %(but)s"
        f" AND {_HAPPENED}"
        " ORDER BY h.weight DESC, s.id LIMIT %(limit)s"
    )
    bound = {
        **view.bound(),
        "tokens": list(tokens),
        "weights": list(tokens.values()),
        "around": around,
        "each": each,
        "kinds": list(kinds),
        "but": but,
        "limit": limit,
    }
    cursor.execute(query.encode(), bound)
    return [_profile(row) for row in cursor]


def profiles(tx: sa.Connection, ids: Iterable[int]) -> dict[int, Profile]:
    """Give the profiles of statement versions that are in the index."""
    cursor = raw(tx).cursor(binary=True)
    cursor.execute(
        f"SELECT {_PROFILE} FROM register_overlap o JOIN register_statement s ON s.id = o.id"
        " WHERE o.id = ANY(%s)".encode(),
        (list(ids),),
    )
    return {row[0]: _profile(row) for row in cursor}


def _profile(row: Sequence[Any]) -> Profile:
    number, stix, kind, circle, bodies, themes, words, shape, series, aim, level, *rest = row
    day, exact, lang, vector, recorded_at = rest
    return Profile(
        id=number,
        stix_id=stix,
        kind=kind,
        circle=frozenset(circle),
        bodies=frozenset(bodies),
        themes=frozenset(themes),
        words=frozenset(words),
        shape=shape,
        series=series,
        aim=aim,
        level=level,
        day=day,
        exact=exact,
        lang=lang,
        vector=None if vector is None else bytes(vector),
        recorded_at=recorded_at,
    )


def seen(tx: sa.Connection, view: View, ids: Iterable[int]) -> dict[int, Row]:
    """Give those of the statement versions that the question sees."""
    found = statements.rows(
        tx,
        f"SELECT {statements.COLUMNS} FROM {statements.live(view, announced=True)}"
        f" AND s.id = ANY(%(ids)s) AND {_HAPPENED}",
        {**view.bound(), "ids": list(ids)},
    )
    return {row.id: row for row in found}


def kept(
    tx: sa.Connection, view: View, stix_ids: Iterable[str], says: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Give for each statement the commitments that it keeps, by the evidence that the question sees."""
    cursor = raw(tx).cursor()
    cursor.execute(
        f"SELECT s.other, array_agg(s.about) FROM {statements.live(view)} AND s.type = 'sct-evidence'"
        " AND s.other = ANY(%(ids)s) AND s.says = ANY(%(says)s) GROUP BY s.other".encode(),
        {**view.bound(), "ids": list(stix_ids), "says": list(says)},
    )
    return {other: frozenset(about) for other, about in cursor}


def verdicts(
    tx: sa.Connection, view: View, stix_ids: Iterable[str], party: str | None = None
) -> dict[frozenset[str], Row]:
    """Give the standing verdict on each pair of which a side is named: the newest, of `party` if given."""
    found = statements.rows(
        tx,
        f"SELECT {statements.COLUMNS} FROM {statements.live(view)} AND s.type = 'relationship'"
        " AND s.says = ANY(%(verdicts)s) AND (s.about = ANY(%(ids)s) OR s.other = ANY(%(ids)s))"
        " AND (%(party)s::text IS NULL OR s.originator = %(party)s)"
        " ORDER BY s.recorded_at, s.id",
        {**view.bound(), "ids": list(stix_ids), "verdicts": list(VERDICTS.values()), "party": party},
    )
    return {frozenset((row.about or "", row.other or "")): row for row in found}


def every_verdict(tx: sa.Connection, view: View, *, limit: int) -> list[Row]:
    """Give the verdicts that the question sees: what overlaps before what does not, the newest first."""
    return statements.rows(
        tx,
        f"SELECT {statements.COLUMNS} FROM {statements.live(view)} AND s.type = 'relationship'"
        " AND s.says = ANY(%(verdicts)s)"
        " ORDER BY (s.says = 'different-aim'), s.recorded_at DESC, s.id DESC LIMIT %(limit)s",
        {**view.bound(), "verdicts": list(VERDICTS.values()), "limit": limit},
    )


def by_stix(tx: sa.Connection, view: View, stix_ids: Iterable[str]) -> dict[str, Row]:
    """Give the statements the question sees, by their STIX id."""
    found = statements.rows(
        tx,
        f"SELECT {statements.COLUMNS} FROM {statements.live(view, announced=True)}"
        " AND s.stix_id = ANY(%(ids)s)",
        {**view.bound(), "ids": list(stix_ids)},
    )
    return {row.stix_id: row for row in found}


def pairs(
    tx: sa.Connection, view: View, *, below: tuple[float, int, int] | None, limit: int
) -> list[tuple[float, int, int]]:
    """Give the pairs of which the question sees both sides, by score, from where the last page ended."""
    score, low, high = below or (2.0, 0, 0)
    both = " AND ".join(
        f"EXISTS (SELECT FROM {statements.live(view, announced=True)} AND s.id = p.{side} AND {_HAPPENED})"
        for side in ("low", "high")
    )
    found = raw(tx).execute(
        "SELECT p.score, p.low, p.high FROM register_overlap_pair p"
        f" WHERE (p.score, p.low, p.high) < (%(score)s::real, %(low)s, %(high)s) AND {both}"
        " ORDER BY p.score DESC, p.low DESC, p.high DESC LIMIT %(limit)s".encode(),
        {**view.bound(), "score": score, "low": low, "high": high, "limit": limit},
    )
    return [(one, left, right) for one, left, right in found]
