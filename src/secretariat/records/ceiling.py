"""How high content may be marked to be kept at all: the check at every door of a realm (decisions.md 3).

The door asks before anything is stored, so it knows the order of each level table by itself; a test holds
these tables equal to those of the instruments. A level that no table ranks passes only where the ceiling of
its scheme is that very level.
"""

from __future__ import annotations

from collections.abc import Mapping

from secretariat.base.errors import DeniedError
from secretariat.records.markings import UNCLASSIFIED, Label

ORDER: dict[str, tuple[str, ...]] = {
    "JP_MOD": ("HI", "GOKUHI"),
    "ROK_MIL": ("III", "II", "I"),
    "US": ("U", "C", "S", "TS"),
    "NATO": ("NU", "NR", "NC", "NS", "CTS"),
    "EU": ("R-UE/EU-R", "C-UE/EU-C", "S-UE/EU-S", "TS-UE/EU-TS"),
    "DE": ("VS-NfD", "VS-VERTRAULICH", "GEHEIM", "STRENG GEHEIM"),
    "FR": ("DIFFUSION RESTREINTE", "SECRET", "TRES SECRET"),
}
"""Level table -> its levels from low to high."""

BESIDE = {("JP_MOD", "TOKUTEI_HIMITSU"): "GOKUHI"}
"""Levels that stand beside the order, and as what they rank."""


def refuse_above(label: Label, ceiling: Mapping[str, str]) -> None:
    """Refuse what this realm may not hold: above the ceiling of its table, or of a table without one."""
    for one in (label, *label.derived_from):
        if one.level is not None and one.level not in UNCLASSIFIED and not _within(one, ceiling):
            raise DeniedError(
                f"{one.level} ({one.scheme or 'no scheme'}) is above the ceiling of this realm",
                where="/object_marking_refs",
                advice="register it without content, or set a ceiling for this table at `init`",
            )


def _within(label: Label, ceiling: Mapping[str, str]) -> bool:
    level = label.level or ""
    if label.scheme is not None:
        return _reaches(label.scheme, level, ceiling)
    return any(_reaches(scheme, level, ceiling) for scheme, order in ORDER.items() if level in order)


def _reaches(scheme: str, level: str, ceiling: Mapping[str, str]) -> bool:
    top = ceiling.get(scheme)
    if top is None:
        return False
    order = ORDER.get(scheme, ())
    ranked = [BESIDE.get((scheme, one), one) for one in (level, top)]
    if not set(ranked) <= set(order):
        return level == top
    return order.index(ranked[0]) <= order.index(ranked[1])
