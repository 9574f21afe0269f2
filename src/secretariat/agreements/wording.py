"""Words for decisions: sentences, obligations and traces of the engine, laid out in the page's language."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from secretariat.agreements.book import schema
from secretariat.agreements.model import LEAVE_OUT, MAY, Attempt, Decision, Note, Tried
from secretariat.agreements.texts import TEXTS
from secretariat.base.marking import Marking
from secretariat.web.words import gettext as _
from secretariat.web.words import language, mark, ngettext

if TYPE_CHECKING:
    from secretariat.agreements.book import Book
    from secretariat.records.markings import Label

RESULT_WORDS = {
    "holds": mark("holds"),
    "fails": mark("fails"),
    "condition": mark("condition"),
    "duty": mark("duty"),
    "note": mark("noted"),
}
DEED_WORDS = {
    "protect_as_own": mark("protect it as its own"),
    "mark": mark("mark it"),
    "keep_to_permitted_actions": mark("keep to the permitted actions"),
    "attribute_as_stated": mark("name the source as stated"),
    "encrypt": mark("encrypt it"),
    "keep_register": mark("keep a register of persons and copies"),
    "name_recipients": mark("name the parties it is passed on to, to whom it came from"),
    "follow_reclassification": mark("follow every change of its classification"),
    "destroy_beyond_reconstruction": mark("destroy it beyond reconstruction"),
    "destroy_or_return": mark("destroy or return it"),
    "destroy": mark("destroy it"),
    "delete": mark("delete it"),
    "keep_by_law": mark("keep it as long as the law demands"),
    "keep_confidential": mark("keep it confidential"),
    "report_loss": mark("report loss or compromise"),
    "keep_protected": mark("keep it protected after the end of the instrument"),
    "use_agreed_channels": mark("use the agreed channels"),
    "visit_by_request": mark("visit only on request"),
    "tell_law_changes": mark("tell changes of its law on protection"),
    "respect_rights": mark("respect rights in it"),
    "consult": mark("settle disputes by consultation"),
    "no_onward_without_consent": mark("pass it on only with written consent"),
}
VERIFICATION_WORDS = {
    "read": mark("text read"),
    "summary": mark("summary read"),
    "inferred": mark("inferred"),
    "unverified": mark("not verified"),
}


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of the engine's sentences that have words of their own, the most specific first."""
    found = []
    for template in sorted(set(TEXTS.values()), key=len, reverse=True):
        if len(re.sub(r"\{\d\}|\W", "", template)) < 8:
            continue
        pattern = re.sub(r"\\\{(\d)\\\}", r"(?P<a\1>.+?)", re.escape(template))
        found.append((re.compile(pattern), template))
    return found


def _inner(text: str) -> str:
    """Translate a sentence that stands inside another one; words of the data stay as they are."""
    for pattern, template in _templates() if language() != "en" and " " in text else ():
        match = pattern.fullmatch(text)
        if match:
            places = {int(name[1:]): value for name, value in match.groupdict().items()}
            return _(template).format(*(places.get(n, "") for n in range(max(places, default=-1) + 1)))
    return text


def sentence(note: Note | None) -> str:
    """Give the engine's sentence in the page's language."""
    if note is None:
        return ""
    template = _(TEXTS.get(note.code, note.code))
    try:
        return template.format(*(_inner(argument) for argument in note.args))
    except (IndexError, KeyError, ValueError):
        return note.text


def rule_meaning(code: str) -> str:
    """Give what a rule code asks, from the published schema."""
    found = schema("instruments").get("$defs", {}).get(f"rule_{code}", {})
    return str(found.get("description", ""))


def tried_row(tried: Tried) -> dict[str, Any]:
    """Make a table row of one article tried."""
    return {
        "ref": tried.ref,
        "rule": tried.rule,
        "meaning": rule_meaning(tried.rule),
        "result": tried.result,
        "word": _(RESULT_WORDS.get(tried.result, tried.result)),
        "why": sentence(tried.note),
        "verification": _(VERIFICATION_WORDS.get(tried.verification, tried.verification)),
        "read": tried.verification == "read",
    }


_ORDER = {"fails": 0, "holds": 1, "condition": 2, "duty": 3, "note": 4}


def attempt_rows(attempt: Attempt, because: tuple[str, ...]) -> list[dict[str, Any]]:
    """Make table rows of every article of one instrument that was tried; what decided stands first."""
    rows = [tried_row(row) for row in dict.fromkeys(attempt.tried)]
    for row in rows:
        row["art"] = str(row["ref"]).removeprefix(attempt.instrument).lstrip("/") or "–"
        row["decides"] = row["ref"] in because and row["result"] in {"fails", "holds", "condition"}
    rows.sort(key=lambda row: (not row["decides"], _ORDER.get(str(row["result"]), 5)))
    return rows


def deed_word(deed: str) -> str:
    """Give the words for what an obligation demands."""
    if deed.startswith(LEAVE_OUT):
        return _("leave out %(name)s") % {"name": deed.removeprefix(LEAVE_OUT)}
    return _(DEED_WORDS[deed]) if deed in DEED_WORDS else deed.replace("_", " ")


def term_word(term: str | None) -> str | None:
    """Give the words for a term: an ISO 8601 duration of days, hours or years, or `at once`."""
    found = re.fullmatch(r"P(?:(\d+)D|(\d+)Y|T(\d+)H)", term or "")
    if found is None:
        return _("at once") if term == "at once" else term
    days, years, hours = (int(part) if part else 0 for part in found.groups())
    if days:
        return ngettext("within %(num)d day", "within %(num)d days", days) % {"num": days}
    if hours:
        return ngettext("within %(num)d hour", "within %(num)d hours", hours) % {"num": hours}
    return ngettext("for %(num)d year", "for %(num)d years", years) % {"num": years}


def purposes_of(book: Book) -> list[str]:
    """Name the purposes that instruments speak of, for the form's list."""
    found = {
        str(purpose)
        for one in book.instruments.values()
        for article in one.articles
        if article.rule == "PURPOSE"
        for purpose in article.get("purposes", ())
    }
    return sorted(found)


def kinds_of(book: Book) -> list[str]:
    """Name the kinds of information that instruments speak of."""
    found = {
        str(kind)
        for one in book.instruments.values()
        for article in one.articles
        if article.rule == "DEFINE"
        for kind in article.get("kinds", ())
    }
    return sorted(found)


def deeds(decision: Decision) -> list[dict[str, Any]]:
    """Gather obligations: one line per party and deed, with every article that asks for it."""
    found: dict[tuple[str, str, str | None, Any], list[str]] = {}
    for one in decision.obligations:
        found.setdefault((one.who, one.do, one.within, one.by), []).append(one.art)
    return [
        {
            "who": who,
            "do": deed_word(do),
            "within": term_word(within),
            "by": by,
            "articles": list(dict.fromkeys(articles)),
        }
        for (who, do, within, by), articles in found.items()
    ]


def _conditions(decision: Decision) -> list[dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for one in decision.conditions:
        found.setdefault(sentence(one.note), []).append(one.ref)
    return [{"why": why, "articles": list(dict.fromkeys(refs))} for why, refs in found.items()]


def shown(decision: Decision) -> dict[str, Any]:
    """Lay a decision out for a template."""
    restrictions = dict.fromkeys(row for piece in decision.restrictions for row in piece)
    return {
        "outcome": decision.outcome,
        "article": decision.article,
        "because": decision.because,
        "missing": sentence(decision.missing),
        "warnings": [sentence(note) for note in decision.warnings],
        "conditions": _conditions(decision),
        "obligations": deeds(decision),
        "marks": [{"party": m.party, "level": m.level, "article": m.art} for m in decision.marks],
        "until": decision.until,
        "restrictions": [
            {**tried_row(row), "art": row.ref, "decides": row.ref in decision.because} for row in restrictions
        ],
        "attempts": [
            {"instrument": a.instrument, "outcome": a.outcome, "rows": attempt_rows(a, decision.because)}
            for a in sorted(decision.attempts, key=lambda a: _closeness(a, decision))
        ],
    }


def _closeness(attempt: Attempt, decision: Decision) -> tuple[bool, bool, int]:
    decided = decision.article.startswith(attempt.instrument) or any(
        ref.startswith(attempt.instrument) for ref in decision.because
    )
    return (not decided, attempt.outcome != MAY, -attempt.rank)


def marking_of(label: Label) -> Marking:
    """Give the marking that a label shows."""
    return Marking.of(label.tlp, label.scheme, label.level, label.orig)
