"""The key with which a host signs for a guest, a party without a node (decisions.md 5).

Rules:

1. One key per guest and realm, `guests/<PARTY>/guest.pem` inside the host's keys of that realm. It signs the
   guest's entries and objects; the checkpoints they stand under are signed by the host's own `log` key.
2. Making one and using one are two things: whoever uses it names the person of the guest who said DO, or only
   states a fact (exchange/guests.py).
3. When the guest moves or leaves, the private half is destroyed: what is not here cannot sign.
4. Another key takes its place in one step (`replace`); which former ones count no more stands beside it, and
   the public halves of all of them stay, for what they signed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from secretariat.base.errors import ConflictError, InputError, StateError
from secretariat.ledger import keys, revocation
from secretariat.ledger.keys import Keyring, Signer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from secretariat.ledger.revocation import Revocation

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GUEST_KEY = "guest.pem"


def folder_of(folder: Path, party: str) -> Path:
    """Give the folder in which a host keeps the key of a guest, inside its own keys of a realm."""
    if not _CODE.fullmatch(party):
        raise InputError(f"not a party code: {party!r}", where="party", advice="letters, digits, . _ -")
    return folder / "guests" / party


def create(folder: Path, party: str, host: Keyring) -> Keyring:
    """Make the key of a guest. Refuses a guest that has one already."""
    own = folder_of(folder, party)
    own.parent.mkdir(exist_ok=True, mode=0o700)
    own.mkdir(exist_ok=True, mode=0o700)
    own.chmod(0o700)
    if (own / _GUEST_KEY).exists():
        raise ConflictError(f"{party} has a key here already", where=str(own))
    signer = Signer.generate()
    keys.write_private(own / _GUEST_KEY, signer.to_pem())
    keys.write_public(own / "guest.pub", signer.public)
    return ring_of(signer, party, host)


def load(folder: Path, party: str, host: Keyring) -> Keyring:
    """Read the key with which this node signs for a guest. Refuses where it is not here (any more)."""
    path = folder_of(folder, party) / _GUEST_KEY
    if not path.exists():
        raise StateError(
            f"this node does not sign for {party}",
            where=str(path),
            advice=f"{party} is no guest here, or has moved to a node of its own",
        )
    signer = Signer.from_pem(path.read_bytes(), where=str(path))
    return replace(
        ring_of(signer, party, host),
        retired=keys.read_retired(path.parent),
        revoked=keys.read_revoked(path.parent),
    )


def replace_key(folder: Path, ring: Keyring, one: Revocation, *, now: datetime) -> Keyring:
    """Put a new key in the place of a guest's, and write down since when the former counts no more.

    The caller then appends a `guest` entry that says so. Killed in between, `unsaid` keys sign nothing that
    counts: the next call says what this one did not.
    """
    own = folder_of(folder, ring.party)
    fresh = Signer.generate()
    (own / "retired").mkdir(exist_ok=True, mode=0o700)
    keys.write_public(own / "retired" / f"{ring.record.key_id}.pub", ring.record.public)
    revoked = revocation.merged(ring.revoked, [one], latest=now)
    keys.write_revoked(own, revoked)
    keys.put_private(own / _GUEST_KEY, fresh)
    keys.write_public(own / "guest.pub", fresh.public)
    return replace(
        ring_of(fresh, ring.party, ring.host or ring), retired=keys.read_retired(own), revoked=revoked
    )


def destroy(folder: Path, party: str) -> None:
    """Destroy the private half of a guest's key; the public half stays, for what it signed."""
    path = folder_of(folder, party) / _GUEST_KEY
    path.unlink(missing_ok=True)


def ring_of(signer: Signer, party: str, host: Keyring) -> Keyring:
    """Give the ring with which `host` signs for a guest: its key for entries and objects, else the host's."""
    return Keyring(
        party,
        host.realm,
        host.origin,
        None,
        signer,
        host.log,
        host.transport,
        host.witness,
        signer.public,
        host=host,
    )
