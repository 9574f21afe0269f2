"""A document as plain text and as Markdown; in Markdown what others wrote is escaped, never markup."""

from __future__ import annotations

import re
from collections.abc import Callable

from secretariat.register.paper.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Para,
    Run,
    Runs,
    Table,
    clean,
)

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~!&])")
_AT_START = re.compile(r"^(\s*)(\d+[.)]|[-+=:])(?=\s|$)")
_Write = Callable[[Run], str]


def text_of(document: Document) -> str:
    """Write a document as plain text, as the command line shows it."""
    head = document.head
    lines = [head.exercise, f"{head.marking}  {head.party}", " · ".join(head.as_of), ""]
    lines += [document.title, document.subtitle, ""]
    for block in document.blocks:
        lines += _plain(block)
    if document.notes:
        lines += ["", document.notes_heading]
        lines += [f"[{number}] {_joined(note, _word)}" for number, note in enumerate(document.notes, 1)]
    lines += ["", head.marking, head.exercise]
    return "\n".join(lines).strip() + "\n"


def _plain(block: Block) -> list[str]:
    match block:
        case Heading():
            count = "" if block.count is None else f" ({block.count})"
            return ["", f"{block.text}{count}"]
        case Para():
            return [f"  {_joined(block.runs, _word)}"]
        case Bullets():
            return [
                f"  {f'{number}.' if block.numbered else '-'} {_joined(item, _word)}"
                for number, item in enumerate(block.items, 1)
            ]
        case Table():
            return ["  " + " | ".join(_joined(cell, _word) for cell in row) for row in block.rows]


def _word(run: Run) -> str:
    return clean(run.text)


def _joined(runs: Runs, write: _Write) -> str:
    return "".join(write(one) + "".join(f"[{number}]" for number in one.notes) for one in runs)


def markdown(document: Document) -> str:
    """Write a document as Markdown (CommonMark with footnotes), with marking and times at its head."""
    head = document.head
    lines = [f"**{_escaped(head.exercise)}**", ""] if head.exercise else []
    lines += [
        f"**{_escaped(head.marking)}** · {_escaped(head.party)} · {_escaped(' · '.join(head.as_of))}",
        "",
    ]
    lines += [f"# {_escaped(document.title)}", ""]
    if document.subtitle:
        lines += [_escaped(document.subtitle), ""]
    for block in document.blocks:
        lines += [*_marked_up(block), ""]
    if document.notes:
        lines += [f"## {_escaped(document.notes_heading)}", ""]
        lines += [f"[^{number}]: {_noted(note)}" for number, note in enumerate(document.notes, 1)]
    lines += ["", f"**{_escaped(head.marking)}** · {_escaped(head.person)} · {_escaped(head.made)}"]
    return "\n".join(lines).strip() + "\n"


def _marked_up(block: Block) -> list[str]:
    match block:
        case Heading():
            return [f"{'#' * (block.level + 1)} {_escaped(block.text)}"]
        case Para():
            text = _noted(block.runs)
            return [f"> {text}" if block.manner == "quote" else text]
        case Bullets():
            return [
                f"{f'{number}.' if block.numbered else '-'} {_noted(item)}"
                for number, item in enumerate(block.items, 1)
            ]
        case Table():
            rows = [block.heads, tuple("---" for _one in block.heads)]
            lines = ["| " + " | ".join(map(_escaped, rows[0])) + " |", "| " + " | ".join(rows[1]) + " |"]
            return lines + ["| " + " | ".join(_noted(cell) for cell in row) + " |" for row in block.rows]


def _noted(runs: Runs) -> str:
    text = "".join(_styled(one) + "".join(f"[^{number}]" for number in one.notes) for one in runs)
    return _AT_START.sub(r"\1\\\2", text)


def _styled(run: Run) -> str:
    text = _escaped(run.text)
    bare = text.strip()
    if run.style in {"strong", "loud"} and bare:
        return text.replace(bare, f"**{bare}**", 1)
    return text


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", clean(text))
