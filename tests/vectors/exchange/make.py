"""Make the vectors of this folder and the schema of the messages. README.md says what each is.

python tests/vectors/exchange/make.py
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from secretariat.exchange import identity, memory, wire
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.model import Peer, Version
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.wire import Cursor, Descriptor, Key, RealmKeys
from secretariat.ledger import dsse, entries, guest_keys, object_signature
from secretariat.ledger.keys import Keyring, Signer
from secretariat.ledger.property_tree import root_of
from secretariat.ledger.sealing import SealingKeys
from secretariat.records.canonical import canonical

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / "src" / "secretariat" / "exchange" / "schemas" / "messages.json"
NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)
ROLES = ("root", "record", "log", "transport", "witness")
OBJECT = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "created": "2013-03-20T05:00:00.000Z",
    "modified": "2013-03-20T05:00:00.000Z",
    "name": "방송사 공격 / broadcasters",
    "pattern": "[ipv4-addr:value = '203.0.113.7']",
    "pattern_type": "stix",
    "valid_from": "2013-03-20T05:00:00Z",
    "object_marking_refs": ["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"],
}


def ring(party: str, first: int) -> Keyring:
    """Give a party's keys from the seeds first × 32, first + 1 × 32, …"""
    root, record, log, transport, witness = (
        Signer.from_seed(bytes([number]) * 32) for number in range(first, first + len(ROLES))
    )
    origin = f"{party.lower()}.example/live"
    sealing = SealingKeys.from_seed(bytes([first + len(ROLES)]) * 32)
    return Keyring(party, "live", origin, root, record, log, transport, witness, root.public, sealing=sealing)


def descriptor_of(keys: Keyring) -> bytes:
    """Give a sealed descriptor."""

    def key(signer: Signer) -> Key:
        return Key(signer.key_id, signer.public)

    assert keys.root is not None
    assert keys.sealing is not None
    live = RealmKeys(
        origin=keys.origin,
        url=f"https://{keys.party.lower()}.example",
        record=key(keys.record),
        log=key(keys.log),
        transport=key(keys.transport),
        witness=key(keys.witness),
        root=key(keys.root),
        sealing=Key(keys.sealing.key_id, keys.sealing.public),
    )
    made_at = "2026-11-22T02:09:36.123456Z"
    said = Descriptor(1, keys.party, f"Party {keys.party}", key(keys.root), made_at, {"live": live})
    return dsse.seal(canonical(msgspec.to_builtins(said)), wire.DESCRIPTOR_TYPE, keys.root)


def page_of(kr: Keyring) -> bytes:
    """Give the page that brings JP one granted object: entries 0 (publication) and 1 (grant) of KR's log."""
    salts = iter([b"\xa0" * 32, b"\xa1" * 32])
    data, salt = canonical(OBJECT), bytes(range(32))
    root = root_of(data, salt)
    version = Version(
        stix_id=str(OBJECT["id"]),
        version=str(OBJECT["modified"]),
        type="indicator",
        originator="KR",
        source="KR",
        root=root,
        salt=salt,
        data=data,
        signature=object_signature.sign_object(OBJECT, root, kr.record),
        state="published",
    )
    node = memory.Memory(kr, lambda _: next(salts))
    with node.transaction(NOW) as store:
        store.publish([version], ["JP"])
        publication = entries.Publication(objects=[root.hex()])
        row = entries.GrantRow(articles=["tlp-2/CLEAR"], objects=[root.hex()])
        grant = entries.Grant(to="JP", publication=0, instruments="00" * 32, engine="example", rows=[row])
        store.append([Outgoing("publication", None, publication), Outgoing("grant", "JP", grant)])
        return wire.encode(offer(store, "JP", Cursor(), 0))


def request_of(jp: Keyring) -> identity.Request:
    """Give a signed request of JP to KR."""
    url = "https://kr.example/live/peer/v1/feed?after=0.0&size=0&wait=25"
    request = identity.Request("GET", url, {"accept": "application/json"})
    identity.sign_request(request, to="KR", signer=jp.transport, now=NOW, nonce="AAECAwQFBgcICQoLDA0ODxAR")
    return request


def guest_of(kr: Keyring) -> Keyring:
    """Give KISIA, which KR hosts, with the key of the seed 21 × 32."""
    return guest_keys.ring_of(Signer.from_seed(b"\x21" * 32), "KISIA", kr)


def guest_page_of(kr: Keyring) -> bytes:
    """Give the page that brings JP a word of KR's guest: entry 0 of KR's log, a receipt that KISIA signed."""
    guest = guest_of(kr)
    node = memory.Memory(guest, lambda _: b"\xa2" * 32, host=memory.Memory(kr))
    about = entries.EntryRef("jp.example/live", 7)
    receipt = entries.Receipt(to="JP", about=about, state="received", objects=["00" * 32], count=1)
    with node.transaction(NOW) as store:
        store.append([Outgoing("receipt", "JP", receipt)])
    assert node.host is not None
    with node.host.transaction(NOW) as store:
        return wire.encode(offer(store, "JP", Cursor(), 0))


def guest_request_of(kr: Keyring) -> identity.Request:
    """Give KR's signed request to JP for what JP has for KR's guest."""
    url = "https://jp.example/live/peer/v1/feed?after=0.0&size=0&wait=0&for=KISIA"
    request = identity.Request("GET", url, {"accept": "application/json"})
    identity.sign_request(request, to="JP", signer=kr.transport, now=NOW, nonce="AAECAwQFBgcICQoLDA0ODxAS")
    return request


def vectors() -> dict[str, Any]:
    """Give all of it."""
    kr, jp = ring("KR", 1), ring("JP", 11)
    page, request = page_of(kr), request_of(jp)
    answer = identity.Answer(200, {"content-type": "application/json"}, page, request)
    identity.sign_answer(answer, signer=kr.transport, now=NOW)
    asked = guest_request_of(kr)
    return {
        "keys": {
            keys.party: {
                role: {"seed": f"{first + number:02x}" * 32, "id": one.key_id, "public": one.public.hex()}
                for number, (role, one) in enumerate(zip(ROLES, _signers(keys), strict=True))
            }
            for keys, first in ((kr, 1), (jp, 11))
        },
        "fingerprint": {party.party: fingerprint(party.party, party.root_public) for party in (kr, jp)},
        "descriptor": json.loads(descriptor_of(kr)),
        "request": {"method": request.method, "url": request.url, "headers": request.headers},
        "answer": {
            "status": 200,
            "headers": answer.headers,
            "body": base64.b64encode(page).decode(),
        },
        "page": json.loads(page),
        "guest": {
            "party": "KISIA",
            "host": "KR",
            "key": {"seed": "21" * 32, "public": guest_of(kr).record.public.hex()},
            "request": {"method": asked.method, "url": asked.url, "headers": asked.headers},
            "page": json.loads(guest_page_of(kr)),
        },
    }


def _signers(keys: Keyring) -> tuple[Signer, ...]:
    assert keys.root is not None
    return keys.root, keys.record, keys.log, keys.transport, keys.witness


def peer_of(keys: Keyring) -> Peer:
    """Give a party as a partner enrolled it."""
    return Peer(
        party=keys.party,
        name=keys.party,
        root_key=keys.root_public,
        record_keys={keys.record.key_id: keys.record.public},
        log_keys={keys.log.key_id: keys.log.public},
        transport_keys={keys.transport.key_id: keys.transport.public},
        origin=keys.origin,
        url="",
    )


def text(value: object) -> str:
    """Write JSON as it stands in this folder."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(text(vectors()), encoding="utf-8")
    SCHEMA.write_text(text(wire.schemas()), encoding="utf-8")
