"""Sealing bytes to one party: HPKE (RFC 9180), so that whoever carries them sees their size and no more.

Rules:

1. One X25519 key pair per party and realm, named in the descriptor that the root key signs. Suite:
   DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, mode base. Who wrote it is said by a signature
   inside, never by the sealing.
2. `info` binds what is sealed to its outside: a box opened under another `info` is refused.
3. A key id is `x25519-` and the first 16 bytes of SHA-256 over the 32-byte public key, in hex.
4. After a rotation the former private keys stay under `retired/` and still open: partners seal to the old key
   until they accept the new descriptor, and boxes may wait in a mailbox. They are destroyed when the operator
   revokes them (exchange/own_keys.py); a revoked one opens nothing, should its file come back.

The cryptography is `cryptography`'s own HPKE.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from secretariat.base.errors import InputError, NotFoundError, ProofError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

ALGORITHM: Final = "x25519"
PUBLIC_BYTES: Final = 32
OVERHEAD: Final = 32 + 16
"""Bytes by which a box is larger than what it holds: the encapsulated key and the tag."""
FILE: Final = "sealing.pem"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def sealing_key_id(public: bytes) -> str:
    """Name a public sealing key. Refuses anything but 32 bytes."""
    if len(public) != PUBLIC_BYTES:
        raise InputError(f"an X25519 public key has 32 bytes, not {len(public)}")
    return f"{ALGORITHM}-{hashlib.sha256(public).hexdigest()[:32]}"


def seal(data: bytes, public: bytes, info: bytes) -> bytes:
    """Seal `data` to the holder of `public`, bound to `info`. Refuses what is no such key."""
    try:
        return _SUITE.encrypt(data, X25519PublicKey.from_public_bytes(public), info)
    except ValueError as error:
        raise InputError("not an X25519 public key that can be sealed to", where="sealing") from error


class SealingKeys:
    """The private keys by which one party opens what was sealed to it: the one in force and former ones."""

    __slots__ = ("_private", "key_id", "public")

    def __init__(self, private: X25519PrivateKey, former: Iterable[X25519PrivateKey] = ()) -> None:
        self.public: bytes = _public(private)
        self.key_id = sealing_key_id(self.public)
        held: Mapping[str, X25519PrivateKey] = {sealing_key_id(_public(one)): one for one in former}
        self._private = {**held, self.key_id: private}

    def __repr__(self) -> str:
        return f"<SealingKeys {self.key_id} and {len(self._private) - 1} former>"

    @property
    def former(self) -> list[str]:
        """Name the keys that still open and are sealed to no more."""
        return sorted(self._private.keys() - {self.key_id})

    @classmethod
    def generate(cls) -> SealingKeys:
        """Make a new key from the system's randomness."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SealingKeys:
        """Make the key of 32 private bytes: vectors and tests."""
        return cls(X25519PrivateKey.from_private_bytes(seed))

    def open(self, box: bytes, key: str, info: bytes) -> bytes:
        """Open a box that was sealed to `key` under `info`. Refuses any other box or key."""
        private = self._private.get(key)
        if private is None:
            raise ProofError(
                f"sealed to the key {key[:80]!r}, which is none of ours",
                where="key",
                advice="give the partner your present descriptor: secretariat peers invite",
            )
        try:
            return _SUITE.decrypt(box, private, info)
        except (InvalidTag, ValueError) as error:
            raise ProofError(
                "the box does not open: it was changed, cut, or sealed for another place", where="box"
            ) from error


def _public(private: X25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def create(folder: Path) -> SealingKeys:
    """Make the sealing key of a realm in its key folder."""
    _write(folder / FILE, X25519PrivateKey.generate())
    found = load(folder)
    assert found is not None
    return found


def load(folder: Path, revoked: Collection[str] = ()) -> SealingKeys | None:
    """Read the sealing keys of a folder; None where there is none (the node then uses no mailbox)."""
    if not (folder / FILE).exists():
        return None
    paths = sorted(folder.glob(f"retired/{ALGORITHM}-*.pem"))
    return SealingKeys(_read(folder / FILE), [_read(path) for path in paths if path.stem not in revoked])


def destroy(folder: Path, revoked: Collection[str]) -> None:
    """Delete the private halves of former keys that are revoked."""
    for path in folder.glob(f"retired/{ALGORITHM}-*.pem"):
        if path.stem in revoked:
            path.unlink()


def rotate(folder: Path) -> SealingKeys:
    """Put a new sealing key in the place of the old one, which still opens; makes the first one too."""
    if not folder.is_dir():
        raise NotFoundError("there is no key folder", where=str(folder), advice="secretariat init")
    held = load(folder)
    if held is not None:
        retired = folder / "retired"
        retired.mkdir(exist_ok=True, mode=0o700)
        kept = retired / f"{held.key_id}.pem"
        if not kept.exists():  # a rotation that was cut short left it there
            _write(kept, _read(folder / FILE))
    _write(folder / FILE, X25519PrivateKey.generate())
    found = load(folder)
    assert found is not None
    return found


def _write(path: Path, private: X25519PrivateKey) -> None:
    """Write a key into its place in one step: a file there is the one before or this one, whole."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path) -> X25519PrivateKey:
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError("not an unencrypted PKCS 8 private key in PEM", where=str(path)) from error
    if not isinstance(private, X25519PrivateKey):
        raise InputError("not an X25519 key", where=str(path), advice="secretariat keys rotate sealing")
    return private
