"""Which statements rest on the same sentence of a source, and which works follow one promise.

Rules:

1. Two statements rest on the same sentence when words cited from one source stand in the same sentence of its
   text that was captured here; where the text is not here, when their spans overlap or their words are equal.
2. Works follow one promise when evidence of two or more series (or single events) counts for it on the day.
   What was promised on the day of such an event, from a source that the event cites, is named beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.register import boards, monitoring, sources
from secretariat.register.model import Row, View
from secretariat.register.store import COLUMNS, by_key, live, rows, statements
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

MOST = 200
"""Groups of one answer."""
_END = re.compile(r"""[.!?]["'”’)]*(?:\([^)]{1,20}\))?\s+(?=["'“‘(]?[A-Z0-9])|[。！？]|\n""")
_NAMED = " AND EXISTS (SELECT FROM unnest(%(refs)s::bytea[]) AS r (ref) WHERE position(ref IN v.bytes) > 0)"
_SHORT = re.compile(r"(?:\b[A-Z]|\b(?:Mr|Ms|Mrs|Dr|No|St|vs|etc|cf|Jan|Feb|Aug|Sept|Oct|Nov|Dec))$")


class SameSentence(msgspec.Struct, frozen=True, kw_only=True):
    """Statements whose cited words stand in one sentence of a source."""

    source: Row
    start: int | None
    end: int | None
    """Where the sentence stands in the captured text; None where the text is not here."""
    sentence: str | None
    lines: list[tuple[Row, dict[str, Any]]]
    """Each statement with the citation that stands there."""


class SamePromise(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that two or more works follow."""

    promise: Row
    works: list[tuple[str, list[Row]]]
    """Series, or key of a single event, and the statements whose evidence counts."""
    beside: list[Row]
    """Promises made on the day of such an event, from one of its sources."""


def sentences(tx: sa.Connection, view: View, key: str = "") -> list[SameSentence]:
    """Give the sentences on which two or more statements rest; with a key those of that statement."""
    named = by_key(tx, key, view) if key else []
    refs = sorted({cite["source_ref"] for row in named for cite in row.cites if "quote" in cite})
    if key and not refs:
        return []
    found = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view, joined=' JOIN object_version v ON v.id = s.id')}"
        " AND s.type <> 'sct-evidence' AND position('\"quote\":'::bytea IN v.bytes) > 0"
        + (
            " AND EXISTS (SELECT FROM unnest(%(refs)s::bytea[]) AS r WHERE position(r IN v.bytes) > 0)"
            * bool(refs)
        )
        + " ORDER BY s.id",
        {**view.bound(), "refs": [one.encode() for one in refs]},
    )
    quoted: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for row in found:
        for cite in row.cites:
            if "quote" in cite and (not refs or cite["source_ref"] in refs):
                quoted.setdefault(cite["source_ref"], []).append((row, cite))
    texts = sources.texts_of(tx, quoted)
    known = boards.sources_of(tx, [row for pairs in quoted.values() for row, _ in pairs], view)
    groups = []
    for ref, pairs in quoted.items():
        if ref in known:
            groups += _grouped(known[ref], pairs, texts.get(ref))
    mine = {row.id for row in named}
    return [one for one in groups if not key or mine & {row.id for row, _ in one.lines}][:MOST]


def _grouped(source: Row, pairs: list[tuple[Row, dict[str, Any]]], text: str | None) -> list[SameSentence]:
    found: dict[tuple[int | None, int | None, str], list[tuple[Row, dict[str, Any]]]] = {}
    for row, cite in pairs:
        start = cite.get("start")
        if start is None and text is not None:
            at = text.find(cite["quote"])
            start = None if at < 0 else at
        if text is None or start is None:
            place: tuple[int | None, int | None, str] = (None, None, cite["quote"])
        else:
            begin, end = sentence_at(text, start)
            place = (begin, end, text[begin:end])
        found.setdefault(place, []).append((row, cite))
    return [
        SameSentence(
            source=source,
            start=start,
            end=end,
            sentence=None if start is None else " ".join(words.split()),
            lines=lines,
        )
        for (start, end, words), lines in found.items()
        if len({row.key for row, _ in lines}) > 1
    ]


def sentence_at(text: str, at: int) -> tuple[int, int]:
    """Give where the sentence begins and ends in which a place of a text lies."""
    begin = 0
    for mark in _END.finditer(text):
        if _SHORT.search(text, max(0, mark.start() - 8), mark.start()):
            continue
        if mark.end() > at:
            return begin, mark.end()
        begin = mark.end()
    return begin, len(text)


def promises(tx: sa.Connection, view: View, key: str = "") -> list[SamePromise]:
    """Give the promises that two or more works follow; with a key those that this one is or follows."""
    bare = msgspec.structs.replace(view, parties=())
    mine = {one.id for one in by_key(tx, key, view)} if key else set()
    lines = raw(tx).execute(
        f"SELECT s.about FROM {live(bare)} AND s.type = 'sct-evidence' AND s.begun <= %(day)s"
        " AND s.status <> 'unverified' AND s.says IN ('done', 'late', 'partly', 'progress')"
        " GROUP BY s.about HAVING count(DISTINCT s.other) > 1"
        " ORDER BY s.about LIMIT 2000",
        bare.bound(),
    )
    found = statements(tx, view, ids=[about for (about,) in lines] or ["-"], announced=False)
    evidence = boards.evidence_for(tx, [one.stix_id for one in found], view)
    groups = []
    for promise in found:
        moving = [
            one.other
            for one in evidence.get(promise.stix_id, ())
            if one.other and one.says in monitoring.MOVES and not monitoring.why_not(one, view)
        ]
        works: dict[str, list[Row]] = {}
        for row in statements(tx, bare, ids=moving or ["-"], announced=False):
            works.setdefault(row.series or row.key, []).append(row)
        if len(works) > 1:
            groups.append(
                SamePromise(
                    promise=promise,
                    works=list(works.items()),
                    beside=_beside(tx, promise, works.values(), bare),
                )
            )
    return [one for one in groups if not key or mine & {row.id for row in rows_of(one)}][:MOST]


def rows_of(one: SamePromise) -> list[Row]:
    """Give the promise, what was promised beside it, and the works that follow it."""
    return [one.promise, *one.beside, *(row for _, found in one.works for row in found)]


def _beside(tx: sa.Connection, promise: Row, works: Iterable[list[Row]], view: View) -> list[Row]:
    events = [row for rows_ in works for row in rows_ if row.true_from is not None]
    if not events:
        return []
    made = rows(
        tx,
        f"SELECT {COLUMNS} FROM {live(view)} AND s.type = 'sct-commitment'"
        " AND s.true_first = ANY(%(days)s::date[]) ORDER BY s.true_first, s.id LIMIT 500",
        {**view.bound(), "days": sorted({one.true_first for one in events if one.true_first is not None})},
    )
    said = {(one.true_from, cite["source_ref"]) for one in events for cite in one.cites}
    return [
        one
        for one in made
        if one.stix_id != promise.stix_id
        and set(one.parties) <= set(promise.parties)
        and any((one.true_from, cite["source_ref"]) in said for cite in one.cites)
    ]
