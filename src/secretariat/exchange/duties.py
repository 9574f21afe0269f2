"""What duties demand of what partners gave us, when they fall due: destroy, keep unseen, let go (no I/O).

Rules:

1. A duty falls due at the end of its day, in the zone that it names (its instrument's), else in UTC. One
   whose day follows from the end of an instrument has none until that end is known, and moves with it (the
   service dates it).
2. A duty to destroy, delete or return destroys: content, salt, every derived row. The entry `destroy` in the
   own log says so with deed and article, and each party that granted it gets a receipt.
3. Never before the last day of an open duty to keep. Until then it is shown to nobody from the day on which
   another duty ended its use; the parties are told `kept-by-law` once, with the article.
4. When the last duty to keep ends, what was due or was called back meanwhile is destroyed; whoever called it
   back is answered once more, about its call. What nobody wants destroyed stays, and what was granted anew
   after the call: then the answer is `kept-otherwise`.
5. Each is done once: what is destroyed has no duties left, and a clock set back finds them done.
6. What a program cannot fulfil (a report, a return on paper) stays open and is shown as overdue.
7. Who has by way of us what we destroy or hide is not touched by our duty: it stays known as a holder, so
   that a later call is passed on to it (withdrawal_holder.py).
8. A call (`withdraw`, `narrow`) is answered within the shortest term that a grant's duties state `upon` a
   request: hours from its moment, days to the end of the last of them in the zone that the duty names, else
   in UTC. Where none states a term, no article makes the answer late.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from secretariat.base.clock import end_of_day
from secretariat.base.errors import InputError, SecretariatError
from secretariat.exchange.model import DESTROY_DUTIES, KEEP_DUTIES, Due, Holding
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.speakers import author, reached
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import LogEntry
    from secretariat.exchange.peers import Store

ENDING: Final = frozenset({"destroy_or_return", "destroy", "keep_confidential"})
"""Duties whose day may follow from the end of an instrument."""
NOT_SAID_YET: Final = "was granted it; has not said what became of it"
"""What is noted of a holder that nobody called upon yet (rule 7)."""
_LAPSING: Final = frozenset({"keep_confidential"})
_AT_ONCE: Final = 1000
_ZONE_MAX: Final = 64
_TERM = re.compile(r"P(?:(\d{1,5})D|T(\d{1,6})H)")


class Term(msgspec.Struct, frozen=True):
    """By when a call is to be answered, and the article that says so."""

    by: datetime
    article: str


class Run(msgspec.Struct, frozen=True):
    """What one run of the timers did: how many versions it destroyed, hid by a duty to keep, let go."""

    destroyed: int = 0
    kept: int = 0
    ended: int = 0


def term_of(promised: Iterable[Any], now: datetime) -> Term | None:
    """Give the shortest term for answering a call made now, of duties as grants state them."""
    found = []
    for one in promised:
        if isinstance(one, dict) and one.get("upon") == "request":
            stated = _TERM.fullmatch(str(one.get("within") or ""))
            if stated is not None:
                by = _answered_by(stated, one.get("zone"), now)
                if by is not None:
                    found.append(Term(by, str(one.get("art", ""))))
    return min(found, key=lambda one: (one.by, one.article), default=None)


def _answered_by(stated: re.Match[str], zone: object, now: datetime) -> datetime | None:
    if stated[1] is None:
        return now + timedelta(hours=int(stated[2]))
    try:
        name = zone_of(zone)
        return end_of_day(now.astimezone(ZoneInfo(name)).date() + timedelta(days=int(stated[1])), name)
    except (SecretariatError, OverflowError):
        return None


def zone_of(stated: object) -> str:
    """Give the zone in which a duty counts its days; UTC where it names none. Refuses what is no zone."""
    if stated is None:
        return "UTC"
    if not isinstance(stated, str) or len(stated) > _ZONE_MAX:
        raise InputError("no time zone", where="zone")
    try:
        return ZoneInfo(stated).key
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"no time zone {stated!r}", where="zone") from error


def stated_in(log: Iterable[LogEntry], roots: Sequence[bytes]) -> list[Any]:
    """Give the duties that grants among these entries state for any of `roots`."""
    wanted = {root.hex() for root in roots}
    found: list[Any] = []
    for one in log:
        if one.kind == "grant":
            body = entries.body_as(entries.read(dsse.payload_of(one.envelope)), entries.Grant)
            for row in body.rows:
                found += row.obligations if wanted & set(row.objects) else []
    return found


def held_by(duties: Iterable[Due], now: datetime) -> list[Due]:
    """Give the duties that forbid to destroy now, the longest last."""
    keeping = [one for one in duties if one.duty in KEEP_DUTIES and (one.at is None or one.at > now)]
    return sorted(keeping, key=lambda one: (one.at is None, one.at or now, one.article))


def fall_due(store: Store, now: datetime) -> Run:
    """Do what open duties demand by now, as the rules above say; the caller holds the right to append."""
    due = [
        one for one in store.fallen_due(now, _AT_ONCE) if one.duty in DESTROY_DUTIES | KEEP_DUTIES | _LAPSING
    ]
    if not due:
        return Run()
    by_root: dict[bytes, list[Due]] = defaultdict(list)
    for one in due:
        by_root[one.root].append(one)
    roots = sorted(by_root)
    held, tombs = store.versions(roots), store.tombs(roots)
    gone: dict[str, list[bytes]] = defaultdict(list)
    kept: dict[str, list[bytes]] = defaultdict(list)
    done: list[Due] = []
    stays: list[bytes] = []
    for root, duties in sorted(by_root.items()):
        ending = [one for one in duties if one.duty in DESTROY_DUTIES]
        called = any(tomb.done == "kept-by-law" for tomb in tombs.get(root, ()))
        keeping = held_by(store.obligations(root), now)
        done += [one for one in duties if one.duty not in DESTROY_DUTIES or root not in held]
        if root not in held or not (ending or called):
            continue
        if called and not ending and held[root].state != "withdrawn":
            stays += [] if keeping else [root]
        elif keeping:
            kept[keeping[-1].article].append(root)
        else:
            gone[_words(ending or duties)].append(root)
    store.fulfil(done)
    hidden = [
        (article, [root for root in batch if held[root].state != "withdrawn"])
        for article, batch in kept.items()
    ]
    outgoing = [
        one for article, batch in hidden for one in _answers(store, batch, tombs, "kept-by-law", article)
    ]
    remember(
        store,
        [
            *(root for _, batch in hidden for root in batch),
            *(root for batch in gone.values() for root in batch),
        ],
        now,
    )
    store.retire([root for _, batch in hidden for root in batch])
    for reason, batch in gone.items():
        outgoing += _answers(store, batch, tombs, "destroyed", reason)
        body = entries.Destroy(objects=[root.hex() for root in batch], reason=reason, duty="timer")
        outgoing.append(Outgoing("destroy", None, body))
    outgoing += _stay(store, stays, tombs)
    for batch in gone.values():
        for root in batch:
            for tomb in tombs.get(root, ()):
                store.entomb([root], msgspec.structs.replace(tomb, done="destroyed"))
        store.destroy(batch)
    if outgoing:
        store.append(outgoing)
    return Run(
        destroyed=sum(map(len, gone.values())),
        kept=sum(len(batch) for _, batch in hidden),
        ended=len(done),
    )


def _stay(store: Store, roots: Sequence[bytes], tombs: Mapping[bytes, Sequence[Tomb]]) -> list[Outgoing]:
    """Tell who called these back that they are here under a newer grant, now that no law has them kept."""
    called = {root: [one for one in tombs.get(root, ()) if one.done == "kept-by-law"] for root in roots}
    for root, ones in called.items():
        for one in ones:
            store.entomb([root], msgspec.structs.replace(one, done="kept-otherwise"))
    return _receipts(store, _callers(store, called), "kept-otherwise", None)


def remember(store: Store, roots: Sequence[bytes], now: datetime) -> None:
    """Keep whom we passed these versions on to, also where its receipt has not come yet (rule 7)."""
    known = {(one.root, one.holder) for one in store.holdings(roots)}
    store.hold(
        [
            Holding(
                root=root,
                holder=party,
                state="asked",
                via=store.party,
                origin=store.origin,
                position=-1,
                at=now,
                note=NOT_SAID_YET,
            )
            for party, given in store.recipients(roots).items()
            for root in given
            if (root, party) not in known
        ]
    )


def _words(duties: Sequence[Due]) -> str:
    return "; ".join(sorted({f"{one.duty} {one.article}".strip() for one in duties}))


def _answers(
    store: Store, roots: Sequence[bytes], tombs: Mapping[bytes, Sequence[Tomb]], state: str, reason: str
) -> list[Outgoing]:
    """Tell those who granted these versions, and those who called them back, what became of them."""
    told = _callers(store, {root: tombs.get(root, ()) for root in roots})
    for root, grants in store.arrived(roots).items():
        for one in grants:
            told[one.sender, one.origin, one.position].append(root)
    return _receipts(store, told, state, reason)


def _callers(store: Store, tombs: Mapping[bytes, Sequence[Tomb]]) -> dict[tuple[str, str, int], list[bytes]]:
    told: dict[tuple[str, str, int], list[bytes]] = defaultdict(list)
    for root, ones in tombs.items():
        for tomb in ones:
            caller = author(store, tomb.origin, tomb.position) if tomb.position >= 0 else None
            if caller is not None:
                told[caller, tomb.origin, tomb.position].append(root)
    return told


def _receipts(
    store: Store, told: Mapping[tuple[str, str, int], Sequence[bytes]], state: str, reason: str | None
) -> list[Outgoing]:
    known = reached(store)
    return [
        Outgoing(
            "receipt",
            to,
            entries.Receipt(
                to=to,
                about=entries.EntryRef(origin, position),
                state=state,
                objects=[root.hex() for root in sorted(set(batch))],
                count=len(set(batch)),
                reason=reason,
            ),
        )
        for (to, origin, position), batch in sorted(told.items())
        if to in known
    ]
