"""From a seed to a world: who there is, what they agreed, what they do and what goes wrong, all of it data.

A plan says everything before anything happens, so that a failing world can be printed, run again by its seed,
and made smaller by leaving deeds out. Each deed has a number of its own (`luck`) from which it draws what it
must still choose: leaving one out does not change the others.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection
from datetime import date

import msgspec

from . import terms
from .terms import Terms
from .ways import START

ACTS = 100.0
"""Seconds in which everything is done; then faults end and the world comes to rest."""
NAMES = (
    *("KR", "JP", "US", "AU", "CN", "IN", "DE", "FR", "UK", "SG", "PH", "VN", "ID", "TH", "MY", "NZ"),
    *(f"N{number:02}" for number in range(1, 40)),
)
SIZES = {2: 12, 3: 20, 4: 20, 5: 16, 6: 12, 7: 9, 8: 8}

DEEDS = {
    "share": 30,
    "update": 7,
    "relay": 14,
    "consent": 10,
    "withdraw": 8,
    "narrow": 6,
    "learn": 4,
    "midnight": 5,
    "again": 5,
    "propose": 6,
    "remark": 5,
}
FAULTS = {"crash": 6, "partition": 6, "skew": 2, "backup": 1, "restore": 2, "revert": 1, "storm": 2}
MEMORY_ONLY = frozenset({"backup", "restore", "revert"})


class Deed(msgspec.Struct, frozen=True):
    """One thing that somebody does, or that happens to somebody, at a second of the world's time."""

    at: float
    kind: str
    who: str
    other: str = ""
    luck: int = 0
    lasts: float = 0.0

    def __str__(self) -> str:
        more = f" {self.other}" if self.other else ""
        return f"{self.at:6.1f} {self.who:4} {self.kind}{more}" + (
            f" {self.lasts:.0f}s" if self.lasts else ""
        )


class Rates(msgspec.Struct, frozen=True):
    """How often the network does what to a message, and how often a node dies while it takes a page."""

    lost: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    cut: float = 0.0
    bent: float = 0.0
    again: float = 0.0
    dies: float = 0.0


class Plan(msgspec.Struct, frozen=True):
    """One world."""

    seed: int
    parties: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    pushed: frozenset[tuple[str, str]]
    """(sender, receiver): the receiver cannot reach the sender, which brings it its pages."""
    posted: tuple[tuple[str, str, str], ...]
    """Two that write to each other through the mailbox of a third."""
    carried: tuple[tuple[str, str], ...]
    """Two that have nothing but media between them."""
    guests: tuple[tuple[str, str, tuple[str, ...]], ...]
    """A party without a node, who hosts it, and the host's partners that accepted its introduction."""
    strangers: frozenset[tuple[str, str]]
    """(at, party): not enrolled there."""
    terms: tuple[Terms, ...]
    unsigned: frozenset[tuple[str, str]]
    """(party, key of terms): signed later if ever."""
    cheats: tuple[str, ...]
    rates: Rates
    signed: bool
    """Whether requests and answers bear signatures (RFC 9421) and pass the doors' checks."""
    circles: bool
    """Whether everybody may know of everybody's partners: then checkpoints are shown around."""
    page: int
    deeds: tuple[Deed, ...]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {' '.join(self.parties)}; cheating: {' '.join(self.cheats) or 'nobody'}"]
        lines.append("links " + " ".join(f"{one}-{other}" for one, other in self.links))
        if self.pushed:
            lines.append("brought " + " ".join(f"{one}>{other}" for one, other in sorted(self.pushed)))
        lines += [f"letters {one}-{other} by way of {office}" for one, other, office in self.posted]
        lines += [
            f"guest {guest} of {host}, known to {' '.join(known)}" for guest, host, known in self.guests
        ]
        lines += [f"media {one}-{other}" for one, other in self.carried]
        lines.append(
            f"{self.rates}, signed {self.signed}, circles {self.circles}, {self.page} objects a page"
        )
        lines += [f"  {one}" for one in self.terms]
        lines += [f"  {one}" for one in self.deeds]
        return "\n".join(lines)

    def without(self, left_out: Collection[int]) -> Plan:
        """The same world without some deeds, by number."""
        deeds = tuple(one for number, one in enumerate(self.deeds) if number not in left_out)
        return msgspec.structs.replace(self, deeds=deeds)


def draw(seed: int, *, cheats: Collection[str] = (), memory: bool = True, most: int = 50) -> Plan:
    """Draw the world of a seed. `cheats` names what cheaters may do; without it everybody is honest.

    `memory` False leaves out what needs a node that can be copied; `most` bounds the nodes.
    """
    dice = random.Random(f"world {seed}")
    parties = _parties(dice, most)
    links = _links(dice, parties)
    today: date = START.date()
    few = len(parties) <= 8
    cheating = tuple(sorted(dice.sample(parties, 1 + (dice.random() < 0.25))[: len(parties) - 1]))
    if not cheats or dice.random() < 0.35:
        cheating = ()
    linked = {(one, other) for one, other in links} | {(other, one) for one, other in links}
    strangers = frozenset(
        (one, other)
        for one in parties
        for other in parties
        if one != other and (one, other) not in linked and dice.random() < (0.3 if few else 0.9)
    )
    posted = _posted(dice, links, cheating) if few and dice.random() < 0.2 else ()
    wired = [pair for pair in links if pair not in {one[:2] for one in posted}]
    carried = tuple(dice.sample(wired, 1)) if few and wired and dice.random() < 0.12 else ()
    wired = [pair for pair in wired if pair not in carried]
    guests = _guests(dice, parties, wired, cheating) if few and dice.random() < 0.22 else ()
    everybody = [*parties, *(guest for guest, _, _ in guests)]
    agreed = terms.draw(dice, everybody, today)
    met = {(one, guest) for guest, _, known in guests for one in known}
    strangers |= {
        pair
        for guest, _, _ in guests
        for one in everybody
        for pair in ((one, guest), (guest, one))
        if one != guest and (one, guest) not in met
    }
    pushed = frozenset(pair for pair in sorted(linked) if dice.random() < 0.08)
    calm = dice.random() < 0.15
    rates = (
        Rates()
        if calm
        else Rates(
            **{
                name: dice.choice([0.0, 0.02, 0.08, 0.2]) for name in ("lost", "late", "twice", "cut", "bent")
            },
            again=dice.choice([0.0, 0.05]),
            dies=dice.choice([0.0, 0.02, 0.05]),
        )
    )
    return Plan(
        seed=seed,
        parties=tuple(parties),
        links=tuple(links),
        pushed=pushed,
        posted=posted,
        carried=carried,
        guests=guests,
        strangers=strangers,
        terms=tuple(agreed),
        unsigned=frozenset(
            (party, one.key)
            for one in agreed
            for party in everybody
            if one.known_to(party) and dice.random() < 0.06
        ),
        cheats=cheating,
        rates=rates,
        signed=few and dice.random() < 0.25,
        circles=dice.random() < 0.6,
        page=dice.choice([1, 2, 3, 5, 50]),
        deeds=tuple(
            _deeds(
                dice,
                everybody,
                linked,
                cheating,
                tuple(cheats),
                calm=calm,
                memory=memory,
                hosts={host for _, host, _ in guests},
            )
        ),
    )


def _parties(dice: random.Random, most: int) -> list[str]:
    luck = dice.random()
    if luck < 0.97:
        size = dice.choices(list(SIZES), list(SIZES.values()))[0]
    elif luck < 0.995:
        size = dice.randint(9, 20)
    else:
        size = dice.randint(21, 50)
    return sorted(dice.sample(NAMES[: max(16, size)], min(size, most)))


def _links(dice: random.Random, parties: list[str]) -> list[tuple[str, str]]:
    """Draw who is linked to whom: everybody, a hub, a ring, a line, or something between."""
    order = dice.sample(parties, len(parties))
    line = list(itertools.pairwise(order))
    shapes = ["mesh", "mesh", "mesh", "hub", "ring", "line", "some"] if len(parties) <= 8 else ["hub", "some"]
    shape = dice.choice(shapes)
    if shape == "mesh":
        found = [(one, other) for one in parties for other in parties if one < other]
    elif shape == "hub":
        found = [(order[0], other) for other in order[1:]]
    elif shape == "ring":
        found = [*line, (order[-1], order[0])]
    else:
        found = line
        if shape == "some":
            found = line + [tuple(dice.sample(parties, 2)) for _ in range(len(parties))]  # type: ignore[misc]
    return sorted({(min(pair), max(pair)) for pair in found if pair[0] != pair[1]})


def _guests(
    dice: random.Random, parties: list[str], wired: list[tuple[str, str]], cheating: tuple[str, ...]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Draw one or two guests of honest nodes, and who of their hosts' partners knows them."""
    partners = {
        host: sorted({one for pair in wired for one in pair if host in pair} - {host})
        for host in parties
        if host not in cheating
    }
    hosts = [host for host, known in partners.items() if known]
    found = []
    for guest in ("GA", "GB")[: dice.choice([1, 1, 2])]:
        if hosts:
            host = dice.choice(hosts)
            known = dice.sample(partners[host], dice.randint(1, len(partners[host])))
            found.append((guest, host, tuple(sorted(known))))
    return tuple(found)


def _posted(
    dice: random.Random, links: list[tuple[str, str]], cheating: tuple[str, ...]
) -> tuple[tuple[str, str, str], ...]:
    """Draw one or two correspondences through one office, rather a cheater's."""
    linked = {*links, *((other, one) for one, other in links)}
    found = sorted(
        (one, other, office)
        for one, other in links
        for office in {party for pair in links for party in pair} - {one, other}
        if {(one, office), (other, office)} <= linked
    )
    bad = [one for one in found if one[2] in cheating]
    if not found:
        return ()
    first = dice.choice(bad if bad and dice.random() < 0.7 else found)
    more = [one for one in found if one[2] == first[2] and one != first and first[2] not in one[:2]]
    return (first, *dice.sample(more, min(len(more), dice.choice([0, 0, 1]))))


def _deeds(
    dice: random.Random,
    parties: list[str],
    linked: set[tuple[str, str]],
    cheating: tuple[str, ...],
    cheats: tuple[str, ...],
    *,
    calm: bool,
    memory: bool,
    hosts: Collection[str],
) -> list[Deed]:
    number = dice.randint(10, 16) + min(4 * len(parties), 30)
    pairs = sorted(linked)
    nodes = {one for pair in pairs for one in pair}
    honest = [one for one in parties if one in nodes and one not in {*cheating, *hosts}]
    found: list[Deed] = []
    for _ in range(number):
        kind = dice.choices(list(DEEDS), list(DEEDS.values()))[0]
        found.append(Deed(_when(dice), kind, dice.choice(parties), luck=dice.getrandbits(32)))
    if not calm:
        for _ in range(dice.randint(0, 2 + len(parties) // 2)):
            kind = dice.choices(list(FAULTS), list(FAULTS.values()))[0]
            who, other = dice.choice(pairs)
            lasts = dice.choice([1.0, 5.0, 20.0, 60.0])
            if kind in MEMORY_ONLY and not memory:
                continue
            if kind in {"restore", "revert"} and not honest:
                continue
            if kind in {"restore", "revert"}:
                who = dice.choice(honest)
                earlier = dice.uniform(1, ACTS - 2)
                found.append(Deed(earlier, "backup", who))
                found.append(Deed(dice.uniform(earlier, ACTS), kind, who, luck=dice.getrandbits(32)))
                continue
            found.append(Deed(_when(dice), kind, who, other, dice.getrandbits(32), lasts))
    if memory and len(parties) <= 8 and honest and dice.random() < 0.12:  # clocks are right, nobody goes back
        found = [one for one in found if one.kind not in {*MEMORY_ONLY, "skew"}]
        found.append(Deed(_when(dice) * 0.8, "theft", dice.choice(honest), luck=dice.getrandbits(32)))
    for party in cheating:
        for _ in range(dice.randint(2, 6)):
            kind = dice.choice(cheats)
            found.append(Deed(_when(dice), kind, party, luck=dice.getrandbits(32)))
    return sorted(found, key=lambda one: (one.at, one.who, one.kind))


def _when(dice: random.Random) -> float:
    return round(dice.uniform(0.5, ACTS), 1)
