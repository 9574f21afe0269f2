"""Recording instruments at a node, and what a change of them does to grants that are open.

Rules (decisions.md 3):
1. Each instrument recorded anew is an `instrument` entry of the log: key, hash, whether invented. An older
   text under the same key is replaced, never overwritten: what rested on it can be asked for again.
2. When an instrument changes, open grants are decided again, now and with everything recorded. What is no
   longer permitted and of which the recipient has signed no receipt has lapsed: it leaves the recipient's
   collection, and a `lapse` entry tells the recipient.
3. What the recipient has signed for was lawful as known then and stays: it is listed for review, with what
   the end of the instrument obliges to. Nothing here makes an earlier grant unlawful.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec

from secretariat.agreements import grants, store
from secretariat.agreements.facts import book_for, facts_for, keep_book
from secretariat.agreements.model import MAY, Question
from secretariat.agreements.recompute import COMPANY
from secretariat.agreements.rules import decide
from secretariat.ledger import dsse, entries
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Instrument, Lapse
from secretariat.records import collections
from secretariat.records.markings import Label
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.agreements.grants import GrantClass
    from secretariat.agreements.model import Decision, Obligation
    from secretariat.ledger.node import Node
    from secretariat.storage.engine import Database

PUBLIC = "*"


class Review(msgspec.Struct, frozen=True):
    """A grant that the recipient has signed for and that would not be given today."""

    recipient: str
    entry: int
    objects: list[str]
    article: str
    missing: str | None
    obligations: list[dict[str, Any]]


class Redecided(msgspec.Struct, frozen=True):
    """What came of open grants."""

    lapsed: int = 0
    """Object versions that left a recipient's collection."""
    entries: list[int] = []
    review: list[Review] = []


class RecordedBook(msgspec.Struct, frozen=True):
    """What recording a book changed."""

    recorded: list[str]
    unchanged: list[str]
    lapsed: int
    review: int


def record_book(node: Node, realm: str, book: Book, *, now: datetime) -> RecordedBook:
    """Record the instruments of a book, log those that are new, and decide open grants again."""
    with node.database.app(realm) as tx:
        before = {one.hash for one in store.instruments(tx)}
        hashes = keep_book(tx, book, own=node.party, now=now)
        new: list[tuple[str, Any, bytes]] = []
        old: list[tuple[str, Any, bytes]] = []
        for (key, instrument), digest in zip(sorted(book.instruments.items()), hashes, strict=True):
            (old if digest in before else new).append((key, instrument, digest))
        drafts = [
            Draft("instrument", None, Instrument(key=key, hash=digest.hex(), synthetic=one.synthetic))
            for key, one, digest in new
        ]
        ledger.append(tx, node.keyring(realm), drafts, now=now)
        done = redecide(tx, node, realm, now=now) if new else Redecided()
    return RecordedBook([key for key, _, _ in new], [key for key, _, _ in old], done.lapsed, len(done.review))


def redecide_when_due(node: Node, realm: str, *, now: datetime) -> Redecided | None:
    """Decide open grants again when something they rest on changed, and once a day; None when nothing did.

    Looks first without a lock, label by label: the usual answer is that every grant still stands.
    """
    with node.database.app(realm) as tx:
        row = (
            raw(tx)
            .execute(
                "SELECT (SELECT max(id) FROM instrument_agreed), (SELECT max(id) FROM consent),"
                " (SELECT count(*) FROM instrument), (SELECT max(replaced_at) FROM instrument)"
            )
            .fetchone()
        )
        state = (now.date(), row)
        seen = _seen.setdefault(node.database, {})
        if seen.get(realm) == state:
            return None
        done = redecide(tx, node, realm, now=now) if _doubtful(tx, node, now) else Redecided()
    seen[realm] = state
    return done


_seen: WeakKeyDictionary[Database, dict[str, Any]] = WeakKeyDictionary()
"""What open grants were last decided with, by database and realm."""


def redecide(tx: sa.Connection, node: Node, realm: str, *, now: datetime) -> Redecided:
    """Decide every open grant again (rules 2 and 3). Call it when an instrument changed or a term passed."""
    ledger.lock(tx)  # first, as publishing does: whoever waits for the other waits here
    lapsed, review = 0, list[Review]()
    drafts: list[Draft] = []
    signed: dict[str, set[int]] = {}
    purposes: dict[int, str | None] = {}
    for grant in _doubtful(tx, node, now):
        versions = _members(tx, grant)
        refused = _refused(tx, node, grant, versions, now, purposes)
        if not refused:
            continue
        if grant.recipient not in signed:
            signed[grant.recipient] = _receipts(tx, grant.recipient, node.origin(realm))
        first = refused[0][1]
        missing = first.missing.text if first.missing is not None else None
        if grant.entry in signed[grant.recipient]:
            review.append(
                Review(
                    grant.recipient,
                    grant.entry,
                    [one.stix_id for one, _ in refused],
                    first.article,
                    missing,
                    [msgspec.to_builtins(duty) for duty in _duties(refused)],
                )
            )
            continue
        gone = [one for one, _ in refused]
        if len(gone) == sum(one.type not in COMPANY for one in versions):
            gone = versions  # nothing is left that its company could accompany
        place = collections.ensure(
            tx,
            "clear" if grant.recipient == PUBLIC else "partner",
            grant.recipient,
            party=node.party,
            realm=realm,
        )
        lapsed += collections.remove(tx, [one.id for one in gone], collection=place)
        roots = [one.root.hex() for one in gone if one.root is not None]
        body = Lapse(
            to=grant.recipient,
            grants=[{"entry": grant.entry, "objects": roots, "article": first.article}],
            reason=missing or first.article,
        )
        drafts.append(Draft("lapse", grant.recipient, body))
        if len(gone) == len(versions):
            raw(tx).execute("UPDATE grant_class SET lapsed_at = %s WHERE id = %s", (now, grant.id))
    written = ledger.append(tx, node.keyring(realm), drafts, now=now)
    return Redecided(lapsed, [one.position for one in written], review)


class Member(msgspec.Struct, frozen=True):
    """An object version of a class of grants, without its bytes."""

    id: int
    stix_id: str
    type: str
    root: bytes | None
    label: Label


def _doubtful(tx: sa.Connection, node: Node, now: datetime) -> list[GrantClass]:
    """Give the open classes with a label that might not be granted today; what is CLEAR stays so.

    A class holds thousands of versions, a handful of labels: only what is in doubt is looked at one by one.
    A label that rests on single consents is in doubt wherever there are any.
    """
    rows = (
        raw(tx)
        .execute(
            "SELECT DISTINCT i.grant_class, v.label FROM item i JOIN object_version v ON v.id = i.version"
            " WHERE v.type <> ALL(%s) AND i.grant_class IN (SELECT id FROM grant_class"
            " WHERE lapsed_at IS NULL AND articles <> '[\"tlp-2/CLEAR\"]'::jsonb)",
            (sorted(COMPANY),),
        )
        .fetchall()
    )
    labels = _labels(tx, {mark for _, mark in rows})
    of_class: dict[int, list[Label]] = {}
    for number, mark in rows:
        of_class.setdefault(number, []).append(labels[mark])
    consented: dict[str, bool] = {}
    purposes: dict[int, str | None] = {}
    found = []
    for grant in grants.classes_by_id(tx, list(of_class)):
        to = grant.recipient
        if to not in consented:
            consented[to] = bool(store.consents(tx, to))
        members = [Member(0, "", "", None, label) for label in of_class[grant.id]]
        single = consented[to] and any(_foreign(one.label, node.party) for one in members)
        if single or _refused(tx, node, grant, members, now, purposes):
            found.append(grant)
    return found


def _foreign(label: Label, party: str) -> bool:
    return label.orig != party or any(parent.orig != party for parent in label.derived_from)


def _labels(tx: sa.Connection, numbers: set[int]) -> dict[int, Label]:
    told = raw(tx).execute("SELECT id, label FROM label WHERE id = ANY(%s)", (list(numbers),)).fetchall()
    return {number: msgspec.convert(value, Label) for number, value in told}


def _members(tx: sa.Connection, grant: GrantClass) -> list[Member]:
    rows = (
        raw(tx)
        .execute(
            "SELECT v.id, v.stix_id, v.type, v.root, v.label FROM item i"
            " JOIN object_version v ON v.id = i.version WHERE i.grant_class = %s ORDER BY v.id",
            (grant.id,),
        )
        .fetchall()
    )
    labels = _labels(tx, {row[4] for row in rows})
    return [Member(one, name, kind, root, labels[mark]) for one, name, kind, root, mark in rows]


def _receipts(tx: sa.Connection, party: str, origin: str) -> set[int]:
    """Give the entries of `origin`, our log, that `party` signed a receipt about; a guest signs there."""
    rows = raw(tx).execute(
        "SELECT envelope FROM peer_entry WHERE kind = 'receipt' AND party = %(party)s"
        " UNION ALL SELECT envelope FROM entry WHERE kind = 'receipt' AND party = %(party)s",
        {"party": party},
    )
    found = set()
    for (envelope,) in rows:
        about = entries.read(dsse.payload_of(envelope)).body.get("about")
        if (
            isinstance(about, dict)
            and about.get("origin") == origin
            and isinstance(about.get("position"), int)
        ):
            found.add(int(about["position"]))
    return found


def _refused(
    tx: sa.Connection,
    node: Node,
    grant: GrantClass,
    versions: list[Member],
    now: datetime,
    purposes: dict[int, str | None],
) -> list[tuple[Member, Decision]]:
    """Give what would not be granted today, with the answer; what only accompanies is not asked about."""
    book = book_for(tx, node.party, None if grant.recipient == PUBLIC else grant.recipient)
    if grant.entry not in purposes:  # a grant entry may be a megabyte: its classes read it once
        purposes[grant.entry] = _purpose(tx, grant)
    known = facts_for(tx, grant.recipient, versions, purpose=purposes[grant.entry])
    found = []
    for one in versions:
        if one.type in COMPANY:
            continue
        question = Question(
            sender=node.party,
            recipient=grant.recipient,
            label=one.label,
            true=now,
            direct=True,
            facts=known.facts,
            object_id=one.stix_id,
        )
        decision = decide(book, question)
        if decision.outcome != MAY:
            found.append((one, decision))
    return found


def _purpose(tx: sa.Connection, grant: GrantClass) -> str | None:
    """Read the purpose of a grant from its entry."""
    row = raw(tx).execute("SELECT envelope FROM entry WHERE position = %s", (grant.entry,)).fetchone()
    if row is None:
        return None
    purpose = entries.read(dsse.payload_of(row[0])).body.get("purpose")
    return purpose if isinstance(purpose, str) else None


def _duties(refused: list[tuple[Member, Decision]]) -> list[Obligation]:
    return list(dict.fromkeys(duty for _, decision in refused for duty in decision.obligations))


def draft_ids(tx: sa.Connection, party: str) -> list[str]:
    """Give the STIX ids of all drafts in the collection `own`, oldest first; instruments go by name only."""
    rows = raw(tx).execute(
        "SELECT v.stix_id FROM object_version v WHERE v.state = 'draft' AND v.originator = %s"
        " AND EXISTS (SELECT 1 FROM item i WHERE i.version = v.id) ORDER BY v.id",
        (party,),
    )
    return list(dict.fromkeys(name for (name,) in rows))
