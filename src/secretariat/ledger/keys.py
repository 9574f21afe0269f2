"""The keys of one party in one realm, and signing with them (Ed25519, RFC 8032).

Rules:

1. Five keys, one purpose each, so that a lost one can be replaced alone:
   `root` names the others (key entries, the descriptor of enrolment) and may be kept off the machine,
   `record` signs objects and entries, `log` signs checkpoints, `transport` signs requests between nodes,
   `witness` cosigns partners' checkpoints. Beside them stands the `sealing` key, which opens (sealing.py).
2. A key id is `ed25519-` and the first 16 bytes of SHA-256 over the 32-byte public key, in hex. It names a
   key; trust comes from enrolment, never from the id.
3. Private keys are PKCS 8 PEM files that only their owner may read. Nothing here prints or logs one.
4. `live` and `exercise` never share a key.
5. A guest's key is kept beside these (guest_keys.py).
6. Which keys are revoked stands in `revoked.json` beside them (revocation.py); public halves of former keys
   stay under `retired/`, for old signatures.
7. The key of the realm's TLS certificate stands beside them and signs nothing of ours (tls_key.py).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign, crypto_sign_open
from nacl.exceptions import BadSignatureError

from secretariat.base.clock import parse_stamp
from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.ledger import revocation, sealing, tls_key
from secretariat.ledger.revocation import Revocation, Revoked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from secretariat.ledger.sealing import SealingKeys
    from secretariat.ledger.tls_key import TlsKey

ALGORITHM = "ed25519"
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
ROLES = ("root", "record", "log", "transport", "witness")
REVOKED_FILE = "revoked.json"


def key_id(public: bytes) -> str:
    """Name a public key. Refuses anything but 32 bytes."""
    if len(public) != PUBLIC_BYTES:
        raise InputError(f"an Ed25519 public key has 32 bytes, not {len(public)}")
    return f"{ALGORITHM}-{hashlib.sha256(public).hexdigest()[:32]}"


def is_point(public: bytes) -> bool:
    """Say whether these bytes are a public key as the algorithm makes them: of the prime-order group."""
    return len(public) == PUBLIC_BYTES and bool(crypto_core_ed25519_is_valid_point(public))


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether `signature` over `message` was made by the private half of `public`.

    Never for a key of small order, under which anybody could sign anything. Refuses what is no key by length.
    """
    if len(public) != PUBLIC_BYTES:
        raise InputError("not an Ed25519 public key", advice="give its 32 bytes")
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


class Signer:
    """One private key: its id, its public half, and `sign`."""

    __slots__ = ("_private", "_secret", "key_id", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: bytes = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id(self.public)
        self._secret = private.private_bytes_raw() + self.public  # as libsodium takes it

    def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"<Signer {self.key_id}>"

    @classmethod
    def generate(cls) -> Signer:
        """Make a new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Signer:
        """Make the key of a 32-byte seed (RFC 8032 section 5.1.5): vectors and tests."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes, *, where: str | None = None) -> Signer:
        """Read a PKCS 8 PEM. Refuses any other algorithm."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise InputError("not an unencrypted PKCS 8 private key in PEM", where=where) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InputError("not an Ed25519 key", where=where, advice="keys are made by `secretariat init`")
        return cls(private)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """Write the private key as PKCS 8 PEM, encrypted (PBES2) where a passphrase is given."""
        how = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


@dataclass(frozen=True, repr=False)
class Keyring:
    """What one party signs with in one realm. `root` is None where it is kept off this machine."""

    party: str
    realm: str
    origin: str
    """The name of the log that these keys write, `<host>/<realm>`."""
    root: Signer | None
    record: Signer
    log: Signer
    transport: Signer
    witness: Signer
    root_public: bytes
    retired: Mapping[str, bytes] = field(default_factory=dict)
    """Public keys that this party used before, by key id."""
    revoked: Mapping[str, Revoked] = field(default_factory=dict)
    """Keys of this party that count no more, by key id (revocation.py)."""
    sealing: SealingKeys | None = None
    """What opens letters that come through a mailbox; None in a set that was made without."""
    tls: TlsKey | None = None
    """With which certificate the node comes to partners; None in a set that was made without."""
    host: Keyring | None = None
    """The keys of the node that writes this party's entries into its log, where the party is a guest."""

    def __repr__(self) -> str:
        return f"<Keyring {self.party}/{self.realm} record={self.record.key_id}>"

    @classmethod
    def generate(cls, party: str, realm: str, host: str) -> Keyring:
        """Make a whole new set in memory."""
        root = Signer.generate()
        record, log, transport, witness = (Signer.generate() for _ in ROLES[1:])
        return cls(
            party,
            realm,
            f"{host}/{realm}",
            root,
            record,
            log,
            transport,
            witness,
            root.public,
            sealing=sealing.SealingKeys.generate(),
        )

    @cached_property
    def public(self) -> Mapping[str, bytes]:
        """Give every public key of this party, retired ones too, by key id."""
        if self.host is not None:  # log, transport and witness are the host's
            return {self.record.key_id: self.record.public, **self.retired}
        own = (self.record, self.log, self.transport, self.witness)
        return {
            key_id(self.root_public): self.root_public,
            **{signer.key_id: signer.public for signer in own},
            **self.retired,
        }

    @property
    def revoked_publics(self) -> frozenset[bytes]:
        """Give the public halves of the keys that count no more."""
        return frozenset(public for key, public in self.public.items() if key in self.revoked)

    @property
    def by_role(self) -> Mapping[str, bytes]:
        """Give the public keys in force by role."""
        return {
            "root": self.root_public,
            "record": self.record.public,
            "log": self.log.public,
            "transport": self.transport.public,
            "witness": self.witness.public,
        }


def folder_of(data: Path, realm: str) -> Path:
    """Give the folder in which a node keeps the keys of a realm."""
    return data / "keys" / realm


def create(folder: Path, *, party: str, realm: str, host: str) -> Keyring:
    """Make a new set of keys in `folder`. Refuses a folder that holds a key already."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    held = [role for role in ROLES if (folder / f"{role}.pem").exists()]
    if held:
        raise ConflictError(
            f"keys exist already: {', '.join(held)}",
            where=str(folder),
            advice="a new set would orphan what the old one signed; use `rotate` to replace one key",
        )
    keyring = Keyring.generate(party, realm, host)
    for role in ROLES:
        signer: Signer = getattr(keyring, role)
        write_private(folder / f"{role}.pem", signer.to_pem())
        write_public(folder / f"{role}.pub", signer.public)
    return replace(keyring, sealing=sealing.create(folder), tls=tls_key.create(folder))


def load(folder: Path, *, party: str, realm: str, host: str) -> Keyring:
    """Read the keys of `folder`; `root.pem` may be missing if `root.pub` is there."""
    signers: dict[str, Signer] = {}
    for role in ROLES:
        path = folder / f"{role}.pem"
        if path.exists():
            signers[role] = Signer.from_pem(path.read_bytes(), where=str(path))
        elif role != "root":
            raise NotFoundError(
                f"the {role} key is missing",
                where=str(path),
                advice=f"restore it from a backup, or make a new one: secretariat keys rotate {role}",
            )
    signers.pop("root", None)
    root_public, root = root_of(folder)
    revoked = read_revoked(folder)
    retired = read_retired(folder)
    return Keyring(
        party,
        realm,
        f"{host}/{realm}",
        root,
        signers["record"],
        signers["log"],
        signers["transport"],
        signers["witness"],
        root_public,
        retired,
        revoked,
        sealing.load(folder, revoked),
        tls_key.load(folder),
    )


def root_of(folder: Path) -> tuple[bytes, Signer | None]:
    """Give the root key's public half and, where it is on this machine, the whole."""
    path = folder / "root.pem"
    if not path.exists():
        return _read_public(folder / "root.pub"), None
    root = Signer.from_pem(path.read_bytes(), where=str(path))
    return root.public, root


def with_root(ring: Keyring, root: Signer) -> Keyring:
    """Give the ring with its root key, brought for one step. Refuses another party's, or another realm's."""
    if root.public != ring.root_public:
        raise InputError(
            f"not the root key of {ring.party} in {ring.realm}",
            where=root.key_id,
            advice=f"that is {key_id(ring.root_public)}",
        )
    return replace(ring, root=root)


def rotate(
    folder: Path, role: str, *, party: str, realm: str, host: str, root: Signer | None = None
) -> Keyring:
    """Replace one key by a new one and keep the public half of the old one under `retired/`.

    `root` is the root key where it is kept off this machine. Refuses the role `root`: a new root is a new
    enrolment. The caller then appends a `key` entry, which the root key signs; until then partners refuse
    what the new key signs.
    """
    if role not in ROLES or role == "root":
        raise InputError(
            f"{role!r} cannot be rotated",
            advice=f"one of {', '.join(ROLES[1:])}; a new root is a new enrolment",
        )
    held = load(folder, party=party, realm=realm, host=host)
    held = held if root is None else with_root(held, root)
    if held.root is None:
        raise StateError(
            "the root key is not on this machine", where=str(folder), advice="bring it: --root FILE"
        )
    old: Signer = getattr(held, role)
    retired = folder / "retired"
    retired.mkdir(exist_ok=True, mode=0o700)
    write_public(retired / f"{old.key_id}.pub", old.public)
    fresh = Signer.generate()
    put_private(folder / f"{role}.pem", fresh)  # from here on the new one is in force, before it the old
    write_public(folder / f"{role}.pub", fresh.public)
    return replace(load(folder, party=party, realm=realm, host=host), root=held.root)


def replace_missing(folder: Path, role: str) -> bool:
    """Make a new key where the private half of a role is lost; its public half goes to those retired.

    False where nothing is missing. The caller writes the `key` entry, as after a rotation.
    """
    path = folder / f"{role}.pem"
    if role not in ROLES or role == "root" or path.exists():
        return False
    old, fresh = _read_public(folder / f"{role}.pub"), Signer.generate()
    (folder / "retired").mkdir(exist_ok=True, mode=0o700)
    write_public(folder / "retired" / f"{key_id(old)}.pub", old)
    put_private(path, fresh)
    write_public(folder / f"{role}.pub", fresh.public)
    return True


def write_publics(folder: Path, ring: Keyring) -> None:
    """Write the public halves in force, where a step that was cut short left others."""
    for role, public in ring.by_role.items():
        write_public(folder / f"{role}.pub", public)


def revoke(folder: Path, ring: Keyring, one: Revocation, *, now: datetime) -> Keyring:
    """Write down that a former key counts no more; the caller then appends a `key` entry that says so.

    Refuses a key in force, which is replaced first, and one that was never this party's.
    """
    revocation.check_in_force(
        {key_id(public) for public in ring.by_role.values()}, {one.key: Revoked(one.role, now, one.reason)}
    )
    if one.key not in ring.retired and one.role != "sealing":
        raise NotFoundError(
            f"{one.key} is no former key here", where=str(folder), advice="secretariat keys status"
        )
    revoked = revocation.merged(ring.revoked, [one], latest=now)
    write_revoked(folder, revoked)
    return replace(ring, revoked=revoked)


def write_revoked(folder: Path, revoked: Mapping[str, Revoked]) -> None:
    """Write which keys count no more, whole or not at all."""
    fresh = folder / f"{REVOKED_FILE}.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(revocation.statements_of(revoked)), indent=2))
    fresh.replace(folder / REVOKED_FILE)


def put_private(path: Path, signer: Signer) -> None:
    """Put a key into its place in one step: whoever looks finds the one before or this one, whole."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # of a step that was cut short
    write_private(fresh, signer.to_pem())
    fresh.replace(path)


def write_private(path: Path, pem: bytes) -> None:
    """Write a private key that only its owner may read, durably. Refuses a file that is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def write_public(path: Path, public: bytes) -> None:
    """Write a public key, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(f"{ALGORITHM} {public.hex()}\n", encoding="ascii")
    fresh.replace(path)


def read_retired(folder: Path) -> dict[str, bytes]:
    """Give the public halves of former keys, by id."""
    found = (_read_public(path) for path in sorted(folder.glob("retired/*.pub")))
    return {key_id(public): public for public in found}


def read_revoked(folder: Path) -> dict[str, Revoked]:
    """Give which keys count no more, by id."""
    path = folder / REVOKED_FILE
    if not path.exists():
        return {}
    try:
        stated = msgspec.json.decode(path.read_bytes(), type=list[Revocation])
    except msgspec.MsgspecError as error:
        raise InputError(f"not a list of revoked keys: {error}", where=str(path)) from error
    return {one.key: Revoked(one.role, parse_stamp(one.since), one.reason) for one in stated}


def _read_public(path: Path) -> bytes:
    try:
        algorithm, text = path.read_text(encoding="ascii").split()
        public = bytes.fromhex(text)
    except FileNotFoundError as error:
        raise NotFoundError("a public key is missing", where=str(path)) from error
    except ValueError as error:
        raise InputError(
            "not a public key file", where=str(path), advice="ed25519 <64 hex digits>"
        ) from error
    if algorithm != ALGORITHM:
        raise InputError(f"unknown algorithm {algorithm!r}", where=str(path))
    key_id(public)
    return public
