"""Texts that partners' nodes gave when asked: read, compared with ours, agreed or refused by a person.

Rules:
1. A text that came from a partner takes part in nothing. A person of this party who may edit agreements reads
   it and agrees; then it is recorded, logged with the person's name, and told to partners like any other.
2. Where another text is in use under its key, agreeing replaces that one, with every partner: `changes` says
   in which articles and dates the two differ.
3. Refusing keeps the text and who refused it. It is not asked for again, and may still be agreed later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import store
from secretariat.agreements.book import book_of_bodies, check, schema
from secretariat.agreements.objects import keep_objects
from secretariat.agreements.reading import Source
from secretariat.agreements.recording import RecordedBook, Redecided, redecide
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Instrument, Note

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.agreements.store import Offer
    from secretariat.ledger.node import Node

_PARTS = ("equivalence", "levels", "groups")


class Change(msgspec.Struct, frozen=True):
    """One place in which two texts of an instrument differ; None where one of them has nothing."""

    where: str
    ours: str | None
    theirs: str | None


def readable(body: bytes) -> str:
    """Give the key of a recorded text. Refuses one that does not keep the schema or cannot be decided by."""
    try:
        raw = json.loads(body)
        parts = {name: raw.pop(name) for name in _PARTS if name in raw}
        key = str(raw["id"])
        tables = [{**table, "instrument": key} for table in parts.pop("equivalence", [])]
        apart = {**raw, "depends_on": []} if raw.get("depends_on") else raw
        value = {"instruments": [apart], "equivalence": tables, **parts}
        check(Source("the text", value, {}), schema("instruments"))
        book_of_bodies([body]).instrument(key)
    except SecretariatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, LookupError, RecursionError) as error:
        raise InputError(f"not an instrument's text: {type(error).__name__} {error}"[:300]) from error
    return key


def offer_of(tx: sa.Connection, name: str) -> Offer:
    """Give an offered text by its hash, its beginning, or its key where only one has it."""
    found = [one for one in store.offers(tx) if one.hash.hex().startswith(name.lower()) or one.key == name]
    if len(name) < 4 or not found:
        raise NotFoundError(
            f"no text {name[:70]!r} came from a partner", advice="secretariat agreements offered"
        )
    if len({one.hash for one in found}) > 1:
        raise InputError(
            f"{len(found)} texts are called {name[:70]!r}",
            advice="name one by its hash: " + ", ".join(one.hash.hex()[:12] for one in found),
        )
    return found[0]


def changes(tx: sa.Connection, offer: Offer) -> list[Change] | None:
    """Say where an offered text differs from ours under the same key; None where we use none."""
    ours = next((one.body for one in store.instruments(tx) if one.key == offer.key), None)
    if ours is None:
        return None
    mine, other = _flat(json.loads(ours)), _flat(json.loads(offer.body))
    return [
        Change(where, mine.get(where), other.get(where))
        for where in sorted({*mine, *other})
        if mine.get(where) != other.get(where)
    ]


def _flat(value: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, part in value.items():
        if name == "articles":
            for article in part:
                found[f"article {article['art']} {article['rule']}"] = _text(article)
        else:
            found[name] = part if isinstance(part, str) else _text(part)
    return found


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def book_with(tx: sa.Connection, offer: Offer) -> Book:
    """Give our book with an offered text in it, as it would be read once it is agreed."""
    others = [one.body for one in store.instruments(tx) if one.key != offer.key]
    return book_of_bodies([*others, offer.body])


def agree(node: Node, realm: str, digest: bytes, *, by: str, now: datetime) -> RecordedBook:
    """Record an offered text as one of ours and decide open grants again; partners are told of it next."""
    with node.database.app(realm) as tx:
        ledger.lock(tx)
        offer = _one(tx, digest)
        before = {one.hash for one in store.in_use(tx)}
        book = book_with(tx, offer)
        one = book.instrument(offer.key)
        keep_objects(tx, node.party, book, bodies={offer.key: offer.body}, now=now)
        store.keep_instrument(tx, offer.key, offer.body, synthetic=one.synthetic, now=now)
        store.decide_offer(tx, digest, state="agreed", by=by, now=now)
        detail = {"key": offer.key, "hash": digest.hex(), "from": offer.source}
        drafts = [Draft("note", None, Note(act="instrument-agree", by=by, detail=detail))]
        if digest not in before:
            logged = Instrument(key=offer.key, hash=digest.hex(), synthetic=one.synthetic)
            drafts.append(Draft("instrument", None, logged))
        ledger.append(tx, node.keyring(realm), drafts, now=now)
        done = redecide(tx, node, realm, now=now) if digest not in before else Redecided()
    new, old = ([offer.key], []) if digest not in before else ([], [offer.key])
    return RecordedBook(new, old, done.lapsed, len(done.review))


def refuse(node: Node, realm: str, digest: bytes, *, by: str, reason: str, now: datetime) -> None:
    """Note that a person does not agree to an offered text. One that was agreed is replaced, not refused."""
    with node.database.app(realm) as tx:
        ledger.lock(tx)
        offer = _one(tx, digest)
        if offer.state == "agreed":
            raise InputError(
                f"{offer.key} was agreed by {offer.decided_by}", advice="import the text that replaces it"
            )
        store.decide_offer(tx, digest, state="refused", by=by, now=now)
        detail = {"key": offer.key, "hash": digest.hex(), "from": offer.source, "reason": reason}
        draft = Draft("note", None, Note(act="instrument-refuse", by=by, detail=detail))
        ledger.append(tx, node.keyring(realm), [draft], now=now)


def _one(tx: sa.Connection, digest: bytes) -> Offer:
    found = next((one for one in store.offers(tx) if one.hash == digest), None)
    if found is None:
        raise NotFoundError(f"no text {digest.hex()[:12]} came from a partner")
    return found
