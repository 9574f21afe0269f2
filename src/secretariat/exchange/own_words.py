"""Receipts that a person gives, about what no program sees: returned, kept by law, control lost (no I/O).

Rules:

1. It is said to everybody who granted these versions, about the grant, and to whoever called them back, about
   the call; whoever relayed them passes the word on. Each word names the person's facts as its reason.
2. `returned` says that nothing is kept: content that is still here is destroyed, with an entry that says so.
   Refused while a duty to keep is open, with its article.
3. `kept-by-law` names the law, and until when where it says so. From then on what is here is shown to nobody,
   as after any duty that ends its use; it is destroyed when the law no longer keeps it.
4. `lost` says since when, what happened, who is told. Nothing is destroyed by it, and a later word on the
   same version does not wipe it out: a loss stays on record.
5. What was destroyed here before is answered for by its root: copies on paper outlive it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.exchange.duties import held_by, remember
from secretariat.exchange.model import Due
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.speakers import author, reached
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secretariat.exchange.peers import Store

RETURNED: Final = "returned"
KEPT: Final = "kept-by-law"
LOST: Final = "lost"
REASON_MAX: Final = 2000
_ROOT_HEX: Final = 64


class Said(msgspec.Struct, frozen=True):
    """A word that was given: about how many versions, to whom, and by when loss was to be reported."""

    state: str
    versions: int
    told: tuple[str, ...]
    position: int


class Demand(msgspec.Struct, frozen=True):
    """An article that obliges to report a loss, and within what time."""

    owed_to: str
    article: str
    within: str | None


def roots_of(store: Store, names: Sequence[str], *, members: bool) -> list[bytes]:
    """Give the versions that others granted us under these STIX ids or roots, with what reports list.

    Refuses a name of nothing here, and what is our own: nobody granted it to us.
    """
    found: dict[bytes, None] = {}
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if len(name) == _ROOT_HEX and "-" not in name:
            found[_root(name)] = None
            continue
        history = store.history(name)
        if name in names and not history:
            raise NotFoundError(
                f"no object {name[:100]} here",
                advice="for what was destroyed name its root: `receipts`, the log",
            )
        for one in history:
            if one.root and one.originator != store.party:
                found[one.root] = None
        if members and history:
            refs = msgspec.json.decode(history[0].data).get("object_refs", [])
            pending += [ref for ref in refs if isinstance(ref, str)]
    if not found:
        raise StateError(
            "this is our own: nobody granted it to us", where=names[0][:100], advice="withdraw it instead"
        )
    return list(found)


def _root(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError(f"no root: {text}", advice="64 hex digits") from error


def demands(store: Store, roots: Sequence[bytes]) -> list[Demand]:
    """Name the articles under which a loss of these versions is to be reported, as the grants state them."""
    found: dict[Demand, None] = {}
    for root, grants in store.granted_here(roots).items():
        for one in grants:
            line = store.peer_entry(one.origin, one.position)
            if line is None:
                continue
            body = entries.body_as(entries.read(dsse.payload_of(line.envelope)), entries.Grant)
            stated = [duty for row in body.rows if root.hex() in row.objects for duty in row.obligations]
            for duty in stated:
                if isinstance(duty, dict) and duty.get("do") == "report_loss":
                    found[Demand(one.sender, str(duty.get("art", "")), _text(duty.get("within")))] = None
    return list(found)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def give(
    store: Store,
    roots: Sequence[bytes],
    state: str,
    *,
    reason: str,
    by: str,
    until: datetime | None = None,
    now: datetime,
) -> Said:
    """Give a word on these versions to all who must have it; the caller holds the right to append.

    Refuses no reason, and what nobody here can be told about.
    """
    reason = reason.strip()[:REASON_MAX]
    if not reason:
        raise InputError("a receipt by a person says what happened", where="reason")
    told = _to_tell(store, roots)
    if not told:
        raise NotFoundError(
            "nobody granted this to us or called it back, as far as is known here",
            advice="tell the originator another way",
        )
    outgoing = [
        Outgoing(
            "receipt",
            to,
            entries.Receipt(
                to=to,
                about=entries.EntryRef(origin, position),
                state=state,
                objects=[root.hex() for root in batch],
                count=len(batch),
                reason=reason,
            ),
        )
        for (to, origin, position), batch in told.items()
    ]
    if state == RETURNED:
        outgoing += _returned(store, roots, reason, now)
    elif state == KEPT:
        _kept(store, roots, reason, until, now)
    names = tuple(sorted({to for to, _origin, _position in told}))
    detail = {"state": state, "objects": [root.hex() for root in roots], "told": names, "reason": reason}
    outgoing.append(Outgoing("note", None, entries.Note(act=state, by=by, detail=detail)))
    return Said(state, len(roots), names, store.append(outgoing)[0])


def _to_tell(store: Store, roots: Sequence[bytes]) -> dict[tuple[str, str, int], list[bytes]]:
    found: dict[tuple[str, str, int], list[bytes]] = defaultdict(list)
    for root, grants in store.granted_here(roots).items():
        for one in grants:
            found[one.sender, one.origin, one.position].append(root)
    for root, tombs in store.tombs(roots).items():
        for tomb in tombs:
            caller = author(store, tomb.origin, tomb.position) if tomb.position >= 0 else None
            if caller is not None:
                found[caller, tomb.origin, tomb.position].append(root)
    known = reached(store)
    return {key: sorted(set(batch)) for key, batch in sorted(found.items()) if key[0] in known}


def _returned(store: Store, roots: Sequence[bytes], reason: str, now: datetime) -> list[Outgoing]:
    held = [root for root in roots if root in store.versions(roots)]
    for root in held:
        if keeping := held_by(store.obligations(root), now):
            raise StateError(
                f"{keeping[-1].article} has it kept", where=root.hex(), advice="say that it is kept by law"
            )
    tombs = store.tombs(roots)
    for root in roots:
        for tomb in tombs.get(root, ()):
            store.entomb([root], msgspec.structs.replace(tomb, done=RETURNED))
    bare = [root for root in held if root not in tombs]
    if bare:
        store.entomb(bare, Tomb(store.party, RETURNED, store.origin, -1, RETURNED))
    if not held:
        return []
    remember(store, held, now)
    store.destroy(held)
    body = entries.Destroy(objects=[root.hex() for root in held], reason=reason, duty=RETURNED)
    return [Outgoing("destroy", None, body)]


def _kept(store: Store, roots: Sequence[bytes], law: str, until: datetime | None, now: datetime) -> None:
    held = store.versions(roots)
    here = [root for root in roots if root in held]
    if until is not None and until <= now:
        raise InputError("the law keeps it until a day that is past", where="until")
    store.owe(
        [
            Due(root=root, duty="keep_by_law", article=law, owed_to=held[root].originator, at=until)
            for root in here
        ]
    )
    if here:
        ending = [
            Due(root=r, duty="destroy", article=law, owed_to=held[r].originator, at=until) for r in here
        ]
        if until is not None:
            store.owe(ending)
        remember(store, here, now)
        store.retire(here)
    tombs = store.tombs(roots)
    for root in roots:
        for tomb in tombs.get(root, ()):
            store.entomb([root], msgspec.structs.replace(tomb, done=KEPT))
