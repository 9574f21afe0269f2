"""Grants that no agreement gives, by an originator and by a relay."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.model import MAY, Consent, Decision, Facts, Question
from secretariat.agreements.recompute import moment_text
from secretariat.agreements.rules import decide
from secretariat.exchange.model import LogEntry, Version
from secretariat.exchange.peers import Store
from secretariat.ledger import entries
from secretariat.records.markings import Label

from .cheating import Forger, cheat, made_up, note, put, victim_of
from .party import sealed
from .terms import COLOURS

if TYPE_CHECKING:
    from .party import Party
    from .play import Play


def _as_if(play: Play, party: Party, to: str, colour: str, version: Version) -> Decision:
    """Decide as if the originator had consented: the row that a receiver who believed it would find equal."""
    consent = Consent(by=version.originator, to=(to,), state="given")
    question = Question(
        sender=party.code,
        recipient=to,
        label=Label(version.originator, tlp=colour),
        true=play.now(party.code),
        direct=True,
        facts=Facts(consents=(consent,)),
        object_id=version.stix_id,
    )
    decision = decide(party.book(play.common(party, to), play.terms), question)
    return decision if decision.outcome == MAY else made_up("tlp-2/CLEAR")


@cheat
def forged_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant own information that no agreement lets through."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    wrong = [one for one in COLOURS if not play.right(party, to, one, party.code, b"")]
    if not wrong:
        return False
    colour = dice.choice(wrong)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    with party.node.store(play.now(party.code)) as store:
        put(play, store, party, version, colour, to)
        play.grant(store, party, [version], [(to, made_up("syn-0/1"))], colour, right=False)
    return note(play, "forged_grant", party.code, to, "grant-differs", root=version.root)


@cheat
def padded_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant what may go, by other articles, until another day, or with other duties than the agreement's."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    colour = dice.choice(COLOURS)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    decision = play.decided(party, to, colour, version)
    if decision is None:
        return False
    changes: list[dict[str, Any]] = [
        {"articles": ["syn-0/9"]},
        {"until": "2031-01-01T00:00:00.000000Z"},
        {"obligations": [{"who": to, "do": "keep_by_law", "art": "syn-0/4", "by": "2030-01-01"}]},
        {"marks": {to: {"level": "II", "art": "syn-0/5"}}},
    ]
    change = dice.choice(changes)
    with party.node.store(play.now(party.code)) as store:
        put(play, store, party, version, colour, to)
        play.grant(
            store,
            party,
            [version],
            [(to, decision)],
            colour,
            change=lambda row: msgspec.structs.replace(row, **change),
            right=False,
        )
    return note(play, "padded_grant", party.code, to, "grant-differs", root=version.root)


@cheat
def backdated_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant as if it were another day."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    colour = dice.choice(COLOURS)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    decision = play.decided(party, to, colour, version)
    if decision is None:
        return False
    day = play.now(party.code) + timedelta(days=dice.choice([-3, -1, 1]))
    with party.node.store(play.now(party.code)) as store:
        put(play, store, party, version, colour, to)
        play.grant(store, party, [version], [(to, decision)], colour, true_on=moment_text(day), right=False)
    return note(play, "backdated_grant", party.code, to, "grant-differs", root=version.root)


def _relay(
    play: Play, party: Party, dice: random.Random, kind: str, facts: Callable[..., dict[str, Any] | None]
) -> bool:
    to = victim_of(play, party, dice)
    if to is None:
        return False
    have = [*party.hoard.values(), *play.relayable(party)]
    wrong = [
        one
        for one in have
        if one.originator not in {to, party.code}
        and one.root in play.oracle.items
        and not play.right(party, to, play.oracle.items[one.root].colour, one.originator, one.root)
    ]
    if not wrong:
        return False
    version = dice.choice(sorted(wrong, key=lambda one: one.root))
    colour = play.oracle.items[version.root].colour
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(
            store,
            party,
            [version],
            [(to, _as_if(play, party, to, colour, version))],
            colour,
            facts(store, version, to),
            right=False,
        )
    return note(play, kind, party.code, to, "grant-differs", root=version.root, strict=False)


@cheat
def stolen_relay(play: Play, party: Party, dice: random.Random) -> bool:
    """Pass on what the originator did not let pass."""
    return _relay(play, party, dice, "stolen_relay", lambda *_: None)


@cheat
def false_consent(play: Play, party: Party, dice: random.Random) -> bool:
    """Pass on by a consent that the originator never signed, or that only the relay itself signed."""

    def facts(store: Store, version: Version, to: str) -> dict[str, Any]:
        origin = party.ring.origin
        claimed, signer = party.code, party.ring.record
        position = 1_000_000 + dice.randrange(1000)
        owner = play.parties.get(version.originator)
        if owner is not None and dice.random() < 0.7:
            origin, claimed = owner.ring.origin, owner.code
            signer = Forger(party.ring.record, owner.ring.record)  # type: ignore[assignment]
        body = entries.Consent(to=party.code, objects=[version.root.hex()], to_reader=to)
        draft = entries.Draft("consent", party.code, body)
        made = entries.seal(
            entries.payload(draft, realm="live", origin=origin, party=claimed, now=play.now(party.code)),
            draft,
            signer,
            dice.randbytes(32),
        )
        store.attach(origin, LogEntry(position, "consent", claimed, party.code, made.envelope, made.salt))
        return {"consents": [{"origin": origin, "position": position}]}

    return _relay(play, party, dice, "false_consent", facts)
