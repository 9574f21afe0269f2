"""A document as it came: bytes and hash, the text drawn from it and its hash, language and its own date.

Limits come first (bytes, then pages, letters and unpacked bytes while reading). What a file is, its first bytes
decide, not its name. Line ends become one form; nothing else of a text is changed, so that offsets stay true.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date

import msgspec

from secretariat.base.errors import InputError, LimitError
from secretariat.register.intake.docx_text import read_docx
from secretariat.register.intake.encoding import decode
from secretariat.register.intake.html_text import read_html
from secretariat.register.intake.language import language
from secretariat.register.intake.mail_text import read_mail
from secretariat.register.intake.pdf_text import read_pdf

MEDIA = {
    "html": "text/html",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "text": "text/plain",
    "mail": "message/rfc822",
}
_HTML = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|article|div|p|meta)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAIL = re.compile(rb"^(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}", re.MULTILINE)
_MAIL_NAMES = re.compile(
    rb"^(?:From|Received|Return-Path|Message-ID|MIME-Version|Date|Subject|To):", re.IGNORECASE | re.MULTILINE
)


_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff가-힣]")
_NAVIGATION = re.compile(
    r"(?:skip to|jump to|menu|home|search|back to|ページの?本文|本文へ|メニュー|トップ|본문 ?바로|메뉴|跳转|首页|导航)",
    re.IGNORECASE,
)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a document may be; passing one is refused with its name."""

    data: int = 33_554_432
    pages: int = 500
    letters: int = 2_000_000
    unpacked: int = 134_217_728
    attachments: int = 20
    seconds: int = 60


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One document, read."""

    name: str
    kind: str
    media_type: str
    data: bytes
    sha256: str
    text: str
    text_sha256: str
    lang: str
    encoding: str | None = None
    title: str | None = None
    stated: date | None = None
    """The date that the file states of itself."""
    note: str | None = None


def kind_of(data: bytes, name: str = "") -> str:
    """Tell what a file is by its first bytes; the name decides only between text and mail."""
    head = data[:4096]
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return "docx"
    if head.startswith(
        (b"\xd0\xcf\x11\xe0", b"{\\rtf", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"7z\xbc")
    ):
        raise InputError(
            "this kind of file is not read", where=name or None, advice="send HTML, PDF, DOCX, text or .eml"
        )
    if _HTML.match(head) or name.lower().endswith((".html", ".htm", ".xhtml")):
        return "html"
    if name.lower().endswith(".eml") or (
        _MAIL.match(head.replace(b"\r\n", b"\n")) and len(_MAIL_NAMES.findall(head)) >= 3
    ):
        return "mail"
    return "text"


def read_document(
    data: bytes, name: str = "", *, charset: str | None = None, limits: Limits | None = None
) -> list[Captured]:
    """Read a document; a mail gives itself and each attachment. Refuses what cannot be read, and says why."""
    limits = limits or Limits()
    if len(data) > limits.data:
        raise LimitError(
            f"the document has more than {limits.data} bytes",
            where=name or None,
            advice="take in the part you need",
        )
    if not data.strip():
        raise InputError("the document is empty", where=name or None)
    kind = kind_of(data, name)
    if kind == "mail":
        text, title, stated, files = read_mail(data, attachments=limits.attachments)
        found = [_captured(name, kind, data, text, title, stated, None, limits)] if text.strip() else []
        for one in files:
            try:
                found += read_document(one.data, one.name, limits=limits)
            except (InputError, LimitError) as refusal:
                if not found:
                    raise
                found[0] = msgspec.structs.replace(
                    found[0],
                    note="; ".join(
                        x for x in (found[0].note, f"attachment {one.name} not read: {refusal.what}") if x
                    ),
                )
        return found
    encoding: str | None = None
    if kind == "pdf":
        text, title, stated = read_pdf(data, pages=limits.pages, letters=limits.letters)
    elif kind == "docx":
        text, title, stated = read_docx(data, unpacked=limits.unpacked)
    else:
        text, encoding = decode(data, charset)
        title, stated = None, None
        if kind == "html":
            text, title, stated = read_html(text)
    return [_captured(name, kind, data, text, title, stated, encoding, limits)]


def _captured(
    name: str,
    kind: str,
    data: bytes,
    text: str,
    title: str | None,
    stated: date | None,
    encoding: str | None,
    limits: Limits,
) -> Captured:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").lstrip("\ufeff")
    if len(text) > limits.letters:
        raise LimitError(
            f"the document holds more than {limits.letters} letters",
            where=name or None,
            advice="take in the part you need",
        )
    if not text.strip():
        raise InputError("the document holds no text", where=name or None)
    return Captured(
        name=name,
        kind=kind,
        media_type=MEDIA[kind],
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        lang=language(text),
        encoding=encoding,
        title=title or _first_line(text),
        stated=stated,
    )


def _first_line(text: str) -> str:
    lines = [
        one.strip() for one in text.split("\n") if len(one.strip()) > 3 and not _NAVIGATION.match(one.strip())
    ]
    telling = (one for one in lines[:12] if len(one.split()) >= 3 or len(_WIDE.findall(one)) >= 8)
    return next(telling, lines[0] if lines else "")[:200]
