"""Contacts: whom to reach at a party for a purpose, and when that was last tried.

Rules:

1. A contact is a statement of who records it, and stays a draft of this party until somebody releases it.
2. Each test is a version: the day and what came of it stay in the record. A partner's contact that we test
   becomes one of ours, beside the partner's.
3. One that nobody tested, or not within 90 days, or whose last test failed, is stale.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import InputError, NotFoundError
from secretariat.register import service as register
from secretariat.register import store
from secretariat.register.model import Contact, Row, View, stix_id, to_draft
from secretariat.register.times import day_of, parse

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.ledger.node import Node

FRESH = timedelta(days=90)
RESULTS = ("reached", "no-answer", "wrong", "sent")
GOOD = frozenset({"reached", "sent"})
MOST = 1_000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One contact as lists show it."""

    row: Row
    party: str
    purpose: str
    address: str
    tested_on: date | None
    tested: str
    stale: bool

    @property
    def key(self) -> str:
        """Its key."""
        return self.row.key


def contacts(tx: sa.Connection, view: View, own: str) -> list[Line]:
    """Give the contacts by party and purpose; ours where both stand."""
    found = store.statements(tx, view, types=["sct-contact"], order="s.key, s.id", limit=MOST)
    lines: dict[str, Line] = {}
    for row in found:
        said = row.body.get("tested_on")
        tested_on = None if said is None else parse(str(said)).last
        tested = str(row.body.get("tested") or "")
        stale = tested_on is None or tested not in GOOD or view.day - tested_on > FRESH
        line = Line(
            row=row,
            party=row.parties[0] if row.parties else row.originator,
            purpose=str(row.body["purpose"]),
            address=str(row.body["address"]),
            tested_on=tested_on,
            tested=tested,
            stale=stale,
        )
        if row.key not in lines or row.originator == own:
            lines[row.key] = line
    return sorted(lines.values(), key=lambda one: (one.party, one.purpose, one.key))


def record(
    node: Node,
    realm: str,
    *,
    party: str,
    purpose: str,
    address: str,
    name: str = "",
    by: str,
    now: datetime,
) -> str:
    """Record a contact, or correct it; give its key. Refuses an unknown party and an empty address."""
    purpose, address = purpose.strip(), address.strip()
    if not (purpose and address):
        raise InputError("a contact has a purpose and an address", where="address")
    key = key_of(party, purpose, name)
    draft = Contact(
        key=key,
        kind="contact",
        title=(name.strip() or f"{party}: {purpose}")[:400],
        true_from=day_of(now, node.settings.zone).isoformat(),
        parties=(party,),
        purpose=purpose,
        address=address,
    )
    register.record(node, realm, [draft], by=by, now=now, replace=True)
    return key


def key_of(party: str, purpose: str, name: str = "") -> str:
    """Give the key of a contact: one per party, purpose and, where there are several, name."""
    words = [party, purpose, *([name] if name.strip() else [])]
    return "contact-" + "-".join("_".join(one.lower().split()) for one in words)


def keep_test(node: Node, realm: str, key: str, *, result: str, by: str, now: datetime, on: str = "") -> str:
    """Keep what a test of a contact came to, on a day. Refuses an unknown contact, result, or coming day."""
    if result not in RESULTS:
        raise InputError(f"{result!r} is no result", where="result", advice=", ".join(RESULTS))
    today = day_of(now, node.settings.zone)
    day = today if not on.strip() else parse(on.strip(), where="on").last
    if day > today:
        raise InputError(f"{day} is still to come", where="on", advice="name the day of the test")
    with node.database.app(realm) as tx:
        rows = store.by_key(tx, key, View(day=today, zone=node.settings.zone))
        there = [one for one in rows if one.type == "sct-contact"]
        ours = stix_id("sct-contact", node.party, key)
        row = next((one for one in there if one.stix_id == ours), there[0] if there else None)
        if row is None:
            raise NotFoundError(f"no contact {key[:80]!r}", where="key", advice="secretariat contacts list")
        draft = to_draft(row.body)
        assert isinstance(draft, Contact)
        tested = msgspec.structs.replace(draft, tested_on=day.isoformat(), tested=result)
        register.record_in(tx, node, realm, [tested], by=by, now=now, replace=True)
    return row.key
