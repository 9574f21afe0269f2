"""A node's store in PostgreSQL: one transaction of one realm as the `Store` protocol of peers.py.

What a partner may read is asked of the database under the partner's own role (`reader`), so that row-level
security answers and not only this code. Writing takes the ledger's lock first (`lock`), like publishing does.
Objects, partners and outcomes have their rows in modules of their own; the own log is here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from secretariat.agreements import sponsoring
from secretariat.exchange.duties import stated_in
from secretariat.exchange.further import granting, own_word
from secretariat.exchange.model import LogEntry, Version
from secretariat.exchange.peers import Head, Outgoing, Tomb
from secretariat.exchange.postgres_instruments import InstrumentRows
from secretariat.exchange.postgres_mail import MailRows
from secretariat.exchange.postgres_objects import ObjectRows
from secretariat.exchange.postgres_outcomes import OutcomeRows
from secretariat.exchange.postgres_partners import PartnerRows
from secretariat.exchange.postgres_witness import WitnessRows
from secretariat.exchange.transfer_store import TransferRows
from secretariat.ledger import checkpoint
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft
from secretariat.storage.engine import raw
from secretariat.storage.rls import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.witnesses import Riding
    from secretariat.ledger.node import Node

_PART = 200
_PART_BYTES = 262_144
"""Envelopes read at a time: of a grant of 10,000 objects, which takes a megabyte, a page needs one."""


@contextlib.contextmanager
def transaction(node: Node, realm: str, now: datetime) -> Iterator[PostgresStore]:
    """Give one transaction of a node's realm as a store."""
    with node.database.app(realm) as tx:
        yield PostgresStore(node, realm, tx, now)


@contextlib.contextmanager
def serving(node: Node, realm: str, reader: str, now: datetime) -> Iterator[PostgresStore]:
    """Give a store that makes pages for `reader`, under that reader's role.

    Log and objects are read as the reader sees them; only why something is gone, and third parties' entries
    that travel with a grant, are looked up as the application, in a transaction that is opened when needed.
    """
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(node.database.peer(realm, reader))
        yield _Serving(node, realm, seen, now, stack)


class PostgresStore(
    ObjectRows, PartnerRows, OutcomeRows, MailRows, TransferRows, InstrumentRows, WitnessRows
):
    """One transaction (see the `Store` protocol for what each method promises)."""

    def head(self) -> Head:
        if ledger.head(self.tx).size == 0:
            self.lock()  # the first entry of every log names its keys
        note = ledger.checkpoint(self.tx)
        held = checkpoint.parse(note)
        return Head(held.size, held.root, note)

    def inclusions(self, positions: Sequence[int], size: int) -> Mapping[int, Sequence[bytes]]:
        return ledger.inclusions(self.tx, positions, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return ledger.consistency(self.tx, old, new)

    def entry(self, position: int) -> LogEntry | None:
        found = ledger.read_entries(self.tx, start=position, end=position + 1, limit=1)
        return next(
            (
                LogEntry(one.position, one.kind, one.party, one.recipient, one.envelope, one.salt)
                for one in found
            ),
            None,
        )

    def promised(self, recipient: str, roots: Sequence[bytes]) -> Sequence[Any]:
        rows = raw(self.tx).execute(
            "SELECT DISTINCT i.grant_class, g.obligations FROM object_version v"
            " JOIN item i ON i.version = v.id"
            " JOIN collection c ON c.id = i.collection LEFT JOIN grant_class g ON g.id = i.grant_class"
            " WHERE v.root = ANY(%s) AND c.kind = 'partner' AND c.reader = %s",
            (list(roots), recipient),
        )
        found = rows.fetchall()
        if any(number is None for number, _ in found):  # placed by hand: the log says under what
            return stated_in(self.addressed(recipient, 0), roots)
        return [duty for _, stated in found for duty in stated]

    def grants_to(self, recipient: str, roots: Sequence[bytes]) -> Sequence[int]:
        rows = raw(self.tx).execute(
            "SELECT DISTINCT g.entry FROM object_version v JOIN item i ON i.version = v.id"
            " JOIN collection c ON c.id = i.collection LEFT JOIN grant_class g ON g.id = i.grant_class"
            " WHERE v.root = ANY(%s) AND c.kind = 'partner' AND c.reader = %s",
            (list(roots), recipient),
        )
        found = [position for (position,) in rows]
        if None in found:  # placed by hand: the log says under what
            return granting(self.addressed(recipient, 0), self.party, roots)
        return sorted(found)

    def pseudonym(self, to: str, holder: str) -> str:
        return sponsoring.pairwise(sponsoring.secret_of(self.tx), "further", f"{self.party}>{to}", holder)

    def addressed(self, recipient: str, start: int, end: int | None = None) -> Iterator[LogEntry]:
        while True:
            part = ledger.read_entries(
                self.tx, recipient=recipient, start=start, end=end, limit=_PART, max_bytes=_PART_BYTES
            )
            for one in part:
                yield LogEntry(one.position, one.kind, one.party, one.recipient, one.envelope, one.salt)
            if not part:
                return
            start = part[-1].position + 1

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        return own_word(self.entry(position)) if origin == self.origin else super().attached(origin, position)

    def lock(self) -> None:
        ledger.open_log(self.tx, self.keyring, now=self.now)

    def append(self, entries: Sequence[Outgoing]) -> list[int]:
        drafts = [Draft(one.kind, one.recipient, one.body) for one in entries]
        return [one.position for one in ledger.append(self.tx, self.keyring, drafts, now=self.now)]


class _Serving(PostgresStore):
    """The store as one reader may see it."""

    def __init__(
        self, node: Node, realm: str, tx: sa.Connection, now: datetime, stack: contextlib.ExitStack
    ) -> None:
        super().__init__(node, realm, tx, now)
        self._stack = stack
        self._whole: PostgresStore | None = None

    def whole(self) -> PostgresStore:
        """Give the store as the application sees it, what it keeps for guests included: they grant, too."""
        if self._whole is None:
            every = self.node.database.kept_for(EVERYBODYS)
            tx = self._stack.enter_context(every.app(self.realm))
            self._whole = PostgresStore(self.node, self.realm, tx, self.now)
        return self._whole

    def head(self) -> Head:
        note = ledger.checkpoint(self.tx)
        held = checkpoint.parse(note)
        return Head(held.size, held.root, note)

    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        return self._readable(recipient, roots)

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        return self.whole().attached(origin, position)

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        return self.whole().tombs(roots)

    def riding(self, to: str) -> Riding:
        return self.whole().riding(to)
