"""Overlap: what may be done twice, offered to the officer, and what the officer says of it.

Rules:

1. Nothing is merged, and nothing is recorded but a verdict that a person gave with a reason.
2. Whatever is offered, counted or weighed is what the question (`View`) sees in the caller's keeping and
   realm; a score follows from the two statements alone, so one that is not seen moves no figure.
3. A pair with a verdict of the party is not suggested again. `different` holds until a side has changed.
4. Rounds of one series, and a promise and what keeps it, are one line of work: never offered as its overlap.
5. Every answer says whether meaning or words were compared, and how many statements were not yet looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.register import service as register
from secretariat.register import store as statements
from secretariat.register.model import Relation, Row, View, id_of
from secretariat.register.overlap import at_once, meaning, nearest, rules, store
from secretariat.register.overlap.model import (
    COMPARED,
    INDEXED,
    VERDICTS,
    Board,
    Comparison,
    Method,
    Near,
    Pair,
    Profile,
    Suggestion,
    Suggestions,
    Text,
)
from secretariat.register.times import parse

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

FIRST = 5
"""Suggestions given for one statement."""
PAGE = 100
_BATCH = 500
_READ_AT_ONCE = 20
"""Texts the model reads per transaction: under a second."""
_MANY = 500
"""From so many statements without pairs on everything that is compared is read into memory, ..."""
_SHARE = 100
"""... if they are one in so many of it at least: to read it costs as much as the pairs of some hundred."""
_FASTER = 8
"""So many times more pairs a step has time for then."""
_LEVELS = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")

By = Method | None
"""How to compare: None is the model of meaning where it is installed, else words."""


def method(by: By = None) -> Method:
    """Say how texts are compared here. Refuses `meaning` where there is no model."""
    if by == "meaning":
        meaning.required()
    if by is not None:
        return by
    return "words" if meaning.encoder() is None else "meaning"


def _likeness(how: Method) -> Callable[[bytes, bytes], float] | None:
    found = meaning.encoder() if how == "meaning" else None
    return None if found is None else found.likeness


# --- the index ------------------------------------------------------------------------------------------


def profile_of(row: Row) -> Profile:
    """Read out of a statement what is compared."""
    body = row.body
    return rules.profile(
        row.title,
        body.get("summary", ""),
        id=row.id,
        stix_id=row.stix_id,
        kind=row.kind,
        circle=[*row.parties, *body.get("groups", ())],
        orgs=row.orgs,
        series=row.series,
        aim=row.aim,
        level=row.level,
        day=row.true_first,
        exact=row.true_first is not None and row.true_first == row.begun,
        lang=body.get("lang") or None,
    )


class Desk:
    """What a process keeps in memory from step to step while very many statements wait for their pairs."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._field: at_once.Field | None = None

    def pairs(self, tx: sa.Connection, how: Method, *, limit: int) -> int | None:
        """Write pairs out of memory; say of how many statements, or None where too few wait for that."""
        field = self._field
        if field is None:
            wait = store.count_unpaired(tx)
            if wait < _MANY or wait * _SHARE < store.count(tx):
                return None
            field = self._field = store.field(tx, COMPARED, _likeness(how))
        inside = [one for one in store.unpaired(tx, limit=_FASTER * limit) if one in field]
        store.put_pairs(tx, {one: field.pairs(one) for one in inside}, anew=how == "meaning")
        if not inside:
            self._field = None
        return len(inside) or None


def catch_up(
    tx: sa.Connection,
    *,
    limit: int = _BATCH,
    pairs: int | None = None,
    sweep: bool = False,
    by: By = None,
    desk: Desk | None = None,
) -> int:
    """Go on with the index by up to `limit` statements and the pairs of up to `pairs`; say how much was done.

    First what is new is put in, then what a model of meaning has not read is read by it, then pairs are
    written. Zero means that all is done, or that another process is at it. `sweep` looks for gaps, too,
    which is slower. Give the same `desk` to every step that goes on with the last.
    """
    if not store.alone(tx):
        return 0
    how = method(by)
    waiting = store.waiting(tx, limit=limit, sweep=sweep)
    made = [profile_of(one.row) for one in waiting]
    store.put(tx, [(one, item.day, rules.tokens(one)) for one, item in zip(made, waiting, strict=True)])
    done = len(made)
    encoder = meaning.encoder() if how == "meaning" else None
    if encoder is not None:
        older = store.without_vector(tx, limit=min(limit, _READ_AT_ONCE))
        vectors = encoder.vectors([text for _, text, _ in older], [lang for _, _, lang in older])
        store.set_vectors(tx, dict(zip((number for number, _, _ in older), vectors, strict=True)))
        done += len(older)
    if done == 0:
        done = _paired(tx, how, desk, limit=limit if pairs is None else pairs)
    return done


def _paired(tx: sa.Connection, how: Method, desk: Desk | None, *, limit: int) -> int:
    done = None if desk is None or limit == 0 else desk.pairs(tx, how, limit=limit)
    if done is None:
        unpaired = store.unpaired(tx, limit=limit)
        found = _pairs(tx, store.profiles(tx, unpaired).values(), how)
        store.put_pairs(tx, found, anew=how == "meaning")
        done = len(unpaired)
    return done


def _pairs(tx: sa.Connection, made: Iterable[Profile], how: Method) -> dict[int, dict[int, float]]:
    everything = View(day=date.max)
    found: dict[int, dict[int, float]] = {}
    for one in made:
        found[one.id] = {}
        if one.kind not in COMPARED:
            continue
        others = store.candidates(
            tx,
            everything,
            rules.tokens(one),
            around=one.day or date.max,
            kinds=COMPARED,
            but=one.stix_id,
            limit=store.COMPARED_AT_ONCE,
            each=store.EACH,
        )
        scored = ((other.id, rules.compare(one, other, meaning=_likeness(how)).score) for other in others)
        near = sorted(
            (pair for pair in scored if pair[1] >= rules.NEAR), key=lambda pair: (-pair[1], pair[0])
        )
        found[one.id] = dict(near[: store.PAIRS_OF_ONE])
    return found


def rebuild(tx: sa.Connection, *, by: By = None) -> int:
    """Make the index again from the statements; say how many are in it."""
    store.alone(tx, wait=True)  # else what follows the record would keep this from filling what it emptied
    store.clear(tx)
    desk = Desk()
    while catch_up(tx, sweep=True, by=by, desk=desk):
        pass
    return store.count(tx)


def _text(title: str, summary: str) -> str:
    return f"{title}. {summary}"


# --- one statement --------------------------------------------------------------------------------------


def suggestions(
    tx: sa.Connection,
    view: View,
    key: str,
    *,
    party: str | None = None,
    limit: int = FIRST,
    by: By = None,
    aim: bool = True,
    judged: bool = False,
) -> Suggestions:
    """Give what may pursue the same aim as one statement, nearest first, one row per line of work.

    `party`: whose verdicts close a pair (None: anybody's). `judged` offers those too; `aim` False leaves out
    what the records say of their aims (both for measuring). Refuses a key that the question does not see.
    """
    how = method(by)
    of = _seen(tx, view, key)
    own = _with_vector(store.profiles(tx, [of.id]).get(of.id) or profile_of(of), of, how)
    found = store.candidates(
        tx,
        view,
        rules.tokens(own),
        around=own.day or view.day,
        kinds=COMPARED if of.kind in COMPARED else INDEXED,
        but=of.stix_id,
    )
    compared = [(one, rules.compare(own, one, meaning=_likeness(how), aim=aim)) for one in found]
    kept = store.kept(tx, view, [of.stix_id, *(one.stix_id for one in found)], rules.KEEPS)
    said = store.verdicts(tx, view, [of.stix_id], party)
    offered: list[list[tuple[Profile, Comparison]]] = []
    for line in rules.lines(own, compared, kept):
        open_ = [
            pair for pair in line if judged or not _holds(said.get(_pair_of(own, pair[0])), own, pair[0])
        ]
        if open_:
            offered.append(open_)
        if len(offered) == limit:
            break
    rows = store.seen(tx, view, [one.id for line in offered for one, _ in line])
    made = [
        Suggestion(
            row=rows[first.id],
            comparison=comparison,
            rounds=tuple(rows[one.id] for one, _ in rounds),
            judged_before=said.get(_pair_of(own, first)),
        )
        for (first, comparison), *rounds in offered
    ]
    return Suggestions(
        of=of,
        method=how,
        found=tuple(made),
        judged=tuple(_judged(tx, view, how, said.values())),
        looked_at=len(found),
        waiting=store.count_waiting(tx),
    )


def _with_vector(one: Profile, row: Row, how: Method) -> Profile:
    encoder = meaning.encoder() if how == "meaning" else None
    if encoder is None or one.vector is not None:
        return one
    text = _text(row.title, row.body.get("summary", ""))
    return msgspec.structs.replace(one, vector=encoder.vectors([text], [one.lang])[0])


def _pair_of(one: Profile, other: Profile) -> frozenset[str]:
    return frozenset((one.stix_id, other.stix_id))


def _holds(verdict: Row | None, one: Profile, other: Profile) -> bool:
    """Whether a verdict still stands: `different` ends when a side was recorded anew after it."""
    if verdict is None:
        return False
    if verdict.says != "different-aim":
        return True
    return all(side.recorded_at is None or side.recorded_at <= verdict.recorded_at for side in (one, other))


def _seen(tx: sa.Connection, view: View, key: str) -> Row:
    found = [row for row in statements.by_key(tx, key, view) if row.kind in INDEXED]
    if not found:
        raise NotFoundError(f"no statement {key!r} is seen here", where=key)
    return found[0]


# --- a text ---------------------------------------------------------------------------------------------


def near(tx: sa.Connection, view: View, text: Text, *, limit: int = FIRST, by: By = None) -> tuple[Near, ...]:
    """Give the statements that a text may repeat, continue or deny, with the question each raises."""
    how = method(by)
    moment = None if text.true_from is None else parse(text.true_from, where="true_from")
    own = rules.profile(
        text.title,
        text.summary,
        kind=text.kind,
        circle=[*text.parties, *text.groups],
        orgs=text.orgs,
        series=text.series,
        day=None if moment is None else moment.first,
        exact=moment is not None and moment.first == moment.last,
        lang=text.lang,
    )
    encoder = meaning.encoder() if how == "meaning" else None
    if encoder is not None:
        vector = encoder.vectors([_text(text.title, text.summary)], [own.lang])[0]
        own = msgspec.structs.replace(own, vector=vector)
    found = store.candidates(tx, view, rules.tokens(own), around=own.day or view.day, kinds=INDEXED)
    compared = [(one, rules.compare(own, one, meaning=_likeness(how))) for one in found]
    compared.sort(key=lambda pair: (-pair[1].score, pair[0].stix_id))
    rows = store.seen(tx, view, [one.id for one, _ in compared[: limit * 6]])
    offered = [
        nearest.question(text, own, rows[one.id], one, comparison)
        for one, comparison in compared
        if one.id in rows
    ]
    return tuple(sorted((one for one in offered if one is not None), key=nearest.first)[:limit])


# --- the board ------------------------------------------------------------------------------------------


def board(
    tx: sa.Connection, view: View, *, party: str | None = None, limit: int = PAGE, by: By = None
) -> Board:
    """Give the pairs that may be one work done twice, as the question sees them, and those judged.

    Of two lines of work only the nearest pair is a row. `party`: whose verdicts close a pair.
    """
    how = method(by)
    chosen: list[tuple[Profile, Profile, Row | None]] = []
    lines, shown = rules.Lines(), set[frozenset[int]]()
    below: tuple[float, int, int] | None = None
    while len(chosen) <= limit:
        page = store.pairs(tx, view, below=below, limit=limit + limit // 2 + 1)
        if not page:
            break
        below = page[-1]
        profiles = store.profiles(tx, {number for _, low, high in page for number in (low, high)})
        stix_ids = {one.stix_id for one in profiles.values()}
        lines.kept.update(store.kept(tx, view, stix_ids, rules.KEEPS))
        said = store.verdicts(tx, view, stix_ids, party)
        for _, low, high in page:
            left, right = profiles[low], profiles[high]
            verdict = said.get(_pair_of(left, right))
            between = frozenset((lines.of(left), lines.of(right)))
            if len(between) < 2 or between in shown or _holds(verdict, left, right):
                continue
            shown.add(between)
            chosen.append((left, right, verdict))
            if len(chosen) > limit:
                break
    rows = store.seen(tx, view, {one.id for left, right, _ in chosen for one in (left, right)})
    pairs = [_row(rows, left, right, verdict, how) for left, right, verdict in chosen]
    pairs.sort(key=lambda pair: (-pair.comparison.score, pair.one.stix_id, pair.other.stix_id))
    waiting = store.count_waiting(tx)
    return Board(
        method=how,
        pairs=tuple(pairs[:limit]),
        judged=tuple(_judged(tx, view, how, store.every_verdict(tx, view, limit=PAGE))),
        waiting=waiting,
        indexed=store.count(tx) if waiting else 0,
        more=len(pairs) > limit,
    )


def _row(rows: Mapping[int, Row], left: Profile, right: Profile, verdict: Row | None, how: Method) -> Pair:
    one, other = sorted(
        (rows[left.id], rows[right.id]), key=lambda row: (row.true_first or date.max, row.stix_id)
    )
    compared = rules.compare(left, right, meaning=_likeness(how))
    return Pair(one=one, other=other, comparison=compared, verdict=verdict)


def _judged(tx: sa.Connection, view: View, how: Method, found: Collection[Row]) -> Iterable[Pair]:
    rows = store.by_stix(
        tx, view, {ref for one in found for ref in (one.about, one.other) if ref is not None}
    )
    profiles = store.profiles(tx, [row.id for row in rows.values()])
    for verdict in found:
        one, other = rows.get(verdict.about or ""), rows.get(verdict.other or "")
        if one is None or other is None:
            continue  # a side is not seen: then neither is what was said of it
        left, right = (profiles.get(row.id) or profile_of(row) for row in (one, other))
        yield Pair(
            one=one,
            other=other,
            comparison=rules.compare(left, right, meaning=_likeness(how)),
            verdict=verdict,
        )


# --- the verdict ----------------------------------------------------------------------------------------


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict as recorded."""

    stix_id: str
    verdict: str
    one: Row
    other: Row
    comparison: Comparison
    positions: list[int]


def judge(
    node: Node,
    realm: str,
    one: str,
    other: str,
    verdict: str,
    *,
    reason: str,
    by: str,
    now: datetime,
    view: View | None = None,
    tlp: str | None = None,
) -> Judged:
    """Record what an officer says of two statements, as a STIX relationship of this party with the reason.

    It is a statement as any other: a draft in `own` until released, kept in versions, open to a countersign.
    It is marked at least as strictly as the stricter side. Saying it again, or another thing later, is kept
    beside the older; the newest counts. Refuses without a reason, for one statement, for what is not seen,
    and a marking below that of a side.
    """
    relation = VERDICTS.get(verdict)
    if relation is None:
        raise InputError(
            f"{verdict!r} is no verdict", where="verdict", advice=f"one of {', '.join(VERDICTS)}"
        )
    if not reason.strip():
        raise InputError("no reason", where="reason", advice="say in a sentence why")
    question = view or View(day=now.date())
    with node.database.app(realm) as tx:
        left, right = _seen(tx, question, one), _seen(tx, question, other)
        if left.stix_id == right.stix_id:
            raise ConflictError("both are the same statement", where=other, advice="name two statements")
        profiles = store.profiles(tx, [left.id, right.id])
        compared = rules.compare(
            *(profiles.get(row.id) or profile_of(row) for row in (left, right)), meaning=_likeness(method())
        )
        if relation in {"same-aim", "different-aim"} and right.stix_id < left.stix_id:
            left, right = right, left  # said of both alike: A and B is B and A
        draft = Relation(
            source_ref=left.stix_id,
            target_ref=right.stix_id,
            relationship_type=relation,
            description=reason.strip(),
        )
        before = statements.versions(tx, id_of(draft, node.party))
    marking = _marking(tlp, left, right)
    if before:
        amended = register.amend(node, realm, draft, seen_version=before[0].id, by=by, now=now, tlp=marking)
        stix, positions = amended.stix_id, [amended.position]
    else:
        recorded = register.record(node, realm, [draft], by=by, now=now, tlp=marking)
        stix, positions = recorded.stix_ids[0], recorded.positions
    return Judged(
        stix_id=stix, verdict=relation, one=left, other=right, comparison=compared, positions=positions
    )


def _marking(tlp: str | None, one: Row, other: Row) -> str | None:
    """Give the marking of a verdict: what was asked, when no side is stricter; else the stricter side's."""
    strictest = max((row.tlp for row in (one, other) if row.tlp in _LEVELS), key=_LEVELS.index, default=None)
    if tlp is None or strictest is None:
        return tlp or strictest
    if tlp in _LEVELS and _LEVELS.index(tlp) < _LEVELS.index(strictest):
        raise InputError(
            f"{tlp} is below {strictest}, the marking of a side",
            where="tlp",
            advice=f"mark the verdict {strictest} or stricter",
        )
    return tlp
