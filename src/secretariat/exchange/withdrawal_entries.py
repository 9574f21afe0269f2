"""The entries of calling back as they are written and read: the call, its term, the answer (no I/O)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from secretariat.base.clock import parse_stamp, stamp
from secretariat.exchange.duties import Term
from secretariat.exchange.peers import Outgoing
from secretariat.ledger import entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EVERYBODY: Final = "*"
WORDS_MAX: Final = 1000  # of holders further down that one receipt speaks of
HOLDING: Final = frozenset({"received", "disputed", "quarantined", "waiting", "passed-on"})
"""States of a receipt that says: it is here."""


def roots_in(value: Any) -> list[bytes]:
    """Read the roots that an entry lists, each once; of anything else none. Refuses what is no root."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return []
    entries.check_roots(value)
    return [bytes.fromhex(one) for one in dict.fromkeys(value)]


def call_of(kind: str, to: str, roots: Iterable[bytes], reason: str, extra: dict[str, Any]) -> Outgoing:
    """Write a `withdraw` or `narrow` entry for one holder."""
    return Outgoing(
        kind, to, {"to": to, "objects": sorted(root.hex() for root in roots), "reason": reason, **extra}
    )


def term_in_call(term: Term | None) -> dict[str, Any]:
    """What a call says of its term: by when it is to be answered, and by which article."""
    return {} if term is None else {"by": stamp(term.by), "article": term.article}


def term_of_call(call: Mapping[str, Any]) -> Term | None:
    """Read the term that a call of ours states."""
    by = call.get("by")
    return None if by is None else Term(parse_stamp(str(by)), str(call.get("article", "")))


def term_in_holding(term: Term | None) -> dict[str, Any]:
    """The same, as it is kept of the holder that was asked."""
    return {} if term is None else {"due": term.by, "article": term.article}


def receipt_of(
    to: str, about: entries.EntryRef, state: str, roots: Sequence[bytes], downstream: list[dict[str, Any]]
) -> list[Outgoing]:
    """Write an answer about `roots`: one receipt, or several where it speaks of very many further down."""
    parts = [downstream[at : at + WORDS_MAX] for at in range(0, len(downstream), WORDS_MAX)] or [[]]
    return [
        Outgoing(
            "receipt",
            to,
            entries.Receipt(
                to=to,
                about=about,
                state=state,
                objects=[root.hex() for root in roots],
                count=len(roots),
                downstream=part,
            ),
        )
        for part in parts
    ]
