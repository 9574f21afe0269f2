"""Envelopes: what opens and what does not."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import ProofError
from secretariat.ledger import dsse
from secretariat.ledger.keys import Signer

TYPE = "application/vnd.secretariat.test+json"
ONE, TWO = Signer.from_seed(bytes(32)), Signer.from_seed(b"\x01" * 32)
KEYS = {ONE.key_id: ONE.public}
SEALED = dsse.seal(b'{"a":1}', TYPE, ONE)


def test_pae_is_that_of_the_specification() -> None:
    """protocol.md of DSSE, test vectors."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == expected


def test_pae_counts_bytes_not_letters() -> None:
    assert dsse.pae("訓", b"") == b"DSSEv1 3 \xe8\xa8\x93 0 "


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(payload: bytes) -> None:
    envelope = dsse.seal(payload, TYPE, ONE)
    assert dsse.open_envelope(envelope, KEYS, TYPE) == payload == dsse.payload_of(envelope)
    assert json.loads(envelope)["payload"] == base64.b64encode(payload).decode()


@given(st.data())
def test_a_changed_byte_anywhere_is_found(data: st.DataObject) -> None:
    """Whatever still opens says the same: only ignored whitespace-like changes may survive."""
    at, bit = data.draw(st.integers(0, len(SEALED) - 1)), data.draw(st.integers(0, 7))
    wrong = bytearray(SEALED)
    wrong[at] ^= 1 << bit
    try:
        payload = dsse.open_envelope(bytes(wrong), KEYS, TYPE)
    except ProofError:
        return
    assert payload == b'{"a":1}'


def test_a_second_signature_stands_beside_the_first() -> None:
    both = dsse.add_signature(SEALED, TWO)
    for keys in (KEYS, {TWO.key_id: TWO.public}):
        assert dsse.open_envelope(both, keys, TYPE) == b'{"a":1}'
    opened = dsse.unseal(both, {**KEYS, TWO.key_id: TWO.public}, TYPE)
    assert opened.key_ids == (ONE.key_id, TWO.key_id)
    with pytest.raises(ProofError, match="already"):
        dsse.add_signature(both, ONE)


def test_a_signature_of_an_unknown_algorithm_is_passed_over() -> None:
    """Room for ML-DSA: an old reader believes the Ed25519 signature beside it."""
    value = json.loads(SEALED)
    value["signatures"].append({"keyid": "ml-dsa-65-00", "sig": base64.b64encode(bytes(3309)).decode()})
    assert dsse.open_envelope(json.dumps(value).encode(), KEYS, TYPE) == b'{"a":1}'


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(SEALED), **changes}).encode()


def signature(**changes: str) -> bytes:
    value = json.loads(SEALED)
    value["signatures"][0].update(changes)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        pytest.param(b"", "not a signed envelope", id="nothing"),
        pytest.param(SEALED[:-5], "not a signed envelope", id="cut off"),
        pytest.param(b'{"x":' * 100_000, "not a signed envelope", id="depth bomb"),
        pytest.param(b"\xff" + SEALED, "not a signed envelope", id="not UTF-8"),
        pytest.param(changed(payloadType="text/plain"), "signed as 'text/plain'", id="other type"),
        pytest.param(changed(payload="eyJhIjoyfQ=="), "does not hold", id="other payload"),
        pytest.param(changed(payload="eyJh*"), "not base64", id="payload not base64"),
        pytest.param(changed(payload="é"), "not base64", id="payload not ASCII"),
        pytest.param(changed(signatures=[]), "1 to 16", id="no signature"),
        pytest.param(changed(signatures=json.loads(SEALED)["signatures"] * 17), "1 to 16", id="too many"),
        pytest.param(signature(keyid="ed25519-00"), "unknown key", id="unknown key"),
        pytest.param(signature(sig="AAAA"), "does not hold", id="short signature"),
        pytest.param(signature(sig="A"), "not base64", id="signature not base64"),
        pytest.param(
            signature(sig=base64.b64encode(TWO.sign(dsse.pae(TYPE, b'{"a":1}'))).decode()),
            "does not hold",
            id="signed by another key",
        ),
        pytest.param(
            signature(sig=base64.b64encode(ONE.sign(b'{"a":1}')).decode()),
            "does not hold",
            id="signed without PAE",
        ),
    ],
)
def test_a_bad_envelope_is_refused(envelope: bytes, message: str) -> None:
    with pytest.raises(ProofError, match=message):
        dsse.open_envelope(envelope, KEYS, TYPE)


def test_a_wrong_signature_of_a_known_key_refuses_the_whole() -> None:
    """One that holds beside it does not save the envelope."""
    value = json.loads(dsse.add_signature(SEALED, TWO))
    value["signatures"][1]["sig"] = base64.b64encode(bytes(64)).decode()
    with pytest.raises(ProofError, match="does not hold"):
        dsse.open_envelope(json.dumps(value).encode(), {**KEYS, TWO.key_id: TWO.public}, TYPE)
