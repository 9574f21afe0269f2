"""What a decision at this node rests on beside the object: the instruments both sides signed, and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import grants, store
from secretariat.agreements.book import Book, build, instrument_body, package_book
from secretariat.agreements.model import Facts, Party
from secretariat.agreements.reading import Source
from secretariat.agreements.recompute import consent_of, facts_of
from secretariat.records.store import Version

if TYPE_CHECKING:
    import sqlalchemy as sa


def keep_book(tx: sa.Connection, book: Book, *, now: datetime) -> list[bytes]:
    """Record every instrument of a book at this node; give their hashes."""
    return [
        store.keep_instrument(tx, key, instrument_body(instrument), synthetic=instrument.synthetic, now=now)
        for key, instrument in sorted(book.instruments.items())
    ]


def whole_book(tx: sa.Connection, *, recorded_by: datetime | None = None) -> Book:
    """Give the book of all instruments recorded here, as now or as recorded by a moment."""
    recorded = store.instruments(tx, recorded_by=recorded_by)
    book = _book_of(tuple(one.body for one in recorded))
    parties = [
        Party(one.code, one.name, one.kind, one.parent, one.facts.get("office")) for one in grants.parties(tx)
    ]
    return book.with_parties(parties) if any(party.under for party in parties) else book


def book_for(tx: sa.Connection, own: str, partner: str | None) -> Book:
    """Give the instruments that both sides signed; without a partner, none: only TLP then speaks."""
    hashes = [] if partner is None else store.agreed(tx, partner, own)
    bodies = tuple(one.body for one in store.instruments_by_hash(tx, hashes))
    return _book_of(bodies)


@lru_cache(maxsize=64)
def _book_of(bodies: tuple[bytes, ...]) -> Book:
    """Make a book of recorded instruments; levels and groups that all nodes share are the package's."""
    shared = package_book()
    instruments: list[dict[str, Any]] = []
    equivalence: list[dict[str, Any]] = []
    for body in bodies:
        written: dict[str, Any] = msgspec.json.decode(body)
        tables = written.pop("equivalence", [])
        equivalence += [{"instrument": written["id"], **table} for table in tables]
        instruments.append(written)
    here = {one["id"] for one in instruments}
    for one in instruments:
        if "depends_on" in one:
            one["depends_on"] = [key for key in one["depends_on"] if key in here]
    source = Source("instruments recorded here", {"instruments": instruments, "equivalence": equivalence}, {})
    book = build(source, readings=True)
    return Book(
        book.instruments.values(),
        schemes={**shared.schemes, **book.schemes}.values(),
        groups={**shared.groups, **book.groups},
        parties={**shared.parties, **book.parties}.values(),
    )


class Known(msgspec.Struct, frozen=True):
    """Facts about one recipient, and the third parties' entries that prove them: (log origin, position)."""

    facts: Facts
    evidence: tuple[tuple[str, int], ...] = ()


def facts_for(tx: sa.Connection, partner: str, versions: Sequence[Version], *, purpose: str | None) -> Known:
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
