"""The vector of the mailbox, opened with X25519, HMAC, ChaCha20-Poly1305 and Ed25519 alone, then by us."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import runpy
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from secretariat.exchange import letters
from secretariat.exchange.letters import LetterError, Sealed
from secretariat.ledger.sealing import OVERHEAD, SealingKeys, seal

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests/vectors/mailbox"
MAKER = runpy.run_path(str(FOLDER / "make.py"))
VECTORS = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))
SCHEMA = json.loads((ROOT / "src/secretariat/exchange/schemas/mailbox.json").read_text(encoding="utf-8"))
SEALED = letters.read(json.dumps(VECTORS["sealed"]).encode(), Sealed)
KEYS = SealingKeys.from_seed(bytes.fromhex(VECTORS["keys"]["JP"]["sealing"]["private"]))
US = VECTORS["keys"]["US"]["transport"]
WRITERS = {US["id"]: bytes.fromhex(US["public"])}


def extract(salt: bytes, label: bytes, ikm: bytes, suite: bytes) -> bytes:
    """RFC 9180 section 4, LabeledExtract with HKDF-SHA256."""
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(key: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    """RFC 9180 section 4, LabeledExpand; one block is enough here."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labeled + b"\x01", "sha256")[:length]


def opened(box: bytes, private: bytes, info: bytes) -> bytes:
    """RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, mode base, one message."""
    key = X25519PrivateKey.from_private_bytes(private)
    enc, ciphertext = box[:32], box[32:]
    kem = b"KEM" + (0x20).to_bytes(2, "big")
    shared = key.exchange(X25519PublicKey.from_public_bytes(enc))
    secret = extract(b"", b"eae_prk", shared, kem)
    secret = expand(secret, b"shared_secret", enc + key.public_key().public_bytes_raw(), 32, kem)
    suite = b"HPKE" + b"".join(one.to_bytes(2, "big") for one in (0x20, 1, 3))
    context = b"\x00" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", info, suite)
    secret = extract(secret, b"secret", b"", suite)
    key_of_box = expand(secret, b"key", context, 32, suite)
    nonce = expand(secret, b"base_nonce", context, 12, suite)
    return ChaCha20Poly1305(key_of_box).decrypt(nonce, ciphertext, b"")


def test_the_maker_makes_what_stands_in_the_folder_but_for_the_box():
    made = MAKER["vectors"]()
    made["sealed"]["box"] = VECTORS["sealed"]["box"]
    assert made == VECTORS
    assert json.loads(json.dumps(letters.schemas())) == SCHEMA


def test_the_box_opens_by_the_specification_alone():
    cover = {name: VECTORS["sealed"][name] for name in ("key", "number", "party", "realm", "to", "v")}
    info = b"secretariat/letter/1\n" + json.dumps(cover, separators=(",", ":"), sort_keys=True).encode()
    assert info.hex() == VECTORS["info"]
    private = bytes.fromhex(VECTORS["keys"]["JP"]["sealing"]["private"])
    envelope = json.loads(opened(base64.b64decode(VECTORS["sealed"]["box"]), private, info))
    assert envelope == VECTORS["envelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    (signature,) = envelope["signatures"]
    Ed25519PublicKey.from_public_bytes(WRITERS[signature["keyid"]]).verify(
        base64.b64decode(signature["sig"]), message
    )
    assert payload == base64.b64decode(VECTORS["letter"])


def test_the_names_of_the_keys_follow_from_them():
    sealing = VECTORS["keys"]["JP"]["sealing"]
    digest = hashlib.sha256(bytes.fromhex(sealing["public"])).hexdigest()
    assert sealing["id"] == f"x25519-{digest[:32]}"


def test_the_code_opens_it_too():
    found = letters.open_letter(SEALED, KEYS, WRITERS)
    assert (found.party, found.to, found.number) == ("US", "JP", SEALED.number)


def test_the_messages_are_as_the_schema_says():
    jsonschema.validate(VECTORS["sealed"], {**SCHEMA, "anyOf": [{"$ref": "#/$defs/Sealed"}]})
    letter = json.loads(base64.b64decode(VECTORS["letter"]))
    jsonschema.validate(letter, {**SCHEMA, "anyOf": [{"$ref": "#/$defs/Letter"}]})


def test_a_letter_without_a_known_writer_is_refused():
    with pytest.raises(LetterError, match="unknown key"):
        letters.open_letter(SEALED, KEYS, {})


def test_two_boxes_of_the_same_bytes_differ_and_tell_their_size_only():
    one, other = (seal(b"report", KEYS.public, b"info") for _ in range(2))
    assert one != other
    assert len(one) == len(b"report") + OVERHEAD


@pytest.mark.parametrize("public", [b"", b"\x00" * 31, b"\x00" * 32])
def test_what_is_no_key_is_not_sealed_to(public):
    with pytest.raises(Exception, match="sealed to"):
        seal(b"report", public, b"info")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"v":1}', b"\xff", b'{"v":1,"realm":"live","party":"a b"}', b"[" * 100_000]
)
def test_what_is_no_sealed_letter_is_refused(data):
    with pytest.raises(Exception, match="not a Sealed"):
        letters.read(data, Sealed)
