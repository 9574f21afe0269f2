"""Private questions between two nodes over HTTP on loopback: the way of a question, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import runpy
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx2
import jsonschema
import msgspec
import pytest

from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, DeniedError, LimitError, NotFoundError, StateError
from secretariat.exchange import (
    identity,
    peer_pages,
    private_answering,
    private_asking,
    private_doors,
    private_service,
    private_store,
    private_wire,
    psi,
    ristretto,
)
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import transaction
from secretariat.exchange.private_values import check_opening, epoch_of
from secretariat.ledger import dsse, entries
from secretariat.records import store as records
from secretariat.records.markings import Label
from secretariat.storage.engine import raw

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
http = runpy.run_path(str(_HERE / "test_http.py"))
until = served["until"]
UNDER = "jp-rok-gsomia-2016"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def indicator(value: str, marking: str = GREEN) -> dict[str, object]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, value)}",
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "pattern": f"[domain-name:value = '{value}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T00:00:00Z",
        "object_marking_refs": [marking],
    }


class Asking(http["Served"]):
    """JP asks, KR answers. They have 120 and 130 names, 40 of them both."""

    def names(self) -> None:
        self.load("JP", *[indicator(f"{n}.jp.example") for n in range(80)])
        self.load("KR", *[indicator(f"{n}.kr.example") for n in range(90)])
        for party in ("JP", "KR"):
            self.load(party, *[indicator(f"{n}.both.example") for n in range(40)])

    def allow(
        self, *, standing: bool = True, elements: int = 1_000, types=("domain-name",), sides=("JP", "KR")
    ):
        for party in sides:
            other = "KR" if party == "JP" else "JP"
            private_service.allow(
                self.nodes[party],
                "live",
                other,
                under=UNDER,
                types=types,
                elements=elements,
                standing=standing,
                by="root",
                now=now(),
            )

    def ask(self, kind: str = "domain-name") -> int:
        return private_asking.ask(self.nodes["JP"], "live", "KR", kind, by="aiko", now=now())

    def at(self, party: str):
        return private_service.list_questions(self.nodes[party], "live")

    def state(self, number: int) -> str:
        return private_service.one_question(self.nodes["JP"], "live", number).state

    def entries(self, party: str, kind: str) -> list[dict[str, object]]:
        with self.nodes[party].database.app("live") as tx:
            rows = raw(tx).execute("SELECT envelope FROM entry WHERE kind = %s ORDER BY position", (kind,))
            return [entries.read(dsse.payload_of(bytes(one))).body for (one,) in rows]

    def post(self, path: str, message: object, *, party: str = "JP", method: str = "POST") -> httpx2.Response:
        """Send what a partner that keeps no rule might send, signed as it should be."""
        url = f"{self.nodes['KR'].settings.address('live')}/live/peer/v1/questions{path}"
        body = b"" if message is None else msgspec.json.encode(message)
        request = identity.Request(method, url, {"accept": "application/json"}, body)
        signer = self.nodes[party].keyring("live").transport
        identity.sign_request(request, to="KR", signer=signer, now=now(), nonce=f"{time.monotonic_ns():022d}")
        return self.send(request)


@pytest.fixture
def pair(node, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", (*peer_pages.routes, *private_doors.routes))
    monkeypatch.setattr("secretariat.exchange.private_sync._LOOK_S", 0.2)
    with contextlib.ExitStack() as stack:
        there = Asking(node, stack)
        until(there.agreed, 60)
        there.names()
        yield there


def test_a_question_is_counted_and_stands_in_both_logs(pair):
    pair.allow()
    number = pair.ask()
    until(lambda: pair.state(number) == "counted", 60)
    (mine,) = pair.at("JP")
    assert (mine.result, mine.size, mine.their_size) == (40, 120, 130)
    until(lambda: pair.at("KR")[0].result is not None, 30)  # the asker's log says it
    (theirs,) = pair.at("KR")
    assert (theirs.state, theirs.result, theirs.size) == ("answered", 40, 120)
    assert mine.answer == theirs.answer
    until(lambda: len(pair.entries("KR", "private-question")) == 1)
    (asked,), (answered,) = pair.entries("JP", "private-question"), pair.entries("KR", "private-question")
    for name in ("asks", "answers", "asked", "offered", "answer", "epoch", "type", "under"):
        assert asked[name] == answered[name], name
    assert (asked["result"], asked["by"], answered.get("result")) == (40, "aiko", None)
    for party in ("JP", "KR"):
        said = json.dumps([pair.entries(party, kind) for kind in ("private-set", "private-question")])
        assert "example" not in re.sub("(jp|kr).example/live", "", said)  # never a value


def test_which_they_are_is_shown_when_both_sides_persons_say_so_and_both_prove_it(pair):
    pair.allow()
    number = pair.ask()
    until(lambda: pair.state(number) == "counted", 60)
    jp, kr = pair.nodes["JP"], pair.nodes["KR"]
    assert private_asking.matches_of(jp, "live", number) == []
    private_asking.want_opened(jp, "live", number, by="aiko", now=now())
    until(lambda: pair.at("KR")[0].stage == "wanted", 30)
    refused = pair.post(f"/{epoch_of(now())}/domain-name/lists/opened?part=0", None, method="GET")
    assert refused.status_code == 403
    private_service.decide(kr, "live", pair.at("KR")[0].id, what="opening", yes=True, by="minjun", now=now())
    until(lambda: pair.at("JP")[0].stage == "opened", 30)
    assert set(private_asking.matches_of(jp, "live", number)) == {f"{n}.both.example" for n in range(40)}
    (mine,), (theirs,) = pair.at("JP"), pair.at("KR")
    assert (mine.shown, theirs.shown, theirs.stage) == (40, 40, "opened")
    said = json.dumps(pair.entries("JP", "private-question"))
    assert "example" not in re.sub("(jp|kr).example/live", "", said)
    for party in ("JP", "KR"):
        stages = [one["stage"] for one in pair.entries(party, "private-question")]
        assert stages == ["counted", "opened"]


def test_a_person_decides_where_no_standing_yes_was_given(pair):
    pair.allow(standing=False)
    number = pair.ask()
    until(lambda: pair.at("KR") != [] and pair.at("KR")[0].state == "waiting", 30)
    time.sleep(0.6)
    assert pair.state(number) == "pinned"
    private_service.decide(
        pair.nodes["KR"], "live", pair.at("KR")[0].id, what="answer", yes=True, by="minjun", now=now()
    )
    until(lambda: pair.state(number) == "counted", 30)


def test_a_no_of_a_person_ends_the_question_for_the_week(pair):
    pair.allow(standing=False)
    number = pair.ask()
    until(lambda: pair.at("KR") != [], 30)
    private_service.decide(
        pair.nodes["KR"], "live", pair.at("KR")[0].id, what="answer", yes=False, by="minjun", now=now()
    )
    until(lambda: pair.state(number) == "refused", 30)
    assert pair.entries("KR", "private-set") == []
    with pytest.raises(ConflictError, match="already"):
        pair.ask()


# a partner that keeps no rule


@pytest.fixture
def slow(pair, monkeypatch):
    """Nobody asks by itself: every message is written by the test."""

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr("secretariat.exchange.private_sync.further", nothing)
    return pair


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("code"))


def asked(pair, number: int) -> dict[str, object]:
    one = private_service.one_question(pair.nodes["JP"], "live", number)
    return {"v": 1, "type": one.type, "epoch": one.epoch, "set": one.set_position}


def opened(pair, ask: dict[str, object]) -> httpx2.Response:
    """Open a question once the pin came through the feed."""
    found = [pair.post("", ask)]
    until(lambda: problem(found[-1])[1] != "not-yet-seen" or found.append(pair.post("", ask)), 30)
    return found[-1]


def pins(pair, **bent: object) -> int:
    """Write a pin of JP as it pleases."""
    (right,) = pair.entries("JP", "private-set")[:1]
    node = pair.nodes["JP"]
    with transaction(node, "live", now()) as store:
        return store.append([Outgoing("private-set", "KR", {**right, **bent})])[0]


def test_an_asker_that_keeps_no_rule_gets_nothing(slow):
    slow.allow(types=("domain-name", "url"))
    number = slow.ask()
    ask = asked(slow, number)
    week = ask["epoch"]
    assert problem(slow.post("", {**ask, "set": 10**6})) == (409, "not-yet-seen")
    assert problem(slow.post("", {**ask, "epoch": "2026-W01"})) == (409, "conflict")
    assert problem(slow.post("", {**ask, "type": "mutex"})) == (422, "bad-input")
    assert problem(slow.post("", {**ask, "type": "email-addr"})) == (403, "denied")
    assert problem(slow.post("", {**ask, "v": 2})) == (422, "bad-input")
    assert problem(slow.post("", {**ask, "more": 1})) == (422, "bad-input")
    assert problem(slow.post(f"/{week}/domain-name/answer", None)) == (404, "not-found")
    bent = {
        "another type than pinned": ({}, {"type": "url"}, (422, "proof-failed")),
        "another week than pinned": ({"epoch": "2026-W01"}, {}, (422, "proof-failed")),
        "the answerer's side": ({"side": "answers"}, {}, (422, "proof-failed")),
        "every IPv4 address there is": ({"size": 2**32}, {}, (413, "too-large")),
        "past the budget of the week": ({"size": 1_001}, {}, (413, "too-large")),
        "too few values": ({"size": 99}, {}, (403, "denied")),
    }
    for name, (written, said, wanted) in bent.items():
        got = opened(slow, {**ask, **said, "set": pins(slow, **written)})
        assert problem(got) == wanted, name
    assert slow.at("KR") == []  # nothing of this was even noted as a question, and nothing was multiplied
    right = opened(slow, ask)
    assert (right.status_code, right.json()["state"]) == (200, "ready")
    again = opened(slow, {**ask, "set": pins(slow, list="0" * 64)})
    assert problem(again) == (409, "another-set")  # one set a week

    def part(items: bytes, at: int = 0) -> httpx2.Response:
        return slow.post(f"/{week}/domain-name/parts/{at}", {"items": base64.b64encode(items).decode()})

    items = private_asking.part_to_send(slow.nodes["JP"], "live", number, 0)
    assert private_asking.parts_sent(slow.nodes["JP"], "live", number) == 1
    points = [items[at : at + 32] for at in range(0, len(items), 32)]
    assert len(points) == 120 + 32
    for wrong in (
        b"",
        items[:-1],
        bytes(32) + items[32:],
        b"\xff" * 32,
        points[1] + points[0],
        points[0] * 2,
        ristretto.GENERATOR[:-1] + b"\x77",
    ):
        assert problem(part(wrong)) == (422, "no-list"), wrong[:40]
        (held,) = slow.at("KR")
        assert held.state == "refused"  # for the week: nobody lets this node multiply for nothing twice
        assert problem(part(wrong)) == (409, "wrong-state")
        with slow.nodes["KR"].database.app("live") as tx:
            private_store.change_question(tx, held.id, state="ready")
    many = b"".join(sorted(ristretto.point_of(secrets.token_bytes(64)) for _ in range(153)))
    assert problem(part(many)) == (409, "another-set")
    assert problem(part(items, 1)) == (409, "conflict")
    assert problem(slow.post(f"/{week}/domain-name/lists/tags?part=0", None, method="GET")) == (
        409,
        "wrong-state",
    )
    assert problem(slow.post(f"/{week}/domain-name/answer", None)) == (409, "another-set")  # an empty list
    others = b"".join(sorted(ristretto.point_of(secrets.token_bytes(64)) for _ in range(152)))
    assert part(others).json() == {"parts": 1}
    assert part(others).json() == {"parts": 1}
    assert problem(part(items)) == (409, "another-set")
    assert problem(slow.post(f"/{week}/domain-name/answer", None)) == (409, "another-set")
    assert slow.entries("KR", "private-question") == []
    assert slow.at("KR")[0].state == "ready"


def test_nothing_is_asked_or_answered_before_it_is_turned_on(slow):
    with pytest.raises(DeniedError, match="not on"):
        slow.ask()
    slow.allow(sides=("JP",))
    number = slow.ask()
    assert problem(slow.post("", asked(slow, number))) == (403, "denied")
    for party, under in (("KR", "tlp-2"), ("KR", "no-such-thing"), ("US", UNDER)):
        with pytest.raises((DeniedError, NotFoundError)):
            private_service.allow(
                slow.nodes["JP"],
                "live",
                party,
                under=under,
                types=["url"],
                elements=1,
                standing=True,
                by="root",
                now=now(),
            )
    private_service.forbid(slow.nodes["JP"], "live", "KR", by="root", now=now())
    assert slow.state(number) == "refused"
    with pytest.raises(DeniedError):
        slow.ask()


def test_what_is_marked_beyond_others_takes_no_part(slow):
    slow.load("JP", *[indicator(f"{n}.secret.example", RED) for n in range(30)])
    slow.allow(elements=121)
    number = slow.ask()
    assert private_service.one_question(slow.nodes["JP"], "live", number).size == 120
    slow.load("JP", indicator("late.example"))  # the set of the week stays as it was
    with slow.nodes["JP"].database.app("live") as tx:
        held = private_store.read_set(tx, "domain-name", epoch_of(now()))
        found = list(held.values(tx))
        assert (held.size, len(found)) == (120, 120)
        assert not [one for one in found if "secret" in one or "late" in one]
        shown = held.open(tx, [found[3], "never.example", found[119]])
    assert [one.position for one in shown] == [3, 119]
    for one in shown:
        check_opening("domain-name", one, held.size, held.root)


def test_sizes_and_budgets_hold_for_the_asker_too(slow):
    slow.allow(elements=119)
    with pytest.raises(LimitError, match="119"):
        slow.ask()
    slow.allow(elements=10_000)
    limits = slow.nodes["JP"].settings.limits
    slow.nodes["JP"].settings.limits = msgspec.structs.replace(limits, private_minimum=121)
    with pytest.raises(DeniedError, match="121 are the least"):
        slow.ask()
    slow.nodes["JP"].settings.limits = msgspec.structs.replace(limits, private_elements=119)
    with pytest.raises(LimitError, match="119 are the most"):
        slow.ask()
    slow.nodes["JP"].settings.limits = limits
    slow.allow(types=("url",))
    with pytest.raises(DeniedError, match="0 values"):
        slow.ask("url")


def test_two_questions_at_one_moment_count_one_after_the_other(slow):
    slow.allow(elements=120)

    def ask(_: int) -> object:
        try:
            return slow.ask()
        except ConflictError as error:
            return error.code

    with ThreadPoolExecutor(3) as both:
        found = list(both.map(ask, range(3)))
    assert sorted(map(str, found))[1:] == ["conflict", "conflict"]
    assert len(slow.entries("JP", "private-set")) == 1


def test_who_asks_again_while_a_long_list_is_made_waits_and_holds_nothing(slow):
    slow.allow()
    ask = asked(slow, slow.ask())
    with slow.nodes["KR"].database.app("live") as tx:
        assert private_store.alone(tx, "live", "JP", "domain-name", str(ask["epoch"]))
        assert slow.post("", ask).json() == {"state": "waiting", "why": "the partner makes its list"}
    assert opened(slow, ask).json()["state"] == "ready"


def test_an_answerer_with_too_few_values_answers_nothing(slow):
    slow.allow()
    limits = slow.nodes["KR"].settings.limits
    number = slow.ask()
    slow.nodes["KR"].settings.limits = msgspec.structs.replace(limits, private_minimum=131)
    ask = asked(slow, number)
    until(lambda: problem(slow.post("", ask))[1] != "not-yet-seen", 30)
    assert problem(slow.post("", ask)) == (403, "denied")  # the asker's 120 are too few for it as well
    slow.nodes["KR"].settings.limits = limits
    with slow.nodes["KR"].database.app("live") as tx:
        raw(tx).execute("UPDATE object_version SET state = 'hidden' WHERE stix_id LIKE 'indicator%'")
    assert slow.post("", ask).json() == {"state": "refused", "why": "fewer than 100 values here"}


class Answered:
    """A question that KR has answered rightly and JP has not counted: to be bent on its way."""

    def __init__(self, slow) -> None:
        self.slow, self.jp, self.kr = slow, slow.nodes["JP"], slow.nodes["KR"]
        slow.allow()
        self.number = slow.ask()
        got = opened(slow, asked(slow, self.number)).json()
        self.position = got["set"]
        until(self.ready, 30)
        self.week = epoch_of(now())
        items = private_asking.part_to_send(self.jp, "live", self.number, 0)
        private_answering.take_part(self.kr, "live", "JP", "domain-name", self.week, 0, items, now=now())
        self.said = private_answering.answer(self.kr, "live", "JP", "domain-name", self.week, now=now())
        self.answer, self.tags = self.list("answer"), self.list("tags")

    def ready(self) -> bool:
        return private_asking.ready(self.jp, "live", self.number, self.position, now=now())

    def list(self, name: str) -> list[bytes]:
        return [
            private_answering.give_part(
                self.kr, "live", "JP", "domain-name", self.week, name, 0, now=now()
            ).items
        ]

    def count(self, said=None, answer=None, tags=None) -> int:
        return private_asking.count(
            self.jp,
            "live",
            self.number,
            said or self.said,
            answer if answer is not None else self.answer,
            tags if tags is not None else self.tags,
            now=now(),
        )

    def rehashed(self, answer: list[bytes], **more: object):
        return msgspec.structs.replace(self.said, hash=psi.hash_of(answer), **more)


def bent_list(items: bytes) -> list[bytes]:
    found = [items[at : at + 32] for at in range(0, len(items), 32)]
    found[0] = ristretto.point_of(secrets.token_bytes(64))
    return [b"".join(sorted(found))]


def test_an_answer_that_does_not_hold_counts_nothing(slow):
    it = Answered(slow)
    (answer,), (tags,) = it.answer, it.tags
    other_key = psi.secret_of(secrets.token_bytes(64))
    points = [answer[at : at + 32] for at in range(0, len(answer), 32)]
    rekeyed = [b"".join(sorted(psi.times(other_key, points)))]
    shift = ristretto.point_of(secrets.token_bytes(64))
    back = ristretto.times(ristretto.scalar(-1), shift)
    shifted = [
        b"".join(sorted(ristretto.plus(one, shift if n % 2 else back) for n, one in enumerate(points)))
    ]
    wrong = {
        "one answer that is another's": (it.rehashed(bent_list(answer)), bent_list(answer), None),
        "the hash of another list": (it.rehashed([b"x"]), None, None),
        "an answer less": (it.rehashed([answer[32:]]), [answer[32:]], None),
        "answers of another key": (it.rehashed(rekeyed), rekeyed, None),
        "answers bent against each other": (it.rehashed(shifted), shifted, None),
        "a proof of nothing": (it.rehashed(it.answer, proof=bytes(64)), None, None),
        "other tags than pinned": (None, None, bent_list(tags)),
        "a tag less": (None, None, [tags[32:]]),
        "no answer": (it.rehashed([]), [], None),
        "no tags": (None, None, []),
        "an answer twice": (None, [answer, answer], None),
        "half an item": (None, [answer[:-1]], None),
        "no point": (None, [b"\xff" * len(answer)], None),
        "the identity": (None, [bytes(32) + answer[32:]], None),
    }
    for name, (said, lists, own) in wrong.items():
        with pytest.raises(private_asking.PrivateAnswerError):
            pytest.fail(f"{name}: {it.count(said, lists, own)}")
    assert slow.entries("JP", "private-question") == []
    with pytest.raises(private_asking.PrivateAnswerError, match="now says"):
        private_asking.ready(it.jp, "live", it.number, it.position + 1, now=now())
    assert it.count() == 40
    assert it.count(said=it.rehashed([b"x"])) == 40  # once is enough: what was counted stays


def test_an_opened_answer_that_does_not_hold_shows_nothing(slow):
    it = Answered(slow)
    it.count()
    with pytest.raises(StateError):
        private_asking.opened(it.jp, "live", it.number, [], now=now())
    private_asking.want_opened(it.jp, "live", it.number, by="aiko", now=now())
    with pytest.raises(ConflictError):
        private_asking.want_opened(it.jp, "live", it.number, by="aiko", now=now())
    week = it.week
    assert slow.post(f"/{week}/domain-name/opening", None).json() == {"state": "waiting"}
    assert problem(slow.post(f"/{week}/domain-name/lists/opened?part=0", None, method="GET")) == (
        403,
        "denied",
    )
    assert problem(slow.post(f"/{week}/domain-name/matches", {"matches": []})) == (403, "denied")
    number = slow.at("KR")[0].id
    private_service.decide(it.kr, "live", number, what="opening", yes=True, by="minjun", now=now())
    with pytest.raises(DeniedError):
        private_service.decide(it.kr, "live", number, what="opening", yes=False, by="minjun", now=now())
    part = private_answering.give_part(it.kr, "live", "JP", "domain-name", week, "opened", 0, now=now())
    points = [part.items[at : at + 32] for at in range(0, len(part.items), 32)]
    swapped = b"".join([points[1], points[0], *points[2:]])
    for bad in (
        [],
        [part, part],
        [msgspec.structs.replace(part, proof=bytes(64))],
        [msgspec.structs.replace(part, items=swapped)],
        [msgspec.structs.replace(part, items=part.items[32:])],
    ):
        with pytest.raises(private_asking.PrivateAnswerError):
            private_asking.opened(it.jp, "live", it.number, bad, now=now())
    matches = private_asking.opened(it.jp, "live", it.number, [part], now=now())
    assert len(matches) == 40
    (sent,) = private_asking.to_show(it.jp, "live", it.number, now=now())
    liar = msgspec.structs.replace(sent.matches[0], value="never.logged.example")
    for bad in (liar, msgspec.structs.replace(sent.matches[0], salt=bytes(32))):
        body = json.loads(msgspec.json.encode({"matches": [bad]}))
        assert problem(slow.post(f"/{week}/domain-name/matches", body)) == (422, "proof-failed")
    got = private_answering.show(it.kr, "live", "JP", "domain-name", week, sent, now=now())
    for bad in (
        msgspec.structs.replace(got, matches=(msgspec.structs.replace(got.matches[0], value="x.example"),)),
        msgspec.structs.replace(got, matches=(msgspec.structs.replace(got.matches[0], salt=bytes(32)),)),
    ):
        with pytest.raises(private_asking.PrivateAnswerError):
            private_asking.shown(it.jp, "live", it.number, [sent], [bad], now=now())
    assert private_asking.shown(it.jp, "live", it.number, [sent], [got], now=now()) == 40


def test_a_matched_value_that_may_not_go_to_the_partner_stays_a_number(slow, monkeypatch):
    it = Answered(slow)
    it.count()
    private_asking.want_opened(it.jp, "live", it.number, by="aiko", now=now())
    slow.post(f"/{it.week}/domain-name/opening", None)
    private_service.decide(
        it.kr, "live", slow.at("KR")[0].id, what="opening", yes=True, by="minjun", now=now()
    )
    part = private_answering.give_part(it.kr, "live", "JP", "domain-name", it.week, "opened", 0, now=now())
    private_asking.opened(it.jp, "live", it.number, [part], now=now())
    with it.jp.database.app("live") as tx:  # since then JP marks half of them RED
        red = records.keep_labels(tx, [Label(orig="JP", tlp="RED", scheme="JP_MOD", level="GOKUHI")])
        (number,) = red.values()
        for n in range(20):
            stix_id = indicator(f"{n}.both.example")["id"]
            raw(tx).execute("UPDATE object_version SET label = %s WHERE stix_id = %s", (number, stix_id))
    (sent,) = private_asking.to_show(it.jp, "live", it.number, now=now())
    assert len(sent.matches) == 20
    got = private_answering.show(it.kr, "live", "JP", "domain-name", it.week, sent, now=now())
    assert private_asking.shown(it.jp, "live", it.number, [sent], [got], now=now()) == 20


def test_when_the_week_is_over_sets_secrets_and_lists_are_destroyed(slow):
    it = Answered(slow)
    it.count()
    later = now() + timedelta(days=8)
    for node in (it.jp, it.kr):
        assert private_service.housekeeping(node, "live", now=now()) == 0
        assert private_service.housekeeping(node, "live", now=later) == 1
        with node.database.app("live") as tx:
            for table in ("private_set", "private_member", "private_part"):
                assert raw(tx).execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
            assert raw(tx).execute("SELECT secret FROM private_question").fetchall() == [(None,)]
    assert slow.at("JP")[0].result == 40


def test_every_message_fits_its_schema(slow):
    it = Answered(slow)
    schema = json.loads(
        (Path(private_wire.__file__).parent / "schemas" / "private.json").read_text(encoding="utf-8")
    )
    assert schema == private_wire.schemas()
    validator = jsonschema.Draft202012Validator(schema)
    one = {"value": "a.example", "salt": "", "position": 0, "path": []}
    for message in (
        it.said,
        private_wire.Items(it.tags[0]),
        private_wire.Standing("ready", 4),
        private_wire.Ask(1, "url", "2026-W47", 3),
        {"matches": [one]},
    ):
        validator.validate(json.loads(msgspec.json.encode(message)))
