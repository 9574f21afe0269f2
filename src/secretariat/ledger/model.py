"""Nouns of a log: the head, an entry as it is kept, what a partner's log is known to be."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

PeerState = Literal["ok", "suspended"]


class Head(msgspec.Struct, frozen=True):
    """Where a log stands: size, root, right edge (hashes packed), ids of the record and log keys in force.

    `stopped` says why nothing may be written any more: a partner holds our own signature on another log.
    """

    size: int
    root: bytes
    frontier: bytes
    keys: str = ""
    stopped: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """One signed line of this node's log, with everything that proves it."""

    position: int
    kind: str
    party: str
    recipient: str | None
    recorded_at: datetime
    envelope: bytes
    salt: bytes
    digest: bytes
    leaf: bytes


class EntryLine(msgspec.Struct, frozen=True):
    """An entry in a list: no envelope, only its length."""

    position: int
    kind: str
    party: str
    recipient: str | None
    recorded_at: datetime
    leaf: bytes
    envelope_bytes: int


class PeerLog(msgspec.Struct, frozen=True):
    """The last state of a partner's log that this node verified."""

    origin: str
    party: str
    size: int
    root: bytes
    note: bytes
    state: PeerState
    reason: str | None
    checked_at: datetime


class PeerEntry(msgspec.Struct, frozen=True):
    """A partner's entry that this node verified and keeps, with its proof into a tree of `proof_size`."""

    origin: str
    position: int
    kind: str
    party: str
    recipient: str | None
    envelope: bytes
    salt: bytes
    proof_size: int
    proof: bytes
    at: datetime


class Contradiction(msgspec.Struct, frozen=True):
    """Two notes that the log's key signed and that cannot both be true; `told_by` showed the second."""

    origin: str
    party: str
    size: int
    one: bytes
    other: bytes
    told_by: str
    at: datetime

    @property
    def digest(self) -> bytes:
        """Name it: the same two notes are the same proof, whoever brought them."""
        return hashlib.sha256(b"".join(sorted((self.one, self.other)))).digest()

    @property
    def name(self) -> str:
        """Give the start of its digest in hex: its address on pages."""
        return self.digest.hex()[:16]


class ShownLog(msgspec.Struct, frozen=True):
    """What a partner last showed us of another partner's log.

    `agrees`: our own kept tree contains it. `open`: nothing proves yet that the two are one log. `void`: only
    a log key signed it that was revoked since, and nobody saw it before: a thief may have, it proves nothing.
    """

    origin: str
    told_by: str
    size: int
    root: bytes
    note: bytes
    state: str
    since: datetime
    at: datetime
