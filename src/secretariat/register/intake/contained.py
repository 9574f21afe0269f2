"""Reads a document in a process of its own, bounded in time and memory: a parser of foreign bytes may go astray.

The child gets bytes and gives back what it read as MessagePack; it opens no file and no connection. When it
passes its time or dies, the document is refused and nothing else is harmed.
"""

from __future__ import annotations

import base64
import subprocess
import sys

import msgspec

from secretariat.base.errors import InputError, LimitError
from secretariat.register.intake.capture import Captured, Limits, read_document

_MEMORY = 2_147_483_648
"""Bytes of address space of the child."""
SMALL = 262_144
"""Plain text up to this size is read at once: no parser stands between its bytes and its letters."""


class _Order(msgspec.Struct, frozen=True):
    data: bytes
    name: str
    charset: str | None
    limits: Limits


class _Answer(msgspec.Struct, frozen=True):
    found: list[Captured] = []
    refused: dict[str, str] | None = None


def read_contained(data: bytes, name: str, *, charset: str | None = None, limits: Limits) -> list[Captured]:
    """Read a document as `read_document` does, in a child process. Refuses what takes too long."""
    if len(data) > limits.data:
        return read_document(data, name, charset=charset, limits=limits)  # refuses at once
    if len(data) <= SMALL and name.lower().endswith((".txt", ".md")):
        return read_document(data, name, charset=charset, limits=limits)
    order = msgspec.msgpack.encode(_Order(data, name, charset, limits))
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-m", "secretariat.register.intake.contained"],
            input=base64.b64encode(order),
            capture_output=True,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LimitError(
            f"reading took more than {limits.seconds} seconds",
            where=name or None,
            advice="take in the part you need",
        ) from None
    if child.returncode != 0:
        raise InputError(
            "the document cannot be read: its reader stopped",
            where=name or None,
            advice="open and save it anew",
        )
    answer = msgspec.msgpack.decode(base64.b64decode(child.stdout), type=_Answer)
    if answer.refused is not None:
        shape = LimitError if answer.refused["code"] == LimitError.code else InputError
        raise shape(
            answer.refused["what"], where=answer.refused.get("where"), advice=answer.refused.get("advice")
        )
    return answer.found


def main() -> None:
    """Answer one order on stdin."""
    try:
        import resource
    except ImportError:  # no such limits on Windows; the parent's time limit holds
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    order = msgspec.msgpack.decode(base64.b64decode(sys.stdin.buffer.read()), type=_Order)
    try:
        answer = _Answer(read_document(order.data, order.name, charset=order.charset, limits=order.limits))
    except (InputError, LimitError) as refusal:
        answer = _Answer(refused=refusal.as_dict())
    sys.stdout.buffer.write(base64.b64encode(msgspec.msgpack.encode(answer)))


if __name__ == "__main__":
    main()
