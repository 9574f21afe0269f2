"""Signed envelopes (DSSE 1.0: github.com/secure-systems-lab/dsse, protocol.md and envelope.md).

Rules:

1. What is signed is PAE(type, body) = "DSSEv1" SP len(type) SP type SP len(body) SP body, lengths in ASCII
   decimal, so that bytes signed for one purpose never pass for another.
2. The envelope is written as JSON in canonical form (RFC 8785), base64 with padding (RFC 4648 section 4).
   Its bytes are kept and served as they were signed; nothing re-writes them.
3. Opening asks for one payload type and for keys by id. A signature by an unknown key is passed over; one by
   a known key that does not hold refuses the whole envelope; without any that holds it is refused.
4. A second signature (another key, another algorithm such as ML-DSA) is added beside the first and covers the
   same bytes.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Protocol

import msgspec

from secretariat.base.errors import ProofError
from secretariat.ledger.keys import SIGNATURE_BYTES, signature_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SIGNATURES = 16

_b64 = binascii.b2a_base64


class Signing(Protocol):
    """Whatever signs: a key on disk, or one in a token."""

    @property
    def key_id(self) -> str:
        """Name the key."""
        ...

    @property
    def sign(self) -> Callable[[bytes], bytes]:
        """Sign bytes."""
        ...


class Signature(msgspec.Struct, frozen=True, gc=False):
    """One signature of an envelope."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The JSON envelope."""

    payload: str
    payload_type: str
    signatures: list[Signature]


class Opened(msgspec.Struct, frozen=True, gc=False):
    """What an envelope holds, and the known keys whose signatures hold."""

    payload: bytes
    key_ids: tuple[str, ...]


_decode = msgspec.json.Decoder(Envelope).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def pae(payload_type: str, payload: bytes) -> bytes:
    """Give the bytes that are signed (rule 1)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d " % (len(kind), kind, len(payload)) + payload


def seal(payload: bytes, payload_type: str, signer: Signing) -> bytes:
    """Sign `payload` and give the envelope's bytes."""
    signature = signer.sign(pae(payload_type, payload))
    rest = b'","payloadType":%b,"signatures":[{"keyid":%b,"sig":"%b"}]}' % (
        _encode(payload_type),
        _encode(signer.key_id),
        _b64(signature, newline=False),
    )
    return b"".join((b'{"payload":"', _b64(payload, newline=False), rest))


def add_signature(envelope: bytes, signer: Signing) -> bytes:
    """Give the envelope with one more signature over the same payload. Refuses a key that signed already."""
    held = parse(envelope)
    if any(item.keyid == signer.key_id for item in held.signatures):
        raise ProofError(f"{signer.key_id} signed this already", advice="one signature per key")
    signature = signer.sign(pae(held.payload_type, _from_base64(held.payload, "payload")))
    added = Signature(signer.key_id, _b64(signature, newline=False).decode())
    return _encode(Envelope(held.payload, held.payload_type, [*held.signatures, added]))


def parse(envelope: bytes) -> Envelope:
    """Read an envelope without believing it. Refuses what is none."""
    try:
        held = _decode(envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not a signed envelope: {error}", advice="it may have been cut off") from error
    if not 1 <= len(held.signatures) <= MAX_SIGNATURES:
        raise ProofError(f"an envelope has 1 to {MAX_SIGNATURES} signatures, not {len(held.signatures)}")
    return held


def payload_of(envelope: bytes) -> bytes:
    """Give the payload of an envelope that was verified before and kept."""
    return _from_base64(parse(envelope).payload, "payload")


def unseal(envelope: bytes, keys: Mapping[str, bytes], payload_type: str) -> Opened:
    """Verify an envelope with `keys` (public keys by id); give its payload and who signed (rule 3)."""
    held = parse(envelope)
    if held.payload_type != payload_type:
        raise ProofError(
            f"signed as {held.payload_type!r} where {payload_type!r} is expected", where="payloadType"
        )
    payload = _from_base64(held.payload, "payload")
    message = pae(payload_type, payload)
    found: list[str] = []
    for number, item in enumerate(held.signatures):
        public = keys.get(item.keyid)
        if public is None:
            continue
        signature = _from_base64(item.sig, f"signatures/{number}/sig")
        if len(signature) != SIGNATURE_BYTES or not signature_holds(public, signature, message):
            raise ProofError(
                f"the signature of {item.keyid} does not hold",
                where=f"signatures/{number}",
                advice="the bytes were changed after signing, or another key made it",
            )
        found.append(item.keyid)
    if not found:
        signers = ", ".join(item.keyid for item in held.signatures)
        raise ProofError(
            f"signed by an unknown key: {signers}",
            where="signatures",
            advice="enrol its party, or fetch its newest key entry",
        )
    return Opened(payload, tuple(found))


def open_envelope(envelope: bytes, keys: Mapping[str, bytes], payload_type: str) -> bytes:
    """Verify an envelope with `keys` and give its payload, or raise ProofError (rule 3)."""
    return unseal(envelope, keys, payload_type).payload


def _from_base64(text: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ProofError("not base64", where=where, advice="RFC 4648 section 4, with padding") from error
