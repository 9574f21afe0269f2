"""One page being answered: node, realm, who asks, in which language, as of when; and how it is rendered."""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jinja2
from litestar import Response
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError

from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.base.marking import Marking, highest
from secretariat.web import asof, filters, words
from secretariat.web.tables import Table, download

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from litestar.connection import ASGIConnection
    from sqlalchemy import Connection

    from secretariat.web.guard import Visitor

HERE = Path(__file__).parent
_SLOT = "secretariat.screen"


class Screen:
    """What a page knows about its request; made once by the guard."""

    def __init__(
        self,
        connection: ASGIConnection[Any, Any, Any, Any],
        *,
        visitor: Visitor | None,
        language: str,
        realm: str,
        navigation: Sequence[Entry] = (),
    ) -> None:
        self.connection = connection
        self.visitor = visitor
        self.language = language
        self.realm = realm
        self.navigation = navigation
        self.shown_at: str | None = None
        """The page that answers a deed in place; without it the bar would ask the deed's address."""
        self.node: Any = connection.app.state.get("node")

    @cached_property
    def bar(self) -> asof.Bar:
        """The times and the zone in the address. Refuses what is no date and no position of the log."""
        return asof.read(self.connection.query_params, zone=self.node.settings.zone, written=self._written)

    def _written(self, position: int) -> datetime | None:
        """When the log's entry at a position was recorded; the application says how to ask."""
        ask: Callable[[Connection, int], datetime | None] = self.connection.app.state.written
        with self.transaction() as tx:
            return ask(tx, position)

    @property
    def zone(self) -> str:
        """The zone in which the page shows times."""
        return "UTC" if self.node is None else self.bar.zone

    @property
    def zones(self) -> list[str]:
        """The zones that the bar offers: the node's first, then the usual ones and the one shown."""
        return list(dict.fromkeys([self.node.settings.zone, *asof.ZONES, self.zone]))

    @property
    def path(self) -> str:
        """The address of the page without its query."""
        return self.shown_at or str(self.connection.url.path)

    @property
    def query(self) -> dict[str, str]:
        """The query, the last value of each name."""
        return dict(self.connection.query_params)

    @property
    def acts(self) -> bool:
        """Whether controls that act are rendered: never on a page of the past."""
        return self.bar.is_now

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of the page."""
        return self.connection.headers.get("hx-request") == "true"

    @property
    def guest(self) -> str | None:
        """The guest whose person asks; None for everybody else."""
        party: str | None = getattr(self.visitor, "party", None)
        return party

    @property
    def office(self) -> str | None:
        """The office of this party that the person who asks is of."""
        office: str | None = getattr(self.visitor, "office", None)
        return office

    def may(self, permission: str) -> bool:
        """Whether the visitor has a right."""
        return self.visitor is not None and self.visitor.may(permission)

    def transaction(self) -> AbstractContextManager[Connection]:
        """One transaction of this page's realm."""
        held: AbstractContextManager[Connection] = self.node.database.app(self.realm)
        return held

    def href(self, address: str, **query: Any) -> str:
        """Give an address of this node with the bar's times carried along."""
        if query:
            pairs = urlencode([(k, v) for k, v in query.items() if v is not None])
            address = f"{address}{'&' if '?' in address else '?'}{pairs}"
        return asof.carry(address, {} if self.node is None else self.bar.typed)

    def here(self, **changes: Any) -> str:
        """Give this page's address with some of the query changed; None drops a name."""
        query = {**self.query, **changes}
        kept = [(k, str(v)) for k, v in query.items() if v is not None]
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response[str]:
        """Render a template as a whole page."""
        return Response(
            self.html(template, **context), media_type="text/html; charset=utf-8", status_code=status
        )

    def html(self, template: str, *, markings: Iterable[Marking] = (), **context: Any) -> str:
        """Render a template; `markings` are those of everything the page shows."""
        words.set_language(self.language)
        filters.set_zone(self.zone)
        return (
            environment()
            .get_template(template)
            .render(
                screen=self,
                _visitor=self.visitor,
                realm=self.realm,
                href=self.href,
                here=self.here,
                language=self.language,
                now=now(),
                marking=highest(markings),
                **context,
            )
        )

    def answer(
        self, template: str, tables: Sequence[Table], *, markings: Iterable[Marking] = (), **context: Any
    ) -> Response[Any]:
        """Render the page, or download one of its tables when the address asks `?download=NAME.csv`."""
        wanted = self.query.get("download")
        shown = tuple(markings)
        if wanted:
            return download(
                tables,
                wanted,
                party=self.party,
                realm=self.realm,
                marking=highest(shown),
                as_of=self.bar.typed,
            )
        return self.render(template, markings=shown, tables={t.name: t for t in tables}, **context)

    @property
    def stopped(self) -> str:
        """Why nothing is written in this realm any more; empty while all is well."""
        return "" if self.node is None else str(self.node.stopped.get(self.realm, ""))

    @property
    def party(self) -> str:
        """The party whose node this is."""
        return "" if self.node is None else str(self.node.settings.party)


class Entry:
    """One line of the left rail: its word, and the addresses it may lead to with the right each needs."""

    def __init__(
        self,
        key: str,
        word: str,
        *places: tuple[str, str],
        count: Callable[[Screen], int] | None = None,
    ) -> None:
        self.key = key
        self.word = word
        self.places = places
        self._count = count

    def address(self, screen: Screen) -> str | None:
        """The first address that the visitor may open; None hides the line."""
        return next((address for permission, address in self.places if screen.may(permission)), None)

    def count(self, screen: Screen) -> int:
        """How much waits there now; 0 where nothing is counted, or while the database does not answer."""
        if self._count is None or screen.node is None:
            return 0
        try:
            return self._count(screen)
        except (SecretariatError, SQLAlchemyError):
            return 0


def keep(connection: ASGIConnection[Any, Any, Any, Any], screen: Screen) -> None:
    """Put the screen beside the request."""
    connection.scope["state"][_SLOT] = screen


def screen_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Screen:
    """The screen of a request that passed the guard."""
    screen: Screen = connection.scope["state"][_SLOT]
    return screen


def has_screen(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the guard made one."""
    return _SLOT in connection.scope.get("state", {})


@cache
def environment() -> jinja2.Environment:
    """The one template environment: escaped, strict, translated."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        auto_reload=False,
        cache_size=200,
    )
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(words.gettext, words.ngettext, newstyle=True, pgettext=words.pgettext)  # type: ignore[attr-defined]
    env.globals.update(languages=words.LANGUAGES, asset=asset, icon=icon)
    env.filters.update(filters.FILTERS)
    return env


@cache
def asset(name: str) -> str:
    """The address of a static file, with its digest so that a new file is fetched at once."""
    for directory in static_directories():
        path = directory / name
        if path.is_file():
            return f"/static/{name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    raise FileNotFoundError(name)


@cache
def static_directories() -> tuple[Path, ...]:
    """Our own static files, then those of the package that carries htmx."""
    import js_lib_htmx

    return HERE / "static", Path(js_lib_htmx.__file__).parent / "static"


def icon(name: str) -> Markup:
    """Draw a symbol of the sprite; the word beside it carries the meaning."""
    return Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>').format(
        asset("icons.svg"), name
    )
