"""What a holder does when it is called upon: obey, pass the call on, destroy or keep, answer (no I/O).

Rules:
1. A holder obeys the originator directly, the originator's signed word through a relay, and for a narrowing
   whoever granted it the object; what somebody else granted it too stays. Where the originator is not
   enrolled here, so that nobody can tell, whoever brought the object is obeyed. Anything else is refused.
2. Obeying = show it to nobody, then destroy it (content, salt, every derived row), or keep it where a duty
   says so; pass it on to everybody it was relayed to; answer with a signed receipt. What a narrowing leaves
   no grant for but such as wait to be ruled on waits with them, unseen.
3. The receipt speaks of each next holder: by name where both grants show recipients, else by a pseudonym
   towards the caller; then this party is the one that owes the caller that holder's answer (further.py).
4. A party without a node cannot answer: the receipt says so, and this party has to tell it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.exchange import further
from secretariat.exchange.duties import held_by, term_of
from secretariat.exchange.model import Granted, Holding, Refusal, Version
from secretariat.exchange.offer import left_out_in, references_of, without
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.speakers import reached
from secretariat.exchange.withdrawal_entries import (
    EVERYBODY,
    HOLDING,
    call_of,
    receipt_of,
    roots_in,
    term_in_call,
    term_in_holding,
)
from secretariat.ledger import dsse, entries
from secretariat.ledger.property_tree import left_out_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import Arrival, HoldingState, LogEntry, Peer
    from secretariat.exchange.peers import Store
    from secretariat.ledger.entries import Statement


class Told(msgspec.Struct, frozen=True):
    """A next holder whom a call is passed on to, or who has to be told by a person."""

    party: str
    roots: Sequence[bytes]
    state: HoldingState
    shown: Collection[bytes]
    """Of which of them the grants show recipients, ours to it and the caller's to us."""


def obey(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: Statement,
    evidence: Mapping[tuple[str, int], Statement],
    refusals: list[Refusal],
    now: datetime,
) -> list[Outgoing]:
    """Act on a partner's `withdraw` or `narrow` entry; give the entries that answer it and pass it on."""
    roots = roots_in(statement.body.get("objects"))
    held, tombs = store.versions(roots), store.tombs(roots)
    done: dict[str, list[bytes]] = defaultdict(list)
    source = _originators_word(store, statement, evidence)
    acted: list[Version] = []
    granted = store.arrived(roots)
    for root in roots:
        version = held.get(root)
        if version is None or version.originator == store.party:
            done[_done_before(tombs.get(root, ()))].append(root)
        elif statement.kind == "narrow" and _stands(store, peer, entry, version, granted.get(root, ())):
            _lessen(store, peer, entry, version, granted.get(root, ()))
            done["kept-otherwise"].append(root)
        elif not (
            _may_call(statement, source, peer, version, granted.get(root, ()))
            or _unproven(store, peer, version)
        ):
            done["refused"].append(root)
            refusals.append(_not_theirs(peer, entry, version))
        else:
            acted.append(version)
    if statement.kind == "narrow":
        store.depart(roots, peer.origin, peer.party, before=entry.position)
    # What never arrived, or was destroyed before, must not arrive later either.
    absent = [root for root in roots if root not in held and root not in tombs]
    before = _given_before(store, [*absent, *(one.root for one in acted if one.state == "withdrawn")])
    outgoing, told = _pass_on(store, peer, entry, statement, source, acted, before, now)
    open_ = _open(store, peer, entry, acted) if statement.kind == "narrow" else []
    waits = sorted({one.version.root for one in open_})
    kept = [one.root for one in acted if one.root not in waits and held_by(store.obligations(one.root), now)]
    gone = [one.root for one in acted if one.root not in {*kept, *waits}]
    states = ((kept, "kept-by-law"), (gone, "destroyed"), (waits, "kept-otherwise"), (absent, "gone"))
    for batch, state in states:
        if batch:
            by = source.party if source is not None else peer.party
            store.entomb(batch, Tomb(by, statement.kind, peer.origin, entry.position, state))
    if waits:
        _wait(store, open_, granted)
        done["kept-otherwise"] += waits
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
    for state, batch in done.items():
        below = _below(store, peer.party, told, batch, now)
        outgoing += receipt_of(peer.party, about, state, batch, below)
    return outgoing


def _below(
    store: Store, to: str, told: Sequence[Told], roots: Sequence[bytes], now: datetime
) -> list[dict[str, Any]]:
    """Say of the next holders of `roots` what the caller may read: named, or by their pseudonyms."""
    found: list[dict[str, Any]] = []
    for one in told:
        about = [root for root in roots if root in one.roots]
        hidden = [root for root in about if root not in one.shown]
        named = [root for root in about if root in one.shown]
        if named and not hidden:
            item: dict[str, Any] = {"party": one.party, "state": one.state}
            if len(named) < len(roots):
                item["objects"] = [root.hex() for root in sorted(named)]
            found.append(item)
        elif about:  # shown of some only is shown of none: the receipt is one
            found += further.written([further.line(store, to, one.party, one.state, now, about)], roots)
    return found


def _originators_word(
    store: Store, statement: Statement, evidence: Mapping[tuple[str, int], Statement]
) -> Statement | None:
    """Give the originator's own withdrawal that a call rests on: brought along, or said in our own log."""
    for ref in references_of(statement):
        if ref in evidence and evidence[ref].kind == "withdraw":
            return evidence[ref]
        if ref[0] == store.origin:  # of a guest of ours
            for own in store.attached(*ref):
                return entries.read(dsse.payload_of(own.envelope))
    return None


def _may_call(
    statement: Statement,
    source: Statement | None,
    peer: Peer,
    version: Version,
    granted: Sequence[Granted],
) -> bool:
    if statement.kind == "narrow":  # whoever granted it, though somebody else brought it first
        return peer.party in {version.source, version.originator, *(one.sender for one in granted)}
    if version.originator == peer.party:
        return True
    return (
        source is not None
        and source.party == version.originator
        and version.root in roots_in(source.body.get("objects"))
    )


def _unproven(store: Store, peer: Peer, version: Version) -> bool:
    """Whether nobody here can verify the originator's word, and the caller is one who brought the version.

    It waits unseen for its originator's enrolment. Kept against a call it would be shown on that day.
    """
    if store.record_keys(version.originator):
        return False
    brought = store.granted_here([version.root]).get(version.root, ())
    return peer.party in {version.source, *(one.sender for one in brought)}


def _open(store: Store, peer: Peer, entry: LogEntry, versions: Sequence[Version]) -> list[Arrival]:
    """Give other grants of these that nobody could rule on yet, and that may stand as in `_stands`."""
    roots = [one.root for one in versions]
    ruled = store.arrived(roots)
    there = store.granted_here(roots)
    if all(len(there[root]) == len(ruled.get(root, ())) for root in there):
        return []
    open_ = [one for one in store.waiting() if one.version.root in there]
    return [
        one
        for version in versions
        for one in open_
        if one.version.root == version.root
        and _stands(store, peer, entry, version, [Granted(one.sender, one.origin, one.position)])
    ]


def _wait(store: Store, open_: Sequence[Arrival], granted: Mapping[bytes, Sequence[Granted]]) -> None:
    """Show to nobody what only grants are left for that wait to be ruled on."""
    roots = sorted({one.version.root for one in open_})
    store.retire(roots)
    for root in roots:
        for one in granted.get(root, ()):
            store.depart([root], one.origin, one.sender, before=one.position + 1)
    store.settle(
        [
            msgspec.structs.replace(one, version=msgspec.structs.replace(one.version, state="waiting"))
            for one in open_
        ]
    )


def _stands(store: Store, peer: Peer, entry: LogEntry, version: Version, granted: Sequence[Granted]) -> bool:
    """Whether we hold a version by another grant than the one taken back, or by a newer one.

    The grant of a party that has it by way of us does not count: two relays must not keep each other's
    copies alive after the originator took both back. Where that party has it from elsewhere too, we lose
    it all the same, which errs on the safe side. Where holders below have no names here, any grant but the
    originator's own may be one of theirs.
    """
    root, originator = version.root, version.originator
    below = {one.holder for one in store.holdings([root]) if one.state in HOLDING}
    below |= store.recipients([root]).keys()
    nameless = any(map(further.is_further, below))
    return any(
        one.position > entry.position
        if (one.sender, one.origin) == (peer.party, peer.origin)
        else one.sender == originator or (not nameless and one.sender not in below)
        for one in granted
    )


def _lessen(store: Store, peer: Peer, entry: LogEntry, version: Version, granted: Sequence[Granted]) -> None:
    """Destroy of a version what only the grant taken back permitted: the others may leave something out."""
    names: list[Collection[str]] = []
    for one in granted:
        taken_back = (one.sender, one.origin) == (peer.party, peer.origin) and one.position < entry.position
        line = None if taken_back else store.peer_entry(one.origin, one.position)
        if line is not None:
            statement = entries.read(dsse.payload_of(line.envelope))
            names.append(left_out_in(statement).get(version.root, ()))
    less = min(names, key=len, default=())
    if not set(less) <= set(left_out_of(version.salt)):
        store.replace(without(version, less))


def _not_theirs(peer: Peer, entry: LogEntry, version: Version) -> Refusal:
    return Refusal(
        party=peer.party,
        code="not-theirs-to-call-back",
        where=version.stix_id,
        position=entry.position,
        what=f"{peer.party} called back {version.originator}'s object without its signed word",
        root=version.root.hex(),
    )


def _done_before(tombs: Sequence[Tomb]) -> str:
    return tombs[-1].done if tombs else "gone"


def _given_before(store: Store, roots: Sequence[bytes]) -> dict[str, list[bytes]]:
    """Say who has by way of us what a duty bade us to destroy or hide meanwhile (duties.py, rule 7)."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for one in store.holdings(roots) if roots else ():
        if one.via in {one.holder, store.party} and one.state in {"asked", *HOLDING}:
            found[one.holder].append(one.root)
    return found


def _pass_on(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: Statement,
    source: Statement | None,
    acted: Sequence[Version],
    before: Mapping[str, Sequence[bytes]],
    now: datetime,
) -> tuple[list[Outgoing], list[Told]]:
    if not acted and not before:
        return [], []
    readers = store.recipients([one.root for one in acted])
    holders = {
        party: sorted({*readers.get(party, ()), *before.get(party, ())})
        for party in {*readers, *before}
        # who narrows may have it again by a grant of ours that it had not read when it wrote this
        if party != peer.party or statement.kind == "narrow"
    }
    nodes = reached(store)
    reason = str(statement.body.get("reason", ""))
    extra: dict[str, Any] = {}
    if statement.kind == "withdraw":
        refs = list(references_of(statement))
        origin, position = refs[0] if source is not None and refs else (peer.origin, entry.position)
        extra["passed_on"] = {"origin": origin, "position": position}
    every = sorted({root for theirs in holders.values() for root in theirs})
    above = further.shown_by_call(store, peer.origin, statement, every)
    outgoing: list[Outgoing] = []
    told: list[Told] = []
    held: list[Holding] = []
    for party, roots in sorted(holders.items()):
        term = term_of(store.promised(party, roots), now)
        grants = store.grants_to(party, roots)
        state: HoldingState = "asked" if party in nodes else "cannot-answer"
        if party in nodes:
            about = {**extra, "grants": grants, **term_in_call(term)}
            outgoing.append(call_of(statement.kind, party, roots, reason, about))
        held += [
            Holding(
                root=root,
                holder=party,
                state=state,
                via=store.party,
                origin=store.origin,
                position=-1,
                at=now,
                **term_in_holding(term),
            )
            for root in roots
        ]
        if party not in {EVERYBODY, peer.party}:
            below = further.shown_by(store, store.origin, grants, store.party, party, roots)
            told.append(
                Told(party, roots, state, {root for root in roots if root in above and root in below})
            )
    store.hold(held)
    for party, roots in holders.items():
        store.ungrant(party, roots)
    return outgoing, told
