"""`secretariat register intake`: take a document in and show what is proposed from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

if TYPE_CHECKING:
    from secretariat.register.intake.store import Intake, Item

proposals = typer.Typer(help="What documents propose; an officer makes it a record.", no_args_is_help=True)


def intake_command(
    file: Annotated[
        Path | None, typer.Argument(help="HTML, PDF, DOCX, text or .eml; - reads standard input.")
    ] = None,
    url: Annotated[
        str, typer.Option("--url", help="Fetch it through the node's intake proxy; with FILE: its address.")
    ] = "",
    date: Annotated[str, typer.Option("--date", help="The document's own day, where it bears none.")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="primary, copy, press, secondary or machine.")
    ] = "secondary",
    charset: Annotated[str, typer.Option("--charset", help="Encoding, where the file does not say.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Take a document in: keep bytes, text and hash here, and propose records with a reason per field."""
    from secretariat.register.intake import service, store

    if file is None and not url:
        raise InputError("no document", advice="name a FILE, or --url ADDRESS")
    with node_at(data) as node:
        if file is None:
            from secretariat.register.intake.fetching import fetch

            fetched = fetch(url, node.settings.intake_proxy)
            content, name, charset, address = (
                fetched.data,
                fetched.name,
                charset or fetched.charset or "",
                fetched.url,
            )
        else:
            content, name, address = _content(file), file.name, url
        taken = service.take_in(
            node,
            realm,
            content,
            name,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER),
            now=now(),
            address=address or None,
            charset=charset or None,
            source_kind=kind,
            own=_day(date),
        )
        answers = []
        with node.database.app(realm) as tx:
            for one in taken:
                there = store.get(tx, one.intake)
                assert there is not None
                answers.append(
                    _data(there, store.items(tx, one.intake), again=one.again, changed=one.changed)
                )
    emit(answers if len(answers) > 1 else answers[0], "\n\n".join(_text(one) for one in answers), json=json)


@proposals.command("list")
def list_command(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List the documents taken in, with how many proposals are open."""
    from secretariat.register.intake import store

    with node_at(data) as node, node.database.app(realm) as tx:
        lines = store.listing(tx)
    text = "\n".join(
        f"{one.id:>4}  {one.own_date or 'undated':10}  {one.lang}  {one.open} open, {one.accepted} accepted,"
        f" {one.rejected} rejected  {one.title[:70]}"
        for one in lines
    )
    emit([msgspec.to_builtins(one) for one in lines], text or "nothing was taken in", json=json)


@proposals.command("show")
def show_command(
    number: Annotated[int, typer.Argument(help="Number of the document.")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Show a document's proposals again, with what was decided."""
    from secretariat.register.intake import service, store

    with node_at(data) as node, node.database.app(realm) as tx:
        there = service.there(tx, number)
        answer = _data(there, store.items(tx, number), again=True, changed=False)
    emit(answer, _text(answer), json=json)


@proposals.command("accept")
def accept_command(
    number: Annotated[int, typer.Argument(help="Number of the document.")],
    proposal: Annotated[int, typer.Argument(help="Number of the proposal.")],
    field: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, e.g. --set title=… ; lists with commas.")
    ] = None,
    tlp: Annotated[str, typer.Option("--tlp", help="Mark what is recorded. Default: the node's.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record a proposal, with changes where given."""
    from secretariat.register.intake import changes, service, store

    given = dict(one.partition("=")[::2] for one in field or ())
    with node_at(data) as node:
        with node.database.app(realm) as tx:
            item = store.item(tx, number, proposal)
        key = service.accept(
            node,
            realm,
            number,
            proposal,
            seen=item.version if item else 0,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER),
            now=now(),
            changes=changes.read(given),
            tlp=tlp or None,
        )
    emit({"key": key}, f"recorded as {key}", json=json)


@proposals.command("reject")
def reject_command(
    number: Annotated[int, typer.Argument(help="Number of the document.")],
    proposal: Annotated[int, typer.Argument(help="Number of the proposal.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is put aside.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Put a proposal aside."""
    from secretariat.register.intake import service, store

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            item = store.item(tx, number, proposal)
        service.reject(
            node, realm, number, proposal, seen=item.version if item else 0, reason=reason,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER), now=now(),
        )  # fmt: skip
    emit({"rejected": proposal}, f"proposal {proposal} put aside", json=json)


def _content(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror}", where=str(file)) from None


def _day(text: str) -> Any:
    from datetime import date

    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"no such day: {text!r}", where="--date", advice="write 2012-09-03") from None


def _data(there: Intake, items: list[Item], *, again: bool, changed: bool) -> dict[str, Any]:
    reading = there.reading
    return {
        "intake": there.id,
        "name": there.name,
        "title": there.title,
        "lang": reading.lang,
        "own_date": reading.own_date,
        "own_date_why": reading.own_date_why,
        "source_key": there.source_key,
        "again": again,
        "changed": changed,
        "note": there.note,
        "dates": [msgspec.to_builtins(one) for one in reading.dates],
        "mentions": [msgspec.to_builtins(one) for one in reading.mentions],
        "sources": [msgspec.to_builtins(one) for one in reading.sources],
        "proposals": [
            {
                "number": one.number,
                "state": one.state,
                "record_key": one.record_key,
                "decided_by": one.decided_by,
                **msgspec.to_builtins(one.proposal),
            }
            for one in items
        ],
    }


def _text(one: dict[str, Any]) -> str:
    lines = [
        f"document {one['intake']}: {one['title']}",
        f"  {one['lang']}, own date {one['own_date'] or 'none'} ({one['own_date_why']})",
        f"  {len(one['dates'])} dates, {len(one['mentions'])} names, {len(one['sources'])} cited sources,"
        f" {len(one['proposals'])} proposals" + (", taken in before" if one["again"] else ""),
    ]
    if one["changed"]:
        lines.append("  other bytes were captured before under the same address; both are kept")
    if one["note"]:
        lines.append(f"  {one['note']}")
    for row in one["proposals"]:
        when = row.get("true_from") or "undated"
        due = f", due {row['due']}" if row.get("due") else ""
        said = "" if row["state"] == "open" else f" [{row['state']}]"
        lines.append(
            f"{row['number']:>4}  {row['kind']:14} {when}{due}{said}  {' '.join(row.get('parties', ()))}"
        )
        lines.append(f"      {row['quote']!r} ({row['start']}-{row['end']})")
        lines += [f"        {name}: {why}" for name, why in row["why"].items()]
    return "\n".join(lines)
