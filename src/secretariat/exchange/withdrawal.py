"""Calling back what was shared: withdraw, narrow, what holders do, and the receipts that come back (no I/O).

Rules:
1. Only the originator withdraws a version, by a new version with `revoked: true` that it signs and one
   `withdraw` entry per holder. A relay never makes a version: it passes the originator's own signed entry on.
2. Whoever granted may narrow: take its grant back from one party. What that party passed on follows.
3. A holder obeys the originator directly, the originator's signed entry through a relay, and for a narrowing
   whoever granted it the object; what somebody else granted it too stays. Where the originator is not
   enrolled here, so that nobody can tell, whoever brought the object is obeyed. Anything else is refused.
4. Obeying = show it to nobody, then destroy it (content, salt, every derived row), or keep it where a duty
   says so; pass it on to everybody it was relayed to; answer with a signed receipt.
5. An answer of somebody further down is passed up inside a receipt, with its signature, so that the
   originator can verify each holder's own word; once, when it is news.
6. A withdrawn version never comes back, whichever way it arrives.
7. A party without a node cannot answer: it is listed so, and somebody has to tell it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from secretariat.base.clock import end_of_day, parse_stamp, stamp
from secretariat.base.errors import DeniedError, InputError, NotFoundError, SecretariatError, StateError
from secretariat.exchange.duties import Term, held_by, term_of
from secretariat.exchange.evidence import spoken
from secretariat.exchange.model import ANSWERS, Holding, Refusal, Version
from secretariat.exchange.offer import left_out_in, references_of, without
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.speakers import author, reached
from secretariat.ledger import dsse, entries
from secretariat.ledger.entries import Statement
from secretariat.ledger.property_tree import left_out_of
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from secretariat.exchange.model import Granted, HoldingState, LogEntry, Peer
    from secretariat.exchange.peers import Store

    Seal = Callable[[dict[str, Any], bytes], tuple[bytes, bytes, bytes]]
    """Give root, salt and the originator's signature of an object, from its value and its canonical bytes."""

EVERYBODY: Final = "*"
_FINAL = frozenset({*ANSWERS, "gone", "refused"})
_UNSAID = frozenset({"asked", "cannot-answer"})
_WORDS_MAX: Final = 1000  # of holders further down that one receipt speaks of
_HOLDING = frozenset({"received", "disputed", "quarantined", "waiting", "passed-on"})


class Called(msgspec.Struct, frozen=True):
    """What a withdrawal or narrowing set in motion: who was asked, and who has to be told by a person."""

    stix_id: str
    versions: int
    asked: tuple[str, ...]
    cannot_answer: tuple[str, ...]
    revoked: str | None = None
    due: tuple[tuple[str, datetime, str], ...] = ()
    """By when which party has to answer, by which article; others by the setting `receipt_due_s`."""


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
    positions = (
        store.append(
            [
                _request(kind, party, holders[party], reason, {**extra, **_stated(terms[party])})
                for party in asked
            ]
        )
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
                **_due(terms[party]),
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


def _stated(term: Term | None) -> dict[str, Any]:
    """What a call says of its term: by when it is to be answered, and by which article."""
    return {} if term is None else {"by": stamp(term.by), "article": term.article}


def _due(term: Term | None) -> dict[str, Any]:
    return {} if term is None else {"due": term.by, "article": term.article}


def _request(kind: str, to: str, roots: Iterable[bytes], reason: str, extra: dict[str, Any]) -> Outgoing:
    return Outgoing(
        kind, to, {"to": to, "objects": sorted(root.hex() for root in roots), "reason": reason, **extra}
    )


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
    roots = _roots(statement.body.get("objects"))
    held, tombs = store.versions(roots), store.tombs(roots)
    done: dict[str, list[bytes]] = defaultdict(list)
    source = _originators_entry(statement, evidence)
    acted: list[Version] = []
    granted = store.arrived(roots)
    for root in roots:
        version = held.get(root)
        if version is None or version.originator == store.party:
            done[_done_before(tombs.get(root, ()))].append(root)
        elif statement.kind == "narrow" and _stands(store, peer, entry, root, granted.get(root, ())):
            _lessen(store, peer, entry, version, granted.get(root, ()))
            done["kept-otherwise"].append(root)
        elif not (_may_call(statement, source, peer, version) or _unproven(store, peer, version)):
            done["refused"].append(root)
            refusals.append(_not_theirs(peer, entry, version))
        else:
            acted.append(version)
    if statement.kind == "narrow":
        store.depart(roots, peer.origin, peer.party, before=entry.position)
    outgoing = _pass_on(store, peer, entry, statement, source, acted, now)
    told = sorted({one.recipient for one in outgoing if one.recipient})
    kept = [one.root for one in acted if held_by(store.obligations(one.root), now)]
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
    statement: Statement, evidence: Mapping[tuple[str, int], Statement]
) -> Statement | None:
    for ref in references_of(statement):
        if ref in evidence and evidence[ref].kind == "withdraw":
            return evidence[ref]
    return None


def _may_call(statement: Statement, source: Statement | None, peer: Peer, version: Version) -> bool:
    if statement.kind == "narrow":
        return peer.party in {version.source, version.originator}
    if version.originator == peer.party:
        return True
    return (
        source is not None
        and source.party == version.originator
        and version.root in _roots(source.body.get("objects"))
    )


def _unproven(store: Store, peer: Peer, version: Version) -> bool:
    """Whether nobody here can verify the originator's word, and the caller is who brought the version.

    It waits unseen for its originator's enrolment. Kept against a call it would be shown on that day.
    """
    return version.source == peer.party and not store.record_keys(version.originator)


def _stands(store: Store, peer: Peer, entry: LogEntry, root: bytes, granted: Sequence[Granted]) -> bool:
    """Whether we hold a version by another grant than the one taken back, or by a newer one.

    The grant of a party that has it by way of us does not count: two relays must not keep each other's
    copies alive after the originator took both back. Where that party has it from elsewhere too, we lose
    it all the same, which errs on the safe side.
    """
    below = {one.holder for one in store.holdings([root]) if one.state in _HOLDING}
    below |= store.recipients([root]).keys()
    return any(
        one.position > entry.position
        if (one.sender, one.origin) == (peer.party, peer.origin)
        else one.sender not in below
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


def _pass_on(
    store: Store,
    peer: Peer,
    entry: LogEntry,
    statement: Statement,
    source: Statement | None,
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
    nodes = reached(store)
    reason = str(statement.body.get("reason", ""))
    extra: dict[str, Any] = {}
    if statement.kind == "withdraw":
        refs = list(references_of(statement))
        origin, position = refs[0] if source is not None and refs else (peer.origin, entry.position)
        extra["passed_on"] = {"origin": origin, "position": position}
    terms = {party: term_of(store.promised(party, roots), now) for party, roots in holders.items()}
    outgoing = [
        _request(statement.kind, party, roots, reason, {**extra, **_stated(terms[party])})
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
                **_due(terms[party]),
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
    statement: Statement,
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
    if len(body.downstream) > _WORDS_MAX:  # each costs a look at the holdings: one entry must not stop a node
        refusals.append(
            Refusal(
                party=peer.party,
                code="bad-entry",
                position=entry.position,
                where=f"entry {entry.position}",
                what=f"a receipt that speaks of {len(body.downstream)} next holders, over {_WORDS_MAX}",
            )
        )
        return []
    own_word = {
        "party": peer.party,
        "origin": peer.origin,
        "position": entry.position,
        "envelope": json.loads(entry.envelope),
        "salt": entry.salt.hex(),
    }
    words: list[tuple[dict[str, Any], list[Holding]]] = []
    if body.state != "passed-on":  # then only the words it brings are new
        said = [_holding(root, peer.party, body.state, peer, statement.at, body.reason) for root in roots]
        words.append((own_word, [one for one in said if one is not None]))
    words += [(below, _downstream(store, peer, below, roots, now)) for below in body.downstream]
    # An answer to a call goes up even when it says nothing new: there is one per call, so this ends.
    called = ours.kind in {"withdraw", "narrow"}
    news = [
        (word, roots if called and word is own_word else changed)
        for word, said in words
        for changed in [_note_news(store, said)]
    ]
    return _pass_up(store, peer, ours, body, [(word, changed) for word, changed in news if changed])


def _note_news(store: Store, said: Sequence[Holding]) -> list[bytes]:
    """Note what a holder said where it is newer than what is known; give the roots of which it is news.

    Only news is passed up: so a word runs through relays that hold each other's grants once, not for ever.
    A holder's words are ordered by its own log: by its order where both came from there, else by its times,
    because whoever passes a word on proves no place in it. Nobody else's clock is compared.
    """
    known = {(one.root, one.holder): one for one in store.holdings([one.root for one in said])}
    newer = [one for one in said if _newer(known.get((one.root, one.holder)), one)]
    store.hold(newer)
    changed = []
    for one in newer:
        before = known.get((one.root, one.holder))
        if before is None or before.state != one.state:
            changed.append(one.root)
    return changed


def _newer(known: Holding | None, said: Holding) -> bool:
    if known is None:
        return True
    if said.state == "asked":
        return known.state in _HOLDING
    if known.holder == known.via == said.via:  # both by its own log, which is taken in order
        return True
    return known.state in _UNSAID or said.at >= known.at


def _own_entry(store: Store, peer: Peer, about: entries.EntryRef) -> Statement | None:
    if about.origin != store.origin:
        return None
    ours = store.entry(about.position)
    if ours is None or (ours.party, ours.recipient) != (store.party, peer.party):
        return None
    return entries.read(dsse.payload_of(ours.envelope))


def _listed(statement: Statement) -> frozenset[bytes]:
    if statement.kind == "grant":
        return frozenset(bytes.fromhex(root) for row in statement.body["rows"] for root in row["objects"])
    if statement.kind in {"withdraw", "narrow"}:
        return frozenset(_roots(statement.body.get("objects")))
    return frozenset()


def _holding(
    root: bytes, holder: str, state: str, peer: Peer, at: datetime, note: str | None, *, position: int = -1
) -> Holding | None:
    try:
        return msgspec.convert(
            {
                "root": root,
                "holder": holder,
                "state": state,
                "via": peer.party,
                "origin": peer.origin,
                "position": position,
                "at": at,
                "note": note,
            },
            Holding,
        )
    except msgspec.ValidationError:
        return None


def _downstream(store: Store, peer: Peer, one: Any, roots: Sequence[bytes], now: datetime) -> list[Holding]:
    """Read what a relay says about a holder further down: its verified word, or that it was asked."""
    if not isinstance(one, dict) or not isinstance(one.get("party"), str) or one["party"] == store.party:
        return []
    party = one["party"]
    if "envelope" not in one:
        said = [_holding(root, party, "asked", peer, now, "as the relay says") for root in roots]
        return [found for found in said if found is not None]
    try:
        word = spoken(store, party, canonical(one["envelope"]))
        body = entries.body_as(word, entries.Receipt)
        theirs = set(_roots(body.objects))
    except SecretariatError:
        said = [
            _holding(root, party, "asked", peer, now, "its word cannot be verified here") for root in roots
        ]
        return [found for found in said if found is not None]
    if word.party != party or word.kind != "receipt" or body.state == "passed-on":
        return []
    said = [_holding(root, party, body.state, peer, word.at, body.reason) for root in roots if root in theirs]
    return [found for found in said if found is not None]


def _pass_up(
    store: Store,
    peer: Peer,
    ours: Statement,
    body: entries.Receipt,
    news: Sequence[tuple[dict[str, Any], Sequence[bytes]]],
) -> list[Outgoing]:
    """Tell the parties we have these objects from what is news of the next holders, in their own words."""
    groups: dict[tuple[str, entries.EntryRef, str], tuple[set[bytes], list[dict[str, Any]]]] = {}
    everything = sorted({root for _, roots in news for root in roots})
    up = _upward(store, ours, body, everything) if everything else {}
    for word, roots in news:
        for root in roots:
            for to, ref, state in up.get(root, ()):
                if to in {peer.party, word["party"]}:
                    continue
                told, words = groups.setdefault((to, ref, state), (set(), []))
                told.add(root)
                if word not in words:
                    words.append(word)
    return [
        _receipt(to, ref, state, sorted(told), words) for (to, ref, state), (told, words) in groups.items()
    ]


def _upward(
    store: Store, ours: Statement, body: entries.Receipt, roots: Sequence[bytes]
) -> dict[bytes, list[tuple[str, entries.EntryRef, str]]]:
    """Give the entries that an answer about `ours` is about in turn, whose, and the state to answer with."""
    found: dict[bytes, list[tuple[str, entries.EntryRef, str]]] = defaultdict(list)
    if ours.kind in {"withdraw", "narrow"} and body.state in _FINAL:
        authors: dict[tuple[str, int], str | None] = {}
        for root, tombs in store.tombs(roots).items():
            for one in tombs:
                at = (one.origin, one.position)
                if one.position >= 0 and at not in authors:
                    authors[at] = author(store, *at)
                if (to := authors.get(at)) is not None:
                    found[root].append((to, entries.EntryRef(*at), one.done))
    elif ours.kind == "grant" and body.state in _HOLDING and any(references_of(ours)):
        for root, grants in store.arrived(roots).items():
            found[root] += [
                (one.sender, entries.EntryRef(one.origin, one.position), "passed-on") for one in grants
            ]
    return found


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
