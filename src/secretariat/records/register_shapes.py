"""The shapes of the Register's objects: what stands at the top level of each `sct-` type (docs/register.md).

STIX 2.1 section 3.1 wants property names of three letters and more, so a promise is `owed_by`, an account
`said_by`. Absent members are their defaults; nothing is null. Dates are texts with their own precision.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from secretariat.base.ids import uuid5

When = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}(-\d\d(-\d\d(T[0-9:.]+(Z|[+-]\d\d:\d\d))?)?)?\Z",
        description="A year, a month, a day, or an instant with its zone: as precise as is known.",
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
Name = Annotated[str, Meta(min_length=1, max_length=400)]
Word = Annotated[str, Meta(min_length=1, max_length=80)]
Key = Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f]{1,200}\Z")]
Names = Annotated[tuple[Name, ...], Meta(max_length=200)]
Ref = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]+--[0-9a-f-]{36}\Z")]
Refs = Annotated[tuple[Ref, ...], Meta(max_length=500)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Quote = Annotated[str, Meta(min_length=1, max_length=1000)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Status = Literal["confirmed", "single", "contested", "unverified"]

QUOTE_WORDS = 50
"""Most words of another's text that an object may carry (decisions.md 7)."""


class Cite(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where it is said: a source, and the exact words with their offsets in the text of that hash."""

    source_ref: Ref
    quote: Quote | None = None
    start: Offset | None = None
    end: Offset | None = None
    sha256: Sha256 | None = None


Cites = Annotated[tuple[Cite, ...], Meta(max_length=200)]


class Statement(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every noun has; also the shape of `sct-statement`: statement, development, exercise, attack."""

    key: Key
    kind: Word
    title: Name
    true_from: When | None = None
    true_to: When | None = None
    zone: Word | None = None
    date_note: Text | None = None
    announced: When | None = None
    known_public: When | None = None
    status: Status = "confirmed"
    parties: Names = ()
    groups: Names = ()
    orgs: Names = ()
    place: Name | None = None
    level: Word | None = None
    series: Name | None = None
    round: Annotated[int, Meta(ge=1)] | None = None
    aim: Name | None = None
    target: Names = ()
    scope: Name | None = None
    mentions_cyber: Text | None = None
    summary: Text | None = None
    lang: Word | None = None
    cites: Cites = ()
    record: Key | None = None
    """The file or collection it was taken from."""
    retraction: Text | None = None
    """Why it was taken back: stands in its last version."""


class Meeting(Statement, frozen=True, kw_only=True):
    """A meeting or one round of a series; held only when it is known as held."""

    agenda: Names = ()
    agenda_held: Names = ()
    papers: Refs = ()


class Instrument(Statement, frozen=True, kw_only=True):
    """A document of the parties; `instrument` is its key in the agreements' book where it stands there."""

    instrument: Key | None = None
    binding: bool | None = None


class InstrumentStatus(Statement, frozen=True, kw_only=True):
    """One dated act about an instrument."""

    instrument_ref: Ref
    state: Word | None = None
    party: Word | None = None
    effect_on: When | None = None


class Commitment(Statement, frozen=True, kw_only=True):
    """A promise: by whom, by when or in which rhythm, to what end."""

    owed_by: Names = ()
    due: When | None = None
    due_text: Name | None = None
    cadence: Word | None = None


class Milestone(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step of a project."""

    title: Name
    due: When | None = None
    done: When | None = None


class Project(Statement, frozen=True, kw_only=True):
    """Work that parties do together."""

    lead: Name | None = None
    partners: Names = ()
    milestones: Annotated[tuple[Milestone, ...], Meta(max_length=200)] = ()
    budget: Text | None = None


class Absence(Statement, frozen=True, kw_only=True):
    """Nothing was found or done, as of `true_from`: who looked, and where."""

    looked_by: Name | None = None
    looked_in: Name | None = None
    about_ref: Ref | None = None


Says = Literal["done", "late", "partly", "progress", "slipped", "none"]
Position = Literal[
    "agrees", "denies", "conditional", "silent", "different-reading", "different-figure", "corrected"
]


class Evidence(Statement, frozen=True, kw_only=True):
    """What one statement says about one commitment; its times are those of the statement it rests on."""

    for_ref: Ref
    says: Says
    from_ref: Ref | None = None


class Account(Statement, frozen=True, kw_only=True):
    """What one party or source says about a statement; an object of its own, so that its party keeps it."""

    about_ref: Ref
    said_by: Name
    position: Position
    text: Text | None = None


class Source(Statement, frozen=True, kw_only=True):
    """A document; its bytes and full text never leave the node that captured them."""

    source_kind: Word = "primary"
    publisher: Name | None = None
    url: Annotated[str, Meta(max_length=4000)] | None = None
    origin: Word | None = None
    seed: Name | None = None
    via: Key | None = None
    sha256: Sha256 | None = None
    text_sha256: Sha256 | None = None
    media_type: Word | None = None
    captured: When | None = None
    covers: Name | None = None


class Body(Statement, frozen=True, kw_only=True):
    """A body or organisation with its names."""

    aliases: Names = ()
    members: Names = ()
    under_ref: Ref | None = None


Wants = Literal["answer", "join", "divide", "stop", "agenda"]
Answer = Literal["received", "answered", "declined", "passed-on"]


class Request(Statement, frozen=True, kw_only=True):
    """What one party asks another, about what, by when; or, with `answers_ref`, what the asked party answers.

    Each side states its own part: the asker the request under its number, the asked party the answer under
    its own. `asked_by` and `asked_of` are the two in both.
    """

    asked_by: Name
    asked_of: Name
    wants: Wants = "answer"
    """An answer; to join two works, to divide them, to stop one; or to put something on an agenda."""
    asks: Text | None = None
    about_refs: Refs = ()
    about_keys: Annotated[tuple[Key, ...], Meta(max_length=500)] = ()
    """Short names of `about_refs`, for who holds the statement under an id of its own."""
    answer_by: When | None = None
    number: Name | None = None
    """The asker's number, e.g. KR-2026-0001."""
    their_number: Name | None = None
    """The asked party's number, e.g. JP-2026-0007."""
    answers_ref: Ref | None = None
    answer: Answer | None = None
    reply: Text | None = None
    """The words of the answer; where it is declined, the reason."""
    passed_to: Name | None = None
    carries_ref: Ref | None = None
    """The request that this one passes on."""


class Contact(Statement, frozen=True, kw_only=True):
    """Whom to reach at a party for a purpose, and when that was last tried."""

    purpose: Name
    address: Name
    tested_on: When | None = None
    tested: Word | None = None


Prose = Annotated[str, Meta(min_length=1, max_length=200_000)]


class Note(Statement, frozen=True, kw_only=True):
    """A research note. `cites` are its footnotes in order, `summary` its abstract; `[^3]` marks the third.

    `known_public` is the date of first disclosure.
    """

    text: Prose
    about_refs: Refs = ()
    related: Names = ()
    written_by: Names = ()


SHAPES: dict[str, type[Statement]] = {
    "sct-meeting": Meeting,
    "sct-instrument": Instrument,
    "sct-instrument-status": InstrumentStatus,
    "sct-commitment": Commitment,
    "sct-project": Project,
    "sct-statement": Statement,
    "sct-absence": Absence,
    "sct-evidence": Evidence,
    "sct-account": Account,
    "sct-source": Source,
    "sct-body": Body,
    "sct-request": Request,
    "sct-contact": Contact,
    "sct-note": Note,
}
"""Type -> the struct of its top-level properties."""

SAYS = {
    "sct-meeting": "A meeting or one round of a series.",
    "sct-commitment": "A promise: by whom, by when or in which rhythm, to what end.",
    "sct-project": "Work that parties do together.",
    "sct-statement": "What happened or was said: statement, development, exercise, attack, change of status.",
    "sct-absence": "Nothing was found or done as of a day: who looked, and where.",
    "sct-evidence": "What one statement says about one commitment.",
    "sct-account": "What one party or source says about a statement.",
    "sct-source": "A document that is cited.",
    "sct-body": "A body or organisation with its names.",
    "sct-request": "What one party asks another, about what, by when.",
    "sct-contact": "Whom to reach at a party for a purpose.",
    "sct-note": "A research note on statements, with numbered footnotes.",
}
"""The types that this module defines; the two of instruments stand in records/extensions.py."""


def extension_of(kind: str) -> str:
    """Give the id of the extension-definition of one of our types."""
    return f"extension-definition--{uuid5('extension/' + kind.removeprefix('sct-'))}"


def schema_of(kind: str) -> dict[str, Any]:
    """Give the JSON Schema of a type, made from its struct."""
    (body,), parts = msgspec.json.schema_components((SHAPES[kind],))
    name = body["$ref"].rpartition("/")[2]
    shape = parts.pop(name)
    extension = extension_of(kind)
    shape["properties"] = {
        "type": {"const": kind},
        **shape["properties"],
        "extensions": {
            "type": "object",
            "properties": {extension: {"const": {"extension_type": "new-sdo"}}},
            "required": [extension],
        },
    }
    shape["required"] = ["type", *shape["required"], "extensions"]
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:secretariat:schema:{kind.removeprefix('sct-')}:1",
        "$comment": extension,
        **shape,
        "title": kind,
        "description": "New object: " + SAYS[kind],
        **({"$defs": parts} if parts else {}),
    }
    # JSON Schema writes the end of a text as `$`
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made).replace(rb"\\Z", b"$"))
    return plain
