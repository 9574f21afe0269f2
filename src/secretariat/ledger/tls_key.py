"""The key and certificate by which a node shows itself when it opens a TLS connection to a partner's.

Rules:

1. One key and one certificate per realm, used for nothing else, so that a thief of it signs nothing. P-256
   (FIPS 186-5), because every front reads it; Ed25519 certificates are not read by all.
2. What partners pin is the SHA-256 of the SubjectPublicKeyInfo (RFC 7469 section 2.4), in hex; it stands in
   the descriptor under the root key, and nothing in the certificate counts but this key. So the certificate
   is signed by itself, names nobody, and ends on 31 December 9999, which is how RFC 5280 section 4.1.2.5
   writes that it has no end: it counts until a descriptor no longer names it.
3. The key lies in the realm's key folder, for its owner alone. A rotation deletes the former one: nothing is
   left that anybody could check with it.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

FILE: Final = "tls.pem"
ROLE: Final = "tls"
_NAME: Final = "secretariat"
_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_EARLIER: Final = timedelta(days=1)
"""By so much the certificate begins before it was made: a front whose clock is behind takes it too."""


class TlsKey(msgspec.Struct, frozen=True):
    """A node's own certificate of one realm: where key and certificate lie, and what partners pin of it."""

    path: Path
    """One PEM file with the private key and the certificate, as `ssl` and fronts read it."""
    pin: str
    made_at: datetime


def pin_of(key: CertificatePublicKeyTypes) -> str:
    """Give the pin of a public key: SHA-256 over its SubjectPublicKeyInfo, in hex."""
    whole = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(whole).hexdigest()


def create(folder: Path) -> TlsKey:
    """Make the key and certificate of a realm in its key folder. Refuses where there is one."""
    _write(folder / FILE)
    return _read(folder / FILE)


def load(folder: Path) -> TlsKey | None:
    """Read what `create` made; None where there is none (the node then shows no certificate)."""
    return _read(folder / FILE) if (folder / FILE).exists() else None


def rotate(folder: Path) -> TlsKey:
    """Put a new key and certificate in the place of the old ones; makes the first ones too."""
    if not folder.is_dir():
        raise NotFoundError("there is no key folder", where=str(folder), advice="secretariat init")
    fresh = folder / f"{FILE}.new"
    fresh.unlink(missing_ok=True)
    _write(fresh)
    fresh.replace(folder / FILE)
    return _read(folder / FILE)


def _write(path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    known_by = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _EARLIER)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        # by these a front that is given the certificates of all partners tells them apart: all bear one name
        .add_extension(known_by, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_by), critical=False
        )
        .sign(private, SHA256())
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(certificate.public_bytes(Encoding.PEM))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> TlsKey:
    pem = path.read_bytes()
    try:
        private = load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except (ValueError, TypeError) as error:
        raise InputError(
            "not an unencrypted private key and a certificate in PEM",
            where=str(path),
            advice="secretariat keys rotate tls",
        ) from error
    pin = pin_of(certificate.public_key())
    if not isinstance(private, ec.EllipticCurvePrivateKey) or pin_of(private.public_key()) != pin:
        raise InputError(
            "the certificate is not that of the key", where=str(path), advice="secretariat keys rotate tls"
        )
    return TlsKey(path, pin, certificate.not_valid_before_utc + _EARLIER)
