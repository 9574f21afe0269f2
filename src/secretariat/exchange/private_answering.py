"""Answering a private question: what a partner may ask, taking its list, the answer, the opened answer.

The caller is proven by its signature (identity.py); everything else it says is checked here, the cheap before
the dear: budget and size before one point is multiplied.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    SecretariatError,
    StateError,
)
from secretariat.exchange import private_service as shared
from secretariat.exchange import private_store as tables
from secretariat.exchange import private_values as values
from secretariat.exchange import psi
from secretariat.exchange.model import Refusal
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import transaction
from secretariat.exchange.private_lists import Sorting
from secretariat.exchange.private_store import ANSWERED, ASKED, EVALUATED, PROOFS, TAGS
from secretariat.exchange.private_wire import (
    SESSION,
    SET,
    Answer,
    Ask,
    Items,
    PrivateQuestion,
    PrivateSet,
    Shown,
    Standing,
    Taken,
)
from secretariat.exchange.psi import Context
from secretariat.ledger import dsse, entries
from secretariat.ledger.entries import EntryRef
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.model import Peer
    from secretariat.exchange.postgres import PostgresStore
    from secretariat.exchange.private_store import Question
    from secretariat.ledger.node import Node


class NotYetSeenError(StateError):
    """The asker's pin did not come through its feed yet: harmless, ask again in a moment."""

    code = "not-yet-seen"


class AnotherSetError(ConflictError):
    """The asker pinned one set and came with another."""

    code = "another-set"


class NoListError(InputError):
    """What came is no list of points: it ends the question for the week."""

    code = "no-list"


def open_question(node: Node, realm: str, party: str, ask: Ask, *, now: datetime) -> Standing:
    """Say whether a partner may ask, and prepare the own list when it may.

    Refuses another epoch than the present one, what is not turned on, an entry that is not here or that
    says something else, a second set for the same type and epoch, and what passes size or budget.
    """
    kind = values.type_of(ask.type)
    if ask.epoch != values.epoch_of(now):
        raise ConflictError(
            f"epoch {ask.epoch!r}, now is {values.epoch_of(now)}", where="epoch", advice="ask in this week"
        )
    with transaction(node, realm, now) as store:
        peer = shared.partner(store, party)
        found = shared.allowed(store, party, kind, now)
        if not tables.alone(store.tx, realm, party, kind.name, ask.epoch):  # a long list takes minutes
            return Standing("waiting", why="the partner makes its list")
        told = shared.pinned_by(store, peer, ask.set)
        if told is None:
            raise NotYetSeenError(
                f"entry {ask.set} of {party} is not here yet", where="set", advice="ask again in a moment"
            )
        if (told.side, told.type, told.epoch, told.to) != ("asks", kind.name, ask.epoch, node.party):
            raise ProofError(f"entry {ask.set} of {party} pins something else", where="set")
        held = tables.of_epoch(store.tx, "answers", party, kind.name, ask.epoch)
        if held is None:
            shared.check_budget(store, found, ask.epoch, told.size, "answers")
            number = tables.add_question(
                store.tx,
                side="answers",
                party=party,
                type=kind.name,
                epoch=ask.epoch,
                under=found.under,
                state="allowed" if found.standing else "waiting",
                stage="",
                their_position=ask.set,
                size=told.size,
                why="",
                by=found.allowed_by if found.standing else "",
                at=now,
            )
            notify(store.tx, LIVE, live(kind="question", party=party))
            held = tables.question(store.tx, number, lock=True)
            assert held is not None
        if held.their_position != ask.set:
            raise AnotherSetError(
                f"{party} pinned another set for {kind.name} in {ask.epoch}",
                where="set",
                advice="one set per type and week",
            )
        if held.state == "allowed":
            held = _prepare(store, peer, held)
    if held.state in {"waiting", "refused"}:
        return Standing("waiting" if held.state == "waiting" else "refused", why=held.why)
    return Standing("ready", held.set_position)


def _prepare(store: PostgresStore, peer: Peer, held: Question) -> Question:
    """Fix the own set, make key and list for this question, and write both into the own log."""
    own = shared.fixed_set(store, values.type_of(held.type), held.epoch)
    least = store.node.settings.limits.private_minimum
    if own.size < least:
        tables.change_question(
            store.tx, held.id, state="refused", why=f"fewer than {least} values here", done_at=store.now
        )
    else:
        secret = psi.secret_of(secrets.token_bytes(64))
        context = context_of(store, held)
        mine = (value.encode() for value in own.values(store.tx))
        with Sorting(psi.tag(one, context) for one in psi.blind(mine, secret, context)) as tags:
            digest = tables.put_parts(store.tx, held.id, TAGS, psi.parts(psi.once(tags)))
        body = PrivateSet(
            to=peer.party,
            side="answers",
            type=held.type,
            epoch=held.epoch,
            size=own.size,
            root=own.root.hex(),
            list=digest,
            key=psi.key_of(secret).hex(),
        )
        (position,) = store.append([Outgoing(SET, peer.party, body)])
        tables.change_question(
            store.tx,
            held.id,
            state="ready",
            secret=secret,
            set_position=position,
            their_size=own.size,
        )
    found = tables.question(store.tx, held.id)
    assert found is not None
    return found


def context_of(store: PostgresStore, held: Question) -> bytes:
    """Give the context of a question: who asks stands before who answers."""
    mine = held.side == "asks"
    asker, answerer = (store.party, held.party) if mine else (held.party, store.party)
    return Context(store.realm, asker, answerer, held.type, held.epoch).string


def _held(store: PostgresStore, party: str, kind: str, epoch: str, *states: str) -> Question:
    """Give a partner's question; refuses one that does not stand where this message belongs."""
    if epoch != values.epoch_of(store.now):
        raise ConflictError(f"epoch {epoch!r} is not now", where="epoch")
    found = tables.of_epoch(store.tx, "answers", party, values.type_of(kind).name, epoch)
    if found is None:
        raise NotFoundError(f"{party} asks nothing about {kind[:40]} in {epoch}", advice="open it first")
    shared.allowed(store, party, values.type_of(kind), store.now)
    if found.state not in states:
        raise StateError(f"the question is {found.state}", where="state", advice=found.why or None)
    return found


def take_part(
    node: Node, realm: str, party: str, kind: str, epoch: str, at: int, items: bytes, *, now: datetime
) -> Taken:
    """Take a part of the asker's list and work out its answers.

    Refuses a part out of turn, more points than were pinned, and everything that is no list of points: that
    ends the question for the week, so that nobody makes this node multiply for nothing twice. The same part
    again is the same part.
    """
    try:
        with transaction(node, realm, now) as store:
            return _take_part(store, party, kind, epoch, at, items)
    except NoListError as error:
        with transaction(node, realm, now) as store:
            held = tables.of_epoch(store.tx, "answers", party, kind, epoch)
            assert held is not None
            why = f"{error.code}: {error.what}"
            tables.change_question(store.tx, held.id, state="refused", why=why, done_at=now)
            what = f"private question {held.id}: {error.what}"
            store.refuse([Refusal(party=party, code=error.code, what=what, where="items")])
        raise


def _take_part(store: PostgresStore, party: str, kind: str, epoch: str, at: int, items: bytes) -> Taken:
    held = _held(store, party, kind, epoch, "ready")
    count, points = tables.count_parts(store.tx, held.id, ASKED)
    if at < count:
        if tables.read_part(store.tx, held.id, ASKED, at) != items:
            raise AnotherSetError(f"part {at} came before with other points", where="part")
        return Taken(count)
    if at > count:
        raise ConflictError(f"part {at} after {count} parts", where="part", advice=f"send part {count}")
    last = b"" if count == 0 else (tables.read_part(store.tx, held.id, ASKED, count - 1) or b"")[-32:]
    most = held.size + psi.ringers(held.size)
    assert held.secret is not None
    try:
        asked = psi.split(items, after=last)
        if points + len(asked) > most:
            raise AnotherSetError(f"{points + len(asked)} points, {most} were pinned", where="items")
        evaluated = psi.times(held.secret, asked)
    except InputError as error:
        raise NoListError(error.what, where="items", advice=error.advice) from error
    tables.put_parts(store.tx, held.id, ASKED, [items], count)
    tables.put_parts(store.tx, held.id, EVALUATED, [b"".join(evaluated)], count)
    return Taken(count + 1)


def answer(node: Node, realm: str, party: str, kind: str, epoch: str, *, now: datetime) -> Answer:
    """Answer when the whole list is there: it must be the one that was pinned, point for point."""
    with transaction(node, realm, now) as store:
        held = _held(store, party, kind, epoch, "ready", "answered")
        peer = shared.partner(store, party)
        told = shared.pinned_by(store, peer, held.their_position)
        assert told is not None
        assert held.secret is not None
        if psi.hash_of(tables.read_parts(store.tx, held.id, ASKED)) != told.list:
            raise AnotherSetError(
                "the points are not those that were pinned",
                where="items",
                advice="the list of this week is fixed: send that one",
            )
        context = context_of(store, held)
        asked_sum = [psi.total(psi.items_of(tables.read_parts(store.tx, held.id, ASKED)))]
        nonce = psi.secret_of(secrets.token_bytes(64))
        proof = psi.prove(held.secret, asked_sum, psi.times(held.secret, asked_sum), nonce, context)
        if held.state == "ready":
            with Sorting(psi.items_of(tables.read_parts(store.tx, held.id, EVALUATED))) as evaluated:
                digest = tables.put_parts(store.tx, held.id, ANSWERED, psi.parts(psi.once(evaluated)))
            (position,) = store.append(
                [Outgoing(SESSION, party, _session(store, peer, held, "counted", digest))]
            )
            tables.change_question(
                store.tx,
                held.id,
                state="answered",
                answer=bytes.fromhex(digest),
                done_at=now,
                entry=position,
            )
            notify(store.tx, LIVE, live(kind="question", party=party))
        else:
            assert held.answer is not None
            digest = held.answer.hex()
        count = tables.count_parts(store.tx, held.id, ANSWERED)[0]
        return Answer(count, tables.count_parts(store.tx, held.id, TAGS)[0], digest, proof)


def _session(
    store: PostgresStore, peer: Peer, held: Question, stage: str, digest: str, shown: int | None = None
) -> PrivateQuestion:
    assert held.their_position is not None
    assert held.set_position is not None
    return PrivateQuestion(
        to=peer.party,
        side="answers",
        stage="opened" if stage == "opened" else "counted",
        type=held.type,
        epoch=held.epoch,
        under=held.under,
        asks=EntryRef(peer.origin, held.their_position),
        answers=EntryRef(store.origin, held.set_position),
        asked=held.size,
        offered=held.their_size or 0,
        answer=digest,
        shown=shown,
        by=held.by or None,
    )


def give_part(
    node: Node, realm: str, party: str, kind: str, epoch: str, name: str, at: int, *, now: datetime
) -> Items:
    """Give a part of a list: `answer` and `tags` once it is answered, `opened` when a person allowed it."""
    lists = {"answer": ANSWERED, "tags": TAGS, "opened": EVALUATED}
    if name not in lists:
        raise NotFoundError(f"no list {name[:20]!r}", advice="answer, tags or opened")
    with transaction(node, realm, now) as store:
        held = _held(store, party, kind, epoch, "answered")
        if name == "opened" and held.stage not in {"allowed", "opened"}:
            raise DeniedError("nobody allowed that the answer is opened", where="opened")
        items = tables.read_part(store.tx, held.id, lists[name], at)
        if items is None:
            raise NotFoundError(f"no part {at} of {name}", where="part")
        if name != "opened":
            return Items(items)
        proof = tables.read_part(store.tx, held.id, PROOFS, at)
        if proof is None:  # made once: it is dear
            asked = tables.read_part(store.tx, held.id, ASKED, at)
            assert asked is not None
            assert held.secret is not None
            nonce = psi.secret_of(secrets.token_bytes(64))
            points, answers = (list(psi.items_of([one])) for one in (asked, items))
            proof = psi.prove(held.secret, points, answers, nonce, context_of(store, held))
            tables.put_parts(store.tx, held.id, PROOFS, [proof], at)
        return Items(items, proof)


def open_answer(node: Node, realm: str, party: str, kind: str, epoch: str, *, now: datetime) -> Standing:
    """Hear that a partner's person wants to know which they are; a person here says yes or no to it."""
    with transaction(node, realm, now) as store:
        held = _held(store, party, kind, epoch, "answered")
        if held.stage == "":
            tables.change_question(store.tx, held.id, stage="wanted")
            notify(store.tx, LIVE, live(kind="question", party=party))
            return Standing("waiting")
        if held.stage == "wanted":
            return Standing("waiting")
        return Standing("refused" if held.stage == "refused" else "ready")


def show(node: Node, realm: str, party: str, kind: str, epoch: str, theirs: Shown, *, now: datetime) -> Shown:
    """Take the asker's matches with their proofs, and show the own proofs of the same values.

    Refuses a value that the asker's pinned set does not hold. Of the own, only what the agreements let go
    to the partner is shown; the rest stays a number.
    """
    from secretariat.exchange.private_showing import may_show

    with transaction(node, realm, now) as store:
        held = _held(store, party, kind, epoch, "answered")
        if held.stage not in {"allowed", "opened"}:
            raise DeniedError("nobody allowed that the answer is opened", where="matches")
        peer = shared.partner(store, party)
        told = shared.pinned_by(store, peer, held.their_position)
        assert told is not None
        for one in theirs.matches:
            values.check_opening(kind, one, told.size, bytes.fromhex(told.root))
        own = tables.read_set(store.tx, kind, epoch)
        if own is None:
            raise InputError("the set of this week is gone", where="epoch")
        wanted = [one.value for one in theirs.matches]
        shown = own.open(store.tx, may_show(store, party, values.type_of(kind), wanted, now))
        if held.stage == "allowed":
            assert held.answer is not None
            body = _session(store, peer, held, "opened", held.answer.hex(), len(shown))
            store.append([Outgoing(SESSION, party, body)])
        tables.change_question(store.tx, held.id, stage="opened", shown=len(shown))
        return Shown(tuple(shown))


def note_results(node: Node, realm: str, *, now: datetime) -> int:
    """Note what askers say, in their logs, of questions answered here: how many both have; gives how many.

    It is the asker's word: nobody but the asker can count.
    """
    done = 0
    with transaction(node, realm, now) as store:
        waiting = "WHERE side = 'answers' AND state = 'answered' AND result IS NULL"
        for held in tables.questions(store.tx, waiting):
            peer = store.peer(held.party)
            if peer is None:
                continue
            for envelope in tables.sessions_of(store.tx, peer.origin):
                said = _said(envelope)
                if said is not None and said.answers == EntryRef(store.origin, held.set_position or 0):
                    tables.change_question(store.tx, held.id, result=said.result or 0)
                    done += 1
                    break
    return done


def _said(envelope: bytes) -> PrivateQuestion | None:
    try:
        return entries.body_as(entries.read(dsse.payload_of(envelope)), PrivateQuestion)
    except SecretariatError:  # signed and logged, and still no such entry: it says nothing
        return None
