"""`secretariat register import|sample|export`: records as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at
from secretariat.register.asking import (
    KnownBy,
    Parties,
    Publicly,
    RecordedBy,
    TrueOn,
    Zone,
    asking,
)
from secretariat.register.brief.commands import brief_command
from secretariat.register.commands import commands
from secretariat.register.intake.commands import intake_command, proposals
from secretariat.register.notes.commands import notes
from secretariat.register.overlap.commands import overlap
from secretariat.register.requests.contact_commands import digest_command
from secretariat.register.same_words_commands import same_sentence_command

__all__ = ["commands"]

commands.add_typer(overlap, name="overlap")
commands.command("intake")(intake_command)
commands.command("brief")(brief_command)
commands.command("same-sentence")(same_sentence_command)
commands.command("digest")(digest_command)
commands.add_typer(proposals, name="proposals")
commands.add_typer(notes, name="notes")


@commands.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A record file (docs/register.md).", dir_okay=False)],
    documents: Annotated[
        Path | None,
        typer.Option("--documents", help="Folder of the documents in which spans are looked for."),
    ] = None,
    tlp: Annotated[str, typer.Option("--tlp", help="Mark what is recorded. Default: the node's.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record a file of statements whole or not at all; the same file again changes nothing."""
    from secretariat.register import record_file

    with node_at(data) as node:
        done = record_file.import_file(
            node,
            realm,
            file,
            documents=documents,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER),
            now=now(),
            tlp=tlp or None,
        )
    emit(done, _imported(done, documents), json=json)


@commands.command("sample")
def sample_command(
    tlp: Annotated[str, typer.Option("--tlp", help="Mark what is recorded. Default: the node's.")] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record the sample that the package ships: public facts of 1999 to 2026, in our own words."""
    from secretariat.register import record_file
    from secretariat.register.sample import NAME, sample

    with node_at(data) as node:
        done = record_file.import_bytes(
            node,
            realm,
            sample(),
            name=NAME,
            by=doer_at(node.database, realm, login, Permission.EDIT_REGISTER),
            now=now(),
            tlp=tlp or None,
        )
    emit(done, _imported(done, None), json=json)


def _imported(done: Any, documents: Path | None) -> str:
    read = f"{done.facts} facts, {done.sources} sources, {done.accounts} accounts, {done.evidence} evidence"
    wrote = (
        f"{done.written} versions written ({done.amended} of them corrections), {done.unchanged} unchanged"
    )
    lines = [f"{read}: {wrote}"]
    if documents is not None:
        lines.append(
            f"{done.spans} spans found at their offsets, {done.unread} in documents that are not here"
        )
    return "\n".join([*lines, *(f"warning: {one}" for one in done.warnings)])


@commands.command("export")
def export_command(
    file: Annotated[Path | None, typer.Argument(help="Where to write; else to stdout.")] = None,
    record: Annotated[str, typer.Option("--record", help="Only what came from this record.")] = "",
    of: Annotated[str, typer.Option("--of", help="Whose statements. Default: this party's.")] = "",
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
    """Write a party's statements as a record file, as they were known and recorded by then."""
    import sys

    from secretariat.register import record_file, yaml_form

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        found = record_file.export(
            asked.tx, asked.view, originator=of or asked.node.party, record=record or None
        )
    text = yaml_form.dump(found)
    if file is None:
        emit(found, None, json=True) if json else sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(file)) from error
    counts = {name: len(value) for name, value in found.items() if isinstance(value, list)}
    emit(
        {"file": str(file), **counts},
        f"{file}: {counts['facts']} facts, {counts['sources']} sources",
        json=json,
    )
