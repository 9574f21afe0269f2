"""Dates as English texts write them, and numeric forms that every language uses.

Rules: days of the week and prepositions stay outside the span, words for a part of a month or year inside
("late May"); May and March count as months only where the words around say so; digits in addresses do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from secretariat.register.intake.dates_found import Found, Slot

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH_NO = (
    {name: at for at, name in enumerate(_MONTHS, 1)}
    | {name[:3]: at for at, name in enumerate(_MONTHS, 1)}
    | {"sept": 9}
)
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

MON = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?|Aug(?:ust|\.)?"
    r"|Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?"
    r"|JAN(?:UARY)?|FEB(?:RUARY)?|MAR(?:CH)?|APR(?:IL)?|MAY|JUNE?|JULY?|AUG(?:UST)?|SEPT?(?:EMBER)?|OCT(?:OBER)?"
    r"|NOV(?:EMBER)?|DEC(?:EMBER)?)(?![A-Za-z])"
)
_D = r"(?:[0-3]?\d)(?:st|nd|rd|th)?(?![\d:%A-Za-z])"
_Y = r"(?:19\d\d|20\d\d)(?!\d)(?!-\d\d?-)"
_TO = r"(?:[^\S\n]*[-~&][^\S\n]*|\s+(?:to|through|thru|until|till|and)\s+)"
_PART = r"(?:early|mid|middle of|late|beginning of|start of|end of|the end of|the beginning of|the middle of|the start of)"
_LASTYEAR = r"(?:of\s+)?(?:last|this|next|the\s+same|that|the\s+previous|the\s+following)\s+year"
_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "1st": 1,
    "2nd": 2,
    "3rd": 3,
    "4th": 4,
    "last": 4,
}
_NUMBER = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
_YEAR_REL = {"last": -1, "this": 0, "next": 1, "the previous": -1, "the following": 1}


def _rx(pattern: str, *, loose: bool = False) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE if loose else 0)


_START = r"(?<![\w/.-])"
RANGE_CROSS_DMY = _rx(rf"{_START}({_D})\s+({MON}){_TO}({_D})\s+({MON}),?\s+({_Y})")
RANGE_CROSS_MDY = _rx(rf"{_START}({MON})\s+({_D}){_TO}({MON})\s+({_D})\s?,?\s+(?:in\s+)?({_Y})")
LIST_MDY = _rx(rf"{_START}({MON})\s+({_D})\s*(?:,|and|&)\s*({MON})\s+({_D})(?:,?\s+|\s+(?:in|of)\s+)({_Y})")
RANGE_CROSS_DM = _rx(rf"{_START}({_D})\s+({MON}){_TO}({_D})\s+({MON})(?!,?\s+{_Y})")
RANGE_CROSS_MD = _rx(rf"{_START}({MON})\s+({_D}){_TO}({MON})\s+({_D})(?!,?\s+(?:in\s+)?{_Y})")
RANGE_MDY = _rx(rf"{_START}({MON})\s+({_D}){_TO}({_D})\s?,?\s+({_Y})")
RANGE_MD = _rx(rf"{_START}({MON})\s+({_D}){_TO}({_D})(?!,?\s+{_Y})(?!\s*{MON})")
RANGE_DMY = _rx(rf"{_START}({_D}){_TO}({_D})\s+(?:of\s+)?({MON}),?\s+({_Y})")
RANGE_DM = _rx(rf"{_START}({_D}){_TO}({_D})\s+(?:of\s+)?({MON})(?!,?\s+{_Y})")
MDY = _rx(rf"{_START}({MON})\s*({_D})\s?,?\s+(?:of\s+)?({_Y})")
DMY = _rx(rf"{_START}(?:the\s+)?({_D})(?:\s+day)?\s+(?:of\s+)?({MON}),?\s+({_Y})")
D_MON_Y = _rx(rf"{_START}([0-3]?\d)[-/]({MON})[-/]({_Y})")
MD_REL = _rx(rf"{_START}({MON})\s+({_D}),?\s+({_LASTYEAR})")
DM_REL = _rx(rf"{_START}({_D})\s+(?:of\s+)?({MON}),?\s+({_LASTYEAR})")
MD = _rx(rf"{_START}({MON})\s+({_D})(?!,?\s+{_Y})(?!\s+{MON})")
DM = _rx(rf"{_START}({_D})\s+(?:of\s+)?({MON})(?!,?\s+{_Y})")
PART_MONTHS = _rx(
    rf"{_START}(early|mid|late)\s*(?:-|to|and|or)\s*(early|mid|late)[\s-]+({MON})(?:,?\s+({_Y}))?"
)
MONTHS_Y = _rx(rf"{_START}({MON})\s*(?:-|~|to|through|until|and)\s*({MON}),?\s+(?:of\s+)?({_Y})")
M_YEARS = _rx(rf"{_START}({MON}),?\s+({_Y})\s+and\s+({_Y})")
MY = _rx(rf"{_START}(?:({_PART})[\s-]+)?({MON}),?\s+(?:of\s+|in\s+)?({_Y})")
M_REL = _rx(rf"{_START}(?:({_PART})[\s-]+)?({MON}),?\s+({_LASTYEAR})")
PART_M = _rx(rf"{_START}({_PART})[\s-]+({MON})")
REL_M = _rx(rf"{_START}(last|this|next)\s+({MON})")
M_ALONE = _rx(
    rf"(?:(?<=\bin )|(?<=\bsince )|(?<=\bby )|(?<=\buntil )|(?<=\btill )|(?<=\bduring )|(?<=\bbefore )"
    rf"|(?<=\bafter )|(?<=\bfrom )|(?<=\bof )|(?<=\bbetween )|(?<=\bfor )|(?<=\bthrough ))({MON})"
    rf"(?!\s+[A-Z]?\d)(?!-)"
)
ISO = _rx(r"(?<![\d.-])(?<!\d/)((?:19|20)\d\d)-([01]?\d)-([0-3]?\d)(?!\d)(?!-\d)")
SLASH = _rx(r"(?<![\w/.-])((?:19|20)\d\d)/([01]?\d)/([0-3]?\d)(?![\d/])")
DOTS = _rx(r"(?<![\w/.-])((?:19|20)\d\d)\.\s?([01]?\d)\.\s?([0-3]?\d)(?:\.(?!\w))?(?![\d])")
DOT_MONTH = _rx(r"(?<![\w/.-])((?:19|20)\d\d)\.\s?([01]?\d)\.(?!\s?\d)")
ISO_MONTH = _rx(r"(?<![\w/.-])((?:19|20)\d\d)[-/](0[1-9]|1[0-2])(?![\d/-])")
SHORT_DOTS = _rx(r"(?<![\w.])'(\d\d)\.\s?([01]?\d)\.\s?([0-3]?\d)(?:\.(?!\w))?(?!\d)")
SHORT_MONTH = _rx(r"(?<![\w.])'(\d\d)\.\s?([01]?\d)\.?(?!\s?\d)")
COMPACT = _rx(r"(?<![\w/.-])((?:19|20)\d\d)([01]\d)([0-3]\d)(?![\w/-])")
NUMERIC = _rx(r"(?<![\w/.-])([0-3]?\d)([/.])([0-3]?\d)\2((?:19|20)\d\d)(?!\d)")
QUARTER = _rx(
    rf"(?:the\s+)?(first|second|third|fourth|last|1st|2nd|3rd|4th)\s+quarter(?:\s+(?:of\s+)?({_Y}|{_LASTYEAR}))?",
    loose=True,
)
Q_Y = _rx(rf"{_START}Q([1-4])[\s,/-]*(?:of\s+)?({_Y})")
Y_Q = _rx(r"(?<![\w/.-])((?:19|20)\d\d)[\s-]?Q([1-4])(?!\w)")
HALF = _rx(
    rf"(?:the\s+)?(first|second|latter|1st|2nd)\s+half\s+(?:of\s+)?({_Y}|{_LASTYEAR}|the\s+year)", loose=True
)
H_Y = _rx(rf"{_START}H([12])[\s,/-]*(?:of\s+)?({_Y})")
FISCAL = _rx(
    r"(?:the\s+)?(?:(?:Japanese\s+|JP\s+|U\.?S\.?\s+)?(?:fiscal(?:\s+year)?|financial\s+year)|\bJ?FY)\s*"
    r"((?:19|20)\d\d|(?<=FY)\d\d|(?<=FY')\d\d)(?:\s*[-/]\s*(\d\d(?:\d\d)?))?(?!\d)",
    loose=True,
)
SEASON = _rx(
    rf"{_START}(?:the\s+)?(spring|summer|autumn|fall|winter)(?:,)?\s+(?:of\s+)?({_Y}|{_LASTYEAR})", loose=True
)
REL_SEASON = _rx(r"\b(last|this|next)\s+(spring|summer|autumn|fall|winter)\b", loose=True)
YEAR_END = _rx(
    rf"(?:the\s+)?(end|beginning|start|close|middle)\s+of\s+(?:the\s+year\s+)?({_Y}|the\s+year|this\s+year|last\s+year|next\s+year)",
    loose=True,
)
YEAR_PART = _rx(rf"{_START}(early|mid|late)[\s-]+({_Y})", loose=True)
YEAR_END2 = _rx(
    rf"(?:the\s+)?year[- ]end(?:\s+of)?\s+({_Y})|(?<=by )(?:the\s+)?year[- ]end|(?<=by )the\s+year's\s+end",
    loose=True,
)
YEARS = _rx(r"(?<![\w/.,$€£¥-])((?:19|20)\d\d)\s*[-/~]\s*((?:19|20)?\d\d)(?![\d/-])(?!\w)")
DECADE = _rx(r"(?:the\s+)?(?:(early|mid|late)[\s-]+)?\b((?:19|20)\d0)'?s\b")
YEAR = _rx(rf"(?<![\w/.,$€£¥#+-])(?<!\d )({_Y})(?![\w%])(?!,\d)(?!\.\d)(?!-\d)(?!/\d)(?!\s?(?:percent|%))")
LATER_YEAR = _rx(
    r"\b(?:later|earlier|early|late)\s+(this|last|next)\s+year\b|\bwithin\s+(this|the)\s+year\b", loose=True
)
REL_YEAR = _rx(
    r"\b(last|this|next|the\s+previous|the\s+following|the\s+same)\s+year\b(?!-)(?!'s)", loose=True
)
REL_MONTH = _rx(
    r"\b(?:(early|mid|late|the\s+end\s+of|end\s+of|later|earlier|the\s+beginning\s+of)[\s-]+)?(last|this|next|the\s+previous|the\s+following|the\s+same)\s+month\b(?!-)",
    loose=True,
)
REL_WEEK = _rx(r"\b(last|this|next)\s+week\b", loose=True)
REL_DAY = _rx(
    r"\b(today|yesterday|tomorrow|the\s+day\s+before\s+yesterday|the\s+day\s+after\s+tomorrow"
    r"|(?:the\s+)?(?:very\s+)?(?:same|next|following|previous)\s+day)\b(?!'s)(?!,?\s+(?:" + MON + r"|\d))",
    loose=True,
)
AGO = _rx(
    r"\b(a|an|one|two|three|four|five|six|seven|eight|nine|ten|\d{1,2})\s+(day|week|month|year)s?\s+(ago|earlier)\b",
    loose=True,
)
BARE_DAY = _rx(
    r"(?:(?<=\bon )|(?<=\band )|(?<=\bof )|(?<=\bfrom )|(?<=\bto )|(?<=\buntil )|(?<=\bby )|(?<=\bsince )|(?<=-)|(?<=, ))"
    r"(the\s+)([12]?\d|3[01])(st|nd|rd|th)(?=[.,;:)\"']|\s*$|\s*\n|\s+(?:and|in|at|to|by|when|after|before|for|with|during|that|who"
    r"|which|as|but|local|while|under|near|over|into|from|said|told|it|they|he|she|we)\b)"
)
WEEKDAY = _rx(
    r"(?<=[a-z,)] )(?<!Black )(?<!Good )(?<!Patch )(?<!Cyber )(?<!\bevery )(?<!\beach )(?<!\ba )(?<!\d )(?<!\d, )"
    r"(Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)(?!s)(?!,?\s*(?:the\s+)?(?:\d|" + MON + r"))"
)
_UNITS = re.compile(
    r"\s+(?:people|persons|companies|firms|firm|organi[sz]ations|participants|users|sites|websites|cases|incidents|"
    r"computers|servers|devices|hosts|troops|personnel|soldiers|won|yen|yuan|dollars|euros?|km|kilometers|"
    r"kilometres|metres|meters|bytes|mb|gb|times|hours|minutes|seconds|days|members|officials|experts|attacks|"
    r"victims|accounts|records|facts|items|pages|words|points|tons|employees|students|trainees)\b",
    re.IGNORECASE,
)


def month_number(word: str) -> int:
    """Give the number of a month's name or abbreviation."""
    return (
        _MONTH_NO[word.lower().rstrip(".")]
        if word.lower().rstrip(".") in _MONTH_NO
        else _MONTH_NO[word[:3].lower()]
    )


def _day(word: str) -> int:
    return int(re.sub(r"\D", "", word))


def _part(word: str | None) -> str:
    if not word:
        return ""
    low = word.lower()
    if "early" in low or "beginning" in low or "start" in low:
        return "early"
    if "mid" in low:
        return "mid"
    if "end" in low or "close" in low:
        return "end"
    return "late"


def _rel(word: str) -> Slot:
    low = " ".join(word.lower().replace("of ", "").split())
    if low.endswith(("the same year", "that year")):
        return Slot(year_same=0)
    if low.startswith("the previous"):
        return Slot(year_same=-1)
    if low.startswith("the following"):
        return Slot(year_same=1)
    return Slot(year_rel=_YEAR_REL[low.split()[0]])


def _year_or_rel(word: str | None) -> Slot:
    if word is None:
        return Slot()
    if word[:4].isdigit():
        return Slot(year=int(word[:4]))
    if word.lower().endswith("the year") and word.lower().split()[0] == "the":
        return Slot(year_rel=0)
    return _rel(word)


def find(text: str) -> Iterator[Found]:
    """Find every date of these forms; where two overlap the caller keeps the longer."""
    yield from _days(text)
    yield from _numeric(text)
    yield from _months(text)
    yield from _periods(text)
    yield from _relative(text)


def _days(text: str) -> Iterator[Found]:
    for m in RANGE_CROSS_DMY.finditer(text):
        a = Slot(year=int(m[5]), month=month_number(m[2]), day=_day(m[1]))
        yield Found(*m.span(), a, Slot(year=int(m[5]), month=month_number(m[4]), day=_day(m[3])))
    for m in RANGE_CROSS_MDY.finditer(text):
        a = Slot(year=int(m[5]), month=month_number(m[1]), day=_day(m[2]))
        b = Slot(year=int(m[5]), month=month_number(m[3]), day=_day(m[4]))
        if re.search(r"\band\b|&", text[m.end(2) : m.start(3)]):  # two days, one year
            yield Found(m.start(1), m.end(2), a, note="the year stands with the second day", order=-1)
            yield Found(m.start(3), m.end(), b, order=-1)
        else:
            yield Found(*m.span(), a, b)
    for m in RANGE_CROSS_DM.finditer(text):
        if re.search(r"\band\b|&", text[m.end(2) : m.start(3)]) is None:
            a = Slot(month=month_number(m[2]), day=_day(m[1]))
            yield Found(*m.span(), a, Slot(month=month_number(m[4]), day=_day(m[3])))
    for m in RANGE_CROSS_MD.finditer(text):
        if re.search(r"\band\b|&", text[m.end(2) : m.start(3)]) is None:
            a = Slot(month=month_number(m[1]), day=_day(m[2]))
            yield Found(*m.span(), a, Slot(month=month_number(m[3]), day=_day(m[4])))
    for m in RANGE_MDY.finditer(text):
        year, month = int(m[4]), month_number(m[1])
        yield Found(
            *m.span(), Slot(year, month=month, day=_day(m[2])), Slot(year, month=month, day=_day(m[3]))
        )
    for m in RANGE_MD.finditer(text):
        month = month_number(m[1])
        if _day(m[2]) < _day(m[3]):
            yield Found(*m.span(), Slot(month=month, day=_day(m[2])), Slot(month=month, day=_day(m[3])))
    for m in RANGE_DMY.finditer(text):
        year, month = int(m[4]), month_number(m[3])
        yield Found(
            *m.span(), Slot(year, month=month, day=_day(m[1])), Slot(year, month=month, day=_day(m[2]))
        )
    for m in RANGE_DM.finditer(text):
        month = month_number(m[3])
        if _day(m[1]) < _day(m[2]):
            yield Found(*m.span(), Slot(month=month, day=_day(m[1])), Slot(month=month, day=_day(m[2])))
    for m in MDY.finditer(text):
        yield Found(*m.span(), Slot(int(m[3]), month=month_number(m[1]), day=_day(m[2])))
    for m in DMY.finditer(text):
        yield Found(*m.span(), Slot(int(m[3]), month=month_number(m[2]), day=_day(m[1])))
    for m in D_MON_Y.finditer(text):
        yield Found(*m.span(), Slot(int(m[3]), month=month_number(m[2]), day=_day(m[1])))
    for m in MD_REL.finditer(text):
        yield Found(*m.span(), _rel(m[3])._replace(month=month_number(m[1]), day=_day(m[2])))
    for m in DM_REL.finditer(text):
        yield Found(*m.span(), _rel(m[3])._replace(month=month_number(m[2]), day=_day(m[1])))
    for m in MD.finditer(text):
        yield Found(*m.span(), Slot(month=month_number(m[1]), day=_day(m[2])))
    for m in DM.finditer(text):
        yield Found(*m.span(), Slot(month=month_number(m[2]), day=_day(m[1])))
    for m in BARE_DAY.finditer(text):
        yield Found(*m.span(), Slot(day=int(m[2])))


def _numeric(text: str) -> Iterator[Found]:
    for pattern in (ISO, SLASH, DOTS, COMPACT):
        for m in pattern.finditer(text):
            yield Found(*m.span(), Slot(int(m[1]), month=int(m[2]), day=int(m[3])), lang="iso")
    for pattern in (ISO_MONTH, DOT_MONTH):
        for m in pattern.finditer(text):
            if 1 <= int(m[2]) <= 12:
                yield Found(*m.span(), Slot(int(m[1]), month=int(m[2])), lang="iso")
    for m in SHORT_DOTS.finditer(text):
        year = 2000 + int(m[1]) if int(m[1]) < 60 else 1900 + int(m[1])
        yield Found(*m.span(), Slot(year, month=int(m[2]), day=int(m[3])), lang="iso", note="two-digit year")
    for m in SHORT_MONTH.finditer(text):
        year = 2000 + int(m[1]) if int(m[1]) < 60 else 1900 + int(m[1])
        if 1 <= int(m[2]) <= 12:
            yield Found(*m.span(), Slot(year, month=int(m[2])), lang="iso", note="two-digit year")
    for m in NUMERIC.finditer(text):
        one, other, year = int(m[1]), int(m[3]), int(m[4])
        if one > 12 >= other or m[2] == "." or one == other:
            yield Found(*m.span(), Slot(year, month=other, day=one), note="day before month")
        elif other > 12 >= one:
            yield Found(*m.span(), Slot(year, month=one, day=other), note="month before day")
        else:
            yield Found(*m.span(), Slot(year, part="ambiguous", month=one, day=other))


def _months(text: str) -> Iterator[Found]:
    for m in PART_MONTHS.finditer(text):
        base = Slot(year=int(m[4]) if m[4] else None, month=month_number(m[3]))
        yield Found(*m.span(), base._replace(part=_part(m[1])), base._replace(part=_part(m[2])))
    for m in MONTHS_Y.finditer(text):
        a, b = Slot(int(m[3]), month=month_number(m[1])), Slot(int(m[3]), month=month_number(m[2]))
        if re.search(r"\band\b", text[m.end(1) : m.start(2)]):
            yield Found(m.start(1), m.end(1), a, note="the year stands with the second month", order=-1)
            yield Found(m.start(2), m.end(), b, order=-1)
        else:
            yield Found(*m.span(), a, b)
    for m in M_YEARS.finditer(text):
        yield Found(m.start(), m.end(2), Slot(int(m[2]), month=month_number(m[1])), order=-1)
        note = "the month stands with the first year"
        yield Found(*m.span(3), Slot(int(m[3]), month=month_number(m[1])), note=note, order=-1)
    for m in MY.finditer(text):
        yield Found(*m.span(), Slot(int(m[3]), month=month_number(m[2]), part=_part(m[1])))
    for m in M_REL.finditer(text):
        yield Found(*m.span(), _rel(m[3])._replace(month=month_number(m[2]), part=_part(m[1])))
    for m in PART_M.finditer(text):
        yield Found(*m.span(), Slot(month=month_number(m[2]), part=_part(m[1])))
    for m in REL_M.finditer(text):
        way = {"last": -1, "this": 0, "next": 1}[m[1].lower()]
        yield Found(*m.span(), Slot(month=month_number(m[2])), direction=way)
    for m in M_ALONE.finditer(text):
        yield Found(*m.span(), Slot(month=month_number(m[1])))


def _periods(text: str) -> Iterator[Found]:
    for m in QUARTER.finditer(text):
        yield Found(*m.span(), _year_or_rel(m[2])._replace(part=f"q{_ORDINALS[m[1].lower()]}"))
    for m in Q_Y.finditer(text):
        yield Found(*m.span(), Slot(int(m[2]), part=f"q{m[1]}"))
    for m in Y_Q.finditer(text):
        yield Found(*m.span(), Slot(int(m[1]), part=f"q{m[2]}"))
    for m in HALF.finditer(text):
        half = "h1" if m[1].lower() in {"first", "1st"} else "h2"
        yield Found(*m.span(), _year_or_rel(m[2])._replace(part=half))
    for m in H_Y.finditer(text):
        yield Found(*m.span(), Slot(int(m[2]), part=f"h{m[1]}"))
    for m in FISCAL.finditer(text):
        year = int(m[1]) if len(m[1]) == 4 else 2000 + int(m[1])
        japanese = "apr" if re.search(r"japan|jp|jfy", m[0], re.IGNORECASE) else ""
        yield Found(*m.span(), Slot(year, part="fy"), note=japanese)
    for m in SEASON.finditer(text):
        name = "autumn" if m[1].lower() == "fall" else m[1].lower()
        yield Found(*m.span(), _year_or_rel(m[2])._replace(part=name))
    for m in REL_SEASON.finditer(text):
        name = "autumn" if m[2].lower() == "fall" else m[2].lower()
        yield Found(*m.span(), Slot(year_rel=0, part=name), direction=_YEAR_REL[m[1].lower()])
    for m in YEAR_END.finditer(text):
        part = {"end": "year-end", "close": "year-end", "middle": "year-mid"}.get(m[1].lower(), "year-start")
        yield Found(*m.span(), _year_or_rel(m[2])._replace(part=part))
    for m in YEAR_PART.finditer(text):
        part = {"early": "year-early", "mid": "year-mid", "late": "year-late"}[m[1].lower()]
        yield Found(*m.span(), Slot(int(m[2]), part=part))
    for m in YEAR_END2.finditer(text):
        yield Found(
            *m.span(), Slot(int(m[1]) if m[1] else None, year_rel=None if m[1] else 0, part="year-end")
        )
    for m in YEARS.finditer(text):
        first = int(m[1])
        last = int(m[2]) if len(m[2]) == 4 else first // 100 * 100 + int(m[2])
        if first < last <= first + 60 and not (len(m[2]) == 2 and last - first > 1 and int(m[2]) <= 12):
            yield Found(*m.span(), Slot(first), Slot(last))
    for m in DECADE.finditer(text):
        yield Found(*m.span(), Slot(int(m[2]), part="decade"))
    for m in YEAR.finditer(text):
        if _UNITS.match(text, m.end()) is None:
            yield Found(*m.span(), Slot(int(m[1])), order=20)


def _relative(text: str) -> Iterator[Found]:
    for m in LATER_YEAR.finditer(text):
        word = (m[1] or "this").lower()
        yield Found(*m.span(), Slot(year_rel=_YEAR_REL[word]))
    for m in REL_YEAR.finditer(text):
        yield Found(*m.span(), _rel(m[0]))
    for m in REL_MONTH.finditer(text):
        word = " ".join(m[2].lower().split())
        part = "" if m[1] is None or m[1].lower() in {"later", "earlier"} else _part(m[1])
        if word in {"the same", "the previous", "the following"}:
            way = {"the same": 0, "the previous": -1, "the following": 1}[word]
            yield Found(*m.span(), Slot(month_same=way, part=part))
        else:
            yield Found(*m.span(), Slot(month_rel=_YEAR_REL[word], part=part))
    for m in REL_WEEK.finditer(text):
        yield Found(*m.span(), Slot(day_rel=7 * _YEAR_REL[m[1].lower()], part="week"))
    for m in REL_DAY.finditer(text):
        low = " ".join(m[1].lower().split())
        if low.endswith("day") and low.rsplit(" ", 1)[0].split()[-1] in {
            "same",
            "next",
            "following",
            "previous",
        }:
            word = low.rsplit(" ", 1)[0].split()[-1]
            way = {"same": 0, "next": 1, "following": 1, "previous": -1}[word]
            yield Found(*m.span(), Slot(day_same=way))
        else:
            way = {"today": 0, "yesterday": -1, "tomorrow": 1}.get(low, -2 if "before" in low else 2)
            yield Found(*m.span(), Slot(day_rel=way))
    for m in AGO.finditer(text):
        count = _NUMBER.get(m[1].lower()) or int(m[1])
        unit, own = m[2].lower(), m[3].lower() == "ago"
        if unit == "day":
            slot = Slot(day_rel=-count) if own else Slot(day_same=-count)
        elif unit == "week":
            slot = Slot(day_rel=-7 * count, part="week") if own else Slot(day_same=-7 * count, part="week")
        elif unit == "month":
            slot = Slot(month_rel=-count) if own else Slot(month_same=-count)
        else:
            slot = Slot(year_rel=-count) if own else Slot(year_same=-count)
        yield Found(*m.span(), slot, direction=-1)
    for m in WEEKDAY.finditer(text):
        before = text[max(0, m.start() - 5) : m.start()].lower()
        way = -1 if before.endswith("last ") else 1 if before.endswith(("next ", "by ")) else 0
        yield Found(*m.span(), Slot(weekday=_WEEKDAYS.index(m[1].lower())), direction=way)


WEEKDAY_BESIDE = re.compile(r"(?:\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+(?:the\s+)?$)", re.IGNORECASE)
WEEKDAY_AFTER = re.compile(
    r"\s?\(?\b(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b\)?", re.IGNORECASE
)


def weekday_beside(text: str, start: int, end: int) -> int | None:
    """Give the day of the week that stands beside a date, Monday = 0."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    before = WEEKDAY_BESIDE.search(text[max(0, start - 16) : start])
    if before:
        return names.index(before[1].lower())
    after = (
        WEEKDAY_AFTER.match(text[end : end + 14]) if text[end : end + 2].lstrip().startswith("(") else None
    )
    return names.index(after[1].lower()[:3]) if after else None
