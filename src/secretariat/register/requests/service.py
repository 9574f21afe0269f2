"""The verbs of a request: ask, answer, decline, pass on, withdraw, put on an agenda. Recorded, then released.

Rules:

1. Every step is a statement of its own party. Recording it is one act, letting it out another: it is proposed
   to the one party it is for, and goes at once only under a standing release for that party alone, or where
   the person who does it may decide releases (agreements/workflow.py holds every rule about that).
2. With a request goes what it is about, where that is this party's own statement: nobody can answer about a
   promise that it does not hold. What others stated is named by id and key, never sent along.
3. Passing on sends nothing of the asker's words: who passes on asks the third party in words of its own.
4. An answer may say how the promise stands: that is evidence of the answering party, resting on the answer.
   Evidence that an earlier version of the answer gave and the newer one does not is taken back with it: a
   version that says so goes to the asker, and nothing is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from secretariat.agreements import grants, workflow
from secretariat.agreements import release as releasing
from secretariat.agreements import service as agreements
from secretariat.agreements.model import MAY
from secretariat.base.errors import ConflictError, DeniedError, InputError, NotFoundError, StateError
from secretariat.records import store as records
from secretariat.records.register_shapes import Answer, Says
from secretariat.register import service as register
from secretariat.register import store as statements
from secretariat.register.model import Evidence, Meeting, Request, Row, View, stix_id, to_draft
from secretariat.register.requests import store
from secretariat.register.requests.about import About, about_of
from secretariat.register.requests.rules import WANTS
from secretariat.register.times import day_of, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.ledger.node import Node
    from secretariat.register.requests.rules import Thread

ANSWERS: tuple[str, ...] = get_args(Answer)
SAYS: tuple[str, ...] = get_args(Says)
PURPOSE = "register"
TITLE_MAX = 400


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a step did: the statement, its number, and whether it is on its way."""

    stix_id: str
    number: str
    state: Literal["sent", "proposed", "refused", "draft"]
    """refused: no agreement lets it go to that party; draft: nobody was to be told."""
    release: str | None = None
    """The release that waits for a decision, or was decided."""
    article: str | None = None
    """By which article it goes, or what is missing."""
    also: list[str] = []
    """Ids of what goes with it."""
    kept: list[str] = []
    """Ids of what should go with it and no agreement lets go."""


# --- the steps ------------------------------------------------------------------------------------------


def ask(
    node: Node,
    realm: str,
    *,
    of: str,
    about: Sequence[str] = (),
    asks: str,
    title: str = "",
    wants: str = "answer",
    answer_by: str = "",
    lang: str = "en",
    tlp: str | None = None,
    purpose: str | None = None,
    carries: str | None = None,
    by: str,
    now: datetime,
    decide: bool = False,
) -> Done:
    """Ask a partner: number it, record it, and bring it on its way (rules 1 and 2).

    `decide`: the person may say DO. Refuses an unknown partner, a day that has passed, and empty words.
    """
    if wants not in WANTS:
        raise InputError(f"{wants!r} is no kind of request", where="wants", advice=", ".join(WANTS))
    if not asks.strip():
        raise InputError("it asks nothing", where="asks", advice="say what is asked")
    zone = node.settings.zone
    today = day_of(now, zone)
    if answer_by.strip() and parse(answer_by.strip(), where="answer_by").last < today:
        raise InputError(
            f"{answer_by} has passed", where="answer_by", advice="name a day from today on, or none"
        )
    with node.database.app(realm) as tx:
        _refuse_no_partner(tx, of, node.party)
        view = View(day=today)
        found = about_of(tx, about, view, node.party)
        number = store.give_number(tx, node.party, today.year, now)
        draft = Request(
            key=number,
            kind="request",
            title=(title.strip() or _title(found, asks))[:TITLE_MAX],
            true_from=today.isoformat(),
            zone=zone,
            parties=(node.party, of),
            asked_by=node.party,
            asked_of=of,
            wants=wants,  # type: ignore[arg-type]
            asks=asks.strip(),
            about_refs=tuple(one.stix_id for one in found),
            about_keys=tuple(one.key for one in found),
            answer_by=answer_by.strip() or None,
            number=number,
            carries_ref=carries,
            lang=lang,
        )
        register.record_in(tx, node, realm, [draft], by=by, now=now, tlp=tlp)
    stix = stix_id("sct-request", node.party, number)
    ours = [one.stix_id for one in found if one.row is not None and one.originator == node.party]
    return _let_out(
        node,
        realm,
        [stix, *ours],
        number,
        to=of,
        title=draft.title,
        purpose=purpose,
        by=by,
        now=now,
        decide=decide,
    )


def answer(
    node: Node,
    realm: str,
    name: str,
    *,
    says: str = "answered",
    reply: str = "",
    passed_to: str = "",
    promise_is: str = "",
    on: str = "",
    lang: str = "en",
    tlp: str | None = None,
    purpose: str | None = None,
    by: str,
    now: datetime,
    decide: bool = False,
) -> Done:
    """Answer a request to this party, or change the answer: answered, declined, passed on, or only received.

    `promise_is` (done, late, partly, progress, slipped, none) also records evidence for the commitment that
    it is about, true on the day `on`. Refuses a request that is unknown here, not to us, or withdrawn.
    """
    if says not in ANSWERS:
        raise InputError(f"{says!r} is no answer", where="answer", advice=", ".join(ANSWERS))
    if says == "answered" and not reply.strip():
        raise InputError("an answer without words", where="reply", advice="write the answer")
    if promise_is and promise_is not in SAYS:
        raise InputError(f"{promise_is!r} is no evidence", where="promise_is", advice=", ".join(SAYS))
    zone = node.settings.zone
    today = day_of(now, zone)
    with node.database.app(realm) as tx:
        found = _to_us(tx, node, name, now)
        if says == "passed-on":
            _refuse_no_party(passed_to, node.party)
        asked = found.request
        number = store.give_number(tx, node.party, today.year, now, to=asked.stix_id)
        draft = Request(
            key=number,
            kind="request",
            title=asked.title,
            true_from=today.isoformat(),
            zone=zone,
            parties=tuple(asked.parties),
            asked_by=found.asked_by,
            asked_of=found.asked_of,
            about_refs=tuple(asked.body.get("about_refs", ())),
            about_keys=tuple(asked.body.get("about_keys", ())),
            number=found.number,
            their_number=number,
            answers_ref=asked.stix_id,
            answer=says,  # type: ignore[arg-type]
            reply=reply.strip() or None,
            passed_to=passed_to or None,
            lang=lang,
        )
        drafts: list[Request | Evidence] = [draft]
        if promise_is:
            drafts.append(_evidence(tx, node, found, draft, promise_is, on.strip() or today.isoformat(), now))
        register.record_in(tx, node, realm, drafts, by=by, now=now, tlp=tlp, replace=True)
        ids = [stix_id("sct-request", node.party, number)]
        ids += [stix_id("sct-evidence", node.party, one.key) for one in drafts if isinstance(one, Evidence)]
        ids += _superseded(tx, node, realm, ids, to=found.asked_by, number=number, by=by, now=now)
    return _let_out(
        node,
        realm,
        ids,
        number,
        to=found.asked_by,
        title=draft.title,
        purpose=purpose,
        by=by,
        now=now,
        decide=decide,
    )


def pass_on(
    node: Node,
    realm: str,
    name: str,
    *,
    to: str,
    asks: str = "",
    reply: str = "",
    answer_by: str = "",
    lang: str = "en",
    tlp: str | None = None,
    by: str,
    now: datetime,
    decide: bool = False,
) -> list[Done]:
    """Tell the asker that the request goes to another; with `asks`, ask that party in words of our own."""
    told = answer(
        node,
        realm,
        name,
        says="passed-on",
        reply=reply,
        passed_to=to,
        lang=lang,
        tlp=tlp,
        by=by,
        now=now,
        decide=decide,
    )
    if not asks.strip():
        return [told]
    with node.database.app(realm) as tx:
        found = _to_us(tx, node, name, now)
    asked = ask(
        node,
        realm,
        of=to,
        asks=asks,
        title=found.request.title,
        answer_by=answer_by,
        lang=lang,
        tlp=tlp,
        carries=found.request.stix_id,
        by=by,
        now=now,
        decide=decide,
    )
    return [told, asked]


def withdraw(
    node: Node, realm: str, name: str, *, reason: str, by: str, now: datetime, decide: bool = False
) -> Done:
    """Take a request of ours back, with the reason; who has it is told by the version that says so."""
    with node.database.app(realm) as tx:
        found = store.thread(tx, _now(node, now), node.party, name)
        if found is None or found.asked_by != node.party:
            raise NotFoundError(f"no request {name[:80]!r} of ours", where=name[:80])
        if found.state == "withdrawn":
            raise StateError("it is withdrawn already", where=found.number)
    register.retract(node, realm, found.request.stix_id, reason=reason, by=by, now=now)
    if not found.sent:
        return Done(stix_id=found.request.stix_id, number=found.number, state="draft")
    return _let_out(
        node,
        realm,
        [found.request.stix_id],
        found.number,
        to=found.asked_of,
        title=found.request.title,
        purpose=None,
        by=by,
        now=now,
        decide=decide,
    )


def put_on_agenda(
    node: Node, realm: str, meeting: str, about: str, *, item: str = "", by: str, now: datetime
) -> register.Amended:
    """Add an item to the announced agenda of a meeting of ours that is still to come.

    Refuses what another stated (ask for it: a request of the kind `agenda`) and a meeting that was held.
    """
    view = _now(node, now)
    with node.database.app(realm) as tx:
        rows = statements.by_key(tx, meeting, view)
        row = next((one for one in rows if one.originator == node.party), None)
        if row is None:
            raise NotFoundError(
                f"no meeting {meeting[:80]!r} of ours", where="meeting", advice="ask its host for the item"
            )
        draft = to_draft(row.body)
        if not isinstance(draft, Meeting) or row.state(view) not in {"planned", "announced", "possible"}:
            raise ConflictError("that meeting is not still to come", where=meeting[:80])
        (found,) = about_of(tx, [about], view, node.party)
        text = (item.strip() or f"{found.title} ({found.key})")[:TITLE_MAX]
        if text in draft.agenda:
            raise ConflictError("it is on that agenda already", where=meeting[:80])
        seen = row.id
    changed = msgspec.structs.replace(draft, agenda=(*draft.agenda, text))
    return register.amend(node, realm, changed, seen_version=seen, by=by, now=now)


def meetings_to_come(tx: sa.Connection, view: View, parties: Sequence[str]) -> list[Row]:
    """Give the meetings still to come of at least one of these parties, the next first."""
    found = statements.statements(tx, view, kinds=["meeting"], first=view.day, announced=True, limit=200)
    wanted = set(parties)
    return [
        one
        for one in found
        if (not wanted or wanted & {*one.parties, *one.orgs}) and one.state(view) in {"planned", "announced"}
    ]


def release_again(node: Node, realm: str, name: str, *, by: str, now: datetime, decide: bool = False) -> Done:
    """Propose what was recorded and not let out: a request of ours, or our answer."""
    with node.database.app(realm) as tx:
        found = store.thread(tx, _now(node, now), node.party, name)
    if found is None:
        raise NotFoundError(f"no request {name[:80]!r}", where=name[:80])
    if found.asked_by == node.party:
        ids, to = [found.request.stix_id], found.asked_of
    else:
        ids, to = [one.stix_id for one in found.drafts], found.asked_by
    if not ids:
        raise StateError("nothing of it waits to be released", where=found.number)
    return _let_out(
        node,
        realm,
        ids,
        found.number,
        to=to,
        title=found.request.title,
        purpose=None,
        by=by,
        now=now,
        decide=decide,
    )


# --- what these share -----------------------------------------------------------------------------------


def _now(node: Node, now: datetime) -> View:
    return View(day=day_of(now, node.settings.zone), zone=node.settings.zone)


def _title(about: Sequence[About], asks: str) -> str:
    return about[0].title if about else asks.strip().splitlines()[0]


def _refuse_no_partner(tx: sa.Connection, code: str, own: str) -> None:
    partners = sorted(one.code for one in grants.parties(tx, partners_only=True))
    if code == own or code not in partners:
        raise InputError(
            f"{code[:40]!r} is no partner of this node",
            where="of",
            advice=", ".join(partners) or "enrol a partner first",
        )


def _refuse_no_party(code: str, own: str) -> None:
    if not code or code == own or len(code) > 80:
        raise InputError("passed on to nobody", where="passed_to", advice="name the party or office")


def _to_us(tx: sa.Connection, node: Node, name: str, now: datetime) -> Thread:
    found = store.thread(tx, _now(node, now), node.party, name)
    if found is None:
        raise NotFoundError(f"no request {name[:80]!r} is here", where=name[:80])
    if found.asked_of != node.party:
        raise ConflictError(f"{found.number} is not asked of us", where=found.number)
    if found.state == "withdrawn":
        raise StateError(f"{found.asked_by} has withdrawn it", where=found.number)
    return found


def _evidence(
    tx: sa.Connection, node: Node, thread: Thread, draft: Request, says: str, on: str, now: datetime
) -> Evidence:
    """Make the evidence that an answer carries, for the first commitment or project that it is about."""
    view = _now(node, now)
    body = thread.request.body
    names = [*body.get("about_refs", ()), *body.get("about_keys", ())]
    for name in names:
        row = next(
            (
                one
                for one in statements.by_key(tx, name, view)
                if one.type in {"sct-commitment", "sct-project"}
            ),
            None,
        )
        if row is not None:
            return Evidence(
                key=_key_of(tx, node.party, f"{draft.key}-evidence"),
                kind="evidence",
                title=draft.title,
                true_from=on,
                zone=draft.zone,
                parties=(node.party,),
                for_ref=row.stix_id,
                says=says,  # type: ignore[arg-type]
                from_ref=stix_id("sct-request", node.party, draft.key),
                lang=draft.lang,
            )
    raise InputError(
        "it is about no commitment that is here", where="promise_is", advice="answer without evidence"
    )


def _superseded(
    tx: sa.Connection,
    node: Node,
    realm: str,
    ids: Sequence[str],
    *,
    to: str,
    number: str,
    by: str,
    now: datetime,
) -> list[str]:
    """Take back the evidence that an earlier version of an answer gave and this one does not (rule 4).

    Gives the ids of what the asker holds of it, so that it is told.
    """
    over = [
        one.stix_id
        for one in register.resting_on(tx, ids[0])
        if one.originator == node.party and one.stix_id not in ids
    ]
    for one in over:
        reason = f"superseded: the answer {number}, which gave it, was changed"
        register.retract_in(tx, node, realm, one, reason=reason, by=by, now=now)
    told = store.let_out(tx, _now(node, now), dict.fromkeys(over, to))
    return [one for one in over if one in told]


def _key_of(tx: sa.Connection, party: str, key: str) -> str:
    """Give a key for evidence of an answer: one that was taken back is not used again."""
    for number in range(1, 1000):
        name = key if number == 1 else f"{key}-{number}"
        there = statements.newest(tx, [stix := stix_id("sct-evidence", party, name)])
        if stix not in there or not there[stix].retracted:
            return name
    raise StateError("this answer took its evidence back too often", where=key)


def _let_out(
    node: Node,
    realm: str,
    ids: Sequence[str],
    number: str,
    *,
    to: str,
    title: str,
    purpose: str | None,
    by: str,
    now: datetime,
    decide: bool,
) -> Done:
    """Bring a step on its way to one party (rule 1); what no agreement permits stays a draft, and is said."""
    with node.database.app(realm) as tx:
        versions = {one.stix_id: one for one in releasing.find(tx, list(ids))}
        may = []
        for one in ids:
            outlook = agreements.outlook(tx, node, [versions[one]], to, purpose=purpose, now=now)
            decision = outlook.explanations[0].decision
            if one == ids[0]:
                first = decision
            if outlook.outcome == MAY:
                may.append(one)
        if ids[0] not in may:
            missing = first.missing.text if first.missing is not None else first.article
            return Done(stix_id=ids[0], number=number, state="refused", article=missing)
        also, kept = may[1:], [one for one in ids if one not in may]
        going = [versions[one] for one in may]
        if _under_standing(tx, node, realm, going, to, now):
            return Done(
                stix_id=ids[0], number=number, state="sent", article=first.article, also=also, kept=kept
            )
    proposed = workflow.propose(
        node, realm, may, title=f"{number}: {title}"[:TITLE_MAX], to=[to], purpose=purpose, by=by, now=now
    )
    done = Done(
        stix_id=ids[0],
        number=number,
        state="proposed",
        release=str(proposed.id),
        article=first.article,
        also=also,
        kept=kept,
    )
    if decide and not proposed.needs_two and not proposed.waits_for and not first.conditions:
        workflow.decide_release(node, realm, proposed.id, by=by, now=now)
        return msgspec.structs.replace(done, state="sent")
    return done


def _under_standing(
    tx: sa.Connection,
    node: Node,
    realm: str,
    versions: Sequence[records.Stored],
    to: str,
    now: datetime,
) -> bool:
    """Release under a standing release that names this party and no other, where one covers it."""
    types = {one.type for one in versions}
    for one in workflow.standings(tx):
        if one.entry is None or one.revoked_at is not None or not one.begins <= now < one.ends:
            continue
        if one.terms.partners != [to] or (one.terms.types and not types <= set(one.terms.types)):
            continue
        try:
            with tx.begin_nested():
                workflow.publish_standing_in(tx, node, realm, versions, one.id, now=now)
        except (DeniedError, StateError):
            continue
        return True
    return False
