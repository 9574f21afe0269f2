"""Documents that are broken, locked, too large or in several encodings: each refused in words, or read whole.

Every file is made here; the child process that reads it is bounded in time and memory.
"""

from __future__ import annotations

import hashlib
import io
import struct
import time
import zipfile

import pytest

from secretariat.base.errors import InputError, LimitError
from secretariat.register.intake.capture import Limits, read_document
from secretariat.register.intake.contained import documents_contained, read_contained
from secretariat.register.intake.sentences import LONGEST, sentences

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
JA = "外務省は2019年5月9日、韓国との第5回サイバー協議を東京で開催したと発表した。"
KO = "외교부는 2019년 5월 15일 제6차 한·일·중 사이버 정책협의회가 서울에서 열렸다고 밝혔다."
ZH = "中日韩第二轮网络安全事务磋商2019年10月15日在首尔举行，三方同意建立联络渠道。"
LIMITS = Limits()


# --- PDF ------------------------------------------------------------------------------------------------

_PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def rc4(key: bytes, data: bytes) -> bytes:
    box, j = list(range(256)), 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)


def pdf(pages: int, text: str = "Held in Seoul on 23 May 2019 by Japan", *, password: bytes = b"") -> bytes:
    """Make a PDF; with a password by the standard handler of revision 2 (ISO 32000-1, 7.6.3)."""
    key, entry = b"", ""
    if password:
        padded = (password + _PAD)[:32]
        owner = rc4(hashlib.md5(padded).digest()[:5], padded)
        seed = padded + owner + struct.pack("<i", -4) + b"0123456789abcdef"
        key = hashlib.md5(seed).digest()[:5]
        user = rc4(key, _PAD)
        file_id = b"0123456789abcdef".hex()
        entry = (
            f"/ID[<{file_id}><{file_id}>]/Encrypt<</Filter/Standard/V 1/R 2/Length 40/P -4"
            f"/O<{owner.hex()}>/U<{user.hex()}>>>"
        )
    kids = " ".join(f"{10 + 2 * n} 0 R" for n in range(pages))
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Count {pages}/Kids[{kids}]>>".encode(),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    }
    for n in range(pages):
        number = 11 + 2 * n
        stream = f"BT /F1 12 Tf 72 720 Td ({text}, page {n + 1}) Tj ET".encode()
        if key:
            own = hashlib.md5(key + struct.pack("<I", number)[:3] + b"\0\0").digest()[:10]
            stream = rc4(own, stream)
        objects[number - 1] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {number} 0 R>>"
        ).encode()
        objects[number] = b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream)
    out, places = b"%PDF-1.4\n", {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % pair for pair in places.items())
    size = max(objects) + 1
    return out + f"trailer\n<</Size {size}/Root 1 0 R{entry}>>\nstartxref\n{start}\n%%EOF".encode()


def test_an_encrypted_pdf_is_refused_and_says_what_to_do():
    with pytest.raises(InputError, match="encrypted") as refused:
        read_contained(pdf(1, password=b"secret"), "locked.pdf", limits=LIMITS)
    assert refused.value.advice == "ask for a copy without password"


def test_a_pdf_of_500_pages_is_read_whole():
    (one,) = read_contained(pdf(500), "long.pdf", limits=LIMITS)
    assert one.text.count("Held in Seoul") == 500
    assert one.text.rstrip().endswith("page 500")


def test_a_pdf_of_501_pages_is_refused():
    with pytest.raises(LimitError, match="more than 500 pages"):
        read_contained(pdf(501), "longer.pdf", limits=LIMITS)


# --- DOCX -----------------------------------------------------------------------------------------------


def docx(body: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "word/document.xml", f"<w:document {W}><w:body>".encode() + body + b"</w:body></w:document>"
        )
    return held.getvalue()


def test_a_docx_zip_bomb_is_refused_before_it_unpacks():
    bomb = docx(b"<w:p><w:r><w:t>" + b"a" * (160 * 2**20) + b"</w:t></w:r></w:p>")
    assert len(bomb) < 2**20
    started = time.perf_counter()
    with pytest.raises(LimitError, match="unpacks to more than 134217728 bytes"):
        read_contained(bomb, "bomb.docx", limits=LIMITS)
    assert time.perf_counter() - started < 30


def test_a_docx_that_lies_about_its_size_is_refused():
    bomb = bytearray(docx(b"<w:p><w:r><w:t>" + b"a" * 3_000_000 + b"</w:t></w:r></w:p>"))
    at = bytes(bomb).rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = struct.pack("<I", 100)  # the directory says 100 bytes
    with pytest.raises((InputError, LimitError)):
        read_contained(bytes(bomb), "lie.docx", limits=LIMITS)


# --- size -----------------------------------------------------------------------------------------------


def test_an_html_of_50_megabytes_is_refused_at_once():
    page = b"<html><body>" + b"<p>Held in Seoul on 23 May 2019.</p>\n" * 1_450_000 + b"</body></html>"
    assert len(page) > 50_000_000
    started = time.perf_counter()
    with pytest.raises(LimitError, match="more than 33554432 bytes"):
        read_contained(page, "page.html", limits=LIMITS)
    assert time.perf_counter() - started < 2


def press(letters: int, mark: str) -> str:
    """Make a text of so many letters of which every sentence differs."""
    said = (
        "The {n} round of talks was held in Seoul on {d} May 2019 by Japan and Korea{m} "
        "Both sides agreed to share warnings of attack number {n} by the end of 2020{m} "
    )
    out, size, number = [], 0, 0
    while size < letters:
        piece = said.format(n=f"{number}th", d=1 + number % 28, m=mark)
        out.append(piece)
        size += len(piece)
        number += 1
    return "".join(out)[:letters]


def test_a_text_of_two_million_letters_is_read_and_more_is_refused():
    text = press(2_000_000, ".\n\n")
    (one,) = documents_contained(text.encode(), "book.txt", limits=LIMITS)
    assert len(one.captured.text) >= 1_999_990
    assert len(one.reading.proposals) > 10_000
    with pytest.raises(LimitError, match="more than 2000000 letters"):
        read_contained(text.encode() + b"and one more word", "book.txt", limits=LIMITS)


@pytest.mark.parametrize("mark", [".", " and"])
def test_time_grows_with_letters_and_not_faster(mark):
    """A text without an end of sentence was read in the square of its length."""
    from secretariat.register.intake.proposals import read_text

    def processor(letters: int) -> float:
        text = press(letters, mark)
        started = time.process_time()
        read_text(text, lang="en")
        return time.process_time() - started

    processor(2_000)  # tables are loaded once
    assert processor(160_000) < 4 * max(0.1, processor(80_000))


def test_what_never_ends_is_cut_at_a_blank():
    text = "word " * 2_000
    found = sentences(text)
    assert all(end - start <= LONGEST for start, end in found)
    assert "".join(text[start:end] for start, end in found).count("word") == 2_000


# --- encodings ------------------------------------------------------------------------------------------

DECLARED = {
    "euc-kr": ("euc-kr", KO),
    "ks_c_5601-1987": ("cp949", KO),
    "shift_jis": ("cp932", JA),
    "x-sjis": ("cp932", JA),
    "euc-jp": ("euc_jp", JA),
    "gb2312": ("gb18030", ZH),
    "gb18030": ("gb18030", ZH),
}


@pytest.mark.parametrize("declared", DECLARED)
def test_a_declared_charset_is_believed(declared):
    encoding, text = DECLARED[declared]
    page = f'<html><head><meta charset="{declared}"><title>T</title></head><body><p>{text}</p></body></html>'
    (one,) = read_document(page.encode(encoding), "page.html")
    assert text in one.text


@pytest.mark.parametrize(("encoding", "text"), [("euc-kr", KO), ("shift_jis", JA), ("gb18030", ZH)])
def test_an_undeclared_charset_is_found(encoding, text):
    (one,) = read_document(text.encode(encoding, "ignore"), "note.txt")
    assert text.encode(encoding, "ignore").decode(encoding) == one.text


@pytest.mark.parametrize(("encoding", "text"), [("euc-kr", KO), ("shift_jis", JA), ("gb18030", ZH)])
def test_a_wrong_declaration_of_utf_8_is_overruled_by_the_bytes(encoding, text):
    page = f'<html><head><meta charset="utf-8"></head><body><p>{text}</p></body></html>'
    (one,) = read_document(page.encode(encoding, "ignore"), "page.html")
    assert text[:8] in one.text


def test_utf_8_with_a_byte_lost_is_refused_not_guessed():
    page = f'<html><head><meta charset="utf-8"></head><body><p>{JA}</p></body></html>'.encode()
    with pytest.raises(InputError, match="mixes encodings"):
        read_document(page.replace("京".encode(), "京".encode()[:2]), "page.html")


MIXED = {
    "Shift_JIS with UTF-8": JA.encode("cp932") + b"\n" + KO.encode(),
    "EUC-KR with UTF-8": KO.encode("cp949") + b"\n" + ZH.encode(),
    "GB18030 with UTF-8": ZH.encode("gb18030") + b"\n" + JA.encode(),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_encodings_are_refused_with_the_line(name):
    with pytest.raises(InputError, match="mixes encodings") as refused:
        read_document(MIXED[name], "mixed.txt")
    assert "line" in str(refused.value.where)


def test_mixed_encodings_under_a_declared_charset_are_refused():
    page = b'<html><head><meta charset="shift_jis"></head><body><p>'
    page += JA.encode("cp932") + b"</p><p>\xff\xfe\x80</p><p>" + KO.encode("cp949") + b"</p></body></html>"
    with pytest.raises(InputError, match="mixes encodings"):
        read_document(page, "page.html")
