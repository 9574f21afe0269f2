"""Partners in a node's store in PostgreSQL: who they are, their logs, and the entries that came from them.

See the `Store` protocol of peers.py for what each method promises.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange import guest_store
from secretariat.exchange import store as tables
from secretariat.exchange.model import KeptLog, LogEntry, Peer
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.ledger import joint_service, partners, witnessing
from secretariat.ledger import store as ledger_store
from secretariat.ledger.model import PeerEntry, PeerLog
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.wire import Cursor
    from secretariat.ledger.revocation import Revoked


class PartnerRows(Transaction):
    """Partners of the store."""

    def peer(self, party: str) -> Peer | None:
        found = tables.read_peers(self.tx, "WHERE party = %s", [party])
        return self._placed(found[0] if found else None)

    def peers(self) -> Sequence[Peer]:
        return tables.read_peers(self.tx)

    def lock_peer(self, party: str) -> Peer | None:
        """Give a partner and keep everybody else from moving our place in its log until the end."""
        return self._placed(tables.lock_peer(self.tx, party))

    def _placed(self, peer: Peer | None) -> Peer | None:
        """Give a partner with the place that this party, which may be a guest, has reached in its log."""
        if peer is None or self.keyring.host is None:
            return peer
        return msgspec.structs.replace(peer, cursor=guest_store.cursor(self.tx, self.party, peer.party))

    def hosted(self) -> Mapping[str, Peer]:
        if self._hosted is None:
            origins = {one.party: one.origin for one in self.peers()}
            self._hosted = {
                one.party: guest_store.as_peer(one, origins[one.host], self.realm)
                for one in guest_store.met_parties(self.tx)
                if one.party != self.party
            }
        return self._hosted

    def local(self) -> frozenset[str]:
        guests = {one.party for one in guest_store.guests(self.tx, hosted_only=True)}
        host = self.keyring.host
        return frozenset(guests | ({host.party} if host is not None else set())) - {self.party}

    def save_peer(self, peer: Peer) -> None:
        tables.write_peer(self.tx, peer)
        self.forget_keys()

    def forget_keys(self) -> None:
        """Read keys again when they are asked for: they changed in this transaction."""
        self._keys.clear()
        self._revoked.clear()
        self._hosted = None

    def advance(self, party: str, cursor: Cursor) -> None:
        if self.keyring.host is not None:
            guest_store.move_cursor(self.tx, self.party, party, cursor, self.now)
            return
        raw(self.tx).execute(
            "UPDATE peer SET cursor_position = %s, cursor_offset = %s WHERE party = %s",
            (cursor.position, cursor.offset, party),
        )

    def record_keys(self, party: str) -> Mapping[str, bytes]:
        if party not in self._keys:
            if party == self.party:
                self._keys[party] = self.keyring.public
            else:
                peer = self.peer(party)
                own = peer.record_keys if peer is not None and peer.state != "removed" else {}
                self._keys[party] = {**guest_store.met_keys(self.tx, party, self.realm), **own}
        return self._keys[party]

    def revoked(self, party: str) -> Mapping[str, Revoked]:
        if party == self.party:
            return self.keyring.revoked
        if party not in self._revoked:  # asked for every object of a page
            peer = self.peer(party) or self.hosted().get(party)
            self._revoked[party] = {} if peer is None else peer.revoked
        return self._revoked[party]

    def kept_log(self, origin: str) -> KeptLog | None:
        kept = partners.kept_log(self.tx, origin)
        if kept is None:
            return None
        why = (kept.reason or "suspended") if kept.state == "suspended" else None
        return KeptLog(kept.origin, kept.party, kept.size, kept.root, kept.note, why)

    def keep_log(self, log: KeptLog) -> None:
        kept = PeerLog(log.origin, log.party, log.size, log.root, log.note, "ok", None, self.now)
        witnessing.keep(self.tx, kept, now=self.now)

    def peer_entry(self, origin: str, position: int) -> LogEntry | None:
        row = (
            raw(self.tx)
            .execute(
                "SELECT position, kind, party, recipient, envelope, salt FROM peer_entry"
                " WHERE origin = %s AND position = %s",
                (origin, position),
                binary=True,
            )
            .fetchone()
        )
        return None if row is None else LogEntry(*row)

    def keep_entries(self, log: KeptLog, entries: Sequence[tuple[LogEntry, Sequence[bytes]]]) -> None:
        if entries:
            ledger_store.add_peer_note(self.tx, log.origin, log.size, log.note, self.now)
        ledger_store.add_peer_entries(
            self.tx,
            [
                PeerEntry(
                    log.origin,
                    one.position,
                    one.kind,
                    one.party,
                    one.recipient,
                    one.envelope,
                    one.salt,
                    log.size,
                    b"".join(path),
                    self.now,
                )
                for one, path in entries
            ],
        )
        said = [one for one, _ in entries if one.kind == joint_service.KIND]
        joint_service.take_in(self.tx, log.origin, said, self.record_keys, now=self.now)

    def attach(self, origin: str, entry: LogEntry) -> None:
        raw(self.tx).execute(
            "INSERT INTO attachment (origin, position, digest, kind, party, recipient, envelope, salt, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                origin,
                entry.position,
                hashlib.sha256(entry.envelope).digest(),
                entry.kind,
                entry.party,
                entry.recipient,
                entry.envelope,
                entry.salt,
                self.now,
            ),
        )

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        proven = self.peer_entry(origin, position)
        rows = raw(self.tx).execute(
            "SELECT position, kind, party, recipient, envelope, salt FROM attachment"
            " WHERE origin = %s AND position = %s ORDER BY at, digest",
            (origin, position),
            binary=True,
        )
        return [*([proven] if proven else []), *(LogEntry(*row) for row in rows)]

    def first_use(self, key_id: str, nonce: str, at: datetime) -> bool:
        done = raw(self.tx).execute(
            "INSERT INTO request_nonce (key, nonce, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (key_id, nonce, at),
        )
        return done.rowcount == 1
