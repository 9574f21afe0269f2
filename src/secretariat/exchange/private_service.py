"""Private questions, what both sides share: what is allowed, the fixed set of an epoch, the log's entries.

Rules:
1. Nothing is allowed until an administrator turns it on for one partner, under one instrument that both
   signed and that is in force, for named types and a number of values a week. It holds for both directions.
2. Own objects alone take part, never a partner's: what others gave is theirs to speak of. What is RED, bears
   a classification, a caveat or a compartment, or came out of something else, takes no part either.
3. A set below the least size is neither asked with nor answered from: few values make a count say much.
4. Both sides write their sets and lists into their logs before anything is sent, and the session afterwards:
   sizes, hashes, the count. Never a value.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.agreements.facts import book_for
from secretariat.agreements.matrix import cell
from secretariat.base.errors import DeniedError, InputError, LimitError, NotFoundError, ProofError
from secretariat.exchange import private_store as tables
from secretariat.exchange import private_values as values
from secretariat.exchange.postgres import transaction
from secretariat.exchange.private_lists import Sorting
from secretariat.exchange.private_store import Allowance, KeptSet, Question
from secretariat.exchange.private_wire import SET, PrivateSet
from secretariat.ledger import entries
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Note
from secretariat.ledger.merkle import HASH_BYTES, Frontier
from secretariat.records.markings import Label, tlp_rank
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.model import Peer
    from secretariat.exchange.postgres import PostgresStore
    from secretariat.exchange.private_values import Type
    from secretariat.ledger.node import Node

_RED = tlp_rank(Label("", tlp="RED"))


# what is allowed


def allow(
    node: Node,
    realm: str,
    party: str,
    *,
    under: str,
    types: Sequence[str],
    elements: int,
    standing: bool,
    by: str,
    now: datetime,
) -> None:
    """Turn private questions on for a partner (rule 1). The act is an entry of the own log."""
    kinds = [values.type_of(name).name for name in dict.fromkeys(types)]
    if not kinds:
        raise InputError("no type is named", where="types", advice=f"some of {', '.join(values.TYPES)}")
    if elements < 1:
        raise InputError("a budget is one value or more", where="elements")
    with transaction(node, realm, now) as store:
        _partner(store, party)
        in_force(store.tx, node, party, under, now)
        tables.put_allowance(store.tx, Allowance(party, under, kinds, elements, standing, by, now))
        detail = {"party": party, "under": under, "types": kinds, "elements": elements, "standing": standing}
        ledger.append(
            store.tx,
            store.keyring,
            [Draft("note", None, Note(act="private questions allow", by=by, detail=detail))],
            now=now,
        )


def forbid(node: Node, realm: str, party: str, *, by: str, now: datetime) -> None:
    """Turn them off; what is under way with that partner is refused."""
    with transaction(node, realm, now) as store:
        if not tables.drop_allowance(store.tx, party):
            raise NotFoundError(f"private questions with {party} are not on", where="party")
        under_way = "WHERE party = %s AND state IN ('waiting', 'allowed', 'ready', 'pinned')"
        for one in tables.questions(store.tx, under_way, [party]):
            tables.change_question(store.tx, one.id, state="refused", why="turned off here", done_at=now)
        detail = {"party": party}
        ledger.append(
            store.tx,
            store.keyring,
            [Draft("note", None, Note(act="private questions forbid", by=by, detail=detail))],
            now=now,
        )


def in_force(tx: sa.Connection, node: Node, party: str, under: str, now: datetime) -> None:
    """Refuse an instrument that is not between this party and the partner, signed by both and in force."""
    book = book_for(tx, node.party, party)
    if under not in cell(book, node.party, party, now.date(), None).in_force:
        raise DeniedError(
            f"{under} is no instrument in force between {node.party} and {party} that both signed",
            where="under",
            advice="secretariat agreements list",
        )


def allowed(store: PostgresStore, party: str, kind: Type, now: datetime) -> Allowance:
    """Give what is turned on for a partner; refuses a partner or type for which nothing is."""
    found = tables.allowance(store.tx, party)
    if found is None or kind.name not in found.types:
        raise DeniedError(
            f"private questions about {kind.name} are not on between {store.party} and {party}",
            advice="the administrators of both sides turn them on: secretariat questions allow",
        )
    in_force(store.tx, store.node, party, found.under, now)
    return found


def check_budget(
    store: PostgresStore, found: Allowance, epoch: str, size: int, side: Literal["asks", "answers"]
) -> None:
    """Refuse a set that is too small, too large, or more than is left of the agreement's week."""
    limits = store.node.settings.limits
    if size < limits.private_minimum:
        raise DeniedError(
            f"a set of {size} values, {limits.private_minimum} are the least",
            where="private_minimum",
            advice="a count over few values says which they are",
        )
    if size > limits.private_elements:
        raise LimitError(
            f"a set of {size} values, {limits.private_elements} are the most", where="private_elements"
        )
    before = tables.spent(store.tx, found.party, found.under, epoch, side)
    if before + size > found.elements:
        raise LimitError(
            f"{size} values after {before} this week pass the {found.elements} that {found.under} has",
            where="elements",
            advice="ask next week, or let the administrators agree on more",
        )


# sets


def takes_part(label: Label, party: str) -> bool:
    """Whether an object of this label may be part of a set (rule 2)."""
    return (
        label.orig == party
        and tlp_rank(label) < _RED
        and label.level is None
        and not (label.controls or label.compartments or label.derived_from)
    )


def fixed_set(store: PostgresStore, kind: Type, epoch: str) -> KeptSet:
    """Give the own set of a type and epoch; fixes it when it is first needed. Never holds it as a whole."""
    held = tables.read_set(store.tx, kind.name, epoch)
    if held is not None:
        return held
    marks = tables.labels(store.tx)
    may = {number for number, one in marks.items() if takes_part(msgspec.convert(one, Label), store.party)}
    seed, size, frontier = secrets.token_bytes(32), 0, Frontier()
    found = (
        value
        for mark, data in tables.own_objects(store.tx, store.party, ["indicator", kind.stix])
        if mark in may
        for value in values.values_in(msgspec.json.decode(data), kind)
    )
    leafed = (
        values.leaf_of(kind.name, value, values.salt_of(seed, value)) + value.encode() for value in found
    )
    with Sorting(leafed) as ordered:
        for leaf, _ in _each_once(ordered):
            frontier.append(leaf)
            size += 1
        made = KeptSet(kind.name, epoch, seed, size, frontier.root())
        if not tables.put_set(store.tx, made, _each_once(ordered), store.now):
            held = tables.read_set(store.tx, kind.name, epoch)  # somebody else fixed it meanwhile
            assert held is not None
            return held
    return made


def _each_once(ordered: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """Give leaf and value; one value that several objects state stands there once."""
    last = b""
    for one in ordered:
        if one != last:
            yield one[:HASH_BYTES], one[HASH_BYTES:].decode()
        last = one


def pinned_by(store: PostgresStore, peer: Peer, position: int | None) -> PrivateSet | None:
    """Give what a partner's log pinned, as it came with its proofs; None while it is not here."""
    entry = None if position is None else store.peer_entry(peer.origin, position)
    if entry is None:
        return None
    statement = entries.read(_payload(entry.envelope))
    if statement.kind != SET:
        raise ProofError(f"entry {position} of {peer.party} pins no set", where=f"entry {position}")
    return entries.body_as(statement, PrivateSet)


def _payload(envelope: bytes) -> bytes:
    from secretariat.ledger import dsse

    return dsse.payload_of(envelope)


def _partner(store: PostgresStore, party: str) -> Peer:
    peer = store.peer(party)
    if peer is None or peer.state != "accepted":
        raise NotFoundError(f"{party} is not an accepted partner", advice="secretariat peers list")
    return peer


def partner(store: PostgresStore, party: str) -> Peer:
    """Give an accepted partner; refuses any other."""
    return _partner(store, party)


# looking


def allowances(node: Node, realm: str) -> list[Allowance]:
    """Give what is turned on, by partner."""
    with node.database.app(realm) as tx:
        return tables.allowances(tx)


def list_questions(node: Node, realm: str) -> list[Question]:
    """Give every question of either side, newest first."""
    with node.database.app(realm) as tx:
        return tables.questions(tx)


def one_question(node: Node, realm: str, number: int) -> Question:
    """Give one question; refuses a number that is none."""
    with node.database.app(realm) as tx:
        found = tables.question(tx, number)
    if found is None:
        raise NotFoundError(f"no private question {number}", advice="secretariat questions list")
    return found


def decide(
    node: Node,
    realm: str,
    number: int,
    *,
    what: Literal["answer", "opening"],
    yes: bool,
    by: str,
    now: datetime,
) -> None:
    """Say as a person whether a partner's question is answered, or its matches are shown. Once."""
    with transaction(node, realm, now) as store:
        found = tables.question(store.tx, number, lock=True)
        if found is None or found.side != "answers":
            raise NotFoundError(f"no partner's private question {number}")
        if what == "answer":
            if found.state != "waiting":
                raise DeniedError(f"question {number} does not wait for an answer: {found.state}")
            state = "allowed" if yes else "refused"
            why = "" if yes else "a person said no"
            tables.change_question(store.tx, number, state=state, why=why, by=by)
        else:
            if found.stage != "wanted":
                raise DeniedError(f"question {number} does not wait for its matches to be shown")
            tables.change_question(store.tx, number, stage="allowed" if yes else "refused", by=by)
        act = f"private question {what} {'yes' if yes else 'no'}"
        detail = {"party": found.party, "type": found.type, "epoch": found.epoch}
        ledger.append(
            store.tx, store.keyring, [Draft("note", None, Note(act=act, by=by, detail=detail))], now=now
        )
        notify(store.tx, LIVE, live(kind="question", party=found.party))


def housekeeping(node: Node, realm: str, *, now: datetime) -> int:
    """End what the week ended, and destroy its sets, secrets and lists; gives how many sets went."""
    epoch = values.epoch_of(now)
    with node.database.app(realm) as tx:
        old = "WHERE epoch <> %s AND state IN ('waiting', 'allowed', 'ready', 'pinned')"
        for one in tables.questions(tx, old, [epoch]):
            tables.change_question(tx, one.id, state="refused", why="its week is over", done_at=now)
        return tables.forget(tx, epoch)
