"""A document as DOCX: real headings, lists and tables with repeated heads, fonts per language."""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import Any

import docx as word
from docx.enum.section import WD_ORIENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from secretariat.register.paper.document import (
    Bullets,
    Document,
    Heading,
    Para,
    Run,
    Runs,
    Table,
    check,
    clean,
)

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_WIDE = {"ja": "Yu Gothic", "ko": "Malgun Gothic", "zh": "Microsoft YaHei"}
_TAGS = {"en": "en-GB", "ja": "ja-JP", "ko": "ko-KR", "zh": "zh-CN", "zh-Hans": "zh-CN"}
_LIVE, _EXERCISE = RGBColor(0x1D, 0x3F, 0x66), RGBColor(0x5A, 0x2D, 0x82)
_GREY = RGBColor(0x55, 0x55, 0x55)
_WIDTH_MM = 174
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def docx(document: Document, *, made_at: datetime) -> bytes:
    """Write a document. Refuses one that is too long."""
    check(document)
    return _Writer(document, made_at).written()


def _plain(text: str) -> str:
    return _NOT_XML.sub("", clean(text))


class _Writer:
    def __init__(self, document: Document, made_at: datetime) -> None:
        self.document = document
        self.ink = _EXERCISE if document.head.exercise else _LIVE
        self.file = word.Document()
        properties = self.file.core_properties
        properties.title, properties.author = _plain(document.title), _plain(document.head.party)
        properties.language = _TAGS.get(document.lang, document.lang)
        properties.created = properties.modified = made_at.replace(tzinfo=None, microsecond=0)
        properties.comments = ""

    def written(self) -> bytes:
        document = self.document
        self._styles()
        self._sheet()
        self.file.add_paragraph(style="Title")
        self._fill(self.file.paragraphs[-1], (Run(document.title, lang=document.title_lang),))
        if document.subtitle:
            self._fill(self.file.add_paragraph(), (Run(document.subtitle, style="quiet"),))
        for block in document.blocks:
            self._block(block)
        if document.notes:
            self._heading(Heading(document.notes_heading, 1))
            for number, note in enumerate(document.notes, 1):
                line = self.file.add_paragraph()
                line.paragraph_format.left_indent = Mm(8)
                line.paragraph_format.first_line_indent = Mm(-8)
                self._fill(line, (Run(f"[{number}]\t"), *note), size=8.5)
        out = io.BytesIO()
        self.file.save(out)
        return out.getvalue()

    def _styles(self) -> None:
        base = self.document.lang.partition("-")[0]
        for name, size in (("Normal", 10), ("Title", 18), ("Heading 1", 13), ("Heading 2", 11)):
            style = self.file.styles[name]
            style.font.size = Pt(size)
            style.font.name = "Arial"
            style.font.italic = False
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
                fonts.attrib.pop(qn(f"w:{theme}"), None)
            fonts.set(qn("w:eastAsia"), _WIDE.get(base, "Yu Gothic"))
            if name != "Normal":
                style.font.color.rgb = self.ink if name != "Title" else RGBColor(0, 0, 0)
                style.font.bold = True
        self.file.styles["Normal"].paragraph_format.space_after = Pt(4)

    def _sheet(self) -> None:
        head, section = self.document.head, self.file.sections[0]
        section.orientation = WD_ORIENT.PORTRAIT
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin = section.right_margin = Mm(18)
        section.top_margin, section.bottom_margin = Mm(30), Mm(28)
        marking = (Run(f"{head.marking_word} ", style="quiet"), Run(head.marking, style="strong"))
        rehearsal = (Run(" · ".join([head.exercise] * 3), style="loud"),) if head.exercise else ()
        top, bottom = section.header, section.footer
        lines: list[Runs] = [
            rehearsal,
            (*marking, Run(f"\t{head.party} · {head.realm}", style="quiet")),
            (Run(" · ".join(head.as_of)),),
        ]
        self._lines(top, [one for one in lines if one])
        line = bottom.paragraphs[0]
        self._fill(line, (Run(f"{head.person} · {head.made}\t\t{head.page_word} ", style="quiet"),), size=8)
        _field(line, "PAGE")
        line.add_run(" / ").font.size = Pt(8)
        _field(line, "NUMPAGES")
        for runs in ((Run(head.address, style="quiet"),), marking, rehearsal):
            if runs:
                self._fill(bottom.add_paragraph(), runs, size=8)

    def _lines(self, part: Any, lines: list[Runs]) -> None:
        for number, runs in enumerate(lines):
            line = part.paragraphs[0] if number == 0 else part.add_paragraph()
            self._fill(line, runs, size=8)

    def _block(self, block: object) -> None:
        match block:
            case Heading():
                self._heading(block)
            case Para():
                line = self.file.add_paragraph()
                if block.manner == "quote":
                    line.paragraph_format.left_indent = Mm(6)
                self._fill(line, block.runs, size=8.5 if block.manner in {"small", "empty-list"} else None)
            case Bullets():
                style = "List Number" if block.numbered else "List Bullet"
                for number, item in enumerate(block.items, 1):
                    if block.numbered:  # Word goes on with one numbering through a whole file
                        line = self.file.add_paragraph()
                        line.paragraph_format.left_indent = Mm(8)
                        line.paragraph_format.first_line_indent = Mm(-6)
                        self._fill(line, (Run(f"{number}. "), *item))
                    else:
                        self._fill(self.file.add_paragraph(style=style), item)
            case Table():
                self._table(block)
            case _:
                pass

    def _heading(self, block: Heading) -> None:
        text = block.text if block.count is None else f"{block.text} ({block.count})"
        line = self.file.add_heading(level=min(block.level, 2))
        self._fill(line, (Run(text),))

    def _table(self, block: Table) -> None:
        table = self.file.add_table(rows=1, cols=len(block.heads), style="Table Grid")
        table.autofit = False
        total = sum(block.widths)
        widths = [Mm(_WIDTH_MM * one / total) for one in block.widths]
        for cell, text in zip(table.rows[0].cells, block.heads, strict=True):
            self._fill(cell.paragraphs[0], (Run(text, style="strong"),), size=8.5)
        repeated = OxmlElement("w:tblHeader")
        repeated.set(qn("w:val"), "true")
        table.rows[0]._tr.get_or_add_trPr().append(repeated)  # noqa: SLF001  (python-docx has no name for it)
        for row in block.rows:
            line = table.add_row()
            kept = OxmlElement("w:cantSplit")
            line._tr.get_or_add_trPr().append(kept)  # noqa: SLF001
            for cell, runs in zip(line.cells, row, strict=True):
                self._fill(cell.paragraphs[0], runs, size=8.5)
        for row in table.rows:
            for cell, width in zip(row.cells, widths, strict=True):
                cell.width = width

    def _fill(self, line: Any, runs: Runs, *, size: float | None = None) -> None:
        for run in runs:
            text = _plain(run.text) if "\t" not in run.text else "\t".join(map(_plain, run.text.split("\t")))
            made = line.add_run(text)
            self._manner(made, run, size)
            for number in run.notes:
                mark = line.add_run(f"[{number}]")
                mark.font.superscript = True
                mark.font.color.rgb = self.ink
                if size:
                    mark.font.size = Pt(size)

    def _manner(self, made: Any, run: Run, size: float | None) -> None:
        if size:
            made.font.size = Pt(size)
        made.font.bold = True if run.style in {"strong", "loud"} else None
        if run.style == "loud":
            made.font.color.rgb = self.ink
        if run.style in {"quiet", "code"}:
            made.font.color.rgb = _GREY
        if run.style == "code":
            made.font.name = "Courier New"
            made.font.size = Pt(7.5)
        lang = run.lang or self.document.lang
        properties = made._r.get_or_add_rPr()  # noqa: SLF001
        tag = OxmlElement("w:lang")
        base = lang.partition("-")[0]
        tag.set(qn("w:eastAsia") if base in _WIDE else qn("w:val"), _TAGS.get(lang, lang)[:20])
        properties.append(tag)
        if base in _WIDE:
            fonts = properties.get_or_add_rFonts()
            fonts.set(qn("w:eastAsia"), _WIDE[base])


def _field(line: Any, name: str) -> None:
    """Add a field that Word counts: the page, or how many there are."""
    run = line.add_run()
    run.font.size = Pt(8)
    for kind, text in (("begin", ""), ("", name), ("end", "")):
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = text
        run._r.append(part)  # noqa: SLF001
