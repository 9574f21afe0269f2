"""A document as PDF (A4, PDF/A-2), set by typst in an empty folder: no files, no network, no foreign markup.

The layout is `paper.typ`, ours; everything else reaches it as JSON strings. Its root and its package folders
are an empty folder made for the one run, so that neither a file nor a package can be read.
"""

from __future__ import annotations

import tempfile
import threading
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import typst

from secretariat.base.errors import UnavailableError
from secretariat.register.paper import coverage
from secretariat.register.paper.document import Document, breakable, check, clean, texts_of

MEDIA_TYPE = "application/pdf"
_ONE = threading.Lock()
"""One document at a time: setting one holds a processor for up to a second."""

_LATIN = ("Noto Sans", "Liberation Sans", "Helvetica Neue", "Arial", "DejaVu Sans")
_WIDE = {
    "ja": ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "IPAexGothic"),
    "ko": ("Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", "NanumGothic"),
    "zh-Hans": ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "Source Han Sans SC"),
    "zh-Hant": ("Noto Sans CJK TC", "Noto Sans TC", "PingFang TC", "Microsoft JhengHei"),
}
_BASES = frozenset({"ja", "ko", "zh"})
_LAST = ("Libertinus Serif",)
_MONO = ("Noto Sans Mono", "Liberation Mono", "DejaVu Sans Mono")


def faces(lang: str) -> list[str]:
    """Give the families for a language that are here: Latin first, then its own, then the other wide ones."""
    here = coverage.families()
    base = lang.partition("-")[0]
    own = _WIDE.get(lang) or _WIDE.get("zh-Hans" if base == "zh" else base, ())
    others = [name for names in _WIDE.values() for name in names]
    wanted = (*own, *_LATIN) if own else _LATIN  # a wide font draws its punctuation and quotes itself
    return [name for name in dict.fromkeys([*wanted, *others, *_LAST]) if name in here]


def _among(lang: str, around: str) -> list[str]:
    """Give the families for words of a language inside a document of another: Latin words keep its face."""
    return faces(lang if lang.partition("-")[0] in _BASES else around)


def pdf(document: Document, *, made_at: datetime) -> bytes:
    """Set a document. Refuses one that is too long, and one with letters that no font here draws."""
    check(document)
    refuse_boxes(document)
    plain = _told(document)
    langs = sorted({lang for _text, lang in texts_of(document)} | {document.lang})
    plain["faces"] = {lang: _among(lang, document.lang) for lang in langs}
    plain["mono"] = [name for name in _MONO if name in coverage.families()]
    plain["cjk"] = document.lang.split("-")[0] in {"ja", "ko", "zh"}
    with _ONE, tempfile.TemporaryDirectory(prefix="sct-paper-") as folder:
        try:
            made = typst.Compiler(
                _layout(),
                root=folder,
                package_path=folder,
                package_cache_path=folder,
                sys_inputs={"data": msgspec.json.encode(plain).decode()},
            ).compile(format="pdf", pdf_standards="a-2a", timestamp=made_at.replace(microsecond=0))
        except typst.TypstError as error:
            raise UnavailableError(
                f"the page could not be set: {error.message[:300]}",
                where="paper",
                advice="take DOCX, HTML or Markdown, and tell who runs this node",
            ) from error
    if not isinstance(made, bytes):
        raise UnavailableError("the page could not be set", where="paper", advice="take DOCX or HTML")
    return made


def refuse_boxes(document: Document) -> None:
    """Refuse a document with letters that no font here draws, before anything is set."""
    lost = coverage.missing((clean(text) for text, _ in texts_of(document)), faces(document.lang))
    coverage.refuse_missing(lost)


@cache
def _layout() -> bytes:
    return resources.files("secretariat.register.paper").joinpath("paper.typ").read_bytes()


def _told(document: Document) -> dict[str, Any]:
    """Give the document as the layout reads it: every string cleaned, long words breakable."""
    plain: dict[str, Any] = _walk(msgspec.to_builtins(document), document.head.address)
    plain["title"] = clean(document.title)
    return plain


_AS_IT_IS = frozenset({"lang", "title_lang", "type", "manner", "style"})


def _walk(value: Any, base: str, key: str = "") -> Any:
    if isinstance(value, str):
        if key == "href":
            return _whole(value, base)
        return value if key in _AS_IT_IS else breakable(clean(value))
    if isinstance(value, dict):
        found = {name: _walk(one, base, name) for name, one in value.items()}
        if found.get("href") == "":
            del found["href"]
        return found
    if isinstance(value, list | tuple):
        return [_walk(one, base) for one in value]
    return value


def _whole(address: str, base: str) -> str:
    """Give an address that a reader of the file can open; empty where it is none."""
    if address.startswith("/") and base.startswith(("http://", "https://")):
        return "/".join(base.split("/")[:3]) + address
    return clean(address) if address.startswith(("http://", "https://")) else ""
