"""What becomes of each object that a page brings: read, verified, ruled on, kept; and the receipts (no I/O).

Rules (the numbers continue those of take.py):

 9. It stands where the grant lists it; its bytes are canonical JSON and STIX.
10. Its root follows from its bytes and salt, and the originator signed exactly that. Of a partial, just what
    the grant's row names is missing, by number and place, and nothing that must stay.
11. It was not withdrawn before by its originator.
12. Our own recomputation of the grant with the facts it pins gives the same answer: else quarantine; where
    something is missing here it waits and is ruled on again when something came; where the same originator
    signed other content under this id and version, it is shown as disputed and never passed on.
    A fuller copy takes the place of a partial; never the reverse.
13. A copy that a duty to keep holds unseen is to a new grant as one that was destroyed: it is shown again,
    unless another duty has ended its use or the grant leaves in less than is kept. Then it stays unseen
    while the law lasts, and the answer says `kept-by-law`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import SecretariatError
from secretariat.exchange import disowning, withdrawal
from secretariat.exchange.duties import ENDING, held_by, zone_of
from secretariat.exchange.evidence import kept_evidence
from secretariat.exchange.model import (
    DESTROY_DUTIES,
    SHOWN,
    SHOWN_STATES,
    Arrival,
    Due,
    Fate,
    Line,
    Refusal,
    Ruling,
    Version,
)
from secretariat.exchange.offer import left_out_in, without
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.proving import ObjectRefusedError, prove
from secretariat.exchange.speakers import speakers
from secretariat.ledger import entries, object_signature
from secretariat.ledger.entries import Statement
from secretariat.ledger.property_tree import (
    SALT_BYTES,
    Partial,
    check_names,
    left_out_of,
    partial_of,
    proof_of,
)
from secretariat.ledger.revocation import RevokedError
from secretariat.records import leaving_out

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.base.settings import Limits
    from secretariat.exchange.model import Outcome, Peer
    from secretariat.exchange.peers import Recompute, Store
    from secretariat.exchange.proving import Ahead, Check
    from secretariat.exchange.wire import CarriedObject


class Incoming(msgspec.Struct, gc=False):
    """An object that was read and verified, and the entry that brought it."""

    line: Line
    version: Version


def read_objects(
    store: Store, lines: Sequence[Line], limits: Limits, check: Check | None, ahead: Ahead
) -> tuple[list[Fate], list[Refusal], list[Incoming]]:
    """Rules 9 and 10 for a whole page; `ahead` is what was proven of it before."""
    fates: list[Fate] = []
    refusals: list[Refusal] = []
    incoming: list[Incoming] = []
    for line in lines:
        peer, left_out = line.speaker, left_out_in(line.statement)
        for carried in line.carried.objects:
            position, root = line.entry.position, bytes.fromhex(carried.root)
            if carried.gone is not None:
                fates.append((position, root, "gone", carried.gone))
                continue
            try:
                names = left_out.get(root, [])
                version = read_object(store, peer, carried, names, limits, check, ahead)
                incoming.append(Incoming(line, version))
            except SecretariatError as error:
                code = error.code if isinstance(error, ObjectRefusedError) else "bad-object"
                fates.append((position, root, "refused", code))
                refusals.append(_refusal(peer, code, error, position, carried.root))
    return fates, refusals, incoming


def rule(
    store: Store,
    incoming: Sequence[Incoming],
    evidence: Mapping[tuple[str, int], Statement],
    recompute: Recompute,
    fates: list[Fate],
    refusals: list[Refusal],
    now: datetime,
) -> list[Arrival]:
    """Rules 11 to 13 for a whole page; gives what is new here."""
    if not incoming:
        return []
    tombs = store.tombs([one.version.root for one in incoming])
    here = dict(store.versions([one.version.root for one in incoming]))
    rivals = set(store.rivals(list(here))) if here else set()
    alike = {name: list(ones) for name, ones in store.same({one.version.stix_id for one in incoming}).items()}
    fresh: dict[bytes, Arrival] = {}
    moved: list[Arrival] = []
    again: dict[tuple[bytes, str], Arrival] = {}
    dues: list[Due] = []
    for line, group in _by_line(incoming):
        peer = line.speaker
        barred = {
            one.root for one in group if any(tomb.bars(one, peer.party) for tomb in tombs.get(one.root, ()))
        }
        asked = [one for one in group if one.root not in barred]
        rulings = iter(_rulings(store, peer, line.statement, evidence, recompute, asked))
        position = line.entry.position
        duties = _duties(line.statement, store.party, {one.root for one in group})
        for version in group:
            if version.root in barred:
                fates.append((position, version.root, "refused", "withdrawn"))
                continue
            ruling = next(rulings)
            held = here.get(version.root)
            others = alike.get(version.stix_id, ())
            rival = version.root in rivals or (held is None and _rival(version, others))
            contradicts = (held is None or rival) and _contradicted(version, others)
            outcome, why = _outcome(version, ruling, contradicts=contradicts, rival=rival)
            law = _kept_unseen(store, held, left_out_of(version.salt), now)
            if law is not None and outcome in SHOWN_STATES:
                fates.append((position, version.root, "kept-by-law", law))
            else:
                fates.append((position, version.root, outcome, why))
            if outcome == "refused":
                refusals.append(_told(peer, "not-kept", why, position, version))
            if outcome in {"own", "refused"}:
                continue
            arrival = Arrival(
                version=msgspec.structs.replace(version, state=_state(outcome, version)),
                label=ruling.label,
                origin=peer.origin,
                position=position,
                sender=peer.party,
                why=why,
            )
            if outcome == "quarantined":
                refusals.append(_told(peer, "grant-differs", why, position, version))
            if held is not None:
                unseen = held.state in {"waiting", "quarantined", "withdrawn"} and law is None
                fuller = held.state == "partial" and _fuller(version, held)
                if outcome in SHOWN_STATES and (unseen or fuller):
                    if version.salt != held.salt:  # what is seen is what this grant permits, not what waited
                        store.replace(version)
                    here[version.root] = arrival.version
                    moved.append(arrival)
                    again.pop((version.root, peer.party), None)
                else:
                    if outcome == held.state == "waiting" and _fuller(version, held):
                        store.replace(version)  # nobody sees it yet; how much may be seen is settled later
                        here[version.root] = arrival.version
                    again[version.root, peer.party] = arrival
            elif version.root in fresh:
                # Granted twice on one page: what may be seen under one of the two may be seen. The later
                # grant is noted as well: what was taken back between the two stands by it.
                before = fresh[version.root]
                if before.version.state not in SHOWN or (
                    outcome == "received" and _fuller(version, before.version)
                ):
                    fresh[version.root] = arrival
                    again.pop((version.root, peer.party), None)
                    if before.sender != peer.party:
                        again[version.root, before.sender] = before
                else:
                    again[version.root, peer.party] = arrival
            elif rival:
                store.keep_rival(arrival)
                here[version.root] = arrival.version
                rivals.add(version.root)
            else:
                fresh[version.root] = arrival
                alike.setdefault(version.stix_id, []).append(arrival.version)  # the next may contradict it
            dues += [
                Due(root=version.root, duty=duty, article=article, owed_to=version.originator, at=at)
                for duty, article, at in duties.get(version.root, ())
            ]
    if fresh:
        store.keep(list(fresh.values()))
    if moved:
        store.settle(moved)
    if again:
        store.arrive(list(again.values()))
    if dues:
        store.owe(dues)
    return [*fresh.values(), *moved]


def _kept_unseen(store: Store, held: Version | None, left_out: Collection[str], now: datetime) -> str | None:
    """Give the article by which a held copy stays unseen, whatever is granted; None where none does (13)."""
    if held is None or held.state != "withdrawn":
        return None
    duties = store.obligations(held.root)
    keeping = held_by(duties, now)
    past = any(one.duty in DESTROY_DUTIES and one.at is not None and one.at <= now for one in duties)
    lesser = bool(keeping) and not set(left_out) <= set(left_out_of(held.salt))
    return (keeping[-1].article if keeping else "") if past or lesser else None


def retry(store: Store, recompute: Recompute, now: datetime) -> list[Outgoing]:
    """Rule again on what waits, all of it in few steps; gives receipts for what no longer does."""
    groups: dict[tuple[str, int], list[Arrival]] = defaultdict(list)
    waiting: Counter[bytes] = Counter()
    for arrival in store.waiting():
        groups[arrival.origin, arrival.position].append(arrival)
        waiting[arrival.version.root] += 1
    settling = _Settling(waiting, store.rivals(list(waiting)) if waiting else ())
    outgoing: list[Outgoing] = []
    partners = {one.origin: one for one in store.peers()}
    for (origin, position), group in groups.items():
        partner, entry = partners.get(origin), store.peer_entry(origin, position)
        peer = None if partner is None or entry is None else speakers(store, partner).get(entry.party)
        if peer is None or entry is None:
            continue
        statement = entries.verify(entry.envelope, peer.record_keys)
        evidence = kept_evidence(store, statement)
        signed = [one for one in group if store.record_keys(one.version.originator)]
        rulings = recompute(peer, statement, evidence, [one.version for one in signed])
        left_out = left_out_in(statement)
        fates = [
            settling.settle(store, one, ruling, left_out.get(one.version.root, ()), now)
            for one, ruling in zip(signed, rulings, strict=True)
        ]
        outgoing += receipts({position: peer}, [fate for fate in fates if fate is not None])
        differs = [(one, fate) for one, fate in zip(signed, fates, strict=True) if fate is not None]
        store.refuse(
            [
                _told(peer, "grant-differs", fate[3], position, one.version)
                for one, fate in differs
                if fate[2] == "quarantined"
            ]
        )
    settling.write(store)
    return outgoing


class _Settling:
    """What becomes of everything that waited, collected so that it is written at once."""

    def __init__(self, waiting: Counter[bytes], rivals: Collection[bytes]) -> None:
        self._waiting = waiting
        self._rivals = frozenset(rivals)
        self._states: dict[bytes, str] = {}
        self._moved: dict[bytes, Arrival] = {}
        self._left_out: dict[bytes, Collection[str]] = {}
        """What the grant leaves out that permits most, of those by which a version comes to be seen."""
        self._noted: list[Arrival] = []
        self._gone: dict[bytes, None] = {}
        self._departed: list[Arrival] = []

    def settle(
        self, store: Store, one: Arrival, ruling: Ruling, left_out: Collection[str], now: datetime
    ) -> Fate | None:
        """Say what becomes of one grant that waited, of all but `left_out`; None where it waits on."""
        root = one.version.root
        rival = root in self._rivals
        outcome, why = _outcome(one.version, ruling, contradicts=rival, rival=rival)
        if outcome == "waiting" or root in self._gone:
            return None
        state = self._states.get(root, one.version.state)
        unseen, by_law = state not in SHOWN, state == "withdrawn"
        if unseen and not _signed(one.version, store.record_keys(one.version.originator)):
            outcome, why = "refused", "broken-signature"
        last = self._waiting[root] == 1
        self._waiting[root] -= 1
        fate: Fate = (one.position, root, outcome, why)
        if outcome in {"refused", "own"}:
            if unseen and not by_law:
                self._gone[root] = None
            else:
                self._departed.append(one)
            return fate
        version = msgspec.structs.replace(one.version, state=_state(outcome, one.version))
        arrival = Arrival(
            version=version,
            label=ruling.label,
            origin=one.origin,
            position=one.position,
            sender=one.sender,
            why=why,
        )
        self._noted.append(arrival)
        if by_law and outcome in SHOWN_STATES:
            law = _kept_unseen(store, one.version, left_out, now)
            if law is not None:
                return (one.position, root, "kept-by-law", law)
        if version.state in SHOWN and (unseen or root in self._moved):
            self._left_out[root] = min(self._left_out.get(root, left_out), left_out, key=len)
        if unseen and (version.state in SHOWN or (last and not by_law)):
            self._states[root] = version.state
            self._moved[root] = arrival
        return fate

    def write(self, store: Store) -> None:
        """Write it: few statements for however many objects."""
        moved = [self._permitted(store, one) for root, one in self._moved.items() if root not in self._gone]
        noted = [one for one in self._noted if one.version.root not in self._gone]
        if noted:
            store.arrive(noted)
        if moved:
            store.settle(moved)
        if self._gone:
            store.destroy(list(self._gone))
        for one in self._departed:
            store.depart([one.version.root], one.origin, one.sender, before=one.position + 1)

    def _permitted(self, store: Store, one: Arrival) -> Arrival:
        """Destroy of what waited all that only other grants would let be seen."""
        version = without(one.version, self._left_out.get(one.version.root, ()))
        if version.salt == one.version.salt:
            return one
        store.replace(version)
        state = one.version.state if one.version.root in self._rivals else _state("received", version)
        seen = msgspec.structs.replace(version, state=state)
        return msgspec.structs.replace(one, version=seen)


def _by_line(incoming: Sequence[Incoming]) -> list[tuple[Line, list[Version]]]:
    groups: list[tuple[Line, list[Version]]] = []
    for one in incoming:
        if not groups or groups[-1][0] is not one.line:
            groups.append((one.line, []))
        groups[-1][1].append(one.version)
    return groups


def _rulings(
    store: Store,
    peer: Peer,
    statement: Statement,
    evidence: Mapping[tuple[str, int], Statement],
    recompute: Recompute,
    versions: Sequence[Version],
) -> list[Ruling]:
    known = [one for one in versions if store.record_keys(one.originator)]
    answers = iter(recompute(peer, statement, evidence, known)) if known else iter(())
    rulings = []
    for one in versions:
        if not store.record_keys(one.originator):
            rulings.append(Ruling("unknown", f"its originator {one.originator} is not enrolled here"))
        elif one.originator == store.party:
            next(answers)
            rulings.append(Ruling("own", "it is this party's own information"))
        else:
            rulings.append(next(answers))
    return rulings


def _outcome(version: Version, ruling: Ruling, *, contradicts: bool, rival: bool) -> tuple[Outcome, str]:
    if ruling.outcome in {"own", "refused"}:
        return ruling.outcome, ruling.why
    if ruling.outcome == "unknown":
        return "waiting", ruling.why
    if ruling.outcome == "unequal":
        return "quarantined", ruling.why or "our own recomputation of the grant gives another answer"
    if contradicts and rival:
        return "disputed", f"{version.originator} signed other content under this id and version before"
    if contradicts:  # whose the other is concerns nobody who sent this one
        return "disputed", "other content is known here under this id and version"
    return "received", ""


def _state(outcome: Outcome, version: Version) -> str:
    if outcome == "received" and left_out_of(version.salt):
        return "partial"
    return SHOWN_STATES.get(outcome, outcome)


def _fuller(one: Version, other: Version) -> bool:
    """Whether a copy of the same version lacks less than the other, and nothing that the other has."""
    return set(left_out_of(one.salt)) < set(left_out_of(other.salt))


def _contradicted(version: Version, alike: Sequence[Version]) -> bool:
    """Whether other content is known under this id and version, and no part of it. Observables have none."""
    return bool(version.modified) and any(
        one.root != version.root and _same_time(one.version, version.version) and one.data != version.data
        for one in alike
    )


def _rival(version: Version, alike: Sequence[Version]) -> bool:
    """Whether the table's place for this version and originator is taken by a copy with another root."""
    return bool(version.version) and any(
        one.root != version.root
        and one.originator == version.originator
        and _same_time(one.version, version.version)
        for one in alike
    )


def _same_time(one: str, other: str) -> bool:
    if not one or not other:
        return one == other
    return parse_stamp(one) == parse_stamp(other)


def read_object(
    store: Store,
    peer: Peer,
    carried: CarriedObject,
    left_out: Sequence[str],
    limits: Limits,
    check: Check | None,
    ahead: Ahead,
) -> Version:
    """Rules 9 and 10 for one object; refuses with an error that says which."""
    proof = _proof(carried, left_out)
    if (
        carried.object is UNSET or proof is None or carried.signature is UNSET or not carried.originator
    ):  # fmt: skip
        raise ObjectRefusedError(
            "incomplete", "an object without salt, signature or originator", where=carried.root
        )
    data, signature = bytes(carried.object), bytes(carried.signature)
    keys = store.record_keys(carried.originator)
    proven = ahead.find(data, proof, signature, keys)
    if proven is None:
        proven = prove(data, proof, signature, keys, limits, check, carried.root)
    value, root = proven.value, proven.root
    if root.hex() != carried.root:
        raise ObjectRefusedError(
            "wrong-root", "the object is not the one that the grant names", where=carried.root
        )
    try:
        disowning.check_object(store, peer.party, carried.originator, root, signature)
    except RevokedError as error:
        raise ObjectRefusedError(error.code, error.what, where=error.where, advice=error.advice) from error
    if partial_of(proof) is not None:
        _check_left_out(value, proof, carried.root)
    if proven.unfit is not None:
        raise proven.unfit
    for name in ("id", "type"):
        if not isinstance(value.get(name), str):
            raise ObjectRefusedError("bad-object", f"an object without {name}", where=carried.root)
    created, modified = value.get("created"), value.get("modified")
    return Version(
        stix_id=value["id"],
        version=modified or created or "",
        type=value["type"],
        originator=carried.originator,
        source=peer.party,
        root=root,
        salt=proof,
        data=data,
        signature=signature,
        state="kept",
        created=created,
        modified=modified,
        revoked=value.get("revoked") is True,
    )


def _proof(carried: CarriedObject, left_out: Sequence[str]) -> bytes | None:
    """Give what proves the copy: the salt of a whole one, or the leaves with the names of the grant's row.

    None where neither came, both came, or the row promised the other.
    """
    if carried.leaves:
        return proof_of(Partial(list(carried.leaves), list(left_out))) if carried.salt is None else None
    return None if left_out or carried.salt is None or len(carried.salt) != SALT_BYTES else carried.salt


def _check_left_out(value: dict[str, Any], proof: bytes, root: str) -> None:
    known = partial_of(proof)
    assert known is not None
    try:
        check_names(known, known.left_out)
        leaving_out.refuse_required(value, known.left_out)
    except SecretariatError as error:
        raise ObjectRefusedError(
            "wrongly-left-out", error.what, where=error.where or root, advice=error.advice
        ) from error


def _signed(version: Version, keys: Mapping[str, bytes]) -> bool:
    try:
        object_signature.verify_copy(version.signature, version.data, version.salt, keys)
    except SecretariatError:
        return False
    return True


def _refusal(peer: Peer, code: str, error: SecretariatError, position: int, root: str) -> Refusal:
    return Refusal(
        party=peer.party,
        code=code,
        what=error.what,
        where=error.where,
        advice=error.advice,
        position=position,
        root=root,
    )


def _told(peer: Peer, code: str, what: str, position: int, version: Version) -> Refusal:
    return Refusal(
        party=peer.party,
        code=code,
        what=what,
        position=position,
        root=version.root.hex(),
        where=version.stix_id,
    )


def _duties(
    statement: Statement, party: str, wanted: Collection[bytes]
) -> dict[bytes, list[tuple[str, str, datetime | None]]]:
    """Give what a grant obliges us to by a date, per object root of those that came now.

    A duty whose date cannot be read sets no timer: our own recomputation differs then, and the object is in
    quarantine. One that runs from the end of an instrument has no date (None) before that end is known.
    """
    found: dict[bytes, list[tuple[str, str, datetime | None]]] = defaultdict(list)
    here = {root.hex(): root for root in wanted}
    for row in entries.body_as(statement, entries.Grant).rows:
        stated = [
            (str(one.get("do", "duty")), str(one.get("art", "")), one)
            for one in row.obligations
            if isinstance(one, dict) and one.get("who") in {None, party}
        ]
        duties = [
            (duty, article, at)
            for duty, article, one in stated
            if (at := _moment(one.get("by"), one.get("zone"))) is not None or _ends_with_instrument(duty, one)
        ]
        for root in here.keys() & row.objects if duties else ():
            found[here[root]] += duties
    return found


def _ends_with_instrument(duty: str, stated: Mapping[str, Any]) -> bool:
    undated = stated.get("by") is None and stated.get("upon") is None
    return duty in ENDING and undated and isinstance(stated.get("within"), str)


def _moment(day: object, zone: object) -> datetime | None:
    if not isinstance(day, str):
        return None
    try:
        return withdrawal.end_of(day, zone_of(zone))
    except SecretariatError:
        return None


def receipts(speakers_of: Mapping[int, Peer], fates: Sequence[Fate]) -> list[Outgoing]:
    """One receipt per grant and outcome, to whoever granted: what became of each object that came."""
    groups: dict[tuple[int, Outcome, str], list[str]] = defaultdict(list)
    for position, root, outcome, why in fates:
        groups[position, outcome, why].append(root.hex())
    return [
        Outgoing(
            "receipt",
            peer.party,
            entries.Receipt(
                to=peer.party,
                about=entries.EntryRef(peer.origin, position),
                state=outcome,
                objects=roots,
                count=len(roots),
                reason=why or None,
            ),
        )
        for (position, outcome, why), roots in groups.items()
        for peer in (speakers_of[position],)
    ]
