"""From an accepted proposal to what is recorded: the statement, its source, and the sources cited beside it.

The officer's words win over the proposed ones; span and quote stay those of the document. A document's own date
is when the public could know it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from secretariat.base.errors import InputError
from secretariat.register.intake.model import Cited, Proposal, Reading
from secretariat.register.model import (
    Absence,
    Cite,
    Commitment,
    Instrument,
    Meeting,
    Source,
    Statement,
    stix_id,
)

SHAPES: dict[str, type[Statement]] = {
    "meeting": Meeting,
    "instrument": Instrument,
    "commitment": Commitment,
    "absence": Absence,
}
KINDS = (
    "meeting",
    "instrument",
    "status-change",
    "commitment",
    "development",
    "exercise",
    "attack",
    "statement",
    "absence",
)
EDITED = (
    "kind",
    "title",
    "summary",
    "true_from",
    "true_to",
    "announced",
    "due",
    "due_text",
    "cadence",
    "parties",
    "groups",
    "orgs",
    "owed_by",
    "place",
    "level",
    "aim",
    "series",
    "round",
    "status",
)
"""What an officer may say otherwise."""
SOURCE_KINDS = ("primary", "copy", "press", "secondary", "machine")


def source_of(
    key: str,
    *,
    kind: str,
    title: str,
    reading: Reading,
    sha256: str,
    text_sha256: str,
    media_type: str,
    url: str | None,
    captured: str,
) -> Source:
    """Give the source as a statement: citation and hashes, never its text."""
    return Source(
        key=key,
        kind="source",
        title=title[:400],
        true_from=reading.own_date,
        known_public=reading.own_date,
        lang=reading.lang,
        source_kind=kind,
        url=url,
        sha256=sha256,
        text_sha256=text_sha256,
        media_type=media_type,
        captured=captured,
    )


def cited_of(key: str, one: Cited, number: int) -> Source:
    """Give a source that the document cites: known by its citation only."""
    title = one.title or one.publisher or one.url or f"source {one.number or number}"
    return Source(
        key=f"{key}-c{number}",
        kind="source",
        title=title[:400],
        true_from=one.date,
        known_public=one.date,
        source_kind="secondary",
        publisher=None if one.publisher is None else one.publisher[:400],
        url=one.url,
        origin="cited",
        via=key,
        status="unverified",
    )


def draft_of(
    proposal: Proposal,
    changes: dict[str, Any],
    *,
    key: str,
    party: str,
    source_key: str,
    source_kind: str,
    reading: Reading,
    text_sha256: str,
) -> tuple[Statement, list[Source]]:
    """Give the statement and the cited sources to record. Refuses a kind or a field that there is not."""
    unknown = set(changes) - set(EDITED)
    if unknown:
        raise InputError(f"{min(unknown)!r} cannot be edited here", advice=", ".join(EDITED))
    kind = changes.get("kind", proposal.kind)
    if kind not in KINDS:
        raise InputError(f"{kind!r} is no kind of record", where="kind", advice=", ".join(KINDS))
    cited = _cited(source_key, proposal, reading)
    values: dict[str, Any] = {
        "key": key,
        "kind": kind,
        "title": proposal.title,
        "true_from": proposal.true_from,
        "true_to": proposal.true_to,
        "announced": reading.own_date if proposal.announced else None,
        "known_public": reading.own_date,
        "status": "confirmed" if source_kind in {"primary", "copy"} else "single",
        "parties": proposal.parties,
        "groups": proposal.groups,
        "orgs": proposal.orgs,
        "place": proposal.place,
        "level": proposal.level,
        "round": proposal.round,
        "lang": reading.lang,
        "cites": (
            Cite(
                source_ref=stix_id("sct-source", party, source_key),
                quote=proposal.quote,
                start=proposal.start,
                end=proposal.end,
                sha256=text_sha256,
            ),
            *(Cite(source_ref=stix_id("sct-source", party, one.key)) for one in cited),
        ),
    }
    if kind == "commitment":
        values |= {
            "due": proposal.due,
            "due_text": proposal.due_text,
            "cadence": proposal.cadence,
            "owed_by": proposal.parties or proposal.orgs,
        }
    if proposal.state is not None and kind == "status-change":
        values["summary"] = f"status: {proposal.state}"
    values |= {name: value for name, value in changes.items() if name != "kind"}
    shape = SHAPES.get(kind, Statement)
    allowed = set(shape.__struct_fields__)
    kept = {name: value for name, value in values.items() if name in allowed and value not in (None, "", ())}
    try:
        return msgspec.convert(kept, shape), cited
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise InputError(
            what.replace("`", ""), where=path.rstrip("`") or None, advice="correct the field"
        ) from None


def _cited(source_key: str, proposal: Proposal, reading: Reading) -> list[Source]:
    found: list[Source] = []
    numbers = dict.fromkeys(proposal.notes)
    for at, one in enumerate(reading.sources, 1):
        if one.number not in numbers:
            continue
        meant = one
        if one.same_as is not None:
            meant = next((x for x in reading.sources if x.number == one.same_as and x.same_as is None), one)
        number = reading.sources.index(meant) + 1 if meant in reading.sources else at
        source = cited_of(source_key, meant, number)
        if all(other.key != source.key for other in found):
            found.append(source)
    return found
