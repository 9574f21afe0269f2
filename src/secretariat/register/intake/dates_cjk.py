"""Dates as Japanese, Korean and Chinese texts write them: eras, 年月日, 년월일, and words relative to the writing.

Rules: 上旬, 초, 底 and their like belong to the span, days of the week do not; a day alone needs arabic digits
and no unit after it (3日間 is a duration); years of an era before its beginning or after its end are said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from secretariat.register.intake.dates_found import Found, Slot

ERAS = {
    "令和": (2019, None, "R"),
    "平成": (1989, 31, "H"),
    "昭和": (1926, 64, "S"),
    "大正": (1912, 15, "T"),
    "明治": (1868, 45, "M"),
    "民國": (1912, None, ""),
    "民国": (1912, None, ""),
}
"""First year, last year of the era, letter. Source: the era table of Unicode CLDR."""
_LETTERS = {letter: name for name, (_first, _last, letter) in ERAS.items() if letter}

_KANJI = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "○": 0, "元": 1}
_K = "〇零○一二三四五六七八九"
_NUM = rf"(?:\d{{1,2}}|[一二三四五六七八九]?十[一二三四五六七八九]?|[{_K}])"
_YEAR = rf"(?:(?:19|20)\d\d|[一二][{_K}]{{3}})"
_ERA = rf"(?:(?:{'|'.join(ERAS)})\s?(?:元|\d{{1,3}}|[一二三四五六七八九]?十?[一二三四五六七八九]?))"
_Y_ABS = rf"(?:(?P<era>{_ERA})|(?<!\d)(?P<y>{_YEAR}))\s*(?P<yu>年|년)"

_REL_YEARS: dict[str, tuple[str, int]] = {
    "一昨年": ("year_rel", -2), "おととし": ("year_rel", -2), "昨年": ("year_rel", -1), "去年": ("year_rel", -1),
    "今年": ("year_rel", 0), "本年": ("year_rel", 0), "来年": ("year_rel", 1), "再来年": ("year_rel", 2),
    "前年": ("year_same", -1), "同年": ("year_same", 0), "翌年": ("year_same", 1), "当年": ("year_same", 0),
    "明年": ("year_rel", 1), "次年": ("year_same", 1), "後年": ("year_rel", 2), "后年": ("year_rel", 2),
    "來年": ("year_rel", 1), "當年": ("year_same", 0),
    "재작년": ("year_rel", -2), "지난해": ("year_rel", -1), "작년": ("year_rel", -1), "올해": ("year_rel", 0),
    "금년": ("year_rel", 0), "올": ("year_rel", 0), "내년": ("year_rel", 1), "내후년": ("year_rel", 2),
    "같은 해": ("year_same", 0), "같은해": ("year_same", 0), "동년": ("year_same", 0), "이듬해": ("year_same", 1),
    "그해": ("year_same", 0), "同": ("year_same", 0),
}  # fmt: skip
_REL_MONTHS: dict[str, tuple[str, int]] = {
    "先々月": ("month_rel", -2), "先月": ("month_rel", -1), "今月": ("month_rel", 0), "来月": ("month_rel", 1),
    "再来月": ("month_rel", 2), "前月": ("month_rel", -1), "同月": ("month_same", 0), "翌月": ("month_same", 1),
    "上个月": ("month_rel", -1), "上個月": ("month_rel", -1), "上月": ("month_rel", -1), "本月": ("month_rel", 0),
    "这个月": ("month_rel", 0), "這個月": ("month_rel", 0), "当月": ("month_same", 0), "當月": ("month_same", 0),
    "下个月": ("month_rel", 1), "下個月": ("month_rel", 1), "下月": ("month_rel", 1), "次月": ("month_same", 1),
    "지지난달": ("month_rel", -2), "지난달": ("month_rel", -1), "지난 달": ("month_rel", -1),
    "전월": ("month_rel", -1), "이달": ("month_rel", 0), "이번 달": ("month_rel", 0), "이번달": ("month_rel", 0),
    "금월": ("month_rel", 0), "다음 달": ("month_rel", 1), "다음달": ("month_rel", 1), "내달": ("month_rel", 1),
    "익월": ("month_same", 1), "같은 달": ("month_same", 0), "같은달": ("month_same", 0), "동월": ("month_same", 0),
}  # fmt: skip
_REL_DAYS: dict[str, tuple[str, int]] = {
    "本日": ("day_rel", 0), "今日": ("day_rel", 0), "昨日": ("day_rel", -1), "一昨日": ("day_rel", -2),
    "明日": ("day_rel", 1), "同日": ("day_same", 0), "翌日": ("day_same", 1), "前日": ("day_same", -1),
    "当日": ("day_same", 0), "今天": ("day_rel", 0), "昨天": ("day_rel", -1), "前天": ("day_rel", -2),
    "明天": ("day_rel", 1), "后天": ("day_rel", 2), "當天": ("day_same", 0), "当天": ("day_same", 0),
    "次日": ("day_same", 1), "當日": ("day_same", 0), "翌々日": ("day_same", 2),
    "오늘": ("day_rel", 0), "어제": ("day_rel", -1), "그제": ("day_rel", -2), "내일": ("day_rel", 1),
    "모레": ("day_rel", 2), "금일": ("day_rel", 0), "전날": ("day_same", -1), "이튿날": ("day_same", 1),
    "다음날": ("day_same", 1), "다음 날": ("day_same", 1), "같은 날": ("day_same", 0), "같은날": ("day_same", 0),
    "동일": ("", 0), "당일": ("day_same", 0), "이날": ("day_same", 0), "그날": ("day_same", 0),
}  # fmt: skip
_REL_DAYS.pop("동일")  # 동일 also means "identical"


def _words(table: dict[str, tuple[str, int]]) -> str:
    return "|".join(
        sorted((re.escape(one) for one in table if one not in {"올", "同"}), key=len, reverse=True)
    )


_RY = rf"(?<![日何每毎])(?P<ry>{_words(_REL_YEARS)}|올(?=\s?\d)|올(?=\s[상하]반기)|同(?=\d{{1,2}}月(?!\d)))"
_RM = rf"(?P<rm>{_words(_REL_MONTHS)})"
_ANY_YEAR = rf"(?:{_Y_ABS}|{_RY}\s?の?)"
_WAY = r"(?P<way>지난|오는|去る|来る)?\s?"
_M = rf"(?<![\d.])(?P<m>{_NUM})\s*(?:月|월)"
_DAY = rf"(?P<d>{_NUM})\s*(?:日|일|號|号)"
_MPART = r"(?:\s?(?:の)?(?P<mp>上旬|中旬|下旬|初旬|上・中旬|末(?!尾)|半ば|初め|はじめ|底|초순|중순|하순|상순|초(?![기과등])|말(?![하했씀])))?"
_YPART = r"(?:\s?(?:の)?(?P<yp>年末|年底|年初|年内|末(?!尾)|底|初め|初頭|春|夏|秋|冬|말(?![하했씀])|초(?![기과등])|봄|여름|가을|겨울))?"
_SEP = r"[^\S\n]*(?:から|より|부터|-|~|至|到|起至)[^\S\n]*"
_AND = r"[^\S\n]*(?:及び|および|並びに|並|及|、|・|と|和|与|與|와|과|·|,)[^\S\n]*"
_WD = r"(?:\s?\((?:[月火水木金土日]|[月火水木金土日]曜日?|[월화수목금토일]|[월화수목금토일]요일|(?:星期|周|週)[一二三四五六日天])(?:[・·]祝)?\))?"

MD_RANGE = re.compile(
    rf"(?:{_ANY_YEAR}\s?|(?P<wm>지난|오는|去る|来る)\s?)?{_M}\s?(?P<d>{_NUM})\s*(?:日|일|號|号)?{_WD}(?P<sep>{_SEP}|{_AND})"
    rf"(?:(?P<y2>{_YEAR})\s*(?:年|년)\s?)?(?:(?P<m2>{_NUM})\s*(?:月|월)\s?)?(?P<d2>{_NUM})\s*(?:日|일|號|号)(?!間|间|간|内|以)"
)
M_RANGE = re.compile(
    rf"(?:{_ANY_YEAR}\s?)?(?<!\d)(?P<m>{_NUM})\s*(?:月|월)?(?P<sep>{_SEP})(?:(?P<y2>{_YEAR})\s*(?:年|년)\s?)?(?P<m2>{_NUM})\s*(?:月|월)(?!\s?{_NUM}\s*(?:日|일))"
)
Y_RANGE = re.compile(
    rf"(?<!\d)(?P<y>{_YEAR})\s*(?:年|년)?{_SEP}(?P<y2>{_YEAR})\s*(?:年|년)(?!\s?{_NUM}\s*(?:月|월))"
)
YMD = re.compile(rf"{_ANY_YEAR}\s?{_M}\s?{_DAY}")
MD = re.compile(rf"{_WAY}{_M}\s?{_DAY}(?!間|간)")
YM = re.compile(rf"{_ANY_YEAR}\s?{_M}{_MPART}(?!\s?{_NUM}\s*(?:日|일)(?!間|간))")
RM_D = re.compile(rf"{_RM}\s?の?\s?{_DAY}")
RM = re.compile(rf"{_RM}{_MPART}")
M_ONLY = re.compile(rf"{_WAY}{_M}{_MPART}(?!\s?{_NUM}\s*(?:日|일)(?!間|간))(?![號号])")
PERIOD = re.compile(
    rf"(?:{_ANY_YEAR}\s?度?の?\s?)?(?:(?P<q>第?\s?[1-4一二三四](?=四半期|季|분기|\s?四半期)|제\s?[1-4](?=\s?[사분])|[1-4]/4)\s?(?P<qu>四半期|季度|季|사분기|분기)"
    rf"|(?P<h>上半期|下半期|上半年|下半年|上期|下期|상반기|하반기))"
)
FISCAL = re.compile(
    rf"(?:(?:(?P<era>{_ERA})|(?<!\d)(?P<y>(?:19|20)\d\d|[一二][{_K}]{{3}}))\s*(?:年度|연도|년도|회계연도)"
    r"|(?P<rf>昨年度|一昨年度|今年度|本年度|来年度|再来年度|前年度|翌年度|上年度|下年度|내년도|올해년도|전년도))(?P<fe>末|말(?=까지|에|\s))?"
)
YEAR = re.compile(rf"(?:지난\s)?{_Y_ABS}(?![度間间代])(?!\s?[간도])(?!\s?연?속){_YPART}")
RY = re.compile(rf"{_RY}(?![度齢金])(?!도의)(?:{_YPART}(?!同期|\s?동기)|\s?(?:同期|동기))")
WITHIN = re.compile(r"(?<![\d一二三四五六七八九十数毎每])(?:年内|연내|年末|年底|연말|年初|연초)(?![年])")
ALONE = re.compile(
    r"(?P<way>지난|오는|去る|来る)?\s?(?<![\d.月월第제年・~-])(?<!\d\s)(?<!박\s)(?<!박)(?P<d>[1-9]|[12]\d|3[01])\s?(?P<u>日|일)"
    r"(?!\s?(?:間|间|以|内|後|后|前(?!に|後)|目|も|ごと|毎|あた|当|程|程度|分|経|연속|간|이내|내|동안|만|째|전|후|차|정도|자로|씩|본|曜|本|程|常|々|平均|평균|최대|단위|(?!\d{1,2}[:時时시])\d|점))"
)
RD = re.compile(
    rf"(?<![日毎每終终连連平])(?P<rd>{_words(_REL_DAYS)})(?!本|날|々|中|記|常)(?:\s?\(\d{{1,2}}\s?(?:日|일)\))?"
)
ERA_SHORT = re.compile(
    r"(?<![A-Za-z0-9])(?P<l>[RHS])\s?(?P<y>\d{1,2}|元)[./](?P<m>\d{1,2})(?:[./](?P<d>\d{1,2}))?(?![\d./])"
)
AGO = re.compile(
    rf"(?<![\d.])(?P<n>{_NUM})\s?(?P<u>年|か月|ヶ月|カ月|個月|个月|日|天|년|개월|일)\s?(?P<w>前(?!後|半|期)|전(?![체후화]))"
)
DOTTED = re.compile(
    r"(?<![\d.])(?P<y>(?:19|20)\d\d)\.\s?(?P<m>\d{1,2})(?:월|月)(?:\s?(?P<d>\d{1,2})\s?(?:일|日))?"
)
WEEK = re.compile(
    r"(?P<w>先々週|先週|今週|来週|再来週|翌週|上上周|上周|本周|这周|下周|上週|本週|這週|下週|上(?=个?星期)|本(?=星期)|下(?=个?星期)|지지난 ?주|지난 ?주|금주|이번 ?주|다음 ?주|내주(?![는었고다])|차주)"
    r"(?:(?:の|\s)?(?P<wd>[月火水木金土日](?=曜)曜日?|[월화수목금토일](?=요일)요일)|(?:个?星期)?(?P<zd>[一二三四五六日天])(?![个個次名项項场場方]))?"
)
LUNAR = re.compile(
    rf"(?:음력|陰暦|旧暦|农历|農曆|農历|陰曆|阴历|夏历)\s?(?:정월|正月|冬月|腊月|臘月|{_NUM}\s?(?:月|월))"
    rf"(?:\s?(?:초하루|보름|그믐|初[一二三四五六七八九十]|廿[一二三四五六七八九]|{_NUM}(?:\s?(?:日|일))?))?"
)
SHORT_YEAR = re.compile(
    rf"(?<![\d.,〇○一二三四五六七八九十第約约약계満满])(?P<q>')?(?P<yy>\d\d)\s?(?:年|년|(?<=\d)\.(?=\s?\d{{1,2}}\s?월))\s?"
    rf"(?:(?P<m>\d{{1,2}})\s?(?:月|월){_MPART}(?:\s?(?P<d>\d{{1,2}})\s?(?:日|일))?|(?P<yp>末(?!尾)|春|夏|秋|冬|말(?![하했씀])|봄|여름|가을|겨울))"
)
SHORT_ONLY = re.compile(r"(?<![\w.])'(?P<yy>\d\d)\s?(?:年|년)(?![도間간度]|\s?\d)")
NO_ERA = re.compile(r"(?<![\d.,])(?<![\u4e00-\u9fff])1\d\d\s?年\s?(?:度|\d{1,2}\s?月(?:\s?\d{1,2}\s?日)?)")
"""A year of three digits and no era named (as used in Taiwan)."""
NUMBER_RANGE = re.compile(
    r"(?<![\w/.-])(?P<y>(?:19|20)\d\d|'\d\d)(?P<s>[./])\s?(?P<m>[01]?\d)(?P=s)\s?(?P<d>[0-3]?\d)(?P=s)?(?:\s?\([^\d)]{1,4}\))?"
    r"[^\S\n]*[~-][^\S\n]*(?:(?P<m2>[01]?\d)(?P=s)\s?)?(?P<d2>[0-3]?\d)(?!\d)(?!(?P=s)\s?\d)(?:(?P=s)(?!\w))?"
)
NUMBER_DAY = re.compile(
    r"(?<![\w/.])(?:(?P<yy>\d\d)\.\s?)?(?P<m>1[0-2]|0?[1-9])[./]\s?(?P<d>3[01]|[12]\d|0?[1-9])\.?(?=\s?\([月火水木金土日월화수목금토일](?:[曜요][日일]?)?\))"
)


def number(text: str) -> int:
    """Read arabic or Han digits, 十 as ten, 元 as one."""
    if text.isdigit() and text.isascii():
        return int(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        return (_KANJI[tens] if tens else 1) * 10 + (_KANJI[ones] if ones else 0)
    return int("".join(str(_KANJI[one]) for one in text))


def _year(m: re.Match[str]) -> tuple[Slot, str]:
    """Give the year part of a match and what is to be said about it."""
    groups = m.groupdict()
    if groups.get("era"):
        return era_year(groups["era"])
    if groups.get("y"):
        return Slot(year=number(groups["y"])), ""
    if groups.get("ry"):
        field, way = _REL_YEARS[groups["ry"]]
        return _with(Slot(), field, way), ""
    return Slot(), ""


def _with(slot: Slot, field: str, way: int) -> Slot:
    changed: dict[str, Any] = {field: way}
    return slot._replace(**changed)


def era_year(text: str) -> tuple[Slot, str]:
    """Turn 令和4 into 2022; a year that the era does not have is said so."""
    name = text[:2]
    first, last, _letter = ERAS[name]
    count = number(text[2:].strip() or "元")
    note = f"{text.strip()}年 = {first + count - 1}"
    if last is not None and count > last:
        note += f"; {name} has {last} years, so the year is counted on"
    return Slot(year=first + count - 1), note


def _lang(text: str) -> str:
    if re.search(r"[가-힣]", text):
        return "ko"
    return "ja" if re.search(r"[\u3041-\u30ff]", text) else "han"


_PARTS = {
    "上旬": "early", "初旬": "early", "初め": "early", "はじめ": "early", "초": "early", "초순": "early",
    "상순": "early", "中旬": "mid", "半ば": "mid", "중순": "mid", "下旬": "late", "하순": "late", "末": "end",
    "底": "end", "말": "end", "上・中旬": "early",
}  # fmt: skip
_YPARTS = {
    "年末": "year-end", "年底": "year-end", "末": "year-end", "底": "year-end", "말": "year-end", "年初": "year-early",
    "初め": "year-early", "初頭": "year-early", "초": "year-early", "年内": "", "春": "spring", "봄": "spring",
    "夏": "summer", "여름": "summer", "秋": "autumn", "가을": "autumn", "冬": "winter", "겨울": "winter",
}  # fmt: skip
_WAYS = {"지난": -1, "去る": -1, "오는": 1, "来る": 1, None: 0}


def find(text: str) -> Iterator[Found]:
    """Find every date of these forms; where two overlap the caller keeps the longer."""
    for m in DOTTED.finditer(text):
        day = int(m["d"]) if m["d"] else None
        yield Found(*m.span(), Slot(int(m["y"]), month=int(m["m"]), day=day), None, _lang(m[0]))
    for m in MD_RANGE.finditer(text):
        yield from _day_range(m)
    for m in M_RANGE.finditer(text):
        base, note = _year(m)
        a, b = number(m["m"]), number(m["m2"])
        if 1 <= a <= 12 and 1 <= b <= 12:
            other = base._replace(month=b) if not m["y2"] else Slot(number(m["y2"]), month=b)
            yield Found(*m.span(), base._replace(month=a), other, _lang(m[0]), note=note)
    for m in Y_RANGE.finditer(text):
        yield Found(*m.span(), Slot(number(m["y"])), Slot(number(m["y2"])), _lang(m[0]))
    for m in YMD.finditer(text):
        base, note = _year(m)
        yield Found(
            *m.span(), base._replace(month=number(m["m"]), day=number(m["d"])), None, _lang(m[0]), note=note
        )
    for m in MD.finditer(text):
        slot = Slot(month=number(m["m"]), day=number(m["d"]))
        yield Found(_at(m), m.end(), slot, None, _lang(m[0]), _WAYS[m["way"]])
    for m in YM.finditer(text):
        base, note = _year(m)
        slot = base._replace(month=number(m["m"]), part=_PARTS.get(m["mp"] or "", ""))
        yield Found(*m.span(), slot, None, _lang(m[0]), note=note)
    for m in RM_D.finditer(text):
        field, way = _REL_MONTHS[m["rm"]]
        yield Found(*m.span(), _with(Slot(day=number(m["d"])), field, way), None, _lang(m[0]))
    for m in RM.finditer(text):
        field, way = _REL_MONTHS[m["rm"]]
        slot = _with(Slot(part=_PARTS.get(m["mp"] or "", "")), field, way)
        yield Found(*m.span(), slot, None, _lang(m[0]))
    for m in M_ONLY.finditer(text):
        if 1 <= number(m["m"]) <= 12:
            slot = Slot(month=number(m["m"]), part=_PARTS.get(m["mp"] or "", ""))
            yield Found(_at(m), m.end(), slot, None, _lang(m[0]), _WAYS[m["way"]])
    yield from _periods(text)
    yield from _alone(text)
    yield from _short(text)


def _at(m: re.Match[str]) -> int:
    """Give the start without the space that an absent word leaves."""
    return m.start() + len(m[0]) - len(m[0].lstrip())


def _day_range(m: re.Match[str]) -> Iterator[Found]:
    base, note = _year(m)
    month, first, last = number(m["m"]), number(m["d"]), number(m["d2"])
    other = number(m["m2"]) if m["m2"] else month
    if not (1 <= month <= 12 and 1 <= other <= 12):
        return
    way = _WAYS[m["wm"]]
    a = base._replace(month=month, day=first)
    b = (Slot(number(m["y2"])) if m["y2"] else base)._replace(month=other, day=last)
    listed = re.fullmatch(_AND, m["sep"]) is not None
    if not listed or (other == month and last == first + 1):
        yield Found(*m.span(), a, b, _lang(m[0]), way, note)
        return
    yield Found(m.start(), m.start("sep"), a, None, _lang(m[0]), way, note, -1)
    start = m.start("m2") if m["m2"] else m.start("d2")
    yield Found(start, m.end(), b, None, _lang(m[0]), way, "the month stands with the first day", -1)


def _periods(text: str) -> Iterator[Found]:
    for m in PERIOD.finditer(text):
        base, note = _year(m)
        if m["q"]:
            digit = re.search(r"[1-4一二三四]", m["q"])
            if digit is None or (m["qu"] == "季" and "第" not in m["q"]):
                continue
            part = f"q{number(digit[0])}"
        else:
            part = "h1" if m["h"][0] in "上상" else "h2"
        fiscal = "度" in m[0].replace("季度", "")
        yield Found(
            _at(m), m.end(), base._replace(part=("f" if fiscal else "") + part), None, _lang(m[0]), note=note
        )
    for m in FISCAL.finditer(text):
        fiscal_part = "fy-end" if m["fe"] else "fy"
        if m["rf"]:
            words = {"一昨": -2, "昨": -1, "前": -1, "上": -1, "전": -1, "今": 0, "本": 0, "올": 0, "再来": 2}
            words |= {"来": 1, "翌": 1, "下": 1, "내": 1}
            way = next(
                v for k, v in sorted(words.items(), key=lambda kv: -len(kv[0])) if m["rf"].startswith(k)
            )
            yield Found(
                *m.span(),
                Slot(year_rel=way, part=fiscal_part),
                None,
                _lang(m[0]) if "年" not in m[0] else "ja",
            )
        else:
            base, note = era_year(m["era"]) if m["era"] else (Slot(number(m["y"])), "")
            lang = "ja" if m["era"] else _lang(m[0])
            yield Found(*m.span(), base._replace(part=fiscal_part), None, lang, note=note)
    for m in YEAR.finditer(text):
        base, note = _year(m)
        yield Found(
            *m.span(), base._replace(part=_YPARTS.get(m["yp"] or "", "")), None, _lang(m[0]), note=note
        )
    for m in RY.finditer(text):
        base, note = _year(m)
        yield Found(
            *m.span(), base._replace(part=_YPARTS.get(m["yp"] or "", "")), None, _lang(m[0]), note=note
        )
    for m in WITHIN.finditer(text):
        part = {"内": "", "내": "", "末": "year-end", "底": "year-end", "말": "year-end"}.get(
            m[0][-1], "year-early"
        )
        yield Found(*m.span(), Slot(year_rel=0, part=part), None, _lang(m[0]))


def _alone(text: str) -> Iterator[Found]:
    for m in ALONE.finditer(text):
        yield Found(_at(m), m.end(), Slot(day=int(m["d"])), None, _lang(m[0]), _WAYS[m["way"]])
    for m in RD.finditer(text):
        field, way = _REL_DAYS[m["rd"]]
        yield Found(*m.span(), _with(Slot(), field, way), None, _lang(m[0]))
    for m in ERA_SHORT.finditer(text):
        name = _LETTERS[m["l"]]
        base, note = era_year(f"{name}{m['y']}")
        slot = base._replace(month=int(m["m"]), day=int(m["d"]) if m["d"] else None)
        yield Found(*m.span(), slot, None, "ja", note=note)
    for m in AGO.finditer(text):
        count, unit = number(m["n"]), m["u"]
        if unit in {"年", "년"}:
            slot = Slot(year_rel=-count)
        elif unit in {"日", "天", "일"}:
            slot = Slot(day_rel=-count)
        else:
            slot = Slot(month_rel=-count)
        yield Found(*m.span(), slot, None, _lang(m[0]), -1)
    for m in WEEK.finditer(text):
        word = m["w"]
        if word in {"上", "本", "下"} and m["zd"] is None:
            continue
        way = -7 if word[0] in "先上지" else 7 if word[0] in "来再翌下다내차" else 0
        way *= 2 if word.startswith(("先々", "再来", "上上", "지지")) else 1
        day = None
        if m["wd"]:
            day = ("月火水木金土日" if m["wd"][0] in "月火水木金土日" else "월화수목금토일").index(m["wd"][0])
        elif m["zd"]:
            day = "一二三四五六日天".index(m["zd"]) % 7 if m["zd"] != "天" else 6
        slot = Slot(part="week", weekday=day)
        slot = slot._replace(day_same=way) if word == "翌週" else slot._replace(day_rel=way)
        yield Found(*m.span(), slot, None, _lang(m[0]))


def _short(text: str) -> Iterator[Found]:
    """Find years of two digits, numbers with a day of the week, and calendars that are not converted."""
    for m in SHORT_YEAR.finditer(text):
        whole = int(m["d"]) if m["d"] else None
        month = int(m["m"]) if m["m"] else None
        part = _PARTS.get(m["mp"] or "", "") or _YPARTS.get(m["yp"] or "", "")
        yield Found(
            m.start(), m.end(), Slot(_century(m["yy"]), month=month, day=whole, part=part), None, _lang(m[0]),
            note="two-digit year",
        )  # fmt: skip
    for m in SHORT_ONLY.finditer(text):
        yield Found(*m.span(), Slot(_century(m["yy"])), None, _lang(m[0]), note="two-digit year")
    for m in NUMBER_RANGE.finditer(text):
        year = _century(m["y"][1:]) if m["y"].startswith("'") else int(m["y"])
        a = Slot(year, month=int(m["m"]), day=int(m["d"]))
        b = Slot(year, month=int(m["m2"] or m["m"]), day=int(m["d2"]))
        if b[3:] > a[3:] and b.day is not None and 1 <= b.day <= 31 and 1 <= (b.month or 0) <= 12:
            yield Found(*m.span(), a, b, "iso")
    for m in NUMBER_DAY.finditer(text):
        given = _century(m["yy"]) if m["yy"] else None
        yield Found(*m.span(), Slot(given, month=int(m["m"]), day=int(m["d"])), None, "iso")
    for m in LUNAR.finditer(text):
        yield Found(*m.span(), Slot(part="lunar"), None, _lang(m[0]), order=-2)
    for m in NO_ERA.finditer(text):
        yield Found(*m.span(), Slot(part="no era"), None, _lang(m[0]), order=-2)


def _century(digits: str) -> int:
    return (2000 if int(digits) < 60 else 1900) + int(digits)


_BESIDE = re.compile(
    r"\s?\((?:(?P<ja>[月火水木金土日])(?:曜日?)?|(?P<ko>[월화수목금토일])(?:요일)?|(?:星期|周|週)(?P<zh>[一二三四五六日天]))(?:[・·]祝)?\)"
    r"|(?P<ja2>[月火水木金土日])曜日?|\s?(?P<ko2>[월화수목금토일])요일|(?:星期|周|週)(?P<zh2>[一二三四五六日天])"
)


def weekday_beside(text: str, end: int) -> int | None:
    """Give the day of the week written after a date, Monday = 0."""
    m = _BESIDE.match(text, end)
    if m is None:
        return None
    word = next(one for one in m.groups() if one)
    return {**{c: i for i, c in enumerate("月火水木金土日")}, **{c: i for i, c in enumerate("월화수목금토일")},
            **{c: i for i, c in enumerate("一二三四五六")}, "天": 6}[word]  # fmt: skip
