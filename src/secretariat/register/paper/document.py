"""A document as plain values: headings, paragraphs, lists, tables, numbered notes. Text is never markup.

Whoever writes a document makes these; `pdf`, `docx_file`, `markdown` and the template `register/_paper.html`
show the same values. Control characters are left out here, once for all forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import msgspec

from secretariat.base.errors import LimitError

LETTERS_MAX = 600_000
"""Letters of one document; a brief of the whole sample has 60,000."""
CELLS_MAX = 12_000

_INVISIBLE = {"Cc", "Cs", "Co", "Cn"}
_DIRECTION = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Marks that turn the direction of text, so that it reads otherwise than it stands (CVE-2021-42574)."""
_LONG = re.compile(r"\S{41,}")
_JOINT = re.compile(r"(?<=[/?&=._:;,#%+-])")
_PIECE = 30


def clean(text: str) -> str:
    """Give text as one line, without control characters and marks that turn its direction."""
    if text.isascii() and text.isprintable():
        return text
    kept = (
        " " if one in "\n\r\t\u2028\u2029" else one
        for one in text
        if one in "\n\r\t" or (unicodedata.category(one) not in _INVISIBLE and one not in _DIRECTION)
    )
    return "".join(kept)


def breakable(text: str) -> str:
    """Give text in which words of more than 40 letters may be broken (by a space of no width)."""
    return _LONG.sub(lambda found: "\u200b".join(_pieces(found[0])), text)


def _pieces(word: str) -> Iterator[str]:
    for part in _JOINT.split(word):
        for at in range(0, max(1, len(part)), _PIECE):
            if part[at : at + _PIECE]:
                yield part[at : at + _PIECE]


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some words in one language and one manner, with the numbers of notes after them."""

    text: str
    lang: str = ""
    """BCP 47; empty is the document's."""
    style: str = ""
    """Empty, strong, code, quiet, loud or quote."""
    href: str = ""
    """An address that begins with http:// or https://, or with / on this node."""
    notes: tuple[int, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether the address is one that a page may lead to; any other is not made a link."""
        return self.href.startswith(("/", "http://", "https://"))

    @property
    def abroad(self) -> bool:
        """Whether it leads to another node or site."""
        return self.leads and not self.href.startswith("/")


Runs = tuple[Run, ...]


class Heading(msgspec.Struct, frozen=True, tag="heading"):
    """A heading; `count` stands beside it."""

    text: str
    level: int = 1
    count: int | None = None
    anchor: str = ""


class Para(msgspec.Struct, frozen=True, tag="para"):
    """A paragraph. `manner`: empty, lede, small, quote or empty-list."""

    runs: Runs
    manner: str = ""


class Bullets(msgspec.Struct, frozen=True, tag="bullets"):
    """A list."""

    items: tuple[Runs, ...]
    numbered: bool = False


class Table(msgspec.Struct, frozen=True, tag="table"):
    """A table; its heads are repeated on every page. `widths` are shares of the line."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Runs, ...], ...]
    widths: tuple[int, ...]


Block = Heading | Para | Bullets | Table


class Head(msgspec.Struct, frozen=True):
    """What every sheet bears: whose it is, how it is marked, as of when, who made it and where it stands."""

    party: str
    realm: str
    """The realm's word in the document's language."""
    exercise: str
    """The word EXERCISE in the document's language; empty in the live realm."""
    marking: str
    marking_word: str
    """`Highest marking` in the document's language."""
    as_of: tuple[str, ...]
    person: str
    made: str
    address: str
    page_word: str


class Document(msgspec.Struct, frozen=True):
    """A document with its notes, numbered from 1."""

    title: str
    lang: str
    head: Head
    blocks: tuple[Block, ...]
    notes: tuple[Runs, ...] = ()
    notes_heading: str = ""
    subtitle: str = ""
    title_lang: str = ""


def runs_of(document: Document) -> Iterator[Run]:
    """Give every run of a document."""
    for block in document.blocks:
        match block:
            case Para():
                yield from block.runs
            case Bullets():
                for item in block.items:
                    yield from item
            case Table():
                for row in block.rows:
                    for cell in row:
                        yield from cell
            case Heading():
                pass
    for note in document.notes:
        yield from note


def texts_of(document: Document) -> Iterator[tuple[str, str]]:
    """Give every text of a document with its language."""
    head = document.head
    for text in (head.party, head.realm, head.exercise, head.marking, head.marking_word, *head.as_of):
        yield text, document.lang
    for text in (head.person, head.made, head.address, head.page_word, document.notes_heading):
        yield text, document.lang
    yield document.title, document.title_lang or document.lang
    yield document.subtitle, document.lang
    for block in document.blocks:
        if isinstance(block, Heading):
            yield block.text, document.lang
        if isinstance(block, Table):
            for text in block.heads:
                yield text, document.lang
    for run in runs_of(document):
        yield run.text, run.lang or document.lang


def check(document: Document) -> None:
    """Refuse a document that no one could read and that would hold a processor for long."""
    letters = sum(len(text) for text, _lang in texts_of(document))
    cells = sum(len(one.rows) * len(one.heads) for one in document.blocks if isinstance(one, Table))
    for found, most, what in ((letters, LETTERS_MAX, "letters"), (cells, CELLS_MAX, "cells of tables")):
        if found > most:
            raise LimitError(
                f"a document of {found} {what}", where="paper", advice=f"at most {most}: choose fewer"
            )


def joined(runs: list[Run]) -> Runs:
    """Leave out the mark after the last of several."""
    while runs and runs[-1].text == "; ":
        runs = runs[:-1]
    return tuple(runs)
