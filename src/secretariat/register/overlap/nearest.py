"""What question an existing statement raises beside a text: the same, its progress, or its denial."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from rapidfuzz import fuzz

from secretariat.register.model import Row
from secretariat.register.overlap import rules
from secretariat.register.overlap.model import Comparison, Near, Profile, Text
from secretariat.register.overlap.themes import GENERAL

_SAME_SHAPE = 80
_SAME_TEXT = 0.6
_TELLS = 0.35
_MONTH = 31

_DENIES = re.compile(
    r"\b(?:postpone|cancel|called off|suspend|withdr|denie|deny|never (?:held|signed|took)"
    r"|not (?:held|signed|yet)|did not"
    r"|failed to|no such|abandon|collapse|broke (?:down|off)|put off|halt)"
    r"|延期|中止|取りやめ|見送|停止|否認|撤回|破棄|開催されな|署名されな|決裂"
    r"|연기|취소|중단|보류|부인|철회|파기|무산|결렬|열리지 않"
    r"|推迟|取消|中断|暂停|否认|撤回|搁置|未举行|未签署|破裂"
)
_DONE = re.compile(
    r"\b(?:held|launch|sign|opened|open(?:s)?\b|complet|establish|set up|start|beg[au]n|adopt"
    r"|took place|entered"
    r"|publish|submitted|deliver|inaugurat|activated|met\b|second|third|fourth|fifth)"
    r"|開催|署名|発足|設置|開始|採択|完了|公表|発効|開設|実施"
    r"|개최|서명|출범|설치|시작|채택|완료|발표|발효|개소|열렸|실시"
    r"|举行|签署|成立|设立|启动|通过|完成|公布|生效|开通|召开"
)
_PROMISES = frozenset({"commitment", "project"})
_HAPPENS = frozenset({"meeting", "development", "exercise", "instrument", "status-change", "statement", None})
_AFTER = {
    "meeting": "a meeting after the promise",
    "exercise": "an exercise after the promise",
    "development": "something that happened after the promise",
}
_NUMBER = re.compile(
    r"\b(\d{1,3})(?:st|nd|rd|th)\b|[第제]\s*(\d{1,3})\s*[回次차届]"
    r"|\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|inaugural)\b"
)
_WORDS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDER = {"contradicts": 0, "same": 1, "progress-of": 2, "near": 3}


def question(text: Text, own: Profile, row: Row, other: Profile, comparison: Comparison) -> Near | None:
    """Say what an existing statement asks beside a text; None when it is too far from it."""
    likely, why = _matter(own, other, comparison)
    said = f"{text.title}. {text.summary}"
    if likely and _round_of(text.title) == _round_of(row.title):
        against = _against(said, own, row, other)
        if against:
            return Near(row=row, question="contradicts", comparison=comparison, why=(*why, *against))
        if (own.kind is None or own.kind == row.kind) and _same_time(own, other):
            return Near(
                row=row, question="same", comparison=comparison, why=(*why, "same time as far as is known")
            )
    if row.kind in _PROMISES and own.kind in _HAPPENS and _shares_purpose(own, other, comparison):
        denied, done = _DENIES.search(_folded(said)), _DONE.search(_folded(said))
        after = own.day is None or other.day is None or own.day >= other.day
        if after and denied:
            because = (*why, f"the text says {denied.group()!r} about what was promised")
            return Near(row=row, question="contradicts", comparison=comparison, why=because)
        if after and (done or own.kind in _AFTER):
            because = (*why, f"the text says {done.group()!r}" if done else _AFTER[str(own.kind)])
            return Near(row=row, question="progress-of", comparison=comparison, why=because)
    if comparison.score >= rules.NEAR:
        return Near(row=row, question="near", comparison=comparison, why=why)
    return None


def first(one: Near) -> tuple[float, int, str]:
    """Order by how near, in steps of a tenth; then by how much the question matters."""
    return (-round(one.comparison.score, 1), _ORDER[one.question], one.row.stix_id)


def _matter(own: Profile, other: Profile, comparison: Comparison) -> tuple[bool, tuple[str, ...]]:
    """Whether text and statement speak of one matter, and by what."""
    values = {reason.feature: reason for reason in comparison.reasons}
    why = tuple(
        f"{reason.feature}: {', '.join(reason.because)}"
        if reason.because
        else f"{reason.feature} {reason.value:.2f}"
        for reason in comparison.reasons
        if reason.gives > 0
    )
    alike = bool(own.shape) and fuzz.token_sort_ratio(*sorted((own.shape, other.shape))) >= _SAME_SHAPE
    circle = not own.circle or own.circle == other.circle
    near = values["text"].value >= _SAME_TEXT or (own.series is not None and own.series == other.series)
    return circle and (alike or near), why


def _shares_purpose(own: Profile, other: Profile, comparison: Comparison) -> bool:
    circle = own.circle & other.circle or not own.circle
    purpose = (own.themes & other.themes) - GENERAL
    text = next(reason.value for reason in comparison.reasons if reason.feature == "text")
    return bool(circle) and (bool(purpose) or text >= _TELLS)


def _against(said: str, own: Profile, row: Row, other: Profile) -> tuple[str, ...]:
    found = []
    denied = _DENIES.search(_folded(said))
    if denied and not _DENIES.search(_folded(f"{row.title}. {row.body.get('summary', '')}")):
        found.append(f"the text says {denied.group()!r}, the record does not")
    if (
        own.exact
        and other.exact
        and own.day is not None
        and other.day is not None
        and 0 < abs((own.day - other.day).days) <= _MONTH
    ):
        found.append(f"the text says {own.day}, the record {other.day}")
    return tuple(found)


def _same_time(own: Profile, other: Profile) -> bool:
    if own.day is None or other.day is None:
        return True
    if own.exact and other.exact:
        return own.day == other.day
    return abs((own.day - other.day).days) <= (_MONTH if _within_month(own.day, other.day) else 366)


def _within_month(one: date, other: date) -> bool:
    return (one.year, one.month) == (other.year, other.month)


def _round_of(title: str) -> str | None:
    found = _NUMBER.search(_folded(title))
    if found is None:
        return None
    number = next(group for group in found.groups() if group)
    if number == "inaugural":
        return "1"
    return str(_WORDS.index(number) + 1) if number in _WORDS else str(int(number))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
