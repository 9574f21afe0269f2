"""Which articles decided and in which order they are named; whether an instrument concerns an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.agreements.candidate import INTENT, NOT_IN_FORCE
from secretariat.agreements.caveats import GREEN, RED
from secretariat.agreements.model import CONDITION, DUTY, FAILS, HOLDS, Note, Tried

if TYPE_CHECKING:
    from secretariat.agreements.candidate import Piece
    from secretariat.agreements.model import Attempt, Instrument

_FIRST = (
    "MARK", "HUB_ONLY", "AUDIENCE", "ORCON", "THIRD_PARTY", "ADMISSION", "COMPARTMENT", "PURPOSE", "REL_TO",
    "LEVELS", "NON_BINDING", "DEFAULT_SHARE", "DEFINE", "EQUIV_PROTECTION", "IN_FORCE",
)  # fmt: skip
_RELIED_EVEN_SO = {"EQUIV_PROTECTION", "PURPOSE", "DEFINE"}
_ORDER = {rule: n for n, rule in enumerate(_FIRST)}
_FAILING = (
    "DEFINE", "PURPOSE", "HUB_ONLY", "LEVELS", "MARK", "AUDIENCE", "ADMISSION", "COMPARTMENT", "REL_TO",
    "CLEARANCE", "NEED_TO_KNOW", "CONTRACTOR", "PII", "NON_BINDING", "DEFAULT_SHARE", "IN_FORCE",
)  # fmt: skip
_FAILING_ORDER = {rule: n for n, rule in enumerate(_FAILING)}


def relied(pieces: tuple[Piece, ...], basis: tuple[str, ...]) -> tuple[str, ...]:
    """Give the articles relied upon: what a pending notice rests on, then the rules asked and held."""
    rows = [
        r
        for p in pieces
        for r in p.rows
        if r.result == HOLDS or (r.result in {CONDITION, DUTY} and r.rule in _RELIED_EVEN_SO)
    ]
    rows.sort(key=lambda r: (_ORDER.get(r.rule, len(_FIRST)), r.ref.startswith("tlp-")))
    return tuple(dict.fromkeys((*basis, *(r.ref for r in rows))))


def concerns(instrument: Instrument, *, classified: bool, kind: str | None, purpose: str | None) -> bool:
    """Tell whether an object can be held under an instrument at all, by its scope."""
    levelled = bool(instrument.tables) or any(a.rule == "LEVELS" for a in instrument.articles)
    if levelled and not classified:
        return False
    for article in instrument.articles:
        if article.rule == "DEFINE":
            if article.get("classified") and not classified:
                return False
            kinds = article.get("kinds", ())
            if kinds and kind is not None and kind not in kinds:
                return False
        elif article.rule == "PURPOSE":
            purposes = article.get("purposes")
            if purposes and purpose is not None and purpose not in purposes:
                return False
    return True


def sort_failing(rows: list[Tried], rank: int) -> list[Tried]:
    if rank == NOT_IN_FORCE:
        return sorted(rows, key=lambda r: r.rule != "IN_FORCE")
    return sorted(rows, key=lambda r: _FAILING_ORDER.get(r.rule, len(_FAILING)))


def failing_refs(attempt: Attempt) -> list[str]:
    rows = sort_failing([r for r in attempt.tried if r.result == FAILS], attempt.rank)
    refs = [r.ref for r in rows]
    if attempt.rank == INTENT and len(refs) > 1:
        refs.insert(0, attempt.instrument)
    return refs


def colour_refusal(tlp: str, sender: str, recipient: str) -> Note:
    if tlp == GREEN:
        return Note("tlp.green_none", (sender, recipient))
    if tlp == RED:
        return Note("tlp.red")
    return Note("tlp.unbound", (tlp, recipient))
