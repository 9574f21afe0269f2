"""Taking a document in: capture, read, propose; and what an officer makes of each proposal.

Rules:

1. Nothing becomes a record by being read. Accepting one proposal records one statement with its span, the
   document as its source, and the sources cited right there.
2. The same bytes again are the same intake, with all that was decided; changed bytes behind the same address are
   kept beside the older and flagged (sources.keep).
3. Two officers: who decides on a proposal that another decided meanwhile is refused and told by whom and how.
4. The captured bytes and text stay on this node.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.register import service as register
from secretariat.register import sources
from secretariat.register.intake import drafts, store
from secretariat.register.intake.capture import Limits
from secretariat.register.intake.contained import Document, documents_contained, rules_contained
from secretariat.register.intake.store import Intake, Item
from secretariat.register.model import Draft, Row, View, id_of, stix_id
from secretariat.register.overlap import service as overlap
from secretariat.register.overlap.model import Near
from secretariat.register.overlap.model import Text as Question

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was taken in."""

    intake: int
    name: str
    again: bool
    changed: bool
    """Other bytes were captured before under the same address."""
    dates: int
    mentions: int
    sources: int
    proposals: int


def take_in(
    node: Node,
    realm: str,
    data: bytes,
    name: str,
    *,
    by: str,
    now: datetime,
    address: str | None = None,
    charset: str | None = None,
    source_kind: str = "secondary",
    own: date | None = None,
    limits: Limits | None = None,
) -> list[Taken]:
    """Capture and read a document; a mail gives itself and its attachments. Refuses what cannot be read."""
    if source_kind not in drafts.SOURCE_KINDS:
        raise InputError(
            f"{source_kind!r} is no kind of source", where="kind", advice=", ".join(drafts.SOURCE_KINDS)
        )
    documents = documents_contained(data, name, charset=charset, own=own, limits=limits or Limits())
    taken = []
    for one in documents:
        with node.database.app(realm) as tx:
            taken.append(_take(tx, node, one, by=by, now=now, address=address, source_kind=source_kind))
    return taken


def _take(
    tx: sa.Connection,
    node: Node,
    document: Document,
    *,
    by: str,
    now: datetime,
    address: str | None,
    source_kind: str,
) -> Taken:
    one = document.captured
    key = f"doc-{one.sha256[:12]}"
    source = stix_id("sct-source", node.party, key)
    capture = sources.keep(
        tx,
        source,
        one.data,
        text=one.text,
        media_type=one.media_type,
        address=address,
        lang=one.lang,
        by=by,
        now=now,
    )
    before = store.of_capture(tx, capture.id)
    if before is not None:
        intake = there(tx, before)
        found = intake.reading
        count = len(store.items(tx, before))
    else:
        found = document.reading
        count = len(found.proposals)
        before = store.open_intake(
            tx,
            capture=capture.id,
            source_key=key,
            source_id=source,
            source_kind=source_kind,
            name=one.name,
            title=one.title or one.name,
            reading=found,
            note=one.note,
            by=by,
            now=now,
        )
        return Taken(
            intake=before, name=one.name, again=False, changed=capture.changed_from is not None,
            dates=len(found.dates), mentions=len(found.mentions), sources=len(found.sources), proposals=count,
        )  # fmt: skip
    return Taken(
        intake=before, name=one.name, again=True, changed=capture.changed_from is not None,
        dates=len(found.dates), mentions=len(found.mentions), sources=len(found.sources), proposals=count,
    )  # fmt: skip


def set_date(node: Node, realm: str, intake: int, own: date) -> int:
    """Set the document's own date and read it again; refuses once something was decided."""
    with node.database.app(realm) as tx:
        one = there(tx, intake, lock=True)
        decided = [item for item in store.items(tx, intake) if item.state != "open"]
        if decided:
            raise ConflictError(
                f"{len(decided)} of its proposals are decided",
                advice="edit the dates of the proposals that are still open",
            )
        text = store.text_of(tx, one.capture)
        reading = rules_contained(text.text, lang=one.reading.lang, own=own, limits=Limits())
        store.set_reading(tx, intake, reading)
        return len(reading.proposals)


def nearest(tx: sa.Connection, view: View, item: Item, lang: str) -> tuple[Near, ...]:
    """Give existing records that a proposal may repeat, continue or deny, with the question each raises."""
    one = item.proposal
    question = Question(
        title=one.title,
        summary=one.quote,
        kind=one.kind,
        parties=one.parties,
        groups=one.groups,
        orgs=one.orgs,
        true_from=one.true_from,
        lang=lang,
    )
    return overlap.near(tx, view, question, limit=3)


def accept(
    node: Node,
    realm: str,
    intake: int,
    number: int,
    *,
    seen: int,
    by: str,
    now: datetime,
    changes: dict[str, Any] | None = None,
    tlp: str | None = None,
) -> str:
    """Record a proposal, as proposed or with an officer's changes; give the key of the statement."""
    with node.database.app(realm) as tx:
        one = there(tx, intake)
        item = _free(tx, intake, number, seen)
        text = store.text_of(tx, one.capture)
        key = f"{one.source_key}-{number}"
        draft, cited = drafts.draft_of(
            item.proposal,
            changes or {},
            key=key,
            party=node.party,
            source_key=one.source_key,
            source_kind=one.source_kind,
            reading=one.reading,
            text_sha256=text.text_sha256,
        )
        source = drafts.source_of(
            one.source_key,
            kind=one.source_kind,
            title=one.title,
            reading=one.reading,
            sha256=text.sha256,
            text_sha256=text.text_sha256,
            media_type=text.media_type,
            url=text.address,
            captured=text.captured_at.date().isoformat(),
        )
        batch: list[Draft] = [source, *cited, draft]
        register.record_in(tx, node, realm, batch, by=by, now=now, tlp=tlp)
        stix = id_of(draft, node.party)
        store.decide(tx, intake, number, state="accepted", by=by, now=now, stix_id=stix, record_key=key)
    return key


def reject(
    node: Node, realm: str, intake: int, number: int, *, seen: int, reason: str, by: str, now: datetime
) -> None:
    """Put a proposal aside, with the reason; it stays in the list."""
    with node.database.app(realm) as tx:
        there(tx, intake)
        _free(tx, intake, number, seen)
        store.decide(tx, intake, number, state="rejected", by=by, now=now, reason=reason.strip() or None)


def reopen(node: Node, realm: str, intake: int, number: int, *, seen: int, by: str, now: datetime) -> None:
    """Take a rejection back. What was accepted is a record: it is amended or taken back there."""
    with node.database.app(realm) as tx:
        there(tx, intake)
        item = store.item(tx, intake, number, lock=True)
        if item is None or item.state != "rejected" or item.version != seen:
            raise ConflictError(
                "this proposal is not put aside, or somebody decided meanwhile", advice="load the page again"
            )
        store.decide(tx, intake, number, state="open", by=by, now=now)


def there(tx: sa.Connection, intake: int, *, lock: bool = False) -> Intake:
    """Give a document being read. Refuses a number that there is not."""
    one = store.get(tx, intake, lock=lock)
    if one is None:
        raise NotFoundError(f"no document {intake} was taken in here", advice="see the list of documents")
    return one


def _free(tx: sa.Connection, intake: int, number: int, seen: int) -> Item:
    item = store.item(tx, intake, number, lock=True)
    if item is None:
        raise NotFoundError(f"no proposal {number} of document {intake}", advice="load the page again")
    if item.state != "open" or item.version != seen:
        how = item.state if item.decided_by is None else f"{item.state} by {item.decided_by}"
        raise ConflictError(
            f"proposal {number} was {how} meanwhile", advice="nothing of yours was recorded; load it again"
        )
    return item


__all__ = ["Near", "Row", "Taken", "accept", "nearest", "reject", "reopen", "set_date", "take_in", "there"]
