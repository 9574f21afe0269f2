"""The public page: what is CLEAR, publicly known and released to the public, for anybody, read-only.

Only where the operator set `public_pages`. Nothing else answers here: no draft, no count of what is not
shown, no captured text; a quotation has at most 50 words and names its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import AsOf, now
from secretariat.base.errors import InputError, NotFoundError
from secretariat.records.register_shapes import QUOTE_WORDS
from secretariat.register import store
from secretariat.register.model import KINDS, Row, View
from secretariat.register.screens import WORDS_MAX, chosen_parties, line_of, markings_of
from secretariat.register.wording import KIND_WORDS, POSITION_WORDS, STATUS_WORDS, state_word, word_of
from secretariat.register.words import lexemes, quoted_words
from secretariat.web.guard import PUBLIC
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    import sqlalchemy as sa

PAGE = 100
_RELEASED = (
    " AND EXISTS (SELECT 1 FROM item i JOIN collection c ON c.id = i.collection"
    " WHERE i.version = s.id AND c.kind = 'clear')"
)
_FOUND = " AND s.id IN (SELECT id FROM register_detail WHERE search @@ %(words)s::tsquery)"


@page("/public/register", PUBLIC)
def public_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the public statements, newest truth first."""
    screen, words = _open(request), ""
    words = screen.query.get("q", "").strip()
    if len(words) > WORDS_MAX:
        raise InputError(f"a search has at most {WORDS_MAX} letters", where="q")
    text = screen.query.get("page", "1")
    number = max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else 1
    view = _view(screen)
    with screen.transaction() as tx:
        found = _public(tx, view, words=words, limit=PAGE + 1, offset=(number - 1) * PAGE)
    rows = found[:PAGE]
    table = Table(
        "statements",
        (
            Column("when", _("True on")),
            Column("title", _("Statement")),
            Column("kind", _("Kind")),
            Column("parties", _("Parties")),
            Column("status_word", _("Standing")),
            Column("known", _("Known")),
        ),
        [line_of(one, view) for one in rows],
    )
    return screen.answer(
        "register/public.html",
        [table],
        markings=markings_of(rows),
        words=words,
        party=",".join(view.parties),
        number=number,
        more=len(found) > PAGE,
    )


@page("/public/register/{key:str}", PUBLIC)
def public_statement_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show one public statement, its public accounts and sources."""
    screen = _open(request)
    view = _view(screen, parties=())
    with screen.transaction() as tx:
        rows = _public(tx, view, key=key)
        if not rows:
            raise NotFoundError("no such public statement", advice="GET /public/register")
        row = rows[0]
        beside = _public(tx, view, about=row.stix_id)
        refs = sorted({cite["source_ref"] for one in (row, *beside) for cite in one.cites})
        held = {one.stix_id: one for one in store.statements(tx, view, ids=refs)} if refs else {}
    cites = [
        {
            "source": held[cite["source_ref"]],
            "quote": cite.get("quote") if quoted_words(cite.get("quote") or "") <= QUOTE_WORDS else None,
        }
        for one in (row, *beside)
        for cite in one.cites
        if cite["source_ref"] in held
    ]
    return screen.render(
        "register/public_statement.html",
        markings=markings_of([row, *beside, *held.values()]),
        row=row,
        line=line_of(row, view),
        accounts=[
            {"row": one, "position": word_of(POSITION_WORDS, one.says)}
            for one in beside
            if one.type == "sct-account"
        ],
        cites=cites,
        kind_word=word_of(KIND_WORDS, row.kind),
        state_word=state_word(row.kind, row.state(view)),
        status_word=word_of(STATUS_WORDS, row.status),
    )


def _open(request: Request[Any, Any, Any]) -> Screen:
    screen = screen_of(request)
    if not screen.node.settings.public_pages:
        raise NotFoundError("this node has no public pages", advice="its operator may set public_pages")
    return screen


def _view(screen: Screen, parties: tuple[str, ...] | None = None) -> View:
    """Ask by public knowledge of today, of what is CLEAR."""
    chosen = chosen_parties(screen.query) if parties is None else parties
    today = View.of(AsOf(public=True), now=now(), zone=screen.zone, parties=chosen, clear=True)
    by = View.on(today.day.isoformat(), today.day.isoformat(), zone=screen.zone, public=True, parties=chosen)
    return View(
        day=by.day, known_by=by.known_by, known_day=by.known_day, public=True, clear=True,
        parties=chosen, zone=screen.zone,
    )  # fmt: skip


def _public(
    tx: sa.Connection,
    view: View,
    *,
    words: str = "",
    key: str = "",
    about: str = "",
    limit: int = PAGE,
    offset: int = 0,
) -> list[Row]:
    """Give what anybody may read: CLEAR, publicly known, and in the collection that is open to the public."""
    bound: dict[str, Any] = {**view.bound(), "limit": limit, "offset": offset}
    text = f"SELECT {store.COLUMNS} FROM {store.live(view)}{_RELEASED}"
    if key:
        text += f" AND {'s.stix_id' if '--' in key else 's.key'} = %(key)s"
        bound["key"] = key
    elif about:
        text += " AND s.about = %(about)s"
        bound["about"] = about
    if not about:
        text += " AND s.kind = ANY(%(kinds)s)"
        bound["kinds"] = list(KINDS)
    if words:
        wanted = " & ".join(f"'{one}'" for one in lexemes(words))
        text += _FOUND if wanted else " AND false"
        bound["words"] = wanted
    text += " ORDER BY s.true_first DESC NULLS LAST, s.id DESC LIMIT %(limit)s OFFSET %(offset)s"
    return store.rows(tx, text, bound)


routes = [public_page, public_statement_page]
