"""A note as a document and as a file, for pages and commands: HTML, PDF, DOCX, Markdown, a STIX report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.clock import now
from secretariat.register.notes import layout, service, stix
from secretariat.register.paper import docx_file, html, naming, pdf, sheet
from secretariat.register.paper.text import markdown
from secretariat.register.screens import markings_of
from secretariat.web.words import set_language

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node
    from secretariat.register.model import Note, Row, View
    from secretariat.register.paper.document import Document

FORMS = {
    "html": "text/html; charset=utf-8",
    "pdf": pdf.MEDIA_TYPE,
    "docx": docx_file.MEDIA_TYPE,
    "md": "text/markdown; charset=utf-8",
    "stix": "application/stix+json;version=2.1",
}
ENDINGS = {"stix": "json"}


class Made(msgspec.Struct, frozen=True):
    """A note, its document, and the sources that its footnotes may name."""

    row: Row
    note: Note
    document: Document
    sources: dict[str, Row]
    about: list[Row]


def made(
    tx: sa.Connection,
    node: Node,
    realm: str,
    row: Row,
    view: View,
    *,
    person: str,
    path: str,
    language: str,
    public: bool = False,
) -> Made:
    """Lay a note out in a language. `public`: for anybody, so nothing that is not CLEAR is in it."""
    note = service.draft_of(row)
    sources = service.sources_of(tx, row, view)
    if public:  # the note is CLEAR; what it cites bears markings of its own
        sources = {stix_id: one for stix_id, one in sources.items() if one.tlp == "CLEAR"}
    about = service.about(tx, note, view)
    set_language(language)
    head = sheet.head(
        node,
        realm,
        view,
        markings_of([row, *sources.values(), *about]),
        person=person,
        path=path,
        now=now(),
        language=language,
    )
    document = layout.document(
        row,
        note,
        head,
        about=about,
        sources=sources,
        revisions=() if public else service.revisions(tx, row, view),
        language=language,
        public=public,
    )
    return Made(row, note, document, sources, about)


def content_of(tx: sa.Connection, one: Made, form: str) -> bytes:
    """Give the bytes of a note in one of `FORMS`."""
    match form:
        case "stix":
            return msgspec.json.format(msgspec.json.encode(stix_of(tx, one)), indent=1)
        case "pdf":
            return pdf.pdf(one.document, made_at=now())
        case "docx":
            return docx_file.docx(one.document, made_at=now())
        case "md":
            return markdown(one.document).encode()
        case _:
            return html.html(one.document)


def stix_of(tx: sa.Connection, one: Made) -> dict[str, Any]:
    """Give the STIX bundle of a note."""
    names = naming.party_names(tx, [one.row.originator], "en")
    return stix.bundle(one.row, one.note, one.sources, party_name=names[one.row.originator])


def name_of(party: str, one: Made, form: str, realm: str) -> str:
    """Give the name under which a note is written as a file."""
    ending = ENDINGS.get(form, form)
    return naming.file_name(party, "note", one.row.key, one.document.head.marking, realm=realm, ending=ending)
