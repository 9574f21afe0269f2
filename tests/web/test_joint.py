"""Joint statements on pages: put to signature, waited for on the Desk, signed, proven by a file."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from litestar.testing import TestClient
from tests.contract.peers.test_key_drills import revoked
from tests.contract.peers.test_nodes import Nodes, indicator
from tests.web.conftest import PASSWORD
from typer.testing import CliRunner

from secretariat.app import build
from secretariat.base.errors import ProofError
from secretariat.cli import app
from secretariat.exchange import renewal
from secretariat.ledger import joint_service
from secretariat.people import service as people
from secretariat.people.model import Role

OBJECT = str(indicator("Outcome of the fourth round")["id"])


@pytest.fixture
def world(node):
    world = Nodes(node, "JP", "KR")
    world.converge()
    world.publish("KR", indicator("Outcome of the fourth round"))
    world.converge()
    return world


@pytest.fixture
def client(world):
    """Sign in at a party's node in a role."""
    opened = []

    def make(party: str, role: Role) -> TestClient:
        one = world.nodes[party]
        with one.database.app("live") as tx:
            people.add_person(
                tx,
                login=role.value,
                name=role.value,
                password=PASSWORD,
                roles=[role],
                by="test",
                now=world.now,
            )
        made = TestClient(build(one), base_url="http://node.local:8400", raise_server_exceptions=False)
        made.__enter__()
        opened.append(made)
        made.headers["accept"] = "text/html"
        made.post("/sign-in", data={"login": role.value, "password": PASSWORD})
        return made

    yield make
    for one in opened:
        one.__exit__(None, None, None)


def digest_of(world) -> bytes:
    with world.nodes["KR"].database.app("live") as tx:
        (one,) = joint_service.newest(tx, 10)
    return one.kept.digest


def test_from_the_statement_to_a_signature_with_reservation(world, client):
    kr = client("KR", Role.RELEASER)
    assert "Nothing has been put to signature" in kr.get("/ledger/joint").text
    answer = kr.post("/ledger/joint", data={"object": OBJECT, "party": ["JP"]})
    assert "waits for signatures" in answer.text
    assert "has not answered" in answer.text
    world.converge()

    jp = client("JP", Role.RELEASER)
    assert "Joint statements that wait for our word" in jp.get("/").text
    place = f"/ledger/joint/{digest_of(world).hex()}"
    assert "Outcome of the fourth round" in jp.get(place).text
    refused = jp.post(f"{place}/say", data={"stance": "reservation", "text": ""})
    assert refused.status_code == 422
    assert "says why" in refused.text
    done = jp.post(f"{place}/say", data={"stance": "reservation", "text": "not <b>point</b> 3"})
    assert "agreed, with reservations" in done.text
    assert "not &lt;b&gt;point&lt;/b&gt; 3" in done.text
    assert "Joint statements that wait" not in jp.get("/").text
    world.converge()
    assert "agreed, with reservations" in kr.get(place).text
    assert kr.get("/ledger/joint?download=joint.csv").status_code == 200


def test_a_day_before_anybody_signed_shows_nothing(world, client):
    kr = client("KR", Role.RELEASER)
    kr.post("/ledger/joint", data={"object": OBJECT, "party": ["JP"]})
    then = kr.get("/ledger/joint?known_by=2020-01-01")
    assert "Outcome of the fourth round" not in then.text
    assert 'method="post" action="/ledger/joint"' not in then.text


def test_only_who_may_say_do_signs(world, client):
    kr = client("KR", Role.ANALYST)
    assert 'method="post" action="/ledger/joint"' not in kr.get("/ledger/joint").text
    assert kr.post("/ledger/joint", data={"object": OBJECT, "party": ["JP"]}).status_code == 403


def test_a_word_under_a_stolen_key_is_shown_as_void_with_the_reason(world, client):
    since = world.now
    world.now += timedelta(hours=1)
    joint_service.propose(world.nodes["KR"], "live", OBJECT, ["JP"], by="kim", now=world.now)
    world.converge()
    sealed = revoked(world, "record", since=since)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    page = client("JP", Role.RELEASER).get(f"/ledger/joint/{digest_of(world).hex()}").text
    assert "its word counts no more" in page
    assert "the key was stolen" in page
    assert "Nobody else saw it before" in page
    assert "waits for signatures" in page


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param({"object": OBJECT}, "no party is chosen", id="nobody"),
        pytest.param({"object": "indicator--nowhere", "party": ["JP"]}, "nothing is held", id="no object"),
        pytest.param({"object": OBJECT, "party": ["XX"]}, "no partner: XX", id="a stranger"),
    ],
)
def test_what_cannot_be_put_to_signature_is_said(client, data, why):
    answer = client("KR", Role.RELEASER).post("/ledger/joint", data=data)
    assert 400 <= answer.status_code < 500
    assert why in answer.text


def test_as_a_file_that_a_stranger_verifies_by_command(world, tmp_path):
    kr, jp = (world.nodes[party] for party in ("KR", "JP"))
    digest = joint_service.propose(kr, "live", OBJECT, ["JP"], by="kim", now=world.now)
    world.converge()
    joint_service.say(jp, "live", digest, "objects", "the date is wrong", by="anna", now=world.now)
    joint_service.say(jp, "live", digest, "signed", by="anna", now=world.now)
    world.converge()
    file = tmp_path / "joint.json"
    with kr.database.app("live") as tx:
        named = joint_service.named(tx, digest.hex()[:12])
        file.write_bytes(joint_service.file_of(tx, kr.keyring("live"), named, with_text=True))
    key = jp.keyring("live").record.public.hex()
    done = CliRunner().invoke(app, ["joint", "verify", str(file), "--key", f"JP={key}", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["outcome"], told["with_text"], told["named_keys"]) == ("agreed", True, ["JP"])
    wrong = CliRunner().invoke(app, ["joint", "verify", str(file), "--key", f"JP={'ab' * 32}"])
    assert isinstance(wrong.exception, ProofError)
