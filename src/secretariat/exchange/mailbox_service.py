"""What a node does with mail: one verb, one transaction (rules: mailbox.py).

`write_letters`, `note_posted` and `read_letter` are the correspondent's, `post`, `collect`, `allow`, `forbid`
and `shares` the mailbox's.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    SecretariatError,
    StateError,
)
from secretariat.exchange import enrolment, letters, mailbox, mailbox_store, renewal, service, wire
from secretariat.exchange import store as tables
from secretariat.exchange.enrolment import open_descriptor
from secretariat.exchange.letters import LetterError
from secretariat.exchange.model import Refusal
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import OutOfStepError, PageRefusedError
from secretariat.exchange.transfer import BY_HAND
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Note
from secretariat.storage.feed import FEED, LIVE, live, notify

if TYPE_CHECKING:
    from secretariat.exchange.letters import Collected, Have, Held, Letter, Posted, Sealed
    from secretariat.exchange.mailbox import Mail, Step
    from secretariat.exchange.model import Peer
    from secretariat.exchange.peers import Store
    from secretariat.exchange.wire import Page, Taken
    from secretariat.ledger.node import Node


class Outgoing(msgspec.Struct, frozen=True):
    """A letter to post: for whom, its number, and its bytes."""

    party: str
    number: int
    box: bytes


class Correspondence(msgspec.Struct, frozen=True):
    """How mail with one partner stands, for people: through whom, and how much it has not confirmed."""

    party: str
    via: str
    last_written: datetime | None
    last_read: datetime | None
    unconfirmed: bool
    waits_to_be_posted: bool


def partners_via(node: Node, realm: str, via: str | None = None) -> list[Peer]:
    """Give the partners reached through a mailbox, or through that of `via`."""
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE state = 'accepted' AND via <> ''")
    return [one for one in found if via is None or one.via == via]


def write_letter(node: Node, realm: str, peer: Peer, *, now: datetime) -> Outgoing | None:
    """Give the letter for a partner that is to be posted now, the one that waits or a new one, if any.

    A new letter is kept before it is given: after a crash the same bytes are posted again.
    """
    with transaction(node, realm, now) as store:
        before = store.mail(peer.party)
        if before.box:
            return Outgoing(peer.party, before.number, before.box)

        def news(sent: Taken) -> bool:
            return next(iter(store.addressed(peer.party, sent.after.position)), None) is not None

        place = _place(store, peer)
        mail, kind = mailbox.step(before, place, news, node.settings.limits, now)
    if kind is None:
        return None
    data, page = b"", None
    if kind == "page":
        sent = mail.sent
        data, _ = service.make_page(node, realm, peer.party, sent.after, sent.size, now=now)
        page = wire.read_page(data)
    with transaction(node, realm, now) as store:
        current = store.lock_mail(peer.party)
        if current != before:  # a letter was read meanwhile: ask again
            return None
        written = _compose(node, realm, peer, mail, place, page, data, now)
        store.save_mail(written)
    return Outgoing(peer.party, written.number, written.box)


def _place(store: Store, peer: Peer) -> Taken:
    kept = store.kept_log(peer.origin)
    held = store.peer(peer.party)
    assert held is not None
    return wire.Taken(held.cursor, kept.size if kept else 0)


def _compose(
    node: Node,
    realm: str,
    peer: Peer,
    mail: Mail,
    place: Taken,
    page: Page | None,
    data: bytes,
    now: datetime,
) -> Mail:
    if not peer.sealing_keys:
        raise StateError(
            f"{peer.party} has no sealing key",
            advice="accept its newest descriptor: secretariat peers accept",
        )
    key = next(iter(peer.sealing_keys.items()))
    ring = node.keyring(realm)
    statement = None
    if mail.known != mailbox.keys_of(ring):
        with contextlib.suppress(StateError):  # the root key is kept elsewhere: the partner accepts a file
            statement = enrolment.describe(node, now=now)
    return mailbox.compose(mail, place, page, data, ring=ring, key=key, now=now, statement=statement)


def note_posted(node: Node, realm: str, party: str, number: int, *, now: datetime) -> None:
    """Note that the mailbox took a letter."""
    with transaction(node, realm, now) as store:
        store.save_mail(mailbox.posted(store.lock_mail(party), number))


def note_not_posted(
    node: Node, realm: str, party: str, error: SecretariatError, *, drop: bool, now: datetime
) -> None:
    """Say at the partner why its letter lies here; `drop` it where the mailbox will never take it."""
    with transaction(node, realm, now) as store:
        tables.note_contact(store.tx, party, at=None, error=f"{error.code}: {error}")
        if drop:
            mail = store.lock_mail(party)
            store.save_mail(
                msgspec.structs.replace(mail, box=b"", sent=mail.confirmed, ahead=0, tries=mail.tries + 1)
            )


def heard(node: Node, realm: str, via: str, *, now: datetime) -> Have:
    """Give the numbers of the letters that were read, by writer: what the mailbox need not keep."""
    with transaction(node, realm, now) as store:
        found = {one.party: store.mail(one.party).heard for one in store.peers() if one.via == via}
    return letters.Have({party: number for party, number in found.items() if number})


def read_letter(
    node: Node, realm: str, via: str, held: Held, *, now: datetime
) -> Literal["read", "replayed", "broken"]:
    """Read a letter that the mailbox of `via` gave, keep its page, and note what it says of our log.

    What proves nothing is recorded as a refusal and says so; it changes nothing else.
    """
    sealed = held.letter
    try:
        peer = _writer(node, realm, via, sealed)
        letter = _open(node, realm, peer, sealed, now)
        with transaction(node, realm, now) as store:
            mail = store.mail(peer.party)
            place = _place(store, peer)
            gap = mailbox.missing(mail, letter)
            mailbox.hear(mail, letter, now)
    except LetterError as error:
        _refuse(node, realm, sealed.party, via, error, now)
        return "replayed" if error.code == "letter-replayed" else "broken"
    except (ProofError, ConflictError, DeniedError, InputError) as error:  # the statement of keys in it
        broken = LetterError("letter-broken", error.what, where=error.where, advice=error.advice)
        _refuse(node, realm, sealed.party, via, broken, now)
        return "broken"
    if gap is not None:
        advice = f"{via}'s node lost, held back or destroyed them; what mattered is sent again"
        missed = LetterError("letter-missing", gap, where="previous", advice=advice)
        _refuse(node, realm, peer.party, via, missed, now)
    became = _take(node, realm, peer, letter, place, now)
    with transaction(node, realm, now) as store:
        heard_of = mailbox.hear(store.lock_mail(peer.party), letter, now)
        store.save_mail(mailbox.went(heard_of, became))
        if became != "refused" and gap is None:
            tables.note_contact(store.tx, peer.party, at=now, error=None)
        elif became != "refused":
            tables.note_contact(store.tx, peer.party, at=now, error=gap)
    return "read"


def _writer(node: Node, realm: str, via: str, sealed: Sealed) -> Peer:
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE party = %s AND state = 'accepted'", [sealed.party])
    if not found or found[0].via != via or (sealed.realm, sealed.to) != (realm, node.party):
        raise LetterError(
            "letter-broken",
            f"a letter of {sealed.party} for {sealed.to} in {sealed.realm!r} came by way of {via}",
            where="cover",
            advice="secretariat peers accept FILE --via PARTY, when it is right",
        )
    return found[0]


def _open(node: Node, realm: str, peer: Peer, sealed: Sealed, now: datetime) -> Letter:
    """Open a letter; under a key that is not known, take the new keys that it states under the root key."""
    keys = node.keyring(realm).sealing
    if keys is None:
        raise LetterError(
            "letter-broken", "this node has no sealing key", advice="secretariat keys rotate sealing"
        )
    statement = letters.statement_of(sealed, keys)
    if statement is not None and open_descriptor(statement).party == peer.party:
        renewal.renew(node, realm, statement, now=now)
        peer = service.known_peer(node, realm, peer.party)
    return letters.open_letter(sealed, keys, peer.transport_keys)


def _take(node: Node, realm: str, peer: Peer, letter: Letter, place: Taken, now: datetime) -> Step | None:
    if letter.page is msgspec.UNSET:
        return None
    data = bytes(letter.page)
    try:
        page = wire.read_page(data)
        service.take_page(node, realm, peer.party, data, now=now)
    except OutOfStepError:
        return mailbox.out_of_step(page, place)
    except PageRefusedError:
        return "refused"  # recorded by take_page
    except DeniedError:
        return "refused"
    except SecretariatError as error:
        if error.status >= 500:
            raise
        broken = LetterError("letter-broken", error.what, where=error.where, advice=error.advice)
        _refuse(node, realm, peer.party, peer.via, broken, now)
        return "refused"
    return "kept"


def _refuse(node: Node, realm: str, party: str, via: str, error: LetterError, now: datetime) -> None:
    """Record a letter that was refused, under its alleged writer; a broken one is asked for again."""
    with transaction(node, realm, now) as store:
        known = store.peer(party)
        about = party if known is not None and known.via == via else via
        what = f"by the mailbox of {via}: {error.what}"
        store.refuse(
            [Refusal(party=about, code=error.code, what=what, where=error.where, advice=error.advice)]
        )
        tables.note_contact(store.tx, about, at=None, error=f"{error.code}: {what}")
        if error.code == "letter-broken" and about == party:
            store.save_mail(msgspec.structs.replace(store.lock_mail(party), again=True))
        notify(store.tx, LIVE, live(kind="refusal", party=about))


def correspondences(node: Node, realm: str, *, now: datetime) -> list[Correspondence]:
    """Say how mail with every partner that is reached through a mailbox stands."""
    with transaction(node, realm, now) as store:
        pairs = [(one, store.mail(one.party)) for one in store.peers() if one.via not in {"", BY_HAND}]
    return [
        Correspondence(
            one.party, one.via, mail.wrote_at, mail.heard_at, mail.sent != mail.confirmed, bool(mail.box)
        )
        for one, mail in pairs
    ]


def post(node: Node, realm: str, caller: str, letter: Sealed, *, now: datetime) -> Posted:
    """Keep a letter of a partner for another, and wake its reader."""
    with transaction(node, realm, now) as store:
        answer, fresh = mailbox.post(store, caller, letter, realm, node.settings.limits, now)
        if fresh:
            notify(store.tx, FEED, letter.to)
    return answer


def collect(node: Node, realm: str, caller: str, have: Have, *, now: datetime) -> None:
    """Destroy what a reader says it has."""
    with transaction(node, realm, now) as store:
        mailbox.collect(store, caller, have)


def hand_out(node: Node, realm: str, caller: str) -> Collected:
    """Give what waits for a reader, as the database shows it to that reader."""
    with node.database.peer(realm, caller) as tx:
        found = mailbox_store.read_letters(tx, realm, caller, mailbox.HANDED_OUT + 1)
    return mailbox.hand_out(found, node.settings.limits)


def allow(node: Node, realm: str, party: str, *, by: str, now: datetime) -> None:
    """Let an enrolled partner use this node's mailbox; the act is an entry of the own log."""
    with transaction(node, realm, now) as store:
        peer = store.peer(party)
        if peer is None or peer.state != "accepted":
            raise NotFoundError(f"{party} is not an accepted partner", advice="secretariat peers list")
        store.allow_mail(party, by)
        ledger.append(store.tx, store.keyring, [_note("mailbox allow", party, by)], now=now)


def forbid(node: Node, realm: str, party: str, *, by: str, now: datetime) -> None:
    """Let a partner use this node's mailbox no longer; what it wrote and what waits for it is destroyed."""
    with transaction(node, realm, now) as store:
        if party not in store.mail_users():
            raise NotFoundError(f"{party} does not use this mailbox", advice="secretariat mailbox list")
        store.forbid_mail(party)
        ledger.append(store.tx, store.keyring, [_note("mailbox forbid", party, by)], now=now)


def _note(act: str, party: str, by: str) -> Draft:
    return Draft("note", None, Note(act=act, by=by, detail={"party": party}))


def shares(node: Node, realm: str) -> list[mailbox_store.Share]:
    """Say who may use this node's mailbox and what waits there."""
    with node.database.app(realm) as tx:
        return mailbox_store.shares(tx)


def expire(node: Node, realm: str, *, now: datetime) -> int:
    """Destroy letters that nobody collected in time; gives how many."""
    with transaction(node, realm, now) as store:
        return store.expire_letters(now - timedelta(seconds=node.settings.limits.mailbox_age_s))
