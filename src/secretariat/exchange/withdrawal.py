"""Calling back what was shared: withdraw and narrow, on the side of whoever calls (no I/O).

What a holder does stands in withdrawal_holder.py, what becomes of its answers in withdrawal_receipts.py.

Rules:
1. Only the originator withdraws a version, by a new version with `revoked: true` that it signs and one
   `withdraw` entry per holder. A relay never makes a version: it passes the originator's own signed entry on.
2. Whoever granted may narrow: take its grant back from one party. What that party passed on follows.
3. A withdrawal begins with the originator's word, an entry without `to` that names nobody it was granted to.
   Each call names it, so that relays prove the withdrawal by it and not by an entry to somebody else.
4. A call states the grants that it takes back, and by when it is to be answered under which article.
5. A withdrawn version never comes back, whichever way it arrives.
6. A party without a node cannot answer: it is listed so, and somebody has to tell it.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.clock import end_of_day, parse_stamp
from secretariat.base.errors import DeniedError, InputError, NotFoundError, StateError
from secretariat.exchange.duties import term_of
from secretariat.exchange.model import Holding, Version
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.speakers import reached
from secretariat.exchange.withdrawal_entries import EVERYBODY, call_of, term_in_call, term_in_holding
from secretariat.exchange.withdrawal_holder import obey
from secretariat.exchange.withdrawal_receipts import note_receipt
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from secretariat.exchange.peers import Store

    Seal = Callable[[dict[str, Any], bytes], tuple[bytes, bytes, bytes]]
    """Give root, salt and the originator's signature of an object, from its value and its canonical bytes."""

__all__ = ["EVERYBODY", "Called", "Seal", "end_of", "narrow", "note_receipt", "obey", "withdraw"]


class Called(msgspec.Struct, frozen=True):
    """What a withdrawal or narrowing set in motion: who was asked, and who has to be told by a person."""

    stix_id: str
    versions: int
    asked: tuple[str, ...]
    cannot_answer: tuple[str, ...]
    revoked: str | None = None
    due: tuple[tuple[str, datetime, str], ...] = ()
    """By when which party has to answer, by which article; others by the setting `receipt_due_s`."""


def end_of(text: str, zone: str = "UTC") -> datetime:
    """Read a date (its end in a zone) or a stamp."""
    if len(text) == len("2026-03-31"):
        try:
            return end_of_day(date.fromisoformat(text), zone)
        except ValueError as error:
            raise InputError(f"not a date: {text!r}") from error
    return parse_stamp(text)


def revoked_form(obj: dict[str, Any], keep: Collection[str], now: datetime) -> dict[str, Any]:
    """Give the next version of an object, revoked, with only the properties named in `keep`."""
    last = parse_stamp(obj["modified"])
    moment = max(now, last + timedelta(milliseconds=1))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    if parse_stamp(text) <= last:
        text = (last + timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return {**{name: value for name, value in obj.items() if name in keep}, "modified": text, "revoked": True}


def withdraw(
    store: Store,
    stix_id: str,
    *,
    reason: str,
    now: datetime,
    required: Callable[[str], Collection[str]],
    seal: Seal,
) -> Called:
    """Withdraw every published version of an own object from everybody who has it.

    Refuses what is not ours (with advice), what was never published, and what was withdrawn before.
    """
    versions = store.history(stix_id)
    if not versions:
        raise NotFoundError(f"no object {stix_id} here")
    own = [one for one in versions if one.originator == store.party]
    if not own:
        raise DeniedError(
            f"{stix_id} is {versions[0].originator}'s: only its originator withdraws it",
            advice="narrow what you passed on, or ask the originator",
        )
    if own[0].revoked:
        raise StateError(f"{stix_id} was withdrawn on {own[0].version}")
    published = [one for one in own if one.state == "published"]
    if not published:
        raise StateError(f"{stix_id} was never published", advice="delete the draft instead")
    roots = [one.root for one in published]
    holders = store.recipients(roots)
    newest = json.loads(published[0].data)
    revoked: Version | None = None
    if "modified" in newest:
        value = revoked_form(newest, required(published[0].type), now)
        data = canonical(value)
        root, salt, signature = seal(value, data)
        revoked = msgspec.structs.replace(
            published[0],
            version=value["modified"],
            modified=value["modified"],
            root=root,
            salt=salt,
            data=data,
            signature=signature,
            revoked=True,
        )
    called = _call(store, "withdraw", stix_id, holders, reason=reason, now=now, revoked=revoked)
    if revoked is not None:
        store.revise(revoked, roots)
    else:
        for party in holders:
            store.ungrant(party, roots)
    store.entomb(roots, Tomb(store.party, "withdraw", store.origin, -1, "withdrawn"))
    return called


def narrow(
    store: Store,
    stix_id: str,
    *,
    to: str,
    reason: str,
    now: datetime,
    duty: str = "destroy",
    only: Collection[bytes] | None = None,
) -> Called:
    """Take the grant of every version of an object, or of `only` some, back from one party.

    Refuses where it has none.
    """
    roots = [one.root for one in store.history(stix_id) if only is None or one.root in only]
    held = store.recipients(roots).get(to)
    if not held:
        raise NotFoundError(f"{to} was not granted {stix_id} from here")
    called = _call(store, "narrow", stix_id, {to: held}, reason=reason, now=now, duty=duty)
    store.ungrant(to, held)
    return called


def _call(
    store: Store,
    kind: str,
    stix_id: str,
    holders: Mapping[str, Sequence[bytes]],
    *,
    reason: str,
    now: datetime,
    revoked: Version | None = None,
    duty: str | None = None,
) -> Called:
    nodes = reached(store)
    terms = {party: term_of(store.promised(party, roots), now) for party, roots in holders.items()}
    asked = sorted(party for party in holders if party in nodes)
    mute = sorted(party for party in holders if party not in nodes)
    extra: dict[str, Any] = {} if revoked is None else {"revoked": revoked.root.hex()}
    if duty is not None:
        extra["duty"] = duty
    sets = [sorted(holders[party]) for party in asked] if kind == "withdraw" else []
    words = _words(store, sets, reason, extra)
    calls = []
    for party in asked:
        about = {"grants": store.grants_to(party, holders[party]), **term_in_call(terms[party])}
        word = words.get(tuple(sorted(holders[party])))
        if word is not None:
            about["passed_on"] = {"origin": store.origin, "position": word}
        calls.append(call_of(kind, party, holders[party], reason, {**extra, **about}))
    positions = store.append(calls) if calls else []
    store.hold(
        [
            Holding(
                root=root,
                holder=party,
                state="asked",
                via=store.party,
                origin=store.origin,
                position=position,
                at=now,
                **term_in_holding(terms[party]),
            )
            for party, position in zip(asked, positions, strict=True)
            for root in holders[party]
        ]
    )
    store.hold(
        [
            Holding(
                root=root,
                holder=party,
                state="cannot-answer",
                via=store.party,
                origin=store.origin,
                position=-1,
                at=now,
                note="public: whoever read it" if party == EVERYBODY else "has no node: tell them",
            )
            for party in mute
            for root in holders[party]
        ]
    )
    count = len({root for roots in holders.values() for root in roots})
    due = tuple((party, term.by, term.article) for party in asked if (term := terms[party]) is not None)
    return Called(stix_id, count, tuple(asked), tuple(mute), revoked.version if revoked else None, due)


def _words(
    store: Store, sets: Sequence[Sequence[bytes]], reason: str, extra: Mapping[str, Any]
) -> dict[tuple[bytes, ...], int]:
    """Append the originator's word on each set of versions that somebody holds; give where each stands."""
    each = sorted({tuple(roots) for roots in sets})
    said = [
        Outgoing("withdraw", None, {"objects": [root.hex() for root in roots], "reason": reason, **extra})
        for roots in each
    ]
    return dict(zip(each, store.append(said), strict=True)) if said else {}
