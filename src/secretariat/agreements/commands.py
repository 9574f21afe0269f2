"""`secretariat agreements …`, `release …`, `standing …`, and the verbs `publish` and `explain`."""

from __future__ import annotations

import contextlib
import getpass
import json as plain
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.base.clock import AsOf, end_of_day, now, parse_stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit, progress
from secretariat.base.errors import InputError, NotFoundError, SecretariatError, StateError
from secretariat.base.settings import NodeSettings

if TYPE_CHECKING:
    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Decision
    from secretariat.agreements.release import Published

commands = typer.Typer(help="Instruments, and what they permit.", no_args_is_help=True)
verbs = typer.Typer()
release = typer.Typer(help="Releases: propose, concur, approve, refuse.", no_args_is_help=True)
standing = typer.Typer(
    help="Standing releases: a DO in advance for a class of objects.", no_args_is_help=True
)
verbs.add_typer(release, name="release")
verbs.add_typer(standing, name="standing")

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
RecordedBy = Annotated[str, typer.Option("--recorded-by", help="With what this node had recorded by then.")]
By = Annotated[str, typer.Option("--by", help="Who does this; noted in the log.")]
Purpose = Annotated[str, typer.Option("--purpose", help="The use it is given for.")]
To = Annotated[
    list[str] | None, typer.Option("--to", help="Partner; repeatable. Default: every partner that may.")
]


@contextlib.contextmanager
def _node(data: Path) -> Iterator[Any]:
    from secretariat.ledger.node import Node
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database:
        yield Node.open(settings, database)


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

    with _node(data) as node, node.database.app(realm) as tx:
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
    with _node(data) as node:
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


@commands.command("review")
def review(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Decide open grants again: what is no longer permitted lapses, or is listed where it was fetched."""
    from secretariat.agreements.recording import redecide

    with _node(data) as node, node.database.app(realm) as tx:
        done = redecide(tx, node, realm, now=now())
    lines = [f"{done.lapsed} object versions left their collections"]
    lines += [
        f"review: {one.recipient}, entry {one.entry}, {len(one.objects)} objects, {one.article}: {one.missing}"
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
    purpose: Purpose = "",
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Every article tried.")] = True,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say whether an object may go to a party, and why: now, or on another day. Never grants anything."""
    from secretariat.agreements import service

    with _node(data) as node:
        zone = node.settings.zone
        as_of = AsOf(
            _moment(true_on, "--true-on", zone),
            _moment(known_by, "--known-by", zone),
            _moment(recorded_by, "--recorded-by", zone),
        )
        found = service.explain(node, realm, object_, to, as_of, purpose=purpose or None, now=now())
    value = {
        "object": found.object,
        "party": found.party,
        "true_on": true_on or found.true_on,
        "known_by": known_by or found.known_by,
        "recorded_by": recorded_by or found.recorded_by,
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


@verbs.command("publish")
def publish(
    objects: Annotated[
        list[str] | None, typer.Argument(help="STIX ids; reports bring what they list.")
    ] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="All own drafts.")] = False,
    to: To = None,
    by: By = "",
    second: Annotated[str, typer.Option("--second", help="The second person, where two are needed.")] = "",
    standing_release: Annotated[str, typer.Option("--standing", help="Id of a standing release.")] = "",
    purpose: Purpose = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Release objects to the partners that may have them; say to whom they went and why not to others."""
    from secretariat.agreements import service, workflow
    from secretariat.agreements.recording import draft_ids
    from secretariat.agreements.release import Basis, publish_in

    moment, person = now(), by or getpass.getuser()
    with _node(data) as node, progress("publish"), node.database.app(realm) as tx:
        names = [*(objects or ()), *(draft_ids(tx, node.party) if drafts else ())]
        if not names:
            raise InputError("nothing to publish", advice="name STIX ids, or --drafts")
        versions = service.with_members(tx, names)
        if standing_release:
            done = workflow.publish_standing_in(
                tx, node, realm, versions, _uuid(standing_release), now=moment
            )
        else:
            if any(workflow.needs_two(one.label) for one in versions) and second in {"", person}:
                raise StateError(
                    "two persons must release this (classified, RED, AMBER+STRICT or originator control)",
                    advice="--second LOGIN, or `secretariat release propose` and another person approves",
                )
            basis = Basis(by=person, second=second or None)
            done = publish_in(
                tx, node, realm, versions, to=to, basis=basis, purpose=purpose or None, now=moment
            )
    _tell(done, json=json)


def _tell(done: Published, *, json: bool) -> None:
    lines = [f"entry {done.publication}: {done.published} objects published"]
    lines += [f"  MAY  {party}: {count} objects" for party, count in sorted(done.granted.items()) if count]
    lines += [
        f"  NOT  {one.party}: {len(one.objects)} objects, {one.article}"
        + (f" ({one.missing})" if one.missing else "")
        for one in done.withheld
    ]
    value = {
        "publication": done.publication,
        "published": done.published,
        "granted": done.granted,
        "withheld": [
            {
                "party": one.party,
                "objects": list(one.objects),
                "true_on": one.true_on,
                "article": one.article,
                "missing": one.missing,
            }
            for one in done.withheld
        ],
    }
    emit(value, "\n".join(lines), json=json)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise NotFoundError(
            f"no such id: {text!r}", advice="`release list` or `standing list` shows them"
        ) from error


# --- releases -----------------------------------------------------------------------------------------


@release.command("propose")
def propose(
    objects: Annotated[list[str], typer.Argument(help="STIX ids; reports bring what they list.")],
    title: Annotated[str, typer.Option("--title", help="What it is about.")],
    to: To = None,
    purpose: Purpose = "",
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Propose a release; another person approves it."""
    from secretariat.agreements import workflow

    with _node(data) as node:
        made = workflow.propose(
            node,
            realm,
            objects,
            title=title,
            to=to,
            purpose=purpose or None,
            by=by or getpass.getuser(),
            now=now(),
        )
    _tell_release(made, json=json)


@release.command("list")
def list_releases(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List what waits for a decision."""
    from secretariat.agreements import workflow

    with _node(data) as node, node.database.app(realm) as tx:
        waiting = workflow.waiting(tx)
    lines = [
        f"{one.id}  {one.proposed_by}  {one.proposed_at:%Y-%m-%d %H:%M}Z  {one.title}" for one in waiting
    ]
    emit({"waiting": waiting}, "\n".join(lines) or "nothing waits", json=json)


@release.command("concur")
def concur(
    number: Annotated[str, typer.Argument(metavar="ID")],
    office: Annotated[str, typer.Option("--office", help="The office that concurs.")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record that an office concurs; silence is not concurrence."""
    from secretariat.agreements import workflow

    with _node(data) as node:
        found = workflow.concur(node, realm, _uuid(number), office=office, by=by or getpass.getuser())
    _tell_release(found, json=json)


@release.command("approve")
def approve(
    number: Annotated[str, typer.Argument(metavar="ID")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say DO: release what was proposed."""
    from secretariat.agreements import workflow

    with _node(data) as node:
        done = workflow.decide_release(node, realm, _uuid(number), by=by or getpass.getuser(), now=now())
    _tell(done, json=json)


@release.command("refuse")
def refuse(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Refuse what was proposed, with the reason."""
    from secretariat.agreements import workflow

    with _node(data) as node:
        found = workflow.refuse(
            node, realm, _uuid(number), by=by or getpass.getuser(), reason=reason, now=now()
        )
    _tell_release(found, json=json)


def _tell_release(found: Any, *, json: bool) -> None:
    waits = f"; waits for {', '.join(found.waits_for)}" if found.waits_for else ""
    second = "; a second person must approve" if found.needs_two and found.state == "proposed" else ""
    emit(found, f"{found.id}: {found.title}, {found.state}{second}{waits}", json=json)


@standing.command("begin")
def begin(
    title: Annotated[str, typer.Option("--title", help="What it is for.")],
    to: Annotated[list[str], typer.Option("--to", help="Partner; repeatable.")],
    purpose: Annotated[str, typer.Option("--purpose", help="The use it is given for.")],
    by: Annotated[list[str], typer.Option("--by", help="Who signs; repeatable.")],
    types: Annotated[
        list[str] | None, typer.Option("--type", help="STIX type; repeatable. Default: all.")
    ] = None,
    highest: Annotated[str, typer.Option("--highest", help="Tightest TLP colour, at most AMBER.")] = "AMBER",
    per_day: Annotated[int, typer.Option("--per-day", help="Objects a day.")] = 1000,
    days: Annotated[int, typer.Option("--days", help="How long, at most 90.")] = 90,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Sign a standing release into the log."""
    from secretariat.agreements import workflow

    terms = workflow.Terms(
        partners=to, purpose=purpose, types=list(types or ()), highest=highest.upper(), per_day=per_day
    )
    with _node(data) as node:
        made = workflow.begin_standing(node, realm, terms, title=title, by=by, days=days, now=now())
    emit(made, f"{made.id}: {made.title}, until {made.ends:%Y-%m-%d}", json=json)


@standing.command("list")
def list_standing(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List standing releases, newest first."""
    from secretariat.agreements import workflow

    with _node(data) as node, node.database.app(realm) as tx:
        found = workflow.standings(tx)
    lines = [
        f"{one.id}  {', '.join(one.terms.partners)}  up to {one.terms.highest}  "
        + (f"ended {one.revoked_at:%Y-%m-%d}" if one.revoked_at else f"until {one.ends:%Y-%m-%d}")
        + f"  {one.title}"
        for one in found
    ]
    emit({"standing": found}, "\n".join(lines) or "none", json=json)


@standing.command("end")
def end(
    number: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Revoke a standing release at once."""
    from secretariat.agreements import workflow

    with _node(data) as node:
        workflow.end_standing(
            node, realm, _uuid(number), by=by or getpass.getuser(), reason=reason, now=now()
        )
    emit({"id": number, "ended": True}, f"{number} has ended", json=json)
