"""What a store keeps for witnessing, and what rides along a message (rules: riding.py). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.model import KeptLog, Peer
    from secretariat.ledger.model import Contradiction, ShownLog
    from secretariat.ledger.witness import Word


class Riding(msgspec.Struct, frozen=True):
    """What one message brings besides its own matter."""

    witnessed: str = ""
    follows: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


NOTHING = Riding()


class WitnessStore(Protocol):
    """What a store keeps for witnessing: part of the `Store` of peers.py."""

    @property
    def now(self) -> datetime:
        """When the transaction takes place."""
        ...

    @property
    def latest(self) -> int:
        """The last POSIX second at which a witness can have signed: our clock, and the skew allowed."""
        ...

    @property
    def circles(self) -> Sequence[str]:
        """Parties that may know of each other that they are partners here."""
        ...

    def riding(self, to: str) -> Riding:
        """Give what rides along to a partner (`ride`)."""
        ...

    def hear(self, peer: Peer, note: bytes) -> Word | None:
        """Take a partner's word on the own log; refuses as ledger/witness.py `heard` says."""
        ...

    def cosign(self, origin: str) -> Word | None:
        """Give the own word on what is kept of a log, the one given before where there is one."""
        ...

    def given(self, origin: str, size: int) -> Word | None:
        """Give the own word on the checkpoint of a size, where it was given."""
        ...

    def keep_words(self, words: Sequence[Word]) -> None:
        """Keep verified cosignatures; a second one of a witness on one size is passed over."""
        ...

    def covering(self, origin: str, position: int) -> Sequence[Word]:
        """Give of each witness its first cosignature on a tree of a log that holds `position`."""
        ...

    def words_before(self, origin: str, moment: datetime) -> Sequence[Word]:
        """Give of each witness its cosignature on the largest tree of a log that it saw before a moment.

        Of a word in the second of that moment nobody knows (revocation.py, rule 2): it is passed over.
        """
        ...

    def strike(self, witness: str, since: datetime, *, unless: Collection[bytes]) -> None:
        """Forget a witness's words that came here from `since` on, but those by the keys of these hashes."""
        ...

    def rewind(self, log: KeptLog, said_at: int) -> None:
        """Go back to an earlier tree of a suspended log: forget larger ones, words and entries included.

        Whoever lives on this node and read further than that, a guest too, stands at its end from then on.
        `said_at` is the own entry, of this transaction, that says which log and how far.
        """
        ...

    def kept_notes(self, origin: str, sizes: Sequence[int]) -> Mapping[int, bytes]:
        """Give those checkpoints of a partner's log that were verified and kept, by size."""
        ...

    def name_logs(self, party: str, origins: Sequence[str]) -> None:
        """Remember which logs a partner said it follows, in the place of what it said before."""
        ...

    def named_logs(self, party: str) -> Sequence[str]:
        """Give the logs that a partner said it follows."""
        ...

    def show_log(self, shown: ShownLog) -> None:
        """Keep what a partner showed of another's log in the place of what it showed before."""
        ...

    def shown_logs(self, origin: str) -> Sequence[ShownLog]:
        """Give what partners last showed of a log."""
        ...

    def keep_contradiction(self, found: Contradiction) -> bool:
        """Keep a proof against a log; False where it is kept already."""
        ...

    def contradictions(self) -> Sequence[Contradiction]:
        """Give the proofs that are kept."""
        ...

    def suspend_log(self, origin: str, reason: str) -> None:
        """Believe nothing more of a log until a person resumes it."""
        ...

    def stop(self, reason: str) -> None:
        """Write nothing more into the own log."""
        ...

    def stopped(self) -> str | None:
        """Say why the own log is stopped, None where it is not."""
        ...
