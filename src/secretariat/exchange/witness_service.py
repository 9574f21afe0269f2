"""A node as a witness for its partners' logs: one verb, one transaction (rules: ledger/witness.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.exchange import riding
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import PostgresStore, transaction
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import witnessing
from secretariat.ledger.witness import RECOVERY, StoppedError, WitnessError
from secretariat.ledger.witnessing import Known

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.ledger.checkpoint import Checkpoint
    from secretariat.ledger.node import Node


def add_checkpoint(node: Node, realm: str, body: bytes, *, now: datetime) -> bytes:
    """Cosign a checkpoint of an accepted partner's log; gives the line once what it rests on is committed.

    Refuses with WitnessError by the statuses of tlog-witness. Another root at a size that was verified here
    is kept as proof against the log, which is suspended, whoever brought it.
    """
    try:
        with node.database.brief(realm) as tx:
            store = PostgresStore(node, realm, tx, now)
            if (why := store.stopped()) is not None:  # what is kept here is older than what we gave
                raise StoppedError(why, advice=RECOVERY)

            def known(origin: str) -> Known | None:
                found = tables.read_peers(tx, "WHERE origin = %s AND state = 'accepted'", [origin])
                return Known(found[0].party, tuple(found[0].log_keys.values())) if found else None

            return witnessing.add_checkpoint(tx, store.keyring, body, known, now=now)
    except WitnessError as error:
        if error.shown is not None:
            with transaction(node, realm, now) as store:
                _accuse(store, error.shown, body)
        raise


def _accuse(store: PostgresStore, shown: Checkpoint, body: bytes) -> None:
    whose = next((one for one in store.peers() if one.origin == shown.origin), None)
    kept = store.kept_log(shown.origin)
    if whose is None or kept is None:
        return
    ours = kept.note if kept.size == shown.size else store.kept_notes(shown.origin, [shown.size])[shown.size]
    if notes.parse(ours).root != shown.root:
        riding.accuse(store, whose, ours, body.partition(b"\n\n")[2], told_by=whose.party)
