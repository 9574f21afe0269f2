"""What a stranger, an eavesdropper and a hostile partner try on the running nodes, and what they get.

Everything is really sent to the real node: over HTTP to the doors for partners, or through the hostile
partner's own log. The keys used are those that such an attacker would have, no others.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from io import BytesIO
from typing import Any

import httpx2
import msgspec

from secretariat.agreements import grants
from secretariat.agreements.facts import book_for
from secretariat.agreements.model import ENGINE
from secretariat.agreements.recompute import moment_text
from secretariat.base.clock import now, stamp
from secretariat.base.ids import party_id
from secretariat.demo.nodes import DemoNode
from secretariat.demo.sample import object_id
from secretariat.exchange import identity
from secretariat.exchange.identity import Request
from secretariat.ledger import object_signature
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Grant, GrantRow, LogPin, Publication
from secretariat.ledger.keys import Signer
from secretariat.ledger.property_tree import root_of
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.collections import Placed
from secretariat.records.markings import tlp_marking
from secretariat.records.service import import_stream
from secretariat.records.store import Seal

REALM = "live"
CLAIMED = "syn-cyber-annex-jp-kr/3"
"""An article that stands between two other parties."""


class Attempt(msgspec.Struct, frozen=True):
    """What came of it: whether it was refused, and the node's own words."""

    refused: bool
    words: str


def stranger(target: DemoNode) -> Attempt:
    """Ask for a feed with a signature by a key that nobody enrolled."""
    return _told(_post(_signed(_feed(target), target, Signer.generate())))


def eavesdropper(target: DemoNode, partner: DemoNode) -> Attempt:
    """Send a partner's genuine, recorded request a second time."""
    request = _signed(_feed(target), target, partner.node.keyring(REALM).transport)
    first = _post(request)
    if first.status_code != 200:
        return Attempt(refused=False, words=f"the genuine request got {first.status_code}")
    return _told(_post(request))


def tamperer(target: DemoNode, partner: DemoNode) -> Attempt:
    """Change a partner's genuine request on its way: ask from the beginning of the log instead."""
    request = _signed(_feed(target, after="1.0"), target, partner.node.keyring(REALM).transport)
    request.url = request.url.replace("after=1.0", "after=0.0")
    return _told(_post(request))


def forge_grant(hostile: DemoNode, victim: DemoNode) -> str:
    """Let a hostile partner sign a grant under an article that does not bind it; give the object's id.

    Its own node would refuse, so its log is written behind the back of the code that decides: everything
    is signed, logged and served as it should be, only the article is not true.
    """
    node, moment = hostile.node, now()
    name = object_id(hostile.party, "forged", "indicator")
    _bring_in(hostile, name, moment)
    ring = node.keyring(REALM)
    with node.database.app(REALM) as tx:
        head = ledger.open_log(tx, ring, now=moment)
        kept = records.latest(tx, [name])[name]
        salt = secrets.token_bytes(32)
        root = root_of(kept.data, salt)
        header = {"id": kept.stix_id, "type": kept.type, "created": kept.created, "modified": kept.modified}
        seal = Seal(kept.id, root, salt, object_signature.sign_object(header, root, ring.record))
        records.seal(tx, [seal], state="draft")
        body = Grant(
            to=victim.party,
            publication=head.size,
            instruments=book_for(tx, node.party, victim.party).hash,
            engine=ENGINE,
            rows=[GrantRow(articles=[CLAIMED], objects=[root.hex()], default_tlp="GREEN")],
            basis={"by": f"{hostile.party.lower()}-releaser"},
            purpose="network_defence",
            true_on=moment_text(moment),
            known_by=msgspec.to_builtins(LogPin(ring.origin, head.size, head.root.hex())),
            facts={"purpose": "network_defence"},
        )
        publication = Draft("publication", None, Publication(objects=[root.hex()]))
        ledger.append(tx, ring, [publication, Draft("grant", victim.party, body)], now=moment, head=head)
        given = grants.GrantClass(
            0, victim.party, head.size + 1, [CLAIMED], {}, [], [], None, dict(body.basis), moment, None
        )
        (number,) = grants.put_classes(tx, [given])
        shelf = collections.ensure(tx, "partner", victim.party, party=node.party, realm=REALM)
        collections.add_many(tx, {shelf: [Placed(kept.id, number)]}, now=moment)
    return name


def state_of(one: DemoNode, name: str) -> str | None:
    """Say in which state a node keeps an object, None when it has none."""
    with one.node.database.app(REALM) as tx:
        found = records.latest(tx, [name], hidden=True).get(name)
    return None if found is None else found.state


def _bring_in(one: DemoNode, name: str, moment: datetime) -> None:
    marking = tlp_marking("AMBER")
    indicator = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": name,
        "created_by_ref": party_id(one.party),
        "created": stamp(moment),
        "modified": stamp(moment),
        "valid_from": stamp(moment),
        "name": "SYNTHETIC for the demonstration: granted under an article that does not bind its sender",
        "indicator_types": ["benign"],
        "pattern_type": "stix",
        "pattern": "[domain-name:value = 'forged.invalid']",
        "object_marking_refs": [marking["id"]],
    }
    bundle = {
        "type": "bundle",
        "id": object_id(one.party, "forged", "bundle"),
        "objects": [marking, indicator],
    }
    import_stream(one.node.database, REALM, one.party, BytesIO(json.dumps(bundle).encode()), now=moment)


def _feed(target: DemoNode, after: str = "0.0") -> str:
    return f"{target.url}/{REALM}/peer/v1/feed?after={after}&size=0&wait=0"


def _signed(url: str, target: DemoNode, signer: Signer) -> Request:
    request = Request("GET", url, {"accept": "application/json"})
    identity.sign_request(request, to=target.party, signer=signer, now=now(), nonce=secrets.token_urlsafe(18))
    return request


def _post(request: Request) -> Any:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        return client.request(request.method, request.url, headers=request.headers)


def _told(answer: Any) -> Attempt:
    refused = answer.status_code in {401, 403}
    words = answer.json().get("what", "") if refused else "it was answered"
    return Attempt(refused=refused, words=f"{answer.status_code}, {words}")
