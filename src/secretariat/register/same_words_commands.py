"""`secretariat register same-sentence`: what rests on one sentence, and what follows one promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.register.asking import (
    KnownBy,
    Parties,
    Publicly,
    RecordedBy,
    TrueOn,
    Zone,
    asking,
    cite_lines,
    cites_data,
    line_of,
    question_data,
    source_data,
)

if TYPE_CHECKING:
    from secretariat.register.model import Row
    from secretariat.register.same_words import SamePromise, SameSentence

Of = Annotated[str, typer.Argument(help="Only what concerns this key or STIX id.")]


def same_sentence_command(
    key: Of = "",
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
    """List promises that two or more bodies follow, and statements that rest on one sentence of a source."""
    from secretariat.register import boards, same_words

    with asking(data, realm, true_on, known_by, recorded_by, party, publicly=publicly, zone=zone) as asked:
        promises = same_words.promises(asked.tx, asked.view, key)
        sentences = same_words.sentences(asked.tx, asked.view, key)
        named = [row for one in promises for row in same_words.rows_of(one)]
        sources = boards.sources_of(asked.tx, named, asked.view)
    result = {
        "question": question_data(asked.view),
        "promises": [_promise(one, sources) for one in promises],
        "sentences": [_sentence(one) for one in sentences],
    }
    lines = []
    for one in promises:
        lines += [f"these follow one promise: {line_of(one.promise)}", *cite_lines(one.promise, sources)]
        for name, rows in one.works:
            lines.append(f"    {name}: {', '.join(row.key for row in rows)}")
            lines += [text for row in rows for text in cite_lines(row, sources)]
        lines += [f"    promised then: {line_of(row)}" for row in one.beside]
    for group in sentences:
        place = "" if group.start is None else f" [{group.start}-{group.end}]"
        said = group.lines[0][1]["quote"] if group.sentence is None else group.sentence
        lines.append(f"these rest on one sentence of {group.source.key}{place}: {said}")
        lines += [f'    {line_of(row)} "{cite["quote"]}"' for row, cite in group.lines]
    emit(result, "\n".join(lines) or "not checked: nothing here rests on one sentence or promise", json=json)


def _promise(one: SamePromise, sources: dict[str, Row]) -> dict[str, Any]:
    return {
        "key": one.promise.key,
        "title": one.promise.title,
        "cites": cites_data(one.promise, sources),
        "works": [
            {
                "work": name,
                "statements": [
                    {"key": row.key, "title": row.title, "cites": cites_data(row, sources)} for row in rows
                ],
            }
            for name, rows in one.works
        ],
        "promised_then": [row.key for row in one.beside],
        "rests_on": [one.promise.key, *(row.key for _, rows in one.works for row in rows)],
    }


def _sentence(one: SameSentence) -> dict[str, Any]:
    return {
        "source": {"key": one.source.key, **source_data(one.source)},
        "start": one.start,
        "end": one.end,
        "sentence": one.sentence,
        "statements": [
            {
                "key": row.key,
                "title": row.title,
                **{name: cite[name] for name in ("quote", "start", "end") if name in cite},
            }
            for row, cite in one.lines
        ],
        "rests_on": [row.key for row, _ in one.lines],
    }
