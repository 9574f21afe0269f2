"""The text of an HTML page: its main part by trafilatura, scripts never run, dates that the page states of itself."""

from __future__ import annotations

import re
from datetime import date

import trafilatura
from lxml import etree, html

from secretariat.base.errors import InputError

_REMOVED = [
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "object",
    "embed",
    "svg",
    "canvas",
    "form",
    "button",
    "input",
    "select",
    "nav",
]
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "aside",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "li",
        "ul",
        "ol",
        "table",
        "tr",
        "blockquote",
        "pre",
        "dl",
        "dt",
        "dd",
        "figure",
        "figcaption",
        "address",
        "hr",
    ]
)
_DATE_NAMES = (
    "article:published_time", "datepublished", "pubdate", "publishdate", "publish_date", "date", "dc.date",
    "dc.date.issued", "dcterms.created", "dcterms.issued", "og:published_time", "parsely-pub-date", "article:modified_time",
)  # fmt: skip
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)
"""Style of what a reader does not see: it is nobody's statement."""
_LEAST = 0.5
"""Share of the page's words that the main part must keep; below it the whole page is taken."""


def read_html(text: str) -> tuple[str, str | None, date | None]:
    """Give text, title and the date that the page states. Refuses a page without text."""
    try:
        tree = html.fromstring(
            text.encode("utf-8"), parser=html.HTMLParser(encoding="utf-8", no_network=True)
        )
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise InputError("no readable HTML", advice="save the page again, or as text") from None
    stated = _stated(tree)
    title = (tree.findtext(".//title") or "").strip() or None
    for name in _REMOVED:
        for node in list(tree.iter(name)):
            if node.getparent() is not None:
                node.drop_tree()
    for node in list(tree.iter(etree.Element)):
        if node.getparent() is not None and (
            node.get("hidden") is not None or _UNSEEN.search(node.get("style") or "")
        ):
            node.drop_tree()
    for node in list(tree.iter(etree.Comment, etree.ProcessingInstruction)):
        if node.getparent() is not None:
            node.drop_tree()
    for listed in tree.iter("ol"):
        start = listed.get("start", "1")
        for number, item in enumerate(listed.findall("li"), int(start) if start.isdigit() else 1):
            item.text = f"{item.get('value') or number}. {item.text or ''}"  # what a browser would show
    whole = _whole(tree)
    main = trafilatura.extract(
        html.tostring(tree, encoding="unicode"), include_comments=False, include_tables=True, favor_recall=True,
        deduplicate=False,
    )  # fmt: skip
    main = None if main is None else re.sub(r"\n+", "\n\n", main)  # a line of it is a block of the page
    best = whole if main is None or len(main) < _LEAST * len(whole) else main
    if not best.strip():
        raise InputError(
            "the page holds no text", advice="what a script would show is not read; save what you see"
        )
    return best, title, stated


def _stated(tree: html.HtmlElement) -> date | None:
    found: dict[str, str] = {}
    for meta in tree.iter("meta"):
        name = (meta.get("property") or meta.get("name") or meta.get("itemprop") or "").lower()
        if name in _DATE_NAMES and meta.get("content"):
            found.setdefault(name, meta.get("content"))
    for name in _DATE_NAMES:
        if name in found and (day := _day(found[name])):
            return day
    for script in tree.iter("script"):
        if script.get("type") == "application/ld+json" and (
            m := re.search(r'"datePublished"\s*:\s*"([^"]{10,40})"', script.text or "")
        ):
            return _day(m[1])
    for time in tree.iter("time"):
        if day := _day(time.get("datetime") or ""):
            return day
    return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10].replace("/", "-"))
    except ValueError:
        return None


def _whole(tree: html.HtmlElement) -> str:
    """Give all text of the page, a line per block."""
    parts: list[str] = []

    def walk(node: html.HtmlElement) -> None:
        name = node.tag if isinstance(node.tag, str) else ""
        if name in {"head", "title"}:
            return
        block = name in _BLOCKS
        if block:
            parts.append("\n")
        if name == "br":
            parts.append("\n")
        if node.text:
            parts.append(re.sub(r"\s+", " ", node.text))
        for child in node:
            walk(child)
            if child.tail:
                parts.append(re.sub(r"\s+", " ", child.tail))
        if block:
            parts.append("\n")

    walk(tree)
    lines = [line.strip() for line in "".join(parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
