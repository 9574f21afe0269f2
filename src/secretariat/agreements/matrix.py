"""What may flow between whom on a day: the one decision function asked for every colour and level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.book import day_in
from secretariat.agreements.candidate import RESTRICTS_ONLY
from secretariat.agreements.caveats import ORDER
from secretariat.agreements.model import MAY, Decision, Facts, Question
from secretariat.agreements.naming import name_side
from secretariat.agreements.rules import decide
from secretariat.agreements.status import state_at
from secretariat.records.markings import Label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Moment


class Cell(msgspec.Struct, frozen=True):
    """One sender and one recipient on a day, nothing stated but the marking."""

    sender: str
    recipient: str
    tlp: str | None
    """Tightest colour that may go."""
    level: str | None
    """Highest level that may go, of the sender's own table."""
    in_force: tuple[str, ...]
    """Instruments in force that name both."""
    warnings: tuple[str, ...]


def parties_of(book: Book) -> list[str]:
    """Give the parties that instruments name, without groups and standards."""
    named = [
        code
        for one in book.instruments.values()
        if one.kind not in RESTRICTS_ONLY
        for code in one.parties
        if code not in book.groups
    ]
    return list(dict.fromkeys(named))


def cells(
    book: Book, parties: Sequence[str] | None, true: Moment, known: Moment | None, facts: Facts | None = None
) -> list[Cell]:
    """Give a cell for every pair of parties; without a list, of all that instruments name together."""
    chosen = list(parties) if parties else parties_of(book)
    found = [cell(book, a, b, true, known, facts) for a in chosen for b in chosen if a != b]
    return found if parties else [one for one in found if one.in_force]


def cell(
    book: Book, sender: str, recipient: str, true: Moment, known: Moment | None, facts: Facts | None = None
) -> Cell:
    """Ask for every colour and every level of the sender what may go to the recipient."""

    def ask(label: Label) -> Decision:
        question = Question(sender, recipient, label, true, known, facts=facts or Facts())
        return decide(book, question)

    tlp = next(
        (
            word
            for word in sorted(ORDER, key=lambda w: -ORDER[w])
            if ask(Label(sender, tlp=word)).outcome == MAY
        ),
        None,
    )
    level = None
    for key in book.owners.get(sender, ()):
        scheme = book.schemes[key]
        classified = [word for word in reversed(scheme.order) if word not in scheme.unclassified]
        level = level or next(
            (word for word in classified if ask(Label(sender, level=word, scheme=key)).outcome == MAY), None
        )
    held, warnings = [], []
    for one in book.instruments.values():
        day = day_in(true, one.timezone)
        if one.kind not in RESTRICTS_ONLY and all(
            name_side(book, one, p, None, day).named for p in (sender, recipient)
        ):
            state = state_at(one, true, known, (sender, recipient))
            if state.in_force:
                held.append(one.key)
                warnings += [w.text for w in state.warnings]
    return Cell(sender, recipient, tlp, level, tuple(held), tuple(warnings))
