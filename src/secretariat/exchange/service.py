"""What a node does with its partners: one verb, one transaction.

`make_page` and `take_page` are the two ends of the feed, `withdraw` and `narrow` call back, `holders` says
who has what. What was refused is recorded in a transaction of its own: the one that failed leaves nothing
behind.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import store as agreements
from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import DeniedError, NotFoundError, SecretariatError
from secretariat.exchange import (
    arrivals,
    enrolment,
    guest_meeting,
    guest_store,
    instruments,
    take,
    wire,
    withdrawal,
)
from secretariat.exchange import store as tables
from secretariat.exchange.guest_view import view
from secretariat.exchange.model import Holding, Peer, Refusal
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import PostgresStore, serving, transaction
from secretariat.exchange.proving import Ahead, prove_ahead
from secretariat.exchange.recomputing import rulings
from secretariat.exchange.riding import proof, take_word
from secretariat.exchange.speakers import speakers
from secretariat.exchange.take import OutOfStepError, PageRefusedError, Result
from secretariat.exchange.transfer import BY_HAND
from secretariat.exchange.wire import Cursor, Page, Place, Taken
from secretariat.exchange.withdrawal import Called
from secretariat.ledger import dsse, entries, object_signature, partners, witnessing
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Draft, Note, Statement, Suspect
from secretariat.ledger.following import ContradictionError
from secretariat.ledger.model import Contradiction
from secretariat.ledger.property_tree import SALT_BYTES, root_of
from secretariat.ledger.witness import RECOVERY, BehindError, StoppedError
from secretariat.records.stix import OBJECTS, check
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from secretariat.exchange.witnesses import Riding
    from secretariat.ledger.node import Node

log = logging.getLogger("secretariat.exchange")

_ORIGINATORS_MAX = 1_000
"""Whose objects of one page are proven ahead; those of others are when the page is taken."""
_ALWAYS_KEPT = frozenset({
    "type", "spec_version", "id", "created", "modified", "created_by_ref", "object_marking_refs",
})  # fmt: skip


class Holder(msgspec.Struct, frozen=True):
    """One line of the receipts of an object: who holds which version, by whose word, since when."""

    holder: str
    state: str
    via: str
    version: str
    root: str
    at: datetime | None
    note: str | None = None


class Contact(msgspec.Struct, frozen=True):
    """How a partner is: when it was last heard, how far we are with its log, what went wrong."""

    party: str
    name: str
    state: str
    url: str
    origin: str
    last_contact: datetime | None
    out_of_contact: bool
    last_error: str | None
    cursor: str
    size: int
    log_state: str
    reason: str | None
    via: str = ""
    """The party whose node is the mailbox between the two; BY_HAND: media are the only way; else nobody."""


class Proved(msgspec.Struct, frozen=True):
    """A page that was read, and what was proven of its objects before it is taken."""

    page: Page
    ahead: Ahead


def known_peer(node: Node, realm: str, party: str) -> Peer:
    """Give an enrolled partner. Refuses one that is not."""
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE party = %s AND state = 'accepted'", [party])
    if not found:
        raise NotFoundError(f"{party} is not enrolled here", advice="secretariat peers accept FILE")
    return found[0]


def root_key(node: Node, realm: str, party: str) -> bytes:
    """Give the root key a partner is bound to, in whatever state the partnership is."""
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE party = %s", [party])
    if not found:
        raise NotFoundError(f"{party} is not enrolled here", advice="secretariat peers list")
    return found[0].root_key


def make_page(
    node: Node, realm: str, party: str, after: Cursor, since: int, *, most: int | None = None, now: datetime
) -> tuple[bytes, int]:
    """Give the page that follows `after` for a partner as JSON, and how many entries it carries.

    `most` is a smaller limit of bytes than the node's own.
    """
    limits = node.settings.limits
    weight = min(most or limits.peer_page_bytes, limits.peer_page_bytes)
    with transaction(node, realm, now) as whole:
        _check_running(whole)
        _check_reached(whole, since)
        along = whole.riding(party)
    with serving(node, realm, party, now) as store:
        page = offer(
            store, party, after, since, max_objects=limits.peer_page_objects, max_bytes=weight, riding=along
        )
    return wire.encode(page), len(page.entries)


def _check_running(store: PostgresStore) -> None:
    if (why := store.stopped()) is not None:
        raise StoppedError(why, advice=RECOVERY)


def _check_reached(store: PostgresStore, since: int) -> None:
    """Refuse to sign less than a partner kept: it would suspend our log for taking back what it showed."""
    size = ledger.head(store.tx).size
    if since > size:
        raise OutOfStepError(
            f"you kept {since} entries of our log, we have {size}",
            where="size",
            advice="show the checkpoint that you kept (`witnessed`): it says whether this node was put back",
        )


def place(node: Node, realm: str, party: str, *, guest: str = "") -> Taken:
    """Say how far this node, or a guest of it, is with a partner's log."""
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE party = %s", [party])
        kept = partners.kept_log(tx, found[0].origin) if found else None
        at = guest_store.cursor(tx, guest, party) if guest else found[0].cursor if found else None
    if not found:
        raise NotFoundError(f"{party} is not enrolled here")
    return Taken(at or Cursor(), kept.size if kept else 0)


def place_told(node: Node, realm: str, party: str, *, guest: str = "", now: datetime) -> Place:
    """Say to a partner how far this node is with its log, with our word on it."""
    at = place(node, realm, party, guest=guest)
    with transaction(node, realm, now) as store:
        along = store.riding(party)
    told = wire.members_of(msgspec.structs.replace(along, seen=()))
    return Place(at.after, at.size, **told)


def along_to(node: Node, realm: str, party: str, *, now: datetime) -> Riding:
    """Give what rides along with a request to a partner."""
    with transaction(node, realm, now) as store:
        return store.riding(party)


def hear(node: Node, realm: str, party: str, brought: Riding, *, now: datetime) -> None:
    """Take what rode along with a partner's request or answer: its word on our log, and what it follows.

    Refuses with StoppedError from the moment on when it shows that this node was put back to an older state.
    """
    if not brought.witnessed and not brought.follows:
        return
    try:
        with transaction(node, realm, now) as store:
            peer = store.peer(party)
            if peer is not None and peer.state == "accepted":
                take_word(store, peer, brought)
    except BehindError as error:
        raise stop(node, realm, error) from error


def stop(node: Node, realm: str, error: BehindError) -> StoppedError:
    """Write nothing more in this realm, for good, and say why: to partners, on pages, to whoever acts."""
    node.stopped[realm] = error.what
    with node.database.app(realm) as tx:
        if witnessing.stop(tx, error.what):
            log.critical("%s, %s: %s (%s)", node.party, realm, error.what, RECOVERY)
            notify(tx, LIVE, live(kind="stopped"))
    return StoppedError(error.what, advice=RECOVERY)


def prove_page(node: Node, realm: str, data: bytes, *, now: datetime) -> Proved:
    """Read a page and prove its objects before it is taken: what costs time and changes nothing here."""
    page = wire.read_page(data)
    named = {one.originator for entry in page.entries for one in entry.objects if one.originator}
    with transaction(node, realm, now) as store:
        keys = {party: store.record_keys(party) for party in sorted(named)[:_ORIGINATORS_MAX]}
    return Proved(page, prove_ahead(page, lambda one: keys.get(one, {}), node.settings.limits, check))


def take_page(
    node: Node, realm: str, party: str, data: bytes | Proved, *, guest: str = "", now: datetime
) -> Result:
    """Check a page of `party` for this node, or for a guest of it, and keep what it brings; one transaction.

    A page that is refused leaves only the refusal; a log that takes back what it showed is suspended, with
    both checkpoints as evidence, and nothing more of it is believed before a person resumes it.
    """
    page, ahead = (wire.read_page(data), None) if isinstance(data, bytes) else (data.page, data.ahead)
    mine = view(node, realm, guest) if guest else node
    try:
        with transaction(mine, realm, now) as store:
            _check_running(store)
            peer = store.lock_peer(party)
            if peer is None or peer.state != "accepted":
                raise DeniedError(f"{party} is not an accepted partner", advice="secretariat peers list")
            ledger_store.lock_peer_log(store.tx, peer.origin)
            _take_new_keys(store, peer, page)
            result = take.take(
                store,
                peer,
                page,
                recompute=functools.partial(rulings, store),
                limits=node.settings.limits,
                now=now,
                check=check,
                ahead=ahead,
            )
            changed = [_note_other(store, peer, position, statement) for position, statement in result.others]
            if any(changed):
                store.lock()
                store.append(arrivals.retry(store, functools.partial(rulings, store), now))
            if result.outcomes.get("waiting"):
                instruments.renew(store, party, now)
            tables.note_contact(store.tx, party, at=now, error=None)
            if result.entries and not guest:
                notify(store.tx, LIVE, live(kind="page", party=party, entries=result.entries))
    except PageRefusedError as error:
        _record_refusal(node, realm, party, page.checkpoint, error, now)
        raise
    except BehindError as error:
        raise stop(node, realm, error) from error
    return result


def _take_new_keys(store: PostgresStore, peer: Peer, page: Page) -> None:
    """Take the new keys of the partner's guests before the page is verified: they may speak in it already.

    They stand under the host's root key and need no proof of the log; a page that is refused takes them back.
    """
    if all(one.host != peer.party for one in store.hosted().values()):
        return
    for carried in page.entries:
        if carried.envelope is msgspec.UNSET or carried.objects:
            continue
        with contextlib.suppress(SecretariatError):
            said = entries.read(dsse.payload_of(bytes(carried.envelope)))
            if said.kind == "guest":
                guest_meeting.renew(store, peer, entries.body_as(said, entries.Guest))


def _record_refusal(
    node: Node, realm: str, party: str, shown: str, error: PageRefusedError, now: datetime
) -> None:
    with transaction(node, realm, now) as store:
        store.refuse(
            [
                Refusal(
                    party=party,
                    code=error.code,
                    what=error.what,
                    where=error.where,
                    advice=error.advice,
                    position=error.position,
                    evidence=shown.encode() if error.suspends else b"",
                )
            ]
        )
        tables.note_contact(store.tx, party, at=None, error=str(error))
        peer = store.peer(party)
        kept = store.kept_log(peer.origin) if peer is not None else None
        if error.suspends and kept is not None and kept.suspended is None:
            partners.suspend(store.tx, kept.origin, error.what)
            if peer is not None and error.code == ContradictionError.code:
                one, other = (proof(peer, note) for note in (kept.note, shown.encode()))
                store.keep_contradiction(Contradiction(kept.origin, party, kept.size, one, other, party, now))
            suspect = Suspect(party=party, kept=kept.note.decode(), shown=shown, reason=error.what)
            ledger.append(store.tx, store.keyring, [Draft("suspect", None, suspect)], now=now)
        notify(store.tx, LIVE, live(kind="refusal", party=party))


def _note_other(store: PostgresStore, peer: Peer, position: int, statement: Statement) -> bool:
    """Take notice of an entry that brings no objects; True when something that waits may go on."""
    speaker = speakers(store, peer).get(statement.party, peer)
    try:
        return _noted(store, speaker, position, statement)
    except SecretariatError as error:
        store.refuse([take.bad_entry(speaker, position, error)])
        return False


def _noted(store: PostgresStore, peer: Peer, position: int, statement: Statement) -> bool:
    if statement.kind == "consent":
        body = entries.body_as(statement, entries.Consent)
        if body.to_reader is not None:
            agreements.keep_consent(
                store.tx,
                by=peer.party,
                to=body.to_reader,
                roots=body.objects,
                state="withdrawn" if body.withdrawn else "given",
                until=None if body.until is None else parse_stamp(body.until),
                purpose=body.purpose if isinstance(body.purpose, str) else None,
                origin=peer.origin,
                position=position,
                now=statement.at,
            )
    elif statement.kind == "instrument-agreed":
        named = instruments.named_by(entries.body_as(statement, entries.InstrumentAgreed).instruments)
        enrolment.note_agreed(store.tx, peer, position, statement, now=store.now)
        if not peer.host:  # whoever hosts it names the same texts and is asked for them
            instruments.note_wanted(store, peer.party, named, store.now)
        return True
    elif statement.kind == "guest":  # taken before (`_take_new_keys`); here a refusal is recorded
        guest_meeting.renew(store, peer, entries.body_as(statement, entries.Guest))
    elif statement.kind == "enrol":
        body_of = entries.body_as(statement, entries.Enrol)
        guest = guest_store.guest_of(store.tx, body_of.party)
        if body_of.act == "accept" and guest is not None and guest.state == "hosted":
            guest_store.add_partner(store.tx, guest.party, peer.party, store.now)
    return False


def consent(
    node: Node,
    realm: str,
    stix_id: str,
    *,
    via: str,
    to: str,
    purpose: str | None = None,
    until: str | None = None,
    withdrawn: bool = False,
    now: datetime,
) -> int:
    """As originator, let `via` pass every version of an object on to `to`, or take that back; give its place.

    Refuses what is not ours and a relay that was not granted it.
    """
    with transaction(node, realm, now) as store:
        own = [one for one in store.history(stix_id) if one.originator == store.party]
        if not own:
            raise DeniedError(f"{stix_id} is not ours: only its originator consents")
        held = set(store.recipients([one.root for one in own if one.root]).get(via, ()))
        if not held:
            raise NotFoundError(f"{via} was not granted {stix_id}", advice="release it to the relay first")
        body = entries.Consent(
            to=via,
            objects=sorted(root.hex() for root in held),
            to_reader=to,
            purpose=purpose,
            until=None if until is None else stamp(withdrawal.end_of(until)),
            withdrawn=withdrawn,
        )
        return store.append([Outgoing("consent", via, body)])[0]


def withdraw(node: Node, realm: str, stix_id: str, *, reason: str, by: str, now: datetime) -> Called:
    """Withdraw every published version of an own object from everybody; refuses as withdrawal.py says."""
    with transaction(node, realm, now) as store:
        store.lock()
        called = withdrawal.withdraw(
            store, stix_id, reason=reason, now=now, required=_kept_properties, seal=_sealer(store)
        )
        _note_act(store, "withdraw", by, called, reason)
    return called


def narrow(node: Node, realm: str, stix_id: str, *, to: str, reason: str, by: str, now: datetime) -> Called:
    """Take the grant of an object back from one party."""
    with transaction(node, realm, now) as store:
        store.lock()
        called = withdrawal.narrow(store, stix_id, to=to, reason=reason, now=now)
        _note_act(store, "narrow", by, called, reason)
    return called


def narrow_some(
    node: Node,
    realm: str,
    wanted: Mapping[str, Collection[bytes]],
    *,
    to: Sequence[str],
    reason: str,
    by: str,
    now: datetime,
) -> list[Called]:
    """Take the grants of chosen versions back from chosen parties, all of it or nothing.

    `wanted` names the roots per object; a party that was not granted one of them is passed over. Refuses
    when nothing of it was granted to anybody chosen.
    """
    done = []
    with transaction(node, realm, now) as store:
        store.lock()
        for stix_id, roots in wanted.items():
            held = store.recipients(list(roots))
            for party in to:
                if held.get(party):
                    called = withdrawal.narrow(
                        store, stix_id, to=party, reason=reason, now=now, only=held[party]
                    )
                    _note_act(store, "narrow", by, called, reason)
                    done.append(called)
        if not done:
            raise NotFoundError("none of this was granted to them from here")
    return done


def _note_act(store: PostgresStore, act: str, by: str, called: Called, reason: str) -> None:
    detail = {"asked": called.asked, "cannot_answer": called.cannot_answer, "reason": reason}
    store.append([Outgoing("note", None, Note(act=act, by=by, detail=detail))])
    notify(store.tx, LIVE, live(kind=act, object=called.stix_id))


def _kept_properties(kind: str) -> Collection[str]:
    """Name what a revoked version keeps: what STIX requires of its type, who made it, how it is marked."""
    shape = OBJECTS.get(kind)
    fields = msgspec.structs.fields(shape) if shape is not None else ()
    stated = {one.encode_name for one in fields if one.required}
    return stated | _ALWAYS_KEPT | (frozenset() if shape is not None else {"name", "extensions"})


def _sealer(store: PostgresStore) -> withdrawal.Seal:
    def seal(value: dict[str, Any], data: bytes) -> tuple[bytes, bytes, bytes]:
        salt = secrets.token_bytes(SALT_BYTES)
        root = root_of(data, salt)
        return root, salt, object_signature.sign_object(value, root, store.keyring.record)

    return seal


def holders(node: Node, realm: str, stix_id: str, *, now: datetime) -> list[Holder]:
    """Say who holds which version of an object, by its own signed word or because it was granted.

    `granted` = it may read it and has said nothing yet. Also answers for objects that were withdrawn, from
    the word of those who held them. Refuses an object that was never here.
    """
    with transaction(node, realm, now) as store:
        history = store.history(stix_id)
        if not history:
            raise NotFoundError(f"no object {stix_id} here")
        # The revoked version is only a sign for stock clients: what was called back are the others.
        versions = {one.root: one.version for one in history if one.root and not one.revoked}
        said: dict[tuple[bytes, str], Holding] = {
            (one.root, one.holder): one for one in store.holdings(list(versions))
        }
        found = [
            Holder(one.holder, one.state, one.via, versions[one.root], one.root.hex(), one.at, one.note)
            for one in said.values()
        ]
        for party, roots in store.recipients(list(versions)).items():
            found += [
                Holder(party, "granted", store.party, versions[root], root.hex(), None)
                for root in roots
                if (root, party) not in said and party != withdrawal.EVERYBODY
            ]
    return sorted(found, key=lambda one: (one.version, one.holder))


def contacts(node: Node, realm: str, *, now: datetime) -> list[Contact]:
    """Say how every partner is."""
    oldest = now - timedelta(seconds=node.settings.limits.checkpoint_age_s)
    with node.database.app(realm) as tx:
        peers = tables.read_peers(tx)
        logs = {one.origin: one for one in partners.kept_logs(tx)}
    return [_contact(one, logs, oldest) for one in peers]


def _contact(peer: Peer, logs: Mapping[str, Any], oldest: datetime) -> Contact:
    log = logs.get(peer.origin)
    silent = peer.last_contact is None or peer.last_contact < oldest
    return Contact(
        party=peer.party,
        name=peer.name,
        state=peer.state,
        url=peer.url,
        origin=peer.origin,
        last_contact=peer.last_contact,
        out_of_contact=peer.state == "accepted" and peer.via != BY_HAND and silent,
        last_error=peer.last_error,
        cursor=str(peer.cursor),
        size=log.size if log else 0,
        log_state=log.state if log else "none",
        reason=peer.reason or (log.reason if log else None),
        via=peer.via,
    )


def refusals(node: Node, realm: str, *, party: str | None = None) -> list[tables.Refused]:
    """Give what was refused of partners, newest first."""
    with node.database.app(realm) as tx:
        return tables.read_refusals(tx, party=party)


def suspend(node: Node, realm: str, party: str, *, reason: str, by: str, now: datetime) -> None:
    """Offer nothing to a partner and believe nothing of it until it is resumed; grants to it wait."""
    with transaction(node, realm, now) as store:
        peer = tables.lock_peer(store.tx, party)
        if peer is None or peer.state != "accepted":
            raise NotFoundError(f"{party} is not an accepted partner", advice="secretariat peers list")
        store.save_peer(msgspec.structs.replace(peer, state="suspended", reason=reason))
        enrol = entries.Enrol(act="suspend", party=party, origin=peer.origin, reason=f"{reason} (by {by})")
        store.append([Outgoing("enrol", None, enrol)])


def resume(node: Node, realm: str, party: str, *, by: str, now: datetime) -> None:
    """Believe a partner's log again, from the checkpoint that was kept: a person's decision."""
    with transaction(node, realm, now) as store:
        peer = tables.lock_peer(store.tx, party)
        if peer is None or peer.state == "removed":
            raise NotFoundError(f"{party} is not a partner", advice="secretariat peers accept FILE")
        if store.kept_log(peer.origin) is not None:
            partners.resume(store.tx, peer.origin)
        store.save_peer(msgspec.structs.replace(peer, state="accepted", reason=None))
        enrol = entries.Enrol(act="resume", party=party, origin=peer.origin, reason=f"by {by}")
        store.append([Outgoing("enrol", None, enrol)])


__all__ = ["SecretariatError", "holders", "make_page", "narrow", "take_page", "withdraw"]
