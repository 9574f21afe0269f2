"""Read a marked document: plain text and its labels.

A document starts with `lang:`, `own:`, `kind:` lines and `---`. Marks nest: d = date with its value, e =
party or body with its code, f = what should be proposed, with its kind. See `python -m bench intake`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_MARK = re.compile(r"⟦(\w) ([^|⟧]+)\||⟧")


def read(path: Path) -> dict[str, Any]:
    """Give {name, lang, own, text, dates, entities, facts} of a marked document."""
    head, _, body = path.read_text(encoding="utf-8").partition("---\n")
    meta = dict(line.split(": ", 1) for line in head.strip().splitlines())
    text, found, opened, at = "", [], [], 0
    for mark in _MARK.finditer(body):
        text += body[at : mark.start()]
        at = mark.end()
        if mark[0] == "⟧":
            kind, value, start = opened.pop()
            found.append((kind, {"start": start, "end": len(text), "value": value}))
        else:
            opened.append((mark[1], mark[2], len(text)))
    text += body[at:]
    found.sort(key=lambda one: one[1]["start"])
    return {
        "name": path.stem,
        "lang": meta["lang"],
        "own": meta["own"],
        "text": text,
        "dates": [one for kind, one in found if kind == "d"],
        "entities": [{**one, "code": one["value"]} for kind, one in found if kind == "e"],
        "facts": [{**one, "kind": one["value"]} for kind, one in found if kind == "f"],
    }
