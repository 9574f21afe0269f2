"""The nouns of exchange between nodes: partner, kept log, object version, holding, refusal, obligation.

All are facts at a moment, so all are frozen. Nothing here does I/O.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from secretariat.exchange.wire import CarriedEntry, Cursor
from secretariat.ledger.entries import Statement
from secretariat.ledger.revocation import Revoked

PeerState = Literal["invited", "accepted", "suspended", "removed"]
Outcome = Literal["received", "own", "quarantined", "waiting", "disputed", "refused", "gone", "kept-by-law"]
"""What a receiver did with one granted object. `received` and `disputed` are shown, the rest is not."""
HoldingState = Literal[
    "received",
    "own",
    "quarantined",
    "waiting",
    "disputed",
    "refused",
    "gone",
    "asked",
    "destroyed",
    "returned",
    "kept-by-law",
    "kept-otherwise",
    "cannot-answer",
    "lost",
]
"""What a holder said it did, or (`asked`, `cannot-answer`) what we know it was told."""
KEEP_DUTIES: Final = frozenset({"keep", "keep_by_law", "retain", "retain_by_law", "archive"})
DESTROY_DUTIES: Final = frozenset({"destroy", "delete", "destroy_or_return", "return_or_destroy"})
ANSWERS: Final = ("destroyed", "returned", "kept-by-law", "kept-otherwise")
Fate = tuple[int, bytes, Outcome, str]
"""Position of the grant, root, what became of the object, and why."""
SHOWN_STATES: Final = {"received": "kept", "disputed": "disputed"}
SHOWN: Final = frozenset({"kept", "partial", "disputed"})
"""States of versions that viewers see: a received one is `partial` where a relay left something out."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A partner as enrolled in one realm: pinned keys, address, how far we are with its log."""

    party: str
    name: str
    root_key: bytes
    record_keys: dict[str, bytes]
    """Every record key the party ever had here: old signatures stay good."""
    log_keys: dict[str, bytes]
    """What signs its log now."""
    transport_keys: dict[str, bytes]
    origin: str
    url: str
    state: PeerState = "accepted"
    reason: str | None = None
    retired: dict[str, datetime] = {}
    """Record keys that a newer statement no longer named, and since when: see ledger/statements.py."""
    ended: dict[str, int] = {}
    """The same as a place in the party's log: the `key` entry from which on the key signs nothing."""
    revoked: dict[str, Revoked] = {}
    """Keys of any role that count no more, and since when: ledger/revocation.py."""
    cursor: Cursor = Cursor()
    last_contact: datetime | None = None
    last_error: str | None = None
    descriptor: bytes = b""
    via: str = ""
    """The party whose node is the mailbox between the two; empty where one of them reaches the other."""
    sealing_keys: dict[str, bytes] = {}
    witness_keys: dict[str, bytes] = {}
    former_log_keys: dict[str, bytes] = {}
    """Log keys that a newer statement no longer named: they sign no page, a fork under them is its own."""
    client_pins: tuple[str, ...] = ()
    """Keys of the certificates with which its node comes (certificates.py); none: it need not."""
    server_pins: tuple[str, ...] = ()
    """Keys that the server at `url` has (connecting.py); none: the system's authorities vouch for it."""
    host: str = ""
    """The party that hosts this one, which then has no node: a guest speaks in its host's log."""


class KeptLog(msgspec.Struct, frozen=True):
    """The newest checkpoint of a partner's log that this node verified and kept."""

    origin: str
    party: str
    size: int
    root: bytes
    note: bytes
    suspended: str | None = None
    """Why nothing of this log is believed until a person resumes it."""


class LogEntry(msgspec.Struct, frozen=True):
    """One line of a log: what was signed, its salt and where it stands."""

    position: int
    kind: str
    party: str
    recipient: str | None
    envelope: bytes
    salt: bytes


class Version(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version of one object as it is stored and carried; `root` is what entries name it by."""

    stix_id: str
    version: str
    """`modified`, else `created`; empty for observables, which have neither."""
    type: str
    originator: str
    source: str
    root: bytes
    salt: bytes
    """The salt of a whole copy, or the proof of a partial (ledger/property_tree.py)."""
    data: bytes
    signature: bytes
    state: str
    created: str | None = None
    modified: str | None = None
    revoked: bool = False


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """What this node's own recomputation of a grant says about one object.

    `equal`: it may come, by the very articles and duties that the grant states. `unequal`: it may not, or
    not so. `own`: it is our own information. `unknown`: an instrument, a marking or a key is missing here.
    `refused`: this realm may not hold it.
    """

    outcome: Literal["equal", "unequal", "own", "unknown", "refused"]
    why: str = ""
    label: object = None


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An object version that a grant brought, with the label it has here and the grant's place."""

    version: Version
    label: object
    origin: str
    position: int
    sender: str
    """Who granted it: the party whose log it is, or one that this party hosts."""
    why: str = ""


class Granted(msgspec.Struct, frozen=True):
    """A grant under which a version is held: who granted it, and where the entry stands."""

    sender: str
    origin: str
    position: int


class Line(msgspec.Struct, frozen=True):
    """One entry of a page, verified, and the roots of the objects it grants in order."""

    entry: LogEntry
    statement: Statement
    carried: CarriedEntry
    roots: list[bytes]
    speaker: Peer
    """Who signed it: the party whose log it is, or a guest of that party."""
    disowned: str = ""
    """Why it counts nothing, though it stands in the log: the key was revoked (disowning.py)."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Something a partner sent that was not accepted: which rule it broke, and where. Never its content."""

    party: str
    code: str
    what: str
    where: str | None = None
    advice: str | None = None
    position: int | None = None
    root: str | None = None
    evidence: bytes = b""


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one party holds of one object version, by its own signed word, or what it was asked."""

    root: bytes
    holder: str
    state: HoldingState
    via: str
    origin: str
    position: int
    at: datetime
    note: str | None = None
    due: datetime | None = None
    """By when an answer to the call is due, under `article`; None: no instrument says."""
    article: str = ""


class Due(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A duty with a date that an object version brought along."""

    root: bytes
    duty: str
    article: str
    owed_to: str
    at: datetime | None
    """None: the day is not known yet, it follows from the end of an instrument."""
