"""Pages of the documentation that are made from the code: commands, routes and settings.

`make docs` writes them; `test_docs.py` fails when they lag behind.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROLES = ("<!-- roles, from the program -->", "<!-- end of roles -->")


def commands_page() -> str:
    """Write every command with its options, in the order in which `secretariat --help` lists them."""
    from secretariat.cli import app

    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Made from the program by `make docs`. Every command takes `--help`; those that",
        "answer with data take `--json`.",
        "",
    ]
    _walk(root, ["secretariat"], lines)
    return "\n".join(lines).rstrip() + "\n"


def _walk(command: Any, words: list[str], lines: list[str]) -> None:
    context = command.context_class(command, info_name=words[-1])  # typer brings its own click
    if len(words) > 1:
        lines += [f"{'#' * min(len(words), 4)} `{' '.join(words)}`", "", _text(command.help), ""]
        rows = [_row(one, context) for one in command.params if not getattr(one, "hidden", False)]
        rows = [row for row in rows if row]
        if rows:
            lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                _walk(below, [*words, name], lines)


def _row(parameter: Any, context: Any) -> str:
    record = parameter.get_help_record(context)
    if parameter.param_type_name == "argument" and record is None:
        name, text = parameter.make_metavar(context), ""
    elif record is None or "--help" in parameter.opts:
        return ""
    else:
        name, text = record
    return f"| `{_cell(name)}` | {_cell(_text(text))} |"


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("\f", " ").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def routes_page() -> str:
    """Write every address that a node answers: method, path, permission, handler."""
    lines = [
        "# Addresses",
        "",
        "Made from the program by `make docs`. `{realm}` is `live` or `exercise`.",
        "",
        "| methods | path | who | answered by |",
        "|---|---|---|---|",
        *(f"| {' '.join(row[0])} | `{row[1]}` | {row[2]} | `{row[3]}` |" for row in _routes()),
    ]
    return "\n".join(lines) + "\n"


def _routes() -> list[tuple[list[str], str, str, str]]:
    from litestar import Litestar

    from secretariat import app

    handlers = [app.health, *app.ROUTES]
    rows = []
    for route in Litestar(route_handlers=handlers, openapi_config=None).routes:
        for handler in getattr(route, "route_handlers", ()) or [route.route_handler]:
            named = getattr(handler.fn, "func", handler.fn)
            methods = sorted(set(getattr(handler, "http_methods", ["all"])) - {"OPTIONS", "HEAD"})
            if methods:
                who, path = str(handler.opt.get("permission", "")), getattr(route, "path_format", route.path)
                below = "/…" if methods == ["all"] else ""
                rows.append((methods, path + below, who, f"{named.__module__}.{named.__qualname__}"))
    return sorted(rows, key=lambda row: (row[1], row[0]))


def settings_page() -> str:
    """Write every setting and limit with its default and meaning."""
    from secretariat.base.settings import Limits, NodeSettings

    head = ["| setting | default | meaning |", "|---|---|---|"]
    lines = [
        "# Settings",
        "",
        "Made from the program by `make docs`. A node reads `node.toml` in its data folder when it starts.",
        "`secretariat init` writes the file with every setting and its meaning; an unknown name or a",
        "wrong value is refused with its place. Two settings come from the environment: `SECRETARIAT_DATA`",
        "(the data folder, when `--data` is not given) and `SECRETARIAT_DATABASE_URL` (wins over",
        "`database_url`).",
        "",
        "## The node",
        "",
        *head,
        *_settings(NodeSettings),
        "",
        "## Limits, under `[limits]`",
        "",
        "Passing a limit is refused with the limit's name; nothing is cut in silence.",
        "",
        *head,
        *_settings(Limits),
    ]
    return "\n".join(lines) + "\n"


def _settings(struct: Any) -> list[str]:
    import msgspec

    from secretariat.base.settings import described

    rows = []
    for name, meaning, default in described(struct):
        if name in {"limits", "data"}:
            continue
        if default is msgspec.NODEFAULT:
            value = "{}" if name == "ceiling" else "(given at `init`)"
        else:
            value = msgspec.json.encode(default).decode()
        rows.append(f"| `{name}` | {value} | {_cell(meaning)} |")
    return rows


def operations_page() -> str:
    """Give the page on running a node with the tables of roles and rights as they are."""
    from secretariat.people.model import GUEST_TABLE, PURPOSES, SENTENCES, TABLE, Permission, Role

    def named(rights: Any) -> str:
        return ", ".join(f"`{one}`" for one in Permission if one in rights) or "–"

    made = [
        "| role | for | rights | rights of a guest's person |",
        "|---|---|---|---|",
        *(
            f"| `{role}` | {PURPOSES[role]} | {named(TABLE[role])} | {named(GUEST_TABLE.get(role, ()))} |"
            for role in Role
        ),
        "",
        "| right | who has it may |",
        "|---|---|",
        *(f"| `{one}` | {_cell(SENTENCES[one])} |" for one in Permission),
    ]
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    head, _, rest = text.partition(ROLES[0])
    _, _, tail = rest.partition(ROLES[1])
    return "\n".join([f"{head}{ROLES[0]}", *made, f"{ROLES[1]}{tail}"])


PAGES = {
    "commands.md": commands_page,
    "operations.md": operations_page,
    "routes.md": routes_page,
    "settings.md": settings_page,
}


def write_schemas() -> None:
    """Write the JSON Schemas of the Register's objects from their shapes."""
    from secretariat.records import register_shapes

    folder = Path(register_shapes.__file__).parent / "schemas"
    for kind in register_shapes.SAYS:
        text = json.dumps(register_shapes.schema_of(kind), indent=2, ensure_ascii=False)
        (folder / f"{kind.removeprefix('sct-')}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
    for name in sys.argv[1:] or PAGES:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
