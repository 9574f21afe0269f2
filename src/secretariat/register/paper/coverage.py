"""Which characters the fonts of this machine can draw: read from their `cmap` tables (OpenType 1.9).

A PDF with boxes for letters is useless and looks finished; so the export looks first, and where a letter is
missing it names the package that has it and makes nothing.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import typst

from secretariat.base.errors import UnavailableError

_COLLECTION = b"ttcf"
_EMBEDDED = (range(0x20, 0x7F), range(0xA0, 0x180), range(0x2010, 0x2028), range(0x2030, 0x205F))
"""What the fonts inside typst (Libertinus Serif, DejaVu Sans Mono) surely draw."""
_NOT_DRAWN = frozenset(map(chr, (0x20, 0xA0, 0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x3000)))
_REGULAR = 400
_LIGHT = range(0xFE00, 0xFE10)
"""Variation selectors: they choose a form and draw nothing."""

PACKAGES = {
    "cjk": "fonts-noto-cjk (Debian, Ubuntu), google-noto-sans-cjk-fonts (Fedora), noto-fonts-cjk (Arch)",
    "emoji": "fonts-noto-color-emoji (Debian, Ubuntu), google-noto-color-emoji-fonts (Fedora)",
    "core": "fonts-noto-core (Debian, Ubuntu), google-noto-sans-fonts (Fedora), noto-fonts (Arch)",
}


@cache
def families() -> dict[str, tuple[Path, int] | None]:
    """Give the families that the typesetter finds here, each with its regular face; None is inside typst."""
    found: dict[str, tuple[Path, int] | None] = {}
    for one in typst.Fonts().fonts():
        if one.family not in found or one.weight == _REGULAR:
            found[one.family] = None if one.path is None else (Path(one.path), one.index)
    return found


@cache
def drawn_by(family: str) -> frozenset[int]:
    """Give the characters that a family draws; read when first asked for."""
    face = families()[family]
    return frozenset().union(*_EMBEDDED) if face is None else _drawn(*face)


@cache
def _drawn(path: Path, index: int) -> frozenset[int]:
    """Give the characters that one face of a font file draws; nothing where the file cannot be read."""
    try:
        return frozenset(_cmap(path.read_bytes(), index))
    except (OSError, struct.error, IndexError):
        return frozenset()


def _cmap(data: bytes, index: int) -> set[int]:
    start = 0
    if data[:4] == _COLLECTION:
        start = struct.unpack_from(">I", data, 12 + 4 * index)[0]
    (tables,) = struct.unpack_from(">H", data, start + 4)
    for number in range(tables):
        tag, _sum, offset, _length = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
        if tag == b"cmap":
            return _subtables(data, offset)
    return set()


def _subtables(data: bytes, cmap: int) -> set[int]:
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    found: set[int] = set()
    for number in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", data, cmap + 4 + 8 * number)
        if platform not in {0, 3} or (platform == 3 and encoding not in {1, 10}):
            continue
        at = cmap + offset
        (form,) = struct.unpack_from(">H", data, at)
        if form == 12:
            found |= _format12(data, at)
        elif form == 4:
            found |= _format4(data, at)
    return found


def _format12(data: bytes, at: int) -> set[int]:
    (groups,) = struct.unpack_from(">I", data, at + 12)
    found: set[int] = set()
    for number in range(groups):
        first, last, _glyph = struct.unpack_from(">III", data, at + 16 + 12 * number)
        found.update(range(first, min(last, 0x10FFFF) + 1))
    return found


def _format4(data: bytes, at: int) -> set[int]:
    (double,) = struct.unpack_from(">H", data, at + 6)
    count = double // 2
    ends = struct.unpack_from(f">{count}H", data, at + 14)
    starts = struct.unpack_from(f">{count}H", data, at + 16 + double)
    deltas = struct.unpack_from(f">{count}h", data, at + 16 + 2 * double)
    ranges_at = at + 16 + 3 * double
    ranges = struct.unpack_from(f">{count}H", data, ranges_at)
    found: set[int] = set()
    for number in range(count):
        for code in range(starts[number], ends[number] + 1):
            if code == 0xFFFF:
                continue
            if ranges[number] == 0:
                glyph = (code + deltas[number]) & 0xFFFF
            else:
                place = ranges_at + 2 * number + ranges[number] + 2 * (code - starts[number])
                (glyph,) = struct.unpack_from(">H", data, place)
            if glyph:
                found.add(code)
    return found


def missing(texts: Iterable[str], first: Iterable[str] = ()) -> list[str]:
    """Give the characters that no family here draws, in order of their codes; `first` are looked in first."""
    wanted = {one for text in texts for one in text} - _NOT_DRAWN
    left = {ord(one) for one in wanted} - set(_LIGHT)
    for family in dict.fromkeys([*first, *families()]):
        if not left:
            break
        left -= drawn_by(family)
    return [chr(one) for one in sorted(left)]


def refuse_missing(lost: list[str]) -> None:
    """Refuse to make a document with boxes in it: say which letters, and which package draws them."""
    if not lost:
        return
    package = "core"
    for one in lost:
        name = unicodedata.name(one, "")
        if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "IDEOGRAPHIC", "FULLWIDTH")):
            package = "cjk"
            break
        if unicodedata.category(one) == "So" and ord(one) > 0x1F000:
            package = "emoji"
    shown = ", ".join(f"{one} (U+{ord(one):04X})" for one in lost[:8])
    more = f" and {len(lost) - 8} more" if len(lost) > 8 else ""
    raise UnavailableError(
        f"no font on this machine draws {shown}{more}",
        where="paper",
        advice=f"install {PACKAGES[package]}; or take DOCX, HTML or Markdown",
    )
