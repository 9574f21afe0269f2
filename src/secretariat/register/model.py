"""Nouns of the Register: statements as objects, as rows, and the question (`View`) that they answer.

The shapes of the objects stand in records/register_shapes.py, because the door of every import checks them.
A `Row` is one recorded version of a statement with the columns that boards ask for; its `body` is the object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from secretariat.base.clock import AsOf, stamp
from secretariat.base.errors import InputError
from secretariat.base.ids import party_id, uuid5
from secretariat.records.register_shapes import (
    SHAPES,
    Absence,
    Account,
    Body,
    Cite,
    Commitment,
    Contact,
    Evidence,
    Instrument,
    InstrumentStatus,
    Meeting,
    Milestone,
    Note,
    Project,
    Request,
    Source,
    Statement,
    extension_of,
)
from secretariat.register.times import Moment, day_of, noon, parse

__all__ = [
    "SHAPES",
    "Absence",
    "Account",
    "Body",
    "Cite",
    "Commitment",
    "Contact",
    "Evidence",
    "Instrument",
    "InstrumentStatus",
    "Meeting",
    "Milestone",
    "Note",
    "Project",
    "Relation",
    "Request",
    "Row",
    "Source",
    "Statement",
    "View",
]

RELATIONS = ("supersedes", "conflicts-with", "same-origin", "part-of", "same-aim", "follows", "different-aim")
"""`relationship_type` of the relations between statements."""

KINDS = (
    "meeting",
    "instrument",
    "status-change",
    "commitment",
    "project",
    "development",
    "exercise",
    "attack",
    "statement",
    "absence",
)
"""Kinds of facts: what is listed, searched and put on a time line."""

HELD = frozenset({"meeting", "exercise"})
"""Kinds that may be announced without ever being held."""

_TYPES: dict[type[msgspec.Struct], str] = {shape: name for name, shape in SHAPES.items()}
TYPES = (*SHAPES, "relationship")
"""Every STIX type that the Register reads."""


class Relation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A plain STIX relationship between two statements, with the officer's reason."""

    source_ref: str
    target_ref: str
    relationship_type: str
    description: str | None = None


Draft = Statement | Relation
"""What may be recorded."""


def type_of(draft: Draft) -> str:
    """Give the STIX type of a draft."""
    return "relationship" if isinstance(draft, Relation) else _TYPES[type(draft)]


def stix_id(kind: str, party: str, key: str) -> str:
    """Give the id of a party's statement: it follows from type, party and key; corrections are versions."""
    return f"{kind}--{uuid5(f'register/{party}/{kind}/{key}')}"


def id_of(draft: Draft, party: str) -> str:
    """Give the id under which `party` records a draft."""
    if isinstance(draft, Relation):
        ends = (draft.source_ref, draft.relationship_type, draft.target_ref)
        return stix_id("relationship", party, "/".join(ends))
    return stix_id(type_of(draft), party, draft.key)


def to_object(
    draft: Draft,
    *,
    party: str,
    created: datetime | str,
    modified: datetime | str | None = None,
    marking: str | None = None,
    revoked: bool = False,
) -> dict[str, Any]:
    """Give the STIX object of a draft, as `party` states it."""
    made = created if isinstance(created, str) else stamp(created)
    changed = made if modified is None else modified if isinstance(modified, str) else stamp(modified)
    kind = type_of(draft)
    obj: dict[str, Any] = {
        "type": kind,
        "spec_version": "2.1",
        "id": id_of(draft, party),
        "created_by_ref": party_id(party),
        "created": made,
        "modified": changed,
        **msgspec.json.decode(msgspec.json.encode(draft)),  # lists for tuples: the plain form writes fast
    }
    if isinstance(draft, InstrumentStatus):
        # this type says the act under `status`, as agreements write it; how sure it is stands apart
        obj |= {"status": obj.pop("state", None) or "noted", "standing": draft.status}
    if revoked:
        obj["revoked"] = True
    if marking is not None:
        obj["object_marking_refs"] = [marking]
    if kind != "relationship":
        obj["extensions"] = {extension_of(kind): {"extension_type": "new-sdo"}}
    return obj


def to_draft(obj: dict[str, Any]) -> Draft:
    """Read the statement out of one of our objects. Refuses what its shape does not permit."""
    kind = obj.get("type", "")
    shape: type[Relation | Statement] | None = Relation if kind == "relationship" else SHAPES.get(kind)
    if shape is None:
        raise InputError(f"{kind!r} is no type of the Register", where="/type", advice=", ".join(TYPES))
    try:
        return msgspec.convert(_filled(obj, kind), shape)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise InputError(
            what.replace("`", ""),
            where=path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "") or "/",
            advice=f"see the schema: secretariat/records/schemas/{kind.removeprefix('sct-')}.json",
        ) from None


def _filled(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    """Give instruments that the agreements' side wrote the members that a statement has."""
    if kind == "sct-instrument" and obj.get("kind") != "instrument":
        begins = (
            {}
            if "signed" not in obj and "in_force" not in obj
            else {"true_from": obj.get("signed") or obj["in_force"]}
        )
        return {**obj, "kind": "instrument", "instrument": obj.get("key"), **begins}
    if kind == "sct-instrument-status" and "standing" in obj:
        word = obj["status"]
        return {**obj, "status": obj["standing"], **({} if word == "noted" else {"state": word})}
    if kind == "sct-instrument-status":
        word = obj.get("status", "status")
        ours = {name: value for name, value in obj.items() if name not in {"status", "cites"}}
        cites = [one for one in obj.get("cites", ()) if "source_ref" in one]
        return {
            **ours,
            "key": obj["id"],
            "kind": "status-change",
            "title": obj.get("note") or f"{word} {obj.get('party', '')}".strip(),
            "state": word,
            "parties": [obj["party"]] if "party" in obj else [],
            "known_public": obj.get("known_public") or obj["true_from"],
            "cites": cites,
        }
    return obj


def evidence_of(draft: Statement, evidence: Evidence) -> Evidence:
    """Give evidence with the times and the standing of the statement it rests on."""
    return msgspec.structs.replace(
        evidence,
        true_from=draft.true_from,
        true_to=draft.true_to,
        zone=draft.zone,
        announced=draft.announced,
        known_public=draft.known_public,
        status=draft.status,
        parties=draft.parties,
    )


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A question: what was true on a day, by what was known and recorded by then, about which parties.

    `known_by` None means everything known; `public` asks by what was publicly known. `parties` narrows to
    statements that concern every one of them.
    """

    day: date
    known_by: datetime | None = None
    known_day: date | None = None
    recorded_by: datetime | None = None
    position: int | None = None
    public: bool = False
    clear: bool = False
    """Only what is marked CLEAR: for pages that anybody may read."""
    parties: tuple[str, ...] = ()
    zone: str = "UTC"
    is_now: bool = True
    own: str = ""
    """Whose statement stands first where several parties state the same."""
    lag_days: Mapping[str, int] = {}
    """Days allowed to groups before their commitments lag, where not the default."""

    @classmethod
    def of(
        cls,
        as_of: AsOf,
        *,
        now: datetime,
        zone: str = "UTC",
        parties: tuple[str, ...] = (),
        clear: bool = False,
        own: str = "",
        lag_days: Mapping[str, int] | None = None,
    ) -> View:
        """Give the question that the as-of bar asks at `now`; the bar's own zone wins."""
        zone = as_of.zone or zone
        known = as_of.known_by
        return cls(
            day=day_of(as_of.true_on or now, zone),
            known_by=known,
            known_day=None if known is None else day_of(known, zone),
            recorded_by=as_of.recorded_by,
            position=as_of.position,
            public=as_of.public,
            clear=clear,
            parties=parties,
            zone=zone,
            is_now=as_of.is_now,
            own=own,
            lag_days=lag_days or {},
        )

    @classmethod
    def on(
        cls,
        true_on: str,
        known_by: str | None = None,
        *,
        zone: str = "UTC",
        public: bool = False,
        parties: tuple[str, ...] = (),
    ) -> View:
        """Give a question by days, e.g. `View.on("2012-06-25", "2012-06-25")`."""
        known = None if known_by is None else parse(known_by, where="known_by").last
        return cls(
            day=parse(true_on, where="true_on").last,
            known_by=None if known is None else noon(known),
            known_day=known,
            public=public,
            parties=parties,
            zone=zone,
            is_now=False,
        )

    def bound(self) -> dict[str, Any]:
        """Give the values that the queries bind."""
        return {
            "day": self.day,
            "known_by": self.known_by,
            "known_noon": None if self.known_day is None else noon(self.known_day),
            "recorded_by": self.recorded_by,
            "position": self.position,
            "parties": list(self.parties),
        }


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded version of a statement."""

    id: int
    stix_id: str
    key: str
    type: str
    kind: str
    title: str
    true_first: date | None
    begun: date | None
    """Last day on which it may have begun: true by a day when not after it."""
    true_last: date | None
    announced: date | None
    known: datetime
    known_exact: bool
    known_public: datetime | None
    recorded_at: datetime
    position: int | None
    status: str
    parties: list[str]
    orgs: list[str]
    by: list[str]
    due_first: date | None
    due_last: date | None
    cadence: str | None
    series: str | None
    round: int | None
    aim: str | None
    level: str | None
    originator: str
    """The party whose statement it is."""
    source: str
    """The party it came from; this node's own for its own."""
    about: str | None
    """Evidence: the promise; account, absence: the statement; act: the instrument; relation: its source."""
    other: str | None
    """Evidence: the statement it rests on; relation: its target."""
    says: str | None
    """Evidence: what it says; account: position; relation: type; act: status; source: its kind; request: what
    it wants, answer: what it answers."""
    tlp: str | None
    retracted: bool
    body: dict[str, Any]

    @property
    def undated(self) -> bool:
        """Whether nobody said when."""
        return self.true_first is None

    @property
    def known_day(self) -> date:
        """The day by which it was known, as recorded."""
        return self.known.date()

    @property
    def cites(self) -> list[dict[str, Any]]:
        """Where it is said; what the agreements' side cites names no source object and is left out."""
        return [one for one in self.body.get("cites", ()) if "source_ref" in one]

    @property
    def true_from(self) -> str | None:
        """When it was true, as precise as is known."""
        return self.body.get("true_from")

    @property
    def true_to(self) -> str | None:
        """Until when."""
        return self.body.get("true_to")

    def known_in(self, view: View) -> bool:
        """Whether it was known by the time asked about, not only announced."""
        if view.known_by is None or view.known_day is None:
            return True
        known = self.known_public if view.public else self.known
        if known is None:
            return False
        return (
            known <= view.known_by if self.known_exact and not view.public else known.date() <= view.known_day
        )

    def state(self, view: View) -> str:
        """Give its state in a question: undated, announced, planned, possible or true.

        A meeting whose only source is older than its day was announced, never known as held.
        """
        if not self.known_in(view):
            return "announced"
        if self.true_first is None or self.begun is None:
            return "undated"
        if self.kind in HELD and not self.known_exact and self.known.date() < self.true_first:
            return "announced"
        if self.true_first > view.day:
            return "planned"
        return "true" if self.begun <= view.day else "possible"


class Projected(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a statement that follow from its object alone."""

    stix_id: str
    key: str
    type: str
    kind: str
    title: str
    true_first: date | None = None
    begun: date | None = None
    true_last: date | None = None
    announced: date | None = None
    known_public: date | None = None
    status: str = "confirmed"
    parties: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    due_first: date | None = None
    due_last: date | None = None
    cadence: str | None = None
    series: str | None = None
    round: int | None = None
    aim: str | None = None
    level: str | None = None
    about: str | None = None
    other: str | None = None
    says: str | None = None
    retracted: bool = False
    words: str = ""
    """What a search looks in."""


def project(obj: dict[str, Any]) -> Projected:
    """Read the columns of one of our objects. Refuses dates and members that cannot be."""
    return project_draft(to_draft(obj), obj["id"], retracted=obj.get("revoked") is True)


def project_draft(draft: Draft, stix: str, *, retracted: bool = False) -> Projected:
    """Give the columns of a draft that stands under `stix`."""
    if isinstance(draft, Relation):
        return Projected(
            stix_id=stix,
            key=stix.rpartition("--")[2],
            type="relationship",
            kind="relation",
            title=draft.description or draft.relationship_type,
            about=draft.source_ref,
            other=draft.target_ref,
            says=draft.relationship_type,
            retracted=retracted,
            words=draft.description or "",
        )
    begins, ends = _when(draft.true_from, "true_from"), _when(draft.true_to, "true_to")
    announced, public = _when(draft.announced, "announced"), _when(draft.known_public, "known_public")
    due = _when(_due_of(draft), "due")
    about, other, says, by = _roles(draft)
    series, turn = series_of(draft)
    return Projected(
        stix_id=stix,
        key=draft.key,
        type=_TYPES[type(draft)],
        kind=draft.kind if type(draft) is Statement else _kind(draft),
        title=draft.title,
        true_first=None if begins is None else begins.first,
        begun=None if begins is None else begins.last,
        true_last=ends.last if ends is not None else None if begins is None else begins.last,
        announced=None if announced is None else announced.last,
        known_public=None if public is None else public.last,
        status=draft.status,
        parties=draft.parties,
        orgs=(*draft.groups, *draft.orgs),
        by=by,
        due_first=None if due is None else due.first,
        due_last=None if due is None else due.last,
        cadence=draft.cadence if isinstance(draft, Commitment) else None,
        series=series,
        round=turn,
        aim=draft.aim,
        level=draft.level,
        about=about,
        other=other,
        says=says,
        retracted=retracted,
        words=_words(draft),
    )


_NUMBERED = re.compile(r"(.+?)(?:(?<=[a-z])(\d{1,3}))?-(?:\d{4}|unknown)(?:-\d\d)?")


def series_of(draft: Statement) -> tuple[str | None, int | None]:
    """Give series and round of a meeting or exercise: as stated, else as its key says (`uk-cpc3-2014`)."""
    if draft.series is not None or draft.kind not in HELD:
        return draft.series, draft.round
    found = _NUMBERED.fullmatch(draft.key)
    if found is None:
        return None, draft.round
    return found[1], draft.round or (None if found[2] is None else int(found[2]))


def stem_of(key: str) -> str | None:
    """Give what the keys of an instrument, its acts and its promise share, None where a key is not such.

    `jk-gsomia`, from `jk-gsomia-2016` as from `jk-c-gsomia`.
    """
    stem = re.sub(r"-\d{4}(?:-\d\d)?$", "", key).replace("-c-", "-", 1)
    return stem if re.fullmatch(r"[a-z]+(?:-[a-z0-9]+)+", stem) else None


def _when(text: str | None, where: str) -> Moment | None:
    return None if text is None else parse(text, where=where)


def _due_of(draft: Statement) -> str | None:
    """Give when a promise is due, or a request to be answered."""
    match draft:
        case Commitment():
            return draft.due
        case Request(answer=None):
            return draft.answer_by
    return None


def _kind(draft: Statement) -> str:
    name = _TYPES[type(draft)].removeprefix("sct-")
    return "status-change" if name == "instrument-status" else name


def _roles(draft: Statement) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    """Give what it concerns, what it rests on, what it says, and whose it is."""
    match draft:
        case Evidence():
            return draft.for_ref, draft.from_ref, draft.says, ()
        case Account():
            return draft.about_ref, None, draft.position, (draft.said_by,)
        case Absence():
            return draft.about_ref, None, None, () if draft.looked_by is None else (draft.looked_by,)
        case InstrumentStatus():
            return draft.instrument_ref, None, draft.state, () if draft.party is None else (draft.party,)
        case Commitment():
            return None, None, None, draft.owed_by
        case Source():
            return None, None, draft.source_kind, () if draft.publisher is None else (draft.publisher,)
        case Project():
            return None, None, None, () if draft.lead is None else (draft.lead,)
        case Request():
            about = draft.answers_ref or (draft.about_refs[0] if draft.about_refs else None)
            return about, draft.carries_ref, draft.answer or draft.wants, (draft.asked_by, draft.asked_of)
        case Body():
            return draft.under_ref, None, None, ()
        case Contact():
            return None, None, draft.purpose, ()
        case _:
            return None, None, None, ()


def _words(draft: Statement) -> str:
    parts: list[str | None] = [draft.title, draft.summary, draft.place, draft.aim, draft.series]
    parts += [*draft.parties, *draft.groups, *draft.orgs, *(one.quote for one in draft.cites)]
    match draft:
        case Account():
            parts += [draft.said_by, draft.text]
        case Commitment():
            parts += [draft.due_text, draft.cadence, *draft.owed_by]
        case Body():
            parts += draft.aliases
        case Source():
            parts += [draft.publisher]
        case Note():
            parts += [draft.text, *draft.related]
        case Meeting():
            parts += [*draft.agenda, *draft.agenda_held]
        case Request():
            parts += [draft.asks, draft.reply, draft.number, draft.their_number]
    return " ".join(one for one in parts if one)
