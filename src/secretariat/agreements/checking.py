"""Hold a file of instruments or cases to its schema; every error names its line.

The schemas ship with the package (`schemas/`): every key, its meaning and default, and what each rule reads.
An unknown key or rule, and a parameter that a rule does not read, is an error, never ignored.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from secretariat.base.errors import InputError

if TYPE_CHECKING:
    from secretariat.agreements.reading import Source

_QUOTED = re.compile(r"'([^']+)'")


@cache
def schema(name: str) -> dict[str, Any]:
    """Give a JSON Schema of the package: `instruments` or `cases`."""
    text = (
        resources.files("secretariat.agreements").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    )
    found: dict[str, Any] = json.loads(text)
    return found


def check(source: Source, against: dict[str, Any]) -> None:
    """Refuse a file that does not keep its schema; every error names its line."""
    errors = problems(source, against)
    if errors:
        where, what = errors[0]
        more = (
            "" if len(errors) == 1 else f" (and {len(errors) - 1} more: `secretariat agreements check FILE`)"
        )
        raise InputError(what + more, where=where, advice="docs/agreements.md lists every key")


def problems(source: Source, against: dict[str, Any]) -> list[tuple[str, str]]:
    """List (where, what) for everything in which a file breaks its schema, in the order of lines."""
    from jsonschema import Draft202012Validator  # heavy, and not needed to decide

    if not isinstance(source.value, dict | list) or (
        isinstance(source.value, list) and against.get("type") == "object"
    ):
        return [
            (
                source.where(()),
                "an instruments file is a mapping with `instruments`, a cases file has `cases`",
            )
        ]
    found: dict[tuple[str, str], int] = {}
    for error in islice(Draft202012Validator(against).iter_errors(source.value), _MOST):
        for leaf in _leaves(error):
            path = tuple(leaf.absolute_path)
            if leaf.validator in {"additionalProperties", "unevaluatedProperties"}:
                if leaf.validator == "unevaluatedProperties" and leaf.instance.get("rule") not in _rules():
                    continue  # an unknown rule is told once, by its name
                names = _unknown_keys(leaf)
                for name in names:
                    rule = leaf.instance.get("rule") if isinstance(leaf.instance, dict) else None
                    known = isinstance(rule, str) and leaf.validator == "unevaluatedProperties"
                    what = f"unknown key {name!r}" + (f" (rule {rule} does not read it)" if known else "")
                    found.setdefault((source.where((*path, name)), what), source.lines.get((*path, name), 0))
                continue
            found.setdefault((source.where(path), _plain(leaf)), source.lines.get(path, 0))
    return [key for key, _ in sorted(found.items(), key=lambda item: item[1])]


_MOST: Final = 1000
"""Errors of one file that are looked for: a file that came from elsewhere may consist of nothing else."""


@cache
def _rules() -> frozenset[str]:
    return frozenset(schema("instruments")["properties"]["rules"]["propertyNames"]["enum"])


def _leaves(error: Any) -> list[Any]:
    if error.validator in {"oneOf", "anyOf"} and error.context:
        depth = max(len(e.absolute_path) for e in error.context)
        if depth > len(error.absolute_path):
            deep = [e for e in error.context if len(e.absolute_path) == depth]
            return [leaf for e in deep for leaf in _leaves(e)]
        inner = [e for e in error.context if e.validator in {"additionalProperties", "unevaluatedProperties"}]
        return inner or [error]
    return [error]


def _unknown_keys(error: Any) -> list[str]:
    if not isinstance(error.instance, dict):
        return []
    if error.validator == "additionalProperties":
        return [k for k in error.instance if k not in error.schema.get("properties", {})]
    return [k for k in _QUOTED.findall(error.message.split("(", 1)[-1]) if k in error.instance]


def _plain(error: Any) -> str:
    if error.validator == "enum":
        allowed = [str(w) for w in error.validator_value]
        kind = "rule" if error.absolute_path and error.absolute_path[-1] == "rule" else "word"
        return f"unknown {kind} {error.instance!r}; known: {', '.join(allowed)}"
    if error.validator == "required":
        return str(error.message).replace("is a required property", "is missing")
    if error.validator == "pattern":
        return f"{error.instance!r} is not {error.schema.get('description', 'of this form')}"
    if error.validator in {"oneOf", "anyOf"}:
        wanted = error.schema.get("description", "one of the forms allowed")
        return f"{str(error.instance)[:80]!r} is not: {wanted}"
    return str(error.message)[:300]
