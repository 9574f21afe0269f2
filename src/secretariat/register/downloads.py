"""A list of statements as files for other tools: a STIX 2.1 bundle, and a calendar.

The bundle carries the objects as this node holds them: citation, hash and quotations of at most 50 words.
What was captured is no part of an object, so no full text of another can leave this way (decisions.md 7).
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response

from secretariat.base.marking import highest
from secretariat.records import store as records
from secretariat.records.markings import TLP_ORDER, tlp_marking
from secretariat.records.register_shapes import QUOTE_WORDS
from secretariat.register import boards, calendar, store
from secretariat.register.screens import markings_of
from secretariat.register.words import quoted_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from secretariat.register.model import Row, View
    from secretariat.web.screen import Screen

MOST = 5_000
"""Statements of one file."""
STIX = "application/stix+json;version=2.1"


def bundle(tx: sa.Connection, rows: Sequence[Row], view: View) -> bytes:
    """Write statements as a bundle, with their accounts, evidence, sources and markings."""
    ids = [one.stix_id for one in rows]
    beside = store.statements(
        tx, view, types=["sct-account", "sct-evidence", "sct-instrument-status"], about=ids, limit=MOST
    )
    cited = boards.sources_of(tx, [*rows, *beside], view).values()
    held = {one.stix_id: one for one in (*rows, *beside, *cited)}
    objects = [_without_long_quotes(one.body) for one in held.values()]
    refs = sorted({ref for one in objects for ref in one.get("object_marking_refs", ())})
    held_markings = {ref: one.object() for ref, one in records.latest(tx, refs, hidden=True).items()}
    usual = {one["id"]: one for one in map(tlp_marking, TLP_ORDER)}
    markings = [{**usual, **held_markings}[ref] for ref in refs if ref in usual or ref in held_markings]
    body = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [*markings, *objects]}
    return msgspec.json.format(msgspec.json.encode(body), indent=1)


def _without_long_quotes(obj: dict[str, Any]) -> dict[str, Any]:
    """Leave out a quotation beyond the limit, whoever wrote it; its source and offsets stay."""
    if all(quoted_words(cite.get("quote") or "") <= QUOTE_WORDS for cite in obj.get("cites", ())):
        return obj
    cites = [
        {key: value for key, value in cite.items() if key != "quote" or quoted_words(value) <= QUOTE_WORDS}
        for cite in obj["cites"]
    ]
    return {**obj, "cites": cites}


def ics(screen: Screen, rows: Sequence[Row], view: View, tx: sa.Connection) -> bytes:
    """Write the meetings and due days among these statements as a calendar."""
    ids = {one.stix_id for one in rows}
    found = calendar.events(tx, view)
    url = str(screen.connection.base_url).rstrip("/")
    return calendar.write(
        [one for one in found.events if one.row.stix_id in ids],
        party=screen.party,
        realm=screen.realm,
        address=url,
    )


def file(screen: Screen, name: str, form: str, data: bytes, rows: Sequence[Row]) -> Response[bytes]:
    """Answer with a file whose name bears party, realm, as-of and the highest marking."""
    marking = highest(markings_of(rows))
    mark = "" if marking is None or not marking.tlp else f"TLP:{marking.tlp}"
    parts = [
        "EXERCISE" if screen.realm == "exercise" else "",
        screen.party,
        name,
        *screen.bar.typed.values(),
        mark,
    ]
    title = re.sub(r"[^A-Za-z0-9.+-]+", "-", " ".join(part for part in parts if part)).strip("-")
    kind = calendar.MEDIA_TYPE if form == "ics" else STIX
    return Response(
        data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{title}.{form}"'}
    )
