"""Making a page: what this node offers one partner after the place it has reached (no I/O).

Rules:
1. Only entries addressed to the partner, in log order, each with its inclusion proof under the newest
   checkpoint, and the proof that this log continues the one the partner last kept.
2. A grant brings its objects in the order of its rows. An object that the partner may not read any more
   (withdrawn, narrowed, destroyed) is named as gone; it is never left out in silence.
3. A page ends after `max_objects` objects or once it holds `max_bytes`; it always makes progress.
4. A page says how much it carries and hashes it (wire.page_hash).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import InputError
from secretariat.exchange import wire
from secretariat.exchange.wire import Attached, CarriedEntry, CarriedObject, Counts, Cursor, Page
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from secretariat.exchange.model import LogEntry, Version
    from secretariat.exchange.peers import Store
    from secretariat.exchange.witnesses import Riding

MAX_ENTRIES = 1_000
MAX_CLAIMS = 4
_LOOK_AHEAD = 200


def roots_of(statement: entries.Statement) -> list[bytes]:
    """Give the roots that a grant brings, in the order of its rows; nothing for other kinds."""
    if statement.kind != "grant":
        return []
    roots = [root for row in entries.body_as(statement, entries.Grant).rows for root in row.objects]
    entries.check_roots(roots, "grant/rows")
    return [bytes.fromhex(root) for root in roots]


def references_of(statement: entries.Statement) -> Iterator[tuple[str, int]]:
    """Name the other parties' entries that an entry rests on: (log origin, position)."""
    found: list[Any] = [statement.body.get("passed_on")]
    facts = statement.body.get("facts")
    if statement.kind == "grant" and isinstance(facts, dict):
        for value in facts.values():
            found.extend(value if isinstance(value, list) else [value])
    for one in found:
        ref = one.get("entry", one) if isinstance(one, dict) else None
        if (
            isinstance(ref, dict)
            and isinstance(ref.get("origin"), str)
            and isinstance(ref.get("position"), int)
        ):
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
        roots = roots_of(entries.read(dsse.payload_of(entry.envelope)))
        if offset > len(roots):
            raise InputError(f"entry {entry.position} brings {len(roots)} objects", where=f"after={after}")
        run, weight = _run(store, to, roots[offset:], max_objects - objects, max_bytes - size)
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
    store: Store, to: str, roots: Sequence[bytes], max_objects: int, max_bytes: int
) -> tuple[list[CarriedObject], int]:
    """Carry objects from the front of `roots` until a limit; at least one when there is one."""
    run: list[CarriedObject] = []
    weight = 0
    for start in range(0, min(len(roots), max_objects), _LOOK_AHEAD):
        part = roots[start : min(start + _LOOK_AHEAD, max_objects)]
        found = store.granted(to, part)
        missing = [root for root in part if root not in found]
        reasons = _reasons(store, missing)
        for root in part:
            version = found.get(root)
            one = CarriedObject(root.hex(), gone=reasons.get(root)) if version is None else _object(version)
            cost = 80 if version is None else len(version.data) + len(version.signature)
            if run and weight + cost > max_bytes:
                return run, weight
            run.append(one)
            weight += cost
    return run, weight


def _object(version: Version) -> CarriedObject:
    return CarriedObject(
        version.root.hex(),
        msgspec.Raw(version.data),
        version.salt,
        msgspec.Raw(version.signature),
        version.originator,
    )


def _reasons(store: Store, roots: Sequence[bytes]) -> Mapping[bytes, str]:
    """Say why objects are gone: called back by somebody, else no longer granted."""
    if not roots:
        return {}
    tombs = store.tombs(roots)
    return {root: "withdrawn" if tombs.get(root) else "not-granted" for root in roots}
