"""Which codes name a party: those this node knows, and those of ISO 3166-1 with EU and UN."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from babel import Locale

from secretariat.agreements import grants

if TYPE_CHECKING:
    import sqlalchemy as sa

_RESERVED = frozenset({"EU", "UN"})
_NO_PARTIES = frozenset({"ZZ", "XA", "XB", "QO", "EZ"})
"""Codes that CLDR lists and that name nobody: unknown, test locales, outlying Oceania, the euro zone."""


@cache
def states() -> frozenset[str]:
    """Give the two-letter codes of states and economies."""
    every = (str(code) for code in Locale("en").territories)
    named = {code for code in every if len(code) == 2 and code.isalpha()}
    return frozenset(named - _NO_PARTIES) | _RESERVED


def known(tx: sa.Connection, own: str) -> frozenset[str]:
    """Give every code that a statement may name as a party at the node of `own`."""
    return states() | {own} | {one.code for one in grants.parties(tx)}
