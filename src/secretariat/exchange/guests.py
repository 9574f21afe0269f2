"""Guests: parties without a node that this node hosts. What the host does for them, and what it refuses.

Rules (decisions.md 5):

1. A guest is a party like any other: the same decision, default deny, the same grants and entries. Its
   entries and objects are signed with its own key, which the host keeps (ledger/guest_keys.py), and stand in
   the host's log. A `guest` entry names that key, with the guest's own signed word that it is hosted here.
2. Whoever says DO for a guest is a person of that guest (guest_view.py). A person of the host cannot,
   whatever its roles.
3. What a guest writes is kept under its name in the database: the host's pages and verbs do not see it, and a
   partner, the host too, gets it only by the guest's own grant.
4. Between the host and its guests nothing is sent; answers are signed all the same (guest_settling.py).
   With partners that accepted its introduction a guest deals as a party of its own (guest_feed.py).
5. A guest that moved or ended is signed for no more: its key is destroyed, persons and tokens end.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import grants
from secretariat.agreements import store as agreements
from secretariat.agreements.release import PUBLIC, Basis, Published, publish_in
from secretariat.agreements.service import with_members
from secretariat.agreements.workflow import for_two
from secretariat.base.clock import stamp
from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    SecretariatError,
    StateError,
)
from secretariat.exchange import enrolment, guest_meeting, guest_store, service
from secretariat.exchange import store as tables
from secretariat.exchange.guest_settling import settle
from secretariat.exchange.guest_store import Guest
from secretariat.exchange.guest_view import acting, view_of
from secretariat.exchange.withdrawal import Called
from secretariat.ledger import dsse, guest_keys, keys, revocation
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft
from secretariat.ledger.entries import Guest as GuestBody
from secretariat.ledger.keys import Keyring
from secretariat.ledger.node import Node
from secretariat.ledger.revocation import Reason, Revocation
from secretariat.people import service as people
from secretariat.people import store as people_store
from secretariat.people.model import Permission, Person, Role
from secretariat.records import collections
from secretariat.records.canonical import canonical
from secretariat.records.service import Settings, import_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    import sqlalchemy as sa

    from secretariat.ledger.keys import Signer
    from secretariat.records.result import ImportResult

STATEMENT_TYPE = "application/vnd.secretariat.guest+json"


class Hosted(msgspec.Struct, frozen=True):
    """A guest's own word: it is hosted by this party, in this log, and this is its key."""

    v: int
    act: str
    realm: str
    origin: str
    host: str
    party: str
    key: str
    at: str
    next: str = ""
    """The root key of the node it moves to, in hex; empty unless it moves."""


class Added(msgspec.Struct, frozen=True):
    """A guest that was added: its key in each realm."""

    party: str
    name: str
    keys: dict[str, str]


def hosted_statement(ring: Keyring, act: str, *, now: datetime, following: str = "") -> bytes:
    """Give a guest's signed word about where it is hosted."""
    assert ring.host is not None
    word = Hosted(
        1,
        act,
        ring.realm,
        ring.origin,
        ring.host.party,
        ring.party,
        ring.record.public.hex(),
        stamp(now),
        following,
    )
    return dsse.seal(canonical(msgspec.to_builtins(word)), STATEMENT_TYPE, ring.record)


def add(node: Node, party: str, *, name: str, by: str, now: datetime) -> Added:
    """Host a party without a node, in every realm of this node.

    Refuses this node's own party, a party with a node, a guest that is here already, and one that has moved.
    """
    if party == node.party:
        raise InputError(f"{party} runs this node", where="party", advice="a guest is another party")
    if not name.strip():
        raise InputError("a guest needs the name that pages show", where="name")
    made: dict[str, str] = {}
    for realm in node.settings.realms:
        host = node.keyring(realm)
        folder = keys.folder_of(node.settings.data, realm)
        with node.database.app(realm) as tx:
            _refuse_known(tx, party)
            ring = _key_of(folder, party, host)
            made[realm] = ring.record.key_id
            _add(tx, node, realm, ring, name.strip(), by, now)
    return Added(party, name.strip(), made)


def _load(node: Node, realm: str, party: str) -> Keyring:
    return guest_keys.load(keys.folder_of(node.settings.data, realm), party, node.keyring(realm))


def _refuse_known(tx: sa.Connection, party: str) -> None:
    if tables.read_peers(tx, "WHERE party = %s AND state <> 'removed'", [party]):
        raise ConflictError(
            f"{party} has a node of its own", where="party", advice="end that partnership first: peers remove"
        )
    held = guest_store.guest_of(tx, party)
    if held is not None:
        raise ConflictError(
            f"{party} is {held.state} here since {stamp(held.ended_at or held.since)[:10]}",
            where="party",
            advice="a party that left enrols with its own node: secretariat peers accept",
        )


def _key_of(folder: Any, party: str, host: Keyring) -> Keyring:
    """Make the key, or take the one an `add` left behind that did not end."""
    with suppress(SecretariatError):
        return guest_keys.load(folder, party, host)
    return guest_keys.create(folder, party, host)


def _add(tx: sa.Connection, node: Node, realm: str, ring: Keyring, name: str, by: str, now: datetime) -> None:
    host = node.keyring(realm)
    party = ring.party
    before = next((one for one in grants.parties(tx) if one.code == party), None)
    kind = before.kind if before else "agency"
    grants.keep_party(tx, party, name=name, kind=kind, facts={"host": node.party}, partner=True, now=now)
    for place, reader, publisher in (
        ("partner", party, node.party),
        ("partner", node.party, node.party),
        ("clear", "*", node.party),
        ("from_partners", node.party, node.party),
        ("own", party, party),
    ):
        collections.ensure(tx, place, reader, party=publisher, realm=realm)
    body = GuestBody(
        act="add",
        party=party,
        name=name,
        key=ring.record.public.hex(),
        statement=json.loads(hosted_statement(ring, "add", now=now)),
        reason=f"by {by}",
    )
    (entry,) = ledger.append(tx, host, [Draft("guest", None, body)], now=now)
    guest_store.write_guest(tx, Guest(party, name, ring.record.public, "hosted", entry.position, now))
    guest_store.move_place(tx, party, entry.position)
    if guest_store.place(tx, node.party) == 0:
        guest_store.move_place(tx, node.party, entry.position)
    _agree(tx, node, realm, ring, now)


def _agree(tx: sa.Connection, node: Node, realm: str, ring: Keyring, now: datetime) -> None:
    """Let host and guest take the recorded instruments as those between them, each with its own key."""

    def keep(partner: str, said: list[bytes]) -> None:
        agreements.keep_agreed(
            tx, partner=partner, by=partner, hashes=said, origin=ring.origin, position=-1, now=now
        )

    enrolment.state_agreed(tx, node, realm, ring.party, now=now)
    keep(ring.party, agreements.agreed_by(tx, ring.party, node.party))
    guest_store.in_keeping_of(tx, ring.party)
    enrolment.state_agreed(tx, view_of(node, realm, ring), realm, node.party, now=now)
    keep(node.party, agreements.agreed_by(tx, node.party, ring.party))
    guest_store.in_keeping_of(tx, "")


def agree_again(node: Node, realm: str, *, now: datetime) -> None:
    """Let host and guests take the instruments that are recorded now; finish what an ending left undone."""
    with node.database.app(realm) as tx:
        every = guest_store.guests(tx)
        for one in every:
            if one.state != "hosted":  # its `move` or `end` was killed before it came to this
                guest_keys.destroy(keys.folder_of(node.settings.data, realm), one.party)
        held = [one for one in every if one.state == "hosted"]
        if not held:
            return
        for one in held:
            hashes = [shown.hash for shown in enrolment.agreed_with(tx, one.party, now=now)]
            if agreements.agreed_by(tx, one.party, node.party) != hashes:
                _agree(tx, node, realm, _load(node, realm, one.party), now)
        partners = {one.party: guest_store.partners_of(tx, one.party) for one in held}
    for party in [party for party, found in partners.items() if found]:
        mine = view_of(node, realm, _load(node, realm, party))
        with mine.database.app(realm) as tx:
            for partner in partners[party]:
                enrolment.state_agreed(tx, mine, realm, partner, now=now)


def recipients(tx: sa.Connection, mine: Node, realm: str) -> list[str]:
    """Name the parties to whom a guest may release: its host, the host's other guests, some of its partners.

    They are those that accepted the guest's introduction: the others do not know its key.
    """
    host = mine.keyring(realm).host
    assert host is not None
    others = [one.party for one in guest_store.guests(tx, hosted_only=True) if one.party != mine.party]
    return [host.party, *others, *guest_store.partners_of(tx, mine.party)]


def listed(node: Node, realm: str) -> list[Guest]:
    """Give the guests of this node, those who left too."""
    with node.database.app(realm) as tx:
        return guest_store.guests(tx)


def add_person(
    node: Node,
    realm: str,
    party: str,
    *,
    login: str,
    name: str,
    password: str,
    roles: Iterable[Role],
    language: str = "en",
    by: str,
    now: datetime,
) -> Person:
    """Let a person of a guest sign in. Refuses a party that is no guest, and roles that run the node."""
    with node.database.app(realm) as tx:
        held = guest_store.guest_of(tx, party)
        if held is None or held.state != "hosted":
            raise NotFoundError(f"{party} is no guest here", where="party", advice="secretariat guests add")
        return people.add_person(
            tx,
            login=login,
            name=name,
            password=password,
            roles=roles,
            language=language,
            party=party,
            by=by,
            now=now,
        )


# what a guest does itself


def write(node: Node, realm: str, person: Person, stream: BinaryIO, *, now: datetime) -> ImportResult:
    """Keep a STIX bundle as drafts of the person's party."""
    mine = acting(node, realm, person, Permission.GUEST_WRITE)
    settings = Settings(
        party=mine.party,
        realm=realm,
        default_tlp=node.settings.default_tlp,
        ceiling=node.settings.ceiling,
        limits=node.settings.limits,
        beside=frozenset({node.party}),
    )
    with mine.database.app(realm) as tx:
        return import_in(tx, settings, stream, now=now)


def publish(
    node: Node,
    realm: str,
    person: Person,
    stix_id: str,
    *,
    to: Iterable[str] | None = None,
    purpose: str | None = None,
    now: datetime,
) -> Published:
    """Say DO for a guest: decide for every partner with the guest as sender, sign with its key, hand over.

    `*` in `to`, or no `to`, puts what is CLEAR into the host's public collection.

    Refuses what two persons must release: that needs a node of one's own, or an instrument that names less.
    """
    mine = acting(node, realm, person, Permission.GUEST_RELEASE)
    with mine.database.app(realm) as tx:
        versions = with_members(tx, [stix_id])
        if two := for_two(tx, mine, versions):
            raise DeniedError(
                "two persons must release this, and a guest's release takes one",
                where=two[0],
                advice="a node of its own can",
            )
        reach = recipients(tx, mine, realm)
        named = list(dict.fromkeys(to)) if to is not None else [*reach, PUBLIC]
        chosen = [code for code in named if code != PUBLIC]
        if beyond := sorted(set(chosen) - set(reach)):
            raise DeniedError(
                f"a guest's release does not reach {', '.join(beyond)}",
                where="to",
                advice="release it to the host, which may pass it on; or let them accept its introduction",
            )
        done = publish_in(
            tx,
            mine,
            realm,
            versions,
            to=chosen,
            public=PUBLIC in named,
            basis=Basis(by=person.login),
            purpose=purpose,
            now=now,
        )
    settle(node, realm, now=now)
    return done


def withdraw(node: Node, realm: str, person: Person, stix_id: str, *, reason: str, now: datetime) -> Called:
    """Withdraw what a guest published, from everybody who has it."""
    mine = acting(node, realm, person, Permission.GUEST_RELEASE)
    called = service.withdraw(mine, realm, stix_id, reason=reason, by=person.login, now=now)
    settle(node, realm, now=now)
    return called


def rekey(
    node: Node,
    party: str,
    *,
    since: datetime,
    reason: Reason,
    root: Signer | None = None,
    by: str,
    now: datetime,
) -> Added:
    """Replace a guest's key in every realm and say that the former counts no more since a moment.

    The entry and the newer introduction, signed by the new key and this node's root key, go to every partner
    that accepted the guest. Refuses a moment to come, and where the root key is away and not brought.
    """
    if since > now:
        raise InputError("a key is revoked from now on or since earlier", where="--since")
    if root is None and node.keyring(node.settings.realms[0]).root is None:
        raise StateError("the root key is not on this machine", advice="bring it: --root FILE")
    name = party
    made: dict[str, str] = {}
    for realm in node.settings.realms:
        settle(node, realm, now=now)
        folder = keys.folder_of(node.settings.data, realm)
        with node.database.app(realm) as tx:
            held = guest_store.guest_of(tx, party)
            if held is None or held.state != "hosted":
                raise NotFoundError(
                    f"{party} is no guest here", where=party, advice="secretariat guests list"
                )
            name, before = held.name, _load(node, realm, party)
            one = Revocation(before.record.key_id, "record", stamp(since), reason)
            ring = guest_keys.replace_key(folder, before, one, now=now)
            made[realm] = ring.record.key_id
            body = _rekeyed(ring, held, by, now)
            (entry,) = ledger.append(tx, node.keyring(realm), [Draft("guest", None, body)], now=now)
            fresh = msgspec.structs.replace(held, public=ring.record.public, entry=entry.position)
            guest_store.write_guest(tx, fresh)
    sealed, _words = guest_meeting.introduce(node, party, root=root, now=now)
    for realm in node.settings.realms:
        ring = _load(node, realm, party)
        with node.database.app(realm) as tx:
            told = guest_store.partners_of(tx, party)
            body = _rekeyed(ring, Guest(party, name, ring.record.public, "hosted", 0, now), by, now)
            drafts = [
                Draft("guest", one, msgspec.structs.replace(body, to=one, statement=json.loads(sealed)))
                for one in told
            ]
            ledger.append(tx, node.keyring(realm), drafts, now=now)
    return Added(party, name, made)


def _rekeyed(ring: Keyring, held: Guest, by: str, now: datetime) -> GuestBody:
    return GuestBody(
        act="rekey",
        party=held.party,
        name=held.name,
        key=ring.record.public.hex(),
        statement=json.loads(hosted_statement(ring, "rekey", now=now)),
        reason=f"by {by}",
        revoked=list(revocation.statements_of(ring.revoked)),
    )


# ending


def end(node: Node, party: str, *, reason: str, by: str, now: datetime) -> None:
    """Host a party no more: its persons and tokens end, its key is destroyed, it is granted nothing more."""
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            held = guest_store.guest_of(tx, party)
            if held is None or held.state != "hosted":
                raise NotFoundError(f"{party} is no guest here", where=party)
            leave(tx, node, realm, held, act="end", reason=f"{reason} (by {by})", now=now)
        guest_keys.destroy(keys.folder_of(node.settings.data, realm), party)


def leave(
    tx: sa.Connection,
    node: Node,
    realm: str,
    held: Guest,
    *,
    act: str,
    reason: str,
    now: datetime,
    statement: bytes | None = None,
) -> None:
    """Write down that a guest left, and close every way in; the caller destroys the key after the commit."""
    body = GuestBody(
        act="move" if act == "move" else "end",
        party=held.party,
        name=held.name,
        key=held.public.hex(),
        statement=None if statement is None else json.loads(statement),
        reason=reason,
    )
    ledger.append(tx, node.keyring(realm), [Draft("guest", None, body)], now=now)
    state: Any = "moved" if act == "move" else "ended"
    guest_store.write_guest(tx, msgspec.structs.replace(held, state=state, ended_at=now))
    grants.end_partner(tx, held.party)
    for person in people_store.persons_of(tx, held.party):
        if person.disabled_at is None:
            people.disable_person(tx, person.login, now=now)
    people_store.revoke_tokens_of(tx, held.party, now)
