"""From a text to proposals: which clauses say something recordable, when, who, where, and why we think so.

Rules:

1. A clause proposes by its cues (cues.py). What was not done, or a change of standing, hides other cues of the
   same clause; a mere statement is proposed when nothing else is.
2. The quote is the clause, at most 50 words, with its exact offsets.
3. Dates come from the clause, else its sentence, else the passage before; never from thin air. A date with a
   deadline word is due, not true; an absence without a date holds as of the document's own date.
4. Parties come from the clause, else its sentence, else what "the two governments" or 両国 stand for.
5. What is told beforehand is announced, never held.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from datetime import date

from secretariat.register.intake import cues, footnotes
from secretariat.register.intake.cues import Hit
from secretariat.register.intake.dates import edge, read_dates
from secretariat.register.intake.fold import fold
from secretariat.register.intake.gazetteer import read_mentions
from secretariat.register.intake.model import Mention, Proposal, Reading, When
from secretariat.register.intake.own_date import own_date
from secretariat.register.intake.sentences import Places

QUOTE_WORDS = 50
QUOTE_LETTERS = 160
"""Letters of Chinese, Japanese and Korean text that count as a quote of 50 words."""
_TITLE_LETTERS = 120
_TELLING = 6
"""Words that a sentence must have to be a statement of whom the sentence before names."""
_TITLE_WITHIN = 400
"""Letters at the top in which a line without an end is a heading."""
_HEAD = 900
"""Letters at the top where the document's own date stands, which dates nothing else."""

_CLAUSE = re.compile(
    r";\s|;$|\s(?:—|–|--)\s|,\s+(?=(?:but|while|whereas|although|though|yet|which|where|as)\b(?!\s+(?:well|of)\b))"
    r"|,\s+(?=and\s+(?:[\w'-]+\s+){0,3}(?:is|are|was|were|has|have|had|will|would|shall|did|does|agreed|said|plans?)\b)"
    r"|(?<=\w)\s+(?=(?:but|whereas|although)\s)"
    r"|(?<=が)、|(?<=ものの)、|(?<=た)[がし]、|(?<=おり)、|。(?=.)|(?<=受け)、"
    r"|(?<=으나),?\s|(?<=지만),?\s|(?<=했고),?\s|(?<=하였고),?\s|(?<=는데)\s"
    r"|,(?=但|而|並|并)|，(?=但|而|并|並|泰方|日方|韩方|中方|一方)|；"
)
_BOILERPLATE = re.compile(
    r"copyright|©|all rights reserved|unauthori[sz]ed|redistribution|trademark|akismet|cookie|leave a comment|subscribe"
    r"|無断(?:転載|複製)|著作権|登録商標|무단 ?(?:전재|배포|복제)|저작권|版权所有|版權所有|转载请|責任編輯|责任编辑",
    re.IGNORECASE,
)
_DEADLINE_BEFORE = re.compile(
    r"(?:\b(?:by|until|till|before|no later than|not later than|due(?: on| in)?|deadline of|within)\s+(?:the\s+)?(?:\w+\s+)?)$",
    re.IGNORECASE,
)
_DEADLINE_AFTER = re.compile(
    r"\s?(?:までに|まで|中に|中(?=第)|内に|까지|안에|이내|중(?=\s)|前|之前|底前|以前|内)"
)
_AS_OF = re.compile(r"(?:\bas of\s+|\bby\s+(?:the \w+ of )?|截至\s?|\bon\s+)$", re.IGNORECASE)
_AS_OF_AFTER = re.compile(r"\s?(?:現在|時点|时点|현재|기준)")
_WORDS = re.compile(r"[A-Za-z0-9][\w'’.&/-]*")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_TWO = re.compile(
    r"\b(?:the )?two (?:governments|countries|sides|parties|nations|militaries|ministers|leaders|states)\b|\bboth (?:sides|countries|governments|parties)\b|両国|両政府|双方|雙方|两国|兩國|양국|양측|兩岸",
    re.IGNORECASE,
)
_THREE = re.compile(
    r"\b(?:the )?three (?:governments|countries|sides|parties|nations|leaders|teams|states)\b|三国|三か国|3か国|３か国|三方|三國|3국|삼국",
    re.IGNORECASE,
)
_ROUND = re.compile(
    r"\b(\d{1,3})(?:st|nd|rd|th)\b|第\s?(\d{1,3}|[一二三四五六七八九十]{1,3})\s?(?:回|次|届|轮|輪)|제\s?(\d{1,3})\s?(?:차|회)|\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth)\b(?=\s+(?:\w+\s+){0,4}(?:meeting|summit|round|session|dialogue|consultation|talks|forum))",
    re.IGNORECASE,
)
_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
_PLANNED = re.compile(
    r"\b(?:will|to be held|is to|are to|scheduled|planned|next)\b|予定|計画|される。|예정|계획|하기로|将|拟|将于|計畫",
    re.IGNORECASE,
)
_ALONE = {"absence", "status-change"}
_DATED = {"meeting", "exercise", "attack", "instrument", "development", "status-change"}


def read_text(text: str, *, lang: str, stated: date | None = None, own: date | None = None) -> Reading:
    """Read a text. `own` is the document's date as an officer set it, `stated` as its file says it."""
    day, why = (own, "set by an officer") if own is not None else own_date(text, stated=stated, lang=lang)
    dates = read_dates(text, own=day, lang=lang)
    mentions = read_mentions(text, lang=lang)
    return Reading(
        lang=lang,
        own_date=None if day is None else day.isoformat(),
        own_date_why=why,
        dates=dates,
        mentions=mentions,
        sources=footnotes.read_sources(text, dates),
        proposals=_Proposer(text, dates, mentions, day).propose(),
    )


class _Proposer:
    """One pass over the clauses of one text."""

    def __init__(self, text: str, dates: list[When], mentions: list[Mention], own: date | None) -> None:
        self.text, self.folded = text, fold(text)
        self.dates = [one for one in dates if one.state == "resolved"]
        self.mentions, self.own = mentions, own
        self._named_at = [one.start for one in mentions]
        self._dated_at = [one.start for one in self.dates]
        self._often = Counter(one.code for one in mentions if one.kind == "state" and one.code)
        self.places = Places(text)
        self.sources_at = footnotes.section(text)
        self.quoted_before: set[str] = set()

    def propose(self) -> list[Proposal]:
        found: list[Proposal] = []
        for start, end in self.places.sentences:
            if start >= self.sources_at:
                break
            if (
                end - start < 6
                or _BOILERPLATE.search(self.folded[start:end])
                or self.text[start:end] in self.quoted_before
                or self._heading(start, end)
            ):
                continue  # a caption printed twice is proposed once
            self.quoted_before.add(self.text[start:end])
            for clause_start, clause_end in self._clauses(start, end):
                found += self._clause(clause_start, clause_end, start, end)
        return found

    def _clauses(self, start: int, end: int) -> list[tuple[int, int]]:
        """Split a sentence into clauses; what is too short to say anything stays with its neighbour."""
        cuts = [m.end() for m in _CLAUSE.finditer(self.folded, start, end)]
        parts, at = [], start
        for cut in [*cuts, end]:
            if self._weight(at, cut) >= 4:
                parts.append((at, cut))
                at = cut
        if at < end:
            if parts:
                parts[-1] = (parts[-1][0], end)
            else:
                parts.append((start, end))
        return [self._trimmed(*part) for part in parts]

    def _weight(self, start: int, end: int) -> int:
        piece = self.folded[start:end]
        return len(_WORDS.findall(piece)) + len(_WIDE.findall(piece)) // 3

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        blank = " \t\n\u3000,，、;；—–·・○•-"
        while start < end and self.text[start] in blank:
            start += 1
        while end > start and self.text[end - 1] in " \t\n\u3000,，、;；—–":
            end -= 1
        return start, end

    def _clause(self, start: int, end: int, s_start: int, s_end: int) -> list[Proposal]:
        hits = cues.hits(self._without_bodies(start, end))
        if not hits or (hits[0].kind == "statement" and not self._speaker(s_start, s_end)):
            return []
        kinds = [hit.kind for hit in hits]
        if kinds[0] in _ALONE:
            chosen = hits[:1]
        else:
            chosen = [hit for hit in hits if hit.kind != "statement"]
            weighty = [hit for hit in chosen if hit.weight > 1]
            if chosen and not self._dates_in(start, end) and not _ROUND.search(self.folded, start, end):
                chosen = weighty or chosen[:1]  # a document or meeting only named in passing
            chosen = (weighty or chosen)[:1] + [hit for hit in chosen if hit not in (weighty or chosen)[:1]][
                :1
            ]
            if not chosen:
                chosen = hits[:1]
        return [self._proposal(hit, start, end, s_start, s_end) for hit in chosen]

    def _without_bodies(self, start: int, end: int) -> str:
        """Give a clause whose names of bodies are blanked: a Bureau of Investigation investigates nothing yet."""
        letters = list(self.folded[start:end])
        for one in self._named(start, end):
            if one.kind == "body":
                letters[one.start - start : one.end - start] = "\x00" * (min(one.end, end) - one.start)
        return "".join(letters)

    def _speaker(self, start: int, end: int) -> bool:
        """Whether a sentence names who says it, or the one before it does; others are no statement of anybody."""
        index = self.places.sentence(start)
        before = (
            self.places.sentences[index - 1] if index and self._weight(start, end) >= _TELLING else (0, 0)
        )
        return any(
            one.kind in {"state", "group", "body"}
            for one in (*self._named(start, end), *self._named(*before))
        )

    def _heading(self, start: int, end: int) -> bool:
        """Whether a sentence is a heading: an unfinished line near the top, without a date, that the text repeats."""
        if start > _TITLE_WITHIN or end - start > _TITLE_LETTERS or self._dates_in(start, end):
            return False
        alone = self.folded[max(0, start - 1) : start] in {"", "\n"} and self.folded[end : end + 1] in {
            "",
            "\n",
        }
        return alone and self.folded[end - 1] not in ".。!?！？:：;；”\"'」)" and end < len(self.folded) - 80

    def _proposal(self, hit: Hit, start: int, end: int, s_start: int, s_end: int) -> Proposal:
        q_start, q_end = self._quote(start, end, start + hit.start)
        why = {"kind": hit.why}
        near = self._dates_in(start, end) or self._dates_in(s_start, s_end)
        when, due, announced = self._times(hit.kind, near, q_start, why)
        parties, groups, orgs = self._who((start, end), (s_start, s_end), why)
        clause = self.folded[start:end]
        place = (
            self._place(start, end, s_start, s_end, why)
            if hit.kind in {"meeting", "exercise", "instrument", "attack"}
            else None
        )
        level = (
            self._said("level", clause, why, self.folded[s_start:s_end])
            if hit.kind in {"meeting", "instrument"}
            else None
        )
        cadence = self._said("cadence", clause, why) if hit.kind == "commitment" else None
        state = self._said("status", clause, why) if hit.kind == "status-change" else None
        number = self._round(start, end, why) if hit.kind in {"meeting", "exercise"} else None
        quote = self.text[q_start:q_end]
        return Proposal(
            start=q_start,
            end=q_end,
            quote=quote,
            kind=hit.kind,
            title=_title(quote),
            true_from=when.first if when else None,
            true_to=when.last if when and when.last != when.first else None,
            announced=announced,
            due=due.last if due else None,
            due_text=due.text if due else None,
            cadence=cadence,
            state=state,
            parties=parties,
            groups=groups,
            orgs=orgs,
            place=place,
            level=level,
            round=number,
            notes=footnotes.marks(self.text, start, min(len(self.text), s_end + 16)),
            why=why,
        )

    def _quote(self, start: int, end: int, at: int) -> tuple[int, int]:
        """Give the clause, or the 50 words of it around the cue."""
        piece = self.text[start:end]
        wide = len(_WIDE.findall(piece))
        words = [(start + m.start(), start + m.end()) for m in re.finditer(r"\S+", piece)]
        if wide * 2 > len(piece):
            if len(piece) <= QUOTE_LETTERS:
                return start, end
            left = max(start, min(at - QUOTE_LETTERS // 2, end - QUOTE_LETTERS))
            return left, min(end, left + QUOTE_LETTERS)
        if len(words) <= QUOTE_WORDS:
            return start, end
        index = next((n for n, (_s, e) in enumerate(words) if e > at), 0)
        first = max(0, min(index - QUOTE_WORDS // 2, len(words) - QUOTE_WORDS))
        return words[first][0], words[min(len(words), first + QUOTE_WORDS) - 1][1]

    def _dates_in(self, start: int, end: int) -> list[When]:
        return self.dates[bisect_left(self._dated_at, start) : bisect_left(self._dated_at, end)]

    def _times(
        self, kind: str, near: list[When], at: int, why: dict[str, str]
    ) -> tuple[When | None, When | None, bool]:
        """Give when it was true, by when it is due, and whether it was only announced."""
        if kind == "absence":
            return self._as_of(near, why), None, False
        if kind == "commitment":
            due = next((one for one in near if self._is_deadline(one)), None)
            due = due or next((one for one in near if self._ahead(one)), None)
            rest = [one for one in near if one is not due]
            when = next(iter(rest), None) or self._before(at, why)
            if due is not None:
                why["due"] = f"{due.text!r}: {due.why}"
            if when is not None and "true_from" not in why:
                why["true_from"] = f"{when.text!r}: {when.why}"
            elif when is None and self.own is not None:
                why["true_from"] = "left open: no date of the promise is written here"
            return when, due, False
        when = near[0] if near else None
        if when is not None:
            why["true_from"] = f"{when.text!r}: {when.why}"
        elif kind == "statement" and self.own is not None:
            when = self._own_when()
            why["true_from"] = f"no date beside it: the document's own date {self.own}"
        elif kind in _DATED:
            when = self._before(at, why)
        sentence = self.folded[slice(*self.places.sentences[self.places.sentence(at)])]
        ahead = when is not None and self._ahead(when)
        announced = kind in {"meeting", "exercise"} and (
            ahead or (when is None and bool(_PLANNED.search(sentence)))
        )
        if announced:
            why["announced"] = (
                "it lies after the document's own date" if ahead else "the words say it is to come"
            )
        return when, None, announced

    def _own_when(self) -> When | None:
        if self.own is None:
            return None
        text = self.own.isoformat()
        return When(
            start=0, end=0, text=text, state="resolved", first=text, last=text, why="document's own date"
        )

    def _as_of(self, near: list[When], why: dict[str, str]) -> When | None:
        for one in near:
            before = self.folded[max(0, one.start - 24) : one.start]
            past = self.own is None or edge(one.first or "", last=False) <= self.own
            if past and (_AS_OF.search(before) or _AS_OF_AFTER.match(self.folded, one.end)):
                why["true_from"] = f"as of {one.text!r}"
                return one
        if self.own is None and near:
            why["true_from"] = (
                f"{near[0].text!r} stands beside it; whether it is the day of looking is not said"
            )
            return near[0]
        if self.own is not None:
            why["true_from"] = f"as of the document's own date {self.own}"
        return self._own_when()

    def _is_deadline(self, one: When) -> bool:
        before = self.folded[max(0, one.start - 28) : one.start]
        return bool(_DEADLINE_BEFORE.search(before) or _DEADLINE_AFTER.match(self.folded, one.end))

    def _ahead(self, one: When) -> bool:
        return self.own is not None and edge(one.first or "", last=True) > self.own

    def _before(self, at: int, why: dict[str, str]) -> When | None:
        """Give the date that the passage before names."""
        paragraph = self.places.paragraph(at)
        there = bisect_left(self._dated_at, at)
        earlier = [
            one
            for one in self.dates[max(0, there - 40) : there]
            if one.start < at
            and not (self.own is not None and one.start < _HEAD and one.first == self.own.isoformat())
            and self.places.paragraph(one.start) in {paragraph, paragraph - 1}
            and not self._ahead(one)
        ]
        if not earlier:
            return None
        one = earlier[-1]
        why["true_from"] = f"{one.text!r} is the date named before it; check"
        return one

    def _who(
        self, clause: tuple[int, int], sentence: tuple[int, int], why: dict[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Give parties, groups and bodies."""
        inside = self._named(*clause)
        where = "clause"
        states = _codes(inside, "state")
        piece = self.folded[slice(*clause)]
        wanted = 3 if _THREE.search(piece) else 2 if _TWO.search(piece) else 0
        if wanted and len(states) < wanted:
            states, where = (
                self._stood_for(clause[0], wanted) or states,
                f"passage before, which names {wanted} parties",
            )
        if not states:
            states, where = _codes(self._named(*sentence), "state"), "sentence"
        bodies = _codes(inside, "body") or _codes(self._named(*sentence), "body")
        groups = _codes(inside, "group")
        home = tuple(dict.fromkeys(one.of for one in inside if one.kind == "body" and one.of and one.code))
        press = {one.code for one in inside if one.kind == "body" and _is_press(one.code)}
        states = tuple(dict.fromkeys((*states, *(code for code in home if code not in states))))
        if not states:
            paragraph = (
                self.places.paragraphs[self.places.paragraph(clause[0])] if self.places.paragraphs else clause
            )
            states, where = _codes(self._named(*paragraph), "state")[:3], "paragraph; check"
        if states:
            words = ", ".join(_quoted(self._named(*sentence), states))
            why["parties"] = f"named in the {where}" + (f": {words}" if words else "")
        orgs = tuple(code for code in bodies if code not in press)
        if orgs:
            why["orgs"] = (
                "; ".join(dict.fromkeys(one.why for one in inside if one.kind == "body" and one.why))[:200]
                or "named"
            )
        return states, groups, orgs

    def _named(self, start: int, end: int) -> list[Mention]:
        return self.mentions[bisect_left(self._named_at, start) : bisect_left(self._named_at, end)]

    def _stood_for(self, at: int, wanted: int) -> tuple[str, ...]:
        """Give the parties that "the two governments" stands for: the last place that named as many."""
        index = self.places.sentence(at)
        for number in range(index, max(-1, index - 8), -1):
            codes = _codes(self._named(*self.places.sentences[number]), "state")
            if len(codes) == wanted:
                return codes
        return tuple(code for code, _count in self._often.most_common(wanted))

    def _place(self, start: int, end: int, s_start: int, s_end: int, why: dict[str, str]) -> str | None:
        for left, right in ((start, end), (s_start, s_end)):
            for one in self._named(left, right):
                if one.kind == "place":
                    why["place"] = f"{one.text!r}: {one.why}"
                    return one.code
        return None

    def _said(self, table: str, clause: str, why: dict[str, str], wider: str = "") -> str | None:
        found = cues.said(table, clause) or (cues.said(table, wider) if wider else None)
        if found is None:
            return None
        why["state" if table == "status" else table] = f"{found[1]!r}"
        return found[0]

    def _round(self, start: int, end: int, why: dict[str, str]) -> int | None:
        days = self._dates_in(start, end)
        found = next(
            (
                one
                for one in _ROUND.finditer(self.folded, start, end)
                if not any(day.start < one.end() and one.start() < day.end for day in days)
            ),
            None,
        )
        if found is None:
            return None
        word = next(one for one in found.groups() if one)
        why["round"] = f"{found[0]!r}"
        if word.lower() in _ORDINALS:
            return _ORDINALS.index(word.lower()) + 1
        if word.isdigit():
            return int(word)
        digits = "一二三四五六七八九"
        tens, ten, ones = word.partition("十")
        value = (digits.index(tens) + 1 if tens else 1) * 10 if ten else 0
        return value + (
            digits.index(ones or tens) + 1 if (ones or not ten) and (ones or tens) in digits else 0
        )


def _codes(mentions: list[Mention], kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.code for one in mentions if one.kind == kind and one.code))


def _quoted(mentions: list[Mention], codes: tuple[str, ...]) -> list[str]:
    words = [one.text for one in mentions if one.code in codes or one.of in codes]
    return list(dict.fromkeys(words))[:6]


def _is_press(code: str | None) -> bool:
    from secretariat.register.intake.gazetteer import gazetteer

    return code is not None and gazetteer().kinds.get(code) in {"press", "company"}


def _title(quote: str) -> str:
    """Suggest a title: the clause, shortened at a word; an officer words it anew."""
    line = " ".join(quote.split())
    line = re.sub(r"^(?:and|but|while|whereas|although|which|However,|Nevertheless,|Yet,)\s+", "", line)
    line = re.sub(r"^\W*(?:\d{1,2}[.)]\s*)", "", line).strip(" ,;.。、")
    if len(line) <= _TITLE_LETTERS:
        return (line[:1].upper() + line[1:]) or quote[:_TITLE_LETTERS]
    cut = line[:_TITLE_LETTERS]
    if " " in cut[60:]:
        cut = cut[: cut.rindex(" ")]
    return cut[:1].upper() + cut[1:] + "…"
