"""Partners' logs as this node keeps them: what was verified of each, and whether it is believed.

What a log may show next is decided in following.py and asked by who takes its pages (exchange/take.py).
Here a log is suspended with the reason, and nothing from it is believed until a person resumes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from secretariat.base.errors import NotFoundError
from secretariat.ledger import store
from secretariat.ledger.model import PeerEntry, PeerLog


def kept_log(tx: Connection, origin: str) -> PeerLog | None:
    """Give what is kept of a log, or None before first contact."""
    return store.read_peer_log(tx, origin)


def kept_logs(tx: Connection) -> list[PeerLog]:
    """Give what is kept of every partner's log."""
    return store.read_peer_logs(tx)


def suspend(tx: Connection, origin: str, reason: str) -> None:
    """Believe nothing more from this log until a person resumes it."""
    if not store.set_peer_state(tx, origin, "suspended", reason):
        raise NotFoundError(f"nothing is kept of the log {origin}")


def resume(tx: Connection, origin: str) -> None:
    """Believe the log again from the kept checkpoint on: a person's decision."""
    if not store.set_peer_state(tx, origin, "ok", None):
        raise NotFoundError(f"nothing is kept of the log {origin}")


def kept_entries(
    tx: Connection,
    *,
    origin: str | None = None,
    kinds: Sequence[str] = (),
    after: int = -1,
    limit: int = 1000,
) -> list[PeerEntry]:
    """List partners' entries that were verified and kept."""
    return store.read_peer_entries(tx, origin=origin, kinds=kinds, after=after, limit=limit)
