"""Witnessing of a node in memory: the `WitnessStore` of witnesses.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.base.settings import Limits
from secretariat.exchange import riding
from secretariat.exchange.wire import Cursor
from secretariat.ledger import checkpoint, merkle, revocation, witness

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.memory import Memory
    from secretariat.exchange.model import KeptLog, Peer
    from secretariat.exchange.witnesses import Riding
    from secretariat.ledger.model import Contradiction, ShownLog
    from secretariat.ledger.witness import Word


class MemoryWitness:
    """What one transaction on a `Memory` sees of witnessing."""

    def __init__(self, memory: Memory, now: datetime) -> None:
        self._seen = memory
        self.now = now

    @property
    def latest(self) -> int:
        return int(self.now.timestamp()) + Limits().clock_skew_s

    @property
    def circles(self) -> Sequence[str]:
        return self._seen.circles

    def riding(self, to: str) -> Riding:
        return riding.ride(self, to)  # type: ignore[arg-type]  # the whole store is made of parts like this

    def hear(self, peer: Peer, note: bytes) -> Word | None:
        ring, size = self._seen.keyring, checkpoint.parse(note).size
        word = witness.heard(
            note,
            party=peer.party,
            ours=(ring.origin, ring.public.values(), len(self._seen.leaves)),
            root_at=lambda at: merkle.root(self._seen.leaves[:at]),
            witness=(peer.origin, peer.witness_keys.values()),
            known=self._seen.words.get((ring.origin, size, peer.origin)),
            revoked=ring.revoked_publics,
            latest=self.latest,
        )
        self.keep_words([word] if word is not None else [])
        return word

    def cosign(self, origin: str) -> Word | None:
        kept, ring = self._seen.logs.get(origin), self._seen.keyring
        if kept is None or kept.suspended is not None:
            return None
        if self.given(origin, kept.size) is None:
            self.keep_words([witness.give(checkpoint.parse(kept.note), ring, int(self.now.timestamp()))])
        return self.given(origin, kept.size)

    def given(self, origin: str, size: int) -> Word | None:
        return self._seen.words.get((origin, size, self._seen.keyring.origin))

    def keep_words(self, words: Sequence[Word]) -> None:
        for one in words:
            self._seen.words.setdefault((one.origin, one.size, one.witness), one)
            self._seen.word_at.setdefault((one.origin, one.size, one.witness), self.now)

    def covering(self, origin: str, position: int) -> Sequence[Word]:
        first: dict[str, Word] = {}
        for one in sorted(self._seen.words.values(), key=lambda word: word.size):
            if one.origin == origin and one.size > position:
                first.setdefault(one.witness, one)
        return [first[name] for name in sorted(first)]

    def words_before(self, origin: str, moment: datetime) -> Sequence[Word]:
        last: dict[str, Word] = {}
        second = revocation.second_of(moment)
        for one in sorted(self._seen.words.values(), key=lambda word: word.size):
            if one.origin == origin and one.seconds < second:
                last[one.witness] = one
        return [last[name] for name in sorted(last)]

    def strike(self, witness: str, since: datetime, *, unless: Collection[bytes]) -> None:
        for key, one in list(self._seen.words.items()):
            if one.witness == witness and self._seen.word_at[key] >= since and _hash(one) not in unless:
                del self._seen.words[key], self._seen.word_at[key]

    def rewind(self, log: KeptLog, said_at: int) -> None:
        assert self._seen.logs[log.origin].suspended is not None
        assert self._seen.log[said_at].kind == "note"
        for key in [key for key in self._seen.words if key[0] == log.origin and key[1] > log.size]:
            del self._seen.words[key], self._seen.word_at[key]
        for at in [at for at in self._seen.notes if at[0] == log.origin and at[1] > log.size]:
            del self._seen.notes[at]
        for memory in (self._seen, *self._seen.guests.values()):
            for place in [
                place for place in memory.kept_entries if place[0] == log.origin and place[1] >= log.size
            ]:
                del memory.kept_entries[place]
            peer = memory.peers.get(log.party)
            if peer is not None and peer.cursor > Cursor(log.size):
                memory.peers[log.party] = msgspec.structs.replace(peer, cursor=Cursor(log.size))
        self._seen.logs[log.origin] = log

    def kept_notes(self, origin: str, sizes: Sequence[int]) -> Mapping[int, bytes]:
        found = {size: self._seen.notes.get((origin, size)) for size in sizes}
        return {size: note for size, note in found.items() if note is not None}

    def name_logs(self, party: str, origins: Sequence[str]) -> None:
        self._seen.named[party] = list(origins)

    def named_logs(self, party: str) -> Sequence[str]:
        return self._seen.named.get(party, [])

    def show_log(self, shown: ShownLog) -> None:
        self._seen.shown_logs[shown.origin, shown.told_by] = shown

    def shown_logs(self, origin: str) -> Sequence[ShownLog]:
        return [one for _, one in sorted(self._seen.shown_logs.items()) if one.origin == origin]

    def keep_contradiction(self, found: Contradiction) -> bool:
        if found.digest in self._seen.contradictions:
            return False
        self._seen.contradictions[found.digest] = found
        return True

    def contradictions(self) -> Sequence[Contradiction]:
        return list(self._seen.contradictions.values())

    def suspend_log(self, origin: str, reason: str) -> None:
        self._seen.logs[origin] = msgspec.structs.replace(self._seen.logs[origin], suspended=reason)

    def stop(self, reason: str) -> None:
        self._seen.why_stopped = self._seen.why_stopped or reason

    def stopped(self) -> str | None:
        return self._seen.why_stopped


def _hash(word: Word) -> bytes:
    return checkpoint.line_hash(word.line)
