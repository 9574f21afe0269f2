"""Witnessing in a node's store in PostgreSQL: the `WitnessStore` of witnesses.py.

See there for what each method promises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.exchange import guest_store, riding
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.exchange.wire import Cursor
from secretariat.ledger import partners, witness_store, witnessing
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.model import PeerLog
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import KeptLog, Peer
    from secretariat.exchange.witnesses import Riding
    from secretariat.ledger.model import Contradiction, ShownLog
    from secretariat.ledger.witness import Word


class WitnessRows(Transaction):
    """Words of witnesses in the store."""

    @property
    def latest(self) -> int:
        return int(self.now.timestamp()) + self.node.settings.limits.clock_skew_s

    @property
    def circles(self) -> Sequence[str]:
        return self.node.settings.circles

    def riding(self, to: str) -> Riding:
        return riding.ride(self, to)  # type: ignore[arg-type]  # the whole store is made of parts like this

    def hear(self, peer: Peer, note: bytes) -> Word | None:
        return witnessing.hear(
            self.tx,
            self.keyring,
            peer.party,
            note,
            name=peer.origin,
            publics=list(peer.witness_keys.values()),
            now=self.now,
            latest=self.latest,
        )

    def cosign(self, origin: str) -> Word | None:
        return witnessing.cosign_kept(self.tx, self.keyring, origin, now=self.now)

    def given(self, origin: str, size: int) -> Word | None:
        return witness_store.read_word(self.tx, origin, size, self.origin)

    def keep_words(self, words: Sequence[Word]) -> None:
        witness_store.add_words(self.tx, words, self.now)

    def covering(self, origin: str, position: int) -> Sequence[Word]:
        return witness_store.covering(self.tx, origin, position)

    def words_before(self, origin: str, moment: datetime) -> Sequence[Word]:
        return witness_store.before(self.tx, origin, moment)

    def strike(self, witness: str, since: datetime, *, unless: Collection[bytes]) -> None:
        witness_store.strike(self.tx, witness, since, unless=unless)

    def rewind(self, log: KeptLog, said_at: int) -> None:
        witnessing.rewind(
            self.tx,
            PeerLog(log.origin, log.party, log.size, log.root, log.note, "ok", None, self.now),
            said_at=said_at,
        )
        raw(self.tx).execute(
            "UPDATE peer SET cursor_position = %(size)s, cursor_offset = 0"
            " WHERE party = %(party)s AND (cursor_position, cursor_offset) > (%(size)s, 0)",
            {"party": log.party, "size": log.size},
        )
        guest_store.take_back_cursors(self.tx, log.party, Cursor(log.size))

    def kept_notes(self, origin: str, sizes: Sequence[int]) -> Mapping[int, bytes]:
        return ledger_store.read_peer_notes(self.tx, origin, sizes)

    def name_logs(self, party: str, origins: Sequence[str]) -> None:
        witness_store.write_named(self.tx, party, origins)

    def named_logs(self, party: str) -> Sequence[str]:
        return witness_store.read_named(self.tx, party)

    def show_log(self, shown: ShownLog) -> None:
        witness_store.write_shown(self.tx, shown)

    def shown_logs(self, origin: str) -> Sequence[ShownLog]:
        return witness_store.read_shown(self.tx, origin)

    def keep_contradiction(self, found: Contradiction) -> bool:
        return witness_store.add_contradiction(self.tx, found)

    def contradictions(self) -> Sequence[Contradiction]:
        return witness_store.read_contradictions(self.tx)

    def suspend_log(self, origin: str, reason: str) -> None:
        partners.suspend(self.tx, origin, reason)

    def stop(self, reason: str) -> None:
        witnessing.stop(self.tx, reason)

    def stopped(self) -> str | None:
        return ledger.head(self.tx).stopped
