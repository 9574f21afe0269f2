"""Intake against labelled documents: our own, half of them held back while rules were written, and the five.

Figures: dates found, with exact span, right value, and how many found are dates; names found; labelled facts
proposed with the right kind and an overlapping span. The five documents and the record stand in `../shared`;
only places, hashes and short quotes of them are kept here. Without them their lines are left out and said so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bench.line import Line
from secretariat.register.intake.capture import read_document
from secretariat.register.intake.dates import edge
from secretariat.register.intake.proposals import read_text

ROOT = Path(__file__).parents[1]
VECTORS = ROOT / "tests" / "vectors" / "intake"
SHARED = ROOT.parent / "shared"
PROMISED = {"recall": 0.92, "exact": 0.80, "precision": 0.95, "names": 0.9, "facts": 0.6}
_PERIODS = {"Q1": (1, 3), "Q2": (4, 6), "Q3": (7, 9), "Q4": (10, 12), "H1": (1, 6), "H2": (7, 12)}


def own(folder: str) -> Iterator[dict[str, Any]]:
    """Give our own labelled documents: seen, or held (read only to measure)."""
    spec = importlib.util.spec_from_file_location("marked", VECTORS / "marked.py")
    assert spec is not None
    assert spec.loader is not None
    marked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(marked)
    for path in sorted((VECTORS / folder).glob("*.txt")):
        yield marked.read(path)


def five() -> Iterator[dict[str, Any]]:
    """Give the five documents with our labels and the record's facts that carry a span in them."""
    folder, record = SHARED / "documents", SHARED / "record" / "trilateral-record.yaml"
    if not folder.is_dir() or not record.is_file():
        return
    facts: dict[str, list[dict[str, Any]]] = {}
    loaded = yaml.safe_load(record.read_text("utf-8"))
    seeds = {one["id"]: one["seed"] for one in loaded["sources"] if one.get("seed")}
    for fact in loaded["facts"]:
        for ref in fact["refs"]:
            if ref.get("span"):
                facts.setdefault(seeds[ref["s"]], []).append({"kind": fact["kind"], "span": ref["span"]})
    for path in sorted((VECTORS / "shared").glob("*.yaml")):
        labels = yaml.safe_load(path.read_text("utf-8"))
        text = read_document((folder / labels["document"]).read_bytes(), labels["document"])[0].text
        if hashlib.sha256(text.encode()).hexdigest() != labels["sha256"]:
            raise SystemExit(f"{labels['document']} is not the text that the labels were made for")
        found = [
            {
                "kind": one["kind"],
                "start": text.index(one["span"]),
                "end": text.index(one["span"]) + len(one["span"]),
            }
            for one in facts[labels["document"]]
        ]
        yield {**labels, "name": path.stem[:3], "lang": "en", "text": text, "facts": found, "own": None}


def interval(value: str, lang: str) -> tuple[date, date] | None:
    """Give the first and last day that a label means; None for a date that is to stay open."""
    if value == "open":
        return None
    period = re.fullmatch(r"(\d{4})-(Q\d|H\d|FY)", value)
    if period is None:
        first, _, last = value.partition("/")
        return edge(first, last=False), edge(last or first, last=True)
    year = int(period[1])
    if period[2] == "FY":
        months = ((year, 4), (year + 1, 3)) if lang == "ja" else ((year, 1), (year, 12))
    else:
        months = ((year, _PERIODS[period[2]][0]), (year, _PERIODS[period[2]][1]))
    (a, b), (c, d) = months
    return edge(f"{a}-{b:02}", last=False), edge(f"{c}-{d:02}", last=True)


def measure(documents: list[dict[str, Any]], *, verbose: bool = False) -> dict[str, float]:
    """Give the figures over some documents."""
    count: Counter[str] = Counter()
    for one in documents:
        stated = date.fromisoformat(one["own"]) if one["own"] else None
        read = read_text(one["text"], lang=one["lang"], stated=stated)
        count["own"] += one["own"] is None or read.own_date == one["own"]
        hit = set()
        for label in one["dates"]:
            count["dates"] += 1
            over = [w for w in read.dates if w.start < label["end"] and label["start"] < w.end]
            hit.update(w.start for w in over)
            if not over:
                _say(verbose, "no date", one, label)
                continue
            count["found"] += 1
            exact = (over[0].start, over[0].end) == (label["start"], label["end"])
            count["exact"] += exact
            wanted = interval(label["value"], one["lang"])
            have = None
            if over[0].state == "resolved":
                have = (edge(over[0].first or "", last=False), edge(over[0].last or "", last=True))
            count["value"] += wanted == have
            if not exact or wanted != have:
                _say(verbose, f"{over[0].text!r} = {over[0].first}/{over[0].last}", one, label)
        count["given"] += len(read.dates)
        count["right"] += sum(w.start in hit for w in read.dates)
        for w in read.dates:
            if w.start not in hit:
                _say(verbose, "beyond the labels", one, {"start": w.start, "end": w.end, "value": w.first})
        for label in one["entities"]:
            count["names"] += 1
            fits = any(
                m.start < label["end"] and label["start"] < m.end and label["code"] in {m.code, m.of}
                for m in read.mentions
            )
            count["named"] += fits
            if not fits:
                _say(verbose, "no name", one, {**label, "value": label["code"]})
        touched = set()
        for label in one["facts"]:
            count["facts"] += 1
            over = [p for p in read.proposals if p.start < label["end"] and label["start"] < p.end]
            touched.update((p.start, p.kind) for p in over)
            count["spans"] += bool(over)
            fits = any(p.kind == label["kind"] for p in over)
            count["kinds"] += fits
            if not fits:
                _say(verbose, f"{[p.kind for p in over]}", one, {**label, "value": label["kind"]})
        count["offered"] += len(read.proposals)
        count["fitting"] += sum((p.start, p.kind) in touched for p in read.proposals)
    return {
        "dates": count["dates"],
        "recall": count["found"] / count["dates"],
        "exact": count["exact"] / count["dates"],
        "value": count["value"] / count["dates"],
        "precision": count["right"] / max(1, count["given"]),
        "names": count["named"] / count["names"],
        "facts": count["kinds"] / count["facts"],
        "spans": count["spans"] / count["facts"],
        "offered": count["offered"],
        "fitting": count["fitting"] / max(1, count["offered"]),
        "own": count["own"] / len(documents),
    }


def _say(verbose: bool, what: str, one: dict[str, Any], label: dict[str, Any]) -> None:
    if verbose:
        quoted = one["text"][label["start"] : label["end"]]
        print(f"  {one['name']}: {what}; wanted {label['value']} {quoted!r}", file=sys.stderr)


def run() -> Iterator[Line]:
    """Give a line per promise and set; `bound` is what a perfect reader would reach."""
    words = {
        "recall": "dates found",
        "exact": "dates with exact span",
        "precision": "found dates that are dates",
        "names": "names found",
        "facts": "facts with right kind and overlapping span",
    }
    sets = {"the five": list(five()), "own, seen": list(own("seen")), "own, held back": list(own("held"))}
    for name, documents in sets.items():
        if not documents:
            print(f"  not measured: {name} (no ../shared here)", file=sys.stderr)
            continue
        figures = measure(documents)
        print(
            f"  {name}: right value {figures['value']:.3f}, own date {figures['own']:.3f}, some proposal"
            f" {figures['spans']:.3f}, proposals that touch a label {figures['fitting']:.3f}"
            f" of {figures['offered']:.0f}",
            file=sys.stderr,
        )
        for key, least in PROMISED.items():
            yield Line(
                f"intake, {name}: {words[key]}", figures[key], "share", 1.0, least, bound_is="every label"
            )


if __name__ == "__main__":
    for which in sys.argv[1:] or ("five", "seen", "held"):
        chosen = list(five()) if which == "five" else list(own(which))
        print(which, {k: round(v, 3) for k, v in measure(chosen, verbose=True).items()})
