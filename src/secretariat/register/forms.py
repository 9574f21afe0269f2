"""The forms of recording: which fields each noun has, and how what was typed becomes a draft.

Reading collects every fault at its field; nothing is guessed and nothing typed is lost. References are typed
as keys; whoever calls says how a key is found. Quotations are looked for in the captured text, where that is
here, and get their offsets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from secretariat.base.errors import InputError, SecretariatError
from secretariat.register.model import (
    RELATIONS,
    Absence,
    Account,
    Body,
    Commitment,
    Draft,
    Evidence,
    Instrument,
    InstrumentStatus,
    Meeting,
    Project,
    Relation,
    Row,
    Source,
    Statement,
    evidence_of,
    to_draft,
)
from secretariat.register.times import parse
from secretariat.register.wording import (
    ACT_WORDS,
    KIND_WORDS,
    LEVEL_WORDS,
    POSITION_WORDS,
    RELATION_WORDS,
    SAYS_WORDS,
    SOURCE_WORDS,
    STATUS_WORDS,
)
from secretariat.web.words import mark

Find = Callable[[str], Row | None]
"""Gives the statement that stands under a key or an id."""
Text = Callable[[str], tuple[str, str] | None]
"""Gives the captured text of a source and its hash, where it is here."""

CITES_MAX = 40
_WORD = re.compile(r"[,;、，；\n]+")


class Field(msgspec.Struct, frozen=True):
    """One field of a form: its member, how it is typed, and what may be chosen."""

    name: str
    widget: str = "text"
    """text, area, date, words (separated by commas), lines, choice, ref, refs, number, steps or cites."""
    choices: dict[str, str] = {}
    required: bool = False
    help: str = ""


class Noun(msgspec.Struct, frozen=True):
    """What can be recorded: its word, its shape and kind, its fields."""

    word: str
    shape: type[Statement | Relation]
    kind: str
    fields: tuple[Field, ...]
    about: str = ""
    """The field that the address fills (`?about=`)."""


_TITLE = Field("title", required=True)
_WHEN = (
    Field(
        "true_from",
        "date",
        help=mark("2012, 2012-09 or 2012-09-03: as precise as is known; empty is undated"),
    ),
    Field("true_to", "date"),
    Field("announced", "date", help=mark("The day it was announced; announced is not held")),
    Field(
        "known_public", "date", help=mark("The first day on which anybody could read it; empty: not public")
    ),
)
_WHO = (
    Field("parties", "words", help=mark("Codes: JP, KR, CN, US, EU")),
    Field("groups", "words", help=mark("ASEAN, APCERT")),
    Field("orgs", "words", help=mark("JPCERT/CC, KISA")),
)
_END = (
    Field("summary", "area"),
    Field("status", "choice", STATUS_WORDS),
    Field("lang", "choice", {"en": "English", "ja": "日本語", "ko": "한국어", "zh": "中文"}),
    Field("cites", "cites"),
)
_PLACE = (Field("place"), Field("zone", help="Asia/Tokyo"))
_AIM = Field("aim", help=mark("A short tag; equal tags mean the same aim"))

NOUNS: dict[str, Noun] = {
    "meeting": Noun(
        mark("meeting"),
        Meeting,
        "meeting",
        (
            _TITLE,
            *_WHEN,
            *_WHO,
            *_PLACE,
            Field("level", "choice", {"": "–", **LEVEL_WORDS}),
            Field("series", help=mark("Rounds of one series bear the same word here")),
            Field("round", "number"),
            Field("agenda", "lines", help=mark("One item a line")),
            Field("agenda_held", "lines", help=mark("One item a line")),
            Field("papers", "refs", help=mark("Keys of sources")),
            _AIM,
            *_END,
        ),
    ),
    "commitment": Noun(
        mark("commitment"),
        Commitment,
        "commitment",
        (
            _TITLE,
            Field("true_from", "date", help=mark("When it was promised")),
            Field(
                "known_public",
                "date",
                help=mark("The first day on which anybody could read it; empty: not public"),
            ),
            *_WHO,
            Field(
                "owed_by",
                "words",
                required=True,
                help=mark("Who owes it: codes, or organisations named above"),
            ),
            Field("due", "date", help=mark("Without a day it is never overdue")),
            Field("due_text"),
            Field("cadence", help=mark("quarterly, half-yearly, yearly, continuing")),
            _AIM,
            *_END,
        ),
    ),
    "project": Noun(
        mark("project"),
        Project,
        "project",
        (
            _TITLE,
            *_WHEN,
            *_WHO,
            Field("lead"),
            Field("partners", "words"),
            Field("milestones", "steps", help=mark("One a line: what | due | done, the last two as dates")),
            Field("budget", help=mark("In words")),
            _AIM,
            *_END,
        ),
    ),
    "instrument": Noun(
        mark("instrument"),
        Instrument,
        "instrument",
        (
            _TITLE,
            *_WHEN,
            *_WHO,
            *_PLACE,
            Field("binding", "choice", {"": "–", "yes": mark("yes"), "no": mark("no")}),
            Field("instrument", help=mark("Its key on the page Agreements, where it stands there")),
            _AIM,
            *_END,
        ),
    ),
    "act": Noun(
        mark("act about an instrument"),
        InstrumentStatus,
        "status-change",
        (
            Field("instrument_ref", "ref", required=True),
            Field("party", required=True, help=mark("Codes: JP, KR, CN, US, EU")),
            Field("state", "choice", ACT_WORDS, required=True),
            Field("true_from", "date", required=True),
            Field("effect_on", "date"),
            Field(
                "known_public",
                "date",
                help=mark("The first day on which anybody could read it; empty: not public"),
            ),
            Field("title", help=mark("Empty: party, act and instrument")),
            *_END,
        ),
        "instrument_ref",
    ),
    "statement": Noun(
        mark("statement, development, exercise or attack"),
        Statement,
        "statement",
        (
            Field(
                "kind",
                "choice",
                {one: KIND_WORDS[one] for one in ("statement", "development", "exercise", "attack")},
            ),
            _TITLE,
            *_WHEN,
            *_WHO,
            *_PLACE,
            Field("target", "words"),
            Field("series"),
            Field("round", "number"),
            *_END,
        ),
    ),
    "evidence": Noun(
        mark("evidence"),
        Evidence,
        "evidence",
        (
            Field("for_ref", "ref", required=True),
            Field("says", "choice", SAYS_WORDS, required=True),
            Field(
                "from_ref", "ref", help=mark("The statement it rests on gives its times; else give them here")
            ),
            Field("true_from", "date"),
            Field("known_public", "date"),
            Field("title", help=mark("Empty: what it says, and the statement it rests on")),
            *_END,
        ),
        "for_ref",
    ),
    "account": Noun(
        mark("account of this party"),
        Account,
        "account",
        (
            Field("about_ref", "ref", required=True),
            Field("said_by", required=True, help=mark("This party, or whose words are told")),
            Field("position", "choice", POSITION_WORDS, required=True),
            Field("text", "area", required=True),
            Field(
                "known_public",
                "date",
                help=mark("The first day on which anybody could read it; empty: not public"),
            ),
            *_END[1:],
        ),
        "about_ref",
    ),
    "absence": Noun(
        mark("absence"),
        Absence,
        "absence",
        (
            Field("title", required=True, help=mark("What was looked for and not found")),
            Field(
                "true_from", "date", required=True, help=mark("As of when: it says nothing about later days")
            ),
            Field("looked_by", required=True),
            Field("looked_in", required=True),
            Field("about_ref", "ref"),
            Field("known_public", "date"),
            *_WHO,
            *_END,
        ),
        "about_ref",
    ),
    "body": Noun(
        mark("body"),
        Body,
        "body",
        (
            _TITLE,
            Field("aliases", "lines", help=mark("One name a line, in any language")),
            Field("members", "words"),
            Field("under_ref", "ref"),
            Field("true_from", "date"),
            Field("true_to", "date"),
            *_WHO[:2],
            *_END,
        ),
    ),
    "source": Noun(
        mark("source"),
        Source,
        "source",
        (
            _TITLE,
            Field("source_kind", "choice", SOURCE_WORDS),
            Field("publisher"),
            Field("url"),
            Field("true_from", "date", help=mark("Its own date")),
            Field("date_note"),
            Field("lang", "choice", {"en": "English", "ja": "日本語", "ko": "한국어", "zh": "中文"}),
            Field("file", "file", help=mark("The document: its bytes and text stay on this node")),
        ),
    ),
    "relation": Noun(
        mark("relation"),
        Relation,
        "relation",
        (
            Field("source_ref", "ref", required=True),
            Field(
                "relationship_type", "choice", {one: RELATION_WORDS[one] for one in RELATIONS}, required=True
            ),
            Field("target_ref", "ref", required=True),
            Field("description"),
        ),
        "source_ref",
    ),
}
_KEPT = {"meeting": "meeting", "commitment": "commitment", "project": "project", "instrument": "instrument"}
_BY_TYPE = {
    "sct-meeting": "meeting",
    "sct-commitment": "commitment",
    "sct-project": "project",
    "sct-instrument": "instrument",
    "sct-instrument-status": "act",
    "sct-statement": "statement",
    "sct-evidence": "evidence",
    "sct-account": "account",
    "sct-absence": "absence",
    "sct-body": "body",
    "sct-source": "source",
    "relationship": "relation",
}


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a field, and what to do."""

    what: str
    advice: str | None = None


class Read(msgspec.Struct, frozen=True):
    """What a form said: a draft, or the faults by field."""

    draft: Draft | None
    faults: dict[str, Fault]


def noun_of(row: Row) -> str | None:
    """Give the form in which a recorded statement is corrected."""
    return _BY_TYPE.get(row.type)


def values_of(row: Row, key_of: Callable[[str], str]) -> dict[str, str]:
    """Give what a form shows of a recorded statement; `key_of` writes a reference as its key."""
    noun = NOUNS[_BY_TYPE[row.type]]
    found: dict[str, str] = {"key": row.key}
    for field in noun.fields:
        value = row.body.get(field.name)
        match field.widget:
            case "cites":
                for number, cite in enumerate(value or ()):
                    found[f"cite-{number}"] = key_of(cite["source_ref"])
                    found[f"quote-{number}"] = cite.get("quote") or ""
            case "steps":
                found[field.name] = "\n".join(
                    " | ".join(one.get(name) or "" for name in ("title", "due", "done")).rstrip(" |")
                    for one in value or ()
                )
            case "ref":
                found[field.name] = key_of(value) if value else ""
            case "refs":
                found[field.name] = "\n".join(key_of(one) for one in value or ())
            case "lines":
                found[field.name] = "\n".join(value or ())
            case "words":
                found[field.name] = ", ".join(value or ())
            case _:
                found[field.name] = {True: "yes", False: "no", None: ""}.get(value, str(value))
    if row.type == "sct-statement":
        found["kind"] = row.kind
    return found


def read(
    noun: Noun, given: Mapping[str, str], *, key: str, find: Find, text_of: Text, old: Draft | None = None
) -> Read:
    """Make the draft that a form describes, on top of the version it corrects; else say what is wrong where.

    What the form does not show stays as the older version has it.
    """
    faults: dict[str, Fault] = {}
    values: dict[str, Any] = {}
    for field in noun.fields:
        if field.widget == "file":
            continue
        try:
            values[field.name] = _value(field, given, find, text_of, faults, old)
        except SecretariatError as error:
            faults[field.name] = Fault(error.what, error.advice)
        if field.required and values.get(field.name) in (None, "", ()) and field.name not in faults:
            faults[field.name] = Fault("this field is needed")
    if noun.shape is not Relation:
        values = {
            "key": key,
            "kind": noun.kind,
            **{k: v for k, v in values.items() if v is not None},
            **_gone(values),
        }
        values["kind"] = given.get("kind") or noun.kind if noun.shape is Statement else noun.kind
        if (
            old is not None
            and not isinstance(old, Relation)
            and noun.shape is Statement
            and not given.get("kind")
        ):
            values["kind"] = old.kind
        _title(noun, values, find)
    if faults:
        return Read(None, faults)
    before = {} if old is None else msgspec.to_builtins(old)
    whole = {name: value for name, value in {**before, **values}.items() if value is not None}
    try:
        draft: Any = msgspec.convert(msgspec.to_builtins(whole), noun.shape)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        name = re.split(r"[.\[`]", path)[0]
        return Read(None, {name or "title": Fault(what.replace("`", ""))})
    if isinstance(draft, Evidence) and draft.from_ref is not None:
        resting = find(draft.from_ref)
        base = None if resting is None else to_draft(resting.body)
        if isinstance(base, Statement):
            draft = evidence_of(base, draft)
    return Read(draft, {})


def _gone(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None for name, value in values.items() if value is None}


def place_of(error: SecretariatError, key: str) -> str:
    """Give the field that an error of recording is about: `KEY/cites/0/quote` is `quote-0`."""
    where = (error.where or "").removeprefix(key).strip("/")
    parts = where.split("/")
    if parts[0] == "cites" and len(parts) > 1:
        return f"quote-{parts[1]}"
    return parts[0]


def _value(
    field: Field,
    given: Mapping[str, str],
    find: Find,
    text_of: Text,
    faults: dict[str, Fault],
    old: Draft | None,
) -> Any:
    text = given.get(field.name, "").strip()
    match field.widget:
        case "cites":
            return _cites(given, find, text_of, faults, old)
        case "words":
            return tuple(one.strip() for one in _WORD.split(text) if one.strip())
        case "lines":
            return tuple(one.strip() for one in text.splitlines() if one.strip())
        case "steps":
            return tuple(_step(one) for one in text.splitlines() if one.strip())
        case "refs":
            return tuple(_found(one.strip(), find).stix_id for one in _WORD.split(text) if one.strip())
        case "ref":
            return _found(text, find).stix_id if text else None
        case "date":
            return parse(text, where=field.name).text if text else None
        case "number":
            if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000):
                raise InputError("this is no number", advice="write 3")
            return int(text) if text else None
        case "choice":
            if text and text not in field.choices and text != getattr(old, field.name, None):
                raise InputError("this is none of the choices")
            return (
                {"yes": True, "no": False}.get(text, text or None)
                if field.name == "binding"
                else text or None
            )
        case _:
            return text or None


def _found(key: str, find: Find) -> Row:
    row = find(key)
    if row is None:
        raise InputError(f"nothing is recorded under {key!r}", advice="record that first, or correct the key")
    return row


def _step(line: str) -> dict[str, Any]:
    parts = [one.strip() for one in line.split("|")]
    found: dict[str, Any] = {"title": parts[0]}
    for name, text in zip(("due", "done"), parts[1:3], strict=False):
        if text:
            found[name] = parse(text, where="milestones").text
    return found


def _cites(
    given: Mapping[str, str], find: Find, text_of: Text, faults: dict[str, Fault], old: Draft | None
) -> tuple[dict[str, Any], ...]:
    kept = (
        {}
        if old is None or isinstance(old, Relation)
        else {(one.source_ref, one.quote): one for one in old.cites}
    )
    found: list[dict[str, Any]] = []
    for number in range(CITES_MAX):
        key = given.get(f"cite-{number}", "").strip()
        quote = given.get(f"quote-{number}", "").strip() or None
        if not key:
            if quote:
                faults[f"cite-{number}"] = Fault(
                    "a quotation without its source", "give the key of the source"
                )
            continue
        row = find(key)
        if row is None or row.type != "sct-source":
            faults[f"cite-{number}"] = Fault(
                f"no source is recorded under {key!r}", "record the source first, or correct the key"
            )
            continue
        older = kept.get((row.stix_id, quote))
        if older is not None:
            found.append(msgspec.to_builtins(older))
            continue
        cite: dict[str, Any] = {"source_ref": row.stix_id}
        if quote is not None:
            cite["quote"] = quote
            held = text_of(row.stix_id)
            start = -1 if held is None else held[0].find(quote)
            if held is not None and start < 0:
                faults[f"quote-{number}"] = Fault(
                    "these words do not stand in the captured text",
                    "copy them as they stand there, on one line",
                )
                continue
            if held is not None:
                cite |= {"start": start, "end": start + len(quote), "sha256": held[1]}
        found.append(cite)
    return tuple(found)


def _title(noun: Noun, values: dict[str, Any], find: Find) -> None:
    """Give evidence, accounts and acts the title that they get in a record file, where none was typed."""
    if values.get("title"):
        return
    match noun.shape:
        case shape if shape is Evidence:
            row = find(values.get("from_ref") or values.get("for_ref") or "")
            values["title"] = f"{values.get('says')}: {row.title if row else ''}"[:400]
        case shape if shape is Account:
            row = find(values.get("about_ref") or "")
            values["title"] = f"{values.get('said_by')}: {row.title if row else ''}"[:400]
            values["parties"] = tuple(row.parties) if row else ()
        case shape if shape is InstrumentStatus:
            row = find(values.get("instrument_ref") or "")
            words = f"{values.get('party')}: {values.get('state')}, {row.title if row else ''}"
            values["title"] = words[:400]
        case _:
            return
    if noun.shape is InstrumentStatus and values.get("party"):
        values["parties"] = (values["party"],)
