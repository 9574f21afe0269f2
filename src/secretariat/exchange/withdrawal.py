"""Calling back what was shared: withdraw, narrow, what holders do, and the receipts that come back (no I/O).

Rules:
1. Only the originator withdraws a version, by a new version with `revoked: true` that it signs and one
   `withdraw` entry per holder. A relay never makes a version: it passes the originator's own signed entry on.
2. Whoever granted may narrow: take its grant back from one party. What that party passed on follows.
3. A holder obeys the originator directly, the originator's signed entry through a relay, and for a narrowing
   the party it has the object from. Anything else is refused and recorded.
4. Obeying = show it to nobody, then destroy it (content, salt, every derived row), or keep it where a duty
   says so; pass it on to everybody it was relayed to; answer with a signed receipt.
5. An answer of somebody further down is passed up inside a receipt, with its signature, so that the
   originator can verify each holder's own word.
6. A withdrawn version never comes back, whichever way it arrives.
7. A party without a node cannot answer: it is listed so, and somebody has to tell it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.clock import end_of_day, parse_stamp
from secretariat.base.errors import DeniedError, InputError, NotFoundError, SecretariatError, StateError
from secretariat.exchange.model import ANSWERS, Holding, Refusal, Version
from secretariat.exchange.offer import references_of
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.ledger import dsse, entries
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from secretariat.exchange.model import HoldingState, LogEntry, Peer
    from secretariat.exchange.peers import Store

    Seal = Callable[[dict[str, Any], bytes], tuple[bytes, bytes, bytes]]
    """Give root, salt and the originator's signature of an object, from its value and its canonical bytes."""

EVERYBODY: Final = "*"
KEEP_DUTIES: Final = frozenset({"keep", "keep_by_law", "retain", "retain_by_law", "archive"})
_HOLDING = frozenset({"received", "disputed", "quarantined", "waiting", "passed-on"})


class Called(msgspec.Struct, frozen=True):
    """What a withdrawal or narrowing set in motion: who was asked, and who has to be told by a person."""

    stix_id: str
    versions: int
    asked: tuple[str, ...]
    cannot_answer: tuple[str, ...]
    revoked: str | None = None


def end_of(text: str) -> datetime:
    """Read a date (its end, UTC) or a stamp."""
    if len(text) == len("2026-03-31"):
        try:
            return end_of_day(date.fromisoformat(text))
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
    store: Store, stix_id: str, *, to: str, reason: str, now: datetime, duty: str = "destroy"
) -> Called:
    """Take the grant of every version of an object back from one party. Refuses where it has none."""
    roots = [one.root for one in store.history(stix_id)]
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
    nodes = {one.party for one in store.peers() if one.state != "removed"}
    asked = sorted(party for party in holders if party in nodes)
    mute = sorted(party for party in holders if party not in nodes)
    extra: dict[str, Any] = {} if revoked is None else {"revoked": revoked.root.hex()}
    if duty is not None:
        extra["duty"] = duty
    positions = (
        store.append([_request(kind, party, holders[party], reason, extra) for party in asked])
        if asked
        else []
    )
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
    return Called(stix_id, count, tuple(asked), tuple(mute), revoked.version if revoked else None)


def _request(kind: str, to: str, roots: Iterable[bytes], reason: str, extra: dict[str, Any]) -> Outgoing:
    return Outgoing(
        kind, to, {"to": to, "objects": sorted(root.hex() for root in roots), "reason": reason, **extra}
    )


def obey(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: entries.Statement,
    evidence: Mapping[tuple[str, int], entries.Statement],
    refusals: list[Refusal],
    now: datetime,
) -> list[Outgoing]:
    """Act on a partner's `withdraw` or `narrow` entry; give the entries that answer it and pass it on."""
    roots = _roots(statement.body.get("objects"))
    held, tombs = store.versions(roots), store.tombs(roots)
    done: dict[str, list[bytes]] = defaultdict(list)
    source = _originators_entry(statement, evidence)
    acted: list[Version] = []
    for root in roots:
        version = held.get(root)
        if version is None or version.originator == store.party:
            done[_done_before(tombs.get(root, ()))].append(root)
        elif _may_call(statement, source, peer, version):
            acted.append(version)
        else:
            done["refused"].append(root)
            refusals.append(
                Refusal(
                    party=peer.party,
                    code="not-theirs-to-call-back",
                    where=version.stix_id,
                    position=entry.position,
                    what=f"{peer.party} called back {version.originator}'s object without its signed word",
                    root=root.hex(),
                )
            )
    outgoing = _pass_on(store, peer, entry, statement, source, acted, now)
    told = sorted({one.recipient for one in outgoing if one.recipient})
    kept = [one.root for one in acted if any(due.duty in KEEP_DUTIES for due in store.obligations(one.root))]
    gone = [one.root for one in acted if one.root not in set(kept)]
    # What never arrived, or was destroyed before, must not arrive later either.
    absent = [root for root in roots if root not in held and root not in tombs]
    for batch, state in ((kept, "kept-by-law"), (gone, "destroyed"), (absent, "gone")):
        if batch:
            by = source.party if source is not None else peer.party
            store.entomb(batch, Tomb(by, statement.kind, peer.origin, entry.position, state))
    if kept:
        store.retire(kept)
        done["kept-by-law"] += kept
    if gone:
        store.destroy(gone)
        done["destroyed"] += gone
        outgoing.append(
            Outgoing(
                "destroy",
                None,
                entries.Destroy(
                    objects=[root.hex() for root in gone],
                    reason=str(statement.body.get("reason", "")),
                    duty=statement.kind,
                    about=entries.EntryRef(peer.origin, entry.position),
                ),
            )
        )
    about = entries.EntryRef(peer.origin, entry.position)
    asked = [{"party": party, "state": "asked"} for party in told]
    for state, batch in done.items():
        outgoing.append(_receipt(peer.party, about, state, batch, asked if state in ANSWERS else []))
    return outgoing


def _originators_entry(
    statement: entries.Statement, evidence: Mapping[tuple[str, int], entries.Statement]
) -> entries.Statement | None:
    for ref in references_of(statement):
        if ref in evidence and evidence[ref].kind == "withdraw":
            return evidence[ref]
    return None


def _may_call(
    statement: entries.Statement, source: entries.Statement | None, peer: Peer, version: Version
) -> bool:
    if statement.kind == "narrow":
        return peer.party in {version.source, version.originator}
    if version.originator == peer.party:
        return True
    return (
        source is not None
        and source.party == version.originator
        and version.root in _roots(source.body.get("objects"))
    )


def _done_before(tombs: Sequence[Tomb]) -> str:
    return tombs[-1].done if tombs else "gone"


def _pass_on(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: entries.Statement,
    source: entries.Statement | None,
    acted: Sequence[Version],
    now: datetime,
) -> list[Outgoing]:
    if not acted:
        return []
    holders = {
        party: roots
        for party, roots in store.recipients([one.root for one in acted]).items()
        if party != peer.party
    }
    nodes = {one.party for one in store.peers() if one.state != "removed"}
    reason = str(statement.body.get("reason", ""))
    extra: dict[str, Any] = {}
    if statement.kind == "withdraw":
        refs = list(references_of(statement))
        origin, position = refs[0] if source is not None and refs else (peer.origin, entry.position)
        extra["passed_on"] = {"origin": origin, "position": position}
    outgoing = [
        _request(statement.kind, party, roots, reason, extra)
        for party, roots in sorted(holders.items())
        if party in nodes
    ]
    states: dict[str, HoldingState] = {
        party: "asked" if party in nodes else "cannot-answer" for party in holders
    }
    store.hold(
        [
            Holding(
                root=root,
                holder=party,
                state=states[party],
                via=store.party,
                origin=store.origin,
                position=-1,
                at=now,
            )
            for party, roots in holders.items()
            for root in roots
        ]
    )
    for party, roots in holders.items():
        store.ungrant(party, roots)
    return outgoing


def note_receipt(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: entries.Statement,
    refusals: list[Refusal],
    now: datetime,
) -> list[Outgoing]:
    """Note what a partner says it did; give the entries that pass its word up.

    Refuses (and records) a receipt about an entry that is not ours to it, or about objects not in that entry.
    """
    body = entries.body_as(statement, entries.Receipt)
    roots = _roots(body.objects)
    ours = _own_entry(store, peer, body.about)
    listed = _listed(ours) if ours is not None else frozenset()
    if ours is None or not set(roots) <= listed:
        refusals.append(
            Refusal(
                party=peer.party,
                code="false-receipt",
                position=entry.position,
                where=f"entry {entry.position}",
                what="a receipt about an entry or about objects that this party was not sent",
            )
        )
        return []
    own_word = roots if body.state != "passed-on" else ()
    holdings = [
        _holding(root, peer.party, body.state, peer, entry, statement.at, body.reason) for root in own_word
    ]
    for one in body.downstream:
        holdings += _downstream(store, peer, entry, one, roots, now)
    store.hold([one for one in holdings if one is not None])
    return _pass_up(store, peer, entry, ours, body, roots)


def _own_entry(store: Store, peer: Peer, about: entries.EntryRef) -> entries.Statement | None:
    if about.origin != store.origin:
        return None
    for ours in store.addressed(peer.party, about.position):
        if ours.position == about.position:
            return entries.read(dsse.payload_of(ours.envelope))
        break
    return None


def _listed(statement: entries.Statement) -> frozenset[bytes]:
    if statement.kind == "grant":
        return frozenset(bytes.fromhex(root) for row in statement.body["rows"] for root in row["objects"])
    if statement.kind in {"withdraw", "narrow"}:
        return frozenset(_roots(statement.body.get("objects")))
    return frozenset()


def _holding(
    root: bytes, holder: str, state: str, peer: Peer, entry: LogEntry, at: datetime, note: str | None
) -> Holding | None:
    try:
        return msgspec.convert(
            {
                "root": root,
                "holder": holder,
                "state": state,
                "via": peer.party,
                "origin": peer.origin,
                "position": entry.position,
                "at": at,
                "note": note,
            },
            Holding,
        )
    except msgspec.ValidationError:
        return None


def _downstream(
    store: Store, peer: Peer, entry: LogEntry, one: Any, roots: Sequence[bytes], now: datetime
) -> list[Holding | None]:
    """Read what a relay says about a holder further down: its verified word, or that it was asked."""
    if not isinstance(one, dict) or not isinstance(one.get("party"), str):
        return []
    party = one["party"]
    if "envelope" not in one:
        return [_holding(root, party, "asked", peer, entry, now, "as the relay says") for root in roots]
    try:
        word = entries.verify(canonical(one["envelope"]), store.record_keys(party))
        said = entries.body_as(word, entries.Receipt)
        theirs = set(_roots(said.objects))
    except SecretariatError:
        return [
            _holding(root, party, "asked", peer, entry, now, "its word cannot be verified here")
            for root in roots
        ]
    if word.party != party or word.kind != "receipt":
        return []
    found = [
        _holding(root, party, said.state, peer, entry, word.at, said.reason)
        for root in roots
        if root in theirs
    ]
    for below in said.downstream:
        found += _downstream(store, peer, entry, below, [root for root in roots if root in theirs], now)
    return found


def _pass_up(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    ours: entries.Statement,
    body: entries.Receipt,
    roots: Sequence[bytes],
) -> list[Outgoing]:
    """Tell the parties we have these objects from what the next holder said, with its signed word."""
    groups: dict[tuple[str, entries.EntryRef, str], list[bytes]] = defaultdict(list)
    partners = {one.origin: one.party for one in store.peers()}
    if ours.kind in {"withdraw", "narrow"} and body.state in ANSWERS:
        for root, tombs in store.tombs(roots).items():
            for tomb in tombs:
                asker = partners.get(tomb.origin)
                if asker is not None and asker != peer.party:
                    groups[asker, entries.EntryRef(tomb.origin, tomb.position), tomb.done].append(root)
    elif ours.kind == "grant" and body.state in _HOLDING and any(references_of(ours)):
        for root, (origin, position) in store.arrived(roots).items():
            source = partners.get(origin)
            if source is not None and source != peer.party:
                groups[source, entries.EntryRef(origin, position), "passed-on"].append(root)
    word = {
        "party": peer.party,
        "origin": peer.origin,
        "position": entry.position,
        "envelope": json.loads(entry.envelope),
        "salt": entry.salt.hex(),
    }
    return [_receipt(to, about, state, batch, [word]) for (to, about, state), batch in groups.items()]


def _receipt(
    to: str, about: entries.EntryRef, state: str, roots: Sequence[bytes], downstream: list[dict[str, Any]]
) -> Outgoing:
    return Outgoing(
        "receipt",
        to,
        entries.Receipt(
            to=to,
            about=about,
            state=state,
            objects=[root.hex() for root in roots],
            count=len(roots),
            downstream=downstream,
        ),
    )


def _roots(value: Any) -> list[bytes]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return []
    entries.check_roots(value)
    return [bytes.fromhex(one) for one in value]
