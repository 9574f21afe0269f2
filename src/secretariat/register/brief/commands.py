"""`secretariat register brief`: what to take into a meeting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.register.asking import KnownBy, Publicly, RecordedBy, TrueOn, Zone, asking

FORMS = ("html", "pdf", "docx", "json")
_LANGUAGES = {"en": "en", "ja": "ja", "ko": "ko", "zh": "zh-Hans", "zh-Hans": "zh-Hans"}


def brief_command(
    of: Annotated[str, typer.Argument(help="Parties (JP,KR) or the key of a meeting.")],
    form: Annotated[str, typer.Option("--format", help="text, html, pdf, docx or json.")] = "text",
    language: Annotated[str, typer.Option("--language", help="en, ja, ko or zh.")] = "en",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write. Default: a name of its own.", dir_okay=True)
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
    """Say what was promised last time, what came of it, what is open and what overlaps, with every source."""
    from secretariat.register.brief import data as plain
    from secretariat.register.brief import layout, service
    from secretariat.register.brief.pages import content_of
    from secretariat.register.paper import html, naming, sheet
    from secretariat.register.paper.text import text_of
    from secretariat.register.screens import markings_of
    from secretariat.web.words import set_language

    if form not in {"text", *FORMS}:
        raise InputError(f"no form {form!r}", where="--format", advice=f"one of text, {', '.join(FORMS)}")
    if language not in _LANGUAGES:
        raise InputError(f"no language {language!r}", where="--language", advice="en, ja, ko or zh")
    tag = _LANGUAGES[language]
    set_language(tag)
    with asking(data, realm, true_on, known_by, recorded_by, (), publicly=publicly, zone=zone) as asked:
        codes, meeting = service.chosen(asked.tx, asked.view, of, own=asked.node.party)
        brief = service.gather(asked.tx, asked.view, codes, meeting)
        named = {code for one in brief.promises for code in (*one.row.by, *one.row.parties)}
        names = naming.party_names(asked.tx, {*codes, *named}, tag)
        head = sheet.head(
            asked.node,
            realm,
            brief.view,
            markings_of(plain.rows_of(brief)),
            person="secretariat register brief",
            path=f"/register/brief?of={of}",
            now=now(),
            language=tag,
        )
        party = asked.node.party
    document = layout.document(brief, head, names, tag)
    result: dict[str, Any] = {"marking": head.marking, **plain.data_of(brief)}
    if json or form == "text" or (form == "json" and out is None):
        emit(result, text_of(document), json=json or form == "json")
        return
    content = html.html(document) if form == "html" else content_of(brief, document, form)
    name = naming.file_name(party, "brief", of, str(brief.view.day), head.marking, realm=realm, ending=form)
    path = Path(name) if out is None else out / name if out.is_dir() else out
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from error
    emit({"file": str(path), "bytes": len(content)}, f"{path}: {len(content)} bytes")
