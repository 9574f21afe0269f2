"""Paper: text is data, every sheet is marked, and nothing is printed that no font draws."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import docx as word
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pdfminer.high_level import extract_pages, extract_text
from pdfminer.layout import LTChar, LTContainer

from secretariat.base.errors import LimitError, UnavailableError
from secretariat.register.paper import coverage, docx_file, html, naming, pdf
from secretariat.register.paper.dates import span, written
from secretariat.register.paper.document import (
    Bullets,
    Document,
    Head,
    Heading,
    Para,
    Run,
    Table,
    breakable,
    clean,
)
from secretariat.register.paper.text import markdown

AT = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
ATTACKS = [
    '#read("/etc/passwd")',
    '#import "@preview/cetz:0.2.2": *',
    '#eval("1+1")',
    "$ integral x $ *b* _i_ @ref <label> `raw` = Heading // comment /* */ \\ ] [ } {",
    "<script>alert(1)</script>",
    "</body>",
    "http://[::1",
]


def head(exercise: str = "", **changes) -> Head:
    given = {
        "party": "Party KR (KR)",
        "realm": "live",
        "exercise": exercise,
        "marking": "TLP:AMBER",
        "marking_word": "Highest marking",
        "as_of": ("true on 3 September 2012", "known by: 3 September 2012", "UTC"),
        "person": "Officer Kim",
        "made": "22 November 2026 06:30 UTC",
        "address": "http://kr.example:8400/register/brief?of=JP,KR",
        "page_word": "page",
    }
    return Head(**{**given, **changes})


def document(*blocks, lang="en", exercise="", **changes) -> Document:
    given = {"title": "A title", "lang": lang, "head": head(exercise), "blocks": blocks}
    return Document(**{**given, **changes})


def printed(one: Document) -> str:
    return extract_text(io.BytesIO(pdf.pdf(one, made_at=AT))).replace("\u200b", "")


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_others_wrote_is_no_markup(attack):
    one = document(
        Heading(attack),
        Para((Run(attack, href=attack),)),
        Bullets(((Run(attack, style="code"),),)),
        Table((attack,), (((Run(attack, lang="ja"),),),), (1,)),
        title=attack,
        notes=((Run(attack),),),
        notes_heading=attack,
    )
    text = "".join(printed(one).split())
    assert text.count("".join(attack.split())) >= 5
    assert "root:" not in text
    page = html.html(one).decode()
    assert "<script>" not in page
    assert "alert(1)&lt;" in page or "alert" not in attack
    assert "<script>" not in markdown(one)


def test_a_hundred_pages_repeat_heads_marking_and_as_of():
    rows = tuple(((Run(f"row {n}"),), (Run("words " * 30),)) for n in range(300))
    pages = [
        "".join(part.get_text() for part in page if hasattr(part, "get_text"))
        for page in extract_pages(
            io.BytesIO(pdf.pdf(document(Table(("When", "What"), rows, (1, 4))), made_at=AT))
        )
    ]
    assert len(pages) > 5
    for number, page in enumerate(pages, 1):
        assert page.count("TLP:AMBER") == 2
        assert "3 September 2012" in page
        assert "Party KR" in page
        assert "Officer Kim" in page
        assert f"page {number} / {len(pages)}" in " ".join(page.split())
        assert "http://kr.example:8400/register/brief" in page.replace("\u200b", "")
        assert "When" in page


def test_the_exercise_is_on_every_sheet_and_in_the_name_of_the_file():
    text = printed(document(Para((Run("words"),)), exercise="訓練", lang="ja"))
    assert text.count("訓練") >= 6
    assert naming.file_name("JP", "brief", realm="exercise", ending="pdf") == "EXERCISE-JP-brief.pdf"
    assert "EXERCISE" not in naming.file_name("JP", "brief", realm="live", ending="pdf")
    made = docx_file.docx(document(exercise="EXERCISE"), made_at=AT)
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        for part in ("word/header1.xml", "word/footer1.xml"):
            found = file.read(part).decode()
            assert "EXERCISE" in found
            assert "TLP:AMBER" in found


@pytest.mark.skipif(
    not any("CJK" in name for name in coverage.families()), reason="no CJK font on this machine"
)
@pytest.mark.parametrize(
    ("lang", "words", "family"),
    [
        ("ja", "前回の約束と骨直", "CJKjp"),
        ("ko", "지난번 약속", "CJKkr"),
        ("zh-Hans", "上次的承诺骨直", "CJKsc"),
    ],
)
def test_letters_are_drawn_in_the_face_of_their_language(lang, words, family):
    made = pdf.pdf(document(Para((Run(words),)), lang=lang), made_at=AT)
    fonts = {one.fontname for one in _letters(made) if one.get_text() in words.replace(" ", "")}
    assert fonts
    assert all(family.lower() in one.lower() for one in fonts)
    assert words.replace(" ", "") in "".join(extract_text(io.BytesIO(made)).split())


def _letters(made: bytes):
    def walk(part):
        if isinstance(part, LTChar):
            yield part
        elif isinstance(part, LTContainer):
            for one in part:
                yield from walk(one)

    for page in extract_pages(io.BytesIO(made)):
        yield from walk(page)


def test_a_letter_that_nothing_draws_is_told_and_nothing_is_made():
    with pytest.raises(UnavailableError, match="U\\+16A17"):
        pdf.pdf(document(Para((Run("Bamum: \U00016a17"),))), made_at=AT)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(coverage, "families", lambda: {"Libertinus Serif": None})
    with pytest.raises(UnavailableError, match="fonts-noto-cjk"):
        pdf.pdf(document(Para((Run("約束"),)), lang="ja"), made_at=AT)


def test_what_is_too_long_is_refused():
    with pytest.raises(LimitError):
        pdf.pdf(document(Para((Run("x" * 700_000),))), made_at=AT)
    with pytest.raises(LimitError):
        docx_file.docx(document(Table(("a",), ((((Run("x"),)),),) * 13_000, (1,))), made_at=AT)


def test_a_word_of_ten_thousand_letters_stays_on_the_sheet():
    made = pdf.pdf(document(Table(("a", "b"), (((Run("x" * 10_000),), (Run("y"),)),), (1, 1))), made_at=AT)
    assert all(0 < one.x0 < one.page_width for one in _placed(made))


def _placed(made: bytes):
    for page in extract_pages(io.BytesIO(made)):
        for one in _letters_of(page):
            one.page_width = page.width
            yield one


def _letters_of(part):
    if isinstance(part, LTChar):
        yield part
    elif isinstance(part, LTContainer):
        for one in part:
            yield from _letters_of(one)


def test_docx_has_headings_tables_and_repeated_heads():
    made = docx_file.docx(
        document(
            Heading("Promises", 1, 2),
            Table(("When", "What"), (((Run("2012"),), (Run("words", notes=(1,)),)),), (1, 2)),
            Bullets(((Run("one"),), (Run("two"),)), numbered=True),
            notes=((Run("A source"),),),
            notes_heading="Sources",
        ),
        made_at=AT,
    )
    file = word.Document(io.BytesIO(made))
    assert [one.text for one in file.paragraphs if one.style.name == "Heading 1"] == [
        "Promises (2)",
        "Sources",
    ]
    assert file.tables[0].rows[1].cells[1].text == "words[1]"
    assert "tblHeader" in file.tables[0].rows[0]._tr.xml
    assert file.sections[0].page_width.mm == pytest.approx(210, abs=0.5)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_becomes_docx_html_and_markdown(text):
    one = document(Para((Run(text),)), title=text, notes=((Run(text),),))
    assert docx_file.docx(one, made_at=AT)
    assert html.html(one)
    assert markdown(one)


@given(st.text(max_size=400))
def test_clean_text_is_one_line_and_breaking_adds_nothing_visible(text):
    found = clean(text)
    assert not set(found) & set("\n\r\x00\u202e\u2066")
    assert breakable(found).replace("\u200b", "") == found.replace("\u200b", "")


def test_days_in_four_languages():
    assert written("2012-09-03", "en") == "3 September 2012"
    assert written("2012-09", "ja") == "2012年9月"
    assert written("2012", "ko") == "2012년"
    assert span("2012-09-03", "2012-09-05", "zh-Hans") == "2012年9月3日至2012年9月5日"
    assert written(None, "en") == "–"
