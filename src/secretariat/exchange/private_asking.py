"""Asking a private question: the own list, what is made of the answer, which values they are.

What the partner sends is believed where it is proven: against the key and list that its log pinned
before.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import (
    ConflictError,
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
from secretariat.exchange.private_showing import may_show
from secretariat.exchange.private_store import ASKED, MATCHED, TAGS
from secretariat.exchange.private_wire import (
    MATCHES,
    SESSION,
    SET,
    Answer,
    Items,
    PrivateQuestion,
    PrivateSet,
    Shown,
)
from secretariat.exchange.psi import Context
from secretariat.exchange.ristretto import POINT_BYTES
from secretariat.ledger.entries import EntryRef
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.model import Peer
    from secretariat.exchange.postgres import PostgresStore
    from secretariat.exchange.private_store import KeptSet, Question
    from secretariat.ledger.node import Node


class PrivateAnswerError(ProofError):
    """The answer to a private question does not hold: it is kept as a refusal, and counts nothing."""

    code = "private-answer"


def ask(node: Node, realm: str, party: str, kind_name: str, *, by: str, now: datetime) -> int:
    """Fix the own set of this week, pin it in the log, and have the partner asked; gives the number.

    Refuses what is not turned on, a set below the least size or past the budget, and a second question to the
    same partner about the same type in one week: the answer would be the same.
    """
    kind = values.type_of(kind_name)
    epoch = values.epoch_of(now)
    with transaction(node, realm, now) as store:
        peer = shared.partner(store, party)
        found = shared.allowed(store, party, kind, now)
        if not peer.url or peer.via:
            raise StateError(
                f"{party}'s node cannot be reached from here",
                where=party,
                advice="a private question needs its doors: the other side may ask instead",
            )
        if tables.of_epoch(store.tx, "asks", party, kind.name, epoch) is not None:
            raise ConflictError(
                f"{party} was asked about {kind.name} in {epoch} already",
                where="type",
                advice="sets are fixed for the week: the answer would be the same",
            )
        own = shared.fixed_set(store, kind, epoch)
        shared.check_budget(store, found, epoch, own.size, "asks")
        secret = psi.secret_of(secrets.token_bytes(64))
        context = Context(store.realm, store.party, party, kind.name, epoch).string
        number = tables.add_question(
            store.tx,
            side="asks",
            party=party,
            type=kind.name,
            epoch=epoch,
            under=found.under,
            state="pinned",
            stage="",
            secret=secret,
            size=own.size,
            why="",
            by=by,
            at=now,
        )
        points = psi.blind((value.encode() for value in own.values(store.tx)), secret, context)
        with Sorting(points) as ordered:
            ordered.extend(psi.times_generator(psi.ringer_scalars(secret, own.size)))
            digest = tables.put_parts(store.tx, number, ASKED, psi.parts(psi.once(ordered)))
        body = PrivateSet(
            to=party,
            side="asks",
            type=kind.name,
            epoch=epoch,
            size=own.size,
            root=own.root.hex(),
            list=digest,
        )
        (position,) = store.append([Outgoing(SET, party, body)])
        tables.change_question(store.tx, number, set_position=position)
        notify(store.tx, LIVE, live(kind="question", party=party))
    return number


def under_way(tx: sa.Connection) -> list[Question]:
    """Give the own questions for which something may be done now."""
    return tables.questions(
        tx, "WHERE side = 'asks' AND (state = 'pinned' OR stage IN ('wanted', 'allowed'))"
    )


def part_to_send(node: Node, realm: str, number: int, at: int) -> bytes | None:
    """Give one part of the own list, None after the last."""
    with node.database.app(realm) as tx:
        return tables.read_part(tx, number, ASKED, at)


def parts_sent(node: Node, realm: str, number: int) -> int:
    """Count the parts of the own list."""
    with node.database.app(realm) as tx:
        return tables.count_parts(tx, number, ASKED)[0]


def ready(node: Node, realm: str, number: int, position: int, *, now: datetime) -> bool:
    """Note where the partner's log pins its list; True once that entry came, with its proofs.

    Refuses an entry that pins something else, or that came after another for the same question.
    """
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        peer = shared.partner(store, held.party)
        if held.their_position is not None and held.their_position != position:
            raise PrivateAnswerError(
                f"{held.party} pinned at {held.their_position} and now says {position}", where="set"
            )
        tables.change_question(store.tx, number, their_position=position)
        return _told(store, peer, msgspec.structs.replace(held, their_position=position)) is not None


def _told(store: PostgresStore, peer: Peer, held: Question) -> PrivateSet | None:
    told = shared.pinned_by(store, peer, held.their_position)
    if told is None:
        return None
    expected = ("answers", held.type, held.epoch, store.party)
    if (told.side, told.type, told.epoch, told.to) != expected or told.key is None:
        raise PrivateAnswerError(
            f"entry {held.their_position} of {held.party} pins something else", where="set"
        )
    if told.size < store.node.settings.limits.private_minimum:
        raise PrivateAnswerError(
            f"{held.party} answers from {told.size} values, too few", where="private_minimum"
        )
    return told


def _held(store: PostgresStore, number: int) -> Question:
    found = tables.question(store.tx, number, lock=True)
    if found is None or found.side != "asks":
        raise NotFoundError(f"no own private question {number}", advice="secretariat questions list")
    return found


def count(
    node: Node,
    realm: str,
    number: int,
    said: Answer,
    answer_parts: Iterable[bytes],
    tag_parts: Iterable[bytes],
    *,
    now: datetime,
) -> int:
    """Check an answer as a whole and count the values that both have; refuses what does not hold.

    The parts are gone through several times, what is dear comes last.
    Checked: as many answers as points, in their order, under the hash stated; the tags are those that the
    partner's log pinned; the sum's proof under the pinned key; every ringer answered rightly.
    """
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        if held.state == "counted":
            assert held.result is not None
            return held.result
        if held.state != "pinned" or held.secret is None:
            raise StateError(f"question {number} is {held.state}", where="state")
        peer = shared.partner(store, held.party)
        told = _told(store, peer, held)
        if told is None:
            raise PrivateAnswerError(f"{held.party} answers before it pinned its list", where="set")
        assert told.key is not None
        key, context = bytes.fromhex(told.key), _context(store, held)
        try:
            answers, answered = psi.counted(psi.read(answer_parts))
            tags = sum(1 for _ in psi.read(tag_parts))
            points, asked = psi.counted(psi.read(tables.read_parts(store.tx, number, ASKED)))
            if (answers, tags) != (points, told.size):
                raise PrivateAnswerError(f"{answers} answers to {points} points, {tags} tags of {told.size}")
            if psi.hash_of(tag_parts) != told.list or psi.hash_of(answer_parts) != said.hash:
                raise PrivateAnswerError("the lists are not those that were pinned", where="hash")
            psi.verify(key, [asked], [answered], said.proof, context)
            rings = psi.ringer_scalars(held.secret, held.size)
            if wrong := psi.missing_ringers(psi.items_of(answer_parts), rings, key):
                raise PrivateAnswerError(f"{wrong} points of {points} were answered wrongly", where="items")
            undo = psi.inverse(held.secret)
            with Sorting(psi.tags_of(undo, psi.items_of(answer_parts), context)) as mine:
                both = psi.matching(mine, psi.items_of(tag_parts))
                tables.put_parts(store.tx, number, TAGS, psi.parts(both))
        except PrivateAnswerError:
            raise
        except SecretariatError as error:
            raise PrivateAnswerError(error.what, where=error.where, advice=error.advice) from error
        result = tables.count_parts(store.tx, number, TAGS)[1]
        (position,) = store.append(
            [Outgoing(SESSION, held.party, _session(store, peer, held, told, said.hash, result))]
        )
        tables.change_question(
            store.tx,
            number,
            state="counted",
            their_size=told.size,
            answer=bytes.fromhex(said.hash),
            result=result,
            done_at=now,
            entry=position,
        )
        notify(store.tx, LIVE, live(kind="question", party=held.party))
    return result


def _context(store: PostgresStore, held: Question) -> bytes:
    return Context(store.realm, store.party, held.party, held.type, held.epoch).string


def _session(
    store: PostgresStore,
    peer: Peer,
    held: Question,
    told: PrivateSet,
    digest: str,
    result: int,
    shown: int | None = None,
) -> PrivateQuestion:
    assert held.set_position is not None
    assert held.their_position is not None
    return PrivateQuestion(
        to=held.party,
        side="asks",
        stage="counted" if shown is None else "opened",
        type=held.type,
        epoch=held.epoch,
        under=held.under,
        asks=EntryRef(store.origin, held.set_position),
        answers=EntryRef(peer.origin, held.their_position),
        asked=held.size,
        offered=told.size,
        answer=digest,
        result=result,
        shown=shown,
        by=held.by or None,
    )


def failed(node: Node, realm: str, number: int, error: SecretariatError, *, now: datetime) -> None:
    """Note why a question goes no further: for this week where it was refused or does not hold."""
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        bad = isinstance(error, PrivateAnswerError)
        if bad:
            store.refuse(
                [
                    Refusal(
                        party=held.party,
                        code=error.code,
                        what=f"private question {number}: {error.what}",
                        where=error.where,
                        advice=error.advice,
                    )
                ]
            )
        why = f"{error.code}: {error.what}"
        if held.state == "pinned":
            tables.change_question(store.tx, number, state="refused", why=why, done_at=now)
        else:
            tables.change_question(store.tx, number, stage="refused", why=why)
        notify(store.tx, LIVE, live(kind="question", party=held.party))


def delayed(node: Node, realm: str, number: int, why: str, *, now: datetime) -> None:
    """Note what a question waits for."""
    with transaction(node, realm, now) as store:
        if _held(store, number).why != why:
            tables.change_question(store.tx, number, why=why)


# which they are


def want_opened(node: Node, realm: str, number: int, *, by: str, now: datetime) -> None:
    """As a person, ask which values they are. What of ours matches is then shown to the partner, proven.

    Only what the agreements let go to the partner is shown, on either side.
    """
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        if held.state != "counted" or not held.result:
            raise StateError(f"question {number} has no matches to show", where="state")
        if held.stage:
            raise ConflictError(f"question {number}: that was asked before", where="stage")
        tables.change_question(store.tx, number, stage="wanted", by=by)


def opened(node: Node, realm: str, number: int, parts: Iterable[Items], *, now: datetime) -> list[str]:
    """Check the opened answer, part by part, and give the values that both have.

    It must be the answer that was given before, in the order of what was asked, under the pinned key: a
    batched proof for each part.
    """
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        told = _told(store, shared.partner(store, held.party), held)
        if held.stage != "wanted" or held.secret is None or told is None or told.key is None:
            raise StateError(f"question {number} is not to be opened", where="stage")
        key, context = bytes.fromhex(told.key), _context(store, held)
        try:
            with Sorting() as evaluated:
                for asked, answers, proof in _side_by_side(store, number, parts):
                    psi.verify(key, asked, answers, proof, context)
                    evaluated.extend(answers)
                if psi.hash_of(psi.parts(psi.once(evaluated))) != (held.answer or b"").hex():
                    raise PrivateAnswerError("the opened answer is not the one that was given", where="hash")
        except PrivateAnswerError:
            raise
        except SecretariatError as error:
            raise PrivateAnswerError(error.what, where=error.where, advice=error.advice) from error
        own = tables.read_set(store.tx, held.type, held.epoch)
        if own is None:
            raise StateError("the set of this week is gone", where="epoch")
        matches = sorted(_matches(store, held, own, parts, context))
        tables.put_parts(store.tx, number, MATCHED, [msgspec.json.encode(matches)])
        tables.change_question(store.tx, number, stage="allowed")
        notify(store.tx, LIVE, live(kind="question", party=held.party))
    return matches


def _side_by_side(
    store: PostgresStore, number: int, parts: Iterable[Items]
) -> Iterator[tuple[list[bytes], list[bytes], bytes]]:
    """Give what was asked and what was answered, part by part, with the part's proof."""
    coming = iter(parts)
    for at, asked in enumerate(tables.read_parts(store.tx, number, ASKED)):
        one = next(coming, None)
        if one is None:
            raise PrivateAnswerError(f"{at} parts opened, more were asked")
        yield psi.split(asked), list(psi.items_of([one.items])), one.proof
    if next(coming, None) is not None:
        raise PrivateAnswerError("more parts opened than were asked")


def _matches(
    store: PostgresStore, held: Question, own: KeptSet, parts: Iterable[Items], context: bytes
) -> Iterator[str]:
    """Give the own values whose answer has its tag among those that matched."""
    assert held.secret is not None
    undo, width = psi.inverse(held.secret), POINT_BYTES
    tagged = (
        tag + point
        for asked, answers, _ in _side_by_side(store, held.id, parts)
        for tag, point in zip(psi.tags_of(undo, answers, context), asked, strict=True)
    )
    points = psi.blind((value.encode() for value in own.values(store.tx)), held.secret, context)
    mine = (point + value.encode() for point, value in zip(points, own.values(store.tx), strict=True))
    with Sorting(tagged) as tags, Sorting(mine) as named:
        counted = psi.items_of(tables.read_parts(store.tx, held.id, TAGS))
        with Sorting(one[width:] for one in psi.matching(tags, counted)) as wanted:
            for one in psi.matching(named, wanted):
                yield one[width:].decode()


def matches_of(node: Node, realm: str, number: int) -> list[str]:
    """Give the values that both have, once the answer was opened; empty before."""
    with node.database.app(realm) as tx:
        kept = tables.read_part(tx, number, MATCHED, 0)
    return [] if kept is None else msgspec.json.decode(kept, type=list[str])


def to_show(node: Node, realm: str, number: int, *, now: datetime) -> list[Shown]:
    """Give what is shown to the partner of the matches, with its proofs: what the agreements let go to it."""
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        if held.stage != "allowed":
            raise StateError(f"question {number} is not opened", where="stage")
        own = tables.read_set(store.tx, held.type, held.epoch)
        kept = tables.read_part(store.tx, number, MATCHED, 0)
        if own is None or kept is None:
            raise StateError("the set of this week is gone", where="epoch")
        wanted = msgspec.json.decode(kept, type=list[str])
        may = may_show(store, held.party, values.type_of(held.type), wanted, now)
        openings = own.open(store.tx, may)
    return [Shown(tuple(openings[at : at + MATCHES])) for at in range(0, len(openings), MATCHES)]


def shown(
    node: Node, realm: str, number: int, sent: Sequence[Shown], got: Sequence[Shown], *, now: datetime
) -> int:
    """Check the partner's proofs: a match counts when both sides show that they had logged it before."""
    with transaction(node, realm, now) as store:
        held = _held(store, number)
        peer = shared.partner(store, held.party)
        told = _told(store, peer, held)
        if held.stage != "allowed" or told is None or held.result is None or held.answer is None:
            raise StateError(f"question {number} is not opened", where="stage")
        asked = {one.value for page in sent for one in page.matches}
        proven: set[str] = set()
        for one in (one for page in got for one in page.matches):
            if one.value not in asked:
                raise PrivateAnswerError(f"{one.value[:60]!r} was not asked about", where="matches")
            try:
                values.check_opening(held.type, one, told.size, bytes.fromhex(told.root))
            except ProofError as error:
                raise PrivateAnswerError(error.what, where=error.where, advice=error.advice) from error
            proven.add(one.value)
        body = _session(store, peer, held, told, held.answer.hex(), held.result, len(proven))
        store.append([Outgoing(SESSION, held.party, body)])
        tables.change_question(store.tx, number, stage="opened", shown=len(proven))
        notify(store.tx, LIVE, live(kind="question", party=held.party))
    return len(proven)
