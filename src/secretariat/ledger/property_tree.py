"""The digest of an object: a salted hash tree over its top-level properties.

An originator signs the root once. A relay may later leave out a property that STIX does not require: it
gives that property's leaf instead, and the third party still verifies the originator's signature. Nobody can
change, add or re-order a property.

With J(x) = RFC 8785 bytes of x, `salt` = 32 random bytes of this object version, names in JCS order:

1. member(name)  = J(name) ‖ ":" ‖ J(value), the bytes that stand in the canonical object
2. salt(name)    = HMAC-SHA-256(key = salt, message = UTF-8 of name)
3. leaf(name)    = SHA-256(0x00 ‖ salt(name) ‖ member(name))
4. root          = SHA-256(0x02 ‖ leaf(first) ‖ … ‖ leaf(last))

One level is enough: an object has a dozen properties and a partial names every leaf anyway; so the root also
binds their number. 0x02 keeps a root apart from leaves (0x00) and from nodes of the log (0x01).

A leaf tells nothing about its property without the salt. Whoever holds all properties gets `salt`; a partial
carries one salt(name) per property that is left in, never `salt` itself.

What a node keeps and hands on beside an object's bytes is its **proof**: the salt of a whole copy (32
bytes), or a `Partial` as JSON. More may be left out of a partial; only a fuller copy puts anything back.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from hashlib import _Hash

SALT_BYTES = 32
HASH_BYTES = 32
_BLOCK = 64  # bytes per SHA-256 block, RFC 2104 section 2
_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_name = msgspec.json.Encoder().encode


class Partial(msgspec.Struct, frozen=True):
    """What a relay passes on beside the reduced object.

    `leaves` has one item per property of the whole object, in JCS order: a name with its salt where the
    property is there, a bare leaf where it was left out. Salts and leaves in hex. `left_out` names what is
    missing, as whoever left it out says: only its number and places are proven (`check_names`).
    """

    leaves: list[Present | str]
    left_out: list[str] = []


class Present(msgspec.Struct, frozen=True, array_like=True):
    """A property that is still there: its name, its salt in hex."""

    name: str
    salt: str


def root_of(obj: Mapping[str, Any] | bytes, salt: bytes) -> bytes:
    """Give the root of an object, from its canonical bytes (fast: values are taken as they stand) or value.

    Bytes must be in canonical form, as records keeps them; others give a root that nobody else computes.
    """
    inner, outer = _keyed(salt)
    leaves = [b"\x02"]
    for name, value in _in_order(obj):
        text, start = _member_start(name)
        state = inner.copy()
        state.update(text)
        keyed = outer.copy()
        keyed.update(state.digest())
        leaves.append(sha256(b"".join((b"\x00", keyed.digest(), start, value))).digest())
    return sha256(b"".join(leaves)).digest()


def salt_of(name: str, salt: bytes) -> bytes:
    """Give the salt of one property (rule 2)."""
    inner, outer = _keyed(salt)
    inner.update(name.encode())
    outer.update(inner.digest())
    return outer.digest()


def partial(obj: Mapping[str, Any], salt: bytes, omit: Collection[str]) -> tuple[dict[str, Any], Partial]:
    """Leave out the properties `omit`; give the reduced object and what a verifier needs beside it.

    Refuses a name that the object does not have. Which properties STIX requires is the caller's rule.
    """
    unknown = sorted(set(omit) - set(obj))
    if unknown:
        raise InputError(f"cannot leave out what is not there: {', '.join(unknown)}")
    whole = Partial([Present(name, salt_of(name, salt).hex()) for name, _ in _in_order(obj)])
    value, less = _less(obj, whole, omit)
    return value, Partial(less.leaves)


def reduced(data: bytes, proof: bytes, omit: Collection[str]) -> tuple[dict[str, Any], bytes]:
    """Leave properties out of a copy as it is kept, whole or partial; give the object and its proof.

    Names that are not there are passed over: they may be missing already.
    """
    obj: dict[str, Any] = msgspec.json.decode(data)
    known = partial_of(proof)
    if known is None:
        known = Partial([Present(name, salt_of(name, proof).hex()) for name, _ in _in_order(data)])
    value, less = _less(obj, known, set(omit) & set(obj))
    return value, proof_of(less)


def _less(obj: Mapping[str, Any], known: Partial, omit: Collection[str]) -> tuple[dict[str, Any], Partial]:
    values = dict(_in_order(obj))
    leaves: list[Present | str] = [
        _leaf(_hex(item.salt), item.name, values[item.name]).hex()
        if isinstance(item, Present) and item.name in omit
        else item
        for item in known.leaves
    ]
    names = sorted({*known.left_out, *omit}, key=_place)
    return {name: value for name, value in obj.items() if name not in omit}, Partial(leaves, names)


def proof_of(partial: Partial) -> bytes:
    """Write a partial's proof as it is kept beside the object's bytes."""
    return msgspec.json.encode(partial)


def partial_of(proof: bytes) -> Partial | None:
    """Read what is kept beside an object's bytes: None where it is the salt of a whole copy."""
    if len(proof) == SALT_BYTES:
        return None
    try:
        return _partial(proof)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofError(f"neither a salt nor a proof of a partial: {error}", where="salt") from error


def left_out_of(proof: bytes | None) -> list[str]:
    """Name what is missing of a copy, by the word of whoever left it out; empty for a whole one."""
    known = partial_of(proof) if proof else None
    return [] if known is None else known.left_out


def check_names(partial: Partial, names: Collection[str]) -> None:
    """Refuse names that cannot be those of the bare leaves: another number, or another place in JCS order."""
    kept = [item.name for item in partial.leaves if isinstance(item, Present)]
    every = sorted({*kept, *names}, key=_place)
    shape = [isinstance(item, Present) for item in partial.leaves]
    if len(set(names)) != len(names) or [name not in set(names) for name in every] != shape or not names:
        raise ProofError(
            f"{omitted(partial)} properties were left out, and the grant names {len(names)}: "
            + ", ".join(sorted(names)),
            where="leaves",
        )


def _place(name: str) -> bytes:
    return name.encode("utf-16-be")  # JCS orders names by UTF-16 code units


def root_of_partial(obj: Mapping[str, Any] | bytes, proof: Partial) -> bytes:
    """Give the root of the whole object from a reduced one.

    Refuses a proof whose names are not exactly the object's properties in order, so that nothing is added.
    """
    values = dict(_in_order(obj))
    names = [item.name for item in proof.leaves if isinstance(item, Present)]
    if names != list(values):
        raise ProofError(
            "the proof of a partial object names other properties than the object has",
            where=", ".join(sorted(set(names) ^ set(values))) or "order",
        )
    leaves = [
        _leaf(_hex(item.salt), item.name, values[item.name]) if isinstance(item, Present) else _hex(item)
        for item in proof.leaves
    ]
    return sha256(b"\x02" + b"".join(leaves)).digest()


def root_with(obj: Mapping[str, Any] | bytes, proof: bytes) -> bytes:
    """Give the root of a copy as it is kept, from its salt or its partial's proof."""
    known = partial_of(proof)
    return root_of(obj, proof) if known is None else root_of_partial(obj, known)


def omitted(proof: Partial) -> int:
    """Say how many properties were left out."""
    return sum(not isinstance(item, Present) for item in proof.leaves)


def _in_order(obj: Mapping[str, Any] | bytes) -> Iterable[tuple[str, msgspec.Raw]]:
    try:
        return _members(obj if isinstance(obj, bytes) else canonical(obj)).items()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a JSON object: {error}") from error


def _leaf(own_salt: bytes, name: str, value: msgspec.Raw) -> bytes:
    return sha256(b"".join((b"\x00", own_salt, _member_start(name)[1], value))).digest()


@lru_cache(maxsize=4096)
def _member_start(name: str) -> tuple[bytes, bytes]:
    """Give a name in UTF-8, and as it begins its member; the same hundred names come again and again."""
    return name.encode(), _name(name) + b":"


def _keyed(salt: bytes) -> tuple[_Hash, _Hash]:
    """Start HMAC-SHA-256 under `salt` once per object (RFC 2104): its two inner states, to be copied."""
    if len(salt) != SALT_BYTES:
        raise InputError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    key = salt.ljust(_BLOCK, b"\x00")
    return sha256(key.translate(_IPAD)), sha256(key.translate(_OPAD))


def _hex(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise ProofError("not hex", where="leaves") from error
    if len(value) != HASH_BYTES:
        raise ProofError(f"{len(value)} bytes where 32 belong", where="leaves")
    return value


_partial = msgspec.json.Decoder(Partial).decode
