"""What cheaters do, one function each, and how it must come out: found by name at its victim, or harmless.

A cheater owns its keys, its log and its node, and knows everything that ever stood anywhere. It cannot sign
with others' keys; it tries. To add a cheat: write a function under `@cheat` (cheating.py) in the file of its
noun, `false_….py`, and say what must come of it by `Cheat`.
"""

from __future__ import annotations

from . import false_answers, false_grants, false_objects
from .cheating import CHEATS, SELDOM, Cheat, note, verdict
from .false_logs import end, hoard, shown
from .false_pages import bend
from .false_statements import FalseWord

__all__ = [
    "CHEATS",
    "SELDOM",
    "Cheat",
    "FalseWord",
    "bend",
    "end",
    "false_answers",
    "false_grants",
    "false_objects",
    "hoard",
    "note",
    "shown",
    "verdict",
]
