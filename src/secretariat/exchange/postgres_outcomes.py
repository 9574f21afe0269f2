"""What became of what was shared, in a node's store in PostgreSQL: holders, tombs, refusals, duties.

See the `Store` protocol of peers.py for what each method promises.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange import store as tables
from secretariat.exchange.model import KEEP_DUTIES, Due, Holding, Refusal
from secretariat.exchange.peers import Tomb
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.storage import arrays
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any


class OutcomeRows(Transaction):
    """Outcomes in the store."""

    def hold(self, holdings: Sequence[Holding]) -> None:
        if not holdings:
            return
        newest = {(one.root, one.holder): one for one in holdings}
        columns = zip(
            *(
                (a.root, a.holder, a.state, a.via, a.origin, a.position, a.at, a.note, a.due, a.article)
                for a in newest.values()
            ),
            strict=True,
        )
        written: tuple[Callable[[Sequence[Any]], arrays.Column], ...] = (
            arrays.blobs,
            arrays.texts,
            arrays.texts,
            arrays.texts,
            arrays.texts,
            arrays.longs,
            arrays.moments,
            arrays.texts,
            arrays.moments,
            arrays.texts,
        )
        values = [write(column) for write, column in zip(written, columns, strict=True)]
        raw(self.tx).execute(
            "INSERT INTO holding_past"
            " (root, holder, state, via, origin, position, at, note, due_at, article, recorded_at, until)"
            " SELECT h.root, h.holder, h.state, h.via, h.origin, h.position, h.at, h.note, h.due_at,"
            " h.article, h.recorded_at, %s"
            " FROM holding h JOIN unnest(%s::bytea[], %s::text[]) AS n (root, holder) USING (root, holder)",
            (self.now, values[0], values[1]),
        )
        raw(self.tx).execute(
            "INSERT INTO holding (recorded_at, root, holder, state, via, origin, position, at, note, due_at,"
            " article) SELECT %s, * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[],"
            " %s::int8[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[])"
            " ON CONFLICT (root, holder, custodian) DO UPDATE SET state = excluded.state, via = excluded.via,"
            " origin = excluded.origin, position = excluded.position, at = excluded.at, note = excluded.note,"
            " due_at = excluded.due_at, article = excluded.article, recorded_at = excluded.recorded_at",
            [self.now, *values],
        )

    def holdings(self, roots: Sequence[bytes]) -> Sequence[Holding]:
        return tables.read_holdings(self.tx, roots)

    def entomb(self, roots: Sequence[bytes], tomb: Tomb) -> None:
        raw(self.tx).execute(
            "INSERT INTO tomb (root, origin, position, asked_by, kind, done, at)"
            " SELECT r, %s, %s, %s, %s, %s, %s FROM unnest(%s::bytea[]) AS n (r)"
            " ON CONFLICT (root, origin, position, custodian) DO UPDATE SET done = excluded.done",
            (tomb.origin, tomb.position, tomb.asked_by, tomb.kind, tomb.done, self.now, list(roots)),
        )

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        rows = raw(self.tx).execute(
            "SELECT root, asked_by, kind, origin, position, done FROM tomb WHERE root = ANY(%s)"
            " ORDER BY at, origin, position",
            (arrays.blobs(roots),),
        )
        found: dict[bytes, list[Tomb]] = defaultdict(list)
        for root, *rest in rows:
            found[root].append(Tomb(*rest))
        return found

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        for one in refusals:
            digest = hashlib.sha256(msgspec.json.encode(one)).digest()
            raw(self.tx).execute(
                'INSERT INTO refusal (digest, party, code, what, "where", advice, position, root, evidence,'
                " first_at, last_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (digest, custodian) DO UPDATE SET times = refusal.times + 1,"
                " last_at = excluded.last_at",
                (
                    digest,
                    one.party,
                    one.code,
                    one.what,
                    one.where,
                    one.advice,
                    one.position,
                    one.root,
                    one.evidence,
                    self.now,
                    self.now,
                ),
            )

    def refused(self) -> Sequence[Refusal]:
        rows = raw(self.tx).execute(
            'SELECT party, code, what, "where", advice, position, root, evidence FROM refusal ORDER BY id'
        )
        names = ("party", "code", "what", "where", "advice", "position", "root", "evidence")
        return [Refusal(**dict(zip(names, row, strict=True))) for row in rows]

    def owe(self, dues: Sequence[Due]) -> None:
        raw(self.tx).execute(
            "INSERT INTO obligation_timer (root, duty, article, owed_to, due_at)"
            " SELECT * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])"
            " ON CONFLICT DO NOTHING",
            (
                arrays.blobs([one.root for one in dues]),
                arrays.texts([one.duty for one in dues]),
                arrays.texts([one.article for one in dues]),
                arrays.texts([one.owed_to for one in dues]),
                arrays.moments([one.at for one in dues]),
            ),
        )

    def obligations(self, root: bytes) -> Sequence[Due]:
        rows = raw(self.tx).execute(
            "SELECT root, duty, article, owed_to, due_at FROM obligation_timer"
            " WHERE root = %s AND done_at IS NULL ORDER BY due_at",
            (root,),
        )
        return [Due(root=a, duty=b, article=c, owed_to=d, at=e) for a, b, c, d, e in rows]

    def fallen_due(self, now: datetime, most: int) -> Sequence[Due]:
        return tables.read_due(self.tx, now, KEEP_DUTIES, most)

    def fulfil(self, dues: Sequence[Due]) -> None:
        tables.close_due(self.tx, dues, self.now)
