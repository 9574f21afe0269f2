"""`secretariat agreements …`, `release …`, `standing …`, `house-rules …`, `publish` and `explain`."""

from __future__ import annotations

import json as plain
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.agreements.house_rule_commands import commands as house_rules
from secretariat.agreements.offered_commands import between, offers
from secretariat.agreements.release_commands import Purpose, node_at, verbs
from secretariat.base.clock import AsOf, end_of_day, now, parse_stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError, SecretariatError

if TYPE_CHECKING:
    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Decision

__all__ = ["commands", "verbs"]

verbs.add_typer(house_rules, name="house-rules")

commands = typer.Typer(help="Instruments, and what they permit.", no_args_is_help=True)

Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--instruments", help="Instruments, YAML or JSON; repeatable. Default: those of the package."
    ),
]
Bare = Annotated[
    bool,
    typer.Option("--bare", help="Take the files as they stand, without the package's reading of articles."),
]
TrueOn = Annotated[str, typer.Option("--true-on", help="Day or moment asked about. Default: now.")]
KnownBy = Annotated[
    str, typer.Option("--known-by", help="With what was known by then. Default: everything known.")
]
RecordedBy = Annotated[
    str,
    typer.Option(
        "--recorded-by", help="With what this node had recorded by then: a day, a moment, a log position."
    ),
]
Publicly = Annotated[
    bool, typer.Option("--publicly", help="By what was publicly known, not by what this party could know.")
]
Zone = Annotated[str, typer.Option("--zone", help="Time zone in which dates end. Default: the node's.")]


def _book(files: list[Path] | None, *, bare: bool = False) -> Book:
    from secretariat.agreements.book import load, package_book

    return load(files, readings=not bare) if files else package_book()


def _moment(text: str, option: str, zone: str) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == len("2012-09-03"):
            return end_of_day(date.fromisoformat(text), zone)
        return parse_stamp(text)
    except (ValueError, SecretariatError) as error:
        raise InputError(f"not a day or moment: {text!r}", where=option, advice="write 2012-09-03") from error


# --- instruments as files -----------------------------------------------------------------------------


@commands.command("decide")
def decide_cases(
    cases: Annotated[Path, typer.Option("--cases", help="Cases, YAML or JSON (docs/agreements.md).")],
    instruments: Files = None,
    bare: Bare = False,
    json: Json = False,
) -> None:
    """Answer every case of a file and compare with what it expects; exit code 1 when one differs.

    Without --instruments: those that stand in the file of cases itself, else those of the package.
    """
    from secretariat.agreements.book import read_file
    from secretariat.agreements.cases import book_of, read_cases, run

    source = read_file(cases)
    book = _book(instruments, bare=bare) if instruments else book_of(source, readings=not bare) or _book(None)
    ran = run(book, read_cases(source, now().date()))
    good = sum(one.ok for one in ran)
    lines = []
    for one in ran:
        mark = "ok  " if one.ok else "DIFF"
        expected, got = one.case.expected or "-", one.decision.outcome
        lines.append(f"{mark} {one.case.key}  expected {expected}  got {got}  {one.article}")
        if one.decision.missing is not None:
            lines.append(f"       {one.decision.missing.text}")
        lines += [f"       warning: {warning.text}" for warning in one.decision.warnings]
        lines += [f"       {one.case.where}: {what}" for what in one.differs]
    lines.append(f"{good} of {len(ran)} as expected")
    result = {
        "cases": [one.as_dict() for one in ran],
        "total": len(ran),
        "ok": good,
        "failed": len(ran) - good,
        "instruments": book.hash,
    }
    emit(result, "\n".join(lines), json=json)
    if good < len(ran):
        raise typer.Exit(1)


@commands.command("check")
def check_file(
    files: Annotated[list[Path], typer.Argument(help="Files of instruments or cases.")], json: Json = False
) -> None:
    """Check files of instruments and cases; list every error with its line; exit code 1 when there is one."""
    from secretariat.agreements.book import build, problems, read_file, schema
    from secretariat.agreements.cases import case_problems, read_cases

    found: list[tuple[str, str]] = []
    for file in files:
        try:
            source = read_file(file)
            listed = isinstance(source.value, list)
            errors = [] if listed else problems(source, schema("instruments"))
            if listed or (isinstance(source.value, dict) and "cases" in source.value):
                errors += case_problems(source)
            if not errors and not listed:
                build(source, readings=True)
            if not errors and (listed or "cases" in source.value):
                read_cases(source, now().date())
        except SecretariatError as error:
            errors = [(error.where or str(file), error.what)]
        found += errors
    text = "\n".join(f"{where}: {what}" for where, what in found) or f"{len(files)} files without errors"
    emit({"errors": [{"where": where, "what": what} for where, what in found]}, text, json=json)
    if found:
        raise typer.Exit(1)


@commands.command("list")
def list_instruments(
    instruments: Files = None,
    data: Annotated[Path | None, typer.Option("--data", help="Those recorded at this node.")] = None,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    json: Json = False,
) -> None:
    """List instruments with their state on a day."""
    from secretariat.agreements.status import state_at

    book = _book_at(data, realm, instruments)
    true, known = _day(true_on, "--true-on") or now(), _day(known_by, "--known-by")
    rows: list[dict[str, Any]] = []
    for one in book.instruments.values():
        state = state_at(one, true, known)
        rows.append(
            {
                "id": one.key,
                "title": one.title,
                "kind": one.kind,
                "binding": one.binding,
                "synthetic": one.synthetic,
                "parties": list(one.parties),
                "state": state.word,
                "why": state.note.text,
                "warnings": [w.text for w in state.warnings],
                "articles": len(one.articles),
            }
        )
    text = "\n".join(
        f"{row['id']:28} {row['state']:10} {' '.join(row['parties']):24} {row['title']}"
        + (" [synthetic]" if row["synthetic"] else "")
        for row in rows
    )
    emit({"instruments": rows, "hash": book.hash}, text, json=json)


@commands.command("show")
def show(
    key: Annotated[str, typer.Argument(help="Key of an instrument, e.g. jp-rok-gsomia-2016.")],
    instruments: Files = None,
    data: Annotated[Path | None, typer.Option("--data", help="As recorded at this node.")] = None,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    json: Json = False,
) -> None:
    """Show an instrument: articles with their rules, status history, tables, its state on a day."""
    from secretariat.agreements.book import instrument_body, instrument_hash
    from secretariat.agreements.status import state_at

    one = _book_at(data, realm, instruments).instrument(key)
    state = state_at(one, _day(true_on, "--true-on") or now(), _day(known_by, "--known-by"))
    lines = [
        f"{one.key}  {one.title}" + ("  [synthetic]" if one.synthetic else ""),
        f"{one.kind}, {'binding' if one.binding else 'binds nobody'}",
        f"parties {', '.join(one.parties) or '-'}",
        f"days in {one.timezone}",
        state.note.text,
        *(f"warning: {warning.text}" for warning in state.warnings),
    ]
    lines += [
        f"  {event.on}  {event.event or event.state}"
        + (f" by {event.by}" if event.by else "")
        + (f", effect {event.effect_on}" if event.effect_on else "")
        + (f": {event.note}" if event.note else "")
        for event in one.status
    ]  # fmt: skip
    for article in one.articles:
        params = ", ".join(f"{name}={value}" for name, value in article.params)
        lines.append(
            f"  {article.art:12} {article.rule:18} {article.verification:10} {article.says or ''}"
            + (f"  ({params}{'; reading of the package' if article.reading else ''})" if params else "")
        )
    for table in one.tables:
        lines.append(f"  levels, article {table.article}: {' | '.join(table.columns)}")
        lines += ["    " + " | ".join(level or "no equivalent" for level in row) for row in table.rows]
    value = {
        **plain.loads(instrument_body(one)),
        "hash": instrument_hash(one),
        "state": {"word": state.word, "why": state.note.text, "warnings": [w.text for w in state.warnings]},
    }
    emit(value, "\n".join(lines), json=json)


@commands.command("matrix")
def matrix(
    instruments: Files = None,
    data: Annotated[Path | None, typer.Option("--data", help="As recorded at this node.")] = None,
    realm: Realm = "live",
    party: Annotated[
        list[str] | None, typer.Option("--party", help="Only these parties; repeatable.")
    ] = None,
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    json: Json = False,
) -> None:
    """Show what may flow between whom on a day: per pair, instruments in force, highest colour and level."""
    from secretariat.agreements.matrix import cells

    book = _book_at(data, realm, instruments)
    rows = cells(book, party, _day(true_on, "--true-on") or now(), _day(known_by, "--known-by"))
    text = "\n".join(
        f"{row.sender:6} -> {row.recipient:6} {row.tlp or '-':13} {row.level or '-':18} "
        + (", ".join(row.in_force) or "-")
        for row in rows
    )
    emit({"cells": [msgspec.to_builtins(row) for row in rows]}, text, json=json)


def _day(text: str, option: str) -> date | datetime | None:
    """Read a day as a day, so that each instrument reads it in its own zone."""
    if len(text) == len("2012-09-03"):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise InputError(f"not a day: {text!r}", where=option, advice="write 2012-09-03") from error
    return _moment(text, option, "UTC")


def _book_at(data: Path | None, realm: str, files: list[Path] | None) -> Book:
    if data is None or files:
        return _book(files)
    from secretariat.agreements.facts import whole_book

    with node_at(data) as node, node.database.app(realm) as tx:
        return whole_book(tx)


@commands.command("import")
def import_instruments(
    files: Annotated[list[Path], typer.Argument(help="Files of instruments.")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record instruments at this node, each as a signed line of its log.

    They take part in grants to a partner once both nodes have signed the same set.
    """
    from secretariat.agreements.book import load
    from secretariat.agreements.recording import record_book

    book = load(files)
    with node_at(data) as node:
        done = record_book(node, realm, book, now=now())
    emit(
        {
            "recorded": done.recorded,
            "unchanged": done.unchanged,
            "lapsed": done.lapsed,
            "review": done.review,
        },
        f"{len(done.recorded)} recorded, {len(done.unchanged)} unchanged; {done.lapsed} open grants lapsed, "
        f"{done.review} to review",
        json=json,
    )


commands.command("between")(between)
commands.add_typer(offers, name="offered")


@commands.command("review")
def review(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Decide open grants again: what is no longer permitted lapses, or is listed where it was fetched."""
    from secretariat.agreements.recording import redecide

    with node_at(data) as node, node.database.app(realm) as tx:
        done = redecide(tx, node, realm, now=now())
    lines = [f"{done.lapsed} object versions left their collections"]
    lines += [
        f"review: entry {one.entry} to {one.recipient}, {len(one.objects)} objects, {one.missing}"
        for one in done.review
    ]
    emit(done, "\n".join(lines), json=json)


# --- objects at a node --------------------------------------------------------------------------------


@verbs.command("explain")
def explain(
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id of an object here.")],
    to: Annotated[str, typer.Option("--to", help="Party asked about.")],
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    zone: Zone = "",
    purpose: Purpose = "",
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Every article tried.")] = True,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say whether an object may go to a party, and why: now, or on another day. Never grants anything."""
    from secretariat.agreements import service
    from secretariat.ledger import service as ledger

    with node_at(data) as node:
        zone = zone or node.settings.zone
        position, at = None, None
        if recorded_by.isascii() and recorded_by.isdecimal():
            position = int(recorded_by)
            with node.database.app(realm) as tx:
                at = ledger.entry(tx, position).recorded_at
        as_of = AsOf(
            true_on=_moment(true_on, "--true-on", zone),
            known_by=_moment(known_by, "--known-by", zone),
            recorded_by=at or _moment(recorded_by, "--recorded-by", zone),
            position=position,
            public=publicly,
            zone=zone,
        )
        found = service.explain(node, realm, object_, to, as_of, purpose=purpose or None, now=now())
    value = {
        "object": found.object,
        "party": found.party,
        "true_on": true_on or found.true_on,
        "known_by": known_by or found.known_by,
        "recorded_by": recorded_by or found.recorded_by,
        "knowledge": "public" if publicly else "ours",
        "label": msgspec.to_builtins(found.label),
        "instruments": found.instruments,
        "standing_grants": list(found.standing_grants),
        **decision_dict(found.decision, trace=trace),
    }
    emit(value, decision_text(found.decision, trace=trace), json=json)


def decision_dict(decision: Decision, *, trace: bool = True) -> dict[str, Any]:
    """Give a decision as plain JSON."""
    found: dict[str, Any] = {
        "outcome": decision.outcome,
        "article": decision.article,
        "because": list(decision.because),
        "missing": decision.missing.text if decision.missing is not None else None,
        "marks": {mark.party: {"level": mark.level, "article": mark.art} for mark in decision.marks},
        "conditions": [{"article": c.ref, "rule": c.rule, "what": c.why} for c in decision.conditions],
        "obligations": [msgspec.to_builtins(o) for o in decision.obligations],
        "warnings": [w.text for w in decision.warnings],
        "until": decision.until.isoformat() if decision.until is not None else None,
    }
    if trace:
        found["trace"] = [
            {
                "article": t.ref,
                "rule": t.rule,
                "result": t.result,
                "why": t.why,
                "verification": t.verification,
            }
            for t in decision.trace
        ]
    return found


def decision_text(decision: Decision, *, trace: bool = True) -> str:
    """Give a decision for people: the answer, what follows from it, then every article tried."""
    lines = [decision.text]
    lines += [f"  {mark.party} marks it {mark.level} ({mark.art})" for mark in decision.marks]
    lines += [f"  condition: {c.why} ({c.ref})" for c in decision.conditions]
    lines += [
        f"  duty of {o.who}: {o.do}"
        + (f" by {o.by}" if o.by else f" within {o.within}" if o.within else "")
        + f" ({o.art})"
        for o in decision.obligations
    ]
    lines += [f"  warning: {w.text}" for w in decision.warnings]
    if decision.until is not None:
        lines.append(f"  until {decision.until} (first day no longer)")
    if trace and decision.trace:
        lines.append("tried:")
        for t in decision.trace:
            unread = "" if t.verification == "read" else f" [{t.verification}]"
            lines.append(f"  {t.result:9} {t.ref:36} {t.rule:16} {t.why}{unread}")
    return "\n".join(lines)
