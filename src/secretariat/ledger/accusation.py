"""A portable proof against a log: two checkpoints of one size that its own keys signed, with different roots.

One file, JSON, that anybody verifies offline (docs/protocol.md "Accusation"). It proves what its two notes
prove and nothing else: who showed them, and when, is told beside them and proves nothing. That the key is the
party's follows from the party's own statement of its keys under its root key, where one is in the file; whose
that root key is, the reader must know from elsewhere.

A smaller tree than one shown before is no such proof: an old checkpoint is genuine for ever. Nor are two
under a key that a statement in the file revokes since before they were kept: a thief may have signed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.base.clock import stamp
from secretariat.base.errors import InputError, ProofError, SecretariatError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import revocation, statements
from secretariat.ledger.keys import key_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.ledger.checkpoint import Checkpoint
    from secretariat.ledger.model import Contradiction
    from secretariat.ledger.revocation import Revoked

FORMAT = "secretariat-accusation"
VERSION = 1
MAX_BYTES = 1_048_576


class Accusation(msgspec.Struct, frozen=True):
    """The file. `notes` are the two checkpoints, `keys` the verifier keys (C2SP signed-note) of the log."""

    format: str
    v: int
    origin: str
    party: str
    realm: str
    size: int
    notes: tuple[str, str]
    keys: tuple[str, ...]
    statements: tuple[str, ...]
    told_by: str
    kept_at: str
    accused_by: str


class Judged(msgspec.Struct, frozen=True):
    """What an accusation proves: that the holder of one key, or of a root key's log keys, signed two logs.

    `key` are the verifier keys of those that did; whose they are said to be stands beside them.
    """

    proven: bool
    origin: str
    party: str
    size: int
    roots: tuple[str, ...]
    key: str
    root_key: str | None
    root_key_from: str
    problems: tuple[str, ...]
    revoked: tuple[str, ...] = ()
    """Which of the keys a statement in the file revokes, since when, and when the proof was kept, as told."""


def write(
    found: Contradiction,
    *,
    realm: str,
    log_keys: Sequence[bytes],
    stated: Sequence[bytes],
    by: str,
) -> bytes:
    """Write a kept contradiction as a file. `stated` are the party's sealed statements of its keys."""
    one = Accusation(
        FORMAT,
        VERSION,
        found.origin,
        found.party,
        realm,
        found.size,
        (found.one.decode(), found.other.decode()),
        tuple(notes.verifier_key(found.origin, key) for key in log_keys),
        tuple(sealed.decode() for sealed in stated),
        found.told_by,
        stamp(found.at),
        by,
    )
    return msgspec.json.format(msgspec.json.encode(one), indent=1) + b"\n"


def read(data: bytes) -> Accusation:
    """Read an accusation without believing it. Refuses what is none."""
    if len(data) > MAX_BYTES:
        raise InputError(f"an accusation of {len(data)} bytes", advice=f"at most {MAX_BYTES}")
    try:
        found = msgspec.json.decode(data, type=Accusation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not an accusation: {error}") from error
    if (found.format, found.v) != (FORMAT, VERSION):
        raise ProofError(f"format {found.format!r} version {found.v}", advice=f"{FORMAT} {VERSION} is read")
    return found


def judge(data: bytes, *, key: str | None = None) -> Judged:
    """Say whether a file proves that a log is false. Needs nothing but the file.

    `key`: the party's root key (hex or id), or the log's verifier key, from a source one trusts. Without it
    the file proves only that whoever holds the key in it signed two logs.
    """
    found = read(data)
    problems: list[str] = []
    named = _keys(found, key, problems)
    root_key, by_root, revoked = _root_keys(found, key, problems)
    shown = _shown(found, problems)
    believed = by_root if root_key is not None else named
    both = [public for public in {**named, **by_root}.values() if _both(found, public)]
    signed_by = sorted(both, key=lambda one: (key_id(one) not in believed, key_id(one) in revoked))[:1]
    proven = bool(shown) and any(key_id(public) in believed for public in signed_by)
    if shown and not signed_by and root_key is not None:  # the party replaced its key between the two
        each = [next((one for one in by_root.values() if _signed(found, note, one)), None) for note in (0, 1)]
        signed_by = [one for one in each if one is not None] if None not in each else []
        proven = bool(signed_by)
    if shown and not signed_by:
        problems.append("no single key that the file names signed both checkpoints")
    elif shown and not proven:
        problems.append("the key that signed both is not one that the root key names")
    doubts = []
    for one, since in sorted((key, revoked[key]) for key in map(key_id, signed_by) if key in revoked):
        doubts.append(f"{one} is revoked since {since}; kept {found.kept_at}, says {found.accused_by}")
        if found.kept_at >= since:
            problems.append(
                f"{found.party} revoked a key that signed it, before it was kept: perhaps a thief did"
            )
    return Judged(
        proven and not problems,
        found.origin,
        found.party,
        found.size,
        tuple(one.root.hex() for one in shown),
        ", ".join(notes.verifier_key(found.origin, one) for one in signed_by),
        root_key,
        "you" if key is not None else "the file itself: compare it with what the party told you",
        tuple(problems),
        tuple(doubts),
    )


def _shown(found: Accusation, problems: list[str]) -> list[Checkpoint]:
    try:
        shown = [notes.parse(one.encode()) for one in found.notes]
    except SecretariatError as error:
        problems.append(str(error))
        return []
    one, other = shown
    if {one.origin, other.origin} != {found.origin}:
        problems.append(f"the checkpoints are of {one.origin} and {other.origin}, not of {found.origin}")
    if one.size != other.size or one.size != found.size:
        problems.append(f"checkpoints of {one.size} and {other.size} entries may both be genuine")
    if one.root == other.root:
        problems.append("the two checkpoints have one root and agree")
    return shown


def _both(found: Accusation, public: bytes) -> bool:
    return _signed(found, 0, public) and _signed(found, 1, public)


def _signed(found: Accusation, number: int, public: bytes) -> bool:
    try:
        notes.verify(found.notes[number].encode(), found.origin, [public])
    except SecretariatError:
        return False
    return True


def _keys(found: Accusation, key: str | None, problems: list[str]) -> dict[str, bytes]:
    """Give the log keys that the file names, or the one that the reader named instead."""
    wanted = [key] if key is not None and "+" in key else list(found.keys)
    keys = {}
    for text in wanted:
        try:
            one = notes.parse_verifier_key(text)
            if one.name == found.origin and one.kind == notes.ED25519:
                keys[key_id(one.public)] = one.public
            else:
                problems.append(f"{text[:80]} is no key of the log {found.origin}")
        except SecretariatError as error:
            problems.append(str(error))
    return keys


def _root_keys(
    found: Accusation, key: str | None, problems: list[str]
) -> tuple[str | None, dict[str, bytes], dict[str, str]]:
    """Give the root key's id, the log keys that its statements name, and since when they revoke which.

    None of it where a log key was named instead.
    """
    if (key is not None and "+" in key) or not found.statements:
        if key is not None and "+" not in key:
            problems.append("the file holds no statement of keys under a root key")
        return None, {}, {}
    try:
        root = statements.root_of(found.statements[-1].encode())
        if key is not None and key not in {root.hex(), key_id(root)}:
            problems.append(f"the file's root key is {key_id(root)}, not the one you gave")
        said = [statements.read(one.encode(), found.realm, root) for one in found.statements]
    except SecretariatError as error:
        problems.append(str(error))
        return None, {}, {}
    if any((one.party, one.origin) != (found.party, found.origin) for one in said):
        problems.append(f"a statement of keys is not of {found.party} and {found.origin}")
    taken: dict[str, Revoked] = {}
    for one in said:
        taken = revocation.merged(taken, one.revoked, latest=one.at)
    revoked = {key: stamp(each.since) for key, each in taken.items()}
    return key_id(root), {key_id(one.log): one.log for one in said}, revoked
