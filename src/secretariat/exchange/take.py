"""Taking a page: what this node checks, in this order, before anything of a partner's is kept (no I/O).

The frame      1. the page is from this partner's log, of this realm, for this party
               2. it starts where we stand, in the log state we last kept (else: out of step, ask again)
The log        3. the checkpoint is signed by the pinned log key
               4. it is not smaller than the one kept, and is proven to continue it
               5. the stated counts, the hash and the end of the page are what it carries
Each entry     6. stands in the log at its position (inclusion)
               7. is signed by the pinned record key, by this party, for this realm and log
               8. is addressed to us
Each object    9. stands where the grant lists it; its bytes are canonical JSON and STIX
              10. its root follows from its bytes and salt, and the originator signed exactly that
              11. it was not called back before
              12. our own recomputation of the grant with the facts it pins gives the same answer

A fault in 1-8 refuses the whole page and nothing of it is kept; the caller records the refusal in a
transaction of its own. A fault in 9-11 refuses that object, and the rest goes on: one bad copy must not
hold up a partner's whole log. 12 puts it in quarantine (unequal), lets it wait (something is missing here)
or marks it disputed (it contradicts what the same originator signed before). Everything that was granted
is answered by a receipt that says which of these happened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import ConflictError, ProofError, SecretariatError
from secretariat.exchange import wire, withdrawal
from secretariat.exchange.model import SHOWN_STATES, Arrival, Due, KeptLog, LogEntry, Refusal, Ruling, Version
from secretariat.exchange.offer import references_of, roots_of
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.wire import Cursor
from secretariat.ledger import checkpoint, dsse, entries, merkle, object_signature
from secretariat.ledger.entries import Statement
from secretariat.ledger.property_tree import root_of
from secretariat.records import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from secretariat.base.settings import Limits
    from secretariat.exchange.model import Outcome, Peer
    from secretariat.exchange.peers import Recompute, Store
    from secretariat.exchange.wire import CarriedEntry, CarriedObject, Page

    Check = Callable[[dict[str, Any]], None]


class PageRefusedError(ProofError):
    """A page that must not be kept. `code` names the rule it broke; `suspends` whether the log itself lies."""

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str | None = None,
        advice: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(what, where=where, advice=advice)
        self.code = code
        self.position = position

    @property
    def suspends(self) -> bool:
        """Whether the partner's log contradicts what it showed before: only a person may go on from there."""
        return self.code in {"log-rolled-back", "log-contradicts"}


class OutOfStepError(ConflictError):
    """A page that starts elsewhere than where we stand: harmless, ask again from here."""

    code = "out-of-step"


class Line(msgspec.Struct, frozen=True):
    """One entry of a page, verified."""

    entry: LogEntry
    statement: Statement
    carried: CarriedEntry
    roots: list[bytes]


class Result(msgspec.Struct, frozen=True):
    """What a page brought: where we stand now, how many objects met which fate, what other entries say."""

    after: Cursor
    size: int
    entries: int
    outcomes: dict[str, int]
    others: list[tuple[int, Statement]]
    refusals: list[Refusal]
    appended: int
    more: bool


class _Incoming(msgspec.Struct):
    line: Line
    version: Version


def take(
    store: Store,
    peer: Peer,
    page: Page,
    *,
    recompute: Recompute,
    limits: Limits,
    now: datetime,
    check: Check | None = None,
) -> Result:
    """Check a page of `peer` and keep what it brings; refuses with PageRefusedError or OutOfStepError.

    Runs inside one transaction of the store: the caller lets the error roll it back.
    """
    _check_frame(store, peer, page)
    log = _check_log(store, peer, page)
    lines = [_check_entry(store, peer, page, log, carried) for carried in page.entries]
    _check_amount(page, lines, log.size)
    evidence, attached = _evidence(store, lines)
    fates, refusals, incoming = _read_objects(store, peer, lines, limits, check)
    # Everything above only reads. From here on the log is ours, so that arrivals and receipts are in its order.
    if lines:
        store.lock()
    if log != store.kept_log(page.origin):
        store.keep_log(log)
    first = [line.entry for line in lines if bytes(line.carried.envelope)]
    store.keep_entries(page.origin, first, size=log.size)
    for origin, entry in attached:
        store.attach(origin, entry)
    arrivals = _rule(store, peer, incoming, evidence, recompute, fates, refusals)
    outgoing = _receipts(peer, fates)
    others: list[tuple[int, Statement]] = []
    for line in lines:
        if line.statement.kind in {"withdraw", "narrow"}:
            outgoing += withdrawal.obey(store, peer, line.entry, line.statement, evidence, refusals, now)
        elif line.statement.kind == "receipt":
            outgoing += withdrawal.note_receipt(store, peer, line.entry, line.statement, refusals, now)
        elif line.statement.kind != "grant":
            others.append((line.entry.position, line.statement))
    if arrivals or others or evidence:
        outgoing += retry(store, recompute)
    store.refuse(refusals)
    store.advance(peer.party, page.next)
    if outgoing:
        store.append(outgoing)
    outcomes = Counter(fate for _, _, fate, _ in fates)
    return Result(
        page.next,
        log.size,
        len(lines),
        {str(fate): count for fate, count in outcomes.items()},
        others,
        refusals,
        len(outgoing),
        page.more,
    )


def retry(store: Store, recompute: Recompute) -> list[Outgoing]:
    """Rule again on what waits; gives receipts for what no longer does."""
    groups: dict[tuple[str, int], list[Arrival]] = defaultdict(list)
    for arrival in store.waiting():
        groups[arrival.origin, arrival.position].append(arrival)
    outgoing: list[Outgoing] = []
    partners = {one.origin: one for one in store.peers()}
    for (origin, position), group in groups.items():
        peer, entry = partners.get(origin), store.peer_entry(origin, position)
        if peer is None or entry is None:
            continue
        statement = entries.verify(entry.envelope, peer.record_keys)
        evidence = _kept_evidence(store, statement)
        signed = [one for one in group if store.record_keys(one.version.originator)]
        rulings = recompute(peer, statement, evidence, [one.version for one in signed])
        moved = []
        fates: list[_Fate] = []
        for one, ruling in zip(signed, rulings, strict=True):
            if ruling.outcome == "unknown":
                continue
            state: Outcome = "received" if ruling.outcome == "equal" else "quarantined"
            if not _signed(one.version, store.record_keys(one.version.originator)):
                state = "refused"
            version = msgspec.structs.replace(one.version, state=SHOWN_STATES.get(state, "quarantined"))
            moved.append(
                Arrival(version=version, label=ruling.label, origin=origin, position=position, why=ruling.why)
            )
            fates.append((position, version.root, state, ruling.why))
        if moved:
            store.settle(moved)
            outgoing += _receipts(peer, fates)
    return outgoing


def _check_frame(store: Store, peer: Peer, page: Page) -> None:
    claimed = (page.realm, page.origin, page.party, page.to)
    expected = (store.realm, peer.origin, peer.party, store.party)
    if claimed != expected:
        raise PageRefusedError(
            "wrong-sender",
            f"a page of realm, log, sender, receiver {claimed} where {expected} is expected",
            advice="one of the two nodes is set up wrongly, or somebody passed on a page that is not ours",
        )
    if page.after != peer.cursor:
        raise OutOfStepError(
            f"the page starts at {page.after}, this node stands at {peer.cursor}", where="after"
        )


def _check_log(store: Store, peer: Peer, page: Page) -> KeptLog:
    kept = store.kept_log(page.origin)
    since = kept.size if kept else 0
    if kept is not None and kept.suspended:
        raise PageRefusedError(
            "log-suspended",
            f"{peer.party}'s log is suspended: {kept.suspended}",
            where=page.origin,
            advice="compare checkpoints with the partner, then resume it: secretariat log resume",
        )
    if page.since != since:
        raise OutOfStepError(f"the page continues size {page.since}, this node kept {since}", where="since")
    note = page.checkpoint.encode()
    try:
        shown = checkpoint.verify(note, page.origin, peer.log_keys.values())
    except ProofError as error:
        raise PageRefusedError(
            "checkpoint-signature", error.what, where=error.where, advice=error.advice
        ) from error
    if kept is None:
        return KeptLog(page.origin, peer.party, shown.size, shown.root, note)
    if shown.size < kept.size:
        raise PageRefusedError(
            "log-rolled-back",
            f"{peer.party}'s log has {shown.size} entries where {kept.size} were shown before",
            where=page.origin,
            advice=f"{peer.party}'s node may run on an old backup; talk to its operator before you resume it",
        )
    if not merkle.verify_consistency(kept.size, shown.size, kept.root, shown.root, page.consistency):
        raise PageRefusedError(
            "log-contradicts",
            f"{peer.party}'s log of {shown.size} entries does not continue the {kept.size} shown before",
            where=page.origin,
            advice="both signed checkpoints are kept: together they prove it to anybody",
        )
    return kept if shown.size == kept.size else KeptLog(page.origin, peer.party, shown.size, shown.root, note)


def _check_entry(store: Store, peer: Peer, page: Page, log: KeptLog, carried: CarriedEntry) -> Line:
    position = carried.position
    if bytes(carried.envelope):
        envelope = bytes(carried.envelope)
    else:
        kept = store.peer_entry(page.origin, position)
        if kept is None:
            raise PageRefusedError(
                "incomplete", "a continued entry whose beginning never came", where=f"entry {position}"
            )
        envelope = kept.envelope
    leaf = entries.leaf_of(entries.digest_of(envelope, carried.salt))
    if not merkle.verify_inclusion(leaf, position, log.size, carried.proof, log.root):
        raise PageRefusedError(
            "not-in-log",
            f"the entry is not in {peer.party}'s log at {position}",
            where=f"entry {position}",
            position=position,
        )
    try:
        statement = entries.verify(envelope, peer.record_keys)
        roots = roots_of(statement)
    except SecretariatError as error:
        raise PageRefusedError(
            "entry-signature", error.what, where=f"entry {position}", advice=error.advice, position=position
        ) from error
    told = (statement.realm, statement.origin, statement.party)
    if told != (store.realm, peer.origin, peer.party):
        raise PageRefusedError(
            "wrong-sender", f"the entry was signed for {told}", where=f"entry {position}", position=position
        )
    if statement.recipient != store.party:
        raise PageRefusedError(
            "not-addressed",
            f"the entry is for {statement.recipient}, not for {store.party}",
            where=f"entry {position}",
            position=position,
        )
    entry = LogEntry(position, statement.kind, peer.party, store.party, envelope, carried.salt)
    return Line(entry, statement, carried, roots)


def _check_amount(page: Page, lines: Sequence[Line], size: int) -> None:
    """Rule 5: what a page says of itself is what it carries; a cut page is found here."""

    def fail(what: str, where: str) -> PageRefusedError:
        return PageRefusedError(
            "incomplete", what, where=where, advice="the page was cut or put together wrongly"
        )

    at = page.after
    objects = gone = 0
    for number, line in enumerate(lines):
        carried, position = line.carried, line.entry.position
        where = f"entry {position}"
        if Cursor(position, carried.offset) < at or carried.offset != (
            at.offset if position == at.position else 0
        ):
            raise fail(f"begins at {position}.{carried.offset} after {at}", where)
        run = [one.root for one in carried.objects]
        done = carried.offset + len(run)
        if carried.total != len(line.roots) or run != [r.hex() for r in line.roots[carried.offset : done]]:
            raise fail("its objects are not those that the grant lists, in that order", where)
        if done < len(line.roots) and number + 1 < len(lines):
            raise fail("ends before its last object", where)
        at = Cursor(position + 1) if done == len(line.roots) else Cursor(position, done)
        objects += len(run)
        gone += sum(one.gone is not None for one in carried.objects)
    if (page.count.entries, page.count.objects, page.count.gone) != (len(lines), objects, gone):
        raise fail(f"carries {len(lines)} entries and {objects} objects, says {page.count}", "count")
    hashed = wire.page_hash(
        (
            line.entry.position,
            entries.digest_of(line.entry.envelope, line.entry.salt),
            line.carried.offset,
            [one.root for one in line.carried.objects],
        )
        for line in lines
    )
    if hashed != page.hash:
        raise fail("its hash is not the one it states", "hash")
    right = page.next == at if at.offset else at <= page.next <= Cursor(max(size, at.position))
    if not right or page.next < page.after:
        raise fail(f"ends at {at}, says {page.next}", "next")


def _evidence(
    store: Store, lines: Sequence[Line]
) -> tuple[dict[tuple[str, int], Statement], list[tuple[str, LogEntry]]]:
    """Give the third parties' entries that the page's entries rest on, verified, and what came along.

    Where none of the copies that claim a place holds, it is as if absent. One of a party that is not
    enrolled here yet is kept all the same: it may be verified later.
    """
    found: dict[tuple[str, int], Statement] = {}
    brought: list[tuple[str, LogEntry]] = []
    for line in lines:
        wanted = set(references_of(line.statement))
        for one in line.carried.attached:
            envelope = bytes(one.envelope)
            claimed = _claim(envelope)
            if claimed is None or (one.origin, one.position) not in wanted:
                continue
            brought.append((
                one.origin,
                LogEntry(one.position, claimed.kind, claimed.party, claimed.recipient, envelope, one.salt),
            ))
            statement = _third(store, envelope, one.origin)
            if statement is not None:
                found.setdefault((one.origin, one.position), statement)
        found |= _kept_evidence(store, line.statement)
    return found, brought


def _kept_evidence(store: Store, statement: Statement) -> dict[tuple[str, int], Statement]:
    found = {}
    for origin, position in references_of(statement):
        copies = (_third(store, kept.envelope, origin) for kept in store.attached(origin, position))
        holds = next((one for one in copies if one is not None), None)
        if holds is not None:
            found[origin, position] = holds
    return found


def _third(store: Store, envelope: bytes, origin: str) -> Statement | None:
    claimed = _claim(envelope)
    if claimed is None or (claimed.origin, claimed.realm) != (origin, store.realm):
        return None
    try:
        return entries.verify(envelope, store.record_keys(claimed.party))
    except SecretariatError:
        return None


def _claim(envelope: bytes) -> Statement | None:
    try:
        return entries.read(dsse.payload_of(envelope))
    except SecretariatError:
        return None


_Fate = tuple[int, bytes, "Outcome", str]


def _read_objects(
    store: Store, peer: Peer, lines: Sequence[Line], limits: Limits, check: Check | None
) -> tuple[list[_Fate], list[Refusal], list[_Incoming]]:
    fates: list[_Fate] = []
    refusals: list[Refusal] = []
    incoming: list[_Incoming] = []
    for line in lines:
        for carried in line.carried.objects:
            position, root = line.entry.position, bytes.fromhex(carried.root)
            if carried.gone is not None:
                fates.append((position, root, "gone", carried.gone))
                continue
            try:
                incoming.append(_Incoming(line, read_object(store, peer, carried, limits, check)))
            except SecretariatError as error:
                code = error.code if isinstance(error, PageRefusedError) else "bad-object"
                fates.append((position, root, "refused", code))
                refusals.append(_refusal(peer, code, error, position, carried.root))
    return fates, refusals, incoming


def _rule(
    store: Store,
    peer: Peer,
    incoming: Sequence[_Incoming],
    evidence: Mapping[tuple[str, int], Statement],
    recompute: Recompute,
    fates: list[_Fate],
    refusals: list[Refusal],
) -> list[Arrival]:
    """Rules 11 and 12 for a whole page; gives what is new here."""
    if not incoming:
        return []
    tombs = store.tombs([one.version.root for one in incoming])
    here = store.versions([one.version.root for one in incoming])
    alike = store.same({one.version.stix_id for one in incoming})
    fresh: dict[bytes, Arrival] = {}
    moved: list[Arrival] = []
    dues: list[Due] = []
    for line, group in _by_line(incoming):
        barred = {
            one.root for one in group if any(tomb.bars(one, peer.party) for tomb in tombs.get(one.root, ()))
        }
        asked = [one for one in group if one.root not in barred]
        rulings = iter(_rulings(store, peer, line.statement, evidence, recompute, asked))
        position = line.entry.position
        duties = _duties(line.statement, store.party)
        for version in group:
            if version.root in barred:
                fates.append((position, version.root, "refused", "withdrawn"))
                continue
            ruling = next(rulings)
            held = here.get(version.root)
            outcome, why = _outcome(version, ruling, held, alike.get(version.stix_id, ()))
            fates.append((position, version.root, outcome, why))
            if outcome == "own":
                continue
            arrival = Arrival(
                version=msgspec.structs.replace(version, state=SHOWN_STATES.get(outcome, outcome)),
                label=ruling.label,
                origin=peer.origin,
                position=position,
                why=why,
            )
            if outcome == "quarantined":
                refusals.append(
                    Refusal(
                        party=peer.party,
                        code="grant-differs",
                        what=why,
                        position=position,
                        root=version.root.hex(),
                        where=version.stix_id,
                    )
                )
            if held is not None:
                if held.state in {"waiting", "quarantined"} and outcome == "received":
                    moved.append(arrival)
            elif version.root not in fresh and _rival(version, alike.get(version.stix_id, ())):
                store.keep_rival(arrival)
            else:
                fresh.setdefault(version.root, arrival)
            dues += [
                Due(root=version.root, duty=duty, article=article, owed_to=version.originator, at=at)
                for duty, article, at in duties.get(version.root, ())
            ]
    if fresh:
        store.keep(list(fresh.values()))
    if moved:
        store.settle(moved)
    if dues:
        store.owe(dues)
    return [*fresh.values(), *moved]


def _by_line(incoming: Sequence[_Incoming]) -> list[tuple[Line, list[Version]]]:
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


def _outcome(
    version: Version, ruling: Ruling, held: Version | None, alike: Sequence[Version]
) -> tuple[Outcome, str]:
    if ruling.outcome == "own":
        return "own", ruling.why
    if ruling.outcome == "unknown":
        return ("received", "") if held is not None and held.state == "kept" else ("waiting", ruling.why)
    if ruling.outcome == "unequal":
        return "quarantined", ruling.why or "our own recomputation of the grant gives another answer"
    if held is None and _contradicted(version, alike):
        return "disputed", f"{version.originator} signed other content under this id and version before"
    return "received", ""


def _contradicted(version: Version, alike: Sequence[Version]) -> bool:
    """Whether another copy of this very version has other content. Observables have no versions to contradict."""
    return bool(version.modified) and any(
        _same_time(one.version, version.version) and one.data != version.data for one in alike
    )


def _rival(version: Version, alike: Sequence[Version]) -> bool:
    """Whether the table's place for this version and originator is taken by a copy with another root."""
    return bool(version.version) and any(
        one.originator == version.originator and _same_time(one.version, version.version) for one in alike
    )


def _same_time(one: str, other: str) -> bool:
    if not one or not other:
        return one == other
    return parse_stamp(one) == parse_stamp(other)


def read_object(
    store: Store, peer: Peer, carried: CarriedObject, limits: Limits, check: Check | None
) -> Version:
    """Rules 9 and 10 for one object; refuses with an error that says which."""
    if (
        not bytes(carried.object)
        or carried.salt is None
        or not bytes(carried.signature)
        or not carried.originator
    ):
        raise PageRefusedError(
            "incomplete", "an object without salt, signature or originator", where=carried.root
        )
    data, signature = bytes(carried.object), bytes(carried.signature)
    value, written = canonical.read_canonical(data, limits)
    if written != data or not isinstance(value, dict):
        raise PageRefusedError(
            "not-canonical", "the object's bytes are not in canonical form (RFC 8785)", where=carried.root
        )
    keys = store.record_keys(carried.originator)
    try:
        if keys:
            root = bytes.fromhex(object_signature.verify_object(signature, data, carried.salt, keys).root)
        else:  # it will wait until its originator is enrolled, and be verified then
            root = root_of(data, carried.salt)
    except ProofError as error:
        raise PageRefusedError(
            "broken-signature", error.what, where=error.where, advice=error.advice
        ) from error
    if root.hex() != carried.root:
        raise PageRefusedError(
            "wrong-root", "the object is not the one that the grant names", where=carried.root
        )
    if check is not None:
        check(value)
    for name in ("id", "type"):
        if not isinstance(value.get(name), str):
            raise PageRefusedError("bad-object", f"an object without {name}", where=carried.root)
    created, modified = value.get("created"), value.get("modified")
    return Version(
        stix_id=value["id"],
        version=modified or created or "",
        type=value["type"],
        originator=carried.originator,
        source=peer.party,
        root=root,
        salt=carried.salt,
        data=data,
        signature=signature,
        state="kept",
        created=created,
        modified=modified,
        revoked=value.get("revoked") is True,
    )


def _signed(version: Version, keys: Mapping[str, bytes]) -> bool:
    try:
        object_signature.verify_object(version.signature, version.data, version.salt, keys)
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


def _duties(statement: Statement, party: str) -> dict[bytes, list[tuple[str, str, datetime]]]:
    """Give what a grant obliges us to by a date, per object root."""
    found: dict[bytes, list[tuple[str, str, datetime]]] = defaultdict(list)
    for row in statement.body.get("rows", ()):
        dated = [one for one in row.get("obligations", ()) if isinstance(one, dict) and one.get("by")]
        duties = [
            (str(one.get("do", "duty")), str(one.get("art", "")), withdrawal.end_of(str(one["by"])))
            for one in dated
            if one.get("who") in {None, party}
        ]
        if row.get("until"):
            articles = [one for one in row.get("articles", ()) if isinstance(one, str)]
            duties.append(("end-of-grant", ", ".join(articles), withdrawal.end_of(str(row["until"]))))
        for root in row["objects"] if duties else ():
            found[bytes.fromhex(root)] += duties
    return found


def _receipts(peer: Peer, fates: Sequence[_Fate]) -> list[Outgoing]:
    """One receipt per grant and outcome: what became of each object that came."""
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
    ]
