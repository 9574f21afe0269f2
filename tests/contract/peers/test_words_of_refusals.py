"""What a partner reads of a refusal is words and wire values, nothing of the language this node is in."""

from __future__ import annotations

import re

import pytest

from contract.peers.test_nodes import Nodes, indicator
from secretariat.agreements.model import MAY, Decision
from secretariat.base.errors import ProofError
from secretariat.exchange import service
from secretariat.ledger.keys import Keyring
from secretariat.ledger.object_signature import sign_object, verify_object

PYTHON = re.compile(r"None|\bTrue\b|\bFalse\b|datetime|<class|\bb'|\['|\{'|\('|Struct|Error\b|codec")


def test_how_a_grant_differs_is_said_in_words(node, monkeypatch):
    from secretariat.agreements import release_batch as releasing

    world = Nodes(node, "KR", "CN")
    world.converge()
    monkeypatch.setattr(releasing, "decide", lambda *_: Decision(MAY, "tlp-1/WHITE"))
    world.publish("KR", indicator("a"), to=["CN"])
    world.converge()
    (refused,) = service.refusals(world.nodes["CN"], "live")
    assert refused.code == "grant-differs"
    assert "articles: we find tlp-2/CLEAR, the grant says tlp-1/WHITE" in refused.what
    assert not PYTHON.search(refused.what)


@pytest.mark.parametrize("name", ["created", "modified"])
def test_what_was_signed_otherwise_is_said_in_words(name):
    ring = Keyring.generate("KR", "live", "kr.example")
    obj, salt = indicator("a"), bytes(32)
    envelope = sign_object(obj, salt, ring.record)
    for other in ({**obj, name: "2014-01-01T00:00:00.000Z"}, {k: v for k, v in obj.items() if k != name}):
        with pytest.raises(ProofError, match=f"the object's {name} is") as refusal:
            verify_object(envelope, other, salt, ring.public)
        assert not PYTHON.search(str(refusal.value))
        assert "2013-03-20T05:00:00.000Z was signed" in refusal.value.what
