"""What a decision at this node rests on beside the object: the instruments both sides signed, and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from secretariat.agreements import grants, store
from secretariat.agreements.book import Book, book_of_bodies, instrument_body, package_book
from secretariat.agreements.model import Facts, Party
from secretariat.agreements.objects import keep_objects
from secretariat.agreements.recompute import consent_of, facts_of

if TYPE_CHECKING:
    import sqlalchemy as sa


def keep_book(tx: sa.Connection, book: Book, *, own: str | None = None, now: datetime) -> list[bytes]:
    """Record every instrument of a book at this node, and its parties; give the instruments' hashes.

    With `own`, the party of this node, each is kept as an object version of its own too (objects.py).
    """
    if own is not None:
        keep_objects(tx, own, book, now=now)
    for party in book.parties.values():
        known = {"office": party.office, "clients_of": list(party.clients_of)}
        grants.keep_party(
            tx,
            party.code,
            name=party.name or party.code,
            kind=party.kind or "state",
            parent=party.under,
            facts={name: value for name, value in known.items() if value},
            now=now,
        )
    return [
        store.keep_instrument(
            tx, key, instrument_body(instrument, book), synthetic=instrument.synthetic, now=now
        )
        for key, instrument in sorted(book.instruments.items())
    ]


def whole_book(tx: sa.Connection, *, recorded_by: datetime | None = None) -> Book:
    """Give the book of all instruments recorded here, as now or as recorded by a moment.

    A node that recorded none has the package's.
    """
    recorded = store.instruments(tx, recorded_by=recorded_by)
    if not recorded and recorded_by is None:
        return package_book()
    parties = tuple(
        Party(
            one.code,
            one.name,
            one.kind,
            one.parent,
            one.facts.get("office"),
            tuple(one.facts.get("clients_of", ())),
        )
        for one in grants.parties(tx)
    )
    return _book_of(tuple(one.body for one in recorded), parties)


def book_for(tx: sa.Connection, own: str, partner: str | None) -> Book:
    """Give the instruments that both sides signed; without a partner, none: only TLP then speaks."""
    return _book_by_hash(tx, tuple([] if partner is None else store.agreed(tx, partner, own)))


def book_pinned(tx: sa.Connection, own: str, partner: str, set_of: str, *, at: datetime) -> Book | None:
    """Give the set of instruments with this hash if both sides signed it, now or at `at`; else None."""
    book = book_for(tx, own, partner)
    if book.hash == set_of:
        return book
    earlier = (_book_by_hash(tx, hashes) for hashes in store.agreed_sets(tx, partner, own, at=at))
    return next((one for one in earlier if one.hash == set_of), None)


def _book_by_hash(tx: sa.Connection, hashes: tuple[bytes, ...]) -> Book:
    found = _by_hash.get(hashes)
    if found is None:
        recorded = store.instruments_by_hash(tx, hashes)
        found = _book_of(tuple(one.body for one in recorded))
        if len(recorded) == len(hashes):  # else the rest may still be recorded
            if len(_by_hash) >= _KEPT:
                _by_hash.clear()
            _by_hash[hashes] = found
    return found


_KEPT = 64
_by_hash: dict[tuple[bytes, ...], Book] = {}
"""Books by the hashes of what is in them: equal hashes are equal texts."""


@lru_cache(maxsize=_KEPT)
def _book_of(bodies: tuple[bytes, ...], parties: tuple[Party, ...] = ()) -> Book:
    """Make a book of recorded instruments once; levels and groups that all nodes share are the package's."""
    book = book_of_bodies(bodies)
    return book.with_parties(parties) if parties else book


class Known(msgspec.Struct, frozen=True):
    """Facts about one recipient, and the third parties' entries that prove them: (log origin, position)."""

    facts: Facts
    evidence: tuple[tuple[str, int], ...] = ()


class Named(Protocol):
    """What a consent may name: an object version."""

    @property
    def stix_id(self) -> str: ...

    @property
    def root(self) -> bytes | None: ...


def facts_for(tx: sa.Connection, partner: str, versions: Sequence[Named], *, purpose: str | None) -> Known:
    """Give what is recorded about passing these versions to `partner`: its stage, compartments, consents."""
    row = next((one for one in grants.parties(tx) if one.code == partner), None)
    stated: Mapping[str, Any] = {} if row is None else row.facts
    by_root = {one.root.hex(): one.stix_id for one in versions if one.root is not None}
    kept = [one for one in store.consents(tx, partner) if any(root in by_root for root in one.roots)]
    consents = tuple(
        consent_of(
            one.by, one.to, one.roots, one.state, one.until, one.purpose, one.recorded_at, by_root=by_root
        )
        for one in kept
    )
    facts = msgspec.structs.replace(facts_of(stated), purpose=purpose, consents=consents)
    return Known(facts, tuple((one.origin, one.position) for one in kept))
