"""The digest of an object, and copies with properties left out."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import object_signature, property_tree
from secretariat.ledger.keys import Signer
from secretariat.ledger.property_tree import Partial, Present
from secretariat.records.canonical import canonical

SALT = bytes(range(32))
SIGNER = Signer.from_seed(bytes(32))
KEYS = {SIGNER.key_id: SIGNER.public}
OBJECT = {
    "type": "report",
    "id": "report--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "created": "2013-03-20T05:00:00.000Z",
    "modified": "2013-03-20T05:00:00.000Z",
    "name": "攻撃",
    "confidence": 80,
    "object_refs": ["indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"],
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=12), values, max_size=8)


def by_definition(obj: dict[str, Any], salt: bytes) -> bytes:
    """docs/protocol.md, computed the slow way."""
    leaves = b""
    for name in sorted(obj, key=lambda text: text.encode("utf-16-be", "surrogatepass")):
        own = hmac.new(salt, name.encode(), "sha256").digest()
        leaves += sha256(b"\x00" + own + canonical(name) + b":" + canonical(obj[name])).digest()
    return sha256(b"\x02" + leaves).digest()


@given(objects, st.binary(min_size=32, max_size=32))
def test_the_root_is_the_definition(obj: dict[str, Any], salt: bytes) -> None:
    expected = by_definition(obj, salt)
    assert property_tree.root_of(obj, salt) == expected
    assert property_tree.root_of(canonical(obj), salt) == expected


@given(objects, st.data())
def test_a_partial_has_the_root_of_the_whole(obj: dict[str, Any], data: st.DataObject) -> None:
    omit = data.draw(st.sets(st.sampled_from(sorted(obj)))) if obj else set()
    reduced, proof = property_tree.partial(obj, SALT, omit)
    assert set(reduced) == set(obj) - omit
    assert property_tree.omitted(proof) == len(omit)
    travelled = msgspec.json.decode(msgspec.json.encode(proof), type=Partial)
    assert property_tree.root_of_partial(canonical(reduced), travelled) == by_definition(obj, SALT)


def test_a_partial_tells_nothing_of_what_was_left_out() -> None:
    """Neither the object's salt, nor the property's name, salt or value."""
    _, proof = property_tree.partial(OBJECT, SALT, ["name"])
    told = msgspec.json.encode(proof).decode()
    for secret in (SALT.hex(), property_tree.salt_of("name", SALT).hex(), "name", "攻撃"):
        assert secret not in told


def changed(**changes: Any) -> dict[str, Any]:
    return {**OBJECT, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in OBJECT.items() if key != name}


ENVELOPE = object_signature.sign_object(OBJECT, property_tree.root_of(OBJECT, SALT), SIGNER)


@pytest.mark.parametrize(
    ("obj", "salt", "message"),
    [
        pytest.param(changed(confidence=81), SALT, "not the one that was signed", id="value changed"),
        pytest.param(changed(labels=["x"]), SALT, "not the one that was signed", id="property added"),
        pytest.param(without("name"), SALT, "not the one that was signed", id="property removed"),
        pytest.param(OBJECT, bytes(32), "not the one that was signed", id="another salt"),
        pytest.param(changed(modified="2014-01-01T00:00:00.000Z"), SALT, "modified is", id="another version"),
        pytest.param(
            changed(id="report--00000000-17d4-4cbf-938f-98ee46b3cd3f"), SALT, "id is", id="another id"
        ),
        pytest.param(without("created"), SALT, "created is absent", id="created missing"),
    ],
)
def test_another_object_than_the_signed_one_is_refused(
    obj: dict[str, Any], salt: bytes, message: str
) -> None:
    for form in (obj, canonical(obj)):
        with pytest.raises(ProofError, match=message):
            object_signature.verify_object(ENVELOPE, form, salt, KEYS)


def test_the_signed_object_verifies_whole_and_partial() -> None:
    statement = object_signature.verify_object(ENVELOPE, canonical(OBJECT), SALT, KEYS)
    assert statement.id == OBJECT["id"]
    reduced, proof = property_tree.partial(OBJECT, SALT, ["confidence"])
    assert object_signature.verify_partial(ENVELOPE, reduced, proof, KEYS) == statement


def test_an_object_without_times_is_signed_without_them() -> None:
    obj = {
        "type": "ipv4-addr",
        "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd",
        "value": "198.51.100.3",
    }
    envelope = object_signature.sign_object(obj, property_tree.root_of(obj, SALT), SIGNER)
    statement = object_signature.verify_object(envelope, obj, SALT, KEYS)
    assert statement.created is None
    assert b"created" not in canonical(statement)


def bent(how: str) -> tuple[dict[str, Any], Partial]:
    """Give a partial that a relay bent."""
    reduced, proof = property_tree.partial(OBJECT, SALT, ["confidence"])
    leaves = list(proof.leaves)
    first = next(item for item in leaves if isinstance(item, Present))
    match how:
        case "value changed":
            reduced["name"] = "訂正"
        case "property added":
            reduced["labels"] = ["x"]
        case "salt changed":
            leaves[leaves.index(first)] = Present(first.name, "00" * 32)
        case "salt not hex":
            leaves[leaves.index(first)] = Present(first.name, "zz")
        case "salt short":
            leaves[leaves.index(first)] = Present(first.name, "00")
        case "leaf dropped":
            leaves.remove(next(item for item in leaves if isinstance(item, str)))
        case "leaf changed":
            leaves = [item if isinstance(item, Present) else "00" * 32 for item in leaves]
        case "order changed":
            leaves.reverse()
        case "property renamed":
            leaves[leaves.index(first)] = Present("labels", first.salt)
    return reduced, Partial(leaves)


@pytest.mark.parametrize(
    "how",
    [
        "value changed",
        "property added",
        "salt changed",
        "salt not hex",
        "salt short",
        "leaf dropped",
        "leaf changed",
        "order changed",
        "property renamed",
    ],
)
def test_a_bent_partial_is_refused(how: str) -> None:
    reduced, proof = bent(how)
    with pytest.raises(ProofError):
        object_signature.verify_partial(ENVELOPE, reduced, proof, KEYS)


def test_wrong_use_is_refused() -> None:
    with pytest.raises(InputError, match="what is not there: labels"):
        property_tree.partial(OBJECT, SALT, ["labels"])
    with pytest.raises(InputError, match="32 bytes"):
        property_tree.root_of(OBJECT, b"short")


def test_a_statement_that_is_none_is_refused() -> None:
    from secretariat.ledger import dsse

    envelope = dsse.seal(b'{"id":1}', object_signature.PAYLOAD_TYPE, SIGNER)
    with pytest.raises(ProofError, match="not a statement"):
        object_signature.verify_object(envelope, OBJECT, SALT, KEYS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"id":', id="cut off"),
        pytest.param(b'{"id":' * 100_000, id="depth bomb"),
        pytest.param(b'{"id":"\xff"}', id="not UTF-8"),
    ],
)
def test_bytes_that_are_no_object_are_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        object_signature.verify_object(ENVELOPE, data, SALT, KEYS)


def test_a_statement_with_more_in_it_is_refused() -> None:
    """Nobody knows what a member beside the five would mean."""
    from secretariat.ledger import dsse

    payload = canonical({"id": OBJECT["id"], "type": "report", "root": "00", "tlp": "clear"})
    envelope = dsse.seal(payload, object_signature.PAYLOAD_TYPE, SIGNER)
    with pytest.raises(ProofError, match="canonical"):
        object_signature.statement_of(envelope, KEYS)


def test_an_entry_never_passes_for_an_object() -> None:
    """Domain separation by payload type."""
    from secretariat.ledger import dsse

    payload = json.dumps({"id": OBJECT["id"], "type": "report", "root": "00"}).encode()
    envelope = dsse.seal(payload, "application/vnd.secretariat.entry+json", SIGNER)
    with pytest.raises(ProofError, match="signed as"):
        object_signature.verify_object(envelope, OBJECT, SALT, KEYS)
