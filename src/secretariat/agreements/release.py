"""Release: from a person's DO to grants, in one durable transaction.

Rules (decisions.md 1 and 3):

1. Every recipient is decided by the one function of `rules`, now and with everything recorded; only `may`
   puts a version into a recipient's collection, and the grant names the articles that permit it.
2. One publish call writes one `publication` entry (roots, no recipient), one `grant` entry per recipient who
   got something, one local `decision` entry with the whole matrix; never one signature per decision.
3. What a recipient originated or sent us is never sent back (`own`); nothing is granted to it twice.
4. Markings, identities and extension definitions that a granted object refers to accompany it, under the
   articles of that object: without them the object could not be read.
   What is signed already and new to nobody is not published again: no entry is written.
5. Above this realm's ceiling nothing is released.
6. An object is signed once, by its originator; a relay passes the originator's signature on as it stands.
   Two releases of one object at once come one after the other.
7. What would name a source that stays here is not released (sponsoring.py).
8. Whoever relays may leave out properties that STIX does not require: the recipient gets a partial, which
   still verifies against the originator's signature. What is missing here already is named as missing there.
   Who was granted a partial from here may get more of it later, never less by a release.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.book import set_hash
from secretariat.agreements.model import ENGINE
from secretariat.agreements.recompute import moment_text
from secretariat.agreements.release_answer import Answer
from secretariat.agreements.release_batch import Batch, missing_of, partners_asked, with_company
from secretariat.agreements.release_model import PUBLIC, Basis, Published, Withheld
from secretariat.agreements.release_writing import Writer, place, settle
from secretariat.base.errors import NotFoundError
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import DecisionRecord, Draft, LogPin, Publication
from secretariat.records import store as records
from secretariat.records.store import Stored, Version
from secretariat.storage.feed import LIVE, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

__all__ = ["PUBLIC", "Basis", "Published", "Withheld", "find", "missing_of", "publish", "publish_in"]


def publish(
    node: Node,
    realm: str,
    objects: Sequence[str | int],
    *,
    to: Iterable[str] | None = None,
    basis: Basis,
    purpose: str | None = None,
    leave_out: Collection[str] = (),
    now: datetime,
) -> Published:
    """Release the newest versions of `objects` (STIX ids or row ids) to `to`, or to every partner that may.

    One transaction: all of it stands when it returns, nothing of it when it raises. Refuses objects that are
    not here, not verified, or above the ceiling of the realm. The newest version goes as it stands: after a
    withdrawal that is the revoked one.
    """
    with node.database.app(realm) as tx:
        ledger.lock(tx)  # whoever publishes the same at once comes first or after, never between
        return publish_in(
            tx,
            node,
            realm,
            find(tx, objects),
            to=to,
            basis=basis,
            purpose=purpose,
            leave_out=leave_out,
            now=now,
        )


def find(tx: sa.Connection, objects: Sequence[str | int]) -> list[Stored]:
    """Give the versions named by row id, or the newest by STIX id. Refuses what is not here."""
    names = [one for one in objects if isinstance(one, str)]
    newest = records.latest(tx, names)
    absent = [name for name in names if name not in newest]
    if absent:
        raise NotFoundError(f"not here: {', '.join(absent[:5])}", advice="`secretariat import` brings it in")
    found = records.by_ids(tx, [one for one in objects if isinstance(one, int)])
    return [*newest.values(), *found]


def publish_in(
    tx: sa.Connection,
    node: Node,
    realm: str,
    versions: Sequence[Version],
    *,
    to: Iterable[str] | None = None,
    public: bool | None = None,
    basis: Basis,
    purpose: str | None = None,
    leave_out: Collection[str] = (),
    now: datetime,
) -> Published:
    """Release versions in the caller's transaction; those not stored yet are written as published.

    What is CLEAR goes to the public as well where no recipient is named, or as `public` says. Of what is not
    this party's own the properties `leave_out` stay here (rule 8).
    Refuses versions that somebody else released, withdrew or marked since the caller read them, and to leave
    out what must stay.
    """
    keyring = node.keyring(realm)
    head = ledger.open_log(tx, keyring, now=now)
    records.refuse_changed(tx, [one for one in versions if isinstance(one, Stored)])
    batch = Batch(tx, node, realm, with_company(tx, versions), now, leave_out)
    partners = partners_asked(tx, keyring, to)
    answers = [batch.ask(code, purpose) for code in partners]
    if to is None if public is None else public:
        answers.append(batch.ask_public())
    getting = [answer for answer in answers if answer.classes]
    fresh = batch.fresh(getting)
    if not fresh:
        return _done(None, 0, answers, {}, now)
    new = batch.number()
    with Writer() as writer:
        # The database fills collections, the longest of its work, while this thread signs.
        places = place(writer, tx, node, realm, getting, head.size, basis, now)
        batch.seal(writer, new)
        settle(writer, tx, batch, places)
        roots = batch.own_roots(fresh)
        drafts = [Draft("publication", None, Publication(objects=roots, by=basis.by))]
        pin = LogPin(node.origin(realm), head.size, head.root.hex())
        drafts += [answer.draft(head.size, basis, purpose, pin, now) for answer in getting]
        drafts.append(record(head.size, answers, batch, basis, purpose, now))
        sealed = ledger.seal(keyring, drafts, now=now, head=head)
    ledger.append_sealed(tx, keyring, sealed, now=now, head=head)
    notify(tx, LIVE, f'{{"kind":"publication","entry":{head.size}}}')
    return _done(head.size, len(fresh), answers, dict(places.result().values()), now)


def _done(
    publication: int | None,
    published: int,
    answers: Sequence[Answer],
    seqs: dict[str, range],
    now: datetime,
) -> Published:
    return Published(
        publication=publication,
        published=published,
        granted={answer.party: answer.count for answer in answers if answer.party != PUBLIC},
        withheld=[one for answer in answers if answer.party != PUBLIC for one in answer.withheld(now)],
        seqs=seqs,
    )


def record(
    publication: int,
    answers: Sequence[Answer],
    batch: Batch,
    basis: Basis,
    purpose: str | None,
    now: datetime,
) -> Draft:
    results = {
        "labels": [msgspec.to_builtins(label) for label in batch.by_label],
        "to": {
            answer.party: {"instruments": answer.book.hash, "results": answer.matrix} for answer in answers
        },
    }
    body = DecisionRecord(
        instruments=set_hash({answer.book.hash for answer in answers}),
        engine=ENGINE,
        results=results,
        publication=publication,
        purpose=purpose,
        true_on=moment_text(now),
        by=msgspec.to_builtins(basis),
    )
    return Draft("decision", None, body)
