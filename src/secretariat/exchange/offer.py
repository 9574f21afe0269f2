"""Making a page: what this node offers one partner after the place it has reached (no I/O).

Rules:
1. Only entries addressed to the partner, in log order, each with its inclusion proof under the newest
   checkpoint, and the proof that this log continues the one the partner last kept.
2. A grant brings its objects in the order of its rows. An object that the partner may not read any more
   (withdrawn, narrowed, destroyed) is named as gone; it is never left out in silence.
3. A page ends after `max_objects` objects or once it holds `max_bytes`; it always makes progress.
4. A page says how much it carries and hashes it (wire.page_hash).
5. Where a row of the grant says that properties are left out, the object goes as that partial. A version that
   the partner may read only with less than the row says is named as gone, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.errors import InputError
from secretariat.exchange import wire
from secretariat.exchange.wire import Attached, CarriedEntry, CarriedObject, Counts, Cursor, Page
from secretariat.ledger import dsse, entries
from secretariat.ledger.property_tree import left_out_of, partial_of, reduced
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from secretariat.exchange.model import LogEntry, Version
    from secretariat.exchange.peers import Store
    from secretariat.exchange.witnesses import Riding

MAX_ENTRIES = 1_000
MAX_CLAIMS = 4
_LOOK_AHEAD = 500
REFERENCES_MAX: Final = 1000  # other parties' entries that one entry rests on


def roots_of(statement: entries.Statement) -> list[bytes]:
    """Give the roots that a grant brings, in the order of its rows; nothing for other kinds."""
    if statement.kind != "grant":
        return []
    roots = [root for row in entries.body_as(statement, entries.Grant).rows for root in row.objects]
    entries.check_roots(roots, "grant/rows")
    every = bytes.fromhex("".join(roots))
    return [every[start : start + 32] for start in range(0, len(every), 32)]


def left_out_in(statement: entries.Statement) -> dict[bytes, list[str]]:
    """Say by root what a grant leaves out; versions that go whole are not in it."""
    if statement.kind != "grant":
        return {}
    rows = entries.body_as(statement, entries.Grant).rows
    return {bytes.fromhex(root): names for row in rows for root, names in row.left_out.items() if names}


def references_of(statement: entries.Statement) -> Iterator[tuple[str, int]]:
    """Name the other parties' entries that an entry rests on, each once: (log origin, position).

    At most REFERENCES_MAX: each is looked up, and one grant must not stop a node. The rest is as if absent.
    """
    found: list[Any] = [statement.body.get("passed_on")]
    facts = statement.body.get("facts")
    if statement.kind == "grant" and isinstance(facts, dict):
        for value in facts.values():
            found.extend(value if isinstance(value, list) else [value])
    named: set[tuple[str, int]] = set()
    for one in found:
        ref = one.get("entry", one) if isinstance(one, dict) else None
        if (
            isinstance(ref, dict)
            and isinstance(ref.get("origin"), str)
            and isinstance(ref.get("position"), int)
            and (ref["origin"], ref["position"]) not in named
            and len(named) < REFERENCES_MAX
        ):
            named.add((ref["origin"], ref["position"]))
            yield ref["origin"], ref["position"]


def offer(
    store: Store,
    to: str,
    after: Cursor,
    since: int,
    *,
    max_objects: int = 1_000,
    max_bytes: int = 4_194_304,
    riding: Riding | None = None,
) -> Page:
    """Give the next page for partner `to`. Refuses a cursor that points into no entry of its own.

    `riding` is what rides along, where the caller knows it already.
    """
    head = store.head()
    carried: list[CarriedEntry] = []
    hashed: list[tuple[int, bytes, int, list[str]]] = []
    objects = gone = 0
    size = 0
    at, more = after, False
    for entry in store.addressed(to, after.position, head.size):
        if len(carried) >= MAX_ENTRIES or objects >= max_objects or size >= max_bytes:
            more = True
            break
        offset = after.offset if entry.position == after.position else 0
        statement = entries.read(dsse.payload_of(entry.envelope))
        roots, left_out = roots_of(statement), left_out_in(statement)
        if offset > len(roots):
            raise InputError(f"entry {entry.position} brings {len(roots)} objects", where=f"after={after}")
        run, weight = _run(store, to, roots[offset:], left_out, max_objects - objects, max_bytes - size)
        carried.append(_carried(store, entry, offset, len(roots), run))
        done = offset + len(run)
        hashed.append(
            (entry.position, entries.digest_of(entry.envelope, entry.salt), offset, [o.root for o in run])
        )
        objects += len(run)
        gone += sum(one.gone is not None for one in run)
        size += weight + (len(entry.envelope) if offset == 0 else 0)
        at = Cursor(entry.position + 1) if done == len(roots) else Cursor(entry.position, done)
        if done < len(roots):
            more = True
            break
    if not carried and after.offset:
        raise InputError(f"no entry for {to} at position {after.position}", where=f"after={after}")
    proofs = store.inclusions([one.position for one in carried], head.size) if carried else {}
    carried = [msgspec.structs.replace(one, proof=tuple(proofs[one.position])) for one in carried]
    if not more:
        at = max(at, Cursor(head.size))
    return Page(
        v=wire.VERSION,
        realm=store.realm,
        origin=store.origin,
        party=store.party,
        to=to,
        after=after,
        next=at,
        since=since,
        checkpoint=head.note.decode(),
        consistency=tuple(store.consistency(since, head.size)) if 0 < since < head.size else (),
        entries=tuple(carried),
        count=Counts(len(carried), objects, gone),
        hash=wire.page_hash(hashed),
        more=more,
        **wire.members_of(store.riding(to) if riding is None else riding),
    )


def _carried(
    store: Store, entry: LogEntry, offset: int, total: int, run: Sequence[CarriedObject]
) -> CarriedEntry:
    if offset:
        return CarriedEntry(entry.position, entry.salt, (), offset=offset, total=total, objects=tuple(run))
    attached: list[Attached] = []
    for origin, position in references_of(entries.read(dsse.payload_of(entry.envelope))):
        attached += [
            Attached(origin, position, msgspec.Raw(third.envelope), third.salt)
            for third in store.attached(origin, position)[:MAX_CLAIMS]
        ]
    return CarriedEntry(
        entry.position, entry.salt, (), msgspec.Raw(entry.envelope), tuple(attached), 0, total, tuple(run)
    )


def _run(
    store: Store,
    to: str,
    roots: Sequence[bytes],
    left_out: Mapping[bytes, Sequence[str]],
    max_objects: int,
    max_bytes: int,
) -> tuple[list[CarriedObject], int]:
    """Carry objects from the front of `roots` until a limit; at least one when there is one."""
    run: list[CarriedObject] = []
    weight = 0
    for start in range(0, min(len(roots), max_objects), _LOOK_AHEAD):
        part = roots[start : min(start + _LOOK_AHEAD, max_objects)]
        whole = store.granted(to, part)
        found = {root: one for root, one in whole.items() if _enough(one, left_out.get(root, ()))}
        missing = [root for root in part if root not in found]
        reasons = _reasons(store, missing)
        for root in part:
            version = found.get(root)
            one = (
                CarriedObject(root.hex(), gone=reasons.get(root))
                if version is None
                else _object(without(version, left_out.get(root, ())))
            )
            cost = 80 if version is None else len(version.data) + len(version.signature)
            if run and weight + cost > max_bytes:
                return run, weight
            run.append(one)
            weight += cost
    return run, weight


def _enough(version: Version, names: Sequence[str]) -> bool:
    """Whether the partner may read what the row says: nothing more is missing than `names`."""
    return set(left_out_of(version.salt)) <= set(names)


def without(version: Version, names: Collection[str]) -> Version:
    """Give a copy that lacks at least these properties."""
    if set(names) <= set(left_out_of(version.salt)):
        return version
    value, proof = reduced(version.data, version.salt, names)
    return msgspec.structs.replace(version, data=canonical(value), salt=proof)


def _object(version: Version) -> CarriedObject:
    less = partial_of(version.salt)
    return CarriedObject(
        version.root.hex(),
        msgspec.Raw(version.data),
        version.salt if less is None else None,
        msgspec.Raw(version.signature),
        version.originator,
        leaves=() if less is None else tuple(less.leaves),
    )


def _reasons(store: Store, roots: Sequence[bytes]) -> Mapping[bytes, str]:
    """Say why objects are gone: called back by somebody, else no longer granted."""
    if not roots:
        return {}
    tombs = store.tombs(roots)
    return {root: "withdrawn" if tombs.get(root) else "not-granted" for root in roots}
