"""Third parties' entries that a partner's entry rests on: consents, the originator's withdrawal (no I/O).

They come attached to the entry that names them, as (log origin, position). Each counts only when its own
party's pinned record key signed it for that log and realm; what cannot be verified is as if absent, and kept,
because its party may be enrolled later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.errors import SecretariatError
from secretariat.exchange import disowning
from secretariat.exchange.model import LogEntry
from secretariat.exchange.offer import references_of
from secretariat.ledger import dsse, entries, statements
from secretariat.ledger.entries import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.exchange.model import Line
    from secretariat.exchange.peers import Store


def evidence_of(
    store: Store, lines: Sequence[Line]
) -> tuple[dict[tuple[str, int], Statement], list[tuple[str, LogEntry]]]:
    """Give the third parties' entries that the page's entries rest on, verified, and what came along.

    Where none of the copies that claim a place holds, it is as if absent. One of a party that is not
    enrolled here yet is kept all the same: it may be verified later.
    """
    found: dict[tuple[str, int], Statement] = {}
    brought: list[tuple[str, LogEntry]] = []
    for line in lines:
        wanted = set(references_of(line.statement))
        for one in line.carried.attached:
            envelope = bytes(one.envelope)
            claimed = _claim(envelope)
            if claimed is None or (one.origin, one.position) not in wanted:
                continue
            brought.append(
                (
                    one.origin,
                    LogEntry(
                        one.position, claimed.kind, claimed.party, claimed.recipient, envelope, one.salt
                    ),
                )
            )
            statement = _third(store, envelope, one.origin, one.position)
            if statement is not None:
                found.setdefault((one.origin, one.position), statement)
        found |= kept_evidence(store, line.statement)
    return found, brought


def kept_evidence(store: Store, statement: Statement) -> dict[tuple[str, int], Statement]:
    found = {}
    for origin, position in references_of(statement):
        copies = (_third(store, kept.envelope, origin, position) for kept in store.attached(origin, position))
        holds = next((one for one in copies if one is not None), None)
        if holds is not None:
            found[origin, position] = holds
    return found


def _third(store: Store, envelope: bytes, origin: str, position: int) -> Statement | None:
    claimed = _claim(envelope)
    if claimed is None or (claimed.origin, claimed.realm) != (origin, store.realm):
        return None
    try:
        return spoken(store, claimed.party, envelope, position)
    except SecretariatError:
        return None


def spoken(store: Store, party: str, envelope: bytes, position: int | None = None) -> Statement:
    """Verify an entry that somebody else carried with the keys its party had at the time and place it states.

    Under a revoked key it counts only at a place that is proven here; `position` is None where none is said.
    """
    peer = store.peer(party)
    retired, ended = ({}, {}) if peer is None else (peer.retired, peer.ended)
    said = statements.verify_entry(envelope, store.record_keys(party), retired, ended, position or 0)
    disowning.check_carried(store, party, envelope, said.origin, position)
    return said


def _claim(envelope: bytes) -> Statement | None:
    try:
        return entries.read(dsse.payload_of(envelope))
    except SecretariatError:
        return None
