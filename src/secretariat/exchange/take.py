"""Taking a page: what this node checks, in this order, before anything of a partner's is kept.

The frame      1. the page is from this partner's log, of this realm, for this party
               2. it starts where we stand, in the log state we last kept (else: out of step, ask again)
The log        3. the checkpoint is signed by the pinned log key; it is kept with that signature alone
               4. it is not smaller than the one kept, and is proven to continue it (ledger/following.py)
               5. the stated counts, the hash and the end of the page are what it carries
Each entry     6. stands in the log at its position (inclusion)
               7. is signed by the pinned record key, by this party, for this realm and log; what a guest
                  of this party says, by the guest's key (speakers.py); one under a key that was revoked
                  before anybody else saw it is passed over, and what it grants refused (disowning.py)
               8. is addressed to us
Each object    9-12, see arrivals.py.

A fault in 1-8 refuses the whole page and nothing of it is kept; the caller records the refusal in a
transaction of its own. A fault in 9-11 refuses that object, and the rest goes on: one bad copy must not
hold up a partner's whole log. 12 puts it in quarantine (unequal), lets it wait (something is missing here)
or marks it disputed (it contradicts what the same originator signed before). Everything that was granted
is answered by a receipt that says which of these happened.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from secretariat.base.errors import ConflictError, ProofError, SecretariatError
from secretariat.exchange import disowning, riding, speakers, wire, withdrawal
from secretariat.exchange.arrivals import read_objects, receipts, retry, rule
from secretariat.exchange.evidence import evidence_of
from secretariat.exchange.model import KeptLog, Line, LogEntry, Refusal
from secretariat.exchange.offer import roots_of
from secretariat.exchange.proving import Ahead
from secretariat.exchange.wire import Cursor
from secretariat.ledger import checkpoint, entries, following, merkle, statements, witness
from secretariat.ledger.entries import Statement
from secretariat.ledger.revocation import CODE, RevokedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from secretariat.base.settings import Limits
    from secretariat.exchange.model import Peer
    from secretariat.exchange.peers import Outgoing, Recompute, Store
    from secretariat.exchange.proving import Check
    from secretariat.exchange.wire import CarriedEntry, Page


MAX_SIZE = 2**53 - 1
HANDLED = frozenset({"grant", "withdraw", "narrow", "receipt"})


class PageRefusedError(ProofError):
    """A page that must not be kept. `code` names the broken rule, `suspends` whether the log itself lies."""

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
        """Whether the partner's log takes back what it showed: only a person may go on from there."""
        return isinstance(self.__cause__, following.ContradictionError)


class OutOfStepError(ConflictError):
    """A page that starts elsewhere than where we stand: harmless, ask again from here."""

    code = "out-of-step"


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


def take(
    store: Store,
    peer: Peer,
    page: Page,
    *,
    recompute: Recompute,
    limits: Limits,
    now: datetime,
    check: Check | None = None,
    ahead: Ahead | None = None,
) -> Result:
    """Check a page of `peer` and keep what it brings; refuses with PageRefusedError or OutOfStepError.

    Runs inside one transaction of the store: the caller lets the error roll it back. `ahead` is what was
    proven of the page's objects before (proving.py).
    """
    _check_frame(store, peer, page)
    brought = wire.riding_of(page)
    riding.take_word(store, peer, brought)
    log = _check_log(store, peer, page)
    among = speakers.speakers(store, peer)
    lines = [_check_entry(store, peer, among, page, log, carried) for carried in page.entries]
    _check_amount(page, lines, log.size)
    whole, lines = lines, [line for line in lines if not line.disowned]
    evidence, attached = evidence_of(store, lines)
    fates, refusals, incoming = read_objects(store, lines, limits, check, ahead or Ahead())
    for line in whole:
        if line.disowned:
            position = line.entry.position
            fates += [(position, bytes.fromhex(one.root), "refused", CODE) for one in line.carried.objects]
            refusals.append(
                Refusal(party=line.speaker.party, code=CODE, what=line.disowned, position=position)
            )
    # Everything above only reads. From here on the log is ours: arrivals and receipts are in its order.
    if whole:
        store.lock()
    if log != store.kept_log(page.origin):
        store.keep_log(log)
        store.cosign(log.origin)
        riding.settle(store, log.origin)
    riding.compare(store, peer, brought.seen)
    first = [
        (line.entry, line.carried.proof)
        for line in whole
        # a grant that counts nothing may go on in the next page, which carries it no more
        if line.carried.envelope is not UNSET and (line.roots or not line.disowned)
    ]
    store.keep_entries(log, first)
    for origin, entry in attached:
        store.attach(origin, entry)
    arrivals = rule(store, incoming, evidence, recompute, fates, refusals, now)
    outgoing = receipts({line.entry.position: line.speaker for line in whole}, fates)
    others: list[tuple[int, Statement]] = []
    for line in lines:
        try:
            outgoing += _act(store, line, evidence, refusals, now)
        except SecretariatError as error:
            refusals.append(bad_entry(line.speaker, line.entry.position, error))
        if line.statement.kind not in HANDLED:
            others.append((line.entry.position, line.statement))
    if arrivals or others or evidence:
        outgoing += retry(store, recompute, now)
    store.refuse(refusals)
    store.advance(peer.party, page.next)
    if outgoing:
        store.append(outgoing)
    outcomes = Counter(fate for _, _, fate, _ in fates)
    return Result(
        page.next,
        log.size,
        len(whole),
        {str(fate): count for fate, count in outcomes.items()},
        others,
        refusals,
        len(outgoing),
        page.more,
    )


def _act(
    store: Store,
    line: Line,
    evidence: Mapping[tuple[str, int], Statement],
    refusals: list[Refusal],
    now: datetime,
) -> list[Outgoing]:
    """Do what an entry asks for besides its objects; what cannot be read is refused before that."""
    if line.statement.kind in {"withdraw", "narrow"}:
        return withdrawal.obey(store, line.speaker, line.entry, line.statement, evidence, refusals, now)
    if line.statement.kind == "receipt":
        return withdrawal.note_receipt(store, line.speaker, line.entry, line.statement, refusals, now)
    return []


def bad_entry(peer: Peer, position: int, error: SecretariatError) -> Refusal:
    """Say that an entry was signed and logged rightly, and still makes no sense."""
    return Refusal(
        party=peer.party,
        code="bad-entry",
        what=error.what,
        where=error.where or f"entry {position}",
        advice=error.advice,
        position=position,
    )


def _check_frame(store: Store, peer: Peer, page: Page) -> None:
    claimed = (page.realm, page.origin, page.party, page.to)
    expected = (store.realm, peer.origin, peer.party, store.party)
    if claimed != expected:
        brought, wanted = ", ".join(claimed), ", ".join(expected)
        raise PageRefusedError(
            "wrong-sender",
            f"a page of realm, log, sender, receiver {brought} where {wanted} is expected",
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
    if shown.size > MAX_SIZE:
        raise PageRefusedError("checkpoint-signature", f"no log has {shown.size} entries", where=page.origin)
    if shown.extensions:  # no witness signs it, and it may be longer than what may be shown to others
        raise PageRefusedError(
            "checkpoint-signature",
            "a checkpoint with extension lines, which no log here has",
            where=page.origin,
        )
    note = witness.bare(note, peer.log_keys.values())
    if kept is None:
        return KeptLog(page.origin, peer.party, shown.size, shown.root, note)
    try:
        following.check_next(peer.party, page.origin, kept.size, kept.root, shown, page.consistency)
    except ProofError as error:
        if not disowning.tree_stands(store, peer, kept.size):
            raise PageRefusedError(
                following.UnprovenError.code,
                f"the {kept.size} entries kept of {peer.party}'s log are not continued; the log key under"
                " them was revoked, and nobody saw them before",
                where=page.origin,
                advice="go back to the last tree that was seen before: secretariat peers rewind",
            ) from None
        raise PageRefusedError(error.code, error.what, where=error.where, advice=error.advice) from error
    return kept if shown.size == kept.size else KeptLog(page.origin, peer.party, shown.size, shown.root, note)


def _check_entry(
    store: Store,
    peer: Peer,
    among: Mapping[str, Peer],
    page: Page,
    log: KeptLog,
    carried: CarriedEntry,
) -> Line:
    position = carried.position
    if carried.envelope is not UNSET:
        envelope = bytes(carried.envelope)
    else:
        kept = store.peer_entry(page.origin, position)
        if kept is None:
            raise PageRefusedError(
                "incomplete", "a continued entry whose beginning never came", where=f"entry {position}"
            )
        envelope = kept.envelope
    salted = len(carried.salt) == entries.SALT_BYTES
    leaf = entries.leaf_of(entries.digest_of(envelope, carried.salt)) if salted else b""
    if not salted or not merkle.verify_inclusion(leaf, position, log.size, carried.proof, log.root):
        raise PageRefusedError(
            "not-in-log",
            f"the entry is not in {peer.party}'s log at {position}",
            where=f"entry {position}",
            position=position,
        )
    where = f"entry {position}"
    try:
        speaker = speakers.claimed(among, peer, envelope)
        statement = statements.verify_entry(
            envelope, speaker.record_keys, speaker.retired, speaker.ended, position
        )
    except SecretariatError as error:
        raise PageRefusedError(
            "entry-signature", error.what, where=where, advice=error.advice, position=position
        ) from error
    try:
        roots = roots_of(statement)
    except SecretariatError as error:
        raise PageRefusedError("bad-entry", error.what, where=where, position=position) from error
    told = (statement.realm, statement.origin, statement.party)
    if told != (store.realm, peer.origin, speaker.party):
        raise PageRefusedError(
            "wrong-sender",
            f"the entry was signed for realm, log, party {', '.join(told)}",
            where=f"entry {position}",
            position=position,
        )
    if statement.recipient != store.party:
        raise PageRefusedError(
            "not-addressed",
            f"the entry is for {statement.recipient}, not for {store.party}",
            where=f"entry {position}",
            position=position,
        )
    entry = LogEntry(position, statement.kind, speaker.party, store.party, envelope, carried.salt)
    disowned = ""
    try:
        disowning.check_entry(store, speaker, page.origin, position, envelope)
    except RevokedError as error:
        disowned = error.what
    return Line(entry, statement, carried, roots, speaker, disowned)


def _check_amount(page: Page, lines: Sequence[Line], size: int) -> None:
    """Rule 5: what a page says of itself is what it carries; a cut page is found here."""

    def fail(what: str, where: str) -> PageRefusedError:
        return PageRefusedError(
            "incomplete", what, where=where, advice="the page was cut or put together wrongly"
        )

    at, ended = page.after, not page.after.offset
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
        if any(one.object is UNSET and one.gone is None for one in carried.objects):
            raise fail("an object is left out without a reason", where)
        if done < len(line.roots) and number + 1 < len(lines):
            raise fail("ends before its last object", where)
        ended = done == len(line.roots)
        at = Cursor(position + 1) if ended else Cursor(position, done)
        objects += len(run)
        gone += sum(one.gone is not None for one in carried.objects)
    if (page.count.entries, page.count.objects, page.count.gone) != (len(lines), objects, gone):
        said = f"{page.count.entries}, {page.count.objects} and {page.count.gone}"
        raise fail(f"carries {len(lines)} entries, {objects} objects and {gone} gone, says {said}", "count")
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
    right = at <= page.next <= Cursor(max(size, at.position)) if ended else page.next == at
    if not right or page.next < page.after:
        raise fail(f"ends at {at}, says {page.next}", "next")
