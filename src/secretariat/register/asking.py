"""What the commands of the Register share: the options of a question, the node they ask, rows as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import AsOf, now

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node
    from secretariat.register.boards import Board
    from secretariat.register.model import Row, View

TrueOn = Annotated[str, typer.Option("--true-on", help="Day or moment asked about. Default: now.")]
KnownBy = Annotated[
    str, typer.Option("--known-by", help="With what was known by then. Default: everything known.")
]
RecordedBy = Annotated[
    str,
    typer.Option("--recorded-by", help="With what this node had recorded by a day or a position of its log."),
]
Publicly = Annotated[bool, typer.Option("--publicly", help="By what was publicly known, not known to us.")]
Parties = Annotated[
    list[str] | None,
    typer.Option("--party", help="Only what concerns this party; repeat for several at once."),
]
Zone = Annotated[str, typer.Option("--zone", help="Zone in which a day ends. Default: the node's.")]
Key = Annotated[str, typer.Argument(help="Key or STIX id of a statement.")]
Most = Annotated[int, typer.Option("--limit", help="At most so many lines.", min=1, max=10_000)]
PAGE = 100


class Asked:
    """An open node and the question that the options make."""

    def __init__(self, node: Node, tx: sa.Connection, view: View) -> None:
        self.node = node
        self.tx = tx
        self.view = view


@contextmanager
def asking(
    data: Path,
    realm: str,
    true_on: str,
    known_by: str,
    recorded_by: str,
    parties: Sequence[str] | None,
    *,
    publicly: bool = False,
    zone: str = "",
) -> Iterator[Asked]:
    """Open the node for reading and make the question. Refuses days and positions that cannot be."""
    with node_at(data) as node, node.database.app(realm) as tx:
        yield Asked(
            node,
            tx,
            view_of(
                tx,
                node,
                true_on,
                known_by,
                recorded_by,
                parties,
                publicly=publicly,
                zone=zone,
            ),
        )


def view_of(
    tx: sa.Connection,
    node: Node,
    true_on: str,
    known_by: str,
    recorded_by: str,
    parties: Sequence[str] | None,
    *,
    publicly: bool = False,
    zone: str = "",
) -> View:
    """Make the question that options ask."""
    from secretariat.ledger import service as ledger
    from secretariat.register.model import View
    from secretariat.web.asof import zone_named

    shown = zone_named(zone) if zone else node.settings.zone
    position: int | None = None
    recorded: datetime | None = None
    if recorded_by.isdecimal() and len(recorded_by) != len("2012"):
        position = int(recorded_by)
        recorded = ledger.entry(tx, position).recorded_at
    else:
        recorded = moment(recorded_by, "--recorded-by", shown)
    as_of = AsOf(
        true_on=moment(true_on, "--true-on", shown),
        known_by=moment(known_by, "--known-by", shown),
        recorded_by=recorded,
        position=position,
        public=publicly,
        zone=shown,
    )
    return View.of(
        as_of,
        now=now(),
        zone=shown,
        parties=tuple(parties or ()),
        own=node.party,
        lag_days=node.settings.lag_days,
    )


def bare(view: View) -> View:
    """Give the question without its parties: what another statement refers to may concern others."""
    return msgspec.structs.replace(view, parties=())


def moment(text: str, option: str, zone: str) -> datetime | None:
    """Read a day (its end in `zone`; a month and a year end with their last day) or a moment."""
    from secretariat.base.clock import end_of_day
    from secretariat.register.times import parse

    if not text:
        return None
    found = parse(text, where=option)
    return found.at if found.at is not None else end_of_day(found.last, zone)


# --- as data --------------------------------------------------------------------------------------------


def as_data(row: Row, view: View) -> dict[str, Any]:
    """Give a statement as the commands print it: its object's members, and its times at this node."""
    kept = {
        name: value
        for name, value in row.body.items()
        if name not in {"extensions", "spec_version", "created_by_ref", "type"}
    }
    return {
        **kept,
        "state": row.state(view),
        "known": row.known if row.known_exact else row.known_day,
        "recorded_at": row.recorded_at,
        "position": row.position,
        "originator": row.originator,
    }


def sources_data(sources: dict[str, Row]) -> list[dict[str, Any]]:
    """Give sources as references."""
    return [source_data(one) for one in sources.values()]


def source_data(one: Row) -> dict[str, Any]:
    """Give a source as a reference."""
    names = ("title", "publisher", "url", "source_kind", "lang")
    found = {name: one.body[name] for name in names if name in one.body}
    return {"key": one.key, "date": one.true_from, **found}


def cites_data(row: Row, sources: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Give where a statement is said: the sources, and the exact words with offsets where it has them."""
    found: list[dict[str, Any]] = []
    for cite in row.cites:
        source = sources.get(cite["source_ref"])
        if source is not None:
            words = {name: cite[name] for name in ("quote", "start", "end") if name in cite}
            found.append(source_data(source) | words | {"source": source.key, "cited_by": row.key})
    return found


def cite_lines(row: Row, sources: Mapping[str, Row], *, indent: int = 13) -> list[str]:
    """Give the same as lines of text; a statement without a source says so."""
    found = cites_data(row, sources)
    if not found:
        return [f"{'':{indent}}no source is named"]
    return [f"{'':{indent}}{cite_line(one)}" for one in found]


def cite_line(one: Mapping[str, Any]) -> str:
    """Give one source as a line of text, with the words it says and where they stand."""
    said = f' "{one["quote"]}"' if one.get("quote") else ""
    span = f" [{one['start']}-{one['end']}]" if one.get("start") is not None else ""
    publisher = one.get("publisher", "")
    return f"source {one['key']} {one['date'] or 'undated'} {publisher}: {one['title']}{said}{span}"


def question_data(view: View) -> dict[str, Any]:
    """Give the question that was asked."""
    return {
        "true_on": view.day,
        "known_by": view.known_day,
        "recorded_by": view.position if view.position is not None else view.recorded_by,
        "publicly": view.public,
        "parties": list(view.parties),
        "zone": view.zone,
    }


def line_of(row: Row) -> str:
    """Give a statement as one line."""
    return f"{row.true_from or 'undated':<11} {row.key:<34} {row.title}"


def more_of(board: Board[Any]) -> list[str]:
    """Say how many lines of a board are not shown."""
    rest = board.total - len(board.lines)
    return [f"… and {rest} more"] if rest > 0 else []
