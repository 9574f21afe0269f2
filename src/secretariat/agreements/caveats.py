"""Caveats and colours as written on an object: what each word means, and what contradicts.

Sources: US ISM dissemination controls and TLP 2.0 as quoted in data/instruments.yaml. An unknown caveat
denies, an unknown colour is handled as RED, contradictory caveats deny: marking errors fail closed.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

CLEAR, GREEN, AMBER, STRICT, RED = "CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"
ORDER = {CLEAR: 0, GREEN: 1, AMBER: 2, STRICT: 3, RED: 4}

_COLOURS = {
    **{name: name for name in ORDER},
    "WHITE": CLEAR,
    "AMBER STRICT": STRICT,
    "AMBER-STRICT": STRICT,
    "AMBER_STRICT": STRICT,
}

_COUNTRIES = {  # ISO 3166-1 alpha-3 as ISM writes them -> the codes of parties
    "ALB": "AL", "AUS": "AU", "AUT": "AT", "BEL": "BE", "BGR": "BG", "BRA": "BR", "CAN": "CA", "CHE": "CH",
    "CHN": "CN", "CYP": "CY", "CZE": "CZ", "DEU": "DE", "DNK": "DK", "ESP": "ES", "EST": "EE", "FIN": "FI",
    "FRA": "FR", "GBR": "UK", "GB": "UK", "GRC": "GR", "HRV": "HR", "HUN": "HU", "IDN": "ID", "IND": "IN",
    "IRL": "IE", "ISL": "IS", "ISR": "IL", "ITA": "IT", "JPN": "JP", "KOR": "KR", "ROK": "KR", "LTU": "LT",
    "LUX": "LU", "LVA": "LV", "MEX": "MX", "MKD": "MK", "MLT": "MT", "MNE": "ME", "MYS": "MY", "NLD": "NL",
    "NOR": "NO", "NZL": "NZ", "PHL": "PH", "POL": "PL", "PRK": "KP", "PRT": "PT", "ROU": "RO", "RUS": "RU",
    "SGP": "SG", "SVK": "SK", "SVN": "SI", "SWE": "SE", "THA": "TH", "TUR": "TR", "TWN": "TW", "UKR": "UA",
    "USA": "US", "VNM": "VN",
}  # fmt: skip
_GROUPS = {
    "FVEY": ("US", "UK", "CA", "AU", "NZ"),
    "ACGU": ("US", "UK", "CA", "AU"),
}
GROUP_NAMES = {"NATO": "NATO_MEMBERS", "EU": "EU_MEMBERS"}
"""Names on release lists that stand for a group of the book beside the organisation itself."""

_LIST = re.compile(r"(REL|DISPLAY ?ONLY)(?:[ _]TO)?[ :_]+(.+)\Z")
_SPLIT = re.compile(r"[\s,;/]+")
_NEED_HOLDING = {"PR": "PR", "PROPIN": "PR", "FISA": "FISA", "DSEN": "DSEN", "IMC": "IMC", "RS": "RS"}


class Caveats(msgspec.Struct, frozen=True):
    """Caveats of one object, read."""

    noforn: bool = False
    release: frozenset[str] | None = None
    display: frozenset[str] | None = None
    orcon: bool = False
    orcon_inside: str | None = None
    """OC-USGOV: free inside the government of this party."""
    relido: bool = False
    holdings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    contradiction: tuple[str, str] | None = None


def colour(word: str | None) -> tuple[str | None, bool]:
    """Give the colour a word means and whether it is known: in any case, also after `TLP:`; else RED."""
    if word is None or not word.strip():
        return None, True
    plain = word.strip().upper().removeprefix("TLP").lstrip(":_- ").strip()
    plain = re.sub(r"\s*\+\s*", "+", plain)
    found = _COLOURS.get(plain)
    return (RED, False) if found is None else (found, True)


def parties_of(words: str | tuple[str, ...]) -> frozenset[str]:
    """Give the party codes a release list means; a code of our own stays as it is."""
    names = _SPLIT.split(words.strip()) if isinstance(words, str) else words
    found: set[str] = set()
    for name in names:
        code = name.strip().upper()
        if code in _GROUPS:
            found.update(_GROUPS[code])
        elif code:
            found.add(_COUNTRIES.get(code, name.strip()))
    return frozenset(found)


@lru_cache(maxsize=4096)
def read_caveats(controls: tuple[str, ...], rel_to: tuple[str, ...]) -> Caveats:
    """Read the caveats of an object. Several release lists restrict together: their intersection holds."""
    noforn = orcon = relido = False
    inside: str | None = None
    release: frozenset[str] | None = parties_of(rel_to) if rel_to else None
    release_as = "REL" if rel_to else ""
    display: frozenset[str] | None = None
    holdings: list[str] = []
    unknown: list[str] = []
    for raw in controls:
        word = re.sub(r"\s+", " ", raw.strip().strip("/").upper())
        found = _LIST.match(word)
        if not word:
            continue
        if found is not None and found.group(1) == "REL":
            parties = parties_of(_as_written(raw, found.group(2)))
            release = parties if release is None else release & parties
            release_as = release_as or raw.strip()
        elif found is not None:
            parties = parties_of(_as_written(raw, found.group(2)))
            display = parties if display is None else display & parties
        elif word in {"NF", "NOFORN"}:
            noforn = True
        elif word in {"OC", "ORCON"}:
            orcon, inside = True, None
        elif word in {"OC-USGOV", "ORCON-USGOV"}:
            inside = None if orcon else "US"
            orcon = True
        elif word == "RELIDO":
            relido = True
        elif word in _NEED_HOLDING:
            holdings.append(_NEED_HOLDING[word])
        else:
            unknown.append(raw.strip())
    clash = None
    if noforn and release is not None:
        clash = ("NF", release_as)
    elif noforn and display is not None:
        clash = ("NF", "DISPLAYONLY")
    elif noforn and relido:
        clash = ("NF", "RELIDO")
    return Caveats(noforn, release, display, orcon, inside, relido, tuple(holdings), tuple(unknown), clash)


def _as_written(raw: str, upper: str) -> str:
    """Keep the case of party codes as written, for codes that are not upper case."""
    return raw.strip().strip("/")[-len(upper) :]
