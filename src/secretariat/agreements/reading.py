"""Read an instruments or cases file, YAML or JSON, and remember the line of every value.

What it decides: plain data only (no tags, no anchors, no merge keys), one value per key, the words of
YAML 1.2 (`on`, `no`, `NO` are words, not truth values), dates stay text until the model reads them.
What it refuses, with the line: duplicate keys, anchors and aliases, tags, files past the named limits.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from secretariat.base.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 8_388_608
"""Largest instruments or cases file; the public facts are 45 kB."""
MAX_DEPTH = 32
MAX_VALUES = 500_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Source(msgspec.Struct):
    """A file as plain values, and the line of each value by its path."""

    name: str
    value: Any
    lines: dict[tuple[str | int, ...], int]

    def where(self, path: tuple[str | int, ...]) -> str:
        """Say where `path` stands: the file, the line of the nearest known value, and the pointer."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        pointer = "".join(f"/{part}" for part in path)
        return f"{self.name}:{line} {pointer}".rstrip()


def read(data: bytes, name: str) -> Source:
    """Give the values of a YAML or JSON file. Refuses what the module docstring names."""
    if len(data) > MAX_BYTES:
        raise LimitError(f"the file has {len(data)} bytes, at most {MAX_BYTES} are read", where=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8 text", where=f"{name}:{line}", advice="save the file as UTF-8") from error
    lines: dict[tuple[str | int, ...], int] = {}
    if name.endswith(".json"):
        return Source(name, _read_json(text, name, lines), lines)
    try:
        return Source(name, _Builder(name, lines).read(text), lines)
    except InputError:
        if not text.lstrip().startswith(("{", "[")):
            raise
        lines.clear()
        with contextlib.suppress(InputError):  # JSON by another name, say indented with tabs
            return Source(name, _read_json(text, name, lines), lines)
        raise


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else mark.line + 1


class _Builder:
    """Values from YAML events; the events carry the lines."""

    def __init__(self, name: str, lines: dict[tuple[str | int, ...], int]) -> None:
        self.name = name
        self.lines = lines
        self.values = 0

    def read(self, text: str) -> Any:
        events = self._events(text)
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document in one file", "keep one document per file")
                value = self._value(next(events), events, ())
        return value

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            what = error.problem or error.context or "not readable as YAML"
            raise InputError(f"not readable as YAML: {what}", where=f"{self.name}:{line}") from error
        except yaml.YAMLError as error:
            raise InputError(f"not readable as YAML: {error}", where=self.name) from error

    def _refuse(self, event: yaml.Event, what: str, advice: str) -> InputError:
        return InputError(what, where=f"{self.name}:{_line(event)}", advice=advice)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: tuple[str | int, ...]) -> Any:
        line = _line(event)
        self.lines.setdefault(path, line)
        self.values += 1
        if self.values > MAX_VALUES:
            raise LimitError(f"more than {MAX_VALUES} values", where=f"{self.name}:{line}")
        if len(path) > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH}", where=f"{self.name}:{line}")
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, "an alias", "write the value out; anchors and aliases are not read")
        if getattr(event, "anchor", None) is not None:
            raise self._refuse(event, "an anchor", "write the value out; anchors and aliases are not read")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if event.tag is not None:  # type: ignore[attr-defined]
            raise self._refuse(event, f"the tag {event.tag}", "remove it; plain data only")  # type: ignore[attr-defined]
        if isinstance(event, yaml.SequenceStartEvent):
            found: list[Any] = []
            for item in events:
                if isinstance(item, yaml.SequenceEndEvent):
                    break
                found.append(self._value(item, events, (*path, len(found))))
            return found
        return self._mapping(events, path)

    def _mapping(self, events: Iterator[yaml.Event], path: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in events:
            if isinstance(key, yaml.MappingEndEvent):
                break
            if not isinstance(key, yaml.ScalarEvent) or key.anchor is not None or key.tag is not None:
                raise self._refuse(key, "a key that is not a plain word", "keys are words")
            name = key.value
            if name in found:
                first = self.lines[(*path, name)]
                raise self._refuse(
                    key, f"the key {name!r} a second time (first on line {first})", "keep one of them"
                )
            self.lines[(*path, name)] = _line(key)
            found[name] = self._value(next(events), events, (*path, name))
        return found

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.tag is not None:
            raise self._refuse(event, f"the tag {event.tag}", "remove it; plain data only")
        text: str = event.value
        if not event.implicit[0]:  # quoted: always text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text) and len(text) < 18:
            return int(text)
        if _FLOAT.match(text):
            return float(text)
        return text


_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def _read_json(text: str, name: str, lines: dict[tuple[str | int, ...], int]) -> Any:
    """Read strict JSON with lines; the standard decoder keeps none."""
    starts = [m.end() for m in re.finditer(r"\n", text)]

    def line_of(at: int) -> int:
        low, high = 0, len(starts)
        while low < high:
            middle = (low + high) // 2
            if starts[middle] <= at:
                low = middle + 1
            else:
                high = middle
        return low + 1

    def refuse(at: int, what: str) -> InputError:
        return InputError(f"not readable as JSON: {what}", where=f"{name}:{line_of(at)}")

    def skip(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    def string(at: int) -> tuple[str, int]:
        try:
            return json.decoder.scanstring(text, at + 1, True)  # type: ignore[attr-defined,no-any-return]
        except ValueError as error:
            raise refuse(at, str(error)) from error

    def value(at: int, path: tuple[str | int, ...]) -> tuple[Any, int]:
        at = skip(at)
        lines.setdefault(path, line_of(at))
        if len(path) > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH}", where=f"{name}:{line_of(at)}")
        if len(lines) > MAX_VALUES:
            raise LimitError(f"more than {MAX_VALUES} values", where=f"{name}:{line_of(at)}")
        sign = text[at : at + 1]
        if sign == "{":
            return mapping(at + 1, path)
        if sign == "[":
            return sequence(at + 1, path)
        if sign == '"':
            return string(at)
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if text.startswith(word, at):
                return meaning, at + len(word)
        number = _NUMBER.match(text, at)
        if number is None:
            raise refuse(at, "a value was expected")
        raw = number.group()
        return (int(raw) if raw.lstrip("-").isdigit() and len(raw) < 18 else float(raw)), number.end()

    def mapping(at: int, path: tuple[str | int, ...]) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = skip(at)
        if text[at : at + 1] == "}":
            return found, at + 1
        while True:
            at = skip(at)
            if text[at : at + 1] != '"':
                raise refuse(at, "a key in double quotes was expected")
            start = at
            key, at = string(at)
            if key in found:
                raise InputError(f"the key {key!r} a second time", where=f"{name}:{line_of(start)}")
            lines[(*path, key)] = line_of(start)
            at = skip(at)
            if text[at : at + 1] != ":":
                raise refuse(at, "':' was expected")
            found[key], at = value(at + 1, (*path, key))
            at = skip(at)
            if text[at : at + 1] == "}":
                return found, at + 1
            if text[at : at + 1] != ",":
                raise refuse(at, "',' or '}' was expected")
            at += 1

    def sequence(at: int, path: tuple[str | int, ...]) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = skip(at)
        if text[at : at + 1] == "]":
            return found, at + 1
        while True:
            item, at = value(at, (*path, len(found)))
            found.append(item)
            at = skip(at)
            if text[at : at + 1] == "]":
                return found, at + 1
            if text[at : at + 1] != ",":
                raise refuse(at, "',' or ']' was expected")
            at += 1

    result, end = value(0, ())
    if skip(end) != len(text):
        raise refuse(end, "more text after the end")
    return result
