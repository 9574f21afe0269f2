"""Two nodes whose only link is a medium carried by hand: what goes out, what counts as it comes in (no I/O).

Volumes (volumes.py) get lost, come late, twice and in any order. The rules:
1. A transfer goes from the place in our log that the partner last confirmed, up to its end. The partner
   confirms by its own transfer, which says how far it is with our log. Nothing new since the last one, and
   nothing more to confirm: no transfer is made (`again` makes it).
2. Numbers of one writer for one reader only grow. Within one transfer volumes are taken in their order; one
   whose beginning we have not reached is refused with the name of what is needed first, and nothing is kept.
3. A volume that was taken changes nothing when it comes again. What a page brings that is here already is
   left out of it before it is taken (`fitted`): nothing is taken twice, though a later transfer repeats it.
4. A page that does not continue the log as we kept it is tied to it by a proof that its volume brings for
   each transfer made before (`Link`). A page of an older log than the one kept is refused: a newer transfer
   holds it.
5. Of the places that a partner tells, that of the highest number counts, also where its pages do not fit:
   so two nodes that know nothing of each other's state find together again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import UNSET

from secretariat.base.errors import ConflictError, StateError
from secretariat.exchange import wire
from secretariat.exchange.instruments import MOST_WANTS
from secretariat.exchange.take import OutOfStepError
from secretariat.exchange.volumes import Link, Summary, VolumeError, page_of
from secretariat.exchange.wire import CarriedEntry, Counts, Cursor, Natural, Taken
from secretariat.ledger import checkpoint, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import Protocol

    from secretariat.exchange.volumes import Binder, Part
    from secretariat.exchange.wire import Page

    class TransferStore(Protocol):
        """What a node keeps of transfers. Every implementation passes tests/contract/peers."""

        def handover(self, party: str) -> Handover:
            """Give how transfers with a partner stand; a new one when there was none."""
            ...

        def lock_handover(self, party: str) -> Handover:
            """Give it, and keep others from changing it until the transaction ends."""
            ...

        def save_handover(self, state: Handover) -> None:
            """Write it as a whole."""
            ...

        def note_carried(self, one: Carried) -> None:
            """Remember a transfer that went out, or a volume that was taken."""
            ...

        def carried(self, party: str | None = None, limit: int = 200) -> Sequence[Carried]:
            """Give what went out and came in, newest first."""
            ...


BY_HAND: Final = "hand"
"""Stands as `via` of a partner that is reached by media only; no party's code is written so."""
SIZES: Final = 64
"""Log sizes of earlier transfers to which a new one is tied."""
_START: Final = Taken(Cursor(), 0)
_TRIES: Final = 5


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """How transfers with one partner stand."""

    party: str
    number: Natural = 0
    """Of the last transfer written to it."""
    told_by: Natural = 0
    """Of the newest transfer that said how far the partner is."""
    heard: Natural = 0
    """Of the newest transfer taken from it."""
    volume: Natural = 0
    """The last volume of that one which was taken."""
    of: Natural = 0
    sent: Taken = _START
    """Where the last transfer ended."""
    confirmed: Taken = _START
    """How far the partner said it is with our log."""
    told: Taken | None = None
    """What the last transfer said of the partner's log."""
    wanted: tuple[str, ...] = ()
    """Hashes of the instruments whose texts the partner wants of us."""
    given: tuple[str, ...] = ()
    """Those that the last transfer answered."""
    asked: tuple[str, ...] = ()
    """Those that it asked for itself."""
    sizes: tuple[int, ...] = ()
    """Log sizes that the partner may have kept from earlier transfers."""
    wrote_at: datetime | None = None
    heard_at: datetime | None = None


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer that went out (`volume` 0: all of it), or a volume that was taken."""

    party: str
    out: bool
    number: int
    volume: int
    of: int
    start: Cursor
    until: Cursor
    entries: int
    objects: int
    bytes: int
    at: datetime
    confirmed: bool = False
    """Whether the partner is known to have all of it; not stored."""


def start_of(
    state: Handover,
    head: int,
    place: Taken,
    news: Callable[[Taken], bool],
    *,
    again: bool = False,
    since: Taken | None = None,
) -> Taken:
    """Say where the next transfer starts (rule 1). Refuses where nothing is to be told or the log is short.

    `since` is the operator's own word; `news` says whether anything for the partner stands after a place.
    """
    if state.confirmed.size > head or state.confirmed.after.position > head:
        raise StateError(
            f"{state.party} has {state.confirmed.size} entries of this log, there are {head} here",
            advice="this node may have been restored from an old backup: secretariat restore --check",
        )
    if since is not None:
        if since.after.position > head:
            raise StateError(f"this log ends at {head}", where="--since")
        return since
    if not again and state.number and not news(state.sent) and place == state.told:
        how = "confirmed" if state.confirmed.after >= state.sent.after else "not confirmed yet"
        raise ConflictError(
            f"nothing new for {state.party} since transfer {state.number}, which is {how}",
            advice="--again writes it once more",
        )
    return state.confirmed


def written(
    state: Handover, number: int, until: Taken, sizes: Collection[int], place: Taken, now: datetime
) -> Handover:
    """Note a transfer that is about to leave, `sizes` being those of the log that its pages show.

    Refuses when another was written meanwhile.
    """
    if number <= state.number:
        raise ConflictError(
            f"another transfer for {state.party} was written meanwhile", advice="carry that one, or try again"
        )
    every = tuple(sorted({*state.sizes, *sizes}))[-SIZES:]
    return msgspec.structs.replace(state, number=number, sent=until, told=place, sizes=every, wrote_at=now)


def number_after(state: Handover, now: datetime) -> int:
    """Give the next number: microseconds since 1970, or one more: it goes on after a restored backup too."""
    return max(state.number + 1, int(now.timestamp() * 1_000_000))


def judge(state: Handover, place: Taken, summary: Summary, where: str) -> Literal["new", "taken"]:
    """Say whether a volume is to be taken or was taken already. Refuses one that is not next (rule 2)."""
    if (summary.number, summary.volume) <= (state.heard, state.volume):
        if summary.until <= place.after:
            return "taken"
        raise VolumeError(
            "transfer-superseded",
            f"transfer {summary.number} is older than {state.heard}, of which {state.volume} volumes came",
            where=where,
            advice=f"go on with volume {state.volume + 1} of {state.heard}, which brings the same"
            if state.volume < state.of
            else f"ask {summary.party} for a new export",
        )
    if summary.start <= place.after:
        return "new"
    if summary.begin <= place.after:
        needed = state.volume + 1 if summary.number == state.heard else 1
        raise VolumeError(
            "transfer-out-of-order",
            f"volume {summary.volume} of {summary.of} starts at {summary.start}, this node stands at"
            f" {place.after}",
            where=where,
            advice=f"import volume {needed} of transfer {summary.number} first",
        )
    before = f"transfer {summary.previous} first, or " if summary.previous > state.heard else ""
    raise VolumeError(
        "transfer-out-of-order",
        f"transfer {summary.number} starts at {summary.begin}, this node stands at {place.after}",
        where=where,
        advice=f"import {before}tell {summary.party} this place: secretariat transfer export --to"
        f" {summary.party}",
    )


def told(state: Handover, summary: Summary, now: datetime) -> Handover:
    """Note how far a writer says it is with our log (rule 5); an older transfer says nothing any more."""
    if summary.number <= state.told_by:
        return state
    place = summary.place
    sizes = tuple(sorted({place.size, *(one for one in state.sizes if one > place.size)}))
    return msgspec.structs.replace(
        state,
        told_by=summary.number,
        confirmed=place,
        wanted=summary.wanted[:MOST_WANTS],
        sent=state.sent if place.after <= state.sent.after else place,
        sizes=sizes[-SIZES:],
        heard_at=now,
    )


def heard(state: Handover, summary: Summary) -> Handover:
    """Note a volume that was taken."""
    if (summary.number, summary.volume) <= (state.heard, state.volume):
        return state
    return msgspec.structs.replace(state, heard=summary.number, volume=summary.volume, of=summary.of)


def fitted(
    part: Part, place: Taken, kept: Callable[[int], bytes | None], where: str, links: tuple[Link, ...] = ()
) -> Page | None:
    """Give the page of a part as it continues from our place (rules 3, 4); None when all of it is here.

    `kept` gives an entry of the writer's log that is here already, `links` what an earlier part of the volume
    brought for the same size of the log. What is left out and put in is proven by
    the page's own checkpoint; `take` checks it like every page.
    """
    page = page_of(part)
    size = checkpoint.parse(page.checkpoint.encode()).size
    if page.next <= place.after and size <= place.size:
        return None
    if page.after > place.after:
        raise VolumeError(
            "transfer-out-of-order",
            f"part {part.part} starts at {page.after}, this node stands at {place.after}",
            where=where,
            advice=f"ask {part.party} for a new export from this place",
        )
    if page.next < place.after:
        return None
    carried = [rest for one in page.entries if (rest := _rest(one, place.after)) is not None]
    since, consistency = _tied(part, page, size, place.size, part.links or links, where)
    if carried == list(page.entries):
        return msgspec.structs.replace(page, after=place.after, since=since, consistency=consistency)
    hashed = []
    for one in carried:
        envelope = kept(one.position) if one.envelope is UNSET else bytes(one.envelope)
        digest = b"" if envelope is None else entries.digest_of(envelope, one.salt)
        hashed.append((one.position, digest, one.offset, [each.root for each in one.objects]))
    objects = [each for one in carried for each in one.objects]
    gone = sum(each.gone is not None for each in objects)
    return msgspec.structs.replace(
        page,
        after=place.after,
        since=since,
        consistency=consistency,
        entries=tuple(carried),
        count=Counts(len(carried), len(objects), gone),
        hash=wire.page_hash(hashed),
    )


def _rest(one: CarriedEntry, after: Cursor) -> CarriedEntry | None:
    """Give what of a carried entry stands at or after a place."""
    if one.position != after.position or after.offset <= one.offset:
        return one if one.position >= after.position else None
    left = one.objects[after.offset - one.offset :]
    if not left:
        return None
    return msgspec.structs.replace(one, envelope=UNSET, attached=(), offset=after.offset, objects=left)


def _tied(
    part: Part, page: Page, size: int, kept: int, links: tuple[Link, ...], where: str
) -> tuple[int, tuple[bytes, ...]]:
    """Give since which size the page continues the log as we kept it, and the proof."""
    if kept in {0, size}:
        return kept, ()
    if page.since == kept:
        return kept, page.consistency
    proof = next((one.proof for one in links if one.size == kept), None)
    if proof is not None and kept < size:
        return kept, proof
    older = size < kept
    raise VolumeError(
        "transfer-superseded" if older else "transfer-untied",
        f"part {part.part} is of {part.party}'s log at {size} entries, this node kept {kept}",
        where=where,
        advice=f"tell {part.party} this place (secretariat transfer export --to {part.party}) and ask for a"
        " new export",
    )


def bind(
    binder: Binder,
    start: Taken,
    make: Callable[[Taken], tuple[Page, bytes]],
    link: Callable[[int], tuple[Link, ...]],
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Taken, set[int]]:
    """Put pages into volumes from a place to the end of the log; give where that is, and the log's sizes.

    `make` gives the page after a place, `link` the proofs that tie a log of a size to earlier transfers.
    """
    at, sizes = start, set[int]()
    links: tuple[Link, ...] = ()
    while True:
        page, data = make(at)
        size = checkpoint.parse(page.checkpoint.encode()).size
        if size not in sizes:
            links = link(size)
            sizes.add(size)
        binder.add(page, data, links)
        advance(page.next.position - at.after.position)
        at = Taken(page.next, size)
        if not page.more:
            return at, sizes


def take_parts(
    parts: Iterable[Part],
    place: Callable[[], Taken],
    kept: Callable[[int], bytes | None],
    give: Callable[[Page], object],
    where: str,
    advance: Callable[[int], None] = lambda _: None,
    text: Callable[[bytes], object] = lambda _: None,
) -> int:
    """Let `give` take the pages of a volume that are not here yet; gives how many were.

    `text` takes the texts of instruments that came with them.
    """
    count = 0
    links: tuple[int, tuple[Link, ...]] = (-1, ())
    for part in parts:
        if part.text is not UNSET:
            text(bytes(part.text))
            advance(1)
            continue
        size = checkpoint.parse(page_of(part).checkpoint.encode()).size
        if part.links or size != links[0]:
            links = (size, part.links)
        for _ in range(_TRIES):
            page = fitted(part, place(), kept, where, links[1])
            if page is None:
                break
            try:
                give(page)
            except OutOfStepError:
                continue  # somebody else took from this log meanwhile: fit it anew
            count += 1
            break
        else:
            raise ConflictError(f"{part.party}'s log moves while part {part.part} is taken", where=where)
        advance(1)
    return count
