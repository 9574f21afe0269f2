"""Charts as SVG from the server: a graph in columns and a time line. Each stands beside a table of the same facts.

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
    width, out = 0, []
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
    parts = [
        Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">').format(
            title, width, height, width, height
        )
    ]
    parts += [_edge(place[edge.source], place[edge.target], edge.word) for edge in lines]
    parts += [_box(node, place[node.key]) for node in shown]
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


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


def _edge(start: tuple[int, int], end: tuple[int, int], word: str) -> Markup:
    (x1, y1), (x2, y2) = start, end
    middle = _BOX_H // 2
    if x1 == x2:
        right = x1 + _BOX_W
        path = f"M{right} {y1 + middle}C{right + 42} {y1 + middle} {right + 42} {y2 + middle} {right} {y2 + middle}"
    else:
        left, far = (x1 + _BOX_W, x2) if x1 < x2 else (x1, x2 + _BOX_W)
        bend = (far - left) // 2
        path = f"M{left} {y1 + middle}C{left + bend} {y1 + middle} {far - bend} {y2 + middle} {far} {y2 + middle}"
    return Markup('<path class="edge" d="{}"><title>{}</title></path>').format(path, word)


def _box(node: Node, at: tuple[int, int]) -> Markup:
    x, y = at
    inner = Markup(
        '<rect class="node-shape{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>'
        '<rect class="node-kind" x="{}" y="{}" width="3" height="{}"/>'
        '<text class="faint" x="{}" y="{}">{}</text><text class="strong" x="{}" y="{}">{}</text><title>{}</title>'
    ).format(
        " withheld" if node.faint else "",
        x, y, _BOX_W, _BOX_H,
        x, y, _BOX_H,
        x + 10, y + 13, node.kind,
        x + 10, y + 27, _cut(node.name), node.name,
    )  # fmt: skip
    if node.href is None:
        return Markup("<g>{}</g>").format(inner)
    return Markup('<a href="{}">{}</a>').format(node.href, inner)


def timeline(lanes: Sequence[Lane], *, start: date, end: date, marked: date | None, title: str) -> Markup:
    """Draw lanes of spans and dots between two days, a year's line each, and the day asked about."""
    left, width, row = 190, 760, 34
    days = max(1, (end - start).days)
    height = 28 + row * len(lanes) + 8

    def x(day: date) -> float:
        return round(left + width * min(1.0, max(0.0, (day - start).days / days)), 1)

    parts = [
        Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">').format(
            title, left + width + 40, height, left + width + 40, height
        )
    ]
    step = max(1, (end.year - start.year) // 12 + 1)
    for year in range(start.year + 1, end.year + 1, step):
        at = x(date(year, 1, 1))
        word = "" if marked is not None and -24 < at - x(marked) < 84 else year
        parts.append(
            Markup('<line class="grid" x1="{0}" x2="{0}" y1="20" y2="{1}"/><text class="faint" x="{0}" y="13">{2}</text>')
            .format(at, height - 6, word)
        )  # fmt: skip
    for number, lane in enumerate(lanes):
        y = 28 + number * row
        parts.append(
            Markup('<text x="4" y="{}">{}<title>{}</title></text>').format(y + 18, _cut(lane.name, 28), lane.name)
        )
        parts.append(
            Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(left, left + width, y + 26, y + 26)
        )
        for span in lane.spans:
            x1, x2 = x(span.start), x(span.end or end)
            parts.append(
                Markup('<rect class="span {}" x="{}" y="{}" width="{}" height="10" rx="1"><title>{}</title></rect>')
                .format({"full": "", "soft": "soft", "off": "off"}[span.strength], x1, y + 9, max(2.0, x2 - x1), span.word)
            )  # fmt: skip
        for dot in lane.dots:
            parts.append(
                Markup('<circle class="dot{}" cx="{}" cy="{}" r="5"><title>{} {}</title></circle>').format(
                    " hollow" if dot.hollow else "", x(dot.on), y + 14, dot.on.isoformat(), dot.word
                )
            )
    if marked is not None and start <= marked <= end:
        parts.append(
            Markup('<line class="now" x1="{0}" x2="{0}" y1="18" y2="{1}"/><text class="strong" x="{2}" y="13">{3}</text>')
            .format(x(marked), height - 2, min(x(marked) + 4, left + width - 24), marked.isoformat())
        )  # fmt: skip
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)
