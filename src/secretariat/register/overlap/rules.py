"""How near two statements are, and why: pure, symmetric, and moved by nothing but the two.

The weights are chosen by reason and written here once. What two works are about is told by text, themes and
parties alike, so each weighs 1. Works that run at the same time cost more when they are one work (0.2,
falling to a third in three years); a shared body or named instrument adds as much. Two statements of one day
between the same parties mostly stand in one document, whose authors told them apart (-0.3). A leaders'
meeting touches everything and duplicates nothing (-0.2 against what is none). An aim that officers named
equal halves what is left to one, and is left out of every measurement.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from itertools import combinations

from rapidfuzz import fuzz

from secretariat.register.overlap.model import Comparison, Method, Profile, Reason
from secretariat.register.overlap.themes import GENERAL, themes_of
from secretariat.register.words import lexemes

NEAR = 0.5
"""From this score on a pair stands on the board."""

_WEIGHT = {"text": 1.0, "themes": 1.0, "parties": 1.0, "bodies": 0.2, "time": 0.2}
_ONE_TEXT, _LEADERS = -0.3, -0.2
_WHOLE = sum(_WEIGHT.values())
ONE_TEXT_GIVES, LEADERS_GIVE = _ONE_TEXT / _WHOLE, _LEADERS / _WHOLE
_YEARS = 3.0
_EQUALLY = 0.05
_ROUND = 85
"""How alike (of 100) two titles without their ordinals are when both are rounds of one series."""

_COMMON = """
    the a an of on in at to and or for by with from is are was were be been their its it this that
    as not no only than other two three both between will each which who whose into under after
    before during about all any one have has had said says first second third fourth fifth sixth
    seventh eighth ninth tenth new held hold meeting meetings cyber security cybersecurity
    cooperation trilateral bilateral us usa rok prc japan china korea japanese chinese korean
    american states united republic dprk policy agreed agree joint day countries
"""
_USUAL = frozenset(_COMMON.split())
"""Words that nearly every record of this field has."""

_NAME = re.compile(r"\b[A-Z][A-Za-z]*[A-Z][A-Za-z]*\b")
_NO_NAME = frozenset({"dprk", "rok", "prc", "usa", "us", "uk", "eu", "un", "it"})
_ORDINAL = re.compile(
    r"\b(?:\d+(?:st|nd|rd|th)?|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|held|announced|i{2,3}|iv|v)\b|[第제]?\s*[\d一二三四五六七八九十]+\s*[回次차届年년]"
)
_HANGUL, _KANA, _HAN = (
    re.compile("[\uac00-\ud7af]"),
    re.compile("[\u3040-\u30ff]"),
    re.compile("[\u4e00-\u9fff]"),
)


def language_of(text: str) -> str:
    """Give the language of a text by its letters, as far as they tell."""
    if _HANGUL.search(text):
        return "ko"
    if _KANA.search(text):
        return "ja"
    return "zh" if _HAN.search(text) else "en"


def profile(
    title: str,
    summary: str = "",
    *,
    id: int = 0,  # noqa: A002  (the row's own word)
    stix_id: str = "",
    kind: str | None = None,
    circle: Iterable[str] = (),
    orgs: Iterable[str] = (),
    series: str | None = None,
    aim: str | None = None,
    level: str | None = None,
    day: date | None = None,
    exact: bool = False,
    lang: str | None = None,
    vector: bytes | None = None,
) -> Profile:
    """Read out of a statement what is compared."""
    text = f"{title}. {summary}"
    names = {found.casefold() for found in _NAME.findall(text)} - _NO_NAME
    return Profile(
        id=id,
        stix_id=stix_id,
        kind=kind,
        circle=frozenset(circle),
        bodies=frozenset({one.casefold() for one in orgs} | names),
        themes=themes_of(text),
        words=_words(text),
        shape=_shape(title),
        series=series,
        aim=aim,
        level=level,
        day=day,
        exact=exact,
        lang=(lang or language_of(text))[:2],
        vector=vector,
    )


def _words(text: str) -> frozenset[str]:
    found = set()
    for one in lexemes(text):
        if one.isascii():
            if len(one) > 2 and one not in _USUAL and not one[0].isdigit():
                found.add(one[:6])  # a rough stem: "monitored" and "monitoring" are one
        elif len(one) > 1:
            found.add(one)
    return frozenset(found)


def _shape(title: str) -> str:
    folded = _ORDINAL.sub(" ", unicodedata.normalize("NFKC", title).casefold())
    return " ".join(sorted(re.findall(r"\w+", folded)))


# --- comparing ------------------------------------------------------------------------------------------


def compare(
    one: Profile, other: Profile, *, meaning: Callable[[bytes, bytes], float] | None = None, aim: bool = True
) -> Comparison:
    """Say how near two statements are and why.

    `meaning` compares vectors; where it or a vector is missing the words answer, and the method says so.
    `aim` False leaves out what officers said about the aims (for measuring).
    """
    method: Method = "words"
    reasons = []
    if meaning is not None and one.vector is not None and other.vector is not None:
        method = "meaning"
        reasons.append(_reason("text", max(0.0, meaning(one.vector, other.vector))))
    else:
        reasons.append(_reason("text", *by_words(one.words, other.words)))
    reasons += [
        _reason("themes", *by_themes(one.themes, other.themes)),
        _reason("parties", *by_circle(one.circle, other.circle)),
        _reason("bodies", *by_bodies(one.bodies, other.bodies)),
        _reason("time", *by_time(one.day, other.day)),
    ]
    if (
        one.day is not None
        and one.exact
        and other.exact
        and one.day == other.day
        and one.circle == other.circle
    ):
        reasons.append(Reason(feature="one text", value=1, weight=_ONE_TEXT, gives=ONE_TEXT_GIVES))
    if (one.level == "leaders") != (other.level == "leaders"):
        reasons.append(Reason(feature="leaders", value=1, weight=_LEADERS, gives=LEADERS_GIVE))
    one_aim = aim and one.aim is not None and one.aim == other.aim
    total, more = score((reason.gives for reason in reasons), aim=one_aim)
    if one_aim:
        reasons.append(Reason(feature="aim", value=1, weight=0.5, gives=more, because=(one.aim or "",)))
    return Comparison(score=total, method=method, reasons=tuple(reasons))


def score(given: Iterable[float], *, aim: bool) -> tuple[float, float]:
    """Give the score of what the features gave, and what of it an equal aim gave."""
    total = min(1.0, max(0.0, math.fsum(given)))
    more = round((1 - total) / 2, 4) if aim else 0.0
    return round(total + more, 4), more


def gives(feature: str, value: float) -> float:
    """Give what a feature adds to the score by its value."""
    return round(_WEIGHT[feature] * round(value, 4) / _WHOLE, 4)


def _reason(feature: str, value: float, because: tuple[str, ...] = ()) -> Reason:
    return Reason(
        feature=feature,
        value=round(value, 4),
        weight=_WEIGHT[feature],
        gives=gives(feature, value),
        because=because,
    )


def by_words(one: frozenset[str], other: frozenset[str]) -> tuple[float, tuple[str, ...]]:
    """Say how near texts are by their words, and by what."""
    if not one or not other:
        return 0.0, ()
    shared = one & other
    count = len(shared) / math.sqrt(len(one) * len(other))
    value = (count + wording(" ".join(sorted(one)), " ".join(sorted(other)))) / 2
    return value, tuple(sorted(shared)[:8])


def wording(one: str, other: str, *, least: float = 0) -> float:
    """Say how alike two lists of words are, also by their spelling; each in order, with spaces between.

    Zero where it is below `least`, which is faster.
    """
    # in an order of their own: the ratio is then the same from both sides
    left, right = (one, other) if one <= other else (other, one)
    return fuzz.token_set_ratio(left, right, score_cutoff=max(0.0, 100 * least)) / 100


def by_themes(one: frozenset[str], other: frozenset[str]) -> tuple[float, tuple[str, ...]]:
    """Say how near themes are, and by what."""
    if not one or not other:
        return 0.0, ()
    shared = one & other
    return _mass(shared) / math.sqrt(_mass(one) * _mass(other)), tuple(sorted(shared))


def _mass(themes: frozenset[str]) -> float:
    return math.fsum(0.25 if theme in GENERAL else 1.0 for theme in themes)


def by_circle(one: frozenset[str], other: frozenset[str]) -> tuple[float, tuple[str, ...]]:
    """Say how near circles are: one within the other ("one party more") is nearer than two that cross."""
    shared = one & other
    if not shared:
        return 0.0, ()
    part = len(shared) / len(one | other)
    return ((part + 1) / 2 if one <= other or other <= one else part), tuple(sorted(shared))


def by_bodies(one: frozenset[str], other: frozenset[str]) -> tuple[float, tuple[str, ...]]:
    """Say how near bodies and named instruments are, and by what."""
    shared = one & other
    return (len(shared) / min(len(one), len(other)) if shared else 0.0), tuple(sorted(shared))


def by_time(one: date | None, other: date | None) -> tuple[float, tuple[str, ...]]:
    """Say how near two works are in time, and by what."""
    if one is None or other is None:
        return 0.0, ()
    apart = abs((one - other).days)
    return nearness(apart), (f"{apart} days apart",)


def nearness(apart: int) -> float:
    """Say how near two works are in time that are so many days apart."""
    return math.exp(-apart / 365.25 / _YEARS)


# --- lines of work --------------------------------------------------------------------------------------

KEEPS = frozenset({"done", "late"})
"""Evidence that makes a statement the keeping of a promise: then both are one work, not one done twice."""


def one_line(one: Profile, other: Profile, kept: Mapping[str, frozenset[str]]) -> bool:
    """Say whether two statements are one line of work: rounds of a series, or a promise and its keeping.

    `kept`: statement -> the commitments that it keeps (`KEEPS`).
    """
    if other.stix_id in kept.get(one.stix_id, ()) or one.stix_id in kept.get(other.stix_id, ()):
        return True
    if one.circle != other.circle or one.kind != other.kind:
        return False
    if one.series is not None and one.series == other.series:
        return True
    return bool(one.shape) and fuzz.ratio(*sorted((one.shape, other.shape))) >= _ROUND


class Lines:
    """Numbers of lines of work, given as statements come; rounds are looked for among like ones only."""

    def __init__(self) -> None:
        self.kept: dict[str, frozenset[str]] = {}
        self._of: dict[str, int] = {}
        self._first: dict[tuple[frozenset[str], str | None], list[tuple[int, Profile]]] = {}

    def of(self, one: Profile) -> int:
        """Give the number of the line that a statement belongs to."""
        known = self._of.get(one.stix_id)
        if known is None:
            promises = self.kept.get(one.stix_id, frozenset())
            known = next((self._of[ref] for ref in sorted(promises) if ref in self._of), None)
            like = self._first.setdefault((one.circle, one.kind), [])
            if known is None:
                known = next((line for line, first in like if one_line(first, one, self.kept)), None)
            if known is None:
                known = len(self._of)
                like.append((known, one))
            self._of[one.stix_id] = known
            for ref in promises:
                self._of.setdefault(ref, known)
        return known


def lines(
    of: Profile, found: Sequence[tuple[Profile, Comparison]], kept: Mapping[str, frozenset[str]]
) -> list[list[tuple[Profile, Comparison]]]:
    """Put what was found into lines of work, nearest first; the line of `of` itself is left out."""
    made: list[list[tuple[Profile, Comparison]]] = []
    for profile_, comparison in sorted(found, key=lambda pair: (-pair[1].score, pair[0].stix_id)):
        if one_line(of, profile_, kept):
            continue
        for line in made:
            if one_line(line[0][0], profile_, kept):
                line.append((profile_, comparison))
                break
        else:
            made.append([(profile_, comparison)])
    return [_at_the_time(of, line) for line in made]


def _at_the_time(of: Profile, line: list[tuple[Profile, Comparison]]) -> list[tuple[Profile, Comparison]]:
    """Put first, of rounds about equally near, the one that was held nearest in time."""
    best = line[0][1].score
    first = min(
        (pair for pair in line if pair[1].score >= best - _EQUALLY),
        key=lambda pair: (_apart(of.day, pair[0].day), -pair[1].score, pair[0].stix_id),
    )
    return [first, *(pair for pair in line if pair is not first)]


def _apart(one: date | None, other: date | None) -> int:
    return 10**6 if one is None or other is None else abs((one - other).days)


# --- finding candidates ---------------------------------------------------------------------------------

_PAIRS_OF = 6
"""Parties of a circle whose pairs are kept; a larger circle is found by its first ones and its groups."""
_TITLE_WORDS = 12


def tokens(one: Profile) -> dict[int, int]:
    """Give what a statement is found by, hashed, with how much each tells: circles, themes, bodies, words.

    Weights are whole tenths, so that their sum is the same in whatever order they are added.
    """
    found: dict[str, int] = {}
    members = sorted(one.circle)[:_PAIRS_OF]
    circles = ["+".join(pair) for pair in combinations(members, 2)] or members
    for circle in circles:
        found[f"c {circle}"] = 5
        for theme in one.themes:
            found[f"t {circle} {theme}"] = 3 if theme in GENERAL else 10
    found.update({f"b {body}": 10 for body in sorted(one.bodies)[:_TITLE_WORDS]})
    telling = sorted(one.words, key=lambda word: (word.isascii(), -len(word), word))[:_TITLE_WORDS]
    found.update({f"w {word}": 5 for word in telling})
    return {hashed(text): weight for text, weight in found.items()}


def hashed(text: str) -> int:
    """Give a signed 64-bit number of a token."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
