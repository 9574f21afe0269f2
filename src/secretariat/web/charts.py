"""Charts as SVG from the server: a graph in columns and a time line, each beside a table of the same.

Everything that is text in them is escaped; shapes carry no style attribute, so the policy without inline
style holds.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

NODES_MAX = 150
"""More are listed in the table only: a picture of more explains nothing."""

_BOX_W, _BOX_H, _GAP_Y, _GAP_X, _PAD = 206, 34, 8, 96, 8
_LETTERS = 30


class Node(msgspec.Struct, frozen=True):
    """A box: its column, a kind in small letters, a name, and where it leads."""

    key: str
    column: int
    kind: str
    name: str
    href: str | None = None
    faint: bool = False


class Edge(msgspec.Struct, frozen=True):
    """A line between two boxes with a word on it."""

    source: str
    target: str
    word: str


class Span(msgspec.Struct, frozen=True):
    """A bar of a time line; without `end` it goes on; `strength` is full, soft or off."""

    start: date
    end: date | None
    word: str
    strength: str = "full"


class Dot(msgspec.Struct, frozen=True):
    """A dated event of a time line."""

    on: date
    word: str
    hollow: bool = False


class Lane(msgspec.Struct, frozen=True):
    """One row of a time line."""

    name: str
    spans: Sequence[Span] = ()
    dots: Sequence[Dot] = ()


def _cut(text: str, letters: int = _LETTERS) -> str:
    width = 0
    out: list[str] = []
    for letter in text:
        width += 2 if ord(letter) > 0x2E80 else 1
        if width > letters:
            return "".join(out) + "…"
        out.append(letter)
    return text


def graph(nodes: Sequence[Node], edges: Sequence[Edge], *, title: str) -> Markup:
    """Draw boxes in columns, each column ordered so that its lines cross little."""
    shown = list(nodes[:NODES_MAX])
    keys = {node.key for node in shown}
    lines = [edge for edge in edges if edge.source in keys and edge.target in keys]
    columns = _ordered(shown, lines)
    place: dict[str, tuple[int, int]] = {}
    tall = max((len(column) for column in columns), default=0)
    height = _PAD * 2 + tall * (_BOX_H + _GAP_Y)
    for x, column in enumerate(columns):
        top = _PAD + (tall - len(column)) * (_BOX_H + _GAP_Y) // 2
        for y, node in enumerate(column):
            place[node.key] = (_PAD + x * (_BOX_W + _GAP_X), top + y * (_BOX_H + _GAP_Y))
    width = _PAD * 2 + len(columns) * _BOX_W + max(0, len(columns) - 1) * _GAP_X
    parts = [_edge(place[edge.source], place[edge.target], edge.word) for edge in lines]
    parts += [_box(node, place[node.key]) for node in shown]
    return _svg(width, height, title, parts)


def _ordered(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    """Group by column and order each by the mean place of its neighbours (barycentre, two sweeps)."""
    by_column: defaultdict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        by_column[node.column].append(node)
    columns = [by_column[key] for key in sorted(by_column)]
    near: defaultdict[str, list[str]] = defaultdict(list)
    for edge in edges:
        near[edge.source].append(edge.target)
        near[edge.target].append(edge.source)
    for _sweep in range(2):
        rank = {node.key: i / max(1, len(column)) for column in columns for i, node in enumerate(column)}
        for column in columns:
            column.sort(
                key=lambda node: (
                    sum(rank[key] for key in near[node.key]) / len(near[node.key])
                    if near[node.key]
                    else rank[node.key]
                )
            )
            rank.update({node.key: i / max(1, len(column)) for i, node in enumerate(column)})
    return columns


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-label="{0}" viewBox="0 0 {1} {2}" width="{1}" height="{2}">{3}</svg>'  # noqa: E501
    ).format(title, width, height, Markup("").join(parts))


def _shape(tag: str, *, title: str = "", **attributes: object) -> Markup:
    """Write one element; `class_` stands for `class`."""
    pairs = (Markup(' {}="{}"').format(name.rstrip("_"), value) for name, value in attributes.items())
    inner = Markup("<title>{}</title>").format(title) if title else ""
    return Markup("<{0}{1}>{2}</{0}>").format(tag, Markup("").join(pairs), inner)


def _text(x: float, y: float, words: object, *, class_: str = "", title: str = "") -> Markup:
    inner = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<text class="{}" x="{}" y="{}">{}{}</text>').format(class_, x, y, words, inner)


def _edge(start: tuple[int, int], end: tuple[int, int], word: str) -> Markup:
    (x1, y1), (x2, y2) = start, end
    y1, y2 = y1 + _BOX_H // 2, y2 + _BOX_H // 2
    if x1 == x2:
        right, bow = x1 + _BOX_W, x1 + _BOX_W + 42
        path = f"M{right} {y1}C{bow} {y1} {bow} {y2} {right} {y2}"
    else:
        left, far = (x1 + _BOX_W, x2) if x1 < x2 else (x1, x2 + _BOX_W)
        bend = (far - left) // 2
        path = f"M{left} {y1}C{left + bend} {y1} {far - bend} {y2} {far} {y2}"
    return _shape("path", class_="edge", d=path, title=word)


def _box(node: Node, at: tuple[int, int]) -> Markup:
    x, y = at
    shape = "node-shape withheld" if node.faint else "node-shape"
    inner = Markup("").join(
        (
            _shape("rect", class_=shape, x=x, y=y, width=_BOX_W, height=_BOX_H, rx=2),
            _shape("rect", class_="node-kind", x=x, y=y, width=3, height=_BOX_H),
            _text(x + 10, y + 13, node.kind, class_="faint"),
            _text(x + 10, y + 27, _cut(node.name), class_="strong", title=node.name),
        )
    )
    if node.href is None:
        return Markup("<g>{}</g>").format(inner)
    return Markup('<a href="{}">{}</a>').format(node.href, inner)


_LEFT, _WIDE, _ROW, _TOP = 190, 760, 34, 28
_STRENGTH = {"full": "span", "soft": "span soft", "off": "span off"}


def timeline(lanes: Sequence[Lane], *, start: date, end: date, marked: date | None, title: str) -> Markup:
    """Draw lanes of spans and dots between two days, a year's line each, and the day asked about."""
    days = max(1, (end - start).days)
    height = _TOP + _ROW * len(lanes) + 8
    right = _LEFT + _WIDE

    def x(day: date) -> float:
        return round(_LEFT + _WIDE * min(1.0, max(0.0, (day - start).days / days)), 1)

    parts: list[Markup] = []
    for year in range(start.year + 1, end.year + 1, max(1, (end.year - start.year) // 12 + 1)):
        at = x(date(year, 1, 1))
        parts.append(_shape("line", class_="grid", x1=at, x2=at, y1=20, y2=height - 6))
        if marked is None or not -24 < at - x(marked) < 84:
            parts.append(_text(at, 13, year, class_="faint"))
    for number, lane in enumerate(lanes):
        y = _TOP + number * _ROW
        parts.append(_text(4, y + 18, _cut(lane.name, 28), title=lane.name))
        parts.append(_shape("line", class_="axis", x1=_LEFT, x2=right, y1=y + 26, y2=y + 26))
        for span in lane.spans:
            x1, x2 = x(span.start), x(span.end or end)
            drawn = {"x": x1, "y": y + 9, "width": round(max(2.0, x2 - x1), 1), "height": 10, "rx": 1}
            parts.append(_shape("rect", class_=_STRENGTH[span.strength], title=span.word, **drawn))
        for dot in lane.dots:
            kind = "dot hollow" if dot.hollow else "dot"
            words = f"{dot.on.isoformat()} {dot.word}"
            parts.append(_shape("circle", class_=kind, cx=x(dot.on), cy=y + 14, r=5, title=words))
    if marked is not None and start <= marked <= end:
        parts.append(_shape("line", class_="now", x1=x(marked), x2=x(marked), y1=18, y2=height - 2))
        parts.append(_text(min(x(marked) + 4, right - 24), 13, marked.isoformat(), class_="strong"))
    return _svg(right + 40, height, title, parts)
