"""Parties, groups, bodies and places by their names in four languages; the longest name wins.

Rules:

1. Latin names stand as whole words; Korean names begin a word; Chinese and Japanese need no boundary.
2. A seat of government after in, at, to or with 에서 is a place; elsewhere it stands for its party.
3. A name that several bodies bear is settled by the state named beside it, by an address in the same line, or by
   the language; otherwise all stay as candidates and an officer chooses.
4. A body named right after another state is not the body of ours that bears the same name.
5. Names under dispute are one entry with each party's form; nothing is concluded from them.

Sources: data/gazetteer.yaml; names of states in each language from Unicode CLDR (Babel).
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import yaml
from babel import Locale

from secretariat.register.intake.fold import fold
from secretariat.register.intake.model import Mention, Named
from secretariat.register.intake.sentences import Places

LANGUAGES = ("en", "ja", "ko", "zh_Hans", "zh_Hant")
_HANGUL = re.compile(r"[가-힣]")
_LATIN = re.compile(r"[A-Za-z0-9]")
_BEFORE_PLACE = re.compile(r"(?:\b(?:in|at|to|from|near|outside|around|via|for)\s+|,\s*)$")
_AFTER_PLACE = re.compile(
    r"(?:D\.?C\.?)?\s?(?:에서|において|にて|で(?!は(?:ない|なく))|市|在住|시내|举行|召开|開催|で開)|\s*,\s*(?:[A-Z]|\d)"
)
_BEFORE_HAN_PLACE = re.compile(r"(?:在|于|於)$")
_ATTACHED = re.compile(r"(?:'s|s'|の|의)?\s?$")


class Entry(NamedTuple):
    """One name of one or several codes."""

    name: str
    kind: str
    codes: tuple[str, ...]
    of: str | None
    how: str
    """name, adjective, capital, shared, skip."""


class Gazetteer:
    """The names, found by their first two letters."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.bodies: dict[str, str | None] = {}
        self.kinds: dict[str, str] = {}
        self.seats: dict[str, str] = {}
        self.sites: dict[str, str] = {}
        self.signs: dict[str, dict[str, str]] = {"han": {}, "ko": {}}
        self.forms: dict[str, list[tuple[str, str]]] = {}
        names: dict[str, list[Entry]] = {}
        skip = {fold(one) for line in data["skip"] for one in line}

        def add(name: str, kind: str, codes: tuple[str, ...], of: str | None, how: str) -> None:
            folded = fold(str(name))
            if how != "skip" and folded in skip:
                return
            rows = names.setdefault(folded, [])
            same = [row for row in rows if row.how == how and row.kind == kind]
            if same and how == "shared":
                rows[rows.index(same[0])] = same[0]._replace(codes=(*same[0].codes, *codes))
            elif not rows:
                rows.append(Entry(folded, kind, codes, of, how))

        for line in data["others"]:
            for name in line:
                add(name, "other", (), None, "skip")
        for row in data["disputed"]:
            self.forms[row["key"]] = [(form["party"], form["names"][0]) for form in row["forms"]]
            for name in [*(n for form in row["forms"] for n in form["names"]), *row.get("also", ())]:
                add(name, "disputed", (row["key"],), None, "name")
        for row in data["states"]:
            self.bodies[row["code"]] = row["code"]
            for how in ("names", "adjectives", "capital"):
                for name in row.get(how, ()):
                    add(name, "state", (row["code"],), row["code"], how.removesuffix("s"))
            if "capital" in row:
                self.seats[row["code"]] = row["capital"][0]
            for script, signs in row.get("sign", {}).items():
                self.signs[script].update(dict.fromkeys(signs, row["code"]))
        for row in data["ambiguous"]:
            for name in row["names"]:
                add(name, "state", tuple(row["codes"]), row["codes"][0], "ambiguous")
        for language in LANGUAGES:
            for code, name in Locale.parse(language).territories.items():
                if len(code) == 2 and code.isalpha() and code not in {"ZZ", "UN", "EZ", "XA", "XB", "QO"}:
                    self.bodies.setdefault(code, code)
                    for one in re.split(r"\s*[(（)）]\s*", name)[:1]:
                        if len(one) > 1:
                            add(one, "state", (code,), code, "name")
        for row in data["groups"]:
            self.bodies[row["code"]] = None
            for name in row["names"]:
                add(name, "group", (row["code"],), None, "name")
        for row in data["bodies"]:
            self.bodies[row["code"]] = row.get("of")
            self.kinds[row["code"]] = row.get("kind", "body")
            for site in row.get("sites", ()):
                self.sites[site] = row["code"]
            for name in row["names"]:
                add(name, "body", (row["code"],), row.get("of"), "name")
        for row in data["bodies"]:
            for name in row.get("shared", ()):
                add(name, "body", (row["code"],), None, "shared")
        for row in data["places"]:
            for name in row["names"]:
                add(name, "place", (row["name"],), row.get("of"), "name")
        self.by_start: dict[str, list[Entry]] = {}
        for rows in names.values():
            self.by_start.setdefault(rows[0].name[:2], []).append(rows[0])
        for rows in self.by_start.values():
            rows.sort(key=lambda row: -len(row.name))

    def printed(self, key: str) -> str:
        """Give a disputed name as our own text prints it: all forms, in ISO order of the parties."""
        return " / ".join(name for _party, name in sorted(self.forms[key]))


@cache
def gazetteer() -> Gazetteer:
    """Load the names that ship with the program."""
    text = resources.files("secretariat.register.intake").joinpath("data/gazetteer.yaml").read_text("utf-8")
    return Gazetteer(yaml.load(text, yaml.CSafeLoader))


def read_mentions(text: str, *, lang: str = "en") -> list[Mention]:
    """Give every known party, group, body and place that a text names, in order."""
    book, folded = gazetteer(), fold(text)
    raw = _raw(folded, book)
    raw += _signs(folded, book, [(start, end) for start, end, _entry in raw], lang)
    raw.sort(key=lambda one: one[0])
    places = Places(text)
    dominant = _dominant(raw)
    return [
        mention
        for at in range(len(raw))
        if (mention := _settle(text, folded, raw, at, book, lang, places, dominant)) is not None
    ]


_Raw = tuple[int, int, Entry]


def _raw(folded: str, book: Gazetteer) -> list[_Raw]:
    found: list[_Raw] = []
    at, size, last_end = 0, len(folded), -1
    by_start = book.by_start
    while at < size - 1:
        rows = by_start.get(folded[at : at + 2])
        for row in rows or ():
            if folded.startswith(row.name, at) and _stands(folded, at, at + len(row.name), row, last_end):
                last_end = at + len(row.name)
                if row.how != "skip":
                    found.append((at, last_end, row))
                at = last_end - 1
                break
        at += 1
    return found


def _stands(text: str, start: int, end: int, row: Entry, last_end: int) -> bool:
    first, last = row.name[0], row.name[-1]
    before, after = text[start - 1 : start], text[end : end + 1]
    if _LATIN.match(first) and (
        _LATIN.match(before) or (before in {"-", "/", "."} and text[start - 2 : start - 1].isdigit())
    ):
        return False
    if _LATIN.match(last) and _LATIN.match(after):
        return False
    beside = text[max(0, start - 12) : start] + text[end : end + 12]
    if row.name == "FIRST" and beside.isupper():
        return False
    if (
        _HANGUL.match(first)
        and _HANGUL.match(before)
        and start != last_end
        and before not in "주대미재방친반와과및의"
    ):
        return False
    if _HANGUL.match(last) and after in {"적", "론"}:
        return False
    return not (first in "日中" and (before in set("本今昨明翌同毎每连連終终其集途") or before.isdigit()))


_SIGN_AFTER_KO = re.compile(
    r"(?:\s|정상|외교|국방|안보|사이버|협|공동|양국|관계|동맹|연합|실무|전략|정보|군사|회담|3국|3자|간|당국|정부|[,.)’'\"」」]|$)"
)


def _signs(folded: str, book: Gazetteer, taken: list[tuple[int, int]], lang: str) -> list[_Raw]:
    """Find states named by one letter each, side by side: 日中韓, 한·미."""
    covered = {at for start, end in taken for at in range(start, end)}
    found: list[_Raw] = []
    for script, signs in book.signs.items():
        letters = "".join(re.escape(one) for one in signs)
        for m in re.finditer(rf"(?:[{letters}][・·･/／-]?){{1,4}}[{letters}]", folded):
            run = m[0]
            parted = bool(re.search(r"[・·･/／-]", run))
            codes = [signs[one] for one in run if one in signs]
            before, after = folded[m.start() - 1 : m.start()], folded[m.end() : m.end() + 4]
            if len(set(codes)) != len(codes) or covered.intersection(range(*m.span())):
                continue
            if script == "ko" and not parted:
                if (
                    _HANGUL.match(before)
                    or not _SIGN_AFTER_KO.match(after)
                    or not set(run) <= set("한중일미북러")
                ):
                    continue
            elif script == "han" and not parted and len(run) == 2:
                if (
                    before in set("本今昨明翌同毎每")
                    or before.isdigit()
                    or (after[:1] in {"の", "に", "間"} and run == "日中")
                ):
                    continue
                if lang == "ko":
                    continue
            for at in range(m.start(), m.end()):
                if folded[at] in signs:
                    code = signs[folded[at]]
                    found.append((at, at + 1, Entry(folded[at], "state", (code,), code, "sign")))
    return found


def _dominant(raw: list[_Raw]) -> str | None:
    counts: dict[str, int] = {}
    for _start, _end, row in raw:
        if row.of and row.how != "shared":
            counts[row.of] = counts.get(row.of, 0) + 1
    return max(counts, key=lambda code: counts[code]) if counts else None


def _settle(
    text: str,
    folded: str,
    raw: list[_Raw],
    at: int,
    book: Gazetteer,
    lang: str,
    places: Places,
    dominant: str | None,
) -> Mention | None:
    start, end, row = raw[at]
    quoted = text[start:end]
    if row.kind == "state":
        if row.how == "capital" and _is_place(folded, start, end):
            return Mention(
                start=start,
                end=end,
                text=quoted,
                kind="place",
                code=book.seats.get(row.of or "", row.name),
                of=row.of,
                why="a city after a word of place",
            )
        if row.how == "ambiguous":
            why = f"{quoted} alone: {row.codes[0]} is meant where nothing says otherwise"
            return Mention(
                start=start,
                end=end,
                text=quoted,
                kind="state",
                code=row.codes[0],
                candidates=row.codes,
                of=row.of,
                why=why,
            )
        why = {
            "name": "name of the state or economy", "adjective": "its adjective", "sign": "its letter beside another's",
            "capital": "seat of government, standing for its party",
        }[row.how]  # fmt: skip
        return Mention(start=start, end=end, text=quoted, kind="state", code=row.codes[0], of=row.of, why=why)
    if row.kind == "body":
        return _body(text, raw, at, book, lang, places, dominant)
    kind: Named = "place" if row.kind == "place" else "disputed" if row.kind == "disputed" else "group"
    why = (
        "name is disputed: " + book.printed(row.codes[0])
        if kind == "disputed"
        else f"listed name of {row.codes[0]}"
    )
    return Mention(start=start, end=end, text=quoted, kind=kind, code=row.codes[0], of=row.of, why=why)


def _is_place(folded: str, start: int, end: int) -> bool:
    before = folded[max(0, start - 12) : start]
    if folded.startswith(("'s ", "'s\n"), end):
        return False  # Seoul's ministry is not in Seoul alone: the city stands for its party
    if _BEFORE_PLACE.search(before) and not re.search(r"\b(?:demand|urge|ask|call)\w* (?:to|on) $", before):
        return True
    return bool(_BEFORE_HAN_PLACE.search(before) or _AFTER_PLACE.match(folded[end : end + 8]))


def _body(
    text: str, raw: list[_Raw], at: int, book: Gazetteer, lang: str, places: Places, dominant: str | None
) -> Mention:
    start, end, row = raw[at]
    beside = _beside(text, raw, at)
    sign = book.signs["han"].get(text[start - 1 : start]) if start and _HAN.match(text[start]) else None
    if beside is None and sign is not None and text[start - 2 : start - 1] not in book.signs["han"]:
        beside = sign  # 豪国防省: one letter for the state, written together
    if len(row.codes) == 1 and row.how != "shared":
        code: str | None = row.codes[0]
        why = f"listed name of {code}"
        if beside is not None and row.of not in {None, beside, "EU"} and not _LATIN.match(row.name[0]):
            return Mention(
                start=start, end=end, text=text[start:end], kind="body", candidates=row.codes,
                why=f"named right after {beside}, so it is not surely {code}",
            )  # fmt: skip
        return Mention(start=start, end=end, text=text[start:end], kind="body", code=code, of=row.of, why=why)
    by_state = {book.bodies[code]: code for code in row.codes}
    line = text[text.rfind("\n", 0, start) + 1 : _line_end(text, end)]
    nearby = text[start : end + 420]
    chosen, why = None, ""
    if beside in by_state:
        chosen, why = by_state[beside], f"{beside} is named beside it"
    if chosen is None and beside is None:
        for site, code in book.sites.items():
            if code in row.codes and (site in line or site in nearby.split("\n\n")[0]):
                chosen, why = code, f"the address beside it is of {site}"
                break
    if chosen is None and beside is None:
        side = _side(text, raw, at, places)
        if side in by_state:
            chosen, why = by_state[side], f"it stands in the list of {side}"
    if chosen is None and beside is None:
        home = {"ja": "JP", "ko": "KR", "zh": "CN"}.get(lang)
        if home in by_state and _CJK_FIRST.match(text[start]):
            chosen, why = by_state[home], f"the text is written in {lang}"
    if chosen is None and beside is None:
        sentence = places.sentence(start)
        near = [
            (start - e if e <= start else 3 * (s - end) + 20, r.of)  # who is meant mostly stands before
            for s, e, r in raw
            if r.kind == "state" and r.of in by_state and places.sentence(s) == sentence
        ]
        if near:
            chosen = by_state[min(near)[1]]
            why = f"{min(near)[1]} is the nearest state in the sentence"
        elif dominant in by_state:
            chosen, why = by_state[dominant], f"{dominant} is what the text is mostly about; check"
    return Mention(
        start=start, end=end, text=text[start:end], kind="body", code=chosen, candidates=row.codes,
        of=book.bodies.get(chosen) if chosen else None, why=why or "several bodies bear this name",
    )  # fmt: skip


_HAN = re.compile(r"[\u4e00-\u9fff]")
_CJK_FIRST = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff가-힣]")


_OF_SIDE = re.compile(
    r"\s?(?:측|쪽|정부)?\s?(?:에서는|에서|측은|에선)|側?(?:から|は|より)|[侧側方](?:面)?|(?:'s)? side\b|(?:'s)? delegation\b"
)


def _side(text: str, raw: list[_Raw], at: int, places: Places) -> str | None:
    """Give the state whose side a sentence lists: "from the US side ..., and ..."; the last one named so."""
    start, sentence = raw[at][0], places.sentence(raw[at][0])
    for s, e, row in reversed(raw[max(0, at - 24) : at]):
        if places.sentence(s) != sentence:
            return None
        if row.kind == "state" and row.how != "sign" and _OF_SIDE.match(fold(text[e : min(start, e + 16)])):
            return row.of
        if row.kind == "state" and row.name.endswith(("側", "方", "측", "측은")):
            return row.of
    return None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _beside(text: str, raw: list[_Raw], at: int) -> str | None:
    """Give the state named right before a body's name, or after it with "of"."""
    start, end, _row = raw[at]
    if at:
        s, e, row = raw[at - 1]
        if row.kind == "state" and 0 <= start - e <= 4 and _ATTACHED.fullmatch(fold(text[e:start]) or " "):
            del s
            return row.of
    if at + 1 < len(raw):
        s, _e, row = raw[at + 1]
        gap = text[end:s]
        if row.kind == "state" and re.fullmatch(r"\s+(?:of|in)\s+(?:the\s+)?", gap):
            return row.of
    return None
