r"""Checkpoints: the signed size and root of a log (C2SP tlog-checkpoint, signed-note, tlog-cosignature).

Rules:

1. The text is three lines: origin, size in decimal without leading zeroes, base64 of the 32-byte root. We
   write no extension lines and keep those of others unread.
2. A signature line is "— " name " " base64(key hash ‖ signature). The key hash is the first 4 bytes of
   SHA-256(name ‖ 0x0A ‖ type ‖ 32-byte public key), type 0x01 for the log, 0x04 for a witness.
3. The log's key name is its origin. A note without a valid signature of the log's known key is refused; one
   by a known key that does not hold refuses the whole note; unknown signatures are passed over.
4. A cosignature (v1) is 8 bytes of POSIX seconds ‖ Ed25519 over "cosignature/v1\\ntime <seconds>\\n" ‖ text.
   An ML-DSA-44 cosignature (type 0x06) beside it is passed over until we verify those.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger.keys import PUBLIC_BYTES, SIGNATURE_BYTES, signature_holds
from secretariat.ledger.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secretariat.ledger.dsse import Signing
    from secretariat.ledger.keys import Signer

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 64
_MAX_SECONDS = _MAX_SIZE = 2**63 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_NAME = re.compile(r"[^\s+]+")


class SignatureLine(msgspec.Struct, frozen=True):
    """One signature line: who, the first bytes of the key's hash, the rest."""

    name: str
    key_hash: bytes
    signature: bytes


class Checkpoint(msgspec.Struct, frozen=True):
    """A parsed note. Nothing in it is believed before `verify`."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[SignatureLine, ...]
    extensions: tuple[str, ...] = ()


class Cosignature(msgspec.Struct, frozen=True):
    """A witness's verified word on a checkpoint."""

    name: str
    seconds: int


def key_hash(name: str, public: bytes, kind: int = ED25519) -> bytes:
    """Give the 4 bytes that name a key in a note (rule 2)."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def verifier_key(name: str, public: bytes, kind: int = ED25519) -> str:
    """Write a public key as other log tools read it: name+hash+base64(type ‖ key) (signed-note "vkey")."""
    return f"{name}+{key_hash(name, public, kind).hex()}+{_base64(bytes([kind]) + public)}"


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key as other log tools write it."""

    name: str
    kind: int
    public: bytes


def parse_verifier_key(text: str) -> VerifierKey:
    """Read what `verifier_key` writes. Refuses a wrong hash, and algorithms that we do not verify."""
    name, _, rest = text.partition("+")
    hashed, _, material = rest.partition("+")
    try:
        data = _from_base64(material, "key")
    except ProofError as error:
        raise InputError(f"not a verifier key: {text[:80]!r}", advice="name+hash+base64") from error
    key = VerifierKey(name, data[0] if data else 0, data[1:])
    if key.kind not in {ED25519, COSIGNATURE_V1} or len(key.public) != PUBLIC_BYTES:
        raise InputError(f"not an Ed25519 verifier key: {text[:80]!r}")
    if key_hash(name, key.public, key.kind).hex() != hashed:
        raise InputError(
            f"the hash in {text[:80]!r} is not that of its key", advice="it may have been mistyped"
        )
    return key


def text_of(origin: str, size: int, root: bytes) -> bytes:
    """Write what a checkpoint signs."""
    if not _KEY_NAME.fullmatch(origin):
        raise InputError(
            f"{origin!r} cannot name a log", where="origin", advice="host/realm, without spaces or plus"
        )
    if len(root) != HASH_BYTES or size < 0:
        raise InputError(f"no checkpoint of size {size} with a root of {len(root)} bytes")
    return f"{origin}\n{size}\n{_base64(root)}\n".encode()


def sign(origin: str, size: int, root: bytes, signer: Signer) -> bytes:
    """Sign size and root as the log `origin`; give the note."""
    text = text_of(origin, size, root)
    return text + b"\n" + _line(origin, key_hash(origin, signer.public), signer.sign(text))


@lru_cache(maxsize=8)
def parse(note: bytes) -> Checkpoint:  # one note is looked at several times in a row, by each rule for itself
    """Read a note without believing it. Refuses every deviation from the format, naming the line."""
    if len(note) > MAX_NOTE_BYTES:
        raise ProofError(f"a checkpoint of {len(note)} bytes", advice=f"at most {MAX_NOTE_BYTES}")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise ProofError("a checkpoint is UTF-8", where=f"byte {error.start}") from error
    if _CONTROL.search(whole):
        raise ProofError("control character in a checkpoint")
    text, blank, rest = whole.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise ProofError("no signature lines after an empty line", advice="it may have been cut off")
    lines = text.split("\n")
    if len(lines) < 3 or not all(lines):
        raise ProofError("a checkpoint has at least three lines and no empty one", where="line 1")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size) or int(size) > _MAX_SIZE:
        raise ProofError(f"not a tree size: {size[:40]!r}", where="line 2")
    signatures = rest[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise ProofError(f"{len(signatures)} signatures", advice=f"at most {MAX_SIGNATURES}")
    return Checkpoint(
        origin,
        int(size),
        _root(root),
        f"{text}\n".encode(),
        tuple(_signature(line, len(lines) + 2 + at) for at, line in enumerate(signatures)),
        tuple(extensions),
    )


def verify(note: bytes, origin: str, publics: Iterable[bytes]) -> Checkpoint:
    """Read a note and verify that the log `origin` signed it with one of its known keys (rule 3)."""
    held = parse(note)
    if held.origin != origin:
        raise ProofError(f"a checkpoint of {held.origin!r} where {origin!r} is expected", where="line 1")
    known = {key_hash(origin, public): public for public in publics}
    found = False
    for line in held.signatures:
        public = known.get(line.key_hash) if line.name == origin else None
        if public is None:
            continue
        if not _holds(public, line.signature, held.text):
            raise ProofError(
                f"the signature of {origin} on its checkpoint does not hold",
                where=f"size {held.size}",
                advice="the note was changed after signing",
            )
        found = True
    if not found:
        raise ProofError(
            f"the checkpoint is not signed by a known key of {origin}",
            where=f"size {held.size}",
            advice="fetch the party's newest key entry, or check whom you talk to",
        )
    return held


def cosign(note: bytes, name: str, witness: Signing, public: bytes, seconds: int) -> bytes:
    """Give the note with a witness's signature line added. The caller verified the note first (rule 4)."""
    held = parse(note)
    if not _KEY_NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot name a witness", advice="no spaces, no plus")
    if not 0 <= seconds <= _MAX_SECONDS:
        raise InputError(f"not POSIX seconds: {seconds}")
    signature = witness.sign(_cosigned(held.text, seconds))
    return note + _line(name, key_hash(name, public, COSIGNATURE_V1), seconds.to_bytes(8, "big") + signature)


def verify_cosignature(note: bytes, name: str, public: bytes) -> Cosignature:
    """Verify the word of the witness `name` on a note. Refuses where it is missing or does not hold."""
    held = parse(note)
    wanted = key_hash(name, public, COSIGNATURE_V1)
    for line in held.signatures:
        if line.name != name or line.key_hash != wanted:
            continue
        seconds = int.from_bytes(line.signature[:8], "big")
        if seconds <= _MAX_SECONDS and _holds(public, line.signature[8:], _cosigned(held.text, seconds)):
            return Cosignature(name, seconds)
        raise ProofError(f"the cosignature of {name} does not hold", where=f"size {held.size}")
    raise ProofError(f"no cosignature of {name}", where=f"size {held.size}")


def written(line: SignatureLine) -> bytes:
    """Write a signature line as it stands in a note."""
    return _line(line.name, line.key_hash, line.signature)


def line_hash(line: bytes) -> bytes:
    """Give the key hash of one written signature line."""
    return _signature(line.decode().rstrip("\n"), 0).key_hash


def _cosigned(text: bytes, seconds: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (seconds, text)


def _holds(public: bytes, signature: bytes, message: bytes) -> bool:
    return len(signature) == SIGNATURE_BYTES and signature_holds(public, signature, message)


def _line(name: str, key: bytes, signature: bytes) -> bytes:
    return f"\N{EM DASH} {name} {_base64(key + signature)}\n".encode()


def _signature(line: str, number: int) -> SignatureLine:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\N{EM DASH}" or not _KEY_NAME.fullmatch(parts[1]):
        raise ProofError("not a signature line", where=f"line {number}")
    value = _from_base64(parts[2], f"line {number}")
    if len(value) < 5:
        raise ProofError("a signature without signature bytes", where=f"line {number}")
    return SignatureLine(parts[1], value[:4], value[4:])


def _root(text: str) -> bytes:
    root = _from_base64(text, "line 3")
    if len(root) != HASH_BYTES:
        raise ProofError(f"a root of {len(root)} bytes", where="line 3")
    return root


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _from_base64(text: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ProofError("not base64", where=where) from error
