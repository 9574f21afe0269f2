"""Object versions and collections on a real database."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from secretariat.base.errors import ConflictError, NotFoundError
from secretariat.records import collections, store
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.records.store import Seal, Version

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def a_version(
    name: str = "a", *, day: int = 0, originator: str = "KR", label: Label | None = None
) -> Version:
    stix_id = f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, name)}"
    return Version(
        stix_id=stix_id,
        type="indicator",
        version=NOON + day * DAY,
        data=canonical({"id": stix_id, "type": "indicator", "day": day}),
        originator=originator,
        source=originator,
        label=label or Label(originator, tlp="AMBER"),
        state="draft",
        recorded_at=NOON,
        known_at=NOON,
    )


def collection(tx: sa.Connection, kind: str = "own", reader: str = "KR") -> int:
    return collections.ensure(tx, kind, reader, party="KR", realm="live")


def items(tx: sa.Connection, number: int) -> list[tuple[int, int, bool, bool]]:
    rows = tx.execute(
        sa.text("SELECT seq, version, first, last FROM item WHERE collection = :c ORDER BY seq"),
        {"c": number},
    )
    return [tuple(row) for row in rows]


def test_what_is_written_is_read_back(tx):
    rows = [a_version("a"), a_version("b", label=Label("US", tlp="RED", derived_from=(Label("JP"),)))]
    ids = store.put(tx, rows)

    read = store.by_ids(tx, list(reversed(ids)))

    assert [one.data for one in reversed(read)] == [row.data for row in rows]
    assert [one.label for one in reversed(read)] == [row.label for row in rows]
    assert store.labels_by_id(tx, ids) == {ids[0]: rows[0].label, ids[1]: rows[1].label}
    assert read[0].version == NOON
    assert read[0].object()["type"] == "indicator"


def test_equal_labels_share_a_row(tx):
    store.put(tx, [a_version("a"), a_version("b"), a_version("c", label=Label("KR", tlp="RED"))])

    assert tx.scalar(sa.text("SELECT count(DISTINCT label) FROM object_version")) == 2


def test_the_same_version_twice_is_refused(tx):
    store.put(tx, [a_version("a")])

    with pytest.raises(ConflictError, match="already recorded"), tx.begin_nested():
        store.put(tx, [a_version("a")])


def test_new_ones_are_written_beside_those_that_are_there(tx):
    store.put(tx, [a_version("a")])

    written = store.put_new(tx, [a_version("a"), a_version("b")])

    assert {key[0] for key in written} == {a_version("b").stix_id}
    assert store.put_new(tx, []) == {}


def test_the_latest_version_is_given_unless_one_is_named(tx):
    old, new = a_version("a"), a_version("a", day=1)
    store.put(tx, [new, old])

    assert store.get(tx, old.stix_id).version == new.version
    assert store.get(tx, old.stix_id, old.version).version == old.version
    assert store.get(tx, old.stix_id, originator="JP") is None
    assert store.get(tx, "indicator--none") is None
    assert [one.version for one in store.versions(tx, old.stix_id)] == [new.version, old.version]
    assert store.latest(tx, [old.stix_id])[old.stix_id].version == new.version


def test_a_seal_is_added_and_the_state_moves(tx):
    (number,) = store.put(tx, [a_version("a")])

    store.seal(tx, [Seal(number, b"r" * 32, b"s" * 32, b"{}")])

    sealed = store.by_roots(tx, [b"r" * 32])[b"r" * 32]
    assert (sealed.id, sealed.state, sealed.salt, sealed.envelope) == (number, "published", b"s" * 32, b"{}")


def test_a_state_that_is_none_is_refused(tx):
    (number,) = store.put(tx, [a_version("a")])

    with pytest.raises(psycopg.errors.CheckViolation), tx.begin_nested():
        store.set_state(tx, [number], "lost")


def test_pages_of_a_list_neither_skip_nor_repeat(tx):
    ids = store.put(tx, [a_version(str(number)) for number in range(7)])

    first = store.browse(tx, limit=4)
    second = store.browse(tx, before=first[-1].id, limit=4)

    assert [one.id for one in first + second] == sorted(ids, reverse=True)
    assert store.browse(tx, types=["malware"]) == []
    assert len(store.browse(tx, states=["draft"])) == 7


def test_destroying_a_version_takes_its_places_along(tx):
    number = collection(tx)
    ids = store.put(tx, [a_version("a"), a_version("b")])
    collections.add(tx, number, ids, now=NOON)

    assert store.destroy(tx, ids[:1]) == 1

    assert [version for _, version, _, _ in items(tx, number)] == ids[1:]


def test_seq_is_date_added_and_only_grows(tx):
    number = collection(tx)
    ids = store.put(tx, [a_version(str(day), day=day) for day in range(4)])

    seqs = collections.add(tx, number, ids[:3], now=NOON)
    later = collections.add(tx, number, ids[3:], now=NOON - DAY)

    assert collections.moment_of(seqs[0]) == NOON
    assert seqs == [seqs[0], seqs[0] + 1, seqs[0] + 2]
    assert later == [seqs[2] + 1], "a clock that went back must not hide what came later"


def test_adding_again_changes_nothing(tx):
    number = collection(tx)
    ids = store.put(tx, [a_version("a"), a_version("b")])
    seqs = collections.add(tx, number, ids, now=NOON)

    assert collections.add(tx, number, [*ids, ids[0]], now=NOON + DAY) == [*seqs, seqs[0]]
    assert len(items(tx, number)) == 2


def test_a_newer_version_takes_over_last(tx):
    number, other = collection(tx), collection(tx, "partner", "JP")
    ids = store.put(tx, [a_version("a", day=1), a_version("a", day=2), a_version("a", day=0), a_version("b")])
    collections.add(tx, number, ids, now=NOON)
    collections.add(tx, other, ids[:1], now=NOON)

    ends = {version: (first, last) for _, version, first, last in items(tx, number)}
    assert ends == {
        ids[0]: (False, False),
        ids[1]: (False, True),
        ids[2]: (True, False),
        ids[3]: (True, True),
    }
    assert items(tx, other)[0][2:] == (True, True), "each collection counts what is in it"

    collections.remove(tx, [ids[1]], collection=number)
    ends = {version: (first, last) for _, version, first, last in items(tx, number)}
    assert ends == {ids[0]: (False, True), ids[2]: (True, False), ids[3]: (True, True)}


def test_a_grant_class_goes_with_the_item(tx):
    number = collection(tx, "partner", "JP")
    ids = store.put(tx, [a_version("a")])
    collections.add(tx, number, ids, 7, now=NOON)

    assert tx.scalar(sa.text("SELECT grant_class FROM item")) == 7


def test_a_collection_that_is_not_there_is_refused(tx):
    with pytest.raises(NotFoundError):
        collections.add(tx, 4711, [1], now=NOON)


def test_one_collection_per_reader_with_an_id_all_nodes_compute(tx):
    assert collection(tx, "partner", "JP") == collection(tx, "partner", "JP")
    assert collection(tx, "partner", "JP") != collection(tx, "partner", "US")
    assert {one.kind for one in collections.all_of(tx)} == {"partner"}


def test_a_reader_sees_what_is_in_its_collections_and_nothing_else(database):
    with database.app("live") as tx:
        ids = store.put(tx, [a_version(f"seen {n}") for n in range(4)])
        for kind, reader, one in (
            ("own", "KR", ids[0]),
            ("partner", "JP", ids[1]),
            ("clear", "*", ids[2]),
        ):
            collections.add(tx, collection(tx, kind, reader), [one], now=NOON)

    def seen(reader: str) -> set[int]:
        with database.peer("live", reader) as tx:
            return set(tx.scalars(sa.text("SELECT id FROM object_version"))) & set(ids)

    assert seen("JP") == {ids[1], ids[2]}
    assert seen("KR") == {ids[0], ids[2]}
    assert seen("CN") == {ids[2]}
    assert seen("*") == {ids[2]}
    assert seen("") == set(), "nobody named sees nothing"
