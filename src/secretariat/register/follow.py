"""The Register follows what comes otherwise than by recording here: partners' statements, own imports.

Rules:

1. An object version of one of the Register's types is a statement once it is in a state that counts (a
   partner's when it was kept, disputed or partial). Its known time is its public one, else its receipt.
2. What a partner called back, what was taken away as a draft, and what fell back into quarantine is no longer
   seen; the row goes with the object when that is destroyed.
3. An object that no statement can be made of (a date that cannot be) is left out and said once in the log.
4. Every half second it looks whether an object or an entry of the log came; only then at what is new, and at
   most every ten seconds at everything (for what changed its state long after it came).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.ledger import entries
from secretariat.ledger import service as ledger
from secretariat.records import store as records
from secretariat.register import store
from secretariat.register.model import RELATIONS, TYPES, project
from secretariat.register.store import Line
from secretariat.register.tables import MAY_STATE
from secretariat.storage.engine import raw
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.register")

COUNTED = ("draft", "published", "kept", "partial", "disputed")
"""States in which an object version is a statement."""
BATCH = 2_000
_LOOK_S = 0.5
_SWEEP_S = 10.0
_WINDOW = 20_000
"""Ids before the newest that are looked at again: transactions commit out of order."""


_MAY_STATE = MAY_STATE.replace("%", "%%")  # the driver's own sign


class _Seen:
    """How far a realm was followed in this process."""

    def __init__(self) -> None:
        self.gate: tuple[int, int] | None = None
        self.swept: tuple[int, int] | None = None
        self.swept_at = 0.0
        self.newest = 0
        self.refused: set[int] = set()


async def keep_up(node: Node) -> None:
    """Take in what arrives in every realm for as long as the node runs."""
    seen = {realm: _Seen() for realm in node.settings.realms}
    while True:
        for realm, one in seen.items():
            await asyncio.to_thread(_look, node, realm, one)
        await asyncio.sleep(_LOOK_S)


background = [keep_up]


def _look(node: Node, realm: str, seen: _Seen) -> None:
    with node.database.app(realm) as tx:
        row = raw(tx).execute("SELECT coalesce(max(id), 0) FROM object_version").fetchone() or (0,)
        gate = (row[0], ledger.head(tx).size)
    due = gate != seen.swept and time.monotonic() - seen.swept_at > _SWEEP_S
    if gate == seen.gate and not due:
        return
    while True:
        with node.database.app(realm) as tx:
            done = catch_up_in(tx, after=0 if due else seen.newest - _WINDOW, refused=seen.refused, sweep=due)
        if done < BATCH:
            break
    seen.gate, seen.newest = gate, gate[0]
    if due:
        seen.swept, seen.swept_at = gate, time.monotonic()


def catch_up(node: Node, realm: str) -> int:
    """Make statements of all object versions that are none yet; give how many were made or taken out."""
    done = 0
    refused: set[int] = set()
    while True:
        with node.database.app(realm) as tx:
            turn = catch_up_in(tx, after=0, refused=refused, sweep=True)
        done += turn
        if turn < BATCH:
            return done


def catch_up_in(tx: sa.Connection, *, after: int, refused: set[int], sweep: bool) -> int:
    """Do one batch in the caller's transaction: ids above `after`; `sweep` looks also at what fell out."""
    gone = _fallen(tx) if sweep else []
    if not gone and not _missing(tx, after, refused):
        return 0
    # locked only after the cheap look; then looked at again, so that two processes do not take in the same
    position = max(ledger.lock(tx).size - 1, 0)
    found = _missing(tx, after, refused)
    lines = []
    for one in records.by_ids(tx, found):
        try:
            columns = project(one.object())
        except (SecretariatError, msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
            refused.add(one.id)
            log.warning("%s of %s is no statement of the Register: %s", one.stix_id, one.originator, error)
            continue
        lines.append(
            Line(
                id=one.id,
                columns=columns,
                version=one.version,
                recorded_at=one.recorded_at,
                position=position,
                originator=one.originator,
                source=one.source,
                tlp=one.label.tlp,
                salt=secrets.token_bytes(entries.SALT_BYTES),
                known=one.known_at,
            )
        )
    store.put(tx, lines)
    if gone:
        store.end(tx, gone, position=position)
    notify(tx, LIVE, live(kind="register", entry=position, count=len(lines) + len(gone)))
    return len(found) + len(gone)


def _missing(tx: sa.Connection, after: int, refused: set[int]) -> list[int]:
    """Give the object versions that should be statements and are not, oldest first."""
    found = raw(tx).execute(
        "WITH m AS MATERIALIZED (SELECT id FROM object_version WHERE type = ANY(%(types)s) AND id > %(after)s"
        f" AND {_MAY_STATE} EXCEPT SELECT id FROM register_statement WHERE id > %(after)s)"
        " SELECT v.id FROM m JOIN object_version v ON v.id = m.id WHERE v.state = ANY(%(states)s)"
        " AND v.id <> ALL(%(refused)s::int8[]) AND (v.type <> 'relationship' OR"
        " convert_from(v.bytes, 'UTF8')::jsonb->>'relationship_type' = ANY(%(relations)s))"
        " ORDER BY v.id LIMIT %(most)s",
        {
            "types": list(TYPES),
            "after": max(after, 0),
            "states": list(COUNTED),
            "relations": list(RELATIONS),
            "refused": sorted(refused),
            "most": BATCH,
        },
    )
    return [number for (number,) in found]


def _fallen(tx: sa.Connection) -> list[int]:
    """Give the statements whose object no longer counts and that are still seen."""
    found = raw(tx).execute(
        "SELECT s.id FROM object_version v JOIN register_statement s ON s.id = v.id"
        " WHERE v.state <> ALL(%s) AND v.type = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM register_replaced r WHERE r.id = s.id)",
        (list(COUNTED), list(TYPES)),
    )
    return [number for (number,) in found]
