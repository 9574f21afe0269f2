"""Notes: what a form says becomes a statement of this party, recorded and amended as any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.base.ids import uuid5
from secretariat.register import boards, service, store
from secretariat.register.model import Cite, Note, Row, View, to_draft
from secretariat.register.notes import rules
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

TYPE = "sct-note"
MOST = 200


class Footnote(msgspec.Struct, frozen=True):
    """A footnote as it is typed: the key of a source and the words quoted from it."""

    source: str
    quote: str = ""


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """What a form holds; every field as it was typed, so that nothing is lost on an error."""

    title: str = ""
    lang: str = "en"
    summary: str = ""
    text: str = ""
    statements: tuple[str, ...] = ()
    footnotes: tuple[Footnote, ...] = ()
    related: str = ""
    written_by: str = ""
    true_from: str = ""
    disclosed: str = ""
    tlp: str = ""


def notes(tx: sa.Connection, view: View) -> list[Row]:
    """Give the notes that the question sees, newest first."""
    return store.statements(tx, view, types=[TYPE], announced=False, newest=True, limit=MOST)


def note_of(tx: sa.Connection, view: View, key: str) -> Row:
    """Give one note. Refuses a key that the question does not see, or that is no note."""
    bare = msgspec.structs.replace(view, parties=())
    row = next((one for one in store.by_key(tx, key, bare, announced=False) if one.type == TYPE), None)
    if row is None:
        raise NotFoundError(f"no note {key[:80]!r} stands here, or not by then", advice="look in Notes")
    return row


def released(tx: sa.Connection, row: Row) -> bool:
    """Whether this version of a note was released to the public: it stands in the collection `clear`."""
    found = raw(tx).execute(
        "SELECT 1 FROM item i JOIN collection c ON c.id = i.collection WHERE i.version = %s"
        " AND c.kind = 'clear' LIMIT 1",
        (row.id,),
    )
    return found.fetchone() is not None


def public(tx: sa.Connection, view: View) -> list[Row]:
    """Give the notes that anybody may read: CLEAR, publicly known by then, and released to the public."""
    asked = msgspec.structs.replace(view, clear=True, public=True)
    return [one for one in notes(tx, asked) if released(tx, one)]


def draft_of(row: Row) -> Note:
    """Give the note of a row."""
    found = to_draft(row.body)
    if not isinstance(found, Note):
        raise InputError(f"{row.key} is no note", where=row.key)
    return found


def sources_of(tx: sa.Connection, row: Row, view: View) -> dict[str, Row]:
    """Give the sources of a note's footnotes, by id."""
    return boards.sources_of(tx, [row], msgspec.structs.replace(view, parties=()))


def about(tx: sa.Connection, note: Note, view: View) -> list[Row]:
    """Give the statements a note rests on, in its order; what the question does not see is left out."""
    if not note.about_refs:
        return []
    bare = msgspec.structs.replace(view, parties=())
    found = {one.stix_id: one for one in store.statements(tx, bare, ids=list(note.about_refs))}
    return [found[ref] for ref in note.about_refs if ref in found]


def chosen(tx: sa.Connection, keys: Sequence[str], view: View) -> list[Row]:
    """Give the statements under these keys. Refuses one that is not there."""
    found = []
    for key in keys:
        rows = store.by_key(tx, key, msgspec.structs.replace(view, parties=()))
        if not rows:
            raise InputError(
                f"no statement {key[:80]!r} stands here",
                where="statements",
                advice="write keys as the pages of statements show them, one a line",
            )
        found.append(rows[0])
    return list({one.stix_id: one for one in found}.values())


def made(tx: sa.Connection, typed: Typed, view: View, *, key: str) -> Note:
    """Make a note of what was typed. Refuses what is missing, unknown sources and marks without footnote."""
    for name, what in (("title", typed.title), ("text", typed.text)):
        if not what.strip():
            raise InputError("nothing stands here", where=name, advice="a note needs a title and a text")
    footnotes = tuple(one for one in typed.footnotes if one.source.strip())
    if len(footnotes) > rules.FOOTNOTES_MAX:
        raise InputError(f"{len(footnotes)} footnotes", where="text", advice=f"at most {rules.FOOTNOTES_MAX}")
    rules.check(typed.text, len(footnotes))
    text, order = rules.renumbered(typed.text.replace("\r\n", "\n").strip(), len(footnotes))
    cites = tuple(_cite(tx, footnotes[number - 1], number, view) for number in order)
    rows = chosen(tx, typed.statements, view)
    given: dict[str, Any] = {
        "key": key,
        "kind": "note",
        "title": typed.title.strip(),
        "text": text,
        "lang": typed.lang,
        "cites": cites,
        "about_refs": tuple(one.stix_id for one in rows),
        "related": _lines(typed.related),
        "written_by": _lines(typed.written_by.replace(",", "\n")),
        "parties": tuple(sorted({code for one in rows for code in one.parties})),
        "summary": typed.summary.replace("\r\n", "\n").strip() or None,
        "known_public": typed.disclosed.strip() or None,
        "true_from": typed.true_from.strip() or None,
    }
    try:
        return msgspec.convert(msgspec.to_builtins({**given}), Note)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise InputError(what.replace("`", ""), where=path.rstrip("`").partition("[")[0] or "text") from None


def _cite(tx: sa.Connection, one: Footnote, number: int, view: View) -> Cite:
    bare = msgspec.structs.replace(view, parties=())
    found = [row for row in store.by_key(tx, one.source.strip(), bare) if row.type == "sct-source"]
    if not found:
        raise InputError(
            f"footnote {number}: no source {one.source.strip()[:80]!r} stands here",
            where="footnotes",
            advice="write the key of a source, or record the source first",
        )
    quote = one.quote.strip() or None
    return Cite(source_ref=found[0].stix_id, quote=quote, **_place(tx, found[0], quote))


def _place(tx: sa.Connection, source: Row, quote: str | None) -> dict[str, Any]:
    """Give where a quotation stands in the captured text, where that is here."""
    from secretariat.register import sources

    if quote is None:
        return {}
    text = sources.texts_of(tx, [source.stix_id]).get(source.stix_id)
    if text is None or (start := text.find(quote)) < 0:
        return {}
    return {"start": start, "end": start + len(quote)}


def _lines(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.splitlines() if one.strip())


def typed_of(tx: sa.Connection, row: Row, view: View) -> Typed:
    """Give a note as its form holds it."""
    note = draft_of(row)
    sources = sources_of(tx, row, view)
    return Typed(
        title=note.title,
        lang=note.lang or "en",
        summary=note.summary or "",
        text=note.text,
        statements=tuple(one.key for one in about(tx, note, view)),
        footnotes=tuple(
            Footnote(
                sources[cite.source_ref].key if cite.source_ref in sources else cite.source_ref,
                cite.quote or "",
            )
            for cite in note.cites
        ),
        related="\n".join(note.related),
        written_by="\n".join(note.written_by),
        true_from=note.true_from or "",
        disclosed=note.known_public or "",
    )


def write(node: Node, realm: str, typed: Typed, view: View, *, by: str, now: datetime, key: str = "") -> str:
    """Record a new note; give its key."""
    with node.database.app(realm) as tx:
        key = key or f"{node.party.lower()}-note-{now:%Y%m%d}-{uuid5(f'{by}/{now}/{typed.title}').hex[:6]}"
        note = made(tx, typed, view, key=key)
        service.record_in(tx, node, realm, [note], by=by, now=now, tlp=typed.tlp or None)
    return key


def change(
    node: Node, realm: str, key: str, typed: Typed, view: View, *, seen: int, by: str, now: datetime
) -> service.Amended:
    """Write a new revision of a note; one that was written meanwhile stays, and the answer names it."""
    with node.database.app(realm) as tx:
        row = note_of(tx, view, key)
        if row.originator != node.party:
            raise ConflictError(
                f"{key} is a note of {row.originator}", where="title", advice="write one of your own"
            )
        note = made(tx, typed, view, key=row.key)
    return service.amend(node, realm, note, seen_version=seen, by=by, now=now, tlp=typed.tlp or None)


def revisions(tx: sa.Connection, row: Row, view: View) -> list[Row]:
    """Give the revisions of a note that were recorded by the time asked about, newest first."""
    return [
        one
        for one in store.versions(tx, row.stix_id)
        if view.recorded_by is None or one.recorded_at <= view.recorded_by
    ]
