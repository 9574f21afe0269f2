"""Objects that are not what their originators signed, or not theirs to call back."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from secretariat.exchange.peers import Outgoing

from .cheating import Forger, cheat, made_up, note, put, victim_of
from .party import sealed

if TYPE_CHECKING:
    from .party import Party
    from .play import Play


@cheat
def forged_object(play: Play, party: Party, dice: random.Random) -> bool:
    """Give out something made up as another party's, under that party's key id."""
    to = victim_of(play, party, dice)
    others = [one for one in play.parties.values() if one.code not in {to, party.code}]
    if to is None or not others:
        return False
    owner = dice.choice(others)
    value = play.value(dice, owner.code, "CLEAR")
    forger: Any = Forger(party.ring.record, owner.ring.record)
    version = sealed(owner.ring, value, dice.randbytes(32), signer=forger)
    decision = play.decided(party, to, "CLEAR", version)
    assert decision is not None
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(store, party, [version], [(to, decision)], "CLEAR", right=False)
    known = (to, owner.code) not in play.plan.strangers
    return note(play, "forged_object", party.code, to, "broken-signature", root=version.root, strict=known)


@cheat
def revived(play: Play, party: Party, dice: random.Random) -> bool:
    """Give out again what its originator withdrew."""
    to = victim_of(play, party, dice)
    gone = [
        one
        for one in party.hoard.values()
        if (item := play.oracle.items.get(one.root)) is not None
        and item.withdrawn
        and one.originator not in {to, party.code}
        and any(given.giver == one.originator and given.to == to for given in play.oracle.given[one.root])
    ]
    if to is None or not gone:
        return False
    version = dice.choice(sorted(gone, key=lambda one: one.root))
    colour = play.oracle.items[version.root].colour
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(store, party, [version], [(to, made_up("tlp-2/CLEAR"))], colour, right=False)
    return note(play, "revived", party.code, to, "grant-differs", root=version.root, strict=False)


@cheat
def rival(play: Play, party: Party, dice: random.Random) -> bool:
    """Sign other content under an id and version that was published before."""
    to = victim_of(play, party, dice)
    mine = [
        item
        for root, item in play.oracle.items.items()
        if item.originator == party.code
        and not item.withdrawn
        and any(one.to == to and one.right for one in play.oracle.given[root])
    ]
    if to is None or not mine:
        return False
    item = dice.choice(mine)
    value = {**json.loads(item.data), "name": f"rival {dice.getrandbits(64)}"}
    version = sealed(party.ring, value, dice.randbytes(32))
    decision = play.decided(party, to, item.colour, version)
    if decision is None:
        return False
    with party.node.store(play.now(party.code)) as store:
        put(play, store, party, version, item.colour, to)
        play.grant(store, party, [version], [(to, decision)], item.colour)
    for one in play.oracle.given[version.root]:
        one.sound = False  # shown as disputed at best
    return note(play, "rival", party.code, to, "disputed", root=version.root, strict=False)


@cheat
def false_call(play: Play, party: Party, dice: random.Random) -> bool:
    """Call back another party's object without its word."""
    to = victim_of(play, party, dice)
    theirs = [
        root
        for root, item in play.oracle.items.items()
        if item.originator not in {to, party.code}
        and not item.withdrawn
        and any(one.to == to and one.right for one in play.oracle.given[root])
    ]
    if to is None or not theirs:
        return False
    root = dice.choice(theirs)
    kind = dice.choice(["withdraw", "narrow"])
    if any(one.giver == party.code and one.to == to for one in play.oracle.given[root]):
        return False  # it may take back its own grant
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing(kind, to, {"to": to, "objects": [root.hex()], "reason": "a lie"})])
    return note(play, "false_call", party.code, to, "not-theirs-to-call-back", root=root, strict=False)
