"""Every route is seen: one table of method, path, handler, permission; a route without permission fails."""

from __future__ import annotations

from pathlib import Path

import pytest

import secretariat
from secretariat.people.model import Permission
from secretariat.web import guard
from secretariat.web.screen import HERE, environment

OPEN = {guard.PUBLIC, guard.TOKEN, guard.PEER}


def routes(application):
    for route in application.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            methods = sorted(set(getattr(handler, "http_methods", {"ASGI"})) - {"OPTIONS"})
            if methods:
                yield methods, route.path, handler.handler_name, handler.opt.get("permission")


def test_every_route_declares_its_permission(site):
    table = sorted(
        (path, ",".join(methods), name, str(right)) for methods, path, name, right in routes(site().app)
    )
    print("\n" + "\n".join(f"{m:8} {p:46} {n:28} {r}" for p, m, n, r in table))  # noqa: T201  (pytest -s shows the table)
    allowed = OPEN | {right.value for right in Permission}
    assert [row for row in table if row[3] not in allowed] == []


def test_what_acts_is_never_open_but_signing_in(site):
    acting = {
        path
        for methods, path, _name, right in routes(site().app)
        if set(methods) - {"GET", "HEAD", "ASGI"} and right == guard.PUBLIC
    }
    assert acting == {"/sign-in", "/sign-out", "/language"}


TEMPLATES = sorted(
    path.relative_to(HERE / "templates").as_posix() for path in (HERE / "templates").rglob("*.html")
)


FILES = {"register/paper_file.html"}
"""Files that people keep: no page of this node, and their own policy stands in them."""


def test_a_file_that_people_keep_runs_nothing():
    for name in FILES:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        assert f'content="{policy}"' in (HERE / "templates" / name).read_text()


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_compiles_and_keeps_the_policy(name):
    environment().get_template(name)
    text = (HERE / "templates" / name).read_text()
    for word in (
        " style=",
        "onclick",
        "onload",
        "onsubmit",
        "javascript:",
        "|safe",
        "| safe",
        "http://",
        "https://",
    ):
        assert word not in text, f"{word!r} in {name}"
    assert "<script>" not in text
    if name not in FILES:
        assert "<style" not in text


def test_every_template_is_used():
    everything = "".join(
        path.read_text()
        for path in Path(secretariat.__file__).parent.rglob("*")
        if path.suffix in {".py", ".html"}
    )
    assert [name for name in TEMPLATES if f'"{name}"' not in everything] == []
