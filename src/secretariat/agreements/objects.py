"""Instruments as object versions: what is recorded here is also a statement of this party's, to be released.

Rules:
1. Each instrument recorded is an `sct-instrument` of this party with the hash of its text, and each line of
   its history an `sct-instrument-status` of its own: who states it signs it, `party` says who did it. A
   later text makes new versions; a line that is gone from the text is revoked.
2. They are drafts: nothing reaches a partner before a named person releases it, like anything else. They do
   not stand in the collection `own`, which holds what this party's tools and people wrote themselves.
3. What is publicly known (audience.py) is TLP:CLEAR. Any other is TLP:AMBER+STRICT with its parties as
   release list, so that no decision can send it to anybody else.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.audience import Audience, audience_of
from secretariat.agreements.book import instrument_body
from secretariat.base.clock import parse_stamp
from secretariat.records import store as records
from secretariat.records.canonical import canonical
from secretariat.records.extensions import instrument_object, instrument_status_object
from secretariat.records.markings import classification_marking, label_of, tlp_marking
from secretariat.records.store import Version
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Instrument, StatusEvent

KINDS = ("sct-instrument", "sct-instrument-status")


class Statement(msgspec.Struct, frozen=True):
    """One object to be kept, with its marking and when the public could know it."""

    value: dict[str, Any]
    marking: dict[str, Any] | None
    public_from: date | None


def statements_of(
    instrument: Instrument, book: Book, *, party: str, day: date, body: bytes | None = None
) -> Iterator[Statement]:
    """Give an instrument and its history as statements of `party`, without times of recording.

    `body`: its recorded text, where it was not read from a file here.
    """
    body = instrument_body(instrument, book) if body is None else body
    audience = audience_of(body)
    refs, marking = _marking(audience, party, day)
    source = instrument.source
    more: dict[str, Any] = {"synthetic": True} if instrument.synthetic else {}
    more |= {
        name: str(source[name])
        for name in ("signed", "in_force", "ends")
        if len(str(source.get(name) or "")) == 10
    }
    known = _civil(instrument.known)
    yield Statement(
        instrument_object(
            instrument.key,
            created_by=party,
            created="1970-01-01T00:00:00.000Z",
            body_sha256=hashlib.sha256(body).hexdigest(),
            title=instrument.title,
            kind=instrument.kind,
            # one that names nobody (a protocol for all) is this party's statement about itself
            parties=list(instrument.parties) or [party],
            binding=instrument.binding,
            **more,
            object_marking_refs=refs,
        ),
        marking,
        known if audience.public(day) else None,
    )
    for event in _once(instrument.status):
        known = _civil(event.known) or event.on
        said: dict[str, Any] = {
            "basis": event.basis,
            "effect_on": None if event.effect_on is None else event.effect_on.isoformat(),
            "known_public": known.isoformat() if audience.public(day) else None,
            "note": event.note,
            "cites": [{"title": event.source}] if event.source else None,
        }
        yield Statement(
            instrument_status_object(
                instrument.key,
                created_by=party,
                created="1970-01-01T00:00:00.000Z",
                party=event.by,
                status=_word(event),
                true_from=event.on.isoformat(),
                **{name: value for name, value in said.items() if value is not None},
                object_marking_refs=refs,
            ),
            marking,
            known if audience.public(day) else None,
        )


def keep_objects(
    tx: sa.Connection, party: str, book: Book, *, bodies: Mapping[str, bytes] | None = None, now: datetime
) -> int:
    """Keep what statements say where it is new or changed; give how many versions were written.

    With `bodies`, the recorded texts by key, only these instruments of the book are stated.
    """
    wanted = {
        one.value["id"]: one
        for key, instrument in book.instruments.items()
        if bodies is None or key in bodies
        for one in statements_of(
            instrument, book, party=party, day=now.date(), body=None if bodies is None else bodies[key]
        )
    }
    held = _held(tx, party, [*wanted, *(one.marking["id"] for one in wanted.values() if one.marking)])
    moment = _after(now, held.values())
    rows: list[Version] = []
    for name, one in wanted.items():
        before = held.get(name)
        if before is None or not _same(before, one.value):
            value = {
                **one.value,
                "created": moment if before is None else before["created"],
                "modified": moment,
            }
            rows.append(_row(value, one, party, now))
    for name, value in _gone(tx, party, wanted).items():
        revoked = {**value, "modified": _after(now, [value]), "revoked": True}
        marking = {ref: _known(tx, party, ref) for ref in value["object_marking_refs"]}
        held_marking = next((one for one in marking.values() if one is not None), None)
        rows.append(_row(revoked, Statement(revoked, held_marking, None), party, now))
        wanted[name] = Statement(revoked, held_marking, None)
    markings = {one.marking["id"]: one.marking for one in wanted.values() if one.marking}
    rows += [
        _row(marking, Statement(marking, marking, None), party, now)
        for name, marking in markings.items()
        if name not in held and _known(tx, party, name) is None
    ]
    records.put(tx, rows)
    return len(rows)


def _marking(audience: Audience, party: str, day: date) -> tuple[list[str], dict[str, Any] | None]:
    if audience.public(day):
        return [tlp_marking("CLEAR")["id"]], None
    marking = classification_marking(originator=party, rel_to=sorted({party, *audience.named(day)}))
    return [tlp_marking("AMBER+STRICT")["id"], marking["id"]], marking


def _once(events: Iterable[StatusEvent]) -> list[StatusEvent]:
    """Leave out a line that repeats who did what when."""
    return list({(one.by, _word(one), one.on): one for one in events}.values())


def _word(event: StatusEvent) -> str:
    return event.event or event.state or "noted"


def _civil(moment: date | datetime | None) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _row(value: dict[str, Any], one: Statement, party: str, now: datetime) -> Version:
    said = now if one.public_from is None else datetime.combine(one.public_from, time(), UTC)
    return Version(
        stix_id=value["id"],
        type=value["type"],
        version=parse_stamp(value.get("modified") or value["created"]),
        data=canonical(value),
        originator=party,
        source=party,
        label=label_of(value, {one.marking["id"]: one.marking} if one.marking else {}, party, "RED"),
        state="draft",
        recorded_at=now,
        known_at=min(said, now),
        created=value["created"],
        modified=value.get("modified"),
        created_by=value.get("created_by_ref"),
        revoked=value.get("revoked", False),
    )


def _held(tx: sa.Connection, party: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """Give the newest version of ours of each of these objects."""
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (stix_id) stix_id, bytes FROM object_version"
        " WHERE stix_id = ANY(%s) AND originator = %s ORDER BY stix_id, version DESC",
        (names, party),
    )
    return {name: msgspec.json.decode(data) for name, data in rows}


def _known(tx: sa.Connection, party: str, name: str) -> dict[str, Any] | None:
    return _held(tx, party, [name]).get(name)


def _gone(tx: sa.Connection, party: str, wanted: dict[str, Statement]) -> dict[str, dict[str, Any]]:
    """Give our statements about instruments of the book that their texts no longer make."""
    about = {one.value["id"] for one in wanted.values() if one.value["type"] == KINDS[0]}
    rows = raw(tx).execute(
        "SELECT DISTINCT ON (stix_id) stix_id, bytes, revoked FROM object_version"
        " WHERE type = %s AND originator = %s ORDER BY stix_id, version DESC",
        (KINDS[1], party),
    )
    found = {name: msgspec.json.decode(data) for name, data, revoked in rows if not revoked}
    return {
        name: value
        for name, value in found.items()
        if name not in wanted and value.get("instrument_ref") in about and _made_here(value)
    }


def _made_here(value: dict[str, Any]) -> bool:
    """Whether this module made it: the Register's own statements carry a key and stay as they are."""
    return "key" not in value


def _same(held: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the version held says the same; words that others added to it are theirs."""
    return not held.get("revoked") and all(
        held.get(name) == value for name, value in wanted.items() if name not in {"created", "modified"}
    )


def _after(now: datetime, held: Iterable[dict[str, Any]]) -> str:
    """Give the stamp of new versions: now, but later than every version that it follows."""
    earlier = [parse_stamp(one["modified"]) for one in held if "modified" in one]
    moment = max([now, *(one + timedelta(milliseconds=1) for one in earlier)])
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
