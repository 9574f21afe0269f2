"""`secretariat register notes`: research notes as on the pages: listed, shown, written, revised, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer
from secretariat.register.asking import (
    Key,
    KnownBy,
    Parties,
    Publicly,
    RecordedBy,
    TrueOn,
    Zone,
    asking,
    view_of,
)

notes = typer.Typer(no_args_is_help=True, help="Research notes with numbered footnotes.")
_LANGUAGES = {"en": "en", "ja": "ja", "ko": "ko", "zh": "zh-Hans", "zh-Hans": "zh-Hans"}
FORMS = ("md", "stix", "html", "pdf", "docx")
TEXT_MAX = 2**20
Language = Annotated[str, typer.Option("--language", help="en, ja, ko or zh.")]


@notes.command("list")
def list_command(
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
    """List the notes, newest first: day, key, whose, first disclosure, number of footnotes, title."""
    from secretariat.register.notes import service

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        found = service.notes(asked.tx, asked.view)
    rows: list[dict[str, Any]] = [
        {
            "key": one.key,
            "title": one.title,
            "lang": one.body.get("lang"),
            "written": one.true_from,
            "disclosed": one.body.get("known_public"),
            "parties": sorted(one.parties),
            "footnotes": len(one.cites),
            "party": one.originator,
            "tlp": one.tlp,
        }
        for one in found
    ]
    lines = [
        f"{row['written'] or 'undated':10}  {row['key']}  {row['party']}  {row['footnotes']} footnotes,"
        f" {'disclosed ' + row['disclosed'] if row['disclosed'] else 'not disclosed'}: {row['title']}"
        for row in rows
    ]
    emit(rows, "\n".join(lines) or "no note stands here; `register notes write` makes one", json=json)


@notes.command("show")
def show_command(
    key: Key,
    language: Language = "en",
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    zone: Zone = "",
    json: Json = False,
) -> None:
    """Show one note with its footnotes; --json gives its fields as `write` takes them."""
    from secretariat.register.notes import service
    from secretariat.register.paper.text import text_of

    tag = _language(language)
    with asking(data, realm, true_on, known_by, recorded_by, (), publicly=publicly, zone=zone) as asked:
        row = service.note_of(asked.tx, asked.view, key)
        typed = service.typed_of(asked.tx, row, asked.view)
        made = _made(asked.node, asked.tx, realm, row, asked.view, tag)
        revisions = [
            {"version": one.id, "recorded": one.recorded_at, "position": one.position}
            for one in service.revisions(asked.tx, row, asked.view)
        ]
        released = service.released(asked.tx, row)
    result = {
        "key": row.key,
        "party": row.originator,
        "marking": made.document.head.marking,
        "public": released,
        "title": typed.title,
        "language": typed.lang,
        "abstract": typed.summary,
        "text": typed.text,
        "about": list(typed.statements),
        "footnotes": [{"source": one.source, "quote": one.quote} for one in typed.footnotes],
        "related": typed.related.splitlines(),
        "written_by": typed.written_by.splitlines(),
        "written": typed.true_from,
        "disclosed": typed.disclosed,
        "revisions": revisions,
    }
    emit(result, text_of(made.document), json=json)


@notes.command("write")
def write_command(
    file: Annotated[
        Path | None,
        typer.Argument(help="The text, UTF-8, with [^1] [^2] … where footnotes stand.", dir_okay=False),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Its title.")] = "",
    footnote: Annotated[
        list[str] | None,
        typer.Option("--footnote", help='KEY or "KEY: exact words" of a source; the first is [^1]. Repeat.'),
    ] = None,
    about: Annotated[
        list[str] | None, typer.Option("--about", help="Key of a statement that it rests on. Repeat.")
    ] = None,
    abstract: Annotated[str, typer.Option("--abstract", help="A paragraph before the text.")] = "",
    related: Annotated[
        list[str] | None, typer.Option("--related", help="Related information, a line. Repeat.")
    ] = None,
    written_by: Annotated[
        list[str] | None, typer.Option("--written-by", help="Who wrote it. Repeat. Default: the login.")
    ] = None,
    written: Annotated[str, typer.Option("--written", help="Its day. Default: today.")] = "",
    disclosed: Annotated[str, typer.Option("--disclosed", help="Day of first disclosure.")] = "",
    language: Language = "en",
    tlp: Annotated[str, typer.Option("--tlp", help="CLEAR, GREEN, AMBER, AMBER+STRICT or RED.")] = "",
    revises: Annotated[
        str, typer.Option("--revises", help="Key of a note of ours: what is not given stays as it stands.")
    ] = "",
    login: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Record a note, or a revision of one; it stays a draft of this party until it is released."""
    import msgspec

    from secretariat.register.notes import service
    from secretariat.register.notes.service import Typed

    given: dict[str, Any] = {
        "title": title,
        "text": "" if file is None else _text(file),
        "summary": abstract,
        "statements": tuple(about or ()),
        "footnotes": tuple(_footnote(one) for one in footnote or ()),
        "related": "\n".join(related or ()),
        "written_by": "\n".join(written_by or ()),
        "true_from": written,
        "disclosed": disclosed,
        "tlp": tlp,
    }
    given = {name: value for name, value in given.items() if value}
    moment = now()
    with node_at(data) as node:
        with node.database.app(realm) as tx:
            by = doer(tx, login, Permission.EDIT_REGISTER)
            view = view_of(tx, node, "", "", "", ())
            row = service.note_of(tx, view, revises) if revises else None
            base = (
                Typed(lang=_language(language), written_by=by, true_from=moment.date().isoformat())
                if row is None
                else service.typed_of(tx, row, view)
            )
        typed = msgspec.structs.replace(base, **given)
        if row is None:
            key = service.write(node, realm, typed, view, by=by, now=moment)
            emit({"key": key}, f"recorded as {key}", json=json)
            return
        done = service.change(node, realm, row.key, typed, view, seen=row.id, by=by, now=moment)
    emit(
        {"key": row.key, "version": done.id, "unseen": done.unseen},
        f"{row.key}: recorded as its newest revision" + (", beside another's" if done.unseen else ""),
        json=json,
    )


@notes.command("export")
def export_command(
    key: Key,
    form: Annotated[str, typer.Option("--format", help="md, stix, html, pdf or docx.")] = "md",
    language: Language = "en",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File or folder to write. Default: md and stix to stdout.", dir_okay=True),
    ] = None,
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    publicly: Publicly = False,
    zone: Zone = "",
    json: Json = False,
) -> None:
    """Write a note as a file: Markdown, a STIX 2.1 report in a bundle, HTML, PDF or DOCX."""
    from secretariat.register.notes import files, service

    if form not in FORMS:
        raise InputError(f"no form {form!r}", where="--format", advice=f"one of {', '.join(FORMS)}")
    tag = _language(language)
    with asking(data, realm, true_on, known_by, recorded_by, (), publicly=publicly, zone=zone) as asked:
        row = service.note_of(asked.tx, asked.view, key)
        made = _made(asked.node, asked.tx, realm, row, asked.view, tag)
        content = files.content_of(asked.tx, made, form)
        name = files.name_of(asked.node.party, made, form, realm)
    if out is None and form in {"md", "stix"}:
        typer.echo(content.decode(), nl=not content.endswith(b"\n"))
        return
    path = Path(name) if out is None else out / name if out.is_dir() else out
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from error
    emit({"file": str(path), "bytes": len(content)}, f"{path}: {len(content)} bytes", json=json)


def _made(node: Any, tx: Any, realm: str, row: Any, view: Any, tag: str) -> Any:
    from secretariat.register.notes import files

    return files.made(
        tx,
        node,
        realm,
        row,
        view,
        person="secretariat register notes",
        path=f"/register/notes/{row.key}",
        language=tag,
    )


def _footnote(text: str) -> Any:
    """Read `KEY` or `KEY: exact words`."""
    from secretariat.register.notes.service import Footnote

    source, _, quote = text.partition(": ")
    return Footnote(source.strip(), quote.strip())


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        if len(data) > TEXT_MAX:
            raise InputError("the text is too long", where=str(file), advice=f"at most {TEXT_MAX} bytes")
        return data.decode()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", where=str(file), advice="save it as UTF-8"
        ) from None


def _language(language: str) -> str:
    if language not in _LANGUAGES:
        raise InputError(f"no language {language!r}", where="--language", advice="en, ja, ko or zh")
    return _LANGUAGES[language]
