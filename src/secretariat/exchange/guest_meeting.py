"""How a partner's node learns that a party is hosted, and by which key it speaks (decisions.md 5).

Rules:

1. The host writes an introduction: party, host, the guest's key and log per realm. The guest's key signs it,
   and the host's root key countersigns: neither can say it alone.
2. It is taken like a descriptor: with the twelve words of the guest's key, read over a second channel by a
   person of the guest. The host must be an enrolled partner under that very root key.
3. A party is bound to its first key and host. Another host that claims it, or another key under its code, is
   refused; so is a party that has a node here, or is this node's own guest.
4. From then on this node believes what the guest signed: objects that the host passes on, the guest's own
   word inside the host's receipts, and the guest's entries in the host's log (speakers.py).
5. From then on the guest may be granted objects as a party of its own; the host fetches them for it
   (guest_feed.py). The host is told by an entry, and so are the instruments between the two.
6. A guest's key is replaced and revoked by its host, who holds it, under the host's root key (guests.py): a
   newer introduction, signed by the new key and that root key, names the former keys and which of them count
   no more. It comes by an entry of the host and needs no words again; another host's changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements import grants
from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    StateError,
)
from secretariat.exchange import disowning_service, enrolment, guest_store
from secretariat.exchange import store as tables
from secretariat.exchange.fingerprint import fingerprint, same_fingerprint
from secretariat.exchange.guest_store import Met
from secretariat.exchange.guest_view import view
from secretariat.exchange.postgres import PostgresStore
from secretariat.ledger import dsse, revocation, statements
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Draft, Enrol
from secretariat.ledger.keys import key_id
from secretariat.ledger.revocation import Revocation
from secretariat.ledger.statements import INTRODUCTION_TYPE
from secretariat.records import collections
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.exchange.model import Peer
    from secretariat.ledger.entries import Guest
    from secretariat.ledger.keys import Signer
    from secretariat.ledger.node import Node


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a guest speaks in one realm: the host's log, and the guest's key."""

    origin: str
    key: str
    former: list[str] = []
    """Its keys before, in hex; from `since_entry` of that log on they sign nothing."""
    since_entry: int | None = None
    revoked: list[Revocation] = []


class Introduction(msgspec.Struct, frozen=True):
    """A hosted party, as its host and itself introduce it."""

    v: int
    party: str
    name: str
    host: str
    made_at: str
    realms: dict[str, Place]


def introduce(node: Node, party: str, *, root: Signer | None = None, now: datetime) -> tuple[bytes, str]:
    """Give a guest's introduction for partners, and the words that a person of the guest reads to them.

    `root` is the host's root key where it was brought for this step.
    """
    root = root or node.keyring(node.settings.realms[0]).root
    if root is None:
        raise StateError("the root key is not on this machine", advice="bring root.pem for this one step")
    rings = {realm: view(node, realm, party).keyring(realm) for realm in node.settings.realms}
    places: dict[str, Place] = {}
    name = party
    for realm, ring in rings.items():
        with node.database.app(realm) as tx:
            held = guest_store.guest_of(tx, party)
        assert held is not None
        name = held.name
        places[str(realm)] = Place(
            ring.origin,
            ring.record.public.hex(),
            [public.hex() for public in ring.retired.values()],
            held.entry if ring.retired else None,
            list(revocation.statements_of(ring.revoked)),
        )
    said = Introduction(1, party, name, node.party, stamp(now), places)
    first = rings[node.settings.realms[0]].record
    sealed = dsse.seal(canonical(msgspec.to_builtins(said)), INTRODUCTION_TYPE, first)
    return dsse.add_signature(sealed, root), fingerprint(party, first.public)


def is_introduction(sealed: bytes) -> bool:
    """Whether a file introduces a guest; else it is a descriptor."""
    return dsse.parse(sealed).payload_type == INTRODUCTION_TYPE


def meet(node: Node, sealed: bytes, words: str | None, *, now: datetime) -> Introduction:
    """Take a partner's guest as that; refuses as the rules above say."""
    try:
        said = msgspec.json.decode(dsse.payload_of(sealed), type=Introduction)
        public = bytes.fromhex(said.realms[node.settings.realms[0]].key)
        every = {realm: bytes.fromhex(one.key) for realm, one in said.realms.items()}
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise InputError(f"not an introduction: {error}", where="file") from error
    if said.party == node.party:
        raise InputError("this introduces your own party", advice="you have a node: nobody hosts you")
    if words is None or not same_fingerprint(said.party, public, words):
        raise DeniedError(
            f"the words are not those of the key of {said.party}",
            where="--fingerprint",
            advice="ask a person of that party to read them again, not one of its host",
        )
    for realm in node.settings.realms:
        if realm in every:
            with node.database.app(realm) as tx:
                _meet(tx, node, realm, said, sealed, public, every[realm], now)
    return said


def _meet(
    tx: sa.Connection,
    node: Node,
    realm: str,
    said: Introduction,
    sealed: bytes,
    first: bytes,
    public: bytes,
    now: datetime,
) -> None:
    peers = {one.party: one for one in tables.read_peers(tx, "WHERE state = 'accepted'")}
    host = peers.get(said.host)
    if host is None:
        raise NotFoundError(f"its host {said.host} is not enrolled here", advice="secretariat peers accept")
    held = dsse.unseal(
        sealed, {key_id(first): first, key_id(host.root_key): host.root_key}, INTRODUCTION_TYPE
    )
    if set(held.key_ids) != {key_id(first), key_id(host.root_key)}:
        raise ProofError(f"not signed by both {said.party} and its host {said.host}", where="signatures")
    if said.realms[realm].origin != host.origin:
        raise ProofError(f"{said.host}'s log is {host.origin}, not {said.realms[realm].origin}")
    before = guest_store.met(tx, said.party)
    if before is not None and before.host == said.host and before.public != public:
        peer = guest_store.as_peer(before, host.origin, realm)
        _renewed(PostgresStore(node, realm, tx, now), host, peer, sealed)
        return
    if said.party in peers or guest_store.guest_of(tx, said.party) is not None:
        raise ConflictError(f"{said.party} has a node, or is a guest here", where="party")
    if before is not None and (before.host, before.public) != (said.host, public):
        raise ConflictError(
            f"{said.party} is known here as a guest of {before.host} with the key {key_id(before.public)}",
            where="party",
            advice="one party has one voice: ask it which host is its own",
        )
    grants.keep_party(
        tx, said.party, name=said.name, kind="agency", facts={"host": said.host}, partner=True, now=now
    )
    collections.ensure(tx, "partner", said.party, party=node.party, realm=realm)
    guest_store.write_met(tx, Met(said.party, said.name, said.host, public, sealed, now))
    ledger_store.add_statement(  # with the partner's own: its log is proven by them, guests included
        tx, origin=host.origin, party=said.party, made_at=parse_stamp(said.made_at), sealed=sealed, now=now
    )
    act = Enrol(
        act="accept",
        party=said.party,
        root_key=public.hex(),
        origin=host.origin,
        to=said.host,
        reason="hosted",
    )
    ledger.append(tx, node.keyring(realm), [Draft("enrol", said.host, act)], now=now)
    enrolment.state_agreed(tx, node, realm, said.party, now=now)


def renew(store: PostgresStore, peer: Peer, body: Guest) -> None:
    """Take the new key of a partner's guest out of the partner's own entry (rule 6).

    Passed over where this node is not addressed, or never accepted that guest's introduction.
    """
    known = store.hosted().get(body.party)
    if body.act != "rekey" or body.to != store.party or known is None:
        return
    if known.host != peer.party:
        raise DeniedError(f"{peer.party} is not the host of {body.party}", where="party")
    host = store.peer(peer.party)
    assert host is not None
    _renewed(store, host, known, canonical(body.statement))


def _renewed(store: PostgresStore, host: Peer, before: Peer, sealed: bytes) -> None:
    """Put a guest's newer introduction in the place of the one that is kept, and do what it revokes."""
    said = statements.read_introduction(sealed, store.realm, host.root_key)
    held = guest_store.met(store.tx, before.party)
    assert held is not None
    if (said.party, said.host, said.origin) != (before.party, before.host, host.origin):
        raise ProofError(f"an introduction of {said.party} by {said.host} in {said.origin}")
    if not before.record_keys.keys() <= said.keys.keys():
        raise ProofError(f"an introduction of {said.party} that leaves out a key which it spoke with")
    revocation.check_in_force({key_id(said.public)}, {**before.revoked, **said.revoked})
    if missing := sorted(
        key
        for key, one in before.revoked.items()
        if key not in said.revoked or said.revoked[key].since > one.since
    ):
        raise ProofError(f"an introduction of {said.party} under which the revoked key {missing[0]} counts")
    made_at = _made_at(sealed)
    if made_at <= _made_at(held.introduction):
        return
    fresh = msgspec.structs.replace(held, public=said.public, introduction=sealed)
    guest_store.write_met(store.tx, fresh)
    ledger_store.add_statement(
        store.tx, origin=host.origin, party=said.party, made_at=made_at, sealed=sealed, now=store.now
    )
    store.forget_keys()
    disowning_service.settle(store, guest_store.as_peer(fresh, host.origin, store.realm), before.revoked)


def _made_at(sealed: bytes) -> datetime:
    return parse_stamp(msgspec.json.decode(dsse.payload_of(sealed), type=Introduction).made_at)
