"""Reports: the list, and one report with its objects, graph, versions, holders and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import grants, sponsoring
from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.marking import TLP_ORDER, Marking
from secretariat.desk import store
from secretariat.desk.model import (
    COLUMNS,
    QUIET_TYPES,
    REPORT_TYPES,
    Line,
    Relation,
    name_of,
    relations_of,
)
from secretariat.exchange import store as exchange
from secretariat.ledger.people_pages import whole
from secretariat.ledger.property_tree import left_out_of
from secretariat.people import service as people
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.records.extensions import correction_of
from secretariat.records.markings import label_of, marking_refs
from secretariat.web import charts
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.base.clock import AsOf
    from secretariat.records.store import Stored

STATES = ("draft", "published", "kept", "partial", "quarantined", "waiting", "disputed", "withdrawn")
WORDS_MAX = 200
EVERYBODY = "*"


def _list_table(lines: list[Line], screen: Screen) -> Table:
    return Table(
        "reports",
        (
            Column("name", _("Report")),
            Column("marking", _("Marking")),
            Column("state", _("State")),
            Column("originator", _("Originator")),
            Column("source", _("From")),
            Column("members", _("Objects"), number=True),
            Column("version", _("Version of")),
            Column("known_at", _("Known")),
        ),
        [
            {
                "stix_id": line.stix_id,
                "type": line.type,
                "name": line.name,
                "language": line.language,
                "tlp": line.marking.tlp,
                "level": line.marking.level,
                "marking": " ".join(
                    word
                    for word in (f"TLP:{line.marking.tlp}" if line.marking.tlp else "", line.marking.level)
                    if word
                ),
                "state": "withdrawn" if line.revoked else line.state,
                "originator": line.originator,
                "source": line.source,
                "members": line.members,
                "version": line.version,
                "known_at": line.known_at,
            }
            for line in lines
        ],
    ).sorted_by(screen.query)


@page("/reports", Permission.READ_REPORTS)
def reports_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List reports with filters; objects of one kind when asked."""
    screen = screen_of(request)
    query = screen.query
    words = query.get("q", "").strip()
    if len(words) > WORDS_MAX or "\x00" in words:
        raise InputError(f"a search has at most {WORDS_MAX} letters", where="q")
    chosen = {
        "kind": query.get("kind", ""),
        "state": query.get("state", ""),
        "tlp": query.get("tlp", ""),
        "originator": query.get("originator", ""),
    }
    with screen.transaction() as tx:
        lines = store.reports(
            tx,
            as_of=screen.bar.as_of,
            words=words,
            kind=chosen["kind"][:64],
            state=chosen["state"] if chosen["state"] in STATES else "",
            tlp=chosen["tlp"] if chosen["tlp"] in TLP_ORDER else "",
            originator=chosen["originator"][:64],
            before=whole(query.get("before")),
            limit=store.PAGE + 1,
        )
        kinds = [kind for kind in store.kinds(tx) if kind not in REPORT_TYPES]
        originators = store.originators(tx)
    more = lines[store.PAGE - 1].id if len(lines) > store.PAGE else None
    lines = lines[: store.PAGE]
    return screen.answer(
        "desk/reports.html",
        [_list_table(lines, screen)],
        markings=[line.marking for line in lines],
        words=words,
        kinds=kinds,
        originators=originators,
        states=STATES,
        tlps=TLP_ORDER,
        chosen=chosen,
        filtered=bool(words or any(chosen.values())),
        more=more,
        before=query.get("before"),
    )


@page("/reports/{stix_id:str}", Permission.READ_REPORTS)
def report_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show one report, or any object, and note in the read log that it was shown."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        stored = store.as_of_version(tx, stix_id, screen.bar.as_of)
        if stored is None:
            raise NotFoundError(
                "no such report here, or not by then", where=stix_id[:100], advice="look in Reports"
            )
        if screen.visitor is not None:
            people.note_read(tx, who=screen.visitor.login, subject=stix_id, page=screen.path, now=now())
        return _report(screen, tx, stored)


def _report(screen: Screen, tx: Connection, stored: Stored) -> Response[Any]:
    obj = stored.object()
    members = [ref for ref in obj.get("object_refs", []) if isinstance(ref, str)]
    wanted = members if stored.type in REPORT_TYPES else _neighbours(obj)
    found = store.as_of_versions(tx, wanted, screen.bar.as_of) if wanted else {}
    objects = {stored.stix_id: stored, **found}
    lines = [store.line_of(one) for one in found.values() if one.type not in QUIET_TYPES]
    lines.sort(key=lambda line: (COLUMNS.get(line.type, 2), line.type, line.name))
    relations = [
        relation
        for one in objects.values()
        for relation in relations_of(one.object())
        if relation.source in objects and relation.target in objects
    ]
    names = {key: name_of(one.object()) for key, one in objects.items()}
    versions = store.versions(tx, stored.stix_id, screen.bar.as_of)
    accounts = store.pointing_at(tx, stored.stix_id, screen.bar.as_of)
    shown = [*lines, store.line_of(stored)]
    holders = _holders(tx, [stored, *found.values()], screen.bar.as_of)
    disputed = _disputed(tx, stored.stix_id, screen.bar.as_of)
    return screen.answer(
        "desk/report.html",
        [
            _objects_table(lines, screen),
            _relations_table(relations, names),
            _versions_table(versions),
            holders,
        ],
        markings=[*(line.marking for line in shown), *(one.marking for one in disputed)],
        disputed=disputed,
        line=store.line_of(stored),
        obj=obj,
        picture=_picture(screen, lines, relations, stored),
        absent=len([ref for ref in members if ref not in found]),
        quiet=len(found) - len(lines),
        accounts=[store.line_of(one) for one in accounts],
        hosts=grants.hosts(tx),
        is_own=stored.originator == screen.party,
        is_report=stored.type in REPORT_TYPES,
        texts=_texts(obj),
        source=_source(tx, stored, [row["holder"] for row in holders.rows], screen),
        correction=correction_of(obj),
        left_out=left_out_of(stored.salt) if stored.state == "partial" else [],
    )


class Other(msgspec.Struct, frozen=True):
    """Another content under the same id and version, as its page shows it."""

    said: exchange.Disputed
    obj: dict[str, Any]
    marking: Marking


def _disputed(tx: Connection, stix_id: str, as_of: AsOf) -> list[Other]:
    """Give the other contents that originators signed under a version of it; unmarked ones are RED."""
    found = exchange.read_disputed(tx, stix_id, as_of)
    values: list[dict[str, Any]] = [msgspec.json.decode(one.data) for one in found]
    refs = {ref for value in values for ref in marking_refs(value)}
    known = {one.stix_id: one.object() for one in records.latest(tx, sorted(refs)).values()} if refs else {}
    others = []
    for one, value in zip(found, values, strict=True):
        label = label_of(value, known, one.originator, "RED")
        others.append(Other(one, value, Marking.of(label.tlp, label.scheme, label.level, label.orig)))
    return others


def _source(tx: Connection, stored: Stored, partners: list[str], screen: Screen) -> dict[str, Any] | None:
    """Say to whoever may release whom it comes from, and under which name each holder may ask back."""
    found = sponsoring.sources_of(tx, [stored.stix_id]).get(stored.stix_id)
    if found is None or not screen.may(Permission.PROPOSE_RELEASE) or not screen.acts:
        return None
    names = {one: sponsoring.pseudonym(tx, found.source, one) for one in partners if one != EVERYBODY}
    return {"name": found.source, "names": names}


def _neighbours(obj: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(r.target if r.source == obj.get("id") else r.source for r in relations_of(obj)))


def _texts(obj: dict[str, Any]) -> list[tuple[str, str]]:
    """Pick the texts of an object that people read as texts."""
    keys = ("description", "content", "pattern", "explanation", "abstract")
    return [(key, obj[key]) for key in keys if isinstance(obj.get(key), str)]


def _objects_table(lines: list[Line], screen: Screen) -> Table:
    return Table(
        "objects",
        (
            Column("type", _("Kind")),
            Column("name", _("Name")),
            Column("marking", _("Marking")),
            Column("originator", _("Originator")),
            Column("state", _("State")),
            Column("version", _("Version of")),
        ),
        [
            {
                "stix_id": line.stix_id,
                "type": line.type,
                "name": line.name,
                "language": line.language,
                "tlp": line.marking.tlp,
                "level": line.marking.level,
                "marking": f"TLP:{line.marking.tlp}" if line.marking.tlp else line.marking.level or "",
                "originator": line.originator,
                "state": "withdrawn" if line.revoked else line.state,
                "version": line.version,
            }
            for line in lines
        ],
    ).sorted_by(screen.query)


def _relations_table(relations: list[Relation], names: dict[str, str]) -> Table:
    return Table(
        "relations",
        (Column("source", _("Begins at")), Column("word", _("Relation")), Column("target", _("Leads to"))),
        [
            {
                "source_id": one.source,
                "source": names[one.source],
                "word": one.word,
                "target_id": one.target,
                "target": names[one.target],
            }
            for one in relations
        ],
    )


def _versions_table(versions: list[Stored]) -> Table:
    return Table(
        "versions",
        (
            Column("version", _("Version of")),
            Column("originator", _("Originator")),
            Column("state", _("State")),
            Column("known_at", _("Known")),
            Column("recorded_at", _("Recorded")),
            Column("root", _("Root")),
            Column("reason", _("Corrects the one before")),
        ),
        [
            {
                "version": one.version,
                "originator": one.originator,
                "state": "withdrawn" if one.revoked else one.state,
                "known_at": one.known_at,
                "recorded_at": one.recorded_at,
                "root": one.root.hex() if one.root else None,
                "reason": said.reason if (said := correction_of(one.object())) is not None else "",
            }
            for one in versions
        ],
    )


def _holders(tx: Connection, versions: list[Stored], as_of: AsOf) -> Table:
    """Join what was granted with what holders signed that they did, by the times asked about."""
    granted = grants.classes_of(
        tx, [one.id for one in versions], recorded_by=as_of.earliest, position=as_of.position
    )
    roots = [one.root for one in versions if one.root is not None]
    rows: dict[str, dict[str, Any]] = {}

    def row(holder: str) -> dict[str, Any]:
        return rows.setdefault(
            holder,
            {
                "holder": holder,
                "granted": 0,
                "articles": [],
                "entry": None,
                "states": {},
                "via": set(),
                "at": None,
            },
        )

    for classes in granted.values():
        for one in classes:
            if as_of.public and one.recipient != EVERYBODY:
                continue
            line = row(one.recipient)
            line["granted"] += 1
            line["articles"] = list(dict.fromkeys([*line["articles"], *one.articles]))
            line["entry"] = one.entry
    for holding in exchange.read_holdings(tx, roots, as_of):
        line = row(holding.holder)
        line["states"][holding.state] = line["states"].get(holding.state, 0) + 1
        line["via"].add(holding.via)
        line["at"] = holding.at if line["at"] is None else max(line["at"], holding.at)
    found = [
        {
            **line,
            "articles": line["articles"],
            "receipt": ", ".join(f"{state} {count}" for state, count in sorted(line["states"].items())),
            "via": ", ".join(sorted(name for name in line["via"] if name and name != line["holder"])),
        }
        for line in rows.values()
    ]
    return Table(
        "holders",
        (
            Column("holder", _("Holder")),
            Column("granted", _("Granted"), number=True),
            Column("articles", _("Articles")),
            Column("receipt", _("Receipts")),
            Column("via", _("Told by")),
            Column("at", _("Last receipt")),
            Column("entry", _("Entry"), number=True),
        ),
        sorted(found, key=lambda line: str(line["holder"])),
    )


def _picture(screen: Screen, lines: list[Line], relations: list[Relation], stored: Stored) -> Any:
    linked = {end for one in relations for end in (one.source, one.target)}
    nodes = [
        charts.Node(
            key=line.stix_id,
            column=COLUMNS.get(line.type, 2),
            kind=line.type,
            name=line.name,
            href=screen.href(f"/reports/{line.stix_id}"),
            faint=line.revoked,
        )
        for line in lines
        if line.stix_id in linked
    ]
    if stored.stix_id in linked:
        own = store.line_of(stored)
        nodes.append(charts.Node(own.stix_id, COLUMNS.get(own.type, 2), own.type, own.name))
    if len(nodes) < 2:
        return None
    edges = [charts.Edge(one.source, one.target, one.word) for one in relations]
    return charts.graph(nodes, edges, title=_("Graph of the objects; the table of relations says the same"))


routes = [reports_page, report_page]
