"""Texts of instruments between nodes, over each store: who is given one, what is kept of an answer."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import msgspec
import pytest

from secretariat.agreements.offered import readable
from secretariat.base.errors import InputError, LimitError, NotFoundError
from secretariat.base.settings import Limits
from secretariat.exchange import instruments
from secretariat.exchange.instruments import MOST_LISTED, MOST_TRIES, MOST_WANTS, Text
from secretariat.records.canonical import canonical


def body_of(key: str = "syn-kr-jp", **more: object) -> bytes:
    return canonical(
        {
            "id": key,
            "title": "Invented terms",
            "kind": "mou",
            "binding": True,
            "parties": ["JP", "KR"],
            "in_force": "2020-01-01",
            "timezone": "UTC",
            "articles": [{"art": "3", "rule": "AUDIENCE", "max_tlp": "AMBER", "verification": "read"}],
            "equivalence": [],
            **more,
        }
    )


class Shelves:
    """KR holds a text, JP wants it; CN is nobody's party."""

    def __init__(self, world, body: bytes | None = None) -> None:
        self.world = world("KR", "JP", "CN")
        self.body = body_of() if body is None else body
        self.digest = hashlib.sha256(self.body).digest()
        self.record("KR", self.digest, self.body)

    def record(self, party: str, digest: bytes, body: bytes) -> None:
        node = self.world.nodes[party]
        key = json.loads(body)["id"]
        with node.store(self.world.now) as store:
            if hasattr(store, "tx"):
                from secretariat.agreements import store as agreements

                agreements.keep_instrument(store.tx, key, body, synthetic=True, now=self.world.now)
            else:
                store._m.texts[digest] = Text(digest, key, body)

    def list(self, party: str, named: dict[bytes, str], by: str = "KR") -> int:
        with self.world.nodes[party].store(self.world.now) as store:
            return instruments.note_wanted(store, by, named, self.world.now)

    def due(self, party: str = "JP", by: str = "KR"):
        with self.world.nodes[party].store(self.world.now) as store:
            return instruments.due(store, by, self.world.now)

    def give(self, to: str, digest: bytes | None = None) -> bytes:
        with self.world.nodes["KR"].store(self.world.now) as store:
            return instruments.encode(instruments.give(store, to, digest or self.digest, self.world.now))

    def take(self, want, answer: bytes, **more):
        with self.world.nodes["JP"].store(self.world.now) as store:
            peer = store.peer("KR")
            return instruments.take_text(
                store, peer, want, answer, limits=more.pop("limits", Limits()), check=readable, **more
            )

    def fail(self, want):
        with self.world.nodes["JP"].store(self.world.now) as store:
            return instruments.failed(store, want, "no route", self.world.now)

    def states(self) -> list[str]:
        with self.world.nodes["JP"].store(self.world.now) as store:
            return [one.state for one in store.wants("KR")]

    def here(self) -> bool:
        with self.world.nodes["JP"].store(self.world.now) as store:
            return self.digest in store.texts_here([self.digest])


@pytest.fixture
def shelves(world):
    return Shelves(world)


def test_a_text_that_a_list_names_is_asked_for_and_kept_for_the_operator(shelves):
    assert shelves.list("JP", {shelves.digest: "syn-kr-jp"}) == 1
    (want,) = shelves.due()
    kept = shelves.take(want, shelves.give("JP"))
    assert kept == Text(shelves.digest, "syn-kr-jp", shelves.body)
    assert shelves.here()
    assert shelves.states() == ["came"]
    assert shelves.due() == []
    assert shelves.list("JP", {shelves.digest: "syn-kr-jp"}) == 0  # nor is it wanted again
    with shelves.world.nodes["JP"].store(shelves.world.now) as store:
        assert store.text(shelves.digest) is None  # it is offered, not recorded: it takes part in nothing


def test_a_text_goes_only_to_who_may_be_shown_it_and_absence_looks_the_same(shelves):
    for digest in (shelves.digest, b"\1" * 32):
        with pytest.raises(NotFoundError, match=r"no instrument [0-9a-f]{12} here for CN"):
            shelves.give("CN", digest)
    public = body_of("syn-open", public=True)
    shelves.record("KR", hashlib.sha256(public).digest(), public)
    assert shelves.give("CN", hashlib.sha256(public).digest())


def bent(answer: bytes, **more: object) -> bytes:
    found = json.loads(answer)
    return msgspec.json.encode({**found, **more})


WRONG = {
    "another body": lambda right: bent(right, body={"id": "syn-kr-jp"}),
    "the hash of another": lambda right: bent(right, hash="0" * 64),
    "another version": lambda right: bent(right, v=2),
    "another key": lambda right: bent(right, key="tlp-2"),
    "no body": lambda _: msgspec.json.encode({"v": 1, "hash": "0" * 64, "key": "x"}),
    "not JSON": lambda _: b"<html>",
    "nothing": lambda _: b"",
    "bytes that are no text": lambda _: b"\xff\xfe",
    "nested beyond reading": lambda _: b"[" * 100_000,
    "the same content written otherwise": lambda right: right.replace(b'"binding":true', b'"binding": true'),
    "too long": lambda right: right + b" " * 2_000_000,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_refused_recorded_and_not_asked_for_again(shelves, wrong):
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    (want,) = shelves.due()
    assert shelves.take(want, wrong(shelves.give("JP"))) is None
    assert not shelves.here()
    assert shelves.states() == ["refused"]
    assert shelves.world.refusals("JP") == ["bad-instrument"]
    shelves.world.tick(days=30)
    assert shelves.due() == []
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})  # until the partner signs a list that names it anew
    assert shelves.due() != []


HOSTILE = {
    "without id": b'{"title":"x"}',
    "a list": b"[]",
    "a key that the schema lacks": body_of(sudo="yes"),
    "an article that permits by no rule": body_of(articles=[{"art": "1", "rule": "ALLOW_ALL"}]),
    "a day that does not exist": body_of(in_force="2020-02-31"),
    "a name for another": body_of("tlp-2"),
    "levels that are none": body_of(equivalence=[{"article": "4", "columns": ["X"], "rows": [["a", "b"]]}]),
    "groups that are none": body_of(groups={"CLUB": 3}),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_that_nobody_can_decide_by_is_refused_though_its_hash_is_right(shelves, body):
    digest = hashlib.sha256(body).digest()
    shelves.list("JP", {digest: "syn-kr-jp"})
    (want,) = shelves.due()
    answer = b'{"v":1,"hash":"%s","key":"syn-kr-jp","body":%s}' % (digest.hex().encode(), body)
    assert shelves.take(want, answer) is None
    assert shelves.states() == ["refused"]


def test_a_text_that_was_not_asked_for_is_not_kept(shelves):
    other = body_of("syn-other")
    digest = hashlib.sha256(other).digest()
    shelves.record("KR", digest, other)
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    (want,) = shelves.due()
    assert shelves.take(want, shelves.give("JP", digest)) is None
    with shelves.world.nodes["JP"].store(shelves.world.now) as store:
        assert store.texts_here([digest, shelves.digest]) == set()
    unasked = msgspec.structs.replace(want, digest=digest, key="syn-other")
    assert shelves.take(unasked, shelves.give("JP", digest)) is None
    assert shelves.world.refusals("JP") == ["bad-instrument"]  # of the first alone: the second is nobody's


def test_a_long_text_is_refused_by_the_limit(shelves):
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    (want,) = shelves.due()
    small = msgspec.structs.replace(Limits(), max_instrument_bytes=1)
    assert shelves.take(want, shelves.give("JP") + b" " * 1_200, limits=small) is None
    assert shelves.states() == ["refused"]


def test_a_partner_that_never_answers_is_asked_ever_more_rarely_and_then_no_more(shelves):
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    asked, first = 0, shelves.world.now
    while found := shelves.due():
        asked += 1
        noted = shelves.fail(found[0])
        assert shelves.due() == []
        shelves.world.now = noted.next_at
    assert asked == MOST_TRIES
    assert shelves.world.now - first > timedelta(hours=12)
    assert shelves.states() == ["unanswered"]
    with shelves.world.nodes["JP"].store(shelves.world.now) as store:
        assert instruments.renew(store, "KR", shelves.world.now) == 1  # a grant waits: it is there again
    assert len(shelves.due()) == 1


def test_a_list_beyond_all_measure_is_refused_and_a_long_one_is_bounded(shelves):
    named = [{"key": f"k{n}", "hash": f"{n:064x}"} for n in range(MOST_LISTED + 1)]
    with pytest.raises(LimitError):
        instruments.named_by(named)
    assert shelves.list("JP", instruments.named_by(named[:-1])) == MOST_WANTS
    assert len(shelves.states()) == MOST_WANTS


@pytest.mark.parametrize(
    "one", [{}, "x", {"key": "a", "hash": "z" * 64}, {"key": "", "hash": "0" * 64}, None]
)
def test_a_list_of_anything_else_is_refused(one):
    with pytest.raises(InputError):
        instruments.named_by([one])


def test_what_a_later_list_leaves_out_is_no_longer_wanted(shelves):
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    shelves.list("JP", {})
    assert shelves.due() == []
    assert shelves.states() == []


def test_texts_that_nobody_decided_on_count_against_what_a_partner_may_make_us_fetch(shelves):
    for number in range(3):
        digest = bytes([number]) * 32
        with shelves.world.nodes["JP"].store(shelves.world.now) as store:
            store.offer_text(Text(digest, f"k{number}", b"{}"), "KR")
    named = {n.to_bytes(32, "big"): f"n{n}" for n in range(1, MOST_WANTS + 9)}
    assert shelves.list("JP", named) == MOST_WANTS - 3
    assert shelves.list("JP", {n.to_bytes(32, "big"): "x" for n in range(900, 1_500)}) == MOST_WANTS - 3
    assert len(shelves.states()) == MOST_WANTS - 3  # what is no longer named is not kept


def test_what_was_imported_meanwhile_is_no_longer_wanted(shelves):
    shelves.list("JP", {shelves.digest: "syn-kr-jp"})
    shelves.record("JP", shelves.digest, shelves.body)
    assert shelves.due() == []
    assert shelves.states() == ["came"]


@pytest.mark.parametrize("text", ["", "x" * 64, "0" * 63, "A" * 64, "../" * 22])
def test_an_address_that_is_no_hash(text):
    with pytest.raises(InputError):
        instruments.read_digest(text)
