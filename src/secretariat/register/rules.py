"""What may be recorded: the checks of one statement, and of statements among each other.

Refused, each with the place and what to do: a date that cannot be; an end before its beginning; due before
promised; a party nobody knows; a quotation of more than 50 words or with offsets that are none; evidence
before its commitment; a reference to nothing; a supersession that comes round to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from zoneinfo import available_timezones

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.records.register_shapes import QUOTE_WORDS
from secretariat.register.model import (
    RELATIONS,
    Commitment,
    Contact,
    Draft,
    Evidence,
    Instrument,
    InstrumentStatus,
    Project,
    Projected,
    Relation,
    Request,
    Source,
    Statement,
)
from secretariat.register.times import parse
from secretariat.register.words import quoted_words

ROUNDS = 10_000
LISTED = 1_000


def check(draft: Draft, parties: AbstractSet[str], *, where: str = "") -> None:
    """Refuse a draft that contradicts itself or names a party nobody knows."""
    if isinstance(draft, Relation):
        _relation(draft, where)
        return
    at = where or draft.key
    _plain(draft, at)
    begins = None if draft.true_from is None else parse(draft.true_from, where=f"{at}/true_from")
    if draft.true_to is not None:
        ends = parse(draft.true_to, where=f"{at}/true_to")
        if begins is None or ends.last < begins.first:
            raise InputError(
                f"it ends {draft.true_to}, before it begins ({draft.true_from})",
                where=f"{at}/true_to",
                advice="correct one of the two dates",
            )
    for name in ("announced", "known_public"):
        text = getattr(draft, name)
        if text is not None:
            parse(text, where=f"{at}/{name}")
    if not isinstance(draft, Source):
        _parties(draft, parties, at)
    _cites(draft, at)
    if isinstance(draft, Instrument) and not draft.parties:
        raise InputError(
            "an instrument without parties", where=f"{at}/parties", advice="name whom it is between"
        )
    match draft:
        case Commitment(due=str() as text):
            due = parse(text, where=f"{at}/due")
            if begins is not None and due.last < begins.first:
                raise InputError(
                    f"due {text}, before it was promised ({draft.true_from})",
                    where=f"{at}/due",
                    advice="correct the day of the promise or the day it is due",
                )
        case InstrumentStatus(effect_on=str() as text):
            parse(text, where=f"{at}/effect_on")
        case Request():
            _request(draft, at)
        case Contact(tested_on=str() as text):
            parse(text, where=f"{at}/tested_on")
        case Project():
            for number, one in enumerate(draft.milestones):
                for text in (one.due, one.done):
                    if text is not None:
                        parse(text, where=f"{at}/milestones/{number}")
        case _:
            pass


def _plain(draft: Statement, at: str) -> None:
    """Refuse what no table and no page can show: NUL, rounds and lists beyond measure, an unknown zone."""
    if b"\\u0000" in msgspec.json.encode(draft):
        raise InputError("it has a NUL character", where=at, advice="take the character out")
    if draft.round is not None and draft.round > ROUNDS:
        raise InputError(f"round {draft.round}", where=f"{at}/round", advice=f"at most {ROUNDS}")
    for name in ("parties", "groups", "orgs", "target", "cites"):
        if len(getattr(draft, name)) > LISTED:
            raise InputError(
                f"{len(getattr(draft, name))} entries", where=f"{at}/{name}", advice=f"at most {LISTED}"
            )
    if draft.zone is not None and draft.zone not in _zones():
        raise InputError(
            f"no such zone: {draft.zone[:60]!r}", where=f"{at}/zone", advice="write Asia/Seoul or UTC"
        )


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _request(draft: Request, at: str) -> None:
    """A request says what it asks, an answer to what it answers and what; nobody asks itself."""
    if draft.answer_by is not None:
        parse(draft.answer_by, where=f"{at}/answer_by")
    if draft.asked_by == draft.asked_of:
        raise InputError("asked of oneself", where=f"{at}/asked_of", advice="name another party")
    if (draft.answers_ref is None) != (draft.answer is None):
        raise InputError(
            "an answer names the request and says what it answers",
            where=f"{at}/answer",
            advice="give answers_ref and answer, or neither",
        )
    if draft.answer is None and not (draft.asks or "").strip():
        raise InputError("it asks nothing", where=f"{at}/asks", advice="say what is asked")
    if draft.answer == "declined" and not (draft.reply or "").strip():
        raise InputError("declined without a reason", where=f"{at}/reply", advice="say why")
    if (draft.answer == "passed-on") != (draft.passed_to is not None):
        raise InputError(
            "who passes on says to whom, and nobody else does", where=f"{at}/passed_to", advice="name a party"
        )


def _parties(draft: Statement, parties: AbstractSet[str], at: str) -> None:
    for name in ("parties", "target"):
        for code in getattr(draft, name):
            if code not in parties:
                raise _unknown(code, f"{at}/{name}")
    named = {*draft.parties, *draft.orgs, *draft.groups}
    if isinstance(draft, Commitment):
        for code in draft.owed_by:
            if code not in named and code not in parties:
                raise _unknown(code, f"{at}/owed_by")
    if isinstance(draft, InstrumentStatus) and draft.party is not None and draft.party not in parties:
        raise _unknown(draft.party, f"{at}/party")


def _unknown(code: str, where: str) -> InputError:
    return InputError(
        f"{code!r} is no party known here",
        where=where,
        advice="a party stands under its code (KR, JP, EU …); name an organisation under orgs, a group under"
        " groups, or record the party first",
    )


def _cites(draft: Statement, at: str) -> None:
    for number, one in enumerate(draft.cites):
        place = f"{at}/cites/{number}"
        if one.quote is not None and quoted_words(one.quote) > QUOTE_WORDS:
            raise InputError(
                f"a quotation of {quoted_words(one.quote)} words",
                where=f"{place}/quote",
                advice=f"at most {QUOTE_WORDS} words of another's text may travel: shorten it",
            )
        if (one.start is None) != (one.end is None) or (
            one.start is not None and one.end is not None and one.end <= one.start
        ):
            raise InputError(
                f"a span from {one.start} to {one.end}", where=place, advice="give start and end, or neither"
            )


def _relation(draft: Relation, where: str) -> None:
    if draft.relationship_type not in RELATIONS:
        raise InputError(
            f"no such relation: {draft.relationship_type!r}",
            where=where or "relationship_type",
            advice="one of " + ", ".join(RELATIONS),
        )
    if draft.source_ref == draft.target_ref:
        raise InputError(
            "a statement related to itself", where=where or "target_ref", advice="name two statements"
        )


def check_spans(draft: Statement, texts: Mapping[str, str], *, where: str = "") -> None:
    """Refuse a quotation that does not stand at its offsets in the text of its source, where that is here."""
    at = where or draft.key
    for number, one in enumerate(draft.cites):
        text = texts.get(one.source_ref)
        if text is None or one.quote is None:
            continue
        found = text.find(one.quote) if one.start is None else one.start
        if found < 0 or text[found : found + len(one.quote)] != one.quote:
            raise InputError(
                f"these words do not stand in the source: {one.quote[:60]!r}",
                where=f"{at}/cites/{number}",
                advice="copy the words as they stand there, on one line",
            )


def check_references(
    drafts: Iterable[tuple[str, Draft, Projected]], there: Mapping[str, Projected], wanted: AbstractSet[str]
) -> None:
    """Refuse references to nothing, and evidence that is older than its commitment.

    `there` are the statements that are recorded or come in the same batch, `wanted` those that must be.
    """
    for where, draft, columns in drafts:
        for ref in (columns.about, columns.other):
            if ref is not None and ref in wanted and ref not in there:
                raise NotFoundError(
                    f"it refers to {ref}, which is not recorded here",
                    where=where,
                    advice="record that first, or in the same batch",
                )
        if columns.about is not None and columns.about in {columns.stix_id, columns.other}:
            raise InputError("it rests on itself", where=where, advice="name another statement")
        if isinstance(draft, Evidence):
            promise = there.get(draft.for_ref)
            if promise is not None and promise.type not in {"sct-commitment", "sct-project"}:
                raise InputError(
                    f"evidence for a {promise.kind}, which promises nothing",
                    where=where,
                    advice="name a commitment or a project",
                )
            if (
                promise is not None
                and promise.true_first is not None
                and columns.true_last is not None
                and columns.true_last < promise.true_first
            ):
                raise InputError(
                    f"evidence of {draft.true_from} for what was promised only on {promise.true_first}",
                    where=where,
                    advice="correct one of the dates, or name another commitment",
                )


def check_supersession(edges: Iterable[tuple[str, str]]) -> None:
    """Refuse relations `newer supersedes older` in which something supersedes itself in the end."""
    below: dict[str, list[str]] = {}
    for newer, older in edges:
        below.setdefault(newer, []).append(older)
    done: set[str] = set()
    for start in list(below):
        path: dict[str, None] = {}
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            one, turn = stack.pop()
            if turn == 0:
                if one in path:
                    circle = [*list(path)[list(path).index(one) :], one]
                    raise ConflictError(
                        "each of these supersedes the next, and the last the first: " + " > ".join(circle),
                        where="relationship",
                        advice="take one of these relations back",
                    )
                if one in done:
                    continue
                path[one] = None
            following = below.get(one, ())
            if turn < len(following):
                stack += [(one, turn + 1), (following[turn], 0)]
            else:
                path.pop(one, None)
                done.add(one)
