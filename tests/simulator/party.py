"""One party's node in a random world: its store, its clock, what it signed, and whether it is up."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from secretariat.agreements.book import Book
from secretariat.base.clock import parse_stamp
from secretariat.base.errors import ProofError
from secretariat.exchange.memory import _SHARED, Memory, MemoryStore
from secretariat.exchange.model import Peer, Ruling, Version
from secretariat.exchange.peers import Outgoing, Store
from secretariat.exchange.recomputing import Known, rule_with
from secretariat.ledger import entries, joint, object_signature
from secretariat.ledger.entries import Statement
from secretariat.ledger.joint import Word
from secretariat.ledger.keys import ROLES, Keyring, Signer
from secretariat.ledger.property_tree import root_of
from secretariat.ledger.sealing import SealingKeys
from secretariat.records.canonical import canonical

from .terms import Terms, book_of
from .ways import SimulatedNode, peer_of

WAIT = timedelta(days=30)
NOTED = ("consents", "words", "no_words")
COPIED = ("tombs", "attachments", "granted", "arrivals")


class Held(msgspec.Struct, frozen=True):
    """A consent that came to a relay: where it stands, and what it says."""

    origin: str
    position: int
    statement: Statement


class Party:
    """A node and what its operator would know of it."""

    def __init__(self, node: SimulatedNode, terms: Collection[Terms], *, honest: bool) -> None:
        self.node = node
        self.code = node.party
        self.ring = node.keyring
        self.honest = honest
        self.up = True
        self.read_only = False
        self.asking = False
        """Whether it came back from a backup and does not know yet whether it may go on."""
        self.lives = 0
        """Counts how often it came back from one: no connection lasts as long as that takes."""
        self.epoch = 0
        """Counts its starts: what was under way before one is lost."""
        self.skew = timedelta()
        self.terms = {one.key: one for one in terms}
        self.signed: list[frozenset[str]] = [frozenset(self.terms)]
        """What it told partners that it takes, each list as a whole; the last one counts."""
        self.heard: dict[str, list[frozenset[str]]] = defaultdict(list)
        self.consents: list[Held] = []
        self.words: list[tuple[bytes, Word]] = []
        """What it knows that parties said on joint statements, with the bytes they spoke of."""
        self.no_words: list[tuple[str, int]] = []
        """Entries that said they were such a word and were none: log and place."""
        self.backup: dict[str, Any] | None = None
        self.withdrawn: frozenset[bytes] = frozenset()
        """What it had withdrawn when that was made."""
        self.bends: dict[str, list[Callable[[Any], Any]]] = defaultdict(list)
        """What a cheater does to its next pages for a partner."""
        self.hoard: dict[bytes, Version] = {}
        """What a cheater kept of what it should have destroyed."""
        self.reverted = self.lost = False
        self.more_at: set[str] = set()
        """Whether it was put back to an older state unnoticed, and whether partners kept more than it has."""
        self.shadow: Memory | None = None
        """The second log of a forking node, and below who is shown it, and how long the first one was."""
        self.forked: frozenset[str] = frozenset()
        self.forks: dict[str, int] = {}
        self.goes_on = False
        self.robbed: datetime | None = None
        """Since when somebody else has its keys, and below to whom that one shows a false log."""
        self.false_log = ""
        self.renewed_at: tuple[datetime, int] | None = None
        """When and where in its log it took new keys."""
        self.learnt: set[str] = set()
        """Whose new keys it knows."""
        """Whether it shows two logs to the end."""
        self.deaf = False
        """Whether it takes no pages any more, as if it did not hear."""
        self.dies = False
        """Whether it dies in the transaction that it is in."""

    def common(self, partner: str) -> frozenset[str]:
        """What this party believes that both signed."""
        theirs = self.heard[partner][-1] if self.heard[partner] else frozenset()
        return self.signed[-1] & theirs

    def book(self, keys: Collection[str], all_terms: Mapping[str, Terms]) -> Book:
        return book_of(tuple(all_terms[key].body() for key in sorted(keys)))

    def pinned(self, partner: str, set_of: str, all_terms: Mapping[str, Terms]) -> Book | None:
        """Give the set with this hash where both signed it, now or before."""
        for ours in reversed(self.signed):
            for theirs in reversed(self.heard[partner]):
                book = self.book(ours & theirs, all_terms)
                if book.hash == set_of:
                    return book
        return None

    @contextlib.contextmanager
    def look(self, now: datetime) -> Iterator[Store]:
        """Read; in memory without the cost of a transaction."""
        if isinstance(self.node.backend, Memory):
            if self.node.backend.host is not None:  # a guest's log is its host's
                for name in _SHARED:
                    setattr(self.node.backend, name, getattr(self.node.backend.host, name))
            yield MemoryStore(self.node.backend, now)
        else:
            with self.node.store(now) as store:
                yield store

    def recompute(self, store: Store, now: datetime, all_terms: Mapping[str, Terms]) -> Callable[..., Any]:
        """Give the shipped ruling with what this node knows."""

        def rule(
            sender: Peer, statement: Statement, evidence: Any, objects: Sequence[Version]
        ) -> list[Ruling]:
            grant = entries.body_as(statement, entries.Grant)
            known = Known(self.pinned(sender.party, grant.instruments, all_terms), _no_markings, {}, WAIT)
            return rule_with(store, known, sender, statement, evidence, objects, now=now)

        return rule

    def note(self, store: Store, sender: Peer, position: int, statement: Statement) -> bool:
        """Take notice of an entry that brings no objects; True when something that waits may go on."""
        if statement.kind == "countersign":  # as joint_service.take_in does
            kept = store.peer_entry(sender.origin, position)
            assert kept is not None
            try:
                said = joint.word_of(kept.envelope, position, store.record_keys(kept.party))
                self.words.append(said)
            except ProofError:
                self.no_words.append((sender.origin, position))
            return False
        if statement.kind == "consent":
            self.consents.append(Held(sender.origin, position, statement))
        elif statement.kind == "instrument-agreed":
            keys = frozenset(str(one["key"]) for one in statement.body.get("instruments", ()))
            if keys not in self.heard[statement.party][-1:]:
                self.heard[statement.party].append(keys)
                return True
        return False

    def snapshot(self) -> dict[str, Any]:
        """Give everything that it keeps, as a backup would hold it."""
        kept = vars(self.node.backend)
        found: dict[str, Any] = {}
        for name, value in kept.items():
            if name in COPIED:
                found[name] = type(value)(
                    value.default_factory, {key: copy.copy(held) for key, held in value.items()}
                )
            else:
                found[name] = value if name in {"keyring", "token"} else copy.copy(value)
        return {
            "memory": found,
            "signed": list(self.signed),
            "heard": {party: list(held) for party, held in self.heard.items()},
            "consents": list(self.consents),
            "words": list(self.words),
            "no_words": list(self.no_words),
        }

    def noted(self) -> dict[str, Any]:
        """How far it has taken notice, to go back to where it dies meanwhile."""
        return {
            "heard": {party: len(held) for party, held in self.heard.items()},
            **{name: len(getattr(self, name)) for name in NOTED},
        }

    def unnote(self, noted: dict[str, Any]) -> None:
        for name in NOTED:
            del getattr(self, name)[noted[name] :]
        for party, held in self.heard.items():
            del held[noted["heard"].get(party, 0) :]

    def restore(self, held: dict[str, Any]) -> None:
        vars(self.node.backend).update(held["memory"])
        self.signed = held["signed"]
        self.heard = defaultdict(list, held["heard"])
        self.consents, self.words, self.no_words = held["consents"], held["words"], held["no_words"]


def _no_markings(refs: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    return {}


def announcement(to: str, keys: Collection[str], book: Book) -> Outgoing:
    """The entry by which a party tells a partner which instruments it takes."""
    body = entries.InstrumentAgreed(
        to=to, set_hash=book.hash, instruments=[{"key": key} for key in sorted(keys)]
    )
    return Outgoing("instrument-agreed", to, body)


def keyring(seed: int, party: str) -> Keyring:
    """Make the keys of a party in a world: the same every time."""

    def signer(role: str) -> Signer:
        return Signer.from_seed(hashlib.sha256(f"{seed} {party} {role}".encode()).digest())

    keys = {role: signer(role) for role in ROLES}
    return Keyring(
        party,
        "live",
        f"{party.lower()}.example/live",
        keys["root"],
        keys["record"],
        keys["log"],
        keys["transport"],
        keys["witness"],
        keys["root"].public,
        sealing=SealingKeys.generate(),
    )


def in_memory(seed: int, party: str) -> SimulatedNode:
    """Make a node in memory whose keys and salts follow from the seed."""
    memory = Memory(keyring(seed, party), random.Random(f"salts {seed} {party}").randbytes)
    return SimulatedNode(memory.keyring, memory.transaction, memory)


def sealed(ring: Keyring, value: dict[str, Any], salt: bytes, *, signer: Signer | None = None) -> Version:
    """Sign an object version as its originator."""
    data = canonical(value)
    root = root_of(data, salt)
    signature = object_signature.sign_object(value, root, signer or ring.record)
    return Version(
        stix_id=value["id"],
        version=value["modified"],
        type=value["type"],
        originator=ring.party,
        source=ring.party,
        root=root,
        salt=salt,
        data=data,
        signature=signature,
        state="published",
        created=value["created"],
        modified=value["modified"],
    )


def enrol(at: Party, partner: Party, now: datetime) -> None:
    with at.node.store(now) as store:
        store.save_peer(peer_of(partner.ring))


def until_of(text: str | None) -> date | None:
    return None if text is None else parse_stamp(text).date()
