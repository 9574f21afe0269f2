"""`make bench`: measure every promised figure against its bound in the same run; write bench/results.json.

Usage: python -m bench [NAME ...]   (names of the modules below; all when none is given)

Where names are given, the lines of the others stay in the file as they were measured last.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

MODULES = (
    "decisions",
    "ledger",
    "trust",
    "private",
    "publish",
    "taxii",
    "register",
    "intake",
    "overlap",
    "latency",
    "arrival",
    "sync",
    "pulling",
    "memory",
    "chaos",
    "demo",
)
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    kept = json.loads(RESULTS.read_text()) if names and RESULTS.is_file() else []
    measured: list[dict[str, object]] = []
    for name in names or MODULES:
        started = time.monotonic()
        print(f"… {name}", file=sys.stderr, flush=True)
        for line in importlib.import_module(f"bench.{name}").run():
            shown = {**(line if isinstance(line, dict) else line.as_dict()), "of": name}
            measured.append(shown)
            mark = "held " if shown["held"] else "MISSED"
            print(
                f"  {mark:6} {shown['name']:58} {shown['value']:>14,.2f} {shown['unit']:<10}"
                f" promise {shown['at_least']:>12,.2f}  bound {shown['bound']:>14,.2f}"
                f"  ratio {shown['ratio']:.2f}",
                flush=True,
            )
        print(f"  ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)
    lines = [*(one for one in kept if one.get("of") not in names), *measured]
    lines.sort(key=lambda one: MODULES.index(one["of"]) if one.get("of") in MODULES else len(MODULES))
    RESULTS.write_text(json.dumps(lines, indent=1) + "\n")
    return 0 if all(line["held"] for line in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
