"""Reading documents: dates in four languages, encodings, files that cannot be read, addresses not fetched."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import httpx2
import pytest
from bench import intake as bench

from secretariat.base.errors import DeniedError, InputError, LimitError
from secretariat.register.intake import fetching
from secretariat.register.intake.capture import Limits, read_document
from secretariat.register.intake.contained import read_contained
from secretariat.register.intake.dates import read_dates
from secretariat.register.intake.gazetteer import gazetteer, read_mentions
from secretariat.register.intake.proposals import read_text

OWN = date(2024, 2, 9)

DATES = {
    "November 10, 2011": ("November 10, 2011", "2011-11-10", "2011-11-10"),
    "on 10 Nov. 2011,": ("10 Nov. 2011", "2011-11-10", "2011-11-10"),
    "by late May 2023": ("late May 2023", "2023-05-21", "2023-05-31"),
    "from 28 October to 1 November 2024": ("28 October to 1 November 2024", "2024-10-28", "2024-11-01"),
    "in the third quarter of 2019": ("the third quarter of 2019", "2019-07", "2019-09"),
    "FY2021": ("FY2021", "2021", "2021"),
    "平成24年6月26日": ("平成24年6月26日", "2012-06-26", "2012-06-26"),
    "令和元年５月": ("令和元年５月", "2019-05", "2019-05"),
    "R5.4.1付け": ("R5.4.1", "2023-04-01", "2023-04-01"),
    "2021年度中に": ("2021年度", "2021-04", "2022-03"),
    "昨年12月に開催された": ("昨年12月", "2023-12", "2023-12"),
    "지난달 말": ("지난달 말", "2024-01-21", "2024-01-31"),
    "2012년 9월 3일": ("2012년 9월 3일", "2012-09-03", "2012-09-03"),
    "’24. 4. 5.(금)": ("’24. 4. 5.", "2024-04-05", "2024-04-05"),
    "二〇二〇年九月八日": ("二〇二〇年九月八日", "2020-09-08", "2020-09-08"),
    "去年10月21日举行": ("去年10月21日", "2023-10-21", "2023-10-21"),
    "2020年下半年": ("2020年下半年", "2020-07", "2020-12"),
    "was signed on 5 March 2013": ("5 March 2013", "2013-03-05", "2013-03-05"),
    "held on the 7th.": ("the 7th", "2024-02-07", "2024-02-07"),
    "2022.5.21": ("2022.5.21", "2022-05-21", "2022-05-21"),
}


@pytest.mark.parametrize("text", DATES)
def test_a_date_with_its_span(text):
    span, first, last = DATES[text]
    lang = "ja" if any(c in text for c in "年月付") and "举" not in text else "en"
    found = read_dates(text, own=OWN, lang=lang)
    assert [(one.text, one.first, one.last) for one in found] == [(span, first, last)]


NO_DATES = (
    "3日間の会合",
    "CVE-2021-44228",
    "http://x.invalid/20120615/a.html",
    "2,012 sites",
    "tel. 03-1234-2012",
    "10日以内",
)


@pytest.mark.parametrize("text", NO_DATES)
def test_digits_that_are_no_date(text):
    assert read_dates(text, own=OWN) == []


@pytest.mark.parametrize("text", ["February 30, 2012", "2012年13月5日", "2024년 2월 30일", "31 June 2019"])
def test_an_impossible_date_is_refused_with_why(text):
    (found,) = read_dates(text, own=OWN)
    assert found.state == "impossible"
    assert "no day" in found.why or "no month" in found.why


def test_what_nothing_speaks_for_stays_open():
    (ambiguous,) = read_dates("on 03/04/2012", own=OWN)
    assert (ambiguous.state, ambiguous.first) == ("open", None)
    (relative,) = read_dates("signed last month")
    assert relative.state == "open"
    assert "own date" in relative.why
    (yearly,) = read_dates("It usually happens on March 1.", own=OWN)
    assert yearly.state == "open"


def test_a_weekday_that_does_not_fit_is_said():
    (found,) = read_dates("Thursday, June 15, 2012")
    assert found.warn is not None
    assert read_dates("2024年2月9日(金)", own=OWN)[0].warn is None


def test_a_disputed_name_is_printed_in_all_forms():
    assert gazetteer().printed("takeshima-dokdo") == "Takeshima / Dokdo"
    (one,) = [m for m in read_mentions("landed on Takeshima") if m.kind == "disputed"]
    assert one.code == "takeshima-dokdo"


def test_a_shared_name_is_settled_by_what_stands_beside_it():
    codes = {
        text: [m.code for m in read_mentions(text) if m.kind == "body"]
        for text in (
            "the Ministry of Foreign Affairs of Japan",
            "the Foreign Ministry",
            "South Korean Defense Minister",
        )
    }
    assert codes["the Ministry of Foreign Affairs of Japan"] == ["MOFA-JP"]
    assert codes["the Foreign Ministry"] == [None]
    assert codes["South Korean Defense Minister"] == ["MND-KR"]


def test_announced_is_not_held():
    read = read_text("Seoul, 24 May 2019\n\nThe fifth meeting was held in Seoul on 9 June 2019.", lang="en")
    assert [one.announced for one in read.proposals if one.kind == "meeting"] == [True]


@pytest.mark.parametrize("name", ["seen", "held"])
def test_the_promised_figures_on_our_own_documents(name):
    figures = bench.measure(list(bench.own(name)))
    assert {key: figures[key] for key, least in bench.PROMISED.items() if figures[key] < least} == {}


def test_the_promised_figures_on_the_five():
    documents = list(bench.five())
    if not documents:
        pytest.skip("no ../shared beside this checkout")
    figures = bench.measure(documents)
    assert {key: figures[key] for key, least in bench.PROMISED.items() if figures[key] < least} == {}


JA = "外務省は9日、韓国との第5回サイバー協議を8日に東京で開催したと発表した。"
KO = "외교부는 15일 제6차 한·일·중 사이버 정책협의회가 14일 서울에서 열렸다고 밝혔다."
ZH = "中日韩第二轮网络安全事务磋商10月15日在首尔举行，三方同意建立联络渠道。"
ENCODINGS = {"cp932": JA, "euc_jp": JA, "utf-16": JA, "cp949": KO, "gb18030": ZH, "utf-8-sig": ZH}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_found(encoding):
    text = ENCODINGS[encoding]
    assert read_document(text.encode(encoding))[0].text == text


def test_mixed_encodings_are_refused_with_the_place():
    with pytest.raises(InputError, match="mixes encodings"):
        read_document(JA.encode("cp932") + b"\n" + KO.encode() + b"\n" + ZH.encode("gb18030"))


def test_scripts_are_not_run_and_not_read():
    script = "<script>document.write('5 May 2001')</script>"
    page = f"<html><head><title>T</title>{script}</head><body><p>{JA}</p></body></html>"
    (one,) = read_document(page.encode())
    assert "2001" not in one.text
    assert JA in one.text


def _pdf(pages: int = 1, text: str = "", trailer: str = "") -> bytes:
    kids = " ".join(f"{10 + n * 2} 0 R" for n in range(pages))
    objects = {1: "<</Type/Catalog/Pages 2 0 R>>", 2: f"<</Type/Pages/Count {pages}/Kids[{kids}]>>",
               3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"}  # fmt: skip
    for n in range(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects[10 + n * 2] = (
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {11 + n * 2} 0 R>>"
        )
        objects[11 + n * 2] = f"<</Length {len(stream)}>>stream\n{stream}\nendstream"
    out, places = b"%PDF-1.4\n", {}
    for number, body in objects.items():
        places[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    out += b"xref\n"
    for number, at in places.items():
        out += f"{number} 1\n{at:010} 00000 n \n".encode()
    return out + f"trailer\n<</Size 9999/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF".encode()


def test_a_pdf_is_read():
    (one,) = read_contained(_pdf(text="Held in Seoul on 23 May 2019 by Japan"), "a.pdf", limits=Limits())
    assert one.text.strip() == "Held in Seoul on 23 May 2019 by Japan"
    assert one.media_type == "application/pdf"


def test_pdfs_that_are_refused():
    locked = f"/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'41' * 32}>/U<{'42' * 32}>>>"
    for name, data, said in (
        ("no text", _pdf(), "no text"),
        (
            "encrypted",
            _pdf(text="x", trailer=locked),
            "encrypted",
        ),
        ("501 pages", _pdf(pages=501, text="x"), "500 pages"),
        ("broken", b"%PDF-1.4\ngarbage", "cannot be read"),
    ):
        with pytest.raises((InputError, LimitError), match=said):
            read_document(data, f"{name}.pdf")


def _docx(body: str, **more: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", body)
        for name, data in more.items():
            archive.writestr(name, data)
    return held.getvalue()


_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def test_a_docx_is_read_and_bad_ones_are_refused():
    (one,) = read_document(
        _docx(f"<w:document {_W}><w:body><w:p><w:r><w:t>{JA}</w:t></w:r></w:p></w:body></w:document>"),
    )
    assert one.text == JA
    bomb = f'<!DOCTYPE x [<!ENTITY a "aaaa">]><w:document {_W}>&a;</w:document>'
    for data, said in ((_docx(bomb), "broken"), (b"PK\x03\x04garbage", "broken"), (_docx("<w"), "broken")):
        with pytest.raises(InputError, match=said):
            read_document(data, "a.docx")
    with pytest.raises(LimitError, match="unpacks"):
        read_document(_docx("<x/>", big=b"0" * 2_000_000), "a.docx", limits=Limits(unpacked=1_000_000))


def test_a_mail_gives_its_text_and_attachments():
    mail = (
        (
            b"From: a@example.invalid\r\nTo: b@example.invalid\r\nSubject: Minutes\r\n"
            b"Date: Fri, 24 May 2019 10:00:00 +0900\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
            b"--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            b"See the minutes.\r\n--x\r\nContent-Type: text/plain; charset=shift_jis\r\n"
            b'Content-Disposition: attachment; filename="m.txt"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        )
        + JA.encode("cp932")
        + b"\r\n--x--\r\n"
    )
    letter, attached = read_document(mail, "m.eml")
    assert (letter.kind, letter.stated) == ("mail", date(2019, 5, 24))
    assert attached.text.strip() == JA


ODD = (
    "file:///etc/passwd",
    "ftp://x.example/",
    "http://u:p@x.example/",
    "http://x.example:8400/",
)
PRIVATE = ("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
           "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "224.0.0.1")  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address):
    with pytest.raises(DeniedError, match="no public address"):
        fetching.checked("http://news.example/", lambda _host, _port: ["8.8.8.8", address])


@pytest.mark.parametrize("url", ODD)
def test_odd_addresses_are_refused(url):
    with pytest.raises(DeniedError):
        fetching.checked(url, lambda _host, _port: ["8.8.8.8"])


def test_a_redirect_into_a_private_net_is_refused_and_a_plain_page_is_given():
    asked = []

    def answer(request):
        asked.append((str(request.url), request.headers["host"]))
        if request.headers["host"] == "a.example":
            return httpx2.Response(302, headers={"location": "http://inner.example/x"})
        return httpx2.Response(200, content=b"text", headers={"content-type": "text/plain; charset=utf-8"})

    def resolver(host, _port):
        return {"a.example": ["8.8.8.8"], "b.example": ["9.9.9.9"], "inner.example": ["10.0.0.5"]}[host]

    transport = httpx2.MockTransport(answer)
    with pytest.raises(DeniedError, match="no public address"):
        fetching.fetch(
            "http://a.example/", "http://proxy.example:3128", resolver=resolver, transport=transport
        )
    assert [host for _url, host in asked] == ["a.example"]
    given = fetching.fetch(
        "http://b.example/p", "http://proxy.example:3128", resolver=resolver, transport=transport
    )
    assert (given.data, given.name) == (b"text", "p")
    assert asked[-1] == ("http://9.9.9.9/p", "b.example")


def test_without_a_proxy_nothing_is_fetched():
    with pytest.raises(DeniedError, match="fetches nothing"):
        fetching.fetch("http://b.example/", "")


def test_a_page_gives_what_its_text_gives():
    """Blocks stay paragraphs and numbered lists keep their numbers, so that footnotes are found."""
    words = "The third round of talks was held in Seoul on 14 May 2015.(footnote:1) " * 3
    listed = (
        '<li>Ministry of Foreign Affairs of Japan, "Talks", May 15, 2015, http://www.mofa.go.jp/a.html</li>'
    )
    page = (
        "<html><body><nav><a href='/'>Menu 2001</a></nav><article>"
        f"<p>Initial Disclosure Date: Jun 26, 2015</p><p>{words}</p><p>References:</p><ol>{listed}</ol>"
        "</article></body></html>"
    )
    (one,) = read_document(page.encode(), "a.html")
    read = read_text(one.text, lang=one.lang)
    assert read.own_date == "2015-06-26"
    assert [(s.number, s.title, s.date) for s in read.sources] == [("1", "Talks", "2015-05-15")]
    assert "1" in read.proposals[0].notes
