"""The page of keys: what is in force here, what partners have, and what counts no more."""

from __future__ import annotations

import msgspec
from litestar.testing import TestClient
from tests.contract.peers.test_nodes import Nodes

from secretariat.app import build
from secretariat.base.clock import now
from secretariat.exchange import store as tables
from secretariat.ledger.revocation import Revoked
from secretariat.people import service as people
from secretariat.people.model import Role

from .conftest import PASSWORD


def test_own_keys_with_what_is_to_be_done(site):
    text = site("admin").get("/ledger/keys").text
    for word in ("root key", "record key", "log key", "transport key", "witness key", "certificate of"):
        assert word in text
    assert "What to do now" in text
    assert "whoever has it can name other keys" in text
    assert "secretariat keys offline FILE" in text
    assert "secretariat keys drill" in text
    assert "No partner cosigned this log yet" in text
    assert site("admin").get("/ledger/keys?download=own.csv").status_code == 200


def test_a_partners_revoked_key_is_shown_with_its_reason(node):
    world = Nodes(node, "JP", "KR")
    one = world.nodes["KR"]
    with one.database.app("live") as tx:
        (peer,) = tables.read_peers(tx)
        key = next(iter(peer.record_keys))
        gone = {key: Revoked("record", world.now, "stolen")}
        tables.write_peer(tx, msgspec.structs.replace(peer, revoked=gone))
        people.add_person(
            tx, login="root", name="R", password=PASSWORD, roles=[Role.ADMIN], by="test", now=now()
        )
    with TestClient(build(one), base_url="http://kr.local:8400") as client:
        client.headers["accept"] = "text/html"
        client.post("/sign-in", data={"login": "root", "password": PASSWORD})
        text = client.get("/ledger/keys").text
    assert "the key was stolen" in text
    assert key in text
