"""Keys on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.ledger import keys
from secretariat.ledger.keys import Signer, signature_holds

NAMES = {"party": "KR", "realm": "live", "host": "kr.example"}


def test_keys_are_made_once_and_read_by_their_owner_only(tmp_path: Path) -> None:
    made = keys.create(tmp_path / "live", **NAMES)
    held = keys.load(tmp_path / "live", **NAMES)
    assert held.public == made.public
    assert held.origin == "kr.example/live"
    assert len(held.public) == 5
    for path in (tmp_path / "live").glob("*.pem"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "live").stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConflictError, match="exist already"):
        keys.create(tmp_path / "live", **NAMES)


def test_no_private_key_is_ever_printed(tmp_path: Path) -> None:
    held = keys.create(tmp_path / "live", **NAMES)
    shown = repr(held) + repr(held.record)
    assert "KR/live" in shown
    assert held.record.to_pem().decode().splitlines()[1] not in shown


def test_the_root_key_may_be_elsewhere(tmp_path: Path) -> None:
    made = keys.create(tmp_path / "live", **NAMES)
    (tmp_path / "live" / "root.pem").unlink()
    held = keys.load(tmp_path / "live", **NAMES)
    assert held.root is None
    assert held.root_public == made.root_public
    with pytest.raises(StateError, match="not on this machine"):
        keys.rotate(tmp_path / "live", "record", **NAMES)


def test_a_rotated_key_stays_known(tmp_path: Path) -> None:
    before = keys.create(tmp_path / "live", **NAMES)
    after = keys.rotate(tmp_path / "live", "record", **NAMES)
    assert after.record.key_id != before.record.key_id
    assert after.log.key_id == before.log.key_id
    assert after.public[before.record.key_id] == before.record.public
    with pytest.raises(InputError, match="new enrolment"):
        keys.rotate(tmp_path / "live", "root", **NAMES)


def spoil(folder: Path, how: str) -> None:
    pem = folder / "record.pem"
    match how:
        case "missing":
            pem.unlink()
        case "cut off":
            pem.write_bytes(pem.read_bytes()[:60])
        case "another algorithm":
            other = generate_private_key(SECP256R1())
            pem.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        case "no root at all":
            (folder / "root.pem").unlink()
            (folder / "root.pub").unlink()
        case "broken public root":
            (folder / "root.pem").unlink()
            (folder / "root.pub").write_text("ed25519 zz")


@pytest.mark.parametrize(
    "how", ["missing", "cut off", "another algorithm", "no root at all", "broken public root"]
)
def test_a_spoilt_folder_is_refused_by_name(tmp_path: Path, how: str) -> None:
    keys.create(tmp_path / "live", **NAMES)
    spoil(tmp_path / "live", how)
    with pytest.raises((InputError, NotFoundError)) as caught:
        keys.load(tmp_path / "live", **NAMES)
    assert str(tmp_path) in str(caught.value)


def test_a_key_id_names_the_public_key() -> None:
    assert keys.key_id(Signer.from_seed(bytes(32)).public).startswith("ed25519-")
    with pytest.raises(InputError, match="32 bytes"):
        keys.key_id(b"short")


# Points of small order, as in "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020). Where only the
# equation of RFC 8032 section 5.1.7 is asked, R and A of these with S = 0 verify over messages nobody signed.
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_nothing_is_signed_under_a_key_of_small_order(point: str) -> None:
    public = bytes.fromhex(point)
    for message in (b"anything", b"anything else"):
        for first in SMALL_ORDER:
            assert not signature_holds(public, bytes.fromhex(first) + bytes(32), message)


def test_a_signature_of_another_length_or_of_another_message_does_not_hold() -> None:
    one = Signer.from_seed(bytes(32))
    signature = one.sign(b"a message")
    assert signature_holds(one.public, signature, b"a message")
    for other in (b"", signature[:-1], signature + b"\0", signature[:32] + bytes(32)):
        assert not signature_holds(one.public, other, b"a message")
    assert not signature_holds(one.public, signature, b"a message ")
    with pytest.raises(InputError, match="not an Ed25519 public key"):
        signature_holds(one.public[:31], signature, b"a message")
