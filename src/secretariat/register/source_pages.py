"""Sources for people: captures and their hashes, the whole captured text with every span, and what cites it.

The captured text is shown on this node's pages and is in no download: it never leaves the node
(decisions.md 7).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.errors import NotFoundError
from secretariat.people.model import Permission
from secretariat.register import sources, store
from secretariat.register.model import Row, View
from secretariat.register.screens import address_of, markings_of, sections, view_of
from secretariat.register.wording import KIND_WORDS, SOURCE_WORDS, STATUS_WORDS, word_of
from secretariat.storage.engine import raw
from secretariat.web.routing import page
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

    from secretariat.register.sources import Capture

WINDOW = 60_000
"""Letters of a captured text on one page."""
PAGE = 200


@page("/register/sources", Permission.READ_REGISTER)
def sources_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the sources as of the bar, newest first: what they are, and whether they were captured here."""
    screen = screen_of(request)
    view = view_of(screen)
    words, kind = screen.query.get("q", "").strip()[:200], screen.query.get("kind", "")
    text = screen.query.get("page", "1")
    number = max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else 1
    with screen.transaction() as tx:
        found = store.statements(
            tx,
            view,
            types=["sct-source"],
            words=words,
            newest=True,
            limit=PAGE + 1,
            offset=(number - 1) * PAGE,
        )
        held = captured(tx, [one.stix_id for one in found])
    rows = [
        {
            "address": address_of(one),
            "key": one.key,
            "date": one.true_from or "",
            "title": one.title,
            "lang": one.body.get("lang") or "en",
            "publisher": one.body.get("publisher") or "",
            "kind": word_of(SOURCE_WORDS, one.says),
            "captures": held.get(one.stix_id, (0, 0))[0],
            "changed": held.get(one.stix_id, (0, 0))[1] > 0,
            "url": one.body.get("url") or "",
        }
        for one in found[:PAGE]
        if not kind or one.says == kind
    ]
    table = Table(
        "sources",
        (
            Column("date", _("Date")),
            Column("title", _("Source")),
            Column("publisher", _("Publisher")),
            Column("kind", _("What kind of source")),
            Column("lang", _("Language")),
            Column("captures", _("Captured"), number=True),
            Column("key", _("Register key")),
        ),
        rows,
    ).sorted_by(screen.query)
    return screen.answer(
        "register/sources.html",
        [table],
        markings=markings_of(found[:PAGE]),
        section="timeline",
        sections=sections(),
        words=words,
        number=number,
        more=len(found) > PAGE,
    )


@page("/register/sources/{key:str}", Permission.READ_REGISTER)
def source_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show one source: its captures, what cites it, and its captured text with all spans."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        found = [one for one in store.by_key(tx, key, view) if one.type == "sct-source"]
        if not found:
            if screen.bar.is_now:
                raise NotFoundError(f"no source {key[:80]!r} stands here")
            return screen.answer(
                "register/unknown.html", [], status=404, key=key, section="timeline", sections=sections()
            )
        row = found[0]
        every = [
            one
            for one in sources.captures(tx, row.stix_id, address=row.body.get("url"))
            if view.recorded_by is None or one.captured_at <= view.recorded_by
        ]
        citing = citing_of(tx, row.stix_id, view)
    own = [one for one in every if one.source_id == row.stix_id and one.text is not None]
    chosen = screen.query.get("capture", "")
    shown = next((one for one in own if str(one.id) == chosen), own[0] if own else None)
    spans = _spans(row, citing, shown)
    text = screen.query.get("from", "0")
    start = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return screen.answer(
        "register/source.html",
        [],
        markings=markings_of([row, *citing]),
        section="timeline",
        sections=sections(),
        row=row,
        captures=every,
        shown=shown,
        changed=len({one.sha256 for one in every}) > 1,
        citing=citing,
        spans=spans,
        pieces=pieces(shown.text or "", spans, start, start + WINDOW) if shown else [],
        start=start,
        total=len(shown.text or "") if shown else 0,
        window=WINDOW,
        address=address_of,
        digest="-".join([*(str(one.id) for one in every), *(str(one.id) for one in citing)]),
        source_word=word_of(SOURCE_WORDS, row.says),
        kind_word=lambda one: word_of(KIND_WORDS, one),
        status_word=lambda one: word_of(STATUS_WORDS, one),
    )


def captured(tx: sa.Connection, source_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Give for each source how many captures stand here, and how many differ from an older one."""
    found = raw(tx).execute(
        "SELECT source_id, count(*), count(changed_from) FROM register_source WHERE source_id = ANY(%s)"
        " GROUP BY source_id",
        (list(source_ids),),
    )
    return {source: (count, changed) for source, count, changed in found}


def citing_of(tx: sa.Connection, source_id: str, view: View) -> list[Row]:
    """Give the statements that the question sees and that cite a source, by day of truth."""
    found = store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM {store.live(view, announced=True)} AND s.type <> 'sct-source'"
        " AND EXISTS (SELECT 1 FROM object_version o WHERE o.id = s.id"
        " AND position(convert_to(%(source)s, 'UTF8') IN o.bytes) > 0)"
        " ORDER BY s.true_first NULLS LAST, s.id LIMIT 1000",
        {**view.bound(), "source": source_id},
    )
    return [one for one in found if any(cite["source_ref"] == source_id for cite in one.cites)]


def _spans(row: Row, citing: Iterable[Row], shown: Capture | None) -> list[dict[str, Any]]:
    """Give every span that is cited, with whether it stands in the capture shown, by place."""
    found: dict[tuple[int | None, str], dict[str, Any]] = {}
    text = "" if shown is None else shown.text or ""
    for one in citing:
        for cite in one.cites:
            if cite["source_ref"] != row.stix_id or "quote" not in cite:
                continue
            quote = cite["quote"]
            start = cite.get("start")
            if start is None or text[start : start + len(quote)] != quote:
                at = text.find(quote)
                start = at if at >= 0 else None
            entry = found.setdefault(
                (start, quote),
                {
                    "start": start,
                    "end": None if start is None else start + len(quote),
                    "quote": quote,
                    "by": [],
                },
            )
            entry["by"].append(one)
    return sorted(found.values(), key=lambda one: (one["start"] is None, one["start"] or 0))


def pieces(text: str, spans: Sequence[dict[str, Any]], first: int, last: int) -> list[dict[str, Any]]:
    """Cut a stretch of the text where spans begin and end; each piece knows the spans over it."""
    last = min(last, len(text))
    inside = [one for one in spans if one["start"] is not None and one["end"] > first and one["start"] < last]
    turns = sorted(
        {
            first,
            last,
            *(min(max(place, first), last) for one in inside for place in (one["start"], one["end"])),
        }
    )
    return [
        {
            "text": text[begin:end],
            "start": begin,
            "over": [one for one in inside if one["start"] < end and one["end"] > begin],
            "begins": [one for one in inside if max(one["start"], first) == begin],
        }
        for begin, end in pairwise(turns)
    ]


routes = [sources_page, source_page]
