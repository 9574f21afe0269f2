"""Collections and their items: what stock clients page through, in the order in which it was committed.

Rules:

1. `seq` is `date_added` in microseconds since 1970, strictly increasing within a collection:
   max(now, last + 1), for each item of a batch one more.
2. It is assigned while the collection's row is locked, and the lock is held to the end of the transaction:
   seq order is commit order, so a client that read up to seq N never misses an item below N.
   (Publishing also holds the ledger's head; locks are taken in the order of collection ids.)
3. `last` and `first` say whether a newer or older version of the same object is in the same collection
   (TAXII 2.1 section 3.4.1, `match[version]`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from secretariat.base.errors import NotFoundError
from secretariat.base.ids import collection_id
from secretariat.storage import arrays
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

KINDS = ("own", "from_partners", "clear", "partner")

collection = sa.Table(
    "collection",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("taxii", sa.Uuid, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reader", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("kind", "reader"),
    sa.CheckConstraint("kind IN ('own', 'from_partners', 'clear', 'partner')", name="kind"),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("collection", sa.Integer, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("grant_class", sa.Integer),
    sa.Column("last", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("first", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("left_out", sa.ARRAY(sa.Text)),
    sa.UniqueConstraint("version", "collection"),
    # block ranges, for deciding a class again: grants stand in the order of their classes
    sa.Index(
        "ix_item_grant_class",
        "grant_class",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16, "autosummarize": True},
    ),
)

item_past = sa.Table(
    "item_past",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False, index=True),
    sa.Column("grant_class", sa.Integer, nullable=False),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False),
)
"""Places that granted versions had and lost, so that a past day can be told who had them then."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSERT = (
    "INSERT INTO item (collection, seq, version, grant_class, left_out)"
    " SELECT %s, %s + number - 1, version, grant_class, nullif(string_to_array(names, ' '), '{}') FROM"
    " unnest(%b::int8[], %b::int4[], %b::text[]) WITH ORDINALITY AS new (version, grant_class, names, number)"
)


_INSERT_FRESH = (
    "INSERT INTO item (collection, seq, version, grant_class, left_out)"
    " SELECT %s, %s + number - 1, version, %s::int4, %s::text[] FROM"
    " unnest(%b::int8[]) WITH ORDINALITY AS new (version, number)"
)


class Collection(msgspec.Struct, frozen=True):
    """One collection as it stands in the database."""

    id: int
    taxii: UUID
    kind: str
    reader: str
    title: str
    description: str


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A version that goes into a collection, with the class of its grant."""

    version: int
    grant_class: int | None = None
    left_out: tuple[str, ...] = ()
    """Properties that the reader gets it without."""


def ensure(
    tx: sa.Connection,
    kind: str,
    reader: str,
    *,
    party: str,
    realm: str,
    title: str | None = None,
    description: str = "",
) -> int:
    """Give the collection of this kind and reader, making it when it is not there.

    `reader` is the partner's code for `partner`, the own party's for `own` and `from_partners`, and `*`
    for `clear`. Its TAXII id is the same on every node: UUIDv5 of publisher, reader (or kind) and realm.
    """
    ask = "SELECT id FROM collection WHERE kind = %s AND reader = %s"
    found = raw(tx).execute(ask, (kind, reader)).fetchone()
    if found is None:
        taxii = collection_id(party, reader if kind == "partner" else kind, realm)
        raw(tx).execute(
            "INSERT INTO collection (taxii, kind, reader, title, description) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (taxii, kind, reader, title or _title(kind, reader, party), description),
        )
        return ensure(tx, kind, reader, party=party, realm=realm)
    number: int = found[0]
    return number


def all_of(tx: sa.Connection) -> list[Collection]:
    """Give every collection that this transaction may see."""
    rows = raw(tx).execute("SELECT id, taxii, kind, reader, title, description FROM collection ORDER BY id")
    return [Collection(*row) for row in rows]


def readers(tx: sa.Connection, roots: Sequence[bytes]) -> dict[str, list[bytes]]:
    """Give the parties that may read any of these versions from this node (`*`: everybody), with which."""
    rows = raw(tx).execute(
        "SELECT DISTINCT c.reader, v.root FROM object_version v JOIN item i ON i.version = v.id"
        " JOIN collection c ON c.id = i.collection"
        " WHERE v.root = ANY(%s) AND c.kind IN ('partner', 'clear') ORDER BY c.reader, v.root",
        (list(roots),),
    )
    found: dict[str, list[bytes]] = {}
    for reader, root in rows:
        found.setdefault(reader, []).append(root)
    return found


def add(
    tx: sa.Connection,
    collection: int,
    version_ids: Sequence[int],
    grant_class: int | None = None,
    *,
    now: datetime,
) -> list[int]:
    """Put versions into one collection and give their seqs; those already in it are left as they are."""
    return add_many(tx, {collection: [Placed(one, grant_class) for one in version_ids]}, now=now)[collection]


def add_many(
    tx: sa.Connection, batches: Mapping[int, Sequence[Placed]], *, now: datetime, fresh: bool = False
) -> dict[int, list[int]]:
    """Put versions into several collections; give the seqs of each in the order of its batch.

    What is already in a collection stays there and its old seq is given, unless the caller knows that all is
    `fresh` and saves the question. Refuses a collection that does not exist.
    """
    batches = {number: placed for number, placed in sorted(batches.items()) if placed}
    cursor = raw(tx).cursor()
    locked = cursor.execute(
        "SELECT id FROM collection WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (list(batches),)
    ).fetchall()
    if len(locked) < len(batches):
        raise NotFoundError(
            f"no such collection: {sorted(batches.keys() - {number for (number,) in locked})}",
            advice="make it first with `ensure`",
        )
    there = {} if fresh else _already(cursor, batches)
    moment = (now - _EPOCH) // _MICROSECOND
    seqs: dict[int, list[int]] = {}
    new: set[int] = set()
    for number, placed in batches.items():
        seqs[number] = given = []
        first = following = max(moment, _last_seq(tx, number) + 1)
        incoming: list[Placed] = []
        for one in placed:
            old = there.setdefault((number, one.version), following)
            given.append(old)
            if old == following:
                incoming.append(one)
                following += 1
        ids = [one.version for one in incoming]
        names = arrays.texts([" ".join(one.left_out) for one in incoming])
        classes = arrays.ints([one.grant_class for one in incoming])
        cursor.execute(_INSERT, (number, first, arrays.longs(ids), classes, names))
        new.update(ids)
    if new:
        _set_ends(cursor, list(batches), _with_siblings(cursor, list(new)))
    return seqs


def add_fresh(
    tx: sa.Connection,
    batches: Mapping[int, Sequence[tuple[int | None, Sequence[int], Sequence[str]]]],
    *,
    now: datetime,
) -> dict[int, range]:
    """Put versions that stand in none of these collections yet into them.

    Per collection: (class, versions, what is left out of them). Gives the seqs of each collection.

    The bulk path of publishing: one statement per class, row ids sent as one binary array. The caller holds
    the ledger's head and knows that nothing is there yet; the database refuses what is there twice. The
    versions themselves may be written afterwards; when they are, the caller calls `settle`.
    """
    cursor = raw(tx).cursor()
    cursor.execute(
        "SELECT id FROM collection WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (list(batches),)
    )
    moment = (now - _EPOCH) // _MICROSECOND
    seqs: dict[int, range] = {}
    for number, groups in sorted(batches.items()):
        first = following = max(moment, _last_seq(tx, number) + 1)
        for grant_class, ids, left_out in groups:
            cursor.execute(
                _INSERT_FRESH, (number, following, grant_class, list(left_out) or None, arrays.longs(ids))
            )
            following += len(ids)
        seqs[number] = range(first, following)
    return seqs


def settle(tx: sa.Connection, collections: Sequence[int], version_ids: Sequence[int]) -> None:
    """Say which of these versions, now written, are the first and the last of their objects (rule 3)."""
    cursor = raw(tx).cursor()
    _set_ends(cursor, list(collections), _with_siblings(cursor, list(version_ids)))


def remove(tx: sa.Connection, version_ids: Sequence[int], *, collection: int | None = None) -> int:
    """Take versions out of one collection, or out of all; give how many places they had.

    What was granted stays on record with the moment of its end, until the version itself is destroyed.
    """
    cursor = raw(tx).cursor()
    cursor.execute(
        "WITH gone AS (DELETE FROM item WHERE version = ANY(%s) AND (%s::int IS NULL OR collection = %s)"
        " RETURNING collection, version, grant_class),"
        " kept AS (INSERT INTO item_past (version, grant_class, until)"
        " SELECT version, grant_class, statement_timestamp() FROM gone WHERE grant_class IS NOT NULL)"
        " SELECT collection FROM gone",
        (list(version_ids), collection, collection),
    )
    left = [number for (number,) in cursor.fetchall()]
    if left:
        cursor.execute("SELECT DISTINCT stix_id FROM object_version WHERE id = ANY(%s)", (list(version_ids),))
        _set_ends(cursor, sorted(set(left)), [one for (one,) in cursor.fetchall()])
    return len(left)


def remove_other(
    tx: sa.Connection, version_ids: Sequence[int], collection: int, left_out: Sequence[str]
) -> None:
    """Take versions out of one collection that stand there with anything else left out than this."""
    rows = raw(tx).execute(
        "SELECT version FROM item WHERE version = ANY(%s) AND collection = %s"
        " AND coalesce(left_out, '{}') <> %s::text[]",
        (list(version_ids), collection, list(left_out)),
    )
    if other := [number for (number,) in rows]:
        remove(tx, other, collection=collection)


def moment_of(seq: int) -> datetime:
    """Give the `date_added` that a seq stands for."""
    return _EPOCH + seq * _MICROSECOND


def _title(kind: str, reader: str, party: str) -> str:
    return {
        "own": f"{party}: own objects",
        "from_partners": f"{party}: received from partners",
        "clear": f"{party}: public (TLP:CLEAR)",
    }.get(kind, f"{party} to {reader}")


def _last_seq(tx: sa.Connection, number: int) -> int:
    found = raw(tx).execute("SELECT max(seq) FROM item WHERE collection = %s", (number,)).fetchone()
    return 0 if found is None or found[0] is None else int(found[0])


def _already(cursor: Any, batches: Mapping[int, Sequence[Placed]]) -> dict[tuple[int, int], int]:
    every = sorted({one.version for placed in batches.values() for one in placed})
    cursor.execute(
        "SELECT collection, version, seq FROM item WHERE version = ANY(%s) AND collection = ANY(%s)",
        (every, list(batches)),
    )
    return {(number, version): seq for number, version, seq in cursor.fetchall()}


def _with_siblings(cursor: Any, version_ids: list[int]) -> list[str]:
    """Name the objects among these that have more than one version here: only they need first and last."""
    cursor.execute(
        "SELECT DISTINCT v.stix_id FROM object_version v WHERE v.id = ANY(%s) AND EXISTS"
        " (SELECT 1 FROM object_version o WHERE o.stix_id = v.stix_id AND o.id <> v.id)",
        (arrays.longs(version_ids),),
    )
    return [one for (one,) in cursor.fetchall()]


def _set_ends(cursor: Any, numbers: list[int], stix_ids: list[str]) -> None:
    for part in _parts(stix_ids):
        cursor.execute(
            """
            UPDATE item SET last = ends.last, first = ends.first
            FROM (
              SELECT i.collection, i.version,
                     row_number() OVER (w ORDER BY v.version DESC, v.id DESC) = 1 AS last,
                     row_number() OVER (w ORDER BY v.version, v.id) = 1 AS first
              FROM item i JOIN object_version v ON v.id = i.version
              WHERE v.stix_id = ANY(%s) AND i.collection = ANY(%s)
              WINDOW w AS (PARTITION BY i.collection, v.stix_id)
            ) ends
            WHERE item.collection = ends.collection AND item.version = ends.version
              AND (item.last, item.first) IS DISTINCT FROM (ends.last, ends.first)
            """,
            (part, numbers),
        )


def _parts(names: list[str], size: int = 10_000) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
