"""What is proven of an object by its own bytes, salt and signature (rules 9, 10 of arrivals.py; no I/O).

It needs nothing of the store but the originator's keys, so it is done ahead: the objects of the next page are
proven while the database writes the page before (sync.py). What was proven ahead counts for exactly these
bytes under exactly these keys; whatever else comes up when the page is taken is proven then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from secretariat.base.errors import ProofError, SecretariatError
from secretariat.ledger import object_signature
from secretariat.ledger.property_tree import SALT_BYTES, left_out_of, root_with
from secretariat.records import canonical, leaving_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secretariat.base.settings import Limits
    from secretariat.exchange.wire import Page

    Check = Callable[[dict[str, Any]], object]


class ObjectRefusedError(ProofError):
    """One object that must not be kept; the rest of its page goes on."""

    def __init__(self, code: str, what: str, *, where: str | None = None, advice: str | None = None) -> None:
        super().__init__(what, where=where, advice=advice)
        self.code = code


class Proven(msgspec.Struct, frozen=True, gc=False):
    """An object in canonical form, and the root that follows from it and that its originator signed."""

    value: dict[str, Any]
    root: bytes
    unfit: SecretariatError | None = None
    """Why it is no STIX object, where it is none."""


class Ahead:
    """What was proven before a page is taken."""

    def __init__(self) -> None:
        self._found: dict[tuple[bytes, bytes, bytes], tuple[Mapping[str, bytes], Proven]] = {}

    def add(
        self, data: bytes, proof: bytes, signature: bytes, keys: Mapping[str, bytes], proven: Proven
    ) -> None:
        """Remember what was proven of these bytes with these keys."""
        self._found[data, proof, signature] = keys, proven

    def find(self, data: bytes, proof: bytes, signature: bytes, keys: Mapping[str, bytes]) -> Proven | None:
        """Give what was proven of these very bytes with these very keys."""
        known, proven = self._found.get((data, proof, signature), (None, None))
        return proven if known == keys else None


def prove(
    data: bytes,
    proof: bytes,
    signature: bytes,
    keys: Mapping[str, bytes],
    limits: Limits,
    check: Check | None,
    where: str,
) -> Proven:
    """Prove one object with its originator's keys. Refuses what is not canonical or not signed so.

    Without keys only the root is computed: it will wait until its originator is enrolled.
    """
    value, written = canonical.read_canonical(data, limits)
    if written != data or not isinstance(value, dict):
        raise ObjectRefusedError(
            "not-canonical", "the object's bytes are not in canonical form (RFC 8785)", where=where
        )
    try:
        if keys:
            root = bytes.fromhex(object_signature.verify_copy(signature, data, proof, keys, value).root)
        else:
            root = root_with(data, proof)
    except ProofError as error:
        raise ObjectRefusedError(
            "broken-signature", error.what, where=error.where, advice=error.advice
        ) from error
    unfit = None
    if check is not None:
        try:
            check(leaving_out.readable(value, left_out_of(proof)))
        except SecretariatError as error:
            unfit = error
    return Proven(value, root, unfit)


def prove_ahead(
    page: Page, keys_of: Callable[[str], Mapping[str, bytes]], limits: Limits, check: Check | None
) -> Ahead:
    """Prove the whole objects of a page whose originators are known; what does not hold is left for later."""
    ahead = Ahead()
    for entry in page.entries:
        for one in entry.objects:
            if one.object is UNSET or one.signature is UNSET or one.leaves or not one.originator:
                continue
            if one.salt is None or len(one.salt) != SALT_BYTES or not (keys := keys_of(one.originator)):
                continue
            data, signature = bytes(one.object), bytes(one.signature)
            try:
                proven = prove(data, one.salt, signature, keys, limits, check, one.root)
            except SecretariatError:
                continue  # refused, with its reason, when the page is taken
            ahead.add(data, one.salt, signature, keys, proven)
    return ahead
