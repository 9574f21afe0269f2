"""Reads a document in a process of its own, bounded in time and memory: foreign bytes may lead a rule astray.

The child gets bytes and gives back what it read and what the rules found, as MessagePack; it opens no file and
no connection. When it passes its time or dies, the document is refused and nothing else is harmed.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import date

import msgspec

from secretariat.base.errors import InputError, LimitError
from secretariat.register.intake.capture import Captured, Limits, read_document
from secretariat.register.intake.model import Reading
from secretariat.register.intake.proposals import read_text

_MEMORY = 2_147_483_648
"""Bytes of address space of the child."""
_PER = 2_000_000
"""Bytes for which a document gets its limit of seconds once more: rules take time in proportion to letters."""
_LONG = 6_000_000
"""Bytes of the longest text of CJK letters: beyond it the limit grows no more."""
SECONDS_OF_PROCESSOR = 2
"""Times the limit of seconds that the child may compute, where the system counts it."""


class Document(msgspec.Struct, frozen=True):
    """A document with what the rules found in it."""

    captured: Captured
    reading: Reading


class _Order(msgspec.Struct, frozen=True):
    limits: Limits
    data: bytes = b""
    name: str = ""
    charset: str | None = None
    text: str | None = None
    """A text that was captured before: only the rules run."""
    lang: str = ""
    own: date | None = None
    rules: bool = False


class _Answer(msgspec.Struct, frozen=True):
    captured: list[Captured] = []
    found: list[Document] = []
    reading: Reading | None = None
    refused: dict[str, str] | None = None


def read_contained(data: bytes, name: str, *, charset: str | None = None, limits: Limits) -> list[Captured]:
    """Read a document as `read_document` does, in a child process. Refuses what takes too long."""
    if len(data) > limits.data:
        return read_document(data, name, charset=charset, limits=limits)  # refuses at once
    return _ask(_Order(limits, data=data, name=name, charset=charset), name).captured


def documents_contained(
    data: bytes, name: str, *, charset: str | None = None, own: date | None = None, limits: Limits
) -> list[Document]:
    """Read a document and let the rules run over it, in a child process. Refuses what takes too long."""
    if len(data) > limits.data:
        read_document(data, name, charset=charset, limits=limits)  # refuses at once
    return _ask(_Order(limits, data=data, name=name, charset=charset, own=own, rules=True), name).found


def rules_contained(text: str, *, lang: str, own: date | None, limits: Limits) -> Reading:
    """Let the rules run over a text that was captured before, in a child process."""
    reading = _ask(_Order(limits, text=text, lang=lang, own=own), "").reading
    if reading is None:
        raise InputError("the document cannot be read: its reader stopped", advice="open and save it anew")
    return reading


def seconds_for(order: _Order) -> int:
    """Give the time that a document may take: the limit, and more in proportion for a long one."""
    size = len(order.data if order.text is None else order.text.encode())
    return order.limits.seconds + order.limits.seconds * min(size, _LONG) // _PER


def _ask(order: _Order, name: str) -> _Answer:
    limits = msgspec.structs.replace(order.limits, seconds=seconds_for(order))
    order = msgspec.structs.replace(order, limits=limits)
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-m", "secretariat.register.intake.contained"],
            input=base64.b64encode(msgspec.msgpack.encode(order)),
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
    return answer


def _answer(order: _Order) -> _Answer:
    if order.text is not None:
        return _Answer(reading=read_text(order.text, lang=order.lang, own=order.own))
    found = read_document(order.data, order.name, charset=order.charset, limits=order.limits)
    if not order.rules:
        return _Answer(captured=found)
    return _Answer(
        found=[
            Document(one, read_text(one.text, lang=one.lang, stated=one.stated, own=order.own))
            for one in found
        ]
    )


def main() -> None:
    """Answer one order on stdin."""
    order = msgspec.msgpack.decode(base64.b64decode(sys.stdin.buffer.read()), type=_Order)
    try:
        import resource
    except ImportError:  # no such limits on Windows; the parent's time limit holds
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        seconds = SECONDS_OF_PROCESSOR * order.limits.seconds
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        answer = _answer(order)
    except (InputError, LimitError) as refusal:
        answer = _Answer(refused=refusal.as_dict())
    except (MemoryError, RecursionError) as fault:
        what = "is nested too deeply" if isinstance(fault, RecursionError) else "needs too much memory"
        passed = LimitError(f"the document {what}", advice="take in the part you need")
        answer = _Answer(refused=passed.as_dict())
    sys.stdout.buffer.write(base64.b64encode(msgspec.msgpack.encode(answer)))


if __name__ == "__main__":
    main()
