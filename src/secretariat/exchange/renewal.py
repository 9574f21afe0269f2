"""New keys of a partner, by its dated statement under the root key that was pinned (decisions.md 5).

Rules:
1. The statement is the party's descriptor, sealed with its root key. Nobody need read twelve words again:
   what they proved was the root key. Under another root key it is refused, and the partner stays as it was.
2. Only a statement newer than the one kept counts; an older one, sent again, changes nothing.
3. From the date of the rotation that it states (else its own) an entry by a record key that it no longer
   names is not believed; what that key signed for an earlier time, and every object under its signature,
   stays good. Log, transport and sealing keys are replaced.
4. Which log a party writes is bound like its root key: a statement of another log is refused. So is one in
   which a key has two purposes, another than before, or is another party's (purposes.py).
5. What it revokes counts no more here, in the same transaction (disowning.py); a key that was revoked never
   comes back, whatever a later statement says.
6. The sync takes it by itself: once a connection each brings its own and asks for the other's; who meets a
   key that it does not know asks again, and who is not known brings its own again. Both doors are open to
   anybody, for the seal alone is what counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import msgspec

from secretariat.base.clock import now as present
from secretariat.base.clock import parse_stamp, stamp
from secretariat.base.errors import ConflictError, DeniedError, ProofError, UnavailableError
from secretariat.exchange import connecting, disowning_service, enrolment, purposes
from secretariat.exchange import store as tables
from secretariat.exchange.enrolment import (
    ended_by,
    former_log_keys,
    in_force_since,
    open_descriptor,
    pins_of,
    retired_by,
    revoked_by,
)
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.postgres import PostgresStore
from secretariat.ledger import revocation
from secretariat.ledger import service as ledger
from secretariat.ledger import store as ledger_store
from secretariat.ledger.entries import Draft, Enrol

if TYPE_CHECKING:
    from datetime import datetime

    from secretariat.exchange.model import Peer
    from secretariat.exchange.wire import Descriptor
    from secretariat.ledger.node import Node
    from secretariat.ledger.revocation import Revocation

MAX_BYTES = 65_536
"""A descriptor of two realms takes 3 kB."""
UNKNOWN_KEY = frozenset(
    {
        "not-authentic",
        "checkpoint-signature",
        "entry-signature",
        "no-certificate",
        "wrong-certificate",
        "wrong-server-key",
    }
)
"""The codes of what a partner's new keys look like to who knows only the old ones."""


def renew(node: Node, realm: str, sealed: bytes, *, now: datetime) -> bool:
    """Take a partner's newer keys; False where nothing is new. Refuses as the rules above say."""
    found = open_descriptor(sealed)
    with node.database.app(realm) as tx:
        before = tables.lock_peer(tx, found.party)
        if before is None or before.state not in {"accepted", "suspended"} or realm not in found.realms:
            raise DeniedError(
                f"{found.party} is not a partner in {realm}", advice="secretariat peers accept FILE"
            )
        fresh = renewed(before, found, realm, sealed)
        if fresh is None:
            return False
        purposes.check_others(found.party, found.realms[realm], tables.read_peers(tx), node.keys.values())
        tables.write_peer(tx, fresh)
        disowned = disowning_service.settle(PostgresStore(node, realm, tx, now), fresh, before.revoked)
        made_at = parse_stamp(found.made_at)
        ledger_store.add_statement(
            tx, origin=fresh.origin, party=fresh.party, made_at=made_at, sealed=sealed, now=now
        )
        act = Enrol(
            act="accept",
            party=fresh.party,
            root_key=fresh.root_key.hex(),
            origin=fresh.origin,
            reason=f"new keys by its own statement of {stamp(made_at)}"
            + (f"; {disowned} objects under revoked keys count no more" if disowned else ""),
        )
        ledger.append(tx, node.keyring(realm), [Draft("enrol", None, act)], now=now)
    return True


def renewed(before: Peer, found: Descriptor, realm: str, sealed: bytes) -> Peer | None:
    """Give the partner with the keys of a newer statement, or None where nothing is new."""
    if found.root.public != before.root_key:
        raise ProofError(
            f"a statement of keys for {found.party} under another root key than the one it is bound to",
            where=f"{fingerprint(found.party, before.root_key)} is its root key",
            advice="nothing was taken; ask the partner: if its root key is lost it enrols under a new code",
        )
    keys = found.realms[realm]
    if keys.origin != before.origin:
        raise ConflictError(f"{found.party}'s log was {before.origin}, now it is {keys.origin}")
    made_at = parse_stamp(found.made_at)
    if before.descriptor and made_at <= parse_stamp(open_descriptor(before.descriptor).made_at):
        return None
    purposes.check(found)
    purposes.check_change(before, keys)
    fresh = msgspec.structs.replace(
        before,
        record_keys={**before.record_keys, keys.record.id: keys.record.public},
        log_keys={keys.log.id: keys.log.public},
        former_log_keys=former_log_keys(before, keys.log.id),
        transport_keys={keys.transport.id: keys.transport.public},
        sealing_keys={} if keys.sealing is None else {keys.sealing.id: keys.sealing.public},
        witness_keys={} if keys.witness is None else {keys.witness.id: keys.witness.public},
        retired=retired_by(before, keys.record.id, in_force_since(found, realm)),
        ended=ended_by(before, keys.record.id, keys.since_entry),
        revoked=revoked_by(before, found, realm),
        client_pins=pins_of(keys).client,
        server_pins=pins_of(keys).server,
        url=keys.url,
        descriptor=sealed,
    )
    purposes.check_number(fresh)
    same = msgspec.structs.replace(fresh, descriptor=before.descriptor) == before
    return None if same else fresh


def revoked_of(node: Node, realm: str, party: str) -> tuple[Revocation, ...]:
    """Give the keys that a partner revoked, the earliest first."""
    with node.database.app(realm) as tx:
        found = tables.read_peers(tx, "WHERE party = %s", [party])
    return revocation.statements_of(found[0].revoked) if found else ()


async def fetch(node: Node, realm: str, peer: Peer, client: httpx2.AsyncClient) -> bool:
    """Ask a partner's node for its descriptor and take its newer keys; False where nothing is new."""
    sealed = await _call(client, "GET", peer, realm, b"")
    return await asyncio.to_thread(renew, node, realm, sealed, now=present())


async def tell(node: Node, realm: str, peer: Peer, client: httpx2.AsyncClient) -> None:
    """Bring our own descriptor to a partner's node that does not know our keys."""
    sealed = await asyncio.to_thread(enrolment.describe, node, now=present())
    await _call(client, "POST", peer, realm, sealed)


async def _call(client: httpx2.AsyncClient, method: str, peer: Peer, realm: str, body: bytes) -> bytes:
    url = f"{peer.url}/{realm}/peer/v1/descriptor"
    try:
        asked = client.stream(method, url, content=body, timeout=30.0, extensions=connecting.whoever(realm))
        async with asked as got:
            data = bytearray()
            async for part in got.aiter_raw():
                data += part
                if len(data) > MAX_BYTES:
                    raise ProofError(f"a descriptor of more than {MAX_BYTES} bytes", where=url)
            if got.status_code != 200:
                raise UnavailableError(f"{peer.party} answered {got.status_code}", where=url)
    except (httpx2.HTTPError, OSError) as error:
        raise UnavailableError(f"{peer.party} cannot be reached: {error}", where=url) from error
    return bytes(data)
