"""Pairs out of memory are those of the database, statement by statement, also where lists are cut off."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from secretariat.register import service as register
from secretariat.register.model import Commitment, Meeting, Statement, View
from secretariat.register.overlap import service, store
from secretariat.register.overlap.model import COMPARED
from secretariat.storage.engine import raw

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
WORDS = [
    "drill",
    "incident",
    "teams",
    "sharing",
    "warnings",
    "ports",
    "energy",
    "grid",
    "hotline",
    "students",
]
WORDS += [
    "CERT",
    "APCERT",
    "protection",
    "演習",
    "協議",
    "重要インフラ",
    "훈련",
    "정보",
    "공유",
    "合作",
    "网络",
]
COUNT = 150


@pytest.fixture(autouse=True)
def short_lists(monkeypatch):
    """Let every list be cut off by few statements."""
    monkeypatch.setattr(store, "EACH", 9)
    monkeypatch.setattr(store, "COMPARED_AT_ONCE", 40)
    monkeypatch.setattr(store, "PAIRS_OF_ONE", 12)
    monkeypatch.setattr(service, "_MANY", 50)


def world(seed: int) -> list[Statement]:
    """Give statements of few circles and words, so that many are near each other."""
    chance = random.Random(seed)
    made: list[Statement] = []
    for number in range(COUNT):
        on = date(2015, 1, 1) + timedelta(days=chance.randrange(900))
        given = {
            "key": f"k-{number}",
            "title": " ".join(chance.choices(WORDS, k=4)),
            "summary": " ".join(chance.choices(WORDS, k=chance.choice((0, 3, 12)))),
            "parties": chance.choice((("JP", "KR"), ("JP", "KR"), ("CN", "JP", "KR"), ("CN", "US"))),
            "true_from": None if number % 17 == 0 else on.isoformat()[: chance.choice((10, 10, 7, 4))],
            "known_public": (on + timedelta(days=chance.randrange(60))).isoformat(),
            "orgs": tuple(chance.sample(("APCERT", "ARF", "UN"), k=chance.choice((0, 0, 1, 2)))),
            "aim": chance.choice((None, None, None, "drills")),
        }
        match number % 5:
            case 0:
                made.append(Commitment(kind="commitment", owed_by=given["parties"], **given))
            case 1:
                made.append(Statement(kind="development", **given))
            case 2 if number % 3 == 0:
                made.append(Statement(kind="attack", **given))
            case _:
                level = chance.choice((None, "leaders", "working"))
                made.append(Meeting(kind="meeting", level=level, **given))
    return made


def filled(node, seed):
    """Record a world, take some back, say some anew, and put all of it into the index, without pairs."""
    jp = node("JP")
    made = world(seed)
    register.record(jp, "live", made, by="mina", now=NOW)
    with jp.database.app("live") as tx:
        while service.catch_up(tx, pairs=0, by="words"):
            pass
        gone = [number for (number,) in raw(tx).execute("SELECT id FROM register_overlap WHERE id % 41 = 7")]
        store.statements.end(tx, gone, position=1)
    return jp


def one_by_one(tx, ids, how="words"):
    return service._pairs(tx, store.profiles(tx, ids).values(), how)


def ids_of(tx):
    return [number for (number,) in raw(tx).execute("SELECT id FROM register_overlap ORDER BY id")]


@pytest.mark.parametrize("seed", [1, 2])
def test_memory_and_database_give_the_same_pairs(node, seed):
    jp = filled(node, seed)
    with jp.database.app("live") as tx:
        ids = ids_of(tx)
        field = store.field(tx, COMPARED, None)
        expected = one_by_one(tx, ids)
        assert {number: field.pairs(number) for number in ids} == expected
    assert max(map(len, expected.values())) == store.PAIRS_OF_ONE  # else nothing was cut off


def test_so_they_do_by_meaning(node, monkeypatch):
    jp = filled(node, 3)
    chance = random.Random(3)

    def likeness(one: bytes, other: bytes) -> float:
        return round(1 - abs(one[0] - other[0]) / 255, 6)

    monkeypatch.setattr(service, "_likeness", lambda _: likeness)
    with jp.database.app("live") as tx:
        ids = ids_of(tx)
        store.set_vectors(tx, {one: bytes([chance.randrange(256)]) for one in ids if one % 7})
        field = store.field(tx, COMPARED, likeness)
        some = ids[::2]
        assert {number: field.pairs(number) for number in some} == one_by_one(tx, some, "meaning")


def test_many_that_wait_are_paired_at_once_and_the_board_is_the_same(node):
    """The board after steps out of memory is that after steps by the database; both count what waits."""
    jp = filled(node, 4)
    view = View(day=NOW.date())
    with jp.database.app("live") as tx:
        slow = 0
        while done := service.catch_up(tx, by="words"):
            slow += done
        expected = service.board(tx, view, by="words")
        held = raw(tx).execute("SELECT low, high, score FROM register_overlap_pair ORDER BY 1, 2").fetchall()
        raw(tx).execute("DELETE FROM register_overlap_pair")
        raw(tx).execute("INSERT INTO register_overlap_waiting (id) SELECT id FROM register_overlap")
        desk, fast, waiting = service.Desk(), 0, []
        while done := service.catch_up(tx, pairs=7, by="words", desk=desk):
            fast += done
            waiting.append(service.board(tx, view, by="words").waiting)
        assert fast == slow
        assert waiting[-1] == 0
        assert waiting == sorted(waiting, reverse=True)
        assert desk._field is None  # what it held is let go
        assert (
            raw(tx).execute("SELECT low, high, score FROM register_overlap_pair ORDER BY 1, 2").fetchall()
            == held
        )
        assert service.board(tx, view, by="words") == expected


def test_what_is_recorded_meanwhile_is_paired_too(node):
    jp = filled(node, 5)
    desk = service.Desk()
    late = Meeting(
        key="late",
        kind="meeting",
        title="drill of incident teams",
        summary="sharing warnings",
        parties=("JP", "KR"),
        true_from="2016-02-01",
        known_public="2016-02-02",
    )
    with jp.database.app("live") as tx:
        service.catch_up(tx, pairs=7, by="words", desk=desk)
    register.record(jp, "live", [late], by="mina", now=NOW)
    with jp.database.app("live") as tx:
        while service.catch_up(tx, pairs=7, by="words", desk=desk):
            pass
        assert store.count_waiting(tx) == 0
        number = max(ids_of(tx))
        found = raw(tx).execute(
            "SELECT least(low, high), score FROM register_overlap_pair WHERE high = %s OR low = %s",
            (number, number),
        )
        assert found.fetchone() is not None
