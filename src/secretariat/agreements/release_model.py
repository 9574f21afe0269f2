"""What a publish call is asked with, and what it answers: who said DO, what each partner got and did not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PUBLIC = "*"
"""Reader of the public collection: everybody, for what is CLEAR."""


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who said DO: a named person (two above a level), or a standing release."""

    by: str
    second: str | None = None
    release: str | None = None
    standing: str | None = None


class Withheld(msgspec.Struct, frozen=True):
    """Object versions that a partner did not get, and why."""

    party: str
    objects: Sequence[str]
    true_on: str
    article: str
    missing: str | None


class Published(msgspec.Struct, frozen=True):
    """What one publish call did. `granted` counts object versions per partner."""

    publication: int | None
    """The entry; None when nothing was new to anybody: then nothing was written."""
    published: int
    granted: dict[str, int]
    withheld: list[Withheld]
    seqs: dict[str, range]
    """Per partner, the places in its collection."""
