"""Imports, as people do them: files of partners, public collections, the same file again."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.ids import party_id, uuid5
from secretariat.base.settings import Limits
from secretariat.records import store
from secretariat.records.bundle import Container
from secretariat.records.markings import Label, classification_marking, tlp_marking
from secretariat.records.result import ImportResult
from secretariat.records.schema_check import checker
from secretariat.records.service import Settings, _Import, import_in, import_stream

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KR = Settings(party="KR", realm="live")
SHARED = Path(__file__).resolve().parents[4] / "shared" / "stix"


def an_indicator(
    key: str = "a", /, *, modified: str = "2026-01-01T00:00:00.000Z", **more: Any
) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid5(key)}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": modified,
        "pattern": "[ipv4-addr:value = '203.0.113.1']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }


def an_address(value: str = "203.0.113.1", **more: Any) -> dict[str, Any]:
    return {"type": "ipv4-addr", "id": f"ipv4-addr--{uuid5(value)}", "value": value, **more}


def a_bundle(*objects: Any) -> bytes:
    return json.dumps({"type": "bundle", "id": f"bundle--{uuid5('b')}", "objects": objects}).encode()


def bring(tx: sa.Connection, *objects: Any, settings: Settings = KR, now: datetime = NOON) -> ImportResult:
    return import_in(tx, settings, io.BytesIO(a_bundle(*objects)), now=now)


def own_items(tx: sa.Connection) -> list[int]:
    return list(tx.scalars(sa.text("SELECT version FROM item ORDER BY seq")))


def told(result: ImportResult) -> list[tuple[str, str]]:
    return [(one.where, one.what) for one in result.refused]


def test_objects_of_a_bundle_become_drafts_in_own(tx):
    result = bring(tx, an_indicator(), an_address())

    assert (result.accepted, result.unchanged, result.refused_count) == (2, 0, 0)
    kept = store.by_ids(tx, result.ids)
    assert [one.state for one in kept] == ["draft", "draft"]
    assert [one.label for one in kept] == [Label("KR", tlp="AMBER")] * 2
    assert own_items(tx) == result.ids
    assert kept[0].object() == an_indicator()


def test_the_same_file_again_moves_nothing(tx):
    """MISP #4838, #3926: unchanged events were sent for ever."""
    first = bring(tx, an_indicator(), an_address())
    again = bring(tx, an_indicator(), an_address(), now=NOON + timedelta(days=1))

    assert (again.accepted, again.unchanged) == (0, 2)
    assert again.ids == first.ids
    assert own_items(tx) == first.ids


def test_an_object_twice_in_one_file_is_stored_once(tx):
    result = bring(tx, an_indicator(), an_indicator(), an_address(), an_address())

    assert (result.accepted, result.unchanged) == (2, 2)
    assert len(own_items(tx)) == 2


def test_the_same_version_with_other_content_is_refused(tx):
    bring(tx, an_indicator())

    again = bring(tx, an_address(), an_indicator(name="changed in secret"))

    assert again.accepted == 1
    assert told(again) == [("line 1, /objects/1/modified", "this version is recorded with other content")]
    assert store.get(tx, an_indicator()["id"]).object() == an_indicator()


def test_two_contents_of_one_version_in_one_file_keep_the_first(tx):
    result = bring(tx, an_indicator(), an_indicator(name="other"))

    assert (result.accepted, result.refused_count) == (1, 1)


def test_an_older_version_is_history_and_overwrites_nothing(tx):
    """OpenCTI #7415: what came last overwrote what was newer."""
    newer = an_indicator(modified="2026-03-01T00:00:00.000Z")
    bring(tx, newer)

    result = bring(tx, an_indicator())

    assert result.accepted == 1
    assert "kept as history" in result.warnings[0].what
    assert store.get(tx, newer["id"]).object() == newer
    ends = tx.execute(sa.text("SELECT version, last FROM item ORDER BY seq")).all()
    assert [last for _, last in ends] == [True, False]


def test_only_the_creator_makes_versions(tx):
    bring(tx, an_indicator(created_by_ref=party_id("KR")))

    other = an_indicator(created_by_ref=party_id("JP"), modified="2026-02-01T00:00:00.000Z")
    moved = {**other, "created_by_ref": party_id("KR"), "created": "2025-01-01T00:00:00.000Z"}
    result = bring(tx, other, moved)

    assert [place for place, _ in told(result)] == [
        "line 1, /objects/0/created_by_ref",
        "line 1, /objects/1/created",
    ]


def test_nothing_follows_a_revocation(tx):
    bring(tx, an_indicator(), an_indicator(modified="2026-02-01T00:00:00.000Z", revoked=True))

    result = bring(tx, an_indicator(modified="2026-03-01T00:00:00.000Z"))

    assert "revoked" in result.refused[0].what


def test_a_partners_object_is_not_changed_here(tx):
    """OpenCTI #7415, #12059: another source's update overwrote markings."""
    theirs = an_indicator(created_by_ref=party_id("US"))
    bring(tx, theirs, settings=Settings(party="US", realm="live"))

    same = bring(tx, theirs)
    changed = bring(tx, {**theirs, "modified": "2026-02-01T00:00:00.000Z"})

    assert (same.accepted, same.unchanged) == (0, 1)
    assert "US created this object" in changed.refused[0].what


def test_public_objects_may_be_held_by_two_parties(tx):
    public = an_indicator(created_by_ref=f"identity--{uuid5('a public project')}")
    bring(tx, public, settings=Settings(party="JP", realm="live"))

    assert bring(tx, {**public, "modified": "2026-02-01T00:00:00.000Z"}).accepted == 1


def test_an_observable_with_more_in_it_stands_beside_the_first(tx):
    result = bring(tx, an_address(), an_address(defanged=True), an_address())

    assert (result.accepted, result.unchanged) == (2, 1)
    assert len({one.version for one in store.versions(tx, an_address()["id"])}) == 2


def test_a_marking_after_its_objects_counts(tx):
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="II", kind="defence")
    high = msgspec.structs.replace(KR, ceiling={"ROK_MIL": "II"})

    result = bring(tx, an_indicator(object_marking_refs=[marking["id"]]), marking, settings=high)

    label = store.by_ids(tx, result.ids)[0].label
    assert label == Label("KR", level="II", scheme="ROK_MIL", kind="defence")
    assert result.warnings == []


@pytest.mark.parametrize("marking_first", [True, False])
def test_content_above_the_ceiling_is_refused_at_the_door(tx, marking_first):
    marking = classification_marking(originator="KR", scheme="ROK_MIL", level="I")
    objects = [marking, an_indicator(object_marking_refs=[marking["id"]]), an_indicator("b")]

    result = bring(tx, *(objects if marking_first else reversed(objects)))

    assert result.accepted == 1
    assert {one.code for one in result.refused} == {"denied"}
    assert own_items(tx) == result.ids
    assert len(result.ids) == 1


def test_an_unknown_marking_closes_the_object(tx):
    """MISP #2223: a marking that did not travel left the object open."""
    result = bring(tx, an_indicator(object_marking_refs=[f"marking-definition--{uuid5('nowhere')}"]))

    assert store.by_ids(tx, result.ids)[0].label.tlp == "RED"
    assert "not known here" in result.warnings[0].what


def test_a_marking_brought_before_is_known(tx):
    marking = classification_marking(originator="KR", rel_to=["JP"])
    bring(tx, marking)

    result = bring(tx, an_indicator(object_marking_refs=[marking["id"], tlp_marking("GREEN")["id"]]))

    assert store.by_ids(tx, result.ids)[0].label == Label("KR", tlp="GREEN", rel_to=("JP",))


def derived(source: str, target: str) -> dict[str, Any]:
    return {
        "type": "relationship",
        "spec_version": "2.1",
        "id": f"relationship--{uuid5(source + target)}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "relationship_type": "derived-from",
        "source_ref": source,
        "target_ref": target,
    }


def test_what_is_derived_carries_its_origins_label(tx):
    origin = an_indicator("origin", object_marking_refs=[tlp_marking("AMBER+STRICT")["id"]])
    made = an_indicator("made", object_marking_refs=[tlp_marking("GREEN")["id"]])
    bring(tx, made, derived(made["id"], origin["id"]), origin)

    bring(tx, {**made, "modified": "2026-02-01T00:00:00.000Z"})

    expected = Label("KR", tlp="GREEN", derived_from=(Label("KR", tlp="AMBER+STRICT"),))
    assert [one.label for one in store.versions(tx, made["id"])] == [expected, expected]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_origins_come_does_not_matter(tx, order):
    origin = an_indicator("origin", object_marking_refs=[tlp_marking("AMBER+STRICT")["id"]])
    made = an_indicator("made")
    parts = [origin, made, derived(made["id"], origin["id"])]

    for number in order:
        bring(tx, parts[number])

    assert store.get(tx, made["id"]).label.derived_from == (Label("KR", tlp="AMBER+STRICT"),)


def test_a_marking_that_came_later_counts_when_the_object_comes_again(tx):
    marking = classification_marking(originator="KR", rel_to=["JP"])
    marked = an_indicator(object_marking_refs=[marking["id"]])
    (number,) = bring(tx, marked).ids
    bring(tx, marking)

    assert bring(tx, marked).unchanged == 1

    assert store.by_ids(tx, [number])[0].label == Label("KR", tlp="AMBER", rel_to=("JP",))


def a_word(word: str) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": f"marking-definition--{uuid5('word')}",
        "created": "2026-01-01T00:00:00.000Z",
        "definition_type": "tlp",
        "definition": {"tlp": word},
    }


@pytest.mark.parametrize("at_once", [True, False])
def test_a_marking_that_is_defined_anew_lowers_nothing(tx, at_once):
    red, white = a_word("red"), a_word("white")
    marked = an_indicator(object_marking_refs=[red["id"]])
    if at_once:
        result = bring(tx, white, red, marked)
    else:
        bring(tx, red)
        result = bring(tx, white, marked)

    assert "recorded with other content" in result.refused[0].what
    assert store.get(tx, marked["id"]).label.tlp == "RED"


def test_references_to_nowhere_are_told(tx):
    result = bring(tx, derived(an_indicator("x")["id"], an_indicator("y")["id"]), an_indicator("y"))

    (warned,) = result.warnings
    assert an_indicator("x")["id"] in warned.what
    assert warned.where == "line 1, /objects/0/source_ref"


def test_bad_members_are_refused_one_by_one(tx):
    """MISP #5258, #2601: "6 failed" without a reason."""
    lines = b"""{"type": "bundle", "id": "bundle--1", "objects": [
      {"tlp": "red", "tlp": "clear"},
      17,
      {"type": "indicator", "spec_version": "2.0", "id": "x"},
      {"type": "indicator" "spec_version"},
      %s,
      {"type": "malware", "spec_version": "2.1", "id": "malware--\xff"}
    ]}""" % json.dumps(an_indicator()).encode()

    result = import_in(tx, KR, io.BytesIO(lines), now=NOON)

    assert result.accepted == 1
    assert [one.where for one in result.refused] == [
        "line 2, /objects/0/tlp",
        "line 3, /objects/1",
        "line 4, /objects/2/spec_version",
        "line 5, /objects/3 (byte 21)",
        "line 7, /objects/5 (byte 59)",
    ]


def test_an_object_that_is_too_large_is_refused_alone(tx):
    small = msgspec.structs.replace(KR, limits=Limits(max_object_bytes=1000))

    result = bring(tx, an_indicator(description="x" * 5000), an_indicator("b"), settings=small)

    assert (result.accepted, result.refused[0].code) == (1, "too-large")


def test_a_file_that_is_cut_off_stores_nothing(database):
    """MISP #3381: large events arrived partial and said nothing."""
    whole = a_bundle(*(an_indicator(str(number)) for number in range(3000)))

    with pytest.raises(InputError, match="cut off"):
        import_stream(database, "live", "KR", io.BytesIO(whole[:-40]))

    with database.app("live") as tx:
        assert tx.scalar(sa.text("SELECT count(*) FROM object_version")) == 0
        assert tx.scalar(sa.text("SELECT count(*) FROM item")) == 0


def test_a_gzip_file_is_unpacked(tx):
    packed = gzip.compress(a_bundle(an_indicator()))

    assert import_in(tx, KR, io.BytesIO(packed), now=NOON).accepted == 1


def test_the_list_of_refusals_ends_and_the_count_goes_on(tx):
    few = msgspec.structs.replace(KR, limits=Limits(max_refusals=2))

    result = bring(tx, 1, 2, 3, 4, settings=few)

    assert (result.refused_count, len(result.refused)) == (4, 2)


def test_nothing_is_imported_into_a_partners_collection(tx):
    with pytest.raises(NotFoundError):
        import_in(tx, KR, io.BytesIO(a_bundle()), collection="clear", now=NOON)


def test_a_hidden_draft_that_comes_again_is_back(tx):
    (number,) = bring(tx, an_indicator()).ids
    store.set_state(tx, [number], "hidden")

    assert bring(tx, an_indicator()).unchanged == 1

    assert store.by_ids(tx, [number])[0].state == "draft"


def test_progress_counts_every_byte(database):
    data = a_bundle(*(an_indicator(str(number)) for number in range(2500)))
    seen: list[int] = []

    result = import_stream(database, "live", "KR", io.BytesIO(data), progress=seen.append)

    assert sum(seen) == result.bytes == len(data)


REAL = {
    "ics-attack-18.1.json": (1826, Counter()),
    # 80 relationships bear the id and the version of another one with another target; two objects were
    # modified before they were created
    "atlas.json": (
        456,
        Counter({"this version is recorded with other content": 80, "modified is before created": 2}),
    ),
}


@pytest.mark.skipif(not SHARED.exists(), reason=f"the real bundles are not at {SHARED}")
@pytest.mark.parametrize("name", REAL)
def test_real_bundles_come_in_equal(tx, name):
    data = (SHARED / name).read_bytes()
    accepted, faults = REAL[name]

    result = import_in(tx, KR, io.BytesIO(data), now=NOON)

    assert (result.accepted, result.unchanged) == (accepted, 0)
    assert Counter(re.sub(r" \d{4}-\S+", "", one.what) for one in result.refused) == faults
    refused = {one.id for one in result.refused}
    kept = {one.stix_id: one.object() for one in store.by_ids(tx, result.ids)}
    for one in json.loads(data)["objects"]:
        assert one["id"] in refused or kept[one["id"]] == one


@pytest.mark.skipif(not SHARED.exists(), reason=f"the real bundles are not at {SHARED}")
def test_the_examples_of_oasis_come_in_whole(tx):
    """Each for a party of its own: the files use the same ids for different objects."""
    for path in sorted((SHARED / "oasis-examples").glob("*.json")):
        data = path.read_bytes()
        value = json.loads(data)
        someone = Settings(party=path.stem, realm="live")
        result = import_in(tx, someone, io.BytesIO(data), now=NOON)
        assert (result.refused, result.members) == ([], len(value.get("objects", [value]))), path.name


def test_the_schemas_refuse_more_when_they_are_asked(tx):
    bad = an_address("not an address")
    assert bring(tx, bad).accepted == 1

    result = import_in(tx, KR, io.BytesIO(a_bundle(bad, an_address())), now=NOON, examine=checker())

    assert (result.unchanged, result.accepted, result.refused_count) == (0, 1, 1)
    assert "OASIS schema" in result.refused[0].what


def test_two_imports_of_the_same_file_at_once_store_it_once(database):
    data = a_bundle(*(an_indicator(str(number)) for number in range(1500)))

    def run(_number: int) -> ImportResult:
        return import_stream(database, "live", "KR", io.BytesIO(data))

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, range(3)))

    assert sorted((one.accepted, one.unchanged) for one in results) == [(0, 1500), (0, 1500), (1500, 0)]
    with database.app("live") as tx:
        assert len(own_items(tx)) == 1500


def test_text_a_database_cannot_hold_is_refused_not_a_fault(tx):
    marking = classification_marking(originator="KR", controls=["a\x00b"])
    strange = an_indicator(description="nul \x00 and 😀", name="\u202e")

    result = bring(tx, marking, strange)

    assert (result.accepted, result.refused_count) == (1, 1)
    assert store.get(tx, strange["id"]).object() == strange


def enrol(tx, *codes, partner=True):
    for code in codes:
        tx.exec_driver_sql(
            "INSERT INTO party (code, name, partner, recorded_at) VALUES (%s, %s, %s, %s)",
            (code, code, partner, NOON),
        )


def test_nothing_is_stated_in_the_name_of_an_enrolled_party(tx):
    enrol(tx, "KR", "JP")
    enrol(tx, "CN", partner=False)

    result = bring(
        tx,
        an_indicator("of-jp", created_by_ref=party_id("JP")),
        an_indicator("ours", created_by_ref=party_id("KR")),
        an_indicator("of-nobody-here", created_by_ref=party_id("CN")),
        an_indicator("relayed", created_by_ref="identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"),
    )

    assert result.accepted == 3
    (refused,) = result.refused
    assert refused.where.endswith("/objects/0/created_by_ref")
    assert "JP" in refused.what
    assert refused.advice


def test_what_the_enrolled_party_signed_itself_is_here_already(tx):
    enrol(tx, "JP")
    given = an_indicator("a", created_by_ref=party_id("JP"))
    own = Settings(party="JP", realm="live")
    assert bring(tx, given, settings=own).accepted == 1

    again = bring(tx, given)

    assert (again.accepted, again.unchanged, again.refused_count) == (0, 1, 0)


def test_a_guest_states_nothing_in_its_hosts_name(tx):
    guest = Settings(party="KISIA", realm="live", beside=frozenset({"KR"}))
    assert bring(tx, an_indicator(created_by_ref=party_id("KR")), settings=guest).refused_count == 1


def test_an_import_under_way_keeps_nobody_else_waiting(database):
    """A small posting beside a large import that brought the first object under a marking."""
    first = {"object_marking_refs": [tlp_marking("GREEN")["id"]]}
    with ThreadPoolExecutor(1) as beside, database.app("live") as tx:
        run = _Import(tx, KR, NOON)
        run.take(list(Container(io.BytesIO(a_bundle(an_indicator("large", **first))), KR.limits)))
        posted = beside.submit(
            import_stream, database, "live", "KR", io.BytesIO(a_bundle(an_indicator("small", **first)))
        )
        assert posted.result(timeout=5).accepted == 1
        run.finish()
