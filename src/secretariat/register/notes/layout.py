"""A note as a document: abstract, text, what it rests on, related information, revisions, footnotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from secretariat.register.model import Note, Row
from secretariat.register.notes import rules
from secretariat.register.paper.dates import span, written
from secretariat.register.paper.document import (
    Block,
    Bullets,
    Document,
    Head,
    Heading,
    Para,
    Run,
    Runs,
)
from secretariat.register.paper.numbering import Numbering
from secretariat.register.screens import address_of
from secretariat.web.words import gettext as _


def document(
    row: Row,
    note: Note,
    head: Head,
    *,
    about: Sequence[Row],
    sources: Mapping[str, Row],
    revisions: Sequence[Row],
    language: str,
    public: bool = False,
) -> Document:
    """Give a note as a document; the language of `gettext` must be `language`. `public`: no links."""
    lang = note.lang or "en"
    numbering = Numbering(sources, language, links=not public)
    blocks: list[Block] = []
    if note.summary:
        blocks.append(Heading(_("Abstract"), 1))
        blocks += [Para(rules.runs_of(one, lang), "lede") for one in note.summary.split("\n\n")]
    blocks += rules.blocks_of(note.text, lang)
    if about:
        items = tuple(_about(one, language, public=public) for one in about)
        blocks += [Heading(_("Statements this rests on"), 1, len(items)), Bullets(items)]
    if note.related:
        related = tuple(_related(one, lang) for one in note.related)
        blocks += [Heading(_("Related information"), 1), Bullets(related)]
    if len(revisions) > 1:
        blocks += [Heading(_("Revisions"), 1, len(revisions)), Bullets(_revised(revisions, language))]
    idle = rules.unmarked(note.text, len(note.cites))
    if idle:
        numbers = ", ".join(map(str, idle))
        blocks.append(Para((Run(_("Not marked in the text: %(numbers)s") % {"numbers": numbers}),), "small"))
    return Document(
        title=note.title,
        title_lang=lang,
        subtitle=" · ".join(_told(note, row, language)),
        lang=language,
        head=head,
        blocks=tuple(blocks),
        notes=tuple(numbering.note_of(cite) for cite in row.cites),
        notes_heading=_("Footnotes"),
    )


def _told(note: Note, row: Row, language: str) -> list[str]:
    found = [", ".join(note.written_by)] if note.written_by else []
    if note.true_from:
        found.append(_("written %(day)s") % {"day": written(note.true_from, language)})
    if note.known_public:
        found.append(_("first disclosed %(day)s") % {"day": written(note.known_public, language)})
    else:
        found.append(_("not disclosed"))
    return [*found, row.key]


def _about(row: Row, language: str, *, public: bool) -> Runs:
    day = span(row.true_from, row.true_to, language)
    return (
        Run(f"{day}: "),
        Run(row.title, lang=str(row.body.get("lang") or "en"), href="" if public else address_of(row)),
        Run(" "),
        Run(row.key, style="code"),
    )


def _related(text: str, lang: str) -> Runs:
    words, mark, rest = text.rpartition(" ")
    if rest.startswith(("http://", "https://")):
        return (Run(words + mark, lang=lang), Run(rest, href=rest))
    return (Run(text, lang=lang),)


def _revised(revisions: Sequence[Row], language: str) -> tuple[Runs, ...]:
    found = []
    for one in revisions:
        day = written(one.recorded_at.date(), language)
        found.append((Run(f"{day} {one.recorded_at:%H:%M} UTC "), Run(one.title, style="quiet")))
    return tuple(found)
