"""Objects in a node's store in PostgreSQL: what came, what is shown, who was granted what.

See the `Store` protocol of peers.py for what each method promises.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.clock import parse_stamp
from secretariat.exchange import guest_store
from secretariat.exchange.model import SHOWN, Arrival, Granted, Version
from secretariat.exchange.offer import without
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.ledger.property_tree import left_out_of
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.collections import Placed
from secretariat.records.markings import Label
from secretariat.storage import arrays
from secretariat.storage.engine import raw
from secretariat.storage.rls import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import sqlalchemy as sa

PUBLIC = "*"
_VERSION = (
    "v.stix_id, coalesce(v.modified, v.created, ''), v.type, v.originator, v.source, v.root, v.salt, v.bytes,"
    " v.envelope, v.state, v.created, v.modified, v.revoked"
)
_RIVAL = (
    "v.stix_id, coalesce(v.modified, v.created, ''), v.type, v.originator, v.source, v.root, v.salt, v.bytes,"
    " v.envelope, v.state, v.created, v.modified, v.revoked"
)

# OFFSET 0 holds the order: root by root, then its places. Without it the planner, which knows little of a
# collection that grew by a million in an hour, reads the reader's whole collection for every page.
_READABLE = (
    f"SELECT {_VERSION}, i.left_out FROM unnest(%s::bytea[]) AS asked (root)"
    " CROSS JOIN LATERAL (SELECT * FROM object_version o WHERE o.root = asked.root OFFSET 0) v"
    " CROSS JOIN LATERAL (SELECT item.left_out FROM item WHERE item.version = v.id AND item.collection = ANY("
    "ARRAY(SELECT id FROM collection c WHERE c.kind IN ('partner', 'clear') AND c.reader IN (%s, '*')))"
    " OFFSET 0) i"
).encode()


class _Creator(msgspec.Struct, gc=False):
    created_by_ref: str | None = None


_creator = msgspec.json.Decoder(_Creator).decode


def _version(row: Sequence[Any]) -> Version:
    (
        stix_id,
        version,
        kind,
        originator,
        source,
        root,
        salt,
        data,
        signature,
        state,
        created,
        modified,
        revoked,
    ) = row
    return Version(
        stix_id=stix_id,
        version=version,
        type=kind,
        originator=originator,
        source=source,
        root=root or b"",
        salt=salt or b"",
        data=data,
        signature=signature or b"",
        state=state,
        created=created,
        modified=modified,
        revoked=revoked,
    )


class ObjectRows(Transaction):
    """Objects of the store."""

    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        kept_for = "" if self.keyring.host is None else self.party
        guest_store.in_keeping_of(self.tx, EVERYBODYS)  # a guest's grants stand in the same log
        found = self._readable(recipient, roots)
        guest_store.in_keeping_of(self.tx, kept_for)
        return found

    def versions(self, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_RIVAL} FROM rival v WHERE v.root = ANY(%s)", (arrays.blobs(roots),), binary=True
        )
        rivals = {one.root: one for one in map(_version, rows)}
        return {**rivals, **self._find(self.tx, "v.root = ANY(%s)", [arrays.blobs(roots)])}

    def same(self, stix_ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        found: dict[str, list[Version]] = defaultdict(list)
        for one in self._list("v.stix_id = ANY(%s)", [arrays.texts(list(stix_ids))]):
            found[one.stix_id].append(one)
        return found

    def history(self, stix_id: str) -> Sequence[Version]:
        return self._list("v.stix_id = %s ORDER BY v.version DESC, v.id DESC", [stix_id])

    def _readable(self, recipient: str, roots: Sequence[bytes]) -> dict[bytes, Version]:
        """Give versions as a recipient may read them: by its own place or the public one."""
        rows = raw(self.tx).execute(_READABLE, [arrays.blobs(roots), recipient], binary=True)
        found: dict[bytes, Version] = {}
        for *row, left_out in sorted(rows, key=lambda row: len(row[-1] or ()), reverse=True):
            one = without(_version(row), left_out or ())
            found[one.root] = one  # the place that leaves out least comes last
        return found

    def _find(self, tx: sa.Connection, where: str, bound: Sequence[Any]) -> dict[bytes, Version]:
        rows = raw(tx).execute(
            f"SELECT {_VERSION} FROM object_version v WHERE {where}".encode(), bound, binary=True
        )
        return {one.root: one for one in map(_version, rows)}

    def _list(self, where: str, bound: Sequence[Any]) -> list[Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_VERSION} FROM object_version v WHERE {where}".encode(), bound, binary=True
        )
        return [_version(row) for row in rows]

    def _ids(self, roots: Sequence[bytes]) -> list[int]:
        rows = raw(self.tx).execute("SELECT id FROM object_version WHERE root = ANY(%s)", (list(roots),))
        return [number for (number,) in rows]

    def _row(self, one: Version, label: object) -> records.Version:
        return records.Version(
            stix_id=one.stix_id,
            type=one.type,
            version=parse_stamp(one.version) if one.version else self.now,
            data=one.data,
            originator=one.originator,
            source=one.source,
            label=label if isinstance(label, Label) else Label(one.originator, tlp="RED"),
            state=one.state,
            recorded_at=self.now,
            known_at=self.now,
            created=one.created,
            modified=one.modified,
            created_by=_creator(one.data).created_by_ref,
            revoked=one.revoked,
            root=one.root,
            salt=one.salt,
            envelope=one.signature,
        )

    def keep(self, arrivals: Sequence[Arrival]) -> None:
        ids = records.put(self.tx, [self._row(one.version, one.label) for one in arrivals])
        self.arrive(arrivals)
        shown = [number for number, one in zip(ids, arrivals, strict=True) if one.version.state in SHOWN]
        self._show(shown, fresh=True)

    def arrive(self, arrivals: Sequence[Arrival]) -> None:
        arrivals = list({(one.version.root, one.origin, one.sender): one for one in arrivals}.values())
        raw(self.tx).execute(
            "INSERT INTO arrival (root, origin, position, state, why, sender, at)"
            " SELECT r, o, p, s, w, b, %s FROM unnest(%s::bytea[], %s::text[], %s::int8[],"
            " %s::text[], %s::text[], %s::text[]) AS n (r, o, p, s, w, b)"
            " ON CONFLICT (root, origin, sender, custodian) DO UPDATE SET position = excluded.position,"
            " state = excluded.state, why = excluded.why",
            (
                self.now,
                arrays.blobs([one.version.root for one in arrivals]),
                arrays.texts([one.origin for one in arrivals]),
                arrays.longs([one.position for one in arrivals]),
                arrays.texts([one.version.state for one in arrivals]),
                arrays.texts([one.why for one in arrivals]),
                arrays.texts([one.sender for one in arrivals]),
            ),
        )

    def depart(self, roots: Sequence[bytes], origin: str, sender: str, *, before: int) -> None:
        raw(self.tx).execute(
            "DELETE FROM arrival WHERE root = ANY(%s) AND origin = %s AND sender = %s AND position < %s",
            (list(roots), origin, sender, before),
        )

    def _show(self, ids: Sequence[int], *, fresh: bool = False) -> None:
        if ids:
            number = collections.ensure(
                self.tx, "from_partners", self.party, party=self.party, realm=self.realm
            )
            collections.add_many(self.tx, {number: [Placed(one) for one in ids]}, now=self.now, fresh=fresh)

    def keep_rival(self, arrival: Arrival) -> None:
        one = arrival.version
        raw(self.tx).execute(
            "INSERT INTO rival (root, stix_id, type, created, modified, bytes, salt, envelope, originator,"
            " source, revoked, state, why, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                one.root,
                one.stix_id,
                one.type,
                one.created,
                one.modified,
                one.data,
                one.salt,
                one.signature,
                one.originator,
                one.source,
                one.revoked,
                one.state,
                arrival.why,
                self.now,
            ),
        )
        self.arrive([arrival])

    def rivals(self, roots: Sequence[bytes]) -> Collection[bytes]:
        rows = raw(self.tx).execute("SELECT root FROM rival WHERE root = ANY(%s)", (arrays.blobs(roots),))
        return {root for (root,) in rows}

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        rows = raw(self.tx).execute(
            "SELECT root, id FROM object_version WHERE root = ANY(%s) ORDER BY id",
            ([one.version.root for one in arrivals],),
        )
        ids: dict[bytes, list[int]] = defaultdict(list)
        for root, number in rows:
            ids[root].append(number)
        states: dict[str, list[int]] = defaultdict(list)
        marks: dict[int, Label] = {}
        for one in arrivals:
            states[one.version.state] += ids[one.version.root]
            if isinstance(one.label, Label):
                marks |= dict.fromkeys(ids[one.version.root], one.label)
        for state, numbers in states.items():
            records.set_state(self.tx, numbers, state)
        if marks:
            records.relabel(self.tx, marks)
        raw(self.tx).execute(
            "UPDATE rival r SET state = n.state, why = n.why"
            " FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS n (root, state, why) WHERE r.root = n.root",
            (
                arrays.blobs([one.version.root for one in arrivals]),
                arrays.texts([one.version.state for one in arrivals]),
                arrays.texts([one.why for one in arrivals]),
            ),
        )
        self.arrive(arrivals)
        self._show([number for state, numbers in states.items() if state in SHOWN for number in numbers])

    def waiting(self) -> Sequence[Arrival]:
        rows = (
            raw(self.tx)
            .execute(
                f"SELECT {_VERSION}, a.origin, a.position, a.why, a.sender"
                " FROM object_version v JOIN arrival a ON a.root = v.root"
                " WHERE a.state = 'waiting' ORDER BY v.id, a.origin",
                binary=True,
            )
            .fetchall()
        )
        rows += raw(self.tx).execute(
            f"SELECT {_RIVAL}, a.origin, a.position, a.why, a.sender"
            " FROM rival v JOIN arrival a ON a.root = v.root"
            " WHERE a.state = 'waiting' ORDER BY v.at, v.root, a.origin",
            binary=True,
        )
        return [
            Arrival(
                version=_version(row[:-4]),
                label=None,
                origin=row[-4],
                position=row[-3],
                why=row[-2],
                sender=row[-1],
            )
            for row in rows
        ]

    def publish(
        self, versions: Sequence[Version], recipients: Sequence[str], left_out: Sequence[str] = ()
    ) -> None:
        here = self.versions([one.root for one in versions])
        fresh = [self._row(one, None) for one in versions if one.root not in here]
        records.put(self.tx, fresh)
        ids = self._ids([one.root for one in versions])
        batches = {
            collections.ensure(self.tx, "partner", party, party=self.party, realm=self.realm): [
                Placed(number, left_out=tuple(left_out)) for number in ids
            ]
            for party in recipients
        }
        for number in batches:
            collections.remove_other(self.tx, ids, number, left_out)
        collections.add_many(self.tx, batches, now=self.now)

    def shown(self) -> Sequence[Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_RIVAL} FROM rival v WHERE v.state = ANY(%s)", (list(SHOWN),), binary=True
        )
        rivals = [_version(row) for row in rows]
        return [
            *self._list(
                "EXISTS (SELECT 1 FROM item i JOIN collection c ON c.id = i.collection"
                " WHERE i.version = v.id AND c.kind = 'from_partners')",
                [],
            ),
            *rivals,
        ]

    def replace(self, version: Version) -> None:
        records.replace_copy(
            self.tx, version.root, version.data, version.salt, partial=bool(left_out_of(version.salt))
        )
        raw(self.tx).execute(
            "UPDATE rival SET bytes = %s, salt = %s WHERE root = %s",
            (version.data, version.salt, version.root),
        )

    def revise(self, version: Version, replaces: Sequence[bytes]) -> None:
        old = records.by_roots(self.tx, replaces)
        label = next((one.label for one in old.values()), None)
        places = (
            raw(self.tx)
            .execute(
                "SELECT DISTINCT ON (i.collection) i.collection, i.grant_class FROM item i"
                " JOIN collection c ON c.id = i.collection"
                " WHERE i.version = ANY(%s) AND c.kind IN ('partner', 'clear')"
                " ORDER BY i.collection, i.seq DESC",
                ([one.id for one in old.values()],),
            )
            .fetchall()
        )
        (number,) = records.put(self.tx, [self._row(version, label)])
        for collection, _ in places:
            collections.remove(self.tx, [one.id for one in old.values()], collection=collection)
        own = collections.ensure(self.tx, "own", self.party, party=self.party, realm=self.realm)
        batches = {collection: [Placed(number, grant)] for collection, grant in places}
        collections.add_many(self.tx, {**batches, own: [Placed(number)]}, now=self.now)
        records.set_state(self.tx, [one.id for one in old.values()], "withdrawn")

    def destroy(self, roots: Sequence[bytes]) -> int:
        ids = self._ids(roots)
        collections.remove(self.tx, ids)
        there = records.destroy(self.tx, ids)
        there += raw(self.tx).execute("DELETE FROM rival WHERE root = ANY(%s)", (list(roots),)).rowcount
        for table in ("arrival", "obligation_timer"):
            raw(self.tx).execute(f"DELETE FROM {table} WHERE root = ANY(%s)", (list(roots),))
        return there

    def retire(self, roots: Sequence[bytes]) -> None:
        ids = self._ids(roots)
        collections.remove(self.tx, ids)
        records.set_state(self.tx, ids, "withdrawn")
        raw(self.tx).execute("UPDATE rival SET state = 'withdrawn' WHERE root = ANY(%s)", (list(roots),))
        raw(self.tx).execute("DELETE FROM arrival WHERE root = ANY(%s) AND state = 'waiting'", (list(roots),))

    # who was granted what

    def recipients(self, roots: Sequence[bytes]) -> Mapping[str, Sequence[bytes]]:
        return collections.readers(self.tx, roots)

    def ungrant(self, recipient: str, roots: Sequence[bytes]) -> None:
        kind = "clear" if recipient == PUBLIC else "partner"
        number = collections.ensure(self.tx, kind, recipient, party=self.party, realm=self.realm)
        collections.remove(self.tx, self._ids(roots), collection=number)

    def granted_here(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        rows = raw(self.tx).execute(
            "SELECT root, sender, origin, position FROM arrival WHERE root = ANY(%s) ORDER BY origin, sender",
            (list(roots),),
        )
        found: dict[bytes, list[Granted]] = defaultdict(list)
        for root, *rest in rows:
            found[root].append(Granted(*rest))
        return found

    def held_from(self, party: str, origin: str, part: int) -> Iterator[Sequence[Version]]:
        if rivals := self._rivals_from(party, origin):
            yield rivals
        last = -1
        while True:
            rows = (
                raw(self.tx)
                .execute(
                    f"SELECT v.id, {_VERSION} FROM object_version v WHERE v.id > %s AND v.state = ANY(%s)"
                    " AND EXISTS (SELECT 1 FROM arrival a WHERE a.root = v.root AND (v.originator = %s"
                    " OR a.origin = %s)) ORDER BY v.id LIMIT %s",
                    (last, [*SHOWN, "waiting"], party, origin, part),
                    binary=True,
                )
                .fetchall()
            )
            if not rows:
                return
            yield [_version(row[1:]) for row in rows]
            last = rows[-1][0]

    def _rivals_from(self, party: str, origin: str) -> list[Version]:
        rows = raw(self.tx).execute(
            f"SELECT {_RIVAL} FROM rival v WHERE v.state = ANY(%s)"
            " AND EXISTS (SELECT 1 FROM arrival a WHERE a.root = v.root AND (v.originator = %s"
            " OR a.origin = %s)) ORDER BY v.at, v.root",
            ([*SHOWN, "waiting"], party, origin),
            binary=True,
        )
        return [_version(row) for row in rows]

    def arrived(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        rows = raw(self.tx).execute(
            "SELECT root, sender, origin, position FROM arrival WHERE root = ANY(%s) AND state = ANY(%s)"
            " ORDER BY origin, sender",
            (list(roots), list(SHOWN)),
        )
        found: dict[bytes, list[Granted]] = defaultdict(list)
        for root, *rest in rows:
            found[root].append(Granted(*rest))
        return found
