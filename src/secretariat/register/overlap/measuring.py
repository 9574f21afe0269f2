"""How well overlaps are found: ranks of labelled pairs among all that a record file holds. Pure.

A file is a record file with `overlaps` and `not_overlaps` (pairs of fact ids). The aims that it gives its
facts are truth, so they are never a feature here; nor are its pairs, which are verdicts once imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from secretariat.register.overlap import meaning, rules
from secretariat.register.overlap.model import COMPARED, Method, Profile
from secretariat.register.times import parse


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """Statements and what is known of their pairs."""

    profiles: Mapping[str, Profile]
    texts: Mapping[str, str]
    kept: Mapping[str, frozenset[str]]
    true: Sequence[tuple[str, str]]
    false: Sequence[tuple[str, str]]


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How labelled pairs were found, each counted by the better of its two sides."""

    method: Method
    statements: int
    true: int
    in_five: int
    """True pairs that stand in one of the first five rows: as its statement or as one of its rounds."""
    itself_in_five: int
    """True pairs whose statement itself is one of the first five."""
    from_both: int
    """True pairs found so from both sides."""
    first: int
    false: int
    false_in_five: int
    separated: float
    """Share of (true, false) pairs of which the true one scores higher."""
    missed: list[tuple[str, str]]


def read(data: bytes) -> Labelled:
    """Read a record file. Its facts of kinds that cannot be done twice are left out."""
    file = msgspec.yaml.decode(data, type=dict[str, Any])
    facts = [one for one in file["facts"] if one["kind"] in COMPARED]
    return Labelled(
        profiles={one["id"]: _profile(one) for one in facts},
        texts={one["id"]: f"{one['title']}. {one.get('summary') or ''}" for one in facts},
        kept={
            one["id"]: frozenset(
                said["for"] for said in one.get("evidence", ()) if said["says"] in rules.KEEPS
            )
            for one in facts
        },
        true=[(one["a"], one["b"]) for one in file["overlaps"]],
        false=[(one["a"], one["b"]) for one in file["not_overlaps"]],
    )


def _profile(fact: Mapping[str, Any]) -> Profile:
    moment = parse(str(fact["date"]), where=fact["id"])
    return rules.profile(
        fact["title"],
        fact.get("summary") or "",
        stix_id=fact["id"],
        kind=fact["kind"],
        circle=[*fact["parties"], *fact.get("groups", ())],
        orgs=fact.get("orgs", ()),
        series=fact.get("series"),
        level=fact.get("level"),
        day=moment.first,
        exact=moment.first == moment.last,
        lang=fact.get("lang"),
    )


def measure(given: Labelled, by: Method) -> Quality:
    """Rank every labelled pair among all statements. Refuses `meaning` where no model is installed."""
    profiles = dict(given.profiles)
    encoder = meaning.required() if by == "meaning" else None
    if encoder is not None:
        names = list(profiles)
        langs = [profiles[name].lang for name in names]
        for name, vector in zip(
            names, encoder.vectors([given.texts[one] for one in names], langs), strict=True
        ):
            profiles[name] = msgspec.structs.replace(profiles[name], vector=vector)
    likeness = None if encoder is None else encoder.likeness

    def ranks(one: str, other: str) -> tuple[int, int]:
        """Give the place of `other` among the rows for `one`: as the row itself, and as a round of it."""
        of = profiles[one]
        found = [
            (each, rules.compare(of, each, meaning=likeness, aim=False))
            for name, each in profiles.items()
            if name != one
        ]
        for place, line in enumerate(rules.lines(of, found, given.kept), start=1):
            if line[0][0].stix_id == other:
                return place, place
            if any(each.stix_id == other for each, _ in line):
                return len(profiles), place
        return len(profiles), len(profiles)

    def score(pair: tuple[str, str]) -> float:
        return rules.compare(profiles[pair[0]], profiles[pair[1]], meaning=likeness, aim=False).score

    true = {pair: (ranks(*pair), ranks(*reversed(pair))) for pair in given.true}
    here = [pair for pair in given.false if pair[0] in profiles and pair[1] in profiles]
    false = [(ranks(*pair), ranks(*reversed(pair))) for pair in here]
    rows = {pair: (there[1], back[1]) for pair, (there, back) in true.items()}
    high, low = [score(pair) for pair in true], [score(pair) for pair in here]
    above = [one > other for one in high for other in low]
    return Quality(
        method=by,
        statements=len(profiles),
        true=len(true),
        in_five=sum(min(pair) <= 5 for pair in rows.values()),
        itself_in_five=sum(min(there[0], back[0]) <= 5 for there, back in true.values()),
        from_both=sum(max(pair) <= 5 for pair in rows.values()),
        first=sum(min(pair) == 1 for pair in rows.values()),
        false=len(false),
        false_in_five=sum(min(there[1], back[1]) <= 5 for there, back in false),
        separated=round(sum(above) / len(above), 3) if above else 1.0,
        missed=[pair for pair, places in rows.items() if min(places) > 5],
    )
