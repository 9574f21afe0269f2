"""The root keys of a node in one file on a medium, away from the machine, under a passphrase.

Form: one PEM block per realm, `ENCRYPTED PRIVATE KEY` (PKCS 8, RFC 5958, with PBES2, RFC 8018, as the package
`cryptography` writes it), so that other tools open it too. A file is believed when each key in it was read
back, decrypted, and signed something that the public half in the key folder verifies.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from secretariat.base.errors import ConflictError, DeniedError, InputError
from secretariat.ledger.keys import Signer, signature_holds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEAST = 12
"""Characters of a passphrase: the file may be stolen and tried in peace."""
_BLOCK = re.compile(
    rb"-----BEGIN ENCRYPTED PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END ENCRYPTED PRIVATE KEY-----\n"
)
_TEST = b"secretariat/root-file\n"


def write(path: Path, roots: Sequence[Signer], passphrase: str) -> None:
    """Write root keys to a new file and read it back. Refuses a short passphrase, and a file there."""
    if len(passphrase) < LEAST:
        raise InputError(f"a passphrase of less than {LEAST} characters", advice="take six words or more")
    text = b"".join(root.to_pem(passphrase.encode()) for root in roots)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConflictError("the file exists already", where=str(path), advice="take a new one") from error
    except OSError as error:
        raise InputError(f"cannot write: {error.strerror}", where=str(path)) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    for held, root in zip(read(path, passphrase), roots, strict=True):
        if held.public != root.public or not signature_holds(root.public, held.sign(_TEST), _TEST):
            raise InputError("what was read back is not what was written", where=str(path))


def read(path: Path, passphrase: str) -> list[Signer]:
    """Give the root keys of a file. Refuses a wrong passphrase, and what is no such file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=str(path)) from error
    blocks = _BLOCK.findall(text)
    if not blocks or b"".join(blocks) != text:
        raise InputError(
            "not a file of root keys", where=str(path), advice="`secretariat keys offline FILE` writes one"
        )
    found = []
    for block in blocks:
        try:
            private = load_pem_private_key(block, password=passphrase.encode())
        except ValueError as error:
            raise DeniedError("the passphrase does not open it", where=str(path)) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InputError("not an Ed25519 key", where=str(path))
        found.append(Signer(private))
    return found
