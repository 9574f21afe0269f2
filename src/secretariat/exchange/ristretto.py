"""The group ristretto255 (RFC 9496) as libsodium computes it, and scalars modulo its order.

`rbcl` brings libsodium as text and writes it into a file of the temporary folder at each import, where it
would stay for ever: it is loaded when the first private question needs it, and the file is taken away.
What is no canonical encoding of a point, and what multiplies to the identity, is refused.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from pathlib import Path
from typing import Any, Final

from secretariat.base.errors import InputError, UnavailableError

POINT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
HASH_BYTES: Final = 64
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
IDENTITY: Final = bytes(POINT_BYTES)
GENERATOR: Final = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
_one_at_a_time = threading.Lock()


@functools.cache
def _library() -> Any:
    """Load libsodium. Refuses where the temporary folder takes no programs."""
    try:
        import rbcl
    except (ImportError, OSError) as error:
        raise UnavailableError(
            f"libsodium cannot be loaded: {error}",
            where="rbcl",
            advice="its package writes the library into the temporary folder: set TMPDIR to one that may hold"
            " programs",
        ) from error
    path = getattr(sys.modules.get("rbcl._sodium"), "lib_path", None)
    if isinstance(path, str) and sys.platform != "win32":
        with contextlib.suppress(OSError):
            Path(path).unlink()  # it is mapped; the name is not needed
    return rbcl


def library() -> Any:
    """Give libsodium's functions, loaded once."""
    with _one_at_a_time:
        return _library()


def scalar(number: int) -> bytes:
    """Write a number as a scalar, little endian, modulo the order."""
    return (number % ORDER).to_bytes(SCALAR_BYTES, "little")


def number_of(data: bytes) -> int:
    """Read a scalar. Refuses one that is not reduced (RFC 9496 4.4)."""
    number = int.from_bytes(data, "little")
    if len(data) != SCALAR_BYTES or number >= ORDER:
        raise InputError("not a scalar of ristretto255", advice="32 bytes, little endian, below the order")
    return number


def point_of(uniform: bytes) -> bytes:
    """Map 64 uniform bytes to a point (RFC 9496 4.3.4)."""
    found: bytes = library().crypto_core_ristretto255_from_hash(uniform)
    return found


def times(factor: bytes, point: bytes) -> bytes:
    """Multiply a point. Refuses what is no point, and a product that is the identity."""
    try:
        found: bytes = library().crypto_scalarmult_ristretto255(factor, point)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"not a point of ristretto255: {bytes(point).hex()[:64]}",
            advice="canonical encodings of points other than the identity",
        ) from error
    return found


def plus(one: bytes, other: bytes) -> bytes:
    """Add two points. Refuses what is no point, and a sum that is the identity.

    `rbcl` does not look at what libsodium answers here: for what is no point it gives zeros, the identity.
    """
    try:
        found: bytes = library().crypto_core_ristretto255_add(one, other)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError("not two points of ristretto255") from error
    if found == IDENTITY:
        raise InputError("not two points of ristretto255, or the one undoes the other")
    return found


def is_point(data: bytes) -> bool:
    """Whether these bytes encode a point other than the identity."""
    return (
        len(data) == POINT_BYTES
        and data != IDENTITY
        and bool(library().crypto_core_ristretto255_is_valid_point(data))
    )
