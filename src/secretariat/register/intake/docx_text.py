"""The text of a DOCX file: paragraphs, tables and footnotes out of its zip, entities and bombs refused."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from secretariat.base.errors import InputError, LimitError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DC = "{http://purl.org/dc/"
_MEMBERS = 2_000


def read_docx(data: bytes, *, unpacked: int) -> tuple[str, str | None, date | None]:
    """Give text, title and the date of making. Refuses what is no DOCX, is broken or unpacks beyond the limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > _MEMBERS or sum(one.file_size for one in infos) > unpacked:
                raise LimitError(
                    f"the file unpacks to more than {unpacked} bytes", advice="take in the part you need"
                )
            if any(one.flag_bits & 1 for one in infos):
                raise InputError("the DOCX is encrypted", advice="ask for a copy without password")
            names = set(archive.namelist())
            if "word/document.xml" not in names:
                raise InputError("this zip holds no Word document", advice="send DOCX, PDF, HTML or text")
            body = _parsed(archive, "word/document.xml", unpacked)
            notes = (
                _parsed(archive, "word/footnotes.xml", unpacked) if "word/footnotes.xml" in names else None
            )
            core = _parsed(archive, "docProps/core.xml", unpacked) if "docProps/core.xml" in names else None
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError):
        raise InputError(
            "the DOCX is broken: its zip cannot be read", advice="open and save it anew"
        ) from None
    except (ParseError, DefusedXmlException) as error:
        raise InputError(
            f"the DOCX is broken: {type(error).__name__}", advice="open and save it anew"
        ) from None
    text = "\n\n".join(_paragraphs(body))
    if notes is not None and (listed := _notes(notes)):
        text += "\n\nNotes:\n\n" + "\n".join(listed)
    if not text.strip():
        raise InputError("the DOCX holds no text", advice="pictures are not read")
    title, made = _core(core)
    return text, title, made


def _parsed(archive: zipfile.ZipFile, name: str, unpacked: int) -> Element:
    with archive.open(name) as member:
        data = member.read(unpacked + 1)  # what the directory says may be a lie
    if len(data) > unpacked:
        raise LimitError(f"{name} unpacks to more than {unpacked} bytes", advice="take in the part you need")
    root: Element = fromstring(data)
    return root


def _paragraphs(root: Element) -> list[str]:
    return [line for one in root.iter(f"{_W}p") if (line := _line(one))]


def _line(paragraph: Element) -> str:
    parts: list[str] = []
    for node in paragraph.iter():
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag == f"{_W}tab":
            parts.append(" ")
        elif node.tag in {f"{_W}br", f"{_W}cr"}:
            parts.append("\n")
        elif node.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif node.tag == f"{_W}footnoteReference":
            parts.append(f"[{node.get(f'{_W}id')}]")
    return "".join(parts).strip()


def _notes(root: Element) -> list[str]:
    found = []
    for note in root.iter(f"{_W}footnote"):
        words = " ".join(_paragraphs(note))
        if words:
            found.append(f"{note.get(f'{_W}id')}. {words}")
    return found


def _core(root: Element | None) -> tuple[str | None, date | None]:
    if root is None:
        return None, None
    title = (root.findtext(f"{_DC}elements/1.1/}}title") or "").strip() or None
    try:
        made = date.fromisoformat((root.findtext(f"{_DC}terms/}}created") or "")[:10])
    except ValueError:
        made = None
    return title, made
