"""Holders further down: whom a relay names upward, and how it speaks of those whom it does not name (no I/O).

Rules:

1. A relay names a next holder to whoever granted it an object only where both legs say so: the grant to the
   relay and the grant to the holder both state the duty `name_recipients`, each by the article under which
   the object was granted. A grant that says nothing, says it without an article, or cannot be read, hides.
2. Otherwise it answers for the holder itself: a line with a pseudonym, a state and the relay's own time. No
   code, log, place, key, signature or reason of the holder stands in it.
3. A pseudonym is one per partner and holder (agreements/sponsoring.py, `pairwise`), made anew at each hop:
   two that compare theirs learn nothing, and no table holds one beside the code it stands for.
4. What a relay hears by pseudonym it tells only to whoever it got the object from first, or obeyed first. So
   such words run up a tree and end, though nobody can tell a holder that it has heard of before.
5. Here a line is kept as `<relay>/<pseudonym>`, which is no party's code: the relay is the debtor.
6. Of the calls of one party, each states the grants it rests on, so that rule 1 is decided from signed
   entries long after content and grants were destroyed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import InputError, SecretariatError
from secretariat.exchange.model import Granted, HoldingState
from secretariat.ledger import dsse, entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import LogEntry
    from secretariat.exchange.peers import Store
    from secretariat.ledger.entries import Statement

DUTY: Final = "name_recipients"
_NAME = re.compile(r"further-[a-z2-7]{16}")
_STATES = frozenset(get_args(HoldingState))
_GRANTS_MAX: Final = 1000  # of the grants that one call rests on


class Line(msgspec.Struct, frozen=True):
    """What a relay says of a holder that it does not name."""

    name: str
    state: str
    since: datetime
    roots: list[bytes]


def is_further(holder: str) -> bool:
    """Whether this stands for a holder that only a relay can name."""
    relay, _, name = holder.partition("/")
    return bool(relay) and _NAME.fullmatch(name) is not None


def debtor(holder: str) -> str:
    """Name the party that answers for a holder: itself, or the relay that does not name it."""
    return holder.partition("/")[0]


def kept_as(relay: str, name: str) -> str:
    """Give what a line's pseudonym is kept as (rule 5)."""
    return f"{relay}/{name}"


def own_word(entry: LogEntry | None) -> list[LogEntry]:
    """Give an entry of the own log where it may travel with others: a withdrawal that names no holder."""
    return [] if entry is None or (entry.kind, entry.recipient) != ("withdraw", None) else [entry]


def granting(log: Iterable[LogEntry], party: str, roots: Collection[bytes]) -> list[int]:
    """Give the places of the grants by `party` among these entries that list any of `roots`."""
    wanted = {root.hex() for root in roots}
    return [
        one.position
        for one in log
        if (one.kind, one.party) == ("grant", party)
        if any(wanted & set(row["objects"]) for row in _rows(entries.read(dsse.payload_of(one.envelope))))
    ]


def articles_in(grant: Statement, roots: Collection[bytes]) -> dict[bytes, str]:
    """Say by which article a grant shows recipients, for each of `roots` that it lists; empty: by none."""
    found: dict[bytes, str] = {}
    for row in _rows(grant):
        listed = set(row["objects"])
        article = ""
        for duty in row.get("obligations", ()):
            if (
                isinstance(duty, dict)
                and duty.get("do") == DUTY
                and duty.get("who") in {None, grant.recipient}
                and isinstance(duty.get("art"), str)
            ):
                article = article or duty["art"]
        for root in roots:
            if root.hex() in listed:
                # listed twice: both rows must say so
                found[root] = article if found.get(root, article) else ""
    return found


def shown_by(
    store: Store, origin: str, positions: Iterable[Any], giver: str, to: str, roots: Collection[bytes]
) -> dict[bytes, str]:
    """Give those of `roots` whose recipients the grants at these places show, with the article (rule 1)."""
    found: dict[bytes, str] = {}
    hidden: set[bytes] = set()
    for position in [one for one in positions if isinstance(one, int)][:_GRANTS_MAX]:
        entry = store.entry(position) if origin == store.origin else store.peer_entry(origin, position)
        if entry is None or (entry.kind, entry.party, entry.recipient) != ("grant", giver, to):
            continue
        said = articles_in(entries.read(dsse.payload_of(entry.envelope)), roots)
        hidden |= {root for root, article in said.items() if not article}
        found |= {root: article for root, article in said.items() if article}
    return {root: article for root, article in found.items() if root not in hidden}


def shown_by_call(store: Store, origin: str, call: Statement, roots: Collection[bytes]) -> dict[bytes, str]:
    """Give those of `roots` whose recipients the grants that a call rests on show."""
    positions = call.body.get("grants")
    listed = positions if isinstance(positions, list) else []
    return shown_by(store, origin, listed, call.party, call.recipient or "", roots)


def shown_by_arrival(store: Store, root: bytes, grants: Sequence[Granted]) -> bool:
    """Whether each of these grants, under which we hold a version, shows its recipients."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in grants:
        places[one.sender, one.origin].append(one.position)
    return bool(places) and all(
        root in shown_by(store, origin, positions, sender, store.party, [root])
        for (sender, origin), positions in places.items()
    )


def line(store: Store, to: str, holder: str, state: str, now: datetime, roots: Sequence[bytes]) -> Line:
    """Say of a holder, towards one partner, what may be said without naming it (rules 2, 3)."""
    return Line(store.pseudonym(to, holder), state, now, list(roots))


def written(lines: Iterable[Line], roots: Collection[bytes]) -> list[dict[str, Any]]:
    """Write lines as a receipt about `roots` carries them."""
    whole, found = set(roots), []
    for one in lines:
        about = sorted(set(one.roots) & whole)
        if about:
            item: dict[str, Any] = {"further": one.name, "state": one.state, "since": stamp(one.since)}
            if set(about) != whole:
                item["objects"] = [root.hex() for root in about]
            found.append(item)
    return found


def read(item: Mapping[str, Any], roots: Sequence[bytes], now: datetime) -> Line:
    """Read a line of a receipt about `roots`. Refuses a name that is no pseudonym, another state or time."""
    name, state = item.get("further"), item.get("state")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError("a holder further down without a pseudonym", where="downstream/further")
    if state not in _STATES:
        raise InputError(f"a holder further down cannot be {str(state)[:80]!r}", where="downstream/state")
    try:
        since = min(parse_stamp(str(item.get("since"))), now)
        about = item.get("objects")
        if about is None:
            return Line(name, str(state), since, list(roots))
        wanted = {bytes.fromhex(one) for one in about}
    except (SecretariatError, ValueError, TypeError) as error:
        raise InputError(f"a line about a holder further down: {error}", where="downstream") from error
    return Line(name, str(state), since, [root for root in roots if root in wanted])


def _rows(grant: Statement) -> list[dict[str, Any]]:
    """Give the rows of a grant that can be read; any other grants nothing."""
    rows = grant.body.get("rows") if grant.kind == "grant" else None
    return [
        one
        for one in (rows if isinstance(rows, list) else ())
        if isinstance(one, dict) and isinstance(one.get("objects"), list)
    ]
