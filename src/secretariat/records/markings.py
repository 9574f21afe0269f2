"""What an object may be shown to, read from its markings: one frozen `Label` per object version."""

from __future__ import annotations

import msgspec


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a decision may know about an object; equal labels decide alike."""

    orig: str
    """Party code of the originator."""
    tlp: str | None = None
    """CLEAR, GREEN, AMBER, AMBER+STRICT or RED."""
    level: str | None = None
    """Classification in the originator's words, e.g. `GOKUHI`."""
    scheme: str | None = None
    """The level table that `level` belongs to, e.g. `JP_MOD`."""
    kind: str | None = None
    purpose: str | None = None
    compartments: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    """Caveats as written: NF, OC, `REL KOR` …"""
    rel_to: tuple[str, ...] = ()
    derived_from: tuple[Label, ...] = ()
