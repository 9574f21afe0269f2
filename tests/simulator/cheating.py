"""What a cheat is, who may fall for it, and how it must come out: found by name, or harmless."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secretariat.agreements.model import MAY, Decision
from secretariat.exchange.model import Version
from secretariat.exchange.peers import Store
from secretariat.ledger.keys import Signer

from .oracle import Item

if TYPE_CHECKING:
    from .party import Party
    from .play import Play

Act = Callable[["Play", "Party", random.Random], bool]
CHEATS: dict[str, Act] = {}
SELDOM = (
    "forged_word",
    "forged_word",
    "false_consent",
    "false_consent",
    "revived",
    "revived",
    "fork",
    "stolen_relay",
)
"""Cheats that seldom find an occasion are tried more often."""


@dataclass
class Cheat:
    """One cheat, at whose cost, and by which refusals it is found out."""

    kind: str
    by: str
    victim: str
    codes: frozenset[str]
    root: bytes | None = None
    strict: bool = True
    """Whether it must be found where it arrived; else it is enough that nothing comes of it."""


class Forger:
    """Signs with a key of its own in the name of another."""

    def __init__(self, own: Signer, claimed: Signer) -> None:
        self.key_id, self.public, self.sign = claimed.key_id, claimed.public, own.sign


def cheat(act: Act) -> Act:
    CHEATS[act.__name__] = act
    return act


def verdict(play: Play, one: Cheat) -> str:
    """Say what came of a cheat: found, harmless, unseen (it never got there), or missed."""
    victim = play.parties[one.victim]
    if not victim.honest or victim.read_only:
        return "unseen"
    with victim.look(play.now(one.victim)) as store:
        for refusal in store.refused():
            if refusal.party != one.by:
                continue
            named = one.root is not None and refusal.root == one.root.hex()  # for whichever of its cheats
            if named or (refusal.code in one.codes and (one.root is None or refusal.root is None)):
                return "found"
    if not play.works(one.by, one.victim):
        return "unseen"
    if one.root is not None and not play.oracle.may_send(one.by, one.victim, one.root):
        return "unseen"  # it was called back before it came
    return "missed" if one.strict else "harmless"


def note(play: Play, kind: str, by: str, victim: str, *codes: str, **more: Any) -> bool:
    play.cheated.append(Cheat(kind, by, victim, frozenset(codes), **more))
    return True


def victim_of(play: Play, party: Party, dice: random.Random) -> str | None:
    """Choose an honest partner whom the cheater's pages still reach."""
    found = [
        one
        for one in play.linked(party.code)
        if play.parties[one].honest and play.works(party.code, one) and one not in party.forked
    ]
    return dice.choice(found) if found else None


def put(play: Play, store: Store, party: Party, version: Version, colour: str, to: str) -> None:
    store.lock()
    store.publish([version], [to])
    play.oracle.publish(
        Item(version.root, version.stix_id, version.originator, colour, version.data, version.version)
    )


def made_up(key: str) -> Decision:
    return Decision(outcome=MAY, article=key, because=(key,))
