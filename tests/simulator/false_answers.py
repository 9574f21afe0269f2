"""Answers that nobody gave, or gives any more."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from secretariat.exchange.memory import Memory
from secretariat.exchange.peers import Outgoing
from secretariat.ledger import entries

from .cheating import Forger, cheat, note, victim_of

if TYPE_CHECKING:
    from .party import Party
    from .play import Play


@cheat
def false_receipt(play: Play, party: Party, dice: random.Random) -> bool:
    """Answer what was never asked."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    about = entries.EntryRef(play.parties[to].ring.origin, 10**6 + dice.randrange(1000))
    body = entries.Receipt(to=to, about=about, state="destroyed", objects=[dice.randbytes(32).hex()])
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing("receipt", to, body)])
    return note(play, "false_receipt", party.code, to, "false-receipt")


@cheat
def forged_word(play: Play, party: Party, dice: random.Random) -> bool:
    """Answer for somebody further down in its name, under its key id."""
    memory: Memory = party.node.backend
    got = [
        (root, one)
        for root, arrivals in memory.arrivals.items()
        for one in arrivals.values()
        if root in play.oracle.items and play.oracle.items[root].originator != party.code
    ]
    others = [one for one in play.parties.values() if one.honest]
    if not got or not others:
        return False
    root, arrival = dice.choice(sorted(got, key=lambda pair: pair[0]))
    giver = next(one for one in play.parties.values() if one.ring.origin == arrival.origin)
    below = dice.choice(others)
    if giver is below or not giver.honest or not play.works(party.code, giver.code):
        return False
    state = dice.choice(["destroyed", "received"])
    body = entries.Receipt(
        to=party.code,
        about=entries.EntryRef(party.ring.origin, 0),
        state=state,
        objects=[root.hex()],
        count=1,
    )
    draft = entries.Draft("receipt", party.code, body)
    forger: Any = Forger(party.ring.record, below.ring.record)
    made = entries.seal(
        entries.payload(
            draft, realm="live", origin=below.ring.origin, party=below.code, now=play.now(party.code)
        ),
        draft,
        forger,
        dice.randbytes(32),
    )
    word = {
        "party": below.code,
        "origin": below.ring.origin,
        "position": 3,
        "envelope": json.loads(made.envelope),
        "salt": made.salt.hex(),
    }
    told = entries.Receipt(
        to=giver.code,
        about=entries.EntryRef(arrival.origin, arrival.position),
        state="passed-on",
        objects=[root.hex()],
        count=1,
        downstream=[word],
    )
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing("receipt", giver.code, told)])
    return note(play, "forged_word", party.code, giver.code, "false-receipt", strict=False)


@cheat
def deaf(play: Play, party: Party, dice: random.Random) -> bool:
    """Hear nothing any more: calls back stay unanswered, and it is named as the one who owes."""
    if dice.random() < 0.6:
        return False
    party.deaf = True
    return True
