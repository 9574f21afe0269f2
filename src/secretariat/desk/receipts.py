"""Who did what with one object, version by version; and what this party owes by when.

The matrix says of each holder, by its own signed word, whether it destroyed, returned or keeps a version by
law, whom it passed it on to, since when it is silent, and since when its answer is overdue by which article.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants
from secretariat.agreements.facts import whole_book
from secretariat.agreements.wording import deed_word
from secretariat.base.clock import now
from secretariat.base.errors import NotFoundError
from secretariat.desk import store
from secretariat.exchange import further
from secretariat.exchange import store as exchange
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web import charts
from secretariat.web.routing import page
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from secretariat.base.clock import AsOf
    from secretariat.exchange.model import Holding
    from secretariat.records.store import Stored
    from secretariat.web.screen import Screen

EVERYBODY = "*"
GONE = frozenset({"destroyed", "returned", "gone", "refused"})
NO_WORD = "no receipt yet"
WORDS = {
    "asked": mark("asked"),
    "overdue": mark("overdue"),
    "received": mark("received"),
    "own": mark("own"),
    "destroyed": mark("destroyed"),
    "returned": mark("returned"),
    "kept-by-law": mark("kept by law"),
    "cannot-answer": mark("cannot answer"),
    "quarantined": mark("quarantined"),
    "waiting": mark("waiting"),
    "disputed": mark("disputed"),
    "refused": mark("refused"),
    "gone": mark("gone"),
    "lost": mark("reported lost"),
    NO_WORD: mark("no receipt yet"),
}
"""What a holder says in one word; any other is shown as it is written."""


def _cell(one: Holding, moment: datetime, term: timedelta) -> dict[str, Any]:
    """Say what one holder did with one version, and since when its answer is overdue."""
    due = one.due or (one.at + term if one.state == "asked" else None)
    late = one.state == "asked" and due is not None and due < moment
    return {
        "state": "overdue" if late else one.state,
        "at": one.at,
        "due": due if one.state == "asked" else None,
        "article": one.article,
        "note": one.note or "",
        "via": one.via,
    }


def _rows(
    tx: Connection, versions: list[Stored], as_of: AsOf, moment: datetime, term: timedelta
) -> list[dict[str, Any]]:
    """Give one line per holder: its word on each version, and whom it passed any of them on to."""
    asked = {one.root: str(one.id) for one in versions if one.root is not None}
    rows: dict[str, dict[str, Any]] = {}
    granted = grants.classes_of(
        tx, [one.id for one in versions], recorded_by=as_of.earliest, position=as_of.position
    )
    for number, classes in granted.items():
        for grant in classes:
            if grant.lapsed_at is None and not as_of.public:
                new = {"holder": grant.recipient, "cells": {}, "passed": []}
                line = rows.setdefault(grant.recipient, new)
                line["cells"].setdefault(
                    str(number),
                    {
                        "state": NO_WORD,
                        "at": None,
                        "due": None,
                        "article": "",
                        "note": "",
                        "via": "",
                    },
                )
    held = exchange.read_holdings(tx, list(asked), as_of)
    losses = store.losses_of(tx, list(asked), as_of)
    for one in held:
        line = rows.setdefault(one.holder, {"holder": one.holder, "cells": {}, "passed": []})
        cell = _cell(one, moment, term)
        line["cells"][asked[one.root]] = {**cell, "lost": losses.get((one.root, one.holder))}
    for one in held:
        if one.via not in {one.holder, ""} and one.via in rows and one.holder not in rows[one.via]["passed"]:
            rows[one.via]["passed"].append(one.holder)
    for line in rows.values():
        line["below"] = _answered_for(rows, line["passed"])
        line["named"] = [one for one in line["passed"] if not further.is_further(one)]
    return [rows[holder] for holder in sorted(rows)]


def _answered_for(rows: dict[str, dict[str, Any]], passed: list[str]) -> dict[str, Any]:
    """Sum up for how many holders without a name a relay answers, and how many are silent since when."""
    nameless = [rows[one] for one in passed if further.is_further(one)]
    waits = [
        [cell["at"] for cell in line["cells"].values() if cell["state"] in {"asked", "overdue"}]
        for line in nameless
    ]
    silent = [at for asked in waits for at in asked]
    return {"count": len(nameless), "silent": sum(map(bool, waits)), "since": min(silent, default=None)}


def _table(rows: list[dict[str, Any]], versions: list[Stored]) -> Table:
    def flat(line: dict[str, Any]) -> dict[str, Any]:
        cells = line["cells"].values()
        late = [one["due"] for one in cells if one["state"] == "overdue"]
        return {
            **line,
            **{str(one.id): line["cells"].get(str(one.id), {}).get("state", "") for one in versions},
            "passed_on": ", ".join(line["passed"]),
            "debtor": further.debtor(line["holder"]),
            "at": max((one["at"] for one in cells if one["at"] is not None), default=None),
            "overdue": min(late, default=None),
            "article": ", ".join(sorted({one["article"] for one in cells if one["article"]})),
            "lost": "; ".join(sorted({one["lost"].note for one in cells if one.get("lost")})),
        }

    return Table(
        "matrix",
        (
            Column("holder", _("Holder")),
            *(Column(str(one.id), one.version.strftime("%Y-%m-%d %H:%M:%SZ")) for one in versions),
            Column("passed_on", _("Passed on to")),
            Column("debtor", _("Who answers")),
            Column("at", _("Last word")),
            Column("overdue", _("Overdue since")),
            Column("article", _("Under article")),
            Column("lost", _("Reported lost")),
        ),
        [flat(line) for line in rows],
    )


def _way(screen: Screen, rows: list[dict[str, Any]], first: Stored) -> Any:
    """Draw the way of the object from its originator through the holders, each with its newest state."""
    if not rows:
        return None
    via: dict[str, str] = {}
    states: dict[str, str] = {}
    for line in rows:
        newest = max(line["cells"].values(), key=lambda one: (one["at"] is not None, str(one["at"])))
        by = newest["via"]
        via[line["holder"]] = by if by not in {line["holder"], ""} else screen.party
        states[line["holder"]] = newest["state"]
    start = 0 if first.originator == screen.party else 1

    def depth(party: str, seen: frozenset[str] = frozenset()) -> int:
        if party not in via or party in seen:
            return start
        return 1 + depth(via[party], seen | {party})

    nodes = [charts.Node(screen.party, start, _("this party"), screen.party)]
    if start:
        nodes.insert(0, charts.Node(first.originator, 0, _("Originator"), first.originator))
    nodes += [
        charts.Node(
            key=party,
            column=depth(party),
            kind=state_word(states[party]),
            name=_name(party),
            faint=states[party] in GONE,
        )
        for party in via
        if party not in {screen.party, first.originator}
    ]
    edges = [charts.Edge(sender, party, state_word(states[party])) for party, sender in via.items()]
    if start:
        edges.append(charts.Edge(first.originator, screen.party, ""))
    return charts.graph(nodes, edges, title=_("The way of the object; the table says the same"))


def _name(holder: str) -> str:
    if further.is_further(holder):
        return _("further down")
    return _("everybody") if holder == EVERYBODY else holder


def state_word(state: str) -> str:
    """Give the word for a holder's state in the page's language."""
    return _(WORDS[state]) if state in WORDS else state


@page("/reports/{stix_id:str}/receipts", Permission.READ_REPORTS)
def matrix_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show, holder by holder and version by version, what became of one object."""
    screen = screen_of(request)
    as_of = screen.bar.as_of
    moment = as_of.earliest or now()
    term = timedelta(seconds=screen.node.settings.limits.receipt_due_s)
    with screen.transaction() as tx:
        versions = records.versions(tx, stix_id)
        if not versions:
            raise NotFoundError(_("no such report here"), where=stix_id[:100], advice=_("look in Reports"))
        newest = versions[0]
        shown = [one for one in versions if not one.revoked and one.root is not None]
        rows = _rows(tx, shown, as_of, moment, term)
        hosts = grants.hosts(tx)
    line = store.line_of(newest)
    return screen.answer(
        "desk/matrix.html",
        [_table(rows, shown)],
        markings=[line.marking],
        line=line,
        versions=[{"key": str(one.id), "version": one.version} for one in shown],
        hosts=hosts,
        picture=_way(screen, rows, newest),
        NO_WORD=NO_WORD,
        moment=moment,
    )


@page("/ledger/duties", Permission.READ_LEDGER)
def duties_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what this party owes by when and by which article, and which answers it is owed."""
    screen = screen_of(request)
    moment = now()
    term = timedelta(seconds=screen.node.settings.limits.receipt_due_s)
    with screen.transaction() as tx:
        ours = exchange.open_duties(tx) if screen.bar.is_now else []
        theirs = exchange.owed(tx, term) if screen.bar.is_now else []
        zones = {key: one.timezone for key, one in whole_book(tx).instruments.items()}
    table = Table(
        "duties",
        (
            Column("due", _("Due")),
            Column("deed", _("What")),
            Column("article", _("Article")),
            Column("zone", _("Days counted in")),
            Column("owed_to", _("Owed to")),
            Column("objects", _("Objects"), number=True),
        ),
        [
            {
                "due": one.due,
                "deed": deed_word(one.duty),
                "duty": one.duty,
                "article": one.article,
                "zone": zones.get(one.article.partition("/")[0], "UTC"),
                "owed_to": one.owed_to,
                "objects": one.objects,
                "late": one.due is not None and one.due < moment,
            }
            for one in ours
        ],
    ).sorted_by(screen.query)
    answers = Table(
        "answers",
        (
            Column("due", _("Due")),
            Column("holder", _("Holder")),
            Column("objects", _("Objects"), number=True),
            Column("asked", _("Asked")),
            Column("further", _("For holders further down"), number=True),
            Column("article", _("Article")),
        ),
        [
            {
                "due": one.due,
                "holder": one.holder,
                "objects": one.objects,
                "asked": one.asked,
                "further": one.further,
                "article": one.article,
                "late": one.due < moment,
            }
            for one in theirs
        ],
    )
    return screen.answer("desk/duties.html", [table, answers], moment=moment)


routes = [matrix_page, duties_page]
