"""What cheaters do; each is told to the world with what must come of it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secretariat.exchange.peers import Store
from secretariat.exchange.wire import Page

if TYPE_CHECKING:
    from .network import Way
    from .party import Party
    from .play import Play

@dataclass
class Cheat:
    """One cheat, at whose cost, and by which refusals it may be found out."""

    kind: str
    by: str
    victim: str
    codes: frozenset[str] = frozenset()
    root: bytes | None = None
    check: Callable[[Play], str | None] | None = field(default=None, repr=False)


CHEATS: dict[str, Callable[[Play, Party, random.Random], bool]] = {}


@contextlib.contextmanager
def shown(play: Play, way: Way) -> Iterator[Store]:
    """Give the store that a sender shows a receiver."""
    sender = play.parties[way.sender]
    with sender.look(play.now(way.sender)) as store:
        yield store


def bend(play: Play, way: Way, page: Page) -> Page:
    return page


def hoard(party: Party, store: Store) -> None:
    pass


def end(play: Play) -> None:
    pass
