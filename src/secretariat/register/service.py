"""Recording, correcting and taking back statements: one verb, one transaction.

Rules:

1. A batch is recorded whole or not at all. It writes object versions (drafts in `own` until released), their
   rows, and one entry `record` in this node's log that carries a salted digest per version, never content.
2. A version is never changed. `amend` writes a newer one; it corrects the record at every known time. What
   was learned later is a statement of its own that supersedes the older.
3. Who amends names the version that it saw. When another is newer both stay, and the second is told.
4. Evidence takes its times from the statement it rests on, and goes when that is taken back.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.ledger import entries
from secretariat.ledger import service as ledger
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.canonical import canonical
from secretariat.records.ceiling import refuse_above
from secretariat.records.markings import Label, read_label, tlp_marking
from secretariat.records.store import Version
from secretariat.register import parties, rules, sources, store
from secretariat.register.model import (
    Draft,
    Evidence,
    Projected,
    Relation,
    Row,
    Statement,
    evidence_of,
    id_of,
    project_draft,
    to_draft,
    to_object,
    type_of,
)
from secretariat.register.store import Line
from secretariat.storage.engine import raw
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

BATCH = 5_000
"""Object versions that one entry of the log names; a larger import writes several in its one transaction."""
_TICK = timedelta(microseconds=1)
_ENVELOPE = frozenset(
    {
        "type",
        "spec_version",
        "id",
        "created_by_ref",
        "created",
        "modified",
        "revoked",
        "object_marking_refs",
        "extensions",
    }
)


class RecordEntry(entries.Body, frozen=True):
    """Statements were recorded, amended or taken back here: one salted digest per object version."""

    act: str
    objects: list[str]
    by: str | None = None
    reason: str | None = None


entries.register("record", RecordEntry)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    ids: list[int]
    """Row ids of the versions written, in the order of the batch."""
    stix_ids: list[str]
    unchanged: int = 0
    amended: int = 0
    positions: list[int] = []
    warnings: list[str] = []


class Amended(msgspec.Struct, frozen=True, kw_only=True):
    """A correction, and what stood there that its author had not seen."""

    id: int
    stix_id: str
    position: int
    unseen: list[int] = []
    """Row ids of versions that were newer than the one seen: they stay beside this one."""


def record(
    node: Node,
    realm: str,
    objects: Sequence[Draft],
    *,
    by: str,
    now: datetime,
    tlp: str | None = None,
    replace: bool = False,
) -> Recorded:
    """Record statements of this party in one transaction; what stands there alike is left as it is.

    `tlp` marks them; without it the node's default holds. Refuses the whole batch with the first fault, and
    a statement that stands there with other content unless `replace` (an import of a newer file).
    """
    with node.database.app(realm) as tx:
        return record_in(tx, node, realm, objects, by=by, now=now, tlp=tlp, replace=replace)


def record_in(
    tx: sa.Connection,
    node: Node,
    realm: str,
    drafts: Sequence[Draft],
    *,
    by: str,
    now: datetime,
    tlp: str | None = None,
    replace: bool = False,
    places: Sequence[str] | None = None,
    act: str = "record",
) -> Recorded:
    """Do the same in the caller's transaction; `places` says where each draft stands, for refusals."""
    stix_ids = [id_of(one, node.party) for one in drafts]
    where = places or [getattr(one, "key", None) or one.relationship_type for one in drafts]  # type: ignore[union-attr]
    _refuse_twice(stix_ids, where)
    known = parties.known(tx, node.party)
    columns = []
    for one, name, stix in zip(drafts, where, stix_ids, strict=True):
        rules.check(one, known, where=name)
        columns.append(project_draft(one, stix))
    _check_among(tx, drafts, columns, where)
    there = store.newest(tx, stix_ids)
    fresh: list[_Fresh] = []
    unchanged = amended = 0
    for one, stix, shape in zip(drafts, stix_ids, columns, strict=True):
        old = there.get(stix)
        if old is not None and not old.retracted and _same(one, old):
            unchanged += 1
            continue
        if old is not None:
            if not replace and not old.retracted:
                raise ConflictError(
                    f"{shape.key} is recorded with other content",
                    where=shape.key,
                    advice="amend it, naming the version you saw",
                )
            if old.retracted:
                raise ConflictError(
                    f"{shape.key} was taken back", where=shape.key, advice="record it under another key"
                )
            amended += 1
        fresh.append(_Fresh(one, shape, old, _marking(tlp, old)))
    ids, positions = _write(tx, node, realm, fresh, by=by, now=now, act=act)
    return Recorded(
        ids=ids,
        stix_ids=[one.columns.stix_id for one in fresh],
        unchanged=unchanged,
        amended=amended,
        positions=positions,
    )


def amend(
    node: Node, realm: str, draft: Draft, *, seen_version: int, by: str, now: datetime, tlp: str | None = None
) -> Amended:
    """Correct a statement of this party; `seen_version` is the row id of the version its author saw.

    When a newer one stands there both are kept, this one on top, and the answer names what was not seen.
    Evidence that rests on the statement takes over its times. Refuses what is not recorded or taken back.
    """
    with node.database.app(realm) as tx:
        stix = id_of(draft, node.party)
        rules.check(draft, parties.known(tx, node.party))
        columns = project_draft(draft, stix)
        _check_among(tx, [draft], [columns], [columns.key])
        ledger.lock(tx)  # two officers come one after the other
        every = store.versions(tx, stix)
        if not every:
            raise NotFoundError(f"no statement {columns.key!r} of {node.party}", where=columns.key)
        if every[0].retracted:
            raise ConflictError(
                f"{columns.key} was taken back", where=columns.key, advice="record it under another key"
            )
        if all(one.id != seen_version for one in every):
            raise ConflictError(
                f"{columns.key} has no version {seen_version}", where="seen_version", advice="load it again"
            )
        fresh = [_Fresh(draft, columns, every[0], _marking(tlp, every[0]))]
        fresh += _following(tx, draft, stix)
        ids, positions = _write(tx, node, realm, fresh, by=by, now=now, act="amend")
        unseen = [one.id for one in every if one.id > seen_version]
        return Amended(id=ids[0], stix_id=stix, position=positions[-1], unseen=unseen)


def retract(node: Node, realm: str, key: str, *, reason: str, by: str, now: datetime) -> Recorded:
    """Take a statement of this party back, with the reason, and the evidence that rests on it.

    Its versions stay and answer questions about earlier days of recording. Refuses without a reason, and what
    another party stated.
    """
    with node.database.app(realm) as tx:
        return retract_in(tx, node, realm, key, reason=reason, by=by, now=now)


def retract_in(
    tx: sa.Connection, node: Node, realm: str, key: str, *, reason: str, by: str, now: datetime
) -> Recorded:
    """Do the same in the caller's transaction."""
    if not reason.strip():
        raise InputError("no reason", where="reason", advice="say why it is taken back")
    ledger.lock(tx)
    row = _own(tx, node.party, key)
    resting = [one for one in resting_on(tx, row.stix_id) if one.originator == node.party]
    fresh = []
    for one in (row, *resting):
        draft = to_draft(one.body)
        if isinstance(draft, Statement):
            draft = msgspec.structs.replace(draft, retraction=reason)
        shape = project_draft(draft, one.stix_id, retracted=True)
        fresh.append(_Fresh(draft, shape, one, _marking(None, one)))
    ids, positions = _write(tx, node, realm, fresh, by=by, now=now, act="retract", reason=reason)
    return Recorded(ids=ids, stix_ids=[one.columns.stix_id for one in fresh], positions=positions)


# --- what these share -----------------------------------------------------------------------------------


class _Fresh(msgspec.Struct, frozen=True):
    """A version about to be written."""

    draft: Draft
    columns: Projected
    old: Row | None
    marking: tuple[str, ...]


def _refuse_twice(stix_ids: Sequence[str], where: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for stix, place in zip(stix_ids, where, strict=True):
        if stix in first:
            raise ConflictError(
                "the same statement stands twice in this batch",
                where=place,
                advice=f"give one of them another key (first at {first[stix]})",
            )
        first[stix] = place


def _same(draft: Draft, old: Row) -> bool:
    """Whether a draft says what the recorded version says, whatever its marking and its moment."""
    made = to_object(draft, party=old.originator, created=old.body["created"])
    return _content(made) == _content(old.body)


def _content(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in _ENVELOPE}


def _marking(tlp: str | None, old: Row | None) -> tuple[str, ...]:
    if tlp is not None:
        return (tlp_marking(tlp)["id"],)
    return () if old is None else tuple(old.body.get("object_marking_refs", ()))


def _check_among(
    tx: sa.Connection, drafts: Sequence[Draft], columns: Sequence[Projected], where: Sequence[str]
) -> None:
    """Check references, evidence and supersession against what is recorded and what comes along."""
    there = {one.stix_id: one for one in columns}
    refs = {ref for one in columns for ref in (one.about, one.other) if ref is not None}
    missing = sorted(refs - there.keys())
    if missing:
        there.update({stix: _columns(row) for stix, row in store.newest(tx, missing).items()})
        # a request or an absence may be about a report or an indicator
        refs -= records.latest(tx, sorted(refs - there.keys())).keys()
    rules.check_references(zip(where, drafts, columns, strict=True), there, refs)
    new = [(one.about or "", one.other or "") for one in columns if one.says == "supersedes"]
    if new:
        rules.check_supersession([*_supersessions(tx), *new])
    texts = sources.texts_of(
        tx, {cite.source_ref for one in drafts if isinstance(one, Statement) for cite in one.cites}
    )
    if texts:
        for one, place in zip(drafts, where, strict=True):
            if isinstance(one, Statement):
                rules.check_spans(one, texts, where=place)


def _columns(row: Row) -> Projected:
    return Projected(
        stix_id=row.stix_id,
        key=row.key,
        type=row.type,
        kind=row.kind,
        title=row.title,
        true_first=row.true_first,
        true_last=row.true_last,
    )


def _supersessions(tx: sa.Connection) -> list[tuple[str, str]]:
    found = raw(tx).execute(
        "SELECT s.about, s.other FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
        " WHERE r.id IS NULL AND NOT s.retracted AND s.type = 'relationship' AND s.says = 'supersedes'"
    )
    return [(newer, older) for newer, older in found]


def resting_on(tx: sa.Connection, stix: str) -> list[Row]:
    """Give the newest versions of the evidence that rests on a statement, whoever gave it."""
    return store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
        " WHERE r.id IS NULL AND NOT s.retracted AND s.other = %(stix)s AND s.type = 'sct-evidence'"
        " ORDER BY s.id",
        {"stix": stix},
    )


def _following(tx: sa.Connection, draft: Draft, stix: str) -> list[_Fresh]:
    """Give the evidence that rests on an amended statement with the statement's times."""
    if isinstance(draft, Relation):
        return []
    found = []
    for one in resting_on(tx, stix):
        evidence = to_draft(one.body)
        if not isinstance(evidence, Evidence):
            continue
        timed = evidence_of(draft, evidence)
        if timed != evidence:
            found.append(_Fresh(timed, project_draft(timed, one.stix_id), one, _marking(None, one)))
    return found


def _own(tx: sa.Connection, party: str, key: str) -> Row:
    column = "s.stix_id" if "--" in key else "s.key"
    found = store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
        f" WHERE r.id IS NULL AND NOT s.retracted AND {column} = %(key)s"
        " ORDER BY (s.originator = %(party)s) DESC, s.id LIMIT 1",
        {"key": key, "party": party},
    )
    if not found:
        raise NotFoundError(f"no statement {key!r} stands here", where=key)
    if found[0].originator != party:
        raise ConflictError(
            f"{key} is a statement of {found[0].originator}",
            where=key,
            advice="say otherwise in an account of your own",
        )
    return found[0]


def _write(
    tx: sa.Connection,
    node: Node,
    realm: str,
    fresh: Sequence[_Fresh],
    *,
    by: str,
    now: datetime,
    act: str,
    reason: str | None = None,
) -> tuple[list[int], list[int]]:
    """Write versions, rows and entries; the log's head is locked before the collection, as in publishing."""
    if not fresh:
        return [], []
    labels: dict[tuple[str, ...], Label] = {}
    versions: list[Version] = []
    settings = node.settings
    for one in fresh:
        moment = now if one.old is None else max(now, _version_of(one.old) + _TICK)
        obj = to_object(
            one.draft,
            party=node.party,
            created=now if one.old is None else one.old.body["created"],
            modified=moment,
            revoked=one.columns.retracted,
        )
        if one.marking:
            obj["object_marking_refs"] = list(one.marking)
        label = labels.get(one.marking)
        if label is None:
            label = labels[one.marking] = _label(tx, one.marking, node)
            refuse_above(label, settings.ceiling)
        versions.append(
            Version(
                stix_id=one.columns.stix_id,
                type=type_of(one.draft),
                version=moment,
                data=canonical(obj),
                originator=node.party,
                source=node.party,
                label=label,
                state="draft",
                recorded_at=now,
                known_at=now,
                created=obj["created"],
                modified=obj["modified"],
                created_by=obj["created_by_ref"],
                revoked=one.columns.retracted,
            )
        )
    salt = secrets.token_bytes(entries.SALT_BYTES * len(versions))
    salts = [salt[at : at + entries.SALT_BYTES] for at in range(0, len(salt), entries.SALT_BYTES)]
    digests = [
        hmac.digest(one, version.data, "sha256").hex() for one, version in zip(salts, versions, strict=True)
    ]
    written = ledger.append(
        tx,
        node.keyring(realm),
        [
            entries.Draft(
                "record",
                None,
                RecordEntry(act=act, objects=digests[at : at + BATCH], by=by, reason=reason),
            )
            for at in range(0, len(digests), BATCH)
        ],
        now=now,
    )
    ids = records.put(tx, versions)
    store.put(
        tx,
        [
            Line(
                id=number,
                columns=one.columns,
                version=version.version,
                recorded_at=now,
                position=written[place // BATCH].position,
                originator=node.party,
                source=node.party,
                tlp=version.label.tlp,
                salt=salts[place],
            )
            for place, (number, one, version) in enumerate(zip(ids, fresh, versions, strict=True))
        ],
    )
    own = collections.ensure(tx, "own", node.party, party=node.party, realm=realm)
    collections.add_fresh(tx, {own: [(None, ids, ())]}, now=now)
    collections.settle(tx, [own], ids)
    positions = [one.position for one in written]
    notify(tx, LIVE, live(kind="register", entry=positions[-1], count=len(ids)))
    return ids, positions


def _label(tx: sa.Connection, marking: tuple[str, ...], node: Node) -> Label:
    held = records.latest(tx, list(marking), hidden=True) if marking else {}
    markings: Mapping[str, Mapping[str, Any]] = {ref: one.object() for ref, one in held.items()}
    obj = {"type": "sct-statement", "object_marking_refs": list(marking)}
    return read_label(obj, markings, node.party, node.settings.default_tlp)[0]


def _version_of(row: Row) -> datetime:
    return datetime.fromisoformat(row.body["modified"])
