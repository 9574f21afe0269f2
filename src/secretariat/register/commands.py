"""`secretariat register …`: the questions of a desk officer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.register.asking import (
    PAGE,
    Key,
    KnownBy,
    Most,
    Parties,
    Publicly,
    RecordedBy,
    TrueOn,
    Zone,
    as_data,
    asking,
    bare,
    cite_line,
    cite_lines,
    cites_data,
    line_of,
    more_of,
    question_data,
    source_data,
    view_of,
)

if TYPE_CHECKING:
    from secretariat.register.boards import Board
    from secretariat.register.model import Row, View

commands = typer.Typer(
    help="What was agreed, what moves, what is silent, what is done twice.", no_args_is_help=True
)


@commands.command("status")
def status_command(
    key: Key,
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    json: Json = False,
) -> None:
    """Say how a statement stands on a day by what was known then, with the evidence, accounts and sources."""
    from secretariat.register import questions
    from secretariat.register.store import statements

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        answer = questions.status(asked.tx, key, asked.view)
        view = asked.view
        ends = sorted({end for one in answer.relations for end in (one.about, one.other) if end})
        related = {one.stix_id: one.key for one in statements(asked.tx, bare(view), ids=ends)} if ends else {}
    cited = [
        {
            **source_data(one.source),
            "cited_by": one.by,
            **({} if one.quote is None else {"quote": one.quote, "start": one.start, "end": one.end}),
        }
        for one in answer.sources
    ]
    marks = () if answer.standing is None else answer.standing.marks
    sums = [] if answer.standing is None else [answer.standing.overdue, answer.standing.lagging]
    relations = [_relation(one, answer.row, related) for one in answer.relations]
    result = {
        "key": answer.key,
        "question": question_data(view),
        "state": answer.state,
        "answer": answer.words,
        "checked": answer.checked,
        "statement": None if answer.row is None else as_data(answer.row, view),
        "evidence": [
            {
                "key": one.row.key,
                "says": one.says,
                "on": one.on,
                "known": one.row.known_day,
                "counts": not one.why_not,
                "why_not": one.why_not or None,
                "party": one.row.originator,
            }
            for one in marks
        ],
        "sums": [one.sum for one in sums if one is not None],
        "accounts": [
            {"by": one.by[0], "position": one.says, "text": one.body.get("text"), "party": one.originator}
            for one in answer.accounts
        ],
        "absences": [
            {
                "key": one.row.key,
                "as_of": one.as_of,
                "looked_by": one.looked_by,
                "looked_in": one.looked_in,
            }
            for one in answer.absences
        ],
        "acts": [
            {
                "key": one.key,
                "title": one.title,
                "on": one.true_from,
                "known": one.known_day,
                "act": one.says,
                "parties": one.by or one.parties,
                "party": one.originator,
            }
            for one in answer.acts
        ],
        "relations": relations,
        "also_stated_by": [as_data(one, view) for one in answer.others],
        "near": [{"key": one.key, "title": one.title} for one in answer.near],
        "superseded_by": [one.key for one in answer.superseded_by],
        "sources": cited,
        "rests_on": answer.rests_on,
    }
    own = "" if answer.row is None else answer.row.originator
    lines = [answer.words]
    lines += [
        f"  evidence {one.row.key}: {one.says} on {one.on}{_whose(one.row, own)}"
        + (f" (does not count: {one.why_not})" if one.why_not else "")
        for one in marks
    ]
    lines += [
        f"  act {one.true_from} {one.key}: {one.title} ({', '.join(one.by or one.parties)}){_whose(one, own)}"
        for one in answer.acts
    ]
    lines += [
        f"  account of {one.by[0]} ({one.says}){_whose(one, own)}: {one.body.get('text', '')}"
        for one in answer.accounts
    ]
    lines += [f"  also stated by {one.originator}: {line_of(one)}" for one in answer.others]
    lines += [
        f"  {one['says']} {one['ref']} ({one['party']}): {one['reason'] or 'no reason given'}"
        for one in relations
    ]
    lines += [f"  {line_of(one)}" for one in answer.near]
    lines += list(dict.fromkeys(f"  {cite_line(one)}" for one in cited))
    emit(result, "\n".join(lines), json=json)


def _whose(row: Row, own: str) -> str:
    """Say whose statement it is, where another party's."""
    return "" if row.originator == own else f", stated by {row.originator}"


def _relation(one: Row, row: Row | None, keys: Mapping[str, str]) -> dict[str, Any]:
    """Give a relation as seen from one of its ends."""
    away = one.about if row is None or one.other == row.stix_id else one.other
    return {
        "says": one.says if row is None or one.about == row.stix_id else f"{one.says} (said of it by)",
        "ref": keys.get(away or "", away),
        "reason": one.body.get("description"),
        "party": one.originator,
    }


@commands.command("overdue")
def overdue_command(
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = PAGE,
    json: Json = False,
) -> None:
    """List commitments whose day has passed without evidence of done or late."""
    from secretariat.register import boards

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        board = boards.overdue(asked.tx, asked.view, limit=limit)
        sources = boards.sources_of(asked.tx, [one.row for one in board.lines], asked.view)
    _emit_promises("overdue", board, sources, asked.view, json=json)


@commands.command("lagging")
def lagging_command(
    data: Data = DATA,
    realm: Realm = "live",
    days: Annotated[int, typer.Option("--days", help="Days without movement that are allowed.", min=1)] = 365,
    group: Annotated[
        list[str] | None,
        typer.Option("--allow", help="GROUP=DAYS or JP,KR=DAYS: another limit for a group; repeatable."),
    ] = None,
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = PAGE,
    json: Json = False,
) -> None:
    """List commitments that nothing has moved for longer than allowed."""
    from secretariat.register import boards

    limits = dict(_limit(one) for one in group or ())
    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        board = boards.lagging(asked.tx, asked.view, days=days, limits=limits, limit=limit)
        sources = boards.sources_of(asked.tx, [one.row for one in board.lines], asked.view)
    _emit_promises("lagging", board, sources, asked.view, json=json)


def _limit(text: str) -> tuple[str, int]:
    name, mark, days = text.partition("=")
    if not (name and mark and days.isdecimal() and int(days) > 0):
        raise InputError(f"not GROUP=DAYS: {text!r}", where="--allow", advice="write JP,KR=180")
    return name, int(days)


def _emit_promises(name: str, board: Board[Any], sources: dict[str, Row], view: View, *, json: bool) -> None:
    result = {
        "board": name,
        "question": question_data(view),
        "total": board.total,
        "lines": [
            {
                "key": one.row.key,
                "title": one.row.title,
                "by": one.row.by,
                "parties": one.row.parties,
                "due": one.row.body.get("due"),
                "cadence": one.row.cadence,
                "days": one.sum.days,
                "sum": one.sum.text,
                "rests_on": [one.row.key, *(mark.row.key for mark in one.marks if not mark.why_not)],
                "not_counted": {mark.row.key: mark.why_not for mark in one.marks if mark.why_not},
                "sources": [cite["source_ref"] for cite in one.row.cites],
                "cites": cites_data(one.row, sources),
            }
            for one in board.lines
        ],
        "sources": {stix: source_data(one) for stix, one in sources.items()},
    }
    lines = []
    for one in board.lines:
        lines += [
            f"{one.sum.days:>6} days  {one.row.key:<34} {one.row.title}",
            f"{'':13}{one.sum.text}",
            *cite_lines(one.row, sources),
        ]
    emit(result, "\n".join([*lines, *more_of(board)]) or f"nothing is {name}", json=json)


@commands.command("silence")
def silence_command(
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = PAGE,
    json: Json = False,
) -> None:
    """List series by how long ago they last met, their longest gaps, and who was found silent since when."""
    from secretariat.register import boards

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        found = boards.silence(asked.tx, asked.view, limit=limit)
    series, absences = found.series, found.absences
    result = {
        "board": "silence",
        "question": question_data(asked.view),
        "series": series.lines,
        "series_total": series.total,
        "absences": [
            {
                "key": one.row.key,
                "title": one.row.title,
                "parties": one.row.parties,
                "as_of": one.as_of,
                "days": one.days,
                "looked_by": one.looked_by,
                "looked_in": one.looked_in,
                "sources": [cite["source_ref"] for cite in one.row.cites],
                "cites": cites_data(one.row, absences.sources),
            }
            for one in absences.lines
        ],
        "absences_total": absences.total,
        "sources": {stix: source_data(one) for stix, one in absences.sources.items()},
    }
    lines = [
        f"{one.since:>6} days  {one.series:<24} last {one.last} {one.last_key}; {one.held} held"
        + (f"; longest gap {one.longest} days, {one.longest_from} to {one.longest_to}" if one.longest else "")
        + (f"; rounds up to {one.highest} are numbered" if (one.highest or 0) > one.held else "")
        for one in series.lines
    ]
    lines += [
        f"as of {one.as_of}  {', '.join(one.row.parties)}: {one.row.title}"
        f" (looked: {', '.join(one.looked_by) or 'nobody named'}"
        + (f", in {one.looked_in})" if one.looked_in else ")")
        for one in absences.lines
    ]
    emit(result, "\n".join([*lines, *more_of(series), *more_of(absences)]) or "nothing is silent", json=json)


@commands.command("contested")
def contested_command(
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = PAGE,
    json: Json = False,
) -> None:
    """List statements of which accounts differ, with every account."""
    from secretariat.register import boards

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        board = boards.contested(asked.tx, asked.view, limit=limit)
    result = {
        "board": "contested",
        "question": question_data(asked.view),
        "total": board.total,
        "lines": [
            {
                "key": one.row.key,
                "title": one.row.title,
                "status": one.row.status,
                "accounts": [
                    {
                        "by": account.by[0],
                        "position": account.says,
                        "text": account.body.get("text"),
                        "party": account.originator,
                        "sources": [cite["source_ref"] for cite in account.cites],
                        "cites": cites_data(account, board.sources),
                    }
                    for account in one.accounts
                ],
                "sources": [cite["source_ref"] for cite in one.row.cites],
                "cites": cites_data(one.row, board.sources),
                "conflicts": [row.body.get("description") for row in one.conflicts],
                "otherwise": [as_data(row, asked.view) for row in one.otherwise],
            }
            for one in board.lines
        ],
        "sources": {stix: source_data(one) for stix, one in board.sources.items()},
    }
    lines = []
    for one in board.lines:
        lines += [line_of(one.row), *cite_lines(one.row, board.sources, indent=12)]
        for account in one.accounts:
            whose = _whose(account, one.row.originator)
            lines.append(f"{'':12}{account.by[0]} ({account.says}){whose}: {account.body.get('text', '')}")
            lines += cite_lines(account, board.sources, indent=16)
        lines += [f"{'':12}{row.originator} states otherwise: {line_of(row)}" for row in one.otherwise]
    emit(result, "\n".join([*lines, *more_of(board)]) or "nothing is contested", json=json)


@commands.command("met")
def met_command(
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    json: Json = False,
) -> None:
    """Say who met whom: how often, when first and last, with the newest 500 meetings and their sources."""
    from secretariat.register import boards

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        found = boards.who_met(asked.tx, asked.view)
        meetings = boards.meetings(asked.tx, asked.view)
        sources = boards.sources_of(asked.tx, meetings, asked.view)
    pairs, lines = [], []
    for one in found:
        own = [row for row in meetings if {one.one, one.other} <= set(row.parties)]
        cites = {row.key: cites_data(row, sources) for row in own}
        pairs.append({**msgspec.to_builtins(one), "meetings": cites})
        lines.append(
            f"{one.one:<4} {one.other:<4} {one.times:>4} times, {one.first} to {one.last} ({one.last_key})"
        )
        for row in own:
            named = ", ".join(cite["source"] for cite in cites[row.key]) or "no source is named"
            lines.append(f"{'':10}{line_of(row)} [{named}]")
    emit({"question": question_data(asked.view), "pairs": pairs}, "\n".join(lines) or "nobody met", json=json)


@commands.command("timeline")
def timeline_command(
    data: Data = DATA,
    realm: Realm = "live",
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; repeatable.")] = None,
    since: Annotated[str, typer.Option("--since", help="From this day on.")] = "",
    until: Annotated[str, typer.Option("--until", help="Up to this day.")] = "",
    search: Annotated[str, typer.Option("--search", help="Only what has all of these words.")] = "",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = 500,
    json: Json = False,
) -> None:
    """List what happened in order, each with its state on the day asked about."""
    from secretariat.register import boards, questions
    from secretariat.register.times import parse

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        found = questions.timeline(
            asked.tx,
            asked.view,
            kinds=kind or (),
            first=parse(since, where="--since").first if since else None,
            last=parse(until, where="--until").last if until else None,
            words=search,
            limit=limit,
        )
        sources = boards.sources_of(asked.tx, [row for row, _ in found], asked.view)
        also = boards.also(asked.tx, [row for row, _ in found], asked.view)
    result = {
        "question": question_data(asked.view),
        "lines": [
            {
                **as_data(row, asked.view),
                "cites": cites_data(row, sources),
                "also_stated_by": [one.originator for one in also.get(row.stix_id, ())],
            }
            for row, _ in found
        ],
    }
    lines = []
    for row, state in found:
        told = "" if state == "true" else f"  [{state}]"
        if row.stix_id in also:
            told += f"  (also stated by {', '.join(one.originator for one in also[row.stix_id])})"
        lines += [line_of(row) + told, *cite_lines(row, sources)]
    emit(result, "\n".join(lines) or "nothing was known", json=json)


@commands.command("diff")
def diff_command(
    data: Data = DATA,
    realm: Realm = "live",
    from_true: Annotated[str, typer.Option("--from-true-on", help="The earlier day asked about.")] = "",
    from_known: Annotated[str, typer.Option("--from-known-by", help="What was known by then.")] = "",
    from_recorded: Annotated[str, typer.Option("--from-recorded-by", help="What was recorded by then.")] = "",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    party: Parties = None,
    zone: Zone = "",
    limit: Most = 500,
    json: Json = False,
) -> None:
    """Say what changed and what was learned between two questions; what no --from names stays the same."""
    from secretariat.register import boards, questions

    if not (from_true or from_known or from_recorded):
        raise InputError("no earlier day", where="diff", advice="give --from-true-on or --from-known-by")
    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        before = view_of(
            asked.tx,
            asked.node,
            from_true or true_on,
            from_known or known_by,
            from_recorded or recorded_by,
            party,
            publicly=publicly,
            zone=zone,
        )
        found = questions.diff(asked.tx, before, asked.view, limit=limit)
        sources = boards.sources_of(asked.tx, [one.row for one in found.changes], asked.view)
    result = {
        "from": question_data(before),
        "to": question_data(asked.view),
        "total": found.total,
        "changes": [
            {
                "what": one.what,
                "key": one.row.key,
                "kind": one.row.kind,
                "title": one.row.title,
                "true_from": one.row.true_from,
                "known": one.row.known_day,
                "about": one.row.about,
                "cites": cites_data(one.row, sources),
            }
            for one in found.changes
        ],
        "states": [
            {"key": row.key, "title": row.title, "before": was, "after": is_now}
            for row, was, is_now in found.states
        ],
    }
    lines = []
    for one in found.changes:
        lines.append(f"{one.what:<14} {line_of(one.row)}")
        lines += cite_lines(one.row, sources, indent=15) if one.row.cites else []
    lines += [f"{was} -> {is_now:<10} {row.key:<34} {row.title}" for row, was, is_now in found.states]
    if found.total > len(found.changes):
        lines.append(f"… and {found.total - len(found.changes)} more")
    emit(result, "\n".join(lines) or "nothing changed", json=json)
