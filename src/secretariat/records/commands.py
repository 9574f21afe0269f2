"""`secretariat import` and `secretariat records …`: bring objects in, look at what is here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit, progress
from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.settings import NodeSettings

if TYPE_CHECKING:
    from secretariat.records.result import ImportResult
    from secretariat.records.store import Stored

commands = typer.Typer(help="Objects: list, show, the schemas of our own.", no_args_is_help=True)
verbs = typer.Typer()


@verbs.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A STIX 2.1 bundle, TAXII envelope, object or gzip; - is stdin.")
    ],
    data: Data = DATA,
    realm: Realm = "live",
    collection: Annotated[str, typer.Option("--collection", help="Where it goes: own.")] = "own",
    tlp: Annotated[
        str | None, typer.Option("--tlp", help="TLP of what has no marking; default: the node's setting.")
    ] = None,
    schemas: Annotated[
        bool, typer.Option("--schemas", help="Check each object against the OASIS schemas too (slow).")
    ] = False,
    json: Json = False,
) -> None:
    """Keep the objects of a file as drafts of this party. Nothing reaches a partner by it.

    Exit code 1 when a member was refused; a broken file stores nothing.
    """
    from secretariat.records import schema_check
    from secretariat.records.service import import_stream
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    word = _tlp(tlp or settings.default_tlp)
    size = file.stat().st_size if file.is_file() else None
    with _reading(file) as stream, opened(settings) as database, progress("import", size) as done:
        result = import_stream(
            database,
            realm,
            settings.party,
            stream,
            collection=collection,
            default_tlp=word,
            ceiling=settings.ceiling,
            limits=settings.limits,
            progress=done,
            examine=schema_check.checker() if schemas else None,
        )
    if word != settings.default_tlp:
        result.warn(
            "--tlp",
            f"what bears no TLP marking is kept as TLP:{word}; partners that compute a grant again take it as"
            f" TLP:{settings.default_tlp}, this node's default_tlp: mark objects that you mean to share",
        )
    emit(result.as_dict(), _told(result), json=json)
    if result.refused_count:
        raise typer.Exit(1)


@commands.command("list")
def list_objects(
    data: Data = DATA,
    realm: Realm = "live",
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only this type; repeatable.")] = None,
    state: Annotated[list[str] | None, typer.Option("--state", help="Only this state; repeatable.")] = None,
    before: Annotated[int | None, typer.Option("--before", help="Only rows below this number.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many.", min=1, max=10_000)] = 50,
    json: Json = False,
) -> None:
    """List object versions, the last recorded first."""
    from secretariat.records import store
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database, database.app(realm) as tx:
        rows = store.browse(tx, types=kind or (), states=state or (), before=before, limit=limit)
    text = "\n".join(
        f"{one.id:>8}  {one.state:<11} {one.originator:<8} {one.stix_id}  {stamp(one.version)}"
        for one in rows
    )
    emit([_described(one) for one in rows], text or "no objects", json=json)


@commands.command("show")
def show_object(
    stix_id: Annotated[str, typer.Argument(help="The STIX id.")],
    data: Data = DATA,
    realm: Realm = "live",
    version: Annotated[str | None, typer.Option("--version", help="`modified` of the version.")] = None,
    json: Json = False,
) -> None:
    """Show one object as it is stored, with its label and state."""
    from secretariat.records import store
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    moment = None if version is None else parse_stamp(version)
    with opened(settings) as database, database.app(realm) as tx:
        found = store.get(tx, stix_id, moment)
    if found is None:
        raise NotFoundError(f"not here: {stix_id}", advice="`secretariat records list` shows what is here")
    shown = {**_described(found), "object": found.object()}
    emit(shown, None, json=json)


@commands.command("schemas")
def list_schemas(json: Json = False) -> None:
    """List the extension-definitions of our own objects with their JSON Schemas."""
    from secretariat.records import extensions

    rows = [
        {"id": one["id"], "name": one["name"], "version": one["version"], "types": one["extension_types"]}
        for one in extensions.definitions()
    ]
    emit(rows, "\n".join(f"{row['id']}  {row['name']} {row['version']}" for row in rows), json=json)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from None
    with stream:
        yield cast("BinaryIO", stream)


def _tlp(word: str) -> str:
    from secretariat.records.markings import TLP_ORDER

    plain = word.upper().removeprefix("TLP:")
    if plain not in TLP_ORDER:
        raise InputError(f"no TLP word: {word!r}", where="--tlp", advice=f"one of {', '.join(TLP_ORDER)}")
    return plain


def _told(result: ImportResult) -> str:
    lines = [
        (
            f"{result.accepted} new, {result.unchanged} unchanged,"
            f" {result.refused_count} refused, {result.warnings_count} warnings"
        )
    ]
    for refusal in result.refused:
        advice = f" ({refusal.advice})" if refusal.advice else ""
        lines.append(f"refused  {refusal.where}: {refusal.what}{advice}")
    hidden = result.refused_count - len(result.refused)
    if hidden:
        lines.append(f"refused  and {hidden} more")
    for warned in result.warnings[:20]:
        times = f" ({warned.count} times)" if warned.count > 1 else ""
        lines.append(f"warning  {warned.where}: {warned.what}{times}")
    if len(result.warnings) > 20:
        lines.append(f"warning  and {len(result.warnings) - 20} more; --json lists them")
    return "\n".join(map(_harmless, lines))


def _harmless(line: str) -> str:
    """Show what a terminal would obey, or a reader could not see, as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _described(one: Stored) -> dict[str, Any]:
    return {
        "row": one.id,
        "id": one.stix_id,
        "type": one.type,
        "version": stamp(one.version),
        "state": one.state,
        "originator": one.originator,
        "source": one.source,
        "label": one.label,
        "recorded_at": stamp(one.recorded_at),
        "revoked": one.revoked,
    }
