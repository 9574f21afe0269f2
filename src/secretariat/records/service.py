"""Imports: reads a container, keeps what is sound, says what is not, all in one transaction.

What may be stored beside what is here (STIX 2.1 section 3.6, and what users of other systems suffered):

1. The same id, version and content: unchanged, nothing is written (no echo).
2. The same id and version with other content: refused. A version is a fact; a correction is a newer one.
3. An older version than the newest here: kept as history with a warning, because archives and partners
   deliver out of order. It never becomes the newest and overwrites nothing (OpenCTI #7415).
4. `created` and `created_by_ref` stay as in the first version: only the creator makes versions. An object
   that a partner created and gave us is not versioned here; nor is one stated in the name of an enrolled
   party (its identity as `created_by_ref`) without its signature. Authors who are no party here, as in
   public collections, are kept as they are.
5. After `revoked: true` there is no newer version.
6. Observables have no versions: other content under the same id stands beside the first, dated by arrival.
7. A label is read from the markings in the same container, before or after, else from those here.
   `derived-from` relationships add the label of what an object was made from; a new version inherits it.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa

from secretariat.base.clock import now as clock_now
from secretariat.base.clock import stamp
from secretariat.base.errors import ConflictError, DeniedError, LimitError, NotFoundError, SecretariatError
from secretariat.base.ids import party_id
from secretariat.base.settings import Limits
from secretariat.records import collections, store
from secretariat.records.bundle import Container, Member
from secretariat.records.canonical import canonical, read_canonical
from secretariat.records.ceiling import refuse_above
from secretariat.records.extensions import check_own
from secretariat.records.markings import Label, check_marking, is_standard, read_label, tlp_rank
from secretariat.records.result import ImportResult
from secretariat.records.stix import Header, check
from secretariat.records.store import Held, Stored, Version
from secretariat.storage.engine import Database, raw

BATCH = 1000
_PENDING_REFS = 100_000
"""References waiting for their object that are remembered at once; beyond it they are not looked up."""
_MICROSECOND = timedelta(microseconds=1)

Progress = Callable[[int], None]
Examine = Callable[[dict[str, Any]], None]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an import needs to know of its node."""

    party: str
    realm: str
    default_tlp: str = "AMBER"
    ceiling: Mapping[str, str] = {}
    limits: Limits = Limits()
    beside: frozenset[str] = frozenset()
    """Parties beside the enrolled ones in whose name nothing may be stated: a guest's host."""


def import_stream(
    database: Database,
    realm: str,
    party: str,
    stream: BinaryIO,
    *,
    collection: str = "own",
    default_tlp: str = "AMBER",
    ceiling: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
    examine: Examine | None = None,
) -> ImportResult:
    """Store the members of a container as the party's own drafts, in one transaction.

    A broken container raises and stores nothing; a bad member is refused in the result, the rest is stored.
    `progress` is called with the bytes read since the last call; `examine` may refuse a sound member more
    strictly (records/schema_check.py).
    """
    settings = Settings(
        party=party, realm=realm, default_tlp=default_tlp, ceiling=ceiling or {}, limits=limits or Limits()
    )
    with database.app(realm) as tx:
        return import_in(
            tx,
            settings,
            stream,
            collection=collection,
            now=now or clock_now(),
            progress=progress,
            examine=examine,
        )


def import_in(
    tx: sa.Connection,
    settings: Settings,
    stream: BinaryIO,
    *,
    collection: str = "own",
    now: datetime,
    progress: Progress | None = None,
    examine: Examine | None = None,
) -> ImportResult:
    """Do the same in the caller's transaction, which must be rolled back when this raises."""
    if collection != "own":
        raise NotFoundError(
            f"nothing is imported into {collection!r}",
            advice="own objects go to `own`; partners' come by sync",
        )
    container = Container(stream, settings.limits)
    run = _Import(tx, settings, now, examine)
    read = 0
    for batch in _batches(container):
        run.take(batch)
        if progress is not None:
            progress(container.consumed - read)
            read = container.consumed
    run.finish()
    run.result.container, run.result.bytes = container.kind, container.consumed
    for words in container.warnings:
        run.result.warn("line 1", words)
    return run.result


def _batches(members: Container) -> Iterator[list[Member]]:
    batch: list[Member] = []
    size = 0
    for one in members:
        batch.append(one)
        size += len(one.data)
        if len(batch) >= BATCH or size > 8 << 20:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Read(msgspec.Struct):
    """One sound member on its way."""

    where: str
    obj: dict[str, Any]
    data: bytes
    header: Header
    version: datetime


class _Import:
    """One import: keeps what later members or the end must know."""

    def __init__(
        self, tx: sa.Connection, settings: Settings, now: datetime, examine: Examine | None = None
    ) -> None:
        self._examine = examine
        others = (store.enrolled(tx) | settings.beside) - {settings.party}
        self._others = {party_id(code): code for code in others}
        self.result = ImportResult(max_listed=settings.limits.max_refusals)
        self._tx = tx
        self._settings = settings
        self._now = now
        self._markings: dict[str, dict[str, Any]] = {}
        self._absent: set[str] = set()
        self._labels: dict[tuple[str, ...], Label] = {}
        self._relabel: list[tuple[int, str]] = []
        self._derived: set[tuple[str, str]] = set()
        self._wanted: dict[str, str] = {}
        self._places = array("q")  # eight bytes a member, however many there are
        self._taken_back: set[int] = set()

    def take(self, batch: Sequence[Member]) -> None:
        """Check a batch of members and store what is sound."""
        sound = [one for one in map(self._read, batch) if one is not None]
        self._know_markings(sound)
        held = _Shelf(store.held(self._tx, sorted({one.header.id for one in sound})))
        rows: list[tuple[_Read, Version]] = []
        for one in sound:
            try:
                row = self._place(one, held)
            except SecretariatError as error:
                self.result.refuse(one.where, error, id=one.header.id)
                continue
            if row is not None:
                rows.append((one, row))
        self._write(rows)

    def finish(self) -> None:
        """Read again the labels that waited for markings or origins, and fill the collection."""
        self._read_labels_again()
        self._add_origins()
        self._warn_dangling()
        own = collections.ensure(
            self._tx, "own", self._settings.party, party=self._settings.party, realm=self._settings.realm
        )
        ids = [one for one in dict.fromkeys(self._places) if one not in self._taken_back]
        for start in range(0, len(ids), 10 * BATCH):
            collections.add(self._tx, own, ids[start : start + 10 * BATCH], now=self._now)
        self.result.ids = ids

    def _read(self, member: Member) -> _Read | None:
        where = f"line {member.line}, {member.pointer}" if member.pointer else f"line {member.line}"
        stix_id = None
        try:
            if member.oversized:
                raise LimitError(
                    f"{member.oversized} bytes in one object,"
                    f" at most {self._settings.limits.max_object_bytes} are taken",
                    advice="split it, or raise max_object_bytes",
                )
            obj, data = read_canonical(member.data, self._settings.limits)
            if isinstance(obj, dict) and isinstance(obj.get("id"), str):
                stix_id = obj["id"]
            header = check(obj)
            check_own(obj)
            if self._examine is not None:
                self._examine(obj)
            if header.type == "marking-definition":
                check_marking(obj)
        except SecretariatError as error:
            self.result.refuse(where, error, id=stix_id)
            return None
        for words in header.warnings:
            self.result.warn(where, words)
        return _Read(where, obj, data, header, header.version or self._now)

    def _know_markings(self, sound: Sequence[_Read]) -> None:
        """Learn the markings that this batch brings or names, from the container and from what is here.

        Where two definitions of one marking differ nobody's word counts: it is read as unknown.
        """
        contents: dict[str, set[bytes]] = {}
        for one in sound:
            if one.header.type == "marking-definition":
                contents.setdefault(one.header.id, set()).add(hashlib.sha256(one.data).digest())
                self._markings[one.header.id] = one.obj
        named = {ref for one in sound for ref in one.header.marking_refs if not is_standard(ref)}
        asked = sorted((named - self._markings.keys() - self._absent) | contents.keys())
        if not asked:
            return
        for kept in store.held(self._tx, asked):
            contents.setdefault(kept.stix_id, set()).add(kept.digest)
        disputed = {ref for ref, digests in contents.items() if len(digests) > 1 and not is_standard(ref)}
        wanted = sorted(contents.keys() - self._markings.keys() - disputed)
        found = store.latest(self._tx, wanted, hidden=True)
        self._markings.update({ref: kept.object() for ref, kept in found.items()})
        for ref in disputed:
            self._markings.pop(ref, None)
        self._absent.update(set(asked) - self._markings.keys())

    def _place(self, one: _Read, held: _Shelf) -> Version | None:
        """Decide what becomes of a member: a row to write, None when it is here already. Refuses the rest."""
        head, party = one.header, self._settings.party
        beside = held.of(head.id)
        same = _same(one, beside, party)
        mine = [other for other in beside if other.originator == party]
        if same is not None:
            self.result.unchanged += 1
            if same.originator == party and same.id:
                self._bring_back(one, same, mine)
            return None
        _refuse_against(one, beside, party)
        if (creator := self._others.get(head.created_by_ref or "")) is not None:
            raise DeniedError(
                f"{creator} takes part here and signs what it states: this bears its name, no signature",
                where="/created_by_ref",
                advice=f"let {creator} release it to this node, or state it anew under a new id as your own",
            )
        version = one.version
        if head.version is None:
            version = max([self._now, *(other.version + _MICROSECOND for other in mine)])
        elif mine and version < (newest := max(other.version for other in mine)):
            self.result.warn(
                one.where, f"older than the version of {stamp(newest)} that is here: kept as history"
            )
        label = self._label(one, mine)
        refuse_above(label, self._settings.ceiling)
        self._warn_lower(one, label, mine, version)
        row = Version(
            stix_id=head.id,
            type=head.type,
            spec_version=head.spec_version,
            created=head.created,
            modified=head.modified,
            version=version,
            data=one.data,
            created_by=head.created_by_ref,
            originator=party,
            source=party,
            label=label,
            state="draft",
            recorded_at=self._now,
            known_at=self._now,
            revoked=head.revoked,
        )
        held.add(row)
        return row

    def _warn_lower(self, one: _Read, label: Label, mine: Sequence[Held], version: datetime) -> None:
        before = max((other for other in mine if other.version < version), key=_when, default=None)
        if before is not None and tlp_rank(label) < tlp_rank(before.label):
            self.result.warn(
                one.where, f"marked lower than before (TLP:{before.label.tlp}): two persons release it"
            )

    def _bring_back(self, one: _Read, same: Held, mine: Sequence[Held]) -> None:
        """Take an own object that comes again: a draft that was hidden, or closed by an unknown marking."""
        if same.state == "hidden":
            store.set_state(self._tx, [same.id], "draft")
        self._places.append(same.id)
        if same.state in {"draft", "hidden"} and same.label.tlp == "RED" and one.header.marking_refs:
            label = self._label(one, mine)
            if self._waits(one):
                self._relabel.append((same.id, one.where))
            elif label != same.label:
                refuse_above(label, self._settings.ceiling)
                store.relabel(self._tx, {same.id: label})

    def _label(self, one: _Read, mine: Sequence[Held]) -> Label:
        settings = self._settings
        refs = one.header.marking_refs
        inherited = [origin for other in mine for origin in other.label.derived_from]
        plain = not inherited and "extensions" not in one.obj
        if plain and (known := self._labels.get(refs)) is not None:
            return known
        label, warnings = read_label(
            one.obj, self._markings, settings.party, settings.default_tlp, parents=inherited
        )
        if not self._waits(one):
            for words in warnings:
                self.result.warn(one.where, words)
            if plain and not warnings:
                self._labels[refs] = label
        return label

    def _waits(self, one: _Read) -> bool:
        """Whether a marking is not known yet; it may still come in this container."""
        return any(ref in self._absent and ref not in self._markings for ref in one.header.marking_refs)

    def _write(self, rows: Sequence[tuple[_Read, Version]]) -> None:
        made = [
            (one.obj["source_ref"], one.obj["target_ref"])
            for one, _ in rows
            if one.header.type == "relationship" and one.obj["relationship_type"] == "derived-from"
        ]
        store.keep_derivations(self._tx, made)
        self._derived.update(made)
        written = store.put_new(self._tx, [row for _, row in rows])
        for one, row in rows:
            number = written.get((row.stix_id, row.version, row.originator))
            if number is None:  # another import was faster; it is committed now
                number = self._other(one, row)
                if number is None:
                    continue
            else:
                self.result.accept(row.type)
            self._places.append(number)
            self._note(one, number)
        self._derived.update(store.derivations(self._tx, sorted({row.stix_id for _, row in rows})))

    def _other(self, one: _Read, row: Version) -> int | None:
        there = store.get(self._tx, row.stix_id, row.version, originator=row.originator)
        if there is not None and there.data == row.data:
            self.result.unchanged += 1
            return there.id
        self.result.refuse(one.where, _other_content(one), id=row.stix_id)
        return None

    def _note(self, one: _Read, number: int) -> None:
        """Remember what can only be answered at the end."""
        if self._waits(one):
            self._relabel.append((number, one.where))
        for name, value in one.obj.items():
            if name.endswith("_ref") and isinstance(value, str):
                self._want(value, one.where, name)
            elif name.endswith("_refs") and isinstance(value, list) and name != "object_marking_refs":
                for index, ref in enumerate(value):
                    self._want(ref, one.where, f"{name}/{index}")

    def _want(self, ref: Any, where: str, name: str) -> None:
        if isinstance(ref, str) and ref not in self._wanted and len(self._wanted) < _PENDING_REFS:
            self._wanted[ref] = f"{where}/{name}"

    def _read_labels_again(self) -> None:
        settings = self._settings
        for start in range(0, len(self._relabel), BATCH):
            places = dict(self._relabel[start : start + BATCH])
            marks: dict[int, Label] = {}
            for one in store.by_ids(self._tx, list(places)):
                label, warnings = read_label(
                    one.object(), self._markings, settings.party, settings.default_tlp, one.label.derived_from
                )
                try:
                    refuse_above(label, settings.ceiling)
                except DeniedError as error:
                    self._take_back(one, places[one.id], error)
                    continue
                for words in warnings:
                    self.result.warn(places[one.id], words)
                if label != one.label:
                    marks[one.id] = label
            store.relabel(self._tx, marks)

    def _take_back(self, one: Stored, where: str, error: DeniedError) -> None:
        store.destroy(self._tx, [one.id])
        self._taken_back.add(one.id)
        self.result.accepted -= 1
        self.result.types[one.type] -= 1
        self.result.refuse(where, error, id=one.stix_id)

    def _add_origins(self) -> None:
        """Give what was made from something the label of what it was made from."""
        every = sorted(self._derived)
        for start in range(0, len(every), BATCH):
            pairs = every[start : start + BATCH]
            origins = store.latest(self._tx, sorted({target for _, target in pairs}))
            versions = _Shelf(store.held(self._tx, sorted({source for source, _ in pairs})))
            marks: dict[int, Label] = {}
            for source, target in pairs:
                origin = origins.get(target)
                if origin is None:
                    continue
                for made in versions.of(source):
                    label = marks.get(made.id, made.label)
                    if made.originator == self._settings.party and origin.label not in label.derived_from:
                        more = sorted({*label.derived_from, origin.label}, key=canonical)
                        marks[made.id] = msgspec.structs.replace(label, derived_from=tuple(more))
            store.relabel(self._tx, marks)

    def _warn_dangling(self) -> None:
        refs = list(self._wanted)
        for start in range(0, len(refs), BATCH):
            part = refs[start : start + BATCH]
            rows = raw(self._tx).execute(
                "SELECT DISTINCT stix_id FROM object_version WHERE stix_id = ANY(%s)", (part,)
            )
            here = {name for (name,) in rows}
            for ref in part:
                if ref not in here:
                    self.result.warn(self._wanted[ref], f"refers to {ref}, which is not here")


def _when(one: Held) -> datetime:
    return one.version


class _Shelf:
    """What is here of the objects of a batch, and what the batch itself adds."""

    def __init__(self, rows: Sequence[Held]) -> None:
        self._by_id: dict[str, list[Held]] = {}
        for row in rows:
            self._by_id.setdefault(row.stix_id, []).append(row)

    def of(self, stix_id: str) -> list[Held]:
        """Give the versions of an object."""
        return self._by_id.get(stix_id, [])

    def add(self, row: Version) -> None:
        """Count a version in that is about to be written."""
        self._by_id.setdefault(row.stix_id, []).append(Held.coming(row))


def _same(one: _Read, beside: Sequence[Held], party: str) -> Held | None:
    """Find the same content: our own, or what its originator gave us."""
    if not beside:
        return None
    digest = hashlib.sha256(one.data).digest()
    found = [other for other in beside if other.digest == digest]
    found.sort(key=lambda other: other.originator != party)
    mine = [other for other in found if other.originator == party]
    if mine:
        return mine[0]
    return next((other for other in found if _created_by_its_originator(other)), None)


def _refuse_against(one: _Read, beside: Sequence[Held], party: str) -> None:
    """Refuse what contradicts what is here (rules 2, 4, 5)."""
    head = one.header
    for other in beside:
        if other.originator != party:
            if _created_by_its_originator(other):
                raise DeniedError(
                    f"{other.originator} created this object and shared it, nobody else may change it",
                    where="/id",
                    advice="say it in an object of your own that refers to it: note, opinion or sighting",
                )
            continue
        if head.version is None:
            continue
        if other.version == one.version:
            raise _other_content(one)
        for name, was, given in (
            ("created", other.created, head.created),
            ("created_by_ref", other.created_by, head.created_by_ref),
        ):
            if was != given:
                raise ConflictError(
                    f"{name} was {was!r} in the version of {stamp(other.version)} and is {given!r} here",
                    where=f"/{name}",
                    advice="it stays the same in all versions (section 3.6.2); a new object needs a new id",
                )
        if other.revoked and other.version < one.version:
            raise ConflictError(
                f"this object was revoked on {stamp(other.version)}",
                where="/modified",
                advice="nothing follows a revocation (section 3.6.3): make a new object",
            )


def _created_by_its_originator(other: Held) -> bool:
    return other.created_by == party_id(other.originator)


def _other_content(one: _Read) -> ConflictError:
    name = "modified" if one.header.modified else "created"
    return ConflictError(
        "this version is recorded with other content",
        where=f"/{name}",
        advice="a version is never changed: give the correction a newer `modified`",
    )
