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
    r"(?:https?|ftp)://[!-~]+|\bwww\.[!-~]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b(?:[a-z0-9-]+\.)+(?:com|org|net|int|gov|go|ac|co|or|ne|jp|kr|cn|invalid)(?:\.[a-z]{2})?/[!-~]*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?<![A-Za-z])(?:CVE|RFC|ISO/IEC|ISO|IEC|NIST SP|SP|Nos?\.|[Tt]el\.?|TEL|[Ff]ax\.?|ISBN|ISSN|doi|[Pp]ort|[Rr]ef\.?|[AS]/RES)"
    r"[\s:/#-]*\+?\d[\d./:()\w-]*"
)


def fold(text: str) -> str:
    """Give a text of the same length in which one form stands for its variants."""
    return text.translate(_TABLE)


def without_addresses(folded: str) -> str:
    """Blank addresses and numbered references, whose digits are no dates; lengths stay."""
    blanked = _ADDRESS.sub(lambda found: "\x00" * len(found[0]), folded)
    return _NUMBERED.sub(lambda found: "\x00" * len(found[0]), blanked)


def addresses(text: str) -> list[tuple[int, int]]:
    """Give where addresses stand."""
    return [found.span() for found in _ADDRESS.finditer(text)]
