"""One statement for people: how it stands and why, each party's account, its words in their text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.errors import InputError, NotFoundError
from secretariat.ledger import joint_pages
from secretariat.people.model import Permission
from secretariat.register import belonging, questions, same_words, sources, store
from secretariat.register.beside import also_of, members
from secretariat.register.board_pages import marks_words, sum_words
from secretariat.register.model import KINDS, Row
from secretariat.register.requests import store as requests
from secretariat.register.requests.pages import row_of as request_row
from secretariat.register.screens import address_of, line_of, markings_of, sections, view_of
from secretariat.register.wording import (
    CADENCE_WORDS,
    KIND_WORDS,
    LEVEL_WORDS,
    POSITION_WORDS,
    RELATION_WORDS,
    SAYS_WORDS,
    SOURCE_WORDS,
    STATUS_WORDS,
    act_word,
    state_word,
    word_of,
)
from secretariat.web.routing import page, see
from secretariat.web.screen import Screen, screen_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from secretariat.register.model import View

AROUND = 160
"""Letters of the captured text shown before and after a span."""
SECTION_OF = {
    "meeting": "meetings",
    "exercise": "meetings",
    "instrument": "instruments",
    "status-change": "instruments",
    "commitment": "commitments",
    "project": "projects",
}


@page("/register/statements/{key:str}", Permission.READ_REGISTER)
def statement_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show one statement: how it stands, evidence, accounts side by side, spans in their text, versions."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        answer = questions.status(tx, key, view)
        row = answer.row
        if row is None:
            return _unknown(screen, key)
        if row.type == "sct-source":
            return see(screen.href(f"/register/sources/{row.key}"))
        about = _about(tx, row, view)
        versions = versions_of(tx, row, view)
        asked = requests.about(tx, view, screen.party, [row, *answer.others])
        sentences = same_words.sentences(tx, view, row.stix_id)
        joint = joint_pages.about(tx, row.stix_id, screen.bar.as_of)
        spans = _spans(tx, answer)
        before, after = neighbours(tx, row, view)
        ends = {ref for one in answer.relations for ref in (one.about, one.other) if ref}
        ends |= set(row.body.get("papers", ()))
        known = {one.stix_id: one for one in store.statements(tx, view, ids=sorted(ends))} if ends else {}
    standing = answer.standing
    shown = [row, *answer.accounts, *answer.acts, *answer.others, *answer.relations, *known.values()]
    shown += [one.request for one in asked]
    shown += [other for one in sentences for other, _cite in one.lines]
    return screen.answer(
        "register/statement.html",
        [],
        markings=markings_of(one for one in shown if one.type != "sct-source"),
        section=SECTION_OF.get(row.kind, "timeline"),
        sections=sections(),
        answer=answer,
        row=row,
        about=about,
        line=line_of(row, view),
        versions=changes(versions),
        known=known,
        spans=spans,
        sentences=sentences,
        joint=joint,
        may_sign=screen.acts and row.originator == screen.party and screen.may(Permission.APPROVE_RELEASE),
        asked=[request_row(one, screen.party) for one in asked],
        others=also_of(row, answer.others),
        before=before,
        after=after,
        columns=accounts_by_party(row, answer.accounts),
        sums=[
            sum_words(one.sum)
            for one in (standing and standing.overdue, standing and standing.lagging)
            if one
        ],
        marks=marks_words(standing.marks) if standing is not None else [],
        digest="-".join(str(one.id) for one in shown),
        may_edit=screen.acts and screen.may(Permission.EDIT_REGISTER) and row.originator == screen.party,
        address=address_of,
        kind_word=word_of(KIND_WORDS, row.kind),
        state_word=state_word(row.kind, answer.state),
        says_word=lambda one: word_of(SAYS_WORDS, one),
        position_word=lambda one: word_of(POSITION_WORDS, one),
        status_word=lambda one: word_of(STATUS_WORDS, one),
        relation_word=lambda one: word_of(RELATION_WORDS, one),
        level_word=lambda one: word_of(LEVEL_WORDS, one),
        rhythm_word=lambda one: word_of(CADENCE_WORDS, one),
        act_word=act_word,
        source_word=lambda one: word_of(SOURCE_WORDS, one),
    )


@page("/register/statements/{key:str}/versions", Permission.READ_REGISTER)
def versions_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show two versions of a statement side by side; by default the two newest."""
    screen = screen_of(request)
    view = view_of(screen)
    with screen.transaction() as tx:
        found = store.by_key(tx, key, view)
        if not found:
            gone = [] if "--" not in key else store.versions(tx, key)
            if not gone:
                return _unknown(screen, key)
            found = gone[:1]
        row = found[0]
        versions = versions_of(tx, row, view)
    one, other = _picked(screen, "a", versions, 1), _picked(screen, "b", versions, 0)
    return screen.answer(
        "register/versions.html",
        [],
        markings=markings_of(versions),
        section=SECTION_OF.get(row.kind, "timeline"),
        sections=sections(),
        row=row,
        versions=versions,
        one=one,
        other=other,
        rows=members(one, other),
        told=screen.query.get("told") == "1",
        address=address_of,
        kind_word=word_of(KIND_WORDS, row.kind),
    )


def _picked(screen: Screen, name: str, versions: Sequence[Row], default: int) -> Row:
    text = screen.query.get(name, "")
    if not text:
        return versions[min(default, len(versions) - 1)]
    found = next((one for one in versions if str(one.id) == text), None)
    if found is None:
        raise InputError(
            f"this statement has no version {text[:20]!r}", where=name, advice="choose one of the list"
        )
    return found


def _unknown(screen: Screen, key: str) -> Response[Any]:
    if screen.bar.is_now:
        raise NotFoundError(f"no statement {key[:80]!r} stands here")
    return screen.answer(
        "register/unknown.html", [], status=404, key=key, section="timeline", sections=sections()
    )


def versions_of(tx: sa.Connection, row: Row, view: View) -> list[Row]:
    """Give the versions that were recorded by the time asked about, newest first."""
    return [
        one
        for one in store.versions(tx, row.stix_id)
        if (view.recorded_by is None or one.recorded_at <= view.recorded_by)
        and (view.position is None or (one.position or 0) <= view.position)
        and (not view.clear or one.tlp == "CLEAR")
    ]


def changes(versions: Sequence[Row]) -> list[dict[str, Any]]:
    """Give each version with the fields in which it differs from the one before it."""
    found = []
    for place, one in enumerate(versions):
        older = versions[place + 1] if place + 1 < len(versions) else None
        rows = [] if older is None else [line for line in members(older, one) if line["differs"]]
        found.append({"row": one, "older": older, "fields": rows})
    return found


def _about(tx: sa.Connection, row: Row, view: View) -> list[Row]:
    """Give what evidence, an account, an absence or an act is about, and what evidence rests on."""
    refs = [ref for ref in (row.about, row.other) if ref]
    if belonging.is_loose(row):
        every = store.statements(tx, view, types=["sct-instrument"], true=True)
        refs += belonging.belonging(tx, view, [row], every).values()
    return store.statements(tx, view, ids=refs) if refs else []


def accounts_by_party(row: Row, accounts: Sequence[Row]) -> list[dict[str, Any]]:
    """Put the accounts in columns: a party each, in the statement's order, then what sources say.

    A party's column holds what it says itself, and what is attributed to it (`KR foreign ministry`); where it
    gave none itself, the column says so.
    """
    left = list(accounts)
    columns: list[dict[str, Any]] = []
    for code in sorted(row.parties) if len(row.parties) <= 12 else ():
        of_party = [one for one in left if _speaker(one) == code or _speaker(one).startswith(f"{code} ")]
        left = [one for one in left if one not in of_party]
        own = any(_speaker(one) == code for one in of_party)
        columns.append({"who": code, "party": True, "own": own, "accounts": of_party})
    speakers = list(dict.fromkeys(_speaker(one) for one in left))
    columns += [
        {"who": who, "party": False, "own": True, "accounts": [one for one in left if _speaker(one) == who]}
        for who in speakers
    ]
    return columns


def _speaker(one: Row) -> str:
    return str(one.body.get("said_by") or "")


def neighbours(tx: sa.Connection, row: Row, view: View) -> tuple[Row | None, Row | None]:
    """Give the fact before and the one after it, by day of truth; an undated one has none."""
    if row.true_first is None or row.kind not in KINDS:
        return None, None
    bound = {**view.bound(), "on": row.true_first, "id": row.id, "kinds": list(KINDS)}
    text = (
        f"SELECT {store.COLUMNS} FROM {store.live(view, announced=True)} AND s.kind = ANY(%(kinds)s)"
        " AND (s.true_first, s.id) {} (%(on)s, %(id)s) ORDER BY s.true_first {}, s.id {} LIMIT 1"
    )
    before = store.rows(tx, text.format("<", "DESC", "DESC"), bound)
    after = store.rows(tx, text.format(">", "ASC", "ASC"), bound)
    return (before[0] if before else None), (after[0] if after else None)


def _spans(tx: sa.Connection, answer: questions.Answer) -> list[dict[str, Any]]:
    """Give each cited source once, with all words cited from it in the captured text, where that is here."""
    texts = sources.texts_of(tx, {one.source.stix_id for one in answer.sources})
    found: dict[str, dict[str, Any]] = {}
    for one in answer.sources:
        text = texts.get(one.source.stix_id)
        entry = found.setdefault(
            one.source.stix_id, {"source": one.source, "captured": text is not None, "quotes": [], "by": []}
        )
        if one.by not in entry["by"]:
            entry["by"].append(one.by)
        if one.quote is None or any(one.quote == other["words"] for other in entry["quotes"]):
            continue
        before = after = ""
        start = one.start
        if text is not None:
            start = text.find(one.quote) if start is None else start
            if start >= 0 and text[start : start + len(one.quote)] == one.quote:
                before = text[max(0, start - AROUND) : start]
                after = text[start + len(one.quote) : start + len(one.quote) + AROUND]
        end = None if start is None else start + len(one.quote)
        entry["quotes"].append(
            {
                "words": one.quote,
                "start": start,
                "end": end,
                "before": before,
                "after": after,
                "found": bool(before or after),
            }
        )
    return list(found.values())


routes = [statement_page, versions_page]
