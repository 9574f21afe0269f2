"""How commands speak: the options that all share, results as text or JSON on stdout, progress on stderr.

A part's `commands.py` exposes `commands: typer.Typer`, a group under the part's word, and where it owns verbs
of the top level (`import`, `publish`, `explain`) also `verbs: typer.Typer`. Each command takes `data: Data`
when it needs a node, takes `json: Json`, and ends with `emit`. Errors are `SecretariatError`; cli.py prints
them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from secretariat.base.settings import DATA_VARIABLE

Data = Annotated[
    Path,
    typer.Option("--data", envvar=DATA_VARIABLE, help="The node's data folder.", file_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Realm = Annotated[str, typer.Option("--realm", help="live or exercise.")]
DATA = Path("secretariat-data")
"""Default of `Data`: a folder where the command is run."""


def emit(value: Any, text: str | None = None, *, json: bool = False) -> None:
    """Print a result on stdout: `value` (msgspec struct, dict, list) as JSON when asked, else `text`."""
    if json or text is None:
        out = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    else:
        out = text
    sys.stdout.write(out.rstrip("\n") + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while long work runs; call the given function with how much was done since.

    Where stderr is no terminal nothing is drawn.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)
