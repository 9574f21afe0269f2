"""Becoming partners: a descriptor, twelve words over the telephone, two entries (decisions.md 5).

Rules:
1. A descriptor names a party, its root key and, per realm, log origin, address and keys. It is signed with
   that root key, so it proves nothing alone: what proves it are the twelve words that two people who know
   each other's voices compare (fingerprint.py). There is no trust on first use.
2. Inviting and accepting are both entries. Accepting adds the party to those that grants are decided for, and
   tells it which instruments this node takes as those between the two.
3. A party code is bound to its first root key; another root under the same code is refused, as is the same
   root under another code. New keys under the same root are accepted like a first descriptor. A partner that
   lost its root key is bound anew by two persons (rebinding.py).
4. A key has one purpose and one party, a log's name one log (purposes.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements import grants
from secretariat.agreements import store as agreements
from secretariat.agreements.book import package_book, set_hash
from secretariat.agreements.facts import keep_book
from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    StateError,
)
from secretariat.exchange import disowning_service, guest_store, instruments, purposes, wire
from secretariat.exchange import store as tables
from secretariat.exchange.fingerprint import fingerprint, same_fingerprint
from secretariat.exchange.model import Peer
from secretariat.exchange.postgres import PostgresStore
from secretariat.exchange.transfer import BY_HAND
from secretariat.exchange.wire import Descriptor, Key, RealmKeys, Tls
from secretariat.ledger import dsse, entries, revocation
from secretariat.ledger import keys as keys_of
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Draft, Enrol, InstrumentAgreed, Statement
from secretariat.ledger.keys import Keyring, Signer, key_id
from secretariat.ledger.sealing import sealing_key_id
from secretariat.records import collections
from secretariat.records.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from secretariat.agreements.audience import Place
    from secretariat.agreements.store import Shown
    from secretariat.ledger.node import Node
    from secretariat.ledger.revocation import Revoked


DESCRIPTOR_FILE = "descriptor.dsse"
"""Beside the keys: what the root key sealed last."""


class Accepted(msgspec.Struct, frozen=True):
    """A partner that was enrolled: in which realms, and whether it was known before with other keys."""

    party: str
    name: str
    fingerprint: str
    realms: tuple[str, ...]
    renewed: bool


def describe(node: Node, *, now: datetime, root: Signer | None = None) -> bytes:
    """Give this node's descriptor, sealed with its root key, or with `root` that was brought for this step.

    Where the root key is kept elsewhere, the descriptor that it sealed last is given as long as it says what
    is in force now. Refuses where it does not.
    """
    first = node.keyring(node.settings.realms[0])
    first = first if root is None else keys_of.with_root(first, root)
    if first.root is None:
        return _kept_descriptor(node, now)
    descriptor = Descriptor(
        v=wire.VERSION,
        party=node.party,
        name=node.settings.name,
        root=Key(key_id(first.root_public), first.root_public),
        made_at=stamp(now),
        realms={realm: _realm_keys(node, node.keyring(realm), now) for realm in node.settings.realms},
    )
    return dsse.seal(canonical(msgspec.to_builtins(descriptor)), wire.DESCRIPTOR_TYPE, first.root)


def keep_descriptor(node: Node, root: Signer, *, now: datetime) -> bytes:
    """Seal a descriptor with the root key that was brought, and keep it for the time when it is away."""
    sealed = describe(node, now=now, root=root)
    path = node.settings.data / "keys" / DESCRIPTOR_FILE
    fresh = path.with_suffix(".new")
    fresh.write_bytes(sealed)
    fresh.replace(path)
    return sealed


def _kept_descriptor(node: Node, now: datetime) -> bytes:
    path = node.settings.data / "keys" / DESCRIPTOR_FILE
    if path.exists():
        sealed = path.read_bytes()
        found = open_descriptor(sealed)
        present = {realm: _realm_keys(node, node.keyring(realm), now) for realm in node.settings.realms}
        if (found.party, found.name, found.realms) == (node.party, node.settings.name, present):
            return sealed
    raise StateError(
        "the root key is not on this machine, and only it signs a descriptor of the present keys and address",
        where=str(path),
        advice="secretariat keys state --root FILE",
    )


def _realm_keys(node: Node, ring: Keyring, now: datetime) -> RealmKeys:
    with node.database.app(ring.realm) as tx:
        since = ledger.record_key_since(tx, ring.record.key_id)

    def key(public: bytes) -> Key:
        return Key(key_id(public), public)

    return RealmKeys(
        origin=ring.origin,
        url=node.settings.address(ring.realm) if node.settings.reachable else "",
        record=key(ring.record.public),
        log=key(ring.log.public),
        transport=key(ring.transport.public),
        witness=key(ring.witness.public),
        root=key(ring.root_public),
        sealing=None if ring.sealing is None else Key(ring.sealing.key_id, ring.sealing.public),
        since=msgspec.UNSET if since is None else stamp(min(since.recorded_at, now)),
        since_entry=msgspec.UNSET if since is None else since.position,
        revoked=revocation.statements_of(ring.revoked) or msgspec.UNSET,
        tls=_certificates(node, ring),
    )


def _certificates(node: Node, ring: Keyring) -> Tls | msgspec.UnsetType:
    """State the keys of our certificates: the own one, and the front's where it ends TLS."""
    with_tls = node.settings.reachable and node.settings.address(ring.realm).startswith("https:")
    stated = Tls(
        client=() if ring.tls is None else (ring.tls.pin,),
        server=node.settings.server_pins if with_tls else (),
    )
    return stated if stated.client or stated.server else msgspec.UNSET


def pins_of(keys: RealmKeys) -> Tls:
    """Give the pinned keys of a realm's certificates, none where it states none."""
    return Tls() if keys.tls is msgspec.UNSET else keys.tls


def open_descriptor(sealed: bytes) -> Descriptor:
    """Read a descriptor and verify that its own root key signed it. Refuses keys under false names."""
    found = wire.read_descriptor(dsse.payload_of(sealed))
    if found.v != wire.VERSION:
        raise InputError(f"a descriptor of version {found.v}", where="v")
    dsse.open_envelope(sealed, {found.root.id: found.root.public}, wire.DESCRIPTOR_TYPE)
    named = [found.root]
    for realm in found.realms.values():
        named += [one for one in (realm.record, realm.log, realm.transport, realm.witness, realm.root) if one]
    for one in named:
        if key_id(one.public) != one.id:
            raise ProofError(f"the key {one.id} is not the one it names", where="descriptor")
    for realm in found.realms.values():
        if realm.sealing is not None and sealing_key_id(realm.sealing.public) != realm.sealing.id:
            raise ProofError(f"the key {realm.sealing.id} is not the one it names", where="descriptor")
    return found


def invite(node: Node, party: str, *, now: datetime) -> tuple[bytes, str]:
    """Give this node's descriptor for `party` and the words to read to it; the act is an entry."""
    sealed = describe(node, now=now)
    ring = node.keyring(node.settings.realms[0])
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            own = node.keyring(realm)
            body = Enrol(act="invite", party=party, root_key=ring.root_public.hex(), origin=own.origin)
            ledger.append(tx, own, [Draft("enrol", None, body)], now=now)
    return sealed, fingerprint(node.party, ring.root_public)


def accept(
    node: Node,
    sealed: bytes,
    words: str | None,
    *,
    realms: Iterable[str] | None = None,
    via: str | None = None,
    trust_demo: bool = False,
    rebinding: tuple[str, str] | None = None,
    now: datetime,
) -> Accepted:
    """Enrol the party of a descriptor in every realm both have; refuses as the rules above say.

    `via` names the enrolled party whose node is the mailbox between the two; BY_HAND where media are the
    only way (transfer.py); "" for none, None: as before.
    `rebinding` names the two persons who bind a former partner's code to a new root key (rebinding.py).
    `trust_demo` skips the words. Only the demo, whose nodes one process makes, may set it.
    """
    found = open_descriptor(sealed)
    spoken = fingerprint(found.party, found.root.public)
    if found.party == node.party:
        raise InputError("this is your own descriptor", advice="give it to the partner and accept theirs")
    if not trust_demo and (words is None or not same_fingerprint(found.party, found.root.public, words)):
        raise DeniedError(
            f"the words are not those of the key in this descriptor for {found.party}",
            where="--fingerprint",
            advice="ask the partner to read them again; if they differ still, the file is not theirs",
        )
    wanted = set(realms) if realms is not None else set(node.settings.realms)
    shared = [realm for realm in node.settings.realms if realm in found.realms and realm in wanted]
    if not shared:
        raise NotFoundError(f"{found.party} has none of the realms {', '.join(sorted(wanted))}")
    purposes.check(found)
    renewed = False
    for realm in shared:
        with node.database.app(realm) as tx:
            renewed |= _enrol(tx, node, realm, found, sealed, via, now, rebinding)
    return Accepted(found.party, found.name, spoken, tuple(shared), renewed)


def _enrol(
    tx: sa.Connection,
    node: Node,
    realm: str,
    found: Descriptor,
    sealed: bytes,
    via: str | None,
    now: datetime,
    rebinding: tuple[str, str] | None = None,
) -> bool:
    guest = guest_store.guest_of(tx, found.party)
    if guest is not None and guest.state == "hosted":
        raise ConflictError(
            f"{found.party} is a guest here: this node speaks for it, and two must not",
            advice=f"if the new node is its own, it moves first: secretariat guests move {found.party}",
        )
    known = {one.party: one for one in tables.read_peers(tx)}
    before = known.get(found.party)
    former = None
    if rebinding is not None:
        former, before = before, None
        _check_rebinding(found, former, realm)
    elif before is not None and before.root_key != found.root.public:
        raise ConflictError(
            f"{found.party} is bound to another root key here: {fingerprint(found.party, before.root_key)}",
            advice="where it lost its root key, two persons bind its code anew: secretariat peers rebind",
        )
    other = next(
        (one.party for one in known.values() if one.root_key == found.root.public and one is not before), None
    )
    if other is not None:
        raise ConflictError(f"the root key of {found.party} is bound to {other} here")
    keys = found.realms[realm]
    purposes.check_others(found.party, keys, known.values(), node.keys.values())
    if before is not None:
        purposes.check_change(before, keys)
    fresh = Peer(
        party=found.party,
        name=found.name,
        revoked=revoked_by(before, found, realm),
        root_key=found.root.public,
        record_keys={keys.record.id: keys.record.public},
        log_keys={keys.log.id: keys.log.public},
        transport_keys={keys.transport.id: keys.transport.public},
        origin=keys.origin,
        url=keys.url,
        descriptor=sealed,
        via=via or "",
        sealing_keys={} if keys.sealing is None else {keys.sealing.id: keys.sealing.public},
        witness_keys={} if keys.witness is None else {keys.witness.id: keys.witness.public},
        client_pins=pins_of(keys).client,
        server_pins=pins_of(keys).server,
    )
    if before is not None:
        if before.origin != keys.origin:
            raise ConflictError(f"{found.party}'s log was {before.origin}, now it is {keys.origin}")
        kept = open_descriptor(before.descriptor).made_at if before.descriptor else found.made_at
        if parse_stamp(found.made_at) < parse_stamp(kept):
            raise ConflictError(
                f"this descriptor was made {found.made_at}, the one kept {kept}: its keys may be retired",
                where=found.party,
                advice="ask the partner for a new one: secretariat peers invite",
            )
        fresh = msgspec.structs.replace(
            fresh, cursor=before.cursor, last_contact=before.last_contact,
            record_keys={**before.record_keys, **fresh.record_keys},
            former_log_keys=former_log_keys(before, keys.log.id),
            retired=retired_by(before, keys.record.id, in_force_since(found, realm)),
            ended=ended_by(before, keys.record.id, keys.since_entry),
            via=before.via if via is None else via,
        )  # fmt: skip
    purposes.check_number(fresh)
    reason = ""
    if former is not None and rebinding is not None:
        fresh = _rebound(fresh, former, now)
        reason = f"bound to a new root key by {' and '.join(rebinding)}; its log {former.origin} has ended"
    if fresh.via:
        _check_mailbox(node.keyring(realm), fresh, known.get(fresh.via))
    tables.write_peer(tx, fresh)
    if before is not None and fresh.revoked != before.revoked:
        disowning_service.settle(PostgresStore(node, realm, tx, now), fresh, before.revoked)
    made_at = parse_stamp(found.made_at)
    ledger_store.add_statement(
        tx, origin=keys.origin, party=found.party, made_at=made_at, sealed=sealed, now=now
    )
    was_hosted = {"host": None} if found.party in grants.hosts(tx) else None
    grants.keep_party(tx, found.party, name=found.name, facts=was_hosted, partner=True, now=now)
    for kind, reader in (("partner", found.party), ("from_partners", node.party)):
        collections.ensure(tx, kind, reader, party=node.party, realm=realm)
    accepted = Enrol(
        act="accept",
        party=found.party,
        root_key=found.root.public.hex(),
        origin=keys.origin,
        to=found.party,
        reason=reason,
    )
    ring = node.keyring(realm)
    ledger.append(tx, ring, [Draft("enrol", found.party, accepted)], now=now)
    state_agreed(tx, node, realm, found.party, now=now)
    return before is not None


def _check_rebinding(found: Descriptor, former: Peer | None, realm: str) -> None:
    """Refuse to bind a code anew that is not bound, not ended, or would go on with the same key or log."""
    if former is None or former.state != "removed":
        raise ConflictError(
            f"{found.party} is {'a partner' if former else 'nobody known'} in {realm}",
            advice=f"end the partnership first: secretariat peers remove {found.party}"
            if former
            else "secretariat peers accept FILE",
        )
    if former.root_key == found.root.public:
        raise ConflictError(
            f"{found.party} has the root key that it had", advice="secretariat peers accept FILE"
        )
    if former.origin == found.realms[realm].origin:
        raise ConflictError(
            f"{former.origin} is the log under the lost root key, and that name is spent",
            advice="the new node takes another host name, and so another log",
        )


def _rebound(fresh: Peer, former: Peer, now: datetime) -> Peer:
    """Add the keys before the loss: what they signed then stays good, in the new log they sign nothing."""
    return msgspec.structs.replace(
        fresh,
        record_keys={**former.record_keys, **fresh.record_keys},
        retired={key: former.retired.get(key, now) for key in former.record_keys},
        ended=dict.fromkeys(former.record_keys, 0),
        revoked={**former.revoked, **fresh.revoked},
    )


def _check_mailbox(ring: Keyring, peer: Peer, mailbox: Peer | None) -> None:
    """Refuse a mailbox that is no partner with an address, and partners that cannot seal to each other."""
    reached = mailbox is not None and mailbox.state == "accepted" and mailbox.url and not mailbox.via
    if not reached and peer.via != BY_HAND:
        raise NotFoundError(
            f"{peer.via} is no partner that can be reached in {ring.realm}",
            where="--via",
            advice="enrol the party whose node is the mailbox first; it must have an address",
        )
    if peer.via == peer.party:
        raise InputError("a partner is not its own mailbox", where="--via")
    if not peer.sealing_keys or ring.sealing is None:
        lacking = peer.party if not peer.sealing_keys else ring.party
        raise StateError(
            f"{lacking} has no sealing key",
            where="--via",
            advice="secretariat keys rotate sealing on its node, then a new descriptor",
        )


def in_force_since(found: Descriptor, realm: str) -> datetime:
    """Say from when on a descriptor's record key signs alone: what it says, but never after its own date."""
    made_at, since = parse_stamp(found.made_at), found.realms[realm].since
    return made_at if since is msgspec.UNSET else min(made_at, parse_stamp(since))


def retired_by(before: Peer, record: str, at: datetime) -> dict[str, datetime]:
    """Say from when on each record key of a partner is retired once `record` is in force."""
    others = {key: before.retired.get(key, at) for key in before.record_keys}
    return {key: since for key, since in others.items() if key != record}


def former_log_keys(before: Peer, log: str) -> dict[str, bytes]:
    """Give the log keys that a partner had before, once `log` is in force."""
    known = {**before.former_log_keys, **before.log_keys}
    return {key: public for key, public in known.items() if key != log}


def ended_by(before: Peer, record: str, place: int | msgspec.UnsetType) -> dict[str, int]:
    """Say from which place of its log on each former record key signs nothing, where a statement says so."""
    if place is msgspec.UNSET:
        return {key: at for key, at in before.ended.items() if key != record}
    return {key: before.ended.get(key, place) for key in before.record_keys if key != record}


def revoked_by(before: Peer | None, found: Descriptor, realm: str) -> dict[str, Revoked]:
    """Say what is revoked of a party once this statement counts. Refuses one with such a key in force."""
    keys = found.realms[realm]
    stated = () if keys.revoked is msgspec.UNSET else keys.revoked
    held = {} if before is None else before.revoked
    revoked = revocation.merged(held, stated, latest=parse_stamp(found.made_at))
    named = [keys.record, keys.log, keys.transport, keys.witness, keys.sealing]
    revocation.check_in_force([one.id for one in named if one is not None], revoked)
    return revoked


def state_agreed(tx: sa.Connection, node: Node, realm: str, partner: str, *, now: datetime) -> bool:
    """Tell a partner which instruments this node takes as those between the two; nothing when it knows.

    Told are those that the partner may be shown: a confidential one that it is no party of is not named to
    it, and takes no part between the two. At a node that recorded none yet, the package's own instruments
    are recorded first.
    """
    shown = agreed_with(tx, partner, now=now)
    if node.keyring(realm).host is not None:  # a guest names no instrument that it may not be shown itself
        shown = _shown_to(shown, agreements.place_of(tx, node.party), now)
    elif not shown and not agreements.in_use(tx):
        keep_book(tx, package_book(), own=node.party, now=now)
        shown = agreed_with(tx, partner, now=now)
    hashes = [one.hash for one in shown]
    if agreements.agreed_by(tx, partner, node.party) == hashes:
        return False
    body = InstrumentAgreed(
        to=partner,
        set_hash=set_hash(one.hex() for one in hashes),
        instruments=[{"key": one.key, "hash": one.hash.hex()} for one in shown],
    )
    ring = node.keyring(realm)
    (entry,) = ledger.append(tx, ring, [Draft("instrument-agreed", partner, body)], now=now)
    agreements.keep_agreed(
        tx,
        partner=partner,
        by=node.party,
        hashes=hashes,
        origin=ring.origin,
        position=entry.position,
        now=now,
    )
    return True


def agreed_with(tx: sa.Connection, partner: str, *, now: datetime) -> list[Shown]:
    """Give the instruments in use here that `partner` may be shown, by hash."""
    return _shown_to(agreements.in_use(tx), agreements.place_of(tx, partner), now)


def _shown_to(used: Sequence[Shown], partner: Place, now: datetime) -> list[Shown]:
    return [one for one in used if one.audience.admits(partner, now.date())]


def announce(node: Node, realm: str, *, now: datetime) -> list[str]:
    """Tell every partner that does not know it yet which instruments this node takes now; gives whom."""
    told = []
    with node.database.app(realm) as tx:
        used = agreements.in_use(tx)  # without the texts: this is asked every few seconds
        partners = [one.party for one in tables.read_peers(tx, "WHERE state = 'accepted'")]
        for party in [*partners, *(one.party for one in guest_store.met_parties(tx))]:
            hashes = [one.hash for one in _shown_to(used, agreements.place_of(tx, party), now)]
            if agreements.agreed_by(tx, party, node.party) != hashes:
                state_agreed(tx, node, realm, party, now=now)
                told.append(party)
    return told


def note_agreed(tx: sa.Connection, peer: Peer, position: int, statement: Statement, *, now: datetime) -> None:
    """Record which instruments a partner takes as those between the two. Refuses a false hash of the set."""
    body = entries.body_as(statement, InstrumentAgreed)
    names = instruments.named_by(body.instruments)
    hashes = list(names)
    if set_hash(one.hex() for one in hashes) != body.set_hash:
        raise ProofError("the hash of the instruments is not that of the list", where=f"entry {position}")
    agreements.keep_agreed(
        tx,
        partner=peer.party,
        by=peer.party,
        hashes=hashes,
        origin=peer.origin,
        position=position,
        names=names,
        now=now,
    )


def remove(node: Node, party: str, *, reason: str, now: datetime) -> list[str]:
    """End a partnership in every realm: nothing more is granted to, offered to or believed of the party.

    The party stays bound to its root key. What it holds is not called back by this: withdraw or narrow.
    """
    ended: list[str] = []
    for realm in node.settings.realms:
        with node.database.app(realm) as tx:
            found = tables.read_peers(tx, "WHERE party = %s AND state <> 'removed'", [party])
            if not found:
                continue
            hosted = guest_store.met_parties(tx, party)
            tables.write_peer(tx, msgspec.structs.replace(found[0], state="removed", reason=reason))
            for one in [party, *(guest.party for guest in hosted)]:
                grants.end_partner(tx, one)
            body = Enrol(act="end", party=party, origin=found[0].origin, reason=reason)
            ledger.append(tx, node.keyring(realm), [Draft("enrol", None, body)], now=now)
            ended.append(realm)
    if not ended:
        raise NotFoundError(f"{party} is not a partner", advice="secretariat peers list")
    return ended
