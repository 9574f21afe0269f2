"""One letter for one letter: full-width forms, spaces, dashes and quotes folded so that offsets stay true.

Rules of dates and names read the folded text; spans are cut from the text as it is written.
"""

from __future__ import annotations

import re
import unicodedata

_DASHES = "‐‑‒–—―−－"
_TILDES = "~〜～∼˜"
_SINGLE = "‘’ʼ＇`´"
_DOUBLE = "“”„＂«»"
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\t"

_TABLE: dict[int, str] = {
    **{ord(one): "-" for one in _DASHES},
    **{ord(one): "~" for one in _TILDES},
    **{ord(one): "'" for one in _SINGLE},
    **{ord(one): '"' for one in _DOUBLE},
    **{ord(one): " " for one in _SPACES},
}
for _code in range(0xFF01, 0xFF5F):
    _TABLE.setdefault(_code, unicodedata.normalize("NFKC", chr(_code)))

_ADDRESS = re.compile(
    r"(?:https?|ftp)://[!-~]+|\bwww\.[!-~]+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<![a-z0-9.-])(?:[a-z0-9-]{1,63}\.){1,6}(?:com|org|net|int|gov|go|ac|co|or|ne|jp|kr|cn|invalid)(?:\.[a-z]{2})?/[!-~]*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?<![A-Za-z])(?:CVE|RFC|ISO/IEC|ISO|IEC|NIST SP|SP|Nos?\.|[Tt]el\.?|TEL|[Ff]ax\.?|ISBN|ISSN|doi|[Pp]ort|[Rr]ef\.?|[AS]/RES)"
    r"[\s:/#-]*\+?\d[\d./:()\w-]*"
)

_LAW = re.compile(
    r"(?:令和|平成|昭和|大正|明治)\s?(?:元|\d{1,2})年(?=[^\s、。()]{0,10}第\s?\d)(?!第\d{1,3}回)(?=(?:法律|政令|勅令|条約|告示|訓令|規則|[^\s、。()]{1,8}令))"
    r"|[〔\[](?:19|20)\d\d[〕\]]\s?(?:第\s?)?\d+号"
    r"|\b[Rr]esolutions?\s+\d{3,4}(?!\d)"
    r"|(?:[Cc]opyright|©|\([Cc]\))[^\n\d]{0,16}(?:19|20)\d\d(?:\s?[-,]\s?(?:19|20)\d\d)*"
    r"|\b(?:Windows|Server|Office|Exchange|SharePoint|Studio|Outlook|Excel|Acrobat|Edition|[Vv]ersion|[Rr]elease|Build)\s+(?:19|20)\d\d(?!\s?[-/.]\d)"
)
"""Years that are part of a name: of a law, a document's number, a resolution, a product, a notice of rights."""


def fold(text: str) -> str:
    """Give a text of the same length in which one form stands for its variants."""
    return text.translate(_TABLE)


def without_addresses(folded: str) -> str:
    """Blank addresses and numbered references, whose digits are no dates; lengths stay."""
    blanked = _ADDRESS.sub(lambda found: "\x00" * len(found[0]), folded)
    blanked = _LAW.sub(lambda found: "\x00" * len(found[0]), blanked)
    return _NUMBERED.sub(lambda found: "\x00" * len(found[0]), blanked)


def addresses(text: str) -> list[tuple[int, int]]:
    """Give where addresses stand."""
    return [found.span() for found in _ADDRESS.finditer(text)]
