"""Two nodes keeping in step, without I/O: what a node must be able to store, and when it asks or waits.

The same lines drive pulling over HTTP, delivery by POST, the simulator and the tests: `offer` makes a page
from a `Store`, `take` checks one and keeps it in a `Store`, and a `Link` says what a receiver does next.

Rules of a link:
1. One request is held at the sender as wake-up; its answer is a page, maybe an empty one.
2. A page that was kept is followed by the next request at once; an empty one too, since the sender held it.
3. A failure is followed by a pause that doubles from `first` to `longest` seconds, half of it by chance,
   so that fifty partners of a node that restarts do not all return in the same second.
4. A refusal for proof (signature, log, grant) is recorded and pauses for the longest time: it does not mend
   itself. A page that is merely out of step is asked for again at once, once.
5. Where the sender holds no requests (it answers at once), the receiver polls every `poll` seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec

from secretariat.exchange.wire import Cursor
from secretariat.exchange.witnesses import WitnessStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import (
        Arrival,
        Due,
        Granted,
        Holding,
        KeptLog,
        LogEntry,
        Peer,
        Refusal,
        Ruling,
        Version,
    )
    from secretariat.ledger.entries import Statement
    from secretariat.ledger.revocation import Revoked

WAIT_S: Final = 25
POLL_S: Final = 30.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 300.0


class Head(msgspec.Struct, frozen=True):
    """The newest checkpoint of the own log."""

    size: int
    root: bytes
    note: bytes


class Outgoing(msgspec.Struct, frozen=True):
    """One entry that this node is about to sign and append."""

    kind: str
    recipient: str | None
    body: Any


class Recompute(Protocol):
    """The receiver's own answer on a grant: one ruling per object, with the facts that the grant pins."""

    def __call__(
        self,
        sender: Peer,
        grant: Statement,
        evidence: Mapping[tuple[str, int], Statement],
        objects: Sequence[Version],
    ) -> Sequence[Ruling]:
        """Rule on `objects` as granted by `sender`, with verified third parties' entries as `evidence`."""
        ...


class Store(WitnessStore, Protocol):
    """What a node keeps, as one transaction sees it. Every implementation passes tests/contract/peers.

    Nothing written is seen by others until the transaction ends well; a failure leaves nothing behind.
    """

    @property
    def party(self) -> str:
        """The party whose node this is."""
        ...

    @property
    def realm(self) -> str:
        """The realm this store belongs to."""
        ...

    @property
    def origin(self) -> str:
        """The name of the own log."""
        ...

    # the own log
    def head(self) -> Head:
        """Give the newest checkpoint."""
        ...

    def inclusions(self, positions: Sequence[int], size: int) -> Mapping[int, Sequence[bytes]]:
        """Prove that the entries at `positions` are in the tree of `size`."""
        ...

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of `old` leaves is a prefix of that of `new`."""
        ...

    def entry(self, position: int) -> LogEntry | None:
        """Give one entry of the own log."""
        ...

    def addressed(self, recipient: str, start: int, end: int | None = None) -> Iterator[LogEntry]:
        """Give entries addressed to `recipient` from position `start` on, in order, below `end`."""
        ...

    def lock(self) -> None:
        """Take the right to append until the transaction ends: what follows is in the order of the log."""
        ...

    def append(self, entries: Sequence[Outgoing]) -> list[int]:
        """Sign and append entries; give their positions."""
        ...

    # objects
    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        """Give those of `roots` that `recipient` may read now, as the database itself sees it.

        A version comes without what is left out for this recipient.
        """
        ...

    def versions(self, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        """Give those of `roots` that this node holds, in whatever state."""
        ...

    def same(self, stix_ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        """Give what this node holds under these ids, every version from every originator."""
        ...

    def history(self, stix_id: str) -> Sequence[Version]:
        """Give every version of an object that this node holds, newest first."""
        ...

    def keep(self, arrivals: Sequence[Arrival]) -> None:
        """Write versions with their labels; those in a shown state enter `from_partners`."""
        ...

    def keep_rival(self, arrival: Arrival) -> None:
        """Keep a copy that contradicts one of its originator: shown as disputed at most, never passed on."""
        ...

    def rivals(self, roots: Sequence[bytes]) -> Collection[bytes]:
        """Say which of these versions are held as such copies."""
        ...

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """Move versions that waited or were in quarantine to the state their arrival now has."""
        ...

    def waiting(self) -> Sequence[Arrival]:
        """Give what grants still wait to be ruled on, each with the version as it is held now."""
        ...

    def replace(self, version: Version) -> None:
        """Put another copy of a version that is held in its place: its content and proof, nothing else."""
        ...

    def revise(self, version: Version, replaces: Sequence[bytes]) -> None:
        """Write a new own version in the place of others: partners' collections show it instead of them."""
        ...

    def destroy(self, roots: Sequence[bytes]) -> int:
        """Delete versions: content, salt, signature and every derived row. Gives how many were there."""
        ...

    def retire(self, roots: Sequence[bytes]) -> None:
        """Keep versions by duty but show them to nobody: state `withdrawn`, out of every collection.

        Grants of them that waited to be ruled on wait no more, as if the versions were destroyed.
        """
        ...

    # who was granted what
    def recipients(self, roots: Sequence[bytes]) -> Mapping[str, Sequence[bytes]]:
        """Give the parties that may read any of `roots` from this node, with which of them."""
        ...

    def ungrant(self, recipient: str, roots: Sequence[bytes]) -> None:
        """Take versions out of a partner's collection; the grant stays in the log."""
        ...

    # partners
    def peer(self, party: str) -> Peer | None:
        """Give a partner as enrolled, or None."""
        ...

    def peers(self) -> Sequence[Peer]:
        """Give every partner, by party code."""
        ...

    def local(self) -> frozenset[str]:
        """Name the other parties that are written for in this same log: a host's guests, a guest's host."""
        ...

    def hosted(self) -> Mapping[str, Peer]:
        """Give the parties that accepted partners host: each with its own key, in its host's log."""
        ...

    def save_peer(self, peer: Peer) -> None:
        """Write a partner as a whole."""
        ...

    def advance(self, party: str, cursor: Cursor) -> None:
        """Move the cursor in a partner's log."""
        ...

    def record_keys(self, party: str) -> Mapping[str, bytes]:
        """Give the record keys pinned for a party (the own ones too), by key id; empty when it is unknown."""
        ...

    def revoked(self, party: str) -> Mapping[str, Revoked]:
        """Give the keys that a party (this one too) revoked, by key id."""
        ...

    def kept_log(self, origin: str) -> KeptLog | None:
        """Give the newest checkpoint kept of a partner's log."""
        ...

    def keep_log(self, log: KeptLog) -> None:
        """Keep a newer checkpoint."""
        ...

    def peer_entry(self, origin: str, position: int) -> LogEntry | None:
        """Give a partner's entry that was kept before."""
        ...

    def keep_entries(self, log: KeptLog, entries: Sequence[tuple[LogEntry, Sequence[bytes]]]) -> None:
        """Keep a partner's entries with their inclusion paths into `log`, and its note that signs the tree.

        An entry that is there already stays, with the proof it came with.
        """
        ...

    def attach(self, origin: str, entry: LogEntry) -> None:
        """Keep an entry of `origin` that somebody else brought. It claims its position, nothing more."""
        ...

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        """Give what is claimed to stand at a position: the proven entry first, then attached ones.

        Of the own log nothing but an originator's word on a withdrawal, which is for whoever it reaches.
        """
        ...

    # what became of it
    def hold(self, holdings: Sequence[Holding]) -> None:
        """Note what holders said; a later word on the same version replaces the earlier."""
        ...

    def shown(self) -> Sequence[Version]:
        """Give what viewers see of partners' objects, disputed copies among them."""
        ...

    def publish(
        self, versions: Sequence[Version], recipients: Sequence[str], left_out: Sequence[str] = ()
    ) -> None:
        """Write versions where they are new and let `recipients` read them; the caller appends the grants.

        They read them without the properties `left_out`, which are what is missing of each.
        """
        ...

    def holdings(self, roots: Sequence[bytes]) -> Sequence[Holding]:
        """Give what is known of the holders of `roots`."""
        ...

    def arrived(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        """Give the grants under which this node shows each of `roots`."""
        ...

    def granted_here(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        """Give every grant that brought each of `roots`, shown or not."""
        ...

    def held_from(self, party: str, origin: str, part: int) -> Iterator[Sequence[Version]]:
        """Give what is shown or waits, by a party or by grants in the log `origin`, so many at a time."""
        ...

    def arrive(self, arrivals: Sequence[Arrival]) -> None:
        """Note what a grant says of versions that are held already; the newest of each sender counts."""
        ...

    def depart(self, roots: Sequence[bytes], origin: str, sender: str, *, before: int) -> None:
        """Forget the grants by `sender` of versions that stand in the log `origin` before a position."""
        ...

    def entomb(self, roots: Sequence[bytes], tomb: Tomb) -> None:
        """Remember that versions were called back, who asked and what was done."""
        ...

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        """Give who called back any of `roots`."""
        ...

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Record refusals; the same one again only counts up."""
        ...

    def refused(self) -> Sequence[Refusal]:
        """Give recorded refusals, oldest first."""
        ...

    def owe(self, dues: Sequence[Due]) -> None:
        """Set timers for duties that came with grants."""
        ...

    def obligations(self, root: bytes) -> Sequence[Due]:
        """Give the duties of a version that are still open."""
        ...

    def fallen_due(self, now: datetime, most: int) -> Sequence[Due]:
        """Give open duties due by `now`, earliest first; none of what a duty to keep holds unseen."""
        ...

    def fulfil(self, dues: Sequence[Due]) -> None:
        """Mark duties as done; what is done stays done."""
        ...

    def promised(self, recipient: str, roots: Sequence[bytes]) -> Sequence[Any]:
        """Give the duties stated in our grants under which `recipient` may read any of `roots`."""
        ...

    def grants_to(self, recipient: str, roots: Sequence[bytes]) -> Sequence[int]:
        """Give the places of our grants under which `recipient` may read any of `roots`."""
        ...

    def pseudonym(self, to: str, holder: str) -> str:
        """Give the name under which `to` knows a holder further down: the same every time, only there."""
        ...

    def first_use(self, key_id: str, nonce: str, at: datetime) -> bool:
        """Remember a nonce of a request; False when the key used it before."""
        ...


class Tomb(msgspec.Struct, frozen=True):
    """A version that was called back: on whose word, by which entry, and what this node did."""

    asked_by: str
    kind: str
    origin: str
    position: int
    done: str

    def bars(self, version: Version, sender: str) -> bool:
        """Whether the version may not come back through `sender`: its originator or sender withdrew it."""
        return self.kind == "withdraw" and self.asked_by in {version.originator, sender}


class Ask(msgspec.Struct, frozen=True):
    """Command: ask the partner for the page after `after`, held for up to `wait` seconds."""

    after: Cursor
    size: int
    wait: int


class Pause(msgspec.Struct, frozen=True):
    """Command: do nothing for so many seconds, or until woken."""

    seconds: float


class Got(msgspec.Struct, frozen=True):
    """Event: a page was checked and kept; the link stands here now."""

    after: Cursor
    size: int
    entries: int
    more: bool
    held_s: float


class Failed(msgspec.Struct, frozen=True):
    """Event: no page came (network, partner down), or it was refused for `kind`."""

    kind: Literal["unreachable", "refused", "out-of-step"]
    after: Cursor
    size: int


class Link:
    """What a receiver does next on one partner's feed (rules above). Holds no connection and no clock."""

    def __init__(self, after: Cursor, size: int, *, wait: int = WAIT_S, poll: float = POLL_S) -> None:
        self._after = after
        self._size = size
        self._wait = wait
        self._poll = poll
        self._failures = 0
        self._stepped = False

    def start(self) -> Ask:
        """Begin, without holding the first request: what is there comes at once."""
        return Ask(self._after, self._size, 0)

    def on(self, event: Got | Failed | None, chance: float) -> Ask | Pause:
        """Take an event (None: a pause is over) and say what to do; `chance` is in [0, 1)."""
        if event is None:
            return Ask(self._after, self._size, 0 if self._failures else self._wait)
        self._after, self._size = event.after, event.size
        if isinstance(event, Got):
            self._failures, self._stepped = 0, False
            if event.more or event.entries or event.held_s >= 1:
                return Ask(self._after, self._size, 0 if event.more else self._wait)
            return Ask(self._after, self._size, self._wait) if self._wait else Pause(self._poll)
        if event.kind == "out-of-step" and not self._stepped:
            self._stepped = True
            return Ask(self._after, self._size, 0)
        self._failures += 1
        if event.kind == "refused":
            return Pause(LONGEST_PAUSE_S * (0.5 + chance / 2))
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, 20))
        return Pause(longest * (0.5 + chance / 2))
