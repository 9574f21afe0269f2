"""A note as a STIX 2.1 `report` in a bundle: what any STIX tool reads.

`object_refs` are the statements it rests on and the note itself; footnotes are `external_references` with a
quotation of at most 50 words. Neither captured text nor the statements' own objects are in it: those are
released by themselves.
"""

from __future__ import annotations

from typing import Any

from secretariat.base.ids import party_id, uuid5
from secretariat.records.register_shapes import QUOTE_WORDS
from secretariat.register.model import Note, Row


def bundle(row: Row, note: Note, sources: dict[str, Row], *, party_name: str) -> dict[str, Any]:
    """Give the bundle of a note as it stands in `row`."""
    body = row.body
    creator = str(body.get("created_by_ref") or party_id(row.originator))
    report: dict[str, Any] = {
        "type": "report",
        "spec_version": "2.1",
        "id": f"report--{uuid5(f'note-report/{row.stix_id}')}",
        "created_by_ref": creator,
        "created": body["created"],
        "modified": body["modified"],
        "name": note.title,
        "description": "\n\n".join(one for one in (note.summary, note.text) if one),
        "published": _published(note, str(body["created"])),
        "object_refs": list(dict.fromkeys([*note.about_refs, row.stix_id])),
        "external_references": [
            *(_reference(number, cite, sources) for number, cite in enumerate(row.cites, 1)),
            *({"source_name": "related information", "description": one} for one in note.related),
        ],
    }
    if note.lang:
        report["lang"] = note.lang
    if body.get("object_marking_refs"):
        report["object_marking_refs"] = body["object_marking_refs"]
    if not report["external_references"]:
        del report["external_references"]
    identity = {
        "type": "identity",
        "spec_version": "2.1",
        "id": creator,
        "created": body["created"],
        "modified": body["created"],
        "name": party_name,
        "identity_class": "organization",
    }
    return {
        "type": "bundle",
        "id": "bundle--" + str(uuid5(f"note-bundle/{row.stix_id}/{body['modified']}")),
        "objects": [identity, report],
    }


def _published(note: Note, created: str) -> str:
    """Give the day of first disclosure as STIX wants it; where only its month or year is known, its first."""
    day = note.known_public
    if day is None:
        return created
    whole = {4: f"{day}-01-01", 7: f"{day}-01"}.get(len(day), day[:10])
    return f"{whole}T00:00:00.000Z"


def _reference(number: int, cite: dict[str, Any], sources: dict[str, Row]) -> dict[str, Any]:
    source = sources.get(cite["source_ref"])
    name = cite["source_ref"] if source is None else source.body.get("publisher") or source.title
    found: dict[str, Any] = {"source_name": f"[{number}] {name}", "external_id": cite["source_ref"]}
    words = "" if source is None else f"{source.title} ({source.true_from or 'undated'})"
    if cite.get("quote"):
        quote = " ".join(str(cite["quote"]).split(" ")[:QUOTE_WORDS])
        words += f": “{quote}”"
        if cite.get("start") is not None:
            words += f" [{cite['start']}-{cite['end']}]"
    if words:
        found["description"] = words
    if source is not None and source.body.get("url"):
        found["url"] = source.body["url"]
    return found
