"""Real nodes: enrolled by their words, deciding by real instruments, over PostgreSQL. Pages pass by hand."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta

import msgspec
import pytest

from secretariat.agreements import release
from secretariat.agreements import store as agreements
from secretariat.agreements.release import Basis
from secretariat.base.errors import ConflictError, DeniedError, NotFoundError
from secretariat.exchange import due_service, enrolment, service
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import PageRefusedError
from secretariat.exchange.wire import Cursor
from secretariat.ledger import checkpoint
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Signer
from secretariat.records import store as records
from secretariat.records.service import import_stream
from secretariat.storage.engine import raw
from simulator import START

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"


def indicator(name: str, marking: str = CLEAR, **more: object) -> dict[str, object]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "created": "2013-03-20T05:00:00.000Z",
        "modified": "2013-03-20T05:00:00.000Z",
        "name": name,
        "pattern": "[ipv4-addr:value = '203.0.113.7']",
        "pattern_type": "stix",
        "valid_from": "2013-03-20T05:00:00Z",
        "object_marking_refs": [marking],
        **more,
    }


class Nodes:
    """Real nodes that know each other; `now` is everybody's clock."""

    def __init__(self, node, *parties: str) -> None:
        self.now = START
        self.nodes = {party: node(party) for party in parties}
        for one in self.nodes.values():
            for other in self.nodes.values():
                if one is not other:
                    self.accept(one, other)

    def accept(self, one, other) -> None:
        sealed, words = enrolment.invite(other, one.party, now=self.now)
        enrolment.accept(one, sealed, words, now=self.now)

    def load(self, party: str, *objects: dict[str, object]) -> list[str]:
        node = self.nodes[party]
        bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": list(objects)}
        stream = io.BytesIO(json.dumps(bundle).encode())
        result = import_stream(node.database, "live", party, stream, now=self.now)
        assert result.refused_count == 0, result
        return [str(one["id"]) for one in objects]

    def publish(self, party: str, *objects: dict[str, object], to=None):
        self.now += timedelta(seconds=1)
        return release.publish(
            self.nodes[party],
            "live",
            self.load(party, *objects),
            to=to,
            basis=Basis(by="releaser"),
            now=self.now,
        )

    def pull(self, receiver: str, sender: str):
        node = self.nodes[receiver]
        at = service.place(node, "live", sender)
        page, _ = service.make_page(self.nodes[sender], "live", receiver, at.after, at.size, now=self.now)
        return service.take_page(node, "live", sender, page, now=self.now)

    def converge(self) -> int:
        moved = 0
        for _ in range(30):
            self.now += timedelta(seconds=1)
            results = [self.pull(one, other) for one in self.nodes for other in self.nodes if one != other]
            moved += sum(sum(result.outcomes.values()) for result in results)
            if not any(result.entries for result in results):
                return moved
        raise AssertionError("no convergence")

    def sees(self, party: str) -> set[str]:
        with transaction(self.nodes[party], "live", self.now) as store:
            return {one.stix_id for one in store.shown()}


def test_two_nodes_agree_on_their_instruments_and_a_clear_report_arrives(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    published = world.publish("KR", indicator("a"), indicator("b"))
    assert published.granted == {"JP": 2}
    assert world.converge() == 2
    assert len(world.sees("JP")) == 2
    holders = service.holders(world.nodes["KR"], "live", str(indicator("a")["id"]), now=world.now)
    assert [(one.holder, one.state) for one in holders] == [("JP", "received")]
    assert world.converge() == 0


def test_withdrawn_through_the_service_it_is_gone_and_receipted(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", description="canary-0815"))
    world.converge()
    stix_id = str(indicator("a")["id"])
    called = service.withdraw(world.nodes["KR"], "live", stix_id, reason="wrong", by="anna", now=world.now)
    assert called.asked == ("JP",)
    world.converge()
    assert world.sees("JP") == set()
    holders = service.holders(world.nodes["KR"], "live", stix_id, now=world.now)
    assert {(one.holder, one.state) for one in holders} == {("JP", "destroyed"), ("*", "cannot-answer")}


def test_a_grant_that_no_agreement_permits_is_quarantined(node, monkeypatch):
    world = Nodes(node, "KR", "CN")
    world.converge()
    from secretariat.agreements import release_batch as releasing
    from secretariat.agreements.model import MAY, Decision

    monkeypatch.setattr(releasing, "decide", lambda *_: Decision(MAY, "tlp-2/CLEAR"))
    world.publish("KR", indicator("amber", AMBER), to=["CN"])
    world.converge()
    assert world.sees("CN") == set()
    (refused,) = service.refusals(world.nodes["CN"], "live")
    assert (refused.party, refused.code) == ("KR", "grant-differs")


def test_what_a_partner_grants_above_our_ceiling_is_not_kept(node, monkeypatch):
    """Whatever the sender decided and may hold itself: nothing of it is stored, and the receipt says why."""
    world = Nodes(node, "KR", "CN")
    world.converge()
    from secretariat.agreements import release_batch as releasing
    from secretariat.agreements.model import MAY, Decision
    from secretariat.records.markings import classification_marking

    kr, high = world.nodes["KR"], {"ROK_MIL": "I"}
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="II")
    secret = indicator("secret", str(marking["id"]))
    stream = io.BytesIO(json.dumps({"objects": [marking, secret]}).encode())
    assert import_stream(kr.database, "live", "KR", stream, ceiling=high, now=world.now).accepted == 2
    monkeypatch.setattr(kr.settings, "ceiling", high)
    monkeypatch.setattr(releasing, "decide", lambda *_: Decision(MAY, "tlp-2/CLEAR"))
    release.publish(kr, "live", [str(secret["id"])], to=["CN"], basis=Basis(by="releaser"), now=world.now)
    world.converge()
    with world.nodes["CN"].database.app("live") as tx:
        assert records.latest(tx, [str(secret["id"])], hidden=True) == {}
    said = {one.code: one.what for one in service.refusals(world.nodes["CN"], "live")}
    assert said["not-kept"].startswith("above-ceiling: II (ROK_MIL)")
    holders = service.holders(kr, "live", str(secret["id"]), now=world.now)
    assert [(one.holder, one.state) for one in holders] == [("CN", "refused")]


def test_a_grant_decided_for_another_day_is_quarantined(node, monkeypatch):
    world = Nodes(node, "KR", "CN")
    world.converge()
    from secretariat.agreements import release_answer as releasing
    from secretariat.agreements.recompute import SAME_TIME, moment_text

    for name, apart, seen in (("edge", SAME_TIME, 1), ("past", SAME_TIME + timedelta(seconds=1), 1)):
        monkeypatch.setattr(releasing, "moment_text", lambda now, apart=apart: moment_text(now - apart))
        world.publish("KR", indicator(name), to=["CN"])
        world.converge()
        assert len(world.sees("CN")) == seen
    (refused,) = service.refusals(world.nodes["CN"], "live")
    assert (refused.party, refused.code) == ("KR", "grant-differs")
    assert "was decided for" in refused.what


@pytest.mark.parametrize(
    "words", [None, "lusab babad gutih tugad lusab babad gutih tugad lusab babad gutih tugad"]
)
def test_without_the_right_words_nobody_is_enrolled(node, words):
    kr, jp = node("KR"), node("JP")
    sealed, _ = enrolment.invite(kr, "JP", now=START)
    with pytest.raises(DeniedError, match="words"):
        enrolment.accept(jp, sealed, words, now=START)
    with pytest.raises(NotFoundError):
        service.known_peer(jp, "live", "KR")


def test_a_code_bound_to_another_root_is_refused(node, tmp_path):
    jp, kr = node("JP"), node("KR")
    sealed, words = enrolment.invite(kr, "JP", now=START)
    enrolment.accept(jp, sealed, words, now=START)
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.node import Node

    rings = {realm: Keyring.generate("KR", realm, "kr.example") for realm in ("live", "exercise")}
    false = Node(kr.settings, kr.database, rings)
    sealed = enrolment.describe(false, now=START)
    words = fingerprint("KR", rings["live"].root_public)
    with pytest.raises(ConflictError, match="bound to another root"):
        enrolment.accept(jp, sealed, words, now=START)


def test_a_descriptor_changed_by_one_letter_is_refused(node):
    kr, jp = node("KR"), node("JP")
    sealed, words = enrolment.invite(kr, "JP", now=START)
    bent = json.loads(sealed)
    import base64

    inner = base64.b64decode(bent["payload"]).replace(b"kr.example", b"cn.example")
    bent["payload"] = base64.b64encode(inner).decode()
    with pytest.raises(Exception, match="signature"):
        enrolment.accept(jp, json.dumps(bent).encode(), words, now=START)


def test_a_removed_partner_is_offered_and_believed_nothing_more(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    enrolment.remove(world.nodes["JP"], "KR", reason="ended", now=world.now)
    with pytest.raises(DeniedError):
        world.pull("JP", "KR")
    assert service.make_page(world.nodes["JP"], "live", "KR", Cursor(), 0, now=world.now)


def test_what_a_timer_demands_is_destroyed_and_said(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a"))
    world.converge()
    from secretariat.exchange.model import Due

    with transaction(world.nodes["JP"], "live", world.now) as store:
        (root,) = [one.root for one in store.history(str(indicator("a")["id"]))]
        due = Due(
            root=root, duty="destroy", article="syn-mou/6", owed_to="KR", at=world.now + timedelta(days=1)
        )
        store.owe([due])
    assert due_service.run_timers(world.nodes["JP"], "live", now=world.now) == 0
    world.now += timedelta(days=2)
    assert due_service.run_timers(world.nodes["JP"], "live", now=world.now) == 1
    world.converge()
    assert world.sees("JP") == set()
    (holder,) = service.holders(world.nodes["KR"], "live", str(indicator("a")["id"]), now=world.now)
    assert (holder.state, holder.note) == ("destroyed", "destroy syn-mou/6")


def test_a_log_that_takes_back_what_it_showed_is_suspended_until_a_person_resumes_it(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a"))
    world.converge()
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    at = service.place(jp, "live", "KR")
    page, _ = service.make_page(kr, "live", "JP", at.after, at.size, now=world.now)
    bent = json.loads(page)
    ring = kr.keyring("live")
    bent["checkpoint"] = checkpoint.sign(ring.origin, at.size - 1, b"\x01" * 32, ring.log).decode()
    with pytest.raises(PageRefusedError) as refusal:
        service.take_page(jp, "live", "KR", json.dumps(bent).encode(), now=world.now)
    assert refusal.value.code == "log-rolled-back"
    (contact,) = service.contacts(jp, "live", now=world.now)
    assert contact.log_state == "suspended"
    assert [one.code for one in service.refusals(jp, "live")] == ["log-rolled-back"]
    with jp.database.app("live") as tx:
        assert [one.kind for one in ledger.list_entries(tx, kinds=["suspect"])] == ["suspect"]
    with pytest.raises(PageRefusedError, match="suspended"):
        world.pull("JP", "KR")
    service.resume(jp, "live", "KR", by="anna", now=world.now)
    world.publish("KR", indicator("b"))
    world.converge()
    assert len(world.sees("JP")) == 2


def test_two_logs_of_one_size_on_both_sides_of_a_new_log_key_are_kept_with_their_signatures(node):
    """What is kept was signed with the former key: without its signature it proves nothing to others."""
    world = Nodes(node, "KR", "JP")
    world.converge()
    kr, jp = world.nodes["KR"], world.nodes["JP"]
    at, former, fresh = service.place(jp, "live", "KR"), kr.keyring("live").log, Signer.generate()
    page, _ = service.make_page(kr, "live", "JP", at.after, at.size, now=world.now)
    bent = json.loads(page)
    origin = kr.keyring("live").origin
    bent["checkpoint"] = checkpoint.sign(origin, at.size, b"\x01" * 32, fresh).decode()
    with transaction(jp, "live", world.now) as store:
        new, old = {fresh.key_id: fresh.public}, {former.key_id: former.public}
        store.save_peer(msgspec.structs.replace(store.peer("KR"), log_keys=new, former_log_keys=old))
    with pytest.raises(PageRefusedError, match="two different logs"):
        service.take_page(jp, "live", "KR", json.dumps(bent).encode(), now=world.now)
    with transaction(jp, "live", world.now) as store:
        assert store.peer("KR").former_log_keys == old
        [found] = store.contradictions()
    for note, key in ((found.one, former), (found.other, fresh)):
        checkpoint.verify(note, origin, [key.public])


def test_no_table_of_the_holder_keeps_a_trace_of_what_it_destroyed(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    canary = "canary-a7f3"
    world.publish("KR", indicator("a", description=canary))
    world.converge()
    jp = world.nodes["JP"]
    assert traces(jp, canary) == ["object_version"]
    service.withdraw(
        world.nodes["KR"], "live", str(indicator("a")["id"]), reason="wrong", by="a", now=world.now
    )
    world.converge()
    assert traces(jp, canary) == []
    assert traces(world.nodes["KR"], canary) == ["object_version"]  # the originator keeps its own history


def traces(node, canary: str) -> list[str]:
    """Name the tables in which a word stands, as text or as bytes."""
    with node.database.app("live") as tx:
        driver = raw(tx)
        tables = driver.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'live' AND tablename <> 'schema_version'"
        ).fetchall()
        found = []
        for (table,) in tables:
            rows = driver.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s OR t::text LIKE %s',
                (f"%{canary}%", f"%{canary.encode().hex()}%"),
            ).fetchone()
            if rows[0]:
                found.append(table)
    return sorted(found)


def test_the_exercise_realm_is_enrolled_too_and_knows_nothing_of_the_live_one(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a"))
    world.converge()
    kr = service.known_peer(world.nodes["JP"], "exercise", "KR")
    assert kr.origin == "kr.example/exercise"
    assert service.place(world.nodes["JP"], "exercise", "KR").size == 0
    page, _ = service.make_page(world.nodes["KR"], "exercise", "JP", Cursor(), 0, now=world.now)
    with pytest.raises(PageRefusedError, match="realm"):
        service.take_page(world.nodes["JP"], "live", "KR", page, now=world.now)


def test_a_changed_set_of_instruments_is_told_to_the_partner(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    assert enrolment.announce(world.nodes["KR"], "live", now=world.now) == []
    with world.nodes["KR"].database.app("live") as tx:
        for key, parties in (("syn-mou", ["JP", "KR"]), ("syn-other", ["KR", "US"]), ("syn-nobody", [])):
            body = json.dumps({"id": key, "parties": parties}).encode()
            agreements.keep_instrument(tx, key, body, synthetic=True, now=world.now)
    assert enrolment.announce(world.nodes["KR"], "live", now=world.now) == ["JP"]
    assert enrolment.announce(world.nodes["KR"], "live", now=world.now) == []
    world.converge()
    with world.nodes["JP"].database.app("live") as tx:
        assert len(agreements.agreed_by(tx, "KR", "KR")) == len(agreements.agreed_by(tx, "KR", "JP")) + 1


def test_a_suspended_partner_waits_and_gets_everything_when_it_is_resumed(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    jp = world.nodes["JP"]
    service.suspend(jp, "live", "KR", reason="incident", by="anna", now=world.now)
    world.publish("KR", indicator("a"))
    with pytest.raises(DeniedError):
        world.pull("JP", "KR")
    service.resume(jp, "live", "KR", by="anna", now=world.now)
    world.converge()
    assert len(world.sees("JP")) == 1
