"""Hold every entry that tests let nodes write against entry.json: what stands there, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "src/secretariat/ledger/schemas/entry.json").read_text(encoding="utf-8")
)
WHOLE = jsonschema.Draft202012Validator(SCHEMA)
KINDS = {
    one["if"]["properties"]["kind"]["const"]: one["then"]["properties"]["body"] for one in SCHEMA["allOf"]
}
_OFTEN = 20
seen: Counter[str] = Counter()
"""Payloads that were looked at, by kind."""


def check(payload: bytes) -> None:
    """Fail where a payload does not keep the schema, or says what the schema does not know.

    Whole validation is slow: it is for the first of each kind. Unknown members are looked for in all.
    """
    said = json.loads(payload)
    kind = said["kind"]
    if kind not in KINDS:
        return  # of a part above: not of the protocol, or (private questions) with a schema of its own
    more = list(unknown(SCHEMA["$defs"]["Statement"], said)) + list(
        unknown(KINDS[kind], said["body"], "/body")
    )
    assert not more, f"{kind} says {', '.join(more)}, which entry.json does not know"
    seen[kind] += 1
    if seen[kind] <= _OFTEN:
        WHOLE.validate(said)


def unknown(schema: dict[str, Any], value: Any, at: str = ""):
    """Name the members that stand in a value and not in its schema."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", ()):
        if one.get("type") != "null" and value is not None:
            yield from unknown(one, value, at)
    known = schema.get("properties")
    if known is not None and isinstance(value, dict):
        for name, inner in value.items():
            if name in known:
                yield from unknown(known[name], inner, f"{at}/{name}")
            else:
                yield f"{at}/{name}"
    if isinstance(value, list) and isinstance(schema.get("items"), dict) and "$ref" in schema["items"]:
        for number, inner in enumerate(value):
            yield from unknown(schema["items"], inner, f"{at}/{number}")
