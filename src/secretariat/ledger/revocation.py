"""Revoked keys: what a dated statement under the root key takes back, and what it leaves standing. No I/O.

Rules, the one place where they stand:

1. A revocation names a key, its role, since when it counts no more, and why. The root key states it, in the
   descriptor and in a `key` entry. It is never undone: of two dates for one key the earlier counts, and a
   revoked key never comes into force again.
2. What a time says about itself proves nothing: a thief writes any date. An entry under a revoked key counts
   only at a position that a tree held which somebody else saw before `since`: a witness whose key is pinned
   here, or this node itself, which cosigns what it keeps. The log's own witness is nobody else. A cosignature
   bears a whole second T and says no more than that it was given from T to T + 1 s: it is of before `since`
   only where that second was over by then (`second_of`).
3. An object under a revoked key counts where an entry that counts names it: one of its originator, or one
   of anybody that was seen before `since`.
4. A log only grows, so one number per log and revocation answers rule 2: the size of the largest tree that
   was seen in time. What stands below it counts.
5. A witness that lost its key may have lied about seconds. So of what its revoked key signed only that
   counts which was here, by our own clock, before `since`.
6. A sealing key signs nothing. Revoked, its private half is destroyed: what is sealed to it is opened no
   more, and its party has another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import ProofError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from secretariat.ledger.witness import Word

    Seen = Callable[[datetime], int]
    """Gives the size of the largest tree of a log that somebody else saw before a moment."""

CODE = "key-revoked"
Role = Literal["record", "log", "transport", "witness", "sealing"]
Reason = Literal["lost", "stolen", "ended"]


class Revocation(msgspec.Struct, frozen=True):
    """A key that counts no more, as descriptor and `key` entry state it."""

    key: str
    role: Role
    since: str
    reason: Reason


class Revoked(msgspec.Struct, frozen=True):
    """The same as it is kept with a party's keys."""

    role: Role
    since: datetime
    reason: Reason


class RevokedError(ProofError):
    """What a revoked key signed and nobody else saw in time."""

    code = CODE


def merged(
    held: Mapping[str, Revoked], stated: Iterable[Revocation], *, latest: datetime
) -> dict[str, Revoked]:
    """Add what a statement of the moment `latest` revokes to what was revoked before (rule 1).

    No revocation is of later than the statement that makes it. Refuses a date that is none.
    """
    found = dict(held)
    for one in stated:
        since = min(parse_stamp(one.since), latest)
        before = found.get(one.key)
        if before is None or since < before.since:
            found[one.key] = Revoked(one.role, since, one.reason)
    return found


def statements_of(held: Mapping[str, Revoked]) -> tuple[Revocation, ...]:
    """Write what is revoked as a statement does, the earliest first."""
    ordered = sorted(held.items(), key=lambda item: (item[1].since, item[0]))
    return tuple(Revocation(key, one.role, stamp(one.since), one.reason) for key, one in ordered)


def check_in_force(named: Collection[str], revoked: Mapping[str, Revoked]) -> None:
    """Refuse a statement that puts a revoked key into force (rule 1)."""
    back = sorted(set(named) & revoked.keys())
    if back:
        raise RevokedError(
            f"a statement names the revoked key {back[0]} as in force",
            advice="a revoked key never comes back; the party makes a new one: secretariat keys rotate",
        )


def second_of(since: datetime) -> int:
    """Give the POSIX second in which a moment lies: only a word of an earlier one is surely of before it."""
    return int(since.replace(microsecond=0).timestamp())


def seen_in_time(words: Iterable[Word], since: datetime, *, author: str) -> int:
    """Give the size of the largest tree that a witness other than the log's own saw before `since`."""
    second = second_of(since)
    return max((one.size for one in words if one.witness != author and one.seconds < second), default=0)


def counts(signers: Collection[str], revoked: Mapping[str, Revoked], position: int, seen: Seen) -> bool:
    """Say whether an entry at a proven position counts, given the keys whose signatures on it hold."""
    return any(key not in revoked or position < seen(revoked[key].since) for key in signers)


def check_entry(
    party: str, signers: Collection[str], revoked: Mapping[str, Revoked], position: int, seen: Seen
) -> None:
    """Refuse an entry that only revoked keys signed and nobody else saw in time (rule 2)."""
    if counts(signers, revoked, position, seen):
        return
    key = min(set(signers) & revoked.keys())
    raise RevokedError(
        f"{party} revoked the key {key} since {stamp(revoked[key].since)} ({revoked[key].reason}),"
        " and nobody else saw this entry before",
        where=f"entry {position}",
        advice=f"what {party} stands by it grants again under its new key",
    )
