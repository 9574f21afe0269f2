"""Logs that contradict themselves."""

from __future__ import annotations

import contextlib
import copy
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange.memory import MemoryStore
from secretariat.exchange.peers import Store
from secretariat.exchange.wire import Page
from secretariat.ledger import checkpoint

from .cheating import cheat, note, victim_of
from .oracle import Item
from .party import sealed

if TYPE_CHECKING:
    from .network import Way
    from .party import Party
    from .play import Play

LOG_LIES = frozenset({"log-rolled-back", "log-contradicts", "log-unproven"})


@cheat
def rolled_back(play: Play, party: Party, dice: random.Random) -> bool:
    """Show a smaller log than before, or another one of the same size."""
    to = victim_of(play, party, dice)
    if to is None or dice.random() < 0.5:
        return False
    same = dice.random() < 0.5

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        if page.since < 2:
            return None
        size = page.since if same else page.since - 1
        text = checkpoint.sign(party.ring.origin, size, dice.randbytes(32), party.ring.log).decode()
        note(
            play, "rolled_back", party.code, way.receiver, "log-rolled-back", "log-contradicts", strict=False
        )
        return msgspec.structs.replace(page, checkpoint=text, consistency=())

    party.bends[to].append(trick)
    return True


@cheat
def fork(play: Play, party: Party, dice: random.Random) -> bool:
    """Keep two logs: some partners see one, the rest the other; at the end everybody is shown the one."""
    partners = [
        one
        for one in play.linked(party.code)
        if play.works(party.code, one)
        and play.network.ways[party.code, one].by == "wire"
        and len(play.network.on(play.network.node(one))) == 1
    ]
    if party.shadow is not None or len(partners) < 2 or dice.random() < 0.3:
        return False
    chosen = dice.sample(partners, dice.randint(1, len(partners) - 1))
    memory = party.node.backend
    shadow = copy.copy(memory)
    vars(shadow).update(party.snapshot()["memory"])
    party.shadow, party.forked = shadow, frozenset(chosen)
    party.goes_on = dice.random() < 0.5
    colour = "CLEAR"
    for backend, readers in ((shadow, chosen), (memory, [one for one in partners if one not in chosen])):
        version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
        with backend.transaction(play.now(party.code)) as store:
            to = [(one, play.decided(party, one, colour, version)) for one in readers]
            store.lock()
            store.publish([version], readers)
            play.oracle.publish(
                Item(version.root, version.stix_id, party.code, colour, version.data, version.version)
            )
            play.grant(
                store, party, [version], [(one, found) for one, found in to if found is not None], colour
            )
        for given in play.oracle.given[version.root]:
            given.sound = False
    size = len(memory.log)
    for one in chosen:
        play.broken.add((one, party.code))
        party.forks[one] = size
    return True


@contextlib.contextmanager
def shown(play: Play, way: Way) -> Iterator[Store]:
    """Give the store that a sender shows a receiver."""
    sender, now = play.parties[way.sender], play.now(way.sender)
    if sender.shadow is not None and way.receiver in sender.forked:
        yield MemoryStore(sender.shadow, now)
        return
    with sender.look(now) as store:
        yield store


def hoard(party: Party, store: Store) -> None:
    """A cheater keeps whatever it ever saw."""
    for one in store.shown():
        party.hoard.setdefault(one.root, one)


def end(play: Play) -> None:
    """Cheaters stop cheating: what they had not done yet is not done, and everybody is shown one log."""
    for party in play.parties.values():
        party.bends = defaultdict(list)
        if party.shadow is None or party.goes_on:
            continue
        seen = len(party.shadow.log)
        for one in party.forked:
            way = play.network.ways[party.code, one]
            size = play.place(way)[1]
            if size > party.forks[one] - 1 and size <= seen:
                note(play, "fork", party.code, one, *LOG_LIES, strict=False)
        party.shadow = None
