"""Run files of cases: a question, the answer expected, what must be among its reasons.

Format: `schemas/cases.schema.json`. Left-out keys have the defaults that the schema states. A case that names
no `expected` is answered and not judged.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.book import Book, build, check, day, moment, package_book, problems, schema
from secretariat.agreements.model import DENY, Consent, Decision, Facts, Moment, Party, Question
from secretariat.agreements.rules import decide
from secretariat.base.errors import InputError
from secretariat.records.markings import Label

if TYPE_CHECKING:
    from secretariat.agreements.reading import Source


class Case(msgspec.Struct, frozen=True):
    """One question with what is expected of the answer."""

    key: str
    question: Question
    parties: tuple[Party, ...] = ()
    expected: str | None = None
    because: tuple[str, ...] = ()
    warn: tuple[str, ...] | bool | None = None
    mark_as: tuple[tuple[str, str], ...] = ()
    obligations: tuple[dict[str, Any], ...] = ()
    conditions: tuple[str, ...] = ()
    missing: str | None = None
    note: str | None = None
    where: str = ""


class Ran(msgspec.Struct, frozen=True):
    """What came of a case."""

    case: Case
    decision: Decision
    differs: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything expected was found."""
        return not self.differs

    @property
    def article(self) -> str:
        """The deciding article; where none speaks, the instrument that came closest, or `default-deny`."""
        decision = self.decision
        if "/" not in decision.article and decision.because:
            return decision.because[0]
        return decision.article

    def as_dict(self) -> dict[str, Any]:
        """Give the case as a line of the result."""
        d = self.decision
        return {
            "id": self.case.key,
            "ok": self.ok,
            "expected": self.case.expected,
            "got": d.outcome,
            "article": self.article,
            "default_deny": d.article == "default-deny",
            "because": list(d.because),
            "expected_because": list(self.case.because),
            "missing": d.missing.text if d.missing is not None else None,
            "warnings": [w.text for w in d.warnings],
            "mark_as": {m.party: m.level for m in d.marks},
            "conditions": [{"article": c.ref, "rule": c.rule, "what": c.why} for c in d.conditions],
            "obligations": [obligation_dict(o) for o in d.obligations],
            "until": d.until.isoformat() if d.until is not None else None,
            "differs": list(self.differs),
        }


def obligation_dict(obligation: Any) -> dict[str, str]:
    """Give an obligation as plain JSON."""
    found: dict[str, str] = msgspec.to_builtins(obligation)
    return found


def read_cases(source: Source, today: date) -> list[Case]:
    """Give the cases of a file. Refuses every unknown key and word, with its line."""
    value = source.value
    base: tuple[str, ...] = ()
    if isinstance(value, dict):
        if "cases" not in value:
            raise InputError(
                "no `cases` in this file", where=source.where(()), advice="a list of cases under `cases:`"
            )
        items, base = value["cases"], ("cases",)
    else:
        items = value
    if not isinstance(items, list):
        raise InputError("`cases` is not a list", where=source.where(base))
    wanted = {"type": "array", "items": {"$ref": "#/$defs/case"}, "$defs": schema("cases")["$defs"]}
    below = _below(source, base, items)
    check(below, wanted)
    return [_case(item, below, n, today) for n, item in enumerate(items)]


def case_problems(source: Source) -> list[tuple[str, str]]:
    """List what breaks the schema in the cases of a file."""
    value = source.value
    items, base = (value.get("cases", []), ("cases",)) if isinstance(value, dict) else (value, ())
    wanted = {"type": "array", "items": {"$ref": "#/$defs/case"}, "$defs": schema("cases")["$defs"]}
    return problems(_below(source, base, items), wanted)


def _below(source: Source, base: tuple[str, ...], items: Any) -> Source:
    cut = len(base)
    lines = {path[cut:]: line for path, line in source.lines.items() if path[:cut] == base}
    return type(source)(source.name, items, lines)


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)


def _case(raw: dict[str, Any], source: Source, n: int, today: date) -> Case:
    where = source.where((n,))
    sender, recipient = raw["from"], raw["to"]
    then = _words(raw.get("then"))
    via = _words(raw.get("via"))
    if via:
        recipient, then = via[0], (*via[1:], raw["to"], *then)
    true: Moment = moment(raw["on"], where) if raw.get("on") else today
    label = label_from(raw.get("object") or {}, sender)
    facts = Facts(
        consents=tuple(_consent(c, where) for c in raw.get("consents") or ()),
        stage=raw.get("stage"),
        stage_since=day(raw.get("stage_since"), where),
        holds=_words(raw["holds"]) if raw.get("holds") is not None else None,
        purpose=raw.get("purpose"),
        from_office=raw.get("from_office"),
        to_office=raw.get("to_office"),
        clearance=raw.get("clearance"),
        need_to_know=raw.get("need_to_know"),
        contractor=raw.get("contractor"),
        personal_data=raw.get("personal_data"),
        handling=raw.get("handling") or "give",
    )
    warn = raw.get("warn")
    return Case(
        key=str(n + 1 if raw.get("id") is None else raw["id"]),
        question=Question(
            sender=sender,
            recipient=recipient,
            label=label,
            true=true,
            known=moment(raw["known_at"], where) if raw.get("known_at") else None,
            then=then,
            direct=raw.get("direct"),
            facts=facts,
            object_id=(raw.get("object") or {}).get("id"),
        ),
        parties=tuple(
            Party(
                p["code"],
                p.get("name"),
                p.get("kind"),
                p.get("under"),
                p.get("office"),
                _words(p.get("clients_of")),
            )
            for p in raw.get("parties") or ()
        ),
        expected=raw.get("expected"),
        because=_words(raw.get("because")),
        warn=warn if warn is None or isinstance(warn, bool) else _words(warn),
        mark_as=tuple((k, str(v)) for k, v in (raw.get("mark_as") or {}).items()),
        obligations=tuple(raw.get("obligations") or ()),
        conditions=_words(raw.get("conditions")),
        missing=raw.get("missing"),
        note=raw.get("note"),
        where=where,
    )


def label_from(raw: dict[str, Any], sender: str) -> Label:
    """Make the label of an object as cases write it; what is left out has the default of the schema."""
    parents = raw.get("derived_from") or ()
    level = raw.get("level")
    return Label(
        orig=raw.get("orig") or sender,
        tlp=raw.get("tlp"),
        level=None if level is None else str(level),
        scheme=raw.get("scheme"),
        kind=raw.get("kind"),
        purpose=raw.get("purpose"),
        compartments=_words(raw.get("compartments")),
        controls=_words(raw.get("controls")),
        rel_to=_words(raw.get("rel_to")),
        derived_from=tuple(
            label_from(p, sender) for p in ([parents] if isinstance(parents, dict) else parents)
        ),
    )


def _consent(raw: dict[str, Any], where: str) -> Consent:
    return Consent(
        by=raw.get("by"),
        to=_words(raw.get("to")),
        since=day(raw.get("from"), where),
        until=day(raw.get("until"), where),
        known=moment(raw["known"], where) if raw.get("known") else None,
        state=raw.get("state") or "given",
        form=raw.get("form") or "written",
        through=_words(raw.get("through")),
        purposes=_words(raw.get("purposes")),
        levels=_words(raw.get("levels")),
        objects=_words(raw.get("objects")),
        asked=day(raw.get("asked"), where),
        note=raw.get("note"),
    )


def run(book: Book, cases: list[Case]) -> list[Ran]:
    """Answer every case and compare."""
    found = []
    for case in cases:
        used = book.with_parties(case.parties) if case.parties else book
        decision = decide(used, case.question)
        found.append(Ran(case, decision, tuple(_compare(case, decision))))
    return found


def _compare(case: Case, decision: Decision) -> list[str]:
    differs: list[str] = []
    if case.expected is not None and decision.outcome != case.expected:
        differs.append(f"expected {case.expected}, got {decision.outcome}")
    reasons = _reasons(decision)
    differs += [f"{ref} did not decide" for ref in case.because if not _named(ref, reasons)]
    texts = [w.text.casefold() for w in decision.warnings]
    if isinstance(case.warn, bool):
        if case.warn != bool(texts):
            differs.append("a warning was expected" if case.warn else f"no warning was expected: {texts}")
    elif case.warn is not None:
        parts = [p.strip().casefold() for text in case.warn for p in text.split(";")]
        differs += [f"no warning says {p!r}" for p in parts if not any(p in t for t in texts)]
    marks = {m.party: m.level for m in decision.marks}
    differs += [
        f"{p} should mark it {lv}, got {marks.get(p)}" for p, lv in case.mark_as if marks.get(p) != lv
    ]
    given = [obligation_dict(o) for o in decision.obligations]
    for wanted in case.obligations:
        if not any(all(g.get(k) == v for k, v in wanted.items()) for g in given):
            differs.append(f"obligation missing: {wanted}")
    conditions = {c.ref for c in decision.conditions} | {c.rule for c in decision.conditions}
    differs += [f"condition missing: {c}" for c in case.conditions if c not in conditions]
    if case.missing is not None:
        text = decision.missing.text if decision.missing is not None else ""
        if case.missing.casefold() not in text.casefold():
            differs.append(f"missing link {case.missing!r} not in {text!r}")
    return differs


def _reasons(decision: Decision) -> set[str]:
    if decision.outcome == DENY:
        return set(decision.because)
    relied = set(decision.because)
    for attempt in decision.attempts:
        if attempt.outcome != DENY:
            relied.update(row.ref for row in attempt.tried if row.result not in {"fails", "note"})
    return relied


def _named(ref: str, reasons: set[str]) -> bool:
    if ref in reasons:
        return True
    return "/" not in ref and any(r.startswith(f"{ref}/") for r in reasons)


def book_of(source: Source, *, readings: bool = True) -> Book | None:
    """Give the book that stands in a cases file itself, if one does."""
    if not isinstance(source.value, dict) or "instruments" not in source.value:
        return None
    check(source, schema("instruments"))
    return build(source, readings=readings)


__all__ = ["Case", "Ran", "book_of", "case_problems", "datetime", "package_book", "read_cases", "run"]
