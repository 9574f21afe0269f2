"""Dates with exact spans: found by rules per language, resolved against the document's own date or left open.

Rules:

1. What is written in full stands as written; its precision is kept (a month stays a month).
2. A missing year, month or day is inferred from, in this order: the same sentence; a date written just before
   in the same paragraph; the document's own date, in the direction that the words say (will, 지난); the only
   year the text names. The reason is always said. Nothing to go by: left open, with the reason.
3. A day of the week beside a date is checked; where the year was inferred it may correct it.
4. A date that no calendar has (2012-02-30) is refused and says why.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple

from secretariat.register.intake import dates_cjk, dates_latin
from secretariat.register.intake.dates_found import Found, Slot
from secretariat.register.intake.fold import fold, without_addresses
from secretariat.register.intake.model import How, When
from secretariat.register.intake.sentences import Places

_FUTURE = re.compile(
    r"\b(?:will|shall|is to|are to|to be|plans?|planned|planning|expected|scheduled|next|upcoming|by|until|no later than"
    r"|due|deadline|intends?|going to|would|set to|forthcoming|take effect|comes? into)\b"
    r"|予定|見込み|見通し|方針|までに|計画|次回|今後|開催する|実施する|設置する|開始する|目指す|される。|[^で]発表する。|公表する。|署名する。|出席する。|訪問する。|派遣する。"
    r"|예정|계획|까지|방침|전망|하기로|차기|향후|앞두|한다\.|개최한다|제출한다"
    r"|将|將|拟|擬|计划|計畫|計劃|预计|預計|前提交|之前|前分发|即将|下次|应在|應在",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:was|were|has|had|have|held|signed|met|said|told|visited|landed|launched|announced|took|gave|did|ago|agreed|since"
    r"|last|began|started|issued|reported|attacked|became|concluded"
    r"|(?<!being )(?<!be )(?<!is )(?<!are )(?!related|united|limited|based|advanced|expected|planned|scheduled|need|speed)[a-z]{3,}ed)\b"
    r"|した|ていた|ました|された|行われ|開かれ|だった|受けた|述べた|発表し|行った|あった"
    r"|했|됐|되었|하였|열렸|밝혔|받았|였다|었다|았다|진행된"
    r"|了|已|曾|举行$|發生|遭",
    re.IGNORECASE,
)
_YEARLY = re.compile(
    r"\b(?:usually|every year|each year|annually|anniversar)|毎年|例年|매년|해마다|每年|历年", re.IGNORECASE
)
_JUST = 45
"""Days: a day of the year that lies this near is meant, whatever the verbs around it say."""
_AHEAD = 150
"""Days that a date without year may lie ahead when nothing says whether it is past."""
_SOON = 3
"""Days ahead that a day alone may lie when nothing says whether it is past: nearer than the month before."""
_SINCE_AFTER = re.compile(r".{0,8}?(?:から|以来|以降|より|부터|이후|이래|起)")
_SINCE_BEFORE = re.compile(r"(?:\bsince|\bfrom|自从?|從)\s?$", re.IGNORECASE)
_HEADING = re.compile(r"^\W*((?:19|20)\d\d)\s*(?:年|년)?\W*$")


class _Day(NamedTuple):
    year: int
    month: int | None
    day: int | None
    sentence: int
    paragraph: int
    written: bool
    since: bool
    """Named as a beginning (since 2003): what follows need not lie in that year."""


class _Open(Exception):  # noqa: N818 - a reason, not a fault
    """Why a date stays open."""


class _Never(Exception):  # noqa: N818 - a reason, not a fault
    """Why a date cannot be."""


def read_dates(text: str, *, own: date | None = None, lang: str = "en") -> list[When]:
    """Give every date that the text names, in order. `own` is the day of the document itself."""
    folded = without_addresses(fold(text))
    chosen = _longest([*dates_latin.find(folded), *dates_cjk.find(folded)])
    return _Reader(text, folded, chosen, own, lang).read()


def _longest(found: list[Found]) -> list[Found]:
    """Keep, where places overlap, the longer one; a rule that says more wins among equals."""
    taken: list[Found] = []
    covered: set[int] = set()
    for one in sorted(found, key=lambda f: (-(f.end - f.start), f.order, f.start)):
        if one.end <= one.start or covered.intersection(range(one.start, one.end)):
            continue
        covered.update(range(one.start, one.end))
        taken.append(one)
    return sorted(taken, key=lambda f: f.start)


class _Reader:
    """One pass over the dates of one text; remembers what was named before."""

    def __init__(self, text: str, folded: str, found: list[Found], own: date | None, lang: str) -> None:
        self.text, self.folded, self.found, self.own, self.lang = text, folded, found, own, lang
        self.places = Places(text)
        self.before: list[_Day] = []
        years = Counter(s.year for f in found for s in (f.a, f.b) if s is not None and s.year is not None)
        self.years = years
        self.day_first = self._order()

    def _order(self) -> bool | None:
        """Tell from unmistakable numeric dates whether the day stands first; None when there are none."""
        notes = [f.note for f in self.found if f.note in {"day before month", "month before day"}]
        kinds = set(notes)
        return None if len(kinds) != 1 else kinds == {"day before month"}

    def read(self) -> list[When]:
        return [self._one(found, at) for at, found in enumerate(self.found)]

    def _one(self, f: Found, at: int) -> When:
        text = self.text[f.start : f.end]
        try:
            first, last, precision, how, why = self._resolve(f, at)
        except _Open as reason:
            return When(start=f.start, end=f.end, text=text, state="open", how="relative", why=str(reason))
        except _Never as reason:
            return When(start=f.start, end=f.end, text=text, state="impossible", why=str(reason))
        weekday = self._weekday(f)
        warn = None
        if weekday is not None and precision == "day" and first == last:
            day = date.fromisoformat(first)
            if day.weekday() != weekday and how == "inferred" and f.a.month is not None:
                moved = [d for d in (-1, 1) if (n := _shift(day, d)) and n.weekday() == weekday]
                if len(moved) == 1 and (new := _shift(day, moved[0])):
                    first = last = new.isoformat()
                    why += f"; the day of the week named beside it fits {new.year}"
                    day = new
            if day.weekday() != weekday:
                warn = f"{first} was a {day:%A}, the text names another day of the week"
        self._remember(f, first, how)
        return When(
            start=f.start, end=f.end, text=text, state="resolved", first=first, last=last, precision=precision,
            how=how, why=why, warn=warn,
        )  # fmt: skip

    def _weekday(self, f: Found) -> int | None:
        if f.a.day is None or f.b is not None:
            return None
        latin = dates_latin.weekday_beside(self.folded, f.start, f.end)
        return latin if latin is not None else dates_cjk.weekday_beside(self.folded, f.end)

    def _remember(self, f: Found, first: str, how: str) -> None:
        parts = [int(one) for one in first.split("-")]
        named = (
            f.a.month is not None
            or f.a.month_rel is not None
            or f.a.day_rel is not None
            or f.a.day_same is not None
        )
        self.before.append(
            _Day(
                parts[0],
                parts[1]
                if len(parts) > 1 and (named or f.a.month_same is not None or f.a.day is not None)
                else None,
                parts[2] if len(parts) > 2 and not f.a.part else None,
                self.places.sentence(f.start),
                self.places.paragraph(f.start),
                how == "written" and f.a.year is not None,
                _SINCE_AFTER.match(self.folded, f.end) is not None
                or _SINCE_BEFORE.search(self.folded[max(0, f.start - 8) : f.start]) is not None,
            )
        )

    def _resolve(self, f: Found, at: int) -> tuple[str, str, str, How, str]:
        a, how, why = self._complete(f, f.a, at)
        first, last, precision = _span(a, self.lang if f.lang == "han" else f.lang, f.note)
        if f.b is not None:
            b, _how, _why = self._complete(f, self._follow(f.a, f.b, a), at)
            _first, last, _precision = _span(b, self.lang, f.note)
            if _first < first and f.b.year is None and f.b.month is not None and (f.a.month or 0) > f.b.month:
                b = b._replace(year=(b.year or 0) + 1)
                _first, last, _precision = _span(b, self.lang, f.note)
            if edge(last, last=True) < edge(first, last=False):
                raise _Never(f"it would end ({last}) before it begins ({first})")
            precision = "range"
        note = "" if f.note == "apr" else f.note
        return first, last, precision, how, "; ".join(one for one in (why, note) if one)

    def _follow(self, a: Slot, b: Slot, done: Slot) -> Slot:
        """Give the second date of a span what the first one settled."""
        if b.year is None and a.month is not None and b.month is not None:
            return b._replace(year=done.year, year_rel=None, year_same=None)
        return b._replace(year=b.year if b.year is not None else done.year, month=b.month or done.month)

    def _complete(self, f: Found, slot: Slot, at: int) -> tuple[Slot, How, str]:
        """Fill in what is not written. Refuses what nothing speaks for."""
        if slot.part == "lunar":
            raise _Open("a date of the lunar calendar; it is not converted")
        if slot.part == "no era":
            raise _Open("a year of three digits: the text does not say of which era")
        if slot.part == "ambiguous":
            return self._numeric(slot)
        if slot.year is not None:
            return slot, "written", "written in full" if slot.day else "written"
        own = self.own
        quoted = self.text[f.start : f.end]
        if slot.day_rel is not None:
            day = self._own(quoted) + timedelta(days=slot.day_rel)
            if slot.weekday is not None:
                day += timedelta(days=slot.weekday - day.weekday())
                return _of(day), "relative", f"counted from the document's own date {own}"
            return _of(day, slot.part), "relative", f"counted from the document's own date {own}"
        if slot.month_rel is not None:
            year, month = _months(self._own(quoted), slot.month_rel)
            done = slot._replace(year=year, month=month, month_rel=None)
            return done, "relative", f"counted from the document's own date {own}"
        if slot.year_rel is not None:
            shift = -2 if self.lang == "zh" and quoted.startswith("前年") else slot.year_rel
            year = self._own(quoted).year + shift
            if f.direction and slot.part:
                year = self._season(slot.part, f.direction)
            return (
                slot._replace(year=year, year_rel=None),
                "relative",
                f"counted from the document's own date {own}",
            )
        if self.lang == "zh" and slot.year_same == -1 and quoted.startswith("前年"):
            year = self._own(quoted).year - 2
            return (
                slot._replace(year=year, year_same=None),
                "relative",
                f"two years before the document's own date {own}",
            )
        if slot.year_same is not None or slot.month_same is not None or slot.day_same is not None:
            return self._same(slot, quoted)
        if slot.weekday is not None:
            return self._on_weekday(f, slot, quoted)
        if slot.month is not None:
            return self._year_of(f, slot, at)
        if slot.day is not None:
            return self._month_of(f, slot, at)
        return self._period(f, slot, quoted)

    def _own(self, quoted: str) -> date:
        if self.own is None:
            raise _Open(f"{quoted!r} needs the document's own date, which it does not bear")
        return self.own

    def _numeric(self, slot: Slot) -> tuple[Slot, How, str]:
        one, other = slot.month or 0, slot.day or 0
        if self.day_first is None:
            a, b = f"{slot.year}-{one:02}-{other:02}", f"{slot.year}-{other:02}-{one:02}"
            raise _Open(f"may mean {a} or {b}: nothing says which number is the day")
        day, month = (one, other) if self.day_first else (other, one)
        order = "day before month" if self.day_first else "month before day"
        return Slot(slot.year, month=month, day=day), "inferred", f"{order}, as in the document's other dates"

    def _same(self, slot: Slot, quoted: str) -> tuple[Slot, How, str]:
        if not self.before:
            raise _Open(f"{quoted!r} refers to a date that the text does not name before")
        last = self.before[-1]
        why = f"refers to the date named before ({last.year}{f'-{last.month:02}' if last.month else ''})"
        if slot.year_same is not None:
            return slot._replace(year=last.year + slot.year_same, year_same=None), "relative", why
        if last.month is None:
            raise _Open(f"{quoted!r} refers to {last.year}, which names no month")
        if slot.month_same is not None:
            year, month = _months(date(last.year, last.month, 1), slot.month_same)
            return slot._replace(year=year, month=month, month_same=None), "relative", why
        if last.day is None:
            raise _Open(f"{quoted!r} refers to {last.year}-{last.month:02}, which names no day")
        day = date(last.year, last.month, last.day) + timedelta(days=slot.day_same or 0)
        return _of(day, slot.part), "relative", why

    def _on_weekday(self, f: Found, slot: Slot, quoted: str) -> tuple[Slot, How, str]:
        own, wanted = self._own(quoted), slot.weekday or 0
        way = f.direction or self._direction(f)
        back = (own.weekday() - wanted) % 7
        if f.direction < 0 and back == 0:
            back = 7
        day = (
            own + timedelta(days=(wanted - own.weekday()) % 7 or 7) if way > 0 else own - timedelta(days=back)
        )
        return (
            _of(day),
            "relative",
            f"the {'next' if way > 0 else 'latest'} one as seen from the document's own date {own}",
        )

    def _year_of(self, f: Found, slot: Slot, at: int) -> tuple[Slot, How, str]:
        """Find the year of a month or of a day in a month."""
        sentence, paragraph = self.places.sentence(f.start), self.places.paragraph(f.start)
        if _YEARLY.search(self._sentence(f)) and slot.day is not None:
            raise _Open("comes back every year; the text names none")
        heading = self._heading(f.start)
        if heading is not None:
            return slot._replace(year=heading), "inferred", f"stands under the heading {heading}"
        way = f.direction or self._direction(f)
        for last in reversed(self.before[-3:]):
            near = not last.since and last.paragraph == paragraph and last.sentence >= sentence - 1
            if (
                near
                and last.written
                and last.month is not None
                and way <= 0
                and last.sentence >= sentence - 1
            ):
                day = (slot.month or 1, slot.day or 31)
                if (
                    day >= (last.month, last.day or 1)
                    and self._not_after(last.year, slot)
                    and last.year != self._own_year()
                ):
                    return (
                        slot._replace(year=last.year),
                        "inferred",
                        f"follows {last.year}-{last.month:02} in the same passage",
                    )
        if self.own is not None:
            year = self._nearest(slot, way)
            seen = {
                1: "the next such date after",
                -1: "the latest such date before",
                0: "the nearest such date to",
            }[way]
            return (
                slot._replace(year=year),
                "inferred",
                f"year not written: {seen} the document's own date {self.own}",
            )
        named = [
            f2.a.year
            for f2 in self.found[at + 1 : at + 3]
            if f2.a.year and self.places.sentence(f2.start) == sentence
        ]
        if named:
            return slot._replace(year=named[0]), "inferred", "year named later in the same sentence"
        years = [year for year in self.years if year is not None]
        if len(years) == 1 and not self._looks_back(years[0]):
            return (
                slot._replace(year=years[0]),
                "inferred",
                f"year not written: {years[0]} is the only year the text names",
            )
        if self.before and self.before[-1].paragraph == paragraph:
            return slot._replace(year=self.before[-1].year), "inferred", "year of the date named before"
        raise _Open("no year is written and the document bears no date of its own")

    def _looks_back(self, year: int) -> bool:
        """Whether the text looks back at its only year from another: last year, 지난 2018년, since 2018."""
        for f in self.found:
            if f.a.year_rel is not None:
                return True
            after = self.folded[f.end : f.end + 24]
            if f.a.year == year and (
                self.folded.startswith("지난", f.start)
                or re.match(r"[^\n。.]{0,20}?(?:이후|以来|以降|以后|以來|만에|ぶり)", after)
                or _SINCE_BEFORE.search(self.folded[max(0, f.start - 8) : f.start])
            ):
                return True
        return False

    def _own_year(self) -> int | None:
        return None if self.own is None else self.own.year

    def _not_after(self, year: int, slot: Slot) -> bool:
        return self.own is None or (year, slot.month or 1, slot.day or 1) <= (
            self.own.year,
            self.own.month,
            self.own.day,
        )

    def _heading(self, at: int) -> int | None:
        """Give the year of a line of its own above, in a chronology."""
        block = self.folded[max(0, at - 3_000) : at]
        lines = block.split("\n")
        for line in reversed(lines[-12:-1]):
            if found := _HEADING.match(line):
                return int(found[1])
        return None

    def _nearest(self, slot: Slot, way: int) -> int:
        own = self.own or date.min
        month = slot.month or 1
        if slot.day is None:
            here = (own.month - month) % 12
            if way < 0:
                return own.year if month <= own.month else own.year - 1
            if way > 0:
                return own.year if month >= own.month else own.year + 1
            return own.year if month <= own.month else (own.year - 1 if here <= 6 else own.year)
        key, today = (month, slot.day), (own.month, own.day)
        away = (date(2001, month, min(slot.day, 28)) - date(2001, own.month, min(own.day, 28))).days % 365
        if (way > 0 and away > 365 - _JUST) or (way < 0 and away < _JUST):
            way = 0
        if way < 0:
            return own.year if key <= today else own.year - 1
        if way > 0:
            return own.year if key >= today else own.year + 1
        if key <= today:
            return own.year if away > _AHEAD or away == 0 else own.year + 1
        return own.year if away <= _AHEAD else own.year - 1

    def _month_of(self, f: Found, slot: Slot, at: int) -> tuple[Slot, How, str]:
        """Find the month of a day that stands alone."""
        sentence, day = self.places.sentence(f.start), slot.day or 1
        after = self.found[at + 1] if at + 1 < len(self.found) else None
        if after is not None and after.a.year and after.a.day == day and 0 <= after.start - f.end <= 12:
            return after.a, "inferred", "the full date stands right after it"
        near = [one for one in self.before[-2:] if one.month is not None]
        if near and near[-1].sentence == sentence and not f.direction and self._names_month(at, sentence):
            last = near[-1]
            month = date(last.year, last.month or 1, 1)
            if last.day is not None and last.day > day + 3:
                year, number = _months(month, 1)
                month = date(year, number, 1)
            done = slot._replace(year=month.year, month=month.month)
            return done, "inferred", f"in the month named before, {month:%Y-%m}"
        if self.own is not None:
            way = f.direction or self._direction(f)
            own = self.own
            month_shift = 0
            if way == 0 and own.day < day <= own.day + _SOON:
                way = 1
            if way > 0 and day < own.day:
                month_shift = 1
            elif way <= 0 and day > own.day:
                month_shift = -1
            year, number = _months(own, month_shift)
            done = slot._replace(year=year, month=number)
            said = "to come" if way > 0 else "past"
            return done, "inferred", f"month not written: {said} as seen from the document's own date {own}"
        if near:
            done = slot._replace(year=near[-1].year, month=near[-1].month)
            return done, "inferred", f"in the month named before, {near[-1].year}-{near[-1].month:02}"
        raise _Open("no month is written and the document bears no date of its own")

    def _names_month(self, at: int, sentence: int) -> bool:
        """Whether a date with its month stands before in the same sentence."""
        for other in reversed(self.found[max(0, at - 2) : at]):
            if self.places.sentence(other.start) == sentence and other.a.month is not None:
                return True
        return False

    def _period(self, f: Found, slot: Slot, quoted: str) -> tuple[Slot, How, str]:
        """Find the year of a quarter or half that stands alone."""
        own = self._own(quoted)
        year = self._season(slot.part, f.direction or self._direction(f))
        return (
            slot._replace(year=year),
            "inferred",
            f"year not written: seen from the document's own date {own}",
        )

    def _season(self, part: str, way: int) -> int:
        own = self.own or date.min
        first, last, _precision = _span(Slot(own.year, part=part), self.lang, "")
        if way < 0 and edge(first, last=False) > own:
            return own.year - 1
        if way > 0 and edge(last, last=True) < own:
            return own.year + 1
        return own.year

    def _sentence(self, f: Found) -> str:
        if not self.places.sentences:
            return self.folded
        start, end = self.places.sentences[self.places.sentence(f.start)]
        return self.folded[start:end]

    def _direction(self, f: Found) -> int:
        """Tell from the words around whether a date is past or to come; 0 when they do not say."""
        start, end = (
            self.places.sentences[self.places.sentence(f.start)]
            if self.places.sentences
            else (0, len(self.folded))
        )
        if f.lang in {"ja", "ko", "han"}:
            clause = re.search(r"[、，,;；]", self.folded[f.end : end])
            stop = f.end + clause.start() if clause else end
            for edge_at in dict.fromkeys((stop, end)):
                after = self.folded[f.end : edge_at]
                ways = {
                    1 for m in _FUTURE.finditer(after) if f.b is None or m.start() > 0
                }  # まで, 까지 end a span
                ways |= {-1 for m in _PAST.finditer(after)}
                if ways:
                    return ways.pop() if len(ways) == 1 else 0
            return 1 if _FUTURE.search(self.folded[start : f.start]) else 0
        lead = self.folded[start : f.start]
        marks = [(f.start - start - m.end(), 1) for m in _FUTURE.finditer(lead)]
        marks += [(f.start - start - m.end(), -1) for m in _PAST.finditer(lead)]
        rest = self.folded[f.end : min(end, f.end + 40)]
        marks += [(m.start() + 15, -1) for m in _PAST.finditer(rest)]
        marks += [(m.start() + 15, 1) for m in _FUTURE.finditer(rest)]
        future = [m for m in marks if m[1] > 0]
        past = [m for m in marks if m[1] < 0]
        if future and past:
            # "to be held in Washington on the 26th": the future that governs the past participle wins
            nearest = min(marks)
            if nearest[1] < 0 and any(0 <= one[0] - nearest[0] <= 12 for one in future):
                return 1
            return nearest[1]
        return marks[0][1] if marks else 0


def _shift(day: date, years: int) -> date | None:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return None


def _of(day: date, part: str = "") -> Slot:
    return Slot(day.year, month=day.month, day=day.day, part=part)


def _months(day: date, shift: int) -> tuple[int, int]:
    whole = day.year * 12 + day.month - 1 + shift
    return whole // 12, whole % 12 + 1


def edge(text: str, *, last: bool) -> date:
    parts = [int(one) for one in text.split("-")]
    if len(parts) == 1:
        return date(parts[0], 12, 31) if last else date(parts[0], 1, 1)
    if len(parts) == 2:
        return date(parts[0], parts[1], monthrange(*parts)[1] if last else 1)
    return date(*parts)


def _ym(year: int, month: int) -> str:
    return f"{year:04}-{month:02}"


_YEAR_MONTHS = {
    "q1": (1, 3), "q2": (4, 6), "q3": (7, 9), "q4": (10, 12), "h1": (1, 6), "h2": (7, 12),
    "fq1": (4, 6), "fq2": (7, 9), "fq3": (10, 12), "fq4": (13, 15), "fh1": (4, 9), "fh2": (10, 15),
    "spring": (3, 5), "summer": (6, 8), "autumn": (9, 11), "winter": (12, 14), "year-early": (1, 4),
    "year-mid": (5, 8), "year-late": (9, 12), "year-start": (1, 1), "year-end": (12, 12),
}  # fmt: skip
_NAMES = {"q": "quarter", "h": "half", "f": "quarter"}


def _span(slot: Slot, lang: str, note: str) -> tuple[str, str, str]:
    """Turn the parts of a date into its first and last day, month or year. Refuses what no calendar has."""
    year = slot.year or 0
    if slot.month is not None and not 1 <= slot.month <= 12:
        raise _Never(f"there is no month {slot.month}")
    if slot.part == "week" and slot.month is not None and slot.day is not None:
        day = date(year, slot.month, slot.day)
        monday = day - timedelta(days=day.weekday())
        return monday.isoformat(), (monday + timedelta(days=6)).isoformat(), "week"
    if slot.month is not None and slot.day is not None:
        try:
            text = date(year, slot.month, slot.day).isoformat()
        except ValueError:
            raise _Never(f"{_ym(year, slot.month)} has no day {slot.day}") from None
        return text, text, "day"
    if slot.month is not None:
        if slot.part in {"early", "mid", "late", "end"}:
            length = monthrange(year, slot.month)[1]
            first, last = {"early": (1, 10), "mid": (11, 20), "late": (21, length), "end": (21, length)}[
                slot.part
            ]
            return f"{_ym(year, slot.month)}-{first:02}", f"{_ym(year, slot.month)}-{last:02}", "part"
        return _ym(year, slot.month), _ym(year, slot.month), "month"
    if slot.part == "fy":
        if lang == "ja" or note == "apr":
            return _ym(year, 4), _ym(year + 1, 3), "fiscal-year"
        return f"{year:04}", f"{year:04}", "fiscal-year"
    if slot.part == "fy-end":
        ends = (year + 1, 3) if lang == "ja" or note == "apr" else (year, 12)
        return _ym(*ends), _ym(*ends), "month"
    if slot.part == "decade":
        return f"{year:04}", f"{year + 9:04}", "decade"
    if slot.part in _YEAR_MONTHS:
        first, last = _YEAR_MONTHS[slot.part]
        end = (year, last) if last <= 12 else (year + 1, last - 12)
        start = (year, first) if first <= 12 else (year + 1, first - 12)
        precision = _NAMES.get(slot.part[0], "part") if slot.part[0] in "qhf" else "part"
        return _ym(*start), _ym(*end), "month" if first == last else precision
    return f"{year:04}", f"{year:04}", "year"
