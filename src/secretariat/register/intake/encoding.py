"""From bytes to letters: the mark at the beginning, what the file declares, then strict trials, then statistics.

Order: byte order mark; declared charset (HTTP, MIME, meta, XML); strict UTF-8; for other bytes the multi-byte
encodings of East Asia, judged by how much everyday text of their language they yield; also where a file says
UTF-8 and hardly a letter of it is. A text that fits no encoding as a whole is refused as mixed, with the place:
nothing is replaced by question marks.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from secretariat.base.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META = re.compile(
    rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})|<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{2,40})",
    re.IGNORECASE,
)
_WIDER = {
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "euc-kr": "cp949", "euckr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "gb2312": "gb18030",
    "gbk": "gb18030", "gb_2312-80": "gb18030", "iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "utf-8",
    "ascii": "utf-8", "utf8": "utf-8", "x-gbk": "gb18030", "big5-hkscs": "big5hkscs",
}  # fmt: skip
"""The superset that everybody means by a declared name (WHATWG Encoding, labels)."""
_TRIALS = ("cp932", "euc_jp", "cp949", "gb18030", "big5hkscs")
_KANA = re.compile(r"[\u3041-\u30fe]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ODD = re.compile(r"[\uff61-\uff9f\ue000-\uf8ff\u0080-\u009f\u0370-\u052f\u3400-\u4dbf\u2e80-\u2fdf]")
_EVERYDAY = {
    "cp932": re.compile(r"[のにはをたがでてとしれさいるも年月日]"),
    "euc_jp": re.compile(r"[のにはをたがでてとしれさいるも年月日]"),
    "cp949": re.compile(r"[이다는의을가에를은한고하로지사기도대]"),
    "gb18030": re.compile(r"[的一是不了在有人这中大为上国和年月日合作会议]"),
    "big5hkscs": re.compile(r"[的一是不了在有人這中大為上國和年月日合作會議]"),
}


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Give the text and the encoding it is in. Refuses bytes that no encoding reads as a whole."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strict(data, name, "byte order mark"), name
    named = declared or _declared(data)
    if named is not None:
        name = _WIDER.get(named.strip().lower(), named.strip().lower())
        try:
            return data.decode(codecs.lookup(name).name), name
        except LookupError:
            pass  # a name nobody knows says nothing
        except UnicodeDecodeError:
            wrong = name == "utf-8" and not _seems_mixed(data) and not _damaged(data)
            if _utf8(data) is None and name in {*_WIDER.values(), *_TRIALS} and not wrong:
                raise _mixed(data, name) from None
    text = _utf8(data)
    if text is not None:
        return text, "utf-8"
    return _guess(data)


def _strict(data: bytes, name: str, what: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        raise InputError(
            f"the {what} says {name}, the bytes do not",
            where=f"byte {error.start}",
            advice="save it as UTF-8",
        ) from None


def _declared(data: bytes) -> str | None:
    found = _META.search(data[:4096])
    return None if found is None else (found[1] or found[2]).decode("ascii")


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _guess(data: bytes) -> tuple[str, str]:
    scores: list[tuple[float, str, str]] = []
    for name in _TRIALS:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        wide = len(_KANA.findall(text)) + len(_HANGUL.findall(text)) + len(_HAN.findall(text))
        if wide:
            own = len(_EVERYDAY[name].findall(text)) / wide
            scores.append((own - 2 * len(_ODD.findall(text)) / wide, name, text))
    if scores and max(scores)[0] > 0.05:
        _score, name, text = max(scores)
        return text, name
    best = None if _seems_mixed(data) else from_bytes(data).best()
    if best is None or "\ufffd" in str(best):
        raise _mixed(data, "utf-8")
    return str(best), best.encoding


def _seems_mixed(data: bytes) -> bool:
    """Whether some lines read as UTF-8 beyond ASCII while others do not."""
    lines = [one for one in re.split(rb"[\r\n]+", data) if any(byte > 127 for byte in one)]
    good = sum(_utf8(one) is not None for one in lines)
    return 0 < good < len(lines)


def _damaged(data: bytes) -> bool:
    """Whether it is UTF-8 with bytes lost, not another encoding under the wrong name."""
    beyond = sum(byte > 127 for byte in data)
    whole = sum(one > "\x7f" for one in data.decode("utf-8", "ignore"))
    return whole * 4 > beyond  # of UTF-8 a third or a half are letters


def _mixed(data: bytes, name: str) -> InputError:
    try:
        data.decode(name)
        at = 0
    except UnicodeDecodeError as error:
        at = error.start
    line = data.count(b"\n", 0, at) + 1
    return InputError(
        "the text mixes encodings: no single one reads all of it",
        where=f"line {line}, byte {at}",
        advice="ask for the original, or save the part you need as UTF-8",
    )
