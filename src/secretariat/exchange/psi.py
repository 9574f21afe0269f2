"""Private set intersection over ristretto255: how many values two parties both have (no I/O).

A (who asks) has the set X and the secret a, B (who answers) the set Y and the secret b with key K = b·G.
H maps a value to the group under one context: realm, asker, answerer, type of value, epoch.

1. A sends the list M = { a·H(x) } with a few points r·G of its own among them (*ringers*), sorted.
2. B answers with Z = { b·m : m in M }, sorted, so that nobody sees which belongs to which, with the tags
   T = { tag(b·H(y)) }, sorted, and with a proof that the sum of Z is b times the sum of M, for the b of K.
3. A takes a off each point of Z and counts how many have their tag in T. It checks the proof, and that r·K is
   in Z for each of its ringers: B cannot tell them from the rest.
4. When persons of both sides say so, B opens the answer: Z in the order of M, with a batched proof for each
   part of the list. It must be the list that was sorted before. Now A knows which.

The oblivious function and both proofs are those of RFC 9497 (VOPRF, ristretto255-SHA512): `times` is its
BlindEvaluate, `prove` and `verify` its GenerateProof and VerifyProof; only the context string is ours. A list
has one writing: points in the order of their bytes, none twice, never the identity.

What this does not hide, whatever is computed here: the sizes; and any value that the other side can guess,
for it can put guesses into its own set. Every IPv4 address can be guessed (docs/private-questions.md).
"""

from __future__ import annotations

from hashlib import sha256, sha512
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.exchange import ristretto
from secretariat.exchange.ristretto import GENERATOR, ORDER, POINT_BYTES, SCALAR_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PROTOCOL: Final = b"sct-private-question-v1-ristretto255-SHA512"
PART: Final = 4_096
"""Points of one part of a list, at most: each has its own batched proof."""
PROOF_BYTES: Final = 2 * SCALAR_BYTES
_FEWEST_RINGERS: Final = 32
_RINGER_EVERY: Final = 50


class Context(msgspec.Struct, frozen=True):
    """Under what values are mapped to points: what differs here has nothing in common there."""

    realm: str
    asker: str
    answerer: str
    type: str
    epoch: str

    @property
    def string(self) -> bytes:
        """Give the context string: the protocol's name, then each word with its length before it."""
        words = [word.encode() for word in (self.realm, self.asker, self.answerer, self.type, self.epoch)]
        return PROTOCOL + b"".join(len(word).to_bytes(2, "big") + word for word in words)


def expand(message: bytes, domain: bytes, length: int) -> bytes:
    """Spread a message over `length` uniform bytes (expand_message_xmd with SHA-512, RFC 9380 5.3.1)."""
    if len(domain) > 255:
        domain = sha512(b"H2C-OVERSIZE-DST-" + domain).digest()
    suffix = domain + len(domain).to_bytes(1, "big")
    first = sha512(bytes(128) + message + length.to_bytes(2, "big") + b"\0" + suffix).digest()
    found = last = sha512(first + b"\1" + suffix).digest()
    number = 2
    while len(found) < length:
        mixed = bytes(x ^ y for x, y in zip(first, last, strict=True))
        last = sha512(mixed + number.to_bytes(1, "big") + suffix).digest()
        found += last
        number += 1
    return found[:length]


def point_of(value: bytes, context: bytes) -> bytes:
    """Map a value to a point (hash_to_ristretto255 of RFC 9497 4.1)."""
    return ristretto.point_of(expand(value, b"HashToGroup-" + context, ristretto.HASH_BYTES))


def scalar_of(message: bytes, context: bytes, label: bytes = b"HashToScalar-") -> bytes:
    """Map bytes to a scalar (HashToScalar of RFC 9497 4.1)."""
    uniform = expand(message, label + context, ristretto.HASH_BYTES)
    return ristretto.scalar(int.from_bytes(uniform, "little"))


def secret_of(uniform: bytes) -> bytes:
    """Make a secret scalar of 64 random bytes, never zero."""
    if len(uniform) != ristretto.HASH_BYTES:
        raise InputError(f"a secret is made of {ristretto.HASH_BYTES} random bytes, not of {len(uniform)}")
    return ristretto.scalar(1 + int.from_bytes(uniform, "little") % (ORDER - 1))


def inverse(secret: bytes) -> bytes:
    """Give the scalar that undoes a secret one."""
    return ristretto.scalar(pow(ristretto.number_of(secret), -1, ORDER))


def key_of(secret: bytes) -> bytes:
    """Give the public key of a secret."""
    return ristretto.times(secret, GENERATOR)


def times_generator(scalars: Iterable[bytes]) -> list[bytes]:
    """Give the point of each scalar."""
    return [ristretto.times(one, GENERATOR) for one in scalars]


def blind(values: Iterable[bytes], secret: bytes, context: bytes) -> Iterator[bytes]:
    """Give the point of each value, times the secret."""
    return (ristretto.times(secret, point_of(value, context)) for value in values)


def times(secret: bytes, points: Iterable[bytes]) -> list[bytes]:
    """Multiply each point. Refuses a list in which anything is no point, or the identity."""
    return [ristretto.times(secret, point) for point in points]


def tags_of(secret: bytes, points: Iterable[bytes], context: bytes) -> Iterator[bytes]:
    """Give the tag of each point times the secret, one after the other."""
    return (tag(ristretto.times(secret, point), context) for point in points)


def tag(point: bytes, context: bytes) -> bytes:
    """Give what stands for a point in the answerer's list: nothing can be computed with it."""
    return sha256(b"Tag-" + len(context).to_bytes(2, "big") + context + point).digest()


def total(points: Iterable[bytes]) -> bytes:
    """Add up a list. Refuses one that adds up to the identity: nothing could be proved of it."""
    return counted(points)[1]


def counted(points: Iterable[bytes]) -> tuple[int, bytes]:
    """Count a list and add it up, as `total` does."""
    found, number = b"", 0
    for point in points:
        found = ristretto.plus(found, point) if number else point
        number += 1
    if not number:
        raise InputError("an empty list has no sum")
    return number, found


# ringers


def ringers(size: int) -> int:
    """Say how many ringers go with a set of `size` values: all sides count alike."""
    return max(_FEWEST_RINGERS, -(-size // _RINGER_EVERY))


def ringer_scalars(secret: bytes, size: int) -> list[bytes]:
    """Give the asker's ringers, made of its secret: nobody else can know them."""
    return [
        scalar_of(secret + number.to_bytes(4, "big"), PROTOCOL, b"Ringer-") for number in range(ringers(size))
    ]


def missing_ringers(answered: Iterable[bytes], scalars: Iterable[bytes], key: bytes) -> int:
    """Count the ringers whose right answer is not there: each is a point that was answered wrongly."""
    missing = {ristretto.times(one, key) for one in scalars}
    for one in answered:
        missing.discard(one)
    return len(missing)


# lists


def in_order(items: Iterable[bytes]) -> list[bytes]:
    """Give the one order of a list. Refuses the same item twice: two values would count as one."""
    return list(once(sorted(items)))


def once(ordered: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on a list that is in order. Refuses the same item twice."""
    last = b""
    for one in ordered:
        if one == last:
            raise InputError("the same point twice in one list")
        yield one
        last = one


def split(data: bytes, *, after: bytes = b"") -> list[bytes]:
    """Read a part of a list that continues `after`.

    Refuses cut items, more than a part holds, the identity, and what is not in the one order.
    """
    if not data or len(data) % POINT_BYTES or len(data) > PART * POINT_BYTES:
        raise InputError(
            f"a part of {len(data)} bytes", advice=f"1 to {PART} items of {POINT_BYTES} bytes each"
        )
    found = [data[at : at + POINT_BYTES] for at in range(0, len(data), POINT_BYTES)]
    last = after or bytes(POINT_BYTES)
    for one in found:
        if one <= last:
            raise InputError(
                f"{one.hex()} stands after {last.hex()}",
                advice="each item once, in the order of their bytes; the identity never",
            )
        last = one
    return found


def parts(items: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a list into its parts."""
    coming = iter(items)
    while part := b"".join(islice(coming, PART)):
        yield part


def items_of(parts_in_order: Iterable[bytes]) -> Iterator[bytes]:
    """Give the items of a list that is known to be one."""
    return (part[at : at + POINT_BYTES] for part in parts_in_order for at in range(0, len(part), POINT_BYTES))


def read(parts_in_order: Iterable[bytes]) -> Iterator[bytes]:
    """Read a list of several parts, one order through all of them; refuses as `split` does."""
    last = b""
    for part in parts_in_order:
        found = split(part, after=last)
        last = found[-1]
        yield from found


def matching(records: Iterable[bytes], keys: Iterable[bytes]) -> Iterator[bytes]:
    """Give the records, in order, whose first bytes are one of the keys, in order too and none twice."""
    coming = iter(keys)
    key = next(coming, None)
    for one in records:
        while key is not None and key < one[: len(key)]:
            key = next(coming, None)
        if key is None:
            return
        if one.startswith(key):
            yield one


def hash_of(parts_in_order: Iterable[bytes]) -> str:
    """Give the hash that a log names a list by."""
    found = sha256()
    for one in parts_in_order:
        found.update(one)
    return found.hexdigest()


# proofs


def _framed(*items: bytes) -> bytes:
    return b"".join(len(item).to_bytes(2, "big") + item for item in items)


def _weights(key: bytes, asked: Sequence[bytes], answered: Sequence[bytes], context: bytes) -> list[bytes]:
    """Give the weights of a batch (RFC 9497 2.2.1): both lists and the key decide each."""
    if len(asked) != len(answered) or not asked or len(asked) > PART:
        raise InputError(f"{len(answered)} answers to {len(asked)} points", advice=f"1 to {PART} of each")
    seed = sha512(_framed(key, b"Seed-" + context)).digest()
    return [
        scalar_of(
            _framed(seed) + number.to_bytes(2, "big") + _framed(one, other) + b"Composite",
            context,
        )
        for number, (one, other) in enumerate(zip(asked, answered, strict=True))
    ]


def _weighed(weights: Sequence[bytes], points: Sequence[bytes]) -> bytes:
    return total([ristretto.times(weight, point) for weight, point in zip(weights, points, strict=True)])


def _challenge(
    key: bytes, asked: bytes, answered: bytes, first: bytes, second: bytes, context: bytes
) -> bytes:
    return scalar_of(_framed(key, asked, answered, first, second) + b"Challenge", context)


def prove(
    secret: bytes, asked: Sequence[bytes], answered: Sequence[bytes], nonce: bytes, context: bytes
) -> bytes:
    """Prove that every answer is the key's secret times what was asked, place by place (RFC 9497 2.2.1).

    `nonce` is a secret scalar that is used for this proof and never again: with two proofs under one nonce
    anybody computes the secret.
    """
    key = key_of(secret)
    asked_sum = _weighed(_weights(key, asked, answered, context), asked)
    answered_sum = ristretto.times(secret, asked_sum)
    first, second = ristretto.times(nonce, GENERATOR), ristretto.times(nonce, asked_sum)
    challenge = _challenge(key, asked_sum, answered_sum, first, second, context)
    response = ristretto.number_of(nonce) - ristretto.number_of(challenge) * ristretto.number_of(secret)
    return challenge + ristretto.scalar(response)


def verify(
    key: bytes, asked: Sequence[bytes], answered: Sequence[bytes], proof: bytes, context: bytes
) -> None:
    """Check a batched proof (RFC 9497 2.2.2). Refuses one that does not hold with ProofError."""
    try:
        if len(proof) != PROOF_BYTES:
            raise InputError(f"a proof of {len(proof)} bytes")
        challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
        for one in (challenge, response):
            ristretto.number_of(one)
        weights = _weights(key, asked, answered, context)
        asked_sum, answered_sum = _weighed(weights, asked), _weighed(weights, answered)
        first = ristretto.plus(ristretto.times(response, GENERATOR), ristretto.times(challenge, key))
        second = ristretto.plus(
            ristretto.times(response, asked_sum), ristretto.times(challenge, answered_sum)
        )
        holds = _challenge(key, asked_sum, answered_sum, first, second, context) == challenge
    except InputError as error:
        raise ProofError(f"not a proof: {error.what}", where="proof") from error
    if not holds:
        raise ProofError(
            "the answers are not the pinned key's",
            where="proof",
            advice="what was answered is worthless; keep it, and ask the partner",
        )
