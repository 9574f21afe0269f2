"""The originator's signature on one object version (decisions.md 1).

Rules:

1. A DSSE envelope of type `application/vnd.secretariat.object+json` over the canonical JSON object
   {created, id, modified, root, type} and no other member; `created` and `modified` are absent where the
   object has none.
2. `root` is the property tree's root in hex. The envelope therefore holds no content, and stays valid for a
   copy with properties left out.
3. A verifier compares id, type, created and modified with the object it holds, then the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import dsse
from secretariat.ledger.property_tree import Partial, partial_of, root_of, root_of_partial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.ledger.dsse import Signing

PAYLOAD_TYPE = "application/vnd.secretariat.object+json"
_NAMED = ("id", "type", "created", "modified")


class ObjectStatement(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the originator signs about an object version."""

    id: str
    type: str
    root: str
    created: str | None = None
    modified: str | None = None


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(ObjectStatement).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def sign_object(header: Mapping[str, Any], root: bytes, signer: Signing) -> bytes:
    """Sign the version named by `header` (its id, type, created, modified) under its root."""
    statement = ObjectStatement(
        header["id"], header["type"], root.hex(), header.get("created"), header.get("modified")
    )
    return dsse.seal(_encode(statement), PAYLOAD_TYPE, signer)


def statement_of(envelope: bytes, keys: Mapping[str, bytes]) -> ObjectStatement:
    """Verify the signature alone and give what was signed. Refuses with ProofError."""
    payload = dsse.open_envelope(envelope, keys, PAYLOAD_TYPE)
    try:
        statement = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not a statement about an object: {error}", where="payload") from error
    if _encode(statement) != payload:
        raise ProofError("the statement about an object is not in canonical form", where="payload")
    return statement


def verify_object(
    envelope: bytes,
    obj: Mapping[str, Any] | bytes,
    salt: bytes,
    keys: Mapping[str, bytes],
    value: Mapping[str, Any] | None = None,
) -> ObjectStatement:
    """Verify signature, names and root of a whole object. Refuses with ProofError, saying what differs.

    `value` is what the bytes `obj` say, where the caller has read them already.
    """
    statement = statement_of(envelope, keys)
    _same(statement, obj if value is None else value, _root(obj, salt))
    return statement


def verify_partial(
    envelope: bytes,
    obj: Mapping[str, Any] | bytes,
    proof: Partial,
    keys: Mapping[str, bytes],
    value: Mapping[str, Any] | None = None,
) -> ObjectStatement:
    """Verify an object with properties left out against the originator's signature."""
    statement = statement_of(envelope, keys)
    _same(statement, obj if value is None else value, root_of_partial(obj, proof))
    return statement


def verify_copy(
    envelope: bytes,
    obj: Mapping[str, Any] | bytes,
    proof: bytes,
    keys: Mapping[str, bytes],
    value: Mapping[str, Any] | None = None,
) -> ObjectStatement:
    """Verify a copy as it is kept, whole or partial, by what stands beside it (property_tree.py)."""
    known = partial_of(proof)
    if known is None:
        return verify_object(envelope, obj, proof, keys, value)
    return verify_partial(envelope, obj, known, keys, value)


def _root(obj: Mapping[str, Any] | bytes, salt: bytes) -> bytes:
    try:
        return root_of(obj, salt)
    except InputError as error:
        raise ProofError(error.what, where=error.where, advice=error.advice) from error


def _same(statement: ObjectStatement, obj: Mapping[str, Any] | bytes, root: bytes) -> None:
    held = _names(obj)
    for name in _NAMED:
        signed = getattr(statement, name)
        if held.get(name) != signed:
            found = f"is {held[name]}" if held.get(name) is not None else "is absent"
            raise ProofError(
                f"the object's {name} {found} where {'none' if signed is None else signed} was signed",
                where=f"/{name}",
            )
    if statement.root != root.hex():
        raise ProofError(
            "the object is not the one that was signed",
            where=statement.id,
            advice="one of its properties was changed, added or removed; ask the originator for it again",
        )


def _names(obj: Mapping[str, Any] | bytes) -> Mapping[str, Any]:
    if not isinstance(obj, bytes):
        return obj
    try:
        members = _decode_object(obj)
        return {name: msgspec.json.decode(members[name]) for name in _NAMED if name in members}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"not a JSON object: {error}") from error
