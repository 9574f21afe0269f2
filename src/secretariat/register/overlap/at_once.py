"""Pairs of very many statements at once: all that is compared, held in memory for as long as it takes.

After a large import tens of thousands of statements wait for their pairs. To ask the database for the
candidates of each takes longer than an officer waits, so everything is read once and compared here.

Rules:

1. The answer is that of `store.candidates` and `rules.compare`, statement by statement: the same candidates,
   the same scores to the last digit, the same nearest (a test holds both ways together).
2. Nothing is compared that cannot be among the nearest: what text, the dearest feature, may still add is
   known beforehand.
3. It is a picture of one moment. What is recorded later is compared with it by the other way.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from heapq import heappush, heappushpop
from itertools import islice
from typing import Any

import msgspec

from secretariat.register.overlap import rules
from secretariat.register.overlap.model import Profile

_REMEMBERED = 300_000
"""Comparisons of themes and of circles that are remembered: most records have few of either."""
_LAST_DIGIT = 1e-4
"""By less than this a sum of what features give may differ from the score."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of the index: what `rules.profile` read out of it, with lists as one text each."""

    id: int
    stix_id: str
    day: date
    """Where it stands in time: when it was true, else known."""
    compared: bool
    """Whether it is of a kind that can be done twice."""
    seen: bool
    """Whether it is the newest of its versions, and not taken back: others find it."""
    circle: str
    bodies: str
    themes: str
    words: str
    """In order, with spaces between."""
    count: int
    true_first: date | None
    exact: bool
    leaders: bool
    aim: str | None
    vector: bytes | None


class Field:
    """All statements of the index, and by what they are found."""

    def __init__(
        self,
        items: Iterable[Item],
        postings: Iterable[tuple[int, Sequence[int]]],
        *,
        each: int,
        most: int,
        kept: int,
        separator: str,
        meaning: Callable[[bytes, bytes], float] | None = None,
    ) -> None:
        """Hold `items` in order of id, and `postings`: token -> ids in order of day and id."""
        self._items = list(items)
        self._at = {one.id: number for number, one in enumerate(self._items)}
        self._days = [one.day for one in self._items]
        # columns of what is asked of every candidate
        self._true = [0 if one.true_first is None else one.true_first.toordinal() for one in self._items]
        self._circles = [one.circle for one in self._items]
        self._themes = [one.themes for one in self._items]
        at = self._at  # the same number objects in every list: a word of memory each
        self._found_by = {token: [at[one] for one in ids if one in at] for token, ids in postings}
        self._each, self._most, self._kept, self._separator = each, most, kept, separator
        self._meaning = meaning
        self._sets: dict[str, frozenset[str]] = {}
        self._given: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        self._times: dict[int, float] = {}

    def __contains__(self, number: int) -> bool:
        """Whether a statement version was in the index when it was read."""
        return number in self._at

    def pairs(self, number: int) -> dict[int, float]:
        """Give what is nearest to a statement: row id -> score, as many as are kept."""
        at = self._at[number]
        own = self._items[at]
        if not own.compared:
            return {}
        nearest = self._nearest(own, self._candidates(own))
        return {self._items[-other].id: score for score, other in sorted(nearest, reverse=True)}

    # --- candidates ------------------------------------------------------------------------------------

    def _candidates(self, own: Item) -> list[int]:
        around = own.true_first or date.max
        day_of = self._days.__getitem__
        weights: defaultdict[int, int] = defaultdict(int)
        for token, weight in rules.tokens(self._profile(own)).items():
            found = self._found_by.get(token)
            if found:
                middle = bisect_left(found, around, key=day_of)
                for at in found[max(0, middle - self._each) : middle + self._each]:
                    weights[at] += weight
        return self._first(weights, own)

    def _first(self, weights: Mapping[int, int], own: Item) -> list[int]:
        """Give the places that weigh most; of equals, those with lower row ids."""
        items, chosen = self._items, list[int]()
        counts = sorted(Counter(weights.values()).items())
        while counts and len(chosen) < self._most:
            alike: dict[int, list[int]] = {}
            here = 0
            while counts and here < self._most - len(chosen):
                weight, more = counts.pop()
                alike[weight] = []
                here += more
            for at, weight in weights.items():
                if weight in alike:
                    alike[weight].append(at)
            for group in alike.values():
                group.sort()
                may_be = (at for at in group if items[at].seen and items[at].stix_id != own.stix_id)
                chosen += islice(may_be, self._most - len(chosen))
        return chosen

    def _profile(self, one: Item) -> Profile:
        return Profile(
            circle=self._set(one.circle),
            bodies=self._set(one.bodies),
            themes=self._set(one.themes),
            words=frozenset(one.words.split()),
        )

    def _set(self, text: str) -> frozenset[str]:
        found = self._sets.get(text)
        if found is None:
            found = self._sets[text] = frozenset(text.split(self._separator) if text else ())
        return found

    # --- comparing -------------------------------------------------------------------------------------

    def _nearest(self, own: Item, candidates: Iterable[int]) -> list[tuple[float, int]]:
        """Give (score, -place) of the nearest; of equal scores the lower row id wins."""
        words = frozenset(own.words.split())
        heap: list[tuple[float, int]] = []
        least = (rules.NEAR, -len(self._items))
        for best, at in self._hopeful(own, candidates):
            if best < least[0]:
                break
            found = (self._scored(own, words, self._items[-at], least[0]), at)
            if found >= least:
                if len(heap) < self._kept:
                    heappush(heap, found)
                else:
                    heappushpop(heap, found)
                if len(heap) == self._kept:
                    least = heap[0]
        return heap

    def _hopeful(self, own: Item, candidates: Iterable[int]) -> list[tuple[float, int]]:
        """Give the most that each may score, were its text the same, with its -place; the best first."""
        circles, themes, true, items = self._circles, self._themes, self._true, self._items
        by_circle, by_themes = self._given["parties"], self._given["themes"]
        since, most_of_text = true[self._at[own.id]], rules.gives("text", 1.0) + _LAST_DIGIT
        found = []
        for at in candidates:
            one = items[at]
            given = by_circle.get((own.circle, circles[at]))
            if given is None:
                given = self._cached("parties", own.circle, circles[at], rules.by_circle)
            best = most_of_text + given
            given = by_themes.get((own.themes, themes[at]))
            if given is None:
                given = self._cached("themes", own.themes, themes[at], rules.by_themes)
            best += given
            if since and true[at]:
                best += self._by_time(abs(since - true[at]))
            if own.bodies and one.bodies:
                best += self._by_bodies(own, one)
            if own.leaders != one.leaders:
                best += rules.LEADERS_GIVE
            if own.aim is not None and own.aim == one.aim:
                best = 1.0
            if best >= rules.NEAR:
                found.append((best, -at))
        found.sort(reverse=True)
        return found

    def _scored(self, own: Item, words: frozenset[str], other: Item, least: float) -> float:
        """Give the score of two; where it is below `least`, perhaps zero."""
        rest = self._but_text(own, other)
        aim = own.aim is not None and own.aim == other.aim
        if self._meaning is not None and own.vector is not None and other.vector is not None:
            value = max(0.0, self._meaning(own.vector, other.vector))
            return _score([*rest, rules.gives("text", value)], aim=aim)
        if not words or not other.count:
            return _score(rest, aim=aim)
        shared = len(words.intersection(other.words.split()))
        cosine = shared / math.sqrt(len(words) * other.count)
        if _score([*rest, rules.gives("text", (cosine + 1) / 2)], aim=aim) < least:
            return 0.0
        # what the wording has to be for it to count; a little less, as its figure is rounded
        wanted = 2 * (least - math.fsum(rest)) / rules.gives("text", 1.0) - cosine - _LAST_DIGIT * 20
        value = (cosine + rules.wording(own.words, other.words, least=0 if aim else wanted)) / 2
        return _score([*rest, rules.gives("text", value)], aim=aim)

    def _but_text(self, own: Item, other: Item) -> list[float]:
        """Give what every feature but the text gives."""
        found = [
            self._cached("themes", own.themes, other.themes, rules.by_themes),
            self._cached("parties", own.circle, other.circle, rules.by_circle),
        ]
        if own.bodies and other.bodies:
            found.append(self._by_bodies(own, other))
        if own.true_first is not None and other.true_first is not None:
            apart = abs((own.true_first - other.true_first).days)
            found.append(self._by_time(apart))
            if apart == 0 and own.exact and other.exact and own.circle == other.circle:
                found.append(rules.ONE_TEXT_GIVES)
        if own.leaders != other.leaders:
            found.append(rules.LEADERS_GIVE)
        return found

    def _by_bodies(self, own: Item, other: Item) -> float:
        value, _ = rules.by_bodies(self._set(own.bodies), self._set(other.bodies))
        return rules.gives("bodies", value)

    def _by_time(self, apart: int) -> float:
        given = self._times.get(apart)
        if given is None:
            given = self._times[apart] = rules.gives("time", rules.nearness(apart))
        return given

    def _cached(
        self,
        feature: str,
        one: str,
        other: str,
        compared: Callable[[frozenset[str], frozenset[str]], tuple[float, Any]],
    ) -> float:
        cache = self._given[feature]
        given = cache.get((one, other))
        if given is None:
            if len(cache) > _REMEMBERED:
                cache.clear()
            value, _ = compared(self._set(one), self._set(other))
            given = cache[one, other] = rules.gives(feature, value)
        return given


def _score(given: Sequence[float], *, aim: bool) -> float:
    return rules.score(given, aim=aim)[0]
