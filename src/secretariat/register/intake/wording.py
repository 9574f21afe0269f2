"""The reasons that intake gives, in the language of the page: templates of its sentences.

Rules find a reason where no language is known and keep it with what they found; quotes and codes inside stay
as they are. A reason without a template stays English and is marked as such.
"""

from __future__ import annotations

import re
from functools import cache

from markupsafe import Markup, escape

from secretariat.web.words import gettext as _
from secretariat.web.words import language, mark

TEMPLATES = (
    mark("written in full"),
    mark("written"),
    mark("counted from the document's own date {0}"),
    mark("two years before the document's own date {0}"),
    mark("{0} needs the document's own date, which it does not bear"),
    mark("may mean {0} or {1}: nothing says which number is the day"),
    mark("{0} refers to a date that the text does not name before"),
    mark("refers to the date named before ({0})"),
    mark("the next one as seen from the document's own date {0}"),
    mark("the latest one as seen from the document's own date {0}"),
    mark("comes back every year; the text names none"),
    mark("stands under the heading {0}"),
    mark("follows {0} in the same passage"),
    mark("year not written: the next such date after the document's own date {0}"),
    mark("year not written: the latest such date before the document's own date {0}"),
    mark("year not written: the nearest such date to the document's own date {0}"),
    mark("year not written: seen from the document's own date {0}"),
    mark("year not written: {0} is the only year the text names"),
    mark("year named later in the same sentence"),
    mark("year of the date named before"),
    mark("no year is written and the document bears no date of its own"),
    mark("the full date stands right after it"),
    mark("in the month named before, {0}"),
    mark("month not written: to come as seen from the document's own date {0}"),
    mark("month not written: past as seen from the document's own date {0}"),
    mark("no month is written and the document bears no date of its own"),
    mark("a date of the lunar calendar; it is not converted"),
    mark("a year of three digits: the text does not say of which era"),
    mark("two-digit year"),
    mark("the text names it: {0}"),
    mark("stands in a line of its own near the top: {0}"),
    mark("the foot of the text says when it was sent: {0}"),
    mark("the file says it of itself"),
    mark("neither the file nor a line near the top names it"),
    mark("set by an officer"),
    mark("{0} is the date named before it; check"),
    mark("left open: no date of the promise is written here"),
    mark("no date beside it: the document's own date {0}"),
    mark("it lies after the document's own date"),
    mark("the words say it is to come"),
    mark("as of {0}"),
    mark("as of the document's own date {0}"),
    mark("{0} stands beside it; whether it is the day of looking is not said"),
    mark("named in the clause: {0}"),
    mark("named in the sentence: {0}"),
    mark("named in the paragraph; check: {0}"),
    mark("named in the clause"),
    mark("named in the sentence"),
    mark("named in the paragraph; check"),
    mark("named in the passage before, which names {0} parties"),
    mark("named in the passage before, which names {0} parties: {1}"),
    mark("listed name of {0}"),
    mark("name of the state or economy"),
    mark("its adjective"),
    mark("its letter beside another's"),
    mark("seat of government, standing for its party"),
    mark("a city after a word of place"),
    mark("{0} alone: {1} is meant where nothing says otherwise"),
    mark("name is disputed: {0}"),
    mark("named right after {0}, so it is not surely {1}"),
    mark("{0} is named beside it"),
    mark("the address beside it is of {0}"),
    mark("the text is written in {0}"),
    mark("{0} is the nearest state in the sentence"),
    mark("{0} is what the text is mostly about; check"),
    mark("several bodies bear this name"),
    mark("it stands in the list of {0}"),
    mark("{0} an item of a list that says what is to be done"),
    mark("{0} names a document of the parties"),
    mark("{0} names a document that parties signed, issued or adopted"),
    mark("{0} reports what somebody says or thinks"),
    mark("{0} says that a party changed its standing to something"),
    mark("{0} says that cooperation was agreed on"),
    mark("{0} says that it is still to come"),
    mark("{0} says that it was left out"),
    mark("{0} says that something has not been done"),
    mark("{0} says that there is none"),
    mark("{0} says that what was planned did not take place"),
    mark("{0} says what somebody promises, plans or agreed to do"),
    mark("{0} tells of a meeting"),
    mark("{0} tells of an attack"),
    mark("{0} tells of an exercise"),
    mark("{0} tells of something that happened"),
    mark("there is no month {0}"),
    mark("{0} has no day {1}"),
    mark("it would end ({0}) before it begins ({1})"),
    mark("the month stands with the first year"),
    mark("the year stands with the second day"),
    mark("day before month"),
    mark("named"),
    mark("check"),
    mark("{0} is what the text is mostly about"),
    mark("the text is written in {0}"),
    mark("{0} was a {1}, the text names another day of the week"),
    # beside what is recorded already (overlap/nearest.py)
    mark("same time as far as is known"),
    mark("the text says {0} about what was promised"),
    mark("the text says {0}"),
    mark("the text says {0}, the record does not"),
    mark("the text says {0}, the record {1}"),
    mark("a meeting after the promise"),
    mark("an exercise after the promise"),
    mark("something that happened after the promise"),
)
DAYS = (
    mark("Monday"),
    mark("Tuesday"),
    mark("Wednesday"),
    mark("Thursday"),
    mark("Friday"),
    mark("Saturday"),
    mark("Sunday"),
)
_QUOTED = re.compile(r"((?:'[^'\n]*'|\"[^\"\n]*\"): )(.+)", re.DOTALL)
_ONLY_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_ENGLISH = Markup('<span lang="en">{}</span>')


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of the templates, the one with the most words of its own first."""
    ordered = sorted(TEMPLATES, key=lambda text: len(re.sub(r"\{\d\}", "", text)), reverse=True)
    return tuple(
        (re.compile(re.sub(r"\\\{(\d)\\\}", r"(?P<a\1>.+?)", re.escape(one)), re.DOTALL), one)
        for one in ordered
    )


def reason(text: object) -> str | Markup:
    """Give a reason in the page's language: whole, behind its quote, or part by part."""
    sentence = "" if text is None else str(text)
    if language() == "en" or not sentence or _ONLY_QUOTED.fullmatch(sentence):
        return sentence
    if (whole := _one(sentence)) is not None:
        return whole
    if quoted := _QUOTED.fullmatch(sentence):
        return Markup("{}{}").format(quoted[1], reason(quoted[2]))
    head, parted, rest = sentence.partition("; ")
    if parted:
        return Markup("{}; {}").format(reason(head), reason(rest))
    return _ENGLISH.format(sentence) if re.search(r"[a-z]{3}", sentence) else escape(sentence)


def _one(sentence: str) -> str | None:
    for pattern, template in _patterns():
        if (found := pattern.fullmatch(sentence)) is not None and not _greedy(template, found):
            values = (found[f"a{at}"] for at in range(len(found.groups())))
            return _(template).format(*(_(one) if one in DAYS else one for one in values))
    return None


def _greedy(template: str, found: re.Match[str]) -> bool:
    """Whether a place of a template swallowed a further reason."""
    return any("; " in one for one in found.groups()) and not template.endswith(": {0}")
