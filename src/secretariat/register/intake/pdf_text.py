"""The text of a PDF by pdfminer.six: page by page, encrypted or empty ones refused in words."""

from __future__ import annotations

import io
import re
import unicodedata
from datetime import date

from pdfminer.high_level import extract_pages
from pdfminer.layout import LAParams, LTTextContainer
from pdfminer.pdfdocument import PDFDocument, PDFEncryptionError, PDFPasswordIncorrect
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser, PDFSyntaxError
from pdfminer.psparser import PSException

from secretariat.base.errors import InputError, LimitError

_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uff00-\uffef]")


def read_pdf(data: bytes, *, pages: int, letters: int) -> tuple[str, str | None, date | None]:
    """Give text, title and the date of making. Refuses what is encrypted, has no text, or passes a limit."""
    try:
        document = PDFDocument(PDFParser(io.BytesIO(data)))
        count = 0
        for count, _page in enumerate(PDFPage.create_pages(document), 1):
            if count > pages:
                raise LimitError(f"the PDF has more than {pages} pages", advice="take in the part you need")
        blocks: list[str] = []
        size = 0
        for page in extract_pages(io.BytesIO(data), laparams=LAParams(), maxpages=pages):
            for box in page:
                if isinstance(box, LTTextContainer) and (block := _unwrapped(box.get_text())):
                    blocks.append(block)
                    size += len(block)
                    if size > letters:
                        raise LimitError(
                            f"the PDF holds more than {letters} letters", advice="take in the part you need"
                        )
    except (PDFPasswordIncorrect, PDFEncryptionError):
        raise InputError("the PDF is encrypted", advice="ask for a copy without password") from None
    except (
        PDFSyntaxError,
        PSException,
        AssertionError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
    ) as error:
        raise InputError(
            f"the PDF cannot be read: {type(error).__name__}", advice="open and save it anew"
        ) from None
    text = "\n\n".join(blocks)
    if len(re.sub(r"\W", "", re.sub(r"\(cid:\d+\)", "", text))) < 8 * max(1, min(count, 4)) // 4:
        raise InputError(
            "the PDF holds pictures and no text",
            advice="run text recognition on it first; nothing was guessed",
        )
    info = document.info[0] if document.info else {}
    return text, _title(info.get("Title")), _made(info.get("CreationDate"))


def _unwrapped(block: str) -> str:
    """Join the lines of one paragraph; words parted at a line's end become whole."""
    lines = [line.strip() for line in block.split("\n") if line.strip()]
    joined = ""
    for line in lines:
        if not joined:
            joined = line
        elif re.match(r"(?:\(?\d{1,2}[.)]|[•・○□■-])\s?", line):
            joined += "\n" + line
        elif joined.endswith("-") and line[:1].islower():
            joined = joined[:-1] + line
        elif _WIDE.search(joined[-1]) and _WIDE.search(line[0]):
            joined += line
        else:
            joined += " " + line
    return unicodedata.normalize("NFC", joined)


def _title(value: object) -> str | None:
    if not isinstance(value, bytes):
        return None
    try:
        text = value.decode("utf-16" if value[:2] in {b"\xfe\xff", b"\xff\xfe"} else "utf-8")
    except UnicodeDecodeError:
        return None
    return text.strip()[:300] or None


def _made(value: object) -> date | None:
    found = re.match(rb"D:(\d{4})(\d\d)(\d\d)", value) if isinstance(value, bytes) else None
    try:
        return date(*(int(one) for one in found.groups())) if found else None
    except ValueError:
        return None
