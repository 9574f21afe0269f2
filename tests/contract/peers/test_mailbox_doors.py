"""The mailbox's doors over HTTP, who may become reached by it, and what the database shows a reader."""

from __future__ import annotations

import contextlib
import runpy
from datetime import timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.exchange import (
    enrolment,
    identity,
    letters,
    mailbox_pages,
    mailbox_service,
    peer_pages,
    service,
    wire,
)
from secretariat.exchange.letters import Collected, Have, Posted, Sealed
from secretariat.ledger import sealing
from simulator import START

served = runpy.run_path(str(Path(__file__).with_name("served.py")))
KEY = "x25519-" + "0" * 32


def accept(one, other, **given):
    sealed, words = enrolment.invite(other, one.party, now=START)
    return enrolment.accept(one, sealed, words, now=START, **given)


class Office:
    """KR's mailbox, serving; JP and US are its partners and never listen."""

    def __init__(self, node, stack: contextlib.ExitStack, **limits: int) -> None:
        listening = served["free_socket"]()
        stack.callback(listening.close)
        port = listening.getsockname()[1]
        kr = node("KR", host="127.0.0.1", port=port, realms=("live",))
        kr.settings.limits = msgspec.structs.replace(kr.settings.limits, **limits)
        self.nodes = {"KR": kr}
        for party in ("JP", "US"):
            self.nodes[party] = node(party, realms=("live",), reachable=False)
            accept(kr, self.nodes[party])
            accept(self.nodes[party], kr)
        stack.enter_context(served["serving"](kr, listening))

    def allow(self, *parties: str) -> None:
        for party in parties:
            mailbox_service.allow(self.nodes["KR"], "live", party, by="admin", now=now())

    def ask(self, party: str, door: str, body: bytes) -> httpx2.Response:
        kr = self.nodes["KR"]
        url = f"{kr.settings.address('live')}/live/peer/v1/mailbox/{door}"
        request = identity.Request("POST", url, {}, body)
        signer = self.nodes[party].keyring("live").transport
        nonce = f"{now().timestamp():030.9f}"
        identity.sign_request(request, to="KR", signer=signer, now=now(), nonce=nonce)
        with httpx2.Client(trust_env=False) as client:
            got = client.post(url, headers=request.headers, content=body)
        answer = identity.Answer(got.status_code, dict(got.headers), got.content, request)
        keys = kr.keyring("live").transport
        identity.verify_answer(
            answer, find={keys.key_id: keys.public}.get, now=now(), skew=timedelta(seconds=60)
        )
        return got

    def post(self, party: str, to: str, number: int = 1, box: bytes = b"x") -> httpx2.Response:
        letter = Sealed(1, "live", party, to, number, KEY, box)
        return self.ask(party, "letters", letters.encode(letter))

    def collect(self, party: str, have: Have | None = None) -> Collected:
        got = self.ask(party, "collect?wait=0", letters.encode(have or Have()))
        assert got.status_code == 200, got.text
        return letters.read(got.content, Collected)


@pytest.fixture
def office(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *mailbox_pages.routes))
    with contextlib.ExitStack() as stack:
        yield lambda **limits: Office(node, stack, **limits)


def test_a_letter_is_kept_handed_to_its_reader_alone_and_destroyed_when_read(office):
    there = office()
    there.allow("JP", "US")
    kept = letters.read(there.post("US", "JP", 7, b"sealed").content, Posted)
    assert kept.number == 7
    (held,) = there.collect("JP").letters
    assert (held.letter.party, held.letter.number, held.letter.box) == ("US", 7, b"sealed")
    assert there.collect("US").letters == ()
    assert there.collect("JP", Have({"US": 7})).letters == ()
    (us, jp) = sorted(mailbox_service.shares(there.nodes["KR"], "live"), key=lambda one: one.party)[::-1]
    assert (us.party, us.letters, jp.party, jp.waiting) == ("US", 0, "JP", 0)


def test_who_was_not_allowed_is_refused_by_name_and_so_is_a_letter_to_such(office):
    there = office()
    there.allow("US")
    for party, to in (("JP", "US"), ("US", "JP")):
        got = there.post(party, to)
        assert (got.status_code, got.json()["code"]) == (403, "denied")
    got = there.ask("JP", "collect", letters.encode(Have()))
    assert (got.status_code, got.json()["code"]) == (403, "denied")


def test_a_full_mailbox_answers_clearly(office):
    there = office(mailbox_letters=1)
    there.allow("JP", "US")
    assert there.post("US", "JP", 1).status_code == 200
    got = there.post("US", "JP", 2)
    assert (got.status_code, got.json()["code"], got.json()["where"]) == (
        507,
        "mailbox-full",
        "mailbox_letters",
    )
    assert got.headers["content-type"] == wire.PROBLEM_TYPE
    assert there.post("JP", "US", 1).status_code == 200


def test_what_is_no_message_is_refused_and_said(office):
    there = office()
    there.allow("JP", "US")
    for body in (b"", b"{", b"[]", b'{"v":"1","numbers":1}', b"\xff\xfe", b'{"numbers":{"US":-1}}'):
        for door in ("letters", "collect"):
            got = there.ask("US", door, body)
            assert (got.status_code, got.json()["code"]) == (422, "bad-input"), (door, body)


def test_a_stranger_learns_nothing(office):
    there = office()
    url = f"{there.nodes['KR'].settings.address('live')}/live/peer/v1/mailbox/"
    with httpx2.Client(trust_env=False) as client:
        for door in ("letters", "collect"):
            got = client.post(url + door, content=b"{}")
            assert (got.status_code, got.json()["code"]) == (401, "not-authentic")


def test_under_its_own_role_a_reader_sees_its_letters_and_no_others(office):
    there = office()
    there.allow("JP", "US")
    there.post("US", "JP")
    from secretariat.storage.engine import raw

    for reader, many in (("JP", 1), ("US", 0), ("CN", 0)):
        with there.nodes["KR"].database.peer("live", reader) as tx:
            assert raw(tx).execute("SELECT count(*) FROM letter").fetchone() == (many,)


def test_allowing_is_an_entry_and_only_partners_are_allowed(office):
    there = office()
    there.allow("JP")
    with pytest.raises(NotFoundError, match="CN is not an accepted partner"):
        mailbox_service.allow(there.nodes["KR"], "live", "CN", by="admin", now=now())
    mailbox_service.forbid(there.nodes["KR"], "live", "JP", by="admin", now=now())
    with pytest.raises(NotFoundError, match="does not use"):
        mailbox_service.forbid(there.nodes["KR"], "live", "JP", by="admin", now=now())


def test_a_node_without_inbound_names_no_address_and_opens_no_door(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *mailbox_pages.routes))
    listening = served["free_socket"]()
    port = listening.getsockname()[1]
    jp = node("JP", host="127.0.0.1", port=port, realms=("live",), reachable=False)
    found = enrolment.open_descriptor(enrolment.describe(jp, now=START))
    assert found.realms["live"].url == ""
    with contextlib.closing(listening), served["serving"](jp, listening):
        for door in ("descriptor", "feed", "place", "mailbox/letters"):
            url = f"http://127.0.0.1:{port}/live/peer/v1/{door}"
            with httpx2.Client(trust_env=False) as client:
                got = client.post(url) if "mailbox" in door else client.get(url)
            assert (got.status_code, got.json()["code"]) == (404, "not-found")


def test_a_partner_is_reached_through_one_that_can_be_reached(node):
    jp, kr, us = node("JP"), node("KR"), node("US", reachable=False)
    with pytest.raises(NotFoundError, match="no partner that can be reached"):
        accept(jp, us, via="KR")
    accept(jp, kr)
    accept(jp, us, via="KR")
    (contact,) = [one for one in service.contacts(jp, "live", now=START) if one.party == "US"]
    assert (contact.via, contact.url) == ("KR", "")
    accept(jp, us)  # again, with its present keys: the way stays
    assert service.known_peer(jp, "live", "US").via == "KR"
    accept(jp, us, via="")
    assert service.known_peer(jp, "live", "US").via == ""
    accept(jp, us, via="KR")
    cn = node("CN", reachable=False)
    for via, wrong in (("US", "can be reached"), ("CN", "can be reached")):
        with pytest.raises(NotFoundError, match=wrong):
            accept(jp, cn, via=via)
    with pytest.raises(InputError, match="not its own mailbox"):
        accept(jp, kr, via="KR")


def test_without_a_sealing_key_there_is_no_mailbox(node):
    jp, kr, us = node("JP"), node("KR"), node("US")
    accept(jp, kr)
    for realm in us.keys:
        us.keys[realm] = without_sealing(us.keys[realm])
    with pytest.raises(StateError, match="US has no sealing key"):
        accept(jp, us, via="KR")


def without_sealing(ring):
    import dataclasses

    return dataclasses.replace(ring, sealing=None)


def test_a_new_sealing_key_is_in_the_next_descriptor_and_letters_go_to_it(node):
    jp, kr, us = node("JP"), node("KR"), node("US")
    accept(jp, kr)
    accept(jp, us, via="KR")
    (before,) = service.known_peer(jp, "live", "US").sealing_keys
    from secretariat.ledger import keys
    from secretariat.ledger.node import Node

    for realm in us.settings.realms:
        sealing.rotate(keys.folder_of(us.settings.data, realm))
    accept(jp, Node.open(us.settings, us.database))
    (after,) = service.known_peer(jp, "live", "US").sealing_keys
    assert after != before


class Letters:
    """JP and US, each reached through KR; letters pass by hand."""

    def __init__(self, node) -> None:
        self.now = now()
        self.nodes = {party: node(party, realms=("live",)) for party in ("JP", "KR", "US")}
        for party, other in (("JP", "US"), ("US", "JP")):
            accept(self.nodes[party], self.nodes["KR"])
            accept(self.nodes[party], self.nodes[other], via="KR")

    def pass_one(self, party: str, to: str) -> str | None:
        self.now += timedelta(minutes=5)
        writer = self.nodes[party]
        peer = service.known_peer(writer, "live", to)
        one = mailbox_service.write_letter(writer, "live", peer, now=self.now)
        if one is None:
            return None
        mailbox_service.note_posted(writer, "live", to, one.number, now=self.now)
        held = letters.Held(1, "", letters.read(one.box, Sealed))
        return mailbox_service.read_letter(self.nodes[to], "live", "KR", held, now=self.now)

    def settle(self) -> list[str]:
        pairs = [("JP", "US"), ("US", "JP")] * 4
        return [done for party, to in pairs if (done := self.pass_one(party, to)) is not None]


def test_new_keys_pass_through_the_mailbox_under_the_root_key(node):
    from secretariat.ledger import keys
    from secretariat.ledger import service as ledger
    from secretariat.ledger.node import Node

    there = Letters(node)
    assert set(there.settle()) == {"read"}
    us = there.nodes["US"]
    folder = keys.folder_of(us.settings.data, "live")
    ring = us.keyring("live")
    for role in ("transport", "log", "record"):
        ring = keys.rotate(folder, role, party="US", realm="live", host=us.settings.host)
    sealing.rotate(folder)
    fresh = there.nodes["US"] = Node.open(us.settings, us.database)
    with fresh.database.app("live") as tx:
        ledger.append(tx, fresh.keyring("live"), [ledger.key_draft(ring, reason="new")], now=there.now)
    assert set(there.settle()) == {"read"}
    known = service.known_peer(there.nodes["JP"], "live", "US")
    assert set(known.transport_keys) == {fresh.keyring("live").transport.key_id}
    assert set(known.sealing_keys) == {fresh.keyring("live").sealing.key_id}
    with fresh.database.app("live") as tx:
        size = ledger.head(tx).size
    assert service.place(there.nodes["JP"], "live", "US").size == size


def test_a_letter_that_comes_by_another_mailbox_than_agreed_is_refused(node):
    there = Letters(node)
    us = there.nodes["US"]
    one = mailbox_service.write_letter(us, "live", service.known_peer(us, "live", "JP"), now=there.now)
    held = letters.Held(1, "", letters.read(one.box, Sealed))
    jp = there.nodes["JP"]
    assert mailbox_service.read_letter(jp, "live", "CN", held, now=there.now) == "broken"
    assert [one.code for one in service.refusals(jp, "live")] == ["letter-broken"]


def test_a_revoked_sealing_key_opens_nothing_more_and_letters_go_to_the_new_one(node):
    from secretariat.exchange import own_keys
    from secretariat.ledger.node import Node

    there = Letters(node)
    assert set(there.settle()) == {"read"}
    us = there.nodes["US"]
    old = us.keyring("live").sealing
    wrote = service.known_peer(there.nodes["JP"], "live", "US")
    there.now += timedelta(minutes=5)
    on_its_way = mailbox_service.write_letter(there.nodes["JP"], "live", wrote, now=there.now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_keys, "_stopped", lambda _: contextlib.nullcontext(us.database))
        done = own_keys.revoke(
            us.settings,
            "live",
            old.key_id,
            since=there.now,
            reason="stolen",
            roots=own_keys.roots_of(us.settings, None),
            now=there.now,
        )
    fresh = there.nodes["US"] = Node.open(us.settings, us.database)
    assert (done.role, done.key_id) == ("sealing", fresh.keyring("live").sealing.key_id)
    assert fresh.keyring("live").sealing.former == []
    assert not list((us.settings.data / "keys" / "live" / "retired").glob("x25519-*"))
    held = letters.Held(1, "", letters.read(on_its_way.box, Sealed))
    assert mailbox_service.read_letter(fresh, "live", "KR", held, now=there.now) == "broken"
    assert any("none of ours" in one.what for one in service.refusals(fresh, "live", party="JP"))
    there.now += timedelta(days=1)  # what is not confirmed is sent again
    assert "read" in there.settle()
    known = service.known_peer(there.nodes["JP"], "live", "US")
    assert set(known.sealing_keys) == {done.key_id}
    assert known.revoked[old.key_id].role == "sealing"
    told = own_keys.status(fresh, "live", now=there.now)
    assert next(one for one in told.keys if one.key_id == old.key_id).revoked.reason == "stolen"
    there.now += timedelta(days=1)
    assert set(there.settle()) == {"read"}
