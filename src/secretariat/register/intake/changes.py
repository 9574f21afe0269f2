"""What an officer typed into a proposal's fields, as values of a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from secretariat.base.errors import InputError

_LISTS = frozenset({"parties", "groups", "orgs", "owed_by"})


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Give the changed fields; an emptied field becomes empty. Refuses a round that is no number."""
    changed: dict[str, Any] = {}
    for name, text in given.items():
        value = text.strip()
        if name in _LISTS:
            changed[name] = tuple(one for one in re.split(r"[,;、，\s]+", value) if one)
        elif name == "round":
            if value and not value.isdigit():
                raise InputError(f"round is a number, not {value!r}", where="round")
            changed[name] = int(value) if value else None
        else:
            changed[name] = value or None
    return changed
