"""Tables of object versions and their labels, and the queries on them.

An object version is written once and its content never changes; what may change is its state, its label
(when an origin becomes known) and, once, its seal (root, salt, signature).
Bulk paths send whole columns as arrays in one statement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from secretariat.base.errors import ConflictError
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.storage import arrays
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata
from secretariat.storage.rls import CUSTODIAN

STATES = (
    "draft",  # ours, not released
    "published",  # ours, released to somebody
    "kept",  # a partner's, verified
    "partial",  # a partner's, with something left out by a relay
    "quarantined",  # a partner's, whose grant we could not compute alike
    "waiting",  # a partner's, until an instrument arrives
    "disputed",  # a partner's, that contradicts our own record
    "withdrawn",  # called back by its originator
    "hidden",  # a draft that was taken away
)

label = sa.Table(
    "label",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("key", BYTEA, nullable=False, unique=True),
    sa.Column("label", JSONB, nullable=False),
)

object_version = sa.Table(
    "object_version",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("stix_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("spec_version", sa.Text, nullable=False),
    sa.Column("created", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("version", sa.DateTime(timezone=True), nullable=False),
    sa.Column("bytes", BYTEA, nullable=False),
    sa.Column("root", BYTEA),
    sa.Column("salt", BYTEA),
    sa.Column("envelope", BYTEA),
    sa.Column("created_by", sa.Text),
    sa.Column("originator", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("label", sa.Integer, sa.ForeignKey("label.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("revoked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    sa.UniqueConstraint("stix_id", "version", "originator", "custodian"),
    sa.CheckConstraint("state IN ({})".format(", ".join(f"'{s}'" for s in STATES)), name="state"),
    sa.Index(None, "root"),
    sa.Index(None, "type", "id"),
    # block ranges, several intervals each: for `match[version]=DATE` without an id
    sa.Index(
        "ix_object_version_version",
        "version",
        postgresql_using="brin",
        postgresql_ops={"version": "timestamptz_minmax_multi_ops"},
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    ),
    sa.Index(
        "ix_object_version_state_id",
        "state",
        "id",
        postgresql_where=sa.text("state IN ('draft', 'quarantined', 'waiting', 'disputed')"),
    ),
)

derivation = sa.Table(
    "derivation",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Index(None, "target"),
)


class Version(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One object version as it is written."""

    stix_id: str
    type: str
    version: datetime
    """`modified`, else `created`, else the moment of recording (for observables)."""
    data: bytes
    """The canonical form: what is signed and served."""
    originator: str
    source: str
    """The party it came from; the own party's code for the own."""
    label: Label
    state: str
    recorded_at: datetime
    known_at: datetime
    spec_version: str = "2.1"
    created: str | None = None
    modified: str | None = None
    created_by: str | None = None
    revoked: bool = False
    root: bytes | None = None
    salt: bytes | None = None
    envelope: bytes | None = None


class Stored(Version, frozen=True, kw_only=True, gc=False):
    """One object version as it stands in the database."""

    id: int

    def object(self) -> dict[str, Any]:
        """Decode the stored bytes."""
        value: dict[str, Any] = msgspec.json.decode(self.data)
        return value


class Held(msgspec.Struct, frozen=True):
    """What a door needs to know of a version that is here, without its bytes."""

    stix_id: str
    version: datetime
    originator: str
    digest: bytes
    """SHA-256 of the canonical bytes."""
    created: str | None
    created_by: str | None
    revoked: bool
    state: str
    id: int
    label: Label

    @classmethod
    def coming(cls, row: Version) -> Held:
        """Say it of a version that is about to be written; its row id is 0."""
        return cls(
            row.stix_id,
            row.version,
            row.originator,
            hashlib.sha256(row.data).digest(),
            row.created,
            row.created_by,
            row.revoked,
            row.state,
            0,
            row.label,
        )


class Seal(msgspec.Struct, frozen=True):
    """What publishing adds to a version: the root of its salted property tree, the salt, the signature."""

    version: int
    root: bytes
    salt: bytes
    envelope: bytes


_COLUMNS: dict[str, str] = {
    "id": "int8",
    "stix_id": "text",
    "type": "text",
    "spec_version": "text",
    "created": "text",
    "modified": "text",
    "version": "timestamptz",
    "bytes": "bytea",
    "root": "bytea",
    "salt": "bytea",
    "envelope": "bytea",
    "created_by": "text",
    "originator": "text",
    "source": "text",
    "label": "int4",
    "state": "text",
    "recorded_at": "timestamptz",
    "known_at": "timestamptz",
    "revoked": "bool",
}
_NEW = [name for name in _COLUMNS if name != "id"]


def _insert(names: Sequence[str]) -> str:
    """Write an INSERT of whole columns: COPY is refused under row-level security, arrays come close to it."""
    listed = ", ".join(names)
    arrays = ", ".join(f"%b::{_COLUMNS[name]}[]" for name in names)
    return f"INSERT INTO object_version ({listed}) SELECT * FROM unnest({arrays}) AS new ({listed})"


_INSERT = _insert(list(_COLUMNS))
# Sorted, so that two imports of the same objects wait for each other instead of deadlocking.
_INSERT_NEW = (
    _insert(_NEW)
    + " ORDER BY stix_id, version, originator ON CONFLICT DO NOTHING"
    + " RETURNING stix_id, version, originator, id"
)
_FIELDS = ["data" if name == "bytes" else name for name in _COLUMNS]
_LABEL = _FIELDS.index("label")
_READ = f"SELECT {', '.join('v.' + name for name in _COLUMNS)} FROM object_version v"


def reserve(tx: sa.Connection, count: int) -> list[int]:
    """Draw row ids for versions that `put` will write: others may refer to them before."""
    rows = raw(tx).execute(
        "SELECT nextval('object_version_id_seq') FROM generate_series(1, %s)", (count,), binary=True
    )
    return [number for (number,) in rows]


def put(tx: sa.Connection, rows: Sequence[Version], ids: Sequence[int] | None = None) -> list[int]:
    """Write versions in one statement and give their ids in the same order; `ids` were reserved before.

    Refuses the whole batch when one of them is already there (same id, version and originator).
    """
    if not rows:
        return []
    marks = keep_labels(tx, {row.label for row in rows})
    cursor = raw(tx).cursor()
    ids = list(ids) if ids is not None else reserve(tx, len(rows))
    try:
        cursor.execute(_INSERT, _columns(_COLUMNS, ids, rows, marks))
    except psycopg.errors.UniqueViolation as error:
        raise ConflictError(
            "one of these object versions is already recorded",
            where=error.diag.message_detail,
            advice="ask which are there before writing, or give a newer `modified`",
        ) from error
    return ids


def put_new(tx: sa.Connection, rows: Sequence[Version]) -> dict[tuple[str, datetime, str], int]:
    """Write those versions that are not there yet; give (id, version, originator) -> row id of the written.

    For doors where somebody else may be writing the same at once: it waits for the other transaction.
    """
    if not rows:
        return {}
    marks = keep_labels(tx, {row.label for row in rows})
    cursor = raw(tx).cursor()
    cursor.execute(_INSERT_NEW, _columns(_NEW, (), rows, marks))
    return {(stix_id, version, originator): number for stix_id, version, originator, number in cursor}


def keep_labels(tx: sa.Connection, labels: Iterable[Label]) -> dict[Label, int]:
    """Give the row id of each label, writing those that are new.

    They are written at once, in a transaction of their own: every import of the same marking needs the same
    row, and none shall wait for the end of another. A label that nothing refers to says nothing of anybody.
    """
    keys = {hashlib.sha256(canonical(one)).digest(): one for one in labels}
    cursor = raw(tx).cursor()
    ask = "SELECT key, id FROM label WHERE key = ANY(%s)"
    found = dict(cursor.execute(ask, (list(keys),)).fetchall())
    if absent := sorted(keys.keys() - found.keys()):
        with tx.engine.connect() as beside, beside.begin():
            for key in absent:
                raw(beside).execute(
                    "INSERT INTO label (key, label) VALUES (%s, %s::jsonb) ON CONFLICT (key) DO NOTHING",
                    (key, canonical(keys[key]).decode()),
                )
        found = dict(cursor.execute(ask, (list(keys),)).fetchall())
    return {one: found[key] for key, one in keys.items()}


def get(
    tx: sa.Connection, stix_id: str, version: datetime | None = None, *, originator: str | None = None
) -> Stored | None:
    """Give one version of an object, the latest when none is named; None when it is not here."""
    text, bound = _READ + " WHERE v.stix_id = %s", list[Any]([stix_id])
    if version is not None:
        text, bound = text + " AND v.version = %s", [*bound, version]
    if originator is not None:
        text, bound = text + " AND v.originator = %s", [*bound, originator]
    found = list(_stored(tx, text + " ORDER BY v.version DESC, v.id DESC LIMIT 1", bound))
    return found[0] if found else None


def versions(tx: sa.Connection, stix_id: str) -> list[Stored]:
    """Give every version of an object, newest first, from whichever originator."""
    return list(_stored(tx, _READ + " WHERE v.stix_id = %s ORDER BY v.version DESC, v.id DESC", [stix_id]))


def by_ids(tx: sa.Connection, ids: Sequence[int]) -> list[Stored]:
    """Give versions by row id, in the order asked; those that are not here are left out."""
    found = {one.id: one for one in _stored(tx, _READ + " WHERE v.id = ANY(%s)", [list(ids)])}
    return [found[number] for number in ids if number in found]


def by_roots(tx: sa.Connection, roots: Sequence[bytes]) -> dict[bytes, Stored]:
    """Give versions by the root of their property tree."""
    found = _stored(tx, _READ + " WHERE v.root = ANY(%s)", [list(roots)])
    return {one.root: one for one in found if one.root is not None}


def latest(tx: sa.Connection, stix_ids: Sequence[str], *, hidden: bool = False) -> dict[str, Stored]:
    """Give the newest version of each of these objects that is here; hidden ones only when asked for."""
    text = _READ.replace("SELECT ", "SELECT DISTINCT ON (v.stix_id) ", 1) + " WHERE v.stix_id = ANY(%s)"
    if not hidden:
        text += " AND v.state <> 'hidden'"
    rows = _stored(tx, text + " ORDER BY v.stix_id, v.version DESC, v.id DESC", [list(stix_ids)])
    return {one.stix_id: one for one in rows}


def held(tx: sa.Connection, stix_ids: Sequence[str]) -> list[Held]:
    """Say what is here of these objects."""
    cursor = raw(tx).cursor(binary=True)
    rows = cursor.execute(
        "SELECT stix_id, version, originator, sha256(bytes), created, created_by, revoked, state, id, label"
        " FROM object_version WHERE stix_id = ANY(%s)",
        (list(stix_ids),),
    ).fetchall()
    marks = _labels(tx, {row[9] for row in rows})
    return [Held(*(*row[:9], marks[row[9]])) for row in rows]


def labels_by_id(tx: sa.Connection, ids: Sequence[int]) -> dict[int, Label]:
    """Give the labels of versions by row id; each distinct label is built once."""
    rows = raw(tx).execute("SELECT id, label FROM object_version WHERE id = ANY(%s)", (list(ids),))
    pairs = rows.fetchall()
    marks = _labels(tx, {mark for _, mark in pairs})
    return {number: marks[mark] for number, mark in pairs}


def seal(tx: sa.Connection, seals: Sequence[Seal], *, state: str = "published") -> None:
    """Add root, salt and signature to versions and set their state, in one statement.

    Refuses all of them where one is sealed already or was taken away: a second seal would leave grants that
    name a root which nothing has any more.
    """
    if not seals:
        return
    columns = zip(*((one.version, one.root, one.salt, one.envelope) for one in seals), strict=True)
    done = raw(tx).execute(
        "UPDATE object_version v SET root = s.root, salt = s.salt, envelope = s.envelope, state = %s"
        " FROM unnest(%b::int8[], %b::bytea[], %b::bytea[], %b::bytea[]) AS s (version, root, salt, envelope)"
        " WHERE v.id = s.version AND v.root IS NULL AND v.state <> 'hidden'",
        [state, *(list(column) for column in columns)],
    )
    if done.rowcount != len(seals):
        raise _moved(len(seals) - done.rowcount)


def refuse_changed(tx: sa.Connection, read: Sequence[Stored]) -> None:
    """Refuse versions whose state, seal or label is no longer what `read` says, or that are gone."""
    rows = raw(tx).cursor(binary=True)
    rows.execute(
        "SELECT id, state, root, label FROM object_version WHERE id = ANY(%s)", ([one.id for one in read],)
    )
    now = {number: (state, root, mark) for number, state, root, mark in rows}
    marks = _labels(tx, {mark for _, _, mark in now.values()})
    changed = 0
    for one in read:
        state, root, mark = now.get(one.id, ("", None, 0))
        changed += (state, root, marks.get(mark)) != (one.state, one.root, one.label)
    if changed:
        raise _moved(changed)


def _moved(count: int) -> ConflictError:
    return ConflictError(
        f"{count} of these object versions changed meanwhile",
        advice="somebody else released, withdrew or marked them: look again, then try again",
    )


def replace_copy(tx: sa.Connection, root: bytes, data: bytes, proof: bytes, *, partial: bool) -> None:
    """Put another copy of a partner's version in its place, whole or partial, with what proves it."""
    raw(tx).execute(
        "UPDATE object_version SET bytes = %s, salt = %s, state = CASE WHEN state IN ('kept', 'partial')"
        " THEN %s ELSE state END WHERE root = %s",
        (data, proof, "partial" if partial else "kept", root),
    )


def set_state(tx: sa.Connection, ids: Sequence[int], state: str) -> None:
    """Set the state of versions; the database refuses a state that is none."""
    raw(tx).execute("UPDATE object_version SET state = %s WHERE id = ANY(%s)", (state, list(ids)))


def relabel(tx: sa.Connection, marks: dict[int, Label]) -> None:
    """Give versions another label, when more of their origin became known."""
    numbers = keep_labels(tx, set(marks.values()))
    raw(tx).execute(
        "UPDATE object_version v SET label = new.label FROM unnest(%s::int8[], %s::int4[]) AS new (id, label)"
        " WHERE v.id = new.id",
        (list(marks), [numbers[mark] for mark in marks.values()]),
    )


def enrolled(tx: sa.Connection) -> frozenset[str]:
    """Name the parties that are enrolled here, nodes and guests: they sign what they state themselves."""
    return frozenset(code for (code,) in raw(tx).execute("SELECT code FROM party WHERE partner"))


def keep_derivations(tx: sa.Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Remember that the object `source` was made from `target`, whichever of them is here."""
    if pairs:
        raw(tx).execute(
            "INSERT INTO derivation (source, target) SELECT * FROM unnest(%s::text[], %s::text[])"
            " AS new (source, target) ORDER BY source, target ON CONFLICT DO NOTHING",
            [list(column) for column in zip(*pairs, strict=True)],
        )


def derivations(tx: sa.Connection, stix_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Give the pairs (source, target) in which one of these objects stands."""
    rows = raw(tx).execute(
        "SELECT source, target FROM derivation WHERE source = ANY(%(ids)s)"
        " UNION SELECT source, target FROM derivation WHERE target = ANY(%(ids)s)",
        {"ids": list(stix_ids)},
    )
    return [(source, target) for source, target in rows]


def destroy(tx: sa.Connection, ids: Sequence[int]) -> int:
    """Delete versions with their salts, signatures and places in collections; give how many were there."""
    return raw(tx).execute("DELETE FROM object_version WHERE id = ANY(%s)", (list(ids),)).rowcount


def browse(
    tx: sa.Connection,
    *,
    types: Sequence[str] = (),
    states: Sequence[str] = (),
    before: int | None = None,
    limit: int = 50,
) -> list[Stored]:
    """Give versions newest-recorded first, page by page: `before` is the last row id of the page before."""
    text, bound = _READ + " WHERE true", list[Any]()
    if types:
        text, bound = text + " AND v.type = ANY(%s)", [*bound, list(types)]
    if states:
        text, bound = text + " AND v.state = ANY(%s)", [*bound, list(states)]
    if before is not None:
        text, bound = text + " AND v.id < %s", [*bound, before]
    return list(_stored(tx, text + " ORDER BY v.id DESC LIMIT %s", [*bound, limit]))


def _stored(tx: sa.Connection, text: str, bound: Sequence[Any]) -> Iterator[Stored]:
    cursor = raw(tx).cursor(binary=True)
    rows = cursor.execute(text.encode(), bound).fetchall()
    marks = _labels(tx, {row[_LABEL] for row in rows})
    for row in rows:
        fields = dict(zip(_FIELDS, row, strict=True))
        fields["label"] = marks[fields["label"]]
        yield Stored(**fields)


def _labels(tx: sa.Connection, numbers: set[int]) -> dict[int, Label]:
    rows = raw(tx).execute("SELECT id, label FROM label WHERE id = ANY(%s)", (list(numbers),))
    return {number: msgspec.convert(value, Label) for number, value in rows}


_WRITTEN: dict[str, Callable[[Sequence[Any]], arrays.Column]] = {
    "int8": arrays.longs,
    "int4": arrays.ints,
    "text": arrays.texts,
    "bytea": arrays.blobs,
    "timestamptz": arrays.moments,
    "bool": arrays.bools,
}


def _columns(
    names: Iterable[str], ids: Sequence[int], rows: Sequence[Version], marks: Mapping[Label, int]
) -> list[arrays.Column]:
    """Write rows as whole columns in the order of `names`."""
    return [_WRITTEN[_COLUMNS[name]](_column(name, ids, rows, marks)) for name in names]


def _column(
    name: str, ids: Sequence[int], rows: Sequence[Version], marks: Mapping[Label, int]
) -> Sequence[Any]:
    if name == "id":
        return ids
    if name == "label":
        return [marks[row.label] for row in rows]
    of = attrgetter("data" if name == "bytes" else name)
    return [of(row) for row in rows]
