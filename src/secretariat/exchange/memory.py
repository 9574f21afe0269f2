"""A node's store in memory: the same promises as the PostgreSQL store, for simulations and offline checks.

`Memory` is what is kept; `MemoryStore` is one transaction on it. A transaction works on a copy that replaces
the original only when it ends well, so a failure leaves nothing behind. tests/contract/peers holds both
stores to the same contract.
"""

from __future__ import annotations

import contextlib
import copy
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.sponsoring import pairwise
from secretariat.base.clock import parse_stamp
from secretariat.exchange.duties import stated_in
from secretariat.exchange.further import granting, own_word
from secretariat.exchange.instrument_memory import MemoryShelf
from secretariat.exchange.mailbox_memory import MemoryMail
from secretariat.exchange.model import (
    KEEP_DUTIES,
    SHOWN,
    Arrival,
    Granted,
    Holding,
    KeptLog,
    LogEntry,
    Peer,
    Version,
)
from secretariat.exchange.offer import without
from secretariat.exchange.peers import Head, Outgoing, Tomb
from secretariat.exchange.transfer_memory import MemoryTransfers
from secretariat.exchange.witness_memory import MemoryWitness
from secretariat.ledger import checkpoint, entries, merkle
from secretariat.ledger.property_tree import left_out_of
from secretariat.ledger.witness import RECOVERY, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.instruments import Text, Want
    from secretariat.exchange.letters import Held
    from secretariat.exchange.mailbox import Mail
    from secretariat.exchange.model import Due, Refusal
    from secretariat.exchange.transfer import Carried, Handover
    from secretariat.exchange.wire import Cursor
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.model import Contradiction, ShownLog
    from secretariat.ledger.revocation import Revoked
    from secretariat.ledger.witness import Word

_SHARED = ("log", "leaves", "logs", "words", "word_at", "notes")


class Memory:
    """Everything one node keeps in one realm."""

    def __init__(
        self,
        keyring: Keyring,
        token: Callable[[int], bytes] = secrets.token_bytes,
        host: Memory | None = None,
    ) -> None:
        self.keyring = keyring
        self.token = token
        self.host = host
        """The memory of the node that writes this party's entries, where the party is a guest."""
        self.secret = b""
        """From which pseudonyms are made; the first one makes it."""
        self.guests: dict[str, Memory] = {}
        self.met: dict[str, Peer] = {}
        self.log: list[LogEntry] = []
        self.leaves: list[bytes] = []
        self.held: dict[bytes, Version] = {}
        self.labels: dict[bytes, Any] = {}
        self.rivals: dict[bytes, Version] = {}
        self.arrivals: dict[bytes, dict[tuple[str, str], Arrival]] = defaultdict(dict)
        self.granted: dict[str, set[bytes]] = defaultdict(set)
        self.left_out: dict[tuple[str, bytes], tuple[str, ...]] = {}
        self.from_partners: set[bytes] = set()
        self.peers: dict[str, Peer] = {}
        self.logs: dict[str, KeptLog] = {}
        self.kept_entries: dict[tuple[str, int], LogEntry] = {}
        self.attachments: dict[tuple[str, int], list[LogEntry]] = defaultdict(list)
        self.holdings: dict[tuple[bytes, str], Holding] = {}
        self.tombs: dict[bytes, list[Tomb]] = defaultdict(list)
        self.refusals: list[Refusal] = []
        self.dues: list[Due] = []
        self.texts: dict[bytes, Text] = {}
        self.offers: dict[bytes, tuple[Text, str]] = {}
        self.wants: dict[tuple[str, bytes], Want] = {}
        self.nonces: dict[tuple[str, str], datetime] = {}
        self.mail: dict[str, Mail] = {}
        self.mail_users: dict[str, str] = {}
        self.letters: list[Held] = []
        self.letter_ids = 0
        self.posted: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.circles: tuple[str, ...] = ()
        self.words: dict[tuple[str, int, str], Word] = {}
        self.word_at: dict[tuple[str, int, str], datetime] = {}
        self.notes: dict[tuple[str, int], bytes] = {}
        self.named: dict[str, list[str]] = {}
        self.shown_logs: dict[tuple[str, str], ShownLog] = {}
        self.contradictions: dict[bytes, Contradiction] = {}
        self.why_stopped: str | None = None
        self.handovers: dict[str, Handover] = {}
        self.carried: list[Carried] = []

    @contextlib.contextmanager
    def transaction(self, now: datetime) -> Iterator[MemoryStore]:
        """Give a store whose changes stay only when the block ends without an error."""
        work = copy.copy(self)
        for name, value in vars(self).items():
            if name == "granted":
                work.granted = defaultdict(set, {party: set(roots) for party, roots in value.items()})
            elif name == "arrivals":
                work.arrivals = defaultdict(dict, {root: dict(held) for root, held in value.items()})
            elif name in {"tombs", "attachments"}:
                setattr(work, name, defaultdict(list, {key: list(held) for key, held in value.items()}))
            elif name not in {"keyring", "token", "host"}:
                setattr(work, name, copy.copy(value))
        if self.host is not None:  # one log, and one memory of partners' logs, for host and guests
            for name in _SHARED:
                setattr(work, name, copy.copy(getattr(self.host, name)))
        yield MemoryStore(work, now)
        vars(self).update(vars(work))
        if self.host is not None:
            for name in _SHARED:
                setattr(self.host, name, getattr(work, name))


class MemoryStore(MemoryMail, MemoryTransfers, MemoryShelf, MemoryWitness):
    """One transaction on a `Memory`: the `Store` protocol of peers.py."""

    def __init__(self, memory: Memory, now: datetime) -> None:
        super().__init__(memory, now)
        MemoryWitness.__init__(self, memory, now)
        self._m = memory
        self._now = now
        self.party = memory.keyring.party
        self.realm = memory.keyring.realm
        self.origin = memory.keyring.origin

    def head(self) -> Head:
        size, root = len(self._m.leaves), merkle.root(self._m.leaves)
        return Head(size, root, checkpoint.sign(self.origin, size, root, self._m.keyring.log))

    def inclusions(self, positions: Sequence[int], size: int) -> Mapping[int, Sequence[bytes]]:
        return {one: merkle.inclusion_path(self._m.leaves[:size], one) for one in positions}

    def consistency(self, old: int, new: int) -> list[bytes]:
        return merkle.consistency_path(self._m.leaves, old, new)

    def entry(self, position: int) -> LogEntry | None:
        return self._m.log[position] if 0 <= position < len(self._m.log) else None

    def addressed(self, recipient: str, start: int, end: int | None = None) -> Iterator[LogEntry]:
        return (one for one in self._m.log[start:end] if one.recipient == recipient)

    def lock(self) -> None:
        """One transaction at a time is all a `Memory` has; a stopped log takes nothing more."""
        if self._m.why_stopped is not None:
            raise StoppedError(self._m.why_stopped, advice=RECOVERY)

    def append(self, entries_: Sequence[Outgoing]) -> list[int]:
        self.lock()
        positions = []
        ring = self._m.keyring
        for one in entries_:
            draft = entries.Draft(one.kind, one.recipient, one.body)
            body = entries.payload(
                draft, realm=self.realm, origin=self.origin, party=self.party, now=self._now
            )
            sealed = entries.seal(body, draft, ring.record, self._m.token(entries.SALT_BYTES))
            positions.append(len(self._m.log))
            self._m.log.append(
                LogEntry(positions[-1], one.kind, self.party, one.recipient, sealed.envelope, sealed.salt)
            )
            self._m.leaves.append(sealed.leaf)
        return positions

    def granted(self, recipient: str, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        found: dict[bytes, Version] = {}
        for memory in (*self._m.guests.values(), self._m):  # a guest's grants stand in the same log
            may = memory.granted.get(recipient, set())
            found |= {
                one: without(memory.held[one], memory.left_out.get((recipient, one), ()))
                for one in roots
                if one in may and one in memory.held
            }
        return found

    def versions(self, roots: Sequence[bytes]) -> Mapping[bytes, Version]:
        found = {one: self._m.held[one] for one in roots if one in self._m.held}
        rivals = {one: self._m.rivals[one] for one in roots if one in self._m.rivals}
        return {**rivals, **found}

    def same(self, stix_ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        found: dict[str, list[Version]] = defaultdict(list)
        for one in self._m.held.values():
            if one.stix_id in stix_ids:
                found[one.stix_id].append(one)
        return found

    def history(self, stix_id: str) -> Sequence[Version]:
        return sorted(
            (one for one in self._m.held.values() if one.stix_id == stix_id),
            key=lambda one: parse_stamp(one.version) if one.version else self._now,
            reverse=True,
        )

    def keep(self, arrivals: Sequence[Arrival]) -> None:
        for one in arrivals:
            root = one.version.root
            self._m.held[root] = one.version
            self._m.labels[root] = one.label
            self._m.arrivals[root][one.origin, one.sender] = one
            if one.version.state in SHOWN:
                self._m.from_partners.add(root)

    def keep_rival(self, arrival: Arrival) -> None:
        self._m.rivals[arrival.version.root] = arrival.version
        self.arrive([arrival])

    def rivals(self, roots: Sequence[bytes]) -> Collection[bytes]:
        return [one for one in roots if one in self._m.rivals]

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        for one in arrivals:
            if (rival := self._m.rivals.get(one.version.root)) is not None:
                self._m.rivals[rival.root] = msgspec.structs.replace(rival, state=one.version.state)
                self.arrive([one])
        self.keep([one for one in arrivals if one.version.root not in self._m.rivals])

    def waiting(self) -> Sequence[Arrival]:
        here = {**self._m.rivals, **self._m.held}
        return [
            msgspec.structs.replace(one, version=here[root])
            for root, held in self._m.arrivals.items()
            for one in held.values()
            if one.version.state == "waiting" and root in here
        ]

    def publish(
        self, versions: Sequence[Version], recipients: Sequence[str], left_out: Sequence[str] = ()
    ) -> None:
        """Write own versions and let `recipients` read them (what a release does on a real node)."""
        for one in versions:
            self._m.held[one.root] = one
            for party in recipients:
                self._m.granted[party].add(one.root)
                self._m.left_out[party, one.root] = tuple(left_out)

    def replace(self, version: Version) -> None:
        if (rival := self._m.rivals.get(version.root)) is not None:
            copy = msgspec.structs.replace(rival, data=version.data, salt=version.salt)
            self._m.rivals[version.root] = copy
            return
        held = self._m.held[version.root]
        state = held.state
        if state in {"kept", "partial"}:
            state = "partial" if left_out_of(version.salt) else "kept"
        self._m.held[version.root] = msgspec.structs.replace(
            held, data=version.data, salt=version.salt, state=state
        )

    def revise(self, version: Version, replaces: Sequence[bytes]) -> None:
        self._m.held[version.root] = version
        for roots in self._m.granted.values():
            if roots & set(replaces):
                roots.difference_update(replaces)
                roots.add(version.root)

    def destroy(self, roots: Sequence[bytes]) -> int:
        there = 0
        for root in roots:
            there += self._m.held.pop(root, None) is not None or root in self._m.rivals
            self._m.rivals.pop(root, None)
            self._m.labels.pop(root, None)
            self._m.arrivals.pop(root, None)
            self._hide(root)
        self._m.dues = [one for one in self._m.dues if one.root not in set(roots)]
        return there

    def retire(self, roots: Sequence[bytes]) -> None:
        for root in roots:
            if root in self._m.held:
                self._m.held[root] = msgspec.structs.replace(self._m.held[root], state="withdrawn")
            if root in self._m.rivals:
                self._m.rivals[root] = msgspec.structs.replace(self._m.rivals[root], state="withdrawn")
            held = self._m.arrivals.get(root, {})
            for place in [place for place, one in held.items() if one.version.state == "waiting"]:
                del held[place]
            self._hide(root)

    def _hide(self, root: bytes) -> None:
        self._m.from_partners.discard(root)
        for held in self._m.granted.values():
            held.discard(root)

    def recipients(self, roots: Sequence[bytes]) -> Mapping[str, Sequence[bytes]]:
        found = {party: [one for one in roots if one in may] for party, may in self._m.granted.items()}
        return {party: held for party, held in found.items() if held}

    def ungrant(self, recipient: str, roots: Sequence[bytes]) -> None:
        self._m.granted[recipient].difference_update(roots)

    def peer(self, party: str) -> Peer | None:
        return self._m.peers.get(party)

    def peers(self) -> Sequence[Peer]:
        return [self._m.peers[party] for party in sorted(self._m.peers)]

    def local(self) -> frozenset[str]:
        host = self._m.keyring.host
        return frozenset({*self._m.guests, *({host.party} if host is not None else ())})

    def hosted(self) -> Mapping[str, Peer]:
        return {
            party: msgspec.structs.replace(one, origin=host.origin)
            for party, one in self._m.met.items()
            if (host := self._m.peers.get(one.host)) is not None
            and host.state == "accepted"
            and party not in {self.party, *self._m.peers}
        }

    def meet(self, peer: Peer) -> None:
        """Take a party that a partner hosts as that (what accepting an introduction does on a real node)."""
        self._m.met[peer.party] = peer

    def save_peer(self, peer: Peer) -> None:
        self._m.peers[peer.party] = peer

    def advance(self, party: str, cursor: Cursor) -> None:
        self._m.peers[party] = msgspec.structs.replace(self._m.peers[party], cursor=cursor)

    def record_keys(self, party: str) -> Mapping[str, bytes]:
        if party == self.party:
            record = self._m.keyring.record
            return {record.key_id: record.public}
        peer = self._m.peers.get(party) or self.hosted().get(party)
        return peer.record_keys if peer is not None and peer.state != "removed" else {}

    def revoked(self, party: str) -> Mapping[str, Revoked]:
        if party == self.party:
            return self._m.keyring.revoked
        peer = self._m.peers.get(party) or self.hosted().get(party)
        return {} if peer is None else peer.revoked

    def kept_log(self, origin: str) -> KeptLog | None:
        return self._m.logs.get(origin)

    def keep_log(self, log: KeptLog) -> None:
        self._m.logs[log.origin] = log
        self._m.notes[log.origin, log.size] = log.note

    def peer_entry(self, origin: str, position: int) -> LogEntry | None:
        return self._m.kept_entries.get((origin, position))

    def keep_entries(self, log: KeptLog, entries: Sequence[tuple[LogEntry, Sequence[bytes]]]) -> None:
        for one, _ in entries:
            self._m.kept_entries.setdefault((log.origin, one.position), one)

    def attach(self, origin: str, entry: LogEntry) -> None:
        if entry not in self._m.attachments[origin, entry.position]:
            self._m.attachments[origin, entry.position].append(entry)

    def attached(self, origin: str, position: int) -> Sequence[LogEntry]:
        if origin == self.origin:
            return own_word(self.entry(position))
        found: list[LogEntry] = []
        for memory in (self._m, *self._m.guests.values()):  # a guest's calls stand in the same log
            kept = memory.kept_entries.get((origin, position))
            claimed = memory.attachments.get((origin, position), [])
            found += [one for one in [*([kept] if kept else []), *claimed] if one not in found]
        return found

    def hold(self, holdings: Sequence[Holding]) -> None:
        for one in holdings:
            self._m.holdings[one.root, one.holder] = one

    def holdings(self, roots: Sequence[bytes]) -> Sequence[Holding]:
        wanted = set(roots)
        return [one for one in self._m.holdings.values() if one.root in wanted]

    def arrived(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        return {
            root: [
                Granted(one.sender, one.origin, one.position) for one in held if one.version.state in SHOWN
            ]
            for root in roots
            if (held := self._m.arrivals.get(root, {}).values())
        }

    def granted_here(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Granted]]:
        return {
            root: [Granted(sender, origin, one.position) for (origin, sender), one in sorted(held.items())]
            for root in roots
            if (held := self._m.arrivals.get(root))
        }

    def held_from(self, party: str, origin: str, part: int) -> Iterator[Sequence[Version]]:
        found = [
            one
            for root, one in [*self._m.held.items(), *self._m.rivals.items()]
            if one.state in {*SHOWN, "waiting"}
            and (one.originator == party or any(log == origin for log, _ in self._m.arrivals.get(root, ())))
            and root in self._m.arrivals
        ]
        for start in range(0, len(found), part):
            yield found[start : start + part]

    def arrive(self, arrivals: Sequence[Arrival]) -> None:
        for one in arrivals:
            self._m.arrivals[one.version.root][one.origin, one.sender] = one

    def depart(self, roots: Sequence[bytes], origin: str, sender: str, *, before: int) -> None:
        for root in roots:
            held = self._m.arrivals.get(root, {})
            if (origin, sender) in held and held[origin, sender].position < before:
                del held[origin, sender]

    def entomb(self, roots: Sequence[bytes], tomb: Tomb) -> None:
        for root in roots:
            known = self._m.tombs[root]
            place = (tomb.origin, tomb.position)
            at = next((n for n, one in enumerate(known) if (one.origin, one.position) == place), None)
            if at is None:
                known.append(tomb)
            else:  # what was kept is destroyed later
                known[at] = tomb

    def tombs(self, roots: Sequence[bytes]) -> Mapping[bytes, Sequence[Tomb]]:
        return {root: self._m.tombs[root] for root in roots if self._m.tombs.get(root)}

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        self._m.refusals.extend(one for one in refusals if one not in self._m.refusals)

    def refused(self) -> Sequence[Refusal]:
        return list(self._m.refusals)

    def shown(self) -> Sequence[Version]:
        """Give what viewers see of partners: `from_partners` and disputed copies."""
        return [self._m.held[root] for root in self._m.from_partners] + [
            one for one in self._m.rivals.values() if one.state in SHOWN
        ]

    def owe(self, dues: Sequence[Due]) -> None:
        self._m.dues.extend(one for one in dues if one not in self._m.dues)

    def obligations(self, root: bytes) -> Sequence[Due]:
        return [one for one in self._m.dues if one.root == root]

    def fallen_due(self, now: datetime, most: int) -> Sequence[Due]:
        kept = {
            one.root
            for one in self._m.dues
            if one.duty in KEEP_DUTIES and (one.at is None or one.at > now)
            if (held := self._m.held.get(one.root) or self._m.rivals.get(one.root)) is not None
            and held.state == "withdrawn"
        }
        due = [one for one in self._m.dues if one.at is not None and one.at <= now and one.root not in kept]
        return sorted(due, key=lambda one: (one.at or now, one.root, one.duty, one.article))[:most]

    def fulfil(self, dues: Sequence[Due]) -> None:
        self._m.dues = [one for one in self._m.dues if one not in dues]

    def promised(self, recipient: str, roots: Sequence[bytes]) -> Sequence[Any]:
        return stated_in(self.addressed(recipient, 0), roots)

    def grants_to(self, recipient: str, roots: Sequence[bytes]) -> Sequence[int]:
        return granting(self.addressed(recipient, 0), self.party, roots)

    def pseudonym(self, to: str, holder: str) -> str:
        self._m.secret = self._m.secret or self._m.token(32)
        return pairwise(self._m.secret, "further", f"{self.party}>{to}", holder)

    def first_use(self, key_id: str, nonce: str, at: datetime) -> bool:
        if (key_id, nonce) in self._m.nonces:
            return False
        self._m.nonces[key_id, nonce] = at
        return True
